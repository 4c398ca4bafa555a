//! AVX-512 with VNNI: dot products of four bytes in each of sixteen lanes.
//!
//! `vpdpbusd` wants one side unsigned: the inputs are taken as value + 128, and the bias makes up for it.

use alloc::vec::Vec;
use core::arch::x86_64::*;

use super::{Addition, Depthwise, Packed, Product};
use crate::quantize::Requantize;

/// Channels in a vector of sums.
const LANES: usize = 16;

/// Takes the 128 that is added to each input off again.
fn unsign(by_channel: &[i8], depth: usize, requantize: &mut Requantize) {
    for (bias, weights) in requantize.bias.iter_mut().zip(by_channel.chunks_exact(depth)) {
        *bias -= 128 * weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
    }
}

/// [channel / 16][depth / 4][16 channels][4], filled up with zeros.
pub(super) fn pack_product(weights: &[i8], depth: usize, requantize: &mut Requantize) -> Vec<i8> {
    unsign(weights, depth, requantize);
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

/// What turns sixteen sums into stored values.
struct Scale {
    multiplier: __m512i,
    odd_multiplier: __m512i,
    right: __m512i,
    half: __m512i,
}

impl Scale {
    /// Of the channels from `channel` on.
    ///
    /// # Safety
    ///
    /// There are sixteen of them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn load(requantize: &Requantize, channel: usize) -> Self {
        // SAFETY: the caller vouches for the sixteen values.
        let (multiplier, shift) = unsafe {
            (
                _mm512_loadu_si512(requantize.multipliers.as_ptr().add(channel).cast()),
                _mm512_loadu_si512(requantize.shifts.as_ptr().add(channel).cast()),
            )
        };
        Self::new(multiplier, shift)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn new(multiplier: __m512i, shift: __m512i) -> Self {
        let right = _mm512_sub_epi32(_mm512_setzero_si512(), shift);
        let half = _mm512_srli_epi32::<1>(_mm512_sllv_epi32(_mm512_set1_epi32(1), right));
        Self { multiplier, odd_multiplier: _mm512_srli_epi64::<32>(multiplier), right, half }
    }

    /// sum × multiplier ÷ 2^(31 + right), rounded twice as the reference does.  Sums are below 2³⁰, so that they can be
    /// doubled: the high half of the product is then the result of the first rounding.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn times(&self, sum: __m512i) -> __m512i {
        let high = self.high(_mm512_add_epi32(sum, sum));
        let away = _mm512_add_epi32(_mm512_srai_epi32::<31>(high), self.half);
        _mm512_srav_epi32(_mm512_add_epi32(high, away), self.right)
    }

    /// The first rounding of a sum that is already doubled.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn high(&self, doubled: __m512i) -> __m512i {
        let nudge = _mm512_set1_epi64(1 << 31);
        let even = _mm512_add_epi64(_mm512_mul_epi32(doubled, self.multiplier), nudge);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(doubled), self.odd_multiplier);
        let odd = _mm512_add_epi64(odd, nudge);
        _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even)
    }
}

/// Sixteen sums, in order, to sixteen stored values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn store(scale: &Scale, requantize: &Requantize, sum: __m512i) -> __m128i {
    let value = _mm512_add_epi32(scale.times(sum), _mm512_set1_epi32(requantize.zero_point));
    let value = _mm512_cvtsepi32_epi8(value);
    let value = _mm_max_epi8(value, _mm_set1_epi8(requantize.min as i8));
    _mm_min_epi8(value, _mm_set1_epi8(requantize.max as i8))
}

/// # Safety
///
/// The processor has the instructions; `input` holds `rows` rows `stride` apart and 64 bytes more, `output` `rows` rows;
/// `product` was packed by [`pack_product`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn product(product: &Product, input: &[i8], stride: usize, rows: usize, output: &mut [i8]) {
    let (input, output) = (input.as_ptr(), output.as_mut_ptr());
    let mut channel = 0;
    while channel < product.channels {
        let vectors = (product.channels - channel).div_ceil(LANES).min(4);
        // SAFETY: passed on from the caller; the vectors cover channels that the packed weights and the padded
        // constants have.
        unsafe {
            match vectors {
                1 => columns::<12, 1>(product, input, stride, rows, output, channel),
                2 => columns::<10, 2>(product, input, stride, rows, output, channel),
                3 => columns::<8, 3>(product, input, stride, rows, output, channel),
                _ => columns::<6, 4>(product, input, stride, rows, output, channel),
            }
        }
        channel += vectors * LANES;
    }
}

