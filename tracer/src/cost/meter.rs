//! From counters and prices to a bill.

use std::collections::HashSet;

use tracer_common::probe::{ProbeCounters, ProbeId};

use super::price::{Class, Prices};
use crate::bpf::Group;
use crate::event::{Body, Capture, Charge, Cost, Event, KernelTime};

/// What it takes to store the stack with which a goroutine waits or assists, and to add up its wait, beside the way
/// into both probes: 900 ns for three frames that were there just before, 3000 for twenty that were not
/// (a 2.6 GHz virtual machine, by the kernel's own count of the programs' time).
const WAIT_STACK_NS: u64 = 1500;

/// What was copied with the syscalls that reached the tracer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Entries and exits.
    pub records: u64,
    /// Strings and buffers.
    pub captures: u64,
    pub bytes: u64,
}

impl Captured {
    /// Counts one event.
    pub fn note(&mut self, event: &Event) {
        let captures = match &event.body {
            Body::SyscallEnter(enter) => &enter.captures,
            Body::SyscallExit(exit) => &exit.captures,
            _ => return,
        };
        self.records += 1;
        self.note_captures(captures);
    }

    /// Counts more captures of a record.
    pub fn note_captures(&mut self, captures: &[Capture]) {
        self.captures += captures.len() as u64;
        self.bytes += captures.iter().map(|c| c.data.len() as u64).sum::<u64>();
    }
}

/// Charges of one group of probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    pub group: Group,
    pub charge: Charge,
    /// What the targets would have paid had nothing of it been measured, in ns.
    pub floor_ns: u64,
}

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// By [`ProbeId`].
    pub counters: &'a [ProbeCounters],
    pub captured: Captured,
    /// Since the start.
    pub wall_ns: u64,
    /// The targets' since the start; `None` when it is not known any more.
    pub cpu_ns: Option<u64>,
}

/// Bills the probes of a run.
#[derive(Debug)]
pub struct Meter {
    prices: Prices,
    groups: Vec<Group>,
    /// Groups with a user probe that is single-stepped somewhere.
    stepped: HashSet<Group>,
    /// The last reading with a known CPU time: that and the cost until then.
    known: Option<(u64, u64)>,
}

impl Meter {
    /// For probes of these groups, [`Group::Process`] among them.
    #[must_use]
    pub fn new(prices: Prices, groups: Vec<Group>) -> Self {
        Self {
            prices,
            groups,
            stepped: HashSet::new(),
            known: None,
        }
    }

