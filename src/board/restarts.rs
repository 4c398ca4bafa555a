//! How often the machine has been restarted in a row, and what was said last: kept where a reset does not reach, and
//! nothing is written to the card.
//!
//! The kernel's *ramoops* (`Documentation/admin-guide/ramoops.rst`) copies what goes to the console into memory that it
//! leaves alone at the next start, and shows it then as a file of the file system *pstore*.  So a line on the console is
//! all that it takes to tell the next start something: each start says its number, and one that has run well for a while
//! says so, which ends the row.  A Raspberry Pi's watchdog driver tells nothing of the kind (no `WDIOF_CARDRESET`).
//!
//! Memory that was without power for long holds nothing that ramoops takes for its own: pulling the plug ends the row.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::console::{CRITICAL, KERNEL_LOG};

/// Where the kernel has a folder to mount it on.
const MOUNT_POINT: &str = "/sys/fs/pstore";

/// Names what keeps the records; `(null)` if nothing does.
const BACKEND: &str = "/sys/module/pstore/parameters/backend";

/// What was on the console.
const CONSOLE_RECORD: &str = "console-ramoops-0";

/// Restarts in a row from which on it shows and pauses: two may be a power supply that was plugged in by a shaky hand.
pub(crate) const SEVERAL: u32 = 3;

/// The first pause, doubled with each restart.  It gives a driver, a hot processor or a weak power supply time, and
/// whoever looks a light that stays.
const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// The longest pause: what is wrong for a night only must not cost the morning.
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How long it must have run since the start for a restart not to count as one of a row.
pub(crate) const SETTLED: Duration = Duration::from_secs(10 * 60);

/// Most lines of the last words that are told.
const MAX_WORDS: usize = 6;

/// Before the number of a start on the console; [`IN_A_ROW`] follows it.
const START: &str = "start ";
const IN_A_ROW: &str = " in a row";

/// What a start says of itself when it has run for [`SETTLED`].
const RUNS_WELL: &str = "runs well";

/// What is said before an end that was asked for.
const IN_ORDER: &str = "ends as it was asked to";

/// Why restarts are not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestartsError {
    /// The kernel keeps nothing.
    #[error(
        "nothing is kept over a restart: the kernel needs CONFIG_PSTORE_RAM, and config.txt dtoverlay=ramoops"
    )]
    NoMemory,
    /// It shows nothing.
    #[error("pstore cannot be mounted on {MOUNT_POINT}: {0}")]
    Mount(io::Error),
    /// Nothing can be said.
    #[error("{KERNEL_LOG} cannot be written: {0}")]
    Log(io::Error),
}

/// What the machine was left with by the run before, and what this run leaves to the next.
#[derive(Debug)]
pub(crate) struct Restarts<W = File> {
    log: W,
    row: u32,
    words: Vec<String>,
    settled: bool,
}

impl Restarts {
    /// Reads what the run before has left, and says the number of this start.
    ///
    /// # Errors
    ///
    /// [`RestartsError`] if the machine keeps nothing.
    pub(crate) fn count() -> Result<Self, RestartsError> {
        let backend = fs::read_to_string(BACKEND).unwrap_or_default();
        if matches!(backend.trim(), "" | "(null)") {
            return Err(RestartsError::NoMemory);
        }
        let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        match mount("pstore", MOUNT_POINT, "pstore", flags, None) {
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(error) => return Err(RestartsError::Mount(error.into())),
        }
        let left = Left::take(Path::new(MOUNT_POINT));
        if let Err(error) = unmount(MOUNT_POINT, UnmountFlags::empty()) {
            log::error!("{MOUNT_POINT} cannot be unmounted: {error}");
        }
        let log = OpenOptions::new().write(true).open(KERNEL_LOG).map_err(RestartsError::Log)?;
        Ok(Self::new(&left, log))
    }
}

impl<W: Write> Restarts<W> {
    fn new(left: &Left, log: W) -> Self {
        let starts = left.starts();
        let mut restarts = Self { log, row: starts, words: left.words(), settled: false };
        restarts.say(format_args!("{START}{}{IN_A_ROW}", starts.saturating_add(1)));
        restarts
    }

