//! Which source pixels make an output pixel along one axis, and with which weights.

use std::ops::Range;

/// 1 as a weight.
pub(super) const ONE: u32 = 1 << 16;

/// The source pixels of one output row or column, in real numbers.  The weights add up to 1: the first and the last have
/// their own, those between share one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) first_weight: f64,
    pub(super) middle_weight: f64,
    pub(super) last_weight: f64,
}

impl Span {
    const fn single(at: usize) -> Self {
        Self { first: at, last: at, first_weight: 1.0, middle_weight: 0.0, last_weight: 0.0 }
    }

    /// Of the output pixel at `at`, which covers `scale` pixels of a frame of `length`, the first one from `start` on;
    /// `None` if its centre lies outside.
    fn new(start: f64, scale: f64, length: usize, at: usize) -> Option<Self> {
        let end = length as f64;
        let centre = start + (at as f64 + 0.5) * scale;
        if !(centre >= 0.0 && centre < end) {
            return None;
        }
        if scale > 1.0 {
            let from = (centre - scale / 2.0).max(0.0);
            let to = (centre + scale / 2.0).min(end);
            let (first, last) = (from as usize, (to.ceil() as usize - 1).min(length - 1));
            if first >= last {
                return Some(Self::single(first.min(length - 1)));
            }
            let covered = to - from;
            return Some(Self {
                first,
                last,
                first_weight: (first as f64 + 1.0 - from) / covered,
                middle_weight: 1.0 / covered,
                last_weight: (to - last as f64) / covered,
            });
        }
        // Sample points are pixel centres.
        let point = (centre - 0.5).clamp(0.0, end - 1.0);
        let first = point as usize;
        if first + 1 == length {
            return Some(Self::single(first));
        }
        let last_weight = point - first as f64;
        Some(Self {
            first,
            last: first + 1,
            first_weight: 1.0 - last_weight,
            middle_weight: 0.0,
            last_weight,
        })
    }

    /// Counted from the other end of an axis of `length` pixels.
    fn reversed(self, length: usize) -> Self {
        let (first, last) = (length - 1 - self.last, length - 1 - self.first);
        if first == last {
            return Self::single(first);
        }
        Self { first, last, first_weight: self.last_weight, last_weight: self.first_weight, ..self }
    }

    /// The same of a plane at half the size, each of whose pixels serves two, the first those at 0 and 1.
    fn halved(self) -> Self {
        let (first, last) = (self.first / 2, self.last / 2);
        if first == last {
            return Self::single(first);
        }
        // Two pixels of the frame that fall on one of the plane: the other one is a middle one.
        let first_weight = self.first_weight + if self.first % 2 == 0 { self.middle_weight } else { 0.0 };
        let last_weight = self.last_weight + if self.last % 2 == 1 { self.middle_weight } else { 0.0 };
        Self { first, last, first_weight, middle_weight: self.middle_weight * 2.0, last_weight }
    }
}

/// A [`Span`] in integers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) last: usize,
    /// Of [`ONE`], which it is below unless it stands alone.
    pub(super) first_weight: u32,
    /// Below [`ONE`]; their sum, multiplied by it, is to be divided by 2 to the power of `middle_shift`.
    pub(super) middle_weight: u32,
    pub(super) middle_shift: u32,
    /// Of [`ONE`], and below it.
    pub(super) last_weight: u32,
}

impl Taps {
    const fn single(at: usize) -> Self {
        Self { first: at, last: at, first_weight: ONE, middle_weight: 0, middle_shift: 0, last_weight: 0 }
    }

    /// The mean of two neighbours.
    pub(super) const fn is_pair(&self) -> bool {
        self.last == self.first + 1 && self.first_weight == ONE / 2 && self.last_weight == ONE / 2
    }
}

