//! Tables of real files against gimli's own evaluation of the same entries.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EvaluationResult, LittleEndian, Location, RegisterRule,
    UnwindContext, UnwindSection as _, UnwindTableRow, Value,
};
use proptest::prelude::*;
use tracer_common::unwind::{NODE_WORDS, Node, Rule, UnwindMapping, UnwindProcess, cfa, saved};

use super::go_code::GoSpans;
use super::rows::{Limits, Rows, find};
use super::rule::{RBP, RETURN_ADDRESS, RSP, Section};
use super::tables::{NodeStore, Tables};
use crate::go::{Elf, Source};

const STACK: u64 = 0x7ffd_0000_1000;
const FRAME: u64 = 0x7ffd_0000_2000;

/// What a step leads to: return address, stack pointer and frame pointer, as far as they are known.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Caller {
        pc: u64,
        stack: u64,
        frame: Option<u64>,
    },
    Root,
}

/// Some memory.
fn memory(address: u64) -> u64 {
    address.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0x7fff_ffff_fff8
}

/// A step as the programs take it; `None` where they guess.
fn by_rule(rule: Rule, pc: u64) -> Option<Step> {
    let at = |base: u64| base.wrapping_add(rule.offset() as u64);
    let cfa = match rule.cfa() {
        cfa::STACK => at(STACK),
        cfa::FRAME => at(FRAME),
        cfa::AT_STACK => memory(at(STACK)),
        cfa::AT_STACK_8 => memory(at(STACK)).wrapping_add(8),
        cfa::AT_FRAME => memory(at(FRAME)),
        cfa::LINKAGE if pc & 15 >= rule.offset() as u64 / 8 => STACK + 16,
        cfa::LINKAGE => STACK + 8,
        cfa::SIGNAL => {
            return Some(Step::Caller {
                pc: memory(at(STACK) + 168),
                stack: memory(at(STACK) + 160),
                frame: Some(memory(at(STACK) + 120)),
            });
        }
        cfa::ROOT => return Some(Step::Root),
        _ => return None,
    };
    Some(Step::Caller {
        pc: memory(cfa.wrapping_sub(8)),
        stack: cfa,
        frame: match rule.saved() {
            saved::SAME => Some(FRAME),
            saved::BELOW_CFA => Some(memory(cfa.wrapping_sub(rule.saved_offset()))),
            saved::AT_FRAME => Some(memory(FRAME)),
            _ => None,
        },
    })
}

/// The same step by the row; `None` when it needs registers other than these.
fn by_row(section: &Section<'_>, row: &UnwindTableRow<usize>, pc: u64) -> Option<Step> {
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            register_of(*register, pc)?.wrapping_add(*offset as u64)
        }
        CfaRule::Expression(expression) => evaluate(section, expression, None, pc)?,
    };
    let value = |rule: Option<RegisterRule<usize>>, same: Option<u64>| match rule {
        None | Some(RegisterRule::SameValue) => same,
        Some(RegisterRule::Offset(offset)) => Some(memory(cfa.wrapping_add(offset as u64))),
        Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add(offset as u64)),
        Some(RegisterRule::Expression(e)) => evaluate(section, &e, Some(cfa), pc).map(memory),
        Some(RegisterRule::ValExpression(e)) => evaluate(section, &e, Some(cfa), pc),
        _ => None,
    };
    let return_address = row.register(RETURN_ADDRESS);
    if matches!(return_address, None | Some(RegisterRule::Undefined)) {
        return Some(Step::Root);
    }
    Some(Step::Caller {
        pc: value(return_address, None)?,
        stack: value(row.register(RSP), Some(cfa))?,
        frame: value(row.register(RBP), Some(FRAME)),
    })
}

fn register_of(register: gimli::Register, pc: u64) -> Option<u64> {
    match register {
        RSP => Some(STACK),
        RBP => Some(FRAME),
        RETURN_ADDRESS => Some(pc),
        _ => None,
    }
}

fn evaluate(
    section: &Section<'_>,
    expression: &gimli::UnwindExpression<usize>,
    initial: Option<u64>,
    pc: u64,
) -> Option<u64> {
    let encoding = gimli::Encoding {
        address_size: 8,
        format: gimli::Format::Dwarf32,
        version: 4,
    };
    let mut evaluation = expression.get(section).ok()?.evaluation(encoding);
    if let Some(initial) = initial {
        evaluation.set_initial_value(initial);
    }
    let mut state = evaluation.evaluate().ok()?;
    loop {
        state = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = register_of(register, pc)?;
                evaluation
                    .resume_with_register(Value::Generic(value))
                    .ok()?
            }
            EvaluationResult::RequiresMemory { address, .. } => {
                let word = Value::Generic(memory(address));
                evaluation.resume_with_memory(word).ok()?
            }
            other => panic!("not in call frame information: {other:?}"),
        };
    }
    match evaluation.result().first()?.location {
        Location::Address { address } => Some(address),
        ref other => panic!("no address: {other:?}"),
    }
}

