//! From the camera's own pixels to a network's input: crop, resize, colour, quantise.
//!
//! Shrinking averages the area that falls on an output pixel (nothing is skipped, so sensor noise and aliasing are
//! averaged away, which small faces need); enlarging is bilinear.  Luma and chroma are averaged as they are and
//! converted to RGB once per output pixel, which is the same up to clamping because the conversion is linear.
//!
//! All in integers, line by line: the stored rows that an output line sees become one, in 256ths, by bytes, whatever they
//! mean; its values become pixels, which only this step needs a format for; those become the line's pixels; and they their
//! colours (a bare sensor's values are averaged as light; then black is taken off, colours are balanced and corrected,
//! and a table encodes them).  A line lies along the stored rows, so that memory is read as it lies; of a frame that is to be turned,
//! lines become the input's columns.  The result is within one step of the exact mean.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod lines;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
mod taps;

use std::ops::Range;

use portable::Quad;
use taps::{Axis, Pattern, Seen, Taps, WINDOW};

use crate::frame::bayer::curve;
use crate::frame::{Frame, Packing, PixelFormat};

/// What lies outside the frame: middle grey, which is 0 in the networks' input.
const OUTSIDE: i8 = 0;

/// Stored pixels in a row that memory is reserved for: full HD, as the largest camera.  A longer row takes more, once.
const WIDEST: usize = 1920;

/// Which part of a frame goes into a network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// Frame x of the input's left edge, in pixels; may lie outside the frame.
    pub(super) left: f32,
    /// Frame y of the input's top edge, in pixels; may lie outside the frame.
    pub(super) top: f32,
    /// Frame pixels for one input pixel, above 0: above 1 shrinks, below 1 enlarges.
    pub(super) scale: f32,
}

impl View {
    /// The whole frame, as large as it fits into `width` × `height` input pixels, in the top-left corner.
    pub(super) fn whole(frame: &Frame, width: usize, height: usize) -> Self {
        let scale = (frame.width() as f32 / width as f32).max(frame.height() as f32 / height as f32);
        Self { left: 0.0, top: 0.0, scale }
    }
}

/// Fills networks' inputs, in memory that is taken once.
#[derive(Debug)]
pub(super) struct Resampler {
    /// Output pixels of a row, and rows.
    width: usize,
    height: usize,
    seen: Seen,
    /// Stored rows made one, in 256ths: one plane behind the other, of a bare sensor the two rows of its pixels.
    values: Vec<u16>,
    /// The same as pixels, and room for a window.
    pixels: Vec<Quad>,
    /// The line's pixels.
    line: Vec<Quad>,
    /// And their colours, where they do not lie in the input one behind the other.
    colours: Vec<i8>,
}

