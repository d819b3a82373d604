//! From the runtime's counts and the kernel's to one ledger, and what does not add up in it.

use std::ops::Range;

use crate::process::{Mapping, MappingMemory};
use crate::report::{GoMemory, MemoryKind, MemoryLedger, MemoryOfKind};
use crate::term::bytes;

const MIB: u64 = 1 << 20;

/// Which addresses are Go's.
#[derive(Clone, Debug, Default)]
pub struct GoRanges {
    /// Arenas of the heap, in order.
    pub arenas: Vec<Range<u64>>,
    /// Device and inode of the program's file.
    pub program: ((u32, u32), u64),
}

/// Sorts mappings by what they are for, and says what does not add up.
#[must_use]
pub fn memory_ledger(
    go: GoMemory,
    ranges: &GoRanges,
    mappings: &[MappingMemory],
    huge_pages: Option<String>,
) -> MemoryLedger {
    let mut ledger = MemoryLedger {
        go,
        kinds: kinds(ranges, mappings),
        huge_pages,
        remarks: Vec::new(),
    };
    ledger.remarks = remarks(&ledger);
    ledger
}

fn kinds(ranges: &GoRanges, mappings: &[MappingMemory]) -> Vec<MemoryOfKind> {
    let mut kinds = MemoryKind::ALL.map(|kind| MemoryOfKind {
        kind,
        mappings: 0,
        size: 0,
        resident: 0,
        huge: 0,
        lazy_free: 0,
        swapped: 0,
    });
    // Variables without a value follow those that the file has values of.
    let mut end_of_program = None;
    for memory in mappings {
        let mapping = &memory.mapping;
        let follows = end_of_program == Some(mapping.start);
        let kind = kind(ranges, mapping, follows);
        end_of_program = (kind == MemoryKind::Program).then_some(mapping.end);
        let Some(sum) = kinds.iter_mut().find(|sum| sum.kind == kind) else {
            continue;
        };
        let perms = mapping.perms;
        let add = |to: &mut u64, value: u64| *to = to.saturating_add(value);
        sum.mappings += 1;
        // What nobody may touch is an address, not memory.
        if perms.read || perms.write || perms.execute {
            add(&mut sum.size, mapping.end - mapping.start);
        }
        add(&mut sum.resident, memory.resident);
        add(&mut sum.huge, memory.huge);
        add(&mut sum.lazy_free, memory.lazy_free);
        add(&mut sum.swapped, memory.swapped);
    }
    kinds.into_iter().filter(|sum| sum.mappings > 0).collect()
}

fn kind(ranges: &GoRanges, mapping: &Mapping, follows_program: bool) -> MemoryKind {
    let path = mapping.path.as_deref().unwrap_or_default();
    let is_arena = |range: &Range<u64>| range.contains(&mapping.start);
    if ranges.arenas.iter().any(is_arena) {
        return MemoryKind::GoArenas;
    }
    match path {
        "[heap]" => MemoryKind::CHeap,
        "[stack]" => MemoryKind::Stack,
        "" if follows_program => MemoryKind::Program,
        "" => MemoryKind::Anonymous,
        // Named by prctl(PR_SET_VMA_ANON_NAME) since Go 1.25 (runtime/set_vma_name_linux.go).
        _ if path.starts_with("[anon: Go") => MemoryKind::GoTables,
        _ if path.starts_with("[anon:") => MemoryKind::Anonymous,
        _ if mapping.is_file() && (mapping.dev, mapping.inode) == ranges.program => {
            MemoryKind::Program
        }
        _ if mapping.perms.shared && mapping.perms.write => MemoryKind::Shared,
        _ => MemoryKind::Files,
    }
}

/// Whether a difference is worth a word: more than a twentieth, and more than a MiB.
fn is_much(difference: u64, of: u64) -> bool {
    difference > MIB && difference > of / 20
}

