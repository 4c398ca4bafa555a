//! Damaged files: none may make the loader or a run panic, and what is refused is refused by name.

use std::fs;

use clapper::{Error, Network, Options};
use proptest::prelude::*;

/// Cases with several tensors and options, with lists, with constants and with windows.
const CASES: [&str; 6] = [
    "convolution_3x3",
    "depthwise_3x3_stride_2",
    "concatenation_rows",
    "bilinear_corners",
    "max_pool",
    "resized_pyramid",
];

fn case(name: &str) -> Vec<u8> {
    fs::read(format!("truth/cases/{name}.tflite")).unwrap()
}

/// Loads, with the file's size and with another, and, if that works, runs.
fn try_out(bytes: &[u8]) {
    for input in [None, Some([14, 10])] {
        if let Ok(mut network) = Network::load_with(bytes, &Options { input, ..Options::default() }) {
            // A changed shape can ask for much work, which is no fault of the reader.
            if network.arena_bytes() < 1 << 16 {
                network.run();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_change_of_a_few_bytes_makes_it_panic(
        name in prop::sample::select(&CASES[..]),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(1), Just(127), Just(255)]),
            1..6,
        ),
    ) {
        let mut bytes = case(name);
        for (index, value) in changes {
            let length = bytes.len();
            bytes[index.index(length)] = value;
        }
        try_out(&bytes);
    }

    #[test]
    fn no_length_makes_it_panic(name in prop::sample::select(&CASES[..]), length in any::<prop::sample::Index>()) {
        let bytes = case(name);
        try_out(&bytes[..length.index(bytes.len())]);
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        try_out(&bytes);
        if let Some(identifier) = bytes.get_mut(4..8) {
            identifier.copy_from_slice(b"TFL3");
        }
        try_out(&bytes);
    }
}

#[test]
fn every_single_byte_may_be_anything_extreme() {
    for name in CASES {
        let mut bytes = case(name);
        for at in 0..bytes.len() {
            let before = bytes[at];
            for value in [0, 1, 128, 255, before ^ 1] {
                bytes[at] = value;
                try_out(&bytes);
            }
            bytes[at] = before;
        }
    }
}

#[test]
fn an_unknown_operation_or_version_is_refused_by_name() {
    // The kind of the only operation, LOGISTIC (14): its two fields and its version, as the converter writes them.
    let bytes = case("logistic");
    let mut seen = (false, false);
    for at in 0..bytes.len() {
        for value in [77, 9] {
            let mut changed = bytes.clone();
            changed[at] = value;
            match Network::load(&changed) {
                Err(Error::Operation { operator: 0, name }) => seen.0 |= name.contains("77"),
                Err(error @ Error::Version { operator: 0, name: "LOGISTIC", version: 9, known: 2 }) => {
                    let text = error.to_string();
                    assert!(text.contains("LOGISTIC version 9"), "{text}");
                    seen.1 = true;
                }
                _ => {}
            }
        }
    }
    assert_eq!(seen, (true, true));
}

#[test]
fn no_file_and_half_a_file_are_refused() {
    for bytes in [&[][..], b"no model", &[0; 4096], &case("add")[..200]] {
        let error = Network::load(bytes).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        assert!(error.to_string().contains("TensorFlow Lite file"), "{error}");
    }
}

/// As `truth/make.py --refused` has made them.
#[test]
fn networks_that_are_not_full_integer_are_refused_with_what_to_do() {
    for (name, texts) in [
        ("float32", &["CONV_2D", "float32, as in a float network", "TFLITE_BUILTINS_INT8"][..]),
        ("float16", &["float16", "TFLITE_BUILTINS_INT8"]),
        ("dynamic_range", &["CONV_2D", "input 0 is of type float32", "representative_dataset"]),
        ("graphs", &["3 graphs", "without control flow"]),
    ] {
        let bytes = fs::read(format!("truth/refused/{name}.tflite")).unwrap();
        let text = Network::load(&bytes).unwrap_err().to_string();
        for expected in texts {
            assert!(text.contains(expected), "{name}: {text}");
        }
    }
}
