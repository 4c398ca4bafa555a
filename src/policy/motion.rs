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
    /// Where the last look was, the picture's edge was near.
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
        if seconds > 0.0 {
            let share = seconds / (seconds + STEADY.as_secs_f32());
            let fastest = WALK * place.size;
            let mean = |from: f32, to: f32| ((to - from) / seconds).clamp(-fastest, fastest);
            self.velocity.0 += (mean(self.last.x, place.x) - self.velocity.0) * share;
            self.velocity.1 += (mean(self.last.y, place.y) - self.velocity.1) * share;
        }
        self.last = place;
        self.at_edge = place.is_at_edge(picture);
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
