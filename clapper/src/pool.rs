//! A fixed number of threads that share the work of a run.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::ToString;
use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::vec::Vec;

use crate::error::Error;
use crate::team::{MOST_PIECES, Team, each_item};

/// How often a thread looks for work before it sleeps, each time with a pause of the processor: some 50 µs, longer than
/// most operations that are too small to be shared, so that nobody falls asleep in the middle of a run.
const SPINS: u32 = 4000;

/// Threads that do the work of [`Network::run_on`](crate::Network::run_on) side by side, or tasks of the caller's own.
///
/// They are made here and live as long as the pool; nothing else makes threads, and giving them work allocates nothing.
/// One pool serves any number of networks, one after the other.  Between two runs its threads sleep.  A task that hangs
/// on one of them hangs the call that waits for it: who watches over the caller watches over all.
///
/// ```
/// # fn main() -> Result<(), clapper::Error> {
/// let mut pool = clapper::Pool::new(2)?;
/// let mut squares = [1, 2, 3];
/// pool.each(&mut squares, |_, value| *value *= *value);
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// A job's work, for as long as the call of [`Pool::each`] lasts that brought it.
type Work = *const (dyn Fn(usize) + Sync);

struct Shared {
    /// The job's number in the upper half, and in the lower a bit for each of its pieces that nobody has begun: to begin
    /// one is to clear its bit.
    open: AtomicU64,
    /// Read only by who has begun a piece, and written only when all pieces are done.
    work: UnsafeCell<Option<Work>>,
    /// Pieces of the job that are not done.
    undone: AtomicU32,
    /// Whether a piece has panicked.
    panicked: AtomicBool,
    /// Whether the pool is being dropped.
    ended: AtomicBool,
    /// Who waits for the job.  Written as `work` is.
    caller: UnsafeCell<Thread>,
}

// SAFETY: `work` and `caller` are written by the one thread that has the pool, while no piece is begun and undone, and
// read only by threads that have begun a piece and not yet told that it is done.  The work may be called by any thread.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is not followed when the pool moves.
unsafe impl Send for Shared {}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Shared {
    /// Begins a piece of job `job`, `favourite` if nobody else has; `None` if there is none left.
    fn begin(&self, job: u32, favourite: usize) -> Option<usize> {
        let mut open = self.open.load(Ordering::Acquire);
        loop {
            let bits = open as u32;
            if bits == 0 || (open >> 32) as u32 != job {
                return None;
            }
            let piece = if bits & (1 << favourite) != 0 { favourite } else { bits.trailing_zeros() as usize };
            let begun = open & !(1 << piece);
            match self.open.compare_exchange_weak(open, begun, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(piece),
                Err(now) => open = now,
            }
        }
    }

    /// Does pieces of a job until all are begun.
    fn help(&self, job: u32, me: usize, threads: usize) {
        let mut favourite = me;
        while let Some(piece) = self.begin(job, favourite) {
            // SAFETY: a piece has been begun and is not done, so that nobody writes, and the work is there.
            let work = unsafe { *self.work.get() }.expect("a job has work");
            // SAFETY: its call of `Pool::each` waits until this piece is done.
            let work = unsafe { &*work };
            if catch_unwind(AssertUnwindSafe(|| work(piece))).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.done(me);
            // Where there are two for each thread, the first and the last make a pair: of sizes that differ by one and
            // take turns, each pair has both.
            favourite = (2 * threads - 1 - me) % MOST_PIECES;
        }
    }

    /// Tells that a piece is done, and wakes the caller if it was the last.
    fn done(&self, me: usize) {
        // SAFETY: this piece has been begun and is not done, so that nobody writes.  Cloned because it may be written as
        // soon as it is.
        let caller = (me > 0).then(|| unsafe { (*self.caller.get()).clone() });
        if self.undone.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(caller) = caller
        {
            caller.unpark();
        }
    }

    /// Waits until all pieces are done.
    fn wait(&self) {
        let mut spins = 0;
        while self.undone.load(Ordering::Acquire) > 0 {
            if spins < SPINS {
                spins += 1;
                core::hint::spin_loop();
            } else {
                thread::park();
            }
        }
    }

    /// What a thread of the pool does for all its life.
    fn serve(&self, me: usize, threads: usize) {
        let mut last = 0;
        // The first of its pieces is to be there.
        self.done(me);
        loop {
            let mut spins = 0;
            let job = loop {
                let job = (self.open.load(Ordering::Acquire) >> 32) as u32;
                if job != last {
                    break job;
                }
                if spins < SPINS {
                    spins += 1;
                    core::hint::spin_loop();
                } else {
                    // Whoever brings a job unparks; a token left from the one before makes this return at once.
                    thread::park();
                }
            };
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            last = job;
            self.help(job, me, threads);
        }
    }
}

