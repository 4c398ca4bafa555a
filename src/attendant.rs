//! Acts on what the loop brings: the same on the card and at the desk.

use std::fmt;
use std::time::{Duration, Instant};

use log::{debug, error, info, warn};

use crate::board::pwm;
use crate::board::watchdog::Watchdog;
use crate::camera;
use crate::memory::heap_calls;
use crate::signal::{Fault, Signals};
use crate::vision::Face;
use crate::watch::Turn;

/// How often the log (at level debug) says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How long the thread that plays may look at nothing, though it is woken at each turn, before it counts as hung: many
/// times what a busy machine makes it wait, and little to hear of a tone that has stuck.
const PLAYER_PATIENCE: Duration = Duration::from_secs(2);

/// Acts on each turn of the loop: log, buzzer, LED, watchdog.  Allocates nothing.
#[derive(Debug)]
pub struct Attendant {
    signals: Signals,
    watchdog: Option<Watchdog>,
    /// `None` before the first turn.
    state: Option<State>,
    started: Instant,
    player: Life,
    progress: Progress,
}

impl Attendant {
    /// One that has seen nothing yet.
    pub fn new(signals: Signals, watchdog: Option<Watchdog>) -> Self {
        Self {
            signals,
            watchdog,
            state: None,
            started: Instant::now(),
            player: Life::default(),
            progress: Progress::new(),
        }
    }

    /// Reminds, shows faults, logs what has changed, and feeds the watchdog: a turn is a frame that was processed, or
    /// a fault of the camera that is diagnosed and being worked on.
    ///
    /// The watchdog goes hungry if the thread that plays has not moved since the turn before, too.  When that has lasted
    /// for a while, the buzzer is silenced from here, and the watchdog is left to start the machine anew.
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
            Turn::Blind { fault, .. } => {
                if self.is_news(State::Blind(fault)) {
                    warn!("{fault}");
                }
                match fault {
                    camera::Fault::NoCamera => self.signals.fault(Fault::NoCamera),
                    camera::Fault::NoFrames => self.signals.fault(Fault::NoFrames),
                    camera::Fault::NoView(_) => self.signals.fault(Fault::NoView),
                    // Happens now and then; a camera that sends nothing else becomes `NoFrames`.
                    camera::Fault::BadFrame => {}
                }
            }
        }
        let pulse = self.player.look(self.signals.is_alive(), self.started.elapsed());
        if pulse == Pulse::Stopped {
            error!("the thread that plays hangs: the buzzer is silenced, and the watchdog is left to bite");
            pwm::silence();
        }
        if let Some(watchdog) = &mut self.watchdog
            && pulse == Pulse::Beats
        {
            watchdog.feed();
        }
        // What the console did not take at once.
        log::logger().flush();
    }

    /// Ends the tone, puts the LED out, and hands back the watchdog.
    pub fn leave(self) -> Option<Watchdog> {
        // First, since a thread that hangs is waited for.
        pwm::silence();
        self.watchdog
    }

    /// What the LED has shown until now is over.
    pub fn over(&self, fault: Fault) {
        self.signals.over(fault);
    }

    fn is_news(&mut self, state: State) -> bool {
        self.state.replace(state) != Some(state)
    }
}

/// How the thread that plays is found at a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pulse {
    /// It has moved.
    Beats,
    /// It has not, since the turn before or longer.
    Missed,
    /// It has not for [`PLAYER_PATIENCE`], which is said once.
    Stopped,
}

/// Whether the thread that plays lives.
#[derive(Debug, Default)]
struct Life {
    /// Since when it has not moved.
    still_since: Option<Duration>,
    /// It has been found to hang, and is not trusted again: it plays to a buzzer that is switched off.
    hangs: bool,
}

impl Life {
    /// Looks at `now`, time since any fixed moment, whether it has moved.
    fn look(&mut self, has_moved: bool, now: Duration) -> Pulse {
        if self.hangs {
            return Pulse::Missed;
        }
        if has_moved {
            self.still_since = None;
            return Pulse::Beats;
        }
        let since = *self.still_since.get_or_insert(now);
        self.hangs = now.saturating_sub(since) >= PLAYER_PATIENCE;
        if self.hangs { Pulse::Stopped } else { Pulse::Missed }
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

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_player_that_stands_still_for_long_hangs_and_is_not_trusted_again() {
        let mut player = Life::default();
        let looks = [
            (true, 0, Pulse::Beats),
            (false, 100, Pulse::Missed),
            // In time.
            (true, 2099, Pulse::Beats),
            (false, 3000, Pulse::Missed),
            (false, 4999, Pulse::Missed),
            (false, 5000, Pulse::Stopped),
            (false, 5100, Pulse::Missed),
            (true, 5200, Pulse::Missed),
            (true, 9000, Pulse::Missed),
        ];
        for (has_moved, now, pulse) in looks {
            assert_eq!(player.look(has_moved, MS * now), pulse, "at {now} ms");
        }
    }
}
