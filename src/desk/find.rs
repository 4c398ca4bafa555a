//! Finding pictures and clips.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::foreign::{Foreign, left_out};
use crate::camera::pictures::{is_picture_name, search};
use crate::camera::{OpenError, is_clip_name, is_motion_jpeg};

/// A picture or a clip that was found.
#[derive(Debug)]
pub struct Found {
    /// What it is called in the output: the path as given, and the way from there to what lies in a folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Path of its annotated copy within the folder of copies.
    pub copy: PathBuf,
    /// Whether it is a motion-JPEG clip.
    pub clip: bool,
    /// Whether it was found in a folder that was given, instead of being given itself.
    pub in_folder: bool,
}

/// What is to be checked, and what is not.
#[derive(Debug, Default)]
pub struct Finds {
    /// What is to be checked; what cannot be found is in the list, too, in its place.
    pub all: Vec<Result<Found, OpenError>>,
    /// How many files of the folders are left out.
    pub left_out: usize,
    /// Which, and why, in a sentence for each kind.
    pub why: Vec<String>,
}

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Everything to check among `paths`: files as they are, folders as [`search`] goes through them.
pub fn find(paths: &[PathBuf]) -> Finds {
    let mut finds = Finds::default();
    for path in paths {
        if path.is_dir() {
            let all = search(path);
            if all.is_empty() {
                finds.all.push(Err(refused(path, "there are no pictures or clips in this folder")));
            }
            finds.all.extend(all.into_iter().map(|one| one.and_then(|one| within(path, one))));
            let (count, why) = left_out(path);
            finds.left_out += count;
            finds.why.extend(why);
        } else if path.as_os_str() == STANDARD_INPUT {
            finds.all.push(standard_input(path));
        } else {
            finds.all.push(file(path));
        }
    }
    finds
}

fn file(path: &Path) -> Result<Found, OpenError> {
    let kind = fs::metadata(path).map_err(OpenError::io(path))?.file_type();
    // A pipe is fine, `maskbell check <(...)`, but its content cannot be looked at twice.
    if !kind.is_file() && !kind.is_fifo() {
        return Err(refused(path, "this is neither a file nor a folder; cameras are watched with --source"));
    }
    if let Some(foreign) = Foreign::at(path) {
        return Err(refused(path, &foreign.remedy(path)));
    }
    Ok(Found {
        name: path.display().to_string(),
        path: path.to_owned(),
        copy: path.file_name().unwrap_or(path.as_os_str()).into(),
        clip: kind.is_file() && !is_picture_name(path) && is_motion_jpeg(path)?,
        in_folder: false,
    })
}

/// What comes on standard input, which is called `name`.
fn standard_input(name: &Path) -> Result<Found, OpenError> {
    let path = Path::new("/dev/stdin");
    let kind = fs::metadata(path).map_err(OpenError::io(name))?.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        return Err(refused(name, "no picture comes on standard input; pipe one into it"));
    }
    if let Some(foreign) = Foreign::at(path) {
        // No command: there is no telling where it comes from.
        return Err(refused(name, foreign.reason()));
    }
    let clip = kind.is_file() && is_motion_jpeg(path)?;
    Ok(Found {
        name: name.display().to_string(),
        path: path.to_owned(),
        copy: "stdin.jpg".into(),
        clip,
        in_folder: false,
    })
}

/// What was found at `path` in the folder `root`.
fn within(root: &Path, path: PathBuf) -> Result<Found, OpenError> {
    // Whatever its name says.
    if let Some(foreign) = Foreign::at(&path) {
        return Err(refused(&path, &foreign.remedy(&path)));
    }
    let copy = path.strip_prefix(root).unwrap_or(&path).to_owned();
    Ok(Found { name: path.display().to_string(), clip: is_clip_name(&path), path, copy, in_folder: true })
}

fn refused(path: &Path, reason: &str) -> OpenError {
    OpenError::Picture { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &[Result<Found, OpenError>], root: &Path) -> Vec<String> {
        let root = format!("{}/", root.display());
        let name = |one: &Found| one.name.strip_prefix(&root).unwrap().to_owned();
        found.iter().map(|one| one.as_ref().map_or_else(ToString::to_string, name)).collect()
    }

    #[test]
    fn a_folder_is_searched_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        fs::create_dir_all(at("folder.jpg")).unwrap();
        for name in
            ["b/c/z.PNG", "b/a.jpeg", "c.mjpg", "a.webp", "notes.txt", ".hidden.jpg", "folder.jpg/x.bmp"]
        {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), at("circle.jpg")).unwrap();
        std::os::unix::fs::symlink(at("a.webp"), at("link.jpg")).unwrap();
        let Finds { all: found, left_out, why } = find(&[folder.path().to_owned()]);
        assert_eq!((left_out, why.len()), (1, 1), "{why:?}");
        assert!(why[0].contains("notes.txt"), "{why:?}");
        assert_eq!(
            names(&found, folder.path()),
            ["a.webp", "b/a.jpeg", "b/c/z.PNG", "c.mjpg", "folder.jpg/x.bmp", "link.jpg"]
        );
        let clips: Vec<_> = found.iter().flatten().filter(|one| one.clip).map(|one| &one.copy).collect();
        assert_eq!(clips, [Path::new("c.mjpg")]);
    }

    #[test]
    fn files_keep_the_path_as_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("no-extension");
        fs::write(&file, "").unwrap();
        let found = find(&[file.clone(), folder.path().join("none"), "/dev/null".into()]).all;
        assert_eq!(found[0].as_ref().unwrap().name, file.to_str().unwrap());
        assert!(matches!(found[1], Err(OpenError::Io { .. })));
        assert!(matches!(found[2], Err(OpenError::Picture { .. })));
    }
}
