//! A bare sensor behind a video node: set up, and kept exposed.

use std::path::Path;
use std::time::Duration;

use v4l::Device;

use super::ioctl::{self, Control};
use super::{PowerLine, open};
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
    log::info!("{}: the sensor is mounted at {rotation}°, and sends its pictures at 0°", node.display());
    for control in [Control::FlipColumns, Control::FlipRows] {
        set(device, node, control, flip);
    }
}

fn set(device: &Device, node: &Path, control: Control, value: i32) {
    if let Err(error) = ioctl::set_control(device, control, value) {
        log::warn!("{}: {control:?} cannot be set to {value}: {error}", node.display());
    }
}

impl Bare {
    /// Tells a sensor whose format is set how fast to send and how to begin.
    pub(super) fn start(
        device: Device,
        node: &Path,
        sensor: Option<&'static Sensor>,
        power_line: PowerLine,
    ) -> Self {
        let mains = match power_line {
            PowerLine::Hz50 => Some(50),
            PowerLine::Hz60 => Some(60),
            PowerLine::AsItIs => None,
        };
        let exposure = Exposure::new(sensor, mains);
        let Some(sensor) = sensor else {
            log::info!("{}: a sensor that is not known: it exposes as it comes", node.display());
            return Self { exposure, controls: None, _lens: None, has_settled: false };
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
            let device = open(node)
                .and_then(|device| ioctl::set_control(&device, Control::Focus, to).map(|()| device));
            match &device {
                Ok(_) => log::info!("{}: the lens is at {to}, for 0.6 m and beyond", node.display()),
                Err(error) => log::warn!("{}: the lens cannot be moved: {error}", node.display()),
            }
            device.ok()
        });
        let mut bare = Self { exposure, controls: Some(device), _lens: lens, has_settled: false };
        bare.tell(bare.exposure.settings());
        bare
    }

    /// What makes colours of the next picture.
    pub(super) fn development(&self) -> Development {
        self.exposure.development()
    }

    /// Looks at a picture, and tells the sensor what it needs.
    pub(super) fn look(&mut self, frame: &Frame) {
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
        for (control, value) in [(Control::Exposure, exposure as i32), (Control::AnalogueGain, gain)] {
            // A sensor that is gone sends no pictures either, which is noticed.
            if let Err(error) = ioctl::set_control(device, control, value) {
                log::debug!("{control:?} cannot be set to {value}: {error}");
            }
        }
    }
}
