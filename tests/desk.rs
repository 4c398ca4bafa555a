//! The command line as a user meets it: what it prints, where, and its exit status.
#![cfg(feature = "desk")]

use std::fs;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

#[allow(dead_code, reason = "the example's `main` and reading of its standard input")]
#[path = "../examples/looks.rs"]
mod looks;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample");

fn maskbell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskbell"));
    // Neither a window nor a sound.
    command.env_remove("DISPLAY").env_remove("PULSE_RUNTIME_PATH").env_remove("XDG_RUNTIME_DIR");
    command.env("PULSE_SERVER", "unix:/nobody/listens").stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    maskbell().args(words).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names in lines about a folder, which begin with the folder as it was given.
fn images<'a>(lines: &'a [Value], folder: &TempDir) -> Vec<&'a str> {
    let within = |line: &'a Value| line["image"].as_str().unwrap().strip_prefix(text(folder.path())).unwrap();
    lines.iter().map(|line| within(line).strip_prefix('/').unwrap()).collect()
}

/// One sentence on standard error, nothing on standard output, and the exit status.
#[track_caller]
fn assert_refused(output: &Output, status: i32, says: &str) {
    let (err, code) = (err(output), output.status.code());
    assert_eq!((code, out(output).as_str(), err.lines().count()), (Some(status), "", 1), "{err}");
    assert!(err.starts_with("maskbell: ") && err.contains(says), "{err:?} should say {says:?}");
}

fn sample(name: &str) -> PathBuf {
    Path::new(SAMPLE).join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn pattern(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 99])).into()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(sample(name)).unwrap()
}

#[test]
fn mistakes_on_the_command_line_get_one_sentence_and_status_2() {
    assert_refused(
        &run(&["--sauce", "x"]),
        2,
        "unexpected argument '--sauce' found: a similar argument exists",
    );
    assert_refused(&run(&["check"]), 2, "PICTURE|FOLDER|CLIP");
    assert_refused(&run(&["check", "x.jpg", "--face-threshold", "1.5"]), 2, "a number from 0 to 1");
    assert_refused(&run(&["--fast"]), 2, "--source");
    assert_refused(&run(&["--source", "/dev/video0", "--fast"]), 2, "a camera sets its own pace");
    assert_refused(&run(&["chekc"]), 2, "'check'");
}

#[test]
fn help_explains_each_command() {
    for (words, says) in [
        (&["--help"][..], "watches the first camera"),
        (&["check", "--help"], "\"verdict\""),
        (&["tune", "--help"], "RTTTL"),
    ] {
        let help = run(words);
        // However the lines are broken.
        let help_text = out(&help).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            help.status.success() && help_text.contains("Examples:") && help_text.contains(says),
            "{help:?}"
        );
    }
}

