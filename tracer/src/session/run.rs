//! The life cycle: open the target, load, attach, pump until something ends it, detach, read what
//! was summed, and end the stream of events.

mod go;

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::time::{Duration, Instant};

use tracer_common::config::target as flag;
use tracer_common::probe::{ProbeCounters, ProbeId};

use super::aggregates::Aggregates;
use super::await_trigger::await_trigger;
use super::background::Background;
use super::clock::{now_ns, own_cpu_ns, utc_offset_s, wall_offset_ns};
use super::degrade::Captured;
use super::go_handoffs::Handoffs;
use super::go_looks::GoLooks;
use super::go_target::GoTarget;
use super::goroutine_assists::GoroutineAssists;
use super::losses::{Counts, describe, losses, missing_events, without_ring};
use super::pace::Pace;
use super::plan::{CallStacks, Capture, Plan, StackWalk, TargetSpec};
use super::pump::Pump;
use super::refusal::refused;
use super::settings::{constants, sizes};
use super::signals::Signals;
use super::spending::{Spending, breakdown, over_line, prices_for};
use super::target::{Target, comm};
use super::unwinding::Unwinding;
use super::watch::{all_ended, is_alive, reap};
use crate::bpf::{BpfError, Group, Kernel, PROBES, Probe, SampleEvent, Walk};
use crate::cost::{Action, Prices};
use crate::decode::LostRecords;
use crate::error::ExpectedError;
use crate::event::{
    Body, Cost, Curbed, Event, KernelTime, ProcessInfo, RunEnd, RunStart, StopReason,
};
use crate::sink::{Sink, SinkError};
use crate::term;

/// Records taken in one go before signals and deadlines are looked at.
const BATCH: usize = 100_000;
/// A loss on a CPU where nothing happens afterwards is told after this time, in ns.
const UNTOLD_NS: u64 = 1_000_000_000;

/// How a run went.
#[derive(Debug)]
pub struct Outcome {
    pub end: RunEnd,
    /// The output that could not be written, if any; what was gathered was still printed elsewhere.
    pub output_error: Option<SinkError>,
}

/// Runs a plan to its end, feeding the sinks that `open` makes: once what it waits for is there, so
/// that a wait in vain leaves no output.
///
/// # Errors
/// When nothing could be captured: no target, no rights, a kernel that refuses, no sinks. Later
/// faults end the run and are part of the [`Outcome`].
pub async fn run(
    plan: &Plan,
    open: impl FnOnce() -> Result<Vec<Box<dyn Sink>>, ExpectedError>,
) -> Result<Outcome, ExpectedError> {
    let mut signals = Signals::new()?;
    let prices = prices_for(plan);
    let mut target = Target::open(&plan.target)?;
    if let Some(trigger) = plan.when {
        await_trigger(trigger, plan, &mut target, &mut signals).await?;
    }
    let mut sinks = open()?;
    let mut session = Session::open(plan, &target, prices, &mut sinks)?;
    session.attach(&target)?;
    let started = session.begin(&target);
    target.start(&plan.target)?;
    let (reason, output_error) = match started {
        Ok(()) => session.pump(&target, &mut signals).await,
        Err(error) => (closed(&error), Some(error)),
    };
    Ok(session.finish(&target, reason, output_error))
}

const fn closed(error: &SinkError) -> StopReason {
    match error {
        SinkError::Closed => StopReason::OutputClosed,
        SinkError::Write { .. } => StopReason::OutputFailed,
    }
}

struct Session<'a> {
    plan: &'a Plan,
    captured: Captured,
    /// That of the last probe in a Go program without which nothing is left to capture.
    refusal: Option<ExpectedError>,
    kernel: Kernel,
    pump: Pump<'a>,
    aggregates: Aggregates,
    assists: GoroutineAssists,
    handoffs: Handoffs,
    counts: Counts,
    spending: Spending,
    /// Groups whose probes are still attached.
    groups: Vec<Group>,
    own_cpu_start_ns: u64,
    /// What the programs were told of slow calls.
    slow_ns: u64,
    go_looks: GoLooks,
    /// Stops of the world that each runtime had counted when the run began.
    stops_before: HashMap<u32, u64>,
    /// `None` when all user stacks follow frame pointers.
    unwinding: Option<Unwinding>,
}

