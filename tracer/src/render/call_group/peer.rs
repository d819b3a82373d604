//! Groups by the remote address of a socket.
//!
//! Addresses come from the calls that have them as an argument: a look into `/proc` would find
//! nothing of a connection that is closed again. It is what remains for sockets that were there
//! before.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use tracer_common::capture::msghdr;

use super::descriptor::first_descriptor;
use crate::event::{Capture, CaptureStatus, SyscallEnter, SyscallExit};
use crate::process::{Descriptors, returns_descriptor};
use crate::syscall::arg::Syscall;
use crate::syscall::qualify::DescriptorDetails;
use crate::term::printable;

// Address families (include/linux/socket.h).
const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;
const AF_VSOCK: u16 = 40;

/// Sockets of the kind whose addresses are paths, when they have none.
const UNIX: &str = "(unix)";

/// Connections remembered.
const MAX_PEERS: usize = 1 << 16;

/// `connect` of a socket that does not block goes on after the call.
const EINPROGRESS: i64 = -115;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

/// What is known of the other ends of sockets.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// By process and descriptor.
    known: HashMap<(u32, i32), String>,
    /// Calls that change it and have not returned, by thread.
    pending: HashMap<u32, Pending>,
}

#[derive(Debug)]
struct Pending {
    row: &'static Syscall,
    nr: u32,
    args: [u64; 6],
    /// The address that the call is given.
    address: Option<String>,
}

impl Peers {
    /// The peer that a call is about as it begins: the address in its arguments, or that of its
    /// socket. `None` when it is about no socket, or one without a peer.
    pub(super) fn enter(
        &mut self,
        pid: u32,
        tid: u32,
        enter: &SyscallEnter,
        tables: &mut Descriptors,
    ) -> Option<String> {
        let row = tables.row(enter.nr, enter.compat)?;
        let given = match row.name {
            "connect" => argument(&enter.captures, 1, 0),
            "sendto" => argument(&enter.captures, 4, 0),
            "sendmsg" | "sendmmsg" => argument(&enter.captures, 1, msghdr::NAME),
            _ => None,
        };
        let given = given.and_then(address_text);
        let pending = Pending {
            row,
            nr: enter.nr,
            args: enter.args,
            address: given.clone(),
        };
        self.pending.insert(tid, pending);
        let fd = first_descriptor(row, enter)?;
        given
            .or_else(|| self.known.get(&(pid, fd)).cloned())
            .or_else(|| described(pid, fd, tables))
    }

    /// What the end of a call tells of the peer it was about.
    pub(super) fn exit(&mut self, pid: u32, tid: u32, exit: &SyscallExit) -> Option<String> {
        let pending = self.pending.remove(&tid).filter(|p| p.nr == exit.nr)?;
        let name = pending.row.name;
        let progresses = name == "connect" && exit.ret == EINPROGRESS;
        if exit.ret < 0 && !progresses {
            return None;
        }
        let stored = match name {
            "accept" | "accept4" | "getpeername" => argument(&exit.captures, 1, 0),
            "recvfrom" => argument(&exit.captures, 4, 0),
            "recvmsg" | "recvmmsg" => argument(&exit.captures, 1, msghdr::NAME),
            _ => None,
        };
        let stored = stored.and_then(address_text);
        self.apply(pid, name, &pending, exit.ret as i32, stored.as_ref());
        stored
    }

    fn apply(&mut self, pid: u32, name: &str, call: &Pending, ret: i32, stored: Option<&String>) {
        let first = call.args[0] as i32;
        let peer = |fd: i32| self.known.get(&(pid, fd)).cloned();
        match name {
            "connect" => self.set(pid, first, call.address.clone()),
            "accept" | "accept4" => self.set(pid, ret, stored.cloned()),
            "close" => self.set(pid, first, None),
            "close_range" if call.args[2] & CLOSE_RANGE_CLOEXEC == 0 => {
                let range = call.args[0] as u32..=call.args[1] as u32;
                self.known
                    .retain(|(of, fd), _| *of != pid || !range.contains(&fd.cast_unsigned()));
            }
            "dup" | "dup2" | "dup3" => self.set(pid, ret, peer(first)),
            _ if returns_descriptor(call.row, &call.args) => {
                let copied = (name == "fcntl").then(|| peer(first)).flatten();
                self.set(pid, ret, copied);
            }
            _ => {}
        }
    }

