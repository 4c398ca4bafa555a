//! Replays recorded looks through the policy, without pictures and networks: seconds for what took hours to look at.
//!
//!     looks < LOOKS > REMINDERS
//!
//! Reads one look a line, as `maskbell --json --looks` prints them:
//!
//!     {"at": 3.2, "size": [640, 480], "faces": [{"box": [x1, y1, x2, y2], "score": 0.97, "verdict": "bare", "mouth": 0.9, "nose": 0.8}]}
//!
//! and prints one line a reminder, `{"time": 3.2, "reminder": "mask" or "nose", "box": [x1, y1, x2, y2]}`, the box
//! that of the face that it is for.  Without a size the picture is 640 × 480.  Other keys are ignored but one: where
//! `"clip"` differs from the line before, a new recording begins with a policy that has seen nobody, and `"clip"` is
//! repeated with its reminders.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use maskbell::geometry::Rect;
use maskbell::policy::{Policy, Reminder};
use maskbell::vision::{Face, Faces, MAX_FACES, Verdict};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    replay(io::stdin().lock(), io::BufWriter::new(io::stdout().lock()))
}

/// Reads looks and writes the reminders that follow from them.
pub(crate) fn replay(looks: impl BufRead, mut out: impl Write) -> Result<(), Box<dyn Error>> {
    let mut policy = Policy::default();
    let mut clip = None;
    for (number, line) in looks.lines().enumerate() {
        let mut look: Value =
            serde_json::from_str(&line?).map_err(|error| format!("line {}: {error}", number + 1))?;
        let this = look.get_mut("clip").map(Value::take);
        if this != clip {
            policy = Policy::default();
            clip = this;
        }
        let (at, picture, faces) =
            read(&look).ok_or_else(|| format!("line {}: this is no look: {look}", number + 1))?;
        let Some(call) = policy.observe(at, &picture, &faces) else { continue };
        let reminder = match call.reminder {
            Reminder::Mask => "mask",
            Reminder::Nose => "nose",
        };
        let bounds = &look["faces"][call.face]["box"];
        let mut said = json!({"time": look["at"], "reminder": reminder, "box": bounds});
        if let Some(clip) = &clip {
            said["clip"] = clip.clone();
        }
        writeln!(out, "{said}")?;
    }
    Ok(out.flush()?)
}

/// When a look was, the picture as a box, and what was seen in it.
fn read(look: &Value) -> Option<(Duration, Rect, Faces)> {
    let at = Duration::try_from_secs_f64(look["at"].as_f64()?).ok()?;
    let [width, height] = match look.get("size") {
        Some(size) => [number(&size[0])?, number(&size[1])?],
        None => [640.0, 480.0],
    };
    let picture = Rect::new(0.0, 0.0, width, height);
    let faces = look["faces"].as_array()?.iter().take(MAX_FACES).map(face).collect::<Option<_>>()?;
    Some((at, picture, faces))
}

fn number(value: &Value) -> Option<f32> {
    Some(value.as_f64()? as f32)
}

fn face(seen: &Value) -> Option<Face> {
    let [left, top, right, bottom] = seen["box"].as_array()?.as_slice() else { return None };
    Some(Face {
        bounds: Rect::new(number(left)?, number(top)?, number(right)?, number(bottom)?),
        score: number(&seen["score"])?,
        mouth: number(&seen["mouth"])?,
        nose: number(&seen["nose"])?,
        // Of recordings that are older than this score.
        presence: seen.get("presence").map_or(Some(1.0), number)?,
        // Where exactly decides nothing: it is drawn.
        mouth_bounds: None,
        nose_bounds: None,
        verdict: match seen["verdict"].as_str()? {
            "covered" => Verdict::Covered,
            "nose_out" => Verdict::NoseOut,
            "bare" => Verdict::Bare,
            "unsure" => Verdict::Unsure,
            _ => return None,
        },
    })
}
