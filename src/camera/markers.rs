//! Where a JPEG begins and ends, and what its header says, read from its markers (ITU-T T.81, annex B).
//!
//! A JPEG ends at its end-of-image marker, which must be looked for by walking from marker to marker: the bytes
//! `FF D9` also stand inside segments (an EXIF thumbnail is a whole JPEG).

use std::ops::ControlFlow;

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const HUFFMAN_TABLES: u8 = 0xc4;
const ARITHMETIC_CODING: u8 = 0xcc;
const RESERVED_FRAME: u8 = 0xc8;
const APPLICATION_2: u8 = 0xe2;

/// What a JPEG's markers say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Header {
    /// Pixels; 0 if no frame header was there.
    pub(crate) width: usize,
    /// Pixels; 0 if no frame header was there.
    pub(crate) height: usize,
    /// Colour channels.
    pub(crate) components: u8,
    /// Bits of a sample.
    pub(crate) precision: u8,
    /// How it is coded: the low half of the frame header's marker.  0 and 1: baseline and extended, 2: progressive.
    pub(crate) process: u8,
    /// It brings its Huffman tables along.
    pub(crate) has_huffman_tables: bool,
    /// It is the first of several pictures that make up one photograph (CIPA DC-007, multi-picture format).
    pub(crate) is_multi_picture: bool,
    /// Picture data has begun.
    has_scan: bool,
}

/// What lies at the start of some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Walk {
    /// A JPEG of `length` bytes, its end-of-image marker included.
    Whole { header: Header, length: usize },
    /// A JPEG that goes on behind the bytes at hand.  If nothing follows, look for the next one from `resume` on.
    Unfinished { resume: usize },
    /// No JPEG, or one that breaks off.  Look for the next one from `resume` on.
    Broken { resume: usize },
}

/// Walks the markers of a JPEG that starts with the first of `data`.
pub(crate) fn walk(data: &[u8]) -> Walk {
    if data.len() < 2 {
        return Walk::Unfinished { resume: data.len() };
    }
    if data[..2] != [0xff, START_OF_IMAGE] {
        return Walk::Broken { resume: 1 };
    }
    let mut header = Header::default();
    let mut place = Place { position: 2, resume: 2 };
    loop {
        match step(data, place, &mut header) {
            ControlFlow::Continue(next) => place = next,
            ControlFlow::Break(end) => return end,
        }
    }
}

/// Where a marker should be.
#[derive(Clone, Copy)]
struct Place {
    position: usize,
    /// Where to look for another JPEG if there is none: at the segment before, which may have lied about its length.
    resume: usize,
}

/// Reads the marker at a place, and the segment and the picture data that belong to it.
fn step(data: &[u8], place: Place, header: &mut Header) -> ControlFlow<Walk, Place> {
    let Place { position, resume } = place;
    let broken = ControlFlow::Break(Walk::Broken { resume });
    let unfinished = ControlFlow::Break(Walk::Unfinished { resume: position });

    // Any number of FF may stand before a marker's code.
    let Some(fill) = data[position..].iter().position(|&byte| byte != 0xff) else { return unfinished };
    if fill == 0 {
        return broken;
    }
    let body = position + fill + 1;
    let code = data[body - 1];
    match code {
        END_OF_IMAGE if header.has_scan => {
            return ControlFlow::Break(Walk::Whole { header: *header, length: body });
        }
        END_OF_IMAGE => return ControlFlow::Break(Walk::Broken { resume: body }),
        // A new JPEG before this one's end.
        START_OF_IMAGE => return ControlFlow::Break(Walk::Broken { resume: position }),
        // No marker, or a stray restart marker.
        0 | 1 | 0xd0..=0xd7 => return broken,
        // Behind the scan of a sequential JPEG comes its end; a second scan is a lost piece of the stream.
        _ if header.has_scan && header.process < 2 => return broken,
        _ => {}
    }
    let Some(length) = data.get(body..body + 2) else { return unfinished };
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return broken;
    }
    let Some(segment) = data.get(body + 2..body + length) else { return unfinished };
    let next = body + length;
    match code {
        HUFFMAN_TABLES => header.has_huffman_tables = true,
        APPLICATION_2 => header.is_multi_picture |= segment.starts_with(b"MPF\0"),
        ARITHMETIC_CODING | RESERVED_FRAME => {}
        0xc0..=0xcf => {
            let &[precision, h1, h0, w1, w0, components, ref parameters @ ..] = segment else {
                return broken;
            };
            if parameters.len() != 3 * usize::from(components) {
                return broken;
            }
            header.precision = precision;
            header.height = usize::from(u16::from_be_bytes([h1, h0]));
            header.width = usize::from(u16::from_be_bytes([w1, w0]));
            header.components = components;
            header.process = code & 0x0f;
        }
        START_OF_SCAN => {
            header.has_scan = true;
            return match end_of_scan(data, next) {
                Some(next) => ControlFlow::Continue(Place { position: next, resume: next }),
                None => unfinished,
            };
        }
        _ => {}
    }
    ControlFlow::Continue(Place { position: next, resume: position })
}

