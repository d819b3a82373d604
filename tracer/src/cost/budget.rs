//! What tracing may cost, and what is done when it costs more.

use super::meter::Bill;
use crate::bpf::Group;

/// Percent of the targets' CPU time that probes may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    Percent(f64),
    /// Any.
    Off,
}

/// The budget where none is given, in percent.
const DEFAULT: f64 = 2.0;

/// Why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no budget: give percent of the target's CPU time, such as 2 or 0.5, or off")]
pub struct LimitError {
    text: String,
}

/// Parses percent, with or without `%`. `off`, 0 and 100 are no limit: a run without any cost is
/// one without probes.
///
/// # Errors
/// When it is neither, or negative.
pub fn parse_limit(text: &str) -> Result<Limit, LimitError> {
    let wrong = || LimitError {
        text: text.to_owned(),
    };
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("off") {
        return Ok(Limit::Off);
    }
    let number = trimmed.strip_suffix('%').unwrap_or(trimmed).trim_end();
    let percent: f64 = number.parse().map_err(|_| wrong())?;
    match percent {
        p if !p.is_finite() || p < 0.0 => Err(wrong()),
        p if p == 0.0 || p >= 100.0 => Ok(Limit::Off),
        p => Ok(Limit::Percent(p)),
    }
}

/// What to do when it costs more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Detach the dearest probes until it fits.
    Enforce,
    /// Say so once: the result is one from which nothing may be missing.
    Warn,
    /// Nothing: two hits a collection are not worth a word.
    Ignore,
}

/// The budget of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pub limit: Limit,
    pub policy: Policy,
}

impl Budget {
    /// What was asked for is kept to. Where nothing was, `policy` says what the default of 2 % is
    /// to a command.
    #[must_use]
    pub fn new(asked: Option<Limit>, policy: Policy) -> Self {
        match asked {
            Some(limit) => Self {
                limit,
                policy: Policy::Enforce,
            },
            None => Self {
                limit: Limit::Percent(DEFAULT),
                policy,
            },
        }
    }
}

/// What was spent in a stretch of time.
#[derive(Clone, Debug)]
pub struct Window {
    pub wall_ns: u64,
    /// The targets', what the probes took included; `None` when it is not known.
    pub cpu_ns: Option<u64>,
    pub bills: Vec<Bill>,
}

/// The budget was exceeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// Percent of the targets' CPU time that all probes took.
    pub percent: f64,
    pub limit: f64,
    /// What took most.
    pub dearest: Bill,
    /// What that took, in percent.
    pub dearest_percent: f64,
    pub hits_per_second: f64,
    pub action: Action,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say so.
    Tell,
    /// Measure one in so many of the hits.
    Sample(u32),
    Detach,
}

/// A window so far over the limit is enough alone; otherwise two in a row are.
const FAR_OVER: f64 = 4.0;

/// Fewer than one in so many hits would say little about any stack.
const MOST_SKIPPED: u32 = 1024;

/// Less than this percent of one CPU is never too much: an idle target spends most of the little
/// it uses in system calls and switches.
const NEGLIGIBLE: f64 = 0.1;

/// Watches the budget of a run, window by window.
#[derive(Debug)]
pub struct Guard {
    budget: Budget,
    over_before: bool,
    told: bool,
    /// Of so many switches off the CPU one is measured.
    one_in: u32,
}

impl Guard {
    /// Nothing spent yet.
    #[must_use]
    pub const fn new(budget: Budget) -> Self {
        Self {
            budget,
            over_before: false,
            told: false,
            one_in: 1,
        }
    }

