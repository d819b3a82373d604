//! What goroutines wait for: channels, locks, descriptors, and who may hold these.
//!
//! Facts are those of runtime/sema.go, chan.go, select.go and netpoll.go, and of the packages sync,
//! internal/sync and internal/poll of Go 1.19 to 1.27.

mod cycles;
mod holders;
#[cfg(test)]
mod hostile_tests;
mod lock;
mod object;
mod queue;
mod reader;
mod semaphores;

pub use cycles::{Cycle, cycles};
pub use object::{
    ChannelState, Holder, MutexState, Object, ObjectKind, Operation, RwMutexState, Waiter, Waits,
};
pub use reader::WaitReader;
pub use semaphores::semaphore_table;
