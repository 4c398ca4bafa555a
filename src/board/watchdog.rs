//! The hardware watchdog: what is not fed for 15 seconds is started anew.
//!
//! Whoever feeds it must have done work: a feeder with a thread of its own would prove nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// The first watchdog; on a Raspberry Pi `bcm2835_wdt`.
const DEVICE: &str = "/dev/watchdog";

/// Time after which a machine that is not fed is started anew, in seconds: the most that a Raspberry Pi's can count
/// to, and enough for the start, which feeds once at its end.
const TIMEOUT: libc::c_int = 15;

/// `WDIOC_SETTIMEOUT` of Linux' `uapi/linux/watchdog.h`: `_IOWR('W', 6, int)`.
const SET_TIMEOUT: libc::Ioctl = 0xc004_5706_u32 as libc::Ioctl;

/// Any byte but `V`, which is [`FAREWELL`].
const FOOD: &[u8] = b"\n";

/// Stops the watchdog, for the time when the machine is switched off on purpose.
const FAREWELL: &[u8] = b"V";

/// Why there is no watchdog.
#[derive(Debug, thiserror::Error)]
pub enum WatchdogError {
    /// It cannot be opened.
    #[error("{DEVICE} cannot be opened: {0}; a kernel for the card has the watchdog's driver built in")]
    Open(io::Error),
    /// It does not count as told.
    #[error("{DEVICE} cannot be set to {TIMEOUT} s: {0}; it keeps its own time")]
    Timeout(io::Error),
}

/// A watchdog that is running.  Dropping it does not stop it: the machine is started anew.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Starts the machine's watchdog.  From now on it must be fed.
    ///
    /// # Errors
    ///
    /// [`WatchdogError::Open`] if there is none.  One that cannot be told its time runs all the same, with a warning.
    pub fn start() -> Result<Self, WatchdogError> {
        let device = OpenOptions::new().write(true).open(Path::new(DEVICE)).map_err(WatchdogError::Open)?;
        match set_timeout(&device) {
            Ok(seconds) => log::info!("watchdog: {seconds} s"),
            Err(error) => log::warn!("{}", WatchdogError::Timeout(error)),
        }
        Ok(Self::with_device(device))
    }

    /// A watchdog behind this device, for tests.
    pub const fn with_device(device: File) -> Self {
        Self { device }
    }

    /// Tells it that work has been done.
    pub fn feed(&mut self) {
        self.write(FOOD);
    }

    /// Stops it, so that it does not wake a machine that is switched off.
    pub fn stop(mut self) {
        self.write(FAREWELL);
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.device.write_all(bytes) {
            log::error!("{DEVICE} cannot be written: {error}");
        }
    }
}

/// Sets [`TIMEOUT`] and says what the device has made of it, in seconds.
fn set_timeout(device: &File) -> io::Result<libc::c_int> {
    let mut seconds = TIMEOUT;
    // SAFETY: the descriptor is open, and the request reads and writes one int, which `seconds` is.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), SET_TIMEOUT, &raw mut seconds) };
    if result == 0 { Ok(seconds) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn food_never_stops_it_and_the_farewell_does() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut watchdog = Watchdog::with_device(file.reopen().unwrap());
        watchdog.feed();
        watchdog.feed();
        let written = || std::fs::read(file.path()).unwrap();
        assert_eq!(written(), b"\n\n");
        watchdog.stop();
        assert_eq!(written(), b"\n\nV");
    }

    #[test]
    fn a_raspberry_pi_can_count_that_far() {
        // Linux' drivers/watchdog/bcm2835_wdt.c: 20 bits (PM_WDOG_TIME_SET), 2¹⁶ a second.
        assert_eq!(TIMEOUT, 0x000f_ffff >> 16);
    }

    #[test]
    fn what_is_no_watchdog_says_so() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(set_timeout(&file).unwrap_err().raw_os_error(), Some(libc::ENOTTY));
    }
}
