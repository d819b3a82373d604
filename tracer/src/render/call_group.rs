//! What the calls of a table are grouped by: `-c --by`.
//!
//! A group is known by its text. What it depends on is looked up when the event of the call passes,
//! so a descriptor stands for what it referred to when the call was made.

mod descriptor;
mod function;
mod peer;
mod thread;

use descriptor::{fd_group, path_group};
use function::Functions;
use peer::Peers;
use thread::ThreadNames;

use crate::event::{Body, Event, SyscallEnter, SyscallExit};
use crate::process::{Descriptors, returns_descriptor, tracked_calls};
use crate::syscall::arg::Kind;
use crate::syscall::class::Class;
use crate::syscall::filter::SyscallSet;
use crate::syscall::table;

/// Calls that have nothing of what is grouped by.
const NOTHING: &str = "-";
/// Calls of which the beginning was not seen, and so no arguments.
const UNSEEN: &str = "(entry not seen)";

/// What calls are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The function of the program's own that made the call, directly or through a library.
    Function,
    /// The first descriptor among the arguments.
    Fd,
    /// The first path among the arguments, or what the first descriptor refers to.
    Path,
    /// The remote address of the socket.
    Peer,
    /// The thread.
    Thread,
}

impl GroupBy {
    /// All of them, as they are named.
    pub const ALL: [Self; 5] = [
        Self::Function,
        Self::Fd,
        Self::Path,
        Self::Peer,
        Self::Thread,
    ];

    /// Stable name, also of the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Fd => "fd",
            Self::Path => "path",
            Self::Peer => "peer",
            Self::Thread => "thread",
        }
    }

    /// What has this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }

    /// Whether the stack of each call is needed.
    #[must_use]
    pub const fn needs_stacks(self) -> bool {
        matches!(self, Self::Function)
    }

    /// Whether descriptors are followed, by the calls that open, copy and close them.
    #[must_use]
    pub const fn follows_descriptors(self) -> bool {
        matches!(self, Self::Fd | Self::Path | Self::Peer)
    }

    /// Calls of which memory behind arguments is needed: paths and addresses.
    #[must_use]
    pub fn calls_to_copy_from(self) -> SyscallSet {
        let mut calls = SyscallSet::NONE;
        if self.follows_descriptors() {
            tracked_calls().for_each(|nr| calls.insert(nr));
        }
        for (nr, row) in table::all() {
            let needed = match self {
                Self::Path => row.args.iter().any(|(_, kind)| matches!(kind, Kind::Path)),
                Self::Peer => row.classes.meets(Class::NETWORK),
                Self::Function | Self::Fd | Self::Thread => false,
            };
            if needed {
                calls.insert(nr);
            }
        }
        calls
    }
}

/// The group that a call is in as far as its beginning says.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// The descriptor that the call returns says more.
    opens: bool,
}

fn opens(tables: &Descriptors, enter: &SyscallEnter) -> bool {
    let row = tables.row(enter.nr, enter.compat);
    row.is_some_and(|row| returns_descriptor(row, &enter.args))
}

/// Finds the group of each call.
#[derive(Debug)]
pub(super) struct Grouping {
    by: GroupBy,
    recorded: bool,
    functions: Functions,
    peers: Peers,
    threads: ThreadNames,
}

impl Grouping {
    /// Nothing is known yet. Of a recording, `/proc` knows nothing.
    pub(super) fn new(by: GroupBy, recorded: bool) -> Self {
        Self {
            by,
            recorded,
            functions: Functions::default(),
            peers: Peers::default(),
            threads: ThreadNames::new(recorded),
        }
    }

