//! Entries of directories.

use tracer_common::capture;

use crate::event::CaptureStatus;
use crate::syscall::arg::Custom;
use crate::syscall::flags::file;

use super::fields::As;
use super::printer::{Phase, Printer, put};
use super::rule::{of_kind, returned};
use super::struct_bytes::StructBytes;

/// Entries of `getdents64`: only their number is shown, unless structures are shown whole.
pub static DENTS64: Custom = Custom {
    print: |p, index| print_dents(p, index, true),
    ..DENTS
};

/// Entries of `getdents`.
pub static DENTS: Custom = Custom {
    rules: &[returned(1), of_kind(returned(1), capture::kind::ENTRIES)],
    at_exit: |_| true,
    print: |p, index| print_dents(p, index, false),
    ..Custom::PLAIN
};

fn print_dents(p: &mut Printer<'_>, index: usize, has_type: bool) {
    let len = usize::try_from(p.ret()).unwrap_or(0);
    if p.failed() || p.arg(index) == 0 || !p.is_verbose() {
        return p.address_of(index);
    }
    let data: &[u8] = match p.capture_of(Phase::Exit, index, capture::kind::STRUCT) {
        _ if len == 0 => &[],
        Some(data) => data,
        None => return p.address_of(index),
    };
    if !p.is_abbreviated() {
        return p.directory_entries(data, len, has_type);
    }
    p.address_of(index);
    let mut all = p.captures(Phase::Exit).iter();
    let counted = all.find(|c| c.kind == capture::kind::ENTRIES && c.status == CaptureStatus::Ok);
    match (counted, count_dents(data)) {
        (Some(counted), (_, seen)) if seen < len => put!(p, " /* {} entries */", counted.wanted),
        (None, (count, seen)) if seen < len => put!(p, " /* {count}+ entries */"),
        (_, (count, _)) => put!(p, " /* {count} entries */"),
    }
}

impl Printer<'_> {
    /// `struct linux_dirent64`, or `struct linux_dirent` whose type is its last byte
    /// (include/linux/dirent.h, fs/readdir.c); `len` bytes of them, of which `data` are the first.
    fn directory_entries(&mut self, data: &[u8], len: usize, has_type: bool) {
        self.text("[");
        let mut at = 0;
        let (_, end) = count_dents(data);
        while at < end {
            let size = usize::from(data.u16_at(at + 16));
            let Some(entry) = data.get(at..at + size) else {
                break;
            };
            self.text(if at > 0 { ", " } else { "" });
            self.directory_entry(entry, has_type);
            at += size;
        }
        self.text(match (at < len, at > 0) {
            (false, _) => "]",
            (true, true) => ", ...]",
            (true, false) => "...]",
        });
    }

    fn directory_entry(&mut self, b: &[u8], has_type: bool) {
        self.text("{");
        self.fields(
            b,
            &[
                ("d_ino", 0, As::U64),
                ("d_off", 8, As::I64),
                ("d_reclen", 16, As::U16),
            ],
        );
        let kind = |p: &mut Self, at| {
            p.text(", d_type=");
            p.name(&file::DT, b.u8_at(at).into());
        };
        let name = match has_type {
            true => {
                kind(self, 18);
                b.get(19..)
            }
            false => b.get(18..b.len().saturating_sub(1)),
        };
        let name = name.unwrap_or_default();
        let end = name.iter().position(|&c| c == 0).unwrap_or(name.len());
        self.text(", d_name=");
        self.quoted(&name[..end]);
        if !has_type {
            kind(self, b.len() - 1);
        }
        self.text("}");
    }
}

/// Entries in the bytes of a directory, and the bytes they take (`struct linux_dirent64`).
fn count_dents(bytes: &[u8]) -> (usize, usize) {
    const HEADER: usize = 19;
    let (mut count, mut at) = (0, 0);
    while at + HEADER <= bytes.len() {
        let len = usize::from(bytes.u16_at(at + 16));
        if len < HEADER || at + len > bytes.len() {
            break;
        }
        count += 1;
        at += len;
    }
    (count, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_entries_are_counted_within_the_bytes() {
        let entry = |len: u16| {
            let mut bytes = vec![0; usize::from(len)];
            bytes[16..18].copy_from_slice(&len.to_le_bytes());
            bytes
        };
        let two = [entry(24), entry(32)].concat();
        assert_eq!(count_dents(&two), (2, 56));
        assert_eq!(count_dents(&two[..30]), (1, 24));
        assert_eq!(count_dents(&[0; 64]), (0, 0), "a length of 0 ends the list");
    }
}
