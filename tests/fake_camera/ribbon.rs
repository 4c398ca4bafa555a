//! A camera on the ribbon: a bare sensor whose formats and controls are on one video node.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use maskbell::camera::v4l2::{Options, V4l2Camera, Which, list};
use maskbell::camera::{Capture, Fault, Source};
use maskbell::frame::{Development, Order, Packing, PixelFormat};
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

use crate::journal;
use crate::machine::{Agreed, Device, Machine, Offer, Picture};

/// Modes of an IMX219, photosites.
const MODES: [(u32, u32); 4] = [(3280, 2464), (1920, 1080), (1640, 1232), (640, 480)];

/// Light of a wall, as a part of what fills a photosite in a row of exposure at gain 1.
pub(crate) type Light = Rc<Cell<f32>>;

/// A Camera Module 2, as the Raspberry Pi's receiver shows it, before a wall in this light.
pub(crate) fn module_2(light: &Light) -> Device {
    let mut device = Device::new(&[
        Offer::new(b"pRAA", &MODES, &[]),
        Offer::new(b"RG10", &MODES, &[]),
        Offer::new(b"RGGB", &MODES, &[]),
    ]);
    device.card = b"unicam".to_vec();
    device.driver = b"unicam".to_vec();
    device.controls = vec![
        (sys::V4L2_CID_EXPOSURE, 0x640),
        (sys::V4L2_CID_ANALOGUE_GAIN, 0),
        (sys::V4L2_CID_VBLANK, 3526 - 2464),
        (sys::V4L2_CID_HFLIP, 0),
        (sys::V4L2_CID_VFLIP, 0),
        (sys::V4L2_CID_CAMERA_SENSOR_ROTATION, 180),
    ];
    device.ranges = vec![(sys::V4L2_CID_ANALOGUE_GAIN, [0, 232])];
    let total = Rc::new(Cell::new((0x640, 0)));
    let (told, flipped) = (Rc::clone(&total), Rc::new(Cell::new(false)));
    let flips = Rc::clone(&flipped);
    device.told = Box::new(move |control, value| {
        let (exposure, gain) = told.get();
        match control {
            sys::V4L2_CID_EXPOSURE => told.set((value, gain)),
            sys::V4L2_CID_ANALOGUE_GAIN => told.set((exposure, value)),
            sys::V4L2_CID_VFLIP => flips.set(value == 1),
            _ => {}
        }
    });
    // Flipped both ways the order of colours is another, whatever was asked for.
    device.odd = Box::new(move |pix| {
        if flipped.get() && pix.pixelformat == u32::from_le_bytes(*b"pRAA") {
            pix.pixelformat = u32::from_le_bytes(*b"pBAA");
        }
    });
    let light = Rc::clone(light);
    device.picture = Box::new(move |number, agreed| Some(picture(number, agreed, light.get(), total.get())));
    device
}

/// A grey wall, left half darker, as an IMX219 sees it under a lamp: blue and green first.
fn picture(number: u64, agreed: &Agreed, light: f32, (exposure, gain): (i32, i32)) -> Picture {
    let light = light * exposure as f32 * 256.0 / (256 - gain) as f32;
    let row = |colours: [f32; 2]| {
        let photosite = |x: u32| {
            let half = if x < agreed.width / 2 { 0.5 } else { 1.0 };
            let value = light * half * colours[x as usize % 2] + (number % 7) as f32 * 1e-3;
            ((0.0625 + 0.9375 * value).min(1.0) * 65_535.0) as u16
        };
        let packing = if agreed.fourcc[0] == b'p' { Packing::TenPacked } else { Packing::Ten };
        let mut row = packing.packed((0..agreed.width).map(photosite));
        row.resize(row.len().next_multiple_of(32), 0);
        row
    };
    let (blue, red) = (0.55, 0.6);
    let pair = [row([blue, 1.0]), row([1.0, red])].concat();
    Picture::of(pair.repeat(agreed.height as usize / 2))
}

fn options(machine: &Machine) -> Options {
    Options { which: Which::Node(machine.node().into()), ..Options::default() }
}

/// Asks for so many pictures; how many came.
pub(crate) fn pictures(camera: &mut V4l2Camera, turns: usize) -> usize {
    (0..turns).filter(|_| matches!(camera.next(), Capture::Frame(_))).count()
}

