//! Panics on purpose, to test what follows from one in each thread.  No card has the feature `fault-injection`.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Environment variable that names the thread that is to panic, `loop` or `signals`; or `note`: at the first note that
/// sounds.
const PANIC: &str = "MASKBELL_PANIC";

/// Turns of that thread before it panics: the machine has been seen to watch by then.
const TURNS: u32 = 20;

/// What [`PANIC`] names.
fn wanted() -> Option<&'static str> {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    WANTED.get_or_init(|| env::var(PANIC).ok()).as_deref()
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
