//! What the window shows: the picture with its faces between two bars, and a reminder across it.

use std::time::Duration;

use super::draw::{Canvas, Colour, INK, Place, colour};
use super::scale::scaled;
use super::seen::VERDICTS;
use super::text::{self, Weight};
use crate::camera::Fault;
use crate::geometry::Rect;
use crate::policy::Reminder;
use crate::signal::{Melodies, terminal};
use crate::vision::{Face, Faces, Thresholds, Verdict};

const GROUND: Colour = [32, 34, 38];
const TEXT: Colour = [238, 238, 238];
const QUIET: Colour = [160, 164, 170];

/// Lines of type that the window's shorter side has room for.
const LINES: f32 = 30.0;
/// Least and most height of a line of type, in pixels.
const LINE_HEIGHT: std::ops::RangeInclusive<f32> = 14.0..=32.0;
/// What has no room in a line is written smaller, down to this share of the line's height, before its end is left out.
const LEAST_OF_LINE: f32 = 0.6;
/// Heights of the two bars and of the reminder, in lines.
const BARS: [f32; 2] = [1.6, 2.7];
const BANNER: f32 = 3.2;

/// A tone is heard in a quarter of a second, but its words are not read in it.
const TIME_TO_READ: Duration = Duration::from_secs(3);

/// What goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Pictures come.
    Watching,
    /// None come.
    Fault(Fault),
    /// The recording has ended.
    Over,
    /// A picture of a folder, which is looked at for itself.
    Page {
        /// From 1.
        number: usize,
        /// Pictures in the folder.
        of: usize,
        /// Its name, or in a sentence why it cannot be shown.
        name: Result<String, String>,
    },
}

/// The reminder that is being given, in the source's time.
#[derive(Debug)]
pub struct Banner {
    lasts: [Duration; 2],
    now: Option<(Reminder, Duration)>,
}

impl Banner {
    /// None yet; `melodies` say how long each lasts.
    pub fn new(melodies: &Melodies) -> Self {
        let lasts = [&melodies.mask, &melodies.nose].map(|melody| melody.duration().max(TIME_TO_READ));
        Self { lasts, now: None }
    }

    /// A reminder sounds `at` this time.
    pub fn sounds(&mut self, reminder: Reminder, at: Duration) {
        self.now = Some((reminder, at + self.lasts[reminder as usize]));
    }

    /// The reminder that is to be seen `at` this time: for as long as its tone lasts, and long enough to be read.
    pub fn at(&self, at: Duration) -> Option<Reminder> {
        self.now.filter(|&(_, until)| at < until).map(|(reminder, _)| reminder)
    }
}

/// All that is to be seen.
#[derive(Debug)]
pub struct Screen {
    /// The picture: packed `R G B` bytes, empty if there is none.
    pub rgb: Vec<u8>,
    /// Width and height of the picture in pixels.
    pub size: (usize, usize),
    /// Who is in it.
    pub faces: Faces,
    /// How they were judged.
    pub thresholds: Thresholds,
    /// What goes on.
    pub state: State,
    /// Reminders so far, as [`Reminder`] counts; `None` where nobody is reminded.
    pub reminders: Option<[usize; 2]>,
    /// The reminder that is being given.
    pub banner: Option<Reminder>,
    /// Sizes and times, for those who want to know.
    pub times: String,
    /// Which keys do what.
    pub keys: &'static str,
}

impl Screen {
    /// One that has no picture yet.
    pub fn new(thresholds: Thresholds, keys: &'static str) -> Self {
        Self {
            rgb: Vec::new(),
            size: (0, 0),
            faces: Faces::new(),
            thresholds,
            state: State::Watching,
            reminders: None,
            banner: None,
            times: String::new(),
            keys,
        }
    }

    /// Width and height in pixels of a window that shows the picture in about `most` pixels, bars included.
    pub fn fitting(&self, most: (usize, usize)) -> (usize, usize) {
        let line = line_height(most.0, most.1);
        let bars = (BARS[0] + BARS[1]) * line;
        let (width, height) = (self.size.0.max(1) as f32, self.size.1.max(1) as f32);
        let zoom = (most.0 as f32 / width).min((most.1 as f32 - bars) / height);
        let width = (width * zoom).round() as usize;
        // The bars of a tall picture need a width of their own.
        (width.max(most.0 / 2), (height * zoom + bars).round() as usize)
    }

