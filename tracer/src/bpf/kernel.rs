//! Loads, attaches, feeds and drains the programs.

use std::io;
use std::path::Path;

use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeLinkId, UProbeScope};
use aya::programs::{BtfTracePoint, PerfEvent, Program, ProgramError, UProbe};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader, Endianness};
use aya_log::EbpfLogger;
use tracer_common::abi;
use tracer_common::capture::CaptureRules;
use tracer_common::config::{GoOffsets, ReadPlan};
use tracer_common::probe::{ProbeCounters, ProbeId};

use super::constants::{Rodata, STRUCTURES};
use super::probe_table::{Attach, PROBES, Probe};
use super::{Constants, KernelTypeError, KernelTypes, VMLINUX_BTF};
use crate::term::notice;

/// The compiled programs.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer.bpf.o"));

/// The object file with all programs.
#[must_use]
pub fn object() -> &'static [u8] {
    OBJECT
}

/// What the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    #[error("cannot read {VMLINUX_BTF}: {0}")]
    NoBtf(io::Error),
    #[error("cannot use the kernel's type information: {0}")]
    Btf(String),
    #[error(transparent)]
    KernelType(#[from] KernelTypeError),
    #[error("cannot load the BPF object: {}", chain(.0))]
    Load(#[from] Box<EbpfError>),
    #[error("cannot load or attach {program}: {}", chain(.source))]
    Program {
        program: &'static str,
        source: Box<ProgramError>,
    },
    #[error("cannot use the BPF map {map}: {}", chain(.source))]
    Map {
        map: &'static str,
        source: Box<MapError>,
    },
    #[error("cannot list the CPUs: {0}")]
    Cpus(io::Error),
}

impl BpfError {
    /// The error number at the root, when it came from a system call.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        if let Self::NoBtf(source) | Self::Cpus(source) = self {
            return source.raw_os_error();
        }
        let mut next: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Load(source) => Some(source.as_ref()),
            Self::Program { source, .. } => Some(source.as_ref()),
            Self::Map { source, .. } => Some(source.as_ref()),
            _ => None,
        };
        while let Some(error) = next {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return io.raw_os_error();
            }
            next = error.source();
        }
        None
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string().replace('\n', " ");
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string().replace('\n', " ");
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Sizes of the maps that depend on what a session captures.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes; rounded up to a power of two of at least a page.
    pub ring_bytes: u32,
    /// Whether [`super::Group::OffCpu`] is captured.
    pub off_cpu: bool,
    /// Whether [`super::Group::SyscallStats`] is captured.
    pub syscall_stats: bool,
    /// Whether [`super::Group::RunQueue`] is captured.
    pub run_queue: bool,
}

impl Sizes {
    /// The larger maps and whether they are needed.
    const fn maps(&self) -> [(bool, &'static [&'static str]); 3] {
        [
            (
                self.off_cpu,
                &["STACKS", "MORE_STACKS", "OFF_CPU_PENDING", "OFF_CPU"],
            ),
            (self.syscall_stats, &["SYSCALL_STATS", "SPILLED"]),
            (self.run_queue, &["RUNNABLE", "RUN_QUEUE"]),
        ]
    }
}

/// Lets aya copy our wire types.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Wire<T>(pub(super) T);

// SAFETY: `tracer_common::abi::Pod` makes the same promise as `aya::Pod`.
unsafe impl<T: abi::Pod> aya::Pod for Wire<T> {}

/// The loaded programs. Dropping it detaches everything; so does the death of this process, since
/// nothing is pinned.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    btf: Btf,
    ring: RingBuf<MapData>,
    log: Option<EbpfLogger<KernelLog>>,
    attached: u32,
    /// User probes by process.
    uprobes: Vec<(u32, &'static Probe, UProbeLinkId)>,
}

/// What the programs log, as notices.
struct KernelLog;

