//! A machine with cameras and a clock of its own: what a driver behind videobuf2 would answer.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

use crate::calls::{set_world, with_world};
use crate::controller::{Controller, NODES};
use crate::journal;

/// A picture as the camera sends it.
pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    /// The driver says that something is wrong with it.
    pub(crate) damaged: bool,
}

impl Picture {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self { bytes, damaged: false }
    }
}

/// One format that a camera offers: in each of the sizes, at each of the rates.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) fourcc: [u8; 4],
    pub(crate) description: [u8; 32],
    pub(crate) sizes: Sizes,
    /// Pictures a second; none: the driver does not enumerate them.
    pub(crate) rates: Vec<u32>,
}

impl Offer {
    pub(crate) fn new(fourcc: &[u8; 4], sizes: &[(u32, u32)], rates: &[u32]) -> Self {
        let (sizes, rates) = (Sizes::Listed(sizes.to_vec()), rates.to_vec());
        Self { fourcc: *fourcc, description: [0; 32], sizes, rates }
    }
}

/// Width and height in pixels.
#[derive(Clone)]
pub(crate) enum Sizes {
    Listed(Vec<(u32, u32)>),
    /// Least, most, step.
    Steps((u32, u32), (u32, u32), (u32, u32)),
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Agreed {
    pub(crate) fourcc: [u8; 4],
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Pictures a second.
    pub(crate) rate: u32,
}

/// Says whether a request is refused, and with which `errno`.
pub(crate) type Refuse = Box<dyn Fn(u64, &Agreed) -> Option<c_int>>;

/// What a camera shows as its picture with this number, as agreed; `None`: nothing comes.
pub(crate) type Pictures = dyn Fn(u64, &Agreed) -> Option<Picture>;

/// A camera and its driver.
pub(crate) struct Device {
    pub(crate) card: Vec<u8>,
    pub(crate) driver: Vec<u8>,
    pub(crate) capabilities: u32,
    pub(crate) offers: Vec<Offer>,
    /// Lists the last offer and size again and again.
    pub(crate) endless: bool,
    /// Most buffers that are granted.
    pub(crate) most_buffers: u32,
    pub(crate) refuse: Refuse,
    /// Spoils what the driver answers to a format.
    pub(crate) odd: Box<dyn Fn(&mut sys::v4l2_pix_format)>,
    /// The picture of that number, since the stream was started; `None`: none is sent.
    pub(crate) picture: Box<Pictures>,
    /// Controls by number, with their values.
    pub(crate) controls: Vec<(u32, i32)>,
    /// Of a node behind a media controller: its formats, and what must come on the bus for each.
    pub(crate) bus: Vec<([u8; 4], u32)>,
    /// Least and most of some of them: what is beyond becomes these.
    pub(crate) ranges: Vec<(u32, [i32; 2])>,
    /// Hears of each control that is set, and to what.
    pub(crate) told: Box<dyn Fn(u32, i32)>,
    /// Every mode in which a stream was asked to start.
    pub(crate) starts: Vec<Agreed>,
    pub(crate) agreed: Agreed,
    /// The last answer to a format.
    answered: Option<sys::v4l2_pix_format>,
    /// Bytes of a buffer.
    size: u32,
    file: Option<File>,
    buffers: u32,
    queued: VecDeque<u32>,
    /// Index, bytes, and whether damaged.
    done: VecDeque<(u32, u32, bool)>,
    /// Since when, and pictures since.
    streaming: Option<(Duration, u64)>,
    /// No buffer has come since the stream was stopped last.
    waits_for_buffers: bool,
}

/// A YUYV picture whose luma is `luma` everywhere.
pub(crate) fn yuyv(agreed: &Agreed, luma: u8) -> Vec<u8> {
    [luma, 128].repeat((agreed.width * agreed.height) as usize)
}

impl Device {
    pub(crate) fn new(offers: &[Offer]) -> Self {
        Self {
            card: b"Fake camera".to_vec(),
            driver: b"fake".to_vec(),
            capabilities: sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING,
            offers: offers.to_vec(),
            endless: false,
            most_buffers: 32,
            refuse: Box::new(|_, _| None),
            odd: Box::new(|_| ()),
            picture: Box::new(|number, agreed| Some(Picture::of(yuyv(agreed, number as u8)))),
            controls: Vec::new(),
            bus: Vec::new(),
            ranges: Vec::new(),
            told: Box::new(|_, _| ()),
            starts: Vec::new(),
            agreed: Agreed { fourcc: *b"YUYV", width: 0, height: 0, rate: 30 },
            answered: None,
            size: 0,
            file: None,
            buffers: 0,
            queued: VecDeque::new(),
            done: VecDeque::new(),
            streaming: None,
            waits_for_buffers: true,
        }
    }

