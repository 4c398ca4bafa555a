//! Frames in: the source side of the loop.
//!
//! A [`Source`] hands out one [`Capture`] a call.  Whatever goes wrong with a camera (none there, unplugged, silent,
//! broken data, another one in its place) is a state that the source reports and recovers from on its own; only the
//! end of a recording ends the loop.

mod attempts;
pub mod exposure;
pub mod jpeg;
mod markers;
mod metering;
pub mod mjpeg;
mod negotiate;
#[cfg(feature = "desk")]
mod open;
#[cfg(feature = "desk")]
pub mod pictures;
mod recording;
mod ribbon;
pub mod sensor;
mod source;
pub mod v4l2;
pub mod view;

#[cfg(feature = "desk")]
pub(crate) use open::is_motion_jpeg;
#[cfg(feature = "desk")]
pub use open::open_recording;
#[cfg(feature = "desk")]
pub(crate) use recording::is_clip_name;
pub use recording::{DEFAULT_RATE, OpenError, Pace};
pub use source::{Capture, Fault, Source};
