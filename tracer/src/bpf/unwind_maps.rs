//! The maps of unwind tables.

use std::collections::HashMap as Map;

use aya::maps::{Array, ArrayOfMaps, HashMap, MapData};
use tracer_common::unwind::{NODES_IN_CHUNK, Node, UnwindProcess, UnwoundStack};

use super::kernel::{Wire, map_error, missing};
use super::trial::tells_user_registers;
use super::{BpfError, Kernel};

/// The chunks that there are, by index.
pub(super) type UnwindChunks = Map<u32, Array<MapData, Node>>;

const CHUNKS: &str = "UNWIND_CHUNKS";
const PROCESSES: &str = "UNWIND_PROCESSES";

impl Kernel {
    /// Fills a node of the unwind tables; the memory for it and its neighbours is taken now.
    ///
    /// # Errors
    /// When there is no memory, or no such node.
    pub fn set_unwind_node(&mut self, node: u32, words: &Node) -> Result<(), BpfError> {
        let failed = |e| map_error(CHUNKS, e);
        let index = node / NODES_IN_CHUNK;
        if !self.unwind_chunks.contains_key(&index) {
            let chunk = Array::<MapData, Node>::create(NODES_IN_CHUNK, 0).map_err(failed)?;
            let map = self.ebpf.map_mut(CHUNKS).ok_or_else(|| missing(CHUNKS))?;
            let mut map: ArrayOfMaps<_, Array<MapData, Node>> =
                ArrayOfMaps::try_from(map).map_err(failed)?;
            map.set(index, &chunk, 0).map_err(failed)?;
            self.unwind_chunks.insert(index, chunk);
        }
        let chunk = self.unwind_chunks.get_mut(&index);
        let chunk = chunk.ok_or_else(|| missing(CHUNKS))?;
        chunk.set(node % NODES_IN_CHUNK, words, 0).map_err(failed)
    }

    /// Tells where the mappings of a process are.
    ///
    /// # Errors
    /// When there are too many processes.
    pub fn set_unwind_process(
        &mut self,
        tgid: u32,
        process: UnwindProcess,
    ) -> Result<(), BpfError> {
        self.insert(PROCESSES, tgid, Wire(process))
    }

    /// The processes that the programs met, and their stacks that left the known mappings.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn unwind_unmapped(&self) -> Result<Vec<(u32, u64)>, BpfError> {
        let map = self.ebpf.map(PROCESSES).ok_or_else(|| missing(PROCESSES))?;
        let map: HashMap<_, u32, Wire<UnwindProcess>> =
            HashMap::try_from(map).map_err(|e| map_error(PROCESSES, e))?;
        let all = map.iter().flatten();
        Ok(all
            .map(|(tgid, process)| (tgid, process.0.unmapped))
            .collect())
    }

    /// Stacks that were walked with tables while threads left the CPU.
    pub(super) fn unwound_stacks(
        &self,
    ) -> Result<HashMap<&MapData, u64, Wire<UnwoundStack>>, BpfError> {
        const NAME: &str = "UNWOUND_STACKS";
        let map = self.ebpf.map(NAME).ok_or_else(|| missing(NAME))?;
        HashMap::try_from(map).map_err(|e| map_error(NAME, e))
    }
}

/// Where the user registers are on a kernel stack, where no helper tells: below its end, which is
/// 16 KiB up on x86_64 (`THREAD_SIZE`, arch/x86/include/asm/page_64_types.h), 21 words
/// (`struct pt_regs`). A kernel that is built otherwise (with KASAN) has other values there, which
/// the programs notice. 0 where a helper tells.
pub(super) fn registers_on_stack() -> u32 {
    if tells_user_registers() {
        0
    } else {
        (16 << 10) - 21 * 8
    }
}
