//! The role on the card: watch the first camera for ever, remind through the buzzer, never give up.

use std::env;
use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, debug, error, info, warn};
use simplelog::{ConfigBuilder, WriteLogger};

use crate::board::Board;
use crate::camera::v4l2::{Options, V4l2Camera};
use crate::camera::{self, Source};
use crate::memory::heap_calls;
use crate::policy::Times;
use crate::signal::{Fault, Settings, Signals, terminal};
use crate::vision::Thresholds;
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
    watch_camera(&mut watch, &mut V4l2Camera::new(Options::default()), &signals)
}

fn watch_camera(watch: &mut Watch, camera: &mut dyn Source, signals: &Signals) -> ExitCode {
    let mut state = None;
    let mut progress = Progress::new();
    let ended = watch.run(camera, |turn| {
        match turn {
            Turn::Seen { frame, faces, reminder, took } => {
                if state != Some(State::Watching) {
                    state = Some(State::Watching);
                    info!("watching: {}×{} {:?}", frame.width(), frame.height(), frame.format());
                }
                if let Some(reminder) = reminder {
                    info!("reminder: {}", terminal::text(reminder));
                    signals.remind(reminder);
                }
                signals.frame_done();
                for face in faces {
                    debug!("face of {:.0} pixels: {}", face.bounds.height(), face.verdict);
                }
                progress.count(took);
            }
            Turn::Blind(fault) => {
                if state != Some(State::Blind(fault)) {
                    state = Some(State::Blind(fault));
                    warn!("{fault}");
                }
                match fault {
                    camera::Fault::NoCamera => signals.fault(Fault::NoCamera),
                    camera::Fault::NoFrames => signals.fault(Fault::NoFrames),
                    camera::Fault::BadFrame => {}
                }
            }
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = ended {
        error!("{error}");
    }
    ExitCode::FAILURE
}

/// What was logged last, so that only changes are.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Watching,
    Blind(camera::Fault),
}

/// Counts frames and reports now and then.
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
    // The console has no colours, and the machine no clock that is right.
    let config = ConfigBuilder::new()
        .set_time_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build();
    // Fails only if there is a logger already.
    let _ = WriteLogger::init(level, config, io::stderr());
}
