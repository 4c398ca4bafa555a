//! A motion-JPEG file as a camera: JPEG pictures one behind the other, without times.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::camera::jpeg::{JpegDecoder, JpegError};
use crate::camera::markers::{self, Header, Walk};
use crate::camera::recording::{OpenError, Pace, Pacer, container};
use crate::camera::{Capture, Fault, Source};

/// Longest JPEG of a clip, in bytes: one of 1920 × 1080 pixels at the best quality has about 3 MB.
const MAX_JPEG_BYTES: usize = 4 << 20;

/// A motion-JPEG clip that plays the camera.
///
/// Junk between pictures is skipped.  A damaged picture, such as the last one of a clip that was cut in the middle,
/// is a [`Fault::BadFrame`] at its time.  Allocates nothing after the first picture, unless a larger one comes.
#[derive(Debug)]
pub struct MotionJpeg {
    path: PathBuf,
    clip: Clip,
    decoder: JpegDecoder,
    pacer: Pacer,
    repeat: bool,
    /// Why it cannot be read any further.
    error: Option<io::Error>,
}

impl MotionJpeg {
    /// Opens a motion-JPEG file that is to be replayed with `rate` pictures a second.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if it cannot be read, is something else, or holds no picture that can be used.
    pub fn open(path: &Path, pace: Pace, rate: f32) -> Result<Self, OpenError> {
        let file = File::open(path).map_err(OpenError::io(path))?;
        Self::new(Box::new(file), path, pace, rate)
    }

    /// Replays a clip that is in memory.
    ///
    /// # Errors
    ///
    /// As [`MotionJpeg::open`].
    pub fn from_bytes(
        bytes: impl AsRef<[u8]> + Send + 'static,
        pace: Pace,
        rate: f32,
    ) -> Result<Self, OpenError> {
        Self::new(Box::new(Cursor::new(bytes)), Path::new("clip in memory"), pace, rate)
    }

    /// Whether the clip starts over at its end, for ever.  Its clock goes on.
    #[must_use]
    pub fn repeat(mut self, repeat: bool) -> Self {
        self.repeat = repeat;
        self
    }

    fn new(reader: Box<dyn Reader>, path: &Path, pace: Pace, rate: f32) -> Result<Self, OpenError> {
        let pacer = Pacer::new(pace, rate)?;
        let mut clip = Clip::new(reader);
        let owned = || path.to_owned();
        if let Some(container) = clip.container().map_err(OpenError::io(path))? {
            return Err(OpenError::Container { path: owned(), container });
        }
        let header = loop {
            match clip.next().map_err(OpenError::io(path))? {
                Some(Piece::Jpeg { header, .. }) => break header,
                Some(Piece::Broken) => {}
                None => return Err(OpenError::NoJpeg { path: owned() }),
            }
        };
        let decoder = JpegDecoder::new(header.width, header.height)
            .map_err(|source| OpenError::Jpeg { path: owned(), source })?;
        clip.rewind().map_err(OpenError::io(path))?;
        Ok(Self { path: owned(), clip, decoder, pacer, repeat: false, error: None })
    }

    /// The next piece of the clip, or of its next round.
    fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        match self.clip.next()? {
            None if self.repeat => {
                self.clip.rewind()?;
                self.clip.next()
            }
            piece => Ok(piece),
        }
    }

    /// Makes room if the clip has become larger in the middle.
    fn fit(&mut self, header: Header) -> Result<(), JpegError> {
        let (width, height) = self.decoder.max_size();
        if header.width > width || header.height > height {
            self.decoder = JpegDecoder::new(header.width, header.height)?;
        }
        Ok(())
    }
}

impl Source for MotionJpeg {
    fn next(&mut self) -> Capture<'_> {
        let turn = self.pacer.wait();
        let mut piece = None;
        for _ in 0..=turn.skip {
            piece = match self.next_piece() {
                Ok(piece) => piece,
                Err(error) => {
                    self.error = Some(error);
                    None
                }
            };
            if piece.is_none() {
                return Capture::End;
            }
        }
        let bad_frame = Capture::Fault { fault: Fault::BadFrame, at: turn.at };
        let Some(Piece::Jpeg { header, range }) = piece else { return bad_frame };
        if self.fit(header).is_err() {
            return bad_frame;
        }
        match self.decoder.decode(self.clip.bytes(range), turn.at) {
            Ok(frame) => Capture::Frame(frame),
            Err(_) => bad_frame,
        }
    }

    fn take_error(&mut self) -> Option<OpenError> {
        self.error.take().map(OpenError::io(&self.path))
    }
}

