//! Profiles as sinks: gather, and print at each `Tick` (pictures excepted) and at the end.

use std::fmt;
use std::io::{self, Write};

use super::costed::{Costed, cost_of};
use super::{FlameGraph, StackText, write_flame_graph, write_folded, write_off_cpu, write_on_cpu};
use crate::analysis::{OffCpu, OnCpu};
use crate::event::{Body, Event};
use crate::report::{OffCpuProfile, OnCpuProfile, ProfileRun, StackTree};
use crate::sink::{Sink, SinkError};
use crate::term::printable;

/// How a profile is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StackFormat {
    #[default]
    Text,
    Folded,
    Svg,
    /// One line of JSON per profile.
    Json,
}

/// What to write of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackOutput {
    pub format: StackFormat,
    /// Rows and columns of the text format.
    pub text: StackText,
    /// Each thread has its own root in stacks.
    pub threads: bool,
}

/// Prints where CPU time goes.
pub struct OnCpuSink<W> {
    analysis: OnCpu,
    output: StackOutput,
    cost: Option<serde_json::Value>,
    out: W,
    name: String,
}

/// Prints where threads wait.
pub struct OffCpuSink<W> {
    analysis: OffCpu,
    output: StackOutput,
    cost: Option<serde_json::Value>,
    out: W,
    name: String,
}

impl<W: Write> OnCpuSink<W> {
    /// Writes to `out`; errors call it `name`.
    pub fn new(output: StackOutput, out: W, name: &str) -> Self {
        Self {
            analysis: OnCpu::new(output.threads),
            output,
            cost: None,
            out,
            name: name.to_owned(),
        }
    }

    fn print(&mut self, end: &Event) -> io::Result<()> {
        let profile = self.analysis.finish(end);
        let out = &mut self.out;
        match self.output.format {
            StackFormat::Text => write_on_cpu(&profile, self.output.text, out)?,
            StackFormat::Folded => write_folded(&profile.tree, out)?,
            StackFormat::Svg => write_flame_graph(&profile.tree, &on_cpu_texts(&profile), out)?,
            StackFormat::Json => write_json(&profile, self.cost.as_ref(), out)?,
        }
        separate(self.output.format, end, out)?;
        out.flush()
    }
}

impl<W: Write> OffCpuSink<W> {
    /// Each state has its own root in stacks, too.
    #[must_use]
    pub fn by_state(self, by_state: bool) -> Self {
        Self {
            analysis: self.analysis.by_state(by_state),
            ..self
        }
    }

    /// Writes to `out`; errors call it `name`.
    pub fn new(output: StackOutput, out: W, name: &str) -> Self {
        Self {
            analysis: OffCpu::new(output.threads),
            output,
            cost: None,
            out,
            name: name.to_owned(),
        }
    }

    fn print(&mut self, end: &Event) -> io::Result<()> {
        let profile = self.analysis.finish(end);
        let out = &mut self.out;
        match self.output.format {
            StackFormat::Text => write_off_cpu(&profile, self.output.text, out)?,
            StackFormat::Folded => write_folded(&profile.tree, out)?,
            StackFormat::Svg => write_flame_graph(&profile.tree, &off_cpu_texts(&profile), out)?,
            StackFormat::Json => write_json(&profile, self.cost.as_ref(), out)?,
        }
        separate(self.output.format, end, out)?;
        out.flush()
    }
}

impl<W: Write> Sink for OnCpuSink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.analysis.observe(event);
        if let Some(cost) = cost_of(event) {
            self.cost = Some(cost);
        }
        if ends_interval(self.output.format, event) {
            self.print(event)
                .map_err(|e| SinkError::from_io(&self.name, e))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for OffCpuSink<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.analysis.observe(event);
        if let Some(cost) = cost_of(event) {
            self.cost = Some(cost);
        }
        if ends_interval(self.output.format, event) {
            self.print(event)
                .map_err(|e| SinkError::from_io(&self.name, e))?;
        }
        Ok(())
    }
}

impl<W> fmt::Debug for OnCpuSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCpuSink").finish_non_exhaustive()
    }
}

impl<W> fmt::Debug for OffCpuSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffCpuSink").finish_non_exhaustive()
    }
}

/// A picture covers the whole run: two in one file could not be shown.
fn ends_interval(format: StackFormat, event: &Event) -> bool {
    match event.body {
        Body::Tick => format != StackFormat::Svg,
        Body::RunEnd(_) => true,
        _ => false,
    }
}

/// An empty line between the profiles of intervals; other formats tell them apart by themselves.
fn separate(format: StackFormat, end: &Event, out: &mut impl Write) -> io::Result<()> {
    match (format, &end.body) {
        (StackFormat::Text | StackFormat::Folded, Body::Tick) => writeln!(out),
        _ => Ok(()),
    }
}

fn write_json(
    profile: &impl serde::Serialize,
    cost: Option<&serde_json::Value>,
    out: &mut impl Write,
) -> io::Result<()> {
    let costed = Costed {
        report: profile,
        cost,
    };
    serde_json::to_writer(&mut *out, &costed)?;
    writeln!(out)
}

fn on_cpu_texts(profile: &OnCpuProfile) -> FlameGraph {
    let rate = match profile.sample_hz {
        0 => String::new(),
        hz => format!(" at {hz} Hz"),
    };
    texts(
        "CPU time",
        &format!("{} samples{rate}", profile.samples),
        &profile.run,
        &profile.tree,
    )
}

fn off_cpu_texts(profile: &OffCpuProfile) -> FlameGraph {
    let waits = format!("{} waits", profile.count);
    texts("Blocked time", &waits, &profile.run, &profile.tree)
}

fn texts(title: &str, amount: &str, run: &ProfileRun, tree: &StackTree) -> FlameGraph {
    let target = match &run.pids[..] {
        [] => printable(&run.command.join(" ")).into_owned(),
        [pid] => format!("pid {pid}"),
        pids => format!("{} processes", pids.len()),
    };
    let mut subtitle = format!("{amount}, {:.2} s", run.duration_ns as f64 / 1e9);
    if !target.is_empty() {
        subtitle = format!("{target}: {subtitle}");
    }
    if run.lost > 0 {
        subtitle.push_str(&format!(", {} lost", run.lost));
    }
    if tree.nodes.is_empty() {
        subtitle.push_str(", no stacks");
    }
    FlameGraph {
        title: title.to_owned(),
        subtitle,
    }
}
