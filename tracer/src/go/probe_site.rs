//! Where in a Go function a probe may sit.
//!
//! A Go function begins with a stack check whose slow path grows the stack, or yields to a
//! preemption request, and then jumps back to the entry: a probe there fires again for one call.
//! Behind the check, arguments are still in their registers, each call passes once, and since Go
//! 1.21 the instruction is `push %rbp`, which the kernel emulates instead of single-stepping.
//!
//! Encodings: `cmd/internal/obj/x86/obj6.go` and `cmd/internal/obj/arm64/obj7.go` (`stacksplit`),
//! checked against builds of Go 1.19 to 1.27.

use crate::go::binary::elf::u32_at;
use crate::go::binary::{Arch, Binary, BinaryError};
use crate::go::code::calls;
use crate::go::pclntab::Function;

/// Bytes of a function that [`ProbeSite::decode`] needs at most.
pub const PROLOGUE_LEN: usize = 64;

/// A place for a uprobe inside a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeSite {
    /// Offset from the function's entry.
    pub offset: u32,
    /// The kernel must single-step the instruction: each hit costs several times as much.
    pub single_stepped: bool,
    /// A stack check precedes the site; false for functions that have none (`//go:nosplit`).
    pub after_check: bool,
}

/// Why no site could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ProbeSiteError {
    /// The function begins with instructions this crate does not know.
    #[error("unknown prologue {bytes:02x?} of the function at {entry:#x}; it cannot be probed")]
    Unknown {
        /// Link-time address of the function.
        entry: u64,
        /// Its first bytes.
        bytes: Vec<u8>,
    },
    /// The address is not in an executable segment of the file.
    #[error("the function at {entry:#x} is not in the file's text; is it the right executable?")]
    NotText {
        /// Link-time address of the function.
        entry: u64,
    },
    /// Another function is not called from as many places as are known.
    #[error(
        "the function at {entry:#x} calls the one at {target:#x} in {count} places, not in {known}"
    )]
    Calls {
        /// Link-time address of the function.
        entry: u64,
        /// That of the one called.
        target: u64,
        /// How often it is called.
        count: usize,
        /// How often it should be.
        known: usize,
    },
    /// The bytes could not be read.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

impl ProbeSite {
    /// Chooses the site in `function` and returns it with its file offset for the attach call.
    pub fn locate(binary: &Binary, function: &Function) -> Result<(Self, u64), ProbeSiteError> {
        let entry = function.entry;
        if !binary.is_text(entry) {
            return Err(ProbeSiteError::NotText { entry });
        }
        let len = function.end.saturating_sub(entry).min(PROLOGUE_LEN as u64) as usize;
        let mut code = [0; PROLOGUE_LEN];
        binary.read_vaddr(entry, &mut code[..len])?;
        let code = &code[..len];
        let unknown = || ProbeSiteError::Unknown {
            entry,
            bytes: code[..len.min(16)].to_vec(),
        };
        let site = Self::decode(binary.arch(), code).ok_or_else(unknown)?;
        let at = binary.vaddr_to_file_offset(entry.wrapping_add(u64::from(site.offset)));
        at.map(|at| (site, at))
            .ok_or(ProbeSiteError::NotText { entry })
    }

    /// The place where `function` calls the function at the link-time address `target` for the time
    /// `which`, from 0 on, in the order of the code; there must be `known` of them. With its file
    /// offset. The kernel emulates calls.
    ///
    /// # Errors
    /// When it calls it in fewer places, or in more.
    pub fn locate_call(
        binary: &Binary,
        function: &Function,
        target: u64,
        (which, known): (usize, usize),
    ) -> Result<(Self, u64), ProbeSiteError> {
        let entry = function.entry;
        let found = calls(binary, function, target)?;
        let count = found.len();
        let place = found.get(which).filter(|_| count == known);
        let Some(&offset) = place else {
            return Err(ProbeSiteError::Calls {
                entry,
                target,
                count,
                known,
            });
        };
        let site = Self {
            offset,
            single_stepped: false,
            after_check: true,
        };
        let at = binary.vaddr_to_file_offset(entry.wrapping_add(u64::from(offset)));
        at.map(|at| (site, at))
            .ok_or(ProbeSiteError::NotText { entry })
    }

