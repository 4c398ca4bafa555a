//! Video4Linux' calls but those of the stream, which crate `v4l` makes.
//!
//! The crate's own panic at what drivers may say (a description that is no UTF-8, a colour space that it does not know)
//! and follow a list that never ends.  These take what is needed of an answer and leave the rest alone.  Structures and
//! numbers are the kernel's, by way of the crate's bindings; "Linux Media Subsystem", part I, appendix A describes them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io, mem};

use v4l::Device;
use v4l::v4l_sys::{
    V4L2_CID_ANALOGUE_GAIN, V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CID_AUTOGAIN, V4L2_CID_CAMERA_SENSOR_ROTATION,
    V4L2_CID_EXPOSURE, V4L2_CID_EXPOSURE_AUTO, V4L2_CID_EXPOSURE_AUTO_PRIORITY, V4L2_CID_FOCUS_ABSOLUTE,
    V4L2_CID_HFLIP, V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CID_VBLANK, V4L2_CID_VFLIP,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE as CAPTURE, v4l2_capability, v4l2_control, v4l2_fmtdesc,
    v4l2_format, v4l2_frmivalenum, v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE as INTERVAL_DISCRETE,
    v4l2_frmsizeenum, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE as SIZE_DISCRETE, v4l2_queryctrl,
    v4l2_streamparm,
};
use v4l::v4l2::vidioc::{self, _IOC_TYPE as Request};

/// Most entries of a list of formats, sizes or rates that are read.  Cameras list a dozen formats, three dozen sizes,
/// and ten rates; a list without end is a driver's fault.
const MAX_ENTRIES: u32 = 64;

/// The nodes of a folder that are called so and numbered, by number.
pub(super) fn nodes(folder: &Path, name: &str) -> Vec<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(name)?.parse::<u32>().ok();
    let mut nodes: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// A C string of a fixed field.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// A structure of the kernel whose zeros are valid, and in which the kernel writes nothing but its numbers.
///
/// # Safety
///
/// All bytes may have any value.
pub(super) unsafe trait Plain {}

// SAFETY: these are made of integers, unions of integers, and for `v4l2_format` of pointers that nobody follows.
unsafe impl Plain for v4l2_capability {}
// SAFETY: as above.
unsafe impl Plain for v4l2_fmtdesc {}
// SAFETY: as above.
unsafe impl Plain for v4l2_frmsizeenum {}
// SAFETY: as above.
unsafe impl Plain for v4l2_frmivalenum {}
// SAFETY: as above.
unsafe impl Plain for v4l2_format {}
// SAFETY: as above.
unsafe impl Plain for v4l2_streamparm {}
// SAFETY: as above.
unsafe impl Plain for v4l2_control {}
// SAFETY: as above.
unsafe impl Plain for v4l2_queryctrl {}

/// A structure of zeros.
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: zeros are valid for what is plain.
    unsafe { mem::zeroed() }
}

/// Hands `argument` to the driver, which may change it.
pub(super) fn call<T: Plain>(device: &Device, request: Request, argument: &mut T) -> io::Result<()> {
    // SAFETY: what is plain may have any value, and no request that is made of it has the kernel follow an address.
    unsafe { call_following(device, request, argument) }
}

/// As [`call`], with what may hold addresses that the kernel follows.
///
/// # Safety
///
/// `T` may have any value that the kernel writes, and at each address that the kernel follows for this request there is
/// as much room as `argument` says.
pub(super) unsafe fn call_following<T>(
    device: &Device,
    request: Request,
    argument: &mut T,
) -> io::Result<()> {
    // A request's number holds the size of what belongs to it (linux/ioctl.h).
    assert_eq!((request >> 16) as usize & 0x3fff, size_of::<T>(), "the request takes another structure");
    // SAFETY: the kernel reads and writes as many bytes as the number says, which is the size of `argument`; the rest is
    // promised by the caller.  The descriptor is open while `device` lives.
    unsafe { v4l::v4l2::ioctl(device.handle().fd(), request, (&raw mut *argument).cast()) }
}

