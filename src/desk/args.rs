//! What can be said on the command line.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use super::foreign::argument;
use super::say;
use crate::camera::DEFAULT_RATE;
use crate::camera::pictures::plain;
use crate::version::VERSION;
use crate::vision::{Choice, LookSize, Thresholds};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    version = VERSION,
    about = "A friendly mask reminder for an entrance, at the desk. Without a command it watches the first camera: \
        who covers mouth and nose hears nothing, who does not hears a reminder through the sound card, and a line in the terminal tells it. \
        Nothing is stored and nothing is sent.",
    after_help = WATCH_EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    /// What to do instead of watching.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what is seen in pictures: each face, and whether mouth and nose are covered
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Play a melody, or write it to a sound file
    #[command(after_help = TUNE_EXAMPLES)]
    Tune(TuneArgs),
}

/// How to watch.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Watch this instead of the first camera: a camera (/dev/video0), a motion-JPEG file, a picture, or a folder
    /// of pictures
    #[arg(long, value_name = "PATH")]
    pub source: Option<PathBuf>,
    /// Replay a recording as fast as it goes instead of in real time
    #[arg(long, requires = "source")]
    pub fast: bool,
    /// Pictures a second of a recording, which does not say it itself: 1 to 240 [default: 10]
    #[arg(long, value_name = "N", requires = "source", value_parser = frame_rate)]
    pub fps: Option<f32>,
    /// Show a window: green box covered, red bare, orange nose out, grey unsure (Esc or Q closes it).  The last picture
    /// stays until a key is pressed; the pictures of a folder are paged with → and ←, unless --fast, --fps or --json say
    /// that it is a recording
    #[arg(long)]
    pub show: bool,
    /// Make no sound; without it reminders sound through the sound card (PulseAudio or PipeWire) or else ring the terminal's
    /// bell, but for --fast
    #[arg(long)]
    pub mute: bool,
    /// Print one JSON object a line for each reminder, and one at the end that sums up
    #[arg(long)]
    pub json: bool,
    /// Print one JSON object a line for each look as well: what was seen, before the reminder that follows from it
    #[arg(long, requires = "json")]
    pub looks: bool,
    /// Read settings from this file, as the device reads maskbell.toml from its card (but the log's level: see -v); what
    /// else stands on the command line goes before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How many pixels to look at: 320x240, 400x300, 480x360, 640x480, or auto for the most at which this machine can look
    /// 15 times a second [default: auto, or 320x240 with --fast]
    #[arg(long, value_name = "SIZE")]
    pub look: Option<Choice>,
    /// How sure to be.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl WatchArgs {
    /// How large a look is, `set` being what the settings say: who replays as fast as it goes wants the same from every
    /// machine.
    pub fn look(&self, set: Choice) -> Choice {
        let set = if set == Choice::Auto && self.fast { Choice::Fixed(LookSize::W320) } else { set };
        self.look.unwrap_or(set)
    }

    /// Pictures a second of a recording.
    pub fn fps(&self) -> f32 {
        self.fps.unwrap_or(DEFAULT_RATE)
    }

    /// The folder whose pictures are to be paged in the window; one that is to be replayed is no such.
    pub fn folder_to_page(&self) -> Option<&Path> {
        let is_replayed = self.fast || self.fps.is_some() || self.json;
        self.source.as_deref().filter(|path| self.show && !is_replayed && path.is_dir())
    }

    /// Whether the source is a camera: a device node, or one that is missing.
    pub fn is_camera(&self) -> bool {
        let is_device = |path: &Path| match fs::metadata(path) {
            Ok(about) => about.file_type().is_char_device(),
            Err(_) => path.starts_with("/dev"),
        };
        self.source.as_deref().is_none_or(is_device)
    }
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Pictures, motion-JPEG clips (.mjpeg, .mjpg), folders, which are searched for both (a clip in a
    /// folder gets one line instead of one for each frame), or - for a picture on standard input
    #[arg(required = true, value_name = "PICTURE|FOLDER|CLIP")]
    pub pictures: Vec<PathBuf>,
    /// Print one JSON object a line for each picture, or for each frame of a clip
    #[arg(long)]
    pub json: bool,
    /// Pictures a second of a clip, which does not say it itself: 1 to 240 [default: 10]
    #[arg(long, value_name = "N", value_parser = frame_rate)]
    pub fps: Option<f32>,
    /// Write copies with boxes into this folder, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub annotate: Option<PathBuf>,
    /// Let copies of --annotate overwrite files of their name
    #[arg(long, requires = "annotate")]
    pub force: bool,
    /// Write one HTML page with the annotated pictures into this file: it needs no other file, and can be filtered by verdict
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Read settings from this file, as for watching; what else stands on the command line goes before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look once at each picture, as at a frame of a camera or clip; without it, parts are looked at as well, which
    /// finds smaller faces
    #[arg(long)]
    pub one_look: bool,
    /// How many pixels a look has: 320x240, 400x300, 480x360, 640x480, or auto for the most at which this machine can look
    /// 15 times a second [default: the settings' size, or 320x240 if they say auto]
    #[arg(long, value_name = "SIZE")]
    pub look: Option<Choice>,
    /// How sure to be.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl CheckArgs {
    /// How large a look is, `set` being what the settings say: the same on every machine unless somebody asks for `auto` here.
    pub fn look(&self, set: Choice) -> Choice {
        let set = if set == Choice::Auto { Choice::Fixed(LookSize::W320) } else { set };
        self.look.unwrap_or(set)
    }
}

