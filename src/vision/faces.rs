//! Where the faces are: the first network, box decoding and non-maximum suppression.
//!
//! The network is anchor-free, of [YuNet](https://doi.org/10.1007/s11633-023-1423-y)'s kind: at strides of 8, 16 and
//! 32 pixels each cell has one score (a logit) and one box, coded relative to the cell.

use heapless::Vec;

use super::looks::{Gathered, Looks};
use super::resample::{Resampler, View};
use super::size::LookSize;
use super::{MAX_FACES, logit, sigmoid};
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::runtime::{Contract, Network, Pool, RuntimeError, Tensor};

/// The bytes of the face model.
const MODEL: &[u8] = include_bytes!("../../models/face.tflite");

/// Input pixels between neighbouring cells of each output.
pub(super) const STRIDES: [usize; 3] = [8, 16, 32];

/// Score and box of each stride, by turns.
fn outputs(size: LookSize) -> [[usize; 4]; 2 * STRIDES.len()] {
    let (height, width) = (size.height(), size.width());
    let cells = |stride: usize, channels| [1, height.div_ceil(stride), width.div_ceil(stride), channels];
    std::array::from_fn(|at| cells(STRIDES[at / 2], [1, 4][at % 2]))
}

/// Most boxes kept before suppression: a face answers in up to about nine cells of each of two strides.
pub(super) const MAX_CANDIDATES: usize = MAX_FACES * 18;

/// Most parts of an input that are filled side by side: more threads than there are cores in a board have little to do.
const MOST_PARTS: usize = 8;

/// Boxes that overlap a better one by more than this (intersection over union) are the same face.
///
/// As the models were evaluated with; two people side by side in a crowd overlap less.
const SAME_FACE: f32 = 0.4;

/// A box with a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// In pixels of the frame.
    pub(super) bounds: Rect,
    /// How sure the network is, 0 to 1.
    pub(super) score: f32,
}

impl Candidate {
    /// Whether two boxes overlap so much that they show the same face.
    pub(super) fn is_same_face(&self, other: &Self) -> bool {
        self.bounds.overlap(&other.bounds) > SAME_FACE
    }
}

/// Candidates, best first.
pub(super) type Found = Vec<Candidate, MAX_FACES>;

/// Finds faces in frames.
#[derive(Debug)]
pub(super) struct FaceFinder {
    network: Network,
    /// One for each thread.
    resamplers: std::vec::Vec<Resampler>,
    size: LookSize,
    threshold: f32,
    candidates: Vec<Candidate, MAX_CANDIDATES>,
    gathered: Gathered,
}

impl FaceFinder {
    /// Loads the network for looks of `size`, on at most `threads` threads; faces below `threshold` (a score, 0 to 1) are
    /// not reported.
    pub(super) fn new(threshold: f32, size: LookSize, threads: usize) -> Result<Self, RuntimeError> {
        let (width, height) = (size.width(), size.height());
        let contract =
            Contract { name: "face", input: [1, height, width, 3], resizable: true, outputs: &outputs(size) };
        Ok(Self {
            network: Network::load(&contract, MODEL, threads)?,
            resamplers: (0..threads.clamp(1, MOST_PARTS)).map(|_| Resampler::new(width, height)).collect(),
            size,
            threshold,
            candidates: Vec::new(),
            gathered: Gathered::new(size),
        })
    }

    /// How large a look is.
    pub(super) fn size(&self) -> LookSize {
        self.size
    }

    /// The faces of `frame`, best first.
    pub(super) fn find(
        &mut self,
        frame: &Frame,
        looks: Looks,
        pool: &mut Pool,
    ) -> Result<Found, RuntimeError> {
        for look in 0..self.gathered.plan(frame, looks) {
            let found = self.look(frame, self.gathered.view(look), pool)?;
            self.gathered.add(look, &found, frame);
        }
        Ok(self.gathered.faces(frame, self.threshold))
    }

    /// The faces of one look, in pixels of the frame.
    fn look(&mut self, frame: &Frame, view: View, pool: &mut Pool) -> Result<Found, RuntimeError> {
        self.show(frame, view, pool);
        self.network.run_on(pool)?;
        Ok(self.found(frame, view))
    }

