//! AVX2, and AVX-VNNI where the processor has it.
//!
//! Plain AVX2 has no product of bytes that cannot saturate, so bytes are widened to 16 bits and multiplied in pairs: the
//! weights when they are packed, where they are doubled, too, since a doubled sum times a multiplier has the result of
//! the first rounding in the upper half of its 64 bits.

use alloc::vec::Vec;
use core::arch::x86_64::*;

use super::{Addition, Depthwise, Packed, Product, Windows, portable};
use crate::quantize::{Factor, Requantize};

/// Channels in a vector of sums.
const LANES: usize = 8;

/// Channels that the kernels of plain AVX2 take at once: two vectors of sums.
const BLOCK: usize = 16;

/// Rows of a tile.
const ROWS: usize = 4;

/// Most of the depth that is widened at once: four rows of it, and the weights it meets, stay in the first cache.
const WIDENED: usize = 1024;

/// 32-bit words of constants for each vector of sums: [`Constants`].
const WORDS: usize = 5 * LANES;

/// The constants of vectors of sums whose lanes stand for these channels: doubled bias, multipliers, and those of the odd
/// lanes; then, in the order of [`Constants::times`], shifts to the right and their halves.
fn constants(requantize: &Requantize, lanes: &[Option<usize>]) -> Vec<i32> {
    let mut words = Vec::with_capacity(lanes.len() / LANES * WORDS);
    for lanes in lanes.chunks_exact(LANES) {
        let value = |values: &[i32], lane: usize, rest| lanes[lane].map_or(rest, |channel| values[channel]);
        words.extend((0..LANES).map(|lane| 2 * value(&requantize.bias, lane, 0)));
        words.extend((0..LANES).map(|lane| value(&requantize.multipliers, lane, 0)));
        words.extend((0..LANES).map(|lane| value(&requantize.multipliers, lane | 1, 0)));
        let right = |lane: usize| -value(&requantize.shifts, lane, -1);
        words.extend(SHUFFLED.map(right));
        words.extend(SHUFFLED.map(|lane| 1 << right(lane) >> 1));
    }
    words
}

/// The lanes of a vector, in the order in which [`Constants::times`] leaves them.
const SHUFFLED: [usize; LANES] = [0, 2, 1, 3, 4, 6, 5, 7];

/// What turns eight doubled sums into results.
#[derive(Clone, Copy)]
struct Constants {
    bias: __m256i,
    multiplier: __m256i,
    odd_multiplier: __m256i,
    right: __m256i,
    half: __m256i,
}

impl Constants {
    /// # Safety
    ///
    /// There are [`WORDS`] words.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(words: *const i32) -> Self {
        // SAFETY: the caller vouches for the words.
        unsafe {
            let eight = |at: usize| _mm256_loadu_si256(words.add(at * LANES).cast());
            Self {
                bias: eight(0),
                multiplier: eight(1),
                odd_multiplier: eight(2),
                right: eight(3),
                half: eight(4),
            }
        }
    }

    /// Doubled sum × multiplier ÷ 2^(32 + right), rounded twice as the reference does; the lanes come out as
    /// [`SHUFFLED`] says.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn times(&self, doubled: __m256i) -> __m256i {
        let nudge = _mm256_set1_epi64x(1 << 31);
        let even = _mm256_add_epi64(_mm256_mul_epi32(doubled, self.multiplier), nudge);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(doubled), self.odd_multiplier);
        let odd = _mm256_add_epi64(odd, nudge);
        let (even, odd) = (_mm256_castsi256_ps(even), _mm256_castsi256_ps(odd));
        let high = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(even, odd));
        let away = _mm256_add_epi32(_mm256_srai_epi32::<31>(high), self.half);
        _mm256_srav_epi32(_mm256_add_epi32(high, away), self.right)
    }
}

/// Bounds and zero point of stored values.
#[derive(Clone, Copy)]
struct Bounds {
    zero_point: __m256i,
    min: __m256i,
    max: __m256i,
}

impl Bounds {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(zero_point: i32, min: i32, max: i32) -> Self {
        Self {
            zero_point: _mm256_set1_epi16(zero_point as i16),
            min: _mm256_set1_epi8(min as i8),
            max: _mm256_set1_epi8(max as i8),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn of(requantize: &Requantize) -> Self {
        Self::new(requantize.zero_point, requantize.min, requantize.max)
    }

    /// Two times sixteen results of [`Constants::times`] to stored values, which stand in the order of their lanes within
    /// each four.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn stored(&self, one: [__m256i; 2], other: [__m256i; 2]) -> __m256i {
        let order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
        _mm256_shuffle_epi8(self.narrowed(one, other), _mm256_broadcastsi128_si256(order))
    }

