//! The card's first partition (FAT, which every PC can write), and the file of settings on it.

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{major, minor};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Environment variable with the partition's device node, such as `/dev/sda1`, where it is not on the root's disk.
const PARTITION: &str = "MASKBELL_BOOT";

/// Where it is mounted for the time of reading.
const MOUNT_POINT: &str = "/boot";

/// The file's name on it.
const FILE: &str = "maskbell.toml";

/// How it is mounted: nothing on it is written, run, or taken for a device.
const FLAGS: MountFlags =
    MountFlags::RDONLY.union(MountFlags::NODEV).union(MountFlags::NOSUID).union(MountFlags::NOEXEC);

/// Longest wait for a partition that was named: a USB disk takes a few seconds to appear.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the partition cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    /// The root file system is not on a partitioned disk.
    #[error(
        "the root file system is on no disk with partitions: name the one with {FILE} by {PARTITION}=/dev/…"
    )]
    NotFound,
    /// The device does not appear.
    #[error("{} has not appeared within {PATIENCE:?}: is the disk connected, and {PARTITION} right?", .0.display())]
    Missing(PathBuf),
    /// It is no FAT file system, or a damaged one.
    #[error("{} cannot be mounted on {MOUNT_POINT}: {error}; it must be a FAT file system", node.display())]
    Mount {
        /// The device.
        node: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("{FILE} cannot be read: {0}; write the card anew")]
    Read(io::Error),
}

/// Lets `read` have `maskbell.toml` from the boot partition, which is mounted for that time alone and cannot be written.
///
/// `None`: there is no such file.
///
/// # Errors
///
/// [`BootError`] if it could not be looked for or read.
pub(crate) fn with_settings<T>(read: impl FnOnce(File) -> io::Result<T>) -> Result<Option<T>, BootError> {
    let node = match env::var_os(PARTITION) {
        Some(node) => wait_for(node.into())?,
        None => {
            let root = fs::metadata("/").map_err(|_| BootError::NotFound)?.dev();
            first_partition(Path::new("/sys"), root).ok_or(BootError::NotFound)?
        }
    };
    mount(&node, MOUNT_POINT, "vfat", FLAGS, None)
        .map_err(|error| BootError::Mount { node, error: error.into() })?;
    let settings = match File::open(Path::new(MOUNT_POINT).join(FILE)) {
        Ok(file) => read(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    if let Err(error) = unmount(MOUNT_POINT, UnmountFlags::empty()) {
        log::error!("{MOUNT_POINT} cannot be unmounted: {error}");
    }
    settings.map_err(BootError::Read)
}

fn wait_for(node: PathBuf) -> Result<PathBuf, BootError> {
    let end = Instant::now() + PATIENCE;
    while !node.exists() {
        if Instant::now() >= end {
            return Err(BootError::Missing(node));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(node)
}

/// The device node of partition 1 of the disk that holds the device `number`, as `sys` (sysfs) shows it.
fn first_partition(sys: &Path, number: u64) -> Option<PathBuf> {
    let link = sys.join(format!("dev/block/{}:{}", major(number), minor(number)));
    let disk = link.canonicalize().ok()?.parent()?.to_owned();
    let mut partitions = fs::read_dir(disk).ok()?.flatten();
    let is_first = |partition: &fs::DirEntry| {
        fs::read_to_string(partition.path().join("partition")).is_ok_and(|number| number.trim() == "1")
    };
    Some(Path::new("/dev").join(partitions.find(is_first)?.file_name()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::makedev;

    use super::*;

    #[test]
    fn nothing_on_it_is_written_run_or_taken_for_a_device() {
        for flag in [MountFlags::RDONLY, MountFlags::NODEV, MountFlags::NOSUID, MountFlags::NOEXEC] {
            assert!(FLAGS.contains(flag), "{flag:?}");
        }
    }

    #[test]
    fn a_partition_that_was_named_is_waited_for_while_it_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("sda1");
        let late = node.clone();
        let plugged = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            File::create(late).unwrap();
        });
        assert_eq!(wait_for(node.clone()).unwrap(), node);
        assert!(node.exists(), "it did not wait");
        plugged.join().unwrap();
    }

    #[test]
    fn the_boot_partition_is_the_first_of_the_roots_disk() {
        let sys = tempfile::tempdir().unwrap();
        let device = "devices/platform/mmc/mmc_host/mmc0/block/mmcblk0";
        for (number, name) in [(1, "mmcblk0p1"), (2, "mmcblk0p2"), (11, "mmcblk0p11")] {
            let partition = sys.path().join(device).join(name);
            fs::create_dir_all(&partition).unwrap();
            fs::write(partition.join("partition"), format!("{number}\n")).unwrap();
        }
        fs::create_dir_all(sys.path().join(device).join("queue")).unwrap();
        fs::create_dir_all(sys.path().join("dev/block")).unwrap();
        symlink(format!("../../{device}/mmcblk0p2"), sys.path().join("dev/block/179:2")).unwrap();
        symlink(format!("../../{device}"), sys.path().join("dev/block/179:0")).unwrap();
        let found = |number| first_partition(sys.path(), number);
        assert_eq!(found(makedev(179, 2)), Some("/dev/mmcblk0p1".into()));
        // A disk without partitions, and a file system in memory.
        assert_eq!(found(makedev(179, 0)), None);
        assert_eq!(found(makedev(0, 21)), None);
    }
}
