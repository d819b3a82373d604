//! Stacks as events have them, and the trees that become of them.

use super::*;
use proptest::prelude::*;

fn stack<'a>(pid: u32, kernel: &'a [u64], user: &'a [u64]) -> FoldedStack<'a> {
    FoldedStack {
        pid,
        tid: pid,
        comm: "x",
        kernel,
        user,
        user_end: StackEnd::Unknown,
        truncated: false,
        class: 0,
    }
}

fn named(pid: u32, space: Space, address: u64, caller: bool, function: &str) -> Event {
    let frame = FrameSymbol {
        function: function.to_owned(),
        ..FrameSymbol::default()
    };
    let symbol = SymbolizedAddress {
        space,
        address,
        caller,
        frames: vec![frame],
        module: None,
        module_offset: 0,
    };
    Event {
        time_ns: 0,
        pid,
        tid: 0,
        cpu: 0,
        goid: None,
        body: Body::Symbols(Box::new(Symbols {
            addresses: vec![symbol],
        })),
    }
}

fn names_of(folded: &FoldedStacks<u64>) -> Vec<&str> {
    let frames = folded.tree.frames.iter();
    frames.map(|f| f.name.as_str()).collect()
}

#[test]
fn the_frames_of_the_probe_are_left_out() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    let kernel = [
        "bpf_prog_1_x",
        "bpf_trace_run4",
        "__traceiter_sched_switch",
        "__schedule",
    ];
    for (at, name) in kernel.iter().enumerate() {
        fold.observe(&named(0, Space::Kernel, at as u64, at > 0, name));
    }
    fold.add(&stack(1, &[0, 1, 2, 3], &[]), &1);
    let folded = fold.finish();
    assert_eq!(names_of(&folded), ["x", "__schedule"]);
}

#[test]
fn nothing_unknown_lies_beyond_the_root_of_a_stack() {
    for root in ["runtime.goexit", "runtime.mstart", "clone3"] {
        let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
        for (address, name) in [(1, "leaf"), (2, root), (4, "threadentry")] {
            fold.observe(&named(1, Space::User, address, address > 1, name));
        }
        fold.add(&stack(1, &[], &[1, 2, 77, 78]), &1);
        fold.add(&stack(1, &[], &[1, 99]), &1);
        let folded = fold.finish();
        assert_eq!(names_of(&folded), ["x", root, "leaf", "[unknown]"]);
        let counts = FrameCounts {
            all: 4,
            unresolved: 1,
            ..FrameCounts::default()
        };
        assert_eq!(folded.counts, counts);
    }
}

#[test]
fn a_go_thread_has_no_frames_of_its_maker() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    let stack_of = [
        "runtime.futex",
        "runtime.mstart",
        "runtime.reentersyscall",
        "main.rawSleep",
        "runtime.goexit",
    ];
    for (at, name) in stack_of.iter().enumerate() {
        fold.observe(&named(1, Space::User, at as u64, at > 0, name));
    }
    fold.add(&stack(1, &[], &[0, 1, 2, 3, 4]), &1);
    assert_eq!(
        names_of(&fold.finish()),
        ["x", "runtime.mstart", "runtime.futex"]
    );
}

#[test]
fn a_handler_returns_to_nothing_that_was_called() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    let stack_of = [
        "runtime.sigtrampgo",
        "runtime.sigtramp",
        "runtime.cgoSigtramp",
        "main.work",
    ];
    for (at, name) in stack_of.iter().enumerate() {
        fold.observe(&named(1, Space::User, at as u64, at > 0, name));
    }
    fold.add(&stack(1, &[], &[0, 1, 2, 3]), &1);
    assert_eq!(
        names_of(&fold.finish()),
        ["x", "main.work", "runtime.sigtramp", "runtime.sigtrampgo"]
    );
}

#[test]
fn a_go_thread_whose_maker_has_moved_on_is_whole() {
    // As of `sysmon`: its maker, a goroutine, has another stack by now, or calls something else.
    for beyond in [None, Some((SymbolOrigin::Go, "runtime.(*timer).maybeAdd"))] {
        let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
        for (address, name) in [(1, "runtime.usleep"), (2, "runtime.mstart")] {
            fold.observe(&named(1, Space::User, address, address > 1, name));
        }
        if let Some((origin, name)) = beyond {
            let mut event = named(1, Space::User, 3, true, name);
            if let Body::Symbols(symbols) = &mut event.body {
                symbols.addresses[0].frames[0].origin = origin;
            }
            fold.observe(&event);
        }
        let broken = FoldedStack {
            user_end: StackEnd::Lost,
            ..stack(1, &[], &[1, 2, 3, 99])
        };
        fold.add(&broken, &1);
        let folded = fold.finish();
        assert_eq!(names_of(&folded), ["x", "runtime.mstart", "runtime.usleep"]);
        assert_eq!((folded.roots.stacks, folded.roots.whole), (1, 1));
    }
}

#[test]
fn c_code_that_has_made_a_go_thread_is_shown() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    let stack_of = ["runtime.usleep", "runtime.mstart", "threadentry", "clone3"];
    for (at, name) in stack_of.iter().enumerate() {
        let mut event = named(1, Space::User, at as u64, at > 0, name);
        if let Body::Symbols(symbols) = &mut event.body {
            symbols.addresses[0].frames[0].origin = match at < 2 {
                true => SymbolOrigin::Go,
                false => SymbolOrigin::Native,
            };
        }
        fold.observe(&event);
    }
    let lost = FoldedStack {
        user_end: StackEnd::Lost,
        ..stack(1, &[], &[0, 1, 2, 3])
    };
    fold.add(&lost, &1);
    let folded = fold.finish();
    let names = names_of(&folded);
    assert!(names.contains(&"threadentry"), "{names:?}");
    assert_eq!((folded.roots.stacks, folded.roots.whole), (1, 0));
}

