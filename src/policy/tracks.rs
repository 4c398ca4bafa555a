//! Which face of this frame is which of the last.
//!
//! Nearest first: of all pairs of a track and a face, the likeliest is joined, then the likeliest of the rest, and so
//! on.  Overlap would not do: at 3 frames a second a face that walks by moves by three times its own width.  So what
//! counts is the distance in face sizes, gated by how far a walker gets in the time between.

use std::time::Duration;

use heapless::Vec;

use super::visit::Visit;
use crate::vision::{Face, MAX_FACES};

/// Most tracks kept: as many in view as faces in a frame, and as many more that were lost and may come back.
const MAX_TRACKS: usize = 2 * MAX_FACES;

/// Speed of a face in face sizes a second: a brisk walk across the picture (1.4 m/s) by a face 0.17 m in size.
const WALK: f32 = 8.0;

/// Distance in face sizes that a face may always be off: a nod, and the detector's own play.
const PLAY: f32 = 0.6;

/// Longest distance in face sizes at which two looks can be the same person, however long the time between: beyond
/// arm's length or so it rather is the next in the queue.
const MAX_REACH: f32 = 4.0;

/// Most that a face's size may change between two looks, as a factor.  Walking from 1.5 m to 1 m makes it 1.5.
const MAX_GROWTH: f32 = 2.0;

/// Weight of a change in size by a factor of e against one face size of distance.
const GROWTH_COST: f32 = 2.0;

/// Weight of a second out of sight against one face size of distance: those in view come first.
const ABSENCE_COST: f32 = 1.0;

/// Names a track.  Numbers start at 1 and come back only after 2³² tracks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TrackId(pub u32);

/// A face's place, reduced to what tracking compares.
#[derive(Clone, Copy, Debug)]
struct Place {
    x: f32,
    y: f32,
    /// Mean of width and height, pixels.
    size: f32,
}

impl Place {
    /// `None` if the face has no place: an empty box, or one whose edges are not finite.
    fn of(face: &Face) -> Option<Self> {
        let (width, height) = (face.bounds.width(), face.bounds.height());
        let (x, y) = face.bounds.centre();
        let size = (width + height) / 2.0;
        let usable = width > 0.0 && height > 0.0 && size.is_finite() && x.is_finite() && y.is_finite();
        usable.then_some(Self { x, y, size })
    }
}

#[derive(Debug)]
struct Track {
    id: TrackId,
    place: Place,
    /// Last seen.
    seen: Duration,
    /// Seen in this frame: which of its faces.
    face: Option<usize>,
    visit: Visit,
}

impl Track {
    /// How unlikely it is that the face at `place` is this track's: `None` if it cannot be, else the less the likelier.
    fn cost(&self, now: Duration, place: &Place) -> Option<f32> {
        let absent = (now - self.seen).as_secs_f32();
        let unit = f32::midpoint(self.place.size, place.size);
        let distance = (place.x - self.place.x).hypot(place.y - self.place.y) / unit;
        let growth = (place.size / self.place.size).ln().abs();
        let near = distance <= (PLAY + WALK * absent).min(MAX_REACH);
        (near && growth <= MAX_GROWTH.ln()).then_some(distance + GROWTH_COST * growth + ABSENCE_COST * absent)
    }
}

/// Everybody who is in view or has just been.
#[derive(Debug)]
pub(super) struct Tracks {
    list: Vec<Track, MAX_TRACKS>,
    ids: Vec<Option<TrackId>, MAX_FACES>,
    last_id: u32,
}

impl Tracks {
    pub(super) const fn new() -> Self {
        Self { list: Vec::new(), ids: Vec::new(), last_id: 0 }
    }

    /// Drops those who have not been seen for longer than `keep`.
    pub(super) fn forget(&mut self, now: Duration, keep: Duration) {
        self.list.retain(|track| now - track.seen <= keep);
    }

    /// Joins each of at most [`MAX_FACES`] faces to a track, new or known, and counts the look.
    pub(super) fn follow(&mut self, now: Duration, faces: &[Face]) {
        let places: Vec<Option<Place>, MAX_FACES> = faces.iter().map(Place::of).collect();
        self.ids.clear();
        self.ids.extend(faces.iter().map(|_| None));
        for track in &mut self.list {
            track.face = None;
        }
        while let Some((track, face)) = self.likeliest(now, &places) {
            let track = &mut self.list[track];
            if let Some(place) = places[face] {
                track.place = place;
            }
            track.seen = now;
            track.face = Some(face);
            track.visit.look(now, faces[face].verdict);
            self.ids[face] = Some(track.id);
        }
        for (face, place) in places.iter().enumerate() {
            if let (None, &Some(place)) = (self.ids[face], place) {
                self.welcome(now, place, &faces[face], face);
            }
        }
    }

    /// The visits of those in view, the longest known first, and which face is whose.
    pub(super) fn in_view(&mut self) -> impl Iterator<Item = (usize, &mut Visit)> {
        self.list.iter_mut().filter_map(|track| Some((track.face?, &mut track.visit)))
    }

    /// The track of each face last followed.
    pub(super) fn ids(&self) -> &[Option<TrackId>] {
        &self.ids
    }

    /// The likeliest pair of a track and a face among those not yet joined, as indices.
    fn likeliest(&self, now: Duration, places: &[Option<Place>]) -> Option<(usize, usize)> {
        let tracks = self.list.iter().enumerate().filter(|(_, track)| track.face.is_none());
        tracks
            .flat_map(|(index, track)| {
                let free = places.iter().enumerate().filter(|&(face, _)| self.ids[face].is_none());
                free.filter_map(move |(face, place)| Some((track.cost(now, place.as_ref()?)?, (index, face))))
            })
            .min_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, pair)| pair)
    }

    /// Starts a track.  When there is no room, whoever has been out of sight for longest makes some.
    fn welcome(&mut self, now: Duration, place: Place, face: &Face, index: usize) {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let id = TrackId(self.last_id);
        let mut visit = Visit::default();
        visit.look(now, face.verdict);
        if self.list.is_full() {
            let gone = self.list.iter().enumerate().filter(|(_, track)| track.face.is_none());
            if let Some((oldest, _)) = gone.min_by_key(|(_, track)| track.seen) {
                // Not `swap_remove`: the list stays in order of arrival.
                self.list.remove(oldest);
            }
        }
        // There is room: at most half of the tracks are in view.
        if self.list.push(Track { id, place, seen: now, face: Some(index), visit }).is_ok() {
            self.ids[index] = Some(id);
        }
    }
}
