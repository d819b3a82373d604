//! Profiles as sinks: gather, and print at each `Tick` (documents of a whole run excepted) and at
//! the end.

use std::fmt;
use std::io::{self, Write};

use clap::ValueEnum;
use regex_lite::Regex;

use super::costed::cost_of;
use super::stack_format::{STACK_FORMATS, Shown, StackFormat, StackText};
use crate::analysis::{OffCpu, OnCpu, StackAnalysis, StackDetail, Wall};
use crate::event::{Body, Event};
use crate::report::{GoroutineWaitProfile, HeapProfile, HotThresholds, StackProfile};
use crate::sink::{Sink, SinkError};

/// What to write of a profile.
#[derive(Clone, Debug)]
pub struct StackOutput {
    pub format: &'static StackFormat,
    /// Layout of the text format.
    pub text: StackText,
    /// Each thread has its own root in stacks.
    pub threads: bool,
    /// What the table of the text format is of; by default functions on the CPU, stacks off it.
    pub by: Option<StackBy>,
    /// In the text format, callers and callees of the functions that match, and no table.
    pub peek: Option<Regex>,
    /// From where on regions are marked as hot.
    pub hot: HotThresholds,
}

/// What a table of a profile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StackBy {
    /// What functions take
    Function,
    /// What threads take
    Thread,
    /// What each CPU saw
    Cpu,
    /// What goroutines take, by the function of the `go` statement that made them
    Creator,
}

impl Default for StackOutput {
    fn default() -> Self {
        Self {
            format: &STACK_FORMATS[0],
            text: StackText::default(),
            threads: false,
            by: None,
            peek: None,
            hot: HotThresholds::default(),
        }
    }
}

impl StackOutput {
    fn detail(&self) -> StackDetail {
        StackDetail {
            threads: self.threads,
            lines: self.format.lines,
            addresses: self.format.addresses,
        }
    }
}

/// Prints where CPU time goes, where threads wait, or both.
pub struct StackSink<W> {
    analysis: StackAnalysis,
    output: StackOutput,
    cost: Option<serde_json::Value>,
    out: W,
    name: String,
}

impl<W: Write> StackSink<W> {
    /// Writes where CPU time goes to `out`; errors call it `name`.
    pub fn on_cpu(output: StackOutput, out: W, name: &str) -> Self {
        let analysis = StackAnalysis::OnCpu(OnCpu::new(output.detail()));
        Self::new(analysis, output, out, name)
    }

    /// Writes where threads wait to `out`; errors call it `name`.
    pub fn off_cpu(output: StackOutput, out: W, name: &str) -> Self {
        let analysis = StackAnalysis::OffCpu(OffCpu::new(output.detail()));
        Self::new(analysis, output, out, name)
    }

    /// Writes where all time of threads goes to `out`, at the end of the run; errors call it
    /// `name`.
    pub fn wall(output: StackOutput, out: W, name: &str) -> Self {
        let analysis = StackAnalysis::Wall(Wall::new(output.detail()));
        Self::new(analysis, output, out, name)
    }

    /// Each state has its own root in stacks, too.
    #[must_use]
    pub fn by_state(self, by_state: bool) -> Self {
        Self {
            analysis: self.analysis.by_state(by_state),
            ..self
        }
    }

    fn new(analysis: StackAnalysis, output: StackOutput, out: W, name: &str) -> Self {
        Self {
            analysis,
            output,
            cost: None,
            out,
            name: name.to_owned(),
        }
    }

    fn print(&mut self, end: &Event) -> io::Result<()> {
        let shown = Shown {
            profile: &self.analysis.finish(end),
            output: &self.output,
            cost: self.cost.as_ref(),
        };
        let format = self.output.format;
        (format.write)(&shown, &mut self.out)?;
        if format.separated && matches!(end.body, Body::Tick) {
            writeln!(self.out)?;
        }
        self.out.flush()
    }
}

impl<W: Write> Sink for StackSink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.analysis.observe(event);
        if let Some(cost) = cost_of(event) {
            self.cost = Some(cost);
        }
        let ends_interval = match event.body {
            Body::Tick => !self.output.format.whole_run && !self.analysis.of_whole_run(),
            Body::RunEnd(_) => true,
            _ => false,
        };
        if ends_interval {
            self.print(event)
                .map_err(|e| SinkError::from_io(&self.name, e))?;
        }
        Ok(())
    }
}

/// Writes what goroutines wait for.
///
/// # Errors
/// Those of the writer.
pub fn write_goroutine_waits(
    profile: GoroutineWaitProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = Shown {
        profile: &StackProfile::Goroutines(profile),
        output,
        cost: None,
    };
    (output.format.write)(&shown, out)?;
    out.flush()
}

/// Writes what is on the heap.
///
/// # Errors
/// Those of the writer.
pub fn write_heap(
    profile: HeapProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = Shown {
        profile: &StackProfile::Heap(Box::new(profile)),
        output,
        cost: None,
    };
    (output.format.write)(&shown, out)?;
    out.flush()
}

impl<W> fmt::Debug for StackSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackSink").finish_non_exhaustive()
    }
}
