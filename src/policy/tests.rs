use std::time::Duration;

use proptest::prelude::*;

use super::belief::Belief;
use super::motion::{Motion, Place};
use super::*;
use crate::vision::Verdict::{self, Bare, Covered, NoseOut, Unsure};

const MS: Duration = Duration::from_millis(1);

/// What the camera shows.
const PICTURE: Rect = Rect::new(0.0, 0.0, 640.0, 480.0);

/// A face of this height, pixels, in the middle of the picture's height, as the networks see one clearly.
fn face(x: f32, height: f32, verdict: Verdict) -> Face {
    face_at(x, 240.0, height, verdict)
}

fn face_at(x: f32, y: f32, height: f32, verdict: Verdict) -> Face {
    let (mouth, nose) = match verdict {
        Bare => (0.97, 0.95),
        NoseOut => (0.03, 0.97),
        Covered => (0.03, 0.03),
        Unsure => (0.4, 0.6),
    };
    let bounds = Rect::centred(x, y, height / 1.2, height);
    Face { bounds, score: 0.9, mouth, nose, presence: 0.9, mouth_bounds: None, nose_bounds: None, verdict }
}

/// A door that has been watched for a while, seen at a steady rate: plays scenes to a policy and notes when it reminds.
struct Door {
    policy: Policy,
    now: Duration,
    frame: Duration,
    said: Vec<(Duration, Reminder)>,
}

impl Door {
    fn at(frames_per_second: u32) -> Self {
        let mut door = Self::new(frames_per_second);
        door.nobody(5.0);
        door
    }

    /// A door that nobody has watched yet.
    fn new(frames_per_second: u32) -> Self {
        let frame = Duration::from_secs(1) / frames_per_second;
        Self { policy: Policy::default(), now: Duration::ZERO, frame, said: Vec::new() }
    }

    /// Shows what `scene` makes of the seconds since its start.
    fn show(&mut self, seconds: f32, mut scene: impl FnMut(f32) -> Vec<Face>) -> &mut Self {
        let start = self.now;
        while (self.now - start).as_secs_f32() < seconds {
            let call = self.policy.observe(self.now, &PICTURE, &scene((self.now - start).as_secs_f32()));
            self.said.extend(call.map(|call| (self.now, call.reminder)));
            self.now += self.frame;
        }
        self
    }

    /// Somebody stands at the door, and shifts from foot to foot as people do.
    fn stand(&mut self, seconds: f32, verdict: Verdict) -> &mut Self {
        let start = self.now.as_secs_f32();
        self.show(seconds, |t| vec![face(shifting(300.0, start + t), 96.0, verdict)])
    }

    fn nobody(&mut self, seconds: f32) -> &mut Self {
        self.show(seconds, |_| vec![])
    }

    fn reminders(&self) -> Vec<Reminder> {
        self.said.iter().map(|&(_, reminder)| reminder).collect()
    }
}

/// Where somebody is who stands at `x` and shifts by 60 pixels to either side, every two seconds.
fn shifting(x: f32, t: f32) -> f32 {
    x + 60.0 * (t * std::f32::consts::PI).sin()
}

/// Rates from the slowest board to the fastest camera.
const RATES: [u32; 6] = [3, 5, 10, 15, 30, 60];

// How much evidence it takes.

#[test]
fn a_bare_visitor_is_reminded_once_then_comes_back_masked_to_silence_then_hears_the_nose_tone() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(3.0, Bare);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
        door.stand(30.0, Bare).nobody(40.0).stand(8.0, Covered);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
        door.nobody(40.0).stand(8.0, NoseOut);
        assert_eq!(door.reminders(), [Reminder::Mask, Reminder::Nose], "{rate}/s");
    }
}

#[test]
fn a_faster_camera_is_no_hastier_judge() {
    let heard = |rate| {
        let mut door = Door::at(rate);
        let came = door.now;
        door.stand(5.0, Bare);
        (door.said[0].0 - came).as_secs_f32()
    };
    let times: Vec<_> = RATES.into_iter().map(heard).collect();
    let finest = times[RATES.len() - 1];
    assert!((0.8..1.5).contains(&finest), "{times:?}");
    for (rate, time) in RATES.into_iter().zip(&times) {
        assert!((time - finest).abs() <= 2.0 / rate as f32, "{rate}/s: {times:?}");
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
        door.stand(0.6, Bare).stand(0.3, Unsure).stand(20.0, Covered);
        door.nobody(40.0).stand(0.6, NoseOut).stand(20.0, Covered);
        assert_eq!(door.reminders(), [], "{rate}/s");
    }
}

#[test]
fn looks_of_long_ago_do_not_add_up() {
    let mut door = Door::at(10);
    for _ in 0..200 {
        door.stand(0.3, Bare).stand(6.0, Unsure);
    }
    assert_eq!(door.reminders(), []);
}

#[test]
fn unsure_looks_neither_hinder_nor_trigger() {
    let mut door = Door::at(20);
    let mut frame = 0;
    door.show(4.0, |t| {
        frame += 1;
        vec![face(shifting(300.0, t), 96.0, if frame % 2 == 0 { Bare } else { Unsure })]
    });
    assert_eq!(door.reminders(), [Reminder::Mask]);

    // Nobody is reminded of the past: bare for not quite long enough, then unsure.
    let mut door = Door::at(20);
    door.stand(0.7, Bare).stand(10.0, Unsure);
    assert_eq!(door.reminders(), []);
}

