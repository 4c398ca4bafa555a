//! Automatic exposure and white balance for a bare sensor.  Pure: pictures and their times in, settings out.
//!
//! Light is proportional to rows of exposure times gain until photosites are full, so that one picture tells how many
//! times more is wanted; it is waited for until that has had its effect, and then looked whether it is enough.  What is
//! nearly right is left alone, and must be farther off to be touched again: there is nothing that could swing.

use std::time::Duration;

use super::metering::{self, Attention, Metered};
use super::sensor::Sensor;
use crate::frame::{ColourMatrix, Development, Frame};
use crate::geometry::Rect;

/// Light, as a part of what fills a photosite, that the darker part of a picture is exposed for.  These three were chosen on
/// a third of `val/ilc`, so that as many faces are found as in the pictures as they are (`models/evaluate/mosaic.py`).
const PICTURE: f32 = 0.12;

/// Less of it, if the brighter part would have more than this.
const BRIGHT: f32 = 0.5;

/// But so much of it in any case, however bright a door is: 63 of 255.
const LEAST_PICTURE: f32 = 0.05;

/// And the middle of faces, which is what matters.
const FACE: f32 = 0.18;

/// How many times lighter or darker than without faces a picture may become for their sake.
const FOR_FACES: f32 = 8.0;

/// How many times lighter or darker it becomes in one step, since what is full or black does not tell how much.
const LIGHTER: f32 = 16.0;
const DARKER: f32 = 1.0 / 8.0;

/// How far from what is wanted it is good enough, and then how far off it must be to be touched again, as powers of 2.
const GOOD: f32 = 0.15;
const OFF: f32 = 0.5;

/// From a change of settings until pictures show it: sensors take two pictures, and one may be under way.  At 30 a second.
const EFFECT: Duration = Duration::from_millis(120);

/// Between two readings when nothing was changed.
const PAUSE: Duration = Duration::from_millis(100);

/// Most that values are multiplied with, where the sensor cannot do it: noise is multiplied, too.
const MOST_DIGITAL: f32 = 4.0;

/// Up to this gain, analogue and digital, colours are corrected wholly, and from this on by half: a matrix takes colours from
/// each other, but adds up their noise, to three times as much.  In nearly dark mosaics of `val/ilc` all of it loses 3 of
/// 100 masked faces that half of it finds, and 7 of 96 noses; without it 3 noses are lost.
const NOISY: [f32; 2] = [2.0, 8.0];

/// How soon the white balance follows: in this time by 63 %.
const BALANCE: Duration = Duration::from_millis(200);

/// Between which red and blue are multiplied if nothing is known of the sensor.
const ANY_COLOUR: [f32; 2] = [0.5, 4.0];

/// What a sensor is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Rows.
    pub exposure: u32,
    /// The code of the analogue gain.
    pub gain: i32,
}

/// What a bare sensor's pictures need, one after the other.
#[derive(Debug)]
pub struct Exposure {
    /// `None`: nothing is known of it, and it is told nothing.
    sensor: Option<&'static Sensor>,
    /// Rows of a half-wave of the mains, which lamps flicker with.
    half_wave: Option<f32>,
    settings: Settings,
    /// What values are multiplied with besides.
    digital: f32,
    /// What red and blue are multiplied with, green with 1.
    balance: [f32; 2],
    /// Nothing is read before.
    next: Duration,
    /// When it was read last.
    read: Option<Duration>,
    is_good: bool,
    attention: Attention,
}

impl Exposure {
    /// For a sensor, with lamps that flicker twice as often as `mains` in Hz, if there are any.
    pub fn new(sensor: Option<&'static Sensor>, mains: Option<u32>) -> Self {
        let half_wave = sensor.zip(mains).map(|(sensor, hertz)| {
            let half_wave = 1.0 / (2.0 * hertz as f32);
            half_wave / sensor.line.as_secs_f32()
        });
        let middle = |[least, most]: [f32; 2]| (least * most).sqrt();
        let balance = sensor.map_or([1.0; 2], |sensor| [sensor.red, sensor.blue].map(middle));
        let mut exposure = Self {
            sensor,
            half_wave,
            settings: Settings { exposure: 1, gain: 0 },
            digital: 1.0,
            balance,
            next: Duration::ZERO,
            read: None,
            is_good: false,
            attention: Attention::default(),
        };
        // Where it begins: an evening indoors.
        exposure.settings = exposure.settings_for(f32::MAX);
        if let Some(sensor) = sensor {
            exposure.settings = exposure.settings_for(sensor.longest() as f32 * 2.0);
        }
        exposure
    }

    /// What the sensor is to be told at first.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether the last picture was exposed as well as it can be.
    pub(crate) const fn is_good(&self) -> bool {
        self.is_good
    }

