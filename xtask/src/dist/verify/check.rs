//! One look at one thing, and all of them in order.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{bare_debian, texts};
use crate::step;

/// Checks what is in `out`.
///
/// # Errors
/// The first thing that is not right. What this machine lacks a tool for is said to be skipped.
pub(in crate::dist) fn verify(out: &Path) -> Result<()> {
    texts::man_pages(&out.join("man"))?;
    texts::completions(out)?;
    bare_debian::install_and_run(out)
}

/// Runs `command` and expects status 0, each of `shown` in its output, and no output at all when
/// `shown` is empty.
///
/// # Errors
/// It is otherwise; the message has the output.
pub(super) fn expect(what: &str, command: &mut Command, shown: &[&str]) -> Result<String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{what}: cannot run {}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    let missing = shown.iter().find(|part| !text.contains(**part));
    let silent = shown.is_empty() && !text.trim().is_empty();
    if !done.status.success() || missing.is_some() || silent {
        let wanted = missing.map_or_else(String::new, |m| format!(", without {m:?}"));
        bail!("{what}: {}{wanted}:\n{text}", done.status);
    }
    println!("ok       {what}");
    Ok(text.into_owned())
}

/// Whether `program` is on PATH; says that `what` is skipped when it is not.
pub(super) fn has(program: &str, what: &str) -> bool {
    let mut which = Command::new("sh");
    which.args(["-c", "command -v \"$0\"", program]);
    let found = step::output_of(&mut which).is_ok();
    if !found {
        println!("SKIPPED  {what}: {program} is not installed");
    }
    found
}
