//! Any bytes as a motion-JPEG clip: split, decoded in the decoder's fixed memory, brought to a network's input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maskbell::camera::mjpeg::MotionJpeg;
use maskbell::camera::{Capture, Pace, Source};
use maskbell::vision::fuzzing::resampled;

/// As in the program: the decoder's memory is a region of its own.
#[global_allocator]
static ALLOCATOR: maskbell::memory::Allocator = maskbell::memory::Allocator;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut clip) = MotionJpeg::from_bytes(bytes.to_vec(), Pace::AsFast, 10.0) else { return };
    // A picture has two bytes at least, so this many captures are the end.
    for _ in 0..=bytes.len() {
        match clip.next() {
            Capture::Frame(frame) => resampled(&frame, 0.0, 0.0, frame.width() as f32 / 32.0),
            Capture::Fault { .. } => {}
            Capture::End => return,
        }
    }
    panic!("the clip does not end");
});
