//! The inner loops in plain Rust: the reference for the vectorised ones, which give the same bits.
//!
//! Inlined, so that they can be compiled for processors that have more than the target's least.

use super::taps::{Seen, Taps};
#[cfg(any(test, not(target_arch = "aarch64")))]
use super::taps::{WINDOW, Window};
use crate::frame::bayer::CURVE;
use crate::frame::{Development, Packing};

/// The values of a pixel in its own colour space, in 256ths, and one that is not used.
pub(super) type Quad = [u16; 4];

/// Most rows whose bytes add up to 16 bits.
pub(super) const MOST_ROWS: usize = 257;

/// The mean of the rows that `taps` tell of, in 256ths.  `data` begins in the first of them; rows begin `stride` bytes
/// apart.
#[inline(always)]
pub(super) fn rows(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    const BLOCK: usize = 32;
    let (count, length) = (taps.last - taps.first, output.len());
    if count == 0 {
        for (output, &value) in output.iter_mut().zip(&data[..length]) {
            *output = u16::from(value) << 8;
        }
        return;
    }
    for start in (0..length).step_by(BLOCK) {
        let block = &mut output[start..(start + BLOCK).min(length)];
        let row = |number: usize| &data[number * stride + start..][..block.len()];
        let mut middle = [0; BLOCK];
        for number in 1..count {
            for (sum, &value) in middle.iter_mut().zip(row(number)) {
                *sum += u32::from(value);
            }
        }
        if count - 1 <= MOST_ROWS {
            for sum in &mut middle {
                *sum = (*sum * taps.middle_weight) >> taps.middle_shift;
            }
        } else {
            for sum in &mut middle {
                *sum = ((u64::from(*sum) * u64::from(taps.middle_weight)) >> taps.middle_shift) as u32;
            }
        }
        let (first, last) = (row(0), row(count));
        for (((output, &first), &last), middle) in block.iter_mut().zip(first).zip(last).zip(middle) {
            let sum = u32::from(first) * taps.first_weight + middle + u32::from(last) * taps.last_weight;
            *output = ((sum + (1 << 7)) >> 8) as u16;
        }
    }
}

/// As [`rows`] of photosites whose `BITS` are packed: a mean that is rounded once.
#[inline(always)]
pub(super) fn packed<const BITS: usize>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    let packing = const {
        match BITS {
            10 => Packing::TenPacked,
            12 => Packing::TwelvePacked,
            _ => panic!("10 or 12 bits are packed"),
        }
    };
    photosites(packing, data, stride, taps, output);
}

/// As [`rows`] of photosites whose `BITS` lie in words.
#[inline(always)]
pub(super) fn words<const BITS: usize>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    let packing = const {
        match BITS {
            10 => Packing::Ten,
            12 => Packing::Twelve,
            16 => Packing::Sixteen,
            _ => panic!("10, 12 or 16 bits lie in words"),
        }
    };
    photosites(packing, data, stride, taps, output);
}

/// No value is above 65,532, and weights add up to 1 but for some 65,536ths: sums fit 32 bits.
#[inline(always)]
fn photosites(packing: Packing, data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    let count = taps.last - taps.first;
    for (at, output) in output.iter_mut().enumerate() {
        let value = |row: usize| u32::from(packing.value(&data[row * stride..], at));
        if count == 0 {
            *output = value(0) as u16;
            continue;
        }
        let middles: u32 = (1..count).map(value).sum();
        let sum = value(0) * taps.first_weight
            + (middles >> taps.middle_shift) * taps.middle_weight
            + value(count) * taps.last_weight;
        *output = ((sum + (1 << 15)) >> 16) as u16;
    }
}

/// Pixels of a red row's photosites and a blue row's; with `GREEN_FIRST` 1 the red row begins with a green one, and the
/// blue row ends with one.
#[inline(always)]
pub(super) fn cells<const GREEN_FIRST: usize>(red: &[u16], blue: &[u16], output: &mut [Quad]) {
    let (red, _) = red.as_chunks::<2>();
    let (blue, _) = blue.as_chunks::<2>();
    for ((output, red), blue) in output.iter_mut().zip(red).zip(blue) {
        let green = mean(red[1 - GREEN_FIRST], blue[GREEN_FIRST]);
        *output = [red[GREEN_FIRST], green, blue[1 - GREEN_FIRST], 0];
    }
}

