//! The inner loops, in portable Rust and for the vector instructions of x86-64 and AArch64.
//!
//! The portable kernels are the reference: every other gives the same integers.  This module holds all of the crate's
//! `unsafe` code but that of the threads and of the signs of bytes; the types here check lengths, so that nothing outside can make a kernel leave its slices.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::plan::SLACK;
use crate::quantize::{Factor, Requantize};

/// A set of inner loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Plain Rust, for any processor: the reference.
    Portable,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-VNNI: as AVX2, with dot products of bytes.
    AvxVnni,
    /// x86-64 with AVX-512 (F, BW, VL) and its VNNI.
    Avx512Vnni,
    /// AArch64, any: Cortex-A53, Cortex-A72.
    Neon,
    /// AArch64 with dot products of bytes (`sdot`): Cortex-A76.
    NeonDot,
}

impl Kernels {
    /// All sets, the better of a processor's behind the lesser.
    pub const ALL: [Self; 6] =
        [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni, Self::Neon, Self::NeonDot];

    /// The best that this processor has.
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|kernels| kernels.available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has the instructions.
    pub fn available(self) -> bool {
        /// Asks the processor, or without the standard library the compiler.
        #[allow(unused_macros, reason = "each architecture asks for its own")]
        macro_rules! has {
            ($detect:ident, $($feature:tt),*) => {{
                #[cfg(feature = "std")]
                let found = $(std::arch::$detect!($feature))&&*;
                #[cfg(not(feature = "std"))]
                let found = $(cfg!(target_feature = $feature))&&*;
                found
            }};
        }
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => has!(is_x86_feature_detected, "avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => has!(is_x86_feature_detected, "avx2", "avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                has!(is_x86_feature_detected, "avx2", "avx512f", "avx512bw", "avx512vl", "avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => has!(is_aarch64_feature_detected, "neon"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => has!(is_aarch64_feature_detected, "neon", "dotprod"),
            #[allow(unreachable_patterns, reason = "the sets of the other architectures")]
            _ => false,
        }
    }

    /// This set if it gives exactly the reference's integers for these channels, else the portable one.
    ///
    /// Vector kernels add up in 32 bits with room for the rounding, and only shift to the right.  A channel that is beyond
    /// that, but has the same output whatever the input is, gets it from small numbers: training leaves such dead channels,
    /// with a tiny scale and so a large bias.
    fn exact_for(self, weights: &mut Cow<'_, [i8]>, depth: usize, requantize: &mut Requantize) -> Self {
        if self == Self::Portable {
            return self;
        }
        for channel in 0..weights.len() / depth {
            let own = &weights[channel * depth..][..depth];
            let sum: i64 = own.iter().map(|&weight| i64::from(weight.unsigned_abs())).sum();
            let bias = i64::from(requantize.bias[channel]);
            if sum * 256 + bias.abs() < 1 << 29
                && (-30..=-1).contains(&requantize.shifts[channel])
                // −128 would overflow the 16 bits in which some kernels add up two products.
                && !own.contains(&i8::MIN)
            {
                continue;
            }
            // The least and the greatest sum; what follows from a sum never falls where the sum rises.
            let ends = [bias - sum * 128, bias + sum * 128].map(i32::try_from);
            let [Ok(least), Ok(greatest)] = ends else { return Self::Portable };
            let value = requantize.stored(channel, least);
            if value != requantize.stored(channel, greatest) {
                return Self::Portable;
            }
            weights.to_mut()[channel * depth..][..depth].fill(0);
            // A quarter of four times the value.
            requantize.bias[channel] = 4 * (i32::from(value) - requantize.zero_point);
            (requantize.multipliers[channel], requantize.shifts[channel]) = (1 << 30, -1);
        }
        self
    }
}

/// Bytes of weights that do not lie in the file.
#[allow(clippy::ptr_arg, reason = "whether they are borrowed is the question")]
pub(crate) fn copied(weights: &Cow<'_, [i8]>) -> usize {
    match weights {
        Cow::Borrowed(_) => 0,
        Cow::Owned(weights) => weights.len(),
    }
}

/// Weights and constants in an order that suits kernels.
struct Packed<'a> {
    weights: Cow<'a, [i8]>,
    /// First channel of each block that the kernels take at once, if they want to be told.
    blocks: Vec<usize>,
    /// Of each block, if the kernels want them apart from [`Requantize`].
    constants: Vec<i32>,
}

