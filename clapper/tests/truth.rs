//! Networks of each operation against LiteRT's reference kernels, whose answers `truth/make.py` has stored.
//!
//! But `FULLY_CONNECTED`: its reference kernel rounds a product that lies half between two stored values away from 0,
//! unlike that of `CONV_2D` and unlike LiteRT's built-in kernels of both, which round as gemmlowp does.  This executor does
//! so, too, for both, and `fully_connected_halves` holds it against the built-in kernels; from the reference kernel it
//! differs by a step in one value of a thousand or so.

use std::fs;
use std::path::{Path, PathBuf};

use clapper::{Element, Kernels, Network, Options, Pool};

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

/// 64-bit FNV-1a.
fn hash(values: &[i8]) -> u64 {
    values.iter().fold(0xcbf2_9ce4_8422_2325, |state, &value| {
        (state ^ u64::from(value as u8)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The pictures of `truth/make.py`.
fn draw(picture: usize, columns: usize, input: &mut [i8]) {
    for (at, value) in input.iter_mut().enumerate() {
        let stored = if picture == 0 {
            ((at as u64 * 2_654_435_761) as u32) >> 24
        } else {
            let (row, column, channel) = (at / (columns * 3), at / 3 % columns, at % 3);
            ((row * 3 + column * 2 + channel * 40) % 256) as u32
        };
        *value = (stored as i32 - 128) as i8;
    }
}

/// Both networks that maskbell ships, at the file's size and at others, bit for bit, by all kernels and by several
/// threads: against the hashes in `truth/shipped.txt`.
#[test]
fn shipped_networks_agree_with_the_reference_at_every_size() {
    let mut pool = Pool::new(3).unwrap();
    let text = fs::read_to_string("truth/shipped.txt").unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let number = |word: &str| word.parse::<usize>().unwrap();
    let mut seen = 0;
    for run in lines.chunk_by(|one, other| one[..4] == other[..4]) {
        let (name, size, picture) = (run[0][0], [number(run[0][1]), number(run[0][2])], number(run[0][3]));
        let file = fs::read(format!("../models/{name}.tflite")).unwrap();
        // The portable kernels are slow.
        let large = size[0] * size[1] > 320 * 240;
        let sets = Kernels::ALL.into_iter().filter(|kernels| kernels.available());
        for kernels in sets.filter(|&kernels| !(large && kernels == Kernels::Portable)) {
            let options = Options { kernels, input: Some(size), threads: pool.threads() };
            let mut network = Network::load_with(&file, &options).unwrap();
            for threads in [1, 3] {
                draw(picture, size[1], network.input_mut(0));
                if threads == 1 {
                    network.run();
                } else {
                    network.run_on(&mut pool);
                }
                for line in run {
                    let output = network.output(number(line[4]));
                    assert_eq!(output.len(), number(line[5]), "{line:?}: another length");
                    let hash = format!("{:016x}", hash(output));
                    assert_eq!(
                        hash, line[6],
                        "{line:?} with {kernels:?} and {threads} threads: if the network is new, run truth/make.py --shipped"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 2 * lines.len());
}