    /// Brings a look to the network's input.
    fn show(&mut self, frame: &Frame, view: View, pool: &mut Pool) {
        let (rows, mut parts) = self.parts();
        pool.each(&mut parts, |number, (resampler, part)| {
            #[cfg(feature = "fault-injection")]
            crate::fault_injection::piece();
            resampler.fill_rows(frame, view, number * rows, part);
        });
    }

    /// The input, cut for the threads, and the rows of a part.
    fn parts(&mut self) -> (usize, Vec<(&mut Resampler, &mut [i8]), MOST_PARTS>) {
        let rows = self.size.height().div_ceil(self.resamplers.len());
        let parts = self.network.input().chunks_mut(rows * self.size.width() * 3);
        (rows, self.resamplers.iter_mut().zip(parts).collect())
    }

    /// What the network says of a look, in pixels of the frame.
    fn found(&mut self, frame: &Frame, view: View) -> Found {
        self.candidates.clear();
        let least = self.gathered.least(self.threshold);
        for (at, stride) in STRIDES.into_iter().enumerate() {
            let (scores, boxes) = (self.network.output(2 * at), self.network.output(2 * at + 1));
            decode(scores, boxes, self.size.width(), stride, least, &mut self.candidates);
        }
        in_frame(&mut self.candidates, view, frame)
    }
}

/// [`FaceFinder::find`] with one look, step by step.
#[cfg(feature = "ledger")]
impl FaceFinder {
    pub(super) fn show_whole(&mut self, frame: &Frame) {
        self.gathered.plan(frame, Looks::One);
        self.resamplers[0].fill(frame, self.gathered.view(0), self.network.input());
    }

    pub(super) fn run(&mut self) -> Result<(), RuntimeError> {
        self.network.run()
    }

    /// The look and the network as a pool of `threads` threads does them, piece after piece: `observe` hears the number of
    /// the operation (0 is the look) and that of the piece when each is done.
    pub(super) fn run_in_turn(
        &mut self,
        frame: &Frame,
        threads: usize,
        mut observe: impl FnMut(usize, usize),
    ) -> Result<(), RuntimeError> {
        self.gathered.plan(frame, Looks::One);
        let view = self.gathered.view(0);
        let (rows, parts) = self.parts();
        for (number, (resampler, part)) in parts.into_iter().enumerate() {
            resampler.fill_rows(frame, view, number * rows, part);
            observe(0, number);
        }
        self.network.run_in_turn(threads, |operation, piece| observe(operation + 1, piece))
    }

    pub(super) fn boxes(&mut self, frame: &Frame) -> Found {
        let found = self.found(frame, self.gathered.view(0));
        self.gathered.add(0, &found, frame);
        self.gathered.faces(frame, self.threshold)
    }
}

/// Boxes of the cells of one stride whose score reaches `threshold`, in input pixels; the input is `width` pixels wide.
///
/// As YuNet codes them: the centre as an offset from the cell's corner in strides, width and height as the logarithm
/// of their size in strides.
pub(super) fn decode<const N: usize>(
    scores: Tensor,
    boxes: Tensor,
    width: usize,
    stride: usize,
    threshold: f32,
    candidates: &mut Vec<Candidate, N>,
) {
    let Some(least) = scores.quantization.at_least(logit(threshold)) else {
        return;
    };
    let columns = width.div_ceil(stride);
    let stride = stride as f32;
    for (at, (&score, code)) in scores.values.iter().zip(boxes.values.chunks_exact(4)).enumerate() {
        if score < least {
            continue;
        }
        let [x, y, width, height] = std::array::from_fn(|part| boxes.quantization.real(code[part]));
        let bounds = Rect::centred(
            ((at % columns) as f32 + x) * stride,
            ((at / columns) as f32 + y) * stride,
            width.exp() * stride,
            height.exp() * stride,
        );
        keep(Candidate { bounds, score: sigmoid(scores.quantization.real(score)) }, candidates);
    }
}

/// Adds a candidate; when there is no room, the worst goes.
fn keep<const N: usize>(candidate: Candidate, candidates: &mut Vec<Candidate, N>) {
    if let Err(candidate) = candidates.push(candidate)
        && let Some(worst) = candidates.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score))
        && worst.score < candidate.score
    {
        *worst = candidate;
    }
}

