//! SIGUSR1: the user asks for what was kept.

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::now_ns;
use crate::error::ExpectedError;

/// When the signal last came; 0 once that was taken.
static RECEIVED_NS: AtomicU64 = AtomicU64::new(0);

/// The signal, which no longer kills the tracer.
#[derive(Debug)]
pub struct DumpSignal(());

impl DumpSignal {
    /// From now on the signal is noted.
    ///
    /// # Errors
    /// When the kernel refuses the handler.
    pub fn listen() -> Result<Self, ExpectedError> {
        // SAFETY: `action` is plain data, valid for the call, and the handler may run at any time:
        // it reads a clock and stores to an atomic.
        let failed = unsafe {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            action.sa_sigaction = note as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
        };
        if failed != 0 {
            return Err(ExpectedError::KernelRefuses {
                what: "a handler of SIGUSR1".to_owned(),
                why: std::io::Error::last_os_error().to_string(),
            });
        }
        Ok(Self(()))
    }

    /// When the signal came since this was last called, in ns of `CLOCK_MONOTONIC`; of several the
    /// last.
    pub fn take(&self) -> Option<u64> {
        let received = RECEIVED_NS.swap(0, Ordering::Relaxed);
        (received != 0).then_some(received)
    }
}

extern "C" fn note(_: libc::c_int) {
    RECEIVED_NS.store(now_ns(), Ordering::Relaxed);
}