    /// Overwrites all buffers, as no driver does while one is looked at.
    pub(crate) fn spoil(&self) {
        let file = self.file.as_ref().expect("the camera is plugged in");
        let length = file.metadata().unwrap().len();
        file.write_all_at(&vec![0xa5; length as usize], 0).unwrap();
    }

    /// Stops, as with the last descriptor closed.
    fn rest(&mut self) {
        self.stop();
        self.buffers = 0;
    }

    fn stop(&mut self) {
        self.streaming = None;
        self.waits_for_buffers = true;
        self.queued.clear();
        self.done.clear();
    }

    /// When the next picture is there; `None` if none will come.
    fn due(&self) -> Option<Duration> {
        let (since, made) = self.streaming?;
        Some(since + Duration::from_secs(1) * (made as u32 + 1) / self.agreed.rate)
    }

    /// Fills buffers until `now`.
    fn film(&mut self, now: Duration) {
        while let Some(due) = self.due().filter(|due| *due <= now) {
            let (since, made) = self.streaming.unwrap();
            self.streaming = Some((since, made + 1));
            debug_assert!(due <= now);
            // Without a buffer the picture is lost.
            let Some(&index) = self.queued.front() else { continue };
            let Some(picture) = (self.picture)(made, &self.agreed) else { continue };
            let bytes = &picture.bytes[..picture.bytes.len().min(self.size as usize)];
            let file = self.file.as_ref().expect("the camera is plugged in");
            file.write_all_at(bytes, self.offset(index)).unwrap();
            self.queued.pop_front();
            self.done.push_back((index, bytes.len() as u32, picture.damaged));
        }
    }

    /// Where a buffer lies in the file: at whole pages, for it is mapped.
    fn offset(&self, index: u32) -> u64 {
        u64::from(index) * u64::from(self.size.next_multiple_of(65_536))
    }

    /// # Safety
    ///
    /// `argument` must be what belongs to `request`.
    unsafe fn ioctl(&mut self, request: u64, argument: *mut c_void, now: Duration) -> Result<(), c_int> {
        if self.file.is_none() {
            return Err(libc::ENODEV);
        }
        if let Some(errno) = (self.refuse)(request, &self.agreed) {
            return Err(errno);
        }
        self.film(now);
        // SAFETY: promised by the caller, for every request.
        unsafe {
            match request {
                vidioc::VIDIOC_QUERYCAP => self.describe(&mut *argument.cast()),
                vidioc::VIDIOC_ENUM_FMT => self.list_format(&mut *argument.cast()),
                vidioc::VIDIOC_ENUM_FRAMESIZES => self.list_size(&mut *argument.cast()),
                vidioc::VIDIOC_ENUM_FRAMEINTERVALS => self.list_interval(&mut *argument.cast()),
                vidioc::VIDIOC_S_FMT => self.agree(&mut (*argument.cast::<sys::v4l2_format>()).fmt.pix),
                vidioc::VIDIOC_G_FMT => {
                    (*argument.cast::<sys::v4l2_format>()).fmt.pix = self.answered.ok_or(libc::EINVAL)?;
                    Ok(())
                }
                vidioc::VIDIOC_S_PARM => {
                    let interval = (*argument.cast::<sys::v4l2_streamparm>()).parm.capture.timeperframe;
                    self.agreed.rate = interval.denominator / interval.numerator;
                    Ok(())
                }
                vidioc::VIDIOC_G_PARM => Ok(()),
                vidioc::VIDIOC_S_CTRL => self.control(&mut *argument.cast()),
                vidioc::VIDIOC_G_CTRL => self.value(&mut *argument.cast()),
                vidioc::VIDIOC_QUERYCTRL => self.range(&mut *argument.cast()),
                vidioc::VIDIOC_REQBUFS => {
                    self.grant(&mut (*argument.cast::<sys::v4l2_requestbuffers>()).count)
                }
                vidioc::VIDIOC_QUERYBUF => self.place(&mut *argument.cast()),
                vidioc::VIDIOC_QBUF => self.queue((*argument.cast::<sys::v4l2_buffer>()).index),
                vidioc::VIDIOC_DQBUF => self.dequeue(&mut *argument.cast()),
                vidioc::VIDIOC_STREAMON => {
                    self.starts.push(self.agreed);
                    self.streaming = Some((now, 0));
                    Ok(())
                }
                vidioc::VIDIOC_STREAMOFF => {
                    self.stop();
                    Ok(())
                }
                _ => Err(libc::ENOTTY),
            }
        }
    }

