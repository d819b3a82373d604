//! The runtime of a process: which release it is, where its variables are, and proof of both.

use std::os::unix::fs::MetadataExt;

use super::binary::Binary;
use super::globals::Globals;
use super::layout::Layout;
use super::memory::{Memory, ProcessMemory};
use crate::process::Maps;

/// A runtime that is understood.
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    pub layout: &'static Layout,
    /// Live addresses.
    pub globals: Globals,
}

/// What the layout is checked against.
#[derive(Debug)]
pub struct Live {
    pub memory: ProcessMemory,
    threads: Vec<u32>,
}

impl Live {
    /// The process as it is now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self {
            memory: ProcessMemory::new(pid),
            threads: threads_inside(pid),
        }
    }
}

impl Runtime {
    /// As [`Runtime::find`], with the memory of a process that is no more.
    ///
    /// # Errors
    /// As there.
    pub fn find_stopped(
        binary: &Binary,
        load_bias: u64,
        memory: &impl Memory,
    ) -> Result<Self, String> {
        first_that_fits(binary, |layout| {
            let runtime = locate(binary, layout, load_bias)?;
            let verified = layout.verify_stopped(memory, &runtime.globals);
            verified.map_err(|e| e.to_string())?;
            Ok(runtime)
        })
    }

    /// Finds the variables of an executable that is mapped with `load_bias`, and checks the layout,
    /// against the live process if there is one.
    ///
    /// # Errors
    /// One line that says why the runtime cannot be read.
    pub fn find(binary: &Binary, load_bias: u64, live: Option<&Live>) -> Result<Self, String> {
        first_that_fits(binary, |layout| check(binary, layout, load_bias, live))
    }
}

/// The first of the layouts of an executable's release that a check accepts.
fn first_that_fits(
    binary: &Binary,
    check: impl Fn(&'static Layout) -> Result<Runtime, String>,
) -> Result<Runtime, String> {
    let info = binary
        .build_info()
        .ok_or("the executable does not record its Go release")?;
    let rows = Layout::candidates(info, binary.arch()).map_err(|e| e.to_string())?;
    let mut why = None;
    for row in &rows {
        match check(row.layout) {
            Ok(runtime) => return Ok(runtime),
            Err(error) => why = why.or(Some(error)),
        }
    }
    Err(why.unwrap_or_else(|| "no layout is known for its Go release".to_owned()))
}

fn locate(binary: &Binary, layout: &'static Layout, bias: u64) -> Result<Runtime, String> {
    let globals = Globals::locate(binary, layout).map_err(|e| e.to_string())?;
    Ok(Runtime {
        layout,
        globals: globals.rebased(bias),
    })
}

fn check(
    binary: &Binary,
    layout: &'static Layout,
    bias: u64,
    live: Option<&Live>,
) -> Result<Runtime, String> {
    let runtime = locate(binary, layout, bias)?;
    if let Some(live) = live {
        layout
            .verify(&live.memory, &runtime.globals, &live.threads)
            .map_err(|e| e.to_string())?;
    }
    Ok(runtime)
}

/// What to add to the link-time addresses of a process's executable.
///
/// # Errors
/// One line that says why it is not known.
pub fn load_bias(pid: u32, binary: &Binary) -> Result<u64, String> {
    let exe = std::fs::metadata(format!("/proc/{pid}/exe")).map_err(|e| e.to_string())?;
    let text = std::fs::read(format!("/proc/{pid}/maps")).map_err(|e| e.to_string())?;
    Maps::parse(&text, |m| m.inode == exe.ino())
        .mappings
        .iter()
        .find_map(|m| binary.load_bias(m.start, m.offset))
        .ok_or_else(|| format!("process {pid} has not mapped its executable"))
}

/// Thread ids as the process itself sees them: the last `NSpid` of each.
fn threads_inside(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| {
            let status = std::fs::read_to_string(task.path().join("status")).ok()?;
            let line = status.lines().find(|l| l.starts_with("NSpid:"))?;
            line.split_whitespace().last()?.parse().ok()
        })
        .collect()
}
