//! Why a Go program died by itself, as its memory has it at the end.
//!
//! A thread that gives up says so before it prints anything (`startpanic_m` sets `m.dying`,
//! runtime/panic.go). A panic's values are on the stack of the goroutine, errors and Stringers as
//! the texts that they made of themselves (`preprintpanics`). What `throw` and `fatal` print is in
//! the runtime's log of what it printed last (`printBacklog`, runtime/print.go), which is there for
//! looks like these.

use std::collections::BTreeSet;

use super::binary::Binary;
use super::code::{Access, references};
use super::memory::Memory;
use super::runtime::Runtime;

/// Threads that are looked at, panics within panics, and bytes of a text.
const MAX_THREADS: u32 = 1 << 16;
const MAX_PANICS: usize = 16;
const MAX_TEXT: u64 = 4096;
/// Bytes of `runtime.printBacklog` in Go 1.19 to 1.27.
const LOG: u64 = 512;

const RECORD: &str = "runtime.recordForPanic";
const BUFFER: &str = "runtime.printBacklog";
const INDEX: &str = "runtime.printBacklogIndex";
/// What `throw` and `fatal` print first.
const FATAL: &str = "fatal error: ";

/// `abi.Type.Kind_` is there, and these are its lower bits (internal/abi/type.go).
const KIND: u64 = 23;
const KIND_MASK: u8 = 31;

/// A program that gave up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// The thread (`*m`) that gave up.
    pub thread: u64,
    /// The goroutine (`*g`) that it ran; 0 for none.
    pub goroutine: u64,
    /// In the runtime's words: a fatal error, or each panic, the first one first. Empty where it has
    /// said nothing that is known.
    pub why: Vec<String>,
}

/// Where the runtime keeps what it printed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrintLog {
    buffer: u64,
    /// Of the byte that is written next, `i64`.
    index: u64,
}

impl PrintLog {
    /// At link-time addresses, by the one function that writes it; `None` where its code does not
    /// tell, or the symbol table says otherwise.
    #[must_use]
    pub fn locate(binary: &Binary) -> Option<Self> {
        let table = binary.pclntab().ok()?;
        let functions = table.find_functions(&[RECORD]).ok()?;
        let list = references(binary, functions.get(RECORD)?.first()?).ok()?;
        let with = |access: Access| -> BTreeSet<u64> {
            let list = list.iter().filter(|r| r.access == access);
            list.map(|r| r.target).collect()
        };
        // Only the index is loaded and stored as a word. The address of the lock is taken too, and
        // once; that of the buffer for its beginning and for where it goes on.
        let stored = with(Access::Store64);
        let mut index = with(Access::Load64)
            .intersection(&stored)
            .copied()
            .collect::<Vec<_>>();
        let taken = list.iter().filter(|r| r.access == Access::Address);
        let taken: Vec<u64> = taken.map(|r| r.target).collect();
        let twice = |at: &u64| taken.iter().filter(|other| *other == at).count() >= 2;
        let buffer: BTreeSet<u64> = taken.iter().copied().filter(twice).collect();
        let (Some(index), true, 1) = (index.pop(), index.is_empty(), buffer.len()) else {
            return None;
        };
        let found = Self {
            buffer: *buffer.first()?,
            index,
        };
        let symbols = binary.symbols(&[BUFFER, INDEX]).ok()?;
        let agrees = |name: &str, at: u64| symbols.get(name).is_none_or(|s| s.addr == at);
        (agrees(BUFFER, found.buffer) && agrees(INDEX, found.index)).then_some(found)
    }

    /// The same at its live addresses.
    #[must_use]
    pub fn rebased(self, load_bias: u64) -> Self {
        Self {
            buffer: self.buffer.wrapping_add(load_bias),
            index: self.index.wrapping_add(load_bias),
        }
    }

