//! Goroutines as somebody wrote them down: what `debug=2`, SIGQUIT, a crash or this program
//! printed, read back.

mod document;
mod text;
mod traced;

pub use traced::{Traceback, TracebackError, TracedCall, TracedGoroutine};
