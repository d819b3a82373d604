//! Loads, attaches, feeds and drains the programs.

use std::os::fd::AsFd;
use std::path::Path;

use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuValues, RingBuf};
use aya::programs::perf_event::PerfEventScope;
use aya::programs::{BtfTracePoint, PerfEvent, Program, ProgramError, TracePoint, UProbe};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};
use aya_log::EbpfLogger;
use tracer_common::abi::{self, Pod};
use tracer_common::capture::CaptureRules;
use tracer_common::config::{GoOffsets, GoScheduler, GoWaiting, OwnCode, ReadPlan};
use tracer_common::goroutine_assist::GoAssistTime;
use tracer_common::probe::{ProbeCounters, ProbeId};
use tracer_common::stats::GoStopState;

use super::constants::{Rodata, STRUCTURES};
use super::error::chain;
use super::missed::recursion_misses;
use super::undisturbed::Undisturbed;
use super::unwind_maps::{UnwindChunks, registers_on_stack};
use super::uprobe::UprobeLink;
use super::{
    Abilities, Attach, BpfError, Constants, KernelTypes, PROBES, Probe, RunningKernel, SampleEvent,
    VMLINUX_BTF, Walk,
};
use crate::term::notice;

/// The compiled programs.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer.bpf.o"));

/// Threads whose syscalls can be timed where each keeps an entry.
const THREADS: u32 = 1 << 16;

/// The object file with all programs.
#[must_use]
pub fn object() -> &'static [u8] {
    OBJECT
}

/// Sizes of the maps that depend on what a session captures.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes; rounded up to a power of two of at least a page.
    pub ring_bytes: u32,
    /// Whether [`super::Group::OffCpu`] is captured.
    pub off_cpu: bool,
    /// Whether [`super::Group::Wakers`] is captured.
    pub wakers: bool,
    /// Whether [`super::Group::OnCpu`] is captured.
    pub on_cpu: bool,
    /// Whether [`super::Group::SyscallStats`] is captured.
    pub syscall_stats: bool,
    /// Whether [`super::Group::RunQueue`] is captured.
    pub run_queue: bool,
    /// Whether [`super::Group::GoStop`] is captured.
    pub go_stop: bool,
    /// Whether [`super::Group::GoWaits`] is captured.
    pub go_waits: bool,
    /// Whether [`super::Group::GoCreation`] is captured.
    pub go_creation: bool,
    /// Whether [`super::Group::GoAssist`] is captured.
    pub go_assists: bool,
    /// Whether [`super::Group::GoHandoff`] is captured.
    pub go_handoffs: bool,
    /// Whether slow calls come with stacks.
    pub slow_calls: bool,
    /// Whether user stacks are walked with unwind tables.
    pub unwinding: bool,
}

