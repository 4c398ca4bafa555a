#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::bytes::signed_mut;
use crate::error::Error;
use crate::kernels::Kernels;
use crate::model::{Element, Model, Shape};
use crate::operations::{self, Keep, Operation};
use crate::plan::{self, ALIGNMENT, Request, SLACK};
#[cfg(feature = "std")]
use crate::pool::Pool;
use crate::quantize::Quantization;
use crate::team::{Alone, InTurn, Team};

/// How a network is to be loaded.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = std::fs::read("truth/cases/convolution_3x3.tflite")?;
/// use clapper::{Network, Options, Pool};
///
/// let mut pool = Pool::new(2)?;
/// let options = Options { input: Some([48, 64]), threads: pool.threads(), ..Options::default() };
/// let mut network = Network::load_with(&file, &options)?;
/// assert_eq!(network.inputs()[0].shape[1..3], [48, 64]);
/// network.run_on(&mut pool);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The inner loops, or the portable ones if this processor lacks those.
    pub kernels: Kernels,
    /// Rows and columns of the network's only input, if they are to be others than the file's.
    ///
    /// All tensors' shapes follow.  Weights stay, so the network must be convolutional: `RESHAPE`, `FULLY_CONNECTED` and
    /// constants that are added do not follow and are refused by name.  A resize makes its output as large as the
    /// tensor that it is then joined with, or else keeps its ratio to its input.
    pub input: Option<[usize; 2]>,
    /// Most threads that a run will use, 1 or more; working memory is taken for each.
    pub threads: usize,
}

impl Default for Options {
    /// The best kernels, the file's own size, one thread.
    fn default() -> Self {
        Self { kernels: Kernels::best(), input: None, threads: 1 }
    }
}

/// An input or output of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// As the file has it.
    pub name: String,
    /// Dimensions, filled up with ones in front: batch, rows, columns, channels.
    pub shape: Shape,
    /// Type of its elements.
    pub element: Element,
    /// What an int8 tensor's values stand for; `None` for other types.
    pub quantization: Option<Quantization>,
    /// Where it lies in the arena.
    place: Range<usize>,
}

#[derive(Debug)]
struct Step<'a> {
    name: &'static str,
    operation: Operation<'a>,
    inputs: Vec<Range<usize>>,
    output: Range<usize>,
}

/// What tensors and operations work in.
#[derive(Debug)]
enum Memory<'a> {
    Own(Vec<i8>),
    Lent(&'a mut [i8]),
}

impl Memory<'_> {
    fn get(&self) -> &[i8] {
        match self {
            Self::Own(memory) => memory,
            Self::Lent(memory) => memory,
        }
    }

    fn get_mut(&mut self) -> &mut [i8] {
        match self {
            Self::Own(memory) => memory,
            Self::Lent(memory) => memory,
        }
    }
}

/// A network that is loaded, checked and ready to run, in memory of its own.
///
/// All memory is taken by [`Network::load`]; nothing else allocates.
pub type Network = NetworkIn<'static>;

/// A [`Network`] in memory that it has borrowed: see [`Network::load_in`].
#[derive(Debug)]
pub struct NetworkIn<'a> {
    kernels: Kernels,
    /// Most threads that the scratch memory is for.
    threads: usize,
    steps: Vec<Step<'a>>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    /// As many bytes as make the first tensor begin on a cache line, the tensors, and what operations work in.
    memory: Memory<'a>,
    start: usize,
    /// Bytes of the tensors.
    size: usize,
}

/// Whom a tensor shares its place with, and when.
struct Lives {
    /// The first tensor of those that share a place.
    roots: Vec<usize>,
    /// By first tensor.
    requests: Vec<Request>,
}

impl Network {
    /// Loads the bytes of a `.tflite` file, for the best [`Kernels`] of this processor and one thread.
    ///
    /// # Errors
    ///
    /// Any [`Error`] if the file is damaged, or uses what this executor lacks.
    pub fn load(bytes: &[u8]) -> Result<Self, Error> {
        Self::load_with(bytes, &Options::default())
    }

