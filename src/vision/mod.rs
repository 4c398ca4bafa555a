//! From a frame to faces with verdicts.

use std::fmt;

use crate::geometry::Rect;

/// Most faces looked at in one frame; the largest are kept.
///
/// A camera at an entrance sees a handful of people near enough to judge; 16 faces of the least size side by side
/// fill the width of a frame.
pub const MAX_FACES: usize = 16;

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
    /// What follows from them.
    pub verdict: Verdict,
}

/// The faces of one frame, best score first.
pub type Faces = heapless::Vec<Face, MAX_FACES>;