    /// Restarts in a row that led here: none of those runs has settled, or was ended on purpose.
    pub(crate) const fn in_a_row(&self) -> u32 {
        self.row
    }

    /// What a panic of the run before had to say.
    pub(crate) fn last_words(&self) -> &[String] {
        &self.words
    }

    /// How long to wait before going on.
    pub(crate) fn pause(&self) -> Duration {
        let Some(beyond) = self.row.checked_sub(SEVERAL) else { return Duration::ZERO };
        // A larger shift is beyond the longest pause anyway.
        LONGEST_PAUSE.min(FIRST_PAUSE * (1 << beyond.min(8)))
    }

    /// Takes note of how long this run has gone on; whether it has settled with this.  Allocates nothing.
    pub(crate) fn has_run_for(&mut self, time: Duration) -> bool {
        let settles = !self.settled && time >= SETTLED;
        if settles {
            self.settled = true;
            self.say(format_args!("{RUNS_WELL}"));
        }
        settles
    }

    /// Says that the end that follows was asked for.
    pub(crate) fn end_in_order(&mut self) {
        self.say(format_args!("{IN_ORDER}"));
    }

    /// Puts a line on the console, however quiet the kernel is told to be: what it does not print it does not keep.
    fn say(&mut self, words: std::fmt::Arguments<'_>) {
        // The longest of those above has half that length.
        let mut buffer = [0; 80];
        let mut rest = &mut buffer[..];
        let _ = rest.write_all(CRITICAL).and_then(|()| rest.write_fmt(words));
        let unused = rest.len();
        // One write is one record.
        if let Err(error) = self.log.write_all(&buffer[..buffer.len() - unused]) {
            log::error!("{KERNEL_LOG} cannot be written: {error}");
        }
    }
}

/// What the run before has left.
#[derive(Debug, Default)]
struct Left {
    /// What was on its console.
    console: String,
    /// What the kernel has saved as it panicked.
    dumps: String,
}

impl Left {
    /// Reads it in a folder that is pstore, and gives the memory of dumps free again.
    fn take(folder: &Path) -> Self {
        let mut left = Self::default();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            if entry.file_name() == CONSOLE_RECORD {
                left.console = text.into_owned();
            } else {
                left.dumps += &text;
                // Or the memory is full of old ones some day.  Nobody is told if it stays.
                let _ = fs::remove_file(entry.path());
            }
        }
        left
    }

    /// Starts in a row that have not settled, so far.
    fn starts(&self) -> u32 {
        let mut starts = 0;
        for said in self.console.lines().filter_map(said) {
            match said {
                RUNS_WELL | IN_ORDER => starts = 0,
                _ => {
                    let number = said.strip_prefix(START).and_then(|rest| rest.strip_suffix(IN_A_ROW));
                    starts = number.and_then(|number| number.parse().ok()).unwrap_or(starts);
                }
            }
        }
        starts
    }

    /// The lines in which somebody panicked: of the console, which has them in order, or else of the dumps.
    fn words(&self) -> Vec<String> {
        let of = |text: &str| -> Vec<String> {
            let words = text.lines().filter(|line| is_panic(line));
            words.map(|line| line.trim().to_owned()).take(MAX_WORDS).collect()
        };
        let words = of(&self.console);
        if words.is_empty() { of(&self.dumps) } else { words }
    }
}

/// What maskbell said in a line of the kernel's: "[    1.234567] maskbell: start 1 in a row".
fn said(line: &str) -> Option<&str> {
    line.split_once("maskbell: ").map(|(_, said)| said.trim_end())
}

