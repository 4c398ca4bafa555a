//! The heap, counted; and a scratch arena for code that insists on allocating.
//!
//! The loop from camera to tone allocates nothing after the first frame.  [`heap_calls`] lets a test prove it.  One
//! guest, the JPEG decoder, allocates for every picture: [`Scratch`] serves it from a region that was reserved
//! before the loop.
//!
//! Both need [`Allocator`] in the program:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: maskbell::memory::Allocator = maskbell::memory::Allocator;
//! # fn main() {}
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static REALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static FREES: AtomicUsize = AtomicUsize::new(0);

/// How often Rust code of this process has called the heap.  Calls that an arena served do not count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeapCalls {
    /// Blocks asked for.
    pub allocations: usize,
    /// Blocks resized.
    pub reallocations: usize,
    /// Blocks given back.
    pub frees: usize,
}

impl HeapCalls {
    /// All calls together.
    pub const fn total(&self) -> usize {
        self.allocations + self.reallocations + self.frees
    }
}

/// Heap calls of all threads since the program started; zeros if [`Allocator`] is not installed.
pub fn heap_calls() -> HeapCalls {
    HeapCalls {
        allocations: ALLOCATIONS.load(Ordering::Relaxed),
        reallocations: REALLOCATIONS.load(Ordering::Relaxed),
        frees: FREES.load(Ordering::Relaxed),
    }
}

/// The system's heap, with its calls counted and diverted while a [`Scratch`] runs.
#[derive(Debug)]
pub struct Allocator;

thread_local! {
    /// The region that serves this thread at the moment.  Const and without destructor: using it never allocates.
    static ACTIVE: Cell<Option<&'static Region>> = const { Cell::new(None) };
}

// SAFETY: every block comes from `System` or from a region, and goes back to where its address says it came from.
// Regions hand out disjoint, aligned blocks and use no byte again while a block on it lives (see `Region`).
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(block) = ACTIVE.get().and_then(|region| region.allocate(layout)) {
            return block;
        }
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if let Some(block) = ACTIVE.get().and_then(|region| region.allocate(layout)) {
            // SAFETY: the block is `layout.size()` bytes long and new.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
            return block;
        }
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(region) = Region::of(block) {
            return region.free(block, layout.size());
        }
        FREES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: no region owns the block, so it came from `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Some(region) = Region::of(block) else {
            REALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            // SAFETY: no region owns the block, so it came from `System`.
            return unsafe { System.realloc(block, layout, new_size) };
        };
        if region.resize(block, layout.size(), new_size) {
            return block;
        }
        // SAFETY: the caller guarantees that `new_size`, rounded up to the alignment, fits an `isize`.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_size` is not 0, by the caller's contract.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both blocks are at least that long, and the new one overlaps no living one.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size)) };
            region.free(block, layout.size());
        }
        moved
    }
}

/// A fixed region that serves as the heap of whatever runs inside [`Scratch::run`].
///
/// Blocks are laid one behind the other; the newest can grow and shrink in place.  When the last one has been given
/// back, the region starts over.  What does not fit goes to the heap and is counted ([`Scratch::overflows`]): too
/// small a region costs heap calls, never the program.
///
/// It is safe to let blocks outlive the run, also in statics, in other threads, or in a panic's payload: a region
/// never uses bytes again while a block on them may live.  The price is that whatever has been kept at the end of a
/// run takes its place out of the region for good.  So return plain values from the run, nothing that owns memory.
#[derive(Debug)]
pub struct Scratch {
    region: Option<&'static Region>,
    /// Where this arena's part of the region starts: behind what earlier arenas left for good.
    start: usize,
}

impl Scratch {
    /// Reserves `bytes` for this scratch arena.
    ///
    /// Call it before the loop.  Once reserved, a region stays with the process: a later `Scratch` uses it again.
    /// If [`MAX_REGIONS`] are in use, or there is no memory, everything goes to the heap and is counted.
    pub fn with_capacity(bytes: usize) -> Self {
        let region = Region::acquire(bytes);
        Self { region, start: region.map_or(0, |region| region.next.load(Ordering::Relaxed)) }
    }

