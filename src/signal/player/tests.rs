use std::collections::BTreeSet;

use super::*;

const MS: Duration = Duration::from_millis(1);
const NOTHING: Told =
    Told { tones: 0, frames: 0, camera: None, model: false, restarts: false, buzzer: false, config: false };

fn told(tones: &[Tone]) -> Told {
    Told { tones: tones.iter().fold(0, |bits, &tone| bits | tone as u8), ..NOTHING }
}

/// The pitches that sound from `from` milliseconds on, and since when, as a player shows them that is asked when it
/// said so.
fn listen(player: &mut Player, from: u32, until: u32) -> Vec<(u128, Option<u32>)> {
    let mut heard: Vec<(u128, Option<u32>)> = Vec::new();
    let mut now = MS * from;
    while now < MS * until {
        let scene = player.advance(now, NOTHING);
        let pitch = scene.pitch.map(|pitch| pitch as u32);
        if heard.last().is_none_or(|&(_, last)| last != pitch) {
            heard.push((now.as_millis(), pitch));
        }
        assert!(scene.until.is_none_or(|until| until > now), "the player spins at {now:?}");
        now = scene.until.unwrap_or(MS * until);
    }
    heard
}

#[test]
fn a_reminder_sounds_at_once_and_ends_on_time() {
    let mut player = Player::new(Melodies::default());
    player.advance(MS * 500, told(&[Tone::Mask]));
    let expected = [(500, Some(1975)), (620, Some(2489)), (740, None)];
    assert_eq!(listen(&mut player, 500, 3000), expected);
}

#[test]
fn late_for_one_note_is_in_time_for_the_next() {
    let mut player = Player::new(Melodies::default());
    player.advance(Duration::ZERO, told(&[Tone::Mask]));
    let late = player.advance(MS * 180, NOTHING);
    assert_eq!((late.pitch.map(|pitch| pitch as u32), late.until), (Some(2489), Some(MS * 200)));
    // (The LED's next phase ends before the note.)
    assert_eq!(player.advance(MS * 239, NOTHING).pitch.map(|pitch| pitch as u32), Some(2489));
    assert_eq!(player.advance(MS * 240, NOTHING).pitch, None);
}

#[test]
fn a_tone_in_progress_is_finished_and_the_next_one_waits_and_is_heard_apart() {
    let mut player = Player::new(Melodies::default());
    player.advance(Duration::ZERO, told(&[Tone::Nose]));
    player.advance(MS * 50, told(&[Tone::Mask]));
    let heard = listen(&mut player, 50, 3000);
    let expected = [
        (50, Some(2959)),
        (120, Some(2489)),
        (240, Some(1975)),
        (360, None),
        (660, Some(1975)),
        (780, Some(2489)),
        (900, None),
    ];
    // The first entry is when we began to listen; frequencies are cut to whole Hz.
    assert_eq!(heard, expected);
}

#[test]
fn a_reminder_that_sounds_or_waits_is_not_repeated() {
    let mut player = Player::new(Melodies::default());
    player.advance(Duration::ZERO, told(&[Tone::Mask]));
    player.advance(MS * 100, told(&[Tone::Mask, Tone::Nose]));
    player.advance(MS * 200, told(&[Tone::Nose]));
    let heard = listen(&mut player, 200, 5000);
    // The rest of the mask's, the nose's three notes, silence.
    assert_eq!(heard.iter().filter(|(_, pitch)| pitch.is_some()).count(), 1 + 3, "{heard:?}");
    // Once it is over it can be asked for again.
    player.advance(MS * 5000, told(&[Tone::Mask]));
    assert_eq!(listen(&mut player, 5000, 6000).len(), 3);
}

/// When the LED goes on and off, as pairs of milliseconds, while `told` says what is known at each moment.
fn watch(player: &mut Player, until: u32, told: impl Fn(u32) -> Told) -> Vec<(u32, u32)> {
    let mut lit: Vec<(u32, u32)> = Vec::new();
    let mut was = false;
    for now in 0..until {
        let is = player.advance(MS * now, told(now)).lit;
        if is && !was {
            lit.push((now, now));
        }
        if let Some(last) = lit.last_mut().filter(|_| is) {
            last.1 = now + 1;
        }
        was = is;
    }
    lit
}

