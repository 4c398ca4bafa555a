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
mod size;

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use faces::FaceFinder;
pub use looks::Looks;
use mouth::{Answer, MouthFinder};
pub use size::{Choice, ChoiceError, LEAST_RATE, LookSize};

use crate::frame::{Frame, PixelFormat};
use crate::geometry::Rect;
use crate::runtime::{self, Pool, RuntimeError};

/// Most faces reported of one frame; those with the best scores are kept.
///
/// A camera at an entrance sees a handful of people near enough to judge; 64 leaves room for a crowd.
pub const MAX_FACES: usize = 64;

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
    /// Where, in pixels of the frame: from the forehead below the hair to the chin, as annotators draw it.
    pub bounds: Rect,
    /// How sure the face model is that this is a face, 0 to 1.
    pub score: f32,
    /// How sure the mouth model is that a mouth can be seen, 0 to 1.
    pub mouth: f32,
    /// How sure the mouth model is that a nose can be seen, 0 to 1.
    pub nose: f32,
    /// How sure the mouth model is that there is a face at all, 0 to 1.
    pub presence: f32,
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
    /// Least [`Face::presence`] of a face to be reported, 0 to 1: two models must believe in it.
    pub presence: f32,
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
        Self { face: 0.5, presence: 0.4, least_face: 16.0, mouth: 0.5, nose: 0.7, covered: 0.4 }
    }
}

/// Why a face is [`Verdict::Unsure`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Doubt {
    /// Smaller than [`Thresholds::least_face`].
    TooSmall,
    /// Too much of it lies outside the picture.
    Cut,
    /// The scores of mouth and nose say neither seen nor covered.
    Doubtful,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSmall => "too small",
            Self::Cut => "cut by the edge",
            Self::Doubtful => "doubtful",
        })
    }
}

impl Thresholds {
    /// Why `face`, seen in `picture`, is [`Verdict::Unsure`]; `None` if it is not.
    pub fn doubt(&self, face: &Face, picture: &Rect) -> Option<Doubt> {
        (face.verdict == Verdict::Unsure)
            .then(|| self.obstacle(&face.bounds, picture).unwrap_or(Doubt::Doubtful))
    }

    /// Why a face with these bounds cannot be judged in `picture`, whatever the scores say.
    fn obstacle(&self, face: &Rect, picture: &Rect) -> Option<Doubt> {
        if face.width().min(face.height()) < self.least_face {
            Some(Doubt::TooSmall)
        } else if face.intersection(picture).area() < face.area() * (1.0 - MOST_OUTSIDE) {
            Some(Doubt::Cut)
        } else {
            None
        }
    }
}

/// Largest part of a face's box that may lie outside the frame for a verdict: beyond it a covered mouth and one that
/// is out of the picture look the same.
const MOST_OUTSIDE: f32 = 0.15;

/// How frames are to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// From which scores on something counts as seen.
    pub thresholds: Thresholds,
    /// How large a look is.
    pub size: Choice,
    /// Threads that share a look's work, or 0 for as many as there are cores, but at most [`MOST_THREADS`].
    pub threads: usize,
}

/// Most threads that are made unless more are asked for: as many as the boards have cores.
pub const MOST_THREADS: usize = 4;

/// How frames are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// Pixels of a look.
    pub size: LookSize,
    /// Threads that share its work.
    pub threads: usize,
    /// Time for a look at a frame with one face, as it was measured before the first frame.
    pub took: Duration,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, threads) = (self.took.as_secs_f32() * 1e3, self.threads);
        let s = if threads == 1 { "" } else { "s" };
        write!(f, "looks of {}, {took:.1} ms each on {threads} thread{s}", self.size)
    }
}

/// The two networks and what they need, made once.
#[derive(Debug)]
pub struct Vision {
    pool: Pool,
    face_finder: FaceFinder,
    judges: Vec<Judge>,
    thresholds: Thresholds,
    took: Duration,
    faces: Faces,
}

/// One of those that look at faces side by side, and what it said of them.
#[derive(Debug)]
struct Judge {
    finder: MouthFinder,
    said: heapless::Vec<Result<Answer, RuntimeError>, MAX_FACES>,
}

/// Size of the frame of [`Vision::rehearse`], as most cameras send it.
const REHEARSED: (usize, usize) = (640, 480);

impl Vision {
    /// Makes the threads, loads both networks, and looks at an empty frame to see how long it takes.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a model file does not fit this program.
    pub fn new(options: &Options) -> Result<Self, RuntimeError> {
        let Options { thresholds, size, threads } = *options;
        let cores = || thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let pool = runtime::pool(if threads == 0 { cores() } else { threads });
        let threads = pool.threads();
        let judge = |_| Ok(Judge { finder: MouthFinder::new(threads)?, said: heapless::Vec::new() });
        let sizes = match size {
            Choice::Fixed(size) => &[size],
            Choice::Auto if runtime::RESIZES => &LookSize::ALL[..],
            Choice::Auto => &LookSize::ALL[..1],
        };
        let mut vision = Self {
            pool,
            face_finder: FaceFinder::new(thresholds.face, sizes[0], threads)?,
            judges: (0..threads).map(judge).collect::<Result<_, _>>()?,
            thresholds,
            took: Duration::ZERO,
            faces: Faces::new(),
        };
        (_, vision.took) = size::choose(sizes, |size| {
            if vision.face_finder.size() != size {
                vision.face_finder = FaceFinder::new(thresholds.face, size, threads)?;
            }
            vision.rehearse()
        })?;
        Ok(vision)
    }

