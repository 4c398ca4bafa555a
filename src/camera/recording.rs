//! What recordings have in common: their pace, and why one cannot be opened.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::camera::jpeg::JpegError;

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pace {
    /// As a camera would: a picture is there when its time has come, and gone when the next one's has.
    #[default]
    RealTime,
    /// Every picture, as soon as it is asked for; the recording's clock moves on with the pictures.
    AsFast,
}

/// Pictures a second of a recording that carries no time.
pub const DEFAULT_RATE: f32 = 10.0;

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was to be opened.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A rate out of range.
    #[error("{0} pictures a second cannot be replayed: give a number from 0.1 to 1000")]
    Rate(f32),
    /// A film in a container.
    #[error(
        "{}: this is {container}, and only plain motion JPEG can be replayed; \
         convert it with: ffmpeg -i {} -an -r {} -vf scale=640:-2 -q:v 3 -f mjpeg clip.mjpeg",
        path.display(),
        path.display(),
        DEFAULT_RATE
    )]
    Container {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        container: &'static str,
    },
    /// Not one whole JPEG picture was found.
    #[error("{}: there is no whole JPEG picture in it; a motion-JPEG file is JPEG pictures one behind the other", path.display())]
    NoJpeg {
        /// The file.
        path: PathBuf,
    },
    /// A picture of the wrong kind or size, or a broken one.
    #[error("{}: {source}", path.display())]
    Jpeg {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first picture.
        source: JpegError,
    },
    /// A file that is no picture, or a broken one.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder without pictures.
    #[error("{}: there are no pictures in this folder (looked for {extensions})", path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
        /// The file name extensions that count.
        extensions: String,
    },
    /// A pipe, or whatever else is neither a file nor a folder.
    #[error("{}: a recording is read more than once, so it must be a file or a folder; save it to a file first", path.display())]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// The same of what is called `name`.
    #[cfg(feature = "desk")]
    pub(crate) fn of(mut self, name: &Path) -> Self {
        match &mut self {
            Self::Io { path, .. }
            | Self::Container { path, .. }
            | Self::NoJpeg { path }
            | Self::Jpeg { path, .. }
            | Self::Picture { path, .. }
            | Self::NoPictures { path, .. }
            | Self::NotAFile { path } => name.clone_into(path),
            Self::Rate(_) => {}
        }
        self
    }
}

/// Whether a file's name says that it is motion JPEG.
#[cfg(feature = "desk")]
pub(crate) fn is_clip_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("mjpeg") || extension.eq_ignore_ascii_case("mjpg")
}

/// Names the film container that starts with these 12 bytes.
pub(crate) fn container(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"RIFF") && head.ends_with(b"AVI ") {
        Some("an AVI file")
    } else if head.get(4..8).is_some_and(|kind| matches!(kind, b"ftyp" | b"moov" | b"mdat")) {
        // HEIC and AVIF pictures are of this family, too; ffmpeg reads them as well.
        Some("an MP4 or QuickTime file")
    } else if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        Some("a Matroska or WebM file")
    } else {
        None
    }
}

/// When which picture of a recording is due.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    interval: Duration,
    started: Option<Instant>,
    /// Number of the picture that comes next.
    next: u64,
}

/// The picture to show next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Turn {
    /// Pictures before it whose time is over.
    pub(crate) skip: u64,
    /// Its time since the start of the recording.
    pub(crate) at: Duration,
}

impl Pacer {
    pub(crate) fn new(pace: Pace, rate: f32) -> Result<Self, OpenError> {
        if !(0.1..=1000.0).contains(&rate) {
            return Err(OpenError::Rate(rate));
        }
        let interval = Duration::from_secs_f64(1.0 / f64::from(rate));
        Ok(Self { pace, interval, started: None, next: 0 })
    }

    /// Waits until a picture is due.
    pub(crate) fn wait(&mut self) -> Turn {
        let elapsed = match self.pace {
            Pace::AsFast => self.time(self.next),
            Pace::RealTime => self.started.get_or_insert_with(Instant::now).elapsed(),
        };
        thread::sleep(self.time(self.next).saturating_sub(elapsed));
        self.take_turn(elapsed)
    }

    fn take_turn(&mut self, elapsed: Duration) -> Turn {
        let newest = (elapsed.as_nanos() / self.interval.as_nanos()) as u64;
        let number = newest.max(self.next);
        let turn = Turn { skip: number - self.next, at: self.time(number) };
        self.next = number + 1;
        turn
    }

    /// Lets a replay in real time believe that it began so much earlier.
    #[cfg(test)]
    pub(crate) fn set_back(&mut self, by: Duration) {
        self.started = self.started.map(|started| started - by);
    }

    fn time(&self, number: u64) -> Duration {
        Duration::from_nanos(self.interval.as_nanos() as u64 * number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(pace: Pace) -> Pacer {
        Pacer::new(pace, 10.0).unwrap()
    }

    #[test]
    fn every_picture_has_its_turn_as_fast_as_it_goes() {
        let mut pacer = pacer(Pace::AsFast);
        for number in 0..1000 {
            assert_eq!(pacer.wait(), Turn { skip: 0, at: Duration::from_millis(100 * number) });
        }
    }

    #[test]
    fn late_comers_get_the_newest_picture() {
        let mut pacer = pacer(Pace::RealTime);
        let turns = [0, 100, 199, 250, 1000, 1001].map(|elapsed| {
            let turn = pacer.take_turn(Duration::from_millis(elapsed));
            (turn.skip, turn.at.as_millis())
        });
        assert_eq!(turns, [(0, 0), (0, 100), (0, 200), (0, 300), (6, 1000), (0, 1100)]);
    }

    #[test]
    fn rates_have_bounds() {
        for rate in [0.0, -1.0, 0.09, 1000.1, f32::NAN, f32::INFINITY] {
            assert!(matches!(Pacer::new(Pace::AsFast, rate), Err(OpenError::Rate(_))), "{rate}");
        }
    }
}
