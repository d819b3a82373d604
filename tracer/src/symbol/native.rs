//! Names from DWARF and ELF symbols, by file and offset in it.

use std::{cell::RefCell, collections::HashMap, fs::File, os::unix::fs::MetadataExt, path::Path};

use blazesym::symbolize::{
    CodeInfo, Input, Sym, Symbolized, Symbolizer,
    source::{Elf, Source},
};
use object::{Object, ReadCache};

use super::demangle::demangled;
use super::static_library::StaticLibrary;
use crate::event::{FrameSymbol, SymbolOrigin};

/// Largest file whose DWARF is read, in bytes. Reading it takes memory of two to three times its
/// debug sections.
const MAX_DWARF_FILE: u64 = 2 << 30;

/// Longest name of a function or file kept, in bytes. Names of C++ templates can take megabytes.
const MAX_NAME: usize = 4096;

/// Text of one address after which no more inlined calls are listed, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// Symbolizes offsets in ELF files. Parsed files are kept.
#[derive(Debug)]
pub(super) struct Native {
    symbolizer: Symbolizer,
    /// By device and inode.
    libraries: RefCell<HashMap<(u64, u64), StaticLibrary>>,
}

impl Default for Native {
    fn default() -> Self {
        // It would take the names of C functions for types of C++.
        let symbolizer = Symbolizer::builder().enable_demangling(false).build();
        Self {
            symbolizer,
            libraries: RefCell::default(),
        }
    }
}

impl Native {
    /// Names each offset in the file at `path`: innermost first, empty where nothing is known. The
    /// result is as long as `offsets`. Files that cannot be read as ELF name nothing.
    ///
    /// A file made to harm may panic, exhaust memory or not return: only [`super::worker`] calls
    /// this on files of a target.
    pub(super) fn symbolize(
        &self,
        path: &Path,
        offsets: &[u64],
        dwarf: bool,
    ) -> Vec<Vec<FrameSymbol>> {
        let mut elf = Elf::new(path);
        elf.debug_syms = dwarf && may_read_dwarf(path);
        let source = Source::Elf(elf);
        let found = match self
            .symbolizer
            .symbolize(&source, Input::FileOffset(offsets))
        {
            Ok(found) => found,
            Err(error) => {
                log::debug!("no symbols of {}: {error}", path.display());
                Vec::new()
            }
        };
        let mut frames: Vec<_> = found.iter().map(frames).collect();
        frames.resize_with(offsets.len(), Vec::new);
        self.mark_library(path, offsets, &mut frames);
        frames
    }

    /// Says of the functions of a C library that is part of the program whose they are.
    fn mark_library(&self, path: &Path, offsets: &[u64], frames: &mut [Vec<FrameSymbol>]) {
        let Ok(metadata) = path.metadata() else {
            return;
        };
        let id = (metadata.dev(), metadata.ino());
        let mut libraries = self.libraries.borrow_mut();
        let library = libraries
            .entry(id)
            .or_insert_with(|| StaticLibrary::of(path));
        for (&offset, frames) in offsets.iter().zip(frames) {
            let function = frames.last().map_or("", |f| f.function.as_str());
            if library.has(offset, function) {
                let origin = SymbolOrigin::CLibrary;
                frames.iter_mut().for_each(|f| f.origin = origin);
            }
        }
    }
}

/// Whether following the file's references to other files is harmless: they must be plain names,
/// which are looked up in the usual places, never paths of the target's choice.
fn may_read_dwarf(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    if file.metadata().map_or(true, |m| m.len() > MAX_DWARF_FILE) {
        return false;
    }
    let cache = ReadCache::new(file);
    let Ok(elf) = object::File::parse(&cache) else {
        return false;
    };
    let link = match elf.gnu_debuglink() {
        Ok(Some((name, _))) => !name.contains(&b'/'),
        Ok(None) => true,
        Err(_) => false,
    };
    let supplementary = elf.section_by_name(".gnu_debugaltlink").is_some()
        || elf.section_by_name(".debug_sup").is_some();
    link && !supplementary
}

fn frames(found: &Symbolized<'_>) -> Vec<FrameSymbol> {
    match found {
        Symbolized::Sym(sym) => frames_of(sym),
        Symbolized::Unknown(_) => Vec::new(),
    }
}

/// Inlined calls are listed outermost first; each has the position reached in it.
fn frames_of(sym: &Sym<'_>) -> Vec<FrameSymbol> {
    let mut text = 0;
    let inlined = sym.inlined.iter().rev().map_while(|call| {
        let frame = frame(&call.name, call.code_info.as_ref());
        // A frame without any text takes memory too.
        text += size_of_val(&frame) + frame.function.len();
        text += frame.file.as_ref().map_or(0, String::len);
        (text < MAX_TEXT).then_some(FrameSymbol {
            inlined: true,
            ..frame
        })
    });
    let function = FrameSymbol {
        offset: sym.offset as u64,
        ..frame(&sym.name, sym.code_info.as_deref())
    };
    inlined.chain([function]).collect()
}

/// The path, cut to what can be shown.
fn bounded(name: &str) -> String {
    let end = name.floor_char_boundary(MAX_NAME);
    name[..end].to_owned()
}

fn frame(name: &str, code: Option<&CodeInfo<'_>>) -> FrameSymbol {
    FrameSymbol {
        function: demangled(name, MAX_NAME),
        offset: 0,
        file: code.map(|c| bounded(&c.to_path().to_string_lossy())),
        line: code.and_then(|c| c.line),
        inlined: false,
        origin: SymbolOrigin::Native,
    }
}
