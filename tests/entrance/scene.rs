//! What stands before the camera: the stills of the sample that ships with maskbell, in the camera's formats.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageReader, RgbImage};
use maskbell::frame::{Order, Packing};

use crate::uvc::{Encoding, VideoFormat};

/// Reads `sample/NAME.jpg`.
pub(crate) fn load(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample").join(name).with_extension("jpg");
    let picture = ImageReader::open(&path).map_err(image::ImageError::IoError).and_then(ImageReader::decode);
    picture.unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8()
}

/// The picture as it looks a moment later: a sensor never sees the same twice.
pub(crate) fn with_noise(picture: &RgbImage) -> RgbImage {
    /// Levels up or down.  A camera's noise in good light.
    const MOST: u32 = 3;
    let mut noisy = picture.clone();
    for (number, value) in noisy.iter_mut().enumerate() {
        // The high bits of a multiplicative hash (Knuth, volume 3, 6.4).
        let hash = (number as u32).wrapping_mul(2_654_435_761) >> 16;
        *value = value.saturating_add((hash % (2 * MOST + 1)) as u8).saturating_sub(MOST as u8);
    }
    noisy
}

/// The bytes that a camera sends of `picture` in `format`.
pub(crate) fn encode(picture: &RgbImage, format: VideoFormat) -> Vec<u8> {
    let photosites = match format.encoding {
        Encoding::Mjpeg | Encoding::Yuyv => 1,
        Encoding::Bayer8(_) | Encoding::Bayer10(_) => 2,
    };
    let (width, height) = (u32::from(format.width) / photosites, u32::from(format.height) / photosites);
    let resized;
    let picture = if picture.dimensions() == (width, height) {
        picture
    } else {
        resized = imageops::resize(picture, width, height, FilterType::Triangle);
        &resized
    };
    match format.encoding {
        Encoding::Mjpeg => {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, 85)
                .encode_image(picture)
                .expect("memory takes all bytes");
            bytes
        }
        Encoding::Yuyv => yuyv(picture),
        Encoding::Bayer8(light) => bayer(picture, Order::Bggr, Packing::Eight, light),
        Encoding::Bayer10(light) => bayer(picture, Order::Rggb, Packing::TenPacked, light),
    }
}

/// What a bare sensor sees of it in light of so many per cent: four photosites a pixel, by the light that the picture
/// stands for (IEC 61966-2-1), of which it sees less red and blue than green.
fn bayer(picture: &RgbImage, order: Order, packing: Packing, light: u8) -> Vec<u8> {
    const SEEN: [f32; 3] = [0.55, 1.0, 0.7];
    let colours = order.colours();
    let linear = |encoded: u8| match f32::from(encoded) / 255.0 {
        low if low <= 0.040_45 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    };
    let row = |y: u32| {
        let photosite = move |x: u32| {
            let colour = colours[y as usize % 2][x as usize % 2];
            let value = linear(picture.get_pixel(x / 2, y / 2)[colour]) * SEEN[colour];
            (value * f32::from(light) / 100.0 * 65_535.0).min(65_535.0) as u16
        };
        packing.packed((0..2 * picture.width()).map(photosite))
    };
    (0..2 * picture.height()).flat_map(row).collect()
}

/// BT.601, studio range; the colour of two pixels is their mean.
fn yuyv(picture: &RgbImage) -> Vec<u8> {
    let pixels = picture.as_raw().chunks_exact(6);
    pixels
        .flat_map(|pair| {
            let [r0, g0, b0, r1, g1, b1] = std::array::from_fn(|i| f32::from(pair[i]));
            let luma = |r: f32, g: f32, b: f32| 16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0;
            let [r, g, b] = [(r0 + r1) / 2.0, (g0 + g1) / 2.0, (b0 + b1) / 2.0];
            let blue = 128.0 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0;
            let red = 128.0 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0;
            [luma(r0, g0, b0), blue, luma(r1, g1, b1), red].map(|value| value.round() as u8)
        })
        .collect()
}
