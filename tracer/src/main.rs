//! The `tracer` command.

use std::process::ExitCode;

use clap::Parser;
use tracer::cli::Cli;
use tracer::commands::{Exit, execute};
use tracer::error::ExpectedError;
use tracer::term::notice;

fn main() -> ExitCode {
    // A reader that went away is an error of writing to be handled, not a death.
    let exit = execute(Cli::parse()).unwrap_or_else(|error| {
        if let Some(expected) = error.downcast_ref::<ExpectedError>() {
            notice(&expected.to_string());
            return Exit::Code(expected.exit_code());
        }
        notice(&format!("unexpected error, please report it: {error:#}"));
        Exit::Code(1)
    });
    match exit {
        Exit::Code(code) => ExitCode::from(code),
        Exit::Signal(signal) => die(signal),
    }
}

/// Ends by the signal that ended the command, so that the caller sees what it would have seen.
fn die(signal: i32) -> ExitCode {
    // SAFETY: plain calls on our own process; the limit keeps it from writing a core file of ours.
    unsafe {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    ExitCode::from(128 + u8::try_from(signal).unwrap_or(0))
}
