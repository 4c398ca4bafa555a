//! Convolutions: products of rows of the input, gathered if need be, with the weights.

use alloc::borrow::Cow;
use core::ops::Range;

use super::geometry::Geometry;
use crate::kernels::{Depthwise, Gather, Kernels, Product, copied};
use crate::plan::SLACK;
use crate::quantize::Requantize;

/// Most bytes of windows that are gathered before they are multiplied: they stay in the first cache.
const GATHERED: usize = 12 * 1024;

/// Windows are gathered by multiples of this, which the kernels' tiles divide.
const TILES: usize = 24;

/// `CONV_2D`.
#[derive(Debug)]
pub(crate) struct Convolution<'a> {
    geometry: Geometry,
    product: Product<'a>,
    zero_point: i8,
}

impl<'a> Convolution<'a> {
    /// Packs `weights` of [output channel][row][column][input channel].
    pub(crate) fn new(
        kernels: Kernels,
        geometry: Geometry,
        weights: Cow<'a, [i8]>,
        zero_point: i8,
        requantize: Requantize,
    ) -> Self {
        let depth = geometry.window[0] * geometry.window[1] * geometry.input[3];
        Self { product: Product::new(kernels, weights, depth, requantize), geometry, zero_point }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        self.product.bytes()
    }

    fn depth(&self) -> usize {
        self.geometry.window[0] * self.geometry.window[1] * self.geometry.input[3]
    }

    /// Bytes from one gathered window to the next.
    fn pitch(&self) -> usize {
        Gather::pitch(self.geometry.window[0], self.geometry.window[1] * self.geometry.input[3])
    }

    /// Windows that are gathered at once.
    fn gathered(&self) -> usize {
        (GATHERED / self.pitch() / TILES * TILES).max(TILES)
    }

    pub(crate) fn scratch_bytes(&self) -> usize {
        if self.geometry.is_pointwise() { 0 } else { self.gathered() * self.pitch() + SLACK }
    }

    /// Bytes of the outputs that a piece of the work is a multiple of.
    pub(crate) fn unit(&self) -> usize {
        self.product.unit() * self.geometry.output[3]
    }

    /// About how many instructions it takes: one does three or four multiplications, channels are taken by eights, and
    /// windows must be gathered.
    pub(crate) fn work(&self) -> usize {
        let [pictures, rows, columns, channels] = self.geometry.output;
        let gather = if self.geometry.is_pointwise() { 0 } else { self.pitch() };
        pictures * rows * columns * ((self.depth() / 3 + 4) * channels.next_multiple_of(8) + gather)
    }

    /// The outputs from unit `first` on.  `input` has SLACK bytes behind its end.
    pub(crate) fn run(&self, first: usize, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
        let [_, rows, columns, channels] = self.geometry.output;
        let first = first * self.product.unit();
        if self.geometry.is_pointwise() {
            let depth = self.depth();
            return self.product.run(&input[first * depth..], depth, output);
        }
        let (pitch, gathered) = (self.pitch(), self.gathered());
        let end = first + output.len() / channels;
        // Windows that wait to be multiplied, and where their outputs go.
        let mut waiting = 0;
        let mut output = output;
        let mut at = first;
        while at < end {
            let (row, column) = (at / columns, at % columns);
            let count = (columns - column).min(gathered - waiting).min(end - at);
            let place = [row / rows, row % rows];
            self.gather(input, place, column..column + count, &mut scratch[waiting * pitch..]);
            (at, waiting) = (at + count, waiting + count);
            if waiting == gathered {
                let (now, later) = output.split_at_mut(waiting * channels);
                self.product.run(scratch, pitch, now);
                (output, waiting) = (later, 0);
            }
        }
        self.product.run(scratch, pitch, output);
    }

