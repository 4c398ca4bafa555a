//! Who does the pieces of an operation: one thread, or several side by side.

/// Most pieces that an operation is cut into, and most threads of a pool.
pub(crate) const MOST_PIECES: usize = 32;

/// Threads that can do pieces of work side by side.
///
/// # Safety
///
/// [`Team::each`] calls `work` with each number below `pieces` once, and returns when all of these calls have.
pub(crate) unsafe trait Team {
    /// How many pieces run at once.
    fn threads(&self) -> usize;

    /// Does all pieces, of which there are at most [`MOST_PIECES`].
    fn each(&mut self, pieces: usize, work: &(dyn Fn(usize) + Sync));
}

/// The thread that asks.
pub(crate) struct Alone;

// SAFETY: a loop over all pieces.
unsafe impl Team for Alone {
    fn threads(&self) -> usize {
        1
    }

    fn each(&mut self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..pieces).for_each(work);
    }
}

/// The thread that asks, one piece after the other, for several: to count what each would have to do.
pub(crate) struct InTurn<F> {
    pub(crate) threads: usize,
    /// Called after each piece, with its number.
    pub(crate) observe: F,
}

// SAFETY: a loop over all pieces.
unsafe impl<F: FnMut(usize)> Team for InTurn<F> {
    fn threads(&self) -> usize {
        self.threads
    }

    fn each(&mut self, pieces: usize, work: &(dyn Fn(usize) + Sync)) {
        for piece in 0..pieces {
            work(piece);
            (self.observe)(piece);
        }
    }
}

/// The items that the pieces of a job work on.
struct Items<T>(*mut T);

// SAFETY: each item is reached by one thread only, to which it may be sent.
unsafe impl<T: Send> Sync for Items<T> {}

impl<T> Items<T> {
    /// # Safety
    ///
    /// There is an item of this number, and nothing else refers to it.
    unsafe fn get(&self, number: usize) -> *mut T {
        // SAFETY: the caller vouches for the number.
        unsafe { self.0.add(number) }
    }
}

/// Calls `work` with the number of each item and the item, side by side.
pub(crate) fn each_item<T: Send>(team: &mut dyn Team, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
    for (chunk, items) in items.chunks_mut(MOST_PIECES).enumerate() {
        let count = items.len();
        let items = Items(items.as_mut_ptr());
        team.each(count, &|number| {
            assert!(number < count);
            // SAFETY: there are `count` items, and a team gives each number to one call only.
            work(chunk * MOST_PIECES + number, unsafe { &mut *items.get(number) });
        });
    }
}
