//! The camera's code against drivers that refuse, lie, damage, fall silent and go away.
//!
//! Nothing here needs a camera or waits: this program answers the system calls itself, in a time of its own.
#![cfg(all(target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod calls;
mod camera;
mod controller;
mod journal;
mod machine;
mod pi_5;
mod ribbon;
