//! Every set of kernels that this processor has gives exactly what the portable ones give.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// The sets to hold against the portable one.
fn vector_kernels() -> impl Iterator<Item = Kernels> {
    Kernels::ALL.into_iter().skip(1).filter(|kernels| kernels.available())
}

/// Values that meet the extremes often.
fn stored() -> impl Strategy<Value = i8> {
    prop_oneof![3 => any::<i8>(), 1 => Just(i8::MIN), 1 => Just(i8::MAX)]
}

fn values(length: usize) -> impl Strategy<Value = Vec<i8>> {
    prop::collection::vec(stored(), length)
}

/// Bounds as a fused activation leaves them.
fn bounds() -> impl Strategy<Value = (i32, i32)> {
    prop_oneof![Just((-128, 127)), (-128..0i32, 0..=127i32)]
}

fn requantize(channels: usize) -> impl Strategy<Value = Requantize> {
    let bias = prop_oneof![-100_000..100_000i32, any::<i32>()];
    // Mostly factors that vector kernels take; one in a hundred or so is left to the portable one.
    let shift = prop_oneof![40 => -15..=-1i32, 1 => -40..=5i32];
    (
        prop::collection::vec(prop_oneof![60 => -100_000..100_000i32, 1 => bias], channels),
        prop::collection::vec(1 << 30..=i32::MAX, channels),
        prop::collection::vec(shift, channels),
        -128..=127i32,
        bounds(),
    )
        .prop_map(|(bias, multipliers, shifts, zero_point, (min, max))| Requantize {
            bias,
            multipliers,
            shifts,
            zero_point,
            min,
            max,
        })
}

