//! A small executor for full-integer TensorFlow Lite networks.
//!
//! It runs `.tflite` files whose tensors are int8, in fixed memory: all of it is taken when a network is loaded, and a run
//! allocates nothing.  It runs on the thread that calls it, or on those of a [`Pool`].  There is no C or C++ in it, nothing
//! to install, and no standard library is needed (`alloc` is).
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::read("truth/cases/convolution_3x3.tflite")?;
//! let mut network = clapper::Network::load(&file)?;
//! network.input_mut(0).fill(-128);
//! network.run();
//! let real = network.outputs()[0].quantization.unwrap().real(network.output(0)[0]);
//! # assert!(real.is_finite());
//! # Ok(())
//! # }
//! ```
//!
//! From a file to an answer:
//!
//! | part | does |
//! |---|---|
//! | `flatbuffer`, `model` | read the file, every offset checked; a damaged one is an [`Error`] |
//! | `operations` | check each operation and pack its weights; what is not known is refused by name |
//! | `operations::propagate` | give all tensors the shapes that another input makes, as [`Options`] ask |
//! | `plan` | place the tensors in one arena, so that those alive at the same time never overlap |
//! | `kernels` | the inner loops: portable Rust, and the same integers by AVX2, AVX-512, NEON |
//! | [`Network`] | runs them one after the other |
//! | [`Pool`] | threads for the ranges of rows that large operations are cut into |
//!
//! Several networks share a pool by taking turns ([`Network::run_on`]), or run side by side on its threads
//! ([`Pool::each`]), each on one.
//!
//! Results are those of TensorFlow Lite's reference kernels, bit for bit where the
//! [quantisation specification](https://ai.google.dev/edge/litert/models/quantization_spec) leaves no choice, and within
//! one step in `LOGISTIC`, `SOFTMAX`, `HARD_SWISH`, `LEAKY_RELU` and `MEAN`.  `FULLY_CONNECTED` rounds as `CONV_2D` does,
//! and so as TensorFlow Lite's built-in kernels, where its reference kernel rounds halves away from zero.
//!
//! # Features
//!
//! `std` (default): find the processor's vector instructions at run time, and [`Pool`].  Without it only those
//! instructions are used that the compiler was told to assume (`-C target-cpu`), and all is done on one thread.
#![no_std]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

/// The programs of README are compiled, and run where they can be.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bytes;
mod error;
mod flatbuffer;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, unused_variables, reason = "what only vector kernels want")
)]
mod kernels;
mod model;
mod network;
mod operations;
mod plan;
#[cfg(feature = "std")]
mod pool;
mod quantize;
mod team;

pub use error::Error;
pub use kernels::Kernels;
pub use model::{Element, Shape};
pub use network::{Network, NetworkIn, Options, TensorInfo};
#[cfg(feature = "std")]
pub use pool::Pool;
pub use quantize::Quantization;
