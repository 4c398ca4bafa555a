//! The card: an image that the card's own configuration assembles, in machines that boot from it with a kernel that
//! was built with the card's own fragment.  Nothing of the guest comes from outside of the image but the kernel, which
//! on a real Pi the firmware loads from there.

use std::env;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use crate::faults::code;
use crate::firmware;
use crate::machine::{self, Machine, Parts};
use crate::{Entrance, MJPEG_CAMERA, pwm};

/// An SD card of QEMU has a size that is a power of two, in bytes.
const CARD_SIZE: u64 = 128 << 20;

/// What a Pi 3's kernel is told beside the card's command line: that the watchdog is not there (the emulated one resets as
/// soon as it is opened), and no test camera.
const PI_3_ARGUMENTS: &str = "initcall_blacklist=bcm2835_wdt_driver_init,vimc_init";

/// Warnings of the kernel that are the emulated machine's fault, or nobody's.
const HARMLESS_WARNINGS: [&str; 2] = [
    // QEMU's `virt` offers its PCI devices more memory than a 32-bit address reaches.
    "Memory resource size exceeds max for 32 bits",
    // A Raspberry Pi's SD card slot has no such switch.
    "host does not support reading read-only switch",
];

/// What maskbell says where there is no USB and so no camera, as soon as it looks for one.
const READY_PI_3: &str = "no camera";

/// Power cuts that a card must survive, unless `MASKBELL_POWER_CUTS` says how many.
const POWER_CUTS: u32 = 20;

/// The files of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where `kernel.sh` left the kernel.
fn kernel(file: &str) -> PathBuf {
    machine::home().join("card").join(file)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Assembles a card's image for `board` in a folder of this name; what is in `extra` is added to its root.
fn assemble(name: &str, board: &str, extra: Option<&Path>) -> PathBuf {
    assemble_with(firmware::path(), name, board, extra)
}

/// As [`assemble`], with this program.
fn assemble_with(program: &Path, name: &str, board: &str, extra: Option<&Path>) -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    run(Command::new(project("tests/entrance/card/image.sh"))
        .arg(machine::home().join("card"))
        .arg(program)
        .arg(board)
        .arg(&out)
        .args(extra));
    out
}

/// The folder with the card's image.
fn card() -> &'static Path {
    static CARD: OnceLock<PathBuf> = OnceLock::new();
    CARD.get_or_init(|| assemble("card", "pi3", None))
}

/// The folder with the image of a card that has an inspector on it: a shell, and `inspect`, to be started as process 1.
fn inspected_card() -> PathBuf {
    let extra = machine::folder();
    let bin = extra.path().join("bin");
    fs::create_dir(&bin).expect("a new folder");
    fs::copy(machine::home().join("busybox"), bin.join("busybox")).expect("space for a shell");
    fs::copy(project("tests/entrance/card/inspect"), bin.join("inspect")).expect("space for a script");
    assemble("inspected-card", "pi3", Some(extra.path()))
}

/// The card's command line as the firmware hands it over, which knows what the first serial port is called, with what
/// `replacements` put in the place of something else.
fn command_line(replacements: &[(&str, &str)]) -> String {
    let line =
        fs::read_to_string(project("buildroot/board/cmdline.txt")).expect("the card has a command line");
    let mut line = line.trim_end().to_owned();
    for (old, new) in [("console=serial0,", "console=ttyAMA0,")].iter().chain(replacements) {
        assert!(line.contains(old), "the card's command line has no {old}: {line}");
        line = line.replace(old, new);
    }
    line
}

/// Puts a copy of a card's image into a folder of a machine.
fn insert(card: &Path, folder: &Path) -> PathBuf {
    let image = folder.join("sdcard.img");
    fs::copy(card.join("sdcard.img"), &image).expect("space for a card");
    let file = File::options().write(true).open(&image).expect("the copy can be written");
    file.set_len(CARD_SIZE).expect("an SD card larger than its image");
    image
}

/// Fails if anything was written to a card.
fn is_untouched(card: &Path, image: &Path) {
    let written = fs::read(image).expect("the card is a file");
    let original = fs::read(card.join("sdcard.img")).expect("the image is a file");
    let (used, unused) = written.split_at(original.len());
    assert!(used == original, "somebody wrote to the card");
    assert!(unused.iter().all(|byte| *byte == 0), "somebody wrote behind the card's last partition");
}

/// A Raspberry Pi 3 that boots from the card at `image`: GPIO and SD card as QEMU emulates them, no USB.
fn raspberry_pi_3(image: &Path, command_line: &str) -> Machine {
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", "raspi3b", "-accel", "tcg,thread=single", "-nodefaults", "-display", "none"])
        .args(["-serial", "stdio", "-no-reboot", "-drive"])
        .arg(format!("if=sd,format=raw,file={}", image.display()))
        .arg("-kernel")
        .arg(kernel("Image"))
        .arg("-dtb")
        .arg(kernel("bcm2837-rpi-3-b.dtb"))
        .arg("-append")
        .arg(format!("{PI_3_ARGUMENTS} {command_line}"));
    Machine::switch_on(qemu, machine::folder())
}

