//! NEON: for any AArch64 processor, and with dot products of bytes (`sdot`) where the processor has them.
//!
//! Without them, bytes are multiplied to 16 bits, where two products of an input and a weight of at least −127 always
//! fit, before the sum is widened.
//!
//! The loops that take most of the time are in assembly, whole: what the compiler made of their intrinsics differed by a
//! third from one profile of the same program to another (fat LTO with one unit of code against sixteen).  It was counted,
//! not explained.  All that they need stays in the 32 registers.

use alloc::vec::Vec;
use core::arch::aarch64::*;
use core::arch::asm;

use super::{Addition, Depthwise, Packed, Product, Windows, portable};
use crate::quantize::{Factor, Requantize};

/// Channels that all kernels take at once: two vectors of sums.
const BLOCK: usize = 8;

/// 32-bit words of constants for a block: eight biases, multipliers and shifts, and as vectors of 16 bytes the zero point
/// (eight times 16 bits), the least and the greatest stored value.
const WORDS: usize = 36;

/// First channels of the blocks; the last goes over channels again rather than be smaller.
fn blocks(channels: usize) -> Vec<usize> {
    (0..channels).step_by(BLOCK).map(|block| block.min(channels.saturating_sub(BLOCK))).collect()
}

/// The constants of blocks whose lanes stand for these channels.
fn constants(requantize: &Requantize, lanes: &[Option<usize>]) -> Vec<i32> {
    let mut words = Vec::with_capacity(lanes.len() / BLOCK * WORDS);
    for lanes in lanes.chunks_exact(BLOCK) {
        for (values, rest) in [(&requantize.bias, 0), (&requantize.multipliers, 0), (&requantize.shifts, -1)]
        {
            words.extend(lanes.iter().map(|lane| lane.map_or(rest, |lane| values[lane])));
        }
        let sixteen = |byte: i32| i32::from_le_bytes([byte as u8; 4]);
        let [low, high] = (requantize.zero_point as i16).to_le_bytes();
        words.extend([i32::from_le_bytes([low, high, low, high]); 4]);
        words.extend([sixteen(requantize.min); 4]);
        words.extend([sixteen(requantize.max); 4]);
    }
    words
}

/// [block][depth / `run`][8 channels][`run`], filled up with zeros.
fn pack(weights: &[i8], depth: usize, run: usize, requantize: &Requantize) -> Packed<'static> {
    let channels = weights.len() / depth;
    let blocks = blocks(channels);
    let mut packed = Vec::new();
    let mut lanes = Vec::new();
    for &block in &blocks {
        for start in (0..depth).step_by(run) {
            for channel in block..block + BLOCK {
                packed.extend((start..start + run).map(|at| {
                    if channel < channels && at < depth { weights[channel * depth + at] } else { 0 }
                }));
            }
        }
        lanes.extend((block..block + BLOCK).map(|channel| (channel < channels).then_some(channel)));
    }
    Packed { weights: packed.into(), blocks, constants: constants(requantize, &lanes) }
}

/// For [`product`].
pub(super) fn pack_product(weights: &[i8], depth: usize, requantize: &Requantize) -> Packed<'static> {
    pack(weights, depth, 16, requantize)
}

/// For [`product_dot`].
pub(super) fn pack_product_dot(weights: &[i8], depth: usize, requantize: &Requantize) -> Packed<'static> {
    pack(weights, depth, 4, requantize)
}

/// What turns the sums of a block into stored values.
struct Block {
    bias: [int32x4_t; 2],
    multipliers: [int32x4_t; 2],
    shifts: [int32x4_t; 2],
    zero_point: int16x8_t,
    min: int8x8_t,
    max: int8x8_t,
}

