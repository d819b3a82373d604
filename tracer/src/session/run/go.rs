//! Go programs among the targets: what the programs must know of them, and the probes in them.

use std::collections::HashMap;

use tracer_common::config::{GoOffsets, GoScheduler, GoWaiting};

use super::Session;
use crate::bpf::Group;
use crate::error::ExpectedError;
use crate::event::Event;
use crate::session::go_target::GoTarget;
use crate::session::goroutine_waits;
use crate::session::plan::TargetSpec;
use crate::session::refusal::not_go;
use crate::session::target::Target;
use crate::term;

impl Session<'_> {
    fn wants_goroutines(&self) -> bool {
        self.plan.has_goroutines() || self.plan.has_creators()
    }

    pub(super) fn attach_go(&mut self, target: &Target) -> Result<(), ExpectedError> {
        let needed = self.plan.needs_go();
        if !needed && !self.wants_goroutines() {
            return Ok(());
        }
        if matches!(target, Target::All) {
            return Err(ExpectedError::Usage(
                "Go's runtime is read in chosen processes: give -p PID".to_owned(),
            ));
        }
        for pid in target.pids() {
            let opened = match &self.plan.target {
                TargetSpec::Launch { file, .. } => GoTarget::prepare(pid, file),
                _ => GoTarget::open(pid, false),
            };
            if let Err(why) = opened.and_then(|go| self.add_go(go, target.launched().is_some())) {
                if let Some(refusal) = self.refusal.take() {
                    return Err(refusal);
                }
                if needed && !self.plan.go_optional {
                    return Err(not_go(pid, &self.plan.target, why));
                }
                self.notice(&format!("process {pid}: no Go runtime data: {why}"));
            }
        }
        Ok(())
    }

    /// Tells the programs about a Go process. What does not work while the rest does is told once.
    fn add_go(&mut self, go: GoTarget, launched: bool) -> Result<(), String> {
        let pid = go.pid;
        if self.wants_goroutines() {
            match go.offsets() {
                Ok(offsets) => self.find_goroutines(&go, offsets)?,
                Err(why) => self.notice(&format!("no goroutine ids of process {pid}: {why}")),
            }
        }
        if self.has(Group::GoGc) {
            match go.gc_plan() {
                Ok(plan) => self
                    .kernel
                    .set_gc_plan(pid, plan)
                    .map_err(|e| e.to_string())?,
                // Known once it runs.
                Err(_) if launched && go.is_pie() => {}
                Err(why) => return Err(why),
            }
        }
        if self.needs_scheduler() {
            match go.stop_plan() {
                Ok(plan) => self.set_scheduler(pid, plan)?,
                // Known once it runs.
                Err(_) if launched && go.is_pie() => {}
                Err(why) => return Err(why),
            }
        }
        if self.has(Group::GoWaits) {
            goroutine_waits::count_from(&mut self.kernel, &go, GoWaiting::NOT_YET)?;
        }
        let named = [Group::GoCreation, Group::GoAssist, Group::GoHandoff];
        if named.into_iter().any(|group| self.has(group)) && go.runtime().is_some() {
            go.learn_names();
        }
        // Before the probe at the beginning of a cycle: whose beginning was seen has all its assists.
        if self.has(Group::GoAssist) {
            self.attach_assists(&go)?;
        }
        for group in [
            Group::GoGc,
            Group::GoSchedule,
            Group::GoStop,
            Group::GoWaits,
            Group::GoCreation,
            Group::GoFirstRun,
            Group::GoHandoff,
        ] {
            if self.has(group) {
                self.attach_sites(&go, group)?;
            }
        }
        self.pump.go.insert(pid, go);
        Ok(())
    }

    fn needs_scheduler(&self) -> bool {
        let groups = [
            Group::GoStop,
            Group::GoCreation,
            Group::GoAssist,
            Group::GoHandoff,
        ];
        groups.into_iter().any(|group| self.has(group))
    }

    /// Where it cannot be told who assists, the rest goes on.
    fn attach_assists(&mut self, go: &GoTarget) -> Result<(), String> {
        let mut sites = go.sites(Group::GoAssist);
        sites.extend(go.sites(Group::GoAssistWait));
        if let Some(why) = sites.into_iter().find_map(|(_, site)| site.err()) {
            self.notice(&format!("process {}: no GC assists: {why}", go.pid));
            return Ok(());
        }
        self.attach_sites(go, Group::GoAssist)?;
        // The kernel may have refused.
        if self.has(Group::GoAssist) {
            self.kernel.sum_assists(go.pid).map_err(|e| e.to_string())?;
        }
        if self.has(Group::GoAssistWait) {
            self.attach_sites(go, Group::GoAssistWait)?;
        }
        Ok(())
    }

    fn set_scheduler(&mut self, pid: u32, plan: GoScheduler) -> Result<(), String> {
        let set = match self.has(Group::GoStop) {
            true => self.kernel.set_stop_plan(pid, plan),
            false => self.kernel.set_scheduler(pid, plan),
        };
        set.map_err(|e| e.to_string())
    }

    fn attach_sites(&mut self, go: &GoTarget, group: Group) -> Result<(), String> {
        for (probe, site) in go.sites(group) {
            let site = match (site, probe.without) {
                (Ok(site), _) => site,
                (Err(why), Some(lost)) => {
                    self.notice(&format!("{lost}: {why}"));
                    continue;
                }
                (Err(why), None) => return Err(why),
            };
            if site.single_stepped {
                self.spending.set_stepped(group);
                self.notice(&format!(
                    "{}: the kernel must single-step the instruction at the probe; each hit costs \
                     the target several microseconds",
                    site.probe.program
                ));
            }
            let attached = self
                .kernel
                .attach_uprobe(site.probe, go.file(), site.offset, go.pid);
            match attached {
                Ok(()) => {}
                Err(error) if error.is_of_process() => return Err(error.to_string()),
                Err(error) => self.captured.refuse(site.probe, error).map_err(|refusal| {
                    let why = refusal.to_string();
                    self.refusal = Some(refusal);
                    why
                })?,
            }
        }
        Ok(())
    }

    /// Reads a process again that now runs another program.
    pub(super) fn reattach_go(&mut self, pid: u32) {
        let needed = self.plan.needs_go();
        if !needed && !self.wants_goroutines() {
            return;
        }
        // Only the program that was launched was prepared, from its file; what replaces it later
        // is read, as here, through the process.
        let before = self.pump.go.remove(&pid);
        let prepared = before.is_some_and(|go| !go.file().starts_with("/proc"));
        // What was prepared is right until the same is read again: calls in between keep their
        // goroutines.
        if !prepared {
            self.kernel.forget_go(pid);
        }
        let result = GoTarget::open(pid, true).and_then(|go| {
            if prepared {
                self.complete_go(go)
            } else {
                self.kernel.detach_uprobes(pid);
                self.add_go(go, false)
            }
        });
        if let Err(why) = result {
            self.kernel.forget_go(pid);
            self.notice(&format!(
                "process {pid}: no Go runtime data after exec: {why}"
            ));
        }
    }

    fn find_goroutines(&mut self, go: &GoTarget, offsets: GoOffsets) -> Result<(), String> {
        // Without it, stacks are only longer than need be.
        let own = go.own_code();
        self.kernel
            .set_go_offsets(go.pid, offsets, own)
            .map_err(|e| e.to_string())
    }

    /// The probes were attached before the program ran; its addresses are known only now.
    fn complete_go(&mut self, go: GoTarget) -> Result<(), String> {
        if self.wants_goroutines() {
            let offsets = go.offsets()?;
            self.find_goroutines(&go, offsets)?;
        }
        if self.has(Group::GoGc) {
            let plan = go.gc_plan()?;
            self.kernel
                .set_gc_plan(go.pid, plan)
                .map_err(|e| e.to_string())?;
        }
        if self.needs_scheduler() {
            let plan = go.stop_plan()?;
            self.set_scheduler(go.pid, plan)?;
            go.learn_names();
        }
        self.pump.go.insert(go.pid, go);
        Ok(())
    }

    /// What the runtimes that are there count themselves.
    pub(super) fn stops_counted(&self) -> HashMap<u32, u64> {
        if !self.has(Group::GoStop) {
            return HashMap::new();
        }
        let targets = self.pump.go.iter();
        targets
            .filter_map(|(&pid, go)| Some((pid, go.stops_counted()?)))
            .collect()
    }

    /// Compares what the probes saw with what the runtimes counted meanwhile. One that was under way
    /// at the beginning, and one at the end, may be in either.
    pub(super) fn check_stops(&self, after: &HashMap<u32, u64>) {
        for (pid, before) in &self.stops_before {
            let Some(after) = after.get(pid) else {
                continue;
            };
            let counted = after.saturating_sub(*before);
            let seen = self.pump.stops.get(pid).copied().unwrap_or(0);
            if counted.abs_diff(seen) > 2 {
                term::notice(&format!(
                    "self-check: {seen} stops of the world were seen in process {pid}, its runtime \
                     counted {counted}"
                ));
            }
        }
    }

    /// Tells the programs of goroutines that wait, and lets waits count from `begin_ns` on.
    pub(super) fn begin_goroutine_waits(&mut self, begin_ns: u64) {
        if !self.has(Group::GoWaits) {
            return;
        }
        for go in self.pump.go.values() {
            let begun = goroutine_waits::count_from(&mut self.kernel, go, begin_ns);
            let begun = begun.and_then(|()| goroutine_waits::begin(&mut self.kernel, go, begin_ns));
            if let Err(why) = begun {
                term::notice(&format!(
                    "waits of process {} that began before the run are missing: {why}",
                    go.pid
                ));
            }
        }
    }

    /// Lets no more waits count, and returns those that are open.
    pub(super) fn end_goroutine_waits(&mut self, end_ns: u64) -> Vec<Event> {
        if !self.has(Group::GoWaits) {
            return Vec::new();
        }
        for go in self.pump.go.values() {
            // It may have ended.
            let _ = goroutine_waits::count_from(&mut self.kernel, go, GoWaiting::OVER);
        }
        let open = goroutine_waits::open(&self.kernel, self.pump.begin_ns, end_ns);
        open.unwrap_or_else(|error| {
            self.notice(&format!("part of the result is missing: {error}"));
            Vec::new()
        })
    }
}
