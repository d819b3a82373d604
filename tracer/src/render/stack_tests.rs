//! Profiles from events to what is printed.

use super::{StackBy, StackFormat, StackOutput, StackSink, StackText};
use crate::analysis::{OnCpu, StackDetail};
use crate::event::{
    Body, Event, Exec, FrameSymbol, Losses, OffCpuStack, ProbeLoss, RunEnd, RunStart, Sample,
    Space, SymbolOrigin, SymbolizedAddress, Symbols,
};
use crate::report::StackProfile;
use crate::sink::Sink;

const SECOND: u64 = 1_000_000_000;

fn event(time_ns: u64, pid: u32, tid: u32, body: Body) -> Event {
    Event {
        time_ns,
        pid,
        tid,
        cpu: 0,
        goid: None,
        body,
    }
}

fn sample(tid: u32, comm: &str, kernel: &[u64], user: &[u64]) -> Event {
    let sample = Sample {
        comm: comm.to_owned(),
        kernel: kernel.to_vec(),
        user: user.to_vec(),
        user_end: match user {
            [] => crate::event::StackEnd::Missing,
            _ => crate::event::StackEnd::Unknown,
        },
        truncated: user.len() > 4,
    };
    event(1, 42, tid, Body::Sample(sample))
}

fn frame(function: &str, origin: SymbolOrigin, inlined: bool) -> FrameSymbol {
    FrameSymbol {
        function: function.to_owned(),
        origin,
        inlined,
        ..FrameSymbol::default()
    }
}

/// What has a module has lines: inlined functions 7, the others one that is their address.
fn symbol(
    address: u64,
    caller: bool,
    module: &str,
    mut frames: Vec<FrameSymbol>,
) -> SymbolizedAddress {
    for frame in frames.iter_mut().filter(|_| !module.is_empty()) {
        frame.file = Some("/src/work.go".to_owned());
        frame.line = Some(if frame.inlined { 7 } else { address as u32 });
    }
    SymbolizedAddress {
        space: if address >= 1 << 63 {
            Space::Kernel
        } else {
            Space::User
        },
        address,
        caller,
        frames,
        module: (!module.is_empty()).then(|| module.to_owned()),
        module_offset: address,
    }
}

const SYSCALL: u64 = 0xffff_ffff_8100_0000;
const READ: u64 = 0xffff_ffff_8100_0100;

/// `main.main` (30) calls `main.work; x` (20), into which `main.inner` is inlined at 21, and
/// which calls into a library without symbols (0x10).
fn symbols() -> [Event; 2] {
    let go = SymbolOrigin::Go;
    let kernel = |name| vec![frame(name, SymbolOrigin::Kernel, false)];
    let app = "/srv/app";
    let work = |inlined: bool| {
        let mut frames = vec![frame("main.work; x", go, false)];
        if inlined {
            frames.insert(0, frame("main.inner", go, true));
        }
        frames
    };
    let user = vec![
        symbol(0x10, false, "/usr/lib/libz.so.1", Vec::new()),
        symbol(20, false, app, work(false)),
        symbol(20, true, app, work(false)),
        symbol(21, false, app, work(true)),
        symbol(30, true, app, vec![frame("main.main", go, false)]),
        symbol(40, true, app, vec![frame("runtime.main", go, false)]),
    ];
    let kernel = vec![
        symbol(READ, false, "", kernel("ksys_read")),
        symbol(SYSCALL, true, "", kernel("do_syscall_64")),
    ];
    let named = |pid, addresses| {
        let symbols = Box::new(Symbols { addresses });
        event(2, pid, 0, Body::Symbols(symbols))
    };
    [named(42, user), named(0, kernel)]
}

fn start() -> Event {
    let start = RunStart {
        pids: vec![42],
        sample_hz: 99,
        ..RunStart::default()
    };
    event(0, 0, 0, Body::RunStart(Box::new(start)))
}