    /// The place to which the one call of the function at the link-time address `target` in
    /// `function` returns, with its file offset.
    ///
    /// # Errors
    /// When it calls it nowhere, or in several places.
    pub fn locate_return(
        binary: &Binary,
        function: &Function,
        target: u64,
    ) -> Result<(Self, u64), ProbeSiteError> {
        let (call, at) = Self::locate_call(binary, function, target, (0, 1))?;
        // `call rel32`, `bl`.
        let len = match binary.arch() {
            Arch::Amd64 => 5,
            Arch::Arm64 => 4,
        };
        let site = Self {
            offset: call.offset + len,
            single_stepped: true,
            ..call
        };
        Ok((site, at + u64::from(len)))
    }

    /// Chooses the site from the first bytes of a function; `None` if they are not a prologue
    /// this crate knows.
    pub fn decode(arch: Arch, code: &[u8]) -> Option<Self> {
        match arch {
            Arch::Amd64 => decode_amd64(code),
            Arch::Arm64 => decode_arm64(code),
        }
    }
}

const PUSH_RBP: u8 = 0x55;

fn decode_amd64(code: &[u8]) -> Option<ProbeSite> {
    if let Some(body) = amd64_body(code) {
        let single_stepped = *code.get(body)? != PUSH_RBP;
        return Some(ProbeSite {
            offset: body as u32,
            single_stepped,
            after_check: true,
        });
    }
    let mut starts = [[0x55, 0x48, 0x89, 0xe5], [0x55, 0x48, 0x8b, 0xec]].iter();
    if starts.any(|start| code.starts_with(start)) {
        return Some(ProbeSite {
            offset: 0,
            single_stepped: false,
            after_check: false,
        });
    }
    // Frames of nosplit functions before Go 1.21: sub $N,%rsp, then the base pointer is saved.
    if code.starts_with(&[0x48, 0x83, 0xec]) || code.starts_with(&[0x48, 0x81, 0xec]) {
        return Some(ProbeSite {
            offset: 0,
            single_stepped: true,
            after_check: false,
        });
    }
    None
}

/// Offset behind the stack check.
fn amd64_body(code: &[u8]) -> Option<usize> {
    // Small frames compare %rsp itself; larger ones what it will be, in %r12.
    let (at, compare) = if code.starts_with(&[0x4c, 0x8d, 0x64, 0x24]) {
        (5, 0x4d) // lea disp8(%rsp),%r12
    } else if code.starts_with(&[0x4c, 0x8d, 0xa4, 0x24]) {
        (8, 0x4d) // lea disp32(%rsp),%r12
    } else if code.starts_with(&[0x49, 0x89, 0xe4, 0x49, 0x81, 0xec]) {
        // mov %rsp,%r12; sub $imm32,%r12; jb morestack: frames that could wrap below zero
        (10 + jump_len(code.get(10..)?, 0x72, 0x82)?, 0x4d)
    } else {
        (0, 0x49)
    };
    // cmp 0x10(%r14),%rsp|%r12; 0x18 on the system stack
    let [rex, 0x3b, 0x66, 0x10 | 0x18] = *code.get(at..at + 4)? else {
        return None;
    };
    if rex != compare {
        return None;
    }
    Some(at + 4 + jump_len(code.get(at + 4..)?, 0x76, 0x86)?)
}

/// Length of the conditional jump `code` begins with, short or near; it must go forward.
fn jump_len(code: &[u8], short: u8, near: u8) -> Option<usize> {
    match *code {
        [op, distance, ..] if op == short && distance < 0x80 => Some(2),
        [0x0f, op, _, _, _, high, ..] if op == near && high < 0x80 => Some(6),
        _ => None,
    }
}

fn decode_arm64(code: &[u8]) -> Option<ProbeSite> {
    let words: Vec<u32> = code.chunks_exact(4).map(|word| u32_at(word, 0)).collect();
    let (&first, rest) = words.split_first()?;
    if !a64_loads_guard(first) {
        let known = a64_opens_frame(first);
        return known.then_some(ProbeSite {
            offset: 0,
            single_stepped: true,
            after_check: false,
        });
    }
    // The frame's end is computed in x17 when it is large, then compared: b.ls to the slow path.
    let compare = rest
        .iter()
        .position(|&word| !a64_computes_frame_end(word))?;
    let branch = rest.get(compare + 1).copied()?;
    let known = a64_compares_guard(rest[compare]) && a64_branches_forward(branch, 9);
    known.then_some(ProbeSite {
        offset: (compare as u32 + 3) * 4,
        single_stepped: true,
        after_check: true,
    })
}

/// `ldr x16,[x28,#0x10]`; `#0x18` on the system stack.
fn a64_loads_guard(word: u32) -> bool {
    word == 0xf940_0b90 || word == 0xf940_0f90
}