fn fault(camera: &mut V4l2Camera) -> Option<Fault> {
    match camera.next() {
        Capture::Fault { fault, .. } => Some(fault),
        _ => None,
    }
}

fn control(machine: &Machine, id: u32) -> i32 {
    machine.camera(|device| device.controls.iter().find(|control| control.0 == id).unwrap().1)
}

#[test]
fn it_is_set_up_in_the_mode_with_its_whole_view_and_upright() {
    let machine = Machine::with(module_2(&Rc::new(Cell::new(1e-4))));
    let found = list(&options(&machine)).remove(0).to_string();
    assert!(found.contains("imx219, Camera Module 2") && found.ends_with("pRAA 1640×1232"), "{found}");
    let mut camera = V4l2Camera::new(options(&machine));
    let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
    assert_eq!((frame.width(), frame.height(), frame.stride()), (820, 616, 2080));
    assert_eq!(frame.format(), PixelFormat::Bayer(Order::Bggr, Packing::TenPacked));
    assert_eq!(frame.development().black, 64 << 6);
    for (id, value) in [
        (sys::V4L2_CID_HFLIP, 1),
        (sys::V4L2_CID_VFLIP, 1),
        // 30 pictures a second.
        (sys::V4L2_CID_VBLANK, 1763 - 1232),
    ] {
        assert_eq!(control(&machine, id), value, "{id:x}");
    }
}

#[test]
fn it_follows_the_light_and_whoever_stands_in_it() {
    let light = Rc::new(Cell::new(2e-5));
    let machine = Machine::with(module_2(&light));
    let mut camera = V4l2Camera::new(options(&machine));
    let mut seen = Vec::new();
    for now in [2e-5, 1e-2, 1e-4] {
        light.set(now);
        assert_eq!(pictures(&mut camera, 30), 30);
        let exposure = control(&machine, sys::V4L2_CID_EXPOSURE) as f32;
        let gain = 256.0 / (256 - control(&machine, sys::V4L2_CID_ANALOGUE_GAIN)) as f32;
        seen.push(exposure * gain * now * 0.5);
    }
    // The darker half is what it exposes for.
    assert!(seen.iter().all(|seen| (0.08..0.18).contains(seen)), "{seen:?}");
    // Grey is grey, whatever the lamp: within 5 %.
    let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
    let gains = frame.development().gains.map(f32::from);
    let grey = [gains[0] * 0.6, gains[1], gains[2] * 0.55];
    assert!(grey.iter().all(|value| (value / grey[1] - 1.0).abs() < 0.05), "{grey:?}");
    // A face in the brighter half: there it is to be right.
    for _ in 0..30 {
        let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        camera.attend(&[maskbell::geometry::Rect::new(0.7 * width, 0.3 * height, 0.8 * width, 0.5 * height)]);
    }
    let exposure = control(&machine, sys::V4L2_CID_EXPOSURE) as f32;
    let gain = 256.0 / (256 - control(&machine, sys::V4L2_CID_ANALOGUE_GAIN)) as f32;
    let face = exposure * gain * 1e-4;
    assert!((0.12..0.26).contains(&face), "{face}");
}

#[test]
fn a_ribbon_that_is_pulled_is_told_and_forgotten_when_it_is_back() {
    let light = Rc::new(Cell::new(1e-4));
    let machine = Machine::with(module_2(&light));
    let mut camera = V4l2Camera::new(options(&machine));
    assert_eq!(pictures(&mut camera, 60), 60);
    // Nothing comes any more, and nobody answers on I²C.
    machine.camera(|device| {
        device.picture = Box::new(|_, _| None);
        device.refuse = Box::new(|request, _| {
            matches!(request, vidioc::VIDIOC_S_CTRL | vidioc::VIDIOC_STREAMON).then_some(libc::EREMOTEIO)
        });
    });
    for _ in 0..30 {
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
    }
    machine.camera(|device| {
        let Device { picture, refuse, told, odd, .. } = module_2(&light);
        (device.picture, device.refuse, device.told, device.odd) = (picture, refuse, told, odd);
    });
    machine.pass(Duration::from_secs(10));
    assert!(pictures(&mut camera, 30) > 10);
}

