//! What a bare image sensor sends: one colour a photosite, linear, with a floor, without white balance.

/// How a colour filter array begins: the colours of the first two photosites of the first row, then of the second.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Order {
    /// Red green, green blue.
    Rggb,
    /// Green red, blue green.
    Grbg,
    /// Green blue, red green.
    Gbrg,
    /// Blue green, green red.
    Bggr,
}

impl Order {
    /// The colours (0 red, 1 green, 2 blue) of the first two photosites of the first row, then of the second.
    pub const fn colours(self) -> [[usize; 2]; 2] {
        match self {
            Self::Rggb => [[0, 1], [1, 2]],
            Self::Grbg => [[1, 0], [2, 1]],
            Self::Gbrg => [[1, 2], [0, 1]],
            Self::Bggr => [[2, 1], [1, 0]],
        }
    }

    /// Whether the first row is the one that has red photosites.
    pub(crate) const fn is_red_row_first(self) -> bool {
        matches!(self, Self::Rggb | Self::Grbg)
    }

    /// Whether the red row begins with a green photosite; the blue row then ends with one.
    pub(crate) const fn is_red_row_green_first(self) -> bool {
        matches!(self, Self::Grbg | Self::Bggr)
    }
}

/// How the values of a row of photosites lie in memory.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Packing {
    /// One byte a value.
    Eight,
    /// Four values of 10 bits in five bytes: the high eight bits of each, then their low pairs, the first value's lowest
    /// (MIPI CSI-2's RAW10, V4L2's `…10P`).
    TenPacked,
    /// Two values of 12 bits in three bytes: the high eight bits of each, then their low fours, the first value's lowest
    /// (MIPI CSI-2's RAW12, V4L2's `…12P`).
    TwelvePacked,
    /// Values of 10 bits in words of 16, little-endian.
    Ten,
    /// Values of 12 bits in words of 16, little-endian.
    Twelve,
    /// Words of 16 bits, little-endian, with the value in the high ones: of the 16, the lowest two are left out.
    Sixteen,
}

impl Packing {
    /// Bytes of one row of so many photosites, without padding.
    pub const fn row_bytes(self, photosites: usize) -> usize {
        match self {
            Self::Eight => photosites,
            Self::TenPacked => photosites.div_ceil(4) * 5,
            Self::TwelvePacked => photosites.div_ceil(2) * 3,
            Self::Ten | Self::Twelve | Self::Sixteen => photosites * 2,
        }
    }

    /// A row of so packed `values`, given as if they had 16 bits: what a camera would send.
    pub fn packed(self, values: impl Iterator<Item = u16>) -> Vec<u8> {
        let values: Vec<u16> = values.collect();
        let high = |value: &u16| value.to_be_bytes()[0];
        // The bits that follow the high eight, one value's above those of the value before.
        let low = |group: &[u16], bits: u32| {
            let low = |value: &u16| u32::from(value << 8 >> (16 - bits));
            group.iter().rev().fold(0, |sum, value| sum << bits | low(value)) as u8
        };
        let groups = |length: usize, bits| {
            values.chunks(length).flat_map(move |group| {
                let lows = low(group, bits);
                (0..length).map(move |at| group.get(at).map_or(0, high)).chain([lows])
            })
        };
        let words = |shift: u32| values.iter().flat_map(move |value| (value >> shift).to_le_bytes());
        match self {
            Self::Eight => values.iter().map(high).collect(),
            Self::TenPacked => groups(4, 2).collect(),
            Self::TwelvePacked => groups(2, 4).collect(),
            Self::Ten => words(6).collect(),
            Self::Twelve => words(4).collect(),
            Self::Sixteen => words(0).collect(),
        }
    }

    /// The value of a photosite of a row, as if it had 16 bits.
    ///
    /// # Panics
    ///
    /// If the row ends before it.
    #[inline(always)]
    pub(crate) fn value(self, row: &[u8], photosite: usize) -> u16 {
        let word = |shift| {
            let at = 2 * photosite;
            u16::from_le_bytes([row[at], row[at + 1]]) << shift
        };
        match self {
            Self::Eight => u16::from(row[photosite]) << 8,
            Self::TenPacked => {
                let (group, number) = (photosite / 4 * 5, photosite % 4);
                let low = row[group + 4] >> (2 * number) & 3;
                u16::from_be_bytes([row[group + number], low << 6])
            }
            Self::TwelvePacked => {
                let (group, number) = (photosite / 2 * 3, photosite % 2);
                let low = row[group + 2] >> (4 * number) & 15;
                u16::from_be_bytes([row[group + number], low << 4])
            }
            Self::Ten => word(6),
            Self::Twelve => word(4),
            Self::Sixteen => word(0) & !3,
        }
    }
}

