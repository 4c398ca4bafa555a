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
    /// All weights are of [`ONE`], and below it.
    pub(super) first_weight: u32,
    /// Their sum, multiplied by it, is to be divided by 2 to the power of `middle_shift`: 0 for a [`Window`].
    pub(super) middle_weight: u32,
    pub(super) middle_shift: u32,
    pub(super) last_weight: u32,
}

impl Taps {
    const fn single(at: usize) -> Self {
        Self { first: at, last: at, first_weight: ONE - 1, middle_weight: 0, middle_shift: 0, last_weight: 0 }
    }

    const fn is_single(&self) -> bool {
        self.first == self.last
    }

    /// The same as a window, of a line that begins at pixel `start`.
    const fn window(&self, start: usize) -> Window {
        let mut weights = [self.middle_weight as u16; WINDOW];
        let count = self.last - self.first;
        let mut at = count;
        while at < WINDOW {
            weights[at] = 0;
            at += 1;
        }
        weights[count] = self.last_weight as u16;
        weights[0] = self.first_weight as u16;
        Window { weights, first: (self.first - start) as u32 }
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
        // As many bits as there is room for, if many pixels share it.
        let many = last - first >= WINDOW;
        let middle_shift = if many { ((1.0 / span.middle_weight) as u32).max(1).ilog2() } else { 0 };
        let middle_weight = weight(span.middle_weight * f64::from(1_u32 << middle_shift)).min(ONE - 1);
        Self { first, last, first_weight, middle_weight, middle_shift, last_weight }
    }
}

/// Pixels of a [`Window`].
pub(super) const WINDOW: usize = 4;

/// The same as [`Taps`] for a few neighbours, whatever their number: `WINDOW` of them, of which the last ones may weigh
/// nothing.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Window {
    pub(super) weights: [u16; WINDOW],
    /// Counted from [`Seen::start`].
    pub(super) first: u32,
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

/// How the pixels of a line are made of those that are seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pattern {
    /// They are the same.
    Same,
    /// Each is the mean of two, which share their chroma, without gaps.
    Pairs,
    /// Each is the weighted mean of a few: see [`Seen::windows`].
    Windows,
    /// Each is the weighted mean of any number.
    Any,
}

/// What each output pixel of a line sees, in the order in which it is stored.
#[derive(Debug)]
pub(super) struct Seen {
    taps: Vec<Taps>,
    windows: Vec<Window>,
    start: usize,
    length: usize,
    pattern: Pattern,
}

impl Seen {
    /// Nothing yet, with room for lines of `capacity` output pixels.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            taps: Vec::with_capacity(capacity),
            windows: Vec::with_capacity(capacity),
            start: 0,
            length: 0,
            pattern: Pattern::Any,
        }
    }

    /// Plans lines whose output pixels see what `taps` tell of.
    pub(super) fn plan(&mut self, taps: impl Iterator<Item = Taps>) {
        self.taps.clear();
        self.taps.extend(taps);
        let first = self.taps.iter().map(|taps| taps.first).min().unwrap_or(0);
        let end = self.taps.iter().map(|taps| taps.last + 1).max().unwrap_or(0);
        // Two pixels that share their chroma stay together.
        let start = first / 2 * 2;
        (self.start, self.length) = (start, end - start);
        self.windows.clear();
        let mut numbered = self.taps.iter().enumerate();
        self.pattern = if numbered.clone().all(|(at, taps)| taps.is_single() && taps.first == start + at) {
            Pattern::Same
        } else if numbered.all(|(at, taps)| taps.is_pair() && taps.first == start + 2 * at) {
            Pattern::Pairs
        } else if self.taps.iter().all(|taps| taps.last - taps.first < WINDOW) {
            self.windows.extend(self.taps.iter().map(|taps| taps.window(start)));
            Pattern::Windows
        } else {
            Pattern::Any
        };
    }

    /// One for each output pixel; none sees a pixel before [`Seen::start`], or one that is [`Seen::length`] behind it.
    pub(super) fn taps(&self) -> &[Taps] {
        &self.taps
    }

    /// The same, where the pattern is [`Pattern::Windows`]: each begins less than [`Seen::length`] behind the start.
    pub(super) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The first stored pixel that is seen, or the one before it: an even one.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Stored pixels from there to the last that is seen.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// How a line's pixels are made of those.
    pub(super) fn pattern(&self) -> Pattern {
        self.pattern
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
