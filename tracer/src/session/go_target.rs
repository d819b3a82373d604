//! What the programs and the decoder must know of one Go process.

use std::cell::OnceCell;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracer_common::config::{GoOffsets, GoScheduler, OwnCode, Range, ReadPlan};
use tracer_common::event::MAX_RANGES;

use crate::bpf::{Attach, Group, PROBES, Probe};
use crate::event::{FrameSymbol, GoStop, HandoffCause, SymbolOrigin};
use crate::go::allocator::allocator;
use crate::go::gc::{GcCycle, GcReadPlan, GcState, user_time_ns};
use crate::go::goroutine::{Code, Goroutine, GoroutineReader};
use crate::go::handoff::{handoff_cause, syscall_place};
use crate::go::pclntab::Function;
use crate::go::probe_site::ProbeSite;
use crate::go::stop::{frames, stop_plan};
use crate::go::{Binary, CurrentG, Live, Memory, Runtime, TimeHistogram, load_bias, own_code};

/// A Go process whose runtime is understood.
#[derive(Debug)]
pub(super) struct GoTarget {
    pub(super) pid: u32,
    file: PathBuf,
    binary: Binary,
    /// Why the runtime's variables are not readable, if so.
    runtime: Result<Runtime, String>,
    /// The addresses of its variables are those that they have in the process.
    placed: bool,
    /// Its functions, once they are asked for; `None` inside when they cannot be read.
    code: OnceCell<Option<Code>>,
    /// When the runtime began, ns, once it is asked for.
    began_ns: OnceCell<Option<u64>>,
}

/// A place to attach a user probe.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) probe: &'static Probe,
    pub(super) offset: u64,
    /// The kernel cannot emulate the instruction and single-steps it: several times the cost.
    pub(super) single_stepped: bool,
}

impl GoTarget {
    /// Reads the executable of a running process. A runtime that has only just begun to run shows
    /// no live values yet: it is then trusted as far as its code proves the layout.
    ///
    /// # Errors
    /// One line that says why it is no Go program that can be read.
    pub(super) fn open(pid: u32, just_started: bool) -> Result<Self, String> {
        let file = PathBuf::from(format!("/proc/{pid}/exe"));
        let binary = Binary::open(&file).map_err(|e| e.to_string())?;
        let runtime = load_bias(pid, &binary).and_then(|bias| {
            let live = (!just_started).then(|| Live::of(pid));
            Runtime::find(&binary, bias, live.as_ref())
        });
        Ok(Self {
            pid,
            file,
            binary,
            runtime,
            placed: true,
            code: OnceCell::new(),
            began_ns: OnceCell::new(),
        })
    }

    /// Reads an executable that a process is about to run. Where its variables will lie is known
    /// only when it is not position-independent.
    ///
    /// # Errors
    /// As [`GoTarget::open`].
    pub(super) fn prepare(pid: u32, file: &Path) -> Result<Self, String> {
        let binary = Binary::open(file).map_err(|e| e.to_string())?;
        let runtime = Runtime::find(&binary, 0, None);
        Ok(Self {
            pid,
            file: file.to_owned(),
            placed: !binary.is_pie(),
            binary,
            runtime,
            code: OnceCell::new(),
            began_ns: OnceCell::new(),
        })
    }

