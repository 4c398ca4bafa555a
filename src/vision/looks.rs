//! Which parts of a frame the face network looks at, and how what it finds in them becomes one list.

use heapless::Vec;

use super::faces::{Candidate, Found, suppress};
use super::resample::View;
use super::size::LookSize;
use super::{MAX_FACES, logit, sigmoid};
use crate::frame::Frame;
use crate::geometry::Rect;

/// How closely a frame is looked at for faces.
///
/// The face network sees as many pixels as its [`LookSize`] has, whatever the frame's size: closer looks find faces that
/// are too small in the whole frame, and judge every face more than once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Looks {
    /// Once, as a whole: for cameras.
    One,
    /// As a whole, then in overlapping parts of 4:3: five looks at a frame of 4:3, seven at one of 16:9.  For
    /// pictures that wait.
    Close,
}

/// Most looks at one frame: enough for 4:1, or 1:2.  Longer ones are looked at with gaps.
const MAX_LOOKS: usize = 1 + MAX_PARTS;
/// See [`MAX_LOOKS`].
const MAX_PARTS: usize = 12;

/// Side of a part, as a share of the largest 4:3 that fits into the frame: two parts cover its side and overlap by
/// two fifths of a part, which a face that is cut by the edge of one fits into.
const PART: f32 = 0.625;

/// Least overlap of neighbouring parts, as a share of a part's side.
const OVERLAP: f32 = 0.2;

/// A box that comes closer to an inner edge of a look than this share of its longer side is a face cut in two, which
/// another look shows better.
const EDGE: f32 = 0.02;

/// Height in input pixels from which on a face should be found: a look that shows it smaller has no say.
const CLEAR: f32 = 20.0;

/// What a look says that shows a face clearly and does not find it.
const FLOOR: f32 = 0.1;

/// The faces of one look after another.
#[derive(Debug)]
pub(super) struct Gathered {
    size: LookSize,
    views: Vec<View, MAX_LOOKS>,
    candidates: Vec<(Candidate, usize), { MAX_LOOKS * MAX_FACES }>,
}

impl Gathered {
    pub(super) const fn new(size: LookSize) -> Self {
        Self { size, views: Vec::new(), candidates: Vec::new() }
    }

    /// Forgets the frame before and plans the looks at `frame`; gives the number of looks.
    pub(super) fn plan(&mut self, frame: &Frame, looks: Looks) -> usize {
        self.candidates.clear();
        self.views.clear();
        let (look_width, look_height) = (self.size.width(), self.size.height());
        // One and MAX_PARTS views fit.
        let _ = self.views.push(View::whole(frame, look_width, look_height));
        if looks == Looks::Close {
            let (width, height) = (frame.width() as f32, frame.height() as f32);
            let scale = PART * (width / look_width as f32).min(height / look_height as f32);
            let (across, down) = (look_width as f32 * scale, look_height as f32 * scale);
            let columns = parts(width, across).min(MAX_PARTS / 2);
            let rows = parts(height, down).min(MAX_PARTS / columns);
            for at in 0..columns * rows {
                let left = (width - across) * share(at % columns, columns);
                let top = (height - down) * share(at / columns, rows);
                let _ = self.views.push(View { left, top, scale });
            }
        }
        self.views.len()
    }

    /// The look with this number.
    pub(super) fn view(&self, look: usize) -> View {
        self.views[look]
    }

    /// The least score that counts in a look, if faces from `threshold` on are wanted.
    pub(super) fn least(&self, threshold: f32) -> f32 {
        if self.views.len() > 1 { threshold.min(FLOOR) } else { threshold }
    }

    /// Takes in what a look found, in frame pixels; cut faces are left out.
    pub(super) fn add(&mut self, look: usize, found: &Found, frame: &Frame) {
        for candidate in found {
            if !is_cut(&candidate.bounds, &self.views[look], self.size, frame) {
                // Each look has room for MAX_FACES.
                let _ = self.candidates.push((*candidate, look));
            }
        }
    }

    /// The faces of all looks whose score reaches `threshold`, best first.
    ///
    /// A face that several looks show clearly has the mean of their scores (of the logits).
    pub(super) fn faces(&mut self, frame: &Frame, threshold: f32) -> Found {
        let mut found: Vec<Candidate, { MAX_LOOKS * MAX_FACES }> =
            self.candidates.iter().map(|&(candidate, _)| candidate).collect();
        let mut found = suppress(&mut found);
        if self.views.len() > 1 {
            for face in &mut found {
                face.score = self.agreed(face, frame);
            }
            found.retain(|face| face.score >= threshold);
            found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        }
        found
    }

    /// The mean over the looks that show a face clearly, and the look that it comes from.
    fn agreed(&self, face: &Candidate, frame: &Frame) -> f32 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (look, view) in self.views.iter().enumerate() {
            let of_look = self.candidates.iter().filter(|&&(_, of)| of == look);
            let best = of_look
                .filter(|(candidate, _)| candidate.is_same_face(face))
                .map(|(candidate, _)| candidate.score)
                .max_by(f32::total_cmp);
            let clear = face.bounds.height() >= CLEAR * view.scale;
            if (clear && !is_cut(&face.bounds, view, self.size, frame)) || best == Some(face.score) {
                sum += logit(best.unwrap_or(FLOOR));
                count += 1.0;
            }
        }
        sigmoid(sum / count)
    }
}

