//! Looking syscalls up. Numbers are those of [`Machine::HOST`] where no machine is named.

use tracer_common::capture::MAX_SYSCALLS;

use super::arg::Syscall;
use super::machine::Machine;
use super::rows::ROWS;

/// Position in `ROWS` by number, for each machine.
static INDEX: [[Option<u16>; MAX_SYSCALLS as usize]; 2] =
    [index(Machine::X86_64), index(Machine::Aarch64)];

const fn index(machine: Machine) -> [Option<u16>; MAX_SYSCALLS as usize] {
    let mut index = [None; MAX_SYSCALLS as usize];
    let mut at = 0;
    while at < ROWS.len() {
        if let Some(nr) = ROWS[at].numbers[machine as usize] {
            index[nr as usize] = Some(at as u16);
        }
        at += 1;
    }
    index
}

/// Every row, of any machine.
#[cfg(test)]
pub(super) fn rows() -> &'static [Syscall] {
    ROWS
}

/// Every number that has a row, with it, ascending.
pub fn all() -> impl Iterator<Item = (u32, &'static Syscall)> {
    (0..MAX_SYSCALLS).filter_map(|nr| Some((nr, lookup(nr)?)))
}

/// The row of a number.
#[must_use]
pub fn lookup(nr: u32) -> Option<&'static Syscall> {
    lookup_on(Machine::HOST, nr)
}

/// The row of a machine's number.
#[must_use]
pub fn lookup_on(machine: Machine, nr: u32) -> Option<&'static Syscall> {
    let at = (*INDEX[machine as usize].get(nr as usize)?)?;
    Some(&ROWS[usize::from(at)])
}

/// The number of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<u32> {
    let mut rows = ROWS.iter().filter(|row| row.name == name);
    rows.find_map(|row| row.number(Machine::HOST))
}

/// The name of a number, or `syscall_0x1c3`.
#[must_use]
pub fn name(nr: u32) -> String {
    name_on(Some(Machine::HOST), nr)
}

