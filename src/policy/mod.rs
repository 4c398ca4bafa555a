//! Verdicts over time become reminders.

/// What a visitor is to be reminded of.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reminder {
    /// Please put on a mask.
    Mask,
    /// Please cover your nose, too.
    Nose,
}
