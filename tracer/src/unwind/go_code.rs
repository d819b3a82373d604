//! Where Go code has not set up a frame, and frame pointers lead past its caller.
//!
//! Compilers for amd64 let a function with a frame begin and end so (cmd/internal/obj/x86/obj6.go):
//!
//! | | from Go 1.21 on | before |
//! |---|---|---|
//! | begin | `push %rbp; mov %rsp,%rbp; sub $N,%rsp` | `sub $N,%rsp; mov %rbp,N-8(%rsp); lea N-8(%rsp),%rbp` |
//! | end | `add $N,%rsp; pop %rbp; ret` | `mov N-8(%rsp),%rbp; add $N,%rsp; ret` |
//!
//! Where a signal was handled, what was interrupted is behind the function that the kernel called
//! (`runtime.sigtramp`, runtime/sys_linux_amd64.s): the address to which that returns is of code that
//! restores all registers, and the frame pointer that it has saved leads past the interrupted
//! function.
//!
//! Where C code calls Go (`crosscall2`, runtime/cgo/asm_amd64.s), a second frame is set up within the
//! first: the word above its frame pointer is no address.
//!
//! Before that comes the check of the stack's size, which may call the runtime. A function that
//! calls nothing has no frame if it needs no room. The function table has the bytes of stack in use
//! by instruction; the instructions themselves need not be read.

use std::ops::Range;
use std::time::Instant;

use tracer_common::unwind::{Rule, cfa, saved};

use super::rows::{Limits, Span};
use crate::go::pclntab::{Frames, Pclntab};
use crate::go::{Binary, Release};

/// The first release that pushes the frame pointer.
const PUSHES: Release = Release::new(21, 0);
/// What the kernel calls for a signal, and what it has that return to: the second by its names before
/// and from Go 1.21 on.
const HANDLER: &str = "runtime.sigtramp";
const HANDLER_RETURNS: [&str; 2] = ["runtime.sigreturn", "runtime.sigreturn__sigaction"];
/// What C code calls.
const FROM_C: &str = "crosscall2";
/// Bytes of `mov %rsp,%rbp`.
const SET_POINTER: u64 = 3;

/// Go's part of a file.
#[derive(Debug)]
pub(super) struct GoCode {
    /// Link-time addresses.
    pub(super) text: Range<u64>,
    table: Pclntab,
    /// How functions begin and end.
    pushes: bool,
    /// [`HANDLER`] and [`HANDLER_RETURNS`].
    handler: Range<u64>,
    handler_returns: Range<u64>,
    /// [`FROM_C`].
    from_c: Range<u64>,
}

/// Spans of a file's Go code.
#[derive(Debug, Default)]
pub(super) struct GoSpans {
    /// In order of addresses.
    pub(super) spans: Vec<Span>,
    pub(super) is_partial: bool,
}

impl GoCode {
    /// `None` when the file has none that is known.
    pub(super) fn of(binary: &Binary) -> Option<Self> {
        let module = binary.module().filter(|m| m.text < m.etext)?;
        let table = binary.pclntab().ok()?;
        let [old, new] = HANDLER_RETURNS;
        let found = table.find_functions(&[HANDLER, old, new, FROM_C]);
        let found = found.unwrap_or_default();
        let range_of = |name: &str| {
            let function = found.get(name).and_then(|functions| functions.first());
            function.map(|function| function.entry..function.end)
        };
        Some(Self {
            text: module.text..module.etext,
            table,
            pushes: binary.release().is_none_or(|release| release >= PUSHES),
            handler: range_of(HANDLER).unwrap_or_default(),
            handler_returns: range_of(new).or_else(|| range_of(old)).unwrap_or_default(),
            from_c: range_of(FROM_C).unwrap_or_default(),
        })
    }

    /// What the kernel calls for a signal: link-time addresses; empty where that is not known.
    pub(super) fn handler(&self) -> Range<u64> {
        self.handler.clone()
    }