    /// How frames are looked at.
    pub fn chosen(&self) -> Chosen {
        Chosen { size: self.face_finder.size(), threads: self.pool.threads(), took: self.took }
    }

    /// Time for a look at a frame with one face, the shorter of two: the first brings code and memory near.
    fn rehearse(&mut self) -> Result<Duration, RuntimeError> {
        let (width, height) = REHEARSED;
        let data = vec![128; PixelFormat::Yuyv.frame_bytes(width, height, 2 * width)];
        let frame = Frame::new(&data, PixelFormat::Yuyv, width, height, 2 * width, Duration::ZERO)
            .expect("a whole frame");
        let mut shortest = Duration::MAX;
        for _ in 0..2 {
            let start = Instant::now();
            self.face_finder.find(&frame, Looks::One, &mut self.pool)?;
            self.judges[0].finder.find(&frame, &frame.bounds(), Some(&mut self.pool))?;
            shortest = shortest.min(start.elapsed());
        }
        Ok(shortest)
    }

    /// The faces of `frame` with their verdicts, best score first, after as many `looks`.  Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`] if a network stops, which checked models do not.
    pub fn look(&mut self, frame: &Frame, looks: Looks) -> Result<&Faces, RuntimeError> {
        self.faces.clear();
        let all = self.face_finder.find(frame, looks, &mut self.pool)?;
        let said = |judge: &mut Judge, said| {
            // No judge hears more than MAX_FACES.
            let _ = judge.said.push(said);
        };
        let judges = self.judges.len().min(all.len());
        self.judges.iter_mut().for_each(|judge| judge.said.clear());
        if let ([face], [judge, ..]) = (&*all, &mut *self.judges) {
            let answer = judge.finder.find(frame, &face.bounds, Some(&mut self.pool));
            said(judge, answer);
        } else {
            // Side by side, each on one thread: the first face goes to the first judge, and so on in turn.
            self.pool.each(&mut self.judges[..judges], |first, judge| {
                for face in all.iter().skip(first).step_by(judges) {
                    let answer = judge.finder.find(frame, &face.bounds, None);
                    said(judge, answer);
                }
            });
        }
        for (at, found) in all.iter().enumerate() {
            let Answer { mouth, nose, presence } = self.judges[at % judges].said[at / judges].clone()?;
            if presence < self.thresholds.presence {
                continue;
            }
            let bounds = as_drawn(&found.bounds);
            let verdict = match self.thresholds.obstacle(&bounds, &frame.bounds()) {
                None => judge(mouth.score, nose.score, &self.thresholds),
                Some(_) => Verdict::Unsure,
            };
            let face = Face {
                bounds,
                score: found.score,
                mouth: mouth.score,
                nose: nose.score,
                presence,
                mouth_bounds: mouth.seen(self.thresholds.mouth),
                nose_bounds: nose.seen(self.thresholds.nose),
                verdict,
            };
            // Both lists hold MAX_FACES.
            let _ = self.faces.push(face);
        }
        Ok(&self.faces)
    }
}

/// How much lower people draw the top and the bottom of a face than the face network does, in heights of its box.
///
/// Chosen on the choosing halves of two sets of pictures that were annotated by different people (`models/README.md`).
const LOWER: (f32, f32) = (0.09, 0.03);

/// A box of the face network as people would have drawn it.  The mouth network keeps to the former: it was trained on it.
fn as_drawn(found: &Rect) -> Rect {
    let (top, bottom) = LOWER;
    let height = found.height();
    Rect::new(found.left, found.top + top * height, found.right, found.bottom + bottom * height)
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
    fn who_is_unsure_is_told_why() {
        let thresholds = Thresholds { least_face: 16.0, ..Thresholds::default() };
        let picture = Rect::new(0.0, 0.0, 640.0, 480.0);
        let seen = |bounds, verdict| {
            let face = Face {
                bounds,
                score: 0.9,
                mouth: 0.45,
                nose: 0.45,
                presence: 0.9,
                mouth_bounds: None,
                nose_bounds: None,
                verdict,
            };
            thresholds.doubt(&face, &picture)
        };
        let near = Rect::new(300.0, 200.0, 380.0, 300.0);
        assert_eq!(seen(near, Verdict::Bare), None);
        assert_eq!(seen(near, Verdict::Unsure), Some(Doubt::Doubtful));
        assert_eq!(seen(Rect::new(300.0, 200.0, 315.0, 220.0), Verdict::Unsure), Some(Doubt::TooSmall));
        // A sixth of it is outside, where a tenth was not.
        assert_eq!(seen(Rect::new(-16.0, 200.0, 80.0, 300.0), Verdict::Unsure), Some(Doubt::Cut));
        assert_eq!(seen(Rect::new(-8.0, 200.0, 80.0, 300.0), Verdict::Unsure), Some(Doubt::Doubtful));
    }

    #[test]
    fn a_face_is_drawn_from_the_forehead_to_the_chin() {
        let drawn = as_drawn(&Rect::new(10.0, 100.0, 90.0, 200.0));
        assert_eq!((drawn.left, drawn.right), (10.0, 90.0));
        assert!((drawn.top - 109.0).abs() < 1e-3 && (drawn.bottom - 203.0).abs() < 1e-3, "{drawn:?}");
    }

    #[test]
    fn logit_and_sigmoid_are_inverse() {
        for probability in [0.01, 0.3, 0.5, 0.99] {
            assert!((sigmoid(logit(probability)) - probability).abs() < 1e-6);
        }
        assert_eq!((logit(0.0), logit(1.0)), (f32::NEG_INFINITY, f32::INFINITY));
    }
}
