//! How bright and of which colours a bare sensor's picture is, read at few points.

use std::time::Duration;

use crate::frame::Frame;
use crate::geometry::Rect;

/// Points of a picture: so many that a face that can be judged has dozens.
const COLUMNS: usize = 40;
const ROWS: usize = 30;

/// Part of the picture that is darker than what must not become too bright, while no face is known.
const NOT_BRIGHT: f32 = 0.85;

/// Points on each side of a face.
const FACE_POINTS: usize = 8;

/// Most faces that are read; of more, the first.
const FACES: usize = 8;

/// Part of the picture that is darker than what it is exposed for, while no face is known.  Below a half, since what
/// stands in an entrance is darker than the door behind it.
const DARKER: f32 = 0.4;

/// Part of its range above which a photosite may be full: no sensor is linear up to the last step.
const FULL: f32 = 0.97;

/// Light, 0 to 1, between which a point says something of the colour of the light.
const COLOURFUL: [f32; 2] = [0.01, 0.9];

/// Least part of the points that must say something of it.
const ENOUGH: usize = COLUMNS * ROWS / 20;

/// What was read of a picture.  Light is a part of what fills a photosite, black taken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Metered {
    /// The light of a point that [`DARKER`] of the picture is darker than; 1 if that is full.
    pub(crate) picture: f32,
    /// The light of a point that [`NOT_BRIGHT`] of the picture is darker than; 1 if that is full.
    pub(crate) bright: f32,
    /// The median of the faces' points, if faces are known.
    pub(crate) faces: Option<f32>,
    /// Mean red, green and blue, unless there is too little or too much light to tell.
    pub(crate) colours: Option<[f32; 3]>,
}

/// The faces that were seen last, in parts of the picture as it is stored.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    faces: [Rect; FACES],
    count: usize,
    at: Duration,
}

/// How long who was seen is believed to stand there.  Who turns away for a moment must not change the light.
const PATIENCE: Duration = Duration::from_secs(3);

impl Attention {
    /// Notes where faces are in a `frame`, if there are any.
    pub(crate) fn note(&mut self, faces: &[Rect], (width, height): (f32, f32), at: Duration) {
        if faces.is_empty() {
            return;
        }
        self.count = faces.len().min(FACES);
        self.at = at;
        for (noted, face) in self.faces.iter_mut().zip(faces) {
            let part = |along: f32, whole: f32| (along / whole).clamp(0.0, 1.0);
            let [left, right] = [face.left, face.right].map(|x| part(x, width));
            let [top, bottom] = [face.top, face.bottom].map(|y| part(y, height));
            *noted = Rect::new(left, top, right, bottom);
        }
    }

    fn faces(&self, now: Duration) -> &[Rect] {
        if now.saturating_sub(self.at) <= PATIENCE { &self.faces[..self.count] } else { &[] }
    }
}

/// Reads a bare sensor's picture; `None` if it is another kind of picture.  `white` is what red, green and blue are
/// multiplied with.
pub(crate) fn read(frame: &Frame, white: [f32; 3], attention: &Attention) -> Option<Metered> {
    let frame = frame.oriented(Default::default());
    let black = f32::from(frame.development().black);
    let range = 65_536.0 - black;
    // Where in the picture, 0 to 1 each way: red, green and blue.
    let point = |x: f32, y: f32| {
        let along = |part: f32, length: usize| ((part * length as f32) as usize).min(length - 1);
        let values = frame.photosites(along(y, frame.height()), along(x, frame.width()))?;
        Some(values.map(|value| (f32::from(value) - black).max(0.0) / range))
    };
    // Rec. 709's weights, about.
    let light = |[red, green, blue]: [f32; 3]| {
        if red.max(green).max(blue) >= FULL {
            return 1.0;
        }
        (0.2 * red * white[0] + 0.7 * green * white[1] + 0.1 * blue * white[2]).min(1.0)
    };
    let middle = |at: usize, of: usize| (at as f32 + 0.5) / of as f32;

    let mut lights = [0.0; COLUMNS * ROWS];
    let (mut sums, mut colourful) = ([0.0; 3], 0);
    for (at, place) in lights.iter_mut().enumerate() {
        let colours = point(middle(at % COLUMNS, COLUMNS), middle(at / COLUMNS, ROWS))?;
        *place = light(colours);
        if (COLOURFUL[0]..COLOURFUL[1]).contains(place) {
            sums = [0, 1, 2].map(|colour| sums[colour] + colours[colour]);
            colourful += 1;
        }
    }
    let colours = (colourful >= ENOUGH).then(|| sums.map(|sum| sum / colourful as f32));

    let faces = attention.faces(frame.captured_at());
    let mut skins = [0.0; FACES * FACE_POINTS * FACE_POINTS];
    let skins = &mut skins[..faces.len() * FACE_POINTS * FACE_POINTS];
    for (face, skins) in faces.iter().zip(skins.chunks_mut(FACE_POINTS * FACE_POINTS)) {
        for (at, place) in skins.iter_mut().enumerate() {
            let across = middle(at % FACE_POINTS, FACE_POINTS);
            let down = middle(at / FACE_POINTS, FACE_POINTS);
            *place = light(point(face.left + across * face.width(), face.top + down * face.height())?);
        }
    }
    let faces = (!skins.is_empty()).then(|| quantile(skins, 0.5));
    let picture = quantile(&mut lights, DARKER);
    Some(Metered { picture, bright: quantile(&mut lights, NOT_BRIGHT), faces, colours })
}

/// The value that so large a part of them is below.
fn quantile(values: &mut [f32], part: f32) -> f32 {
    let at = ((values.len() as f32 * part) as usize).min(values.len() - 1);
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
