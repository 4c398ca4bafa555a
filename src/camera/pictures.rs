//! Pictures and folders of pictures as a camera, for the desk.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::camera::jpeg::{JpegError, Still};
use crate::camera::recording::{OpenError, Pace, Pacer, is_clip_name};
use crate::camera::source::{Capture, Fault, Source};
use crate::frame::{Frame, FrameError, PixelFormat};

/// Most pixels of a picture: photographs of 8000 × 6000 and of 61-megapixel cameras pass; what a few bytes can be
/// blown up to does not.
pub const MAX_PIXELS: u64 = 64_000_000;

/// Most memory for a picture in its own format, in bytes: [`MAX_PIXELS`] of 4 channels with 16 bits.
const MAX_DECODED_BYTES: u64 = MAX_PIXELS * 8;

/// Longest picture file, in bytes: [`MAX_PIXELS`] uncompressed, of 3 channels with 16 bits.
const MAX_FILE_BYTES: u64 = MAX_PIXELS * 6;

/// File name extensions of pictures, for listing a folder.  A file given by itself is told by its content.
const EXTENSIONS: [&str; 13] =
    ["bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp"];

/// Reads a picture file, upright as its EXIF orientation says, without transparency.
///
/// # Errors
///
/// [`OpenError`] if it cannot be read, is no picture, is broken or cut short, or has more than [`MAX_PIXELS`].
pub fn load_picture(path: &Path) -> Result<RgbImage, OpenError> {
    // Not the length that the file system tells, which is 0 for a pipe that never ends.
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(OpenError::io(path))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(picture_error(
            path,
            format!("more than {MAX_FILE_BYTES} bytes are too many for a picture"),
        ));
    }
    let format = image::guess_format(&bytes).map_err(|_| {
        picture_error(path, "this is no picture (JPEG, PNG, WebP, GIF, BMP, TIFF and PNM can be read)".into())
    })?;
    let (picture, orientation) = match format {
        ImageFormat::Jpeg => decode_jpeg(path, &bytes)?,
        _ => decode(path, bytes, format)?,
    };
    let mut upright = DynamicImage::ImageRgb8(picture);
    upright.apply_orientation(orientation);
    Ok(upright.into_rgb8())
}

/// A JPEG that is all there: what is missing would be grey, and must not be judged.
fn decode_jpeg(path: &Path, bytes: &[u8]) -> Result<(RgbImage, Orientation), OpenError> {
    let jpeg_error = |source| OpenError::Jpeg { path: path.to_owned(), source };
    let still = Still::open(bytes).map_err(jpeg_error)?;
    let (width, height) = still.size();
    check_size(path, (width, height), 3 * u64::from(width) * u64::from(height))?;
    let orientation =
        still.exif().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let pixels = still.decode().map_err(jpeg_error)?;
    let picture = RgbImage::from_raw(width, height, pixels).ok_or(jpeg_error(JpegError::Damaged))?;
    Ok((picture, orientation))
}

/// A picture of any other format.
fn decode(path: &Path, bytes: Vec<u8>, format: ImageFormat) -> Result<(RgbImage, Orientation), OpenError> {
    let cannot_decode =
        |error: image::ImageError| picture_error(path, format!("the picture cannot be decoded: {error}"));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(cannot_decode)?;
    let (width, height) = decoder.dimensions();
    check_size(path, (width, height), decoder.total_bytes())?;
    let orientation = decoder.orientation().map_err(cannot_decode)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(cannot_decode)?;
    Ok((picture.into_rgb8(), orientation))
}

/// Refuses a picture that is too large, or too long for a frame; `bytes` is its size in its own format.
fn check_size(path: &Path, (width, height): (u32, u32), bytes: u64) -> Result<(), OpenError> {
    let size = FrameError::Size { width: width as usize, height: height as usize };
    let most = MAX_PIXELS / 1_000_000;
    let reason = if [width, height].iter().any(|side| !(1..=Frame::MAX_SIDE).contains(&(*side as usize))) {
        size.to_string()
    } else if u64::from(width) * u64::from(height) > MAX_PIXELS || bytes > MAX_DECODED_BYTES {
        format!(
            "a picture of {width}×{height} pixels is too large: at most {most} million pixels can be read"
        )
    } else {
        return Ok(());
    };
    Err(picture_error(path, reason))
}

