//! What a row of the syscall table says: name, classes, arguments, result.

use super::class::Class;
use super::flags::Names;
use super::machine::Machine;
use super::print::Printer;
use tracer_common::capture::CaptureRule;

/// One syscall.
#[derive(Debug)]
pub struct Syscall {
    /// By [`Machine`]; `None` where it has no such call, or another row for it.
    pub(super) numbers: [Option<u16>; 2],
    pub name: &'static str,
    pub classes: Class,
    /// At most six.
    pub args: &'static [Arg],
    pub ret: Ret,
}

impl Syscall {
    /// The number on a machine, if this is the row of that machine's call.
    #[must_use]
    pub fn number(&self, machine: Machine) -> Option<u32> {
        self.numbers[machine as usize].map(u32::from)
    }
}

/// Name and kind of an argument.
pub type Arg = (&'static str, Kind);

/// Arguments of a call, as the kernel got them.
pub type Registers = [u64; 6];

/// What an argument is: this decides what is captured and how it is printed.
///
/// A number in a variant is the index of another argument.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `int`.
    Int,
    /// `unsigned int`.
    UInt,
    /// `long`.
    Long,
    /// `unsigned long`.
    ULong,
    /// 64 bits in hexadecimal.
    Hex,
    /// 32 bits in hexadecimal.
    Hex32,
    /// An address that is not followed.
    Ptr,
    /// Permission bits in octal.
    Mode,
    /// File type and permission bits.
    FileMode,
    Fd,
    /// The number that a descriptor is to have: another one may have it.
    NewFd,
    /// A descriptor or `AT_FDCWD`.
    DirFd,
    /// Signal number.
    Signal,
    /// Pathname: never shortened.
    Path,
    /// NUL-terminated text, shortened to the string limit.
    Text,
    /// Bytes the caller passes, of the length in another argument.
    BytesIn(u8),
    /// Bytes the kernel stores, as many as it returns.
    BytesOut,
    /// As [`Self::BytesIn`], of a socket: netlink messages are shown whole.
    MessageIn(u8),
    /// As [`Self::BytesOut`], of a socket.
    MessageOut,
    /// 32 bits of flags.
    Flags(&'static Names),
    /// 64 bits of flags.
    Flags64(&'static Names),
    /// One of several values.
    Enum(&'static Names),
    /// A structure the caller passes.
    In(&'static Layout),
    /// A structure the kernel stores.
    Out(&'static Layout),
    /// An array the caller passes, its count in another argument.
    ArrayIn(&'static Layout, u8),
    /// An array the kernel stores, as many elements as it returns.
    ArrayOut(&'static Layout),
    /// A socket address the caller passes, its length in another argument.
    SockaddrIn(u8),
    /// A socket address the kernel stores, its length behind another argument.
    SockaddrOut(u8),
    /// `socklen_t *` that the kernel updates.
    LenPtr,
    /// `struct iovec[]` with data to write, its count in another argument.
    IovecIn(u8),
    /// `struct iovec[]` that is filled, its count in another argument.
    IovecOut(u8),
    /// `struct msghdr` with data to send.
    MsgIn,
    /// `struct msghdr` that is filled.
    MsgOut,
    /// Argument vector.
    Argv,
    /// Environment, of which only the number of entries is shown where structures are shortened.
    Envp,
    /// Anything with a shape of its own.
    Custom(&'static Custom),
}

/// A structure of fixed size.
pub struct Layout {
    /// Bytes.
    pub size: u16,
    /// Prints a value; gets at least `size` bytes.
    pub print: fn(&mut Printer<'_>, &[u8]),
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Layout({} bytes)", self.size)
    }
}

/// An argument whose shape depends on other arguments.
pub struct Custom {
    /// What to copy; the argument index is filled in.
    pub rules: &'static [CaptureRule],
    /// Whether the argument can only be printed after the call.
    pub at_exit: fn(&Registers) -> bool,
    /// Whether the argument is printed at all.
    pub shown: fn(&Registers) -> bool,
    /// When the comma before it is printed.
    pub comma: Comma,
    /// Prints argument number `index`.
    pub print: fn(&mut Printer<'_>, index: usize),
    /// What it is to a program; unless given, data when something is copied.
    pub form: Option<Form>,
    /// The register that is printed, where it is not the argument's own.
    pub register: Option<u8>,
}

/// What an argument is to a program that reads a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Int32,
    UInt32,
    Int64,
    UInt64,
    /// A pointer that is not followed.
    Address,
    /// A descriptor, or `AT_FDCWD`.
    Fd,
    Signal,
    /// Permission bits.
    Mode,
    Flags32,
    Flags64,
    /// One of several named values.
    Enum,
    /// A pointer to a file's name.
    Path,
    /// A pointer to text.
    Text,
    /// A pointer to bytes.
    Bytes,
    /// A pointer to a structure, an array, an address of a socket.
    Data,
    /// Depends on the other arguments.
    Any,
}

/// When the comma before an argument that waits for the end of the call is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Comma {
    /// At entry.
    #[default]
    Early,
    /// After the call.
    Late,
    /// After the call, by the argument's own printer.
    Own,
}

impl Custom {
    /// Printed at entry, always shown, nothing captured.
    pub const PLAIN: Self = Self {
        rules: &[],
        at_exit: |_| false,
        shown: |_| true,
        comma: Comma::Early,
        print: |_, _| (),
        form: None,
        register: None,
    };
}

impl std::fmt::Debug for Custom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custom")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// How a result that is no error is printed.
#[derive(Clone, Copy)]
pub enum Ret {
    Dec,
    Hex,
    /// The call does not return.
    Never,
    /// Prints the result and what strace adds to it.
    Custom(fn(&mut Printer<'_>, i64)),
}

impl std::fmt::Debug for Ret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Dec => "Dec",
            Self::Hex => "Hex",
            Self::Never => "Never",
            Self::Custom(_) => "Custom",
        })
    }
}

impl Kind {
    /// Whether the argument can only be printed after the call.
    #[must_use]
    pub fn at_exit(&self, args: &Registers) -> bool {
        match self {
            Self::BytesOut
            | Self::MessageOut
            | Self::Out(_)
            | Self::ArrayOut(_)
            | Self::LenPtr
            | Self::IovecOut(_)
            | Self::MsgOut => true,
            // The address stands before its length.
            Self::SockaddrOut(len) => {
                let len = usize::from(*len);
                args[len] != 0 && args[len - 1] != 0
            }
            Self::Custom(custom) => (custom.at_exit)(args),
            _ => false,
        }
    }

    /// Whether the argument is printed at all.
    #[must_use]
    pub fn shown(&self, args: &Registers) -> bool {
        match self {
            Self::Custom(custom) => (custom.shown)(args),
            _ => true,
        }
    }

    /// What the argument is to a program.
    #[must_use]
    pub const fn form(&self) -> Form {
        match self {
            Self::Int => Form::Int32,
            Self::UInt | Self::Hex32 => Form::UInt32,
            Self::Long => Form::Int64,
            Self::ULong | Self::Hex => Form::UInt64,
            Self::Ptr => Form::Address,
            Self::Mode | Self::FileMode => Form::Mode,
            Self::Fd | Self::NewFd | Self::DirFd => Form::Fd,
            Self::Signal => Form::Signal,
            Self::Path => Form::Path,
            Self::Text => Form::Text,
            Self::BytesIn(_) | Self::BytesOut => Form::Bytes,
            Self::Flags(_) => Form::Flags32,
            Self::Flags64(_) => Form::Flags64,
            Self::Enum(_) => Form::Enum,
            Self::Custom(Custom {
                form: Some(form), ..
            }) => *form,
            Self::Custom(custom) if custom.rules.is_empty() => Form::Any,
            _ => Form::Data,
        }
    }

    /// The register that argument number `index` is printed from.
    #[must_use]
    pub fn register(&self, index: usize) -> usize {
        match self {
            Self::Custom(custom) => custom.register.map_or(index, usize::from),
            _ => index,
        }
    }

    /// When the comma before the argument is printed.
    #[must_use]
    pub fn comma(&self) -> Comma {
        match self {
            Self::Custom(custom) => custom.comma,
            _ => Comma::Early,
        }
    }
}
