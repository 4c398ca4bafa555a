//! maskbell: a friendly mask reminder for an entrance.
#![deny(missing_docs)]

pub mod board;
pub mod camera;
#[cfg(feature = "desk")]
pub mod desk;
pub mod frame;
pub mod geometry;
pub mod memory;
pub mod policy;
pub mod runtime;
pub mod signal;
pub mod vision;
pub mod watch;