/// Text with its control characters made visible: a file's name must not write on the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

fn picture_error(path: &Path, reason: String) -> OpenError {
    OpenError::Picture { path: path.to_owned(), reason }
}

/// The files in a folder and in all folders in it, in the order of names; what cannot be read is in the list, too, in its
/// place.
///
/// Links to files are followed, links to folders are not (they may lead in circles), and hidden files are left out.
pub(crate) fn files(folder: &Path) -> Vec<Result<PathBuf, OpenError>> {
    let mut found = Vec::new();
    files_into(folder, &mut found);
    found
}

fn files_into(folder: &Path, found: &mut Vec<Result<PathBuf, OpenError>>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(cause) => return found.push(Err(OpenError::io(folder)(cause))),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files_into(&path, found);
        } else if path.is_file() {
            found.push(Ok(path));
        }
    }
}

/// Those of [`files`] that are pictures or clips by their extension.
pub(crate) fn search(folder: &Path) -> Vec<Result<PathBuf, OpenError>> {
    let is_wanted = |path: &PathBuf| is_clip_name(path) || is_picture_name(path);
    files(folder).into_iter().filter(|one| one.as_ref().map_or(true, is_wanted)).collect()
}

/// The picture files of a folder and of the folders in it; clips among them are left out.
fn list_pictures(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut files = search(folder).into_iter().collect::<Result<Vec<_>, _>>()?;
    let all = files.len();
    files.retain(|path| !is_clip_name(path));
    if files.is_empty() {
        let extensions = EXTENSIONS.map(|extension| format!(".{extension}")).join(", ");
        return Err(OpenError::NoPictures { path: folder.to_owned(), extensions });
    }
    if files.len() < all {
        log::warn!(
            "{}: clips left out: {}; replay each by itself",
            plain(&folder.display().to_string()),
            all - files.len()
        );
    }
    Ok(files)
}

/// Whether a file's name says that it is a picture.
pub(crate) fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// A picture as a frame.
///
/// # Errors
///
/// [`FrameError::Size`] if a side is longer than [`Frame::MAX_SIDE`].
pub fn as_frame(picture: &RgbImage, captured_at: Duration) -> Result<Frame<'_>, FrameError> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Frame::new(picture, PixelFormat::Rgb, width, height, width * 3, captured_at)
}

/// A picture, or the pictures of a folder and of the folders in it in the order of their names, playing the camera.
///
/// One that cannot be read is logged and is a [`Fault::BadFrame`] at its time.
#[derive(Debug)]
pub struct Pictures {
    files: Vec<PathBuf>,
    next: usize,
    /// The picture shown last, and which one it is.
    shown: Option<(usize, RgbImage)>,
    pacer: Pacer,
}

impl Pictures {
    /// Opens a picture or a folder that is to be replayed with `rate` pictures a second.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if there is no picture, or the only one cannot be read.
    pub fn open(path: &Path, pace: Pace, rate: f32) -> Result<Self, OpenError> {
        let pacer = Pacer::new(pace, rate)?;
        let (files, shown) = if path.is_dir() {
            (list_pictures(path)?, None)
        } else {
            (vec![path.to_owned()], Some((0, load_picture(path)?)))
        };
        Ok(Self { files, next: 0, shown, pacer })
    }

    fn load(&mut self, index: usize) -> Option<&RgbImage> {
        if self.shown.as_ref().is_none_or(|&(shown, _)| shown != index) {
            // The old one goes first: two large ones may not fit.
            self.shown = None;
            match load_picture(&self.files[index]) {
                Ok(picture) => self.shown = Some((index, picture)),
                Err(error) => log::warn!("{}", plain(&error.to_string())),
            }
        }
        self.shown.as_ref().map(|(_, picture)| picture)
    }
}

