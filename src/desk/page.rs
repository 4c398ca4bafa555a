//! `--source FOLDER --show`: its pictures one by one, paged with keys.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::args::WatchArgs;
use super::foreign::no_pictures;
use super::rgb;
use super::screen::{Screen, State};
use super::settings::{self, SettingsError};
use super::window::{Window, WindowError, Wish};
use crate::camera::OpenError;
use crate::camera::pictures::{as_frame, is_picture_name, load_picture, search};
use crate::frame::Orientation;
use crate::runtime::RuntimeError;
use crate::vision::{self, Faces, Looks, Vision};

/// Why there is nothing to page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The settings are not all right.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folder cannot be read, or holds no picture.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The models do not work.
    #[error(transparent)]
    Models(#[from] RuntimeError),
    /// No window.
    #[error(transparent)]
    Window(#[from] WindowError),
}

/// Shows each picture of the folder until a key is pressed.  Nobody is reminded: pictures are no visit.
///
/// # Errors
///
/// [`PageError`] if there is nothing to show, or nothing to show it with.
pub fn run(args: &WatchArgs, folder: &Path) -> Result<ExitCode, PageError> {
    let config = settings::load(args.config.as_deref())?;
    let mut files = search(folder).into_iter().collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| is_picture_name(path));
    if files.is_empty() {
        return Err(no_pictures(folder).into());
    }
    let thresholds = args.thresholds.over(config.vision.thresholds);
    let mut vision =
        Vision::new(&vision::Options { thresholds, size: args.look(config.vision.size), ..config.vision })?;
    let mut screen = Screen::new(thresholds, "→ ← turn the page, Esc or Q: close");
    let mut window: Option<Window> = None;
    // Ctrl-C ends the program: there is nothing to sum up.
    let never = AtomicBool::new(false);
    let (mut at, last) = (0, files.len() - 1);
    loop {
        let name = files[at].strip_prefix(folder).unwrap_or(&files[at]);
        let name = load(&files[at], name, &mut vision, config.orientation, &mut screen)?;
        screen.state = State::Page { number: at + 1, of: files.len(), name };
        let window = match &mut window {
            Some(window) => window,
            none => none.insert(Window::open(&screen)?),
        };
        let shown = at;
        // Before the first page and behind the last there is none: nothing to be looked at again.
        while at == shown {
            match window.hold(&screen, &never)? {
                Wish::Close => return Ok(ExitCode::SUCCESS),
                Wish::Back => at = at.saturating_sub(1),
                Wish::Next => at = (at + 1).min(last),
            }
        }
    }
}

/// Puts the picture at `path`, which is called `name`, and who is in it on the screen; the name, or why it cannot be done.
fn load(
    path: &Path,
    name: &Path,
    vision: &mut Vision,
    orientation: Orientation,
    screen: &mut Screen,
) -> Result<Result<String, String>, RuntimeError> {
    screen.rgb.clear();
    screen.faces = Faces::new();
    screen.times.clear();
    let picture = match load_picture(path) {
        Ok(picture) => picture,
        Err(trouble) => return Ok(Err(trouble.of(name).to_string())),
    };
    let frame = match as_frame(&picture, Duration::ZERO) {
        Ok(frame) => frame.oriented(orientation),
        Err(trouble) => return Ok(Err(format!("{}: {trouble}", name.display()))),
    };
    let start = Instant::now();
    screen.faces = vision.look(&frame, Looks::One)?.clone();
    let took = start.elapsed().as_secs_f32() * 1e3;
    screen.size = (frame.width(), frame.height());
    screen.times =
        format!("{}×{}, look {} in {took:.1} ms", frame.width(), frame.height(), vision.chosen().size);
    rgb::from_frame(&frame, &mut screen.rgb);
    Ok(Ok(name.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Options, Thresholds};

    #[test]
    fn a_broken_picture_is_told_by_its_name_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.jpg");
        std::fs::write(&path, "text").unwrap();
        let mut vision = Vision::new(&Options::default()).unwrap();
        let mut screen = Screen::new(Thresholds::default(), "");
        let mut load = |path: &Path, name: &str| {
            load(path, Path::new(name), &mut vision, Orientation::default(), &mut screen).unwrap()
        };
        let trouble = load(&path, "b.jpg").unwrap_err();
        assert!(trouble.starts_with("b.jpg: this is no picture"), "{trouble}");
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample/bare.jpg");
        assert_eq!(load(&sample, "bare.jpg"), Ok("bare.jpg".to_owned()));
        assert_eq!(screen.faces.len(), 1);
    }
}
