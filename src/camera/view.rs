//! Whether a camera's pictures show anything: dark, covered and frozen ones do not.
//!
//! A few points of each picture are looked at, so that it costs next to nothing.  Time is that of the pictures.

use std::fmt;
use std::time::Duration;

use crate::frame::{Frame, PixelFormat};

/// Cells on each side into which a picture is divided.  A face that can be judged fills one, about.
const CELLS: usize = 8;

/// Points on each side of a cell.  The mean of 64 points is moved by a sensor's noise an eighth as much as each of
/// them: noise of 16 levels, as in the dark, by 2.
const POINTS: usize = 8;

/// Luma, of 255, below which a cell is dark.  If all are, there is nothing to be seen.
const DARK: i32 = 20;

/// Least step of luma, of 255, between two cells side by side that shows that there is something before the lens.  What
/// covers it blurs into a gentle slope, and noise moves a step by 3.
const STEP: i32 = 12;

/// How long pictures must show nothing before that is said.  Who stands close to the lens for a moment, or switches
/// the light off and on, is no fault.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the same picture must come again and again before that is said.  No sensor sends the same picture twice:
/// its noise differs.  Only compression could hide that for a while.
const FROZEN_PATIENCE: Duration = Duration::from_secs(30);

/// Least number of pictures that are the same: at a rate of less than one a second time alone proves little.
const FROZEN_PICTURES: u32 = 10;

/// Why pictures show nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blindness {
    /// It is too dark to see anything.
    Dark,
    /// Something covers the lens: there is light, and no shape.
    Covered,
    /// The same picture comes again and again, to the last bit.
    Frozen,
}

impl fmt::Display for Blindness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dark => "it is too dark to see anything: put the light on, or uncover the lens",
            Self::Covered => "the lens is covered, or what is before it has no shape: clear the view",
            Self::Frozen => "the camera sends the same picture again and again: plug it in again",
        })
    }
}

/// What the pictures so far have shown.  Fixed memory.
#[derive(Debug, Default)]
pub struct View {
    /// Since when, without a break, pictures have been dark or covered.
    nothing_since: Option<Duration>,
    /// What tells the last picture from others, since when it has come, and how often.
    last: Option<(u64, Duration, u32)>,
}

impl View {
    /// One that has seen nothing yet.
    pub const fn new() -> Self {
        Self { nothing_since: None, last: None }
    }

    /// Judges a picture by itself and by those before it; `None` if there is something to be seen.
    ///
    /// It takes some seconds of pictures that show nothing to say so, and one that shows something to take it back.
    pub fn judge(&mut self, frame: &Frame) -> Option<Blindness> {
        let now = frame.captured_at();
        let sample = Sample::of(frame);
        let shows_nothing = sample.shows_nothing();
        let nothing_since = shows_nothing.map(|_| self.nothing_since.unwrap_or(now));
        self.nothing_since = nothing_since;
        let (since, times) = match self.last {
            Some((fingerprint, since, times)) if fingerprint == sample.fingerprint => (since, times),
            _ => (now, 0),
        };
        let times = times.saturating_add(1);
        self.last = Some((sample.fingerprint, since, times));
        if now.saturating_sub(since) >= FROZEN_PATIENCE && times >= FROZEN_PICTURES {
            return Some(Blindness::Frozen);
        }
        shows_nothing.filter(|_| nothing_since.is_some_and(|since| now.saturating_sub(since) >= PATIENCE))
    }

    /// A break: what was seen before says nothing about what comes.
    pub fn interrupt(&mut self) {
        *self = Self::new();
    }
}

/// A picture, seen at few points.
struct Sample {
    /// Mean luma of each cell, 0 to 255, by rows.
    cells: [[i32; CELLS]; CELLS],
    /// Differs for pictures that differ at any of the points, or in size or format.
    fingerprint: u64,
}

