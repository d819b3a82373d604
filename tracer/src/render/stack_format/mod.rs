//! Profiles in each of their formats: a file and a row in [`STACK_FORMATS`] for each.

mod firefox;
mod folded;
mod html;
mod json;
mod pprof;
mod speedscope;
mod svg;
mod table;
mod text;

pub(super) use folded::lines as folded_lines;
pub(super) use table::Shown;
pub use table::{STACK_FORMATS, StackFormat};
pub use text::StackText;
pub(super) use text::stack_line as function_label;
