//! Data in hexadecimal and as text, for `-e read=` and `-e write=`.

use std::fmt::Write;

use crate::event::{SyscallEnter, SyscallExit};
use crate::syscall::arg::{Kind, Syscall};

/// Bytes of a line.
const ROW: usize = 16;

/// The data a call read or wrote, and how many bytes there were to copy.
pub(super) struct Data<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) len: u64,
    /// The kernel stored it.
    pub(super) input: bool,
}

/// The buffer of a call whose first argument is a descriptor and that returned its length.
pub(super) fn data<'a>(
    row: &Syscall,
    enter: &'a SyscallEnter,
    exit: &'a SyscallExit,
) -> Option<Data<'a>> {
    if exit.ret <= 0 {
        return None;
    }
    let Kind::Fd = row.args.first()?.1 else {
        return None;
    };
    let (index, input) = row
        .args
        .iter()
        .enumerate()
        .find_map(|(i, arg)| match arg.1 {
            Kind::BytesIn(_) | Kind::MessageIn(_) => Some((i, false)),
            Kind::BytesOut | Kind::MessageOut => Some((i, true)),
            _ => None,
        })?;
    let captures = if input {
        &exit.captures
    } else {
        &enter.captures
    };
    let capture = captures.iter().find(|c| usize::from(c.arg) == index)?;
    let len = exit.ret.unsigned_abs();
    let shown = capture.data.len().min(usize::try_from(len).ok()?);
    Some(Data {
        bytes: &capture.data[..shown],
        len,
        input,
    })
}

/// Lines as ` | 00000  68 65 6c 6c 6f 0a …  hello. |`, each with its newline.
pub(super) fn dump(data: &Data<'_>) -> String {
    let mut out = String::new();
    for (i, row) in data.bytes.chunks(ROW).enumerate() {
        let mut hex = String::new();
        for (at, byte) in row.iter().enumerate() {
            let gap = if at == ROW / 2 { " " } else { "" };
            let _ = write!(hex, "{gap}{byte:02x} ");
        }
        let text: String = row.iter().map(|&b| printable(b)).collect();
        let _ = writeln!(out, " | {:05x}  {hex:<49} {text:<16} |", i * ROW);
    }
    let missing = data.len.saturating_sub(data.bytes.len() as u64);
    if missing > 0 {
        let _ = writeln!(out, " | {missing} more bytes were not copied");
    }
    out
}

const fn printable(byte: u8) -> char {
    match byte {
        b' '..=b'~' => byte as char,
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What strace 6.1 printed for `echo hello` and for the head of an ELF file.
    #[test]
    fn rows_are_those_of_strace() {
        let hello = Data {
            bytes: b"hello\n",
            len: 6,
            input: false,
        };
        assert_eq!(
            dump(&hello),
            " | 00000  68 65 6c 6c 6f 0a                                 hello.           |\n"
        );
        let elf = [
            3, 0, 0x3e, 0, 1, 0, 0, 0, 0x10, 0x74, 2, 0, 0, 0, 0, 0, 0x40,
        ];
        let elf = Data {
            bytes: &elf,
            len: 20,
            input: true,
        };
        assert_eq!(
            dump(&elf),
            " | 00000  03 00 3e 00 01 00 00 00  10 74 02 00 00 00 00 00  ..>......t...... |\n \
             | 00010  40                                                @                |\n \
             | 3 more bytes were not copied\n"
        );
    }
}
