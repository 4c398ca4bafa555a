//! The operations of a network: how each is checked and prepared when it is loaded, and how it runs.
#![forbid(unsafe_code)]

mod convolution;
mod geometry;
mod load;
mod pieces;
mod propagate;
mod resize;
mod shape;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::kernels::{Addition, Kernels, Windows, maximum};
use crate::quantize::{Factor, Quantization};
use crate::team::Team;
use convolution::{Convolution, DepthwiseConvolution};
use geometry::Geometry;
pub(crate) use load::{Keep, load, name};
use pieces::in_pieces;
pub(crate) use propagate::resize;
use resize::{Bilinear, Nearest};
use shape::{Broadcast, Concatenation, Mean, Pad};

/// Values by which operations are cut that take each value on its own: whole cache lines.
const ELEMENTS: usize = 64;

/// An operation that is ready to run.
#[derive(Debug)]
pub(crate) enum Operation<'a> {
    /// `CONV_2D`, and `FULLY_CONNECTED`, which is one of 1 × 1.
    Convolution(Convolution<'a>),
    Depthwise(DepthwiseConvolution<'a>),
    /// `ADD`; with a plan for shapes that differ.
    Add(Addition, Option<Broadcast>),
    Multiply(Multiplication, Broadcast),
    MaxPool {
        geometry: Geometry,
        kernels: Kernels,
        min: i8,
        max: i8,
    },
    AveragePool {
        geometry: Geometry,
        min: i8,
        max: i8,
    },
    Mean(Mean),
    Pad(Pad),
    Concatenation(Concatenation),
    Nearest(Nearest),
    Bilinear(Bilinear),
    /// Any function of one int8 value to another.
    Lookup(Box<[i8; 256]>),
    Softmax {
        channels: usize,
        exponentials: Box<[f32; 256]>,
        output: Quantization,
    },
    /// Between float32 and int8.
    Quantize(Quantization),
    Dequantize(Quantization),
    /// The same bytes in another shape or place.
    Copy,
}

/// `MUL`.
#[derive(Debug)]
pub(crate) struct Multiplication {
    zero_points: [i32; 2],
    factor: Factor,
    zero_point: i32,
    min: i32,
    max: i32,
}

impl Operation<'_> {
    /// Bytes of the working memory that each piece of it needs while it runs.
    fn scratch_bytes(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.scratch_bytes(),
            Self::Depthwise(convolution) => convolution.scratch_bytes(),
            _ => 0,
        }
    }

    /// Bytes of the working memory that it needs for up to `threads` threads; its output has `bytes`.
    pub(crate) fn scratch_bytes_for(&self, threads: usize, bytes: usize) -> usize {
        self.scratch_bytes() * self.pieces(threads, bytes)
    }

    /// Into how many pieces its output of `bytes` is cut for `threads` threads.
    fn pieces(&self, threads: usize, bytes: usize) -> usize {
        // Instructions for each byte are rough, from counts on AArch64.
        match self {
            Self::Convolution(convolution) => {
                pieces::count(threads, convolution.work(), bytes.div_ceil(convolution.unit()))
            }
            Self::Depthwise(convolution) => pieces::count(threads, bytes * 4, convolution.rows()),
            Self::Add(_, None) => pieces::count(threads, bytes * 4, bytes / ELEMENTS),
            Self::Lookup(_) => pieces::count(threads, bytes * 4, bytes / ELEMENTS),
            Self::MaxPool { geometry, .. } => {
                pieces::count(threads, bytes, geometry.output[0] * geometry.output[1])
            }
            Self::Nearest(nearest) => pieces::count(threads, bytes / 4, nearest.rows()),
            _ => 1,
        }
    }

    /// Bytes of packed weights and tables.
    pub(crate) fn weight_bytes(&self) -> usize {
        match self {
            Self::Convolution(convolution) => convolution.weight_bytes(),
            Self::Depthwise(convolution) => convolution.weight_bytes(),
            Self::Lookup(_) => 256,
            Self::Softmax { .. } => 1024,
            _ => 0,
        }
    }

    /// Runs on `inputs`, each of which goes on for SLACK bytes behind its end, on at most `threads` of the team's threads,
    /// for which `scratch` is large enough.
    pub(crate) fn run<'i>(
        &self,
        input: impl Fn(usize) -> &'i [i8] + Sync,
        output: &mut [i8],
        scratch: &mut [i8],
        threads: usize,
        team: &mut dyn Team,
    ) {
        let pieces = self.pieces(threads.min(team.threads()), output.len());
        let scratch = (scratch, self.scratch_bytes());
        match self {
            Self::Convolution(convolution) => {
                in_pieces(team, pieces, convolution.unit(), output, scratch, |first, output, scratch| {
                    convolution.run(first, input(0), output, scratch);
                });
            }
            Self::Depthwise(convolution) => {
                in_pieces(
                    team,
                    pieces,
                    convolution.row_bytes(),
                    output,
                    scratch,
                    |first, output, scratch| {
                        convolution.run(first, input(0), output, scratch);
                    },
                );
            }
            Self::Add(addition, None) => {
                in_pieces(team, pieces, ELEMENTS, output, scratch, |first, output, _| {
                    let part = first * ELEMENTS..first * ELEMENTS + output.len();
                    addition.run(&input(0)[part.clone()], &input(1)[part], output);
                });
            }
            Self::Add(addition, Some(broadcast)) => {
                broadcast.run(input(0), input(1), output, |one, other| addition.stored(one, other));
            }
            Self::Multiply(multiplication, broadcast) => {
                broadcast.run(input(0), input(1), output, |one, other| multiplication.stored(one, other));
            }
            Self::MaxPool { geometry, kernels, min, max } => {
                let row = geometry.output[2] * geometry.output[3];
                in_pieces(team, pieces, row, output, scratch, |first, output, _| {
                    max_pool(geometry, *kernels, first, input(0), output);
                    if (*min, *max) != (i8::MIN, i8::MAX) {
                        output.iter_mut().for_each(|value| *value = (*value).clamp(*min, *max));
                    }
                });
            }
            Self::AveragePool { geometry, min, max } => average_pool(geometry, *min, *max, input(0), output),
            Self::Mean(mean) => mean.run(input(0), output),
            Self::Pad(pad) => pad.run(input(0), output),
            Self::Concatenation(concatenation) => concatenation.run(input, output),
            Self::Nearest(nearest) => {
                in_pieces(team, pieces, nearest.row_bytes(), output, scratch, |first, output, _| {
                    nearest.run(first, input(0), output);
                });
            }
            Self::Bilinear(bilinear) => bilinear.run(input(0), output),
            Self::Lookup(table) => {
                in_pieces(team, pieces, ELEMENTS, output, scratch, |first, output, _| {
                    for (output, &input) in output.iter_mut().zip(&input(0)[first * ELEMENTS..]) {
                        *output = table[usize::from(input as u8)];
                    }
                });
            }
            Self::Softmax { channels, exponentials, output: quantization } => {
                softmax(*channels, exponentials, *quantization, input(0), output);
            }
            Self::Quantize(quantization) => {
                for (output, real) in output.iter_mut().zip(input(0).as_chunks::<4>().0) {
                    *output = quantization.stored(f32::from_le_bytes(real.map(|byte| byte as u8)));
                }
            }
            Self::Dequantize(quantization) => {
                for (output, &input) in output.as_chunks_mut::<4>().0.iter_mut().zip(input(0)) {
                    *output = quantization.real(input).to_le_bytes().map(|byte| byte as i8);
                }
            }
            Self::Copy => output.copy_from_slice(&input(0)[..output.len()]),
        }
    }

    /// Runs where input and output are the same place; only [`Operation::Lookup`] can.
    pub(crate) fn run_in_place(&self, values: &mut [i8], threads: usize, team: &mut dyn Team) {
        if let Self::Lookup(table) = self {
            let pieces = self.pieces(threads.min(team.threads()), values.len());
            in_pieces(team, pieces, ELEMENTS, values, (&mut [], 0), |_, values, _| {
                values.iter_mut().for_each(|value| *value = table[usize::from(*value as u8)]);
            });
        }
    }
}

