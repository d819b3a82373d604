//! What may be typed after `tracer strace`.

use std::time::Duration;

use clap::builder::Resettable;
use clap::{ArgAction, Args};

use super::flight::{Flight, parse_flight};
use super::tips::{Tips, parse_tips};
use super::view::{CountView, LineView};
use crate::cli::{OutputArgs, TargetArgs};
use crate::commands::profile::StackArgs;
use crate::term::parse_duration;

const EXAMPLES: &str = "\
Examples:
  tracer strace -p 812                     every call of all threads of process 812
  tracer strace -p 812 -e trace=%net -T    network calls only, with their durations
  tracer strace -f -o log -- make          a command and its children, into a file
  tracer strace -c -d 10s -p 812           a table: calls, errors, time
  tracer strace -c -U calls,p50,p99,max,name -d 10s -p 812
                                           the same with latency percentiles
  tracer strace -c --by path -d 10s -p 812
                                           the same by file; or function, fd, peer, thread
  tracer strace -yy -Z -p 812              calls that fail, with files and addresses
  tracer strace --min-time 10ms -p 812     slow calls only; --slowest 5: the longest, with stacks
  tracer strace --goroutines -p 812        each line with its goroutine and the function of the
                                           program that called (Go programs)
  tracer strace --flight 10s -o log -p 812 always on: nothing is written until 812 crashes, or
                                           `pkill -USR1 -x tracer`; then the last 10 seconds
  tracer strace --format ndjson -p 812     each call as a JSON object, for jq and scripts:
    ... | jq -r 'select(.error == \"ENOENT\") | .args[] | select(.type == \"path\") | .value'
                                           files that were looked for and not found
    ... | jq -c 'select(.type == \"call\" and .duration_ns > 10e6) | [.tid, .syscall, .result]'
                                           calls that took more than 10 ms
    ... | jq -r 'select(.syscall == \"connect\") | .args[1].value.sin_addr // empty'
                                           where it connects to
";

const OVERHEAD: &str = "\
Overhead: -c about 0.25 microseconds a call; lines, --by and --slowest about 1; -k and --by
function, which take the stack of each call, about 2. No stop of the target, where strace stops it
twice a call. While it runs, every process on the host pays about 0.15 a call. A trace is to be
complete: more than 2 % is only told, and nothing detached, unless you give --max-overhead.

Options are those of strace, with these differences: -d is --duration and -i is --interval; -a
without a number is --all; what probes cost is --probe-costs, since -v is strace's. Lines go to
stdout, or to the file of -o; notices go to stderr. Times are wall clock in the call (strace -c shows
system CPU time without -w). Arguments that were not in memory at entry are read when the call ends;
what nobody read is shown as an address, and counted. -s shows at most 8176 bytes. What the objects of
--format json and ndjson look like: tracer schema strace, and of -c, tracer schema count.

--by function is the innermost function of the program's own: not of Go's runtime and standard
library, nor of the C library. Stacks follow frame pointers in Go code, and elsewhere unwind tables,
on x86-64; a program's files are read in its first milliseconds, and until then, or with --stacks fp,
code without frame pointers shows the function that calls the C library and not all of its callers.
--by path is the path in the arguments, or what the descriptor refers to. Beyond 10000 keys, calls
are counted as (other).";

/// Which system calls does it make, with what arguments, results and durations
#[derive(Clone, Debug, Args)]
#[command(
    version,
    before_help = EXAMPLES,
    after_help = OVERHEAD,
    args_override_self = true,
    infer_long_args = true,
    mut_arg("all", |a| a.short(Resettable::Reset)),
    mut_arg("quiet", |a| a.long(Resettable::Reset)),
    mut_arg("verbose", |a| a.short(Resettable::Reset).long("probe-costs").alias("debug")),
    mut_arg("pid", |a| a.alias("attach")),
    mut_arg("command", |a| a.last(false).trailing_var_arg(true))
)]
pub struct StraceArgs {
    #[command(flatten, next_help_heading = "Filtering")]
    pub filter: FilterArgs,
    #[command(flatten, next_help_heading = "Output format")]
    pub lines: LineView,
    #[command(flatten, next_help_heading = "Output format")]
    pub decode: DecodeArgs,
    #[command(flatten, next_help_heading = "Statistics")]
    pub statistics: StatisticsArgs,
    #[command(flatten, next_help_heading = "Statistics")]
    pub counts: CountView,
    #[command(flatten, next_help_heading = "Output")]
    pub output: OutputArgs,
    #[command(flatten, next_help_heading = "Output")]
    pub files: FileArgs,
    #[command(flatten, next_help_heading = "Startup")]
    pub startup: StartupArgs,
    #[command(flatten, next_help_heading = "Tracing")]
    pub tracing: TracingArgs,
    #[command(flatten, next_help_heading = "Tracing")]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub refused: RefusedArgs,
    #[command(flatten, next_help_heading = "Targets")]
    pub target: TargetArgs,
}