/// The entries of a list that the driver numbers from 0, until it says that there are no more.
pub(super) fn entries<T: Plain>(
    device: &Device,
    request: Request,
    entry: impl Fn(u32) -> T,
) -> impl Iterator<Item = T> {
    (0..MAX_ENTRIES).map_while(move |index| {
        let mut entry = entry(index);
        call(device, request, &mut entry).ok()?;
        Some(entry)
    })
}

/// Opens a device node.
pub(super) fn open(node: &Path) -> io::Result<Device> {
    // The crate would panic at a path that C cannot express.
    if node.as_os_str().as_bytes().contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Device::with_path(node)
}

/// The device's description.
pub(super) fn capability(device: &Device) -> io::Result<v4l2_capability> {
    let mut capability = zeroed();
    call(device, vidioc::VIDIOC_QUERYCAP, &mut capability)?;
    Ok(capability)
}

/// The names of the formats that a camera can send.  Of a node behind a media controller: those that it makes of what
/// comes as `bus` (`MEDIA_BUS_FMT_…`); 0 for any.
pub(super) fn formats(device: &Device, bus: u32) -> impl Iterator<Item = [u8; 4]> {
    let entry = move |index| v4l2_fmtdesc { index, type_: CAPTURE, mbus_code: bus, ..zeroed() };
    entries(device, vidioc::VIDIOC_ENUM_FMT, entry).map(|entry| entry.pixelformat.to_le_bytes())
}

/// Sizes that a format comes in, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sizes {
    /// Width and height.
    One(u32, u32),
    /// Least, most and step of each.
    Range { width: [u32; 3], height: [u32; 3] },
}

/// The sizes that a camera offers in a format; none if it does not say.
pub(super) fn sizes(device: &Device, fourcc: [u8; 4]) -> impl Iterator<Item = Sizes> {
    let entry = move |index| v4l2_frmsizeenum { index, pixel_format: u32::from_le_bytes(fourcc), ..zeroed() };
    entries(device, vidioc::VIDIOC_ENUM_FRAMESIZES, entry).map(|entry| {
        // SAFETY: both variants are integers; the type says which are meant.
        unsafe {
            if entry.type_ == SIZE_DISCRETE {
                let size = entry.__bindgen_anon_1.discrete;
                Sizes::One(size.width, size.height)
            } else {
                let range = entry.__bindgen_anon_1.stepwise;
                Sizes::Range {
                    width: [range.min_width, range.max_width, range.step_width],
                    height: [range.min_height, range.max_height, range.step_height],
                }
            }
        }
    })
}

/// Pictures a second that a camera offers in a format and size, of a range the most; none if it does not say.
pub(super) fn rates(
    device: &Device,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
) -> impl Iterator<Item = f32> {
    let pixel_format = u32::from_le_bytes(fourcc);
    let entry = move |index| v4l2_frmivalenum { index, pixel_format, width, height, ..zeroed() };
    // A range is one entry; the kernel's documentation forbids more, and a driver repeats it.
    entries(device, vidioc::VIDIOC_ENUM_FRAMEINTERVALS, entry).filter_map(|entry| {
        // SAFETY: both variants are integers; the type says which are meant.
        let interval = unsafe {
            match entry.type_ {
                INTERVAL_DISCRETE => entry.__bindgen_anon_1.discrete,
                _ => entry.__bindgen_anon_1.stepwise.min,
            }
        };
        (interval.numerator > 0).then(|| interval.denominator as f32 / interval.numerator as f32)
    })
}

/// What a camera makes of the format that it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Granted {
    pub(super) fourcc: [u8; 4],
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from one row to the next, if the driver says.
    pub(super) stride: u32,
}

/// Asks for a format and a size.
pub(super) fn set_format(
    device: &Device,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
) -> io::Result<Granted> {
    let mut format = v4l2_format { type_: CAPTURE, ..zeroed() };
    // Writing to a field of a union reads nothing.
    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    format.fmt.pix.pixelformat = u32::from_le_bytes(fourcc);
    call(device, vidioc::VIDIOC_S_FMT, &mut format)?;
    // SAFETY: integers, in the variant that belongs to this type of stream.
    let pix = unsafe { format.fmt.pix };
    Ok(Granted {
        fourcc: pix.pixelformat.to_le_bytes(),
        width: pix.width,
        height: pix.height,
        stride: pix.bytesperline,
    })
}