impl<'a> From<Cow<'a, [i8]>> for Packed<'a> {
    fn from(weights: Cow<'a, [i8]>) -> Self {
        Self { weights, blocks: Vec::new(), constants: Vec::new() }
    }
}

impl From<Vec<i8>> for Packed<'_> {
    fn from(weights: Vec<i8>) -> Self {
        Cow::from(weights).into()
    }
}

/// Sums of products of rows with the weights of each channel: the heart of convolutions.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    kernels: Kernels,
    depth: usize,
    channels: usize,
    /// In an order that suits the kernels; the portable ones take them as the file has them.
    weights: Cow<'a, [i8]>,
    /// First channel of each block that the kernels take at once, and the constants of these: for kernels that want them.
    blocks: Vec<usize>,
    constants: Vec<i32>,
    requantize: Requantize,
}

impl<'a> Product<'a> {
    /// Packs `weights`, which come as [channel][depth].
    #[allow(unused_mut, reason = "not all architectures change it")]
    pub(crate) fn new(
        kernels: Kernels,
        mut weights: Cow<'a, [i8]>,
        depth: usize,
        mut requantize: Requantize,
    ) -> Self {
        let channels = weights.len() / depth;
        let kernels = kernels.exact_for(&mut weights, depth, &mut requantize);
        let Packed { weights, blocks, constants } = match kernels {
            Kernels::Portable => weights.into(),
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Vnni => avx512::pack_product(&weights, depth, &mut requantize).into(),
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2 => avx2::pack_product(&weights, depth, &requantize),
            #[cfg(target_arch = "x86_64")]
            Kernels::AvxVnni => avx2::pack_product_vnni(&weights, depth, &mut requantize).into(),
            #[cfg(target_arch = "aarch64")]
            Kernels::Neon => neon::pack_product(&weights, depth, &requantize),
            #[cfg(target_arch = "aarch64")]
            Kernels::NeonDot => neon::pack_product_dot(&weights, depth, &requantize),
            #[allow(unreachable_patterns, reason = "the sets of the other architectures")]
            _ => unreachable!("kernels of another processor"),
        };
        Self { kernels, depth, channels, weights, blocks, constants, requantize }
    }

    /// Bytes of the packed weights, and of the constants of channels.
    pub(crate) fn bytes(&self) -> usize {
        copied(&self.weights) + 4 * self.constants.len() + 12 * self.requantize.bias.len()
    }

    /// Rows that go well together: whole tiles.
    pub(crate) fn unit(&self) -> usize {
        match self.kernels {
            Kernels::Neon | Kernels::Avx512Vnni => 12,
            _ => 8,
        }
    }

    /// Multiplies rows of `depth` values that begin `stride` apart; writes `channels` values a row.
    ///
    /// `input` goes on for at least [`SLACK`] bytes behind the last row.
    pub(crate) fn run(&self, input: &[i8], stride: usize, output: &mut [i8]) {
        let rows = output.len() / self.channels;
        if rows == 0 {
            return;
        }
        assert!((rows - 1) * stride + self.depth + SLACK <= input.len());
        match self.kernels {
            Kernels::Portable => portable::product(self, input, stride, output),
            // SAFETY: the kernels were chosen as available; each row and SLACK bytes behind it lie in the input (just
            // checked), the output holds `rows` rows, and the weights were packed for these kernels.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Vnni => unsafe { avx512::product(self, input, stride, rows, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2 => unsafe { avx2::product(self, input, stride, rows, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernels::AvxVnni => unsafe { avx2::product_vnni(self, input, stride, rows, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernels::Neon => unsafe { neon::product(self, input, stride, rows, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernels::NeonDot => unsafe { neon::product_dot(self, input, stride, rows, output) },
            #[allow(unreachable_patterns, reason = "the sets of the other architectures")]
            _ => unreachable!("kernels of another processor"),
        }
    }
}

/// The depthwise convolution of 3 × 3, one row of its output at a time.
#[derive(Debug)]
pub(crate) struct Depthwise<'a> {
    kernels: Kernels,
    channels: usize,
    /// Columns from one output to the next.
    stride: usize,
    /// As in [`Product`].
    weights: Cow<'a, [i8]>,
    /// First channel of each block that the kernels take at once.
    blocks: Vec<usize>,
    /// Of each block, for kernels that want them.
    constants: Vec<i32>,
    requantize: Requantize,
}