/// Which calls and signals.
#[derive(Clone, Debug, Args)]
pub struct FilterArgs {
    /// What to trace and how: trace=openat,%net,!close,/^read/; also signal, status, quiet, abbrev,
    /// verbose, raw, read, write, decode-fds
    #[arg(short = 'e', value_name = "EXPR", allow_hyphen_values = true)]
    pub expressions: Vec<String>,
    /// Calls to trace: names, numbers, %classes or /REGEX; as -e trace=SET
    #[arg(long, value_name = "SET")]
    pub trace: Option<String>,
    /// Signals to show
    #[arg(long, value_name = "SET", alias = "signals")]
    pub signal: Option<String>,
    /// Calls to show by how they ended: successful, failed, unfinished, detached
    #[arg(long, value_name = "SET")]
    pub status: Option<String>,
    /// Only calls about this path, or about descriptors that refer to it; may be repeated
    #[arg(short = 'P', long, value_name = "PATH")]
    pub trace_path: Vec<String>,
    /// Only calls that returned no error; unlike strace, -c counts these alone
    #[arg(short = 'z', long, overrides_with = "failed_only")]
    pub successful_only: bool,
    /// Only calls that returned an error; unlike strace, -c counts these alone
    #[arg(
        short = 'Z',
        long,
        alias = "failing-only",
        overrides_with = "successful_only"
    )]
    pub failed_only: bool,
    /// Only calls that took this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub min_time: Option<Duration>,
    /// Only the longest calls, as many as this, at the end, with their stacks
    #[arg(long, value_name = "N", conflicts_with_all = ["summary_only", "summary"])]
    pub slowest: Option<usize>,
    /// Messages to leave out: attach, exit, path-resolution, personality, thread-execve
    #[arg(id = "quiet_set", long = "quiet", visible_alias = "silent", alias = "silence", value_name = "SET", num_args = 0..=1, require_equals = true, default_missing_value = "attach,personality")]
    pub quiet: Option<String>,
}

/// What is shown of single calls.
#[derive(Clone, Debug, Args)]
pub struct DecodeArgs {
    /// What descriptors refer to: paths; twice: addresses of sockets, devices, processes, too
    #[arg(short = 'y', action = ArgAction::Count)]
    pub descriptors: u8,
    /// What to show of descriptors: path, socket, dev, pidfd or all
    #[arg(long, alias = "decode-fd", value_name = "SET", num_args = 0..=1, require_equals = true, default_missing_value = "path")]
    pub decode_fds: Option<String>,
    /// Calls whose structures are shortened
    #[arg(long, value_name = "SET")]
    pub abbrev: Option<String>,
    /// Calls whose structures are followed
    #[arg(id = "verbose_set", long = "verbose", value_name = "SET")]
    pub verbose: Option<String>,
    /// Calls whose arguments are shown as numbers
    #[arg(long, value_name = "SET")]
    pub raw: Option<String>,
    /// Names of processes and threads after their ids
    #[arg(short = 'Y')]
    pub decode_comm: bool,
    /// What to show of processes and threads: comm (as -Y), none or all; pidns is accepted: ids are
    /// always the host's
    #[arg(long, value_name = "SET")]
    pub decode_pids: Option<String>,
    /// Accepted as in strace: ids are always the host's
    #[arg(long, hide = true)]
    pub pidns_translation: bool,
    /// Descriptors whose input is dumped
    #[arg(long, value_name = "SET")]
    pub read: Option<String>,
    /// Descriptors whose output is dumped
    #[arg(long, value_name = "SET")]
    pub write: Option<String>,
}

/// Tables instead of lines.
#[derive(Clone, Debug, Args)]
pub struct StatisticsArgs {
    /// Count time, calls and errors for each syscall, and print a table at the end
    #[arg(short = 'c', long)]
    pub summary_only: bool,
    /// As -c, and print the lines, too
    #[arg(short = 'C', long, conflicts_with = "summary_only")]
    pub summary: bool,
    /// Print and start over every TIME (with -c)
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, requires = "summary_only")]
    pub interval: Option<Duration>,
}