#[test]
fn a_goroutine_that_makes_room_is_left_as_one_that_waits() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    for (address, name) in [(1, "runtime.newstack"), (2, "runtime.morestack")] {
        fold.observe(&named(1, Space::User, address, address > 1, name));
    }
    let mut add = |user: &[u64], user_end| {
        let stack = FoldedStack {
            user_end,
            ..stack(1, &[], user)
        };
        fold.add(&stack, &1);
    };
    add(&[1, 2], StackEnd::Unknown);
    add(&[1, 2, 99], StackEnd::Lost);
    let folded = fold.finish();
    assert_eq!(
        names_of(&folded),
        ["x", "runtime.morestack", "runtime.newstack"]
    );
    assert_eq!((folded.roots.stacks, folded.roots.whole), (2, 2));
}

#[test]
fn a_goroutine_that_was_left_is_shown_only_while_it_is_whole() {
    let folded_of = |user: &[u64]| {
        let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
        let known = [
            (1, "runtime.schedule"),
            (2, "runtime.mcall"),
            (3, "main.work"),
            (4, "runtime.goexit"),
        ];
        for (address, name) in known {
            fold.observe(&named(1, Space::User, address, address > 1, name));
        }
        let stack = FoldedStack {
            user_end: StackEnd::Lost,
            ..stack(1, &[], user)
        };
        fold.add(&stack, &1);
        fold.finish()
    };
    let broken = folded_of(&[1, 2, 3, 99]);
    assert_eq!(
        names_of(&broken),
        ["x", "runtime.mcall", "runtime.schedule"]
    );
    assert_eq!((broken.roots.stacks, broken.roots.whole), (1, 1));
    assert_eq!(broken.counts.unresolved, 0);
    // Another thread has come back to where it was called.
    let overwritten = folded_of(&[1, 2, 99, 3, 4]);
    assert_eq!(names_of(&overwritten), names_of(&broken));
    let whole = folded_of(&[1, 2, 3, 4]);
    let names = names_of(&whole);
    assert!(names.contains(&"main.work"), "{names:?}");
}

#[test]
fn a_guess_that_leads_to_no_root_is_marked() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    for (address, name) in [(1, "leaf"), (2, "clone3")] {
        fold.observe(&named(1, Space::User, address, address > 1, name));
    }
    let guessed = |user| FoldedStack {
        user_end: StackEnd::Guessed,
        ..stack(1, &[], user)
    };
    fold.add(&guessed(&[1, 2]), &3);
    fold.add(&guessed(&[1]), &1);
    let folded = fold.finish();
    assert_eq!(names_of(&folded), ["x", "[guessed]", "leaf", "clone3"]);
    let roots = folded.roots;
    assert_eq!((roots.stacks, roots.whole, roots.guessed), (4, 3, 4));
}

#[test]
fn named_stacks_make_room_for_more() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    let extra = 1000;
    fold.observe(&named(1, Space::User, 7, false, "leaf"));
    for address in 0..MAX_STACKS as u64 + extra {
        fold.observe(&named(1, Space::User, address, true, "caller"));
        fold.add(&stack(1, &[], &[7, address]), &1);
    }
    let folded = fold.finish();
    assert_eq!(folded.over_limit, 0);
    assert_eq!(folded.tree.total(), MAX_STACKS as u64 + extra);
    assert_eq!(names_of(&folded), ["x", "caller", "leaf"]);
}

#[test]
fn nameless_stacks_over_the_limit_are_counted() {
    let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
    for address in 0..MAX_STACKS as u64 + 10 {
        fold.add(&stack(1, &[], &[address]), &1);
    }
    let folded = fold.finish();
    assert_eq!(folded.over_limit, 10);
    assert_eq!(folded.tree.total(), MAX_STACKS as u64);
}

proptest! {
    #[test]
    fn no_sample_is_lost_or_counted_twice(
        stacks in proptest::collection::vec(
            (1_u32..4, proptest::collection::vec(0_u64..4, 0..5), proptest::collection::vec(0_u64..4, 0..5)),
            0..60,
        ),
        names in proptest::collection::vec((0_u32..4, 0_u64..4, any::<bool>()), 0..20),
        execs in proptest::collection::vec((0_usize..60, 1_u32..4), 0..5),
    ) {
        let mut fold = StackFold::new(Unit::Samples, StackDetail::default());
        for (at, (pid, kernel, user)) in stacks.iter().enumerate() {
            fold.add(&stack(*pid, kernel, user), &1);
            if let Some((pid, address, caller)) = names.get(at) {
                let space = if *pid == 0 { Space::Kernel } else { Space::User };
                fold.observe(&named(*pid, space, *address, *caller, "f"));
            }
            for (_, pid) in execs.iter().filter(|e| e.0 == at) {
                fold.freeze(*pid);
            }
        }
        let folded = fold.finish();
        let count = stacks.len() as u64;
        prop_assert_eq!(folded.tree.total(), count);
        prop_assert_eq!(folded.stacks.iter().map(|s| s.weight).sum::<u64>(), count);
        prop_assert_eq!(folded.threads.iter().map(|t| t.value).sum::<u64>(), count);
        let roots = folded.tree.nodes.iter().filter(|n| n.parent.is_none());
        prop_assert_eq!(roots.map(|n| n.total).sum::<u64>(), count);
    }
}
