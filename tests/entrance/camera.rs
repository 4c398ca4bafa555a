//! A USB camera that the guest's own driver cannot tell from a real one: the test decides what it sees.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::scene;
use crate::usbredir::{Connection, Received, Request};
use crate::uvc::{self, Control, Model};

/// How often the camera looks whether there is something new to send.
const LOOK: Duration = Duration::from_millis(10);

/// A camera, plugged into the machine or lying beside it.
#[derive(Debug)]
pub(crate) struct Camera {
    socket: PathBuf,
    model: Model,
    pictures: Arc<Mutex<Pictures>>,
    /// Leaves requests of the video class without an answer.
    mute: Arc<AtomicBool>,
    cable: Option<Cable>,
}

#[derive(Debug)]
struct Cable {
    stream: UnixStream,
    thread: JoinHandle<io::Result<()>>,
}

/// What test and camera's thread share: the picture's bytes in each of the model's formats, twice, to be sent by turns;
/// none at all while the camera is silent.
type Pictures = Vec<[Arc<[u8]>; 2]>;

impl Camera {
    /// A camera for the machine whose `usb-redir` device listens on `socket`: not plugged in, and silent.
    pub(crate) fn new(socket: &Path, model: Model) -> Self {
        Self { socket: socket.to_owned(), model, pictures: Arc::default(), mute: Arc::default(), cable: None }
    }

    /// Plugs the camera in.
    pub(crate) fn plug(&mut self) {
        assert!(self.cable.is_none(), "{} is already plugged in", self.model.name);
        let stream = crate::monitor::connect(&self.socket);
        let ours = stream.try_clone().unwrap();
        let device = Device::new(self.model, Arc::clone(&self.pictures), Arc::clone(&self.mute));
        let thread = thread::spawn(move || device.serve(ours));
        self.cable = Some(Cable { stream, thread });
    }

    /// Pulls the camera's cable.
    pub(crate) fn unplug(&mut self) {
        let Some(cable) = self.cable.take() else { return };
        // It fails when QEMU has closed its end already.
        let _ = cable.stream.shutdown(std::net::Shutdown::Both);
        let result = cable.thread.join().expect("the camera's thread does not panic");
        if let Err(error) = result {
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{}: {error}", self.model.name);
        }
    }

    /// Puts `picture` before the camera, from its next frame on.
    pub(crate) fn show(&self, picture: &RgbImage) {
        let other = scene::with_noise(picture);
        let encode = |&format: &_| [picture, &other].map(|picture| scene::encode(picture, format).into());
        *self.pictures() = self.model.formats.iter().map(encode).collect();
    }

    /// Makes the camera send `picture` without a sensor's noise: the same bytes again and again.
    pub(crate) fn freeze(&self, picture: &RgbImage) {
        let encode = |&format: &_| {
            let bytes: Arc<[u8]> = scene::encode(picture, format).into();
            [Arc::clone(&bytes), bytes]
        };
        *self.pictures() = self.model.formats.iter().map(encode).collect();
    }

    /// Makes the camera send these bytes for a picture, whatever format was agreed on.
    pub(crate) fn show_bytes(&self, bytes: &[u8]) {
        let bytes: Arc<[u8]> = bytes.into();
        *self.pictures() = vec![[Arc::clone(&bytes), bytes]; self.model.formats.len()];
    }

    /// Lets the camera answer requests of the video class, or leave them without an answer: the driver in the machine
    /// waits for each until it gives up, seconds later.
    pub(crate) fn answer(&self, whether: bool) {
        self.mute.store(!whether, Ordering::Relaxed);
    }

    /// Makes the camera send nothing, as one does that hangs.
    pub(crate) fn fall_silent(&self) {
        self.pictures().clear();
    }

    fn pictures(&self) -> MutexGuard<'_, Pictures> {
        self.pictures.lock().unwrap()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // A test that failed has said enough.
        if !thread::panicking() {
            self.unplug();
        }
    }
}

