//! More threads, processes and events than usual: counted exactly, or their loss is.

mod shared;

use shared::assert_nothing_left;
use tracer_tests::{Loaded, NEW_THREAD, Running, lifetime, number_after, place, until};

#[test]
fn storms_of_threads_are_counted_exactly() {
    let Some(place) = place(true) else { return };
    let mut target =
        Running::ready(&mut place.command("c/threads_storm", &["1000", &lifetime(1.5)]));
    let args = [
        "strace",
        "-c",
        "-e",
        &format!("trace=getppid,{NEW_THREAD}"),
        "-p",
        &target.pid_text(),
    ];
    let tracer = place.tracer(&args).attach();
    let other = place
        .tracer(&[
            "offcpu",
            "--max-overhead",
            "off",
            "--format",
            "folded",
            "-p",
            &target.pid_text(),
        ])
        .attach();
    until("the end", || (!target.is_running()).then_some(()));
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    let calls = |name: &str| -> u64 {
        let row = run.stdout.lines().find(|l| l.ends_with(name));
        let cell = row.and_then(|l| l.split_whitespace().nth(3)).unwrap_or("0");
        cell.parse()
            .unwrap_or_else(|_| panic!("{name}: {cell}\n{}", run.stdout))
    };
    // Some were made before we had attached.
    let (called, cloned) = (calls(" getppid"), calls(&format!(" {NEW_THREAD}")));
    assert!(called > made / 10 && called <= made, "{called} of {made}");
    assert!(
        called.abs_diff(cloned) <= 1,
        "{called} calls of {cloned} threads"
    );
    let _ = other.finish().success();
    assert_nothing_left();
}

#[test]
fn storms_of_processes_are_followed_to_the_last() {
    let Some(place) = place(true) else { return };
    let script = "i=0; while [ $i -lt 150 ]; do /bin/true & i=$((i+1)); done; wait";
    let file = place.path("storm");
    let run = place.tracer(&["strace", "-f", "-e", "trace=execve", "-o", &file]);
    let run = run.launching("/bin/sh", &["-c", script]).run().success();
    assert!(run.stderr.contains(", 0 lost"), "{}", run.stderr);
    let text = std::fs::read_to_string(&file).expect("a trace");
    let count = |part: &str| text.lines().filter(|l| l.contains(part)).count();
    assert_eq!(count("+++ exited with 0 +++"), 151);
    assert_eq!(count("execve(\"/bin/true\""), 150);
}

#[test]
fn an_overrun_buffer_loses_nothing_silently() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/ring_flood", &["1200", "2", "wait"]));
    let file = place.path("trace");
    let args = [
        "strace",
        "-e",
        "trace=getppid",
        "--buffer-size",
        "64",
        "-o",
        &file,
        "-p",
    ];
    let tracer = place.tracer(&args).args(&[&target.pid_text()]).attach();
    target.proceed();
    std::thread::sleep(std::time::Duration::from_millis(300));
    tracer.signal(libc::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_millis(300));
    tracer.signal(libc::SIGCONT);
    let made = target.finish().success().count();
    let run = tracer.finish().success();
    let text = std::fs::read_to_string(&file).expect("a trace");
    let count = |part: &str| text.lines().filter(|l| l.contains(part)).count() as u64;
    let shown = count("getppid() ") + count("<... getppid resumed>");
    let end = run.stderr.lines().last().unwrap_or_default();
    let lost = number_after(end, " events, ");
    let lost = lost.unwrap_or_else(|| panic!("nothing was lost: {end}"));
    assert!(shown > 0 && lost > 0, "{shown} shown: {end}");
    // A call that lost either half is lost once; of some the other half is shown.
    assert!(
        lost <= made && shown + lost >= made,
        "{shown} shown of {made}: {end}"
    );
    // They stand where they happened: each gap between calls that are shown.
    let gaps = text.lines().filter_map(|l| number_after(l, "<lost "));
    assert_eq!(gaps.sum::<u64>(), lost, "{end}");
    let mut after = text.lines().skip_while(|l| !l.contains("<lost "));
    let first = after.next();
    assert!(
        first.is_some() && after.any(|l| l.contains("getppid")),
        "{end}"
    );
}

#[test]
fn deaths_that_find_no_room_do_not_keep_a_run_from_ending() {
    let Some(place) = place(true) else { return };
    let mut target = Running::ready(&mut place.command("c/fork_storm", &["3000", "1"]));
    let args = ["strace", "-f", "-o", "/dev/null", "--buffer-size", "64"];
    let tracer = place.tracer(&args).args(&["-p", &target.pid_text()]);
    let tracer = tracer.attach();
    target.proceed();
    while target.is_running() {
        tracer.signal(libc::SIGSTOP);
        std::thread::sleep(std::time::Duration::from_millis(100));
        tracer.signal(libc::SIGCONT);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let _ = target.finish().success();
    let run = tracer.finish().success();
    let end = run.stderr.lines().last().unwrap_or_default();
    let lost = number_after(end, "process_exit ring buffer full: ");
    assert!(lost.is_some_and(|lost| lost > 0), "nothing was lost: {end}");
    assert_nothing_left();
}

#[test]
fn threads_that_ended_take_no_room() {
    let Some(place) = place(true) else { return };
    // It is killed when all was looked at.
    let mut target =
        Running::ready(&mut place.command("c/threads_storm", &["2000", &lifetime(60.0)]));
    let commands: [(&[&str], &[&str]); 3] = [
        (&["offcpu", "--max-overhead", "off"], &["OFF_CPU_PENDING"]),
        (&["sched", "--max-overhead", "off"], &["RUNNABLE"]),
        (&["strace", "-c"], &["SPILLED"]),
    ];
    let tracers = commands.map(|(command, maps)| {
        let args = ["-p", &target.pid_text()];
        (place.tracer(command).args(&args).attach(), maps)
    });
    // Looked at while the target still runs: at its end the tracers end as well.
    std::thread::sleep(std::time::Duration::from_millis(1000));
    for (tracer, maps) in &tracers {
        let loaded = Loaded::by(tracer.pid());
        for map in *maps {
            let entries = loaded
                .entries(map)
                .unwrap_or_else(|| panic!("no map {map}"));
            assert!(entries <= 8, "{map}: {entries} entries of 2 threads");
        }
    }
    assert!(target.is_running(), "too late to have looked at anything");
    for (tracer, _) in tracers {
        let _ = tracer.interrupt();
    }
}
