//! The portable loops, compiled for AVX2.

use super::portable::{self, Quad};
use super::taps::{Seen, Taps, Window};
use crate::frame::Development;
use crate::frame::bayer::CURVE;

macro_rules! compiled {
    ($($name:ident $(<const $n:ident>)? ($($argument:ident: $type:ty),*);)*) => {
        $(
            #[target_feature(enable = "avx2")]
            pub(super) fn $name $(<const $n: usize>)? ($($argument: $type),*) {
                portable::$name $(::<$n>)? ($($argument),*);
            }
        )*
    };
}

compiled! {
    rows(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    columns(line: &[Quad], seen: &Seen, output: &mut [Quad]);
    windows(line: &[Quad], windows: &[Window], output: &mut [Quad]);
    pairs(line: &[Quad], output: &mut [Quad]);
    yuyv(values: &[u16], output: &mut [Quad]);
    yuyv_pairs(values: &[u16], output: &mut [Quad]);
    planar<const STEP>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]);
    planar_pairs<const STEP>(luma: &[u16], u: &[u16], v: &[u16], output: &mut [Quad]);
    triples(values: &[u16], output: &mut [Quad]);
    singles(values: &[u16], output: &mut [Quad]);
    plain(pixels: &[Quad], output: &mut [i8]);
    studio(pixels: &[Quad], output: &mut [i8]);
    packed<const BITS>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    words<const BITS>(data: &[u8], stride: usize, taps: &Taps, output: &mut [u16]);
    cells<const GREEN_FIRST>(red: &[u16], blue: &[u16], output: &mut [Quad]);
    developed(pixels: &[Quad], development: Development, curve: &[u8; CURVE], output: &mut [i8]);
}
