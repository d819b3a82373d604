//! The running kernel, asked with the smallest maps and programs there are.
//!
//! Numbers and layouts are those of `include/uapi/linux/bpf.h` and `perf_event.h`, which are
//! stable. They are written down here because the question is what the kernel takes, apart from
//! what the loader library supports.

use std::cell::{OnceCell, RefCell};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use aya_obj::btf::{Btf, BtfKind};

use super::{
    Abilities, BpfError, Constants, Feature, Features, Group, Kernel, PROBES, Refusal, Sizes, Walk,
};

const BPF_MAP_CREATE: u32 = 0;
const BPF_PROG_LOAD: u32 = 5;
const BPF_BTF_LOAD: u32 = 18;
const BPF_LINK_CREATE: u32 = 28;

const MAP_TYPE_ARRAY: u32 = 2;
const MAP_TYPE_STACK_TRACE: u32 = 7;
const MAP_TYPE_RINGBUF: u32 = 27;
const MAP_TYPE_TASK_STORAGE: u32 = 29;
const F_NO_PREALLOC: u32 = 1;

const PROG_TYPE_KPROBE: u32 = 2;
const PROG_TYPE_PERF_EVENT: u32 = 7;
const PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const PROG_TYPE_TRACING: u32 = 26;
const TRACE_RAW_TP: u32 = 23;
const TRACE_UPROBE_MULTI: u32 = 48;
const F_SLEEPABLE: u32 = 1 << 4;

const FUNC_GET_STACKID: i32 = 27;
const FUNC_GET_STACK: i32 = 67;
const FUNC_GET_CURRENT_TASK_BTF: i32 = 158;
const FUNC_GET_ATTACH_COOKIE: i32 = 174;
const FUNC_TASK_PT_REGS: i32 = 175;
/// `BPF_F_USER_STACK`.
const F_USER_STACK: i32 = 1 << 8;

/// What a kernel loses that refuses the programs with unwind tables.
const WITHOUT_TABLES: &str = "stacks of code without frame pointers have no callers";

/// The kernel this program runs on.
#[derive(Debug, Default)]
pub struct RunningKernel {
    /// Megabytes, and only some features need it.
    btf: OnceCell<Option<Btf>>,
    /// The maps of tracer's own programs, at their smallest.
    own: OnceCell<Result<RefCell<Kernel>, BpfError>>,
}

impl Features for RunningKernel {
    fn try_feature(&self, feature: Feature) -> io::Result<()> {
        match feature {
            Feature::RingBuffer => try_ring_buffer(),
            Feature::TaskStorage => try_task_storage(),
            Feature::BtfTracepoint => self
                .try_tp_btf("btf_trace_sched_switch", 0)
                .and_then(|()| self.try_tp_btf("btf_trace_sys_enter", 0)),
            // Kernels before 6.12 or so take the flag for every tracepoint, without a meaning.
            Feature::FaultableSyscalls => {
                match self.try_tp_btf("btf_trace_sched_switch", F_SLEEPABLE) {
                    Ok(()) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
                    Err(_) => self.try_tp_btf("btf_trace_sys_enter", F_SLEEPABLE),
                }
            }
            Feature::CompareExchange => try_compare_exchange(),
            Feature::UnlockedMaps => try_unlocked_maps(),
            Feature::TypedTask => try_helper(FUNC_GET_CURRENT_TASK_BTF),
            Feature::AttachCookie => try_helper(FUNC_GET_ATTACH_COOKIE),
            Feature::GetStack => try_get_stack(),
            Feature::StackMap => try_stack_map(),
            Feature::UprobeMulti => try_uprobe_multi(0, libc::EBADF),
            // Only a kernel that filters by process refuses a negative pid before it looks at the
            // path: commit 46ba0e49b642 of Linux 6.10, also in 6.6.35 and 6.9.5.
            // One that has no such links refuses everything so.
            Feature::UprobeMultiProcess => try_uprobe_multi(0, libc::EBADF)
                .and_then(|()| try_uprobe_multi(u32::MAX, libc::EINVAL)),
            Feature::CpuClock => try_cpu_clock(),
            Feature::PerfTracepoint => try_perf_tracepoint(),
        }
    }