    fn spans_of(&self, frames: &Frames, spans: &mut Vec<Span>) {
        let entry = frames.function.entry;
        if self.handler.contains(&entry) {
            spans_of_handler(frames, 8, spans);
        } else if self.handler_returns.contains(&entry) {
            spans_of_handler(frames, 0, spans);
        } else if self.from_c.contains(&entry) {
            spans_by_size(frames, spans);
        } else {
            spans_of(frames, self.pushes, spans);
        }
    }

    /// How to get to the caller from everywhere in the code.
    pub(super) fn spans(&self, limits: Limits) -> GoSpans {
        let mut all = GoSpans::default();
        for index in 0.. {
            let full = all.spans.len() >= limits.rows || Instant::now() > limits.until;
            match self.table.frames(index) {
                Ok(None) => break,
                Ok(Some(frames)) if !full => self.spans_of(&frames, &mut all.spans),
                Ok(Some(_)) | Err(_) => {
                    all.is_partial = true;
                    break;
                }
            }
        }
        // A damaged table has them in any order, and anywhere.
        all.spans.retain(|s| self.text.contains(&s.start));
        all.spans.sort_by_key(|s| s.start);
        all
    }
}

/// At `used` bytes of stack: the caller has called from above them. The frame pointer is that of the
/// caller unless it was `pushed`.
fn at_stack(used: u32, pushed: bool) -> Rule {
    let saved = match pushed {
        true => (saved::BELOW_CFA, 16),
        false => (saved::SAME, 0),
    };
    let rule = Rule::new(cfa::STACK, i64::from(used) + 8, saved.0, saved.1);
    rule.unwrap_or(Rule::POINTERS)
}

/// The interrupted registers are at the stack pointer with which a function was called: `above` bytes
/// from there on.
fn spans_of_handler(frames: &Frames, above: u32, spans: &mut Vec<Span>) {
    for size in &frames.sizes {
        let used = i64::from(size.bytes) + i64::from(above);
        if let Some(rule) = Rule::new(cfa::SIGNAL, used, saved::SAME, 0) {
            let (start, end) = (size.start, size.end);
            spans.push(Span { start, end, rule });
        }
    }
}

/// By the sizes alone: the caller's frame pointer was saved first.
fn spans_by_size(frames: &Frames, spans: &mut Vec<Span>) {
    spans.extend(frames.sizes.iter().map(|size| Span {
        start: size.start,
        end: size.end,
        rule: at_stack(size.bytes, size.bytes != 0),
    }));
}

fn spans_of(frames: &Frames, pushes: bool, spans: &mut Vec<Span>) {
    let mut put = |start: u64, end: u64, rule| {
        if start < end {
            spans.push(Span { start, end, rule });
        }
    };
    if frames.writes_sp {
        let function = &frames.function;
        put(function.entry, function.end, Rule::POINTERS);
        return;
    }
    // After a return in the middle of a function its frame is there again.
    let mut has_begun = false;
    for (at, size) in frames.sizes.iter().enumerate() {
        let next = frames.sizes.get(at + 1).map(|size| size.bytes);
        let used = size.bytes;
        let (mut begun, mut ending) = (size.start, size.end);
        if used == 0 {
            put(size.start, size.end, at_stack(0, false));
        } else {
            if at > 0 && !has_begun {
                let len = match (pushes, used) {
                    (true, 8) => SET_POINTER,
                    (true, _) => 0,
                    (false, _) => save_and_set(used),
                };
                begun = size.start.saturating_add(len).min(size.end);
                put(size.start, begun, at_stack(used, pushes));
            }
            if next == Some(0) && !pushes {
                ending = size.end.saturating_sub(give_back(used)).max(begun);
            }
            put(begun, ending, Rule::POINTERS);
            put(ending, size.end, at_stack(used, false));
        }
        has_begun |= used != 0;
    }
}

/// Bytes of `mov %rbp,N-8(%rsp)` and of `lea N-8(%rsp),%rbp`: displacements take none, one or four.
fn save_and_set(used: u32) -> u64 {
    match used.saturating_sub(8) {
        0 => 4 + 4,
        1..128 => 5 + 5,
        _ => 8 + 8,
    }
}

