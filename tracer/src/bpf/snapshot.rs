//! Reads the maps in which programs aggregate. All values are totals since the start.

use aya::maps::{HashMap, MapData, PerCpuArray, StackTraceMap};
use tracer_common::capture::MAX_SYSCALLS;
use tracer_common::event::MAX_STACK;
use tracer_common::histogram::BUCKETS;
use tracer_common::probe::ProbeId;
use tracer_common::stats::{
    GoCreator as GoCreatorSums, GoCreatorKey, LatencyStats, MORE_STACKS_BIT, OffCpuKey,
    OffCpuPending, OffCpuTime, RunQueueStats, ThreadTime, WakerKey, WokenKey,
};
use tracer_common::unwind::{UnwoundStack, unwound};

use super::kernel::{Wire, map_error, missing};
use super::{BpfError, Kernel};
use crate::decode::comm;
use crate::event::{GoCreator, Latency, OffCpuStack, RunQueueThread, StackEnd, Waker};

/// One entry of the off-CPU maps.
#[derive(Clone, Debug)]
pub struct OffCpuRead {
    /// Without a waker, that is all zero.
    pub key: WokenKey,
    pub stack: OffCpuStack,
    pub waker: Option<Waker>,
}

/// A thread that is off the CPU.
#[derive(Clone, Debug)]
pub struct OpenWaitRead {
    pub pending: OffCpuPending,
    /// Without times.
    pub stack: OffCpuStack,
}

/// One thread of the run-queue map.
#[derive(Clone, Debug)]
pub struct RunQueueRead {
    pub tgid: u32,
    pub tid: u32,
    pub thread: RunQueueThread,
}

