//! Reads lines in strace's format.

use std::collections::BTreeMap;

use regex_lite::Regex;

/// One line of a trace: whose, and the text after the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Thread, where the line names one.
    pub tid: Option<u32>,
    pub text: String,
}

impl Line {
    /// Reads `25032 text`, `[pid 25032] text` or `text`.
    ///
    /// # Panics
    /// Never for text.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let prefix = Regex::new(r"^(?:\[pid +([0-9]+)\] |([0-9]+) +)").expect("a valid pattern");
        let Some(found) = prefix.captures(line) else {
            return Self {
                tid: None,
                text: line.to_owned(),
            };
        };
        let tid = found.get(1).or_else(|| found.get(2));
        Self {
            tid: tid.and_then(|t| t.as_str().parse().ok()),
            text: line[found[0].len()..].to_owned(),
        }
    }

    /// Name of the call: of a whole line, or of the first part of one in two.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        let name = self.text.split('(').next()?;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        (name.len() < self.text.len() && !name.is_empty() && name.bytes().all(word)).then_some(name)
    }
}

/// The lines of a trace, with each call that another thread's line cut in two as one line, where
/// it ended. A call that never ended stands at the end.
///
/// # Panics
/// Never for text.
#[must_use]
pub fn whole_calls(trace: &str) -> Vec<Line> {
    let resumed = Regex::new(r"^<\.\.\. \S+ resumed>").expect("a valid pattern");
    let mut begun: BTreeMap<Option<u32>, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for Line { tid, text } in trace.lines().map(Line::parse) {
        if let Some(start) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(tid, start.to_owned());
            continue;
        }
        let text = match resumed.find(&text) {
            Some(found) => begun.remove(&tid).unwrap_or_default() + &text[found.end()..],
            None => text,
        };
        lines.push(Line { tid, text });
    }
    lines.extend(begun.into_iter().map(|(tid, text)| Line { tid, text }));
    lines
}

/// The text of a line without the thread it names.
#[must_use]
pub fn without_prefix(line: &str) -> String {
    Line::parse(line).text
}

/// True when `ours` is `theirs` with some strings, arrays or structures as addresses. Both have
/// `ADDR` for each address.
///
/// # Panics
/// Never for text.
#[must_use]
pub fn equal_but_cold(ours: &str, theirs: &str) -> bool {
    let mut rest = theirs;
    let mut parts = ours.split("ADDR");
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = after;
    for part in parts {
        let Some(width) = argument(rest) else {
            return false;
        };
        let Some(after) = rest[width..].strip_prefix(part) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

/// Length of the argument at the start of `text`.
fn argument(text: &str) -> Option<usize> {
    let one = r#"^(ADDR|"(\\.|[^"\\])*"(\.\.\.)?|\[[^\]]*\]( VARS)?|\{([^{}]|\{[^{}]*\})*\})"#;
    let found = Regex::new(one).expect("a valid pattern").find(text)?;
    Some(found.end())
}

/// The number right after `key` in `text`.
#[must_use]
pub fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}