    /// Calls `work`, during which allocations of this thread come out of the region.
    ///
    /// Without [`Allocator`] in the program it just calls `work`.
    pub fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Restore(Option<&'static Region>);
        impl Drop for Restore {
            fn drop(&mut self) {
                if let Some(region) = ACTIVE.replace(self.0) {
                    region.finish();
                }
            }
        }
        // Restores the outer arena also when `work` panics.
        let _restore = Restore(ACTIVE.replace(self.region));
        work()
    }

    /// Bytes of the region; 0 if none could be reserved.
    pub fn capacity(&self) -> usize {
        self.region.map_or(0, |region| region.limit.load(Ordering::Relaxed) - self.start)
    }

    /// Most bytes ever in use, for measuring budgets.
    pub fn peak(&self) -> usize {
        self.region.map_or(0, |region| region.peak.load(Ordering::Relaxed) - self.start)
    }

    /// Blocks that did not fit into the region and came from the heap.
    pub fn overflows(&self) -> usize {
        self.region.map_or(0, |region| region.overflows.load(Ordering::Relaxed))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(region) = self.region {
            region.taken.store(false, Ordering::Release);
        }
    }
}

/// Most scratch regions of a process: a program needs one, tests that run side by side a few.
pub const MAX_REGIONS: usize = 32;

/// Largest region: offsets must fit the 32 bits that [`Region::state`] has for them.
const MAX_CAPACITY: usize = u32::MAX as usize;

static REGIONS: [Region; MAX_REGIONS] = [const { Region::new() }; MAX_REGIONS];
/// How many of [`REGIONS`], from the first on, have memory: what `Region::of` has to look at.
static REGIONS_IN_USE: AtomicUsize = AtomicUsize::new(0);

/// The memory of one [`Scratch`], with its books.
///
/// Only the thread whose `ACTIVE` it is allocates; any thread may free.
#[derive(Debug)]
struct Region {
    /// Belongs to a `Scratch`.
    taken: AtomicBool,
    /// First byte; null until memory has been reserved, then fixed for good, as `capacity` is.
    start: AtomicPtr<u8>,
    capacity: AtomicUsize,
    /// Where blocks must end: the capacity, or less if the `Scratch` asked for less.
    limit: AtomicUsize,
    /// Where the next block may start, as an offset.
    next: AtomicUsize,
    /// Two numbers in one word, so that a free in one thread and the end of a run in another cannot mix them up:
    /// high half, the offset below which blocks were kept for good; low half, how many blocks live above it.
    state: AtomicU64,
    peak: AtomicUsize,
    overflows: AtomicUsize,
}

