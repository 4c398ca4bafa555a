//! One picture as a camera delivers it: pixels, their layout, and when they were taken.

pub(crate) mod bayer;
mod orientation;
// For people's eyes and for tests: the networks' inputs are filled by whole rows.
#[cfg(any(test, feature = "desk"))]
pub(crate) mod pixels;

use std::time::Duration;

use crate::geometry::Rect;

pub use bayer::{ColourMatrix, Development, Order, Packing};
pub use orientation::{Orientation, Rotation};

/// How the pixels of a [`Frame`] lie in memory (names as V4L2 uses them).
///
/// Compressed pictures (motion JPEG) never become a frame: they are decoded to [`PixelFormat::Rgb`] first.
/// Luma and chroma are taken as BT.601: studio range for what comes from a camera raw.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PixelFormat {
    /// Packed 4:2:2: `Y0 U Y1 V`, two bytes a pixel.
    Yuyv,
    /// Planar 4:2:0: a plane of Y, then one of interleaved `U V` at half width and height, of the same stride.
    Nv12,
    /// Planar 4:2:0: a plane of Y, then U, then V, both at half width, half height and half the stride (I420).
    Yu12,
    /// Packed `R G B`, three bytes a pixel.
    Rgb,
    /// Luma alone, one byte a pixel, full range.
    Grey,
    /// A bare sensor's values.  Four photosites, two of each of two rows, are a pixel: nothing is made up between them.
    /// See [`Frame::developed`].
    Bayer(Order, Packing),
}

impl PixelFormat {
    /// Bytes of one row of `width` pixels without padding: of the luma plane for the planar formats, of one of a pixel's
    /// two rows for a bare sensor's.
    pub const fn row_bytes(self, width: usize) -> usize {
        match self {
            Self::Yuyv => width.div_ceil(2) * 4,
            Self::Nv12 | Self::Yu12 | Self::Grey => width,
            Self::Rgb => width * 3,
            Self::Bayer(_, packing) => packing.row_bytes(2 * width),
        }
    }

    /// Least bytes of a picture of `width` × `height` pixels whose rows start `stride` bytes apart.
    ///
    /// The padding of a plane's last row need not be there when nothing follows it.
    pub const fn frame_bytes(self, width: usize, height: usize, stride: usize) -> usize {
        if width == 0 || height == 0 {
            return 0;
        }
        let chroma_rows = height.div_ceil(2);
        match self {
            Self::Yuyv | Self::Rgb | Self::Grey => stride * (height - 1) + self.row_bytes(width),
            Self::Nv12 => stride * height + stride * (chroma_rows - 1) + width.div_ceil(2) * 2,
            Self::Yu12 => {
                let chroma_stride = stride / 2;
                stride * height + chroma_stride * (2 * chroma_rows - 1) + width.div_ceil(2)
            }
            Self::Bayer(..) => stride * (2 * height - 1) + self.row_bytes(width),
        }
    }
}

/// Why bytes are no picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// Width or height is 0, or larger than [`Frame::MAX_SIDE`].
    #[error(
        "a frame of {width}×{height} pixels cannot be used: each side must be 1 to {} pixels",
        Frame::MAX_SIDE
    )]
    Size {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// Rows overlap: the stride is shorter than a row.
    #[error("rows {stride} bytes apart cannot hold {width} pixels of {format:?}, which need {least}")]
    Stride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Pixels.
        width: usize,
        /// Layout.
        format: PixelFormat,
        /// Bytes that a row needs.
        least: usize,
    },
    /// The stride is odd where chroma has half of it.
    #[error(
        "rows {stride} bytes apart cannot be used with {format:?}, whose chroma rows lie half as far apart: it must be even"
    )]
    OddStride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Layout.
        format: PixelFormat,
    },
    /// The picture ends early.
    #[error("the frame holds {got} of the {expected} bytes it should: the camera cut it short")]
    Short {
        /// Bytes at hand.
        got: usize,
        /// Bytes needed.
        expected: usize,
    },
}

/// A picture that borrows its pixels from the camera's buffer.
///
/// The constructor checks sizes once, so that everything behind it can index without failing.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// As stored.
    width: usize,
    /// As stored.
    height: usize,
    stride: usize,
    format: PixelFormat,
    data: &'a [u8],
    captured_at: Duration,
    orientation: Orientation,
    development: Development,
}

impl<'a> Frame<'a> {
    /// Longest side in pixels.  V4L2 and JPEG end at 65,535; products of two sides and a pixel's bytes fit 64 bits.
    pub const MAX_SIDE: usize = 65_535;