    fn try_programs(&self, group: Group) -> Vec<Refusal> {
        let own = self.own.get_or_init(|| self.load_own().map(RefCell::new));
        let all = PROBES.iter().filter(|probe| probe.group == group);
        match own {
            Ok(kernel) => {
                let mut kernel = kernel.borrow_mut();
                all.filter_map(|probe| {
                    let refusal = probe.refused(&kernel.try_probe(probe).err()?);
                    Some(match probe.walk {
                        // The other one is used in its place.
                        Walk::Tables => Refusal {
                            without: Some(WITHOUT_TABLES),
                            ..refusal
                        },
                        _ => refusal,
                    })
                })
                .collect()
            }
            // Without maps there are no programs; one row says why.
            Err(error) => all.map(|probe| probe.refused(error)).take(1).collect(),
        }
    }
}

impl RunningKernel {
    fn load_own(&self) -> Result<Kernel, BpfError> {
        let constants = Constants {
            want_goid: true,
            ..Constants::default()
        };
        let sizes = Sizes {
            ring_bytes: 0,
            off_cpu: false,
            wakers: false,
            on_cpu: false,
            syscall_stats: false,
            run_queue: false,
            go_stop: false,
            go_waits: false,
            go_creation: false,
            go_assists: false,
            go_handoffs: false,
            slow_calls: false,
            unwinding: true,
        };
        Kernel::load_for(&constants, sizes, Abilities::tried(self))
    }

    fn try_tp_btf(&self, typedef: &str, flags: u32) -> io::Result<()> {
        let btf = self.btf.get_or_init(|| Btf::from_sys_fs().ok());
        let id = btf
            .as_ref()
            .and_then(|btf| btf.id_by_type_name_kind(typedef, BtfKind::Typedef).ok())
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        let program = Program {
            expected_attach_type: TRACE_RAW_TP,
            attach_btf_id: id,
            flags,
            ..Program::new(PROG_TYPE_TRACING)
        };
        program.load().map(drop)
    }
}

/// `union bpf_attr`, filled by offset; what is not set is 0.
#[repr(C, align(8))]
struct Attr([u8; Self::SIZE]);

impl Attr {
    /// More than any command used here needs; kernels take a longer one whose rest is 0.
    const SIZE: usize = 128;

    fn new(fields: &[(usize, u32)]) -> Self {
        let mut attr = Self([0; Self::SIZE]);
        for &(offset, value) in fields {
            attr.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        }
        attr
    }

    /// A pointer: what it points to must outlive the system call.
    fn pointer<T: ?Sized>(mut self, offset: usize, target: &T) -> Self {
        // Exposed: the kernel reads through the number, so what is there must not be optimized away.
        let address = std::ptr::from_ref(target).expose_provenance() as u64;
        self.0[offset..offset + 8].copy_from_slice(&address.to_ne_bytes());
        self
    }

    /// Runs a command that makes a descriptor.
    ///
    /// # Safety
    /// Every pointer in the attribute must be valid for what the command reads from it, and the
    /// command must write to none.
    unsafe fn bpf(&self, command: u32) -> io::Result<OwnedFd> {
        // SAFETY: the kernel reads SIZE bytes of the attribute; the caller vouches for the rest.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_ptr(), Self::SIZE) };
        owned(fd)
    }
}

/// Takes a descriptor that a system call returned.
fn owned(returned: libc::c_long) -> io::Result<OwnedFd> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(returned).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call succeeded, so this is a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn create_map(fields: &[(usize, u32)]) -> io::Result<OwnedFd> {
    // SAFETY: BPF_MAP_CREATE's fields set here hold no pointer.
    unsafe { Attr::new(fields).bpf(BPF_MAP_CREATE) }
}

