//! What `fuzz/` reaches of this module.  Compiled for it alone.

use heapless::Vec;

use super::faces::{self, MAX_CANDIDATES, STRIDES};
use super::mouth::{self, Answer, CELLS, CLASSES, PARTS, SIDE};
use super::resample::{Resampler, View};
use super::size::LookSize;
use crate::frame::{Frame, PixelFormat};
use crate::runtime::{Quantization, Tensor};

/// Faces of a frame that are cropped.
const MAX_CROPS: usize = 2;

/// What networks say: `values`, over and over, as each of their outputs.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Stored values.
    pub values: &'a [u8],
    /// Of the scores.
    pub scores: Quantization,
    /// Of the boxes.
    pub boxes: Quantization,
}

/// Decodes what the networks say about a frame of `width` × `height` pixels, from the face network's scores and boxes
/// to mouth and nose of each face.
///
/// # Panics
///
/// If a face, a mouth or a nose is none: that is what is looked for.
pub fn decoded((width, height): (usize, usize), threshold: f32, said: Said) {
    let mut values = said.values.iter().map(|&value| value as i8).cycle();
    let mut output = |length: usize| -> std::vec::Vec<i8> { values.by_ref().take(length).collect() };
    if said.values.is_empty() {
        return;
    }
    let data = vec![0; width * height];
    let frame = Frame::new(&data, PixelFormat::Grey, width, height, width, Default::default()).unwrap();
    let (look_width, look_height) = (LookSize::W320.width(), LookSize::W320.height());
    let view = View::whole(&frame, look_width, look_height);
    let mut candidates = Vec::<_, MAX_CANDIDATES>::new();
    for stride in STRIDES {
        let cells = look_width.div_ceil(stride) * look_height.div_ceil(stride);
        let (scores, boxes) = (output(cells), output(cells * 4));
        let scores = Tensor { values: &scores, quantization: said.scores };
        let boxes = Tensor { values: &boxes, quantization: said.boxes };
        faces::decode(scores, boxes, look_width, stride, threshold, &mut candidates);
    }
    let found = faces::in_frame(&mut candidates, view, &frame);
    assert!(found.is_sorted_by(|better, worse| better.score >= worse.score));
    for face in &found {
        let (x, y) = face.bounds.centre();
        assert!((0.0..width as f32).contains(&x) && (0.0..height as f32).contains(&y), "{face:?}");
        assert!((0.0..=1.0).contains(&face.score), "{face:?}");
    }
    let (scores, boxes) = (output(CELLS * CELLS * CLASSES), output(CELLS * CELLS * PARTS * 4));
    let scores = Tensor { values: &scores, quantization: said.scores };
    let boxes = Tensor { values: &boxes, quantization: said.boxes };
    let mut input = [0; SIDE * SIDE * 3];
    let mut resampler = Resampler::new(SIDE, SIDE);
    // Crops take the most time, and a few are as good as all.
    for face in found.iter().take(MAX_CROPS) {
        let view = mouth::crop(&face.bounds);
        resampler.fill(&frame, view, &mut input);
        let Answer { mouth, nose, presence } = mouth::decode(scores, boxes, view);
        for score in [mouth.score, nose.score, presence] {
            assert!((0.0..=1.0).contains(&score), "{score}");
        }
    }
}

/// Brings what a view shows of `frame` to an input of 32 × 24 pixels; `left`, `top` and `scale` as in [`View`].
pub fn resampled(frame: &Frame, left: f32, top: f32, scale: f32) {
    Resampler::new(32, 24).fill(frame, View { left, top, scale }, &mut [0; 32 * 24 * 3]);
}
