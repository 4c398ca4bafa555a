//! Networks that are loaded for another input than their file's: what follows, and what is refused by name.

use std::fs;

use clapper::{Error, Network, Options};

fn load(name: &str, rows: usize, columns: usize) -> Result<Network, Error> {
    let bytes = fs::read(format!("truth/cases/{name}.tflite")).unwrap();
    Network::load_with(&bytes, &Options { input: Some([rows, columns]), ..Options::default() })
}

#[test]
fn outputs_follow_the_input() {
    for (name, rows, columns, expected) in [
        ("convolution_1x1", 5, 7, [1, 5, 7, 21]),
        ("convolution_3x3_stride_2", 26, 3, [1, 13, 2, 16]),
        ("convolution_5x3_valid", 9, 13, [1, 5, 9, 7]),
        ("depthwise_3x3_valid", 30, 3, [2, 28, 1, 16]),
        ("max_pool", 7, 6, [1, 4, 3, 6]),
        ("average_pool", 1, 1, [1, 1, 1, 6]),
        ("pad", 20, 30, [1, 23, 33, 7]),
        ("mean", 40, 1, [1, 1, 1, 6]),
        ("nearest", 9, 11, [1, 18, 20, 6]),
        ("logistic", 2, 2, [1, 2, 2, 6]),
    ] {
        let mut network = load(name, rows, columns).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(network.inputs()[0].shape[1..3], [rows, columns]);
        assert_eq!(network.outputs()[0].shape, expected, "{name}");
        network.run();
    }
}

#[test]
fn the_size_of_the_file_is_taken_even_by_what_cannot_follow() {
    assert!(load("reshape", 9, 11).is_ok());
    assert!(load("nearest_half_pixels", 9, 11).is_ok());
}

#[test]
fn what_cannot_follow_is_refused_by_name() {
    for (name, operation, problem) in [
        ("reshape", "RESHAPE", "fixes how many values it takes"),
        // Of 9 × 11 it makes 18 × 20, which is twice as many rows, but columns?
        ("nearest", "RESIZE_NEAREST_NEIGHBOR", "makes 20 rows or columns of 11"),
        ("bilinear_half_pixels", "RESIZE_BILINEAR", "makes 7 rows or columns of 9"),
    ] {
        let error = load(name, 12, 12).unwrap_err();
        let Error::Unsupported { operator: 0, name: refused, .. } = error else { panic!("{name}: {error}") };
        assert_eq!(refused, operation);
        assert!(error.to_string().contains(problem), "{error}");
    }
    // A window that no longer fits.
    let error = load("convolution_5x3_valid", 4, 13).unwrap_err();
    assert!(error.to_string().contains("CONV_2D: a window of [5, 5] does not fit"), "{error}");
}

#[test]
fn inputs_that_cannot_be_are_refused() {
    for (name, rows, columns, problem) in [
        ("add", 9, 12, "2 inputs"),
        ("softmax", 4, 12, "2 dimensions"),
        ("relu", 0, 12, "1 to 65535"),
        ("relu", 9, 1 << 16, "1 to 65535"),
        ("relu", 9, usize::MAX, "1 to 65535"),
    ] {
        let error = load(name, rows, columns).unwrap_err();
        assert!(matches!(error, Error::InputSize { .. }), "{error}");
        assert!(error.to_string().contains(problem), "{error}");
    }
    for name in ["relu", "convolution_1x1", "depthwise_multiplier", "pad", "resized_pyramid"] {
        let error = load(name, 65535, 65535).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}