#[test]
fn a_mask_that_is_seen_half_of_the_time_is_a_mask() {
    for cycle in [2, 4, 8, 16] {
        let mut door = Door::at(10);
        let mut frame = 0;
        door.stand(1.0, Covered).show(60.0, |t| {
            frame += 1;
            vec![face(shifting(300.0, t), 96.0, if frame % cycle < cycle / 2 { Bare } else { Covered })]
        });
        assert_eq!(door.reminders(), [], "{cycle}");
    }
}

#[test]
fn evidence_for_a_mask_lasts_as_long_as_evidence_against_it() {
    for rate in RATES {
        // Minutes of a mask are not forgotten in the second that a stranger would be told in.
        let mut door = Door::at(rate);
        door.stand(20.0, Covered)
            .stand(1.9, Bare)
            .stand(20.0, Covered)
            .stand(1.9, NoseOut)
            .stand(5.0, Covered);
        assert_eq!(door.said, [], "{rate}/s");
        // But a mask that is taken off is taken off.
        door.stand(6.0, Bare);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn small_faces_doubtful_scores_and_doubtful_faces_take_longer() {
    let heard = |change: fn(&mut Face)| {
        let mut door = Door::at(10);
        let came = door.now;
        door.show(20.0, |t| {
            let mut face = face(shifting(300.0, t), 96.0, Bare);
            change(&mut face);
            vec![face]
        });
        door.said.first().map(|(at, _)| (*at - came).as_secs_f32())
    };
    let clear = heard(|_| ()).unwrap();
    assert!(
        heard(|face| face.bounds = Rect::centred(face.bounds.centre().0, 240.0, 20.0, 24.0)).unwrap()
            > 1.5 * clear
    );
    assert!(heard(|face| face.mouth = 0.7).unwrap() > 1.5 * clear);
    assert!(heard(|face| face.score = 0.65).unwrap() > 1.5 * clear);
    // At even odds nothing is learnt.
    assert_eq!(heard(|face| face.mouth = 0.5), None);
}

#[test]
fn the_agreement_time_sets_the_pace() {
    for seconds in [0u32, 1, 3, 10] {
        let times = Times { agreement: Duration::from_secs(seconds.into()), ..Times::default() };
        let mut door = Door { policy: Policy::new(times), ..Door::at(10) };
        door.nobody(5.0);
        let came = door.now;
        door.stand(30.0, Bare);
        let heard = (door.said[0].0 - came).as_secs_f32();
        let least = seconds as f32;
        assert!(heard >= least && heard <= 1.2 * least + 0.6, "{seconds} s: {heard}");
    }
}

#[test]
fn a_nose_that_flickers_into_a_mouth_is_told_once_as_what_it_mostly_is() {
    for (cycle, bare) in [(7, 5), (12, 6), (14, 7)] {
        let mut door = Door::at(10);
        let mut frame = 0;
        door.stand(1.5, Bare).show(60.0, |t| {
            frame += 1;
            vec![face(shifting(300.0, t), 96.0, if frame % cycle < bare { Bare } else { NoseOut })]
        });
        assert_eq!(door.reminders(), [Reminder::Mask], "{bare} of {cycle}");
    }
}

#[test]
fn whoever_is_called_has_been_told_however_the_belief_is_split() {
    for score in 0..100 {
        let mut door = Door::at(10);
        let mut frame = 0;
        door.show(60.0, |t| {
            frame += 1;
            let face = face(shifting(300.0, t), 96.0, if frame % 2 == 0 { Bare } else { NoseOut });
            vec![Face {
                score: 0.9 + 0.001 * score as f32,
                mouth: if frame % 2 == 0 { 0.949 } else { 0.05 },
                ..face
            }]
        });
        let masks = door.reminders().iter().filter(|&&reminder| reminder == Reminder::Mask).count();
        assert!(masks <= 1 && door.said.len() - masks <= 1, "{score}: {:?}", door.said);
    }
}

#[test]
fn after_doubt_a_look_is_no_more_than_a_look() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.stand(2.0, Covered);
        for _ in 0..100 {
            let look = 1.0 / rate as f32;
            door.stand(0.4, Unsure).stand(look / 2.0, Bare).stand(look / 2.0, Covered);
        }
        assert_eq!(door.reminders(), [], "{rate}/s");
    }
}

