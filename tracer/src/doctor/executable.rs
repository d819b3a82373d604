//! What an ELF executable allows: names and stacks.

use std::fs::File;
use std::io;

use object::read::ReadCache;
use object::{Architecture, Object, ObjectKind, ObjectSection, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};

/// Largest file examined: symbol tables are read whole, and no executable is near it.
const MAX_FILE: u64 = 8 << 30;

/// Functions whose beginning is looked at.
const MAX_FUNCTIONS: usize = 2048;

/// Why a file was not examined.
#[derive(Debug, thiserror::Error)]
pub enum ExecutableError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(
        "it is larger than {} and was not examined",
        crate::term::bytes(MAX_FILE)
    )]
    TooLarge,
    #[error("it is no ELF file that can be read: {0}")]
    Format(#[from] object::Error),
}

/// Whether functions keep a frame pointer, judged by how the file's functions begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FramePointers {
    /// Most functions set one up.
    Likely,
    /// Some do.
    Partly,
    /// Hardly any does.
    Unlikely,
    /// No function could be found.
    Unknown,
}

/// What a file tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutableFacts {
    /// Without a symbol table; what dynamic linking needs may be there.
    pub stripped: bool,
    /// Has DWARF line tables in it.
    pub debug_info: bool,
    pub position_independent: bool,
    pub statically_linked: bool,
    pub frame_pointers: FramePointers,
    /// Lower-case hexadecimal digits.
    pub build_id: Option<String>,
}

impl ExecutableFacts {
    /// Examines an executable.
    ///
    /// # Errors
    /// When it cannot be read or is no ELF file.
    pub fn read(file: File) -> Result<Self, ExecutableError> {
        if file.metadata()?.len() > MAX_FILE {
            return Err(ExecutableError::TooLarge);
        }
        let cache = ReadCache::new(file);
        let elf = object::File::parse(&cache)?;
        let has = |name| elf.section_by_name(name).is_some();
        Ok(Self {
            stripped: !has(".symtab"),
            debug_info: has(".debug_line") || has(".zdebug_line"),
            position_independent: elf.kind() == ObjectKind::Dynamic,
            statically_linked: !has(".interp"),
            frame_pointers: frame_pointers(&elf),
            build_id: elf.build_id()?.map(hex),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn frame_pointers<'a>(elf: &impl Object<'a>) -> FramePointers {
    let (mut functions, mut with) = (0, 0);
    for prologue in prologues(elf).take(MAX_FUNCTIONS) {
        functions += 1;
        with += usize::from(sets_frame_pointer(elf.architecture(), &prologue));
    }
    judge(functions, with)
}

/// A leaf need not set one up even where the compiler keeps them, so half is most.
fn judge(functions: usize, with: usize) -> FramePointers {
    match with * 100 {
        _ if functions < 8 => FramePointers::Unknown,
        share if share >= functions * 50 => FramePointers::Likely,
        share if share >= functions * 10 => FramePointers::Partly,
        _ => FramePointers::Unlikely,
    }
}

/// First bytes of the functions in `.text` that have a name and at least 16 bytes.
fn prologues<'a: 'b, 'b, E: Object<'a>>(elf: &'b E) -> impl Iterator<Item = [u8; 16]> + 'b {
    let text = elf.section_by_name(".text");
    let is_function = |symbol: &(u64, u64, SymbolKind)| symbol.2 == SymbolKind::Text;
    let found = elf.symbols().chain(elf.dynamic_symbols());
    found
        .map(|symbol| (symbol.address(), symbol.size(), symbol.kind()))
        .filter(is_function)
        .filter(|symbol| symbol.1 >= 16)
        .filter_map(move |symbol| {
            let bytes = text.as_ref()?.data_range(symbol.0, 16).ok()??;
            bytes.try_into().ok()
        })
}

/// `push %rbp; mov %rsp,%rbp` near the start, or `stp x29, x30, [sp, #-N]!`.
fn sets_frame_pointer(architecture: Architecture, code: &[u8; 16]) -> bool {
    const X86: [[u8; 4]; 2] = [[0x55, 0x48, 0x89, 0xe5], [0x55, 0x48, 0x8b, 0xec]];
    match architecture {
        // After an endbr64, which is 4 bytes, at the latest.
        Architecture::X86_64 => code[..8]
            .windows(4)
            .any(|window| X86.iter().any(|push| window == push)),
        Architecture::Aarch64 => code
            .as_chunks()
            .0
            .iter()
            .any(|&instruction| u32::from_le_bytes(instruction) & 0xffc0_7fff == 0xa980_7bfd),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_is_a_position_independent_executable_with_symbols() {
        let own = File::open("/proc/self/exe").expect("we run");
        let facts = ExecutableFacts::read(own).expect("an ELF file");
        assert!(!facts.stripped);
        assert!(facts.position_independent);
        assert_ne!(facts.frame_pointers, FramePointers::Unknown);
    }

    #[test]
    fn what_is_no_executable_is_refused() {
        let text = File::open("/proc/self/status").expect("we run");
        assert!(matches!(
            ExecutableFacts::read(text),
            Err(ExecutableError::Format(_))
        ));
    }

    #[test]
    fn prologues_of_both_architectures_are_known() {
        let mut code = [0x90; 16];
        assert!(!sets_frame_pointer(Architecture::X86_64, &code));
        code[4..8].copy_from_slice(&[0x55, 0x48, 0x89, 0xe5]);
        assert!(sets_frame_pointer(Architecture::X86_64, &code));
        assert!(!sets_frame_pointer(Architecture::Aarch64, &code));
        // paciasp; stp x29, x30, [sp, #-48]!
        code[..8].copy_from_slice(&[0x3f, 0x23, 0x03, 0xd5, 0xfd, 0x7b, 0xbd, 0xa9]);
        assert!(sets_frame_pointer(Architecture::Aarch64, &code));
    }

    #[test]
    fn shares_are_judged() {
        for (functions, with, want) in [
            (7, 7, FramePointers::Unknown),
            (100, 50, FramePointers::Likely),
            (100, 49, FramePointers::Partly),
            (100, 9, FramePointers::Unlikely),
        ] {
            assert_eq!(judge(functions, with), want, "{with} of {functions}");
        }
    }
}
