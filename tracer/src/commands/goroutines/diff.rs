//! What changed from one dump to another.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::args::GoroutinesArgs;
use super::dump;
use super::image::Image;
use crate::analysis::goroutine_diff::GoroutineDiff;
use crate::commands::execute::Exit;
use crate::commands::go_process::GoProcess;
use crate::error::ExpectedError;
use crate::go::traceback::Traceback;
use crate::render::goroutine_diff::{diff_json, write_diff};

/// Bytes of a dump: some thousands for each of as many goroutines as were ever seen.
const MAX_DUMP: u64 = 4 << 30;

pub(super) fn execute(args: &GoroutinesArgs) -> anyhow::Result<Exit> {
    let format = args.format()?;
    let (before, after, name) = match (&args.diff[..], args.pid) {
        ([before, after], None) => (before, load(after)?, after.display().to_string()),
        ([before], Some(pid)) => (before, now(args, pid)?, format!("process {pid}")),
        (_, Some(_)) => {
            return Err(usage(
                "--diff with -p takes one dump, which is compared to now",
            ));
        }
        (_, None) => return Err(usage("--diff takes two dumps, or one and -p PID")),
    };
    let bytes = load(before)?;
    let before_name = before.display().to_string();
    let (before, after) = (parse(&bytes, &before_name)?, parse(&after, &name)?);
    let diff = GoroutineDiff::of(&before, &after);
    let mut text = String::new();
    match format {
        "json" => text = format!("{}\n", diff_json(&diff, [&before_name, &name])),
        _ => write_diff(&mut text, &diff)?,
    }
    args.write(&text)?;
    Ok(Exit::DONE)
}

fn usage(text: &str) -> anyhow::Error {
    ExpectedError::Usage(text.to_owned()).into()
}

/// The dump of a process as it is now.
fn now(args: &GoroutinesArgs, pid: u32) -> anyhow::Result<Vec<u8>> {
    let process = GoProcess::open(pid)?;
    let image = Image::of(&process);
    Ok(dump::text(args, &image, &image.read(false)?)?.into_bytes())
}

fn load(file: &Path) -> Result<Vec<u8>, ExpectedError> {
    let bad = |why: String| bad_input(&file.display().to_string(), &why);
    let opened = File::open(file).map_err(|e| bad(format!("cannot be opened: {e}")))?;
    let mut bytes = Vec::new();
    let read = opened.take(MAX_DUMP + 1).read_to_end(&mut bytes);
    read.map_err(|e| bad(format!("cannot be read: {e}")))?;
    match bytes.len() as u64 > MAX_DUMP {
        true => Err(bad("is larger than any dump (4 GiB)".to_owned())),
        false => Ok(bytes),
    }
}

fn parse<'a>(bytes: &'a [u8], name: &str) -> Result<Traceback<'a>, ExpectedError> {
    Traceback::parse(bytes).map_err(|error| bad_input(name, &error.to_string()))
}

fn bad_input(name: &str, why: &str) -> ExpectedError {
    ExpectedError::BadInput {
        why: format!("{name} {why}").into(),
    }
}
