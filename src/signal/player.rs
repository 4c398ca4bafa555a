//! What sounds and lights when.
//!
//! [`Player`] is pure: told the time and what was noted since, it says what is to be heard and lit, and until when
//! that holds.  Melodies run by absolute deadlines from their first note on: a player that is late for one note is in
//! time for the next.  [`play`] is the thread around it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use embedded_hal::digital::OutputPin;

use super::buzzer::Buzzer;
use super::fault::Fault;
use super::led::{Led, Pattern};
use super::tones::{Melodies, Tone};
use crate::board::pwm::Pwm;

/// Silence after a melody before the next may start, so that they are heard as two.
const GAP: Duration = Duration::from_millis(300);

/// Tones that wait: each at most once, and to sound in the order in which [`Tones::pop`] lists them.
#[derive(Clone, Copy, Debug, Default)]
struct Tones(u8);

impl Tones {
    fn pop(&mut self) -> Option<Tone> {
        let first =
            [Tone::Ready, Tone::Mask, Tone::Nose].into_iter().find(|&tone| self.0 & tone as u8 != 0)?;
        self.remove(first);
        Some(first)
    }

    const fn remove(&mut self, tone: Tone) {
        self.0 &= !(tone as u8);
    }
}

/// Notes that the main loop leaves for the player: a few atomics, each with a meaning of its own.
///
/// Leaving one never waits and never allocates.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Bits of [`Tone`].
    tones: AtomicU8,
    /// Frames processed so far; starts again at 1 after 2³².
    frames: AtomicU32,
    /// What is wrong with the camera: 0 or a [`Fault`].
    camera: AtomicU8,
    /// Bits `1 << fault` of the faults that last.
    lasting: AtomicU8,
    stop: AtomicBool,
    /// The player has looked since [`Notes::was_taken`] was last asked.
    taken: AtomicBool,
}

/// What a player is told: [`Notes`], read.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    tones: u8,
    frames: u32,
    camera: Option<Fault>,
    model: bool,
    restarts: bool,
    buzzer: bool,
    config: bool,
}

impl Notes {
    /// Asks for a tone.
    pub(crate) fn request(&self, tone: Tone) {
        self.tones.fetch_or(tone as u8, Ordering::Relaxed);
    }

    /// Counts a frame, which shows that the camera works; whether it was the first.
    pub(crate) fn frame_done(&self) -> bool {
        let before = self.frames.load(Ordering::Relaxed);
        // One loop counts; no other adds in between.
        self.frames.store(before.checked_add(1).unwrap_or(1), Ordering::Relaxed);
        self.camera.store(0, Ordering::Relaxed);
        before == 0
    }

    /// Notes what is wrong.
    pub(crate) fn fault(&self, fault: Fault) {
        match fault {
            Fault::NoCamera | Fault::NoFrames | Fault::NoView => {
                self.camera.store(fault as u8, Ordering::Relaxed);
            }
            Fault::NoBuzzer | Fault::NoModel | Fault::BadConfig | Fault::Restarts => {
                self.lasting.fetch_or(1 << fault as u8, Ordering::Relaxed);
            }
        }
    }

    /// Notes that a lasting fault is over, after all.
    pub(crate) fn over(&self, fault: Fault) {
        self.lasting.fetch_and(!(1 << fault as u8), Ordering::Relaxed);
    }

    /// Whether the player has looked at the notes since this was last asked.
    pub(crate) fn was_taken(&self) -> bool {
        self.taken.swap(false, Ordering::Relaxed)
    }

    /// Ends [`play`].
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether a fault is noted.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        match fault {
            Fault::NoCamera | Fault::NoFrames | Fault::NoView => {
                self.camera.load(Ordering::Relaxed) == fault as u8
            }
            Fault::NoBuzzer | Fault::NoModel | Fault::BadConfig | Fault::Restarts => {
                self.lasting.load(Ordering::Relaxed) & 1 << fault as u8 != 0
            }
        }
    }

    fn take(&self) -> Told {
        self.taken.store(true, Ordering::Relaxed);
        Told {
            tones: self.tones.swap(0, Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            camera: [Fault::NoCamera, Fault::NoFrames, Fault::NoView]
                .into_iter()
                .find(|&fault| self.has(fault)),
            model: self.has(Fault::NoModel),
            restarts: self.has(Fault::Restarts),
            buzzer: self.has(Fault::NoBuzzer),
            config: self.has(Fault::BadConfig),
        }
    }
}

