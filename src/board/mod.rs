//! What this machine is, where its pins are, and what it is owed by the program that is its process 1.

use std::fmt;
use std::fs;
use std::path::Path;

use rppal::gpio::{Gpio, OutputPin};

pub(crate) mod boot;
pub mod console;
pub(crate) mod init;
pub mod pwm;
pub(crate) mod restarts;
pub mod watchdog;

/// The device tree as the running kernel sees it; not there on a PC.
const DEVICE_TREE: &str = "/proc/device-tree";

/// Who is in charge of a Raspberry Pi's pins.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PinController {
    /// The processor itself: Pi 1 to 4, all Zeros (BCM2835 to BCM2711).
    Bcm2835,
    /// The RP1: Pi 5 and its kin (BCM2712).
    Rp1,
}

/// The machine we run on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Board {
    model: String,
    controller: Option<PinController>,
}

impl Board {
    /// Finds out from the device tree.  What has none, or is of another maker, is no Raspberry Pi.
    pub fn detect() -> Self {
        Self::from_device_tree(Path::new(DEVICE_TREE))
    }

    fn from_device_tree(tree: &Path) -> Self {
        // Strings in a device tree end with NUL; `compatible` has several.
        let text = |name| fs::read(tree.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let compatible = text("compatible").unwrap_or_default();
        let has = |wanted: fn(&str) -> bool| compatible.split('\0').any(wanted);
        let controller = has(|name| name.starts_with("raspberrypi,")).then(|| {
            if has(|name| name == "brcm,bcm2712") { PinController::Rp1 } else { PinController::Bcm2835 }
        });
        let model = text("model").unwrap_or_default();
        let model = model.trim_end_matches('\0');
        let model = if model.is_empty() { "no Raspberry Pi" } else { model };
        Self { model: model.to_owned(), controller }
    }

    /// Whether it has pins that we know how to drive.
    pub const fn is_raspberry_pi(&self) -> bool {
        self.controller.is_some()
    }

    /// Who is in charge of the pins; `None` if it is no Raspberry Pi.
    pub const fn pin_controller(&self) -> Option<PinController> {
        self.controller
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model)
    }
}

/// Why a GPIO cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "GPIO{pin} cannot be used: {source}; it takes a pin from 0 to 27 that nothing else uses, and access to /dev/gpiomem \
     (as root, or in the group gpio) or, on a kernel without it, to /dev/mem"
)]
pub struct GpioError {
    pin: u8,
    source: rppal::gpio::Error,
}

/// Takes a GPIO (BCM numbering) as an output, low for now.
///
/// # Errors
///
/// [`GpioError`] if there is no such pin, it is in use, or the pins cannot be reached.
pub fn led_pin(pin: u8) -> Result<OutputPin, GpioError> {
    let take = || Ok(Gpio::new()?.get(pin)?.into_output_low());
    take().map_err(|source| GpioError { pin, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(compatible: &str, model: &str) -> Board {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("compatible"), compatible).unwrap();
        fs::write(tree.path().join("model"), model).unwrap();
        Board::from_device_tree(tree.path())
    }

    #[test]
    fn pis_are_told_by_their_device_tree() {
        for (compatible, model, controller) in [
            (
                "raspberrypi,3-model-b\0brcm,bcm2837\0",
                "Raspberry Pi 3 Model B Rev 1.2\0",
                PinController::Bcm2835,
            ),
            ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "Raspberry Pi Zero 2 W\0", PinController::Bcm2835),
            (
                "raspberrypi,4-model-b\0brcm,bcm2711\0linux,dummy-virt\0",
                "Raspberry Pi 4\0",
                PinController::Bcm2835,
            ),
            ("raspberrypi,5-model-b\0brcm,bcm2712\0", "Raspberry Pi 5 Model B\0", PinController::Rp1),
        ] {
            let board = board(compatible, model);
            assert_eq!(board.pin_controller(), Some(controller), "{model}");
            assert!(board.is_raspberry_pi(), "{model}");
            assert_eq!(board.to_string(), model.trim_end_matches('\0'));
        }
    }

    #[test]
    fn others_are_no_pi() {
        let other = board("pine64,rockpro64\0rockchip,rk3399\0", "Pine64 RockPro64\0");
        assert!(!other.is_raspberry_pi());
        let pc = Board::from_device_tree(Path::new("/no/such/tree"));
        assert!(!pc.is_raspberry_pi());
        assert_eq!(pc.to_string(), "no Raspberry Pi");
    }
}
