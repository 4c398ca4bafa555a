//! From an operation of the file to one that is ready to run.
//!
//! Numbers of operations, their versions and the fields of their options are those of the
//! [schema](https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::convolution::{Convolution, DepthwiseConvolution};
use super::geometry::Geometry;
use super::resize::{Alignment, Bilinear, Nearest};
use super::shape::{Broadcast, Concatenation, Mean, Pad};
use super::{Multiplication, Operation, axes, lookup, rescale};
use crate::bytes::signed;
use crate::error::Error;
use crate::flatbuffer::{Scalar, Table};
use crate::kernels::{Addition, Kernels};
use crate::model::{Element, Model, Operator, Shape, TO_INT8, Tensor};
use crate::quantize::{Factor, Quantization, Requantize};

/// Number, name and highest version of each operation; README has a table of them.  Versions that brought other types only are within them: types
/// are checked on their own.
const KNOWN: [(i32, &str, i32); 23] = [
    (0, "ADD", 2),
    (1, "AVERAGE_POOL_2D", 2),
    (2, "CONCATENATION", 2),
    (3, "CONV_2D", 5),
    (4, "DEPTHWISE_CONV_2D", 5),
    (6, "DEQUANTIZE", 2),
    (9, "FULLY_CONNECTED", 6),
    (14, "LOGISTIC", 2),
    (17, "MAX_POOL_2D", 2),
    (18, "MUL", 2),
    (19, "RELU", 2),
    (21, "RELU6", 2),
    (22, "RESHAPE", 1),
    (23, "RESIZE_BILINEAR", 3),
    (25, "SOFTMAX", 2),
    (34, "PAD", 2),
    (40, "MEAN", 2),
    (60, "PADV2", 2),
    (97, "RESIZE_NEAREST_NEIGHBOR", 3),
    (98, "LEAKY_RELU", 2),
    (114, "QUANTIZE", 2),
    (117, "HARD_SWISH", 1),
    (20, "RELU_N1_TO_1", 1),
];

/// The name of a known operation in a known version.
pub(crate) fn name(at: usize, operator: &Operator<'_>) -> Result<&'static str, Error> {
    let Some(&(_, name, known)) = KNOWN.iter().find(|(code, ..)| *code == operator.code) else {
        let name = match core::str::from_utf8(operator.custom) {
            Ok(custom) if !custom.is_empty() => custom.to_string(),
            _ => format!("number {} of the schema", operator.code),
        };
        return Err(Error::Operation { operator: at, name });
    };
    if !(1..=known).contains(&operator.version) {
        return Err(Error::Version { operator: at, name, version: operator.version, known });
    }
    Ok(name)
}

/// Checks an operation and makes it ready to run.
///
/// `keep` makes of a constant's stored bytes what the operation holds, if it does not pack them.
pub(crate) fn load<'f, 'k>(
    model: &Model<'f>,
    at: usize,
    kernels: Kernels,
    keep: Keep<'f, 'k>,
) -> Result<Operation<'k>, Error> {
    let operator = &model.operators[at];
    let name = name(at, operator)?;
    let loader = Loader { model, operator, kernels };
    loader.operation(name, keep).map_err(|problem| Error::Unsupported { operator: at, name, problem })
}

/// What is wrong with an operation, in words.
pub(super) type Checked<T> = Result<T, String>;

