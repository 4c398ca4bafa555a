//! Quantised networks behind one small type.
//!
//! Nothing outside this module knows which runtime runs them.  It is crate [`clapper`] of this workspace; with feature
//! `tflite` it is the crate of that name (TensorFlow Lite 1.15.5 in C++), so that the two can be held against each other.
//! Both allocate nothing in [`Network::run`], the latter from its second run on and as long as the network has no `PAD` and
//! no `CONCATENATION`.

#[cfg_attr(feature = "tflite", path = "tflite.rs")]
#[cfg_attr(not(feature = "tflite"), path = "clapper.rs")]
mod engine;

pub use clapper::{Pool, Quantization};

use engine::Engine;

/// Most outputs of a network: a score and a box for each of three strides.
pub const MAX_OUTPUTS: usize = 6;

/// Dimensions of a tensor: batch, rows, columns, channels.
pub type Shape = [usize; 4];

/// Whether this runtime can run a network in another size than the one in which it is stored.
pub const RESIZES: bool = engine::RESIZES;

/// What a network must look like for the code that uses it.
#[derive(Clone, Copy, Debug)]
pub struct Contract<'a> {
    /// Name for messages, such as `face`.
    pub name: &'static str,
    /// The one input: RGB, of type int8, quantised so that a stored value is the pixel − 128.
    pub input: Shape,
    /// Whether the network is to be brought to the rows and columns of the input if it is stored in others; it must be
    /// convolutional then.
    pub resizable: bool,
    /// The outputs, all of type int8 and all of different shapes: they are told apart by shape, because converters
    /// neither keep their order nor their names.
    pub outputs: &'a [Shape],
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

/// A pool of `threads` threads, or of the one that asks if the system refuses more, which is logged.
pub fn pool(threads: usize) -> Pool {
    Pool::new(threads).unwrap_or_else(|error| {
        log::warn!("{error}; one thread does all the work");
        Pool::new(1).expect("the thread that asks is there")
    })
}

/// What an engine says about an input or output.
#[derive(Clone)]
struct TensorInfo {
    name: String,
    /// As many dimensions as the file has.
    shape: Vec<usize>,
    /// Or what it is instead of int8, quantised by one scale and zero point.
    quantization: Result<Quantization, String>,
}

/// An operation failed.
struct Failed;

struct Output {
    /// Which of the file's outputs.
    index: usize,
    quantization: Quantization,
}

/// A network that is loaded, checked and ready to run.
pub struct Network {
    name: &'static str,
    engine: Engine,
    outputs: heapless::Vec<Output, MAX_OUTPUTS>,
}

