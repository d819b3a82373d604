//! The table of surfaces.

use super::accounting::peak_during;
use super::{
    core_file, files, go_image, go_memory, host_text, kernel_types, replay, syscalls, wire,
};

/// A way in for bytes of others.
#[derive(Clone, Copy, Debug)]
pub struct Surface {
    /// Name of the fuzz target, of its directory of seeds and of that of its corpus.
    pub name: &'static str,
    /// Takes any bytes; panics when a bound does not hold.
    pub run: fn(&[u8]),
    /// Bytes of memory one input of up to [`Surface::MAX_LEN`] may take.
    pub memory: usize,
}

const MIB: usize = 1 << 20;

/// All of them. A row needs a fuzz target and seeds; a test compares.
pub const SURFACES: &[Surface] = &[
    row("decode", wire::decode_records, MIB),
    row("recording", replay::read_recording, 24 * MIB),
    row("replay", replay::replay_events, 64 * MIB),
    row("go_binary", go_image::read_image, 8 * MIB),
    row("go_patched", go_image::read_patched_fixture, 64 * MIB),
    row("go_memory", go_memory::walk, MIB),
    row("core_file", core_file::read_core, 4 * MIB),
    row("filter", syscalls::parse_filter, 8 * MIB),
    row("syscall", syscalls::print_calls, 4 * MIB),
    row("proc_text", host_text::parse_proc_files, 8 * MIB),
    row("doctor", host_text::examine_host, 8 * MIB),
    row("kernel_types", kernel_types::read_btf, 4 * MIB),
    row("executable", files::examine_executable, 4 * MIB),
    row("symbolize", files::symbolize_apart, 64 * MIB),
    row("unwind_table", files::read_unwind_table, 16 * MIB),
    row("mapping_records", host_text::parse_mapping_records, 4 * MIB),
    row("redaction", host_text::redact, 4 * MIB),
];

const fn row(name: &'static str, run: fn(&[u8]), memory: usize) -> Surface {
    Surface { name, run, memory }
}

/// The surface of that name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn surface(name: &str) -> &'static Surface {
    let found = SURFACES.iter().find(|surface| surface.name == name);
    found.unwrap_or_else(|| panic!("no surface is called {name}"))
}

impl Surface {
    /// Longest input the bound on memory is made for, in bytes.
    pub const MAX_LEN: usize = 64 << 10;

    /// Feeds `bytes` to the surface and checks its memory, if the program counts it
    /// ([`super::Accounting`]).
    ///
    /// # Panics
    /// When a bound does not hold.
    pub fn check(&self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(Self::MAX_LEN)];
        let peak = peak_during(|| (self.run)(bytes));
        assert!(
            peak <= self.memory,
            "{}: {peak} bytes of memory for an input of {}",
            self.name,
            bytes.len()
        );
    }
}