/// Weights, mostly without the −128 that vector kernels leave to the portable one.
fn weights(length: usize) -> impl Strategy<Value = Vec<i8>> {
    let usual = prop_oneof![3 => -127..=127i8, 1 => Just(-127), 1 => Just(127)];
    prop_oneof![9 => prop::collection::vec(usual, length), 1 => values(length)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn products_agree(
        (channels, depth, rows, gap, requantize, weights, input) in
            (1usize..80, 1usize..80, 1usize..30, 0usize..5).prop_flat_map(|(channels, depth, rows, gap)| (
                Just(channels), Just(depth), Just(rows), Just(gap),
                requantize(channels), weights(channels * depth), values(rows * (depth + gap) + SLACK),
            ))
    ) {
        let run = |kernels| {
            let product = Product::new(kernels, (&weights).into(), depth, requantize.clone());
            let mut output = std::vec![0; rows * channels];
            product.run(&input, depth + gap, &mut output);
            output
        };
        let expected = run(Kernels::Portable);
        for kernels in vector_kernels() {
            prop_assert_eq!(&run(kernels), &expected, "{:?}", kernels);
        }
    }

    #[test]
    fn depthwise_rows_agree(
        (channels, width, stride, requantize, weights, rows) in
            (1usize..140, 1usize..16, 1usize..4).prop_flat_map(|(channels, width, stride)| {
                let length = ((width - 1) * stride + 3) * channels + SLACK;
                (
                    Just(channels), Just(width), Just(stride), requantize(channels), weights(channels * 9),
                    [values(length), values(length), values(length)],
                )
            })
    ) {
        let run = |kernels| {
            let depthwise = Depthwise::new(kernels, (&weights).into(), stride, requantize.clone());
            let mut output = std::vec![0; width * channels];
            depthwise.row([&rows[0], &rows[1], &rows[2]], &mut output);
            output
        };
        let expected = run(Kernels::Portable);
        for kernels in vector_kernels() {
            prop_assert_eq!(&run(kernels), &expected, "{:?}", kernels);
        }
    }

    #[test]
    fn sums_agree(
        (one, other) in (1usize..200).prop_flat_map(|length| (values(length), values(length))),
        zero_points in [-128..=127i32, -128..=127i32],
        zero_point in -128..=127i32,
        scales in [0.001f64..1.0, 0.001f64..1.0],
        output_scale in 0.001f64..2.0,
        (min, max) in bounds(),
    ) {
        let twice = 2.0 * scales[0].max(scales[1]);
        let addition = |kernels| Addition {
            kernels,
            zero_points,
            factors: scales.map(|scale| Factor::new(scale / twice)),
            output: Factor::new(twice / (f64::from(1 << Addition::LEFT) * output_scale)),
            zero_point,
            min,
            max,
        };
        let run = |kernels| {
            let mut output = std::vec![0; one.len()];
            addition(kernels).run(&one, &other, &mut output);
            output
        };
        let expected = run(Kernels::Portable);
        for kernels in vector_kernels() {
            prop_assert_eq!(&run(kernels), &expected, "{:?}", kernels);
        }
    }

    #[test]
    fn maxima_agree(
        (channels, width, stride, rows) in (1usize..80, 1usize..8, 1usize..4).prop_flat_map(|(channels, width, stride)| {
            let length = ((width - 1) * stride + 2) * channels;
            (Just(channels), Just(width), Just(stride), [values(length), values(length)])
        })
    ) {
        let windows = Windows { rows: [&rows[0], &rows[1]], channels, stride };
        let run = |kernels| {
            let mut output = std::vec![0; width * channels];
            maximum(kernels, &windows, &mut output);
            output
        };
        let expected = run(Kernels::Portable);
        for (at, &value) in expected.iter().enumerate() {
            let start = at / channels * stride * channels + at % channels;
            let window = [rows[0][start], rows[0][start + channels], rows[1][start], rows[1][start + channels]];
            prop_assert_eq!(Some(value), window.into_iter().max());
        }
        for kernels in vector_kernels() {
            prop_assert_eq!(&run(kernels), &expected, "{:?}", kernels);
        }
    }

    #[test]
    fn windows_are_gathered_whole(
        (rows, length, row, step, count, input) in
            (1usize..4, 1usize..40, 1usize..4, 1usize..8).prop_flat_map(|(rows, length, step, count)| {
                let row = count * step + length;
                let values = values((count - 1) * step + (rows - 1) * row + length + SLACK);
                (Just(rows), Just(length), Just(row), Just(step), Just(count), values)
            })
    ) {
        let pitch = Gather::pitch(rows, length);
        let mut copies = std::vec![0; count * pitch];
        Gather { rows, length, row, step, pitch }.run(&input, count, &mut copies);
        for window in 0..count {
            for at in 0..rows {
                let copy = &copies[window * pitch + at * length..][..length];
                prop_assert_eq!(copy, &input[window * step + at * row..][..length]);
            }
        }
    }
}

#[test]
fn the_best_kernels_are_available() {
    assert!(Kernels::Portable.available());
    assert!(Kernels::best().available());
}

/// As training leaves one: a scale so small, and so large a bias, that its output is always the same.
#[test]
fn a_dead_channel_leaves_the_others_to_the_vector_kernels() {
    let (channels, depth) = (16, 9);
    let weights: Vec<i8> =
        (0..channels * depth).map(|at| (at * 29 % 255) as i8).map(|w| w.max(-127)).collect();
    let mut requantize = Requantize {
        bias: std::vec![1000; channels],
        multipliers: std::vec![1 << 30; channels],
        shifts: std::vec![-8; channels],
        zero_point: -20,
        min: -128,
        max: 127,
    };
    (requantize.bias[5], requantize.shifts[5]) = (2_000_000_000, -35);
    (requantize.bias[6], requantize.shifts[6]) = (2_000_000_000, -24);
    let input: Vec<i8> = (0..20 * depth + SLACK).map(|at| (at * 83) as i8).collect();
    let run = |kernels| {
        let product = Product::new(kernels, (&weights).into(), depth, requantize.clone());
        assert_eq!(product.kernels, kernels);
        let mut output = std::vec![0; 20 * channels];
        product.run(&input, depth, &mut output);
        output
    };
    let expected = run(Kernels::Portable);
    assert_eq!((expected[5], expected[6]), (-20, 40));
    for kernels in vector_kernels() {
        assert_eq!(run(kernels), expected, "{kernels:?}");
    }
}