/// All rows for `VECTORS` × 16 channels, `ROWS` at a time; the last tile goes over rows again rather than be smaller.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns<const ROWS: usize, const VECTORS: usize>(
    product: &Product,
    input: *const i8,
    stride: usize,
    rows: usize,
    output: *mut i8,
    channel: usize,
) {
    let mut row = 0;
    while row < rows {
        // SAFETY: a tile begins at a row that is followed by as many as it takes.
        unsafe {
            if rows < ROWS {
                tile::<1, VECTORS>(product, input, stride, output, row, channel);
                row += 1;
            } else {
                tile::<ROWS, VECTORS>(product, input, stride, output, row.min(rows - ROWS), channel);
                row += ROWS;
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    product: &Product,
    input: *const i8,
    stride: usize,
    output: *mut i8,
    row: usize,
    channel: usize,
) {
    let requantize = &product.requantize;
    let quads = product.depth.div_ceil(4);
    let sign = _mm512_set1_epi8(i8::MIN);
    let mut sums = [[_mm512_setzero_si512(); VECTORS]; ROWS];
    // SAFETY: the rows of the tile lie in the input, which goes on for 64 bytes, so that the last four of a row may lie
    // partly behind it (their weights are 0); weights and constants are there for all of the vectors' channels.
    unsafe {
        let input = input.add(row * stride);
        let weights = product.weights.as_ptr().add(channel * quads * 4);
        for vector in 0..VECTORS {
            let bias = requantize.bias.as_ptr().add(channel + vector * LANES);
            let bias = _mm512_loadu_si512(bias.cast());
            for sums in &mut sums {
                sums[vector] = bias;
            }
        }
        for quad in 0..quads {
            let mut columns = [_mm512_setzero_si512(); VECTORS];
            for (vector, columns) in columns.iter_mut().enumerate() {
                *columns = _mm512_loadu_si512(weights.add((vector * quads + quad) * 64).cast());
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let four = input.add(row * stride + quad * 4).cast::<i32>().read_unaligned();
                let four = _mm512_xor_si512(_mm512_set1_epi32(four), sign);
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbusd_epi32(*sum, four, columns);
                }
            }
        }
        for vector in 0..VECTORS {
            let channel = channel + vector * LANES;
            let scale = Scale::load(requantize, channel);
            let there = (product.channels - channel).min(LANES);
            let mask = ((1u32 << there) - 1) as u16;
            for (at, sums) in sums.iter().enumerate() {
                let value = store(&scale, requantize, sums[vector]);
                let output = output.add((row + at) * product.channels + channel);
                _mm_mask_storeu_epi8(output, mask, value);
            }
        }
    }
}

/// Channels, or channels of neighbouring columns, that a depthwise kernel takes at once.
const BLOCK: usize = 64;

/// Where the lanes of a block end up when rows of bytes are interleaved within quarters of a vector: element `at` of
/// part `part` holds the channel that this gives.
fn interleaved(part: usize, at: usize) -> usize {
    at / 4 * 16 + part * 4 + at % 4
}

/// For each block of 64 channels [column][part][16 channels][row, and a zero].
///
/// Blocks of fewer channels than 64 that divide it hold them repeatedly, for several columns at once.
pub(super) fn pack_depthwise(
    by_channel: &[i8],
    stride: usize,
    requantize: &mut Requantize,
) -> Packed<'static> {
    unsign(by_channel, 9, requantize);
    let channels = by_channel.len() / 9;
    let repeat = stride == 1 && BLOCK.is_multiple_of(channels);
    let blocks: Vec<usize> =
        (0..channels).step_by(BLOCK).map(|block| block.min(channels.saturating_sub(BLOCK))).collect();
    let mut packed = Vec::new();
    let unpacked = requantize.clone();
    requantize.bias.clear();
    requantize.multipliers.clear();
    requantize.shifts.clear();
    for &block in &blocks {
        let channel = |lane: usize| {
            let channel = if repeat { lane % channels } else { block + lane };
            (channel < channels).then_some(channel)
        };
        for column in 0..3 {
            for part in 0..4 {
                for at in 0..LANES {
                    let weight = |row: usize| {
                        channel(interleaved(part, at))
                            .map_or(0, |channel| by_channel[channel * 9 + row * 3 + column])
                    };
                    packed.extend([weight(0), weight(1), weight(2), 0]);
                }
            }
        }
        for part in 0..4 {
            for at in 0..LANES {
                let channel = channel(interleaved(part, at));
                requantize.bias.push(channel.map_or(0, |channel| unpacked.bias[channel]));
                requantize.multipliers.push(channel.map_or(0, |channel| unpacked.multipliers[channel]));
                requantize.shifts.push(channel.map_or(-1, |channel| unpacked.shifts[channel]));
            }
        }
    }
    Packed { weights: packed.into(), blocks, constants: Vec::new() }
}

/// # Safety
///
/// The processor has the instructions; the rows hold the columns that `width` outputs need and 64 bytes more, `output`
/// `width` columns; `depthwise` was packed by [`pack_depthwise`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn depthwise_row(depthwise: &Depthwise, rows: [&[i8]; 3], width: usize, output: &mut [i8]) {
    let channels = depthwise.channels;
    let rows = rows.map(<[i8]>::as_ptr);
    let output = output.as_mut_ptr();
    if depthwise.stride == 1 && BLOCK.is_multiple_of(channels) && channels < BLOCK {
        let length = width * channels;
        let kernel = DepthwiseBlock { depthwise, block: 0 };
        for start in (0..length).step_by(BLOCK) {
            // SAFETY: the three columns of each value begin inside the rows, which go on for 64 bytes.
            unsafe {
                let mut columns = [[_mm512_setzero_si512(); 4]; 3];
                for (column, parts) in columns.iter_mut().enumerate() {
                    *parts = load_column(rows, start + column * channels);
                }
                kernel.store(columns, output.add(start), (length - start).min(BLOCK));
            }
        }
        return;
    }
    for (block, &first) in depthwise.blocks.iter().enumerate() {
        let kernel = DepthwiseBlock { depthwise, block };
        let there = (channels - first).min(BLOCK);
        // SAFETY: each column and the block's channels in it lie inside the rows, which go on for 64 bytes.
        unsafe {
            if depthwise.stride == 1 {
                let mut one = load_column(rows, first);
                let mut two = load_column(rows, first + channels);
                for at in 0..width {
                    let three = load_column(rows, first + (at + 2) * channels);
                    kernel.store([one, two, three], output.add(at * channels + first), there);
                    (one, two) = (two, three);
                }
            } else {
                for at in 0..width {
                    let start = first + at * depthwise.stride * channels;
                    let one = load_column(rows, start);
                    let two = load_column(rows, start + channels);
                    let three = load_column(rows, start + 2 * channels);
                    kernel.store([one, two, three], output.add(at * channels + first), there);
                }
            }
        }
    }
}

