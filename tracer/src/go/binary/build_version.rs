//! `runtime.buildVersion`: the release of an executable from which the linker's record was removed.
//!
//! No name leads to the variable in a stripped file. `runtime.schedinit` (runtime/proc.go, Go 1.18
//! to 1.27) compares it with `""`, so one of the words that function refers to is the variable or
//! its length; its contents say which.

use std::collections::BTreeMap;

use super::error::BinaryError;
use super::file::Binary;
use crate::go::code::references;

const USER: &str = "runtime.schedinit";
/// Longest version, in bytes: `devel go1.27-0123456789 Mon Jan 2 15:04:05 2006 +0000 X:…`.
const MAX_LEN: u64 = 256;

/// The version string, if the code leads to one.
///
/// # Errors
/// The executable cannot be read or is damaged there.
pub(super) fn build_version(binary: &Binary) -> Result<Option<String>, BinaryError> {
    let Some(function) = binary.pclntab()?.find_function(USER)? else {
        return Ok(None);
    };
    let targets = references(binary, &function)?;
    // The variable is a pointer and a length; either may be what is referred to.
    let mut headers: Vec<u64> = targets
        .iter()
        .flat_map(|reference| [reference.target, reference.target.wrapping_sub(8)])
        .collect();
    headers.sort_unstable();
    headers.dedup();
    let pointers = moved_pointers(binary, &headers)?;
    let mut texts = headers
        .iter()
        .filter_map(|&at| text_of(binary, at, pointers.get(&at).copied()));
    Ok(texts.find(|text| is_version(text)))
}

/// What relocations put at the addresses, in files that are position-independent.
fn moved_pointers(binary: &Binary, wanted: &[u64]) -> Result<BTreeMap<u64, u64>, BinaryError> {
    let mut found = BTreeMap::new();
    if binary.is_pie() {
        binary.elf().relative_relocations(|at, addend| {
            if wanted.binary_search(&at).is_ok() {
                found.insert(at, addend);
            }
            None::<()>
        })?;
    }
    Ok(found)
}

/// The string whose header is at `at`, if its length is that of a version.
fn text_of(binary: &Binary, at: u64, moved: Option<u64>) -> Option<String> {
    let mut header = [0; 16];
    binary.read_vaddr(at, &mut header).ok()?;
    let (stored, len) = (
        super::elf::u64_at(&header, 0),
        super::elf::u64_at(&header, 8),
    );
    if !(4..=MAX_LEN).contains(&len) {
        return None;
    }
    let mut text = vec![0; len as usize];
    binary.read_vaddr(moved.unwrap_or(stored), &mut text).ok()?;
    String::from_utf8(text).ok()
}

fn is_version(text: &str) -> bool {
    let is_named = text.starts_with("go1.") || text.starts_with("devel ");
    is_named && text.bytes().all(|b| (b' '..0x7f).contains(&b))
}
