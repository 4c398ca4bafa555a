//! The media controller's calls against a real kernel: its driver `vimc`, whose sensor shows colour bars.  These run in a
//! guest of `tests/entrance` (`card.rs`), which has nothing else; everywhere else they are left out.

use std::path::{Path, PathBuf};

use v4l::Device;
use v4l::buffer::Type;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;

use super::media::{Format, Pipeline};
use super::*;
use crate::frame::pixels::{Bayer, Pixels};
use crate::frame::{Order, Packing, PixelFormat};

/// `MEDIA_BUS_FMT_RGB888_1X24`.
const RGB: u32 = 0x100a;

/// White, yellow, cyan, green, magenta, red, blue and black: which of red, green and blue is there.
const BARS: [[bool; 3]; 8] = [
    [true, true, true],
    [true, true, false],
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [true, false, false],
    [false, false, true],
    [false, false, false],
];

/// Which colours are there in the middle of each of eight bars, below the text.
fn bars(frame: &Frame) -> [[bool; 3]; 8] {
    std::array::from_fn(|bar| {
        let (row, column) = (frame.height() * 3 / 4, (2 * bar + 1) * frame.width() / 16);
        let rgb = match frame.format() {
            PixelFormat::Bayer(..) => {
                let pixels = Bayer(*frame);
                pixels.rgb(pixels.at(row, column))
            }
            _ => std::array::from_fn(|colour| {
                f32::from(frame.data()[row * frame.stride() + 3 * column + colour])
            }),
        };
        rgb.map(|value| {
            assert!(!(50.0..100.0).contains(&value), "neither there nor not: {rgb:?} in bar {bar}");
            value > 75.0
        })
    })
}

fn sensor_a(format: Option<[u8; 4]>) -> Options {
    Options { which: Which::Name("Sensor A".to_owned()), format, ..Options::default() }
}

/// The node that the driver calls so.
fn node(name: &str) -> PathBuf {
    let is_it = |node: &PathBuf| {
        let folder = Path::new("/sys/class/video4linux").join(node.file_name().unwrap());
        std::fs::read_to_string(folder.join("name")).unwrap().trim() == name
    };
    nodes(Path::new("/dev"), "video").into_iter().find(is_it).expect("a node of that name")
}

#[test]
#[ignore = "needs the driver vimc: tests/entrance"]
fn its_bars_are_seen_in_their_colours_in_each_order_and_packing() {
    for (name, order, packing) in [
        (b"BG10", Order::Bggr, Packing::Ten),
        (b"RG10", Order::Rggb, Packing::Ten),
        (b"GB10", Order::Gbrg, Packing::Ten),
        (b"BA10", Order::Grbg, Packing::Ten),
        (b"BG12", Order::Bggr, Packing::Twelve),
        (b"GRBG", Order::Grbg, Packing::Eight),
    ] {
        let mut camera = V4l2Camera::new(sensor_a(Some(*name)));
        for _ in 0..3 {
            let Capture::Frame(frame) = camera.next() else { panic!("no picture in {name:?}") };
            assert_eq!(frame.format(), PixelFormat::Bayer(order, packing));
            assert_eq!((frame.width(), frame.height()), (640, 480));
            assert_eq!(bars(&frame), BARS, "{name:?}");
        }
    }
}

#[test]
#[ignore = "needs the driver vimc: tests/entrance"]
fn what_is_behind_an_image_processor_is_left_out_with_the_reason() {
    let found = list(&Options { which: Which::Node(node("RGB/YUV Capture")), ..Options::default() });
    let told = found[0].to_string();
    assert!(told.contains("no sensor sends its pictures to it as they are"), "{told}");
    let names: Vec<_> = list(&Options::default()).into_iter().filter(|found| found.modes.is_ok()).collect();
    assert!(
        names[0].name.contains("Sensor A") && names[1].name.contains("Sensor B") && names.len() == 2,
        "{names:?}"
    );
}

#[test]
#[ignore = "needs the driver vimc: tests/entrance"]
fn links_are_switched_and_formats_handed_on_from_part_to_part() {
    // From “RGB/YUV Input”, whose link is off, through “Scaler”.
    let node = node("RGB/YUV Capture");
    let pipeline = Pipeline::through(&node, |_| true).unwrap();
    assert_eq!(pipeline.name(), "RGB/YUV Input");
    let wanted = Format { code: RGB, width: 800, height: 600 };
    assert_eq!(pipeline.set_up(wanted).unwrap(), wanted);
    let device = ioctl::open(&node).unwrap();
    let granted = ioctl::set_format(&device, *b"RGB3", (800, 600)).unwrap();
    let see = |device: &Device| {
        let mut stream = Stream::with_buffers(device, Type::VideoCapture, 4).unwrap();
        let (bytes, _) = stream.next().unwrap();
        let stride = granted.stride as usize;
        let frame = Frame::new(bytes, PixelFormat::Rgb, 800, 600, stride, Duration::ZERO).unwrap();
        assert_eq!(bars(&frame), BARS);
    };
    see(&device);
    // Its link is on now, and was found so; the others are off.
    let pipeline = Pipeline::through(&node, |_| true).unwrap();
    assert_eq!(pipeline.set_up(wanted).unwrap(), wanted);
    see(&device);
    // A format that it cannot scale.
    let bayer = Format { code: 0x3007, ..wanted };
    let told = pipeline.set_up(bayer).unwrap_err().to_string();
    assert!(told.contains("“Scaler”:0 makes") && told.contains("of 0x3007 800×600"), "{told}");
}

#[test]
#[ignore = "needs the driver vimc: tests/entrance"]
fn one_that_another_program_uses_is_told_so() {
    let mut camera = V4l2Camera::new(sensor_a(None));
    assert!(matches!(camera.next(), Capture::Frame(_)));
    let pipeline = Pipeline::behind(&node("Raw Capture 0")).unwrap();
    let told = pipeline.set_up(Format { code: 0x3007, width: 640, height: 480 }).unwrap_err().to_string();
    assert!(told.contains("another program uses the camera"), "{told}");
    assert!(matches!(camera.next(), Capture::Frame(_)));
}
