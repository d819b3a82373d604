//! Programs on the running kernel.

use super::*;
use crate::bpf::{Feature, Features, Group};

fn constants() -> Constants {
    Constants {
        want_goid: true,
        want_call_stack: true,
        want_slow_stack: true,
        want_wakers: true,
        want_on_cpu: true,
        syscalls: [u64::MAX; 9],
        ..Constants::default()
    }
}

const SIZES: Sizes = Sizes {
    ring_bytes: 1 << 16,
    off_cpu: true,
    wakers: true,
    on_cpu: true,
    syscall_stats: true,
    run_queue: true,
    go_stop: true,
    go_waits: true,
    go_creation: true,
    go_assists: true,
    go_handoffs: true,
    slow_calls: true,
    unwinding: true,
};
const MODERN: Abilities = Abilities {
    compare_exchange: true,
    typed_task: true,
    steadier_by_perf: false,
    unwinding: false,
};
const OLD: Abilities = Abilities {
    compare_exchange: false,
    typed_task: false,
    steadier_by_perf: false,
    unwinding: false,
};
const STEADIER: Abilities = Abilities {
    compare_exchange: true,
    typed_task: true,
    steadier_by_perf: true,
    unwinding: false,
};

fn is_root(what: &str) -> bool {
    // SAFETY: no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("skipped: {what} needs root");
    }
    root
}

/// What this kernel has, and what is done where it has less.
fn kinds() -> Vec<Abilities> {
    let here = Abilities::tried(&RunningKernel::default());
    // The helpers of the steadier programs are somewhat younger than the exchange.
    let steadier = here.compare_exchange
        && RunningKernel::default()
            .try_feature(Feature::PerfTracepoint)
            .is_ok();
    let unwinding = Abilities {
        unwinding: true,
        ..here
    };
    let mut kinds = vec![OLD, unwinding];
    kinds.extend(here.compare_exchange.then_some(MODERN));
    kinds.extend(steadier.then_some(STEADIER));
    kinds
}

#[test]
fn the_verifier_accepts_every_program() {
    if !is_root("loading BPF programs") {
        return;
    }
    for abilities in kinds() {
        let mut kernel = Kernel::load_for(&constants(), SIZES, abilities).expect("maps");
        let suiting = || PROBES.iter().filter(|p| p.suits(abilities));
        for probe in suiting() {
            let result = match probe.attach {
                Attach::GoFunction(_)
                | Attach::GoFunctionOf(_)
                | Attach::GoCall { .. }
                | Attach::GoReturn { .. } => {
                    let file = Path::new("/proc/self/exe");
                    let offset = own_offset(probed as *const () as usize);
                    kernel.attach_uprobe(probe, file, offset, std::process::id())
                }
                _ => kernel.attach(probe, 99),
            };
            if let Err(error) = result {
                panic!("{}: {error}", probe.program);
            }
            let (program, _) = kernel.program(probe.program);
            let info = program.info().expect("program information");
            println!(
                "{}: {:?} bytes, {:?} instructions verified",
                probe.program,
                info.size_jitted(),
                info.verified_instruction_count()
            );
        }
        assert_eq!(kernel.attached() as usize, suiting().count());
        kernel.counters().expect("counters");
        kernel.detach();
        assert_eq!(kernel.attached(), 0);
        kernel.syscall_stats().expect("statistics");
        kernel.off_cpu().expect("off-CPU");
        kernel.open_waits().expect("open waits");
        kernel.thread_times().expect("thread times");
        kernel.run_queue().expect("run queue");
    }
}

fn call_getppid(times: u64) {
    for _ in 0..times {
        // SAFETY: no preconditions.
        unsafe { libc::getppid() };
    }
}

/// Threads that block in one call while others make theirs.
#[test]
fn calls_are_counted_exactly_with_and_without_atomic_exchange() {
    if !is_root("counting syscalls") {
        return;
    }
    let only_this = Constants {
        target_tgid: std::process::id(),
        ..constants()
    };
    for abilities in kinds() {
        let mut kernel = Kernel::load_for(&only_this, SIZES, abilities).expect("maps");
        for probe in PROBES.iter().filter(|p| p.group == Group::SyscallStats) {
            kernel.attach(probe, 0).expect("attached");
        }
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        call_getppid(50);
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
            }
        });
        kernel.detach();
        let stats = kernel.syscall_stats().expect("statistics");
        let of = |nr: libc::c_long| {
            let found = stats.iter().find(|s| i64::from(s.0) == nr);
            found.expect("was called").1.clone()
        };
        let getppid = of(libc::SYS_getppid);
        assert_eq!((getppid.count, getppid.errors), (8000, 0), "{abilities:?}");
        let timed: u64 = getppid.buckets.iter().map(|b| b.1).sum();
        assert_eq!(timed, 8000, "each with its duration");
        let sleeps = of(libc::SYS_clock_nanosleep);
        assert!(sleeps.count >= 160);
        assert!(sleeps.total_ns >= 160_000_000, "{}", sleeps.total_ns);
    }
}

#[inline(never)]
extern "C" fn probed(n: u64) -> u64 {
    std::hint::black_box(n) + 1
}

/// File offset of a function of this program.
fn own_offset(function: usize) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
    let parse = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal");
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').expect("a range");
        if (parse(start)..parse(end)).contains(&(function as u64)) {
            return function as u64 - parse(start) + parse(words[2]);
        }
    }
    panic!("not mapped");
}

/// By our own code, which asks neither tracefs nor the kernel's version string.
#[test]
fn a_user_probe_is_hit_until_it_is_detached() {
    if !is_root("attaching user probes") {
        return;
    }
    let mut kernel = Kernel::load_for(&constants(), SIZES, MODERN).expect("maps");
    let probe = PROBES.iter().find(|p| p.program == "go_schedule");
    let probe = probe.expect("in the table");
    let offset = own_offset(probed as *const () as usize);
    let pid = std::process::id();
    kernel
        .attach_uprobe(probe, Path::new("/proc/self/exe"), offset, pid)
        .expect("attached");
    for n in 0..7 {
        probed(n);
    }
    assert_eq!(kernel.schedules().expect("a counter"), 7);
    kernel.detach_uprobes(pid);
    assert_eq!(kernel.attached(), 0);
    probed(0);
    assert_eq!(kernel.schedules().expect("a counter"), 7);
}