impl<'a> Session<'a> {
    fn open(
        plan: &'a Plan,
        target: &Target,
        (prices, unmeasured): (Prices, Option<String>),
        sinks: &'a mut [Box<dyn Sink>],
    ) -> Result<Self, ExpectedError> {
        let unwinding = Unwinding::prepare(plan, target);
        let sizes = sizes(plan, unwinding.is_some());
        let kernel = Kernel::load(&constants(plan, target), sizes).map_err(refused)?;
        if let Some(why) = unmeasured.filter(|_| plan.verbose) {
            term::notice(&format!("some prices are assumed: {why}"));
        }
        Ok(Self {
            plan,
            captured: Captured::new(plan.captures.iter().map(Capture::group)),
            refusal: None,
            kernel,
            pump: Pump::new(sinks, plan.has_stacks(), plan.has_call_stacks()),
            aggregates: Aggregates::default(),
            assists: GoroutineAssists::default(),
            handoffs: Handoffs::default(),
            counts: Counts::default(),
            spending: Spending::begin(plan, target, prices),
            groups: plan.captures.iter().map(Capture::group).collect(),
            own_cpu_start_ns: own_cpu_ns(),
            slow_ns: 0,
            go_looks: GoLooks::default(),
            stops_before: HashMap::new(),
            unwinding,
        })
    }

    fn notice(&self, text: &str) {
        if self.plan.notices {
            term::notice(text);
        }
    }

    fn has(&self, group: Group) -> bool {
        self.captured.has(group)
    }

    /// What samples are of, and how many a second.
    fn sampling(&self) -> (SampleEvent, u32) {
        let of = |c: &Capture| match c {
            Capture::Samples { event, hz, .. } => Some((*event, *hz)),
            _ => None,
        };
        self.plan.captures.iter().find_map(of).unwrap_or_default()
    }

    /// Tells the programs whom and what, then attaches them.
    fn attach(&mut self, target: &Target) -> Result<(), ExpectedError> {
        let launched = target.launched();
        for pid in target.pids() {
            let mut flags = flag::TRACE;
            if self.plan.follow {
                flags |= flag::FOLLOW;
            }
            if launched.is_some() {
                flags |= flag::AWAIT_EXEC;
            }
            self.kernel.set_target(pid, flags).map_err(refused)?;
            self.pump.live.insert(pid);
        }
        if self.plan.has_all_time() {
            self.kernel.measure_switches(false).map_err(refused)?;
        }
        if launched.is_some() || self.plan.follow {
            self.listen_to_mappings();
        }
        self.attach_go(target)?;
        self.open_unwinding(target)?;
        let (event, hz) = self.sampling();
        self.kernel.sample(event);
        self.captured.attach(&mut self.kernel, hz.into())?;
        for notice in self.captured.take_notices() {
            self.notice(&notice);
        }
        self.drop_ended(target);
        if launched.is_none() {
            for pid in target.pids() {
                self.pump.attach_symbols(pid);
            }
        }
        Ok(())
    }

    fn listen_to_mappings(&mut self) {
        if let Err(error) = self.pump.listen_to_mappings() {
            self.notice(&format!(
                "functions of processes that live for a short time may have no names: perf events \
                 cannot be had: {error}"
            ));
        }
    }

    /// Gives the programs the tables of the targets. Where the kernel refuses the programs that use
    /// them, the others do, unless tables were asked for.
    fn open_unwinding(&mut self, target: &Target) -> Result<(), ExpectedError> {
        let Some(unwinding) = &mut self.unwinding else {
            return Ok(());
        };
        let needed = |p: &&Probe| p.walk == Walk::Tables && self.captured.has(p.group);
        for probe in PROBES.iter().filter(needed) {
            let Err(error) = self.kernel.load_probe(probe) else {
                continue;
            };
            if self.plan.stack_walk == StackWalk::Tables {
                return Err(refused(error));
            }
            let why = probe.refused(&error).why;
            self.kernel.follow_pointers();
            self.unwinding = None;
            self.notice(&format!(
                "user stacks follow frame pointers alone: {why}; `tracer doctor` shows what this \
                 host allows"
            ));
            return Ok(());
        }
        if target.launched().is_none() {
            for pid in target.pids() {
                unwinding.add(pid, &mut self.kernel);
            }
        }
        Ok(())
    }

