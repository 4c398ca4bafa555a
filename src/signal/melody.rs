//! Melodies: notes one after the other.

use std::time::Duration;

use heapless::Vec;

use super::player::Tone;
use super::rtttl::MelodyError;

/// Most notes of a melody, rests between equal notes included: enough for any ring tone of the Nokia days.
pub const MAX_NOTES: usize = 128;

/// A tone or a rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// Pitch in Hz; `None` is a rest.
    pub pitch: Option<f32>,
    /// How long.
    pub duration: Duration,
}

/// Notes, at least one, at most [`MAX_NOTES`].  Made from text: see [`super::rtttl`].
#[derive(Clone, Debug, PartialEq)]
pub struct Melody {
    notes: Vec<Note, MAX_NOTES>,
}

impl Melody {
    /// Silence between two notes of the same pitch, without which they would be one.
    const SEAM: Duration = Duration::from_millis(15);

    pub(super) const fn new() -> Self {
        Self { notes: Vec::new() }
    }

    /// Adds a note; `false` if there is no room.
    pub(super) fn push(&mut self, note: Note) -> bool {
        if let Some(last) = self.notes.last_mut()
            && last.pitch == note.pitch
            && last.pitch.is_some()
        {
            let seam = Self::SEAM.min(last.duration / 4);
            last.duration -= seam;
            if self.notes.push(Note { pitch: None, duration: seam }).is_err() {
                return false;
            }
        }
        self.notes.push(note).is_ok()
    }

    /// The notes in order.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The melody, so many semitones higher; a negative number lowers it, 12 are an octave.
    #[must_use]
    pub fn transposed(&self, semitones: i8) -> Self {
        let factor = (f32::from(semitones) / 12.0).exp2();
        let raise = |note: &Note| Note { pitch: note.pitch.map(|pitch| pitch * factor), ..*note };
        Self { notes: self.notes.iter().map(raise).collect() }
    }

    /// How long the melody takes.
    pub fn duration(&self) -> Duration {
        self.notes.iter().map(|note| note.duration).sum()
    }
}

impl std::str::FromStr for Melody {
    type Err = MelodyError;

    fn from_str(text: &str) -> Result<Self, MelodyError> {
        super::rtttl::parse(text)
    }
}

/// The melody of each [`Tone`].
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
    pub const fn of(&self, tone: Tone) -> &Melody {
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
