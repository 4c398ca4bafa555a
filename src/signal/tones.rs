//! The tones that mean something, and the melody of each.

use super::melody::Melody;
use crate::policy::Reminder;

/// A melody with a meaning.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub(crate) enum Tone {
    /// Ready to watch.
    Ready = 1,
    /// Please put on a mask.
    Mask = 2,
    /// Please cover your nose, too.
    Nose = 4,
}

impl From<Reminder> for Tone {
    fn from(reminder: Reminder) -> Self {
        match reminder {
            Reminder::Mask => Self::Mask,
            Reminder::Nose => Self::Nose,
        }
    }
}

/// The melody of each tone.
#[derive(Clone, Debug, PartialEq)]
pub struct Melodies {
    /// Please put on a mask.
    pub mask: Melody,
    /// Please cover your nose, too.
    pub nose: Melody,
    /// Ready to watch.
    pub ready: Melody,
}

impl Melodies {
    /// Two rising notes of 120 ms: B6, 1976 Hz, to D♯7, 2489 Hz.  2 to 2.5 kHz is heard best by young and old, and
    /// lies at the foot of the resonance of common piezos (2 to 4 kHz).
    pub const MASK: &str = "mask:d=16,o=6,b=125:b,d#7";
    /// Three falling notes of 120 ms: F♯7, 2960 Hz, D♯7, 2489 Hz, B6, 1976 Hz.  More notes, and the other way round:
    /// not to be taken for [`Melodies::MASK`] even by who cannot name pitches.
    pub const NOSE: &str = "nose:d=16,o=7,b=125:f#,d#,b6";
    /// A chirp of three short notes, 60 ms each: C7, E7, G7; 2093, 2637, 3136 Hz.
    pub const READY: &str = "ready:d=32,o=7,b=125:c,e,g";

    /// All melodies, so many semitones higher, as [`Melody::transposed`].
    #[must_use]
    pub fn transposed(&self, semitones: i8) -> Self {
        let [mask, nose, ready] =
            [&self.mask, &self.nose, &self.ready].map(|melody| melody.transposed(semitones));
        Self { mask, nose, ready }
    }

    /// The melody for `tone`.
    pub(crate) const fn of(&self, tone: Tone) -> &Melody {
        match tone {
            Tone::Mask => &self.mask,
            Tone::Nose => &self.nose,
            Tone::Ready => &self.ready,
        }
    }
}

impl Default for Melodies {
    fn default() -> Self {
        let parse = |text: &str| text.parse().expect("a test reads the built-in melodies");
        Self { mask: parse(Self::MASK), nose: parse(Self::NOSE), ready: parse(Self::READY) }
    }
}
