//! Kernel keys: which arguments of `keyctl` count, and what they are, depends on the operation.

use tracer_common::capture::kind;

use crate::syscall::arg::{self, Comma, Custom};
use crate::syscall::errno::errno;
use crate::syscall::flags::process;

use super::fields::As;
use super::printer::{Phase, Printer, put};
use super::rule::{ENTER, EXIT, data, fixed, returned, string};
use super::struct_bytes::StructBytes;

/// What an argument of `keyctl` is.
#[derive(Clone, Copy)]
enum Form {
    /// Id of a key or a keyring.
    Key,
    Dec,
    Size,
    Id,
    Hex,
    Pointer,
    Text,
    /// Data of the length in the next argument.
    DataIn,
    /// Data that the kernel stores in a buffer of the size in the next argument.
    DataOut,
    /// The same, ending in a NUL.
    TextOut,
    Permissions,
    Default,
    Error,
    MoveFlags,
    /// `struct keyctl_dh_params`.
    Parameters,
    Bytes,
}

/// The arguments after the operation (`linux/keyctl.h`).
fn forms(operation: u32) -> &'static [Form] {
    use Form::*;
    match operation {
        // GET_KEYRING_ID, JOIN_SESSION_KEYRING, UPDATE.
        0 => &[Key, Dec],
        1 => &[Text],
        2 => &[Key, DataIn, Size],
        // REVOKE, CLEAR, ASSUME_AUTHORITY, INVALIDATE.
        3 | 7 | 16 | 21 => &[Key],
        // CHOWN, SETPERM.
        4 => &[Key, Id, Id],
        5 => &[Key, Permissions],
        // DESCRIBE, GET_SECURITY; READ.
        6 | 17 => &[Key, TextOut, Size],
        11 => &[Key, DataOut, Size],
        // LINK, UNLINK.
        8 | 9 => &[Key, Key],
        // SEARCH, INSTANTIATE, NEGATE.
        10 => &[Key, Text, Text, Key],
        12 => &[Key, DataIn, Size, Key],
        13 => &[Key, Dec, Key],
        // SET_REQKEY_KEYRING, SET_TIMEOUT, SESSION_TO_PARENT.
        14 => &[Default],
        15 => &[Key, Dec],
        18 => &[],
        // REJECT, INSTANTIATE_IOV, GET_PERSISTENT.
        19 => &[Key, Dec, Error, Key],
        20 => &[Key, Pointer, Size, Key],
        22 => &[Id, Key],
        // DH_COMPUTE, MOVE, CAPABILITIES.
        23 => &[Parameters, DataOut, Size, Pointer],
        30 => &[Key, Key, Key, MoveFlags],
        31 => &[Bytes, Size],
        _ => &[Hex, Hex, Hex, Hex],
    }
}

/// First argument of `keyctl`.
pub static KEYCTL_1: Custom = Custom {
    rules: &[string(ENTER), fixed(ENTER, 12), returned(1)],
    shown: |args| !forms(args[0] as u32).is_empty(),
    ..KEYCTL_TEMPLATE
};

/// Second argument.
pub static KEYCTL_2: Custom = Custom {
    rules: &[string(ENTER), data(ENTER, 3), data(EXIT, 3)],
    shown: |args| forms(args[0] as u32).len() >= 2,
    ..KEYCTL_TEMPLATE
};

/// Third argument.
pub static KEYCTL_3: Custom = Custom {
    rules: &[string(ENTER)],
    shown: |args| forms(args[0] as u32).len() >= 3,
    ..KEYCTL_TEMPLATE
};

/// Fourth argument.
pub static KEYCTL_4: Custom = Custom {
    shown: |args| forms(args[0] as u32).len() >= 4,
    ..KEYCTL_TEMPLATE
};

const KEYCTL_TEMPLATE: Custom = Custom {
    form: Some(arg::Form::Any),
    rules: &[],
    // What the kernel stores stands in the second argument, or the first of the last operation.
    at_exit: |args| matches!(args[0] as u32, 6 | 11 | 17 | 23 | 31),
    shown: |_| true,
    comma: Comma::Early,
    print: |p, index| {
        if let Some(form) = forms(p.arg(0) as u32).get(index - 1) {
            p.key_argument(index, *form);
        }
    },
    ..Custom::PLAIN
};

/// Id of a key.
pub static KEY: Custom = Custom {
    form: Some(arg::Form::Int32),
    print: |p, index| p.key(p.arg(index)),
    ..Custom::PLAIN
};

impl Printer<'_> {
    fn key(&mut self, value: u64) {
        match process::KEY_SERIAL.get(value & 0xffff_ffff) {
            Some(name) => self.text(name),
            None => put!(self, "{}", value as i32),
        }
    }

    fn key_argument(&mut self, index: usize, form: Form) {
        let value = self.arg(index);
        match form {
            Form::Key => self.key(value),
            Form::Dec => put!(self, "{}", value as u32),
            Form::Size => put!(self, "{value}"),
            Form::Id => self.id(value as u32),
            Form::Hex => self.hex(value),
            Form::Pointer => self.pointer(value),
            Form::Text => self.text_arg(index),
            Form::Permissions => self.flags(&process::KEY_PERM, value & 0xffff_ffff),
            Form::Default => self.name(&process::KEY_REQKEY, value & 0xffff_ffff),
            Form::MoveFlags => self.flags(&process::KEYCTL_MOVE, value & 0xffff_ffff),
            Form::Error => match errno(value as u32) {
                Some((name, _)) => self.text(name),
                None => put!(self, "{}", value as u32),
            },
            Form::Parameters => match self.capture_of(Phase::Enter, index, kind::STRUCT) {
                Some(b) => self.record(
                    b,
                    &[
                        ("private", 0, As::I32),
                        ("prime", 4, As::I32),
                        ("base", 8, As::I32),
                    ],
                ),
                None => self.address_of(index),
            },
            Form::DataIn => match self.capture_of(Phase::Enter, index, kind::BUFFER) {
                Some(b) => self.string(b, self.arg(index + 1)),
                None => self.address_of(index),
            },
            Form::DataOut | Form::TextOut => self.key_data(index, form),
            Form::Bytes => match self.capture_of(Phase::Exit, index, kind::STRUCT) {
                Some(b) => self.array(b, 1, b.len() as u64, |p, b| p.hex(b.u8_at(0).into())),
                None => self.address_of(index),
            },
        }
    }

    /// As many bytes as there were, or as the buffer holds.
    fn key_data(&mut self, index: usize, form: Form) {
        let Some(b) = self.capture_of(Phase::Exit, index, kind::BUFFER) else {
            return self.address_of(index);
        };
        let stored = self.ret().cast_unsigned().min(self.arg(index + 1));
        let nul = matches!(form, Form::TextOut) && stored == self.ret().cast_unsigned();
        let len = stored.saturating_sub(u64::from(nul));
        let have = b.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        self.string(&b[..have], len);
    }
}
