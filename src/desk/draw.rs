//! Boxes and labels on a picture, for the window and for annotated copies.

use std::convert::Infallible;

use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_7X13_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};

use crate::geometry::Rect;
use crate::vision::{Face, Verdict};

/// Width of the line around a mouth or a nose that is seen, in units of the canvas.
const THIN_LINE: u32 = 1;
/// Width of a box's line and the margin of a label, in units of the canvas.
const LINE: i32 = 2;
/// A picture whose shorter side has this many pixels is drawn on at scale 1, twice as many at 2, and so on, so that
/// labels stay readable when a large photo is shown on a screen.
const SIDE_AT_SCALE_1: usize = 480;
/// Pictures narrower than this (in units) get boxes alone: a label would hide the face.
const LEAST_LABELLED_WIDTH: u32 = 160;

/// A picture of packed `R G B` bytes that can be drawn on.
#[derive(Debug)]
pub struct Canvas<'a> {
    rgb: &'a mut [u8],
    width: usize,
    height: usize,
    /// Side of the square of pixels that one unit covers.
    scale: usize,
}

impl<'a> Canvas<'a> {
    /// A canvas over `rgb`, which holds `width` × `height` pixels of three bytes.
    ///
    /// # Panics
    ///
    /// If `rgb` has another length.
    pub fn new(rgb: &'a mut [u8], width: usize, height: usize) -> Self {
        assert_eq!(rgb.len(), width * height * 3, "{width}×{height} pixels of three bytes");
        Self { rgb, width, height, scale: (width.min(height) / SIDE_AT_SCALE_1).max(1) }
    }

    /// Draws a box with verdict and scores for each face, the best face on top, and thin boxes around the mouth and the
    /// nose if they are seen.
    pub fn faces(&mut self, faces: &[Face]) {
        for face in faces.iter().rev() {
            self.face(face);
        }
    }

    /// Writes `line` into the upper left corner.
    pub fn caption(&mut self, line: &str) {
        self.label(Point::zero(), Rgb888::WHITE, &[(line, &FONT_6X10)]);
    }

    fn face(&mut self, face: &Face) {
        let colour = colour(face.verdict);
        for part in [face.mouth_bounds, face.nose_bounds].iter().flatten() {
            let part = self.units(part);
            infallible(part.into_styled(PrimitiveStyle::with_stroke(colour, THIN_LINE)).draw(self));
        }
        let bounds = self.units(&face.bounds);
        infallible(bounds.into_styled(PrimitiveStyle::with_stroke(colour, LINE as u32)).draw(self));
        if self.size().width >= LEAST_LABELLED_WIDTH {
            let verdict = format!("{} {:.2}", face.verdict, face.score);
            let scores = format!("mouth {:.2} nose {:.2}", face.mouth, face.nose);
            let lines = [(verdict.as_str(), &FONT_7X13_BOLD), (scores.as_str(), &FONT_6X10)];
            let above = bounds.top_left.y - label_size(&lines).height as i32;
            let y = if above >= 0 { above } else { bounds.top_left.y };
            self.label(Point::new(bounds.top_left.x, y), colour, &lines);
        }
    }

    /// Where a box of the picture's pixels lies on the canvas.
    fn units(&self, bounds: &Rect) -> Rectangle {
        // Float to integer casts saturate; a line's width beyond the picture is far enough for what is not seen.
        let unit = |pixels: f32, units: u32| {
            ((pixels / self.scale as f32).round() as i32).clamp(-LINE, units as i32 + LINE)
        };
        let Size { width, height } = self.size();
        Rectangle::with_corners(
            Point::new(unit(bounds.left, width), unit(bounds.top, height)),
            Point::new(unit(bounds.right, width), unit(bounds.bottom, height)),
        )
    }

    /// Black lines on `background`, moved to lie within the picture's width.
    fn label(&mut self, corner: Point, background: Rgb888, lines: &[(&str, &MonoFont<'_>)]) {
        let size = label_size(lines);
        let x = corner.x.min(self.size().width as i32 - size.width as i32).max(0);
        let corner = Point::new(x, corner.y.max(0));
        infallible(self.fill_solid(&Rectangle::new(corner, size), background));
        let mut at = corner + Point::new(LINE, LINE / 2);
        for (line, font) in lines {
            let style = MonoTextStyle::new(font, Rgb888::BLACK);
            infallible(Text::with_baseline(line, at, style, Baseline::Top).draw(self));
            at.y += font.character_size.height as i32;
        }
    }
}

impl OriginDimensions for Canvas<'_> {
    /// In units, rounded up: the last ones may lie half outside.
    fn size(&self) -> Size {
        Size::new(self.width.div_ceil(self.scale) as u32, self.height.div_ceil(self.scale) as u32)
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            let from = (x * self.scale).min(self.width);
            let to = ((x + 1) * self.scale).min(self.width);
            for row in (y * self.scale).min(self.height)..((y + 1) * self.scale).min(self.height) {
                let row = &mut self.rgb[(row * self.width + from) * 3..(row * self.width + to) * 3];
                for pixel in row.chunks_exact_mut(3) {
                    pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
                }
            }
        }
        Ok(())
    }
}

