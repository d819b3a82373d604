//! Structures as lists of fields: `{name=value, …}`.

use crate::syscall::flags::Names;
use crate::syscall::signal::push_signal;

use super::printer::{Printer, put};
use super::struct_bytes::StructBytes;

/// Name, offset in bytes, and form of a field.
pub(super) type Field = (&'static str, usize, As);

/// How a field is printed, and its width in bits where that matters.
#[derive(Clone, Copy)]
pub(super) enum As {
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Hex8,
    Hex16,
    Hex32,
    Hex64,
    Pointer,
    Octal32,
    /// A user or group id.
    Id,
    Signal,
    Flags16(&'static Names),
    Flags32(&'static Names),
    Flags64(&'static Names),
    Name16(&'static Names),
    Name32(&'static Names),
    Name64(&'static Names),
    /// Printed from the bytes that begin there.
    With(fn(&mut Printer<'_>, &[u8])),
}

impl Printer<'_> {
    /// Prints `{a=1, b=2}`.
    pub(super) fn record(&mut self, b: &[u8], fields: &[Field]) {
        self.text("{");
        self.fields(b, fields);
        self.text("}");
    }

    /// Prints `a=1, b=2`.
    pub(super) fn fields(&mut self, b: &[u8], fields: &[Field]) {
        for (i, field) in fields.iter().enumerate() {
            self.text(if i > 0 { ", " } else { "" });
            self.field(b, *field);
        }
    }

    /// Prints `, a=1, b=2`.
    pub(super) fn more_fields(&mut self, b: &[u8], fields: &[Field]) {
        for field in fields {
            self.text(", ");
            self.field(b, *field);
        }
    }

    pub(super) fn field(&mut self, b: &[u8], (name, at, form): Field) {
        put!(self, "{name}=");
        match form {
            As::U8 => put!(self, "{}", b.u8_at(at)),
            As::I16 => put!(self, "{}", b.u16_at(at).cast_signed()),
            As::U16 => put!(self, "{}", b.u16_at(at)),
            As::I32 => put!(self, "{}", b.i32_at(at)),
            As::U32 => put!(self, "{}", b.u32_at(at)),
            As::I64 => put!(self, "{}", b.i64_at(at)),
            As::U64 => put!(self, "{}", b.u64_at(at)),
            As::Hex8 => self.hex(b.u8_at(at).into()),
            As::Hex16 => self.hex(b.u16_at(at).into()),
            As::Hex32 => self.hex(b.u32_at(at).into()),
            As::Hex64 => self.hex(b.u64_at(at)),
            As::Pointer => self.pointer(b.u64_at(at)),
            As::Octal32 => self.octal(b.u32_at(at)),
            As::Id => self.id(b.u32_at(at)),
            As::Signal => push_signal(&mut self.out, b.u32_at(at)),
            As::Flags16(names) => self.flags(names, b.u16_at(at).into()),
            As::Flags32(names) => self.flags(names, b.u32_at(at).into()),
            As::Flags64(names) => self.flags(names, b.u64_at(at)),
            As::Name16(names) => self.name(names, b.u16_at(at).into()),
            As::Name32(names) => self.name(names, b.u32_at(at).into()),
            As::Name64(names) => self.name(names, b.u64_at(at)),
            As::With(print) => print(self, b.get(at..).unwrap_or_default()),
        }
    }
}