#[test]
fn without_the_one_mode_or_with_another_size_it_is_told_and_no_picture_guessed() {
    let light = Rc::new(Cell::new(1e-4));
    let mut device = module_2(&light);
    device.offers = vec![Offer::new(b"pRAA", &[(640, 480)], &[])];
    let machine = Machine::with(device);
    let found = list(&options(&machine)).remove(0).to_string();
    assert!(found.contains("does not offer 1640×1232"), "{found}");
    drop(machine);

    let mut device = module_2(&light);
    device.odd = Box::new(|pix| (pix.width, pix.height) = (640, 480));
    let machine = Machine::with(device);
    let mut camera = V4l2Camera::new(options(&machine));
    for _ in 0..10 {
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
    }
}

#[test]
fn one_that_another_program_uses_or_that_sends_something_unknown_is_told_and_taken_as_soon_as_it_can_be() {
    let light = Rc::new(Cell::new(1e-4));
    let machine = Machine::with(module_2(&light));
    machine.camera(|device| {
        device.refuse = Box::new(|request, _| (request == vidioc::VIDIOC_S_FMT).then_some(libc::EBUSY));
    });
    let mut camera = V4l2Camera::new(options(&machine));
    for _ in 0..10 {
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
    }
    machine.camera(|device| {
        device.refuse = Box::new(|_, _| None);
        device.odd = Box::new(|pix| pix.pixelformat = u32::from_le_bytes(*b"pXAA"));
    });
    for _ in 0..10 {
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
    }
    machine.camera(|device| device.odd = Box::new(|_| ()));
    machine.pass(Duration::from_secs(10));
    assert!(pictures(&mut camera, 30) > 10);
}

#[test]
fn one_whose_node_is_gone_is_no_camera_until_it_is_back() {
    let light = Rc::new(Cell::new(1e-4));
    let machine = Machine::with(module_2(&light));
    let mut camera = V4l2Camera::new(options(&machine));
    assert_eq!(pictures(&mut camera, 10), 10);
    machine.unplug();
    for _ in 0..10 {
        assert_eq!(fault(&mut camera), Some(Fault::NoCamera));
    }
    machine.plug(module_2(&light));
    machine.pass(Duration::from_secs(10));
    assert!(pictures(&mut camera, 30) > 10);
}

/// Lines of the log, of those since it was asked last, that contain this.
fn told(part: &str) -> usize {
    journal::take().iter().filter(|line| line.contains(part)).count()
}

#[test]
fn why_there_is_no_camera_is_in_the_log_once_and_so_is_another_reason() {
    let mut device = module_2(&Rc::new(Cell::new(1e-4)));
    device.capabilities |= sys::V4L2_CAP_IO_MC;
    let machine = Machine::with(device);
    let mut camera = V4l2Camera::new(options(&machine));
    for _ in 0..20 {
        assert_eq!(fault(&mut camera), Some(Fault::NoCamera));
    }
    assert_eq!(told("no media controller knows it"), 1);
    machine.camera(|device| {
        device.capabilities &= !sys::V4L2_CAP_IO_MC;
        device.offers = vec![Offer::new(b"pRAA", &[(640, 480)], &[])];
    });
    for _ in 0..20 {
        assert_eq!(fault(&mut camera), Some(Fault::NoCamera));
    }
    assert_eq!(told("does not offer 1640×1232"), 1);
}

#[test]
fn its_modes_with_8_bits_whose_rows_take_another_time_are_left_alone() {
    let light = Rc::new(Cell::new(1e-4));
    let machine = Machine::with(module_2(&light));
    let modes = list(&options(&machine)).remove(0).modes.unwrap();
    let names: Vec<_> = modes.iter().map(|mode| mode.fourcc.escape_ascii().to_string()).collect();
    assert_eq!(names, ["pRAA", "RG10"]);
    drop(machine);

    let mut device = module_2(&light);
    device.offers.drain(..2);
    let machine = Machine::with(device);
    let found = list(&options(&machine)).remove(0).to_string();
    assert!(found.contains("does not offer 1640×1232"), "{found}");
    drop(machine);

    // Nor are they taken from a driver that gives them unasked.
    let mut device = module_2(&light);
    device.odd = Box::new(|pix| pix.pixelformat = u32::from_le_bytes(*b"RGGB"));
    let machine = Machine::with(device);
    let mut camera = V4l2Camera::new(options(&machine));
    for _ in 0..10 {
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
    }
}

