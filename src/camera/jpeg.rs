//! JPEG pictures, decoded within fixed memory.

use std::borrow::Cow;
use std::time::Duration;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
#[cfg(feature = "desk")]
use zune_jpeg::errors::DecodeErrors;

use crate::camera::markers::{self, Header, Walk};
use crate::frame::{Frame, PixelFormat};
use crate::memory::Scratch;

/// Largest picture that is decoded, in pixels: full HD, upright or not.
///
/// The models look at about 320 × 240 pixels, so more would only cost time and memory: a camera is asked for
/// 640 × 480.
pub const MAX_PIXELS: usize = 1920 * 1088;

/// Working memory of the decoder for a picture, in bytes.
///
/// Most is for the coefficients of progressive pictures, which have to be held as a whole: 2 bytes each for at most
/// 3 full planes, padded to 32 pixels a side (the largest unit of coding).  A baseline picture needs a few rows
/// only.  The rest is for Huffman tables and rows: what was measured stands with the test `working_memory_is_enough`.
const fn working_bytes(width: usize, height: usize) -> usize {
    let plane = width.next_multiple_of(32) * height.next_multiple_of(32);
    3 * 2 * plane + width.next_multiple_of(32) * ROW_BYTES + TABLE_BYTES
}

/// Rows of the decoder, for each pixel of width: sized for 4:2:0 at up to 16 rows of 2-byte samples, in 3 planes,
/// once as coded, once brought to full size, and once more between two rows of blocks.
const ROW_BYTES: usize = 3 * 2 * 64;

/// Huffman tables (8 of up to 7 KiB), quantisation tables, and metadata that the decoder copies.
const TABLE_BYTES: usize = 192 * 1024;

/// From this width on, a baseline picture whose data ends before all its pixels are there is refused: in pixels, for
/// grey pictures and for those of several colour channels.
///
/// zune-jpeg takes an early end-of-image marker for the end and leaves the rest grey; without that marker it reports
/// that data ran out, one row of blocks early if that row has less than 8 bytes.  Two bits a block, the least
/// possible, make 8 bytes for 32 blocks: 256 pixels of one channel, or 88 of three.
const LEAST_CHECKED_WIDTH: (usize, usize) = (256, 128);

/// Why a JPEG gives no picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JpegError {
    /// The bytes do not start like a JPEG.
    #[error("these bytes are no JPEG picture: one starts with FF D8")]
    NotJpeg,
    /// The end is missing.
    #[error("the JPEG picture is cut short: its end is missing")]
    CutShort,
    /// The data contradicts itself.
    #[error("the JPEG picture is damaged")]
    Damaged,
    /// More pixels than there is memory for.
    #[error("a JPEG picture of {width}×{height} pixels is too large here: at most {max_width}×{max_height}")]
    TooLarge {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        max_width: usize,
        /// Pixels.
        max_height: usize,
    },
    /// A kind of JPEG that no camera sends.
    #[error(
        "this kind of JPEG cannot be decoded: only baseline and progressive ones of 8 bits, grey or YCbCr"
    )]
    Unsupported,
}

/// Decodes JPEG pictures, one at a time, into a buffer of its own.
///
/// Baseline and progressive, grey and colour, with or without Huffman tables (many cameras leave them out).
#[derive(Debug)]
pub struct JpegDecoder {
    max_width: usize,
    max_height: usize,
    /// RGB of the picture decoded last.
    pixels: Vec<u8>,
    scratch: Scratch,
}

impl JpegDecoder {
    /// A decoder for pictures of up to `max_width` × `max_height` pixels, whose memory is reserved here.
    ///
    /// # Errors
    ///
    /// [`JpegError::TooLarge`] beyond [`MAX_PIXELS`].
    pub fn new(max_width: usize, max_height: usize) -> Result<Self, JpegError> {
        if max_width.saturating_mul(max_height) > MAX_PIXELS {
            let (width, height) = (max_width, max_height);
            return Err(JpegError::TooLarge { width, height, max_width: 1920, max_height: 1088 });
        }
        Ok(Self {
            max_width,
            max_height,
            pixels: vec![0; max_width * max_height * 3],
            scratch: Scratch::with_capacity(working_bytes(max_width, max_height)),
        })
    }

    /// Widest and highest picture that there is memory for, in pixels.
    pub const fn max_size(&self) -> (usize, usize) {
        (self.max_width, self.max_height)
    }

