//! Melodies: notes one after the other.

use std::time::Duration;

use heapless::Vec;

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
