//! What a camera may do, and what is made of it.

use std::ops::ControlFlow;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use maskbell::camera::v4l2::{Options, PowerLine, V4l2Camera, Which, list};
use maskbell::camera::view::Blindness;
use maskbell::camera::{Capture, Fault, Source};
use maskbell::frame::Orientation;
use maskbell::policy::Times;
use maskbell::vision::{self, Choice, LookSize};
use maskbell::watch::{Turn, Watch};
use proptest::prelude::*;
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

use crate::journal;
use crate::machine::{Agreed, Device, Machine, Offer, Picture, Sizes, yuyv};

const VGA: (u32, u32) = (640, 480);
const QVGA: (u32, u32) = (320, 240);

/// Turns after which a camera must have done what it can do.
const ENOUGH: usize = 2000;

fn options(machine: &Machine) -> Options {
    Options { which: Which::Node(machine.node().into()), width: 320, height: 240, ..Options::default() }
}

fn camera(machine: &Machine) -> V4l2Camera {
    V4l2Camera::new(options(machine))
}

/// What one turn brought: the first byte of the picture, or the fault.
fn turn(camera: &mut V4l2Camera) -> Result<u8, Fault> {
    match camera.next() {
        Capture::Frame(frame) => Ok(frame.data()[0]),
        Capture::Fault { fault, .. } => Err(fault),
        Capture::End => panic!("a camera never ends"),
    }
}

/// Asks until `wanted` comes.
fn until(camera: &mut V4l2Camera, wanted: impl Fn(Result<u8, Fault>) -> bool) {
    let mut seen = Vec::new();
    for _ in 0..ENOUGH {
        let brought = turn(camera);
        if wanted(brought) {
            return;
        }
        seen.push(brought);
    }
    panic!("it never came; the last was {:?}", seen.last());
}

fn until_picture(camera: &mut V4l2Camera) {
    until(camera, |brought| brought.is_ok());
}

fn jpeg((width, height): (u32, u32), luma: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![luma; (width * height) as usize];
    JpegEncoder::new(&mut bytes).encode(&pixels, width, height, image::ExtendedColorType::L8).unwrap();
    bytes
}

/// Good pictures in whatever was agreed on.
fn good(_: u64, agreed: &Agreed) -> Option<Picture> {
    Some(Picture::of(match &agreed.fourcc {
        b"MJPG" => jpeg((agreed.width, agreed.height), 100),
        _ => yuyv(agreed, 100),
    }))
}

/// A camera that can do both, as most do.
fn usual() -> Device {
    let sizes = [VGA, QVGA, (160, 120)];
    let mut device =
        Device::new(&[Offer::new(b"YUYV", &sizes, &[30, 15]), Offer::new(b"MJPG", &sizes, &[30])]);
    device.picture = Box::new(good);
    device
}

fn name(agreed: &Agreed) -> String {
    let Agreed { fourcc, width, height, rate } = agreed;
    format!("{} {width}x{height} {rate}", fourcc.escape_ascii())
}

fn starts(machine: &Machine) -> Vec<String> {
    machine.camera(|camera| camera.starts.iter().map(name).collect())
}

#[test]
fn pictures_come_as_they_are_taken() {
    let mut device = Device::new(&[Offer::new(b"YUYV", &[VGA, QVGA], &[30])]);
    device.picture = Box::new(|number, agreed| Some(Picture::of(yuyv(agreed, number as u8))));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    for number in 0..100 {
        assert_eq!(turn(&mut camera), Ok(number));
    }
    assert_eq!(starts(&machine), ["YUYV 320x240 30"]);
    let Capture::Frame(frame) = camera.next() else { panic!() };
    assert_eq!((frame.width(), frame.height(), frame.stride()), (320, 240, 640));
    let at = frame.captured_at();
    assert!(Duration::from_secs(3) < at && at < Duration::from_secs(4), "{at:?}");
}

#[test]
fn who_is_slow_gets_the_newest_and_never_a_stale_one() {
    let mut device = Device::new(&[Offer::new(b"YUYV", &[QVGA], &[10])]);
    device.picture = Box::new(|number, agreed| Some(Picture::of(yuyv(agreed, number as u8))));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    assert_eq!(turn(&mut camera), Ok(0));
    // Half a second: 5 more were taken, and the last is the newest.
    machine.pass(Duration::from_millis(500));
    assert_eq!(turn(&mut camera), Ok(5));
    // A minute: the driver ran out of buffers long ago.  What lies there is old; the next picture is awaited.
    machine.pass(Duration::from_secs(60));
    let now = turn(&mut camera).unwrap();
    // Number 605 was due a moment ago and had no buffer; 606 is the first that finds one.
    assert_eq!(now, 606_u16 as u8);
}