/// Greedy non-maximum suppression: the best box stays, boxes that show the same face go, and so on.
pub(super) fn suppress<const N: usize>(candidates: &mut Vec<Candidate, N>) -> Found {
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    let mut found = Found::new();
    for candidate in candidates {
        if !found.iter().any(|better| better.is_same_face(candidate)) && found.push(*candidate).is_err() {
            break;
        }
    }
    found
}

/// Candidates in input pixels as faces in frame pixels, best first.
pub(super) fn in_frame<const N: usize>(
    candidates: &mut Vec<Candidate, N>,
    view: View,
    frame: &Frame,
) -> Found {
    for candidate in &mut *candidates {
        candidate.bounds = to_frame(candidate.bounds, view);
    }
    // The input's grey margin holds no face; a comparison with NaN is false.
    let (width, height) = (frame.width() as f32, frame.height() as f32);
    candidates.retain(|candidate| {
        let (x, y) = candidate.bounds.centre();
        (0.0..width).contains(&x) && (0.0..height).contains(&y)
    });
    suppress(candidates)
}

/// From input pixels to frame pixels.
fn to_frame(bounds: Rect, view: View) -> Rect {
    Rect::new(
        view.left + bounds.left * view.scale,
        view.top + bounds.top * view.scale,
        view.left + bounds.right * view.scale,
        view.top + bounds.bottom * view.scale,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Quantization;

    const LOGITS: Quantization = Quantization { scale: 0.1, zero_point: 0 };

    fn candidate(left: f32, score: f32) -> Candidate {
        Candidate { bounds: Rect::new(left, 0.0, left + 10.0, 10.0), score }
    }

    #[test]
    fn a_cell_becomes_its_box() {
        let columns = 320 / 32;
        let mut scores = vec![-128; 8 * columns];
        let mut boxes = vec![0; scores.len() * 4];
        let cell = 2 * columns + 3;
        scores[cell] = 20;
        boxes[cell * 4..][..4].copy_from_slice(&[5, 10, 0, 7]);
        let mut found = Vec::<_, 4>::new();
        let tensor = |values| Tensor { values, quantization: LOGITS };
        decode(tensor(&scores), tensor(&boxes), 320, 32, 0.5, &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bounds.centre(), (3.5 * 32.0, 3.0 * 32.0));
        assert!((found[0].bounds.width() - 32.0).abs() < 1e-3);
        assert!((found[0].bounds.height() - 32.0 * 0.7f32.exp()).abs() < 1e-3);
        assert!((found[0].score - 1.0 / (1.0 + (-2.0f32).exp())).abs() < 1e-6);
    }

    #[test]
    fn the_threshold_is_inclusive_and_may_be_out_of_reach() {
        let tensor = |values| Tensor { values, quantization: LOGITS };
        for (threshold, expected) in [(0.5, 2), (0.501, 1), (0.999_999_9, 0), (1.0, 0), (0.0, 3)] {
            let mut found = Vec::<_, 4>::new();
            decode(tensor(&[0, 1, -1]), tensor(&[0; 12]), 320, 8, threshold, &mut found);
            assert_eq!(found.len(), expected, "{threshold}");
        }
    }

    #[test]
    fn the_best_of_overlapping_boxes_stays() {
        let mut all = Vec::<_, 4>::from_slice(&[
            candidate(1.0, 0.7),
            candidate(0.0, 0.9),
            candidate(20.0, 0.6),
            candidate(6.0, 0.8),
        ])
        .unwrap();
        let scores: std::vec::Vec<_> = suppress(&mut all).iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.9, 0.8, 0.6]);
    }

    #[test]
    fn a_full_list_keeps_the_best() {
        let mut all = Vec::<_, 2>::new();
        for score in [0.5, 0.9, 0.4, 0.7, 0.6] {
            keep(candidate(0.0, score), &mut all);
        }
        let mut scores = [all[0].score, all[1].score];
        scores.sort_by(f32::total_cmp);
        assert_eq!(scores, [0.7, 0.9]);
    }
}
