//! Where a thread keeps its current goroutine.

use super::binary::elf::u32_at;
use super::binary::{Arch, Binary, BinaryError};

/// Where to find the `*g` of a thread that runs Go code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurrentG {
    /// amd64: the word at `FS base + offset`. Threads that C code made and that never called Go
    /// hold 0 there.
    FsBase {
        /// Negative: Go uses the local-exec model.
        offset: i32,
        /// It is what the Go linker assigns, and was not read from the code.
        assumed: bool,
    },
    /// arm64: register 28, while the thread runs Go code.
    Register28 {
        /// With cgo also the word at `TPIDR_EL0 + offset`, valid in C code too.
        tls_offset: Option<u32>,
    },
}

/// Why the place could not be found.
#[derive(Debug, thiserror::Error)]
pub enum CurrentGError {
    /// The runtime reaches its goroutine in a way this crate does not decode.
    #[error(
        "{function} begins {bytes:02x?}: not a known way to reach the goroutine; goroutine ids are off"
    )]
    Unknown {
        /// The function that was decoded.
        function: &'static str,
        /// Its first bytes.
        bytes: Vec<u8>,
    },
    /// The executable could not be read.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

/// The slot below the thread pointer that the Go linker assigns without an external linker.
const LINKER_SLOT: i32 = -8;
const STACK_CHECK: &str = "runtime.stackcheck";
const LOAD_G: &str = "runtime.load_g";

impl CurrentG {
    /// Decodes the place from the runtime's own code: `runtime.stackcheck` on amd64,
    /// `runtime.load_g` on arm64.
    ///
    /// On amd64 without that function the Go linker's own slot is assumed for executables that are
    /// not position-independent; whoever uses it compares `m.procid` with the thread id, which an
    /// external linker's other slot would not pass.
    pub fn locate(binary: &Binary) -> Result<Self, CurrentGError> {
        match binary.arch() {
            Arch::Amd64 => locate_amd64(binary),
            Arch::Arm64 => locate_arm64(binary),
        }
    }
}

fn locate_amd64(binary: &Binary) -> Result<CurrentG, CurrentGError> {
    match first_bytes(binary, STACK_CHECK)? {
        Some(bytes) => {
            let offset = decode_amd64(&bytes);
            let unknown = CurrentGError::Unknown {
                function: STACK_CHECK,
                bytes,
            };
            offset
                .map(|offset| CurrentG::FsBase {
                    offset,
                    assumed: false,
                })
                .ok_or(unknown)
        }
        None if !binary.is_pie() => Ok(CurrentG::FsBase {
            offset: LINKER_SLOT,
            assumed: true,
        }),
        None => Err(CurrentGError::Unknown {
            function: STACK_CHECK,
            bytes: Vec::new(),
        }),
    }
}

/// `mov %fs:disp32,%rax`, or `mov $imm32,%rcx; mov %fs:(%rcx),%rax` in position-independent code.
fn decode_amd64(code: &[u8]) -> Option<i32> {
    const DIRECT: [u8; 5] = [0x64, 0x48, 0x8b, 0x04, 0x25];
    const THROUGH_RCX: [u8; 4] = [0x64, 0x48, 0x8b, 0x01];
    if let Some(rest) = code.strip_prefix(&DIRECT) {
        return rest.get(..4).map(|_| u32_at(rest, 0).cast_signed());
    }
    let rest = code.strip_prefix(&[0x48, 0xc7, 0xc1])?;
    rest.get(4..)?
        .starts_with(&THROUGH_RCX)
        .then(|| u32_at(rest, 0).cast_signed())
}

fn locate_arm64(binary: &Binary) -> Result<CurrentG, CurrentGError> {
    // `crosscall2` is linked only with runtime/cgo; without it the runtime never stores the TLS slot.
    if binary.pclntab()?.find_function("crosscall2")?.is_none() {
        return Ok(CurrentG::Register28 { tls_offset: None });
    }
    let bytes = first_bytes(binary, LOAD_G)?.unwrap_or_default();
    let tls_offset = decode_arm64(&bytes);
    if tls_offset.is_none() {
        return Err(CurrentGError::Unknown {
            function: LOAD_G,
            bytes,
        });
    }
    Ok(CurrentG::Register28 { tls_offset })
}

/// `mrs x0,tpidr_el0; movz x27,#offset`, or in position-independent executables, where the linker
/// has put constants into the place of a load, `movz x27,#high,lsl #16; movk x27,#low`.
fn decode_arm64(code: &[u8]) -> Option<u32> {
    const MOVZ: u32 = 0xd280_001b;
    const MOVZ_HIGH: u32 = 0xd2a0_001b;
    const MOVK: u32 = 0xf280_001b;
    let words: Vec<u32> = code.chunks_exact(4).map(|word| u32_at(word, 0)).collect();
    let at = words.iter().position(|&word| word == 0xd53b_d040)?;
    let number = |index: usize, operation: u32| {
        let word = *words.get(index)?;
        (word & 0xffe0_001f == operation).then_some(word >> 5 & 0xffff)
    };
    if let Some(offset) = number(at + 1, MOVZ) {
        return Some(offset);
    }
    Some(number(at + 1, MOVZ_HIGH)? << 16 | number(at + 2, MOVK)?)
}

fn first_bytes(binary: &Binary, name: &str) -> Result<Option<Vec<u8>>, BinaryError> {
    // An ABI wrapper of the same name may precede it in address order: take the one that decodes
    // the shortest, which is the assembly body.
    let functions = binary.pclntab()?.find_functions(&[name])?;
    let functions = functions.into_values().next().unwrap_or_default();
    let Some(function) = functions
        .iter()
        .min_by_key(|function| function.end.saturating_sub(function.entry))
    else {
        return Ok(None);
    };
    let len = (function.end.saturating_sub(function.entry)).min(48) as usize;
    let mut bytes = vec![0; len];
    binary.read_vaddr(function.entry, &mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amd64_forms() {
        let direct = [0x64, 0x48, 0x8b, 0x04, 0x25, 0xa8, 0xff, 0xff, 0xff, 0x48];
        assert_eq!(decode_amd64(&direct), Some(-88));
        let through = [
            0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x01, 0x48,
        ];
        assert_eq!(decode_amd64(&through), Some(-8));
        let got = [0x48, 0x8b, 0x0d, 1, 2, 3, 4, 0x64, 0x48, 0x8b, 0x01];
        assert_eq!(decode_amd64(&got), None);
        assert_eq!(decode_amd64(&direct[..8]), None);
    }

    #[test]
    fn arm64_forms() {
        let words = [
            0x9000_093b_u32,
            0x39a1_0760,
            0xb400_0080,
            0xd53b_d040,
            0xd280_021b,
            0xf87b_681c,
        ];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(decode_arm64(&code), Some(16));
        assert_eq!(decode_arm64(&code[..16]), None);
        // cgo with -buildmode=pie
        let words = [
            0xb400_00a0_u32,
            0xd53b_d040,
            0xd2a0_003b,
            0xf280_021b,
            0xf87b_681c,
        ];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(decode_arm64(&code), Some(0x1_0010));
        assert_eq!(decode_arm64(&code[..12]), None);
    }
}
