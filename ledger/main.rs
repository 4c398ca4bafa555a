//! The stages of a look, from start to reminder, for `ledger/run` to count their instructions.
//!
//! Yields before and after each stage: the plugin of QEMU notes how many instructions have been executed at each yield.
//! What is printed are the stages' names, in their order.
//!
//! With a number of threads as argument, the pieces into which so many threads cut a look at a face, each as look,
//! operation and number of the piece, for `ledger/run --longest`.

use std::env;
use std::error::Error;
use std::thread::yield_now;
use std::time::Duration;

use maskbell::camera::jpeg::JpegDecoder;
use maskbell::frame::{Frame, Order, Orientation, Packing, PixelFormat, Rotation};
use maskbell::geometry::Rect;
use maskbell::memory::Allocator;
use maskbell::policy::{Policy, Times};
use maskbell::runtime::RuntimeError;
use maskbell::vision::ledger::Stages;
use maskbell::vision::{self, Choice, LookSize, Looks, Thresholds, Vision};
use maskbell::watch::Watch;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// A face of 150 pixels in a frame of 640 × 480, 4:2:0, and the same scene without one.
const BARE: &[u8] = include_bytes!("../sample/bare.jpg");
const EMPTY: &[u8] = include_bytes!("../sample/empty.jpg");

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// Every layout that a camera may send.
const FORMATS: [PixelFormat; 9] = [
    PixelFormat::Yuyv,
    PixelFormat::Nv12,
    PixelFormat::Yu12,
    PixelFormat::Rgb,
    PixelFormat::Grey,
    PixelFormat::Bayer(Order::Rggb, Packing::Eight),
    BAYER,
    PixelFormat::Bayer(Order::Bggr, Packing::TwelvePacked),
    PixelFormat::Bayer(Order::Bggr, Packing::Ten),
];

/// What a Camera Module 2 sends.
const BAYER: PixelFormat = PixelFormat::Bayer(Order::Rggb, Packing::TenPacked);

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(threads) => pieces(threads.parse()?),
        None => stages(),
    }
}

