//! Any bytes as a camera's raw picture in each format, looked at through any view.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use maskbell::frame::{Frame, Order, Packing, PixelFormat};
use maskbell::vision::fuzzing::resampled;

const FORMATS: [PixelFormat; 9] = [
    PixelFormat::Yuyv,
    PixelFormat::Nv12,
    PixelFormat::Yu12,
    PixelFormat::Rgb,
    PixelFormat::Grey,
    PixelFormat::Bayer(Order::Rggb, Packing::Eight),
    PixelFormat::Bayer(Order::Grbg, Packing::TenPacked),
    PixelFormat::Bayer(Order::Bggr, Packing::TwelvePacked),
    PixelFormat::Bayer(Order::Gbrg, Packing::Sixteen),
];

fuzz_target!(|input: (u8, [u8; 2], u16, [f32; 3], &[u8])| {
    let (format, [width, height], stride, [left, top, scale], data) = input;
    let format = FORMATS[usize::from(format) % FORMATS.len()];
    let (width, height) = (usize::from(width), usize::from(height));
    if let Ok(frame) = Frame::new(data, format, width, height, usize::from(stride), Duration::ZERO) {
        resampled(&frame, left, top, scale);
    }
});
