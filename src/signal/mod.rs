//! Reminders and the device's state, to be heard and seen.
//!
//! On a Pi a passive piezo on a PWM pin and an LED; on a PC a log line and the sound card or the terminal's bell.  [`Signals`] is all that
//! the main loop sees of it: its calls leave a note in a few atomics and wake the thread that plays, so tones keep
//! their timing whatever a frame costs.  They never allocate, and wait for nothing but the log's writer, when a reminder
//! is logged, and on a PC for the terminal, which rings.
//!
//! Data flows from [`rtttl`] (text) to [`melody`] (notes), `tones` (what a melody means) and `player` (what sounds
//! and lights when), and from there through embedded-hal's traits to [`buzzer`] and [`led`]; `board` has the pins.

use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};

use crate::board::{self, Board};
use crate::policy::Reminder;
use buzzer::Buzzer;
pub use fault::Fault;
use led::Led;
use player::{Clock, MachineClock, Notes};
pub use tones::Melodies;
use tones::Tone;

pub mod buzzer;
mod fault;
pub mod led;
pub mod melody;
mod player;
pub mod rtttl;
pub(crate) mod terminal;
mod tones;

/// Pins, melodies and loudness.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What sounds when.
    pub melodies: Melodies,
    /// Semitones by which all melodies are raised: up for a piezo that resonates higher, down for deafer ears.
    pub transposition: i8,
    /// GPIO of the piezo (BCM numbering): 12, 13, 18 or 19, the pins with hardware PWM.
    pub buzzer_pin: u8,
    /// Share of each period that the piezo is driven, in percent: 1 (soft) to 50 (loudest).
    pub duty: u8,
    /// GPIO of the LED (BCM numbering), 0 to 27.
    pub led_pin: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            melodies: Melodies::default(),
            transposition: 0,
            buzzer_pin: 18,
            duty: buzzer::LOUDEST,
            led_pin: 17,
        }
    }
}

/// Where reminders and states go.  Dropping it ends the tone and puts the LED out.
#[derive(Debug)]
pub struct Signals {
    notes: Arc<Notes>,
    output: Output,
}

#[derive(Debug)]
enum Output {
    Pins {
        player: Thread,
        handle: Option<JoinHandle<()>>,
    },
    Terminal,
    /// The log alone.
    #[cfg(feature = "desk")]
    Nothing,
}

impl Signals {
    /// Takes the pins that `board` has and starts the thread that plays.  The LED blinks fast from now on.
    ///
    /// Call it once, before the loop: it allocates, and taking the PWM pin may take a second.  Nothing that is missing
    /// stops it: without a buzzer the fault is logged and shown by the LED, without an LED it is logged.  A board that
    /// is no Raspberry Pi gets the terminal instead.
    pub fn start(board: &Board, settings: &Settings) -> Self {
        if !board.is_raspberry_pi() {
            log::info!("{board}: reminders go to the terminal");
            return Self::terminal();
        }
        let buzzer = board::pwm::open(board, settings.buzzer_pin)
            .inspect_err(|error| log::error!("no buzzer: {error}"))
            .ok()
            .map(|pwm| Buzzer::new(pwm, settings.duty));
        let led = board::led_pin(settings.led_pin)
            .inspect_err(|error| log::error!("no LED: {error}"))
            .ok()
            .map(Led::new);
        Self::with_pins(buzzer, led, settings.melodies.transposed(settings.transposition))
    }

    /// Reminders go to the terminal, with its bell.
    pub fn terminal() -> Self {
        Self { notes: Arc::default(), output: Output::Terminal }
    }

    /// Reminders go to the log, and nothing sounds.
    #[cfg(feature = "desk")]
    pub fn mute() -> Self {
        Self { notes: Arc::default(), output: Output::Nothing }
    }

    /// Starts the thread that plays on these pins, whatever they are.
    pub fn with_pins<P, L>(buzzer: Option<Buzzer<P>>, led: Option<Led<L>>, melodies: Melodies) -> Self
    where
        P: board::pwm::Pwm + Send + 'static,
        L: embedded_hal::digital::OutputPin + Send + 'static,
    {
        Self::with_clock(buzzer, led, melodies, MachineClock::start())
    }

    /// As [`Signals::with_pins`], in the time of `clock`.
    pub(crate) fn with_clock<P, L>(
        buzzer: Option<Buzzer<P>>,
        led: Option<Led<L>>,
        melodies: Melodies,
        clock: impl Clock + Send + 'static,
    ) -> Self
    where
        P: board::pwm::Pwm + Send + 'static,
        L: embedded_hal::digital::OutputPin + Send + 'static,
    {
        let notes = Arc::<Notes>::default();
        if buzzer.is_none() {
            notes.fault(Fault::NoBuzzer);
        }
        let shared = Arc::clone(&notes);
        let spawned = thread::Builder::new()
            .name("signals".into())
            .spawn(move || player::play(&shared, buzzer, led, melodies, &clock));
        match spawned {
            Ok(handle) => {
                // A thread allocates while it starts: that is to be over before the first frame.
                while !notes.was_taken() && !handle.is_finished() {
                    thread::yield_now();
                }
                let player = handle.thread().clone();
                Self { notes, output: Output::Pins { player, handle: Some(handle) } }
            }
            Err(error) => {
                log::error!("no thread for buzzer and LED: {error}; reminders go to the terminal");
                Self { notes, output: Output::Terminal }
            }
        }
    }

    /// Sounds and logs a reminder.  One that is already sounding or waiting is not repeated; others wait for its end.
    pub fn remind(&self, reminder: Reminder) {
        match &self.output {
            Output::Terminal => terminal::ring(),
            Output::Pins { player, .. } => {
                self.notes.request(Tone::from(reminder));
                player.unpark();
            }
            #[cfg(feature = "desk")]
            Output::Nothing => {}
        }
        // Last, because a console may be slow.
        log::info!("{}", terminal::text(reminder));
    }

    /// A frame has been processed: the LED goes on beating, and a fault of the camera is over.
    ///
    /// The first one ends the start: three blinks and a chirp.
    pub fn frame_done(&self) {
        let first = self.notes.frame_done();
        if let Output::Pins { player, .. } = &self.output {
            if first {
                self.notes.request(Tone::Ready);
            }
            player.unpark();
        }
    }

    /// Whether whoever plays has looked for notes since this was last asked.
    ///
    /// Wakes it for the next time that this is asked, so that a driver of pins that hangs does not go unnoticed.
    pub fn is_alive(&self) -> bool {
        match &self.output {
            Output::Pins { player, .. } => {
                player.unpark();
                self.notes.was_taken()
            }
            Output::Terminal => true,
            #[cfg(feature = "desk")]
            Output::Nothing => true,
        }
    }

    /// Something is wrong: the LED shows it.  To be called again as often as the fault is met again.
    pub fn fault(&self, fault: Fault) {
        self.notes.fault(fault);
        if let Output::Pins { player, .. } = &self.output {
            player.unpark();
        }
    }
}

impl Signals {
    /// A fault that was shown until now is over.
    pub fn over(&self, fault: Fault) {
        self.notes.over(fault);
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Output::Pins { player, handle } = &mut self.output {
            self.notes.stop();
            player.unpark();
            // A player that panicked has nothing left to tidy up.
            let _ = handle.take().map(JoinHandle::join);
        }
    }
}

#[cfg(test)]
mod tests;
