//! `struct iovec` arrays and `struct msghdr`.

use tracer_common::capture;

use crate::event::{Capture, CaptureStatus};
use crate::syscall::arg::Custom;
use crate::syscall::flags::net;

use super::control::control;
use super::net::sockaddr;
use super::printer::{Phase, Printer, put};
use super::rule::{BOTH, ENTER, EXIT, counted, fixed, of_kind, returned};
use super::struct_bytes::StructBytes;

const IOVEC: usize = 16;
/// Bytes of `struct msghdr` up to the flags.
const MSGHDR: usize = 52;
/// Of `linux/socket.h`.
const AF_NETLINK: u16 = 16;
/// Bytes of `struct mmsghdr`.
const MMSGHDR: usize = 64;

/// Prints the vector in an argument; `count_arg` holds its length.
pub(super) fn iovec_argument(p: &mut Printer<'_>, phase: Phase, index: usize, count_arg: usize) {
    let count = p.arg(count_arg);
    if count == 0 && p.arg(index) != 0 && !p.failed() {
        return p.text("[]");
    }
    let left = match phase {
        Phase::Enter => u64::MAX,
        Phase::Exit => p.ret().cast_unsigned(),
    };
    match p.bytes(phase, index, IOVEC) {
        Some(b) => iovec(
            p,
            Place {
                phase,
                index,
                first: 1,
            },
            b,
            count,
            left,
            None,
        ),
        None => p.address_of(index),
    }
}

/// Prints a vector whose buffers are captures from that of `place` on, and hold `left` bytes, of
/// messages of a netlink family if there is one.
fn iovec(
    p: &mut Printer<'_>,
    mut place: Place,
    b: &[u8],
    count: u64,
    mut left: u64,
    family: Option<u32>,
) {
    p.array(b, IOVEC, count, |p, b| {
        let (base, len) = (b.u64_at(0), b.u64_at(8));
        let stored = len.min(left);
        left -= stored;
        p.text("{iov_base=");
        match (family, place.part(p, 0)) {
            (Some(family), Some(c)) if base != 0 && stored > 0 => {
                p.netlink(family, &c.data[..clip(c.data.len(), stored)]);
            }
            (_, capture) => buffer(p, capture, base, stored),
        }
        put!(p, ", iov_len={len}}}");
        place.first = place.first.saturating_add(1);
    });
}

fn buffer(p: &mut Printer<'_>, capture: Option<&Capture>, base: u64, len: u64) {
    match capture {
        _ if base == 0 => p.text("NULL"),
        _ if len == 0 => p.text("\"\""),
        Some(c) => p.string(&c.data[..clip(c.data.len(), len)], len),
        None => p.pointer(base),
    }
}

fn clip(have: usize, len: u64) -> usize {
    have.min(usize::try_from(len).unwrap_or(usize::MAX))
}

fn buffer_capture<'a>(p: &Printer<'a>, phase: Phase, arg: usize, index: u8) -> Option<&'a Capture> {
    p.captures(phase)
        .iter()
        .find(|c| usize::from(c.arg) == arg && c.index == index)
        .filter(|c| c.status != CaptureStatus::Fault)
}

/// Prints `struct msghdr`; see [`capture::kind::MSGHDR`] for the order of captures.
pub(super) fn message(p: &mut Printer<'_>, phase: Phase, index: usize) {
    if p.failed() && phase == Phase::Exit {
        return failed_receive(p, index);
    }
    let filled = match phase {
        Phase::Enter => u64::MAX,
        Phase::Exit => p.ret().cast_unsigned(),
    };
    match p.bytes(phase, index, MSGHDR) {
        Some(b) => message_from(
            p,
            Place {
                phase,
                index,
                first: 0,
            },
            b,
            filled,
        ),
        None => p.address_of(index),
    }
}

/// Which captures are those of a message.
#[derive(Clone, Copy)]
struct Place {
    phase: Phase,
    /// Of the argument.
    index: usize,
    /// Number of the first.
    first: u8,
}

impl Place {
    fn part<'a>(self, p: &Printer<'a>, part: u8) -> Option<&'a Capture> {
        buffer_capture(p, self.phase, self.index, self.first.saturating_add(part))
    }
}

