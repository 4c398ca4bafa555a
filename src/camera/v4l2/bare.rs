//! A bare sensor behind a video node: set up, and kept exposed.

use std::io;
use std::path::Path;
use std::time::Duration;

use v4l::Device;

use super::ioctl::{self, Control};
use crate::camera::exposure::{Exposure, Settings};
use crate::camera::ribbon;
use crate::camera::sensor::{Sensor, focus};
use crate::frame::{Development, Frame};
use crate::geometry::Rect;

/// A bare sensor that is sending.
pub(super) struct Bare {
    exposure: Exposure,
    /// Where the sensor is told what to do; none for one that is not known.
    controls: Option<Device>,
    /// Open as long as the lens is to stay where it was sent.
    _lens: Option<Device>,
    /// Whether the sensor has not taken what it was told last.
    is_untold: bool,
    /// Whether the log has been told how bright it is here.
    has_settled: bool,
}

/// The sensor behind a video node, told by the codes of gain that it takes; `None` for any other camera.
pub(super) fn sensor(device: &Device) -> Option<&'static Sensor> {
    Sensor::by_codes(ioctl::range(device, Control::AnalogueGain).ok()?)
}

/// Has the sensor send its pictures upright, if it is mounted upside down.  Before the format is set: the order of
/// colours changes with it.
pub(super) fn set_upright(device: &Device, node: &Path) {
    // A driver that does not say was not told.
    let rotation = ioctl::get_control(device, Control::Rotation).unwrap_or_default();
    let flip = i32::from(rotation == 180);
    let is_set = [Control::FlipColumns, Control::FlipRows].map(|control| set(device, node, control, flip));
    let node = node.display();
    if rotation == 0 || (rotation == 180 && is_set == [true; 2]) {
        log::info!("{node}: the sensor is mounted at {rotation}°: its pictures are upright");
    } else {
        log::warn!(
            "{node}: the sensor is mounted at {rotation}°, which it does not undo: set `rotation` in maskbell.toml"
        );
    }
}

/// Whether it could be set.
fn set(device: &Device, node: &Path, control: Control, value: i32) -> bool {
    let result = ioctl::set_control(device, control, value);
    if let Err(error) = &result {
        log::warn!("{}: {control:?} cannot be set to {value}: {error}", node.display());
    }
    result.is_ok()
}

/// What drivers mean by an error of starting a known sensor.
pub(super) fn explained(error: io::Error) -> io::Error {
    // That is what they say of one that does not answer on I²C.
    if error.raw_os_error() == Some(libc::EREMOTEIO) {
        io::Error::other(format!("{error}: the sensor does not answer: see to both ends of the ribbon"))
    } else {
        error
    }
}

impl Bare {
    /// Tells a sensor whose format is set how fast to send and how to begin, with lamps that flicker twice as often as
    /// `mains` in Hz, if there are any.
    pub(super) fn start(
        device: Device,
        node: &Path,
        sensor: Option<&'static Sensor>,
        mains: Option<u32>,
    ) -> Self {
        let exposure = Exposure::new(sensor, mains);
        let Some(sensor) = sensor else {
            log::info!("{}: a sensor that is not known: it exposes as it comes", node.display());
            return Self { exposure, controls: None, _lens: None, is_untold: false, has_settled: false };
        };
        log::info!(
            "{}: {} rows a picture, exposures of {} to {} rows of {:?}, gains up to {}",
            node.display(),
            sensor.rows(),
            sensor.shortest,
            sensor.longest(),
            sensor.line,
            sensor.most_gain,
        );
        // What the OV5647 could do itself; the others have no such thing.
        for (control, value) in
            [(Control::AutomaticGain, 0), (Control::AutomaticBalance, 0), (Control::ManualExposure, 1)]
        {
            let _ = ioctl::set_control(&device, control, value);
        }
        // Before the exposure, which it limits.
        set(&device, node, Control::VerticalBlanking, (sensor.rows() - sensor.mode.1) as i32);
        let lens = ribbon::lens(Path::new("/sys")).and_then(|lens| {
            let (node, to) = (&lens.node, focus(lens.is_wide));
            let device = ioctl::open(node)
                .and_then(|device| ioctl::set_control(&device, Control::Focus, to).map(|_| device));
            match &device {
                Ok(_) => log::info!("{}: the lens is at {to}, for 0.6 m and beyond", node.display()),
                Err(error) => log::warn!("{}: the lens cannot be moved: {error}", node.display()),
            }
            device.ok()
        });
        let mut bare =
            Self { exposure, controls: Some(device), _lens: lens, is_untold: false, has_settled: false };
        bare.tell(bare.exposure.settings());
        bare
    }

    /// What makes colours of the next picture.
    pub(super) fn development(&self) -> Development {
        self.exposure.development()
    }

    /// Looks at a picture, and tells the sensor what it needs.
    pub(super) fn look(&mut self, frame: &Frame) {
        if self.is_untold {
            // Its pictures say nothing about settings that it does not have.
            self.exposure.told_late(frame.captured_at());
            return self.tell(self.exposure.settings());
        }
        match self.exposure.observe(frame) {
            Some(settings) => self.tell(settings),
            None if !self.has_settled && self.exposure.is_good() => {
                self.has_settled = true;
                log::info!("exposed: {:?}, {:?}", self.exposure.settings(), self.exposure.development());
            }
            None => {}
        }
    }

    /// Hears where faces are in a frame.
    pub(super) fn attend(&mut self, faces: &[Rect], size: (f32, f32), at: Duration) {
        self.exposure.attend(faces, size, at);
    }

    fn tell(&mut self, Settings { exposure, gain }: Settings) {
        let Some(device) = &self.controls else { return };
        let was_untold = std::mem::take(&mut self.is_untold);
        for (control, value) in [(Control::Exposure, exposure as i32), (Control::AnalogueGain, gain)] {
            match ioctl::set_control(device, control, value) {
                // Its effect is seen, as all is, and made up for.
                Ok(taken) if taken != value => log::debug!("{control:?} is {taken} instead of {value}"),
                Ok(_) => {}
                Err(error) => {
                    self.is_untold = true;
                    let level = if was_untold { log::Level::Debug } else { log::Level::Warn };
                    log::log!(level, "{control:?} cannot be set to {value}, it is told again: {error}");
                }
            }
        }
    }
}
