use alloc::string::String;

/// Why a file cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no TensorFlow Lite file, or it is cut off or overwritten.
    #[error("not a whole TensorFlow Lite file ({0} is missing or damaged): convert or copy it anew")]
    Damaged(&'static str),
    /// The file has several graphs, as networks with control flow or with states of their own have them.
    #[error(
        "the file has {0} graphs, but a network must be one: build it without control flow (WHILE, IF) and without \
         variables, with its state as an input and an output"
    )]
    Graphs(usize),
    /// The file asks for an operation that this executor does not have.
    #[error("operation {operator} is {name}, which this executor lacks: build the network without it")]
    Operation {
        /// Position of the operation in the file.
        operator: usize,
        /// As the schema calls it, or its number.
        name: String,
    },
    /// The operation is known, but not in this version.
    #[error(
        "operation {operator} is {name} version {version}, but versions up to {known} are known: \
         convert the network for full-integer int8 with a converter that writes that version"
    )]
    Version {
        /// Position of the operation in the file.
        operator: usize,
        /// As the schema calls it.
        name: &'static str,
        /// As the file has it.
        version: i32,
        /// The highest that is known.
        known: i32,
    },
    /// An operation has a tensor or an option that it cannot have.
    #[error("operation {operator}, {name}: {problem}")]
    Unsupported {
        /// Position of the operation in the file.
        operator: usize,
        /// As the schema calls it.
        name: &'static str,
        /// What it is and what it would have to be.
        problem: String,
    },
    /// A tensor is of a kind that this executor does not have.
    #[error("tensor {tensor} ({name}) {problem}")]
    Tensor {
        /// Position of the tensor in the file.
        tensor: usize,
        /// Its name in the file.
        name: String,
        /// What it is and what it would have to be.
        problem: String,
    },
    /// The network's input cannot have the rows and columns asked for.
    #[error("the network cannot take {} rows and {} columns: {problem}", size[0], size[1])]
    InputSize {
        /// Rows and columns.
        size: [usize; 2],
        /// What stands against it.
        problem: String,
    },
    /// A pool cannot have that many threads.
    #[error("cannot make a pool of {threads} threads ({problem}): ask for fewer")]
    Threads {
        /// As asked for.
        threads: usize,
        /// What stands against it.
        problem: String,
    },
    /// The memory that the caller has lent is too small.
    #[error("the network needs {needed} bytes of memory, but was given {given}: lend it that many")]
    Memory {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        given: usize,
    },
    /// The tensors together would not fit the address space or the limit.
    #[error("the network needs more than {limit} bytes for its tensors: make it smaller")]
    TooLarge {
        /// Most bytes of the arena.
        limit: usize,
    },
}
