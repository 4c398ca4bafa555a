//! NEON: for any AArch64 processor, and with dot products of bytes (`sdot`) where the processor has them.
//!
//! Without them, bytes are multiplied to 16 bits, where two products of an input and a weight of at least −127 always
//! fit, before the sum is widened.

use alloc::vec::Vec;
use core::arch::aarch64::*;
use core::arch::asm;

use super::{Addition, Depthwise, Product, portable};
use crate::quantize::{Factor, Requantize};

/// Channels of a product's tile.
const TILE: usize = 8;

/// [channel / 8][depth / `run`][8 channels][`run`], filled up with zeros.
fn pack(weights: &[i8], depth: usize, run: usize, requantize: &mut Requantize) -> Vec<i8> {
    let channels = requantize.bias.len();
    requantize.pad(TILE);
    let mut packed = Vec::new();
    for block in (0..channels).step_by(TILE) {
        for start in (0..depth).step_by(run) {
            for channel in block..block + TILE {
                packed.extend((start..start + run).map(|at| {
                    if channel < channels && at < depth { weights[channel * depth + at] } else { 0 }
                }));
            }
        }
    }
    packed
}

/// For [`product`].
pub(super) fn pack_product(weights: &[i8], depth: usize, requantize: &mut Requantize) -> Vec<i8> {
    pack(weights, depth, 16, requantize)
}

/// For [`product_dot`].
pub(super) fn pack_product_dot(weights: &[i8], depth: usize, requantize: &mut Requantize) -> Vec<i8> {
    pack(weights, depth, 4, requantize)
}

/// What turns four sums into results.
#[derive(Clone, Copy)]
struct Scale {
    multiplier: int32x4_t,
    shift: int32x4_t,
}

impl Scale {
    /// Of the channels from `channel` on.
    ///
    /// # Safety
    ///
    /// There are four of them.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(requantize: &Requantize, channel: usize) -> Self {
        // SAFETY: the caller vouches for the four values.
        unsafe {
            Self {
                multiplier: vld1q_s32(requantize.multipliers.as_ptr().add(channel)),
                shift: vld1q_s32(requantize.shifts.as_ptr().add(channel)),
            }
        }
    }

    /// sum × multiplier ÷ 2^(31 − shift), rounded twice as the reference does, for shifts below 0.
    #[inline]
    #[target_feature(enable = "neon")]
    fn times(self, sum: int32x4_t) -> int32x4_t {
        let high = vqrdmulhq_s32(sum, self.multiplier);
        // A half is rounded up by the shift, but away from 0 by the reference.
        vrshlq_s32(vsraq_n_s32::<31>(high, high), self.shift)
    }
}

/// Bounds and zero point of stored values.
struct Store {
    zero_point: int16x8_t,
    min: int8x16_t,
    max: int8x16_t,
}

impl Store {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(zero_point: i32, min: i32, max: i32) -> Self {
        Self {
            zero_point: vdupq_n_s16(zero_point as i16),
            min: vdupq_n_s8(min as i8),
            max: vdupq_n_s8(max as i8),
        }
    }

    /// Eight results to stored values.
    #[inline]
    #[target_feature(enable = "neon")]
    fn eight(&self, low: int32x4_t, high: int32x4_t) -> int8x8_t {
        let value = vqmovn_s16(vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), self.zero_point));
        vmin_s8(vmax_s8(value, vget_low_s8(self.min)), vget_low_s8(self.max))
    }

    /// Sixteen results to stored values.
    #[inline]
    #[target_feature(enable = "neon")]
    fn sixteen(&self, results: [int32x4_t; 4]) -> int8x16_t {
        let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(results[0]), results[1]), self.zero_point);
        let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(results[2]), results[3]), self.zero_point);
        vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(low), high), self.min), self.max)
    }
}