/// How many parts of `part` pixels cover `whole` pixels with the least overlap.
fn parts(whole: f32, part: f32) -> usize {
    // A little less, so that rounding does not add a part.
    let count = (whole - OVERLAP * part) / ((1.0 - OVERLAP) * part) - 1e-3;
    (count.ceil() as usize).max(1)
}

/// Where part `at` of `count` lies between the first (0) and the last (1).
fn share(at: usize, count: usize) -> f32 {
    if count > 1 { at as f32 / (count - 1) as f32 } else { 0.5 }
}

/// Whether a box touches an edge of a look that is not also the frame's.
fn is_cut(bounds: &Rect, view: &View, size: LookSize, frame: &Frame) -> bool {
    let margin = EDGE * bounds.width().max(bounds.height());
    let right = view.left + size.width() as f32 * view.scale;
    let bottom = view.top + size.height() as f32 * view.scale;
    // Half a pixel for rounding.
    (view.left > 0.5 && bounds.left < view.left + margin)
        || (view.top > 0.5 && bounds.top < view.top + margin)
        || (right < frame.width() as f32 - 0.5 && bounds.right > right - margin)
        || (bottom < frame.height() as f32 - 0.5 && bounds.bottom > bottom - margin)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::PixelFormat;

    fn with_frame(width: usize, height: usize, test: impl FnOnce(&Frame)) {
        let data = vec![0; width * height];
        test(&Frame::new(&data, PixelFormat::Grey, width, height, width, Duration::ZERO).unwrap());
    }

    fn found(boxes: &[(Rect, f32)]) -> Found {
        boxes.iter().map(|&(bounds, score)| Candidate { bounds, score }).collect()
    }

    #[test]
    fn close_looks_cover_the_frame_and_overlap() {
        for (width, height, expected) in [
            (640, 480, 5),
            (320, 240, 5),
            (640, 360, 7),
            (480, 640, 9),
            (360, 640, 11),
            (1600, 400, 13),
            (300, 660, 13),
            (1, 1, 7),
        ] {
            with_frame(width, height, |frame| {
                let mut gathered = Gathered::new(LookSize::W320);
                assert_eq!(gathered.plan(frame, Looks::Close), expected, "{width}×{height}");
                let inside = |x: f32, y: f32, view: &View| {
                    (x - view.left) / view.scale <= 320.0
                        && (y - view.top) / view.scale <= 240.0
                        && x >= view.left
                        && y >= view.top
                };
                for at in 0..100 {
                    let x = (at % 10) as f32 / 9.0 * width as f32;
                    let y = (at / 10) as f32 / 9.0 * height as f32;
                    // A hair inside, for rounding.
                    let (x, y) = (x * 0.999, y * 0.999);
                    assert!(gathered.views[1..].iter().any(|view| inside(x, y, view)), "{x} {y}");
                }
            });
        }
        with_frame(640, 360, |frame| assert_eq!(Gathered::new(LookSize::W320).plan(frame, Looks::One), 1));
    }

    #[test]
    fn very_long_frames_are_looked_at_with_gaps() {
        for (width, height) in [(4000, 10), (10, 4000)] {
            with_frame(width, height, |frame| {
                assert!(Gathered::new(LookSize::W320).plan(frame, Looks::Close) <= MAX_LOOKS);
            });
        }
    }

    #[test]
    fn a_face_cut_by_a_look_is_left_to_the_others() {
        with_frame(640, 480, |frame| {
            let mut gathered = Gathered::new(LookSize::W320);
            gathered.plan(frame, Looks::Close);
            // The first part is 400 × 300 pixels at the top left.
            let cut = Rect::new(350.0, 100.0, 399.0, 160.0);
            let at_the_frame_edge = Rect::new(-5.0, 100.0, 45.0, 160.0);
            gathered.add(0, &found(&[(at_the_frame_edge, 0.7)]), frame);
            gathered.add(1, &found(&[(cut, 0.9), (at_the_frame_edge, 0.8)]), frame);
            let faces = gathered.faces(frame, 0.5);
            assert_eq!(faces.len(), 1);
            assert_eq!(faces[0].bounds, at_the_frame_edge);
        });
    }

    #[test]
    fn looks_that_show_a_face_clearly_agree_on_its_score() {
        with_frame(640, 480, |frame| {
            let mut gathered = Gathered::new(LookSize::W320);
            gathered.plan(frame, Looks::Close);
            let large = Rect::new(20.0, 20.0, 70.0, 90.0);
            let small = Rect::new(100.0, 100.0, 120.0, 126.0);
            gathered.add(0, &found(&[(large, 0.6)]), frame);
            gathered.add(1, &found(&[(large, 0.8), (small, 0.7)]), frame);
            let faces = gathered.faces(frame, 0.5);
            // The small one is 13 pixels high in the first look, which therefore has no say.
            assert!((faces[0].score - sigmoid((logit(0.6) + logit(0.8)) / 2.0)).abs() < 1e-6);
            assert!((faces[1].score - 0.7).abs() < 1e-6);
            assert_eq!((faces[0].bounds, faces[1].bounds), (large, small));

            gathered.plan(frame, Looks::Close);
            gathered.add(1, &found(&[(large, 0.6)]), frame);
            assert!(
                gathered.faces(frame, 0.5).is_empty(),
                "the whole frame shows it as well, and none is found"
            );
        });
    }
}
