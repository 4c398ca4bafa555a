//! AVX2, and AVX-VNNI where the processor has it.
//!
//! Plain AVX2 has no product of bytes that cannot saturate, so bytes are widened to 16 bits and multiplied in pairs.

use alloc::vec::Vec;
use core::arch::x86_64::*;

use super::{Addition, Depthwise, Packed, Product, Windows, portable};
use crate::quantize::{Factor, Requantize};

/// Channels in a vector of sums.
const LANES: usize = 8;

/// [channel / 8][depth / 4][8 channels][4], filled up with zeros.  With VNNI, which takes inputs as value + 128, the
/// bias makes up for it.
pub(super) fn pack_product(weights: &[i8], depth: usize, vnni: bool, requantize: &mut Requantize) -> Vec<i8> {
    if vnni {
        for (bias, weights) in requantize.bias.iter_mut().zip(weights.chunks_exact(depth)) {
            *bias -= 128 * weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
        }
    }
    let channels = requantize.bias.len();
    requantize.pad(LANES);
    let mut packed = Vec::new();
    for block in (0..channels).step_by(LANES) {
        for quad in (0..depth).step_by(4) {
            for channel in block..block + LANES {
                packed.extend((quad..quad + 4).map(|at| {
                    if channel < channels && at < depth { weights[channel * depth + at] } else { 0 }
                }));
            }
        }
    }
    packed
}

/// What turns eight sums into stored values.
struct Scale {
    multiplier: __m256i,
    odd_multiplier: __m256i,
    right: __m256i,
    half: __m256i,
}

impl Scale {
    /// Of the channels from `channel` on.
    ///
    /// # Safety
    ///
    /// There are eight of them.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(requantize: &Requantize, channel: usize) -> Self {
        // SAFETY: the caller vouches for the eight values.
        let (multiplier, shift) = unsafe {
            (
                _mm256_loadu_si256(requantize.multipliers.as_ptr().add(channel).cast()),
                _mm256_loadu_si256(requantize.shifts.as_ptr().add(channel).cast()),
            )
        };
        Self::new(multiplier, shift)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(multiplier: __m256i, shift: __m256i) -> Self {
        let right = _mm256_sub_epi32(_mm256_setzero_si256(), shift);
        let half = _mm256_srli_epi32::<1>(_mm256_sllv_epi32(_mm256_set1_epi32(1), right));
        Self { multiplier, odd_multiplier: _mm256_srli_epi64::<32>(multiplier), right, half }
    }

    /// sum × multiplier ÷ 2^(31 + right), rounded twice as the reference does.  Sums are below 2³⁰, so that they can be
    /// doubled: the high half of the product is then the result of the first rounding.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(&self, sum: __m256i) -> __m256i {
        let doubled = _mm256_add_epi32(sum, sum);
        let nudge = _mm256_set1_epi64x(1 << 31);
        let even = _mm256_add_epi64(_mm256_mul_epi32(doubled, self.multiplier), nudge);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(doubled), self.odd_multiplier);
        let odd = _mm256_add_epi64(odd, nudge);
        let high = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        let shifted = _mm256_cmpgt_epi32(self.right, _mm256_setzero_si256());
        let away = _mm256_and_si256(_mm256_srai_epi32::<31>(high), shifted);
        _mm256_srav_epi32(_mm256_add_epi32(high, _mm256_add_epi32(away, self.half)), self.right)
    }
}

/// Eight results, in order, to eight stored values in the low half.
#[inline]
#[target_feature(enable = "avx2")]
fn narrow(value: __m256i, zero_point: i32, min: i32, max: i32) -> __m128i {
    let value = _mm256_add_epi32(value, _mm256_set1_epi32(zero_point));
    let value = _mm_packs_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
    let value = _mm_packs_epi16(value, value);
    _mm_min_epi8(_mm_max_epi8(value, _mm_set1_epi8(min as i8)), _mm_set1_epi8(max as i8))
}

/// # Safety
///
/// `output` has room for `there` bytes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store(output: *mut i8, value: __m128i, there: usize) {
    if there >= LANES {
        // SAFETY: the caller vouches for the room.
        unsafe { _mm_storel_epi64(output.cast(), value) };
    } else {
        let bytes = _mm_cvtsi128_si64(value).to_le_bytes();
        // SAFETY: as above.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), output, there) };
    }
}