impl Resampler {
    /// For an input of `width` × `height` RGB pixels.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let longer = width.max(height);
        Self {
            width,
            height,
            seen: Seen::with_capacity(longer),
            values: vec![0; WIDEST * 4],
            pixels: vec![[0; 4]; WIDEST + WINDOW],
            line: vec![[0; 4]; longer],
            colours: vec![0; longer * 3],
        }
    }

    /// Fills `input`, a network's input (each value stored as itself − 128), with what `view` shows of `frame`.  What lies
    /// outside the frame becomes middle grey.
    ///
    /// # Panics
    ///
    /// If `input` does not hold width × height × 3 values.
    pub(super) fn fill(&mut self, frame: &Frame, view: View, input: &mut [i8]) {
        assert_eq!(
            input.len(),
            self.width * self.height * 3,
            "its size is checked when the network is loaded"
        );
        self.fill_rows(frame, view, 0, input);
    }

    /// As [`Resampler::fill`], for some whole rows of an input, from row `first` on: several fill one side by side.
    pub(super) fn fill_rows(&mut self, frame: &Frame, view: View, first: usize, input: &mut [i8]) {
        let (width, height) = (self.width, input.len() / (self.width * 3));
        assert_eq!(input.len() % (width * 3), 0, "rows are whole");
        assert!(first + height <= self.height, "rows lie in the input");
        let orientation = frame.orientation();
        let across = Axis::new(view.left, view.scale, frame.width(), orientation.reverses_columns());
        let down = Axis::new(view.top, view.scale, frame.height(), orientation.reverses_rows());
        let (columns, rows) = (across.outputs(width), down.outputs(self.height));
        let rows = rows.start.clamp(first, first + height)..rows.end.clamp(first, first + height);
        if (columns.len(), rows.len()) != (width, height) {
            input.fill(OUTSIDE);
        }
        if columns.is_empty() || rows.is_empty() {
            return;
        }
        // From here on by stored rows and columns.
        if orientation.swaps_axes() {
            self.plan(down, rows.clone(), orientation.reverses_rows());
            for column in columns {
                self.line(frame, &across.taps(column), orientation.reverses_rows());
                let colours = &mut self.colours[..rows.len() * 3];
                colour(frame, &self.line[..rows.len()], colours);
                for (row, colours) in rows.clone().zip(colours.chunks_exact(3)) {
                    input[((row - first) * width + column) * 3..][..3].copy_from_slice(colours);
                }
            }
        } else {
            self.plan(across, columns.clone(), orientation.reverses_columns());
            for row in rows {
                self.line(frame, &down.taps(row), orientation.reverses_columns());
                let output = &mut input[((row - first) * width + columns.start) * 3..][..columns.len() * 3];
                colour(frame, &self.line[..columns.len()], output);
            }
        }
    }

    /// Plans the lines, each of which has these `outputs` of `axis`.
    fn plan(&mut self, axis: Axis, outputs: Range<usize>, reversed: bool) {
        let Range { start, end } = outputs;
        self.seen.plan(outputs.map(|at| axis.taps(if reversed { start + end - 1 - at } else { at }).0));
        // A row that is longer than those before.
        let length = self.seen.length();
        if self.values.len() < length * 4 {
            self.pixels.resize(length + WINDOW, [0; 4]);
            self.values.resize(length * 4, 0);
        }
    }

    /// Makes a line of what the stored rows of `rows` (and of planes at half the size) show.
    fn line(&mut self, frame: &Frame, rows: &(Taps, Taps), reversed: bool) {
        let (start, length, pattern) = (self.seen.start(), self.seen.length(), self.seen.pattern());
        let paired = pattern == Pattern::Pairs;
        let line = &mut self.line[..self.seen.taps().len()];
        let (data, stride) = (frame.data(), frame.stride());
        // Makes one row of what a plane's rows hold from `offset` on.
        let one = |taps: &Taps, stride: usize, offset: usize, values: &mut [u16]| {
            lines::rows(&data[offset + taps.first * stride..], stride, taps, values);
        };
        let stored_height = if frame.orientation().swaps_axes() { frame.width() } else { frame.height() };
        // Pairs are made where values become pixels, or else of pixels.
        let pixels = &mut self.pixels[..length];
        match frame.format() {
            PixelFormat::Yuyv => {
                let values = &mut self.values[..length.div_ceil(2) * 4];
                one(&rows.0, stride, start * 2, values);
                if paired {
                    lines::yuyv_pairs(values, line);
                } else {
                    lines::yuyv(values, pixels);
                }
            }
            PixelFormat::Nv12 => {
                let (luma, chroma) = self.values.split_at_mut(length);
                let chroma = &mut chroma[..length.div_ceil(2) * 2];
                one(&rows.0, stride, start, luma);
                one(&rows.1, stride, stored_height * stride + start, chroma);
                if paired {
                    lines::planar_pairs::<2>(luma, chroma, &chroma[1..], line);
                } else {
                    lines::planar::<2>(luma, chroma, &chroma[1..], pixels);
                }
            }
            PixelFormat::Yu12 => {
                let (luma, chroma) = self.values.split_at_mut(length);
                let (u, v) = chroma[..length.div_ceil(2) * 2].split_at_mut(length.div_ceil(2));
                one(&rows.0, stride, start, luma);
                let chroma_start = stored_height * stride + start / 2;
                one(&rows.1, stride / 2, chroma_start, u);
                one(&rows.1, stride / 2, chroma_start + stored_height.div_ceil(2) * (stride / 2), v);
                if paired {
                    lines::planar_pairs::<1>(luma, u, v, line);
                } else {
                    lines::planar::<1>(luma, u, v, pixels);
                }
            }
            PixelFormat::Rgb => {
                let values = &mut self.values[..length * 3];
                one(&rows.0, stride, start * 3, values);
                lines::triples(values, pixels);
                if paired {
                    lines::pairs(pixels, line);
                }
            }
            PixelFormat::Grey => {
                let values = &mut self.values[..length];
                one(&rows.0, stride, start, values);
                lines::singles(values, pixels);
                if paired {
                    lines::pairs(pixels, line);
                }
            }
            PixelFormat::Bayer(order, packing) => {
                let (first, second) = self.values[..length * 4].split_at_mut(length * 2);
                // An even number of pixels is a whole number of groups of any packing.
                let start = packing.row_bytes(start * 2);
                photosites(packing, &data[start..], stride, &rows.0, first);
                photosites(packing, &data[stride + start..], stride, &rows.0, second);
                let (red, blue) = if order.is_red_row_first() { (first, second) } else { (second, first) };
                if order.is_red_row_green_first() {
                    lines::cells::<1>(red, blue, pixels);
                } else {
                    lines::cells::<0>(red, blue, pixels);
                }
                if paired {
                    lines::pairs(pixels, line);
                }
            }
        }
        match pattern {
            Pattern::Same => line.copy_from_slice(&pixels[..line.len()]),
            Pattern::Pairs => {}
            Pattern::Windows => lines::windows(&self.pixels, self.seen.windows(), line),
            Pattern::Any => lines::columns(pixels, &self.seen, line),
        }
        if reversed {
            line.reverse();
        }
    }
}

