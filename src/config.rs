//! `maskbell.toml`: what can be set, and what is said about mistakes.
//!
//! [`read`] never fails: what is right in a file is used, and each mistake costs only the key that it is about.
//! [`KEYS`] is the one list of all keys; the commented file that ships on the card
//! (`buildroot/board/maskbell.toml`) is checked against it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use log::LevelFilter;
use toml::de::{DeTable, DeValue};

use crate::camera::v4l2::{Options, PowerLine, Which};
use crate::frame::{Orientation, Rotation};
use crate::policy::Times;
use crate::signal::Settings;
use crate::signal::melody::Melody;
use crate::signal::rtttl::MelodyError;
use crate::vision::{self, Thresholds};

/// Most bytes of a file that are read.  The shipped one, with all its comments, is a tenth of it.
pub const MAX_BYTES: usize = 64 * 1024;

/// Characters of a value that a message repeats.
const MAX_QUOTE: usize = 60;

/// Lines that are no TOML, after which the rest of a file is taken as the parser understands it.
const MAX_BROKEN: usize = 20;

/// Table of the settings behind a broken header, with the number of its line; no such name is ever taken for a key.
const NOWHERE: &str = "--nowhere-";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// From which scores on something counts as seen, and how large looks are.
    pub vision: vision::Options,
    /// The policy's times.
    pub times: Times,
    /// Melodies, pins and loudness.
    pub signals: Settings,
    /// Which camera, and what is wanted of it.
    pub camera: Options,
    /// What makes the camera's pictures upright.
    pub orientation: Orientation,
    /// The least important level that is logged.
    pub log_level: LevelFilter,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vision: vision::Options::default(),
            times: Times::default(),
            signals: Settings::default(),
            camera: Options::default(),
            orientation: Orientation::default(),
            log_level: LevelFilter::Info,
        }
    }
}

/// A key of the file.
#[derive(Debug)]
pub struct Key {
    /// Its table.
    pub table: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// Which values it takes, to follow "it must be".
    pub allowed: &'static str,
    set: fn(&mut Config, &DeValue) -> Result<(), Refusal>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.name)
    }
}

/// Why a value is not taken.
enum Refusal {
    /// It is not one of those that [`Key::allowed`] names.
    NotAllowed,
    Melody(MelodyError),
}