fn end() -> Event {
    let loss = |probe: &str, ring_full| ProbeLoss {
        probe: probe.to_owned(),
        ring_full,
        ..ProbeLoss::default()
    };
    let end = RunEnd {
        duration_ns: 2 * SECOND,
        losses: Losses {
            probes: vec![loss("sample", 3), loss("syscall_enter", 1000)],
            undecodable: 0,
        },
        ..RunEnd::default()
    };
    event(2 * SECOND, 0, 0, Body::RunEnd(Box::new(end)))
}

fn samples() -> Vec<Event> {
    let mut events = vec![
        start(),
        sample(42, "app", &[], &[20, 30, 40]),
        sample(43, "app", &[], &[20, 30, 40]),
        sample(43, "app", &[], &[21, 30, 40]),
        sample(43, "app", &[READ, SYSCALL], &[20, 30, 40]),
        sample(43, "app", &[], &[0x10, 20, 30, 40]),
        sample(43, "app", &[], &[20, 20, 20, 30, 40]),
        sample(44, "kworker 0", &[READ, SYSCALL], &[]),
        sample(42, "app", &[], &[0x99, 30, 40]),
    ];
    events.extend(symbols());
    events
}

pub(super) fn on_cpu_bytes(format: &str, threads: bool, events: &[Event]) -> Vec<u8> {
    let output = StackOutput {
        format: StackFormat::named(format).expect("a format"),
        threads,
        ..StackOutput::default()
    };
    let mut out = Vec::new();
    feed(StackSink::on_cpu(output, &mut out, "out"), events);
    out
}

pub(super) fn on_cpu_profile(events: &[Event]) -> StackProfile {
    let mut analysis = OnCpu::new(StackDetail::default());
    events.iter().for_each(|event| analysis.observe(event));
    StackProfile::OnCpu(analysis.finish(events.last().expect("its end")))
}

fn on_cpu(format: &str, threads: bool, events: &[Event]) -> String {
    String::from_utf8(on_cpu_bytes(format, threads, events)).expect("text")
}

fn feed(mut sink: impl Sink, events: &[Event]) {
    for event in events {
        sink.event(event).expect("memory is writable");
    }
}

pub(super) fn whole_run() -> Vec<Event> {
    let mut events = samples();
    events.push(end());
    events
}

#[test]
fn on_cpu_folded() {
    let want = "\
app;[truncated];runtime.main;main.main;main.work:_x;main.work:_x;main.work:_x 1
app;runtime.main;main.main;[unknown] 1
app;runtime.main;main.main;main.work:_x 2
app;runtime.main;main.main;main.work:_x;[libz.so.1+0x10] 1
app;runtime.main;main.main;main.work:_x;do_syscall_64_[k];ksys_read_[k] 1
app;runtime.main;main.main;main.work:_x;main.inner_[i] 1
kworker_0;[user_stack_missing];do_syscall_64_[k];ksys_read_[k] 1
";
    assert_eq!(on_cpu("folded", false, &whole_run()), want);
}

#[test]
fn on_cpu_folded_by_thread() {
    let folded = on_cpu("folded", true, &whole_run());
    assert!(folded.contains("app/42;runtime.main;main.main;main.work:_x 1\n"));
    assert!(folded.contains("app/43;runtime.main;main.main;main.work:_x 1\n"));
    assert!(folded.contains("kworker_0/44;"));
}

