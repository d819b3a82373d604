//! Groups by descriptor, and by the path that a call is about.

use crate::event::SyscallEnter;
use crate::process::{Descriptors, path_argument};
use crate::syscall::arg::{Kind, Syscall};
use crate::syscall::qualify::DescriptorDetails;
use crate::term::printable;

/// The argument that is the directory of calls that have one, for the working directory.
const AT_FDCWD: i32 = -100;
/// A path that was not copied.
const UNREAD: &str = "(path not read)";

/// The first descriptor, or directory, among the arguments of a call.
pub(super) fn first_descriptor(row: &Syscall, enter: &SyscallEnter) -> Option<i32> {
    let kinds = row.args.iter().map(|(_, kind)| kind);
    let found = kinds
        .zip(enter.args)
        .find(|(kind, _)| matches!(kind, Kind::Fd | Kind::DirFd));
    found.map(|(_, arg)| arg as i32)
}

/// `3</var/log/x>`, or the number alone of what is not open; `None` for a call without
/// descriptors, or with one that means none.
pub(super) fn fd_group(pid: u32, enter: &SyscallEnter, tables: &mut Descriptors) -> Option<String> {
    let fd = first_descriptor(tables.row(enter.nr, enter.compat)?, enter)?;
    let number = match fd {
        AT_FDCWD => "AT_FDCWD".to_owned(),
        // What mmap has for no file.
        -1 => return None,
        _ => fd.to_string(),
    };
    let target = tables.describe(pid, fd, details());
    Some(match target {
        Some(target) => format!("{number}<{}>", printable(&target)),
        None => number,
    })
}

/// The path that a call is about.
pub(super) fn path_group(
    pid: u32,
    enter: &SyscallEnter,
    tables: &mut Descriptors,
) -> Option<String> {
    let row = tables.row(enter.nr, enter.compat)?;
    let Some(index) = path_index(row) else {
        return described(pid, first_descriptor(row, enter)?, tables);
    };
    let directory = match index.checked_sub(1).map(usize::from) {
        Some(before) if matches!(row.args[before].1, Kind::DirFd) => enter.args[before] as i32,
        _ => AT_FDCWD,
    };
    let named_nothing = path_argument(enter, index).is_some_and(|p| p.as_os_str().is_empty());
    let null = enter.args[usize::from(index)] == 0;
    if (named_nothing || null) && directory != AT_FDCWD {
        // AT_EMPTY_PATH, and utimensat without a path: the descriptor itself.
        return described(pid, directory, tables);
    }
    let path = tables.path(pid, directory, enter, index);
    let path = path.map(|p| printable(&p.to_string_lossy()).into_owned());
    Some(path.unwrap_or_else(|| UNREAD.to_owned()))
}

/// The path among the arguments that names what the call is about: of a link, the new name.
fn path_index(row: &Syscall) -> Option<u8> {
    let paths = || {
        (0u8..)
            .zip(row.args)
            .filter(|(_, a)| matches!(a.1, Kind::Path))
    };
    let link = paths().find(|(_, (name, _))| *name == "linkpath");
    link.or_else(|| paths().next()).map(|(index, _)| index)
}

fn described(pid: u32, fd: i32, tables: &mut Descriptors) -> Option<String> {
    let target = tables.describe(pid, fd, details())?;
    Some(printable(&target).into_owned())
}

