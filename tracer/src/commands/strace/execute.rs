//! From the options to a plan and its sinks.

use super::args::{Interruptible, StraceArgs};
use super::destination::Destination;
use super::expression::Expressions;
use super::flight::flight_sink;
use super::json::{check_json, json_format};
use super::tips::Tips;
use super::view::{MAX_STRING_LIMIT, count_format, live_sink};
use crate::commands::execute::{Exit, capture};
use crate::cost::Policy;
use crate::error::ExpectedError;
use crate::process::tracked_calls;
use crate::render::call_group::GroupBy;
use crate::render::call_times::CallTimes;
use crate::render::strace_line::{LineOptions, Prefix};
use crate::session::{CallStacks, Capture, LaunchSetup, Plan, TargetSpec, User};
use crate::sink::Sink;
use crate::syscall::filter::SyscallSet;
use crate::syscall::qualify::{DescriptorDetails, Message, QuietSet, StatusSet};
use crate::syscall::slow::SlowCalls;
use crate::syscall::table;
use crate::term::{self, Color, Terminal};

impl StraceArgs {
    pub(in crate::commands) fn execute(mut self) -> anyhow::Result<Exit> {
        if let Some((option, why)) = self.refused.reason() {
            let text = format!("{option} is not supported: {why}");
            return Err(ExpectedError::Usage(text).into());
        }
        // `-a` without a column.
        if self.lines.columns.is_some_and(|c| c.0.is_none()) {
            self.target.all = true;
        }
        let statistics = &self.statistics;
        if !statistics.summary_only && !statistics.summary {
            if self.counts.by.is_some() {
                let text = "--by is about the table of -c or -C: give one of them";
                return Err(ExpectedError::Usage(text.to_owned()).into());
            }
            self.counts.check_without_table()?;
        }
        let expressions = self.expressions()?;
        if self.statistics.summary_only && !chooses_by_event(&self, &expressions) {
            return self.kernel_counts(&expressions);
        }
        let destination = self.destination()?;
        if self.lines.string_limit > MAX_STRING_LIMIT {
            let limit = self.lines.string_limit;
            self.notice(&format!(
                "-s {limit}: the first {MAX_STRING_LIMIT} bytes of a buffer are copied; what is \
                 longer ends in ..."
            ));
        }
        let options = self.line_options(&expressions)?;
        let json = !self.statistics.summary_only && json_format(&self.output)?.is_some();
        if json {
            check_json(&self, &options, &destination)?;
        }
        let mut plan = self.plan(vec![self.stream(&options)], "strace")?;
        plan.go_optional = true;
        plan.interval = self.statistics.interval;
        let options = match json {
            true => self.followed(options, &plan, expressions.quiet),
            false => self.styled(options, &plan, &destination, expressions.quiet),
        };
        let sinks = self.stream_sinks(options, &destination)?;
        let exit = capture(&plan, sinks);
        if let Some(line) = self.tracing.tips.and_then(Tips::line) {
            self.notice(&format!("tip: {line}"));
        }
        exit
    }

    fn expressions(&self) -> Result<Expressions, ExpectedError> {
        let mut expressions = Expressions::new(&self.filter)?;
        let decode = &self.decode;
        let long = [
            ("abbrev", &decode.abbrev),
            ("verbose", &decode.verbose),
            ("raw", &decode.raw),
            ("read", &decode.read),
            ("write", &decode.write),
            ("decode-fds", &decode.decode_fds),
            ("decode-pids", &decode.decode_pids),
        ];
        for (key, set) in long {
            if let Some(set) = set {
                expressions.add(key, set)?;
            }
        }
        Ok(expressions)
    }

    /// The table alone, from sums that the kernel keeps.
    fn kernel_counts(&self, expressions: &Expressions) -> anyhow::Result<Exit> {
        let syscalls = expressions.trace.unwrap_or(SyscallSet::ALL);
        let destination = self.destination()?;
        let mut plan = self.plan(vec![Capture::SyscallStats { syscalls }], "strace -c")?;
        plan.interval = self.statistics.interval;
        let format = count_format(&self.output)?;
        let (writer, name) = destination.open(&self.output)?;
        let sink = self.counts.sink(format, writer, &name)?;
        capture(&plan, vec![Box::new(sink)])
    }

    fn destination(&self) -> Result<Destination, ExpectedError> {
        let files = &self.files;
        let separate = files.output_separately || self.target.follow_forks > 1;
        let statistics = &self.statistics;
        if separate
            && self.output.file().is_some()
            && (statistics.summary || statistics.summary_only)
        {
            return Err(ExpectedError::Usage(
                "a table (-c, -C) and a file for each thread (-ff) exclude each other: leave out \
                 one"
                .to_owned(),
            ));
        }
        let destination = Destination::new(&self.output, files.output_append_mode, separate)?;
        if files.output_append_mode && !destination.is_file() {
            self.notice("-A/--output-append-mode has no effect without -o/--output");
        }
        if files.output_separately && !destination.is_file() {
            self.notice("--output-separately has no effect without -o/--output");
        }
        Ok(destination)
    }

