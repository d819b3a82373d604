//! The stack of who made a thread runnable, on top of that thread's own.

use std::rc::Rc;

use super::stack_fold::{Names, lookup, plain};
use super::stack_trim::{trim_probe, trim_user};
use crate::event::{Space, StackEnd, Waker};
use crate::report::{Frame, FrameKind, WOKEN_BY};

/// Where the kernel begins to handle an interrupt: arch/x86/include/asm/idtentry.h and
/// arch/arm64/kernel/entry-common.c; kernel/softirq.c.
const INTERRUPTS: &[&str] = &[
    "asm_sysvec_",
    "asm_common_interrupt",
    "sysvec_",
    "common_interrupt",
    "el1_interrupt",
    "el0_interrupt",
    "el1h_64_irq",
    "el0t_64_irq",
    "handle_softirqs",
    "__do_softirq",
];

/// The frames that follow the innermost of the thread that was woken: a note, then the waker's,
/// innermost first, then its name. An interrupt wakes in nobody's name, whatever it interrupted.
pub(super) fn frames(waker: &Waker, names: &Names) -> Vec<Frame> {
    let mut kernel = lookup(names, 0, Space::Kernel, &waker.kernel);
    trim_probe(&mut kernel);
    let mut user = lookup(names, waker.pid, Space::User, &waker.user);
    trim_user(&mut user, StackEnd::Unknown);
    let mut name = format!("{}/{}", waker.comm, waker.tid);
    if let Some(entry) = kernel.iter().rposition(is_interrupt) {
        kernel.drain(..entry);
        user.clear();
        "[interrupt]".clone_into(&mut name);
    }
    let stack = user.iter().chain(&kernel).flat_map(|frames| frames.iter());
    let mut frames = vec![plain(WOKEN_BY.to_owned(), FrameKind::Note)];
    let outermost_first: Vec<&Frame> = stack.collect();
    frames.extend(outermost_first.into_iter().rev().cloned());
    frames.push(plain(name, FrameKind::Thread));
    frames
}

fn is_interrupt(frames: &Rc<[Frame]>) -> bool {
    let is_entry = |f: &Frame| INTERRUPTS.iter().any(|entry| f.name.starts_with(entry));
    frames.iter().any(is_entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kernel: &[&str], user: &[&str]) -> Vec<String> {
        let mut names = Names::default();
        let mut addresses = |space, pid, functions: &[&str], kind| -> Vec<u64> {
            let addresses: Vec<u64> = (1..=functions.len() as u64).collect();
            for (&address, function) in addresses.iter().zip(functions) {
                let frame = plain((*function).to_owned(), kind);
                names.insert((pid, space, address, address > 1), Rc::new([frame]));
            }
            addresses
        };
        let waker = Waker {
            pid: 9,
            tid: 10,
            comm: "boss".to_owned(),
            kernel: addresses(Space::Kernel, 0, kernel, FrameKind::Kernel),
            user: addresses(Space::User, 9, user, FrameKind::Native),
            user_missing: false,
        };
        frames(&waker, &names).into_iter().map(|f| f.name).collect()
    }

    #[test]
    fn a_waker_stands_upside_down_on_who_it_woke() {
        assert_eq!(
            shown(
                &[
                    "bpf_prog",
                    "__traceiter_sched_waking",
                    "try_to_wake_up",
                    "futex_wake"
                ],
                &["unlock", "main"]
            ),
            [
                WOKEN_BY,
                "try_to_wake_up",
                "futex_wake",
                "unlock",
                "main",
                "boss/10"
            ]
        );
    }

    #[test]
    fn an_interrupt_is_not_the_work_of_what_it_interrupted() {
        assert_eq!(
            shown(
                &[
                    "hrtimer_wakeup",
                    "sysvec_apic_timer_interrupt",
                    "asm_sysvec_apic_timer_interrupt",
                    "do_work"
                ],
                &["busy", "main"]
            ),
            [
                WOKEN_BY,
                "hrtimer_wakeup",
                "sysvec_apic_timer_interrupt",
                "[interrupt]"
            ]
        );
    }
}
