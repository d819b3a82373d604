//! What a syscall's entry or exit copies from the target's memory: rules in, captures out.
//!
//! The user side compiles its syscall table into one [`CaptureRules`] per syscall number; a single
//! BPF interpreter runs them and appends one [`CaptureHeader`] with its bytes, padded to
//! [`CAPTURE_ALIGN`], per rule (or per string of an argument vector) to the record.

/// Rules per syscall. A power of two, so that a masked index is in bounds.
pub const MAX_RULES: usize = 8;
/// Highest syscall number that has rules and statistics, exclusive. Larger numbers are traced
/// without captures and counted together.
pub const MAX_SYSCALLS: u32 = 512;
/// Longest single capture in bytes (`PATH_MAX`).
pub const MAX_CAPTURE: usize = 4096;
/// Longest capture of a netlink message in bytes.
pub const MAX_MESSAGE: usize = 8176;
/// Strings taken from one argument vector.
pub const MAX_STRINGS: usize = 96;
/// Pointers counted in one vector.
pub const MAX_COUNT: usize = 512;
/// Directory entries counted in one buffer: more than fit in the 32 KiB that C libraries use.
pub const MAX_ENTRIES: usize = 1536;
/// Buffers followed from one `iovec` array.
pub const MAX_IOVECS: usize = 32;
/// Addresses in a [`kind::STACK`]: a write through the standard library's HTTP server and TLS has
/// about 20 frames above its caller's.
pub const STACK_FRAMES: usize = 24;
/// `arg` of a [`kind::STACK`], which is no argument.
pub const STACK_ARG: u8 = u8::MAX;
/// Alignment of each capture in a record, in bytes.
pub const CAPTURE_ALIGN: usize = 8;

/// Nothing is mapped below: the usual `vm.mmap_min_addr`, bytes.
pub const LOWEST_ADDRESS: u64 = 65_536;

/// How to copy.
pub mod kind {
    /// No rule.
    pub const NONE: u8 = 0;
    /// NUL-terminated string of at most [`super::MAX_CAPTURE`] bytes; the NUL is not counted.
    pub const STRING: u8 = 1;
    /// Bytes clipped to the session's string limit.
    pub const BUFFER: u8 = 2;
    /// Bytes of a structure or an array, clipped to [`super::MAX_CAPTURE`] only.
    pub const STRUCT: u8 = 3;
    /// `struct iovec[len]` as a `STRUCT` capture, then each buffer as a `BUFFER` capture whose
    /// `index` is one more than its place in the array.
    pub const IOVEC: u8 = 4;
    /// `char *[]` up to its NULL: one `STRING` capture a string, clipped to the string limit; a
    /// final capture with status `END` when the NULL was reached, or `FAULT` where the vector
    /// itself could not be read.
    pub const STRINGS: u8 = 5;
    /// The number of pointers in a `char *[]` before its NULL: no bytes, `wanted` is the count. At
    /// most [`super::MAX_COUNT`] are counted; then the status is `TRUNCATED`.
    pub const COUNT: u8 = 6;
    /// `struct msghdr`: several captures, told apart by `index`; see [`super::msghdr`]. At exit,
    /// buffers hold no more than the return value.
    pub const MSGHDR: u8 = 7;
    /// `struct mmsghdr[len]`: each as a `MSGHDR` of 64 bytes whose indexes begin at
    /// [`super::mmsghdr::STRIDE`] times its place; at most [`super::mmsghdr::MAX`]. Buffers are
    /// copied up to their length, whatever was returned, and to the string limit.
    pub const MMSGHDR: u8 = 8;
    /// As `BUFFER`; one that begins as a netlink message does is clipped to
    /// [`super::MAX_MESSAGE`] instead.
    pub const MESSAGE: u8 = 9;
    /// The number of directory entries (`struct linux_dirent64` or `linux_dirent`) in a buffer: no
    /// bytes, `wanted` is the count. At most [`super::MAX_ENTRIES`] are counted; then the status is
    /// `TRUNCATED`.
    pub const ENTRIES: u8 = 10;
    /// No rule: the six arguments, 48 bytes, at the exit of a failed call whose thread is confined by
    /// seccomp. A filter that lets a call fail does so before its entry can be seen.
    pub const ARGUMENTS: u8 = 11;
    /// No rule's: the first addresses of the caller's stack, `u64`s, innermost first, before all
    /// other captures of an entry. `arg` is [`super::STACK_ARG`]; `wanted` is the address to which
    /// the innermost function returns if it has no frame, which the walk along frame pointers
    /// does not show: the caller of such a function.
    pub const STACK: u8 = 12;
    /// Bit: what is copied is not where the argument points to, but where the pointer in word
    /// `word` there points to. A NULL there is skipped.
    pub const FOLLOW: u8 = 0x40;
    /// Bit: the argument may also be a number. One below [`super::LOWEST_ADDRESS`] is.
    pub const MAYBE: u8 = 0x80;
    /// All but the bits.
    pub const MASK: u8 = !(FOLLOW | MAYBE);
}