impl Sizes {
    /// The larger maps and whether they are needed.
    const fn maps(&self) -> [(bool, &'static [&'static str]); 14] {
        [
            (
                self.off_cpu,
                &["STACKS", "MORE_STACKS", "OFF_CPU_PENDING", "OFF_CPU"],
            ),
            (self.wakers, &["WAKERS", "WOKEN"]),
            (self.on_cpu, &["ON_CPU"]),
            (self.syscall_stats, &["SYSCALL_STATS", "SPILLED"]),
            (self.run_queue, &["RUNNABLE", "RUN_QUEUE"]),
            (self.go_stop, &["GO_STOPS", "GO_STOP_THREADS"]),
            (self.go_waits, &["GO_WAIT_PENDING", "GO_WAITS"]),
            (
                self.go_waits || self.go_assists || self.go_handoffs,
                &["GO_WAIT_STACKS"],
            ),
            (self.go_handoffs, &["GO_HANDOFFS"]),
            (
                self.go_assists,
                &["GO_ASSIST_PENDING", "GO_ASSIST_WAITING", "GO_ASSISTS"],
            ),
            (self.go_creation, &["GO_CREATORS", "GO_NEWBORNS"]),
            (self.slow_calls, &["CALL_BEGAN"]),
            (self.unwinding, &["UNWIND_CHUNKS", "UNWIND_PROCESSES"]),
            (self.unwinding && self.off_cpu, &["UNWOUND_STACKS"]),
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
    abilities: Abilities,
    sample_event: SampleEvent,
    /// Runs left out of programs that are unloaded, by number of the probe.
    missed: [u64; ProbeId::COUNT],
    /// Names of the tracepoint and timer programs that are attached.
    attached: Vec<&'static str>,
    /// User probes by process.
    uprobes: Vec<(u32, &'static Probe, UprobeLink)>,
    pub(super) unwind_chunks: UnwindChunks,
    own_code: OwnCodePlaces,
}

/// The places of [`OwnCode`], 1 and up: whose each is, 0 when it is free.
#[derive(Debug, Default)]
struct OwnCodePlaces(Vec<u32>);

impl OwnCodePlaces {
    /// The process's place, or one that is free.
    fn take(&mut self, tgid: u32) -> Option<u32> {
        let place = |of: u32| self.0.iter().position(|&owner| owner == of);
        let index = place(tgid).or_else(|| place(0)).unwrap_or_else(|| {
            self.0.push(0);
            self.0.len() - 1
        });
        self.0[index] = tgid;
        u32::try_from(index + 1)
            .ok()
            .filter(|&p| p < OwnCode::PLACES)
    }

    fn free(&mut self, tgid: u32) {
        for owner in self.0.iter_mut().filter(|owner| **owner == tgid) {
            *owner = 0;
        }
    }
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
            .field("attached", &self.attached())
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Creates the maps. No program runs yet.
    ///
    /// # Errors
    /// When the kernel lacks BTF or refuses the maps.
    pub fn load(constants: &Constants, sizes: Sizes) -> Result<Self, BpfError> {
        let abilities = Abilities {
            unwinding: sizes.unwinding,
            ..Abilities::tried(&RunningKernel::default())
        };
        Self::load_for(constants, sizes, abilities)
    }

    /// As [`Kernel::load`], on a kernel of which no more is used than `abilities`.
    pub(super) fn load_for(
        constants: &Constants,
        sizes: Sizes,
        abilities: Abilities,
    ) -> Result<Self, BpfError> {
        let data = std::fs::read(VMLINUX_BTF).map_err(BpfError::NoBtf)?;
        let types = KernelTypes::parse(&data, STRUCTURES)?;
        let cpus = possible_cpus()?;
        let registers = match sizes.unwinding || constants.want_last_place {
            true => registers_on_stack(),
            false => 0,
        };
        let rodata = Rodata::new(constants, &types, cpus, abilities, registers)?;
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
        if sizes.syscall_stats && !abilities.compare_exchange {
            loader.map_max_entries("SPILLED", THREADS);
        }
        let mut ebpf = loader.load(OBJECT).map_err(Box::new)?;
        // The programs have something to say only where things go wrong; a kernel without room for
        // the log is no reason not to trace.
        let log = EbpfLogger::init_with_logger(&mut ebpf, KernelLog).ok();
        let ring = ebpf.take_map("RING").ok_or_else(|| missing("RING"))?;
        let ring = RingBuf::try_from(ring).map_err(|e| map_error("RING", e))?;
        let mut kernel = Self {
            ebpf,
            btf,
            ring,
            log,
            abilities,
            sample_event: SampleEvent::default(),
            missed: [0; ProbeId::COUNT],
            attached: Vec::new(),
            uprobes: Vec::new(),
            unwind_chunks: UnwindChunks::default(),
            own_code: OwnCodePlaces::default(),
        };
        kernel.set_capture_rules(&constants.capture_rules)?;
        Ok(kernel)
    }

    /// Programs attached now, counting a user probe once for each process.
    #[must_use]
    pub fn attached(&self) -> u32 {
        u32::try_from(self.attached.len() + self.uprobes.len()).unwrap_or(u32::MAX)
    }

    /// Whether a probe is the one for this kernel, where another does the same in another way.
    #[must_use]
    pub const fn suits(&self, probe: &Probe) -> bool {
        probe.suits(self.abilities)
    }

    /// Has user stacks walked along frame pointers alone, whatever was asked for at first. To be
    /// called before anything is attached.
    pub fn follow_pointers(&mut self) {
        self.abilities.unwinding = false;
    }

    /// Has samples taken of an event. To be called before they are attached.
    pub const fn sample(&mut self, event: SampleEvent) {
        self.sample_event = event;
    }

    /// Loads a program, which has the kernel check it. It may be loaded already.
    ///
    /// # Errors
    /// When the kernel refuses. A probe that does not suit this kernel is not loaded; that is none.
    pub fn load_probe(&mut self, probe: &'static Probe) -> Result<(), BpfError> {
        if !self.suits(probe) {
            return Ok(());
        }
        self.load_program(probe)
    }

    /// As [`Kernel::load_probe`], with unwind tables and without.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn try_probe(&mut self, probe: &'static Probe) -> Result<(), BpfError> {
        let walks = Abilities {
            unwinding: probe.walk == Walk::Tables,
            ..self.abilities
        };
        match probe.suits(walks) {
            true => self.load_program(probe),
            false => Ok(()),
        }
    }

    fn load_program(&mut self, probe: &'static Probe) -> Result<(), BpfError> {
        let (program, btf) = self.program(probe.program);
        let loaded = match (probe.attach, program) {
            (Attach::Tracepoint(name), Program::BtfTracePoint(program)) => program.load(name, btf),
            (Attach::PerfTracepoint(..), Program::TracePoint(program)) => program.load(),
            (Attach::CpuClock, Program::PerfEvent(program)) => program.load(),
            (attach, Program::UProbe(program)) if attach.is_in_go() => program.load(),
            _ => Err(ProgramError::UnexpectedProgramType),
        };
        match loaded {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(source) => Err(program_error(probe, source)),
        }
    }

    /// Loads and attaches a tracepoint program, or a timer program at `hz` samples a second. A
    /// probe that does not suit this kernel is left out.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self, probe: &'static Probe, hz: u64) -> Result<(), BpfError> {
        if !self.suits(probe) {
            return Ok(());
        }
        self.load_probe(probe)?;
        let failed = |source| program_error(probe, source);
        match probe.attach {
            Attach::Tracepoint(_) => {
                let (program, _) = self.program(probe.program);
                let program: &mut BtfTracePoint = program.try_into().map_err(failed)?;
                program.attach().map_err(failed)?;
            }
            Attach::PerfTracepoint(category, name) => {
                let (program, _) = self.program(probe.program);
                let program: &mut TracePoint = program.try_into().map_err(failed)?;
                program.attach(category, name).map_err(failed)?;
            }
            Attach::CpuClock => {
                let cpus = aya::util::online_cpus().map_err(|(_, e)| BpfError::Cpus(e))?;
                let event = self.sample_event;
                let failed = |source| match event.is_time() {
                    true => program_error(probe, source),
                    false => BpfError::NoCounter {
                        event,
                        source: Box::new(source),
                    },
                };
                let (program, _) = self.program(probe.program);
                let program: &mut PerfEvent = program.try_into().map_err(failed)?;
                for cpu in cpus {
                    program
                        .attach(
                            event.config(),
                            PerfEventScope::AllProcessesOneCpu { cpu },
                            event.policy(hz),
                            false,
                        )
                        .map_err(failed)?;
                }
            }
            Attach::GoFunction(_)
            | Attach::GoFunctionOf(_)
            | Attach::GoCall { .. }
            | Attach::GoReturn { .. } => {
                unreachable!("Go functions are attached by offset")
            }
        }
        self.attached.push(probe.program);
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
        self.load_probe(probe)?;
        let failed = |source| program_error(probe, source);
        let (program, _) = self.program(probe.program);
        let program: &mut UProbe = program.try_into().map_err(failed)?;
        let fd = program.fd().map_err(failed)?;
        let link = UprobeLink::attach(fd.as_fd(), file, offset, pid);
        let link = link.map_err(|source| BpfError::Uprobe {
            program: probe.program,
            source: Box::new(source),
        })?;
        self.uprobes.push((pid, probe, link));
        Ok(())
    }

    /// Detaches the user probes of a process. They outlive its program: should the next one run
    /// the same file, they would hit there, too.
    pub fn detach_uprobes(&mut self, pid: u32) {
        self.uprobes.retain(|uprobe| uprobe.0 != pid);
    }

    /// Detaches and unloads one program, whether it was loaded or not.
    pub fn unload(&mut self, probe: &'static Probe) {
        self.attached.retain(|&program| program != probe.program);
        self.uprobes.retain(|u| u.1.program != probe.program);
        self.missed[probe.id as usize] += self.missed_by(probe);
        let (program, _) = self.program(probe.program);
        // A program that was never loaded says so; nothing to do then.
        let _ = match program {
            Program::BtfTracePoint(program) => program.unload(),
            Program::TracePoint(program) => program.unload(),
            Program::PerfEvent(program) => program.unload(),
            Program::UProbe(program) => program.unload(),
            _ => Ok(()),
        };
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
            self.unload(probe);
        }
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

    /// Takes the stacks of calls that last at least this, in ns, from now on.
    ///
    /// # Errors
    /// When the map is not usable.
    pub fn set_slow_calls(&mut self, least_ns: u64) -> Result<(), BpfError> {
        let name = "SLOW_CALL";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, u64> = Array::try_from(map).map_err(|e| map_error(name, e))?;
        map.set(0, least_ns, 0).map_err(|e| map_error(name, e))
    }

    /// Detaches and unloads the programs of one group.
    pub fn detach_group(&mut self, group: super::Group) {
        for probe in PROBES.iter().filter(|p| p.group == group) {
            self.unload(probe);
        }
    }

    /// Runs of the loaded programs and ns spent in them, as the kernel counts them while
    /// `kernel.bpf_stats_enabled` is set; zeros otherwise.
    #[must_use]
    pub fn run_time(&self) -> (u64, u64) {
        let info = |program: &Program| match program {
            Program::BtfTracePoint(program) => program.info().ok(),
            Program::TracePoint(program) => program.info().ok(),
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

    /// Whether a process is a target still. The kernel takes it out of the map when its last thread
    /// exits, before its pid can go to another process. A map that cannot be read says yes.
    #[must_use]
    pub fn is_target(&self, tgid: u32) -> bool {
        let map = self.ebpf.map("TARGETS");
        let map = map.and_then(|map| HashMap::<_, u32, u32>::try_from(map).ok());
        map.is_none_or(|map| !matches!(map.get(&tgid, 0), Err(MapError::KeyNotFound)))
    }

    /// Makes a process that has ended no target any more.
    pub fn forget_target(&mut self, tgid: u32) {
        let map = self.ebpf.map_mut("TARGETS");
        if let Some(Ok(mut map)) = map.map(HashMap::<_, u32, u32>::try_from) {
            // Not there is as good.
            let _ = map.remove(&tgid);
        }
        // Looked at only where there is a single target, which is this one.
        let gone = self.ebpf.map_mut("TARGET_GONE");
        if let Some(Ok(mut gone)) = gone.map(Array::<_, u32>::try_from) {
            let _ = gone.set(0, 1, 0);
        }
    }

    /// Tells where goroutines are found in a process, and where walks along their stacks may end,
    /// if that is known.
    ///
    /// # Errors
    /// When the map is full.
    pub fn set_go_offsets(
        &mut self,
        tgid: u32,
        offsets: GoOffsets,
        own: Option<OwnCode>,
    ) -> Result<(), BpfError> {
        let own_code = match own {
            Some(own) => self.set_own_code(tgid, own)?,
            None => 0,
        };
        let offsets = GoOffsets {
            own_code,
            ..offsets
        };
        self.insert("GO_TARGETS", tgid, Wire(offsets))
    }

    /// Returns its place, 0 when there is none left.
    fn set_own_code(&mut self, tgid: u32, own: OwnCode) -> Result<u32, BpfError> {
        let Some(place) = self.own_code.take(tgid) else {
            return Ok(0);
        };
        let name = "GO_OWN_CODE";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, Wire<OwnCode>> =
            Array::try_from(map).map_err(|e| map_error(name, e))?;
        map.set(place, Wire(own), 0)
            .map_err(|e| map_error(name, e))?;
        Ok(place)
    }

    /// Tells what the end-of-cycle probe copies in a process.
    ///
    /// # Errors
    /// When the map is full.
    pub fn set_gc_plan(&mut self, tgid: u32, plan: ReadPlan) -> Result<(), BpfError> {
        self.insert("GO_GC_PLANS", tgid, Wire(plan))
    }

    /// Tells where the scheduler of a process is, for stops of the world.
    ///
    /// # Errors
    /// When a map is full.
    pub fn set_stop_plan(&mut self, tgid: u32, scheduler: GoScheduler) -> Result<(), BpfError> {
        self.insert("GO_STOPS", tgid, Wire(GoStopState::default()))?;
        self.set_scheduler(tgid, scheduler)
    }

    /// Tells where the scheduler of a process is, for goroutines that come and go.
    ///
    /// # Errors
    /// When a map is full.
    pub fn set_scheduler(&mut self, tgid: u32, scheduler: GoScheduler) -> Result<(), BpfError> {
        self.insert("GO_SCHEDULERS", tgid, Wire(scheduler))
    }

    /// Adds up the assists of a process.
    ///
    /// # Errors
    /// When the map is full.
    pub fn sum_assists(&mut self, tgid: u32) -> Result<(), BpfError> {
        self.insert("GO_ASSIST_SUMS", tgid, Wire(GoAssistTime::default()))
    }

    /// Forgets what was told of a process that ended or became another program.
    pub fn forget_go(&mut self, tgid: u32) {
        self.forget::<GoOffsets>("GO_TARGETS", tgid);
        self.own_code.free(tgid);
        self.forget::<ReadPlan>("GO_GC_PLANS", tgid);
        self.forget::<GoScheduler>("GO_SCHEDULERS", tgid);
        self.forget::<GoStopState>("GO_STOPS", tgid);
        self.forget::<GoWaiting>("GO_WAITING", tgid);
        self.forget::<GoAssistTime>("GO_ASSIST_SUMS", tgid);
    }

    fn forget<T: Pod>(&mut self, name: &str, tgid: u32) {
        let map = self.ebpf.map_mut(name);
        if let Some(Ok(mut map)) = map.map(HashMap::<_, u32, Wire<T>>::try_from) {
            // Not there is as good.
            let _ = map.remove(&tgid);
        }
    }

    fn set_capture_rules(&mut self, rules: &[CaptureRules]) -> Result<(), BpfError> {
        let _undisturbed = self.undisturbed();
        let name = "CAPTURE_RULES";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, Wire<CaptureRules>> =
            Array::try_from(map).map_err(|e| map_error(name, e))?;
        for (nr, rules) in (0..).zip(rules) {
            map.set(nr, Wire(*rules), 0)
                .map_err(|e| map_error(name, e))?;
        }
        Ok(())
    }

    /// For the use of a map: programs, also another tracer's, would be kept from running meanwhile.
    pub(super) fn undisturbed(&self) -> Option<Undisturbed> {
        let wanted = self.abilities.steadier_by_perf;
        wanted.then(Undisturbed::begin).flatten()
    }

    pub(super) fn insert<V: aya::Pod>(
        &mut self,
        name: &'static str,
        key: u32,
        value: V,
    ) -> Result<(), BpfError> {
        let _undisturbed = self.undisturbed();
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

    /// Runs that the kernel left out since the start, in the order of [`ProbeId::ALL`]: at most so
    /// many events are missing. Those of other processes are among them.
    #[must_use]
    pub fn missed(&self) -> [u64; ProbeId::COUNT] {
        let mut missed = self.missed;
        for probe in PROBES {
            missed[probe.id as usize] += self.missed_by(probe);
        }
        missed
    }

    fn missed_by(&self, probe: &Probe) -> u64 {
        let fd = match self.ebpf.program(probe.program) {
            Some(Program::BtfTracePoint(program)) => program.fd(),
            Some(Program::TracePoint(program)) => program.fd(),
            Some(Program::PerfEvent(program)) => program.fd(),
            Some(Program::UProbe(program)) => program.fd(),
            _ => return 0,
        };
        // One that is not loaded has none.
        fd.map_or(0, |fd| recursion_misses(fd.as_fd()))
    }

    /// Sums of each probe's counters over all CPUs, in the order of [`ProbeId::ALL`].
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn counters(&self) -> Result<Vec<ProbeCounters>, BpfError> {
        let per_probe = self.counters_by_cpu()?;
        let sum = |cpus: &PerCpuValues<Wire<ProbeCounters>>| {
            let cpus = cpus.iter();
            cpus.fold(ProbeCounters::default(), |sum, c| add(sum, c.0))
        };
        Ok(per_probe.iter().map(sum).collect())
    }

    /// Counters of probes on CPUs where records were lost and no record has told it yet.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn untold(&self) -> Result<Vec<(ProbeId, u16, ProbeCounters)>, BpfError> {
        let mut untold = Vec::new();
        for (&probe, cpus) in ProbeId::ALL.iter().zip(self.counters_by_cpu()?.iter()) {
            let cpus = (0u16..).zip(cpus.iter());
            untold.extend(
                cpus.filter(|(_, c)| c.0.untold != 0)
                    .map(|(cpu, c)| (probe, cpu, c.0)),
            );
        }
        Ok(untold)
    }

    fn counters_by_cpu(&self) -> Result<Vec<PerCpuValues<Wire<ProbeCounters>>>, BpfError> {
        let _undisturbed = self.undisturbed();
        let name = "COUNTERS";
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        let map: PerCpuArray<_, Wire<ProbeCounters>> =
            PerCpuArray::try_from(map).map_err(|e| map_error(name, e))?;
        (0..ProbeId::COUNT as u32)
            .map(|i| map.get(&i, 0).map_err(|e| map_error(name, e)))
            .collect()
    }
}

fn program_error(probe: &Probe, source: ProgramError) -> BpfError {
    BpfError::Program {
        program: probe.program,
        source: Box::new(source),
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
        untold: a.untold + b.untold,
        // Has no sum.
        untold_since_ns: 0,
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
mod tests;