impl Region {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            start: AtomicPtr::new(ptr::null_mut()),
            capacity: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            state: AtomicU64::new(0),
            peak: AtomicUsize::new(0),
            overflows: AtomicUsize::new(0),
        }
    }

    /// Finds a region of at least `bytes` that nobody uses, or reserves one.
    fn acquire(bytes: usize) -> Option<&'static Self> {
        for region in &REGIONS {
            if region.taken.swap(true, Ordering::Acquire) {
                continue;
            }
            if region.start.load(Ordering::Relaxed).is_null() {
                region.reserve(bytes);
            }
            let (kept, _) = unpack(region.state.load(Ordering::Relaxed));
            let limit = bytes.saturating_add(kept);
            if region.capacity.load(Ordering::Relaxed) >= limit.max(1) {
                region.limit.store(limit, Ordering::Relaxed);
                region.peak.store(kept, Ordering::Relaxed);
                region.overflows.store(0, Ordering::Relaxed);
                return Some(region);
            }
            region.taken.store(false, Ordering::Release);
        }
        None
    }

    fn reserve(&'static self, bytes: usize) {
        if bytes == 0 || bytes > MAX_CAPACITY {
            return;
        }
        let Ok(layout) = Layout::from_size_align(bytes, 4096) else { return };
        // SAFETY: the layout has a size.
        let start = unsafe { System.alloc(layout) };
        if !start.is_null() {
            self.capacity.store(bytes, Ordering::Relaxed);
            // Whoever sees `start` sees the capacity, too.
            self.start.store(start, Ordering::Release);
            let index = REGIONS.iter().position(|region| ptr::eq(region, self)).unwrap_or_default();
            REGIONS_IN_USE.fetch_max(index + 1, Ordering::Release);
        }
    }

    /// The region that `block` lies in.
    fn of(block: *mut u8) -> Option<&'static Self> {
        let in_use = REGIONS_IN_USE.load(Ordering::Acquire);
        REGIONS.iter().take(in_use).find(|region| {
            let start = region.start.load(Ordering::Acquire);
            // A block below the start wraps to a huge offset.
            !start.is_null()
                && block.addr().wrapping_sub(start.addr()) < region.capacity.load(Ordering::Relaxed)
        })
    }

    fn is_active(&'static self) -> bool {
        ACTIVE.get().is_some_and(|active| ptr::eq(active, self))
    }

    fn offset(&self, block: *mut u8) -> usize {
        block.addr() - self.start.load(Ordering::Relaxed).addr()
    }

    /// A new block, if one fits.  Only for the thread that the region is active in.
    fn allocate(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.start.load(Ordering::Relaxed);
        let free = start.addr() + self.next.load(Ordering::Relaxed);
        let offset = free.checked_next_multiple_of(layout.align())? - start.addr();
        let end = offset.checked_add(layout.size())?;
        if end > self.limit.load(Ordering::Relaxed) {
            self.overflows.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.state.fetch_add(1, Ordering::Relaxed);
        self.set_next(end);
        // SAFETY: `offset` lies within the region's memory.
        Some(unsafe { start.add(offset) })
    }

    /// Gives a block back, from any thread.
    fn free(&'static self, block: *mut u8, size: usize) {
        let offset = self.offset(block);
        // Release: what the block's user did comes before its bytes are used again (Acquire in `finish`).
        let freed = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |state| {
            let (kept, live) = unpack(state);
            (offset >= kept).then(|| pack(kept, live - 1))
        });
        if let Ok(before) = freed
            && self.is_active()
        {
            let (kept, live) = unpack(before);
            if live == 1 {
                self.next.store(kept, Ordering::Relaxed);
            } else if offset + size == self.next.load(Ordering::Relaxed) {
                self.next.store(offset, Ordering::Relaxed);
            }
        }
    }

    /// Changes a block's size in place, if it is the newest, or shrinks.
    fn resize(&'static self, block: *mut u8, size: usize, new_size: usize) -> bool {
        let offset = self.offset(block);
        let (kept, _) = unpack(self.state.load(Ordering::Relaxed));
        let newest = offset >= kept && offset + size == self.next.load(Ordering::Relaxed);
        if newest && self.is_active() && new_size <= self.limit.load(Ordering::Relaxed) - offset {
            self.set_next(offset + new_size);
            return true;
        }
        new_size <= size
    }

    fn set_next(&self, next: usize) {
        self.next.store(next, Ordering::Relaxed);
        self.peak.fetch_max(next, Ordering::Relaxed);
    }

    /// Ends a run: starts over if everything came back, else starts behind what was kept from now on.
    fn finish(&self) {
        let next = self.next.load(Ordering::Relaxed);
        let start_over = |state| {
            let (kept, live) = unpack(state);
            if live == 0 { kept } else { next }
        };
        let (Ok(before) | Err(before)) =
            self.state
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| Some(pack(start_over(state), 0)));
        self.next.store(start_over(before), Ordering::Relaxed);
    }
}

const fn pack(kept: usize, live: usize) -> u64 {
    (kept as u64) << 32 | live as u64
}

