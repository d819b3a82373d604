//! Names as they stand in C++ and Rust sources.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// What a linker name stands for, at most `most` bytes of it; the name itself when it has no
/// encoding.
///
/// Only names that begin as encodings do are decoded: to the grammar of C++ (Itanium C++ ABI,
/// 5.1.2) the C functions `a`, `b` and `c` would be types.
pub(super) fn demangled(name: &str, most: usize) -> String {
    let mut text = Bounded {
        text: String::new(),
        most,
    };
    let known = match name.as_bytes() {
        [b'_', b'R', ..] | [b'_', b'Z', ..] => rust(name, &mut text) || cpp(name, &mut text),
        [b'_', b'_', b'Z', ..] => cpp(&name[1..], &mut text),
        _ => false,
    };
    match known {
        true => text.text,
        false => name[..name.floor_char_boundary(most)].to_owned(),
    }
}

/// Without the hash that tells instances apart.
fn rust(name: &str, out: &mut Bounded) -> bool {
    let decoded = rustc_demangle::try_demangle(name);
    decoded.is_ok_and(|decoded| written(write!(out, "{decoded:#}"), out))
}

fn cpp(name: &str, out: &mut Bounded) -> bool {
    let Ok(symbol) = Symbol::new(name) else {
        return false;
    };
    let result = symbol.structured_demangle(out, &DemangleOptions::default());
    written(result, out)
}

/// Whether there is a text: a whole one, or what there was room for.
fn written(result: fmt::Result, out: &Bounded) -> bool {
    result.is_ok() || out.text.len() == out.most
}

/// Takes text up to a length in bytes. Names of C++ templates can take megabytes.
struct Bounded {
    text: String,
    most: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.most - self.text.len();
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        // Full, even where a character did not fit.
        self.most = self.text.len();
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_the_sources() {
        for (name, text) in [
            ("main", "main"),
            ("a", "a"),
            ("c", "c"),
            ("i", "i"),
            ("_start", "_start"),
            ("_Znwm", "operator new(unsigned long)"),
            ("_ZN3foo3barEi", "foo::bar(int)"),
            ("__ZN3foo3barEi", "foo::bar(int)"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_Z", "_Z"),
            ("_ZTimes", "_ZTimes"),
        ] {
            assert_eq!(demangled(name, 4096), text);
        }
    }

    #[test]
    fn what_has_no_room_is_cut() {
        assert_eq!(demangled("_ZN3foo3barEi", 7), "foo::ba");
        assert_eq!(demangled("näme", 2), "n");
    }

    proptest! {
        #[test]
        fn any_name_is_bounded(tail in "[ -~ä]{0,200}", head in "(_Z|_R|__Z|)", most in 0_usize..300) {
            prop_assert!(demangled(&(head + &tail), most).len() <= most);
        }
    }
}
