//! What many descriptors of a process refer to, at the cost of one look at the kernel's tables.

use std::collections::HashMap;

use super::sockets::socket_rows;

/// Names of a process's descriptors, with the addresses that its sockets had when it was made.
#[derive(Debug)]
pub struct DescriptorNames {
    pid: u32,
    /// By inode: `TCP:[127.0.0.1:80->127.0.0.1:3000]`.
    sockets: HashMap<u64, String>,
}

impl DescriptorNames {
    /// Those of process `pid`.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            sockets: socket_rows(pid),
        }
    }

    /// What a descriptor refers to: a path, or a socket and its addresses; `None` when there is no
    /// such descriptor, or it may not be looked at.
    #[must_use]
    pub fn name(&self, fd: u64) -> Option<String> {
        let link = std::fs::read_link(format!("/proc/{}/fd/{fd}", self.pid)).ok()?;
        let link = link.to_string_lossy().into_owned();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']')?.parse().ok());
        let socket = inode.and_then(|inode: u64| self.sockets.get(&inode));
        Some(socket.cloned().unwrap_or(link))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn connections_have_their_peers_and_files_their_paths() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(here).expect("it listens");
        let from = stream.local_addr().expect("connected");
        let file = std::fs::File::open("/dev/null").expect("it is there");
        let names = DescriptorNames::of(std::process::id());
        let name = |fd: i32| names.name(fd.cast_unsigned().into());
        assert_eq!(name(listener.as_raw_fd()), Some(format!("TCP:[{here}]")));
        let both = format!("TCP:[{from}->{here}]");
        assert_eq!(name(stream.as_raw_fd()), Some(both));
        assert_eq!(name(file.as_raw_fd()).as_deref(), Some("/dev/null"));
        assert_eq!(name(1 << 20), None);
    }
}
