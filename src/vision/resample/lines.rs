//! The inner loops, each by the best that this processor has.

use super::portable::{self, Quad};
use super::taps::{Seen, Taps, Window};
use crate::frame::Development;
use crate::frame::bayer::CURVE;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;

/// Defines functions that choose: `vector` ones have been written in NEON, `loops` are left to the compiler there.
macro_rules! best {
    ($($kind:ident $name:ident $(<const $n:ident>)? ($($argument:ident: $type:ty),*);)*) => {
        $(
            pub(super) fn $name $(<const $n: usize>)? ($($argument: $type),*) {
                #[cfg(target_arch = "x86_64")]
                if std::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2.
                    return unsafe { avx2::$name $(::<$n>)? ($($argument),*) };
                }
                best!(@$kind $name $(::<$n>)? ($($argument),*))
            }
        )*
    };
    (@vector $name:ident $(::<$n:ident>)? ($($argument:ident),*)) => {{
        // SAFETY: every AArch64 processor that Rust's Linux targets know has NEON.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            neon::$name $(::<$n>)? ($($argument),*);
        }
        #[cfg(not(target_arch = "aarch64"))]
        portable::$name $(::<$n>)? ($($argument),*);
    }};
    (@loops $name:ident $(::<$n:ident>)? ($($argument:ident),*)) => {
        portable::$name $(::<$n>)? ($($argument),*)
    };
}