impl Block {
    /// # Safety
    ///
    /// `constants` has [`WORDS`] words.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(constants: *const i32) -> Self {
        // SAFETY: the caller vouches for the words.
        unsafe {
            let four = |at: usize| vld1q_s32(constants.add(at));
            Self {
                bias: [four(0), four(4)],
                multipliers: [four(8), four(12)],
                shifts: [four(16), four(20)],
                zero_point: vreinterpretq_s16_s32(four(24)),
                min: vget_low_s8(vreinterpretq_s8_s32(four(28))),
                max: vget_low_s8(vreinterpretq_s8_s32(four(32))),
            }
        }
    }

    /// sum × multiplier ÷ 2^(31 − shift), rounded twice as the reference does, for shifts below 0; then within 8 bits.
    #[inline]
    #[target_feature(enable = "neon")]
    fn stored(&self, sums: [int32x4_t; 2]) -> int8x8_t {
        let scaled = |half: usize| {
            let high = vqrdmulhq_s32(sums[half], self.multipliers[half]);
            // A half is rounded up by the shift, but away from 0 by the reference.
            vrshlq_s32(vsraq_n_s32::<31>(high, high), self.shifts[half])
        };
        let value = vqmovn_high_s32(vqmovn_s32(scaled(0)), scaled(1));
        let value = vqmovn_s16(vqaddq_s16(value, self.zero_point));
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

/// Lines of assembly as one text.
macro_rules! lines {
    ($($line:expr),* $(,)?) => { concat!($($line, "\n"),*) };
}

/// Two vectors of four sums in `low` and `high` to eight 16-bit results in `low`, before the zero point is added: as
/// [`Block::stored`] does.
macro_rules! scale {
    ($low:literal, $high:literal, $multipliers:literal, $multipliers_high:literal, $shifts:literal, $shifts_high:literal) => {
        lines!(
            concat!("sqrdmulh v", $low, ".4s, v", $low, ".4s, v", $multipliers, ".4s"),
            concat!("sqrdmulh v", $high, ".4s, v", $high, ".4s, v", $multipliers_high, ".4s"),
            concat!("ssra v", $low, ".4s, v", $low, ".4s, #31"),
            concat!("ssra v", $high, ".4s, v", $high, ".4s, #31"),
            concat!("srshl v", $low, ".4s, v", $low, ".4s, v", $shifts, ".4s"),
            concat!("srshl v", $high, ".4s, v", $high, ".4s, v", $shifts_high, ".4s"),
            concat!("sqxtn v", $low, ".4h, v", $low, ".4s"),
            concat!("sqxtn2 v", $low, ".8h, v", $high, ".4s"),
        )
    };
}

/// Rows of a tile, and what all tiles have in common.
struct Tiles {
    input: *const i8,
    /// Bytes from one row to the next.
    stride: usize,
    output: *mut i8,
    /// Bytes from one row of the output to the next.
    pitch: usize,
    weights: *const i8,
    constants: *const i32,
    /// Blocks that follow each other in the output.
    blocks: usize,
    /// How many tiles follow each other.
    tiles: usize,
}

/// Defines a product from the function that computes tiles of ROWS × 8 channels, and the one for single rows.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $features:literal, $rows:literal, $run:literal, $tiles:ident, $row:ident) => {
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
            let (channels, depth) = (product.channels, product.depth);
            let block_bytes = depth.next_multiple_of($run) * BLOCK;
            let whole = channels / BLOCK;
            let of_block = |block: usize| {
                (product.weights.as_ptr().wrapping_add(block * block_bytes), product.constants.as_ptr().wrapping_add(block * WORDS))
            };
            if rows < $rows {
                for row in 0..rows {
                    for (block, &first) in product.blocks.iter().enumerate() {
                        let (weights, constants) = of_block(block);
                        // SAFETY: the row is there, and so are the block's weights, constants and outputs.
                        unsafe {
                            let value = $row(depth, input.as_ptr().add(row * stride), weights, constants);
                            store_eight(output.as_mut_ptr().add(row * channels + first), value, channels.min(BLOCK));
                        }
                    }
                }
                return;
            }
            // All whole tiles, and then one that goes over rows again rather than be smaller.
            let last = (!rows.is_multiple_of($rows)).then_some((rows - $rows, 1));
            for (first, tiles) in [(0, rows / $rows)].into_iter().chain(last) {
                let tiles = Tiles {
                    input: input.as_ptr().wrapping_add(first * stride),
                    stride,
                    output: output.as_mut_ptr().wrapping_add(first * channels),
                    pitch: channels,
                    weights: product.weights.as_ptr(),
                    constants: product.constants.as_ptr(),
                    blocks: whole,
                    tiles,
                };
                // SAFETY: the tiles' rows are there, and weights, constants and outputs of their blocks.
                unsafe {
                    if whole > 0 {
                        $tiles(depth, &tiles);
                    }
                    if whole < product.blocks.len() {
                        let (weights, constants) = of_block(whole);
                        let last = Tiles { weights, constants, blocks: 1, ..tiles };
                        if whole > 0 {
                            $tiles(depth, &Tiles { output: last.output.wrapping_add(channels - BLOCK), ..last });
                        } else {
                            // Fewer channels than the kernel writes.
                            for tile in 0..last.tiles {
                                let mut eight = [0; $rows * BLOCK];
                                let input = last.input.wrapping_add(tile * $rows * stride);
                                let output = last.output.wrapping_add(tile * $rows * channels);
                                $tiles(depth, &Tiles { input, output: eight.as_mut_ptr(), pitch: BLOCK, tiles: 1, ..last });
                                for (row, eight) in eight.chunks_exact(BLOCK).enumerate() {
                                    store_eight(output.add(row * channels), vld1_s8(eight.as_ptr()), channels);
                                }
                            }
                        }
                    }
                }
            }
        }
    };
}

product! {
    /// Rows × weights for any AArch64 processor.
    product, "neon", 3, 16, three_rows, one_row
}
product! {
    /// Rows × weights with `sdot`.
    product_dot, "neon,dotprod", 8, 4, eight_rows_dot, one_row_dot
}

/// A block of one row.
///
/// # Safety
///
/// The row is there with 64 bytes more; `weights` and `constants` hold a block.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one_row(depth: usize, input: *const i8, mut weights: *const i8, constants: *const i32) -> int8x8_t {
    let mut sums = [vdupq_n_s32(0); BLOCK];
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
        weights = weights.wrapping_add(BLOCK * 16);
    }
    let four = |sums: &[int32x4_t]| vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
    // SAFETY: the caller vouches for the constants.
    let block = unsafe { Block::load(constants) };
    block.stored([vaddq_s32(four(&sums), block.bias[0]), vaddq_s32(four(&sums[4..]), block.bias[1])])
}

