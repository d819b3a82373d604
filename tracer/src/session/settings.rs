//! From a plan to what the programs are loaded with.

use tracer_common::capture::MAX_SYSCALLS;

use super::plan::{CallStacks, Capture, Plan};
use super::target::Target;
use crate::bpf::{Constants, Group, Sizes};
use crate::syscall::{capture, filter};

/// Constants of the programs.
pub(super) fn constants(plan: &Plan, target: &Target) -> Constants {
    let mut constants = Constants {
        target_all: matches!(target, Target::All),
        ..Constants::default()
    };
    if let (Target::Processes(processes), false) = (target, plan.follow)
        && let [only] = &processes[..]
    {
        constants.target_tgid = only.pid;
    }
    for capture in &plan.captures {
        match capture {
            Capture::SyscallStream {
                syscalls,
                string_limit,
                goroutines,
                stacks,
                copied,
                environments,
            } => {
                constants.string_limit = *string_limit;
                constants.want_goid = *goroutines;
                constants.want_call_stack = *stacks == CallStacks::All;
                constants.want_slow_stack = matches!(stacks, CallStacks::Slow(_));
                constants.capture_rules = capture::rules_of(copied, *environments);
                add_words(&mut constants.syscalls, syscalls);
            }
            Capture::SyscallStats { syscalls } => add_words(&mut constants.syscalls, syscalls),
            Capture::Samples {
                kernel,
                user,
                creators,
                ..
            } => {
                constants.want_creator = *creators;
                constants.want_kernel_stack = *kernel;
                constants.want_user_stack = *user;
            }
            Capture::OffCpu {
                kernel,
                user,
                blocked,
            } => {
                constants.want_kernel_stack = *kernel;
                constants.want_user_stack = *user;
                constants.min_block_ns = *blocked.start();
                constants.max_block_ns = *blocked.end();
            }
            Capture::Wakers => constants.want_wakers = true,
            Capture::OnCpu => constants.want_on_cpu = true,
            Capture::Ends => constants.want_last_place = true,
            Capture::RunQueue
            | Capture::GoSchedule
            | Capture::GoGc
            | Capture::GoStops
            | Capture::GoWaits => {}
            Capture::GoCreations
            | Capture::GoFirstRuns
            | Capture::GoAssists
            | Capture::GoAssistWaits
            | Capture::GoHandoffs => {}
        }
    }
    constants
}

fn add_words(words: &mut [u64; 9], set: &filter::SyscallSet) {
    for nr in set.iter() {
        if let Some(word) = words.get_mut(nr as usize / 64) {
            *word |= 1 << (nr % 64);
        }
    }
    // Numbers beyond the table belong to no class and have no name: they are traced when
    // everything is.
    if set.contains(MAX_SYSCALLS) {
        words[8] = u64::MAX;
    }
}

/// Sizes of the maps.
pub(super) fn sizes(plan: &Plan, unwinding: bool) -> Sizes {
    let has = |group| plan.captures.iter().any(|c| c.group() == group);
    Sizes {
        ring_bytes: plan.ring_size(),
        off_cpu: has(Group::OffCpu),
        wakers: has(Group::Wakers),
        on_cpu: has(Group::OnCpu),
        syscall_stats: has(Group::SyscallStats),
        run_queue: has(Group::RunQueue),
        go_stop: has(Group::GoStop),
        go_waits: has(Group::GoWaits),
        go_creation: has(Group::GoCreation),
        go_assists: has(Group::GoAssist),
        go_handoffs: has(Group::GoHandoff),
        slow_calls: matches!(plan.call_stacks(), CallStacks::Slow(_)),
        unwinding,
    }
}