/// Bytes of `add $N,%rsp`, or `sub $-128,%rsp`.
fn give_back(used: u32) -> u64 {
    match used {
        ..=128 => 4,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::fixture;
    use crate::unwind::rows::{MAX_FILE_ROWS, Rows, find};
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            rows: MAX_FILE_ROWS,
            until: Instant::now() + Duration::from_secs(60),
        }
    }

    /// Instructions of functions with frames, as their bytes tell: where they begin, and what is
    /// in use before them. Only those at either end of a function.
    fn known_places(binary: &Binary, frames: &Frames) -> Vec<(u64, Rule)> {
        let first = frames.sizes.iter().find(|size| size.bytes != 0);
        let Some(first) = first.filter(|first| first.start > frames.function.entry) else {
            return Vec::new();
        };
        let mut bytes = [0; 5];
        if binary.read_vaddr(first.start - 1, &mut bytes).is_err() {
            return Vec::new();
        }
        // push %rbp; mov %rsp,%rbp
        if bytes[..4] != [0x55, 0x48, 0x89, 0xe5] {
            return Vec::new();
        }
        vec![
            (frames.function.entry, at_stack(0, false)),
            (first.start - 1, at_stack(0, false)),
            (first.start, at_stack(8, true)),
            (first.start + 3, Rule::POINTERS),
        ]
    }

    /// Where a function returns to its caller.
    fn returns(binary: &Binary, frames: &Frames) -> Vec<(u64, Rule)> {
        let mut found = Vec::new();
        for pair in frames.sizes.windows(2) {
            let [last, after] = pair else { continue };
            let mut bytes = [0; 2];
            let popped = last.end.wrapping_sub(1);
            if last.bytes == 0 || after.bytes != 0 || binary.read_vaddr(popped, &mut bytes).is_err()
            {
                continue;
            }
            // pop %rbp; ret
            if bytes == [0x5d, 0xc3] {
                found.extend([(popped, Rule::POINTERS), (last.end, at_stack(0, false))]);
            }
        }
        found
    }

    #[test]
    fn rules_of_real_programs_are_those_of_their_instructions() {
        for path in fixture::executables("rules_of_real_programs") {
            let binary = Binary::open(&path).expect("Go");
            if binary.arch() != crate::go::Arch::Amd64 {
                continue;
            }
            let go = GoCode::of(&binary).expect("a function table");
            let spans = go.spans(limits());
            assert!(!spans.is_partial, "{}", path.display());
            let rows = Rows::of_spans(spans.spans, std::slice::from_ref(&go.text));
            let (mut begins, mut ends, mut leaves) = (0, 0, 0);
            for index in 0.. {
                let Some(frames) = go.table.frames(index).expect("readable") else {
                    break;
                };
                let entry = frames.function.entry;
                let is_special = go.handler_returns.contains(&entry) || go.from_c.contains(&entry);
                if frames.writes_sp || is_special {
                    continue;
                }
                let (at_begin, at_end) =
                    (known_places(&binary, &frames), returns(&binary, &frames));
                begins += at_begin.len();
                ends += at_end.len();
                for (at, rule) in at_begin.into_iter().chain(at_end) {
                    let found = find(&rows, at);
                    assert_eq!(found, rule, "{}: {at:#x} of {frames:x?}", path.display());
                }
                if let [only] = &frames.sizes[..]
                    && only.bytes == 0
                {
                    leaves += 1;
                    assert_eq!(find(&rows, only.end - 1), at_stack(0, false));
                }
            }
            let counts = format!("{begins} {ends} {leaves} in {}", path.display());
            assert!(begins > 2000 && ends > 1000 && leaves > 50, "{counts}");
        }
    }

    #[test]
    fn handlers_of_signals_have_what_was_interrupted_behind_them() {
        for path in fixture::executables("handlers_of_signals") {
            let binary = Binary::open(&path).expect("Go");
            if binary.arch() != crate::go::Arch::Amd64 {
                continue;
            }
            let go = GoCode::of(&binary).expect("a function table");
            let rows = Rows::of_spans(go.spans(limits()).spans, std::slice::from_ref(&go.text));
            let signal = |used| Rule::new(cfa::SIGNAL, used, saved::SAME, 0).expect("fits");
            let Range { start, end } = go.handler();
            let mut code = vec![0; (end - start) as usize];
            binary.read_vaddr(start, &mut code).expect("text");
            // sub $0x30,%rsp; mov %rbp,0x28(%rsp): six registers are saved.
            let begins = [0x48, 0x83, 0xec, 0x30, 0x48, 0x89];
            assert!(code.starts_with(&begins), "{}: {code:x?}", path.display());
            // sub $0x18,%rsp: room for arguments, within which it calls.
            let room = code.windows(4).position(|c| c == [0x48, 0x83, 0xec, 0x18]);
            let room = start + room.expect("it makes room") as u64 + 4;
            for (at, used) in [
                (start, 0),
                (start + 4, 0x30),
                (room, 0x48),
                (room + 9, 0x48),
            ] {
                assert_eq!(
                    find(&rows, at),
                    signal(8 + used),
                    "{}: {at:#x}",
                    path.display()
                );
            }
            let returns = go.handler_returns.start;
            assert_eq!(find(&rows, returns), signal(0), "{}", path.display());
        }
    }

    fn sizes(list: &[(u64, u32)], end: u64, pushes: bool) -> Vec<(u64, u64, Rule)> {
        use crate::go::pclntab::FrameSize;
        let ends = list.iter().skip(1).map(|next| next.0).chain([end]);
        let sizes = list
            .iter()
            .zip(ends)
            .map(|(&(start, bytes), end)| FrameSize { start, end, bytes });
        let frames = Frames {
            sizes: sizes.collect(),
            ..Frames::default()
        };
        let mut spans = Vec::new();
        spans_of(&frames, pushes, &mut spans);
        spans.iter().map(|s| (s.start, s.end, s.rule)).collect()
    }

    #[test]
    fn functions_of_before_1_21_save_the_pointer_below_the_frame() {
        // sub $0x40,%rsp; mov %rbp,0x38(%rsp); lea 0x38(%rsp),%rbp … mov 0x38(%rsp),%rbp;
        // add $0x40,%rsp; ret; then the call that makes the stack larger.
        let found = sizes(&[(0, 0), (14, 0x40), (100, 0)], 110, false);
        let within = at_stack(0x40, false);
        assert_eq!(
            found,
            [
                (0, 14, at_stack(0, false)),
                (14, 24, within),
                (24, 96, Rule::POINTERS),
                (96, 100, within),
                (100, 110, at_stack(0, false)),
            ]
        );
        // With displacements of four bytes.
        let found = sizes(&[(0, 0), (14, 0x400), (100, 0)], 110, false);
        assert_eq!(found[1], (14, 30, at_stack(0x400, false)));
        assert_eq!(found[3], (93, 100, at_stack(0x400, false)));
    }

    #[test]
    fn functions_from_1_21_on_push_it() {
        let found = sizes(&[(0, 0), (7, 8), (14, 0x48), (90, 8), (91, 0)], 100, true);
        assert_eq!(
            found,
            [
                (0, 7, at_stack(0, false)),
                (7, 10, at_stack(8, true)),
                (10, 14, Rule::POINTERS),
                (14, 90, Rule::POINTERS),
                (90, 91, Rule::POINTERS),
                (91, 100, at_stack(0, false)),
            ]
        );
        // A return in the middle.
        let found = sizes(&[(0, 0), (1, 8), (30, 0), (31, 8), (50, 0)], 51, true);
        let rest = [
            (1, 4, at_stack(8, true)),
            (4, 30, Rule::POINTERS),
            (30, 31, at_stack(0, false)),
            (31, 50, Rule::POINTERS),
            (50, 51, at_stack(0, false)),
        ];
        assert_eq!(found[1..], rest);
        // Assembly that moves the stack pointer by itself has no frame pointer to wait for.
        let found = sizes(&[(0, 0), (7, 0x108), (90, 0)], 100, true);
        assert_eq!(found[1], (7, 90, Rule::POINTERS));
    }
}
