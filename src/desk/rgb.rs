//! A camera's frame as plain RGB, to be shown.

use crate::frame::{Frame, PixelFormat};

/// Writes `frame` into `rgb` as packed `R G B` rows without padding: width × height × 3 bytes.
///
/// For people's eyes: the models read the camera's own format.  `rgb` keeps its memory from frame to frame.
pub fn from_frame(frame: &Frame<'_>, rgb: &mut Vec<u8>) {
    let (width, height, stride, data) = (frame.width(), frame.height(), frame.stride(), frame.data());
    rgb.clear();
    rgb.reserve(width * height * 3);
    for y in 0..height {
        let row = &data[y * stride..];
        // Planar formats: the chroma planes begin behind `height` rows of luma.
        let chroma = stride * height;
        match frame.format() {
            PixelFormat::Rgb => rgb.extend_from_slice(&row[..width * 3]),
            PixelFormat::Grey => rgb.extend(row[..width].iter().flat_map(|&luma| [luma; 3])),
            PixelFormat::Yuyv => rgb.extend((0..width).flat_map(|x| {
                let pair = &row[x / 2 * 4..][..4];
                from_yuv(pair[x % 2 * 2], pair[1], pair[3])
            })),
            PixelFormat::Nv12 => {
                let uv = &data[chroma + y / 2 * stride..];
                rgb.extend((0..width).flat_map(|x| from_yuv(row[x], uv[x / 2 * 2], uv[x / 2 * 2 + 1])));
            }
            PixelFormat::Yu12 => {
                let u = &data[chroma + y / 2 * (stride / 2)..];
                let v = &data[chroma + (height.div_ceil(2) + y / 2) * (stride / 2)..];
                rgb.extend((0..width).flat_map(|x| from_yuv(row[x], u[x / 2], v[x / 2])));
            }
        }
    }
}

/// BT.601, studio range (luma 16 to 235, chroma 16 to 240), in 1/256.
fn from_yuv(y: u8, u: u8, v: u8) -> [u8; 3] {
    let y = 298 * (i32::from(y) - 16) + 128;
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    [y + 409 * v, y - 100 * u - 208 * v, y + 516 * u].map(|sum| (sum >> 8).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