/// What a clip is read from.
pub(crate) trait Reader: Read + Seek + Send {}
impl<T: Read + Seek + Send> Reader for T {}

/// A piece of a clip.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// A whole JPEG, which lies in this range of the window.
    Jpeg { header: Header, range: Range<usize> },
    /// One that breaks off, or is too long.
    Broken,
}

/// Splits a stream into JPEGs, of which a window is in memory at a time.
pub(crate) struct Clip {
    reader: Box<dyn Reader>,
    window: Vec<u8>,
    /// What has been read and not yet handed out.
    unread: Range<usize>,
    at_end: bool,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip").field("unread", &self.unread).field("at_end", &self.at_end).finish()
    }
}

impl Clip {
    pub(crate) fn new(mut reader: Box<dyn Reader>) -> Self {
        // No more than there is to read, where that can be told.
        let length = reader.seek(SeekFrom::End(0)).and_then(|length| reader.rewind().map(|()| length));
        let window = length.map_or(MAX_JPEG_BYTES, |length| length.min(MAX_JPEG_BYTES as u64) as usize);
        Self { reader, window: vec![0; window], unread: 0..0, at_end: false }
    }

    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.reader.rewind()?;
        self.unread = 0..0;
        self.at_end = false;
        Ok(())
    }

    /// The bytes of the piece that came last.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.window[range]
    }

    /// Finds the next JPEG, whole or broken; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let data = &self.window[..self.unread.end];
            match markers::find_start(data, self.unread.start) {
                Ok(start) => self.unread.start = start,
                Err(resume) => {
                    self.unread.start = resume;
                    if self.fill()? {
                        continue;
                    }
                    return Ok(None);
                }
            }
            let start = self.unread.start;
            let resume = match markers::walk(&data[start..]) {
                Walk::Whole { header, length } => {
                    self.unread.start += length;
                    return Ok(Some(Piece::Jpeg { header, range: start..start + length }));
                }
                Walk::Unfinished { .. } if self.fill()? => continue,
                Walk::Unfinished { resume } | Walk::Broken { resume } => resume,
            };
            self.unread.start += resume;
            return Ok(Some(Piece::Broken));
        }
    }

    /// What container the stream starts like.
    fn container(&mut self) -> io::Result<Option<&'static str>> {
        self.fill()?;
        Ok(container(&self.window[..self.unread.end.min(12)]))
    }

    /// Reads on; false at the stream's end, or if the window is full.
    fn fill(&mut self) -> io::Result<bool> {
        if self.unread.start > 0 {
            self.window.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let room = &mut self.window[self.unread.end..];
        if self.at_end || room.is_empty() {
            return Ok(false);
        }
        let read = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.unread.end += read;
        self.at_end = read == 0;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FIRST: &[u8] = include_bytes!("samples/baseline-420.jpg");
    const SECOND: &[u8] = include_bytes!("samples/grey.jpg");

    fn clip(bytes: Vec<u8>) -> MotionJpeg {
        MotionJpeg::from_bytes(bytes, Pace::AsFast, 10.0).unwrap()
    }

    /// What a clip gives until it ends: `F`rame, `b`ad frame, and the time of the last one.
    fn play(mut clip: MotionJpeg) -> (String, Duration) {
        let (mut story, mut last) = (String::new(), Duration::ZERO);
        loop {
            match clip.next() {
                Capture::Frame(frame) => {
                    assert_eq!((frame.width(), frame.height()), (160, 96));
                    last = frame.captured_at();
                    story.push('F');
                }
                Capture::Fault { fault, at } => {
                    assert_eq!(fault, Fault::BadFrame);
                    last = at;
                    story.push('b');
                }
                Capture::End => return (story, last),
            }
            assert!(story.len() < 10_000, "the clip never ends");
        }
    }

    fn story(bytes: Vec<u8>) -> String {
        play(clip(bytes)).0
    }

    #[test]
    fn pictures_come_one_after_the_other() {
        let (story, last) = play(clip([FIRST, SECOND, FIRST].concat()));
        assert_eq!((story.as_str(), last), ("FFF", Duration::from_millis(200)));
    }

    #[test]
    fn junk_is_skipped() {
        assert_eq!(
            story([b"--boundary\r\n\r\n", FIRST, b"\xff\xd9\0\r\n--boundary", SECOND, b"\r\n"].concat()),
            "FF"
        );
    }

    #[test]
    fn a_clip_cut_anywhere_ends_with_a_bad_frame() {
        for length in FIRST.len() + 4..FIRST.len() + SECOND.len() {
            let bytes = [FIRST, SECOND].concat()[..length].to_vec();
            assert_eq!(story(bytes), "Fb", "{length}");
        }
    }

    #[test]
    fn a_damaged_picture_takes_no_other_one_with_it() {
        let scan = FIRST.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        for length in 4..FIRST.len() {
            let story = story([SECOND, &FIRST[..length], FIRST, SECOND].concat());
            if length >= scan {
                assert_eq!(story, "FbFF", "{length}");
            } else {
                // Cut inside a segment of its header, it may take the next one's first bytes for its own.
                assert!(story.starts_with('F') && story.ends_with('F'), "{length}: {story}");
            }
        }
        // A segment that claims to be longer than what follows.
        let mut swallows = FIRST.to_vec();
        swallows[4..6].copy_from_slice(&[0xff, 0xff]);
        let story = story([SECOND, &swallows, SECOND].concat());
        assert!(story.starts_with("Fb") && story.ends_with('F'), "{story}");
    }

    #[test]
    fn pictures_that_lie_across_the_window_are_whole() {
        let rounds = 2 * MAX_JPEG_BYTES / FIRST.len();
        assert_eq!(story(FIRST.repeat(rounds)), "F".repeat(rounds));
    }

    #[test]
    fn a_picture_longer_than_the_window_is_a_bad_frame() {
        let long = [&FIRST[..FIRST.len() - 2], &vec![0; MAX_JPEG_BYTES], &[0xff, 0xd9]].concat();
        assert_eq!(story([SECOND, &long, SECOND].concat()), "FbF");
    }

    #[test]
    fn a_clip_can_repeat_for_ever() {
        let mut clip = clip([FIRST, SECOND].concat()).repeat(true);
        for number in 0..1000 {
            let Capture::Frame(frame) = clip.next() else { panic!("{number}") };
            assert_eq!(frame.captured_at(), Duration::from_millis(100 * number));
        }
    }

    #[test]
    fn real_time_drops_what_is_over() {
        let mut clip = MotionJpeg::from_bytes(FIRST.repeat(1000), Pace::RealTime, 1000.0).unwrap();
        assert!(matches!(clip.next(), Capture::Frame(_)));
        clip.pacer.set_back(Duration::from_millis(50));
        let Capture::Frame(frame) = clip.next() else { panic!() };
        assert!(frame.captured_at() >= Duration::from_millis(50));
    }

    /// A disk that fails behind the first picture.
    struct Failing(Cursor<&'static [u8]>);

    impl Read for Failing {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            match self.0.read(to)? {
                0 => Err(io::Error::other("disk on fire")),
                read => Ok(read),
            }
        }
    }

    impl Seek for Failing {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_clip_that_cannot_be_read_any_further_says_so() {
        let reader = Box::new(Failing(Cursor::new(FIRST)));
        let mut clip = MotionJpeg::new(reader, Path::new("clip.mjpeg"), Pace::AsFast, 10.0).unwrap();
        assert!(matches!(clip.next(), Capture::Frame(_)));
        assert!(clip.take_error().is_none());
        assert!(matches!(clip.next(), Capture::End));
        assert_eq!(clip.take_error().unwrap().to_string(), "clip.mjpeg: disk on fire");
    }

    #[test]
    fn other_files_are_refused_in_clear_words() {
        let open = |bytes: &[u8]| {
            MotionJpeg::from_bytes(bytes.to_vec(), Pace::AsFast, 10.0).unwrap_err().to_string()
        };
        for bytes in [&b""[..], b"no picture", &FIRST[..1000]] {
            assert!(open(bytes).contains("no whole JPEG picture"), "{}", open(bytes));
        }
        assert!(open(b"RIFF\0\0\0\0AVI LIST").contains("an AVI file"));
        assert!(open(b"\0\0\0\x20ftypisom").contains("ffmpeg -i"));
        let mut huge = FIRST.to_vec();
        let size = huge.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap() + 5;
        huge[size..size + 4].copy_from_slice(&[0x20, 0, 0x20, 0]);
        assert!(open(&huge).contains("8192×8192"), "{}", open(&huge));
    }
}
