//! The interpreter of capture rules: copies what a syscall's arguments point to.

use aya_ebpf::helpers::{
    bpf_probe_read_user,
    generated::{bpf_probe_read_user as read_user_raw, bpf_probe_read_user_str as read_str_raw},
};
use tracer_common::{
    capture::{
        CAPTURE_ALIGN, CaptureHeader, CaptureRule, CaptureRules, MAX_CAPTURE, MAX_IOVECS,
        MAX_RULES, MAX_STRINGS, kind, len, phase, status,
    },
    probe::ProbeId,
};

use crate::{constants::string_limit, count, emit::bounded};

/// A capture starts below this offset; it then fits in the scratch buffer whatever its length.
const LAST_START: u64 = 0x3fff;
/// No less than [`MAX_CAPTURE`] plus a string's NUL and one more; one less than a power of two.
const COPY_MASK: u64 = 0x1fff;
const HEADER: u64 = size_of::<CaptureHeader>() as u64;

/// A record being extended by captures.
pub struct Captures {
    pub probe: ProbeId,
    /// A scratch buffer.
    pub record: *mut u8,
    /// Bytes of it that are filled.
    pub len: u64,
    pub count: u16,
    /// Something did not fit.
    pub cut: bool,
}

/// The call whose arguments are followed.
pub struct Call<'a> {
    pub args: &'a [u64; 6],
    /// The return value, 0 at entry.
    pub ret: i64,
    /// [`phase::ENTER`] or [`phase::EXIT`].
    pub phase: u8,
}

impl Captures {
    /// Runs the rules of one syscall.
    #[inline(always)]
    pub fn run(&mut self, rules: &CaptureRules, call: &Call<'_>) {
        for i in 0..MAX_RULES {
            let rule = rules.rules[i];
            if rule.kind == kind::NONE {
                break;
            }
            if rule.phase & call.phase != 0 {
                self.run_rule(rule, call);
            }
        }
    }

    #[inline(always)]
    fn run_rule(&mut self, rule: CaptureRule, call: &Call<'_>) {
        let address = arg(call.args, rule.arg);
        if address == 0 {
            return;
        }
        let limit = u64::from(string_limit());
        match rule.kind {
            kind::STRING => self.string(rule, 0, address, MAX_CAPTURE as u64),
            kind::BUFFER => self.bytes(rule, 0, address, length(rule, call), limit),
            kind::STRUCT => self.bytes(rule, 0, address, length(rule, call), MAX_CAPTURE as u64),
            kind::IOVEC => self.iovec(rule, address, call, limit),
            kind::STRINGS => self.strings(rule, address, limit),
            _ => {}
        }
    }

    /// Copies a NUL-terminated string of which `limit` bytes are wanted. One byte more is kept of
    /// a longer one, which tells it from one that just fits.
    #[inline(always)]
    fn string(&mut self, rule: CaptureRule, index: u8, address: u64, limit: u64) {
        let Some(at) = self.room() else { return };
        let size = limit + 2;
        // SAFETY: `at` and the bounded size stay within the scratch buffer: 0x3fff + 16 + 0x1fff.
        let got = unsafe {
            let to = self.record.add((at + HEADER) as usize);
            read_str_raw(
                to.cast(),
                bounded::<COPY_MASK>(size) as u32,
                address as *const _,
            )
        };
        let header = CaptureHeader {
            arg: rule.arg,
            kind: rule.kind,
            index,
            ..Default::default()
        };
        if got <= 0 {
            self.faulted(at, header);
        } else {
            let got = bounded::<COPY_MASK>(got as u64);
            let state = if got == size {
                status::TRUNCATED
            } else {
                status::OK
            };
            let len = got.wrapping_sub(1) & COPY_MASK;
            self.push(
                at,
                CaptureHeader {
                    status: state,
                    len: len as u32,
                    wanted: len,
                    ..header
                },
            );
        }
    }

