use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::geometry::Rect;
use crate::vision::Verdict::{self, Bare, Covered, NoseOut, Unsure};

const MS: Duration = Duration::from_millis(1);

fn face(x: f32, size: f32, verdict: Verdict) -> Face {
    let bounds = Rect::centred(x, 240.0, size, size * 1.2);
    Face { bounds, score: 0.9, mouth: 0.5, nose: 0.5, mouth_bounds: None, nose_bounds: None, verdict }
}

/// A door, seen at a steady rate: plays scenes to a policy and notes when it reminds.
struct Door {
    policy: Policy,
    now: Duration,
    frame: Duration,
    said: Vec<(Duration, Reminder)>,
}

impl Door {
    fn at(frames_per_second: u32) -> Self {
        let frame = Duration::from_secs(1) / frames_per_second;
        Self { policy: Policy::default(), now: Duration::ZERO, frame, said: Vec::new() }
    }

    /// Shows what `scene` makes of the seconds since its start.
    fn show(&mut self, seconds: f32, mut scene: impl FnMut(f32) -> Vec<Face>) -> &mut Self {
        let start = self.now;
        while (self.now - start).as_secs_f32() < seconds {
            let call = self.policy.observe(self.now, &scene((self.now - start).as_secs_f32()));
            self.said.extend(call.map(|call| (self.now, call.reminder)));
            self.now += self.frame;
        }
        self
    }

    /// Somebody stands at the door.
    fn stand(&mut self, seconds: f32, verdict: Verdict) -> &mut Self {
        self.show(seconds, |_| vec![face(300.0, 80.0, verdict)])
    }

    fn nobody(&mut self, seconds: f32) -> &mut Self {
        self.show(seconds, |_| vec![])
    }

    fn reminders(&self) -> Vec<Reminder> {
        self.said.iter().map(|&(_, reminder)| reminder).collect()
    }
}

/// Rates from the slowest board to the fastest camera.
const RATES: [u32; 6] = [3, 5, 10, 15, 30, 60];

#[test]
fn a_bare_visitor_is_reminded_once_then_comes_back_masked_to_silence_then_hears_the_nose_tone() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(3.0, Bare);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
        door.stand(30.0, Bare).nobody(6.0).stand(8.0, Covered);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
        door.nobody(6.0).stand(8.0, NoseOut);
        assert_eq!(door.reminders(), [Reminder::Mask, Reminder::Nose], "{rate}/s");
    }
}

#[test]
fn the_reminder_comes_neither_before_the_looks_agree_for_long_enough_nor_late() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(5.0, Bare);
        let least = Times::default().agreement.max(door.frame * 4);
        let first = door.said[0].0;
        assert!(least <= first && first < least + door.frame, "{rate}/s: {first:?}");
    }
}

#[test]
fn a_single_look_never_suffices_however_slow_the_frames() {
    let mut door = Door::at(1);
    door.stand(1.0, Bare).nobody(2.0).stand(1.0, Bare).nobody(10.0);
    assert_eq!(door.reminders(), []);
}

#[test]
fn who_pulls_the_mask_up_in_time_hears_nothing() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(0.45, Bare).stand(0.3, Unsure).stand(20.0, Covered);
        door.nobody(6.0).stand(0.5, NoseOut).stand(20.0, Covered);
        assert_eq!(door.reminders(), [], "{rate}/s");
    }
}

#[test]
fn looks_of_long_ago_do_not_add_up() {
    let mut door = Door::at(10);
    for _ in 0..20 {
        door.stand(0.2, Bare).stand(6.0, Unsure);
    }
    assert_eq!(door.reminders(), []);
}