/// Addresses of sockets, but not numbers of devices: these are looked up each time.
fn details() -> DescriptorDetails {
    DescriptorDetails::PATH.and(DescriptorDetails::SOCKET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Capture, CaptureStatus, SyscallExit};
    use crate::syscall::table;

    /// No process has this id (`PID_MAX_LIMIT` is 2^22), so `/proc` cannot help.
    const PID: u32 = 1 << 30;
    const CWD: u64 = (-100i64).cast_unsigned();

    fn enter(name: &str, args: [u64; 6], path: Option<(u8, &[u8])>) -> SyscallEnter {
        let capture = |(arg, data): (u8, &[u8])| Capture {
            arg,
            data: data.to_vec(),
            ..Capture::default()
        };
        SyscallEnter {
            nr: table::by_name(name).expect(name),
            args,
            captures: path.map(capture).into_iter().collect(),
            ..SyscallEnter::default()
        }
    }

    fn tables() -> Descriptors {
        let mut tables = Descriptors::default();
        let open = enter("openat", [CWD, 1, 0, 0, 0, 0], Some((1, b"/no/such/file")));
        tables.enter(PID, &open);
        let exit = SyscallExit {
            nr: open.nr,
            ret: 3,
            ..SyscallExit::default()
        };
        tables.exit(PID, PID, &exit);
        tables
    }

    #[test]
    fn descriptors_are_shown_with_what_they_refer_to() {
        let mut tables = tables();
        let mut of = |name, args| fd_group(PID, &enter(name, args, None), &mut tables);
        let write = of("write", [3, 0, 0, 0, 0, 0]);
        assert_eq!(write.as_deref(), Some("3</no/such/file>"));
        assert_eq!(of("write", [9, 0, 0, 0, 0, 0]).as_deref(), Some("9"));
        let minus_two = of("write", [0xffff_fffe, 0, 0, 0, 0, 0]);
        assert_eq!(minus_two.as_deref(), Some("-2"));
        assert_eq!(of("mmap", [0, 0, 0, 0, u64::MAX, 0]), None);
        assert_eq!(of("getppid", [3; 6]), None);
        let openat = of("openat", [CWD, 0, 0, 0, 0, 0]);
        assert_eq!(openat.as_deref(), Some("AT_FDCWD"));
    }

    #[test]
    fn a_call_is_about_its_path_or_its_descriptor() {
        let mut tables = tables();
        let mut of = |enter: SyscallEnter| path_group(PID, &enter, &mut tables);
        let write = enter("write", [3, 0, 0, 0, 0, 0], None);
        assert_eq!(of(write).as_deref(), Some("/no/such/file"));
        let stat = enter(
            "newfstatat",
            [CWD, 1, 0, 0, 0, 0],
            Some((1, b"/a/./b/../c")),
        );
        assert_eq!(of(stat).as_deref(), Some("/a/b/../c"));
        let below = enter("newfstatat", [3, 1, 0, 0, 0, 0], Some((1, b"x")));
        assert_eq!(of(below).as_deref(), Some("/no/such/file/x"));
        let itself = enter("newfstatat", [3, 1, 0, 0, 0, 0], Some((1, b"")));
        assert_eq!(of(itself).as_deref(), Some("/no/such/file"));
        let link = enter("symlinkat", [1, CWD, 2, 0, 0, 0], Some((2, b"/new")));
        assert_eq!(of(link).as_deref(), Some("/new"));
        // The working directory is not known.
        let relative = enter("unlinkat", [CWD, 1, 0, 0, 0, 0], Some((1, b"x/y")));
        assert_eq!(of(relative).as_deref(), Some("x/y"));
        assert_eq!(of(enter("getppid", [0; 6], None)), None);
        let mut compat = enter("write", [3, 0, 0, 0, 0, 0], None);
        compat.compat = true;
        assert_eq!(of(compat), None);
    }

    #[test]
    fn hostile_paths_do_not_reach_the_terminal() {
        let mut tables = Descriptors::default();
        let mut of = |enter: SyscallEnter| path_group(PID, &enter, &mut tables);
        let path = b"/tmp/\x1b[2J\n\xff\xfe";
        let call = enter("unlinkat", [CWD, 1, 0, 0, 0, 0], Some((1, path)));
        let group = of(call).expect("a group");
        assert!(group.starts_with("/tmp/") && !group.chars().any(char::is_control));
        let mut call = enter("unlinkat", [CWD, 1, 0, 0, 0, 0], Some((1, b"/half")));
        call.captures[0].status = CaptureStatus::Fault;
        assert_eq!(of(call).as_deref(), Some(UNREAD));
        let call = enter("unlinkat", [CWD, 1, 0, 0, 0, 0], None);
        assert_eq!(of(call).as_deref(), Some(UNREAD));
    }
}