    /// What is in it, oldest first.
    fn read(self, memory: &impl Memory) -> Option<String> {
        let next = memory.read_u64(self.index).ok().filter(|at| *at < LOG)?;
        let mut bytes = vec![0; LOG as usize];
        memory.read(self.buffer, &mut bytes).ok()?;
        bytes.rotate_left(next as usize);
        bytes.retain(|byte| *byte != 0);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Crash {
    /// Finds a thread that gave up; `None` when none did, as after `os.Exit`, or when a signal
    /// ended the process without asking it.
    #[must_use]
    pub fn find(memory: &impl Memory, runtime: &Runtime, log: Option<PrintLog>) -> Option<Self> {
        let m = runtime.layout.m;
        let word = |at: u64, field: u32| memory.read_u64(at.wrapping_add(u64::from(field))).ok();
        let int = |at: u64, field: u32| memory.read_u32(at.wrapping_add(u64::from(field))).ok();
        let mut thread = word(runtime.globals.allm, 0)?;
        for _ in 0..MAX_THREADS {
            if thread == 0 {
                return None;
            }
            if int(thread, m.dying)? != 0 {
                let goroutine = word(thread, m.curg)?;
                // A fatal error may come of a panic, not the other way round.
                let why = match int(thread, m.throwing)? {
                    0 => panics(memory, runtime, goroutine).unwrap_or_default(),
                    _ => {
                        let error = log.and_then(|log| fatal_error(&log.read(memory)?));
                        error.into_iter().collect()
                    }
                };
                return Some(Self {
                    thread,
                    goroutine,
                    why,
                });
            }
            thread = word(thread, m.alllink)?;
        }
        None
    }
}

/// The last fatal error of a log. Two threads may have one at a time, such as those that write to one
/// map: the end of the process may meet the second before it has printed what its error is.
fn fatal_error(log: &str) -> Option<String> {
    let begun = log.rmatch_indices(FATAL).map(|(at, _)| at);
    let ends = std::iter::once(log.len()).chain(begun.clone());
    let errors: Vec<&str> = begun
        .zip(ends)
        .map(|(at, end)| log[at..end].trim_end())
        .collect();
    let whole = errors.iter().find(|error| error.len() > FATAL.len());
    whole.or(errors.first()).map(|error| (*error).to_owned())
}

/// The panics of a goroutine as the runtime prints them (`printpanics`).
fn panics(memory: &impl Memory, runtime: &Runtime, goroutine: u64) -> Option<Vec<String>> {
    let layout = &runtime.layout.panic;
    let word = |at: u64, field: u32| memory.read_u64(at.wrapping_add(u64::from(field))).ok();
    let mut values = Vec::new();
    let mut at = word(goroutine, layout.of_g)?;
    while at != 0 && values.len() < MAX_PANICS {
        values.push(value(
            memory,
            word(at, layout.arg)?,
            word(at, layout.arg + 8)?,
        ));
        at = word(at, layout.link)?;
    }
    let lines = values.iter().rev().map(|value| format!("panic: {value}"));
    Some(lines.collect())
}

/// An `any` as `printpanicval` (runtime/error.go) shows it, without the name of its type.
fn value(memory: &impl Memory, of_type: u64, data: u64) -> String {
    if of_type == 0 {
        return "nil".to_owned();
    }
    let kind = memory.read_u8(of_type.wrapping_add(KIND)).unwrap_or(0) & KIND_MASK;
    let shown = match kind {
        // bool, int to int64, uint to uintptr, string.
        1 => memory
            .read_u8(data)
            .ok()
            .map(|byte| (byte != 0).to_string()),
        2..=6 => signed(memory, data, [8, 1, 2, 4, 8][usize::from(kind) - 2]),
        7..=12 => unsigned(memory, data, [8, 1, 2, 4, 8, 8][usize::from(kind) - 7]),
        24 => text(memory, data),
        _ => None,
    };
    shown.unwrap_or_else(|| format!("(a value of another type, at {data:#x})"))
}

fn unsigned(memory: &impl Memory, at: u64, len: usize) -> Option<String> {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes[..len]).ok()?;
    Some(u64::from_le_bytes(bytes).to_string())
}

fn signed(memory: &impl Memory, at: u64, len: usize) -> Option<String> {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes[..len]).ok()?;
    let unused = 64 - 8 * len as u32;
    Some((i64::from_le_bytes(bytes) << unused >> unused).to_string())
}

