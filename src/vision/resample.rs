//! From the camera's own pixels to a network's input in one pass: crop, resize, colour, quantise.
//!
//! Shrinking averages the area that falls on an output pixel (nothing is skipped, so sensor noise and aliasing are
//! averaged away, which small faces need); enlarging is bilinear.  Luma and chroma are averaged as they are and
//! converted to RGB once per output pixel, which is the same up to clamping because the conversion is linear.

use crate::frame::pixels::{Grey, Nv12, Pixels, Rgb, Yu12, Yuyv};
use crate::frame::{Frame, PixelFormat};

/// What lies outside the frame: middle grey, which is 0 in the networks' input.
const OUTSIDE: i8 = 0;

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

/// Fills `input`, a network's input of `WIDTH` × `HEIGHT` RGB pixels (each stored as pixel − 128), with what `view`
/// shows of `frame`.  What lies outside the frame becomes middle grey.
///
/// # Panics
///
/// If `input` does not hold `WIDTH` × `HEIGHT` × 3 values.
pub(super) fn resample<const WIDTH: usize, const HEIGHT: usize>(frame: &Frame, view: View, input: &mut [i8]) {
    assert_eq!(input.len(), WIDTH * HEIGHT * 3, "the input's size is checked when the network is loaded");
    let orientation = frame.orientation();
    let mut columns = taps::<WIDTH>(view.left, view.scale, frame.width());
    let mut rows = taps::<HEIGHT>(view.top, view.scale, frame.height());
    // From here on they are stored rows and columns.
    if orientation.reverses_columns() {
        reverse(&mut columns, frame.width());
    }
    if orientation.reverses_rows() {
        reverse(&mut rows, frame.height());
    }
    let turned = orientation.swaps_axes();
    match frame.format() {
        PixelFormat::Rgb => fill(&Rgb(*frame), &columns, &rows, turned, input),
        PixelFormat::Grey => fill(&Grey(*frame), &columns, &rows, turned, input),
        PixelFormat::Yuyv => fill(&Yuyv(*frame), &columns, &rows, turned, input),
        PixelFormat::Nv12 => fill(&Nv12(*frame), &columns, &rows, turned, input),
        PixelFormat::Yu12 => fill(&Yu12(*frame), &columns, &rows, turned, input),
    }
}

/// The source pixels of one output row or column and their weights, which add up to 1: the first and the last have
/// their own, those between share one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Taps {
    first: usize,
    last: usize,
    first_weight: f32,
    middle_weight: f32,
    last_weight: f32,
}

impl Taps {
    const fn weight(&self, at: usize) -> f32 {
        if at == self.first {
            self.first_weight
        } else if at == self.last {
            self.last_weight
        } else {
            self.middle_weight
        }
    }
}

/// The taps of `N` output pixels along one axis; `None` where an output pixel's centre lies outside the frame.
fn taps<const N: usize>(start: f32, scale: f32, length: usize) -> [Option<Taps>; N] {
    let end = length as f32;
    std::array::from_fn(|at| {
        let centre = start + (at as f32 + 0.5) * scale;
        if !(centre >= 0.0 && centre < end) {
            return None;
        }
        if scale > 1.0 {
            let from = (centre - scale / 2.0).max(0.0);
            let to = (centre + scale / 2.0).min(end);
            let (first, last) = (from as usize, (to.ceil() as usize - 1).min(length - 1));
            if first >= last {
                return Some(Taps::single(first.min(length - 1)));
            }
            let covered = to - from;
            Some(Taps {
                first,
                last,
                first_weight: (first as f32 + 1.0 - from) / covered,
                middle_weight: 1.0 / covered,
                last_weight: (to - last as f32) / covered,
            })
        } else {
            // Sample points are pixel centres.
            let point = (centre - 0.5).clamp(0.0, end - 1.0);
            let first = point as usize;
            let last_weight = point - first as f32;
            if first + 1 == length {
                return Some(Taps::single(first));
            }
            Some(Taps {
                first,
                last: first + 1,
                first_weight: 1.0 - last_weight,
                middle_weight: 0.0,
                last_weight,
            })
        }
    })
}

impl Taps {
    const fn single(at: usize) -> Self {
        Self { first: at, last: at, first_weight: 1.0, middle_weight: 0.0, last_weight: 0.0 }
    }
}

/// Counts the taps of an axis of `length` pixels from its other end.
fn reverse(taps: &mut [Option<Taps>], length: usize) {
    for taps in taps.iter_mut().flatten() {
        (taps.first, taps.last) = (length - 1 - taps.last, length - 1 - taps.first);
        if taps.first < taps.last {
            (taps.first_weight, taps.last_weight) = (taps.last_weight, taps.first_weight);
        }
    }
}

/// `turned`: `columns` are stored as rows, and `rows` as columns.
fn fill<P: Pixels>(
    pixels: &P,
    columns: &[Option<Taps>],
    rows: &[Option<Taps>],
    turned: bool,
    input: &mut [i8],
) {
    for (output_row, row) in input.chunks_exact_mut(columns.len() * 3).zip(rows) {
        let Some(row) = row else {
            output_row.fill(OUTSIDE);
            continue;
        };
        for (output, column) in output_row.chunks_exact_mut(3).zip(columns) {
            let Some(column) = column else {
                output.fill(OUTSIDE);
                continue;
            };
            // The weights of both axes are multiplied, so that pixels can be read in the order in which they lie.
            let (row, column) = if turned { (column, row) } else { (row, column) };
            let mut mean = [0.0; 3];
            for y in row.first..=row.last {
                let weight = row.weight(y);
                let first = pixels.at(y, column.first);
                let last = pixels.at(y, column.last);
                let middle = sum(pixels, y, column.first + 1..column.last);
                for channel in 0..3 {
                    mean[channel] += weight
                        * (column.first_weight * f32::from(first[channel])
                            + column.middle_weight * middle[channel] as f32
                            + column.last_weight * f32::from(last[channel]));
                }
            }
            let rgb = P::rgb(mean);
            for channel in 0..3 {
                // The cast saturates, so that 255.6 stays 255.
                output[channel] = ((rgb[channel] + 0.5) as u8 ^ 0x80) as i8;
            }
        }
    }
}

