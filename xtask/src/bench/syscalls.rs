//! What each system call of the target costs more while it is traced.

use anyhow::Result;

use super::figures::{Figure, Target};
use super::load::{Load, Place, Program};
use super::peers::{PEERS, Purpose};
use super::report::Part;
use super::rounds::{Rounds, Statistic};
use super::sections::Pace;
use super::setting::Setting;

/// Our count may cost this many times what two empty BPF programs cost.
const OVER_EMPTY: Target = Target::AtMost(1.8);

/// strace's count costs this many times ours.
const UNDER_STRACE: Target = Target::AtLeast(50.0);

/// What is measured.
const KINDS: &[&str] = &["C getppid", "C read", "C openat", "Go read"];

/// What may be added to a call: kind, by what, more than by what else, in ns.
const ADDED: &[(&str, &str, Option<&str>, f64)] = &[
    ("C getppid", "tracer-lines", None, 500.0),
    ("C openat", "tracer-lines", None, 900.0),
    ("Go read", "tracer-goroutines", Some("tracer-lines"), 300.0),
];

/// The comparisons, by id: over, under, target.
const RATIOS: &[(&str, &str, Option<Target>)] = &[
    ("tracer-count", "empty_bpf_pair", Some(OVER_EMPTY)),
    ("tracer-filter", "empty_bpf_pair", None),
    ("strace-count", "tracer-count", Some(UNDER_STRACE)),
    ("strace-count-same-cpu", "tracer-count", Some(UNDER_STRACE)),
    ("perf-trace-count", "tracer-count", None),
    ("bpftrace-count", "tracer-count", None),
    ("libbpf-syscount", "tracer-count", None),
    ("strace-lines", "tracer-lines", None),
    ("strace-lines-same-cpu", "tracer-lines", None),
    ("perf-trace-lines", "tracer-lines", None),
];

/// Measures all that watch system calls on a C and a Go program.
///
/// # Errors
/// The workloads do not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let programs = [
        Program {
            path: setting.c("bench_loop"),
            kinds: vec!["getppid", "read", "openat"],
            prefix: "C ",
            place: Place::Pinned,
        },
        Program {
            path: setting.go("benchloop"),
            kinds: vec!["read"],
            prefix: "Go ",
            place: Place::Pinned,
        },
    ];
    let rounds = Rounds::run(setting, pace, &loads(setting), &programs, Statistic::P10)?;
    let mut part =
        Part::new("added time per system call (each run's p10 over chunks of 2000 calls)");
    part.tables.push(rounds.table("ns per call", KINDS));
    part.figures = KINDS
        .iter()
        .flat_map(|kind| ratios(&rounds, kind))
        .collect();
    part.figures
        .extend(ADDED.iter().filter_map(|(kind, by, than, limit)| {
            rounds.added_ns(kind, label(by), than.map(label), Target::AtMost(*limit))
        }));
    part.notes = rounds.notes();
    part.notes.push(
        "strace --seccomp-bpf leaves calls it does not trace alone: that beats every tracepoint"
            .to_owned(),
    );
    Ok(part)
}

/// The baseline comes twice a round: everything is compared with it.
fn loads(setting: &Setting) -> Vec<Load> {
    let mut all = vec![Load::Baseline, Load::EmptyPair];
    for purpose in [Purpose::Count, Purpose::Lines, Purpose::Filter] {
        all.extend(setting.loads(|peer| peer.purpose == purpose));
    }
    all.insert(all.len() / 2, Load::Baseline);
    all
}

fn ratios(rounds: &Rounds, kind: &str) -> Vec<Figure> {
    let ratios = RATIOS.iter();
    ratios
        .filter_map(|(over, under, target)| {
            rounds.ratio_of_added(kind, label(over), label(under), *target)
        })
        .collect()
}

/// The label of the row `id`.
fn label(id: &str) -> &str {
    let peer = PEERS.iter().find(|peer| peer.id == id);
    peer.map_or("empty BPF pair", |peer| peer.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_names_rows_that_exist() {
        let added = ADDED
            .iter()
            .flat_map(|(_, by, than, _)| [Some(by), than.as_ref()]);
        let compared = RATIOS.iter().flat_map(|(over, under, _)| [over, under]);
        for id in compared.chain(added.flatten()) {
            let known = PEERS.iter().any(|peer| peer.id == *id);
            assert!(known || *id == "empty_bpf_pair", "{id}");
        }
        assert_eq!(label("empty_bpf_pair"), Load::EmptyPair.label());
    }
}
