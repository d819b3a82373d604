//! A Go process that is looked at through its memory alone.

use crate::error::ExpectedError;
use crate::go::crash::PrintLog;
use crate::go::goroutine::Code;
use crate::go::waits::semaphore_table;
use crate::go::{Binary, Live, Release, Runtime, load_bias};
use crate::session::not_go_process;

/// A Go process whose runtime is understood.
pub(super) struct GoProcess {
    pub(super) pid: u32,
    pub(super) version: Option<String>,
    pub(super) release: Release,
    pub(super) code: Code,
    pub(super) runtime: Runtime,
    pub(super) live: Live,
    /// What to add to link-time addresses.
    pub(super) load_bias: u64,
    /// Live address of the table of semaphores, if it was found.
    pub(super) semaphores: Option<u64>,
    /// What the runtime printed last, at its live address, if that was found.
    pub(super) print_log: Option<PrintLog>,
}

impl GoProcess {
    /// Opens it.
    ///
    /// # Errors
    /// When there is no such process, or it is not one of a Go release that can be read.
    pub(super) fn open(pid: u32) -> Result<Self, ExpectedError> {
        let file = format!("/proc/{pid}");
        if !std::path::Path::new(&file).exists() {
            return Err(ExpectedError::NoSuchProcess { pid });
        }
        Self::try_open(pid).map_err(|why| not_go_process(pid, why))
    }

    fn try_open(pid: u32) -> Result<Self, String> {
        let file = format!("/proc/{pid}/exe");
        let binary = Binary::open(file.as_ref()).map_err(|e| e.to_string())?;
        let load_bias = load_bias(pid, &binary)?;
        let live = Live::of(pid);
        let runtime = Runtime::find(&binary, load_bias, Some(&live))?;
        Ok(Self {
            pid,
            version: binary.build_info().map(|info| info.version.clone()),
            release: binary.release().unwrap_or(runtime.layout.release),
            code: Code::new(&binary, load_bias).map_err(|e| e.to_string())?,
            runtime,
            live,
            load_bias,
            semaphores: semaphore_table(&binary).map(|at| at.wrapping_add(load_bias)),
            print_log: PrintLog::locate(&binary).map(|log| log.rebased(load_bias)),
        })
    }
}
