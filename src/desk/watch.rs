//! `maskbell` without a command: watch a camera or a recording.

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use log::info;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::args::WatchArgs;
use super::foreign::{Foreign, argument, no_pictures};
use super::rgb;
use super::screen::{Banner, Screen, State};
use super::seen::{Seen, edges};
use super::settings::{self, SettingsError};
use super::speaker::{NoPin, Speaker};
use super::window::{Window, WindowError};
use crate::attendant::Attendant;
use crate::board::Board;
use crate::camera::pictures::plain;
use crate::camera::v4l2::{self, V4l2Camera, Which};
use crate::camera::{self, Fault, OpenError, Pace, Source};
use crate::config::Config;
use crate::frame::Frame;
use crate::policy::{Call, Reminder};
use crate::runtime::RuntimeError;
use crate::signal::buzzer::Buzzer;
use crate::signal::led::Led;
use crate::signal::{Melodies, Settings, Signals};
use crate::vision::{self, Face, Faces, LookSize, Thresholds};
use crate::watch::{Turn, Watch};

/// Why watching ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no camera.
    #[error("{0}; a recording is watched with --source PATH")]
    NoCamera(String),
    /// The settings are not all right.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The recording cannot be opened.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// Something that is neither a camera nor a file.
    #[error(
        "--source {name}: {reason}; a camera (/dev/video0), a motion-JPEG file, a picture, or a folder of pictures can be watched"
    )]
    Source {
        /// As it was given.
        name: String,
        /// What it seems to be.
        reason: &'static str,
    },
    /// Signals cannot be caught.
    #[error("Ctrl-C cannot be waited for: {0}")]
    Signals(io::Error),
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
    let config = settings::load(args.config.as_deref())?;
    let mut source = open(args, &config)?;
    let vision = vision::Options {
        thresholds: args.thresholds.over(config.vision.thresholds),
        size: args.look(config.vision.size),
        ..config.vision
    };
    let mut watch = Watch::new(&vision, config.times, config.orientation)?;
    let chosen = watch.chosen();
    info!("{chosen}");
    let mut desk = Desk {
        attendant: Attendant::new(signals(args, &config.signals), None),
        show: args.show.then(|| Show::new(vision.thresholds, chosen.size, &config.signals.melodies)),
        progress: if args.fast { progress() } else { ProgressBar::hidden() },
        json: args.json,
        looks: args.looks,
        tally: Tally::default(),
        asked_to_end: ends().map_err(WatchError::Signals)?,
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
    let is_over = !desk.asked_to_end.load(Ordering::Relaxed);
    if let (Some(path), 0, true) = (&args.source, desk.tally.frames, is_over) {
        return Err(WatchError::NoPictures(path.display().to_string()));
    }
    desk.tally.time = start.elapsed();
    if args.json {
        let _ = desk.print(&desk.tally.summary())?;
    } else {
        // Nobody reads it any more: nothing to be done.
        let _ = writeln!(io::stdout(), "{}", desk.tally);
        if let (Some(path), 1, false) = (&args.source, desk.tally.frames, args.show) {
            let name = plain(&argument(path));
            info!("one picture is no visit; what is seen in it says: maskbell check {name}");
        }
    }
    if let Some(show) = desk.show.as_mut().filter(|_| !desk.asked_to_end.load(Ordering::Relaxed)) {
        show.stay(&desk.asked_to_end)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where reminders go: to the pins of a Pi, to a PC's sound card, or else to the terminal's bell.
fn signals(args: &WatchArgs, settings: &Settings) -> Signals {
    let board = Board::detect();
    if args.mute || args.fast {
        // Time runs faster than tones do.
        return Signals::mute();
    }
    if board.is_raspberry_pi() {
        return Signals::start(&board, settings);
    }
    match Speaker::open() {
        Ok(speaker) => {
            info!("{board}: reminders sound through the sound card");
            let buzzer = Buzzer::new(speaker, settings.duty);
            let melodies = settings.melodies.transposed(settings.transposition);
            Signals::with_pins(Some(buzzer), None::<Led<NoPin>>, melodies)
        }
        Err(why) => {
            info!("{why}: reminders ring the terminal's bell");
            Signals::terminal()
        }
    }
}

/// Whether Ctrl-C was pressed or the system asks to end: then what was watched is summed up.  The second time is the end.
fn ends() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds it not yet asked for.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}

/// What is given for a source and is none, by its looks.
fn no_source(path: &Path) -> Option<&'static str> {
    let name = path.to_string_lossy();
    if path.exists() {
        None
    } else if name.contains("://") {
        Some("nothing is fetched from a network")
    } else if !name.is_empty() && name.chars().all(|character| character.is_ascii_digit()) {
        Some("cameras have no numbers here, but /dev/video and the number")
    } else {
        None
    }
}