    /// Copies the windows of outputs in one row, padding included, to `to`, each a pitch behind the other.
    fn gather(&self, input: &[i8], [picture, row]: [usize; 2], columns: Range<usize>, to: &mut [i8]) {
        let Geometry { window, input: shape, stride, dilation, before, .. } = &self.geometry;
        let channels = shape[3];
        let pitch = self.pitch();
        let top = self.geometry.start(0, row);
        let inside = top >= 0 && top as usize + window[0] <= shape[1] && *dilation == [1, 1];
        // Columns whose window lies wholly inside the input.
        let whole = if inside {
            let end = (shape[2] + before[1] + stride[1]).saturating_sub(window[1]) / stride[1];
            before[1].div_ceil(stride[1])..end
        } else {
            0..0
        };
        let first = whole.start.clamp(columns.start, columns.end);
        let end = whole.end.clamp(first, columns.end);
        if first < end {
            let from = self.geometry.offset(picture, top as usize, first * stride[1] - before[1]);
            let gather = Gather {
                rows: window[0],
                length: window[1] * channels,
                row: shape[2] * channels,
                step: stride[1] * channels,
                pitch,
            };
            gather.run(&input[from..], end - first, &mut to[(first - columns.start) * pitch..]);
        }
        for column in (columns.start..first).chain(end..columns.end) {
            self.gather_at_border(input, [picture, row, column], &mut to[(column - columns.start) * pitch..]);
        }
    }

    /// Copies the window of one output, padding included, to the front of `to`.
    fn gather_at_border(&self, input: &[i8], [picture, row, column]: [usize; 3], to: &mut [i8]) {
        let window = self.geometry.window;
        let channels = self.geometry.input[3];
        let (top, left) = (self.geometry.start(0, row), self.geometry.start(1, column));
        for row in 0..window[0] {
            let input_row = self.geometry.under(0, top, row);
            for column in 0..window[1] {
                let to = &mut to[(row * window[1] + column) * channels..][..channels];
                match (input_row, self.geometry.under(1, left, column)) {
                    (Some(row), Some(column)) => {
                        let start = self.geometry.offset(picture, row, column);
                        to.copy_from_slice(&input[start..start + channels]);
                    }
                    _ => to.fill(self.zero_point),
                }
            }
        }
    }
}