/// 64 channels of one column, the three rows (and a zero) of a channel side by side.
///
/// # Safety
///
/// The rows hold 64 bytes from `at` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn load_column(rows: [*const i8; 3], at: usize) -> [__m512i; 4] {
    let sign = _mm512_set1_epi8(i8::MIN);
    // SAFETY: the caller vouches for the bytes.
    let [a, b, c] = unsafe { rows.map(|row| _mm512_loadu_si512(row.add(at).cast())) };
    let (a, b, c) = (_mm512_xor_si512(a, sign), _mm512_xor_si512(b, sign), _mm512_xor_si512(c, sign));
    let zero = _mm512_setzero_si512();
    let (ab, c0) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, zero));
    let (high_ab, high_c0) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, zero));
    [
        _mm512_unpacklo_epi16(ab, c0),
        _mm512_unpackhi_epi16(ab, c0),
        _mm512_unpacklo_epi16(high_ab, high_c0),
        _mm512_unpackhi_epi16(high_ab, high_c0),
    ]
}

struct DepthwiseBlock<'a> {
    depthwise: &'a Depthwise<'a>,
    block: usize,
}

impl DepthwiseBlock<'_> {
    /// The first `there` of 64 values.
    ///
    /// # Safety
    ///
    /// `output` has room for `there` bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn store(&self, columns: [[__m512i; 4]; 3], output: *mut i8, there: usize) {
        let requantize = &self.depthwise.requantize;
        let mut values = [_mm512_setzero_si512(); 4];
        for (part, value) in values.iter_mut().enumerate() {
            let at = self.block * BLOCK + part * LANES;
            // SAFETY: each block has 64 constants and 3 × 4 vectors of weights.
            unsafe {
                let mut sum = _mm512_loadu_si512(requantize.bias.as_ptr().add(at).cast());
                for (column, parts) in columns.iter().enumerate() {
                    let weights = (self.block * 12 + column * 4 + part) * 64;
                    let weights = _mm512_loadu_si512(self.depthwise.weights.as_ptr().add(weights).cast());
                    sum = _mm512_dpbusd_epi32(sum, parts[part], weights);
                }
                *value = Scale::load(requantize, at).times(sum);
            }
        }
        // Packing undoes the interleaving.
        let zero_point = _mm512_set1_epi16(requantize.zero_point as i16);
        let low = _mm512_adds_epi16(_mm512_packs_epi32(values[0], values[1]), zero_point);
        let high = _mm512_adds_epi16(_mm512_packs_epi32(values[2], values[3]), zero_point);
        let value = _mm512_packs_epi16(low, high);
        let value = _mm512_max_epi8(value, _mm512_set1_epi8(requantize.min as i8));
        let value = _mm512_min_epi8(value, _mm512_set1_epi8(requantize.max as i8));
        let mask = u64::MAX >> (BLOCK - there);
        // SAFETY: the caller vouches for the room.
        unsafe { _mm512_mask_storeu_epi8(output, mask, value) };
    }
}

