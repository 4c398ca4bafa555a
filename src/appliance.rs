//! The role on the card: watch the first camera for ever, remind through the buzzer, never give up.
//!
//! As process 1 it is the whole userland: it mounts what it needs, feeds the watchdog by the work that it does,
//! and every way in which it could end starts the machine anew.  As an ordinary process, for trying it on a Pi that
//! runs something else, it leaves the machine alone.

use std::env;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, debug, error, info, warn};

use crate::board::Board;
use crate::board::boot;
use crate::board::console::{self, Logger};
use crate::board::init::{self, Requests};
use crate::board::watchdog::Watchdog;
use crate::camera;
use crate::camera::v4l2::V4l2Camera;
use crate::config::{self, Config, Mistake};
use crate::memory::heap_calls;
use crate::runtime::RuntimeError;
use crate::signal::{Fault, Signals};
use crate::vision::Face;
use crate::watch::{Turn, Watch};

/// Environment variable with the least important level to log, which goes before that of `maskbell.toml`: error,
/// warn, info, debug or trace.
///
/// The kernel hands words of its command line that it does not know, such as `MASKBELL_LOG=debug`, to its first
/// process as environment.
const LOG_LEVEL: &str = "MASKBELL_LOG";

/// Environment variable with the path of a `maskbell.toml`, for an ordinary process; process 1 reads the card's.
const CONFIG_FILE: &str = "MASKBELL_CONFIG";

/// Most mistakes of a file that are told one by one.
const MAX_TOLD: usize = 20;

/// How often the log (at level debug) says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Watches and reminds until the power goes, or a signal asks for the end; see [`Requests`] for which.
pub fn run() -> ExitCode {
    let first = init::is_first_process();
    let unmounted = if first { init::mount_kernel_file_systems() } else { Vec::new() };
    start_log(first);
    unmounted.iter().for_each(|error| error!("{error}"));
    let mut watchdog = None;
    if first {
        console::tell_panics();
        watchdog = Watchdog::start().inspect_err(|error| warn!("no watchdog: {error}")).ok();
        init::take_charge();
    }
    let requests = Requests::listen().inspect_err(|error| error!("signals are not heard: {error}")).ok();
    let board = Board::detect();
    info!("maskbell {} on {board}", env!("CARGO_PKG_VERSION"));

    let (config, is_wrong) = configure(first);
    log::set_max_level(log_level().unwrap_or(config.log_level));
    let signals = Signals::start(&board, &config.signals);
    if is_wrong {
        signals.fault(Fault::BadConfig);
    }
    let mut watch = match Watch::new(config.thresholds, config.times, config.orientation) {
        Ok(watch) => watch,
        Err(error) => stay_blind(&error, &signals),
    };
    let mut attendant = Attendant::new(signals, watchdog);
    let ended = watch.run(&mut V4l2Camera::new(config.camera), |turn| {
        attendant.attend(turn);
        match requests.as_ref().and_then(Requests::pending) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    if let Err(error) = ended {
        // As process 1: the kernel panics, and the machine starts anew.
        error!("{error}");
        return ExitCode::FAILURE;
    }
    let how = requests.and_then(|requests| requests.pending()).unwrap_or(init::Leave::Restart);
    info!("{how}");
    let watchdog = attendant.leave();
    if !first {
        return ExitCode::SUCCESS;
    }
    if let (Some(watchdog), init::Leave::PowerOff) = (watchdog, how) {
        watchdog.stop();
    }
    init::leave(how)
}

/// Shows that a network cannot be loaded.  The card or the memory may give its bytes right the next time: the watchdog,
/// which nobody feeds any more, starts the machine anew.  Without a watchdog it is shown for ever.
fn stay_blind(error: &RuntimeError, signals: &Signals) -> ! {
    error!("{error}");
    signals.fault(Fault::NoModel);
    loop {
        thread::park();
    }
}

/// What `maskbell.toml` says, and whether it has mistakes, which are logged.
fn configure(first: bool) -> (Config, bool) {
    let read = if first {
        match boot::read_config() {
            // Not a card of ours, an initramfs for example: there is nothing to be wrong.
            Err(error @ boot::BootError::NotFound) => {
                warn!("no maskbell.toml: {error}");
                Ok(None)
            }
            read => read.map_err(|error| error.to_string()),
        }
    } else {
        let file = env::var_os(CONFIG_FILE);
        let load = |path| File::open(path).and_then(config::load);
        file.as_ref().map(load).transpose().map_err(|error| format!("{CONFIG_FILE}: {error}"))
    };
    match read {
        Ok(Some((config, mistakes))) => {
            match mistakes.len() {
                0 => info!("maskbell.toml: no mistakes"),
                _ => tell(&mistakes),
            }
            (config, !mistakes.is_empty())
        }
        Ok(None) => {
            info!("no maskbell.toml: defaults are used");
            (Config::default(), false)
        }
        Err(error) => {
            error!("no maskbell.toml: {error}; defaults are used");
            (Config::default(), true)
        }
    }
}

/// What [`LOG_LEVEL`] asks for.
fn log_level() -> Option<LevelFilter> {
    let level = env::var(LOG_LEVEL).ok()?;
    let known = level.parse();
    if known.is_err() {
        error!("{LOG_LEVEL}={level} is not allowed: it must be off, error, warn, info, debug or trace");
    }
    known.ok()
}

fn tell(mistakes: &[Mistake]) {
    for mistake in mistakes.iter().take(MAX_TOLD) {
        error!("maskbell.toml, {mistake}");
    }
    if mistakes.len() > MAX_TOLD {
        error!("maskbell.toml has {} more mistakes", mistakes.len() - MAX_TOLD);
    }
}

/// Acts on each turn of the loop: log, buzzer, LED, watchdog.  Allocates nothing.
#[derive(Debug)]
pub struct Attendant {
    signals: Signals,
    watchdog: Option<Watchdog>,
    /// `None` before the first turn.
    state: Option<State>,
    progress: Progress,
}

impl Attendant {
    /// One that has seen nothing yet.
    pub fn new(signals: Signals, watchdog: Option<Watchdog>) -> Self {
        Self { signals, watchdog, state: None, progress: Progress::new() }
    }

    /// Reminds, shows faults, logs what has changed, and feeds the watchdog: a turn is a frame that was processed, or
    /// a fault of the camera that is diagnosed and being worked on.
    ///
    /// The watchdog goes hungry if the thread that plays has not moved since the turn before, too.
    pub fn attend(&mut self, turn: Turn) {
        #[cfg(feature = "fault-injection")]
        crate::fault_injection::turn("loop");
        match turn {
            Turn::Seen { frame, faces, call, took } => {
                if self.is_news(State::Watching) {
                    info!("watching: {}×{} {:?}", frame.width(), frame.height(), frame.format());
                }
                if let Some(call) = call {
                    self.signals.remind(call.reminder);
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
        if let Some(watchdog) = &mut self.watchdog
            && self.signals.is_alive()
        {
            watchdog.feed();
        }
        // What the console did not take at once.
        log::logger().flush();
    }

    /// Ends the tone, puts the LED out, and hands back the watchdog.
    pub fn leave(self) -> Option<Watchdog> {
        self.watchdog
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

/// Starts the log, at level info until [`Config`] is known.
fn start_log(first: bool) {
    let logger: Box<dyn log::Log> = match first {
        true => Box::new(Logger::open()),
        false => Box::new(Logger::new(Some(io::stderr()), None::<File>)),
    };
    // Fails only if there is a logger already.
    let _ = log::set_boxed_logger(logger);
    log::set_max_level(LevelFilter::Info);
}
