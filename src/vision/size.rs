//! How large a look is: the pixels of the face network's input.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Pixels of a look, 4:3 as most cameras see.  More of them show smaller faces, and take as much longer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LookSize {
    /// 320 × 240, in which the face network is stored.
    W320,
    /// 400 × 300.
    W400,
    /// 480 × 360.
    W480,
    /// 640 × 480: every pixel of most cameras' pictures.
    W640,
}

impl LookSize {
    /// From the smallest to the largest.
    pub const ALL: [Self; 4] = [Self::W320, Self::W400, Self::W480, Self::W640];

    /// Pixels in a row.
    pub const fn width(self) -> usize {
        match self {
            Self::W320 => 320,
            Self::W400 => 400,
            Self::W480 => 480,
            Self::W640 => 640,
        }
    }

    /// Rows.
    pub const fn height(self) -> usize {
        self.width() / 4 * 3
    }
}

impl fmt::Display for LookSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width(), self.height())
    }
}

/// Who says how large a look is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Choice {
    /// The machine, by its own speed: the largest at which it can look [`LEAST_RATE`] times a second.
    #[default]
    Auto,
    /// Somebody who knows.
    Fixed(LookSize),
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let size = LookSize::ALL.into_iter().find(|size| size.to_string() == text);
        size.map(Self::Fixed).ok_or(ChoiceError)
    }
}

/// No such size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it must be auto, 320x240, 400x300, 480x360 or 640x480")]
pub struct ChoiceError;

/// Looks a second that a machine must manage: a visitor who walks by at 1.4 m/s comes 10 cm nearer from one to the next.
pub const LEAST_RATE: f32 = 15.0;

/// Longest time for a look, of the 67 ms that [`LEAST_RATE`] leaves: the rest is for a camera's JPEG (10 million
/// instructions on one core), and for more than one face.
pub(super) const LONGEST: Duration = Duration::from_millis(50);

/// The largest of `sizes`, from small to large, at which a look takes no longer than [`LONGEST`], or else the smallest; and
/// that time.  `time` makes ready for looks of a size and says how long one takes; the last one that it made ready is
/// what is chosen.
///
/// # Errors
///
/// What `time` says.
pub(super) fn choose<E>(
    sizes: &[LookSize],
    mut time: impl FnMut(LookSize) -> Result<Duration, E>,
) -> Result<(LookSize, Duration), E> {
    let smallest = sizes[0];
    let took = time(smallest)?;
    let mut ready = smallest;
    for &size in sizes[1..].iter().rev() {
        let pixels = |size: LookSize| (size.width() * size.height()) as f32;
        // Not all of a look grows with its pixels: somewhat too slow by this count is worth a try.
        let likely = took.mul_f32(pixels(size) / pixels(smallest));
        if likely > LONGEST.mul_f32(1.2) {
            continue;
        }
        ready = size;
        let took = time(size)?;
        if took <= LONGEST {
            return Ok((size, took));
        }
    }
    Ok((smallest, if ready == smallest { took } else { time(smallest)? }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// What a machine chooses on which the smallest look takes so many milliseconds, and which it tries.
    fn chosen(smallest: f32, share_of_pixels: f32) -> (LookSize, Vec<LookSize>) {
        let mut tried = vec![];
        let (size, took) = choose(&LookSize::ALL, |size| {
            tried.push(size);
            let pixels = (size.width() * size.height()) as f32 / (320.0 * 240.0);
            let factor = 1.0 - share_of_pixels + share_of_pixels * pixels;
            Ok::<_, Infallible>(Duration::from_secs_f32(smallest * factor / 1e3))
        })
        .unwrap();
        assert!(took <= LONGEST || size == LookSize::W320);
        assert_eq!(tried.last(), Some(&size), "what was made ready last is what is used");
        (size, tried)
    }

    #[test]
    fn the_largest_that_is_fast_enough_is_chosen() {
        use LookSize::*;
        for (smallest, expected) in
            [(1.0, W640), (12.4, W640), (12.6, W480), (22.2, W480), (22.3, W400), (32.1, W320), (500.0, W320)]
        {
            assert_eq!(chosen(smallest, 1.0).0, expected, "{smallest} ms");
        }
        // A machine that loses much time elsewhere affords more than pixels alone say.
        assert_eq!(chosen(14.0, 0.8).0, W640);
    }

    #[test]
    fn what_is_far_too_slow_is_not_tried() {
        assert_eq!(chosen(60.0, 1.0).1, [LookSize::W320]);
        assert_eq!(chosen(5.0, 1.0).1, [LookSize::W320, LookSize::W640]);
    }

    #[test]
    fn sizes_are_told_as_they_are_read() {
        for size in LookSize::ALL {
            assert_eq!(size.to_string().parse(), Ok(Choice::Fixed(size)));
            assert!(ChoiceError.to_string().contains(&size.to_string()));
        }
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        for wrong in ["", "Auto", "320", "320×240", "240x320", "641x480"] {
            assert_eq!(wrong.parse::<Choice>(), Err(ChoiceError), "{wrong}");
        }
    }
}
