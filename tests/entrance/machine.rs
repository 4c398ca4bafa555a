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
use crate::monitor::Monitor;
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
const KERNEL_MEMORY: &str = "320M";

/// GPIO registers can be mapped, as /dev/gpiomem, which only the Pi's own kernel has, maps them.  What the kernel does
/// not know it hands to its first process as environment.
const KERNEL_ARGUMENTS: &str = "iomem=relaxed MASKBELL_LOG=debug";

/// Quiet and quick to boot; a panic restarts the machine at once.  A card has a command line of its own.
const QUICK_ARGUMENTS: &str =
    "console=ttyAMA0 quiet loglevel=3 panic=-1 cryptomgr.notests security=none init_on_alloc=0";

/// The machine's clock counts instructions, one in 2¹ ns, while it works, and follows real time while it waits: a busy
/// computer makes the test slow, but not the machine.
const CLOCK: &str = "shift=1,sleep=on";

/// What a machine is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a> {
    /// The binary that becomes process 1, unless there is a card.
    pub(crate) firmware: &'a Path,
    /// The image of an SD card to boot from, with the kernel that `card/kernel.sh` built and the card's command line in
    /// `arguments`.
    pub(crate) card: Option<&'a Path>,
    /// Whether the card's kernel has its own test camera, `vimc`.
    pub(crate) vimc: bool,
    /// Sectors of the card that cannot be read; it is a disk then, whose errors reach the kernel.
    pub(crate) unreadable: &'a [u64],
    /// Whether the device tree has a PWM.
    pub(crate) pwm: bool,
    /// Whether it has a watchdog.
    pub(crate) watchdog: bool,
    /// Whether a restart starts it anew, instead of ending QEMU.
    pub(crate) restarts: bool,
    /// Raw images of disks: `/dev/vda` and so on.
    pub(crate) disks: &'a [&'a Path],
    /// Words for the kernel's command line, beside those that all machines have.
    pub(crate) arguments: &'a str,
    /// A script for busybox' shell that runs beside the firmware; `$b` is busybox.
    pub(crate) beside: &'a str,
}

impl Default for Parts<'_> {
    /// The firmware on a machine with all that it needs, which ends when it is restarted.
    fn default() -> Self {
        Self {
            firmware: firmware::path(),
            card: None,
            vimc: false,
            unreadable: &[],
            pwm: true,
            watchdog: true,
            restarts: false,
            disks: &[],
            arguments: "",
            beside: "",
        }
    }
}

/// A running machine.  It is switched off when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    monitor: Monitor,
    folder: TempDir,
    console: Arc<Mutex<Vec<String>>>,
    /// Lines of the console that have been waited for or skipped.
    read: usize,
}

impl Machine {
    /// Switches a machine on.
    ///
    /// The environment's `MASKBELL_ENTRANCE` names the folder that `setup.sh` filled.
    pub(crate) fn boot(parts: &Parts) -> Self {
        let (home, folder) = (home(), folder());
        let file = |name: &str| folder.path().join(name);
        let size = MEMORY_END - MEMORY_START;
        File::create_new(file("memory"))
            .and_then(|memory| memory.set_len(size))
            .expect("a file for the memory");
        device_tree(folder.path(), parts.pwm);

        let mut qemu = qemu();
        qemu.args(["-M", "memory-backend=memory", "-m", &format!("{}M", size >> 20), "-object"])
            .arg(format!(
                "memory-backend-file,id=memory,size={size},mem-path={},share=on",
                file("memory").display()
            ))
            .arg("-chardev")
            .arg(format!("socket,id=camera,path={},server=on,wait=off", file("camera").display()))
            .args(["-device", "qemu-xhci", "-device", "usb-redir,chardev=camera"])
            .args(["-serial", "stdio", "-dtb"])
            .arg(file("device-tree"));
        if parts.watchdog {
            qemu.args(["-device", "i6300esb", "-action", "watchdog=reset"]);
        }
        if !parts.restarts {
            qemu.arg("-no-reboot");
        }
        for (number, disk) in parts.disks.iter().enumerate() {
            qemu.arg("-drive")
                .arg(format!("if=none,id=disk{number},format=raw,file={}", disk.display()))
                .args(["-device", &format!("virtio-blk-pci,drive=disk{number}")]);
        }
        let mut arguments = format!("{KERNEL_ARGUMENTS} mem={KERNEL_MEMORY}");
        if let Some(card) = parts.card {
            let reader: &[&str] = match parts.unreadable {
                [] => &["-device", "sdhci-pci", "-device", "sd-card,drive=card"],
                _ => &["-device", "virtio-blk-pci,drive=card"],
            };
            qemu.args(reader).arg("-drive").arg(card_drive(card, parts.unreadable));
            qemu.arg("-kernel").arg(home.join("card/Image"));
            if !parts.vimc {
                arguments += " initcall_blacklist=vimc_init";
            }
        } else {
            fs::write(file("initramfs"), initramfs::build(&home, parts.firmware, parts.beside))
                .expect("space for the initramfs");
            arguments = format!("{QUICK_ARGUMENTS} {arguments}");
            qemu.arg("-kernel").arg(home.join("vmlinuz")).arg("-initrd").arg(file("initramfs"));
        }
        qemu.arg("-append").arg(format!("{arguments} {}", parts.arguments));
        let mut machine = Self::switch_on(qemu, folder);
        machine
            .until("QEMU to listen for the camera", |machine| machine.camera_socket().exists().then_some(()));
        machine
    }

