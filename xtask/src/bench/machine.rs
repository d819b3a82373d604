//! What the figures were measured on.

use std::fs;
use std::process::Command;

use super::setting::Setting;
use crate::{step, workspace};

/// Names and values for the report's head.
pub(super) fn describe(setting: &Setting, quick: bool) -> Vec<(&'static str, String)> {
    let placement = setting.placement;
    let mut lines = vec![
        ("date", date()),
        ("kernel", first_line("/proc/sys/kernel/osrelease")),
        ("cpu", cpu()),
        ("load average", first_line("/proc/loadavg")),
        (
            "placement",
            format!(
                "workload on CPU {}, tools on CPU {}, {}",
                placement.workload_cpu,
                placement.tool_cpu,
                if placement.real_time {
                    "SCHED_FIFO and SCHED_RR, priority 10"
                } else {
                    "real-time priority not permitted: expect noise"
                }
            ),
        ),
        ("commit", commit()),
    ];
    lines.push(("pace", if quick { "quick" } else { "full" }.to_owned()));
    lines
}

fn date() -> String {
    step::output_of(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(workspace::root());
    step::output_of(&mut git).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Model, number of CPUs, and whether a hypervisor is under them.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let model = field("model name").unwrap_or("unknown");
    let cpus = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let guest = field("flags").is_some_and(|flags| flags.split(' ').any(|f| f == "hypervisor"));
    let guest = if guest { ", virtual machine" } else { "" };
    format!("{model}, {cpus} CPUs{guest}")
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
