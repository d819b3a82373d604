//! What tracing costs: prices of probes on this host, the bill of a run, and the budget it must
//! keep.
//!
//! A *price* is what one hit of a probe adds to the time of the thread that hits it: entry into the
//! tracepoint or trap, our program, and the way back. It is found by running the tracer's own
//! programs on a child process made for that, in a tight loop with warm caches and no contention,
//! and comparing with the same loop without them. Hits are counted in the kernel for the real
//! target; their product with the price is the *predicted cost*. Cold caches, contended cache lines
//! and slower clock rates under load make the truth somewhat higher.

mod budget;
mod cache;
mod calibrate;
mod cpu_time;
mod meter;
mod price;
mod subject;

pub use budget::{Action, Budget, Guard, Limit, LimitError, Over, Policy, Window, parse_limit};
pub use cache::prices;
pub(crate) use cpu_time::{CpuTime, host_ns, process_ns};
pub use meter::{Bill, Captured, Meter, Reading};
pub use price::{Class, Price, Prices};