fn open(args: &WatchArgs, config: &Config) -> Result<Box<dyn Source>, WatchError> {
    let node = match &args.source {
        Some(path) if !args.is_camera() => {
            if let Some(reason) = no_source(path) {
                return Err(WatchError::Source { name: path.display().to_string(), reason });
            }
            if let Some(foreign) = Foreign::at(path) {
                let reason = foreign.remedy(path);
                return Err(OpenError::Picture { path: path.clone(), reason }.into());
            }
            let pace = if args.fast { Pace::AsFast } else { Pace::RealTime };
            return camera::open_recording(path, pace, args.fps()).map_err(|error| match error {
                OpenError::NoPictures { path, .. } => no_pictures(&path).into(),
                other => other.into(),
            });
        }
        node => node.clone(),
    };
    let mut options = config.camera.clone();
    if let Some(node) = node {
        options.which = Which::Node(node);
    }
    let found = v4l2::list(&options);
    if found.iter().all(|camera| camera.modes.is_err()) {
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
    show: Option<Show>,
    progress: ProgressBar,
    /// Print reminders as JSON.
    json: bool,
    /// Print looks as JSON, too.
    looks: bool,
    tally: Tally,
    /// By a signal.
    asked_to_end: Arc<AtomicBool>,
    error: Option<WatchError>,
}

impl Desk {
    fn take(&mut self, turn: Turn<'_>) -> Result<ControlFlow<()>, WatchError> {
        if let Turn::Blind { fault: fault @ Fault::NoCamera, .. } = turn
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
                if let Some(show) = &mut self.show {
                    show.seen(frame, faces, call, took, self.tally.reminders)?;
                }
            }
            Turn::Blind { fault, at } => {
                self.tally.broken += usize::from(fault == Fault::BadFrame);
                if let Some(show) = &mut self.show {
                    show.blind(fault, at)?;
                }
            }
        }
        if self.asked_to_end.load(Ordering::Relaxed) {
            return Ok(ControlFlow::Break(()));
        }
        let closed = self.show.as_ref().is_some_and(Show::is_closed);
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

/// The window, which opens with the first turn, and what is on it.
struct Show {
    screen: Screen,
    banner: Banner,
    size: LookSize,
    window: Option<Window>,
}

impl Show {
    fn new(thresholds: Thresholds, size: LookSize, melodies: &Melodies) -> Self {
        let screen = Screen::new(thresholds, "Esc or Q: close");
        Self { screen, banner: Banner::new(melodies), size, window: None }
    }

    fn window(&mut self) -> Result<&mut Window, WindowError> {
        match &mut self.window {
            Some(window) => Ok(window),
            none => Ok(none.insert(Window::open(&self.screen)?)),
        }
    }

    /// Shows a frame that was looked at.
    fn seen(
        &mut self,
        frame: &Frame<'_>,
        faces: &Faces,
        call: Option<Call>,
        took: Duration,
        reminders: [usize; 2],
    ) -> Result<(), WindowError> {
        let (width, height, at) = (frame.width(), frame.height(), frame.captured_at());
        if let Some(call) = call {
            self.banner.sounds(call.reminder, at);
        }
        self.screen.size = (width, height);
        let rate = self.window()?.rate();
        let took = took.as_secs_f32() * 1e3;
        let screen = &mut self.screen;
        rgb::from_frame(frame, &mut screen.rgb);
        screen.faces.clone_from(faces);
        screen.state = State::Watching;
        screen.reminders = Some(reminders);
        screen.banner = self.banner.at(at);
        screen.times = format!("{width}×{height}, look {} in {took:.1} ms, {rate:.1} frames/s", self.size);
        self.paint()
    }

    /// Shows why there is no frame at this time, and the last one dark.
    fn blind(&mut self, fault: Fault, at: Duration) -> Result<(), WindowError> {
        self.darken(fault, at);
        self.paint()
    }

    fn darken(&mut self, fault: Fault, at: Duration) {
        if fault == Fault::BadFrame {
            // The last frame stays, but not a reminder whose time is over.
            self.screen.banner = self.banner.at(at);
        } else {
            self.screen.state = State::Fault(fault);
            self.screen.banner = None;
        }
    }

    fn paint(&mut self) -> Result<(), WindowError> {
        self.window()?;
        self.window.as_mut().map_or(Ok(()), |window| window.show(&self.screen))
    }

    /// Shows the last frame until a key is pressed, or until `end`.
    fn stay(&mut self, end: &AtomicBool) -> Result<(), WindowError> {
        self.screen.state = State::Over;
        self.screen.banner = None;
        self.screen.keys = "";
        if let Some(window) = self.window.as_mut().filter(|window| window.is_open()) {
            window.forget_keys();
            window.hold(&self.screen, end)?;
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.window.as_ref().is_some_and(|window| !window.is_open())
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
        let frames = if self.frames == 1 { "frame" } else { "frames" };
        write!(f, "{} {frames} in {seconds:.1} s, {} {reminders}", self.frames, mask + nose)?;
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
    use crate::signal::buzzer::LOUDEST;
    use crate::signal::buzzer::tests::{Notebook, Told};

    #[test]
    fn a_pi_at_the_desk_is_told_of_frames() {
        let notebook = Notebook::default();
        let buzzer = Buzzer::new(notebook.clone(), LOUDEST);
        let signals = Signals::with_pins(Some(buzzer), None::<Led<NoPin>>, Melodies::default());
        let mut desk = Desk {
            attendant: Attendant::new(signals, None),
            show: None,
            progress: ProgressBar::hidden(),
            json: false,
            looks: false,
            tally: Tally::default(),
            asked_to_end: Arc::default(),
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
        assert!(desk.take(Turn::Blind { fault: Fault::BadFrame, at: Duration::ZERO }).unwrap().is_continue());
        assert_eq!((desk.tally.frames, desk.tally.broken), (1, 1));
    }

    #[test]
    fn a_reminder_is_seen_no_longer_than_it_lasts() {
        let second = Duration::from_secs(1);
        let reminded = || {
            let mut show = Show::new(Thresholds::default(), LookSize::W320, &Melodies::default());
            show.banner.sounds(Reminder::Mask, second);
            show.screen.banner = show.banner.at(second);
            assert_eq!(show.screen.banner, Some(Reminder::Mask));
            show
        };
        let mut broken = reminded();
        broken.darken(Fault::BadFrame, 2 * second);
        assert_eq!(broken.screen.banner, Some(Reminder::Mask), "it still sounds");
        broken.darken(Fault::BadFrame, 60 * second);
        assert_eq!(broken.screen.banner, None);
        let mut over = reminded();
        over.stay(&AtomicBool::new(false)).unwrap();
        assert_eq!(over.screen.banner, None);
    }

    #[test]
    fn the_summary_counts() {
        let time = Duration::from_millis(19_940);
        let last = Duration::from_secs(19);
        let single = Tally { frames: 1, time, ..Tally::default() };
        assert_eq!(single.to_string(), "1 frame in 19.9 s, 0 reminders");
        let mut tally = Tally { frames: 199, broken: 0, reminders: [0, 0], last, time };
        assert_eq!(tally.to_string(), "199 frames in 19.9 s, 0 reminders");
        tally.reminders[Reminder::Nose as usize] = 1;
        let one = "199 frames in 19.9 s, 1 reminder (0 to put on a mask, 1 to cover the nose)";
        assert_eq!(tally.to_string(), one);
        tally.broken = 2;
        assert_eq!(tally.to_string(), format!("{one}, 2 left out as broken"));
    }
}
