//! ELF files of a target, in this process and in the one made to be sacrificed.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;

use tempfile::NamedTempFile;
use tracer::doctor::ExecutableFacts;
use tracer::event::Space;
use tracer::process::{AddressSpace, MappedFiles};
use tracer::symbol::{Address, Resolver};
use tracer::unwind::{FileTable, MAX_FILE_ROWS};

/// Text that the names of one address may take.
const TEXT_PER_ADDRESS: usize = 256 << 10;

/// The bytes as an executable that `doctor` describes.
pub(super) fn examine_executable(bytes: &[u8]) {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("rewound");
    if let Ok(facts) = ExecutableFacts::read(file) {
        let id = facts.build_id.unwrap_or_default();
        assert!(id.len() <= 2 * bytes.len(), "{} digits", id.len());
    }
}

/// The bytes as a file whose stacks are to be followed without frame pointers.
pub(super) fn read_unwind_table(bytes: &[u8]) {
    let Ok((table, build_id)) = FileTable::from_bytes(bytes.to_vec()) else {
        return;
    };
    let rows = &table.rows.rows;
    assert!(rows.len() <= MAX_FILE_ROWS, "{} rows", rows.len());
    let addresses = || rows.iter().map(|row| row >> 32);
    assert!(addresses().is_sorted_by(|a, b| a < b), "rows out of order");
    assert!(build_id.is_none_or(|id| (8..=64).contains(&id.len())));
}

/// The bytes as a file that a process runs code of: addresses in it are named as in a profile,
/// DWARF included, by the symbolizer's own process.
pub(super) fn symbolize_apart(bytes: &[u8]) {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    let Some(mapping) = CodeMapping::of(file.as_file(), bytes.len()) else {
        return;
    };
    let mut files = MappedFiles::default();
    let space = AddressSpace::snapshot(std::process::id(), &mut files).expect("own mappings");
    let addresses = addresses(mapping.start(), bytes.len());
    let mut resolver = Resolver::new();
    let symbols = resolver.resolve(&space, &addresses).addresses;
    assert_eq!(symbols.len(), addresses.len());
    for symbol in symbols {
        assert!(
            symbol
                .module
                .as_deref()
                .is_some_and(|m| Path::new(m) == file.path())
        );
        let texts = symbol
            .frames
            .iter()
            .map(|frame| frame.function.len() + frame.file.as_ref().map_or(0, String::len));
        let text = texts.sum::<usize>();
        assert!(
            text <= TEXT_PER_ADDRESS,
            "{text} bytes, {} frames",
            symbol.frames.len()
        );
    }
}

/// Addresses all over the file, as innermost frame and as caller.
fn addresses(start: u64, len: usize) -> Vec<Address> {
    let offsets = (0..len as u64).step_by(len / 200 + 1);
    let address = |offset| Address {
        space: Space::User,
        address: start + offset,
        caller: offset % 2 == 1,
    };
    offsets.map(address).collect()
}

/// An executable mapping of this process, whose code never runs.
struct CodeMapping {
    at: NonNull<libc::c_void>,
    len: usize,
}

impl CodeMapping {
    fn of(file: &File, len: usize) -> Option<Self> {
        // SAFETY: a new private mapping at a place the kernel chooses aliases nothing.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        let at = NonNull::new(at).filter(|at| at.as_ptr() != libc::MAP_FAILED)?;
        Some(Self { at, len })
    }

    fn start(&self) -> u64 {
        self.at.as_ptr() as u64
    }
}

impl Drop for CodeMapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing points into it.
        unsafe { libc::munmap(self.at.as_ptr(), self.len) };
    }
}
