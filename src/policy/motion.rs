//! Where a track is and how it moves; whether it moves like somebody.

use std::time::Duration;

use super::Times;
use crate::geometry::Rect;
use crate::vision::Face;

/// Time constant of the place that motion is judged by: boxes jump by a tenth of their size, and back.
const SMOOTH: Duration = Duration::from_millis(250);

/// Time constant of the velocity.
const STEADY: Duration = Duration::from_millis(200);

/// A track that is out of sight moves on for so long; then it is looked for where that was.  As long as it takes to
/// pass behind somebody.
const COAST: Duration = Duration::from_millis(700);

/// Fastest that a track moves, face sizes a second: a brisk walk across the picture (1.4 m/s) by a face 0.17 m in
/// size.
pub(super) const WALK: f32 = 8.0;

/// Who has come so far from where they were first seen, in face sizes (or has come nearer or gone by a factor of e to
/// this power), has moved like somebody.  The box of a thing stays within a fifth.
const MOVED: f32 = 0.5;

/// A look this far, measured alike, from where the track should be is a jump, no walk: of two things beside each other
/// now one is seen and now the other.
const JUMP: f32 = 0.6;

/// What is seen to stay within this distance, measured alike, for [`LONG`] is a thing.
const STILL: f32 = 0.15;

/// Longer than a person keeps that still.
const LONG: Duration = Duration::from_secs(30);

/// A face's place, reduced to what tracking compares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Mean of width and height, pixels.
    pub(super) size: f32,
}

impl Place {
    /// `None` if the face has no place: an empty box, or one whose edges are not finite.
    pub(super) fn of(face: &Face) -> Option<Self> {
        let (width, height) = (face.bounds.width(), face.bounds.height());
        let (x, y) = face.bounds.centre();
        let size = (width + height) / 2.0;
        let usable = width > 0.0 && height > 0.0 && size.is_finite() && x.is_finite() && y.is_finite();
        usable.then_some(Self { x, y, size })
    }

    /// Distance in face sizes.
    pub(super) fn distance(&self, other: &Self) -> f32 {
        (other.x - self.x).hypot(other.y - self.y) / f32::midpoint(self.size, other.size)
    }

    /// Logarithm of the ratio of sizes, without its sign.
    pub(super) fn growth(&self, other: &Self) -> f32 {
        (other.size / self.size).ln().abs()
    }

    /// Whether a face here is cut by the picture's edge, or would be after another half of its size.
    fn is_at_edge(&self, picture: &Rect) -> bool {
        let inner = Rect::new(
            picture.left + self.size,
            picture.top + self.size,
            picture.right - self.size,
            picture.bottom - self.size,
        );
        !((inner.left..inner.right).contains(&self.x) && (inner.top..inner.bottom).contains(&self.y))
    }

    fn approach(&mut self, target: &Self, share: f32) {
        self.x += (target.x - self.x) * share;
        self.y += (target.y - self.y) * share;
        self.size += (target.size - self.size) * share;
    }
}

/// How a track came and moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bearing {
    /// Has been there since the picture was first seen, as a poster has, or has not yet done anything else.
    There,
    /// Has come into a picture that was known, and has not moved since.
    Appeared,
    /// Has moved like somebody.
    Moved,
    /// Has not moved for so long that it is a thing.
    Thing,
}

/// A place over time.
#[derive(Clone, Debug)]
pub(super) struct Motion {
    last: Place,
    smooth: Place,
    /// Pixels a second.
    velocity: (f32, f32),
    /// Where the present stretch of [`LONG`] began, how much of it was seen, and how far it has led.
    anchor: Place,
    watched: Duration,
    strayed: f32,
    bearing: Bearing,
    /// At the last look the picture's edge was near, or would be soon.
    at_edge: bool,
}

impl Motion {
    pub(super) fn new(place: Place, picture: &Rect, bearing: Bearing) -> Self {
        Self {
            last: place,
            smooth: place,
            velocity: (0.0, 0.0),
            anchor: place,
            watched: Duration::ZERO,
            strayed: 0.0,
            bearing,
            at_edge: place.is_at_edge(picture),
        }
    }

    pub(super) fn bearing(&self) -> Bearing {
        self.bearing
    }

    pub(super) fn at_edge(&self) -> bool {
        self.at_edge
    }

    /// Where it last was.
    pub(super) fn last(&self) -> &Place {
        &self.last
    }

