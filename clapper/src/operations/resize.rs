//! Pictures of another size.

use alloc::vec::Vec;

use crate::model::Shape;

/// How positions of the output fall on the input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alignment {
    /// The first and the last of both fall together.
    pub(crate) corners: bool,
    /// Positions are the middles of pixels.
    pub(crate) half_pixels: bool,
}

impl Alignment {
    /// The scale's two sides: input positions and output positions that are equally far.
    fn sides(self, input: usize, output: usize) -> (usize, usize) {
        if self.corners && output > 1 { (input - 1, output - 1) } else { (input, output) }
    }
}

/// `RESIZE_NEAREST_NEIGHBOR`.
#[derive(Debug)]
pub(crate) struct Nearest {
    input: Shape,
    output: Shape,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Nearest {
    pub(crate) fn new(input: Shape, output: Shape, alignment: Alignment) -> Self {
        let places = |axis: usize| {
            let (from, to) = alignment.sides(input[axis], output[axis]);
            // In 32-bit floating point, as the reference.
            let scale = from as f32 / to as f32;
            let place = |at: usize| {
                let at = (at as f32 + if alignment.half_pixels { 0.5 } else { 0.0 }) * scale;
                let at = if alignment.corners { libm::roundf(at) } else { libm::floorf(at) };
                (at as usize).min(input[axis] - 1)
            };
            (0..output[axis]).map(place).collect()
        };
        Self { input, output, rows: places(1), columns: places(2) }
    }

    /// Rows of the output, of all pictures.
    pub(crate) fn rows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Bytes of a row of the output.
    pub(crate) fn row_bytes(&self) -> usize {
        self.output[2] * self.output[3]
    }

    /// The rows of the output from `first` on.
    pub(crate) fn run(&self, first: usize, input: &[i8], output: &mut [i8]) {
        let [_, height, width, channels] = self.input;
        let row_bytes = self.row_bytes();
        let mut before = None;
        for at in 0..output.len() / row_bytes {
            let (done, output) = output.split_at_mut(at * row_bytes);
            let output = &mut output[..row_bytes];
            let (picture, row) = ((first + at) / self.output[1], self.rows[(first + at) % self.output[1]]);
            let row = picture * height + row;
            if before == Some(row) {
                output.copy_from_slice(&done[(at - 1) * row_bytes..]);
                continue;
            }
            before = Some(row);
            let input = &input[row * width * channels..];
            for (output, &column) in output.chunks_exact_mut(channels).zip(&self.columns) {
                output.copy_from_slice(&input[column * channels..][..channels]);
            }
        }
    }
}

/// Bits behind the point of positions.
const BITS: u32 = 10;

/// `RESIZE_BILINEAR`, in integers with ten bits behind the point, as TensorFlow Lite's `ResizeBilinearInteger`.
#[derive(Debug)]
pub(crate) struct Bilinear {
    input: Shape,
    output: Shape,
    rows: Vec<Place>,
    columns: Vec<Place>,
}

/// Between which two input positions an output position lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    lower: usize,
    upper: usize,
    /// Weights of the two.
    weights: [i32; 2],
}

impl Bilinear {
    pub(crate) fn new(input: Shape, output: Shape, alignment: Alignment) -> Self {
        let places = |axis: usize| {
            let (from, to) = alignment.sides(input[axis], output[axis]);
            let scale = (((from << BITS) + to / 2) / to) as i64;
            let place = |at: usize| {
                let middle = if alignment.half_pixels { scale / 2 - (1 << (BITS - 1)) } else { 0 };
                let at = at as i64 * scale + middle;
                let lower = (at >> BITS).max(0);
                let last = input[axis] as i64 - 1;
                let fraction = (at - (lower << BITS)) as i32;
                Place {
                    lower: lower.min(last) as usize,
                    upper: ((at + (1 << BITS) - 1) >> BITS).clamp(0, last) as usize,
                    weights: [(1 << BITS) - fraction, fraction],
                }
            };
            (0..output[axis]).map(place).collect()
        };
        Self { input, output, rows: places(1), columns: places(2) }
    }

    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        let [_, height, width, channels] = self.input;
        let pictures = input.chunks_exact(height * width * channels);
        let outputs = output.chunks_exact_mut(self.output[1] * self.output[2] * channels);
        for (input, output) in pictures.zip(outputs) {
            let places =
                self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| (row, column)));
            for (output, (row, column)) in output.chunks_exact_mut(channels).zip(places) {
                for (channel, output) in output.iter_mut().enumerate() {
                    let at = |row, column| i64::from(input[(row * width + column) * channels + channel]);
                    let across = |row| {
                        i64::from(column.weights[0]) * at(row, column.lower)
                            + i64::from(column.weights[1]) * at(row, column.upper)
                    };
                    let sum = i64::from(row.weights[0]) * across(row.lower)
                        + i64::from(row.weights[1]) * across(row.upper);
                    // A half away from 0.
                    let half = if sum > 0 { 1 << (2 * BITS - 1) } else { -(1 << (2 * BITS - 1)) };
                    *output = ((sum + half) / (1 << (2 * BITS))) as i8;
                }
            }
        }
    }
}
