//! The text of `/proc/PID/maps`.

/// Mappings kept of one process. `vm.max_map_count` is 65530 by default; a process with more
/// executable mappings than this is shown with unresolved frames.
const MAX_MAPPINGS: usize = 1 << 18;

/// Longest path kept, in bytes: the kernel's `PATH_MAX` with every byte escaped.
const MAX_PATH: usize = 4 * 4096;

/// Access bits of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perms {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
    /// Shared, not private.
    pub shared: bool,
}

/// One line of `/proc/PID/maps` (proc_pid_maps(5); `fs/proc/task_mmu.c`, `show_map_vma`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last address; greater than `start`.
    pub end: u64,
    pub perms: Perms,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Major and minor number of the file system's device.
    pub dev: (u32, u32),
    /// 0 when no file is mapped.
    pub inode: u64,
    /// A path as the target sees it, or a name in brackets such as `[vdso]`; `None` for anonymous
    /// memory. Bytes that are not UTF-8 are replaced.
    pub path: Option<String>,
    /// The file has no name any more.
    pub deleted: bool,
}

impl Mapping {
    /// Whether a file is mapped, rather than anonymous memory or kernel pages.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.inode != 0 && self.path.as_deref().is_some_and(|p| p.starts_with('/'))
    }

    /// Whether the address lies in the mapping.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Offset in the file of an address in the mapping; `None` outside of it.
    #[must_use]
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        if !self.contains(address) {
            return None;
        }
        (address - self.start).checked_add(self.offset)
    }

    /// What a user calls the mapped thing: its path or name in brackets, `[anon]` without one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.as_deref().unwrap_or("[anon]")
    }
}

/// The mappings of a process by ascending address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps {
    pub mappings: Vec<Mapping>,
    /// Lines that do not have the known form, or exceed a limit.
    pub rejected: usize,
}

impl Maps {
    /// Reads the text of a maps file, keeping the mappings that `keep` accepts. Total: lines in
    /// another form are counted and left out.
    #[must_use]
    pub fn parse(text: &[u8], keep: impl Fn(&Mapping) -> bool) -> Self {
        let mut maps = Self::default();
        for line in text.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            match parse_line(line) {
                Some(mapping) if !keep(&mapping) => {}
                Some(mapping) if maps.mappings.len() < MAX_MAPPINGS => maps.mappings.push(mapping),
                _ => maps.rejected += 1,
            }
        }
        maps.mappings.sort_by_key(|m| m.start);
        maps
    }
}

fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let range = word(&mut rest)?;
    let perms = parse_perms(word(&mut rest)?)?;
    let offset = hex(word(&mut rest)?)?;
    let dev = word(&mut rest)?;
    let inode = std::str::from_utf8(word(&mut rest)?).ok()?.parse().ok()?;
    let (start, end) = split_at_byte(range, b'-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    let (major, minor) = split_at_byte(dev, b':')?;
    if start >= end {
        return None;
    }
    let (path, deleted) = parse_path(rest.trim_ascii_start())?;
    Some(Mapping {
        start,
        end,
        perms,
        offset,
        dev: (
            u32::try_from(hex(major)?).ok()?,
            u32::try_from(hex(minor)?).ok()?,
        ),
        inode,
        path,
        deleted,
    })
}

/// Takes a word and the one space after it.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
    let (word, tail) = rest.split_at(end);
    *rest = tail.get(1..).unwrap_or_default();
    (!word.is_empty()).then_some(word)
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

fn hex(digits: &[u8]) -> Option<u64> {
    // `from_str_radix` would accept a sign.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn parse_perms(text: &[u8]) -> Option<Perms> {
    let &[r, w, x, s] = text else { return None };
    Some(Perms {
        read: r == b'r',
        write: w == b'w',
        execute: x == b'x',
        shared: s == b's',
    })
}

