//! What is heard: of a sound server that is made here, and of a real one.
#![cfg(feature = "desk")]

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pulseaudio::protocol::{
    self, AuthReply, Command as Asked, CreatePlaybackStreamReply, MAX_VERSION, Request, SetClientNameReply,
    SinkInfo,
};
use tempfile::TempDir;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample");

/// Samples a second, of 16 bits, on one channel.
const RATE: f64 = 48_000.0;

fn maskbell(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskbell"));
    command.env_remove("DISPLAY").env_remove("PULSE_RUNTIME_PATH").env_remove("XDG_RUNTIME_DIR");
    command.env("PULSE_SERVER", format!("unix:{}", socket.display())).stdin(Stdio::null());
    command
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The pitches in the sound one after the other, in Hz, each of 20 periods or more.
fn pitches(sound: &[i16]) -> Vec<u32> {
    let rise = |(at, pair): (usize, &[i16])| (pair[0] <= 0 && pair[1] > 0).then_some(at);
    let rises: Vec<_> = sound.windows(2).enumerate().filter_map(rise).collect();
    let periods: Vec<_> = rises.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A period is a whole number of samples: those of one pitch differ by one.
    let tones = periods.chunk_by(|one, other| one.abs_diff(*other) <= 1).filter(|tone| tone.len() >= 20);
    tones.map(|tone| (RATE * tone.len() as f64 / tone.iter().sum::<usize>() as f64).round() as u32).collect()
}

#[track_caller]
fn assert_pitches(sound: &[i16], expected: &[u32]) {
    let heard = pitches(sound);
    let near = |(heard, expected): (&u32, &u32)| heard.abs_diff(*expected) <= expected / 200;
    assert!(heard.len() == expected.len() && heard.iter().zip(expected).all(near), "{heard:?} {expected:?}");
}

/// A sound server for one client.
struct Server {
    _folder: TempDir,
    socket: std::path::PathBuf,
    /// What is heard until the client goes.
    heard: JoinHandle<Vec<i16>>,
}

impl Server {
    /// One whose sink has this name, and which asks for sound again when it has played what it has, or not.
    fn start(sink: &'static std::ffi::CStr, asks: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("native");
        let listener = UnixListener::bind(&socket).unwrap();
        let heard = thread::spawn(move || serve(listener.accept().unwrap().0, sink, asks));
        Self { _folder: folder, socket, heard }
    }
}

fn serve(mut out: UnixStream, sink: &std::ffi::CStr, asks: bool) -> Vec<i16> {
    let mut heard = Vec::new();
    let mut client = BufReader::new(out.try_clone().unwrap());
    while let Ok(about) = protocol::read_descriptor(&mut client) {
        let mut payload = vec![0; about.length as usize];
        client.read_exact(&mut payload).unwrap();
        if about.channel != u32::MAX {
            heard.extend(payload.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])));
            // As long as it takes to be heard.
            thread::sleep(Duration::from_secs_f64(f64::from(about.length) / 2.0 / RATE));
            let request = Asked::Request(Request { channel: about.channel, length: about.length });
            if asks {
                let _ = protocol::write_command_message(&mut out, u32::MAX, &request, MAX_VERSION);
            }
            continue;
        }
        let (number, asked) = Asked::read_tag_prefixed(&mut &payload[..], MAX_VERSION).unwrap();
        let answered = match asked {
            Asked::Auth(_) => {
                let reply = AuthReply { version: MAX_VERSION, ..Default::default() };
                protocol::write_reply_message(&mut out, number, &reply, MAX_VERSION)
            }
            Asked::SetClientName(_) => {
                let reply = SetClientNameReply { client_id: 1 };
                protocol::write_reply_message(&mut out, number, &reply, MAX_VERSION)
            }
            Asked::GetSinkInfo(_) => {
                let reply = SinkInfo { name: sink.to_owned(), ..SinkInfo::new_dummy(1) };
                protocol::write_reply_message(&mut out, number, &reply, MAX_VERSION)
            }
            Asked::CreatePlaybackStream(asked) => {
                assert_eq!((asked.sample_spec.channels, f64::from(asked.sample_spec.sample_rate)), (1, RATE));
                let reply = CreatePlaybackStreamReply {
                    requested_bytes: asked.buffer_attr.target_length,
                    sample_spec: asked.sample_spec,
                    channel_map: asked.channel_map,
                    buffer_attr: asked.buffer_attr,
                    ..Default::default()
                };
                protocol::write_reply_message(&mut out, number, &reply, MAX_VERSION)
            }
            _ => protocol::write_ack_message(&mut out, number),
        };
        // Who asks may be gone.
        let _ = answered;
    }
    heard
}

