//! Hardware PWM on a Raspberry Pi's pins.
//!
//! `rppal` takes and frees the channel.  Period and duty are written here, to files that stay open: rppal makes a path
//! and opens a file for each write, and nothing may be allocated while tones play.

use std::fmt::{Display, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use embedded_hal::pwm::{self as hal, ErrorKind, ErrorType, SetDutyCycle};

use super::{Board, PinController};

/// Where the kernel lists PWM chips.
const CLASS: &str = "/sys/class/pwm";

/// Frequency that a channel starts with, Hz: any will do, since a channel without a period cannot be enabled.
const FIRST_FREQUENCY: f64 = 2000.0;

/// A PWM output whose frequency can be set; embedded-hal has a trait for the duty alone.
pub trait Pwm: SetDutyCycle + ErrorType<Error: Display> {
    /// Sets the period, the duty being 0 at that moment: a driver refuses a pulse that is longer than the period.
    ///
    /// # Errors
    ///
    /// What the output says, if it does not do that.
    fn set_period(&mut self, period: Duration) -> Result<(), Self::Error>;

    /// Whether something that was told is yet to be heard, as through a sound card, which takes it when it is ready for it.
    ///
    /// # Errors
    ///
    /// What the output says, if it will never be heard.
    fn is_behind(&self) -> Result<bool, Self::Error> {
        Ok(false)
    }
}

/// Why there is no PWM for the buzzer.
#[derive(Debug, thiserror::Error)]
pub enum PwmError {
    /// The pin cannot be driven by hardware PWM.
    #[error("GPIO{0} has no hardware PWM: connect the buzzer to GPIO 12, 13, 18 or 19")]
    Pin(u8),
    /// Not a Raspberry Pi.
    #[error("this is no Raspberry Pi ({0}): its PWM pins are not known")]
    Board(String),
    /// The kernel has no PWM chip.
    #[error("there is no PWM chip in {CLASS}: add `{remedy}` to config.txt and start again", remedy = overlay(*.pin))]
    NoChip {
        /// GPIO of the buzzer.
        pin: u8,
    },
    /// There are chips, but none is known to serve the pins.
    #[error(
        "none of the PWM chips ({found}) is that of the pins ({wanted}): add `{remedy}` to config.txt and start again",
        remedy = overlay(*.pin)
    )]
    OtherChips {
        /// GPIO of the buzzer.
        pin: u8,
        /// Devices of the chips that are there.
        found: String,
        /// Devices that would do.
        wanted: String,
    },
    /// The kernel refuses the channel.
    #[error(
        "PWM chip {chip} refuses channel {channel}: {source}; is another program or the analogue audio using it? \
         Add `{remedy}` and `dtparam=audio=off` to config.txt and start again, and run as root",
        remedy = overlay(*.pin)
    )]
    Channel {
        /// GPIO of the buzzer.
        pin: u8,
        /// Number of the chip.
        chip: u8,
        /// Number of the channel.
        channel: u8,
        /// What the kernel said.
        source: rppal::pwm::Error,
    },
    /// A setting cannot be opened or written.
    #[error("{file} cannot be written: {source}")]
    Write {
        /// Name of the kernel's file.
        file: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl hal::Error for PwmError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The line of config.txt that gives `pin` to the PWM.
fn overlay(pin: u8) -> String {
    // The pin's alternate function that is PWM, as the overlay numbers them.
    let function = if pin < 18 { 4 } else { 2 };
    format!("dtoverlay=pwm,pin={pin},func={function}")
}

/// A PWM channel, enabled for as long as this lives.
#[derive(Debug)]
pub struct Channel {
    /// Frees the channel when dropped.
    _rppal: rppal::pwm::Pwm,
    settings: Settings,
}

/// The kernel's files of a channel (Documentation/driver-api/pwm.rst), open, and what was written last.
#[derive(Debug)]
struct Settings {
    period_file: File,
    duty_file: File,
    period: Duration,
}

impl Settings {
    fn open(directory: &Path) -> Result<Self, PwmError> {
        let open = |file: &'static str| {
            let opened = OpenOptions::new().write(true).open(directory.join(file));
            opened.map_err(|source| PwmError::Write { file, source })
        };
        Ok(Self {
            period_file: open("period")?,
            duty_file: open("duty_cycle")?,
            period: Duration::from_secs_f64(1.0 / FIRST_FREQUENCY),
        })
    }

    /// Parts of [`Settings::set_duty`]'s whole.
    const WHOLE: u16 = 10_000;

    fn set_duty(&self, duty: u16) -> Result<(), PwmError> {
        let pulse = self.period * u32::from(duty.min(Self::WHOLE)) / u32::from(Self::WHOLE);
        write(&self.duty_file, "duty_cycle", pulse)
    }

    fn set_period(&mut self, period: Duration) -> Result<(), PwmError> {
        write(&self.period_file, "period", period)?;
        self.period = period;
        Ok(())
    }
}

