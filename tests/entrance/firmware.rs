//! The binary that goes on the card: cross-built once for all tests.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

const TARGET: &str = "aarch64-unknown-linux-musl";

/// The firmware: what `MASKBELL_FIRMWARE` names, or else what Cargo builds of this checkout.
pub(crate) fn path() -> &'static Path {
    static FIRMWARE: OnceLock<PathBuf> = OnceLock::new();
    FIRMWARE.get_or_init(|| match env::var_os("MASKBELL_FIRMWARE") {
        Some(path) => PathBuf::from(path),
        None => build("maskbell", &[]),
    })
}

/// The firmware with the feature `fault-injection`: what `MASKBELL_FAULTY_FIRMWARE` names, or else what Cargo builds.
pub(crate) fn faulty() -> &'static Path {
    static FIRMWARE: OnceLock<PathBuf> = OnceLock::new();
    FIRMWARE.get_or_init(|| match env::var_os("MASKBELL_FAULTY_FIRMWARE") {
        Some(path) => PathBuf::from(path),
        None => build("maskbell-faulty", &["--features", "fault-injection"]),
    })
}

/// The library's unit tests as a program for the machine.
pub(crate) fn unit_tests() -> PathBuf {
    cargo(Command::new("cargo-zigbuild").args(["test", "--lib", "--no-run", "--release"]), "unit-tests", &[])
}

/// Builds the firmware and copies it to `name`.
fn build(name: &str, options: &[&str]) -> PathBuf {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    cargo(command.args(["zigbuild", "--bin", "maskbell", "--profile", "firmware"]), name, options)
}

/// Has Cargo build a program and copies it to `name`: another build puts its own in the same place.
fn cargo(command: &mut Command, name: &str, options: &[&str]) -> PathBuf {
    static PLACE: Mutex<()> = Mutex::new(());
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = command
        .args(["--no-default-features", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the firmware does not build: see above");
    // One JSON object a line; the last executable is the binary.
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::copy(executable.expect("cargo names the binary it built"), &copy).expect("space for the binary");
    copy
}

/// Whether the kernel runs the file as it is, without a loader and shared libraries: 64-bit ELF for aarch64 in which
/// no program header asks for an interpreter ("Tool Interface Standard: ELF" and its 64-bit extension).
pub(crate) fn is_static_aarch64(path: &Path) -> Result<bool, String> {
    const CLASS_64_LITTLE_ENDIAN: [u8; 6] = *b"\x7fELF\x02\x01";
    const MACHINE_AARCH64: u16 = 183;
    const SEGMENT_INTERPRETER: u32 = 3;
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let short = || format!("{} ends too early for an ELF file", path.display());
    let half = |offset: usize| Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
    let word = |offset: usize| Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
    let long = |offset: usize| Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?));
    if !bytes.starts_with(&CLASS_64_LITTLE_ENDIAN) || half(18) != Some(MACHINE_AARCH64) {
        return Err(format!("{} is no 64-bit ELF file for aarch64", path.display()));
    }
    let headers = long(32).ok_or_else(short)? as usize;
    let (size, count) = (half(54).ok_or_else(short)?, half(56).ok_or_else(short)?);
    for index in 0..usize::from(count) {
        let segment = word(headers + index * usize::from(size)).ok_or_else(short)?;
        if segment == SEGMENT_INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}