#[test]
fn json_has_one_object_a_picture_and_nothing_else() {
    let bare = read("bare.jpg");
    let folder = folder(&[
        ("z.jpg", bare.clone()),
        ("in/bare.JPG", bare),
        ("in/grey16.png", encoded(pattern(320, 240).to_luma16().into(), ImageFormat::Png)),
        ("alpha.png", encoded(pattern(320, 240).to_rgba8().into(), ImageFormat::Png)),
        ("one.bmp", encoded(pattern(1, 1), ImageFormat::Bmp)),
        ("large.jpg", encoded(pattern(8000, 6000), ImageFormat::Jpeg)),
        ("readme.txt", b"no picture".to_vec()),
    ]);
    let output = run(&["check", "--json", text(folder.path())]);
    assert!(output.status.success(), "{}", err(&output));
    let lines = json(&output);
    let names = ["alpha.png", "in/bare.JPG", "in/grey16.png", "large.jpg", "one.bmp", "z.jpg"];
    assert_eq!(images(&lines, &folder), names);
    assert_eq!(lines[1]["faces"], lines[5]["faces"]);

    let face = &lines[1]["faces"][0];
    let edges: Vec<f64> = face["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
    // The sample's face is 150 pixels high, in the middle of 640 × 480.
    assert!((100.0..200.0).contains(&(edges[3] - edges[1])), "{face}");
    assert!(edges[0] < 320.0 && edges[2] > 320.0 && edges[1] < 240.0 && edges[3] > 200.0, "{face}");
    for score in ["score", "mouth", "nose", "presence"] {
        assert!((0.0..=1.0).contains(&face[score].as_f64().unwrap()), "{face}");
    }

    let strict = run(&["check", "--json", "--face-threshold", "1", text(&sample("bare.jpg"))]);
    assert_eq!(json(&strict)[0], serde_json::json!({"image": text(&sample("bare.jpg")), "faces": []}));
}

#[test]
fn the_stills_of_the_sample_are_judged_rightly() {
    for (still, verdicts) in [
        ("empty.jpg", &[][..]),
        ("bare.jpg", &["bare"]),
        ("masked.jpg", &["covered"]),
        ("nose_out.jpg", &["nose_out"]),
    ] {
        for looks in [&[][..], &["--one-look"]] {
            let picture = sample(still);
            let lines = json(&run(&[&["check", "--json", text(&picture)], looks].concat()));
            let faces = lines[0]["faces"].as_array().unwrap();
            let seen: Vec<_> = faces.iter().map(|face| face["verdict"].as_str().unwrap()).collect();
            assert_eq!(seen, verdicts, "{still} {looks:?}");
        }
    }
}

/// The sample's three faces by turns, each in a square of `side` pixels of which the face is six tenths high.
fn crowd(columns: u32, rows: u32, side: u32) -> DynamicImage {
    let squares = ["bare.jpg", "masked.jpg", "nose_out.jpg"].map(|name| {
        let picture = image::open(sample(name)).unwrap().into_rgb8();
        let middle = imageops::crop_imm(&picture, 205, 105, 240, 240).to_image();
        imageops::resize(&middle, side, side, FilterType::Triangle)
    });
    let mut crowd = RgbImage::new(columns * side, rows * side);
    for at in 0..columns * rows {
        let (x, y) = (at % columns * side, at / columns * side);
        imageops::replace(&mut crowd, &squares[at as usize % squares.len()], x.into(), y.into());
    }
    crowd.into()
}

#[test]
fn everybody_in_a_crowd_is_reported() {
    const COLUMNS: usize = 8;
    const ROWS: usize = 6;
    const SIDE: usize = 160;
    let picture = encoded(crowd(COLUMNS as u32, ROWS as u32, SIDE as u32), ImageFormat::Png);
    let folder = folder(&[("crowd.png", picture)]);
    let crowd = folder.path().join("crowd.png");
    for looks in [&[][..], &["--one-look"]] {
        let words = [&["check", "--json", "--look", "480x360", text(&crowd)], looks].concat();
        let lines = json(&run(&words));
        let mut seen = vec![Vec::new(); COLUMNS * ROWS];
        for face in lines[0]["faces"].as_array().unwrap() {
            let edges: Vec<f64> =
                face["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
            let square = |low: usize| ((edges[low] + edges[low + 2]) / 2.0) as usize / SIDE;
            seen[square(1) * COLUMNS + square(0)].push(face["verdict"].as_str().unwrap());
        }
        let verdicts = ["bare", "covered", "nose_out"].iter().cycle();
        let expected: Vec<_> = verdicts.map(|&verdict| vec![verdict]).take(COLUMNS * ROWS).collect();
        assert_eq!(seen, expected, "{looks:?}");
    }
}

#[test]
fn no_box_is_inside_out() {
    // A tall picture leaves most of the network's input empty; so low a threshold finds faces everywhere.
    let folder = folder(&[("tall.png", encoded(pattern(300, 900), ImageFormat::Png))]);
    let lines = json(&run(&[
        "check",
        "--json",
        "--face-threshold",
        "0.001",
        "--presence-threshold",
        "0",
        text(folder.path()),
    ]));
    let faces = lines[0]["faces"].as_array().unwrap();
    assert!(!faces.is_empty());
    for face in faces {
        let edges: Vec<f64> =
            face["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
        assert!(edges[0] < edges[2] && edges[1] < edges[3], "{face}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_checked() {
    let bare = read("bare.jpg");
    let (first, second) = bare.split_at(bare.len() / 2);
    let folder = folder(&[
        ("a.jpg", first.to_vec()),
        ("b.jpg", b"just text".to_vec()),
        ("c.png", encoded(pattern(64, 64), ImageFormat::Png)[..50].to_vec()),
        ("d.jpg", Vec::new()),
        ("e.jpg", read("empty.jpg")),
        ("hole.jpg", [first, &second[3000..]].concat()),
        ("ends_early.jpg", [first, &[0xff, 0xd9]].concat()),
    ]);
    let missing = folder.path().join("missing.jpg");
    let output = run(&["check", "--json", text(&missing), text(folder.path())]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(images(&json(&output), &folder), ["e.jpg"]);
    let told: Vec<String> = err(&output).lines().map(str::to_owned).collect();
    let named = ["missing.jpg", "a.jpg", "b.jpg", "c.png", "d.jpg", "ends_early.jpg", "hole.jpg"];
    assert_eq!(told.len(), named.len(), "{told:#?}");
    for (line, name) in told.iter().zip(named) {
        assert!(line.starts_with("maskbell: ") && line.contains(name), "{line:?} should name {name}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert_refused(&run(&["check", text(empty.path())]), 1, "no pictures");
}

#[test]
fn a_clip_is_checked_frame_by_frame() {
    let mut clip = [read("empty.jpg"), read("bare.jpg"), read("bare.jpg")].concat();
    clip.truncate(clip.len() - 1000);
    let folder = folder(&[("clip.mjpeg", clip)]);
    let copies = folder.path().join("copies");
    let output = run(&["check", "--json", "--annotate", text(&copies), text(folder.path())]);
    let lines = json(&output);
    assert_eq!(images(&lines, &folder), ["clip.mjpeg", "clip.mjpeg"]);
    assert_eq!((&lines[0]["frame"], &lines[1]["frame"]), (&Value::from(0), &Value::from(1)));
    assert_eq!(lines[0]["faces"], Value::Array(vec![]));
    assert_eq!(lines[1]["faces"].as_array().unwrap().len(), 1);
    // The third is cut in the middle.
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("clip.mjpeg, frame 2"), "{}", err(&output));
    // The copy is a clip again.
    let copy = run(&["check", "--json", text(&copies.join("clip.mjpeg"))]);
    assert_eq!((copy.status.code(), json(&copy).len()), (Some(0), 2), "{}", err(&copy));
}

#[test]
fn copies_show_boxes_and_leave_the_pictures_alone() {
    let folder = folder(&[("in/bare.jpg", read("bare.jpg")), ("empty.jpg", read("empty.jpg"))]);
    let copies = tempfile::tempdir().unwrap();
    let copies = copies.path().join("not/yet/there");
    assert!(run(&["check", "--annotate", text(&copies), text(folder.path())]).status.success());
    let open = |path: &Path| image::open(path).unwrap().into_rgb8();
    let differing = |name: &str| {
        let (before, after) = (open(&folder.path().join(name)), open(&copies.join(name)));
        assert_eq!(before.dimensions(), after.dimensions());
        let far = |(a, b): &(&image::Rgb<u8>, &image::Rgb<u8>)| (0..3).any(|i| a[i].abs_diff(b[i]) > 60);
        before.pixels().zip(after.pixels()).filter(far).count()
    };
    assert!(differing("in/bare.jpg") > 500, "a box and its label cover many pixels");
    assert_eq!(differing("empty.jpg"), 0);

    let refused = run(&["check", "--annotate", text(folder.path()), text(folder.path())]);
    assert_refused(&refused, 1, "would overwrite");
    assert_eq!(fs::read(folder.path().join("empty.jpg")).unwrap(), read("empty.jpg"));
}

#[test]
fn totals_come_last_and_what_is_left_out_is_said() {
    let folder = folder(&[
        ("bare.jpg", read("bare.jpg")),
        ("empty.jpg", read("empty.jpg")),
        ("em\u{1b}[2Jpty.jpg", read("empty.jpg")),
        ("it's.mp4", b"\0\0\0\x18ftypmp42".to_vec()),
        ("IMG 1.HEIC", b"\0\0\0\x18ftypheic".to_vec()),
        ("notes.txt", b"notes".to_vec()),
    ]);
    let output = run(&["check", text(folder.path())]);
    assert!(output.status.success(), "{}", err(&output));
    let told = out(&output);
    assert_eq!(
        told.lines().last(),
        Some("3 pictures: 1 face (1 bare), 2 without a face, 3 files left out"),
        "{told}"
    );
    assert!(told.contains(&format!("{}/bare.jpg: 1 face", text(folder.path()))), "{told}");
    assert!(told.contains("em\\u{1b}[2Jpty.jpg: no face") && !told.contains('\x1b'), "{told}");
    let why = err(&output);
    assert_eq!(why.lines().count(), 3, "{why}");
    for says in
        ["left out: 1 HEIC picture", "heif-convert '", "left out: 1 film", r"it'\''s.mjpeg'", "notes.txt"]
    {
        assert!(why.contains(says), "{says}: {why}");
    }
    let film = folder.path().join("it's.mp4");
    assert_refused(&run(&["check", text(&film)]), 1, "ffmpeg -i '");
    assert_refused(&run(&["--source", text(&film)]), 1, "ffmpeg -i '");
    assert_refused(&run(&["check", text(&folder.path().join("IMG 1.HEIC"))]), 1, "HEIC");
}

#[test]
fn what_a_phone_calls_jpg_and_is_none_gets_its_command() {
    let folder = folder(&[("a.jpg", b"\0\0\0\x18ftypheic".to_vec())]);
    let picture = folder.path().join("a.jpg");
    for asked in [folder.path(), &picture] {
        let refused = run(&["check", text(asked)]);
        assert_refused(&refused, 1, "heif-convert '");
        assert!(err(&refused).contains("/a-converted.jpg'"), "{}", err(&refused));
    }
    let piped = maskbell().args(["check", "-"]).stdin(fs::File::open(&picture).unwrap()).output().unwrap();
    assert_refused(&piped, 1, "-: this is a HEIC picture");
    assert!(!err(&piped).contains("convert"), "there is no telling where it comes from: {}", err(&piped));
}

#[test]
fn a_picture_may_come_on_standard_input() {
    let told = |input: Stdio| {
        let output = maskbell().args(["check", "-"]).stdin(input).output().unwrap();
        assert!(output.status.success(), "{}", err(&output));
        out(&output)
    };
    let bare = || fs::File::open(sample("bare.jpg")).unwrap();
    let mut cat = Command::new("cat").stdin(bare()).stdout(Stdio::piped()).spawn().unwrap();
    let piped = told(cat.stdout.take().unwrap().into());
    assert!(cat.wait().unwrap().success());
    assert!(piped.starts_with("-: 1 face\n  bare "), "{piped}");
    assert_eq!(told(bare().into()), piped);

    let text = fs::File::open(file!()).unwrap();
    for (input, says) in [(text.into(), "-: this is no picture"), (terminal(), "-: no picture comes on")] {
        assert_refused(&maskbell().args(["check", "-"]).stdin(input).output().unwrap(), 1, says);
    }
}

/// The end of a new pseudo-terminal that programs take for a terminal as well.
fn terminal() -> Stdio {
    fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap().into()
}

#[test]
fn a_sound_file_is_not_written_to_a_terminal() {
    let refused = maskbell().args(["tune", "x::c", "--wav", "-"]).stdout(terminal()).output().unwrap();
    assert_refused(&refused, 1, "pipe it into a player");
}

#[test]
fn settings_are_used_for_checking_as_for_watching() {
    let upside_down = encoded(image::open(sample("bare.jpg")).unwrap().rotate180(), ImageFormat::Png);
    let folder = folder(&[
        ("turned.png", upside_down),
        ("turn.toml", b"[camera]\nrotation = 180\n".to_vec()),
        ("deaf.toml", b"[sensitivity]\nface = 1\n".to_vec()),
        ("wrong.toml", b"[sensitivity]\nface = 2\n".to_vec()),
    ]);
    let file = |name| folder.path().join(name);
    let check = |settings| run(&["check", "--config", text(&file(settings)), text(&file("turned.png"))]);
    assert!(out(&check("turn.toml")).contains("  bare "));
    assert!(out(&check("deaf.toml")).contains("no face"));
    let refused = check("wrong.toml");
    assert!(err(&refused).contains("line 2: sensitivity.face = 2"), "{}", err(&refused));
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn a_report_is_one_page_that_holds_everything() {
    let folder = folder(&[
        ("a<b>.jpg", read("bare.jpg")),
        ("broken.png", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("clip.mjpeg", [read("empty.jpg"), read("masked.jpg")].concat()),
    ]);
    let page = folder.path().join("page.html");
    let output = run(&["check", "--report", text(&page), text(folder.path())]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let page = fs::read_to_string(page).unwrap();
    for (is, count) in [("bare", 1), ("covered", 1), ("none", 1), ("unread", 1)] {
        assert_eq!(page.matches(&format!("data-is=\"{is}\"")).count(), count, "{is}");
    }
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), 3);
    assert!(page.contains("a&lt;b&gt;.jpg") && !page.contains("a<b>"), "names are no markup");
    assert!(page.contains("<h1>") && page.contains(" UTC, version "), "what it is, and when it was made");
    assert!(!page.contains("http"), "it needs nothing else");
    assert!(page.contains("1 picture and 2 frames: 2 faces (1 covered, 1 bare)"), "totals");
}

#[test]
fn a_report_takes_the_place_of_nothing_but_a_report() {
    let heic = b"\0\0\0\x18ftypheic".to_vec();
    let folder =
        folder(&[("a.jpg", read("bare.jpg")), ("b.jpg", read("empty.jpg")), ("IMG.HEIC", heic.clone())]);
    let file = |name: &str| text(&folder.path().join(name)).to_owned();
    let report = |to: &str, of: &str| run(&["check", "--report", &file(to), &file(of)]);
    // `--report *.jpg`, the report's name forgotten: the first picture is not among those to be checked.
    for (to, of, content) in [
        ("a.jpg", "b.jpg", read("bare.jpg")),
        ("a.jpg", "a.jpg", read("bare.jpg")),
        ("IMG.HEIC", "IMG.HEIC", heic),
    ] {
        assert_refused(&report(to, of), 1, "would overwrite");
        assert_eq!(fs::read(file(to)).unwrap(), content, "{to}");
    }
    for of in ["a.jpg", "b.jpg"] {
        let again = report("page.html", of);
        assert!(again.status.success(), "{}", err(&again));
    }
    assert!(fs::read_to_string(file("page.html")).unwrap().contains("b.jpg"), "the newer one");
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let one = text(&sample("empty.jpg")).to_owned();
    let mut child = maskbell()
        .args(["check", "--json", &one, &one, &one])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""));
}

#[test]
fn copies_and_report_are_finished_without_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let (page, copies) = (folder.path().join("page.html"), folder.path().join("out"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let pictures = ["empty.jpg", "bare.jpg", "masked.jpg"].map(|name| text(&sample(name)).to_owned());
    let output = maskbell()
        .args(["check", "--report", text(&page), "--annotate", text(&copies)])
        .args(&pictures)
        .stdout(writer)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(fs::read_to_string(page).unwrap().matches("<figure ").count(), pictures.len());
    assert!(copies.join("masked.jpg").is_file());
}

#[test]
fn a_recording_ends_in_a_summary() {
    let folder = folder(&[("clip.mjpeg", [read("empty.jpg"), read("bare.jpg"), read("empty.jpg")].concat())]);
    let clip = folder.path().join("clip.mjpeg");
    let output = run(&["--source", text(&clip), "--fast", "-v"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        out(&output).starts_with("3 frames in ") && out(&output).lines().count() == 1,
        "{}",
        out(&output)
    );
    assert!(err(&output).contains("0.10 s: "), "-v tells each frame: {}", err(&output));
}

/// What the example `looks` says to these looks.
fn replay(looks: impl Iterator<Item = Value>) -> Vec<Value> {
    let lines: String = looks.map(|look| format!("{look}\n")).collect();
    let mut said = Vec::new();
    looks::replay(lines.as_bytes(), &mut said).unwrap();
    said.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

fn with_clip(mut line: Value, clip: &str) -> Value {
    line["clip"] = clip.into();
    line
}

#[test]
fn a_reminder_is_a_line_of_json_that_says_for_whom() {
    let film = sample("visit.mjpeg");
    let output = run(&["--source", text(&film), "--fast", "--json"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines = json(&output);
    let (summary, reminders) = lines.split_last().unwrap();
    assert!(reminders.len() >= 2, "the sample's story has two: {lines:?}");
    assert_eq!(
        *summary,
        serde_json::json!({"frames": 199, "broken": 0, "seconds": 19.8, "reminders": reminders.len()})
    );

    // What was seen at that time: a face that calls for this reminder, at this place.
    let looks = json(&run(&["--source", text(&film), "--fast", "--json", "--looks"]));
    assert_eq!(looks.len(), 199 + lines.len());
    let said: Vec<_> = looks.iter().filter(|line| line.get("at").is_none()).cloned().collect();
    assert_eq!(said, lines);
    for reminder in reminders {
        let look = looks.iter().find(|line| line["at"] == reminder["time"]).unwrap();
        let faces = look["faces"].as_array().unwrap();
        let face = faces.iter().find(|face| face["box"] == reminder["box"]).unwrap();
        let verdict = if reminder["reminder"] == "mask" { "bare" } else { "nose_out" };
        assert_eq!(face["verdict"], verdict, "{reminder}");
    }

    // The looks alone give the same reminders; a new clip begins with a policy that has seen nobody.
    let replayed = replay(looks.iter().filter(|line| line.get("at").is_some()).cloned());
    assert_eq!(replayed, reminders);
    let twice = ["a", "b"].map(|clip| {
        let looks = looks.iter().filter(|line| line.get("at").is_some()).cloned();
        looks.map(|look| with_clip(look, clip)).collect::<Vec<_>>()
    });
    let expected: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|clip| reminders.iter().map(|said| with_clip(said.clone(), clip)))
        .collect();
    assert_eq!(replay(twice.into_iter().flatten()), expected);

    // At another rate the same pictures have other times, in both roles.
    let folder = folder(&[("clip.mjpeg", [read("empty.jpg"), read("bare.jpg"), read("empty.jpg")].concat())]);
    let clip = folder.path().join("clip.mjpeg");
    let watched = json(&run(&["--source", text(&clip), "--fast", "--json", "--fps", "20"]));
    assert_eq!(watched, [serde_json::json!({"frames": 3, "broken": 0, "seconds": 0.1, "reminders": 0})]);
    let checked = json(&run(&["check", "--json", "--fps", "20", text(&clip)]));
    assert_eq!(checked.iter().map(|line| &line["at"]).collect::<Vec<_>>(), [0.0, 0.05, 0.1]);

    // In real time, too, standard output has nothing but JSON; how many frames are looked at is the machine's affair.
    let live = json(&run(&["--source", text(&sample("bare.jpg")), "--json"]));
    assert_eq!(live, [serde_json::json!({"frames": 1, "broken": 0, "seconds": 0.0, "reminders": 0})]);
    assert_refused(&run(&["--looks"]), 2, "--json");
}

#[test]
fn a_file_of_settings_is_used_and_all_its_mistakes_are_told() {
    let deaf = b"[sensitivity]\nface = 1\nmouth = 1\n".to_vec();
    let wrong = b"[sensitivity]\nmouth = 2\nface = 0.9\n[buzzer]\npim = 3\nled\n".to_vec();
    let folder = folder(&[("deaf.toml", deaf), ("wrong.toml", wrong), ("bare.mjpeg", read("bare.jpg"))]);
    let file = |name| folder.path().join(name);
    let clip = file("bare.mjpeg");
    let watch = |rest: &[&str]| run(&[&["--source", text(&clip), "--fast", "-v"], rest].concat());
    assert!(err(&watch(&[])).contains(": bare"));
    let deaf = file("deaf.toml");
    assert!(err(&watch(&["--config", text(&deaf)])).contains("no face"));
    let over = watch(&["--config", text(&deaf), "--face-threshold", "0.5"]);
    assert!(!err(&over).contains("no face"), "the command line goes before the file: {}", err(&over));

    let refused = watch(&["--config", text(&file("wrong.toml"))]);
    assert_eq!(refused.status.code(), Some(1));
    let lines: Vec<_> = ["line 2: sensitivity.mouth = 2", "line 5: there is no key `buzzer.pim`", "line 6: "]
        .into_iter()
        .filter(|says| err(&refused).contains(says))
        .collect();
    assert_eq!(lines.len(), 3, "{}", err(&refused));
    assert_refused(&watch(&["--config", "no/such.toml"]), 1, "no/such.toml");
}

#[test]
fn a_face_is_found_in_a_turned_picture_when_the_rotation_is_set() {
    let bare = image::open(sample("bare.jpg")).unwrap();
    // Turned against the clock, so that the setting turns it back.
    let folder = folder(&[
        ("0.png", encoded(bare.clone(), ImageFormat::Png)),
        ("90.png", encoded(bare.rotate270(), ImageFormat::Png)),
        ("180.png", encoded(bare.rotate180(), ImageFormat::Png)),
        ("270.png", encoded(bare.rotate90(), ImageFormat::Png)),
        ("0.toml", Vec::new()),
        ("90.toml", b"[camera]\nrotation = 90\n".to_vec()),
        ("180.toml", b"[camera]\nrotation = 180\n".to_vec()),
        ("270.toml", b"[camera]\nrotation = 270\n".to_vec()),
        ("45.toml", b"[camera]\nrotation = 45\n".to_vec()),
    ]);
    let file = |name: String| text(&folder.path().join(name)).to_owned();
    let watch = |picture: &str, settings: &str| {
        let (picture, settings) = (file(format!("{picture}.png")), file(format!("{settings}.toml")));
        run(&["--source", &picture, "--fast", "-v", "--config", &settings])
    };
    // But for how long looks take, and the picture's name.
    let told = |picture: &str, settings: &str| {
        let lines = err(&watch(picture, settings));
        lines
            .lines()
            .filter(|line| !line.contains(" ms each") && !line.contains("maskbell check"))
            .map(|line| line.to_owned() + "\n")
            .collect::<String>()
    };
    let upright = told("0", "0");
    assert!(upright.contains("watching: 640×480") && upright.contains(": bare ("), "{upright}");
    for degrees in ["90", "180", "270"] {
        // The same face with the same scores.
        assert_eq!(told(degrees, degrees), upright, "{degrees}");
        assert_ne!(told(degrees, "0"), upright, "{degrees}");
    }
    let says = "line 2: camera.rotation = 45 is not allowed: it must be 0, 90, 180 or 270";
    let refused = watch("90", "45");
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains(says) && err(&refused).contains("nothing was done"), "{}", err(&refused));
}

#[test]
fn the_size_of_a_look_can_be_said_or_is_chosen() {
    let picture = text(&sample("bare.jpg")).to_owned();
    let settings = folder(&[("look.toml", b"[vision]\nlook = \"400x300\"\nthreads = 1\n".to_vec())]);
    let settings = text(&settings.path().join("look.toml")).to_owned();
    let fast = ["--source", &picture, "--fast"];
    for (words, says) in [
        (&[][..], "looks of 320x240, "),
        (&["--config", &settings], "looks of 400x300, "),
        (&["--config", &settings, "--look", "640x480"], "looks of 640x480, "),
        (&["--look", "auto"], "looks of "),
    ] {
        let told = err(&run(&[&fast, words].concat()));
        assert!(told.contains(says), "{words:?}: {told}");
        assert_eq!(told.contains(" on 1 thread\n"), words.contains(&&*settings), "{told}");
    }
    let scores = |look: &str| out(&run(&["check", "--json", "--one-look", "--look", look, &picture]));
    assert_ne!(scores("320x240"), scores("640x480"));
    assert_eq!(scores("320x240"), out(&run(&["check", "--json", "--one-look", &picture])));
}

#[test]
fn no_name_writes_on_the_terminal() {
    let broken = "bro\u{1b}[2Jken.jpg";
    let folder = folder(&[(broken, b"text".to_vec()), ("empty.jpg", read("empty.jpg"))]);
    let settings = folder.path().join("se\u{1b}[2Jt.toml");
    for output in [
        run(&["--source", text(&folder.path().join(broken)), "--fast"]),
        run(&["--source", text(folder.path()), "--fast"]),
        run(&["check", "--config", text(&settings), text(&sample("empty.jpg"))]),
    ] {
        let told = err(&output);
        assert!(told.contains("\\u{1b}[2J") && !told.contains('\x1b'), "{told}");
    }
}

#[test]
fn nothing_to_watch_is_told_in_one_sentence() {
    assert_refused(&run(&["--source", "/dev/video99"]), 1, "/dev/video99");
    assert_refused(&run(&["--source", "no/such/clip.mjpeg"]), 1, "no/such/clip.mjpeg");
    let empty = tempfile::tempdir().unwrap();
    assert_refused(&run(&["--source", text(empty.path())]), 1, "no pictures");
    let window = run(&["--source", text(&sample("empty.jpg")), "--fast", "--show"]);
    assert_eq!(window.status.code(), Some(1));
    let told = err(&window);
    assert!(told.lines().last().unwrap().contains("--show needs a graphical session"), "{told}");
}

#[test]
fn what_is_no_source_is_told_what_could_be() {
    assert_refused(&run(&["--source", "0"]), 1, "/dev/video0");
    assert_refused(&run(&["--source", "rtsp://camera/stream"]), 1, "network");
}

#[test]
fn who_means_check_is_told_so() {
    let bare = text(&sample("bare.jpg")).to_owned();
    let hint = format!("maskbell check '{bare}'");
    assert_refused(&run(&[&bare]), 2, &hint);
    let watched = run(&["--source", &bare, "--fast"]);
    assert!(watched.status.success() && err(&watched).contains(&hint), "{}", err(&watched));
    let phone = folder(&[("a.heic", b"\0\0\0\x18ftypheic".to_vec())]);
    for words in [&["--show"][..], &["--fast"]] {
        let refused = run(&[&["--source", text(phone.path())], words].concat());
        assert!(err(&refused).lines().last().unwrap().contains("heif-convert '"), "{}", err(&refused));
    }
}

#[test]
fn a_clip_in_a_folder_gets_one_line() {
    let folder = folder(&[("clip.mjpeg", [read("empty.jpg"), read("bare.jpg"), read("bare.jpg")].concat())]);
    let told = out(&run(&["check", text(folder.path())]));
    let clip = folder.path().join("clip.mjpeg");
    let line = format!("{}: 3 frames: 2 faces (2 bare), 1 without a face", text(&clip));
    assert_eq!(told.lines().next(), Some(&*line), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(out(&run(&["check", text(&clip)])).contains("clip.mjpeg, frame 1: 1 face"));
}

#[test]
fn copies_overwrite_nothing_unasked() {
    let folder = folder(&[("bare.jpg", b"a stranger's".to_vec())]);
    let (picture, copy) = (text(&sample("bare.jpg")).to_owned(), folder.path().join("bare.jpg"));
    let words = ["check", "--annotate", text(folder.path()), &picture];
    assert_refused(&run(&words), 1, "--force");
    assert_eq!(fs::read(&copy).unwrap(), b"a stranger's");
    assert!(run(&[&words[..], &["--force"]].concat()).status.success());
    assert!(image::open(&copy).is_ok());
}

#[test]
fn a_signal_ends_watching_with_a_summary() {
    for signal in ["INT", "TERM"] {
        let clip = text(&sample("visit.mjpeg")).to_owned();
        let mut child = maskbell()
            .args(["--source", &clip, "--json", "--looks"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It watches: the clip would go on for twenty seconds.
        assert!(lines.next().unwrap().unwrap().starts_with("{\"at\""));
        assert!(
            Command::new("sh")
                .args(["-c", "kill -s $0 $1", signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let last: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
        assert!((1..199).contains(&last["frames"].as_u64().unwrap()), "{last}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn melodies_are_played_written_and_explained() {
    let played = run(&["tune", "x:d=32,o=6,b=900:a,p,c#7"]);
    assert!(played.status.success(), "{}", err(&played));
    let notes: Vec<String> =
        out(&played).lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    // The pause, a thirty-second of a whole note, takes 8 ms: too short for a line.
    assert_eq!(notes, ["A61760", "C#72217"]);

    let folder = folder(&[("bell.rtttl", b"bell:d=4,o=5,b=120:a,c6\n".to_vec())]);
    let (melody, wav) = (folder.path().join("bell.rtttl"), folder.path().join("bell.wav"));
    assert!(run(&["tune", text(&melody), "--wav", text(&wav)]).status.success());
    let sound = hound::WavReader::open(&wav).unwrap();
    assert_eq!((sound.spec().sample_rate, sound.duration()), (44_100, 44_100));

    // What is there stays there until somebody says otherwise.
    assert_refused(&run(&["tune", "x::c", "--wav", text(&wav)]), 1, "--force");
    let written = run(&["tune", "x:d=4,b=60:c", "--wav", text(&wav), "--force"]);
    assert!(written.status.success() && err(&written).ends_with("written: 1.00 s of sound\n"), "{written:?}");
    assert_eq!(run(&["tune", "x:d=4,b=60:c", "--wav", "-"]).stdout, fs::read(&wav).unwrap());

    assert_refused(&run(&["tune", text(&melody), "--wav", text(&melody)]), 1, "would overwrite");
    assert_refused(&run(&["tune", "x:d=8:c,h"]), 1, "character 9: `h` is no note");
    assert_refused(&run(&["tune", "nothing"]), 1, "nothing: there is no such file");
    assert_refused(&run(&["tune", "x::c", "--wav", "no/such/folder.wav"]), 1, "no/such/folder.wav");
}
