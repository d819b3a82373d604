//! Where a thread is, without stopping it: the registers and the stack that the kernel copies when
//! the thread's CPU clock ticks. Layouts and numbers are those of include/uapi/linux/perf_event.h.

use std::io;
use std::time::{Duration, Instant};

use super::perf_ring::{PerfAttr, PerfRing};

/// `PERF_COUNT_SW_CPU_CLOCK`
const CPU_CLOCK: u64 = 0;
/// CPU time between two samples, ns: the thread is sampled at once if it runs.
const PERIOD_NS: u64 = 100_000;
/// `PERF_SAMPLE_REGS_USER` and `PERF_SAMPLE_STACK_USER`.
const REGISTERS: u64 = 1 << 12;
const STACK: u64 = 1 << 13;
/// `PERF_RECORD_SAMPLE`
const SAMPLE: u32 = 9;
/// `PERF_SAMPLE_REGS_ABI_64`
const ABI_64: u64 = 2;
/// Bytes of the stack that are copied; a record has at most 65,535.
const STACK_SIZE: u32 = 60 << 10;
/// Pages of the buffer: some records.
const PAGES: usize = 64;
/// `PERF_REG_X86_SP` and `PERF_REG_X86_IP`, or `PERF_REG_ARM64_SP` and `PERF_REG_ARM64_PC`
/// (arch/*/include/uapi/asm/perf_regs.h): the stack pointer is the first of both.
const SP_AND_PC: u64 = if cfg!(target_arch = "aarch64") {
    1 << 31 | 1 << 32
} else {
    1 << 7 | 1 << 8
};

/// A thread at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadSample {
    /// Next instruction of user space.
    pub pc: u64,
    pub sp: u64,
    /// The stack from there upwards, as far as it was copied.
    pub stack: Vec<u8>,
}

/// Samples of one thread, while it runs.
#[derive(Debug)]
pub struct ThreadSamples {
    ring: PerfRing,
}

impl ThreadSamples {
    /// Begins to sample a thread.
    ///
    /// # Errors
    /// The kernel's, when there is no such thread or it may not be sampled.
    pub fn of(tid: u32) -> io::Result<Self> {
        let attr = PerfAttr {
            config: CPU_CLOCK,
            sample_period: PERIOD_NS,
            sample_type: REGISTERS | STACK,
            wakeup_events: 1,
            sample_regs_user: SP_AND_PC,
            sample_stack_user: STACK_SIZE,
            ..PerfAttr::default()
        };
        let tid = i32::try_from(tid).map_err(|_| io::ErrorKind::InvalidInput)?;
        let ring = PerfRing::open(&attr, tid, -1, PAGES)?;
        Ok(Self { ring })
    }

    /// The next sample; `None` when the thread does not run in that time.
    pub fn next(&self, patience: Duration) -> Option<ThreadSample> {
        let end = Instant::now() + patience;
        let mut record = Vec::new();
        loop {
            while self.ring.next(&mut record) {
                if let Some(sample) = parse(&record) {
                    return Some(sample);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            self.ring.wait(milliseconds.max(1));
        }
    }
}

/// Reads a record: its header, the registers, the stack and how much of that was copied.
fn parse(record: &[u8]) -> Option<ThreadSample> {
    let kind = u32::from_ne_bytes(*record.first_chunk()?);
    if kind != SAMPLE {
        return None;
    }
    let word =
        |at: usize| -> Option<u64> { Some(u64::from_ne_bytes(*record.get(at..)?.first_chunk()?)) };
    if word(8)? != ABI_64 {
        return None;
    }
    let (sp, pc, size) = (word(16)?, word(24)?, word(32)?);
    let size = usize::try_from(size).ok()?;
    let stack = match size {
        0 => &[],
        _ => {
            let stack = record.get(40..)?.get(..size)?;
            let copied = word(40_usize.checked_add(size)?)?;
            &stack[..size.min(usize::try_from(copied).ok()?)]
        }
    };
    Some(ThreadSample {
        pc,
        sp,
        stack: stack.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    fn record(words: &[u64], stack: &[u8], copied: u64) -> Vec<u8> {
        let mut bytes = Vec::from(SAMPLE.to_ne_bytes());
        bytes.extend([0; 4]);
        for word in words {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend((stack.len() as u64).to_ne_bytes());
        bytes.extend(stack);
        bytes.extend(copied.to_ne_bytes());
        bytes
    }

    #[test]
    fn records_are_read_as_far_as_they_were_copied() {
        let whole = record(&[ABI_64, 0x7000, 0x40_1000], &[1, 2, 3, 4, 5, 6, 7, 8], 3);
        let sample = ThreadSample {
            pc: 0x40_1000,
            sp: 0x7000,
            stack: vec![1, 2, 3],
        };
        assert_eq!(parse(&whole), Some(sample));
        for len in 0..whole.len() {
            let cut = parse(&whole[..len]);
            assert_eq!(cut, None, "{len}");
        }
        // A thread of the kernel has no registers of user space.
        assert_eq!(parse(&record(&[0, 0, 0], &[], 0)), None);
    }

    #[test]
    fn a_thread_that_runs_is_where_it_says() {
        static STOP: AtomicBool = AtomicBool::new(false);
        static TID: AtomicU32 = AtomicU32::new(0);
        let thread = std::thread::spawn(|| {
            // SAFETY: no preconditions.
            TID.store(unsafe { libc::gettid() }.cast_unsigned(), Ordering::Release);
            while !STOP.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        while TID.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        let samples = ThreadSamples::of(TID.load(Ordering::Acquire));
        let sample = samples.map(|samples| samples.next(Duration::from_secs(20)));
        STOP.store(true, Ordering::Relaxed);
        thread.join().expect("it ends");
        match sample {
            Ok(sample) => {
                let sample = sample.expect("it ran");
                assert!(sample.sp != 0 && sample.pc != 0);
                assert!(!sample.stack.is_empty());
            }
            Err(error) => eprintln!("skipped: no perf events here: {error}"),
        }
    }
}
