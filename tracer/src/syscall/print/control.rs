//! Control messages of sockets.

use std::net::Ipv4Addr;

use crate::event::Capture;
use crate::syscall::flags::net;

use super::fields::As;
use super::net::sockaddr;
use super::printer::{Printer, put};
use super::struct_bytes::StructBytes;

/// Bytes of `struct cmsghdr`: 64-bit length, level, type. Messages are aligned to 8 bytes.
const HEADER: usize = 16;

const SOL_IP: u32 = 0;
const SOL_SOCKET: u32 = 1;

/// Prints the control messages of the `struct msghdr` in `b`:
/// `[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[5]}]`.
pub(super) fn control(p: &mut Printer<'_>, captured: Option<&Capture>, b: &[u8]) {
    let (address, len) = (b.u64_at(32), b.u64_at(40));
    let Some(c) = captured.filter(|c| c.data.len() >= HEADER) else {
        return p.pointer(address);
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let data = &c.data[..c.data.len().min(len)];
    p.text("[");
    let (mut at, mut shown) = (0, 0);
    while at + HEADER <= data.len() && shown < p.limit {
        let rest = &data[at..];
        let len = usize::try_from(rest.u64_at(0)).unwrap_or(usize::MAX);
        p.text(if shown > 0 { ", " } else { "" });
        message(p, &rest[..len.min(rest.len()).max(HEADER)], rest.u64_at(0));
        if len < HEADER {
            put!(
                p,
                ", ... /* {:#x} */",
                address.wrapping_add((at + HEADER) as u64)
            );
            break;
        }
        at = at.saturating_add(len.saturating_add(7) & !7);
        shown += 1;
    }
    p.text("]");
}

fn message(p: &mut Printer<'_>, b: &[u8], len: u64) {
    let (level, kind) = (b.u32_at(8), b.u32_at(12));
    put!(p, "{{cmsg_len={len}, cmsg_level=");
    p.name(&net::SOL_CMSG, level.into());
    p.text(", cmsg_type=");
    match level {
        SOL_SOCKET => p.name(&net::SCM, kind.into()),
        SOL_IP => p.name(&net::IP_CMSG, kind.into()),
        _ => p.hex(kind.into()),
    }
    let data = b.get(HEADER..).unwrap_or_default();
    if !data.is_empty() {
        match level {
            SOL_SOCKET => socket_data(p, kind, data),
            SOL_IP => ip_data(p, kind, data),
            _ => {}
        }
    }
    p.text("}");
}

/// `SOL_SOCKET` (`asm-generic/socket.h`).
fn socket_data(p: &mut Printer<'_>, kind: u32, data: &[u8]) {
    const SCM_RIGHTS: u32 = 1;
    const SCM_CREDENTIALS: u32 = 2;
    const SCM_SECURITY: u32 = 3;
    const TIMESTAMP: [u32; 2] = [29, 63];
    const TIMESTAMPNS: [u32; 2] = [35, 64];
    const TIMESTAMPING: [u32; 2] = [37, 65];
    match kind {
        SCM_RIGHTS if data.len() >= 4 => {
            p.text(", cmsg_data=");
            p.array(data, 4, data.len() as u64 / 4, |p, b| {
                put!(p, "{}", b.i32_at(0))
            });
        }
        SCM_CREDENTIALS if data.len() >= 12 => {
            p.text(", cmsg_data=");
            p.record(
                data,
                &[("pid", 0, As::I32), ("uid", 4, As::Id), ("gid", 8, As::Id)],
            );
        }
        SCM_SECURITY => {
            p.text(", cmsg_data=");
            p.string(data, data.len() as u64);
        }
        _ if TIMESTAMP.contains(&kind) => time(p, data, 16, |p, b| p.seconds(b, "usec")),
        _ if TIMESTAMPNS.contains(&kind) => time(p, data, 16, |p, b| p.seconds(b, "nsec")),
        _ if TIMESTAMPING.contains(&kind) => time(p, data, 48, |p, b| {
            p.array(&b[..48], 16, 3, |p, b| p.seconds(b, "nsec"));
        }),
        _ => {}
    }
}

fn time(p: &mut Printer<'_>, data: &[u8], size: usize, print: fn(&mut Printer<'_>, &[u8])) {
    p.text(", cmsg_data=");
    match data.len() >= size {
        true => print(p, data),
        false => p.text("???"),
    }
}

/// `SOL_IP` (`linux/in.h`).
fn ip_data(p: &mut Printer<'_>, kind: u32, data: &[u8]) {
    const IP_TOS: u32 = 1;
    const IP_TTL: u32 = 2;
    const IP_RECVOPTS: u32 = 6;
    const IP_RETOPTS: u32 = 7;
    const IP_PKTINFO: u32 = 8;
    const IP_RECVERR: u32 = 11;
    const IP_CHECKSUM: u32 = 23;
    const IP_ORIGDSTADDR: u32 = 20;
    match kind {
        IP_TTL | IP_CHECKSUM if data.len() >= 4 => put!(p, ", cmsg_data=[{}]", data.u32_at(0)),
        IP_TOS | IP_RECVOPTS | IP_RETOPTS => {
            p.text(", cmsg_data=");
            p.array(data, 1, data.len() as u64, |p, b| p.hex(b.u8_at(0).into()));
        }
        IP_PKTINFO if data.len() >= 12 => {
            let [local, address] = [4, 8].map(|at| Ipv4Addr::from(data.be32_at(at)));
            p.text(", cmsg_data={ipi_ifindex=");
            p.interface(data.u32_at(0));
            put!(
                p,
                ", ipi_spec_dst=inet_addr(\"{local}\"), ipi_addr=inet_addr(\"{address}\")}}"
            );
        }
        IP_RECVERR if data.len() >= 32 => {
            p.text(", cmsg_data={");
            p.fields(
                data,
                &[
                    ("ee_errno", 0, As::U32),
                    ("ee_origin", 4, As::U8),
                    ("ee_type", 5, As::U8),
                    ("ee_code", 6, As::U8),
                    ("ee_info", 8, As::U32),
                    ("ee_data", 12, As::U32),
                    ("offender", 16, As::With(|p, b| sockaddr(p, &b[..16]))),
                ],
            );
            p.text("}");
        }
        IP_ORIGDSTADDR if data.len() >= 16 => {
            p.text(", cmsg_data=");
            sockaddr(p, &data[..16]);
        }
        _ => {}
    }
}
