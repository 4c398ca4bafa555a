//! The status LED and its patterns.

use std::time::Duration;

use embedded_hal::digital::OutputPin;
use heapless::Vec;

use super::fault::Fault;

/// A LED between a pin and ground: high is lit.
#[derive(Debug)]
pub struct Led<P> {
    pin: P,
}

impl<P: OutputPin> Led<P> {
    /// A LED on `pin`.
    pub const fn new(pin: P) -> Self {
        Self { pin }
    }

    /// Lights it or puts it out.
    ///
    /// # Errors
    ///
    /// What the pin says, if it does not do that.
    pub fn set(&mut self, lit: bool) -> Result<(), P::Error> {
        self.pin.set_state(lit.into())
    }
}

/// One cycle of a pattern: lit and dark by turns, lit first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// Starting: 5 blinks a second.
    FastBlink,
    /// Ready: three blinks.
    ThreeBlinks,
    /// Watching: one beat, at most one a second.
    Beat,
    /// 1 long and some short blinks.
    Code(Fault),
}

/// Most phases of a cycle: 1 long and 7 short blinks, and the dark after each.
const MAX_PHASES: usize = 16;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

impl Pattern {
    /// How long the phases last: lit, dark, lit, dark …
    pub fn phases(self) -> Vec<Duration, MAX_PHASES> {
        match self {
            Self::FastBlink => [ms(100); 2].into_iter().collect(),
            Self::ThreeBlinks => [ms(150); 6].into_iter().collect(),
            Self::Beat => [ms(100), ms(900)].into_iter().collect(),
            Self::Code(fault) => {
                let short = 2 * usize::from(fault.short_blinks());
                let mut phases: Vec<_, _> = [ms(900), ms(400)].into_iter().collect();
                phases.extend([ms(200), ms(300)].into_iter().cycle().take(short));
                // Dark for long enough to tell where the code ends.
                if let Some(last) = phases.last_mut() {
                    *last = ms(1500);
                }
                phases
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_one_long_and_the_number_of_short_blinks() {
        for (fault, short) in [
            (Fault::NoCamera, 1),
            (Fault::NoFrames, 2),
            (Fault::NoBuzzer, 3),
            (Fault::NoModel, 4),
            (Fault::BadConfig, 5),
            (Fault::NoView, 6),
            (Fault::Restarts, 7),
        ] {
            let phases = Pattern::Code(fault).phases();
            let lit: std::vec::Vec<_> = phases.iter().step_by(2).collect();
            assert_eq!(lit.len(), 1 + short, "{fault:?}");
            assert!(lit[1..].iter().all(|&&blink| 4 * blink <= *lit[0]), "{fault:?}");
            let dark: std::vec::Vec<_> = phases.iter().skip(1).step_by(2).collect();
            assert_eq!(dark.len(), lit.len(), "{fault:?}");
            assert!(dark[..short].iter().all(|&&gap| 2 * gap < *dark[short]), "{fault:?}");
        }
    }
}
