//! Quantised networks behind one small type.
//!
//! Nothing outside this module knows which runtime runs them.  Today it is crate `tflite` (TensorFlow Lite 1.15.5 with
//! ruy's kernels) on one thread, which allocates nothing in [`Network::run`] as long as the network has no `PAD` and no
//! `CONCATENATION`.

use tflite::context::ElementKind;
use tflite::model::{Model, TensorType};
use tflite::ops::builtin::BuiltinOpResolver;
use tflite::{FlatBufferModel, Interpreter, InterpreterBuilder, TensorIndex};

/// Most outputs of a network: a score and a box for each of three strides.
pub const MAX_OUTPUTS: usize = 6;

/// Dimensions of a tensor: batch, rows, columns, channels.
pub type Shape = [usize; 4];

/// What a network must look like for the code that uses it.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    /// Name for messages, such as `face`.
    pub name: &'static str,
    /// The one input: RGB, of type int8, quantised so that a stored value is the pixel − 128.
    pub input: Shape,
    /// The outputs, all of type int8 and all of different shapes: they are told apart by shape, because converters
    /// neither keep their order nor their names.
    pub outputs: &'static [Shape],
}

/// How stored integers stand for real numbers: real = scale × (stored − zero point).
///
/// As in the [TensorFlow Lite quantisation specification](https://ai.google.dev/edge/litert/models/quantization_spec).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real difference between two neighbouring stored values, above 0.
    pub scale: f32,
    /// Stored value of a real 0, −128 to 127.
    pub zero_point: i32,
}

impl Quantization {
    /// The real number that `stored` stands for.
    pub fn real(self, stored: i8) -> f32 {
        self.scale * (i32::from(stored) - self.zero_point) as f32
    }

    /// The least stored value that stands for at least `real`; `None` if even 127 stands for less.
    pub fn at_least(self, real: f32) -> Option<i8> {
        (i8::MIN..=i8::MAX).find(|&stored| self.real(stored) >= real)
    }
}

/// An output of the last run.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Stored values, row by row, column by column, channel by channel.
    pub values: &'a [i8],
    /// What they stand for.
    pub quantization: Quantization,
}

/// Why a network cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuntimeError {
    /// The bytes are no network that the runtime understands.
    #[error("the {model} model is not a TensorFlow Lite file that can be run: {reason}")]
    Model {
        /// Name of the contract.
        model: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// A tensor is not what the code expects.
    #[error(
        "the {model} model's {tensor} is {found}, but must be {expected}: train and convert it with models/train"
    )]
    Tensor {
        /// Name of the contract.
        model: &'static str,
        /// Which tensor.
        tensor: String,
        /// As the file has it.
        found: String,
        /// As it should be.
        expected: String,
    },
    /// The network failed while running.
    #[error("the {model} model stopped while running: its file may be damaged; install it anew")]
    Run {
        /// Name of the contract.
        model: &'static str,
    },
}

struct Output {
    index: TensorIndex,
    quantization: Quantization,
}

/// A network that is loaded, checked and ready to run on this thread.
pub struct Network {
    name: &'static str,
    interpreter: Interpreter<'static, BuiltinOpResolver>,
    input: TensorIndex,
    outputs: heapless::Vec<Output, MAX_OUTPUTS>,
}

