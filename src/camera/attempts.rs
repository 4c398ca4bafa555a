//! Which camera to start in which mode, after what has failed.  Pure: no device is touched here, and the time is told.

use std::time::Duration;

use crate::camera::negotiate::Mode;

/// How long a mode that failed is left alone while there are others, doubled each time that it fails again, up to the
/// maximum.
///
/// To try it again costs the entrance some seconds without pictures; what the bus has no room for now may have it
/// tomorrow.
const REST: Duration = Duration::from_secs(10 * 60);
const MAX_REST: Duration = Duration::from_secs(24 * 60 * 60);

/// A camera that could be started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Camera {
    /// Tells it from others, and is the same when it is unplugged and plugged in again.
    pub(crate) id: String,
    /// Its modes, best first; at least one.
    pub(crate) modes: Vec<Mode>,
}

/// What to start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    /// Which of the cameras.
    pub(crate) camera: usize,
    /// In which mode.
    pub(crate) mode: Mode,
    /// When the better modes of the same camera, which have failed, are to be tried again.
    pub(crate) better_at: Option<Duration>,
}

/// A mode that failed.
#[derive(Debug)]
struct Failed {
    id: String,
    mode: Mode,
    /// How often in a row.
    times: u32,
    /// Until when it is left alone.
    until: Duration,
}

/// What has failed lately.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: Vec<Failed>,
    /// The camera that failed last: another one is tried first.
    last: Option<String>,
}

impl Attempts {
    /// What to start at `now`; `None` if everything has failed, or there is nothing.
    ///
    /// A colour camera comes before an infra-red one, which stands beside it and sends grey; one that has not just
    /// failed before one that has; then a format that has not failed before one that has, and what asks no less of the
    /// bus than what has failed comes last; then the better mode.
    pub(crate) fn choose(&self, cameras: &[Camera], now: Duration) -> Option<Choice> {
        let mut best: Option<((bool, bool, Doubt, usize), usize, Mode)> = None;
        for (camera, Camera { id, modes }) in cameras.iter().enumerate() {
            let is_infra_red = modes.first().is_some_and(|mode| mode.fourcc == *b"GREY");
            let has_failed = self.last.as_ref() == Some(id);
            for (rank, &mode) in modes.iter().enumerate() {
                if self.rests_until(id, mode, now).is_some() {
                    continue;
                }
                let key = (is_infra_red, has_failed, self.doubt(id, mode, now), rank);
                if best.as_ref().is_none_or(|(least, ..)| key < *least) {
                    best = Some((key, camera, mode));
                }
            }
        }
        let ((.., rank), camera, mode) = best?;
        let Camera { id, modes } = &cameras[camera];
        let better_at = modes[..rank].iter().filter_map(|&mode| self.rests_until(id, mode, now)).max();
        Some(Choice { camera, mode, better_at })
    }

    /// Notes at `now` that a camera did not work in a mode; returns for how long that is left alone.
    pub(crate) fn failed(&mut self, id: &str, mode: Mode, now: Duration) -> Duration {
        self.last = Some(id.to_owned());
        let is_it = |failed: &&mut Failed| failed.id == id && failed.mode == mode;
        let failed = match self.failed.iter_mut().find(is_it) {
            Some(failed) => failed,
            None => {
                self.failed.push(Failed { id: id.to_owned(), mode, times: 0, until: now });
                self.failed.last_mut().expect("it was pushed")
            }
        };
        let rest = REST.saturating_mul(1 << failed.times.min(16)).min(MAX_REST);
        failed.times += 1;
        failed.until = now + rest;
        rest
    }

    /// Notes that a camera works in a mode.
    pub(crate) fn worked(&mut self, id: &str, mode: Mode) {
        self.last = None;
        self.failed.retain(|failed| failed.id != id || failed.mode != mode);
    }

    /// Starts from the beginning.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    fn rests_until(&self, id: &str, mode: Mode, now: Duration) -> Option<Duration> {
        let is_it = |failed: &&Failed| failed.id == id && failed.mode == mode && now < failed.until;
        self.failed.iter().find(is_it).map(|failed| failed.until)
    }

    /// How doubtful it is that a mode works: its format has failed with less, with more, or not at all.
    fn doubt(&self, id: &str, mode: Mode, now: Duration) -> Doubt {
        let failed = self
            .failed
            .iter()
            .filter(|failed| failed.id == id && now < failed.until && failed.mode.fourcc == mode.fourcc);
        match failed.map(|failed| load(failed.mode)).min() {
            None => Doubt::None,
            Some(least) if load(mode) < least => Doubt::Some,
            Some(_) => Doubt::Great,
        }
    }
}

/// See [`Attempts::doubt`]; the less, the better.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Doubt {
    None,
    Some,
    Great,
}

