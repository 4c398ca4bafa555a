//! A file of settings at the desk.

use std::fs::File;
use std::path::Path;

use crate::config::{self, Config};

/// The file cannot be read, or has mistakes, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// What the file says; the defaults without one.  At a desk a mistake is a reason to stop: there is somebody to tell.
///
/// # Errors
///
/// [`SettingsError`] if the file cannot be read, or is not all right.
pub fn load(path: Option<&Path>) -> Result<Config, SettingsError> {
    let Some(path) = path else { return Ok(Config::default()) };
    let read = File::open(path).and_then(config::load);
    let (config, mistakes) = read.map_err(|error| SettingsError(format!("{}: {error}", path.display())))?;
    if mistakes.is_empty() {
        return Ok(config);
    }
    let mistakes: Vec<_> = mistakes.iter().map(|mistake| format!("{}, {mistake}", path.display())).collect();
    let end = "nothing was done: correct the file (the device would go on with the defaults)";
    Err(SettingsError(format!("{}\n{end}", mistakes.join("\n"))))
}
