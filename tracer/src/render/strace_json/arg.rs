//! One argument as an object: the register and the text of it made a value.

use super::object::Arg;
use super::value::{Parsed, Value, hex, parse, string};
use crate::syscall::arg::Form;
use crate::syscall::print::Argument;

/// The object of an argument; `descriptors` says whether its text tells what descriptors refer to.
pub(super) fn arg(argument: &Argument, descriptors: bool) -> Arg<'_> {
    let text = argument.plain.as_deref().unwrap_or(&argument.text);
    let text = match text.strip_prefix(&*argument.name) {
        Some(rest) => rest.strip_prefix('=').unwrap_or(text),
        None => text,
    };
    let (Parsed { value, cut }, bytes_hex) = value(argument.form, argument.word, text);
    let followed = is_pointer(argument.form) || matches!(value, Value::Array(_) | Value::Object(_));
    Arg {
        name: &argument.name,
        kind: name(argument.form),
        value,
        text: &argument.text,
        address: followed.then_some(argument.word),
        bytes_hex,
        referent: match (argument.form, descriptors) {
            (Form::Fd, true) => referent(&argument.text),
            _ => None,
        },
        truncated: cut,
        unread: argument.unread,
    }
}

/// The names of forms in the output. They are a contract: the schema lists them.
const fn name(form: Form) -> &'static str {
    match form {
        Form::Int32 | Form::UInt32 | Form::Int64 | Form::UInt64 => "int",
        Form::Address => "address",
        Form::Fd => "fd",
        Form::Signal => "signal",
        Form::Mode => "mode",
        Form::Flags32 | Form::Flags64 => "flags",
        Form::Enum => "enum",
        Form::Path => "path",
        Form::Text => "string",
        Form::Bytes => "bytes",
        Form::Data => "data",
        Form::Any => "any",
    }
}

const fn is_pointer(form: Form) -> bool {
    matches!(form, Form::Path | Form::Text | Form::Bytes | Form::Data)
}

/// The value, and the bytes of a string that is not UTF-8.
fn value(form: Form, word: u64, text: &str) -> (Parsed, Option<String>) {
    let number = match form {
        Form::Int32 | Form::Fd => i128::from(word as i32),
        Form::Int64 => i128::from(word.cast_signed()),
        Form::UInt32 | Form::Flags32 | Form::Enum | Form::Signal => i128::from(word as u32),
        Form::Mode => i128::from(word as u16),
        Form::UInt64 | Form::Flags64 | Form::Address => i128::from(word),
        Form::Path | Form::Text | Form::Bytes => return text_value(text),
        Form::Data => return (data(text), None),
        Form::Any if text.starts_with(['[', '{', '"', '~', '@']) => return (parse(text), None),
        Form::Any => i128::from(word),
    };
    (whole(Value::Int(number)), None)
}

const fn whole(value: Value) -> Parsed {
    Parsed { value, cut: false }
}

/// A string, or null where the text is an address.
fn text_value(text: &str) -> (Parsed, Option<String>) {
    let Some((bytes, cut)) = string(text) else {
        return (whole(Value::Null), None);
    };
    match String::from_utf8(bytes) {
        Ok(text) => (
            Parsed {
                value: Value::Text(text),
                cut,
            },
            None,
        ),
        Err(error) => {
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let value = Value::Text(lossy);
            (Parsed { value, cut }, Some(hex(error.as_bytes())))
        }
    }
}

/// What is behind a pointer, or null where the text is an address.
fn data(text: &str) -> Parsed {
    match text.starts_with("0x") || text == "NULL" {
        true => whole(Value::Null),
        false => parse(text),
    }
}

/// What a descriptor refers to, of `3</etc/passwd>`, or `3</etc/passwd>(deleted)`.
pub(super) fn referent(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    match rest.strip_suffix(">(deleted)") {
        Some(path) => Some(format!("{path} (deleted)")),
        None => rest.strip_suffix('>').map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(form: Form, word: u64, text: &str) -> Argument {
        Argument {
            name: "x".into(),
            form,
            word,
            text: text.to_owned(),
            plain: None,
            unread: false,
        }
    }

    fn json(form: Form, word: u64, text: &str) -> String {
        serde_json::to_string(&arg(&argument(form, word, text), true)).expect("plain data")
    }

    #[test]
    fn values_have_the_type_of_their_form() {
        let at_cwd = (-100i64).cast_unsigned();
        let cases = [
            (
                Form::Fd,
                at_cwd,
                "AT_FDCWD</tmp>",
                r#"{"name":"x","type":"fd","value":-100,"text":"AT_FDCWD</tmp>","referent":"/tmp"}"#,
            ),
            (
                Form::Int64,
                u64::MAX,
                "-1",
                r#"{"name":"x","type":"int","value":-1,"text":"-1"}"#,
            ),
            (
                Form::UInt64,
                u64::MAX,
                "18446744073709551615",
                r#"{"name":"x","type":"int","value":18446744073709551615,"text":"18446744073709551615"}"#,
            ),
            (
                Form::Path,
                0x7000,
                "\"a\\377\"",
                "{\"name\":\"x\",\"type\":\"path\",\"value\":\"a\u{fffd}\",\"text\":\"\\\"a\\\\377\\\"\",\"address\":28672,\"bytes_hex\":\"61ff\"}",
            ),
            (
                Form::Bytes,
                0x7000,
                "\"ab\"...",
                r#"{"name":"x","type":"bytes","value":"ab","text":"\"ab\"...","address":28672,"truncated":true}"#,
            ),
            (
                Form::Data,
                0,
                "NULL",
                r#"{"name":"x","type":"data","value":null,"text":"NULL","address":0}"#,
            ),
            (
                Form::Any,
                0x7000,
                "{a=1}",
                r#"{"name":"x","type":"any","value":{"a":1},"text":"{a=1}","address":28672}"#,
            ),
            (
                Form::Address,
                0x7000,
                "x=0x7000",
                r#"{"name":"x","type":"address","value":28672,"text":"x=0x7000"}"#,
            ),
        ];
        for (form, word, text, expected) in cases {
            assert_eq!(json(form, word, text), expected);
        }
    }

    #[test]
    fn a_deleted_file_says_so() {
        assert_eq!(referent("3</a>(deleted)").as_deref(), Some("/a (deleted)"));
        assert_eq!(referent("3"), None);
    }
}