    fn describe(&self, capability: &mut sys::v4l2_capability) -> Result<(), c_int> {
        fill(&mut capability.card, &self.card);
        fill(&mut capability.driver, &self.driver);
        capability.capabilities = self.capabilities | sys::V4L2_CAP_DEVICE_CAPS;
        capability.device_caps = self.capabilities;
        Ok(())
    }

    /// The entry of a list of that number.
    fn entry<'a, T>(&self, list: &'a [T], index: u32) -> Result<&'a T, c_int> {
        let last = list.last().filter(|_| self.endless);
        list.get(index as usize).or(last).ok_or(libc::EINVAL)
    }

    fn offer(&self, fourcc: u32) -> Result<&Offer, c_int> {
        self.offers.iter().find(|offer| u32::from_le_bytes(offer.fourcc) == fourcc).ok_or(libc::EINVAL)
    }

    fn list_format(&self, asked: &mut sys::v4l2_fmtdesc) -> Result<(), c_int> {
        let is_made =
            |offer: &&Offer| asked.mbus_code == 0 || self.bus.contains(&(offer.fourcc, asked.mbus_code));
        let offers: Vec<_> = self.offers.iter().filter(is_made).collect();
        let offer = self.entry(&offers, asked.index)?;
        asked.pixelformat = u32::from_le_bytes(offer.fourcc);
        asked.description = offer.description;
        Ok(())
    }

    fn list_size(&self, asked: &mut sys::v4l2_frmsizeenum) -> Result<(), c_int> {
        match &self.offer(asked.pixel_format)?.sizes {
            Sizes::Listed(sizes) => {
                let &(width, height) = self.entry(sizes, asked.index)?;
                asked.type_ = sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE;
                asked.__bindgen_anon_1.discrete = sys::v4l2_frmsize_discrete { width, height };
            }
            &Sizes::Steps(least, most, step) => {
                if asked.index > 0 {
                    return Err(libc::EINVAL);
                }
                asked.type_ = sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE;
                asked.__bindgen_anon_1.stepwise = sys::v4l2_frmsize_stepwise {
                    min_width: least.0,
                    max_width: most.0,
                    step_width: step.0,
                    min_height: least.1,
                    max_height: most.1,
                    step_height: step.1,
                };
            }
        }
        Ok(())
    }

    fn list_interval(&self, asked: &mut sys::v4l2_frmivalenum) -> Result<(), c_int> {
        let &rate = self.entry(&self.offer(asked.pixel_format)?.rates, asked.index)?;
        asked.type_ = sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE;
        asked.__bindgen_anon_1.discrete = sys::v4l2_fract { numerator: 1, denominator: rate };
        Ok(())
    }

    /// Grants a format as it is asked for if it is offered, or else the first.
    fn agree(&mut self, pix: &mut sys::v4l2_pix_format) -> Result<(), c_int> {
        if self.buffers > 0 {
            return Err(libc::EBUSY);
        }
        if self.offer(pix.pixelformat).is_err() {
            pix.pixelformat = u32::from_le_bytes(self.offers[0].fourcc);
        }
        if let Sizes::Listed(sizes) = &self.offer(pix.pixelformat)?.sizes
            && !sizes.is_empty()
        {
            let nearest =
                |&&(width, height): &&(u32, u32)| width.abs_diff(pix.width) + height.abs_diff(pix.height);
            (pix.width, pix.height) = *sizes.iter().min_by_key(nearest).unwrap();
        }
        let fourcc = pix.pixelformat.to_le_bytes();
        pix.bytesperline = match &fourcc {
            b"YUYV" => pix.width * 2,
            // As the receiver of a Raspberry Pi.
            [b'p', ..] => (pix.width * 5 / 4).next_multiple_of(32),
            _ => 0,
        };
        pix.sizeimage = pix.width * pix.height * 2;
        self.size = pix.sizeimage;
        self.agreed = Agreed { fourcc, width: pix.width, height: pix.height, rate: self.agreed.rate };
        (self.odd)(pix);
        self.answered = Some(*pix);
        Ok(())
    }

    fn control(&mut self, asked: &mut sys::v4l2_control) -> Result<(), c_int> {
        if let Some((_, [least, most])) = self.ranges.iter().find(|(id, _)| *id == asked.id) {
            asked.value = asked.value.clamp(*least, *most);
        }
        let control = self.controls.iter_mut().find(|(id, _)| *id == asked.id).ok_or(libc::EINVAL)?;
        control.1 = asked.value;
        (self.told)(asked.id, asked.value);
        Ok(())
    }

    fn value(&self, asked: &mut sys::v4l2_control) -> Result<(), c_int> {
        asked.value = self.controls.iter().find(|(id, _)| *id == asked.id).ok_or(libc::EINVAL)?.1;
        Ok(())
    }

    fn range(&self, asked: &mut sys::v4l2_queryctrl) -> Result<(), c_int> {
        let [least, most] = self.ranges.iter().find(|(id, _)| *id == asked.id).ok_or(libc::EINVAL)?.1;
        (asked.minimum, asked.maximum) = (least, most);
        Ok(())
    }

    fn grant(&mut self, count: &mut u32) -> Result<(), c_int> {
        if self.streaming.is_some() {
            return Err(libc::EBUSY);
        }
        *count = (*count).min(self.most_buffers);
        self.stop();
        self.buffers = *count;
        self.file.as_ref().unwrap().set_len(self.offset(*count)).unwrap();
        Ok(())
    }

    fn place(&self, buffer: &mut sys::v4l2_buffer) -> Result<(), c_int> {
        if buffer.index >= self.buffers {
            return Err(libc::EINVAL);
        }
        buffer.length = self.size;
        buffer.m.offset = self.offset(buffer.index) as u32;
        Ok(())
    }

    fn queue(&mut self, index: u32) -> Result<(), c_int> {
        let here = |done: &(u32, u32, bool)| done.0 == index;
        if index >= self.buffers || self.queued.contains(&index) || self.done.iter().any(here) {
            return Err(libc::EINVAL);
        }
        self.queued.push_back(index);
        self.waits_for_buffers = false;
        Ok(())
    }

    fn dequeue(&mut self, buffer: &mut sys::v4l2_buffer) -> Result<(), c_int> {
        if self.streaming.is_none() {
            return Err(libc::EINVAL);
        }
        let (index, used, damaged) = self.done.pop_front().ok_or(libc::EAGAIN)?;
        (buffer.index, buffer.bytesused, buffer.length) = (index, used, self.size);
        buffer.flags = if damaged { sys::V4L2_BUF_FLAG_ERROR } else { 0 };
        Ok(())
    }
}