/// Writes a time to a file of the kernel, in nanoseconds, in one go.
fn write(file: &File, name: &'static str, time: Duration) -> Result<(), PwmError> {
    // A u128 has at most 39 digits.
    let mut text = heapless::String::<39>::new();
    let _ = write!(text, "{}", time.as_nanos());
    file.write_all_at(text.as_bytes(), 0).map_err(|source| PwmError::Write { file: name, source })
}

impl ErrorType for Channel {
    type Error = PwmError;
}

impl SetDutyCycle for Channel {
    fn max_duty_cycle(&self) -> u16 {
        Settings::WHOLE
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), PwmError> {
        self.settings.set_duty(duty)
    }
}

impl Pwm for Channel {
    fn set_period(&mut self, period: Duration) -> Result<(), PwmError> {
        self.settings.set_period(period)
    }
}

/// The kernel's file that switches the buzzer's channel on and off, from when it is taken.
static SWITCH: OnceLock<File> = OnceLock::new();

/// Switches the buzzer's channel off, from any thread and at any time, and whatever the one that plays is doing.
///
/// For an end that nobody asked for: what the player sets afterwards is not heard.  Neither waits (but for the kernel's
/// driver) nor allocates; does nothing if no channel is taken.
pub fn silence() {
    if let Some(switch) = SWITCH.get() {
        // There is nobody to tell: this is the last that can be done.
        let _ = switch.write_all_at(b"0", 0);
    }
}

/// Takes the PWM channel behind `pin` and enables it, silent for now.
///
/// May take a second (rppal waits for permissions where `/etc/passwd` has no root) and allocates: call it before the
/// loop.
///
/// # Errors
///
/// [`PwmError`], whose text says what to add to config.txt.
pub fn open(board: &Board, pin: u8) -> Result<Channel, PwmError> {
    let controller = board.pin_controller().ok_or_else(|| PwmError::Board(board.to_string()))?;
    let channel = channel_of(controller, pin).ok_or(PwmError::Pin(pin))?;
    let chip = find_chip(Path::new(CLASS), controller, pin)?;
    let taken = || {
        let pwm = rppal::pwm::Pwm::with_pwmchip(chip, channel)?;
        // Duty 0, then the period: the kernel refuses a pulse longer than the period, and to enable without one.
        pwm.set_frequency(FIRST_FREQUENCY, 0.0)?;
        pwm.enable()?;
        Ok(pwm)
    };
    let rppal = taken().map_err(|source| PwmError::Channel { pin, chip, channel, source })?;
    let directory = PathBuf::from(format!("{CLASS}/pwmchip{chip}/pwm{channel}"));
    let settings = Settings::open(&directory)?;
    let switch = OpenOptions::new().write(true).open(directory.join("enable"));
    // A program takes one channel.
    let _ = SWITCH.set(switch.map_err(|source| PwmError::Write { file: "enable", source })?);
    log::info!("buzzer: GPIO{pin}, channel {channel} of PWM chip {chip}");
    Ok(Channel { _rppal: rppal, settings })
}

/// The channel that a pin can be connected to.
const fn channel_of(controller: PinController, pin: u8) -> Option<u8> {
    match (controller, pin) {
        (PinController::Bcm2835, 12 | 18) | (PinController::Rp1, 12) => Some(0),
        (PinController::Bcm2835, 13 | 19) | (PinController::Rp1, 13) => Some(1),
        (PinController::Rp1, 18) => Some(2),
        (PinController::Rp1, 19) => Some(3),
        _ => None,
    }
}

/// Devices whose PWM reaches the pins.  Others (the Pi 4's second one for audio, the Pi 5's for the fan) do not.
const fn devices(controller: PinController) -> &'static [&'static str] {
    match controller {
        // Pi 1 and Zero, Pi 2 and 3 and Zero 2, Pi 4.
        PinController::Bcm2835 => &["2020c000.pwm", "3f20c000.pwm", "fe20c000.pwm"],
        PinController::Rp1 => &["1f00098000.pwm"],
    }
}

/// PWM that does not reach the pins: a Pi 4's second, which plays analogue audio, and that of a Pi 5's fan.
const ELSEWHERE: [&str; 2] = ["fe20c800.pwm", "1f0009c000.pwm"];

