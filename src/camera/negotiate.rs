//! Which of a camera's formats and sizes to ask for.  Pure: no device is touched here.

use std::cmp::Reverse;
use std::fmt;

use crate::camera::jpeg;
use crate::frame::{Order, Packing, PixelFormat};

/// How a camera sends its pictures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    Raw(PixelFormat),
    Jpeg,
}

/// Formats by their V4L2 names, best first: those that hold luma and chroma as they are, then what costs more
/// bandwidth, then what a bare sensor sends (no camera offers anything else beside), then what has no colour, then what
/// must be decoded.
///
/// Of a bare sensor's those with 10 and 12 bits come first, since 8 are too few for the dark, and of them the packed ones.
const FORMATS: [([u8; 4], Encoding); 31] = [
    (*b"YUYV", Encoding::Raw(PixelFormat::Yuyv)),
    (*b"NV12", Encoding::Raw(PixelFormat::Nv12)),
    (*b"YU12", Encoding::Raw(PixelFormat::Yu12)),
    (*b"RGB3", Encoding::Raw(PixelFormat::Rgb)),
    (*b"pRAA", bayer(Order::Rggb, Packing::TenPacked)),
    (*b"pgAA", bayer(Order::Grbg, Packing::TenPacked)),
    (*b"pGAA", bayer(Order::Gbrg, Packing::TenPacked)),
    (*b"pBAA", bayer(Order::Bggr, Packing::TenPacked)),
    (*b"pRCC", bayer(Order::Rggb, Packing::TwelvePacked)),
    (*b"pgCC", bayer(Order::Grbg, Packing::TwelvePacked)),
    (*b"pGCC", bayer(Order::Gbrg, Packing::TwelvePacked)),
    (*b"pBCC", bayer(Order::Bggr, Packing::TwelvePacked)),
    (*b"RG10", bayer(Order::Rggb, Packing::Ten)),
    (*b"BA10", bayer(Order::Grbg, Packing::Ten)),
    (*b"GB10", bayer(Order::Gbrg, Packing::Ten)),
    (*b"BG10", bayer(Order::Bggr, Packing::Ten)),
    (*b"RG12", bayer(Order::Rggb, Packing::Twelve)),
    (*b"BA12", bayer(Order::Grbg, Packing::Twelve)),
    (*b"GB12", bayer(Order::Gbrg, Packing::Twelve)),
    (*b"BG12", bayer(Order::Bggr, Packing::Twelve)),
    (*b"RG16", bayer(Order::Rggb, Packing::Sixteen)),
    (*b"GR16", bayer(Order::Grbg, Packing::Sixteen)),
    (*b"GB16", bayer(Order::Gbrg, Packing::Sixteen)),
    (*b"BYR2", bayer(Order::Bggr, Packing::Sixteen)),
    (*b"RGGB", bayer(Order::Rggb, Packing::Eight)),
    (*b"GRBG", bayer(Order::Grbg, Packing::Eight)),
    (*b"GBRG", bayer(Order::Gbrg, Packing::Eight)),
    (*b"BA81", bayer(Order::Bggr, Packing::Eight)),
    (*b"GREY", Encoding::Raw(PixelFormat::Grey)),
    (*b"MJPG", Encoding::Jpeg),
    (*b"JPEG", Encoding::Jpeg),
];

const fn bayer(order: Order, packing: Packing) -> Encoding {
    Encoding::Raw(PixelFormat::Bayer(order, packing))
}

/// Pictures a second below which another format or size is better, even a compressed one.
///
/// Looks further apart tell walkers from one another less well.
const LEAST_RATE: f32 = 10.0;

/// Pixels below which another size is better, even a slow one: the face model's input.
const LEAST_SIZE: (u32, u32) = (320, 240);

/// A format and size that a camera offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// The format's V4L2 name.
    pub fourcc: [u8; 4],
    /// Pixels; of a bare sensor, photosites.
    pub width: u32,
    /// Pixels; of a bare sensor, photosites.
    pub height: u32,
    /// Most pictures a second, if the camera says.
    pub rate: Option<f32>,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.fourcc.escape_ascii();
        write!(f, "{name} {}×{}", self.width, self.height)?;
        self.rate.map_or(Ok(()), |rate| write!(f, " at {rate:.0}/s"))
    }
}

