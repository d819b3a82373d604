//! User stacks with unwind tables: whether a run needs them, and what becomes of the targets.

use tracer_common::unwind::{Node, UnwindProcess};

use super::plan::{Plan, StackWalk};
use super::target::Target;
use crate::bpf::{BpfError, Kernel};
use crate::term;
use crate::unwind::{NodeStore, Tables};

/// The tables of a run. Faults of the maps cost stacks their callers, and nothing else: the first
/// is kept to be told.
#[derive(Debug, Default)]
pub(super) struct Unwinding {
    tables: Tables,
    fault: Option<String>,
}

impl NodeStore for Kernel {
    type Error = BpfError;

    fn set_node(&mut self, node: u32, words: &Node) -> Result<(), BpfError> {
        self.set_unwind_node(node, words)
    }

    fn set_process(&mut self, tgid: u32, process: UnwindProcess) -> Result<(), BpfError> {
        self.set_unwind_process(tgid, process)
    }
}

impl Unwinding {
    /// `None` when the stacks of all targets follow frame pointers: by choice, or since there are no
    /// tables for the targets' code.
    pub(super) fn prepare(plan: &Plan, target: &Target) -> Option<Self> {
        let possible = cfg!(target_arch = "x86_64") && plan.walks_user_stacks();
        if !possible || plan.stack_walk == StackWalk::Pointers {
            return None;
        }
        let mut this = Self::default();
        let open_ended = plan.follow || plan.stack_walk == StackWalk::Tables;
        // What a command maps is known once it runs.
        let unknown = matches!(target, Target::All | Target::Launched { .. });
        let mut pids = target.pids().into_iter();
        let needed = open_ended || unknown || pids.any(|pid| this.tables.are_needed_by(pid));
        needed.then_some(this)
    }

    /// Reads a process's mappings, and its files if they are new.
    pub(super) fn add(&mut self, pid: u32, kernel: &mut Kernel) {
        let added = self.tables.add(pid, kernel);
        self.note(added);
    }

    /// A child has its parent's memory.
    pub(super) fn forked(&mut self, parent: u32, child: u32, kernel: &mut Kernel) {
        let added = self.tables.forked(parent, child, kernel);
        self.note(added);
    }

    /// A process is gone.
    pub(super) fn ended(&mut self, pid: u32) {
        self.tables.ended(pid);
    }

    /// Reads processes again in which a stack led out of what is known: they loaded libraries, or
    /// were not known at all.
    pub(super) fn refresh(&mut self, kernel: &mut Kernel) {
        let refreshed = match kernel.unwind_unmapped() {
            Ok(unmapped) => self.tables.refresh(&unmapped, kernel),
            Err(error) => Err(error),
        };
        self.note(refreshed);
    }

    fn note(&mut self, result: Result<(), BpfError>) {
        if let Err(error) = result {
            self.fault.get_or_insert_with(|| error.to_string());
        }
    }

    /// What limits the stacks, one line each.
    pub(super) fn notices(&self, verbose: bool) -> Vec<String> {
        let stats = self.tables.stats();
        let mut notices = Vec::new();
        if verbose {
            let mib = stats.bytes as f64 / f64::from(1 << 20);
            notices.push(format!("unwind tables: {mib:.1} MiB"));
        }
        if stats.too_many != 0 {
            let files = term::plural(stats.too_many, "file", "files");
            notices.push(format!(
                "the unwind tables of {files} do not fit in 64 MiB: their stacks follow frame \
                 pointers"
            ));
        }
        if stats.partial != 0 {
            let files = term::plural(stats.partial, "file", "files");
            notices.push(format!(
                "the unwind tables of {files} are incomplete: too large, or damaged"
            ));
        }
        notices.extend(
            self.fault
                .as_ref()
                .map(|fault| format!("some stacks follow frame pointers: {fault}")),
        );
        notices
    }
}
