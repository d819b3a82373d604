//! What is known of target processes from `/proc`: where files are mapped, and the files
//! themselves, kept open so that they can be read after the process or its files are gone.

mod address_space;
mod files;
mod maps;

pub use address_space::{AddressSpace, AddressSpaceError};
pub use files::{MappedFile, MappedFiles};
pub use maps::{Mapping, Maps, Perms};
