//! USB cameras and the Raspberry Pi's own, through Video4Linux.
//!
//! A [`V4l2Camera`] is always there, whether a camera is or not: it looks for one, asks it for a format that can be
//! read, hands out its newest picture, and starts over when it is unplugged, falls silent, or another one comes in
//! its place.
//!
//! A driver that hangs in a system call hangs the caller, too: that is what the watchdog is for.

mod bare;
mod ioctl;
mod media;
#[cfg(test)]
mod vimc;

use std::fmt;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use v4l::Device;
use v4l::buffer::{Flags, Metadata, Type};
use v4l::capability::Flags as Capability;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::v4l_sys::{V4L2_CAP_IO_MC, v4l2_capability};

use self::bare::Bare;
use self::ioctl::{Control, Granted, Sizes, nodes, text};
use self::media::{Format, Pipeline};
use crate::camera::attempts::{self, Attempts};
use crate::camera::jpeg::JpegDecoder;
use crate::camera::negotiate::{Encoding, encoding, nearest_step, ranked, worthwhile};
use crate::camera::ribbon;
use crate::camera::sensor::Sensor;
use crate::camera::source::{Capture, Fault, Source};
use crate::frame::{Frame, FrameError, Packing, PixelFormat};
use crate::geometry::Rect;

pub use self::media::PipelineError;
pub use crate::camera::negotiate::Mode;

/// Buffers that the driver fills in turn.
///
/// One is read while the others fill.  At 30 pictures a second 7 others last for 233 ms: only a slower loop finds
/// all of them stale, and has to wait for a fresh picture.
const BUFFERS: u32 = 8;

/// Times that every buffer is taken before a driver is believed to fill them faster than they can be taken.
const MAX_TAKEN: u32 = 4;

/// Longest wait for a picture: the caller has a watchdog to feed.
const WAIT: Duration = Duration::from_secs(1);

/// Silent waits, or broken pictures in a row, after which the camera is started anew.
const MAX_SILENT_WAITS: u32 = 5;
const MAX_BAD_FRAMES: u32 = 60;

/// Good pictures after which a mode has shown that it works.  At 30 a second they take 10 s.
const LASTING_PICTURES: u32 = 300;

/// Pause before the next look for a camera, doubled up to the maximum each time that everything has failed.
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
    /// Which lamps its picture must not flicker with, if it can do something about it.
    pub power_line: PowerLine,
}

/// Frequency of the mains, with twice of which lamps flicker.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PowerLine {
    /// 50 Hz: Europe, Africa, most of Asia, Australia.
    #[default]
    Hz50,
    /// 60 Hz: North America, parts of South America and Asia.
    Hz60,
    /// As the camera comes.
    AsItIs,
}

impl PowerLine {
    /// Its frequency in Hz, if lamps are to be cared for.
    const fn hertz(self) -> Option<u32> {
        match self {
            Self::Hz50 => Some(50),
            Self::Hz60 => Some(60),
            Self::AsItIs => None,
        }
    }
}

impl Default for Options {
    /// Any camera, at 640 × 480 pixels: twice the face model's input, and raw at full rate on any USB camera.
    fn default() -> Self {
        Self { which: Which::Any, width: 640, height: 480, format: None, power_line: PowerLine::default() }
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
    /// Its pictures are settled elsewhere, and no sensor's can be had from it.
    #[error("{0}")]
    Pipeline(#[from] PipelineError),
    /// None of its formats can be read.
    #[error("it sends none of YUYV, NV12, YU12, RGB3, GREY, MJPG, Bayer in a size that can be used")]
    NoFormat,
    /// It is a known sensor without the mode that is known of it.
    #[error(
        "its driver does not offer {0}×{1} in 10 or 12 bits, in which alone it is known: use a USB camera, or \
         another kernel"
    )]
    NoMode(u32, u32),
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
    /// The modes that can be used, best first and at least one, or why it is left out.
    pub modes: Result<Vec<Mode>, Unusable>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node.display())?;
        if !self.name.is_empty() {
            write!(f, " ({})", self.name)?;
        }
        match &self.modes {
            Ok(modes) => modes.first().map_or(Ok(()), |mode| write!(f, ": {mode}")),
            Err(unusable) => write!(f, ": {unusable}"),
        }
    }
}