fn stages() -> Result<(), Box<dyn Error>> {
    // One thread: instructions are counted of all together.
    let options = |size| vision::Options { size: Choice::Fixed(size), threads: 1, ..Default::default() };
    for size in LookSize::ALL {
        let orientation = Orientation::default();
        stage(&format!("start, looks of {size}"), || {
            Watch::new(&options(size), Times::default(), orientation)
        })?;
    }

    let mut decoder = JpegDecoder::new(WIDTH, HEIGHT)?;
    let empty = decoder.decode(EMPTY, Duration::ZERO)?.data().to_vec();
    let bare =
        stage("JPEG 4:2:0", || decoder.decode(BARE, Duration::ZERO).map(|frame| frame.data().to_vec()))?;
    let four = quartered(&bare);

    let threshold = Thresholds::default().face;
    let mut stages = Stages::new(threshold, LookSize::W320, 1)?;
    for format in FORMATS {
        let data = as_format(format, &bare);
        let frame = frame(&data, format, WIDTH, HEIGHT)?;
        stage(&format!("resample 2:1 {format:?}"), || stages.resample(&frame));
    }
    let data = as_format(PixelFormat::Yuyv, &bare);
    let yuyv = frame(&data, PixelFormat::Yuyv, WIDTH, HEIGHT)?;
    let turned = |rotation, mirror| yuyv.oriented(Orientation { rotation, mirror });
    stage("resample 2:1 Yuyv, upside down", || stages.resample(&turned(Rotation::Half, false)));
    stage("resample 1.5:1 Yuyv, on its side", || stages.resample(&turned(Rotation::Clockwise90, false)));
    for (name, width, height) in [("1:1", 320, 240), ("4:3", 426, 320), ("3:2", 480, 360), ("4:1", 1280, 960)]
    {
        let data = vec![100; width * height * 2];
        let frame = frame(&data, PixelFormat::Yuyv, width, height)?;
        stage(&format!("resample {name} Yuyv"), || stages.resample(&frame));
    }

    let mut policy = Policy::new(Times::default());
    let mut vision = Vision::new(&options(LookSize::W320))?;
    for (picture, expected) in [(&empty, 0), (&bare, 1), (&four, 4)] {
        let data = as_format(PixelFormat::Yuyv, picture);
        let frame = frame(&data, PixelFormat::Yuyv, WIDTH, HEIGHT)?;
        stages.resample(&frame);
        if expected == 0 {
            stage("face network", || stages.face_network())?;
        } else {
            stages.face_network()?;
        }
        let (found, first) = stage(&format!("boxes, {expected} faces"), || stages.boxes(&frame));
        let faces = vision.look(&frame, Looks::One)?.clone();
        assert_eq!((found, faces.len()), (expected, expected), "the pictures show so many faces");
        stage(&format!("policy, {expected} faces"), || {
            policy.observe(Duration::ZERO, &frame.bounds(), &faces)
        });
        if let Some(face) = first {
            stage(&format!("crop of {:.0} pixels", longer(&face)), || {
                stages.crop(&frame, &face);
            });
            stage(&format!("crop of {:.0} pixels and mouth network", longer(&face)), || {
                stages.mouth(&frame, &face)
            })?;
        }
        stage(&format!("frame 640x480 Yuyv, {expected} faces"), || {
            let faces = vision.look(&frame, Looks::One)?;
            Ok::<_, Box<dyn Error>>(policy.observe(Duration::from_millis(100), &frame.bounds(), faces))
        })?;
    }
    stage("frame 640x480 JPEG, 1 faces", || {
        let frame = decoder.decode(BARE, Duration::ZERO)?;
        let faces = vision.look(&frame, Looks::One)?;
        Ok::<_, Box<dyn Error>>(policy.observe(Duration::from_millis(200), &frame.bounds(), faces))
    })?;
    let data = as_format(BAYER, &bare);
    let bayer = frame(&data, BAYER, WIDTH, HEIGHT)?;
    stage("frame 640x480 Bayer, 1 faces", || {
        let faces = vision.look(&bayer, Looks::One)?;
        Ok::<_, Box<dyn Error>>(policy.observe(Duration::from_millis(300), &bayer.bounds(), faces))
    })?;
    for size in &LookSize::ALL[1..] {
        let mut stages = Stages::new(threshold, *size, 1)?;
        stage(&format!("resample Yuyv, looks of {size}"), || stages.resample(&yuyv));
        stage(&format!("face network, looks of {size}"), || stages.face_network())?;
        stage(&format!("boxes, 1 faces, looks of {size}"), || stages.boxes(&yuyv));
    }
    Ok(())
}

/// The pieces of a look at the frame with one face, for each size of a look.
fn pieces(threads: usize) -> Result<(), Box<dyn Error>> {
    let mut decoder = JpegDecoder::new(WIDTH, HEIGHT)?;
    let data = as_format(PixelFormat::Yuyv, decoder.decode(BARE, Duration::ZERO)?.data());
    let frame = frame(&data, PixelFormat::Yuyv, WIDTH, HEIGHT)?;
    for size in LookSize::ALL {
        let one = vision::Options { size: Choice::Fixed(size), threads: 1, ..Default::default() };
        let mut vision = Vision::new(&one)?;
        let faces = vision.look(&frame, Looks::One)?.clone();
        let mut stages = Stages::new(one.thresholds.face, size, threads)?;
        let mut policy = Policy::new(Times::default());
        let mut operations = 0;
        in_turn(size, &mut operations, |observe| stages.faces_in_turn(&frame, observe))?;
        let (1, Some(face)) = stage(&format!("{size}\tboxes\t0"), || stages.boxes(&frame)) else {
            return Err(format!("not one face at {size}").into());
        };
        in_turn(size, &mut operations, |observe| stages.mouth_in_turn(&frame, &face, observe))?;
        stage(&format!("{size}\tpolicy\t0"), || policy.observe(Duration::ZERO, &frame.bounds(), &faces));
    }
    Ok(())
}

