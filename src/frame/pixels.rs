//! Reading single pixels of a frame, each layout in its own way.

use super::bayer::srgb;
use super::{ColourMatrix, Development, Frame};

/// A frame as three values a pixel, in its own colour space.
pub(crate) trait Pixels {
    /// The three values at the stored `column` of the stored `row`, both counted from 0.
    ///
    /// # Panics
    ///
    /// May panic outside the frame.
    fn at(&self, row: usize, column: usize) -> [f32; 3];

    /// The three values, or a mean of them, as red, green and blue of 0 to 255; may overshoot.
    fn rgb(&self, values: [f32; 3]) -> [f32; 3];
}

/// BT.601, studio range (Y 16 to 235, U and V 16 to 240): ITU-R BT.601-7, 2.5.
fn studio_to_rgb([y, u, v]: [f32; 3]) -> [f32; 3] {
    let y = 1.164_383 * (y - 16.0);
    let (u, v) = (u - 128.0, v - 128.0);
    [y + 1.596_027 * v, y - 0.391_762 * u - 0.812_968 * v, y + 2.017_232 * u]
}

/// [`PixelFormat::Rgb`](super::PixelFormat::Rgb).
pub(crate) struct Rgb<'a>(pub(crate) Frame<'a>);

impl Pixels for Rgb<'_> {
    #[inline]
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        let at = row * self.0.stride() + column * 3;
        let pixel = &self.0.data()[at..at + 3];
        [pixel[0], pixel[1], pixel[2]].map(f32::from)
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        values
    }
}

/// [`PixelFormat::Grey`](super::PixelFormat::Grey).
pub(crate) struct Grey<'a>(pub(crate) Frame<'a>);

impl Pixels for Grey<'_> {
    #[inline]
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        [f32::from(self.0.data()[row * self.0.stride() + column]); 3]
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        values
    }
}

/// [`PixelFormat::Yuyv`](super::PixelFormat::Yuyv).
pub(crate) struct Yuyv<'a>(pub(crate) Frame<'a>);

impl Pixels for Yuyv<'_> {
    #[inline]
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        let at = row * self.0.stride() + column / 2 * 4;
        let pair = &self.0.data()[at..at + 4];
        [pair[column % 2 * 2], pair[1], pair[3]].map(f32::from)
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        studio_to_rgb(values)
    }
}

/// [`PixelFormat::Nv12`](super::PixelFormat::Nv12).
pub(crate) struct Nv12<'a>(pub(crate) Frame<'a>);

impl Pixels for Nv12<'_> {
    #[inline]
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        let (stride, data) = (self.0.stride(), self.0.data());
        let chroma = stride * (self.0.height + row / 2) + column / 2 * 2;
        [data[row * stride + column], data[chroma], data[chroma + 1]].map(f32::from)
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        studio_to_rgb(values)
    }
}

/// [`PixelFormat::Yu12`](super::PixelFormat::Yu12).
pub(crate) struct Yu12<'a>(pub(crate) Frame<'a>);

impl Pixels for Yu12<'_> {
    #[inline]
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        let (stride, height, data) = (self.0.stride(), self.0.height, self.0.data());
        let chroma_stride = stride / 2;
        let u = stride * height + chroma_stride * (row / 2) + column / 2;
        let v = u + chroma_stride * height.div_ceil(2);
        [data[row * stride + column], data[u], data[v]].map(f32::from)
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        studio_to_rgb(values)
    }
}

/// [`PixelFormat::Bayer`](super::PixelFormat::Bayer); the values are linear, with their floor, of 256.
pub(crate) struct Bayer<'a>(pub(crate) Frame<'a>);

impl Pixels for Bayer<'_> {
    fn at(&self, row: usize, column: usize) -> [f32; 3] {
        self.0.photosites(row, column).expect("made for these alone").map(|value| f32::from(value) / 256.0)
    }

    fn rgb(&self, values: [f32; 3]) -> [f32; 3] {
        let Development { black, gains, matrix } = self.0.development();
        let light: [f32; 3] = std::array::from_fn(|colour| {
            let light = (values[colour] - f32::from(black) / 256.0).max(0.0) / 256.0;
            (light * f32::from(gains[colour]) / 256.0).min(1.0)
        });
        matrix.rows().map(|row| {
            let mixed: f32 =
                row.into_iter().zip(light).map(|(factor, light)| f32::from(factor) * light).sum();
            255.0 * srgb((mixed / f32::from(ColourMatrix::ONE)).clamp(0.0, 1.0))
        })
    }
}