    /// Decodes one JPEG to [`PixelFormat::Rgb`].  Bytes behind its end are ignored.
    ///
    /// A picture without its end is refused: what is missing would be grey, and must not be judged.  Its size is
    /// checked before anything is decoded.
    ///
    /// # Errors
    ///
    /// [`JpegError`]; the decoder can go on with the next picture.
    pub fn decode(&mut self, jpeg: &[u8], captured_at: Duration) -> Result<Frame<'_>, JpegError> {
        let (header, jpeg) = match markers::walk(jpeg) {
            Walk::Whole { header, length } => (header, &jpeg[..length]),
            Walk::Unfinished { .. } => return Err(JpegError::CutShort),
            Walk::Broken { resume: 1 } => return Err(JpegError::NotJpeg),
            Walk::Broken { .. } => return Err(JpegError::Damaged),
        };
        let (width, height) = (header.width, header.height);
        if width == 0 || height == 0 {
            return Err(JpegError::Damaged);
        }
        if header.process > 2 || header.precision != 8 || !matches!(header.components, 1 | 3) {
            return Err(JpegError::Unsupported);
        }
        if width > self.max_width || height > self.max_height {
            let (max_width, max_height) = (self.max_width, self.max_height);
            return Err(JpegError::TooLarge { width, height, max_width, max_height });
        }
        let pixels = &mut self.pixels[..width * height * 3];
        let options = DecoderOptions::new_fast()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(self.max_width)
            .set_max_height(self.max_height)
            .set_strict_mode(true);
        self.scratch.run(|| {
            zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(prepare(jpeg, &header)), options)
                .decode_into(pixels)
                .map_err(|_| JpegError::Damaged)
        })?;
        Frame::new(pixels, PixelFormat::Rgb, width, height, width * 3, captured_at)
            .map_err(|_| JpegError::Damaged)
    }

    /// The decoder's working memory, for measurements.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

/// A whole JPEG as the decoder needs it, to be strict with what is missing and to find Huffman tables.
fn prepare<'a>(jpeg: &'a [u8], header: &Header) -> Cow<'a, [u8]> {
    let (grey, colour) = LEAST_CHECKED_WIDTH;
    let checked = header.width >= if header.components == 1 { grey } else { colour };
    let jpeg = if header.process < 2 && checked { &jpeg[..jpeg.len() - 2] } else { jpeg };
    if header.has_huffman_tables {
        Cow::Borrowed(jpeg)
    } else {
        Cow::Owned([STANDARD_TABLES_START, &jpeg[2..]].concat())
    }
}

/// A JPEG of any size whose header has been read, for the desk: decoded as strictly as a camera's, with memory from
/// the heap.  CMYK becomes RGB.
#[cfg(feature = "desk")]
pub(crate) struct Still<'a> {
    decoder: zune_jpeg::JpegDecoder<ZCursor<Cow<'a, [u8]>>>,
}

#[cfg(feature = "desk")]
impl<'a> Still<'a> {
    /// Reads the header; bytes behind the picture's end are ignored.
    pub(crate) fn open(jpeg: &'a [u8]) -> Result<Self, JpegError> {
        let jpeg = match markers::walk(jpeg) {
            Walk::Whole { header, length } => prepare(&jpeg[..length], &header),
            Walk::Unfinished { .. } => return Err(JpegError::CutShort),
            // A clip is split where a sequential picture has a second scan.  Here it may be one channel after another;
            // whatever else it is, the decoder refuses it.
            Walk::Broken { .. } => Cow::Borrowed(jpeg),
        };
        let options = DecoderOptions::new_fast()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX)
            .set_strict_mode(true);
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        decoder.decode_headers().map_err(|error| match error {
            DecodeErrors::Unsupported(_) => JpegError::Unsupported,
            _ => JpegError::Damaged,
        })?;
        Ok(Self { decoder })
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.decoder.info().map_or((0, 0), |info| (info.width.into(), info.height.into()))
    }

    /// The EXIF data, as it came.
    pub(crate) fn exif(&self) -> Option<&[u8]> {
        self.decoder.exif().map(Vec::as_slice)
    }

    /// The pixels: packed `R G B`, row after row.
    pub(crate) fn decode(mut self) -> Result<Vec<u8>, JpegError> {
        self.decoder.decode().map_err(|_| JpegError::Damaged)
    }
}

