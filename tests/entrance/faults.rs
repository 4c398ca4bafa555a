//! Faults, each with an end: the machine shows it, and watches again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use crate::firmware;
use crate::machine::{Machine, Parts};
use crate::uvc::VideoFormat;
use crate::{Camera, Entrance, MJPEG_CAMERA, SMALL_CAMERA, YUYV_CAMERA, pwm, scene};

/// What the LED shows, in short blinks after a long one.
pub(crate) mod code {
    pub(crate) const NO_CAMERA: usize = 1;
    pub(crate) const NO_FRAMES: usize = 2;
    pub(crate) const NO_BUZZER: usize = 3;
    pub(crate) const NO_MODEL: usize = 4;
    pub(crate) const BAD_CONFIG: usize = 5;
    pub(crate) const NO_VIEW: usize = 6;
    pub(crate) const RESTARTS: usize = 7;
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn without_a_camera_it_waits_for_one_and_takes_any_that_comes_ten_times_over() {
    let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts::default());
    entrance.machine.line("watchdog: 15 s");
    entrance.machine.line("no camera");
    entrance.shows_code(code::NO_CAMERA);
    entrance.is_silent();
    for round in 0..10 {
        let model = [MJPEG_CAMERA, YUYV_CAMERA, SMALL_CAMERA][round % 3];
        entrance.camera = Camera::new(&entrance.machine.camera_socket(), model);
        entrance.camera.show(&scene::load("empty"));
        entrance.camera.plug();
        entrance.machine.line("watching");
        if round == 0 {
            entrance.hears_melody(|melodies| &melodies.ready);
        }
        entrance.camera.unplug();
        entrance.machine.line("no camera");
    }
    entrance.is_silent();
    entrance.shows_code(code::NO_CAMERA);
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_camera_that_stops_is_shown() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    entrance.camera.fall_silent();
    entrance.machine.line("sends no pictures");
    entrance.shows_code(code::NO_FRAMES);
    entrance.shows("empty");
    entrance.machine.line("watching");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_camera_that_sees_nothing_is_shown_until_it_sees_again() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    let empty = scene::load("empty");
    let plain = |luma| RgbImage::from_pixel(empty.width(), empty.height(), Rgb([luma; 3]));
    for (says, picture) in
        [("too dark", Some(plain(8))), ("lens is covered", Some(plain(120))), ("again and again", None)]
    {
        match picture {
            Some(picture) => entrance.camera.show(&picture),
            None => entrance.camera.freeze(&empty),
        }
        entrance.machine.line(says);
        entrance.shows_code(code::NO_VIEW);
        entrance.shows("empty");
        entrance.machine.line("watching");
    }
    entrance.is_silent();
    entrance.shows("bare");
    entrance.machine.line("reminder: please put on a mask");
    assert!(!entrance.machine.had_event("WATCHDOG"), "who sees nothing is no reason to start anew");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_camera_that_changes_its_size_while_it_sends_is_followed_or_started_anew() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    let format = MJPEG_CAMERA.formats[0];
    let resized =
        |width, height| scene::encode(&scene::load("bare"), VideoFormat { width, height, ..format });
    // A smaller picture says its size itself.
    entrance.camera.show_bytes(&resized(format.width / 2, format.height / 2));
    entrance.machine.line("reminder: please put on a mask");
    // A larger one is not what was agreed on.
    entrance.camera.show_bytes(&resized(format.width + 64, format.height + 48));
    entrance.machine.line("nothing but broken pictures");
    entrance.shows_code(code::NO_FRAMES);
    entrance.shows("empty");
    entrance.machine.line("watching");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_hub_that_resets_again_and_again_is_waited_for() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    for round in 0..10 {
        entrance.camera.unplug();
        entrance.camera.plug();
        // Sometimes it goes before the first picture, sometimes after.
        if round % 2 == 0 {
            entrance.machine.line("watching");
        }
    }
    entrance.shows("bare");
    entrance.machine.line("reminder: please put on a mask");
    assert!(!entrance.machine.had_event("WATCHDOG"), "a hub is no reason to start anew");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn without_a_pwm_it_watches_and_shows_it() {
    let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts { pwm: false, ..Parts::default() });
    entrance.camera.plug();
    let line = entrance.machine.line("no buzzer");
    assert!(line.contains("dtoverlay=pwm,pin=18,func=2"), "the remedy is not told: {line}");
    entrance.machine.line("watching");
    entrance.shows_code(code::NO_BUZZER);
    entrance.shows("bare");
    entrance.machine.line("reminder: please put on a mask");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_model_that_does_not_load_is_shown_until_the_watchdog_bites() {
    // The networks' bytes lie in the binary as they are.
    let mut binary = fs::read(Parts::default().firmware).unwrap();
    let model = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mouth.tflite")).unwrap();
    let position =
        binary.windows(64).position(|bytes| bytes == &model[..64]).expect("the model is in the binary");
    // The offset of the root table.
    binary[position..][..4].fill(0xff);
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("broken");
    fs::write(&broken, binary).unwrap();
    let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts { firmware: &broken, ..Parts::default() });
    entrance.machine.line("the mouth model is not a TensorFlow Lite file");
    entrance.shows_code(code::NO_MODEL);
    entrance.machine.event("WATCHDOG");
}

