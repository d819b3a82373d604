//! One run: what to capture, from whom, for how long, and the life cycle from attaching to the
//! last event. No command has an event loop of its own.

mod aggregates;
mod clock;
mod cold;
mod degrade;
mod dump_signal;
mod go_target;
mod goroutines;
mod launch;
mod losses;
mod plan;
mod pump;
mod refusal;
mod run;
mod settings;
mod signals;
mod spending;
mod target;
mod watch;

pub use dump_signal::DumpSignal;
pub(crate) use launch::find_executable;
pub use launch::{LaunchSetup, User};
pub use plan::{Capture, Plan, TargetSpec};
pub use run::{Outcome, run};
