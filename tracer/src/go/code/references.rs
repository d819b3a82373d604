//! PC-relative references of one function, whatever the architecture.

use crate::go::binary::{Arch, Binary, BinaryError};
use crate::go::pclntab::Function;

/// Largest function read, bytes. The runtime's largest are some 10 KiB.
const MAX_CODE: u64 = 256 << 10;

/// What an instruction does at the address it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Access {
    /// Takes the address.
    Address,
    /// Reads a 64-bit word, alone or as the operand of a computation.
    Load64,
    /// Writes a 64-bit register.
    Store64,
    /// Anything else: other widths, read-modify-write, immediates.
    Other,
}

/// One PC-relative reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Reference {
    /// Offset of the instruction from the function's entry.
    pub(in crate::go) at: u32,
    /// Link-time address referred to.
    pub(in crate::go) target: u64,
    /// What is done there.
    pub(in crate::go) access: Access,
}

/// The references of `function` in instruction order.
///
/// Code that cannot be decoded ends the list: what was found before it is sound, since
/// instructions are decoded in sequence from the entry.
pub(in crate::go) fn references(
    binary: &Binary,
    function: &Function,
) -> Result<Vec<Reference>, BinaryError> {
    let len = function.end.saturating_sub(function.entry).min(MAX_CODE) as usize;
    let mut code = vec![0; len];
    binary.read_vaddr(function.entry, &mut code)?;
    Ok(match binary.arch() {
        Arch::Amd64 => super::amd64::references(&code, function.entry),
        Arch::Arm64 => super::arm64::references(&code, function.entry),
    })
}