#[test]
fn a_stream_that_the_bus_has_no_room_for_is_not_asked_for_again_and_again() {
    let mut device = usual();
    device.refuse = Box::new(|request, agreed| {
        (request == vidioc::VIDIOC_STREAMON && agreed.fourcc == *b"YUYV").then_some(libc::ENOSPC)
    });
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["MJPG 320x240 30"]);
}

#[test]
fn a_format_whose_pictures_are_all_damaged_is_given_up() {
    let mut device = usual();
    device.picture = Box::new(|number, agreed| {
        good(number, agreed).map(|picture| Picture { damaged: agreed.fourcc == *b"YUYV", ..picture })
    });
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["YUYV 320x240 30", "MJPG 320x240 30"]);
}

#[test]
fn a_format_that_sends_nothing_is_given_up() {
    let mut device = usual();
    device.picture = Box::new(|number, agreed| good(number, agreed).filter(|_| agreed.fourcc == *b"MJPG"));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["YUYV 320x240 30", "MJPG 320x240 30"]);
}

#[test]
fn a_camera_that_hangs_up_when_it_is_started_is_started_in_another_mode() {
    // As one that draws too much current: it goes away before the first picture, and is there again.
    let mut device = usual();
    device.picture = Box::new(|_, agreed| good(0, agreed).filter(|_| agreed.fourcc == *b"MJPG"));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    while machine.camera(|device| device.starts.is_empty()) {
        let _ = turn(&mut camera);
    }
    machine.unplug();
    until(&mut camera, |brought| brought == Err(Fault::NoCamera));
    machine.plug(usual());
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["MJPG 320x240 30"]);
}

#[test]
fn what_is_refused_in_every_format_and_size_is_tried_from_the_best_to_the_least_and_over_again() {
    let mut device = usual();
    device.refuse = Box::new(|request, _| (request == vidioc::VIDIOC_REQBUFS).then_some(libc::ENOMEM));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    for _ in 0..100 {
        assert_eq!(turn(&mut camera), Err(Fault::NoFrames));
    }
    assert_eq!(machine.open_count(), 0, "what fails is closed");
    machine.camera(|device| device.refuse = Box::new(|_, _| None));
    until_picture(&mut camera);
}

#[test]
fn after_a_failure_slower_and_smaller_modes_come_before_larger_ones() {
    let mut device = usual();
    // Room for no more than 160 × 120 at 15 pictures a second, and MJPEG is broken.
    device.refuse = Box::new(|request, agreed| {
        let bytes = agreed.width * agreed.height * 2 * agreed.rate;
        let refused = agreed.fourcc == *b"MJPG" || bytes > 160 * 120 * 2 * 15;
        (request == vidioc::VIDIOC_STREAMON && refused).then_some(libc::ENOSPC)
    });
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    let began = machine.now();
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["YUYV 160x120 15"]);
    assert!(machine.now() - began < Duration::from_secs(10), "an entrance waits for it");
}

#[test]
fn the_best_mode_is_tried_again_after_a_while_and_ever_more_rarely() {
    let mut device = usual();
    device.refuse = Box::new(|request, agreed| {
        (request == vidioc::VIDIOC_STREAMON && agreed.fourcc == *b"YUYV").then_some(libc::ENOSPC)
    });
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    let mut lapses = Vec::new();
    while lapses.len() < 4 {
        if turn(&mut camera) == Err(Fault::NoFrames) && !machine.camera(|device| device.starts.is_empty()) {
            lapses.push(machine.now());
            until_picture(&mut camera);
        }
        machine.pass(Duration::from_secs(30));
    }
    let minutes: Vec<_> = lapses.windows(2).map(|two| (two[1] - two[0]).as_secs_f32() / 60.0).collect();
    assert!(minutes.iter().zip([20.0, 40.0, 80.0]).all(|(is, due)| (is - due).abs() < 1.5), "{minutes:?}");
    // There is room now.
    machine.camera(|device| device.refuse = Box::new(|_, _| None));
    machine.pass(Duration::from_secs(24 * 3600));
    until_picture(&mut camera);
    until_picture(&mut camera);
    assert_eq!(starts(&machine).last().map(String::as_str), Some("YUYV 320x240 30"));
}