/// Fills a fixed field.
fn fill(field: &mut [u8], with: &[u8]) {
    field.fill(0);
    field[..with.len()].copy_from_slice(with);
}

/// What the system calls see.
pub(crate) struct World {
    /// Time since the machine was started.
    pub(crate) now: Duration,
    folder: TempDir,
    camera: Option<Device>,
    /// What the camera is behind, if anything.
    controller: Option<Controller>,
    /// Descriptors of the camera.
    open: Vec<c_int>,
    /// Descriptors of the controller's nodes, with their names.
    parts: Vec<(c_int, String)>,
    /// `errno` of the next `poll`, if it is to fail.
    poll_fails: Option<c_int>,
    /// `errno` of every `open`, if it is to fail.
    open_fails: Option<c_int>,
}

impl World {
    fn node(&self) -> PathBuf {
        self.folder.path().join("video0")
    }

    fn is_node(&self, path: &CStr) -> bool {
        self.node().as_os_str().as_bytes() == path.to_bytes()
    }

    /// Whether the camera may be opened; `None` if that is not the camera.
    pub(crate) fn may_open(&self, path: &CStr) -> Option<Result<(), c_int>> {
        self.is_node(path).then(|| self.open_fails.map_or(Ok(()), Err))
    }

    /// The name of the controller's node at this path, if it is one.
    fn part(&self, path: &CStr) -> Option<String> {
        let path = Path::new(path.to_str().ok()?);
        let name = path.strip_prefix(self.folder.path()).ok()?.to_str()?;
        (self.controller.is_some() && name != "video0").then(|| name.to_owned())
    }

