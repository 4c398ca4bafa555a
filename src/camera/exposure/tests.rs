//! Against a simulated sensor: light times exposure times gain, until photosites are full, two pictures after it was told.

use proptest::prelude::*;

mod plot;

use super::*;
use crate::camera::sensor::{INTERVAL, SENSORS};
use crate::frame::{Order, Packing, PixelFormat};

/// Pixels of its pictures.
const WIDTH: usize = 80;
const HEIGHT: usize = 60;

/// Pictures from one that was read to the first that shows what was made of it.
const DELAY: usize = 2;

/// A part of the picture, from its left to this part of the width, and how bright it is: what a row of exposure at gain
/// 1 adds, as a part of what fills a photosite.
type Stripes<'a> = &'a [(f32, f32)];

struct Room {
    sensor: &'static Sensor,
    exposure: Exposure,
    /// Told, and not yet in effect: the oldest first.
    told: [Settings; DELAY + 1],
    /// Of white, on the sensor.
    colours: [f32; 3],
    pictures: u32,
    /// Every change, with the picture after which it was told.
    changes: Vec<(u32, Settings)>,
    noise: u64,
}

impl Room {
    fn new(sensor: &'static Sensor) -> Self {
        let exposure = Exposure::new(Some(sensor), Some(50));
        let told = [exposure.settings(); DELAY + 1];
        // White under an ordinary lamp.
        let colours = [sensor.red, sensor.blue].map(|[least, most]| 1.0 / (least * most).sqrt());
        let colours = [colours[0], 1.0, colours[1]];
        Self { sensor, exposure, told, colours, pictures: 0, changes: Vec::new(), noise: 1 }
    }

    fn now(&self) -> Duration {
        INTERVAL * self.pictures
    }

    /// Shows so many pictures; the last one's photosites, as a part of what fills them, black taken off, by stripes.
    fn shows(&mut self, stripes: Stripes, pictures: u32, face: Option<Rect>) -> Vec<f32> {
        let mut last = vec![];
        for _ in 0..pictures {
            last = self.picture(stripes, face);
        }
        last
    }

