//! One file a scenario.

mod attach;
mod dying;
mod execs;
mod forks;
mod goroutines;
mod kill;
mod overrun;
mod programs;
mod releases;
mod reuse;
mod threads;
mod unseen;
mod volume;

pub(super) use attach::attach;
pub(super) use dying::dying;
pub(super) use execs::execs;
pub(super) use forks::forks;
pub(super) use goroutines::goroutines;
pub(super) use kill::kill;
pub(super) use overrun::overrun;
pub(super) use programs::programs;
pub(super) use releases::releases;
pub(super) use reuse::reuse;
pub(super) use threads::threads;
pub(super) use unseen::unseen;
pub(super) use volume::volume;