#[test]
fn no_settings_make_one_visit_two() {
    let times = Times { rearm: Duration::ZERO, pause: Duration::ZERO, ..Times::default() };
    let mut door = Door { policy: Policy::new(times), ..Door::at(10) };
    for _ in 0..10 {
        door.stand(5.0, Bare).stand(5.0, Covered);
    }
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

#[test]
fn who_puts_the_mask_on_under_the_nose_hears_the_second_tone_after_the_pause() {
    let mut door = Door::at(10);
    door.stand(2.0, Bare).stand(10.0, NoseOut).stand(20.0, Bare).stand(20.0, NoseOut);
    assert_eq!(door.reminders(), [Reminder::Mask, Reminder::Nose]);
    assert!(door.said[1].0 - door.said[0].0 >= Times::default().pause);
}

// Who is a visitor.

#[test]
fn a_poster_is_never_spoken_to_though_it_flickers_and_is_passed() {
    for rate in [5, 10, 30] {
        let mut door = Door::new(rate);
        let poster = || face(300.0, 90.0, Bare);
        door.show(60.0, |_| vec![poster()]).nobody(20.0).show(20.0, |_| vec![poster()]);
        for _ in 0..3 {
            // Somebody in a mask walks before it, and hides it while there.
            door.show(6.0, |t| {
                let visitor = face(120.0 * t, 110.0, Covered);
                let hidden = (visitor.bounds.centre().0 - 300.0).abs() < 80.0;
                if hidden { vec![visitor] } else { vec![visitor, poster()] }
            });
            door.nobody(600.0).show(20.0, |_| vec![poster()]);
        }
        assert_eq!(door.reminders(), [], "{rate}/s");
        // Somebody bare is told all the same, and once.
        door.show(6.0, |t| vec![face(120.0 * t, 110.0, Bare), poster()]).show(60.0, |_| vec![poster()]);
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn a_poster_is_known_again_after_six_days() {
    let mut door = Door::new(5);
    for _ in 0..2 {
        door.show(60.0, |_| vec![face(300.0, 90.0, Bare)]);
        door.now += Duration::from_secs(6 * 24 * 3600);
    }
    assert_eq!(door.reminders(), []);
}

#[test]
fn a_poster_is_known_again_in_the_morning() {
    let mut door = Door::new(5);
    for _ in 0..3 {
        door.show(100.0, |_| vec![face(300.0, 90.0, Bare)]);
        door.now += Duration::from_secs(14 * 3600);
    }
    assert_eq!(door.reminders(), []);
}

#[test]
fn what_comes_and_goes_without_moving_is_told_once_at_most() {
    for (x, seen, gone) in [(60.0, 3.0, 5.0), (300.0, 3.0, 35.0), (300.0, 6.0, 31.0)] {
        let mut door = Door::at(5);
        for _ in 0..50 {
            door.show(seen, |_| vec![face(x, 90.0, Bare)]).nobody(gone);
        }
        assert_eq!(door.reminders(), [Reminder::Mask], "{x} {seen} {gone}");
    }
}

#[test]
fn two_things_of_which_now_one_is_seen_and_now_the_other_are_no_walker() {
    for rate in [3, 5, 10] {
        for apart in [55.0, 88.0, 132.0] {
            for seed in 0..20 {
                let mut door = Door::new(rate);
                let mut next = noise(seed);
                door.show(60.0, |_| {
                    let both = [face(300.0, 48.0, Bare), face(300.0 + apart, 48.0, Bare)];
                    both.into_iter().filter(|_| next() > -0.2).collect()
                });
                assert_eq!(door.reminders(), [], "{rate}/s, {apart}, {seed}");
            }
        }
    }
}

#[test]
fn a_poster_that_was_there_when_a_tone_sounded_is_still_a_poster() {
    let mut door = Door::new(10);
    let poster = || face(300.0, 90.0, Bare);
    door.show(60.0, |_| vec![poster()]);
    door.show(4.0, |t| vec![face(660.0 - 160.0 * t, 110.0, Bare), poster()]).show(10.0, |_| vec![poster()]);
    assert_eq!(door.reminders(), [Reminder::Mask]);
    // It is missed, and somebody in a mask is first seen beside it.
    door.nobody(1.5).show(2.0, |t| vec![face(400.0 + 20.0 * t, 90.0, Covered)]);
    door.show(10.0, |t| vec![face(440.0 + 20.0 * t, 90.0, Covered), poster()]);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

/// Numbers of −1 to 1 that look like chance.
fn noise(seed: u32) -> impl FnMut() -> f32 {
    // Numerical Recipes' linear congruential generator.
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

#[test]
fn what_trembles_in_its_place_is_no_visitor() {
    for seed in 0..20u32 {
        let mut door = Door::new(10);
        let mut next = noise(seed);
        door.show(600.0, |_| {
            let height = 40.0 * (1.0 + 0.1 * next());
            // It comes and goes.
            if next() > 0.3 { vec![face(200.0 + 6.0 * next(), height, Bare)] } else { vec![] }
        });
        assert_eq!(door.reminders(), [], "{seed}");
    }
}

#[test]
fn who_suddenly_is_there_and_keeps_still_is_told_when_there_is_no_doubt() {
    let mut door = Door::at(10);
    let came = door.now;
    door.show(10.0, |_| vec![face(300.0, 90.0, Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask]);
    assert!(door.said[0].0 - came > MS * 1500, "{:?}", door.said[0].0 - came);

    // Far away nobody is: what suddenly is there is more likely something else.
    let mut door = Door::at(10);
    door.show(60.0, |_| vec![face(300.0, 50.0, Bare)]);
    assert_eq!(door.reminders(), []);
}

#[test]
fn who_walks_in_and_stands_still_is_a_visitor() {
    let mut door = Door::at(10);
    door.show(1.0, |t| vec![face(100.0 + 200.0 * t, 90.0, Unsure)]);
    door.show(20.0, |_| vec![face(300.0, 90.0, Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

#[test]
fn who_comes_straight_on_is_a_visitor() {
    let mut door = Door::new(10);
    door.show(4.0, |t| vec![face(320.0, 34.0 * (150.0f32 / 34.0).powf(t / 4.0), Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

// What is one visit.

#[test]
fn who_stays_and_looks_away_is_told_once() {
    for rate in RATES {
        let mut door = Door::at(rate);
        for _ in 0..120 {
            door.stand(25.0, Bare).nobody(5.0);
        }
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn who_leaves_at_the_edge_and_comes_back_is_told_again() {
    for rate in RATES {
        let mut door = Door::at(rate);
        let walk = |t: f32| vec![face(660.0 - 160.0 * t, 90.0, Bare)];
        door.show(4.2, walk).nobody(5.0).show(4.2, walk);
        assert_eq!(door.reminders(), [Reminder::Mask; 2], "{rate}/s");

        // Out at the edge, and in again where they went out; who only steps aside is the same.
        for (away, reminders) in [(5.0, 2), (2.0, 1)] {
            let mut door = Door::at(rate);
            let out = |t: f32| vec![face(360.0 - 100.0 * t, 90.0, Bare)];
            door.show(3.0, out).nobody(away).show(3.0, |t| out(3.0 - t));
            assert_eq!(door.reminders().len(), reminders, "{rate}/s");
        }
    }
}

#[test]
fn who_has_been_gone_from_the_middle_for_long_is_a_new_visitor() {
    let mut door = Door::at(10);
    door.stand(4.0, Bare).nobody(20.0).stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask]);
    door.nobody(40.0).stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

#[test]
fn in_a_mask_after_an_absence_it_is_somebody_else_who_may_be_told() {
    let mut door = Door::at(10);
    door.stand(4.0, Bare).nobody(8.0).stand(4.0, Covered).stand(8.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
    // Without the absence it is the same visit.
    let mut door = Door::at(10);
    door.stand(4.0, Bare).stand(6.0, Covered).stand(8.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask]);
}

#[test]
fn stills_held_before_the_camera_are_visitors_too() {
    // As the emulated entrance shows them: at one place, without moving.
    for rate in [3, 10] {
        let mut door = Door::at(rate);
        let still = |verdict| move |_| vec![face(300.0, 130.0, verdict)];
        door.show(5.0, still(Bare)).nobody(20.0).show(5.0, still(Covered)).show(8.0, still(Bare));
        assert_eq!(door.reminders(), [Reminder::Mask; 2], "{rate}/s");
    }
}

#[test]
fn a_camera_that_was_away_ends_visits_like_an_empty_door_does() {
    let mut door = Door::at(10);
    door.stand(4.0, Bare);
    // Not even `observe` is called.
    door.now += Duration::from_secs(20);
    door.stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask]);
    door.now += Duration::from_secs(40);
    door.stand(4.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

#[test]
fn two_who_come_in_bare_together_hear_one_tone() {
    for rate in RATES {
        let mut door = Door::at(rate);
        door.show(20.0, |t| {
            let mut faces = vec![face(shifting(200.0, t), 96.0, Bare)];
            faces.extend((t > 0.25).then(|| face(shifting(420.0, t), 108.0, Bare)));
            faces
        });
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn one_who_follows_bare_hears_a_tone_of_their_own_when_the_pause_is_over() {
    let mut door = Door::at(10);
    door.stand(3.0, Bare);
    door.show(10.0, |t| vec![face(shifting(300.0, t), 96.0, Bare), face(shifting(500.0, t), 96.0, Bare)]);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
    let between = door.said[1].0 - door.said[0].0;
    assert!(between >= Times::default().pause && between <= Times::default().pause + 2 * door.frame);
}

#[test]
fn the_masked_companion_of_a_bare_visitor_can_still_be_reminded() {
    let mut door = Door::at(10);
    let two = |t, other| vec![face(shifting(200.0, t), 96.0, Bare), face(shifting(420.0, t), 96.0, other)];
    door.show(8.0, |t| two(t, Covered)).show(8.0, |t| two(t, Bare));
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

#[test]
fn who_cross_keep_their_tracks_and_nobody_is_told_twice() {
    for rate in [5, 10, 15, 30] {
        for (hidden, start) in [(0.0, 0.0), (0.0, 3.0), (40.0, 0.0), (40.0, 3.0)] {
            let mut door = Door::at(rate);
            let mut ids = Vec::new();
            let both = |t: f32| {
                let (one, other) = (80.0 + start + 120.0 * t, 560.0 - 120.0 * t);
                let apart = (one - other).abs() > hidden;
                // Of equal size; the masked one goes behind.
                let mut faces = vec![face(one, 84.0, Bare)];
                faces.extend(apart.then(|| face(other, 84.0, Covered)));
                faces
            };
            let began = door.now;
            for _ in 0..4 * rate {
                let faces = both((door.now - began).as_secs_f32());
                let call = door.policy.observe(door.now, &PICTURE, &faces);
                door.said.extend(call.map(|call| (door.now, call.reminder)));
                door.now += door.frame;
                ids.push(door.policy.tracks().to_vec());
            }
            assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
            assert_eq!(ids[0], [Some(TrackId(1)), Some(TrackId(2))]);
            assert_eq!(ids.last(), Some(&ids[0]), "{rate}/s, hidden for {hidden}: {ids:?}");
        }
    }
}

#[test]
fn who_meet_and_turn_back_are_told_apart_by_what_they_wear() {
    for rate in [5, 10, 30] {
        let mut door = Door::at(rate);
        // They come to within a third of a face and go back to where they came from.
        let apart = |t: f32| 12.0 + 100.0 * (t - 2.0).abs();
        let both = |t| vec![face(320.0 - apart(t), 84.0, Bare), face(320.0 + apart(t), 84.0, Covered)];
        door.show(0.1, |_| both(0.0));
        let ids = door.policy.tracks().to_vec();
        door.show(4.0, both);
        assert_eq!(door.policy.tracks(), ids, "{rate}/s");
        assert_eq!(door.reminders(), [Reminder::Mask], "{rate}/s");
    }
}

#[test]
fn two_who_pass_each_other_keep_their_tracks() {
    let mut door = Door::at(15);
    let mut ids = Vec::new();
    for step in 0u8..30 {
        let x = f32::from(step) * 16.0;
        // One near the camera, one behind: where they meet, each comes to where the other was.  Sizes tell them apart.
        let faces = [face(80.0 + x, 132.0, Covered), face(576.0 - x, 77.0, Covered)];
        door.policy.observe(door.now, &PICTURE, &faces);
        door.now += door.frame;
        ids.push(door.policy.tracks().to_vec());
    }
    assert_eq!(ids[0], [Some(TrackId(1)), Some(TrackId(2))]);
    assert!(ids.iter().all(|frame| frame == &ids[0]), "{ids:?}");
}

#[test]
fn two_tracks_trade_faces_where_that_is_likelier_for_both() {
    // Both walk on by one face: the nearest pair is the first one's old place and the second one's new.
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(200.0, 96.0, Covered), face(300.0, 96.0, Covered)]);
    policy.observe(MS * 333, &PICTURE, &[face(290.0, 96.0, Covered), face(390.0, 96.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(1)), Some(TrackId(2))]);
}

#[test]
fn a_walker_at_three_frames_a_second_keeps_the_track() {
    let mut policy = Policy::default();
    for step in 0u8..6 {
        // 1.4 face widths, 112 pixels, from frame to frame: nothing overlaps.
        policy.observe(
            MS * 333 * step.into(),
            &PICTURE,
            &[face(20.0 + 112.0 * f32::from(step), 96.0, Covered)],
        );
        assert_eq!(policy.tracks(), [Some(TrackId(1))], "step {step}");
    }
}

#[test]
fn a_face_of_quite_another_size_is_another_person() {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(300.0, 48.0, Covered)]);
    policy.observe(MS * 100, &PICTURE, &[face(300.0, 144.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);
}

#[test]
fn the_order_of_faces_does_not_matter() {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(100.0, 80.0, Covered), face(400.0, 80.0, Bare)]);
    policy.observe(MS * 100, &PICTURE, &[face(402.0, 80.0, Bare), face(98.0, 80.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2)), Some(TrackId(1))]);
}

#[test]
fn who_is_in_view_comes_before_who_was_lost() {
    let mut policy = Policy::default();
    let both = [face(300.0, 80.0, Covered), face(420.0, 80.0, Covered)];
    policy.observe(Duration::ZERO, &PICTURE, &both);
    for step in 1..20 {
        policy.observe(MS * 100 * step, &PICTURE, &both[1..]);
        assert_eq!(policy.tracks(), [Some(TrackId(2))]);
    }
    // Halfway, and a bit nearer to where the first was lost two seconds ago.
    policy.observe(MS * 2000, &PICTURE, &[face(355.0, 80.0, Covered)]);
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
        policy.observe(MS * 100 * step, &PICTURE, &faces);
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
        policy.observe(MS * frame, &PICTURE, &crowd(frame));
        assert!(policy.tracks().iter().all(Option::is_some), "frame {frame}");
    }
    // Those of the last frame but one are still known.
    policy.observe(MS * 5, &PICTURE, &crowd(3));
    assert_eq!(policy.tracks()[0], Some(TrackId(3 * MAX_FACES as u32 + 1)));
}

#[test]
fn a_clock_that_starts_again_stops_nothing() {
    let mut door = Door::at(10);
    door.now = Duration::from_secs(1_000_000);
    door.stand(3.0, Bare).nobody(40.0);
    door.now = Duration::ZERO;
    door.stand(3.0, Bare);
    assert_eq!(door.reminders(), [Reminder::Mask; 2]);
}

// Where one thing ends and the next begins.

/// What a visit comes to when `face` is looked at so many times, `step` apart.
fn visited(face: &Face, step: Duration, looks: u32) -> Visit {
    let mut visit = Visit::default();
    visit.look(Duration::ZERO, face, &Times::default());
    for _ in 0..looks {
        visit.look(step, face, &Times::default());
    }
    visit
}

#[test]
fn a_look_after_no_more_than_a_short_miss_is_a_look() {
    let bare = face(300.0, 90.0, Bare);
    let due = |step| visited(&bare, step, 20).due(&bare, Bearing::Moved);
    assert_eq!(due(Times::SHORT_MISS), Some(Reminder::Mask));
    assert_eq!(due(Times::SHORT_MISS + Duration::from_nanos(1)), None);
}

#[test]
fn who_is_gone_for_longer_than_the_rearm_time_may_be_somebody_else() {
    let (bare, covered) = (face(300.0, 90.0, Bare), face(300.0, 90.0, Covered));
    let is_told = |absent| {
        let mut visit = visited(&bare, MS * 100, 30);
        visit.tell(Reminder::Mask);
        visit.look(absent, &covered, &Times::default());
        for _ in 0..50 {
            visit.look(MS * 100, &covered, &Times::default());
        }
        visit.is_told()
    };
    assert!(is_told(Times::default().rearm));
    assert!(!is_told(Times::default().rearm + Duration::from_nanos(1)));
}

#[test]
fn a_face_that_does_not_move_is_spoken_to_from_a_height_on() {
    for (height, expected) in [(55.9, None), (56.0, Some(Reminder::Mask)), (200.0, Some(Reminder::Mask))] {
        let bounds = Rect::new(0.0, 0.0, 50.0, height);
        let bare = Face { bounds, ..face(300.0, 90.0, Bare) };
        assert_eq!(visited(&bare, MS * 100, 50).due(&bare, Bearing::Appeared), expected, "{height}");
        for bearing in [Bearing::There, Bearing::Thing] {
            assert_eq!(visited(&bare, MS * 100, 50).due(&bare, bearing), None, "{height} {bearing:?}");
        }
    }
}

#[test]
fn what_is_heard_counts_for_whom_it_fits() {
    for (verdict, bearing, reminder, is_told) in [
        (Bare, Bearing::Moved, Reminder::Mask, true),
        (Bare, Bearing::Appeared, Reminder::Mask, true),
        (Bare, Bearing::Moved, Reminder::Nose, false),
        (NoseOut, Bearing::Moved, Reminder::Nose, true),
        (Covered, Bearing::Moved, Reminder::Mask, false),
        (Bare, Bearing::There, Reminder::Mask, false),
        (Bare, Bearing::Thing, Reminder::Mask, false),
    ] {
        let mut visit = visited(&face(300.0, 90.0, verdict), MS * 100, 20);
        visit.hear(bearing, reminder);
        assert_eq!(visit.is_told(), is_told, "{verdict:?} {bearing:?} {reminder:?}");
    }
}

#[test]
fn a_verdict_surprises_by_how_unlikely_it_was() {
    for (verdict, expected) in [(Covered, 0.4), (NoseOut, 0.85), (Bare, 0.75), (Unsure, 0.0)] {
        let surprise = Visit::default().surprise(verdict);
        assert!((surprise - expected).abs() < 1e-6, "{verdict:?}: {surprise}");
    }
}

#[test]
fn what_is_due_in_a_pause_sounds_at_its_very_end() {
    let mut door = Door::at(10);
    door.show(20.0, |t| vec![face(shifting(150.0, t), 96.0, Bare), face(shifting(500.0, t), 96.0, NoseOut)]);
    assert_eq!(door.reminders(), [Reminder::Mask, Reminder::Nose]);
    assert_eq!(door.said[1].0 - door.said[0].0, Times::default().pause);
}

#[test]
fn a_room_is_known_after_a_fifth_of_a_second() {
    for (came, expected) in [(199, &[][..]), (200, &[Reminder::Mask])] {
        let mut door = Door::new(10);
        door.policy.observe(Duration::ZERO, &PICTURE, &[]);
        door.now = MS * came;
        door.show(10.0, |_| vec![face(300.0, 90.0, Bare)]);
        assert_eq!(door.reminders(), expected, "{came} ms");
    }
}

/// The number of the track of a face at the second of these, `time` after the first was seen there, if it is the only one.
fn followed(first: Face, time: Duration, second: Face) -> u32 {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[first]);
    policy.observe(time, &PICTURE, &[second]);
    policy.tracks()[0].unwrap().0
}

#[test]
fn a_track_reaches_four_faces_and_twice_the_size_and_no_further() {
    // 44 pixels of size.
    let first = face(100.0, 48.0, Covered);
    for (x, track) in [(276.0, 1), (276.5, 2)] {
        assert_eq!(followed(first, MS * 500, face(x, 48.0, Covered)), track, "{x}");
        let below = face_at(100.0, 140.0 + x, 48.0, Covered);
        assert_eq!(followed(first, MS * 500, below), track, "{x} below");
    }
    for (height, track) in [(96.0, 1), (96.5, 2), (24.0, 1), (23.5, 2)] {
        assert_eq!(followed(first, MS * 100, face(100.0, height, Covered)), track, "{height}");
    }
    // Who was missed for longer has not walked.
    for (time, track) in [(Times::SHORT_MISS, 1), (Times::SHORT_MISS + Duration::from_nanos(1), 2)] {
        assert_eq!(followed(first, time, face(200.0, 48.0, Covered)), track, "{time:?}");
    }
    // At once it reaches as far as a nod.
    for (x, track) in [(125.0, 1), (128.0, 2)] {
        assert_eq!(followed(first, Duration::ZERO, face(x, 48.0, Covered)), track, "{x}");
    }
}

#[test]
fn what_was_lost_before_it_moved_or_is_a_thing_does_not_walk() {
    for (seen, gone, x, track) in [
        // Lost, or just missed.
        (2.0, 1.2, 314.0, 1),
        (2.0, 1.2, 330.0, 2),
        (2.0, 0.5, 330.0, 1),
        // A thing has less play even in view.
        (40.0, 0.0, 314.0, 1),
        (40.0, 0.0, 330.0, 2),
        (20.0, 0.0, 330.0, 1),
    ] {
        let mut door = Door::at(10);
        door.show(seen, |_| vec![face(300.0, 48.0, Covered)]).nobody(gone);
        door.show(0.05, |_| vec![face(x, 48.0, Covered)]);
        assert_eq!(door.policy.tracks(), [Some(TrackId(track))], "{seen} s, gone {gone} s, {x}");
    }
}

#[test]
fn tracks_trade_faces_only_where_both_together_get_likelier() {
    // Places in sizes of a face: each has moved by less than half of one, and what the other took is twice as far.
    let at = |sizes: f32| face(300.0 + 44.0 * sizes, 48.0, Unsure);
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[at(0.0), at(-0.45)]);
    policy.observe(MS * 100, &PICTURE, &[at(0.45), at(-0.9)]);
    assert_eq!(policy.tracks(), [Some(TrackId(1)), Some(TrackId(2))]);
}

#[test]
fn size_tells_two_apart_who_are_as_near_and_nearness_two_of_a_size() {
    // Halfway between two, and nearly as large as the farther one.
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(300.0, 48.0, Covered), face(344.0, 66.0, Covered)]);
    policy.observe(MS * 100, &PICTURE, &[face(319.0, 60.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);

    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(300.0, 48.0, Covered), face(360.0, 48.0, Covered)]);
    policy.observe(MS * 100, &PICTURE, &[face(345.0, 48.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);
}

#[test]
fn growth_counts_twice_as_much_as_distance() {
    // Half a face away and as large, or in its place and larger by a factor of e to the power of a third.
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(300.0, 48.0, Covered), face(322.0, 67.6, Covered)]);
    policy.observe(MS * 100, &PICTURE, &[face(322.0, 48.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(1))]);
}

#[test]
fn who_was_just_missed_comes_after_who_is_in_view() {
    let mut policy = Policy::default();
    let both = [face(300.0, 48.0, Covered), face(344.0, 48.0, Covered)];
    policy.observe(Duration::ZERO, &PICTURE, &both);
    for step in 1..8 {
        policy.observe(MS * 100 * step, &PICTURE, &both[1..]);
    }
    // A bit nearer to the first.
    policy.observe(MS * 800, &PICTURE, &[face(320.0, 48.0, Covered)]);
    assert_eq!(policy.tracks(), [Some(TrackId(2))]);
}

#[test]
fn of_faces_that_are_alike_the_first_is_whose_track_is_first() {
    let mut policy = Policy::default();
    policy.observe(Duration::ZERO, &PICTURE, &[face(300.0, 48.0, Covered), face(344.0, 48.0, Covered)]);
    policy.observe(MS * 100, &PICTURE, &[face(322.0, 48.0, Covered); 2]);
    assert_eq!(policy.tracks(), [Some(TrackId(1)), Some(TrackId(2))]);
}

#[test]
fn who_was_told_is_told_something_else_only_without_doubt() {
    let nose = face(300.0, 90.0, NoseOut);
    let looks = |told: Option<Reminder>| {
        let is_due = |&looks: &u32| {
            let mut visit = visited(&nose, MS * 10, looks);
            told.into_iter().for_each(|reminder| visit.tell(reminder));
            visit.due(&nose, Bearing::Moved) == Some(Reminder::Nose)
        };
        (0..1000).find(is_due)
    };
    let (first, second) = (looks(None).unwrap(), looks(Some(Reminder::Mask)).unwrap());
    assert!(second > first + 10, "{first} and {second} looks");
    assert_eq!(looks(Some(Reminder::Nose)), None);
}

#[test]
fn how_soon_somebody_may_have_changed_goes_by_the_agreement_time() {
    for (agreement, expected) in [(100, 0.52), (1000, 0.93), (10_000, 0.99)] {
        let mut belief = Belief::default();
        for _ in 0..100 {
            belief.look(&face(300.0, 90.0, Bare), MS * 100, Times::default().agreement);
        }
        belief.pass(MS * 100_000, MS * agreement);
        let bare = belief.of(Reminder::Mask);
        assert!((bare - expected).abs() < 0.01, "{agreement} ms: {bare}");
    }
}

const TENTH: Duration = Duration::from_millis(100);

fn place(x: f32, y: f32, size: f32) -> Place {
    Place { x, y, size }
}

/// How something counts that is seen at `first` and then, two seconds long, at `then`.
fn bearing_of(first: Place, then: Place) -> Bearing {
    let mut motion = Motion::new(first, &PICTURE, Bearing::Appeared);
    for _ in 0..20 {
        motion.moves(TENTH, then, &PICTURE);
    }
    motion.bearing()
}

#[test]
fn what_moves_by_less_than_half_a_face_has_not_moved_whichever_way() {
    let first = place(300.0, 200.0, 50.0);
    for (x, y) in [(24.0, 0.0), (-24.0, 0.0), (0.0, 24.0), (0.0, -24.0), (16.0, 16.0)] {
        assert_eq!(bearing_of(first, place(300.0 + x, 200.0 + y, 50.0)), Bearing::Appeared, "{x} {y}");
    }
    for (x, y) in [(26.0, 0.0), (-26.0, 0.0), (0.0, 26.0), (19.0, -19.0)] {
        assert_eq!(bearing_of(first, place(300.0 + x, 200.0 + y, 50.0)), Bearing::Moved, "{x} {y}");
    }
    // Six tenths are no jump yet.
    assert_eq!(bearing_of(first, place(330.0, 200.0, 50.0)), Bearing::Moved);
    assert_eq!(bearing_of(first, place(331.0, 200.0, 50.0)), Bearing::Appeared);
    // There for a single look it has not moved.
    for then in [place(328.0, 200.0, 50.0), place(300.0, 228.0, 50.0), place(300.0, 200.0, 85.0)] {
        let mut motion = Motion::new(first, &PICTURE, Bearing::Appeared);
        for place in [then, first, first] {
            motion.moves(TENTH, place, &PICTURE);
        }
        assert_eq!(motion.bearing(), Bearing::Appeared, "{then:?}");
    }
    // A step with as much growth is none either.
    assert_eq!(bearing_of(first, place(315.0, 200.0, 64.0)), Bearing::Moved);
    assert_eq!(bearing_of(first, place(324.0, 200.0, 72.0)), Bearing::Appeared);
}

#[test]
fn two_looks_at_one_moment_leave_a_track_where_it_was() {
    let first = place(300.0, 200.0, 50.0);
    let mut motion = Motion::new(first, &PICTURE, Bearing::Appeared);
    motion.moves(Duration::ZERO, first, &PICTURE);
    let expected = motion.expected(TENTH);
    assert_eq!((expected.x, expected.y), (300.0, 200.0));
}

/// A bare visitor who wanders before the door, near enough to be judged, while the camera and the models do what they do.
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
    (3.0f32..=60.0, 0.0f32..=0.15, 6usize..20, miss, 60.0f32..150.0, 0.8f32..4.0, 1.0f32..1.5, noise)
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
        presence: score,
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
            .filter_map(|(at, faces)| Some((*at, policy.observe(*at, &PICTURE, faces)?)))
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
            if policy.observe(now, &PICTURE, &faces).is_some() {
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
            prop_assert_eq!(policy.observe(now, &PICTURE, &faces), None);
        }
    }

    #[test]
    fn who_was_masked_for_most_of_the_last_seconds_hears_nothing(
        // Stretches of one verdict, tenths of a second.
        stretches in prop::collection::vec((prop::sample::select(vec![Bare, NoseOut, Covered, Covered, Unsure]), 1u32..30), 1..40),
        rate in prop::sample::select(RATES.to_vec()),
    ) {
        let mut door = Door::at(rate);
        let mut looks = Vec::new();
        for (verdict, tenths) in stretches {
            let start = door.now;
            while door.now - start < MS * 100 * tenths {
                let t = door.now.as_secs_f32();
                looks.push(verdict);
                if door.policy.observe(door.now, &PICTURE, &[face(shifting(300.0, t), 96.0, verdict)]).is_some() {
                    let recent = &looks[looks.len().saturating_sub(3 * rate as usize)..];
                    let count = |wanted: &[Verdict]| recent.iter().filter(|look| wanted.contains(look)).count();
                    prop_assert!(3 * count(&[Covered]) < 2 * recent.len().max(3 * rate as usize), "{:?}", recent);
                    prop_assert!(verdict == Bare || verdict == NoseOut);
                }
                door.now += door.frame;
            }
        }
    }

    #[test]
    fn a_masked_visitor_is_not_reminded_because_of_a_bare_one(wander in wander(), bare_for in 1.0f32..10.0) {
        // The bare one leaves; whatever is said afterwards would be to the masked one.
        let mut policy = Policy::default();
        let mut said = 0;
        let mut beside = face(320.0, 80.0, Bare);
        for (at, mut faces) in wander.frames(20.0) {
            for found in &mut faces {
                *found = Face { bounds: found.bounds, ..face(0.0, 1.0, Covered) };
            }
            let t = at.as_secs_f32();
            let bare_is_here = t < bare_for;
            // A little more than a head lower.
            beside = faces.first().map_or(beside, |face| {
                let (x, y) = face.bounds.centre();
                face_at(x, y + 1.6 * face.bounds.height(), face.bounds.height(), Bare)
            });
            faces.extend(bare_is_here.then_some(beside));
            let call = policy.observe(at, &PICTURE, &faces);
            prop_assert!(call.is_none() || bare_is_here, "at {:?}", at);
            said += usize::from(call.is_some());
        }
        prop_assert!(said <= 1);
    }

    #[test]
    fn whatever_comes_nothing_panics(
        frames in prop::collection::vec((any::<Duration>(), prop::collection::vec(any_face(), 0..40)), 1..60),
        times in (any::<Duration>(), any::<Duration>(), any::<Duration>()),
        picture in any_face(),
        small_steps in any::<bool>(),
    ) {
        let mut policy = Policy::new(Times { agreement: times.0, rearm: times.1, pause: times.2 });
        for (index, (now, faces)) in frames.iter().enumerate() {
            // Wild jumps forget everybody: every other run has time to meet known tracks.
            let now = if small_steps { MS * 50 * index as u32 } else { *now };
            policy.observe(now, &picture.bounds, faces);
            prop_assert_eq!(policy.tracks().len(), faces.len().min(MAX_FACES));
        }
    }
}