    fn picture(&mut self, stripes: Stripes, face: Option<Rect>) -> Vec<f32> {
        let Settings { exposure, gain } = self.told[0];
        self.told.rotate_left(1);
        let total = (exposure - exposure % self.sensor.step) as f32 * self.sensor.gain.factor(gain);
        let black = f32::from(self.sensor.black);
        let mut noise = || {
            self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.noise >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        let mut value = |light: f32| {
            // A photon's noise, about, and that of reading, which gain multiplies.
            let noisy = light + noise() * (0.03 * light.sqrt() + 0.000_5 * total.sqrt() / 40.0);
            (black + noisy * (65_536.0 - black)).clamp(0.0, 65_535.0) as u16
        };
        let row = |colours: [f32; 2], value: &mut dyn FnMut(f32) -> u16| {
            let photosite = |x: usize| {
                let part = (x / 2) as f32 / WIDTH as f32;
                let stripe = stripes.iter().find(|(end, _)| part < *end).expect("the last ends at 1");
                value(stripe.1 * total * colours[x % 2])
            };
            Packing::TenPacked.packed((0..2 * WIDTH).map(photosite))
        };
        let [red, green, blue] = self.colours;
        let data: Vec<u8> = (0..HEIGHT)
            .flat_map(|_| [row([red, green], &mut value), row([green, blue], &mut value)])
            .flatten()
            .collect();
        let format = PixelFormat::Bayer(Order::Rggb, Packing::TenPacked);
        let frame = Frame::new(&data, format, WIDTH, HEIGHT, format.row_bytes(WIDTH), self.now()).unwrap();
        if let Some(face) = face {
            self.exposure.attend(&[face], (WIDTH as f32, HEIGHT as f32), self.now());
        }
        let changed = self.exposure.observe(&frame.developed(self.exposure.development()));
        self.told[DELAY] = self.exposure.settings();
        if let Some(settings) = changed {
            self.changes.push((self.pictures, settings));
        }
        self.pictures += 1;
        stripes.iter().map(|&(_, light)| (light * total).min(1.0)).collect()
    }

    /// When, in pictures since `from`, the last change was told.
    fn settled(&self, from: u32) -> u32 {
        self.changes.last().map_or(0, |(at, _)| at.saturating_sub(from))
    }
}

/// Light of full sun and of a dim room, as a row of exposure at gain 1 sees it.
fn sun(sensor: &Sensor) -> f32 {
    PICTURE / sensor.shortest as f32 / sensor.gain.factor(sensor.codes[0]) / 1.2
}

fn dusk(sensor: &Sensor) -> f32 {
    PICTURE / sensor.longest() as f32 / sensor.most_gain * 2.0
}

fn any_sensor() -> impl Strategy<Value = &'static Sensor> {
    (0..SENSORS.len()).prop_map(|at| {
        static KNOWN: [Sensor; 4] = SENSORS;
        &KNOWN[at]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_settles_within_a_second_wherever_light_goes_and_then_rests(
        sensor in any_sensor(),
        steps in prop::collection::vec(0.0_f32..=1.0, 1..4),
    ) {
        let mut room = Room::new(sensor);
        let (sun, dusk) = (sun(sensor), dusk(sensor));
        // From one end to the other, too.
        for part in [0.0, 1.0, 0.0].into_iter().chain(steps) {
            let light = dusk * (sun / dusk).powf(part);
            let from = room.pictures;
            let seen = room.shows(&[(1.0, light)], 90, None)[0];
            prop_assert!(room.settled(from) <= 30, "{}: {:?}", sensor.name, room.changes);
            let off = (PICTURE / seen).log2().abs();
            prop_assert!(off < OFF + 0.3, "{}: {seen} of light is {off} off", sensor.name);
        }
    }

    #[test]
    fn it_never_swings(sensor in any_sensor(), part in 0.0_f32..=1.0, other in 0.02_f32..50.0) {
        let mut room = Room::new(sensor);
        let light = dusk(sensor) * (sun(sensor) / dusk(sensor)).powf(part);
        // In stripes of any contrast.
        let stripes = [(0.3, light), (0.7, light * other), (1.0, light / 3.0)];
        room.shows(&stripes, 40, None);
        let before = room.changes.len();
        room.shows(&stripes, 300, None);
        prop_assert_eq!(room.changes.len(), before, "{}: {:?}", sensor.name, room.changes);
    }

    #[test]
    fn long_exposures_are_whole_half_waves(sensor in any_sensor(), total in 1.0_f32..100_000.0, hertz in prop::sample::select(vec![50, 60])) {
        let exposure = Exposure::new(Some(sensor), Some(hertz));
        let settings = exposure.settings_for(total);
        let half_wave = 1.0 / (2.0 * hertz as f32);
        let waves = settings.exposure as f32 * sensor.line.as_secs_f32() / half_wave;
        // A row more or less.
        prop_assert!(waves < 1.0 || (waves - waves.round()).abs() < 0.01, "{}: {waves} half-waves", sensor.name);
        prop_assert!((sensor.shortest..=sensor.longest()).contains(&settings.exposure));
        let [least, most] = sensor.codes;
        prop_assert!((least..=most).contains(&settings.gain));
        prop_assert!(sensor.gain.factor(settings.gain) <= sensor.most_gain * 1.001);
        // Within its limits it gives what is asked for, gain's steps aside; and gains only what time does not give.
        let given = exposure.total(settings);
        let reach = sensor.longest() as f32 * 0.9 * sensor.most_gain;
        if (sensor.shortest as f32 * 2.0 * sensor.gain.factor(least)..reach).contains(&total) {
            prop_assert!((0.75..1.001).contains(&(given / total)), "{}: {given} of {total}", sensor.name);
        }
    }

    #[test]
    fn a_dark_face_before_a_bright_door_is_exposed_for(
        sensor in any_sensor(), contrast in 5.0_f32..25.0, door in 0.2_f32..0.55, part in 0.3_f32..0.8,
    ) {
        let mut room = Room::new(sensor);
        let light = dusk(sensor) * (sun(sensor) / dusk(sensor)).powf(part);
        // A door, somebody before it, and the room around.
        let stripes = [(door, light * contrast), (door + 0.15, light), (1.0, light * 0.8)];
        let seen = room.shows(&stripes, 60, None)[1];
        // Seen well enough to be found: 40 of 255 is 2 % of light.
        prop_assert!((0.02..0.9).contains(&seen), "{}: a face of {seen} unknown", sensor.name);
        // Once it has been found, it is what counts.
        let left = door * WIDTH as f32;
        let face = Rect::new(left + 3.0, 20.0, left + 9.0, 30.0);
        let from = room.pictures;
        let seen = room.shows(&stripes, 60, Some(face))[1];
        prop_assert!((0.1..0.3).contains(&seen), "{}: a face of {seen} known", sensor.name);
        prop_assert!(room.settled(from) <= 30);
        // And stays so for a while when it turns away.
        let before = room.changes.len();
        room.shows(&stripes, 80, None);
        prop_assert_eq!(room.changes.len(), before);
    }

    #[test]
    fn white_becomes_white_under_any_lamp_within_a_second(
        sensor in any_sensor(), red in 0.0_f32..=1.0, blue in 0.0_f32..=1.0,
    ) {
        let mut room = Room::new(sensor);
        let between = |[least, most]: [f32; 2], part: f32| 1.0 / (least * (most / least).powf(part));
        room.colours = [between(sensor.red, red), 1.0, between(sensor.blue, blue)];
        let light = (dusk(sensor) * sun(sensor)).sqrt();
        room.shows(&[(1.0, light)], 30, None);
        let Development { black, gains, .. } = room.exposure.development();
        prop_assert_eq!(black, sensor.black);
        let white = [0, 1, 2].map(|colour| room.colours[colour] * f32::from(gains[colour]));
        for value in white {
            prop_assert!((value / white[1] - 1.0).abs() < 0.05, "{}: {white:?}", sensor.name);
        }
        // What is full stays white.
        prop_assert!(gains.iter().all(|&gain| gain >= Development::ONE), "{gains:?}");
    }
}

#[test]
fn in_full_sun_where_a_row_more_is_much_it_settles_and_rests() {
    for sensor in SENSORS.iter().map(|known| Sensor::by_codes(known.codes).unwrap()) {
        // From 4 rows to 11.
        for eighth in 0..56 {
            let rows = 4.0 + eighth as f32 / 8.0;
            let light = PICTURE / rows / sensor.gain.factor(sensor.codes[0]);
            let mut room = Room::new(sensor);
            room.shows(&[(1.0, light)], 40, None);
            let before = room.changes.len();
            room.shows(&[(1.0, light)], 60, None);
            assert_eq!(room.changes.len(), before, "{}, {rows} rows: {:?}", sensor.name, room.changes);
        }
    }
}

#[test]
fn where_the_sensor_ends_values_are_multiplied_and_no_more_than_is_good() {
    for sensor in SENSORS.iter().map(|known| Sensor::by_codes(known.codes).unwrap()) {
        let mut room = Room::new(sensor);
        let dark = dusk(sensor) / 2.0;
        room.shows(&[(1.0, dark / 2.0)], 60, None);
        // 2, and what whole half-waves take of the longest exposure.
        let (digital, settings) = (room.exposure.digital, room.exposure.settings());
        assert!((1.7..2.7).contains(&digital), "{}: {digital}", sensor.name);
        assert_eq!(settings, room.exposure.settings_for(f32::MAX));
        room.shows(&[(1.0, dark / 1000.0)], 60, None);
        assert_eq!(room.exposure.digital, MOST_DIGITAL);
        // Blinded, and as it was.
        let from = room.pictures;
        room.shows(&[(1.0, sun(sensor))], 60, None);
        assert!(room.settled(from) <= 30);
        assert!(room.exposure.digital < 1.3, "{}", room.exposure.digital);
    }
}

#[test]
fn colours_are_corrected_wholly_in_the_sun_and_by_half_in_the_dark() {
    for sensor in &SENSORS {
        let mut room = Room::new(sensor);
        room.shows(&[(1.0, sun(sensor))], 30, None);
        assert_eq!(room.exposure.development().matrix, sensor.matrix, "{}", sensor.name);
        room.shows(&[(1.0, dusk(sensor) / 4.0)], 60, None);
        assert_eq!(room.exposure.development().matrix, sensor.matrix.weakened(0.5), "{}", sensor.name);
    }
}

#[test]
fn an_unknown_sensor_is_told_nothing_and_its_pictures_are_multiplied() {
    let mut exposure = Exposure::new(None, Some(50));
    let format = PixelFormat::Bayer(Order::Bggr, Packing::Eight);
    let data = vec![14; 160 * 120];
    for picture in 0..30 {
        let frame = Frame::new(&data, format, 80, 60, 160, INTERVAL * picture).unwrap();
        assert_eq!(exposure.observe(&frame.developed(exposure.development())), None);
    }
    // 14 of 256 are 5.5 %.
    let Development { gains, matrix, .. } = exposure.development();
    assert_eq!(matrix, ColourMatrix::IDENTITY);
    assert_eq!(gains.map(|gain| gain / 8), [562 / 8; 3], "{gains:?}");
}

#[test]
fn other_pictures_are_left_alone() {
    let mut exposure = Exposure::new(Sensor::by_codes(SENSORS[1].codes), None);
    let before = exposure.settings();
    let frame = Frame::new(&[0; 64], PixelFormat::Grey, 8, 8, 8, Duration::ZERO).unwrap();
    assert_eq!(exposure.observe(&frame), None);
    assert_eq!((exposure.settings(), exposure.is_good()), (before, false));
}
