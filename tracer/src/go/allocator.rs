//! Who allocates, on a stack that ends in the allocator.

use crate::event::FrameSymbol;

use super::goroutine::Code;
use super::origin::{Origin, origin};
use super::stop::symbol;

/// The innermost function that is not the runtime's, and the innermost of the program's own, on a
/// stack of return addresses, innermost first.
#[must_use]
pub fn allocator(code: &Code, stack: &[u64]) -> (Option<FrameSymbol>, Option<FrameSymbol>) {
    let mut allocates = None;
    for &pc in stack {
        let Some(place) = code.place(pc, true) else {
            continue;
        };
        for (at, call) in place.calls.iter().enumerate() {
            let of = origin(&call.frame.function);
            if of == Origin::Runtime {
                continue;
            }
            let symbol = symbol(code, &place, at, pc);
            if of == Origin::Program {
                return (allocates.or_else(|| symbol.clone()), symbol);
            }
            allocates = allocates.or(symbol);
        }
    }
    (allocates, None)
}