    /// What makes colours of the values now.
    pub fn development(&self) -> Development {
        let black = self.black();
        let [red, blue] = self.balance;
        // None below 1: what is full must stay white.
        let least = red.min(blue).min(1.0);
        let all = self.digital * 65_536.0 / (65_536.0 - f32::from(black)) / least;
        let gains = [red, 1.0, blue].map(|gain| (gain * all * f32::from(Development::ONE) + 0.5) as u16);
        let matrix = self.sensor.map_or(ColourMatrix::IDENTITY, |sensor| {
            let [whole, half] = NOISY.map(f32::log2);
            let gain = sensor.gain.factor(self.settings.gain) * self.digital;
            let noisy = (gain.log2() - whole) / (half - whole);
            sensor.matrix.weakened(1.0 - noisy.clamp(0.0, 1.0) / 2.0)
        });
        Development { black, gains, matrix }
    }

    /// Notes where faces are in a picture of that size, as it is stored.
    pub fn attend(&mut self, faces: &[Rect], size: (f32, f32), at: Duration) {
        self.attention.note(faces, size, at);
    }

    /// Reads a picture, if it is time to; what the sensor is to be told now, if that is something else than before.
    pub fn observe(&mut self, frame: &Frame) -> Option<Settings> {
        let now = frame.captured_at();
        if now < self.next {
            return None;
        }
        let [red, blue] = self.balance;
        let picture = frame.developed(Development { black: self.black(), ..frame.development() });
        let metered = metering::read(&picture, [red, 1.0, blue], &self.attention)?;
        self.follow_colours(&metered, now);
        self.read = Some(now);
        self.next = now + PAUSE;

        let total = self.total(self.settings);
        // More than the sensor gives is multiplied afterwards.
        let wanted = Self::wanted(&metered);
        let off = (wanted / self.digital).log2().abs();
        if off < if self.is_good { OFF } else { GOOD } {
            self.is_good = true;
            return None;
        }
        self.is_good = false;
        let settings = self.settings_for(total * wanted);
        let given = self.total(settings);
        // What rounding took away and what the sensor cannot give.
        self.digital = (total * wanted / given).clamp(1.0, MOST_DIGITAL);
        if settings == self.settings {
            // There is no more to be done.
            self.is_good = true;
            return None;
        }
        self.settings = settings;
        self.next = now + EFFECT;
        Some(settings)
    }

    /// Notes that the sensor was told its settings only now: pictures do not show them before long.
    pub(crate) fn told_late(&mut self, at: Duration) {
        self.next = at + EFFECT;
    }

    fn black(&self) -> u16 {
        self.sensor.map_or(0, |sensor| sensor.black)
    }

    /// How many times more light is wanted.
    fn wanted(metered: &Metered) -> f32 {
        const DARKEST: f32 = 1e-4;
        let for_picture = |light: f32| light / metered.picture.max(DARKEST);
        let for_bright = BRIGHT / metered.bright.max(DARKEST);
        let picture = for_picture(PICTURE).min(for_bright).max(for_picture(LEAST_PICTURE));
        let wanted = match metered.faces {
            None => picture,
            Some(faces) => (FACE / faces.max(DARKEST)).clamp(picture / FOR_FACES, picture * FOR_FACES),
        };
        wanted.clamp(DARKER, LIGHTER)
    }

    /// Rows times gain.
    fn total(&self, settings: Settings) -> f32 {
        let gain = self.sensor.map_or(1.0, |sensor| sensor.gain.factor(settings.gain));
        settings.exposure as f32 * gain
    }

    /// What gives so many rows times gain, or as near as it can: as long an exposure as there is, of whole half-waves if
    /// there is time for one, and gain for the rest.
    fn settings_for(&self, total: f32) -> Settings {
        let Some(sensor) = self.sensor else { return Settings { exposure: 1, gain: 0 } };
        let least_gain = sensor.gain.factor(sensor.codes[0]);
        let (shortest, longest) = (sensor.shortest as f32, sensor.longest() as f32);
        let rows = (total / least_gain).clamp(shortest, longest);
        let rows = match self.half_wave {
            Some(half_wave) if rows >= half_wave => (rows / half_wave).floor() * half_wave,
            _ => rows,
        };
        let exposure = (rows as u32).max(sensor.shortest);
        // Before the gain, which makes up for it.
        let exposure = exposure - exposure % sensor.step;
        let factor = (total / exposure as f32).clamp(least_gain, sensor.most_gain);
        let gain = sensor.gain.code(factor).clamp(sensor.codes[0], sensor.codes[1]);
        Settings { exposure, gain }
    }

    /// Moves the white balance towards what makes the picture grey on average, as far as lamps and sun can make it so.
    fn follow_colours(&mut self, metered: &Metered, now: Duration) {
        let Some([red, green, blue]) = metered.colours else { return };
        let [least_red, least_blue] = self.sensor.map_or([ANY_COLOUR; 2], |sensor| [sensor.red, sensor.blue]);
        let passed = self.read.map_or(Duration::MAX, |read| now.saturating_sub(read));
        let share = 1.0 - (-passed.as_secs_f32() / BALANCE.as_secs_f32()).exp();
        for (gain, (colour, [least, most])) in
            self.balance.iter_mut().zip([(red, least_red), (blue, least_blue)])
        {
            let wanted = (green / colour.max(1e-6)).clamp(least, most);
            *gain *= (wanted / *gain).powf(share);
        }
    }
}

#[cfg(test)]
mod tests;
