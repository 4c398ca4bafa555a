//! Files that are not read here, and what makes them readable.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::camera::pictures::{files, is_picture_name};
use crate::camera::{DEFAULT_RATE, OpenError, is_clip_name};

/// What a file is that is neither a picture nor a clip that can be read.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Foreign {
    /// A picture as phones take them (ISO/IEC 23008-12).
    Heic,
    /// A picture coded with AV1.
    Avif,
    /// A film in a container.
    Film,
    /// Whatever else.
    Other,
}

impl Foreign {
    /// What the file at `path` is by its first bytes; `None` if it may be a picture or motion JPEG, or is no file that can
    /// be looked into twice.
    pub fn at(path: &Path) -> Option<Self> {
        if !fs::metadata(path).is_ok_and(|about| about.is_file()) {
            return None;
        }
        let mut head = Vec::new();
        File::open(path).ok()?.take(12).read_to_end(&mut head).ok()?;
        Self::of(&head)
    }

    /// As [`Foreign::at`], of the first 12 bytes.
    fn of(head: &[u8]) -> Option<Self> {
        match (head.get(4..8), head.get(8..12)) {
            // Brands of ISO/IEC 23008-12 and of AVIF.
            (
                Some(b"ftyp"),
                Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1"),
            ) => Some(Self::Heic),
            (Some(b"ftyp"), Some(b"avif" | b"avis")) => Some(Self::Avif),
            (Some(b"ftyp" | b"moov" | b"mdat"), _) => Some(Self::Film),
            _ if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) => Some(Self::Film),
            _ if head.starts_with(b"RIFF") && head.ends_with(b"AVI ") => Some(Self::Film),
            _ => None,
        }
    }

    /// What it is, and that it is not read.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Heic => "this is a HEIC picture, which is not read here",
            Self::Avif => "this is an AVIF picture, which is not read here",
            Self::Film => "this is a film in a container, and only plain motion JPEG is read",
            Self::Other => "this is neither a picture nor a clip",
        }
    }

    /// The reason, and how the file at `path` becomes one that can be read.
    pub fn remedy(self, path: &Path) -> String {
        let (from, to) = (argument(path), |ending| argument(&beside(path, ending)));
        let reason = self.reason();
        match self {
            Self::Heic => format!(
                "{reason}; convert it with: heif-convert {from} {} (Debian: apt-get install libheif-examples)",
                to("jpg")
            ),
            Self::Avif => format!("{reason}; convert it with: ffmpeg -i {from} {}", to("jpg")),
            // At the rate at which it will be replayed.
            Self::Film => format!(
                "{reason}; convert it with: ffmpeg -i {from} -an -r {DEFAULT_RATE} -vf scale=640:-2 -q:v 3 -f mjpeg {}",
                to("mjpeg")
            ),
            Self::Other => reason.to_owned(),
        }
    }

    /// So many files of this kind, in words.
    fn counted(self, count: usize) -> String {
        let (one, more) = match self {
            Self::Heic => ("HEIC picture", "HEIC pictures"),
            Self::Avif => ("AVIF picture", "AVIF pictures"),
            Self::Film => ("film", "films"),
            Self::Other => ("other file", "other files"),
        };
        format!("{count} {}", if count == 1 { one } else { more })
    }
}

/// `path` with another `ending`, or with another stem as well if it has this one already.
fn beside(path: &Path, ending: &str) -> PathBuf {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending)) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return path.with_file_name(format!("{stem}-converted.{ending}"));
    }
    path.with_extension(ending)
}

/// `path` as a word that a shell takes as it is, and a program as a file's name.
pub fn argument(path: &Path) -> String {
    let name = path.display().to_string();
    // Else a hyphen begins an option, and ffmpeg takes what comes before a colon for a protocol.
    let misleads = path.is_relative() && (name.starts_with('-') || name.contains(':'));
    format!("'{}{}'", if misleads { "./" } else { "" }, name.replace('\'', r"'\''"))
}

