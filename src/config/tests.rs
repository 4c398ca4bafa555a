use proptest::prelude::*;

use super::*;
use crate::vision::{Choice, LookSize};

/// The file that ships on the card.
const SHIPPED: &str = include_str!("../../buildroot/board/maskbell.toml");

/// The shipped file with its settings in force: a line that holds one begins with `# name = `.
fn uncommented() -> String {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let setting = |line: &'static str| {
        let rest = line.strip_prefix("# ")?;
        rest.split_once(" = ").filter(|(name, _)| is_name(name)).map(|_| rest)
    };
    SHIPPED.lines().map(|line| setting(line).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// What is said about a file, one line a mistake.
fn told(text: &str) -> Vec<String> {
    read(text.as_bytes()).1.iter().map(ToString::to_string).collect()
}

fn right(text: &str) -> Config {
    let (config, mistakes) = read(text.as_bytes());
    assert_eq!(mistakes, [], "{text}");
    config
}

#[test]
fn the_shipped_file_says_the_defaults_and_names_every_key() {
    assert_eq!(right(SHIPPED), Config::default());
    let all = uncommented();
    assert_eq!(right(&all), Config::default());
    let table = DeTable::parse(&all).unwrap();
    for key in KEYS {
        let found = table.get_ref().get(key.table).and_then(|table| table.get_ref().get(key.name));
        assert!(found.is_some(), "{key} is not in the shipped file");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "\n", "# maskbell\r\n", "[buzzer]\n[led]", "\u{feff}"] {
        assert_eq!(right(text), Config::default());
    }
}

#[test]
fn every_key_is_set() {
    let config = right(
        r##"
        [sensitivity]
        mouth = 0.6
        nose = 1
        covered = 0
        face = 0.25
        least_face = 40
        [reminders]
        agreement = 1.5
        rearm = 10.5
        pause = 60
        [melodies]
        mask = "x:d=4,o=5,b=120:a"
        nose = "x:d=4,o=5,b=120:a,p"
        ready = "x:d=4,o=5,b=120:p"
        [buzzer]
        pin = 0b1100
        pitch = -12
        loudness = 0x14
        [led]
        pin = 22
        [camera]
        device = "C270"
        width = 1280
        height = 720
        format = "MJPG"
        power_line = 60
        rotation = 270
        mirror = true
        [vision]
        look = "480x360"
        threads = 2
        [log]
        level = "Debug"
        "##,
    );
    let thresholds =
        Thresholds { face: 0.25, presence: 0.4, least_face: 40.0, mouth: 0.6, nose: 1.0, covered: 0.0 };
    let size = Choice::Fixed(LookSize::W480);
    assert_eq!(config.vision, vision::Options { thresholds, size, threads: 2 });
    let seconds = Duration::from_secs_f64;
    assert_eq!(config.times, Times { agreement: seconds(1.5), rearm: seconds(10.5), pause: seconds(60.0) });
    let Settings { melodies, transposition, buzzer_pin, duty, led_pin } = config.signals;
    assert_eq!(
        [&melodies.mask, &melodies.nose, &melodies.ready].map(|melody| melody.notes().len()),
        [1, 2, 1]
    );
    assert_eq!((transposition, buzzer_pin, duty, led_pin), (-12, 12, 20, 22));
    let camera = Options {
        which: Which::Name("C270".into()),
        width: 1280,
        height: 720,
        format: Some(*b"MJPG"),
        power_line: PowerLine::Hz60,
    };
    assert_eq!((config.camera, config.log_level), (camera, LevelFilter::Debug));
    assert_eq!(config.orientation, Orientation { rotation: Rotation::Clockwise270, mirror: true });
    assert_eq!(right("camera.power_line = 50").camera.power_line, PowerLine::Hz50);
    assert_eq!(right("camera.power_line = 0").camera.power_line, PowerLine::AsItIs);
    assert_eq!(right("camera.device = '/dev/video2'").camera.which, Which::Node("/dev/video2".into()));
}

#[test]
fn a_mistake_names_line_key_value_and_what_is_allowed_and_costs_only_its_key() {
    let text = "[sensitivity]\nmouth = 1.5\nnose = 0.9\n";
    let line = "line 2: sensitivity.mouth = 1.5 is not allowed: it must be a number from 0 to 1; its default is used";
    assert_eq!(told(text), [line]);
    let nose = Thresholds { nose: 0.9, ..Thresholds::default() };
    assert_eq!(
        read(text.as_bytes()).0,
        Config { vision: vision::Options { thresholds: nose, ..Default::default() }, ..Config::default() }
    );
}

#[test]
fn values_that_contradict_each_other_are_given_up_together() {
    for text in ["led.pin = 18", "[buzzer]\npin = 12\n[led]\npin = 12"] {
        let line = "led.pin and buzzer.pin are the same: the LED needs a pin of its own; the defaults of both are used";
        assert_eq!(told(text), [line]);
        assert_eq!(read(text.as_bytes()).0, Config::default());
    }
    for (text, begins) in [
        (
            "sensitivity.mouth = 0.39",
            "sensitivity.mouth = 0.39 is below sensitivity.covered = 0.4: set covered to 0.39",
        ),
        (
            "sensitivity.nose = 0.3",
            "sensitivity.nose = 0.3 is below sensitivity.covered = 0.4: set covered to 0.3",
        ),
        ("sensitivity = { mouth = 0.9, nose = 0.8, covered = 0.91 }", "sensitivity.nose = 0.8 is below"),
    ] {
        assert!(told(text)[0].starts_with(begins), "{text}: {:?}", told(text));
        assert_eq!(read(text.as_bytes()).0, Config::default());
    }
    assert!(told("sensitivity.covered = 0.5").is_empty(), "equal is in order");
}

#[test]
fn values_of_the_wrong_kind_or_out_of_range_are_refused() {
    for wrong in [
        "sensitivity.mouth = nan",
        "sensitivity.mouth = -0.1",
        "sensitivity.mouth = '0.5'",
        "sensitivity.mouth = true",
        "sensitivity.mouth = [0.5]",
        "sensitivity.mouth = 2020-01-01",
        "sensitivity.least_face = inf",
        "reminders.pause = -1",
        "reminders.pause = 1e300",
        "reminders.agreement = 10.1",
        "reminders.rearm = 0.5",
        "buzzer.pin = 17",
        "buzzer.pin = 268",
        "buzzer.pin = 18.0",
        "buzzer.pitch = 13",
        "buzzer.loudness = 0",
        "buzzer.loudness = 99999999999999999999999999",
        "led.pin = 28",
        "led.pin = -1",
        "camera.device = 0",
        "camera.width = 159",
        "camera.height = 1081",
        "camera.format = 'H264'",
        "camera.power_line = 55",
        "camera.power_line = '50'",
        "camera.rotation = 45",
        "camera.rotation = -90",
        "camera.rotation = '90'",
        "camera.mirror = 1",
        "log.level = 'loud'",
        "log.level = 3",
    ] {
        let (key, value) = wrong.split_once(" = ").unwrap();
        let told = told(wrong);
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        let allowed = KEYS.iter().find(|known| known.to_string() == key).unwrap().allowed;
        assert_eq!(
            told[0],
            format!("line 1: {key} = {value} is not allowed: it must be {allowed}; its default is used")
        );
        assert_eq!(read(wrong.as_bytes()).0, Config::default(), "{wrong}");
    }
}

#[test]
fn a_melody_is_told_its_own_mistake() {
    let told = told("[melodies]\nmask = 'x:d=4:h'");
    assert!(
        told[0].starts_with("line 2: melodies.mask = 'x:d=4:h': melody, character 7: `h` is no note"),
        "{told:?}"
    );
}

#[test]
fn unknown_keys_are_named_with_what_was_meant_or_what_there_is() {
    for (text, line) in [
        ("[sensitivty]\nmouth = 0.4", "line 1: there is no key `sensitivty`: did you mean `[sensitivity]`?"),
        ("buzzer.pins = 18", "line 1: there is no key `buzzer.pins`: did you mean `buzzer.pin`?"),
        ("mouth = 0.5", "line 1: there is no key `mouth`: did you mean `sensitivity.mouth`?"),
        ("\n[led]\nloudness = 3", "line 3: there is no key `led.loudness`: did you mean `buzzer.loudness`?"),
        (
            "buzzer.waveform = 'square'",
            "line 1: there is no key `buzzer.waveform`: [buzzer] has pin, pitch, loudness",
        ),
        (
            "[network]",
            "line 1: there is no key `network`: there are the tables [sensitivity], [reminders], [melodies], \
             [buzzer], [led], [camera], [vision], [log]",
        ),
        ("[[led]]\npin = 1", "line 1: there is no key `led`: did you mean `[led]`?"),
    ] {
        assert_eq!(told(text), [line]);
    }
}

#[test]
fn a_broken_line_is_named_and_the_others_count() {
    for (text, broken) in [
        ("[led]\npin 22\n[buzzer]\npin = 12", 2),
        ("[led\npin = 17\n[buzzer]\npin = 12", 1),
        ("[led]\npin =\n[buzzer]\npin = 12", 2),
        ("[led]\npin = 3\npin = 4\n[buzzer]\npin = 12", 3),
        ("[buzzer]\npin = 12\n[log]\nlevel = info", 4),
        ("[buzzer]\npin = 12\n[log]\nlevel = \"info", 4),
        ("[sensitivity]\nmouth = 0,5\n[buzzer]\npin = 12", 2),
    ] {
        let (config, mistakes) = read(text.as_bytes());
        assert_eq!(config.signals.buzzer_pin, 12, "{text} {mistakes:?}");
        assert!(!mistakes.is_empty(), "{text}");
        for mistake in mistakes {
            assert!(matches!(mistake, Mistake::Syntax { line, .. } if line == broken), "{text}: {mistake}");
        }
    }
}

#[test]
fn what_has_no_end_is_told_and_costs_what_follows() {
    for text in
        ["[buzzer]\npin = 12\n[log]\nlevel = \"\"\"info\n\n", "[buzzer]\npin = 12\n[led]\npin = [\n\n"]
    {
        let (config, mistakes) = read(text.as_bytes());
        assert_eq!(config.signals.buzzer_pin, 12, "{text}");
        let syntax = mistakes.iter().find(|mistake| matches!(mistake, Mistake::Syntax { .. }));
        assert!(syntax.is_some_and(|mistake| mistake.line() >= 4), "{text}: {mistakes:?}");
    }
}

#[test]
fn what_is_no_text_or_too_long_is_said_so() {
    let (config, mistakes) = read(b"# caf\xe9\n[buzzer]\npin = 12");
    assert_eq!((config.signals.buzzer_pin, mistakes), (12, vec![Mistake::Encoding { line: 1 }]));
    let utf16: Vec<u8> = "\u{feff}[led]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&utf16).1, [Mistake::NoText { kind: "text in UTF-16" }]);
    assert_eq!(read(b"\x7fELF\x01\0\0[buzzer]\npin = 12\n\0").1, [Mistake::NoText { kind: "a binary file" }]);

    let long = "#".repeat(MAX_BYTES);
    assert_eq!(right(&long), Config::default());
    let (config, mistakes) = load(io::repeat(b'#')).unwrap();
    assert_eq!((config, mistakes), (Config::default(), vec![Mistake::TooLong]));
}

#[test]
fn hostile_files_are_read_to_their_end() {
    let nested = [("[", "]"), ("{a=", "}"), ("a.", ""), ("[[", "]]")];
    for (open, close) in nested {
        for start in ["", "sensitivity.mouth = ", "[", "x = "] {
            let depth = MAX_BYTES / (open.len() + close.len()) - start.len();
            let text = format!("{start}{}{}", open.repeat(depth), close.repeat(depth));
            assert!(!told(&text).is_empty(), "{open}");
        }
    }
    let many: String = (0..MAX_BYTES / 9).map(|number| format!("k{number:05}=0\n")).collect();
    assert!(told(&many).len() > 1000);
    let long = format!("[log]\nlevel = '{}\u{1b}[2J'", "x".repeat(10_000));
    assert!(told(&long).iter().all(|line| line.len() < 400 && !line.contains('\u{1b}')), "{:?}", told(&long));
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        for mistake in read(&bytes).1 {
            prop_assert!(!mistake.to_string().contains(char::is_control), "{mistake}");
        }
    }

    #[test]
    fn nearly_right_files_are_read(text in r#"(\[?(sensitivity|buzzer|led|log|mel)?[].]?(mouth|pin|pitch|level)? ?=? ?(-?[0-9]{0,3}\.?[0-9]{0,20}|"[a-z:=,]*"?)\n){0,8}"#) {
        for mistake in read(text.as_bytes()).1 {
            prop_assert!(mistake.line() <= text.lines().count() + 1);
            prop_assert!(!mistake.to_string().contains(char::is_control), "{mistake}");
        }
    }
}

#[test]
fn a_decimal_comma_and_a_key_that_comes_twice_are_named() {
    let comma = told("[sensitivity]\nmouth = 0,5 # half\nnose = 0.9\n");
    assert_eq!(comma.len(), 1, "{comma:?}");
    assert!(
        comma[0].starts_with("line 2: `mouth` has a decimal comma: write it with a point, `mouth = 0.5`;"),
        "{comma:?}"
    );
    let text = "[buzzer]\npin = 12\nloudness = 10\npin = 13\n";
    let twice = told(text);
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(twice[0].starts_with("line 4: duplicate key `pin`: what stands above it is used"), "{twice:?}");
    assert_eq!(read(text.as_bytes()).0.signals.buzzer_pin, 12);
}
