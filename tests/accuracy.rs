//! What is seen in the sample's pictures, as it was when it was last looked through: a change of the resizing, of a
//! threshold or of a network does not pass unseen.
//!
//! It says nothing about how well the networks do (`models/README.md` does), only that they do as before.  After a change
//! that is meant, and whose figures `models/README.md` has,
//!
//! ```sh
//! MASKBELL_RECORD=1 cargo test --release --test accuracy
//! ```
//!
//! writes `tests/accuracy.jsonl` anew; its difference shows what the change does.
#![cfg(feature = "desk")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::RgbImage;
use image::imageops::crop_imm;
use maskbell::vision::Thresholds;
use serde_json::{Value, json};

/// Most that a score may differ: results are rounded to a thousandth, and a C library may round the last bit of an
/// exponential as it likes.
const SCORE: f64 = 0.0021;

/// Most that an edge of a box may differ, in pixels, for the same reasons: results are rounded to a tenth.
const EDGE: f64 = 0.21;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn still(name: &str) -> RgbImage {
    let path = project("sample").join(name).with_extension("jpg");
    image::open(path).expect("the sample's pictures can be read").into_rgb8()
}

/// Several pictures side by side, each two pixels' mean: many small faces.
fn halves_side_by_side(pictures: &[RgbImage]) -> RgbImage {
    let (width, height) = pictures[0].dimensions();
    RgbImage::from_fn(width / 2 * pictures.len() as u32, height / 2, |x, y| {
        let picture = &pictures[(x / (width / 2)) as usize];
        let (x, y) = (x % (width / 2) * 2, y * 2);
        let parts = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)].map(|(x, y)| picture.get_pixel(x, y));
        image::Rgb(
            [0, 1, 2]
                .map(|channel| (parts.iter().map(|part| u16::from(part[channel])).sum::<u16>() / 4) as u8),
        )
    })
}

/// Pictures of sizes and scales that the sample does not have, as `name.ppm` in `folder`.
fn made(folder: &Path) -> Vec<PathBuf> {
    let [bare, masked, nose_out] = ["bare", "masked", "nose_out"].map(still);
    let larger = |picture: &RgbImage| {
        let (width, height) = picture.dimensions();
        RgbImage::from_fn(width * 2, height * 2, |x, y| *picture.get_pixel(x / 2, y / 2))
    };
    let pictures = [
        // Neither side fits the networks' input, and nothing falls on whole pixels.
        ("odd", crop_imm(&bare, 31, 17, 571, 433).to_image()),
        ("upright", crop_imm(&nose_out, 150, 0, 331, 480).to_image()),
        ("large", larger(&masked)),
        ("small", crop_imm(&halves_side_by_side(std::slice::from_ref(&bare)), 0, 0, 320, 240).to_image()),
        ("three", halves_side_by_side(&[bare, masked, nose_out])),
    ];
    pictures
        .into_iter()
        .map(|(name, picture)| {
            let path = folder.join(name).with_extension("ppm");
            picture.save(&path).expect("space for a picture");
            path
        })
        .collect()
}

/// One JSON object for what was looked at: what `maskbell check` says, by the name of the file alone.
fn results() -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut pictures = made(folder.path());
    pictures
        .extend(["bare", "masked", "nose_out", "empty"].map(|name| project(&format!("sample/{name}.jpg"))));
    // By name alone: where the checkout and the folder for temporary files lie is nothing to this test.
    pictures.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    pictures.push(project("sample/visit.mjpeg"));
    let Thresholds { face, presence, least_face, mouth, nose, covered } = Thresholds::default();
    let thresholds = [
        ("face", face),
        ("presence", presence),
        ("least_face", least_face),
        ("mouth", mouth),
        ("nose", nose),
        ("covered", covered),
    ];
    let thresholds: Vec<_> =
        thresholds.iter().map(|(name, value)| json!([name, value.to_string()])).collect();
    let mut results = vec![json!({ "thresholds": thresholds })];
    for (look, options) in
        [("one", &["--one-look"][..]), ("close", &[]), ("large", &["--one-look", "--look", "640x480"])]
    {
        // A clip's frames are looked at once in any case, and are many.
        let looked_at = if look == "one" { &pictures[..] } else { &pictures[..pictures.len() - 1] };
        let output = Command::new(env!("CARGO_BIN_EXE_maskbell"))
            .args(["check", "--json"])
            .args(options)
            .args(looked_at)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let mut result: Value = serde_json::from_str(line).unwrap();
            let name = Path::new(result["image"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
            result["image"] = name.into();
            // Follows from the frame.
            result.as_object_mut().unwrap().remove("at");
            result["look"] = look.into();
            results.push(result);
        }
    }
    results
}

/// Where `now` differs from `stored`, in words.
fn difference(stored: &Value, now: &Value) -> Option<String> {
    let about = |value: &Value| json!([value["image"], value["frame"], value["look"], value["thresholds"]]);
    if about(stored) != about(now) {
        return Some(format!("stored {}, now {}", about(stored), about(now)));
    }
    let empty = Vec::new();
    let faces = |value: &Value| value["faces"].as_array().unwrap_or(&empty).clone();
    let (before, after) = (faces(stored), faces(now));
    let near = |a: &Value, b: &Value, most: f64| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= most;
    let same = before.len() == after.len()
        && before.iter().zip(&after).all(|(a, b)| {
            a["verdict"] == b["verdict"]
                && ["score", "mouth", "nose", "presence"]
                    .iter()
                    .all(|score| near(&a[score], &b[score], SCORE))
                && (0..4).all(|edge| near(&a["box"][edge], &b["box"][edge], EDGE))
        });
    (!same).then(|| format!("{}\n  stored {}\n  now    {}", about(now), json!(before), json!(after)))
}

#[test]
fn what_is_seen_is_what_was_seen() {
    let path = project("tests/accuracy.jsonl");
    let now = results();
    if env::var_os("MASKBELL_RECORD").is_some() {
        let lines: Vec<_> = now.iter().map(|result| format!("{result}\n")).collect();
        fs::write(&path, lines.concat()).unwrap();
    }
    let stored = fs::read_to_string(&path).expect("the stored results can be read");
    let stored: Vec<Value> = stored.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let faces: usize = stored.iter().map(|result| result["faces"].as_array().map_or(0, Vec::len)).sum();
    assert!(faces > 100, "{faces} faces prove little");
    assert_eq!(stored.len(), now.len(), "pictures and frames");
    let differences: Vec<_> =
        stored.iter().zip(&now).filter_map(|(stored, now)| difference(stored, now)).collect();
    let some = &differences[..differences.len().min(10)];
    assert!(
        differences.is_empty(),
        "{} of {} results differ; if that is meant: MASKBELL_RECORD=1 cargo test --release --test accuracy\n{}",
        differences.len(),
        now.len(),
        some.join("\n")
    );
}
