//! One person's visit: the last looks, and what has been said.

use std::time::Duration;

use heapless::HistoryBuf;

use super::{Reminder, Times};
use crate::vision::Verdict;

/// Looks that vote.
const LOOKS: usize = 8;

/// Votes of [`LOOKS`] that a first reminder needs: a doubtful face seldom gets so many; MaskCam, too, wants 5 (net).
const ENOUGH: usize = 5;

/// Votes of [`LOOKS`] that a second, different reminder in the same visit needs: no doubt left.
const UNANIMOUS: usize = LOOKS;

/// A look counts for so long.  8 looks at 3 frames a second span 2.3 s; some more for frames that were missed.
const FRESH: Duration = Duration::from_secs(4);

/// What a look says.  `Unsure` says nothing: it neither adds to an agreement nor breaks one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Look {
    at: Duration,
    /// `None`: covered, nothing to remind of.
    calls_for: Option<Reminder>,
}

/// Looks at one person, from when they appear until they have gone.
#[derive(Debug, Default)]
pub(super) struct Visit {
    looks: HistoryBuf<Look, LOOKS>,
    /// What enough looks have agreed on without a break, and when the first of them was.
    agreed: Option<(Reminder, Duration)>,
    told_mask: bool,
    told_nose: bool,
}

impl Visit {
    /// Counts a look.
    pub(super) fn look(&mut self, now: Duration, verdict: Verdict) {
        let calls_for = match verdict {
            Verdict::Unsure => return,
            Verdict::Covered => None,
            Verdict::NoseOut => Some(Reminder::Nose),
            Verdict::Bare => Some(Reminder::Mask),
        };
        // After a longer silence, out of sight or unsure, counting starts anew.  What has been said stays said.
        if self.looks.recent().is_some_and(|last| now - last.at > Times::SHORT_MISS) {
            self.looks.clear();
            self.agreed = None;
        }
        self.looks.write(Look { at: now, calls_for });

        let majority = [Reminder::Mask, Reminder::Nose]
            .into_iter()
            .find(|&reminder| self.votes(now, reminder).count() >= ENOUGH);
        self.agreed = majority.map(|reminder| match self.agreed {
            Some((before, since)) if before == reminder => (reminder, since),
            _ => (reminder, self.votes(now, reminder).map(|look| look.at).min().unwrap_or(now)),
        });
    }

    /// The reminder that this person is to hear now, if any, after looks have agreed for `agreement`.
    pub(super) fn due(&self, now: Duration, agreement: Duration) -> Option<Reminder> {
        let (reminder, since) = self.agreed?;
        let votes = self.votes(now, reminder).count();
        let needed = if self.told_mask || self.told_nose { UNANIMOUS } else { ENOUGH };
        // A fresh agreeing look: nobody is reminded of what was seen some time ago.
        let still =
            self.looks.recent().is_some_and(|look| look.at == now && look.calls_for == Some(reminder));
        (still && !self.told(reminder) && votes >= needed && now - since >= agreement).then_some(reminder)
    }

    /// A reminder sounds while this person is in view: if it fits most of the looks, it was theirs as well.
    pub(super) fn hear(&mut self, now: Duration, reminder: Reminder) {
        let fresh = self.looks.iter().filter(|look| now - look.at <= FRESH).count();
        if 2 * self.votes(now, reminder).count() > fresh {
            match reminder {
                Reminder::Mask => self.told_mask = true,
                Reminder::Nose => self.told_nose = true,
            }
        }
    }

    const fn told(&self, reminder: Reminder) -> bool {
        match reminder {
            Reminder::Mask => self.told_mask,
            Reminder::Nose => self.told_nose,
        }
    }

    fn votes(&self, now: Duration, reminder: Reminder) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(move |look| look.calls_for == Some(reminder) && now - look.at <= FRESH)
    }
}
