//! `maskbell check`: what is seen in pictures.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::CheckArgs;
use super::copies::{Copies, CopyError};
use super::find::{Finds, Found, find};
use super::report::{Report, ReportError};
use super::seen::{Seen, VERDICTS};
use super::settings::{self, SettingsError};
use super::{rgb, say};
use crate::camera::mjpeg::MotionJpeg;
use crate::camera::pictures::{as_frame, load_picture, plain};
use crate::camera::{Capture, DEFAULT_RATE, OpenError, Pace, Source};
use crate::frame::{Frame, FrameError, Orientation};
use crate::geometry::Rect;
use crate::runtime::RuntimeError;
use crate::vision::{self, Faces, Looks, Vision};

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
    /// The settings are not all right.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
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
    let config = settings::load(args.config.as_deref())?;
    let Finds { mut all, left_out, why } = find(&args.pictures);
    let thresholds = args.thresholds.over(config.vision.thresholds);
    let copies = args
        .annotate
        .as_deref()
        .map(|dir| Copies::plan(dir, thresholds, args.force, &mut all))
        .transpose()?;
    let report = args.report.as_deref().map(|path| Report::start(path, thresholds)).transpose()?;
    let progress = progress(all.len());
    let mut check = Check {
        vision: Vision::new(&vision::Options {
            thresholds,
            size: args.look(config.vision.size),
            ..config.vision
        })?,
        looks: if args.one_look { Looks::One } else { Looks::Close },
        orientation: config.orientation,
        copies,
        report,
        json: args.json,
        has_reader: true,
        fps: args.fps.unwrap_or(DEFAULT_RATE),
        progress,
        totals: Totals { left_out, ..Totals::default() },
    };
    why.iter().for_each(|sentence| check.note(sentence));
    for one in all {
        match one.map_err(CheckError::from).and_then(|one| check.one(&one)) {
            Ok(()) => {}
            // Whoever reads has seen enough (`| head`).
            Err(CheckError::Output(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => break,
            Err(fatal @ (CheckError::Output(_) | CheckError::Copy(_) | CheckError::Report(_))) => {
                return Err(fatal);
            }
            Err(trouble) => check.tell(&trouble)?,
        }
        check.progress.inc(1);
    }
    check.progress.finish_and_clear();
    if let Some(report) = check.report.take() {
        report.end(&check.totals.to_string())?;
    }
    if !args.json && check.totals.looked_at() > 0 {
        // Nobody reads it any more: nothing to be done.
        let _ = writeln!(io::stdout(), "{}", check.totals);
    }
    if let Some(report) = &args.report {
        say(format!("{} written: open it in a browser", report.display()));
    }
    Ok(if check.totals.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
    orientation: Orientation,
    copies: Option<Copies>,
    report: Option<Report>,
    json: bool,
    /// Of standard output.
    has_reader: bool,
    fps: f32,
    progress: ProgressBar,
    totals: Totals,
}

impl Check {
    fn one(&mut self, one: &Found) -> Result<(), CheckError> {
        self.progress.set_message(plain(&one.name));
        let done = if one.clip { self.clip(one) } else { self.picture(one) };
        done.map_err(|error| match error {
            CheckError::Open(error) => error.of(Path::new(&one.name)).into(),
            other => other,
        })
    }

    fn picture(&mut self, one: &Found) -> Result<(), CheckError> {
        let picture = load_picture(&one.path)?;
        let frame = as_frame(&picture, Duration::ZERO)
            .map_err(|cause| CheckError::Size { name: one.name.clone(), cause })?
            .oriented(self.orientation);
        let size = (frame.width(), frame.height());
        let faces = look(&mut self.vision, &frame, self.looks, &one.name)?;
        self.totals.pictures += 1;
        self.totals.count(&faces);
        if self.is_kept() {
            let mut pixels = Vec::new();
            rgb::from_frame(&frame, &mut pixels);
            if let Some(report) = &mut self.report {
                report.add(&plain(&one.name), &pixels, size, &faces)?;
            }
            if let Some(copies) = &self.copies {
                copies.start(&one.copy)?.add(&mut pixels, size, &faces)?;
            }
        }
        self.print(&Entry::new(&one.name, None, size, &faces))
    }

    fn clip(&mut self, one: &Found) -> Result<(), CheckError> {
        let mut recording = MotionJpeg::open(&one.path, Pace::AsFast, self.fps)?;
        let mut copy = self.copies.as_ref().map(|copies| copies.start(&one.copy)).transpose()?;
        let mut pixels = Vec::new();
        // Among the pictures of a folder a clip gets a line, not one for each frame.
        let mut sum = (one.in_folder && !self.json).then(Totals::default);
        for number in 0.. {
            let frame = match recording.next() {
                Capture::Frame(frame) => frame,
                Capture::Fault { .. } => {
                    self.tell(&CheckError::Frame { name: one.name.clone(), frame: number })?;
                    continue;
                }
                Capture::End => break,
            };
            let frame = frame.oriented(self.orientation);
            let (size, at) = ((frame.width(), frame.height()), frame.captured_at());
            let faces = look(&mut self.vision, &frame, Looks::One, &one.name)?;
            for totals in [Some(&mut self.totals), sum.as_mut()].into_iter().flatten() {
                totals.frames += 1;
                totals.count(&faces);
            }
            if copy.is_some() || self.report.is_some() {
                rgb::from_frame(&frame, &mut pixels);
            }
            if let Some(report) = &mut self.report {
                report.add(&format!("{}, frame {number}", plain(&one.name)), &pixels, size, &faces)?;
            }
            if let Some(copy) = &mut copy {
                copy.add(&mut pixels, size, &faces)?;
            }
            if sum.is_none() {
                self.print(&Entry::new(&one.name, Some((number, at)), size, &faces))?;
            }
            self.progress.set_message(format!("{}, frame {number}", plain(&one.name)));
        }
        if let Some(sum) = sum {
            self.write(&format!("{}: {sum}\n", plain(&one.name)))?;
        }
        recording.take_error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Prints one picture's line (or lines, for people) as one write.  When nobody reads any more, the rest is done only
    /// for copies and report.
    fn print(&mut self, entry: &Entry<'_>) -> Result<(), CheckError> {
        let text = if self.json {
            serde_json::to_string(entry).map_err(io::Error::from)? + "\n"
        } else {
            entry.to_string()
        };
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> Result<(), CheckError> {
        if !self.has_reader {
            return Ok(());
        }
        match self.progress.suspend(|| io::stdout().write_all(text.as_bytes())) {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe && self.is_kept() => {
                self.has_reader = false;
                Ok(())
            }
            done => Ok(done?),
        }
    }

    /// Whether what is seen is kept in files, too.
    const fn is_kept(&self) -> bool {
        self.copies.is_some() || self.report.is_some()
    }

    /// Says what could not be checked.
    fn tell(&mut self, trouble: &CheckError) -> Result<(), CheckError> {
        self.totals.failed += 1;
        let trouble = plain(&trouble.to_string());
        if let Some(report) = &mut self.report {
            report.tell(&trouble)?;
        }
        self.note(&trouble);
        Ok(())
    }

    fn note(&self, sentence: &str) {
        self.progress.suspend(|| say(plain(sentence)));
    }
}

/// What all pictures together have shown.
#[derive(Debug, Default)]
struct Totals {
    pictures: usize,
    frames: usize,
    /// Without a face.
    empty: usize,
    /// Covered, nose out, bare, unsure.
    faces: [usize; 4],
    failed: usize,
    left_out: usize,
}

impl Totals {
    fn count(&mut self, faces: &Faces) {
        self.empty += usize::from(faces.is_empty());
        for face in faces {
            let kind = VERDICTS.iter().position(|&verdict| verdict == face.verdict);
            self.faces[kind.expect("these are all")] += 1;
        }
    }

    fn looked_at(&self) -> usize {
        self.pictures + self.frames
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = |count: usize, of: &str| format!("{count} {of}{}", if count == 1 { "" } else { "s" });
        let mut looked_at = Vec::new();
        if self.pictures > 0 || self.frames == 0 {
            looked_at.push(counted(self.pictures, "picture"));
        }
        if self.frames > 0 {
            looked_at.push(counted(self.frames, "frame"));
        }
        write!(f, "{}: {}", looked_at.join(" and "), counted(self.faces.iter().sum(), "face"))?;
        let kinds = VERDICTS.iter().zip(self.faces).filter(|&(_, count)| count > 0);
        let kinds: Vec<_> = kinds.map(|(verdict, count)| format!("{count} {verdict}")).collect();
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        if self.empty > 0 {
            write!(f, ", {} without a face", self.empty)?;
        }
        if self.failed > 0 {
            write!(f, ", {} that could not be read", self.failed)?;
        }
        if self.left_out > 0 {
            write!(f, ", {} left out", counted(self.left_out, "file"))?;
        }
        Ok(())
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
        f.write_str(&plain(self.image))?;
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
    fn totals_count_faces_by_verdict_and_say_what_is_missing() {
        let mut totals = Totals { pictures: 1, ..Totals::default() };
        totals.count(&faces());
        assert_eq!(totals.to_string(), "1 picture: 1 face (1 nose out)");
        totals.count(&faces());
        totals.count(&Faces::new());
        totals = Totals { pictures: 3, frames: 12, failed: 2, left_out: 1, ..totals };
        assert_eq!(
            totals.to_string(),
            "3 pictures and 12 frames: 2 faces (2 nose out), 1 without a face, 2 that could not be read, 1 file left out"
        );
    }

    #[test]
    fn text_names_picture_frame_and_verdict() {
        let text = Entry::new("clip.mjpeg", Some((3, Duration::ZERO)), (20, 10), &faces()).to_string();
        assert!(text.starts_with("clip.mjpeg, frame 3: 1 face\n  nose out  face 0.99"), "{text}");
        let none = Entry::new("empty.png", None, (1, 1), &Faces::new()).to_string();
        assert_eq!(none, "empty.png: no face\n");
    }
}