/// Tiles of three rows.
///
/// 24 sums, three inputs, two weights and three products take all 32 registers.
///
/// # Safety
///
/// Three rows for each tile, with 64 bytes more, and weights, constants and room in the output for each block are there;
/// `depth` is not 0.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn three_rows(depth: usize, tiles: &Tiles) {
    // Sixteen products of each row, in v0 to v2, with a channel's weights: pairs to 16 bits, and those to the sums.
    macro_rules! channel {
        ($weights:literal, $widen:literal, $a:literal, $b:literal, $c:literal) => {
            lines!(
                concat!("smull v5.8h, v0.8b, v", $weights, ".8b"),
                concat!("smull v6.8h, v1.8b, v", $weights, ".8b"),
                concat!("smull v7.8h, v2.8b, v", $weights, ".8b"),
                concat!("smlal2 v5.8h, v0.16b, v", $weights, ".16b"),
                concat!("smlal2 v6.8h, v1.16b, v", $weights, ".16b"),
                concat!("smlal2 v7.8h, v2.16b, v", $weights, ".16b"),
                concat!($widen, " v", $a, ".4s, v5.8h"),
                concat!($widen, " v", $b, ".4s, v6.8h"),
                concat!($widen, " v", $c, ".4s, v7.8h"),
            )
        };
    }
    // Sixteen of the depth; `saddlp` sets the sums, `sadalp` adds to them.
    macro_rules! sixteen {
        ($widen:literal) => {
            lines!(
                "ldr q0, [{a}, {at}]",
                "ldr q1, [{b}, {at}]",
                "ldr q2, [{c}, {at}]",
                "ldp q3, q4, [{weights}], #32",
                channel!("3", $widen, "8", "16", "24"),
                channel!("4", $widen, "9", "17", "25"),
                "ldp q3, q4, [{weights}], #32",
                channel!("3", $widen, "10", "18", "26"),
                channel!("4", $widen, "11", "19", "27"),
                "ldp q3, q4, [{weights}], #32",
                channel!("3", $widen, "12", "20", "28"),
                channel!("4", $widen, "13", "21", "29"),
                "ldp q3, q4, [{weights}], #32",
                channel!("3", $widen, "14", "22", "30"),
                channel!("4", $widen, "15", "23", "31"),
                "adds {at}, {at}, #16",
            )
        };
    }
    // Eight vectors of four partial sums to two of four sums.
    macro_rules! reduce {
        ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal, $g:literal, $h:literal) => {
            lines!(
                concat!("addp v", $a, ".4s, v", $a, ".4s, v", $b, ".4s"),
                concat!("addp v", $c, ".4s, v", $c, ".4s, v", $d, ".4s"),
                concat!("addp v", $e, ".4s, v", $e, ".4s, v", $f, ".4s"),
                concat!("addp v", $g, ".4s, v", $g, ".4s, v", $h, ".4s"),
                concat!("addp v", $a, ".4s, v", $a, ".4s, v", $c, ".4s"),
                concat!("addp v", $e, ".4s, v", $e, ".4s, v", $g, ".4s"),
            )
        };
    }
    let depth = depth.next_multiple_of(16);
    // Rows are reached from behind their end, so that one register counts up to 0 for all of them.
    let row = |row: usize| tiles.input.wrapping_add(row * tiles.stride + depth);
    // SAFETY: reads `depth` bytes of each row, which begin inside it and end less than 16 bytes behind it, and what a
    // block has of weights and constants; writes eight bytes a block and row: the caller vouches for all of them.
    unsafe {
        asm!(
            "2:",
            "mov {weights}, {first_weights}",
            "mov {constants}, {first_constants}",
            "mov {blocks}, {all_blocks}",
            "mov {to}, {output}",
            "3:",
            "neg {at}, {depth}",
            sixteen!("saddlp"),
            "b.pl 5f",
            "4:",
            sixteen!("sadalp"),
            "b.mi 4b",
            "5:",
            reduce!("8", "9", "10", "11", "12", "13", "14", "15"),
            reduce!("16", "17", "18", "19", "20", "21", "22", "23"),
            reduce!("24", "25", "26", "27", "28", "29", "30", "31"),
            "ldp q0, q1, [{constants}]",
            "ldp q2, q3, [{constants}, #32]",
            "ldp q4, q5, [{constants}, #64]",
            "ldp q6, q7, [{constants}, #96]",
            "ldr q9, [{constants}, #128]",
            "add v8.4s, v8.4s, v0.4s",
            "add v12.4s, v12.4s, v1.4s",
            "add v16.4s, v16.4s, v0.4s",
            "add v20.4s, v20.4s, v1.4s",
            "add v24.4s, v24.4s, v0.4s",
            "add v28.4s, v28.4s, v1.4s",
            scale!("8", "12", "2", "3", "4", "5"),
            scale!("16", "20", "2", "3", "4", "5"),
            scale!("24", "28", "2", "3", "4", "5"),
            "sqadd v8.8h, v8.8h, v6.8h",
            "sqadd v16.8h, v16.8h, v6.8h",
            "sqadd v24.8h, v24.8h, v6.8h",
            "sqxtn v8.8b, v8.8h",
            "sqxtn2 v8.16b, v16.8h",
            "sqxtn v24.8b, v24.8h",
            "smax v8.16b, v8.16b, v7.16b",
            "smax v24.8b, v24.8b, v7.8b",
            "smin v8.16b, v8.16b, v9.16b",
            "smin v24.8b, v24.8b, v9.8b",
            "add {at}, {to}, {pitch}",
            "str d8, [{to}], #8",
            "st1 {{v8.d}}[1], [{at}], {pitch}",
            "str d24, [{at}]",
            "add {constants}, {constants}, #144",
            "subs {blocks}, {blocks}, #1",
            "b.ne 3b",
            "add {a}, {a}, {three}",
            "add {b}, {b}, {three}",
            "add {c}, {c}, {three}",
            "add {output}, {output}, {three_pitches}",
            "subs {tiles}, {tiles}, #1",
            "b.ne 2b",
            a = inout(reg) row(0) => _,
            b = inout(reg) row(1) => _,
            c = inout(reg) row(2) => _,
            three = in(reg) 3 * tiles.stride,
            output = inout(reg) tiles.output => _,
            pitch = in(reg) tiles.pitch,
            three_pitches = in(reg) 3 * tiles.pitch,
            depth = in(reg) depth,
            first_weights = in(reg) tiles.weights,
            first_constants = in(reg) tiles.constants,
            all_blocks = in(reg) tiles.blocks,
            tiles = inout(reg) tiles.tiles => _,
            weights = out(reg) _,
            constants = out(reg) _,
            blocks = out(reg) _,
            to = out(reg) _,
            at = out(reg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _,
            out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        );
    }
}