/// What to play.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// A melody in RTTTL, or a file that holds one
    #[arg(value_name = "FILE|MELODY")]
    pub melody: String,
    /// Write the sound to this file instead, or with - to standard output: 44.1 kHz, 16 bit, mono
    #[arg(long, value_name = "FILE")]
    pub wav: Option<PathBuf>,
    /// Overwrite the file of --wav without asking
    #[arg(long, requires = "wav")]
    pub force: bool,
    /// How much to tell.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// How sure the models must be.
#[derive(Clone, Copy, Debug, Args)]
pub struct ThresholdArgs {
    /// Least score of a face, 0 to 1: lower finds more faces, and more that are none
    #[arg(long, value_name = "F", value_parser = fraction)]
    #[arg(help = format!("Least score of a face, 0 to 1: lower finds more faces, and more that are none [default: {}]", Thresholds::default().face))]
    pub face_threshold: Option<f32>,
    /// Score from which a mouth counts as seen, 0 to 1
    #[arg(long, value_name = "F", value_parser = fraction)]
    #[arg(help = format!("Score from which a mouth counts as seen, 0 to 1 [default: {}]", Thresholds::default().mouth))]
    pub mouth_threshold: Option<f32>,
    /// Score from which a nose counts as seen, 0 to 1
    #[arg(long, value_name = "F", value_parser = fraction)]
    #[arg(help = format!("Score from which a nose counts as seen, 0 to 1 [default: {}]", Thresholds::default().nose))]
    pub nose_threshold: Option<f32>,
    /// How sure the second model must be that there is a face at all, 0 to 1
    #[arg(long, value_name = "F", value_parser = fraction)]
    #[arg(help = format!("How sure the second model must be that there is a face at all, 0 to 1 [default: {}]", Thresholds::default().presence))]
    pub presence_threshold: Option<f32>,
}

impl ThresholdArgs {
    /// `thresholds` with those that were given in their place.
    pub fn over(&self, thresholds: Thresholds) -> Thresholds {
        Thresholds {
            face: self.face_threshold.unwrap_or(thresholds.face),
            mouth: self.mouth_threshold.unwrap_or(thresholds.mouth),
            nose: self.nose_threshold.unwrap_or(thresholds.nose),
            presence: self.presence_threshold.unwrap_or(thresholds.presence),
            ..thresholds
        }
    }
}

/// How much to tell.
#[derive(Clone, Copy, Debug, Args)]
pub struct Verbosity {
    /// Tell more on the way; twice tells everything
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl CommandLine {
    /// What the user asked for.
    ///
    /// # Errors
    ///
    /// The exit status to end with, after help was printed or one sentence that says what is wrong.
    pub fn read() -> Result<Self, ExitCode> {
        Self::parse_words(std::env::args_os()).map_err(|error| {
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
                // The reader may have gone (`| head`): nothing left to do then.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            say(one_sentence(&error.to_string()));
            ExitCode::from(2)
        })
    }

    fn parse_words(
        words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> clap::error::Result<Self> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let line = Self::try_parse_from(&words).map_err(|error| {
            let is_command = |word: &OsString| Self::command().find_subcommand(word).is_some();
            let what = words.get(1).filter(|word| Path::new(word).exists() && !is_command(word));
            match (error.kind(), what) {
                (ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument, Some(what)) => {
                    let what = plain(&argument(Path::new(what)));
                    let hint = format!("what is seen in {what} says: maskbell check {what}; it is watched with --source {what}");
                    Self::command().error(ErrorKind::InvalidSubcommand, hint)
                }
                _ => error,
            }
        })?;
        if line.watch.is_camera() && (line.watch.fast || line.watch.fps.is_some()) {
            let what = "--fast and --fps are for recordings: a camera sets its own pace";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, what));
        }
        Ok(line)
    }

    /// How much to tell.
    pub fn verbosity(&self) -> Verbosity {
        match &self.command {
            None => self.watch.verbosity,
            Some(Command::Check(check)) => check.verbosity,
            Some(Command::Tune(tune)) => tune.verbosity,
        }
    }
}

