//! `maskbell tune`: a melody to be heard, or to be kept as a sound file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Cursor, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};

use super::args::TuneArgs;
use super::say;
use super::speaker::Speaker;
use super::wave::{Drive, SquareWave};
use crate::camera::pictures::plain;
use crate::signal::buzzer::LOUDEST;
use crate::signal::melody::{Melody, Note};
use crate::signal::rtttl::{self, MelodyError};

/// Mono, as one piezo is.
const WAV: WavSpec =
    WavSpec { channels: 1, sample_rate: 44_100, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// Most bytes of a melody file: many times [`crate::signal::melody::MAX_NOTES`] notes.
const MAX_BYTES: u64 = 64 * 1024;

/// Silences shorter than this only keep equal notes apart, and are not worth a line.
const SEAM: Duration = Duration::from_millis(20);

/// Why there is no melody.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// Neither a file nor RTTTL.
    #[error("{0}: there is no such file, and a melody looks like 'bell:d=8,o=6,b=120:c,e,g'")]
    Nothing(String),
    /// The file cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file is none that holds a melody.
    #[error("{}: not a melody file: it must be text (UTF-8) of {} KiB at most", path.display(), MAX_BYTES / 1024)]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The melody has a mistake.
    #[error("{origin}{cause}")]
    Melody {
        /// The file and a colon, or nothing.
        origin: String,
        /// Where it is wrong.
        cause: MelodyError,
    },
    /// The sound would take the place of the melody.
    #[error("--wav {}: that would overwrite the melody, choose another name", .0.display())]
    Overwrite(PathBuf),
    /// There is such a file, and nobody has said that it may go.
    #[error("--wav {}: this file exists; --force overwrites it", .0.display())]
    Exists(PathBuf),
    /// A terminal cannot play a sound file.
    #[error("--wav -: the sound would go to the terminal; pipe it into a player, or name a file")]
    Terminal,
    /// The sound file cannot be written.
    #[error("{}: the sound cannot be written: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Nowhere to play.
    #[error("the melody cannot be written to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Plays the melody, or writes it to a sound file.
///
/// # Errors
///
/// [`TuneError`] if it is no melody, or has nowhere to go.
pub fn run(args: &TuneArgs) -> Result<ExitCode, TuneError> {
    let melody = find(&args.melody)?;
    match &args.wav {
        None => match play(&melody, &mut io::stdout().lock()) {
            Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => return Err(cause.into()),
            _ => {}
        },
        Some(path) if path.as_os_str() == "-" => {
            if io::stdout().is_terminal() {
                return Err(TuneError::Terminal);
            }
            let sound = wav(&melody)?;
            match io::stdout().lock().write_all(&sound) {
                Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => return Err(cause.into()),
                _ => {}
            }
        }
        Some(path) => {
            let same = fs::canonicalize(path)
                .is_ok_and(|to| fs::canonicalize(&args.melody).is_ok_and(|from| to == from));
            if same {
                return Err(TuneError::Overwrite(path.clone()));
            }
            if !args.force && path.is_file() && !may_overwrite(path) {
                return Err(TuneError::Exists(path.clone()));
            }
            let write = |cause| TuneError::Write { path: path.clone(), cause };
            let sound = wav(&melody).map_err(write)?;
            File::create(path).and_then(|mut file| file.write_all(&sound)).map_err(write)?;
            let seconds = melody.duration().as_secs_f32();
            say(format!("{} written: {seconds:.2} s of sound", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks whoever is there; silence is a no.
fn may_overwrite(path: &Path) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{} exists.  Overwrite it? [y/N] ", plain(&path.display().to_string()));
    asked.and_then(|()| io::stdin().read_line(&mut answer)).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// The melody in the file of that name, or else in the text itself.
fn find(text: &str) -> Result<Melody, TuneError> {
    let path = Path::new(text);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(_) if text.contains(':') => {
            return rtttl::parse(text).map_err(|cause| TuneError::Melody { origin: String::new(), cause });
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(TuneError::Nothing(text.to_owned()));
        }
        Err(cause) => return Err(TuneError::Read { path: path.to_owned(), cause }),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| TuneError::Read { path: path.to_owned(), cause })?;
    match String::from_utf8(bytes) {
        Ok(melody) if melody.len() as u64 <= MAX_BYTES => {
            rtttl::parse(&melody).map_err(|cause| TuneError::Melody { origin: format!("{text}: "), cause })
        }
        _ => Err(TuneError::Content { path: path.to_owned() }),
    }
}

/// Plays the melody on the sound card, or on the terminal's bell if there is none, and prints each note when it begins.
fn play(melody: &Melody, out: &mut (impl Write + IsTerminal)) -> io::Result<()> {
    let without =
        if out.is_terminal() { "each note rings the terminal's bell" } else { "the notes are printed alone" };
    let told = |why| say(format!("{why}: {without}"));
    let mut speaker = Speaker::open().map_err(told).ok();
    // Against the start, so that printing does not add up.
    let start = Instant::now();
    let mut begins = Duration::ZERO;
    for note in melody.notes() {
        thread::sleep(begins.saturating_sub(start.elapsed()));
        speaker = speaker.filter(|speaker| speaker.sound(drive(note)).map_err(told).is_ok());
        let bell = if speaker.is_none() && out.is_terminal() { "\x07" } else { "" };
        match note.pitch {
            Some(pitch) => writeln!(out, "{bell}{}", line(pitch, note.duration))?,
            None if note.duration < SEAM => {}
            None => writeln!(out, "pause        {:4} ms", note.duration.as_millis())?,
        }
        out.flush()?;
        begins += note.duration;
    }
    thread::sleep(begins.saturating_sub(start.elapsed()));
    if let Some(speaker) = speaker
        && let Err(why) = speaker.sound(None).and_then(|()| speaker.finish())
    {
        say(why);
    }
    Ok(())
}

/// A note's name, pitch and length.
fn line(pitch: f32, duration: Duration) -> String {
    const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
    // Semitones above C0, in equal temperament with A4 (the 57th) at 440 Hz.
    let semitone = (12.0 * (pitch / 440.0).log2()).round() as i32 + 57;
    let name = format!("{}{}", NAMES[semitone.rem_euclid(12) as usize], semitone.div_euclid(12));
    format!("{name:5} {pitch:4.0} Hz {:4} ms", duration.as_millis())
}

/// The melody as a WAV file: the square wave that drives the piezo, at 50 % duty.
fn wav(melody: &Melody) -> io::Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let written = WavWriter::new(BufWriter::new(&mut file), WAV).and_then(|mut writer| {
        samples(melody).try_for_each(|sample| writer.write_sample(sample))?;
        writer.finalize()
    });
    match written {
        Ok(()) => Ok(file.into_inner()),
        Err(hound::Error::IoError(cause)) => Err(cause),
        Err(other) => Err(io::Error::other(other)),
    }
}

fn samples(melody: &Melody) -> impl Iterator<Item = i16> {
    let mut wave = SquareWave::new(WAV.sample_rate);
    let mut ends = Duration::ZERO;
    let mut begin = 0;
    melody.notes().iter().flat_map(move |note| {
        // Where the note ends in the whole melody, so that rounding does not add up.
        ends += note.duration;
        let end = (ends.as_secs_f64() * f64::from(WAV.sample_rate)).round() as u64;
        let length = end - std::mem::replace(&mut begin, end);
        wave.set(drive(note));
        (0..length).map(|_| wave.sample()).collect::<Vec<_>>()
    })
}

/// How a note drives a piezo that is to be as loud as it can be.
fn drive(note: &Note) -> Option<Drive> {
    note.pitch.map(|pitch| Drive { pitch, duty: f32::from(LOUDEST) / 100.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::wave::AMPLITUDE;

    #[test]
    fn a_note_has_name_pitch_and_length() {
        let second = Duration::from_secs(1);
        for (pitch, expected) in [
            (440.0, "A4     440 Hz 1000 ms"),
            (2489.016, "D#7   2489 Hz 1000 ms"),
            (1975.533, "B6    1976 Hz 1000 ms"),
            (261.63, "C4     262 Hz 1000 ms"),
        ] {
            assert_eq!(line(pitch, second), expected);
        }
    }

    #[test]
    fn the_sound_has_the_pitch_the_duty_and_the_length_of_the_melody() {
        // 120 quarters a minute: half a second of 440 Hz, half a second of silence, a quarter second of 880 Hz.
        let melody = rtttl::parse("x:d=4,o=4,b=120:a,p,8a5").unwrap();
        let mut reader = hound::WavReader::new(Cursor::new(wav(&melody).unwrap())).unwrap();
        assert_eq!(reader.spec(), WAV);
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples.len(), 44_100 * 5 / 4);
        let rises = |part: &[i16]| part.windows(2).filter(|pair| pair[0] < 0 && pair[1] > 0).count();
        let high = |part: &[i16]| part.iter().filter(|&&sample| sample > 0).count() * 1000 / part.len();
        let (low_note, rest) = samples.split_at(22_050);
        let (pause, high_note) = rest.split_at(22_050);
        assert!(rises(low_note).abs_diff(220) <= 1 && rises(high_note).abs_diff(220) <= 1);
        assert!(high(low_note).abs_diff(500) <= 5 && high(high_note).abs_diff(500) <= 5);
        assert!(pause.iter().all(|&sample| sample == 0));
        assert!(low_note.iter().all(|sample| sample.abs() == AMPLITUDE));
    }

    #[test]
    fn a_melody_comes_from_a_file_or_from_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = folder.path().join("melody");
            fs::write(&path, content).unwrap();
            find(path.to_str().unwrap())
        };
        let melody = find("x:d=8:c,e").unwrap();
        assert_eq!(file(b"x:d=8:c,e\n").unwrap(), melody);
        assert!(matches!(file(b"x:d=8:c,h"), Err(TuneError::Melody { .. })));
        assert!(matches!(file(b"\xff\xfe"), Err(TuneError::Content { .. })));
        assert!(matches!(file(&[b' '; 65 * 1024]), Err(TuneError::Content { .. })));
        assert!(matches!(find("no-such-file"), Err(TuneError::Nothing(_))));
        assert!(matches!(find("/"), Err(TuneError::Read { .. })));
    }
}