    /// Judges one window.
    pub fn judge(&mut self, window: &Window) -> Option<Over> {
        let Limit::Percent(limit) = self.budget.limit else {
            return None;
        };
        if self.budget.policy == Policy::Ignore || self.told {
            return None;
        }
        let percent = spent(window, |_| true);
        if percent <= limit || is_negligible(window, limit) {
            self.over_before = false;
            return None;
        }
        if !std::mem::replace(&mut self.over_before, true) && percent <= limit * FAR_OVER {
            return None;
        }
        // Births and deaths of processes must be known while anything is.
        let rest = window.bills.iter().filter(|b| b.group != Group::Process);
        let dearest = rest.max_by_key(|b| b.charge.target_ns)?.clone();
        self.over_before = false;
        let dearest_percent = spent(window, |b| b.group == dearest.group);
        let action = if self.budget.policy == Policy::Warn {
            self.told = true;
            Action::Tell
        } else {
            let rest = percent - dearest_percent;
            self.curb(&dearest, dearest_percent, limit - rest)
        };
        Some(Over {
            percent,
            limit,
            dearest_percent,
            hits_per_second: dearest.charge.hits as f64 * 1e9 / window.wall_ns.max(1) as f64,
            dearest,
            action,
        })
    }

    /// The least that brings a bill of `percent` down to `allowed`.
    fn curb(&mut self, bill: &Bill, percent: f64, allowed: f64) -> Action {
        let floor = percent * bill.floor_ns as f64 / bill.charge.target_ns.max(1) as f64;
        let reducible = percent - floor;
        // The stacks are most of the price of these probes, and can be left out; of the others
        // most is the way into the kernel.
        if bill.group != Group::OffCpu || allowed <= floor || self.one_in >= MOST_SKIPPED {
            return Action::Detach;
        }
        // A cast saturates.
        let times = (reducible / (allowed - floor)).ceil().max(2.0) as u32;
        let times = times.min(MOST_SKIPPED).next_power_of_two();
        self.one_in = self.one_in.saturating_mul(times).min(MOST_SKIPPED);
        Action::Sample(self.one_in)
    }
}

fn paid(window: &Window, which: impl Fn(&Bill) -> bool) -> u64 {
    let bills = window.bills.iter().filter(|b| which(b));
    bills.fold(0, |sum, b| sum.saturating_add(b.charge.target_ns))
}

/// Percent of the targets' CPU time; of one CPU's where that is not known.
fn spent(window: &Window, which: impl Fn(&Bill) -> bool) -> f64 {
    let whole = window.cpu_ns.unwrap_or(window.wall_ns);
    match (paid(window, which), whole) {
        (0, _) => 0.0,
        (_, 0) => 100.0,
        (part, whole) => (part as f64 / whole as f64 * 100.0).min(100.0),
    }
}