/// The means of the pixels that each output pixel of a line sees.
#[inline(always)]
pub(super) fn columns(line: &[Quad], seen: &Seen, output: &mut [Quad]) {
    for (output, taps) in output.iter_mut().zip(seen.taps()) {
        let pixels = &line[taps.first - seen.start()..=taps.last - seen.start()];
        let (first, last) = (pixels[0], pixels[pixels.len() - 1]);
        let mut middles = [0; 4];
        for pixel in pixels.iter().take(pixels.len() - 1).skip(1) {
            for channel in 0..4 {
                middles[channel] += u32::from(pixel[channel]);
            }
        }
        for channel in 0..4 {
            let sum = u32::from(first[channel]) * taps.first_weight
                + (middles[channel] >> taps.middle_shift) * taps.middle_weight
                + u32::from(last[channel]) * taps.last_weight;
            output[channel] = ((sum + (1 << 15)) >> 16) as u16;
        }
    }
}

/// The same where each sees a few; `line` goes on beyond what is seen by a window.
#[cfg(any(test, not(target_arch = "aarch64")))]
#[inline(always)]
pub(super) fn windows(line: &[Quad], windows: &[Window], output: &mut [Quad]) {
    for (output, window) in output.iter_mut().zip(windows) {
        let pixels = &line[window.first as usize..][..WINDOW];
        for channel in 0..4 {
            let weighted = |at: usize| u32::from(pixels[at][channel]) * u32::from(window.weights[at]);
            let sum = weighted(0) + weighted(1) + weighted(2) + weighted(3);
            output[channel] = ((sum + (1 << 15)) >> 16) as u16;
        }
    }
}

/// The means of pairs of pixels.
#[inline(always)]
pub(super) fn pairs(line: &[Quad], output: &mut [Quad]) {
    for (output, pair) in output.iter_mut().zip(line.chunks_exact(2)) {
        for channel in 0..4 {
            output[channel] = mean(pair[0][channel], pair[1][channel]);
        }
    }
}

const fn mean(a: u16, b: u16) -> u16 {
    ((a as u32 + b as u32 + 1) >> 1) as u16
}

/// Pixels of `Y0 U Y1 V`; `output` may end in the middle of two.
#[inline(always)]
pub(super) fn yuyv(values: &[u16], output: &mut [Quad]) {
    let (pairs, rest) = output.as_chunks_mut::<2>();
    let (values, _) = values.as_chunks::<4>();
    for (pair, &[first, u, second, v]) in pairs.iter_mut().zip(values) {
        *pair = [[first, u, v, 0], [second, u, v, 0]];
    }
    if let [last] = rest {
        let [first, u, _, v] = values[pairs.len()];
        *last = [first, u, v, 0];
    }
}

/// The means of pairs of pixels of `Y0 U Y1 V`.
#[inline(always)]
pub(super) fn yuyv_pairs(values: &[u16], output: &mut [Quad]) {
    let (values, _) = values.as_chunks::<4>();
    for (output, &[first, u, second, v]) in output.iter_mut().zip(values) {
        *output = [mean(first, second), u, v, 0];
    }
}

/// Pixels of a plane of Y and of U and V at half the width, `STEP` values apart; `output` may end in the middle of two.
#[inline(always)]
pub(super) fn planar<const STEP: usize>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]) {
    let (pairs, rest) = output.as_chunks_mut::<2>();
    let (luma, last) = luma.as_chunks::<2>();
    let chroma = u.chunks(STEP).zip(v.chunks(STEP));
    for ((pair, luma), (u, v)) in pairs.iter_mut().zip(luma).zip(chroma) {
        *pair = [[luma[0], u[0], v[0], 0], [luma[1], u[0], v[0], 0]];
    }
    if let ([output], [luma]) = (rest, last) {
        let at = pairs.len() * STEP;
        *output = [*luma, u[at], v[at], 0];
    }
}

