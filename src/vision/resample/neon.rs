//! The inner loops in NEON, which every AArch64 processor has.  Those that are not here the compiler vectorises itself.

use std::arch::aarch64::*;

use super::portable::{self, MOST_ROWS, Quad, U_TO_BLUE, U_TO_GREEN, V_TO_GREEN, V_TO_RED, Y_TO_ALL};
use super::taps::{ONE, Taps, WINDOW, Window};
use crate::frame::Development;
use crate::frame::bayer::{CURVE, ENTRY_SHIFT, FULL, LIGHT_SHIFT};

/// Bytes of a row, or values of a line, that are taken at once.
const BLOCK: usize = 16;

/// As [`portable::rows`].
#[target_feature(enable = "neon")]
pub(super) fn rows(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    let count = taps.last - taps.first;
    if output.len() < BLOCK || count > MOST_ROWS {
        return portable::rows(data, stride, taps, output);
    }
    assert!(count * stride + output.len() <= data.len(), "rows end with their data");
    let data = data.as_ptr();
    // SAFETY (of all loads in `blocks`): `at` + BLOCK is at most the length of the output, which is read in none but the
    // rows 0 to `count`, whose end was checked.
    let load = |row: usize, at: usize| unsafe { vld1q_u8(data.add(row * stride + at)) };
    if count == 0 {
        blocks(output, |at| {
            let values = load(0, at);
            [vshll_n_u8::<8>(vget_low_u8(values)), vshll_high_n_u8::<8>(values)]
        });
    } else if taps.is_pair() {
        blocks(output, |at| {
            let (first, last) = (load(0, at), load(1, at));
            let sums = [vaddl_u8(vget_low_u8(first), vget_low_u8(last)), vaddl_high_u8(first, last)];
            sums.map(|sum| vshlq_n_u16::<7>(sum))
        });
    } else {
        let [first_weight, middle_weight, last_weight] =
            [taps.first_weight, taps.middle_weight, taps.last_weight]
                .map(|weight| vdupq_n_u16(weight as u16));
        let shift = vdupq_n_s32(-(taps.middle_shift as i32));
        blocks(output, |at| {
            let [low, high] = wide(load(0, at));
            let mut sums = [
                vmull_u16(vget_low_u16(low), vget_low_u16(first_weight)),
                vmull_high_u16(low, first_weight),
                vmull_u16(vget_low_u16(high), vget_low_u16(first_weight)),
                vmull_high_u16(high, first_weight),
            ];
            if count > 1 {
                let [mut low, mut high] = [vdupq_n_u16(0); 2];
                for row in 1..count {
                    let values = load(row, at);
                    low = vaddw_u8(low, vget_low_u8(values));
                    high = vaddw_high_u8(high, values);
                }
                let middle = [
                    vmull_u16(vget_low_u16(low), vget_low_u16(middle_weight)),
                    vmull_high_u16(low, middle_weight),
                    vmull_u16(vget_low_u16(high), vget_low_u16(middle_weight)),
                    vmull_high_u16(high, middle_weight),
                ];
                for (sum, middle) in sums.iter_mut().zip(middle) {
                    *sum = vaddq_u32(*sum, vshlq_u32(middle, shift));
                }
            }
            let [low, high] = wide(load(count, at));
            let sums = [
                vmlal_u16(sums[0], vget_low_u16(low), vget_low_u16(last_weight)),
                vmlal_high_u16(sums[1], low, last_weight),
                vmlal_u16(sums[2], vget_low_u16(high), vget_low_u16(last_weight)),
                vmlal_high_u16(sums[3], high, last_weight),
            ];
            [
                vrshrn_high_n_u32::<8>(vrshrn_n_u32::<8>(sums[0]), sums[1]),
                vrshrn_high_n_u32::<8>(vrshrn_n_u32::<8>(sums[2]), sums[3]),
            ]
        });
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn wide(values: uint8x16_t) -> [uint16x8_t; 2] {
    [vmovl_u8(vget_low_u8(values)), vmovl_high_u8(values)]
}

/// Fills `output`, of at least `BLOCK` values, in blocks that `block` makes of where they begin; the last two may overlap.
#[inline]
#[target_feature(enable = "neon")]
fn blocks(output: &mut [u16], block: impl Fn(usize) -> [uint16x8_t; 2]) {
    let last = output.len() - BLOCK;
    let output = output.as_mut_ptr();
    let mut at = 0;
    loop {
        let [low, high] = block(at);
        // SAFETY: `at` is at most the output's length less BLOCK.
        unsafe {
            vst1q_u16(output.add(at), low);
            vst1q_u16(output.add(at + 8), high);
        }
        if at == last {
            return;
        }
        at = (at + BLOCK).min(last);
    }
}

/// As [`portable::packed`].
#[target_feature(enable = "neon")]
pub(super) fn packed<const BITS: usize>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    const { assert!(BITS == 10 || BITS == 12) };
    // Of a block: bytes, then for each value that of its high bits, that of its low bits (and those of its neighbours),
    // and how far these are from the top.
    const TEN: ([u8; BLOCK], [u8; BLOCK], [i8; BLOCK]) = (
        [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 18],
        [4, 4, 4, 4, 9, 9, 9, 9, 14, 14, 14, 14, 19, 19, 19, 19],
        [6, 4, 2, 0, 6, 4, 2, 0, 6, 4, 2, 0, 6, 4, 2, 0],
    );
    const TWELVE: ([u8; BLOCK], [u8; BLOCK], [i8; BLOCK]) = (
        [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22],
        [2, 2, 5, 5, 8, 8, 11, 11, 14, 14, 17, 17, 20, 20, 23, 23],
        [4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0],
    );
    let bytes = const { BLOCK * BITS / 8 };
    let (tables, mask) = if BITS == 10 { (TEN, 0xc0) } else { (TWELVE, 0xf0) };
    let (count, groups) = (taps.last - taps.first, output.len() / BLOCK);
    let (blocks, rest) = output.split_at_mut(groups * BLOCK);
    assert!(groups == 0 || count * stride + groups * bytes <= data.len(), "rows end with their data");
    let start = data.as_ptr();
    // SAFETY: the tables are as long as what is loaded.
    let (high, low, up) =
        unsafe { (vld1q_u8(tables.0.as_ptr()), vld1q_u8(tables.1.as_ptr()), vld1q_s8(tables.2.as_ptr())) };
    let mask = vdupq_n_u8(mask);
    // A block's last bytes are loaded together with some before them.
    let late = vdupq_n_u8((2 * BLOCK - bytes) as u8);
    let beyond = vdupq_n_u8(BLOCK as u8);
    let late = |index| vaddq_u8(index, vandq_u8(vcgeq_u8(index, beyond), late));
    let (high, low) = (late(high), late(low));
    mean_of_photosites(taps, blocks, |row, block| {
        // SAFETY: the block's bytes, `bytes` of them and at least BLOCK, lie in the row, whose end was checked.
        let pair = unsafe {
            let from = start.add(row * stride + block * bytes);
            uint8x16x2_t(vld1q_u8(from), vld1q_u8(from.add(bytes - BLOCK)))
        };
        let high = vqtbl2q_u8(pair, high);
        let low = vandq_u8(vshlq_u8(vqtbl2q_u8(pair, low), up), mask);
        [vreinterpretq_u16_u8(vzip1q_u8(low, high)), vreinterpretq_u16_u8(vzip2q_u8(low, high))]
    });
    if !rest.is_empty() {
        portable::packed::<BITS>(&data[groups * bytes..], stride, taps, rest);
    }
}

/// As [`portable::words`].
#[target_feature(enable = "neon")]
pub(super) fn words<const BITS: usize>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]) {
    const { assert!(BITS == 10 || BITS == 12 || BITS == 16) };
    let (count, groups) = (taps.last - taps.first, output.len() / BLOCK);
    let (blocks, rest) = output.split_at_mut(groups * BLOCK);
    assert!(groups == 0 || count * stride + groups * 2 * BLOCK <= data.len(), "rows end with their data");
    let start = data.as_ptr();
    let up = vdupq_n_s16(16 - BITS as i16);
    let mask = vdupq_n_u16(!3);
    mean_of_photosites(taps, blocks, |row, block| {
        // SAFETY: the block's words lie in the row, whose end was checked; bytes have no alignment.
        let words = unsafe {
            let from = start.add(row * stride + block * 2 * BLOCK);
            [vld1q_u8(from), vld1q_u8(from.add(BLOCK))]
        };
        words.map(|word| {
            let word = vreinterpretq_u16_u8(word);
            if BITS == 16 { vandq_u16(word, mask) } else { vshlq_u16(word, up) }
        })
    });
    if !rest.is_empty() {
        portable::words::<BITS>(&data[groups * 2 * BLOCK..], stride, taps, rest);
    }
}

