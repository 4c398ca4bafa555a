//! From a frame to faces with verdicts: two networks in a row.

mod faces;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "ledger")]
#[doc(hidden)]
pub mod ledger;
mod looks;
mod mouth;
mod resample;

use std::fmt;

use faces::FaceFinder;
pub use looks::Looks;
use mouth::MouthFinder;

use crate::frame::Frame;
use crate::geometry::Rect;
use crate::runtime::RuntimeError;

/// Most faces reported of one frame; those with the best scores are kept.
///
/// A camera at an entrance sees a handful of people near enough to judge; 32 leaves room for a crowd.
pub const MAX_FACES: usize = 32;

/// What covers a face.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Mouth and nose are covered.
    Covered,
    /// The mouth is covered, the nose can be seen.
    NoseOut,
    /// The mouth can be seen.
    Bare,
    /// Not seen well enough to say.
    Unsure,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Covered => "covered",
            Self::NoseOut => "nose out",
            Self::Bare => "bare",
            Self::Unsure => "unsure",
        })
    }
}

/// A face and what was seen of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Where, in pixels of the frame.
    pub bounds: Rect,
    /// How sure the face model is that this is a face, 0 to 1.
    pub score: f32,
    /// How sure the mouth model is that a mouth can be seen, 0 to 1.
    pub mouth: f32,
    /// How sure the mouth model is that a nose can be seen, 0 to 1.
    pub nose: f32,
    /// Where the mouth is seen, in pixels of the frame; `None` below the threshold.
    pub mouth_bounds: Option<Rect>,
    /// Where the nose is seen, in pixels of the frame; `None` below the threshold.
    pub nose_bounds: Option<Rect>,
    /// What follows from them.
    pub verdict: Verdict,
}

/// The faces of one frame, best score first.
pub type Faces = heapless::Vec<Face, MAX_FACES>;

/// From which scores on something counts as seen.
///
/// The defaults prefer a miss to nagging somebody who wears a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Least score of a face to be reported, 0 to 1.
    pub face: f32,
    /// Least shorter side of a face to be judged, in pixels of the frame; smaller faces are [`Verdict::Unsure`].
    pub least_face: f32,
    /// From this score on a mouth is seen, 0 to 1.
    pub mouth: f32,
    /// From this score on a nose is seen, 0 to 1.
    pub nose: f32,
    /// Below this score a mouth or a nose is covered, 0 to 1; between the two lies [`Verdict::Unsure`].
    pub covered: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { face: 0.6, least_face: 16.0, mouth: 0.5, nose: 0.8, covered: 0.4 }
    }
}

/// Largest part of a face's box that may lie outside the frame for a verdict: beyond it a covered mouth and one that
/// is out of the picture look the same.
const MOST_OUTSIDE: f32 = 0.15;

/// The two networks and what they need, made once.
#[derive(Debug)]
pub struct Vision {
    face_finder: FaceFinder,
    mouth_finder: MouthFinder,
    thresholds: Thresholds,
    faces: Faces,
}

impl Vision {
    /// Loads both networks.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a model file does not fit this program.
    pub fn new(thresholds: Thresholds) -> Result<Self, RuntimeError> {
        Ok(Self {
            face_finder: FaceFinder::new(thresholds.face)?,
            mouth_finder: MouthFinder::new()?,
            thresholds,
            faces: Faces::new(),
        })
    }

    /// The faces of `frame` with their verdicts, best score first, after as many `looks`.  Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`] if a network stops, which checked models do not.
    pub fn look(&mut self, frame: &Frame, looks: Looks) -> Result<&Faces, RuntimeError> {
        self.faces.clear();
        for found in self.face_finder.find(frame, looks)? {
            let [mouth, nose] = self.mouth_finder.find(frame, &found.bounds)?;
            let verdict = if self.can_be_judged(&found.bounds, frame) {
                judge(mouth.score, nose.score, &self.thresholds)
            } else {
                Verdict::Unsure
            };
            let face = Face {
                bounds: found.bounds,
                score: found.score,
                mouth: mouth.score,
                nose: nose.score,
                mouth_bounds: mouth.seen(self.thresholds.mouth),
                nose_bounds: nose.seen(self.thresholds.nose),
                verdict,
            };
            // Both lists hold MAX_FACES.
            let _ = self.faces.push(face);
        }
        Ok(&self.faces)
    }

    fn can_be_judged(&self, face: &Rect, frame: &Frame) -> bool {
        let picture = Rect::new(0.0, 0.0, frame.width() as f32, frame.height() as f32);
        let inside = face.intersection(&picture).area();
        face.width().min(face.height()) >= self.thresholds.least_face
            && inside >= face.area() * (1.0 - MOST_OUTSIDE)
    }
}

/// What the scores of mouth and nose say together.
fn judge(mouth: f32, nose: f32, thresholds: &Thresholds) -> Verdict {
    if mouth >= thresholds.mouth {
        Verdict::Bare
    } else if nose >= thresholds.nose {
        Verdict::NoseOut
    } else if mouth < thresholds.covered && nose < thresholds.covered {
        Verdict::Covered
    } else {
        Verdict::Unsure
    }
}

/// The logistic function: a logit as a probability.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The inverse of [`sigmoid`]; infinite for 0 and 1.
fn logit(probability: f32) -> f32 {
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_mouth_then_nose() {
        let thresholds = Thresholds { mouth: 0.6, nose: 0.7, covered: 0.3, ..Thresholds::default() };
        for (mouth, nose, expected) in [
            (0.6, 0.0, Verdict::Bare),
            (0.9, 0.9, Verdict::Bare),
            (0.59, 0.9, Verdict::NoseOut),
            (0.59, 0.1, Verdict::Unsure),
            (0.3, 0.0, Verdict::Unsure),
            (0.29, 0.7, Verdict::NoseOut),
            (0.29, 0.69, Verdict::Unsure),
            (0.29, 0.29, Verdict::Covered),
            (f32::NAN, 0.9, Verdict::NoseOut),
            (f32::NAN, 0.1, Verdict::Unsure),
        ] {
            assert_eq!(judge(mouth, nose, &thresholds), expected, "{mouth} {nose}");
        }
    }

    #[test]
    fn logit_and_sigmoid_are_inverse() {
        for probability in [0.01, 0.3, 0.5, 0.99] {
            assert!((sigmoid(logit(probability)) - probability).abs() < 1e-6);
        }
        assert_eq!((logit(0.0), logit(1.0)), (f32::NEG_INFINITY, f32::INFINITY));
    }
}
