//! Anti-aliased type of any size: DejaVu Sans, cut to Latin, Greek and Cyrillic letters (`type/LICENSE`).

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

/// How strong letters are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// For what explains.
    Regular,
    /// For what is to be seen first.
    Bold,
}

impl Weight {
    fn font(self) -> &'static FontRef<'static> {
        static REGULAR: LazyLock<FontRef<'static>> =
            LazyLock::new(|| font(include_bytes!("type/DejaVuSans.ttf")));
        static BOLD: LazyLock<FontRef<'static>> =
            LazyLock::new(|| font(include_bytes!("type/DejaVuSans-Bold.ttf")));
        match self {
            Self::Regular => &REGULAR,
            Self::Bold => &BOLD,
        }
    }
}

fn font(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the font comes with the program")
}

/// Width in pixels of `text` in lines of `height` pixels.
pub fn width(text: &str, weight: Weight, height: f32) -> f32 {
    let font = weight.font().as_scaled(PxScale::from(height));
    text.chars().map(|character| font.h_advance(font.glyph_id(character))).sum()
}

/// As much of `text` as `most` pixels are wide, with an ellipsis for what is left out at its end.
pub fn fitted(text: &str, weight: Weight, height: f32, most: f32) -> String {
    if width(text, weight, height) <= most {
        return text.to_owned();
    }
    let font = weight.font().as_scaled(PxScale::from(height));
    let mut left = most - width("…", weight, height);
    let mut kept: String = text
        .chars()
        .take_while(|&character| {
            left -= font.h_advance(font.glyph_id(character));
            left >= 0.0
        })
        .collect();
    kept.push('…');
    kept
}

/// Calls `cover` with each pixel that `text` covers and how much of it, 0 to 1; the upper left corner of its line, which
/// is `height` pixels high, is (`left`, `top`).
pub fn draw(
    text: &str,
    weight: Weight,
    height: f32,
    (left, top): (f32, f32),
    mut cover: impl FnMut(i32, i32, f32),
) {
    let scale = PxScale::from(height);
    let font = weight.font().as_scaled(scale);
    let base = top + font.ascent();
    let mut pen = left;
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, point(pen, base))) {
            let corner = outline.px_bounds().min;
            let (x0, y0) = (corner.x as i32, corner.y as i32);
            outline.draw(|x, y, share| cover(x0 + x as i32, y0 + y as i32, share));
        }
        pen += font.h_advance(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_grows_with_its_height_and_has_soft_edges() {
        let ink = |height: f32| {
            let (mut whole, mut soft) = (0.0, 0);
            draw("masque ß Μάσκα", Weight::Bold, height, (0.0, 0.0), |_, y, share| {
                assert!((0..height.ceil() as i32).contains(&y), "row {y} of {height}");
                whole += share;
                soft += u32::from(share > 0.1 && share < 0.9);
            });
            (whole, soft)
        };
        let ((small, soft), (large, _)) = (ink(16.0), ink(48.0));
        assert!((8.5..9.5).contains(&(large / small)), "{large} {small}");
        assert!(soft > 50, "{soft}");
        assert!((width("mask", Weight::Bold, 48.0) / width("mask", Weight::Bold, 16.0) - 3.0).abs() < 1e-3);
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        let most = width("a longish", Weight::Regular, 20.0);
        let kept = fitted("a longish name.jpg", Weight::Regular, 20.0, most);
        assert!(kept.starts_with("a long") && kept.ends_with('…'), "{kept}");
        assert!(width(&kept, Weight::Regular, 20.0) <= most);
        assert_eq!(fitted("a", Weight::Regular, 20.0, most), "a");
        assert_eq!(fitted("a", Weight::Regular, 20.0, 0.0), "…");
    }
}