    /// Lets the tables follow what became of the processes.
    fn follow_processes(&mut self, replaced: &[u32]) {
        let forked = std::mem::take(&mut self.pump.forked);
        let gone = std::mem::take(&mut self.pump.gone);
        let Some(unwinding) = &mut self.unwinding else {
            return;
        };
        for (parent, child) in forked {
            unwinding.forked(parent, child, &mut self.kernel);
        }
        for &pid in replaced {
            unwinding.add(pid, &mut self.kernel);
        }
        for pid in gone {
            unwinding.ended(pid);
        }
    }

    /// Who ended before the probe on exits was attached would stay a target, and whoever got the pid
    /// would be one.
    fn drop_ended(&mut self, target: &Target) {
        for process in target.watched().iter().filter(|w| w.has_ended()) {
            self.kernel.forget_target(process.pid);
        }
    }

    /// Begins the stream of events.
    fn begin(&mut self, target: &Target) -> Result<(), SinkError> {
        let pids = target.pids();
        let now = self.begin_waits(&pids);
        self.begin_goroutine_waits(now);
        self.pump.begin_ns = now;
        let start = run_start(self.plan, &pids, self.sampling());
        self.pump
            .deliver(&fact(now, 0, Body::RunStart(Box::new(start))))?;
        if target.launched().is_none() {
            for &pid in &pids {
                let info = process_info(pid, self.pump.go.get(&pid));
                self.pump
                    .deliver(&fact(now, pid, Body::Process(Box::new(info))))?;
                self.pump
                    .deliver(&fact(now, pid, Body::Threads(threads(pid))))?;
            }
        }
        self.stops_before = self.stops_counted();
        self.announce(target);
        self.pump.flush()
    }

    /// Tells the programs of threads that are off the CPU, and returns when the run begins.
    fn begin_waits(&mut self, pids: &[u32]) -> u64 {
        if !self.has(Group::OffCpu) {
            return now_ns();
        }
        let all = self.plan.has_all_time();
        let threads_of = |&pid: &u32| threads(pid).into_iter().map(move |tid| (pid, tid));
        let threads: Vec<(u32, u32)> = pids.iter().flat_map(threads_of).collect();
        let mut begin_ns = 0;
        let clock = || {
            begin_ns = now_ns();
            begin_ns
        };
        let waits = &mut self.aggregates.open_waits;
        let mut begun = waits.begin(&mut self.kernel, &threads, clock, all);
        if all {
            begun = begun.and(self.kernel.measure_switches(true));
        }
        if let Err(error) = begun {
            self.notice(&format!("part of the result is missing: {error}"));
        }
        begin_ns
    }

    fn announce(&self, target: &Target) {
        let probes = term::plural(u64::from(self.kernel.attached()), "probe", "probes");
        let whom = match target {
            Target::All => "all processes".to_owned(),
            Target::Launched { watched, .. } => watched.pid.to_string(),
            Target::Processes(processes) => processes
                .iter()
                .map(|w| format!("{} ({})", w.pid, comm(w.pid)))
                .collect::<Vec<_>>()
                .join(", "),
        };
        self.notice(&format!("attached to {whom}: {probes}"));
        if self.plan.verbose {
            self.spending
                .price_list()
                .iter()
                .for_each(|p| term::notice(p));
        }
    }

