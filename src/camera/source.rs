//! What the loop asks of a camera, and what it gets.

use std::fmt;
use std::time::Duration;

use crate::camera::recording::OpenError;
use crate::camera::view::Blindness;
use crate::frame::Frame;
use crate::geometry::Rect;

/// What a source has to say when it is asked for a picture.
#[derive(Debug)]
pub enum Capture<'a> {
    /// The newest picture.
    Frame(Frame<'a>),
    /// No picture, and why; the source is already trying to recover and is to be asked again.
    Fault {
        /// What is wrong.
        fault: Fault,
        /// When it was noticed: time since the source was opened, in the source's own clock.
        at: Duration,
    },
    /// The recording is over.  A camera never ends.
    End,
}

/// Why there is no picture at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No capture device is there, or it has been unplugged.
    NoCamera,
    /// A camera is there, but it sends nothing, or nothing that can be shown.
    NoFrames,
    /// One picture was broken; the next may be fine.
    BadFrame,
    /// Pictures come, and show nothing.
    NoView(Blindness),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCamera => {
                f.write_str("no camera: plug in a USB camera, or see to the ribbon of the Pi's own")
            }
            Self::NoFrames => {
                f.write_str("the camera sends no pictures: check its cable, or plug it in again")
            }
            Self::BadFrame => f.write_str("one picture was cut short or broken, and left out"),
            Self::NoView(why) => why.fmt(f),
        }
    }
}

/// Where pictures come from: a camera, a recording, a folder.
pub trait Source {
    /// Waits for a picture newer than the last one and returns the newest.
    ///
    /// Waits for 2 seconds at most, besides what a driver takes to be listed and started, and returns a
    /// [`Capture::Fault`] when there is none: the caller feeds a watchdog.  A camera or a clip allocates nothing once the
    /// first frame has been delivered, as long as it stays the same; pictures are loaded one by one.
    fn next(&mut self) -> Capture<'_>;

    /// Hears where faces are in the frame that it gave last, in pixels of it as it is stored: a camera may expose for them.
    fn attend(&mut self, _faces: &[Rect]) {}

    /// Whether pictures come from a sensor.  A recording may hold a still, or what was dark, and is no fault.
    fn is_live(&self) -> bool {
        false
    }

    /// Why a recording ended before its end; a camera, which never ends, has nothing to say.
    fn take_error(&mut self) -> Option<OpenError> {
        None
    }
}
