//! Which face of this frame is which of the last, and who is still there though no face is seen.
//!
//! Of all pairs of a track and a face the likeliest is joined, then the likeliest of the rest, and so on; then tracks
//! trade faces where that makes the whole likelier.  Overlap would not do: at 3 frames a second a face that walks by
//! moves by three times its own width.  What counts is the distance in face sizes from where the track should be by
//! now, gated by how far a walker gets in the time between, the size, and what the person was seen to wear.

use std::time::Duration;

use heapless::Vec;

use super::Times;
use super::motion::{Bearing, Motion, Place, WALK};
use super::visit::Visit;
use crate::geometry::Rect;
use crate::vision::{Face, MAX_FACES};

/// Most tracks kept: as many in view as faces in a frame, and as many more that were lost and may come back.
const MAX_TRACKS: usize = 2 * MAX_FACES;

/// Distance in face sizes that a face may always be off: a nod, and the detector's own play.
const PLAY: f32 = 0.6;

/// Longest distance in face sizes at which two looks can be the same person: beyond arm's length or so it rather is the
/// next in the queue.
const MAX_REACH: f32 = 4.0;

/// The same for somebody who was lost for longer than [`Times::SHORT_MISS`]: they have looked down, not walked.
const REACH_AGAIN: f32 = 2.0;

/// Most that a face's size may change between two looks, as a factor.  Walking from 1.5 m to 1 m makes it 1.5.
const MAX_GROWTH: f32 = 2.0;

/// Distance and growth (as a factor) within which a face is a thing's, or that of something that was lost before it
/// moved: it does not walk.
const THING: (f32, f32) = (0.4, 1.4);

/// Weight of a change in size by a factor of e against one face size of distance.
const GROWTH_COST: f32 = 2.0;

/// Weight of a second out of sight against one face size of distance: those in view come first.
const ABSENCE_COST: f32 = 1.0;

/// Weight of a verdict that is the contrary of what was believed against one face size of distance: where two cross,
/// the one in the mask is who wore it before.
const SURPRISE_COST: f32 = 1.0;

/// Cost of a pair that cannot be: more than that of all that can.
const NEVER: f32 = f32::INFINITY;

/// Who was last seen in the middle of the picture is still there for so long at least, unseen: turned away, bent
/// down, hidden.  Six times as long as looking down at a desk takes.
const STAY: Duration = Duration::from_secs(30);

/// What never moved like somebody is remembered for so long where it was: over nights and long weekends, so that the
/// light in the morning makes no visitor of a poster, nor a flicker of what is no face.
const REMEMBER: Duration = Duration::from_secs(7 * 24 * 3600);

/// For so long after the first frame nothing is known to have come: it may have been there before.  What hangs in a room
/// is seen in one of its first few looks.
const GETTING_TO_KNOW: Duration = Duration::from_millis(200);

/// Names a track.  Numbers start at 1 and come back only after 2³² tracks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TrackId(pub u32);

#[derive(Debug)]
struct Track {
    id: TrackId,
    motion: Motion,
    /// Last seen.
    seen: Duration,
    /// Seen in this frame: which of its faces.
    face: Option<usize>,
    visit: Visit,
}

impl Track {
    /// How unlikely it is that `face`, at `place`, is this track's: [`NEVER`] if it cannot be.
    fn cost(&self, now: Duration, face: &Face, place: &Place) -> f32 {
        let absence = now - self.seen;
        let absent = absence.as_secs_f32();
        let expected = self.motion.expected(absence);
        let (distance, growth) = (expected.distance(place), expected.growth(place));
        // Who was about to turn has not gone on.
        let nearest = distance.min(self.motion.last().distance(place));
        let lost = absence > Times::SHORT_MISS;
        let (reach, most_growth) = if self.is_thing() || (lost && !self.has_moved()) {
            THING
        } else if lost {
            (REACH_AGAIN, MAX_GROWTH)
        } else {
            ((PLAY + WALK * absent).min(MAX_REACH), MAX_GROWTH)
        };
        if nearest > reach || growth > most_growth.ln() {
            return NEVER;
        }
        let surprise = SURPRISE_COST * self.visit.surprise(face.verdict);
        distance + GROWTH_COST * growth + ABSENCE_COST * absent + surprise
    }

    /// Somebody who was told may keep as still as a thing: they need no more silence, but to be known when they move.
    fn is_thing(&self) -> bool {
        self.motion.bearing() == Bearing::Thing && !self.visit.is_told()
    }

    fn has_moved(&self) -> bool {
        self.motion.bearing() == Bearing::Moved
    }

    /// How long it is kept unseen.
    fn keep(&self, times: &Times) -> Duration {
        let rearm = times.rearm();
        if !self.has_moved() {
            REMEMBER.max(rearm)
        } else if self.motion.at_edge() {
            rearm
        } else {
            STAY.max(rearm)
        }
    }
}

