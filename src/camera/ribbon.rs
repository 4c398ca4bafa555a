//! What sysfs tells of cameras on the ribbon cable beyond their video node: sensors that do not answer, and lenses.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::sensor::{SENSORS, Sensor};

/// A sensor that config.txt names and that does not answer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Silent {
    name: &'static str,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "config.txt names the sensor {}, which does not answer: see whether both ends of the ribbon sit firmly and \
             the right way round, and whether the camera has this sensor ({})",
            self.name,
            SENSORS
                .each_ref()
                .map(|sensor| format!("{}: dtoverlay={}", sensor.module, sensor.name))
                .join(", "),
        )
    }
}

/// Looks under `sys` for a sensor that a device tree names and that its driver did not find.
pub(crate) fn silent_sensor(sys: &Path) -> Option<Silent> {
    let devices = fs::read_dir(sys.join("bus/i2c/devices")).ok()?;
    devices.flatten().map(|device| device.path()).find_map(|device| {
        let sensor = Sensor::by_name(&text(&device.join("name"))?)?;
        (!device.join("driver").exists()).then_some(Silent { name: sensor.name })
    })
}

/// A lens that can be moved.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Lens {
    /// Its device node.
    pub(crate) node: PathBuf,
    /// Whether it is the wide one.
    pub(crate) is_wide: bool,
}

/// Looks under `sys` for the lens of a Camera Module 3.
pub(crate) fn lens(sys: &Path) -> Option<Lens> {
    let devices = fs::read_dir(sys.join("class/video4linux")).ok()?;
    let names = || {
        devices.flatten().filter_map(|device| Some((device.file_name(), text(&device.path().join("name"))?)))
    };
    let names: Vec<_> = names().collect();
    // Its driver is that of a DW9807, as which it names a DW9817, too.
    let (node, _) = names.iter().find(|(_, name)| name.starts_with("dw98"))?;
    let is_wide = names.iter().any(|(_, name)| name.starts_with("imx708_wide"));
    Some(Lens { node: Path::new("/dev").join(node), is_wide })
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(sys: &Path, path: &str, name: &str) -> PathBuf {
        let device = sys.join(path);
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("name"), format!("{name}\n")).unwrap();
        device
    }

    #[test]
    fn a_sensor_without_a_driver_is_told_with_what_to_do() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(silent_sensor(sys.path()), None);
        device(sys.path(), "bus/i2c/devices/1-0068", "ds3231");
        assert_eq!(silent_sensor(sys.path()), None);
        let sensor = device(sys.path(), "bus/i2c/devices/10-0010", "imx219");
        let told = silent_sensor(sys.path()).unwrap().to_string();
        for part in ["imx219", "ribbon", "Camera Module 3: dtoverlay=imx708"] {
            assert!(told.contains(part), "{told}");
        }
        fs::create_dir(sensor.join("driver")).unwrap();
        assert_eq!(silent_sensor(sys.path()), None);
    }

    #[test]
    fn a_lens_is_found_with_what_it_belongs_to() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(lens(sys.path()), None);
        device(sys.path(), "class/video4linux/video0", "unicam-image");
        assert_eq!(lens(sys.path()), None);
        device(sys.path(), "class/video4linux/v4l-subdev1", "dw9807 10-000c");
        let node = PathBuf::from("/dev/v4l-subdev1");
        assert_eq!(lens(sys.path()), Some(Lens { node: node.clone(), is_wide: false }));
        device(sys.path(), "class/video4linux/v4l-subdev0", "imx708_wide_noir");
        assert_eq!(lens(sys.path()), Some(Lens { node, is_wide: true }));
    }
}
