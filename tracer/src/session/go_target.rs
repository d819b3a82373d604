//! What the programs and the decoder must know of one Go process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracer_common::config::{GoOffsets, OwnCode, Range, ReadPlan};
use tracer_common::event::MAX_RANGES;

use crate::bpf::{Attach, Group, PROBES, Probe};
use crate::go::gc::{GcCycle, GcReadPlan};
use crate::go::probe_site::ProbeSite;
use crate::go::{Binary, CurrentG, Live, Runtime, load_bias, own_code};

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
        })
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

    /// Gives the bytes that the probe copied their meaning.
    pub(super) fn gc_cycle(&self, ranges: &[Option<Vec<u8>>]) -> Option<GcCycle> {
        let runtime = self.runtime.as_ref().ok()?;
        let ranges: Option<Vec<&[u8]>> = ranges.iter().map(Option::as_deref).collect();
        GcCycle::decode(runtime.layout, &ranges?).ok()
    }

    /// Where the probes of a group attach, or why one cannot.
    pub(super) fn sites(&self, group: Group) -> Vec<Result<Site, String>> {
        let probes = || PROBES.iter().filter(move |p| p.group == group);
        let names: Vec<&str> = probes().filter_map(function).collect();
        let found = self
            .binary
            .pclntab()
            .map(|table| table.find_functions(&names));
        probes()
            .map(|probe| {
                let name = function(probe).unwrap_or_default();
                let functions = match &found {
                    Ok(Ok(found)) => found.get(name),
                    Ok(Err(error)) => return Err(format!("{name}: {error}")),
                    Err(error) => return Err(format!("{name}: {error}")),
                };
                let function = functions
                    .and_then(|f| f.first())
                    .ok_or_else(|| format!("this executable has no function {name}"))?;
                let (site, offset) = ProbeSite::locate(&self.binary, function)
                    .map_err(|e| format!("{name}: {e}"))?;
                Ok(Site {
                    probe,
                    offset,
                    single_stepped: site.single_stepped,
                })
            })
            .collect()
    }
}

fn function(probe: &Probe) -> Option<&'static str> {
    match probe.attach {
        Attach::GoFunction(name) => Some(name),
        _ => None,
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
