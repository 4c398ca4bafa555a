//! The kernel's calls of a media controller and of sub-devices.
//!
//! Structures and numbers are those of `linux/media.h`, `linux/v4l2-subdev.h` and `linux/v4l2-mediabus.h` (6.6 to 6.12);
//! "Linux Media Subsystem", parts I and IV, describes them.  Nothing of them is padded: what they are made of fills them.

use std::io;

use v4l::Device;
use v4l::v4l2::vidioc::_IOC_TYPE as Request;

use super::super::ioctl::{Plain, Sizes, call, call_following, entries, text, zeroed};
use super::graph::{Entity, Graph, Link, Node, Pad};

/// Formats of a sub-device that are in force (`V4L2_SUBDEV_FORMAT_ACTIVE`), not only tried.
const ACTIVE: u32 = 1;
/// Pictures come whole, not as every other row (`V4L2_FIELD_NONE`).
const PROGRESSIVE: u32 = 1;
/// A pad by which data leave (`MEDIA_PAD_FL_SOURCE`).
const SOURCE: u32 = 1 << 1;
/// What a link is: between pads, or between an entity and its node (`MEDIA_LNK_FL_LINK_TYPE`).
const LINK_TYPE: u32 = 0xf << 28;
const DATA_LINK: u32 = 0;
const INTERFACE_LINK: u32 = 1 << 28;
/// Nodes of video devices and of sub-devices (`MEDIA_INTF_T_V4L_VIDEO` and `…_SUBDEV`).
const VIDEO_NODE: u32 = 0x200;
const SUBDEVICE_NODE: u32 = 0x203;

/// Most entries of each list of a graph.  A Raspberry Pi 5's receiver has 27 pads.
const MOST: u32 = 4096;

/// The number of a request that reads and writes a `T` (`_IOWR`).
const fn request<T>(group: u8, number: u8) -> Request {
    const READ_AND_WRITE: u32 = 3;
    (READ_AND_WRITE << 30 | (size_of::<T>() as u32) << 16 | (group as u32) << 8 | number as u32) as Request
}

