//! The stages of a look one by one, for `ledger/` to count their instructions.  Compiled for it alone.

use super::faces::FaceFinder;
use super::mouth::{self, MouthFinder, SIDE};
use super::resample::Resampler;
use super::size::LookSize;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::runtime::RuntimeError;

/// The two networks and what is between them.
#[derive(Debug)]
pub struct Stages {
    faces: FaceFinder,
    mouths: MouthFinder,
    resampler: Resampler,
    crop: Vec<i8>,
    threads: usize,
}

impl Stages {
    /// Loads both networks, for looks of `size` on `threads` threads; faces count from `threshold` on.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a model file does not fit this program.
    pub fn new(threshold: f32, size: LookSize, threads: usize) -> Result<Self, RuntimeError> {
        Ok(Self {
            faces: FaceFinder::new(threshold, size, threads)?,
            mouths: MouthFinder::new(threads)?,
            threads,
            resampler: Resampler::new(SIDE, SIDE),
            crop: vec![0; SIDE * SIDE * 3],
        })
    }

    /// Brings the whole of `frame` to the face network's input.
    pub fn resample(&mut self, frame: &Frame) {
        self.faces.show_whole(frame);
    }

    /// Runs the face network.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`], which checked models do not return.
    pub fn face_network(&mut self) -> Result<(), RuntimeError> {
        self.faces.run()
    }

    /// Brings the whole of `frame` to the face network and runs it as the threads would, piece after piece on this one:
    /// `observe` hears the number of the operation and that of the piece when each is done.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`], which checked models do not return.
    pub fn faces_in_turn(
        &mut self,
        frame: &Frame,
        observe: impl FnMut(usize, usize),
    ) -> Result<(), RuntimeError> {
        self.faces.run_in_turn(frame, self.threads, observe)
    }

    /// The same for one face of `frame` and the mouth network.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`], which checked models do not return.
    pub fn mouth_in_turn(
        &mut self,
        frame: &Frame,
        face: &Rect,
        observe: impl FnMut(usize, usize),
    ) -> Result<(), RuntimeError> {
        self.mouths.run_in_turn(frame, face, self.threads, observe)
    }

    /// Decodes what the face network said of the whole of `frame`; gives the number of faces, and where it sees the first,
    /// which is what the mouth network's crop goes by.
    pub fn boxes(&mut self, frame: &Frame) -> (usize, Option<Rect>) {
        let found = self.faces.boxes(frame);
        (found.len(), found.first().map(|first| first.bounds))
    }

    /// Brings a face of `frame` to the size of the mouth network's input.
    pub fn crop(&mut self, frame: &Frame, face: &Rect) {
        self.resampler.fill(frame, mouth::crop(face), &mut self.crop);
    }

    /// The same, the mouth network, and what it says.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`], which checked models do not return.
    pub fn mouth(&mut self, frame: &Frame, face: &Rect) -> Result<(), RuntimeError> {
        self.mouths.find(frame, face, None).map(drop)
    }
}
