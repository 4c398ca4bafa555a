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
    min: int8x8_t,
    max: int8x8_t,
}

impl Store {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(zero_point: i32, min: i32, max: i32) -> Self {
        Self {
            zero_point: vdupq_n_s16(zero_point as i16),
            min: vdup_n_s8(min as i8),
            max: vdup_n_s8(max as i8),
        }
    }

    /// Eight results to stored values.
    #[inline]
    #[target_feature(enable = "neon")]
    fn eight(&self, low: int32x4_t, high: int32x4_t) -> int8x8_t {
        let value = vqmovn_s16(vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), self.zero_point));
        vmin_s8(vmax_s8(value, self.min), self.max)
    }
}

/// # Safety
///
/// `output` has room for `there` bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store_eight(output: *mut i8, value: int8x8_t, there: usize) {
    // SAFETY: the caller vouches for the room; the parts have 4, 2 and 1 bytes.
    unsafe {
        if there >= 8 {
            return vst1_s8(output, value);
        }
        let (mut output, mut value) = (output, value);
        if there & 4 != 0 {
            output.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(value)));
            (output, value) = (output.add(4), vext_s8::<4>(value, value));
        }
        if there & 2 != 0 {
            output.cast::<i16>().write_unaligned(vget_lane_s16::<0>(vreinterpret_s16_s8(value)));
            (output, value) = (output.add(2), vext_s8::<2>(value, value));
        }
        if there & 1 != 0 {
            output.write(vget_lane_s8::<0>(value));
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
    weights: *const i8,
    bias: [int32x4_t; 2],
) -> [[int32x4_t; 2]; ROWS] {
    // SAFETY: passed on from the caller.
    let mut sums = unsafe {
        if ROWS == 3 { three_rows(depth, input, stride, weights) } else { one_row(depth, input, weights) }
    };
    for sums in &mut sums {
        *sums = [vaddq_s32(sums[0], bias[0]), vaddq_s32(sums[1], bias[1])];
    }
    let mut wanted = [[vdupq_n_s32(0); 2]; ROWS];
    wanted.copy_from_slice(&sums[..ROWS]);
    wanted
}

/// The sums of one row, in the first place.
///
/// # Safety
///
/// As for [`sums`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one_row(depth: usize, input: *const i8, mut weights: *const i8) -> [[int32x4_t; 2]; 3] {
    let mut sums = [vdupq_n_s32(0); TILE];
    for start in (0..depth).step_by(16) {
        // SAFETY: the caller vouches for the row, what lies behind it, and the weights.
        unsafe {
            let input = vld1q_s8(input.add(start));
            for (channel, sum) in sums.iter_mut().enumerate() {
                let weights = vld1q_s8(weights.add(channel * 16));
                let products = vmull_s8(vget_low_s8(input), vget_low_s8(weights));
                *sum = vpadalq_s16(*sum, vmlal_high_s8(products, input, weights));
            }
        }
        weights = weights.wrapping_add(TILE * 16);
    }
    let four = |sums: &[int32x4_t]| vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
    let row = [four(&sums), four(&sums[4..])];
    [row, row, row]
}