    /// Takes events until the run ends, and says why it ended.
    async fn pump(
        &mut self,
        target: &Target,
        signals: &mut Signals,
    ) -> (StopReason, Option<SinkError>) {
        let plan = self.plan;
        let deadline = async {
            match plan.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => pending().await,
            }
        };
        let ended = async {
            match target {
                Target::All => pending().await,
                _ => all_ended(target.watched()).await,
            }
        };
        tokio::pin!(deadline, ended);
        let stop = async {
            match plan.uninterruptible {
                true => pending().await,
                false => signals.stop().await,
            }
        };
        tokio::pin!(stop);
        let mut pace = Pace::new();
        let background = Background::begin(plan.streams_calls());
        let mut ticks = plan
            .interval
            .map(|period| tokio::time::interval_at(tokio::time::Instant::now() + period, period));
        let mut targets_ended = false;
        loop {
            let step = tokio::select! {
                biased;
                () = &mut stop => return (StopReason::Interrupted, None),
                () = &mut deadline => return (StopReason::Duration, None),
                () = &mut ended, if !targets_ended => {
                    targets_ended = true;
                    Ok(())
                }
                () = tick(&mut ticks) => self.interval(target),
                () = pace.wait() => {
                    background.note();
                    let now_and_then = pace.is_loss_check();
                    if targets_ended && now_and_then {
                        self.forget_dead();
                    }
                    self.look_at_go();
                    let drained = self.drain_some(now_and_then);
                    let step = drained.and_then(|records| {
                        pace.looked(records);
                        self.keep_budget(target)
                    });
                    background.note();
                    step
                }
            };
            if let Err(error) = step {
                return (closed(&error), Some(error));
            }
            if targets_ended && self.nobody_left(target) {
                return (StopReason::TargetExited, None);
            }
            if self.groups.is_empty() {
                return (StopReason::OverBudget, None);
            }
        }
    }

    /// Followed children may outlive the processes that were asked for.
    fn nobody_left(&self, target: &Target) -> bool {
        let asked: HashSet<u32> = target.pids().into_iter().collect();
        !self.plan.follow || self.pump.live.iter().all(|pid| asked.contains(pid))
    }

    /// The end of a process may not have been seen: nobody waits for what is gone.
    fn forget_dead(&mut self) {
        self.pump.live.retain(|&pid| is_alive(pid));
    }

    /// Takes what has come, and says how many records that were.
    fn drain_some(&mut self, check_losses: bool) -> Result<usize, SinkError> {
        let looked_ns = now_ns();
        let records = self.take_records();
        let is_empty = records < BATCH;
        self.pump
            .release(self.pump.complete_ns(looked_ns, is_empty))?;
        self.raise_slow_calls();
        for pid in std::mem::take(&mut self.pump.ended_go) {
            self.kernel.forget_go(pid);
            self.kernel.detach_uprobes(pid);
        }
        let replaced = std::mem::take(&mut self.pump.replaced);
        self.follow_processes(&replaced);
        for pid in replaced {
            self.reattach_go(pid);
        }
        if check_losses {
            if let Some(unwinding) = &mut self.unwinding {
                unwinding.refresh(&mut self.kernel);
            }
            self.report_losses()?;
            self.find_unseen_ends();
        }
        self.pump.flush()?;
        Ok(records)
    }

    /// Tells the programs how slow a call must be by now for its stack to be shown.
    fn raise_slow_calls(&mut self) {
        let CallStacks::Slow(calls) = self.plan.call_stacks() else {
            return;
        };
        let least_ns = calls.least_ns();
        // Stacks that nobody wants cost something, but harm nobody.
        if least_ns > self.slow_ns && self.kernel.set_slow_calls(least_ns).is_ok() {
            self.slow_ns = least_ns;
        }
    }

    fn look_at_go(&mut self) {
        if self.plan.go_looks {
            let targets = self.pump.go.iter();
            let known = targets.filter_map(|(&pid, go)| Some((pid, go.runtime()?)));
            self.go_looks.look(known);
        }
    }

    fn take_records(&mut self) -> usize {
        let pump = &mut self.pump;
        self.kernel.drain(BATCH, |record| pump.record(record))
    }

    /// Puts losses into the stream; those of the ring buffer are told by a record where they
    /// happened, once there is room for it.
    fn report_losses(&mut self) -> Result<(), SinkError> {
        let Ok(now) = Counts::read(&self.kernel) else {
            return Ok(());
        };
        if now.counters.iter().any(|c| c.untold != 0) {
            self.tell_untold(now_ns().saturating_sub(UNTOLD_NS));
        }
        let new = without_ring(losses(&now, &self.counts, 0));
        self.counts = now;
        if missing_events(&new) == 0 {
            return Ok(());
        }
        self.pump.deliver(&fact(now_ns(), 0, Body::Losses(new)))
    }

    /// Puts losses into the stream that no record has told of, if the first was before `before_ns`.
    fn tell_untold(&mut self, before_ns: u64) {
        if let Ok(untold) = self.kernel.untold() {
            let untold: Vec<_> = untold
                .into_iter()
                .filter(|(_, _, counters)| counters.untold_since_ns < before_ns)
                .map(|(probe, cpu, counters)| LostRecords {
                    time_ns: counters.untold_since_ns,
                    cpu,
                    probe,
                    count: counters.untold,
                })
                .collect();
            self.pump.untold(&untold);
        }
    }

    /// Where records of exits were lost, the kernel knows who is gone. Without it a run that
    /// follows children would wait for dead ones.
    fn find_unseen_ends(&mut self) {
        let exits = self.counts.counters.get(ProbeId::Exit as usize);
        if !self.plan.follow || exits.is_none_or(|exits| exits.lost == 0) {
            return;
        }
        let kernel = &self.kernel;
        let live = self.pump.live.iter().copied();
        let gone: Vec<u32> = live.filter(|&pid| !kernel.is_target(pid)).collect();
        gone.into_iter().for_each(|pid| self.pump.ended(pid));
    }

    /// Detaches the dearest probes when all cost too much.
    fn keep_budget(&mut self, target: &Target) -> Result<(), SinkError> {
        if !self.spending.is_due() {
            return Ok(());
        }
        let Ok(counters) = self.kernel.counters() else {
            return Ok(());
        };
        let (captured, live) = (self.pump.captured, &self.pump.live);
        let Some(over) = self.spending.judge(&counters, captured, target, live) else {
            return Ok(());
        };
        let line = over_line(&over, self.spending.elapsed());
        let one_in = match over.action {
            Action::Tell => {
                self.notice(&line);
                return Ok(());
            }
            Action::Sample(n) if self.kernel.set_off_cpu_sampling(n).is_ok() => n,
            Action::Sample(_) | Action::Detach => {
                let group = over.dearest.group;
                self.kernel.detach_group(group);
                self.groups.retain(|&g| g != group);
                0
            }
        };
        // Told in any case: the result is not what was asked for.
        term::notice(&line);
        let probes = over.dearest.charge.probes;
        let curbed = Body::Curbed(Box::new(Curbed { probes, one_in }));
        self.pump.deliver(&fact(now_ns(), 0, curbed))
    }

    fn interval(&mut self, target: &Target) -> Result<(), SinkError> {
        self.drain_some(true)?;
        self.read_aggregates(target)?;
        let now = now_ns();
        self.pump.resolve(now)?;
        self.pump.deliver(&fact(now, 0, Body::Tick))?;
        self.pump.flush()
    }

    fn read_aggregates(&mut self, target: &Target) -> Result<(), SinkError> {
        let pid = target.pids().first().copied().unwrap_or(0);
        let now = now_ns();
        for (pid, looked) in self.go_looks.take() {
            let body = Body::GoScheduling(Box::new(looked));
            self.pump.deliver(&fact(now, pid, body))?;
        }
        let groups = self.plan.captures.iter().map(Capture::group);
        let groups: Vec<_> = groups.filter(|&group| self.has(group)).collect();
        for group in groups {
            let read = match group {
                Group::GoAssist => self.read_assists(now),
                Group::GoHandoff => self.read_handoffs(now),
                _ => self.aggregates.read(&self.kernel, group, pid, now),
            };
            match read {
                Ok(mut events) => {
                    self.name_creators(&mut events);
                    events.iter().try_for_each(|e| self.pump.deliver(e))?;
                }
                Err(error) => self.notice(&format!("part of the result is missing: {error}")),
            }
        }
        Ok(())
    }

    fn read_assists(&mut self, now: u64) -> Result<Vec<Event>, BpfError> {
        let (live, former) = (&self.pump.go, &self.pump.former_go);
        let go_of = |pid: u32| live.get(&pid).or_else(|| former.get(&pid));
        self.assists.read(&self.kernel, now, go_of)
    }

    fn read_handoffs(&mut self, now: u64) -> Result<Vec<Event>, BpfError> {
        let (live, former) = (&self.pump.go, &self.pump.former_go);
        let go_of = |pid: u32| live.get(&pid).or_else(|| former.get(&pid));
        let pids = live.keys().chain(former.keys()).copied();
        self.handoffs.read(&self.kernel, now, pids, go_of)
    }

    /// Adds where goroutines were made.
    fn name_creators(&self, events: &mut [Event]) {
        for event in events {
            let Body::GoCreator(creator) = &mut event.body else {
                continue;
            };
            let ended = || self.pump.former_go.get(&event.pid);
            let go = self.pump.go.get(&event.pid).or_else(ended);
            creator.place = go.and_then(|go| go.creator(creator.created_at));
        }
    }

    /// Detaches, hands on what is left and ends the stream.
    fn finish(
        mut self,
        target: &Target,
        reason: StopReason,
        mut output_error: Option<SinkError>,
    ) -> Outcome {
        // A command that was launched can be asked until its status is taken.
        let cpu_ns = self.spending.cpu_ns(target, &self.pump.live);
        let command_status = self.end_command(target, reason);
        // Detaching takes time, in which some probes still run and others no more: what they see
        // is not part of the run.
        if self.has(Group::OffCpu)
            && let Err(error) = self.kernel.measure_switches(false)
        {
            self.notice(&format!("the end of the run is not exact: {error}"));
        }
        let end_ns = now_ns();
        let duration_ns = end_ns.saturating_sub(self.pump.begin_ns);
        let mut cut_off = self.cut_off_waits(end_ns);
        cut_off.extend(self.end_goroutine_waits(end_ns));
        let kernel_time = self.kernel_time();
        let stops = self.stops_counted();
        self.kernel.detach();
        while self.take_records() != 0 {}
        if output_error.is_none() {
            output_error = self.last_events(target, end_ns, &cut_off).err();
        }
        self.check_stops(&stops);
        let counts = Counts::read(&self.kernel).unwrap_or_default();
        let counters = &counts.counters;
        let end = RunEnd {
            reason: output_error.as_ref().map_or(reason, closed),
            duration_ns,
            hits: events(counters) + self.aggregates.syscall_calls(),
            losses: losses(&counts, &Counts::default(), self.pump.undecodable),
            own_cpu_ns: own_cpu_ns().saturating_sub(self.own_cpu_start_ns),
            command_status,
        };
        let cost = self
            .spending
            .cost(counters, self.pump.captured, cpu_ns, kernel_time);
        let costs = fact(now_ns(), 0, Body::Cost(Box::new(cost.clone())));
        let event = fact(now_ns(), 0, Body::RunEnd(Box::new(end.clone())));
        let delivered = self.pump.deliver(&costs);
        let delivered = delivered.and_then(|()| self.pump.deliver(&event));
        if let Err(error) = delivered.and_then(|()| self.pump.flush()) {
            output_error.get_or_insert(error);
        }
        self.sum_up(&end, &cost);
        Outcome { end, output_error }
    }

    fn last_events(
        &mut self,
        target: &Target,
        end_ns: u64,
        cut_off: &[Event],
    ) -> Result<(), SinkError> {
        self.tell_untold(u64::MAX);
        self.pump.release_all(end_ns)?;
        self.report_losses()?;
        self.read_aggregates(target)?;
        cut_off.iter().try_for_each(|e| self.pump.deliver(e))?;
        self.pump.resolve(now_ns())
    }

    /// What the end cuts off, as the threads are now.
    fn cut_off_waits(&self, end_ns: u64) -> Vec<Event> {
        if !self.has(Group::OffCpu) {
            return Vec::new();
        }
        let waits = &self.aggregates.open_waits;
        match waits.end(&self.kernel, self.plan, end_ns) {
            Ok(events) => events,
            Err(error) => {
                self.notice(&format!("part of the result is missing: {error}"));
                Vec::new()
            }
        }
    }

    /// Status of the launched command. As strace does, the tracer ends the command when it is
    /// itself told to end; a run whose time is over lets it go on.
    fn end_command(&self, target: &Target, reason: StopReason) -> Option<u32> {
        let pid = target.launched()?;
        if reason == StopReason::Interrupted {
            // SAFETY: a signal to our own child, which is not reaped yet.
            unsafe { libc::kill(pid.cast_signed(), libc::SIGTERM) };
            return wait(pid);
        }
        reap(pid)
    }

    /// The kernel's own figures, when somebody has switched them on: they cost some tens of ns a
    /// run themselves.
    fn kernel_time(&self) -> Option<KernelTime> {
        let (runs, ns) = self.kernel.run_time();
        (runs != 0).then_some(KernelTime { runs, ns })
    }

    fn sum_up(&self, end: &RunEnd, cost: &Cost) {
        for notice in self.pump.symbol_notices() {
            self.notice(&notice);
        }
        let unwinding = self.unwinding.iter();
        for notice in unwinding.flat_map(|u| u.notices(self.plan.verbose)) {
            self.notice(&notice);
        }
        let lost = missing_events(&end.losses);
        let mut text = format!(
            "{:.1} s, {} events, {lost} lost",
            end.duration_ns as f64 / 1e9,
            end.hits
        );
        if lost != 0 {
            text = format!("{text} ({})", describe(&end.losses));
        }
        for (count, one, several) in [
            (self.pump.unread, "argument unread", "arguments unread"),
            (self.pump.late, "event out of order", "events out of order"),
        ] {
            if count != 0 {
                text = format!("{text}, {}", term::plural(count, one, several));
            }
        }
        if self.plan.verbose {
            for line in breakdown(cost, end.own_cpu_ns) {
                term::notice(&line);
            }
        }
        let assumed = if cost.measured {
            ""
        } else {
            " (prices assumed)"
        };
        let percent = cost.percent_of_cpu();
        self.notice(&format!("{text}, target cost {percent:.1} %{assumed}"));
    }
}

