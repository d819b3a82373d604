//! The heap as text: where all memory is, then what the functions of the program have on the heap.

use std::io::{self, Write};

use super::{StackText, clean, count, cut, peek, percent, tail};
use crate::render::StackOutput;
use crate::report::{GoMemory, HeapFunction, HeapProfile, HeapShown, MemoryLedger, MemoryOfKind};
use crate::term::bytes;

/// Columns of the table besides the function's name.
const OTHER_COLUMNS: usize = 62;

pub(super) fn write(
    profile: &HeapProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    if output.peek.is_none() {
        write_ledger(&profile.memory, out)?;
        writeln!(out)?;
    }
    if let Some(why) = &profile.missing {
        return writeln!(out, "no heap profile: {}", clean(why));
    }
    write_heading(profile, out)?;
    if profile.sites.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    match &output.peek {
        Some(regex) => peek::write(&profile.tree, regex, output.text, out),
        None => write_functions(profile, output.text, out),
    }
}

fn write_heading(profile: &HeapProfile, out: &mut dyn Write) -> io::Result<()> {
    let (objects, size) = profile.shown.of(&profile.amounts);
    let what = match profile.shown {
        HeapShown::InUse => "in use",
        HeapShown::Allocated => "allocated since the start",
    };
    writeln!(
        out,
        "heap profile: {} in {} {what}, as of up to two garbage collections ago",
        bytes(size),
        count(objects, "object", "objects"),
    )?;
    writeln!(
        out,
        "estimated from one sample each {} allocated, {}",
        bytes(profile.rate),
        count(profile.sites_read, "stack and size", "stacks and sizes"),
    )?;
    if profile.torn > 0 {
        let torn = count(profile.torn, "stack", "stacks");
        writeln!(
            out,
            "{torn} changed while being read: what was read last counts"
        )?;
    }
    if profile.unreadable > 0 {
        writeln!(out, "the list of stacks could not be followed to its end")?;
    }
    Ok(())
}

