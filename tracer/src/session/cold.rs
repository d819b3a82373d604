//! Entries of calls that could not read all of their memory wait here for it.
//!
//! A program that has not touched a page yet has it not in memory, and a probe at the entry of a
//! call cannot read it. The kernel reads it in the course of the call: the exit brings what the
//! entry lacks, and a successful `execve` what the kernel copied of its arguments. Until then an
//! entry is held back, and with it whatever is younger, so that every consumer sees a whole call.

use foldhash::HashMap;
use tracer_common::capture::{MAX_STRINGS, kind};

use crate::decode::ExecArguments;
use crate::event::{Body, Capture, CaptureStatus, Event, SyscallEnter};

/// A call that lasts longer than this is handed on as it is, in ns.
const LONGEST_WAIT_NS: u64 = 250_000_000;
/// Events that are held back at most.
const MOST_HELD: usize = 200_000;

/// Which threads are in a call whose entry lacks something, and since when.
#[derive(Debug, Default)]
pub(super) struct ColdEntries {
    since_ns: HashMap<u32, u64>,
}

impl ColdEntries {
    /// Sees an event before it waits with the others.
    pub(super) fn note(&mut self, event: &Event) {
        match &event.body {
            Body::SyscallEnter(enter) if enter.has_unread() => {
                self.since_ns.insert(event.tid, event.time_ns);
            }
            Body::SyscallEnter(_) | Body::SyscallExit(_) | Body::Exit(_)
                if !self.since_ns.is_empty() =>
            {
                self.since_ns.remove(&event.tid);
            }
            _ => {}
        }
    }

    /// The entry of the call that a thread is in, when it waits for this.
    fn entry<'e>(&self, pending: &'e mut [Event], tid: u32) -> Option<&'e mut SyscallEnter> {
        let since = *self.since_ns.get(&tid)?;
        let mut latest = pending.iter_mut().rev();
        let event = latest.find(|e| {
            e.tid == tid && e.time_ns == since && matches!(e.body, Body::SyscallEnter(_))
        })?;
        match &mut event.body {
            Body::SyscallEnter(enter) => Some(enter),
            _ => None,
        }
    }

    /// Gives an entry what the exit of its call brought.
    pub(super) fn fill(&mut self, pending: &mut [Event], tid: u32, late: Vec<Capture>) {
        if let Some(enter) = self.entry(pending, tid) {
            enter.fill(late);
        }
    }

    /// Gives the entry of an `execve` what the kernel copied of its arguments.
    pub(super) fn fill_exec(&mut self, pending: &mut [Event], given: &ExecArguments) {
        if let Some(enter) = self.entry(pending, given.old_tid) {
            let late = exec_captures(enter, given);
            enter.fill(late);
        }
        self.since_ns.remove(&given.old_tid);
    }

    /// Up to which time events may be handed on, when `until_ns` is what else allows it.
    pub(super) fn hold(&mut self, until_ns: u64, pending: usize) -> u64 {
        if pending > MOST_HELD {
            self.since_ns.clear();
        }
        self.since_ns
            .retain(|_, since| since.saturating_add(LONGEST_WAIT_NS) > until_ns);
        let first = self.since_ns.values().min();
        first.map_or(until_ns, |since| until_ns.min(since.saturating_sub(1)))
    }

    /// Nothing more will come.
    pub(super) fn give_up(&mut self) {
        self.since_ns.clear();
    }
}

/// Captures in the place of those that the entry of an `execve` could not take.
fn exec_captures(enter: &SyscallEnter, given: &ExecArguments) -> Vec<Capture> {
    let mut late = Vec::new();
    let faults = enter.captures.iter();
    for unread in faults.filter(|c| c.status == CaptureStatus::Fault) {
        match unread.kind {
            kind::STRING if is_whole_path(enter, unread.arg) => {
                late.push(filled(unread, unread.index, &given.path));
            }
            kind::STRINGS if !is_environment(enter, unread.arg) => {
                push_strings(&mut late, enter, unread, given);
            }
            kind::COUNT => late.push(Capture {
                wanted: given.envc.into(),
                ..filled(unread, 0, &[])
            }),
            _ => {}
        }
    }
    late
}