    /// Paints all of it into `rgb`, `width` × `height` pixels of three bytes.
    pub fn paint(&self, rgb: &mut Vec<u8>, width: usize, height: usize) {
        rgb.clear();
        rgb.resize(width * height * 3, 0);
        let whole = Rect::new(0.0, 0.0, width as f32, height as f32);
        let line = line_height(width, height);
        let (top, bottom) = ((BARS[0] * line).round(), (whole.bottom - BARS[1] * line).round());
        let area = Rect { top, bottom, ..whole };
        let mut ground = Canvas::new(rgb, width, height);
        ground.fill(&whole, GROUND);
        ground.fill(&area, INK);
        let place = self.place(&area);
        if let Some(place) = place {
            self.picture(rgb, width, &place);
        }
        let mut canvas = Canvas::new(rgb, width, height);
        if let Some(place) = place.filter(|_| !matches!(self.state, State::Fault(_))) {
            canvas.faces(&self.faces, &place, &self.thresholds);
        }
        if let Some(reminder) = self.banner {
            banner(&mut canvas, reminder, line, &area);
        }
        self.upper_bar(&mut canvas, line, &Rect { bottom: top, ..whole });
        self.lower_bar(&mut canvas, line, &Rect { top: bottom, ..whole });
    }

    /// Where the picture lies in `area`: as large as it can be, in the middle.
    fn place(&self, area: &Rect) -> Option<Place> {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        if self.rgb.is_empty() || area.width() < 1.0 || area.height() < 1.0 {
            return None;
        }
        let zoom = (area.width() / width).min(area.height() / height);
        // A pixel at least, of whatever shape.
        let (across, down) = ((width * zoom).floor().max(1.0), (height * zoom).floor().max(1.0));
        let left = (area.left + (area.width() - across) / 2.0).floor();
        let top = (area.top + (area.height() - down) / 2.0).floor();
        Some(Place { bounds: Rect::new(left, top, left + across, top + down), zoom })
    }

    /// The picture, which is dark while it is an old one.
    fn picture(&self, rgb: &mut [u8], width: usize, place: &Place) {
        let Rect { left, top, .. } = place.bounds;
        let (across, down) = (place.bounds.width() as usize, place.bounds.height() as usize);
        let scaled = scaled(&self.rgb, self.size, (across, down));
        let is_old = matches!(self.state, State::Fault(_));
        for (row, pixels) in scaled.chunks_exact(across * 3).enumerate() {
            let at = ((top as usize + row) * width + left as usize) * 3;
            let to = &mut rgb[at..at + across * 3];
            to.copy_from_slice(pixels);
            if is_old {
                to.iter_mut().for_each(|value| *value /= 3);
            }
        }
    }

    /// What goes on.
    fn upper_bar(&self, canvas: &mut Canvas<'_>, line: f32, bar: &Rect) {
        let top = bar.top + (bar.height() - line) / 2.0;
        let (light, state) = self.state();
        let dot = Rect::new(line * 0.5, top + line * 0.2, line * 1.1, top + line * 0.8);
        canvas.fill(&dot, light);
        let room = bar.right - line * 2.0;
        let wanted = text::width(&state, Weight::Bold, line);
        // A little less, lest rounding cost the last letters.
        let fitting = 0.995 * line * room / wanted;
        let height = if wanted > room { fitting.max(line * LEAST_OF_LINE) } else { line };
        let state = text::fitted(&state, Weight::Bold, height, room);
        let corner = (line * 1.5, top + (line - height) / 2.0);
        canvas.write(&state, Weight::Bold, height, corner, TEXT, bar);
    }