impl Sample {
    fn of(frame: &Frame) -> Self {
        let format = frame.format();
        // Bytes from one pixel to the next, and full range or studio range.
        let (pixel, is_full) = match format {
            PixelFormat::Yuyv => (2, false),
            PixelFormat::Nv12 | PixelFormat::Yu12 => (1, false),
            PixelFormat::Rgb => (3, true),
            PixelFormat::Grey | PixelFormat::Bayer(..) => (1, true),
        };
        // BT.601: 0.299, 0.587, 0.114.
        let luma_of = |rgb: [u8; 3]| {
            let [red, green, blue] = rgb.map(i32::from);
            (77 * red + 150 * green + 29 * blue) >> 8
        };
        let (width, height) = if frame.orientation().swaps_axes() {
            (frame.height(), frame.width())
        } else {
            (frame.width(), frame.height())
        };
        let mut fingerprint = Fingerprint::new();
        for number in [width, height, pixel] {
            fingerprint.add(number as u64);
        }
        let mut cells = [[0; CELLS]; CELLS];
        for row in 0..CELLS * POINTS {
            // The middle of each of 64 equal parts.
            let y = (2 * row + 1) * height / (2 * CELLS * POINTS);
            for column in 0..CELLS * POINTS {
                let x = (2 * column + 1) * width / (2 * CELLS * POINTS);
                let at = y * frame.stride() + x * pixel;
                let luma = match format {
                    PixelFormat::Bayer(..) => {
                        let [red, green, blue] = frame.photosites(y, x).unwrap_or_default();
                        // As the sensor sent it: what is made of it changes with a still picture, too.
                        fingerprint.add(u64::from(red) << 32 | u64::from(green) << 16 | u64::from(blue));
                        luma_of(frame.development().encoded([red, green, blue]))
                    }
                    PixelFormat::Rgb => {
                        let [red, green, blue] = [0, 1, 2].map(|channel| frame.data()[at + channel]);
                        fingerprint.add(u32::from_be_bytes([0, red, green, blue]).into());
                        luma_of([red, green, blue])
                    }
                    _ => {
                        let luma = frame.data()[at];
                        fingerprint.add(luma.into());
                        i32::from(luma)
                    }
                };
                cells[row / POINTS][column / POINTS] += luma;
            }
        }
        for cell in cells.as_flattened_mut() {
            let mean = *cell / (POINTS * POINTS) as i32;
            // Studio range: 16 to 235.
            *cell = if is_full { mean } else { ((mean - 16) * 255 / 219).clamp(0, 255) };
        }
        Self { cells, fingerprint: fingerprint.0 }
    }

    fn shows_nothing(&self) -> Option<Blindness> {
        let cells = &self.cells;
        if cells.as_flattened().iter().all(|&luma| luma < DARK) {
            return Some(Blindness::Dark);
        }
        let is_step = |one: i32, other: i32| (one - other).abs() >= STEP;
        let across = cells.iter().any(|row| row.windows(2).any(|two| is_step(two[0], two[1])));
        let down = || cells.windows(2).any(|two| two[0].iter().zip(&two[1]).any(|(&a, &b)| is_step(a, b)));
        if across || down() { None } else { Some(Blindness::Covered) }
    }
}

/// A hash of numbers: FNV-1a (Fowler, Noll, Vo) with 64 bits, over whole numbers instead of bytes.
struct Fingerprint(u64);

impl Fingerprint {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    const fn add(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Order, Orientation, Packing, Rotation};

    const WIDTH: usize = 160;
    const HEIGHT: usize = 120;

