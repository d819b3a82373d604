//! Waiting for descriptors: `poll`, `select`, `epoll`.

use tracer_common::capture::{self, CaptureRule};

use crate::syscall::arg::{Custom, Layout};
use crate::syscall::flags::io;

use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, behind_word, fixed};
use super::struct_bytes::StructBytes;

/// Bytes of the largest `fd_set` the C library uses.
const FD_SET: u16 = 128;
const POLLFD: usize = 8;

const fn rule(phase: u8, len_from: u8, size: u16) -> [CaptureRule; 1] {
    [CaptureRule {
        kind: capture::kind::STRUCT,
        phase,
        len_from,
        size,
        arg: 0,
        len_arg: 1,
        word: 0,
    }]
}

const BOTH: u8 = capture::phase::ENTER | capture::phase::EXIT;

/// `struct pollfd[]`, its count in argument 1.
pub static POLL_FDS: Custom = Custom {
    rules: &rule(BOTH, capture::len::ARG, POLLFD as u16),
    print: |p, index| {
        let count = p.arg(1) & 0xffff_ffff;
        if count == 0 && p.arg(index) != 0 {
            return p.text("[]");
        }
        match p.bytes(Phase::Enter, index, POLLFD) {
            Some(b) => p.array(b, POLLFD, count, |p, b| {
                put!(p, "{{fd={}", b.i32_at(0));
                if b.i32_at(0) >= 0 {
                    p.text(", events=");
                    p.flags(&io::POLL, b.u16_at(4).into());
                }
                p.text("}");
            }),
            None => p.address_of(index),
        }
    },
    ..Custom::PLAIN
};

/// An `fd_set` of `select`.
pub static FD_SET_ARG: Custom = Custom {
    rules: &rule(BOTH, capture::len::FIXED, FD_SET),
    print: |p, index| match p.bytes(Phase::Enter, index, FD_SET.into()) {
        _ if (p.arg(0) as i32) < 0 => p.address_of(index),
        Some(b) => p.fd_set(b),
        None => p.address_of(index),
    },
    ..Custom::PLAIN
};

/// Timeout that the kernel replaces by the time left.
pub static TIMEOUT_VAL: Custom = Custom {
    rules: &rule(BOTH, capture::len::FIXED, 16),
    print: |p, index| p.structure(Phase::Enter, index, &super::TIMEVAL),
    ..Custom::PLAIN
};

/// As [`TIMEOUT_VAL`], in ns.
pub static TIMEOUT_SPEC: Custom = Custom {
    rules: &rule(BOTH, capture::len::FIXED, 16),
    print: |p, index| p.structure(Phase::Enter, index, &super::TIMESPEC),
    ..Custom::PLAIN
};

/// The sixth argument of `pselect6`: address and size of a signal set.
pub static SIGSET_PAIR: Custom = Custom {
    rules: &[fixed(ENTER, 16), behind_word(fixed(ENTER, SIGSET), 0)],
    print: |p, index| {
        let Some(b) = p.bytes(Phase::Enter, index, 16) else {
            return p.address_of(index);
        };
        let (address, size) = (b.u64_at(0), b.u64_at(8));
        p.text("{sigmask=");
        // The set has the number of the word that points to it, which is that of the pair.
        let captures = p.captures(Phase::Enter).iter();
        let mut of_argument = captures.filter(|c| usize::from(c.arg) == index);
        match of_argument
            .nth(1)
            .filter(|c| c.data.len() == usize::from(SIGSET))
        {
            Some(set) if size == u64::from(SIGSET) => {
                p.signal_mask(set.data.u64_at(0));
            }
            _ => p.pointer(address),
        }
        put!(p, ", sigsetsize={size}}}");
    },
    ..Custom::PLAIN
};

/// Bytes of the kernel's `sigset_t`.
const SIGSET: u16 = 8;

/// Signal set of `epoll_pwait2`, which strace does not follow when the call failed.
pub static EPOLL_SIGSET: Custom = Custom {
    at_exit: |_| true,
    print: |p, index| match p.failed() {
        true => p.address_of(index),
        false => (super::SIGSET_IN.print)(p, index),
    },
    ..super::SIGSET_IN
};

/// Timeout of `epoll_pwait2`, which strace does not follow when the call failed.
pub static EPOLL_TIMEOUT: Custom = Custom {
    rules: &[fixed(ENTER, 16)],
    at_exit: |_| true,
    print: |p, index| match p.failed() {
        true => p.address_of(index),
        false => p.structure(Phase::Enter, index, &super::TIMESPEC),
    },
    ..Custom::PLAIN
};

/// `struct epoll_event`, packed on x86_64.
pub static EPOLL_EVENT: Layout = Layout {
    size: 12,
    print: |p, b| p.epoll_event(b.u32_at(0), b.u64_at(4)),
};

/// `struct epoll_event` of arm64: not packed.
pub static EPOLL_EVENT_A64: Layout = Layout {
    size: 16,
    print: |p, b| p.epoll_event(b.u32_at(0), b.u64_at(8)),
};

/// The event of `epoll_ctl`, which `EPOLL_CTL_DEL` ignores.
pub static EPOLL_CTL_EVENT: Custom = Custom {
    rules: &rule(capture::phase::ENTER, capture::len::FIXED, 12),
    print: |p, index| p.epoll_ctl_event(index, &EPOLL_EVENT),
    ..Custom::PLAIN
};

/// [`EPOLL_CTL_EVENT`] of arm64.
pub static EPOLL_CTL_EVENT_A64: Custom = Custom {
    rules: &rule(capture::phase::ENTER, capture::len::FIXED, 16),
    print: |p, index| p.epoll_ctl_event(index, &EPOLL_EVENT_A64),
    ..Custom::PLAIN
};