    /// What the colours mean, which keys there are, how many reminders there were, and the times.
    fn lower_bar(&self, canvas: &mut Canvas<'_>, line: f32, bar: &Rect) {
        let small = line * 0.85;
        let top = bar.top + line * 0.25;
        let right = bar.right - line / 2.0;
        let mut left = line * 0.5;
        for verdict in VERDICTS {
            let word = verdict.to_string();
            let end = left + line + text::width(&word, Weight::Regular, line);
            if end > right {
                break;
            }
            let swatch = Rect::new(left, top + line * 0.2, left + line * 0.6, top + line * 0.8);
            canvas.fill(&swatch, colour(verdict));
            canvas.write(&word, Weight::Regular, line, (left + line * 0.8, top), TEXT, bar);
            left = end + line * 0.4;
        }
        let width = text::width(self.keys, Weight::Regular, line);
        if left + width <= right {
            canvas.write(self.keys, Weight::Regular, line, (right - width, top), TEXT, bar);
        }
        let top = top + line * 1.2;
        let told = self.reminders.map(told).unwrap_or_default();
        let room = right - line * 0.5;
        let told = text::fitted(&told, Weight::Regular, line, room);
        let width = text::width(&told, Weight::Regular, line);
        canvas.write(&told, Weight::Regular, line, (right - width, top), TEXT, bar);
        let times = text::fitted(&self.times, Weight::Regular, small, (room - width - line).max(0.0));
        canvas.write(&times, Weight::Regular, small, (line * 0.5, top), QUIET, bar);
    }

    /// A light as that of a lamp, and words.
    fn state(&self) -> (Colour, String) {
        let seen = || seen(&self.faces, &self.thresholds, self.size);
        match &self.state {
            State::Watching => (colour(Verdict::Covered), format!("watching: {}", seen())),
            State::Fault(fault) => (colour(Verdict::Bare), fault.to_string()),
            State::Over => (QUIET, format!("the end: {} – any key closes the window", seen())),
            State::Page { number, of, name: Ok(name) } => {
                (QUIET, format!("{number} of {of}, {name}: {}", seen()))
            }
            State::Page { number, of, name: Err(trouble) } => {
                (colour(Verdict::Bare), format!("{number} of {of}, {trouble}"))
            }
        }
    }
}

fn line_height(width: usize, height: usize) -> f32 {
    (width.min(height) as f32 / LINES).clamp(*LINE_HEIGHT.start(), *LINE_HEIGHT.end()).round()
}

/// The words of a reminder, in the colour of those that it is for.
fn banner(canvas: &mut Canvas<'_>, reminder: Reminder, line: f32, area: &Rect) {
    let ground = colour(match reminder {
        Reminder::Mask => Verdict::Bare,
        Reminder::Nose => Verdict::NoseOut,
    });
    let strip = Rect { top: area.bottom - BANNER * line, ..*area };
    canvas.fill(&strip, ground);
    let words = terminal::words(reminder);
    let room = strip.width() - line;
    let height = (1.8 * line).min(1.8 * line * room / text::width(words, Weight::Bold, 1.8 * line));
    let left = strip.centre().0 - text::width(words, Weight::Bold, height) / 2.0;
    canvas.write(words, Weight::Bold, height, (left, strip.centre().1 - height / 2.0), INK, &strip);
}

/// Who is seen, in a few words: how many of each kind, and why some are unsure.
fn seen(faces: &[Face], thresholds: &Thresholds, (width, height): (usize, usize)) -> String {
    let picture = Rect::new(0.0, 0.0, width as f32, height as f32);
    let mut words = Vec::new();
    for verdict in VERDICTS {
        let of_kind = || faces.iter().filter(|face| face.verdict == verdict);
        let mut why: Vec<_> = of_kind().filter_map(|face| thresholds.doubt(face, &picture)).collect();
        why.sort_unstable();
        why.dedup();
        let why: Vec<_> = why.iter().map(ToString::to_string).collect();
        match (of_kind().count(), why.is_empty()) {
            (0, _) => {}
            (count, true) => words.push(format!("{count} {verdict}")),
            (count, false) => words.push(format!("{count} {verdict} ({})", why.join(", "))),
        }
    }
    if words.is_empty() { "nobody".to_owned() } else { words.join(", ") }
}

/// How many reminders there were, and of what.
fn told([mask, nose]: [usize; 2]) -> String {
    match mask + nose {
        0 => "no reminder yet".to_owned(),
        1 => format!("1 reminder ({mask} mask, {nose} nose)"),
        all => format!("{all} reminders ({mask} mask, {nose} nose)"),
    }
}

#[cfg(test)]
mod tests;
