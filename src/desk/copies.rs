//! Annotated copies of pictures and clips.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

use super::draw::{Canvas, Place};
use super::find::Found;
use crate::vision::{Face, Thresholds};

/// JPEG quality of copies, 1 to 100: the lines stay sharp, the files small.
const QUALITY: u8 = 92;

/// Why a copy cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A copy would take the place of what is being checked.
    #[error("--annotate {}: that would overwrite {}, choose another folder", dir.display(), input.display())]
    Overwrite {
        /// The folder of copies.
        dir: PathBuf,
        /// What would be lost.
        input: PathBuf,
    },
    /// There is such a file, and nobody has said that it may go.
    #[error("--annotate: {}: this file exists; --force overwrites it and others, or choose another folder", .0.display())]
    Exists(PathBuf),
    /// The system or the encoder refuses.
    #[error("{}: the annotated copy cannot be written: {cause}", path.display())]
    Write {
        /// The copy.
        path: PathBuf,
        /// What the system or the encoder says.
        cause: Box<dyn std::error::Error>,
    },
}

impl CopyError {
    fn write(path: &Path, cause: impl Into<Box<dyn std::error::Error>>) -> Self {
        Self::Write { path: path.to_owned(), cause: cause.into() }
    }
}

/// A folder of annotated copies, each with the name of what it is a copy of, and in the format of that name.
#[derive(Debug)]
pub struct Copies {
    dir: PathBuf,
    thresholds: Thresholds,
}

impl Copies {
    /// Makes the folder `dir` and gives each of `found` a name in it; of two with the same, the second gets a number.
    /// Faces are judged by `thresholds`.
    ///
    /// # Errors
    ///
    /// [`CopyError`] if the folder cannot be made, or if a copy would overwrite one of `found`, or any file without `force`.
    pub fn plan<E>(
        dir: &Path,
        thresholds: Thresholds,
        force: bool,
        found: &mut [Result<Found, E>],
    ) -> Result<Self, CopyError> {
        fs::create_dir_all(dir).map_err(|cause| CopyError::write(dir, cause))?;
        // Whatever the path: one file is one inode.
        let identity = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
        let inputs: HashSet<_> = found.iter().flatten().filter_map(|one| identity(&one.path)).collect();
        let mut taken = HashSet::new();
        for one in found.iter_mut().flatten() {
            let wanted = one.copy.clone();
            let mut number = 2;
            while !taken.insert(one.copy.clone()) {
                let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
                // Not `with_extension`, which would take what follows a dot in the stem for one.
                one.copy = wanted.with_file_name(match wanted.extension() {
                    Some(ending) => format!("{stem}-{number}.{}", ending.to_string_lossy()),
                    None => format!("{stem}-{number}"),
                });
                number += 1;
            }
            if identity(&dir.join(&one.copy)).is_some_and(|there| inputs.contains(&there)) {
                return Err(CopyError::Overwrite { dir: dir.to_owned(), input: one.path.clone() });
            }
            let path = dir.join(&one.copy);
            if !force && path.is_file() {
                return Err(CopyError::Exists(path));
            }
        }
        Ok(Self { dir: dir.to_owned(), thresholds })
    }

    /// Starts the copy `name`.
    ///
    /// # Errors
    ///
    /// [`CopyError`] if the file cannot be made.
    pub fn start(&self, name: &Path) -> Result<Copy, CopyError> {
        let path = self.dir.join(name);
        let folder = path.parent().unwrap_or(&self.dir);
        let file = fs::create_dir_all(folder).and_then(|()| File::create(&path));
        match file {
            Ok(file) => {
                // What the name does not tell, clips above all, is JPEG.
                let format = ImageFormat::from_path(&path).unwrap_or(ImageFormat::Jpeg);
                Ok(Copy { file: BufWriter::new(file), path, format, thresholds: self.thresholds })
            }
            Err(cause) => Err(CopyError::write(&path, cause)),
        }
    }
}

/// A copy that is being written: one picture, or JPEG after JPEG for a clip.
#[derive(Debug)]
pub struct Copy {
    path: PathBuf,
    file: BufWriter<File>,
    format: ImageFormat,
    thresholds: Thresholds,
}