/// CPU mask of `sched_setaffinity`, its bytes in argument 1.
pub static CPU_SET_IN: Custom = Custom {
    rules: &rule(capture::phase::ENTER, capture::len::ARG, 1),
    print: |p, index| p.cpu_set(Phase::Enter, index),
    ..Custom::PLAIN
};

/// CPU mask of `sched_getaffinity`, as many bytes as returned.
pub static CPU_SET_OUT: Custom = Custom {
    rules: &rule(capture::phase::EXIT, capture::len::RET, 1),
    at_exit: |_| true,
    print: |p, index| p.cpu_set(Phase::Exit, index),
    ..Custom::PLAIN
};

/// Result of `poll` and `ppoll`: what is ready, and the time left of `ppoll`.
pub fn poll_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if ret == 0 {
        return p.text(" (Timeout)");
    }
    if ret < 0 {
        return;
    }
    let count = p.arg(1) & 0xffff_ffff;
    let Some(b) = p.bytes(Phase::Exit, 0, POLLFD) else {
        return;
    };
    p.text(" ([");
    let shown = ready(p, b, count);
    p.text(if ret.cast_unsigned() > shown && shown == p.limit as u64 {
        ", ...]"
    } else {
        "]"
    });
    p.text(")");
}

/// Result of `ppoll`: with the time left.
pub fn ppoll_result(p: &mut Printer<'_>, ret: i64) {
    poll_result(p, ret);
    if ret > 0 && p.arg(2) != 0 && p.out.ends_with(')') {
        p.out.pop();
        p.text(", ");
        p.time_left(2, "nsec");
        p.text(")");
    }
}

/// Prints the descriptors with events; returns how many.
fn ready(p: &mut Printer<'_>, b: &[u8], count: u64) -> u64 {
    let mut shown = 0;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for fd in b.chunks_exact(POLLFD).take(count) {
        if fd.i32_at(0) < 0 || fd.u16_at(6) == 0 {
            continue;
        }
        if shown == p.limit as u64 {
            break;
        }
        p.text(if shown > 0 { ", " } else { "" });
        put!(p, "{{fd={}, revents=", fd.i32_at(0));
        p.flags(&io::POLL, fd.u16_at(6).into());
        p.text("}");
        shown += 1;
    }
    shown
}

/// Result of `select`: the sets that are left, and the time left.
pub fn select_result(p: &mut Printer<'_>, ret: i64) {
    ready_sets(p, ret, "usec");
}

/// Result of `pselect6`.
pub fn pselect_result(p: &mut Printer<'_>, ret: i64) {
    ready_sets(p, ret, "nsec");
}

fn ready_sets(p: &mut Printer<'_>, ret: i64, unit: &str) {
    put!(p, "{ret}");
    if ret == 0 {
        return p.text(" (Timeout)");
    }
    let start = p.out.len();
    let mut left = ret;
    for (index, name) in [(1, "in "), (2, "out "), (3, "except ")] {
        if p.arg(index) == 0 || left <= 0 {
            continue;
        }
        let Some(b) = p.bytes(Phase::Exit, index, FD_SET.into()) else {
            continue;
        };
        let fds = set_bits(&b[..FD_SET.into()], p.arg(0));
        if fds.is_empty() {
            continue;
        }
        p.text(if p.out.len() == start { " (" } else { ", " });
        p.text(name);
        p.bit_list(&fds, usize::try_from(left).unwrap_or(0));
        left -= fds.len() as i64;
    }
    if p.arg(4) != 0 {
        p.text(if p.out.len() == start { " (" } else { ", " });
        p.time_left(4, unit);
    }
    if p.out.len() > start {
        p.text(")");
    }
}

/// CPUs a kernel can be built for at most (`CONFIG_NR_CPUS` of x86_64).
const MAX_CPUS: u64 = 8192;

/// Numbers of the bits that are set, below `count`.
fn set_bits(bytes: &[u8], count: u64) -> Vec<usize> {
    let end = usize::try_from(count & 0xffff_ffff).unwrap_or(0);
    (0..(bytes.len() * 8).min(end))
        .filter(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0)
        .collect()
}

impl Printer<'_> {
    fn epoll_event(&mut self, events: u32, data: u64) {
        self.text("{events=");
        self.flags(&io::EPOLL, events.into());
        put!(self, ", data={{u32={}, u64={data}}}}}", data as u32);
    }

    fn epoll_ctl_event(&mut self, index: usize, layout: &Layout) {
        const EPOLL_CTL_DEL: u64 = 2;
        match self.arg(1) {
            EPOLL_CTL_DEL => self.address_of(index),
            _ => self.structure(Phase::Enter, index, layout),
        }
    }

    fn fd_set(&mut self, b: &[u8]) {
        let fds = set_bits(&b[..b.len().min(FD_SET.into())], self.arg(0));
        self.bit_list(&fds, usize::MAX);
    }

    /// `[1 3]`, at most `count` of them.
    fn bit_list(&mut self, bits: &[usize], count: usize) {
        self.text("[");
        for (i, bit) in bits.iter().take(count).enumerate() {
            put!(self, "{}{bit}", if i > 0 { " " } else { "" });
        }
        self.text("]");
    }

    fn cpu_set(&mut self, phase: Phase, index: usize) {
        match self.bytes(phase, index, 1) {
            Some(b) => {
                let cpus = set_bits(b, MAX_CPUS);
                self.bit_list(&cpus, usize::MAX);
            }
            None => self.address_of(index),
        }
    }
}