/// Adds to each of four sums the products of its four bytes of both.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sum: int32x4_t, one: int8x16_t, other: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction works on these registers only, and the function is only for processors that have it.
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

/// A block of one row.
///
/// # Safety
///
/// As for [`one_row`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn one_row_dot(
    depth: usize,
    input: *const i8,
    mut weights: *const i8,
    constants: *const i32,
) -> int8x8_t {
    // SAFETY: the caller vouches for the constants.
    let block = unsafe { Block::load(constants) };
    let mut sums = block.bias;
    for start in (0..depth).step_by(4) {
        // SAFETY: the caller vouches for the row, what lies behind it, and the weights.
        unsafe {
            let four = vreinterpretq_s8_s32(vdupq_n_s32(input.add(start).cast::<i32>().read_unaligned()));
            sums[0] = dot(sums[0], vld1q_s8(weights), four);
            sums[1] = dot(sums[1], vld1q_s8(weights.add(16)), four);
        }
        weights = weights.wrapping_add(BLOCK * 4);
    }
    block.stored(sums)
}

/// Tiles of eight rows: sixteen sums, eight inputs and two weights.
///
/// # Safety
///
/// As for [`three_rows`], with eight rows for each tile.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn eight_rows_dot(depth: usize, tiles: &Tiles) {
    // Four of the depth: bytes 4 × lane to 4 × lane + 3 of the inputs.
    macro_rules! quad {
        ($lane:literal) => {
            lines!(
                "ldp q8, q9, [{weights}], #32",
                quad!($lane, "16", "17", "0"),
                quad!($lane, "18", "19", "1"),
                quad!($lane, "20", "21", "2"),
                quad!($lane, "22", "23", "3"),
                quad!($lane, "24", "25", "4"),
                quad!($lane, "26", "27", "5"),
                quad!($lane, "28", "29", "6"),
                quad!($lane, "30", "31", "7"),
            )
        };
        ($lane:literal, $low:literal, $high:literal, $input:literal) => {
            lines!(
                concat!("sdot v", $low, ".4s, v8.16b, v", $input, ".4b[", $lane, "]"),
                concat!("sdot v", $high, ".4s, v9.16b, v", $input, ".4b[", $lane, "]"),
            )
        };
    }
    macro_rules! inputs {
        () => {
            lines!(
                "ldr q0, [{a}, {at}]",
                "ldr q1, [{b}, {at}]",
                "ldr q2, [{c}, {at}]",
                "ldr q3, [{d}, {at}]",
                "ldr q4, [{e}, {at}]",
                "ldr q5, [{f}, {at}]",
                "ldr q6, [{g}, {at}]",
                "ldr q7, [{h}, {at}]",
            )
        };
    }
    // Two rows to stored values.
    macro_rules! pair {
        ($low:literal, $high:literal, $next_low:literal, $next_high:literal) => {
            lines!(
                scale!($low, $high, "0", "1", "2", "3"),
                scale!($next_low, $next_high, "0", "1", "2", "3"),
                concat!("sqadd v", $low, ".8h, v", $low, ".8h, v4.8h"),
                concat!("sqadd v", $next_low, ".8h, v", $next_low, ".8h, v4.8h"),
                concat!("sqxtn v", $low, ".8b, v", $low, ".8h"),
                concat!("sqxtn2 v", $low, ".16b, v", $next_low, ".8h"),
                concat!("smax v", $low, ".16b, v", $low, ".16b, v5.16b"),
                concat!("smin v", $low, ".16b, v", $low, ".16b, v6.16b"),
                concat!("st1 {{v", $low, ".d}}[0], [{at}], {pitch}"),
                concat!("st1 {{v", $low, ".d}}[1], [{at}], {pitch}"),
            )
        };
    }
    // Rows are reached from behind their whole sixteens, so that one register counts up to 0 for all of them.
    let whole = depth / 16 * 16;
    let row = |row: usize| tiles.input.wrapping_add(row * tiles.stride + whole);
    // SAFETY: reads the sixteens of each row that begin inside it, and what a block has of weights and constants; writes
    // eight bytes a block and row: the caller vouches for all of them.
    unsafe {
        asm!(
            "2:",
            "mov {weights}, {first_weights}",
            "mov {constants}, {first_constants}",
            "mov {blocks}, {all_blocks}",
            "mov {to}, {output}",
            "3:",
            "ldp q16, q17, [{constants}]",
            "ldp q18, q19, [{constants}]",
            "ldp q20, q21, [{constants}]",
            "ldp q22, q23, [{constants}]",
            "ldp q24, q25, [{constants}]",
            "ldp q26, q27, [{constants}]",
            "ldp q28, q29, [{constants}]",
            "ldp q30, q31, [{constants}]",
            "negs {at}, {whole}",
            "b.pl 5f",
            "4:",
            inputs!(),
            quad!("0"),
            quad!("1"),
            quad!("2"),
            quad!("3"),
            "adds {at}, {at}, #16",
            "b.mi 4b",
            "5:",
            "cbz {rest}, 6f",
            inputs!(),
            quad!("0"),
            "cmp {rest}, #4",
            "b.le 6f",
            quad!("1"),
            "cmp {rest}, #8",
            "b.le 6f",
            quad!("2"),
            "cmp {rest}, #12",
            "b.le 6f",
            quad!("3"),
            "6:",
            "ldp q0, q1, [{constants}, #32]",
            "ldp q2, q3, [{constants}, #64]",
            "ldp q4, q5, [{constants}, #96]",
            "ldr q6, [{constants}, #128]",
            "mov {at}, {to}",
            pair!("16", "17", "18", "19"),
            pair!("20", "21", "22", "23"),
            pair!("24", "25", "26", "27"),
            pair!("28", "29", "30", "31"),
            "add {to}, {to}, #8",
            "add {constants}, {constants}, #144",
            "subs {blocks}, {blocks}, #1",
            "b.ne 3b",
            "add {a}, {a}, {eight}",
            "add {b}, {b}, {eight}",
            "add {c}, {c}, {eight}",
            "add {d}, {d}, {eight}",
            "add {e}, {e}, {eight}",
            "add {f}, {f}, {eight}",
            "add {g}, {g}, {eight}",
            "add {h}, {h}, {eight}",
            "add {output}, {output}, {pitch}, lsl #3",
            "subs {tiles}, {tiles}, #1",
            "b.ne 2b",
            a = inout(reg) row(0) => _,
            b = inout(reg) row(1) => _,
            c = inout(reg) row(2) => _,
            d = inout(reg) row(3) => _,
            e = inout(reg) row(4) => _,
            f = inout(reg) row(5) => _,
            g = inout(reg) row(6) => _,
            h = inout(reg) row(7) => _,
            eight = in(reg) 8 * tiles.stride,
            output = inout(reg) tiles.output => _,
            pitch = in(reg) tiles.pitch,
            whole = in(reg) whole,
            rest = in(reg) depth - whole,
            first_weights = in(reg) tiles.weights,
            first_constants = in(reg) tiles.constants,
            all_blocks = in(reg) tiles.blocks,
            tiles = inout(reg) tiles.tiles => _,
            weights = out(reg) _,
            constants = out(reg) _,
            blocks = out(reg) _,
            to = out(reg) _,
            at = out(reg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        );
    }
}

