//! What is seen in pictures as a camera on the ribbon would send them.
//!
//!     mosaic [--lamps] GAIN FOLDER > JSON
//!
//! Each picture of a folder becomes what the sensor of a Camera Module 2 sends of it, in a room whose white fills its
//! photosites at the longest exposure and an analogue gain of GAIN, and under a lamp between a bulb and an overcast sky:
//! one of four colours a photosite, mixed as its filters mix them, with noise, in ten bits.  Exposure and white balance
//! follow for so many pictures as a camera sends in a second and a bit, then faces are looked for once; then the same
//! again, with the faces that were seen.  Prints a line a picture as `maskbell check --json --one-look` does.
//!
//! Its filters are the inverse of the matrix that the firmware corrects them with, under every lamp: the best that a matrix
//! can do.  With `--lamps` they are as libcamera found them under such a lamp, and the firmware's matrix, which is one for
//! all lamps, fits but one.
//!
//! The same picture has the same lamp and the same noise each time.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;
use image::imageops::{self, FilterType};
use maskbell::camera::exposure::{Exposure, Settings};
use maskbell::camera::pictures::load_picture;
use maskbell::camera::sensor::Sensor;
use maskbell::frame::{Frame, Order, Packing, PixelFormat};
use maskbell::geometry::Rect;
use maskbell::vision::{Choice, Face, Faces, LookSize, Looks, Options, Verdict, Vision};
use serde_json::{Value, json};

const SENSOR: &str = "imx219";

/// What red, green and blue photosites see of a picture's red, green and blue, white as white: the inverse of the matrix
/// that libcamera corrects this sensor's colours with at 4650 K (`rpi.ccm` of `src/ipa/rpi/vc4/data/imx219.json`).
const FILTERS: [[f32; 3]; 3] = [[0.552, 0.205, 0.243], [0.195, 0.493, 0.312], [0.142, 0.206, 0.652]];

/// The same at 2860, 4650 and 7580 K, beside where these are on the way of white from a bulb to an overcast sky, by the
/// logarithm of red's and blue's factors (`ct_curve`, in the same file).
const LAMPS: [(f32, [[f32; 3]; 3]); 3] = [
    (0.14, [[0.580, 0.199, 0.221], [0.236, 0.507, 0.257], [0.177, 0.263, 0.560]]),
    (0.67, FILTERS),
    (0.90, [[0.533, 0.164, 0.303], [0.165, 0.446, 0.389], [0.134, 0.185, 0.681]]),
];

/// What photosites see under a lamp so far on the way from a bulb to an overcast sky.
fn filters(part: f32) -> [[f32; 3]; 3] {
    let [bulb, between, sky] = LAMPS;
    let ((from, first), (to, second)) = if part < between.0 { (bulb, between) } else { (between, sky) };
    let share = ((part - from) / (to - from)).clamp(0.0, 1.0);
    let mix =
        |row: usize, column: usize| first[row][column] + share * (second[row][column] - first[row][column]);
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| mix(row, column)))
}

/// Noise of 65,536ths, at a gain of 1, for each square root of one (`rpi.noise`, in the same file).
const SHOT_NOISE: f32 = 3.67;

/// The mean of four, which is what this mode sends, has half of it.
const BINNED: f32 = 0.5;

/// Noise of 65,536ths in the dark, at a gain of 1.  Not libcamera's, which has none; three electrons of 4,900.
const READ_NOISE: f32 = 40.0;

/// Pictures from one that was read to the first that shows what was made of it.
const DELAY: usize = 2;

/// Pictures, 30 a second, for which exposure and white balance follow: they have settled after a second.
const PICTURES: u32 = 36;
const INTERVAL: Duration = Duration::from_millis(33);

/// Longest side of the picture that they follow: its light is read at 40 × 30 points.
const METERED: u32 = 80;

/// Light on each photosite, row by row, before it is exposed: 1 is white.
struct Scene {
    /// Pixels: half as many as photosites, each way.
    width: usize,
    height: usize,
    light: Vec<f32>,
}

