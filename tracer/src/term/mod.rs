//! Text for people: numbers, times, columns, and what the terminal can show.
//!
//! Pure but for [`Terminal::of`], which asks the descriptor and the environment.

mod columns;
mod duration;
mod human;
mod notice;
mod printable;
mod terminal;

pub use columns::{Align, Columns};
pub use duration::{DurationError, parse_duration};
pub use human::{bytes, ns, percent, plural, rate};
pub use notice::notice;
pub use printable::{is_control, printable};
pub use terminal::{Color, Terminal, clip};