    /// Its runtime, once that is understood and the addresses are known.
    pub(super) fn runtime(&self) -> Option<&Runtime> {
        self.runtime.as_ref().ok().filter(|_| self.placed)
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Whether its addresses are known only when it runs.
    pub(super) fn is_pie(&self) -> bool {
        self.binary.is_pie()
    }

    /// For instance `go1.24.11`.
    pub(super) fn version(&self) -> Option<String> {
        self.binary.build_info().map(|info| info.version.clone())
    }

    /// Where goroutines are found, for threads in any state: from the thread, so that it does not
    /// matter where the program lies.
    ///
    /// # Errors
    /// One line that says why not.
    pub(super) fn offsets(&self) -> Result<GoOffsets, String> {
        let runtime = self.runtime.as_ref().map_err(Clone::clone)?;
        let place = CurrentG::locate(&self.binary).map_err(|e| e.to_string())?;
        let tls_g = match place {
            CurrentG::FsBase { offset, .. } => i64::from(offset),
            CurrentG::Register28 { tls_offset: None } => GoOffsets::IN_REGISTER,
            CurrentG::Register28 {
                tls_offset: Some(offset),
            } => i64::from(offset),
        };
        let (g, m) = (&runtime.layout.g, &runtime.layout.m);
        let (pid_ns_dev, pid_ns_ino) = pid_namespace(self.pid);
        Ok(GoOffsets {
            tls_g,
            g_m: g.m,
            g_goid: g.goid,
            doubtful: matches!(place, CurrentG::FsBase { assumed: true, .. }).into(),
            own_code: 0,
            m_curg: m.curg,
            m_procid: m.procid,
            pid_ns_dev,
            pid_ns_ino,
            g_gopc: g.gopc,
            reserved: 0,
        })
    }

    /// Where its own code lies, if that can be told.
    pub(super) fn own_code(&self) -> Option<OwnCode> {
        if !self.placed {
            return None;
        }
        let bias = match self.binary.is_pie() {
            true => load_bias(self.pid, &self.binary).ok()?,
            false => 0,
        };
        own_code(&self.binary.pclntab().ok()?, bias).ok()
    }

    /// What the end-of-cycle probe copies.
    ///
    /// # Errors
    /// One line that says why not.
    pub(super) fn gc_plan(&self) -> Result<ReadPlan, String> {
        if !self.placed {
            return Err("its addresses are not known before it runs".to_owned());
        }
        let runtime = self.runtime.as_ref().map_err(Clone::clone)?;
        let ranges = GcReadPlan::new(runtime.layout, &runtime.globals).ranges;
        let mut plan = ReadPlan {
            ranges: [Range::default(); MAX_RANGES],
            count: ranges.len() as u64,
        };
        for (to, from) in plan.ranges.iter_mut().zip(ranges) {
            to.addr = from.addr;
            to.len = from.len;
        }
        Ok(plan)
    }

    /// What the probes of stops of the world must know.
    ///
    /// # Errors
    /// One line that says why not.
    pub(super) fn stop_plan(&self) -> Result<GoScheduler, String> {
        if !self.placed {
            return Err("its addresses are not known before it runs".to_owned());
        }
        let runtime = self.runtime.as_ref().map_err(Clone::clone)?;
        let globals = &runtime.globals;
        Ok(stop_plan(runtime.layout, globals.allp, globals.allm))
    }

    /// Where the runtime keeps who made a goroutine: the offset of `g.gopc`, in bytes.
    ///
    /// # Errors
    /// One line that says why that is not known.
    pub(super) fn goroutine_creator(&self) -> Result<u32, String> {
        let runtime = self.runtime.as_ref().map_err(Clone::clone)?;
        Ok(runtime.layout.g.gopc)
    }

    /// All goroutines, each as it was at one moment.
    ///
    /// # Errors
    /// One line that says why they cannot be read.
    pub(super) fn goroutines(&self) -> Result<Vec<Goroutine>, String> {
        let runtime = self.runtime.as_ref().map_err(Clone::clone)?;
        let code = self.code().ok_or("its functions cannot be read")?;
        let memory = Live::of(self.pid).memory;
        let reader = GoroutineReader::new(&memory, code, runtime.layout, runtime.globals);
        let snapshot = reader.read().map_err(|e| e.to_string())?;
        Ok(snapshot.goroutines)
    }

    /// Its functions, if they can be read.
    fn code(&self) -> Option<&Code> {
        let code = self.code.get_or_init(|| {
            let bias = load_bias(self.pid, &self.binary).ok()?;
            Code::new(&self.binary, bias).ok()
        });
        code.as_ref()
    }

    /// Adds names, and when the runtime began.
    pub(super) fn name_stop(&self, stop: &mut GoStop) {
        stop.runtime_start_ns = *self.began_ns.get_or_init(|| self.runtime_start());
        if let (Some(code), Some(last)) = (self.code(), &mut stop.last) {
            last.frames = frames(code, &last.stack);
        }
    }

    /// Reads its functions while it is there.
    pub(super) fn learn_names(&self) {
        // Without them there are addresses.
        let _ = self.code();
    }

    /// The `go` statement whose call returns to a live address: the function, and the line of it.
    /// After the end of the process only if [`GoTarget::learn_names`] was called before.
    pub(super) fn creator(&self, created_at: u64) -> Option<FrameSymbol> {
        let code = self.code()?;
        let place = code.place(created_at, true)?;
        let (function, line) = (place.calls.last()?, place.calls.first()?);
        Some(FrameSymbol {
            function: function.frame.function.clone(),
            offset: code.offset(&place, created_at),
            file: line.frame.file.clone(),
            line: Some(line.frame.line).filter(|&line| line > 0),
            inlined: false,
            origin: SymbolOrigin::Go,
        })
    }

    /// Who allocates on a stack of return addresses, innermost first: the first function that is not
    /// the runtime's, and the first of the program's own. As [`GoTarget::creator`] after the end of
    /// the process.
    pub(super) fn allocator(&self, stack: &[u64]) -> (Option<FrameSymbol>, Option<FrameSymbol>) {
        self.code()
            .map_or((None, None), |code| allocator(code, stack))
    }

    /// What calls `runtime.handoffp` and returns to a live address.
    pub(super) fn handoff_cause(&self, caller: u64) -> HandoffCause {
        self.code()
            .map_or(HandoffCause::Other, |code| handoff_cause(code, caller))
    }

    /// Which call, and which function of the program's own, a stack of a system call leads to.
    pub(super) fn syscall_place(
        &self,
        stack: &[u64],
    ) -> (Option<FrameSymbol>, Option<FrameSymbol>) {
        self.code()
            .map_or((None, None), |code| syscall_place(code, stack))
    }

    /// Stops of the world that the runtime itself has counted (Go 1.22).
    pub(super) fn stops_counted(&self) -> Option<u64> {
        let runtime = self.runtime()?;
        let fields = &runtime.layout.sched;
        let memory = Live::of(self.pid).memory;
        let count = |offset: u32| {
            let at = runtime.globals.sched.wrapping_add(u64::from(offset));
            let histogram = TimeHistogram::read(&memory, runtime.layout, at);
            Some(histogram.ok()??.count())
        };
        let (gc, other) = (fields.stw_total_time_gc?, fields.stw_total_time_other?);
        count(gc)?.checked_add(count(other)?)
    }

    fn runtime_start(&self) -> Option<u64> {
        let runtime = self.runtime()?;
        let memory = Live::of(self.pid).memory;
        let began = memory.read_u64(runtime.globals.runtime_init_time).ok()?;
        (began != 0).then_some(began)
    }

    /// Gives the bytes that the probe copied their meaning.
    pub(super) fn gc_cycle(&self, ranges: &[Option<Vec<u8>>]) -> Option<(GcState, GcCycle)> {
        let layout = self.runtime.as_ref().ok()?.layout;
        let ranges: Option<Vec<&[u8]>> = ranges.iter().map(Option::as_deref).collect();
        let ranges = ranges?;
        let cycle = GcCycle::decode(layout, &ranges).ok()?;
        Some((GcState::decode(layout, &ranges).ok()?, cycle))
    }

    /// Time that Ps have run goroutines, in the same bytes; `None` where the release does not tell.
    pub(super) fn gc_user_ns(&self, ranges: &[Option<Vec<u8>>]) -> Option<u64> {
        let layout = self.runtime.as_ref().ok()?.layout;
        let ranges: Option<Vec<&[u8]>> = ranges.iter().map(Option::as_deref).collect();
        user_time_ns(layout, &ranges?).ok()?
    }

    /// Where the probes of a group attach, or why one cannot.
    pub(super) fn sites(&self, group: Group) -> Vec<(&'static Probe, Result<Site, String>)> {
        let probes = || PROBES.iter().filter(move |p| p.group == group);
        let names: Vec<&str> = probes().flat_map(functions).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let found = match self.binary.pclntab().map(|t| t.find_functions(&names)) {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) | Err(error) => Err(error.to_string()),
        };
        let found = found.as_ref();
        let find = |name: &str| {
            let found = found.map_err(|error| format!("{name}: {error}"))?;
            let functions = found.get(name).map(Vec::as_slice);
            functions.ok_or_else(|| format!("this executable has no function {name}"))
        };
        probes()
            .filter(|probe| !functions(probe).is_empty())
            .map(|probe| (probe, self.site(probe, &find)))
            .collect()
    }