/// The sums of three rows.
///
/// In assembly, because the compiler would do all multiplications first and run out of registers: 24 sums, three inputs,
/// two weights and three products take all 32.
///
/// # Safety
///
/// As for [`sums`], and `depth` is not 0.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn three_rows(
    depth: usize,
    input: *const i8,
    stride: usize,
    weights: *const i8,
) -> [[int32x4_t; 2]; 3] {
    // Sixteen products of each row, in v0 to v2, with a channel's weights: pairs to 16 bits, and those to the sums.
    macro_rules! channel {
        ($weights:literal, $widen:literal, $a:literal, $b:literal, $c:literal) => {
            concat!(
                "smull v5.8h, v0.8b, v",
                $weights,
                ".8b\n",
                "smull v6.8h, v1.8b, v",
                $weights,
                ".8b\n",
                "smull v7.8h, v2.8b, v",
                $weights,
                ".8b\n",
                "smlal2 v5.8h, v0.16b, v",
                $weights,
                ".16b\n",
                "smlal2 v6.8h, v1.16b, v",
                $weights,
                ".16b\n",
                "smlal2 v7.8h, v2.16b, v",
                $weights,
                ".16b\n",
                $widen,
                " v",
                $a,
                ".4s, v5.8h\n",
                $widen,
                " v",
                $b,
                ".4s, v6.8h\n",
                $widen,
                " v",
                $c,
                ".4s, v7.8h\n",
            )
        };
    }
    // Sixteen of the depth; `saddlp` sets the sums, `sadalp` adds to them.
    macro_rules! sixteen {
        ($widen:literal) => {
            concat!(
                "ldr q0, [{a}], #16\n",
                "ldr q1, [{b}], #16\n",
                "ldr q2, [{c}], #16\n",
                "ldp q3, q4, [{weights}], #32\n",
                channel!("3", $widen, "8", "16", "24"),
                channel!("4", $widen, "9", "17", "25"),
                "ldp q3, q4, [{weights}], #32\n",
                channel!("3", $widen, "10", "18", "26"),
                channel!("4", $widen, "11", "19", "27"),
                "ldp q3, q4, [{weights}], #32\n",
                channel!("3", $widen, "12", "20", "28"),
                channel!("4", $widen, "13", "21", "29"),
                "ldp q3, q4, [{weights}], #32\n",
                channel!("3", $widen, "14", "22", "30"),
                channel!("4", $widen, "15", "23", "31"),
            )
        };
    }
    // Eight vectors of four partial sums to two of four sums.
    macro_rules! reduce {
        ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal, $g:literal, $h:literal) => {
            concat!(
                "addp v", $a, ".4s, v", $a, ".4s, v", $b, ".4s\n", "addp v", $c, ".4s, v", $c, ".4s, v", $d,
                ".4s\n", "addp v", $e, ".4s, v", $e, ".4s, v", $f, ".4s\n", "addp v", $g, ".4s, v", $g,
                ".4s, v", $h, ".4s\n", "addp v", $a, ".4s, v", $a, ".4s, v", $c, ".4s\n", "addp v", $e,
                ".4s, v", $e, ".4s, v", $g, ".4s\n",
            )
        };
    }
    let (a, b, c, d, e, f);
    // SAFETY: reads sixteen bytes for every sixteen of the depth from each row, and eight times as many weights, which
    // the caller vouches for; all registers are declared.
    unsafe {
        asm!(
            sixteen!("saddlp"),
            "subs {left}, {left}, #16",
            "b.ls 3f",
            "2:",
            sixteen!("sadalp"),
            "subs {left}, {left}, #16",
            "b.hi 2b",
            "3:",
            reduce!("8", "9", "10", "11", "12", "13", "14", "15"),
            reduce!("16", "17", "18", "19", "20", "21", "22", "23"),
            reduce!("24", "25", "26", "27", "28", "29", "30", "31"),
            left = inout(reg) depth => _,
            a = inout(reg) input => _,
            b = inout(reg) input.wrapping_add(stride) => _,
            c = inout(reg) input.wrapping_add(2 * stride) => _,
            weights = inout(reg) weights => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") a, out("v9") _, out("v10") _, out("v11") _, out("v12") b, out("v13") _, out("v14") _,
            out("v15") _, out("v16") c, out("v17") _, out("v18") _, out("v19") _, out("v20") d, out("v21") _,
            out("v22") _, out("v23") _, out("v24") e, out("v25") _, out("v26") _, out("v27") _, out("v28") f,
            out("v29") _, out("v30") _, out("v31") _,
            options(pure, readonly, nostack),
        );
    }
    [[a, b], [c, d], [e, f]]
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
            let at = weights.wrapping_add($lane * 32);
            // SAFETY: the caller vouches for the weights.
            let (low, high) = unsafe { (vld1q_s8(at), vld1q_s8(at.wrapping_add(16))) };
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