/// The first marker behind entropy-coded data: an FF that neither a stuffed 0 nor a restart marker follows.
fn end_of_scan(data: &[u8], mut position: usize) -> Option<usize> {
    loop {
        position += data.get(position..)?.iter().position(|&byte| byte == 0xff)?;
        match *data.get(position + 1)? {
            0 | 0xd0..=0xd7 => position += 2,
            0xff => position += 1,
            _ => return Some(position),
        }
    }
}

/// Where the next JPEG may start: `FF D8`, and the FF and code of a segment.
///
/// `Err` tells from where to look again when more bytes are there.
pub(crate) fn find_start(data: &[u8], from: usize) -> Result<usize, usize> {
    let rest = data.get(from..).unwrap_or_default();
    let is_start = |bytes: &[u8]| {
        bytes[..3] == [0xff, START_OF_IMAGE, 0xff] && matches!(bytes[3], 0xc0..=0xcf | 0xda..=0xfe)
    };
    match rest.windows(4).position(is_start) {
        Some(offset) => Ok(from + offset),
        None => Err(from + rest.len().saturating_sub(3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = include_bytes!("samples/restarts-422.jpg");

    /// The JPEG with `segment` right behind its start.
    fn with_segment(code: u8, segment: &[u8]) -> Vec<u8> {
        let length = (segment.len() as u16 + 2).to_be_bytes();
        [&JPEG[..2], &[0xff, code], &length, segment, &JPEG[2..]].concat()
    }

    #[test]
    fn the_header_is_read() {
        let Walk::Whole { header, length } = walk(JPEG) else { panic!() };
        assert_eq!(length, JPEG.len());
        assert_eq!((header.width, header.height, header.components), (160, 96, 3));
        assert_eq!((header.precision, header.process), (8, 0));
        assert!(header.has_huffman_tables && !header.is_multi_picture);
    }

    #[test]
    fn a_thumbnail_is_part_of_its_picture() {
        let nested = with_segment(0xe1, &[b"Exif\0\0", JPEG].concat());
        assert!(matches!(walk(&nested), Walk::Whole { length, .. } if length == nested.len()));
    }

    #[test]
    fn photographs_of_several_pictures_are_told() {
        let photograph = with_segment(0xe2, b"MPF\0rest");
        assert!(matches!(walk(&photograph), Walk::Whole { header, .. } if header.is_multi_picture));
    }

    #[test]
    fn fill_bytes_before_a_marker_are_skipped() {
        let filled =
            [&JPEG[..2], &[0xff, 0xff], &JPEG[2..JPEG.len() - 2], &[0xff, 0xff, 0xff, 0xd9]].concat();
        assert!(matches!(walk(&filled), Walk::Whole { length, .. } if length == filled.len()));
    }

    #[test]
    fn any_shorter_part_is_unfinished() {
        for length in 0..JPEG.len() {
            assert!(matches!(walk(&JPEG[..length]), Walk::Unfinished { resume } if resume <= length));
        }
    }

    #[test]
    fn a_picture_that_another_one_interrupts_is_broken_there() {
        let cut = JPEG.len() - 100;
        let interrupted = [&JPEG[..cut], JPEG].concat();
        assert_eq!(walk(&interrupted), Walk::Broken { resume: cut });
        assert_eq!(walk(b"text"), Walk::Broken { resume: 1 });
        assert_eq!(walk(&[0xff, 0xd8, 0xff, 0xd9]), Walk::Broken { resume: 4 });
        assert_eq!(walk(&[0xff, 0xd8, 0xff, 0xdb, 0, 1]), Walk::Broken { resume: 2 });
    }

    #[test]
    fn starts_are_found_behind_junk() {
        let junk = [b"\xff\xd8\xff\xd8 junk \xff\xd9", JPEG].concat();
        assert_eq!(find_start(&junk, 0), Ok(junk.len() - JPEG.len()));
        assert_eq!(find_start(&junk[..14], 0), Err(11));
        assert_eq!(find_start(b"", 0), Err(0));
        assert_eq!(find_start(b"ab", 9), Err(9));
    }
}
