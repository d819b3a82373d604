//! Waits of goroutines, each measured by probes in the runtime.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::execute::block_on;
use super::go_process::GoProcess;
use super::goroutine_waits::shown_frames;
use super::goroutines::reader;
use super::offcpu::OffCpuArgs;
use super::profile::DEFAULT_DURATION;
use crate::analysis::{GoroutineWaitSums, NamedWait, WaitNames};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::event::{Event, GoroutineWait, StopReason};
use crate::go::goroutine::{StackFrame, creator_name};
use crate::report::GoroutineWaitProfile;
use crate::session::{Capture, Plan, run, waits_over_budget};
use crate::sink::{Sink, SinkError};
use crate::term;

/// What became of it.
pub(super) enum Measured {
    Profile(Box<GoroutineWaitProfile>),
    /// It cannot be done: why, and how much of the time is left for something else.
    Instead {
        why: String,
        left: Duration,
    },
}

/// Measures the waits of the goroutines of one process, as far as the budget lets it.
///
/// # Errors
/// When there is no such process, or the request makes no sense.
pub(super) fn measure(args: &OffCpuArgs, process: &GoProcess) -> anyhow::Result<Measured> {
    let captures = vec![Capture::GoWaits];
    let mut plan = args.target.plan(captures, &["offcpu"], Policy::Enforce)?;
    let lasts = plan.duration.unwrap_or(DEFAULT_DURATION);
    plan.duration = Some(lasts);
    if let Some(over) = waits_over_budget(&plan, process.pid, &process.runtime) {
        let why = format!(
            "goroutines wait so often that probes would take at least {:.1} % of the target's CPU \
             time, and the budget is {} % (--max-overhead)",
            over.percent, over.limit
        );
        return Ok(Measured::Instead { why, left: lasts });
    }
    // What reasons are called is in its memory, which is gone when it ends.
    let names = Names::of(process, args);
    let sums = Rc::new(RefCell::new(GoroutineWaitSums::default()));
    let (end, ran_ns) = match capture(&plan, &sums)? {
        Ok(end) => end,
        Err(error @ (ExpectedError::Usage(_) | ExpectedError::NoSuchProcess { .. })) => {
            return Err(error.into());
        }
        Err(error) => {
            let why = format!("the runtime cannot be probed: {error}");
            return Ok(Measured::Instead { why, left: lasts });
        }
    };
    if end == StopReason::OverBudget {
        let left = lasts.saturating_sub(Duration::from_nanos(ran_ns));
        let why = "goroutines wait too often to be probed within the budget".to_owned();
        return Ok(Measured::Instead { why, left });
    }
    let sums = sums.take();
    let profile = sums.finish(process.pid, |wait| names.of_wait(wait));
    Ok(Measured::Profile(Box::new(profile)))
}

type Captured = Result<(StopReason, u64), ExpectedError>;

fn capture(plan: &Plan, sums: &Rc<RefCell<GoroutineWaitSums>>) -> anyhow::Result<Captured> {
    let sink: Box<dyn Sink> = Box::new(Collector(Rc::clone(sums)));
    let outcome = block_on(run(plan, || Ok(vec![sink])))?;
    Ok(outcome.map(|outcome| (outcome.end.reason, outcome.end.duration_ns)))
}

/// Keeps what is to be shown when the run is over.
struct Collector(Rc<RefCell<GoroutineWaitSums>>);

impl Sink for Collector {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.0.borrow_mut().observe(event);
        Ok(())
    }
}

/// Names what is known by numbers and addresses.
struct Names<'a> {
    process: &'a GoProcess,
    args: &'a OffCpuArgs,
    reason: Box<dyn Fn(u32) -> Option<Rc<str>> + 'a>,
}

impl<'a> Names<'a> {
    fn of(process: &'a GoProcess, args: &'a OffCpuArgs) -> Self {
        let reader = reader(process);
        Self {
            process,
            args,
            reason: Box::new(move |number| reader.reason(number)),
        }
    }

    /// `None` for waits of the runtime's own goroutines.
    fn of_wait(&self, wait: &GoroutineWait) -> Option<WaitNames> {
        let creator = self.creator(wait.creator);
        if is_of_runtime(&creator) {
            return None;
        }
        let known = (self.reason)(wait.reason);
        let reason = known.map_or_else(
            || format!("wait reason {}", wait.reason),
            |reason| reason.to_string(),
        );
        let addresses = wait.stack.iter();
        let frames: Vec<StackFrame> = addresses.filter_map(|&pc| self.frame(pc)).collect();
        let output = &self.args.output;
        Some(WaitNames {
            reason,
            functions: NamedWait {
                creator: output.redacted_text(creator_name(&creator)).into_owned(),
                frames: shown_frames(self.process, &frames, output),
            },
        })
    }

    fn frame(&self, pc: u64) -> Option<StackFrame> {
        Some(StackFrame {
            place: self.process.code.place(pc, true)?,
            pc,
            end: 0,
            values: Vec::new(),
        })
    }

    /// The function of the `go` statement whose call returns to `pc`.
    fn creator(&self, pc: u64) -> String {
        let place = self.process.code.place(pc, true);
        let call = place.as_ref().and_then(|place| place.calls.last());
        call.map_or_else(
            || "[unknown]".to_owned(),
            |call| call.frame.function.clone(),
        )
    }
}

/// Whether a function that makes goroutines makes the runtime's own: all but the first one are.
fn is_of_runtime(creator: &str) -> bool {
    creator.starts_with("runtime.") && creator_name(creator) == creator
}

impl Measured {
    /// Says in one line that something else is done.
    pub(super) fn tell(why: &str, every: Duration) {
        let every = term::ns(u64::try_from(every.as_nanos()).unwrap_or(u64::MAX));
        term::notice(&format!(
            "{why}; goroutines are looked at every {every} instead"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goroutines_of_the_runtime_are_known_by_who_made_them() {
        for (creator, own) in [
            ("runtime.gcenable", true),
            ("runtime.(*cleanupQueue).createGs", true),
            ("runtime.rt0_go", false),
            ("runtime.newproc", false),
            ("runtime/pprof.StartCPUProfile", false),
            ("main.main", false),
        ] {
            assert_eq!(is_of_runtime(creator), own, "{creator}");
        }
    }
}