/// # Safety
///
/// The processor has the instructions; the three slices have the same length.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    let scale = |factor: crate::quantize::Factor| {
        Scale::new(_mm512_set1_epi32(factor.multiplier), _mm512_set1_epi32(factor.shift))
    };
    let scales = [scale(addition.factors[0]), scale(addition.factors[1])];
    let result = scale(addition.output);
    let scaled = |input: usize, stored: __m128i| {
        let difference = _mm512_cvtepi8_epi32(stored);
        let difference = _mm512_sub_epi32(difference, _mm512_set1_epi32(addition.zero_points[input]));
        round(&scales[input], _mm512_slli_epi32::<{ Addition::LEFT }>(difference))
    };
    for start in (0..output.len()).step_by(LANES) {
        let mask = ((1u32 << (output.len() - start).min(LANES)) - 1) as u16;
        // SAFETY: the mask leaves out what lies behind the slices.
        unsafe {
            let one = scaled(0, _mm_maskz_loadu_epi8(mask, one.as_ptr().add(start)));
            let other = scaled(1, _mm_maskz_loadu_epi8(mask, other.as_ptr().add(start)));
            let sum = round(&result, _mm512_add_epi32(one, other));
            let value = _mm512_cvtsepi32_epi8(_mm512_add_epi32(sum, _mm512_set1_epi32(addition.zero_point)));
            let value = _mm_max_epi8(value, _mm_set1_epi8(addition.min as i8));
            let value = _mm_min_epi8(value, _mm_set1_epi8(addition.max as i8));
            _mm_mask_storeu_epi8(output.as_mut_ptr().add(start), mask, value);
        }
    }
}

/// As [`Scale::times`], also for shifts of 0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn round(scale: &Scale, value: __m512i) -> __m512i {
    let high = scale.high(_mm512_add_epi32(value, value));
    let shifts = _mm512_test_epi32_mask(scale.right, scale.right);
    let away = _mm512_maskz_srai_epi32::<31>(shifts, high);
    _mm512_srav_epi32(_mm512_add_epi32(high, _mm512_add_epi32(away, scale.half)), scale.right)
}
