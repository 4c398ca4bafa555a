//! Runs a network on stored inputs, or again and again to measure it.
//!
//!     run MODEL INPUT OUTPUT [OPTION…]       all inputs, one after the other, from a file; all outputs to another
//!     run MODEL --repeat COUNT [OPTION…]     nanoseconds of the fastest of COUNT runs
//!     run MODEL --operations COUNT [OPTION…] the same for each operation
//!     run MODEL --in-turn COUNT [OPTION…]    the same for each piece of each operation, as --threads cuts it, on one thread
//!
//! Options: `--kernels NAME` (as `--repeat` prints it; the best by default), `--size ROWSxCOLUMNS` (the file's by default),
//! `--threads COUNT` (1 by default).

use std::time::{Duration, Instant};

use clapper::{Kernels, Network, Options, Pool};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, one, other, rest @ ..] = &*arguments else { return usage() };
    let bytes = std::fs::read(model).unwrap_or_else(|error| panic!("cannot read {model}: {error}"));
    let mut options = Options::default();
    for pair in rest.chunks(2) {
        let [name, value] = pair else { return usage() };
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
        match &**name {
            "--kernels" => {
                let named = |kernels: &Kernels| format!("{kernels:?}") == *value && kernels.available();
                let found = Kernels::ALL.into_iter().find(named);
                options.kernels =
                    found.unwrap_or_else(|| panic!("kernels {value} are not known or not available here"));
            }
            "--size" => {
                let (rows, columns) = value.split_once('x').expect("a size such as 240x320");
                options.input = Some([number(rows), number(columns)]);
            }
            "--threads" => options.threads = number(value),
            _ => return usage(),
        }
    }
    let mut network =
        Network::load_with(&bytes, &options).unwrap_or_else(|error| panic!("cannot load {model}: {error}"));
    let mut pool = Pool::new(options.threads).unwrap_or_else(|error| panic!("{error}"));
    let count = || other.parse().expect("a count");
    match &**one {
        "--repeat" => repeat(&mut network, &mut pool, count()),
        "--operations" => operations(&mut network, count()),
        "--in-turn" => in_turn(&mut network, options.threads, count()),
        input => {
            let input = std::fs::read(input).unwrap_or_else(|error| panic!("cannot read {input}: {error}"));
            let mut input = input.iter().map(|&byte| byte as i8);
            for index in 0..network.inputs().len() {
                network
                    .input_mut(index)
                    .fill_with(|| input.next().expect("an input file as long as the inputs"));
            }
            network.run_on(&mut pool);
            let outputs = 0..network.outputs().len();
            let bytes: Vec<u8> = outputs
                .flat_map(|index| network.output(index).iter().map(|&value| value as u8).collect::<Vec<_>>())
                .collect();
            std::fs::write(other, bytes).unwrap_or_else(|error| panic!("cannot write {other}: {error}"));
        }
    }
}

fn usage() {
    eprintln!(
        "run MODEL INPUT OUTPUT | --repeat COUNT | --operations COUNT | --in-turn COUNT \
         [--kernels NAME] [--size ROWSxCOLUMNS] [--threads COUNT]"
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

fn repeat(network: &mut Network, pool: &mut Pool, count: u32) {
    let mut best = Duration::MAX;
    fill(network);
    for _ in 0..count {
        let start = Instant::now();
        if pool.threads() == 1 {
            network.run();
        } else {
            network.run_on(pool);
        }
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
    let mut best = Best::default();
    fill(network);
    for _ in 0..count {
        let mut lap = best.start();
        network.run_observed(|number, name| lap.next(number, name, 0));
    }
    best.print();
}

fn in_turn(network: &mut Network, threads: usize, count: u32) {
    let mut best = Best::default();
    fill(network);
    for _ in 0..count {
        let mut lap = best.start();
        network.run_in_turn(threads, |number, name, piece| lap.next(number, name, piece));
    }
    best.print();
}

/// The shortest time of each piece of each operation, in their order.
#[derive(Default)]
struct Best(Vec<(usize, &'static str, usize, Duration)>);

struct Lap<'a> {
    best: &'a mut Best,
    place: usize,
    before: Instant,
}

impl Best {
    fn start(&mut self) -> Lap<'_> {
        // Instruction counters note each yield.
        std::thread::yield_now();
        Lap { best: self, place: 0, before: Instant::now() }
    }

    fn print(&self) {
        for (number, name, piece, time) in &self.0 {
            println!("{number:3} {name:24} {piece:2} {:>9} ns", time.as_nanos());
        }
    }
}

impl Lap<'_> {
    fn next(&mut self, number: usize, name: &'static str, piece: usize) {
        std::thread::yield_now();
        let now = Instant::now();
        let time = now - self.before;
        match self.best.0.get_mut(self.place) {
            Some((.., best)) => *best = time.min(*best),
            None => self.best.0.push((number, name, piece, time)),
        }
        self.place += 1;
        self.before = Instant::now();
    }
}
