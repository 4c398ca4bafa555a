//! A media controller: a Raspberry Pi 5's receiver with the sensor of a Camera Module 2, as their drivers (rp1-cfe and
//! imx219 of the Pi's kernel 6.6.21) answer.  Structures are written word by word, as `linux/media.h` and
//! `linux/v4l2-subdev.h` lay them out.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};

use v4l::v4l_sys as sys;

use crate::machine::{Agreed, Device};

/// Its nodes beside the video node, and the numbers of the devices of all.
pub(crate) const NODES: [(&str, u32); 5] =
    [("video0", 0), ("v4l-subdev0", 1), ("v4l-subdev1", 2), ("v4l-subdev2", 3), ("media0", 4)];

/// The codes of what the sensor sends, upright and upside down: RGGB and BGGR, in 10 and in 8 bits.
pub(crate) const CODES: [[u32; 2]; 2] = [[0x300f, 0x3007], [0x3014, 0x3001]];
const EMBEDDED: u32 = 0x7002;

const MODES: [(u32, u32); 4] = [(3280, 2464), (1920, 1080), (1640, 1232), (640, 480)];

const ENABLED: u32 = 1;
const FIXED: u32 = 3;

/// Name, function, pads in and out, node.
const ENTITIES: [(&str, u32, u32, u32, u32); 4] = [
    ("csi2", 0x5002, 4, 4, 2),
    ("pisp-fe", 0x4005, 2, 3, 3),
    ("rp1-cfe-csi2_ch0", 0x1_0001, 1, 0, 0),
    ("imx219 10-0010", 0x2_0001, 0, 2, 1),
];
const CSI2: usize = 0;
const FRONT_END: usize = 1;
const CHANNEL: usize = 2;
const SENSOR: usize = 3;

/// Width, height and code.
type Format = [u32; 3];

/// A pad: the number of its entity, and its own.
type Pad = (usize, u32);

/// With which `errno` a request to a node, by its name, is refused.
type Refusal = Box<dyn Fn(&str, u64) -> Option<c_int>>;

/// The receiver's state.
pub(crate) struct Controller {
    /// From, to, and flags.
    pub(crate) links: Vec<(Pad, Pad, u32)>,
    formats: HashMap<Pad, Format>,
    /// Which requests are refused.
    pub(crate) refuse: Refusal,
    /// Whether the receiver takes nothing but its own default.
    pub(crate) is_stubborn: bool,
}

impl Controller {
    pub(crate) fn new() -> Self {
        let mut formats = HashMap::new();
        for pad in 0..8 {
            let embedded = pad % 4 == 1;
            let format = if embedded { [16_384, 1, EMBEDDED] } else { [640, 480, CODES[0][0]] };
            formats.insert((CSI2, pad), format);
        }
        formats.insert((SENSOR, 0), [3280, 2464, CODES[0][0]]);
        formats.insert((SENSOR, 1), [3280, 2, EMBEDDED]);
        Self {
            links: vec![
                ((SENSOR, 0), (CSI2, 0), FIXED),
                ((SENSOR, 1), (CSI2, 1), FIXED),
                ((CSI2, 4), (CHANNEL, 0), 0),
                // As another program may have left it.
                ((CSI2, 4), (FRONT_END, 0), ENABLED),
            ],
            formats,
            refuse: Box::new(|_, _| None),
            is_stubborn: false,
        }
    }

    /// What the driver answers to a request to one of its nodes but the video node.
    ///
    /// # Safety
    ///
    /// `argument` must be what belongs to `request`.
    pub(crate) unsafe fn ioctl(
        &mut self,
        node: &str,
        request: u64,
        argument: *mut c_void,
        sensor: &Device,
    ) -> Result<(), c_int> {
        if let Some(errno) = (self.refuse)(node, request) {
            return Err(errno);
        }
        let words = (request >> 16 & 0x3fff) as usize / 4;
        // SAFETY: the caller gives as many bytes as the request's number says, all of them integers.
        let told = unsafe { std::slice::from_raw_parts_mut(argument.cast::<u32>(), words) };
        let entity = match node {
            "v4l-subdev0" => SENSOR,
            "v4l-subdev1" => CSI2,
            "v4l-subdev2" => FRONT_END,
            _ => CHANNEL,
        };
        match (node, request as u32) {
            ("media0", 0xc100_7c00) => {
                fill(&mut told[4..12], b"rp1-cfe");
                Ok(())
            }
            ("media0", 0xc034_7c03) => self.switch(told),
            // SAFETY: promised by the caller, for the addresses as well.
            ("media0", 0xc048_7c04) => unsafe { self.topology(told) },
            (_, 0xc030_5602) => {
                let code = if (entity, told[0]) == (SENSOR, 0) {
                    CODES.get(told[1] as usize).map(|codes| codes[is_turned(sensor)])
                } else {
                    None
                };
                told[2] = code.ok_or(libc::EINVAL)?;
                Ok(())
            }
            (_, 0xc040_564a) => {
                let is_now = CODES.iter().any(|codes| codes[is_turned(sensor)] == told[2]);
                let (width, height) = MODES.get(told[0] as usize).filter(|_| is_now).ok_or(libc::EINVAL)?;
                told[3..7].copy_from_slice(&[*width, *width, *height, *height]);
                Ok(())
            }
            (_, 0xc058_5604) => self.format(entity, told),
            (_, 0xc058_5605) => self.set_format(entity, told, sensor),
            _ => Err(libc::ENOTTY),
        }
    }

