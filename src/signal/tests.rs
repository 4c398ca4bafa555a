//! The whole of it, with the thread: hands in notes, sees what pins are told.

use std::convert::Infallible;
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

/// Waits until `done`; how long is of no account here, only whether.
fn wait(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "never came: {what}");
        thread::sleep(Duration::from_millis(5));
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

#[test]
fn reminders_reach_the_pins_and_the_end_is_silent_and_dark() {
    let (notebook, pin) = (Notebook::default(), Pin::default());
    let buzzer = Buzzer::new(notebook.clone(), buzzer::LOUDEST);
    let signals = Signals::with_pins(Some(buzzer), Some(Led::new(pin.clone())), Melodies::default());
    wait("fast blinking", || pin.0.lock().unwrap().len() > 4);
    assert_eq!(periods(&notebook), [0; 0]);

    signals.frame_done();
    signals.remind(Reminder::Mask);
    // The chirp, then the reminder: C7 E7 G7, B6 D♯7, in microseconds.
    let expected = [477, 379, 318, 506, 401];
    wait("five notes", || periods(&notebook).len() == expected.len());
    assert_eq!(periods(&notebook), expected);

    signals.remind(Reminder::Nose);
    drop(signals);
    assert_eq!(notebook.0.lock().unwrap().last(), Some(&Told::Duty(0)));
    assert_eq!(pin.0.lock().unwrap().last(), Some(&false));
}

#[test]
fn without_a_buzzer_the_fault_is_noted_and_the_rest_goes_on() {
    let pin = Pin::default();
    let signals =
        Signals::with_pins(None::<Buzzer<Notebook>>, Some(Led::new(pin.clone())), Melodies::default());
    assert!(signals.notes.has(Fault::NoBuzzer));
    signals.frame_done();
    signals.remind(Reminder::Mask);
    let before = pin.0.lock().unwrap().len();
    wait("three blinks", || pin.0.lock().unwrap().len() >= before + 6);
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

impl buzzer::Pwm for Broken {
    fn set_period(&mut self, _: Duration) -> Result<(), Self::Error> {
        Err(embedded_hal::pwm::ErrorKind::Other)
    }
}

#[test]
fn a_buzzer_that_fails_becomes_a_fault() {
    let notes = Arc::<Notes>::default();
    let shared = Arc::clone(&notes);
    let buzzer = Buzzer::new(Broken, 50);
    let led = Some(Led::new(Pin::default()));
    let thread = thread::spawn(move || player::play(&shared, Some(buzzer), led, Melodies::default()));
    notes.request(Tone::Mask);
    thread.thread().unpark();
    wait("the fault", || notes.has(Fault::NoBuzzer));
    notes.stop();
    thread.thread().unpark();
    thread.join().unwrap();
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
}
