//! Any text as a melody: one that can be played, or a mistake with its place in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maskbell::signal::melody::MAX_NOTES;
use maskbell::signal::rtttl;

fuzz_target!(|text: &str| match rtttl::parse(text) {
    Ok(melody) => {
        assert!((1..=MAX_NOTES).contains(&melody.notes().len()));
        for note in melody.transposed(12).notes() {
            assert!(!note.duration.is_zero());
            assert!(note.pitch.is_none_or(|pitch| pitch.is_finite() && pitch > 0.0), "{note:?}");
        }
    }
    Err(error) => {
        assert!((1..=text.chars().count() + 1).contains(&error.position), "{error}");
    }
});