impl Kernel {
    /// Statistics of each syscall that was called, by number; [`MAX_SYSCALLS`] stands for all
    /// larger numbers.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn syscall_stats(&self) -> Result<Vec<(u32, Latency)>, BpfError> {
        let _undisturbed = self.undisturbed();
        let name = "SYSCALL_STATS";
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        let map: PerCpuArray<_, Wire<LatencyStats>> =
            PerCpuArray::try_from(map).map_err(|e| map_error(name, e))?;
        let mut all = Vec::new();
        for nr in 0..=MAX_SYSCALLS {
            let per_cpu = map.get(&nr, 0).map_err(|e| map_error(name, e))?;
            let mut sum = Latency::default();
            for stats in per_cpu.iter().filter(|s| s.0.count != 0) {
                sum.merge(&latency(&stats.0));
            }
            if sum.count != 0 {
                all.push((nr, sum));
            }
        }
        Ok(all)
    }

    /// Hits of `runtime.schedule`.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn schedules(&self) -> Result<u64, BpfError> {
        Ok(self.counters()?[ProbeId::GoSchedule as usize].hits)
    }

    /// Goroutines by process and creator, without the creators' names.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn go_creators(&self) -> Result<Vec<(u32, GoCreator)>, BpfError> {
        let _undisturbed = self.undisturbed();
        let map: HashMap<_, Wire<GoCreatorKey>, Wire<GoCreatorSums>> = self.hash("GO_CREATORS")?;
        let all = map.iter().flatten();
        Ok(all
            .map(|(Wire(key), Wire(sums))| (key.tgid, go_creator(&key, &sums)))
            .collect())
    }

    /// Time off the CPU by thread, stack and waker.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn off_cpu(&self) -> Result<Vec<OffCpuRead>, BpfError> {
        let _undisturbed = self.undisturbed();
        let stacks = self.stacks()?;
        let mut all = Vec::new();
        // An entry that is removed during the walk is skipped by the kernel.
        let map: HashMap<_, Wire<OffCpuKey>, Wire<OffCpuTime>> = self.hash("OFF_CPU")?;
        for (key, time) in map.iter().flatten() {
            all.push(OffCpuRead {
                key: WokenKey {
                    sleeper: key.0,
                    ..WokenKey::default()
                },
                stack: off_cpu_stack(&stacks, &key.0, &time.0),
                waker: None,
            });
        }
        let map: HashMap<_, Wire<WokenKey>, Wire<OffCpuTime>> = self.hash("WOKEN")?;
        for (key, time) in map.iter().flatten() {
            all.push(OffCpuRead {
                key: key.0,
                stack: off_cpu_stack(&stacks, &key.0.sleeper, &time.0),
                waker: waker(&stacks, &key.0.waker),
            });
        }
        Ok(all)
    }

    /// Threads off the CPU now.
    ///
    /// # Errors
    /// When a map is not readable.
    pub fn open_waits(&self) -> Result<Vec<OpenWaitRead>, BpfError> {
        let _undisturbed = self.undisturbed();
        let stacks = self.stacks()?;
        let map: HashMap<_, u32, Wire<OffCpuPending>> = self.hash("OFF_CPU_PENDING")?;
        let open = map.iter().flatten().map(|(_, wait)| wait.0);
        Ok(open
            .filter(|wait| wait.out_ns != 0)
            .map(|pending| OpenWaitRead {
                stack: off_cpu_stack(&stacks, &pending.key, &OffCpuTime::default()),
                pending,
            })
            .collect())
    }

    /// Time on the CPU, by tid.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn thread_times(&self) -> Result<Vec<(u32, ThreadTime)>, BpfError> {
        let _undisturbed = self.undisturbed();
        let map: HashMap<_, u32, Wire<ThreadTime>> = self.hash("ON_CPU")?;
        let all = map.iter().flatten();
        Ok(all.map(|(tid, time)| (tid, time.0)).collect())
    }

    pub(super) fn hash<K: aya::Pod, V: aya::Pod>(
        &self,
        name: &'static str,
    ) -> Result<HashMap<&MapData, K, V>, BpfError> {
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        HashMap::try_from(map).map_err(|e| map_error(name, e))
    }

    fn stacks(&self) -> Result<Stacks<'_>, BpfError> {
        Ok(Stacks {
            first: self.stack_map("STACKS")?,
            more: self.stack_map("MORE_STACKS")?,
            unwound: self.unwound_stacks()?,
        })
    }

    fn stack_map(&self, name: &'static str) -> Result<StackTraceMap<&MapData>, BpfError> {
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        StackTraceMap::try_from(map).map_err(|e| map_error(name, e))
    }

    /// Scheduling statistics by thread.
    ///
    /// # Errors
    /// When the map is not readable.
    pub fn run_queue(&self) -> Result<Vec<RunQueueRead>, BpfError> {
        let _undisturbed = self.undisturbed();
        let name = "RUN_QUEUE";
        let map = self.ebpf.map(name).ok_or_else(|| missing(name))?;
        let map: HashMap<_, u32, Wire<RunQueueStats>> =
            HashMap::try_from(map).map_err(|e| map_error(name, e))?;
        Ok(map
            .iter()
            .flatten()
            .map(|(tid, Wire(stats))| RunQueueRead {
                tgid: stats.tgid,
                tid,
                thread: RunQueueThread {
                    comm: comm(&stats.comm),
                    voluntary: stats.voluntary,
                    involuntary: stats.involuntary,
                    migrations: stats.migrations,
                    latency: latency(&stats.latency),
                },
            })
            .collect())
    }
}

fn go_creator(key: &GoCreatorKey, sums: &GoCreatorSums) -> GoCreator {
    let buckets = (0..BUCKETS as u16).zip(sums.buckets);
    let buckets: Vec<_> = buckets.filter(|&(_, count)| count != 0).collect();
    GoCreator {
        created_at: key.created_at,
        place: None,
        created: sums.created,
        ended: sums.ended,
        first_runs: Latency {
            count: buckets.iter().map(|b| b.1).sum(),
            errors: 0,
            total_ns: sums.wait_ns,
            min_ns: 0,
            max_ns: sums.max_ns,
            buckets,
        },
    }
}

fn latency(stats: &LatencyStats) -> Latency {
    Latency {
        count: stats.count,
        errors: stats.errors,
        total_ns: stats.total_ns,
        min_ns: stats.min_ns,
        max_ns: stats.max_ns,
        buckets: (0..BUCKETS as u16)
            .zip(stats.buckets)
            .filter(|&(_, count)| count != 0)
            .collect(),
    }
}