/// Fills `output`, a whole number of blocks, with the mean of the rows of which `load` gives a block.
#[inline]
#[target_feature(enable = "neon")]
fn mean_of_photosites(taps: &Taps, output: &mut [u16], load: impl Fn(usize, usize) -> [uint16x8_t; 2]) {
    let count = taps.last - taps.first;
    let (blocks, _) = output.as_chunks_mut::<BLOCK>();
    let [first_weight, last_weight] =
        [taps.first_weight, taps.last_weight].map(|weight| vdup_n_u16(weight as u16));
    let middle_weight = vdupq_n_u32(taps.middle_weight);
    let shift = vdupq_n_s32(-(taps.middle_shift as i32));
    for (number, block) in blocks.iter_mut().enumerate() {
        let first = load(0, number);
        let means = if count == 0 {
            first
        } else if taps.is_pair() {
            let last = load(1, number);
            [vrhaddq_u16(first[0], last[0]), vrhaddq_u16(first[1], last[1])]
        } else {
            let mut middles = [vdupq_n_u32(0); 4];
            for row in 1..count {
                let [low, high] = load(row, number);
                middles[0] = vaddw_u16(middles[0], vget_low_u16(low));
                middles[1] = vaddw_high_u16(middles[1], low);
                middles[2] = vaddw_u16(middles[2], vget_low_u16(high));
                middles[3] = vaddw_high_u16(middles[3], high);
            }
            let last = load(count, number);
            let halves = |[low, high]: [uint16x8_t; 2]| {
                [vget_low_u16(low), vget_high_u16(low), vget_low_u16(high), vget_high_u16(high)]
            };
            let (first, last) = (halves(first), halves(last));
            let sum = |part: usize| {
                let middle = vmulq_u32(vshlq_u32(middles[part], shift), middle_weight);
                let sum = vmlal_u16(middle, first[part], first_weight);
                vrshrn_n_u32::<16>(vmlal_u16(sum, last[part], last_weight))
            };
            [vcombine_u16(sum(0), sum(1)), vcombine_u16(sum(2), sum(3))]
        };
        // SAFETY: a block is two times eight values.
        unsafe {
            vst1q_u16(block.as_mut_ptr(), means[0]);
            vst1q_u16(block.as_mut_ptr().add(8), means[1]);
        }
    }
}