/// What makes colours of a sensor's values: black is taken off, each colour is multiplied, and the result is encoded as
/// sRGB (IEC 61966-2-1), as the pictures are that the networks were trained on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Development {
    /// What the sensor sends where there is no light, as if it had 16 bits.
    pub black: u16,
    /// Factors of red, green and blue, in 256ths.
    pub gains: [u16; 3],
}

impl Default for Development {
    /// Nothing taken off and nothing multiplied.
    fn default() -> Self {
        Self { black: 0, gains: [Self::ONE; 3] }
    }
}

impl Development {
    /// A factor of 1.
    pub const ONE: u16 = 1 << 8;

    /// A pixel's values as sRGB, 0 to 255.
    pub(crate) fn encoded(&self, values: [u16; 3]) -> [u8; 3] {
        std::array::from_fn(|colour| {
            let light = u32::from(values[colour].saturating_sub(self.black)) * u32::from(self.gains[colour]);
            curve()[(light >> LIGHT_SHIFT).min(CURVE as u32 - 1) as usize]
        })
    }
}

/// Entries of a curve: so many that neighbours are less than a step of 255 apart where sRGB rises the most.
pub(crate) const CURVE: usize = 4096;

/// From 65,536ths of light, times gains in 256ths, to an entry of the curve.
pub(crate) const LIGHT_SHIFT: i32 = 16 + 8 - CURVE.ilog2() as i32;

/// The sRGB encoding (IEC 61966-2-1) of a linear value, both 0 to 1.
pub(crate) fn srgb(linear: f32) -> f32 {
    if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

/// The linear value of an sRGB encoding, both 0 to 1.
#[cfg(test)]
pub(crate) fn linear(srgb: f32) -> f32 {
    if srgb <= 0.040_45 { srgb / 12.92 } else { ((srgb + 0.055) / 1.055).powf(2.4) }
}

/// sRGB by the highest bits of a linear value.
pub(crate) fn curve() -> &'static [u8; CURVE] {
    static MADE: std::sync::LazyLock<[u8; CURVE]> = std::sync::LazyLock::new(|| {
        // Each entry stands for values up to the next: the middle of them.
        std::array::from_fn(|at| (srgb((at as f32 + 0.5) / CURVE as f32) * 255.0 + 0.5) as u8)
    });
    &MADE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_where_csi_2_puts_them() {
        let row = [0x12, 0x34, 0x56, 0x78, 0b11_10_01_00, 0xff, 0, 0, 0, 0b00_00_00_11];
        let ten: Vec<_> = (0..8).map(|at| Packing::TenPacked.value(&row, at) >> 6).collect();
        assert_eq!(ten, [0x12 << 2, (0x34 << 2) + 1, (0x56 << 2) + 2, (0x78 << 2) + 3, 1023, 0, 0, 0]);
        let twelve: Vec<_> = (0..2).map(|at| Packing::TwelvePacked.value(&[0xab, 0xcd, 0x42], at)).collect();
        assert_eq!(twelve, [0xab20, 0xcd40]);
        assert_eq!(Packing::Eight.value(&row, 1), 0x3400);
        assert_eq!(Packing::Ten.value(&[0xff, 0x03], 0), 1023 << 6);
        assert_eq!(Packing::Twelve.value(&[0, 0, 0xff, 0x0f], 1), 4095 << 4);
        assert_eq!(Packing::Sixteen.value(&[0xff, 0xff], 0), 0xfffc);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(values in prop::collection::vec(any::<u16>(), 1..40)) {
            use Packing::{Eight, Sixteen, Ten, TenPacked, Twelve, TwelvePacked};
            for (packing, bits) in
                [(Eight, 8), (TenPacked, 10), (TwelvePacked, 12), (Ten, 10), (Twelve, 12), (Sixteen, 14)]
            {
                let row = packing.packed(values.iter().copied());
                prop_assert_eq!(row.len(), packing.row_bytes(values.len()));
                for (at, value) in values.iter().enumerate() {
                    prop_assert_eq!(packing.value(&row, at), value >> (16 - bits) << (16 - bits), "{:?}", packing);
                }
            }
        }
    }

    #[test]
    fn the_curve_is_srgb_and_has_no_gaps() {
        assert_eq!((curve()[0], curve()[CURVE - 1]), (0, 255));
        assert!(curve().windows(2).all(|pair| pair[0] == pair[1] || pair[0] + 1 == pair[1]));
        for value in [0.0, 0.001, 0.18, 0.5, 1.0] {
            assert!((linear(srgb(value)) - value).abs() < 1e-5, "{value}");
        }
    }
}
