//! The role on the card: watch the first camera for ever, remind through the buzzer, never give up.
//!
//! As process 1 it is the whole userland: it mounts what it needs, feeds the watchdog by the work that it does,
//! and every way in which it could end starts the machine anew.  As an ordinary process, for trying it on a Pi that
//! runs something else, it leaves the machine alone.

use std::env;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::panic;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use log::{LevelFilter, error, info, warn};

use crate::attendant::Attendant;
use crate::board::Board;
use crate::board::boot;
use crate::board::console::{self, Logger};
use crate::board::init::{self, Requests};
use crate::board::pwm;
use crate::board::restarts::{Restarts, SEVERAL};
use crate::board::watchdog::Watchdog;
use crate::camera::v4l2::V4l2Camera;
use crate::config::{self, Config, Mistake};
use crate::runtime::RuntimeError;
use crate::signal::{Fault, Signals};
use crate::version::VERSION;
use crate::watch::Watch;

/// Environment variable with the least important level to log, which goes before that of `maskbell.toml`: error,
/// warn, info, debug or trace.
///
/// The kernel hands words of its command line that it does not know, such as `MASKBELL_LOG=debug`, to its first
/// process as environment.
const LOG_LEVEL: &str = "MASKBELL_LOG";

/// Environment variable with the path of a `maskbell.toml`, for an ordinary process; process 1 reads the card's.
const CONFIG_FILE: &str = "MASKBELL_CONFIG";

/// Most mistakes of a file that are told one by one.
const MAX_TOLD: usize = 20;

