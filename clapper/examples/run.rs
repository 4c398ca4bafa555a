//! Runs a network on stored inputs, or again and again to measure it.
//!
//!     run MODEL INPUT OUTPUT [KERNELS]      all inputs, one after the other, from a file; all outputs to another
//!     run MODEL --repeat COUNT [KERNELS]    nanoseconds of the fastest of COUNT runs
//!     run MODEL --operations COUNT [KERNELS]    the same for each operation
//!
//! KERNELS is one of the names that `--repeat` prints; without it the best are taken.

use std::time::{Duration, Instant};

use clapper::{Kernels, Network};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rest @ ..] = &*arguments else { return usage() };
    let bytes = std::fs::read(model).unwrap_or_else(|error| panic!("cannot read {model}: {error}"));
    let kernels = rest.get(2).map_or_else(Kernels::best, |name| {
        let found =
            Kernels::ALL.into_iter().find(|kernels| format!("{kernels:?}") == *name && kernels.available());
        found.unwrap_or_else(|| panic!("kernels {name} are not known or not available here"))
    });
    let mut network =
        Network::load_for(&bytes, kernels).unwrap_or_else(|error| panic!("cannot load {model}: {error}"));
    match rest {
        [mode, count, ..] if mode == "--repeat" => repeat(&mut network, count.parse().expect("a count")),
        [mode, count, ..] if mode == "--operations" => {
            operations(&mut network, count.parse().expect("a count"));
        }
        [input, output, ..] => {
            let input = std::fs::read(input).unwrap_or_else(|error| panic!("cannot read {input}: {error}"));
            let mut input = input.iter().map(|&byte| byte as i8);
            for index in 0..network.inputs().len() {
                network
                    .input_mut(index)
                    .fill_with(|| input.next().expect("an input file as long as the inputs"));
            }
            network.run();
            let outputs = 0..network.outputs().len();
            let bytes: Vec<u8> = outputs
                .flat_map(|index| network.output(index).iter().map(|&value| value as u8).collect::<Vec<_>>())
                .collect();
            std::fs::write(output, bytes).unwrap_or_else(|error| panic!("cannot write {output}: {error}"));
        }
        _ => usage(),
    }
}

fn usage() {
    eprintln!(
        "run MODEL INPUT OUTPUT [KERNELS] | run MODEL --repeat COUNT [KERNELS] | run MODEL --operations COUNT [KERNELS]"
    );
    std::process::exit(2);
}

fn fill(network: &mut Network) {
    for index in 0..network.inputs().len() {
        for (at, value) in network.input_mut(index).iter_mut().enumerate() {
            *value = (at.wrapping_mul(2_654_435_761) >> 7) as i8;
        }
    }
}

fn repeat(network: &mut Network, count: u32) {
    let mut best = Duration::MAX;
    fill(network);
    for _ in 0..count {
        let start = Instant::now();
        network.run();
        best = best.min(start.elapsed());
    }
    println!(
        "{:?}: {} ns, arena {} bytes, weights {} bytes",
        network.kernels(),
        best.as_nanos(),
        network.arena_bytes(),
        network.weight_bytes()
    );
}

fn operations(network: &mut Network, count: u32) {
    let mut best: Vec<(&str, Duration)> = Vec::new();
    fill(network);
    for _ in 0..count {
        // Instruction counters note each yield.
        std::thread::yield_now();
        let mut before = Instant::now();
        network.run_observed(|number, name| {
            std::thread::yield_now();
            let now = Instant::now();
            let time = now - before;
            match best.get_mut(number) {
                Some((_, best)) => *best = time.min(*best),
                None => best.push((name, time)),
            }
            before = Instant::now();
        });
    }
    for (number, (name, time)) in best.iter().enumerate() {
        println!("{number:3} {name:24} {:>9} ns", time.as_nanos());
    }
}