    /// Copies `wanted` bytes, clipped to `limit`.
    #[inline(always)]
    fn bytes(&mut self, rule: CaptureRule, index: u8, address: u64, wanted: u64, limit: u64) {
        let Some(at) = self.room() else { return };
        let mut size = wanted;
        if size > limit {
            size = limit;
        }
        if size > MAX_CAPTURE as u64 {
            size = MAX_CAPTURE as u64;
        }
        let size = bounded::<COPY_MASK>(size);
        let header = CaptureHeader {
            arg: rule.arg,
            kind: rule.kind,
            index,
            wanted,
            ..Default::default()
        };
        // SAFETY: as in `string`.
        let failed = unsafe {
            let to = self.record.add((at + HEADER) as usize);
            read_user_raw(to.cast(), size as u32, address as *const _)
        };
        if failed != 0 {
            self.faulted(at, header);
        } else {
            let state = if size < wanted {
                status::TRUNCATED
            } else {
                status::OK
            };
            self.push(
                at,
                CaptureHeader {
                    status: state,
                    len: size as u32,
                    ..header
                },
            );
        }
    }

    /// Copies an `iovec` array, then what its elements point to. At exit the buffers hold no more
    /// than the return value.
    #[inline(always)]
    fn iovec(&mut self, rule: CaptureRule, address: u64, call: &Call<'_>, limit: u64) {
        let count = arg(call.args, rule.len_arg);
        self.bytes(
            rule,
            0,
            address,
            count.wrapping_mul(16),
            MAX_IOVECS as u64 * 16,
        );
        let mut left = if call.phase == phase::EXIT {
            call.ret as u64
        } else {
            u64::MAX
        };
        for i in 0..MAX_IOVECS as u64 {
            if i >= count || left == 0 {
                break;
            }
            let (Some(base), Some(len)) =
                (user_word(address + i * 16), user_word(address + i * 16 + 8))
            else {
                break;
            };
            let len = if len > left { left } else { len };
            left -= len;
            self.bytes(rule, i as u8 + 1, base, len, limit);
        }
    }

    /// Copies the strings of an argument vector.
    #[inline(always)]
    fn strings(&mut self, rule: CaptureRule, address: u64, limit: u64) {
        for i in 0..MAX_STRINGS as u64 {
            let Some(string) = user_word(address + i * 8) else {
                count::fault(self.probe);
                return;
            };
            if string == 0 {
                self.end(rule, i as u8);
                return;
            }
            self.string(
                rule,
                i as u8,
                string,
                if limit > 1024 { 1024 } else { limit },
            );
        }
    }

    #[inline(always)]
    fn end(&mut self, rule: CaptureRule, index: u8) {
        if let Some(at) = self.room() {
            let header = CaptureHeader {
                arg: rule.arg,
                kind: rule.kind,
                index,
                status: status::END,
                ..Default::default()
            };
            self.push(at, header);
        }
    }

    /// Offset for the next capture, when there is room for the longest.
    #[inline(always)]
    fn room(&mut self) -> Option<u64> {
        if self.len > LAST_START {
            self.cut = true;
            return None;
        }
        Some(bounded::<LAST_START>(self.len))
    }

    #[inline(always)]
    fn faulted(&mut self, at: u64, header: CaptureHeader) {
        count::fault(self.probe);
        self.push(
            at,
            CaptureHeader {
                status: status::FAULT,
                len: 0,
                ..header
            },
        );
    }

    #[inline(always)]
    fn push(&mut self, at: u64, header: CaptureHeader) {
        // SAFETY: `at` is at most `LAST_START`, and the record is aligned to 8 bytes as is `at`.
        unsafe {
            self.record
                .add(at as usize)
                .cast::<CaptureHeader>()
                .write(header)
        };
        let align = CAPTURE_ALIGN as u64;
        self.len = at + HEADER + (u64::from(header.len) + align - 1) / align * align;
        self.count += 1;
    }
}

/// Argument `index`; selected by compares since the verifier allows no variable index into the
/// stack here.
#[inline(always)]
pub fn arg(args: &[u64; 6], index: u8) -> u64 {
    match index {
        0 => args[0],
        1 => args[1],
        2 => args[2],
        3 => args[3],
        4 => args[4],
        _ => args[5],
    }
}

#[inline(always)]
fn length(rule: CaptureRule, call: &Call<'_>) -> u64 {
    let size = u64::from(rule.size);
    match rule.len_from {
        len::ARG => arg(call.args, rule.len_arg).wrapping_mul(size),
        len::RET => (call.ret as u64).wrapping_mul(size),
        len::DEREF => {
            let pointer = arg(call.args, rule.len_arg) as *const u32;
            // SAFETY: the helper checks the address.
            u64::from(unsafe { bpf_probe_read_user(pointer) }.unwrap_or(0))
        }
        _ => size,
    }
}

#[inline(always)]
fn user_word(address: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(address as *const u64) }.ok()
}
