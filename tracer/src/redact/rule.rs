//! Which parts of a text are secret.

use std::borrow::Cow;
use std::ops::Range;

use regex_lite::Regex;

/// What stands in the place of a value.
pub const REDACTED: &str = "[redacted]";

/// Ends of words that name a secret: `GITHUB_TOKEN`, `PGPASSWORD`, `apiKey`.
const ENDINGS: &[&str] = &[
    "token",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
];

/// A word that names a secret only when it is the whole word: not `monkey`.
const WORD: &str = "key";

/// Longest name of a value that is looked at, in bytes.
const MAX_NAME: usize = 64;

/// What to take out of texts: the value after a name that says it is secret (`--password=x`,
/// `TOKEN=x`, `?api_key=x`, `"secret": "x"`, `X-Api-Key: x`), and whatever else the user names. What
/// only has such a name, as a function called `tokenize` or a file `/etc/keys`, stays.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    extra: Vec<Regex>,
}

impl Redaction {
    /// Takes out what matches the expressions, too: their first group if they have one.
    #[must_use]
    pub fn new(extra: Vec<Regex>) -> Self {
        Self { extra }
    }

    /// The text without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.secrets(text.as_bytes());
        if secrets.is_empty() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(String::from_utf8_lossy(&replaced(text.as_bytes(), &secrets)).into_owned())
    }

    /// The bytes without secrets; `None` if there is none.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let secrets = self.secrets(bytes);
        (!secrets.is_empty()).then(|| replaced(bytes, &secrets))
    }

    /// As [`Redaction::bytes`], for what must stay as long as it is: a `*` for each byte.
    #[must_use]
    pub fn masked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let secrets = self.secrets(bytes);
        let mut masked = (!secrets.is_empty()).then(|| bytes.to_vec())?;
        for range in secrets {
            masked[range].fill(b'*');
        }
        Some(masked)
    }

    /// The arguments without secrets; `None` if there is none. That which follows an option with a
    /// secret's name is one: `--password x`.
    #[must_use]
    pub fn arguments(&self, arguments: &[String]) -> Option<Vec<String>> {
        let mut changed = false;
        let mut secret_next = false;
        let mut redacted = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let new = match secret_next && !argument.starts_with('-') {
                true => Cow::Borrowed(REDACTED),
                false => self.text(argument),
            };
            secret_next = is_secret_option(argument.as_bytes());
            changed |= *new != **argument;
            redacted.push(new.into_owned());
        }
        changed.then_some(redacted)
    }

    /// Where the secrets are: in order, apart from each other, none empty.
    fn secrets(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            if !matches!(byte, b'=' | b':') || found.last().is_some_and(|f| at < f.end) {
                continue;
            }
            found.extend(named_value(bytes, at));
        }
        if self.extra.is_empty() {
            return found;
        }
        self.add_extra(bytes, &mut found);
        merged(found)
    }

    fn add_extra(&self, bytes: &[u8], found: &mut Vec<Range<usize>>) {
        let mut start = 0;
        for chunk in bytes.utf8_chunks() {
            for regex in &self.extra {
                for captures in regex.captures_iter(chunk.valid()) {
                    let part = captures.get(1).or_else(|| captures.get(0));
                    let part = part.map_or(0..0, |m| m.range());
                    if !part.is_empty() {
                        found.push(start + part.start..start + part.end);
                    }
                }
            }
            start += chunk.valid().len() + chunk.invalid().len();
        }
    }
}

/// Whether an argument is an option whose value, the next argument, is secret.
pub(super) fn is_secret_option(argument: &[u8]) -> bool {
    let name = argument.strip_prefix(b"-");
    let name = name.map(|name| name.strip_prefix(b"-").unwrap_or(name));
    name.is_some_and(|name| name.iter().all(|&b| is_name(b)) && is_secret(name))
}

/// The value after the `=` or `:` at a place, if its name says that it is secret.
fn named_value(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let before = &bytes[..at];
    let unquoted = before
        .strip_suffix(b"\"")
        .or_else(|| before.strip_suffix(b"'"));
    let is_quoted = unquoted.is_some();
    let before = unquoted.unwrap_or(before);
    // What comes out of a Go or C string literal within JSON.
    let before = match is_quoted {
        true => before.strip_suffix(b"\\").unwrap_or(before),
        false => before,
    };
    let name = before
        .iter()
        .rev()
        .take(MAX_NAME)
        .take_while(|&&b| is_name(b));
    let name = &before[before.len() - name.count()..];
    if !is_secret(name) {
        return None;
    }
    let mut start = at + 1;
    if bytes[at] == b':' {
        // In `Key::new` and `key:8080` nothing is secret.
        if !is_quoted && bytes.get(start) != Some(&b' ') {
            return None;
        }
        start += bytes[start..].iter().take_while(|&&b| b == b' ').count();
    } else if bytes.get(start) == Some(&b'=') {
        return None;
    }
    let range = value(bytes, start);
    let is_secret = !range.is_empty() && bytes[range.clone()] != *REDACTED.as_bytes();
    is_secret.then_some(range)
}

