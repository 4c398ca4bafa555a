//! Boxes and labels on a picture, for the window and for annotated copies.

use super::text::{self, Weight};
use crate::geometry::Rect;
use crate::vision::{Face, Thresholds, Verdict};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Text on a coloured ground.
pub const INK: Colour = [0, 0, 0];

/// Width of the line around a mouth or a nose that is seen, in units of the canvas.
const THIN_LINE: f32 = 1.0;
/// Width of a box's line and the margin of a label, in units of the canvas.
const LINE: f32 = 2.0;
/// Heights of a label's lines, in units of the canvas: the verdict, then the scores.
const TYPE: [f32; 2] = [15.0, 12.0];
/// A picture whose shorter side has this many pixels is drawn on in units of one pixel, twice as many in units of two, and
/// so on, so that labels stay readable when a large photo is shown on a screen.
const SIDE_OF_UNIT_1: f32 = 480.0;
/// Pictures narrower than this (in units) get boxes alone: a label would hide the face.
const LEAST_LABELLED_WIDTH: f32 = 160.0;
/// Largest share of a face's box that its own label may lie on where there is no room beside it.
const MOST_HIDDEN: f32 = 0.25;

/// A picture of packed `R G B` bytes that can be drawn on.
#[derive(Debug)]
pub struct Canvas<'a> {
    rgb: &'a mut [u8],
    width: usize,
    height: usize,
}

/// Where on a canvas a picture lies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Of the picture, in pixels of the canvas; nothing is drawn beyond.
    pub bounds: Rect,
    /// Pixels of the canvas for one of the picture.
    pub zoom: f32,
}

impl Place {
    /// On a canvas of its own size.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { bounds: Rect::new(0.0, 0.0, width as f32, height as f32), zoom: 1.0 }
    }

    /// Pixels of the canvas in a unit, in which lines and letters are measured.
    fn unit(&self) -> f32 {
        (self.bounds.width().min(self.bounds.height()) / SIDE_OF_UNIT_1).max(1.0)
    }

    /// The picture as a box in its own pixels.
    fn picture(&self) -> Rect {
        Rect::new(0.0, 0.0, self.bounds.width() / self.zoom, self.bounds.height() / self.zoom)
    }

    /// A box of the picture's pixels in those of the canvas.
    fn on_canvas(&self, of_picture: &Rect) -> Rect {
        let Rect { left, top, .. } = self.bounds;
        let Rect { left: l, top: t, right: r, bottom: b } = *of_picture;
        let zoom = self.zoom;
        Rect::new(left + l * zoom, top + t * zoom, left + r * zoom, top + b * zoom)
    }
}

/// Lines of text, each with its weight and height in pixels.
type Lines<'a> = [(&'a str, Weight, f32)];

impl<'a> Canvas<'a> {
    /// A canvas over `rgb`, which holds `width` × `height` pixels of three bytes.
    ///
    /// # Panics
    ///
    /// If `rgb` has another length.
    pub fn new(rgb: &'a mut [u8], width: usize, height: usize) -> Self {
        assert_eq!(rgb.len(), width * height * 3, "{width}×{height} pixels of three bytes");
        Self { rgb, width, height }
    }