    /// The classes that probes of a group have.
    #[must_use]
    pub const fn classes(group: Group) -> &'static [Class] {
        match group {
            Group::SyscallStream => &[Class::SyscallStream, Class::Capture, Class::CaptureKib],
            Group::SyscallStats => &[Class::SyscallStats],
            Group::Process => &[Class::Record],
            Group::Samples => &[Class::Samples],
            // The way there and two stacks, as at a switch.
            Group::OffCpu | Group::Wakers => &[Class::OffCpu],
            Group::RunQueue => &[Class::RunQueue],
            // Threads that begin. At switches it is little beside the stacks.
            Group::OnCpu => &[Class::Record],
            Group::GoGc
            | Group::GoSchedule
            | Group::GoWaits
            | Group::GoCreation
            | Group::GoFirstRun
            | Group::GoAssist
            | Group::GoAssistWait
            | Group::GoHandoff => &[Class::Uprobe, Class::UprobeStepped],
            // Switches of the target's threads are most of it.
            Group::GoStop => &[Class::RunQueue],
        }
    }

    /// A user probe of this group sits where the kernel must single-step.
    pub fn set_stepped(&mut self, group: Group) {
        self.stepped.insert(group);
    }

    /// The prices of everything that is attached, for people.
    #[must_use]
    pub fn price_list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for &group in self.groups.iter().filter(|&&g| g != Group::Process) {
            for &class in Self::classes(group) {
                let stepped = self.stepped.contains(&group);
                let wrong = if stepped {
                    Class::Uprobe
                } else {
                    Class::UprobeStepped
                };
                if class != wrong {
                    lines.push(self.price_line(class));
                }
            }
        }
        lines.dedup();
        lines
    }

    fn price_line(&self, class: Class) -> String {
        let price = self.prices.of(class);
        let others = match price.other_ns {
            0 => String::new(),
            ns => format!(", {ns} ns when it is not the target's"),
        };
        let source = if self.prices.is_measured(class) {
            "measured on this host"
        } else {
            "assumed"
        };
        format!(
            "price: {} ns {}{others} ({source})",
            price.target_ns,
            class.unit()
        )
    }

    /// Charges of each group, in the order of the groups.
    #[must_use]
    pub fn bills(&self, reading: &Reading<'_>) -> Vec<Bill> {
        let bill = |&group| {
            let charge = self.charge(group, reading);
            let floor = match Self::classes(group) {
                [class, ..] => self.prices.of(*class).other_ns,
                [] => 0,
            };
            Bill {
                group,
                floor_ns: charge.hits.saturating_mul(floor.into()),
                charge,
            }
        };
        self.groups.iter().map(bill).collect()
    }

    fn charge(&self, group: Group, reading: &Reading<'_>) -> Charge {
        let of = |id: ProbeId| reading.counters.get(id as usize).copied();
        let of = |id| of(id).unwrap_or_default();
        match group {
            Group::SyscallStats => {
                let price = self.prices.of(Class::SyscallStats);
                charge("syscall_count", of(ProbeId::SyscallCountEnter), price, 0)
            }
            Group::SyscallStream => self.stream(&of, reading.captured),
            Group::OffCpu => {
                let price = self.prices.of(Class::OffCpu);
                charge("off_cpu", of(ProbeId::OffCpuSwitch), price, 0)
            }
            Group::Wakers => {
                let price = self.prices.of(Class::OffCpu);
                charge("off_cpu_waker", of(ProbeId::OffCpuWaker), price, 0)
            }
            Group::OnCpu => {
                let price = self.prices.of(Class::Record);
                charge("on_cpu", of(ProbeId::OnCpuNew), price, 0)
            }
            Group::RunQueue => {
                let price = self.prices.of(Class::RunQueue);
                charge("run_queue", of(ProbeId::RunQueueSwitch), price, 0)
            }
            Group::Samples => {
                let price = self.prices.of(Class::Samples);
                charge("sample", of(ProbeId::Sample), price, 0)
            }
            Group::GoSchedule => {
                let hits = of(ProbeId::GoSchedule).hits;
                self.uprobes("go_schedule", group, hits, 0)
            }
            Group::GoCreation => {
                let hits = of(ProbeId::GoCreate).hits;
                let hits = hits.saturating_add(of(ProbeId::GoEnd).hits);
                self.uprobes("go_creation", group, hits, 0)
            }
            Group::GoFirstRun => {
                let hits = of(ProbeId::GoFirstRun).hits;
                self.uprobes("go_first_run", group, hits, 0)
            }
            Group::GoAssist => {
                let [begins, ends] = [ProbeId::GoAssist, ProbeId::GoAssisted].map(|id| of(id).hits);
                let hits = begins.saturating_add(ends);
                let mut charge = self.uprobes("go_assist", group, hits, 0);
                let more = begins.saturating_mul(WAIT_STACK_NS);
                charge.target_ns = charge.target_ns.saturating_add(more);
                charge
            }
            Group::GoAssistWait => {
                let [waits, ends] =
                    [ProbeId::GoAssistWait, ProbeId::GoAssistResumed].map(|id| of(id).hits);
                let each = u64::from(self.prices.of(Class::Uprobe).target_ns);
                let more = waits.saturating_mul(each.saturating_add(WAIT_STACK_NS));
                let mut charge = self.uprobes("go_assist_wait", group, ends, 0);
                charge.target_ns = charge.target_ns.saturating_add(more);
                charge
            }
            Group::GoHandoff => {
                let ids = [ProbeId::GoHandoff, ProbeId::GoNoProcessor];
                let [lost, none] = ids.map(|id| of(id).hits);
                let hits = lost.saturating_add(none);
                let mut charge = self.uprobes("go_handoff", group, hits, 0);
                let more = hits.saturating_mul(WAIT_STACK_NS);
                charge.target_ns = charge.target_ns.saturating_add(more);
                charge
            }
            Group::GoGc => {
                let [begin, end] = [ProbeId::GoGcTrigger, ProbeId::GoGcCycle].map(|id| of(id).hits);
                let hits = begin.saturating_add(end);
                let record = self.prices.of(Class::Record).target_ns;
                self.uprobes("go_gc", group, hits, record)
            }
            Group::GoWaits => {
                let [parks, runs] = [ProbeId::GoPark, ProbeId::GoExecute].map(|id| of(id).hits);
                let hits = parks.saturating_add(runs);
                let mut charge = self.uprobes("go_park and go_execute", group, hits, 0);
                let more = parks.saturating_mul(WAIT_STACK_NS);
                charge.target_ns = charge.target_ns.saturating_add(more);
                charge
            }
            Group::GoStop => {
                let ids = [
                    ProbeId::GoStop,
                    ProbeId::GoStopped,
                    ProbeId::GoStart,
                    ProbeId::GoStarted,
                ];
                let hits = ids.into_iter().map(|id| of(id).hits);
                let stops = hits.fold(0, u64::saturating_add);
                let each = u64::from(self.prices.of(Class::Uprobe).target_ns);
                let price = self.prices.of(Class::RunQueue);
                let more = stops.saturating_mul(each);
                charge("go_stop", of(ProbeId::GoStopSwitch), price, more)
            }
            Group::Process => {
                let ids = [ProbeId::Fork, ProbeId::Exec, ProbeId::Exit];
                let hits = ids
                    .into_iter()
                    .map(|id| of(id).hits)
                    .fold(0, u64::saturating_add);
                let counters = ProbeCounters {
                    hits,
                    ..ProbeCounters::default()
                };
                charge("process", counters, self.prices.of(Class::Record), 0)
            }
        }
    }

    fn stream(&self, of: &impl Fn(ProbeId) -> ProbeCounters, captured: Captured) -> Charge {
        let (enter, exit) = (of(ProbeId::SyscallEnter), of(ProbeId::SyscallExit));
        let records = enter.hits.saturating_add(exit.hits);
        // Records that were lost were made all the same.
        let all = |seen: u64| scaled(seen, records, captured.records);
        let ns = |class| u64::from(self.prices.of(class).target_ns);
        let copies = all(captured.captures)
            .saturating_mul(ns(Class::Capture))
            .saturating_add(all(captured.bytes / 1024).saturating_mul(ns(Class::CaptureKib)));
        let signals = [ProbeId::Signal, ProbeId::SignalGenerate]
            .map(|id| of(id).hits)
            .into_iter()
            .fold(0, u64::saturating_add)
            .saturating_mul(ns(Class::Record));
        charge(
            "syscall",
            enter,
            self.prices.of(Class::SyscallStream),
            copies.saturating_add(signals),
        )
    }

    fn uprobes(&self, name: &str, group: Group, hits: u64, more_ns: u32) -> Charge {
        let class = if self.stepped.contains(&group) {
            Class::UprobeStepped
        } else {
            Class::Uprobe
        };
        let counters = ProbeCounters {
            hits,
            ..ProbeCounters::default()
        };
        let more = hits.saturating_mul(more_ns.into());
        charge(name, counters, self.prices.of(class), more)
    }

    /// Remembers the targets' CPU time, when it is known, and the cost until then.
    pub fn note(&mut self, reading: &Reading<'_>) {
        if let Some(cpu) = reading.cpu_ns {
            let bills = self.bills(reading);
            let paid = bills.iter().map(|b| b.charge.target_ns);
            self.known = Some((cpu, paid.fold(0, u64::saturating_add)));
        }
    }

    /// The whole bill. Where the targets' CPU time is not known to the end, as they are gone, it
    /// is taken to have grown with the cost since it was last known; where it never was known, to
    /// be that of one CPU.
    pub fn cost(&mut self, reading: &Reading<'_>, kernel: Option<KernelTime>) -> Cost {
        self.note(reading);
        let mut charges: Vec<Charge> = self
            .bills(reading)
            .into_iter()
            .map(|b| b.charge)
            .filter(|c| c.hits != 0 || c.other_hits != 0)
            .collect();
        charges.sort_by_key(|c| std::cmp::Reverse(c.target_ns));
        let mut cost = Cost {
            wall_ns: reading.wall_ns,
            target_cpu_ns: 0,
            cpus: std::thread::available_parallelism()
                .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            charges,
            measured: self.is_measured(),
            kernel,
        };
        let paid = cost.target_ns();
        cost.target_cpu_ns = match (reading.cpu_ns, self.known) {
            (Some(cpu), _) => cpu,
            (None, Some((cpu, before))) if before > 0 => scaled(cpu, paid, before),
            (None, Some((cpu, _))) if cpu > 0 => cpu,
            _ => reading.wall_ns,
        };
        cost
    }

    fn is_measured(&self) -> bool {
        let mut groups = self.groups.iter().filter(|&&g| g != Group::Process);
        groups.all(|&g| {
            let mut classes = Self::classes(g).iter();
            classes.any(|&c| self.prices.is_measured(c))
        })
    }
}

