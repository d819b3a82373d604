//! Goes on without what the kernel refuses, feature by feature.

use std::collections::HashSet;

use super::refusal::refused;
use crate::bpf::{BpfError, Group, Kernel, PROBES, Probe};
use crate::error::ExpectedError;

/// What of a run is captured, and what the kernel refused.
#[derive(Debug)]
pub(super) struct Captured {
    wanted: HashSet<Group>,
    off: HashSet<Group>,
    /// One line for each refusal: what, why, what to do.
    notices: Vec<String>,
}

impl Captured {
    /// Nothing is refused yet.
    pub(super) fn new(wanted: impl IntoIterator<Item = Group>) -> Self {
        Self {
            wanted: wanted.into_iter().collect(),
            off: HashSet::new(),
            notices: Vec::new(),
        }
    }

    /// Whether a group was asked for and is not refused.
    pub(super) fn has(&self, group: Group) -> bool {
        self.wanted.contains(&group) && !self.off.contains(&group)
    }

    /// What is to be told; each only once.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Takes note that a probe is refused. With a minor one only a part of its group is lost;
    /// otherwise the group is switched off.
    ///
    /// # Errors
    /// The refusal, when nothing is left to capture.
    pub(super) fn refuse(&mut self, probe: &Probe, error: BpfError) -> Result<(), ExpectedError> {
        const REMEDY: &str = "`tracer doctor` shows what this host allows";
        let why = probe.refused(&error).why;
        if let Some(lost) = probe.without {
            self.notices.push(format!("{lost}: {why}; {REMEDY}"));
            return Ok(());
        }
        self.off.insert(probe.group);
        if self.wanted.is_subset(&self.off) {
            return Err(refused(error));
        }
        let what = probe.group.name();
        self.notices.push(format!("no {what}: {why}; {REMEDY}"));
        Ok(())
    }

    /// Attaches the probes in the kernel; those in Go programs are attached one program at a time.
    ///
    /// # Errors
    /// When nothing is left to capture.
    pub(super) fn attach(&mut self, kernel: &mut Kernel, hz: u64) -> Result<(), ExpectedError> {
        for probe in PROBES {
            let wanted = probe.group == Group::Process || self.has(probe.group);
            if !wanted || probe.attach.is_in_go() {
                continue;
            }
            if let Err(error) = kernel.attach(probe, hz) {
                self.refuse(probe, error)?;
            }
        }
        // What was attached of a group before another of its probes was refused does no good.
        for probe in PROBES.iter().filter(|p| self.off.contains(&p.group)) {
            kernel.unload(probe);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(name: &str) -> &'static Probe {
        PROBES
            .iter()
            .find(|p| p.program == name)
            .expect("a program")
    }

    fn denied() -> BpfError {
        BpfError::Cpus(std::io::Error::from_raw_os_error(libc::EINVAL))
    }

    #[test]
    fn a_minor_refusal_costs_what_the_table_says_and_no_more() {
        let mut captured = Captured::new([Group::SyscallStream]);
        captured
            .refuse(probe("signal_deliver"), denied())
            .expect("goes on");
        assert!(captured.has(Group::SyscallStream));
        assert_eq!(
            captured.take_notices(),
            [
                "signals are not shown: cannot list the CPUs: Invalid argument (os error 22); \
                 `tracer doctor` shows what this host allows"
            ]
        );
        assert!(captured.take_notices().is_empty(), "told once");
    }

    #[test]
    fn a_refused_capture_is_left_out_while_another_goes_on() {
        let mut captured = Captured::new([Group::OffCpu, Group::Samples]);
        captured.refuse(probe("sample"), denied()).expect("goes on");
        assert!(!captured.has(Group::Samples) && captured.has(Group::OffCpu));
        assert!(captured.take_notices()[0].starts_with("no samples: cannot list"));
        assert!(!captured.has(Group::RunQueue), "never asked for");
    }

    #[test]
    fn the_refusal_of_all_that_was_wanted_is_an_error() {
        let mut captured = Captured::new([Group::OffCpu, Group::Samples]);
        captured.refuse(probe("sample"), denied()).expect("goes on");
        let error = captured.refuse(probe("off_cpu_switch"), denied());
        assert_eq!(error.expect_err("nothing is left").exit_code(), 3);
    }
}
