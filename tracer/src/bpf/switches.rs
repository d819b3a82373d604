//! Beginning and end of what is measured at context switches.

use aya::maps::{Array, HashMap, MapError};
use tracer_common::stats::{OffCpuPending, ThreadTime};

use super::kernel::{Wire, map_error, missing};
use super::{BpfError, Kernel};

/// Of [`Kernel::measure_switches`]: see `OFF_CPU_SKIP` of the programs.
const NOTHING: u32 = u32::MAX;
/// `BPF_NOEXIST` (include/uapi/linux/bpf.h).
const NO_EXIST: u64 = 1;

impl Kernel {
    /// Measures every switch from now on, or nothing: then what is in the maps stands still.
    ///
    /// # Errors
    /// When the map is not usable.
    pub fn measure_switches(&mut self, measure: bool) -> Result<(), BpfError> {
        let name = "OFF_CPU_SKIP";
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: Array<_, u32> = Array::try_from(map).map_err(|e| map_error(name, e))?;
        let skip = if measure { 0 } else { NOTHING };
        map.set(0, skip, 0).map_err(|e| map_error(name, e))
    }

    /// Tells of a thread that is off the CPU, unless its switch was seen. Should it run after all,
    /// its next switch corrects that.
    ///
    /// # Errors
    /// When the map is full.
    pub fn begin_wait(&mut self, wait: OffCpuPending) -> Result<(), BpfError> {
        self.insert_new("OFF_CPU_PENDING", wait.key.tid, Wire(wait))
    }

    /// Tells of a thread that was there when the run began, unless its switch was seen.
    ///
    /// # Errors
    /// When the map is full.
    pub fn begin_thread(&mut self, tid: u32, time: ThreadTime) -> Result<(), BpfError> {
        self.insert_new("ON_CPU", tid, Wire(time))
    }

    fn insert_new<V: aya::Pod>(
        &mut self,
        name: &'static str,
        tid: u32,
        value: V,
    ) -> Result<(), BpfError> {
        let _undisturbed = self.undisturbed();
        let map = self.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let mut map: HashMap<_, u32, V> = HashMap::try_from(map).map_err(|e| map_error(name, e))?;
        match map.insert(tid, value, NO_EXIST) {
            Err(MapError::SyscallError(error))
                if error.io_error.raw_os_error() == Some(libc::EEXIST) =>
            {
                Ok(())
            }
            other => other.map_err(|e| map_error(name, e)),
        }
    }
}