impl<'a> Depthwise<'a> {
    /// Packs `weights`, which come as [row][column][channel].
    #[allow(unused_mut, reason = "not all architectures change it")]
    pub(crate) fn new(
        mut kernels: Kernels,
        weights: Cow<'a, [i8]>,
        stride: usize,
        mut requantize: Requantize,
    ) -> Self {
        let channels = weights.len() / 9;
        let mut by_channel = Cow::from(Vec::new());
        // The portable ones take weights and factors as the file has them.
        if kernels != Kernels::Portable {
            let taps = |channel| (0..9).map(move |tap| tap * channels + channel);
            by_channel.to_mut().extend((0..channels).flat_map(taps).map(|at| weights[at]));
            let mut changed = requantize.clone();
            kernels = kernels.exact_for(&mut by_channel, 9, &mut changed);
            if kernels != Kernels::Portable {
                requantize = changed;
            }
        }
        let Packed { weights, blocks, constants } = match kernels {
            Kernels::Portable => weights.into(),
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Vnni => avx512::pack_depthwise(&by_channel, stride, &mut requantize),
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2 | Kernels::AvxVnni => avx2::pack_depthwise(&by_channel, &requantize),
            #[cfg(target_arch = "aarch64")]
            Kernels::Neon => neon::pack_depthwise(&by_channel, stride, &requantize),
            #[cfg(target_arch = "aarch64")]
            Kernels::NeonDot => neon::pack_depthwise_dot(&by_channel, stride, &requantize),
            #[allow(unreachable_patterns, reason = "the sets of the other architectures")]
            _ => unreachable!("kernels of another processor"),
        };
        Self { kernels, channels, stride, weights, blocks, constants, requantize }
    }

    /// Bytes of the packed weights, and of the constants of channels.
    pub(crate) fn bytes(&self) -> usize {
        copied(&self.weights) + 4 * self.constants.len() + 12 * self.requantize.bias.len()
    }

    /// One row of the output from three rows of the input, which already have their padding at both ends.
    ///
    /// Each input row goes on for at least [`SLACK`] bytes behind what it is asked for.
    pub(crate) fn row(&self, rows: [&[i8]; 3], output: &mut [i8]) {
        let width = output.len() / self.channels;
        if width == 0 {
            return;
        }
        for row in rows {
            assert!(((width - 1) * self.stride + 3) * self.channels + SLACK <= row.len());
        }
        match self.kernels {
            Kernels::Portable => portable::depthwise_row(self, rows, output),
            // SAFETY: the kernels were chosen as available; the rows hold all columns and SLACK bytes more (just
            // checked), the output `width` columns, and the weights were packed for these kernels.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Vnni => unsafe { avx512::depthwise_row(self, rows, width, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2 | Kernels::AvxVnni => unsafe { avx2::depthwise_row(self, rows, width, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernels::Neon => unsafe { neon::depthwise_row(self, rows, width, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Kernels::NeonDot => unsafe { neon::depthwise_row_dot(self, rows, width, output) },
            #[allow(unreachable_patterns, reason = "the sets of the other architectures")]
            _ => unreachable!("kernels of another processor"),
        }
    }
}

/// The sum of two tensors of the same shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addition {
    pub(crate) kernels: Kernels,
    /// Zero points of the two inputs.
    pub(crate) zero_points: [i32; 2],
    /// What each difference from its zero point, shifted left by [`Addition::LEFT`], is multiplied with.
    pub(crate) factors: [Factor; 2],
    /// What makes the sum a stored value.
    pub(crate) output: Factor,
    pub(crate) zero_point: i32,
    pub(crate) min: i32,
    pub(crate) max: i32,
}

impl Addition {
    /// Bits by which the inputs are shifted so that little is lost, as in TensorFlow Lite.
    pub(crate) const LEFT: u32 = 20;

    /// The sum of two stored values, as TensorFlow Lite's `AddElementwise` for int8.
    pub(crate) fn stored(&self, one: i8, other: i8) -> i8 {
        let scaled = |input: usize, stored: i8| {
            let difference = i32::from(stored) - self.zero_points[input];
            self.factors[input].times(difference << Self::LEFT)
        };
        let sum = self.output.times(scaled(0, one).wrapping_add(scaled(1, other)));
        sum.saturating_add(self.zero_point).clamp(self.min, self.max) as i8
    }