impl Encoding {
    /// Width and height in pixels of a picture, of which a driver says these.
    pub(crate) const fn pixels(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::Raw(PixelFormat::Bayer(..)) => (width / 2, height / 2),
            Self::Raw(_) | Self::Jpeg => (width, height),
        }
    }

    /// Whether it is what a bare sensor sends.
    pub(crate) const fn is_bare(self) -> bool {
        matches!(self, Self::Raw(PixelFormat::Bayer(..)))
    }
}

/// How to read a format, if it can be read.
pub(crate) fn encoding(fourcc: [u8; 4]) -> Option<Encoding> {
    FORMATS.iter().find(|(name, _)| *name == fourcc).map(|&(_, encoding)| encoding)
}

/// The modes that can be used, best first.
///
/// The format `wanted` comes first, if the camera has it; then what is large enough and fast enough, then the size
/// nearest to `preferred`, then the format.
pub(crate) fn ranked(offers: &[Mode], preferred: (u32, u32), wanted: Option<[u8; 4]>) -> Vec<Mode> {
    let rank = |mode: &Mode| FORMATS.iter().position(|(name, _)| *name == mode.fourcc);
    let size = |mode: &Mode| {
        encoding(mode.fourcc).map_or((0, 0), |encoding| encoding.pixels(mode.width, mode.height))
    };
    let usable = |mode: &&Mode| {
        let (width, height) = size(mode);
        (1..=jpeg::MAX_PIXELS).contains(&(width as usize * height as usize))
    };
    let cost = |mode: &Mode| {
        let rate = mode.rate.unwrap_or(f32::MAX);
        let unwanted = wanted.is_some_and(|wanted| wanted != mode.fourcc);
        let (width, height) = size(mode);
        let too_small = width < LEAST_SIZE.0 || height < LEAST_SIZE.1;
        let distance = width.abs_diff(preferred.0) + height.abs_diff(preferred.1);
        (unwanted, too_small, rate < LEAST_RATE, distance, rank(mode), Reverse(rate as u32))
    };
    let mut modes: Vec<_> = offers.iter().filter(usable).copied().collect();
    modes.sort_by_key(cost);
    modes
}

/// Of the rates at which a camera offers a size, those that are worth an attempt, fastest first: the fastest, and the
/// slowest that is fast enough, which needs the least of the bus.  None at all if the camera does not say.
pub(crate) fn worthwhile(rates: &[f32], most: f32) -> impl Iterator<Item = f32> {
    let rates = || rates.iter().copied().filter(|rate| *rate > 0.0).map(move |rate| rate.min(most));
    let fastest = rates().max_by(f32::total_cmp);
    let slowest = rates().filter(|rate| *rate >= LEAST_RATE).min_by(f32::total_cmp);
    fastest.into_iter().chain(slowest.filter(move |slowest| Some(*slowest) < fastest))
}