/// What a mode asks of the bus, to be compared within a format: pixels a second.
fn load(mode: Mode) -> u64 {
    /// Taken for a camera that does not say.
    const USUAL_RATE: f32 = 30.0;
    let rate = mode.rate.unwrap_or(USUAL_RATE);
    (f64::from(mode.width) * f64::from(mode.height) * f64::from(rate)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn mode(fourcc: &[u8; 4], width: u32, height: u32, rate: f32) -> Mode {
        Mode { fourcc: *fourcc, width, height, rate: Some(rate) }
    }

    fn camera(id: &str, modes: &[Mode]) -> Camera {
        Camera { id: id.into(), modes: modes.to_vec() }
    }

    fn chosen(attempts: &Attempts, cameras: &[Camera]) -> String {
        let choice = attempts.choose(cameras, START);
        choice.map_or("none".into(), |choice| format!("{}: {}", cameras[choice.camera].id, choice.mode))
    }

    /// Lets everything fail, one after the other.
    fn order(cameras: &[Camera]) -> Vec<String> {
        let mut attempts = Attempts::default();
        let mut order = Vec::new();
        while let Some(choice) = attempts.choose(cameras, START) {
            order.push(chosen(&attempts, cameras));
            attempts.failed(&cameras[choice.camera].id, choice.mode, START);
        }
        order
    }

    #[test]
    fn another_format_is_next_then_what_asks_less_of_the_bus_and_last_what_asks_more() {
        let modes = [
            mode(b"YUYV", 640, 480, 30.0),
            mode(b"YUYV", 640, 480, 10.0),
            mode(b"MJPG", 640, 480, 30.0),
            mode(b"YUYV", 800, 600, 30.0),
            mode(b"YUYV", 320, 240, 30.0),
            mode(b"MJPG", 320, 240, 30.0),
        ];
        assert_eq!(
            order(&[camera("a", &modes)]),
            [
                "a: YUYV 640×480 at 30/s",
                "a: MJPG 640×480 at 30/s",
                "a: YUYV 640×480 at 10/s",
                "a: YUYV 320×240 at 30/s",
                "a: MJPG 320×240 at 30/s",
                "a: YUYV 800×600 at 30/s",
            ]
        );
    }

    #[test]
    fn after_a_failure_another_colour_camera_is_tried_and_no_infra_red_one() {
        let cameras = [
            camera("ir", &[mode(b"GREY", 640, 480, 30.0)]),
            camera("first", &[mode(b"YUYV", 640, 480, 30.0), mode(b"GREY", 640, 480, 30.0)]),
            camera("second", &[mode(b"MJPG", 640, 480, 30.0)]),
        ];
        let order = order(&cameras);
        let ids: Vec<_> = order.iter().map(|choice| choice.split(':').next().unwrap()).collect();
        assert_eq!(ids, ["first", "second", "first", "ir"]);
    }

    #[test]
    fn what_failed_is_tried_again_after_a_while_and_ever_more_rarely() {
        let (best, other) = (mode(b"YUYV", 640, 480, 30.0), mode(b"MJPG", 640, 480, 30.0));
        let cameras = [camera("a", &[best, other])];
        let mut attempts = Attempts::default();
        let mut now = START;
        let mut rests = Vec::new();
        for _ in 0..10 {
            assert_eq!(attempts.choose(&cameras, now).map(|choice| choice.mode), Some(best));
            let rest = attempts.failed("a", best, now);
            let choice = attempts.choose(&cameras, now + rest - Duration::from_nanos(1)).unwrap();
            assert_eq!(choice, Choice { camera: 0, mode: other, better_at: Some(now + rest) });
            now += rest;
            rests.push(rest.as_secs() / 60);
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
        attempts.worked("a", best);
        assert_eq!(attempts.choose(&cameras, now).unwrap().better_at, None);
        assert_eq!(attempts.failed("a", best, now), REST);
    }

    #[test]
    fn what_fails_on_one_camera_is_tried_on_another_and_what_works_forgets_only_itself() {
        let modes = [mode(b"YUYV", 640, 480, 30.0), mode(b"MJPG", 640, 480, 30.0)];
        let cameras = [camera("a", &modes), camera("b", &modes)];
        let mut attempts = Attempts::default();
        attempts.failed("a", modes[0], START);
        assert_eq!(chosen(&attempts, &cameras), "b: YUYV 640×480 at 30/s");
        assert_eq!(chosen(&attempts, &cameras[..1]), "a: MJPG 640×480 at 30/s");
        attempts.worked("b", modes[0]);
        attempts.worked("a", modes[1]);
        assert_eq!(chosen(&attempts, &cameras), "b: YUYV 640×480 at 30/s", "the better mode");
        assert_eq!(chosen(&attempts, &cameras[..1]), "a: MJPG 640×480 at 30/s");
        attempts.worked("a", modes[0]);
        assert_eq!(chosen(&attempts, &cameras), "a: YUYV 640×480 at 30/s");
    }

    proptest! {
        /// However many cameras and modes there are: everything is tried once, and then nothing until it is forgotten.
        #[test]
        fn everything_is_tried_once(sizes in prop::collection::vec(prop::collection::vec((0..4_u32, 0..3_u32), 1..8), 0..4)) {
            let cameras: Vec<_> = sizes.iter().enumerate().map(|(number, sizes)| {
                let mut modes: Vec<_> =
                    sizes.iter().map(|&(size, rate)| mode(b"YUYV", 160 << size, 120 << size, 5.0 * (1 + rate) as f32)).collect();
                modes.dedup();
                let mut distinct: Vec<Mode> = Vec::new();
                modes.retain(|mode| { let new = !distinct.contains(mode); distinct.push(*mode); new });
                camera(&number.to_string(), &modes)
            }).collect();
            let total: usize = cameras.iter().map(|camera| camera.modes.len()).sum();
            let mut order = order(&cameras);
            order.sort();
            order.dedup();
            prop_assert_eq!(order.len(), total);
        }
    }
}
