//! What probes of waits would cost, before there are any: from how often Go's scheduler lets a
//! goroutine run.

use std::collections::HashSet;
use std::time::Duration;

use super::clock::now_ns;
use super::plan::Plan;
use super::spending::prices_for;
use crate::bpf::Group;
use crate::cost::{Action, Bill, Class, CpuTime, Guard, Over, Window};
use crate::event::Charge;
use crate::go::{Live, Runtime, Scheduler};

/// Time between the two looks.
const BETWEEN: Duration = Duration::from_millis(100);
/// A goroutine that parks passes by two probes.
const PROBES_PER_WAIT: u64 = 2;

/// Whether probes at all waits of a process would exceed the budget of a plan; `None` when they would
/// not, or when that is not known. It takes a tenth of a second.
///
/// Each P counts the goroutines that it lets run (`p.schedtick`, runtime/proc.go), but for those that
/// take over the rest of another one's time: there are at least so many.
pub(crate) fn waits_over_budget(plan: &Plan, pid: u32, runtime: &Runtime) -> Option<Over> {
    let memory = Live::of(pid).memory;
    let ticks = || {
        let now = now_ns();
        let state = Scheduler::read(&memory, runtime.layout, &runtime.globals, now).ok()?;
        let ticks: Vec<u32> = state.processors.iter().map(|p| p.ticks).collect();
        Some((now, ticks))
    };
    let pids = HashSet::from([pid]);
    let mut cpu = CpuTime::of_processes(&pids, false);
    let (began, before) = ticks()?;
    std::thread::sleep(BETWEEN);
    let (now, after) = ticks()?;
    let each_ns = prices_for(plan).0.of(Class::Uprobe).target_ns.into();
    let window = expected(&before, &after, now - began, each_ns, cpu.used_ns(&pids));
    let mut guard = Guard::new(plan.budget);
    // What is a little over must be so twice.
    let over = guard.judge(&window).or_else(|| guard.judge(&window));
    over.filter(|over| over.action != Action::Tell)
}

/// What probes would have cost between two looks.
fn expected(
    before: &[u32],
    after: &[u32],
    wall_ns: u64,
    each_ns: u64,
    cpu_ns: Option<u64>,
) -> Window {
    let runs = before.iter().zip(after);
    let runs = runs.map(|(before, after)| u64::from(after.wrapping_sub(*before)));
    let hits = runs.sum::<u64>().saturating_mul(PROBES_PER_WAIT);
    let target_ns = hits.saturating_mul(each_ns);
    let bill = Bill {
        group: Group::GoWaits,
        charge: Charge {
            probes: "go_park and go_execute".to_owned(),
            hits,
            each_ns,
            target_ns,
            ..Charge::default()
        },
        floor_ns: 0,
    };
    Window {
        wall_ns,
        // With what the probes would have added.
        cpu_ns: cpu_ns.map(|used| used.saturating_add(target_ns)),
        bills: vec![bill],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Budget, Limit, Policy};

    #[test]
    fn ticks_become_hits_of_two_probes() {
        let wall_ns = 100_000_000;
        let window = expected(&[10, u32::MAX], &[60, 49], wall_ns, 1000, Some(50_000_000));
        let charge = &window.bills[0].charge;
        assert_eq!((charge.hits, charge.target_ns), (200, 200_000));
        assert_eq!(window.cpu_ns, Some(50_200_000));
        let budget = Budget::new(Some(Limit::Percent(2.0)), Policy::Enforce);
        assert_eq!(Guard::new(budget).judge(&window), None);
        let window = expected(&[0], &[10_000], wall_ns, 1000, Some(50_000_000));
        let over = Guard::new(budget).judge(&window).expect("far over");
        assert_eq!(over.action, Action::Detach);
        assert!((over.percent - 28.57).abs() < 0.01, "{}", over.percent);
    }
}