impl Network {
    /// Loads a full-integer network from the bytes of a `.tflite` file and checks it against `contract`.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Model`] if the bytes are damaged or use an operation that the runtime lacks,
    /// [`RuntimeError::Tensor`] if an input or output has another shape, type or quantisation.
    pub fn load(contract: &Contract, bytes: &[u8]) -> Result<Self, RuntimeError> {
        let name = contract.name;
        let broken = |reason: &str| RuntimeError::Model { model: name, reason: reason.to_owned() };

        // The heap's alignment, which C++ expects, as bytes in the binary need not have it.
        let bytes = bytes.to_vec();
        // Verifies every offset, which the runtime itself does not.
        let file = Model::from_buffer(&bytes).ok_or_else(|| broken("its structure is damaged"))?;
        let graph = file.subgraphs.iter().next().ok_or_else(|| broken("it holds no graph"))?;

        let model = FlatBufferModel::build_from_buffer(bytes).map_err(|_| broken("its header is damaged"))?;
        let interpreter = InterpreterBuilder::new(model, BuiltinOpResolver::default())
            .and_then(|builder| builder.build_with_threads(1))
            .map_err(|_| broken("it uses an operation, or a version of one, that the runtime lacks"))?;

        let tensor = |index: TensorIndex| -> Result<(Shape, Quantization), RuntimeError> {
            let info = interpreter.tensor_info(index).ok_or_else(|| broken("a tensor is missing"))?;
            let stored = graph.tensors.get(index as usize).ok_or_else(|| broken("a tensor is missing"))?;
            let wrong = |found: String, expected: &str| RuntimeError::Tensor {
                model: name,
                tensor: info.name.clone(),
                found,
                expected: expected.to_owned(),
            };
            if stored.typ != TensorType::TensorType_INT8 || info.element_kind != ElementKind::kTfLiteInt8 {
                return Err(wrong(format!("of type {:?}", info.element_kind), "of type int8"));
            }
            let shape = Shape::try_from(info.dims.as_slice())
                .map_err(|_| wrong(format!("of shape {:?}", info.dims), "of four dimensions"))?;
            if !stored.quantization.is_valid() {
                return Err(wrong("not quantised".into(), "quantised by one scale and zero point"));
            }
            let (scales, zero_points) = (&stored.quantization.scale, &stored.quantization.zero_point);
            match (&**scales, &**zero_points) {
                (&[scale], &[zero_point]) if scale > 0.0 && (-128..=127).contains(&zero_point) => {
                    Ok((shape, Quantization { scale, zero_point: zero_point as i32 }))
                }
                other => {
                    Err(wrong(format!("quantised by {other:?}"), "quantised by one scale and zero point"))
                }
            }
        };

        let wrong = |tensor: &str, found: String, expected: String| RuntimeError::Tensor {
            model: name,
            tensor: tensor.to_owned(),
            found,
            expected,
        };
        let &[input] = interpreter.inputs() else {
            return Err(wrong("input list", format!("{} tensors", interpreter.inputs().len()), "one".into()));
        };
        let (shape, quantization) = tensor(input)?;
        if shape != contract.input {
            return Err(wrong("input", format!("{shape:?}"), format!("{:?}", contract.input)));
        }
        // Whether the network was trained on 0 to 255 or on 0 to 1 is its own business: the stored values are the same.
        let pixel = [1.0, 1.0 / 255.0].iter().any(|unit| (quantization.scale / unit - 1.0).abs() < 0.01);
        if quantization.zero_point != -128 || !pixel {
            let expected = "scale 1 or 1/255 and zero point −128 (pixel − 128)";
            return Err(wrong("input", format!("{quantization:?}"), expected.into()));
        }

        let mut found = heapless::Vec::<(Shape, Output), MAX_OUTPUTS>::new();
        for &index in interpreter.outputs() {
            let (shape, quantization) = tensor(index)?;
            let _ = found.push((shape, Output { index, quantization }));
        }
        let count = interpreter.outputs().len();
        if count != contract.outputs.len() || found.len() != count {
            return Err(wrong("output list", format!("{count} tensors"), format!("{:?}", contract.outputs)));
        }
        let mut outputs = heapless::Vec::new();
        for expected in contract.outputs {
            let Some(at) = found.iter().position(|(shape, _)| shape == expected) else {
                let shapes: Vec<_> = found.iter().map(|(shape, _)| shape).collect();
                return Err(wrong("outputs", format!("{shapes:?} (left over)"), format!("{expected:?}")));
            };
            let _ = outputs.push(found.swap_remove(at).1);
        }
        let mut network = Self { name, interpreter, input, outputs };
        // The runtime allocates the kernels' scratch memory in the first run: that is now, and not at the first face.
        network.run()?;
        Ok(network)
    }

