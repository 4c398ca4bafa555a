//! What is seen of a face, in the words of the JSON output.

use serde::Serialize;

use crate::geometry::Rect;
use crate::vision::{Face, Verdict};

/// All verdicts, in the order in which they are listed.
pub const VERDICTS: [Verdict; 4] = [Verdict::Covered, Verdict::NoseOut, Verdict::Bare, Verdict::Unsure];

/// A verdict as one word of JSON and of the report's style.
pub const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Covered => "covered",
        Verdict::NoseOut => "nose_out",
        Verdict::Bare => "bare",
        Verdict::Unsure => "unsure",
    }
}

/// One face; the field names are those of the JSON output.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// Left, top, right, bottom in pixels.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// How sure the face model is.
    pub score: f32,
    /// What covers it.
    pub verdict: &'static str,
    /// How sure the mouth model is of a mouth.
    pub mouth: f32,
    /// How sure the mouth model is of a nose.
    pub nose: f32,
    /// How sure the mouth model is of a face at all.
    pub presence: f32,
}

impl Seen {
    /// A face with its box as it is, which may reach beyond the picture.
    pub fn new(face: &Face) -> Self {
        Self::within(face, &face.bounds)
    }

    /// A face with its box cut at the edges of the `whole` picture.
    pub fn within(face: &Face, whole: &Rect) -> Self {
        Self {
            bounds: edges(&face.bounds.intersection(whole)),
            score: thousandth(face.score),
            verdict: word(face.verdict),
            mouth: thousandth(face.mouth),
            nose: thousandth(face.nose),
            presence: thousandth(face.presence),
        }
    }
}

/// Left, top, right, bottom.  A tenth of a pixel is below what the int8 models can tell apart.
pub fn edges(&Rect { left, top, right, bottom }: &Rect) -> [f32; 4] {
    [left, top, right, bottom].map(|edge| (edge * 10.0).round() / 10.0)
}

/// As for [`edges`]: finer is below what the int8 models can tell apart.
fn thousandth(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}
