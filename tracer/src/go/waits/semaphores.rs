//! Semaphores, on which every lock of a Go program sleeps (`runtime.semtable`, runtime/sema.go).

use std::collections::{BTreeSet, HashMap};

use crate::go::binary::{Arch, Binary};
use crate::go::code::{Access, references};
use crate::go::layout::Layout;
use crate::go::memory::{Memory, MemoryError};

/// `runtime.semTabSize`.
const ROOTS: u64 = 251;
/// Offset of `semaRoot.treap`, behind the lock.
const TREE: usize = 8;
/// Goroutines that are followed.
const MAX_WAITERS: usize = 1 << 22;

const ACQUIRE: &str = "runtime.semacquire1";
const RELEASE: &str = "runtime.semrelease1";
const TABLE: &str = "runtime.semtable";

/// Link-time address of the table of semaphores: what both taking and giving one back refer to.
/// `None` where the code does not tell, or the symbol table says otherwise.
#[must_use]
pub fn semaphore_table(binary: &Binary) -> Option<u64> {
    let table = binary.pclntab().ok()?;
    let functions = table.find_functions(&[ACQUIRE, RELEASE]).ok()?;
    let data = binary.module().map(|m| m.data_start..m.data_end);
    let taken = |name: &str| -> Option<BTreeSet<u64>> {
        let list = references(binary, functions.get(name)?.first()?).ok()?;
        let taken = list.iter().filter(|r| r.access == Access::Address);
        let targets = taken.map(|r| r.target);
        let inside = targets.filter(|at| data.as_ref().is_none_or(|data| data.contains(at)));
        Some(inside.collect())
    };
    let (acquire, release) = (taken(ACQUIRE)?, taken(RELEASE)?);
    let mut both = acquire.intersection(&release);
    let (Some(&found), None) = (both.next(), both.next()) else {
        return None;
    };
    let symbols = binary.symbols(&[TABLE]).ok()?;
    let symbol = symbols.get(TABLE).map(|symbol| symbol.addr);
    (symbol.is_none_or(|symbol| symbol == found)).then_some(found)
}

/// Who waits (`*g`), and for the semaphore at which address. `table` is a live address.
///
/// The lists change while they are read: what does not belong to its place is left out.
///
/// # Errors
/// When the table or all memory cannot be read.
pub(super) fn read(
    memory: &impl Memory,
    layout: &Layout,
    table: u64,
) -> Result<HashMap<u64, u64>, MemoryError> {
    let stride = root_size(layout.arch);
    let mut roots = vec![0; (ROOTS * stride) as usize];
    memory.read(table, &mut roots)?;
    let mut waiters = HashMap::new();
    for (index, root) in roots.chunks_exact(stride as usize).enumerate() {
        let tree = root.get(TREE..TREE + 8).and_then(|w| w.first_chunk());
        let tree = tree.map_or(0, |w| u64::from_le_bytes(*w));
        read_tree(memory, layout, tree, index as u64, &mut waiters)?;
    }
    Ok(waiters)
}

/// Roots are as far apart as cache lines (`cpu.CacheLinePadSize`).
const fn root_size(arch: Arch) -> u64 {
    match arch {
        Arch::Amd64 => 64,
        Arch::Arm64 => 128,
    }
}

/// The semaphores of one root are a tree, the waiters of each a list.
fn read_tree(
    memory: &impl Memory,
    layout: &Layout,
    tree: u64,
    index: u64,
    waiters: &mut HashMap<u64, u64>,
) -> Result<(), MemoryError> {
    let mut open = vec![tree];
    while let Some(at) = open.pop().filter(|_| waiters.len() < MAX_WAITERS) {
        let Some(node) = Node::read(memory, layout, at)? else {
            continue;
        };
        // `semTable.rootFor`.
        let is_in_place = (node.semaphore >> 3) % ROOTS == index;
        if !is_in_place || waiters.insert(node.g, node.semaphore).is_some() {
            continue;
        }
        open.extend([node.left, node.right, node.same]);
    }
    Ok(())
}

struct Node {
    g: u64,
    semaphore: u64,
    left: u64,
    right: u64,
    /// The next that waits for the same.
    same: u64,
}

impl Node {
    fn read(memory: &impl Memory, layout: &Layout, at: u64) -> Result<Option<Self>, MemoryError> {
        if at == 0 {
            return Ok(None);
        }
        let sudog = &layout.sudog;
        let word = |offset: u32| memory.read_u64(at.wrapping_add(u64::from(offset)));
        let node = || {
            Ok(Self {
                g: word(sudog.g)?,
                semaphore: word(sudog.elem)?,
                left: word(sudog.prev)?,
                right: word(sudog.next)?,
                same: word(sudog.waitlink)?,
            })
        };
        match node() {
            Ok(node) => Ok(Some(node)),
            Err(MemoryError::Unmapped { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
