//! Tables and mappings of the targets, as they are placed for the programs.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tracer_common::unwind::{
    KEEPS_POINTERS, MAX_MAPPINGS, NODE_WORDS, Node, UnwindMapping, UnwindProcess,
};

use super::file_table::{FileTable, OpenedFile};
use super::pool::Pool;
use crate::process::{AddressSpace, MappedFile, MappedFiles, Mapping};

/// Bytes of the vDSO, at most.
const MAX_VDSO: u64 = 256 << 10;
/// Looks between two reads of the same process's mappings, at first; doubled by each read that
/// brings nothing new.
const FIRST_WAIT: u32 = 1;
/// At most.
const LONGEST_WAIT: u32 = 64;
/// Time after which a look reads no further process.
const MAX_LOOK: Duration = Duration::from_millis(100);
/// Time that may be spent on the files of a run. A program can have hundreds that take long, made
/// for that.
const MAX_READING: Duration = Duration::from_secs(20);

/// Where the programs read.
pub trait NodeStore {
    /// What can go wrong.
    type Error;

    /// Fills a node.
    ///
    /// # Errors
    /// When the programs' memory is not usable.
    fn set_node(&mut self, node: u32, words: &Node) -> Result<(), Self::Error>;

    /// Tells where the mappings of a process are.
    ///
    /// # Errors
    /// As above.
    fn set_process(&mut self, tgid: u32, process: UnwindProcess) -> Result<(), Self::Error>;
}

/// How much there is, and what did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Bytes of the programs' memory in use.
    pub bytes: u64,
    /// Files whose table did not fit.
    pub too_many: u64,
    /// Files of which a part was read, or nothing for want of time.
    pub partial: u64,
}

/// What is known of the targets' code.
#[derive(Debug, Default)]
pub struct Tables {
    pool: Pool,
    files: MappedFiles,
    /// By device and inode.
    by_file: HashMap<(u64, u64), Option<Rc<Table>>>,
    by_build_id: HashMap<Vec<u8>, Rc<Table>>,
    vdso: Option<Option<Rc<Table>>>,
    processes: HashMap<u32, Process>,
    stats: TableStats,
    /// Time spent on files.
    reading: Duration,
}

/// One file's.
#[derive(Debug)]
struct Table {
    file: FileTable,
    /// First node and count, once it is placed.
    nodes: Cell<Option<(u32, u32)>>,
    rows: u32,
}

#[derive(Debug, Default)]
struct Process {
    /// What was placed; shared with children that were forked.
    placed: Option<Rc<Placed>>,
    /// Stacks that left the known mappings, when they were last read.
    unmapped: u64,
    /// Looks to let pass before the next reading, and how many that will be then.
    wait: u32,
    next_wait: u32,
}

/// The mappings of a process, in nodes.
#[derive(Debug)]
struct Placed {
    first: u32,
    nodes: u32,
    mappings: Vec<UnwindMapping>,
    /// Kept from being given back.
    tables: Vec<Rc<Table>>,
}

/// Executable memory and its table.
struct Code {
    mapping: Mapping,
    table: Option<Rc<Table>>,
}

impl Code {
    /// The vDSO alone is not worth it.
    fn needs_rows(&self) -> bool {
        self.mapping.is_file() && self.table.is_some()
    }
}

impl Tables {
    /// Whether a process has code whose frames only a table describes. One that cannot be read has
    /// not.
    pub fn are_needed_by(&mut self, pid: u32) -> bool {
        self.code_of(pid)
            .is_some_and(|code| code.iter().any(Code::needs_rows))
    }

    /// Reads the mappings of a process, and the tables of files not seen before, and places both.
    ///
    /// # Errors
    /// Those of the store.
    pub fn add<S: NodeStore>(&mut self, pid: u32, store: &mut S) -> Result<(), S::Error> {
        let unmapped = self.processes.get(&pid).map_or(0, |p| p.unmapped);
        let code = self.code_of(pid).unwrap_or_default();
        let placed = match code.iter().any(Code::needs_rows) {
            true => self.place(&code, store)?,
            false => None,
        };
        self.put(pid, placed, unmapped, store)
    }

    /// As [`Tables::add`], for a child that has its parent's memory.
    ///
    /// # Errors
    /// Those of the store.
    pub fn forked<S: NodeStore>(
        &mut self,
        parent: u32,
        child: u32,
        store: &mut S,
    ) -> Result<(), S::Error> {
        let Some(process) = self.processes.get(&parent) else {
            return Ok(());
        };
        let placed = process.placed.clone();
        self.put(child, placed, 0, store)
    }

