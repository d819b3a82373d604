//! Whose a Go function is: the runtime's, the standard library's, or the program's.

/// Whose a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Packages `runtime` and below, `internal/runtime/…`, and what has no package: C, code that
    /// the compiler made for a type, and (`_`) parts of the runtime's functions that it moved.
    Runtime,
    /// Another package of the standard library.
    StandardLibrary,
    /// Anything else: `main`, its other packages, and their dependencies.
    Program,
}

/// First elements of the import paths of the standard library: the directories of `GOROOT/src` in
/// Go 1.21, 1.24 and 1.27, without `cmd`, whose packages are programs. That the first element of
/// all other paths has a dot is a rule for modules that others download; the modules of programs
/// often have none, so that it cannot tell them from the library.
static STANDARD: &[&str] = &[
    "archive",
    "arena",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "simd",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "uuid",
    "vendor",
    "weak",
];

/// Whose function this is, by its name in the function table: the import path up to the first dot
/// after the last slash (`cmd/internal/objabi.PathToPrefix` escapes dots that the last element
/// itself has), then the function. A package of the program whose path begins like one of the
/// library's, as `log/audit` in a module called `log`, is taken for the library's.
#[must_use]
pub fn origin(function: &str) -> Origin {
    let Some(path) = import_path(function) else {
        return Origin::Runtime;
    };
    let is_below = |root: &str| {
        let rest = path.strip_prefix(root);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let first = path.split('/').next().unwrap_or_default();
    if is_below("runtime") || is_below("internal/runtime") {
        Origin::Runtime
    } else if STANDARD.binary_search(&first).is_ok() {
        Origin::StandardLibrary
    } else {
        Origin::Program
    }
}

/// `net/http` of `net/http.(*conn).serve`; none of `crosscall2` and `type:.eq.main.T`.
fn import_path(function: &str) -> Option<&str> {
    // Type arguments have paths of their own.
    let plain = function.split(['[', '(']).next().unwrap_or_default();
    let last = plain.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + plain.get(last..)?.find('.')?;
    let path = plain.get(..dot)?;
    let made = path.starts_with("type:") || path.starts_with("go:") || matches!(path, "type" | "_");
    (!path.is_empty() && !made).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_import_path_tells_whose_a_function_is() {
        let cases = [
            ("runtime.goexit", Origin::Runtime),
            ("runtime/internal/syscall.Syscall6", Origin::Runtime),
            ("internal/runtime/syscall/linux.Syscall6", Origin::Runtime),
            ("crosscall2", Origin::Runtime),
            ("type:.eq.main.T", Origin::Runtime),
            ("type..eq.main.T", Origin::Runtime),
            ("_.goready.func1", Origin::Runtime),
            ("go:(*struct { main.T }).M", Origin::Runtime),
            ("", Origin::Runtime),
            ("internal/poll.(*FD).Write", Origin::StandardLibrary),
            ("syscall.write", Origin::StandardLibrary),
            ("os.(*File).Write", Origin::StandardLibrary),
            ("net/http.HandlerFunc.ServeHTTP", Origin::StandardLibrary),
            ("go/ast.Walk", Origin::StandardLibrary),
            (
                "vendor/golang.org/x/net/idna.ToASCII",
                Origin::StandardLibrary,
            ),
            (
                "slices.SortFunc[go.shape.[]example.com/a.T]",
                Origin::StandardLibrary,
            ),
            ("main.main", Origin::Program),
            ("main.(*Store).flush", Origin::Program),
            ("main.(*Store[...]).flush.func1", Origin::Program),
            ("main.glob..func1", Origin::Program),
            ("main.fill[go.shape.int]", Origin::Program),
            ("gopkg.in/yaml%2ev3.Unmarshal", Origin::Program),
            ("rsc%2eio.Do", Origin::Program),
            ("github.com/a/b/os.Open", Origin::Program),
            ("shop/store.Save", Origin::Program),
            ("cmd/go/internal/work.Build", Origin::Program),
            ("runtimes/x.F", Origin::Program),
        ];
        for (name, whose) in cases {
            assert_eq!(origin(name), whose, "{name}");
        }
    }

    #[test]
    fn the_list_can_be_searched() {
        assert!(STANDARD.is_sorted());
    }
}
