//! Which calls are about chosen paths: `-P`.

use crate::event::SyscallEnter;
use crate::process::{Descriptors, path_argument};
use crate::syscall::arg::Kind;

/// Whether a call has one of `paths`, or a descriptor that refers to one, as an argument. Without
/// paths every call is chosen.
pub(super) fn is_about(
    paths: &[String],
    tables: Option<&mut Descriptors>,
    pid: u32,
    enter: &SyscallEnter,
) -> bool {
    if paths.is_empty() {
        return true;
    }
    let Some(tables) = tables else {
        return false;
    };
    let Some(row) = tables.row(enter.nr, enter.compat) else {
        return false;
    };
    let is_wanted = |text: &str| paths.iter().any(|p| p == text);
    (0u8..).zip(row.args).any(|(index, (_, kind))| match kind {
        Kind::Path => path_argument(enter, index)
            .and_then(|p| p.to_str())
            .is_some_and(is_wanted),
        Kind::Fd | Kind::DirFd => {
            let fd = enter.args[usize::from(index)] as i32;
            tables.link(pid, fd).is_some_and(is_wanted)
        }
        _ => false,
    })
}
