//! Acts on what the loop brings: the same on the card and at the desk.

use std::fmt;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use crate::board::watchdog::Watchdog;
use crate::camera;
use crate::memory::heap_calls;
use crate::signal::{Fault, Signals};
use crate::vision::Face;
use crate::watch::Turn;

/// How often the log (at level debug) says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

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
