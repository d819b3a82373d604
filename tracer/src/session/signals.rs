//! How the user ends a run.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::ExpectedError;

/// Signals that end a run.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From now on these signals do not kill the tracer.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub(super) fn new() -> Result<Self, ExpectedError> {
        let failed = |e: std::io::Error| ExpectedError::KernelRefuses {
            what: "signal handlers".to_owned(),
            why: e.to_string(),
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Resolves at the first SIGINT or SIGTERM; the second one then kills the tracer at once.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        for number in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: restoring the default action is always allowed.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
    }
}