/// More on files.
#[derive(Clone, Debug, Args)]
pub struct FileArgs {
    /// Add to the file of -o
    #[arg(short = 'A', long)]
    pub output_append_mode: bool,
    /// A file for each thread: FILE.TID; so does -ff
    #[arg(long)]
    pub output_separately: bool,
    /// Keep the last TIME in memory, and write it when a process ends by a signal or with a status
    /// that is not 0, on SIGUSR1 to the tracer, and at the end, as lines or JSON; in at most SIZE,
    /// 64M unless given
    #[arg(long, value_name = "TIME[,SIZE]", value_parser = parse_flight, conflicts_with_all = ["summary_only", "summary", "slowest", "detach_on", "syscall_limit"])]
    pub flight: Option<Flight>,
}

/// How the command is launched.
#[derive(Clone, Debug, Args)]
pub struct StartupArgs {
    /// Put VAR=VALUE into the command's environment; VAR alone removes it
    #[arg(short = 'E', long = "env", value_name = "VAR[=VALUE]")]
    pub env: Vec<String>,
    /// Run the command as this user, with the user's groups
    #[arg(short = 'u', long, value_name = "USER")]
    pub user: Option<String>,
}

/// How tracing goes on and ends.
#[derive(Clone, Debug, Args)]
pub struct TracingArgs {
    /// Let a process go when it executes another program
    #[arg(short = 'b', long, value_name = "SYSCALL", value_parser = ["execve"])]
    pub detach_on: Option<String>,
    /// Signals that end the trace: 1 or 2, all; 3 or 4, none (never)
    #[arg(short = 'I', long, value_name = "WHEN", value_parser = parse_interruptible)]
    pub interruptible: Option<Interruptible>,
    /// Let all targets go after as many calls as this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "summary_only")]
    pub syscall_limit: Option<u64>,
    /// A tip at the end: [ID][,none|compact|full]
    #[arg(long, value_name = "TIP", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = parse_tips)]
    pub tips: Option<Tips>,
    /// Accepted as in strace; untraced calls cost no stop here anyway
    #[arg(long, hide_short_help = true)]
    pub seccomp_bpf: bool,
}

/// When SIGINT and SIGTERM end the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruptible {
    Always,
    Never,
}

fn parse_interruptible(text: &str) -> Result<Interruptible, String> {
    match text {
        "1" | "anywhere" | "2" | "waiting" => Ok(Interruptible::Always),
        "3" | "never" | "4" | "never_tstp" => Ok(Interruptible::Never),
        _ => Err("use 1 (anywhere), 2 (waiting), 3 (never) or 4 (never_tstp)".to_owned()),
    }
}

/// Options of strace that are refused, with the reason.
#[derive(Clone, Debug, Args)]
pub struct RefusedArgs {
    #[arg(id = "daemonize_count", short = 'D', hide = true, action = ArgAction::Count)]
    pub daemonize_count: u8,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub daemonize: Option<String>,
    #[arg(long, hide = true, value_name = "SET")]
    pub inject: Option<String>,
    #[arg(long, hide = true, value_name = "SET")]
    pub fault: Option<String>,
    #[arg(long, hide = true, value_name = "SET")]
    pub kvm: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub secontext: Option<String>,
}

const NO_CHANGE: &str = "tracer never changes what its target does";

impl RefusedArgs {
    /// The first option given, and why it is refused.
    pub(super) fn reason(&self) -> Option<(&'static str, &'static str)> {
        let refused = [
            (
                self.daemonize_count > 0 || self.daemonize.is_some(),
                "-D/--daemonize",
                "tracer is no parent that its target could notice; put it in the background with &",
            ),
            (self.inject.is_some(), "--inject", NO_CHANGE),
            (self.fault.is_some(), "--fault", NO_CHANGE),
            (self.kvm.is_some(), "--kvm", KVM),
            (
                self.secontext.is_some(),
                "--secontext",
                "security contexts are not read; `ls -Z` and `ps -Z` show them",
            ),
        ];
        let found = refused.into_iter().find(|(given, ..)| *given);
        found.map(|(_, option, why)| (option, why))
    }
}

/// Why exits of virtual CPUs are not shown.
pub(super) const KVM: &str =
    "exits of virtual CPUs are read from memory that only a debugger could map";
/// Why no faults are injected.
pub(super) const INJECTION: &str = NO_CHANGE;
