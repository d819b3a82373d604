//! The C library in a program that it is linked into.
//!
//! A linker puts the objects of libraries behind those that are the program's own, in the order in
//! which it comes to need them: from the first function of the library on, all is library. What is
//! seldom run stands before all of that, together with the program's.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use object::{Object, ObjectSegment, ObjectSymbol, ReadCache, SymbolKind};

/// Who begins the program in every C library.
const BEGIN: &str = "__libc_start_main";
/// Functions of the first objects that a linker takes: of glibc's archive `csu/libc-start.o`, and
/// of musl's, which is sorted by name, what is before `src/env/__libc_start_main.o`.
const FIRST: [&str; 14] = [
    BEGIN,
    "__libc_start_call_main",
    "__libc_init_first",
    "sysconf",
    "pathconf",
    "fpathconf",
    "isalnum",
    "isalpha",
    "isdigit",
    "isspace",
    "opendir",
    "fdopendir",
    "readdir",
    "closedir",
];
/// A function that glibc has among what is seldom run.
const SELDOM: &str = "abort";

/// Where the library is, in bytes from the start of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StaticLibrary(Range<u64>);

impl StaticLibrary {
    /// That of a file: empty where there is none, or the file has no symbols that say so.
    pub(super) fn of(path: &Path) -> Self {
        let found = File::open(path).ok().and_then(|file| {
            let cache = ReadCache::new(file);
            let elf = object::File::parse(&cache).ok()?;
            Some(Self(in_elf(&elf)?))
        });
        found.unwrap_or_default()
    }

    /// Whether a function is the library's; `offset` is one of its.
    pub(super) fn has(&self, offset: u64, function: &str) -> bool {
        !self.0.is_empty() && (self.0.contains(&offset) || function == SELDOM)
    }
}

fn in_elf<'a>(elf: &impl Object<'a>) -> Option<Range<u64>> {
    // Where another file is the library there is an interpreter, which is to load it.
    if elf.section_by_name(".interp").is_some() {
        return None;
    }
    let mut first = u64::MAX;
    let mut begins = false;
    for symbol in elf.symbols() {
        let is_function = symbol.is_definition() && symbol.kind() == SymbolKind::Text;
        let Some(name) = symbol.name().ok().filter(|_| is_function) else {
            continue;
        };
        if FIRST.contains(&name) {
            first = first.min(symbol.address());
            begins |= name == BEGIN;
        }
    }
    let segment = elf.segments().filter(|_| begins).find_map(|segment| {
        let into = first.checked_sub(segment.address())?;
        let (start, size) = segment.file_range();
        (into < size).then(|| Some(start.checked_add(into)?..start.checked_add(size)?))
    });
    segment.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_interpreter_and_what_is_no_program_have_none() {
        for file in ["/bin/sh", "/etc/passwd", "/nonexistent"] {
            let library = StaticLibrary::of(Path::new(file));
            assert_eq!(library, StaticLibrary::default(), "{file}");
            assert!(!library.has(0, "write") && !library.has(0, SELDOM));
        }
    }

    #[test]
    fn from_the_first_function_on_all_is_library() {
        let library = StaticLibrary(0x100..0x200);
        assert!(!library.has(0xff, "main") && library.has(0x100, "f") && !library.has(0x200, "f"));
        assert!(library.has(0x10, "abort") && !library.has(0x10, "worker.cold"));
    }
}