/// `index` of the captures of a [`kind::MSGHDR`] rule.
pub mod msghdr {
    /// The structure itself, 56 bytes.
    pub const HEADER: u8 = 0;
    /// `msg_name`, `msg_namelen` bytes. Left out when the pointer is NULL.
    pub const NAME: u8 = 1;
    /// `msg_control`, `msg_controllen` bytes. Left out when the pointer is NULL or the length 0.
    pub const CONTROL: u8 = 2;
    /// `msg_iov`, `msg_iovlen` structures of 16 bytes, at most [`super::MAX_IOVECS`].
    pub const IOVEC: u8 = 3;
    /// The first buffer, clipped to the string limit, or to [`super::MAX_MESSAGE`] when the name is
    /// a netlink address; the next ones have the next numbers.
    pub const BUFFERS: u8 = 4;
}

/// `index` of the captures of a [`kind::MMSGHDR`] rule.
pub mod mmsghdr {
    /// Indexes of one message; a power of two above those of [`super::msghdr`].
    pub const STRIDE: u8 = 16;
    /// Messages followed.
    pub const MAX: usize = 4;
    /// Buffers followed from one message.
    pub const BUFFERS: usize = 8;
}

/// When to copy; a bit set.
pub mod phase {
    /// At syscall entry.
    pub const ENTER: u8 = 1;
    /// At syscall exit, when the call did not fail, or was interrupted and goes on
    /// (`-ERESTART_RESTARTBLOCK`).
    pub const EXIT: u8 = 2;
}

/// Where the length of a `BUFFER`, `STRUCT` or `IOVEC` comes from.
pub mod len {
    /// `size` bytes.
    pub const FIXED: u8 = 0;
    /// The low 32 bits of argument `len_arg` times `size`: some counts are `int`s with anything in
    /// the upper half of the register, and larger ones are clipped anyway.
    pub const ARG: u8 = 1;
    /// The return value times `size` (exit only).
    pub const RET: u8 = 2;
    /// The `u32` that argument `len_arg` points to (a `socklen_t *`).
    pub const DEREF: u8 = 3;
    /// The `u32` in word `len_arg` of what the argument points to, times `size`.
    pub const FIELD: u8 = 4;
}

/// One rule. All zero means no rule.
///
/// A rule whose argument is below 4096 is skipped: that is NULL or a small number where a pointer
/// was possible, and no fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureRule {
    /// One of [`kind`].
    pub kind: u8,
    /// Index of the pointer argument, 0 to 5.
    pub arg: u8,
    /// Bits of [`phase`].
    pub phase: u8,
    /// One of [`len`].
    pub len_from: u8,
    /// Index of the argument that [`len::ARG`] and [`len::DEREF`] use, or the word of
    /// [`len::FIELD`].
    pub len_arg: u8,
    /// Words of 8 bytes after the address in the argument at which the copy, or the pointer to
    /// [`kind::FOLLOW`], begins. It is the first `index` of the captures.
    pub word: u8,
    /// Bytes, or bytes per element.
    pub size: u16,
}

crate::wire_type!(CaptureRule, size 8, {
    kind @ 0, arg @ 1, phase @ 2, len_from @ 3, len_arg @ 4, word @ 5, size @ 6,
});

/// The rules of one syscall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureRules {
    pub rules: [CaptureRule; MAX_RULES],
}

crate::wire_type!(CaptureRules, size 64, { rules @ 0 });

impl CaptureRules {
    /// Whether there is a rule for `phase`.
    #[must_use]
    pub fn has(&self, phase: u8) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.kind != kind::NONE && rule.phase & phase != 0)
    }
}

/// What became of a capture.
pub mod status {
    /// All of it is there.
    pub const OK: u8 = 0;
    /// Clipped to a limit; `wanted` says how long it was.
    pub const TRUNCATED: u8 = 1;
    /// The memory could not be read from the probe (unmapped, or not yet paged in).
    pub const FAULT: u8 = 2;
    /// The end of an argument vector was seen. No bytes.
    pub const END: u8 = 3;
    /// Added to one of the others: copied at exit, by a rule for the entry that could not read
    /// something there. The call does not change what such a rule copies.
    pub const LATE: u8 = 0x80;
}

/// Precedes the bytes of one capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureHeader {
    /// The rule's argument index.
    pub arg: u8,
    /// The rule's [`kind`], without [`kind::FOLLOW`].
    pub kind: u8,
    /// One of [`status`], with [`status::LATE`] or without.
    pub status: u8,
    /// The rule's word, plus the place in an argument vector, or 1 + place in an `iovec` array.
    pub index: u8,
    /// Bytes that follow, before padding.
    pub len: u32,
    /// Bytes there were to copy, as far as known; of a string that could not be read, its address.
    pub wanted: u64,
}

crate::wire_type!(CaptureHeader, size 16, {
    arg @ 0, kind @ 1, status @ 2, index @ 3, len @ 4, wanted @ 8,
});
