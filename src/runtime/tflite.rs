//! Crate `tflite`: TensorFlow Lite 1.15.5 in C++ with ruy's kernels, on one thread.

use tflite::context::ElementKind;
use tflite::model::{Model, TensorType};
use tflite::ops::builtin::BuiltinOpResolver;
use tflite::{FlatBufferModel, Interpreter, InterpreterBuilder, TensorIndex};

use super::{Failed, Pool, Quantization, TensorInfo};

pub(super) const RESIZES: bool = false;

pub(super) struct Engine {
    interpreter: Interpreter<'static, BuiltinOpResolver>,
    inputs: Vec<(TensorIndex, TensorInfo)>,
    outputs: Vec<(TensorIndex, TensorInfo)>,
}

// SAFETY: the interpreter owns all that its pointers lead to, keeps nothing in thread-local storage, and with one thread
// starts none; a network is used by one thread at a time, through an exclusive borrow.
unsafe impl Send for Engine {}

impl Engine {
    /// In the file's size, whatever `size` says: another is refused with the contract.
    pub(super) fn load(bytes: &[u8], _size: Option<[usize; 2]>, _threads: usize) -> Result<Self, String> {
        // The heap's alignment, which C++ expects, as bytes in the binary need not have it.
        let bytes = bytes.to_vec();
        // Verifies every offset, which the runtime itself does not.
        let file = Model::from_buffer(&bytes).ok_or("its structure is damaged")?;
        let graph = file.subgraphs.iter().next().ok_or("it holds no graph")?;
        let model = FlatBufferModel::build_from_buffer(bytes).map_err(|_| "its header is damaged")?;
        let interpreter = InterpreterBuilder::new(model, BuiltinOpResolver::default())
            .and_then(|builder| builder.build_with_threads(1))
            .map_err(|_| "it uses an operation, or a version of one, that the runtime lacks")?;
        let info = |&index: &TensorIndex| {
            let info = interpreter.tensor_info(index).ok_or("a tensor is missing")?;
            let stored = graph.tensors.get(index as usize).ok_or("a tensor is missing")?;
            let int8 =
                stored.typ == TensorType::TensorType_INT8 && info.element_kind == ElementKind::kTfLiteInt8;
            let quantization = if !int8 {
                Err(format!("of type {:?}", info.element_kind))
            } else if !stored.quantization.is_valid() {
                Err("not quantised".to_owned())
            } else {
                match (&*stored.quantization.scale, &*stored.quantization.zero_point) {
                    (&[scale], &[zero_point]) if scale > 0.0 && (-128..=127).contains(&zero_point) => {
                        Ok(Quantization { scale, zero_point: zero_point as i32 })
                    }
                    other => Err(format!("quantised by {other:?}")),
                }
            };
            Ok::<_, String>((index, TensorInfo { name: info.name, shape: info.dims, quantization }))
        };
        let inputs = interpreter.inputs().iter().map(info).collect::<Result<_, _>>()?;
        let outputs = interpreter.outputs().iter().map(info).collect::<Result<_, _>>()?;
        Ok(Self { interpreter, inputs, outputs })
    }

    pub(super) fn inputs(&self) -> Vec<TensorInfo> {
        self.inputs.iter().map(|(_, info)| info.clone()).collect()
    }

    pub(super) fn outputs(&self) -> Vec<TensorInfo> {
        self.outputs.iter().map(|(_, info)| info.clone()).collect()
    }

    pub(super) fn input(&mut self) -> &mut [i8] {
        // The tensor was looked up when the network was loaded, so that it is there.
        let bytes = self.interpreter.tensor_buffer_mut(self.inputs[0].0).unwrap_or_default();
        // SAFETY: u8 and i8 have the same size and alignment and no invalid values; the exclusive borrow of the
        // interpreter's buffer is passed on with the same length and lifetime.
        unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<i8>(), bytes.len()) }
    }

    pub(super) fn run(&mut self) -> Result<(), Failed> {
        self.interpreter.invoke().map_err(|_| Failed)
    }

    /// On this thread alone: with more, the runtime allocates.
    pub(super) fn run_on(&mut self, _: &mut Pool) -> Result<(), Failed> {
        self.run()
    }

    /// In one piece: what its threads do is not known.
    #[cfg(feature = "ledger")]
    pub(super) fn run_in_turn(
        &mut self,
        _: usize,
        mut observe: impl FnMut(usize, usize),
    ) -> Result<(), Failed> {
        self.run().inspect(|()| observe(0, 0))
    }

    pub(super) fn output(&self, index: usize) -> &[i8] {
        let bytes = self.interpreter.tensor_buffer(self.outputs[index].0).unwrap_or_default();
        // SAFETY: as in `input`, for a shared borrow.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<i8>(), bytes.len()) }
    }
}