/// Every key there is.
pub static KEYS: &[Key] = &[
    Key {
        table: "sensitivity",
        name: "mouth",
        allowed: "a number from 0 to 1",
        set: |config, value| fraction(value, &mut config.vision.thresholds.mouth),
    },
    Key {
        table: "sensitivity",
        name: "nose",
        allowed: "a number from 0 to 1",
        set: |config, value| fraction(value, &mut config.vision.thresholds.nose),
    },
    Key {
        table: "sensitivity",
        name: "covered",
        allowed: "a number from 0 to 1",
        set: |config, value| fraction(value, &mut config.vision.thresholds.covered),
    },
    Key {
        table: "sensitivity",
        name: "face",
        allowed: "a number from 0 to 1",
        set: |config, value| fraction(value, &mut config.vision.thresholds.face),
    },
    Key {
        table: "sensitivity",
        name: "least_face",
        allowed: "a number of pixels from 1 to 1000",
        set: |config, value| {
            number(value, 1.0..=1000.0).map(|pixels| config.vision.thresholds.least_face = pixels as f32)
        },
    },
    Key {
        table: "reminders",
        name: "agreement",
        allowed: "a number of seconds from 0 to 10",
        set: |config, value| seconds(value, 0.0..=10.0, &mut config.times.agreement),
    },
    Key {
        table: "reminders",
        name: "rearm",
        allowed: "a number of seconds from 1 to 3600",
        set: |config, value| seconds(value, 1.0..=3600.0, &mut config.times.rearm),
    },
    Key {
        table: "reminders",
        name: "pause",
        allowed: "a number of seconds from 0 to 3600",
        set: |config, value| seconds(value, 0.0..=3600.0, &mut config.times.pause),
    },
    Key {
        table: "melodies",
        name: "mask",
        allowed: "a melody in RTTTL, in quotes",
        set: |config, value| melody(value, &mut config.signals.melodies.mask),
    },
    Key {
        table: "melodies",
        name: "nose",
        allowed: "a melody in RTTTL, in quotes",
        set: |config, value| melody(value, &mut config.signals.melodies.nose),
    },
    Key {
        table: "melodies",
        name: "ready",
        allowed: "a melody in RTTTL, in quotes",
        set: |config, value| melody(value, &mut config.signals.melodies.ready),
    },
    Key {
        table: "buzzer",
        name: "pin",
        allowed: "12, 13, 18 or 19, the GPIOs with hardware PWM",
        set: |config, value| one_of(value, &[12, 13, 18, 19]).map(|pin| config.signals.buzzer_pin = pin),
    },
    Key {
        table: "buzzer",
        name: "pitch",
        allowed: "a whole number of semitones from -12 to 12",
        set: |config, value| whole(value, -12..=12).map(|semitones| config.signals.transposition = semitones),
    },
    Key {
        table: "buzzer",
        name: "loudness",
        allowed: "a whole number from 1 (soft) to 50 (loudest), the percentage of time that the buzzer is driven",
        set: |config, value| whole(value, 1..=50).map(|duty| config.signals.duty = duty),
    },
    Key {
        table: "led",
        name: "pin",
        allowed: "a whole number from 0 to 27, the number of a GPIO",
        set: |config, value| whole(value, 0..=27).map(|pin| config.signals.led_pin = pin),
    },
    Key {
        table: "camera",
        name: "device",
        allowed: "in quotes, part of a camera's name, or its node such as /dev/video0, or nothing for the first camera",
        set: |config, value| text(value).map(|device| config.camera.which = which(device)),
    },
    Key {
        table: "camera",
        name: "width",
        allowed: "a whole number of pixels from 160 to 1920",
        set: |config, value| whole(value, 160..=1920).map(|pixels| config.camera.width = pixels),
    },
    Key {
        table: "camera",
        name: "height",
        allowed: "a whole number of pixels from 120 to 1080",
        set: |config, value| whole(value, 120..=1080).map(|pixels| config.camera.height = pixels),
    },
    Key {
        table: "camera",
        name: "format",
        allowed: "\"auto\", \"YUYV\", \"NV12\", \"YU12\", \"RGB3\", \"GREY\" or \"MJPG\"",
        set: |config, value| {
            let formats = [
                None,
                Some(*b"YUYV"),
                Some(*b"NV12"),
                Some(*b"YU12"),
                Some(*b"RGB3"),
                Some(*b"GREY"),
                Some(*b"MJPG"),
            ];
            let name = |format: &Option<[u8; 4]>| {
                format.map_or("auto".into(), |name| name.escape_ascii().to_string())
            };
            let wanted = text(value)?;
            let format = formats.iter().find(|format| name(format) == wanted);
            format.map(|&format| config.camera.format = format).ok_or(Refusal::NotAllowed)
        },
    },
    Key {
        table: "camera",
        name: "power_line",
        allowed: "50 or 60, the Hz of the mains, or 0 to leave it to the camera",
        set: |config, value| {
            config.camera.power_line = match whole(value, 0..=60)? {
                50 => PowerLine::Hz50,
                60 => PowerLine::Hz60,
                0 => PowerLine::AsItIs,
                _ => return Err(Refusal::NotAllowed),
            };
            Ok(())
        },
    },
    Key {
        table: "camera",
        name: "rotation",
        allowed: "0, 90, 180 or 270, the degrees clockwise that turn the picture upright",
        set: |config, value| {
            let rotation = Rotation::from_degrees(whole(value, 0..=u16::MAX)?);
            rotation.map(|rotation| config.orientation.rotation = rotation).ok_or(Refusal::NotAllowed)
        },
    },
    Key {
        table: "camera",
        name: "mirror",
        allowed: "true or false",
        set: |config, value| {
            config.orientation.mirror = value.as_bool().ok_or(Refusal::NotAllowed)?;
            Ok(())
        },
    },
    Key {
        table: "vision",
        name: "look",
        allowed: "\"auto\", \"320x240\", \"400x300\", \"480x360\" or \"640x480\"",
        set: |config, value| {
            config.vision.size = text(value)?.parse().map_err(|_| Refusal::NotAllowed)?;
            Ok(())
        },
    },
    Key {
        table: "vision",
        name: "threads",
        allowed: "a whole number from 1 to 8, or 0 for as many as there are cores",
        set: |config, value| whole(value, 0..=8).map(|threads: u8| config.vision.threads = threads.into()),
    },
    Key {
        table: "log",
        name: "level",
        allowed: "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        set: |config, value| {
            let level = text(value)?.parse().map_err(|_| Refusal::NotAllowed)?;
            config.log_level = level;
            Ok(())
        },
    },
];