    /// Learns from an event that is neither the beginning nor the end of a call.
    pub(super) fn note(&mut self, event: &Event) {
        let pid = pid_in_tables(self.recorded, event.pid);
        match self.by {
            GroupBy::Function => self.functions.note(event),
            GroupBy::Thread => self.threads.note(event),
            GroupBy::Peer => match &event.body {
                Body::Fork(fork) if fork.child_pid != event.pid => {
                    let child = pid_in_tables(self.recorded, fork.child_pid);
                    self.peers.fork(pid, child);
                }
                Body::Exec(_) => self.peers.forget(pid),
                Body::Exit(exit) if exit.last_thread => self.peers.forget(pid),
                _ => {}
            },
            GroupBy::Fd | GroupBy::Path => {}
        }
    }

    /// The group of a call that begins.
    pub(super) fn enter(
        &mut self,
        event: &Event,
        enter: &SyscallEnter,
        tables: &mut Descriptors,
    ) -> Group {
        let pid = pid_in_tables(self.recorded, event.pid);
        let name = match self.by {
            GroupBy::Function => Some(self.functions.take(event.tid)),
            GroupBy::Thread => Some(self.threads.name(event.pid, event.tid)),
            GroupBy::Fd => fd_group(pid, enter, tables),
            GroupBy::Path => path_group(pid, enter, tables),
            GroupBy::Peer => self.peers.enter(pid, event.tid, enter, tables),
        };
        Group {
            name: name.unwrap_or_else(|| NOTHING.to_owned()),
            opens: self.by == GroupBy::Path && opens(tables, enter),
        }
    }

    /// The group of a call that ends, after `tables` learnt of it. `begun` is `None` when its
    /// beginning was not seen.
    pub(super) fn exit(
        &mut self,
        event: &Event,
        exit: &SyscallExit,
        begun: Option<Group>,
        tables: &mut Descriptors,
    ) -> String {
        let pid = pid_in_tables(self.recorded, event.pid);
        let better = match self.by {
            GroupBy::Peer => self.peers.exit(pid, event.tid, exit),
            GroupBy::Thread => Some(self.threads.name(event.pid, event.tid)),
            GroupBy::Path => begun.as_ref().and_then(|group| {
                let fd = i32::try_from(exit.ret).ok().filter(|_| group.opens)?;
                path_of_opened(pid, fd, tables)
            }),
            GroupBy::Fd => None,
            GroupBy::Function => {
                self.functions.forget(event.tid);
                None
            }
        };
        better
            .or(begun.map(|group| group.name))
            .unwrap_or_else(|| UNSEEN.to_owned())
    }
}

/// The id under which tables of descriptors know a process. That of a recording is another process
/// here, or none: its id is one that no process has (`PID_MAX_LIMIT` is 2^22,
/// include/linux/threads.h), so that `/proc` has nothing to say about it.
pub(super) const fn pid_in_tables(recorded: bool, pid: u32) -> u32 {
    const NOBODY: u32 = 1 << 30;
    if recorded { pid | NOBODY } else { pid }
}

/// A file that was opened is known by the path without links, as it is for the calls that follow.
/// What has no path is better known by the arguments.
fn path_of_opened(pid: u32, fd: i32, tables: &mut Descriptors) -> Option<String> {
    let link = tables.link(pid, fd)?;
    link.starts_with('/')
        .then(|| crate::term::printable(link).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_what_they_name() {
        for by in GroupBy::ALL {
            assert_eq!(GroupBy::named(by.name()), Some(by));
        }
        assert_eq!(GroupBy::named("foo"), None);
    }

    #[test]
    fn only_what_is_needed_is_copied() {
        let copies = |by: GroupBy, name| {
            let nr = table::by_name(name).expect(name);
            by.calls_to_copy_from().contains(nr)
        };
        assert!(GroupBy::Thread.calls_to_copy_from().is_empty());
        assert!(GroupBy::Function.calls_to_copy_from().is_empty());
        assert!(copies(GroupBy::Fd, "openat") && !copies(GroupBy::Fd, "unlinkat"));
        assert!(copies(GroupBy::Path, "unlinkat") && !copies(GroupBy::Path, "write"));
        assert!(copies(GroupBy::Peer, "sendto") && !copies(GroupBy::Peer, "write"));
    }
}
