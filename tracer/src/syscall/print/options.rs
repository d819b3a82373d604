//! How much of a call is shown, and in which form.

use crate::syscall::filter::SyscallSet;
use crate::syscall::qualify::DescriptorDetails;
use crate::syscall::table;

/// How calls are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// `-s`: bytes of a string and elements of an array to show.
    pub string_limit: usize,
    /// `-x`, `-xx`.
    pub escapes: Escapes,
    /// `-X`.
    pub constants: Constants,
    /// `-e raw=`: calls whose arguments are shown as numbers.
    pub raw: SyscallSet,
    /// `-e verbose=`: calls whose structures are followed.
    pub verbose: SyscallSet,
    /// `-e abbrev=`: calls whose structures are shortened.
    pub abbrev: SyscallSet,
    /// `-N`: each argument with its name.
    pub argument_names: bool,
    /// `-y`: what is said of descriptors.
    pub descriptors: DescriptorDetails,
    /// `-Y`: ids of processes and threads with their names.
    pub thread_names: bool,
    /// Interfaces are those of this machine and have names.
    pub interface_names: bool,
    /// Tables of descriptors are needed, even if nothing is said of them.
    pub track_descriptors: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            string_limit: 32,
            escapes: Escapes::default(),
            constants: Constants::default(),
            raw: SyscallSet::NONE,
            verbose: SyscallSet::ALL,
            abbrev: SyscallSet::ALL,
            argument_names: false,
            descriptors: DescriptorDetails::NONE,
            thread_names: false,
            interface_names: false,
            track_descriptors: false,
        }
    }
}

impl DecodeOptions {
    /// Whether programs are shown with their environment.
    #[must_use]
    pub fn shows_environments(&self) -> bool {
        let calls = ["execve", "execveat"]
            .into_iter()
            .filter_map(table::by_name);
        calls.into_iter().any(|nr| !self.abbrev.contains(nr))
    }

    /// All defaults but the string limit.
    #[must_use]
    pub fn limited(string_limit: usize) -> Self {
        Self {
            string_limit,
            ..Self::default()
        }
    }
}

/// Form of what is not printable in strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escapes {
    /// `\33`
    #[default]
    Octal,
    /// `\x1b`, other characters as they are.
    Hex,
    /// `-x`: all of a string that has such a byte in hexadecimal.
    HexStrings,
    /// `-xx`: all strings in hexadecimal.
    AllHex,
}

/// Form of named constants and flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Constants {
    /// `O_RDONLY`
    #[default]
    Names,
    /// `0x4`
    Numbers,
    /// `0x4 /* R_OK */`
    Both,
}
