//! Runs allocate nothing, on one thread or on several.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use clapper::{Network, Options, Pool};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn runs_allocate_nothing() {
    let face = fs::read("../models/face.tflite").unwrap();
    let mouth = fs::read("../models/mouth.tflite").unwrap();
    let mut pool = Pool::new(3).unwrap();
    let mut face = Network::load_with(&face, &Options { threads: 3, ..Options::default() }).unwrap();
    let mut mouths: Vec<_> = (0..4).map(|_| Network::load(&mouth).unwrap()).collect();
    let mut all = |pool: &mut Pool| {
        face.run();
        face.run_on(pool);
        pool.each(&mut mouths, |_, mouth| mouth.run());
    };
    let before = CALLS.load(Ordering::Relaxed);
    for _ in 0..20 {
        all(&mut pool);
        // Long enough for the pool's threads to fall asleep.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), before);
}