    fn notice(&self, text: &str) {
        if self.target.quiet == 0 {
            term::notice(text);
        }
    }

    fn plan(&self, captures: Vec<Capture>, kind: &str) -> Result<Plan, ExpectedError> {
        let mut plan = self.target.plan(captures, &[kind], Policy::Warn)?;
        plan.stack_walk = self.stacks.walk();
        plan.uninterruptible = self.tracing.interruptible == Some(Interruptible::Never);
        let startup = self.launch_setup()?;
        match &mut plan.target {
            TargetSpec::Launch { setup, .. } => *setup = startup,
            _ if startup != LaunchSetup::default() => {
                return Err(ExpectedError::Usage(
                    "-u and -E are about a command to launch: give one, or leave them out"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        Ok(plan)
    }

    fn launch_setup(&self) -> Result<LaunchSetup, ExpectedError> {
        let user = match &self.startup.user {
            None => None,
            Some(name) => Some(User::named(name).ok_or_else(|| {
                ExpectedError::Usage(format!(
                    "cannot find user '{name}'; use a name of this host"
                ))
            })?),
        };
        let variable = |text: &String| match text.split_once('=') {
            Some((name, value)) => (name.into(), Some(value.into())),
            None => (text.into(), None),
        };
        Ok(LaunchSetup {
            environment: self.startup.env.iter().map(variable).collect(),
            user,
        })
    }

    fn line_options(&self, expressions: &Expressions) -> Result<LineOptions, ExpectedError> {
        let mut options = self.lines.options();
        options.calls = expressions.trace.unwrap_or(SyscallSet::ALL);
        options.statuses = expressions.status.unwrap_or(StatusSet::ALL);
        if let Some(signals) = expressions.signal {
            options.signals = signals;
        }
        options.paths = self.paths(expressions.quiet);
        options.dump_input = expressions.read.clone();
        options.dump_output = expressions.write.clone();
        options.detach_on_execve = self.tracing.detach_on.is_some();
        let min_time = self.filter.min_time.unwrap_or_default();
        options.min_time_ns = u64::try_from(min_time.as_nanos()).unwrap_or(u64::MAX);
        options.slowest = self.filter.slowest.unwrap_or(0);
        options.stacks |= options.slowest > 0;
        if options.stacks && (options.slowest > 0 || options.min_time_ns > 0) {
            // The kernel reads its clock somewhat before or after the times of the events.
            let slow = SlowCalls::default();
            slow.raise(options.min_time_ns - options.min_time_ns / 8);
            options.slow_calls = Some(slow);
        }
        options.limit = self.tracing.syscall_limit.unwrap_or(0);
        options.comms = expressions.comms.unwrap_or(self.decode.decode_comm);
        let decode = &mut options.decode;
        decode.thread_names = options.comms;
        decode.abbrev = expressions.abbrev.unwrap_or(decode.abbrev);
        decode.verbose = expressions.verbose.unwrap_or(decode.verbose);
        decode.raw = expressions.raw.unwrap_or(decode.raw);
        decode.descriptors = match (expressions.decode_fds, self.decode.descriptors) {
            (Some(details), _) => details,
            (None, 0) => DescriptorDetails::NONE,
            (None, 1) => DescriptorDetails::PATH,
            (None, _) => DescriptorDetails::ALL,
        };
        decode.interface_names = true;
        decode.track_descriptors = !options.paths.is_empty();
        if matches!(self.target.follow_forks, 0) && self.target.all {
            options.follow = true;
        }
        Ok(options)
    }

    /// The paths of `-P`, and what they are without links.
    fn paths(&self, quiet: Option<QuietSet>) -> Vec<String> {
        let quiet = quiet.unwrap_or(QuietSet::of_count(self.target.quiet));
        let mut paths = Vec::new();
        for path in &self.filter.trace_path {
            paths.push(path.clone());
            let real = std::fs::canonicalize(path).ok();
            let real = real.and_then(|real| real.into_os_string().into_string().ok());
            if let Some(real) = real.filter(|real| real != path) {
                if !quiet.contains(Message::PathResolution) {
                    eprintln!("strace: Requested path \"{path}\" resolved into \"{real}\"");
                }
                paths.push(real);
            }
        }
        paths
    }

    /// What the kernel sends: the calls to show, and those from which the tables of descriptors are
    /// kept up to date.
    fn stream(&self, options: &LineOptions) -> Capture {
        let mut syscalls = options.calls;
        if options.decode.track_descriptors || !options.decode.descriptors.is_empty() {
            tracked_calls().for_each(|nr| syscalls.insert(nr));
        }
        if let (true, Some(nr)) = (options.detach_on_execve, table::by_name("execve")) {
            syscalls.insert(nr);
        }
        let by = self.counts.by;
        if by.is_some_and(GroupBy::follows_descriptors) {
            tracked_calls().for_each(|nr| syscalls.insert(nr));
        }
        let dumps = !options.dump_input.is_empty() || !options.dump_output.is_empty();
        Capture::SyscallStream {
            syscalls,
            string_limit: match (dumps, self.statistics.summary_only) {
                (_, true) => 0,
                (true, false) => MAX_STRING_LIMIT,
                (false, false) => self.lines.string_limit.min(MAX_STRING_LIMIT),
            },
            copied: self.copied(options),
            goroutines: self.lines.goroutines,
            stacks: self.stacks(options),
            environments: options.decode.shows_environments(),
        }
    }

    /// Calls of which more than the registers is needed.
    fn copied(&self, options: &LineOptions) -> SyscallSet {
        if !self.statistics.summary_only || !options.paths.is_empty() {
            return SyscallSet::ALL;
        }
        let by = self.counts.by;
        by.map_or(SyscallSet::NONE, GroupBy::calls_to_copy_from)
    }

    fn stacks(&self, options: &LineOptions) -> CallStacks {
        let grouped = self.counts.by.is_some_and(GroupBy::needs_stacks);
        match &options.slow_calls {
            _ if grouped || options.instruction_pointer => CallStacks::All,
            Some(slow) => CallStacks::Slow(slow.clone()),
            None if options.stacks => CallStacks::All,
            None => CallStacks::None,
        }
    }

    /// Objects look the same wherever they go.
    fn followed(&self, options: LineOptions, plan: &Plan, quiet: Option<QuietSet>) -> LineOptions {
        LineOptions {
            follow: options.follow || plan.follow,
            quiet: quiet.unwrap_or(QuietSet::of_count(self.target.quiet)),
            ..options
        }
    }

    /// As strace does: in a file each line names its thread when there can be several, and a
    /// command that is launched with its trace in a file says nothing of its processes.
    fn styled(
        &self,
        options: LineOptions,
        plan: &Plan,
        destination: &Destination,
        quiet: Option<QuietSet>,
    ) -> LineOptions {
        let to_file = destination.is_file();
        let launched = matches!(plan.target, TargetSpec::Launch { .. });
        let implied = u8::from(launched && to_file);
        let count = self.target.quiet.max(implied);
        LineOptions {
            prefix: self.prefix(plan, destination),
            follow: options.follow || plan.follow,
            quiet: quiet.unwrap_or(QuietSet::of_count(count)),
            color: options.color || !to_file && self.colors_by_terminal(),
            ..options
        }
    }

    fn colors_by_terminal(&self) -> bool {
        let stdout = Terminal::of(std::io::stdout());
        self.lines.color.as_deref() == Some("auto") && stdout.color == Color::On
    }

    fn prefix(&self, plan: &Plan, destination: &Destination) -> Prefix {
        let always = self.lines.always_show_pid;
        match destination {
            Destination::Separate { .. } => Prefix::Never,
            Destination::Stdout if always => Prefix::Always,
            Destination::Stdout => Prefix::WhenSeveral,
            _ if always || plan.follow || several(&plan.target) => Prefix::Bare,
            _ => Prefix::Never,
        }
    }

    /// The sinks of calls. Secrets are left out of files, and not of what a command reads.
    fn stream_sinks(
        &self,
        options: LineOptions,
        destination: &Destination,
    ) -> Result<Vec<Box<dyn Sink>>, ExpectedError> {
        let sinks = self.bare_sinks(options, destination)?;
        if matches!(destination, Destination::Stdout | Destination::Pipe(_)) {
            return Ok(sinks);
        }
        let redacted = sinks.into_iter().map(|sink| self.output.redacted(sink));
        Ok(redacted.collect())
    }

    fn bare_sinks(
        &self,
        options: LineOptions,
        destination: &Destination,
    ) -> Result<Vec<Box<dyn Sink>>, ExpectedError> {
        if self.statistics.summary_only {
            let format = count_format(&self.output)?;
            let (writer, name) = destination.open(&self.output)?;
            let counts = self.counts.sink(format, writer, &name)?;
            return Ok(vec![Box::new(CallTimes::new(&options, counts))]);
        }
        if let Some(flight) = self.files.flight {
            return Ok(vec![flight_sink(
                options,
                flight,
                destination,
                &self.output,
            )?]);
        }
        let shared = options.clone();
        let lines = live_sink(options, destination, &self.output)?;
        let mut sinks = vec![lines.sink];
        if let (true, Some((writer, name))) = (self.statistics.summary, lines.output) {
            let counts = self.counts.sink(Default::default(), writer, &name)?;
            sinks.push(Box::new(CallTimes::new(&shared, counts)));
        }
        Ok(sinks)
    }
}

/// Whether calls are chosen by what only each event tells.
fn chooses_by_event(args: &StraceArgs, expressions: &Expressions) -> bool {
    expressions.status.is_some_and(|s| s != StatusSet::ALL)
        || !args.filter.trace_path.is_empty()
        || args.filter.min_time.is_some()
        || args.tracing.detach_on.is_some()
        || args.counts.by.is_some()
}

fn several(target: &TargetSpec) -> bool {
    match target {
        TargetSpec::Pids(pids) => pids.len() > 1 || pids.iter().any(|&pid| threads(pid) > 1),
        TargetSpec::Launch { .. } => false,
        TargetSpec::All => true,
    }
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count)
}
