//! A stop of the world as a line.

use crate::analysis::{LastP, StopRecord, StopTotals};
use crate::event::FrameSymbol;
use crate::term::{ns, printable};

/// Functions by which a goroutine is taken off its P: they say nothing of what it did.
const HANDING_OVER: [&str; 10] = [
    "runtime.asyncPreempt",
    "runtime.asyncPreempt2",
    "runtime.gopreempt_m",
    "runtime.goschedImpl",
    "runtime.goschedguarded",
    "runtime.Gosched",
    "runtime.gopark",
    "runtime.goparkunlock",
    "runtime.mcall",
    "runtime.goyield",
];

/// The line, without its end.
#[must_use]
pub fn stop_line(stop: &StopRecord) -> String {
    let mut line = "stw".to_owned();
    if let Some(start) = stop.start_ns {
        line += &format!(
            " @{}.{:03}s",
            start / 1_000_000_000,
            start / 1_000_000 % 1000
        );
    }
    line += &format!(
        " {}: {} to stop, {} in all",
        stop.reason,
        ns(stop.stopping_ns),
        ns(stop.total_ns)
    );
    line += &format!(
        "; {} of {} Ps stopped by themselves",
        stop.stopped_themselves, stop.processors
    );
    if let Some(last) = &stop.last {
        line += &last_text(last);
    }
    line
}

fn last_text(last: &LastP) -> String {
    let delay = &last.delay;
    format!(
        ", the last P{} after {}: {} (thread {}, {})",
        delay.processor,
        ns(last.after_ns),
        goroutine(last),
        delay.tid,
        time(last)
    )
}

fn goroutine(last: &LastP) -> String {
    let delay = &last.delay;
    let Some(goid) = delay.goid else {
        return "no goroutine, the scheduler".to_owned();
    };
    if delay.moved_on {
        return format!("one that came after goroutine {goid}");
    }
    match place(&delay.frames) {
        Some(place) => format!("goroutine {goid} in {place}"),
        None => format!("goroutine {goid}"),
    }
}

/// The innermost function, and who called it where it is the runtime's own.
fn place(frames: &[FrameSymbol]) -> Option<String> {
    let told = |f: &&FrameSymbol| !HANDING_OVER.contains(&f.function.as_str());
    let mut frames = frames.iter().filter(told);
    let first = frames.next()?;
    if !first.function.starts_with("runtime.") {
        return Some(with_line(first));
    }
    let caller = frames.find(|f| !f.function.starts_with("runtime."));
    Some(match caller {
        Some(caller) => {
            let first = printable(&first.function);
            format!("{first} called by {}", with_line(caller))
        }
        None => with_line(first),
    })
}

fn with_line(frame: &FrameSymbol) -> String {
    let (Some(file), Some(line)) = (&frame.file, frame.line) else {
        return printable(&frame.function).into_owned();
    };
    let name = file.rsplit('/').next().unwrap_or(file);
    let text = format!("{} ({name}:{line})", frame.function);
    printable(&text).into_owned()
}

/// What its thread did meanwhile.
fn time(last: &LastP) -> String {
    let delay = &last.delay;
    let mut parts = vec![format!("{} on a CPU", ns(last.on_cpu_ns))];
    for (time, what) in [
        (delay.runnable_ns, "waiting for one"),
        (delay.fault_ns, "in a page fault"),
        (delay.syscall_ns, "in a syscall"),
        (delay.untold_ns, "of which the kernel does not tell"),
    ] {
        if time > 0 {
            parts.push(format!("{} {what}", ns(time)));
        }
    }
    parts.join(", ")
}

/// A line about the stops for one reason, without its end.
#[must_use]
pub fn stop_totals_line(reason: &str, totals: &StopTotals) -> String {
    let count = totals.stops.max(1);
    format!(
        "stw {reason}: {} times, {} to stop on average, {} at most; {} in all on average, {} at most",
        totals.stops,
        ns(totals.stopping_ns / count),
        ns(totals.max_stopping_ns),
        ns(totals.total_ns / count),
        ns(totals.max_total_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{
        GoStops,
        go_stops_fixture::{event, stop},
    };
    use crate::event::{Body, GoDelay, GoStop};

    fn frame(function: &str, line: u32) -> FrameSymbol {
        FrameSymbol {
            function: function.to_owned(),
            file: Some("/src/main.go".to_owned()),
            line: Some(line),
            ..FrameSymbol::default()
        }
    }

    fn line(stop: GoStop) -> String {
        let mut stops = GoStops::default();
        stops.event(&event(5_000_450_000, 10, Body::GoStop(Box::new(stop))));
        stop_line(&stops.event(&event(5_000_501_000, 10, Body::GoStarted))[0])
    }

    fn delayed(change: impl FnOnce(&mut GoDelay)) -> GoStop {
        let mut stop = stop();
        change(stop.last.as_mut().expect("there"));
        stop
    }

    #[test]
    fn a_line_says_who_was_last_and_what_it_did() {
        let copying = delayed(|d| {
            d.frames = vec![
                frame("runtime.asyncPreempt2", 1),
                frame("runtime.asyncPreempt", 2),
                frame("main.copier", 41),
            ];
        });
        assert_eq!(
            line(copying),
            "stw @2.000s GC sweep termination: 400 µs to stop, 500 µs in all; 2 of 4 Ps stopped by \
             themselves, the last P3 after 390 µs: goroutine 34 in main.copier (main.go:41) (thread \
             812, 290 µs on a CPU, 100 µs waiting for one)"
        );
        let marking = delayed(|d| {
            d.frames = vec![frame("runtime.growslice", 9), frame("main.grow", 7)];
            (d.runnable_ns, d.fault_ns, d.syscall_ns) = (0, 5_000, 1_000);
        });
        assert!(line(marking).ends_with(
            "goroutine 34 in runtime.growslice called by main.grow (main.go:7) (thread 812, 384 \
                 µs on a CPU, 5.00 µs in a page fault, 1.00 µs in a syscall)"
        ));
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let idle = delayed(|d| d.goid = None);
        assert!(line(idle).contains("no goroutine, the scheduler (thread 812"));
        let moved = delayed(|d| d.moved_on = true);
        assert!(line(moved).contains("one that came after goroutine 34 (thread"));
        let nobody = GoStop {
            last: None,
            seen: 0,
            runtime_start_ns: None,
            ..stop()
        };
        assert_eq!(
            line(nobody),
            "stw GC sweep termination: 400 µs to stop, 500 µs in all; 0 of 4 Ps stopped by \
             themselves"
        );
    }
}
