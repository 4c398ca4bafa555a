//! A passive piezo on a PWM output.

use std::time::Duration;

use crate::board::pwm::Pwm;

/// Duty, in percent, at which a passive piezo is loudest: driven for half of each period.
pub const LOUDEST: u8 = 50;

/// Makes sound of pitches.
#[derive(Debug)]
pub struct Buzzer<P> {
    pwm: P,
    duty: u8,
}

impl<P: Pwm> Buzzer<P> {
    /// A buzzer that is driven for `duty` percent of each period, at most [`LOUDEST`].
    pub fn new(pwm: P, duty: u8) -> Self {
        Self { pwm, duty: duty.min(LOUDEST) }
    }

    /// Sounds a pitch in Hz until told otherwise, or nothing.
    ///
    /// # Errors
    ///
    /// What the output says, if it does not do that.
    pub fn sound(&mut self, pitch: Option<f32>) -> Result<(), P::Error> {
        self.pwm.set_duty_cycle_fully_off()?;
        if let Some(pitch) = pitch {
            self.pwm.set_period(Duration::from_secs_f64(1.0 / f64::from(pitch)))?;
            self.pwm.set_duty_cycle_percent(self.duty)?;
        }
        Ok(())
    }

    /// Whether something of it is yet to be heard.
    ///
    /// # Errors
    ///
    /// What the output says, if it will never be heard.
    pub fn is_behind(&self) -> Result<bool, P::Error> {
        self.pwm.is_behind()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use embedded_hal::pwm::{ErrorType, SetDutyCycle};

    use super::*;

    /// What a PWM output was told: duty of 10,000, or period.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) enum Told {
        Duty(u16),
        Period(Duration),
    }

    /// A PWM output that takes notes.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Notebook(pub(crate) Arc<Mutex<Vec<Told>>>);

    impl ErrorType for Notebook {
        type Error = Infallible;
    }

    impl SetDutyCycle for Notebook {
        fn max_duty_cycle(&self) -> u16 {
            10_000
        }

        fn set_duty_cycle(&mut self, duty: u16) -> Result<(), Infallible> {
            self.0.lock().unwrap().push(Told::Duty(duty));
            Ok(())
        }
    }

    impl Pwm for Notebook {
        fn set_period(&mut self, period: Duration) -> Result<(), Infallible> {
            self.0.lock().unwrap().push(Told::Period(period));
            Ok(())
        }
    }

    #[test]
    fn the_duty_is_off_whenever_the_period_changes() {
        let notebook = Notebook::default();
        let mut buzzer = Buzzer::new(notebook.clone(), LOUDEST);
        buzzer.sound(Some(2000.0)).unwrap();
        buzzer.sound(Some(2500.0)).unwrap();
        buzzer.sound(None).unwrap();
        let period = |micros| Told::Period(Duration::from_micros(micros));
        let expected = [
            Told::Duty(0),
            period(500),
            Told::Duty(5000),
            Told::Duty(0),
            period(400),
            Told::Duty(5000),
            Told::Duty(0),
        ];
        assert_eq!(*notebook.0.lock().unwrap(), expected);
    }

    #[test]
    fn it_can_be_softer_but_never_past_the_loudest() {
        for (duty, told) in [(0, 0), (1, 100), (50, 5000), (51, 5000), (255, 5000)] {
            let notebook = Notebook::default();
            Buzzer::new(notebook.clone(), duty).sound(Some(2000.0)).unwrap();
            assert_eq!(notebook.0.lock().unwrap().last(), Some(&Told::Duty(told)), "{duty} %");
        }
    }
}