fn text<'a>(value: &'a DeValue) -> Result<&'a str, Refusal> {
    value.as_str().ok_or(Refusal::NotAllowed)
}

fn number(value: &DeValue, allowed: RangeInclusive<f64>) -> Result<f64, Refusal> {
    let number = match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    };
    number.filter(|number| allowed.contains(number)).ok_or(Refusal::NotAllowed)
}

fn fraction(value: &DeValue, to: &mut f32) -> Result<(), Refusal> {
    *to = number(value, 0.0..=1.0)? as f32;
    Ok(())
}

fn seconds(value: &DeValue, allowed: RangeInclusive<f64>, to: &mut Duration) -> Result<(), Refusal> {
    *to = Duration::from_secs_f64(number(value, allowed)?);
    Ok(())
}

fn whole<T: TryFrom<i64> + PartialOrd>(value: &DeValue, allowed: RangeInclusive<T>) -> Result<T, Refusal> {
    let integer = value.as_integer().ok_or(Refusal::NotAllowed)?;
    let number = i64::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .and_then(|number| T::try_from(number).ok());
    number.filter(|number| allowed.contains(number)).ok_or(Refusal::NotAllowed)
}

fn one_of(value: &DeValue, allowed: &[u8]) -> Result<u8, Refusal> {
    let number = whole(value, 0..=u8::MAX)?;
    if allowed.contains(&number) { Ok(number) } else { Err(Refusal::NotAllowed) }
}

fn melody(value: &DeValue, to: &mut Melody) -> Result<(), Refusal> {
    *to = text(value)?.parse().map_err(Refusal::Melody)?;
    Ok(())
}

fn which(device: &str) -> Which {
    match device {
        "" => Which::Any,
        node if node.starts_with("/dev/") => Which::Node(node.into()),
        name => Which::Name(name.to_owned()),
    }
}

/// What is wrong with a file, in one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// More than [`MAX_BYTES`].
    #[error("it is longer than {MAX_BYTES} bytes: allowed are that many; nothing of it is used")]
    TooLong,
    /// No text at all, or text that takes two bytes for each letter.
    #[error("this is {kind}, not text in UTF-8: save it as UTF-8 with a text editor; nothing of it is used")]
    NoText {
        /// What it seems to be.
        kind: &'static str,
    },
    /// Not UTF-8.
    #[error("line {line}: this is not UTF-8 text: save the file as UTF-8")]
    Encoding {
        /// Line, the first being 1.
        line: usize,
    },
    /// Not TOML.
    #[error(
        "line {line}: {message}; the line is not used, allowed are lines such as `mouth = 0.5` and `[buzzer]`"
    )]
    Syntax {
        /// Line, the first being 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// No such key or table.
    #[error("line {line}: there is no key `{key}`: {hint}")]
    Unknown {
        /// Line, the first being 1.
        line: usize,
        /// As it stands in the file.
        key: String,
        /// What may have been meant, or what there is.
        hint: String,
    },
    /// A value of the wrong kind or out of range.
    #[error("line {line}: {key} = {value} is not allowed: it must be {allowed}; its default is used")]
    Value {
        /// Line, the first being 1.
        line: usize,
        /// Table and key.
        key: String,
        /// As it stands in the file, perhaps cut short.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A melody that cannot be played.
    #[error("line {line}: {key} = {value}: {mistake}; its default is used")]
    Melody {
        /// Line, the first being 1.
        line: usize,
        /// Table and key.
        key: String,
        /// As it stands in the file, perhaps cut short.
        value: String,
        /// What is wrong with it, and where.
        mistake: MelodyError,
    },
    /// Values that are allowed each, but not together.
    #[error("{what}; the defaults of {keys} are used")]
    Contradiction {
        /// What must hold, and does not.
        what: String,
        /// The keys that fall back.
        keys: &'static str,
    },
}

impl Mistake {
    fn line(&self) -> usize {
        match self {
            Self::TooLong | Self::NoText { .. } => 0,
            Self::Contradiction { .. } => usize::MAX,
            Self::Encoding { line }
            | Self::Syntax { line, .. }
            | Self::Unknown { line, .. }
            | Self::Value { line, .. }
            | Self::Melody { line, .. } => *line,
        }
    }
}

/// Reads what `source` has to say; see [`read`].
///
/// # Errors
///
/// What `source` says if it cannot be read.  A file that is too long is no such error, but a [`Mistake`].
pub fn load(source: impl Read) -> io::Result<(Config, Vec<Mistake>)> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(read(&bytes))
}

