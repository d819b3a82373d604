//! What the rules of the table copy from a piece of memory.

use tracer_common::capture::{
    CaptureRule, MAX_CAPTURE, MAX_COUNT, MAX_IOVECS, MAX_MESSAGE, MAX_STRINGS, kind, len, mmsghdr,
    msghdr, phase,
};

use crate::event::{Capture, CaptureStatus};
use crate::syscall::machine::Machine;
use crate::syscall::{capture, table};

const BASE: u64 = 0x1000_0000;
const SIZE: usize = 8192;

/// Bytes at [`BASE`]; nothing else is mapped.
#[derive(Clone)]
pub(super) struct Memory {
    bytes: Vec<u8>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; SIZE],
        }
    }

    /// Sets all bytes to zero.
    pub(super) fn clear(&mut self) {
        self.bytes.fill(0);
    }

    /// Sets bytes given in hexadecimal.
    pub(super) fn set(&mut self, offset: usize, digits: &str) {
        for (i, pair) in digits.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            self.bytes[offset + i] = u8::from_str_radix(pair, 16).expect("hexadecimal");
        }
    }

    fn read(&self, address: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(address.checked_sub(BASE)?).ok()?;
        self.bytes.get(start..start.checked_add(len)?)
    }

    fn word(&self, address: u64) -> Option<u64> {
        let bytes = self.read(address, 8)?;
        Some(u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// Captures at entry and at exit.
    pub(super) fn captures(
        &self,
        nr: u32,
        args: &[u64; 6],
        ret: i64,
        limit: usize,
    ) -> (Vec<Capture>, Vec<Capture>) {
        let Some(row) = table::lookup_on(Machine::X86_64, nr) else {
            return (Vec::new(), Vec::new());
        };
        let rules = capture::rules(row).rules;
        let of = |when: u8| {
            let mut copy = Copy {
                memory: self,
                args,
                ret,
                limit,
                out: Vec::new(),
            };
            for rule in rules
                .iter()
                .filter(|r| r.kind != kind::NONE && r.phase & when != 0)
            {
                copy.run(rule);
            }
            copy.out
        };
        let exit = if (-4095..0).contains(&ret) {
            Vec::new()
        } else {
            of(phase::EXIT)
        };
        (of(phase::ENTER), exit)
    }
}

struct Copy<'a> {
    memory: &'a Memory,
    args: &'a [u64; 6],
    ret: i64,
    limit: usize,
    out: Vec<Capture>,
}