    /// A grey picture by its pixels.
    fn grey(luma: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).map(|(x, y)| luma(x, y)).collect()
    }

    fn frame(data: &[u8], milliseconds: u64) -> Frame<'_> {
        let at = Duration::from_millis(milliseconds);
        Frame::new(data, PixelFormat::Grey, WIDTH, HEIGHT, WIDTH, at).unwrap()
    }

    /// Noise of at most `most` levels up or down, another in each picture.
    fn noise(x: usize, y: usize, picture: u64, most: i32) -> i32 {
        let mut hash = Fingerprint::new();
        for number in [x as u64, y as u64, picture] {
            hash.add(number);
        }
        (hash.0 >> 33) as i32 % (2 * most + 1) - most
    }

    /// What is said of pictures of a scene, ten a second, with a sensor's noise.
    fn said(scene: impl Fn(usize, usize) -> i32, most: i32, seconds: u64) -> Option<Blindness> {
        let mut view = View::new();
        let mut said = None;
        for picture in 0..=seconds * 10 {
            let data = grey(|x, y| (scene(x, y) + noise(x, y, picture, most)).clamp(0, 255) as u8);
            said = view.judge(&frame(&data, picture * 100));
        }
        said
    }

    /// A bright door in a darker wall.
    fn door(x: usize, _: usize) -> i32 {
        if (60..100).contains(&x) { 150 } else { 90 }
    }

    #[test]
    fn a_still_scene_with_noise_is_watched_for_ever() {
        assert_eq!(said(door, 1, 60), None);
        assert_eq!(said(|x, y| door(x, y) / 3, 12, 60), None, "in the evening");
    }

    #[test]
    fn what_shows_nothing_is_told_by_its_kind() {
        assert_eq!(said(|_, _| 0, 12, 6), Some(Blindness::Dark));
        assert_eq!(said(|_, _| 120, 12, 6), Some(Blindness::Covered));
        // A hand before the lens: light comes through from one side.
        assert_eq!(said(|x, _| 60 + x as i32 / 5, 12, 6), Some(Blindness::Covered));
        assert_eq!(said(|_, _| 255, 0, 6), Some(Blindness::Covered), "blinded by the sun");
        assert_eq!(said(door, 0, 31), Some(Blindness::Frozen));
    }

    #[test]
    fn the_limits_are_as_they_are_named() {
        let of = |scene: &dyn Fn(usize, usize) -> u8| Sample::of(&frame(&grey(scene), 0)).shows_nothing();
        // One cell of 20 × 15 pixels is enough.
        let lamp = |luma| move |x, y| if (40..60).contains(&x) && (30..45).contains(&y) { luma } else { 0 };
        assert_eq!(of(&lamp(19)), Some(Blindness::Dark));
        assert_eq!(of(&lamp(20)), None);
        let half = |luma| move |x, _| if x < 80 { 100 } else { luma };
        assert_eq!((of(&half(111)), of(&half(112))), (Some(Blindness::Covered), None));
        let half = |luma| move |_, y| if y < 60 { 100 } else { luma };
        assert_eq!((of(&half(89)), of(&half(88))), (Some(Blindness::Covered), None));
    }

    #[test]
    fn night_falls_after_some_seconds_and_ends_at_once() {
        let (dark, bright) = (grey(|_, _| 3), grey(|x, _| x as u8));
        let mut view = View::new();
        assert_eq!(view.judge(&frame(&bright, 0)), None);
        let since = 1000;
        for at in (0..5000).step_by(100) {
            assert_eq!(view.judge(&frame(&dark, since + at)), None, "{at}");
        }
        assert_eq!(view.judge(&frame(&dark, since + 5000)), Some(Blindness::Dark));
        assert_eq!(view.judge(&frame(&bright, since + 5100)), None);
        assert_eq!(view.judge(&frame(&dark, since + 5200)), None, "it begins anew");
    }

    #[test]
    fn a_frozen_picture_needs_its_time_and_its_number() {
        let picture = grey(|x, y| door(x, y) as u8);
        let mut view = View::new();
        for at in (0..30_000).step_by(100) {
            assert_eq!(view.judge(&frame(&picture, at)), None, "{at}");
        }
        assert_eq!(view.judge(&frame(&picture, 30_000)), Some(Blindness::Frozen));
        view.interrupt();
        assert_eq!(view.judge(&frame(&picture, 30_100)), None);
        let mut view = View::new();
        for at in (0..90).step_by(10) {
            assert_eq!(view.judge(&frame(&picture, at * 1000)), None, "{at}");
        }
        assert_eq!(view.judge(&frame(&picture, 90_000)), Some(Blindness::Frozen));
    }

    #[test]
    fn a_picture_that_differs_in_one_colour_of_one_point_is_not_frozen() {
        for channel in 0..3 {
            let mut view = View::new();
            let mut data = vec![0; WIDTH * HEIGHT * 3];
            data[..WIDTH * HEIGHT].fill(200);
            for picture in 0..200 {
                // The middle of the first of the points.
                data[channel + 3] ^= 1;
                let at = Duration::from_millis(picture * 100);
                let frame = Frame::new(&data, PixelFormat::Rgb, WIDTH, HEIGHT, WIDTH * 3, at).unwrap();
                assert_eq!(view.judge(&frame), None, "channel {channel}, picture {picture}");
            }
        }
    }

    #[test]
    fn every_layout_is_read_where_its_luma_lies() {
        // Left half 200, right half 50, in full range; padding and chroma would show as other values.
        let luma = |x: usize, full: bool| match (x < WIDTH / 2, full) {
            (true, true) => 200,
            (false, true) => 50,
            (true, false) => 188,
            (false, false) => 59,
        };
        let bayer = PixelFormat::Bayer(Order::Gbrg, Packing::Eight);
        for format in [
            PixelFormat::Yuyv,
            PixelFormat::Nv12,
            PixelFormat::Yu12,
            PixelFormat::Rgb,
            PixelFormat::Grey,
            bayer,
        ] {
            let stride = format.row_bytes(WIDTH) + 16;
            let mut data = vec![255; format.frame_bytes(WIDTH, HEIGHT, stride)];
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    match format {
                        PixelFormat::Yuyv => data[y * stride + 2 * x] = luma(x, false),
                        PixelFormat::Nv12 | PixelFormat::Yu12 => data[y * stride + x] = luma(x, false),
                        PixelFormat::Rgb => data[y * stride + 3 * x..][..3].fill(luma(x, true)),
                        PixelFormat::Grey => data[y * stride + x] = luma(x, true),
                        PixelFormat::Bayer(..) => {
                            // 148 and 8 of 256, as sRGB.
                            let light = if x < WIDTH / 2 { 148 } else { 8 };
                            data[2 * y * stride + 2 * x..][..2].fill(light);
                            data[(2 * y + 1) * stride + 2 * x..][..2].fill(light);
                        }
                    }
                }
            }
            let frame = Frame::new(&data, format, WIDTH, HEIGHT, stride, Duration::ZERO).unwrap();
            for rotation in [Rotation::None, Rotation::Clockwise90] {
                let frame = frame.oriented(Orientation { rotation, mirror: true });
                let sample = Sample::of(&frame);
                for row in sample.cells {
                    let expected = [200, 200, 200, 200, 50, 50, 50, 50];
                    assert!(
                        row.iter().zip(expected).all(|(is, due)| (is - due).abs() <= 1),
                        "{format:?}: {row:?}"
                    );
                }
            }
        }
    }

    proptest! {
        /// However small and however laid out: it is judged, without a panic, and the same way twice.
        #[test]
        fn any_picture_is_judged(
            width in 1..70_usize, height in 1..70_usize, padding in 0..9_usize, kind in 0..5_usize, seed: u64,
        ) {
            use PixelFormat::{Grey, Nv12, Rgb, Yu12, Yuyv};
            let format = [Yuyv, Nv12, Yu12, Rgb, Grey][kind];
            let stride = (format.row_bytes(width).next_multiple_of(2) + 2 * padding).max(2);
            let bytes = format.frame_bytes(width, height, stride);
            let data: Vec<_> = (0..bytes).map(|at| noise(at, 0, seed, 127) as u8).collect();
            let frame = Frame::new(&data, format, width, height, stride, Duration::ZERO).unwrap();
            let (one, two) = (Sample::of(&frame), Sample::of(&frame));
            prop_assert_eq!(one.fingerprint, two.fingerprint);
            prop_assert_eq!(one.shows_nothing(), two.shows_nothing());
            prop_assert!(one.cells.as_flattened().iter().all(|luma| (0..=255).contains(luma)));
        }

        /// Any picture with a step in it, with any noise, is seen; at any times, in any order of pictures.
        #[test]
        fn nothing_that_shows_something_is_called_blind(
            low in 0..200_i32, step in 30..55_i32, most in 1..12_i32, at in prop::collection::vec(0..20_000_u64, 1..30),
        ) {
            let mut view = View::new();
            let mut now = 0;
            for (picture, pause) in at.iter().enumerate() {
                now += pause;
                let data = grey(|x, y| {
                    let scene = if (70..110).contains(&x) { low + step } else { low };
                    (scene + noise(x, y, picture as u64, most)).clamp(0, 255) as u8
                });
                prop_assert_eq!(view.judge(&frame(&data, now)), None);
            }
        }

        /// One picture that shows something ends every blindness.
        #[test]
        fn it_sees_again_at_once(times in 1..40_u64, luma in 0..255_u8) {
            let mut view = View::new();
            let blind = grey(|_, _| luma);
            for picture in 0..times {
                view.judge(&frame(&blind, picture * 500));
            }
            let bright = grey(|x, _| x as u8);
            prop_assert_eq!(view.judge(&frame(&bright, times * 500)), None);
        }
    }
}