#[test]
fn on_cpu_text() {
    let want = "\
8 samples in 2.00 s at 99 Hz, 7.1% of frames unresolved, 1 stack truncated

  SELF%     SELF  TOTAL%    TOTAL  FUNCTION           MODULE
  37.5%        3   75.0%        6  main.work; x       app
  25.0%        2   25.0%        2  ksys_read [k]
  12.5%        1   12.5%        1  [libz.so.1+0x10]   libz.so.1
  12.5%        1   12.5%        1  [unknown]
  12.5%        1   12.5%        1  main.inner         app
   0.0%        0   87.5%        7  main.main          app
   0.0%        0   87.5%        7  runtime.main       app
   0.0%        0   25.0%        2  do_syscall_64 [k]

3 threads: app/43 62.5%, app/42 25.0%, kworker 0/44 12.5%

  SHARE  LIMIT  HOT REGION          LEADS THERE
  25.0%    12%  system calls        do_syscall_64 12.5%, main.work; x 12.5%
3 records lost: buffers were full
0.0% of user stacks reach their root: 5 do not in app, 1 does not in libz.so.1, 1 does not in [unknown]
user stack missing in 1 sample (12.5%)
";
    assert_eq!(on_cpu("text", false, &whole_run()), want);
}

fn on_cpu_text_with(change: impl FnOnce(&mut StackOutput)) -> String {
    let mut output = StackOutput::default();
    change(&mut output);
    let mut out = Vec::new();
    feed(StackSink::on_cpu(output, &mut out, "out"), &whole_run());
    String::from_utf8(out).expect("text")
}

#[test]
fn on_cpu_by_thread_and_by_cpu() {
    let by_thread = on_cpu_text_with(|o| o.by = Some(StackBy::Thread));
    let want = "
  SHARE  SAMPLES     PID     TID  THREAD
  62.5%        5      42      43  app
  25.0%        2      42      42  app
  12.5%        1      42      44  kworker 0

  SHARE  LIMIT  HOT REGION          LEADS THERE
";
    assert!(by_thread.contains(want), "{by_thread}");
    let by_cpu = on_cpu_text_with(|o| o.by = Some(StackBy::Cpu));
    let want = "\n  SHARE  SAMPLES  CPU\n 100.0%        8  0\n";
    assert!(by_cpu.contains(want), "{by_cpu}");
}

#[test]
fn callers_and_callees_of_a_function() {
    let regex = |text| Some(regex_lite::Regex::new(text).expect("valid"));
    let text = on_cpu_text_with(|o| o.peek = regex(r"main\.work"));
    let want = "
  SHARE    VALUE     FUNCTION, after its callers and before its callees
  75.0%        6     main.main
  75.0%        6  -> main.work; x, self 37.5%
  12.5%        1     [libz.so.1+0x10]
  12.5%        1     do_syscall_64 [k]
  12.5%        1     main.inner

3 threads";
    assert!(text.contains(want), "{text}");
    let none = on_cpu_text_with(|o| o.peek = regex("nosuch"));
    assert!(none.contains("\nno function matches nosuch\n"), "{none}");
}

#[test]
fn what_is_hot_is_for_the_user_to_say() {
    let text = on_cpu_text_with(|o| o.hot.set(crate::report::HotClass::Syscalls, 25.5));
    assert!(!text.contains("HOT REGION"), "{text}");
}

#[test]
fn waits_by_function_and_by_thread() {
    let shown = |by| {
        let output = StackOutput {
            by: Some(by),
            ..StackOutput::default()
        };
        String::from_utf8(shown_off_cpu(output, &off_cpu_run())).expect("text")
    };
    let by_function = shown(StackBy::Function);
    let row = " 100.0%   1.50 s  100.0%   1.50 s  ksys_read [k]\n";
    assert!(by_function.contains(row), "{by_function}");
    let by_thread = shown(StackBy::Thread);
    let want = "
  SHARE  BLOCKED     PID     TID  THREAD
 100.0%   1.50 s      42      42  app
";
    assert!(by_thread.contains(want), "{by_thread}");
}

#[test]
fn a_tick_prints_and_starts_over_with_the_names_known() {
    let mut events = samples();
    events.push(event(SECOND, 0, 0, Body::Tick));
    events.push(sample(42, "app", &[], &[20, 30, 40]));
    events.push(end());
    let folded = on_cpu("folded", false, &events);
    let (first, second) = folded.split_once("\n\n").expect("two intervals");
    assert_eq!(first.lines().count(), 7);
    assert_eq!(second, "app;runtime.main;main.main;main.work:_x 1\n");
    let text = on_cpu("text", false, &events);
    assert!(text.starts_with("8 samples in 1.00 s"), "{text}");
    assert!(text.contains("\n1 sample in 1.00 s"), "{text}");
}

