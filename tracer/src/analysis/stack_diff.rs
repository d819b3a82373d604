//! What changed between two profiles.

use std::collections::HashMap;

use serde::Serialize;

use super::function_totals;
use crate::report::{Frame, FunctionTotal, StackProfile};

/// Two profiles of one kind, in percent of the time each covers: of one CPU on the CPU, of one
/// thread off it. So a longer recording is no growth, and more work is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StackDiff {
    pub before_percent: f64,
    pub after_percent: f64,
    /// Greatest change of own time first, in either direction.
    pub functions: Vec<FunctionChange>,
}

/// One function before and after, in percent of the time covered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionChange {
    #[serde(flatten)]
    pub frame: Frame,
    #[serde(rename = "self_before_percent")]
    pub own_before: f64,
    #[serde(rename = "self_after_percent")]
    pub own_after: f64,
    #[serde(rename = "total_before_percent")]
    pub total_before: f64,
    #[serde(rename = "total_after_percent")]
    pub total_after: f64,
}

impl FunctionChange {
    /// Growth of own time, in percentage points.
    #[must_use]
    pub fn own_change(&self) -> f64 {
        self.own_after - self.own_before
    }

    /// Growth of total time, in percentage points.
    #[must_use]
    pub fn total_change(&self) -> f64 {
        self.total_after - self.total_before
    }
}

impl StackDiff {
    /// Compares.
    #[must_use]
    pub fn of(before: &StackProfile, after: &StackProfile) -> Self {
        let (scale_before, scale_after) = (percent_of_one(before), percent_of_one(after));
        let mut changes: HashMap<Frame, FunctionChange> = HashMap::new();
        for FunctionTotal { frame, own, total } in function_totals(before.tree()) {
            let change = changes.entry(frame.clone()).or_insert_with(|| none(frame));
            change.own_before = own as f64 * scale_before;
            change.total_before = total as f64 * scale_before;
        }
        for FunctionTotal { frame, own, total } in function_totals(after.tree()) {
            let change = changes.entry(frame.clone()).or_insert_with(|| none(frame));
            change.own_after = own as f64 * scale_after;
            change.total_after = total as f64 * scale_after;
        }
        let mut functions: Vec<FunctionChange> = changes.into_values().collect();
        functions.sort_by(|a, b| {
            let sizes = |c: &FunctionChange| (c.own_change().abs(), c.total_change().abs());
            let ((own_a, total_a), (own_b, total_b)) = (sizes(a), sizes(b));
            let order = own_b.total_cmp(&own_a).then(total_b.total_cmp(&total_a));
            order.then_with(|| a.frame.cmp(&b.frame))
        });
        Self {
            before_percent: before.tree().total() as f64 * scale_before,
            after_percent: after.tree().total() as f64 * scale_after,
            functions,
        }
    }
}

/// By what values of `before` are to be multiplied to cover as much time as those of `after`.
#[must_use]
pub fn scale_to(before: &StackProfile, after: &StackProfile) -> f64 {
    percent_of_one(before) / percent_of_one(after)
}

fn none(frame: Frame) -> FunctionChange {
    FunctionChange {
        frame,
        own_before: 0.0,
        own_after: 0.0,
        total_before: 0.0,
        total_after: 0.0,
    }
}

/// Percent of the time covered for which a value of 1 stands. A profile that does not say how long
/// it took covers what it has.
fn percent_of_one(profile: &StackProfile) -> f64 {
    let covered = match profile {
        StackProfile::OnCpu(on_cpu) => {
            on_cpu.run.duration_ns as f64 / 1e9 * f64::from(on_cpu.sample_hz)
        }
        of_time => of_time.run().duration_ns as f64,
    };
    let total = profile.tree().total().max(1) as f64;
    100.0 / if covered > 0.0 { covered } else { total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{FrameKind, OnCpuProfile, ProfileRun, StackTreeBuilder, Unit};

    fn profile(seconds: u64, stacks: &[(&str, u64)]) -> StackProfile {
        let mut builder = StackTreeBuilder::new(Unit::Samples);
        for (stack, value) in stacks {
            let frame = |name: &str| Frame {
                name: name.to_owned(),
                module: None,
                kind: FrameKind::Native,
                inlined: false,
                file: None,
                line: None,
                code: None,
            };
            let frames: Vec<Frame> = stack.split(';').map(frame).collect();
            builder.add(&frames, *value);
        }
        let tree = builder.finish();
        StackProfile::OnCpu(OnCpuProfile {
            run: ProfileRun {
                duration_ns: seconds * 1_000_000_000,
                ..ProfileRun::default()
            },
            samples: tree.total(),
            sample_hz: 100,
            event: None,
            truncated: 0,
            user_missing: 0,
            threads: Vec::new(),
            creators: Vec::new(),
            cpus: Vec::new(),
            by_thread: Vec::new(),
            functions: function_totals(&tree),
            tree,
        })
    }

    #[test]
    fn a_longer_recording_is_no_growth() {
        let before = profile(10, &[("main;f", 200), ("main;g", 100)]);
        let after = profile(20, &[("main;f", 400), ("main;g", 600), ("main;h", 2)]);
        let diff = StackDiff::of(&before, &after);
        assert!((diff.before_percent - 30.0).abs() < 1e-9);
        assert!((diff.after_percent - 50.1).abs() < 1e-9);
        assert!((scale_to(&before, &after) - 2.0).abs() < 1e-9);
        let rows: Vec<_> = diff
            .functions
            .iter()
            .map(|c| {
                (
                    c.frame.name.as_str(),
                    (c.own_change() * 10.0).round() as i64,
                )
            })
            .collect();
        assert_eq!(rows, [("g", 200), ("h", 1), ("main", 0), ("f", 0)]);
        assert!((diff.functions[2].total_change() - 20.1).abs() < 1e-9);
    }

    #[test]
    fn what_is_gone_has_shrunk() {
        let before = profile(0, &[("f", 1)]);
        let after = profile(0, &[]);
        let diff = StackDiff::of(&before, &after);
        assert_eq!(diff.functions[0].own_change(), -100.0);
        assert_eq!(diff.after_percent, 0.0);
    }
}
