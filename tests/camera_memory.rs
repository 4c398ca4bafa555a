//! Motion JPEG in fixed memory, with damaged pictures among the good ones.
//!
//! A program of its own without a test harness: heap calls are counted for all threads, and the harness's thread makes
//! some.

use maskbell::camera::mjpeg::MotionJpeg;
use maskbell::camera::{Capture, Pace, Source};
use maskbell::memory::{Allocator, heap_calls};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const BASELINE: &[u8] = include_bytes!("../src/camera/samples/baseline-422.jpg");
const PROGRESSIVE: &[u8] = include_bytes!("../src/camera/samples/progressive-444.jpg");
const GREY: &[u8] = include_bytes!("../src/camera/samples/grey.jpg");

fn main() {
    let (cut, _) = BASELINE.split_at(BASELINE.len() / 2);
    let mut damaged = BASELINE.to_vec();
    damaged.drain(1500..2000);
    let clip = [BASELINE, PROGRESSIVE, cut, GREY, &damaged].concat();
    let mut clip = MotionJpeg::from_bytes(clip, Pace::AsFast, 10.0).unwrap().repeat(true);
    let (mut frames, mut faults) = (0, 0);
    let mut play = |pictures: usize| {
        for _ in 0..pictures {
            match clip.next() {
                Capture::Frame(_) => frames += 1,
                Capture::Fault { .. } => faults += 1,
                Capture::End => panic!("a repeated clip does not end"),
            }
        }
    };
    play(5);
    let before = heap_calls();
    play(2000);
    let after = heap_calls();
    assert_eq!((frames, faults), (3 * 401, 2 * 401));
    assert_ne!(before.allocations, 0, "the allocator is not installed");
    assert_eq!(before, after, "heap calls before and after 2000 pictures");
    println!("2000 pictures without a heap call: ok");
}