/// Looks at all video devices that could be meant, in the order of their numbers.
pub fn list(options: &Options) -> Vec<Candidate> {
    let nodes = match &options.which {
        Which::Node(node) => vec![node.clone()],
        Which::Any | Which::Name(_) => nodes(Path::new("/dev"), "video"),
    };
    nodes.into_iter().map(|node| examine(node, options)).collect()
}

fn examine(node: PathBuf, options: &Options) -> Candidate {
    let mut name = String::new();
    let modes = ioctl::open(&node).map_err(Unusable::Io).and_then(|device| {
        let capability = ioctl::capability(&device)?;
        name = text(&capability.card);
        let caps = caps(&capability).ok_or(Unusable::NoCamera)?;
        let pipeline = pipeline(&node, caps)?;
        let sensor = bare::sensor(pipeline.as_ref().map_or(&device, Pipeline::sensor));
        if let Some(Sensor { name: sensor, module, .. }) = sensor {
            name = format!("{sensor}, {module}, {name}");
        } else if let Some(pipeline) = &pipeline {
            name = format!("{}, {name}", pipeline.name());
        }
        usable_modes(&device, pipeline.as_ref(), &name, sensor, options)
    });
    Candidate { node, name, modes }
}

/// What a node can do, if it is a camera's.
fn caps(capability: &v4l2_capability) -> Option<u32> {
    // What this node can do; drivers that do not say give what the whole device can.
    let whole = Capability::from(capability.capabilities);
    let bits = if whole.contains(Capability::DEVICE_CAPS) {
        capability.device_caps
    } else {
        capability.capabilities
    };
    let caps = Capability::from(bits);
    let needed = Capability::VIDEO_CAPTURE | Capability::STREAMING;
    let converter = Capability::VIDEO_M2M | Capability::VIDEO_M2M_MPLANE;
    let is_camera = caps.contains(needed)
        && !caps.intersects(converter)
        && !NO_CAMERAS.contains(&text(&capability.driver).as_str());
    is_camera.then_some(bits)
}

/// The way from a sensor to a node of these capabilities, if that is how it gets its pictures.
fn pipeline(node: &Path, caps: u32) -> Result<Option<Pipeline>, PipelineError> {
    (caps & V4L2_CAP_IO_MC != 0).then(|| Pipeline::behind(node)).transpose()
}

/// The modes of a camera that can be used, best first.
fn usable_modes(
    device: &Device,
    pipeline: Option<&Pipeline>,
    name: &str,
    sensor: Option<&Sensor>,
    options: &Options,
) -> Result<Vec<Mode>, Unusable> {
    if let Which::Name(wanted) = &options.which
        && !name.to_lowercase().contains(&wanted.to_lowercase())
    {
        return Err(Unusable::OtherName);
    }
    let mut offers = offers(device, pipeline, options);
    if let Some(Sensor { mode, .. }) = sensor {
        offers.retain(|offer| (offer.width, offer.height) == *mode && !has_8_bits(encoding(offer.fourcc)));
        if offers.is_empty() {
            return Err(Unusable::NoMode(mode.0, mode.1));
        }
    }
    let modes = ranked(&offers, (options.width, options.height), options.format);
    if modes.is_empty() { Err(Unusable::NoFormat) } else { Ok(modes) }
}

/// Whether it is what a bare sensor sends with 8 bits, in which its rows may take another time: those of an IMX219 half of
/// it, in the mode that is used.
fn has_8_bits(encoding: Option<Encoding>) -> bool {
    matches!(encoding, Some(Encoding::Raw(PixelFormat::Bayer(_, Packing::Eight))))
}

/// What a sensor behind a media controller can send that can be read: its own code, and what the node makes of it.
///
/// Only as the sensor sends it: what else it may offer, no real one does.
fn sent(device: &Device, pipeline: &Pipeline) -> impl Iterator<Item = (u32, [u8; 4])> {
    pipeline
        .codes()
        .flat_map(|code| ioctl::formats(device, code).map(move |fourcc| (code, fourcc)))
        .filter(|(_, fourcc)| encoding(*fourcc).is_some_and(Encoding::is_bare))
}