impl Copy {
    /// Draws `faces` on a picture of `size` (width, height) in packed `rgb`, and appends it.
    ///
    /// # Errors
    ///
    /// [`CopyError`] if it cannot be written.
    pub fn add(&mut self, rgb: &mut [u8], size: (usize, usize), faces: &[Face]) -> Result<(), CopyError> {
        Canvas::new(rgb, size.0, size.1).faces(faces, &Place::whole(size.0, size.1), &self.thresholds);
        // A frame's sides are 65,535 at most.
        let (width, height) = (size.0 as u32, size.1 as u32);
        encode(&mut self.file, rgb, width, height, self.format)
            .and_then(|()| Ok(self.file.flush()?))
            .map_err(|cause| CopyError::write(&self.path, cause))
    }
}

fn encode(
    file: &mut (impl Write + Seek),
    rgb: &[u8],
    width: u32,
    height: u32,
    format: ImageFormat,
) -> image::ImageResult<()> {
    match format {
        ImageFormat::Jpeg => {
            JpegEncoder::new_with_quality(file, QUALITY).encode(rgb, width, height, ExtendedColorType::Rgb8)
        }
        _ => image::write_buffer_with_format(file, rgb, width, height, ExtendedColorType::Rgb8, format),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::pictures::load_picture;

    fn found(path: PathBuf, copy: &str) -> Result<Found, ()> {
        Ok(Found { name: copy.to_owned(), path, copy: copy.into(), clip: false, in_folder: false })
    }

    #[test]
    fn no_input_is_overwritten_by_whatever_name_it_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("a.jpg");
        fs::write(&input, "picture").unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        std::os::unix::fs::symlink(&input, out.join("a.jpg")).unwrap();
        fs::hard_link(&input, out.join("b.jpg")).unwrap();
        for (folder, copy) in [(dir.path(), "a.jpg"), (&out, "a.jpg"), (&out, "b.jpg")] {
            let plan = Copies::plan(folder, Thresholds::default(), true, &mut [found(input.clone(), copy)]);
            assert!(matches!(plan, Err(CopyError::Overwrite { .. })), "{} {copy}", folder.display());
        }
        let plan =
            |force| Copies::plan(&out, Thresholds::default(), force, &mut [found(input.clone(), "c.jpg")]);
        assert!(plan(false).is_ok());
        fs::write(out.join("c.jpg"), "a stranger's").unwrap();
        assert!(matches!(plan(false), Err(CopyError::Exists(_))));
        assert!(plan(true).is_ok());
    }

    #[test]
    fn copies_of_one_name_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let mut all =
            ["x.jpg", "x.jpg", "a/x.jpg", "x.jpg", "x-2.jpg", "y", "y", "a.b.jpg", "a.b.jpg", "a.b.jpg"]
                .map(|copy| found("none".into(), copy));
        Copies::plan(dir.path(), Thresholds::default(), false, &mut all).unwrap();
        let names: Vec<_> = all.iter().flatten().map(|one| one.copy.to_str().unwrap()).collect();
        let numbered = ["x.jpg", "x-2.jpg", "a/x.jpg", "x-3.jpg", "x-2-2.jpg", "y", "y-2"];
        assert_eq!(names[..7], numbered);
        assert_eq!(names[7..], ["a.b.jpg", "a.b-2.jpg", "a.b-3.jpg"]);
    }

    #[test]
    fn every_format_that_is_read_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let copies = Copies::plan::<()>(dir.path(), Thresholds::default(), false, &mut []).unwrap();
        for extension in ["bmp", "gif", "jpe", "jpg", "pgm", "png", "ppm", "tiff", "webp"] {
            let name = Path::new("deep/down").with_extension(extension);
            copies.start(&name).unwrap().add(&mut [99; 12 * 9 * 3], (12, 9), &[]).unwrap();
            let back = load_picture(&dir.path().join(&name)).unwrap();
            assert_eq!(back.dimensions(), (12, 9), "{extension}");
        }
    }
}