/// Blocks, and the channel of each lane of a block.  Blocks of fewer channels that divide eight hold them repeatedly, for
/// several columns at once.
fn depthwise_lanes(channels: usize, stride: usize) -> (Vec<usize>, Vec<Option<usize>>) {
    let blocks = blocks(channels);
    let repeat = stride == 1 && BLOCK.is_multiple_of(channels);
    let lanes = blocks.iter().flat_map(|&block| {
        (0..BLOCK).map(move |lane| {
            let channel = if repeat { lane % channels } else { block + lane };
            (channel < channels).then_some(channel)
        })
    });
    let lanes = lanes.collect();
    (blocks, lanes)
}

/// [block][row][column][8 channels].
pub(super) fn pack_depthwise(by_channel: &[i8], stride: usize, requantize: &Requantize) -> Packed<'static> {
    let (blocks, lanes) = depthwise_lanes(by_channel.len() / 9, stride);
    let mut packed = Vec::new();
    for lanes in lanes.chunks_exact(BLOCK) {
        for tap in 0..9 {
            packed.extend(lanes.iter().map(|lane| lane.map_or(0, |lane| by_channel[lane * 9 + tap])));
        }
    }
    Packed { weights: packed.into(), blocks, constants: constants(requantize, &lanes) }
}

/// [block][column][8 channels][row, and a zero].
pub(super) fn pack_depthwise_dot(
    by_channel: &[i8],
    stride: usize,
    requantize: &Requantize,
) -> Packed<'static> {
    let (blocks, lanes) = depthwise_lanes(by_channel.len() / 9, stride);
    let mut packed = Vec::new();
    for lanes in lanes.chunks_exact(BLOCK) {
        for column in 0..3 {
            for lane in lanes {
                let weight = |row: usize| lane.map_or(0, |lane| by_channel[lane * 9 + row * 3 + column]);
                packed.extend([weight(0), weight(1), weight(2), 0]);
            }
        }
    }
    Packed { weights: packed.into(), blocks, constants: constants(requantize, &lanes) }
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

/// A block of a row of a depthwise convolution whose columns are used by several outputs.
struct Columns {
    /// The block's first column in each row.
    rows: [*const i8; 3],
    /// Bytes from one column to the next, of the rows and of the output.
    channels: usize,
    weights: *const i8,
    constants: *const i32,
    output: *mut i8,
    /// Columns of the output, at least 1.
    width: usize,
}

/// Defines a row of a depthwise convolution from the function for blocks whose outputs are one or two columns apart, and
/// the one for any eight values.
macro_rules! depthwise {
    ($(#[$doc:meta])* $name:ident, $features:literal, $block_bytes:expr, $columns:ident, $eight:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The processor has the instructions; the rows hold the columns that `width` outputs need and 64 bytes more,
        /// `output` `width` columns; `depthwise` was packed for this function.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(depthwise: &Depthwise, rows: [&[i8]; 3], width: usize, output: &mut [i8]) {
            let (channels, stride) = (depthwise.channels, depthwise.stride);
            for (number, &first) in depthwise.blocks.iter().enumerate() {
                let weights = depthwise.weights.as_ptr().wrapping_add(number * $block_bytes);
                let constants = depthwise.constants.as_ptr().wrapping_add(number * WORDS);
                let rows = rows.map(|row| row.as_ptr().wrapping_add(first));
                let mut to = output.as_mut_ptr().wrapping_add(first);
                if channels >= BLOCK && stride <= 2 {
                    let columns = Columns { rows, channels, weights, constants, output: to, width };
                    // SAFETY: each column and the block's channels in it lie in the rows, what is written in the output.
                    unsafe { if stride == 1 { $columns::<1>(&columns) } else { $columns::<2>(&columns) } }
                    continue;
                }
                let steps = if stride == 1 && BLOCK.is_multiple_of(channels) {
                    // Moved over the columns by whole blocks, as if they had eight channels.
                    let length = width * channels;
                    Steps { whole: length / BLOCK, rest: length % BLOCK, input: BLOCK, output: BLOCK, there: BLOCK }
                } else {
                    Steps { whole: width, rest: 0, input: stride * channels, output: channels, there: channels.min(BLOCK) }
                };
                // SAFETY: each column and eight bytes from it on lie in the rows and the 64 bytes behind them, and what a
                // step writes in the output.
                unsafe {
                    let block = Block::load(constants);
                    let mut from = 0;
                    for _ in 0..steps.whole {
                        store_eight(to, $eight(rows, from, channels, weights, &block), steps.there);
                        (from, to) = (from + steps.input, to.wrapping_add(steps.output));
                    }
                    if steps.rest > 0 {
                        store_eight(to, $eight(rows, from, channels, weights, &block), steps.rest);
                    }
                }
            }
        }
    };
}

