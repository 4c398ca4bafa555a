//! Integers that stand for real numbers, and the arithmetic on them.
//!
//! As in the [quantisation specification](https://ai.google.dev/edge/litert/models/quantization_spec): real = scale ×
//! (stored − zero point).  A scale that is to be applied to an integer is itself held as an integer and a shift; the
//! rounding of the two steps is that of [gemmlowp](https://github.com/google/gemmlowp/blob/master/fixedpoint/fixedpoint.h),
//! which TensorFlow Lite's reference kernels use.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

/// How stored integers stand for real numbers: real = scale × (stored − zero point).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real difference between two neighbouring stored values, above 0.
    pub scale: f32,
    /// Stored value of a real 0, −128 to 127.
    pub zero_point: i32,
}

impl Quantization {
    /// The real number that `stored` stands for.
    pub fn real(self, stored: i8) -> f32 {
        self.scale * (i32::from(stored) - self.zero_point) as f32
    }

    /// The least stored value that stands for at least `real`; `None` if even 127 stands for less.
    pub fn at_least(self, real: f32) -> Option<i8> {
        (i8::MIN..=i8::MAX).find(|&stored| self.real(stored) >= real)
    }

    /// The stored value nearest to `real`, within −128 to 127.
    pub fn stored(self, real: f32) -> i8 {
        let steps = libm::roundf(real / self.scale);
        // The cast saturates, and takes what is not a number for 0.
        (steps as i32).saturating_add(self.zero_point).clamp(-128, 127) as i8
    }
}

/// A positive real factor as `multiplier` × 2^(`shift` − 31), with `multiplier` from 2³⁰ to 2³¹ − 1, or 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factor {
    pub(crate) multiplier: i32,
    /// Above 0: to the left.
    pub(crate) shift: i32,
}

impl Factor {
    /// The nearest to `real`, as TensorFlow Lite's `QuantizeMultiplier`.
    pub(crate) fn new(real: f64) -> Self {
        if real <= 0.0 || !real.is_finite() {
            return Self { multiplier: 0, shift: 0 };
        }
        let (fraction, mut shift) = libm::frexp(real);
        let mut multiplier = libm::round(fraction * f64::from(1u32 << 31)) as i64;
        if multiplier == 1 << 31 {
            multiplier /= 2;
            shift += 1;
        }
        match shift {
            ..-31 => Self { multiplier: 0, shift: 0 },
            31.. => Self { multiplier: i32::MAX, shift: 30 },
            _ => Self { multiplier: multiplier as i32, shift },
        }
    }

    /// `value` × the factor, rounded twice: by the high multiplication and by the shift.
    #[inline]
    pub(crate) fn times(self, value: i32) -> i32 {
        let left = value.wrapping_shl(self.shift.max(0) as u32);
        rounding_shift(rounding_high_multiply(left, self.multiplier), (-self.shift).max(0) as u32)
    }
}

/// value × multiplier ÷ 2³¹, a half rounded up.  The multiplier is not negative, so that nothing saturates.
#[inline]
pub(crate) fn rounding_high_multiply(value: i32, multiplier: i32) -> i32 {
    ((i64::from(value) * i64::from(multiplier) + (1 << 30)) >> 31) as i32
}

/// value ÷ 2^`right`, a half rounded away from 0.
#[inline]
pub(crate) fn rounding_shift(value: i32, right: u32) -> i32 {
    let (value, half) = (i64::from(value), (1i64 << right) >> 1);
    let away = if value < 0 && right > 0 { -1 } else { 0 };
    ((value + half + away) >> right) as i32
}

/// How 32-bit sums become stored values, channel by channel.
#[derive(Clone, Debug)]
pub(crate) struct Requantize {
    /// What each sum starts from, the zero point of the input already taken off.
    pub(crate) bias: Vec<i32>,
    pub(crate) multipliers: Vec<i32>,
    /// Above 0: to the left.
    pub(crate) shifts: Vec<i32>,
    pub(crate) zero_point: i32,
    /// Bounds that a fused activation leaves, within −128 to 127.
    pub(crate) min: i32,
    pub(crate) max: i32,
}

impl Requantize {
    /// The stored value of a sum in `channel`, which already holds the bias.
    #[inline]
    pub(crate) fn stored(&self, channel: usize, sum: i32) -> i8 {
        let factor = Factor { multiplier: self.multipliers[channel], shift: self.shifts[channel] };
        factor.times(sum).saturating_add(self.zero_point).clamp(self.min, self.max) as i8
    }

    /// Makes room for kernels that load whole vectors of `lanes` channels.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn pad(&mut self, lanes: usize) {
        let channels = self.bias.len().next_multiple_of(lanes);
        self.bias.resize(channels, 0);
        self.multipliers.resize(channels, 0);
        self.shifts.resize(channels, -1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_as_near_as_31_bits_allow() {
        for real in [1.0, 0.5, 0.3, 1e-4, 0.999_999_999_9, 3.7, 1e6] {
            let Factor { multiplier, shift } = Factor::new(real);
            assert!(multiplier >= 1 << 30, "{real}");
            let back = f64::from(multiplier) * libm::exp2(f64::from(shift - 31));
            assert!((back / real - 1.0).abs() < 1e-9, "{real} {back}");
        }
        assert_eq!(Factor::new(0.0).multiplier, 0);
        assert_eq!(Factor::new(1e-20).multiplier, 0);
        assert_eq!(Factor::new(f64::NAN).multiplier, 0);
    }

    #[test]
    fn halves_go_up_in_the_product_and_away_from_zero_in_the_shift() {
        let half = 1 << 30;
        assert_eq!([3, -3, 1, -1].map(|value| rounding_high_multiply(value, half)), [2, -1, 1, 0]);
        assert_eq!([6, -6, 5, -5, 2, -2].map(|value| rounding_shift(value, 2)), [2, -2, 1, -1, 1, -1]);
        assert_eq!(rounding_shift(i32::MIN, 31), -1);
        assert_eq!(rounding_shift(-7, 0), -7);
    }

    #[test]
    fn stored_values_saturate() {
        let quantization = Quantization { scale: 0.5, zero_point: -10 };
        assert_eq!(
            [0.0, 1.0, 1e9, -1e9, f32::NAN].map(|real| quantization.stored(real)),
            [-10, -8, 127, -128, -10]
        );
        assert_eq!(quantization.real(-8), 1.0);
    }

    #[test]
    fn a_threshold_is_the_least_value_above_it() {
        let quantization = Quantization { scale: 0.5, zero_point: -10 };
        assert_eq!(quantization.real(-10), 0.0);
        assert_eq!(quantization.real(10), 10.0);
        assert_eq!(quantization.at_least(0.1), Some(-9));
        assert_eq!(quantization.at_least(68.5), Some(127));
        assert_eq!(quantization.at_least(68.6), None);
        assert_eq!(quantization.at_least(f32::NEG_INFINITY), Some(-128));
        assert_eq!(quantization.at_least(f32::NAN), None);
    }
}