/// clap's message without the paragraphs about usage, on one line.
fn one_sentence(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let what = message.split("\nUsage:").next().unwrap_or(message);
    let what = what.split("\nFor more information").next().unwrap_or(what);
    let what = what.replace("\n\n  tip: ", ": ");
    let words: Vec<&str> = what.split_whitespace().collect();
    format!("{}; --help tells what is possible", words.join(" "))
}

fn fraction(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value))
        .ok_or_else(|| "it must be a number from 0 to 1, such as 0.5".to_owned())
}

fn frame_rate(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (1.0..=240.0).contains(value))
        .ok_or_else(|| "it must be a number from 1 to 240, such as 15".to_owned())
}

const WATCH_EXAMPLES: &str = "\
Examples:
  maskbell                                 watch the first camera
  maskbell --show                          the same, with a window
  maskbell --source visit.mjpeg --show     replay a recording, boxes in a window
  maskbell --source visit.mjpeg --fast --json  when who would hear a reminder
  maskbell check --json photos/            what is seen in each picture of a folder
  maskbell tune 'hello:d=8,o=6,b=160:c,e'  play a melody

With --json a reminder is the time of its picture in seconds from the start of the source, what it
reminds of, and the face that it is for, whose box may reach beyond the picture:
  {\"time\": 3.2, \"reminder\": \"mask\" or \"nose\", \"box\": [x1, y1, x2, y2]}
The last line counts the pictures looked at, the broken ones, the reminders, and the seconds up to
the last picture:
  {\"frames\": 199, \"broken\": 0, \"seconds\": 19.8, \"reminders\": 2}
--looks adds a line a picture, with its size and with faces as from check --json, but for boxes
that reach beyond it:
  {\"at\": 3.2, \"size\": [640, 480], \"faces\": [...]}

Exit status: 0 all went well, 1 something could not be read, 2 the command line has a mistake.";

const CHECK_EXAMPLES: &str = "\
Examples:
  maskbell check me.jpg                       one line a face
  maskbell check --json photos/ > seen.jsonl  one JSON object a picture
  maskbell check --annotate out/ photos/      copies with boxes: green covered, red bare,
                                              orange nose out, grey unsure
  maskbell check --report seen.html photos/   the same as one page for a browser
  ssh camera cat last.jpg | maskbell check -  a picture on standard input

A JSON object looks like this, boxes in pixels from the upper left corner of the picture as it is shown:
upright after the rotation that its EXIF data ask for, and after that which camera.rotation sets in the
file of --config:
  {\"image\": \"me.jpg\", \"faces\": [{\"box\": [x1, y1, x2, y2], \"score\": 0.97,
   \"verdict\": \"covered\" or \"nose_out\" or \"bare\" or \"unsure\", \"mouth\": 0.01, \"nose\": 0.02,
   \"presence\": 0.99}]}
A frame of a clip also has \"frame\", its number, counted from 0, and \"at\", its time in seconds.";

const TUNE_EXAMPLES: &str = "\
Examples:
  maskbell tune 'hello:d=8,o=6,b=160:c,e,g'
  maskbell tune reminder.rtttl --wav reminder.wav

RTTTL is name:defaults:notes. Defaults are d (duration: 1, 2, 4, 8, 16, 32), o (octave: 4 to 8)
and b (beats a minute: 25 to 900). A note is [duration] letter [#] [octave], a pause is p; with a
dot behind any of them it lasts half as long again.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn fractions_and_rates_have_a_range() {
        for good in ["0", "1", "0.5", "1e-3", ".7"] {
            assert!(fraction(good).is_ok(), "{good}");
        }
        for bad in ["-0.1", "1.01", "NaN", "inf", "", "half", "0,5"] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
        for bad in ["0", "241", "NaN", "fast"] {
            assert!(frame_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mistake_becomes_one_sentence() {
        for line in [
            &["--sauce", "x"][..],
            &["--face-threshold", "2"],
            &["--fast"],
            &["--source", "/dev/video0", "--fast"],
            &["--source", "/dev/video0", "--fps", "5"],
            &["--source"],
            &["check"],
            &["check", "x.jpg", "--jsn"],
            &["check", "x.jpg", "--look", "640"],
            &["--look", "1x1"],
            &["chekc"],
            &["--show", "check", "x.jpg"],
            &["tune"],
            &["tune", "a", "b"],
        ] {
            let parsed = CommandLine::parse_words([&["maskbell"], line].concat());
            let sentence = one_sentence(&parsed.expect_err(&line.join(" ")).to_string());
            println!("{sentence}");
            assert!(!sentence.contains('\n') && !sentence.contains("Usage:"), "{sentence}");
        }
    }
}