impl From<Span> for Taps {
    fn from(span: Span) -> Self {
        let Span { first, last, .. } = span;
        let weight = |real: f64| (real * f64::from(ONE) + 0.5) as u32;
        let (first_weight, last_weight) = (weight(span.first_weight), weight(span.last_weight));
        if first == last || first_weight >= ONE {
            return Self::single(first);
        }
        if last_weight >= ONE {
            return Self::single(last);
        }
        if last == first + 1 {
            return match (first_weight, last_weight) {
                (0, _) => Self::single(last),
                (_, 0) => Self::single(first),
                _ => Self { first, last, first_weight, middle_weight: 0, middle_shift: 0, last_weight },
            };
        }
        // As many bits as there is room for, as many pixels share it.
        let middle_shift = ((1.0 / span.middle_weight) as u32).max(1).ilog2();
        let middle_weight = weight(span.middle_weight * f64::from(1_u32 << middle_shift)).min(ONE - 1);
        Self { first, last, first_weight, middle_weight, middle_shift, last_weight }
    }
}

/// What is seen of one axis of a frame: the output pixels whose centres lie in it, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    start: f64,
    scale: f64,
    /// Pixels of the frame.
    length: usize,
    /// The frame is stored from the other end.
    reversed: bool,
}

impl Axis {
    /// An axis of a view that starts at pixel `start` of a frame of `length` pixels and shows `scale` of them in one
    /// output pixel.  With `reversed`, spans count from the other end.
    pub(super) fn new(start: f32, scale: f32, length: usize, reversed: bool) -> Self {
        Self { start: start.into(), scale: scale.into(), length, reversed }
    }

    /// The span of the output pixel at `at`.
    pub(super) fn span(&self, at: usize) -> Option<Span> {
        let span = Span::new(self.start, self.scale, self.length, at)?;
        Some(if self.reversed { span.reversed(self.length) } else { span })
    }

    /// Those of `count` output pixels that see the frame.
    pub(super) fn outputs(&self, count: usize) -> Range<usize> {
        let sees = |&at: &usize| self.span(at).is_some();
        let from = (0..count).find(sees).unwrap_or(count);
        from..(from..count).rev().find(sees).map_or(from, |last| last + 1)
    }

    /// The taps of an output pixel that sees the frame, on the frame's planes and on those of half the size.
    pub(super) fn taps(&self, at: usize) -> (Taps, Taps) {
        let span = self.span(at).expect("asked only for output pixels that see the frame");
        (span.into(), span.halved().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight of a source pixel, of 1.
    fn weight(taps: &Taps, at: usize) -> f64 {
        let weight = if at == taps.first {
            f64::from(taps.first_weight)
        } else if at == taps.last {
            f64::from(taps.last_weight)
        } else {
            f64::from(taps.middle_weight) / f64::from(1 << taps.middle_shift)
        };
        weight / f64::from(ONE)
    }

    proptest::proptest! {
        #[test]
        fn weights_add_up_to_one_also_at_half_the_size(
            start in -50.0f32..50.0,
            scale in 0.05f32..40.0,
            length in 1usize..300,
            reversed: bool,
        ) {
            let axis = Axis::new(start, scale, length, reversed);
            for at in axis.outputs(32) {
                let (taps, halved) = axis.taps(at);
                for (taps, length) in [(taps, length), (halved, length.div_ceil(2))] {
                    let sum: f64 = (taps.first..=taps.last).map(|at| weight(&taps, at)).sum();
                    proptest::prop_assert!((sum - 1.0).abs() < 1e-4, "{taps:?}: {sum}");
                    proptest::prop_assert!(taps.last < length && taps.first <= taps.last, "{taps:?}");
                }
                // Each pixel at half the size weighs as much as those that it serves.
                for pair in halved.first..=halved.last {
                    let both = [2 * pair, 2 * pair + 1];
                    let seen = both.into_iter().filter(|at| (taps.first..=taps.last).contains(at));
                    let sum: f64 = seen.map(|at| weight(&taps, at)).sum();
                    proptest::prop_assert!((weight(&halved, pair) - sum).abs() < 1e-4, "{taps:?} {halved:?}");
                }
            }
        }
    }

    #[test]
    fn what_sees_the_frame_is_one_piece() {
        assert_eq!(Axis::new(-2.0, 1.0, 3, false).outputs(9), 2..5);
        assert_eq!(Axis::new(f32::NAN, 1.0, 3, false).outputs(9), 9..9);
        assert_eq!(Axis::new(0.0, 1e9, 3, true).outputs(9), 9..9);
    }
}