impl Copy<'_> {
    fn run(&mut self, rule: &CaptureRule) {
        let start = self.args[usize::from(rule.arg)];
        if start < 4096 {
            return;
        }
        let mut address = start.wrapping_add(u64::from(rule.word) * 8);
        if rule.kind & kind::FOLLOW != 0 {
            address = match self.memory.word(address) {
                None | Some(0) => return,
                Some(pointer) => pointer,
            };
        }
        let base = Capture {
            arg: rule.arg,
            kind: rule.kind & kind::MASK,
            index: rule.word,
            ..Capture::default()
        };
        let wanted = self.len(rule);
        match base.kind {
            kind::STRING => self.string(base, address, MAX_CAPTURE),
            kind::BUFFER => self.bytes(base, address, wanted, self.limit),
            kind::STRUCT => self.bytes(base, address, wanted, MAX_CAPTURE),
            kind::IOVEC => self.iovec(&base, address, wanted, rule.word, self.limit),
            kind::STRINGS => self.strings(&base, address),
            kind::COUNT => self.count(base, address),
            kind::ENTRIES => self.entries(base, address, wanted),
            kind::MESSAGE => self.bytes(base, address, wanted, self.message_limit(address, wanted)),
            kind::MSGHDR => self.message(&base, address),
            kind::MMSGHDR => {
                for i in 0..wanted.min(mmsghdr::MAX as u64) {
                    let index = i as u8 * mmsghdr::STRIDE;
                    let base = Capture {
                        index,
                        ..base.clone()
                    };
                    self.message(&base, address.wrapping_add(i * 64));
                }
            }
            other => panic!("no such rule: {other}"),
        }
    }

    fn len(&self, rule: &CaptureRule) -> u64 {
        let size = u64::from(rule.size);
        let other = self
            .args
            .get(usize::from(rule.len_arg))
            .copied()
            .unwrap_or(0);
        match rule.len_from {
            len::FIXED => size,
            len::ARG => (other & 0xffff_ffff).saturating_mul(size),
            len::RET => self.ret.cast_unsigned().saturating_mul(size),
            len::DEREF => self.memory.read(other, 4).map_or(0, |b| {
                u64::from(u32::from_le_bytes(b.try_into().expect("4 bytes")))
            }),
            len::FIELD => {
                let field = self.args[usize::from(rule.arg)] + u64::from(rule.len_arg) * 8;
                (self.memory.word(field).unwrap_or(0) & 0xffff_ffff).saturating_mul(size)
            }
            other => panic!("no such length: {other}"),
        }
    }

    fn bytes(&mut self, base: Capture, address: u64, wanted: u64, limit: usize) {
        let len = usize::try_from(wanted).unwrap_or(usize::MAX).min(limit);
        let (status, data) = match self.memory.read(address, len) {
            Some(data) if (data.len() as u64) < wanted => (CaptureStatus::Truncated, data.to_vec()),
            Some(data) => (CaptureStatus::Ok, data.to_vec()),
            None => (CaptureStatus::Fault, Vec::new()),
        };
        self.out.push(Capture {
            status,
            wanted,
            data,
            ..base
        });
    }

    fn string(&mut self, base: Capture, address: u64, limit: usize) {
        let mut data = Vec::new();
        let mut status = CaptureStatus::Truncated;
        while data.len() < limit {
            match self.memory.read(address.wrapping_add(data.len() as u64), 1) {
                Some([0]) => {
                    status = CaptureStatus::Ok;
                    break;
                }
                Some(byte) => data.push(byte[0]),
                None => {
                    status = CaptureStatus::Fault;
                    break;
                }
            }
        }
        self.out.push(Capture {
            status,
            wanted: data.len() as u64,
            data,
            ..base
        });
    }

    fn iovec(&mut self, base: &Capture, address: u64, wanted: u64, index: u8, limit: usize) {
        let head = Capture {
            index,
            ..base.clone()
        };
        self.bytes(head, address, wanted, MAX_CAPTURE);
        for i in 0..(wanted / 16).min(MAX_IOVECS as u64) {
            let at = address.wrapping_add(i * 16);
            let (Some(buffer), Some(len)) =
                (self.memory.word(at), self.memory.word(at.wrapping_add(8)))
            else {
                return;
            };
            let place = Capture {
                index: index + 1 + i as u8,
                ..base.clone()
            };
            self.bytes(place, buffer, len, limit);
        }
    }

    fn message_limit(&self, address: u64, wanted: u64) -> usize {
        let word = self.memory.word(address).unwrap_or(0);
        match (16..=wanted).contains(&(word & 0xffff_ffff)) && word >> 32 & 0xffff != 0 {
            true => MAX_MESSAGE,
            false => self.limit,
        }
    }

    fn entries(&mut self, base: Capture, address: u64, len: u64) {
        let (mut offset, mut count) = (0, 0);
        while offset + 19 <= len {
            let size = self
                .memory
                .read(address + offset + 16, 2)
                .map_or(0, |b| b[0]);
            if size < 19 {
                break;
            }
            offset += u64::from(size);
            count += 1;
        }
        self.out.push(Capture {
            status: CaptureStatus::Ok,
            wanted: count,
            ..base
        });
    }

    fn strings(&mut self, base: &Capture, address: u64) {
        for i in 0..MAX_STRINGS as u64 {
            let item = Capture {
                index: i as u8,
                ..base.clone()
            };
            match self.memory.word(address.wrapping_add(i * 8)) {
                Some(0) => {
                    return self.out.push(Capture {
                        status: CaptureStatus::End,
                        ..item
                    });
                }
                Some(pointer) => self.string(item, pointer, self.limit),
                None => return,
            }
        }
    }

    fn count(&mut self, base: Capture, address: u64) {
        let word = |i: u64| self.memory.word(address.wrapping_add(i * 8));
        let status = match word(0) {
            Some(_) => CaptureStatus::Ok,
            None => CaptureStatus::Fault,
        };
        let pointers = (0..MAX_COUNT as u64)
            .take_while(|&i| word(i).is_some_and(|p| p != 0))
            .count();
        self.out.push(Capture {
            status,
            wanted: pointers as u64,
            ..base
        });
    }

    fn message(&mut self, base: &Capture, address: u64) {
        let part = |index| Capture {
            index: base.index + index,
            ..base.clone()
        };
        let size = if base.kind == kind::MMSGHDR { 64 } else { 56 };
        self.bytes(part(msghdr::HEADER), address, size, MAX_CAPTURE);
        let field = |at: u64| self.memory.word(address.wrapping_add(at)).unwrap_or(0);
        let (name, name_len) = (field(0), field(8) & 0xffff_ffff);
        let (iov, iov_len) = (field(16), field(24));
        let (control, control_len) = (field(32), field(40));
        if name != 0 {
            self.bytes(part(msghdr::NAME), name, name_len, MAX_CAPTURE);
        }
        if control != 0 && control_len != 0 {
            self.bytes(part(msghdr::CONTROL), control, control_len, MAX_CAPTURE);
        }
        if iov != 0 {
            let wanted = iov_len.min(MAX_IOVECS as u64) * 16;
            let netlink = self.memory.read(name, 2) == Some([16, 0].as_slice());
            let limit = if netlink { MAX_MESSAGE } else { self.limit };
            self.iovec(base, iov, wanted, base.index + msghdr::IOVEC, limit);
        }
    }
}