/// Channels that a depthwise kernel takes at once: few enough for all that they need to stay in registers.
const BLOCK: usize = 8;

/// First channels of blocks of eight, the last of which goes over channels again rather than be smaller, and the channel
/// of each lane of a block.  Blocks of fewer channels that divide eight hold them repeatedly, for several columns at
/// once.
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

/// [block][row][column][8 channels].
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

/// [block][column][8 channels][row, and a zero].
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
    bias: [int32x4_t; 2],
    scales: [Scale; 2],
    stored: Store,
}

impl Block {
    /// # Safety
    ///
    /// There are eight constants for the block.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(requantize: &Requantize, block: usize) -> Self {
        let at = block * BLOCK;
        // SAFETY: the caller vouches for the eight constants.
        unsafe {
            let bias = requantize.bias.as_ptr().add(at);
            Self {
                bias: [vld1q_s32(bias), vld1q_s32(bias.add(4))],
                scales: [Scale::load(requantize, at), Scale::load(requantize, at + 4)],
                stored: Store::new(requantize.zero_point, requantize.min, requantize.max),
            }
        }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn stored(&self, sums: [int32x4_t; 2]) -> int8x8_t {
        self.stored.eight(self.scales[0].times(sums[0]), self.scales[1].times(sums[1]))
    }
}

/// Calls `row` for each block: with its number, where it starts in the rows and in the output, how many steps it takes,
/// how far a step goes in both, how far the columns of a window are apart, and how many values the last step writes if
/// not a whole block.
///
/// Where a block repeats its channels it is moved over the columns by whole blocks, as if they had eight channels.
#[inline]
#[target_feature(enable = "neon")]
fn each_block(depthwise: &Depthwise, width: usize, row: impl Fn(usize, usize, Steps)) {
    let channels = depthwise.channels;
    if depthwise.stride == 1 && BLOCK.is_multiple_of(channels) {
        let length = width * channels;
        let steps =
            Steps { whole: length / BLOCK, rest: length % BLOCK, input: BLOCK, output: BLOCK, there: BLOCK };
        return row(0, 0, steps);
    }
    for (number, &first) in depthwise.blocks.iter().enumerate() {
        let there = channels.min(BLOCK);
        let steps =
            Steps { whole: width, rest: 0, input: depthwise.stride * channels, output: channels, there };
        row(number, first, steps);
    }
}

/// How a block moves along a row.
#[derive(Clone, Copy)]
struct Steps {
    /// Steps that write `there` values.
    whole: usize,
    /// Values that one more step writes.
    rest: usize,
    /// Values that a step goes on in the input and in the output.
    input: usize,
    output: usize,
    there: usize,
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
    each_block(depthwise, width, |number, first, steps| {
        // Copies, which no write to the output can change.
        let (rows, output, channels) = (rows, output, channels);
        // SAFETY: each block has 9 × 8 weights and 8 constants; each column and eight bytes from it on lie in the rows
        // and the 64 bytes behind them, and what a step writes in the output.
        unsafe {
            let block = Block::load(&depthwise.requantize, number);
            let taps = depthwise.weights.as_ptr().add(number * 9 * BLOCK);
            let taps: [int8x8_t; 9] = core::array::from_fn(|tap| vld1_s8(taps.add(tap * BLOCK)));
            let sums = |at: usize| {
                let load = |tap: usize| vld1_s8(rows[tap / 3].add(at + tap % 3 * channels));
                let mut sums = block.bias;
                macro_rules! pairs {
                    ($($tap:literal)*) => {$(
                        let products = vmull_s8(load($tap), taps[$tap]);
                        let products = vmlal_s8(products, load($tap + 1), taps[$tap + 1]);
                        sums = [vaddw_s16(sums[0], vget_low_s16(products)), vaddw_high_s16(sums[1], products)];
                    )*};
                }
                pairs!(0 2 4 6);
                let products = vmull_s8(load(8), taps[8]);
                [vaddw_s16(sums[0], vget_low_s16(products)), vaddw_high_s16(sums[1], products)]
            };
            let (mut from, mut to) = (first, output.add(first));
            if steps.there == BLOCK {
                for _ in 0..steps.whole {
                    vst1_s8(to, block.stored(sums(from)));
                    (from, to) = (from + steps.input, to.add(steps.output));
                }
            } else {
                for _ in 0..steps.whole {
                    store_eight(to, block.stored(sums(from)), steps.there);
                    (from, to) = (from + steps.input, to.wrapping_add(steps.output));
                }
            }
            if steps.rest > 0 {
                store_eight(to, block.stored(sums(from)), steps.rest);
            }
        }
    });
}

