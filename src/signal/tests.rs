//! The whole of it, with the thread: hands in notes, sees what pins are told.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use embedded_hal::digital::{ErrorType, OutputPin};

use super::buzzer::tests::{Notebook, Told};
use super::*;

#[derive(Clone, Debug, Default)]
struct Pin(Arc<Mutex<Vec<bool>>>);

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(true);
        Ok(())
    }
}

/// Time in the test's hand.  A player never comes too late: moments follow each other as it asks for them, up to the
/// one that the test has named.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<(AtomicU64, AtomicU64)>);

impl Hand {
    /// Lets time pass until `moment`, and waits until `done`; how long that takes is of no account, only whether.
    fn pass(&self, signals: &Signals, moment: Duration, done: impl Fn() -> bool) {
        let (_, limit) = &*self.0;
        limit.store(moment.as_nanos() as u64, Ordering::SeqCst);
        let Output::Pins { player, .. } = &signals.output else { panic!("there is no player") };
        let start = Instant::now();
        while !(self.now() == moment && done()) {
            player.unpark();
            assert!(start.elapsed() < Duration::from_secs(60), "it never comes until {moment:?}");
            thread::yield_now();
        }
    }
}

impl Clock for Hand {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.0.load(Ordering::SeqCst))
    }

    fn wait(&self, until: Option<Duration>) {
        let (now, limit) = &*self.0;
        let limit = limit.load(Ordering::SeqCst);
        match until.map(|until| until.as_nanos() as u64) {
            Some(until) if until <= limit => now.store(until, Ordering::SeqCst),
            _ => {
                now.store(limit, Ordering::SeqCst);
                thread::park();
            }
        }
    }
}

fn periods(notebook: &Notebook) -> Vec<u128> {
    let told = notebook.0.lock().unwrap();
    let period = |told: &Told| match told {
        Told::Period(period) => Some(period.as_nanos() / 1000),
        Told::Duty(_) => None,
    };
    told.iter().filter_map(period).collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn reminders_reach_the_pins_and_the_end_is_silent_and_dark() {
    let (notebook, pin, time) = (Notebook::default(), Pin::default(), Hand::default());
    let buzzer = Buzzer::new(notebook.clone(), buzzer::LOUDEST);
    let led = Led::new(pin.clone());
    let signals = Signals::with_clock(Some(buzzer), Some(led), Melodies::default(), time.clone());
    // Five blinks, and the beginning of the sixth.
    time.pass(&signals, SECOND, || pin.0.lock().unwrap().len() == 11);
    assert_eq!(periods(&notebook), [0; 0]);

    signals.frame_done();
    signals.remind(Reminder::Mask);
    // The chirp, then the reminder: C7 E7 G7, B6 D♯7, in microseconds.
    let expected = [477, 379, 318, 506, 401];
    time.pass(&signals, 3 * SECOND, || periods(&notebook).len() >= expected.len());
    assert_eq!(periods(&notebook), expected);

    signals.remind(Reminder::Nose);
    drop(signals);
    assert_eq!(notebook.0.lock().unwrap().last(), Some(&Told::Duty(0)));
    assert_eq!(pin.0.lock().unwrap().last(), Some(&false));
}

#[test]
fn without_a_buzzer_the_fault_is_noted_and_the_rest_goes_on() {
    let (pin, time) = (Pin::default(), Hand::default());
    let led = Led::new(pin.clone());
    let signals = Signals::with_clock(None::<Buzzer<Notebook>>, Some(led), Melodies::default(), time.clone());
    assert!(signals.notes.has(Fault::NoBuzzer));
    signals.frame_done();
    signals.remind(Reminder::Mask);
    // A blink that may have begun before the frame came, three blinks, and the code of the fault.
    time.pass(&signals, 3 * SECOND, || pin.0.lock().unwrap().len() >= 8);
}

/// A PWM output whose wire came off.
struct Broken;

impl embedded_hal::pwm::ErrorType for Broken {
    type Error = embedded_hal::pwm::ErrorKind;
}

impl embedded_hal::pwm::SetDutyCycle for Broken {
    fn max_duty_cycle(&self) -> u16 {
        1
    }

    fn set_duty_cycle(&mut self, _: u16) -> Result<(), Self::Error> {
        Err(embedded_hal::pwm::ErrorKind::Other)
    }
}

impl board::pwm::Pwm for Broken {
    fn set_period(&mut self, _: Duration) -> Result<(), Self::Error> {
        Err(embedded_hal::pwm::ErrorKind::Other)
    }
}

#[test]
fn a_buzzer_that_fails_becomes_a_fault() {
    let time = Hand::default();
    let buzzer = Buzzer::new(Broken, 50);
    let led = Led::new(Pin::default());
    let signals = Signals::with_clock(Some(buzzer), Some(led), Melodies::default(), time.clone());
    signals.remind(Reminder::Mask);
    time.pass(&signals, SECOND, || signals.notes.has(Fault::NoBuzzer));
}

/// A pin whose driver does not come back until it is let.
#[derive(Clone, Debug, Default)]
struct Stuck(Arc<Mutex<()>>);

impl ErrorType for Stuck {
    type Error = Infallible;
}

impl OutputPin for Stuck {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set_high()
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        drop(self.0.lock().unwrap());
        Ok(())
    }
}

#[test]
fn a_player_that_hangs_in_a_driver_is_not_alive_until_it_comes_back() {
    let (pin, time) = (Stuck::default(), Hand::default());
    let hang = pin.0.lock().unwrap();
    let led = Led::new(pin.clone());
    let signals = Signals::with_clock(None::<Buzzer<Notebook>>, Some(led), Melodies::default(), time);
    // It has looked once, before it set the pin.
    for _ in 0..100 {
        assert!(!signals.is_alive());
        thread::yield_now();
    }
    drop(hang);
    let start = Instant::now();
    while !signals.is_alive() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never comes back");
        thread::yield_now();
    }
}

#[test]
fn a_pc_gets_the_terminal() {
    let signals = Signals::start(&Board::detect(), &Settings::default());
    if !Board::detect().is_raspberry_pi() {
        assert!(matches!(signals.output, Output::Terminal));
    }
    signals.frame_done();
    signals.remind(Reminder::Nose);
    signals.fault(Fault::NoCamera);
    assert!(signals.is_alive(), "nobody plays who could hang");
}
