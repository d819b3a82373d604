//! What the lines look like and which there are.

use super::clock::{Precision, Timestamp};
use crate::syscall::filter::SyscallSet;
use crate::syscall::print::DecodeOptions;
use crate::syscall::qualify::{DescriptorSet, QuietSet, SignalSet, Status, StatusSet};
use crate::syscall::slow::SlowCalls;

/// What the lines look like and which there are.
#[derive(Clone, Debug)]
pub struct LineOptions {
    /// How calls are printed.
    pub decode: DecodeOptions,
    /// `-a`: column of the result.
    pub column: usize,
    /// `-t`: when.
    pub timestamp: Option<Timestamp>,
    /// `-r`: time since the line before.
    pub relative: Option<Precision>,
    /// `-T`: duration of each call.
    pub durations: Option<Precision>,
    /// Who made the call.
    pub prefix: Prefix,
    /// `-n`: the number of the call.
    pub numbers: bool,
    /// `--instruction-pointer`: where the call was made.
    pub instruction_pointer: bool,
    /// `-k`: the stack of each call.
    pub stacks: bool,
    /// `-Y`: names of threads after their ids.
    pub comms: bool,
    /// `--color`
    pub color: bool,
    /// `--syscall-limit`: calls after which all is let go; 0 for no limit.
    pub limit: u64,
    /// Children are followed: they count for the prefix from their birth.
    pub follow: bool,
    /// Goroutine id in the prefix.
    pub goroutines: bool,
    /// Calls to show.
    pub calls: SyscallSet,
    /// `-e status=`: calls to show by how they ended.
    pub statuses: StatusSet,
    /// `-e signal=`: signals to show.
    pub signals: SignalSet,
    /// `-q`: messages to leave out.
    pub quiet: QuietSet,
    /// `-P`: only calls about these paths, when there are any.
    pub paths: Vec<String>,
    /// `-e read=`: descriptors whose input is dumped.
    pub dump_input: DescriptorSet,
    /// `-e write=`: descriptors whose output is dumped.
    pub dump_output: DescriptorSet,
    /// `-b execve`: a process that runs another program is let go.
    pub detach_on_execve: bool,
    /// Calls to show by duration, in ns.
    pub min_time_ns: u64,
    /// Instead of all calls the longest, as many as this, at the end.
    pub slowest: usize,
    /// Told how long a call must last to be one of those.
    pub slow_calls: Option<SlowCalls>,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            decode: DecodeOptions::default(),
            column: 40,
            timestamp: None,
            relative: None,
            durations: None,
            prefix: Prefix::WhenSeveral,
            numbers: false,
            instruction_pointer: false,
            stacks: false,
            comms: false,
            color: false,
            limit: 0,
            follow: false,
            goroutines: false,
            calls: SyscallSet::ALL,
            statuses: StatusSet::ALL,
            signals: SignalSet::ALL,
            quiet: QuietSet::NONE,
            paths: Vec::new(),
            dump_input: DescriptorSet::default(),
            dump_output: DescriptorSet::default(),
            detach_on_execve: false,
            min_time_ns: 0,
            slowest: 0,
            slow_calls: None,
        }
    }
}

impl LineOptions {
    /// Whether calls are shown that have no result, and so no duration.
    pub(in crate::render) const fn shows_endless_calls(&self) -> bool {
        self.statuses.contains(Status::Unfinished) && self.min_time_ns == 0 && self.slowest == 0
    }

    /// Whether lines wait for the end of their call.
    pub(in crate::render) fn whole_lines(&self) -> bool {
        self.statuses != StatusSet::ALL || self.min_time_ns > 0 || self.slowest > 0
    }
}

/// Thread id in front of each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    Never,
    /// `[pid 123] ` while more than one thread is traced: strace on a terminal.
    #[default]
    WhenSeveral,
    /// `[pid 123] ` on every line.
    Always,
    /// `123 ` on every line: strace with `-f -o FILE`.
    Bare,
}
