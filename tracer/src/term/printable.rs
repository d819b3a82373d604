//! Names from the target, which chooses them freely.

use std::borrow::Cow;

/// `text` with control characters escaped, so that a process name cannot move the cursor, break a
/// line, reorder text or forge a table row.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_control(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters and Unicode's invisible direction marks (Bidi_Control): what a name could
/// drive a terminal with.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_rest_kept() {
        assert!(matches!(printable("nginx: é 日本"), Cow::Borrowed(_)));
        assert_eq!(printable("a\x1b[2J\n\u{202e}b"), r"a\u{1b}[2J\n\u{202e}b");
    }
}