    fn set(&mut self, pid: u32, fd: i32, peer: Option<String>) {
        match peer {
            Some(peer) if self.known.len() < MAX_PEERS => {
                self.known.insert((pid, fd), peer);
            }
            _ => {
                self.known.remove(&(pid, fd));
            }
        }
    }

    /// A new process has what its parent has.
    pub(super) fn fork(&mut self, parent: u32, child: u32) {
        let of_parent = self.known.iter().filter(|((pid, _), _)| *pid == parent);
        let room = MAX_PEERS.saturating_sub(self.known.len());
        let copies: Vec<_> = of_parent
            .map(|((_, fd), peer)| ((child, *fd), peer.clone()))
            .take(room)
            .collect();
        self.known.extend(copies);
    }

    /// The process ended, or runs another program, and what that keeps is not known here.
    pub(super) fn forget(&mut self, pid: u32) {
        self.known.retain(|(of, _), _| *of != pid);
    }
}

/// The bytes that were copied of an argument.
fn argument(captures: &[Capture], arg: u8, index: u8) -> Option<&[u8]> {
    let capture = captures.iter().find(|c| c.arg == arg && c.index == index)?;
    (capture.status == CaptureStatus::Ok).then_some(&capture.data)
}

/// The remote end of a socket that `/proc` or an earlier look there knows.
fn described(pid: u32, fd: i32, tables: &mut Descriptors) -> Option<String> {
    if !tables.link(pid, fd)?.starts_with("socket:[") {
        return None;
    }
    let details = DescriptorDetails::PATH.and(DescriptorDetails::SOCKET);
    remote_of(&tables.describe(pid, fd, details)?)
}

/// `10.0.0.1:80` of `TCP:[10.0.0.2:5000->10.0.0.1:80]`.
fn remote_of(socket: &str) -> Option<String> {
    if let Some((_, remote)) = socket.split_once("->") {
        return Some(remote.strip_suffix(']').unwrap_or(remote).to_owned());
    }
    socket.starts_with("UNIX").then(|| UNIX.to_owned())
}

/// A socket address as it is written: `10.0.0.1:80`, `[::1]:80`, `/run/x`, `@abstract`. `None` of
/// what is no address, or not all of it.
fn address_text(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).expect("four bytes"));
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().expect("two bytes"));
    let port = || {
        let port = bytes.get(2..4)?.try_into().expect("two bytes");
        Some(u16::from_be_bytes(port))
    };
    match family {
        AF_UNSPEC => None,
        AF_UNIX => Some(unix_text(&bytes[2..])),
        AF_INET => Some(format!("{}:{}", Ipv4Addr::from(word(4)?), port()?)),
        AF_INET6 => {
            let address = <[u8; 16]>::try_from(bytes.get(8..24)?).expect("sixteen bytes");
            Some(format!("[{}]:{}", Ipv6Addr::from(address), port()?))
        }
        AF_NETLINK => Some(format!("netlink:{}", u32::from_ne_bytes(word(4)?))),
        AF_VSOCK => {
            let (cid, port) = (u32::from_ne_bytes(word(8)?), u32::from_ne_bytes(word(4)?));
            Some(format!("vsock:{cid}:{port}"))
        }
        family => Some(format!("(family {family})")),
    }
}

