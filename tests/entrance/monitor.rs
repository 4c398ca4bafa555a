//! QEMU's monitor: events, and what is plugged in while the machine runs.
//!
//! The QEMU Machine Protocol: one JSON object a line ("QEMU QMP Reference Manual").

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Connects to a socket that QEMU makes: it is there a moment before anybody listens to it.
pub(crate) fn connect(socket: &Path) -> UnixStream {
    for _ in 0..TRIES {
        match UnixStream::connect(socket) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => thread::sleep(BETWEEN_TRIES),
            connected => return connected.unwrap_or_else(|error| panic!("{}: {error}", socket.display())),
        }
    }
    panic!("nobody listens to {}", socket.display());
}

/// Tries to connect: five minutes, on a computer that is busy with something else.
const TRIES: u32 = 30_000;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A connection to a machine's monitor.
#[derive(Debug)]
pub(crate) struct Monitor {
    stream: UnixStream,
    /// Events that nobody has waited for yet, in order.
    events: Arc<Mutex<Vec<Value>>>,
}

impl Monitor {
    /// Connects to the monitor that listens on `socket`, and takes note of its events from now on.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = connect(socket);
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let (lines, seen) = (BufReader::new(stream.try_clone().unwrap()), Arc::clone(&events));
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let message: Value = serde_json::from_str(&line).expect("QEMU writes JSON");
                assert!(message.get("error").is_none(), "QEMU refuses a command: {message}");
                if message.get("event").is_some() {
                    seen.lock().unwrap().push(message);
                }
            }
        });
        let mut monitor = Self { stream, events };
        monitor.command(r#"{"execute": "qmp_capabilities"}"#);
        monitor
    }

    /// Sends a command; a refusal fails the reader's thread, and shows in what the command should have done.
    pub(crate) fn command(&mut self, command: &str) {
        writeln!(self.stream, "{command}").expect("QEMU runs");
    }

    /// The next event of that name, if it has come; those before it are forgotten.
    pub(crate) fn event(&mut self, name: &str) -> Option<Value> {
        let mut events = self.events.lock().unwrap();
        let position = events.iter().position(|event| event["event"] == name)?;
        events.drain(..=position).next_back()
    }
}