/// Does `work`, which says when a piece of an operation is done, with two yields between pieces.  Operations have the
/// numbers after `operations`, which is where they ended.
fn in_turn(
    size: LookSize,
    operations: &mut usize,
    work: impl FnOnce(&mut dyn FnMut(usize, usize)) -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    let first = *operations;
    yield_now();
    let result = work(&mut |operation, piece| {
        yield_now();
        *operations = first + operation + 1;
        println!("{size}\t{operations}\t{piece}");
        yield_now();
    });
    yield_now();
    println!("{size}\tend of {operations}\t0");
    result
}

/// Does `work` between two yields.
fn stage<T>(name: &str, work: impl FnOnce() -> T) -> T {
    yield_now();
    let result = work();
    yield_now();
    println!("{name}");
    result
}

fn longer(bounds: &Rect) -> f32 {
    bounds.width().max(bounds.height())
}

fn frame(data: &[u8], format: PixelFormat, width: usize, height: usize) -> Result<Frame<'_>, Box<dyn Error>> {
    Ok(Frame::new(data, format, width, height, format.row_bytes(width), Duration::ZERO)?)
}

/// An RGB picture at half the size, four times.
fn quartered(rgb: &[u8]) -> Vec<u8> {
    let mut output = rgb.to_vec();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let from = (y % (HEIGHT / 2) * 2 * WIDTH + x % (WIDTH / 2) * 2) * 3;
            output[(y * WIDTH + x) * 3..][..3].copy_from_slice(&rgb[from..from + 3]);
        }
    }
    output
}

/// An RGB picture in another layout, by BT.601's studio range, or as the light of a bare sensor's pixels.
fn as_format(format: PixelFormat, rgb: &[u8]) -> Vec<u8> {
    let pixel = |x: usize, y: usize| {
        let at = (y * WIDTH + x) * 3;
        let [red, green, blue] = [rgb[at], rgb[at + 1], rgb[at + 2]].map(f32::from);
        [
            16.5 + 0.256_788 * red + 0.504_129 * green + 0.097_906 * blue,
            128.5 - 0.148_223 * red - 0.290_993 * green + 0.439_216 * blue,
            128.5 + 0.439_216 * red - 0.367_788 * green - 0.071_427 * blue,
        ]
        .map(|value| value as u8)
    };
    let luma = || (0..WIDTH * HEIGHT).map(|at| pixel(at % WIDTH, at / WIDTH)[0]);
    let chroma = |channel| {
        (0..WIDTH * HEIGHT / 4).map(move |at| pixel(at % (WIDTH / 2) * 2, at / (WIDTH / 2) * 2)[channel])
    };
    match format {
        PixelFormat::Rgb => rgb.to_vec(),
        PixelFormat::Grey => luma().collect(),
        PixelFormat::Yuyv => (0..WIDTH * HEIGHT / 2)
            .flat_map(|pair| {
                let (x, y) = (pair % (WIDTH / 2) * 2, pair / (WIDTH / 2));
                let ([first, u, v], [second, ..]) = (pixel(x, y), pixel(x + 1, y));
                [first, u, second, v]
            })
            .collect(),
        PixelFormat::Nv12 => luma().chain(chroma(1).zip(chroma(2)).flat_map(|(u, v)| [u, v])).collect(),
        PixelFormat::Yu12 => luma().chain(chroma(1)).chain(chroma(2)).collect(),
        PixelFormat::Bayer(order, packing) => {
            let photosites = order.colours();
            // IEC 61966-2-1.
            let light = |encoded: u8| match f32::from(encoded) / 255.0 {
                low if low <= 0.040_45 => low / 12.92,
                high => ((high + 0.055) / 1.055).powf(2.4),
            };
            let row = |y: usize| {
                let photosite = move |x: usize| rgb[(y / 2 * WIDTH + x / 2) * 3 + photosites[y % 2][x % 2]];
                packing.packed((0..2 * WIDTH).map(|x| (light(photosite(x)) * 65535.0) as u16))
            };
            (0..2 * HEIGHT).flat_map(row).collect()
        }
    }
}