/// The value nearest to `wanted` that a range with steps offers.
pub(crate) fn nearest_step(wanted: u32, min: u32, max: u32, step: u32) -> u32 {
    let max = max.max(min);
    let step = step.max(1);
    let steps = (wanted.clamp(min, max) - min + step / 2) / step;
    min + steps.min((max - min) / step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: (u32, u32) = (640, 480);

    fn mode(fourcc: &[u8; 4], width: u32, height: u32, rate: f32) -> Mode {
        Mode { fourcc: *fourcc, width, height, rate: Some(rate) }
    }

    fn choose(offers: &[Mode], preferred: (u32, u32), wanted: Option<[u8; 4]>) -> Option<Mode> {
        ranked(offers, preferred, wanted).first().copied()
    }

    fn chosen(offers: &[Mode]) -> String {
        choose(offers, VGA, None).map_or("none".into(), |mode| mode.to_string())
    }

    #[test]
    fn raw_at_the_preferred_size_beats_all() {
        let offers = [
            mode(b"MJPG", 640, 480, 60.0),
            mode(b"YUYV", 1280, 720, 30.0),
            mode(b"YUYV", 640, 480, 30.0),
            mode(b"YUYV", 320, 240, 30.0),
        ];
        assert_eq!(chosen(&offers), "YUYV 640×480 at 30/s");
    }

    #[test]
    fn formats_have_an_order() {
        let mut offers: Vec<_> = [b"JPEG", b"MJPG", b"GREY", b"RGB3", b"YU12", b"NV12", b"YUYV"]
            .map(|fourcc| mode(fourcc, 640, 480, 30.0))
            .into();
        while let Some(best) = offers.last().copied() {
            assert_eq!(choose(&offers, VGA, None), Some(best));
            offers.pop();
        }
        assert_eq!(choose(&offers, VGA, None), None);
    }

    #[test]
    fn of_a_bare_sensor_four_photosites_are_a_pixel() {
        let offers = [
            mode(b"pRAA", 640, 480, 30.0),
            mode(b"pRAA", 1640, 1232, 30.0),
            mode(b"pRAA", 3280, 2464, 15.0),
            mode(b"RG10", 1640, 1232, 30.0),
            mode(b"RGGB", 1640, 1232, 30.0),
        ];
        assert_eq!(chosen(&offers), "pRAA 1640×1232 at 30/s");
        assert_eq!(chosen(&offers[..1]), "pRAA 640×480 at 30/s");
        assert_eq!(chosen(&offers[3..]), "RG10 1640×1232 at 30/s");
        // 2304×1296 pixels.
        assert_eq!(chosen(&[mode(b"pRAA", 4608, 2592, 14.0)]), "none");
    }

    #[test]
    fn every_order_of_a_bare_sensor_has_its_name_in_every_packing() {
        // BA81 and BYR2 are from before the names had an order.
        for (name, order) in
            [(b"pgCC", Order::Grbg), (b"BA10", Order::Grbg), (b"BA81", Order::Bggr), (b"BYR2", Order::Bggr)]
        {
            let Some(Encoding::Raw(PixelFormat::Bayer(is, _))) = encoding(*name) else { panic!("{name:?}") };
            assert_eq!(is, order, "{name:?}");
        }
        let distinct: std::collections::HashSet<_> =
            FORMATS.iter().map(|(name, encoding)| (name, format!("{encoding:?}"))).collect();
        assert_eq!(distinct.len(), FORMATS.len());
    }

    #[test]
    fn a_compressed_picture_beats_a_slow_one() {
        let offers = [
            mode(b"YUYV", 640, 480, 5.0),
            mode(b"YUYV", 160, 120, 30.0),
            mode(b"MJPG", 1280, 720, 30.0),
            mode(b"MJPG", 1920, 1080, 30.0),
        ];
        assert_eq!(chosen(&offers), "MJPG 1280×720 at 30/s");
        assert_eq!(chosen(&offers[..2]), "YUYV 640×480 at 5/s");
    }

    #[test]
    fn a_format_that_is_asked_for_beats_all_if_the_camera_has_it() {
        let offers =
            [mode(b"YUYV", 640, 480, 30.0), mode(b"MJPG", 1280, 720, 30.0), mode(b"MJPG", 160, 120, 30.0)];
        let chosen = |wanted: &[u8; 4]| choose(&offers, VGA, Some(*wanted)).map(|mode| mode.to_string());
        assert_eq!(chosen(b"MJPG").as_deref(), Some("MJPG 1280×720 at 30/s"));
        assert_eq!(chosen(b"NV12").as_deref(), Some("YUYV 640×480 at 30/s"));
    }

    #[test]
    fn the_nearest_size_is_taken() {
        let offers =
            [mode(b"YUYV", 1280, 720, 30.0), mode(b"YUYV", 800, 600, 30.0), mode(b"YUYV", 160, 120, 30.0)];
        assert_eq!(chosen(&offers), "YUYV 800×600 at 30/s");
        assert_eq!(chosen(&offers[2..]), "YUYV 160×120 at 30/s");
    }

    #[test]
    fn a_camera_need_not_tell_its_rate() {
        let silent = Mode { rate: None, ..mode(b"YUYV", 640, 480, 0.0) };
        assert_eq!(chosen(&[mode(b"MJPG", 640, 480, 30.0), silent]), "YUYV 640×480");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let offers =
            [mode(b"H264", 640, 480, 30.0), mode(b"MJPG", 3840, 2160, 30.0), mode(b"YUYV", 0, 480, 30.0)];
        assert_eq!(chosen(&offers), "none");
    }

    #[test]
    fn the_limits_are_as_they_are_named() {
        // 10 pictures a second are enough for the preferred size, 9 are not.
        let other = mode(b"MJPG", 640, 480, 30.0);
        assert_eq!(chosen(&[other, mode(b"YUYV", 640, 480, 10.0)]), "YUYV 640×480 at 10/s");
        assert_eq!(chosen(&[other, mode(b"YUYV", 640, 480, 9.0)]), "MJPG 640×480 at 30/s");
        // A picture is too small if one side is.
        let slow = mode(b"YUYV", 1280, 720, 5.0);
        assert_eq!(chosen(&[slow, mode(b"YUYV", 320, 240, 30.0)]), "YUYV 320×240 at 30/s");
        assert_eq!(chosen(&[slow, mode(b"YUYV", 319, 480, 30.0)]), "YUYV 1280×720 at 5/s");
        assert_eq!(chosen(&[slow, mode(b"YUYV", 640, 239, 30.0)]), "YUYV 1280×720 at 5/s");
        // Both sides count for the distance.
        let offers = [mode(b"YUYV", 700, 480, 30.0), mode(b"YUYV", 640, 500, 30.0)];
        assert_eq!(chosen(&offers), "YUYV 640×500 at 30/s");
        let offers = [mode(b"YUYV", 640, 600, 30.0), mode(b"YUYV", 660, 490, 30.0)];
        assert_eq!(chosen(&offers), "YUYV 660×490 at 30/s");
        // The largest that a decoder takes, and one line more.
        assert_eq!(jpeg::MAX_PIXELS, 1920 * 1088);
        assert_eq!(chosen(&[mode(b"MJPG", 1920, 1088, 30.0)]), "MJPG 1920×1088 at 30/s");
        assert_eq!(chosen(&[mode(b"MJPG", 1920, 1089, 30.0)]), "none");
    }

    #[test]
    fn the_faster_of_two_equals_is_taken() {
        let offers = [mode(b"YUYV", 640, 480, 15.0), mode(b"YUYV", 640, 480, 30.0)];
        assert_eq!(chosen(&offers), "YUYV 640×480 at 30/s");
    }

    #[test]
    fn of_many_rates_the_fastest_and_a_frugal_one_are_worth_an_attempt() {
        for (rates, expected) in [
            (&[30.0, 25.0, 20.0, 15.0, 10.0, 5.0][..], &[30.0, 10.0][..]),
            (&[5.0, 7.5], &[7.5]),
            (&[12.0], &[12.0]),
            (&[60.0, 30.0], &[30.0]),
            (&[90.0, 15.0], &[30.0, 15.0]),
            (&[0.0], &[]),
            (&[], &[]),
        ] {
            assert_eq!(worthwhile(rates, 30.0).collect::<Vec<_>>(), expected, "{rates:?}");
        }
    }

    #[test]
    fn encodings_are_told_by_name() {
        assert_eq!(encoding(*b"NV12"), Some(Encoding::Raw(PixelFormat::Nv12)));
        assert_eq!(encoding(*b"MJPG"), Some(Encoding::Jpeg));
        assert_eq!(encoding(*b"H264"), None);
    }

    #[test]
    fn steps_are_kept() {
        assert_eq!(nearest_step(640, 48, 1920, 16), 640);
        assert_eq!(nearest_step(640, 48, 1920, 1000), 1048);
        assert_eq!(nearest_step(640, 800, 1920, 2), 800);
        assert_eq!(nearest_step(640, 16, 320, 0), 320);
        assert_eq!(nearest_step(640, 16, 320, 300), 316);
        assert_eq!(nearest_step(640, 100, 50, 7), 100);
    }
}
