//! The parser of ELF symbols and DWARF itself, in this process. It is known to panic, to recurse
//! and to allocate without bound, which is why `tracer` runs it in a process of its own; what is
//! found here are seeds for the target `symbolize`, which checks that process.

#![no_main]

use std::io::Write;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolizer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    let source = Source::Elf(Elf::new(file.path()));
    let offsets: Vec<u64> = (0..bytes.len() as u64)
        .step_by(bytes.len() / 200 + 1)
        .collect();
    let _ = Symbolizer::new().symbolize(&source, Input::FileOffset(&offsets));
});
