//! Networks of each operation against LiteRT's reference kernels, whose answers `truth/make.py` has stored.
//!
//! But `FULLY_CONNECTED`: its reference kernel rounds a product that lies half between two stored values away from 0,
//! unlike that of `CONV_2D` and unlike LiteRT's built-in kernels of both, which round as gemmlowp does.  This executor does
//! so, too, for both, and `fully_connected_halves` holds it against the built-in kernels; from the reference kernel it
//! differs by a step in one value of a thousand or so.

use std::fs;
use std::path::{Path, PathBuf};

use clapper::{Element, Kernels, Network, Options};

/// Cases whose operation the quantisation specification leaves one step to: functions that the reference computes in
/// integers, and this executor in floating point or the other way round.
const ONE_STEP: [&str; 5] = ["hard_swish", "leaky_relu", "logistic", "mean", "softmax"];

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut models: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    models.sort();
    models
}

/// The rows and columns that a case is to be loaded for, if not its file's.
fn size(model: &Path) -> Option<[usize; 2]> {
    let text = fs::read_to_string(model.with_extension("size")).ok()?;
    let mut sides = text.split_whitespace().map(|side| side.parse().unwrap());
    Some([sides.next()?, sides.next()?])
}

/// Greatest difference in steps between a network's outputs and the stored ones.
fn difference(model: &Path, kernels: Kernels) -> i32 {
    let stored: Vec<i8> =
        fs::read(model.with_extension("bin")).unwrap().into_iter().map(|byte| byte as i8).collect();
    let options = Options { kernels, input: size(model), ..Options::default() };
    let mut network = Network::load_with(&fs::read(model).unwrap(), &options)
        .unwrap_or_else(|error| panic!("{}: {error}", model.display()));
    let mut rest = &stored[..];
    // Twice, because the second run finds what the first has left behind.
    for _ in 0..2 {
        rest = &stored;
        for index in 0..network.inputs().len() {
            let input = network.input_mut(index);
            let (now, later) = rest.split_at(input.len());
            input.copy_from_slice(now);
            rest = later;
        }
        network.run();
    }
    let mut most = 0;
    for index in 0..network.outputs().len() {
        let output = network.output(index);
        let (expected, later) = rest.split_at(output.len());
        rest = later;
        match network.outputs()[index].element {
            Element::Int8 => {
                for (&one, &other) in output.iter().zip(expected) {
                    most = most.max((i32::from(one) - i32::from(other)).abs());
                }
            }
            _ => assert_eq!(output, expected, "{}", model.display()),
        }
    }
    assert!(rest.is_empty(), "{}: the outputs are too short", model.display());
    most
}

#[test]
fn operations_agree_with_the_reference() {
    let models = cases(Path::new("truth/cases"));
    assert!(models.len() > 30, "{} cases", models.len());
    for model in models {
        let name = model.file_stem().unwrap().to_str().unwrap();
        let allowed = i32::from(ONE_STEP.contains(&name));
        for kernels in Kernels::ALL.into_iter().filter(|kernels| kernels.available()) {
            let difference = difference(&model, kernels);
            assert!(difference <= allowed, "{name} with {kernels:?} differs by {difference} steps");
        }
    }
}

/// Whole networks that `truth/make.py --large FOLDER` has made.
#[test]
#[ignore = "wants networks that are too large to be stored, in $CLAPPER_TRUTH"]
fn networks_agree_with_the_reference() {
    let folder = std::env::var_os("CLAPPER_TRUTH").expect("CLAPPER_TRUTH names their folder");
    let models = cases(Path::new(&folder));
    assert!(!models.is_empty());
    for model in models {
        for kernels in Kernels::ALL.into_iter().filter(|kernels| kernels.available()) {
            let difference = difference(&model, kernels);
            assert!(difference <= 1, "{} with {kernels:?} differs by {difference} steps", model.display());
        }
    }
}
