//! The log of process 1: lines for the serial console and for the kernel's log, without ever waiting for either.
//!
//! A serial line takes a hundredth of a second for a line of text, and for ever when the other side stops it.  So
//! lines wait in a buffer of fixed size and are written as the console takes them; lines that find no room are
//! counted, and the count is told.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::panic;
use std::sync::Mutex;
use std::thread;

use heapless::{Deque, Vec};
use log::{Metadata, Record};

/// Where the kernel lets process 1 write.
const CONSOLE: &str = "/dev/console";

/// The kernel's own log, which survives a panic where the kernel keeps it (pstore).
pub(super) const KERNEL_LOG: &str = "/dev/kmsg";

/// Before each record of the kernel's log: facility user (1 × 8), severity informational (6), so that a kernel told
/// to be quiet does not print on the console what is written there anyway.
/// (Linux' `Documentation/ABI/testing/dev-kmsg`, RFC 3164 for the numbers.)
const RECORD: &[u8] = b"<14>maskbell: ";

/// As [`RECORD`] with severity critical (2), which even a quiet kernel prints on the console.
pub(super) const CRITICAL: &[u8] = b"<10>maskbell: ";

/// Longest line in bytes, [`RECORD`] included; what is beyond is cut.  The kernel refuses records of about 1000.
const LINE: usize = 640;

/// Bytes that wait for the console: some 80 lines, more than the start has to tell.
const WAITING: usize = 8 * 1024;

/// A logger that never waits and, unlike those of the usual crates, never allocates.
#[derive(Debug)]
pub struct Logger<C, K>(Mutex<Lines<C, K>>);

impl Logger<File, File> {
    /// Opens console and kernel log; one that is not there is done without.
    pub fn open() -> Self {
        Self::new(open(CONSOLE).ok(), open(KERNEL_LOG).ok())
    }
}

/// Opens what is written to without ever waiting for it, and which does not become the terminal of process 1.
fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

impl<C: Write, K: Write> Logger<C, K> {
    /// Logs to `console`, which should not block, and to `kernel`, which takes a record a write.
    pub fn new(console: Option<C>, kernel: Option<K>) -> Self {
        Self(Mutex::new(Lines::new(console, kernel)))
    }
}

impl<C: Write + Send, K: Write + Send> log::Log for Logger<C, K> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // A thread that panicked in here has ended the program.
        if let Ok(mut lines) = self.0.lock() {
            let _ = writeln!(lines, "[{}] {}", record.level(), record.args());
        }
    }

    /// Hands the console what it takes by now.
    fn flush(&self) {
        if let Ok(mut lines) = self.0.lock() {
            let _ = lines.flush();
        }
    }
}

/// A writer of whole lines that never waits.
struct Lines<C, K> {
    console: Option<C>,
    kernel: Option<K>,
    /// The line that is being written, with [`RECORD`] before it.
    line: Vec<u8, LINE>,
    waiting: Deque<u8, WAITING>,
    /// Lines that found no room since the last time that was told.
    dropped: u32,
}

impl<C: Write, K: Write> Lines<C, K> {
    fn new(console: Option<C>, kernel: Option<K>) -> Self {
        let mut line = Vec::new();
        line.extend(RECORD.iter().copied());
        Self { console, kernel, line, waiting: Deque::new(), dropped: 0 }
    }

    fn end_line(&mut self) {
        if let Some(kernel) = &mut self.kernel {
            // There is nobody to tell.
            let _ = kernel.write(&self.line);
        }
        self.line.extend([b'\n']);
        self.tell_dropped();
        if self.has_room(self.line.len() - RECORD.len()) {
            self.waiting.extend(self.line[RECORD.len()..].iter().copied());
        } else {
            self.dropped += 1;
        }
        self.line.truncate(RECORD.len());
        self.drain();
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.waiting.capacity() - self.waiting.len() >= bytes
    }

    /// Hands the console what it takes.
    fn drain(&mut self) {
        let Some(console) = &mut self.console else {
            self.waiting.clear();
            return;
        };
        while !self.waiting.is_empty() {
            match console.write(self.waiting.as_slices().0) {
                Ok(0) => break,
                Ok(written) => (0..written).for_each(|_| _ = self.waiting.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Full; or broken, which nobody can be told.
                Err(_) => break,
            }
        }
    }

    /// Puts the count of dropped lines among the others as soon as there is room.
    fn tell_dropped(&mut self) {
        const LONGEST: usize = 80;
        if self.dropped > 0 && self.has_room(LONGEST) {
            let mut told = heapless::String::<LONGEST>::new();
            let dropped = std::mem::take(&mut self.dropped);
            let _ =
                fmt::write(&mut told, format_args!("[WARN] {dropped} lines dropped: the console is slow\n"));
            self.waiting.extend(told.bytes());
        }
    }
}

impl<C: Write, K: Write> Write for Lines<C, K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                // A camera's name, say, must not steer a terminal.  One byte is left for the line's end.
                _ if self.line.len() < LINE - 1 => {
                    self.line.extend([if byte.is_ascii_control() { b'?' } else { byte }]);
                }
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    /// Hands the console what it takes by now.
    fn flush(&mut self) -> io::Result<()> {
        self.drain();
        self.tell_dropped();
        self.drain();
        Ok(())
    }
}