/// Defines a product from the function that adds up a tile of ROWS × 8 channels.
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $features:literal, $rows:literal, $sums:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The processor has the instructions; `input` holds `rows` rows `stride` apart and 64 bytes more, `output`
        /// `rows` rows; `product` was packed by [`pack_product`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(
            product: &Product,
            input: &[i8],
            stride: usize,
            rows: usize,
            output: &mut [i8],
        ) {
            let requantize = &product.requantize;
            let mut row = 0;
            while row < rows {
                // The last tile goes over rows again rather than be smaller.
                let (first, count) = if rows < $rows { (row, 1) } else { (row.min(rows - $rows), $rows) };
                for channel in (0..product.channels).step_by(LANES) {
                    // SAFETY: the tile's rows are there, and weights and constants for eight channels.
                    unsafe {
                        let input = input.as_ptr().add(first * stride);
                        let mut sums = [_mm256_setzero_si256(); $rows];
                        if count == 1 {
                            sums[0] = $sums::<1>(product, input, stride, channel)[0];
                        } else {
                            sums = $sums::<$rows>(product, input, stride, channel);
                        }
                        let scale = Scale::load(requantize, channel);
                        for (at, sum) in sums.iter().take(count).enumerate() {
                            let value = narrow(
                                scale.times(*sum), requantize.zero_point, requantize.min, requantize.max,
                            );
                            let output = output.as_mut_ptr().add((first + at) * product.channels + channel);
                            store(output, value, product.channels - channel);
                        }
                    }
                }
                row += count;
            }
        }
    };
}

product! {
    /// Rows × weights with AVX2.
    product, "avx2", 4, sums
}
product! {
    /// Rows × weights with AVX-VNNI.
    product_vnni, "avx2,avxvnni", 8, sums_vnni
}

/// # Safety
///
/// The rows are there with 64 bytes more; weights and bias hold eight channels from `channel` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums<const ROWS: usize>(
    product: &Product,
    input: *const i8,
    stride: usize,
    channel: usize,
) -> [__m256i; ROWS] {
    let quads = product.depth.div_ceil(4);
    // Two partial sums for each of channels 0 to 3, and for 4 to 7.
    let mut low = [_mm256_setzero_si256(); ROWS];
    let mut high = low;
    // SAFETY: passed on from the caller.
    unsafe {
        let weights = product.weights.as_ptr().add(channel * quads * 4);
        for quad in 0..quads {
            let weights = weights.add(quad * 32);
            let weights_low = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.cast()));
            let weights_high = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(16).cast()));
            for row in 0..ROWS {
                let four = input.add(row * stride + quad * 4).cast::<i32>().read_unaligned();
                let four = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
                low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(four, weights_low));
                high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(four, weights_high));
            }
        }
        let bias = _mm256_loadu_si256(product.requantize.bias.as_ptr().add(channel).cast());
        for (low, high) in low.iter_mut().zip(high) {
            let sum = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(*low, high));
            *low = _mm256_add_epi32(sum, bias);
        }
    }
    low
}

/// # Safety
///
/// As for [`sums`].
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn sums_vnni<const ROWS: usize>(
    product: &Product,
    input: *const i8,
    stride: usize,
    channel: usize,
) -> [__m256i; ROWS] {
    let quads = product.depth.div_ceil(4);
    let sign = _mm256_set1_epi8(i8::MIN);
    // SAFETY: passed on from the caller.
    unsafe {
        let bias = _mm256_loadu_si256(product.requantize.bias.as_ptr().add(channel).cast());
        let mut sums = [bias; ROWS];
        let weights = product.weights.as_ptr().add(channel * quads * 4);
        for quad in 0..quads {
            let weights = _mm256_loadu_si256(weights.add(quad * 32).cast());
            for (row, sum) in sums.iter_mut().enumerate() {
                let four = input.add(row * stride + quad * 4).cast::<i32>().read_unaligned();
                let four = _mm256_xor_si256(_mm256_set1_epi32(four), sign);
                *sum = _mm256_dpbusd_avx_epi32(*sum, four, weights);
            }
        }
        sums
    }
}

/// Channels that a depthwise kernel takes at once.
const BLOCK: usize = 16;

/// For each block of 16 channels [column][rows 0 and 1, row 2 and nothing][part][8 channels][2] in 16 bits, where part 0
/// holds channels 0–3 and 8–11 and part 1 the others, as they fall when 16-bit rows are interleaved.
pub(super) fn pack_depthwise(by_channel: &[i8], requantize: &mut Requantize) -> Packed {
    let channels = by_channel.len() / 9;
    requantize.pad(BLOCK);
    let blocks: Vec<usize> = (0..channels).step_by(BLOCK).collect();
    let mut packed = Vec::new();
    for &block in &blocks {
        for column in 0..3 {
            for pair in [0, 2] {
                for part in 0..2 {
                    for lane in 0..LANES {
                        let channel = block + lane / 4 * 8 + part * 4 + lane % 4;
                        let weight = |row: usize| {
                            let there = channel < channels && row < 3;
                            if there { by_channel[channel * 9 + row * 3 + column] } else { 0 }
                        };
                        for row in [pair, pair + 1] {
                            packed.extend(i16::from(weight(row)).to_le_bytes().map(|byte| byte as i8));
                        }
                    }
                }
            }
        }
    }
    Packed { weights: packed, blocks, constants: Vec::new() }
}