/// Watches and reminds until the power goes, or a signal asks for the end: `SIGINT` and `SIGTERM` for a restart, `SIGPWR`
/// and `SIGUSR2` to power off.
pub fn run() -> ExitCode {
    let first = init::is_first_process();
    let unmounted = if first { init::mount_kernel_file_systems() } else { Vec::new() };
    start_log(first);
    unmounted.iter().for_each(|error| error!("{error}"));
    let (mut watchdog, mut restarts) = (None, None);
    if first {
        console::tell_panics(pwm::silence);
        watchdog = Watchdog::start().inspect_err(|error| warn!("no watchdog: {error}")).ok();
        init::take_charge();
    } else {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            pwm::silence();
            told(panic);
        }));
    }
    let requests = Requests::listen().inspect_err(|error| error!("signals are not heard: {error}")).ok();
    let board = Board::detect();
    info!("maskbell {VERSION} on {board}");

    if first {
        restarts = Restarts::count().inspect_err(|error| warn!("restarts are not counted: {error}")).ok();
        restarts.iter().for_each(tell_restarts);
    }
    let (config, is_wrong) = configure(first);
    log::set_max_level(log_level().unwrap_or(config.log_level));
    let signals = Signals::start(&board, &config.signals);
    if is_wrong {
        signals.fault(Fault::BadConfig);
    }
    if let Some(restarts) = &restarts
        && restarts.in_a_row() >= SEVERAL
    {
        signals.fault(Fault::Restarts);
        rest(restarts.pause(), &signals, watchdog.as_mut(), requests.as_ref());
    }
    let mut watch = match Watch::new(&config.vision, config.times, config.orientation) {
        Ok(watch) => watch,
        Err(error) => stay_blind(&error, &signals),
    };
    info!("{}", watch.chosen());
    let mut attendant = Attendant::new(signals, watchdog);
    let start = Instant::now();
    let ended = watch.run(&mut V4l2Camera::new(config.camera), |turn| {
        attendant.attend(turn);
        if restarts.as_mut().is_some_and(|restarts| restarts.has_run_for(start.elapsed())) {
            attendant.over(Fault::Restarts);
        }
        match requests.as_ref().and_then(Requests::pending) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    if let Err(error) = ended {
        // As process 1: the kernel panics, and the machine starts anew.
        error!("{error}");
        return ExitCode::FAILURE;
    }
    let how = requests.and_then(|requests| requests.pending()).unwrap_or(init::Leave::Restart);
    info!("{how}");
    restarts.iter_mut().for_each(Restarts::end_in_order);
    let watchdog = attendant.leave();
    if !first {
        return ExitCode::SUCCESS;
    }
    if let (Some(watchdog), init::Leave::PowerOff) = (watchdog, how) {
        watchdog.stop();
    }
    init::leave(how)
}

/// Tells what the machine was left with.
fn tell_restarts(restarts: &Restarts) {
    match restarts.in_a_row() {
        0 => {}
        1 => warn!("the machine was restarted"),
        row => warn!("the machine was restarted {row} times in a row"),
    }
    restarts.last_words().iter().for_each(|line| error!("the run before: {line}"));
}

/// Waits, while the light shows why, and keeps the watchdog from biting: what is wrong may be over afterwards, and a
/// machine that does nothing but start wears out its parts and whoever looks at it.
fn rest(
    pause: Duration,
    signals: &Signals,
    mut watchdog: Option<&mut Watchdog>,
    requests: Option<&Requests>,
) {
    /// Less than the watchdog's patience by far.
    const NAP: Duration = Duration::from_secs(1);
    warn!("it pauses for {} s", pause.as_secs());
    let end = Instant::now() + pause;
    while Instant::now() < end && requests.and_then(Requests::pending).is_none() {
        if let Some(watchdog) = &mut watchdog
            && signals.is_alive()
        {
            watchdog.feed();
        }
        log::logger().flush();
        thread::sleep(NAP);
    }
}

/// Shows that a network cannot be loaded.  The card or the memory may give its bytes right the next time: the watchdog,
/// which nobody feeds any more, starts the machine anew.  Without a watchdog it is shown for ever.
fn stay_blind(error: &RuntimeError, signals: &Signals) -> ! {
    error!("{error}");
    signals.fault(Fault::NoModel);
    loop {
        thread::park();
    }
}

/// What `maskbell.toml` says, and whether it has mistakes, which are logged.
fn configure(first: bool) -> (Config, bool) {
    let read = if first {
        match boot::with_settings(config::load) {
            // Not a card of ours, an initramfs for example: there is nothing to be wrong.
            Err(error @ boot::BootError::NotFound) => {
                warn!("no maskbell.toml: {error}");
                Ok(None)
            }
            read => read.map_err(|error| error.to_string()),
        }
    } else {
        let file = env::var_os(CONFIG_FILE);
        let load = |path| File::open(path).and_then(config::load);
        file.as_ref().map(load).transpose().map_err(|error| format!("{CONFIG_FILE}: {error}"))
    };
    match read {
        Ok(Some((config, mistakes))) => {
            match mistakes.len() {
                0 => info!("maskbell.toml: no mistakes"),
                _ => tell(&mistakes),
            }
            (config, !mistakes.is_empty())
        }
        Ok(None) => {
            info!("no maskbell.toml: defaults are used");
            (Config::default(), false)
        }
        Err(error) => {
            error!("no maskbell.toml: {error}; defaults are used");
            (Config::default(), true)
        }
    }
}

/// What [`LOG_LEVEL`] asks for.
fn log_level() -> Option<LevelFilter> {
    let level = env::var(LOG_LEVEL).ok()?;
    let known = level.parse();
    if known.is_err() {
        error!("{LOG_LEVEL}={level} is not allowed: it must be off, error, warn, info, debug or trace");
    }
    known.ok()
}

fn tell(mistakes: &[Mistake]) {
    for mistake in mistakes.iter().take(MAX_TOLD) {
        error!("maskbell.toml, {mistake}");
    }
    if mistakes.len() > MAX_TOLD {
        error!("maskbell.toml has {} more mistakes", mistakes.len() - MAX_TOLD);
    }
}

/// Starts the log, at level info until [`Config`] is known.
fn start_log(first: bool) {
    let logger: Box<dyn log::Log> = match first {
        true => Box::new(Logger::open()),
        false => Box::new(Logger::new(Some(io::stderr()), None::<File>)),
    };
    // Fails only if there is a logger already.
    let _ = log::set_boxed_logger(logger);
    log::set_max_level(LevelFilter::Info);
}