/// The name of a machine's number, or `syscall_0x1c3`, as for any number of an unknown machine.
#[must_use]
pub fn name_on(machine: Option<Machine>, nr: u32) -> String {
    let row = machine.and_then(|machine| lookup_on(machine, nr));
    row.map_or_else(|| format!("syscall_{nr:#x}"), |row| row.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const MACHINES: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];

    fn numbers(machine: Machine) -> BTreeMap<u32, &'static str> {
        let known = |nr| lookup_on(machine, nr).map(|row| (nr, row.name));
        (0..MAX_SYSCALLS).filter_map(known).collect()
    }

    #[test]
    fn every_number_stands_in_one_row() {
        for machine in MACHINES {
            let rows = ROWS.iter().filter(|row| row.number(machine).is_some());
            assert_eq!(rows.count(), numbers(machine).len(), "{machine:?}");
        }
        assert!(ROWS.iter().all(|row| row.args.len() <= 6));
        assert!(ROWS.iter().all(|row| row.numbers != [None, None]));
    }

    #[test]
    fn rows_are_found_by_number_and_name() {
        let name_of = |machine, nr| lookup_on(machine, nr).map(|row| row.name);
        assert_eq!(name_of(Machine::X86_64, 257), Some("openat"));
        assert_eq!(name_of(Machine::Aarch64, 56), Some("openat"));
        assert_eq!(name_of(Machine::Aarch64, 244), None);
        assert_eq!(lookup_on(Machine::X86_64, 512).map(|row| row.name), None);
        assert_eq!(by_name("openat"), Some(libc::SYS_openat as u32));
        assert_eq!(by_name("clone"), Some(libc::SYS_clone as u32));
        assert_eq!(by_name("no_such_call"), None);
        assert_eq!(name(1000), "syscall_0x3e8");
    }

    #[test]
    fn arguments_refer_to_arguments() {
        use crate::syscall::arg::Kind;
        for row in ROWS {
            for (_, kind) in row.args {
                let other = match *kind {
                    Kind::BytesIn(n)
                    | Kind::MessageIn(n)
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

    /// Numbers and names in the kernel's headers, up to the version named there.
    #[test]
    fn names_and_numbers_of_both_machines_are_those_of_the_kernel_headers() {
        let mut expected = [BTreeMap::new(), BTreeMap::new()];
        for line in include_str!("numbers-7.2.txt").lines() {
            let words: Vec<_> = line.split(' ').collect();
            if line.starts_with('#') {
                continue;
            }
            for (numbers, word) in expected.iter_mut().zip(&words[1..]) {
                if let Ok(nr) = word.parse() {
                    numbers.insert(nr, words[0]);
                }
            }
        }
        assert_eq!(numbers(Machine::X86_64), expected[0]);
        assert_eq!(numbers(Machine::Aarch64), expected[1]);
        assert_eq!((expected[0].len(), expected[1].len()), (385, 327));
    }

    /// The headers of the machine that builds, where they are installed, may be newer.
    #[test]
    fn names_and_numbers_are_those_of_the_installed_headers() {
        let headers = [
            (
                Machine::X86_64,
                "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
            ),
            (
                Machine::Aarch64,
                "/usr/aarch64-linux-gnu/include/asm/unistd_64.h",
            ),
        ];
        for (machine, path) in headers {
            let Ok(header) = std::fs::read_to_string(path) else {
                eprintln!("skipped: {path} is not installed");
                continue;
            };
            let seen = assert_numbers(machine, &header);
            assert!(seen > 300, "{path} has {seen} syscalls");
        }
    }

    /// How many syscalls a header has, which all have their row.
    fn assert_numbers(machine: Machine, header: &str) -> usize {
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
            let row = lookup_on(machine, nr);
            assert_eq!(row.map(|row| row.name), Some(name), "{nr}");
            seen += 1;
        }
        seen
    }

    /// Arguments that are numbers by nature: addresses with nothing behind them that strace shows.
    const NUMBERS: &str = "addr old_address shmaddr uaddr ctx_id tidptr entry module_image tcache \
                           head mask val flags rseq rseq_len sig access_rights offset";

    /// Calls with an argument that could be followed and is not, and why.
    const RAW: &[(&str, &str)] = &[
        (
            "afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms getpmsg \
             nfsservctl putpmsg query_module security tuxcall vserver",
            "in no kernel of today; strace shows numbers too",
        ),
        (
            "sysfs ioperm _sysctl ustat",
            "as strace on 64-bit machines; the kernel lost the calls, or they are obsolete",
        ),
        (
            "listns lsm_get_self_attr lsm_list_modules lsm_set_self_attr statmount",
            "newer than strace 6.1, which shows numbers; lists of records of varying size",
        ),
    ];

    #[test]
    fn arguments_that_are_not_decoded_are_listed_with_a_reason() {
        use crate::syscall::arg::Kind;
        let listed = |row: &Syscall| {
            let mut names = RAW.iter().flat_map(|(names, _)| names.split_whitespace());
            names.any(|name| name == row.name)
        };
        let raw = |row: &Syscall| {
            row.args.iter().any(|(name, kind)| {
                matches!(kind, Kind::Ptr | Kind::Hex)
                    && !NUMBERS.split_whitespace().any(|number| number == *name)
            })
        };
        let differs = |row: &&Syscall| raw(row) != listed(row);
        let wrong: Vec<_> = ROWS.iter().filter(differs).map(|row| row.name).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn every_argument_has_a_name_of_its_own() {
        for row in ROWS {
            let names: std::collections::BTreeSet<_> = row.args.iter().map(|a| a.0).collect();
            assert_eq!(names.len(), row.args.len(), "{}", row.name);
            let digit = |n: &str| n.len() == 1 && n.as_bytes()[0].is_ascii_digit();
            let number = |name: &&str| name.strip_prefix("arg").is_some_and(digit);
            assert!(!names.iter().any(number), "{}", row.name);
        }
    }
}