#[test]
fn a_camera_that_worked_and_falls_silent_is_started_in_the_same_mode() {
    let machine = Machine::with(usual());
    let mut camera = camera(&machine);
    for _ in 0..1000 {
        assert!(turn(&mut camera).is_ok());
    }
    machine.camera(|device| device.picture = Box::new(|_, _| None));
    until(&mut camera, |_| machine.camera(|device| device.starts.len() == 2));
    assert_eq!(starts(&machine), ["YUYV 320x240 30"; 2]);
}

#[test]
fn a_description_that_is_no_text_is_no_reason_to_end() {
    let mut device = usual();
    device.offers[0].description = [0xff; 32];
    device.card = b"Webcam \xe9\x9b".to_vec();
    let machine = Machine::with(device);
    until_picture(&mut camera(&machine));
    assert_eq!(starts(&machine), ["YUYV 320x240 30"]);
}

proptest! {
    /// Colour space, field, transfer, quantisation, flags: whatever a driver says of them.
    #[test]
    fn whatever_a_driver_says_of_colours_the_picture_is_taken(
        colorspace: u32, field: u32, transfer: u32, quantization: u32, flags: u32,
    ) {
        let mut device = usual();
        device.odd = Box::new(move |pix| {
            (pix.colorspace, pix.field, pix.flags) = (colorspace, field, flags);
            (pix.xfer_func, pix.quantization) = (transfer, quantization);
        });
        let machine = Machine::with(device);
        until_picture(&mut camera(&machine));
    }

    /// Sizes and strides that nobody asked for.
    #[test]
    fn whatever_a_driver_grants_there_is_a_picture_or_a_fault(
        width: u32, height: u32, stride: u32, size in 0..1_000_000_u32, format: u32, small: bool,
    ) {
        let mut device = usual();
        let sides = if small { (width % 700, height % 500) } else { (width, height) };
        device.odd = Box::new(move |pix| {
            (pix.width, pix.height, pix.bytesperline, pix.sizeimage) = (sides.0, sides.1, stride, size);
            if format % 3 == 0 {
                pix.pixelformat = format;
            }
        });
        let machine = Machine::with(device);
        let mut camera = camera(&machine);
        for _ in 0..20 {
            let _ = turn(&mut camera);
        }
    }

    /// Any call fails, at any time, with any error.
    #[test]
    fn whatever_call_fails_it_goes_on_when_it_works_again(
        errno in prop::sample::select(vec![
            libc::EIO, libc::EINVAL, libc::ENODEV, libc::EBUSY, libc::ENOMEM, libc::ENOSPC, libc::EPROTO,
            libc::ETIMEDOUT, libc::EPIPE, libc::EAGAIN, libc::EINTR, libc::ENOTTY,
        ]),
        failing in prop::sample::select(vec![
            vidioc::VIDIOC_QUERYCAP, vidioc::VIDIOC_ENUM_FMT, vidioc::VIDIOC_ENUM_FRAMESIZES,
            vidioc::VIDIOC_ENUM_FRAMEINTERVALS, vidioc::VIDIOC_S_FMT, vidioc::VIDIOC_S_PARM,
            vidioc::VIDIOC_G_PARM, vidioc::VIDIOC_S_CTRL, vidioc::VIDIOC_REQBUFS, vidioc::VIDIOC_QUERYBUF,
            vidioc::VIDIOC_QBUF, vidioc::VIDIOC_DQBUF, vidioc::VIDIOC_STREAMON, vidioc::VIDIOC_STREAMOFF,
        ]),
        before in 0..40_usize,
    ) {
        // What cannot be stopped is lost, with the memory that it has mapped: nothing to go on with.
        prop_assume!(!(failing == vidioc::VIDIOC_STREAMOFF && errno != libc::ENODEV));
        let machine = Machine::with(usual());
        let mut camera = camera(&machine);
        for _ in 0..before {
            prop_assert!(turn(&mut camera).is_ok());
        }
        machine.camera(|device| {
            device.refuse = Box::new(move |request, _| (request == failing).then_some(errno));
        });
        for _ in 0..20 {
            let _ = turn(&mut camera);
        }
        machine.camera(|device| device.refuse = Box::new(|_, _| None));
        until_picture(&mut camera);
    }
}

