//! Opening a recording, whatever it is.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::camera::mjpeg::{Clip, MotionJpeg, Piece};
use crate::camera::pictures::Pictures;
use crate::camera::recording::{OpenError, Pace, container, is_clip_name};
use crate::camera::source::Source;

/// Opens a folder of pictures, a picture, or a motion-JPEG file as a camera that delivers `rate` pictures a second.
///
/// What a file is, is told by its content; its name decides only where both could be meant (a single JPEG is a
/// picture unless it is called `.mjpeg` or `.mjpg`).
///
/// # Errors
///
/// [`OpenError`], whose text names the file and what can be done.
pub fn open_recording(path: &Path, pace: Pace, rate: f32) -> Result<Box<dyn Source>, OpenError> {
    let kind = fs::metadata(path).map_err(OpenError::io(path))?;
    if !kind.is_file() && !kind.is_dir() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    if kind.is_file() && is_motion_jpeg(path)? {
        Ok(Box::new(MotionJpeg::open(path, pace, rate)?))
    } else {
        Ok(Box::new(Pictures::open(path, pace, rate)?))
    }
}

/// Whether a file is motion JPEG: by its content, or by its name if it could be a picture, too.
pub(crate) fn is_motion_jpeg(path: &Path) -> Result<bool, OpenError> {
    let mut file = File::open(path).map_err(OpenError::io(path))?;
    let mut head = Vec::new();
    file.by_ref().take(12).read_to_end(&mut head).map_err(OpenError::io(path))?;
    if let Some(container) = container(&head) {
        return Err(OpenError::Container { path: path.to_owned(), container });
    }
    if is_clip_name(path) {
        return Ok(true);
    }
    if !head.starts_with(&[0xff, 0xd8]) {
        return Ok(false);
    }
    // Two JPEGs in a row, unless they are the parts of one photograph.
    let mut clip = Clip::new(Box::new(file));
    clip.rewind().map_err(OpenError::io(path))?;
    let mut next = || clip.next().map_err(OpenError::io(path));
    let first_is_whole = matches!(next()?, Some(Piece::Jpeg { header, .. }) if !header.is_multi_picture);
    Ok(first_is_whole && matches!(next()?, Some(Piece::Jpeg { .. })))
}
