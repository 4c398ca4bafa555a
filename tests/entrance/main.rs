//! The emulated entrance: the card's own binary, in a machine that says it is a Raspberry Pi 4, looks through the
//! kernel's USB camera driver at pictures that the test puts before the camera, and the test reads the registers of
//! PWM and GPIO from outside of the machine.
//!
//! `README.md` beside this file says how to run it, what of it is real, and where things are.

mod camera;
mod card;
mod eye;
mod faults;
mod firmware;
mod initramfs;
mod machine;
mod monitor;
mod pwm;
mod registers;
mod scene;
mod usbredir;
mod uvc;

use camera::Camera;
use eye::Eye;
use machine::{Machine, Parts};
use maskbell::signal::Melodies;
use maskbell::signal::melody::Melody;
use pwm::{Ear, Tone};
use uvc::{Encoding, Model, VideoFormat};

const MJPEG_CAMERA: Model = Model {
    name: "Camera that sends JPEGs",
    product: 0x0001,
    formats: &[VideoFormat { encoding: Encoding::Mjpeg, width: 640, height: 480 }],
};

const YUYV_CAMERA: Model = Model {
    name: "Camera that sends raw pictures",
    product: 0x0002,
    formats: &[VideoFormat { encoding: Encoding::Yuyv, width: 640, height: 480 }],
};

const SMALL_CAMERA: Model = Model {
    name: "Camera that sends small pictures of either kind",
    product: 0x0003,
    formats: &[
        VideoFormat { encoding: Encoding::Mjpeg, width: 320, height: 240 },
        VideoFormat { encoding: Encoding::Yuyv, width: 320, height: 240 },
    ],
};

const BAYER_CAMERA: Model = Model {
    name: "Camera that sends what its sensor sees",
    product: 0x0004,
    formats: &[VideoFormat { encoding: Encoding::Bayer8(100), width: 640, height: 480 }],
};

const RIBBON_CAMERA: Model = Model {
    name: "Camera that packs as those on the ribbon",
    product: 0x0005,
    formats: &[VideoFormat { encoding: Encoding::Bayer10(100), width: 640, height: 480 }],
};

const DIM_CAMERA: Model = Model {
    name: "Camera that packs the same in the dark",
    product: 0x0006,
    formats: &[VideoFormat { encoding: Encoding::Bayer10(30), width: 640, height: 480 }],
};

const BRIGHT_CAMERA: Model = Model {
    name: "Camera that sends more light than its sensor can hold",
    product: 0x0007,
    formats: &[VideoFormat { encoding: Encoding::Bayer8(200), width: 640, height: 480 }],
};

/// Looks at a visitor after which silence counts: twice what a reminder takes.
const LOOKS: usize = 16;

/// A machine that watches, with a camera and somebody who listens and looks.
struct Entrance {
    machine: Machine,
    camera: Camera,
    ear: Ear,
    eye: Eye,
    melodies: Melodies,
}

impl Entrance {
    /// Boots with a camera that looks at nobody, and waits until the machine is ready.
    fn open(model: Model) -> Self {
        let mut entrance = Self::build(model, &Parts::default());
        entrance.camera.plug();
        entrance.machine.line("watching");
        entrance.hears_melody(|melodies| &melodies.ready);
        entrance
    }

    /// Switches on; the camera, which will look at nobody, lies beside the machine.
    fn build(model: Model, parts: &Parts) -> Self {
        let machine = Machine::boot(parts);
        let (ear, eye) = (Ear::new(&machine), Eye::new(&machine));
        let camera = Camera::new(&machine.camera_socket(), model);
        camera.show(&scene::load("empty"));
        Self { machine, camera, ear, eye, melodies: Melodies::default() }
    }

    /// Waits until the LED has shown one long and so many short blinks.
    fn shows_code(&mut self, short: usize) {
        self.eye.forget();
        let eye = &self.eye;
        self.machine
            .until(&format!("1 long and {short} short blinks"), |_| eye.saw_code(short).then_some(()));
    }

    /// Puts a still of the sample before the camera.
    fn shows(&mut self, still: &str) {
        self.camera.show(&scene::load(still));
        self.machine.skip();
    }

    /// Waits until a melody has sounded on GPIO18's channel, at half the period, and nothing else.
    fn hears_melody(&mut self, choose: impl Fn(&Melodies) -> &Melody) {
        let melody = choose(&self.melodies);
        let pitches: Vec<_> = melody.notes().iter().filter_map(|note| note.pitch).collect();
        let Self { machine, ear, .. } = self;
        // The PWM counts whole cycles of its clock.
        let like = |tone: &Tone, pitch: &f32| {
            tone.channel == 0
                && (tone.hertz / f64::from(*pitch) - 1.0).abs() < 0.001
                && (tone.duty - 0.5).abs() < 0.001
        };
        machine.until(&format!("a melody of {pitches:.0?} Hz"), |_| {
            let heard = ear.heard();
            let wrong = heard.len() > pitches.len()
                || heard.iter().zip(&pitches).any(|(tone, pitch)| !like(tone, pitch));
            assert!(!wrong, "heard {}, not a melody of {pitches:.0?} Hz", pwm::list(&heard));
            (heard.len() == pitches.len()).then(|| ear.forget(heard.len()))
        });
    }

