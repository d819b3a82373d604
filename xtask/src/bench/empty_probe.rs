//! The floor under every syscall tracer: programs on raw_syscalls:sys_enter and sys_exit that
//! return at once. What they cost, nobody who uses these tracepoints can avoid.

use std::ffi::CStr;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};

/// Commands of bpf(2) and the program type, include/uapi/linux/bpf.h.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// `r0 = 0; exit`: struct bpf_insn, opcodes BPF_ALU64|BPF_MOV|BPF_K and BPF_JMP|BPF_EXIT.
const RETURN_ZERO: [u64; 2] = [
    u64::from_ne_bytes([0xb7, 0, 0, 0, 0, 0, 0, 0]),
    u64::from_ne_bytes([0x95, 0, 0, 0, 0, 0, 0, 0]),
];

/// The leading fields of union bpf_attr for BPF_PROG_LOAD.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The fields of union bpf_attr for BPF_RAW_TRACEPOINT_OPEN.
#[repr(C)]
struct OpenAttr {
    name: u64,
    prog_fd: u32,
    padding: u32,
}

/// Both programs, attached; they are gone when this is dropped.
pub(super) struct EmptyPair {
    _links: [OwnedFd; 2],
}

impl EmptyPair {
    /// Loads and attaches them, for every process on the machine.
    ///
    /// # Errors
    /// The kernel refuses: it takes CAP_BPF and CAP_PERFMON.
    pub(super) fn attach() -> Result<Self> {
        Ok(Self {
            _links: [open(c"sys_enter")?, open(c"sys_exit")?],
        })
    }
}

/// The link keeps its program loaded.
fn open(tracepoint: &CStr) -> Result<OwnedFd> {
    let program = load()?;
    let mut attr = OpenAttr {
        name: tracepoint.as_ptr() as u64,
        prog_fd: u32::try_from(program.as_raw_fd())?,
        padding: 0,
    };
    bpf(BPF_RAW_TRACEPOINT_OPEN, &mut attr)
        .with_context(|| format!("the kernel does not attach to {tracepoint:?}"))
}

fn load() -> Result<OwnedFd> {
    let mut attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
        insn_cnt: u32::try_from(RETURN_ZERO.len())?,
        insns: RETURN_ZERO.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    bpf(BPF_PROG_LOAD, &mut attr).context("the kernel does not load an empty BPF program")
}

/// bpf(2) for commands that return a descriptor.
fn bpf<T>(command: libc::c_long, attr: &mut T) -> Result<OwnedFd> {
    let pointer: *mut T = attr;
    // SAFETY: `attr` is valid for its whole size, which is passed along, and the addresses in it
    // are those of constants. The kernel takes the fields that are left out for zero.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, mem::size_of::<T>()) };
    let fd = i32::try_from(fd)?;
    if fd < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
