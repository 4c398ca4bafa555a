//! clapper
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod error;
mod flatbuffer;
mod kernels;
mod model;
mod network;
mod operations;
mod plan;
mod quantize;

pub use error::Error;
pub use kernels::Kernels;
pub use model::{Element, Shape};
pub use network::{Network, TensorInfo};
pub use quantize::Quantization;
