//! `struct iovec` arrays and `struct msghdr`.

use tracer_common::capture;

use crate::event::{Capture, CaptureStatus};
use crate::syscall::flags::net;

use super::net::sockaddr;
use super::printer::{Phase, Printer, put};
use super::struct_bytes::StructBytes;

const IOVEC: usize = 16;
/// Bytes of `struct msghdr` up to the flags.
const MSGHDR: usize = 52;

/// Prints the vector in an argument; `count_arg` holds its length.
pub(super) fn iovec_argument(p: &mut Printer<'_>, phase: Phase, index: usize, count_arg: usize) {
    let count = p.arg(count_arg);
    if count == 0 && p.arg(index) != 0 && !p.failed() {
        return p.text("[]");
    }
    match p.bytes(phase, index, IOVEC) {
        Some(b) => iovec(p, phase, index, 1, b, count),
        None => p.address_of(index),
    }
}

/// Prints a vector whose buffers are captures from `first` on. Filled vectors show as many bytes as
/// were returned.
fn iovec(p: &mut Printer<'_>, phase: Phase, arg: usize, first: u8, b: &[u8], count: u64) {
    let mut left = match phase {
        Phase::Enter => u64::MAX,
        Phase::Exit => p.ret().cast_unsigned(),
    };
    let mut place = first;
    p.array(b, IOVEC, count, |p, b| {
        let (base, len) = (b.u64_at(0), b.u64_at(8));
        let stored = len.min(left);
        left -= stored;
        p.text("{iov_base=");
        buffer(p, buffer_capture(p, phase, arg, place), base, stored);
        put!(p, ", iov_len={len}}}");
        place = place.saturating_add(1);
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
    let Some(b) = p.bytes(phase, index, MSGHDR) else {
        return p.address_of(index);
    };
    p.text("{msg_name=");
    match buffer_capture(p, phase, index, capture::msghdr::NAME).filter(|c| c.data.len() >= 2) {
        Some(name) => sockaddr(p, &name.data[..clip(name.data.len(), b.u32_at(8).into())]),
        None => p.pointer(b.u64_at(0)),
    }
    put!(p, ", msg_namelen={}, msg_iov=", b.i32_at(8));
    let vector = buffer_capture(p, phase, index, capture::msghdr::IOVEC);
    match vector.filter(|c| c.data.len() >= IOVEC) {
        Some(c) => iovec(
            p,
            phase,
            index,
            capture::msghdr::BUFFERS,
            &c.data,
            b.u64_at(24),
        ),
        None => p.pointer(b.u64_at(16)),
    }
    put!(p, ", msg_iovlen={}", b.u64_at(24));
    if b.u64_at(40) > 0 {
        p.text(", msg_control=");
        control(p, phase, index, b);
    }
    put!(p, ", msg_controllen={}, msg_flags=", b.u64_at(40));
    p.flags(&net::MSG, b.u32_at(48).into());
    p.text("}");
}

/// strace shows only the length of the name when nothing was received.
fn failed_receive(p: &mut Printer<'_>, index: usize) {
    match p.bytes(Phase::Enter, index, MSGHDR) {
        Some(b) => put!(p, "{{msg_namelen={}}}", b.i32_at(8)),
        None => p.address_of(index),
    }
}

/// `[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[5]}]`
/// (`struct cmsghdr`: 64-bit length, level, type; aligned to 8 bytes).
fn control(p: &mut Printer<'_>, phase: Phase, index: usize, b: &[u8]) {
    const HEADER: usize = 16;
    let captured = buffer_capture(p, phase, index, capture::msghdr::CONTROL);
    let Some(c) = captured.filter(|c| c.data.len() >= HEADER) else {
        return p.pointer(b.u64_at(32));
    };
    let data = &c.data[..clip(c.data.len(), b.u64_at(40))];
    p.text("[");
    let (mut at, mut shown) = (0, 0);
    while at + HEADER <= data.len() && shown < p.limit {
        let message = &data[at..];
        let len = clip(message.len(), message.u64_at(0));
        p.text(if shown > 0 { ", " } else { "" });
        control_message(p, &message[..len.max(HEADER)], message.u64_at(0));
        if len < HEADER {
            break;
        }
        at += len.next_multiple_of(8);
        shown += 1;
    }
    p.text("]");
}

fn control_message(p: &mut Printer<'_>, b: &[u8], len: u64) {
    const SOL_SOCKET: u32 = 1;
    const SCM_RIGHTS: u32 = 1;
    const SCM_CREDENTIALS: u32 = 2;
    let (level, kind) = (b.u32_at(8), b.u32_at(12));
    put!(p, "{{cmsg_len={len}, cmsg_level=");
    p.name(&net::SOL, level.into());
    p.text(", cmsg_type=");
    match level {
        SOL_SOCKET => p.name(&net::SCM, kind.into()),
        _ => p.hex(kind.into()),
    }
    let data = b.get(16..).unwrap_or_default();
    if !data.is_empty() {
        p.text(", cmsg_data=");
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => {
                p.array(data, 4, data.len() as u64 / 4, |p, b| {
                    put!(p, "{}", b.i32_at(0))
                });
            }
            (SOL_SOCKET, SCM_CREDENTIALS) if data.len() >= 12 => {
                put!(
                    p,
                    "{{pid={}, uid={}, gid={}}}",
                    data.i32_at(0),
                    data.u32_at(4),
                    data.u32_at(8)
                );
            }
            _ => p.string(data, data.len() as u64),
        }
    }
    p.text("}");
}