/// The stack maps.
struct Stacks<'a> {
    first: StackTraceMap<&'a MapData>,
    more: StackTraceMap<&'a MapData>,
    unwound: HashMap<&'a MapData, u64, Wire<UnwoundStack>>,
}

/// A user stack.
struct UserStack {
    addresses: Vec<u64>,
    end: StackEnd,
    truncated: bool,
}

impl UserStack {
    const MISSING: Self = Self {
        addresses: Vec::new(),
        end: StackEnd::Missing,
        truncated: false,
    };
}

impl Stacks<'_> {
    fn user(&self, key: &OffCpuKey) -> UserStack {
        let Some(id) = key.unwound() else {
            let Some(addresses) = self.addresses(key.user_stack) else {
                return UserStack::MISSING;
            };
            return UserStack {
                truncated: is_full(&addresses),
                addresses,
                end: StackEnd::Unknown,
            };
        };
        let Ok(Wire(stack)) = self.unwound.get(&id, 0) else {
            return UserStack::MISSING;
        };
        let len = (stack.len as usize).min(stack.frames.len());
        UserStack {
            addresses: stack.frames[..len].to_vec(),
            end: end_of(stack.flags),
            truncated: stack.flags & unwound::TRUNCATED != 0,
        }
    }

    fn addresses(&self, id: i32) -> Option<Vec<u64>> {
        let id = u32::try_from(id).ok()?;
        let map = if id & MORE_STACKS_BIT == 0 {
            &self.first
        } else {
            &self.more
        };
        let stack = map.get(&(id & !MORE_STACKS_BIT), 0).ok()?;
        Some(stack.frames().iter().map(|f| f.ip).collect())
    }
}

/// Whether the kernel's limit may have cut a stack.
const fn is_full(addresses: &[u64]) -> bool {
    addresses.len() >= MAX_STACK
}

/// What was guessed may have ended at the root by chance.
const fn end_of(flags: u32) -> StackEnd {
    match flags & (unwound::ROOT | unwound::GUESSED) {
        unwound::ROOT => StackEnd::Root,
        _ if flags & (unwound::BROKEN | unwound::TRUNCATED) != 0 => StackEnd::Lost,
        0 => StackEnd::Unknown,
        _ => StackEnd::Guessed,
    }
}

fn off_cpu_stack(stacks: &Stacks<'_>, key: &OffCpuKey, time: &OffCpuTime) -> OffCpuStack {
    let user = stacks.user(key);
    let kernel = stacks.addresses(key.kernel_stack).unwrap_or_default();
    OffCpuStack {
        comm: comm(&key.comm),
        state: key.state,
        truncated: user.truncated || is_full(&kernel),
        kernel,
        user_end: user.end,
        user: user.addresses,
        count: time.count,
        blocked_ns: time.blocked_ns,
        runnable_ns: time.runnable_ns,
        max_ns: time.max_ns,
    }
}

/// `None` when it is not known who it was.
fn waker(stacks: &Stacks<'_>, key: &WakerKey) -> Option<Waker> {
    // The idle task of a CPU, in an interrupt, has number 0.
    if key.tid == 0 && key.kernel_stack < 0 {
        return None;
    }
    let user = stacks.addresses(key.user_stack);
    Some(Waker {
        pid: key.tgid,
        tid: key.tid,
        comm: comm(&key.comm),
        kernel: stacks.addresses(key.kernel_stack).unwrap_or_default(),
        user_missing: user.is_none(),
        user: user.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_no_root() {
        use unwound::{BROKEN, GUESSED, ROOT, TRUNCATED};
        for (flags, end) in [
            (0, StackEnd::Unknown),
            (ROOT, StackEnd::Root),
            (GUESSED, StackEnd::Guessed),
            (GUESSED | ROOT, StackEnd::Guessed),
            (GUESSED | BROKEN, StackEnd::Lost),
            (TRUNCATED, StackEnd::Lost),
        ] {
            assert_eq!(end_of(flags), end, "{flags:#x}");
        }
        assert!(is_full(&[1; MAX_STACK]) && !is_full(&[1; MAX_STACK - 1]));
    }
}