#[test]
fn looks_are_counted_anew_after_more_than_a_short_miss() {
    let mut door = Door::at(10);
    door.stand(0.4, Bare).nobody(1.5).stand(0.4, Bare).stand(5.0, Unsure);
    assert_eq!(door.reminders(), []);

    let mut door = Door::at(10);
    door.stand(0.4, Bare).nobody(0.8).stand(0.1, Bare).stand(5.0, Unsure);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

#[test]
fn agreement_does_not_reach_across_a_longer_silence() {
    // Five looks within 133 ms, and one that agrees with them long after.
    let mut door = Door::at(30);
    door.stand(0.15, Bare).stand(3.7, Unsure).stand(0.03, Bare).stand(5.0, Unsure);
    assert_eq!(door.reminders(), []);

    let mut door = Door::at(30);
    door.stand(0.15, Bare).stand(0.8, Unsure).stand(0.03, Bare).stand(5.0, Unsure);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

#[test]
fn unsure_looks_neither_hinder_nor_trigger() {
    let mut door = Door::at(20);
    let mut frame = 0;
    door.show(2.0, |_| {
        frame += 1;
        vec![face(300.0, 80.0, if frame % 2 == 0 { Bare } else { Unsure })]
    });
    assert_eq!(door.reminders(), [Reminder::Mask]);

    // Agreed within a quarter of a second, then unsure until long after: nobody is reminded of the past.
    let mut door = Door::at(20);
    door.stand(0.3, Bare).stand(10.0, Unsure);
    assert_eq!(door.reminders(), []);
}

#[test]
fn a_mask_with_some_bad_looks_is_still_a_mask() {
    let mut door = Door::at(10);
    let mut frame = 0;
    door.show(60.0, |_| {
        frame += 1;
        vec![face(300.0, 80.0, if frame % 8 < 4 { Bare } else { Covered })]
    });
    assert_eq!(door.reminders(), []);
}

#[test]
fn a_visit_survives_short_misses_and_an_absence_shorter_than_the_rearm_time() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(4.0, Bare).nobody(3.0).stand(4.0, Bare).nobody(3.5).stand(20.0, Bare);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn a_visit_ends_with_the_rearm_time() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(4.0, Bare).nobody(5.0).stand(4.0, Bare);
        assert_eq!(door.reminders(), [Reminder::Mask; 2], "{rate}/s");
    }
}

#[test]
fn a_camera_that_was_away_ends_visits_like_an_empty_door_does() {
    let mut door = Door::at(10);
    door.stand(4.0, Bare);
    // Not even `observe` is called.
    door.now += Duration::from_secs(3);
    door.stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask]);
    door.now += Duration::from_secs(6);
    door.stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

#[test]
fn who_puts_the_mask_on_under_the_nose_hears_the_second_tone_after_the_pause() {
    let mut door = Door::at(10);
    door.stand(2.0, Bare).stand(10.0, NoseOut).stand(20.0, Bare).stand(20.0, NoseOut);
    assert_eq!(door.reminders(), [Reminder::Mask, Reminder::Nose]);
    assert!(door.said[1].0 - door.said[0].0 >= Times::default().pause);
}

#[test]
fn a_face_that_flickers_between_bare_and_nose_out_is_told_once() {
    for (cycle, bare) in [(7, 5), (12, 6), (14, 7)] {
        let mut door = Door::at(10);
        let mut frame = 0;
        door.stand(1.0, Bare).show(60.0, |_| {
            frame += 1;
            vec![face(300.0, 80.0, if frame % cycle < bare { Bare } else { NoseOut })]
        });
        assert_eq!(door.reminders(), [Reminder::Mask], "{bare} of {cycle}");
    }
}