    /// The same for results that already stand in order.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn narrowed(&self, one: [__m256i; 2], other: [__m256i; 2]) -> __m256i {
        let one = _mm256_adds_epi16(_mm256_packs_epi32(one[0], one[1]), self.zero_point);
        let other = _mm256_adds_epi16(_mm256_packs_epi32(other[0], other[1]), self.zero_point);
        let value = _mm256_packs_epi16(one, other);
        _mm256_min_epi8(_mm256_max_epi8(value, self.min), self.max)
    }
}

/// First channels of blocks, the last of which goes over channels again rather than be smaller.
fn blocks(channels: usize) -> Vec<usize> {
    (0..channels).step_by(BLOCK).map(|block| block.min(channels.saturating_sub(BLOCK))).collect()
}

/// For [`product`]: [block][depth / 2][16 channels][2] of doubled weights in 16 bits, filled up with zeros.
pub(super) fn pack_product(weights: &[i8], depth: usize, requantize: &Requantize) -> Packed<'static> {
    let channels = weights.len() / depth;
    let blocks = blocks(channels);
    let (mut packed, mut lanes) = (Vec::new(), Vec::new());
    for &block in &blocks {
        for pair in (0..depth).step_by(2) {
            for channel in block..block + BLOCK {
                for at in [pair, pair + 1] {
                    let there = channel < channels && at < depth;
                    let weight = if there { weights[channel * depth + at] } else { 0 };
                    packed.extend((2 * i16::from(weight)).to_le_bytes().map(|byte| byte as i8));
                }
            }
        }
        lanes.extend((block..block + BLOCK).map(|channel| (channel < channels).then_some(channel)));
    }
    Packed { weights: packed.into(), blocks, constants: constants(requantize, &lanes) }
}

/// # Safety
///
/// The processor has the instructions; `input` holds `rows` rows `stride` apart and 64 bytes more, `output` `rows` rows;
/// `product` was packed by [`pack_product`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn product(product: &Product, input: &[i8], stride: usize, rows: usize, output: &mut [i8]) {
    let channels = product.channels;
    let mut wide = [0i16; ROWS * WIDENED];
    let mut row = 0;
    while row < rows {
        // The last tile goes over rows again rather than be smaller.
        let (first, count) = if rows < ROWS { (row, 1) } else { (row.min(rows - ROWS), ROWS) };
        // SAFETY: the tile's rows are there.
        let input = unsafe { input.as_ptr().add(first * stride) };
        let once = product.depth <= WIDENED;
        if once {
            // SAFETY: so are sixteen bytes from any place of them on.
            unsafe { widen(input, stride, count, product.depth, &mut wide) };
        }
        for (number, &block) in product.blocks.iter().enumerate() {
            let mut eights = [0; ROWS * BLOCK];
            let (to, pitch) = if channels < BLOCK {
                (eights.as_mut_ptr(), BLOCK)
            } else {
                (output.as_mut_ptr().wrapping_add(first * channels + block), channels)
            };
            // SAFETY: as above; weights and constants are there for the block, and room for it in the output.
            unsafe {
                let constants = product.constants.as_ptr().add(number * 2 * WORDS);
                let mut weights =
                    product.weights.as_ptr().add(number * product.depth.div_ceil(2) * 4 * BLOCK).cast();
                let constants = [Constants::load(constants), Constants::load(constants.add(WORDS))];
                let mut sums = [[constants[0].bias, constants[1].bias]; ROWS];
                for start in (0..product.depth).step_by(WIDENED) {
                    let depth = (product.depth - start).min(WIDENED);
                    if !once {
                        widen(input.add(start), stride, count, depth, &mut wide);
                    }
                    if count == ROWS {
                        accumulate(&mut sums, wide.as_ptr(), weights, depth);
                    } else {
                        let [sums, ..] = &mut sums;
                        accumulate(core::array::from_mut(sums), wide.as_ptr(), weights, depth);
                    }
                    weights = weights.add(depth.div_ceil(2) * 2 * BLOCK);
                }
                store_rows(&constants, &Bounds::of(&product.requantize), sums, count, to, pitch);
            }
            if channels < BLOCK {
                let rows = output[first * channels..].chunks_exact_mut(channels).take(count);
                for (output, values) in rows.zip(eights.chunks_exact(BLOCK)) {
                    output.copy_from_slice(&values[..channels]);
                }
            }
        }
        row += count;
    }
}