    /// As [`Network::load`], for certain kernels.
    ///
    /// # Errors
    ///
    /// As [`Network::load`].
    pub fn load_for(bytes: &[u8], kernels: Kernels) -> Result<Self, Error> {
        Self::load_with(bytes, &Options { kernels, ..Options::default() })
    }

    /// As [`Network::load`], as `options` say.
    ///
    /// # Errors
    ///
    /// As [`Network::load`]; and [`Error::InputSize`] or [`Error::Unsupported`] if the network cannot have the input's
    /// rows and columns.
    pub fn load_with(bytes: &[u8], options: &Options) -> Result<Self, Error> {
        NetworkIn::make(bytes, options, |weights| Cow::Owned(weights.to_vec()), None)
    }

    /// As [`Network::load_with`], in `memory` that is lent, for as long as the network lives; for processors whose memory is
    /// laid out before the program runs.
    ///
    /// Tensors and working memory lie in `memory`, of which [`NetworkIn::arena_bytes`] are used.  Weights are read
    /// where they lie in the file, such as in flash, unless the kernels need another order, as all but the portable ones do.
    /// From `alloc` come the lists of operations and tensors, their names, twelve bytes for each channel of a
    /// convolution, and small tables (1 KiB for a softmax, 256 bytes for other functions, rows and columns for a resize); when
    /// loading is over, nothing more.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let file = std::fs::read("truth/cases/convolution_3x3.tflite")?;
    /// use clapper::{Error, Kernels, Network, Options};
    ///
    /// let options = Options { kernels: Kernels::Portable, ..Options::default() };
    /// let mut memory = [0; 16 * 1024];
    /// let mut network = Network::load_in(&file, &options, &mut memory)?;
    /// network.input_mut(0).fill(0);
    /// network.run();
    ///
    /// // Too little memory is an error that says how much it needs.
    /// let error = Network::load_in(&file, &options, &mut []).unwrap_err();
    /// assert!(matches!(error, Error::Memory { needed: 1..=16384, given: 0 }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Network::load_with`]; and [`Error::Memory`] if `memory` is too small.
    pub fn load_in<'a>(
        bytes: &'a [u8],
        options: &Options,
        memory: &'a mut [u8],
    ) -> Result<NetworkIn<'a>, Error> {
        NetworkIn::make(bytes, options, Cow::Borrowed, Some(signed_mut(memory)))
    }
}