/// # Safety
///
/// `output` has room for `there` bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store_eight(output: *mut i8, value: int8x8_t, there: usize) {
    // SAFETY: the caller vouches for the room; the array has eight bytes.
    unsafe {
        if there >= 8 {
            vst1_s8(output, value);
        } else {
            let mut bytes = [0; 8];
            vst1_s8(bytes.as_mut_ptr(), value);
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), output, there);
        }
    }
}

/// Defines a product from the function that adds up a tile of ROWS × 8 channels.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $features:literal, $rows:literal, $run:literal, $sums:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The processor has the instructions; `input` holds `rows` rows `stride` apart and 64 bytes more, `output`
        /// `rows` rows; `product` was packed for this function.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(
            product: &Product,
            input: &[i8],
            stride: usize,
            rows: usize,
            output: &mut [i8],
        ) {
            let requantize = &product.requantize;
            let stored = Store::new(requantize.zero_point, requantize.min, requantize.max);
            let block_bytes = product.depth.next_multiple_of($run) * TILE;
            // The last tile goes over rows again rather than be smaller.
            let last = rows.saturating_sub($rows);
            let mut row = 0;
            while row < rows {
                let first = if rows < $rows { row } else { row.min(last) };
                // SAFETY: the tile's rows are there, and weights and constants for eight channels.
                unsafe {
                    let input = input.as_ptr().add(first * stride);
                    let output = output.as_mut_ptr().add(first * product.channels);
                    let mut weights = product.weights.as_ptr();
                    for channel in (0..product.channels).step_by(TILE) {
                        let bias = requantize.bias.as_ptr().add(channel);
                        let bias = [vld1q_s32(bias), vld1q_s32(bias.add(4))];
                        let scales = [Scale::load(requantize, channel), Scale::load(requantize, channel + 4)];
                        let output = output.add(channel);
                        let there = product.channels - channel;
                        if rows < $rows {
                            let [[low, high]] = $sums::<1>(product.depth, input, stride, weights, bias);
                            store_eight(output, stored.eight(scales[0].times(low), scales[1].times(high)), there);
                        } else {
                            let sums = $sums::<$rows>(product.depth, input, stride, weights, bias);
                            for (at, [low, high]) in sums.into_iter().enumerate() {
                                let value = stored.eight(scales[0].times(low), scales[1].times(high));
                                store_eight(output.add(at * product.channels), value, there);
                            }
                        }
                        weights = weights.add(block_bytes);
                    }
                }
                row = if rows < $rows { row + 1 } else { first + $rows };
            }
        }
    };
}

product! {
    /// Rows × weights for any AArch64 processor.
    product, "neon", 3, 16, sums
}
product! {
    /// Rows × weights with `sdot`.
    product_dot, "neon,dotprod", 8, 4, sums_dot
}

/// # Safety
///
/// The rows are there with 64 bytes more; `weights` holds eight channels.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sums<const ROWS: usize>(
    depth: usize,
    input: *const i8,
    stride: usize,
    mut weights: *const i8,
    bias: [int32x4_t; 2],
) -> [[int32x4_t; 2]; ROWS] {
    let mut sums = [[vdupq_n_s32(0); TILE]; ROWS];
    for start in (0..depth).step_by(16) {
        let mut inputs = [vdupq_n_s8(0); ROWS];
        // SAFETY: the caller vouches for the rows and the weights.
        unsafe {
            for (row, input_row) in inputs.iter_mut().enumerate() {
                *input_row = vld1q_s8(input.add(row * stride + start));
            }
            for channel in 0..TILE {
                let weights = vld1q_s8(weights.add(channel * 16));
                for (sums, &input) in sums.iter_mut().zip(&inputs) {
                    let products = vmull_s8(vget_low_s8(input), vget_low_s8(weights));
                    let products = vmlal_high_s8(products, input, weights);
                    sums[channel] = vpadalq_s16(sums[channel], products);
                }
            }
            weights = weights.add(TILE * 16);
        }
    }
    let mut totals = [[vdupq_n_s32(0); 2]; ROWS];
    for (totals, sums) in totals.iter_mut().zip(sums) {
        for (half, total) in totals.iter_mut().enumerate() {
            let sums = &sums[half * 4..];
            let four = vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
            *total = vaddq_s32(four, bias[half]);
        }
    }
    totals
}