    /// Waits until a visitor has been found to be so many times.
    fn looks(&mut self, verdict: &str) {
        for _ in 0..LOOKS {
            self.machine.line(verdict);
        }
    }

    /// Waits until whoever was there is forgotten, and checks that the loop leaves Rust's heap alone meanwhile.
    fn stays_empty(&mut self) {
        // Who went out of sight in the middle of the picture may be back: in a mask it is another visitor.  Reports come every ten seconds of the machine's time; the first
        // one covers what was before, too.
        const REPORT: &str = "heap calls";
        self.shows("empty");
        self.machine.line(REPORT);
        let report = self.machine.line(REPORT);
        assert!(report.contains(", 0 heap calls"), "the loop uses the heap: {report}");
    }

    /// Checks that nothing has sounded since the last melody.
    fn is_silent(&self) {
        let heard = self.ear.heard();
        assert!(heard.is_empty(), "heard {} where nothing should sound", pwm::list(&heard));
    }

    /// Somebody comes bare and leaves; somebody comes masked, and takes the mask off.
    fn visits(&mut self) {
        self.shows("bare");
        self.hears_melody(|melodies| &melodies.mask);
        self.looks("bare");
        self.stays_empty();
        self.is_silent();

        self.shows("masked");
        self.looks("covered");
        self.is_silent();

        self.shows("bare");
        self.hears_melody(|melodies| &melodies.mask);
        self.looks("bare");
        self.is_silent();
    }
}

#[test]
#[ignore = "needs a cross compiler: see README.md"]
fn the_firmware_needs_no_loader() {
    assert_eq!(firmware::is_static_aarch64(firmware::path()), Ok(true));
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_in_jpegs() {
    Entrance::open(MJPEG_CAMERA).visits();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_in_raw_pictures() {
    Entrance::open(YUYV_CAMERA).visits();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_by_a_bare_sensor() {
    Entrance::open(BAYER_CAMERA).visits();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_as_the_ribbon_packs_it() {
    let mut entrance = Entrance::open(RIBBON_CAMERA);
    entrance.visits();
    entrance.stays_empty();
    entrance.shows("nose_out");
    entrance.hears_melody(|melodies| &melodies.nose);
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_by_a_bare_sensor_in_the_dark() {
    Entrance::open(DIM_CAMERA).visits();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn who_comes_bare_is_reminded_seen_by_a_bare_sensor_in_the_sun() {
    Entrance::open(BRIGHT_CAMERA).visits();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_nose_that_is_out_has_a_melody_of_its_own() {
    let mut entrance = Entrance::open(YUYV_CAMERA);
    entrance.shows("nose_out");
    entrance.hears_melody(|melodies| &melodies.nose);
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_camera_may_be_unplugged_and_replaced() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    entrance.camera.unplug();
    entrance.machine.line("no camera");

    entrance.shows("bare");
    entrance.camera.plug();
    entrance.machine.line("watching");
    entrance.hears_melody(|melodies| &melodies.mask);

    entrance.camera.unplug();
    entrance.machine.line("no camera");
    entrance.camera = Camera::new(&entrance.machine.camera_socket(), SMALL_CAMERA);
    entrance.shows("empty");
    entrance.camera.plug();
    let line = entrance.machine.line("watching");
    assert!(line.contains("320×240"), "it does not watch through the camera that is there: {line}");
    entrance.is_silent();
}

#[test]
#[ignore = "needs QEMU: tests/entrance/setup.sh"]
fn a_camera_that_hangs_or_sends_rubbish_is_watched_again_when_it_recovers() {
    let mut entrance = Entrance::open(MJPEG_CAMERA);
    entrance.camera.fall_silent();
    entrance.machine.line("sends no pictures");
    entrance.shows("empty");
    entrance.machine.line("watching");

    let [format] = MJPEG_CAMERA.formats else { unreachable!("one format") };
    let whole = scene::encode(&scene::load("bare"), *format);
    for broken in [&whole[..whole.len() / 2], &whole[..1], &[0; 1000], &whole[100..]] {
        entrance.camera.show_bytes(broken);
        entrance.machine.line("one picture was");
        entrance.shows("empty");
        entrance.machine.line("watching");
    }
    entrance.is_silent();
    entrance.shows("bare");
    entrance.hears_melody(|melodies| &melodies.mask);
}