impl log::Log for KernelLog {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        notice(&record.args().to_string());
    }

    fn flush(&self) {}
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("attached", &self.attached)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Creates the maps. No program runs yet.
    ///
    /// # Errors
    /// When the kernel lacks BTF or refuses the maps.
    pub fn load(constants: &Constants, sizes: Sizes) -> Result<Self, BpfError> {
        let data = std::fs::read(VMLINUX_BTF).map_err(BpfError::NoBtf)?;
        let types = KernelTypes::parse(&data, STRUCTURES)?;
        let cpus = possible_cpus()?;
        let rodata = Rodata::new(constants, &types, cpus)?;
        let btf = Btf::parse(&data, Endianness::default()).map_err(|e| BpfError::Btf(chain(&e)))?;
        let ring_bytes = sizes.ring_bytes.max(page_size()).next_power_of_two();
        let mut loader = EbpfLoader::new();
        loader.btf(Some(&btf));
        rodata.apply(&mut loader);
        loader.map_max_entries("RING", ring_bytes);
        loader.map_max_entries("IN_FLIGHT", cpus);
        for (needed, maps) in sizes.maps() {
            if !needed {
                for map in maps {
                    loader.map_max_entries(map, 1);
                }
            }
        }
        let mut ebpf = loader.load(OBJECT).map_err(Box::new)?;
        // The programs have something to say only where things go wrong; a kernel without room for
        // the log is no reason not to trace.
        let log = EbpfLogger::init_with_logger(&mut ebpf, KernelLog).ok();
        let ring = ebpf.take_map("RING").ok_or_else(|| missing("RING"))?;
        let ring = RingBuf::try_from(ring).map_err(|e| map_error("RING", e))?;
        Ok(Self {
            ebpf,
            btf,
            ring,
            log,
            attached: 0,
            uprobes: Vec::new(),
        })
    }

    /// Programs attached so far.
    #[must_use]
    pub const fn attached(&self) -> u32 {
        self.attached
    }

    /// Loads and attaches a tracepoint program, or a timer program at `hz` samples a second.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self, probe: &'static Probe, hz: u64) -> Result<(), BpfError> {
        let failed = |source| BpfError::Program {
            program: probe.program,
            source: Box::new(source),
        };
        match probe.attach {
            Attach::Tracepoint(name) => {
                let (program, btf) = self.program(probe.program);
                let program: &mut BtfTracePoint = program.try_into().map_err(failed)?;
                program.load(name, btf).map_err(failed)?;
                program.attach().map_err(failed)?;
                self.attached += 1;
            }
            Attach::CpuClock => {
                let cpus = aya::util::online_cpus().map_err(|(_, e)| BpfError::Cpus(e))?;
                let (program, _) = self.program(probe.program);
                let program: &mut PerfEvent = program.try_into().map_err(failed)?;
                program.load().map_err(failed)?;
                for cpu in cpus {
                    program
                        .attach(
                            PerfEventConfig::Software(SoftwareEvent::CpuClock),
                            PerfEventScope::AllProcessesOneCpu { cpu },
                            SamplePolicy::Frequency(hz),
                            false,
                        )
                        .map_err(failed)?;
                }
                self.attached += 1;
            }
            Attach::GoFunction(_) => unreachable!("Go functions are attached by offset"),
        }
        Ok(())
    }

    /// Loads a user probe and attaches it at a file offset in one process. May be called again
    /// for other processes.
    ///
    /// # Errors
    /// When the kernel refuses, or the process is gone.
    pub fn attach_uprobe(
        &mut self,
        probe: &'static Probe,
        file: &Path,
        offset: u64,
        pid: u32,
    ) -> Result<(), BpfError> {
        let failed = |source| BpfError::Program {
            program: probe.program,
            source: Box::new(source),
        };
        let (program, _) = self.program(probe.program);
        let program: &mut UProbe = program.try_into().map_err(failed)?;
        match program.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(source) => return Err(failed(source)),
        }
        let scope = std::num::NonZeroU32::new(pid)
            .map_or(UProbeScope::AllProcesses, UProbeScope::OneProcess);
        let link = program
            .attach(UProbeAttachLocation::AbsoluteOffset(offset), file, scope)
            .map_err(failed)?;
        self.uprobes.push((pid, probe, link));
        self.attached += 1;
        Ok(())
    }

    /// Detaches the user probes of a process. They outlive its program: should the next one run
    /// the same file, they would hit there, too.
    pub fn detach_uprobes(&mut self, pid: u32) {
        let own: Vec<_> = self.uprobes.extract_if(.., |u| u.0 == pid).collect();
        for (_, probe, link) in own {
            let Some(Program::UProbe(program)) = self.ebpf.program_mut(probe.program) else {
                continue;
            };
            if program.detach(link).is_ok() {
                self.attached -= 1;
            }
        }
    }

    fn program(&mut self, name: &str) -> (&mut Program, &Btf) {
        let program = self.ebpf.program_mut(name);
        (
            program.expect("a test compares table and object"),
            &self.btf,
        )
    }

    /// Detaches and unloads every program; the maps stay readable.
    pub fn detach(&mut self) {
        for probe in PROBES {
            let Some(program) = self.ebpf.program_mut(probe.program) else {
                continue;
            };
            // A program that was never loaded says so; nothing to do then.
            let _ = match program {
                Program::BtfTracePoint(program) => program.unload(),
                Program::PerfEvent(program) => program.unload(),
                Program::UProbe(program) => program.unload(),
                _ => Ok(()),
            };
        }
        self.attached = 0;
    }

    /// Of the switches off the CPU, measures one in `one_in` from now on, which then counts for
    /// that many; rounded up to a power of two.
    ///
    /// # Errors
    /// When the map is not usable.
    pub fn set_off_cpu_sampling(&mut self, one_in: u32) -> Result<(), BpfError> {
        let name = "OFF_CPU_SKIP";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, u32> = Array::try_from(map).map_err(|e| map_error(name, e))?;
        let skip = one_in.clamp(1, 1 << 20).next_power_of_two() - 1;
        map.set(0, skip, 0).map_err(|e| map_error(name, e))
    }

    /// Detaches and unloads the programs of one group.
    pub fn detach_group(&mut self, group: super::Group) {
        for probe in PROBES.iter().filter(|p| p.group == group) {
            let links = self.uprobes.extract_if(.., |u| u.1.id == probe.id).count();
            let unloaded = match self.ebpf.program_mut(probe.program) {
                Some(Program::BtfTracePoint(program)) => program.unload(),
                Some(Program::PerfEvent(program)) => program.unload(),
                Some(Program::UProbe(program)) => program.unload(),
                _ => continue,
            };
            if unloaded.is_ok() {
                let links = u32::try_from(links).unwrap_or(0).max(1);
                self.attached = self.attached.saturating_sub(links);
            }
        }
    }

    /// Runs of the loaded programs and ns spent in them, as the kernel counts them while
    /// `kernel.bpf_stats_enabled` is set; zeros otherwise.
    #[must_use]
    pub fn run_time(&self) -> (u64, u64) {
        let info = |program: &Program| match program {
            Program::BtfTracePoint(program) => program.info().ok(),
            Program::PerfEvent(program) => program.info().ok(),
            Program::UProbe(program) => program.info().ok(),
            _ => None,
        };
        let programs = PROBES.iter().filter_map(|p| self.ebpf.program(p.program));
        programs.filter_map(info).fold((0, 0), |(runs, ns), info| {
            let time = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            (runs + info.run_count(), ns + time)
        })
    }

    /// Makes a process a target; see [`tracer_common::config::target`].
    ///
    /// # Errors
    /// When the target map is full.
    pub fn set_target(&mut self, tgid: u32, flags: u32) -> Result<(), BpfError> {
        self.insert("TARGETS", tgid, flags)
    }

    /// Tells where goroutines are found in a process.
    ///
    /// # Errors
    /// When the map is full.
    pub fn set_go_offsets(&mut self, tgid: u32, offsets: GoOffsets) -> Result<(), BpfError> {
        self.insert("GO_TARGETS", tgid, Wire(offsets))
    }

    /// Tells what the end-of-cycle probe copies in a process.
    ///
    /// # Errors
    /// When the map is full.
    pub fn set_gc_plan(&mut self, tgid: u32, plan: ReadPlan) -> Result<(), BpfError> {
        self.insert("GO_GC_PLANS", tgid, Wire(plan))
    }

    /// Forgets what was told of a process that ended or became another program.
    pub fn forget_go(&mut self, tgid: u32) {
        for name in ["GO_TARGETS", "GO_GC_PLANS"] {
            if let Some(map) = self.ebpf.map_mut(name) {
                let removed = match name {
                    "GO_TARGETS" => HashMap::<_, u32, Wire<GoOffsets>>::try_from(map)
                        .and_then(|mut m| m.remove(&tgid)),
                    _ => HashMap::<_, u32, Wire<ReadPlan>>::try_from(map)
                        .and_then(|mut m| m.remove(&tgid)),
                };
                // Not there is as good.
                let _ = removed;
            }
        }
    }

    /// Sets what a syscall's records copy.
    ///
    /// # Errors
    /// When the map is not usable.
    pub fn set_capture_rules(&mut self, rules: &[(u32, CaptureRules)]) -> Result<(), BpfError> {
        let name = "CAPTURE_RULES";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, Wire<CaptureRules>> =
            Array::try_from(map).map_err(|e| map_error(name, e))?;
        for &(nr, rules) in rules {
            map.set(nr, Wire(rules), 0)
                .map_err(|e| map_error(name, e))?;
        }
        Ok(())
    }

    fn insert<V: aya::Pod>(
        &mut self,
        name: &'static str,
        key: u32,
        value: V,
    ) -> Result<(), BpfError> {
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: HashMap<_, u32, V> = HashMap::try_from(map).map_err(|e| map_error(name, e))?;
        map.insert(key, value, 0).map_err(|e| map_error(name, e))
    }

    /// Hands at most `limit` waiting records to `take` and returns how many there were.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        if let Some(log) = &mut self.log {
            log.flush();
        }
        let mut count = 0;
        while count < limit {
            let Some(record) = self.ring.next() else {
                break;
            };
            take(&record);
            count += 1;
        }
        count
    }

    /// Sums of each probe's counters over all CPUs, in the order of [`ProbeId::ALL`].
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn counters(&self) -> Result<Vec<ProbeCounters>, BpfError> {
        let name = "COUNTERS";
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        let map: PerCpuArray<_, Wire<ProbeCounters>> =
            PerCpuArray::try_from(map).map_err(|e| map_error(name, e))?;
        (0..ProbeId::COUNT as u32)
            .map(|i| {
                let per_cpu = map.get(&i, 0).map_err(|e| map_error(name, e))?;
                Ok(per_cpu
                    .iter()
                    .fold(ProbeCounters::default(), |sum, c| add(sum, c.0)))
            })
            .collect()
    }
}