impl Source for Pictures {
    fn next(&mut self) -> Capture<'_> {
        let turn = self.pacer.wait();
        let index = self.next + turn.skip as usize;
        if index >= self.files.len() {
            return Capture::End;
        }
        self.next = index + 1;
        match self.load(index).map(|picture| as_frame(picture, turn.at)) {
            Some(Ok(frame)) => Capture::Frame(frame),
            Some(Err(_)) | None => Capture::Fault { fault: Fault::BadFrame, at: turn.at },
        }
    }
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation;
    use tempfile::TempDir;

    use super::*;
    use crate::camera::open_recording;

    const JPEG: &[u8] = include_bytes!("samples/baseline-420.jpg");

    /// A folder with these files.
    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 9]));
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    /// The sample with an EXIF segment that tells how the camera was held.
    fn turned(orientation: Orientation) -> Vec<u8> {
        let tiff = [
            b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(),
            &[orientation.to_exif()],
            b"\0\0\0\0\0\0",
        ]
        .concat();
        [&JPEG[..2], &tiff, &JPEG[2..]].concat()
    }

    /// What a source gives until it ends: widths of frames, and `b`ad ones.
    fn play(mut source: Box<dyn Source>) -> String {
        let mut story = Vec::new();
        loop {
            match source.next() {
                Capture::Frame(frame) => story.push(frame.width().to_string()),
                Capture::Fault { fault, .. } => {
                    assert_eq!(fault, Fault::BadFrame);
                    story.push("b".into());
                }
                Capture::End => return story.join(" "),
            }
            assert!(story.len() < 1000, "the source never ends");
        }
    }

    fn open(path: &Path) -> Result<Box<dyn Source>, OpenError> {
        open_recording(path, Pace::AsFast, 10.0)
    }

    fn refusal(path: &Path) -> String {
        let text = open(path).err().unwrap().to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        text
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(plain("a\x1b[2Jb\n\u{9b}ü"), "a\\u{1b}[2Jb\\n\\u{9b}ü");
    }

    #[test]
    fn a_folder_is_shown_by_name() {
        let folder = folder(&[
            ("b.png", &png(2, 1)),
            ("a.PNG", &png(1, 1)),
            ("c.jpg", JPEG),
            ("d.jpg", b"text"),
            ("e.png", &png(3, 1)),
            ("notes.txt", b"text"),
            (".hidden.png", b""),
        ]);
        fs::create_dir(folder.path().join("f.png")).unwrap();
        fs::write(folder.path().join("f.png/in.png"), png(4, 1)).unwrap();
        fs::write(folder.path().join("g.mjpeg"), JPEG).unwrap();
        assert_eq!(play(open(folder.path()).unwrap()), "1 2 160 b 3 4");
    }

    #[test]
    fn a_folder_without_pictures_is_refused() {
        assert!(refusal(folder(&[("notes.txt", b"text")]).path()).contains("no pictures"));
        assert!(refusal(Path::new("/missing")).contains("No such file"));
    }

    #[test]
    fn a_file_is_told_by_its_content() {
        let folder = folder(&[
            ("picture.jpg", JPEG),
            ("picture.mjpeg", JPEG),
            ("png.jpg", &png(5, 5)),
            ("clip.jpg", &[JPEG, JPEG].concat()),
            ("clip", &[JPEG, JPEG, &JPEG[..2000]].concat()),
            ("photograph.jpg", &[&JPEG[..2], b"\xff\xe2\0\x06MPF\0", &JPEG[2..], JPEG].concat()),
        ]);
        for (name, story) in [
            ("picture.jpg", "160"),
            ("picture.mjpeg", "160"),
            ("png.jpg", "5"),
            ("clip.jpg", "160 160"),
            ("clip", "160 160 b"),
            ("photograph.jpg", "160"),
        ] {
            assert_eq!(play(open(&folder.path().join(name)).unwrap()), story, "{name}");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_in_clear_words() {
        let mut broken = png(20, 20);
        broken.truncate(60);
        let scan = JPEG.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        let half = scan + (JPEG.len() - scan) / 2;
        let folder = folder(&[
            ("text.jpg", b"This is a text."),
            ("empty.png", b""),
            ("cut.jpg", &JPEG[..JPEG.len() / 2]),
            ("ends_early.jpg", &[&JPEG[..half], &[0xff, 0xd9]].concat()),
            ("hole.jpg", &[&JPEG[..half], &JPEG[half + 300..]].concat()),
            ("broken.png", &broken),
            ("film.mp4", b"\0\0\0\x20ftypisom\0\0"),
            ("text.mjpeg", b"This is a text."),
        ]);
        for (name, reason) in [
            ("text.jpg", "this is no picture"),
            ("empty.png", "this is no picture"),
            ("cut.jpg", "cut short"),
            ("ends_early.jpg", "damaged"),
            ("hole.jpg", "damaged"),
            ("broken.png", "cannot be decoded"),
            ("film.mp4", "ffmpeg -i"),
            ("text.mjpeg", "no whole JPEG picture"),
        ] {
            let text = refusal(&folder.path().join(name));
            assert!(text.contains(reason), "{text}");
        }
    }

    #[test]
    fn every_kind_of_jpeg_is_read() {
        let folder = folder(&[
            ("progressive.jpg", include_bytes!("samples/progressive-444.jpg")),
            ("grey.jpg", include_bytes!("samples/grey.jpg")),
            ("cmyk.jpg", include_bytes!("samples/cmyk.jpg")),
            ("separate_scans.jpg", include_bytes!("samples/separate-scans-444.jpg")),
        ]);
        for name in ["progressive.jpg", "cmyk.jpg", "separate_scans.jpg"] {
            let picture = load_picture(&folder.path().join(name)).unwrap();
            assert_eq!(picture.dimensions(), (160, 96), "{name}");
            let image::Rgb([red, green, _]) = *picture.get_pixel(150, 10);
            assert!(red.abs_diff(239) < 12 && green.abs_diff(26) < 12, "{name}: {red} {green}");
        }
        let image::Rgb([red, green, blue]) =
            *load_picture(&folder.path().join("grey.jpg")).unwrap().get_pixel(150, 10);
        assert!(red == green && green == blue);
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        // 60,000 × 60,000 pixels of plain PGM, of which nothing is there.
        let folder = folder(&[("bomb.pgm", b"P5 60000 60000 255\n")]);
        assert!(refusal(&folder.path().join("bomb.pgm")).contains("too large"));
    }

    #[test]
    fn a_picture_too_long_for_a_frame_is_refused_with_the_reason() {
        let folder = folder(&[("long.png", &png(70_000, 1))]);
        assert!(
            refusal(&folder.path().join("long.png")).contains("70000×1 pixels cannot be used: each side")
        );
    }

    #[test]
    fn a_pipe_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success() && refusal(&pipe).contains("save it to a file first"));
    }

    #[test]
    fn small_and_large_pictures_are_read() {
        let folder = folder(&[("1.png", &png(1, 1)), ("2.png", &png(8000, 6000))]);
        assert_eq!(play(open(folder.path()).unwrap()), "1 8000");
    }

    #[test]
    fn pictures_are_upright() {
        let files = [Orientation::NoTransforms, Orientation::Rotate90, Orientation::Rotate180].map(turned);
        let folder = folder(&[("0.jpg", &files[0]), ("90.jpg", &files[1]), ("180.jpg", &files[2])]);
        let [upright, quarter, half] =
            ["0.jpg", "90.jpg", "180.jpg"].map(|name| load_picture(&folder.path().join(name)).unwrap());
        assert_eq!((quarter.width(), quarter.height()), (96, 160));
        assert_eq!(quarter.get_pixel(95, 0), upright.get_pixel(0, 0));
        assert_eq!(half.get_pixel(159, 95), upright.get_pixel(0, 0));
    }
}
