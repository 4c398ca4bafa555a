//! What a piezo would play: the Pi's PWM, watched from outside of the machine.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::registers::Registers;

/// Where a Pi 4 has the registers of its first PWM.
const ADDRESS: u64 = 0xfe20_c000;

/// What the device tree says the registers count.
const CLOCK_HERTZ: f64 = 10e6;

/// Between two looks at the registers.  Shorter than any pause within a melody.
const LOOK: Duration = Duration::from_micros(500);

/// A tone, from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tone {
    /// 0: GPIO12 and GPIO18; 1: GPIO13 and GPIO19.
    pub(crate) channel: usize,
    pub(crate) hertz: f64,
    /// The share of a period for which the pin is high, 0 to 1.
    pub(crate) duty: f64,
    /// By the host's clock, which is not the machine's.
    pub(crate) lasted: Duration,
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, hertz, duty, lasted } = self;
        write!(f, "channel {channel}: {hertz:.0} Hz at {:.0} % for {} ms", duty * 100.0, lasted.as_millis())
    }
}

/// Several tones, for a message.
pub(crate) fn list(tones: &[Tone]) -> String {
    match tones {
        [] => "nothing".to_owned(),
        _ => tones.iter().map(Tone::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Listens to a machine until it goes out of scope.
#[derive(Debug)]
pub(crate) struct Ear {
    tones: Arc<Mutex<Vec<Tone>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens to `machine`'s PWM from now on.
    pub(crate) fn new(machine: &Machine) -> Self {
        let registers = machine.registers(ADDRESS);
        let (tones, stop) = (Arc::<Mutex<Vec<Tone>>>::default(), Arc::<AtomicBool>::default());
        let (heard, stopped) = (Arc::clone(&tones), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut sounding = [None; 2];
            while !stopped.load(Ordering::Relaxed) {
                listen(&registers, &mut sounding, &heard);
                thread::sleep(LOOK);
            }
        });
        Self { tones, stop, thread: Some(thread) }
    }

    /// The tones that have ended so far and are not forgotten.
    pub(crate) fn heard(&self) -> Vec<Tone> {
        self.tones.lock().unwrap().clone()
    }

    /// Forgets the first `count` tones.
    pub(crate) fn forget(&self, count: usize) {
        self.tones.lock().unwrap().drain(..count);
    }
}

/// Whether a channel of `machine`'s PWM sounds at this moment.
pub(crate) fn sounds(machine: &Machine) -> bool {
    let mut sounding = [None; 2];
    listen(&machine.registers(ADDRESS), &mut sounding, &Mutex::default());
    sounding.iter().any(Option::is_some)
}

/// Lets a channel sound, whatever the machine does.
pub(crate) fn start_sound(machine: &Machine) {
    let registers = machine.registers(ADDRESS);
    // Control, and range and data of the first channel: 2 kHz at 50 %.
    for (register, value) in [(4, 5000), (5, 2500), (0, 1)] {
        registers.write(register, value);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The settings of a channel that sounds: range (period) and data (time high), in clock cycles.
type Setting = (u32, u32);

/// Looks at both channels once; what has changed ends a tone and may begin one.
fn listen(registers: &Registers, sounding: &mut [Option<(Setting, Instant)>; 2], heard: &Mutex<Vec<Tone>>) {
    // "BCM2711 ARM Peripherals", chapter 8: control, status, DMA, -, range 1, data 1, FIFO, -, range 2, data 2.
    let [control, _, _, _, range1, data1, _, _, range2, data2] = registers.read();
    let channels = [(control & 1, range1, data1), (control >> 8 & 1, range2, data2)];
    for (channel, (enabled, range, data)) in channels.into_iter().enumerate() {
        let setting = (enabled == 1 && range > 0 && data > 0).then_some((range, data));
        let before = sounding[channel];
        if before.map(|(setting, _)| setting) == setting {
            continue;
        }
        if let Some(((range, data), since)) = before {
            let (hertz, duty) = (CLOCK_HERTZ / f64::from(range), f64::from(data) / f64::from(range));
            heard.lock().unwrap().push(Tone { channel, hertz, duty, lasted: since.elapsed() });
        }
        sounding[channel] = setting.map(|setting| (setting, Instant::now()));
    }
}
