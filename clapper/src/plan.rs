//! Where each tensor lies in the arena, so that those alive at the same time never overlap.
#![forbid(unsafe_code)]

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

/// Each tensor starts at a multiple of this many bytes: a cache line.
pub(crate) const ALIGNMENT: usize = 64;

/// Bytes behind each tensor that kernels may read, whatever they hold, so that they can load whole vectors.
pub(crate) const SLACK: usize = 64;

/// A tensor to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) bytes: usize,
    /// First and last step at which it must be whole, both included.
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// Places the largest first, each at the lowest place that is free during its life; returns where each begins and the
/// size of the whole.
///
/// This is the greedy-by-size method of [Pisarchyk and Lee](https://arxiv.org/abs/2001.03288).
pub(crate) fn place(requests: &[Request]) -> (Vec<usize>, usize) {
    let space = |request: &Request| (request.bytes + SLACK).next_multiple_of(ALIGNMENT);
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.retain(|&at| requests[at].bytes > 0);
    order.sort_by_key(|&at| Reverse(requests[at].bytes));
    let mut starts = vec![0; requests.len()];
    let mut placed: Vec<(Range<usize>, usize)> = Vec::new();
    let mut size = 0;
    for at in order {
        let (request, bytes) = (&requests[at], space(&requests[at]));
        let mut start = 0;
        // Those placed are kept in the order of their starts.
        for (range, other) in &placed {
            let other = &requests[*other];
            if other.first <= request.last && request.first <= other.last {
                if start + bytes <= range.start {
                    break;
                }
                start = start.max(range.end);
            }
        }
        starts[at] = start;
        size = size.max(start + bytes);
        let before = placed.partition_point(|(range, _)| range.start <= start);
        placed.insert(before, (start..start + bytes, at));
    }
    (starts, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chain_takes_the_room_of_its_two_largest_neighbours() {
        let sizes = [1000, 3000, 2000, 500];
        let requests: Vec<_> =
            sizes.iter().enumerate().map(|(at, &bytes)| Request { bytes, first: at, last: at + 1 }).collect();
        let (starts, size) = place(&requests);
        assert_eq!(starts[1], 0);
        assert_eq!(size, (3000 + SLACK).next_multiple_of(64) + (2000 + SLACK).next_multiple_of(64));
    }

    proptest! {
        #[test]
        fn what_lives_together_never_overlaps(
            lives in prop::collection::vec((1usize..5000, 0usize..20, 0usize..20), 0..40)
        ) {
            let requests: Vec<_> = lives
                .iter()
                .map(|&(bytes, one, other)| Request { bytes, first: one.min(other), last: one.max(other) })
                .collect();
            let (starts, size) = place(&requests);
            for (at, one) in requests.iter().enumerate() {
                prop_assert!(starts[at] + one.bytes + SLACK <= size);
                prop_assert_eq!(starts[at] % ALIGNMENT, 0);
                for (other_at, other) in requests.iter().enumerate().skip(at + 1) {
                    let together = one.first <= other.last && other.first <= one.last;
                    let apart = starts[at] + one.bytes + SLACK <= starts[other_at]
                        || starts[other_at] + other.bytes + SLACK <= starts[at];
                    prop_assert!(!together || apart);
                }
            }
        }
    }
}