fn limits() -> Limits {
    Limits {
        rows: 1 << 22,
        until: Instant::now() + Duration::from_secs(60),
    }
}

fn eh_frame(path: &str) -> (Vec<u8>, u64) {
    let file = std::fs::File::open(path).expect("a file");
    let source = Source::from_file(file).expect("readable");
    let elf = Elf::parse(source.clone()).expect("ELF");
    let section = elf.section(".eh_frame").expect("unwind information");
    let mut bytes = vec![0; section.size as usize];
    source.read(section.offset, &mut bytes).expect("readable");
    (bytes, section.addr)
}

fn libc_path() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("own maps");
    let line = maps
        .lines()
        .find(|l| l.contains("/libc.so.6") || l.contains("/libc-2."));
    let line = line.expect("the C library is mapped");
    line.split_whitespace().last().expect("a path").to_owned()
}

/// Compares the first and the last address of every row of every entry. Returns how many rows there
/// are, how many the table does not tell, and how many bytes it takes.
fn compare(path: &str) -> (usize, usize, usize) {
    let (bytes, address) = eh_frame(path);
    let table = Rows::read(&bytes, address, GoSpans::default(), &[], limits());
    assert!(!table.is_partial, "{path}");
    let mut section = Section::new(&bytes, LittleEndian);
    section.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut entries = section.entries(&bases);
    let mut context = UnwindContext::new();
    let (mut count, mut untold) = (0, BTreeMap::<String, usize>::new());
    while let Some(entry) = entries.next().expect("sound") {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let entry = partial.parse(Section::cie_from_offset).expect("sound");
        let mut rows = entry.rows(&section, &bases, &mut context).expect("sound");
        while let Some(row) = rows.next_row().expect("sound") {
            if row.start_address() >= row.end_address() {
                continue;
            }
            count += 1;
            for pc in [row.start_address(), row.end_address() - 1] {
                let rule = find(&table, pc);
                match (by_rule(rule, pc), by_row(&section, row, pc)) {
                    (
                        Some(Step::Caller {
                            pc: p,
                            stack: s,
                            frame: None,
                        }),
                        Some(theirs),
                    ) => {
                        // A register that nobody keeps is not looked for.
                        let Step::Caller {
                            pc: q, stack: t, ..
                        } = theirs
                        else {
                            panic!("{pc:#x} of {path}: {row:?}");
                        };
                        assert_eq!((p, s), (q, t), "{pc:#x} of {path}: {row:?}");
                    }
                    (Some(ours), theirs) => {
                        assert_eq!(Some(ours), theirs, "{pc:#x} of {path}: {row:?}");
                    }
                    (None, _) => *untold.entry(format!("{:?}", row.cfa())).or_default() += 1,
                }
            }
        }
    }
    println!("{path}: not told: {untold:?}");
    let untold = untold.values().sum::<usize>() / 2;
    (count, untold, table.rows.len() * 8)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn every_row_of_the_c_library_and_of_this_program_is_told_alike() {
    let own = std::env::current_exe().expect("own path");
    for path in [libc_path(), own.to_string_lossy().into_owned()] {
        let (rows, untold, bytes) = compare(&path);
        println!("{path}: {rows} rows, {untold} untold, {bytes} bytes");
        assert!(rows > 10_000, "{path}: {rows}");
        assert!(untold * 200 < rows, "{path}: {untold} of {rows}");
        assert!(
            bytes < rows * 8,
            "{path}: neighbours with one rule are merged"
        );
    }
}

/// What the programs would read.
#[derive(Default)]
struct Memory {
    nodes: BTreeMap<u32, Box<Node>>,
    processes: BTreeMap<u32, UnwindProcess>,
}

impl NodeStore for Memory {
    type Error = std::convert::Infallible;

    fn set_node(&mut self, node: u32, words: &Node) -> Result<(), Self::Error> {
        self.nodes.insert(node, Box::new(*words));
        Ok(())
    }

    fn set_process(&mut self, tgid: u32, process: UnwindProcess) -> Result<(), Self::Error> {
        self.processes.insert(tgid, process);
        Ok(())
    }
}

impl Memory {
    fn word(&self, index: u64) -> u64 {
        let node = (index / NODE_WORDS as u64) as u32;
        self.nodes[&node][(index % NODE_WORDS as u64) as usize]
    }

    /// The rule for a live address.
    fn rule(&self, pid: u32, address: u64) -> Option<Rule> {
        let process = self.processes[&pid];
        let mapping = (0..process.mappings).find_map(|i| {
            let at = process.first + i * UnwindMapping::WORDS as u64;
            let words = [0, 1, 2, 3].map(|n| self.word(at + n));
            (words[0]..words[1]).contains(&address).then_some(words)
        })?;
        let (first, rows) = (mapping[3] >> 32, mapping[3] & 0xffff_ffff);
        let pc = address.wrapping_sub(mapping[2]);
        let rows: Vec<u64> = (0..rows).map(|i| self.word(first + i)).collect();
        let after = rows.partition_point(|row| row >> 32 <= pc);
        Some(
            after
                .checked_sub(1)
                .map_or(Rule::NONE, |at| Rule(rows[at] as u32)),
        )
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn placed_tables_have_the_rules_of_live_addresses() {
    let mut tables = Tables::default();
    let mut memory = Memory::default();
    let pid = std::process::id();
    let Ok(()) = tables.add(pid, &mut memory);
    // A function's first instruction: the return address is on the stack.
    let entry = Rule::new(cfa::STACK, 8, saved::SAME, 0).expect("fits");
    for function in [
        placed_tables_have_the_rules_of_live_addresses as *const () as u64,
        libc::getpid as *const () as u64,
    ] {
        assert_eq!(memory.rule(pid, function), Some(entry), "{function:#x}");
    }
    assert_eq!(memory.rule(pid, 0x1000), None);
    let used = tables.stats().bytes;
    let Ok(()) = tables.forked(pid, 1, &mut memory);
    assert_eq!(tables.stats().bytes, used, "shared");
    assert_eq!(memory.processes[&1], memory.processes[&pid]);
    tables.ended(1);
    assert_eq!(tables.stats().bytes, used);
    tables.ended(pid);
    assert!(tables.stats().bytes < used, "the mappings are given back");
}

fn sleeper(program: &std::path::Path) -> Child {
    let mut command = Command::new(program);
    let child = command.arg("100").stdin(Stdio::null()).spawn();
    child.expect("runs")
}

/// A new program's parent runs on before the program is mapped: look until it is.
fn add_mapped(tables: &mut Tables, memory: &mut Memory, pid: u32, name: &str) {
    for _ in 0..500 {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        if maps.contains(name) && maps.contains("libc") && maps.contains("[vdso]") {
            let Ok(()) = tables.add(pid, memory);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{name} is not mapped");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn copies_of_a_file_share_a_table_and_new_code_is_read_when_met() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let copies = ["sleeper-one", "sleeper-two"].map(|name| dir.path().join(name));
    let mut tables = Tables::default();
    let mut memory = Memory::default();
    let mut children = Vec::new();
    let mut used = Vec::new();
    for copy in &copies {
        std::fs::copy("/bin/sleep", copy).expect("/bin/sleep can be copied");
        let child = sleeper(copy);
        let name = copy.file_name().expect("a name").to_string_lossy();
        add_mapped(&mut tables, &mut memory, child.id(), &name);
        children.push(child);
        used.push(tables.stats().bytes);
    }
    let third = sleeper(&copies[0]);
    // Known by a stack of it alone; not read again without another.
    std::thread::sleep(Duration::from_millis(200));
    let Ok(()) = tables.refresh(&[(third.id(), 1)], &mut memory);
    let is_known = memory.processes[&third.id()].mappings > 0;
    let writes = memory.processes[&third.id()];
    let Ok(()) = tables.refresh(&[(third.id(), 1)], &mut memory);
    let is_same = memory.processes[&third.id()] == writes;
    children.push(third);
    for mut child in children {
        child.kill().expect("still there");
        child.wait().expect("still there");
    }
    assert_eq!(
        used[1] - used[0],
        size_of::<Node>() as u64,
        "its mappings alone"
    );
    assert!(is_known && is_same);
}

proptest! {
    #[test]
    fn any_bytes_make_a_table_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let rows = Rows::read(&bytes, 0x1000, GoSpans::default(), &[], limits());
        prop_assert!(rows.rows.is_sorted_by_key(|row| row >> 32));
    }

    #[test]
    fn damaged_entries_do_no_harm(
        at in 0_usize..20_000, len in 0_usize..4000,
        changes in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..20),
    ) {
        let (bytes, address) = eh_frame(&libc_path());
        let mut part = bytes[at.min(bytes.len())..(at + len).min(bytes.len())].to_vec();
        for (at, byte) in changes {
            if let Some(place) = part.get_mut(at) {
                *place = byte;
            }
        }
        let few = Limits { rows: 1000, ..limits() };
        let rows = Rows::read(&part, address, GoSpans::default(), std::slice::from_ref(&(0x5000..0x6000)), few);
        prop_assert!(rows.rows.is_sorted_by_key(|row| row >> 32));
        prop_assert!(rows.rows.len() <= 3 * 1000 + 4);
    }
}
