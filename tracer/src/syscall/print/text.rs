//! C string literals as strace writes them.

use super::options::Escapes;

/// Appends `bytes` between quotes, escaped.
pub fn push_quoted(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push('"');
    for (i, &byte) in bytes.iter().enumerate() {
        push_escaped(out, byte, bytes.get(i + 1).copied());
    }
    out.push('"');
}

/// Appends `bytes` between quotes, escaped in some form.
pub(super) fn push_quoted_as(out: &mut String, bytes: &[u8], escapes: Escapes) {
    match escapes {
        Escapes::Octal => push_quoted(out, bytes),
        Escapes::AllHex => push_hex_quoted(out, bytes),
        Escapes::HexStrings if bytes.iter().any(|&b| !is_plain(b)) => push_hex_quoted(out, bytes),
        Escapes::HexStrings => push_quoted(out, bytes),
        Escapes::Hex => {
            out.push('"');
            for &byte in bytes {
                match is_plain(byte) {
                    true => push_escaped(out, byte, None),
                    false => push_hex(out, byte),
                }
            }
            out.push('"');
        }
    }
}

/// Printable, or white space with a C escape of its own.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t'..=b'\r')
}

fn push_hex(out: &mut String, byte: u8) {
    out.push_str("\\x");
    push_digit(out, byte >> 4);
    push_digit(out, byte & 15);
}

/// Appends `bytes` between quotes with every byte in hexadecimal.
pub(super) fn push_hex_quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for &byte in bytes {
        push_hex(out, byte);
    }
    out.push('"');
}

fn push_escaped(out: &mut String, byte: u8, next: Option<u8>) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\t' => out.push_str("\\t"),
        b'\r' => out.push_str("\\r"),
        0x0b => out.push_str("\\v"),
        0x0c => out.push_str("\\f"),
        b' '..=b'~' => out.push(char::from(byte)),
        _ => push_octal(out, byte, next.is_some_and(|n| matches!(n, b'0'..=b'7'))),
    }
}

/// Octal with as few digits as possible, or three when an octal digit follows.
fn push_octal(out: &mut String, byte: u8, full: bool) {
    out.push('\\');
    if full || byte >= 0o100 {
        push_digit(out, byte >> 6);
    }
    if full || byte >= 0o10 {
        push_digit(out, (byte >> 3) & 7);
    }
    push_digit(out, byte & 7);
}

fn push_digit(out: &mut String, digit: u8) {
    out.push(char::from(b"0123456789abcdef"[usize::from(digit & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        let mut out = String::new();
        push_quoted(&mut out, bytes);
        out
    }

    #[test]
    fn escapes_are_those_of_strace() {
        assert_eq!(
            quoted(b"a\"\\\n\t\r\x0b\x0c\x1b1\x1bz\x00\xff7\x7f"),
            r#""a\"\\\n\t\r\v\f\0331\33z\0\3777\177""#
        );
        assert_eq!(quoted(b""), "\"\"");
        assert_eq!(quoted(b"\x00\x38\x007"), r#""\08\0007""#);
    }

    /// The lines of strace 6.1 for the head of an ELF file and for a path.
    #[test]
    fn forms_of_escapes_are_those_of_strace() {
        let quoted = |bytes: &[u8], escapes| {
            let mut out = String::new();
            push_quoted_as(&mut out, bytes, escapes);
            out
        };
        let elf = b"\x7fELF\x02\0>\n";
        assert_eq!(quoted(elf, Escapes::Octal), r#""\177ELF\2\0>\n""#);
        assert_eq!(quoted(elf, Escapes::Hex), r#""\x7fELF\x02\x00>\n""#);
        let hex = r#""\x7f\x45\x4c\x46\x02\x00\x3e\x0a""#;
        assert_eq!(quoted(elf, Escapes::HexStrings), hex);
        assert_eq!(quoted(elf, Escapes::AllHex), hex);
        assert_eq!(quoted(b"/e\n", Escapes::HexStrings), r#""/e\n""#);
        assert_eq!(quoted(b"/e", Escapes::AllHex), r#""\x2f\x65""#);
    }

    #[test]
    fn hexadecimal_shows_every_byte() {
        let mut out = String::new();
        push_hex_quoted(&mut out, b"/e\xff");
        assert_eq!(out, r#""\x2f\x65\xff""#);
    }
}
