//! Is there a mouth, is there a nose, is there a face at all: the second network.
//!
//! A grid in the manner of tiny YOLO over a square crop around a face: each cell has a score (a logit) for a mouth, for a
//! nose and for a face, and for mouth and nose a box coded as in [`super::faces`].  A mask worn well leaves both without
//! an answer; what the first network took for a face by mistake leaves all three without.

use super::resample::{Resampler, View};
use super::sigmoid;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::runtime::{Contract, Network, Pool, RuntimeError, Tensor};

/// The bytes of the mouth model.
const MODEL: &[u8] = include_bytes!("../../models/mouth.tflite");

/// Side of the mouth model's square input in pixels.
pub(super) const SIDE: usize = 96;

/// Input pixels between neighbouring cells.
const STRIDE: usize = 8;

/// Cells along each side.
pub(super) const CELLS: usize = SIDE / STRIDE;

/// Side of the crop as a multiple of the face box's longer side: detectors and annotators disagree about where a face
/// ends, and the chin must be in the picture.  The network is trained with the same number.
const CROP: f32 = 1.4;

/// What has a score: mouth, nose, face.
pub(super) const CLASSES: usize = 3;

/// What has a box as well: mouth, nose.
pub(super) const PARTS: usize = 2;

static CONTRACT: Contract = Contract {
    name: "mouth",
    input: [1, SIDE, SIDE, 3],
    resizable: false,
    outputs: &[[1, CELLS, CELLS, CLASSES], [1, CELLS, CELLS, PARTS * 4]],
};

/// A mouth or a nose, where it is seen most clearly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    /// How sure the network is that it can be seen, 0 to 1.
    pub(super) score: f32,
    /// Where, in pixels of the frame; means little for a low score.
    pub(super) bounds: Rect,
}

impl Part {
    /// Where it is, if its score reaches `threshold`.
    pub(super) fn seen(&self, threshold: f32) -> Option<Rect> {
        (self.score >= threshold).then_some(self.bounds)
    }
}

/// What the network says of a crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) mouth: Part,
    pub(super) nose: Part,
    /// How sure the network is that this is a face at all, 0 to 1.
    pub(super) presence: f32,
}

/// Looks for mouth and nose in faces.
#[derive(Debug)]
pub(super) struct MouthFinder {
    network: Network,
    resampler: Resampler,
}

impl MouthFinder {
    /// Loads the network, for at most `threads` threads.
    pub(super) fn new(threads: usize) -> Result<Self, RuntimeError> {
        Ok(Self { network: Network::load(&CONTRACT, MODEL, threads)?, resampler: Resampler::new(SIDE, SIDE) })
    }

    /// Mouth and nose of the face at `face`, in pixels of `frame`, on a pool's threads or on this one.
    pub(super) fn find(
        &mut self,
        frame: &Frame,
        face: &Rect,
        pool: Option<&mut Pool>,
    ) -> Result<Answer, RuntimeError> {
        let view = crop(face);
        self.resampler.fill(frame, view, self.network.input());
        match pool {
            Some(pool) => self.network.run_on(pool)?,
            None => self.network.run()?,
        }
        Ok(decode(self.network.output(0), self.network.output(1), view))
    }
}

/// [`MouthFinder::find`] as a pool does it, piece after piece.
#[cfg(feature = "ledger")]
impl MouthFinder {
    /// `observe` hears the number of the operation (0 is the crop) and that of the piece when each is done.
    pub(super) fn run_in_turn(
        &mut self,
        frame: &Frame,
        face: &Rect,
        threads: usize,
        mut observe: impl FnMut(usize, usize),
    ) -> Result<(), RuntimeError> {
        self.resampler.fill(frame, crop(face), self.network.input());
        observe(0, 0);
        self.network.run_in_turn(threads, |operation, piece| observe(operation + 1, piece))
    }
}

/// Mouth, nose and face in the cells where their scores are best, in pixels of the frame.
pub(super) fn decode(scores: Tensor, boxes: Tensor, view: View) -> Answer {
    let best = |class: usize| {
        let of_class = scores.values.iter().skip(class).step_by(CLASSES);
        let (cell, &best) =
            of_class.enumerate().max_by_key(|&(_, score)| score).expect("the grid's size is checked");
        (cell, sigmoid(scores.quantization.real(best)))
    };
    let part = |class: usize| {
        let (cell, score) = best(class);
        let code = &boxes.values[(cell * PARTS + class) * 4..][..4];
        let [x, y, width, height] = std::array::from_fn(|part| boxes.quantization.real(code[part]));
        let pixels = STRIDE as f32 * view.scale;
        Part {
            score,
            bounds: Rect::centred(
                view.left + ((cell % CELLS) as f32 + x) * pixels,
                view.top + ((cell / CELLS) as f32 + y) * pixels,
                width.exp() * pixels,
                height.exp() * pixels,
            ),
        }
    };
    Answer { mouth: part(0), nose: part(1), presence: best(2).1 }
}

/// The square around a face that the network looks at.
pub(super) fn crop(face: &Rect) -> View {
    let (x, y) = face.centre();
    let side = CROP * face.width().max(face.height());
    View { left: x - side / 2.0, top: y - side / 2.0, scale: side / SIDE as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Quantization;

    #[test]
    fn each_class_answers_by_its_best_cell() {
        let mut scores = vec![-40; CELLS * CELLS * CLASSES];
        let mut boxes = vec![0; CELLS * CELLS * PARTS * 4];
        let (mouth, nose, face) = (8 * CELLS + 6, 5 * CELLS + 7, 3);
        scores[mouth * CLASSES] = 10;
        scores[nose * CLASSES + 1] = 20;
        scores[face * CLASSES + 2] = 30;
        boxes[(nose * PARTS + 1) * 4..][..4].copy_from_slice(&[5, 2, 7, 0]);
        let tensor = |values| Tensor { values, quantization: Quantization { scale: 0.1, zero_point: 0 } };
        let view = View { left: 100.0, top: 50.0, scale: 0.5 };
        let answer = decode(tensor(&scores), tensor(&boxes), view);
        let scores = [answer.mouth.score, answer.nose.score, answer.presence];
        for (score, logit) in scores.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((score - sigmoid(logit)).abs() < 1e-6, "{answer:?}");
        }
        assert_eq!(answer.mouth.bounds, Rect::centred(124.0, 82.0, 4.0, 4.0));
        let (x, y) = answer.nose.bounds.centre();
        assert!((x - 130.0).abs() < 1e-4 && (y - 70.8).abs() < 1e-4, "{answer:?}");
        assert!((answer.nose.bounds.width() - 4.0 * 0.7f32.exp()).abs() < 1e-4);
    }

    #[test]
    fn the_crop_is_a_square_around_the_face() {
        let view = crop(&Rect::new(100.0, 200.0, 140.0, 260.0));
        let side = view.scale * SIDE as f32;
        assert!((side - 84.0).abs() < 1e-4);
        assert!((view.left + side / 2.0 - 120.0).abs() < 1e-4);
        assert!((view.top + side / 2.0 - 230.0).abs() < 1e-4);
    }
}
