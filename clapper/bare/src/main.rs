//! MLPerf Tiny's four networks on a processor without an operating system, held against stored answers: see `run`.
#![no_std]
#![no_main]

extern crate alloc;

#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
mod machine;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::fmt::{self, Write};
use core::ptr::NonNull;

use clapper::{Error, Network, Options};
use linked_list_allocator::Heap;

/// A network and what it must answer.
struct Case {
    name: &'static str,
    file: &'static [u8],
    /// The outputs for each picture in turn, as `truth/make.py --tiny` has stored LiteRT's.
    answers: &'static [u8],
    /// How many outputs are a step off: `FULLY_CONNECTED`, ten times, rounds otherwise in one value of a thousand or so.
    off: usize,
}

macro_rules! case {
    ($name:literal, $off:literal) => {
        Case {
            name: $name,
            file: include_bytes!(concat!(env!("NETWORKS"), "/", $name, ".tflite")),
            answers: include_bytes!(concat!("../../truth/tiny/", $name, ".bin")),
            off: $off,
        }
    };
}

const CASES: [Case; 4] = [
    case!("ad01_int8", 5),
    case!("kws_ref_model", 0),
    case!("pretrainedResnet_quant", 0),
    case!("vww_96_int8", 0),
];

/// Pictures for each network.
const PICTURES: usize = 8;

/// What a picture has at a position: noise, of an amplitude and a mean of its own.  `truth/make.py` has the same.
fn picture(number: usize, at: usize) -> i8 {
    let noise = ((at + number * 7919) as u32).wrapping_mul(2_654_435_761) >> 24;
    let value = ((noise as i32 - 128) >> (number % 4)) + 16 * (number as i32 - 4);
    value.clamp(-128, 127) as i8
}

/// Lent to one network after the other.
const MEMORY: usize = 128 * 1024;

/// Memory that is there when the program begins.
#[repr(align(64))]
struct Static<T>(UnsafeCell<T>);

// SAFETY: there is one thread, and no interrupts.
unsafe impl<T> Sync for Static<T> {}

static MEMORY_LENT: Static<[u8; MEMORY]> = Static(UnsafeCell::new([0; MEMORY]));
static HEAP: Static<[u8; machine::HEAP]> = Static(UnsafeCell::new([0; machine::HEAP]));

struct Allocator {
    heap: Static<Heap>,
    /// Allocations, bytes in use, and the most that ever were.
    used: Static<Used>,
}

#[derive(Clone, Copy)]
struct Used {
    calls: usize,
    now: usize,
    most: usize,
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    heap: Static(UnsafeCell::new(Heap::empty())),
    used: Static(UnsafeCell::new(Used { calls: 0, now: 0, most: 0 })),
};

impl Allocator {
    fn used(&self) -> &'static mut Used {
        // SAFETY: there is one thread, and whoever calls this is done with what it gives before the next call.
        unsafe { &mut *ALLOCATOR.used.0.get() }
    }
}

// SAFETY: the heap is the one of linked_list_allocator; there is one thread, and no interrupts.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = self.used();
        used.calls += 1;
        used.now += layout.size();
        used.most = used.most.max(used.now);
        // SAFETY: nothing else refers to the heap meanwhile.
        let heap = unsafe { &mut *self.heap.0.get() };
        heap.allocate_first_fit(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.used().now -= layout.size();
        // SAFETY: as above; the caller gives what `alloc` has given, which is not null.
        unsafe { (*self.heap.0.get()).deallocate(NonNull::new_unchecked(pointer), layout) };
    }
}

/// Text to the terminal that QEMU runs in.
struct Terminal;

impl Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(63) {
            // Ended by a 0.
            let mut bytes = [0u8; 64];
            bytes[..piece.len()].copy_from_slice(piece);
            machine::semihosting(0x04, bytes.as_ptr().cast());
        }
        Ok(())
    }
}

macro_rules! say {
    ($($text:tt)*) => { let _ = writeln!(Terminal, $($text)*); };
}

/// Ends QEMU with an exit status.
fn exit(status: usize) -> ! {
    // The reason is that the application ends.
    let block = [0x20026, status];
    loop {
        machine::semihosting(0x20, block.as_ptr());
    }
}

#[panic_handler]
fn panic(information: &core::panic::PanicInfo<'_>) -> ! {
    say!("{information}");
    exit(2)
}

/// Where the processor goes at a fault.
#[unsafe(no_mangle)]
extern "C" fn fail() -> ! {
    say!("the processor has met a fault");
    exit(3)
}

/// 64-bit FNV-1a.
fn hash(state: u64, value: i8) -> u64 {
    (state ^ u64::from(value as u8)).wrapping_mul(0x0100_0000_01b3)
}

/// Runs a network on all pictures; whether its answers are right.
fn check(case: &Case, memory: &mut [u8]) -> Result<bool, Error> {
    let before = *ALLOCATOR.used();
    ALLOCATOR.used().most = before.now;
    let mut network = Network::load_in(case.file, &Options::default(), memory)?;
    let loaded = *ALLOCATOR.used();
    let (mut most, mut different, mut hashed, mut ticks) = (0, 0, 0xcbf2_9ce4_8422_2325, 0);
    let outputs = network.output(0).len();
    if case.answers.len() != PICTURES * outputs {
        say!("{}: {} answers for {PICTURES} outputs of {outputs}", case.name, case.answers.len());
        return Ok(false);
    }
    for (number, answers) in case.answers.chunks_exact(outputs).enumerate() {
        for (at, value) in network.input_mut(0).iter_mut().enumerate() {
            *value = picture(number, at);
        }
        machine::start();
        let begin = machine::now();
        network.run();
        ticks = machine::since(begin);
        for (&output, &answer) in network.output(0).iter().zip(answers) {
            let steps = output.abs_diff(answer as i8);
            most = most.max(steps);
            different += usize::from(steps > 0);
            hashed = hash(hashed, output);
        }
    }
    let calls = ALLOCATOR.used().calls - loaded.calls;
    say!(
        "{} with {:?}: {different} of {} values differ ({} are allowed to, by a step), by {most}, hash {hashed:016x}\n    \
         {} thousand instructions, {} bytes lent, {} of heap, {} while loading, {calls} allocations in runs",
        case.name,
        network.kernels(),
        case.answers.len(),
        case.off,
        // QEMU runs one instruction a nanosecond: `-icount shift=0`.
        ticks * (1_000_000_000 / machine::FREQUENCY) / 1000,
        network.arena_bytes(),
        loaded.now - before.now,
        loaded.most - before.now,
    );
    Ok(most <= 1 && different <= case.off && calls == 0)
}

/// After the machine's own beginning.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    // SAFETY: the heap's memory is used by nothing else, and is there for as long as the program.
    unsafe { (*ALLOCATOR.heap.0.get()).init(HEAP.0.get().cast(), machine::HEAP) };
    let mut right = true;
    for case in &CASES {
        // SAFETY: the network of the turn before, to which it was lent, is gone.
        let memory = unsafe { &mut *MEMORY_LENT.0.get() };
        right &= check(case, memory).unwrap_or_else(|error| {
            say!("{}: {error}", case.name);
            false
        });
    }
    say!("{}", if right { "all answers are right" } else { "WRONG" });
    exit(usize::from(!right))
}
