//! The image sensors that are known: what sits on the Raspberry Pi's own cameras.
//!
//! Modes, limits and line times are those of the Raspberry Pi kernel's drivers (`drivers/media/i2c`, 6.6.21); gain codes,
//! black levels, the colours of white under lamps and sun, and what corrects colours are those of Raspberry Pi's libcamera
//! (`src/ipa/rpi/cam_helper`, `rpi.black_level`, `ct_curve` and `rpi.ccm` of `src/ipa/rpi/vc4/data`).

use std::time::Duration;

use crate::frame::ColourMatrix;

/// What is to be known of a sensor to take pictures with it.
#[derive(Debug, PartialEq)]
pub struct Sensor {
    /// As its driver, its device tree overlay, and `device` in `maskbell.toml` call it.
    pub name: &'static str,
    /// As people call the camera that it sits on.
    pub module: &'static str,
    /// Photosites of a row, and rows, of the mode that is used: of those with the whole field of view and 30 pictures a
    /// second the one nearest to what a look needs.
    pub mode: (u32, u32),
    /// How long it takes to read a row in that mode.
    pub line: Duration,
    /// Least rows of an exposure.
    pub shortest: u32,
    /// Rows that an exposure is a whole multiple of: its driver drops the rest, and does not say so.
    pub step: u32,
    /// Rows that an exposure is shorter than the time between pictures, at least.
    pub margin: u32,
    /// What analogue gain a code stands for.
    pub gain: Gain,
    /// The codes that its driver takes: no two of these sensors have the same.
    pub codes: [i32; 2],
    /// The highest gain that is used: beyond it there is little but noise.
    pub most_gain: f32,
    /// What it sends where there is no light, as if it had 16 bits.
    pub black: u16,
    /// Least and most that red is to be multiplied with: under a bulb and under an overcast sky.
    pub red: [f32; 2],
    /// Least and most that blue is to be multiplied with: under an overcast sky and under a bulb.
    pub blue: [f32; 2],
    /// What makes sRGB's colours of its filters', once white is white: libcamera's between bulb and sky, at 4559 to 4700 K.
    pub matrix: ColourMatrix,
}

/// How a sensor codes its analogue gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gain {
    /// Sixteenths.
    Sixteenths,
    /// N ÷ (N − code).
    Of(u16),
}

impl Gain {
    /// The gain of a code; at least 1.
    pub fn factor(self, code: i32) -> f32 {
        match self {
            Self::Sixteenths => code as f32 / 16.0,
            Self::Of(whole) => f32::from(whole) / (i32::from(whole) - code).max(1) as f32,
        }
    }

    /// The code of the highest gain that is not above `factor`.
    pub(crate) fn code(self, factor: f32) -> i32 {
        // What the code before has made of a code must give that code again.
        const ROUNDING: f32 = 1e-3;
        match self {
            Self::Sixteenths => (factor * 16.0 + ROUNDING) as i32,
            Self::Of(whole) => (f32::from(whole) - f32::from(whole) / factor + ROUNDING) as i32,
        }
    }
}

/// Time between two pictures: none of these modes is slower, and exposures are no longer than this.
pub(crate) const INTERVAL: Duration = Duration::from_nanos(33_333_333);

impl Sensor {
    /// Rows from the start of a picture to that of the next, those that show nothing included.
    pub(crate) const fn rows(&self) -> u32 {
        (INTERVAL.as_nanos() / self.line.as_nanos()) as u32
    }

    /// Most rows of an exposure.
    pub const fn longest(&self) -> u32 {
        self.rows() - self.margin
    }

    /// The sensor that its driver calls so.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        SENSORS.iter().find(|sensor| sensor.name == name)
    }

    /// The sensor whose driver takes these codes of analogue gain.
    pub(crate) fn by_codes(codes: [i32; 2]) -> Option<&'static Self> {
        SENSORS.iter().find(|sensor| sensor.codes == codes)
    }
}

