//! Groups by the function that made the call: the innermost of the stack that is the program's own.
//!
//! What stands between it and the kernel says how the call is made, not why: the C library, and in
//! Go programs the runtime and the standard library.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{Body, Event, FrameSymbol, Sample, Space, SymbolOrigin, SymbolizedAddress};
use crate::term::printable;

/// Names kept; beyond, frames have none. A hostile target can show a new address in every frame.
const MAX_NAMES: usize = 1 << 16;
/// Stacks of which the function is remembered. All are forgotten when there are more, which costs
/// no more than finding the functions again.
const MAX_STACKS: usize = 1 << 14;
/// Addresses below belong to no mapping (`vm.mmap_min_addr`).
const FIRST_PAGE: u64 = 4096;

/// A call whose stack could not be read, or was lost.
const NO_STACK: &str = "(no stack)";
/// A stack of nothing but Go's runtime.
const RUNTIME: &str = "(Go runtime)";
/// A stack of nothing but the C library.
const LIBRARY: &str = "(C library)";
/// A stack of nothing that has a name.
const UNKNOWN: &str = "(unknown)";

/// Whose function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Program,
    /// Go's standard library.
    Standard,
    /// Go's runtime, and what it shares with the standard library.
    Runtime,
    /// The C library and its like.
    Library,
}

/// The function at an address that counts.
#[derive(Clone, Debug)]
struct Function {
    owner: Owner,
    name: Arc<str>,
}

/// Functions that make calls, by the stacks that come before these.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// By process, address, and whether that is of a caller.
    names: HashMap<(u32, u64, bool), Function>,
    /// By process and user stack.
    stacks: HashMap<(u32, Box<[u64]>), Arc<str>>,
    /// Of the call that each thread makes next.
    next: HashMap<u32, Arc<str>>,
}