/// What a file says, with defaults for all else, and its mistakes by line.
pub fn read(bytes: &[u8]) -> (Config, Vec<Mistake>) {
    let mut config = Config::default();
    if bytes.len() > MAX_BYTES {
        return (config, vec![Mistake::TooLong]);
    }
    if let Some(kind) = no_text(bytes) {
        return (config, vec![Mistake::NoText { kind }]);
    }
    let mut mistakes = Vec::new();
    if let Err(error) = std::str::from_utf8(bytes) {
        let before = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        mistakes.push(Mistake::Encoding { line: before + 1 });
    }
    let text = String::from_utf8_lossy(bytes);
    // Windows' editors begin a file with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines: Vec<Cow<str>> = text.split('\n').map(Cow::from).collect();
    let broken = drop_broken_lines(&mut lines);
    let text = lines.join("\n");
    let (table, _) = DeTable::parse_recoverable(&text);
    mistakes.extend(broken);
    let told: Vec<_> = mistakes.iter().map(Mistake::line).collect();
    set_all(&mut config, &text, table.get_ref(), &mut |mistake| {
        // What the parser made of a line that it could not read has been told.
        if !told.contains(&mistake.line()) {
            mistakes.push(mistake);
        }
    });
    mistakes.extend(settle(&mut config));
    mistakes.sort_by_key(Mistake::line);
    (config, mistakes)
}

/// What a file is that is no text, as far as its bytes tell: no text holds a zero byte.
fn no_text(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        Some("text in UTF-16")
    } else if bytes.contains(&0) {
        Some("a binary file")
    } else {
        None
    }
}

/// Gives up values that contradict each other.
fn settle(config: &mut Config) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let (settings, default) = (&mut config.signals, Settings::default());
    if settings.led_pin == settings.buzzer_pin {
        (settings.led_pin, settings.buzzer_pin) = (default.led_pin, default.buzzer_pin);
        let what = "led.pin and buzzer.pin are the same: the LED needs a pin of its own".to_owned();
        mistakes.push(Mistake::Contradiction { what, keys: "both" });
    }
    let (thresholds, default) = (&mut config.vision.thresholds, Thresholds::default());
    if thresholds.covered > thresholds.mouth.min(thresholds.nose) {
        let Thresholds { mouth, nose, covered, .. } = *thresholds;
        let (name, lower) = if mouth < nose { ("mouth", mouth) } else { ("nose", nose) };
        let what = format!(
            "sensitivity.{name} = {lower} is below sensitivity.covered = {covered}: set covered to {lower} or less, too"
        );
        let Thresholds { mouth, nose, covered, .. } = default;
        *thresholds = Thresholds { mouth, nose, covered, ..*thresholds };
        mistakes.push(Mistake::Contradiction { what, keys: "the three" });
    }
    mistakes
}

/// Empties the lines that are no TOML, one after the other, and says what was wrong with them.
///
/// (The parser can recover from an error, but takes the lines behind it for something else.)
fn drop_broken_lines(lines: &mut [Cow<str>]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    while mistakes.len() < MAX_BROKEN {
        let text = lines.join("\n");
        let Err(error) = DeTable::parse(&text) else { break };
        let number = line(&text, error.span().unwrap_or_default());
        let broken = lines.get(number - 1).map_or("", |line| line);
        let message = match (decimal_comma(broken), error.message()) {
            (Some(told), _) => told,
            (None, "duplicate key") => {
                let key = text.get(error.span().unwrap_or_default()).unwrap_or_default();
                format!("duplicate key `{}`: what stands above it is used", quote(key))
            }
            (None, message) => message.lines().collect::<Vec<_>>().join(", "),
        };
        mistakes.push(Mistake::Syntax { line: number, message });
        // An end that comes too early may be told of an empty line: nothing to be emptied there.
        let Some(broken) = lines.get_mut(number - 1).filter(|broken| !broken.trim().is_empty()) else {
            break;
        };
        // What follows a broken header belongs to no table, rather than to the one before.
        *broken = match broken.trim_start().starts_with('[') {
            true => format!("[{NOWHERE}{number}]").into(),
            false => "".into(),
        };
    }
    mistakes
}