#[test]
fn two_who_come_in_bare_together_hear_one_tone() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.show(20.0, |t| {
            let mut faces = vec![face(200.0, 80.0, Bare)];
            faces.extend((t > 0.25).then(|| face(420.0, 90.0, Bare)));
            faces
        });
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn one_who_follows_bare_hears_a_tone_of_their_own_when_the_pause_is_over() {
    let mut door = Door::at(10);
    door.stand(3.0, Bare);
    door.show(10.0, |_| vec![face(300.0, 80.0, Bare), face(500.0, 80.0, Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
    let between = door.said[1].0 - door.said[0].0;
    assert!(between >= Times::default().pause && between <= Times::default().pause + 2 * door.frame);
}

#[test]
fn the_masked_companion_of_a_bare_visitor_can_still_be_reminded() {
    let mut door = Door::at(10);
    door.show(8.0, |_| vec![face(200.0, 80.0, Bare), face(420.0, 80.0, Covered)]);
    door.show(8.0, |_| vec![face(200.0, 80.0, Bare), face(420.0, 80.0, Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

#[test]
fn two_who_pass_each_other_keep_their_tracks() {
    let mut door = Door::at(15);
    let mut ids = Vec::new();
    for step in 0u8..30 {
        let x = f32::from(step) * 16.0;
        // One near the camera, one behind: where they meet, each comes to where the other was.  Sizes tell them apart.
        let faces = [face(80.0 + x, 110.0, Covered), face(576.0 - x, 64.0, Covered)];
        door.policy.observe(door.now, &faces);
        door.now += door.frame;
        ids.push(door.policy.tracks().to_vec());
    }
    assert_eq!(ids[0], [Some(TrackId(1)), Some(TrackId(2))]);
    assert!(ids.iter().all(|frame| frame == &ids[0]), "{ids:?}");
}

#[test]
fn a_walker_at_three_frames_a_second_keeps_the_track() {
    let mut policy = Policy::default();
    for step in 0u8..6 {
        // 1.4 face widths, 112 pixels, from frame to frame: nothing overlaps.
        policy.observe(MS * 333 * step.into(), &[face(20.0 + 112.0 * f32::from(step), 80.0, Covered)]);
        assert_eq!(policy.tracks(), [Some(TrackId(1))], "step {step}");
    }
}

#[test]
fn a_face_of_quite_another_size_is_another_person() {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &[face(300.0, 40.0, Covered)]);
    policy.observe(MS * 100, &[face(300.0, 120.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);
}

#[test]
fn the_order_of_faces_does_not_matter() {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &[face(100.0, 80.0, Covered), face(400.0, 80.0, Bare)]);
    policy.observe(MS * 100, &[face(402.0, 80.0, Bare), face(98.0, 80.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2)), Some(TrackId(1))]);
}

#[test]
fn who_is_in_view_comes_before_who_was_lost() {
    let mut policy = Policy::default();
    let both = [face(300.0, 80.0, Covered), face(420.0, 80.0, Covered)];
    policy.observe(Duration::ZERO, &both);
    for step in 1..20 {
        policy.observe(MS * 100 * step, &both[1..]);
        assert_eq!(policy.tracks(), [Some(TrackId(2))]);
    }
    // Halfway, and a bit nearer to where the first was lost two seconds ago.
    policy.observe(MS * 2000, &[face(355.0, 80.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);
}

#[test]
fn boxes_without_a_place_are_left_out() {
    let mut policy = Policy::default();
    let bounds = [
        Rect::new(f32::NAN, 0.0, 10.0, 10.0),
        Rect::new(0.0, 0.0, f32::INFINITY, 10.0),
        Rect::new(10.0, 0.0, 0.0, 10.0),
        Rect::new(f32::MIN, 0.0, f32::MAX, 10.0),
        Rect::new(5.0, 5.0, 5.0, 5.0),
        Rect::new(0.0, 0.0, 10.0, 10.0),
    ];
    for step in 0..40 {
        let faces = bounds.map(|bounds| Face { bounds, ..face(0.0, 1.0, Bare) });
        policy.observe(MS * 100 * step, &faces);
        let expected = [None, None, None, None, None, Some(TrackId(1))];
        assert_eq!(policy.tracks(), expected);
    }
}

#[test]
fn when_tracks_run_out_the_longest_gone_make_room() {
    let mut policy = Policy::default();
    let crowd = |frame: u32| -> Vec<Face> {
        (0..MAX_FACES as u32).map(|i| face((frame * 10_000 + i * 100) as f32, 10.0, Bare)).collect()
    };
    for frame in 0..5 {
        policy.observe(MS * frame, &crowd(frame));
        assert!(policy.tracks().iter().all(Option::is_some), "frame {frame}");
    }
    // Those of the last frame but one are still known.
    policy.observe(MS * 5, &crowd(3));
    assert_eq!(policy.tracks()[0], Some(TrackId(3 * MAX_FACES as u32 + 1)));
}

#[test]
fn a_clock_that_starts_again_stops_nothing() {
    let mut door = Door::at(10);
    door.now = Duration::from_secs(1_000_000);
    door.stand(3.0, Bare).nobody(6.0);
    door.now = Duration::ZERO;
    door.stand(3.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

/// A bare visitor who wanders before the door while the camera and the models do what they do.
#[derive(Clone, Debug)]
struct Wander {
    frames_per_second: f32,
    /// Share of the frame interval by which a frame may be early or late.
    jitter: f32,
    /// Every so many looks fail …
    miss_every: usize,
    /// … in this way (`None`: no face at all).
    miss: Option<Verdict>,
    /// Pixels.
    size: f32,
    /// Face sizes a second.
    speed: f32,
    /// Factor a second by which the face grows and shrinks.
    growth: f32,
    /// Numbers of 0 to 1 that jitter times and boxes.
    noise: Vec<f32>,
}

fn wander() -> impl Strategy<Value = Wander> {
    let miss = prop::option::of(prop::sample::select(vec![Unsure, Covered, NoseOut]));
    let noise = prop::collection::vec(0.0f32..=1.0, 64);
    (3.0f32..=60.0, 0.0f32..=0.15, 6usize..20, miss, 24.0f32..150.0, 0.0f32..4.0, 1.0f32..1.5, noise)
        .prop_map(|(frames_per_second, jitter, miss_every, miss, size, speed, growth, noise)| Wander {
            frames_per_second,
            jitter,
            miss_every,
            miss,
            size,
            speed,
            growth,
            noise,
        })
}

/// A triangle wave of period 4 between -1 and 1: walks to and fro at a steady speed.
fn to_and_fro(t: f32) -> f32 {
    1.0 - (t.rem_euclid(4.0) - 2.0).abs()
}

impl Wander {
    fn noise(&self, index: usize) -> f32 {
        self.noise[index % self.noise.len()] * 2.0 - 1.0
    }

    /// The frames of `seconds` of this visit: when, and what is seen.
    fn frames(&self, seconds: f32) -> Vec<(Duration, Vec<Face>)> {
        let interval = 1.0 / self.frames_per_second;
        let range = 4.0 * self.size;
        let mut frames = Vec::new();
        let mut t = 0.0;
        for index in 0.. {
            if t > seconds {
                break;
            }
            let size = self.size * self.growth.powf(to_and_fro(t)) * (1.0 + 0.08 * self.noise(3 * index));
            let x = range * to_and_fro(t * self.speed * self.size / range);
            let x = 320.0 + x + 0.1 * size * self.noise(3 * index + 1);
            let missed = index % self.miss_every == self.miss_every - 1;
            let verdict = if missed { self.miss } else { Some(Bare) };
            let seen = verdict.map(|verdict| face(x, size, verdict));
            frames.push((Duration::from_secs_f32(t), seen.into_iter().collect()));
            t += interval * (1.0 + self.jitter * self.noise(3 * index + 2));
        }
        frames
    }
}

/// Faces as no camera would ever show them, among quite ordinary ones.
fn any_face() -> impl Strategy<Value = Face> {
    let edge = prop_oneof![4 => 0.0f32..640.0, 1 => any::<f32>()];
    let verdict = prop::sample::select(vec![Bare, Covered, NoseOut, Unsure]);
    let edges = (edge.clone(), edge.clone(), edge.clone(), edge);
    (edges, verdict, any::<f32>()).prop_map(|((left, top, right, bottom), verdict, score)| Face {
        bounds: Rect { left, top, right, bottom },
        score,
        mouth: score,
        nose: score,
        mouth_bounds: None,
        nose_bounds: None,
        verdict,
    })
}

fn ordinary_face(verdicts: Vec<Verdict>) -> impl Strategy<Value = Face> {
    (0.0f32..640.0, 20.0f32..200.0, prop::sample::select(verdicts))
        .prop_map(|(x, size, verdict)| face(x, size, verdict))
}

proptest! {
    #[test]
    fn a_bare_visitor_is_reminded_exactly_once_and_within_two_seconds(wander in wander()) {
        let mut policy = Policy::default();
        let said: Vec<_> = wander
            .frames(20.0)
            .iter()
            .filter_map(|(at, faces)| Some((*at, policy.observe(*at, faces)?)))
            .collect();
        prop_assert_eq!(said.len(), 1, "{:?}", said);
        prop_assert_eq!(said[0].1.reminder, Reminder::Mask);
        prop_assert!(said[0].0 >= Times::default().agreement, "{:?}", said);
        prop_assert!(said[0].0 <= Duration::from_secs(2), "{:?}", said);
    }

    #[test]
    fn two_reminders_are_never_closer_than_the_pause(
        frames in prop::collection::vec((1u64..400, prop::collection::vec(ordinary_face(vec![Bare, Bare, Bare, NoseOut, NoseOut, Covered]), 0..6)), 1..300),
        agreement in 0u64..1500,
        rearm in 0u64..5000,
        pause in 0u64..9000,
    ) {
        let times = Times { agreement: MS * agreement as u32, rearm: MS * rearm as u32, pause: MS * pause as u32 };
        let mut policy = Policy::new(times);
        let (mut now, mut last) = (Duration::ZERO, None::<Duration>);
        for (step, faces) in frames {
            now += Duration::from_millis(step);
            if policy.observe(now, &faces).is_some() {
                prop_assert!(last.is_none_or(|last| now - last >= times.pause));
                last = Some(now);
            }
        }
    }

    #[test]
    fn nobody_is_reminded_who_was_only_covered_or_unsure(
        frames in prop::collection::vec((0u64..600, prop::collection::vec(ordinary_face(vec![Covered, Unsure]), 0..6)), 1..200),
    ) {
        let times = Times { agreement: Duration::ZERO, rearm: Duration::ZERO, pause: Duration::ZERO };
        let mut policy = Policy::new(times);
        let mut now = Duration::ZERO;
        for (step, faces) in frames {
            now += Duration::from_millis(step);
            prop_assert_eq!(policy.observe(now, &faces), None);
        }
    }

    #[test]
    fn a_masked_visitor_is_not_reminded_because_of_a_bare_one(wander in wander(), bare_for in 1.0f32..10.0) {
        // The bare one leaves; whatever is said afterwards would be to the masked one.
        let mut policy = Policy::default();
        let mut said = 0;
        for (at, mut faces) in wander.frames(20.0) {
            for face in &mut faces {
                face.verdict = Covered;
            }
            let bare_is_here = at.as_secs_f32() < bare_for;
            faces.extend(bare_is_here.then(|| Face { bounds: Rect::centred(320.0, 2000.0, 60.0, 72.0), ..face(0.0, 1.0, Bare) }));
            let reminder = policy.observe(at, &faces);
            prop_assert!(reminder.is_none() || bare_is_here, "at {:?}", at);
            said += usize::from(reminder.is_some());
        }
        prop_assert!(said <= 1);
    }

    #[test]
    fn a_reminder_has_five_looks_of_its_kind_behind_it(
        verdicts in prop::collection::vec(prop::sample::select(vec![Bare, NoseOut, Covered, Unsure]), 5..120),
        interval in 10u32..400,
    ) {
        let mut policy = Policy::default();
        for (index, &verdict) in verdicts.iter().enumerate() {
            let call = policy.observe(MS * interval * index as u32, &[face(300.0, 80.0, verdict)]);
            if let Some(call) = call {
                let wanted = match call.reminder { Reminder::Mask => Bare, Reminder::Nose => NoseOut };
                let votes = verdicts[..=index].iter().rev().filter(|&&verdict| verdict != Unsure).take(8);
                prop_assert!(votes.filter(|&&verdict| verdict == wanted).count() >= 5);
                prop_assert_eq!(verdict, wanted);
            }
        }
    }

    #[test]
    fn whatever_comes_nothing_panics(
        frames in prop::collection::vec((any::<Duration>(), prop::collection::vec(any_face(), 0..40)), 1..60),
        times in (any::<Duration>(), any::<Duration>(), any::<Duration>()),
        small_steps in any::<bool>(),
    ) {
        let mut policy = Policy::new(Times { agreement: times.0, rearm: times.1, pause: times.2 });
        for (index, (now, faces)) in frames.iter().enumerate() {
            // Wild jumps forget everybody: every other run has time to meet known tracks.
            let now = if small_steps { MS * 50 * index as u32 } else { *now };
            policy.observe(now, faces);
            prop_assert_eq!(policy.tracks().len(), faces.len().min(MAX_FACES));
        }
    }
}
