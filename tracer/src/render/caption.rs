//! What stands above a picture of stacks.

use crate::report::{HeapShown, ProfileRun, StackProfile, StackTree, Unit, WallProfile};
use crate::term::{self, printable};

/// Texts around a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caption {
    pub(super) title: String,
    /// Targets, duration and losses.
    pub(super) subtitle: String,
}

impl Caption {
    /// What the profile is and covers.
    pub(super) fn of(profile: &StackProfile) -> Self {
        let (title, amount) = match profile {
            StackProfile::OnCpu(on_cpu) => {
                let rate = match on_cpu.sample_hz {
                    0 => String::new(),
                    hz => format!(" at {hz} Hz"),
                };
                let samples = on_cpu.samples;
                match &on_cpu.event {
                    Some(event) => ("Samples", format!("{samples} of {}", printable(event))),
                    None => ("CPU time", format!("{samples} samples{rate}")),
                }
            }
            StackProfile::OffCpu(off_cpu) => ("Blocked time", format!("{} waits", off_cpu.count)),
            StackProfile::Wall(wall) => ("Wall-clock time", all_time(wall)),
            StackProfile::Goroutines(goroutines) => (
                "Goroutine time by wait reason",
                format!("{} looks", goroutines.looks),
            ),
            StackProfile::Heap(heap) => {
                let (objects, bytes) = heap.shown.of(&heap.amounts);
                let title = match heap.shown {
                    HeapShown::InUse => "Go heap in use",
                    HeapShown::Allocated => "Go heap allocated",
                };
                let amount = format!("{}, {objects} objects", term::bytes(bytes));
                (title, amount)
            }
        };
        Self {
            title: title.to_owned(),
            subtitle: subtitle(&amount, profile.run(), profile.tree()),
        }
    }

    /// Both in one line.
    pub(super) fn line(&self) -> String {
        format!("{}, {}", self.title, self.subtitle)
    }
}

/// How much of the time of all threads was found.
fn all_time(wall: &WallProfile) -> String {
    let accounted = match wall.elapsed_ns {
        0 => 0.0,
        ns => 100.0 * wall.accounted.sum_ns() as f64 / ns as f64,
    };
    format!("{} threads, {accounted:.1}% accounted", wall.threads.len())
}

fn subtitle(amount: &str, run: &ProfileRun, tree: &StackTree) -> String {
    let target = match &run.pids[..] {
        [] => printable(&run.command.join(" ")).into_owned(),
        [pid] => format!("pid {pid}"),
        pids => format!("{} processes", pids.len()),
    };
    let mut subtitle = match run.duration_ns {
        // One look.
        0 if tree.unit == Unit::Bytes => amount.to_owned(),
        ns => format!("{amount}, {:.2} s", ns as f64 / 1e9),
    };
    if !target.is_empty() {
        subtitle = format!("{target}: {subtitle}");
    }
    if run.lost > 0 {
        subtitle.push_str(&format!(", {} lost", run.lost));
    }
    if tree.nodes.is_empty() {
        subtitle.push_str(", no stacks");
    }
    subtitle
}
