//! Panics and hangs on purpose, to test what follows from one in each thread.  No card has the feature
//! `fault-injection`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, thread};

/// Environment variable that names the thread that is to panic, `loop` or `signals`; or `note`: at the first note that
/// sounds.
const PANIC: &str = "MASKBELL_PANIC";

/// Environment variable that names the thread that is to hang: `worker`, one of those that share a look's work.
const HANG: &str = "MASKBELL_HANG";

/// Turns of that thread before it panics or hangs: the machine has been seen to watch by then.
const TURNS: u32 = 20;

/// What [`PANIC`] names.
fn wanted() -> Option<&'static str> {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    WANTED.get_or_init(|| env::var(PANIC).ok()).as_deref()
}

/// Whether [`HANG`] names a worker.
fn is_worker_to_hang() -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    *WANTED.get_or_init(|| env::var(HANG).is_ok_and(|thread| thread == "worker"))
}

/// A place in the program; panics if it is that which is wanted.
pub fn point(name: &str) {
    assert!(wanted() != Some(name), "as {PANIC} asks for");
}

/// A turn of `thread`; panics in the last one of the thread that is to panic.
pub fn turn(thread: &str) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if wanted() == Some(thread) && COUNT.fetch_add(1, Ordering::Relaxed) == TURNS {
        panic!("as {PANIC} asks for");
    }
}

/// A piece of a look's work; never ends, after some, if it is a worker's and one is to hang.
pub fn piece() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let is_worker = || thread::current().name().is_some_and(|name| name.starts_with("clapper "));
    if is_worker_to_hang() && is_worker() && COUNT.fetch_add(1, Ordering::Relaxed) >= TURNS {
        loop {
            thread::park();
        }
    }
}