fn write_functions(profile: &HeapProfile, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    let (_, all) = profile.shown.of(&profile.amounts);
    let mut shown: Vec<&HeapFunction> = profile.functions.iter().collect();
    shown.retain(|f| f.cum_bytes > 0);
    let hidden = shown.split_off(shown.len().min(text.top));
    let widest = text.width.saturating_sub(OTHER_COLUMNS).max(20);
    writeln!(
        out,
        "{:>7} {:>9} {:>9} {:>7} {:>9} {:>9}  FUNCTION",
        "FLAT%", "FLAT", "OBJECTS", "CUM%", "CUM", "OBJECTS"
    )?;
    for function in shown {
        let row = format!(
            "{:>7} {:>9} {:>9} {:>7} {:>9} {:>9}  {}",
            percent(function.flat_bytes, all),
            bytes(function.flat_bytes),
            function.flat_objects,
            percent(function.cum_bytes, all),
            bytes(function.cum_bytes),
            function.cum_objects,
            tail(&clean(&function.frame.name), widest),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    if !hidden.is_empty() {
        let flat = hidden.iter().map(|f| f.flat_bytes);
        let share = percent(flat.fold(0, u64::saturating_add), all);
        let hidden = count(hidden.len() as u64, "more function", "more functions");
        writeln!(out, "{hidden} with {share} as FLAT")?;
    }
    Ok(())
}

/// What the runtime counts, then what the kernel counts, then what does not add up.
fn write_ledger(memory: &MemoryLedger, out: &mut dyn Write) -> io::Result<()> {
    write_go(&memory.go, out)?;
    writeln!(out)?;
    write_kinds(memory, out)?;
    for remark in &memory.remarks {
        writeln!(out, "- {}", clean(remark))?;
    }
    Ok(())
}

fn write_go(go: &GoMemory, out: &mut dyn Write) -> io::Result<()> {
    let between = go.heap_in_use.saturating_sub(go.heap_objects);
    let mut row = |size: u64, what: &str| writeln!(out, "{:>10}  {what}", bytes(size));
    row(go.mapped_ready, "memory by Go's own count, of which")?;
    let spans = format!(
        "heap in use: {} of objects, {} ({}) free between them",
        bytes(go.heap_objects),
        bytes(between),
        percent(between, go.heap_in_use),
    );
    row(go.heap_in_use, &spans)?;
    row(go.heap_idle, "heap idle: free, kept for the next growth")?;
    row(go.stacks, "stacks of goroutines")?;
    let tables = format!(
        "tables: {} of the collector, {} of spans, {} of profiles, {} other",
        bytes(go.collector),
        bytes(go.spans.saturating_add(go.caches)),
        bytes(go.profile_buckets),
        bytes(go.other.saturating_add(go.os_stacks)),
    );
    row(go.tables().saturating_add(go.os_stacks), &tables)?;
    row(
        go.heap_released,
        "besides: heap released, given back to the system",
    )?;
    let by = match (go.gogc, go.memory_limit) {
        (Some(gogc), None) => format!("GOGC={gogc}"),
        (Some(gogc), Some(limit)) => format!("GOGC={gogc}, GOMEMLIMIT {}", bytes(limit)),
        (None, Some(limit)) => format!("GOGC=off, GOMEMLIMIT {}", bytes(limit)),
        (None, None) => "GOGC=off".to_owned(),
    };
    let collections = count(
        u64::from(go.collections),
        "garbage collection",
        "garbage collections",
    );
    match go.next_goal {
        Some(goal) => {
            let live = format!(
                "goal of the next garbage collection ({by}): live now {}; {collections} so far",
                bytes(go.heap_live)
            );
            row(goal, &live)
        }
        None => writeln!(
            out,
            "{:>10}  no garbage collection to come ({by}): live now {}; {collections} so far",
            "-",
            bytes(go.heap_live)
        ),
    }
}

fn write_kinds(memory: &MemoryLedger, out: &mut dyn Write) -> io::Result<()> {
    if memory.kinds.is_empty() {
        return writeln!(out, "the kernel's count could not be read");
    }
    writeln!(
        out,
        "{:>10} {:>10} {:>10}  MAPPINGS",
        "RESIDENT", "SIZE", "HUGE"
    )?;
    for kind in &memory.kinds {
        writeln!(
            out,
            "{:>10} {:>10} {:>10}  {}",
            bytes(kind.resident),
            bytes(kind.size),
            bytes(kind.huge),
            kind.kind.name(),
        )?;
    }
    let all = |of: fn(&MemoryOfKind) -> u64| {
        let each = memory.kinds.iter().map(of);
        bytes(each.fold(0, u64::saturating_add))
    };
    let mode = memory.huge_pages.as_deref();
    let mode = mode.map_or_else(String::new, |mode| {
        format!("; transparent huge pages: {}", clean(mode))
    });
    writeln!(
        out,
        "{:>10} {:>10} {:>10}  all{mode}",
        all(|kind| kind.resident),
        all(|kind| kind.size),
        all(|kind| kind.huge),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        Frame, FrameKind, HeapAmounts, HeapSite, MemoryKind, ProfileRun, StackTreeBuilder, Unit,
    };

    const MIB: u64 = 1 << 20;

    fn frame(name: &str) -> Frame {
        Frame {
            name: name.to_owned(),
            module: None,
            kind: FrameKind::Go,
            inlined: false,
            file: None,
            line: None,
            code: None,
        }
    }

    fn ledger() -> MemoryLedger {
        let kind = |kind, resident, size, huge| MemoryOfKind {
            kind,
            mappings: 1,
            size,
            resident,
            huge,
            lazy_free: 0,
            swapped: 0,
        };
        MemoryLedger {
            go: GoMemory {
                heap_in_use: 40 * MIB,
                heap_objects: 30 * MIB,
                heap_idle: 8 * MIB,
                heap_released: 16 * MIB,
                stacks: MIB,
                spans: MIB,
                collector: 3 * MIB,
                mapped_ready: 54 * MIB,
                heap_live: 31 * MIB,
                next_goal: Some(60 * MIB),
                gogc: Some(100),
                collections: 7,
                ..GoMemory::default()
            },
            kinds: vec![
                kind(MemoryKind::GoArenas, 48 * MIB, 64 * MIB, 40 * MIB),
                kind(MemoryKind::Program, 4 * MIB, 5 * MIB, 0),
            ],
            huge_pages: Some("madvise".to_owned()),
            remarks: vec!["one thing does not add up".to_owned()],
        }
    }

    fn profile() -> HeapProfile {
        let (outer, inner) = (frame("main.serve"), frame("main.newCache"));
        let mut tree = StackTreeBuilder::new(Unit::Bytes);
        let node = tree.add([&outer, &inner], 24 * MIB).expect("a node");
        let amounts = HeapAmounts {
            alloc_objects: 5000,
            alloc_bytes: 50 * MIB,
            inuse_objects: 2400,
            inuse_bytes: 24 * MIB,
        };
        let function = |frame: &Frame, flat: u64| HeapFunction {
            frame: frame.clone(),
            flat_bytes: flat * 24 * MIB,
            flat_objects: flat * 2400,
            cum_bytes: 24 * MIB,
            cum_objects: 2400,
        };
        HeapProfile {
            pid: 42,
            shown: HeapShown::InUse,
            rate: 512 << 10,
            missing: None,
            amounts,
            sites_read: 1,
            torn: 0,
            unreadable: 0,
            memory: ledger(),
            functions: vec![function(&inner, 1), function(&outer, 0)],
            run: ProfileRun::default(),
            together: Vec::new(),
            by_thread: Vec::new(),
            sites: vec![HeapSite {
                node,
                object_bytes: 10240,
                amounts,
            }],
            tree: tree.finish(),
        }
    }

    fn text(profile: &HeapProfile) -> String {
        let mut out = Vec::new();
        write(profile, &StackOutput::default(), &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_ledger_stands_above_the_functions() {
        assert_eq!(text(&profile()), include_str!("heap/whole.txt"));
    }

    #[test]
    fn without_a_profile_the_reason_is_given() {
        let mut profile = profile();
        profile.missing = Some("the program takes no samples".to_owned());
        profile.memory.kinds.clear();
        let text = text(&profile);
        assert!(text.contains("the kernel's count could not be read\n"));
        assert!(text.ends_with("no heap profile: the program takes no samples\n"));
    }
}