    /// Forgets a process that ended. The programs forget it by themselves.
    pub fn ended(&mut self, pid: u32) {
        if let Some(process) = self.processes.remove(&pid) {
            self.give_back(process.placed);
        }
    }

    /// Reads those processes again whose stacks left what is known of them: `unmapped` has the
    /// number of such stacks of each process that the programs met.
    ///
    /// # Errors
    /// Those of the store.
    pub fn refresh<S: NodeStore>(
        &mut self,
        unmapped: &[(u32, u64)],
        store: &mut S,
    ) -> Result<(), S::Error> {
        let until = Instant::now() + MAX_LOOK;
        for &(pid, count) in unmapped {
            if Instant::now() > until {
                // The rest is as new at the next look.
                break;
            }
            let process = self.processes.entry(pid).or_default();
            if process.unmapped == count {
                continue;
            }
            if process.wait > 0 {
                process.wait -= 1;
                continue;
            }
            let before = process.placed.as_ref().map(|p| p.mappings.clone());
            let next = process.next_wait.max(FIRST_WAIT);
            process.unmapped = count;
            self.add(pid, store)?;
            let process = self.processes.entry(pid).or_default();
            let is_new = process.placed.as_ref().map(|p| &p.mappings) != before.as_ref();
            process.wait = next;
            process.next_wait = match is_new {
                true => FIRST_WAIT,
                false => (next * 2).min(LONGEST_WAIT),
            };
        }
        Ok(())
    }

    /// How much there is now.
    #[must_use]
    pub fn stats(&self) -> TableStats {
        TableStats {
            bytes: u64::from(self.pool.used()) * size_of::<Node>() as u64,
            ..self.stats
        }
    }

    fn put<S: NodeStore>(
        &mut self,
        pid: u32,
        placed: Option<Rc<Placed>>,
        unmapped: u64,
        store: &mut S,
    ) -> Result<(), S::Error> {
        let told = placed
            .as_ref()
            .map_or_else(UnwindProcess::default, |p| UnwindProcess {
                first: u64::from(p.first) * NODE_WORDS as u64,
                mappings: p.mappings.len() as u64,
                unmapped: 0,
            });
        store.set_process(pid, UnwindProcess { unmapped, ..told })?;
        let process = self.processes.entry(pid).or_default();
        process.unmapped = unmapped;
        // Programs that run this moment may read the old ones still: a stack is wrong at worst.
        let old = std::mem::replace(&mut process.placed, placed);
        self.give_back(old);
        Ok(())
    }

    fn give_back(&mut self, placed: Option<Rc<Placed>>) {
        if let Some(placed) = placed.and_then(Rc::into_inner) {
            self.pool.give(placed.first, placed.nodes);
        }
    }

    /// The executable mappings of a process, by address.
    fn code_of(&mut self, pid: u32) -> Option<Vec<Code>> {
        let space = match AddressSpace::snapshot(pid, &mut self.files) {
            Ok(space) => space,
            Err(error) => {
                log::debug!("{error}");
                return None;
            }
        };
        let code = space.code();
        let code = code.map(|(mapping, file)| Code {
            table: match file {
                Some(file) => self.table_of(file),
                None if mapping.name() == "[vdso]" => self.vdso(pid, mapping),
                None => None,
            },
            mapping: mapping.clone(),
        });
        let code: Vec<_> = code.collect();
        drop(space);
        self.files.close_unused();
        Some(code)
    }

    /// The table of a file, read once for all files with its build id.
    fn table_of(&mut self, file: &MappedFile) -> Option<Rc<Table>> {
        if let Some(known) = self.by_file.get(&file.id()) {
            return known.clone();
        }
        let table = self.read(file);
        self.by_file.insert(file.id(), table.clone());
        table
    }

    fn read(&mut self, file: &MappedFile) -> Option<Rc<Table>> {
        let opened = OpenedFile::open(file)
            .inspect_err(|error| log::debug!("{}: {error}", file.path))
            .ok()?;
        let build_id = opened.build_id();
        if let Some(known) = build_id.as_ref().and_then(|id| self.by_build_id.get(id)) {
            return Some(Rc::clone(known));
        }
        if self.reading > MAX_READING {
            self.stats.partial += 1;
            return None;
        }
        let begun = Instant::now();
        let table = opened.table();
        self.reading += begun.elapsed();
        let table = table
            .inspect_err(|error| log::debug!("{}: {error}", file.path))
            .ok()?;
        let table = self.keep(table);
        if let Some(id) = build_id {
            self.by_build_id.insert(id, Rc::clone(&table));
        }
        Some(table)
    }