depthwise! {
    /// For any AArch64 processor.
    depthwise_row, "neon", 9 * BLOCK, columns, eight
}
depthwise! {
    /// With `sdot`.
    depthwise_row_dot, "neon,dotprod", 12 * BLOCK, columns_dot, eight_dot
}

/// Eight values.
///
/// # Safety
///
/// The rows hold eight bytes from `at` on in each of three columns; `weights` holds a block.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn eight(
    rows: [*const i8; 3],
    at: usize,
    channels: usize,
    weights: *const i8,
    block: &Block,
) -> int8x8_t {
    let product = |tap: usize| {
        // SAFETY: the caller vouches for the bytes.
        let (input, weights) = unsafe {
            (vld1_s8(rows[tap / 3].add(at + tap % 3 * channels)), vld1_s8(weights.add(tap * BLOCK)))
        };
        vmull_s8(input, weights)
    };
    let mut sums = block.bias;
    for tap in 0..9 {
        let product = product(tap);
        sums = [vaddw_s16(sums[0], vget_low_s16(product)), vaddw_high_s16(sums[1], product)];
    }
    block.stored(sums)
}

/// As [`eight`].
///
/// # Safety
///
/// As for [`eight`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn eight_dot(
    rows: [*const i8; 3],
    at: usize,
    channels: usize,
    weights: *const i8,
    block: &Block,
) -> int8x8_t {
    let mut sums = block.bias;
    for column in 0..3 {
        // SAFETY: the caller vouches for the bytes.
        unsafe {
            let load = |row: *const i8| vcombine_s8(vld1_s8(row.add(at + column * channels)), vdup_n_s8(0));
            let [a, b, c] = rows.map(load);
            let ab = vreinterpretq_s16_s8(vzip1q_s8(a, b));
            let c = vreinterpretq_s16_s8(vzip1q_s8(c, vdupq_n_s8(0)));
            let weights = weights.add(column * 4 * BLOCK);
            sums[0] = dot(sums[0], vreinterpretq_s8_s16(vzip1q_s16(ab, c)), vld1q_s8(weights));
            sums[1] = dot(sums[1], vreinterpretq_s8_s16(vzip2q_s16(ab, c)), vld1q_s8(weights.add(16)));
        }
    }
    block.stored(sums)
}

/// Runs the assembly of a depthwise convolution: `load!(a, b)` brings the next column into column registers a,
/// `value!(a, b, c)` computes and stores an output from three columns.  The columns move through three sets of registers
/// by turns, so that none is loaded or moved twice: three outputs a turn.
macro_rules! take_turns {
    (1, $load:ident, $value:ident) => {
        lines!(
            $load!(a),
            $load!(b),
            "subs {width}, {width}, #3",
            "b.lo 3f",
            "2:",
            $load!(c),
            $value!(a, b, c),
            $load!(a),
            $value!(b, c, a),
            $load!(b),
            $value!(c, a, b),
            "subs {width}, {width}, #3",
            "b.hs 2b",
            "3:",
            "adds {width}, {width}, #2",
            "b.mi 4f",
            $load!(c),
            $value!(a, b, c),
            "cbz {width}, 4f",
            $load!(a),
            $value!(b, c, a),
            "4:",
        )
    };
    (2, $load:ident, $value:ident) => {
        lines!(
            $load!(a),
            "subs {width}, {width}, #3",
            "b.lo 3f",
            "2:",
            $load!(b),
            $load!(c),
            $value!(a, b, c),
            $load!(a),
            $load!(b),
            $value!(c, a, b),
            $load!(c),
            $load!(a),
            $value!(b, c, a),
            "subs {width}, {width}, #3",
            "b.hs 2b",
            "3:",
            "adds {width}, {width}, #2",
            "b.mi 4f",
            $load!(b),
            $load!(c),
            $value!(a, b, c),
            "cbz {width}, 4f",
            $load!(a),
            $load!(b),
            $value!(c, a, b),
            "4:",
        )
    };
}

