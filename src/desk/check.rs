//! `maskbell check`: what is seen in pictures.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::CheckArgs;
use super::copies::{Copies, CopyError};
use super::find::{Found, find};
use super::seen::Seen;
use super::{rgb, say};
use crate::camera::mjpeg::MotionJpeg;
use crate::camera::pictures::{as_frame, load_picture};
use crate::camera::{Capture, DEFAULT_RATE, OpenError, Pace, Source};
use crate::frame::{Frame, FrameError};
use crate::geometry::Rect;
use crate::runtime::RuntimeError;
use crate::vision::{self, Faces, Looks, Thresholds, Vision};

/// What can go wrong with one picture, or with all of them.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The picture or clip cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The picture has a size that cannot be used.
    #[error("{name}: {cause}")]
    Size {
        /// The picture.
        name: String,
        /// What is wrong with it.
        cause: FrameError,
    },
    /// A frame of a clip is broken.
    #[error("{name}, frame {frame}: cut short or broken, and left out")]
    Frame {
        /// The clip.
        name: String,
        /// Counted from 0.
        frame: usize,
    },
    /// The models do not load.
    #[error(transparent)]
    Vision(#[from] RuntimeError),
    /// The models do not work on a picture.
    #[error("{name}: {cause}")]
    Look {
        /// The picture or clip.
        name: String,
        /// What went wrong.
        cause: RuntimeError,
    },
    /// A copy cannot be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The results cannot be written.
    #[error("the results cannot be written to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Checks everything in `args` and prints what is seen; what cannot be read is told, and the rest is still checked.
///
/// # Errors
///
/// [`CheckError`] if nothing can be checked at all, or results or copies can no longer be written.
pub fn run(args: &CheckArgs) -> Result<ExitCode, CheckError> {
    let mut found = find(&args.pictures);
    let copies = args.annotate.as_deref().map(|dir| Copies::plan(dir, &mut found)).transpose()?;
    let progress = progress(found.len());
    let mut check = Check {
        vision: Vision::new(&vision::Options {
            thresholds: args.thresholds.over(Thresholds::default()),
            size: args.look,
            threads: 0,
        })?,
        looks: if args.one_look { Looks::One } else { Looks::Close },
        copies,
        json: args.json,
        fps: args.fps.unwrap_or(DEFAULT_RATE),
        progress,
        failed: false,
    };
    for one in found {
        match one.map_err(CheckError::from).and_then(|one| check.one(&one)) {
            Ok(()) => {}
            // Whoever reads has seen enough (`| head`).
            Err(CheckError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => break,
            Err(fatal @ (CheckError::Output(_) | CheckError::Copy(_))) => return Err(fatal),
            Err(trouble) => check.tell(&trouble),
        }
        check.progress.inc(1);
    }
    check.progress.finish_and_clear();
    Ok(if check.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A bar on standard error while there is somebody who watches; only what is being looked at, if it is a single one.
fn progress(length: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template =
        if length < 2 { "{spinner} {wide_msg}" } else { "{bar:30} {pos} of {len}, {eta} left  {wide_msg}" };
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(length as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Check {
    vision: Vision,
    /// At a picture; frames of a clip are seen as the device sees those of its camera.
    looks: Looks,
    copies: Option<Copies>,
    json: bool,
    fps: f32,
    progress: ProgressBar,
    failed: bool,
}

impl Check {
    fn one(&mut self, one: &Found) -> Result<(), CheckError> {
        self.progress.set_message(one.name.clone());
        if one.clip { self.clip(one) } else { self.picture(one) }
    }

    fn picture(&mut self, one: &Found) -> Result<(), CheckError> {
        let mut picture = load_picture(&one.path)?;
        let size = (picture.width() as usize, picture.height() as usize);
        let frame = as_frame(&picture, Duration::ZERO)
            .map_err(|cause| CheckError::Size { name: one.name.clone(), cause })?;
        let faces = look(&mut self.vision, &frame, self.looks, &one.name)?;
        if let Some(copies) = &self.copies {
            copies.start(&one.copy)?.add(&mut picture, size, &faces)?;
        }
        self.print(&Entry::new(&one.name, None, size, &faces))
    }

    fn clip(&mut self, one: &Found) -> Result<(), CheckError> {
        let mut recording = MotionJpeg::open(&one.path, Pace::AsFast, self.fps)?;
        let mut copy = self.copies.as_ref().map(|copies| copies.start(&one.copy)).transpose()?;
        let mut pixels = Vec::new();
        for number in 0.. {
            let frame = match recording.next() {
                Capture::Frame(frame) => frame,
                Capture::Fault { .. } => {
                    self.tell(&CheckError::Frame { name: one.name.clone(), frame: number });
                    continue;
                }
                Capture::End => break,
            };
            let (size, at) = ((frame.width(), frame.height()), frame.captured_at());
            let faces = look(&mut self.vision, &frame, Looks::One, &one.name)?;
            if let Some(copy) = &mut copy {
                rgb::from_frame(&frame, &mut pixels);
                copy.add(&mut pixels, size, &faces)?;
            }
            self.print(&Entry::new(&one.name, Some((number, at)), size, &faces))?;
            self.progress.set_message(format!("{}, frame {number}", one.name));
        }
        recording.take_error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Prints one picture's line (or lines, for people) as one write.
    fn print(&self, entry: &Entry<'_>) -> Result<(), CheckError> {
        let text = if self.json {
            serde_json::to_string(entry).map_err(io::Error::from)? + "\n"
        } else {
            entry.to_string()
        };
        self.progress.suspend(|| io::stdout().write_all(text.as_bytes()))?;
        Ok(())
    }

    fn tell(&mut self, trouble: &CheckError) {
        self.failed = true;
        self.progress.suspend(|| say(trouble));
    }
}

fn look(vision: &mut Vision, frame: &Frame<'_>, looks: Looks, name: &str) -> Result<Faces, CheckError> {
    vision.look(frame, looks).cloned().map_err(|cause| CheckError::Look { name: name.to_owned(), cause })
}

/// What is seen in one picture; the field names are those of the JSON output.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<usize>,
    /// In seconds from the clip's first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<f64>,
    faces: Vec<Seen>,
}

impl<'a> Entry<'a> {
    /// Boxes are cut at the edges of the picture, which is `size` (width, height) pixels large.
    fn new(image: &'a str, of_clip: Option<(usize, Duration)>, size: (usize, usize), faces: &Faces) -> Self {
        let whole = Rect::new(0.0, 0.0, size.0 as f32, size.1 as f32);
        Self {
            image,
            frame: of_clip.map(|(number, _)| number),
            at: of_clip.map(|(_, at)| at.as_secs_f64()),
            faces: faces.iter().map(|face| Seen::within(face, &whole)).collect(),
        }
    }
}

impl std::fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.image)?;
        if let Some(number) = self.frame {
            write!(f, ", frame {number}")?;
        }
        match self.faces.len() {
            0 => writeln!(f, ": no face"),
            1 => writeln!(f, ": 1 face"),
            count => writeln!(f, ": {count} faces"),
        }?;
        for face in &self.faces {
            let [left, top, right, bottom] = face.bounds;
            writeln!(
                f,
                "  {:8}  face {:.2}  mouth {:.2}  nose {:.2}  from {left:.0},{top:.0} to {right:.0},{bottom:.0}",
                face.verdict.replace('_', " "),
                face.score,
                face.mouth,
                face.nose,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Face, Verdict};

    fn faces() -> Faces {
        let bounds = Rect::new(-3.0, 1.26, 7.94, 99.0);
        let (score, mouth, nose, presence) = (0.98765, 0.5, 1.0 / 3.0, 0.875);
        let (mouth_bounds, nose_bounds) = (None, Some(bounds));
        let verdict = Verdict::NoseOut;
        Faces::from_slice(&[Face {
            bounds,
            score,
            mouth,
            nose,
            presence,
            mouth_bounds,
            nose_bounds,
            verdict,
        }])
        .unwrap()
    }

    #[test]
    fn json_has_the_documented_shape() {
        let faces = faces();
        let json =
            |of_clip| serde_json::to_string(&Entry::new("a/b.jpg", of_clip, (20, 10), &faces)).unwrap();
        let seen = r#"[{"box":[0.0,1.3,7.9,10.0],"score":0.988,"verdict":"nose_out","mouth":0.5,"nose":0.333,"presence":0.875}]"#;
        assert_eq!(json(None), format!(r#"{{"image":"a/b.jpg","faces":{seen}}}"#));
        let of_clip = json(Some((7, Duration::from_nanos(233_333_333))));
        assert_eq!(of_clip, format!(r#"{{"image":"a/b.jpg","frame":7,"at":0.233333333,"faces":{seen}}}"#));
    }

    #[test]
    fn text_names_picture_frame_and_verdict() {
        let text = Entry::new("clip.mjpeg", Some((3, Duration::ZERO)), (20, 10), &faces()).to_string();
        assert!(text.starts_with("clip.mjpeg, frame 3: 1 face\n  nose out  face 0.99"), "{text}");
        let none = Entry::new("empty.png", None, (1, 1), &Faces::new()).to_string();
        assert_eq!(none, "empty.png: no face\n");
    }
}
