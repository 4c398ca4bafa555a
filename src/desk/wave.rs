//! The square wave that drives a piezo, as samples.

/// Height of the wave at a duty of 50 %: a quarter of full scale, because square waves sound louder than music does.
pub const AMPLITUDE: i16 = i16::MAX / 4;

/// How a piezo is driven.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drive {
    /// In Hz.
    pub pitch: f32,
    /// Share of each period that it is driven, 0 to 1.
    pub duty: f32,
}

/// A wave, sample by sample.
#[derive(Debug)]
pub struct SquareWave {
    rate: f64,
    drive: Option<Drive>,
    /// Samples since the tone began.
    at: u64,
}

impl SquareWave {
    /// Silence at so many samples a second.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate.into(), drive: None, at: 0 }
    }

    /// Begins a tone, or silence.
    pub const fn set(&mut self, drive: Option<Drive>) {
        self.drive = drive;
        self.at = 0;
    }

    /// Whether nothing is to be heard.
    pub const fn is_silent(&self) -> bool {
        self.drive.is_none()
    }

    /// The next sample.
    pub fn sample(&mut self) -> i16 {
        let Some(Drive { pitch, duty }) = self.drive else { return 0 };
        let phase = (self.at as f64 * f64::from(pitch) / self.rate).fract() as f32;
        self.at += 1;
        // Without its mean, which loudspeakers do not pass on: ±AMPLITUDE at a duty of 50 %.
        let level = if phase < duty { 1.0 - duty } else { -duty };
        (2.0 * level * f32::from(AMPLITUDE)).round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softer_wave_has_the_same_pitch_and_no_mean() {
        for duty in [0.5, 0.25, 0.01] {
            let mut wave = SquareWave::new(48_000);
            wave.set(Some(Drive { pitch: 480.0, duty }));
            let samples: Vec<_> = std::iter::repeat_with(|| wave.sample()).take(48_000).collect();
            let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] > 0).count();
            assert_eq!(rises, 479, "{duty}");
            let high = samples.iter().filter(|&&sample| sample > 0).count();
            assert_eq!(high, (48_000.0 * duty) as usize, "{duty}");
            let mean = samples.iter().map(|&sample| i64::from(sample)).sum::<i64>() / 48_000;
            assert_eq!(mean, 0, "{duty}");
        }
    }
}