impl<C, K> fmt::Debug for Lines<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("waiting", &self.waiting.len()).field("dropped", &self.dropped).finish()
    }
}

/// Lets a panic in any thread first do `before`, which must not wait, and then leave its message in the kernel's log, and
/// through it on the console, before the program aborts.
pub fn tell_panics(before: fn()) {
    let log = Mutex::new(OpenOptions::new().write(true).open(KERNEL_LOG).ok());
    panic::set_hook(Box::new(move |panic| {
        before();
        let mut buffer = [0; LINE];
        let mut rest = &mut buffer[..];
        let _ = rest.write_all(CRITICAL);
        let thread = thread::current();
        let _ = write!(rest, "thread {}: {panic}", thread.name().unwrap_or("without a name"));
        let unused = rest.len();
        let record = &mut buffer[..LINE - unused];
        // One line, which is found again after the restart.
        record.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        // A second panic, while the first is being told, only aborts.
        if let Ok(mut log) = log.try_lock()
            && let Some(log) = log.as_mut()
        {
            let _ = log.write(record);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A console that takes so many bytes, and then none.
    #[derive(Debug, Default)]
    struct Slow {
        taken: std::vec::Vec<u8>,
        takes: usize,
    }

    impl Write for &mut Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.takes);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.takes -= count;
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A kernel log: a record a write.
    #[derive(Debug, Default)]
    struct Records(std::vec::Vec<String>);

    impl Write for &mut Records {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_what_is_open() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = open(file.path().to_str().unwrap()).unwrap();
        let flags = rustix::fs::fcntl_getfl(&opened).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "{flags:?}");
    }

    #[test]
    fn a_line_reaches_both_however_it_is_written() {
        let (mut console, mut records) = (Slow { takes: 1000, ..Slow::default() }, Records::default());
        let mut log = Lines::new(Some(&mut console), Some(&mut records));
        for part in ["[INFO] ", "watch", "ing\n[WARN] no ca", "mera \u{1b}[2J\r\n"] {
            log.write_all(part.as_bytes()).unwrap();
        }
        assert_eq!(console.taken, b"[INFO] watching\n[WARN] no camera ?[2J?\n");
        assert_eq!(records.0, ["<14>maskbell: [INFO] watching", "<14>maskbell: [WARN] no camera ?[2J?"]);
    }

    #[test]
    fn a_console_that_stops_gets_what_fits_later_and_the_number_of_lines_that_did_not() {
        let (mut console, mut records) = (Slow { takes: 10, ..Slow::default() }, Records::default());
        let line = [b'x'; 99];
        let lines = WAITING / 100 + 5;
        let mut log = Lines::new(Some(&mut console), Some(&mut records));
        for _ in 0..lines {
            log.write_all(&line).unwrap();
            log.write_all(b"\n").unwrap();
        }
        let (dropped, waiting) = (log.dropped, log.waiting.len());
        assert!((4..=5).contains(&dropped) && waiting <= WAITING, "{log:?}");
        log.console.as_mut().unwrap().takes = usize::MAX;
        log.flush().unwrap();
        assert_eq!((log.dropped, log.waiting.len()), (0, 0));
        let told = String::from_utf8(console.taken).unwrap();
        let told: std::vec::Vec<_> = told.lines().collect();
        assert_eq!(told.len(), lines - dropped as usize + 1);
        assert_eq!(*told.last().unwrap(), format!("[WARN] {dropped} lines dropped: the console is slow"));
        assert!(told[..told.len() - 1].iter().all(|told| told.len() == 99));
        assert_eq!(records.0.len(), lines, "the kernel's log has them all");
    }

    #[test]
    fn a_long_line_is_cut_and_no_console_is_no_fault() {
        let mut records = Records::default();
        let mut log = Lines::new(None::<&mut Slow>, Some(&mut records));
        log.write_all(&[b'x'; 10_000]).unwrap();
        log.write_all(b"\nshort\n").unwrap();
        assert_eq!(log.dropped, 0);
        let lengths: std::vec::Vec<_> = records.0.iter().map(String::len).collect();
        assert_eq!(lengths, [LINE - 1, RECORD.len() + 5]);
    }
}
