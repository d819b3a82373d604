//! Finds prices by running the tracer's own programs on a child process.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::price::{Class, Price, Prices};
use super::subject::{self, LONG_PATH, SHORT_PATH, Subject, Work};
use crate::bpf::{Constants, Group, Kernel, PROBES, Probe, Sizes};
use crate::process::Maps;
use tracer_common::config::target;

/// Samples a second and CPU while samples are priced.
const SAMPLE_HZ: u64 = 1999;

/// Records that the programs send meanwhile must not fill the ring: a full one is cheaper.
const RING_BYTES: u32 = 4 << 20;

/// A run is to begin, on whatever host: where the measurements do not get the CPU, prices are
/// assumed for now, and looked for again by the next run.
const MAX_TIME: Duration = Duration::from_millis(500);
const BUSY: &str = "the host is too busy to measure";

/// Prices with their classes.
type Found = Vec<(Class, Price)>;

/// What is priced with one set of programs.
struct Trial {
    group: Group,
    classes: &'static [Class],
    price: fn(&mut Bench) -> Result<Found, String>,
}

const TRIALS: [Trial; 6] = [
    Trial {
        group: Group::SyscallStats,
        classes: &[Class::SyscallStats],
        price: |b| b.pair(Group::SyscallStats, Class::SyscallStats, Work::Syscall, 1.0),
    },
    Trial {
        group: Group::SyscallStream,
        classes: &[Class::SyscallStream, Class::Capture, Class::CaptureKib],
        price: Bench::stream,
    },
    Trial {
        group: Group::OffCpu,
        classes: &[Class::OffCpu],
        // A round trip is two switches.
        price: |b| b.pair(Group::OffCpu, Class::OffCpu, Work::Switches, 2.0),
    },
    Trial {
        group: Group::RunQueue,
        classes: &[Class::RunQueue],
        price: |b| b.pair(Group::RunQueue, Class::RunQueue, Work::Switches, 2.0),
    },
    Trial {
        group: Group::Samples,
        classes: &[Class::Samples],
        price: Bench::samples,
    },
    Trial {
        group: Group::GoSchedule,
        classes: &[Class::Uprobe, Class::UprobeStepped],
        price: Bench::uprobes,
    },
];

/// Prices of `wanted`, as far as they can be measured on this host in its present state, in
/// [`MAX_TIME`].
///
/// # Errors
/// Why nothing could be measured, in one line.
pub(super) fn measure(wanted: &[Class]) -> Result<Prices, String> {
    measure_by(wanted, Instant::now() + MAX_TIME)
}

fn measure_by(wanted: &[Class], deadline: Instant) -> Result<Prices, String> {
    let trials: Vec<&Trial> = TRIALS
        .iter()
        .filter(|t| t.classes.iter().any(|c| wanted.contains(c)))
        .collect();
    let mut prices = Prices::default();
    if trials.is_empty() {
        return Ok(prices);
    }
    let mut bench = Bench::open(&trials, deadline)?;
    let mut why = None;
    for trial in trials {
        match (trial.price)(&mut bench) {
            Ok(found) => found.into_iter().for_each(|(c, p)| prices.set(c, p)),
            // What one kernel refuses, another trial may not need.
            Err(error) => why = Some(error),
        }
        bench.kernel.detach();
        if Instant::now() >= deadline {
            why.get_or_insert_with(|| BUSY.to_owned());
            break;
        }
    }
    match why {
        Some(why) if prices.iter().next().is_none() => Err(why),
        _ => Ok(prices),
    }
}

/// The child and the programs, of which it is no target at first.
struct Bench {
    subject: Subject,
    kernel: Kernel,
    deadline: Instant,
}

impl Bench {
    fn open(trials: &[&Trial], deadline: Instant) -> Result<Self, String> {
        let has = |group| trials.iter().any(|t| t.group == group);
        let sizes = Sizes {
            ring_bytes: RING_BYTES,
            off_cpu: has(Group::OffCpu),
            wakers: false,
            on_cpu: false,
            syscall_stats: has(Group::SyscallStats),
            run_queue: has(Group::RunQueue),
            go_stop: false,
            go_waits: false,
            go_creation: false,
            go_assists: false,
            go_handoffs: false,
            slow_calls: false,
            unwinding: false,
        };
        let constants = Constants {
            syscalls: [u64::MAX; 9],
            capture_rules: match has(Group::SyscallStream) {
                true => crate::syscall::capture::all_rules(false),
                false => Vec::new(),
            },
            ..Constants::default()
        };
        let subject = Subject::start().map_err(|e| format!("no process to measure on: {e}"))?;
        let kernel = Kernel::load(&constants, sizes).map_err(|e| e.to_string())?;
        Ok(Self {
            subject,
            kernel,
            deadline,
        })
    }

