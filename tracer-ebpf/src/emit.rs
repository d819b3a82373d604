//! The only writer of the ring buffer.
//!
//! Records are sent without waking the reader, which polls: a wakeup per record costs the target
//! two to four times as much.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_ktime_get_ns,
        generated::bpf_ringbuf_output,
    },
    maps::ring_buf::RingBufEntry,
};
use tracer_common::{
    abi::Pod,
    event::{EventHeader, Kind, Lost},
    probe::ProbeId,
};

use crate::{count, maps::RING, maps::SCRATCH_LEN};

/// The header of a record about the running thread.
#[inline(always)]
pub fn header(kind: Kind, len: usize) -> EventHeader {
    let id = bpf_get_current_pid_tgid();
    EventHeader {
        kind: kind as u16,
        // SAFETY: the helper has no preconditions.
        cpu: unsafe { bpf_get_smp_processor_id() } as u16,
        len: len as u32,
        // SAFETY: the helper has no preconditions.
        time_ns: unsafe { bpf_ktime_get_ns() },
        tgid: (id >> 32) as u32,
        tid: id as u32,
        goid: 0,
    }
}

/// Sends a record of fixed size.
#[inline(always)]
pub fn submit<T: Pod>(probe: ProbeId, record: T) {
    if !try_submit(probe, record) {
        lost(probe);
    }
}

/// As [`submit`], without counting what the ring buffer does not take: says whether it did.
#[inline(always)]
pub fn try_submit<T: Pod>(probe: ProbeId, record: T) -> bool {
    let taken = put(record);
    if taken {
        tell_losses(probe);
    }
    taken
}

/// Room for a record that is written in place; every field must be. Counts a loss when there is
/// none.
#[inline(always)]
pub fn reserve<T: Pod>(probe: ProbeId) -> Option<Reserved<T>> {
    match RING.reserve::<T>(0) {
        Some(entry) => Some(Reserved { entry, probe }),
        None => {
            lost(probe);
            None
        }
    }
}

/// A record under construction in the ring buffer.
pub struct Reserved<T: 'static> {
    entry: RingBufEntry<T>,
    probe: ProbeId,
}

impl<T> Reserved<T> {
    #[inline(always)]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.entry.as_mut_ptr()
    }

    #[inline(always)]
    pub fn submit(self) {
        self.entry.submit(u64::from(BPF_RB_NO_WAKEUP));
        tell_losses(self.probe);
    }
}

#[inline(always)]
fn put<T: Pod>(record: T) -> bool {
    let Some(mut entry) = RING.reserve::<T>(0) else {
        return false;
    };
    entry.write(record);
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    true
}

/// Sends the first `len` bytes of a scratch buffer; `len` must be less than [`SCRATCH_LEN`].
#[inline(always)]
pub fn output(probe: ProbeId, record: *mut u8, len: u64) {
    if try_output(probe, record, len) {
        return;
    }
    lost(probe);
}

/// As [`output`], without counting what the ring buffer does not take: says whether it did.
#[inline(always)]
pub fn try_output(probe: ProbeId, record: *mut u8, len: u64) -> bool {
    let len = bounded::<{ SCRATCH_LEN as u64 - 1 }>(len);
    // SAFETY: `record` points to `SCRATCH_LEN` bytes, more than `len`.
    let failed = unsafe {
        bpf_ringbuf_output(
            (&raw const RING).cast_mut().cast(),
            record.cast(),
            len,
            u64::from(BPF_RB_NO_WAKEUP),
        )
    };
    if failed != 0 {
        return false;
    }
    tell_losses(probe);
    true
}

/// Counts a record that the ring buffer did not take.
#[inline(always)]
pub fn lost(probe: ProbeId) {
    // SAFETY: the helper has no preconditions.
    count::lost(probe, unsafe { bpf_ktime_get_ns() });
}

/// Now that there is room again, tells how many records were lost on this CPU, and when.
#[inline(always)]
fn tell_losses(probe: ProbeId) {
    let Some((count, since_ns)) = count::untold(probe) else {
        return;
    };
    let record = Lost {
        header: EventHeader {
            time_ns: since_ns,
            ..header(Kind::Lost, size_of::<Lost>())
        },
        probe: probe as u32,
        reserved: 0,
        count,
    };
    if put(record) {
        count::told(probe);
    }
}

/// `value & MASK` in a form that the compiler cannot remove, so that the verifier sees the bound.
#[inline(always)]
pub fn bounded<const MASK: u64>(mut value: u64) -> u64 {
    // SAFETY: one arithmetic instruction on a register.
    unsafe {
        core::arch::asm!("{0} &= {mask}", inout(reg) value, mask = const MASK, options(pure, nomem, nostack));
    }
    value
}

/// The same value, of which the compiler knows nothing: it then cannot rewrite a loop's end into a
/// test for equality, which the verifier does not take for a bound.
#[inline(always)]
pub fn opaque(mut value: u64) -> u64 {
    // SAFETY: one move of a register to itself.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack)) };
    value
}