    /// A picture of `width` × `height` pixels (of a bare sensor: of half as many as photosites each way) in `data`, whose
    /// rows start `stride` bytes apart, upright as it is stored.
    ///
    /// `captured_at` is the time since the source was opened, in the source's own clock.  Bytes beyond the picture
    /// are ignored (drivers pad).
    ///
    /// # Errors
    ///
    /// [`FrameError`] if a side is 0 or too long, rows overlap, or `data` is too short.
    pub const fn new(
        data: &'a [u8],
        format: PixelFormat,
        width: usize,
        height: usize,
        stride: usize,
        captured_at: Duration,
    ) -> Result<Self, FrameError> {
        if width == 0 || height == 0 || width > Self::MAX_SIDE || height > Self::MAX_SIDE {
            return Err(FrameError::Size { width, height });
        }
        let least = match format {
            // Half the stride must still hold half a row.
            PixelFormat::Yu12 | PixelFormat::Nv12 => width.div_ceil(2) * 2,
            PixelFormat::Yuyv | PixelFormat::Rgb | PixelFormat::Grey | PixelFormat::Bayer(..) => {
                format.row_bytes(width)
            }
        };
        if stride < least || stride > u32::MAX as usize {
            return Err(FrameError::Stride { stride, width, format, least });
        }
        if matches!(format, PixelFormat::Yu12) && !stride.is_multiple_of(2) {
            return Err(FrameError::OddStride { stride, format });
        }
        let expected = format.frame_bytes(width, height, stride);
        if data.len() < expected {
            return Err(FrameError::Short { got: data.len(), expected });
        }
        let orientation = Orientation { rotation: Rotation::None, mirror: false };
        let development = Development::PLAIN;
        Ok(Self { width, height, stride, format, data, captured_at, orientation, development })
    }

    /// The same picture of a bare sensor, with what makes colours of its values; other formats have their colours.
    pub const fn developed(self, development: Development) -> Self {
        Self { development, ..self }
    }

    /// What makes colours of a bare sensor's values.
    pub const fn development(&self) -> Development {
        self.development
    }

    /// The same picture, to be seen through `orientation`.  No pixel is moved: who reads them turns them.
    pub const fn oriented(self, orientation: Orientation) -> Self {
        Self { orientation, ..self }
    }

    /// What makes the stored picture upright.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Pixels in a row of the upright picture, 1 to [`Frame::MAX_SIDE`].
    pub const fn width(&self) -> usize {
        if self.orientation.swaps_axes() { self.height } else { self.width }
    }

    /// Rows of the upright picture, 1 to [`Frame::MAX_SIDE`].
    pub const fn height(&self) -> usize {
        if self.orientation.swaps_axes() { self.width } else { self.height }
    }

    /// The whole upright picture as a box.
    pub const fn bounds(&self) -> Rect {
        Rect::new(0.0, 0.0, self.width() as f32, self.height() as f32)
    }

    /// A box on the upright frame as a box on the frame as it is stored.
    pub fn stored(&self, upright: &Rect) -> Rect {
        let (width, height) = (self.width() as f32, self.height() as f32);
        let Rect { mut left, mut top, mut right, mut bottom } = *upright;
        if self.orientation.reverses_columns() {
            (left, right) = (width - right, width - left);
        }
        if self.orientation.reverses_rows() {
            (top, bottom) = (height - bottom, height - top);
        }
        if self.orientation.swaps_axes() {
            Rect::new(top, left, bottom, right)
        } else {
            Rect::new(left, top, right, bottom)
        }
    }

    /// Bytes from the start of a stored row to that of the next (of luma, for planar formats; of photosites, for a bare
    /// sensor's).
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// Layout of the pixels.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// The pixels as they are stored: at least [`PixelFormat::frame_bytes`] bytes.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The values of the photosites of the pixel in a stored `row` and `column`, as if they had 16 bits: red, the mean of
    /// the two green ones, blue.  `None` if this is no bare sensor's.
    ///
    /// # Panics
    ///
    /// May panic outside the frame.
    pub(crate) fn photosites(&self, row: usize, column: usize) -> Option<[u16; 3]> {
        let PixelFormat::Bayer(order, packing) = self.format else { return None };
        let value = |down: usize, right: usize| {
            packing.value(&self.data[(2 * row + down) * self.stride..], 2 * column + right)
        };
        let red_down = usize::from(!order.is_red_row_first());
        let red_right = usize::from(order.is_red_row_green_first());
        // The green ones lie beside the red one and below or above it; the blue one across.
        let (green, other) = (value(red_down, 1 - red_right), value(1 - red_down, red_right));
        let blue = value(1 - red_down, 1 - red_right);
        Some([value(red_down, red_right), green.midpoint(other), blue])
    }

