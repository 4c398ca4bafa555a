//! Any bytes as `maskbell.toml`: what is set lies within its range, and each mistake can be told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maskbell::config;

fuzz_target!(|bytes: &[u8]| {
    let (config, mistakes) = config::read(bytes);
    let thresholds = config.vision.thresholds;
    for score in [thresholds.face, thresholds.mouth, thresholds.nose, thresholds.covered] {
        assert!((0.0..=1.0).contains(&score), "{thresholds:?}");
    }
    for mistake in mistakes {
        assert!(!mistake.to_string().is_empty());
    }
});
