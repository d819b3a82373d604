//! The programs: thin, one file a subject.

mod exec_arguments;
mod go_assist;
mod go_creation;
mod go_gc;
mod go_handoff;
mod go_schedule;
mod go_stop;
mod go_wait;
mod off_cpu;
mod on_cpu;
mod process;
mod run_queue;
mod sample;
mod signal;
mod steady;
pub mod syscall;
mod syscall_count;
mod syscall_count_by_thread;
mod waker;
