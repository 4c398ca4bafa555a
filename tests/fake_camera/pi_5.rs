//! A camera on the ribbon of a Raspberry Pi 5: its sensor, its receiver and its video node are devices of their own.

use std::cell::Cell;
use std::rc::Rc;

use maskbell::camera::v4l2::{Options, V4l2Camera, Which, list};
use maskbell::camera::{Capture, Fault, Source};
use maskbell::frame::{Order, Packing, PixelFormat};
use v4l::v4l_sys as sys;

use crate::controller::{CODES, Controller};
use crate::journal;
use crate::machine::{Machine, Offer};
use crate::ribbon::{module_2, pictures};

/// A machine with a Camera Module 2 before a wall in this light.
fn machine(light: f32, controller: Controller) -> Machine {
    let mut device = module_2(&Rc::new(Cell::new(light)));
    device.card = b"rp1-cfe".to_vec();
    device.driver = b"rp1-cfe".to_vec();
    device.capabilities |= sys::V4L2_CAP_IO_MC | sys::V4L2_CAP_META_CAPTURE;
    // Whatever it is asked for, it takes.
    let formats = [(*b"pRAA", CODES[0][0]), (*b"pBAA", CODES[0][1]), (*b"RGGB", CODES[1][0])];
    device.offers = formats.iter().map(|(fourcc, _)| Offer::new(fourcc, &[], &[])).collect();
    device.bus = formats.to_vec();
    device.odd = Box::new(|_| ());
    Machine::behind(controller, device)
}

fn options(machine: &Machine) -> Options {
    Options { which: Which::Node(machine.node().into()), ..Options::default() }
}

#[test]
fn its_links_formats_and_controls_are_set_and_it_sends() {
    let machine = machine(1e-4, Controller::new());
    let found = list(&options(&machine)).remove(0).to_string();
    assert!(found.contains("(imx219, Camera Module 2, rp1-cfe): pRAA 1640×1232"), "{found}");
    let flags =
        |machine: &Machine| machine.controller(|c| c.links.iter().map(|link| link.2).collect::<Vec<_>>());
    assert_eq!(flags(&machine), [3, 3, 0, 1], "who only looks changes nothing");
    journal::take();
    let mut camera = V4l2Camera::new(options(&machine));
    let Capture::Frame(frame) = camera.next() else { panic!("no picture") };
    assert_eq!((frame.width(), frame.height(), frame.stride()), (820, 616, 2080));
    // It is mounted upside down, and sends another order of colours since it was told so.
    assert_eq!(frame.format(), PixelFormat::Bayer(Order::Bggr, Packing::TenPacked));
    assert_eq!(flags(&machine), [3, 3, 1, 0]);
    let told = journal::take();
    for step in [
        "media0 (rp1-cfe): “imx219 10-0010”:0 → “csi2”:0 → “rp1-cfe-csi2_ch0”:0",
        "“csi2”:4 → “pisp-fe”:0 is off",
        "“csi2”:4 → “rp1-cfe-csi2_ch0”:0 is on",
        "“imx219 10-0010”:0 sends 0x3007 1640×1232",
        "“csi2”:0 takes 0x3007 1640×1232",
        "“csi2”:1 takes 0x7002 3280×2",
        "pBAA 1640×1232, 2080 bytes a row",
    ] {
        assert!(told.iter().any(|line| line.contains(step)), "{step}: {told:#?}");
    }
    // Its exposure is the sensor's.
    assert_eq!(pictures(&mut camera, 60), 60);
    let control = |id| machine.camera(|c| c.controls.iter().find(|control| control.0 == id).unwrap().1);
    assert_ne!((control(sys::V4L2_CID_EXPOSURE), control(sys::V4L2_CID_ANALOGUE_GAIN)), (0x640, 0));
    assert_eq!(control(sys::V4L2_CID_VBLANK), 1763 - 1232);
    assert!(journal::take().iter().any(|line| line.contains("exposed:")));
}

#[test]
fn each_step_that_fails_is_told_with_what_to_do() {
    type Spoil = fn(&mut Controller);
    let cases: [(Spoil, &str); 6] = [
        (
            |c| c.refuse = Box::new(|_, request| (request as u32 == 0xc034_7c03).then_some(libc::EBUSY)),
            "“csi2”:4 → “pisp-fe”:0 off: Device or resource busy (os error 16): another program uses the camera",
        ),
        (
            |c| {
                c.refuse = Box::new(|node, request| {
                    (node == "v4l-subdev0" && request as u32 == 0xc058_5605).then_some(libc::EREMOTEIO)
                });
            },
            "see to both ends of the ribbon",
        ),
        (|c| c.is_stubborn = true, "“csi2”:0 makes 0x300f 640×480 of 0x3007 1640×1232"),
        (|c| c.links.retain(|link| link.0.0 != 3), "no sensor sends its pictures to it as they are"),
        (
            |c| c.refuse = Box::new(|_, request| (request as u32 == 0xc048_7c04).then_some(libc::ENOTTY)),
            "look at it: Inappropriate ioctl",
        ),
        (
            |c| {
                c.refuse = Box::new(|node, request| {
                    (node == "v4l-subdev1" && request as u32 == 0xc058_5605).then_some(libc::EPERM)
                });
            },
            "“csi2”:0 to 0x3007 1640×1232: Operation not permitted (os error 1): be root",
        ),
    ];
    for (spoil, reason) in cases {
        let mut controller = Controller::new();
        spoil(&mut controller);
        let machine = machine(1e-4, controller);
        journal::take();
        let mut camera = V4l2Camera::new(options(&machine));
        let Capture::Fault { fault, .. } = camera.next() else { panic!("a picture in spite of: {reason}") };
        assert!(matches!(fault, Fault::NoCamera | Fault::NoFrames));
        let told = journal::take();
        assert!(told.iter().any(|line| line.contains(reason)), "{reason}: {told:#?}");
        // It is over: the camera is taken.
        machine.controller(|c| *c = Controller::new());
        machine.pass(std::time::Duration::from_secs(10));
        assert!(pictures(&mut camera, 30) > 10, "{reason}");
    }
}

#[test]
fn without_its_controllers_node_the_kernel_is_at_fault_and_without_the_sensors_too() {
    for (name, reason) in [
        ("media0", "no media controller knows it: the kernel needs MEDIA_CONTROLLER"),
        ("v4l-subdev0", "“imx219 10-0010”: open"),
    ] {
        let machine = machine(1e-4, Controller::new());
        std::fs::remove_file(machine.node().with_file_name(name)).unwrap();
        let found = list(&options(&machine)).remove(0).to_string();
        assert!(found.contains(reason), "{found}");
    }
}
