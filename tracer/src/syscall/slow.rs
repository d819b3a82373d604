//! How long a call must last for its stack to be worth taking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A duration that whoever keeps the slowest calls raises as they become known, and that the
/// session tells the kernel.
#[derive(Clone, Debug, Default)]
pub struct SlowCalls(Arc<AtomicU64>);

impl SlowCalls {
    /// Calls that last less than `ns` do not count any more. It is never lowered.
    pub fn raise(&self, ns: u64) {
        self.0.fetch_max(ns, Ordering::Relaxed);
    }

    /// The least duration that counts, in ns.
    #[must_use]
    pub fn least_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// They are equal when raising one raises the other.
impl PartialEq for SlowCalls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SlowCalls {}