/// Green, red, orange, grey: light enough for black text.
fn colour(verdict: Verdict) -> Rgb888 {
    match verdict {
        Verdict::Covered => Rgb888::new(46, 204, 64),
        Verdict::Bare => Rgb888::new(255, 72, 60),
        Verdict::NoseOut => Rgb888::new(255, 160, 28),
        Verdict::Unsure => Rgb888::new(176, 176, 176),
    }
}

fn label_size(lines: &[(&str, &MonoFont<'_>)]) -> Size {
    let text = lines.iter().fold(Size::zero(), |size, (line, font)| {
        let width = line.chars().count() as u32 * font.character_size.width;
        Size::new(size.width.max(width), size.height + font.character_size.height)
    });
    text + Size::new(2 * LINE as u32, LINE as u32)
}

fn infallible<T>(drawn: Result<T, Infallible>) {
    match drawn {
        Ok(_) => {}
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(bounds: Rect, verdict: Verdict) -> Face {
        Face {
            bounds,
            score: 0.97,
            mouth: 0.5,
            nose: 0.25,
            presence: 0.9,
            mouth_bounds: None,
            nose_bounds: None,
            verdict,
        }
    }

    fn drawn(width: usize, height: usize, faces: &[Face]) -> Vec<u8> {
        let mut rgb = vec![0; width * height * 3];
        Canvas::new(&mut rgb, width, height).faces(faces);
        rgb
    }

    fn pixel(rgb: &[u8], width: usize, x: usize, y: usize) -> [u8; 3] {
        rgb[(y * width + x) * 3..][..3].try_into().unwrap()
    }

    #[test]
    fn a_box_has_the_colour_of_its_verdict_and_an_open_middle() {
        for (verdict, is) in [
            (Verdict::Covered, [46, 204, 64]),
            (Verdict::Bare, [255, 72, 60]),
            (Verdict::NoseOut, [255, 160, 28]),
            (Verdict::Unsure, [176, 176, 176]),
        ] {
            let rgb = drawn(320, 240, &[face(Rect::new(100.0, 80.0, 180.0, 200.0), verdict)]);
            for (x, y) in [(100, 150), (180, 150), (140, 200)] {
                assert_eq!(pixel(&rgb, 320, x, y), is, "{verdict:?} at {x}, {y}");
            }
            assert_eq!(pixel(&rgb, 320, 140, 150), [0; 3], "{verdict:?} in the middle");
            assert_eq!(pixel(&rgb, 320, 101, 60), is, "{verdict:?} label above");
        }
    }

    #[test]
    fn a_mouth_and_a_nose_that_are_seen_get_thin_boxes() {
        let whole = face(Rect::new(100.0, 80.0, 180.0, 200.0), Verdict::Bare);
        let mouth = Some(Rect::new(120.0, 150.0, 160.0, 170.0));
        let nose = Some(Rect::new(130.0, 120.0, 150.0, 140.0));
        let is_drawn = |face: Face, y: usize| {
            let rgb = drawn(320, 240, &[face]);
            assert_eq!(
                [y - 1, y + 1].map(|y| pixel(&rgb, 320, 140, y)),
                [[0; 3]; 2],
                "beside the line at {y}"
            );
            pixel(&rgb, 320, 140, y) != [0; 3]
        };
        assert!(is_drawn(Face { mouth_bounds: mouth, ..whole }, 170) && !is_drawn(whole, 170));
        assert!(is_drawn(Face { nose_bounds: nose, ..whole }, 140) && !is_drawn(whole, 140));
    }

    #[test]
    fn large_pictures_get_thicker_lines() {
        let thickness = |width: usize| {
            let edge = width as f32 / 4.0;
            let bounds = Rect::new(edge, edge, edge * 2.0, edge * 2.0);
            let rgb = drawn(width, width, &[face(bounds, Verdict::Bare)]);
            let middle = &rgb[width * (width / 3) * 3..][..width * 3];
            middle.chunks(3).filter(|pixel| pixel[0] > 0).count()
        };
        assert_eq!(thickness(480), 2 * LINE as usize);
        assert_eq!(thickness(1920), 4 * 2 * LINE as usize);
    }

    #[test]
    fn anything_outside_the_picture_is_cut_off() {
        let wild = [
            Rect::new(-50.0, -50.0, 1000.0, 1000.0),
            Rect::new(f32::MIN, f32::MIN, f32::MAX, f32::MAX),
            Rect::new(f32::NAN, 0.0, f32::INFINITY, 5.0),
            Rect::new(300.0, 220.0, 200.0, 100.0),
        ];
        for (width, height) in [(1, 1), (3, 700), (320, 240)] {
            for bounds in wild {
                drawn(width, height, &[face(bounds, Verdict::Unsure)]);
            }
            let mut rgb = vec![0; width * height * 3];
            Canvas::new(&mut rgb, width, height)
                .caption("a line that is longer than the picture is wide, for sure");
        }
    }
}