/// A camera that gives a frame every 100 ms from `first` until `last`, milliseconds.
fn frames(first: u32, last: u32) -> impl Fn(u32) -> Told {
    move |now| Told { frames: if now < first { 0 } else { (now.min(last) - first) / 100 + 1 }, ..NOTHING }
}

#[test]
fn it_blinks_fast_until_the_first_frame_then_three_times_then_beats() {
    let mut player = Player::new(Melodies::default());
    let lit = watch(&mut player, 5000, frames(1000, 9999));
    let fast: Vec<_> = (0..5).map(|blink| (200 * blink, 200 * blink + 100)).collect();
    assert_eq!(lit[..5], fast);
    assert_eq!(lit[5..8], [(1000, 1150), (1300, 1450), (1600, 1750)]);
    assert_eq!(lit[8..], [(1900, 2000), (2900, 3000), (3900, 4000), (4900, 5000)]);
}

#[test]
fn the_beat_stops_when_frames_stop() {
    let mut player = Player::new(Melodies::default());
    let lit = watch(&mut player, 20_000, frames(0, 3500));
    // The cycle that is under way when the last frame comes, and at most one that this frame started.
    assert!(lit.last().is_some_and(|last| last.1 <= 5000), "{lit:?}");
    let scene = player.advance(MS * 20_000, frames(0, 3500)(20_000));
    assert_eq!(scene, Scene { pitch: None, lit: false, until: None });
    // The next frame revives it at once.
    assert!(player.advance(MS * 21_000, Told { frames: 1000, ..NOTHING }).lit);
}

#[test]
fn faults_of_the_camera_blink_until_frames_come_back() {
    let mut player = Player::new(Melodies::default());
    let lit = watch(&mut player, 20_000, |now| Told {
        camera: (3000..9000).contains(&now).then_some(Fault::NoFrames),
        ..frames(0, 99_999)(now)
    });
    let long: Vec<_> = lit.iter().filter(|(on, off)| off - on > 500).collect();
    // One cycle takes 3.5 s; one that has begun is finished.
    assert_eq!(long.len(), 2, "{lit:?}");
    let after = lit.iter().position(|&(on, _)| on == long[0].0).unwrap() + 1;
    assert!(lit[after..after + 2].iter().all(|(on, off)| off - on == 200), "{lit:?}");
    let beats: BTreeSet<_> = lit.iter().filter(|(on, _)| *on > 11_000).map(|(on, off)| off - on).collect();
    assert_eq!(beats, BTreeSet::from([100]));
}

#[test]
fn lasting_faults_show_in_place_of_the_beat_and_stop_with_the_frames() {
    for (fault, short) in [(Fault::NoBuzzer, 3), (Fault::BadConfig, 5)] {
        let mut player = Player::new(Melodies::default());
        let told = |now| Told {
            buzzer: fault == Fault::NoBuzzer,
            config: fault == Fault::BadConfig,
            ..frames(0, 6000)(now)
        };
        let lit = watch(&mut player, 30_000, told);
        let shorts = lit.iter().filter(|(on, off)| off - on == 200).count();
        let longs = lit.iter().filter(|(on, off)| off - on == 900).count();
        assert!(longs >= 2 && shorts == short * longs, "{fault:?}: {lit:?}");
        assert!(lit.last().is_some_and(|last| last.1 < 6000 + 10_000), "{fault:?}: {lit:?}");
    }
}

#[test]
fn a_model_that_does_not_load_is_shown_without_any_frame() {
    let mut player = Player::new(Melodies::default());
    let lit = watch(&mut player, 60_000, |_| Told { model: true, ..NOTHING });
    assert!(lit.iter().filter(|(on, off)| off - on == 900).count() > 10);
}