/// Everybody who is in view or still there.
#[derive(Debug)]
pub(super) struct Tracks {
    list: Vec<Track, MAX_TRACKS>,
    ids: Vec<Option<TrackId>, MAX_FACES>,
    last_id: u32,
    /// The first frame.
    start: Option<Duration>,
}

impl Tracks {
    pub(super) const fn new() -> Self {
        Self { list: Vec::new(), ids: Vec::new(), last_id: 0, start: None }
    }

    /// Drops those who have gone.
    pub(super) fn forget(&mut self, now: Duration, times: &Times) {
        self.list.retain(|track| now - track.seen <= track.keep(times));
    }

    /// Joins each of at most [`MAX_FACES`] faces in `picture` to a track, new or known, and counts the look.
    pub(super) fn follow(&mut self, now: Duration, picture: &Rect, faces: &[Face], times: &Times) {
        let start = *self.start.get_or_insert(now);
        let places: Vec<Option<Place>, MAX_FACES> = faces.iter().map(Place::of).collect();
        self.join(now, faces, &places);
        self.ids.clear();
        self.ids.extend(faces.iter().map(|_| None));
        for track in &mut self.list {
            let Some(index) = track.face else { continue };
            if let Some(place) = places[index] {
                let absent = now - track.seen;
                track.motion.moves(absent, place, picture);
                track.visit.look(absent, &faces[index], times);
            }
            track.seen = now;
            self.ids[index] = Some(track.id);
        }
        let bearing = if now - start < GETTING_TO_KNOW { Bearing::There } else { Bearing::Appeared };
        for (index, place) in places.iter().enumerate() {
            if let (None, &Some(place)) = (self.ids[index], place) {
                let mut visit = Visit::default();
                visit.look(Duration::ZERO, &faces[index], times);
                self.welcome(now, Motion::new(place, picture, bearing), visit, index);
            }
        }
    }

    /// Those in view, the longest known first: which face, how they came, and their visit.
    pub(super) fn in_view(&mut self) -> impl Iterator<Item = (usize, Bearing, &mut Visit)> {
        self.list.iter_mut().filter_map(|track| Some((track.face?, track.motion.bearing(), &mut track.visit)))
    }

    /// The track of each face last followed.
    pub(super) fn ids(&self) -> &[Option<TrackId>] {
        &self.ids
    }

    /// Gives each track its face, if it has one.
    fn join(&mut self, now: Duration, faces: &[Face], places: &[Option<Place>]) {
        let mut costs = [[NEVER; MAX_FACES]; MAX_TRACKS];
        for (track, row) in self.list.iter_mut().zip(&mut costs) {
            track.face = None;
            for ((face, place), cost) in faces.iter().zip(places).zip(row) {
                if let Some(place) = place {
                    *cost = track.cost(now, face, place);
                }
            }
        }
        let mut taken = [false; MAX_FACES];
        while let Some((track, face)) = self.likeliest(&costs, &taken[..faces.len()]) {
            self.list[track].face = Some(face);
            taken[face] = true;
        }
        self.trade(&costs);
    }

    /// The likeliest pair of a track and a face among those not yet joined, as indices.
    fn likeliest(&self, costs: &[[f32; MAX_FACES]], taken: &[bool]) -> Option<(usize, usize)> {
        let tracks = self.list.iter().zip(costs).enumerate().filter(|(_, (track, _))| track.face.is_none());
        let pairs = tracks.flat_map(|(track, (_, row))| {
            let free =
                row.iter().zip(taken).enumerate().filter(|&(_, (&cost, &taken))| cost < NEVER && !taken);
            free.map(move |(face, (&cost, _))| (cost, (track, face)))
        });
        pairs.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, pair)| pair)
    }

    /// Lets two tracks trade faces wherever both together get likelier: who was joined first may have taken what only
    /// another can have.
    fn trade(&mut self, costs: &[[f32; MAX_FACES]]) {
        for one in 0..self.list.len() {
            for other in one + 1..self.list.len() {
                let (Some(mine), Some(theirs)) = (self.list[one].face, self.list[other].face) else {
                    continue;
                };
                if costs[one][theirs] + costs[other][mine] < costs[one][mine] + costs[other][theirs] {
                    self.list[one].face = Some(theirs);
                    self.list[other].face = Some(mine);
                }
            }
        }
    }

    /// Starts a track.  When there is no room, whoever has been out of sight for longest makes some.
    fn welcome(&mut self, now: Duration, motion: Motion, visit: Visit, index: usize) {
        self.last_id = self.last_id.wrapping_add(1).max(1);
        let id = TrackId(self.last_id);
        if self.list.is_full() {
            let gone = self.list.iter().enumerate().filter(|(_, track)| track.face.is_none());
            if let Some((oldest, _)) = gone.min_by_key(|(_, track)| track.seen) {
                // Not `swap_remove`: the list stays in order of arrival.
                self.list.remove(oldest);
            }
        }
        // There is room: at most half of the tracks are in view.
        if self.list.push(Track { id, motion, seen: now, face: Some(index), visit }).is_ok() {
            self.ids[index] = Some(id);
        }
    }
}
