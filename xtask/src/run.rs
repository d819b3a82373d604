//! `cargo xtask run`: the tracer as it is now, with the privileges it needs.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result};

use crate::{host, privilege, setup};

/// Builds as the user, then becomes `tracer ARGS` as root. Returns only to report a failure.
///
/// # Errors
/// Setup or the build fails, or the program cannot be started.
pub(crate) fn run(release: bool, args: &[OsString]) -> Result<()> {
    setup::ensure()?;
    let tracer = host::build_tracer(release)?;
    let mut command = privilege::as_root(tracer.as_os_str());
    let name = command.get_program().to_string_lossy().into_owned();
    Err(command.args(args).exec()).with_context(|| format!("cannot run {name}"))
}
