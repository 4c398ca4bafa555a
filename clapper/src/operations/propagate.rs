//! The shapes that all tensors get where a network's input has other rows and columns than in the file.
//!
//! What an operation says of windows, strides and padding is kept, and its output follows from its inputs.  Only the size
//! that `RESIZE_NEAREST_NEIGHBOR` and `RESIZE_BILINEAR` make is a constant of the file, and what it stands for must be
//! guessed:
//!
//! 1. Where the output is then joined with another tensor (`ADD`, `MUL`, or `CONCATENATION` of channels) that has the
//!    same rows and columns in the file, it gets those of that tensor: what a feature pyramid wants, whose levels are no
//!    exact halves of each other where a size is odd.
//! 2. Else it keeps its ratio to its own input, if that is a whole number in one direction or the other.
//! 3. Else it is refused.
//!
//! An operation whose inputs stay as they are keeps its output.  The rules must give the file's own shapes from its own
//! input, or the network is refused, too.
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::axes;
use super::geometry::Geometry;
use super::load::{Checked, Loader, name};
use crate::error::Error;
use crate::kernels::Kernels;
use crate::model::{MOST_BYTES, Model, Shape};

/// Most passes over the operations.  A pass goes on as far as the file's order lets it; another is needed where a resize
/// waits for a tensor that is computed behind it.
const MOST_PASSES: usize = 64;

/// Gives the model's only input `size` (rows, columns), and all tensors what follows from it.
pub(crate) fn resize(model: &mut Model<'_>, size: [usize; 2]) -> Result<(), Error> {
    let wrong = |problem: String| Error::InputSize { size, problem };
    let &[input] = &*model.inputs else {
        return Err(wrong(format!("it has {} inputs, but must have one", model.inputs.len())));
    };
    let tensor = &model.tensors[input];
    if tensor.rank != 4 || tensor.is_constant() {
        return Err(wrong(format!("its input has {} dimensions, but must have 4", tensor.rank)));
    }
    if size == tensor.shape[1..3] {
        return Ok(());
    }
    if size.iter().any(|side| !(1..1 << 16).contains(side)) {
        return Err(wrong("rows and columns must be 1 to 65535".into()));
    }
    let first = [tensor.shape[0], size[0], size[1], tensor.shape[3]];
    let shapes = propagate(model, input, bounded(first)?)?;
    let mut bytes = 0;
    for (tensor, shape) in model.tensors.iter_mut().zip(shapes) {
        tensor.shape = shape;
        // Each time, so that it cannot overflow: a tensor is bounded by itself.
        bytes += tensor.bytes();
        if bytes > MOST_BYTES {
            return Err(Error::TooLarge { limit: MOST_BYTES });
        }
    }
    Ok(())
}

/// The shape, if a tensor of it is not too large.
fn bounded(shape: Shape) -> Result<Shape, Error> {
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    match elements {
        Some(elements) if elements <= MOST_BYTES / 4 => Ok(shape),
        _ => Err(Error::TooLarge { limit: MOST_BYTES }),
    }
}

/// The shape of each tensor.
fn propagate(model: &Model<'_>, input: usize, first: Shape) -> Result<Vec<Shape>, Error> {
    let before: Vec<Shape> = model.tensors.iter().map(|tensor| tensor.shape).collect();
    // Not known are those that operations compute.
    let mut after: Vec<Option<Shape>> = before.iter().copied().map(Some).collect();
    for (at, operator) in model.operators.iter().enumerate() {
        for &output in &operator.outputs {
            if after[output].take().is_none() || output == input {
                let problem = "one is computed twice".into();
                return Err(Error::Unsupported { operator: at, name: "its tensors", problem });
            }
        }
    }
    after[input] = Some(first);
    let partners = partners(model);

    let mut left: Vec<usize> = (0..model.operators.len()).collect();
    // Whether to wait for the tensors that outputs are joined with.
    let mut patient = true;
    for _ in 0..MOST_PASSES {
        let waiting = left.len();
        let mut problem = Ok(());
        left.retain(|&at| {
            if problem.is_err() {
                return true;
            }
            match step(model, at, &before, &after, &partners, patient) {
                Ok(None) => true,
                Ok(Some(shape)) => {
                    // Which have one output: else there is no shape.
                    after[model.operators[at].outputs[0]] = Some(shape);
                    // One at a time, as others may know better now.
                    patient = true;
                    false
                }
                Err(error) => {
                    problem = Err(error);
                    true
                }
            }
        });
        problem?;
        match left.first() {
            None => {
                // All are known: there was one for each operation.
                return Ok(after
                    .into_iter()
                    .zip(before)
                    .map(|(after, before)| after.unwrap_or(before))
                    .collect());
            }
            Some(&at) if left.len() == waiting && !patient => return Err(unread(at)),
            Some(_) => patient = left.len() < waiting,
        }
    }
    Err(unread(left[0]))
}

