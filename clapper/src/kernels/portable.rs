//! The reference: what each kernel computes, in the plainest words.

use super::{Addition, Depthwise, Product, Window};

/// Rows × weights of each channel.
pub(super) fn product(product: &Product, input: &[i8], stride: usize, output: &mut [i8]) {
    let Product { depth, channels, requantize, .. } = product;
    for (row, output) in output.chunks_exact_mut(*channels).enumerate() {
        let input = &input[row * stride..][..*depth];
        let weights = product.weights.chunks_exact(*depth);
        for (channel, (output, weights)) in output.iter_mut().zip(weights).enumerate() {
            let products = input.iter().zip(weights).map(|(&x, &w)| i32::from(x) * i32::from(w));
            let sum = products.fold(requantize.bias[channel], i32::wrapping_add);
            *output = requantize.stored(channel, sum);
        }
    }
}

/// One row of a depthwise convolution of 3 × 3.
pub(super) fn depthwise_row(depthwise: &Depthwise, rows: [&[i8]; 3], output: &mut [i8]) {
    let Depthwise { channels, stride, requantize, .. } = depthwise;
    for (column, output) in output.chunks_exact_mut(*channels).enumerate() {
        for (channel, output) in output.iter_mut().enumerate() {
            let mut sum = requantize.bias[channel];
            for (tap, weights) in depthwise.weights.chunks_exact(*channels).enumerate() {
                let input = rows[tap / 3][(column * stride + tap % 3) * channels + channel];
                sum = sum.wrapping_add(i32::from(input) * i32::from(weights[channel]));
            }
            *output = requantize.stored(channel, sum);
        }
    }
}

/// Element by element.
pub(super) fn add(addition: &Addition, one: &[i8], other: &[i8], output: &mut [i8]) {
    for ((output, &one), &other) in output.iter_mut().zip(one).zip(other) {
        *output = addition.stored(one, other);
    }
}

/// The greatest of a window.
#[inline(always)]
pub(super) fn maximum(window: &Window<'_>, output: &mut [i8]) {
    let at = |row: usize, column: usize| {
        &window.input[row * window.row + column * window.column..][..output.len()]
    };
    if window.rows == 2 && window.columns == 2 {
        // By far the most frequent one, in one pass.
        let (a, b, c, d) = (at(0, 0), at(0, 1), at(1, 0), at(1, 1));
        for ((((output, &a), &b), &c), &d) in output.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *output = a.max(b).max(c.max(d));
        }
        return;
    }
    output.fill(i8::MIN);
    for row in 0..window.rows {
        for column in 0..window.columns {
            let input = &window.input[row * window.row + column * window.column..];
            for (output, &input) in output.iter_mut().zip(input) {
                *output = (*output).max(input);
            }
        }
    }
}