#[test]
fn what_the_sensor_did_not_take_it_is_told_again() {
    let light = Rc::new(Cell::new(1.2e-4));
    let machine = Machine::with(module_2(&light));
    let mut camera = V4l2Camera::new(options(&machine));
    assert_eq!(pictures(&mut camera, 30), 30);
    journal::take();
    // So dark that it is told all that it can do at once, and does not hear it.
    light.set(4e-6);
    let deaf = Rc::new(Cell::new(2));
    machine.camera(|device| {
        device.refuse = Box::new(move |request, _| {
            (request == vidioc::VIDIOC_S_CTRL && deaf.get() > 0).then(|| {
                deaf.set(deaf.get() - 1);
                libc::EIO
            })
        });
    });
    assert_eq!(pictures(&mut camera, 30), 30);
    let gain = 256.0 / (256 - control(&machine, sys::V4L2_CID_ANALOGUE_GAIN)) as f32;
    assert!(gain > 10.0, "{gain}");
    assert_eq!(told("it is told again"), 2);
}

#[test]
fn a_driver_that_takes_less_than_it_is_told_is_made_up_for() {
    let light = Rc::new(Cell::new(2e-5));
    let mut device = module_2(&light);
    // Half of what its driver is known to take.
    device.ranges.push((sys::V4L2_CID_EXPOSURE, [4, 800]));
    let machine = Machine::with(device);
    let mut camera = V4l2Camera::new(options(&machine));
    assert_eq!(pictures(&mut camera, 60), 60);
    let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
    let gains = frame.development().gains;
    let gain = 256.0 / (256 - control(&machine, sys::V4L2_CID_ANALOGUE_GAIN)) as f32;
    assert_eq!(control(&machine, sys::V4L2_CID_EXPOSURE), 800);
    // What it does not give is multiplied.
    let seen = 800.0 * gain * 2e-5 * 0.5 * f32::from(gains[1]) / f32::from(Development::ONE);
    assert!((0.1..0.15).contains(&seen), "{seen}");
    // And that is all that can be done: nobody tells it anything any more.
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    machine.camera(|device| device.told = Box::new(move |_, _| count.set(count.get() + 1)));
    assert_eq!(pictures(&mut camera, 60), 60);
    assert_eq!(calls.get(), 0);
}

#[test]
fn an_error_of_i2c_is_the_ribbons_fault_only_where_there_is_a_ribbon() {
    let refuse = || -> crate::machine::Refuse {
        Box::new(|request, _| (request == vidioc::VIDIOC_STREAMON).then_some(libc::EREMOTEIO))
    };
    let mut usb = Device::new(&[Offer::new(b"YUYV", &[(640, 480)], &[30])]);
    usb.refuse = refuse();
    let mut sensor = module_2(&Rc::new(Cell::new(1e-4)));
    sensor.refuse = refuse();
    for (device, is_told) in [(usb, false), (sensor, true)] {
        let machine = Machine::with(device);
        let mut camera = V4l2Camera::new(options(&machine));
        assert_eq!(fault(&mut camera), Some(Fault::NoFrames));
        assert_eq!(told("both ends of the ribbon") > 0, is_told);
    }
}

#[test]
fn the_log_tells_whether_its_pictures_are_upright() {
    for (rotation, flips, part) in [
        (0, true, "mounted at 0°: its pictures are upright"),
        (180, true, "mounted at 180°: its pictures are upright"),
        (180, false, "mounted at 180°, which it does not undo: set `rotation` in maskbell.toml"),
        (90, true, "mounted at 90°, which it does not undo: set `rotation` in maskbell.toml"),
    ] {
        let mut device = module_2(&Rc::new(Cell::new(1e-4)));
        device.controls.retain(|(id, _)| flips || *id != sys::V4L2_CID_VFLIP);
        for (id, value) in &mut device.controls {
            if *id == sys::V4L2_CID_CAMERA_SENSOR_ROTATION {
                *value = rotation;
            }
        }
        let machine = Machine::with(device);
        let mut camera = V4l2Camera::new(options(&machine));
        assert_eq!(pictures(&mut camera, 1), 1);
        assert_eq!(told(part), 1, "{rotation} {flips}");
    }
}

#[test]
fn its_picture_is_read_once_from_the_buffer_which_no_cache_holds() {
    let machine = Machine::with(module_2(&Rc::new(Cell::new(1e-4))));
    let mut camera = V4l2Camera::new(options(&machine));
    let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
    let before = frame.data().to_vec();
    machine.camera(|device| device.spoil());
    assert!(frame.data() == before);
}
