//! The networks that maskbell ships, against LiteRT's reference kernels: see `truth/make.py --shipped`.

use std::fs;

use clapper::{Kernels, Network, Options, Pool};

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
