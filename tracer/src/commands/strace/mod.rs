//! `tracer strace`: system calls.

mod args;
mod destination;
mod execute;
mod expression;
mod flight;
mod json;
mod tips;
mod view;

pub use args::StraceArgs;
pub use view::{CountView, LineView};
pub(super) use view::{LineStyle, MAX_STRING_LIMIT, call_count_sink, count_sink, line_sink};
