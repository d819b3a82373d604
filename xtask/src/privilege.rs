//! Root for the commands that load BPF programs, and for nothing else.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing, fails never and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// `program` to be run as root: by itself when this process is root, else through sudo.
pub(crate) fn as_root(program: &OsStr) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("-E").arg("--").arg(program);
    sudo
}

/// Whether sudo is installed and lets this user in; it may ask for a password on the terminal.
pub(crate) fn sudo_works() -> bool {
    let mut sudo = Command::new("sudo");
    sudo.arg("-v").stdout(Stdio::null());
    sudo.status().is_ok_and(|status| status.success())
}