impl Pool {
    /// A pool of `threads` threads in all: the one that gives work, and the others, which are started here.
    ///
    /// # Errors
    ///
    /// [`Error::Threads`] if there are to be none or more than 32, or if the system refuses them.
    pub fn new(threads: usize) -> Result<Self, Error> {
        let wrong = |problem| Error::Threads { threads, problem };
        if !(1..=MOST_PIECES).contains(&threads) {
            return Err(wrong(format!("there can be 1 to {MOST_PIECES}")));
        }
        let shared = Arc::new(Shared {
            open: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            undone: AtomicU32::new(threads as u32 - 1),
            panicked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            caller: UnsafeCell::new(thread::current()),
        });
        // From here on dropped, and so ended, if one cannot be started.
        let mut pool = Self { shared, workers: Vec::with_capacity(threads - 1) };
        for me in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = thread::Builder::new().name(format!("clapper {me}"));
            let worker = worker.spawn(move || shared.serve(me, threads));
            pool.workers.push(worker.map_err(|error| wrong(error.to_string()))?);
        }
        // What the system and the library do where a thread begins is over then.
        pool.shared.wait();
        Ok(pool)
    }

    /// How many threads it has, with the one that gives work.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task` with the number of each item and the item, side by side, and returns when all are done: such as to
    /// run several networks at once.
    ///
    /// Each thread first takes the item of its own number, then any that nobody has begun.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let file = std::fs::read("truth/cases/convolution_3x3.tflite")?;
    /// let mut pool = clapper::Pool::new(2)?;
    /// let mut networks = [clapper::Network::load(&file)?, clapper::Network::load(&file)?];
    /// pool.each(&mut networks, |_, network| network.run());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If a task panics, when the others are done.
    pub fn each<T: Send>(&mut self, items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
        each_item(self, items, task);
    }
}

// SAFETY: each bit of a job is cleared once, by who then calls `work` with its number, and the call waits for all.
unsafe impl Team for Pool {
    fn threads(&self) -> usize {
        Self::threads(self)
    }

    fn each(&mut self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        assert!(pieces <= MOST_PIECES);
        if pieces <= 1 || self.workers.is_empty() {
            return (0..pieces).for_each(work);
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes, and this call outlives all uses.
        let work = unsafe { core::mem::transmute::<&(dyn Fn(usize) + Sync), Work>(work) };
        // SAFETY: the last job is done, and nobody begins a piece of this one before `open` is stored.
        unsafe {
            *shared.work.get() = Some(work);
            *shared.caller.get() = thread::current();
        }
        shared.undone.store(pieces as u32, Ordering::Relaxed);
        let job = ((shared.open.load(Ordering::Relaxed) >> 32) as u32).wrapping_add(1);
        let bits = u64::from(u32::MAX >> (MOST_PIECES - pieces));
        shared.open.store(u64::from(job) << 32 | bits, Ordering::Release);
        for worker in &self.workers {
            worker.thread().unpark();
        }
        // Catches panics, so that the wait is never left out.
        shared.help(job, 0, self.threads());
        shared.wait();
        if shared.panicked.swap(false, Ordering::Relaxed) {
            panic!("a piece of the work has panicked: its own message stands before this one");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // A job without pieces.
        let job = ((self.shared.open.load(Ordering::Relaxed) >> 32) as u32).wrapping_add(1);
        self.shared.open.store(u64::from(job) << 32, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // It only fails where the thread has panicked, which `serve` does not.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_item_is_visited_once() {
        for threads in [1, 2, 3, 8] {
            let mut pool = Pool::new(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            for count in 0..100 {
                let mut items = std::vec![0; count];
                pool.each(&mut items, |number, item| *item += number + 1);
                assert!(items.iter().enumerate().all(|(number, &item)| item == number + 1), "{items:?}");
            }
        }
    }

    #[test]
    fn as_many_items_as_threads_run_at_once() {
        let mut pool = Pool::new(4).unwrap();
        let barrier = Barrier::new(4);
        // Would never end if one thread did two of them.
        pool.each(&mut [(); 4], |_, ()| {
            barrier.wait();
        });
    }

    #[test]
    fn a_task_that_hangs_on_a_thread_of_the_pool_hangs_the_call() {
        let (begun, end) = (Barrier::new(2), Barrier::new(2));
        let returned = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut pool = Pool::new(2).unwrap();
                let caller = thread::current().id();
                let both = Barrier::new(2);
                pool.each(&mut [(); 2], |_, ()| {
                    both.wait();
                    if thread::current().id() != caller {
                        begun.wait();
                        end.wait();
                    }
                });
                returned.store(1, Ordering::SeqCst);
            });
            begun.wait();
            // Long after the caller has nothing left to do itself.
            thread::sleep(std::time::Duration::from_millis(20));
            let before = returned.load(Ordering::SeqCst);
            end.wait();
            assert_eq!(before, 0, "who feeds a watchdog after the call would hide that its work is not done");
        });
        assert_eq!(returned.into_inner(), 1);
    }

    #[test]
    fn it_works_after_its_threads_have_slept_and_from_another_thread() {
        let mut pool = Pool::new(3).unwrap();
        let done = AtomicUsize::new(0);
        let count = |pool: &mut Pool| {
            pool.each(&mut [(); 5], |_, ()| {
                done.fetch_add(1, Ordering::Relaxed);
            });
        };
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            count(&mut pool);
        }
        std::thread::scope(|scope| {
            scope.spawn(|| count(&mut pool));
        });
        assert_eq!(done.into_inner(), 105);
    }

    #[test]
    fn a_panic_reaches_the_caller_when_the_others_are_done() {
        let mut pool = Pool::new(2).unwrap();
        for bad in [0, 1, 6] {
            let mut items = [0; 7];
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.each(&mut items, |number, item| {
                    assert_ne!(number, bad, "on purpose");
                    *item = 1;
                });
            }));
            assert!(result.is_err());
            assert_eq!(items.iter().sum::<i32>(), 6);
        }
        pool.each(&mut [1], |_, item| *item = 2);
    }

    #[test]
    fn impossible_numbers_of_threads_are_refused() {
        for threads in [0, 33, usize::MAX] {
            let error = Pool::new(threads).unwrap_err();
            assert!(error.to_string().contains("1 to 32"), "{error}");
        }
    }
}