#[repr(C)]
struct MediaDeviceInfo {
    driver: [u8; 16],
    model: [u8; 32],
    serial: [u8; 40],
    bus_info: [u8; 32],
    media_version: u32,
    hw_revision: u32,
    driver_version: u32,
    reserved: [u32; 31],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MediaV2Entity {
    id: u32,
    name: [u8; 64],
    function: u32,
    flags: u32,
    reserved: [u32; 5],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MediaV2Interface {
    id: u32,
    kind: u32,
    flags: u32,
    reserved: [u32; 9],
    major: u32,
    minor: u32,
    /// The rest of a union.
    raw: [u32; 14],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MediaV2Pad {
    id: u32,
    entity_id: u32,
    flags: u32,
    index: u32,
    reserved: [u32; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MediaV2Link {
    id: u32,
    source_id: u32,
    sink_id: u32,
    flags: u32,
    reserved: [u32; 6],
}

/// A list of the topology: how many entries, and the address of room for them.
#[repr(C)]
#[derive(Default)]
struct List {
    count: u32,
    reserved: u32,
    pointer: u64,
}

#[repr(C)]
#[derive(Default)]
struct MediaV2Topology {
    version: u64,
    entities: List,
    interfaces: List,
    pads: List,
    links: List,
}

#[repr(C)]
struct MediaPadDesc {
    entity: u32,
    index: u16,
    /// C's own padding.
    padding: u16,
    flags: u32,
    reserved: [u32; 2],
}

#[repr(C)]
struct MediaLinkDesc {
    source: MediaPadDesc,
    sink: MediaPadDesc,
    flags: u32,
    reserved: [u32; 2],
}

#[repr(C)]
struct V4l2SubdevFormat {
    which: u32,
    pad: u32,
    // struct v4l2_mbus_framefmt
    width: u32,
    height: u32,
    code: u32,
    field: u32,
    colorspace: u32,
    /// Encoding, quantization, transfer function, flags.
    colours: [u16; 4],
    format_reserved: [u16; 10],
    // Behind it.
    stream: u32,
    reserved: [u32; 7],
}

#[repr(C)]
struct V4l2SubdevMbusCodeEnum {
    pad: u32,
    index: u32,
    code: u32,
    which: u32,
    flags: u32,
    stream: u32,
    reserved: [u32; 6],
}

#[repr(C)]
struct V4l2SubdevFrameSizeEnum {
    index: u32,
    pad: u32,
    code: u32,
    min_width: u32,
    max_width: u32,
    min_height: u32,
    max_height: u32,
    which: u32,
    stream: u32,
    reserved: [u32; 7],
}

// SAFETY: these are made of integers alone.
unsafe impl Plain for MediaDeviceInfo {}
// SAFETY: as above.
unsafe impl Plain for MediaV2Entity {}
// SAFETY: as above.
unsafe impl Plain for MediaV2Interface {}
// SAFETY: as above.
unsafe impl Plain for MediaV2Pad {}
// SAFETY: as above.
unsafe impl Plain for MediaV2Link {}
// SAFETY: as above.
unsafe impl Plain for MediaLinkDesc {}
// SAFETY: as above.
unsafe impl Plain for V4l2SubdevFormat {}
// SAFETY: as above.
unsafe impl Plain for V4l2SubdevMbusCodeEnum {}
// SAFETY: as above.
unsafe impl Plain for V4l2SubdevFrameSizeEnum {}

const MEDIA_IOC_DEVICE_INFO: Request = request::<MediaDeviceInfo>(b'|', 0);
const MEDIA_IOC_SETUP_LINK: Request = request::<MediaLinkDesc>(b'|', 3);
const MEDIA_IOC_G_TOPOLOGY: Request = request::<MediaV2Topology>(b'|', 4);
const VIDIOC_SUBDEV_ENUM_MBUS_CODE: Request = request::<V4l2SubdevMbusCodeEnum>(b'V', 2);
const VIDIOC_SUBDEV_G_FMT: Request = request::<V4l2SubdevFormat>(b'V', 4);
const VIDIOC_SUBDEV_S_FMT: Request = request::<V4l2SubdevFormat>(b'V', 5);
const VIDIOC_SUBDEV_ENUM_FRAME_SIZE: Request = request::<V4l2SubdevFrameSizeEnum>(b'V', 74);

/// What a media controller is the controller of.
pub(super) fn model(media: &Device) -> io::Result<String> {
    let mut info: MediaDeviceInfo = zeroed();
    call(media, MEDIA_IOC_DEVICE_INFO, &mut info)?;
    Ok(text(&info.model))
}

/// Room for a list's entries, whose address goes into the list.
fn room<T: Plain + Clone>(list: &mut List) -> Vec<T> {
    list.count = list.count.min(MOST);
    let mut room: Vec<T> = vec![zeroed(); list.count as usize];
    list.pointer = room.as_mut_ptr().expose_provenance() as u64;
    room
}

/// What there is, and what is connected with what.
pub(super) fn graph(media: &Device) -> io::Result<Graph> {
    let mut topology = MediaV2Topology::default();
    // SAFETY: it is made of integers.  Of a list without an address the kernel only counts the entries.
    unsafe { call_following(media, MEDIA_IOC_G_TOPOLOGY, &mut topology) }?;
    let mut entities: Vec<MediaV2Entity> = room(&mut topology.entities);
    let mut interfaces: Vec<MediaV2Interface> = room(&mut topology.interfaces);
    let mut pads: Vec<MediaV2Pad> = room(&mut topology.pads);
    let mut links: Vec<MediaV2Link> = room(&mut topology.links);
    // SAFETY: it is made of integers, and behind each address are `count` entries, of integers as well, which live on.  If
    // there are more by now, it is an error.
    unsafe { call_following(media, MEDIA_IOC_G_TOPOLOGY, &mut topology) }?;
    entities.truncate(topology.entities.count as usize);
    interfaces.truncate(topology.interfaces.count as usize);
    pads.truncate(topology.pads.count as usize);
    links.truncate(topology.links.count as usize);

    let is = |link: &&MediaV2Link, kind| link.flags & LINK_TYPE == kind;
    let node = |link: &MediaV2Link| {
        let interface = interfaces.iter().find(|interface| interface.id == link.source_id)?;
        let is_subdevice = match interface.kind {
            VIDEO_NODE => false,
            SUBDEVICE_NODE => true,
            _ => return None,
        };
        Some(Node { entity: link.sink_id, device: (interface.major, interface.minor), is_subdevice })
    };
    let entity = |entity: &MediaV2Entity| Entity {
        id: entity.id,
        name: text(&entity.name),
        function: entity.function,
    };
    let pad = |pad: &MediaV2Pad| Pad {
        id: pad.id,
        entity: pad.entity_id,
        index: pad.index,
        is_source: pad.flags & SOURCE != 0,
    };
    let link = |link: &MediaV2Link| Link { source: link.source_id, sink: link.sink_id, flags: link.flags };
    Ok(Graph {
        entities: entities.iter().map(entity).collect(),
        nodes: links.iter().filter(|link| is(link, INTERFACE_LINK)).filter_map(node).collect(),
        pads: pads.iter().map(pad).collect(),
        links: links.iter().filter(|link| is(link, DATA_LINK)).map(link).collect(),
    })
}

/// Switches a link between two pads.
pub(super) fn set_link(media: &Device, source: &Pad, sink: &Pad, flags: u32) -> io::Result<()> {
    let mut link: MediaLinkDesc = zeroed();
    for (told, pad) in [(&mut link.source, source), (&mut link.sink, sink)] {
        (told.entity, told.index) = (pad.entity, pad.index as u16);
    }
    link.flags = flags;
    call(media, MEDIA_IOC_SETUP_LINK, &mut link)
}

/// How pictures go through a pad.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct Format {
    /// `MEDIA_BUS_FMT_…`.
    pub(in super::super) code: u32,
    /// Pixels; of a bare sensor, photosites.
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
}

fn current(subdevice: &Device, pad: u32) -> io::Result<V4l2SubdevFormat> {
    let mut format = V4l2SubdevFormat { which: ACTIVE, pad, ..zeroed() };
    call(subdevice, VIDIOC_SUBDEV_G_FMT, &mut format)?;
    Ok(format)
}

/// How pictures go through a sub-device's pad.
pub(super) fn format(subdevice: &Device, pad: u32) -> io::Result<Format> {
    let V4l2SubdevFormat { code, width, height, .. } = current(subdevice, pad)?;
    Ok(Format { code, width, height })
}

/// Has pictures go so through a sub-device's pad; what it makes of that.
pub(super) fn set_format(subdevice: &Device, pad: u32, format: Format) -> io::Result<Format> {
    // What is not asked for, such as colour spaces, stays as it is.
    let Format { code, width, height } = format;
    let mut asked = V4l2SubdevFormat { code, width, height, field: PROGRESSIVE, ..current(subdevice, pad)? };
    call(subdevice, VIDIOC_SUBDEV_S_FMT, &mut asked)?;
    Ok(Format { code: asked.code, width: asked.width, height: asked.height })
}

/// The codes of what a sub-device's pad can send.
pub(super) fn codes(subdevice: &Device, pad: u32) -> impl Iterator<Item = u32> {
    let entry = move |index| V4l2SubdevMbusCodeEnum { pad, index, which: ACTIVE, ..zeroed() };
    entries(subdevice, VIDIOC_SUBDEV_ENUM_MBUS_CODE, entry).map(|entry| entry.code)
}

/// The sizes in which it can send that.
pub(super) fn sizes(subdevice: &Device, pad: u32, code: u32) -> impl Iterator<Item = Sizes> {
    let entry = move |index| V4l2SubdevFrameSizeEnum { pad, index, code, which: ACTIVE, ..zeroed() };
    entries(subdevice, VIDIOC_SUBDEV_ENUM_FRAME_SIZE, entry).map(|entry| {
        let V4l2SubdevFrameSizeEnum { min_width, max_width, min_height, max_height, .. } = entry;
        if (min_width, min_height) == (max_width, max_height) {
            Sizes::One(min_width, min_height)
        } else {
            // No steps are told; colours come in pairs.
            Sizes::Range { width: [min_width, max_width, 2], height: [min_height, max_height, 2] }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_kernels_numbers() {
        // As a C compiler makes them of the kernel's headers.
        let numbers: [(Request, u32); 7] = [
            (MEDIA_IOC_DEVICE_INFO, 0xc100_7c00),
            (MEDIA_IOC_SETUP_LINK, 0xc034_7c03),
            (MEDIA_IOC_G_TOPOLOGY, 0xc048_7c04),
            (VIDIOC_SUBDEV_ENUM_MBUS_CODE, 0xc030_5602),
            (VIDIOC_SUBDEV_G_FMT, 0xc058_5604),
            (VIDIOC_SUBDEV_S_FMT, 0xc058_5605),
            (VIDIOC_SUBDEV_ENUM_FRAME_SIZE, 0xc040_564a),
        ];
        for (is, expected) in numbers {
            assert_eq!(is as u32, expected);
        }
        // Entries of lists, whose size no number holds.
        assert_eq!(size_of::<MediaV2Entity>(), 96);
        assert_eq!(size_of::<MediaV2Interface>(), 112);
        assert_eq!(size_of::<MediaV2Pad>(), 32);
        assert_eq!(size_of::<MediaV2Link>(), 40);
    }

    #[test]
    fn a_file_is_no_media_controller_and_no_sub_device() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let device = Device::with_path(file.path()).unwrap();
        let refused = Some(libc::ENOTTY);
        assert_eq!(model(&device).unwrap_err().raw_os_error(), refused);
        assert_eq!(graph(&device).unwrap_err().raw_os_error(), refused);
        assert_eq!(format(&device, 0).unwrap_err().raw_os_error(), refused);
        let pad = Pad { id: 1, entity: 1, index: 0, is_source: true };
        assert_eq!(set_link(&device, &pad, &pad, 0).unwrap_err().raw_os_error(), refused);
        let format = Format { code: 0, width: 640, height: 480 };
        assert_eq!(set_format(&device, 0, format).unwrap_err().raw_os_error(), refused);
        assert_eq!(codes(&device, 0).count(), 0);
        assert_eq!(sizes(&device, 0, 0).count(), 0);
    }
}