/// # Safety
///
/// The processor has the instructions; the rows hold the columns that `width` outputs need and 64 bytes more, `output`
/// `width` columns; `depthwise` was packed by [`pack_depthwise`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn depthwise_row(depthwise: &Depthwise, rows: [&[i8]; 3], width: usize, output: &mut [i8]) {
    let Depthwise { channels, stride, requantize, .. } = depthwise;
    let widen = |row: usize, at: usize| {
        // SAFETY: sixteen bytes from a value of the row on lie in it and the 64 bytes behind it.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(rows[row].as_ptr().add(at).cast())) }
    };
    for (number, &block) in depthwise.blocks.iter().enumerate() {
        // SAFETY: each block has 12 vectors of weights and 16 constants.
        let (weights, low_scale, high_scale, low_bias, high_bias) = unsafe {
            let bias = requantize.bias.as_ptr().add(block);
            (
                depthwise.weights.as_ptr().add(number * 12 * 32),
                Scale::load(requantize, block),
                Scale::load(requantize, block + LANES),
                _mm256_loadu_si256(bias.cast()),
                _mm256_loadu_si256(bias.add(LANES).cast()),
            )
        };
        let there = (channels - block).min(BLOCK);
        for at in 0..width {
            let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
            for column in 0..3 {
                let start = (at * stride + column) * channels + block;
                let (a, b, c) = (widen(0, start), widen(1, start), widen(2, start));
                let zero = _mm256_setzero_si256();
                let pairs = [
                    _mm256_unpacklo_epi16(a, b),
                    _mm256_unpackhi_epi16(a, b),
                    _mm256_unpacklo_epi16(c, zero),
                    _mm256_unpackhi_epi16(c, zero),
                ];
                // SAFETY: as above.
                unsafe {
                    let weights =
                        |pair: usize| _mm256_loadu_si256(weights.add((column * 4 + pair) * 32).cast());
                    low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs[0], weights(0)));
                    high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs[1], weights(1)));
                    low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs[2], weights(2)));
                    high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs[3], weights(3)));
                }
            }
            // Back to the order of channels.
            let first = _mm256_permute2x128_si256::<0x20>(low, high);
            let second = _mm256_permute2x128_si256::<0x31>(low, high);
            for (part, (sum, bias, scale)) in
                [(first, low_bias, &low_scale), (second, high_bias, &high_scale)].into_iter().enumerate()
            {
                if part * LANES < there {
                    let value = scale.times(_mm256_add_epi32(sum, bias));
                    let value = narrow(value, requantize.zero_point, requantize.min, requantize.max);
                    // SAFETY: the column's channels lie in the output.
                    unsafe {
                        let output = output.as_mut_ptr().add(at * channels + block + part * LANES);
                        store(output, value, there - part * LANES);
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// The processor has the instructions; the three slices have the same length.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    let scale =
        |factor: Factor| Scale::new(_mm256_set1_epi32(factor.multiplier), _mm256_set1_epi32(factor.shift));
    let (scales, result) = (addition.factors.map(scale), scale(addition.output));
    let scaled = |input: usize, stored: &[i8; LANES]| {
        // SAFETY: eight bytes are loaded, which the array has.
        let difference = _mm256_cvtepi8_epi32(unsafe { _mm_loadl_epi64(stored.as_ptr().cast()) });
        let difference = _mm256_sub_epi32(difference, _mm256_set1_epi32(addition.zero_points[input]));
        scales[input].times(_mm256_slli_epi32::<{ Addition::LEFT as i32 }>(difference))
    };
    let eight = |one: &[i8; LANES], other: &[i8; LANES]| {
        let sum = result.times(_mm256_add_epi32(scaled(0, one), scaled(1, other)));
        narrow(sum, addition.zero_point, addition.min, addition.max)
    };
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    let (outputs, output_rest) = output.as_chunks_mut::<LANES>();
    for ((output, one), other) in outputs.iter_mut().zip(ones).zip(others) {
        // SAFETY: the array has eight bytes.
        unsafe { store(output.as_mut_ptr(), eight(one, other), LANES) };
    }
    portable::add(addition, one_rest, other_rest, output_rest);
}

/// The greatest of windows, as the portable kernel has it, compiled for wider vectors.
///
/// # Safety
///
/// The processor has the instructions.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn maximum(windows: &Windows<'_>, output: &mut [i8]) {
    portable::maximum(windows, output);
}
