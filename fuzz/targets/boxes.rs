//! Any values and quantisation as what the networks say, decoded to faces, mouths and noses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use maskbell::runtime::Quantization;
use maskbell::vision::fuzzing::{Said, decoded};

fuzz_target!(|input: ([u8; 2], u8, (f32, i8), (f32, i8), &[u8])| {
    let ([width, height], threshold, scores, boxes, values) = input;
    // Others are refused when a network is loaded.
    let quantization = |(scale, zero_point): (f32, i8)| {
        (scale.is_finite() && scale > 0.0).then_some(Quantization { scale, zero_point: zero_point.into() })
    };
    let (Some(scores), Some(boxes)) = (quantization(scores), quantization(boxes)) else { return };
    // Small, for what is looked at are the boxes.
    let size = (usize::from(width % 64) + 1, usize::from(height % 64) + 1);
    decoded(size, f32::from(threshold) / 255.0, Said { values, scores, boxes });
});