    /// Where it should be `time` after it was last seen.
    pub(super) fn expected(&self, time: Duration) -> Place {
        let time = time.min(COAST).as_secs_f32();
        Place {
            x: self.last.x + self.velocity.0 * time,
            y: self.last.y + self.velocity.1 * time,
            ..self.last
        }
    }

    /// It is seen at `place`, `time` after it was last seen.
    pub(super) fn moves(&mut self, time: Duration, place: Place, picture: &Rect) {
        let seconds = time.as_secs_f32();
        let expected = self.expected(time);
        if expected.distance(&place) + expected.growth(&place) > JUMP {
            (self.anchor, self.smooth, self.strayed) = (place, place, 0.0);
        }
        if seconds > 0.0 {
            let share = seconds / (seconds + STEADY.as_secs_f32());
            let fastest = WALK * place.size;
            let mean = |from: f32, to: f32| ((to - from) / seconds).clamp(-fastest, fastest);
            self.velocity.0 += (mean(self.last.x, place.x) - self.velocity.0) * share;
            self.velocity.1 += (mean(self.last.y, place.y) - self.velocity.1) * share;
        }
        self.last = place;
        self.at_edge = place.is_at_edge(picture) || self.expected(COAST).is_at_edge(picture);
        self.smooth.approach(&place, 1.0 - (-seconds / SMOOTH.as_secs_f32()).exp());

        self.strayed =
            self.strayed.max(self.anchor.distance(&self.smooth) + self.anchor.growth(&self.smooth));
        if self.strayed >= MOVED {
            self.bearing = Bearing::Moved;
        }
        self.watched += time.min(Times::SHORT_MISS);
        if self.watched >= LONG {
            if self.strayed <= STILL {
                self.bearing = Bearing::Thing;
            }
            (self.anchor, self.watched, self.strayed) = (self.smooth, Duration::ZERO, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Rect = Rect::new(0.0, 0.0, 640.0, 480.0);
    const TENTH: Duration = Duration::from_millis(100);

    fn place(x: f32, y: f32, size: f32) -> Place {
        Place { x, y, size }
    }

    fn appeared(at: Place) -> Motion {
        Motion::new(at, &PICTURE, Bearing::Appeared)
    }

    #[test]
    fn the_edge_is_half_a_face_from_being_cut() {
        for (x, y, at_edge) in [
            (41.0, 240.0, false),
            (39.0, 240.0, true),
            (599.0, 240.0, false),
            (601.0, 240.0, true),
            (320.0, 41.0, false),
            (320.0, 39.0, true),
            (320.0, 439.0, false),
            (320.0, 441.0, true),
            (-100.0, 240.0, true),
        ] {
            assert_eq!(appeared(place(x, y, 40.0)).at_edge(), at_edge, "{x} {y}");
            let mut motion = appeared(place(320.0, 240.0, 40.0));
            for _ in 0..50 {
                motion.moves(TENTH, place(x, y, 40.0), &PICTURE);
            }
            assert_eq!(motion.at_edge(), at_edge, "{x} {y}, standing there");
        }
        // On the way out, and just walking by.
        for (step, at_edge) in [(10.0, true), (1.0, false)] {
            let mut motion = appeared(place(300.0, 240.0, 40.0));
            for count in 1..=20 {
                motion.moves(TENTH, place(300.0 - step * count as f32, 240.0, 40.0), &PICTURE);
            }
            assert_eq!(motion.at_edge(), at_edge, "{step}");
        }
    }

    #[test]
    fn who_walks_is_expected_further_on_and_not_for_ever() {
        let mut motion = appeared(place(100.0, 100.0, 50.0));
        for step in 1..=20 {
            let step = step as f32;
            motion.moves(TENTH, place(100.0 + 10.0 * step, 100.0 + 5.0 * step, 50.0), &PICTURE);
        }
        let Place { x, y, size } = motion.expected(TENTH * 2);
        assert!((x - 320.0).abs() < 1.0 && (y - 210.0).abs() < 1.0 && (size - 50.0).abs() < 1e-3, "{x} {y}");
        let (later, much_later) = (motion.expected(COAST), motion.expected(COAST * 100));
        assert_eq!((later.x, later.y), (much_later.x, much_later.y));
    }

    #[test]
    fn no_jump_makes_anybody_faster_than_a_walker() {
        let mut motion = appeared(place(100.0, 100.0, 50.0));
        motion.moves(Duration::from_millis(1), place(600.0, 400.0, 50.0), &PICTURE);
        let expected = motion.expected(COAST);
        let most = WALK * 50.0 * COAST.as_secs_f32();
        assert!(expected.x - 600.0 <= most && expected.y - 400.0 <= most, "{expected:?}");
        // Two looks at one time have no velocity.
        motion.moves(Duration::ZERO, place(100.0, 100.0, 50.0), &PICTURE);
        assert!(motion.expected(COAST).x.is_finite());
    }

    #[test]
    fn half_a_face_of_way_or_growth_is_motion_and_a_jump_there_and_back_is_not() {
        let bearing = |x: f32, y: f32, size: f32| {
            let mut motion = appeared(place(300.0, 200.0, 50.0));
            for _ in 0..20 {
                motion.moves(TENTH, place(300.0 + x, 200.0 + y, size), &PICTURE);
            }
            motion.bearing()
        };
        assert_eq!(bearing(24.0, 0.0, 50.0), Bearing::Appeared);
        assert_eq!(bearing(26.0, 0.0, 50.0), Bearing::Moved);
        assert_eq!(bearing(0.0, -26.0, 50.0), Bearing::Moved);
        assert_eq!(bearing(0.0, 0.0, 50.0 * 1.6), Bearing::Appeared);
        assert_eq!(bearing(0.0, 0.0, 50.0 * 1.7), Bearing::Moved);
        assert_eq!(bearing(0.0, 0.0, 50.0 / 1.7), Bearing::Moved);
        assert_eq!(bearing(15.0, 0.0, 50.0 * 1.4), Bearing::Moved);

        let mut motion = appeared(place(300.0, 200.0, 50.0));
        for step in 0..200 {
            let jump = if step % 10 == 0 { 40.0 } else { 0.0 };
            motion.moves(TENTH, place(300.0 + jump, 200.0, 50.0), &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Appeared);
    }

    #[test]
    fn a_jump_is_no_walk() {
        let mut motion = appeared(place(300.0, 200.0, 50.0));
        for step in 0..60 {
            let x = if step % 4 < 2 { 300.0 } else { 380.0 };
            motion.moves(TENTH * 3, place(x, 200.0, 50.0), &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Appeared);
        // However fast somebody walks, it is a jump only once.
        let mut motion = appeared(place(20.0, 200.0, 50.0));
        for step in 1..4 {
            motion.moves(TENTH * 3, place(20.0 + 100.0 * step as f32, 200.0, 50.0), &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Moved);
    }

    #[test]
    fn what_is_seen_to_keep_still_for_long_is_a_thing_until_it_moves() {
        let mut motion = appeared(place(300.0, 200.0, 50.0));
        let still = place(303.0, 200.0, 51.0);
        // Half a minute of looks, not of time: out of sight it may have been anywhere.
        motion.moves(LONG * 10, still, &PICTURE);
        for _ in 0..280 {
            motion.moves(TENTH, still, &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Appeared);
        for _ in 0..20 {
            motion.moves(TENTH, still, &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Thing);
        for step in 0..20 {
            motion.moves(TENTH, place(303.0 + 2.0 * step as f32, 200.0, 51.0), &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Moved);

        // Who shifts a little is none, and each half minute is judged anew.
        let mut motion = appeared(place(300.0, 200.0, 50.0));
        for step in 0..600 {
            let x = if step < 20 { 300.0 } else { 311.0 };
            motion.moves(TENTH, place(x, 200.0, 50.0), &PICTURE);
            let expected = if step < 599 { Bearing::Appeared } else { Bearing::Thing };
            assert_eq!(motion.bearing(), expected, "{step}");
        }
    }

    #[test]
    fn boxes_without_extent_have_no_place() {
        let face = |width: f32, height: f32| Face {
            bounds: Rect::centred(100.0, 100.0, width, height),
            score: 0.9,
            mouth: 0.0,
            nose: 0.0,
            presence: 0.9,
            mouth_bounds: None,
            nose_bounds: None,
            verdict: crate::vision::Verdict::Covered,
        };
        assert!(Place::of(&face(0.0, 10.0)).is_none());
        assert!(Place::of(&face(10.0, 0.0)).is_none());
        assert!(Place::of(&face(-10.0, 30.0)).is_none());
        let place = Place::of(&face(20.0, 30.0)).unwrap();
        assert_eq!((place.x, place.y, place.size), (100.0, 100.0, 25.0));
    }
}
