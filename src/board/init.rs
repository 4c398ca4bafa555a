//! What process 1 owes the machine: mounts, signals, and an end.

use std::fmt;
use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, reboot};

/// Whether the kernel has started this program as the first one, by `init=`.
pub(crate) fn is_first_process() -> bool {
    process::id() == 1
}

/// A file system that could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("{kind} cannot be mounted on {target}: {source}; the root file system must have that folder")]
pub(crate) struct MountError {
    kind: &'static str,
    target: &'static str,
    source: io::Error,
}

/// Mounts proc, sysfs and devtmpfs, which hold what the kernel shows of itself: nothing is ever written to a disk.
///
/// Those that are mounted already stay as they are.  Returns what went wrong; there is no log yet.
pub(crate) fn mount_kernel_file_systems() -> Vec<MountError> {
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    [
        ("proc", "/proc", plain | MountFlags::NODEV),
        ("sysfs", "/sys", plain | MountFlags::NODEV),
        ("devtmpfs", "/dev", plain),
    ]
    .into_iter()
    .filter_map(|(kind, target, flags)| match mount(kind, target, kind, flags, None) {
        Ok(()) | Err(rustix::io::Errno::BUSY) => None,
        Err(error) => Some(MountError { kind, target, source: error.into() }),
    })
    .collect()
}

/// Why to leave off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leave {
    /// Start the machine anew.
    Restart,
    /// Switch it off.
    PowerOff,
}

impl fmt::Display for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restarting",
            Self::PowerOff => "powering off",
        })
    }
}

/// Requests to leave off, which come as signals: `SIGINT` (Ctrl-Alt-Del) and `SIGTERM` ask for a restart, `SIGPWR` and
/// `SIGUSR2` to power off, as with other programs that are process 1.
#[derive(Debug)]
pub(crate) struct Requests(Arc<AtomicUsize>);

impl Requests {
    const RESTART: usize = 1;
    const POWER_OFF: usize = 2;

    /// Takes note of those signals from now on.
    ///
    /// # Errors
    ///
    /// What the kernel says, which has no reason to refuse.
    pub(crate) fn listen() -> io::Result<Self> {
        let asked = Arc::<AtomicUsize>::default();
        for (signal, request) in [
            (libc::SIGINT, Self::RESTART),
            (libc::SIGTERM, Self::RESTART),
            (libc::SIGPWR, Self::POWER_OFF),
            (libc::SIGUSR2, Self::POWER_OFF),
        ] {
            signal_hook::flag::register_usize(signal, Arc::clone(&asked), request)?;
        }
        Ok(Self(asked))
    }

    /// What has been asked for last, if anything.
    pub(crate) fn pending(&self) -> Option<Leave> {
        match self.0.load(Ordering::Relaxed) {
            Self::RESTART => Some(Leave::Restart),
            Self::POWER_OFF => Some(Leave::PowerOff),
            _ => None,
        }
    }
}

/// Has the kernel ask process 1 at Ctrl-Alt-Del, and take care of processes that have lost their parent: process 1
/// starts none, but inherits them.
pub(crate) fn take_charge() {
    if let Err(error) = reboot(RebootCommand::CadOff) {
        log::warn!("Ctrl-Alt-Del restarts the machine at once: {error}");
    }
    // SAFETY: no handler is installed: ignored children are reaped by the kernel (sigaction(2), SIGCHLD).
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Restarts or powers off.  Nothing needs to be saved.
pub(crate) fn leave(how: Leave) -> ! {
    let command = match how {
        Leave::Restart => RebootCommand::Restart,
        Leave::PowerOff => RebootCommand::PowerOff,
    };
    let error = reboot(command);
    // The end of process 1 is a kernel panic, which restarts the machine, too.
    log::error!("{how} failed: {error:?}");
    process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_become_requests() {
        let requests = Requests::listen().unwrap();
        assert_eq!(requests.pending(), None);
        for (signal, asked) in [
            (libc::SIGPWR, Leave::PowerOff),
            (libc::SIGTERM, Leave::Restart),
            (libc::SIGUSR2, Leave::PowerOff),
            (libc::SIGINT, Leave::Restart),
        ] {
            // Handled before `raise` returns, since it is sent to this thread.
            signal_hook::low_level::raise(signal).unwrap();
            assert_eq!(requests.pending(), Some(asked));
        }
    }
}