#[test]
fn a_stream_that_cannot_be_stopped_is_no_reason_to_end() {
    let machine = Machine::with(usual());
    let mut camera = camera(&machine);
    until_picture(&mut camera);
    machine.camera(|device| {
        device.picture = Box::new(|_, _| None);
        device.refuse = Box::new(|request, _| (request == vidioc::VIDIOC_STREAMOFF).then_some(libc::EIO));
    });
    for _ in 0..50 {
        assert_eq!(turn(&mut camera), Err(Fault::NoFrames));
    }
}

#[test]
fn few_buffers_are_enough() {
    for buffers in 1..=3 {
        let mut device = usual();
        device.most_buffers = buffers;
        device.picture = Box::new(|number, agreed| Some(Picture::of(yuyv(agreed, number as u8))));
        let machine = Machine::with(device);
        let mut camera = camera(&machine);
        let mut last = None;
        for _ in 0..100 {
            let picture = turn(&mut camera).unwrap();
            assert!(last.is_none_or(|last| last < picture), "{buffers}: {picture} after {last:?}");
            last = Some(picture);
        }
        // It falls silent for a while, and comes back.
        machine.camera(|device| device.picture = Box::new(|_, _| None));
        for _ in 0..3 {
            assert_eq!(turn(&mut camera), Err(Fault::NoFrames), "{buffers}");
        }
        machine.camera(|device| device.picture = Box::new(good));
        assert!(turn(&mut camera).is_ok(), "{buffers}");
        assert_eq!(starts(&machine).first(), starts(&machine).last());
    }
}

#[test]
fn without_any_buffer_there_is_a_fault_and_the_next_mode_is_tried() {
    let mut device = usual();
    device.most_buffers = 0;
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    for _ in 0..20 {
        assert_eq!(turn(&mut camera), Err(Fault::NoFrames));
    }
    machine.camera(|device| device.most_buffers = 4);
    until_picture(&mut camera);
}

#[test]
fn what_is_cut_short_is_left_out() {
    let mut device = usual();
    device.picture = Box::new(|number, agreed| {
        let mut picture = good(number, agreed)?;
        picture.bytes.truncate(picture.bytes.len() - usize::from(number % 3 == 1));
        Some(picture)
    });
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    let brought: Vec<_> = (0..9).map(|_| turn(&mut camera)).collect();
    let expected = [Ok(100), Err(Fault::BadFrame), Ok(100)].repeat(3);
    assert_eq!(brought, expected);
    assert_eq!(starts(&machine).len(), 1);
}

#[test]
fn a_camera_that_changes_its_size_while_it_sends_is_followed_or_started_anew() {
    // Compressed pictures say their size; smaller ones are taken as they are.
    let mut device = Device::new(&[Offer::new(b"MJPG", &[QVGA], &[30])]);
    device.picture = Box::new(good);
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    until_picture(&mut camera);
    machine.camera(|device| {
        device.picture = Box::new(|_, _| Some(Picture::of(jpeg((160, 120), 100))));
    });
    let Capture::Frame(frame) = camera.next() else { panic!() };
    assert_eq!((frame.width(), frame.height()), (160, 120));
    // Larger ones do not fit what was agreed on: agree anew.
    machine.camera(|device| {
        device.picture = Box::new(|_, agreed| Some(Picture::of(jpeg((agreed.width * 2, 240), 100))));
    });
    assert_eq!(turn(&mut camera), Err(Fault::BadFrame));
    until(&mut camera, |_| machine.camera(|device| device.starts.len() == 2));
}

#[test]
fn a_camera_whose_raw_pictures_are_of_another_size_is_started_anew() {
    let mut device = usual();
    device.picture =
        Box::new(|_, agreed| Some(Picture::of(yuyv(&Agreed { width: agreed.width - 16, ..*agreed }, 100))));
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    assert_eq!(turn(&mut camera), Err(Fault::BadFrame));
    until(&mut camera, |_| machine.camera(|device| device.starts.len() > 1));
}

