//! The role on the card: watch the first camera for ever, remind through the buzzer, never give up.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record, SetLoggerError, debug, error, info, warn};
use simplelog::{ConfigBuilder, WriteLogger};

use crate::board::Board;
use crate::camera;
use crate::camera::v4l2::{Options, V4l2Camera};
use crate::memory::heap_calls;
use crate::policy::Times;
use crate::signal::{Fault, Settings, Signals};
use crate::vision::{Face, Thresholds};
use crate::watch::{Turn, Watch};

/// Environment variable with the least important level to log: error, warn, info (the default), debug or trace.
///
/// The kernel hands words of its command line that it does not know, such as `MASKBELL_LOG=debug`, to its first
/// process as environment.
const LOG_LEVEL: &str = "MASKBELL_LOG";

/// How often the log (at level debug) says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Watches and reminds until the power goes; returns only if a network breaks.
pub fn run() -> ExitCode {
    start_log();
    let board = Board::detect();
    info!("maskbell {} on {board}", env!("CARGO_PKG_VERSION"));
    let signals = Signals::start(&board, &Settings::default());
    let mut watch = match Watch::new(Thresholds::default(), Times::default()) {
        Ok(watch) => watch,
        Err(error) => {
            error!("{error}");
            signals.fault(Fault::NoModel);
            // Nothing to be done without a model; the LED goes on saying so.
            loop {
                thread::park();
            }
        }
    };
    let mut attendant = Attendant::new(signals);
    let ended = watch.run(&mut V4l2Camera::new(Options::default()), |turn| {
        attendant.attend(turn);
        ControlFlow::Continue(())
    });
    if let Err(error) = ended {
        error!("{error}");
    }
    ExitCode::FAILURE
}

/// Acts on each turn of the loop: log, buzzer, LED.  Allocates nothing.
#[derive(Debug)]
pub struct Attendant {
    signals: Signals,
    /// `None` before the first turn.
    state: Option<State>,
    progress: Progress,
}

impl Attendant {
    /// One that has seen nothing yet.
    pub fn new(signals: Signals) -> Self {
        Self { signals, state: None, progress: Progress::new() }
    }

    /// Reminds, shows faults, and logs what has changed.
    pub fn attend(&mut self, turn: Turn) {
        match turn {
            Turn::Seen { frame, faces, reminder, took } => {
                if self.is_news(State::Watching) {
                    info!("watching: {}×{} {:?}", frame.width(), frame.height(), frame.format());
                }
                if let Some(reminder) = reminder {
                    self.signals.remind(reminder);
                }
                self.signals.frame_done();
                debug!("{:.2} s: {}", frame.captured_at().as_secs_f32(), Words(faces));
                self.progress.count(took);
            }
            Turn::Blind(fault) => {
                if self.is_news(State::Blind(fault)) {
                    warn!("{fault}");
                }
                match fault {
                    camera::Fault::NoCamera => self.signals.fault(Fault::NoCamera),
                    camera::Fault::NoFrames => self.signals.fault(Fault::NoFrames),
                    // Happens now and then; a camera that sends nothing else becomes `NoFrames`.
                    camera::Fault::BadFrame => {}
                }
            }
        }
    }

    fn is_news(&mut self, state: State) -> bool {
        self.state.replace(state) != Some(state)
    }
}

/// What was logged last, so that only changes are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Watching,
    Blind(camera::Fault),
}

/// Faces in words, for the log.
struct Words<'a>(&'a [Face]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no face");
        }
        for (number, face) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            let Face { verdict, score, mouth, nose, .. } = face;
            write!(f, "{comma}{verdict} (face {score:.2} mouth {mouth:.2} nose {nose:.2})")?;
        }
        Ok(())
    }
}

/// Counts frames and reports now and then.
#[derive(Debug)]
struct Progress {
    since: Instant,
    frames: u32,
    work: Duration,
    heap_calls: usize,
}

impl Progress {
    fn new() -> Self {
        Self { since: Instant::now(), frames: 0, work: Duration::ZERO, heap_calls: heap_calls().total() }
    }

    fn count(&mut self, took: Duration) {
        self.frames += 1;
        self.work += took;
        if self.since.elapsed() >= REPORT_EVERY {
            let calls = heap_calls().total() - self.heap_calls;
            debug!("{} frames, {:?} each, {calls} heap calls", self.frames, self.work / self.frames);
            *self = Self::new();
        }
    }
}

fn start_log() {
    let level = env::var(LOG_LEVEL).ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::Info);
    // Fails only if there is a logger already.
    let _ = CardLog::install(level, io::stderr());
}

/// The log on the card: [`WriteLogger`], with the level set before the text here, where it is not allocated for.
pub struct CardLog(Box<dyn Log>);

impl CardLog {
    /// Sends what is at least as important as `level` to `writer`, a line each.
    ///
    /// # Errors
    ///
    /// [`SetLoggerError`] if the program has a logger already.
    pub fn install(level: LevelFilter, writer: impl Write + Send + 'static) -> Result<(), SetLoggerError> {
        // The text alone: the console has no colours, and the machine no clock that is right.
        let config = ConfigBuilder::new()
            .set_max_level(LevelFilter::Off)
            .set_time_level(LevelFilter::Off)
            .set_thread_level(LevelFilter::Off)
            .set_target_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .build();
        log::set_boxed_logger(Box::new(Self(WriteLogger::new(level, config, writer))))?;
        log::set_max_level(level);
        Ok(())
    }
}

impl Log for CardLog {
    fn enabled(&self, metadata: &Metadata) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record) {
        let (level, text) = (record.level(), record.args());
        let mut line = Record::builder();
        line.metadata(record.metadata().clone());
        self.0.log(&line.args(format_args!("[{level}] {text}")).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}
