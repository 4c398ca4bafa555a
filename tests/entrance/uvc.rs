//! What a USB video class camera says about itself, and how a picture format is agreed on.
//!
//! Section and table numbers are those of "USB Device Class Definition for Video Devices" 1.1 and its payload
//! documents for MJPEG and uncompressed video; integers are little-endian.

use crate::usbredir::{Identity, Setup};

/// How the pictures of a format are coded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// One baseline JPEG a picture.
    Mjpeg,
    /// `Y0 U Y1 V`, two bytes a pixel.
    Yuyv,
    /// What a bare sensor sends, eight bits a photosite, blue and green first, in light of so many per cent.
    Bayer8(u8),
    /// The same with ten bits, packed as a Raspberry Pi's receiver packs them, red and green first.
    Bayer10(u8),
}

/// One thing that a camera can send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct VideoFormat {
    pub(crate) encoding: Encoding,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

impl VideoFormat {
    /// Bytes of a picture, which a JPEG stays below.
    pub(crate) fn frame_bytes(self) -> usize {
        usize::from(self.width) * usize::from(self.height) * usize::from(self.bits()) / 8
    }

    /// Bits of a pixel, or photosite.
    fn bits(self) -> u8 {
        match self.encoding {
            Encoding::Mjpeg | Encoding::Yuyv => 16,
            Encoding::Bayer8(_) => 8,
            Encoding::Bayer10(_) => 10,
        }
    }
}

/// A camera as it could be bought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// USB product number; the vendor is pid.codes, whose products 0x0001 to 0x0010 are free for tests.
    pub(crate) product: u16,
    /// The first is the default.
    pub(crate) formats: &'static [VideoFormat],
}

/// Pictures a second.  Few, for the emulated processor copies each of them.
pub(crate) const FRAME_RATE: u32 = 5;

/// Bytes of a bulk transfer with which the camera sends a part of a picture, its header included: 32 packets, the
/// most that Linux' uvcvideo puts into one.
pub(crate) const PAYLOAD: usize = 32 * PACKET as usize;

/// Bytes in front of each payload.
pub(crate) const PAYLOAD_HEADER: usize = 2;

const VENDOR_PID_CODES: u16 = 0x1209;
const STREAMING_ENDPOINT: u8 = 0x81;
const PACKET: u16 = 512;
const CONTROL_INTERFACE: u8 = 0;
const STREAMING_INTERFACE: u8 = 1;

/// Between pictures, in units of 100 ns.
const FRAME_INTERVAL: u32 = 10_000_000 / FRAME_RATE;

const CLASS_VIDEO: u8 = 0x0e;
const SUBCLASS_CONTROL: u8 = 1;
const SUBCLASS_STREAMING: u8 = 2;
const CAMERA_TERMINAL: u8 = 1;
const OUTPUT_TERMINAL: u8 = 2;

/// Types of descriptors.
mod descriptor {
    pub(super) const DEVICE: u8 = 1;
    pub(super) const CONFIGURATION: u8 = 2;
    pub(super) const STRING: u8 = 3;
    pub(super) const INTERFACE: u8 = 4;
    pub(super) const ENDPOINT: u8 = 5;
    pub(super) const INTERFACE_ASSOCIATION: u8 = 11;
    pub(super) const CLASS_INTERFACE: u8 = 0x24;
}

/// The header of a payload (2.4.3.3): `picture` tells consecutive pictures apart, `last` ends one.
pub(crate) fn payload_header(picture: u64, last: bool) -> [u8; PAYLOAD_HEADER] {
    const END_OF_HEADER: u8 = 1 << 7;
    const END_OF_FRAME: u8 = 1 << 1;
    let end = if last { END_OF_FRAME } else { 0 };
    [PAYLOAD_HEADER as u8, END_OF_HEADER | end | (picture & 1) as u8]
}

/// The control endpoint of a camera.
#[derive(Debug)]
pub(crate) struct Control {
    model: Model,
    probed: usize,
    committed: Option<usize>,
}

impl Control {
    pub(crate) fn new(model: Model) -> Self {
        Self { model, probed: 0, committed: None }
    }

