//! USB and other cameras, through Video4Linux.
//!
//! A [`V4l2Camera`] is always there, whether a camera is or not: it looks for one, asks it for a format that can be
//! read, hands out its newest picture, and starts over when it is unplugged, falls silent, or another one comes in
//! its place.
//!
//! A driver that hangs in a system call hangs the caller, too: that is what the watchdog is for.

use std::fmt;
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use v4l::buffer::{Flags, Type};
use v4l::capability::Flags as Capability;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::v4l_sys::{V4L2_CAP_IO_MC, v4l2_capability};
use v4l::video::Capture as _;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

use crate::camera::jpeg::JpegDecoder;
use crate::camera::negotiate::{Encoding, choose, encoding, nearest_step};
use crate::camera::{Capture, Fault, Source};
use crate::frame::Frame;

pub use crate::camera::negotiate::Mode;

/// Buffers that the driver fills in turn.
///
/// One is read while the others fill.  At 30 pictures a second 7 others last for 233 ms: only a slower loop finds
/// all of them stale, and has to wait for a fresh picture.
const BUFFERS: u32 = 8;

/// Longest wait for a picture: the caller has a watchdog to feed.
const WAIT: Duration = Duration::from_secs(1);

/// Silent waits, or broken pictures in a row, after which the camera is started anew.
const MAX_SILENT_WAITS: u32 = 5;
const MAX_BAD_FRAMES: u32 = 60;

/// Pause before the next look for a camera, doubled up to the maximum each time that one fails to start or to send.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(8);

/// Pictures a second to ask for: faster ones would only be dropped.
const MAX_RATE: f32 = 30.0;

/// Drivers whose capture devices work on pictures that another device feeds: the Raspberry Pi's codec and ISP.
const NO_CAMERAS: [&str; 2] = ["bcm2835-codec", "bcm2835-isp"];

/// Which camera is meant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Which {
    /// The first one that can be used.
    #[default]
    Any,
    /// The one at this device node, such as `/dev/video0`.
    Node(PathBuf),
    /// The first one whose name contains this, in capital or small letters.
    Name(String),
}

/// What is wanted of a camera.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Which camera.
    pub which: Which,
    /// Preferred width in pixels.
    pub width: u32,
    /// Preferred height in pixels.
    pub height: u32,
    /// Preferred format, by its V4L2 name; `None` leaves it to what suits best.
    pub format: Option<[u8; 4]>,
}

impl Default for Options {
    /// Any camera, at 640 × 480 pixels: twice the face model's input, and raw at full rate on any USB camera.
    fn default() -> Self {
        Self { which: Which::Any, width: 640, height: 480, format: None }
    }
}

/// Why a video device is left out.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be opened or asked.
    #[error("{}", explain(.0))]
    Io(#[from] io::Error),
    /// Its name is not the one that was asked for.
    #[error("this is not the camera that was asked for")]
    OtherName,
    /// It is an output, a codec, an image processor, or sends something else than pictures.
    #[error("it is no camera")]
    NoCamera,
    /// It is a camera of the kind that needs libcamera.
    #[error("it sends raw sensor data, which only libcamera can process: use a USB camera")]
    NeedsPipeline,
    /// None of its formats can be read.
    #[error("it sends none of YUYV, NV12, YU12, RGB3, GREY, MJPG in a size that can be used")]
    NoFormat,
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "{error}: add yourself to the group `video` (sudo usermod -aG video $USER) and log in again"
            )
        }
        io::ErrorKind::ResourceBusy => format!("{error}: another program uses it"),
        _ => error.to_string(),
    }
}

/// A video device, and whether it can serve.
#[derive(Debug)]
pub struct Candidate {
    /// Its device node.
    pub node: PathBuf,
    /// Its name, if it could be asked.
    pub name: String,
    /// The mode that would be used, or why it is left out.
    pub mode: Result<Mode, Unusable>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node.display())?;
        if !self.name.is_empty() {
            write!(f, " ({})", self.name)?;
        }
        match &self.mode {
            Ok(mode) => write!(f, ": {mode}"),
            Err(unusable) => write!(f, ": {unusable}"),
        }
    }
}