const fn unpack(state: u64) -> (usize, usize) {
    ((state >> 32) as usize, (state & u32::MAX as u64) as usize)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::{hint, panic, thread};

    use proptest::prelude::*;

    use super::*;

    #[global_allocator]
    static ALLOCATOR: Allocator = Allocator;

    fn in_region<T>(scratch: &Scratch, block: &[T]) -> bool {
        Region::of(block.as_ptr().cast_mut().cast())
            .is_some_and(|region| ptr::eq(region, scratch.region.unwrap()))
    }

    #[test]
    fn a_run_takes_its_blocks_from_the_region_and_starts_over() {
        let mut scratch = Scratch::with_capacity(1000);
        let region = scratch.region.unwrap();
        for _ in 0..100 {
            let inside = scratch.run(|| {
                let first = vec![1_u8; 300];
                let second = vec![2_u64; 50];
                assert_eq!(second.as_ptr().addr() % 8, 0);
                let of = Region::of(first.as_ptr().cast_mut()).is_some();
                (of, Region::of(second.as_ptr().cast_mut().cast()).is_some())
            });
            assert_eq!(inside, (true, true));
            assert_eq!(region.next.load(Ordering::Relaxed), scratch.start);
        }
        assert_eq!(scratch.overflows(), 0);
        assert!((700..710).contains(&scratch.peak()), "{}", scratch.peak());
        let outside = vec![0_u8; 300];
        assert!(!in_region(&scratch, &outside));
    }

    #[test]
    fn the_newest_block_grows_in_place_and_gives_its_place_back() {
        let mut scratch = Scratch::with_capacity(4096);
        scratch.run(|| {
            let first = vec![7_u8; 100];
            let mut grows: Vec<u8> = Vec::with_capacity(10);
            let place = grows.as_ptr();
            grows.extend([5; 3000]);
            assert_eq!(grows.as_ptr(), place);
            grows.truncate(20);
            grows.shrink_to_fit();
            drop(grows);
            let again = vec![6_u8; 3000];
            assert_eq!(again.as_ptr(), place);
            assert_eq!(first, [7; 100]);
        });
        assert_eq!(scratch.overflows(), 0);
    }

    #[test]
    fn a_zeroed_block_is_zero_also_where_another_has_been() {
        let mut scratch = Scratch::with_capacity(4096);
        scratch.run(|| drop(hint::black_box(vec![0xff_u8; 2000])));
        scratch.run(|| assert_eq!(hint::black_box(vec![0_u8; 2000]), [0; 2000]));
        assert_eq!(scratch.overflows(), 0);
    }

    #[test]
    fn what_does_not_fit_comes_from_the_heap_and_is_counted() {
        let mut scratch = Scratch::with_capacity(1000);
        let before = heap_calls();
        scratch.run(|| {
            let large = hint::black_box(vec![1_u8; 1001]);
            assert!(Region::of(large.as_ptr().cast_mut()).is_none());
            let mut moves = vec![2_u8; 900];
            assert!(Region::of(moves.as_ptr().cast_mut()).is_some());
            moves.extend([3; 900]);
            assert!(Region::of(moves.as_ptr().cast_mut()).is_none());
            assert!(moves[..900].iter().all(|&byte| byte == 2) && moves[900..] == [3; 900]);
        });
        let after = heap_calls();
        assert_eq!(scratch.overflows(), 2);
        assert!(after.allocations >= before.allocations + 2 && after.frees >= before.frees + 2);
    }

    #[test]
    fn a_block_of_the_heap_stays_there() {
        let mut scratch = Scratch::with_capacity(1000);
        let mut heap = vec![1_u8; 10];
        let dropped = vec![2_u8; 10];
        scratch.run(|| {
            drop(dropped);
            heap.extend([3; 100]);
        });
        assert!(!in_region(&scratch, &heap));
        assert_eq!(heap[..10], [1; 10]);
        assert_eq!(scratch.peak(), 0);
    }

    #[test]
    fn what_is_kept_is_never_overwritten() {
        let mut scratch = Scratch::with_capacity(4096);
        let mut kept = scratch.run(|| {
            let temporary = vec![0_u8; 500];
            let kept = vec![9_u8; 500];
            drop(temporary);
            kept
        });
        assert!(in_region(&scratch, &kept));
        let start = scratch.region.unwrap().next.load(Ordering::Relaxed);
        for _ in 0..10 {
            scratch.run(|| drop(hint::black_box(vec![1_u8; 2000])));
            assert_eq!(scratch.region.unwrap().next.load(Ordering::Relaxed), start);
        }
        // A kept block at the border does not grow into what is used again, nor does its end move the border.
        scratch.run(|| {
            kept.shrink_to(400);
            kept.extend([9; 10]);
            kept.shrink_to_fit();
            drop(hint::black_box(vec![1_u8; 2000]));
        });
        assert_eq!(kept, [9; 510]);
        assert_eq!(scratch.overflows(), 0);
        drop(kept);
        scratch.run(|| drop(hint::black_box(vec![1_u8; 2000])));
        assert_eq!(scratch.overflows(), 0);
    }

    #[test]
    fn a_static_may_be_made_inside() {
        static LAZY: OnceLock<Vec<u8>> = OnceLock::new();
        let mut scratch = Scratch::with_capacity(4096);
        for _ in 0..3 {
            scratch.run(|| {
                LAZY.get_or_init(|| vec![4; 100]);
                drop(hint::black_box(vec![1_u8; 2000]));
            });
        }
        assert_eq!(LAZY.get().unwrap(), &[4; 100]);
        assert_eq!(scratch.overflows(), 0);
    }

    #[test]
    fn another_thread_may_free() {
        let mut scratch = Scratch::with_capacity(4096);
        for _ in 0..20 {
            scratch.run(|| {
                let block = vec![5_u8; 1000];
                thread::scope(|scope| {
                    scope.spawn(move || assert_eq!(block, [5; 1000]));
                });
            });
        }
        let freed_late = scratch.run(|| vec![6_u8; 100]);
        thread::spawn(move || drop(freed_late)).join().unwrap();
        assert!(scratch.run(|| hint::black_box(vec![1_u8; 10]).len()) == 10);
    }

    #[test]
    fn a_panic_inside_leaves_the_heap_in_charge() {
        let mut scratch = Scratch::with_capacity(4096);
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            scratch.run(|| panic::resume_unwind(Box::new(vec![3_u8; 100])));
        }));
        assert!(ACTIVE.get().is_none());
        scratch.run(|| drop(hint::black_box(vec![1_u8; 2000])));
        let payload = result.unwrap_err().downcast::<Vec<u8>>().unwrap();
        assert_eq!(*payload, [3; 100]);
    }

    #[test]
    fn arenas_nest() {
        let mut outer = Scratch::with_capacity(4096);
        let mut inner = Scratch::with_capacity(4096);
        outer.run(|| {
            let mut of_outer = vec![1_u8; 100];
            inner.run(|| {
                let of_inner = vec![2_u8; 100];
                of_outer.extend(&of_inner);
            });
            assert_eq!(of_outer[99..101], [1, 2]);
        });
        assert!(inner.peak() >= 300 && outer.peak() >= 100);
        assert_eq!((outer.overflows(), inner.overflows()), (0, 0));
    }

    #[test]
    fn a_region_is_used_again() {
        let bytes = 12_345_678; // Not the size of any other test's.
        for _ in 0..2 * MAX_REGIONS {
            assert!(Scratch::with_capacity(bytes).capacity() >= bytes);
        }
    }

    proptest! {
        /// Random blocks, made inside and outside of runs, keep their contents and never overlap.
        #[test]
        fn blocks_keep_their_contents(
            steps in prop::collection::vec((any::<bool>(), 0..8_usize, 0..600_usize), 1..200),
        ) {
            let mut scratch = Scratch::with_capacity(2000);
            let mut blocks: [Vec<u8>; 8] = Default::default();
            for (inside, slot, size) in steps {
                let value = slot as u8 + 1;
                let mut work = || {
                    let block = &mut blocks[slot];
                    match size % 4 {
                        0 => *block = Vec::new(),
                        1 => *block = vec![value; size],
                        2 => block.resize(size, value),
                        _ => {
                            block.truncate(size);
                            block.shrink_to_fit();
                        }
                    }
                };
                if inside { scratch.run(work) } else { work() }
                for (slot, block) in blocks.iter().enumerate() {
                    prop_assert!(block.iter().all(|&byte| byte == slot as u8 + 1));
                }
            }
        }
    }
}