    /// What identifies the camera before any descriptor is read.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            vendor: VENDOR_PID_CODES,
            product: self.model.product,
            class: [0xef, 2, 1],
            interfaces: [[CLASS_VIDEO, SUBCLASS_CONTROL], [CLASS_VIDEO, SUBCLASS_STREAMING]],
            bulk_in: STREAMING_ENDPOINT,
            packet_size: PACKET,
        }
    }

    /// The format that the host has chosen, as an index into the model's formats.
    pub(crate) fn committed(&self) -> Option<usize> {
        self.committed
    }

    /// What a control transfer brings: data for the host, which may be empty, or `None` for a stall.
    pub(crate) fn answer(&mut self, setup: Setup, data: &[u8]) -> Option<Vec<u8>> {
        let Setup { request_type, request, value, index, .. } = setup;
        let [low, high] = value.to_le_bytes();
        match (request_type, request) {
            // Standard requests (USB 2.0, 9.4): status, descriptors, setting, feature (a cleared halt).
            (0x80..=0x82, 0) => Some(vec![0, 0]),
            (0x80, 6) => match high {
                descriptor::DEVICE => Some(self.device()),
                descriptor::CONFIGURATION => Some(self.configuration()),
                descriptor::STRING => self.string(low),
                _ => None,
            },
            (0x81, 10) => Some(vec![0]),
            (0x00..=0x02, 1 | 3) => Some(Vec::new()),
            // Probe and commit of the streaming interface (4.3.1.1).
            (0x21 | 0xa1, _) if index.to_le_bytes()[0] == STREAMING_INTERFACE => {
                self.negotiate(request, high, data)
            }
            _ => None,
        }
    }

    fn negotiate(&mut self, request: u8, selector: u8, data: &[u8]) -> Option<Vec<u8>> {
        const PROBE: u8 = 1;
        const COMMIT: u8 = 2;
        const SET_CUR: u8 = 0x01;
        const GET_CUR: u8 = 0x81;
        const GET_MIN: u8 = 0x82;
        const GET_MAX: u8 = 0x83;
        const GET_LEN: u8 = 0x85;
        const GET_INFO: u8 = 0x86;
        const GET_DEF: u8 = 0x87;
        const GET_AND_SET: u8 = 0b11;
        match (selector, request) {
            (PROBE | COMMIT, SET_CUR) => {
                // bFormatIndex counts from one.
                let format = usize::from(*data.get(2)?).checked_sub(1)?;
                self.model.formats.get(format)?;
                self.probed = format;
                if selector == COMMIT {
                    self.committed = Some(format);
                }
                Some(Vec::new())
            }
            (PROBE | COMMIT, GET_CUR | GET_MIN | GET_MAX) => Some(self.parameters(self.probed)),
            (PROBE | COMMIT, GET_DEF) => Some(self.parameters(0)),
            (PROBE | COMMIT, GET_LEN) => Some(Vec::from((self.parameters(0).len() as u16).to_le_bytes())),
            (PROBE | COMMIT, GET_INFO) => Some(vec![GET_AND_SET]),
            _ => None,
        }
    }

    /// The video probe and commit controls (table 4-75), as of class version 1.0.
    fn parameters(&self, format: usize) -> Vec<u8> {
        let mut bytes = vec![1, 0, format as u8 + 1, 1];
        bytes.extend(FRAME_INTERVAL.to_le_bytes());
        bytes.extend([0; 10]); // key frames, compression, delay: not supported
        bytes.extend((self.model.formats[format].frame_bytes() as u32).to_le_bytes());
        bytes.extend((PAYLOAD as u32).to_le_bytes());
        bytes
    }

    fn device(&self) -> Vec<u8> {
        let mut body = vec![0x00, 0x02]; // USB 2.0
        body.extend(self.identity().class);
        body.push(64);
        for number in [VENDOR_PID_CODES, self.model.product, 0x0100] {
            body.extend(number.to_le_bytes());
        }
        body.extend([1, 2, 0, 1]); // strings: maker, product, no serial number; one configuration
        with_length(descriptor::DEVICE, &body)
    }

    fn string(&self, index: u8) -> Option<Vec<u8>> {
        const LANGUAGE_ENGLISH: u16 = 0x0409;
        let units: Vec<u16> = match index {
            0 => vec![LANGUAGE_ENGLISH],
            1 => "maskbell tests".encode_utf16().collect(),
            2 => self.model.name.encode_utf16().collect(),
            _ => return None,
        };
        let body: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        Some(with_length(descriptor::STRING, &body))
    }

    fn configuration(&self) -> Vec<u8> {
        let mut body =
            with_length(descriptor::INTERFACE_ASSOCIATION, &[CONTROL_INTERFACE, 2, CLASS_VIDEO, 3, 0, 0]);
        body.extend(control_interface());
        body.extend(self.streaming_interface());
        let total = (9 + body.len()) as u16;
        let [low, high] = total.to_le_bytes();
        let mut bytes = with_length(descriptor::CONFIGURATION, &[low, high, 2, 1, 0, 0x80, 250]);
        bytes.extend(body);
        bytes
    }

    fn streaming_interface(&self) -> Vec<u8> {
        let mut formats = Vec::new();
        for (index, format) in self.model.formats.iter().enumerate() {
            formats.extend(format_descriptors(index as u8 + 1, *format));
        }
        let count = self.model.formats.len();
        // Input header (table 3-14): the formats' total length, then one byte of controls a format.
        let total = (13 + count + formats.len()) as u16;
        let mut header = vec![1, count as u8];
        header.extend(total.to_le_bytes());
        header.extend([STREAMING_ENDPOINT, 0, OUTPUT_TERMINAL, 0, 0, 0, 1]);
        header.extend(vec![0; count]);

        let mut bytes = with_length(
            descriptor::INTERFACE,
            &[STREAMING_INTERFACE, 0, 1, CLASS_VIDEO, SUBCLASS_STREAMING, 0, 0],
        );
        bytes.extend(with_length(descriptor::CLASS_INTERFACE, &header));
        bytes.extend(formats);
        let [low, high] = PACKET.to_le_bytes();
        bytes.extend(with_length(descriptor::ENDPOINT, &[STREAMING_ENDPOINT, 2, low, high, 0]));
        bytes
    }
}