/// The number of the chip that serves the pins: by its device, since numbers change with the kernel.
///
/// A chip of another name will do if it is the only one (an emulated board, a future device tree), unless it is known
/// to serve something else.
fn find_chip(class: &Path, controller: PinController, pin: u8) -> Result<u8, PwmError> {
    let mut chips: Vec<(u8, PathBuf)> = fs::read_dir(class)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.strip_prefix("pwmchip")?.parse().ok()?;
            let device = fs::read_link(entry.path().join("device")).ok()?;
            Some((number, device.file_name()?.into()))
        })
        .collect();
    chips.sort_unstable();
    let wanted = devices(controller);
    let known = chips.iter().find(|(_, device)| wanted.iter().any(|name| device.as_os_str() == *name));
    match (known, chips.as_slice()) {
        (Some(&(number, _)), _) => Ok(number),
        (None, [(number, device)]) if !ELSEWHERE.iter().any(|name| device.as_os_str() == *name) => {
            Ok(*number)
        }
        (None, []) => Err(PwmError::NoChip { pin }),
        (None, _) => Err(PwmError::OtherChips {
            pin,
            found: chips
                .iter()
                .map(|(number, device)| format!("pwmchip{number} at {}", device.display()))
                .collect::<Vec<_>>()
                .join(", "),
            wanted: wanted.join(" or "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A `/sys/class/pwm` as the kernel lays it out: each chip a link to its directory, `device` a link upwards.
    fn class(chips: &[(u8, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (number, device) in chips {
            let chip = root.path().join(format!("devices/platform/soc/{device}/pwm/pwmchip{number}"));
            fs::create_dir_all(&chip).unwrap();
            symlink(format!("../../../{device}"), chip.join("device")).unwrap();
            fs::create_dir_all(root.path().join("class/pwm")).unwrap();
            symlink(&chip, root.path().join(format!("class/pwm/pwmchip{number}"))).unwrap();
        }
        root
    }

    fn find(chips: &[(u8, &str)], controller: PinController) -> Result<u8, PwmError> {
        find_chip(&class(chips).path().join("class/pwm"), controller, 18)
    }

    #[test]
    fn the_chip_is_found_by_its_device_whatever_its_number() {
        use PinController::{Bcm2835, Rp1};
        assert_eq!(find(&[(0, "3f20c000.pwm")], Bcm2835).unwrap(), 0);
        assert_eq!(find(&[(0, "fe20c800.pwm"), (1, "fe20c000.pwm")], Bcm2835).unwrap(), 1);
        // Kernel 6.6 and 6.12 on a Pi 5; 1f0009c000 is the fan's.
        assert_eq!(find(&[(0, "1f0009c000.pwm"), (2, "1f00098000.pwm")], Rp1).unwrap(), 2);
        assert_eq!(find(&[(0, "1f00098000.pwm"), (4, "1f0009c000.pwm")], Rp1).unwrap(), 0);
    }

    #[test]
    fn a_chip_of_another_name_will_do_only_if_it_is_alone() {
        assert_eq!(find(&[(3, "5fff0000.pwm")], PinController::Bcm2835).unwrap(), 3);
        let error = find(&[(0, "a.pwm"), (1, "b.pwm")], PinController::Rp1).unwrap_err().to_string();
        for part in
            ["pwmchip0 at a.pwm", "pwmchip1 at b.pwm", "1f00098000.pwm", "dtoverlay=pwm,pin=18,func=2"]
        {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn a_chip_that_serves_something_else_will_not_do() {
        let fan = find(&[(0, "1f0009c000.pwm")], PinController::Rp1).unwrap_err().to_string();
        assert!(fan.contains("pwmchip0 at 1f0009c000.pwm"), "{fan}");
        find(&[(0, "fe20c800.pwm")], PinController::Bcm2835).unwrap_err();
    }

    #[test]
    fn without_a_chip_the_error_says_what_to_add() {
        let error = find_chip(Path::new("/no/such/class"), PinController::Bcm2835, 12).unwrap_err();
        assert!(matches!(error, PwmError::NoChip { pin: 12 }));
        assert!(error.to_string().contains("`dtoverlay=pwm,pin=12,func=4`"), "{error}");
    }

    #[test]
    fn pins_have_the_channels_of_the_data_sheets() {
        let channels = |controller| [12, 13, 18, 19, 17, 0, 255].map(|pin| channel_of(controller, pin));
        let none = None;
        assert_eq!(channels(PinController::Bcm2835), [Some(0), Some(1), Some(0), Some(1), none, none, none]);
        assert_eq!(channels(PinController::Rp1), [Some(0), Some(1), Some(2), Some(3), none, none, none]);
    }

    #[test]
    fn half_the_period_is_written_in_nanoseconds() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["period", "duty_cycle"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let mut settings = Settings::open(directory.path()).unwrap();
        settings.set_period(Duration::from_secs_f64(1.0 / 1975.533)).unwrap();
        settings.set_duty(Settings::WHOLE / 2).unwrap();
        let read = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!((read("period").as_str(), read("duty_cycle").as_str()), ("506193", "253096"));
        let missing = Settings::open(Path::new("/no/such/channel")).unwrap_err().to_string();
        assert!(missing.starts_with("period cannot be written"), "{missing}");
    }
}
