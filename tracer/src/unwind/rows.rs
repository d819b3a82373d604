//! From `.eh_frame` to sorted rows.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use gimli::{BaseAddresses, CieOrFde, LittleEndian, UnwindContext, UnwindSection as _};
use tracer_common::unwind::{MAX_ROWS, Rule, row};

use super::go_code::GoSpans;
use super::rule::{Bytes, Section, rule};

/// Rows of one file at most: 32 MiB.
pub const MAX_FILE_ROWS: usize = MAX_ROWS as usize;
/// Functions stand on addresses that are multiples of 16, or 32: what lies between two is no code.
const PADDING: u64 = 64;

/// The rules of a file's code by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Link-time address that rows count from.
    pub base: u64,
    /// [`row`]s by ascending address, without repetition.
    pub rows: Vec<u64>,
    /// Not everything was read: too many rows, too much time, or damage.
    pub is_partial: bool,
}

/// Addresses with one rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) rule: Rule,
}

/// Bounds of the work on one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) until: Instant,
}

impl Rows {
    /// Reads the entries of an `.eh_frame` section that is at a link-time address. They go before
    /// the spans that are known of Go code, at least that it keeps frame pointers in `pointers`.
    pub(super) fn read(
        section: &[u8],
        address: u64,
        go: GoSpans,
        pointers: &[Range<u64>],
        limits: Limits,
    ) -> Self {
        let mut reading = Reading {
            spans: go.spans,
            is_partial: go.is_partial,
            limits,
        };
        reading.entries(section, address);
        let mut rows = Self::of_spans(reading.spans, pointers);
        rows.is_partial |= reading.is_partial;
        rows
    }

    /// As [`Rows::read`], of spans alone. Of two that begin at an address the later one counts.
    pub(super) fn of_spans(mut spans: Vec<Span>, pointers: &[Range<u64>]) -> Self {
        spans.sort_by_key(|s| s.start);
        merge(&spans, pointers)
    }
}

struct Reading {
    spans: Vec<Span>,
    is_partial: bool,
    limits: Limits,
}

impl Reading {
    fn entries(&mut self, bytes: &[u8], address: u64) {
        let mut section = Section::new(bytes, LittleEndian);
        section.set_address_size(8);
        let bases = BaseAddresses::default().set_eh_frame(address);
        let mut context = UnwindContext::new();
        let mut common = HashMap::new();
        let mut entries = section.entries(&bases);
        loop {
            let partial = match entries.next() {
                Ok(Some(CieOrFde::Fde(partial))) => partial,
                Ok(Some(CieOrFde::Cie(_))) => continue,
                Ok(None) => return,
                Err(_) => {
                    self.is_partial = true;
                    return;
                }
            };
            // Asked for each: what an entry costs is the file's choice, the clock costs some 25 ns.
            let late = Instant::now() > self.limits.until;
            if late || self.spans.len() >= self.limits.rows {
                self.is_partial = true;
                return;
            }
            let entry = partial.parse(|section, bases, offset| {
                if let Some(known) = common.get(&offset.0) {
                    return Ok(gimli::CommonInformationEntry::clone(known));
                }
                let parsed = section.cie_from_offset(bases, offset)?;
                common.insert(offset.0, parsed.clone());
                Ok(parsed)
            });
            match entry {
                Ok(entry) => self.entry(&section, &bases, &entry, &mut context),
                Err(_) => self.is_partial = true,
            }
        }
    }

    fn entry(
        &mut self,
        section: &Section<'_>,
        bases: &BaseAddresses,
        entry: &gimli::FrameDescriptionEntry<Bytes<'_>>,
        context: &mut UnwindContext<usize>,
    ) {
        let is_signal = entry.is_signal_trampoline();
        let Ok(mut table) = entry.rows(section, bases, context) else {
            self.is_partial = true;
            return;
        };
        loop {
            match table.next_row() {
                Ok(Some(row)) if row.start_address() < row.end_address() => {
                    if self.spans.len() >= self.limits.rows {
                        self.is_partial = true;
                        return;
                    }
                    self.spans.push(Span {
                        start: row.start_address(),
                        end: row.end_address(),
                        rule: rule(section, row, is_signal),
                    });
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => {
                    self.is_partial = true;
                    return;
                }
            }
        }
    }
}

/// Rows of spans in order of their starts.
fn merge(spans: &[Span], pointers: &[Range<u64>]) -> Rows {
    let first = spans.first().map(|s| s.start);
    let kept = pointers.iter().map(|range| range.start).min();
    let base = match (first, kept) {
        (Some(a), Some(b)) => a.min(b),
        (Some(a), None) | (None, Some(a)) => a,
        (None, None) => return Rows::default(),
    };
    let mut rows = Builder {
        base,
        pointers,
        rows: Vec::new(),
        is_partial: false,
    };
    let mut end = base;
    for span in spans {
        if span.start > end.saturating_add(PADDING) || (end == base && span.start > base) {
            rows.gap(end, span.start);
        }
        rows.push(span.start, span.rule);
        end = end.max(span.end);
    }
    rows.gap(end, u64::MAX);
    Rows {
        base,
        rows: rows.rows,
        is_partial: rows.is_partial,
    }
}

struct Builder<'a> {
    base: u64,
    pointers: &'a [Range<u64>],
    rows: Vec<u64>,
    is_partial: bool,
}