/// The control interface: a camera terminal without controls that feeds an output terminal.
fn control_interface() -> Vec<u8> {
    const CLOCK_HERTZ: u32 = 1_000_000;
    const HEADER_BYTES: usize = 13;
    let camera = with_length(
        descriptor::CLASS_INTERFACE,
        &[2, CAMERA_TERMINAL, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
    );
    let output =
        with_length(descriptor::CLASS_INTERFACE, &[3, OUTPUT_TERMINAL, 0x01, 0x01, 0, CAMERA_TERMINAL, 0]);
    let total = (HEADER_BYTES + camera.len() + output.len()) as u16;
    let mut header = vec![1, 0x00, 0x01]; // class version 1.0
    header.extend(total.to_le_bytes());
    header.extend(CLOCK_HERTZ.to_le_bytes());
    header.extend([1, STREAMING_INTERFACE]);

    let mut bytes =
        with_length(descriptor::INTERFACE, &[CONTROL_INTERFACE, 0, 0, CLASS_VIDEO, SUBCLASS_CONTROL, 0, 0]);
    bytes.extend(with_length(descriptor::CLASS_INTERFACE, &header));
    bytes.extend(camera);
    bytes.extend(output);
    bytes
}

/// The subtypes and details of an uncompressed format: its GUID, bits a pixel, default frame.
fn uncompressed(name: &[u8; 4], format: VideoFormat) -> (u8, u8, Vec<u8>) {
    let guid = *b"\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
    (4, 5, [&name[..], &guid, &[format.bits(), 1, 0, 0, 0, 0]].concat())
}

/// A format, its one frame size with one frame rate, and its colours.
fn format_descriptors(index: u8, format: VideoFormat) -> Vec<u8> {
    // Format and frame subtypes (table A-6), and what follows the number of frames in the format's descriptor.
    let (subtype, frame_subtype, details) = match format.encoding {
        Encoding::Mjpeg => (6, 7, vec![1, 1, 0, 0, 0, 0]),
        Encoding::Yuyv => uncompressed(b"YUY2", format),
        Encoding::Bayer8(_) => uncompressed(b"BA81", format),
        Encoding::Bayer10(_) => uncompressed(b"RW10", format),
    };
    let mut body = vec![subtype, index, 1];
    body.extend(details);
    let mut bytes = with_length(descriptor::CLASS_INTERFACE, &body);

    let size = format.frame_bytes() as u32;
    let bit_rate = size * 8 * FRAME_RATE;
    let mut frame = vec![frame_subtype, 1, 0];
    frame.extend([format.width, format.height].into_iter().flat_map(u16::to_le_bytes));
    frame.extend([bit_rate, bit_rate, size, FRAME_INTERVAL].into_iter().flat_map(u32::to_le_bytes));
    frame.push(1);
    frame.extend(FRAME_INTERVAL.to_le_bytes());
    bytes.extend(with_length(descriptor::CLASS_INTERFACE, &frame));

    // Colour matching (3.9.2.6): BT.709 primaries and transfer, BT.601 matrix.
    bytes.extend(with_length(descriptor::CLASS_INTERFACE, &[13, 1, 1, 4]));
    bytes
}

/// A descriptor: its length, its type, its body.
fn with_length(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![body.len() as u8 + 2, kind];
    bytes.extend(body);
    bytes
}
