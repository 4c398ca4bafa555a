//! A camera's frame as plain RGB, to be shown.

use crate::frame::pixels::{Bayer, Grey, Nv12, Pixels, Rgb, Yu12, Yuyv};
use crate::frame::{Frame, PixelFormat};

/// Writes `frame`, upright, into `rgb` as packed `R G B` rows without padding: width × height × 3 bytes.
///
/// For people's eyes: the models read the camera's own format.  `rgb` keeps its memory from frame to frame.
pub fn from_frame(frame: &Frame<'_>, rgb: &mut Vec<u8>) {
    rgb.clear();
    match frame.format() {
        PixelFormat::Rgb => convert(&Rgb(*frame), frame, rgb),
        PixelFormat::Grey => convert(&Grey(*frame), frame, rgb),
        PixelFormat::Yuyv => convert(&Yuyv(*frame), frame, rgb),
        PixelFormat::Nv12 => convert(&Nv12(*frame), frame, rgb),
        PixelFormat::Yu12 => convert(&Yu12(*frame), frame, rgb),
        PixelFormat::Bayer(..) => convert(&Bayer(*frame), frame, rgb),
    }
}

fn convert<P: Pixels>(pixels: &P, frame: &Frame<'_>, rgb: &mut Vec<u8>) {
    let (width, height, orientation) = (frame.width(), frame.height(), frame.orientation());
    rgb.reserve(width * height * 3);
    for row in 0..height {
        let row = if orientation.reverses_rows() { height - 1 - row } else { row };
        for column in 0..width {
            let column = if orientation.reverses_columns() { width - 1 - column } else { column };
            let (row, column) = if orientation.swaps_axes() { (column, row) } else { (row, column) };
            // The cast saturates, so that 255.6 stays 255.
            rgb.extend(pixels.rgb(pixels.at(row, column)).map(|value| (value + 0.5) as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Orientation, Rotation};
    use std::time::Duration;

    // The 75 % colour bars of BT.601 that tell swapped chroma: (Y, U, V) and the colour they stand for.
    const RED: ([u8; 3], [u8; 3]) = ([81, 90, 240], [255, 0, 0]);
    const BLUE: ([u8; 3], [u8; 3]) = ([41, 240, 110], [0, 0, 255]);
    const WHITE: ([u8; 3], [u8; 3]) = ([235, 128, 128], [255, 255, 255]);

    fn convert(data: &[u8], format: PixelFormat, size: (usize, usize), stride: usize) -> Vec<u8> {
        let frame = Frame::new(data, format, size.0, size.1, stride, Duration::ZERO).unwrap();
        let mut rgb = vec![9; 5];
        from_frame(&frame, &mut rgb);
        rgb
    }

    fn assert_colours(rgb: &[u8], colours: &[[u8; 3]]) {
        assert_eq!(rgb.len(), colours.len() * 3);
        for (seen, wanted) in rgb.iter().zip(colours.concat()) {
            assert!(seen.abs_diff(wanted) <= 2, "{rgb:?} should be {colours:?}");
        }
    }

    #[test]
    fn grey_and_rgb_lose_their_padding() {
        assert_eq!(
            convert(&[1, 2, 0, 3, 4], PixelFormat::Grey, (2, 2), 3),
            [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
        );
        assert_eq!(convert(&[1, 2, 3, 0, 4, 5, 6], PixelFormat::Rgb, (1, 2), 4), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn packed_yuv_of_odd_width() {
        let ([ry, ru, rv], [by, bu, bv]) = (RED.0, BLUE.0);
        let data = [ry, ru, ry, rv, by, bu, 0, bv];
        assert_colours(&convert(&data, PixelFormat::Yuyv, (3, 1), 8), &[RED.1, RED.1, BLUE.1]);
    }

    #[test]
    fn planar_yuv_of_odd_size_and_wide_stride() {
        // 3 × 3: red in the upper left 2 × 2, blue above right, white below.
        let (r, b, w) = (RED.0, BLUE.0, WHITE.0);
        let luma = [[r[0], r[0], b[0], 0], [r[0], r[0], b[0], 0], [w[0], w[0], w[0], 0]].concat();
        let expected = [RED.1, RED.1, BLUE.1, RED.1, RED.1, BLUE.1, WHITE.1, WHITE.1, WHITE.1];
        let nv12 = [&luma[..], &[r[1], r[2], b[1], b[2], w[1], w[2], w[1], w[2]]].concat();
        assert_colours(&convert(&nv12, PixelFormat::Nv12, (3, 3), 4), &expected);
        let yu12 = [&luma[..], &[r[1], b[1], w[1], w[1], r[2], b[2], w[2], w[2]]].concat();
        assert_colours(&convert(&yu12, PixelFormat::Yu12, (3, 3), 4), &expected);
    }

    #[test]
    fn a_frame_is_shown_upright() {
        // 1 2 3
        // 4 5 6
        let stored = Frame::new(&[1, 2, 3, 4, 5, 6], PixelFormat::Grey, 3, 2, 3, Duration::ZERO).unwrap();
        for (degrees, mirror, expected) in [
            (0, false, [1, 2, 3, 4, 5, 6]),
            (90, false, [4, 1, 5, 2, 6, 3]),
            (180, false, [6, 5, 4, 3, 2, 1]),
            (270, false, [3, 6, 2, 5, 1, 4]),
            (0, true, [3, 2, 1, 6, 5, 4]),
            (90, true, [1, 4, 2, 5, 3, 6]),
            (180, true, [4, 5, 6, 1, 2, 3]),
            (270, true, [6, 3, 5, 2, 4, 1]),
        ] {
            let rotation = Rotation::from_degrees(degrees).unwrap();
            let mut rgb = Vec::new();
            from_frame(&stored.oriented(Orientation { rotation, mirror }), &mut rgb);
            let seen: Vec<_> = rgb.iter().step_by(3).copied().collect();
            assert_eq!(seen, expected, "{degrees} {mirror}");
        }
    }
}
