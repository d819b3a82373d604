//! Capture rules of arguments with a shape of their own. The index of the argument is filled in
//! when the table is compiled.

use tracer_common::capture::{CaptureRule, kind, len, phase};

pub(super) const ENTER: u8 = phase::ENTER;
pub(super) const EXIT: u8 = phase::EXIT;
pub(super) const BOTH: u8 = ENTER | EXIT;

const NONE: CaptureRule = CaptureRule {
    kind: kind::NONE,
    arg: 0,
    phase: 0,
    len_from: len::FIXED,
    len_arg: 0,
    word: 0,
    size: 0,
};

/// A structure of `size` bytes.
pub(super) const fn fixed(phase: u8, size: u16) -> CaptureRule {
    CaptureRule {
        kind: kind::STRUCT,
        phase,
        size,
        ..NONE
    }
}

/// As many structures of `size` bytes as argument `count` says.
pub(super) const fn counted(phase: u8, count: u8, size: u16) -> CaptureRule {
    CaptureRule {
        len_from: len::ARG,
        len_arg: count,
        ..fixed(phase, size)
    }
}

/// As many structures of `size` bytes as the call returns.
pub(super) const fn returned(size: u16) -> CaptureRule {
    CaptureRule {
        len_from: len::RET,
        ..fixed(EXIT, size)
    }
}

/// NUL-terminated text.
pub(super) const fn string(phase: u8) -> CaptureRule {
    CaptureRule {
        kind: kind::STRING,
        phase,
        ..NONE
    }
}

/// Data of the length in argument `count`, of which the string limit is shown.
pub(super) const fn data(phase: u8, count: u8) -> CaptureRule {
    CaptureRule {
        kind: kind::BUFFER,
        ..counted(phase, count, 1)
    }
}

/// The same `word` words further.
pub(super) const fn at_word(rule: CaptureRule, word: u8) -> CaptureRule {
    CaptureRule { word, ..rule }
}

/// The same behind the pointer in word `word` of the structure.
pub(super) const fn behind_word(rule: CaptureRule, word: u8) -> CaptureRule {
    CaptureRule {
        kind: rule.kind | kind::FOLLOW,
        word,
        ..rule
    }
}

/// The same of another argument.
pub(super) const fn of_kind(rule: CaptureRule, kind: u8) -> CaptureRule {
    CaptureRule { kind, ..rule }
}
