//! What a run costs while it runs, and whether that is still within its budget.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tracer_common::probe::ProbeCounters;

use super::plan::Plan;
use super::target::Target;
use crate::bpf::Group;
use crate::cost::{
    Action, Bill, Captured, Class, CpuTime, Guard, Meter, Over, Prices, Reading, Window, prices,
};
use crate::event::{Cost, KernelTime};
use crate::term;

/// Time between two judgements.
const WINDOW: Duration = Duration::from_millis(250);
/// The first reading of CPU times comes early, since a target may end soon.
const FIRST: Duration = Duration::from_millis(5);

/// Follows what a run costs.
#[derive(Debug)]
pub(super) struct Spending {
    meter: Meter,
    guard: Guard,
    cpu: CpuTime,
    follow: bool,
    since: Instant,
    next: Duration,
    last: Mark,
}

/// Sums at the end of a window.
#[derive(Debug, Default)]
struct Mark {
    wall_ns: u64,
    cpu_ns: Option<u64>,
    bills: Vec<Bill>,
}

impl Spending {
    /// Begins with nothing spent.
    pub(super) fn begin(plan: &Plan, target: &Target, prices: Prices) -> Self {
        let pids: HashSet<u32> = target.pids().into_iter().collect();
        let cpu = match target {
            Target::All => CpuTime::of_host(),
            _ => CpuTime::of_processes(&pids, plan.follow),
        };
        let mut groups = vec![Group::Process];
        let captured = plan.captures.iter().map(super::Capture::group);
        groups.extend(captured.filter(|group| *group != Group::Process));
        Self {
            meter: Meter::new(prices, groups),
            guard: Guard::new(plan.budget),
            cpu,
            follow: plan.follow,
            since: Instant::now(),
            next: FIRST,
            last: Mark::default(),
        }
    }

    /// A user probe of this group is single-stepped.
    pub(super) fn set_stepped(&mut self, group: Group) {
        self.meter.set_stepped(group);
    }

    /// What the attached probes cost a hit.
    pub(super) fn price_list(&self) -> Vec<String> {
        self.meter.price_list()
    }

    /// Whether [`Spending::judge`] should be called.
    pub(super) fn is_due(&self) -> bool {
        self.since.elapsed() >= self.next
    }

    /// Looks at what was spent, and judges it once a window.
    pub(super) fn judge(
        &mut self,
        counters: &[ProbeCounters],
        captured: Captured,
        target: &Target,
        live: &HashSet<u32>,
    ) -> Option<Over> {
        let elapsed = self.since.elapsed();
        self.next = elapsed + elapsed.clamp(FIRST, WINDOW);
        let cpu_ns = self.cpu_ns(target, live);
        let wall_ns = ns(elapsed);
        let reading = Reading {
            counters,
            captured,
            wall_ns,
            cpu_ns,
        };
        self.meter.note(&reading);
        if wall_ns.saturating_sub(self.last.wall_ns) < ns(WINDOW) {
            return None;
        }
        let mark = Mark {
            wall_ns,
            cpu_ns,
            bills: self.meter.bills(&reading),
        };
        let window = mark.since(&self.last);
        self.last = mark;
        self.guard.judge(&window)
    }

    /// Reads the targets' CPU time while they can still be asked.
    pub(super) fn cpu_ns(&mut self, target: &Target, live: &HashSet<u32>) -> Option<u64> {
        let mut alive = live.clone();
        if !self.follow {
            let asked = target.pids();
            alive.retain(|pid| asked.contains(pid));
        }
        // Our own child keeps its clock until we take its status.
        alive.extend(target.launched());
        self.cpu.used_ns(&alive)
    }

