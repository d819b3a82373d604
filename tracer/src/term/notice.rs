//! Messages to the person at the terminal, apart from results.

use std::io::Write;

/// Prints one line on stderr, named as the tracer's. A closed stderr is nobody's loss.
pub fn notice(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "tracer: {text}");
}