impl<'a> NetworkIn<'a> {
    /// Loads a network whose operations keep weights as `keep` says, in `lent` memory or its own.
    fn make<'f>(
        bytes: &'f [u8],
        options: &Options,
        keep: Keep<'f, 'a>,
        lent: Option<&'a mut [i8]>,
    ) -> Result<Self, Error> {
        let kernels = if options.kernels.available() { options.kernels } else { Kernels::Portable };
        let threads = options.threads.max(1);
        let mut model = Model::read(bytes)?;
        if let Some(size) = options.input {
            operations::resize(&mut model, size)?;
        }
        let model = model;
        let mut operations = Vec::new();
        for at in 0..model.operators.len() {
            operations.push(operations::load(&model, at, kernels, keep)?);
        }
        let lives = lives(&model, &operations)?;
        let (starts, size) = plan::place(&lives.requests);
        if size > crate::model::MOST_BYTES {
            return Err(Error::TooLarge { limit: crate::model::MOST_BYTES });
        }

        let scratch = operations.iter().zip(&model.operators).map(|(operation, operator)| {
            operation.scratch_bytes_for(threads, model.tensors[operator.outputs[0]].bytes())
        });
        let needed = ALIGNMENT + size + scratch.max().unwrap_or(0);
        let mut memory = match lent {
            None => Memory::Own(vec![0; needed]),
            Some(lent) if lent.len() < needed => {
                return Err(Error::Memory { needed, given: lent.len() });
            }
            Some(lent) => {
                let lent = &mut lent[..needed];
                lent.fill(0);
                Memory::Lent(lent)
            }
        };
        let start = memory.get().as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let arena = &mut memory.get_mut()[start..];
        let place = |tensor: usize| {
            let start = starts[lives.roots[tensor]];
            start..start + model.tensors[tensor].bytes()
        };
        for (at, tensor) in model.tensors.iter().enumerate().filter(|(_, tensor)| tensor.is_constant()) {
            if lives.requests[at].bytes > 0 {
                for (to, &from) in arena[place(at)].iter_mut().zip(tensor.data) {
                    *to = from as i8;
                }
            }
        }
        let info = |&tensor: &usize| {
            let read = &model.tensors[tensor];
            TensorInfo {
                name: read.name.into(),
                shape: read.shape,
                element: read.element,
                quantization: if read.element == Element::Int8 { read.quantization() } else { None },
                place: place(tensor),
            }
        };
        let steps =
            operations.into_iter().enumerate().zip(&model.operators).map(|((at, operation), operator)| {
                Ok(Step {
                    name: operations::name(at, operator)?,
                    inputs: operator.inputs.iter().flatten().map(|&tensor| place(tensor)).collect(),
                    output: place(operator.outputs[0]),
                    operation,
                })
            });
        Ok(Self {
            kernels,
            threads,
            steps: steps.collect::<Result<_, Error>>()?,
            inputs: model.inputs.iter().map(info).collect(),
            outputs: model.outputs.iter().map(info).collect(),
            memory,
            start,
            size,
        })
    }

    /// The kernels that were chosen.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The inputs, in the file's order.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// The outputs, in the file's order.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// Bytes that all tensors together take, and what operations work in.
    pub fn arena_bytes(&self) -> usize {
        self.memory.get().len()
    }

    /// Bytes that the packed weights and tables take; weights that are read where they lie in the file are not among them.
    pub fn weight_bytes(&self) -> usize {
        self.steps.iter().map(|step| step.operation.weight_bytes()).sum()
    }

    /// The stored values of an input, to be filled before each run: its place serves other tensors later in a run.
    /// float32 and int32 elements are four bytes each, little-endian.
    ///
    /// # Panics
    ///
    /// If the network has no such input.
    pub fn input_mut(&mut self, index: usize) -> &mut [i8] {
        &mut self.memory.get_mut()[self.start..][self.inputs[index].place.clone()]
    }

    /// The stored values of an output of the last run, elements as in [`Network::input_mut`].
    ///
    /// # Panics
    ///
    /// If the network has no such output.
    pub fn output(&self, index: usize) -> &[i8] {
        &self.memory.get()[self.start..][self.outputs[index].place.clone()]
    }

    /// Runs the network on what its inputs hold.
    pub fn run(&mut self) {
        self.run_observed(|_, _| ());
    }

    /// As [`Network::run`], on the threads of a pool, as far as [`Options::threads`] foresaw: large operations are cut
    /// into ranges of rows, small ones stay on this thread.  The results are the same bits.
    ///
    /// # Panics
    ///
    /// Only where [`Network::run`] would, on any of the threads: never, that is.
    #[cfg(feature = "std")]
    pub fn run_on(&mut self, pool: &mut Pool) {
        for number in 0..self.steps.len() {
            self.step(number, pool);
        }
    }

    /// As [`Network::run`], calling `observe` with number and name of each operation when it is done, such as to measure
    /// it.
    pub fn run_observed(&mut self, mut observe: impl FnMut(usize, &'static str)) {
        for number in 0..self.steps.len() {
            self.step(number, &mut Alone);
            observe(number, self.steps[number].name);
        }
    }

    /// As [`Network::run_observed`], but cuts operations as for a pool of `threads` threads and does the pieces one after
    /// the other on this thread, calling `observe` with number and name of the operation and the number of the piece
    /// when each is done: to measure how long the longest way through a run of several threads is.
    ///
    /// In a pool, of `pieces` pieces of an operation thread t does t and, if there are two for each thread, the one that
    /// is as far from the end, unless another thread is idle before.
    pub fn run_in_turn(&mut self, threads: usize, mut observe: impl FnMut(usize, &'static str, usize)) {
        for number in 0..self.steps.len() {
            let name = self.steps[number].name;
            let mut pieces = 0;
            let count = |piece| {
                pieces += 1;
                observe(number, name, piece);
            };
            self.step(number, &mut InTurn { threads, observe: count });
            if pieces == 0 {
                observe(number, name, 0);
            }
        }
    }

    fn step(&mut self, number: usize, team: &mut dyn Team) {
        let (step, threads) = (&self.steps[number], self.threads);
        let (arena, scratch) = self.memory.get_mut()[self.start..].split_at_mut(self.size);
        match &*step.inputs {
            [input, ..] if *input == step.output => {
                step.operation.run_in_place(&mut arena[step.output.clone()], threads, team);
            }
            inputs => {
                let (before, rest) = arena.split_at_mut(step.output.start);
                let (output, after) = rest.split_at_mut(step.output.len());
                let (before, after) = (&*before, &*after);
                let input = |index: usize| {
                    let input = &inputs[index];
                    let end = input.end + SLACK;
                    // Inputs, and the bytes behind them, never overlap the output: they live at the same time.
                    if end <= before.len() {
                        &before[input.start..end]
                    } else {
                        &after[input.start - step.output.end..end - step.output.end]
                    }
                };
                step.operation.run(input, output, scratch, threads, team);
            }
        }
    }
}

/// From when until when each tensor must be whole, and which can share a place.
///
/// Time 0 is before the first operation, operation n runs at time n + 1, and the last time is after all.
fn lives(model: &Model<'_>, operations: &[Operation<'_>]) -> Result<Lives, Error> {
    let end = operations.len() + 1;
    let mut last = vec![0; model.tensors.len()];
    for (at, operator) in model.operators.iter().enumerate() {
        for &tensor in operator.inputs.iter().flatten() {
            last[tensor] = at + 1;
        }
    }
    for &tensor in &model.outputs {
        last[tensor] = end;
    }
    let mut roots: Vec<usize> = (0..model.tensors.len()).collect();
    // By first tensor: since when there is a value, and until when it is needed.
    let mut first: Vec<Option<usize>> =
        model.tensors.iter().map(|tensor| tensor.is_constant().then_some(0)).collect();
    let mut used: Vec<bool> = model.tensors.iter().map(|_| false).collect();
    for &tensor in &model.inputs {
        if first[tensor].is_some() {
            return Err(Error::Damaged("an input that is not given twice, nor a constant,"));
        }
        first[tensor] = Some(0);
        used[tensor] = true;
    }
    for (at, (operator, operation)) in model.operators.iter().zip(operations).enumerate() {
        let wrong =
            |problem: &str| Error::Unsupported { operator: at, name: "its tensors", problem: problem.into() };
        for &tensor in operator.inputs.iter().flatten() {
            if first[roots[tensor]].is_none() {
                return Err(wrong("one is read before it is computed"));
            }
        }
        let output = operator.outputs[0];
        if first[output].is_some() || roots[output] != output {
            return Err(wrong("one is computed twice"));
        }
        let weights = matches!(operation, Operation::Convolution(_) | Operation::Depthwise(_));
        for (index, &tensor) in operator.inputs.iter().flatten().enumerate() {
            // Weights are packed apart from the arena, as other constants are read when loading.
            used[roots[tensor]] |= !weights || index == 0;
        }
        let source = operator.inputs.first().copied().flatten().map(|tensor| roots[tensor]);
        let shared = source.filter(|&source| match operation {
            Operation::Copy => true,
            Operation::Lookup(_) => last[source] == at + 1,
            _ => false,
        });
        match shared.filter(|&source| !model.tensors[source].is_constant()) {
            Some(source) => {
                roots[output] = source;
                last[source] = last[source].max(last[output]);
            }
            None => {
                first[output] = Some(at + 1);
                used[output] = true;
            }
        }
    }
    for &tensor in &model.outputs {
        if first[roots[tensor]].is_none() {
            return Err(Error::Damaged("the computation of an output"));
        }
        used[roots[tensor]] = true;
    }
    let requests = model.tensors.iter().enumerate().map(|(at, tensor)| {
        let constant = tensor.is_constant();
        match first[at] {
            Some(first) if used[at] && roots[at] == at => {
                // Constants keep their place from one run to the next.
                Request {
                    bytes: tensor.bytes(),
                    first,
                    last: if constant { end } else { last[at].max(first) },
                }
            }
            _ => Request { bytes: 0, first: 0, last: 0 },
        }
    });
    Ok(Lives { requests: requests.collect(), roots })
}