/// A FAT file system with `maskbell.toml`, or without one.
fn boot_partition(folder: &Path, config: Option<&[u8]>) -> PathBuf {
    let image = folder.join("boot.vfat");
    let run = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    run(Command::new("mkfs.vfat").arg(&image));
    if let Some(config) = config {
        let file = folder.join("maskbell.toml");
        fs::write(&file, config).unwrap();
        run(Command::new("mcopy").arg("-i").arg(&image).arg(&file).arg("::maskbell.toml"));
    }
    image
}

/// A machine with this `maskbell.toml`; runs `test` with it.
fn with_config(config: Option<&[u8]>, test: impl FnOnce(&mut Entrance)) {
    let folder = TempDir::new().unwrap();
    let image = boot_partition(folder.path(), config);
    let parts = Parts { disks: &[&image], arguments: "MASKBELL_BOOT=/dev/vda", ..Parts::default() };
    test(&mut Entrance::build(MJPEG_CAMERA, &parts));
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn the_settings_on_the_card_are_used() {
    let config = b"[melodies]\r\nmask = \"x:d=8,o=6,b=240:a\"\r\n[buzzer]\r\npitch = 12\r\n";
    with_config(Some(config), |entrance| {
        entrance.machine.line("maskbell.toml: no mistakes");
        entrance.melodies.mask = "x:d=8,o=6,b=240:a".parse().unwrap();
        entrance.melodies = entrance.melodies.transposed(12);
        entrance.camera.plug();
        entrance.hears_melody(|melodies| &melodies.ready);
        entrance.shows("bare");
        entrance.hears_melody(|melodies| &melodies.mask);
        let mounts = "/boot is mounted for no longer than it takes to read";
        assert!(!entrance.machine.console().contains("cannot be unmounted"), "{mounts}");
    });
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_wrong_setting_costs_its_line_and_is_shown() {
    let config = b"[sensitivity]\nmouth = 7\nnoise = 0.5\n[buzzer\npin = 13\n[led]\npin = 17\n\xff\n";
    with_config(Some(config), |entrance| {
        for line in [
            "line 2: sensitivity.mouth = 7 is not allowed: it must be a number from 0 to 1",
            "line 3: there is no key `sensitivity.noise`: did you mean `sensitivity.nose`?",
            "line 4: ",
            "line 8: this is not UTF-8 text",
        ] {
            entrance.machine.line(line);
        }
        entrance.camera.plug();
        entrance.hears_melody(|melodies| &melodies.ready);
        entrance.shows_code(code::BAD_CONFIG);
    });
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn whatever_is_on_the_card_it_starts() {
    let nested = [b"a = ".to_vec(), b"[".repeat(60_000)].concat();
    let hostile: Vec<u8> = (0..5000).flat_map(|number| format!("[x{number}]\n").into_bytes()).collect();
    for (config, says) in [
        (None, "no maskbell.toml: defaults are used"),
        (Some(&b""[..]), "maskbell.toml: no mistakes"),
        (Some(&[b'#'; 100_000]), "it is longer than 65536 bytes"),
        (Some(&nested), "line 1: "),
        (Some(&hostile), "more mistakes"),
    ] {
        with_config(config, |entrance| {
            entrance.machine.line(says);
            entrance.machine.line("no camera");
        });
    }
    // No file system at all, and no disk.
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("noise");
    fs::write(&image, vec![0x5a; 1 << 20]).unwrap();
    let arguments = "MASKBELL_BOOT=/dev/vda";
    for (disks, says) in
        [(&[&*image][..], "it must be a FAT file system"), (&[], "/dev/vda has not appeared")]
    {
        let mut machine = Machine::boot(&Parts { disks, arguments, ..Parts::default() });
        machine.line(says);
        machine.line("no camera");
    }
}

/// Boots, hangs what the script lets hang at a sign, and waits until the machine has been started anew and watches.
fn hang(script: &str) {
    let beside = format!("$b mkdir /g; $b mount -t cgroup2 none /g; $b mkdir /g/a\n{script}\n");
    let mut entrance =
        Entrance::build(MJPEG_CAMERA, &Parts { restarts: true, beside: &beside, ..Parts::default() });
    entrance.camera.plug();
    entrance.machine.line("watching");
    entrance.hears_melody(|melodies| &melodies.ready);
    entrance.machine.give_sign();
    entrance.machine.event("WATCHDOG");
    entrance.machine.take_sign_back();
    entrance.machine.line("watchdog: 15 s");
    entrance.machine.line("watching");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_loop_that_hangs_ends_in_a_restart() {
    // The main thread alone, as a driver or a network would: the thread that plays goes on.
    hang(
        "$b mkdir /g/a/t; echo threaded > /g/a/t/cgroup.type
          echo 1 > /g/a/cgroup.procs; sign; echo 1 > /g/a/t/cgroup.threads; echo 1 > /g/a/t/cgroup.freeze",
    );
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_player_that_hangs_ends_in_a_restart() {
    hang(
        "$b mkdir /g/a/t; echo threaded > /g/a/t/cgroup.type
          echo 1 > /g/a/cgroup.procs; p=$(player); sign; echo $p > /g/a/t/cgroup.threads; echo 1 > /g/a/t/cgroup.freeze",
    );
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_worker_that_hangs_ends_in_a_restart() {
    // Not frozen from outside as the others: between two jobs nobody would wait for it.
    let folder = TempDir::new().unwrap();
    let image = boot_partition(folder.path(), Some(b"[vision]\nthreads = 2\n"));
    let parts = Parts {
        firmware: firmware::faulty(),
        disks: &[&image],
        arguments: "MASKBELL_BOOT=/dev/vda MASKBELL_HANG=worker",
        restarts: true,
        ..Parts::default()
    };
    let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
    entrance.camera.plug();
    entrance.machine.line("on 2 threads");
    entrance.machine.line("watching");
    entrance.machine.event("WATCHDOG");
    entrance.machine.line("watchdog: 15 s");
    entrance.machine.line("watching");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_tone_does_not_outlast_the_player_that_hangs() {
    // Two minutes of one tone: whole notes at 25 quarter notes a minute.
    let config = format!("[melodies]\nmask = \"x:d=1,o=6,b=25:{}a\"\n", "a,".repeat(12));
    let folder = TempDir::new().unwrap();
    let image = boot_partition(folder.path(), Some(config.as_bytes()));
    let beside = "$b mkdir /g; $b mount -t cgroup2 none /g; $b mkdir /g/a
          $b mkdir /g/a/t; echo threaded > /g/a/t/cgroup.type
          echo 1 > /g/a/cgroup.procs; p=$(player); sign; echo $p > /g/a/t/cgroup.threads; echo 1 > /g/a/t/cgroup.freeze";
    let parts = Parts {
        disks: &[&image],
        arguments: "MASKBELL_BOOT=/dev/vda",
        restarts: true,
        beside,
        ..Parts::default()
    };
    let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
    entrance.camera.plug();
    entrance.hears_melody(|melodies| &melodies.ready);
    entrance.shows("bare");
    entrance.machine.line("reminder: please put on a mask");
    entrance.machine.until("the tone", |machine| pwm::sounds(machine).then_some(()));
    entrance.machine.give_sign();
    entrance.machine.line("the thread that plays hangs");
    entrance.machine.until("silence", |machine| (!pwm::sounds(machine)).then_some(()));
    assert!(!entrance.machine.had_event("WATCHDOG"), "the silence came with the restart");
    entrance.machine.event("WATCHDOG");
    assert!(!pwm::sounds(&entrance.machine));
    // It would be remembered, for as long as it holds.
    entrance.shows("empty");
    entrance.machine.take_sign_back();
    entrance.machine.line("watchdog: 15 s");
    entrance.machine.line("watching");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_tone_does_not_outlast_a_panic() {
    let parts = Parts {
        firmware: firmware::faulty(),
        restarts: true,
        arguments: "MASKBELL_PANIC=note",
        ..Parts::default()
    };
    let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
    entrance.camera.plug();
    entrance.machine.line("as MASKBELL_PANIC asks for");
    // The registers outlast the restart, and the machine takes long to come back to them.
    entrance.machine.event("RESET");
    assert!(!pwm::sounds(&entrance.machine), "the tone goes on until the next start");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_tone_that_sounds_already_is_ended_at_the_start() {
    let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts::default());
    pwm::start_sound(&entrance.machine);
    entrance.machine.line("buzzer: GPIO18");
    assert!(!pwm::sounds(&entrance.machine));
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_calendar_that_stands_or_jumps_changes_nothing() {
    // A Raspberry Pi has no clock that goes on without power: what it believes is anybody's guess.
    let beside = "$b date -s 1970-01-01; sign; $b date -s 2037-12-31; while $b sleep 1; do $b date -s 2001-09-09; done";
    let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts { beside, ..Parts::default() });
    entrance.camera.plug();
    entrance.hears_melody(|melodies| &melodies.ready);
    entrance.machine.give_sign();
    entrance.machine.line("2037");
    // Now it stands.
    entrance.machine.line("2001");
    entrance.visits();
    entrance.shows("empty");
    entrance.machine.line("2001");
    assert!(!entrance.machine.had_event("WATCHDOG"));
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_driver_that_takes_its_time_is_a_fault_and_no_hang() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    entrance.camera.answer(false);
    entrance.camera.fall_silent();
    entrance.machine.line("cannot be started");
    entrance.shows_code(code::NO_FRAMES);
    entrance.machine.line("cannot be started");
    entrance.camera.answer(true);
    entrance.shows("empty");
    entrance.machine.line("watching");
    assert!(!entrance.machine.had_event("WATCHDOG"), "a fault that is diagnosed is no reason to start anew");
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_panic_in_any_thread_is_told_and_ends_in_a_restart() {
    for thread in ["loop", "signals"] {
        let parts = Parts {
            firmware: firmware::faulty(),
            restarts: true,
            arguments: &format!("MASKBELL_PANIC={thread}"),
            ..Parts::default()
        };
        let mut entrance = Entrance::build(MJPEG_CAMERA, &parts);
        entrance.camera.plug();
        entrance.machine.line("watching");
        entrance.machine.line("as MASKBELL_PANIC asks for");
        entrance.machine.line("watchdog: 15 s");
        entrance.machine.line("watching");
        assert!(!entrance.machine.had_event("WATCHDOG"), "it is not the watchdog that has to help");
    }
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn the_card_cannot_be_told_to_panic_or_hang() {
    let has = |path: &Path, word: &[u8]| {
        let binary = fs::read(path).unwrap();
        binary.windows(word.len()).any(|bytes| bytes == word)
    };
    for word in [&b"MASKBELL_PANIC"[..], b"MASKBELL_HANG"] {
        assert_eq!((has(firmware::path(), word), has(firmware::faulty(), word)), (false, true));
    }
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn memory_does_not_grow() {
    /// Frames after which the memory is looked at for the first time, and for the last.
    const FIRST: u32 = 100;
    const LAST: u32 = 400;
    let beside = "while $b sleep 2; do $b grep -s RssAnon /proc/1/status; done";
    let mut entrance = Entrance::build(SMALL_CAMERA, &Parts { beside, ..Parts::default() });
    entrance.camera.plug();
    entrance.machine.line("watching");
    entrance.shows("bare");
    let (mut frames, mut first) = (0, None);
    while frames < LAST {
        // "[DEBUG] 39 frames, 255ms each, 0 heap calls"
        let report = entrance.machine.line("heap calls");
        let count = report.split_whitespace().nth(1).and_then(|count| count.parse::<u32>().ok());
        frames += count.unwrap_or_else(|| panic!("how many frames? {report}"));
        if frames >= FIRST {
            let now = entrance.machine.line("RssAnon");
            let first = first.get_or_insert(now.clone());
            assert_eq!(*first, now, "after {frames} frames");
        }
    }
    println!("{} after {FIRST} and after {frames} frames", first.unwrap_or_default());
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn signals_end_it_in_order() {
    for (signal, reason) in [("PWR", "guest-shutdown"), ("TERM", "guest-reset")] {
        let beside = format!("sign; $b kill -{signal} 1");
        let mut entrance = Entrance::build(MJPEG_CAMERA, &Parts { beside: &beside, ..Parts::default() });
        entrance.camera.plug();
        entrance.hears_melody(|melodies| &melodies.ready);
        entrance.machine.give_sign();
        assert_eq!(entrance.machine.event("SHUTDOWN")["data"]["reason"], reason);
        entrance.machine.end();
    }
}
