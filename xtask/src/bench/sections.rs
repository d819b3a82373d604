//! The sections of the report: their names, order and time. A new section is a file with a
//! `measure` function and a row here.

use std::time::Duration;

use anyhow::Result;

use super::report::Part;
use super::setting::Setting;
use super::{
    attach, bystanders, cost, dumps, goroutines, http, profile, real, resources, streaming,
    switches, symbols, syscalls, threads,
};

/// How long a section takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A round is not begun when the one before took longer than what is left of this.
    pub(super) budget: Duration,
    /// Rounds at most; the first is always made.
    pub(super) rounds: usize,
    /// How long a workload measures one kind of operation. At most 0.8 s for what runs under
    /// SCHED_FIFO: the kernel keeps 5 % of every second from it.
    pub(super) window: Duration,
}

/// One part of the report.
#[derive(Debug)]
pub(super) struct Section {
    /// On the command line and in JSON; never changes.
    pub(super) name: &'static str,
    /// For `--help`.
    pub(super) about: &'static str,
    pub(super) measure: fn(&Setting, Pace) -> Result<Part>,
    /// Only with its name or `--all`: it needs what few machines have.
    pub(super) on_request: bool,
    pub(super) full: Pace,
    pub(super) quick: Pace,
}

/// Seconds, rounds, milliseconds.
const fn pace(seconds: u64, rounds: usize, window_ms: u64) -> Pace {
    Pace {
        budget: Duration::from_secs(seconds),
        rounds,
        window: Duration::from_millis(window_ms),
    }
}

/// All sections, in the report's order.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "syscalls",
        about: "added time for each system call, C and Go",
        measure: syscalls::measure,
        on_request: false,
        full: pace(240, 10, 200),
        quick: pace(40, 2, 60),
    },
    Section {
        name: "threads",
        about: "system calls of 1 to 64 threads at once",
        measure: threads::measure,
        on_request: false,
        full: pace(110, 5, 200),
        quick: pace(20, 1, 60),
    },
    Section {
        name: "bystanders",
        about: "what other processes pay while one is traced",
        measure: bystanders::measure,
        on_request: false,
        full: pace(110, 6, 200),
        quick: pace(20, 1, 80),
    },
    Section {
        name: "http",
        about: "a Go HTTP service: requests a second, and latency at a fixed rate",
        measure: http::measure,
        on_request: false,
        full: pace(230, 4, 750),
        quick: pace(32, 1, 250),
    },
    Section {
        name: "switches",
        about: "a storm of context switches",
        measure: switches::measure,
        on_request: false,
        full: pace(110, 7, 500),
        quick: pace(20, 2, 200),
    },
    Section {
        name: "profile",
        about: "samplers on a program that only computes",
        measure: profile::measure,
        on_request: false,
        full: pace(90, 6, 800),
        quick: pace(15, 2, 300),
    },
    Section {
        name: "goroutines",
        about: "busy Go programs: 1,000 and 10,000 goroutines, channels, garbage",
        measure: goroutines::measure,
        on_request: false,
        full: pace(160, 5, 700),
        quick: pace(25, 1, 250),
    },
    Section {
        name: "dumps",
        about: "dumps of 10,000 and 100,000 goroutines, beside pprof's and a debugger's",
        measure: dumps::measure,
        on_request: false,
        full: pace(85, 1, 3000),
        quick: pace(40, 1, 1200),
    },
    Section {
        name: "streaming",
        about: "calls a second that reach the output",
        measure: streaming::measure,
        on_request: false,
        full: pace(70, 3, 1000),
        quick: pace(14, 1, 300),
    },
    Section {
        name: "attach",
        about: "from the start of a tool until it is attached",
        measure: attach::measure,
        on_request: false,
        full: pace(50, 5, 0),
        quick: pace(10, 1, 0),
    },
    Section {
        name: "symbols",
        about: "from the end of a profile to its finished output",
        measure: symbols::measure,
        on_request: false,
        full: pace(60, 5, 2000),
        quick: pace(14, 1, 1000),
    },
    Section {
        name: "resources",
        about: "CPU time and memory of the tools themselves",
        measure: resources::measure,
        on_request: false,
        full: pace(80, 1, 2500),
        quick: pace(22, 1, 600),
    },
    Section {
        name: "cost",
        about: "the cost that tracer predicts against the slowdown that its target sees",
        measure: cost::measure,
        on_request: false,
        full: pace(100, 8, 400),
        quick: pace(22, 2, 200),
    },
    Section {
        name: "real",
        about: "Prometheus, Caddy and etcd under load, if installed",
        measure: real::measure,
        on_request: true,
        full: pace(780, 9, 750),
        quick: pace(75, 1, 300),
    },
];

/// The sections called `names`, or all that need not be asked for; in the report's order.
pub(super) fn chosen(names: &[String], all: bool) -> Vec<&'static Section> {
    let wanted = |section: &&Section| {
        let named = names.iter().any(|name| name == section.name);
        named || all || (names.is_empty() && !section.on_request)
    };
    SECTIONS.iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(pace: fn(&Section) -> Pace) -> Duration {
        let sections = chosen(&[], false).into_iter();
        sections.map(|section| pace(section).budget).sum()
    }

    #[test]
    fn the_budgets_keep_the_promised_totals() {
        assert!(total(|section| section.full) < Duration::from_secs(25 * 60));
        assert!(total(|section| section.quick) < Duration::from_secs(5 * 60));
    }

    #[test]
    fn names_choose_sections_in_the_reports_order() {
        let names = ["attach".to_owned(), "syscalls".to_owned()];
        let chosen: Vec<_> = chosen(&names, false).iter().map(|s| s.name).collect();
        assert_eq!(chosen, ["syscalls", "attach"]);
    }

    #[test]
    fn names_are_unique_and_what_must_be_asked_for_is_left_out() {
        let mut names: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SECTIONS.len());
        assert!(chosen(&[], false).iter().all(|s| s.name != "real"));
        assert!(chosen(&[], true).iter().any(|s| s.name == "real"));
    }
}
