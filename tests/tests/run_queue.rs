//! `tracer sched` against what the kernel itself counts for each thread.

use std::collections::BTreeMap;

use serde_json::Value;
use tracer_tests::{Running, duration, place, until};

/// What the kernel knows of a thread: `/proc/PID/task/TID/status` and `schedstat`.
#[derive(Clone, Copy, Debug, Default)]
struct Kernel {
    voluntary: u64,
    involuntary: u64,
    /// ns on run queues.
    delay: u64,
    waits: bool,
}

fn thread(directory: &std::path::Path) -> Kernel {
    let text = |name: &str| std::fs::read_to_string(directory.join(name)).expect("alive");
    let status = text("status");
    let field = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        line.expect("a field").trim().to_owned()
    };
    let number = |key: &str| field(key).parse().expect("a number");
    let delay = text("schedstat");
    let delay = delay.split(' ').nth(1).and_then(|n| n.parse().ok());
    Kernel {
        voluntary: number("voluntary_ctxt_switches:"),
        involuntary: number("nonvoluntary_ctxt_switches:"),
        delay: delay.expect("a number"),
        waits: field("State:").starts_with('S'),
    }
}

/// All threads by their ids, once they all wait.
fn threads(pid: u32) -> BTreeMap<u64, Kernel> {
    until("all threads wait", || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("alive");
        let all: BTreeMap<_, _> = tasks
            .flatten()
            .map(|task| {
                let tid = task.file_name().to_string_lossy().parse().expect("an id");
                (tid, thread(&task.path()))
            })
            .collect();
        all.values().all(|t| t.waits).then_some(all)
    })
}

#[test]
fn switches_and_waits_are_those_that_the_kernel_counts() {
    let Some(place) = place(true) else { return };
    // More threads than CPUs: they are preempted.
    let busy = duration(700);
    let args = [busy.trim_end_matches("ms"), "threads-12"];
    let mut target = Running::ready(&mut place.command("c/thread_loop", &args));
    let pid = target.pid_text();
    let args = ["sched", "--max-overhead", "off", "-d", "5m"];
    let tracer = place
        .tracer(&args)
        .args(&["--format", "json", "-p", &pid])
        .attach();
    let before = threads(target.pid());
    target.proceed();
    until("the work", || {
        target.stdout().contains("done\n").then_some(())
    });
    let after = threads(target.pid());
    let run = tracer.interrupt().success();
    drop(target);
    let reports: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let report = &reports[0];
    let untold = report["untold_switches"].as_u64().expect("a number");
    let number = |of: &Value, key: &str| of[key].as_u64().expect("a number");
    let (mut ours, mut theirs, mut apart) = (Kernel::default(), Kernel::default(), 0);
    for row in report["threads"].as_array().expect("rows") {
        let (tid, switches) = (number(row, "tid"), number(row, "switches"));
        let since = before.get(&tid).copied().unwrap_or_default();
        let kernel = after[&tid];
        let voluntary = kernel.voluntary - since.voluntary;
        let involuntary = kernel.involuntary - since.involuntary;
        apart += switches.abs_diff(voluntary + involuntary);
        ours.involuntary += number(row, "involuntary");
        ours.voluntary += switches - number(row, "involuntary");
        ours.delay += number(row, "total_ns");
        theirs.involuntary += involuntary;
        theirs.voluntary += voluntary;
        theirs.delay += kernel.delay - since.delay;
    }
    let all = format!("{ours:?} {theirs:?}, {untold} untold, {apart} apart");
    // What is not found is a switch away and back, of which nothing was told.
    assert!(apart <= untold, "{all}");
    assert!(
        ours.involuntary.abs_diff(theirs.involuntary) <= untold + apart,
        "{all}"
    );
    assert!(theirs.involuntary > 20, "nobody was preempted: {all}");
    assert!(
        ours.delay.abs_diff(theirs.delay) <= theirs.delay / 20 + 3_000_000,
        "{all}"
    );
}