/// A block of a row: nine weights, nine inputs, constants, two sums and two products stay in registers.
///
/// # Safety
///
/// The rows hold `STRIDE` × (`width` − 1) + 3 columns of `channels`, of which eight from the first on are read, and
/// `output` `width` columns; `weights` and `constants` hold a block; `STRIDE` is 1 or 2.
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn columns<const STRIDE: usize>(columns: &Columns) {
    macro_rules! load {
        (a) => {
            load!("0", "1", "2")
        };
        (b) => {
            load!("3", "4", "5")
        };
        (c) => {
            load!("6", "7", "8")
        };
        ($a:literal, $b:literal, $c:literal) => {
            lines!(
                concat!("ld1 {{v", $a, ".8b}}, [{a}], {channels}"),
                concat!("ld1 {{v", $b, ".8b}}, [{b}], {channels}"),
                concat!("ld1 {{v", $c, ".8b}}, [{c}], {channels}"),
            )
        };
    }
    macro_rules! value {
        (a, b, c) => {
            value!("0" "1" "2" "3" "4" "5" "6" "7" "8")
        };
        (b, c, a) => {
            value!("3" "4" "5" "6" "7" "8" "0" "1" "2")
        };
        (c, a, b) => {
            value!("6" "7" "8" "0" "1" "2" "3" "4" "5")
        };
        // Columns, each of three rows; weights are in v16 to v24, row by row.
        ($a:literal $d:literal $g:literal $b:literal $e:literal $h:literal $c:literal $f:literal $i:literal) => {
            lines!(
                concat!("smull v9.8h, v", $a, ".8b, v16.8b"),
                concat!("smull v12.8h, v", $c, ".8b, v18.8b"),
                concat!("smlal v9.8h, v", $b, ".8b, v17.8b"),
                concat!("smlal v12.8h, v", $d, ".8b, v19.8b"),
                "saddw v10.4s, v25.4s, v9.4h",
                "saddw2 v11.4s, v26.4s, v9.8h",
                concat!("smull v9.8h, v", $e, ".8b, v20.8b"),
                "saddw v10.4s, v10.4s, v12.4h",
                "saddw2 v11.4s, v11.4s, v12.8h",
                concat!("smull v12.8h, v", $g, ".8b, v22.8b"),
                concat!("smlal v9.8h, v", $f, ".8b, v21.8b"),
                concat!("smlal v12.8h, v", $h, ".8b, v23.8b"),
                "saddw v10.4s, v10.4s, v9.4h",
                "saddw2 v11.4s, v11.4s, v9.8h",
                concat!("smull v9.8h, v", $i, ".8b, v24.8b"),
                "saddw v10.4s, v10.4s, v12.4h",
                "saddw2 v11.4s, v11.4s, v12.8h",
                "saddw v10.4s, v10.4s, v9.4h",
                "saddw2 v11.4s, v11.4s, v9.8h",
                scale!("10", "11", "27", "28", "29", "30"),
                "sqadd v10.8h, v10.8h, v31.8h",
                "sqxtn v10.8b, v10.8h",
                "smax v10.8b, v10.8b, v13.8b",
                "smin v10.8b, v10.8b, v14.8b",
                "st1 {{v10.8b}}, [{output}], {channels}",
            )
        };
    }
    macro_rules! run {
        ($stride:tt) => {
            asm!(
                "ldp d16, d17, [{weights}]",
                "ldp d18, d19, [{weights}, #16]",
                "ldp d20, d21, [{weights}, #32]",
                "ldp d22, d23, [{weights}, #48]",
                "ldr d24, [{weights}, #64]",
                "ldp q25, q26, [{constants}]",
                "ldp q27, q28, [{constants}, #32]",
                "ldp q29, q30, [{constants}, #64]",
                "ldp q31, q13, [{constants}, #96]",
                "ldr q14, [{constants}, #128]",
                take_turns!($stride, load, value),
                a = inout(reg) columns.rows[0] => _,
                b = inout(reg) columns.rows[1] => _,
                c = inout(reg) columns.rows[2] => _,
                channels = in(reg) columns.channels,
                weights = in(reg) columns.weights,
                constants = in(reg) columns.constants,
                output = inout(reg) columns.output => _,
                width = inout(reg) columns.width => _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                out("v14") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
                out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
                out("v29") _, out("v30") _, out("v31") _,
                options(nostack),
            )
        };
    }
    // SAFETY: reads eight bytes of each row in each column, and a block's weights and constants; writes eight bytes of
    // each column of the output: the caller vouches for all of them.
    unsafe {
        if STRIDE == 1 {
            run!(1);
        } else {
            run!(2);
        }
    }
}

/// As [`columns`], with the three rows (and a zero) of a channel side by side, as `sdot` takes them.
///
/// # Safety
///
/// As for [`columns`].
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn columns_dot<const STRIDE: usize>(columns: &Columns) {
    macro_rules! load {
        (a) => {
            load!("0", "1")
        };
        (b) => {
            load!("2", "3")
        };
        (c) => {
            load!("4", "5")
        };
        ($low:literal, $high:literal) => {
            lines!(
                "ld1 {{v6.8b}}, [{a}], {channels}",
                "ld1 {{v7.8b}}, [{b}], {channels}",
                "ld1 {{v8.8b}}, [{c}], {channels}",
                "zip1 v6.16b, v6.16b, v7.16b",
                "zip1 v8.16b, v8.16b, v11.16b",
                concat!("zip1 v", $low, ".8h, v6.8h, v8.8h"),
                concat!("zip2 v", $high, ".8h, v6.8h, v8.8h"),
            )
        };
    }
    macro_rules! value {
        (a, b, c) => {
            value!("0", "1", "2", "3", "4", "5")
        };
        (b, c, a) => {
            value!("2", "3", "4", "5", "0", "1")
        };
        (c, a, b) => {
            value!("4", "5", "0", "1", "2", "3")
        };
        ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal) => {
            lines!(
                "ldp q9, q10, [{constants}]",
                concat!("sdot v9.4s, v", $a, ".16b, v16.16b"),
                concat!("sdot v10.4s, v", $b, ".16b, v17.16b"),
                concat!("sdot v9.4s, v", $c, ".16b, v18.16b"),
                concat!("sdot v10.4s, v", $d, ".16b, v19.16b"),
                concat!("sdot v9.4s, v", $e, ".16b, v20.16b"),
                concat!("sdot v10.4s, v", $f, ".16b, v21.16b"),
                scale!("9", "10", "22", "23", "24", "25"),
                "sqadd v9.8h, v9.8h, v26.8h",
                "sqxtn v9.8b, v9.8h",
                "smax v9.8b, v9.8b, v27.8b",
                "smin v9.8b, v9.8b, v28.8b",
                "st1 {{v9.8b}}, [{output}], {channels}",
            )
        };
    }
    macro_rules! run {
        ($stride:tt) => {
            asm!(
                "movi v11.2d, #0",
                "ldp q16, q17, [{weights}]",
                "ldp q18, q19, [{weights}, #32]",
                "ldp q20, q21, [{weights}, #64]",
                "ldp q22, q23, [{constants}, #32]",
                "ldp q24, q25, [{constants}, #64]",
                "ldp q26, q27, [{constants}, #96]",
                "ldr q28, [{constants}, #128]",
                take_turns!($stride, load, value),
                a = inout(reg) columns.rows[0] => _,
                b = inout(reg) columns.rows[1] => _,
                c = inout(reg) columns.rows[2] => _,
                channels = in(reg) columns.channels,
                weights = in(reg) columns.weights,
                constants = in(reg) columns.constants,
                output = inout(reg) columns.output => _,
                width = inout(reg) columns.width => _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v16") _, out("v17") _,
                out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _,
                out("v25") _, out("v26") _, out("v27") _, out("v28") _,
                options(nostack),
            )
        };
    }
    // SAFETY: as in `columns`.
    unsafe {
        if STRIDE == 1 {
            run!(1);
        } else {
            run!(2);
        }
    }
}