/// Adds to each of four sums the products of four bytes of `weights` with bytes 4 × LANE to 4 × LANE + 3 of `input`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_lane<const LANE: usize>(mut sum: int32x4_t, weights: int8x16_t, input: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction works on these registers only, and the function is only for processors that have it.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {weights:v}.16b, {input:v}.4b[{lane}]",
            sum = inout(vreg) sum,
            weights = in(vreg) weights,
            input = in(vreg) input,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Adds to each of four sums the products of its four bytes of both.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sum: int32x4_t, one: int8x16_t, other: int8x16_t) -> int32x4_t {
    // SAFETY: as in `dot_lane`.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {one:v}.16b, {other:v}.16b",
            sum = inout(vreg) sum,
            one = in(vreg) one,
            other = in(vreg) other,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// # Safety
///
/// As for [`sums`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn sums_dot<const ROWS: usize>(
    depth: usize,
    input: *const i8,
    stride: usize,
    mut weights: *const i8,
    bias: [int32x4_t; 2],
) -> [[int32x4_t; 2]; ROWS] {
    let mut sums = [bias; ROWS];
    /// Four of the depth: bytes 4 × lane to 4 × lane + 3 of the inputs.
    macro_rules! quad {
        ($lane:literal, $inputs:ident) => {
            // SAFETY: the caller vouches for the weights.
            let (low, high) =
                unsafe { (vld1q_s8(weights.add($lane * 32)), vld1q_s8(weights.add($lane * 32 + 16))) };
            for (sums, &input) in sums.iter_mut().zip(&$inputs) {
                sums[0] = dot_lane::<$lane>(sums[0], low, input);
                sums[1] = dot_lane::<$lane>(sums[1], high, input);
            }
        };
    }
    let mut start = 0;
    while start < depth {
        let mut inputs = [vdupq_n_s8(0); ROWS];
        for (row, input_row) in inputs.iter_mut().enumerate() {
            // SAFETY: the caller vouches for the rows and what lies behind.
            *input_row = unsafe { vld1q_s8(input.add(row * stride + start)) };
        }
        quad!(0, inputs);
        if start + 16 <= depth {
            quad!(1, inputs);
            quad!(2, inputs);
            quad!(3, inputs);
        } else {
            if start + 4 < depth {
                quad!(1, inputs);
            }
            if start + 8 < depth {
                quad!(2, inputs);
            }
            if start + 12 < depth {
                quad!(3, inputs);
            }
        }
        start += 16;
        weights = weights.wrapping_add(16 * TILE);
    }
    sums
}

/// Channels that a depthwise kernel takes at once.
const BLOCK: usize = 16;

/// First channels of blocks of sixteen, the last of which goes over channels again rather than be smaller, and the
/// channel of each lane of a block.  Blocks of fewer channels that divide sixteen hold them repeatedly, for several
/// columns at once.
fn depthwise_blocks(
    channels: usize,
    stride: usize,
    requantize: &mut Requantize,
) -> (Vec<usize>, Vec<Option<usize>>) {
    let blocks: Vec<usize> =
        (0..channels).step_by(BLOCK).map(|block| block.min(channels.saturating_sub(BLOCK))).collect();
    let repeat = stride == 1 && BLOCK.is_multiple_of(channels);
    let lanes: Vec<Option<usize>> = blocks
        .iter()
        .flat_map(|&block| {
            (0..BLOCK).map(move |lane| {
                let channel = if repeat { lane % channels } else { block + lane };
                (channel < channels).then_some(channel)
            })
        })
        .collect();
    let by_lane =
        |values: &[i32], rest| lanes.iter().map(|lane| lane.map_or(rest, |lane| values[lane])).collect();
    requantize.bias = by_lane(&requantize.bias, 0);
    requantize.multipliers = by_lane(&requantize.multipliers, 0);
    requantize.shifts = by_lane(&requantize.shifts, -1);
    (blocks, lanes)
}