/// Time as a player sees it: the machine's, or one in a test's hand.
pub(crate) trait Clock {
    /// Time since any fixed moment.
    fn now(&self) -> Duration;

    /// Waits until that moment (`None`: for ever), or until the thread is unparked.  May end sooner.
    fn wait(&self, until: Option<Duration>);
}

/// The machine's time.
#[derive(Debug)]
pub(super) struct MachineClock(Instant);

impl MachineClock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, until: Option<Duration>) {
        match until {
            Some(until) => thread::park_timeout(until.saturating_sub(self.now())),
            None => thread::park(),
        }
    }
}

/// What is to be heard and lit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scene {
    /// Hz.
    pitch: Option<f32>,
    lit: bool,
    /// When to ask again at the latest; `None`: not before something is noted.
    until: Option<Duration>,
}

/// Plays melodies and patterns over time.
#[derive(Debug)]
struct Player {
    melodies: Melodies,
    waiting: Tones,
    /// The melody that sounds, and since when.
    tone: Option<(Tone, Duration)>,
    /// The LED's cycle, and since when.
    cycle: Option<(Pattern, Duration)>,
    /// The three blinks have begun.
    greeted: bool,
    /// The frame that started the last beat.
    beat: u32,
}

impl Player {
    const fn new(melodies: Melodies) -> Self {
        Self { melodies, waiting: Tones(0), tone: None, cycle: None, greeted: false, beat: 0 }
    }

    /// What is to be heard and lit at `now`, time since any fixed moment.
    fn advance(&mut self, now: Duration, told: Told) -> Scene {
        let (pitch, tone_until) = self.hear(now, told).unzip();
        let (lit, light_until) = self.light(now, told).unzip();
        let until = [tone_until, light_until].into_iter().flatten().min();
        Scene { pitch: pitch.flatten(), lit: lit.unwrap_or(false), until }
    }

    /// The reminder that sounds, and since when.
    fn reminder(&self) -> Option<(Tone, Duration)> {
        self.tone.filter(|&(tone, _)| tone != Tone::Ready)
    }

    /// The pitch and until when; `None`: silence until something is noted.
    fn hear(&mut self, now: Duration, told: Told) -> Option<(Option<f32>, Duration)> {
        self.waiting.0 |= told.tones;
        if let Some((tone, since)) = self.tone {
            let melody = self.melodies.of(tone);
            let notes = melody.notes().iter().map(|note| (note.pitch, note.duration));
            let elapsed = now.saturating_sub(since);
            if elapsed < melody.duration() {
                // It is being said already.
                self.waiting.remove(tone);
            }
            if let Some((pitch, end)) = phase(notes.chain([(None, GAP)]), elapsed) {
                return Some((pitch, since + end));
            }
            self.tone = None;
        }
        self.tone = Some((self.waiting.pop()?, now));
        self.hear(now, Told { tones: 0, ..told })
    }

    /// Lit or dark, and until when; `None`: dark until something is noted.
    fn light(&mut self, now: Duration, told: Told) -> Option<(bool, Duration)> {
        if let Some((pattern, since)) = self.cycle {
            let phases = pattern.phases();
            let turns = [true, false].into_iter().cycle().zip(phases);
            if let Some((lit, end)) = phase(turns, now.saturating_sub(since)) {
                return Some((lit, since + end));
            }
            self.cycle = None;
        }
        self.cycle = Some((self.next_cycle(told)?, now));
        self.light(now, told)
    }