/// All that a camera offers, in formats that can be read.
fn offers(device: &Device, pipeline: Option<&Pipeline>, options: &Options) -> Vec<Mode> {
    let formats: Vec<_> = match pipeline {
        Some(pipeline) => sent(device, pipeline).collect(),
        None => ioctl::formats(device, 0).map(|fourcc| (0, fourcc)).collect(),
    };
    let mut modes = Vec::new();
    for (code, fourcc) in formats.into_iter().filter(|(_, fourcc)| encoding(*fourcc).is_some()) {
        let photosites = if encoding(fourcc).is_some_and(Encoding::is_bare) { 2 } else { 1 };
        let wanted = (options.width * photosites, options.height * photosites);
        let size = |sizes| match sizes {
            Sizes::One(width, height) => (width, height),
            Sizes::Range { width: [narrowest, widest, step], height: [lowest, highest, rise] } => (
                nearest_step(wanted.0, narrowest, widest, step),
                nearest_step(wanted.1, lowest, highest, rise),
            ),
        };
        let mut sizes: Vec<_> = match pipeline {
            Some(pipeline) => pipeline.sizes(code).map(size).collect(),
            None => ioctl::sizes(device, fourcc).map(size).collect(),
        };
        if sizes.is_empty() {
            // The driver does not enumerate; it will correct what it is asked for.
            sizes.push(wanted);
        }
        for (width, height) in sizes {
            let rates: Vec<_> = ioctl::rates(device, fourcc, (width, height)).collect();
            let mut add = |rate| modes.push(Mode { fourcc, width, height, rate });
            if rates.is_empty() {
                add(None);
            }
            worthwhile(&rates, MAX_RATE).for_each(|rate| add(Some(rate)));
        }
    }
    modes
}

/// A camera that is sending.
struct Streaming {
    node: PathBuf,
    /// Which camera it is, for [`Attempts`].
    id: String,
    mode: Mode,
    stream: Stream<'static>,
    /// Buffers that the driver can fill while one is being looked at; 0 if it has granted but that one.
    queued: u32,
    encoding: Encoding,
    width: usize,
    height: usize,
    stride: usize,
    /// Only for encoded pictures.
    decoder: Option<JpegDecoder>,
    /// Only for a bare sensor's.
    bare: Option<Bare>,
    /// A bare sensor's newest picture.  Its buffers are not cached (the receiver's driver takes them from videobuf2's
    /// `dma-contig`, on boards that are not coherent), and a look reads photosites one by one and more than once.
    copy: Vec<u8>,
    silent_waits: u32,
    bad_frames: u32,
    /// Good pictures since the start, up to [`LASTING_PICTURES`].
    good_frames: u32,
    /// When a better mode is to be tried again: time since the source was opened.
    better_at: Option<Duration>,
}

/// The newest buffer: which bytes, and whether the driver vouches for them.
struct Newest {
    start: *const u8,
    length: usize,
    damaged: bool,
}

impl Newest {
    fn new(buffer: &[u8], meta: &Metadata) -> Self {
        Self {
            start: buffer.as_ptr(),
            length: buffer.len().min(meta.bytesused as usize),
            damaged: meta.flags.contains(Flags::ERROR),
        }
    }
}

/// Sets what a door needs, where the camera has it.
fn prepare(device: &Device, node: &Path, power_line: PowerLine) {
    let set = |control, value| {
        if let Err(error) = ioctl::set_control(device, control, value) {
            log::debug!("{}: {control:?} cannot be set to {value}: {error}", node.display());
        }
    };
    match power_line {
        PowerLine::Hz50 => set(Control::PowerLine, 1),
        PowerLine::Hz60 => set(Control::PowerLine, 2),
        PowerLine::AsItIs => {}
    }
    // In the dark a camera would expose longer and send fewer pictures, which smear.
    set(Control::ExposurePriority, 0);
}

/// Has a sensor behind a media controller send as nearly in this mode as it can; what the node makes of it.
fn set_up(device: &Device, pipeline: &Pipeline, mode: Mode) -> Result<Granted, PipelineError> {
    let packing = |fourcc| match encoding(fourcc) {
        Some(Encoding::Raw(PixelFormat::Bayer(_, packing))) => Some(packing),
        _ => None,
    };
    // A sensor that is turned offers another order of colours than when it was asked.
    let is_alike = |fourcc| packing(fourcc) == packing(mode.fourcc);
    let codes = || sent(device, pipeline);
    let wanted = codes().find(|(_, fourcc)| *fourcc == mode.fourcc);
    let wanted = wanted.or_else(|| codes().find(|(_, fourcc)| is_alike(*fourcc)));
    let first = || pipeline.codes().next().unwrap_or_default();
    let (code, _) = wanted.ok_or_else(|| PipelineError::NoFormat { code: first() })?;
    let arrived = pipeline.set_up(Format { code, width: mode.width, height: mode.height })?;
    let Format { code, width, height } = arrived;
    let fourcc = ioctl::formats(device, code).find(|fourcc| is_alike(*fourcc));
    let fourcc = fourcc.ok_or(PipelineError::NoFormat { code })?;
    ioctl::set_format(device, fourcc, (width, height))
        .map_err(|source| PipelineError::Step { step: "the node's format".to_owned(), source })
}

