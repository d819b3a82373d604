//! A Go process that is no more, of which there is a core file.

use std::path::{Path, PathBuf};

use crate::error::ExpectedError;
use crate::go::core_file::{CoreFile, CoreMemory};
use crate::go::goroutine::{Code, StoppedThreads};
use crate::go::waits::semaphore_table;
use crate::go::{Binary, Memory, Runtime};

/// A core of a Go process whose runtime is understood.
pub(super) struct GoCore {
    pub(super) version: Option<String>,
    pub(super) code: Code,
    pub(super) runtime: Runtime,
    pub(super) memory: CoreMemory,
    pub(super) threads: StoppedThreads,
    /// Live address of the table of semaphores, if it was found.
    pub(super) semaphores: Option<u64>,
    /// The last time that the runtime noted, ns of the monotonic clock.
    pub(super) last_ns: u64,
}

impl GoCore {
    /// Opens a core; `program` is the executable, where it is not where the process had it.
    ///
    /// # Errors
    /// When it is no core, or not one of a Go release that can be read.
    pub(super) fn open(file: &Path, program: Option<&Path>) -> Result<Self, ExpectedError> {
        let bad = |why: String| ExpectedError::BadInput {
            why: format!("{} {why}", file.display()).into(),
        };
        let core = CoreFile::open(file).map_err(|error| bad(error.to_string()))?;
        Self::of(core, program).map_err(bad)
    }

    fn of(core: CoreFile, program: Option<&Path>) -> Result<Self, String> {
        let cut = match core.missing {
            0 => String::new(),
            missing => format!("; {missing} bytes of it are missing"),
        };
        let mapping = match core.program() {
            Ok(mapping) => Some(mapping.clone()),
            Err(_) if program.is_some() => None,
            Err(error) => return Err(format!("{error}{cut}")),
        };
        let named = mapping.as_ref().map_or("", |mapping| &mapping.path);
        let path = program.map_or_else(|| PathBuf::from(named), Path::to_path_buf);
        let shown = path.display();
        let binary = Binary::open(&path).map_err(|error| {
            format!(
                "is of {shown}, which cannot be read: {error}; name the program with --exe FILE"
            )
        })?;
        let other = || format!("is not of {shown}; name its program with --exe FILE");
        if binary.arch() != core.arch() {
            return Err(other());
        }
        // What is not position-independent is where it was linked.
        let load_bias = match &mapping {
            Some(mapping) => binary.load_bias(mapping.start, mapping.offset),
            None => (!binary.elf().pie).then_some(0),
        };
        let load_bias = load_bias.ok_or_else(other)?;
        let threads = core.threads().iter().map(|thread| (thread.pc, thread.sp));
        let threads = StoppedThreads {
            threads: threads.collect(),
        };
        let memory = CoreMemory::new(core, &binary, named);
        let runtime = Runtime::find_stopped(&binary, load_bias, &memory)
            .map_err(|why| format!("is of {shown}, and cannot be read as that: {why}{cut}"))?;
        Ok(Self {
            version: binary.build_info().map(|info| info.version.clone()),
            code: Code::new(&binary, load_bias).map_err(|error| error.to_string())?,
            last_ns: last_ns(&memory, &runtime),
            semaphores: semaphore_table(&binary).map(|at| at.wrapping_add(load_bias)),
            runtime,
            memory,
            threads,
        })
    }
}

/// The time of the last look for work, or of the last garbage collection: nobody notes that of the
/// end.
fn last_ns(memory: &CoreMemory, runtime: &Runtime) -> u64 {
    let Runtime { layout, globals } = runtime;
    let polled = globals.sched.wrapping_add(layout.sched.lastpoll.into());
    let collected = globals
        .memstats
        .wrapping_add(layout.stats.last_gc_nanotime.into());
    let times = [polled, collected].map(|at| memory.read_u64(at).unwrap_or(0));
    // Times are signed in Go.
    let plausible = times.into_iter().filter(|ns| i64::try_from(*ns).is_ok());
    plausible.max().unwrap_or(0)
}
