//! One run: what to capture, from whom, for how long, and the life cycle from attaching to the
//! last event. No command has an event loop of its own.

mod aggregates;
mod await_trigger;
mod background;
mod clock;
mod cold;
mod condition;
mod cpu_quota;
mod degrade;
mod dump_signal;
mod expected_waits;
mod family;
mod gauge;
mod go_handoffs;
mod go_looks;
mod go_target;
mod goroutine_assists;
mod goroutine_waits;
mod goroutines;
mod launch;
mod looks;
mod losses;
mod open_waits;
mod pace;
mod plan;
mod pump;
mod refusal;
mod run;
mod settings;
mod signals;
mod spending;
mod target;
mod unwinding;
mod watch;

pub(crate) use clock::now_ns;
pub use condition::{Condition, ConditionError, Metric, Trigger};
pub use dump_signal::DumpSignal;
pub(crate) use expected_waits::waits_over_budget;
pub(crate) use launch::find_executable;
pub use launch::{LaunchSetup, User};
pub(crate) use looks::look_every;
pub use plan::{ANY_WAIT, CallStacks, Capture, Plan, StackWalk, TargetSpec};
pub(crate) use refusal::not_go_process;
pub use run::{Outcome, run};
pub(crate) use target::comm;

pub use crate::bpf::SampleEvent;