/// The sum of two tensors, for factors that [`Addition::fits_vectors`] allows.
///
/// # Safety
///
/// The three slices have the same length.
#[target_feature(enable = "neon")]
pub(super) unsafe fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    // The input of the larger scale has a factor of exactly a half, whose product needs no rounding.
    let swapped = addition.factors[0].shift < 0;
    let (half, any) = if swapped { (1, 0) } else { (0, 1) };
    let (ones, others) = if swapped { (other, one) } else { (one, other) };
    let both = addition.factors[any].shift == 0;
    let zero_points = addition.zero_points.map(|zero_point| vdup_n_s8(zero_point as i8));
    let four = |value: i32| vdupq_n_s32(value);
    let Factor { multiplier, shift } = addition.factors[any];
    let (multiplier, shift) = (four(multiplier), four(shift));
    let (result, result_shift) = (four(addition.output.multiplier), four(addition.output.shift));
    let zero_point = vdupq_n_s16(addition.zero_point as i16);
    let (min, max) = (vdupq_n_s8(addition.min as i8), vdupq_n_s8(addition.max as i8));
    let round = |value: int32x4_t, multiplier: int32x4_t, shift: int32x4_t| {
        let high = vqrdmulhq_s32(value, multiplier);
        vrshlq_s32(vsraq_n_s32::<31>(high, high), shift)
    };
    // Eight values in the upper halves of 32 bits: shifted by 16 more.
    let upper = |value: int16x8_t| {
        let zero = vdupq_n_s16(0);
        [vreinterpretq_s32_s16(vzip1q_s16(zero, value)), vreinterpretq_s32_s16(vzip2q_s16(zero, value))]
    };
    const { assert!(Addition::LEFT == 20, "the shifts below, and 16 of the upper half") };
    let eight = |one: int8x8_t, other: int8x8_t| {
        let (one, other) = (vsubl_s8(one, zero_points[half]), vsubl_s8(other, zero_points[any]));
        let sums = if both {
            upper(vshlq_n_s16::<3>(vaddq_s16(one, other)))
        } else {
            let ones = upper(vshlq_n_s16::<3>(one));
            let others = upper(vshlq_n_s16::<4>(other)).map(|other| round(other, multiplier, shift));
            [vaddq_s32(ones[0], others[0]), vaddq_s32(ones[1], others[1])]
        };
        let [low, high] = sums.map(|sum| round(sum, result, result_shift));
        vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), zero_point)
    };
    let (one_chunks, one_rest) = ones.as_chunks::<16>();
    let (other_chunks, other_rest) = others.as_chunks::<16>();
    let (outputs, output_rest) = output.as_chunks_mut::<16>();
    for ((output, one), other) in outputs.iter_mut().zip(one_chunks).zip(other_chunks) {
        // SAFETY: the arrays have sixteen bytes.
        let (one, other) = unsafe { (vld1q_s8(one.as_ptr()), vld1q_s8(other.as_ptr())) };
        let low = eight(vget_low_s8(one), vget_low_s8(other));
        let high = eight(vget_high_s8(one), vget_high_s8(other));
        let value = vqmovn_high_s16(vqmovn_s16(low), high);
        let value = vminq_s8(vmaxq_s8(value, min), max);
        // SAFETY: as above.
        unsafe { vst1q_s8(output.as_mut_ptr(), value) };
    }
    let (one_rest, other_rest) = if swapped { (other_rest, one_rest) } else { (one_rest, other_rest) };
    portable::add(addition, one_rest, other_rest, output_rest);
}

/// The greatest of windows of 2 × 2, for at least 16 channels.
///
/// # Safety
///
/// Both rows hold the windows of all outputs, of which there are whole pixels.
#[target_feature(enable = "neon")]
pub(super) unsafe fn maximum(windows: &Windows<'_>, output: &mut [i8]) {
    let Windows { rows, channels, stride } = *windows;
    for (window, output) in output.chunks_exact_mut(channels).enumerate() {
        let start = window * stride * channels;
        for channel in (0..channels).step_by(16) {
            // The last goes over channels again rather than be smaller.
            let channel = channel.min(channels - 16);
            // SAFETY: the caller vouches for two pixels of each row, and the output has one.
            unsafe {
                let load = |row: usize, at: usize| vld1q_s8(rows[row].as_ptr().add(start + at + channel));
                let upper = vmaxq_s8(load(0, 0), load(0, channels));
                let lower = vmaxq_s8(load(1, 0), load(1, channels));
                vst1q_s8(output.as_mut_ptr().add(channel), vmaxq_s8(upper, lower));
            }
        }
    }
}