impl Streaming {
    /// Asks a camera for a mode, or what it makes of it, and starts it.
    fn start(node: &Path, id: String, mode: Mode, power_line: PowerLine) -> io::Result<Self> {
        let device = ioctl::open(node)?;
        let caps = caps(&ioctl::capability(&device)?).unwrap_or_default();
        let pipeline = pipeline(node, caps).map_err(io::Error::other)?;
        let sensor = bare::sensor(pipeline.as_ref().map_or(&device, Pipeline::sensor));
        let streaming = Self::start_opened(device, pipeline, sensor, node, id, mode, power_line);
        if sensor.is_some() { streaming.map_err(bare::explained) } else { streaming }
    }

    fn start_opened(
        device: Device,
        pipeline: Option<Pipeline>,
        sensor: Option<&'static Sensor>,
        node: &Path,
        id: String,
        mode: Mode,
        power_line: PowerLine,
    ) -> io::Result<Self> {
        let unusable = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        if let Some(Sensor { name, module, .. }) = sensor {
            log::info!("{}: the sensor is an {name} ({module})", node.display());
            bare::set_upright(pipeline.as_ref().map_or(&device, Pipeline::sensor), node);
        }
        let format = match &pipeline {
            Some(pipeline) => set_up(&device, pipeline, mode).map_err(io::Error::other)?,
            None => ioctl::set_format(&device, mode.fourcc, (mode.width, mode.height))?,
        };
        // As the driver names it: the order of a sensor's colours is not always that which was asked for.
        let encoding = encoding(format.fourcc)
            .ok_or_else(|| unusable(format!("it insists on the format {}", format.fourcc.escape_ascii())))?;
        if let Some(Sensor { mode, .. }) = sensor
            && ((format.width, format.height) != *mode || has_8_bits(Some(encoding)))
        {
            let (fourcc, width, height) = (format.fourcc.escape_ascii(), format.width, format.height);
            return Err(unusable(format!("it insists on {width}×{height} photosites in {fourcc}")));
        }
        let (width, height) = encoding.pixels(format.width, format.height);
        let (width, height) = (width as usize, height as usize);
        if let Some(rate) = mode.rate {
            // Not every driver lets itself be told; its own rate is fine, too.
            let _ = ioctl::set_rate(&device, rate.clamp(1.0, MAX_RATE) as u32);
        }
        prepare(&device, node, power_line);
        let (stride, decoder) = match encoding {
            Encoding::Raw(raw) => {
                let least = raw.row_bytes(width);
                let stride = if format.stride == 0 { least } else { format.stride as usize };
                if stride < least {
                    let error = FrameError::Stride { stride, width, format: raw, least };
                    return Err(unusable(error.to_string()));
                }
                (stride, None)
            }
            Encoding::Jpeg => {
                let decoder = JpegDecoder::new(width, height).map_err(|error| unusable(error.to_string()))?;
                (0, Some(decoder))
            }
        };
        if encoding.is_bare() {
            let (fourcc, stride) = (format.fourcc.escape_ascii(), format.stride);
            log::info!(
                "{}: {fourcc} {}×{}, {stride} bytes a row",
                node.display(),
                format.width,
                format.height
            );
        }
        let mut copy = Vec::new();
        if let Encoding::Raw(raw) = encoding
            && encoding.is_bare()
        {
            copy.try_reserve_exact(raw.frame_bytes(width, height, stride))?;
        }
        let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)?;
        // Where the sensor is told what to do.
        let controls = pipeline.map_or(device, Pipeline::into_sensor);
        let bare = encoding.is_bare().then(|| Bare::start(controls, node, sensor, power_line.hertz()));
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
            id,
            mode,
            stream,
            queued,
            encoding,
            width,
            height,
            stride,
            decoder,
            bare,
            copy,
            silent_waits: 0,
            bad_frames: 0,
            good_frames: 0,
            better_at: None,
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
        if self.queued == 0 {
            return self.only();
        }
        if !self.wait(WAIT)? {
            return Ok(None);
        }
        let mut taken = 0;
        loop {
            let (buffer, meta) = self.stream.next()?;
            let newest = Newest::new(buffer, meta);
            taken += 1;
            if taken > MAX_TAKEN * self.queued {
                // It fills them as fast as they are given back: each is new.
                return Ok(Some(newest));
            }
            // If the driver had run out of buffers, even the newest is of unknown age: wait for a fresh one.
            let stale = taken == self.queued;
            if !self.wait(if stale { WAIT } else { Duration::ZERO })? {
                return Ok((!stale).then_some(newest));
            }
        }
    }

    /// Has the only buffer filled anew, however slow that is.  `None` if that took too long.
    fn only(&mut self) -> io::Result<Option<Newest>> {
        match self.stream.next() {
            Ok((buffer, meta)) => Ok(Some(Newest::new(buffer, meta))),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                // The driver has the buffer, and the next `next` would give it once more: take it back.
                self.stream.stop()?;
                self.stream.start()?;
                Ok(None)
            }
            Err(error) => Err(error),
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
        let bytes = if self.bare.is_some() {
            let begun = Instant::now();
            self.copy.clear();
            self.copy.extend_from_slice(&bytes[..bytes.len().min(self.copy.capacity())]);
            // The first copy touches the memory, too.
            if self.good_frames == 1 {
                log::info!("{}: {} bytes copied in {:?}", self.node.display(), bytes.len(), begun.elapsed());
            }
            &self.copy
        } else {
            bytes
        };
        let frame = match (self.encoding, &mut self.decoder) {
            (Encoding::Raw(format), _) => {
                let frame = Frame::new(bytes, format, self.width, self.height, self.stride, at).ok();
                match (frame, &mut self.bare) {
                    (Some(frame), Some(bare)) => {
                        let developed = frame.developed(bare.development());
                        bare.look(&developed);
                        Some(developed)
                    }
                    (frame, _) => frame,
                }
            }
            (Encoding::Jpeg, Some(decoder)) => decoder.decode(bytes, at).ok(),
            (Encoding::Jpeg, None) => None,
        };
        match frame {
            Some(_) => {
                self.bad_frames = 0;
                self.good_frames = LASTING_PICTURES.min(self.good_frames + 1);
            }
            None => self.bad_frames += 1,
        }
        frame
    }

    /// Why the camera is to be started anew, if it is.
    fn is_hopeless(&self) -> Option<&'static str> {
        if self.silent_waits >= MAX_SILENT_WAITS {
            Some("it sends nothing")
        } else if self.bad_frames >= MAX_BAD_FRAMES {
            Some("it sends nothing but broken pictures")
        } else {
            None
        }
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