impl Multiplication {
    fn stored(&self, one: i8, other: i8) -> i8 {
        let product = (i32::from(one) - self.zero_points[0]) * (i32::from(other) - self.zero_points[1]);
        self.factor.times(product).saturating_add(self.zero_point).clamp(self.min, self.max) as i8
    }
}

/// The rows of the output from `first` on, counted through all pictures.
fn max_pool(geometry: &Geometry, kernels: Kernels, first: usize, input: &[i8], output: &mut [i8]) {
    let [_, height, width, channels] = geometry.output;
    let row_bytes = geometry.input[2] * channels;
    for (number, output) in output.chunks_exact_mut(width * channels).enumerate() {
        let (picture, row) = ((first + number) / height, (first + number) % height);
        let (top, rows) = geometry.inside(0, row);
        // By far the most frequent: windows of 2 × 2, none of which sticks out on the left.
        let mut done = 0;
        if (rows, geometry.window[1], geometry.before[1]) == (2, 2, 0) && geometry.input[2] >= 2 {
            // Those that do not stick out on the right either.
            done = ((geometry.input[2] - 2) / geometry.stride[1] + 1).min(width);
            let upper = &input[geometry.offset(picture, top, 0)..];
            let windows =
                Windows { rows: [upper, &upper[row_bytes..]], channels, stride: geometry.stride[1] };
            maximum(kernels, &windows, &mut output[..done * channels]);
        }
        for (column, output) in output.chunks_exact_mut(channels).enumerate().skip(done) {
            let (left, columns) = geometry.inside(1, column);
            output.fill(i8::MIN);
            for at in top..top + rows {
                let start = geometry.offset(picture, at, left);
                for input in input[start..][..columns * channels].chunks_exact(channels) {
                    for (output, &input) in output.iter_mut().zip(input) {
                        *output = (*output).max(input);
                    }
                }
            }
        }
    }
}