/// Borrows weights from the file, or copies them.
pub(crate) type Keep<'f, 'k> = fn(&'f [i8]) -> Cow<'k, [i8]>;

/// Of an operation of a model that lives for `'m` and was read from a file that lives for `'f`.
pub(super) struct Loader<'m, 'f> {
    pub(super) model: &'m Model<'f>,
    pub(super) operator: &'m Operator<'f>,
    pub(super) kernels: Kernels,
}

impl<'m, 'f> Loader<'m, 'f> {
    fn operation<'k>(&self, name: &str, keep: Keep<'f, 'k>) -> Checked<Operation<'k>> {
        let output = self.output()?;
        match name {
            "CONV_2D" => self.convolution(keep),
            "DEPTHWISE_CONV_2D" => self.depthwise(keep),
            "FULLY_CONNECTED" => self.fully_connected(keep),
            "ADD" => self.add(),
            "MUL" => self.multiply(),
            "MAX_POOL_2D" | "AVERAGE_POOL_2D" => self.pool(name),
            "MEAN" => self.mean(),
            "PAD" | "PADV2" => self.pad(),
            "CONCATENATION" => self.concatenation(),
            "RESHAPE" => {
                let input = self.input(0)?;
                if input.element != output.element || input.elements() != output.elements() {
                    return Err("the output must have the type and as many elements as the input".into());
                }
                Ok(Operation::Copy)
            }
            "RESIZE_NEAREST_NEIGHBOR" | "RESIZE_BILINEAR" => self.resize(name),
            "LOGISTIC" => self.lookup(|x| 1.0 / (1.0 + libm::expf(-x))),
            "RELU" => self.rescale(1),
            "RELU6" => self.rescale(3),
            "RELU_N1_TO_1" => self.rescale(2),
            "HARD_SWISH" => self.lookup(|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
            "LEAKY_RELU" => {
                let slope = self.option(0, 0.0f32)?;
                self.lookup(|x| if x < 0.0 { x * slope } else { x })
            }
            "SOFTMAX" => self.softmax(),
            "QUANTIZE" => match self.input(0)?.element {
                Element::Float32 => {
                    self.same_shape(0)?;
                    Ok(Operation::Quantize(int8("the output", output)?))
                }
                _ => self.rescale(0),
            },
            "DEQUANTIZE" => {
                self.same_shape(0)?;
                if output.element != Element::Float32 {
                    return Err("the output must be of type float32".into());
                }
                Ok(Operation::Dequantize(self.int8(0)?))
            }
            _ => Err("known by name only".into()),
        }
    }

    /// The tensor at `index` of the inputs.
    pub(super) fn input(&self, index: usize) -> Checked<&'m Tensor<'f>> {
        let tensor = self.operator.inputs.get(index).copied().flatten();
        tensor.map(|at| &self.model.tensors[at]).ok_or_else(|| format!("input {index} is missing"))
    }

    pub(super) fn output(&self) -> Checked<&'m Tensor<'f>> {
        match *self.operator.outputs {
            [output] => Ok(&self.model.tensors[output]),
            _ => Err(format!("has {} outputs, but must have one", self.operator.outputs.len())),
        }
    }

    fn int8(&self, index: usize) -> Checked<Quantization> {
        int8(&format!("input {index}"), self.input(index)?)
    }

    pub(super) fn constant(&self, index: usize) -> Checked<&'m Tensor<'f>> {
        let tensor = self.input(index)?;
        if tensor.is_constant() { Ok(tensor) } else { Err(format!("input {index} must be a constant")) }
    }

    pub(super) fn integers(&self, index: usize) -> Checked<Vec<i32>> {
        let tensor = self.constant(index)?;
        if tensor.element != Element::Int32 {
            return Err(format!("input {index} is of type {:?}, but must be int32", tensor.element));
        }
        Ok(tensor.integers())
    }

    pub(super) fn options(&self) -> Checked<Table<'f>> {
        self.operator.options.ok_or_else(|| String::from("its options are missing"))
    }

    pub(super) fn option<T: Scalar>(&self, field: usize, default: T) -> Checked<T> {
        match self.operator.options {
            Some(options) => options.scalar(field, default).map_err(|_| String::from("damaged options")),
            None => Ok(default),
        }
    }

    fn same_shape(&self, index: usize) -> Checked<()> {
        let (input, output) = (self.input(index)?.shape, self.output()?.shape);
        if input != output {
            return Err(format!("the output's shape is {output:?}, but the input's {input:?}"));
        }
        Ok(())
    }

    /// Least and greatest stored value that the fused activation in `field` of the options leaves.
    fn bounds(&self, field: usize) -> Checked<(i32, i32)> {
        self.bounds_of(self.option::<i8>(field, 0)?)
    }

    /// The least and the greatest stored output of a fused activation, by its number in the schema.
    fn bounds_of(&self, activation: i8) -> Checked<(i32, i32)> {
        let quantization = int8("the output", self.output()?)?;
        let stored = |real: f32| i32::from(quantization.stored(real));
        match activation {
            0 => Ok((-128, 127)),
            1 => Ok((stored(0.0), 127)),
            2 => Ok((stored(-1.0), stored(1.0))),
            3 => Ok((stored(0.0), stored(6.0))),
            other => Err(format!(
                "has fused activation {other}, but only none, RELU, RELU_N1_TO_1 and RELU6 are known"
            )),
        }
    }

    /// Scales of the `channels` of constant int8 weights with zero point 0.
    fn weight_scales(&self, channels: usize, dimension: usize) -> Checked<Vec<f32>> {
        let weights = self.constant(1)?;
        if weights.element == Element::Float32 {
            return Err(format!(
                "the weights are of type float32, as in a float network, but must be int8: {TO_INT8}"
            ));
        }
        if weights.element != Element::Int8 || weights.zero_points.iter().any(|&zero_point| zero_point != 0) {
            return Err("the weights must be of type int8 with zero point 0".into());
        }
        if !weights.scales.iter().all(|scale| scale.is_finite() && *scale >= 0.0) {
            return Err("the weights' scales must be numbers of 0 and more".into());
        }
        match weights.scales.len() {
            1 => Ok(alloc::vec![weights.scales[0]; channels]),
            count if count == channels && (count == 1 || weights.quantized_dimension == dimension as i32) => {
                Ok(weights.scales.clone())
            }
            count => Err(format!(
                "the weights have {count} scales in dimension {}, but must have 1, or {channels} in dimension {dimension}",
                weights.quantized_dimension
            )),
        }
    }

    /// How sums become stored values; `weight` gives the weights of a channel.
    fn requantize<'w, W: Iterator<Item = &'w u8>>(
        &self,
        scales: &[f32],
        activation: usize,
        weights: impl Fn(usize) -> W,
    ) -> Checked<Requantize> {
        let (input, output) = (self.int8(0)?, int8("the output", self.output()?)?);
        let bias = match self.operator.inputs.get(2).copied().flatten() {
            Some(_) => self.integers(2)?,
            None => alloc::vec![0; scales.len()],
        };
        if bias.len() != scales.len() {
            return Err(format!("has {} biases for {} channels", bias.len(), scales.len()));
        }
        let bias = bias.iter().enumerate().map(|(channel, bias)| {
            // Wraps as the reference's sums do.
            let sum = weights(channel).fold(0i32, |sum, &weight| sum.wrapping_add(i32::from(weight as i8)));
            bias.wrapping_sub(input.zero_point.wrapping_mul(sum))
        });
        let bias = bias.collect();
        let factors: Vec<_> = scales
            .iter()
            .map(|&scale| Factor::new(f64::from(input.scale) * f64::from(scale) / f64::from(output.scale)))
            .collect();
        let (min, max) = self.bounds(activation)?;
        Ok(Requantize {
            bias,
            multipliers: factors.iter().map(|factor| factor.multiplier).collect(),
            shifts: factors.iter().map(|factor| factor.shift).collect(),
            zero_point: output.zero_point,
            min,
            max,
        })
    }

    fn convolution<'k>(&self, keep: Keep<'f, 'k>) -> Checked<Operation<'k>> {
        let (input, weights, output) = (self.input(0)?, self.constant(1)?, self.output()?);
        let [channels, rows, columns, depth] = weights.shape;
        if depth != input.shape[3] || channels != output.shape[3] {
            return Err(format!(
                "weights of shape {:?} do not go with input {:?} and output {:?} (grouped convolutions are not known)",
                weights.shape, input.shape, output.shape
            ));
        }
        let options = self.options()?;
        let dilation = [self.option(5, 1)?, self.option(4, 1)?];
        let geometry = Geometry::new(options, [rows, columns], dilation, input.shape, channels)?
            .with_output(output.shape)?;
        let scales = self.weight_scales(channels, 0)?;
        let size = rows * columns * depth;
        let requantize =
            self.requantize(&scales, 3, |channel| weights.data[channel * size..][..size].iter())?;
        let zero_point = self.int8(0)?.zero_point as i8;
        let convolution =
            Convolution::new(self.kernels, geometry, keep(signed(weights.data)), zero_point, requantize);
        Ok(Operation::Convolution(convolution))
    }

    fn depthwise<'k>(&self, keep: Keep<'f, 'k>) -> Checked<Operation<'k>> {
        let (input, weights, output) = (self.input(0)?, self.constant(1)?, self.output()?);
        let [one, rows, columns, channels] = weights.shape;
        if one != 1 || channels != output.shape[3] || !channels.is_multiple_of(input.shape[3]) {
            return Err(format!(
                "weights of shape {:?} do not go with input {:?} and output {:?}",
                weights.shape, input.shape, output.shape
            ));
        }
        let dilation = [self.option(6, 1)?, self.option(5, 1)?];
        let geometry = Geometry::new(self.options()?, [rows, columns], dilation, input.shape, channels)?
            .with_output(output.shape)?;
        let scales = self.weight_scales(channels, 3)?;
        let requantize =
            self.requantize(&scales, 4, |channel| weights.data[channel..].iter().step_by(channels))?;
        let zero_point = self.int8(0)?.zero_point as i8;
        let depthwise = DepthwiseConvolution::new(
            self.kernels,
            geometry,
            keep(signed(weights.data)),
            zero_point,
            requantize,
        );
        Ok(Operation::Depthwise(depthwise))
    }

    fn fully_connected<'k>(&self, keep: Keep<'f, 'k>) -> Checked<Operation<'k>> {
        let (input, weights, output) = (self.input(0)?, self.constant(1)?, self.output()?);
        if self.option::<i8>(1, 0)? != 0 {
            return Err("shuffled weights are not known".into());
        }
        let [_, _, channels, depth] = weights.shape;
        let rows = input.elements() / depth;
        if weights.elements() != channels * depth
            || rows * depth != input.elements()
            || rows * channels != output.elements()
        {
            return Err(format!(
                "weights of shape {:?} do not go with input {:?} and output {:?}",
                weights.shape, input.shape, output.shape
            ));
        }
        let scales = self.weight_scales(channels, 0)?;
        let requantize =
            self.requantize(&scales, 0, |channel| weights.data[channel * depth..][..depth].iter())?;
        let geometry = Geometry {
            input: [1, 1, rows, depth],
            output: [1, 1, rows, channels],
            window: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            before: [0, 0],
        };
        Ok(Operation::Convolution(Convolution::new(
            self.kernels,
            geometry,
            keep(signed(weights.data)),
            0,
            requantize,
        )))
    }

    fn broadcast(&self) -> Checked<Broadcast> {
        let (one, other, output) = (self.input(0)?.shape, self.input(1)?.shape, self.output()?.shape);
        Broadcast::new([one, other], output)
            .ok_or_else(|| format!("shapes {one:?} and {other:?} do not make {output:?}"))
    }

    fn add(&self) -> Checked<Operation<'static>> {
        let (one, other) = (self.int8(0)?, self.int8(1)?);
        let output = int8("the output", self.output()?)?;
        // Twice the larger scale, so that neither factor exceeds a half.
        let twice = 2.0 * f64::from(one.scale.max(other.scale));
        let factor = |scale: f32| Factor::new(f64::from(scale) / twice);
        let (min, max) = self.bounds(0)?;
        let addition = Addition {
            kernels: self.kernels,
            zero_points: [one.zero_point, other.zero_point],
            factors: [factor(one.scale), factor(other.scale)],
            output: Factor::new(twice / (f64::from(1 << Addition::LEFT) * f64::from(output.scale))),
            zero_point: output.zero_point,
            min,
            max,
        };
        let broadcast = self.broadcast()?;
        let same = self.input(0)?.shape == self.input(1)?.shape;
        Ok(Operation::Add(addition, if same { None } else { Some(broadcast) }))
    }

    fn multiply(&self) -> Checked<Operation<'static>> {
        let (one, other) = (self.int8(0)?, self.int8(1)?);
        let output = int8("the output", self.output()?)?;
        let (min, max) = self.bounds(0)?;
        let multiplication = Multiplication {
            zero_points: [one.zero_point, other.zero_point],
            // In single precision, as the reference does.
            factor: Factor::new(f64::from(one.scale * other.scale / output.scale)),
            zero_point: output.zero_point,
            min,
            max,
        };
        Ok(Operation::Multiply(multiplication, self.broadcast()?))
    }

    /// The input and the output must be quantised alike.
    fn same_quantization(&self, index: usize) -> Checked<()> {
        let (input, output) = (self.int8(index)?, int8("the output", self.output()?)?);
        if input != output {
            return Err(format!("input {index} is quantised by {input:?}, but the output by {output:?}"));
        }
        Ok(())
    }

    /// How the window of a pool moves over an input of `shape`.
    pub(super) fn pool_geometry(&self, shape: Shape) -> Checked<Geometry> {
        let size = |field| -> Checked<usize> {
            let size = usize::try_from(self.option::<i32>(field, 0)?).unwrap_or(0);
            if (1..1 << 11).contains(&size) {
                Ok(size)
            } else {
                Err("a window out of range, must be 1 to 2047".into())
            }
        };
        Geometry::new(self.options()?, [size(4)?, size(3)?], [1, 1], shape, shape[3])
    }

    fn pool(&self, name: &str) -> Checked<Operation<'static>> {
        let output = self.output()?;
        self.same_quantization(0)?;
        let geometry = self.pool_geometry(self.input(0)?.shape)?.with_output(output.shape)?;
        let (min, max) = self.bounds(5)?;
        let (min, max) = (min as i8, max as i8);
        Ok(match name {
            "MAX_POOL_2D" => Operation::MaxPool { geometry, kernels: self.kernels, min, max },
            _ => Operation::AveragePool { geometry, min, max },
        })
    }

    fn mean(&self) -> Checked<Operation<'static>> {
        let input = self.input(0)?;
        let (from, to) = (self.int8(0)?, int8("the output", self.output()?)?);
        let axes = axes(&self.integers(1)?, input.rank).ok_or("has an axis that the input lacks")?;
        let zero_points = [from.zero_point, to.zero_point];
        let mean = Mean::new(input.shape, &axes, zero_points, f64::from(from.scale) / f64::from(to.scale));
        if input.elements() / mean.outputs() > 1 << 22 {
            return Err("averages more than 2²² values, so that their sum may not fit 32 bits".into());
        }
        if mean.outputs() != self.output()?.elements() {
            return Err("the output has not as many elements as remain".into());
        }
        Ok(Operation::Mean(mean))
    }

    /// Sizes of the padding before and behind each dimension.
    pub(super) fn padding(&self) -> Checked<([usize; 4], [usize; 4])> {
        let rank = self.input(0)?.rank;
        let pads = self.integers(1)?;
        if pads.len() != 2 * rank {
            return Err(format!("has {} sizes of padding, but must have {}", pads.len(), 2 * rank));
        }
        let (mut before, mut after) = ([0; 4], [0; 4]);
        for (axis, pair) in pads.chunks_exact(2).enumerate() {
            let size = |size: i32| usize::try_from(size).map_err(|_| "has a negative size of padding");
            before[axis + 4 - rank] = size(pair[0])?;
            after[axis + 4 - rank] = size(pair[1])?;
        }
        Ok((before, after))
    }

    fn pad(&self) -> Checked<Operation<'static>> {
        let (input, output) = (self.input(0)?, self.output()?);
        self.same_quantization(0)?;
        let (before, after) = self.padding()?;
        let value = match self.operator.inputs.get(2) {
            Some(Some(_)) => {
                let value = self.constant(2)?;
                if value.element != Element::Int8 || value.elements() != 1 {
                    return Err("the value of the padding must be one of type int8".into());
                }
                value.data[0] as i8
            }
            _ => self.int8(0)?.zero_point as i8,
        };
        let pad = Pad::new(input.shape, output.shape, before, after, value);
        pad.map(Operation::Pad).ok_or_else(|| format!("{:?}, padded, is not {:?}", input.shape, output.shape))
    }

    fn concatenation(&self) -> Checked<Operation<'static>> {
        let output = self.output()?;
        if self.option::<i8>(1, 0)? != 0 {
            return Err("has a fused activation, but must have none".into());
        }
        let axis = axes(&[self.option(0, 0)?], output.rank).ok_or("has an axis that the output lacks")?[0];
        let mut shapes = Vec::new();
        for index in 0..self.operator.inputs.len() {
            self.same_quantization(index)?;
            shapes.push(self.input(index)?.shape);
        }
        let concatenation = Concatenation::new(&shapes, output.shape, axis);
        concatenation
            .map(Operation::Concatenation)
            .ok_or_else(|| format!("{shapes:?} along axis {axis} do not make {:?}", output.shape))
    }

    fn resize(&self, name: &str) -> Checked<Operation<'static>> {
        let (input, output) = (self.input(0)?.shape, self.output()?.shape);
        self.same_quantization(0)?;
        if input[0] != output[0] || input[3] != output[3] {
            return Err("only rows and columns may change".into());
        }
        // The older fields of RESIZE_BILINEAR, a size, are not used any more.
        let first = if name == "RESIZE_BILINEAR" { 2 } else { 0 };
        let alignment = Alignment {
            corners: self.option(first, 0u8)? != 0,
            half_pixels: self.option(first + 1, 0u8)? != 0,
        };
        Ok(match name {
            "RESIZE_BILINEAR" => Operation::Bilinear(Bilinear::new(input, output, alignment)),
            _ => Operation::Nearest(Nearest::new(input, output, alignment)),
        })
    }

    fn lookup(&self, function: impl Fn(f32) -> f32) -> Checked<Operation<'static>> {
        self.same_shape(0)?;
        Ok(Operation::Lookup(lookup(self.int8(0)?, int8("the output", self.output()?)?, function)))
    }

    /// QUANTIZE from int8 to int8, or an activation by its number in the schema.
    fn rescale(&self, activation: i8) -> Checked<Operation<'static>> {
        self.same_shape(0)?;
        let (input, output) = (self.int8(0)?, int8("the output", self.output()?)?);
        let factor = Factor::new(f64::from(input.scale) / f64::from(output.scale));
        let (min, max) = self.bounds_of(activation)?;
        Ok(Operation::Lookup(rescale(input, output, factor, min, max)))
    }

    fn softmax(&self) -> Checked<Operation<'static>> {
        self.same_shape(0)?;
        let (input, output) = (self.int8(0)?, int8("the output", self.output()?)?);
        let beta = self.option(0, 0.0f32)?;
        let mut exponentials = Box::new([0.0; 256]);
        for (below, value) in exponentials.iter_mut().enumerate() {
            *value = libm::expf(-(input.scale * beta * below as f32));
        }
        Ok(Operation::Softmax { channels: self.input(0)?.shape[3], exponentials, output })
    }
}

fn int8(what: &str, tensor: &Tensor<'_>) -> Checked<Quantization> {
    match tensor.element {
        Element::Int8 => {}
        Element::Float32 => {
            return Err(format!(
                "{what} is of type float32, as in a float network, but must be int8: {TO_INT8}"
            ));
        }
        Element::Int32 => return Err(format!("{what} is of type int32, but must be int8")),
    }
    tensor
        .quantization()
        .ok_or_else(|| format!("{what} must be quantised by one scale above 0 and one zero point"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_operation_and_version_that_is_known() {
        let rows = include_str!("../../README.md").lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|');
            let name = cells.next()?.trim().strip_suffix('`')?;
            let versions = cells.next()?.trim();
            let last = versions.rsplit('–').next()?.parse().ok()?;
            Some((name, versions.starts_with('1').then_some(last)))
        });
        let mut listed: Vec<_> = rows.collect();
        let mut known: Vec<_> = KNOWN.iter().map(|&(_, name, version)| (name, Some(version))).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
