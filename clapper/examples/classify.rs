//! From a picture of real numbers to a class, through a network of integers: which way do the stripes run?
//!
//!     cargo run --release --example classify
//!
//! The network is `stripes.tflite`, which `stripes.py` has made: one channel of 24 × 24 grey values, 0 (black) to 1 (white);
//! three classes.

use clapper::Network;

const NETWORK: &[u8] = include_bytes!("stripes.tflite");
const SIDE: usize = 24;
const CLASSES: [&str; 3] = ["across", "upright", "aslant"];

/// Stripes of class `class`, `period` pixels from one to the next, in noise.
fn draw(class: usize, period: f32, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let pixels = (0..SIDE * SIDE).map(|at| {
        let (row, column) = ((at / SIDE) as f32, (at % SIDE) as f32);
        let along = [row, column, (row + column) / 2f32.sqrt()][class];
        // A linear congruential generator (Numerical Recipes).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0.5 + 0.3 * (std::f32::consts::TAU * along / period).sin() + 0.3 * noise).clamp(0.0, 1.0)
    });
    pixels.collect()
}

/// The class that the network finds most probable, and its probability.
fn classify(network: &mut Network, picture: &[f32]) -> (usize, f32) {
    // Real numbers become stored ones by the input's scale and zero point…
    let quantization = network.inputs()[0].quantization.expect("an input of int8");
    for (stored, &real) in network.input_mut(0).iter_mut().zip(picture) {
        *stored = quantization.stored(real);
    }
    network.run();
    // …and stored ones real by the output's.
    let quantization = network.outputs()[0].quantization.expect("an output of int8");
    let probabilities = network.output(0).iter().map(|&stored| quantization.real(stored));
    probabilities.enumerate().max_by(|one, other| one.1.total_cmp(&other.1)).expect("three classes")
}

fn main() -> Result<(), clapper::Error> {
    let mut network = Network::load(NETWORK)?;
    for (class, drawn) in CLASSES.iter().enumerate() {
        for period in [4.5, 6.0, 7.5] {
            let (found, probability) = classify(&mut network, &draw(class, period, 1));
            println!(
                "stripes {drawn:7} every {period} pixels: {:7} {:3.0} %",
                CLASSES[found],
                100.0 * probability
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_of_any_period_are_told_apart() {
        let mut network = Network::load(NETWORK).unwrap();
        let (mut right, mut all) = (0, 0);
        for class in 0..CLASSES.len() {
            for seed in 0..50 {
                let (found, probability) =
                    classify(&mut network, &draw(class, 4.0 + 0.08 * seed as f32, seed));
                assert!((1.0 / 3.0..=1.0).contains(&probability), "{probability}");
                right += usize::from(found == class);
                all += 1;
            }
        }
        assert!(right * 100 >= all * 95, "{right} of {all}");
    }
}