/// The value that begins at a place: what is in quotes, or a word.
fn value(bytes: &[u8], start: usize) -> Range<usize> {
    let rest = &bytes[start..];
    let skip = rest.iter().take_while(|&&b| b == b'\\').count();
    if let Some(&quote @ (b'"' | b'\'')) = rest.get(skip) {
        let begin = start + skip + 1;
        let inner = &bytes[begin..];
        let end = inner.iter().position(|&b| b == quote);
        let end = end.unwrap_or(inner.len());
        let inner = &inner[..end];
        let escapes = inner.iter().rev().take_while(|&&b| b == b'\\').take(skip);
        return begin..begin + end - escapes.count();
    }
    let ends = |&b: &u8| {
        b.is_ascii_whitespace()
            || matches!(
                b,
                0 | b'&' | b';' | b'"' | b'\'' | b'<' | b'>' | b'|' | b'`'
            )
    };
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    start..start + len
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether one of the words of a name says that its value is secret.
fn is_secret(name: &[u8]) -> bool {
    let mut words = name.split(|b| matches!(b, b'_' | b'-' | b'.'));
    words.any(|part| {
        // `apiKey` has two words, `PGPASSWORD` one.
        let begins =
            |at: &usize| part[*at].is_ascii_uppercase() && part[*at - 1].is_ascii_lowercase();
        let mut start = 0;
        for at in (1..part.len()).filter(begins).chain([part.len()]) {
            if is_secret_word(&part[start..at]) {
                return true;
            }
            start = at;
        }
        is_secret_word(part)
    })
}

fn is_secret_word(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    word == WORD.as_bytes() || ENDINGS.iter().any(|end| word.ends_with(end.as_bytes()))
}

fn replaced(bytes: &[u8], secrets: &[Range<usize>]) -> Vec<u8> {
    let mut new = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in secrets {
        new.extend_from_slice(&bytes[at..range.start]);
        new.extend_from_slice(REDACTED.as_bytes());
        at = range.end;
    }
    new.extend_from_slice(&bytes[at..]);
    new
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_secrets_are_taken_out() {
        let cases = [
            ("--password=hunter2", "--password=[redacted]"),
            ("TOKEN=abc", "TOKEN=[redacted]"),
            (
                "GET /x?api_key=1f&n=2 HTTP",
                "GET /x?api_key=[redacted]&n=2 HTTP",
            ),
            ("PGPASSWORD=a,b c", "PGPASSWORD=[redacted] c"),
            ("apiKey='a b' x", "apiKey='[redacted]' x"),
            (
                r#"{"client_secret": "s", "n": 1}"#,
                r#"{"client_secret": "[redacted]", "n": 1}"#,
            ),
            (r#"{\"token\":\"s\"}"#, r#"{\"token\":\"[redacted]\"}"#),
            (
                "X-Api-Key: abc\r\nHost: h",
                "X-Api-Key: [redacted]\r\nHost: h",
            ),
            ("password=", "password="),
            ("password=[redacted]", "password=[redacted]"),
            ("secret=\"not closed", "secret=\"[redacted]"),
            ("a=b;auth.token=c;d", "a=b;auth.token=[redacted];d"),
        ];
        for (text, expected) in cases {
            assert_eq!(Redaction::default().text(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_has_such_a_name_stays() {
        for text in [
            "main.tokenize",
            "/etc/keys/token",
            "crypto/internal/key.New",
            "std::map<Key, Token>::operator=",
            "Key::new",
            "monkey=1",
            "PWD=/home/x",
            "key==other",
            "max_tokens=100",
            "token",
            "secret://host",
            "",
        ] {
            assert_eq!(Redaction::default().text(text), text);
        }
    }

    #[test]
    fn an_option_takes_the_next_argument() {
        let arguments = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let redact = |text| Redaction::default().arguments(&arguments(text));
        let expected = arguments("app --password [redacted] -v token=[redacted]");
        assert_eq!(redact("app --password x -v token=y"), Some(expected));
        assert_eq!(redact("app -key -v x --tokenizer y"), None);
    }

    #[test]
    fn users_name_more() {
        let extra = ["cookie=(\\w+)", "1234"].map(|r| Regex::new(r).expect("valid"));
        let redaction = Redaction::new(extra.to_vec());
        assert_eq!(
            redaction.text("cookie=ab12345 1234"),
            "cookie=[redacted] [redacted]"
        );
        let bytes = redaction.bytes(b"\xff cookie=z \xfe1234").expect("two");
        assert_eq!(bytes, b"\xff cookie=[redacted] \xfe[redacted]");
    }

    #[test]
    fn masks_are_as_long_as_what_they_hide() {
        let redaction = Redaction::default();
        let masked = redaction.masked(b"token=abc&x=1").expect("one");
        assert_eq!(masked, b"token=***&x=1");
        assert_eq!(redaction.masked(b"x=1"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(
            bytes in proptest::collection::vec(prop_oneof![
                any::<u8>(), Just(b'='), Just(b':'), Just(b'"'), Just(b'\\'), Just(b' ')], 0..60),
            at in 0_usize..60,
        ) {
            let mut bytes = bytes;
            let name = b"token";
            let at = at.min(bytes.len());
            bytes.splice(at..at, *name);
            let redaction = Redaction::default();
            if let Some(masked) = redaction.masked(&bytes) {
                prop_assert_eq!(masked.len(), bytes.len());
            }
            let once = redaction.bytes(&bytes).unwrap_or_else(|| bytes.clone());
            prop_assert!(once.len() <= bytes.len() * REDACTED.len());
        }
    }
}
