//! Stacks that lead from Go to C and back, and through handlers of signals.

use tracer_tests::{Finished, Place, Running, duration, place, skip};

/// Stacks of folded text, root first, without the thread's name.
fn folded(text: &str) -> Vec<(Vec<&str>, u64)> {
    let stack = |line| -> Option<(Vec<&str>, u64)> {
        let (frames, count) = str::rsplit_once(line, ' ')?;
        Some((frames.split(';').skip(1).collect(), count.parse().ok()?))
    };
    let stacks = text.lines().map(|line| stack(line).expect("is folded"));
    stacks.collect()
}

/// Whether a place has the tables that these stacks need.
fn place_with_tables() -> Option<Place> {
    if cfg!(not(target_arch = "x86_64")) {
        skip("tables of Go and C code are for x86-64");
        return None;
    }
    place(true)
}

fn profile(place: &Place, target: &Running, format: &str) -> Finished {
    let args = [
        "profile",
        "--no-kernel",
        "--max-overhead",
        "off",
        "-F",
        "1999",
    ];
    let lasts = duration(1000);
    let run = place
        .tracer(&args)
        .args(&["--format", format, "-d", &lasts]);
    run.args(&["-p", &target.pid_text()]).run().success()
}

/// Whether the functions are in a stack in this order, outermost first, whatever is between them.
/// One that ends in `*` is any that begins so.
fn leads(frames: &[&str], path: &[&str]) -> bool {
    let mut rest = frames.iter();
    let is = |frame: &str, wanted: &str| match wanted.strip_suffix('*') {
        Some(begin) => frame.starts_with(begin),
        None => frame == wanted,
    };
    path.iter()
        .all(|wanted| rest.any(|frame| is(frame, wanted)))
}

/// How much, in percent, of the stacks that have `inner` have the whole path, outermost first; and how
/// many these are.
fn share(text: &str, inner: &str, path: &[&str]) -> (f64, u64) {
    let (mut all, mut whole) = (0, 0);
    for (frames, count) in folded(text) {
        if frames.contains(&inner) {
            all += count;
            let is_whole = leads(&frames, path) && !frames.contains(&"[unknown]");
            whole += u64::from(is_whole) * count;
        }
    }
    (whole as f64 * 100.0 / all.max(1) as f64, all)
}

fn expect(place: &Place, fixture: &str, mode: &str, inner: &str, path: &[&str]) {
    for release in place.go_releases() {
        let program = format!("go/{release}/{fixture}");
        let target = Running::ready(&mut place.command(&program, &[mode]));
        let run = profile(place, &target, "folded");
        let (share, all) = share(&run.stdout, inner, path);
        assert!(
            all > 20 && share > 98.0,
            "{release}: {share:.1} % of {all}\n{}",
            run.stdout
        );
    }
}

#[test]
fn c_code_has_the_go_code_that_calls_it() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let path = [
        "runtime.goexit",
        "runtime.main",
        "main.main",
        "main.work",
        "main.callC",
        "main._Cfunc_descend",
        "runtime.cgocall",
        "runtime.asmcgocall*",
        "descend",
        "descend",
        "descend",
        "descend",
        "burn",
    ];
    expect(&place, "cgo", "down", "burn", &path);
}

#[test]
fn go_code_has_the_c_code_that_calls_it_back() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let path = [
        "runtime.goexit",
        "main.main",
        "main.work",
        "main.callBack",
        "runtime.cgocall",
        "runtime.asmcgocall*",
        "call_back",
        "goBurn",
        "crosscall2",
        "runtime.cgocallback*",
        "runtime.cgocallbackg",
        "main.goBurn*",
        "main.burn",
    ];
    expect(&place, "cgo", "up", "main.burn", &path);
}

#[test]
fn go_code_has_the_thread_of_c_that_calls_it() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let path = [
        "c_thread",
        "goBurn",
        "crosscall2",
        "runtime.cgocallback*",
        "runtime.cgocallbackg",
        "main.goBurn*",
        "main.burn",
    ];
    expect(&place, "cgo", "thread", "main.burn", &path);
}

#[test]
fn a_handler_of_go_stands_on_what_its_signal_interrupted() {
    let Some(place) = place_with_tables() else {
        return;
    };
    let path = [
        "runtime.goexit",
        "runtime.main",
        "main.main",
        "main.work",
        "main.raise",
        "syscall.RawSyscall",
        "syscall.RawSyscall6",
        "runtime.sigtramp",
        "runtime.sigtrampgo",
    ];
    expect(&place, "leaves", "signal", "runtime.sigtrampgo", &path);
    // Nor is any stack lost in the way there or back.
    for release in place.go_releases() {
        let program = format!("go/{release}/leaves");
        let target = Running::ready(&mut place.command(&program, &["signal"]));
        let run = profile(&place, &target, "text");
        let whole = reaches_root(&run.stdout);
        assert!(whole > 98.0, "{release}: {whole:.1} %\n{}", run.stdout);
    }
}

/// The share in percent of stacks that reach their root, from the table's footer.
fn reaches_root(text: &str) -> f64 {
    let line = text.lines().find(|l| l.contains(" of user stacks reach"));
    let line = line.unwrap_or_else(|| panic!("no share in\n{text}"));
    let share = line.split('%').next().and_then(|n| n.parse().ok());
    share.unwrap_or_else(|| panic!("no number in {line:?}"))
}

#[test]
fn threads_of_the_runtime_that_sleep_are_whole() {
    let Some(place) = place_with_tables() else {
        return;
    };
    for release in place.go_releases() {
        let program = format!("go/{release}/spinning");
        let target = Running::ready(&mut place.command(&program, &["-n", "1"]));
        let lasts = duration(1500);
        let args = [
            "offcpu",
            "--no-kernel",
            "--max-overhead",
            "off",
            "-d",
            &lasts,
        ];
        let run = place.tracer(&args).args(&["-p", &target.pid_text()]);
        let text = run.run().success().stdout;
        let whole = reaches_root(&text);
        assert!(whole > 97.0, "{release}: {whole:.1} %\n{text}");
        assert!(text.contains("runtime.sysmon"), "{release}:\n{text}");
    }
}