/// [block][row][column][16 channels].
pub(super) fn pack_depthwise(
    by_channel: &[i8],
    stride: usize,
    requantize: &mut Requantize,
) -> (Vec<i8>, Vec<usize>) {
    let (blocks, lanes) = depthwise_blocks(by_channel.len() / 9, stride, requantize);
    let mut packed = Vec::new();
    for lanes in lanes.chunks_exact(BLOCK) {
        for tap in 0..9 {
            packed.extend(lanes.iter().map(|lane| lane.map_or(0, |lane| by_channel[lane * 9 + tap])));
        }
    }
    (packed, blocks)
}

/// [block][column][16 channels][row, and a zero].
pub(super) fn pack_depthwise_dot(
    by_channel: &[i8],
    stride: usize,
    requantize: &mut Requantize,
) -> (Vec<i8>, Vec<usize>) {
    let (blocks, lanes) = depthwise_blocks(by_channel.len() / 9, stride, requantize);
    let mut packed = Vec::new();
    for lanes in lanes.chunks_exact(BLOCK) {
        for column in 0..3 {
            for lane in lanes {
                let weight = |row: usize| lane.map_or(0, |lane| by_channel[lane * 9 + row * 3 + column]);
                packed.extend([weight(0), weight(1), weight(2), 0]);
            }
        }
    }
    (packed, blocks)
}

/// What a block of a depthwise convolution needs besides its weights.
struct Block {
    bias: [int32x4_t; 4],
    scales: [Scale; 4],
    stored: Store,
}

impl Block {
    /// # Safety
    ///
    /// There are sixteen constants for the block.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(requantize: &Requantize, block: usize) -> Self {
        let at = block * BLOCK;
        // SAFETY: the caller vouches for the sixteen constants.
        unsafe {
            let bias = requantize.bias.as_ptr().add(at);
            Self {
                bias: [
                    vld1q_s32(bias),
                    vld1q_s32(bias.add(4)),
                    vld1q_s32(bias.add(8)),
                    vld1q_s32(bias.add(12)),
                ],
                scales: [0, 4, 8, 12].map(|part| Scale::load(requantize, at + part)),
                stored: Store::new(requantize.zero_point, requantize.min, requantize.max),
            }
        }
    }

    /// Writes the first `there` of sixteen values.
    ///
    /// # Safety
    ///
    /// `output` has room for `there` bytes.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store(&self, sums: [int32x4_t; 4], output: *mut i8, there: usize) {
        let mut results = sums;
        for (result, scale) in results.iter_mut().zip(self.scales) {
            *result = scale.times(*result);
        }
        let value = self.stored.sixteen(results);
        // SAFETY: the caller vouches for the room; the array has sixteen bytes.
        unsafe {
            if there >= BLOCK {
                vst1q_s8(output, value);
            } else {
                let mut bytes = [0; BLOCK];
                vst1q_s8(bytes.as_mut_ptr(), value);
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), output, there);
            }
        }
    }
}

