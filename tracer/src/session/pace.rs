//! How often the ring buffer is looked at.

use std::time::{Duration, Instant};

/// Between two looks while nothing much comes.
const SLOW: Duration = Duration::from_millis(5);
/// Between two looks while much comes: what is taken then keeps the CPU for a moment only, so that
/// nobody waits long for it.
const FAST: Duration = Duration::from_millis(1);
/// Records in one look that are much.
const MUCH: usize = 256;
/// Between two looks at the loss counters.
const LOSS_CHECK: Duration = Duration::from_millis(100);

/// When to look next, and at what.
#[derive(Debug)]
pub(super) struct Pace {
    next: tokio::time::Instant,
    next_loss_check: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            next: tokio::time::Instant::now(),
            next_loss_check: Instant::now(),
        }
    }

    /// Waits until it is time for a look.
    pub(super) async fn wait(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// A look has taken so many records.
    pub(super) fn looked(&mut self, records: usize) {
        let pause = if records >= MUCH { FAST } else { SLOW };
        self.next = tokio::time::Instant::now() + pause;
    }

    /// Whether it is time for the loss counters, too.
    pub(super) fn is_loss_check(&mut self) -> bool {
        let now = Instant::now();
        let due = now >= self.next_loss_check;
        if due {
            self.next_loss_check = now + LOSS_CHECK;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_looked_for_sooner() {
        let mut pace = Pace::new();
        pace.looked(MUCH);
        let soon = pace.next;
        pace.looked(MUCH - 1);
        assert!(pace.next > soon);
        assert!(pace.is_loss_check());
        assert!(!pace.is_loss_check());
    }
}