/// Looks at all video devices that could be meant, in the order of their numbers.
pub fn list(options: &Options) -> Vec<Candidate> {
    let nodes = match &options.which {
        Which::Node(node) => vec![node.clone()],
        Which::Any | Which::Name(_) => nodes(Path::new("/dev")),
    };
    nodes.into_iter().map(|node| examine(node, options)).collect()
}

/// The `video` nodes of a folder, by number.
fn nodes(folder: &Path) -> Vec<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut nodes: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((number(&path)?, path)))
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

fn examine(node: PathBuf, options: &Options) -> Candidate {
    let mut name = String::new();
    let mode = open(&node).map_err(Unusable::Io).and_then(|device| {
        let capability = query_capability(&device)?;
        name = text(&capability.card);
        usable_mode(&device, &capability, options)
    });
    Candidate { node, name, mode }
}

fn open(node: &Path) -> io::Result<Device> {
    // The crate would panic at a path that C cannot express.
    if node.as_os_str().as_bytes().contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Device::with_path(node)
}

/// The device's description.  (The crate's own query panics at a name that is not UTF-8, or cut inside a letter.)
fn query_capability(device: &Device) -> io::Result<v4l2_capability> {
    // SAFETY: the structure is made of integers, for which zeros are valid.
    let mut capability: v4l2_capability = unsafe { mem::zeroed() };
    // SAFETY: VIDIOC_QUERYCAP writes one `v4l2_capability`, and the descriptor is open while `device` lives.
    unsafe {
        v4l::v4l2::ioctl(
            device.handle().fd(),
            v4l::v4l2::vidioc::VIDIOC_QUERYCAP,
            (&raw mut capability).cast(),
        )?;
    }
    Ok(capability)
}

/// A C string of a fixed field.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn usable_mode(device: &Device, capability: &v4l2_capability, options: &Options) -> Result<Mode, Unusable> {
    if let Which::Name(wanted) = &options.which
        && !text(&capability.card).to_lowercase().contains(&wanted.to_lowercase())
    {
        return Err(Unusable::OtherName);
    }
    // What this node can do; drivers that do not say give what the whole device can.
    let whole = Capability::from(capability.capabilities);
    let caps = if whole.contains(Capability::DEVICE_CAPS) {
        Capability::from(capability.device_caps)
    } else {
        whole
    };
    let needed = Capability::VIDEO_CAPTURE | Capability::STREAMING;
    let converter = Capability::VIDEO_M2M | Capability::VIDEO_M2M_MPLANE;
    if !caps.contains(needed)
        || caps.intersects(converter)
        || NO_CAMERAS.contains(&text(&capability.driver).as_str())
    {
        return Err(Unusable::NoCamera);
    }
    if capability.device_caps & V4L2_CAP_IO_MC != 0 {
        return Err(Unusable::NeedsPipeline);
    }
    choose(&offers(device, options), (options.width, options.height), options.format)
        .ok_or(Unusable::NoFormat)
}

/// All that a camera offers, in formats that can be read.
fn offers(device: &Device, options: &Options) -> Vec<Mode> {
    let mut modes = Vec::new();
    let formats = device.enum_formats().unwrap_or_default();
    for fourcc in formats.iter().map(|format| format.fourcc).filter(|format| encoding(format.repr).is_some())
    {
        let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
        let mut add = |(width, height)| {
            let rate = fastest(device, fourcc, width, height);
            modes.push(Mode { fourcc: fourcc.repr, width, height, rate });
        };
        if sizes.is_empty() {
            // The driver does not enumerate; it will correct what it is asked for.
            add((options.width, options.height));
        }
        for size in sizes {
            add(match size.size {
                FrameSizeEnum::Discrete(size) => (size.width, size.height),
                FrameSizeEnum::Stepwise(sizes) => (
                    nearest_step(options.width, sizes.min_width, sizes.max_width, sizes.step_width),
                    nearest_step(options.height, sizes.min_height, sizes.max_height, sizes.step_height),
                ),
            });
        }
    }
    modes
}