/// Whatever camera is plugged in.
pub struct V4l2Camera {
    options: Options,
    opened: Instant,
    streaming: Option<Streaming>,
    /// What is wrong while nothing is streaming.
    fault: Fault,
    /// When to look for a camera again.
    retry_at: Instant,
    attempts: Attempts,
    /// How often everything has failed, in a row.
    rounds: u32,
    /// What the log has been told of why there is no camera.
    said: Vec<String>,
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
        Self {
            options,
            opened: now,
            streaming: None,
            fault: Fault::NoCamera,
            retry_at: now,
            attempts: Attempts::default(),
            rounds: 0,
            said: Vec::new(),
        }
    }

    /// Looks for a camera and starts it, when it is time to.
    fn connect(&mut self) {
        let now = Instant::now();
        if self.retry_at > now {
            // The caller hears of the fault and feeds its watchdog; a later call connects.
            thread::sleep((self.retry_at - now).min(WAIT));
            return;
        }
        let (usable, left_out): (Vec<_>, Vec<_>) =
            list(&self.options).into_iter().partition(|found| found.modes.is_ok());
        let (nodes, cameras): (Vec<_>, Vec<_>) = usable
            .into_iter()
            .filter_map(|found| {
                let id = format!("{} ({})", found.node.display(), found.name);
                Some((found.node, attempts::Camera { id, modes: found.modes.ok()? }))
            })
            .unzip();
        if cameras.is_empty() {
            self.fault = Fault::NoCamera;
            self.say_why(&left_out);
            return self.rest(RETRY);
        }
        self.said.clear();
        let Some(choice) = self.attempts.choose(&cameras, self.opened.elapsed()) else {
            log::warn!("the camera works in none of its formats and sizes: they are tried over again");
            self.attempts.forget();
            self.fault = Fault::NoFrames;
            self.rounds += 1;
            return self.rest(RETRY * (1 << self.rounds.min(4)));
        };
        let (node, id, mode) = (&nodes[choice.camera], &cameras[choice.camera].id, choice.mode);
        match Streaming::start(node, id.clone(), mode, self.options.power_line) {
            Ok(streaming) => {
                log::info!("{}: {mode}", node.display());
                self.streaming = Some(Streaming { better_at: choice.better_at, ..streaming });
            }
            Err(error) => {
                log::warn!("{}: cannot be started: {}", node.display(), explain(&error));
                self.give_up(id, mode);
                self.fault = Fault::NoFrames;
                self.rest(RETRY);
            }
        }
    }

    /// Tells the log why there is no camera: what cannot be used, and a sensor that is named and does not answer.  Once, and
    /// again if it is something else: drivers may come after the first look.
    fn say_why(&mut self, left_out: &[Candidate]) {
        let silent = ribbon::silent_sensor(Path::new("/sys")).map(|silent| silent.to_string());
        let why: Vec<_> = left_out.iter().map(Candidate::to_string).chain(silent).collect();
        if why != self.said {
            why.iter().for_each(|reason| log::warn!("{reason}"));
            self.said = why;
        }
    }

    /// Leaves a mode that does not work alone for a while.
    fn give_up(&mut self, id: &str, mode: Mode) {
        let minutes = self.attempts.failed(id, mode, self.opened.elapsed()).as_secs() / 60;
        log::warn!("{id}: {mode} is given up for {minutes} minutes, if there is something else");
    }

    /// Lets go of the camera, and plans when to look for one again.
    fn disconnect(&mut self, fault: Fault) {
        if let Some(streaming) = self.streaming.take() {
            let (id, mode, good) = (streaming.id.clone(), streaming.mode, streaming.good_frames);
            streaming.close();
            // Who pulls the plug is no reason to doubt the mode, unless it went before the first picture.
            let enough = if fault == Fault::NoCamera { 1 } else { LASTING_PICTURES };
            if good < enough {
                self.give_up(&id, mode);
            }
        }
        self.fault = fault;
        self.rest(RETRY);
    }

    fn rest(&mut self, pause: Duration) {
        self.retry_at = Instant::now() + pause.min(MAX_RETRY);
    }

    /// Whether the camera is gone, or only in trouble.
    fn diagnose(&self, error: &io::Error) -> Fault {
        let gone = self.streaming.as_ref().is_some_and(|streaming| !streaming.node.exists());
        if gone || error.raw_os_error() == Some(libc::ENODEV) { Fault::NoCamera } else { Fault::NoFrames }
    }
}