fn unread(at: usize) -> Error {
    Error::Unsupported {
        operator: at,
        name: "its tensors",
        problem: "their sizes depend on what is computed later".into(),
    }
}

/// The new shape of an operation's output; `None` while that of a tensor it depends on is not known.
fn step(
    model: &Model<'_>,
    at: usize,
    before: &[Shape],
    after: &[Option<Shape>],
    partners: &[Option<usize>],
    patient: bool,
) -> Result<Option<Shape>, Error> {
    let operator = &model.operators[at];
    let name = name(at, operator)?;
    let unsupported = |problem| Error::Unsupported { operator: at, name, problem };
    let &[output] = &*operator.outputs else {
        return Err(unsupported(format!("has {} outputs, but must have one", operator.outputs.len())));
    };
    let mut changed = false;
    for &tensor in operator.inputs.iter().flatten() {
        match after[tensor] {
            Some(shape) => changed |= shape != before[tensor],
            None => return Ok(None),
        }
    }
    if !changed {
        return Ok(Some(before[output]));
    }
    let loader = Loader { model, operator, kernels: Kernels::Portable };
    let rule = |shape: &dyn Fn(usize) -> Shape, partner: Option<Shape>| {
        let tensor = |index: usize| match operator.inputs.get(index).copied().flatten() {
            Some(tensor) => Ok(shape(tensor)),
            None => Err(format!("input {index} is missing")),
        };
        output_shape(&loader, name, tensor, before[output], partner).map_err(unsupported)
    };
    let partner = match partners[output].map(|partner| (partner, after[partner])) {
        Some((_, None)) if patient => return Ok(None),
        Some((partner, Some(shape))) => Some((before[partner], shape)),
        _ => None,
    };
    let expected = rule(&|tensor| before[tensor], partner.map(|(before, _)| before))?;
    if expected != before[output] {
        let problem = format!("the output's shape is {:?}, but must be {expected:?}", before[output]);
        return Err(unsupported(problem));
    }
    let shape = rule(&|tensor| after[tensor].unwrap_or(before[tensor]), partner.map(|(_, after)| after))?;
    bounded(shape).map(Some)
}

/// By tensor: for the output of a resize, one that it is joined with.
fn partners(model: &Model<'_>) -> Vec<Option<usize>> {
    let mut resized = vec![false; model.tensors.len()];
    for (at, operator) in model.operators.iter().enumerate() {
        if let (Ok("RESIZE_NEAREST_NEIGHBOR" | "RESIZE_BILINEAR"), &[output]) =
            (name(at, operator), &*operator.outputs)
        {
            resized[output] = true;
        }
    }
    let mut partners = vec![None; model.tensors.len()];
    for (at, operator) in model.operators.iter().enumerate() {
        let joins = match name(at, operator) {
            Ok("ADD" | "MUL") => true,
            Ok("CONCATENATION") => {
                // Rows or columns that are put behind each other need not agree.
                let loader = Loader { model, operator, kernels: Kernels::Portable };
                let rank = operator.outputs.first().map_or(4, |&output| model.tensors[output].rank);
                let axis = loader.option(0, 0).ok().and_then(|axis| axes(&[axis], rank));
                axis.as_deref() == Some(&[3])
            }
            _ => false,
        };
        if !joins {
            continue;
        }
        for &tensor in operator.inputs.iter().flatten().filter(|&&tensor| resized[tensor]) {
            let size = |tensor: usize| &model.tensors[tensor].shape[1..3];
            let other = operator.inputs.iter().flatten().find(|&&other| {
                other != tensor && !model.tensors[other].is_constant() && size(other) == size(tensor)
            });
            partners[tensor] = partners[tensor].or(other.copied());
        }
    }
    partners
}