/// The sums of the three values over some columns of a row.
fn sum<P: Pixels>(pixels: &P, row: usize, columns: std::ops::Range<usize>) -> [u32; 3] {
    let mut sum = [0; 3];
    for column in columns {
        let pixel = pixels.at(row, column);
        for channel in 0..3 {
            sum[channel] += u32::from(pixel[channel]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;
    use std::time::Duration;

    use super::*;
    use crate::frame::{Orientation, Rotation};

    fn frame(data: &[u8], format: PixelFormat, width: usize, height: usize, stride: usize) -> Frame<'_> {
        Frame::new(data, format, width, height, stride, Duration::ZERO).unwrap()
    }

    fn resampled<const W: usize, const H: usize>(frame: &Frame, view: View) -> Vec<i32> {
        let mut input = vec![99; W * H * 3];
        resample::<W, H>(frame, view, &mut input);
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

    /// A picture whose pixels have been turned one by one before they are read.
    struct TurnedBefore<P> {
        pixels: Vec<Vec<[u8; 3]>>,
        format: PhantomData<P>,
    }

    impl<P: Pixels> Pixels for TurnedBefore<P> {
        fn at(&self, row: usize, column: usize) -> [u8; 3] {
            self.pixels[row][column]
        }

        fn rgb(values: [f32; 3]) -> [f32; 3] {
            P::rgb(values)
        }
    }

    /// Turns by quarters, each of which makes the columns, read from the bottom, into rows; then mirrors.
    fn turned_before<P: Pixels>(pixels: &P, frame: &Frame, quarters: u16, mirror: bool) -> TurnedBefore<P> {
        let mut picture: Vec<Vec<_>> = (0..frame.height())
            .map(|row| (0..frame.width()).map(|column| pixels.at(row, column)).collect())
            .collect();
        for _ in 0..quarters {
            picture = (0..picture[0].len())
                .map(|column| picture.iter().rev().map(|row| row[column]).collect())
                .collect();
        }
        if mirror {
            picture.iter_mut().for_each(|row| row.reverse());
        }
        TurnedBefore { pixels: picture, format: PhantomData }
    }

    fn assert_turned<P: Pixels>(pixels: &P, frame: &Frame) {
        for (quarters, mirror) in (0..4).flat_map(|quarters| [(quarters, false), (quarters, true)]) {
            let before = turned_before(pixels, frame, quarters, mirror);
            let rotation = Rotation::from_degrees(quarters * 90).unwrap();
            let frame = frame.oriented(Orientation { rotation, mirror });
            assert_eq!((frame.width(), frame.height()), (before.pixels[0].len(), before.pixels.len()));
            for scale in [0.4, 1.0, 1.3, 2.0, 3.7, 20.0] {
                let view = View { left: -0.9, top: 0.8, scale };
                let columns = taps::<5>(view.left, scale, frame.width());
                let rows = taps::<6>(view.top, scale, frame.height());
                let mut expected = [99; 5 * 6 * 3];
                fill(&before, &columns, &rows, false, &mut expected);
                let seen = resampled::<5, 6>(&frame, view);
                // Sums of floating-point numbers depend on their order.
                let is_near = |(&seen, &expected): (&i32, &i8)| seen.abs_diff(i32::from(expected) + 128) <= 1;
                assert!(
                    seen.iter().zip(&expected).all(is_near),
                    "{:?} {:?} {scale}: {seen:?}, not {expected:?}",
                    frame.format(),
                    frame.orientation()
                );
            }
        }
    }

    #[test]
    fn a_turned_frame_is_seen_as_if_its_pixels_had_been_turned_before() {
        // Odd sides, so that chroma lies otherwise from the other end, and bytes that differ everywhere.
        let (width, height, stride) = (7, 9, 24);
        let data: Vec<u8> = (0..stride * height * 2).map(|at| (at * at * 31 + at * 57) as u8).collect();
        for format in
            [PixelFormat::Rgb, PixelFormat::Grey, PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Yu12]
        {
            let picture = frame(&data, format, width, height, stride);
            match format {
                PixelFormat::Rgb => assert_turned(&Rgb(picture), &picture),
                PixelFormat::Grey => assert_turned(&Grey(picture), &picture),
                PixelFormat::Yuyv => assert_turned(&Yuyv(picture), &picture),
                PixelFormat::Nv12 => assert_turned(&Nv12(picture), &picture),
                PixelFormat::Yu12 => assert_turned(&Yu12(picture), &picture),
            }
        }
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
        for format in
            [PixelFormat::Rgb, PixelFormat::Grey, PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Yu12]
        {
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

    proptest::proptest! {
        #[test]
        fn weights_add_up_to_one(start in -50.0f32..50.0, scale in 0.05f32..40.0, length in 1usize..300) {
            for taps in taps::<32>(start, scale, length).into_iter().flatten() {
                let sum: f32 = (taps.first..=taps.last).map(|at| taps.weight(at)).sum();
                proptest::prop_assert!((sum - 1.0).abs() < 1e-3, "{taps:?}: {sum}");
                proptest::prop_assert!(taps.last < length && taps.first <= taps.last);
                let least = taps.first_weight.min(taps.middle_weight).min(taps.last_weight);
                proptest::prop_assert!(least > -1e-3, "{taps:?}");
            }
        }
    }
}
