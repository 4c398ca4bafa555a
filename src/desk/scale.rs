//! Pictures in other sizes, for people's eyes.

use image::imageops;
use image::{ImageBuffer, Rgb};

/// A picture of `from` pixels (width, height) in `to` pixels: between its pixels when it grows, their means when it shrinks.
pub fn scaled(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    if from == to {
        return rgb.to_vec();
    }
    if to.0 < from.0 || to.1 < from.1 {
        // A picture's sides are 65,535 at most.
        let picture = ImageBuffer::<Rgb<u8>, _>::from_raw(from.0 as u32, from.1 as u32, rgb);
        let picture = picture.expect("three bytes a pixel");
        return imageops::thumbnail(&picture, to.0 as u32, to.1 as u32).into_raw();
    }
    // For each column and row: the two pixels that it lies between, and the second one's share in 256ths.
    let between = |at: usize, from: usize, to: usize| {
        let place = ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
        let first = place as usize;
        (first, (first + 1).min(from - 1), ((place - first as f32) * 256.0) as u32)
    };
    let columns: Vec<_> = (0..to.0).map(|column| between(column, from.0, to.0)).collect();
    let mut scaled = Vec::with_capacity(to.0 * to.1 * 3);
    for row in 0..to.1 {
        let (above, below, down) = between(row, from.1, to.1);
        let [above, below] = [above, below].map(|row| &rgb[row * from.0 * 3..][..from.0 * 3]);
        for &(left, right, across) in &columns {
            for part in 0..3 {
                let mix = |row: &[u8]| {
                    u32::from(row[left * 3 + part]) * (256 - across)
                        + u32::from(row[right * 3 + part]) * across
                };
                scaled.push(((mix(above) * (256 - down) + mix(below) * down + (1 << 15)) >> 16) as u8);
            }
        }
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_grows_and_shrinks_smoothly() {
        let two = [0, 0, 0, 200, 100, 50];
        let wide = scaled(&two, (2, 1), (8, 2));
        let reds: Vec<_> = wide[..24].iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 0, 25, 75, 125, 175, 200, 200]);
        assert_eq!(wide[..24], wide[24..]);
        assert_eq!(scaled(&two, (2, 1), (1, 1)), [100, 50, 25]);
        assert_eq!(scaled(&two, (2, 1), (2, 1)), two);
    }
}
