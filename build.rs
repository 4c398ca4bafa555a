//! Tells the program which commit it is of, whatever was changed since; see `src/version.rs`.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs\ncargo::rerun-if-env-changed=MASKBELL_VERSION");
    // Who builds a card says it in MASKBELL_VERSION, so that the card's program depends on no state of git's.
    if env::var_os("MASKBELL_VERSION").is_some() || env::var_os("CARGO_FEATURE_DESK").is_none() {
        return;
    }
    // Sources within somebody else's repository are not of that one's commit.
    if let Some(commit) =
        Path::new(".git").exists().then(|| git(&["rev-parse", "--short=12", "HEAD"])).flatten()
    {
        println!("cargo::rustc-env=MASKBELL_VERSION={}+{commit}", env!("CARGO_PKG_VERSION"));
        // The second changes with each commit, whatever file holds its branch.
        for file in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists());
            path.inspect(|path| println!("cargo::rerun-if-changed={path}"));
        }
    }
}

/// What git answers, if there is a git and it does.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
