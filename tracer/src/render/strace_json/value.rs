//! Values of what a pointer points to, read from the text that strace has for it.
//!
//! The text is the one form in which every structure is decoded. Its grammar is small: strings as
//! in C, numbers, names of constants, `[a, b]`, `{name=value, ...}`. What does not fit it stays
//! text, so nothing is lost and nothing made up.

use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Structures within structures that are taken apart; deeper ones stay text.
const MAX_DEPTH: usize = 12;

/// What a text says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i128),
    Text(String),
    /// A string that is not UTF-8.
    Bytes(Vec<u8>),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// A value, and whether some of it is left out in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) cut: bool,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Int(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                _ => serializer.serialize_str(&number.to_string()),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes_hex", &hex(bytes))?;
                map.end()
            }
            Self::Array(elements) => {
                let mut seq = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|e| seq.serialize_element(e))?;
                seq.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                let mut members = members.iter();
                members.try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let digits = bytes.iter().flat_map(|&b| [digit(b >> 4), digit(b)]);
    digits.collect()
}

/// What the text of an argument says.
pub(super) fn parse(text: &str) -> Parsed {
    let mut cut = false;
    let value = value(text, MAX_DEPTH, &mut cut);
    Parsed { value, cut }
}

/// The bytes of a whole text that is a string, and whether it is cut.
pub(super) fn string(text: &str) -> Option<(Vec<u8>, bool)> {
    match text.strip_suffix("...") {
        Some(literal) => Some((unquote(literal)?, true)),
        None => Some((unquote(text)?, false)),
    }
}

fn value(text: &str, depth: usize, cut: &mut bool) -> Value {
    let structure = match (text.as_bytes().first(), depth.checked_sub(1)) {
        (Some(b'['), Some(depth)) => array(text, depth, cut),
        (Some(b'{'), Some(depth)) => object(text, depth, cut),
        _ => None,
    };
    structure.unwrap_or_else(|| leaf(text, cut))
}

fn leaf(text: &str, cut: &mut bool) -> Value {
    if text == "NULL" {
        return Value::Null;
    }
    if let Some((bytes, is_cut)) = string(text) {
        *cut |= is_cut;
        return of_bytes(bytes);
    }
    if let Some(number) = number(text) {
        return Value::Int(number);
    }
    network(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn of_bytes(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => Value::Text(text),
        Err(error) => Value::Bytes(error.into_bytes()),
    }
}

/// What stands in network byte order, and names of sockets without a file.
fn network(text: &str) -> Option<Value> {
    if let Some(name) = text.strip_prefix('@') {
        let (bytes, is_cut) = string(name)?;
        let name = String::from_utf8(bytes).ok().filter(|_| !is_cut)?;
        return Some(Value::Text(format!("@{name}")));
    }
    let (function, rest) = text.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    match function {
        "htons" | "htonl" => number(inner).map(Value::Int),
        "inet_addr" => unquote(inner).map(of_bytes),
        _ => None,
    }
}

/// Decimal, hexadecimal or octal, as in C.
fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    if digits.is_empty() || digits.len() > 24 || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn array(text: &str, depth: usize, cut: &mut bool) -> Option<Value> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut is_cut = false;
    let mut elements = Vec::new();
    for member in members(inner)? {
        match member {
            "..." => is_cut = true,
            _ => match set(member) {
                Some(words) => elements.extend(words.map(|w| leaf(w, &mut is_cut))),
                None => elements.push(value(member, depth, &mut is_cut)),
            },
        }
    }
    *cut |= is_cut;
    Some(Value::Array(elements))
}

/// The members of a set that has blanks between them: `[INT CHLD]`, `[3 5]`.
fn set(member: &str) -> Option<std::str::Split<'_, char>> {
    let is_word = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b' ';
    (member.contains(' ') && member.bytes().all(is_word)).then(|| member.split(' '))
}

fn object(text: &str, depth: usize, cut: &mut bool) -> Option<Value> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut is_cut = false;
    let mut fields = Vec::new();
    for member in members(inner)? {
        if member == "..." {
            is_cut = true;
            continue;
        }
        fields.push(match field(member) {
            Some((key, text)) => (key.to_owned(), value(text, depth, &mut is_cut)),
            None => address6(member)?,
        });
    }
    // A name that stands twice would hide one of the values.
    let mut names = HashSet::new();
    if !fields.iter().all(|(key, _)| names.insert(key.as_str())) {
        return None;
    }
    *cut |= is_cut;
    Some(Value::Object(fields))
}

/// `name=value`, but no comparison.
fn field(member: &str) -> Option<(&str, &str)> {
    let (key, value) = member.split_once('=')?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    let named = !key.is_empty() && key.bytes().all(is_name);
    (named && !value.starts_with(['=', '>'])).then_some((key, value))
}

/// `inet_pton(AF_INET6, "::1", &sin6_addr)` stands for a member.
fn address6(member: &str) -> Option<(String, Value)> {
    let inner = member.strip_prefix("inet_pton(")?.strip_suffix(')')?;
    let (rest, name) = inner.rsplit_once(", &")?;
    let (_, address) = rest.split_once(", ")?;
    Some((name.to_owned(), of_bytes(unquote(address)?)))
}