#[test]
fn exec_keeps_the_names_of_the_old_program() {
    let mut events = samples();
    let exec = Exec {
        old_tid: 42,
        comm: "other".to_owned(),
    };
    events.push(event(3, 42, 42, Body::Exec(exec)));
    events.push(sample(42, "other", &[READ], &[20, 30, 40]));
    events.push(end());
    let folded = on_cpu("folded", false, &events);
    assert!(folded.contains("app;runtime.main;main.main;main.work:_x 2\n"));
    assert!(folded.contains("other;[unknown];[unknown];[unknown];ksys_read_[k] 1\n"));
}

#[test]
fn on_cpu_json_holds_the_tree() {
    let json = on_cpu("json", false, &whole_run());
    let profile: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(profile["samples"], 8);
    assert_eq!(profile["run"]["lost"], 3);
    assert_eq!(profile["functions"][0]["name"], "main.work; x");
    assert_eq!(profile["functions"][0]["self"], 3);
    assert_eq!(profile["functions"][0]["kind"], "go");
    let nodes = profile["tree"]["nodes"].as_array().expect("list");
    let own: u64 = nodes.iter().filter_map(|n| n["self"].as_u64()).sum();
    assert_eq!(own, 8);
    for (at, node) in nodes.iter().enumerate() {
        let parent = node["parent"].as_u64();
        assert!(parent.is_none_or(|parent| (parent as usize) < at));
    }
}

