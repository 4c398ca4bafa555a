//! What the program's log has been told, thread by thread, as each test has a machine of its own.

use std::cell::RefCell;
use std::mem;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Journal;

impl Log for Journal {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        // A thread that ends has nobody left to read it.
        let _ = LINES.try_with(|lines| lines.borrow_mut().push(record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Starts to listen.
pub(crate) fn open() {
    static OPENED: Once = Once::new();
    OPENED.call_once(|| {
        log::set_logger(&Journal).expect("nobody else listens");
        log::set_max_level(LevelFilter::Info);
    });
    take();
}

/// What this thread has told since this was asked last.
pub(crate) fn take() -> Vec<String> {
    LINES.with(|lines| mem::take(&mut *lines.borrow_mut()))
}