    /// The file that stands for this one of the kernel's.
    pub(crate) fn stand_in(&self, path: &CStr) -> Option<CString> {
        let path =
            path.to_str().ok()?.strip_prefix("/sys/dev/char/").filter(|_| self.controller.is_some())?;
        CString::new(self.folder.path().join("sys").join(path).into_os_string().into_encoded_bytes()).ok()
    }

    pub(crate) fn opened(&mut self, path: &CStr, fd: c_int) {
        if fd >= 0
            && let Some(name) = self.part(path)
        {
            self.parts.push((fd, name));
        }
        if fd >= 0 && self.is_node(path) {
            self.open.push(fd);
        }
    }

    pub(crate) fn closed(&mut self, fd: c_int) {
        self.parts.retain(|(open, _)| *open != fd);
        let before = self.open.len();
        self.open.retain(|open| *open != fd);
        if before > 0
            && self.open.is_empty()
            && let Some(camera) = &mut self.camera
        {
            camera.rest();
        }
    }

    /// What the driver answers; `None` if that is not the camera.
    ///
    /// # Safety
    ///
    /// `argument` must be what belongs to `request`.
    pub(crate) unsafe fn ioctl(
        &mut self,
        fd: c_int,
        request: u64,
        argument: *mut c_void,
    ) -> Option<Result<(), c_int>> {
        let now = self.now;
        let is_control =
            matches!(request, vidioc::VIDIOC_S_CTRL | vidioc::VIDIOC_G_CTRL | vidioc::VIDIOC_QUERYCTRL);
        if let Some((_, node)) = self.parts.iter().find(|(open, _)| *open == fd) {
            let (Some(controller), Some(camera)) = (&mut self.controller, &mut self.camera) else {
                return Some(Err(libc::ENODEV));
            };
            // SAFETY: promised by the caller.
            return Some(unsafe {
                match (node.as_str(), is_control) {
                    ("v4l-subdev0", true) => camera.ioctl(request, argument, now),
                    _ => controller.ioctl(node, request, argument, camera),
                }
            });
        }
        if !self.open.contains(&fd) {
            return None;
        }
        let camera = self.camera.as_mut();
        if let (Some(controller), Some(camera)) = (&self.controller, &camera) {
            if is_control {
                return Some(Err(libc::ENOTTY));
            }
            if request == vidioc::VIDIOC_STREAMON
                && let Err(errno) = controller.start(&camera.agreed, &camera.bus)
            {
                return Some(Err(errno));
            }
        }
        // SAFETY: promised by the caller.
        Some(camera.map_or(Err(libc::ENODEV), |camera| unsafe { camera.ioctl(request, argument, now) }))
    }

