//! Any bytes as a `.tflite` file: refused, or run within its memory, with the same result by vector instructions as without.
#![no_main]

use clapper::{Element, Kernels, Network};
use libfuzzer_sys::fuzz_target;

// A sum that overflows is a fault here, and no fault in the program that ships: cargo-fuzz checks for both.
const _: () =
    assert!(cfg!(debug_assertions), "the fuzz targets are to be built with checks, as cargo-fuzz does");

/// Larger ones take long, which is no fault of the reader.
const MAX_ARENA_BYTES: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Some(best) = outputs(bytes, Kernels::best()) else { return };
    assert_eq!(Some(best), outputs(bytes, Kernels::Portable));
});

/// What the network says with these kernels; `None` if it is refused or large.
fn outputs(bytes: &[u8], kernels: Kernels) -> Option<Vec<Vec<i8>>> {
    let mut network = Network::load_for(bytes, kernels).ok()?;
    if network.arena_bytes() > MAX_ARENA_BYTES {
        return None;
    }
    for at in 0..network.inputs().len() {
        if network.inputs()[at].element == Element::Int8 {
            let pattern = bytes.iter().map(|&byte| byte as i8).cycle();
            network.input_mut(at).iter_mut().zip(pattern).for_each(|(to, from)| *to = from);
        }
    }
    network.run();
    Some((0..network.outputs().len()).map(|at| network.output(at).to_vec()).collect())
}