/// A `string`; what is longer than is read ends with an ellipsis.
fn text(memory: &impl Memory, at: u64) -> Option<String> {
    let (from, len) = (
        memory.read_u64(at).ok()?,
        memory.read_u64(at.wrapping_add(8)).ok()?,
    );
    let mut bytes = vec![0; len.min(MAX_TEXT) as usize];
    memory.read(from, &mut bytes).ok()?;
    let cut = if len > MAX_TEXT { "…" } else { "" };
    Some(format!("{}{cut}", String::from_utf8_lossy(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::RangeMemory;
    use crate::go::fixture::executables;

    fn memory(ranges: &[(u64, &[u8])]) -> RangeMemory {
        let mut memory = RangeMemory::new();
        for (at, bytes) in ranges {
            memory.map(*at, bytes.to_vec());
        }
        memory
    }

    fn of_kind(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[KIND as usize] = kind;
        bytes
    }

    #[test]
    fn values_are_shown_by_their_kind() {
        let minus = (-3_i64).to_le_bytes();
        let string: Vec<u8> = [0x3000_u64, 5]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let long: Vec<u8> = [0x3000_u64, 5000]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let page = vec![b'x'; 4096];
        let cases: [(u8, &[u8], &str); 7] = [
            (1, &[1], "true"),
            (2, &minus, "-3"),
            (3, &minus[..1], "-3"),
            (8, &minus[..1], "253"),
            (24, &string, "xxxxx"),
            (24 | 64, &string, "xxxxx"),
            (25, &string, "(a value of another type, at 0x2000)"),
        ];
        for (kind, data, shown) in cases {
            let of_type = of_kind(kind);
            let memory = memory(&[(0x1000, &of_type), (0x2000, data), (0x3000, &page)]);
            assert_eq!(value(&memory, 0x1000, 0x2000), shown, "kind {kind}");
        }
        let of_type = of_kind(24);
        let memory = memory(&[(0x1000, &of_type), (0x2000, &long), (0x3000, &page)]);
        assert!(value(&memory, 0x1000, 0x2000).ends_with("xx…"));
        assert_eq!(value(&memory, 0, 0), "nil");
        assert!(value(&memory, 0x9000, 0x9000).starts_with("(a value"));
    }

    #[test]
    fn a_log_begins_where_it_is_written_next() {
        let mut bytes = vec![0; LOG as usize];
        bytes[500..].copy_from_slice(b"fatal error:");
        bytes[..7].copy_from_slice(b" the x\n");
        let log = PrintLog {
            buffer: 0x1000,
            index: 0x2000,
        };
        let read =
            |index: u64| log.read(&memory(&[(0x1000, &bytes), (0x2000, &index.to_le_bytes())]));
        let text = read(7).expect("readable");
        assert_eq!(fatal_error(&text).as_deref(), Some("fatal error: the x"));
        assert_eq!(read(LOG), None, "no index");
        assert_eq!(fatal_error("no such text"), None);
        let second = "fatal error: concurrent map writes\nfatal error: ";
        let first = "fatal error: concurrent map writes";
        assert_eq!(fatal_error(second).as_deref(), Some(first));
        assert_eq!(
            fatal_error("fatal error: ").as_deref(),
            Some("fatal error:")
        );
    }

    #[test]
    fn the_log_is_found_by_code_alone() {
        for path in executables("the_log_is_found_by_code_alone") {
            let binary = Binary::open(&path).expect("Go");
            let name = path.display();
            // What the symbol table says otherwise is refused.
            assert!(PrintLog::locate(&binary).is_some(), "{name}");
        }
    }
}