#[test]
fn of_several_lasting_faults_the_one_shows_that_explains_the_most() {
    let all = Told { frames: 1, model: true, restarts: true, buzzer: true, config: true, ..NOTHING };
    let all = Told { camera: Some(Fault::NoFrames), ..all };
    let shown = |told: Told| {
        let mut player = Player { greeted: true, ..Player::new(Melodies::default()) };
        player.next_cycle(told)
    };
    let without_camera = Told { camera: None, ..all };
    let without_model = Told { model: false, ..without_camera };
    let without_restarts = Told { restarts: false, ..without_model };
    let without_buzzer = Told { buzzer: false, ..without_restarts };
    let order = [all, without_camera, without_model, without_restarts, without_buzzer].map(shown);
    let codes = [Fault::NoFrames, Fault::NoModel, Fault::Restarts, Fault::NoBuzzer, Fault::BadConfig];
    assert_eq!(order, codes.map(|fault| Some(Pattern::Code(fault))));
    assert_eq!(shown(Told { config: false, ..without_buzzer }), Some(Pattern::Beat));
}

#[test]
fn restarts_are_shown_while_it_pauses_and_until_they_are_over() {
    let mut player = Player::new(Melodies::default());
    let restarts = |now| Told { restarts: now < 12_000, ..frames(6000, 20_000)(now) };
    let lit = watch(&mut player, 20_000, restarts);
    let blinks = |from, until, length| {
        lit.iter().filter(|(on, off)| (from..until).contains(on) && off - on == length).count()
    };
    // A code takes 6 seconds: one before there are frames, one after, and then it beats.
    assert_eq!((blinks(0, 6000, 900), blinks(0, 6000, 200)), (1, 7), "{lit:?}");
    assert_eq!(blinks(6000, 13_000, 900), 1, "{lit:?}");
    assert_eq!((blinks(15_000, 20_000, 900), blinks(15_000, 20_000, 100)), (0, 5), "{lit:?}");
}

#[test]
fn each_fault_is_noted_as_itself_and_one_can_be_over() {
    let notes = Notes::default();
    for fault in [Fault::NoCamera, Fault::NoFrames] {
        notes.fault(fault);
        assert_eq!(notes.take().camera, Some(fault));
    }
    let seen = |notes: &Notes| {
        let told = notes.take();
        [told.buzzer, told.model, told.config, told.restarts]
    };
    let faults = [Fault::NoBuzzer, Fault::NoModel, Fault::BadConfig, Fault::Restarts];
    for (count, fault) in faults.into_iter().enumerate() {
        assert!(!notes.has(fault));
        notes.fault(fault);
        assert!(notes.has(fault));
        assert_eq!(seen(&notes), [0, 1, 2, 3].map(|index| index <= count));
    }
    notes.over(Fault::Restarts);
    assert_eq!(seen(&notes), [true, true, true, false]);
}

#[test]
fn notes_come_over_once_and_frames_end_a_camera_fault() {
    let notes = Notes::default();
    notes.request(Tone::Nose);
    notes.request(Tone::Nose);
    notes.fault(Fault::NoCamera);
    notes.fault(Fault::BadConfig);
    let first = notes.take();
    assert_eq!((first.tones, first.camera, first.config), (Tone::Nose as u8, Some(Fault::NoCamera), true));
    assert_eq!(notes.take().tones, 0);
    assert!(notes.frame_done());
    assert!(!notes.frame_done());
    let after = notes.take();
    assert_eq!((after.frames, after.camera, after.config), (2, None, true));
    notes.frames.store(u32::MAX, Ordering::Relaxed);
    assert!(!notes.frame_done(), "the count starts again, the device does not");
}

#[test]
fn the_machines_clock_waits_for_a_moment_or_a_wake_up() {
    let clock = MachineClock::start();
    let until = clock.now() + 20 * MS;
    let mut turns = 0;
    while clock.now() < until {
        clock.wait(Some(until));
        turns += 1;
    }
    // It may wake up too early, but does not turn on the spot.
    assert!(turns < 100, "{turns} turns");
    thread::current().unpark();
    clock.wait(None);
}
