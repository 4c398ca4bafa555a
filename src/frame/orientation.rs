//! How a picture is turned to stand upright.

/// Degrees clockwise that a picture is turned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// A quarter: the stored left column becomes the top row.
    Clockwise90,
    /// A half: upside down.
    Half,
    /// Three quarters: the stored right column becomes the top row.
    Clockwise270,
}

impl Rotation {
    /// The rotation by `degrees` clockwise: 0, 90, 180 or 270; `None` for others.
    pub const fn from_degrees(degrees: u16) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Clockwise90),
            180 => Some(Self::Half),
            270 => Some(Self::Clockwise270),
            _ => None,
        }
    }
}

/// What makes a stored picture upright.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Orientation {
    /// Turned first.
    pub rotation: Rotation,
    /// Then left and right are exchanged, if `true`.
    pub mirror: bool,
}

impl Orientation {
    /// Whether upright rows are stored columns.
    pub(crate) const fn swaps_axes(self) -> bool {
        matches!(self.rotation, Rotation::Clockwise90 | Rotation::Clockwise270)
    }

    /// Whether the upright columns, from left to right, run against the order in which they are stored.
    pub(crate) const fn reverses_columns(self) -> bool {
        matches!(self.rotation, Rotation::Clockwise90 | Rotation::Half) != self.mirror
    }

    /// Whether the upright rows, from top to bottom, run against the order in which they are stored.
    pub(crate) const fn reverses_rows(self) -> bool {
        matches!(self.rotation, Rotation::Half | Rotation::Clockwise270)
    }
}