/// Each element is closed, in order, and text has no bare markup.
fn assert_well_formed(xml: &str) {
    let mut open = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let skip = |end: &str| rest.find(end).map(|at| at + end.len());
        let len = if rest.starts_with("<![CDATA[") {
            skip("]]>")
        } else if rest.starts_with("<!--") {
            skip("-->")
        } else {
            skip(">")
        };
        let (tag, tail) = rest.split_at(len.expect("markup ends"));
        rest = tail;
        let name = |t: &str| {
            let end = t.find([' ', '>', '/', '\n']).unwrap_or(t.len());
            t[..end].to_owned()
        };
        if let Some(closed) = tag.strip_prefix("</") {
            assert_eq!(open.pop(), Some(name(closed)));
        } else if !tag.ends_with("/>") && !tag.starts_with("<!") && !tag.starts_with("<?") {
            open.push(name(&tag[1..]));
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn on_cpu_svg() {
    let svg = on_cpu("svg", false, &whole_run());
    assert_well_formed(&svg);
    assert_eq!(svg, on_cpu("svg", false, &whole_run()));
    for text in [
        "<title>main.main (6 samples, 75.00%)</title>",
        "<title>ksys_read (1 samples, 12.50%)</title>",
        "pid 42: 8 samples at 99 Hz, 2.00 s, 3 lost",
        "CPU time",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    let fill = |title: &str| {
        let at = svg.find(&format!("<title>{title} (")).expect("drawn");
        let rgb = svg[at..].split("fill=\"rgb(").nth(1).expect("filled");
        rgb.split(')').next().expect("closed").to_owned()
    };
    assert!(fill("ksys_read").starts_with("255,"), "kernel is orange");
    assert!(fill("main.main").starts_with("70,"), "Go is blue");
    assert!(
        fill("runtime.main").ends_with(",230"),
        "Go's runtime is violet"
    );
}

#[test]
fn an_empty_run_says_so() {
    let events = [start(), end()];
    let svg = on_cpu("svg", false, &events);
    assert_well_formed(&svg);
    assert!(svg.contains("no stacks"));
    assert_eq!(on_cpu("folded", false, &events), "");
    assert_eq!(
        on_cpu("text", false, &events),
        "0 samples in 2.00 s at 99 Hz, 0.0% of frames unresolved, 0 stacks truncated\n\
         3 records lost: buffers were full\n"
    );
}

#[test]
fn a_picture_covers_the_whole_run() {
    let mut events = samples();
    events.push(event(SECOND, 0, 0, Body::Tick));
    events.push(end());
    let svg = on_cpu("svg", false, &events);
    assert_eq!(svg.matches("<?xml").count(), 1);
    assert!(svg.contains("8 samples"));
}

fn off_cpu_stack(state: u32, kernel: &[u64], user: &[u64], times: [u64; 4]) -> Event {
    let [count, blocked_ns, runnable_ns, max_ns] = times;
    let stack = OffCpuStack {
        comm: "app".to_owned(),
        state,
        kernel: kernel.to_vec(),
        user: user.to_vec(),
        user_end: match user {
            [] => crate::event::StackEnd::Missing,
            _ => crate::event::StackEnd::Unknown,
        },
        truncated: false,
        count,
        blocked_ns,
        runnable_ns,
        max_ns,
    };
    event(1, 42, 42, Body::OffCpuStack(Box::new(stack)))
}

pub(super) fn off_cpu_run() -> Vec<Event> {
    let mut events = vec![
        start(),
        off_cpu_stack(
            1,
            &[READ, SYSCALL],
            &[20, 30, 40],
            [5, 1_500_000_000, 20_000, 900_000_000],
        ),
        off_cpu_stack(
            2,
            &[READ, SYSCALL],
            &[20, 30, 40],
            [1, 2_000_400, 0, 2_000_400],
        ),
        off_cpu_stack(0, &[], &[20, 30, 40], [7, 0, 70_000, 30_000]),
        off_cpu_stack(0x102, &[READ], &[], [1, 400, 0, 400]),
    ];
    events.extend(symbols());
    events.push(end());
    events
}

pub(super) fn off_cpu_bytes(format: &str, events: &[Event]) -> Vec<u8> {
    let output = StackOutput {
        format: StackFormat::named(format).expect("a format"),
        ..StackOutput::default()
    };
    shown_off_cpu(output, events)
}

fn shown_off_cpu(output: StackOutput, events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    feed(StackSink::off_cpu(output, &mut out, "out"), events);
    out
}

fn off_cpu(format: &str, text: StackText) -> String {
    let output = StackOutput {
        format: StackFormat::named(format).expect("a format"),
        text,
        ..StackOutput::default()
    };
    String::from_utf8(shown_off_cpu(output, &off_cpu_run())).expect("text")
}

#[test]
fn off_cpu_folded_is_in_microseconds() {
    let want = "\
app;runtime.main;main.main;main.work:_x;do_syscall_64_[k];ksys_read_[k] 1502000
";
    assert_eq!(off_cpu("folded", StackText::default()), want);
}

#[test]
fn off_cpu_text() {
    let text = StackText { top: 3, width: 40 };
    let want = "\
14 times off the CPU in 2.00 s: 1.50 s blocked, 90.0 µs runnable, 0.0% of frames unresolved

   BLOCKED   RUNNABLE        MAX     COUNT  STATE
         0    70.0 µs    30.0 µs         7  preempted
    1.50 s    20.0 µs   900.0 ms         5  interruptible
    2.0 ms          0     2.0 ms         2  uninterruptible

1.50 s blocked (99.9%) in 5 waits, 20.0 µs runnable, max 900.0 ms, interruptible
    ksys_read (kernel)
    do_syscall_64 (kernel)
    main.work; x (app)
    main.main (app)
    runtime.main (app)
    thread app

2.0 ms blocked (0.1%) in 1 wait, max 2.0 ms, uninterruptible
    ksys_read (kernel)
    do_syscall_64 (kernel)
    main.work; x (app)
    main.main (app)
    runtime.main (app)
    thread app

400 ns blocked (0.0%) in 1 wait, max 400 ns, uninterruptible
    ksys_read (kernel)
    [user stack missing]
    thread app

1 more stack with 0.0% of blocked time
0.0% of user stacks reach their root: 13 do not in app
user stack missing in 1 switch (7.1%)
";
    assert_eq!(off_cpu("text", text), want);
}

#[test]
fn what_is_guessed_or_cut_is_told() {
    let mut events = off_cpu_run();
    for event in &mut events {
        if let Body::OffCpuStack(stack) = &mut event.body {
            if stack.state == 1 {
                stack.user_end = crate::event::StackEnd::Guessed;
            }
            stack.truncated = stack.state == 2;
        }
        if let Body::RunEnd(end) = &mut event.body {
            end.losses.probes.push(ProbeLoss {
                probe: "off_cpu_switch".to_owned(),
                unpaired: 2,
                ..ProbeLoss::default()
            });
        }
    }
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let shown = text(off_cpu_bytes("text", &events));
    let footers = "\
2 switches to a thread that the kernel did not tell of: when these began is estimated
0.0% of user stacks reach their root: 13 do not in app
38.5% of user stacks are guessed in part: along frame pointers, through code without unwind tables
1 stack truncated (7.1%): too deep to be taken whole
user stack missing in 1 switch (7.1%)
";
    assert!(shown.ends_with(footers), "{shown}");
    let folded = text(off_cpu_bytes("folded", &events));
    let guessed = "app;[guessed];runtime.main;main.main;";
    assert_eq!(folded.matches(guessed).count(), 1, "{folded}");
    let cut = "app;[truncated];runtime.main;main.main;";
    assert_eq!(folded.matches(cut).count(), 1, "{folded}");
}

#[test]
fn off_cpu_svg_and_json() {
    let svg = off_cpu("svg", StackText::default());
    assert_well_formed(&svg);
    assert!(svg.contains("<title>main.main (1,502,000 µs, 100.00%)</title>"));
    let json = off_cpu("json", StackText::default());
    let profile: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(profile["states"][1]["state"], "interruptible");
    assert_eq!(profile["stacks"][0]["max_ns"], 900_000_000);
    assert_eq!(profile["runnable_ns"], 90_000);
}

#[test]
fn names_that_would_break_the_formats_are_made_harmless() {
    let hostile = "a;b c\n\u{1b}[31m<script>&\"9";
    let address = symbol(
        50,
        false,
        "/x",
        vec![frame(hostile, SymbolOrigin::Native, false)],
    );
    let symbols = Symbols {
        addresses: vec![address],
    };
    let events = [
        start(),
        sample(42, "co;mm 1", &[], &[50]),
        event(2, 42, 0, Body::Symbols(Box::new(symbols))),
        end(),
    ];
    let folded = on_cpu("folded", false, &events);
    assert_eq!(folded, "co:mm_1;a:b_c__[31m<script>&\"9 1\n");
    let svg = on_cpu("svg", false, &events);
    assert_well_formed(&svg);
    assert!(!svg.contains("m<script>"));
    let text = on_cpu("text", false, &events);
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn long_names_keep_their_end_within_the_terminal() {
    let name = format!("github.com/{}/pkg.(*Server).Serve", "long/".repeat(40));
    let address = symbol(
        50,
        false,
        "/srv/app",
        vec![frame(&name, SymbolOrigin::Go, false)],
    );
    let symbols = Symbols {
        addresses: vec![address],
    };
    let events = [
        start(),
        sample(42, "app", &[], &[50]),
        event(2, 42, 0, Body::Symbols(Box::new(symbols))),
        end(),
    ];
    let text = on_cpu("text", false, &events);
    let row = text.lines().find(|l| l.contains("Serve")).expect("listed");
    assert!(row.ends_with("/pkg.(*Server).Serve  app"), "{row}");
    assert!(row.chars().count() <= 100, "{row}");
}
