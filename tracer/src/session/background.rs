//! The reader of the ring buffer keeps out of the way: it runs when nobody else wants its CPU, and
//! not at all late.
//!
//! The target's clients, the target itself or its neighbours may wait for the CPU that the reader
//! is on; each millisecond they do is a slower service. So the reader's thread has `SCHED_IDLE`
//! (sched(7)), and a second thread, which sleeps, gives it the ordinary policy back as soon as it
//! is late: the ring buffer holds many times of what comes until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How often the second thread looks.
const LOOK: Duration = Duration::from_millis(8);
/// A reader that has not begun to wait for this long is late.
const LATE: Duration = Duration::from_millis(12);
/// How long a reader that was late keeps the ordinary policy.
const ORDINARY: Duration = Duration::from_secs(1);

/// The policy of the thread that made this, until it is dropped.
#[derive(Debug)]
pub(super) struct Background {
    shared: Arc<Shared>,
    /// `None` while the policy stays what it is.
    watch: Option<(JoinHandle<()>, Thread)>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Of the reader.
    tid: libc::pid_t,
    /// When the reader last said so, in ms since `began`.
    seen_ms: AtomicU64,
    /// When the policy becomes `SCHED_IDLE` again, in ms since `began`; negative while it is.
    idle_from_ms: AtomicI64,
    over: AtomicBool,
}

impl Background {
    /// For a reader that has much to do. Nothing but a value for others, and where the kernel does
    /// not let the policy be changed back, which takes CAP_SYS_NICE.
    pub(super) fn begin(much: bool) -> Self {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            // SAFETY: the call has no preconditions.
            tid: unsafe { libc::gettid() },
            seen_ms: AtomicU64::new(0),
            idle_from_ms: AtomicI64::new(0),
            over: AtomicBool::new(false),
        });
        let watch = (much && may_return()).then(|| {
            let shared = Arc::clone(&shared);
            let name = thread::Builder::new().name("reader-is-late".to_owned());
            let handle = name.spawn(move || shared.watch()).ok()?;
            let thread = handle.thread().clone();
            Some((handle, thread))
        });
        Self {
            shared,
            watch: watch.flatten(),
        }
    }

    /// The reader is there.
    pub(super) fn note(&self) {
        if self.watch.is_none() {
            return;
        }
        let now = self.shared.now_ms();
        self.shared.seen_ms.store(now, Ordering::Relaxed);
        let idle_from = self.shared.idle_from_ms.load(Ordering::Relaxed);
        if idle_from >= 0
            && now >= idle_from.unsigned_abs()
            && set_policy(self.shared.tid, libc::SCHED_IDLE)
        {
            self.shared.idle_from_ms.store(-1, Ordering::Relaxed);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some((handle, thread)) = self.watch.take() {
            thread.unpark();
            // It ends with the ordinary policy set, and cannot panic.
            let _ = handle.join();
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn watch(&self) {
        let late = LATE.as_millis() as u64;
        let ordinary = ORDINARY.as_millis() as u64;
        while !self.over.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK);
            let now = self.now_ms();
            let is_late = now.saturating_sub(self.seen_ms.load(Ordering::Relaxed)) > late;
            let is_idle = self.idle_from_ms.load(Ordering::Relaxed) < 0;
            if is_late && is_idle && set_policy(self.tid, libc::SCHED_OTHER) {
                let again = i64::try_from(now + ordinary).unwrap_or(i64::MAX);
                self.idle_from_ms.store(again, Ordering::Relaxed);
            }
        }
        set_policy(self.tid, libc::SCHED_OTHER);
    }
}

/// Whether a thread may leave `SCHED_IDLE`: tried on one that then ends.
fn may_return() -> bool {
    let tried = thread::spawn(|| {
        // 0 is the calling thread.
        set_policy(0, libc::SCHED_IDLE) && set_policy(0, libc::SCHED_OTHER)
    });
    tried.join().unwrap_or(false)
}

/// Processes that the thread starts have the ordinary policy in any case.
fn set_policy(tid: libc::pid_t, policy: libc::c_int) -> bool {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is a valid structure, which the kernel only reads.
    unsafe {
        libc::sched_setscheduler(tid, policy | libc::SCHED_RESET_ON_FORK, &raw const param) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> libc::c_int {
        // SAFETY: 0 is the calling thread.
        unsafe { libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK }
    }

    #[test]
    fn a_reader_that_is_late_is_an_ordinary_thread_again_and_so_it_is_at_the_end() {
        let reader = thread::spawn(|| {
            let background = Background::begin(true);
            background.note();
            if background.watch.is_none() {
                assert_eq!(policy(), libc::SCHED_OTHER, "no right to come back");
                return;
            }
            assert_eq!(policy(), libc::SCHED_IDLE);
            let deadline = Instant::now() + Duration::from_secs(20);
            while policy() == libc::SCHED_IDLE && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(policy(), libc::SCHED_OTHER, "late");
            background.note();
            assert_eq!(policy(), libc::SCHED_OTHER, "not yet");
            while policy() == libc::SCHED_OTHER && Instant::now() < deadline {
                background.note();
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(policy(), libc::SCHED_IDLE, "in time for a second");
            drop(background);
            assert_eq!(policy(), libc::SCHED_OTHER, "the end");
        });
        reader.join().expect("no panic");
    }
}