/// As [`portable::cells`].
#[target_feature(enable = "neon")]
pub(super) fn cells<const GREEN_FIRST: usize>(red: &[u16], blue: &[u16], output: &mut [Quad]) {
    let (blocks, output) = output.as_chunks_mut::<8>();
    let (reds, _) = red.as_chunks::<16>();
    let (blues, _) = blue.as_chunks::<16>();
    assert!(reds.len().min(blues.len()) >= blocks.len(), "every pixel has its values");
    for ((block, red), blue) in blocks.iter_mut().zip(reds).zip(blues) {
        // SAFETY: red and blue are 16 values, a block 8 quads of 4.
        unsafe {
            let (uint16x8x2_t(a, b), uint16x8x2_t(c, d)) =
                (vld2q_u16(red.as_ptr()), vld2q_u16(blue.as_ptr()));
            let pixels = if GREEN_FIRST == 1 { (b, a, d, c) } else { (a, b, c, d) };
            let (red, first, second, blue) = pixels;
            let green = vrhaddq_u16(first, second);
            vst4q_u16(block.as_mut_ptr().cast(), uint16x8x4_t(red, green, blue, vdupq_n_u16(0)));
        }
    }
    let done = blocks.len() * 16;
    portable::cells::<GREEN_FIRST>(&red[done..], &blue[done..], output);
}

