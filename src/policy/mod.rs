//! Verdicts over time become reminders.
//!
//! [`Policy::observe`] is told what was seen in each frame and when, and answers with at most one [`Call`].  It
//! is pure: no I/O, no clock of its own, no heap, the same answers for the same history.
//!
//! - Faces become tracks (`tracks`): a track is one visit of one person, as far as boxes can tell.  Who was lost in
//!   the middle of the picture is still there for half a minute, unseen; who left at its edge has gone.
//! - What a person wears is believed (`belief`), a hidden Markov model: each look is evidence, weighed by how sure,
//!   how near and how long after the last one it is.  Evidence for a mask lasts as long as evidence against it.
//! - Things are no visitors (`motion`): only who has been seen to move like somebody is spoken to, or who suddenly
//!   stands at the door of a room that was known to be empty.  What hangs there from the start, or has not moved for
//!   half a minute, is furniture, and is remembered for days.
//! - A visit (`visit`) hears each [`Reminder`] at most once.  The second kind (somebody reminded of the mask wears it
//!   under the nose, say) needs a belief without doubt, so that a face that flickers between the two is told only once.
//! - A tone is heard by everybody: whoever else is in view and would be told the same has been told.
//! - Between two reminders lies a pause, whoever comes.  One that is due in the pause waits for its end, and sounds
//!   if it is still true then.
//! - A gap without frames is no different from frames without faces.
//!
//! Wherever boxes leave a doubt, whether two visits are one for example, the answer is the silent one.

use std::time::Duration;

use crate::geometry::Rect;
use crate::vision::{Face, MAX_FACES};
use motion::Bearing;
pub use tracks::TrackId;
use tracks::Tracks;
use visit::Visit;

mod belief;
mod motion;
mod tracks;
mod visit;

/// What a visitor is to be reminded of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reminder {
    /// Please put on a mask.
    Mask,
    /// Please cover your nose, too.
    Nose,
}

/// A reminder that is to sound now, and for whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Call {
    /// What it reminds of.
    pub reminder: Reminder,
    /// Whose it is: an index into the faces that were observed.
    pub face: usize,
}

/// The times that the policy keeps.  Any value is safe; the defaults are meant for a door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// How long clear looks at somebody near must agree before a reminder; doubtful ones take longer.  1 s: long enough
    /// for a hand that passes before the mouth or a mask being adjusted, short enough that the visitor has not yet
    /// walked by.
    pub agreement: Duration,
    /// How long a person who left at the picture's edge must be out of sight before the next look at a face there, at
    /// the same edge, is a new visit, at least [`Times::SHORT_MISS`].  4 s: somebody who steps aside is back by then.
    pub rearm: Duration,
    /// Least time from one reminder to the next, whoever comes.  5 s: a group at the door hears a tone, not an alarm.
    pub pause: Duration,
}

impl Times {
    /// A face missed, or unsure, for no longer than this was in view all the while: a blurred frame, a turned head.
    /// After a longer time it still is the same visit, but what was believed of it fades.
    pub const SHORT_MISS: Duration = Duration::from_secs(1);

    /// The re-arm time, and no less than makes sense.
    fn rearm(&self) -> Duration {
        self.rearm.max(Self::SHORT_MISS)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            agreement: Duration::from_secs(1),
            rearm: Duration::from_secs(4),
            pause: Duration::from_secs(5),
        }
    }
}

/// Decides when to remind, and of what.
#[derive(Debug)]
pub struct Policy {
    times: Times,
    tracks: Tracks,
    clock: Clock,
    /// When the last reminder was given.
    reminded: Option<Duration>,
}

impl Policy {
    /// A policy that has seen nobody yet.
    pub const fn new(times: Times) -> Self {
        Self { times, tracks: Tracks::new(), clock: Clock::new(), reminded: None }
    }

    /// Takes note of the `faces` of a frame captured at `now`, and says whether to remind somebody.  `picture` is what
    /// the frame shows, in the pixels that the faces' boxes are in.
    ///
    /// `now` counts from any fixed moment; a clock that jumps back is taken to have stood still.  Works at 3 to 60
    /// frames a second and is silent below 1.  Boxes that are empty or not finite are left out, as are faces
    /// beyond the first [`MAX_FACES`].
    pub fn observe(&mut self, now: Duration, picture: &Rect, faces: &[Face]) -> Option<Call> {
        let now = self.clock.steady(now);
        let faces = &faces[..faces.len().min(MAX_FACES)];
        self.tracks.forget(now, &self.times);
        self.tracks.follow(now, picture, faces, &self.times);
        if self.reminded.is_some_and(|then| now - then < self.times.pause) {
            return None;
        }
        let due = |(face, bearing, visit): (usize, Bearing, &mut Visit)| {
            Some(Call { reminder: visit.due(&faces[face], bearing)?, face })
        };
        let call = self.tracks.in_view().find_map(due)?;
        for (face, bearing, visit) in self.tracks.in_view() {
            if face == call.face {
                visit.tell(call.reminder);
            } else {
                visit.hear(bearing, call.reminder);
            }
        }
        self.reminded = Some(now);
        Some(call)
    }

    /// The tracks of the faces last observed, in the order of the faces; `None` for a face that could not be used.
    pub fn tracks(&self) -> &[Option<TrackId>] {
        self.tracks.ids()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Times::default())
    }
}

/// Makes time that never goes back out of time that might.
///
/// A source may be replaced and start again at 0; were that taken at its word, a pause could last for hours.
#[derive(Debug)]
struct Clock {
    last: Option<Duration>,
    steady: Duration,
}

impl Clock {
    const fn new() -> Self {
        Self { last: None, steady: Duration::ZERO }
    }

    fn steady(&mut self, now: Duration) -> Duration {
        let step = now.saturating_sub(self.last.unwrap_or(now));
        self.last = Some(now);
        self.steady = self.steady.saturating_add(step);
        self.steady
    }
}

#[cfg(test)]
mod tests;