fn fastest(device: &Device, fourcc: FourCC, width: u32, height: u32) -> Option<f32> {
    let intervals = device.enum_frameintervals(fourcc, width, height).ok()?;
    let rates = intervals.into_iter().filter_map(|interval| {
        let shortest = match interval.interval {
            FrameIntervalEnum::Discrete(interval) => interval,
            FrameIntervalEnum::Stepwise(intervals) => intervals.min,
        };
        (shortest.numerator > 0).then(|| shortest.denominator as f32 / shortest.numerator as f32)
    });
    rates.max_by(f32::total_cmp)
}

/// A camera that is sending.
struct Streaming {
    node: PathBuf,
    stream: Stream<'static>,
    /// Buffers that the driver can fill while one is being looked at.
    queued: u32,
    encoding: Encoding,
    width: usize,
    height: usize,
    stride: usize,
    /// Only for encoded pictures.
    decoder: Option<JpegDecoder>,
    silent_waits: u32,
    bad_frames: u32,
}

/// The newest buffer: which bytes, and whether the driver vouches for them.
struct Newest {
    start: *const u8,
    length: usize,
    damaged: bool,
}

impl Streaming {
    /// Asks a camera for a mode, or what it makes of it, and starts it.
    fn start(node: &Path, mode: Mode) -> io::Result<Self> {
        let unusable = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let device = open(node)?;
        let format = device.set_format(&Format::new(mode.width, mode.height, FourCC::new(&mode.fourcc)))?;
        let (width, height) = (format.width as usize, format.height as usize);
        let encoding = encoding(format.fourcc.repr)
            .ok_or_else(|| unusable(format!("it insists on the format {}", format.fourcc)))?;
        if let Some(rate) = mode.rate {
            // Not every driver lets itself be told; its own rate is fine, too.
            let _ = device.set_params(&Parameters::with_fps(rate.clamp(1.0, MAX_RATE) as u32));
        }
        let (stride, decoder) = match encoding {
            Encoding::Raw(raw) => ((format.stride as usize).max(raw.row_bytes(width)), None),
            Encoding::Jpeg => {
                let decoder = JpegDecoder::new(width, height).map_err(|error| unusable(error.to_string()))?;
                (0, Some(decoder))
            }
        };
        let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)?;
        stream.set_timeout(WAIT);
        // `Stream::next` would do the start, but a time-out there leaves it in disorder.  Buffer 0 stays here: it is
        // the one that the first `next` gives to the driver before it takes another.
        let mut queued = 0;
        for index in 1..BUFFERS as usize {
            // The driver may have granted fewer.
            if CaptureStream::queue(&mut stream, index).is_err() {
                break;
            }
            queued += 1;
        }
        let node = node.to_owned();
        let mut streaming = Self {
            node,
            stream,
            queued,
            encoding,
            width,
            height,
            stride,
            decoder,
            silent_waits: 0,
            bad_frames: 0,
        };
        match streaming.stream.start() {
            Ok(()) => Ok(streaming),
            Err(error) => {
                streaming.close();
                Err(error)
            }
        }
    }

    /// Waits for a buffer, then takes the newest of those that are full.  `None` if none came in time.
    fn newest(&mut self) -> io::Result<Option<Newest>> {
        if !self.wait(WAIT)? {
            return Ok(None);
        }
        let mut taken = 0;
        loop {
            let (buffer, meta) = self.stream.next()?;
            let newest = Newest {
                start: buffer.as_ptr(),
                length: buffer.len().min(meta.bytesused as usize),
                damaged: meta.flags.contains(Flags::ERROR),
            };
            taken += 1;
            // If the driver had run out of buffers, even the newest is of unknown age: wait for a fresh one.
            let stale = taken == self.queued;
            if !self.wait(if stale { WAIT } else { Duration::ZERO })? {
                return Ok((!stale).then_some(newest));
            }
        }
    }

    fn wait(&self, patience: Duration) -> io::Result<bool> {
        match self.stream.handle().poll(libc::POLLIN, patience.as_millis() as i32) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            ready => Ok(ready? > 0),
        }
    }

    fn frame(&mut self, newest: &Newest, at: Duration) -> Option<Frame<'_>> {
        if newest.damaged {
            self.bad_frames += 1;
            return None;
        }
        // SAFETY: the bytes lie in a buffer that stays mapped as long as `self.stream`, which the result borrows.
        // The driver does not write to it before `newest` gives it back, which needs `&mut self`.  (The borrow
        // checker cannot see that the last of several `next` calls in a loop is the one whose buffer is returned.)
        let bytes = unsafe { slice::from_raw_parts(newest.start, newest.length) };
        let frame = match (self.encoding, &mut self.decoder) {
            (Encoding::Raw(format), _) => {
                Frame::new(bytes, format, self.width, self.height, self.stride, at).ok()
            }
            (Encoding::Jpeg, Some(decoder)) => decoder.decode(bytes, at).ok(),
            (Encoding::Jpeg, None) => None,
        };
        self.bad_frames = if frame.is_some() { 0 } else { self.bad_frames + 1 };
        frame
    }

    fn is_hopeless(&self) -> bool {
        self.silent_waits >= MAX_SILENT_WAITS || self.bad_frames >= MAX_BAD_FRAMES
    }

    /// Stops the camera and gives its buffers back.
    fn close(mut self) {
        // Dropping the stream panics at errors other than ENODEV (unplugged).  Better to lose its mapped memory, and the
        // camera, which stays busy as long as that is mapped.
        if let Err(error) = self.stream.stop()
            && error.raw_os_error() != Some(libc::ENODEV)
        {
            log::error!("{}: cannot be stopped: {error}", self.node.display());
            mem::forget(self.stream);
        }
    }
}