/// What probes saw of the targets; calls that are counted are in the statistics.
fn events(counters: &[ProbeCounters]) -> u64 {
    let seen = ProbeId::ALL.iter().zip(counters);
    seen.filter(|(id, _)| **id != ProbeId::SyscallCountEnter)
        .map(|(_, c)| c.hits)
        .sum()
}

/// Waits for our own child, for a second at most.
fn wait(pid: u32) -> Option<u32> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        if let Some(status) = reap(pid) {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn tick(ticks: &mut Option<tokio::time::Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => pending().await,
    }
}

fn fact(time_ns: u64, pid: u32, body: Body) -> Event {
    Event {
        time_ns,
        pid,
        tid: 0,
        cpu: 0,
        goid: None,
        body,
    }
}

fn run_start(plan: &Plan, pids: &[u32], (event, hz): (SampleEvent, u32)) -> RunStart {
    RunStart {
        wall_offset_ns: wall_offset_ns(),
        utc_offset_s: utc_offset_s(),
        arch: std::env::consts::ARCH.to_owned(),
        kernel_release: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|s| s.trim_end().to_owned())
            .unwrap_or_default(),
        cpus: std::thread::available_parallelism().map_or(0, |n| n.get() as u32),
        pids: pids.to_vec(),
        command: match &plan.target {
            TargetSpec::Launch { args, .. } => args.clone(),
            _ => Vec::new(),
        },
        kinds: plan.kinds.clone(),
        sample_hz: if event.is_time() { hz } else { 0 },
        sample_event: (!event.is_time()).then(|| event.name().to_owned()),
        tracer_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn process_info(pid: u32, go: Option<&GoTarget>) -> ProcessInfo {
    ProcessInfo {
        comm: comm(pid),
        exe: std::fs::read_link(format!("/proc/{pid}/exe"))
            .map(|p| p.display().to_string())
            .unwrap_or_default(),
        go_version: go.and_then(GoTarget::version),
    }
}

/// Ids of a process's threads; none when it is gone.
fn threads(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut tids: Vec<u32> = tasks
        .flatten()
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_unstable();
    tids
}
