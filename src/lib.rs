//! maskbell: a friendly mask reminder for an entrance.
//!
//! A camera looks at who comes in. Two small int8 networks find faces and look at each for a mouth and a nose; who
//! shows either for long enough hears a short tone. The whole pipeline on one page:
//!
//! ```text
//! camera ── Frame ──▶ vision ── Faces (Verdict) ──▶ policy ── Reminder ──▶ signal
//! V4L2, recordings    face model, mouth model       tracks, belief, pauses buzzer, LED, terminal
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`camera`] | frames in: V4L2 cameras, pictures, motion JPEG; faults are states, not errors |
//! | [`frame`], [`geometry`] | the plain types that flow: pixels and boxes |
//! | [`vision`] | a frame to faces with verdicts |
//! | [`runtime`] | the networks' runtime behind one type |
//! | [`policy`] | verdicts over time to reminders: pure, no clock of its own |
//! | [`signal`] | melodies, buzzer, LED |
//! | [`board`] | what the machine is and where its pins are |
//! | [`config`] | `maskbell.toml` |
//! | [`watch`] | the loop that joins them |
//! | [`memory`] | the heap, counted, and an arena for the one guest that allocates |
//! | [`version`] | which maskbell this is |
//! | [`attendant`] | acts on what the loop brings |
//! | [`appliance`] | the role on the card |
//! | `desk` | the roles on a PC (feature `desk`) |
//!
//! From the second frame on the loop allocates nothing; `tests/fixed_memory` proves it.
#![deny(missing_docs)]

pub mod appliance;
pub mod attendant;
pub mod board;
pub mod camera;
pub mod config;
#[cfg(feature = "desk")]
pub mod desk;
#[cfg(feature = "fault-injection")]
pub mod fault_injection;
pub mod frame;
pub mod geometry;
pub mod memory;
pub mod policy;
pub mod runtime;
pub mod signal;
pub mod version;
pub mod vision;
pub mod watch;
