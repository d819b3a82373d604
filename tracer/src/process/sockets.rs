//! What is known of a socket: its protocol and addresses.

use std::collections::HashMap;
use std::ffi::CString;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What was found out about a socket, until a call changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Socket {
    described: Option<String>,
    /// What the call that made it says.
    protocol: Option<&'static str>,
}

impl Socket {
    /// A new one.
    pub(super) const fn of(protocol: Option<&'static str>) -> Self {
        Self {
            described: None,
            protocol,
        }
    }

    pub(super) const fn protocol(&self) -> Option<&'static str> {
        self.protocol
    }

    /// Its addresses may be others.
    pub(super) fn changed(&mut self) {
        self.described = None;
    }
}

/// `TCP:[127.0.0.1:80->127.0.0.1:3000]`, `UNIX-STREAM:[12,"/run/x"]`, or with the inode alone
/// `TCP:[12]` as long as there is no address; `socket:[12]` when even the protocol is unknown. An
/// inode that is not known is `?`.
pub(super) fn describe_socket(
    pid: u32,
    fd: i32,
    inode: Option<u64>,
    socket: &mut Socket,
) -> String {
    if let Some(described) = &socket.described {
        return described.clone();
    }
    // Without an inode, the number has come to mean something else.
    let Some(inode) = inode else {
        return format!("{}:[?]", socket.protocol.unwrap_or("socket"));
    };
    let protocol = protocol(pid, fd).or_else(|| socket.protocol.map(str::to_owned));
    let described = match &protocol {
        Some(protocol) => {
            let addresses = addresses(pid, protocol, inode);
            let inside = addresses.unwrap_or_else(|| inode.to_string());
            format!("{protocol}:[{inside}]")
        }
        None => format!("socket:[{inode}]"),
    };
    if protocol.is_some() {
        socket.described = Some(described.clone());
    }
    described
}

/// The attribute `system.sockprotoname` (`net/socket.c`): `TCP`, `UDPv6`, `UNIX-STREAM`.
pub(super) fn protocol(pid: u32, fd: i32) -> Option<String> {
    let path = CString::new(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let mut name = [0u8; 64];
    // SAFETY: both strings end in NUL, and `name` has the size that is passed.
    let len = unsafe {
        libc::getxattr(
            path.as_ptr(),
            c"system.sockprotoname".as_ptr(),
            name.as_mut_ptr().cast(),
            name.len(),
        )
    };
    let name = name.get(..usize::try_from(len).ok()?)?;
    let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Addresses from the kernel's tables of the process's network namespace.
fn addresses(pid: u32, protocol: &str, inode: u64) -> Option<String> {
    let table = match protocol {
        "TCP" => "tcp",
        "TCPv6" => "tcp6",
        "UDP" => "udp",
        "UDPv6" => "udp6",
        "RAW" => "raw",
        "RAWv6" => "raw6",
        _ if protocol.starts_with("UNIX") => {
            let text = std::fs::read_to_string(format!("/proc/{pid}/net/unix")).ok()?;
            return unix_path(&text, inode);
        }
        _ => return None,
    };
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok()?;
    inet_addresses(&text, inode)
}

/// All sockets of the process's network namespace that have addresses, by inode, each as
/// [`describe_socket`] has it but for UNIX ones, whose type is left out.
pub(super) fn socket_rows(pid: u32) -> HashMap<u64, String> {
    let mut all = HashMap::new();
    for (file, protocol) in [
        ("tcp", "TCP"),
        ("tcp6", "TCPv6"),
        ("udp", "UDP"),
        ("udp6", "UDPv6"),
    ] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let inode = words.get(9).and_then(|inode| inode.parse().ok());
            if let Some((inode, addresses)) = inode.zip(row_addresses(&words)) {
                all.insert(inode, format!("{protocol}:[{addresses}]"));
            }
        }
    }
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let inode = words.get(6).and_then(|inode| inode.parse().ok());
        if let Some((inode, path)) = inode.zip(words.get(7)) {
            all.insert(inode, format!("UNIX:[{inode},\"{path}\"]"));
        }
    }
    all
}

/// `127.0.0.1:80->127.0.0.1:3000` of a row of `/proc/net/tcp` (`net/ipv4/tcp_ipv4.c`): the second
/// and third words are the addresses, the tenth is the inode.
fn inet_addresses(table: &str, inode: u64) -> Option<String> {
    let inode = inode.to_string();
    let row = table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(9) == Some(&inode.as_str())).then_some(words)
    })?;
    row_addresses(&row)
}

fn row_addresses(row: &[&str]) -> Option<String> {
    let (local, local_port) = address(row.get(1)?)?;
    let (remote, remote_port) = address(row.get(2)?)?;
    if remote_port == 0 {
        return (local_port != 0).then(|| format!("{local}:{local_port}"));
    }
    Some(format!("{local}:{local_port}->{remote}:{remote_port}"))
}

/// Reads `0100007F:0050`: words in the byte order of the machine.
fn address(text: &str) -> Option<(String, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(v4) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some((Ipv4Addr::from(v4).to_string(), port));
    }
    let v6 = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    Some((format!("[{}]", Ipv6Addr::from(v6)), port))
}

/// `12,"/run/x"`, or `12,@"name"` in the abstract space, of a row of `/proc/net/unix`
/// (`net/unix/af_unix.c`): the seventh word is the inode, the eighth the path.
fn unix_path(table: &str, inode: u64) -> Option<String> {
    let text = inode.to_string();
    let row = table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(6) == Some(&text.as_str())).then_some(words)
    })?;
    let path = row.get(7)?;
    Some(match path.strip_prefix('@') {
        Some(name) => format!("{inode},@\"{name}\""),
        None => format!("{inode},\"{path}\""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    fn described(fd: i32) -> String {
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("ours");
        let link = link.display().to_string();
        let inode = link.trim_start_matches("socket:[").trim_end_matches(']');
        let inode = inode.parse().expect("a socket");
        describe_socket(std::process::id(), fd, Some(inode), &mut Socket::default())
    }

    #[test]
    fn a_connection_has_two_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let here = listener.local_addr().expect("bound");
        assert_eq!(described(listener.as_raw_fd()), format!("TCP:[{here}]"));
        let stream = TcpStream::connect(here).expect("it listens");
        let from = stream.local_addr().expect("connected");
        assert_eq!(
            described(stream.as_raw_fd()),
            format!("TCP:[{from}->{here}]")
        );
    }

    #[test]
    fn rows_of_the_kernel_are_read_and_nonsense_is_not() {
        let table = "  sl  local_address ...\n   0: 0100007F:0050 00000000:0000 0A 0:0 00:0 0 0 0 77 1\n   \
                     1: zz:zz 0:0 0 0 0 0 0 0 78";
        assert_eq!(inet_addresses(table, 77).as_deref(), Some("127.0.0.1:80"));
        assert_eq!(inet_addresses(table, 78), None);
        assert_eq!(inet_addresses(table, 79), None);
        let six = "00000000000000000000000001000000:1F90";
        assert_eq!(address(six), Some(("[::1]".into(), 8080)));
        let unix = "Num RefCount Protocol Flags Type St Inode Path\n\
                    0: 00000002 00000000 00010000 0001 01 9 /run/x\n\
                    0: 00000002 00000000 00010000 0001 01 10 @abc\n\
                    0: 00000002 00000000 00000000 0002 01 11";
        assert_eq!(unix_path(unix, 9).as_deref(), Some("9,\"/run/x\""));
        assert_eq!(unix_path(unix, 10).as_deref(), Some("10,@\"abc\""));
        assert_eq!(unix_path(unix, 11), None);
    }
}