    fn keep(&mut self, file: FileTable) -> Rc<Table> {
        self.stats.partial += u64::from(file.rows.is_partial);
        Rc::new(Table {
            rows: u32::try_from(file.rows.rows.len()).unwrap_or(u32::MAX),
            nodes: Cell::new(None),
            file,
        })
    }

    /// That of the kernel's own code in every process, which is the same in all.
    fn vdso(&mut self, pid: u32, mapping: &Mapping) -> Option<Rc<Table>> {
        if self.vdso.is_none() {
            let table = read_memory(pid, mapping).and_then(|bytes| {
                let opened = OpenedFile::from_bytes(bytes).ok()?;
                opened.table().ok()
            });
            self.vdso = Some(table.map(|t| self.keep(t)));
        }
        self.vdso.clone().flatten()
    }

    fn place<S: NodeStore>(
        &mut self,
        code: &[Code],
        store: &mut S,
    ) -> Result<Option<Rc<Placed>>, S::Error> {
        let mut mappings = Vec::new();
        let mut tables = Vec::new();
        for code in code.iter().take(MAX_MAPPINGS as usize) {
            let mut mapping = UnwindMapping {
                start: code.mapping.start,
                end: code.mapping.end,
                ..UnwindMapping::default()
            };
            if let Some(table) = &code.table
                && let Some(bias) = table.file.bias(&code.mapping)
            {
                if table.file.keeps_pointers {
                    mapping.rows = KEEPS_POINTERS;
                }
                if let Some(first_row) = self.place_table(table, &tables, store)? {
                    mapping.bias = bias;
                    mapping.first_row = first_row;
                    mapping.rows |= table.rows;
                    (mapping.handler, mapping.handler_len) = table.file.handler_place();
                    tables.push(Rc::clone(table));
                }
            }
            mappings.push(mapping);
        }
        let words: Vec<u64> = mappings.iter().flat_map(|m| m.words()).collect();
        let Some((first, nodes)) = self.write(&words, store)? else {
            return Ok(None);
        };
        Ok(Some(Rc::new(Placed {
            first,
            nodes,
            mappings,
            tables,
        })))
    }

    /// Index of the table's first row; `None` when it does not fit.
    fn place_table<S: NodeStore>(
        &mut self,
        table: &Rc<Table>,
        others: &[Rc<Table>],
        store: &mut S,
    ) -> Result<Option<u32>, S::Error> {
        let index = |first: u32| first * NODE_WORDS as u32;
        if let Some((first, _)) = table.nodes.get() {
            return Ok(Some(index(first)));
        }
        let mut placed = self.write(&table.file.rows.rows, store)?;
        if placed.is_none() && self.drop_unused(others) {
            placed = self.write(&table.file.rows.rows, store)?;
        }
        if placed.is_none() {
            self.stats.too_many += 1;
        }
        table.nodes.set(placed);
        Ok(placed.map(|(first, _)| index(first)))
    }

    /// Makes room: gives the nodes of tables back that no process uses.
    fn drop_unused(&mut self, needed: &[Rc<Table>]) -> bool {
        let used: HashSet<*const Table> = self
            .processes
            .values()
            .filter_map(|p| p.placed.as_ref())
            .flat_map(|placed| &placed.tables)
            .chain(needed)
            .map(Rc::as_ptr)
            .collect();
        let known = self
            .by_file
            .values()
            .flatten()
            .chain(self.by_build_id.values());
        let mut any = false;
        for table in known.filter(|t| !used.contains(&Rc::as_ptr(t))) {
            if let Some((first, count)) = table.nodes.take() {
                self.pool.give(first, count);
                any = true;
            }
        }
        any
    }

    /// Writes words to nodes of their own; returns the first node and how many.
    fn write<S: NodeStore>(
        &mut self,
        words: &[u64],
        store: &mut S,
    ) -> Result<Option<(u32, u32)>, S::Error> {
        let count = u32::try_from(words.len().div_ceil(NODE_WORDS)).unwrap_or(u32::MAX);
        let Some(first) = self.pool.take(count) else {
            return Ok(None);
        };
        for (node, part) in (first..).zip(words.chunks(NODE_WORDS)) {
            let mut filled: Node = [0; NODE_WORDS];
            filled[..part.len()].copy_from_slice(part);
            if let Err(error) = store.set_node(node, &filled) {
                self.pool.give(first, count);
                return Err(error);
            }
        }
        Ok(Some((first, count)))
    }
}

/// The bytes of a mapping of a live process.
fn read_memory(pid: u32, mapping: &Mapping) -> Option<Vec<u8>> {
    let len = mapping.end.checked_sub(mapping.start)?;
    if len > MAX_VDSO {
        return None;
    }
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    memory.read_exact_at(&mut bytes, mapping.start).ok()?;
    Some(bytes)
}
