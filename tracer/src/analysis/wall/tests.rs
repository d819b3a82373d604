use super::*;
use crate::event::{
    FrameSymbol, RunEnd, Space, StackEnd, SymbolOrigin, SymbolizedAddress, Symbols, ThreadCpu, Wait,
};

const SECOND: u64 = 1_000_000_000;

fn event(tid: u32, body: Body) -> Event {
    Event {
        time_ns: 0,
        pid: 7,
        tid,
        cpu: 0,
        goid: None,
        body,
    }
}

fn sample(tid: u32, address: u64) -> Event {
    let sample = Sample {
        comm: "work".to_owned(),
        kernel: Vec::new(),
        user: vec![address],
        user_end: StackEnd::Unknown,
        truncated: false,
    };
    event(tid, Body::Sample(sample))
}

fn waited(user: &[u64], blocked_ns: u64, runnable_ns: u64) -> OffCpuStack {
    OffCpuStack {
        comm: "work".to_owned(),
        state: 1,
        user: user.to_vec(),
        count: 1,
        blocked_ns,
        runnable_ns,
        ..OffCpuStack::default()
    }
}

fn cpu(tid: u32, elapsed_ns: u64, cpu_ns: u64) -> Event {
    let time = ThreadCpu {
        comm: "work".to_owned(),
        elapsed_ns,
        cpu_ns,
    };
    event(tid, Body::ThreadCpu(Box::new(time)))
}

fn names(functions: &[(u64, &str)]) -> Event {
    let symbol = |&(address, name): &(u64, &str)| SymbolizedAddress {
        space: Space::User,
        address,
        caller: address > 100,
        frames: vec![FrameSymbol {
            function: name.to_owned(),
            offset: 0,
            file: None,
            line: None,
            inlined: false,
            origin: SymbolOrigin::Go,
        }],
        module: None,
        module_offset: 0,
    };
    let addresses = functions.iter().map(symbol).collect();
    event(7, Body::Symbols(Box::new(Symbols { addresses })))
}

fn profile(threads: bool, states: bool, events: &[Event]) -> WallProfile {
    let detail = StackDetail {
        threads,
        ..StackDetail::default()
    };
    let mut wall = Wall::new(detail).by_state(states);
    events.iter().for_each(|e| wall.observe(e));
    wall.finish(&event(0, Body::RunEnd(Box::<RunEnd>::default())))
}

fn lines(profile: &WallProfile) -> Vec<(String, u64)> {
    let tree = &profile.tree;
    let path = |node| {
        let mut names: Vec<&str> = tree.leaf_to_root(node).map(|f| f.name.as_str()).collect();
        names.reverse();
        names.join(";")
    };
    let nodes = tree.nodes.iter().enumerate().filter(|(_, n)| n.own > 0);
    let mut lines: Vec<_> = nodes.map(|(at, n)| (path(at as u32), n.own)).collect();
    lines.sort();
    lines
}

#[test]
fn samples_share_the_exact_time_of_their_thread() {
    let events = [
        names(&[(1, "main.a"), (2, "main.b")]),
        sample(8, 1),
        sample(8, 1),
        sample(8, 2),
        sample(9, 2),
        event(8, Body::OffCpuStack(Box::new(waited(&[2], 6, 1)))),
        cpu(8, 17, 10),
        cpu(9, 5, 5),
        cpu(10, 3, 3),
    ];
    let profile = profile(false, false, &events);
    assert_eq!(
        lines(&profile),
        [
            ("work;[not sampled];[on CPU]".to_owned(), 3),
            ("work;main.a;[on CPU]".to_owned(), 6),
            ("work;main.b;[blocked]".to_owned(), 6),
            ("work;main.b;[on CPU]".to_owned(), 4 + 5),
            ("work;main.b;[runnable]".to_owned(), 1),
        ]
    );
    assert_eq!((profile.elapsed_ns, profile.accounted.sum_ns()), (25, 25));
    let b = &profile.functions[0];
    assert_eq!((b.frame.name.as_str(), b.total_ns), ("main.b", 16));
    assert_eq!((b.own.on_cpu_ns, b.own.blocked_ns), (9, 6));
    let totals = profile.thread_totals.iter().map(|t| (t.tid, t.value));
    assert_eq!(Vec::from_iter(totals), [(8, 17), (9, 5), (10, 3)]);
    for (at, total) in profile.thread_totals.iter().enumerate() {
        let own = profile.by_thread.iter().filter(|s| s.thread == at as u32);
        assert_eq!(own.map(|s| s.value).sum::<u64>(), total.value);
    }
}

#[test]
fn every_tree_adds_up_to_the_time_found() {
    let mut events = vec![cpu(8, 2 * SECOND, SECOND - 1)];
    events.extend((1..98).map(|address| sample(8, address)));
    let wait = event(8, Body::OffCpuStack(Box::new(waited(&[3], SECOND, 1))));
    events.push(wait);
    for (threads, states) in [(false, false), (true, false), (false, true), (true, true)] {
        let profile = profile(threads, states, &events);
        assert_eq!(profile.tree.total(), 2 * SECOND);
        assert_eq!(profile.accounted.sum_ns(), profile.elapsed_ns);
        let rows = profile.functions.iter().map(|f| f.own.sum_ns());
        assert_eq!(rows.sum::<u64>(), 2 * SECOND);
        let stacks = profile.by_thread.iter();
        let counts = stacks.clone().map(|s| s.count);
        assert_eq!(stacks.map(|s| s.value).sum::<u64>(), 2 * SECOND);
        assert_eq!(counts.sum::<u64>(), 97 + 1, "samples and a wait");
    }
}

#[test]
fn idle_go_threads_are_one_row() {
    let names = names(&[
        (1, "runtime.futex"),
        (102, "runtime.stopm"),
        (103, "main.work"),
        (2, "internal/runtime/syscall.Syscall6"),
    ]);
    let open = Wait {
        stack: waited(&[1], 30, 0),
        before_run: true,
        open: true,
        waker: None,
    };
    let events = [
        names,
        event(8, Body::OffCpuStack(Box::new(waited(&[1, 102], 10, 1)))),
        event(9, Body::OffCpuStack(Box::new(waited(&[2, 103], 20, 0)))),
        event(10, Body::Wait(Box::new(open))),
    ];
    let profile = profile(true, false, &events);
    assert_eq!(profile.idle_ns, 40);
    assert_eq!(
        lines(&profile),
        [
            (
                "work/8;runtime.stopm;runtime.futex;[runnable]".to_owned(),
                1
            ),
            (
                "work/9;main.work;internal/runtime/syscall.Syscall6;[blocked]".to_owned(),
                20
            ),
            ("work;[idle Go thread];[blocked]".to_owned(), 40),
        ]
    );
}

/// As in a recording that somebody made by hand.
#[test]
fn sums_end_at_the_greatest_value() {
    let most = u64::MAX;
    let events = [
        sample(8, 1),
        event(8, Body::OffCpuStack(Box::new(waited(&[1], most, most)))),
        event(8, Body::OffCpuStack(Box::new(waited(&[1], most, most)))),
        cpu(8, most, most),
        cpu(8, most, most),
        cpu(9, most, most),
    ];
    let profile = profile(false, false, &events);
    assert_eq!(profile.accounted.sum_ns(), most);
    assert_eq!(profile.tree.total(), most);
}