/// The environment is the vector whose entries are counted, too.
fn is_environment(enter: &SyscallEnter, arg: u8) -> bool {
    enter
        .captures
        .iter()
        .any(|c| c.kind == kind::COUNT && c.arg == arg)
}

/// The kernel's copy of a path that is relative to a descriptor names that, too.
fn is_whole_path(enter: &SyscallEnter, arg: u8) -> bool {
    arg == 0 || enter.args[0] as i32 == libc::AT_FDCWD
}

fn filled(unread: &Capture, index: u8, data: &[u8]) -> Capture {
    Capture {
        arg: unread.arg,
        kind: unread.kind,
        index,
        status: CaptureStatus::Ok,
        wanted: data.len() as u64,
        data: data.to_vec(),
    }
}

/// The string that `unread` stands for, and those after it when the vector itself could not be
/// read.
fn push_strings(
    late: &mut Vec<Capture>,
    enter: &SyscallEnter,
    unread: &Capture,
    given: &ExecArguments,
) {
    let captures = enter.captures.iter();
    let of_vector = || {
        let captures = captures.clone();
        captures.filter(|c| c.kind == kind::STRINGS && c.arg == unread.arg)
    };
    let count = of_vector().find(|c| c.status == CaptureStatus::End);
    let count = count.map(|end| usize::from(end.index));
    let Some(shift) = shift(given, count) else {
        return;
    };
    let first = usize::from(unread.index);
    let last_seen = of_vector().map(|c| usize::from(c.index)).max();
    let is_rest = count.is_none() && last_seen == Some(first);
    let last = if is_rest { MAX_STRINGS } else { first + 1 };
    for index in first..last {
        let string = given.strings.get(index + shift);
        match string.filter(|_| index > 0 || !given.interpreted) {
            Some(string) => late.push(filled(unread, index as u8, string)),
            None => {
                if is_rest && index == given.argc as usize {
                    late.push(Capture {
                        status: CaptureStatus::End,
                        ..filled(unread, index as u8, &[])
                    });
                }
                return;
            }
        }
    }
}

