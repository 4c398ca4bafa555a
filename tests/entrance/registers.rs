//! The registers of the Pi's peripherals, seen from outside of the machine.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A block of 32-bit registers in the file that is the machine's memory.
#[derive(Debug)]
pub(crate) struct Registers {
    memory: File,
    start: u64,
}

impl Registers {
    /// The registers that begin at byte `start` of `memory`.
    pub(crate) fn new(memory: File, start: u64) -> Self {
        Self { memory, start }
    }

    /// The first `COUNT` registers, all read at once.
    pub(crate) fn read<const COUNT: usize>(&self) -> [u32; COUNT] {
        let mut bytes = vec![0; COUNT * 4];
        self.memory.read_exact_at(&mut bytes, self.start).expect("the machine's memory can be read");
        std::array::from_fn(|index| {
            let bytes = bytes[index * 4..].first_chunk().expect("four bytes a register");
            u32::from_le_bytes(*bytes)
        })
    }

    /// Overwrites the register at `index`.
    pub(crate) fn write(&self, index: u64, value: u32) {
        let place = self.start + 4 * index;
        self.memory.write_all_at(&value.to_le_bytes(), place).expect("the machine's memory can be written");
    }
}