    fn site<'a>(
        &self,
        probe: &'static Probe,
        find: &impl Fn(&str) -> Result<&'a [Function], String>,
    ) -> Result<Site, String> {
        let names = functions(probe);
        let known = || names.iter().find(|name| find(name).is_ok());
        let name = match probe.attach {
            Attach::GoFunctionOf(_) => known().or(names.first()),
            _ => names.first(),
        };
        let name = name.copied().unwrap_or_default();
        let none = || format!("this executable has no function {name}");
        let function = find(name)?.first().ok_or_else(none)?;
        let located = match probe.attach {
            Attach::GoCall { called, at, .. } => {
                // Assembly has a second entry of the same name for Go code.
                let entries = find(called)?.iter().map(|called| called.entry);
                let mut located = entries
                    .map(|entry| ProbeSite::locate_call(&self.binary, function, entry, at.of()));
                let first = located.next().ok_or_else(none)?;
                match first {
                    Ok(site) => Ok(site),
                    Err(error) => located.find_map(Result::ok).ok_or(error),
                }
            }
            Attach::GoReturn { called, .. } => {
                let called = find(called)?.first().ok_or_else(none)?;
                ProbeSite::locate_return(&self.binary, function, called.entry)
            }
            _ => ProbeSite::locate(&self.binary, function),
        };
        let (site, offset) = located.map_err(|e| format!("{name}: {e}"))?;
        Ok(Site {
            probe,
            offset,
            single_stepped: site.single_stepped,
        })
    }
}

/// The function that a probe is in, and the one that is called where it is, if any.
fn functions(probe: &Probe) -> Vec<&'static str> {
    match probe.attach {
        Attach::GoFunction(name) => vec![name],
        Attach::GoFunctionOf(names) => names.to_vec(),
        Attach::GoCall {
            function, called, ..
        }
        | Attach::GoReturn { function, called } => vec![function, called],
        _ => Vec::new(),
    }
}

/// Device and inode of a process's pid namespace; zeros, which are nobody's, when it is gone.
fn pid_namespace(pid: u32) -> (u64, u64) {
    /// `MINORBITS` (include/linux/kdev_t.h).
    const MINOR_BITS: u32 = 20;
    std::fs::metadata(format!("/proc/{pid}/ns/pid")).map_or((0, 0), |ns| {
        let (major, minor) = (libc::major(ns.dev()), libc::minor(ns.dev()));
        (
            (u64::from(major) << MINOR_BITS) | u64::from(minor),
            ns.ino(),
        )
    })
}