fn parse_path(text: &[u8]) -> Option<(Option<String>, bool)> {
    if text.len() > MAX_PATH {
        return None;
    }
    if text.is_empty() {
        return Some((None, false));
    }
    let path = unescape(text);
    // A file may bear this suffix itself; the kernel's text cannot tell the two apart.
    let (path, deleted) = match path.strip_suffix(" (deleted)") {
        Some(path) => (path.to_owned(), true),
        None => (path, false),
    };
    Some((Some(path), deleted))
}

/// Undoes `seq_path(m, path, "\n")`: only newlines are escaped, as `\012`.
fn unescape(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace("\\012", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Maps {
        Maps::parse(text.as_bytes(), |_| true)
    }

    #[test]
    fn lines_of_every_kind() {
        let text = "\
55d4b2a00000-55d4b2a02000 r-xp 00002000 fd:01 1835025                    /usr/bin/a b
7f0000000000-7f0000001000 rw-s 00000000 00:05 12 /memfd:x (deleted)
7f0000002000-7f0000003000 r-xp 00000000 00:00 0
7f0000004000-7f0000005000 r-xp 00000000 00:00 0                          [vdso]
7f0000006000-7f0000007000 r--p 00000000 08:01 7 /tmp/new\\012line
";
        let maps = all(text);
        assert_eq!(maps.rejected, 0);
        let [exe, memfd, anon, vdso, newline] = &maps.mappings[..] else {
            panic!("{maps:?}")
        };
        assert_eq!(
            (exe.name(), exe.dev, exe.inode),
            ("/usr/bin/a b", (0xfd, 1), 1_835_025)
        );
        assert_eq!(exe.file_offset(0x55d4_b2a0_0010), Some(0x2010));
        assert_eq!(exe.file_offset(0x55d4_b2a0_2000), None);
        assert!(memfd.deleted && memfd.perms.shared && memfd.perms.write);
        assert_eq!(memfd.name(), "/memfd:x");
        assert_eq!((anon.name(), anon.is_file()), ("[anon]", false));
        assert_eq!((vdso.name(), vdso.is_file()), ("[vdso]", false));
        assert_eq!(newline.name(), "/tmp/new\nline");
    }

    #[test]
    fn lines_in_another_form_are_counted() {
        let maps =
            all("x\n2-1 r-xp 0 0:0 0\n+1-2 r-xp 0 0:0 0\n1-2 r-x 0 0:0 0\n1-2 r-xp 0 00 0\n");
        assert_eq!((maps.mappings.len(), maps.rejected), (0, 5));
    }

    #[test]
    fn own_maps_hold_this_function() {
        let text = std::fs::read("/proc/self/maps").expect("own maps are readable");
        let maps = Maps::parse(&text, |m| m.perms.execute);
        assert_eq!(maps.rejected, 0);
        let here = own_maps_hold_this_function as *const () as u64;
        let mapping = maps.mappings.iter().find(|m| m.contains(here));
        let exe = std::env::current_exe().expect("own executable has a path");
        assert_eq!(mapping.expect("mapped").name(), exe.to_string_lossy());
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = Maps::parse(&text, |_| true);
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(
            start in 0u64..u64::MAX, len in 1u64..1 << 40, offset: u64, major in 0u32..4096,
            minor in 0u32..1 << 20, inode: u64, path in "(/[a-zA-Z0-9 ._-]{0,40}[a-z])?",
        ) {
            let end = start.saturating_add(len);
            let line = format!("{start:08x}-{end:08x} r-xp {offset:08x} {major:02x}:{minor:02x} {inode} {path}\n");
            let maps = all(&line);
            prop_assert_eq!(maps.rejected, 0);
            let m = &maps.mappings[0];
            prop_assert_eq!((m.start, m.end, m.offset, m.dev, m.inode), (start, end, offset, (major, minor), inode));
            prop_assert_eq!(m.path.as_deref().unwrap_or(""), path.trim_start());
        }
    }
}