best! {
    vector rows(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    loops columns(line: &[Quad], seen: &Seen, output: &mut [Quad]);
    vector windows(line: &[Quad], windows: &[Window], output: &mut [Quad]);
    vector yuyv(values: &[u16], output: &mut [Quad]);
    vector yuyv_pairs(values: &[u16], output: &mut [Quad]);
    vector plain(pixels: &[Quad], output: &mut [i8]);
    vector studio(pixels: &[Quad], output: &mut [i8]);
    vector pairs(line: &[Quad], output: &mut [Quad]);
    vector planar<const STEP>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]);
    loops planar_pairs<const STEP>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]);
    vector triples(values: &[u16], output: &mut [Quad]);
    vector singles(values: &[u16], output: &mut [Quad]);
    vector packed<const BITS>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    vector words<const BITS>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    vector cells<const GREEN_FIRST>(red: &[u16], blue: &[u16], output: &mut [Quad]);
    vector developed(pixels: &[Quad], development: Development, curve: &[u8; CURVE], output: &mut [i8]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::Packing;
    use crate::frame::bayer::{curve, matrices};
    use crate::vision::resample::taps::{ONE, Pattern, WINDOW};

    fn two_taps(first_weight: u32) -> Taps {
        let last_weight = ONE - first_weight;
        Taps { first: 0, last: 1, first_weight, middle_weight: 0, middle_shift: 0, last_weight }
    }

    /// Of at most so many pixels.
    fn taps(most: usize) -> impl Strategy<Value = Taps> {
        let area = (1_u32..=1000, 0..most - 1, 1_u32..=1000).prop_map(|(first, middles, last)| {
            let covered = f64::from(first + last) / 1000.0 + middles as f64;
            let weight = |part: u32| (f64::from(part) / 1000.0 / covered * f64::from(ONE)) as u32;
            let middle_shift = if middles + 2 > WINDOW { (covered as u32).max(1).ilog2() } else { 0 };
            let middle_weight = (f64::from(ONE << middle_shift) / covered) as u32;
            Taps {
                first: 0,
                last: middles + 1,
                first_weight: weight(first).min(ONE - 1),
                middle_weight: middle_weight.min(ONE - 1),
                middle_shift,
                last_weight: weight(last).min(ONE - 1),
            }
        });
        let single = Just(Taps { last: 0, first_weight: ONE - 1, last_weight: 0, ..two_taps(0) });
        prop_oneof![single, Just(two_taps(ONE / 2)), (1..ONE).prop_map(two_taps), area]
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_reference(taps in taps(300), length in 1_usize..100, pad in 0_usize..9, seed: u64) {
            let stride = length + pad;
            let data: Vec<u8> = bytes(seed).take(taps.last * stride + length).collect();
            let (mut expected, mut seen) = (vec![1; length], vec![2; length]);
            portable::rows(&data, stride, &taps, &mut expected);
            rows(&data, stride, &taps, &mut seen);
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn rows_of_photosites_are_those_of_the_reference(taps in taps(300), groups in 1_usize..30, cut in 0_usize..2, pad in 0_usize..9, seed: u64) {
            // A row ends with a pixel, which may be half a group.
            let length = 4 * groups - 2 * cut;
            let bytes = |stride: usize| -> Vec<u8> { bytes(seed).take(taps.last * stride + stride - pad).collect() };
            let (mut expected, mut seen) = (vec![1; length], vec![2; length]);
            macro_rules! same {
                ($packing:ident, $name:ident::<$bits:literal>) => {
                    let stride = Packing::$packing.row_bytes(length) + pad;
                    let data = bytes(stride);
                    portable::$name::<$bits>(&data, stride, &taps, &mut expected);
                    $name::<$bits>(&data, stride, &taps, &mut seen);
                    prop_assert_eq!(&seen, &expected);
                };
            }
            same!(TenPacked, packed::<10>);
            same!(TwelvePacked, packed::<12>);
            same!(Ten, words::<10>);
            same!(Twelve, words::<12>);
            same!(Sixteen, words::<16>);
        }

        #[test]
        fn lines_are_those_of_the_reference(taps in prop_oneof![Just(WINDOW), Just(300)].prop_flat_map(|most| prop::collection::vec(taps(most), 1..20)), length in 1_usize..100, seed: u64) {
            // At most 255 in 256ths.
            let values: Vec<u16> = bytes(seed).map(|value| u16::from(value) << 8).take(1300).collect();
            let quads = values.as_chunks::<4>().0;
            let (mut expected, mut seen) = (vec![[1; 4]; length], vec![[2; 4]; length]);

            let count = taps.len().min(length);
            let mut planned = Seen::with_capacity(count);
            planned.plan(taps.into_iter().take(count));
            let line = &quads[..planned.length()];
            portable::columns(line, &planned, &mut expected[..count]);
            columns(line, &planned, &mut seen[..count]);
            prop_assert_eq!(&seen[..count], &expected[..count]);
            if planned.pattern() == Pattern::Windows {
                windows(quads, planned.windows(), &mut seen[..count]);
                prop_assert_eq!(&seen[..count], &expected[..count]);
            }

            portable::pairs(quads, &mut expected);
            pairs(quads, &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::yuyv(&values, &mut expected);
            yuyv(&values, &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::yuyv_pairs(&values, &mut expected);
            yuyv_pairs(&values, &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::triples(&values, &mut expected);
            triples(&values, &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::singles(&values, &mut expected);
            singles(&values, &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::cells::<0>(&values, &values[500..], &mut expected);
            cells::<0>(&values, &values[500..], &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::cells::<1>(&values, &values[500..], &mut expected);
            cells::<1>(&values, &values[500..], &mut seen);
            prop_assert_eq!(&seen, &expected);
            let chroma = &values[700..];
            portable::planar::<2>(&values[..length], chroma, &chroma[1..], &mut expected);
            planar::<2>(&values[..length], chroma, &chroma[1..], &mut seen);
            prop_assert_eq!(&seen, &expected);
            portable::planar_pairs::<1>(&values, chroma, &chroma[300..], &mut expected);
            planar_pairs::<1>(&values, chroma, &chroma[300..], &mut seen);
            prop_assert_eq!(&seen, &expected);
        }

        #[test]
        fn colours_are_those_of_the_reference(quads in prop::collection::vec([0_u16..=65280, 0..=65280, 0..=65280, 0..=65280], 1..40)) {
            for (reference, best) in [(portable::plain as fn(&_, &mut _), plain as fn(&_, &mut _)), (portable::studio, studio)] {
                let (mut expected, mut seen) = (vec![1; quads.len() * 3], vec![2; quads.len() * 3]);
                reference(&quads[..], &mut expected[..]);
                best(&quads[..], &mut seen[..]);
                prop_assert_eq!(seen, expected);
            }
        }

        #[test]
        fn developed_colours_are_those_of_the_reference(
            quads: Vec<Quad>,
            black in prop_oneof![0_u16..5000, any::<u16>()],
            gains in prop_oneof![[200_u16..2000, 200..2000, 200..2000], any::<[u16; 3]>()],
            matrix in matrices(),
        ) {
            let (mut expected, mut seen) = (vec![1; quads.len() * 3], vec![2; quads.len() * 3]);
            let development = Development { black, gains, matrix };
            portable::developed(&quads, development, curve(), &mut expected);
            developed(&quads, development, curve(), &mut seen);
            prop_assert_eq!(seen, expected);
        }
    }

    /// Bytes that are the same for the same seed, with many extreme ones.
    fn bytes(seed: u64) -> impl Iterator<Item = u8> {
        (1..).map(move |at: u64| {
            let mixed = (seed ^ at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            match mixed >> 62 {
                0 => 0,
                1 => 255,
                _ => (mixed >> 40) as u8,
            }
        })
    }
}