fn unix_text(path: &[u8]) -> String {
    let (mark, name) = match path {
        [] => return UNIX.to_owned(),
        [0, name @ ..] => ("@", name),
        path => ("", path.split(|b| *b == 0).next().unwrap_or_default()),
    };
    if name.is_empty() {
        return UNIX.to_owned();
    }
    format!("{mark}{}", printable(&String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::table;
    use proptest::prelude::*;

    /// No process has this id (`PID_MAX_LIMIT` is 2^22), so `/proc` cannot help.
    const PID: u32 = 1 << 30;

    fn inet(last: u8, port: u16) -> Vec<u8> {
        let mut bytes = AF_INET.to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend([10, 0, 0, last]);
        bytes.resize(16, 0);
        bytes
    }

    fn capture(arg: u8, data: Vec<u8>) -> Capture {
        Capture {
            arg,
            data,
            ..Capture::default()
        }
    }

    /// Makes a call and says what its group is.
    fn call(
        peers: &mut Peers,
        name: &str,
        args: [u64; 6],
        ret: i64,
        (given, stored): (Option<Capture>, Option<Capture>),
    ) -> Option<String> {
        let nr = table::by_name(name).expect(name);
        let enter = SyscallEnter {
            nr,
            args,
            captures: given.into_iter().collect(),
            ..SyscallEnter::default()
        };
        let exit = SyscallExit {
            nr,
            ret,
            captures: stored.into_iter().collect(),
            ..SyscallExit::default()
        };
        let begun = peers.enter(PID, PID, &enter, &mut Descriptors::default());
        peers.exit(PID, PID, &exit).or(begun)
    }

    #[test]
    fn calls_on_a_connection_are_about_its_peer() {
        let mut peers = Peers::default();
        let none = || (None, None);
        let address = || (Some(capture(1, inet(1, 80))), None);
        let connect = call(&mut peers, "connect", [3, 1, 16, 0, 0, 0], -115, address());
        assert_eq!(connect.as_deref(), Some("10.0.0.1:80"));
        let write = |peers: &mut Peers, fd| call(peers, "write", [fd, 0, 0, 0, 0, 0], 1, none());
        assert_eq!(write(&mut peers, 3).as_deref(), Some("10.0.0.1:80"));
        assert_eq!(write(&mut peers, 4), None);
        let _ = call(&mut peers, "dup2", [3, 4, 0, 0, 0, 0], 4, none());
        let _ = call(&mut peers, "close", [3, 0, 0, 0, 0, 0], 0, none());
        assert_eq!(write(&mut peers, 3), None);
        assert_eq!(write(&mut peers, 4).as_deref(), Some("10.0.0.1:80"));
        let refused = call(&mut peers, "connect", [5, 1, 16, 0, 0, 0], -111, address());
        assert_eq!(refused.as_deref(), Some("10.0.0.1:80"));
        assert_eq!(write(&mut peers, 5), None, "it was not connected");
        let _ = call(&mut peers, "close_range", [0, 99, 0, 0, 0, 0], 0, none());
        assert_eq!(write(&mut peers, 4), None);
    }

    #[test]
    fn what_the_kernel_stores_names_the_peer() {
        let mut peers = Peers::default();
        let stored = |arg| (None, Some(capture(arg, inet(2, 5000))));
        let accept = call(&mut peers, "accept4", [3, 1, 2, 0, 0, 0], 7, stored(1));
        assert_eq!(accept.as_deref(), Some("10.0.0.2:5000"));
        let received = call(&mut peers, "recvfrom", [4, 0, 0, 0, 1, 2], 9, stored(4));
        assert_eq!(received.as_deref(), Some("10.0.0.2:5000"));
        let read =
            |peers: &mut Peers, fd| call(peers, "read", [fd, 0, 0, 0, 0, 0], 1, (None, None));
        assert_eq!(read(&mut peers, 7).as_deref(), Some("10.0.0.2:5000"));
        assert_eq!(read(&mut peers, 4), None, "it is not connected");
        peers.fork(PID, PID + 1);
        peers.forget(PID);
        assert_eq!(read(&mut peers, 7), None);
        assert_eq!(peers.known.len(), 1);
    }

    #[test]
    fn addresses_are_written_as_people_do() {
        let text = |bytes: &[u8]| address_text(bytes);
        assert_eq!(text(&inet(9, 443)).as_deref(), Some("10.0.0.9:443"));
        let mut six = AF_INET6.to_ne_bytes().to_vec();
        six.extend([0x1f, 0x90, 0, 0, 0, 0]);
        six.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(text(&six).as_deref(), Some("[::1]:8080"));
        let unix = |path: &[u8]| text(&[&AF_UNIX.to_ne_bytes()[..], path].concat());
        assert_eq!(unix(b"/run/x\0junk").as_deref(), Some("/run/x"));
        assert_eq!(unix(b"\0name").as_deref(), Some("@name"));
        assert_eq!(unix(b"").as_deref(), Some("(unix)"));
        assert_eq!(unix(b"/\x1b[2J").as_deref(), Some(r"/\u{1b}[2J"));
        assert_eq!(text(&[0; 16]), None);
        assert_eq!(text(&six[..23]), None);
        assert_eq!(text(&[1]), None);
    }

    #[test]
    fn remote_ends_are_taken_from_descriptions() {
        let of = |text| remote_of(text);
        assert_eq!(
            of("TCP:[1.2.3.4:5->6.7.8.9:80]").as_deref(),
            Some("6.7.8.9:80")
        );
        assert_eq!(of("TCPv6:[[::1]:5->[::1]:80]").as_deref(), Some("[::1]:80"));
        assert_eq!(of("TCP:[0.0.0.0:80]"), None);
        assert_eq!(of("UNIX-STREAM:[77]").as_deref(), Some("(unix)"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(text) = address_text(&bytes) {
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert!(text.len() < 4096);
            }
        }
    }
}