    fn format(&self, entity: usize, told: &mut [u32]) -> Result<(), c_int> {
        assert_eq!(told[0], 1, "formats that are in force");
        let format = self.formats.get(&(entity, told[1])).ok_or(libc::EINVAL)?;
        told[2..5].copy_from_slice(format);
        Ok(())
    }

    fn set_format(&mut self, entity: usize, told: &mut [u32], sensor: &Device) -> Result<(), c_int> {
        let pad = told[1];
        let asked: Format = [told[2], told[3], told[4]];
        match (entity, pad) {
            (SENSOR, 0) => {
                let codes = CODES.iter().find(|codes| codes.contains(&asked[2])).unwrap_or(&CODES[0]);
                let distance = |mode: &&(u32, u32)| mode.0.abs_diff(asked[0]) + mode.1.abs_diff(asked[1]);
                let (width, height) = *MODES.iter().min_by_key(distance).unwrap();
                self.formats.insert((SENSOR, 0), [width, height, codes[is_turned(sensor)]]);
            }
            (CSI2, 0..4) if !self.is_stubborn => {
                self.formats.insert((CSI2, pad), asked);
                self.formats.insert((CSI2, pad + 4), asked);
            }
            _ => {}
        }
        self.format(entity, told)
    }

    fn switch(&mut self, told: &[u32]) -> Result<(), c_int> {
        let pad = |words: &[u32]| (words[0] as usize - 1, words[1] & 0xffff);
        let (source, sink) = (pad(told), pad(&told[5..]));
        let link = self.links.iter_mut().find(|link| (link.0, link.1) == (source, sink));
        let link = link.ok_or(libc::EINVAL)?;
        if link.2 & FIXED == FIXED {
            return Err(libc::EINVAL);
        }
        link.2 = told[10];
        Ok(())
    }

    /// # Safety
    ///
    /// Each address in it is 0, or there is room for as many entries as it says.
    unsafe fn topology(&self, told: &mut [u32]) -> Result<(), c_int> {
        let id = |pad: Pad| 1000 * (pad.0 as u32 + 1) + pad.1;
        let mut lists: [Vec<Vec<u32>>; 4] = Default::default();
        for (number, (name, function, ins, outs, node)) in (0..).zip(ENTITIES) {
            let mut entity = vec![0; 24];
            entity[0] = number as u32 + 1;
            fill(&mut entity[1..17], name.as_bytes());
            entity[17] = function;
            lists[0].push(entity);
            let mut interface = vec![0; 28];
            interface[0] = 100 + number as u32;
            interface[1] = if number == CHANNEL { 0x200 } else { 0x203 };
            (interface[12], interface[13]) = (81, node);
            lists[1].push(interface);
            lists[3]
                .push([200 + number as u32, 100 + number as u32, number as u32 + 1, FIXED | 1 << 28].into());
            for index in 0..ins + outs {
                let flags = if index < ins { 1 } else { 2 };
                lists[2].push([id((number, index)), number as u32 + 1, flags, index, 0, 0, 0, 0].into());
            }
        }
        lists[3].iter_mut().for_each(|link| link.resize(10, 0));
        for (number, (source, sink, flags)) in (0..).zip(&self.links) {
            lists[3].push([300 + number, id(*source), id(*sink), *flags, 0, 0, 0, 0, 0, 0].into());
        }
        for (place, list) in (2..).step_by(4).zip(&lists) {
            let address = u64::from(told[place + 2]) | u64::from(told[place + 3]) << 32;
            let room = std::mem::replace(&mut told[place], list.len() as u32) as usize;
            if address == 0 {
                continue;
            }
            if room < list.len() {
                return Err(libc::ENOSPC);
            }
            let words = list.concat();
            let to = std::ptr::with_exposed_provenance_mut::<u32>(address as usize);
            // SAFETY: there is room for them, as the caller promises.
            unsafe { to.copy_from_nonoverlapping(words.as_ptr(), words.len()) };
        }
        Ok(())
    }

    /// What the driver says to the start of pictures on the video node.
    pub(crate) fn start(&self, agreed: &Agreed, bus: &[([u8; 4], u32)]) -> Result<(), c_int> {
        let is_on = |source: Pad, sink: Pad| {
            self.links.iter().any(|link| (link.0, link.1) == (source, sink) && link.2 & ENABLED != 0)
        };
        // A node that is switched on and not read holds all of them up.
        if !is_on((CSI2, 4), (CHANNEL, 0)) || is_on((CSI2, 4), (FRONT_END, 0)) {
            return Err(libc::EINVAL);
        }
        if (0..2).any(|pad| self.formats[&(SENSOR, pad)] != self.formats[&(CSI2, pad)]) {
            return Err(libc::EPIPE);
        }
        let [width, height, code] = self.formats[&(CSI2, 4)];
        let is_alike =
            (width, height) == (agreed.width, agreed.height) && bus.contains(&(agreed.fourcc, code));
        if is_alike { Ok(()) } else { Err(libc::EINVAL) }
    }
}

/// Whether the sensor sends from the lowest row to the highest.
fn is_turned(sensor: &Device) -> usize {
    usize::from(sensor.controls.contains(&(sys::V4L2_CID_VFLIP, 1)))
}

/// Writes text into words.
fn fill(words: &mut [u32], text: &[u8]) {
    for (word, letters) in words.iter_mut().zip(text.chunks(4)) {
        let mut bytes = [0; 4];
        bytes[..letters.len()].copy_from_slice(letters);
        *word = u32::from_ne_bytes(bytes);
    }
}
