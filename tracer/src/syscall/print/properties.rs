//! Whatever the records say, printing ends, does not panic, and stays short.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Decoder, siginfo_text};
use crate::event::{Capture, CaptureStatus, SyscallEnter, SyscallExit};
use crate::syscall::arg::Syscall;
use crate::syscall::machine::Machine;
use crate::syscall::table::lookup_on;
use tracer_common::capture::MAX_SYSCALLS;

const LIMIT: usize = 32;

fn status() -> impl Strategy<Value = CaptureStatus> {
    prop_oneof![
        4 => Just(CaptureStatus::Ok),
        1 => Just(CaptureStatus::Truncated),
        1 => Just(CaptureStatus::Fault),
        1 => Just(CaptureStatus::End),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(prop_oneof![Just(0_u8), Just(255), 1_u8..20], 0..300),
        Just(vec![255; 4096]),
    ]
}

fn capture() -> impl Strategy<Value = Capture> {
    (
        0_u8..7,
        any::<u8>(),
        0_u8..12,
        status(),
        any::<u64>(),
        data(),
    )
        .prop_map(|(arg, kind, index, status, wanted, data)| Capture {
            arg,
            kind,
            index,
            status,
            wanted,
            data,
        })
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..40,
        any::<u64>(),
        (0_u32..64).prop_map(|bit| 1 << bit),
        Just(u64::MAX),
        Just(0x5401),
        Just(0x7000),
    ]
}

fn result() -> impl Strategy<Value = i64> {
    prop_oneof![-600_i64..5000, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_call_prints_within_bounds(
        nr in prop_oneof![9 => 0_u32..480, 1 => any::<u32>()],
        args in proptest::array::uniform6(argument()),
        entry in vec(capture(), 0..8),
        exit in vec(capture(), 0..8),
        ret in result(),
        compat in prop::bool::weighted(0.05),
        seen in prop::bool::weighted(0.9),
    ) {
        let enter = SyscallEnter { nr, args, captures: entry, compat, captures_cut: false };
        let exit = SyscallExit { nr, ret, captures: exit, compat, captures_cut: true };
        let mut decoder = Decoder::new(LIMIT);
        let mut text = decoder.begin(&enter);
        text += &decoder.rest(seen.then_some(&enter), &exit);
        text += &decoder.result(seen.then_some(&enter), &exit);
        // Two paths of 4096 bytes, each byte escaped as four characters, and some structures.
        prop_assert!(text.len() < 60_000, "{} characters", text.len());
        prop_assert!(text.is_ascii() && !text.contains('\n'));
    }

    #[test]
    fn any_signal_prints_within_bounds(signo in any::<u32>(), info in data()) {
        prop_assert!(siginfo_text(signo, Some(&info)).len() < 500);
    }
}

fn rows() -> impl Iterator<Item = (Machine, u32, &'static Syscall)> {
    let of = |machine| {
        (0..MAX_SYSCALLS).filter_map(move |nr| Some((machine, nr, lookup_on(machine, nr)?)))
    };
    [Machine::X86_64, Machine::Aarch64].into_iter().flat_map(of)
}

/// Every syscall with every pointer readable: no printer relies on a size it does not check.
#[test]
fn every_row_prints_short_and_full_captures() {
    for (machine, nr, row) in rows() {
        for size in [0, 1, 3, 8, 15, 64, 400, 4096] {
            let captures: Vec<_> = (0..6)
                .map(|arg| Capture {
                    arg,
                    wanted: size as u64,
                    data: vec![0xa5; size],
                    ..Capture::default()
                })
                .collect();
            let args = [0x7fff_0000; 6];
            let enter = SyscallEnter {
                nr,
                args,
                captures: captures.clone(),
                ..SyscallEnter::default()
            };
            let exit = SyscallExit {
                nr,
                ret: 4096,
                captures,
                ..SyscallExit::default()
            };
            let mut decoder = Decoder::new(LIMIT);
            decoder.set_machine(Some(machine));
            let begin = decoder.begin(&enter);
            assert!(begin.starts_with(&format!("{}(", row.name)));
            let text = begin + &decoder.rest(Some(&enter), &exit);
            assert!(text.len() < 60_000, "{}: {}", row.name, text.len());
        }
    }
}
