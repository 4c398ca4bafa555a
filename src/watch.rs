//! The loop: frame → faces → reminder, again and again.
//!
//! A frame is taken when the work on the one before is done, so that slow networks lower the rate but never the
//! freshness.  Appliance and desk run the same loop and differ in what they do with each [`Turn`].
//!
//! The threads that share a look's work are waited for: one that hangs hangs the turn, and the watchdog, which turns feed,
//! goes hungry.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::camera::view::View;
use crate::camera::{Capture, Fault, Source};
use crate::frame::{Frame, Orientation};
use crate::geometry::Rect;
use crate::policy::{Call, Policy, Times};
use crate::runtime::RuntimeError;
use crate::vision::{self, Chosen, Faces, Looks, MAX_FACES, Vision};

/// What one turn of the loop brought.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    /// A frame was looked at.
    Seen {
        /// The frame, as it is to be seen.
        frame: &'a Frame<'a>,
        /// The faces in it.
        faces: &'a Faces,
        /// What to remind whom of now, if anything.
        call: Option<Call>,
        /// How long it took from the frame's arrival to here.
        took: Duration,
    },
    /// There was no frame to look at, or nothing to be seen in it; the source tries again.
    Blind {
        /// Why.
        fault: Fault,
        /// When, in the source's clock.
        at: Duration,
    },
}

/// Everything between a camera and a buzzer, made once before the first frame.
#[derive(Debug)]
pub struct Watch {
    vision: Vision,
    policy: Policy,
    view: View,
    orientation: Orientation,
    /// Where faces are in the last frame, as it is stored.
    stored: heapless::Vec<Rect, MAX_FACES>,
}

impl Watch {
    /// Loads the networks and chooses how large looks are.  `orientation` is what makes the source's pictures upright.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`] if a model file does not fit this program.
    pub fn new(
        options: &vision::Options,
        times: Times,
        orientation: Orientation,
    ) -> Result<Self, RuntimeError> {
        Ok(Self {
            vision: Vision::new(options)?,
            policy: Policy::new(times),
            view: View::new(),
            orientation,
            stored: heapless::Vec::new(),
        })
    }

    /// How frames are looked at.
    pub fn chosen(&self) -> Chosen {
        self.vision.chosen()
    }

    /// Looks at what `source` delivers and reports each turn, until the source ends or `report` breaks off.
    ///
    /// Allocates nothing from the second frame on.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`] if a network stops, which checked models do not.
    pub fn run(
        &mut self,
        source: &mut dyn Source,
        mut report: impl FnMut(Turn) -> ControlFlow<()>,
    ) -> Result<(), RuntimeError> {
        let is_live = source.is_live();
        loop {
            let flow = match source.next() {
                Capture::Frame(frame) => {
                    let arrived = Instant::now();
                    if is_live && let Some(why) = self.view.judge(&frame) {
                        let at = frame.captured_at();
                        if report(Turn::Blind { fault: Fault::NoView(why), at }).is_break() {
                            return Ok(());
                        }
                        continue;
                    }
                    let frame = frame.oriented(self.orientation);
                    let faces = self.vision.look(&frame, Looks::One)?;
                    let call = self.policy.observe(frame.captured_at(), &frame.bounds(), faces);
                    self.stored.clear();
                    self.stored.extend(faces.iter().map(|face| frame.stored(&face.bounds)));
                    let flow = report(Turn::Seen { frame: &frame, faces, call, took: arrived.elapsed() });
                    source.attend(&self.stored);
                    flow
                }
                Capture::Fault { fault, at } => {
                    if fault != Fault::BadFrame {
                        self.view.interrupt();
                    }
                    report(Turn::Blind { fault, at })
                }
                Capture::End => return Ok(()),
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }
}