impl Scene {
    /// `white` is what photosites see of white, `filters` what of other colours.
    fn new(picture: &RgbImage, white: [f32; 3], filters: [[f32; 3]; 3]) -> Self {
        let (width, height) = picture.dimensions();
        let sharp = imageops::resize(picture, 2 * width, 2 * height, FilterType::Triangle);
        // IEC 61966-2-1.
        let linear: Vec<f32> = (0..=255_u8)
            .map(|encoded| match f32::from(encoded) / 255.0 {
                low if low <= 0.040_45 => low / 12.92,
                high => ((high + 0.055) / 1.055).powf(2.4),
            })
            .collect();
        let light = sharp.enumerate_pixels().map(|(x, y, pixel)| {
            // Red and green, then green and blue.
            let colour = (x % 2 + y % 2) as usize;
            let seen: f32 = filters[colour]
                .iter()
                .zip(pixel.0)
                .map(|(part, value)| part * linear[usize::from(value)])
                .sum();
            seen * white[colour]
        });
        Self { width: width as usize, height: height as usize, light: light.collect() }
    }
}

/// A sensor that sees one scene, and what follows its pictures.
struct Camera {
    sensor: &'static Sensor,
    exposure: Exposure,
    /// What a row of exposure adds to white, at a gain of 1.
    light: f32,
    /// Told, and not yet in effect: the oldest first.
    told: [Settings; DELAY + 1],
    at: Duration,
    random: u64,
}

impl Camera {
    fn new(sensor: &'static Sensor, gain: f32, seed: u64) -> Self {
        let exposure = Exposure::new(Some(sensor), Some(50));
        let told = [exposure.settings(); DELAY + 1];
        let light = 1.0 / (sensor.longest() as f32 * gain);
        Self { sensor, exposure, light, told, at: Duration::ZERO, random: seed }
    }

    /// Normally distributed, about: the sum of four that are not, scaled to a variance of 1.
    fn noise(&mut self) -> f32 {
        // Numerical Recipes' "quick and dirty" generator, of 64 bits (Knuth's multiplier).
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = self.random ^ self.random >> 29;
        let sum: u32 = (0..4).map(|at| (mixed >> (16 * at)) as u32 & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    }

    /// The next picture's bytes.
    fn picture(&mut self, scene: &Scene) -> Vec<u8> {
        let Settings { exposure, gain } = self.told[0];
        let gain = self.sensor.gain.factor(gain);
        let total = self.light * exposure as f32 * gain;
        let black = f32::from(self.sensor.black);
        let values: Vec<u16> = scene
            .light
            .iter()
            .map(|light| {
                let value = (light * total).min(1.0) * (65_536.0 - black);
                let noise = SHOT_NOISE.powi(2) * value * gain + (READ_NOISE * gain).powi(2);
                (black + value + BINNED * noise.sqrt() * self.noise()).clamp(0.0, 65_535.0) as u16
            })
            .collect();
        let rows = values.chunks(2 * scene.width);
        rows.flat_map(|row| FORMAT.1.packed(row.iter().copied())).collect()
    }

    fn frame<'a>(&self, data: &'a [u8], scene: &Scene) -> Result<Frame<'a>, Box<dyn Error>> {
        let format = PixelFormat::Bayer(FORMAT.0, FORMAT.1);
        let stride = format.row_bytes(scene.width);
        let frame = Frame::new(data, format, scene.width, scene.height, stride, self.at)?;
        Ok(frame.developed(self.exposure.development()))
    }

    /// Exposure and white balance follow the scene, in which faces are where `faces` says, in parts of it.
    fn follow(&mut self, scene: &Scene, faces: &[Rect]) -> Result<(), Box<dyn Error>> {
        for _ in 0..PICTURES {
            self.exposure.attend(faces, (1.0, 1.0), self.at);
            let data = self.picture(scene);
            let frame = self.frame(&data, scene)?;
            self.exposure.observe(&frame);
            self.told.rotate_left(1);
            self.told[DELAY] = self.exposure.settings();
            self.at += INTERVAL;
        }
        Ok(())
    }
}