/// The shape of an operation's output from the shapes of its inputs, of the file's output, and of the tensor that a
/// resized one is joined with.
fn output_shape(
    loader: &Loader<'_, '_>,
    name: &str,
    input: impl Fn(usize) -> Checked<Shape>,
    output: Shape,
    partner: Option<Shape>,
) -> Checked<Shape> {
    let shape = input(0)?;
    match name {
        "CONV_2D" | "DEPTHWISE_CONV_2D" => {
            let [_, rows, columns, _] = loader.constant(1)?.shape;
            let first = if name == "CONV_2D" { 4 } else { 5 };
            let dilation = [loader.option(first + 1, 1)?, loader.option(first, 1)?];
            Ok(Geometry::new(loader.options()?, [rows, columns], dilation, shape, output[3])?.output)
        }
        "MAX_POOL_2D" | "AVERAGE_POOL_2D" => Ok(loader.pool_geometry(shape)?.output),
        "ADD" | "MUL" => {
            let other = input(1)?;
            let fits = shape.iter().zip(other).all(|(&one, other)| one == other || one == 1 || other == 1);
            if !fits {
                return Err(format!("shapes {shape:?} and {other:?} do not go together"));
            }
            Ok(core::array::from_fn(|axis| shape[axis].max(other[axis])))
        }
        "CONCATENATION" => {
            let axis = axes(&[loader.option(0, 0)?], loader.output()?.rank)
                .ok_or("has an axis that the output lacks")?[0];
            let mut joined = shape;
            joined[axis] = 0;
            for index in 0..loader.operator.inputs.len() {
                joined[axis] += input(index)?[axis];
            }
            Ok(joined)
        }
        "PAD" | "PADV2" => {
            let (before, after) = loader.padding()?;
            let padded = |axis: usize| before[axis].checked_add(shape[axis])?.checked_add(after[axis]);
            let mut all = [0; 4];
            for (axis, all) in all.iter_mut().enumerate() {
                *all = padded(axis).ok_or("pads too much")?;
            }
            Ok(all)
        }
        "MEAN" => {
            let axes = axes(&loader.integers(1)?, loader.input(0)?.rank)
                .ok_or("has an axis that the input lacks")?;
            let keep = loader.option(0, 0u8)? != 0;
            let mut reduced = [1; 4];
            let mut place = 4;
            for axis in (0..4).rev() {
                if keep && axes.contains(&axis) {
                    place -= 1;
                } else if !axes.contains(&axis) {
                    place -= 1;
                    reduced[place] = shape[axis];
                }
            }
            Ok(reduced)
        }
        "RESIZE_NEAREST_NEIGHBOR" | "RESIZE_BILINEAR" => {
            if let Some(partner) = partner {
                return Ok([shape[0], partner[1], partner[2], shape[3]]);
            }
            let file = loader.input(0)?.shape;
            let side = |axis: usize| {
                let (from, to) = (file[axis], output[axis]);
                if to.is_multiple_of(from) {
                    Ok(shape[axis].saturating_mul(to / from))
                } else if from.is_multiple_of(to) && shape[axis].is_multiple_of(from / to) {
                    Ok(shape[axis] / (from / to))
                } else {
                    Err(format!(
                        "makes {to} rows or columns of {from}, which tells not what {} shall become: \
                         load the network with the size of its file, or add its output to a tensor of that size",
                        shape[axis]
                    ))
                }
            };
            Ok([shape[0], side(1)?, side(2)?, shape[3]])
        }
        "DEQUANTIZE" | "HARD_SWISH" | "LEAKY_RELU" | "LOGISTIC" | "QUANTIZE" | "RELU" | "RELU6"
        | "RELU_N1_TO_1" | "SOFTMAX" => Ok(shape),
        // RESHAPE and FULLY_CONNECTED.
        _ => Err("fixes how many values it takes: load the network with the size of its file, \
                  or build it without this operation"
            .into()),
    }
}