fn remarks(ledger: &MemoryLedger) -> Vec<String> {
    let mut list = Vec::new();
    list.extend(about_arenas(ledger));
    list.extend(about_idle(&ledger.go));
    list.extend(about_fragments(&ledger.go));
    list.extend(about_others(ledger));
    list.extend(about_limit(&ledger.go));
    list.extend(about_swap(ledger));
    list
}

/// What Go believes to have, and what is there.
fn about_arenas(ledger: &MemoryLedger) -> Option<String> {
    let arenas = ledger.of(MemoryKind::GoArenas)?;
    let ready = ledger.go.arenas_ready();
    let there = arenas.resident.saturating_add(arenas.swapped);
    let more = there.saturating_sub(ready);
    let less = ready.saturating_sub(there);
    if is_much(more, ready) {
        let why = if arenas.lazy_free >= more / 2 {
            format!(
                "{} of it is marked as free, and the kernel takes it when it needs it",
                bytes(arenas.lazy_free)
            )
        } else if arenas.huge > 0 {
            format!(
                "a huge page stays as long as any of its 2 MiB is in use: {} of the arenas are such",
                bytes(arenas.huge)
            )
        } else {
            "it may have been given back only now, or been touched again".to_owned()
        };
        return Some(format!(
            "{} more of the arenas is in memory than Go counts: {why}",
            bytes(more)
        ));
    }
    is_much(less, ready).then(|| {
        format!(
            "{} of what Go counts as its arenas' memory was never touched, and takes none",
            bytes(less)
        )
    })
}

fn about_idle(go: &GoMemory) -> Option<String> {
    let is_much = go.heap_idle > 8 * MIB && go.heap_idle > go.heap_in_use / 4;
    is_much.then(|| {
        format!(
            "{} of the heap is free and kept: the scavenger gives back, little by little, what is \
             beyond 110 % of what the next goal needs; debug.FreeOSMemory gives it back at once",
            bytes(go.heap_idle)
        )
    })
}

fn about_fragments(go: &GoMemory) -> Option<String> {
    let between = go.heap_in_use.saturating_sub(go.heap_objects);
    let is_much = between > 4 * MIB && between > go.heap_in_use / 10 * 3;
    is_much.then(|| {
        format!(
            "{} of the heap in use has no objects: spans are kept as a whole as long as one object \
             in them lives",
            bytes(between)
        )
    })
}

/// What no heap profile shows.
fn about_others(ledger: &MemoryLedger) -> Option<String> {
    let of = |kind| ledger.of(kind).map_or(0, |k| k.resident);
    let outside = of(MemoryKind::CHeap)
        .saturating_add(of(MemoryKind::Anonymous))
        .saturating_add(of(MemoryKind::GoTables));
    let go = &ledger.go;
    let known = go.tables().saturating_add(go.os_stacks);
    let other = outside.saturating_sub(known);
    let is_much = other > 8 * MIB && other > ledger.resident() / 10;
    is_much.then(|| {
        format!(
            "{} outside of the arenas is more than Go's own tables take: it is C's (malloc, mmap) \
             or the program's own mappings, and in no heap profile",
            bytes(other)
        )
    })
}

fn about_limit(go: &GoMemory) -> Option<String> {
    let limit = go.memory_limit?;
    (go.mapped_ready > limit / 10 * 9).then(|| {
        format!(
            "{} of the {} that GOMEMLIMIT allows are taken: collections become more frequent",
            bytes(go.mapped_ready),
            bytes(limit)
        )
    })
}

