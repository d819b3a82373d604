//! The calls that open, copy and close descriptors.

use crate::syscall::arg::Syscall;
use crate::syscall::table;

/// Calls that return a new descriptor, and the argument with its `O_CLOEXEC`.
static OPENERS: &[(&str, Option<usize>)] = &[
    ("open", Some(1)),
    ("creat", None),
    ("openat", Some(2)),
    ("openat2", None),
    ("socket", Some(1)),
    ("accept", None),
    ("accept4", Some(3)),
    ("dup", None),
    ("dup2", None),
    ("dup3", Some(2)),
    ("epoll_create", None),
    ("epoll_create1", Some(0)),
    ("eventfd", None),
    ("eventfd2", Some(1)),
    ("signalfd", None),
    ("signalfd4", Some(3)),
    ("timerfd_create", Some(1)),
    ("inotify_init", None),
    ("inotify_init1", Some(0)),
    ("fanotify_init", None),
    ("memfd_create", None),
    ("memfd_secret", Some(0)),
    ("pidfd_open", None),
    ("pidfd_getfd", None),
    ("perf_event_open", None),
    ("userfaultfd", Some(0)),
    ("io_uring_setup", None),
    ("open_by_handle_at", Some(2)),
    ("mq_open", Some(1)),
    ("open_tree", Some(2)),
    ("fsopen", None),
    ("fspick", None),
    ("fsmount", None),
    ("landlock_create_ruleset", None),
];

/// Further calls that change a table or a working directory.
static OTHERS: &[&str] = &[
    "close",
    "close_range",
    "fcntl",
    "pipe",
    "pipe2",
    "socketpair",
    "bind",
    "connect",
    "listen",
    "chdir",
    "fchdir",
    "chroot",
    "pivot_root",
    "setns",
    "unshare",
];

/// Numbers of the calls from which the tables are kept up to date.
pub fn tracked_calls() -> impl Iterator<Item = u32> {
    let openers = OPENERS.iter().map(|o| o.0);
    openers
        .chain(OTHERS.iter().copied())
        .filter_map(table::by_name)
}

/// Whether a call stores descriptors in memory: what they refer to is shown with its arguments.
#[must_use]
pub fn stores_descriptors(call: &Syscall) -> bool {
    matches!(call.name, "pipe" | "pipe2" | "socketpair")
}

/// Whether a call returns a descriptor when it succeeds.
#[must_use]
pub fn returns_descriptor(call: &Syscall, args: &[u64; 6]) -> bool {
    match call.name {
        "fcntl" => is_dup(args),
        // strace says nothing of what it returns.
        "open_by_handle_at" => false,
        name => opener(name).is_some(),
    }
}

/// Whether a call opens, copies or closes descriptors, or changes a working directory.
pub(super) fn is_tracked(call: &Syscall) -> bool {
    opener(call.name).is_some() || OTHERS.contains(&call.name)
}

/// Of a call that returns a new descriptor: the argument with its `O_CLOEXEC`.
pub(super) fn opener(name: &str) -> Option<Option<usize>> {
    OPENERS.iter().find(|o| o.0 == name).map(|o| o.1)
}

const F_DUPFD: u32 = 0;
pub(super) const F_SETFD: u32 = 2;
pub(super) const F_DUPFD_CLOEXEC: u32 = 1030;

pub(super) const fn is_dup(args: &[u64; 6]) -> bool {
    matches!(args[1] as u32, F_DUPFD | F_DUPFD_CLOEXEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_descriptor_is_said_by_the_call() {
        let returns = |name, args| {
            let row = table::by_name(name).and_then(table::lookup);
            returns_descriptor(row.expect(name), &args)
        };
        assert!(returns("openat", [0; 6]));
        assert!(returns("fcntl", [3, 0, 0, 0, 0, 0]));
        assert!(!returns("fcntl", [3, 1, 0, 0, 0, 0]));
        assert!(!returns("read", [0; 6]));
    }

    #[test]
    fn the_names_are_those_of_the_table() {
        let openers = OPENERS.iter().map(|(name, _)| *name);
        for name in openers.chain(OTHERS.iter().copied()) {
            assert!(table::by_name(name).is_some(), "{name}");
        }
    }
}
