//! The guest's only file system: a cpio archive in the "newc" format that the kernel unpacks into memory
//! (Linux' `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::fs;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// `/init`, the shell that runs it, the kernel's modules, the firmware, and a script that runs beside it.
///
/// `home` is the folder that `setup.sh` filled.
pub(crate) fn build(home: &Path, firmware: &Path, beside: &str) -> Vec<u8> {
    let read = |path: &Path| fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = Archive::default();
    for name in ["bin", "boot", "dev", "etc", "modules", "proc", "sys", "tmp"] {
        archive.entry(name, DIRECTORY, &[], (0, 0));
    }
    // The kernel opens it for process 1 before anything is mounted.
    archive.entry("dev/console", CHARACTER_DEVICE, &[], (5, 1));
    // The shell opens it for what runs in the background.
    archive.entry("dev/null", CHARACTER_DEVICE, &[], (1, 3));
    // rppal asks for the owner of an exported PWM channel, and waits a second where root has no name.
    archive.entry("etc/passwd", FILE, b"root:x:0:0:root:/:/bin/false\n", (0, 0));
    archive.entry("init", PROGRAM, include_bytes!("init"), (0, 0));
    let beside = format!("{}\n{beside}\n", include_str!("beside"));
    archive.entry("beside", PROGRAM, beside.as_bytes(), (0, 0));
    archive.entry("bin/busybox", PROGRAM, &read(&home.join("busybox")), (0, 0));
    archive.entry("maskbell", PROGRAM, &read(firmware), (0, 0));
    let folder = home.join("modules");
    let modules = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for module in modules {
        let module = module.expect("a folder can be read to its end");
        let name = format!("modules/{}", module.file_name().display());
        archive.entry(&name, FILE, &read(&module.path()), (0, 0));
    }
    archive.finish()
}

#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a file, a folder or, with its major and minor number, a device.
    fn entry(&mut self, name: &str, mode: u32, data: &[u8], (major, minor): (u32, u32)) {
        self.entries += 1;
        let data_bytes = u32::try_from(data.len()).expect("a file of less than 4 GiB");
        let name_bytes = name.len() as u32 + 1;
        // inode, mode, uid, gid, links, mtime, size, device, device of a node, length of the name, checksum.
        let fields = [self.entries, mode, 0, 0, 1, 0, data_bytes, 0, 0, major, minor, name_bytes, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }
}