fn about_swap(ledger: &MemoryLedger) -> Option<String> {
    let each = ledger.kinds.iter().map(|kind| kind.swapped);
    let swapped = each.fold(0, u64::saturating_add);
    (swapped > MIB).then(|| {
        format!(
            "{} are on swap: each garbage collection reads what is live back",
            bytes(swapped)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Perms;

    fn mapping(start: u64, end: u64, path: Option<&str>, resident: u64) -> MappingMemory {
        let rw = Perms {
            read: true,
            write: true,
            ..Perms::default()
        };
        MappingMemory {
            mapping: Mapping {
                start,
                end,
                perms: rw,
                path: path.map(str::to_owned),
                inode: u64::from(path.is_some_and(|p| p.starts_with('/'))),
                ..Mapping::default()
            },
            resident,
            ..MappingMemory::default()
        }
    }

    const ARENA: Range<u64> = 0xc0_0000_0000..0xc0_0400_0000;

    fn ranges() -> GoRanges {
        GoRanges {
            arenas: Vec::from_iter([ARENA]),
            program: ((0, 0), 1),
        }
    }

    #[test]
    fn mappings_are_sorted_by_what_they_are_for() {
        let reserved = MappingMemory {
            mapping: Mapping {
                start: 1 << 40,
                end: 1 << 41,
                ..Mapping::default()
            },
            ..MappingMemory::default()
        };
        let mappings = [
            mapping(0x40_0000, 0x50_0000, Some("/srv/app"), 100),
            mapping(0x50_0000, 0x60_0000, None, 10),
            mapping(0x60_0000, 0x70_0000, None, 1),
            mapping(0xa0_0000, 0xb0_0000, None, 5),
            mapping(0xb0_0000, 0xc0_0000, Some("[heap]"), 7),
            mapping(0xc0_0000_0000, 0xc0_0400_0000, None, 50),
            mapping(
                0xd0_0000_0000,
                0xd0_0100_0000,
                Some("[anon: Go: gc bits]"),
                3,
            ),
            reserved,
        ];
        let ledger = memory_ledger(GoMemory::default(), &ranges(), &mappings, None);
        let of = |kind| ledger.of(kind).map(|k| (k.resident, k.size));
        assert_eq!(of(MemoryKind::Program), Some((111, 0x30_0000)));
        assert_eq!(of(MemoryKind::Anonymous), Some((5, 0x10_0000)));
        assert_eq!(of(MemoryKind::CHeap), Some((7, 0x10_0000)));
        assert_eq!(of(MemoryKind::GoArenas), Some((50, 64 * MIB)));
        assert_eq!(of(MemoryKind::GoTables), Some((3, 0x100_0000)));
        assert_eq!(of(MemoryKind::Shared), None);
        assert_eq!(ledger.resident(), 176);
        assert!(ledger.remarks.is_empty(), "{:?}", ledger.remarks);
    }

    #[test]
    fn what_does_not_add_up_is_said() {
        let go = GoMemory {
            heap_in_use: 40 * MIB,
            heap_objects: 10 * MIB,
            heap_idle: 20 * MIB,
            memory_limit: Some(64 * MIB),
            mapped_ready: 63 * MIB,
            ..GoMemory::default()
        };
        let mut arena = mapping(0xc0_0000_0000, 0xc0_0400_0000, None, 70 * MIB);
        arena.huge = 60 * MIB;
        let mut c_heap = mapping(0xb0_0000, 0xc0_0000, Some("[heap]"), 30 * MIB);
        c_heap.swapped = 2 * MIB;
        let ledger = memory_ledger(go.clone(), &ranges(), &[arena, c_heap], None);
        let says = |what: &str| {
            let found = ledger.remarks.iter().any(|remark| remark.contains(what));
            assert!(found, "{what}: {:?}", ledger.remarks);
        };
        says("10.0 MiB more of the arenas is in memory than Go counts: a huge page");
        says("20.0 MiB of the heap is free and kept");
        says("30.0 MiB of the heap in use has no objects");
        says("30.0 MiB outside of the arenas");
        says("63.0 MiB of the 64.0 MiB that GOMEMLIMIT allows");
        says("2.00 MiB are on swap");
        let arena = mapping(0xc0_0000_0000, 0xc0_0400_0000, None, 20 * MIB);
        let ledger = memory_ledger(go, &ranges(), &[arena], None);
        assert!(ledger.remarks[0].starts_with("40.0 MiB of what Go counts"));
    }
}