/// `str x30,[sp,#-N]!` or, for large frames, `sub x20,sp,#N`.
fn a64_opens_frame(word: u32) -> bool {
    word & 0xfff0_0fff == 0xf810_0ffe || word & 0xff80_03ff == 0xd100_03f4
}

/// `sub x17,sp,#N`, or the longer form for frames that could wrap below zero:
/// `mov x27,#N` (movz, movn, movk or orr), `subs x17,sp,#N|x27`, `b.lo`.
fn a64_computes_frame_end(word: u32) -> bool {
    let subtract_number = word & 0xdf80_03ff == 0xd100_03f1 || word & 0xdf80_03ff == 0xd100_0231;
    let subtract_register = word & 0xdfff_ffff == 0xcb3b_63f1;
    let load_number = word & 0x9f80_001f == 0x9280_001b || word & 0xff80_001f == 0xb200_001b;
    subtract_number || subtract_register || load_number || a64_branches_forward(word, 3)
}

/// `cmp sp,x16` or `cmp x17,x16`.
fn a64_compares_guard(word: u32) -> bool {
    word == 0xeb30_63ff || word == 0xeb10_023f
}

/// `b.cond` with a positive distance.
fn a64_branches_forward(word: u32, condition: u32) -> bool {
    word & 0xff00_001f == 0x5400_0000 | condition && word & 0x0080_0000 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amd64(code: &[u8]) -> Option<(u32, bool, bool)> {
        let site = ProbeSite::decode(Arch::Amd64, code)?;
        Some((site.offset, site.single_stepped, site.after_check))
    }

    #[test]
    fn amd64_checks_of_every_form() {
        // cmp 0x10(%r14),%rsp; jbe; push %rbp
        assert_eq!(
            amd64(&[0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55]),
            Some((6, false, true))
        );
        let near = [0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x20, 1, 0, 0, 0x55];
        assert_eq!(amd64(&near), Some((10, false, true)));
        // lea -0x70(%rsp),%r12; cmp 0x10(%r14),%r12; jbe near; sub $0x70,%rsp (Go 1.19)
        let lea = [
            0x4c, 0x8d, 0x64, 0x24, 0x90, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 1, 0, 0, 0x48,
            0x81,
        ];
        assert_eq!(amd64(&lea), Some((15, true, true)));
        let lea32 = [
            0x4c, 0x8d, 0xa4, 0x24, 0, 0xff, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 1,
            0, 0, 0x55,
        ];
        assert_eq!(amd64(&lea32), Some((18, false, true)));
        let huge = [
            0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0, 0x20, 0, 0, 0x72, 0x30, 0x4d, 0x3b, 0x66, 0x10,
            0x76, 0x20, 0x55,
        ];
        assert_eq!(amd64(&huge), Some((18, false, true)));
        assert_eq!(
            amd64(&[0x55, 0x48, 0x89, 0xe5, 0x90]),
            Some((0, false, false))
        );
    }

    #[test]
    fn amd64_refuses_what_is_not_a_prologue() {
        let cases: [&[u8]; 6] = [
            &[],
            &[0x49, 0x3b, 0x66, 0x10],
            &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x80, 0x55],
            &[0x4d, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55],
            &[0x49, 0x3b, 0x66, 0x20, 0x76, 0x20, 0x55],
            &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x20],
        ];
        for code in cases {
            assert_eq!(amd64(code), None, "{code:02x?}");
        }
    }

    #[test]
    fn arm64_checks_of_every_form() {
        let site = |words: &[u32]| {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            ProbeSite::decode(Arch::Arm64, &code).map(|site| (site.offset, site.after_check))
        };
        // Go 1.27.3: freeStackSpans, gcStart, casgstatus
        assert_eq!(
            site(&[0xf940_0b90, 0xeb30_63ff, 0x5400_0a49, 0xf819_0ffe]),
            Some((12, true))
        );
        let large = [
            0xf940_0b90,
            0xd102_c3f1,
            0xeb10_023f,
            0x5400_38a9,
            0xd104_c3f4,
        ];
        assert_eq!(site(&large), Some((16, true)));
        assert_eq!(site(&[0xf819_0ffe, 0xf81f_83fd]), Some((0, false)));
        assert_eq!(site(&[0xf940_0b90, 0xeb30_63ff, 0x54ff_ffe9]), None);
        assert_eq!(site(&[0xd280_0000]), None);
        assert_eq!(site(&[0xf940_0b90]), None);
    }
}
