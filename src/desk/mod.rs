//! The roles at the desk: watch with a window, check pictures, play melodies.
#![allow(
    unreachable_pub,
    reason = "private modules let the compiler find dead code; `pub` there is for each other"
)]

mod args;
mod check;
mod copies;
mod draw;
mod find;
mod foreign;
mod page;
mod report;
mod rgb;
mod scale;
mod score;
mod screen;
mod seen;
mod settings;
mod speaker;
mod text;
mod tune;
mod watch;
mod wave;
mod window;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use log::LevelFilter;
use simplelog::{ColorChoice, ConfigBuilder, TermLogger, TerminalMode};

use crate::camera::pictures::plain;
use args::{Command, CommandLine};

/// Does what the command line asks for, and returns the exit status: 0 all went well, 1 something could not be read
/// or done, 2 the command line has a mistake.  Every fault is told in one sentence on standard error.
pub fn run() -> ExitCode {
    let line = match CommandLine::read() {
        Ok(line) => line,
        Err(status) => return status,
    };
    start_log(line.verbosity().verbose);
    let done = match &line.command {
        None => match line.watch.folder_to_page() {
            Some(folder) => page::run(&line.watch, folder).map_err(|error| error.to_string()),
            None => watch::run(&line.watch).map_err(|error| error.to_string()),
        },
        Some(Command::Check(args)) => check::run(args).map_err(|error| error.to_string()),
        Some(Command::Tune(args)) => tune::run(args).map_err(|error| error.to_string()),
    };
    done.unwrap_or_else(|sentence| {
        say(sentence);
        ExitCode::FAILURE
    })
}

/// Log lines go to standard error: standard output is for results.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let mut config = ConfigBuilder::new();
    config
        .set_time_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off);
    config.set_location_level(LevelFilter::Off);
    // Libraries tell what matters in their errors.
    config.add_filter_allow_str(env!("CARGO_PKG_NAME"));
    let colour = if io::stderr().is_terminal() { ColorChoice::Auto } else { ColorChoice::Never };
    // Fails only when a logger is set already, which is then as good.
    let _ = TermLogger::init(level, config.build(), TerminalMode::Stderr, colour);
}

/// One line for the user on standard error, or as many as the sentence has.  When nobody can read it any more, that is
/// no fault of ours.
fn say(sentence: impl Display) {
    let lines: Vec<_> = sentence.to_string().split('\n').map(plain).collect();
    let _ = writeln!(io::stderr(), "maskbell: {}", lines.join("\n"));
}
