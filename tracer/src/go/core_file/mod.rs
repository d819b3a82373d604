//! ELF core files, as the kernel, gcore and Go debuggers write them: memory, registers, mappings.
//!
//! Formats: `fs/binfmt_elf.c` (`elf_core_dump`, `fill_files_note`), `include/uapi/linux/elf.h` and
//! `include/linux/elfcore.h` of Linux 6.x. Everything in a core is what a broken program left: all
//! counts and sizes are bounded, and a core that was cut off is read as far as it goes.

mod error;
mod file;
mod memory;
mod notes;

pub use error::CoreError;
pub use file::CoreFile;
pub use memory::CoreMemory;
pub use notes::{CoreMapping, CoreThread};
