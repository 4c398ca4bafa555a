//! Reminders in words; and in place of the buzzer on a PC, the terminal's bell.

use std::io::{self, IsTerminal, Write};

use crate::policy::Reminder;

/// The control character that makes a terminal ring (ASCII BEL).
const BELL: &[u8] = b"\x07";

/// Rings, but only where standard output is a terminal: a file or a pipe gets no control characters.
pub(crate) fn ring() {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        // No bell is no reason to stop watching.
        let _ = stdout.write_all(BELL).and_then(|()| stdout.flush());
    }
}

/// A reminder as a line of the log.
pub(crate) const fn text(reminder: Reminder) -> &'static str {
    match reminder {
        Reminder::Mask => "reminder: please put on a mask",
        Reminder::Nose => "reminder: please cover your nose, too",
    }
}

/// A reminder in words alone.
#[cfg(any(feature = "desk", test))]
pub(crate) const fn words(reminder: Reminder) -> &'static str {
    match reminder {
        Reminder::Mask => "Please put on a mask",
        Reminder::Nose => "Please cover your nose, too",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_log() {
        for reminder in [Reminder::Mask, Reminder::Nose] {
            let line = text(reminder).strip_prefix("reminder: ").unwrap();
            assert!(line.eq_ignore_ascii_case(words(reminder)), "{line}");
        }
    }

    #[test]
    fn each_reminder_says_what_to_do() {
        assert!(text(Reminder::Mask).ends_with("please put on a mask"));
        assert!(text(Reminder::Nose).ends_with("please cover your nose, too"));
    }
}