    /// The whole bill.
    pub(super) fn cost(
        &mut self,
        counters: &[ProbeCounters],
        captured: Captured,
        cpu_ns: Option<u64>,
        kernel: Option<KernelTime>,
    ) -> Cost {
        let reading = Reading {
            counters,
            captured,
            wall_ns: ns(self.since.elapsed()),
            cpu_ns,
        };
        self.meter.cost(&reading, kernel)
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Mark {
    fn since(&self, before: &Self) -> Window {
        let old = |group| before.bills.iter().find(|b| b.group == group);
        let mut bills = self.bills.clone();
        for bill in &mut bills {
            if let Some(old) = old(bill.group) {
                let (now, old) = (&mut bill.charge, &old.charge);
                now.hits = now.hits.saturating_sub(old.hits);
                now.target_ns = now.target_ns.saturating_sub(old.target_ns);
            }
            let floor = old(bill.group).map_or(0, |old| old.floor_ns);
            bill.floor_ns = bill.floor_ns.saturating_sub(floor);
        }
        Window {
            wall_ns: self.wall_ns.saturating_sub(before.wall_ns),
            cpu_ns: match (self.cpu_ns, before.cpu_ns) {
                (Some(now), before) => Some(now.saturating_sub(before.unwrap_or(0))),
                _ => None,
            },
            bills,
        }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Prices of what a plan attaches; see [`prices`].
pub(super) fn prices_for(plan: &Plan) -> (Prices, Option<String>) {
    let groups = plan.captures.iter().map(super::Capture::group);
    let classes: Vec<Class> = groups
        .flat_map(|g| Meter::classes(g).iter().copied())
        .collect();
    prices(&classes)
}

/// One line about a budget that was exceeded.
pub(super) fn over_line(over: &Over, after: Duration) -> String {
    let charge = &over.dearest.charge;
    let what = format!(
        "over the budget of {} %: {} takes {:.1} % of the target's CPU time ({} of {})",
        over.limit,
        charge.probes,
        over.dearest_percent,
        term::rate(over.hits_per_second).replacen("/s", " hits/s", 1),
        term::ns(charge.each_ns),
    );
    let after = after.as_secs_f64();
    match over.action {
        Action::Detach => format!("{what}: detached after {after:.1} s"),
        Action::Sample(n) => {
            format!("{what}: from {after:.1} s on one hit in {n} is measured, and counts for {n}")
        }
        Action::Tell => {
            format!("{what}; going on, for a complete result: --max-overhead PCT would detach it")
        }
    }
}

/// One line for each kind of probe, then one for the sums.
pub(super) fn breakdown(cost: &Cost, own_cpu_ns: u64) -> Vec<String> {
    let mut lines: Vec<String> = cost
        .charges
        .iter()
        .map(|c| {
            let others = match c.other_hits {
                0 => String::new(),
                hits => format!("; other processes {hits} hits, {}", term::ns(c.other_ns)),
            };
            format!(
                "cost: {} {} hits, {} each, {}{others}",
                c.probes,
                c.hits,
                term::ns(c.each_ns),
                term::ns(c.target_ns)
            )
        })
        .collect();
    lines.push(format!(
        "cost: {:.2} % of the target's {} of CPU time, {:.2} % of a CPU; other processes \
         {:.3} % of the host; tracer itself {}",
        cost.percent_of_cpu(),
        term::ns(cost.target_cpu_ns),
        cost.percent_of_wall(),
        cost.percent_of_host(),
        term::ns(own_cpu_ns),
    ));
    if let Some(kernel) = cost.kernel {
        lines.push(format!(
            "cost: by the kernel's count {} runs, {} in the programs, without the way there",
            kernel.runs,
            term::ns(kernel.ns)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Charge;

    fn over(action: Action) -> Over {
        Over {
            percent: 43.5,
            limit: 2.0,
            dearest: Bill {
                group: Group::GoSchedule,
                charge: Charge {
                    probes: "go_schedule".to_owned(),
                    hits: 8000,
                    each_ns: 13_200,
                    ..Charge::default()
                },
                floor_ns: 0,
            },
            dearest_percent: 43.14,
            hits_per_second: 32_000.0,
            action,
        }
    }

    #[test]
    fn lines_about_the_budget() {
        assert_eq!(
            over_line(&over(Action::Detach), Duration::from_millis(512)),
            "over the budget of 2 %: go_schedule takes 43.1 % of the target's CPU time \
             (32.0 k hits/s of 13.2 µs): detached after 0.5 s"
        );
        let sampling = over_line(&over(Action::Sample(8)), Duration::from_secs(2));
        assert!(
            sampling.ends_with(": from 2.0 s on one hit in 8 is measured, and counts for 8"),
            "{sampling}"
        );
        let warning = over_line(&over(Action::Tell), Duration::ZERO);
        assert!(
            warning
                .ends_with("; going on, for a complete result: --max-overhead PCT would detach it"),
            "{warning}"
        );
    }

    #[test]
    fn a_window_is_the_difference_of_two_marks() {
        let mark = |wall_ns, cpu_ns, hits| Mark {
            wall_ns,
            cpu_ns,
            bills: vec![Bill {
                group: Group::RunQueue,
                charge: Charge {
                    hits,
                    target_ns: hits * 300,
                    ..Charge::default()
                },
                floor_ns: hits * 100,
            }],
        };
        let window = mark(900, Some(70), 12).since(&mark(500, Some(30), 2));
        assert_eq!((window.wall_ns, window.cpu_ns), (400, Some(40)));
        assert_eq!(window.bills[0].charge.hits, 10);
        assert_eq!(window.bills[0].charge.target_ns, 3000);
        assert_eq!(window.bills[0].floor_ns, 1000);
        let gone = mark(900, None, 1).since(&mark(1000, Some(30), 2));
        assert_eq!((gone.wall_ns, gone.cpu_ns), (0, None));
        assert_eq!(gone.bills[0].charge.hits, 0);
    }

    #[test]
    fn the_breakdown_has_a_line_a_probe_and_one_of_sums() {
        let cost = Cost {
            wall_ns: 1_000_000_000,
            target_cpu_ns: 500_000_000,
            cpus: 2,
            charges: vec![Charge {
                probes: "syscall_count".to_owned(),
                hits: 10_000,
                each_ns: 250,
                target_ns: 2_500_000,
                other_hits: 100,
                other_ns: 16_000,
            }],
            measured: true,
            kernel: Some(KernelTime { runs: 9, ns: 900 }),
        };
        assert_eq!(
            breakdown(&cost, 7_000_000),
            [
                "cost: syscall_count 10000 hits, 250 ns each, 2.50 ms; other processes 100 hits, \
                 16.0 µs",
                "cost: 0.50 % of the target's 500 ms of CPU time, 0.25 % of a CPU; other \
                 processes 0.001 % of the host; tracer itself 7.00 ms",
                "cost: by the kernel's count 9 runs, 900 ns in the programs, without the way there",
            ]
        );
    }
}