    /// Whether vector kernels can do it, which shift to the right only: the larger scale has a factor of a half (a shift
    /// of 0), the other that or less, and the result is far smaller than the shifted sum, unless a file is strange.
    fn fits_vectors(&self) -> bool {
        let half = |factor: Factor| factor == Factor { multiplier: 1 << 30, shift: 0 };
        let [one, other] = self.factors;
        (half(one) || half(other))
            && [one, other].iter().all(|&factor| half(factor) || factor.shift < 0)
            && self.output.shift < 0
    }

    /// Adds element by element; all three have the same length.
    pub(crate) fn run(&self, one: &[i8], other: &[i8], output: &mut [i8]) {
        assert!(one.len() == output.len() && other.len() == output.len());
        let right = self.fits_vectors();
        match self.kernels {
            // SAFETY: the kernels were chosen as available, and the lengths agree.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx512Vnni if right => unsafe { avx512::add(self, one, other, output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernels::Avx2 | Kernels::AvxVnni if right => unsafe { avx2::add(self, one, other, output) },
            // SAFETY: as above; all AArch64 processors have these instructions.
            #[cfg(target_arch = "aarch64")]
            Kernels::Neon | Kernels::NeonDot if right => unsafe { neon::add(self, one, other, output) },
            _ => portable::add(self, one, other, output),
        }
    }
}

/// The greatest of windows of pixels, channel by channel, one row of outputs at a time.
pub(crate) fn maximum(kernels: Kernels, windows: &Windows<'_>, output: &mut [i8]) {
    match kernels {
        // SAFETY: the kernels were chosen as available.
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx2 | Kernels::AvxVnni | Kernels::Avx512Vnni => unsafe { avx2::maximum(windows, output) },
        #[cfg(target_arch = "aarch64")]
        Kernels::Neon | Kernels::NeonDot if windows.channels >= 16 => {
            let Windows { rows, channels, stride } = *windows;
            let count = output.len() / channels;
            assert!(count == 0 || rows.iter().all(|row| ((count - 1) * stride + 2) * channels <= row.len()));
            // SAFETY: as above, and the rows hold the windows.
            unsafe { neon::maximum(windows, output) }
        }
        _ => portable::maximum(windows, output),
    }
}

/// Windows of 2 × 2 pixels that follow each other in two rows.
#[derive(Debug)]
pub(crate) struct Windows<'a> {
    /// From the first window on.
    pub(crate) rows: [&'a [i8]; 2],
    pub(crate) channels: usize,
    /// Columns from one window to the next.
    pub(crate) stride: usize,
}

/// Windows that follow each other along a row, to be copied each to a row of its own.
#[derive(Debug)]
pub(crate) struct Gather {
    /// Rows of a window, and values of each.
    pub(crate) rows: usize,
    pub(crate) length: usize,
    /// Values from one row of the input to the next, and from one window to the next.
    pub(crate) row: usize,
    pub(crate) step: usize,
    /// Values from one copy to the next: at least [`Gather::pitch`].
    pub(crate) pitch: usize,
}

impl Gather {
    /// Values that are copied at once, where more may be copied than needed.
    const CHUNK: usize = 16;

    /// The least pitch at which the copies leave each other alone.
    pub(crate) const fn pitch(rows: usize, length: usize) -> usize {
        ((rows - 1) * length + length.next_multiple_of(Self::CHUNK)).next_multiple_of(Self::CHUNK)
    }

    /// Copies `count` windows, the first of which begins `input`, which goes on for [`SLACK`] bytes behind the last.
    pub(crate) fn run(&self, input: &[i8], count: usize, to: &mut [i8]) {
        if count == 0 {
            return;
        }
        let chunks = self.length.div_ceil(Self::CHUNK);
        assert!(self.pitch >= Self::pitch(self.rows, self.length) && count * self.pitch <= to.len());
        let last = (count - 1) * self.step + (self.rows - 1) * self.row;
        assert!(last + chunks * Self::CHUNK <= input.len());
        for row in 0..self.rows {
            for chunk in 0..chunks {
                let from = row * self.row + chunk * Self::CHUNK;
                let place = row * self.length + chunk * Self::CHUNK;
                for window in 0..count {
                    // SAFETY: no chunk reaches farther than the last one of the last window, whose end was just checked,
                    // in the input; in the output none reaches over its pitch.
                    unsafe {
                        let from = input.as_ptr().add(from + window * self.step).cast::<[i8; Self::CHUNK]>();
                        let place =
                            to.as_mut_ptr().add(place + window * self.pitch).cast::<[i8; Self::CHUNK]>();
                        *place = *from;
                    }
                }
            }
        }
    }
}