    /// Waits until the camera has something; `None` if that is not the camera.
    pub(crate) fn poll(
        &mut self,
        asked: &mut libc::pollfd,
        patience: Duration,
    ) -> Option<Result<c_int, c_int>> {
        if !self.open.contains(&asked.fd) {
            return None;
        }
        if let Some(errno) = self.poll_fails.take() {
            return Some(Err(errno));
        }
        let Some(camera) = self.camera.as_mut().filter(|camera| camera.file.is_some()) else {
            asked.revents = libc::POLLERR | libc::POLLHUP;
            return Some(Ok(1));
        };
        let end = self.now + patience.min(Duration::from_secs(3600));
        loop {
            camera.film(self.now);
            if camera.streaming.is_none() || camera.waits_for_buffers {
                asked.revents = libc::POLLERR;
                return Some(Ok(1));
            }
            if !camera.done.is_empty() {
                asked.revents = libc::POLLIN;
                return Some(Ok(1));
            }
            match camera.due().filter(|due| *due <= end) {
                Some(due) => self.now = due,
                None => {
                    self.now = end;
                    asked.revents = 0;
                    return Some(Ok(0));
                }
            }
        }
    }
}

/// This thread's machine, as the test holds it.
pub(crate) struct Machine {
    node: PathBuf,
}

impl Machine {
    /// A machine with this camera.
    pub(crate) fn with(camera: Device) -> Self {
        journal::open();
        let world = World {
            now: Duration::from_secs(1000),
            folder: tempfile::tempdir().unwrap(),
            camera: None,
            controller: None,
            open: Vec::new(),
            parts: Vec::new(),
            poll_fails: None,
            open_fails: None,
        };
        let machine = Self { node: world.node() };
        set_world(Some(world));
        machine.plug(camera);
        machine
    }

    /// A machine with this camera behind a media controller.
    pub(crate) fn behind(controller: Controller, camera: Device) -> Self {
        let machine = Self::with(camera);
        let folder = machine.node.parent().unwrap();
        for (name, minor) in NODES {
            let told = folder.join(format!("sys/81:{minor}"));
            fs::create_dir_all(&told).unwrap();
            fs::write(told.join("uevent"), format!("MAJOR=81\nMINOR={minor}\nDEVNAME={name}\n")).unwrap();
            if name != "video0" {
                fs::write(folder.join(name), "").unwrap();
            }
        }
        with_world(|world| world.controller = Some(controller)).unwrap();
        machine
    }

    /// Asks the controller, or changes it.
    pub(crate) fn controller<T>(&self, action: impl FnOnce(&mut Controller) -> T) -> T {
        with_world(|world| action(world.controller.as_mut().expect("there is a controller"))).unwrap()
    }

    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    pub(crate) fn now(&self) -> Duration {
        with_world(|world| world.now).unwrap()
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        with_world(|world| world.now += time).unwrap();
    }

    /// Plugs a camera in.
    pub(crate) fn plug(&self, mut camera: Device) {
        let file = File::options().read(true).write(true).create_new(true).open(&self.node).unwrap();
        camera.file = Some(file);
        with_world(|world| world.camera = Some(camera)).unwrap();
    }

    /// Pulls its cable.
    pub(crate) fn unplug(&self) {
        fs::remove_file(&self.node).unwrap();
        let camera = with_world(|world| world.camera.take()).unwrap();
        drop(camera);
    }

    /// Asks the camera, or changes it.
    pub(crate) fn camera<T>(&self, action: impl FnOnce(&mut Device) -> T) -> T {
        with_world(|world| action(world.camera.as_mut().expect("a camera is plugged in"))).unwrap()
    }

    /// Descriptors of the camera that are open.
    pub(crate) fn open_count(&self) -> usize {
        with_world(|world| world.open.len()).unwrap()
    }

    pub(crate) fn let_poll_fail(&self, errno: c_int) {
        with_world(|world| world.poll_fails = Some(errno)).unwrap();
    }

    pub(crate) fn let_open_fail(&self, errno: Option<c_int>) {
        with_world(|world| world.open_fails = errno).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        set_world(None);
    }
}