/// Makes one row of every second row of photosites.  `data` begins with the first of those that belong to the pixels of
/// row 0.
fn photosites(packing: Packing, data: &[u8], stride: usize, taps: &Taps, values: &mut [u16]) {
    let data = &data[2 * taps.first * stride..];
    let stride = 2 * stride;
    match packing {
        Packing::Eight => lines::rows(data, stride, taps, values),
        Packing::TenPacked => lines::packed::<10>(data, stride, taps, values),
        Packing::TwelvePacked => lines::packed::<12>(data, stride, taps, values),
        Packing::Ten => lines::words::<10>(data, stride, taps, values),
        Packing::Twelve => lines::words::<12>(data, stride, taps, values),
        Packing::Sixteen => lines::words::<16>(data, stride, taps, values),
    }
}

/// The colours of a frame's pixels, as a network takes them.
fn colour(frame: &Frame, pixels: &[Quad], output: &mut [i8]) {
    match frame.format() {
        PixelFormat::Bayer(..) => lines::developed(pixels, frame.development(), curve(), output),
        PixelFormat::Rgb | PixelFormat::Grey => lines::plain(pixels, output),
        PixelFormat::Yuyv | PixelFormat::Nv12 | PixelFormat::Yu12 => lines::studio(pixels, output),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::frame::bayer::matrices;
    use crate::frame::pixels::{Bayer, Grey, Nv12, Pixels, Rgb, Yu12, Yuyv};
    use crate::frame::{ColourMatrix, Development, Order, Orientation, Rotation};

    /// Each layout, and of a bare sensor's each packing and each order.
    const FORMATS: [PixelFormat; 14] = [
        PixelFormat::Rgb,
        PixelFormat::Grey,
        PixelFormat::Yuyv,
        PixelFormat::Nv12,
        PixelFormat::Yu12,
        PixelFormat::Bayer(Order::Rggb, Packing::Eight),
        PixelFormat::Bayer(Order::Bggr, Packing::Eight),
        PixelFormat::Bayer(Order::Rggb, Packing::TenPacked),
        PixelFormat::Bayer(Order::Grbg, Packing::TenPacked),
        PixelFormat::Bayer(Order::Gbrg, Packing::TenPacked),
        PixelFormat::Bayer(Order::Bggr, Packing::TwelvePacked),
        PixelFormat::Bayer(Order::Rggb, Packing::Ten),
        PixelFormat::Bayer(Order::Grbg, Packing::Twelve),
        PixelFormat::Bayer(Order::Bggr, Packing::Sixteen),
    ];

    fn frame(data: &[u8], format: PixelFormat, width: usize, height: usize, stride: usize) -> Frame<'_> {
        Frame::new(data, format, width, height, stride, Duration::ZERO).unwrap()
    }

    fn resampled<const W: usize, const H: usize>(frame: &Frame, view: View) -> Vec<i32> {
        let mut input = vec![99; W * H * 3];
        Resampler::new(W, H).fill(frame, view, &mut input);
        input.iter().map(|&stored| i32::from(stored) + 128).collect()
    }

    /// A frame of one colour in each format, with padded rows; padding and unused bytes hold a value that would show.
    fn plain(format: PixelFormat, [y, u, v]: [u8; 3], rgb: [u8; 3]) -> Vec<u8> {
        let (width, height, stride) = (6, 4, 24);
        let mut data = vec![77; stride * height * 2];
        for row in 0..height {
            for column in 0..width {
                match format {
                    PixelFormat::Rgb => {
                        data[row * stride + column * 3..][..3].copy_from_slice(&rgb);
                    }
                    PixelFormat::Grey => data[row * stride + column] = rgb[0],
                    PixelFormat::Yuyv => {
                        data[row * stride + column / 2 * 4..][..4].copy_from_slice(&[y, u, y, v]);
                    }
                    PixelFormat::Nv12 => {
                        data[row * stride + column] = y;
                        data[(height + row / 2) * stride + column / 2 * 2..][..2].copy_from_slice(&[u, v]);
                    }
                    PixelFormat::Yu12 => {
                        data[row * stride + column] = y;
                        data[height * stride + row / 2 * (stride / 2) + column / 2] = u;
                        data[height * stride + (height / 2 + row / 2) * (stride / 2) + column / 2] = v;
                    }
                    PixelFormat::Bayer(..) => unreachable!("its colours are tested by the exact mean"),
                }
            }
        }
        data
    }

    #[test]
    fn every_format_shows_the_same_colour() {
        // BT.601 studio range of pure red is Y 81, U 90, V 240.
        for format in [PixelFormat::Rgb, PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Yu12] {
            let data = plain(format, [81, 90, 240], [255, 0, 0]);
            let picture = frame(&data, format, 6, 4, 24);
            for view in [View::whole(&picture, 3, 2), View::whole(&picture, 12, 8)] {
                for pixel in resampled::<3, 2>(&picture, view).chunks(3) {
                    let error = (pixel[0] - 255).abs().max(pixel[1]).max(pixel[2]);
                    assert!(error <= 1, "{format:?} {view:?}: {pixel:?}");
                }
            }
        }
        let data = plain(PixelFormat::Grey, [0; 3], [200; 3]);
        let picture = frame(&data, PixelFormat::Grey, 6, 4, 24);
        assert_eq!(resampled::<3, 2>(&picture, View::whole(&picture, 3, 2)), vec![200; 18]);
    }

    /// The exact mean of each output pixel, before it is rounded, of a picture whose pixels have been turned one by one: the
    /// least and the most that it may be.
    fn exact(frame: &Frame, view: View, (width, height): (usize, usize)) -> Vec<[f64; 2]> {
        match frame.format() {
            PixelFormat::Rgb => exact_of(&Rgb(*frame), frame, view, (width, height)),
            PixelFormat::Grey => exact_of(&Grey(*frame), frame, view, (width, height)),
            PixelFormat::Yuyv => exact_of(&Yuyv(*frame), frame, view, (width, height)),
            PixelFormat::Nv12 => exact_of(&Nv12(*frame), frame, view, (width, height)),
            PixelFormat::Yu12 => exact_of(&Yu12(*frame), frame, view, (width, height)),
            PixelFormat::Bayer(..) => exact_of(&Bayer(*frame), frame, view, (width, height)),
        }
    }

    /// How far a mean may be off before it is developed, in steps of 255: what is below a step there is more where
    /// values are multiplied.  It is rounded three times to 256ths: rows, the two green ones, columns.
    const ROUNDED: f32 = 3.0 / 256.0;

    /// Whether a value is as it should be.  A matrix whose factors are below 4 multiplies what is below a 32,768th of the
    /// light of each colour: in the dark, where sRGB rises the most, by up to four tenths of a step of 255.
    fn is_near(seen: i32, [least, most]: [f64; 2], matrix: ColourMatrix) -> bool {
        let step = if matrix == ColourMatrix::IDENTITY { 1.0 } else { 1.4 };
        least - step < f64::from(seen) && f64::from(seen) < most + step
    }

    fn exact_of<P: Pixels>(reader: &P, frame: &Frame, view: View, size: (usize, usize)) -> Vec<[f64; 2]> {
        let slack = if matches!(frame.format(), PixelFormat::Bayer(..)) { ROUNDED } else { 0.0 };
        let pixels = turned_before(reader, frame);
        let weights = |start: f32, length: usize, at: usize| {
            let (start, scale, end) = (f64::from(start), f64::from(view.scale), length as f64);
            let centre = start + (at as f64 + 0.5) * scale;
            if !(0.0..end).contains(&centre) {
                return vec![];
            }
            let share = |pixel: usize| {
                let pixel = pixel as f64;
                if scale > 1.0 {
                    let covered = |from: f64, to: f64| (to.min(end) - from.max(0.0)).max(0.0);
                    let (from, to) = (centre - scale / 2.0, centre + scale / 2.0);
                    covered(from.max(pixel), to.min(pixel + 1.0)) / covered(from, to)
                } else {
                    let point = (centre - 0.5).clamp(0.0, end - 1.0);
                    (1.0 - (point - pixel).abs()).max(0.0)
                }
            };
            (0..length).map(share).collect()
        };
        let mut output = vec![];
        for y in 0..size.1 {
            let rows = weights(view.top, frame.height(), y);
            for x in 0..size.0 {
                let columns = weights(view.left, frame.width(), x);
                if rows.is_empty() || columns.is_empty() {
                    output.extend([[128.0; 2]; 3]);
                    continue;
                }
                let mut mean = [0.0; 3];
                for (row, down) in pixels.iter().zip(&rows).filter(|&(_, &weight)| weight > 0.0) {
                    for (pixel, across) in row.iter().zip(&columns) {
                        for (mean, &value) in mean.iter_mut().zip(pixel) {
                            *mean += down * across * f64::from(value);
                        }
                    }
                }
                // A matrix takes one colour from another: each may be off in its own direction.
                let mut range = [[255.0_f64, 0.0]; 3];
                for signs in 0..8 {
                    let off = |colour: usize| if signs >> colour & 1 == 0 { slack } else { -slack };
                    let values = reader.rgb([0, 1, 2].map(|colour| mean[colour] as f32 + off(colour)));
                    for ([least, most], value) in range.iter_mut().zip(values) {
                        let value = f64::from(value).clamp(0.0, 255.0);
                        (*least, *most) = (least.min(value), most.max(value));
                    }
                }
                output.extend(range);
            }
        }
        output
    }

    /// Turns by quarters, each of which makes the columns, read from the bottom, into rows; then mirrors.
    fn turned_before<P: Pixels>(pixels: &P, frame: &Frame) -> Vec<Vec<[f32; 3]>> {
        let Orientation { rotation, mirror } = frame.orientation();
        let (stored, quarters) = (frame.oriented(Orientation::default()), rotation as usize);
        let row = |row| (0..stored.width()).map(|column| pixels.at(row, column)).collect();
        let mut picture: Vec<Vec<_>> = (0..stored.height()).map(row).collect();
        for _ in 0..quarters {
            picture = (0..picture[0].len())
                .map(|column| picture.iter().rev().map(|row| row[column]).collect())
                .collect();
        }
        if mirror {
            picture.iter_mut().for_each(|row| row.reverse());
        }
        assert_eq!((frame.width(), frame.height()), (picture[0].len(), picture.len()));
        picture
    }
    #[test]
    fn shrinking_averages_every_pixel_once() {
        let data: Vec<u8> = (0..16).map(|at| at * 10).collect();
        let picture = frame(&data, PixelFormat::Grey, 4, 4, 4);
        let halves = resampled::<2, 2>(&picture, View::whole(&picture, 2, 2));
        let first_channel: Vec<_> = halves.iter().step_by(3).copied().collect();
        assert_eq!(first_channel, [25, 45, 105, 125]);
        let mean = resampled::<1, 1>(&picture, View::whole(&picture, 1, 1));
        assert_eq!(mean, [75; 3]);
    }

    #[test]
    fn shrinking_by_parts_of_a_pixel_weighs_them() {
        // Three pixels into two: 0 and half of 90, then the other half and 240.
        let data = [0, 90, 240];
        let picture = frame(&data, PixelFormat::Grey, 3, 1, 3);
        let view = View { left: 0.0, top: 0.0, scale: 1.5 };
        let out = resampled::<2, 1>(&picture, view);
        assert_eq!([out[0], out[3]], [30, 190]);
    }

    #[test]
    fn enlarging_is_bilinear_and_keeps_the_edges() {
        let data = [0, 100];
        let picture = frame(&data, PixelFormat::Grey, 2, 1, 2);
        let out = resampled::<4, 2>(&picture, View { left: 0.0, top: 0.0, scale: 0.5 });
        let row: Vec<_> = out[..12].iter().step_by(3).copied().collect();
        assert_eq!(row, [0, 25, 75, 100]);
        assert_eq!(out[..12], out[12..]);
    }

    #[test]
    fn outside_the_frame_is_middle_grey() {
        let data = [255; 4];
        let picture = frame(&data, PixelFormat::Grey, 2, 2, 2);
        let out = resampled::<4, 4>(&picture, View { left: -1.0, top: -1.0, scale: 1.0 });
        let plane: Vec<_> = out.iter().step_by(3).copied().collect();
        #[rustfmt::skip]
        assert_eq!(plane, [
            128, 128, 128, 128,
            128, 255, 255, 128,
            128, 255, 255, 128,
            128, 128, 128, 128,
        ]);
    }

    #[test]
    fn no_view_reads_outside_the_frame() {
        for format in FORMATS {
            // Odd sizes, and not a byte more than the picture needs.
            let (width, height) = (7, 5);
            let stride = format.row_bytes(width).next_multiple_of(2);
            let data = vec![100; format.frame_bytes(width, height, stride)];
            let picture = frame(&data, format, width, height, stride);
            for scale in [0.01, 0.3, 0.999, 1.0, 1.001, 1.7, 3.0, 1000.0] {
                for offset in [-1e9, -7.5, -0.001, 0.0, 2.3, 6.999, 1e9, f32::NAN] {
                    let view = View { left: offset, top: offset, scale };
                    resampled::<9, 9>(&picture, view);
                    let rotation = Rotation::Clockwise90;
                    resampled::<9, 9>(&picture.oriented(Orientation { rotation, mirror: false }), view);
                }
            }
        }
    }

    /// What cameras need, and anything else.
    fn scales() -> impl Strategy<Value = f32> {
        prop_oneof![
            prop::sample::select(vec![1.0, 4.0 / 3.0, 1.5, 2.0, 3.0, 4.0]),
            0.05_f32..1.0,
            1.0_f32..2.0,
            2.0_f32..40.0,
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_format_in_every_orientation_is_within_a_step_of_the_exact_mean(
            format in prop::sample::select(FORMATS.to_vec()),
            (width, height, pad) in (1_usize..60, 1_usize..60, 0_usize..5),
            (quarters, mirror) in (0_u16..4, any::<bool>()),
            scale in scales(),
            (left, top) in prop_oneof![Just((0.0, 0.0)), (-20.0_f32..60.0, -20.0_f32..60.0)],
            (black, gains, matrix) in (0_u16..8000, [0_u16..5000, 200..1000, 256..65_000], matrices()),
            seed: u64,
        ) {
            let stride = (format.row_bytes(width) + pad).next_multiple_of(2);
            let noise = |at: u64| match (seed ^ at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54 {
                mixed if mixed & 0x300 == 0 => (mixed & 1) as u8 * 255,
                mixed => mixed as u8,
            };
            let data: Vec<u8> = (0..format.frame_bytes(width, height, stride) as u64).map(noise).collect();
            let rotation = Rotation::from_degrees(quarters * 90).unwrap();
            let picture = frame(&data, format, width, height, stride)
                .oriented(Orientation { rotation, mirror })
                .developed(Development { black, gains, matrix });
            let view = View { left, top, scale };
            let seen = resampled::<17, 13>(&picture, view);
            for (at, (seen, exact)) in seen.iter().zip(exact(&picture, view, (17, 13))).enumerate() {
                prop_assert!(is_near(*seen, exact, matrix), "value {at} is {seen}, but should be {exact:?}");
            }
        }
    }

    #[test]
    fn rows_filled_side_by_side_are_those_of_the_whole() {
        let data: Vec<u8> = (0..64 * 48 * 2).map(|at| (at * at * 31 + at / 9) as u8).collect();
        let picture = frame(&data, PixelFormat::Yuyv, 64, 48, 128);
        for rotation in [Rotation::None, Rotation::Clockwise90, Rotation::Half, Rotation::Clockwise270] {
            let picture = picture.oriented(Orientation { rotation, mirror: true });
            for view in [View::whole(&picture, 32, 24), View { left: -5.0, top: -9.0, scale: 3.3 }] {
                let mut resampler = Resampler::new(32, 24);
                let (mut whole, mut parts) = (vec![1; 32 * 24 * 3], vec![2; 32 * 24 * 3]);
                resampler.fill(&picture, view, &mut whole);
                for (number, part) in parts.chunks_mut(7 * 32 * 3).enumerate() {
                    resampler.fill_rows(&picture, view, 7 * number, part);
                }
                assert_eq!(parts, whole, "{rotation:?} {view:?}");
            }
        }
    }

    #[test]
    fn a_longer_row_than_ever_is_within_a_step_too() {
        for (format, width, height) in [
            (PixelFormat::Grey, Frame::MAX_SIDE, 3),
            (PixelFormat::Yuyv, 5, Frame::MAX_SIDE),
            (PixelFormat::Bayer(Order::Gbrg, Packing::TenPacked), 5, Frame::MAX_SIDE),
            (PixelFormat::Bayer(Order::Gbrg, Packing::Sixteen), Frame::MAX_SIDE, 3),
        ] {
            let stride = format.row_bytes(width);
            let bytes = format.frame_bytes(width, height, stride);
            let data: Vec<u8> = (0..bytes).map(|at| (at * at * 31 + at / 9) as u8).collect();
            let picture = frame(&data, format, width, height, stride);
            let view = View::whole(&picture, 17, 13);
            let seen = resampled::<17, 13>(&picture, view);
            for (seen, exact) in seen.iter().zip(exact(&picture, view, (17, 13))) {
                assert!(
                    is_near(*seen, exact, ColourMatrix::IDENTITY),
                    "{format:?}: {seen}, but should be {exact:?}"
                );
            }
        }
    }

    #[test]
    fn memory_is_taken_once() {
        let mut resampler = Resampler::new(32, 24);
        let mut input = vec![0; 32 * 24 * 3];
        let places = |resampler: &Resampler| {
            let Resampler { seen, values, pixels, line, colours, .. } = resampler;
            (seen.taps().as_ptr(), values.as_ptr(), pixels.as_ptr(), line.as_ptr(), colours.as_ptr())
        };
        let before = places(&resampler);
        for format in FORMATS {
            let (width, height) = (1920, 8);
            let stride = format.row_bytes(width);
            let data = vec![100; format.frame_bytes(width, height, stride)];
            let picture = frame(&data, format, width, height, stride);
            resampler.fill(&picture, View { left: 0.0, top: 0.0, scale: 60.0 }, &mut input);
            let orientation = Orientation { rotation: Rotation::Clockwise90, mirror: true };
            resampler.fill(
                &picture.oriented(orientation),
                View { left: 0.0, top: 0.0, scale: 60.0 },
                &mut input,
            );
        }
        assert_eq!(places(&resampler), before);
    }
}
