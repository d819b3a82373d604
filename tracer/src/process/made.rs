//! What the descriptor that a call returns refers to, as far as the call itself says: a look into
//! `/proc` may come after it is closed, or after its number has another meaning.

/// What a new descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// All that `readlink` of `/proc/PID/fd/N` would say.
    Known(&'static str),
    /// As it begins; the number of an inode follows.
    Begins(&'static str),
    /// A file, or what depends on memory.
    Anything,
}

/// Files without an inode of their own, by the names under which the kernel makes them
/// (`anon_inode_getfd` and its like: fs/eventpoll.c, fs/eventfd.c, fs/signalfd.c, fs/timerfd.c,
/// fs/notify, fs/userfaultfd.c, kernel/events/core.c, io_uring/io_uring.c, fs/fsopen.c).
static KNOWN: &[(&str, &str)] = &[
    ("epoll_create", "anon_inode:[eventpoll]"),
    ("epoll_create1", "anon_inode:[eventpoll]"),
    ("eventfd", "anon_inode:[eventfd]"),
    ("eventfd2", "anon_inode:[eventfd]"),
    ("signalfd", "anon_inode:[signalfd]"),
    ("signalfd4", "anon_inode:[signalfd]"),
    ("timerfd_create", "anon_inode:[timerfd]"),
    ("inotify_init", "anon_inode:inotify"),
    ("inotify_init1", "anon_inode:inotify"),
    ("fanotify_init", "anon_inode:[fanotify]"),
    ("perf_event_open", "anon_inode:[perf_event]"),
    ("io_uring_setup", "anon_inode:[io_uring]"),
];

/// By the call that returned it.
pub(super) fn made_by(call: &str) -> Made {
    match call {
        "socket" | "socketpair" | "accept" | "accept4" => Made::Begins("socket:["),
        "pipe" | "pipe2" => Made::Begins("pipe:["),
        _ => {
            let known = KNOWN.iter().find(|(name, _)| *name == call);
            known.map_or(Made::Anything, |(_, link)| Made::Known(link))
        }
    }
}

impl Made {
    /// What stands in the table: of `found`, which is what the number refers to now, no more than
    /// can be. An inode that nobody knows is `?`.
    pub(super) fn link(self, found: impl FnOnce() -> Option<String>) -> Option<String> {
        match self {
            Self::Known(link) => Some(link.to_owned()),
            Self::Begins(begin) => {
                let found = found().filter(|link| link.starts_with(begin));
                Some(found.unwrap_or_else(|| format!("{begin}?]")))
            }
            Self::Anything => found(),
        }
    }
}

/// The name of a socket's protocol, by the arguments of `socket`: that in `struct proto` (net/*),
/// which `system.sockprotoname` shows.
pub(super) fn protocol(domain: u64, kind: u64, protocol: u64) -> Option<&'static str> {
    const MASK: i32 = 0xf;
    let (domain, kind) = (domain as i32, kind as i32 & MASK);
    Some(match (domain, kind, protocol as i32) {
        (libc::AF_UNIX, libc::SOCK_STREAM, _) => "UNIX-STREAM",
        (libc::AF_UNIX, ..) => "UNIX",
        (libc::AF_INET, libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) => "TCP",
        (libc::AF_INET6, libc::SOCK_STREAM, 0 | libc::IPPROTO_TCP) => "TCPv6",
        (libc::AF_INET, libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) => "UDP",
        (libc::AF_INET6, libc::SOCK_DGRAM, 0 | libc::IPPROTO_UDP) => "UDPv6",
        (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP) => "PING",
        (libc::AF_INET, libc::SOCK_RAW, _) => "RAW",
        (libc::AF_INET6, libc::SOCK_RAW, _) => "RAWv6",
        (libc::AF_NETLINK, ..) => "NETLINK",
        (libc::AF_PACKET, ..) => "PACKET",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_must_be_what_was_made() {
        let found = |link: &str| Some(link.to_owned());
        let link = |call, now: &str| made_by(call).link(|| found(now));
        assert_eq!(link("socket", "socket:[7]"), found("socket:[7]"));
        assert_eq!(link("socket", "/etc/passwd"), found("socket:[?]"));
        assert_eq!(made_by("pipe2").link(|| None), found("pipe:[?]"));
        assert_eq!(
            link("epoll_create1", "pipe:[7]"),
            found("anon_inode:[eventpoll]")
        );
        assert_eq!(link("memfd_create", "/memfd:a"), found("/memfd:a"));
        assert_eq!(made_by("dup").link(|| None), None);
    }

    #[test]
    fn names_of_protocols_are_the_kernels() {
        use std::os::fd::AsRawFd;
        let (pair, _other) = std::os::unix::net::UnixStream::pair().expect("sockets");
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let name = |fd| super::super::sockets::protocol(std::process::id(), fd);
        let (unix, inet) = (libc::AF_UNIX as u64, libc::AF_INET as u64);
        let stream = libc::SOCK_STREAM as u64 | 0o2_004_000;
        let datagram = libc::SOCK_DGRAM as u64;
        for (fd, of) in [
            (pair.as_raw_fd(), protocol(unix, stream, 0)),
            (tcp.as_raw_fd(), protocol(inet, stream, 6)),
            (udp.as_raw_fd(), protocol(inet, datagram, 0)),
        ] {
            assert!(of.is_some());
            assert_eq!(name(fd).as_deref(), of);
        }
    }
}
