//! Names of addresses: which function, in which file and line, inlined into what.
//!
//! [`Symbolizer`] is what a session drives. It collects the distinct addresses of stacks as events
//! pass, keeps the address spaces they lie in, and names them when asked: at an interval, at the
//! end, and before a process replaces its program. Names travel as events, so sinks and
//! recordings need nothing of this module.
//!
//! A frame is looked up in Go's function table, then in DWARF and ELF symbols, and is otherwise
//! left with its module and offset. ELF symbols and DWARF are read by a child
//! process (`worker`) whose memory and time are limited, since a file made to harm can defeat its parser.

mod collector;
mod demangle;
mod go_symbols;
mod kallsyms;
mod native;
mod resolver;
mod static_library;
mod symbolizer;
#[cfg(test)]
mod tests;
mod told;
mod worker;

pub use collector::{Address, Collector};
pub use kallsyms::{Kallsyms, KernelFunction};
pub use resolver::Resolver;
pub use symbolizer::{SymbolStats, Symbolizer};