/// As [`portable::developed`].
#[target_feature(enable = "neon")]
pub(super) fn developed(pixels: &[Quad], development: Development, curve: &[u8; CURVE], output: &mut [i8]) {
    let Development { black, gains: [red, green, blue], matrix } = development;
    let (blocks, rest) = pixels.as_chunks::<2>();
    let (outputs, _) = output.as_chunks_mut::<6>();
    assert!(outputs.len() >= blocks.len(), "every pixel has its place");
    let black = vdupq_n_u16(black);
    let gains: Quad = [red, green, blue, 0];
    // SAFETY: four gains.
    let gains = unsafe { vld1_u16(gains.as_ptr()) };
    // How much of a colour of the sensor is in each of sRGB's.
    let rows = matrix.rows();
    let [red, green, blue] = [0, 1, 2].map(|colour| {
        let column = [rows[0][colour], rows[1][colour], rows[2][colour], 0];
        // SAFETY: four factors.
        unsafe { vld1_s16(column.as_ptr()) }
    });
    let mixed = |light: int16x4_t| {
        let sum = vmull_lane_s16::<0>(red, light);
        let sum = vmlal_lane_s16::<1>(sum, green, light);
        vqshrun_n_s32::<ENTRY_SHIFT>(vmlal_lane_s16::<2>(sum, blue, light))
    };
    let (full, most) = (vdupq_n_u16(FULL), vdupq_n_u16(CURVE as u16 - 1));
    for (block, output) in blocks.iter().zip(outputs) {
        // SAFETY: a block is 2 quads of 4 values.
        let pixels = unsafe { vld1q_u16(block.as_ptr().cast()) };
        let light = vqsubq_u16(pixels, black);
        let [first, second] = [vmull_u16(vget_low_u16(light), gains), vmull_u16(vget_high_u16(light), gains)];
        let light = vcombine_u16(vqshrn_n_u32::<LIGHT_SHIFT>(first), vqshrn_n_u32::<LIGHT_SHIFT>(second));
        let light = vreinterpretq_s16_u16(vminq_u16(light, full));
        let entries = vcombine_u16(mixed(vget_low_s16(light)), mixed(vget_high_s16(light)));
        let entries = vminq_u16(entries, most);
        let first = vgetq_lane_u64::<0>(vreinterpretq_u64_u16(entries));
        let second = vgetq_lane_u64::<1>(vreinterpretq_u64_u16(entries));
        let entry = |lanes: u64, at: u32| curve[(lanes >> (16 * at)) as usize % CURVE];
        *output = [(first, 0), (first, 1), (first, 2), (second, 0), (second, 1), (second, 2)]
            .map(|(lanes, at)| (entry(lanes, at) ^ 0x80) as i8);
    }
    portable::developed(rest, development, curve, &mut output[blocks.len() * 6..]);
}

/// As [`portable::windows`].
#[target_feature(enable = "neon")]
pub(super) fn windows(line: &[Quad], windows: &[Window], output: &mut [Quad]) {
    let furthest = windows.iter().map(|window| window.first).max().unwrap_or(0);
    assert!(furthest as usize + WINDOW <= line.len(), "the line goes on by a window");
    let line = line.as_ptr();
    for (output, window) in output.iter_mut().zip(windows) {
        // SAFETY: a quad is four values, as are a window's weights; that the line holds the window was checked.
        unsafe {
            let pixel = |at: usize| vld1_u16(line.add(window.first as usize + at).cast());
            let weights = vld1_u16(window.weights.as_ptr());
            let mut sum = vmull_lane_u16::<0>(pixel(0), weights);
            sum = vmlal_lane_u16::<1>(sum, pixel(1), weights);
            sum = vmlal_lane_u16::<2>(sum, pixel(2), weights);
            sum = vmlal_lane_u16::<3>(sum, pixel(3), weights);
            vst1_u16(output.as_mut_ptr(), vrshrn_n_u32::<16>(sum));
        }
    }
}

/// As [`portable::pairs`].
#[target_feature(enable = "neon")]
pub(super) fn pairs(line: &[Quad], output: &mut [Quad]) {
    let (blocks, rest) = output.as_chunks_mut::<2>();
    let (sources, _) = line.as_chunks::<4>();
    assert!(sources.len() >= blocks.len(), "every pixel has its two");
    for (block, source) in blocks.iter_mut().zip(sources) {
        // SAFETY: a source is 4 quads of 4 values, a block 2.
        unsafe {
            let source = source.as_ptr().cast::<u64>();
            let (left, right) = (vld1q_u64(source), vld1q_u64(source.add(2)));
            let (first, second) = (vzip1q_u64(left, right), vzip2q_u64(left, right));
            let means = vrhaddq_u16(vreinterpretq_u16_u64(first), vreinterpretq_u16_u64(second));
            vst1q_u16(block.as_mut_ptr().cast(), means);
        }
    }
    portable::pairs(&line[blocks.len() * 4..], rest);
}