/// The files in `folder`, and in the folders in it, that are left out when it is searched for pictures, each kind in one
/// sentence; and how many there are.
pub fn left_out(folder: &Path) -> (usize, Vec<String>) {
    // What cannot be read is told by the search for pictures.
    let others =
        files(folder).into_iter().flatten().filter(|path| !is_clip_name(path) && !is_picture_name(path));
    let mut all: Vec<_> = others.map(|path| (Foreign::at(&path).unwrap_or(Foreign::Other), path)).collect();
    all.sort();
    let sentences = all.chunk_by(|(one, _), (other, _)| one == other).map(|files| {
        let (kind, first) = &files[0];
        let reason = match kind {
            Foreign::Other => "neither pictures nor clips by their names".to_owned(),
            _ => kind.remedy(first),
        };
        let example = if files.len() == 1 { "" } else { "for example " };
        format!("left out: {} ({example}{}): {reason}", kind.counted(files.len()), first.display())
    });
    (all.len(), sentences.collect())
}

/// That there are no pictures in `folder`, and what is there instead.
pub fn no_pictures(folder: &Path) -> OpenError {
    let mut reasons = vec!["there are no pictures in this folder".to_owned()];
    reasons.extend(left_out(folder).1);
    OpenError::Picture { path: folder.to_owned(), reason: reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_and_pictures_of_phones_are_told_by_their_content() {
        for (head, kind) in [
            (&b"\0\0\0\x18ftypheic"[..], Some(Foreign::Heic)),
            (b"\0\0\0\x18ftypmif1", Some(Foreign::Heic)),
            (b"\0\0\0\x1cftypavif", Some(Foreign::Avif)),
            (b"\0\0\0\x18ftypmp42", Some(Foreign::Film)),
            (b"\0\0\0\x14ftypqt  ", Some(Foreign::Film)),
            (b"\x1a\x45\xdf\xa3abcdefgh", Some(Foreign::Film)),
            (b"RIFF1234AVI ", Some(Foreign::Film)),
            (b"RIFF1234WEBP", None),
            (b"\xff\xd8\xff\xe0abcdefgh", None),
            (b"", None),
        ] {
            assert_eq!(Foreign::of(head), kind, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_command_can_be_pasted_whatever_the_name() {
        let remedy = Foreign::Film.remedy(Path::new("my films/it's.mp4"));
        let wanted = r"ffmpeg -i 'my films/it'\''s.mp4' -an -r 10 -vf scale=640:-2 -q:v 3 -f mjpeg 'my films/it'\''s.mjpeg'";
        assert!(remedy.ends_with(wanted), "{remedy}");
        let heic = Foreign::Heic.remedy(Path::new("IMG 1.HEIC"));
        assert!(heic.contains("heif-convert 'IMG 1.HEIC' 'IMG 1.jpg'"), "{heic}");
    }

    #[test]
    fn a_command_writes_another_file_and_takes_names_for_names() {
        for (name, words) in [
            ("a/IMG.JPG", "'a/IMG.JPG' 'a/IMG-converted.jpg'"),
            ("-o.heic", "'./-o.heic' './-o.jpg'"),
            ("12:30.heic", "'./12:30.heic' './12:30.jpg'"),
            ("/-o.heic", "'/-o.heic' '/-o.jpg'"),
        ] {
            let heic = Foreign::Heic.remedy(Path::new(name));
            assert!(heic.contains(&format!("heif-convert {words} ")), "{heic}");
        }
    }

    #[test]
    fn what_a_search_leaves_out_is_counted_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
        write("a.jpg", b"");
        write("b.heic", b"\0\0\0\x18ftypheic");
        write("c.heic", b"\0\0\0\x18ftypheic");
        write("d.mp4", b"\0\0\0\x18ftypmp42");
        write("notes.txt", b"notes");
        write(".hidden.txt", b"");
        let (count, sentences) = left_out(folder.path());
        assert_eq!((count, sentences.len()), (4, 3), "{sentences:?}");
        assert!(sentences[0].starts_with("left out: 2 HEIC pictures (for example "), "{sentences:?}");
        assert!(sentences[1].starts_with("left out: 1 film ("), "{sentences:?}");
        assert!(sentences[2].starts_with("left out: 1 other file ("), "{sentences:?}");
    }
}