    /// The pattern that follows when a cycle is over.
    ///
    /// Once frames flow, each cycle is started by one: when they stop, so does the LED.
    fn next_cycle(&mut self, told: Told) -> Option<Pattern> {
        if let Some(fault) = told.camera {
            Some(Pattern::Code(fault))
        } else if told.model {
            Some(Pattern::Code(Fault::NoModel))
        } else if told.frames == 0 {
            // Between restarts it pauses, and nothing is starting.
            Some(if told.restarts { Pattern::Code(Fault::Restarts) } else { Pattern::FastBlink })
        } else if !self.greeted {
            self.greeted = true;
            Some(Pattern::ThreeBlinks)
        } else if told.frames == self.beat {
            None
        } else {
            self.beat = told.frames;
            Some(match told {
                Told { restarts: true, .. } => Pattern::Code(Fault::Restarts),
                Told { buzzer: true, .. } => Pattern::Code(Fault::NoBuzzer),
                Told { config: true, .. } => Pattern::Code(Fault::BadConfig),
                _ => Pattern::Beat,
            })
        }
    }
}

/// Which of `phases`, each with its duration, holds after `elapsed`, and when it ends, both from the first one's start.
fn phase<T>(phases: impl Iterator<Item = (T, Duration)>, elapsed: Duration) -> Option<(T, Duration)> {
    let mut end = Duration::ZERO;
    phases
        .map(|(value, duration)| {
            end += duration;
            (value, end)
        })
        .find(|&(_, end)| elapsed < end)
}

/// What there is instead of a buzzer, for the log.
const INSTEAD: &str = if cfg!(feature = "desk") { ": reminders ring the terminal's bell" } else { "" };

/// Rings instead of a buzzer, on a PC: a card has no terminal.
fn ring() {
    #[cfg(feature = "desk")]
    super::terminal::ring();
}

/// Plays what `notes` ask for until they say to stop.  To be woken with [`thread::Thread::unpark`].
///
/// A buzzer or a LED that fails is given up with one line in the log; a buzzer's fault is noted, for the LED.  On a PC the
/// terminal rings for each reminder that is not heard therefore, the one that sounded last among them.
pub(super) fn play<P: Pwm, L: OutputPin>(
    notes: &Notes,
    mut buzzer: Option<Buzzer<P>>,
    mut led: Option<Led<L>>,
    melodies: Melodies,
    clock: &impl Clock,
) {
    let mut player = Player::new(melodies);
    let mut last = Scene { pitch: None, lit: false, until: None };
    let mut last_reminder = None;
    // Of the last reminder something is yet to be heard.
    let mut is_unheard = false;
    loop {
        #[cfg(feature = "fault-injection")]
        crate::fault_injection::turn("signals");
        let stop = notes.stop.load(Ordering::Relaxed);
        let scene = if stop {
            Scene { pitch: None, lit: false, until: None }
        } else {
            player.advance(clock.now(), notes.take())
        };
        let reminder = player.reminder();
        is_unheard |= reminder.is_some();
        let sounded = buzzer.as_mut().map(|buzzer| {
            if scene.pitch != last.pitch {
                buzzer.sound(scene.pitch)?;
            }
            buzzer.is_behind()
        });
        match sounded {
            Some(Ok(is_behind)) => is_unheard &= is_behind || reminder.is_some(),
            Some(Err(error)) => {
                log::error!("the buzzer is given up: {error}{INSTEAD}");
                buzzer = None;
                notes.fault(Fault::NoBuzzer);
                if is_unheard {
                    ring();
                }
            }
            None if reminder.is_some() && reminder != last_reminder => ring(),
            None => {}
        }
        last_reminder = reminder;
        #[cfg(feature = "fault-injection")]
        if scene.pitch.is_some() {
            crate::fault_injection::point("note");
        }
        if scene.lit != last.lit
            && let Some(Err(error)) = led.as_mut().map(|led| led.set(scene.lit))
        {
            log::error!("the LED is given up: {error:?}");
            led = None;
        }
        if stop {
            return;
        }
        last = scene;
        clock.wait(scene.until);
    }
}

#[cfg(test)]
mod tests;
