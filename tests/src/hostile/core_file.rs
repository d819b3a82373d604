//! Core files of broken programs.

use std::hint::black_box;

use tracer::go::Memory;
use tracer::go::core_file::{CoreFile, CoreMemory};

/// Addresses that are read of each mapping and thread.
const READ: [u64; 3] = [0, 4090, u64::MAX];

/// Reads the bytes as a core, and memory at every address that it names.
pub(super) fn read_core(bytes: &[u8]) {
    let Ok(core) = CoreFile::parse(bytes.to_vec()) else {
        return;
    };
    // Each thread has more bytes than this in its note, each mapping some in the list.
    assert!(core.threads().len() <= bytes.len() / 100);
    assert!(core.mappings().len() <= bytes.len() / 24);
    let _ = black_box(core.program());
    let mut addresses: Vec<u64> = core.threads().iter().map(|thread| thread.sp).collect();
    addresses.extend(core.mappings().iter().map(|mapping| mapping.start));
    addresses.truncate(100);
    let memory = CoreMemory::without_program(core);
    let mut words = [0; 64];
    for address in addresses {
        for offset in READ {
            let _ = black_box(memory.read(address.wrapping_add(offset), &mut words));
        }
    }
}