    /// Draws a box for each face, thin boxes around the mouth and the nose if they are seen, and labels with the verdict,
    /// why there is none (as `thresholds` have it), and the scores.
    ///
    /// A label lies where it hides no other face and no other label; a face in a crowd that leaves no such place gets a
    /// shorter one, or none: its box has the verdict's colour.
    pub fn faces(&mut self, faces: &[Face], place: &Place, thresholds: &Thresholds) {
        let unit = place.unit();
        for face in faces.iter().rev() {
            let colour = colour(face.verdict);
            for part in [face.mouth_bounds, face.nose_bounds].iter().flatten() {
                self.frame(&place.on_canvas(part), THIN_LINE * unit, colour, &place.bounds);
            }
            self.frame(&place.on_canvas(&face.bounds), LINE * unit, colour, &place.bounds);
        }
        if place.bounds.width() < LEAST_LABELLED_WIDTH * unit {
            return;
        }
        let boxes: Vec<_> = faces.iter().map(|face| place.on_canvas(&face.bounds)).collect();
        let mut labels: Vec<Rect> = Vec::new();
        for (at, face) in faces.iter().enumerate() {
            let verdict = match thresholds.doubt(face, &place.picture()) {
                Some(doubt) => format!("{}: {doubt}", face.verdict),
                None => face.verdict.to_string(),
            };
            let scores = format!("mouth {:.2}  nose {:.2}  face {:.2}", face.mouth, face.nose, face.score);
            let lines = [
                (verdict.as_str(), Weight::Bold, TYPE[0] * unit),
                (scores.as_str(), Weight::Regular, TYPE[1] * unit),
            ];
            let hides = |label: &Rect| {
                let others =
                    boxes.iter().enumerate().filter(|&(other, _)| other != at).map(|(_, bounds)| bounds);
                others.chain(&labels).any(|other| other.intersection(label).area() > 0.0)
            };
            let spot = [&lines[..], &lines[..1]].into_iter().find_map(|lines| {
                let size = label_size(lines, LINE * unit);
                let spots = spots(&boxes[at], size, LINE * unit, &place.bounds);
                spots.into_iter().find(|spot| !hides(spot)).map(|spot| (spot, lines))
            });
            if let Some((spot, lines)) = spot {
                self.label(&spot, colour(face.verdict), lines, LINE * unit);
                labels.push(spot);
            }
        }
    }

    fn label(&mut self, spot: &Rect, ground: Colour, lines: &Lines<'_>, margin: f32) {
        self.fill(spot, ground);
        let mut top = spot.top;
        for &(line, weight, height) in lines {
            self.write(line, weight, height, (spot.left + margin, top), INK, spot);
            top += height;
        }
    }

    /// Paints a box.
    pub fn fill(&mut self, bounds: &Rect, colour: Colour) {
        // Float to integer casts saturate.
        let end = |edge: f32, most: usize| (edge.round() as usize).min(most);
        let (left, right) = (end(bounds.left, self.width), end(bounds.right, self.width));
        for row in end(bounds.top, self.height)..end(bounds.bottom, self.height) {
            let row = row * self.width * 3;
            if left < right {
                let pixels = &mut self.rgb[row + left * 3..row + right * 3];
                pixels.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
            }
        }
    }

    /// Draws the outline of a box, half the line's width inside and half outside, as far as it lies `within`.
    fn frame(&mut self, bounds: &Rect, line: f32, colour: Colour, within: &Rect) {
        let (out, into) = ((line / 2.0).floor(), line - (line / 2.0).floor());
        let Rect { left, top, right, bottom } = *bounds;
        let (left, top, right, bottom) = (left.round(), top.round(), right.round(), bottom.round());
        for side in [
            Rect::new(left - out, top - out, right + into, top + into),
            Rect::new(left - out, bottom - out, right + into, bottom + into),
            Rect::new(left - out, top - out, left + into, bottom + into),
            Rect::new(right - out, top - out, right + into, bottom + into),
        ] {
            self.fill(&side.intersection(within), colour);
        }
    }

    /// Writes a line of `height` pixels from its upper left corner on, as far as it lies `within`.
    pub fn write(
        &mut self,
        line: &str,
        weight: Weight,
        height: f32,
        corner: (f32, f32),
        colour: Colour,
        within: &Rect,
    ) {
        let inside = Place::whole(self.width, self.height).bounds.intersection(within);
        text::draw(line, weight, height, corner, |x, y, share| {
            let (middle_x, middle_y) = (x as f32 + 0.5, y as f32 + 0.5);
            let is_inside = (inside.left..inside.right).contains(&middle_x)
                && (inside.top..inside.bottom).contains(&middle_y);
            if is_inside {
                let pixel = &mut self.rgb[(y as usize * self.width + x as usize) * 3..][..3];
                for (ground, ink) in pixel.iter_mut().zip(colour) {
                    let (from, to) = (f32::from(*ground), f32::from(ink));
                    *ground = (from + (to - from) * share.min(1.0)).round() as u8;
                }
            }
        });
    }
}

/// Green, red, orange, grey: light enough for black text.
pub const fn colour(verdict: Verdict) -> Colour {
    match verdict {
        Verdict::Covered => [46, 204, 64],
        Verdict::Bare => [255, 72, 60],
        Verdict::NoseOut => [255, 160, 28],
        Verdict::Unsure => [176, 176, 176],
    }
}

