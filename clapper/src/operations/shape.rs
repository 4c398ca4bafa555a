//! Operations that move values about, or join those of different places.

use alloc::vec::Vec;

use crate::model::Shape;
use crate::quantize::Factor;

/// Values from one position of each dimension to the next.
fn strides(shape: Shape) -> [usize; 4] {
    [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1]
}

/// All positions of a shape, in order.
fn positions(shape: Shape) -> impl Iterator<Item = [usize; 4]> {
    let strides = strides(shape);
    (0..shape.iter().product()).map(move |at| core::array::from_fn(|axis| at / strides[axis] % shape[axis]))
}

fn offset(position: [usize; 4], strides: [usize; 4]) -> usize {
    position.iter().zip(strides).map(|(at, stride)| at * stride).sum()
}

/// Two tensors whose dimensions agree or are 1 in one of them.
#[derive(Debug)]
pub(crate) struct Broadcast {
    output: Shape,
    /// 0 where a dimension is repeated.
    strides: [[usize; 4]; 2],
}

impl Broadcast {
    /// `None` if the shapes do not go together.
    pub(crate) fn new(inputs: [Shape; 2], output: Shape) -> Option<Self> {
        let fits = (0..4).all(|axis| {
            let [one, other] = inputs.map(|shape| shape[axis]);
            (one == other || one == 1 || other == 1) && output[axis] == one.max(other)
        });
        let strides = inputs.map(|shape| {
            let strides = strides(shape);
            core::array::from_fn(|axis| if shape[axis] == 1 { 0 } else { strides[axis] })
        });
        fits.then_some(Self { output, strides })
    }

    pub(crate) fn run(&self, one: &[i8], other: &[i8], output: &mut [i8], function: impl Fn(i8, i8) -> i8) {
        let width = self.output[3];
        let outer = [self.output[0], self.output[1], self.output[2], 1];
        for (position, output) in positions(outer).zip(output.chunks_exact_mut(width)) {
            let (one, other) =
                (&one[offset(position, self.strides[0])..], &other[offset(position, self.strides[1])..]);
            let [step, other_step] = self.strides.map(|strides| strides[3]);
            for (at, output) in output.iter_mut().enumerate() {
                *output = function(one[at * step], other[at * other_step]);
            }
        }
    }
}

/// `MEAN`.
#[derive(Debug)]
pub(crate) struct Mean {
    input: Shape,
    /// In the output; 0 where it has one value for all.
    strides: [usize; 4],
    /// Input values for one of the output.
    count: i32,
    outputs: usize,
    zero_point: i32,
    factor: Factor,
    output_zero_point: i32,
}

impl Mean {
    /// Over `axes`; `factor` is the input's scale by the output's.
    pub(crate) fn new(input: Shape, axes: &[usize], zero_points: [i32; 2], factor: f64) -> Self {
        let kept: Shape = core::array::from_fn(|axis| if axes.contains(&axis) { 1 } else { input[axis] });
        let strides = strides(kept);
        let outputs: usize = kept.iter().product();
        let count = input.iter().product::<usize>() / outputs;
        Self {
            input,
            strides: core::array::from_fn(|axis| if axes.contains(&axis) { 0 } else { strides[axis] }),
            count: count as i32,
            outputs,
            zero_point: zero_points[0],
            factor: Factor::new(factor / count as f64),
            output_zero_point: zero_points[1],
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        for (at, output) in output.iter_mut().enumerate() {
            let mut sum = 0;
            // The first input of this output, and then all that fall to it.
            let reduced: Shape =
                core::array::from_fn(|axis| if self.strides[axis] == 0 { self.input[axis] } else { 1 });
            let base = self.base(at);
            let strides = strides(self.input);
            for position in positions(reduced) {
                sum += i32::from(input[base + offset(position, strides)]);
            }
            let value = self.factor.times(sum - self.zero_point * self.count);
            *output = value.saturating_add(self.output_zero_point).clamp(-128, 127) as i8;
        }
    }

    fn base(&self, output: usize) -> usize {
        let strides = strides(self.input);
        (0..4)
            .filter(|&axis| self.strides[axis] > 0)
            .map(|axis| output / self.strides[axis] % self.input[axis] * strides[axis])
            .sum()
    }
}

/// `PAD` and `PADV2`.
#[derive(Debug)]
pub(crate) struct Pad {
    input: Shape,
    output: Shape,
    before: [usize; 4],
    value: i8,
}

impl Pad {
    /// `None` if the shapes do not go together.
    pub(crate) fn new(
        input: Shape,
        output: Shape,
        before: [usize; 4],
        after: [usize; 4],
        value: i8,
    ) -> Option<Self> {
        let fits = (0..4).all(|axis| {
            before[axis].checked_add(input[axis]).and_then(|sum| sum.checked_add(after[axis]))
                == Some(output[axis])
        });
        fits.then_some(Self { input, output, before, value })
    }

    pub(crate) fn run(&self, input: &[i8], output: &mut [i8]) {
        output.fill(self.value);
        let outer = [self.input[0], self.input[1], self.input[2], 1];
        let (strides, width) = (strides(self.output), self.input[3]);
        for (position, input) in positions(outer).zip(input.chunks_exact(width)) {
            let place = core::array::from_fn(|axis| position[axis] + self.before[axis]);
            output[offset(place, strides)..][..width].copy_from_slice(input);
        }
    }
}

/// `CONCATENATION`.
#[derive(Debug)]
pub(crate) struct Concatenation {
    /// Bytes of each input that stand together in the output.
    runs: Vec<usize>,
}

impl Concatenation {
    /// `None` if the shapes do not go together.
    pub(crate) fn new(inputs: &[Shape], output: Shape, axis: usize) -> Option<Self> {
        let others_agree = inputs.iter().all(|shape| (0..4).all(|at| at == axis || shape[at] == output[at]));
        let sum: usize = inputs.iter().map(|shape| shape[axis]).sum();
        let runs = inputs.iter().map(|shape| shape[axis..].iter().product()).collect();
        (others_agree && sum == output[axis]).then_some(Self { runs })
    }

    pub(crate) fn run<'a>(&self, input: impl Fn(usize) -> &'a [i8], output: &mut [i8]) {
        let whole: usize = self.runs.iter().sum();
        let mut start = 0;
        for (number, &run) in self.runs.iter().enumerate() {
            for (output, input) in output.chunks_exact_mut(whole).zip(input(number).chunks_exact(run)) {
                output[start..start + run].copy_from_slice(input);
            }
            start += run;
        }
    }
}