    /// The input to fill before each run: pixel − 128 for red, green and blue, row by row.
    pub fn input(&mut self) -> &mut [i8] {
        // The tensor was looked up when the network was loaded, so that it is there.
        let bytes = self.interpreter.tensor_buffer_mut(self.input).unwrap_or_default();
        // SAFETY: u8 and i8 have the same size and alignment and no invalid values; the exclusive borrow of the
        // interpreter's buffer is passed on with the same length and lifetime.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<i8>(), bytes.len()) }
    }

    /// Runs the network on what [`Network::input`] holds.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`] if an operation fails, which a checked network does not.
    pub fn run(&mut self) -> Result<(), RuntimeError> {
        self.interpreter.invoke().map_err(|_| RuntimeError::Run { model: self.name })
    }

    /// The output whose shape stands at `index` of the contract.
    ///
    /// # Panics
    ///
    /// If the contract has no such output.
    pub fn output(&self, index: usize) -> Tensor<'_> {
        let output = &self.outputs[index];
        let bytes = self.interpreter.tensor_buffer(output.index).unwrap_or_default();
        // SAFETY: as in `input`, for a shared borrow.
        let values = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<i8>(), bytes.len()) };
        Tensor { values, quantization: output.quantization }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] = include_bytes!("../../models/mouth.tflite");
    const CONTRACT: Contract =
        Contract { name: "mouth", input: [1, 96, 96, 3], outputs: &[[1, 12, 12, 2], [1, 12, 12, 8]] };

    #[test]
    fn the_same_input_gives_the_same_output_and_another_another() {
        let mut network = Network::load(&CONTRACT, MODEL).unwrap();
        let mut run = |value: fn(usize) -> i8| {
            for (at, stored) in network.input().iter_mut().enumerate() {
                *stored = value(at);
            }
            network.run().unwrap();
            (network.output(0).values.to_vec(), network.output(1).values.to_vec())
        };
        let (plain, striped) = (run(|_| 0), run(|at| (at / 9 % 200) as i8));
        assert_eq!((plain.0.len(), plain.1.len()), (12 * 12 * 2, 12 * 12 * 8));
        assert_ne!(plain, striped);
        assert_eq!(plain, run(|_| 0));
    }

    #[test]
    fn outputs_come_in_the_order_of_the_contract() {
        let swapped = Contract { outputs: &[[1, 12, 12, 8], [1, 12, 12, 2]], ..CONTRACT };
        let (one, other) =
            (Network::load(&CONTRACT, MODEL).unwrap(), Network::load(&swapped, MODEL).unwrap());
        assert_eq!(one.output(0).values.len(), other.output(1).values.len());
        assert_eq!(one.output(1).quantization, other.output(0).quantization);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        for bytes in [&[][..], b"no model", &[0; 4096], &MODEL[..100], &MODEL[..MODEL.len() - 20]] {
            let error = Network::load(&CONTRACT, bytes).unwrap_err();
            assert!(matches!(error, RuntimeError::Model { model: "mouth", .. }), "{error}");
        }
    }

    #[test]
    fn a_network_that_does_not_fit_is_refused_by_tensor() {
        for (contract, tensor) in [
            (Contract { input: [1, 64, 64, 3], ..CONTRACT }, "input"),
            (Contract { outputs: &[[1, 12, 12, 2]], ..CONTRACT }, "output list"),
            (Contract { outputs: &[[1, 12, 12, 2], [1, 12, 12, 4]], ..CONTRACT }, "outputs"),
        ] {
            let error = Network::load(&contract, MODEL).unwrap_err();
            match &error {
                RuntimeError::Tensor { model: "mouth", tensor: wrong, .. } => assert_eq!(wrong, tensor),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn quantisation_goes_both_ways() {
        let quantization = Quantization { scale: 0.5, zero_point: -10 };
        assert_eq!(quantization.real(-10), 0.0);
        assert_eq!(quantization.real(10), 10.0);
        assert_eq!(quantization.at_least(0.1), Some(-9));
        assert_eq!(quantization.at_least(68.5), Some(127));
        assert_eq!(quantization.at_least(68.6), None);
        assert_eq!(quantization.at_least(f32::NEG_INFINITY), Some(-128));
        assert_eq!(quantization.at_least(f32::NAN), None);
    }
}