/// The parts between the commas that stand outside of all brackets and strings; `None` when
/// brackets do not match.
fn members(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut in_string, mut escaped) = (0, false, false);
    let mut open = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'(' | b'[' | b'{' => open.push(byte),
            b')' | b']' | b'}' if !closes(open.pop(), byte) => return None,
            b',' if open.is_empty() && text[at..].starts_with(", ") => {
                parts.push(&text[start..at]);
                start = at + 2;
            }
            _ => {}
        }
    }
    if in_string || !open.is_empty() {
        return None;
    }
    if !text.is_empty() {
        parts.push(&text[start..]);
    }
    Some(parts)
}

const fn closes(opening: Option<u8>, closing: u8) -> bool {
    matches!(
        (opening, closing),
        (Some(b'('), b')') | (Some(b'['), b']') | (Some(b'{'), b'}')
    )
}

/// The bytes of a C string literal; `None` when it is not exactly one.
fn unquote(literal: &str) -> Option<Vec<u8>> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        at += 1;
        match byte {
            b'"' => return None,
            b'\\' => {
                let (byte, length) = escape(&inner[at..])?;
                bytes.push(byte);
                at += length;
            }
            _ => bytes.push(byte),
        }
    }
    Some(bytes)
}

/// The byte that the text after a backslash means, and how long that text is.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let byte = match *text.first()? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'v' => 0x0b,
        b'f' => 0x0c,
        quoted @ (b'"' | b'\\') => quoted,
        b'0'..=b'7' => return octal(text),
        _ => return None,
    };
    Some((byte, 1))
}

fn octal(text: &[u8]) -> Option<(u8, usize)> {
    let digits = text.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7'));
    let mut number: u32 = 0;
    let mut length = 0;
    for digit in digits {
        number = number * 8 + u32::from(digit - b'0');
        length += 1;
    }
    Some((u8::try_from(number).ok()?, length))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::syscall::print::push_quoted;

    fn json(text: &str) -> String {
        let parsed = parse(text);
        let json = serde_json::to_string(&parsed.value).expect("plain data");
        match parsed.cut {
            true => json + " cut",
            false => json,
        }
    }

    #[test]
    fn texts_of_strace_become_values() {
        let cases = [
            ("NULL", "null"),
            ("-100", "-100"),
            ("0x7ffc", "32764"),
            ("0644", "420"),
            ("089", r#""089""#),
            ("18446744073709551615", "18446744073709551615"),
            ("O_RDONLY|O_CLOEXEC", r#""O_RDONLY|O_CLOEXEC""#),
            (r#""a\tb""#, r#""a\tb""#),
            (r#""abc"..."#, r#""abc" cut"#),
            (r#""\377a""#, r#"{"bytes_hex":"ff61"}"#),
            ("[]", "[]"),
            ("[3, 4]", "[3,4]"),
            ("[INT CHLD]", r#"["INT","CHLD"]"#),
            ("[CHLD]", r#"["CHLD"]"#),
            ("~[KILL STOP]", r#""~[KILL STOP]""#),
            (r#"["ls", "-l", ...]"#, r#"["ls","-l"] cut"#),
            (
                "{st_mode=S_IFREG|0644, st_size=2996, ...}",
                r#"{"st_mode":"S_IFREG|0644","st_size":2996} cut"#,
            ),
            (
                r#"{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}"#,
                r#"{"sa_family":"AF_INET","sin_port":80,"sin_addr":"127.0.0.1"}"#,
            ),
            (
                r#"{sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}"#,
                r#"{"sa_family":"AF_INET6","sin6_addr":"::1","sin6_scope_id":0}"#,
            ),
            (
                r#"{sa_family=AF_UNIX, sun_path=@"bus"}"#,
                r#"{"sa_family":"AF_UNIX","sun_path":"@bus"}"#,
            ),
            (
                "[{fd=3, events=POLLIN|POLLOUT}, {fd=-1}]",
                r#"[{"fd":3,"events":"POLLIN|POLLOUT"},{"fd":-1}]"#,
            ),
            (
                r#"[{iov_base="a, b]", iov_len=5}]"#,
                r#"[{"iov_base":"a, b]","iov_len":5}]"#,
            ),
            (
                "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]",
                r#"["{WIFEXITED(s) && WEXITSTATUS(s) == 3}"]"#,
            ),
            ("[128 => 16]", r#"["128 => 16"]"#),
            ("0x7ffd5 /* 12 vars */", r#""0x7ffd5 /* 12 vars */""#),
            ("{a=1, a=2}", r#""{a=1, a=2}""#),
            ("{a=1", r#""{a=1""#),
            ("[(])", r#""[(])""#),
        ];
        for (text, expected) in cases {
            assert_eq!(json(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_too_deep_stays_text() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        let text = json(&deep);
        assert!(
            text.len() < 10_100 && text.starts_with("[[[["),
            "{}",
            text.len()
        );
    }

    proptest! {
        #[test]
        fn strings_come_back_whole(bytes in vec(any::<u8>(), 0..200)) {
            let mut text = String::new();
            push_quoted(&mut text, &bytes);
            prop_assert_eq!(string(&text), Some((bytes.clone(), false)));
            text += "...";
            prop_assert_eq!(string(&text), Some((bytes, true)));
        }

        #[test]
        fn any_text_is_some_value(text in "[\\[\\]{}()\"\\\\, =a1.]{0,80}") {
            let json = serde_json::to_string(&parse(&text).value).expect("plain data");
            prop_assert!(json.len() <= 8 * text.len() + 100);
            let _: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
        }
    }
}
