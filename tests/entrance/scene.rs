//! What stands before the camera: the stills of the sample that ships with maskbell, in the camera's formats.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageReader, RgbImage};

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
    let (width, height) = (format.width.into(), format.height.into());
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
    }
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
