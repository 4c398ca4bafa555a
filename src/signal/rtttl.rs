//! Reads RTTTL, the text format of Nokia's ring tones: `name:d=16,o=6,b=125:b,d#7`.
//!
//! Three parts between colons: a name (not used), defaults, notes.
//!
//! - Defaults, each optional: `d` duration (1, 2, 4, 8, 16 or 32: the part of a whole note; 4), `o` octave (4 to 8;
//!   6), `b` tempo (quarter notes a minute, 25 to 900; 63).
//! - A note: a duration, a pitch (`c c# d d# e f f# g g# a a# b`, or `p` for a pause), an octave; all but the pitch
//!   optional.  A dot after the duration, the pitch or the octave makes it half as long again.
//!
//! Blanks and case do not matter.  Pitches are in equal temperament with A4 = 440 Hz.  As in Nokia's specification,
//! except that octave 8 is allowed, too.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::melody::{MAX_NOTES, Melody, Note};

/// Where a melody is wrong, how, and what would be right.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("melody, character {position}: {mistake}")]
pub struct MelodyError {
    /// Which character of the text, the first being 1; one more than there are if the text ends too early.
    pub position: usize,
    /// What is wrong there.
    pub mistake: Mistake,
}

/// What can be wrong with a melody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// A colon is missing, or there is one too many.
    Parts,
    /// Not `d`, `o` or `b`.
    Default(Found),
    /// No `=` after `d`, `o` or `b`.
    Equals(Found),
    /// A note's length that is none.
    Duration(u32),
    /// An octave that a piezo is not asked for.
    Octave(u32),
    /// A tempo beyond reason.
    Tempo(u32),
    /// A number was to come.
    Number(Found),
    /// Not a note.
    Pitch(Found),
    /// E sharp or B sharp.
    Sharp(char),
    /// Something after a note or a default other than a comma.
    Comma(Found),
    /// More notes than [`MAX_NOTES`].
    TooLong,
}

/// A character, or the end of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Found(pub Option<char>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(character) => write!(f, "`{}`", character.escape_debug()),
            None => f.write_str("the end"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts => f.write_str(
                "a melody has three parts between two colons, name:defaults:notes, as in `bell:d=8,o=6,b=120:c,e,g`",
            ),
            Self::Default(found) => {
                write!(f, "{found} is no default: allowed are d= (duration), o= (octave), b= (tempo)")
            }
            Self::Equals(found) => write!(f, "{found} where `=` should be, as in `d=8`"),
            Self::Duration(value) => {
                write!(f, "{value} is no duration: allowed are 1, 2, 4, 8, 16, 32 (parts of a whole note)")
            }
            Self::Octave(value) => write!(f, "{value} is no octave: allowed are 4 to 8"),
            Self::Tempo(value) => {
                write!(f, "{value} is no tempo: allowed are 25 to 900 (quarter notes a minute)")
            }
            Self::Number(found) => write!(f, "{found} where a number should be"),
            Self::Pitch(found) => write!(
                f,
                "{found} is no note: allowed are c, c#, d, d#, e, f, f#, g, g#, a, a#, b, and p for a pause"
            ),
            Self::Sharp(note) => {
                write!(f, "there is no `{note}#`: allowed are c, c#, d, d#, e, f, f#, g, g#, a, a#, b")
            }
            Self::Comma(found) => write!(f, "{found} where a comma should be"),
            Self::TooLong => write!(f, "the melody is too long: at most {MAX_NOTES} notes are allowed, the short rests between equal notes included"),
        }
    }
}

impl FromStr for Melody {
    type Err = MelodyError;

    fn from_str(text: &str) -> Result<Self, MelodyError> {
        parse(text)
    }
}