/// Prints a message of whose buffers `filled` bytes count.
fn message_from(p: &mut Printer<'_>, place: Place, b: &[u8], filled: u64) {
    p.text("{msg_name=");
    let name = place.part(p, capture::msghdr::NAME);
    match name.filter(|c| c.data.len() >= 2) {
        Some(name) => sockaddr(p, &name.data[..clip(name.data.len(), b.u32_at(8).into())]),
        None => p.pointer(b.u64_at(0)),
    }
    p.text(", msg_namelen=");
    let before = buffer_capture(p, Phase::Enter, place.index, place.first);
    match before.map(|c| c.data.i32_at(8)) {
        Some(room) if place.phase == Phase::Exit && room != b.i32_at(8) => put!(p, "{room} => "),
        _ => {}
    }
    put!(p, "{}, msg_iov=", b.i32_at(8));
    let is_netlink = name.is_some_and(|c| c.data.u16_at(0) == AF_NETLINK);
    let family = is_netlink.then(|| p.netlink_family()).flatten();
    let vector = place.part(p, capture::msghdr::IOVEC);
    match vector.filter(|c| c.data.len() >= IOVEC) {
        Some(c) => {
            let first = place.first.saturating_add(capture::msghdr::BUFFERS);
            let buffers = Place { first, ..place };
            iovec(p, buffers, &c.data, b.u64_at(24), filled, family);
        }
        None if b.u64_at(24) == 0 && b.u64_at(16) != 0 => p.text("[]"),
        None => p.pointer(b.u64_at(16)),
    }
    put!(p, ", msg_iovlen={}", b.u64_at(24));
    if b.u64_at(40) > 0 {
        p.text(", msg_control=");
        control(p, place.part(p, capture::msghdr::CONTROL), b);
    }
    put!(p, ", msg_controllen={}, msg_flags=", b.u64_at(40));
    p.flags(&net::MSG, b.u32_at(48).into());
    p.text("}");
}

/// Messages of `sendmmsg`; the kernel stores the lengths of those that were sent.
pub static MESSAGES_IN: Custom = Custom {
    rules: &[
        of_kind(counted(ENTER, 2, 1), capture::kind::MMSGHDR),
        counted(EXIT, 2, MMSGHDR as u16),
    ],
    at_exit: |_| true,
    print: |p, index| {
        let sent = match p.capture(Phase::Exit, index, 0) {
            Some(lengths) => lengths.data.as_slice(),
            None => &[],
        };
        let lengths = sent.chunks_exact(MMSGHDR).map(|b| b.u32_at(56));
        let done = usize::try_from(p.ret()).unwrap_or(0);
        let lengths: Vec<u32> = lengths.take(done).collect();
        messages(p, Phase::Enter, index, p.arg(2) & 0xffff_ffff, &lengths);
    },
    ..Custom::PLAIN
};

/// Messages of `recvmmsg`: those that were received.
pub static MESSAGES_OUT: Custom = Custom {
    rules: &[of_kind(returned(1), capture::kind::MMSGHDR)],
    at_exit: |_| true,
    print: |p, index| match p.failed() {
        true => p.address_of(index),
        false => messages(p, Phase::Exit, index, p.ret().cast_unsigned(), &[]),
    },
    ..Custom::PLAIN
};

/// Timeout of `recvmmsg`.
pub static MESSAGES_TIMEOUT: Custom = Custom {
    rules: &[fixed(BOTH, 16)],
    print: |p, index| p.structure(Phase::Enter, index, &super::TIMESPEC),
    ..Custom::PLAIN
};

/// Result of `recvmmsg`: with the time left.
pub fn recvmmsg_result(p: &mut Printer<'_>, ret: i64) {
    put!(p, "{ret}");
    if ret == 0 {
        p.text(" (Timeout)");
    } else if p.arg(4) != 0 {
        p.note("", |p| p.time_left(4, "nsec"));
    }
}

/// Prints `struct mmsghdr[count]`. Received messages have their length in the structure, sent ones
/// in `sent`.
fn messages(p: &mut Printer<'_>, phase: Phase, index: usize, count: u64, sent: &[u32]) {
    if count == 0 && p.arg(index) != 0 {
        return p.text("[]");
    }
    if p.bytes(phase, index, MSGHDR).is_none() {
        return p.address_of(index);
    }
    p.text("[");
    let mut shown = 0;
    while shown < count && shown < p.limit as u64 {
        let first = shown as usize * usize::from(capture::mmsghdr::STRIDE);
        let place = u8::try_from(first).map(|first| Place {
            phase,
            index,
            first,
        });
        let Ok(place) = place else { break };
        let header = place.part(p, capture::msghdr::HEADER);
        let Some(b) = header.filter(|c| c.data.len() >= MMSGHDR) else {
            break;
        };
        p.text(if shown > 0 { ", " } else { "" });
        p.text("{msg_hdr=");
        let len = match phase {
            Phase::Enter => sent.get(shown as usize).copied(),
            Phase::Exit => Some(b.data.u32_at(56)),
        };
        let filled = match phase {
            Phase::Enter => u64::MAX,
            Phase::Exit => b.data.u32_at(56).into(),
        };
        message_from(p, place, &b.data, filled);
        if let Some(len) = len {
            put!(p, ", msg_len={len}");
        }
        p.text("}");
        shown += 1;
    }
    p.text(match (shown < count, shown) {
        (false, _) => "]",
        (true, 0) => "...]",
        (true, _) => ", ...]",
    });
}

/// strace shows only the length of the name when nothing was received.
fn failed_receive(p: &mut Printer<'_>, index: usize) {
    match p.bytes(Phase::Enter, index, MSGHDR) {
        Some(b) => put!(p, "{{msg_namelen={}}}", b.i32_at(8)),
        None => p.address_of(index),
    }
}