const FORMAT: (Order, Packing) = (Order::Rggb, Packing::TenPacked);

/// The faces of a picture.
fn seen(
    picture: &RgbImage,
    name: &str,
    (gain, is_by_lamp): (f32, bool),
    vision: &mut Vision,
) -> Result<Faces, Box<dyn Error>> {
    let sensor = Sensor::by_name(SENSOR).ok_or("this sensor is not known")?;
    // FNV-1a, of 64 bits.
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // From a bulb to an overcast sky.
    let part = (seed >> 40) as f32 / (1 << 24) as f32;
    let between = |from: f32, to: f32| 1.0 / (from * (to / from).powf(part));
    let white = [between(sensor.red[0], sensor.red[1]), 1.0, between(sensor.blue[1], sensor.blue[0])];

    let (width, height) = picture.dimensions();
    let small = METERED as f32 / width.max(height) as f32;
    let side = |side: u32| ((side as f32 * small) as u32).max(1);
    let metered = imageops::resize(picture, side(width), side(height), FilterType::Triangle);
    let filters = if is_by_lamp { filters(part) } else { FILTERS };
    let scene = |picture| Scene::new(picture, white, filters);
    let (metered, whole) = (scene(&metered), scene(picture));
    let mut camera = Camera::new(sensor, gain, seed);
    let mut known = Vec::new();
    let mut faces = Faces::new();
    for _ in 0..2 {
        camera.follow(&metered, &known)?;
        let data = camera.picture(&whole);
        let frame = camera.frame(&data, &whole)?;
        faces = vision.look(&frame, Looks::One)?.clone();
        let (width, height) = (width as f32, height as f32);
        let part = |Rect { left, top, right, bottom }: Rect| {
            Rect::new(left / width, top / height, right / width, bottom / height)
        };
        known = faces.iter().map(|face| part(face.bounds)).collect();
        if known.is_empty() {
            break;
        }
    }
    Ok(faces)
}

fn to_json(face: &Face, picture: &Rect) -> Value {
    let Rect { left, top, right, bottom } = face.bounds.intersection(picture);
    let verdict = match face.verdict {
        Verdict::Covered => "covered",
        Verdict::NoseOut => "nose_out",
        Verdict::Bare => "bare",
        Verdict::Unsure => "unsure",
    };
    json!({
        "box": [left, top, right, bottom],
        "score": face.score,
        "verdict": verdict,
        "mouth": face.mouth,
        "nose": face.nose,
        "presence": face.presence,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (is_by_lamp, arguments) = match &arguments[..] {
        [option, rest @ ..] if option == "--lamps" => (true, rest),
        all => (false, all),
    };
    let [gain, folder] = arguments else { return Err("usage: mosaic [--lamps] GAIN FOLDER".into()) };
    let gain: f32 = gain.parse()?;
    let options = Options { size: Choice::Fixed(LookSize::W320), ..Options::default() };
    let mut vision = Vision::new(&options)?;
    let mut paths: Vec<PathBuf> =
        fs::read_dir(Path::new(folder))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for path in paths {
        let name = path.file_name().ok_or("a file has a name")?.to_string_lossy().into_owned();
        let picture = load_picture(&path)?;
        let bounds = Rect::new(0.0, 0.0, picture.width() as f32, picture.height() as f32);
        let faces = seen(&picture, &name, (gain, is_by_lamp), &mut vision)
            .map_err(|error| format!("{name}: {error}"))?;
        let faces: Vec<_> = faces.iter().map(|face| to_json(face, &bounds)).collect();
        writeln!(out, "{}", json!({"image": name, "faces": faces}))?;
    }
    Ok(out.flush()?)
}
