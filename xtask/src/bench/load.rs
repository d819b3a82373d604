//! One run of one workload under one configuration.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::closing_line::Events;
use super::empty_probe::EmptyPair;
use super::peers::Peer;
use super::setting::Setting;
use super::spawned::Spawned;
use super::tools::Tool;
use super::workload::{Measurement, Workload};

/// How long a tool may take for its result after SIGINT.
const RESULT_LIMIT: Duration = Duration::from_secs(10);

/// A program that times itself and what it is to time.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// As the program knows them; also how they are called in tables.
    pub(super) kinds: Vec<&'static str>,
    /// Put before the kinds in tables.
    pub(super) prefix: &'static str,
    pub(super) place: Place,
}

/// Where a program and the tool that traces it run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Each on its CPU, at real-time priority where permitted.
    Pinned,
    /// As the scheduler likes: for programs that are to use all CPUs.
    Free,
}

impl Program {
    fn args(&self, window: Duration) -> Vec<String> {
        let ms = window.as_millis().to_string();
        let kinds = self.kinds.iter().map(|kind| (*kind).to_owned());
        std::iter::once(ms).chain(kinds).collect()
    }
}

/// What is going on while the workload runs.
#[derive(Clone, Debug)]
pub(super) enum Load {
    /// Nothing.
    Baseline,
    /// Two BPF programs that return at once.
    EmptyPair,
    /// The tool is attached to the workload.
    Attached(Tool),
    /// The tool is attached to another process, which sleeps.
    Bystander(Tool),
    /// The tool has launched the workload.
    Launched(Tool),
    /// Nothing: the tool does not work here.
    Unavailable { peer: &'static Peer, why: String },
}

impl Load {
    /// How it is called in tables.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Baseline => "baseline".to_owned(),
            Self::EmptyPair => "empty BPF pair".to_owned(),
            Self::Attached(tool) => tool.label.clone(),
            Self::Bystander(tool) => tool.label.clone(),
            Self::Launched(tool) => tool.label.clone(),
            Self::Unavailable { peer, .. } => peer.label.to_owned(),
        }
    }

    /// The load in which `self`'s tool is attached to another process.
    pub(super) fn on_another_process(self) -> Self {
        match self {
            Self::Attached(tool) => Self::Bystander(tool),
            other => other,
        }
    }
}

/// What a tool itself used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// CPU time in the measured window, share of one CPU.
    pub(super) cpu: f64,
    /// Largest resident set, bytes; xtask's own size at least.
    pub(super) max_rss: u64,
    /// Share of the events that tracer has lost; `None` for other tools.
    pub(super) lost: Option<f64>,
}

/// What one run has shown.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) measured: Vec<Measurement>,
    pub(super) usage: Option<Usage>,
}

/// Runs `program` once; nothing it started is left.
///
/// # Errors
/// Something does not start, or Ctrl-C.
pub(super) fn run(
    setting: &Setting,
    program: &Program,
    load: &Load,
    window: Duration,
) -> Result<Outcome> {
    let args = program.args(window);
    let mut plain = Command::new(&program.path);
    plain.args(&args);
    match load {
        Load::Unavailable { why, .. } => bail!("{why}"),
        Load::Launched(tool) => {
            let command = &mut tool.launching(&program.path, &args);
            launched(setting, program, command, window)
        }
        Load::Baseline => alone(placed(setting, program, &mut plain)?, window),
        Load::EmptyPair => {
            let _probes = EmptyPair::attach()?;
            alone(placed(setting, program, &mut plain)?, window)
        }
        Load::Attached(tool) => {
            let workload = placed(setting, program, &mut plain)?;
            let target = workload.pid();
            let tool = attached(setting, program.place, tool, target)?;
            traced(setting, workload, tool, window)
        }
        Load::Bystander(tool) => {
            let workload = placed(setting, program, &mut plain)?;
            let other = Spawned::start(Command::new("sleep").arg("60"), "sleep")?;
            let tool = attached(setting, program.place, tool, other.pid())?;
            traced(setting, workload, tool, window)
        }
    }
}

fn placed(setting: &Setting, program: &Program, command: &mut Command) -> Result<Workload> {
    let workload = Workload::start(command)?;
    if program.place == Place::Pinned {
        setting.placement.place_workload(workload.pid())?;
    }
    Ok(workload)
}

/// `tool`, attached to `target` and in its place.
///
/// # Errors
/// It does not attach.
pub(super) fn attached(
    setting: &Setting,
    place: Place,
    tool: &Tool,
    target: u32,
) -> Result<Spawned> {
    let process = tool.attach(target, &setting.scratch_file())?;
    if place == Place::Pinned {
        let placement = setting.placement;
        placement.place_tool(process.pid(), tool.on_workload_cpu)?;
    }
    Ok(process)
}

fn alone(mut workload: Workload, window: Duration) -> Result<Outcome> {
    workload.go()?;
    let measured = workload.measurements(window)?;
    workload.finish()?;
    Ok(Outcome {
        measured,
        usage: None,
    })
}

fn launched(
    setting: &Setting,
    program: &Program,
    command: &mut Command,
    window: Duration,
) -> Result<Outcome> {
    let mut workload = placed(setting, program, command)?;
    if program.place == Place::Pinned {
        let tool = workload.process().pid();
        setting.placement.place_tool(tool, false)?;
    }
    let meter = Meter::start(workload.process());
    workload.go()?;
    let measured = workload.measurements(window)?;
    let cpu = meter.share(workload.process());
    let max_rss = workload.finish()?.map_or(0, |ended| ended.max_rss);
    Ok(Outcome {
        measured,
        usage: Some(Usage {
            cpu,
            max_rss,
            lost: None,
        }),
    })
}

fn traced(
    setting: &Setting,
    mut workload: Workload,
    mut tool: Spawned,
    window: Duration,
) -> Result<Outcome> {
    let meter = Meter::start(&tool);
    workload.go()?;
    let measured = workload.measurements(window)?;
    let cpu = meter.share(&tool);
    workload.finish()?;
    let usage = ended(setting, &mut tool, cpu)?;
    Ok(Outcome {
        measured,
        usage: Some(usage),
    })
}

/// Ends `tool`, which has used `cpu`; what it has used in all.
///
/// # Errors
/// Ctrl-C while waiting.
pub(super) fn ended(setting: &Setting, tool: &mut Spawned, cpu: f64) -> Result<Usage> {
    let max_rss = tool.interrupt(RESULT_LIMIT)?.max_rss;
    setting.clean();
    Ok(Usage {
        cpu,
        max_rss,
        lost: Events::of(tool).map(Events::share_lost),
    })
}

/// CPU time of a tool over a stretch of time.
#[derive(Debug)]
pub(super) struct Meter {
    since: Instant,
    used: Duration,
}

impl Meter {
    pub(super) fn start(process: &Spawned) -> Self {
        Self {
            since: Instant::now(),
            used: process.cpu_time(),
        }
    }

    /// Share of one CPU since [`Self::start`].
    pub(super) fn share(&self, process: &Spawned) -> f64 {
        let used = process.cpu_time().saturating_sub(self.used);
        used.as_secs_f64() / self.since.elapsed().as_secs_f64()
    }
}