/// The less, the sooner a camera is tried.
///
/// Infra-red cameras beside a colour camera send grey: they come last, even when the other one `failed` just now.
fn preference(mode: Mode, node: &Path, failed: Option<&Path>) -> (bool, bool) {
    (mode.fourcc == *b"GREY", failed == Some(node))
}

/// Whatever camera is plugged in.
pub struct V4l2Camera {
    options: Options,
    opened: Instant,
    streaming: Option<Streaming>,
    /// What is wrong while nothing is streaming.
    fault: Fault,
    /// When to look for a camera again.
    retry_at: Instant,
    /// Starts that have brought no picture, in a row.
    failures: u32,
    /// The camera that failed since the last good picture: another one is tried first.
    failed: Option<PathBuf>,
}

impl fmt::Debug for V4l2Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.streaming.as_ref().map(|streaming| &streaming.node);
        f.debug_struct("V4l2Camera").field("options", &self.options).field("node", &node).finish()
    }
}

impl V4l2Camera {
    /// A camera source; the camera itself is looked for at the first picture.
    ///
    /// Never fails: on a card there is nobody to tell.  At a desk, ask [`list`] first.
    pub fn new(options: Options) -> Self {
        let now = Instant::now();
        let fault = Fault::NoCamera;
        Self { options, opened: now, streaming: None, fault, retry_at: now, failures: 0, failed: None }
    }

    /// Looks for a camera and starts it, when it is time to.
    fn connect(&mut self) {
        let now = Instant::now();
        if self.retry_at > now {
            // The caller hears of the fault and feeds its watchdog; a later call connects.
            thread::sleep((self.retry_at - now).min(WAIT));
            return;
        }
        let mut cameras: Vec<_> = list(&self.options)
            .into_iter()
            .filter_map(|found| Some((found.mode.ok()?, found.node)))
            .collect();
        cameras.sort_by_key(|(mode, node)| preference(*mode, node, self.failed.as_deref()));
        let Some((mode, node)) = cameras.first() else {
            self.failed = None;
            self.failures = 0;
            return self.disconnect(Fault::NoCamera);
        };
        match Streaming::start(node, *mode) {
            Ok(streaming) => {
                log::info!("{}: {mode}", node.display());
                self.streaming = Some(streaming);
            }
            Err(error) => {
                log::warn!("{}: cannot be started: {}", node.display(), explain(&error));
                self.failed = Some(node.clone());
                self.disconnect(Fault::NoFrames);
            }
        }
    }

