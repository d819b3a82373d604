//! What the programs add up of goroutines: their waits and assists, the Ps
//! that they lose, and samples by who made them.

use aya::maps::{HashMap, MapError};
use tracer_common::config::GoWaiting;
use tracer_common::goroutine_assist::{GoAssistKey, GoAssistTime};
use tracer_common::goroutine_handoff::GoHandoffKey;
use tracer_common::goroutine_wait::{
    GoWaitKey, GoWaitPending, GoWaitStack, GoWaitTime, GoroutineKey,
};
use tracer_common::stats::GoCreatorKey;

use super::kernel::{Wire, map_error, missing};
use super::{BpfError, Kernel};

/// `BPF_NOEXIST` (include/uapi/linux/bpf.h).
const NO_EXIST: u64 = 1;

/// Waits that are alike.
#[derive(Clone, Debug)]
pub struct GoroutineWaitRead {
    pub key: GoWaitKey,
    /// Addresses, innermost first; none where there was no room for them.
    pub stack: Vec<u64>,
    pub truncated: bool,
    pub time: GoWaitTime,
}

/// Assists of one goroutine in one place.
#[derive(Clone, Debug)]
pub struct GoroutineAssistRead {
    pub key: GoAssistKey,
    /// Return addresses, innermost first; none where there was no room for them.
    pub stack: Vec<u64>,
    pub time: GoAssistTime,
}

/// How often a P was lost in one place.
#[derive(Clone, Debug)]
pub struct GoHandoffRead {
    pub key: GoHandoffKey,
    /// As [`GoroutineAssistRead::stack`].
    pub stack: Vec<u64>,
    pub count: u64,
}

impl Kernel {
    /// Tells what the programs must know of a process, and from when on its waits count.
    ///
    /// # Errors
    /// When the map is full.
    pub fn set_go_waiting(&mut self, tgid: u32, waiting: GoWaiting) -> Result<(), BpfError> {
        self.insert("GO_WAITING", tgid, Wire(waiting))
    }

    /// Tells of a goroutine that waits, unless the programs have seen it since.
    ///
    /// # Errors
    /// When a map is full.
    pub fn begin_goroutine_wait(
        &mut self,
        goroutine: GoroutineKey,
        mut pending: GoWaitPending,
        stack: &[u64],
    ) -> Result<(), BpfError> {
        let stack = GoWaitStack::of(stack);
        let name = "GO_WAIT_STACKS";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: HashMap<_, u64, Wire<GoWaitStack>> =
            HashMap::try_from(map).map_err(|e| map_error(name, e))?;
        // A stack without room is missing where it is shown, and told so.
        if map.insert(stack.id(), Wire(stack), 0).is_ok() {
            pending.key.stack = stack.id();
        }
        let name = "GO_WAIT_PENDING";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: HashMap<_, Wire<GoroutineKey>, Wire<GoWaitPending>> =
            HashMap::try_from(map).map_err(|e| map_error(name, e))?;
        match map.insert(Wire(goroutine), Wire(pending), NO_EXIST) {
            Err(MapError::SyscallError(error))
                if error.io_error.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(())
            }
            other => other.map_err(|e| map_error(name, e)),
        }
    }

    /// Samples by who made the goroutine that ran.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn creators(&self) -> Result<Vec<(GoCreatorKey, u64)>, BpfError> {
        let map: HashMap<_, Wire<GoCreatorKey>, u64> = self.hash("GO_CREATOR_SAMPLES")?;
        Ok(map
            .iter()
            .flatten()
            .map(|(Wire(key), samples)| (key, samples))
            .collect())
    }

    /// Waits that have ended.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn goroutine_waits(&self) -> Result<Vec<GoroutineWaitRead>, BpfError> {
        let stacks = self.hash("GO_WAIT_STACKS")?;
        let sums: HashMap<_, Wire<GoWaitKey>, Wire<GoWaitTime>> = self.hash("GO_WAITS")?;
        let sums = sums.iter().flatten();
        Ok(sums
            .map(|(Wire(key), Wire(time))| read(&stacks, key, time))
            .collect())
    }

    /// Assists that are over.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn goroutine_assists(&self) -> Result<Vec<GoroutineAssistRead>, BpfError> {
        let _undisturbed = self.undisturbed();
        let stacks = self.hash("GO_WAIT_STACKS")?;
        let sums: HashMap<_, Wire<GoAssistKey>, Wire<GoAssistTime>> = self.hash("GO_ASSISTS")?;
        let sums = sums.iter().flatten();
        Ok(sums
            .map(|(Wire(key), Wire(time))| GoroutineAssistRead {
                stack: addresses(&stacks, key.stack).0,
                key,
                time,
            })
            .collect())
    }

    /// Ps that threads have lost.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn go_handoffs(&self) -> Result<Vec<GoHandoffRead>, BpfError> {
        let _undisturbed = self.undisturbed();
        let stacks = self.hash("GO_WAIT_STACKS")?;
        let counts: HashMap<_, Wire<GoHandoffKey>, u64> = self.hash("GO_HANDOFFS")?;
        let counts = counts.iter().flatten();
        Ok(counts
            .map(|(Wire(key), count)| GoHandoffRead {
                stack: addresses(&stacks, key.stack).0,
                key,
                count,
            })
            .collect())
    }

    /// Waits that are open, and since when they are, in ns; without times.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn open_goroutine_waits(&self) -> Result<Vec<(u64, GoroutineWaitRead)>, BpfError> {
        let stacks = self.hash("GO_WAIT_STACKS")?;
        let pending: HashMap<_, Wire<GoroutineKey>, Wire<GoWaitPending>> =
            self.hash("GO_WAIT_PENDING")?;
        let open = pending.iter().flatten().map(|(_, Wire(pending))| pending);
        let open = open.filter(|pending| pending.since_ns != 0);
        Ok(open
            .map(|p| (p.since_ns, read(&stacks, p.key, GoWaitTime::default())))
            .collect())
    }
}

fn read(
    stacks: &HashMap<&aya::maps::MapData, u64, Wire<GoWaitStack>>,
    key: GoWaitKey,
    time: GoWaitTime,
) -> GoroutineWaitRead {
    let (stack, truncated) = addresses(stacks, key.stack);
    GoroutineWaitRead {
        key,
        stack,
        truncated,
        time,
    }
}

/// Those of a stack, innermost first, and whether it has more; none where it was not stored.
fn addresses(
    stacks: &HashMap<&aya::maps::MapData, u64, Wire<GoWaitStack>>,
    id: u64,
) -> (Vec<u64>, bool) {
    let Some(Wire(stack)) = stacks.get(&id, 0).ok() else {
        return (Vec::new(), false);
    };
    let len = (stack.len as usize).min(stack.frames.len());
    (stack.frames[..len].to_vec(), stack.truncated != 0)
}