/// What is to be said of a line such as `mouth = 0,5`.
fn decimal_comma(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let (whole, part) = value.split_once(',')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole.trim_start_matches(['-', '+'])) && is_number(part)).then(|| {
        let key = quote(key.trim());
        format!("`{key}` has a decimal comma: write it with a point, `{key} = {whole}.{part}`")
    })
}

fn set_all(config: &mut Config, text: &str, root: &DeTable, wrong: &mut dyn FnMut(Mistake)) {
    for (table_name, value) in root {
        let unknown = |span: Range<usize>, key: String| {
            let hint = hint(&key);
            Mistake::Unknown { line: line(text, span), key: quote(&key), hint }
        };
        if table_name.get_ref().starts_with(NOWHERE) {
            continue;
        }
        let known = KEYS.iter().any(|key| key.table == table_name.get_ref());
        let Some(table) = value.get_ref().as_table().filter(|_| known) else {
            wrong(unknown(table_name.span(), table_name.get_ref().to_string()));
            continue;
        };
        for (name, value) in table {
            let found =
                KEYS.iter().find(|key| key.table == table_name.get_ref() && key.name == name.get_ref());
            let Some(key) = found else {
                wrong(unknown(name.span(), format!("{}.{}", table_name.get_ref(), name.get_ref())));
                continue;
            };
            let Err(refusal) = (key.set)(config, value.get_ref()) else { continue };
            let line = line(text, name.span());
            let value = quote(text.get(value.span()).unwrap_or_default());
            wrong(match refusal {
                Refusal::NotAllowed => {
                    Mistake::Value { line, key: key.to_string(), value, allowed: key.allowed }
                }
                Refusal::Melody(mistake) => Mistake::Melody { line, key: key.to_string(), value, mistake },
            });
        }
    }
}

/// What was meant by an unknown key, if it is near to one that there is; or else those that there are.
fn hint(unknown: &str) -> String {
    // A slip or two: a letter too many, too few, another one, or two that have changed places.
    const NEAR: usize = 2;
    // Texts whose lengths differ by more are not near, and a key may be as long as the file.
    let distance = |a: &str, b: &str| {
        let differ = a.chars().count().abs_diff(b.chars().count());
        if differ > NEAR { differ } else { strsim::damerau_levenshtein(a, b) }
    };
    let name = unknown.rsplit('.').next().unwrap_or(unknown);
    let tables = KEYS.chunk_by(|a, b| a.table == b.table).map(|keys| keys[0].table);
    let as_table = tables.clone().map(|table| (distance(unknown, table), format!("[{table}]")));
    let as_key = KEYS.iter().map(|key| {
        let whole = distance(unknown, &key.to_string());
        // The right name in the wrong table, or in none.
        let moved = distance(name, key.name) + 1;
        (whole.min(moved), key.to_string())
    });
    match as_table.chain(as_key).min() {
        Some((distance, meant)) if distance <= NEAR => format!("did you mean `{meant}`?"),
        _ => match tables.clone().find(|table| unknown.split('.').next() == Some(table)) {
            Some(table) => {
                let keys: Vec<_> = KEYS.iter().filter(|key| key.table == table).map(|key| key.name).collect();
                format!("[{table}] has {}", keys.join(", "))
            }
            None => format!("there are the tables [{}]", tables.collect::<Vec<_>>().join("], [")),
        },
    }
}

/// The line in which a piece of text begins, the first being 1.
fn line(text: &str, span: Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// A piece of the file on one line, not too long, without control characters.
fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == MAX_QUOTE {
            quoted.push('…');
            break;
        }
        match character {
            '"' | '\'' | '\\' => quoted.push(character),
            _ => quoted.extend(character.escape_debug()),
        }
    }
    quoted
}

#[cfg(test)]
mod tests;