/// The targets pay for what they did not need at the price of others.
fn charge(
    probes: &str,
    counters: ProbeCounters,
    price: super::price::Price,
    more_ns: u64,
) -> Charge {
    let (each, floor) = (u64::from(price.target_ns), u64::from(price.other_ns));
    let hits = counters.hits.saturating_add(counters.skipped);
    let target_ns = counters
        .hits
        .saturating_mul(each)
        .saturating_add(counters.skipped.saturating_mul(floor))
        .saturating_add(more_ns);
    Charge {
        probes: probes.to_owned(),
        hits,
        each_ns: target_ns.checked_div(hits).unwrap_or(each),
        target_ns,
        other_hits: counters.foreign,
        other_ns: counters.foreign.saturating_mul(floor),
    }
}

/// `part` × `whole` / `seen`, 0 when nothing was seen.
fn scaled(part: u64, whole: u64, seen: u64) -> u64 {
    let product = u128::from(part) * u128::from(whole);
    let scaled = product.checked_div(seen.into()).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Price;

    fn counters(set: &[(ProbeId, ProbeCounters)]) -> Vec<ProbeCounters> {
        let mut all = vec![ProbeCounters::default(); ProbeId::COUNT];
        for &(id, value) in set {
            all[id as usize] = value;
        }
        all
    }

    fn reading(counters: &[ProbeCounters], cpu_ns: Option<u64>) -> Reading<'_> {
        Reading {
            counters,
            captured: Captured::default(),
            wall_ns: 1_000_000_000,
            cpu_ns,
        }
    }

    fn meter(groups: &[Group]) -> Meter {
        let mut prices = Prices::default();
        for (class, target_ns, other_ns) in [
            (Class::SyscallStats, 250, 160),
            (Class::SyscallStream, 900, 150),
            (Class::Capture, 100, 0),
            (Class::CaptureKib, 200, 0),
            (Class::Uprobe, 800, 0),
            (Class::UprobeStepped, 12_000, 0),
        ] {
            let price = Price {
                target_ns,
                other_ns,
            };
            prices.set(class, price);
        }
        Meter::new(prices, groups.to_vec())
    }

    #[test]
    fn hits_skips_and_others_have_their_prices() {
        let enter = ProbeCounters {
            hits: 1000,
            skipped: 10,
            foreign: 100,
            ..ProbeCounters::default()
        };
        let counters = counters(&[(ProbeId::SyscallCountEnter, enter)]);
        let mut meter = meter(&[Group::Process, Group::SyscallStats]);
        let cost = meter.cost(&reading(&counters, Some(100_000_000)), None);
        assert_eq!(
            cost.charges,
            [Charge {
                probes: "syscall_count".to_owned(),
                hits: 1010,
                each_ns: 249,
                target_ns: 251_600,
                other_hits: 100,
                other_ns: 16_000,
            }]
        );
        assert_eq!(cost.target_cpu_ns, 100_000_000);
        assert!(cost.measured);
    }

    #[test]
    fn copies_of_lost_records_are_counted_in() {
        let hits = |hits| ProbeCounters {
            hits,
            ..ProbeCounters::default()
        };
        let counters = counters(&[
            (ProbeId::SyscallEnter, hits(100)),
            (ProbeId::SyscallExit, hits(100)),
        ]);
        let mut reading = reading(&counters, Some(1_000_000));
        reading.captured = Captured {
            records: 50,
            captures: 30,
            bytes: 10 * 1024,
        };
        let cost = meter(&[Group::SyscallStream]).cost(&reading, None);
        assert_eq!(cost.target_ns(), 100 * 900 + 120 * 100 + 40 * 200);
    }

    #[test]
    fn a_single_stepped_site_is_dearer() {
        let hits = ProbeCounters {
            hits: 10,
            ..ProbeCounters::default()
        };
        let counters = counters(&[(ProbeId::GoSchedule, hits)]);
        let mut meter = meter(&[Group::GoSchedule]);
        let reading = reading(&counters, Some(1_000_000));
        assert_eq!(meter.cost(&reading, None).target_ns(), 8_000);
        assert!(meter.price_list()[0].starts_with("price: 800 ns a user probe hit ("));
        meter.set_stepped(Group::GoSchedule);
        assert_eq!(meter.cost(&reading, None).target_ns(), 120_000);
        assert!(meter.price_list()[0].contains("single-stepped (measured"));
    }

    #[test]
    fn a_target_that_is_gone_is_billed_as_it_was() {
        let hits = |hits| {
            counters(&[(
                ProbeId::GoSchedule,
                ProbeCounters {
                    hits,
                    ..ProbeCounters::default()
                },
            )])
        };
        let mut meter = meter(&[Group::GoSchedule]);
        let never = meter.cost(&reading(&hits(10), None), None);
        assert_eq!(never.target_cpu_ns, 1_000_000_000, "one CPU");
        meter.cost(&reading(&hits(100), Some(2_000_000)), None);
        let gone = meter.cost(&reading(&hits(150), None), None);
        assert_eq!(gone.target_cpu_ns, 3_000_000);
        assert_eq!(gone.percent_of_cpu(), 4.0);
    }

    #[test]
    fn nothing_overflows() {
        let most = ProbeCounters {
            hits: u64::MAX,
            lost: u64::MAX,
            faults: u64::MAX,
            full: u64::MAX,
            unpaired: u64::MAX,
            stacks_lost: u64::MAX,
            skipped: u64::MAX,
            foreign: u64::MAX,
            untold: u64::MAX,
            untold_since_ns: u64::MAX,
        };
        let all = vec![most; ProbeId::COUNT];
        let groups = [
            Group::Process,
            Group::SyscallStream,
            Group::SyscallStats,
            Group::Samples,
            Group::OffCpu,
            Group::RunQueue,
            Group::GoGc,
            Group::GoSchedule,
        ];
        let mut meter = meter(&groups);
        let mut reading = reading(&all, Some(0));
        reading.captured = Captured {
            records: 1,
            captures: u64::MAX,
            bytes: u64::MAX,
        };
        let cost = meter.cost(&reading, None);
        assert_eq!(cost.target_ns(), u64::MAX);
        assert_eq!(cost.percent_of_cpu(), 100.0);
        assert_eq!(
            meter
                .cost(
                    &Reading {
                        counters: &[],
                        ..reading
                    },
                    None
                )
                .target_ns(),
            0
        );
    }
}
