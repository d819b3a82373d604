//! A cycle as `GODEBUG=gctrace=1` prints it.
//!
//! The line is the same in Go 1.19 to 1.27, but for the remark on leaked goroutines that 1.26
//! added (`gcMarkTermination` in runtime/mgc.go of those releases). Durations go through
//! [`ms`] as through the runtime's `fmtNSAsMS`, which truncates rather than rounds.

use std::fmt;

use super::cycle::GcCycle;

impl fmt::Display for GcCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.cpu_fraction * 100.0) as i64;
        let start = with_decimals(self.start_ns / 1_000_000, 3);
        let remark = if self.leak_check {
            " (checking for goroutine leaks)"
        } else {
            ""
        };
        write!(f, "gc {} @{start}s {percent}%{remark}: ", self.number)?;
        let (wall, cpu) = (&self.wall, &self.cpu);
        write!(
            f,
            "{}+{}+{} ms clock, ",
            ms(wall.sweep_term),
            ms(wall.mark),
            ms(wall.mark_term)
        )?;
        let background = cpu.dedicated.wrapping_add(cpu.fractional);
        write!(
            f,
            "{}+{}/{}/",
            ms(cpu.sweep_term),
            ms(cpu.assist),
            ms(background)
        )?;
        write!(f, "{}+{} ms cpu, ", ms(cpu.idle), ms(cpu.mark_term))?;
        let mb = |bytes: u64| bytes >> 20;
        let (start, end, marked) = (mb(self.heap_start), mb(self.heap_end), mb(self.heap_marked));
        write!(
            f,
            "{start}->{end}->{marked} MB, {} MB goal, ",
            mb(self.heap_goal)
        )?;
        write!(
            f,
            "{} MB stacks, {} MB globals, ",
            mb(self.stacks),
            mb(self.globals)
        )?;
        write!(
            f,
            "{} P{}",
            self.procs,
            if self.forced { " (forced)" } else { "" }
        )
    }
}

/// Nanoseconds as milliseconds: whole ones from 10 ms, else two digits, at most three decimals.
fn ms(ns: u64) -> String {
    if ns >= 10_000_000 {
        return (ns / 1_000_000).to_string();
    }
    let mut value = ns / 1000;
    if value == 0 {
        return "0".to_owned();
    }
    let mut decimals = 3;
    while value >= 100 {
        value /= 10;
        decimals -= 1;
    }
    with_decimals(value, decimals)
}

/// `value` with its last `decimals` digits behind a point.
fn with_decimals(value: u64, decimals: usize) -> String {
    if decimals == 0 {
        return value.to_string();
    }
    let digits = format!("{value:0width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::gc::{GcCpu, GcWall};

    #[test]
    fn durations_truncate_as_the_runtime_does() {
        let cases = [
            (0, "0"),
            (999, "0"),
            (1_000, "0.001"),
            (9_999, "0.009"),
            (15_000, "0.015"),
            (99_999, "0.099"),
            (100_000, "0.10"),
            (123_456, "0.12"),
            (999_999, "0.99"),
            (1_000_000, "1.0"),
            (1_299_999, "1.2"),
            (9_999_999, "9.9"),
            (10_000_000, "10"),
            (123_999_999, "123"),
            (u64::MAX, "18446744073709"),
        ];
        for (ns, want) in cases {
            assert_eq!(ms(ns), want, "{ns}");
        }
    }

    #[test]
    fn a_whole_line() {
        let cycle = GcCycle {
            number: 7,
            start_ns: 2_034_999_999,
            start_monotonic_ns: 5_000_000_000,
            cpu_fraction: 0.0299,
            wall: GcWall {
                sweep_term: 29_100,
                mark: 3_456_000,
                mark_term: 2_000,
            },
            cpu: GcCpu {
                sweep_term: 58_200,
                assist: 210_000,
                dedicated: 1_200_000,
                fractional: 20_000,
                idle: 0,
                mark_term: 4_000,
            },
            pause_ns: 31_100,
            heap_start: 4 << 20,
            heap_end: (5 << 20) - 1,
            heap_marked: 1 << 20,
            heap_goal: 5 << 20,
            stacks: 1 << 19,
            globals: 0,
            procs: 2,
            forced: true,
            leak_check: false,
        };
        let line = "gc 7 @2.034s 2%: 0.029+3.4+0.002 ms clock, 0.058+0.21/1.2/0+0.004 ms cpu, \
                    4->4->1 MB, 5 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)";
        assert_eq!(cycle.to_string(), line);
        let checked = GcCycle {
            leak_check: true,
            start_ns: 12_000_000,
            ..cycle
        };
        assert!(
            checked
                .to_string()
                .starts_with("gc 7 @0.012s 2% (checking for goroutine leaks): ")
        );
    }
}