fn add(a: ProbeCounters, b: ProbeCounters) -> ProbeCounters {
    ProbeCounters {
        hits: a.hits + b.hits,
        lost: a.lost + b.lost,
        faults: a.faults + b.faults,
        full: a.full + b.full,
        unpaired: a.unpaired + b.unpaired,
        stacks_lost: a.stacks_lost + b.stacks_lost,
        skipped: a.skipped + b.skipped,
        foreign: a.foreign + b.foreign,
    }
}

pub(super) fn missing(map: &'static str) -> BpfError {
    map_error(
        map,
        MapError::InvalidName {
            name: map.to_owned(),
        },
    )
}

pub(super) fn map_error(map: &'static str, source: MapError) -> BpfError {
    BpfError::Map {
        map,
        source: Box::new(source),
    }
}

fn possible_cpus() -> Result<u32, BpfError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, e)| BpfError::Cpus(e))?;
    Ok(u32::try_from(cpus).unwrap_or(1))
}

fn page_size() -> u32 {
    // SAFETY: no preconditions.
    u32::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::Group;

    fn constants() -> Constants {
        Constants {
            target_tgid: 0,
            target_all: false,
            string_limit: 32,
            want_goid: true,
            want_kernel_stack: true,
            want_user_stack: true,
            syscalls: [u64::MAX; 9],
        }
    }

    /// Offset in our executable of an instruction that can be probed.
    fn own_code() -> u64 {
        let address = constants as *const () as u64;
        let text = std::fs::read("/proc/self/maps").expect("our own maps");
        let maps = crate::process::Maps::parse(&text, |m| m.contains(address));
        let offset = maps.mappings.iter().find_map(|m| m.file_offset(address));
        offset.expect("our code is in our executable")
    }

    #[test]
    fn the_verifier_accepts_every_program() {
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("skipped: loading BPF programs needs root");
            return;
        }
        let sizes = Sizes {
            ring_bytes: 1 << 16,
            off_cpu: true,
            syscall_stats: true,
            run_queue: true,
        };
        let mut kernel = Kernel::load(&constants(), sizes).expect("maps");
        for probe in PROBES {
            let result = if probe.group == Group::GoGc || probe.group == Group::GoSchedule {
                let file = Path::new("/proc/self/exe");
                kernel.attach_uprobe(probe, file, own_code(), std::process::id())
            } else {
                kernel.attach(probe, 99)
            };
            if let Err(error) = result {
                panic!("{}: {error}", probe.program);
            }
            let (program, _) = kernel.program(probe.program);
            let info = program.info().expect("program information");
            println!(
                "{}: {:?} instructions, {:?} verified",
                probe.program,
                info.size_jitted(),
                info.verified_instruction_count()
            );
        }
        assert_eq!(kernel.attached() as usize, PROBES.len());
        kernel.counters().expect("counters");
        kernel.detach();
        kernel.syscall_stats().expect("statistics");
        kernel.off_cpu().expect("off-CPU");
        kernel.run_queue().expect("run queue");
    }
}
