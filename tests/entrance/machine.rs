//! A Raspberry Pi as far as QEMU can be one: an aarch64 machine that says it is a Pi 4, with a USB port for an emulated
//! camera and the Pi's peripherals as plain memory.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::firmware;
use crate::initramfs;
use crate::registers::Registers;

/// Longest wait for anything.  A bound against hanging for ever, not a measure: emulated time is not time, and the
/// computer that runs the test may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Where the memory of `virt` begins.
const MEMORY_START: u64 = 0x4000_0000;

/// The machine's memory ends here, so that it covers the peripherals of a Pi 4 (from 0xfe00_0000 on).  The file behind
/// it is sparse.
const MEMORY_END: u64 = 0xff00_0000;

/// What the guest's kernel may use of it.
pub(crate) const KERNEL_MEMORY: &str = "320M";

/// Quiet and quick to boot; a panic ends the machine; GPIO registers can be mapped, as /dev/gpiomem, which only the
/// Pi's own kernel has, maps them.  What the kernel does not know it hands to its first process as environment.
const KERNEL_ARGUMENTS: &str = "console=ttyAMA0 quiet loglevel=3 panic=-1 iomem=relaxed cryptomgr.notests \
                                security=none init_on_alloc=0 MASKBELL_LOG=debug";

/// The machine's clock counts instructions, one in 2¹ ns, while it works, and follows real time while it waits: a busy
/// computer makes the test slow, but not the machine.
const CLOCK: &str = "shift=1,sleep=on";

/// A running machine.  It is switched off when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    folder: TempDir,
    console: Arc<Mutex<Vec<String>>>,
    /// Lines of the console that have been waited for or skipped.
    read: usize,
}

impl Machine {
    /// Switches a machine on that runs the firmware.
    ///
    /// The environment's `MASKBELL_ENTRANCE` names the folder that `setup.sh` filled.
    pub(crate) fn boot() -> Self {
        let (home, folder) = (home(), folder());
        let initramfs_file = folder.path().join("initramfs");
        fs::write(&initramfs_file, initramfs::build(&home, firmware::path()))
            .expect("space for the initramfs");
        let mut qemu = raspberry_pi_4(folder.path());
        qemu.arg("-kernel")
            .arg(home.join("vmlinuz"))
            .arg("-initrd")
            .arg(initramfs_file)
            .arg("-append")
            .arg(format!("{KERNEL_ARGUMENTS} mem={KERNEL_MEMORY}"));
        let mut machine = Self::switch_on(qemu, folder);
        machine.awaits_camera();
        machine
    }

    /// Runs `qemu`, whose standard output is the machine's serial console and whose files are in `folder`.
    pub(crate) fn switch_on(mut qemu: Command, folder: TempDir) -> Self {
        let mut qemu = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-aarch64 runs: install it with tests/entrance/setup.sh");
        let console = Arc::<Mutex<Vec<String>>>::default();
        let (lines, output) = (Arc::clone(&console), qemu.stdout.take().expect("QEMU's output is piped"));
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.lock().unwrap().push(line);
            }
        });
        Self { qemu, folder, console, read: 0 }
    }

    /// Waits until a camera can be plugged in.
    pub(crate) fn awaits_camera(&mut self) {
        self.until("QEMU to listen for the camera", |machine| machine.camera_socket().exists().then_some(()));
    }

    /// Where a camera plugs in.
    pub(crate) fn camera_socket(&self) -> PathBuf {
        self.folder.path().join("camera")
    }

    /// The peripherals' registers from `address` on.
    pub(crate) fn registers(&self, address: u64) -> Registers {
        let memory = File::options().read(true).write(true).open(self.folder.path().join("memory"));
        Registers::new(memory.expect("the machine's memory is a file"), address - MEMORY_START)
    }

    /// Waits for a line of the console that contains `text`, after the last one that was waited for.
    pub(crate) fn line(&mut self, text: &str) -> String {
        self.until(&format!("the line “{text}”"), |machine| {
            let console = machine.console.lock().unwrap();
            let position = console[machine.read..].iter().position(|line| line.contains(text))?;
            machine.read += position + 1;
            Some(console[machine.read - 1].clone())
        })
    }

    /// Lets [`Machine::line`] look only at what is still to come.
    pub(crate) fn skip(&mut self) {
        self.read = self.console.lock().unwrap().len();
    }

    /// Waits until `look` finds something; fails when the machine stops, or after a long time.
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let exit = self.qemu.try_wait().expect("QEMU is a child of this process");
            assert!(exit.is_none(), "the machine stopped ({exit:?}) before {what}");
            assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}");
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        if thread::panicking() {
            eprintln!("--- the machine's console\n{}\n---", self.console.lock().unwrap().join("\n"));
        }
    }
}

/// The folder that `setup.sh` filled.
pub(crate) fn home() -> PathBuf {
    PathBuf::from(env::var_os("MASKBELL_ENTRANCE").expect(
        "MASKBELL_ENTRANCE names the folder with kernel and modules: fill one with tests/entrance/setup.sh",
    ))
}

/// A folder for a machine's files, in memory if there is a file system for that: so is one of the files.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => TempDir::with_prefix_in("entrance-", memory),
        false => TempDir::with_prefix("entrance-"),
    };
    folder.expect("a temporary folder")
}

/// QEMU as a Raspberry Pi 4 with a USB port, its memory and camera socket in `folder`.  It lacks a kernel.
pub(crate) fn raspberry_pi_4(folder: &Path) -> Command {
    let file = |name: &str| folder.join(name);
    let size = MEMORY_END - MEMORY_START;
    File::create_new(file("memory")).and_then(|memory| memory.set_len(size)).expect("a file for the memory");
    device_tree(folder);
    let mut qemu = qemu();
    qemu.args(["-M", "memory-backend=memory", "-m", &format!("{}M", size >> 20), "-object"])
        .arg(format!(
            "memory-backend-file,id=memory,size={size},mem-path={},share=on",
            file("memory").display()
        ))
        .arg("-chardev")
        .arg(format!("socket,id=camera,path={},server=on,wait=off", file("camera").display()))
        .args(["-device", "qemu-xhci", "-device", "usb-redir,chardev=camera"])
        .args(["-serial", "stdio", "-no-reboot"])
        .arg("-dtb")
        .arg(file("device-tree"));
    qemu
}

/// QEMU with what the device tree depends on.
fn qemu() -> Command {
    let mut command = Command::new("qemu-system-aarch64");
    command.args([
        "-M",
        "virt",
        "-cpu",
        "cortex-a53",
        "-smp",
        "1",
        "-icount",
        CLOCK,
        "-nodefaults",
        "-display",
        "none",
    ]);
    command
}

/// Writes `device-tree` to `folder`: QEMU's own with the Pi's overlay.
fn device_tree(folder: &Path) {
    let overlay = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/entrance/raspberry-pi-4.dtso");
    let run = |command: &mut Command| {
        let output =
            command.current_dir(folder).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(qemu().args(["-M", "dumpdtb=virt.dtb"]));
    run(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o", "overlay.dtb", overlay]));
    run(Command::new("fdtoverlay").args(["-i", "virt.dtb", "-o", "device-tree", "overlay.dtb"]));
}