impl Builder<'_> {
    /// What no entry is about.
    fn gap(&mut self, start: u64, end: u64) {
        self.push(start, Rule::NONE);
        for range in self.pointers {
            if range.start < end && start < range.end {
                self.push(range.start.max(start), Rule::POINTERS);
                if range.end < end {
                    self.push(range.end, Rule::NONE);
                }
            }
        }
    }

    fn push(&mut self, start: u64, rule: Rule) {
        let Ok(pc) = u32::try_from(start.wrapping_sub(self.base)) else {
            self.is_partial = true;
            return;
        };
        let last = self.rows.last().copied();
        if last.is_some_and(|last| last >> 32 == u64::from(pc)) {
            self.rows.pop();
        }
        if self.rows.last().is_some_and(|&last| last as u32 == rule.0) {
            return;
        }
        self.rows.push(row(pc, rule));
    }
}

/// The rule for a link-time address, as the programs find it.
#[cfg(test)]
pub(super) fn find(rows: &Rows, address: u64) -> Rule {
    let pc = address.wrapping_sub(rows.base);
    let after = rows.rows.partition_point(|row| row >> 32 <= pc);
    match after.checked_sub(1) {
        Some(at) => Rule(rows.rows[at] as u32),
        None => Rule::NONE,
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::unwind::{cfa, saved};

    use super::*;

    fn stack(offset: i64) -> Rule {
        Rule::new(cfa::STACK, offset, saved::SAME, 0).expect("fits")
    }

    fn span(start: u64, end: u64, rule: Rule) -> Span {
        Span { start, end, rule }
    }

    #[test]
    fn neighbours_merge_and_gaps_are_told() {
        let spans = [
            span(0x1000, 0x1004, stack(8)),
            span(0x1004, 0x1010, stack(16)),
            // After padding, as the last.
            span(0x1020, 0x1030, stack(16)),
            span(0x2000, 0x2010, stack(8)),
        ];
        let rows = merge(&spans, &[]);
        assert_eq!(rows.base, 0x1000);
        assert!(!rows.is_partial);
        assert_eq!(rows.rows.len(), 5, "{:x?}", rows.rows);
        for (address, rule) in [
            (0xfff, Rule::NONE),
            (0x1000, stack(8)),
            (0x1004, stack(16)),
            (0x1018, stack(16)),
            (0x102f, stack(16)),
            (0x1030, Rule::NONE),
            (0x1fff, Rule::NONE),
            (0x200f, stack(8)),
            (0x2010, Rule::NONE),
        ] {
            assert_eq!(find(&rows, address), rule, "{address:#x}");
        }
    }

    #[test]
    fn code_with_frame_pointers_fills_gaps() {
        let spans = [
            span(0x1000, 0x1010, stack(8)),
            span(0x4000, 0x4010, stack(8)),
        ];
        let rows = merge(&spans, &[0x2000..0x3000, 0x5000..0x6000]);
        for (address, rule) in [
            (0x1010, Rule::NONE),
            (0x2000, Rule::POINTERS),
            (0x2fff, Rule::POINTERS),
            (0x3000, Rule::NONE),
            (0x4000, stack(8)),
            (0x4010, Rule::NONE),
            (0x5fff, Rule::POINTERS),
            (0x6000, Rule::NONE),
        ] {
            assert_eq!(find(&rows, address), rule, "{address:#x}");
        }
        let only = merge(&[], std::slice::from_ref(&(0x2000..0x3000)));
        assert_eq!(find(&only, 0x2000), Rule::POINTERS);
        assert_eq!(find(&only, 0x3000), Rule::NONE);
        assert_eq!(merge(&[], &[]), Rows::default());
    }
}