/// As [`portable::yuyv`].
#[target_feature(enable = "neon")]
pub(super) fn yuyv(values: &[u16], output: &mut [Quad]) {
    let (blocks, output) = output.as_chunks_mut::<16>();
    let (sources, _) = values.as_chunks::<32>();
    assert!(sources.len() >= blocks.len(), "every pixel has its values");
    for (block, source) in blocks.iter_mut().zip(sources) {
        // SAFETY: a source is 32 values, a block 16 quads of 4.
        unsafe {
            let uint16x8x4_t(first, u, second, v) = vld4q_u16(source.as_ptr());
            let zero = vdupq_n_u16(0);
            let low = uint16x8x4_t(vzip1q_u16(first, second), vzip1q_u16(u, u), vzip1q_u16(v, v), zero);
            let high = uint16x8x4_t(vzip2q_u16(first, second), vzip2q_u16(u, u), vzip2q_u16(v, v), zero);
            vst4q_u16(block.as_mut_ptr().cast(), low);
            vst4q_u16(block.as_mut_ptr().add(8).cast(), high);
        }
    }
    portable::yuyv(&values[blocks.len() * 32..], output);
}

/// As [`portable::yuyv_pairs`].
#[target_feature(enable = "neon")]
pub(super) fn yuyv_pairs(values: &[u16], output: &mut [Quad]) {
    let (blocks, output) = output.as_chunks_mut::<8>();
    let (sources, _) = values.as_chunks::<32>();
    assert!(sources.len() >= blocks.len(), "every pixel has its values");
    for (block, source) in blocks.iter_mut().zip(sources) {
        // SAFETY: a source is 32 values, a block 8 quads of 4.
        unsafe {
            let uint16x8x4_t(first, u, second, v) = vld4q_u16(source.as_ptr());
            let means = uint16x8x4_t(vrhaddq_u16(first, second), u, v, vdupq_n_u16(0));
            vst4q_u16(block.as_mut_ptr().cast(), means);
        }
    }
    portable::yuyv_pairs(&values[blocks.len() * 32..], output);
}

/// As [`portable::planar`].
#[target_feature(enable = "neon")]
pub(super) fn planar<const STEP: usize>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]) {
    const { assert!(STEP == 1 || STEP == 2) };
    let (blocks, output) = output.as_chunks_mut::<16>();
    let (sources, luma) = luma.as_chunks::<16>();
    // The values of V, of which there may be one less, lie behind those of U where the two take turns.
    let chroma = u.chunks_exact(8 * STEP).zip(v.chunks(8 * STEP)).zip(sources);
    let mut done = 0;
    for (block, ((u, v), luma)) in blocks.iter_mut().zip(chroma) {
        // SAFETY: there are 16 values of luma, 8 or 16 of U, 8 of V in its own plane; a block is 16 quads of 4.
        unsafe {
            let (first, second) = (vld1q_u16(luma.as_ptr()), vld1q_u16(luma.as_ptr().add(8)));
            let (u, v) = if STEP == 2 {
                let uint16x8x2_t(u, v) = vld2q_u16(u.as_ptr());
                (u, v)
            } else {
                assert!(v.len() == 8, "as many values of V as of U");
                (vld1q_u16(u.as_ptr()), vld1q_u16(v.as_ptr()))
            };
            let zero = vdupq_n_u16(0);
            let low = uint16x8x4_t(first, vzip1q_u16(u, u), vzip1q_u16(v, v), zero);
            let high = uint16x8x4_t(second, vzip2q_u16(u, u), vzip2q_u16(v, v), zero);
            vst4q_u16(block.as_mut_ptr().cast(), low);
            vst4q_u16(block.as_mut_ptr().add(8).cast(), high);
        }
        done += 1;
    }
    assert_eq!(done, blocks.len(), "every pixel has its values");
    let at = done * 8 * STEP;
    portable::planar::<STEP>(luma, &u[at..], &v[at.min(v.len())..], output);
}

/// As [`portable::triples`].
#[target_feature(enable = "neon")]
pub(super) fn triples(values: &[u16], output: &mut [Quad]) {
    let (blocks, output) = output.as_chunks_mut::<8>();
    let (sources, _) = values.as_chunks::<24>();
    assert!(sources.len() >= blocks.len(), "every pixel has its values");
    for (block, source) in blocks.iter_mut().zip(sources) {
        // SAFETY: a source is 24 values, a block 8 quads of 4.
        unsafe {
            let uint16x8x3_t(red, green, blue) = vld3q_u16(source.as_ptr());
            vst4q_u16(block.as_mut_ptr().cast(), uint16x8x4_t(red, green, blue, vdupq_n_u16(0)));
        }
    }
    portable::triples(&values[blocks.len() * 24..], output);
}