#[test]
fn a_melody_is_heard_to_its_end() {
    let server = Server::start(c"card", true);
    let played = maskbell(&server.socket).args(["tune", "x:d=16,o=6,b=125:b,d#7,p,8b"]).output().unwrap();
    assert!(played.status.success() && err(&played).is_empty(), "{played:?}");
    let heard = server.heard.join().unwrap();
    assert_pitches(&heard, &[1976, 2489, 1976]);
    assert!(!played.stdout.contains(&b'\x07'));
}

/// Pictures that are watched for two seconds.
fn pictures() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["1.jpg", "2.jpg", "3.jpg"] {
        fs::copy(format!("{SAMPLE}/empty.jpg"), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn who_watches_hears_what_the_device_would_play() {
    let (server, folder) = (Server::start(c"card", true), pictures());
    let watched =
        maskbell(&server.socket).arg("--source").arg(folder.path()).args(["--fps", "1"]).output().unwrap();
    assert!(err(&watched).contains("through the sound card"), "{}", err(&watched));
    // It is ready.
    assert_pitches(&server.heard.join().unwrap(), &[2093, 2637, 3136]);
}

#[test]
fn no_sound_server_is_asked_by_who_wants_no_sound() {
    let (folder, pictures) = (tempfile::tempdir().unwrap(), pictures());
    let socket = folder.path().join("native");
    let listener = UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    for words in ["--mute", "--fast"] {
        let watched =
            maskbell(&socket).arg("--source").arg(pictures.path()).args([words, "--fps", "200"]).output();
        assert!(watched.unwrap().status.success());
        assert!(listener.accept().is_err(), "{words}");
    }
}

#[test]
fn without_a_sound_card_it_is_said_once() {
    let (server, pictures) = (Server::start(c"auto_null", true), pictures());
    let watch = |socket: &Path| {
        let watched = maskbell(socket).arg("--source").arg(pictures.path()).args(["--fps", "200"]).output();
        err(&watched.unwrap())
    };
    let told = watch(&server.socket);
    assert_eq!(
        told.matches("there is no sound card: reminders ring the terminal's bell").count(),
        1,
        "{told}"
    );
    assert_eq!(server.heard.join().unwrap(), []);
    let told = watch(Path::new("/nobody/listens"));
    assert_eq!(told.matches("there is no sound server").count(), 1, "{told}");
}

#[test]
fn a_sound_server_that_stops_is_given_up() {
    let server = Server::start(c"card", false);
    let played = maskbell(&server.socket).args(["tune", "x:d=4,b=60:c,d,e,f,g"]).output().unwrap();
    assert_eq!(err(&played).matches("does not answer").count(), 1, "{}", err(&played));
    assert_eq!(played.stdout.iter().filter(|&&byte| byte == b'\n').count(), 5);
}

#[test]
fn a_sound_server_that_stops_at_the_end_is_not_waited_for() {
    let server = Server::start(c"card", false);
    // Over before anybody notices that the server asks for nothing.
    let played = maskbell(&server.socket).args(["tune", "x:d=8,b=240:c"]).output().unwrap();
    assert_eq!(err(&played).matches("does not answer").count(), 1, "{}", err(&played));
    assert!(played.status.success());
}

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
#[ignore = "needs pulseaudio and pulseaudio-utils, and takes as long as the sample's visit"]
fn pulseaudio_plays_what_the_device_would() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let module = format!("module-native-protocol-unix auth-anonymous=1 socket={}", at("native").display());
    let server = Command::new("pulseaudio")
        .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
        .args(["-L", &module, "-L", "module-null-sink sink_name=ear rate=48000"])
        .envs([("XDG_RUNTIME_DIR", folder.path()), ("HOME", folder.path())])
        .stderr(Stdio::null())
        .spawn();
    let _server = Program(server.expect("apt-get install pulseaudio pulseaudio-utils"));
    while UnixStream::connect(at("native")).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    let recorder = Command::new("parec")
        .args(["-d", "ear.monitor", "--rate=48000", "--channels=1", "--format=s16le"])
        .env("PULSE_SERVER", format!("unix:{}", at("native").display()))
        .stdout(File::create(at("sound")).unwrap())
        .spawn();
    let recorder = Program(recorder.expect("apt-get install pulseaudio-utils"));
    while fs::metadata(at("sound")).unwrap().len() == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    let watched = maskbell(&at("native")).arg("--source").arg(format!("{SAMPLE}/visit.mjpeg")).output();
    assert!(watched.unwrap().status.success());
    drop(recorder);
    let sound = fs::read(at("sound")).unwrap();
    let sound: Vec<_> = sound.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
    // Ready; the mask; the nose.
    assert_pitches(&sound, &[2093, 2637, 3136, 1976, 2489, 2960, 2489, 1976]);
}
