//! Networks in memory that is lent: the same bits as in memory of their own, nothing beyond what they say they need, and the
//! next network in the same memory.

use std::fs;

use clapper::{Error, Kernels, Network, NetworkIn, Options};

const CASES: [&str; 7] = [
    "add",
    "convolution_3x3",
    "depthwise_3x3",
    "depthwise_5x5",
    "fully_connected",
    "mean",
    "resized_pyramid",
];

fn fill(network: &mut NetworkIn<'_>) {
    for index in 0..network.inputs().len() {
        for (at, value) in network.input_mut(index).iter_mut().enumerate() {
            *value = (at * 37 + index * 11) as i8;
        }
    }
}

fn outputs(network: &NetworkIn<'_>) -> Vec<Vec<i8>> {
    (0..network.outputs().len()).map(|index| network.output(index).to_vec()).collect()
}

#[test]
fn lent_memory_gives_the_same_bits() {
    // Not clean: whoever had it before has left something.
    let mut memory = vec![0xa5; 1 << 16];
    for name in CASES {
        let file = fs::read(format!("truth/cases/{name}.tflite")).unwrap();
        for kernels in Kernels::ALL.into_iter().filter(|kernels| kernels.available()) {
            let options = Options { kernels, ..Options::default() };
            let mut own = Network::load_with(&file, &options).unwrap();
            let needed = own.arena_bytes();
            // At any address.
            for shift in [0, 1, 63] {
                memory[shift + needed..].fill(0xa5);
                // More than it needs.
                let mut lent = Network::load_in(&file, &options, &mut memory[shift..]).unwrap();
                assert_eq!(lent.arena_bytes(), needed, "{name}");
                // The second run finds what the first has left.
                for _ in 0..2 {
                    fill(&mut own);
                    fill(&mut lent);
                    own.run();
                    lent.run();
                    assert_eq!(outputs(&lent), outputs(&own), "{name} with {kernels:?}");
                }
                drop(lent);
                let behind = &memory[shift + needed..];
                assert!(behind.iter().all(|&byte| byte == 0xa5), "{name}: wrote beyond what it needs");
            }
        }
    }
}

#[test]
fn too_little_memory_is_refused_with_what_is_needed() {
    let file = fs::read("truth/cases/convolution_3x3.tflite").unwrap();
    let options = Options::default();
    let needed = Network::load_with(&file, &options).unwrap().arena_bytes();
    let mut memory = vec![0; needed];
    for given in [0, 1, needed - 1] {
        let error = Network::load_in(&file, &options, &mut memory[..given]).unwrap_err();
        assert_eq!(error, Error::Memory { needed, given });
        assert!(error.to_string().contains(&format!("needs {needed} bytes")), "{error}");
    }
    assert!(Network::load_in(&file, &options, &mut memory).is_ok());
}

#[test]
fn portable_kernels_read_weights_where_they_lie() {
    let file = fs::read("truth/cases/fully_connected.tflite").unwrap();
    let options = Options { kernels: Kernels::Portable, ..Options::default() };
    let own = Network::load_with(&file, &options).unwrap();
    let mut memory = vec![0; own.arena_bytes()];
    let lent = Network::load_in(&file, &options, &mut memory).unwrap();
    // 48 × 10 weights.
    assert_eq!(own.weight_bytes() - lent.weight_bytes(), 480);
}