/// The camera's side of the wire.
struct Device {
    control: Control,
    pictures: Arc<Mutex<Pictures>>,
    mute: Arc<AtomicBool>,
    /// What the host has asked of the streaming endpoint: id, endpoint, most bytes.
    wanted: VecDeque<(u64, u8, usize)>,
    /// The picture that is being sent and how much of it was.
    picture: Option<(Arc<[u8]>, usize)>,
    next_picture: Instant,
    /// Counts the pictures that were begun.
    begun: u64,
}

impl Device {
    fn new(model: Model, pictures: Arc<Mutex<Pictures>>, mute: Arc<AtomicBool>) -> Self {
        Self {
            control: Control::new(model),
            pictures,
            mute,
            wanted: VecDeque::new(),
            picture: None,
            next_picture: Instant::now(),
            begun: 0,
        }
    }

    /// Answers QEMU until the cable is pulled.
    fn serve(mut self, stream: UnixStream) -> io::Result<()> {
        let mut connection = Connection::open(stream)?;
        loop {
            let time = (!self.wanted.is_empty()).then_some(LOOK);
            match connection.receive(time)? {
                Received::Request(id, request) => self.answer(&mut connection, id, request)?,
                Received::TimedOut => {}
                Received::Closed => return Ok(()),
            }
            self.stream(&mut connection)?;
        }
    }

    fn answer(&mut self, connection: &mut Connection, id: u64, request: Request) -> io::Result<()> {
        match request {
            Request::Hello => connection.connect_device(&self.control.identity()),
            Request::SetConfiguration(value) => connection.configuration(id, value),
            Request::GetConfiguration => connection.configuration(id, 1),
            Request::SetAltSetting { interface, setting } => connection.alt_setting(id, interface, setting),
            Request::GetAltSetting { interface } => connection.alt_setting(id, interface, 0),
            Request::Control { setup, .. } if setup.is_of_class() && self.mute.load(Ordering::Relaxed) => {
                Ok(())
            }
            Request::Control { endpoint, setup, data } => {
                let answer = self.control.answer(setup, &data);
                connection.control(id, endpoint, setup, answer.as_deref())
            }
            Request::BulkIn { endpoint, length } => {
                self.wanted.push_back((id, endpoint, length));
                Ok(())
            }
            Request::Cancel => match self.wanted.iter().position(|wanted| wanted.0 == id) {
                Some(position) => {
                    let (id, endpoint, _) = self.wanted.remove(position).unwrap();
                    // The host stops the stream; what it starts next begins with a whole picture.
                    self.picture = None;
                    connection.bulk_in_cancelled(id, endpoint)
                }
                None => Ok(()),
            },
            Request::Other => Ok(()),
        }
    }

    /// Sends what is due: one payload for each transfer that the host waits with.
    fn stream(&mut self, connection: &mut Connection) -> io::Result<()> {
        while let Some(&(id, endpoint, length)) = self.wanted.front() {
            if length < uvc::PAYLOAD {
                let text = format!("the host asks for {length} bytes, less than the payload it agreed to");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let Some((picture, offset)) = self.picture.take().or_else(|| self.begin_picture()) else {
                break;
            };
            let end = picture.len().min(offset + uvc::PAYLOAD - uvc::PAYLOAD_HEADER);
            let last = end == picture.len();
            let mut payload = Vec::from(uvc::payload_header(self.begun, last));
            payload.extend(&picture[offset..end]);
            self.wanted.pop_front();
            connection.bulk_in(id, endpoint, &payload)?;
            if !last {
                self.picture = Some((picture, end));
            }
        }
        Ok(())
    }

    /// The next picture from its first byte, if it is time for one and there is one.
    fn begin_picture(&mut self) -> Option<(Arc<[u8]>, usize)> {
        let now = Instant::now();
        if now < self.next_picture {
            return None;
        }
        let pictures = self.pictures.lock().unwrap();
        let picture = Arc::clone(&pictures.get(self.control.committed()?)?[(self.begun % 2) as usize]);
        drop(pictures);
        // A host that was slow gets no burst afterwards.
        self.next_picture = (self.next_picture + Duration::from_secs(1) / uvc::FRAME_RATE).max(now);
        self.begun += 1;
        Some((picture, 0))
    }
}