/// All that are known.
pub(crate) const SENSORS: [Sensor; 4] = [
    Sensor {
        name: "ov5647",
        module: "Camera Module 1",
        // 2×2 binned.  640×480 would be 320×240 pixels.
        mode: (1296, 972),
        line: Duration::from_nanos(23_216), // 1896 ÷ 81,666,700 Hz
        shortest: 4,
        step: 1,
        margin: 4,
        gain: Gain::Sixteenths,
        codes: [16, 1023],
        most_gain: 8.0,
        black: 16 << 6,
        red: [0.97, 1.65],
        blue: [1.0, 2.22],
        // At 4700 K.
        matrix: ColourMatrix::new([
            [2.00971, -0.51461, -0.49511],
            [-0.52109, 2.01003, -0.48894],
            [-0.09527, -0.67318, 1.76845],
        ]),
    },
    Sensor {
        name: "imx219",
        module: "Camera Module 2",
        // 2×2 binned.  640×480 is a crop of the middle.
        mode: (1640, 1232),
        line: Duration::from_nanos(18_904), // 3448 ÷ 182,400,000 Hz
        shortest: 4,
        step: 1,
        margin: 4,
        gain: Gain::Of(256),
        codes: [0, 232],
        most_gain: 10.66,
        black: 64 << 6,
        red: [1.07, 2.31],
        blue: [1.24, 2.78],
        // At 4650 K.
        matrix: ColourMatrix::new([
            [2.18174, -0.70887, -0.47287],
            [-0.70196, 2.76426, -1.06231],
            [-0.25157, -0.71978, 1.97135],
        ]),
    },
    Sensor {
        name: "imx708",
        module: "Camera Module 3",
        // 2×2 binned.  1536×864 is a crop of the middle.
        mode: (2304, 1296),
        line: Duration::from_nanos(13_361), // 7824 ÷ 585,600,000 Hz
        shortest: 4,
        step: 2,
        margin: 48,
        gain: Gain::Of(1024),
        codes: [112, 960],
        most_gain: 16.0,
        black: 64 << 6,
        red: [1.15, 2.69],
        blue: [1.45, 3.84],
        // At 4640 K.
        matrix: ColourMatrix::new([
            [1.52972, -0.35168, -0.17804],
            [-0.28309, 1.67098, -0.38788],
            [0.01695, -0.57209, 1.55515],
        ]),
    },
    Sensor {
        name: "imx477",
        module: "HQ Camera",
        // 2×2 binned, 12 bits.
        mode: (2028, 1520),
        line: Duration::from_nanos(15_167), // 12740 ÷ 840,000,000 Hz
        shortest: 4,
        step: 1,
        margin: 22,
        gain: Gain::Of(1024),
        codes: [0, 978],
        most_gain: 16.0,
        black: 256 << 4,
        red: [1.66, 3.96],
        blue: [1.27, 3.23],
        // At 4559 K.
        matrix: ColourMatrix::new([
            [2.15423, -0.98143, -0.17279],
            [-0.38131, 2.14763, -0.76632],
            [-0.10069, -0.54383, 1.64452],
        ]),
    },
];

/// Where the lens of a Camera Module 3 is to stand to show 0.6 m to infinity sharply, as `V4L2_CID_FOCUS_ABSOLUTE`: at
/// 0.9 m.  By libcamera's `rpi.af`: 445 is infinity and 32 more are a dioptre, of the wide one 420 and 14.3.
pub(crate) const fn focus(is_wide: bool) -> i32 {
    if is_wide { 436 } else { 480 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_gains_agree_over_the_whole_range() {
        for sensor in &SENSORS {
            let [least, most] = sensor.codes;
            for code in least..=most {
                let gain = sensor.gain.factor(code);
                assert!(gain >= 1.0, "{}: {code} is {gain}", sensor.name);
                assert_eq!(sensor.gain.code(gain), code, "{}: {gain}", sensor.name);
            }
            let most = sensor.gain.factor(most);
            assert!(sensor.most_gain <= most, "{}: its driver ends at {most}", sensor.name);
            assert_eq!(Sensor::by_codes(sensor.codes), Some(sensor));
        }
        assert_eq!(Sensor::by_codes([0, 255]), None);
        assert_eq!((Gain::Of(256).factor(128), Gain::Of(1024).factor(960)), (2.0, 16.0));
    }

    #[test]
    fn thirty_pictures_a_second_fit() {
        for sensor in &SENSORS {
            let (rows, height) = (sensor.rows(), sensor.mode.1);
            // The largest blanking that a driver wants at least is 58 rows.
            assert!(rows >= height + 58, "{}: {rows} rows in all, {height} of the picture", sensor.name);
            assert!(sensor.line * rows <= INTERVAL);
            assert_eq!(sensor.shortest % sensor.step, 0, "{}", sensor.name);
            // Three half-waves of 50 Hz.
            assert!(sensor.line * sensor.longest() >= Duration::from_millis(30), "{}", sensor.name);
        }
    }
}
