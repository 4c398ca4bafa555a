//! What can be wrong, as the LED tells it.

/// A fault that the LED shows, as 1 long and so many short blinks.
///
/// (The Pi's firmware blinks 0 long, or 2 to 4 long: these are different on purpose.)
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Fault {
    /// No camera is there.  Over with the next frame.
    NoCamera = 1,
    /// The camera gives no frames.  Over with the next frame.
    NoFrames = 2,
    /// There is no PWM to drive the buzzer with.
    NoBuzzer = 3,
    /// A model does not load.
    NoModel = 4,
    /// The configuration has a mistake; defaults are used.
    BadConfig = 5,
    /// The camera sees nothing: its pictures are dark, covered, or always the same.  Over with the next frame.
    NoView = 6,
    /// The machine has been restarted several times in a row.  Over when it has run well for a while.
    Restarts = 7,
}

impl Fault {
    /// Short blinks after the long one.
    pub const fn short_blinks(self) -> u8 {
        self as u8
    }
}