/// Asks for so many pictures a second.
pub(super) fn set_rate(device: &Device, rate: u32) -> io::Result<()> {
    let mut parameters = v4l2_streamparm { type_: CAPTURE, ..zeroed() };
    parameters.parm.capture.timeperframe.numerator = 1;
    parameters.parm.capture.timeperframe.denominator = rate;
    call(device, vidioc::VIDIOC_S_PARM, &mut parameters)
}

/// A control of a camera, which not every one has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(super) enum Control {
    /// Which lamps not to flicker with: 0 none, 1 those at 50 Hz, 2 at 60 Hz, 3 as it finds.
    PowerLine = V4L2_CID_POWER_LINE_FREQUENCY,
    /// Whether automatic exposure may lower the rate of pictures: 0 or 1.
    ExposurePriority = V4L2_CID_EXPOSURE_AUTO_PRIORITY,
    /// Of a bare sensor: rows of an exposure.
    Exposure = V4L2_CID_EXPOSURE,
    /// Of a bare sensor: its code.
    AnalogueGain = V4L2_CID_ANALOGUE_GAIN,
    /// Of a bare sensor: rows between two pictures.
    VerticalBlanking = V4L2_CID_VBLANK,
    /// Of a bare sensor: degrees by which it is mounted turned.
    Rotation = V4L2_CID_CAMERA_SENSOR_ROTATION,
    /// Of a bare sensor: whether columns are sent from right to left: 0 or 1.
    FlipColumns = V4L2_CID_HFLIP,
    /// Of a bare sensor: whether rows are sent from the lowest to the highest: 0 or 1.
    FlipRows = V4L2_CID_VFLIP,
    /// Of a bare sensor: whether it chooses its gain itself: 0 or 1.
    AutomaticGain = V4L2_CID_AUTOGAIN,
    /// Of a bare sensor: 1 if it does not choose its exposure itself.
    ManualExposure = V4L2_CID_EXPOSURE_AUTO,
    /// Of a bare sensor: whether it balances its colours itself: 0 or 1.
    AutomaticBalance = V4L2_CID_AUTO_WHITE_BALANCE,
    /// Of a lens: where it is to stand.
    Focus = V4L2_CID_FOCUS_ABSOLUTE,
}

/// Sets a control; what the driver made of the value.
pub(super) fn set_control(device: &Device, control: Control, value: i32) -> io::Result<i32> {
    let mut asked = v4l2_control { id: control as u32, value };
    call(device, vidioc::VIDIOC_S_CTRL, &mut asked)?;
    Ok(asked.value)
}

/// What a control stands at.
pub(super) fn get_control(device: &Device, control: Control) -> io::Result<i32> {
    let mut asked = v4l2_control { id: control as u32, value: 0 };
    call(device, vidioc::VIDIOC_G_CTRL, &mut asked)?;
    Ok(asked.value)
}

/// Least and most that a control can stand at.
pub(super) fn range(device: &Device, control: Control) -> io::Result<[i32; 2]> {
    let mut asked = v4l2_queryctrl { id: control as u32, ..zeroed() };
    call(device, vidioc::VIDIOC_QUERYCTRL, &mut asked)?;
    Ok([asked.minimum, asked.maximum])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_camera_and_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let device = Device::with_path(file.path()).unwrap();
        let refused = Some(libc::ENOTTY);
        assert_eq!(capability(&device).unwrap_err().raw_os_error(), refused);
        assert_eq!(set_format(&device, *b"YUYV", (640, 480)).unwrap_err().raw_os_error(), refused);
        assert_eq!(set_rate(&device, 30).unwrap_err().raw_os_error(), refused);
        assert_eq!(set_control(&device, Control::PowerLine, 1).unwrap_err().raw_os_error(), refused);
        assert_eq!(get_control(&device, Control::Rotation).unwrap_err().raw_os_error(), refused);
        assert_eq!(range(&device, Control::AnalogueGain).unwrap_err().raw_os_error(), refused);
        assert_eq!(formats(&device, 0).count(), 0);
        assert_eq!(sizes(&device, *b"YUYV").count(), 0);
        assert_eq!(rates(&device, *b"YUYV", (640, 480)).count(), 0);
    }
}