    /// When the picture was taken: time since the source was opened, in the source's own clock.
    pub const fn captured_at(&self) -> Duration {
        self.captured_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(
        format: PixelFormat,
        size: (usize, usize),
        stride: usize,
        bytes: usize,
    ) -> Result<(), FrameError> {
        let data = vec![0; bytes];
        Frame::new(&data, format, size.0, size.1, stride, Duration::ZERO).map(|_| ())
    }

    #[test]
    fn exact_sizes_are_accepted_and_one_byte_less_is_not() {
        for (format, stride, bytes) in [
            (PixelFormat::Yuyv, 8, 16 + 8),
            (PixelFormat::Nv12, 4, 12 + 8),
            (PixelFormat::Yu12, 4, 12 + 8),
            (PixelFormat::Rgb, 9, 27),
            (PixelFormat::Grey, 3, 9),
            (PixelFormat::Bayer(Order::Rggb, Packing::Eight), 8, 8 * 5 + 6),
            (PixelFormat::Bayer(Order::Rggb, Packing::TenPacked), 10, 60),
            (PixelFormat::Bayer(Order::Rggb, Packing::TwelvePacked), 12, 12 * 5 + 9),
            (PixelFormat::Bayer(Order::Rggb, Packing::Sixteen), 12, 72),
        ] {
            assert_eq!(frame(format, (3, 3), stride, bytes), Ok(()), "{format:?}");
            let short = frame(format, (3, 3), stride, bytes - 1);
            assert_eq!(short, Err(FrameError::Short { got: bytes - 1, expected: bytes }), "{format:?}");
        }
    }

    #[test]
    fn padding_after_the_last_row_may_be_missing() {
        assert_eq!(frame(PixelFormat::Rgb, (2, 2), 16, 16 + 6), Ok(()));
        assert_eq!(frame(PixelFormat::Yuyv, (2, 2), 16, 16 + 4), Ok(()));
    }

    #[test]
    fn rows_may_not_overlap() {
        for (format, stride) in [
            (PixelFormat::Yuyv, 7),
            (PixelFormat::Nv12, 3),
            (PixelFormat::Yu12, 3),
            (PixelFormat::Rgb, 8),
            (PixelFormat::Grey, 2),
            (PixelFormat::Bayer(Order::Rggb, Packing::TenPacked), 9),
        ] {
            let result = frame(format, (3, 3), stride, 1000);
            assert!(matches!(result, Err(FrameError::Stride { .. })), "{format:?}: {result:?}");
        }
    }

    #[test]
    fn an_odd_stride_is_refused_where_chroma_has_half_of_it() {
        let refused = frame(PixelFormat::Yu12, (3, 3), 5, 1000).unwrap_err();
        assert!(refused.to_string().ends_with("it must be even"), "{refused}");
        assert_eq!(frame(PixelFormat::Nv12, (3, 3), 5, 1000), Ok(()));
    }

    #[test]
    fn a_box_is_where_its_pixel_is_stored() {
        // 4 × 3 pixels, one of them white.
        let (stored_x, stored_y) = (1, 2);
        let mut data = [0; 12];
        data[stored_y * 4 + stored_x] = 255;
        let stored = Frame::new(&data, PixelFormat::Grey, 4, 3, 4, Duration::ZERO).unwrap();
        let expected = Rect::centred(stored_x as f32 + 0.5, stored_y as f32 + 0.5, 1.0, 1.0);
        for (degrees, mirror, upright) in [
            (0, false, (1, 2)),
            (0, true, (2, 2)),
            (90, false, (0, 1)),
            (90, true, (2, 1)),
            (180, false, (2, 0)),
            (270, false, (2, 2)),
        ] {
            let rotation = Rotation::from_degrees(degrees).unwrap();
            let frame = stored.oriented(Orientation { rotation, mirror });
            let (x, y) = upright;
            let seen = Rect::centred(x as f32 + 0.5, y as f32 + 0.5, 1.0, 1.0);
            assert_eq!(frame.stored(&seen), expected, "{degrees}° {mirror}");
        }
    }

    #[test]
    fn no_side_is_zero_or_endless() {
        for size in [(0, 1), (1, 0), (65_536, 1), (1, 65_536)] {
            let result = frame(PixelFormat::Grey, size, 100_000, 10);
            assert!(matches!(result, Err(FrameError::Size { .. })), "{size:?}");
        }
    }
}
