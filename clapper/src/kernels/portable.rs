//! The reference: what each kernel computes, in the plainest words.

use super::{Addition, Depthwise, Product, Windows};

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

/// The greatest of windows of 2 × 2.
#[inline(always)]
pub(super) fn maximum(windows: &Windows<'_>, output: &mut [i8]) {
    let Windows { rows: [upper, lower], channels, stride } = *windows;
    for (window, output) in output.chunks_exact_mut(channels).enumerate() {
        let start = window * stride * channels;
        let (upper, lower) = (&upper[start..][..2 * channels], &lower[start..][..2 * channels]);
        let ((a, b), (c, d)) = (upper.split_at(channels), lower.split_at(channels));
        for ((((output, &a), &b), &c), &d) in output.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *output = a.max(b).max(c.max(d));
        }
    }
}