impl Source for V4l2Camera {
    fn is_live(&self) -> bool {
        true
    }

    fn attend(&mut self, faces: &[Rect]) {
        let at = self.opened.elapsed();
        if let Some(streaming) = &mut self.streaming
            && let Some(bare) = &mut streaming.bare
        {
            bare.attend(faces, (streaming.width as f32, streaming.height as f32), at);
        }
    }

    fn next(&mut self) -> Capture<'_> {
        let now = self.opened.elapsed();
        if let Some(streaming) = &self.streaming {
            if streaming.good_frames == LASTING_PICTURES {
                self.attempts.worked(&streaming.id, streaming.mode);
            }
            if let Some(why) = streaming.is_hopeless() {
                log::warn!("{}: {why}: starting it anew", streaming.node.display());
                self.disconnect(Fault::NoFrames);
            } else if streaming.better_at.is_some_and(|better_at| better_at <= now) {
                log::info!("{}: trying what failed before", streaming.node.display());
                // It works: no failure of this mode.
                if let Some(streaming) = self.streaming.take() {
                    streaming.close();
                }
            }
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
                self.rounds = 0;
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
            nodes(folder.path(), "video").iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["video0", "video2", "video10"]);
        assert!(nodes(&folder.path().join("missing"), "video").is_empty());
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
            assert!(matches!(&found[..], [one] if one.modes.is_err()), "{found:?}");
            assert!(found[0].to_string().contains(reason), "{}", found[0]);
        }
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