/// As [`portable::singles`].
#[target_feature(enable = "neon")]
pub(super) fn singles(values: &[u16], output: &mut [Quad]) {
    let (blocks, output) = output.as_chunks_mut::<8>();
    let (sources, _) = values.as_chunks::<8>();
    assert!(sources.len() >= blocks.len(), "every pixel has its value");
    for (block, source) in blocks.iter_mut().zip(sources) {
        // SAFETY: a source is 8 values, a block 8 quads of 4.
        unsafe {
            let values = vld1q_u16(source.as_ptr());
            vst4q_u16(block.as_mut_ptr().cast(), uint16x8x4_t(values, values, values, values));
        }
    }
    portable::singles(&values[blocks.len() * 8..], output);
}

/// As [`portable::plain`].
#[target_feature(enable = "neon")]
pub(super) fn plain(pixels: &[Quad], output: &mut [i8]) {
    by_eight(pixels, output, portable::plain, |[red, green, blue]| {
        let [red, green, blue] = [red, green, blue].map(|value| vqrshrn_n_u16::<8>(value));
        uint8x8x3_t(red, green, blue)
    });
}

/// As [`portable::studio`].
#[target_feature(enable = "neon")]
pub(super) fn studio(pixels: &[Quad], output: &mut [i8]) {
    by_eight(pixels, output, portable::studio, |[y, u, v]| {
        let less =
            |value, zero| vsubq_s16(vreinterpretq_s16_u16(vrshrq_n_u16::<2>(value)), vdupq_n_s16(zero));
        let (y, u, v) = (less(y, 16 << 6), less(u, 128 << 6), less(v, 128 << 6));
        let times = |value, factor| vqrdmulhq_n_s16(value, factor);
        let y = vaddq_s16(y, times(y, Y_TO_ALL));
        // Where 16 bits are not enough, the result is beyond 255.
        let red = vqaddq_s16(y, vaddq_s16(v, times(v, V_TO_RED)));
        let green = vsubq_s16(y, vaddq_s16(times(u, U_TO_GREEN), times(v, V_TO_GREEN)));
        let blue = vqaddq_s16(y, vaddq_s16(vshlq_n_s16::<1>(u), times(u, U_TO_BLUE)));
        let [red, green, blue] = [red, green, blue].map(|value| vqrshrun_n_s16::<6>(value));
        uint8x8x3_t(red, green, blue)
    });
}

/// Converts eight pixels at a time, and those left over by `rest`.
#[inline]
#[target_feature(enable = "neon")]
fn by_eight(
    pixels: &[Quad],
    output: &mut [i8],
    rest: fn(&[Quad], &mut [i8]),
    convert: impl Fn([uint16x8_t; 3]) -> uint8x8x3_t,
) {
    let (blocks, pixels) = pixels.as_chunks::<8>();
    let (outputs, _) = output.as_chunks_mut::<24>();
    assert!(outputs.len() >= blocks.len(), "every pixel has its place");
    for (block, output) in blocks.iter().zip(outputs) {
        // SAFETY: a block is 8 quads of 4 values, an output 8 pixels of 3.
        unsafe {
            let pair = |at: usize| vld1q_u16(block.as_ptr().add(2 * at).cast());
            let (low, high) = ([pair(0), pair(1)], [pair(2), pair(3)]);
            // Channels 0 and 2 by turns, then 1 and 3.
            let (low, odd_low) = (vuzp1q_u16(low[0], low[1]), vuzp2q_u16(low[0], low[1]));
            let (high, odd_high) = (vuzp1q_u16(high[0], high[1]), vuzp2q_u16(high[0], high[1]));
            let channels = [vuzp1q_u16(low, high), vuzp1q_u16(odd_low, odd_high), vuzp2q_u16(low, high)];
            let uint8x8x3_t(red, green, blue) = convert(channels);
            let [red, green, blue] = [red, green, blue].map(|value| veor_u8(value, vdup_n_u8(0x80)));
            vst3_u8(output.as_mut_ptr().cast(), uint8x8x3_t(red, green, blue));
        }
    }
    rest(pixels, &mut output[blocks.len() * 24..]);
}

const _: () = assert!(ONE - 1 <= u16::MAX as u32, "weights fit 16 bits");
