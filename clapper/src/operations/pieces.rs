//! An operation's output, cut into pieces for several threads.

use crate::team::{MOST_PIECES, Team, each_item};

/// Least work of a piece, in the rough measure of [`count`]: several times what it costs to give it to another thread.
const LEAST: usize = 1 << 14;

/// Into how many pieces to cut an operation for `threads` threads: `work` is about how many instructions it takes, and
/// `units` how many parts it has that must stay whole.
///
/// Two for each thread, so that one that is held up leaves its second to another, or one, or none if the work is small.
pub(super) fn count(threads: usize, work: usize, units: usize) -> usize {
    let most = (work / LEAST).min(units).min(MOST_PIECES);
    if threads < 2 || most < 2 {
        1
    } else if most >= 2 * threads {
        2 * threads
    } else {
        most.min(threads)
    }
}

/// A piece of an output, and memory to work in.
struct Piece<'a> {
    first: usize,
    output: &'a mut [i8],
    scratch: &'a mut [i8],
}

/// Calls `work` for each of `pieces` pieces of `output` with the number of its first unit, the piece, and `share` bytes of
/// `scratch`.  A unit has `unit` bytes, of which the last may lack some.
pub(super) fn in_pieces(
    team: &mut dyn Team,
    pieces: usize,
    unit: usize,
    output: &mut [i8],
    (scratch, share): (&mut [i8], usize),
    work: impl Fn(usize, &mut [i8], &mut [i8]) + Sync,
) {
    if pieces < 2 {
        return work(0, output, scratch);
    }
    let units = output.len().div_ceil(unit);
    let mut all = [const { None }; MOST_PIECES];
    let (mut output, mut scratch) = (output, scratch);
    for (number, piece) in all[..pieces].iter_mut().enumerate() {
        let (first, end) = (units * number / pieces, units * (number + 1) / pieces);
        let (now, later) = output.split_at_mut(((end - first) * unit).min(output.len()));
        let (own, others) = scratch.split_at_mut(share);
        *piece = Some(Piece { first, output: now, scratch: own });
        (output, scratch) = (later, others);
    }
    each_item(team, &mut all[..pieces], |_, piece| {
        if let Some(Piece { first, output, scratch }) = piece {
            work(*first, output, scratch);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::team::Alone;

    #[test]
    fn small_work_stays_whole() {
        assert_eq!(count(4, LEAST, 100), 1);
        assert_eq!(count(4, 2 * LEAST, 100), 2);
        assert_eq!(count(4, 7 * LEAST, 100), 4);
        assert_eq!(count(4, 8 * LEAST, 100), 8);
        assert_eq!(count(4, 100 * LEAST, 3), 3);
        assert_eq!(count(1, 100 * LEAST, 100), 1);
        assert_eq!(count(32, usize::MAX, usize::MAX), MOST_PIECES);
    }

    #[test]
    fn pieces_cover_the_output_once_and_have_their_own_memory() {
        for pieces in 1..=MOST_PIECES {
            let (mut output, mut scratch) = ([0i8; 1000], [0i8; 10 * MOST_PIECES]);
            in_pieces(&mut Alone, pieces, 30, &mut output, (&mut scratch, 10), |first, output, scratch| {
                for (at, value) in output.iter_mut().enumerate() {
                    *value += 1 + ((first + at / 30) % 100) as i8;
                }
                scratch.iter_mut().for_each(|value| *value += 1);
            });
            assert!(output.iter().enumerate().all(|(at, &value)| value == 1 + (at / 30 % 100) as i8));
            let used = if pieces < 2 { scratch.len() } else { 10 * pieces };
            assert!(scratch.iter().enumerate().all(|(at, &value)| value == i8::from(at < used)));
        }
    }
}