/// The average of what lies inside, rounded as TensorFlow Lite does: a half away from 0.
fn average_pool(geometry: &Geometry, min: i8, max: i8, input: &[i8], output: &mut [i8]) {
    let channels = geometry.output[3];
    for ([picture, row, column], output) in geometry.positions().zip(output.chunks_exact_mut(channels)) {
        let ((top, rows), (left, columns)) = (geometry.inside(0, row), geometry.inside(1, column));
        let count = (rows * columns) as i32;
        for (channel, output) in output.iter_mut().enumerate() {
            let mut sum = 0;
            for row in top..top + rows {
                let start = geometry.offset(picture, row, left) + channel;
                sum += (0..columns).map(|column| i32::from(input[start + column * channels])).sum::<i32>();
            }
            *output = rounded_quotient(sum, count).clamp(i32::from(min), i32::from(max)) as i8;
        }
    }
}

/// sum ÷ count, a half away from 0.
fn rounded_quotient(sum: i32, count: i32) -> i32 {
    if sum > 0 { (sum + count / 2) / count } else { (sum - count / 2) / count }
}

fn softmax(
    channels: usize,
    exponentials: &[f32; 256],
    quantization: Quantization,
    input: &[i8],
    output: &mut [i8],
) {
    for (input, output) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
        let most = input.iter().copied().max().unwrap_or(0);
        let exponential = |value: i8| exponentials[(i32::from(most) - i32::from(value)) as usize];
        let sum: f32 = input.iter().map(|&value| exponential(value)).sum();
        for (output, &value) in output.iter_mut().zip(input) {
            *output = quantization.stored(exponential(value) / sum);
        }
    }
}

/// A table of a function of real numbers, for each stored value as an unsigned byte.
fn lookup(input: Quantization, output: Quantization, function: impl Fn(f32) -> f32) -> Box<[i8; 256]> {
    let mut table = Box::new([0; 256]);
    for stored in i8::MIN..=i8::MAX {
        table[usize::from(stored as u8)] = output.stored(function(input.real(stored)));
    }
    table
}

/// What the quantised reference kernels of QUANTIZE and RELU make of each stored value: a multiplication in integers,
/// then the bounds.
fn rescale(input: Quantization, output: Quantization, factor: Factor, min: i32, max: i32) -> Box<[i8; 256]> {
    let mut table = Box::new([0; 256]);
    for stored in i8::MIN..=i8::MAX {
        let value = factor.times(i32::from(stored) - input.zero_point).saturating_add(output.zero_point);
        table[usize::from(stored as u8)] = value.clamp(min, max) as i8;
    }
    table
}

/// Ranges of constants in a file as positions, such as the axes of `MEAN`, counted from the back if negative, in a
/// shape of four dimensions.
fn axes(values: &[i32], rank: usize) -> Option<Vec<usize>> {
    let rank = rank as i32;
    let axis = |&axis: &i32| {
        let axis = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&axis).then(|| (axis + 4 - rank) as usize)
    };
    values.iter().map(axis).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_saturates_where_one_step_of_the_input_is_more_than_all_of_the_output() {
        let input = Quantization { scale: 1.0, zero_point: 126 };
        let output = Quantization { scale: 1e-9, zero_point: 127 };
        for factor in [1.0, 2.0, 2.14, 3.0, 1e3, 1e6].map(|factor| Factor::new(factor * 1e9)) {
            let table = rescale(input, output, factor, -128, 127);
            let stored = |value: i8| table[usize::from(value as u8)];
            assert_eq!([-128, 0, 125, 126, 127].map(stored), [-128, -128, -128, 127, 127], "{factor:?}");
        }
    }

    #[test]
    fn axes_are_counted_from_both_ends_and_others_refused() {
        assert_eq!(axes(&[1, -1], 3), Some(alloc::vec![2, 3]));
        for axis in [4, -5, i32::MAX, i32::MIN] {
            assert_eq!(axes(&[axis], 4), None, "{axis}");
        }
    }
}