/// Whether a line is from somebody's panic, and not from a report of an earlier one.
fn is_panic(line: &str) -> bool {
    match said(line) {
        Some(said) => said.starts_with("thread ") && said.contains(": panicked at "),
        None => {
            ["Kernel panic", "Internal error", "Unable to handle kernel"].iter().any(|it| line.contains(it))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that starts with what the one before has left on its console, and what it leaves itself.
    fn run(console: &str, rest: impl FnOnce(&mut Restarts<&mut Vec<u8>>)) -> (u32, Duration, String) {
        let left = Left { console: console.to_owned(), dumps: String::new() };
        let mut log = Vec::new();
        let mut restarts = Restarts::new(&left, &mut log);
        let (row, pause) = (restarts.in_a_row(), restarts.pause());
        rest(&mut restarts);
        drop(restarts);
        // As the kernel prints it: without the priority, with the time.
        let records = String::from_utf8(log).unwrap();
        let lines = records.split("<10>").skip(1).map(|record| format!("[    1.000000] {record}\n"));
        (row, pause, lines.collect())
    }

    #[test]
    fn starts_that_do_not_settle_are_counted_and_paused_after() {
        let mut console = String::new();
        let mut pauses = Vec::new();
        for number in 0..14 {
            let (row, pause, left) = run(&console, |restarts| {
                assert!(!restarts.has_run_for(SETTLED - Duration::from_millis(1)));
            });
            assert_eq!(row, number);
            pauses.push(pause.as_secs());
            console = left;
        }
        assert_eq!(pauses, [0, 0, 0, 15, 30, 60, 120, 240, 480, 600, 600, 600, 600, 600]);
        let (row, pause, _) = run("maskbell: start 4294967295 in a row", |_| {});
        assert_eq!((row, pause), (u32::MAX, LONGEST_PAUSE));
    }

    #[test]
    fn a_run_that_settles_or_is_ended_on_purpose_ends_the_row() {
        let console = "[    0.5] maskbell: start 7 in a row\n";
        let (row, _, settled) = run(console, |restarts| {
            assert!(restarts.has_run_for(SETTLED));
            assert!(!restarts.has_run_for(SETTLED * 2), "it settles once");
        });
        assert_eq!(row, 7);
        assert_eq!(settled.lines().count(), 2, "{settled}");
        assert_eq!(run(&settled, |_| {}).0, 0);
        let (_, _, ended) = run(console, |restarts| restarts.end_in_order());
        assert_eq!(run(&ended, |_| {}).0, 0);
    }

    #[test]
    fn what_else_is_on_the_console_counts_nothing() {
        for console in [
            "",
            "maskbell: start x in a row",
            "maskbell: start -1 in a row",
            "[    1.0] maskbell: [INFO] start 9 in a row",
            "maskbell: start 9 in a row of cameras",
            "\u{fffd}start 9 in a row",
        ] {
            assert_eq!(run(console, |_| {}).0, 0, "{console}");
        }
    }

    #[test]
    fn last_words_are_those_of_a_panic_and_no_report_of_an_earlier_one() {
        let console = "[    0.9] maskbell: [ERROR] the run before: [    2.0] maskbell: thread a: panicked at x\n\
                       [    3.0] maskbell: thread main: panicked at src/watch.rs:1:2: no\r\n\
                       [    3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000006\n\
                       [    3.2] CPU: 0 PID: 1\n";
        let left = Left { console: console.to_owned(), dumps: "Kernel panic of old".to_owned() };
        let expected = [
            "[    3.0] maskbell: thread main: panicked at src/watch.rs:1:2: no",
            "[    3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000006",
        ];
        assert_eq!(left.words(), expected);
        let left = Left { console: "[    0.9] all is well\n".to_owned(), ..left };
        assert_eq!(left.words(), ["Kernel panic of old"]);
        let many = Left { console: "Kernel panic\n".repeat(100), dumps: String::new() };
        assert_eq!(many.words().len(), MAX_WORDS);
    }

    #[test]
    fn records_are_read_and_dumps_are_freed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
        write(CONSOLE_RECORD, b"[  1.0] maskbell: start 2 in a row\n\xff");
        write("dmesg-ramoops-0", b"Panic#1 Part1\nKernel panic - not syncing: x\n");
        let left = Left::take(folder.path());
        assert_eq!((left.starts(), left.words()), (2, vec!["Kernel panic - not syncing: x".to_owned()]));
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [CONSOLE_RECORD]);
        assert_eq!(Left::take(Path::new("/no/such/folder")).starts(), 0);
    }
}
