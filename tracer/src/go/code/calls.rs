//! Direct calls of one function.

use super::{amd64, arm64};
use crate::go::binary::{Arch, Binary, BinaryError};
use crate::go::pclntab::Function;

/// Largest function read, bytes.
const MAX_CODE: u64 = 64 << 10;

/// Offsets from the entry of `function` of the instructions that call the function at the link-time
/// address `target`, in their order.
///
/// Instructions are decoded in sequence from the entry; code that cannot be decoded ends the list.
pub(in crate::go) fn calls(
    binary: &Binary,
    function: &Function,
    target: u64,
) -> Result<Vec<u32>, BinaryError> {
    let len = function.end.saturating_sub(function.entry).min(MAX_CODE) as usize;
    let mut code = vec![0; len];
    binary.read_vaddr(function.entry, &mut code)?;
    Ok(calls_in(binary.arch(), &code, function.entry, target))
}

fn calls_in(arch: Arch, code: &[u8], entry: u64, target: u64) -> Vec<u32> {
    let all = match arch {
        Arch::Amd64 => amd64::calls(code, entry),
        Arch::Arm64 => arm64::calls(code, entry),
    };
    let wanted = all.into_iter().filter(|call| call.1 == target);
    wanted.map(|call| call.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_at_instructions_alone() {
        // mov $0xe8,%eax; call .+0x100; ret
        let code = [0xb8, 0xe8, 0, 0, 0, 0xe8, 0xfb, 0, 0, 0, 0xc3];
        assert_eq!(calls_in(Arch::Amd64, &code, 0x1000, 0x1105), [5]);
        assert!(calls_in(Arch::Amd64, &code, 0x1000, 0x1106).is_empty());
        // nop; bl .+0x20; bl .-4
        let words: [u32; 3] = [0xd503_201f, 0x9400_0008, 0x97ff_ffff];
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(calls_in(Arch::Arm64, &code, 0x1000, 0x1024), [4]);
        assert_eq!(calls_in(Arch::Arm64, &code, 0x1000, 0x1004), [8]);
    }
}