/// The means of pairs of pixels of such planes.
#[inline(always)]
pub(super) fn planar_pairs<const STEP: usize>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]) {
    let (luma, _) = luma.as_chunks::<2>();
    let chroma = u.chunks(STEP).zip(v.chunks(STEP));
    for ((output, luma), (u, v)) in output.iter_mut().zip(luma).zip(chroma) {
        *output = [mean(luma[0], luma[1]), u[0], v[0], 0];
    }
}

/// Pixels of three values each.
#[inline(always)]
pub(super) fn triples(values: &[u16], output: &mut [Quad]) {
    let (values, _) = values.as_chunks::<3>();
    for (output, &[a, b, c]) in output.iter_mut().zip(values) {
        *output = [a, b, c, 0];
    }
}

/// Pixels of one value each.
#[inline(always)]
pub(super) fn singles(values: &[u16], output: &mut [Quad]) {
    for (output, &value) in output.iter_mut().zip(values) {
        *output = [value; 4];
    }
}

/// Red, green and blue as a network takes them.
#[inline(always)]
pub(super) fn plain(pixels: &[Quad], output: &mut [i8]) {
    let (output, _) = output.as_chunks_mut::<3>();
    for (output, &[red, green, blue, _]) in output.iter_mut().zip(pixels) {
        *output = [red, green, blue].map(|value| stored((i32::from(value) + (1 << 7)) >> 8));
    }
}

/// Y, U and V of BT.601's studio range (Y 16 to 235, U and V 16 to 240: ITU-R BT.601-7, 2.5) as a network takes them.
///
/// In 64ths of a step, for which 16 bits are enough, with factors in 32,768ths.
#[inline(always)]
pub(super) fn studio(pixels: &[Quad], output: &mut [i8]) {
    let (output, _) = output.as_chunks_mut::<3>();
    for (output, &[y, u, v, _]) in output.iter_mut().zip(pixels) {
        let [y, u, v] = [y, u, v].map(|value| (i32::from(value) + 2) >> 2);
        let (y, u, v) = (y - (16 << 6), u - (128 << 6), v - (128 << 6));
        let y = y + times(y, Y_TO_ALL);
        let red = y + v + times(v, V_TO_RED);
        let green = y - (times(u, U_TO_GREEN) + times(v, V_TO_GREEN));
        let blue = y + 2 * u + times(u, U_TO_BLUE);
        *output = [red, green, blue].map(|value| stored((value + (1 << 5)) >> 6));
    }
}

/// Red, green and blue of a bare sensor, developed, as a network takes them.
#[inline(always)]
pub(super) fn developed(pixels: &[Quad], development: Development, curve: &[u8; CURVE], output: &mut [i8]) {
    let (output, _) = output.as_chunks_mut::<3>();
    for (output, &[red, green, blue, _]) in output.iter_mut().zip(pixels) {
        *output = development.entries([red, green, blue]).map(|entry| (curve[entry] ^ 0x80) as i8);
    }
}

/// 1.164383 = 255 ÷ 219, less 1.
pub(super) const Y_TO_ALL: i16 = 5387;
/// 1.596027, less 1.
pub(super) const V_TO_RED: i16 = 19531;
/// 0.391762.
pub(super) const U_TO_GREEN: i16 = 12837;
/// 0.812968.
pub(super) const V_TO_GREEN: i16 = 26639;
/// 2.017232, less 2.
pub(super) const U_TO_BLUE: i16 = 565;

/// A product with a factor in 32,768ths, rounded.
#[inline(always)]
const fn times(value: i32, factor: i16) -> i32 {
    (value * factor as i32 + (1 << 14)) >> 15
}

/// 0 to 255, and what is beyond as the nearest of them, less 128.
#[inline(always)]
fn stored(value: i32) -> i8 {
    (value.clamp(0, 255) as u8 ^ 0x80) as i8
}