/// A JPEG's start with the segment of an AVI's frame, which tells the decoder to use the standard Huffman tables
/// (ITU-T T.81, K.3).  USB cameras may leave tables out in the same way, often without saying so.
const STANDARD_TABLES_START: &[u8] = b"\xff\xd8\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 160 × 96 pixels: red grows to the right, green downwards, blue is stripes.
    const SAMPLES: [&[u8]; 5] = [
        include_bytes!("samples/baseline-420.jpg"),
        include_bytes!("samples/baseline-422.jpg"),
        include_bytes!("samples/restarts-422.jpg"),
        include_bytes!("samples/progressive-444.jpg"),
        include_bytes!("samples/grey.jpg"),
    ];
    const GREY: &[u8] = SAMPLES[4];
    /// 128 × 96 pixels of one grey, with Huffman tables made for it: 2 bits a block.
    const PLAIN: &[u8] = include_bytes!("samples/plain-grey.jpg");

    fn decoder() -> JpegDecoder {
        JpegDecoder::new(160, 96).unwrap()
    }

    fn decode(jpeg: &[u8]) -> Result<(), JpegError> {
        decoder().decode(jpeg, Duration::ZERO).map(|_| ())
    }

    /// The frame without its Huffman tables, as many USB cameras send it.
    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut rest = jpeg.to_vec();
        while let Some(at) = rest.windows(2).position(|marker| marker == [0xff, 0xc4]) {
            let length = usize::from(u16::from_be_bytes([rest[at + 2], rest[at + 3]]));
            rest.drain(at..at + 2 + length);
        }
        rest
    }

    #[test]
    fn every_kind_gives_the_picture() {
        let mut decoder = decoder();
        for jpeg in SAMPLES {
            let frame = decoder.decode(jpeg, Duration::from_secs(7)).unwrap();
            assert_eq!((frame.width(), frame.height(), frame.stride()), (160, 96, 480));
            assert_eq!((frame.format(), frame.captured_at()), (PixelFormat::Rgb, Duration::from_secs(7)));
            let mean_error = |channel: usize, expected: fn(usize, usize) -> usize| {
                let error = |(index, pixel): (usize, &[u8])| {
                    usize::from(pixel[channel]).abs_diff(expected(index % 160, index / 160))
                };
                frame.data().chunks(3).enumerate().map(error).sum::<usize>() / (160 * 96)
            };
            if jpeg == GREY {
                assert!(frame.data().chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
            } else {
                assert!(mean_error(0, |x, _| x * 255 / 159) < 12);
                assert!(mean_error(1, |_, y| y * 255 / 95) < 12);
            }
        }
        assert_eq!(decoder.scratch().overflows(), 0);
    }

    #[test]
    fn missing_huffman_tables_are_the_standard_ones() {
        for jpeg in [SAMPLES[0], SAMPLES[1], SAMPLES[2], GREY] {
            let (mut with, mut without) = (decoder(), decoder());
            let with = with.decode(jpeg, Duration::ZERO).unwrap();
            let bare = without_tables(jpeg);
            assert!(bare.len() < jpeg.len());
            let without = without.decode(&bare, Duration::ZERO).unwrap();
            assert_eq!(with.data(), without.data());
        }
    }

    #[test]
    fn a_picture_that_is_not_all_there_is_refused() {
        for jpeg in SAMPLES {
            for length in 2..jpeg.len() {
                let result = decode(&jpeg[..length]);
                assert!(matches!(result, Err(JpegError::CutShort)), "{length}: {result:?}");
            }
        }
        assert_eq!(decode(&[]), Err(JpegError::CutShort));
        assert_eq!(decode(b"GIF89a"), Err(JpegError::NotJpeg));
    }

    #[test]
    fn a_picture_with_a_hole_is_refused() {
        for jpeg in &SAMPLES[..3] {
            let scan = jpeg.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
            let entropy = jpeg.len() - 2 - scan;
            for tenths in 1..10 {
                let end_too_early = [&jpeg[..scan + entropy * tenths / 10], &[0xff, 0xd9]].concat();
                assert_eq!(decode(&end_too_early), Err(JpegError::Damaged), "{tenths}");
            }
        }
    }

    #[test]
    fn a_picture_with_few_bits_to_a_row_is_whole() {
        assert_eq!(decode(PLAIN), Ok(()));
    }

    #[test]
    fn bytes_behind_the_end_do_not_matter() {
        for jpeg in SAMPLES {
            assert_eq!(decode(&[jpeg, &[0; 1000]].concat()), Ok(()));
            assert_eq!(decode(&[jpeg, jpeg].concat()), Ok(()));
        }
    }

    #[test]
    fn too_large_a_picture_is_refused_by_its_header() {
        let too_large = JpegError::TooLarge { width: 160, height: 96, max_width: 159, max_height: 96 };
        let mut small = JpegDecoder::new(159, 96).unwrap();
        assert_eq!(small.decode(GREY, Duration::ZERO).unwrap_err(), too_large);
        assert_eq!(small.scratch().peak(), 0);
        assert!(matches!(JpegDecoder::new(3840, 2160), Err(JpegError::TooLarge { .. })));
        assert!(matches!(JpegDecoder::new(usize::MAX, 2), Err(JpegError::TooLarge { .. })));
        assert!(JpegDecoder::new(1080, 1920).is_ok());
    }

    #[test]
    fn other_kinds_are_named_unsupported() {
        let frame_header = GREY.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        for (offset, value) in [(1, 0xc3), (1, 0xc9), (4, 12)] {
            let mut jpeg = GREY.to_vec();
            jpeg[frame_header + offset] = value;
            assert_eq!(decode(&jpeg), Err(JpegError::Unsupported), "{offset} {value}");
        }
    }

    #[test]
    fn every_picture_starts_over_in_the_same_memory() {
        let mut decoder = decoder();
        let mut peaks = SAMPLES.map(|jpeg| {
            decoder.decode(jpeg, Duration::ZERO).unwrap();
            decoder.scratch().peak()
        });
        for jpeg in SAMPLES.repeat(10) {
            decoder.decode(jpeg, Duration::ZERO).unwrap();
            let _ = decoder.decode(&jpeg[..jpeg.len() - 2], Duration::ZERO);
        }
        peaks.sort_unstable();
        assert_eq!(decoder.scratch().peak(), peaks[4]);
        assert!(peaks[4] > 0, "the decoder did not use its arena");
    }

    /// Measured with zune-jpeg 0.5.15 (bytes of working memory, all of it in the arena):
    ///
    /// | pixels | baseline 4:2:0 | 4:2:2 | 4:4:4 | progressive 4:2:0 | 4:4:4 | reserved |
    /// |---|---|---|---|---|---|---|
    /// | 640 × 480 | 109,008 | 71,888 | 32,208 | 1,021,648 | 1,875,408 | 2,285,568 |
    /// | 1280 × 720 | 216,528 | 142,288 | 62,928 | 2,963,408 | 5,592,528 | 6,340,608 |
    /// | 1920 × 1080 | 324,048 | 212,688 | 93,648 | 6,564,048 | 12,535,248 | 13,467,648 |
    #[test]
    fn working_memory_is_enough() {
        for (width, height, worst) in
            [(640, 480, 1_875_408), (1280, 720, 5_592_528), (1920, 1080, 12_535_248)]
        {
            assert!(working_bytes(width, height) > worst + TABLE_BYTES);
        }
        // The samples, claimed to be as large as possible: the decoder plans for that before it fails.
        for (width, height) in [(1920_u16, 1080_u16), (1080, 1920)] {
            for jpeg in SAMPLES {
                let mut jpeg = jpeg.to_vec();
                let frame_header =
                    jpeg.windows(2).position(|marker| matches!(marker, [0xff, 0xc0 | 0xc2])).unwrap();
                jpeg[frame_header + 5..][..2].copy_from_slice(&height.to_be_bytes());
                jpeg[frame_header + 7..][..2].copy_from_slice(&width.to_be_bytes());
                let mut decoder = JpegDecoder::new(width.into(), height.into()).unwrap();
                let _ = decoder.decode(&jpeg, Duration::ZERO);
                assert!(decoder.scratch().peak() > 0);
                assert_eq!(decoder.scratch().overflows(), 0);
            }
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            sample in 0..SAMPLES.len(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
            tables in any::<bool>(),
        ) {
            let mut jpeg = if tables { SAMPLES[sample].to_vec() } else { without_tables(SAMPLES[sample]) };
            for (index, value) in damage {
                let length = jpeg.len();
                jpeg[index.index(length)] = value;
            }
            let _ = decode(&jpeg);
        }

        #[test]
        fn any_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = decode(&[&[0xff, 0xd8, 0xff], &tail[..], &[0xff, 0xd9]].concat());
        }
    }
}