/// Sixteen channels of the first `count` (1 or all) rows.
///
/// # Safety
///
/// `to` has room for sixteen values in each of `count` rows `pitch` apart.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store_rows(
    constants: &[Constants; 2],
    bounds: &Bounds,
    sums: [[__m256i; 2]; ROWS],
    count: usize,
    to: *mut i8,
    pitch: usize,
) {
    let times = |sums: [__m256i; 2]| [constants[0].times(sums[0]), constants[1].times(sums[1])];
    for pair in (0..count).step_by(2) {
        let value = bounds.stored(times(sums[pair]), times(sums[pair + 1]));
        // Fours of channels: 0, 8 of one row, then of the other, and 4, 12.
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let value = _mm256_permutevar8x32_epi32(value, order);
        // SAFETY: the caller vouches for the room.
        unsafe {
            let to = to.add(pair * pitch);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(value));
            if count > 1 {
                _mm_storeu_si128(to.add(pitch).cast(), _mm256_extracti128_si256::<1>(value));
            }
        }
    }
}

/// Rows in 16 bits, [`WIDENED`] apart.
///
/// # Safety
///
/// The first `count` rows (at most [`ROWS`]) hold sixteen bytes from any value below `depth`, at most [`WIDENED`], on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn widen(
    input: *const i8,
    stride: usize,
    count: usize,
    depth: usize,
    wide: &mut [i16; ROWS * WIDENED],
) {
    for row in 0..count {
        for at in (0..depth).step_by(16) {
            // SAFETY: the caller vouches for the bytes; rows of `wide` hold whole sixteens.
            unsafe {
                let sixteen = _mm_loadu_si128(input.add(row * stride + at).cast());
                let to = wide.as_mut_ptr().add(row * WIDENED + at);
                _mm256_storeu_si256(to.cast(), _mm256_cvtepi8_epi16(sixteen));
            }
        }
    }
}

/// Adds the doubled products of rows of `wide` with a block's weights.
///
/// # Safety
///
/// The rows hold `depth` values, and one more if that is odd; so do the weights of sixteen channels.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn accumulate<const COUNT: usize>(
    sums: &mut [[__m256i; 2]; COUNT],
    wide: *const i16,
    weights: *const i16,
    depth: usize,
) {
    let mut all = *sums;
    for pair in 0..depth.div_ceil(2) {
        // SAFETY: the caller vouches for rows and weights.
        unsafe {
            let weights = weights.add(pair * 2 * BLOCK);
            let low = _mm256_loadu_si256(weights.cast());
            let high = _mm256_loadu_si256(weights.add(BLOCK).cast());
            for (row, sums) in all.iter_mut().enumerate() {
                let two = wide.add(row * WIDENED + pair * 2).cast::<i32>().read_unaligned();
                let two = _mm256_set1_epi32(two);
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(two, low));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(two, high));
            }
        }
    }
    *sums = all;
}

