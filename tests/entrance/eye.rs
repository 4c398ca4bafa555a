//! Sees the LED from outside, and reads its codes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::registers::Registers;

/// "BCM2711 ARM Peripherals", 5.2: GPSET0 to GPCLR0.  In plain memory each keeps what was written last.
const GPSET0: u64 = 0xfe20_001c;

/// The LED's.
const GPIO17: u32 = 1 << 17;

/// How often the eye looks; the shortest blink lasts 100 ms.
const LOOK: Duration = Duration::from_millis(5);

/// Watches the LED until it goes out of scope.
#[derive(Debug)]
pub(crate) struct Eye {
    /// How long the LED was lit, and then dark, each time.
    blinks: Arc<Mutex<Vec<(Duration, Duration)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Eye {
    pub(crate) fn new(machine: &Machine) -> Self {
        let registers = machine.registers(GPSET0);
        let (blinks, stop) = (Arc::<Mutex<_>>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (Arc::clone(&blinks), Arc::clone(&stop));
        let thread = thread::spawn(move || watch(&registers, &seen, &stopped));
        Self { blinks, stop, thread: Some(thread) }
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.blinks.lock().unwrap().clear();
    }

    /// Whether one long and exactly so many short blinks were seen, with darkness around.
    ///
    /// Long and short is relative to their neighbours: an emulated second is no second.
    pub(crate) fn saw_code(&self, short: usize) -> bool {
        let blinks = self.blinks.lock().unwrap();
        // The dark between two codes is longer than that in one: 1500 against 300 and 400 ms.
        let codes =
            blinks.split_inclusive(|(lit, dark)| *dark > 2 * *lit && *dark > Duration::from_millis(800));
        // The first may have begun before it was watched, the last may not be over.
        let whole = codes.skip(1).filter(|code| code.last().is_some_and(|(lit, dark)| dark > lit));
        whole.into_iter().any(|code| {
            let [(long, _), rest @ ..] = code else { return false };
            rest.len() == short && rest.iter().all(|(lit, _)| *lit * 2 < *long)
        })
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(registers: &Registers, blinks: &Mutex<Vec<(Duration, Duration)>>, stop: &AtomicBool) {
    let (mut lit, mut dark): (Option<Instant>, Option<(Duration, Instant)>) = (None, None);
    while !stop.load(Ordering::Relaxed) {
        let [set, _, _, clear] = registers.read();
        if set & GPIO17 != 0 {
            registers.write(0, 0);
            if let Some((lit, since)) = dark.take() {
                blinks.lock().unwrap().push((lit, since.elapsed()));
            }
            lit = Some(Instant::now());
        }
        if clear & GPIO17 != 0 {
            registers.write(3, 0);
            if let Some(since) = lit.take() {
                dark = Some((since.elapsed(), Instant::now()));
            }
        }
        thread::sleep(LOOK);
    }
}