    /// Lets go of the camera, and plans when to look for one again.
    fn disconnect(&mut self, fault: Fault) {
        if let Some(streaming) = self.streaming.take() {
            self.failed = Some(streaming.node.clone());
            streaming.close();
        }
        if fault != Fault::NoCamera {
            self.failures += 1;
        }
        self.fault = fault;
        let pause = RETRY * (1 << self.failures.saturating_sub(1).min(4));
        self.retry_at = Instant::now() + pause.min(MAX_RETRY);
    }

    /// Whether the camera is gone, or only in trouble.
    fn diagnose(&self, error: &io::Error) -> Fault {
        let gone = self.streaming.as_ref().is_some_and(|streaming| !streaming.node.exists());
        if gone || error.raw_os_error() == Some(libc::ENODEV) { Fault::NoCamera } else { Fault::NoFrames }
    }
}

impl Source for V4l2Camera {
    fn next(&mut self) -> Capture<'_> {
        if self.streaming.as_ref().is_some_and(Streaming::is_hopeless) {
            log::warn!("the camera sends nothing that can be used: starting it anew");
            self.disconnect(Fault::NoFrames);
        }
        if self.streaming.is_none() {
            self.connect();
        }
        let newest = self.streaming.as_mut().map(Streaming::newest);
        let at = self.opened.elapsed();
        if let Some(Err(error)) = &newest {
            log::warn!("the camera is lost: {error}");
            self.disconnect(self.diagnose(error));
        }
        let Some(streaming) = &mut self.streaming else { return Capture::Fault { fault: self.fault, at } };
        let Some(Ok(Some(newest))) = newest else {
            streaming.silent_waits += 1;
            return Capture::Fault { fault: Fault::NoFrames, at };
        };
        streaming.silent_waits = 0;
        match streaming.frame(&newest, at) {
            Some(frame) => {
                self.failures = 0;
                self.failed = None;
                Capture::Frame(frame)
            }
            None => Capture::Fault { fault: Fault::BadFrame, at },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_sorted_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["video10", "video2", "video0", "video", "videox", "v4l", "video-1"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            nodes(folder.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["video0", "video2", "video10"]);
        assert!(nodes(&folder.path().join("missing")).is_empty());
    }

    #[test]
    fn a_name_cut_inside_a_letter_is_shown_as_far_as_it_goes() {
        assert_eq!(text(b"Webcam \xe9\x9b\0\0"), "Webcam \u{fffd}");
        assert_eq!(text(b"Camera"), "Camera");
    }

    #[test]
    fn what_is_no_camera_is_named_with_the_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (node, reason) in [
            (file.path(), "Inappropriate ioctl"),
            (Path::new("/dev/video-missing"), "No such file"),
            (Path::new("/dev/\0"), "invalid"),
        ] {
            let options = Options { which: Which::Node(node.to_owned()), ..Options::default() };
            let found = list(&options);
            assert!(matches!(&found[..], [one] if one.mode.is_err()), "{found:?}");
            assert!(found[0].to_string().contains(reason), "{}", found[0]);
        }
    }

    #[test]
    fn after_a_failure_another_colour_camera_is_tried_and_no_infra_red_one() {
        let mode = |fourcc: &[u8; 4]| Mode { fourcc: *fourcc, width: 640, height: 480, rate: None };
        let mut cameras = [("ir", mode(b"GREY")), ("first", mode(b"YUYV")), ("second", mode(b"MJPG"))]
            .map(|(node, mode)| (mode, Path::new(node)));
        let mut order = |failed: Option<&str>| {
            cameras.sort_by_key(|(_, node)| *node);
            cameras.sort_by_key(|(mode, node)| preference(*mode, node, failed.map(Path::new)));
            cameras.map(|(_, node)| node.to_str().unwrap())
        };
        assert_eq!(order(None), ["first", "second", "ir"]);
        assert_eq!(order(Some("first")), ["second", "first", "ir"]);
    }

    #[test]
    fn without_a_camera_there_is_a_fault_and_no_end() {
        let options = Options { which: Which::Node("/dev/video-missing".into()), ..Options::default() };
        let mut camera = V4l2Camera::new(options);
        for _ in 0..2 {
            let Capture::Fault { fault, .. } = camera.next() else { panic!() };
            assert_eq!(fault, Fault::NoCamera);
        }
    }
}
