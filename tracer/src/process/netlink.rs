//! Which descriptors are netlink sockets, and of which family: what their messages mean depends on
//! it.

use std::collections::HashMap;

/// Most sockets that are remembered.
const MAX_SOCKETS: usize = 4096;

/// Netlink sockets of the traced processes, by process and descriptor. Filled by the calls that
/// make them and, for those that were there before, from `/proc`.
#[derive(Clone, Debug, Default)]
pub struct NetlinkSockets {
    /// The family (`NETLINK_ROUTE`, …), or `None` for what is no netlink socket.
    known: HashMap<(u32, i32), Option<u32>>,
}

impl NetlinkSockets {
    /// `socket` returned a descriptor.
    pub fn opened(&mut self, pid: u32, fd: i32, family: u32) {
        if self.known.len() < MAX_SOCKETS {
            self.known.insert((pid, fd), Some(family));
        }
    }

    /// The number may be given to something else from now on.
    pub fn closed(&mut self, pid: u32, fd: i32) {
        self.known.remove(&(pid, fd));
    }

    /// The netlink family of a descriptor; `None` when it is something else or not known.
    pub fn family(&mut self, pid: u32, fd: i32) -> Option<u32> {
        if let Some(known) = self.known.get(&(pid, fd)) {
            return *known;
        }
        let family = family_of(pid, fd);
        if self.known.len() < MAX_SOCKETS {
            self.known.insert((pid, fd), family);
        }
        family
    }
}

/// Looks a descriptor up in the process's list of netlink sockets.
fn family_of(pid: u32, fd: i32) -> Option<u32> {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let inode = link
        .to_str()?
        .strip_prefix("socket:[")?
        .trim_end_matches(']');
    let list = std::fs::read_to_string(format!("/proc/{pid}/net/netlink")).ok()?;
    family_in(&list, inode)
}

/// The family in the line of an inode: columns `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`
/// (net/netlink/af_netlink.c, `netlink_seq_show`).
fn family_in(list: &str, inode: &str) -> Option<u32> {
    let mut lines = list.lines().map(|l| l.split_ascii_whitespace());
    let mut line = lines.find(|l| l.clone().nth(9) == Some(inode))?;
    line.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_known_until_they_are_closed() {
        let mut sockets = NetlinkSockets::default();
        sockets.opened(u32::MAX, 3, 4);
        assert_eq!(sockets.family(u32::MAX, 3), Some(4));
        sockets.closed(u32::MAX, 3);
        assert_eq!(sockets.family(u32::MAX, 3), None);
    }

    #[test]
    fn the_family_is_in_the_list_of_the_process() {
        let list = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
                    0000000000000000 0   1234       00000000 0        0        0     2        0        77\n\
                    0000000000000000 15  0          00000001 0        0        0     2        0        78\n";
        assert_eq!(family_in(list, "78"), Some(15));
        assert_eq!(family_in(list, "77"), Some(0));
        assert_eq!(family_in(list, "79"), None);
    }
}