/// Offsets in `bpf_attr` for `BPF_MAP_CREATE`.
mod map {
    pub(super) const TYPE: usize = 0;
    pub(super) const KEY_SIZE: usize = 4;
    pub(super) const VALUE_SIZE: usize = 8;
    pub(super) const MAX_ENTRIES: usize = 12;
    pub(super) const FLAGS: usize = 16;
    pub(super) const BTF_FD: usize = 48;
    pub(super) const BTF_KEY_TYPE_ID: usize = 52;
    pub(super) const BTF_VALUE_TYPE_ID: usize = 56;
}

fn try_ring_buffer() -> io::Result<()> {
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = u32::try_from(page).unwrap_or(4096);
    create_map(&[(map::TYPE, MAP_TYPE_RINGBUF), (map::MAX_ENTRIES, page)]).map(drop)
}

fn try_task_storage() -> io::Result<()> {
    let btf = load_int_btf()?;
    create_map(&[
        (map::TYPE, MAP_TYPE_TASK_STORAGE),
        (map::KEY_SIZE, 4),
        (map::VALUE_SIZE, 4),
        (map::FLAGS, F_NO_PREALLOC),
        (map::BTF_FD, btf.as_raw_fd().cast_unsigned()),
        (map::BTF_KEY_TYPE_ID, 1),
        (map::BTF_VALUE_TYPE_ID, 1),
    ])
    .map(drop)
}

/// Type information with one type, `int`: task storage wants its key and value described.
fn load_int_btf() -> io::Result<OwnedFd> {
    const STRINGS: &[u8; 5] = b"\0int\0";
    // struct btf_header, then one struct btf_type of kind INT (1), 4 bytes, signed, 32 bits.
    let header: [u32; 6] = [0x0001_eb9f, 24, 0, 16, 16, STRINGS.len() as u32];
    let int: [u32; 4] = [1, 1 << 24, 4, (1 << 24) | 32];
    let words = header.into_iter().chain(int);
    let mut btf: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    if cfg!(target_endian = "big") {
        btf[..4].copy_from_slice(&[0xeb, 0x9f, 1, 0]);
    }
    btf.extend(STRINGS);
    let attr = Attr::new(&[(16, btf.len() as u32)]).pointer(0, btf.as_slice());
    // SAFETY: the pointer leads to as many bytes as the length says, alive until the call returns.
    unsafe { attr.bpf(BPF_BTF_LOAD) }
}

/// One instruction, `struct bpf_insn`.
fn instruction(code: u8, destination: u8, source: u8, imm: i32) -> [u8; 8] {
    memory_instruction(code, destination, source, 0, imm)
}

/// One instruction that uses memory at an offset from a register.
fn memory_instruction(code: u8, destination: u8, source: u8, offset: i16, imm: i32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[0] = code;
    bytes[1] = if cfg!(target_endian = "little") {
        destination | source << 4
    } else {
        destination << 4 | source
    };
    bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
    bytes[4..].copy_from_slice(&imm.to_ne_bytes());
    bytes
}

fn set(register: u8, value: i32) -> [u8; 8] {
    instruction(0xb7, register, 0, value)
}

fn call(helper: i32) -> [u8; 8] {
    instruction(0x85, 0, 0, helper)
}

/// The smallest program of a type.
struct Program<'a> {
    program_type: u32,
    expected_attach_type: u32,
    attach_btf_id: u32,
    flags: u32,
    /// Run before `r0 = 0; exit`, with the context in r1.
    body: &'a [[u8; 8]],
}

impl Program<'_> {
    fn new(program_type: u32) -> Self {
        Self {
            program_type,
            expected_attach_type: 0,
            attach_btf_id: 0,
            flags: 0,
            body: &[],
        }
    }

    fn load(&self) -> io::Result<OwnedFd> {
        const LICENSE: &CStr = c"GPL";
        let exit = instruction(0x95, 0, 0, 0);
        let instructions = [self.body, &[set(0, 0), exit]].concat();
        let attr = Attr::new(&[
            (0, self.program_type),
            (4, instructions.len() as u32),
            (44, self.flags),
            (68, self.expected_attach_type),
            (108, self.attach_btf_id),
        ])
        .pointer(8, instructions.as_slice())
        .pointer(16, LICENSE.to_bytes_with_nul());
        // SAFETY: the instructions are as many as the count says and the licence ends in NUL;
        // both live until the call returns. No log buffer is given.
        unsafe { attr.bpf(BPF_PROG_LOAD) }
    }
}