impl Functions {
    pub(super) fn note(&mut self, event: &Event) {
        match &event.body {
            Body::Symbols(symbols) => {
                let user = symbols.addresses.iter().filter(|a| a.space == Space::User);
                user.for_each(|address| self.name(event.pid, address));
            }
            Body::Sample(sample) => self.sample(event.pid, event.tid, sample),
            Body::Exec(exec) => {
                self.replace(event.pid);
                self.next.remove(&exec.old_tid);
            }
            Body::Exit(exit) => {
                self.next.remove(&event.tid);
                if exit.last_thread {
                    self.replace(event.pid);
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, pid: u32, symbol: &SymbolizedAddress) {
        if let (true, Some(function)) = (self.names.len() < MAX_NAMES, function_at(symbol)) {
            let key = (pid, symbol.address, symbol.caller);
            self.names.insert(key, function);
        }
    }

    fn sample(&mut self, pid: u32, tid: u32, sample: &Sample) {
        // A chain of frame pointers ends in zero, or in whatever the register held.
        let is_code = |address: &u64| *address >= FIRST_PAGE;
        let len = sample.user.iter().take_while(|a| is_code(a)).count();
        let key = (pid, Box::from(&sample.user[..len]));
        if let Some(function) = self.stacks.get(&key) {
            self.next.insert(tid, Arc::clone(function));
            return;
        }
        let function = self.function_of(pid, &key.1);
        if self.stacks.len() >= MAX_STACKS {
            self.stacks.clear();
        }
        self.stacks.insert(key, Arc::clone(&function));
        self.next.insert(tid, function);
    }

    /// The innermost function of the program's own. Without one, that of Go's standard library
    /// that is nearest to the start of the goroutine: it says best what it is for.
    fn function_of(&self, pid: u32, stack: &[u64]) -> Arc<str> {
        let functions = || {
            let frames = stack.iter().enumerate();
            frames.filter_map(|(at, &address)| self.names.get(&(pid, address, at > 0)))
        };
        let of = |owner: Owner| functions().filter(move |f| f.owner == owner);
        let found = of(Owner::Program)
            .next()
            .or(of(Owner::Standard).next_back());
        if let Some(function) = found {
            return Arc::clone(&function.name);
        }
        let has = |owner| of(owner).next().is_some();
        let nothing = if has(Owner::Runtime) {
            RUNTIME
        } else if has(Owner::Library) {
            LIBRARY
        } else if stack.is_empty() {
            NO_STACK
        } else {
            UNKNOWN
        };
        nothing.into()
    }

    /// The function of the call that a thread makes now. Its stack came before it, and only once.
    pub(super) fn take(&mut self, tid: u32) -> String {
        let function = self.next.remove(&tid);
        function.map_or_else(|| NO_STACK.to_owned(), |f| f.to_string())
    }

    /// A call ended: a stack that came before it is not that of the next one.
    pub(super) fn forget(&mut self, tid: u32) {
        self.next.remove(&tid);
    }

    /// Addresses of a process mean something else from now on.
    fn replace(&mut self, pid: u32) {
        self.names.retain(|key, _| key.0 != pid);
        self.stacks.retain(|key, _| key.0 != pid);
    }
}

/// The innermost function at an address that is the program's own, or otherwise the outermost;
/// where there are several, the others are inlined into that. `None` without even a file.
fn function_at(symbol: &SymbolizedAddress) -> Option<Function> {
    let module = symbol.module.as_deref();
    let owned = |frame: &FrameSymbol| (owner(frame, module), frame.function.clone());
    let mut frames = symbol.frames.iter().map(owned);
    let own = frames.clone().find(|(owner, _)| *owner == Owner::Program);
    let (owner, name) = match own.or_else(|| frames.next_back()) {
        Some(found) => found,
        None => nameless(symbol, module?),
    };
    Some(Function {
        owner,
        name: printable(&name).into(),
    })
}

/// `[nginx+0x1234]`: code that has no name.
fn nameless(symbol: &SymbolizedAddress, module: &str) -> (Owner, String) {
    let owner = match is_library(module) {
        true => Owner::Library,
        false => Owner::Program,
    };
    (
        owner,
        format!("[{}+{:#x}]", base(module), symbol.module_offset),
    )
}

fn owner(frame: &FrameSymbol, module: Option<&str>) -> Owner {
    match frame.origin {
        SymbolOrigin::Go => go_owner(&frame.function),
        SymbolOrigin::CLibrary => Owner::Library,
        SymbolOrigin::Native | SymbolOrigin::Kernel => {
            match module.is_some_and(is_library) || is_language_library(&frame.function) {
                true => Owner::Library,
                false => Owner::Program,
            }
        }
    }
}

fn base(module: &str) -> &str {
    module.rsplit('/').next().unwrap_or(module)
}

/// Files of the C and C++ libraries, the dynamic linker, and code of the kernel's.
fn is_library(module: &str) -> bool {
    const NAMES: [&str; 13] = [
        "libc.so",
        "libc-",
        "libc.musl-",
        "libpthread.so",
        "libpthread-",
        "librt.so",
        "ld-linux",
        "ld-musl-",
        "ld-2.",
        "libstdc++.so",
        "libc++.so",
        "libgcc_s.so",
        "[vdso]",
    ];
    NAMES.iter().any(|name| base(module).starts_with(name))
}

/// Functions of the standard libraries of C++ and Rust, which are compiled into the program.
fn is_language_library(function: &str) -> bool {
    const PATHS: [&str; 4] = ["std::", "core::", "alloc::", "__gnu_cxx::"];
    let function = function.trim_start_matches(['<', '&']);
    PATHS.iter().any(|path| function.starts_with(path))
}

/// Whose a Go function is, by the path of its package.
fn go_owner(function: &str) -> Owner {
    let package = package(function);
    match package.split('/').next().unwrap_or_default() {
        // Entry points in assembly have no package.
        "" | "runtime" | "internal" => Owner::Runtime,
        // Calls of the kernel that the standard library lacks.
        "golang.org" if package.starts_with("golang.org/x/sys/") => Owner::Standard,
        first if STANDARD.binary_search(&first).is_ok() => Owner::Standard,
        _ => Owner::Program,
    }
}

/// `net/http` of `net/http.(*conn).serve`; empty where there is none. Dots in the last part of a
/// path are escaped in symbols (cmd/internal/objabi/path.go), so the first one there ends it.
fn package(function: &str) -> &str {
    let plain = function.split('[').next().unwrap_or(function);
    let last = plain.rfind('/').map_or(0, |at| at + 1);
    plain[last..]
        .find('.')
        .map_or("", |dot| &plain[..last + dot])
}

/// First parts of the paths of packages of Go's standard library, up to Go 1.27; sorted.
static STANDARD: [&str; 47] = [
    "archive",
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
    "vendor",
    "weak",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Symbols;
    use proptest::prelude::*;

    fn frame(function: &str, origin: SymbolOrigin) -> FrameSymbol {
        FrameSymbol {
            function: function.to_owned(),
            origin,
            ..FrameSymbol::default()
        }
    }

    fn at(address: u64, caller: bool, module: &str, frames: Vec<FrameSymbol>) -> SymbolizedAddress {
        SymbolizedAddress {
            space: Space::User,
            address,
            caller,
            frames,
            module: (!module.is_empty()).then(|| module.to_owned()),
            module_offset: address,
        }
    }

    fn event(body: Body) -> Event {
        Event {
            time_ns: 0,
            pid: 7,
            tid: 8,
            cpu: 0,
            goid: None,
            body,
        }
    }

    fn stack(user: &[u64]) -> Event {
        event(Body::Sample(Sample {
            comm: String::new(),
            kernel: Vec::new(),
            user: user.to_vec(),
            user_end: match user {
                [] => crate::event::StackEnd::Missing,
                _ => crate::event::StackEnd::Unknown,
            },
            truncated: false,
        }))
    }

    fn functions(addresses: Vec<SymbolizedAddress>) -> Functions {
        let mut functions = Functions::default();
        functions.note(&event(Body::Symbols(Box::new(Symbols { addresses }))));
        functions
    }

    fn of(functions: &mut Functions, user: &[u64]) -> String {
        functions.note(&stack(user));
        functions.take(8)
    }

    #[test]
    fn packages_of_the_standard_library_are_known() {
        assert!(STANDARD.is_sorted());
        for (function, owner) in [
            ("main.(*Store).flush", Owner::Program),
            ("github.com/x/os.Read", Owner::Program),
            ("example.com/a%2eb.F[go.shape.int]", Owner::Program),
            ("store/internal/db.Get", Owner::Program),
            ("runtime.futex", Owner::Runtime),
            ("runtime/debug.FreeOSMemory", Owner::Runtime),
            ("internal/runtime/syscall.Syscall6", Owner::Runtime),
            ("internal/poll.(*FD).Write", Owner::Runtime),
            ("os.(*File).Write", Owner::Standard),
            ("net/http.(*conn).serve", Owner::Standard),
            ("golang.org/x/sys/unix.Write", Owner::Standard),
            ("slices.SortFunc[main.T/x]", Owner::Standard),
            ("_rt0_amd64_linux", Owner::Runtime),
            ("", Owner::Runtime),
        ] {
            assert_eq!(go_owner(function), owner, "{function}");
        }
    }

    #[test]
    fn the_innermost_function_of_the_program_counts() {
        let go = |name| vec![frame(name, SymbolOrigin::Go)];
        let inlined = [
            frame("os.(*File).Write", SymbolOrigin::Go),
            frame("main.tee", SymbolOrigin::Go),
            frame("main.copy", SymbolOrigin::Go),
        ];
        let mut functions = functions(vec![
            at(0x1000, false, "/a", go("syscall.write")),
            at(0x2000, true, "/a", go("net/http.(*response).Write")),
            at(0x3000, true, "/a", inlined.to_vec()),
            at(0x4000, true, "/a", go("net/http.(*conn).serve")),
            at(0x5000, true, "/a", go("runtime.goexit")),
        ]);
        let mut of = |user: &[u64]| of(&mut functions, user);
        assert_eq!(of(&[0x1000, 0x2000, 0x3000, 0x4000, 0x5000]), "main.tee");
        assert_eq!(of(&[0x1000, 0x4000, 0x5000]), "net/http.(*conn).serve");
        assert_eq!(of(&[0x9000, 0x5000]), RUNTIME);
        assert_eq!(of(&[0x9000]), UNKNOWN);
        assert_eq!(of(&[0x9000, 3, 0x3000]), UNKNOWN, "the chain ends at 3");
        assert_eq!(of(&[]), NO_STACK);
    }

    #[test]
    fn a_stack_belongs_to_one_call() {
        let main = vec![frame("work", SymbolOrigin::Native)];
        let mut functions = functions(vec![at(0x1000, false, "/bin/a", main)]);
        functions.note(&stack(&[0x1000]));
        assert_eq!(functions.take(8), "work");
        assert_eq!(functions.take(8), NO_STACK, "its stack was lost");
        functions.note(&stack(&[0x1000]));
        functions.forget(8);
        assert_eq!(functions.take(8), NO_STACK, "its entry was lost");
        let exec = crate::event::Exec {
            old_tid: 8,
            comm: String::new(),
        };
        functions.note(&event(Body::Exec(exec)));
        assert_eq!(of(&mut functions, &[0x1000]), UNKNOWN, "another program");
    }

    #[test]
    fn libraries_are_not_the_programs_own() {
        let native = |name| vec![frame(name, SymbolOrigin::Native)];
        let mut functions = functions(vec![
            at(
                0x1000,
                false,
                "/lib/x86_64-linux-gnu/libc.so.6",
                native("write"),
            ),
            at(
                0x2000,
                true,
                "/bin/a",
                native("<std::fs::File as std::io::Write>::write"),
            ),
            at(0x3000, true, "/bin/a", native("flush\u{1b}[2J")),
            at(0x4000, true, "/bin/stripped", Vec::new()),
            at(0x5000, true, "", Vec::new()),
        ]);
        let mut of = |user: &[u64]| of(&mut functions, user);
        assert_eq!(of(&[0x1000, 0x2000, 0x3000]), r"flush\u{1b}[2J");
        assert_eq!(of(&[0x1000, 0x4000]), "[stripped+0x4000]");
        assert_eq!(of(&[0x1000, 0x5000]), LIBRARY);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut functions = Functions::default();
        for address in 0..(MAX_STACKS + MAX_NAMES) as u64 {
            let name = vec![frame("f", SymbolOrigin::Native)];
            let addresses = vec![at(FIRST_PAGE + address, false, "/a", name)];
            functions.note(&event(Body::Symbols(Box::new(Symbols { addresses }))));
            functions.note(&stack(&[FIRST_PAGE + address]));
        }
        assert!(functions.stacks.len() <= MAX_STACKS && functions.names.len() == MAX_NAMES);
    }

    proptest! {
        #[test]
        fn any_name_has_an_owner(name in "\\PC*") {
            let _ = (go_owner(&name), is_library(&name), is_language_library(&name));
        }
    }
}
