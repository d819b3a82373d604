//! Goroutines of a process that runs on while they are read: states, wait reasons, stacks.
//!
//! Facts are those of runtime/runtime2.go and runtime/traceback.go of Go 1.19 to 1.27.

mod code;
mod descriptor;
mod ended;
mod labels;
mod reader;
mod shown;
mod stack;
mod status;
mod thread;

pub use code::Code;
pub use descriptor::Descriptor;
pub use ended::{EndedThreads, SignalFrame};
pub use labels::Label;
pub use reader::{Creator, Goroutine, GoroutineReader, ReadError, Snapshot, Stack};
pub use shown::{creator_name, function_name, is_shown};
pub use stack::StackFrame;
pub use status::Status;
pub use thread::{Interrupted, RunningThreads, StoppedThreads};