/// Before Linux 5.12 the only atomic instruction was the addition, with an immediate of 0.
fn try_compare_exchange() -> io::Result<()> {
    /// `BPF_ST | BPF_MEM | BPF_DW`.
    const STORE: u8 = 0x7a;
    /// `BPF_STX | BPF_ATOMIC | BPF_DW`.
    const ATOMIC: u8 = 0xdb;
    /// `BPF_CMPXCHG`: `BPF_FETCH` is part of it.
    const CMPXCHG: i32 = 0xf1;
    let program = Program {
        body: &[
            memory_instruction(STORE, 10, 0, -8, 0),
            set(0, 0),
            set(2, 1),
            memory_instruction(ATOMIC, 10, 2, -8, CMPXCHG),
        ],
        ..Program::new(PROG_TYPE_RAW_TRACEPOINT)
    };
    program.load().map(drop)
}

/// Makes a map while the limit on locked memory is 0.
fn try_unlocked_maps() -> io::Result<()> {
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is valid for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let none = libc::rlimit {
        rlim_cur: 0,
        ..before
    };
    // SAFETY: the pointer is valid for the call. Lowering one's own soft limit and raising it again
    // is always allowed; nothing here locks memory meanwhile.
    if unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let tried = create_map(&[
        (map::TYPE, MAP_TYPE_ARRAY),
        (map::KEY_SIZE, 4),
        (map::VALUE_SIZE, 8),
        (map::MAX_ENTRIES, 1),
    ]);
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const before) };
    tried.map(drop)
}

/// A helper that takes the context or nothing.
fn try_helper(helper: i32) -> io::Result<()> {
    let program = Program {
        body: &[call(helper)],
        ..Program::new(PROG_TYPE_KPROBE)
    };
    program.load().map(drop)
}

/// Whether programs are told where a task's user registers are: helper `bpf_task_pt_regs` (Linux
/// 5.15).
pub(super) fn tells_user_registers() -> bool {
    let program = Program {
        body: &[
            call(FUNC_GET_CURRENT_TASK_BTF),
            instruction(0xbf, 1, 0, 0),
            call(FUNC_TASK_PT_REGS),
        ],
        ..Program::new(PROG_TYPE_PERF_EVENT)
    };
    program.load().is_ok()
}

fn try_get_stack() -> io::Result<()> {
    let program = Program {
        body: &[
            instruction(0xbf, 2, 10, 0),
            instruction(0x07, 2, 0, -8),
            set(3, 8),
            set(4, F_USER_STACK),
            call(FUNC_GET_STACK),
        ],
        ..Program::new(PROG_TYPE_PERF_EVENT)
    };
    program.load().map(drop)
}

fn try_stack_map() -> io::Result<()> {
    let stacks = create_map(&[
        (map::TYPE, MAP_TYPE_STACK_TRACE),
        (map::KEY_SIZE, 4),
        (map::VALUE_SIZE, 8),
        (map::MAX_ENTRIES, 1),
    ])?;
    let program = Program {
        body: &[
            // A 16-byte load of the map's address, by its descriptor.
            instruction(0x18, 2, 1, stacks.as_raw_fd()),
            instruction(0, 0, 0, 0),
            set(3, F_USER_STACK),
            call(FUNC_GET_STACKID),
        ],
        ..Program::new(PROG_TYPE_PERF_EVENT)
    };
    program.load().map(drop)
}

