//! One person's visit: what is believed of them, and what they have been told.

use std::time::Duration;

use super::belief::Belief;
use super::motion::Bearing;
use super::{Reminder, Times};
use crate::vision::{Face, Verdict};

/// Height of a face, pixels, from which on somebody who has not been seen to move may be spoken to: at arm's length
/// from a door nobody is smaller, and most of what is no face is.  60 of the face network's boxes, drawn with 0.94 of that.
const AT_THE_DOOR: f32 = 56.0;

/// A person, from when they appear until they have gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    belief: Belief,
    told_mask: bool,
    told_nose: bool,
    /// Has been out of sight for longer than the re-arm time, and might be somebody else.
    returned: bool,
}

impl Visit {
    /// Counts a look, `absent` after the last one at this person.
    pub(super) fn look(&mut self, absent: Duration, face: &Face, times: &Times) {
        self.returned |= absent > times.rearm();
        if face.verdict == Verdict::Unsure || absent > Times::SHORT_MISS {
            // After a longer absence a look is a first look, and says as little as that.
            self.belief.fade(absent);
        } else {
            self.belief.pass(absent, times.agreement);
            self.belief.look(face, absent, times.agreement);
        }
        // In a mask, where somebody without was told before: another person, or one who has listened.
        if self.returned && self.belief.is_covered() {
            (self.told_mask, self.told_nose, self.returned) = (false, false, false);
        }
    }

    /// The reminder that this person is to hear now, if any, for the face that was just looked at.
    pub(super) fn due(&self, face: &Face, bearing: Bearing) -> Option<Reminder> {
        // Nobody is reminded of what was seen some time ago.
        let still = matches!(face.verdict, Verdict::Bare | Verdict::NoseOut);
        let reminder = self.belief.likelier();
        let doubtless = self.belief.is_certain_of(reminder);
        let believed = match bearing {
            Bearing::Moved if self.is_told() => doubtless,
            Bearing::Moved => self.belief.is_uncovered(),
            Bearing::Appeared => doubtless && face.bounds.height() >= AT_THE_DOOR,
            Bearing::There | Bearing::Thing => false,
        };
        (still && believed && !self.told(reminder)).then_some(reminder)
    }

    /// A reminder is for this person.
    pub(super) fn tell(&mut self, reminder: Reminder) {
        match reminder {
            Reminder::Mask => self.told_mask = true,
            Reminder::Nose => self.told_nose = true,
        }
    }

    /// A reminder for somebody else sounds while this person is in view: if it fits, it was theirs as well.
    pub(super) fn hear(&mut self, bearing: Bearing, reminder: Reminder) {
        let listens = matches!(bearing, Bearing::Moved | Bearing::Appeared);
        if listens && self.belief.of(reminder) > 0.5 {
            self.tell(reminder);
        }
    }

    /// How ill `verdict` fits what is believed, 0 to 1.
    pub(super) fn surprise(&self, verdict: Verdict) -> f32 {
        self.belief.surprise(verdict)
    }

    /// Whether this person has been told anything.
    pub(super) const fn is_told(&self) -> bool {
        self.told_mask || self.told_nose
    }

    const fn told(&self, reminder: Reminder) -> bool {
        match reminder {
            Reminder::Mask => self.told_mask,
            Reminder::Nose => self.told_nose,
        }
    }
}
