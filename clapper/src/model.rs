//! What a `.tflite` file says, checked and in Rust's types.
//!
//! Field numbers are those of the [schema](https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs)
//! (version 3).
#![forbid(unsafe_code)]

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;
use crate::flatbuffer::{Damaged, Table};
use crate::quantize::Quantization;

/// Most bytes of all tensors together.  Far above what a small network needs, far below what could overflow.
pub(crate) const MOST_BYTES: usize = 1 << 28;

/// Most inputs and most outputs of an operation.  Lists may share their bytes in a file, so that a small one could ask
/// for many.
const MOST_OPERANDS: usize = 64;

/// How the converter makes what this executor runs.
pub(crate) const TO_INT8: &str = "convert the network for full-integer int8 (in TensorFlow's converter: optimizations = \
     [Optimize.DEFAULT], a representative_dataset, target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8])";

/// Dimensions of a tensor, filled up with ones in front: batch, rows, columns, channels.
pub type Shape = [usize; 4];

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    /// One byte, quantised.
    Int8,
    /// Four bytes.
    Int32,
    /// Four bytes.
    Float32,
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int32 | Self::Float32 => 4,
        }
    }
}

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) element: Element,
    pub(crate) shape: Shape,
    /// How many of the shape's dimensions, from the back, the file has.
    pub(crate) rank: usize,
    pub(crate) scales: Vec<f32>,
    pub(crate) zero_points: Vec<i64>,
    /// Which of the file's dimensions the scales belong to.
    pub(crate) quantized_dimension: i32,
    /// A constant's bytes; empty if it is computed.
    pub(crate) data: &'a [u8],
}

impl Tensor<'_> {
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.elements() * self.element.size()
    }

    pub(crate) fn is_constant(&self) -> bool {
        !self.data.is_empty()
    }

    /// The one scale and zero point of an int8 tensor.
    pub(crate) fn quantization(&self) -> Option<Quantization> {
        match (&*self.scales, &*self.zero_points) {
            (&[scale], &[zero_point])
                if scale > 0.0 && scale.is_finite() && (-128..=127).contains(&zero_point) =>
            {
                Some(Quantization { scale, zero_point: zero_point as i32 })
            }
            _ => None,
        }
    }

    /// A constant's elements as numbers.
    pub(crate) fn integers(&self) -> Vec<i32> {
        match self.element {
            Element::Int8 => self.data.iter().map(|&byte| i32::from(byte as i8)).collect(),
            Element::Int32 | Element::Float32 => {
                let words = self.data.chunks_exact(4);
                words.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
            }
        }
    }
}

/// An operation of the file.
#[derive(Clone, Debug)]
pub(crate) struct Operator<'a> {
    /// Number in the schema's `BuiltinOperator`.
    pub(crate) code: i32,
    pub(crate) version: i32,
    /// Positions of tensors; `None` for an optional one that is left out.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) options: Option<Table<'a>>,
    /// Name of an operation that is not the schema's own.
    pub(crate) custom: &'a [u8],
}

/// The one graph of a file.
#[derive(Clone, Debug)]
pub(crate) struct Model<'a> {
    pub(crate) tensors: Vec<Tensor<'a>>,
    pub(crate) operators: Vec<Operator<'a>>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
}

/// Says which part was damaged.
trait Part<T> {
    fn part(self, part: &'static str) -> Result<T, Error>;
}

impl<T> Part<T> for Result<T, Damaged> {
    fn part(self, part: &'static str) -> Result<T, Error> {
        self.map_err(|Damaged| Error::Damaged(part))
    }
}

impl<'a> Model<'a> {
    /// Reads the file's only graph.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let root = Table::root(bytes, b"TFL3").part("the header")?;
        let mut graphs = root.tables(2).part("the list of graphs")?;
        let graph = match (graphs.next(), graphs.len()) {
            (Some(graph), 0) => graph.part("the graph")?,
            (Some(_), others) => return Err(Error::Graphs(others + 1)),
            (None, _) => return Err(Error::Damaged("the one graph that a network has")),
        };
        let buffers: Vec<_> =
            root.tables(4).part("the list of buffers")?.collect::<Result<_, _>>().part("a buffer")?;
        let codes: Vec<_> =
            root.tables(1).part("the list of operations")?.collect::<Result<_, _>>().part("an operation")?;