/// For [`product_vnni`]: [channel / 8][depth / 4][8 channels][4], filled up with zeros.  VNNI takes inputs as value + 128;
/// the bias makes up for it.
pub(super) fn pack_product_vnni(weights: &[i8], depth: usize, requantize: &mut Requantize) -> Vec<i8> {
    for (bias, weights) in requantize.bias.iter_mut().zip(weights.chunks_exact(depth)) {
        *bias -= 128 * weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
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

/// Rows × weights with AVX-VNNI.
///
/// # Safety
///
/// As for [`product`], but packed by [`pack_product_vnni`].
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn product_vnni(
    product: &Product,
    input: &[i8],
    stride: usize,
    rows: usize,
    output: &mut [i8],
) {
    const ROWS: usize = 8;
    let requantize = &product.requantize;
    let mut row = 0;
    while row < rows {
        // The last tile goes over rows again rather than be smaller.
        let (first, count) = if rows < ROWS { (row, 1) } else { (row.min(rows - ROWS), ROWS) };
        for channel in (0..product.channels).step_by(LANES) {
            // SAFETY: the tile's rows are there, and weights and constants for eight channels.
            unsafe {
                let input = input.as_ptr().add(first * stride);
                let mut sums = [_mm256_setzero_si256(); ROWS];
                if count == 1 {
                    sums[0] = sums_vnni::<1>(product, input, stride, channel)[0];
                } else {
                    sums = sums_vnni::<ROWS>(product, input, stride, channel);
                }
                let scale = Scale::load(requantize, channel);
                for (at, sum) in sums.iter().take(count).enumerate() {
                    let value =
                        narrow(scale.times(*sum), requantize.zero_point, requantize.min, requantize.max);
                    let output = output.as_mut_ptr().add((first + at) * product.channels + channel);
                    store(output, value, product.channels - channel);
                }
            }
        }
        row += count;
    }
}

/// # Safety
///
/// The rows are there with 64 bytes more; weights and bias hold eight channels from `channel` on.
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

/// For each block of 16 channels [column][rows 0 and 1, row 2 and nothing][part][8 channels][2] of doubled weights in 16
/// bits, where part 0 holds channels 0–3 and 8–11 and part 1 the others, as they fall when 16-bit rows are interleaved.
pub(super) fn pack_depthwise(by_channel: &[i8], requantize: &Requantize) -> Packed<'static> {
    let channels = by_channel.len() / 9;
    let blocks = blocks(channels);
    let (mut packed, mut lanes) = (Vec::new(), Vec::new());
    let channel = |block: usize, part: usize, lane: usize| {
        let channel = block + lane / 4 * 8 + part * 4 + lane % 4;
        (channel < channels).then_some(channel)
    };
    for &block in &blocks {
        for column in 0..3 {
            for pair in [0, 2] {
                for part in 0..2 {
                    for lane in 0..LANES {
                        let weight = |row: usize| match channel(block, part, lane) {
                            Some(channel) if row < 3 => by_channel[channel * 9 + row * 3 + column],
                            _ => 0,
                        };
                        for row in [pair, pair + 1] {
                            packed.extend((2 * i16::from(weight(row))).to_le_bytes().map(|byte| byte as i8));
                        }
                    }
                }
            }
        }
        for part in 0..2 {
            lanes.extend((0..LANES).map(|lane| channel(block, part, lane)));
        }
    }
    Packed { weights: packed.into(), blocks, constants: constants(requantize, &lanes) }
}

/// Sixteen channels of a column, rows 0 and 1, and row 2 and a zero, side by side.
///
/// # Safety
///
/// The rows hold sixteen bytes from `at` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_column(rows: [*const i8; 3], at: usize) -> [__m256i; 4] {
    // SAFETY: the caller vouches for the bytes.
    let [a, b, c] = rows.map(|row| unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(row.add(at).cast())) });
    let zero = _mm256_setzero_si256();
    [
        _mm256_unpacklo_epi16(a, b),
        _mm256_unpackhi_epi16(a, b),
        _mm256_unpacklo_epi16(c, zero),
        _mm256_unpackhi_epi16(c, zero),
    ]
}

/// # Safety
///
/// The processor has the instructions; the rows hold the columns that `width` outputs need and 64 bytes more, `output`
/// `width` columns; `depthwise` was packed by [`pack_depthwise`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn depthwise_row(depthwise: &Depthwise, rows: [&[i8]; 3], width: usize, output: &mut [i8]) {
    let Depthwise { channels, stride, .. } = *depthwise;
    let rows = rows.map(<[i8]>::as_ptr);
    let bounds = Bounds::of(&depthwise.requantize);
    for (number, &block) in depthwise.blocks.iter().enumerate() {
        // SAFETY: each block has 12 vectors of weights and two of each constant.
        let (weights, constants) = unsafe {
            let constants = depthwise.constants.as_ptr().add(number * 2 * WORDS);
            (
                depthwise.weights.as_ptr().add(number * 12 * 32).cast::<__m256i>(),
                [Constants::load(constants), Constants::load(constants.add(WORDS))],
            )
        };
        let results = |columns: [[__m256i; 4]; 3]| {
            let [mut low, mut high] = [constants[0].bias, constants[1].bias];
            for (column, pairs) in columns.into_iter().enumerate() {
                // SAFETY: as above.
                let weights = |pair: usize| unsafe { _mm256_loadu_si256(weights.add(column * 4 + pair)) };
                low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs[0], weights(0)));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs[1], weights(1)));
                low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs[2], weights(2)));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs[3], weights(3)));
            }
            [constants[0].times(low), constants[1].times(high)]
        };
        let mut to = output.as_mut_ptr().wrapping_add(block);
        // Two columns of outputs, or the first of them.
        let mut put = |one: [__m256i; 2], other: [__m256i; 2], both: bool| {
            let value = _mm256_permute4x64_epi64::<0b11_01_10_00>(bounds.stored(one, other));
            for value in [_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value)]
                .into_iter()
                .take(1 + usize::from(both))
            {
                // SAFETY: the column's channels lie in the output.
                unsafe {
                    if channels >= BLOCK {
                        _mm_storeu_si128(to.cast(), value);
                    } else {
                        let mut bytes = [0i8; BLOCK];
                        _mm_storeu_si128(bytes.as_mut_ptr().cast(), value);
                        core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, channels);
                    }
                }
                to = to.wrapping_add(channels);
            }
        };
        // SAFETY: each column and the block's channels in it lie inside the rows, which go on for 64 bytes.
        let load = |column: usize| unsafe { load_column(rows, column * channels + block) };
        let mut at = 0;
        if stride == 1 {
            let (mut one, mut two) = (load(0), load(1));
            while at + 2 <= width {
                let (three, four) = (load(at + 2), load(at + 3));
                put(results([one, two, three]), results([two, three, four]), true);
                (one, two) = (three, four);
                at += 2;
            }
        }
        while at < width {
            let columns = [0, 1, 2].map(|column| load(at * stride + column));
            let result = results(columns);
            put(result, result, false);
            at += 1;
        }
    }
}