impl Network {
    /// Loads a full-integer network from the bytes of a `.tflite` file and checks it against `contract`.  `threads` is
    /// how many a pool will have at most that it is run on.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Model`] if the bytes are damaged or use an operation that the runtime lacks,
    /// [`RuntimeError::Tensor`] if an input or output has another shape, type or quantisation.
    pub fn load(contract: &Contract, bytes: &[u8], threads: usize) -> Result<Self, RuntimeError> {
        let name = contract.name;
        let size = contract.resizable.then_some([contract.input[1], contract.input[2]]);
        let engine = Engine::load(bytes, size, threads)
            .map_err(|reason| RuntimeError::Model { model: name, reason })?;
        let tensor = |info: &TensorInfo| -> Result<(Shape, Quantization), RuntimeError> {
            let wrong = |found: String, expected: &str| RuntimeError::Tensor {
                model: name,
                tensor: info.name.clone(),
                found,
                expected: expected.to_owned(),
            };
            let shape = Shape::try_from(info.shape.as_slice())
                .map_err(|_| wrong(format!("of shape {:?}", info.shape), "of four dimensions"))?;
            let expected = "of type int8 and quantised by one scale and zero point";
            let quantization = info.quantization.clone().map_err(|found| wrong(found, expected))?;
            Ok((shape, quantization))
        };

        let wrong = |tensor: &str, found: String, expected: String| RuntimeError::Tensor {
            model: name,
            tensor: tensor.to_owned(),
            found,
            expected,
        };
        let inputs = engine.inputs();
        let [input] = &*inputs else {
            return Err(wrong("input list", format!("{} tensors", inputs.len()), "one".into()));
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
        let listed = engine.outputs();
        for (index, output) in listed.iter().enumerate() {
            let (shape, quantization) = tensor(output)?;
            let _ = found.push((shape, Output { index, quantization }));
        }
        let count = listed.len();
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
        Ok(Self { name, engine, outputs })
    }

    /// The input to fill before each run: pixel − 128 for red, green and blue, row by row.
    pub fn input(&mut self) -> &mut [i8] {
        self.engine.input()
    }

    /// Runs the network on what [`Network::input`] holds.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::Run`] if an operation fails, which a checked network does not.
    pub fn run(&mut self) -> Result<(), RuntimeError> {
        self.engine.run().map_err(|Failed| RuntimeError::Run { model: self.name })
    }

    /// As [`Network::run`], on the threads of a pool; the results are the same bits.
    ///
    /// # Errors
    ///
    /// As [`Network::run`].
    pub fn run_on(&mut self, pool: &mut Pool) -> Result<(), RuntimeError> {
        self.engine.run_on(pool).map_err(|Failed| RuntimeError::Run { model: self.name })
    }

    /// As [`Network::run_on`] a pool of `threads` threads, but on this one, piece after piece: `observe` hears the number
    /// of the operation and that of the piece when each is done.
    ///
    /// # Errors
    ///
    /// As [`Network::run`].
    #[cfg(feature = "ledger")]
    pub fn run_in_turn(
        &mut self,
        threads: usize,
        observe: impl FnMut(usize, usize),
    ) -> Result<(), RuntimeError> {
        self.engine.run_in_turn(threads, observe).map_err(|Failed| RuntimeError::Run { model: self.name })
    }

    /// The output whose shape stands at `index` of the contract.
    ///
    /// # Panics
    ///
    /// If the contract has no such output.
    pub fn output(&self, index: usize) -> Tensor<'_> {
        let output = &self.outputs[index];
        Tensor { values: self.engine.output(output.index), quantization: output.quantization }
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
    const CONTRACT: Contract = Contract {
        name: "mouth",
        input: [1, 96, 96, 3],
        resizable: false,
        outputs: &[[1, 12, 12, 3], [1, 12, 12, 8]],
    };

    #[test]
    fn the_same_input_gives_the_same_output_and_another_another() {
        let mut network = Network::load(&CONTRACT, MODEL, 1).unwrap();
        let mut run = |value: fn(usize) -> i8| {
            for (at, stored) in network.input().iter_mut().enumerate() {
                *stored = value(at);
            }
            network.run().unwrap();
            (network.output(0).values.to_vec(), network.output(1).values.to_vec())
        };
        let (plain, striped) = (run(|_| 0), run(|at| (at / 9 % 200) as i8));
        assert_eq!((plain.0.len(), plain.1.len()), (12 * 12 * 3, 12 * 12 * 8));
        assert_ne!(plain, striped);
        assert_eq!(plain, run(|_| 0));
    }

    #[test]
    fn outputs_come_in_the_order_of_the_contract() {
        let swapped = Contract { outputs: &[[1, 12, 12, 8], [1, 12, 12, 3]], ..CONTRACT };
        let (one, other) =
            (Network::load(&CONTRACT, MODEL, 1).unwrap(), Network::load(&swapped, MODEL, 1).unwrap());
        assert_eq!(one.output(0).values.len(), other.output(1).values.len());
        assert_eq!(one.output(1).quantization, other.output(0).quantization);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        for bytes in [&[][..], b"no model", &[0; 4096], &MODEL[..100], &MODEL[..MODEL.len() - 20]] {
            let error = Network::load(&CONTRACT, bytes, 1).unwrap_err();
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
            let error = Network::load(&contract, MODEL, 1).unwrap_err();
            match &error {
                RuntimeError::Tensor { model: "mouth", tensor: wrong, .. } => assert_eq!(wrong, tensor),
                other => panic!("{other}"),
            }
        }
    }

    /// The two runtimes round sums differently here and there, and the difference grows from layer to layer; LiteRT's own
    /// kernels differ from each other by as much.
    #[cfg(feature = "tflite")]
    #[test]
    fn both_runtimes_agree() {
        const MOST_STEPS: i32 = 8;
        let mut other = clapper::Network::load(MODEL).unwrap();
        let mut network = Network::load(&CONTRACT, MODEL, 1).unwrap();
        let sizes = [network.output(0).values.len(), network.output(1).values.len()];
        for seed in 0..8u32 {
            for (at, stored) in network.input().iter_mut().enumerate() {
                *stored = ((at as u32 + seed * 7919).wrapping_mul(2_654_435_761) >> 24) as i8;
            }
            other.input_mut(0).copy_from_slice(network.input());
            network.run().unwrap();
            other.run();
            for index in 0..2 {
                let same = (0..2).find(|&at| other.output(at).len() == sizes[index]).unwrap();
                let pairs = network.output(index).values.iter().zip(other.output(same));
                let most = pairs.map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).max();
                assert!(most <= Some(MOST_STEPS), "output {index}: {most:?} steps");
            }
        }
    }
}