/// Reads a melody.
///
/// # Errors
///
/// [`MelodyError`] with the place of the first mistake, what is wrong and what is allowed.
pub fn parse(text: &str) -> Result<Melody, MelodyError> {
    let mut reader = Reader { text, at: 0 };
    while reader.peek().is_some_and(|character| character != ':') {
        reader.at += reader.peek().map_or(0, char::len_utf8);
    }
    reader.colon()?;
    let defaults = reader.defaults()?;
    reader.colon()?;
    let mut melody = Melody::new();
    loop {
        let start = reader.place();
        let note = reader.note(&defaults)?;
        if !melody.push(note) {
            return Err(MelodyError { position: start, mistake: Mistake::TooLong });
        }
        match reader.skip_blanks() {
            None => return Ok(melody),
            Some(',') => reader.at += 1,
            Some(':') => return Err(reader.wrong(Mistake::Parts)),
            found => return Err(reader.wrong(Mistake::Comma(Found(found)))),
        }
    }
}

struct Defaults {
    duration: u32,
    octave: u32,
    tempo: u32,
}

/// Reads on in a text.
struct Reader<'a> {
    text: &'a str,
    /// Byte of the next character.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next().map(|character| character.to_ascii_lowercase())
    }

    /// The next character that is not blank.
    fn skip_blanks(&mut self) -> Option<char> {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
        self.peek()
    }

    /// The place of the next character that is not blank, from 1.
    fn place(&mut self) -> usize {
        self.skip_blanks();
        self.text[..self.at].chars().count() + 1
    }

    fn wrong(&mut self, mistake: Mistake) -> MelodyError {
        MelodyError { position: self.place(), mistake }
    }

    fn colon(&mut self) -> Result<(), MelodyError> {
        match self.skip_blanks() {
            Some(':') => self.at += 1,
            _ => return Err(self.wrong(Mistake::Parts)),
        }
        Ok(())
    }

    /// Takes `wanted` if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.skip_blanks() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// A number, or `None` if none comes next.  Stops growing at the largest.
    fn number(&mut self) -> Option<u32> {
        let first = self.skip_blanks()?.to_digit(10)?;
        let mut value = first;
        self.at += 1;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            value = value.saturating_mul(10).saturating_add(digit);
            self.at += 1;
        }
        Some(value)
    }

    /// A number for which `allowed` holds; `None` if none comes next.
    fn checked(
        &mut self,
        allowed: fn(u32) -> bool,
        mistake: fn(u32) -> Mistake,
    ) -> Result<Option<u32>, MelodyError> {
        let position = self.place();
        match self.number() {
            Some(value) if !allowed(value) => Err(MelodyError { position, mistake: mistake(value) }),
            value => Ok(value),
        }
    }

    fn duration(&mut self) -> Result<Option<u32>, MelodyError> {
        self.checked(|value| matches!(value, 1 | 2 | 4 | 8 | 16 | 32), Mistake::Duration)
    }

    fn octave(&mut self) -> Result<Option<u32>, MelodyError> {
        self.checked(|value| (4..=8).contains(&value), Mistake::Octave)
    }

    fn tempo(&mut self) -> Result<Option<u32>, MelodyError> {
        self.checked(|value| (25..=900).contains(&value), Mistake::Tempo)
    }

    fn defaults(&mut self) -> Result<Defaults, MelodyError> {
        let mut defaults = Defaults { duration: 4, octave: 6, tempo: 63 };
        if self.skip_blanks() == Some(':') {
            return Ok(defaults);
        }
        loop {
            let key = self.skip_blanks();
            match key {
                Some('d' | 'o' | 'b') => self.at += 1,
                None => return Err(self.wrong(Mistake::Parts)),
                found => return Err(self.wrong(Mistake::Default(Found(found)))),
            }
            if !self.take('=') {
                let found = Found(self.peek());
                return Err(self.wrong(Mistake::Equals(found)));
            }
            let (value, number) = match key {
                Some('d') => (&mut defaults.duration, self.duration()?),
                Some('o') => (&mut defaults.octave, self.octave()?),
                _ => (&mut defaults.tempo, self.tempo()?),
            };
            let Some(number) = number else {
                let found = Found(self.peek());
                return Err(self.wrong(Mistake::Number(found)));
            };
            *value = number;
            match self.skip_blanks() {
                Some(',') => self.at += 1,
                Some(':') => return Ok(defaults),
                None => return Err(self.wrong(Mistake::Parts)),
                found => return Err(self.wrong(Mistake::Comma(Found(found)))),
            }
        }
    }

    fn note(&mut self, defaults: &Defaults) -> Result<Note, MelodyError> {
        let own = self.duration()?;
        let part = own.unwrap_or(defaults.duration);
        let dot_before_pitch = own.is_some() && self.take('.');
        let letter = self.skip_blanks();
        let semitone: Option<u8> = match letter {
            Some('p') => None,
            Some('c') => Some(0),
            Some('d') => Some(2),
            Some('e') => Some(4),
            Some('f') => Some(5),
            Some('g') => Some(7),
            Some('a') => Some(9),
            Some('b') => Some(11),
            found => return Err(self.wrong(Mistake::Pitch(Found(found)))),
        };
        self.at += 1;
        let sharp = self.skip_blanks() == Some('#');
        if sharp {
            if let Some(letter @ ('e' | 'b' | 'p')) = letter {
                return Err(self.wrong(Mistake::Sharp(letter)));
            }
            self.at += 1;
        }
        let dot_before_octave = self.take('.');
        let octave = self.octave()?.unwrap_or(defaults.octave);
        let dotted = self.take('.') || dot_before_octave || dot_before_pitch;

        let whole = Duration::from_secs(4 * 60) / defaults.tempo;
        let plain = whole / part;
        Ok(Note {
            pitch: semitone.map(|semitone| pitch(semitone + u8::from(sharp), octave)),
            duration: if dotted { plain * 3 / 2 } else { plain },
        })
    }
}