/// The sum of two tensors, for factors that [`Addition::fits_vectors`] allows.
///
/// # Safety
///
/// The processor has the instructions; the three slices have the same length.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    // The input of the larger scale has a factor of exactly a half, whose product needs no rounding.
    let swapped = addition.factors[0].shift < 0;
    let (half, any) = if swapped { (1, 0) } else { (0, 1) };
    let (ones, others) = if swapped { (other, one) } else { (one, other) };
    let both = addition.factors[any].shift == 0;
    let zero_points = addition.zero_points.map(|zero_point| _mm256_set1_epi16(zero_point as i16));
    let constants = |factor: Factor| {
        let right = -factor.shift;
        Constants {
            bias: _mm256_setzero_si256(),
            multiplier: _mm256_set1_epi32(factor.multiplier),
            odd_multiplier: _mm256_set1_epi32(factor.multiplier),
            right: _mm256_set1_epi32(right),
            half: _mm256_set1_epi32(1 << right >> 1),
        }
    };
    let (scaled, result) = (constants(addition.factors[any]), constants(addition.output));
    let bounds = Bounds::new(addition.zero_point, addition.min, addition.max);
    // Sixteen values in the upper halves of 32 bits: shifted by 16 more.
    let upper = |value: __m256i| {
        let zero = _mm256_setzero_si256();
        [_mm256_unpacklo_epi16(zero, value), _mm256_unpackhi_epi16(zero, value)]
    };
    // In the order that `times` makes, and that it undoes when it comes again.
    let shuffled = |values: [__m256i; 2]| values.map(|value| _mm256_shuffle_epi32::<0b11_01_10_00>(value));
    const { assert!(Addition::LEFT == 20, "the shifts below, and 16 of the upper half, and a doubling") };
    let sixteen = |one: *const i8, other: *const i8| {
        // SAFETY: both have sixteen bytes.
        let [one, other] =
            [one, other].map(|values| unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(values.cast())) });
        let (one, other) =
            (_mm256_sub_epi16(one, zero_points[half]), _mm256_sub_epi16(other, zero_points[any]));
        let sums = if both {
            shuffled(upper(_mm256_slli_epi16::<3>(_mm256_add_epi16(one, other))))
        } else {
            let ones = shuffled(upper(_mm256_slli_epi16::<3>(one)));
            let others = upper(_mm256_slli_epi16::<5>(other)).map(|doubled| scaled.times(doubled));
            [_mm256_add_epi32(ones[0], others[0]), _mm256_add_epi32(ones[1], others[1])]
        };
        sums.map(|sum| result.times(_mm256_add_epi32(sum, sum)))
    };
    let (one_chunks, one_rest) = ones.as_chunks::<32>();
    let (other_chunks, other_rest) = others.as_chunks::<32>();
    let (outputs, output_rest) = output.as_chunks_mut::<32>();
    for ((output, one), other) in outputs.iter_mut().zip(one_chunks).zip(other_chunks) {
        let first = sixteen(one.as_ptr(), other.as_ptr());
        let second = sixteen(one[16..].as_ptr(), other[16..].as_ptr());
        let value = _mm256_permute4x64_epi64::<0b11_01_10_00>(bounds.narrowed(first, second));
        // SAFETY: the array has 32 bytes.
        unsafe { _mm256_storeu_si256(output.as_mut_ptr().cast(), value) };
    }
    let (one_rest, other_rest) = if swapped { (other_rest, one_rest) } else { (one_rest, other_rest) };
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
