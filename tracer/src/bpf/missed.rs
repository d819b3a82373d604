//! Runs of programs that the kernel left out.
//!
//! A program does not run while it is already running on the same CPU. Where a thread can be
//! preempted in a program (Linux 7.2: those at the entry and exit of syscalls), the runs of all
//! other threads on that CPU are left out until it goes on. The kernel counts them since Linux 5.12.

use std::os::fd::{AsRawFd, BorrowedFd};

const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
/// Words of `struct bpf_prog_info` up to `verified_insns` (include/uapi/linux/bpf.h).
const WORDS: usize = 28;
/// `recursion_misses`
const MISSES: usize = 26;

/// The argument of the command: `union bpf_attr`'s `info`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// Runs of a program that were left out since it was loaded, for all processes; 0 where the kernel
/// does not count them.
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> u64 {
    info(program).map_or(0, |info| info[MISSES])
}

fn info(program: BorrowedFd<'_>) -> Option<[u64; WORDS]> {
    // What the kernel would copy more than numbers it copies only where the caller gives an
    // address and a length; all are 0.
    let mut info = [0u64; WORDS];
    let mut attr = InfoAttr {
        fd: program.as_raw_fd().cast_unsigned(),
        len: size_of_val(&info) as u32,
        info: info.as_mut_ptr().addr() as u64,
    };
    // SAFETY: the kernel reads and writes as many bytes at `info` as `len` says and reads the
    // attribute, whose size is given; both live until the call returns.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<InfoAttr>(),
        )
    };
    (failed == 0).then_some(info)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_is_no_program_has_no_misses() {
        let file = std::fs::File::open("/dev/null").expect("there");
        assert_eq!(info(file.as_fd()), None);
        assert_eq!(recursion_misses(file.as_fd()), 0);
    }

    /// The words around the one that is read hold what the loader library finds there.
    #[test]
    fn the_information_has_the_kernel_s_layout() {
        let loaded = aya::programs::loaded_programs().flatten();
        for program in loaded {
            let Ok(fd) = program.fd() else { continue };
            let Some(words) = info(fd.as_fd()) else {
                continue;
            };
            assert_eq!(words[0] >> 32, u64::from(program.id()));
            if let Some(verified) = program.verified_instruction_count() {
                assert_eq!(words[MISSES + 1] & 0xffff_ffff, u64::from(verified));
            }
        }
    }
}