/// By how many places the caller's arguments lie further in the new program's; `None` when that is
/// not known.
fn shift(given: &ExecArguments, count: Option<usize>) -> Option<usize> {
    // The kernel gives a program without arguments an empty one.
    if given.argc == 1 && given.strings.first().is_none_or(Vec::is_empty) {
        return None;
    }
    match (given.interpreted, count) {
        (false, _) => Some(0),
        (true, Some(count)) => (given.argc as usize).checked_sub(count),
        (true, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SyscallExit;

    fn capture(arg: u8, kind: u8, index: u8, status: CaptureStatus, data: &[u8]) -> Capture {
        Capture {
            arg,
            kind,
            index,
            status,
            wanted: data.len() as u64,
            data: data.to_vec(),
        }
    }

    fn unread(arg: u8, kind: u8, index: u8) -> Capture {
        capture(arg, kind, index, CaptureStatus::Fault, &[])
    }

    fn enter(captures: Vec<Capture>) -> SyscallEnter {
        SyscallEnter {
            nr: 59,
            captures,
            ..SyscallEnter::default()
        }
    }

    fn at(time_ns: u64, tid: u32, body: Body) -> Event {
        Event {
            time_ns,
            pid: 1,
            tid,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn shown(enter: &SyscallEnter) -> Vec<(u8, u8, CaptureStatus, String)> {
        let mut all: Vec<_> = enter
            .captures
            .iter()
            .map(|c| {
                let text = String::from_utf8_lossy(&c.data).into_owned();
                (c.arg, c.index, c.status, text)
            })
            .collect();
        all.sort_by_key(|c| (c.0, c.1));
        all
    }

    #[test]
    fn an_entry_is_held_until_its_exit_brings_what_it_lacks() {
        use CaptureStatus::Ok;
        let mut cold = ColdEntries::default();
        let event = at(50, 7, Body::SyscallEnter(enter(vec![unread(0, 1, 0)])));
        cold.note(&event);
        let mut pending = vec![at(40, 8, Body::Tick), event, at(60, 8, Body::Tick)];
        assert_eq!(cold.hold(1000, 3), 49);
        cold.fill(&mut pending, 7, vec![capture(0, 1, 0, Ok, b"/etc")]);
        cold.note(&at(
            70,
            7,
            Body::SyscallExit(SyscallExit {
                nr: 59,
                ..SyscallExit::default()
            }),
        ));
        assert_eq!(cold.hold(1000, 3), 1000);
        let Body::SyscallEnter(filled) = &pending[1].body else {
            panic!("no entry")
        };
        assert_eq!(shown(filled), [(0, 0, Ok, "/etc".to_owned())]);
    }

    #[test]
    fn no_call_is_waited_for_too_long_or_with_too_many_events() {
        let mut cold = ColdEntries::default();
        let event = at(50, 7, Body::SyscallEnter(enter(vec![unread(0, 1, 0)])));
        cold.note(&event);
        assert_eq!(cold.hold(50 + LONGEST_WAIT_NS - 1, 1), 49);
        assert_eq!(cold.hold(50 + LONGEST_WAIT_NS, 1), 50 + LONGEST_WAIT_NS);
        cold.note(&event);
        assert_eq!(cold.hold(1000, MOST_HELD + 1), 1000);
    }

    #[test]
    fn what_was_read_is_not_replaced() {
        use CaptureStatus::{End, Ok};
        let strings = kind::STRINGS;
        let mut call = enter(vec![
            capture(1, strings, 0, Ok, b"sh"),
            unread(1, strings, 1),
            capture(1, strings, 2, End, &[]),
        ]);
        call.fill(vec![
            capture(1, strings, 0, Ok, b"xx"),
            capture(1, strings, 1, Ok, b"-c"),
            capture(1, strings, 2, End, &[]),
        ]);
        let texts: Vec<_> = shown(&call).into_iter().map(|c| c.3).collect();
        assert_eq!(texts, ["sh", "-c", ""]);
    }

    fn given(strings: &[&str], interpreted: bool) -> ExecArguments {
        ExecArguments {
            old_tid: 7,
            path: b"/bin/x".to_vec(),
            strings: strings.iter().map(|s| s.as_bytes().to_vec()).collect(),
            argc: strings.len() as u32,
            envc: 3,
            interpreted,
        }
    }

    fn filled_exec(captures: Vec<Capture>, given: &ExecArguments) -> SyscallEnter {
        let mut call = enter(captures);
        let late = exec_captures(&call, given);
        call.fill(late);
        call
    }

    #[test]
    fn an_execve_is_filled_from_the_kernel_s_copy() {
        use CaptureStatus::{End, Ok};
        let call = filled_exec(
            vec![
                unread(0, kind::STRING, 0),
                unread(1, kind::STRINGS, 0),
                unread(2, kind::COUNT, 0),
            ],
            &given(&["x", "-l"], false),
        );
        assert_eq!(
            shown(&call),
            [
                (0, 0, Ok, "/bin/x".to_owned()),
                (1, 0, Ok, "x".to_owned()),
                (1, 1, Ok, "-l".to_owned()),
                (1, 2, End, String::new()),
                (2, 0, Ok, String::new()),
            ]
        );
        assert_eq!(
            call.captures.iter().find(|c| c.arg == 2).map(|c| c.wanted),
            Some(3)
        );
    }

    #[test]
    fn of_a_script_the_first_argument_is_not_known() {
        use CaptureStatus::{End, Fault, Ok};
        let strings = kind::STRINGS;
        let call = filled_exec(
            vec![
                unread(1, strings, 0),
                unread(1, strings, 1),
                capture(1, strings, 2, End, &[]),
            ],
            &given(&["/bin/sh", "-e", "/bin/x", "one"], true),
        );
        assert_eq!(
            shown(&call),
            [
                (1, 0, Fault, String::new()),
                (1, 1, Ok, "one".to_owned()),
                (1, 2, End, String::new()),
            ]
        );
        let whole = filled_exec(vec![unread(1, strings, 0)], &given(&["/bin/sh", "x"], true));
        assert_eq!(shown(&whole), [(1, 0, Fault, String::new())]);
    }

    #[test]
    fn a_program_without_arguments_is_not_given_any() {
        let call = filled_exec(vec![unread(1, kind::STRINGS, 0)], &given(&[""], false));
        assert!(call.has_unread());
    }
}