/// Asks for a link to a path that is no file, which a kernel that has such links refuses with
/// `wanted`. Loading the program proves nothing: older kernels ignore its attach type.
fn try_uprobe_multi(pid: u32, wanted: i32) -> io::Result<()> {
    const NO_FILE: &CStr = c"/";
    let program = Program {
        expected_attach_type: TRACE_UPROBE_MULTI,
        ..Program::new(PROG_TYPE_KPROBE)
    };
    let program = program.load()?;
    let offset = 0u64;
    let attr = Attr::new(&[
        (0, program.as_raw_fd().cast_unsigned()),
        (8, TRACE_UPROBE_MULTI),
        (48, 1),
        (56, pid),
    ])
    .pointer(16, NO_FILE.to_bytes_with_nul())
    .pointer(24, &offset);
    // SAFETY: the path ends in NUL and the count says one offset; both live until the call returns.
    match unsafe { attr.bpf(BPF_LINK_CREATE) } {
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        Err(e) if e.raw_os_error() == Some(wanted) => Ok(()),
        Err(e) => Err(e),
    }
}

/// `struct perf_event_attr` as in its first version.
#[repr(C)]
struct PerfEventAttr {
    event_type: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    rest: [u64; 2],
}

fn try_cpu_clock() -> io::Result<()> {
    const SOFTWARE: u32 = 1;
    const CPU_CLOCK: u64 = 0;
    try_perf_event(SOFTWARE, CPU_CLOCK, 1_000_000_000)
}

/// Where the loader library looks for tracefs, in its order.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

fn try_perf_tracepoint() -> io::Result<()> {
    const TRACEPOINT: u32 = 2;
    let read = |dir| std::fs::read_to_string(format!("{dir}/events/raw_syscalls/sys_enter/id"));
    let id = read(TRACEFS[0]).or_else(|_| read(TRACEFS[1]))?;
    let id = id.trim().parse();
    let id = id.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    try_perf_event(TRACEPOINT, id, 1)
}

/// Opens an event on the first CPU for all processes; it is never switched on.
fn try_perf_event(event_type: u32, config: u64, sample_period: u64) -> io::Result<()> {
    const DISABLED: u64 = 1;
    const CLOEXEC: libc::c_ulong = 8;
    let mut attr = PerfEventAttr {
        event_type,
        size: size_of::<PerfEventAttr>() as u32,
        config,
        sample_period,
        sample_type: 0,
        read_format: 0,
        flags: DISABLED,
        rest: [0; 2],
    };
    let (all, first_cpu, no_group) = (-1, 0, -1);
    // SAFETY: the kernel reads the attribute, whose length is in it, and may write that length; the
    // other arguments are numbers.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw mut attr,
            all,
            first_cpu,
            no_group,
            CLOEXEC,
        )
    };
    owned(fd).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A malformed question would be answered with another error, such as EFAULT or E2BIG.
    #[test]
    fn every_feature_gets_a_definite_answer() {
        let kernel = RunningKernel::default();
        let refused: Vec<_> = Feature::ALL
            .iter()
            .filter_map(|&f| kernel.try_feature(f).err().map(|e| (f, e.raw_os_error())))
            .collect();
        println!("refused here: {refused:?}");
        for (feature, errno) in refused {
            let errno = errno.expect("a system call failed");
            assert!(
                [libc::EPERM, libc::EACCES, libc::EINVAL, libc::ENOENT].contains(&errno),
                "{feature:?}: {errno}"
            );
        }
        // What everything else is built on, where this process may ask at all.
        if kernel.try_feature(Feature::RingBuffer).is_ok() {
            for basic in [Feature::BtfTracepoint, Feature::StackMap, Feature::GetStack] {
                kernel
                    .try_feature(basic)
                    .expect("as old as the ring buffer");
            }
        }
    }

    #[test]
    fn instructions_are_laid_out_as_the_kernel_reads_them() {
        assert_eq!(set(3, -2), [0xb7, 3, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(
            memory_instruction(0xdb, 10, 2, -8, 0xf1),
            [0xdb, 0x2a, 0xf8, 0xff, 0xf1, 0, 0, 0]
        );
        assert_eq!(instruction(0x18, 2, 1, 7), [0x18, 0x12, 0, 0, 7, 0, 0, 0]);
        assert_eq!(size_of::<PerfEventAttr>(), 64, "PERF_ATTR_SIZE_VER0");
    }
}