#[test]
fn what_a_door_needs_is_set_where_the_camera_has_it() {
    const POWER_LINE: u32 = sys::V4L2_CID_POWER_LINE_FREQUENCY;
    const EXPOSURE: u32 = sys::V4L2_CID_EXPOSURE_AUTO_PRIORITY;
    for (power_line, expected) in [(PowerLine::Hz50, 1), (PowerLine::Hz60, 2), (PowerLine::AsItIs, 3)] {
        for has in [&[POWER_LINE, EXPOSURE][..], &[POWER_LINE], &[EXPOSURE], &[]] {
            let mut device = usual();
            device.controls = has.iter().map(|&id| (id, if id == POWER_LINE { 3 } else { 1 })).collect();
            let machine = Machine::with(device);
            let mut camera = V4l2Camera::new(Options { power_line, ..options(&machine) });
            until_picture(&mut camera);
            let value = |id| if id == POWER_LINE { expected } else { 0 };
            let set: Vec<_> = has.iter().map(|&id| (id, value(id))).collect();
            assert_eq!(machine.camera(|device| device.controls.clone()), set, "{power_line:?}");
        }
    }
    assert_eq!(Options::default().power_line, PowerLine::Hz50);
}

/// What the loop makes of the next turns, each told from the one before, until `turns` are over.
fn watched(camera: &mut V4l2Camera, watch: &mut Watch, turns: usize) -> Vec<Result<(), Fault>> {
    let (mut told, mut left) = (Vec::new(), turns);
    let end = watch.run(camera, |turn| {
        let brought = match turn {
            Turn::Seen { .. } => Ok(()),
            Turn::Blind { fault, .. } => Err(fault),
        };
        if told.last() != Some(&brought) {
            told.push(brought);
        }
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    end.unwrap();
    told
}

/// A bright door in a dark wall, a little different each time.
fn door(number: u64, agreed: &Agreed) -> Option<Picture> {
    let mut bytes = yuyv(agreed, 60);
    let row = agreed.width as usize * 2;
    for at in (0..bytes.len()).step_by(2).filter(|at| at % row < row / 2) {
        bytes[at] = 130 + (number % 100) as u8;
    }
    Some(Picture::of(bytes))
}

#[test]
fn a_camera_that_shows_nothing_is_told_and_watched_again_as_soon_as_it_does() {
    // One picture a second: the networks need not look at many.
    let mut device = Device::new(&[Offer::new(b"YUYV", &[QVGA], &[1])]);
    device.picture = Box::new(door);
    let machine = Machine::with(device);
    let mut camera = camera(&machine);
    // One thread, since the clock is this thread's; a size that is given, since it stands still.
    let vision = vision::Options { size: Choice::Fixed(LookSize::W320), threads: 1, ..Default::default() };
    let mut watch = Watch::new(&vision, Times::default(), Orientation::default()).unwrap();
    assert_eq!(watched(&mut camera, &mut watch, 20), [Ok(())]);
    let dark: fn(u64, &Agreed) -> Option<Picture> =
        |number, agreed| Some(Picture::of(yuyv(agreed, 16 + (number % 3) as u8)));
    let covered: fn(u64, &Agreed) -> Option<Picture> =
        |number, agreed| Some(Picture::of(yuyv(agreed, 90 + (number % 3) as u8)));
    let frozen: fn(u64, &Agreed) -> Option<Picture> = |_, agreed| door(99, agreed);
    for (picture, why) in
        [(dark, Blindness::Dark), (covered, Blindness::Covered), (frozen, Blindness::Frozen)]
    {
        machine.camera(|device| device.picture = Box::new(picture));
        assert_eq!(watched(&mut camera, &mut watch, 34), [Ok(()), Err(Fault::NoView(why))]);
        machine.camera(|device| device.picture = Box::new(door));
        assert_eq!(watched(&mut camera, &mut watch, 3), [Ok(())], "after {why:?}");
    }
}

#[test]
fn an_unplugged_camera_is_told_and_the_next_one_taken() {
    let machine = Machine::with(usual());
    let mut camera = camera(&machine);
    for round in 0..10 {
        until_picture(&mut camera);
        machine.unplug();
        assert_eq!(turn(&mut camera), Err(Fault::NoCamera), "round {round}");
        assert_eq!(turn(&mut camera), Err(Fault::NoCamera), "round {round}");
        assert_eq!(machine.open_count(), 0);
        machine.plug(usual());
    }
    until_picture(&mut camera);
    assert_eq!(starts(&machine), ["YUYV 320x240 30"]);
}

#[test]
fn waiting_is_interrupted_without_harm() {
    for buffers in [1, 8] {
        let mut device = usual();
        device.most_buffers = buffers;
        let machine = Machine::with(device);
        let mut camera = camera(&machine);
        until_picture(&mut camera);
        machine.let_poll_fail(libc::EINTR);
        let _ = turn(&mut camera);
        assert_eq!(turn(&mut camera), Ok(100));
        assert_eq!(starts(&machine).first(), starts(&machine).last());
    }
}

#[test]
fn a_busy_camera_is_waited_for() {
    let machine = Machine::with(usual());
    let options = options(&machine);
    let mut camera = V4l2Camera::new(options.clone());
    machine.let_open_fail(Some(libc::EBUSY));
    assert!(list(&options)[0].to_string().contains("another program uses it"), "{}", list(&options)[0]);
    assert_eq!(turn(&mut camera), Err(Fault::NoCamera));
    machine.let_open_fail(Some(libc::EACCES));
    assert!(list(&options)[0].to_string().contains("group `video`"), "{}", list(&options)[0]);
    machine.let_open_fail(None);
    until_picture(&mut camera);
}

#[test]
fn what_is_no_camera_is_told_from_one() {
    for (capabilities, says) in [
        (sys::V4L2_CAP_VIDEO_OUTPUT | sys::V4L2_CAP_STREAMING, "it is no camera"),
        (sys::V4L2_CAP_VIDEO_CAPTURE, "it is no camera"),
        (sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING | sys::V4L2_CAP_VIDEO_M2M, "it is no camera"),
        (
            sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING | sys::V4L2_CAP_VIDEO_M2M_MPLANE,
            "it is no camera",
        ),
        (sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING | sys::V4L2_CAP_IO_MC, "no media controller"),
    ] {
        let mut device = usual();
        device.capabilities = capabilities;
        let machine = Machine::with(device);
        let found = list(&options(&machine));
        assert!(found[0].to_string().contains(says), "{}", found[0]);
    }
    let mut device = usual();
    device.driver = b"bcm2835-isp".to_vec();
    let machine = Machine::with(device);
    assert!(list(&options(&machine))[0].to_string().contains("no camera"));
    drop(machine);
    let machine = Machine::with(Device::new(&[Offer::new(b"H264", &[VGA], &[30])]));
    assert!(list(&options(&machine))[0].to_string().contains("it sends none of YUYV"));
}

#[test]
fn what_a_camera_lists_without_end_is_cut_off() {
    let mut device = usual();
    device.endless = true;
    let machine = Machine::with(device);
    until_picture(&mut camera(&machine));
}

#[test]
fn a_camera_that_lists_no_sizes_or_a_range_of_them_is_asked_for_the_nearest() {
    let steps = Sizes::Steps((48, 48), (1920, 1080), (16, 16));
    for (sizes, start) in [(steps, "YUYV 320x240 30"), (Sizes::Listed(Vec::new()), "YUYV 320x240 30")] {
        let mut device = usual();
        device.offers = vec![Offer { sizes, ..Offer::new(b"YUYV", &[], &[]) }];
        let machine = Machine::with(device);
        until_picture(&mut camera(&machine));
        assert_eq!(starts(&machine), [start]);
    }
}

#[test]
fn a_row_is_as_long_as_the_driver_says_unless_it_says_nothing() {
    // Narrower than what was agreed on, so that longer rows fit.
    let wide = 288 * 2;
    for (stride, expected) in
        [(0, Ok(wide)), (wide, Ok(wide)), (wide + 64, Ok(wide + 64)), (wide - 1, Err(()))]
    {
        let mut device = Device::new(&[Offer::new(b"YUYV", &[QVGA], &[30])]);
        device.odd = Box::new(move |pix| (pix.width, pix.bytesperline) = (288, stride));
        device.picture = Box::new(move |_, agreed| {
            Some(Picture::of(vec![100; (stride.max(wide) * agreed.height) as usize]))
        });
        let machine = Machine::with(device);
        let mut camera = camera(&machine);
        let seen = match camera.next() {
            Capture::Frame(frame) => Ok(frame.stride() as u32),
            _ => Err(()),
        };
        assert_eq!(seen, expected, "{stride}");
        if expected.is_err() {
            let told = journal::take();
            assert!(
                told.iter().any(|line| line.contains("575 bytes apart cannot hold 288 pixels")),
                "{told:?}"
            );
        }
    }
}