/// # Safety
///
/// The rows hold the columns that `width` outputs need and 64 bytes more, `output` `width` columns; `depthwise` was
/// packed by [`pack_depthwise`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn depthwise_row(depthwise: &Depthwise, rows: [&[i8]; 3], width: usize, output: &mut [i8]) {
    let channels = depthwise.channels;
    let rows = rows.map(<[i8]>::as_ptr);
    let output = output.as_mut_ptr();
    // Outputs that a block covers stand side by side where it repeats its channels.
    let repeat = depthwise.stride == 1 && BLOCK.is_multiple_of(channels) && channels < BLOCK;
    let (steps, step) = if repeat {
        ((width * channels).div_ceil(BLOCK), BLOCK)
    } else {
        (width, depthwise.stride * channels)
    };
    for (number, &first) in depthwise.blocks.iter().enumerate() {
        // SAFETY: each block has 9 vectors of weights and 16 constants; each column and sixteen bytes from it on lie in
        // the rows and the 64 bytes behind them.
        unsafe {
            let block = Block::load(&depthwise.requantize, number);
            let weights = depthwise.weights.as_ptr().add(number * 9 * BLOCK);
            let mut taps = [vdupq_n_s8(0); 9];
            for (tap, weight) in taps.iter_mut().enumerate() {
                *weight = vld1q_s8(weights.add(tap * BLOCK));
            }
            for at in 0..steps {
                let load = |tap: usize| vld1q_s8(rows[tap / 3].add(at * step + first + tap % 3 * channels));
                let mut sums = block.bias;
                for tap in [0, 2, 4, 6] {
                    let (one, other) = (load(tap), load(tap + 1));
                    let low = vmull_s8(vget_low_s8(one), vget_low_s8(taps[tap]));
                    let low = vmlal_s8(low, vget_low_s8(other), vget_low_s8(taps[tap + 1]));
                    let high = vmlal_high_s8(vmull_high_s8(one, taps[tap]), other, taps[tap + 1]);
                    widen(&mut sums, low, high);
                }
                let last = load(8);
                let low = vmull_s8(vget_low_s8(last), vget_low_s8(taps[8]));
                widen(&mut sums, low, vmull_high_s8(last, taps[8]));
                let (to, there) = if repeat {
                    (at * BLOCK, width * channels - at * BLOCK)
                } else {
                    (at * channels + first, channels - first)
                };
                block.store(sums, output.add(to), there);
            }
        }
    }
}

/// Adds sixteen products of 16 bits to as many sums of 32 bits.
#[inline]
#[target_feature(enable = "neon")]
fn widen(sums: &mut [int32x4_t; 4], low: int16x8_t, high: int16x8_t) {
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_high_s16(sums[1], low);
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_high_s16(sums[3], high);
}

/// Sixteen channels of one column, the three rows (and a zero) of a channel side by side.
///
/// # Safety
///
/// The rows hold sixteen bytes from `at` on.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load_column(rows: [*const i8; 3], at: usize) -> [int8x16_t; 4] {
    // SAFETY: the caller vouches for the bytes.
    let (a, b, c) =
        unsafe { (vld1q_s8(rows[0].add(at)), vld1q_s8(rows[1].add(at)), vld1q_s8(rows[2].add(at))) };
    let zero = vdupq_n_s8(0);
    let pairs = |a, b| (vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip2q_s8(a, b)));
    let ((ab, high_ab), (c0, high_c0)) = (pairs(a, b), pairs(c, zero));
    [vzip1q_s16(ab, c0), vzip2q_s16(ab, c0), vzip1q_s16(high_ab, high_c0), vzip2q_s16(high_ab, high_c0)]
        .map(|part| vreinterpretq_s8_s16(part))
}