fn label_size(lines: &Lines<'_>, margin: f32) -> (f32, f32) {
    let width = lines.iter().map(|&(line, weight, height)| text::width(line, weight, height));
    let height: f32 = lines.iter().map(|&(_, _, height)| height).sum();
    (width.fold(0.0, f32::max).ceil() + 2.0 * margin, height.ceil() + margin)
}

/// Where a label of a face may lie within the picture, the best place first: above, below, beside it, and for a face that
/// leaves no such room on its own upper or lower edge.
fn spots(face: &Rect, (width, height): (f32, f32), line: f32, within: &Rect) -> Vec<Rect> {
    let at = |left: f32, top: f32| Rect::new(left, top, left + width, top + height);
    let most = within.right - width;
    // A face at the right edge has its label moved to the left.
    let moved = |left: f32| left.min(most).max(within.left).round();
    let (left, right) = (moved(face.left - line / 2.0), moved(face.right + line / 2.0 - width));
    let (above, below) = (face.top - line / 2.0 - height, face.bottom + line / 2.0);
    let (before, behind) = (face.left - line / 2.0 - width, face.right + line / 2.0);
    let top = face.top.max(within.top);
    let bottom = face.bottom.min(within.bottom) - height;
    let mut spots = vec![
        at(left, above),
        at(right, above),
        at(left, below),
        at(right, below),
        at(behind, top),
        at(before, top),
    ];
    if width * height <= MOST_HIDDEN * face.intersection(within).area() {
        spots.extend([at(left, top), at(left, bottom)]);
    }
    spots.retain(|spot| spot.intersection(within) == *spot);
    spots
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
        let place = Place::whole(width, height);
        Canvas::new(&mut rgb, width, height).faces(faces, &place, &Thresholds::default());
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
            assert_eq!(pixel(&rgb, 320, 101, 55), is, "{verdict:?} label above");
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
    fn no_label_hides_a_neighbour() {
        // People in a row, nearer and nearer.
        for (gap, expected) in [(400.0, 3), (170.0, 3), (100.0, 3), (64.0, 2)] {
            let bounds = |at: usize| Rect::new(60.0 + gap * at as f32, 200.0, 116.0 + gap * at as f32, 280.0);
            let verdicts = [Verdict::Bare, Verdict::Covered, Verdict::NoseOut];
            let all: Vec<_> = (0..3).map(|at| face(bounds(at), verdicts[at])).collect();
            let rgb = drawn(1000, 480, &all);
            for at in 0..3 {
                // What lies inside of each box is as it was.
                for y in 202..279 {
                    for x in 0..52 {
                        let x = bounds(at).left as usize + 2 + x;
                        assert_eq!(pixel(&rgb, 1000, x, y), [0; 3], "{gap}: {x}, {y}");
                    }
                }
            }
            let labelled = (0..3)
                .filter(|&at| {
                    let wanted = colour(verdicts[at]);
                    let outside = |y: usize| !(195..285).contains(&y);
                    (0..480)
                        .filter(|&y| outside(y))
                        .any(|y| (0..1000).any(|x| pixel(&rgb, 1000, x, y) == wanted))
                })
                .count();
            assert!(labelled >= expected, "{gap}: {labelled}");
        }
        // No room at all: faces on every side.
        let tile = |at: usize| {
            let (x, y) = ((at % 5) as f32 * 60.0, (at / 5) as f32 * 60.0);
            face(Rect::new(x, y, x + 60.0, y + 60.0), Verdict::Bare)
        };
        let rgb = drawn(300, 300, &(0..25).map(tile).collect::<Vec<_>>());
        for at in 0..25 {
            let Rect { left, top, .. } = tile(at).bounds;
            assert_eq!(pixel(&rgb, 300, left as usize + 30, top as usize + 20), [0; 3], "{at}");
        }
    }

    #[test]
    fn a_face_that_fills_the_picture_has_its_label_on_its_edge() {
        let whole = Rect::new(0.0, 0.0, 640.0, 480.0);
        let rgb = drawn(640, 480, &[face(whole, Verdict::Covered)]);
        let ground = rgb.chunks(3).filter(|pixel| *pixel == colour(Verdict::Covered)).count();
        assert!(ground > 2 * 2 * (640 + 480), "{ground} pixels of box and label");
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
        }
    }
}
