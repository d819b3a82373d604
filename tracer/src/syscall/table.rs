//! Looking syscalls up.

use super::arg::Syscall;
pub use super::table_x86_64::SYSCALLS;

/// The row of a number.
#[must_use]
pub fn lookup(nr: u32) -> Option<&'static Syscall> {
    let at = SYSCALLS.binary_search_by_key(&nr, |s| s.nr).ok()?;
    Some(&SYSCALLS[at])
}

/// The row of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Syscall> {
    SYSCALLS.iter().find(|s| s.name == name)
}

/// The name of a number, or `syscall_0x1c3`.
#[must_use]
pub fn name(nr: u32) -> String {
    lookup(nr).map_or_else(|| format!("syscall_{nr:#x}"), |row| row.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use tracer_common::capture::MAX_SYSCALLS;

    #[test]
    fn rows_are_sorted_and_unique() {
        assert!(SYSCALLS.windows(2).all(|w| w[0].nr < w[1].nr));
        let names: BTreeSet<_> = SYSCALLS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), SYSCALLS.len());
        assert!(
            SYSCALLS
                .iter()
                .all(|s| s.nr < MAX_SYSCALLS && s.args.len() <= 6)
        );
        assert_eq!(lookup(257).map(|s| s.name), Some("openat"));
        assert_eq!(by_name("read").map(|s| s.nr), Some(0));
        assert_eq!(name(1000), "syscall_0x3e8");
    }

    #[test]
    fn arguments_refer_to_arguments() {
        use crate::syscall::arg::Kind;
        for row in SYSCALLS {
            for (_, kind) in row.args {
                let other = match *kind {
                    Kind::BytesIn(n)
                    | Kind::ArrayIn(_, n)
                    | Kind::SockaddrIn(n)
                    | Kind::SockaddrOut(n)
                    | Kind::IovecIn(n)
                    | Kind::IovecOut(n) => n,
                    _ => continue,
                };
                assert!(usize::from(other) < row.args.len(), "{}", row.name);
            }
        }
    }

    /// The kernel's header, where it is installed, is the authority for numbers.
    #[test]
    fn names_and_numbers_are_those_of_the_kernel_header() {
        let path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
        let Ok(header) = std::fs::read_to_string(path) else {
            eprintln!("skipped: {path} is not installed");
            return;
        };
        let mut seen = 0;
        for line in header.lines() {
            let mut words = line.split_whitespace();
            let (Some("#define"), Some(macro_name), Some(number)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Some(name), Ok(nr)) = (macro_name.strip_prefix("__NR_"), number.parse()) else {
                continue;
            };
            assert_eq!(lookup(nr).map(|s| s.name), Some(name), "{nr}");
            seen += 1;
        }
        assert!(seen > 300, "{path} has {seen} syscalls");
    }
}
