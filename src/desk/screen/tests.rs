use std::path::Path;

use super::*;
use crate::camera::pictures::load_picture;

/// Mean difference of a value, 0 to 255, up to which two screens are the same: other processors round otherwise.
const TOLERANCE: f32 = 0.01;

fn face(bounds: Rect, verdict: Verdict, mouth: f32, nose: f32) -> Face {
    Face { bounds, score: 0.97, mouth, nose, presence: 0.99, mouth_bounds: None, nose_bounds: None, verdict }
}

/// The sample's entrance with somebody in it.
fn screen(still: &str, verdict: Verdict) -> Screen {
    let picture = load_picture(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample").join(still)).unwrap();
    let mut screen = Screen::new(Thresholds::default(), "Esc or Q: close");
    screen.size = (picture.width() as usize, picture.height() as usize);
    screen.rgb = picture.into_raw();
    let near = face(Rect::new(262.0, 150.0, 378.0, 300.0), verdict, 0.97, 0.99);
    let far = face(Rect::new(470.0, 180.0, 482.0, 196.0), Verdict::Unsure, 0.45, 0.41);
    screen.faces = Faces::from_slice(&[near, far]).unwrap();
    screen.reminders = Some([1, 0]);
    screen.times = "640×480, look 320x240 in 9.4 ms, 10.0 frames/s".to_owned();
    screen
}

/// Holds what is painted against the stored screenshot of that name.  After a change that is wanted: look at what
/// `SCREENSHOTS=write cargo test --release screenshot` writes, and keep it.
#[track_caller]
fn assert_looks_like(screen: &Screen, name: &str) {
    let (width, height) = screen.fitting((640, 440));
    let mut rgb = Vec::new();
    screen.paint(&mut rgb, width, height);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/desk/screen").join(name);
    if std::env::var_os("SCREENSHOTS").is_some_and(|what| what == "write") {
        image::save_buffer(&path, &rgb, width as u32, height as u32, image::ColorType::Rgb8).unwrap();
    }
    let stored = load_picture(&path).unwrap();
    assert_eq!((stored.width() as usize, stored.height() as usize), (width, height), "{name}");
    let differ: f32 = rgb.iter().zip(stored.as_raw()).map(|(a, b)| f32::from(a.abs_diff(*b))).sum();
    let mean = differ / rgb.len() as f32;
    assert!(mean <= TOLERANCE, "{name}: differs by {mean} a value from the stored screenshot");
}

#[test]
fn screenshot_of_a_reminder() {
    let mut screen = screen("bare.jpg", Verdict::Bare);
    screen.banner = Some(Reminder::Mask);
    assert_looks_like(&screen, "reminder.png");
}

#[test]
fn screenshot_of_a_fault() {
    let mut screen = screen("masked.jpg", Verdict::Covered);
    screen.state = State::Fault(Fault::NoFrames);
    assert_looks_like(&screen, "fault.png");
}

#[test]
fn the_stored_screenshots_would_notice() {
    let paint = |screen: &Screen| {
        let mut rgb = Vec::new();
        screen.paint(&mut rgb, 640, 560);
        rgb
    };
    let before = screen("bare.jpg", Verdict::Bare);
    let mut after = screen("bare.jpg", Verdict::Bare);
    after.reminders = Some([2, 0]);
    let (a, b) = (paint(&before), paint(&after));
    let differ: u32 = a.iter().zip(&b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    assert!(differ as f32 / a.len() as f32 > TOLERANCE, "one letter is {}", differ as f32 / a.len() as f32);
}

#[test]
fn the_banner_stands_while_the_tone_lasts_and_long_enough_to_be_read() {
    let seconds = Duration::from_secs_f32;
    let melodies = Melodies { nose: "x:d=1,b=60:c,d".parse().unwrap(), ..Melodies::default() };
    let mut banner = Banner::new(&melodies);
    assert_eq!(banner.at(seconds(0.0)), None);
    banner.sounds(Reminder::Mask, seconds(10.0));
    let mask = Some(Reminder::Mask);
    assert_eq!([10.0, 12.9, 13.0].map(|at| banner.at(seconds(at))), [mask, mask, None]);
    // Two whole notes of four seconds.
    banner.sounds(Reminder::Nose, seconds(20.0));
    let nose = Some(Reminder::Nose);
    assert_eq!([20.0, 27.9, 28.0].map(|at| banner.at(seconds(at))), [nose, nose, None]);
}

#[test]
fn the_state_says_who_is_seen_and_why_somebody_is_unsure() {
    let mut screen = screen("bare.jpg", Verdict::Bare);
    assert_eq!(screen.state().1, "watching: 1 bare, 1 unsure (too small)");
    screen.faces.push(face(Rect::new(-60.0, 100.0, 60.0, 260.0), Verdict::Unsure, 0.0, 0.0)).unwrap();
    assert_eq!(screen.state().1, "watching: 1 bare, 2 unsure (too small, cut by the edge)");
    screen.faces.clear();
    assert_eq!(screen.state().1, "watching: nobody");
    screen.state = State::Fault(Fault::NoCamera);
    assert_eq!(screen.state().1, Fault::NoCamera.to_string());
    screen.state = State::Page { number: 2, of: 7, name: Ok("a.jpg".to_owned()) };
    assert_eq!(screen.state().1, "2 of 7, a.jpg: nobody");
    screen.state = State::Page { number: 3, of: 7, name: Err("b.jpg: this is no picture".to_owned()) };
    assert_eq!(screen.state().1, "3 of 7, b.jpg: this is no picture");
    assert_eq!(
        [[0, 0], [0, 1], [2, 1]].map(told),
        ["no reminder yet", "1 reminder (0 mask, 1 nose)", "3 reminders (2 mask, 1 nose)"]
    );
}

#[test]
fn any_window_and_any_picture_will_do() {
    let mut rgb = Vec::new();
    for (width, height) in [(1, 1), (40, 900), (900, 40), (200, 200), (2600, 1700)] {
        for size in [(0, 0), (1, 1), (3, 700), (700, 3), (320, 240)] {
            let mut screen = screen("empty.jpg", Verdict::Covered);
            (screen.size, screen.rgb) = (size, vec![200; size.0 * size.1 * 3]);
            screen.banner = Some(Reminder::Nose);
            screen.paint(&mut rgb, width, height);
            assert_eq!(rgb.len(), width * height * 3);
            let (width, height) = screen.fitting((960, 600));
            assert!((480..=960).contains(&width) && height <= 601, "{width}×{height}");
        }
    }
}