fn is_negligible(window: &Window, limit: f64) -> bool {
    let share = paid(window, |_| true) as f64 / window.wall_ns.max(1) as f64 * 100.0;
    share < NEGLIGIBLE.min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Charge;

    const MS: u64 = 1_000_000;

    fn bill(group: Group, target_ns: u64) -> Bill {
        Bill {
            group,
            charge: Charge {
                hits: target_ns / 1000,
                target_ns,
                ..Charge::default()
            },
            floor_ns: target_ns / 16,
        }
    }

    /// A quarter of a second in which the target used `cpu_ms` and the probes `spent_us` of it.
    fn window(cpu_ms: u64, spent_us: u64) -> Window {
        Window {
            wall_ns: 250 * MS,
            cpu_ns: Some(cpu_ms * MS),
            bills: vec![
                bill(Group::Process, 0),
                bill(Group::RunQueue, spent_us * 100),
                bill(Group::GoSchedule, spent_us * 900),
            ],
        }
    }

    fn guard(asked: Option<Limit>, policy: Policy) -> Guard {
        Guard::new(Budget::new(asked, policy))
    }

    #[test]
    fn limits_as_users_type_them() {
        for (text, limit) in [
            ("2", Limit::Percent(2.0)),
            ("0.5%", Limit::Percent(0.5)),
            (" 15 % ", Limit::Percent(15.0)),
            ("off", Limit::Off),
            ("0", Limit::Off),
            ("100", Limit::Off),
            ("1e9", Limit::Off),
        ] {
            assert_eq!(parse_limit(text), Ok(limit), "{text}");
        }
        for text in ["", "-1", "nan", "inf", "two", "2 % 3"] {
            let error = parse_limit(text).expect_err(text).to_string();
            assert!(error.contains("is no budget: give percent"), "{error}");
        }
    }

    #[test]
    fn two_windows_over_the_limit_or_one_far_over() {
        let mut guard = guard(None, Policy::Enforce);
        assert_eq!(guard.judge(&window(250, 4_000)), None, "1.6 %");
        assert_eq!(guard.judge(&window(250, 10_000)), None, "4 % once");
        assert_eq!(guard.judge(&window(250, 4_000)), None);
        assert_eq!(guard.judge(&window(250, 10_000)), None, "4 % once more");
        let over = guard.judge(&window(250, 10_000)).expect("4 % twice");
        assert_eq!((over.percent, over.limit), (4.0, 2.0));
        assert_eq!(over.dearest.group, Group::GoSchedule);
        assert!((over.dearest_percent - 3.6).abs() < 1e-9);
        assert_eq!(over.hits_per_second, 36_000.0);
        assert_eq!(over.action, Action::Detach);
        let over = guard.judge(&window(250, 100_000)).expect("40 % at once");
        assert_eq!(over.percent, 40.0);
    }

    #[test]
    fn an_idle_target_is_let_alone() {
        let mut guard = guard(None, Policy::Enforce);
        for _ in 0..3 {
            assert_eq!(guard.judge(&window(1, 200)), None, "20 % of almost nothing");
        }
        assert!(guard.judge(&window(0, 300)).is_some(), "0.12 % of a CPU");
    }

    #[test]
    fn complete_results_are_cut_only_when_asked() {
        let mut warning = guard(None, Policy::Warn);
        let over = warning.judge(&window(250, 100_000)).expect("a word");
        assert_eq!(over.action, Action::Tell);
        assert_eq!(warning.judge(&window(250, 100_000)), None, "only once");
        let asked = Some(Limit::Percent(1.0));
        let mut asked = guard(asked, Policy::Warn);
        let over = asked.judge(&window(250, 100_000)).expect("over");
        assert_eq!(over.action, Action::Detach);
        let mut never = guard(None, Policy::Ignore);
        assert_eq!(never.judge(&window(250, 100_000)), None);
        let mut off = guard(Some(Limit::Off), Policy::Enforce);
        assert_eq!(off.judge(&window(250, 250_000)), None);
    }

    #[test]
    fn switches_with_stacks_are_sampled_as_far_as_that_helps() {
        let mut guard = guard(None, Policy::Enforce);
        let off_cpu = |percent: u64| Window {
            wall_ns: 250 * MS,
            cpu_ns: Some(100 * MS),
            bills: vec![bill(Group::OffCpu, percent * MS)],
        };
        let mut action = |percent| guard.judge(&off_cpu(percent)).map(|o| o.action);
        // 1/16 of it is the floor: 15 % must become 1 %.
        assert_eq!(action(16), Some(Action::Sample(16)));
        assert_eq!(action(1), None);
        // 5/8 % of 10 is the floor: 9.4 % must become 1.4 %, of what is 1 in 16 already.
        assert_eq!(action(10), Some(Action::Sample(128)));
        assert_eq!(action(24), Some(Action::Sample(1024)));
        assert_eq!(action(10), Some(Action::Detach), "nothing left to skip");
        let mut hopeless = Guard::new(Budget::new(None, Policy::Enforce));
        let over = hopeless.judge(&off_cpu(40)).expect("over");
        assert_eq!(over.action, Action::Detach, "2.5 % is the floor alone");
    }

    #[test]
    fn extremes_are_judged_without_overflow() {
        let mut guard = guard(None, Policy::Enforce);
        let mut window = window(0, 0);
        assert_eq!(guard.judge(&window), None);
        window.wall_ns = 0;
        window.cpu_ns = None;
        window.bills[1].charge.target_ns = u64::MAX;
        window.bills[2].charge.target_ns = u64::MAX;
        assert_eq!(guard.judge(&window).expect("over").percent, 100.0);
        window.bills.truncate(1);
        assert_eq!(guard.judge(&window), None, "nothing to detach");
    }
}