/// `DEPTHWISE_CONV_2D`.
#[derive(Debug)]
pub(crate) enum DepthwiseConvolution<'a> {
    /// 3 × 3 without dilation, one output channel for each of the input.
    Fast { geometry: Geometry, zero_point: i8, kernel: Depthwise<'a> },
    /// Any other.
    General { geometry: Geometry, zero_point: i8, weights: Cow<'a, [i8]>, requantize: Requantize },
}

impl<'a> DepthwiseConvolution<'a> {
    /// Packs `weights` of [row][column][output channel].
    pub(crate) fn new(
        kernels: Kernels,
        geometry: Geometry,
        weights: Cow<'a, [i8]>,
        zero_point: i8,
        requantize: Requantize,
    ) -> Self {
        let fast = geometry.window == [3, 3]
            && geometry.dilation == [1, 1]
            && geometry.input[3] == geometry.output[3];
        if fast {
            let kernel = Depthwise::new(kernels, weights, geometry.stride[1], requantize);
            Self::Fast { geometry, zero_point, kernel }
        } else {
            Self::General { geometry, zero_point, weights, requantize }
        }
    }

    pub(crate) fn weight_bytes(&self) -> usize {
        match self {
            Self::Fast { kernel, .. } => kernel.bytes(),
            Self::General { weights, requantize, .. } => copied(weights) + 12 * requantize.bias.len(),
        }
    }

    /// Three padded rows of the input and one of padding only.
    pub(crate) fn scratch_bytes(&self) -> usize {
        match self {
            Self::Fast { geometry, .. } => 4 * padded_row(geometry),
            Self::General { .. } => 0,
        }
    }

    fn geometry(&self) -> &Geometry {
        match self {
            Self::Fast { geometry, .. } | Self::General { geometry, .. } => geometry,
        }
    }

    /// Rows of the output, of all pictures.
    pub(crate) fn rows(&self) -> usize {
        self.geometry().output[0] * self.geometry().output[1]
    }

    /// Bytes of a row of the output.
    pub(crate) fn row_bytes(&self) -> usize {
        self.geometry().output[2] * self.geometry().output[3]
    }

    /// The rows of the output from `first` on.
    pub(crate) fn run(&self, first: usize, input: &[i8], output: &mut [i8], scratch: &mut [i8]) {
        match self {
            Self::Fast { geometry, zero_point, kernel } => {
                fast(geometry, *zero_point, kernel, first, input, output, scratch);
            }
            Self::General { geometry, zero_point, weights, requantize } => {
                general(geometry, *zero_point, weights, requantize, first, input, output);
            }
        }
    }
}

/// Bytes of a row with its padding, and SLACK.
fn padded_row(geometry: &Geometry) -> usize {
    ((geometry.output[2] - 1) * geometry.stride[1] + 3) * geometry.input[3] + SLACK
}

/// Row by row.  Each row of the input is copied once, with its padding, to one of three places, by turns.
fn fast(
    geometry: &Geometry,
    zero_point: i8,
    kernel: &Depthwise<'_>,
    first: usize,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [i8],
) {
    let [_, height, width, channels] = geometry.input;
    let size = padded_row(geometry);
    let left = geometry.before[1] * channels;
    let copied = (width * channels).min(size - SLACK - left);
    let (places, padding) = scratch[..4 * size].split_at_mut(3 * size);
    places.fill(zero_point);
    padding.fill(zero_point);
    // The row that each place holds.
    let mut held = [None; 3];
    for (number, output) in output.chunks_exact_mut(geometry.output[2] * channels).enumerate() {
        let row = first + number;
        let (picture, row) = (row / geometry.output[1], row % geometry.output[1]);
        if row == 0 {
            held = [None; 3];
        }
        let top = geometry.start(0, row);
        let wanted: [_; 3] = core::array::from_fn(|at| geometry.under(0, top, at));
        for row in wanted.into_iter().flatten().filter(|row| *row < height) {
            if held[row % 3] != Some(row) {
                let from = &input[geometry.offset(picture, row, 0)..][..copied];
                places[row % 3 * size + left..][..copied].copy_from_slice(from);
                held[row % 3] = Some(row);
            }
        }
        let rows = wanted.map(|row| match row {
            Some(row) => &places[row % 3 * size..][..size],
            None => &*padding,
        });
        kernel.row(rows, output);
    }
}

fn general(
    geometry: &Geometry,
    zero_point: i8,
    weights: &[i8],
    requantize: &Requantize,
    first: usize,
    input: &[i8],
    output: &mut [i8],
) {
    let [_, rows, columns, channels] = geometry.output;
    let multiplier = channels / geometry.input[3];
    for (at, output) in output.chunks_exact_mut(channels).enumerate() {
        let (row, column) = (first + at / columns, at % columns);
        let (picture, row) = (row / rows, row % rows);
        let (top, left) = (geometry.start(0, row), geometry.start(1, column));
        for (channel, output) in output.iter_mut().enumerate() {
            let mut sum = requantize.bias[channel];
            for (tap, weights) in weights.chunks_exact(channels).enumerate() {
                let row = geometry.under(0, top, tap / geometry.window[1]);
                let column = geometry.under(1, left, tap % geometry.window[1]);
                let input = match (row, column) {
                    (Some(row), Some(column)) => {
                        input[geometry.offset(picture, row, column) + channel / multiplier]
                    }
                    _ => zero_point,
                };
                sum = sum.wrapping_add(i32::from(input) * i32::from(weights[channel]));
            }
            *output = requantize.stored(channel, sum);
        }
    }
}