        let tables = graph.tables(0).part("the list of tensors")?;
        let mut tensors = Vec::new();
        let mut bytes = 0;
        for (at, table) in tables.enumerate() {
            let tensor = read_tensor(at, table.part("a tensor")?, &buffers)?;
            // Each time, as tensors, too, may share the bytes of a small file; each is at most MOST_BYTES long.
            bytes += tensor.bytes();
            if bytes > MOST_BYTES {
                return Err(Error::TooLarge { limit: MOST_BYTES });
            }
            tensors.push(tensor);
        }
        let index = |index: i32| match usize::try_from(index) {
            Ok(index) if index < tensors.len() => Ok(index),
            _ => Err(Error::Damaged("a reference to a tensor")),
        };
        let list = |table: Table<'a>, field| -> Result<Vec<usize>, Error> {
            table.scalars(field).part("a list of tensors")?.map(index).collect()
        };
        let read_operator = |table: Table<'a>| -> Result<Operator<'a>, Error> {
            let code = table.scalar::<u32>(0, 0).part("an operation")? as usize;
            let code = *codes.get(code).ok_or(Error::Damaged("the kind of an operation"))?;
            let inputs = table.scalars(1).part("an operation's inputs")?;
            let outputs = table.scalars::<i32>(2).part("an operation's outputs")?;
            if inputs.len().max(outputs.len()) > MOST_OPERANDS {
                return Err(Error::Damaged("a list of operands of a sensible length"));
            }
            Ok(Operator {
                // The older field has one byte, which ends at 127; the newer one is 0 in older files.
                code: i32::from(code.scalar::<i8>(0, 0).part("the kind of an operation")?)
                    .max(code.scalar(3, 0).part("the kind of an operation")?),
                version: code.scalar(2, 1).part("the version of an operation")?,
                custom: code.bytes(1).part("the name of an operation")?,
                inputs: inputs
                    .map(|tensor| if tensor == -1 { Ok(None) } else { index(tensor).map(Some) })
                    .collect::<Result<_, _>>()?,
                outputs: outputs.map(index).collect::<Result<_, _>>()?,
                options: table.table(4).part("an operation's options")?,
            })
        };
        let operators = graph.tables(3).part("the list of operations")?;
        let operators =
            operators.map(|table| read_operator(table.part("an operation")?)).collect::<Result<_, _>>()?;
        Ok(Self { operators, inputs: list(graph, 1)?, outputs: list(graph, 2)?, tensors })
    }
}

fn read_tensor<'a>(at: usize, table: Table<'a>, buffers: &[Table<'a>]) -> Result<Tensor<'a>, Error> {
    let name = core::str::from_utf8(table.bytes(3).part("a tensor's name")?).unwrap_or("not in UTF-8");
    let wrong = |problem: String| Error::Tensor { tensor: at, name: name.to_owned(), problem };
    let element = match table.scalar::<i8>(1, 0).part("a tensor's type")? {
        0 => Element::Float32,
        2 => Element::Int32,
        9 => Element::Int8,
        other => {
            let known =
                [(1, "float16"), (3, "uint8"), (4, "int64"), (5, "string"), (6, "bool"), (7, "int16")];
            let name = known.iter().find(|(number, _)| *number == other).map_or("unknown", |(_, name)| name);
            return Err(wrong(format!(
                "is of type {name} (number {other} of the schema), but must be int8, int32 or float32: {TO_INT8}"
            )));
        }
    };
    let dimensions = table.scalars::<i32>(0).part("a tensor's shape")?;
    let rank = dimensions.len();
    if rank > 4 {
        return Err(wrong(format!("has {rank} dimensions, but at most 4 are known")));
    }
    let mut shape = [1; 4];
    for (to, dimension) in shape[4 - rank..].iter_mut().zip(dimensions) {
        *to = usize::try_from(dimension).ok().filter(|&size| size > 0).ok_or_else(|| {
            wrong(format!("has a dimension of {dimension}, but all must be fixed and above 0"))
        })?;
    }
    let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let elements = elements.filter(|&elements| elements <= MOST_BYTES / 4);
    let elements = elements.ok_or(Error::TooLarge { limit: MOST_BYTES })?;
    let buffer = table.scalar::<u32>(2, 0).part("a tensor's buffer")? as usize;
    let buffer = *buffers.get(buffer).ok_or(Error::Damaged("a tensor's buffer"))?;
    let data = buffer.bytes(0).part("a tensor's data")?;
    if !data.is_empty() && data.len() != elements * element.size() {
        return Err(Error::Damaged("a constant's data"));
    }
    let (mut scales, mut zero_points, mut quantized_dimension) = (Vec::new(), Vec::new(), 0);
    if let Some(quantization) = table.table(4).part("a tensor's quantisation")? {
        let stored_scales = quantization.scalars(2).part("a tensor's scales")?;
        let stored_zero_points = quantization.scalars(3).part("a tensor's zero points")?;
        if stored_scales.len().max(stored_zero_points.len()) > elements {
            return Err(Error::Damaged("a tensor's quantisation"));
        }
        scales = stored_scales.collect();
        zero_points = stored_zero_points.collect();
        quantized_dimension = quantization.scalar(6, 0).part("a tensor's quantisation")?;
    }
    Ok(Tensor { name, element, shape, rank, scales, zero_points, quantized_dimension, data })
}
