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

/// What makes colours of a sensor's values: black is taken off, each colour is multiplied, a matrix makes sRGB's colours of
/// the filters', and the result is encoded as sRGB (IEC 61966-2-1), as the pictures are that the networks were trained on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Development {
    /// What the sensor sends where there is no light, as if it had 16 bits.
    pub black: u16,
    /// Factors of red, green and blue, in 256ths.
    pub gains: [u16; 3],
    /// What makes sRGB's red, green and blue of the sensor's, once white is white.
    pub matrix: ColourMatrix,
}

impl Default for Development {
    /// Nothing taken off, multiplied or mixed.
    fn default() -> Self {
        Self::PLAIN
    }
}

impl Development {
    /// A factor of 1.
    pub const ONE: u16 = 1 << 8;

    /// Nothing taken off, multiplied or mixed.
    pub(crate) const PLAIN: Self = Self { black: 0, gains: [Self::ONE; 3], matrix: ColourMatrix::IDENTITY };

    /// A pixel's values as sRGB, 0 to 255.
    pub(crate) fn encoded(&self, values: [u16; 3]) -> [u8; 3] {
        self.entries(values).map(|entry| curve()[entry])
    }

    /// Which entries of the curve are a pixel's colours.
    #[inline(always)]
    pub(crate) fn entries(&self, values: [u16; 3]) -> [usize; 3] {
        let Self { black, gains, matrix } = self;
        // What is full in one colour is full before it is mixed, so that white stays white.
        let light: [i32; 3] = std::array::from_fn(|colour| {
            let light = u32::from(values[colour].saturating_sub(*black)) * u32::from(gains[colour]);
            (light >> LIGHT_SHIFT).min(FULL.into()) as i32
        });
        std::array::from_fn(|colour| {
            let [red, green, blue] = matrix.rows()[colour].map(i32::from);
            let mixed = red * light[0] + green * light[1] + blue * light[2];
            (mixed >> ENTRY_SHIFT).clamp(0, CURVE as i32 - 1) as usize
        })
    }
}

/// A colour correction matrix: how much of a sensor's red, green and blue light is in each of sRGB's (a row each).
///
/// Rows add up to 1 exactly: grey stays grey.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ColourMatrix([[i16; 3]; 3]);