/// The Raspberry Pi 4 of the other tests, with a USB port and a watchdog, that boots from the card at `image`.
fn raspberry_pi_4(image: &Path, command_line: &str) -> Entrance {
    let parts = Parts { card: Some(image), arguments: command_line, ..Parts::default() };
    let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
    entrance.camera.plug();
    entrance
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn the_root_holds_the_program_and_nothing_else() {
    let listing =
        run(Command::new("unsquashfs").args(["-ls", "-dest", ""]).arg(card().join("rootfs.squashfs")));
    let mut files: Vec<_> = listing.lines().filter(|line| line.starts_with('/')).collect();
    files.sort_unstable();
    let expected =
        ["/boot", "/dev", "/etc", "/etc/passwd", "/proc", "/sys", "/usr", "/usr/bin", "/usr/bin/maskbell"];
    assert_eq!(files, expected);
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn each_board_has_an_image_with_a_fat_partition_and_the_root_that_its_kernel_looks_for() {
    // The master boot record's signature, and its table of partitions: 16 bytes each, type at 4, first sector at 8.
    const SIGNATURE: usize = 440;
    const PARTITIONS: usize = 446;
    const SECTOR: usize = 512;
    for board in ["pi3", "pi4", "pi5"] {
        let image = fs::read(assemble("card-of-a-board", board, None).join("sdcard.img")).expect("an image");
        let word = |offset: usize| u32::from_le_bytes(*image[offset..].first_chunk().expect("four bytes"));
        let partition = |index: usize| PARTITIONS + 16 * index;
        let start = |index: usize| word(partition(index) + 8) as usize * SECTOR;
        command_line(&[(&format!("root=PARTUUID={:08x}-02", word(SIGNATURE)), "root=…")]);
        assert_eq!(
            [image[partition(0) + 4], image[partition(1) + 4]],
            [0x0c, 0x83],
            "types of the partitions"
        );
        assert_eq!(&image[start(0) + 54..][..5], b"FAT16", "{board}'s first partition");
        // "Squashfs 4.0": the superblock's magic number.
        assert_eq!(&image[start(1)..][..4], b"hsqs", "{board}'s second partition");
    }
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn an_image_that_is_assembled_again_is_the_same() {
    let again = assemble("card-again", "pi3", None);
    for file in ["rootfs.squashfs", "sdcard.img"] {
        let read = |folder: &Path| fs::read(folder.join(file)).expect("the image is a file");
        assert!(read(card()) == read(&again), "{file} differs");
    }
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_card_boots_watches_reminds_and_is_not_written_to() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    let mut entrance = raspberry_pi_4(&image, &command_line(&[]));
    entrance.machine.line("maskbell.toml: no mistakes");
    entrance.machine.line("watching");
    entrance.hears_melody(|melodies| &melodies.ready);
    entrance.visits();
    is_untouched(card(), &image);
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn from_inside_there_is_one_process_and_nothing_to_write_to_talk_to_or_to_warn_of() {
    let card = inspected_card();
    // The kernel hands to process 1 what follows the dashes, and runs no scripts itself.
    let inspector = format!("{} -- sh /bin/inspect", command_line(&[("/usr/bin/maskbell", "/bin/busybox")]));
    let folder = machine::folder();
    let image = insert(&card, folder.path());
    let mut entrance = raspberry_pi_4(&image, &inspector);
    let mut findings = Vec::new();
    while findings.last().is_none_or(|(about, _): &(String, String)| about != "done") {
        let line = entrance.machine.line("inspect ");
        let finding = line.split_once("inspect ").and_then(|(_, finding)| finding.split_once(": "));
        let (about, text) = finding.expect("what it is about, a colon, and what was found");
        findings.push((about.to_owned(), text.to_owned()));
    }
    let about = |what: &str| -> Vec<&str> {
        findings.iter().filter(|(about, _)| about == what).map(|(_, text)| text.as_str()).collect()
    };

    // Source, folder, type, options.
    for mount in about("mount") {
        let fields: Vec<_> = mount.split(' ').collect();
        let kernels_own = ["devtmpfs", "proc", "sysfs", "debugfs", "pstore"].contains(&fields[2]);
        assert!(
            kernels_own || fields[3].split(',').any(|option| option == "ro"),
            "mounted writable: {mount}"
        );
    }
    assert!(about("mount").iter().any(|mount| mount.contains(" / squashfs ro")), "{:?}", about("mount"));

    let others: Vec<_> =
        about("process").into_iter().filter(|process| !process.contains("inspect")).collect();
    assert_eq!(others, ["1 /usr/bin/maskbell"], "processes beside the inspector's own");

    assert_eq!(about("write").len(), 4, "{:?}", about("write"));
    for refusal in about("write") {
        assert!(refusal.contains("Read-only file system"), "written: {refusal}");
    }
    assert_eq!(about("socket").len(), 3, "{:?}", about("socket"));
    for refusal in about("socket") {
        assert!(refusal.contains("Function not implemented"), "a socket: {refusal}");
    }

    // For whoever wants the figures: when it was ready by the machine's clock, and its largest resident size.
    for line in
        about("memory").into_iter().chain(about("log").into_iter().filter(|line| line.contains("maskbell: ")))
    {
        eprintln!("{line}");
    }

    let log = about("log");
    assert!(log.len() > 10, "the kernel says more than this: {log:#?}");
    let warnings: Vec<_> = log.into_iter().filter(|line| is_warning(line)).collect();
    assert!(warnings.is_empty(), "the kernel warns: {warnings:#?}");
    is_untouched(&card, &image);
}

/// A card with its kernel's test camera: a sensor behind a media controller, as on a Pi 5, that shows colour bars.
fn with_vimc(image: &Path, command_line: &str) -> Entrance {
    let parts = Parts { card: Some(image), vimc: true, arguments: command_line, ..Parts::default() };
    Entrance::build(MJPEG_CAMERA, &parts)
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_sensor_behind_a_media_controller_is_found_set_up_and_watched() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    let mut entrance = with_vimc(&image, &command_line(&[]));
    for step in [
        "(vimc): “Sensor A”:0 → “Raw Capture 0”:0",
        "“Debayer A”:1 → “Scaler”:0 is off",
        "“Sensor A”:0 sends 0x300f 1280×960",
        "“Debayer A”:0 takes 0x300f 1280×960",
        "RG10 1280×960, 2560 bytes a row",
        "watching",
    ] {
        entrance.machine.line(step);
    }
    entrance.hears_melody(|melodies| &melodies.ready);
    // Twice ten seconds of looks.
    entrance.stays_empty();
    let console = entrance.machine.console();
    assert!(!console.contains("no pictures") && !console.contains("again and again"), "{console}");
    is_untouched(card(), &image);
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn the_media_controllers_calls_do_in_a_kernel_what_they_say() {
    let extra = machine::folder();
    let bin = extra.path().join("bin");
    fs::create_dir(&bin).expect("a new folder");
    fs::copy(machine::home().join("busybox"), bin.join("busybox")).expect("space for a shell");
    fs::copy(project("tests/entrance/card/vimc"), bin.join("vimc")).expect("space for a script");
    fs::copy(firmware::unit_tests(), bin.join("tests")).expect("space for the tests");
    let card = assemble("card-with-tests", "pi3", Some(extra.path()));
    let tests = format!("{} -- sh /bin/vimc", command_line(&[("/usr/bin/maskbell", "/bin/busybox")]));
    let folder = machine::folder();
    let image = insert(&card, folder.path());
    let mut entrance = with_vimc(&image, &tests);
    entrance.machine.line("vimc: running 4 tests");
    entrance.machine.line("vimc: done");
    let console = entrance.machine.console();
    assert!(console.contains("vimc: test result: ok. 4 passed; 0 failed; 0 ignored"), "{console}");
}

fn is_harmless(line: &str) -> bool {
    HARMLESS_WARNINGS.iter().any(|warning| line.contains(warning))
}

/// Whether a line of the kernel's log, "<priority>[time] text", is the kernel's own and at least a warning.
fn is_warning(line: &str) -> bool {
    const WARNING: u32 = 4;
    let priority = line.strip_prefix('<').and_then(|line| line.split_once('>'));
    let (priority, _) = priority.expect("a line of the log begins with its priority");
    // Syslog's (RFC 5424): facility times 8 plus severity; the kernel's facility is 0.
    priority.parse::<u32>().expect("a priority is a number") <= WARNING && !is_harmless(line)
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_pi_3_boots_from_its_sd_card_without_a_warning() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    // Shows warnings, and what is worse, on the console.
    let mut machine = raspberry_pi_3(&image, &command_line(&[("quiet loglevel=3", "loglevel=5")]));
    loop {
        let line = machine.line("");
        if line.contains(READY_PI_3) {
            break;
        }
        // The kernel's own lines begin with the time.
        assert!(!line.starts_with("[  ") || is_harmless(&line), "the kernel warns: {line}");
    }
    is_untouched(card(), &image);
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn restarts_in_a_row_are_counted_explained_shown_and_paused_after() {
    let faulty = assemble_with(firmware::faulty(), "faulty-card", "pi4", None);
    let folder = machine::folder();
    let image = insert(&faulty, folder.path());
    let arguments = command_line(&[]);
    let arguments = format!("MASKBELL_PANIC=note {arguments}");
    let parts = Parts { card: Some(&image), arguments: &arguments, restarts: true, ..Parts::default() };
    let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
    entrance.camera.plug();
    entrance.machine.line("start 1 in a row");
    for start in 2..=4 {
        entrance.machine.line("as MASKBELL_PANIC asks for");
        entrance.machine.line(&format!("start {start} in a row"));
        entrance.machine.line(if start == 2 { "the machine was restarted" } else { "times in a row" });
        let words = entrance.machine.line("the run before: ");
        assert!(words.contains("thread signals: panicked at src/"), "the panic is not told: {words}");
        assert!(words.ends_with("as MASKBELL_PANIC asks for"), "the panic is not told: {words}");
        let words = entrance.machine.line("the run before: ");
        assert!(words.contains("Kernel panic - not syncing"), "the kernel's panic is not told: {words}");
    }
    entrance.machine.line("it pauses for 15 s");
    entrance.shows_code(code::RESTARTS);
    assert!(!entrance.machine.had_event("WATCHDOG"), "a pause is no hang");
    assert!(!pwm::sounds(&entrance.machine));
    is_untouched(&faulty, &image);
}

/// The first sector of a card's partition.
fn first_sector(card: &Path, partition: usize) -> u64 {
    let image = fs::read(card.join("sdcard.img")).expect("an image");
    u32::from_le_bytes(*image[446 + 16 * partition + 8..].first_chunk().expect("four bytes")).into()
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_first_partition_that_cannot_be_read_costs_the_settings_alone() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    let bytes = fs::read(&image).expect("the card is a file");
    let settings = fs::read(project("buildroot/board/maskbell.toml")).expect("the card has settings");
    let position = bytes.windows(64).position(|window| window == &settings[..64]);
    let position = position.expect("the settings lie on the card as they are") as u64;
    let start = first_sector(card(), 0);
    for (sector, says) in
        [(start, "cannot be mounted on /boot"), (position / 512, "maskbell.toml cannot be read")]
    {
        let arguments = command_line(&[]);
        let parts =
            Parts { card: Some(&image), unreadable: &[sector], arguments: &arguments, ..Parts::default() };
        let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
        entrance.camera.plug();
        entrance.machine.line(says);
        entrance.machine.line("watching");
        entrance.hears_melody(|melodies| &melodies.ready);
        entrance.shows_code(code::BAD_CONFIG);
        entrance.shows("bare");
        entrance.hears_melody(|melodies| &melodies.mask);
    }
    is_untouched(card(), &image);
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_root_that_cannot_be_read_ends_in_restarts() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    let start = first_sector(card(), 1);
    let length = fs::metadata(card().join("rootfs.squashfs")).expect("the root is a file").len() / 512;
    // The superblock, and what is in the middle of the program.
    for (sector, says) in [(start, "Unable to mount root"), (start + length / 2, "Attempted to kill init")] {
        let arguments = command_line(&[]);
        let parts = Parts {
            card: Some(&image),
            unreadable: &[sector],
            arguments: &arguments,
            restarts: true,
            ..Parts::default()
        };
        let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
        let panic = entrance.machine.line("Kernel panic");
        assert!(panic.contains(says), "sector {sector}: {panic}");
        entrance.machine.event("RESET");
        is_untouched(card(), &image);
    }
}

#[test]
#[ignore = "needs the card's kernel: tests/entrance/card/kernel.sh"]
fn a_power_cut_at_any_moment_leaves_the_card_as_it_was() {
    let folder = machine::folder();
    let image = insert(card(), folder.path());
    let switched_on = Instant::now();
    raspberry_pi_3(&image, &command_line(&[])).line(READY_PI_3);
    // Some cuts come while it watches.
    let longest = switched_on.elapsed() * 5 / 4;
    is_untouched(card(), &image);
    let random = RandomState::new();
    let cuts =
        env::var("MASKBELL_POWER_CUTS").map_or(POWER_CUTS, |cuts| cuts.parse().expect("a number of cuts"));
    for cut in 0..cuts {
        let share = random.hash_one(cut) as f64 / u64::MAX as f64;
        let after = longest.mul_f64(share);
        let machine = raspberry_pi_3(&image, &command_line(&[]));
        thread::sleep(after);
        drop(machine);
        eprintln!("power cut {cut} after {after:.2?} of {longest:.2?}");
        is_untouched(card(), &image);
    }
    raspberry_pi_3(&image, &command_line(&[])).line(READY_PI_3);
    is_untouched(card(), &image);
}