/// Eight channels of one column, the three rows (and a zero) of a channel side by side.
///
/// # Safety
///
/// The rows hold eight bytes from `at` on.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load_column(rows: [*const i8; 3], at: usize) -> [int8x16_t; 2] {
    // SAFETY: the caller vouches for the bytes.
    let [a, b, c] = unsafe { rows.map(|row| vcombine_s8(vld1_s8(row.add(at)), vdup_n_s8(0))) };
    let ab = vreinterpretq_s16_s8(vzip1q_s8(a, b));
    let c = vreinterpretq_s16_s8(vzip1q_s8(c, vdupq_n_s8(0)));
    [vreinterpretq_s8_s16(vzip1q_s16(ab, c)), vreinterpretq_s8_s16(vzip2q_s16(ab, c))]
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
    each_block(depthwise, width, |number, first, steps| {
        // Copies, which no write to the output can change.
        let (rows, output, channels) = (rows, output, channels);
        // SAFETY: each block has 3 × 2 vectors of weights and 8 constants; each column and eight bytes from it on lie in
        // the rows and the 64 bytes behind them, and what a step writes in the output.
        unsafe {
            let block = Block::load(&depthwise.requantize, number);
            let packed = depthwise.weights.as_ptr().add(number * 6 * 16);
            let weights: [int8x16_t; 6] = core::array::from_fn(|at| vld1q_s8(packed.add(at * 16)));
            let sums = |columns: [[int8x16_t; 2]; 3]| {
                let [mut low, mut high] = block.bias;
                (low, high) = (dot(low, columns[0][0], weights[0]), dot(high, columns[0][1], weights[1]));
                (low, high) = (dot(low, columns[1][0], weights[2]), dot(high, columns[1][1], weights[3]));
                (low, high) = (dot(low, columns[2][0], weights[4]), dot(high, columns[2][1], weights[5]));
                [low, high]
            };
            let (mut from, mut to, mut left) = (first, output.add(first), steps.whole);
            if steps.there == BLOCK && steps.input == channels {
                let mut one = load_column(rows, from);
                let mut two = load_column(rows, from + channels);
                // Three outputs a turn, so that no column moves to another register.
                while left >= 3 {
                    let three = load_column(rows, from + 2 * channels);
                    vst1_s8(to, block.stored(sums([one, two, three])));
                    one = load_column(rows, from + 3 * channels);
                    vst1_s8(to.add(channels), block.stored(sums([two, three, one])));
                    two = load_column(rows, from + 4 * channels);
                    vst1_s8(to.add(2 * channels), block.stored(sums([three, one, two])));
                    (from, to, left) = (from + 3 * channels, to.add(3 * channels), left - 3);
                }
            }
            let window = |at: usize| [0, 1, 2].map(|column| load_column(rows, at + column * channels));
            for _ in 0..left {
                store_eight(to, block.stored(sums(window(from))), steps.there);
                (from, to) = (from + steps.input, to.wrapping_add(steps.output));
            }
            if steps.rest > 0 {
                store_eight(to, block.stored(sums(window(from))), steps.rest);
            }
        }
    });
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
