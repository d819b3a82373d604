//! Which calls a traceback shows, and under which names (`showfuncinfo` and
//! `funcNamePiecesForPrint`, runtime/traceback.go).

use std::borrow::Cow;

use super::code::Code;
use crate::go::pclntab::Call;

const PANIC: &str = "runtime.gopanic";
/// Calls through which a wrapper is shown: it is what panicked (`elideWrapperCalling`).
const PANICS: [&str; 3] = [PANIC, "runtime.sigpanic", "runtime.panicwrap"];
/// Shown since Go 1.25: without them nothing tells what the goroutine is for.
const CONTEXT: [&str; 2] = ["runtime.runFinalizers", "runtime.runCleanups"];

/// Whether a traceback shows a call; `callee` is the function that it calls, if any.
#[must_use]
pub fn is_shown(code: &Code, call: &Call, callee: Option<&str>, is_first: bool) -> bool {
    if code.is_wrapper(call.kind) && !callee.is_some_and(|f| PANICS.contains(&f)) {
        return false;
    }
    let name = call.frame.function.as_str();
    if code.is_since(25) && CONTEXT.contains(&name) || name == PANIC && !is_first {
        return true;
    }
    name.contains('.') && (!name.starts_with("runtime.") || is_exported_by_runtime(code, name))
}

/// Functions, and since Go 1.22 methods, that programs may call.
fn is_exported_by_runtime(code: &Code, name: &str) -> bool {
    let is_exported = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
    let Some(name) = name.strip_prefix("runtime.") else {
        return false;
    };
    if !code.is_since(22) {
        return is_exported(name);
    }
    let Some((receiver, method)) = name.rsplit_once('.') else {
        return is_exported(name);
    };
    let pointer = receiver
        .strip_prefix("(*")
        .and_then(|r| r.strip_suffix(')'));
    is_exported(method) && is_exported(pointer.unwrap_or(receiver))
}

/// A function's name in a traceback: type arguments are left out.
#[must_use]
pub fn function_name(name: &str) -> Cow<'_, str> {
    if name == PANIC {
        return Cow::Borrowed("panic");
    }
    let (Some(open), Some(close)) = (name.find('['), name.rfind(']')) else {
        return Cow::Borrowed(name);
    };
    if close <= open {
        return Cow::Borrowed(name);
    }
    let (before, inside, after) = (&name[..open], &name[open + 1..close], &name[close + 1..]);
    match between_lists(inside) {
        // A generic method of a generic type.
        Some(between) => Cow::Owned(format!("{before}[...]{between}[...]{after}")),
        None => Cow::Owned(format!("{before}[...]{after}")),
    }
}

/// What stands between the first list of type arguments and the second, given the text from the
/// inside of the one to the inside of the other.
fn between_lists(inside: &str) -> Option<&str> {
    let mut depth = 1_i32;
    let mut closed = None;
    for (at, c) in inside.char_indices() {
        match (c, closed) {
            ('[', Some(end)) if depth == 0 => return Some(&inside[end + 1..at]),
            ('[', _) => depth += 1,
            (']', _) => {
                depth -= 1;
                if depth == 0 {
                    closed = Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What the function of a `go` statement is called: the first goroutine is made by assembly
/// (`runtime.rt0_go`, runtime/asm_*.s), through the wrapper of `runtime.newproc` that it needs.
#[must_use]
pub fn creator_name(function: &str) -> &str {
    match function {
        "runtime.rt0_go" | "runtime.newproc" => "[main goroutine]",
        _ => function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_arguments_are_left_out() {
        assert_eq!(function_name("main.main"), "main.main");
        assert_eq!(function_name("runtime.gopanic"), "panic");
        assert_eq!(function_name("main.Map[go.shape.int]"), "main.Map[...]");
        assert_eq!(
            function_name("main.(*List[go.shape.map[string]int]).Push"),
            "main.(*List[...]).Push"
        );
        assert_eq!(
            function_name("main.(*T[go.shape.int]).Do[go.shape.string]"),
            "main.(*T[...]).Do[...]"
        );
        assert_eq!(function_name("odd]["), "odd][");
    }
}