/// # Safety
///
/// The processor has `sdot`; the rows hold the columns that `width` outputs need and 64 bytes more, `output` `width`
/// columns; `depthwise` was packed by [`pack_depthwise_dot`].
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn depthwise_row_dot(
    depthwise: &Depthwise,
    rows: [&[i8]; 3],
    width: usize,
    output: &mut [i8],
) {
    let channels = depthwise.channels;
    let rows = rows.map(<[i8]>::as_ptr);
    let output = output.as_mut_ptr();
    let repeat = depthwise.stride == 1 && BLOCK.is_multiple_of(channels) && channels < BLOCK;
    for (number, &first) in depthwise.blocks.iter().enumerate() {
        // SAFETY: each block has 12 vectors of weights and 16 constants; each column and sixteen bytes from it on lie in
        // the rows and the 64 bytes behind them.
        unsafe {
            let block = Block::load(&depthwise.requantize, number);
            let packed = depthwise.weights.as_ptr().add(number * 12 * BLOCK);
            let mut weights = [[vdupq_n_s8(0); 4]; 3];
            for (at, weight) in weights.as_flattened_mut().iter_mut().enumerate() {
                *weight = vld1q_s8(packed.add(at * BLOCK));
            }
            macro_rules! output {
                ($one:expr, $two:expr, $three:expr, $to:expr, $there:expr) => {
                    let mut sums = block.bias;
                    for (part, sum) in sums.iter_mut().enumerate() {
                        *sum = dot(*sum, $one[part], weights[0][part]);
                        *sum = dot(*sum, $two[part], weights[1][part]);
                        *sum = dot(*sum, $three[part], weights[2][part]);
                    }
                    block.store(sums, output.add($to), $there);
                };
            }
            if repeat {
                for start in (0..width * channels).step_by(BLOCK) {
                    let one = load_column(rows, start);
                    let two = load_column(rows, start + channels);
                    let three = load_column(rows, start + 2 * channels);
                    output!(one, two, three, start, width * channels - start);
                }
            } else if depthwise.stride == 1 {
                let there = channels - first;
                let mut one = load_column(rows, first);
                let mut two = load_column(rows, first + channels);
                // Three outputs a turn, so that no column moves to another register.
                let mut at = 0;
                while at + 3 <= width {
                    let start = first + at * channels;
                    let three = load_column(rows, start + 2 * channels);
                    output!(one, two, three, start, there);
                    one = load_column(rows, start + 3 * channels);
                    output!(two, three, one, start + channels, there);
                    two = load_column(rows, start + 4 * channels);
                    output!(three, one, two, start + 2 * channels, there);
                    at += 3;
                }
                while at < width {
                    let start = first + at * channels;
                    let three = load_column(rows, start + 2 * channels);
                    output!(one, two, three, start, there);
                    (one, two) = (two, three);
                    at += 1;
                }
            } else {
                for at in 0..width {
                    let start = first + at * depthwise.stride * channels;
                    let one = load_column(rows, start);
                    let two = load_column(rows, start + channels);
                    let three = load_column(rows, start + 2 * channels);
                    output!(one, two, three, at * channels + first, channels - first);
                }
            }
        }
    }
}

/// # Safety
///
/// The three slices have the same length.
#[target_feature(enable = "neon")]
pub(super) unsafe fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    let scale = |factor: Factor| Scale {
        multiplier: vdupq_n_s32(factor.multiplier),
        shift: vdupq_n_s32(factor.shift),
    };
    let scales = [scale(addition.factors[0]), scale(addition.factors[1])];
    let result = scale(addition.output);
    let stored = Store::new(addition.zero_point, addition.min, addition.max);
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let (outputs, output_rest) = output.as_chunks_mut::<8>();
    for ((output, one), other) in outputs.iter_mut().zip(ones).zip(others) {
        let mut results = [vdupq_n_s32(0); 2];
        for (input, eight) in [one, other].into_iter().enumerate() {
            // SAFETY: the array has eight bytes.
            let eight = unsafe { vld1_s8(eight.as_ptr()) };
            let zero_point = vdup_n_s8(addition.zero_points[input] as i8);
            let difference = vsubl_s8(eight, zero_point);
            let halves = [vget_low_s16(difference), vget_high_s16(difference)];
            for (result, half) in results.iter_mut().zip(halves) {
                let shifted = vshlq_n_s32::<{ Addition::LEFT as i32 }>(vmovl_s16(half));
                *result = vaddq_s32(*result, round(scales[input], shifted));
            }
        }
        let value = stored.eight(round(result, results[0]), round(result, results[1]));
        // SAFETY: the array has eight bytes.
        unsafe { vst1_s8(output.as_mut_ptr(), value) };
    }
    portable::add(addition, one_rest, other_rest, output_rest);
}

/// As [`Scale::times`], also for shifts of 0.
#[inline]
#[target_feature(enable = "neon")]
fn round(scale: Scale, value: int32x4_t) -> int32x4_t {
    let high = vqrdmulhq_s32(value, scale.multiplier);
    // The sign of the shift is 0 where it is.
    let away = vandq_s32(high, scale.shift);
    vrshlq_s32(vsraq_n_s32::<31>(high, away), scale.shift)
}