impl ColourMatrix {
    /// Colours as they are.
    pub const IDENTITY: Self = Self::new([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// A factor of 1: factors are in 4096ths.
    pub(crate) const ONE: i16 = 1 << 12;

    /// Factors are less than this: the sum of three times [`FULL`] fits 32 bits.
    const LIMIT: f32 = 4.0;

    /// Of these factors, rounded to 4096ths; what a row lacks of 1 then, its colour has.
    ///
    /// # Panics
    ///
    /// If a factor is not between -4 and 4, or a row does not add up to 1, but for a thousandth.
    pub const fn new(factors: [[f32; 3]; 3]) -> Self {
        let mut rows = [[0; 3]; 3];
        let mut row = 0;
        while row < 3 {
            let [red, green, blue] = factors[row];
            let sum = red + green + blue;
            assert!(0.999 < sum && sum < 1.001, "a row adds up to 1");
            let (mut column, mut rest) = (0, Self::ONE);
            while column < 3 {
                let factor = factors[row][column];
                assert!(-Self::LIMIT < factor && factor < Self::LIMIT, "factors are between -4 and 4");
                if column != row {
                    let half = if factor < 0.0 { -0.5 } else { 0.5 };
                    rows[row][column] = (factor * Self::ONE as f32 + half) as i16;
                    rest -= rows[row][column];
                }
                column += 1;
            }
            rows[row][row] = rest;
            row += 1;
        }
        Self(rows)
    }

    /// A part of it, 0 to 1: of 0 colours stay as they are.
    pub(crate) fn weakened(&self, part: f32) -> Self {
        let mut rows = self.0;
        for (at, row) in rows.iter_mut().enumerate() {
            for factor in row.iter_mut() {
                *factor = (f32::from(*factor) * part).round() as i16;
            }
            row[at] = 0;
            row[at] = Self::ONE - row.iter().sum::<i16>();
        }
        Self(rows)
    }

    /// The factors of red, green and blue for each of sRGB's, in 4096ths.
    pub(crate) const fn rows(&self) -> [[i16; 3]; 3] {
        self.0
    }
}

/// Entries of a curve: so many that neighbours are less than a step of 255 apart where sRGB rises the most.
pub(crate) const CURVE: usize = 4096;

/// The most light, in 32,768ths: what a signed word holds.
pub(crate) const FULL: u16 = (1 << 15) - 1;

/// From 65,536ths of light, times gains in 256ths, to 32,768ths.
pub(crate) const LIGHT_SHIFT: i32 = 16 + 8 - 15;

/// From those, times a matrix's factors in 4096ths, to an entry of the curve.
pub(crate) const ENTRY_SHIFT: i32 = 15 + 12 - CURVE.ilog2() as i32;

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

/// Any matrix, or none.
#[cfg(test)]
pub(crate) fn matrices() -> impl proptest::strategy::Strategy<Value = ColourMatrix> {
    use proptest::prelude::*;
    let others = [[-1.45_f32..1.45, -1.45..1.45], [-1.45..1.45, -1.45..1.45], [-1.45..1.45, -1.45..1.45]];
    let mixing = others.prop_map(|[red, green, blue]| {
        let own = |[one, other]: [f32; 2]| 1.0 - one - other;
        ColourMatrix::new([
            [own(red), red[0], red[1]],
            [green[0], own(green), green[1]],
            [blue[0], blue[1], own(blue)],
        ])
    });
    prop_oneof![Just(ColourMatrix::IDENTITY), mixing]
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

    /// As an IMX219's (`camera::sensor`).
    const MATRIX: ColourMatrix = ColourMatrix::new([
        [2.18174, -0.70887, -0.47287],
        [-0.70196, 2.76426, -1.06231],
        [-0.25157, -0.71978, 1.97135],
    ]);

    #[test]
    fn a_matrix_is_rounded_to_4096ths_and_its_rows_add_up_to_1() {
        assert_eq!(ColourMatrix::IDENTITY.rows(), [[4096, 0, 0], [0, 4096, 0], [0, 0, 4096]]);
        assert_eq!(MATRIX.rows(), [[8937, -2904, -1937], [-2875, 11322, -4351], [-1030, -2948, 8074]]);
        assert!(MATRIX.rows().iter().all(|row| row.iter().sum::<i16>() == 4096));
    }

    #[test]
    fn a_weakened_matrix_mixes_less_and_its_rows_still_add_up_to_1() {
        assert_eq!((MATRIX.weakened(1.0), MATRIX.weakened(0.0)), (MATRIX, ColourMatrix::IDENTITY));
        let half = MATRIX.weakened(0.5).rows();
        assert_eq!(half, [[6517, -1452, -969], [-1438, 7710, -2176], [-515, -1474, 6085]]);
        assert!((0..100).all(|part| {
            let rows = MATRIX.weakened(part as f32 / 100.0).rows();
            rows.iter().all(|row| row.iter().sum::<i16>() == ColourMatrix::ONE)
        }));
    }

    #[test]
    #[should_panic = "adds up to 1"]
    fn a_matrix_that_tints_grey_is_refused() {
        ColourMatrix::new([[1.0, 0.0, 0.0], [0.0, 1.0, 0.01], [0.0, 0.0, 1.0]]);
    }

    #[test]
    #[should_panic = "between -4 and 4"]
    fn a_matrix_whose_sums_would_not_fit_is_refused() {
        ColourMatrix::new([[1.0, 0.0, 0.0], [-3.5, 4.5, 0.0], [0.0, 0.0, 1.0]]);
    }

    #[test]
    fn colours_are_mixed_as_light_and_end_at_black_and_white() {
        let development = Development { black: 1000, matrix: MATRIX, ..Development::PLAIN };
        // 0.25, 0.125 and 0.0625 above black make 0.42728, 0.10363 and -0.02966: none of a red that filters made pale.
        let seen = development.encoded([1000 + 16384, 1000 + 8192, 1000 + 4096]);
        let wanted = [0.427_28, 0.103_63, 0.0].map(|light| srgb(light) * 255.0);
        for (seen, wanted) in seen.into_iter().zip(wanted) {
            assert!((f32::from(seen) - wanted).abs() <= 1.0, "{seen}, but should be {wanted}");
        }
        // Full red, by filters that let it through to green and blue as well.
        assert_eq!(development.encoded([65_535, 10_000, 10_000])[0], 255);
        assert_eq!(development.encoded([0, 0, 0]), [0; 3]);
    }

    proptest! {
        #[test]
        fn grey_stays_grey_and_white_white(light: u16, black in 0_u16..5000, gain in 256_u16..5000) {
            let plain = Development { black, gains: [gain; 3], ..Development::PLAIN };
            let seen = Development { matrix: MATRIX, ..plain }.encoded([light; 3]);
            prop_assert_eq!(seen, plain.encoded([light; 3]));
            prop_assert_eq!(seen, [seen[0]; 3]);
            // A photosite that is full is as bright as can be, whatever the colour of the lamp.
            let gains = [gain, gain.saturating_mul(2), gain.saturating_mul(3)];
            let most = (65_535 - u32::from(black)) * u32::from(gain);
            if most >> LIGHT_SHIFT >= u32::from(FULL) {
                prop_assert_eq!(Development { black, gains, matrix: MATRIX }.encoded([65_535; 3]), [255; 3]);
            }
        }

        #[test]
        fn without_a_matrix_a_colour_is_its_own_light_alone(values: [u16; 3], black: u16, gains: [u16; 3]) {
            let expected: [u8; 3] = std::array::from_fn(|colour| {
                let light = u64::from(values[colour].saturating_sub(black)) * u64::from(gains[colour]);
                curve()[(light / 4096).min(4095) as usize]
            });
            prop_assert_eq!(Development { black, gains, ..Development::PLAIN }.encoded(values), expected);
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