    /// Runs `qemu`, whose standard output is the machine's serial console and whose files are in `folder`.
    pub(crate) fn switch_on(mut qemu: Command, folder: TempDir) -> Self {
        let socket = folder.path().join("monitor");
        let mut qemu = qemu
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", socket.display()))
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
        let end = Instant::now() + PATIENCE;
        while !socket.exists() {
            assert!(Instant::now() < end, "QEMU does not start: {:?}", qemu.try_wait());
            thread::sleep(LOOK);
        }
        let monitor = Monitor::connect(&socket);
        Self { qemu, monitor, folder, console, read: 0 }
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

    /// All of the console so far.
    pub(crate) fn console(&self) -> String {
        self.console.lock().unwrap().join("\n")
    }

    /// Whether such an event has come since the last one that was waited for.
    pub(crate) fn had_event(&mut self, name: &str) -> bool {
        self.monitor.event(name).is_some()
    }

    /// Waits for an event of QEMU's, such as `WATCHDOG`, after the last one that was waited for.
    pub(crate) fn event(&mut self, name: &str) -> serde_json::Value {
        self.until(&format!("the event {name}"), |machine| machine.monitor.event(name))
    }

    /// Waits until the machine has ended.
    pub(crate) fn end(mut self) {
        let end = Instant::now() + PATIENCE;
        while self.qemu.try_wait().expect("QEMU is a child of this process").is_none() {
            assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for the machine's end");
            thread::sleep(LOOK);
        }
    }

    /// Gives a sign that [`Parts::beside`] can wait for with `sign`: a mouse is plugged in.
    pub(crate) fn give_sign(&mut self) {
        self.monitor
            .command(r#"{"execute": "device_add", "arguments": {"driver": "usb-mouse", "id": "sign"}}"#);
    }

    /// Takes the sign back.
    pub(crate) fn take_sign_back(&mut self) {
        self.monitor.command(r#"{"execute": "device_del", "arguments": {"id": "sign"}}"#);
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
            eprintln!("--- the machine's console\n{}\n---", self.console());
        }
    }
}

/// The folder that `setup.sh` filled.
pub(crate) fn home() -> PathBuf {
    PathBuf::from(env::var_os("MASKBELL_ENTRANCE").expect(
        "MASKBELL_ENTRANCE names the folder with kernel and modules: fill one with tests/entrance/setup.sh",
    ))
}

/// A folder for a machine's files; in memory if it can be, since memory that is a file is best a file in memory.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => TempDir::with_prefix_in("entrance-", memory),
        false => TempDir::with_prefix("entrance-"),
    };
    folder.expect("a temporary folder")
}

/// QEMU's drive for a card with sectors that cannot be read ("QEMU: docs/devel/blkdebug.rst").
fn card_drive(card: &Path, unreadable: &[u64]) -> String {
    let mut drive = format!(
        "if=none,id=card,driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={}",
        card.display()
    );
    for (number, sector) in unreadable.iter().enumerate() {
        let rule = format!("file.inject-error.{number}");
        drive += &format!(",{rule}.event=none,{rule}.iotype=read,{rule}.sector={sector},{rule}.once=off");
    }
    drive
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
fn device_tree(folder: &Path, pwm: bool) {
    let overlay = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/entrance/raspberry-pi-4.dtso");
    let run = |command: &mut Command| {
        let output =
            command.current_dir(folder).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(qemu().args(["-M", "dumpdtb=virt.dtb"]));
    run(Command::new("dtc").args(["-q", "-I", "dts", "-O", "dtb", "-o", "overlay.dtb", overlay]));
    run(Command::new("fdtoverlay").args(["-i", "virt.dtb", "-o", "device-tree", "overlay.dtb"]));
    if !pwm {
        run(Command::new("fdtput").args(["-r", "device-tree", "/pwm@fe20c000"]));
    }
}