/// Frequency in Hz of a semitone (C is 0, B is 11) in an octave: equal temperament, A4 = 440 Hz.
fn pitch(semitone: u8, octave: u32) -> f32 {
    let above_a4 = 12.0 * (f64::from(octave) - 4.0) + f64::from(semitone) - 9.0;
    (440.0 * (above_a4 / 12.0).exp2()) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tones::Melodies;
    use super::*;

    fn notes(text: &str) -> Vec<(Option<u32>, u128)> {
        let melody = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        melody
            .notes()
            .iter()
            .map(|note| (note.pitch.map(|pitch| pitch.round() as u32), note.duration.as_millis()))
            .collect()
    }

    #[test]
    fn the_reminders_are_as_documented() {
        assert_eq!(notes(Melodies::MASK), [(Some(1976), 120), (Some(2489), 120)]);
        assert_eq!(notes(Melodies::NOSE), [(Some(2960), 120), (Some(2489), 120), (Some(1976), 120)]);
        assert_eq!(notes(Melodies::READY), [(Some(2093), 60), (Some(2637), 60), (Some(3136), 60)]);
        assert_eq!(Melodies::default().mask.duration(), Duration::from_millis(240));
    }

    #[test]
    fn defaults_dots_octaves_pauses_blanks_and_case() {
        // 120 quarters a minute: a quarter is half a second.
        let text = " Tune : D=4, o=5 ,B=120 : A , 8a4., 8P, 16a.6 ,2C#8,1g ";
        let expected = [
            (Some(880), 500),
            (Some(440), 375),
            (None, 250),
            (Some(1760), 187),
            (Some(4435), 1000),
            (Some(784), 2000),
        ];
        assert_eq!(notes(text), expected);
        // A dot may stand in any of three places.
        for dotted in ["8.p", "8p.", "8 . P"] {
            assert_eq!(notes(&format!("x:b=120:{dotted}")), [(None, 375)], "{dotted}");
        }
        assert_eq!(notes("x:b=120:8.a5"), notes("x:b=120:8a5."));
        // The standard's own defaults: quarter, octave 6, 63 a minute.
        assert_eq!(notes("::a"), [(Some(1760), 952)]);
        assert_eq!(notes("x:o=7:a"), [(Some(3520), 952)]);
    }

    #[test]
    fn equal_notes_are_kept_apart_without_taking_longer() {
        let melody = parse("x:d=4,o=5,b=120:a,a,p,p").unwrap();
        let expected = [(Some(880), 485), (None, 15), (Some(880), 500), (None, 500), (None, 500)];
        assert_eq!(notes("x:d=4,o=5,b=120:a,a,p,p"), expected);
        assert_eq!(melody.duration(), Duration::from_secs(2));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, position, mistake) in [
            ("", 1, Mistake::Parts),
            ("c,d,e", 6, Mistake::Parts),
            ("x:d=4", 6, Mistake::Parts),
            ("x:d=4:c:", 8, Mistake::Parts),
            ("x:l=4:c", 3, Mistake::Default(Found(Some('l')))),
            ("x:d4:c", 4, Mistake::Equals(Found(Some('4')))),
            ("x:d=:c", 5, Mistake::Number(Found(Some(':')))),
            ("x:d=3:c", 5, Mistake::Duration(3)),
            ("x:d=4,o=9:c", 9, Mistake::Octave(9)),
            ("x:b=24:c", 5, Mistake::Tempo(24)),
            ("x:b=901:c", 5, Mistake::Tempo(901)),
            ("x:b=99999999999:c", 5, Mistake::Tempo(u32::MAX)),
            ("x:d=4 o=5:c", 7, Mistake::Comma(Found(Some('o')))),
            ("x::", 4, Mistake::Pitch(Found(None))),
            ("x::c,", 6, Mistake::Pitch(Found(None))),
            ("x::c,,d", 6, Mistake::Pitch(Found(Some(',')))),
            ("x::c, h", 7, Mistake::Pitch(Found(Some('h')))),
            ("größe::c,ß", 10, Mistake::Pitch(Found(Some('ß')))),
            ("x::3c", 4, Mistake::Duration(3)),
            ("x::.c", 4, Mistake::Pitch(Found(Some('.')))),
            ("x::c3", 5, Mistake::Octave(3)),
            ("x::e#", 5, Mistake::Sharp('e')),
            ("x::c;d", 5, Mistake::Comma(Found(Some(';')))),
        ] {
            assert_eq!(parse(text), Err(MelodyError { position, mistake }), "{text}");
        }
        let error = parse("x::c, h").unwrap_err().to_string();
        assert!(error.starts_with("melody, character 7: `h` is no note: allowed are c, c#"), "{error}");
    }

    #[test]
    fn a_melody_has_an_end() {
        let fits = format!("x::{}c", "c,d,".repeat(MAX_NOTES / 2 - 1));
        assert_eq!(parse(&fits).unwrap().notes().len(), MAX_NOTES - 1);
        let long = format!("x::{}c", "c,d,".repeat(MAX_NOTES / 2));
        let place = 4 + 2 * MAX_NOTES;
        assert_eq!(parse(&long), Err(MelodyError { position: place, mistake: Mistake::TooLong }));
        let equal = format!("x::c{}", ",c".repeat(MAX_NOTES / 2));
        let told = parse(&equal).unwrap_err().to_string();
        assert!(told.contains("the short rests between equal notes included"), "{told}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_within_its_length(text in "\\PC*") {
            if let Err(error) = parse(&text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.position));
            }
        }

        #[test]
        fn nearly_right_text_is_read_or_refused(text in "x:([dob]=[0-9]{1,3},?){0,3}:([0-9]{0,2}[a-hp]#?[0-9]?[.]?,?){0,200}") {
            if let Ok(melody) = parse(&text) {
                for note in melody.notes() {
                    prop_assert!(note.duration > Duration::ZERO && note.duration <= Duration::from_secs(15));
                    prop_assert!(note.pitch.is_none_or(|pitch| (261.0..8000.0).contains(&pitch)));
                }
            }
        }
    }
}