    fn attach(&mut self, group: Group) -> Result<(), String> {
        for probe in PROBES.iter().filter(|p| p.group == group) {
            let attached = self.kernel.attach(probe, SAMPLE_HZ);
            attached.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Makes the children targets, or no longer.
    fn target(&mut self, yes: bool) -> Result<(), String> {
        for pid in self.subject.pids() {
            let flags = if yes { target::TRACE } else { 0 };
            let set = self.kernel.set_target(pid, flags);
            set.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn time(&mut self, work: Work) -> Result<f64, String> {
        while self.kernel.drain(usize::MAX, |_| {}) != 0 {}
        let timed = self.subject.run(work, self.deadline);
        let timed = timed.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => BUSY.to_owned(),
            _ => error.to_string(),
        })?;
        timed.ok_or_else(|| BUSY.to_owned())
    }

    /// The price of what happens `per_operation` times in each operation of `work`.
    fn pair(
        &mut self,
        group: Group,
        class: Class,
        work: Work,
        per_operation: f64,
    ) -> Result<Found, String> {
        let free = self.time(work)?;
        self.target(false)?;
        self.attach(group)?;
        let other = self.time(work)?;
        self.target(true)?;
        let target = self.time(work)?;
        let price = price(
            (target - free) / per_operation,
            (other - free) / per_operation,
        );
        Ok(vec![(class, price)])
    }

    fn stream(&mut self) -> Result<Found, String> {
        let works = [Work::Syscall, Work::ShortPath, Work::LongPath];
        let free = self.time_all(works)?;
        self.target(false)?;
        self.attach(Group::SyscallStream)?;
        let other = self.time(Work::Syscall)?;
        self.target(true)?;
        let [call, short, long] = self.time_all(works)?;
        let call = call - free[0];
        let (short, long) = (short - free[1], long - free[2]);
        let kib = (long - short) * 1024.0 / (LONG_PATH - SHORT_PATH) as f64;
        Ok(vec![
            (Class::SyscallStream, price(call, other - free[0])),
            (Class::Capture, price(short - call, 0.0)),
            (Class::CaptureKib, price(kib, 0.0)),
        ])
    }

    fn time_all<const N: usize>(&mut self, works: [Work; N]) -> Result<[f64; N], String> {
        let mut times = [0.0; N];
        for (time, work) in times.iter_mut().zip(works) {
            *time = self.time(work)?;
        }
        Ok(times)
    }

    /// Interrupts are long beside what they interrupt: their own length is the price.
    fn samples(&mut self) -> Result<Found, String> {
        self.target(false)?;
        self.attach(Group::Samples)?;
        let other = self.time(Work::Spin)?;
        self.target(true)?;
        let target = self.time(Work::Spin)?;
        Ok(vec![(Class::Samples, price(target, other))])
    }

    fn uprobes(&mut self) -> Result<Found, String> {
        let probe = PROBES
            .iter()
            .find(|p| p.group == Group::GoSchedule)
            .ok_or("no such probe")?;
        let emulated = self.uprobe(probe, Work::Emulated)?;
        let stepped = self.uprobe(probe, Work::Stepped)?;
        Ok(vec![
            (Class::Uprobe, price(emulated, 0.0)),
            (Class::UprobeStepped, price(stepped, 0.0)),
        ])
    }

    fn uprobe(&mut self, probe: &'static Probe, work: Work) -> Result<f64, String> {
        let free = self.time(work)?;
        let own = Path::new("/proc/self/exe");
        let offset = file_offset(subject::site(work))?;
        let [child, _] = self.subject.pids();
        let attached = self.kernel.attach_uprobe(probe, own, offset, child);
        attached.map_err(|e| e.to_string())?;
        let probed = self.time(work)?;
        Ok(probed - free)
    }
}

/// Whole ns; less than nothing is nothing, which no class takes for a price.
fn price(target: f64, other: f64) -> Price {
    // A cast saturates.
    Price {
        target_ns: target.round() as u32,
        other_ns: other.round() as u32,
    }
}

/// Where an instruction of ours lies in our executable.
fn file_offset(address: usize) -> Result<u64, String> {
    let text = std::fs::read("/proc/self/maps").map_err(|e| e.to_string())?;
    let address = address as u64;
    Maps::parse(&text, |m| m.contains(address))
        .mappings
        .iter()
        .find_map(|m| m.file_offset(address))
        .ok_or_else(|| "the tracer does not find its own code".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_but_the_rare_ones_is_measured_here() {
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("skipped: loading BPF programs needs root");
            return;
        }
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(60);
        let prices = measure_by(&Class::ALL, deadline).expect("prices");
        println!("{:?}", begun.elapsed());
        for (class, price) in prices.iter() {
            println!("{class:?}: {price:?}");
        }
        // A busy host makes single figures useless, never all of them.
        assert!(prices.is_measured(Class::Uprobe), "{prices:?}");
        assert!(prices.iter().count() >= 4, "{prices:?}");
        let [emulated, stepped] = [Class::Uprobe, Class::UprobeStepped].map(|c| prices.of(c));
        assert!(emulated.target_ns <= stepped.target_ns * 2, "{prices:?}");
    }

    /// However long a measurement would take, it ends when its time is over.
    #[test]
    fn what_does_not_get_the_time_is_given_up() {
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("skipped: loading BPF programs needs root");
            return;
        }
        let why = measure_by(&Class::ALL, Instant::now()).expect_err("no time");
        assert_eq!(why, BUSY);
        let mut subject = Subject::start().expect("a process");
        let late = subject.run(Work::Spin, Instant::now());
        assert_eq!(late.expect_err("no time").kind(), ErrorKind::TimedOut);
        let again = Instant::now() + Duration::from_secs(60);
        assert!(subject.run(Work::Spin, again).is_err(), "it was given up");
    }

    #[test]
    fn a_negative_difference_is_no_price() {
        let none = price(-30.0, f64::NAN);
        assert_eq!((none.target_ns, none.other_ns), (0, 0));
        assert!(!Class::SyscallStats.is_sane(none));
        assert_eq!(price(f64::INFINITY, 0.4).target_ns, u32::MAX);
    }
}
