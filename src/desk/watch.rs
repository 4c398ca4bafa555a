//! `maskbell` without a command: watch a camera or a recording.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use log::info;
use serde::Serialize;

use super::args::WatchArgs;
use super::seen::{Seen, edges};
use super::window::{Window, WindowError};
use crate::attendant::Attendant;
use crate::board::Board;
use crate::camera::v4l2::{self, V4l2Camera, Which};
use crate::camera::{self, Fault, OpenError, Pace, Source};
use crate::config::{self, Config};
use crate::frame::Frame;
use crate::policy::{Call, Reminder};
use crate::runtime::RuntimeError;
use crate::signal::Signals;
use crate::vision::{self, Face, LookSize};
use crate::watch::{Turn, Watch};

/// Why watching ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no camera.
    #[error("{0}; a recording is watched with --source PATH")]
    NoCamera(String),
    /// The file of settings cannot be read, or has mistakes, one a line.
    #[error("{0}")]
    Config(String),
    /// The recording cannot be opened.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// A recording without a single good picture.
    #[error("{0}: no picture in it could be read")]
    NoPictures(String),
    /// The models do not work.
    #[error(transparent)]
    Models(#[from] RuntimeError),
    /// No window.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// The JSON cannot be written.
    #[error("the results cannot be written to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Watches until the recording ends or the window is closed; a camera without a window is watched for ever.
///
/// # Errors
///
/// [`WatchError`] if there is nothing to watch, or nothing to watch it with.
pub fn run(args: &WatchArgs) -> Result<ExitCode, WatchError> {
    let config = args.config.as_deref().map(configure).transpose()?.unwrap_or_default();
    let mut source = open(args, &config)?;
    let vision = vision::Options {
        thresholds: args.thresholds.over(config.vision.thresholds),
        size: args.look().unwrap_or(config.vision.size),
        ..config.vision
    };
    let mut watch = Watch::new(&vision, config.times, config.orientation)?;
    let chosen = watch.chosen();
    info!("{chosen}");
    let mut desk = Desk {
        attendant: Attendant::new(Signals::start(&Board::detect(), &config.signals), None),
        show: args.show,
        size: chosen.size,
        window: None,
        progress: if args.fast { progress() } else { ProgressBar::hidden() },
        json: args.json,
        looks: args.looks,
        tally: Tally::default(),
        error: None,
    };
    let start = Instant::now();
    watch.run(&mut *source, |turn| match desk.take(turn) {
        Ok(flow) => flow,
        Err(error) => {
            desk.error = Some(error);
            ControlFlow::Break(())
        }
    })?;
    desk.progress.finish_and_clear();
    if let Some(error) = desk.error {
        return Err(error);
    }
    if let Some(error) = source.take_error() {
        return Err(error.into());
    }
    if let (Some(path), 0) = (&args.source, desk.tally.frames) {
        return Err(WatchError::NoPictures(path.display().to_string()));
    }
    desk.tally.time = start.elapsed();
    if args.json {
        return desk.print(&desk.tally.summary()).map(|_| ExitCode::SUCCESS);
    }
    // Nobody reads it any more: nothing to be done.
    let _ = writeln!(io::stdout(), "{}", desk.tally);
    Ok(ExitCode::SUCCESS)
}

/// What the file says.  At a desk a mistake is a reason to stop: there is somebody to tell.
fn configure(path: &Path) -> Result<Config, WatchError> {
    let read = File::open(path).and_then(config::load);
    let (config, mistakes) =
        read.map_err(|error| WatchError::Config(format!("{}: {error}", path.display())))?;
    if mistakes.is_empty() {
        return Ok(config);
    }
    let mistakes: Vec<_> = mistakes.iter().map(|mistake| format!("{}, {mistake}", path.display())).collect();
    let end = "nothing was watched: correct the file (the device would go on with the defaults)";
    Err(WatchError::Config(format!("{}\n{end}", mistakes.join("\n"))))
}

fn open(args: &WatchArgs, config: &Config) -> Result<Box<dyn Source>, WatchError> {
    let node = match &args.source {
        Some(path) if !args.is_camera() => {
            let pace = if args.fast { Pace::AsFast } else { Pace::RealTime };
            return Ok(camera::open_recording(path, pace, args.fps())?);
        }
        node => node.clone(),
    };
    let mut options = config.camera.clone();
    if let Some(node) = node {
        options.which = Which::Node(node);
    }
    let found = v4l2::list(&options);
    if found.iter().all(|camera| camera.mode.is_err()) {
        let reasons: Vec<_> = found.iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() { Fault::NoCamera.to_string() } else { reasons.join("; ") };
        return Err(WatchError::NoCamera(reasons));
    }
    Ok(Box::new(V4l2Camera::new(options)))
}

/// Counts frames on standard error, if somebody watches it.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} frames");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// What happens at the desk with each turn of the loop, besides what happens on the card.
struct Desk {
    attendant: Attendant,
    show: bool,
    size: LookSize,
    window: Option<Window>,
    progress: ProgressBar,
    /// Print reminders as JSON.
    json: bool,
    /// Print looks as JSON, too.
    looks: bool,
    tally: Tally,
    error: Option<WatchError>,
}

impl Desk {
    fn take(&mut self, turn: Turn<'_>) -> Result<ControlFlow<()>, WatchError> {
        if let Turn::Blind(fault @ Fault::NoCamera) = turn
            && self.tally.frames == 0
        {
            return Err(WatchError::NoCamera(fault.to_string()));
        }
        // What is logged must not mix with the progress.
        self.progress.suspend(|| self.attendant.attend(turn));
        match turn {
            Turn::Seen { frame, faces, call, took } => {
                self.tally.frames += 1;
                self.tally.last = frame.captured_at();
                self.progress.inc(1);
                if let Some(call) = call {
                    self.tally.reminders[call.reminder as usize] += 1;
                }
                if self.report(frame, faces, call)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if self.show {
                    let window = match &mut self.window {
                        Some(window) => window,
                        none => none.insert(Window::open(frame.width(), frame.height())?),
                    };
                    window.show(frame, faces, self.size, took)?;
                }
            }
            Turn::Blind(fault) => {
                self.tally.broken += usize::from(fault == Fault::BadFrame);
                if let Some(window) = &mut self.window {
                    window.wait();
                }
            }
        }
        let closed = self.window.as_ref().is_some_and(|window| !window.is_open());
        Ok(if closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Prints a look and the reminder that follows from it, as far as they are asked for.
    fn report(
        &self,
        frame: &Frame,
        faces: &[Face],
        call: Option<Call>,
    ) -> Result<ControlFlow<()>, WatchError> {
        let at = frame.captured_at();
        if self.looks {
            let look = Look {
                at: at.as_secs_f64(),
                size: [frame.width(), frame.height()],
                faces: faces.iter().map(Seen::new).collect(),
            };
            if self.print(&look)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        match call.filter(|_| self.json) {
            Some(Call { reminder, face }) => self.print(&Reminded {
                time: at.as_secs_f64(),
                reminder: match reminder {
                    Reminder::Mask => "mask",
                    Reminder::Nose => "nose",
                },
                bounds: edges(&faces[face].bounds),
            }),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// Prints a line of JSON as one write, and breaks off when nobody reads any more.
    fn print(&self, line: &impl Serialize) -> Result<ControlFlow<()>, WatchError> {
        let line = serde_json::to_string(line).map_err(io::Error::from)? + "\n";
        match self.progress.suspend(|| io::stdout().write_all(line.as_bytes())) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(error.into()),
        }
    }
}

/// A look; the field names of this and the next two are those of the JSON output.
#[derive(Debug, Serialize)]
struct Look {
    /// Seconds since the start of the source, as all times here.
    at: f64,
    /// Width and height of the picture, in pixels.
    size: [usize; 2],
    faces: Vec<Seen>,
}

/// A reminder.
#[derive(Debug, Serialize)]
struct Reminded {
    time: f64,
    reminder: &'static str,
    /// Left, top, right, bottom of the face that it is for, in pixels.
    #[serde(rename = "box")]
    bounds: [f32; 4],
}

/// All of a recording.
#[derive(Debug, Serialize)]
struct Summary {
    frames: usize,
    broken: usize,
    /// When the last frame was.
    seconds: f64,
    reminders: usize,
}

/// What was watched, in numbers.
#[derive(Debug, Default)]
struct Tally {
    frames: usize,
    broken: usize,
    /// As [`Reminder`] counts.
    reminders: [usize; 2],
    /// Time of the last frame in the source's clock.
    last: Duration,
    /// Time that it took.
    time: Duration,
}

impl Tally {
    fn summary(&self) -> Summary {
        let &Self { frames, broken, reminders: [mask, nose], last, .. } = self;
        Summary { frames, broken, seconds: last.as_secs_f64(), reminders: mask + nose }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f32();
        let [mask, nose] = [Reminder::Mask, Reminder::Nose].map(|reminder| self.reminders[reminder as usize]);
        let reminders = if mask + nose == 1 { "reminder" } else { "reminders" };
        write!(f, "{} frames in {seconds:.1} s, {} {reminders}", self.frames, mask + nose)?;
        if mask + nose > 0 {
            write!(f, " ({mask} to put on a mask, {nose} to cover the nose)")?;
        }
        if self.broken > 0 {
            write!(f, ", {} left out as broken", self.broken)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;
    use crate::signal::Melodies;
    use crate::signal::buzzer::tests::{Notebook, Told};
    use crate::signal::buzzer::{Buzzer, LOUDEST};
    use crate::signal::led::Led;
    use crate::vision::Faces;

    #[test]
    fn a_pi_at_the_desk_is_told_of_frames() {
        let notebook = Notebook::default();
        let buzzer = Buzzer::new(notebook.clone(), LOUDEST);
        let signals = Signals::with_pins(Some(buzzer), None::<Led<NoPin>>, Melodies::default());
        let mut desk = Desk {
            attendant: Attendant::new(signals, None),
            show: false,
            size: LookSize::W320,
            window: None,
            progress: ProgressBar::hidden(),
            json: false,
            looks: false,
            tally: Tally::default(),
            error: None,
        };
        let frame = Frame::new(&[0; 4], PixelFormat::Grey, 2, 2, 2, Duration::ZERO).unwrap();
        let faces = Faces::new();
        let turn = Turn::Seen { frame: &frame, faces: &faces, call: None, took: Duration::ZERO };
        assert!(desk.take(turn).unwrap().is_continue());
        // The first frame ends the start with a chirp; the test ends when it is heard.
        while !notebook.0.lock().unwrap().iter().any(|told| matches!(told, Told::Period(_))) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(desk.take(Turn::Blind(Fault::BadFrame)).unwrap().is_continue());
        assert_eq!((desk.tally.frames, desk.tally.broken), (1, 1));
    }

    /// A pin that nothing is connected to.
    struct NoPin;

    impl embedded_hal::digital::ErrorType for NoPin {
        type Error = std::convert::Infallible;
    }

    impl embedded_hal::digital::OutputPin for NoPin {
        fn set_low(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    #[test]
    fn the_summary_counts() {
        let time = Duration::from_millis(19_940);
        let last = Duration::from_secs(19);
        let mut tally = Tally { frames: 199, broken: 0, reminders: [0, 0], last, time };
        assert_eq!(tally.to_string(), "199 frames in 19.9 s, 0 reminders");
        tally.reminders[Reminder::Nose as usize] = 1;
        let one = "199 frames in 19.9 s, 1 reminder (0 to put on a mask, 1 to cover the nose)";
        assert_eq!(tally.to_string(), one);
        tally.broken = 2;
        assert_eq!(tally.to_string(), format!("{one}, 2 left out as broken"));
    }
}
