//! What a program does besides its own work, told from the functions in its stacks.
//!
//! The outermost function of a stack that a row of [`ROWS`] names decides: memory that a channel
//! operation allocates is part of that operation, and a system call within a lock part of the lock.
//! Garbage collection alone wins over what it is in, since allocating goroutines are made to help.

use std::collections::HashMap;

use crate::report::{Frame, FrameKind, HotClass, HotRegion, HotThresholds, StackTree};

use HotClass::{Allocation, Blocking, Gc, Locks, Scheduler, Syscalls};
use Origin::{Go, Kernel, Native};

/// Functions named for each region.
const LEADS: usize = 3;

/// Whose functions a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Go,
    Native,
    Kernel,
}

/// The classification: names of functions, or beginnings of names that end in `*`.
///
/// Go's are those of its runtime and standard library from 1.18 to 1.27 (runtime/*.go, sync,
/// internal/sync, internal/poll, syscall); native ones those of glibc, musl, libstdc++, the Rust
/// standard library, jemalloc, tcmalloc and mimalloc; kernel ones the entries of system calls of
/// x86 and arm64 (arch/x86/entry, arch/arm64/kernel/syscall.c).
const ROWS: &[(HotClass, Origin, &[&str])] = &[
    (
        Gc,
        Go,
        &[
            "runtime.gcBgMarkWorker*",
            "runtime.gcDrain*",
            "runtime.gcAssistAlloc*",
            "runtime.gcParkAssist",
            "runtime.gcStart*",
            "runtime.gcMark*",
            "runtime.gcmark*",
            "runtime.gcSweep*",
            "runtime.gcWriteBarrier*",
            "gcWriteBarrier*",
            "runtime.gcFlushBgCredit",
            "runtime.wbBufFlush*",
            "runtime.wbMove",
            "runtime.wbZero",
            "runtime.bulkBarrierPreWrite*",
            "runtime.scanobject",
            "runtime.scanblock",
            "runtime.scanstack",
            "runtime.scanSpan*",
            "runtime.markroot*",
            "runtime.greyobject",
            "runtime.bgsweep",
            "runtime.bgscavenge",
            "runtime.sweepone",
            "runtime.deductSweepCredit",
            "runtime.deductAssistCredit",
            "runtime.(*mspan).sweep",
            "runtime.(*sweepLocked).sweep",
            "runtime.(*gcWork)*",
            "runtime.(*gcControllerState)*",
            "runtime.runfinq",
            "runtime.runFinalizers",
            "runtime.GC",
        ],
    ),
    (
        Locks,
        Go,
        &[
            "sync.(*Mutex)*",
            "sync.(*RWMutex)*",
            "internal/sync.(*Mutex)*",
            "sync.runtime_Sem*",
            "internal/sync.runtime_Sem*",
            "runtime.semacquire*",
            "runtime.semrelease*",
            "runtime.lock",
            "runtime.lock2",
            "runtime.lockWithRank",
            "runtime.unlock",
            "runtime.unlock2",
            "runtime.unlockWithRank",
        ],
    ),
    (
        Locks,
        Native,
        &[
            "pthread_mutex_*",
            "__pthread_mutex_*",
            "___pthread_mutex_*",
            "__GI___pthread_mutex_*",
            "pthread_rwlock_*",
            "__pthread_rwlock_*",
            "___pthread_rwlock_*",
            "pthread_spin_*",
            "__lll_lock_*",
            "__lll_unlock_*",
            "lll_mutex_*",
            "std::mutex::*",
            "std::sys::sync::mutex::*",
            "std::sys::sync::rwlock::*",
            "parking_lot::*",
        ],
    ),
    (
        Blocking,
        Go,
        &[
            "runtime.gopark*",
            "runtime.goready*",
            "runtime.ready",
            "runtime.chansend*",
            "runtime.chanrecv*",
            "runtime.closechan",
            "runtime.selectgo",
            "runtime.selectnb*",
            "runtime.block",
            "runtime.netpollblock",
            "internal/poll.runtime_pollWait",
            "time.Sleep",
            "sync.(*Cond)*",
            "sync.(*WaitGroup)*",
        ],
    ),
    (
        Allocation,
        Go,
        &[
            "runtime.mallocgc*",
            "runtime.newobject",
            "runtime.newarray",
            "runtime.makeslice*",
            "runtime.growslice*",
            "runtime.makemap*",
            "runtime.makechan*",
            "runtime.rawbyteslice",
            "runtime.rawruneslice",
            "runtime.rawstring*",
        ],
    ),
    (
        Allocation,
        Native,
        &[
            "malloc",
            "calloc",
            "realloc",
            "reallocarray",
            "free",
            "cfree",
            "memalign",
            "posix_memalign",
            "aligned_alloc",
            "__libc_malloc",
            "__libc_calloc",
            "__libc_realloc",
            "__libc_free",
            "__libc_memalign",
            "__GI___libc_malloc",
            "__GI___libc_free",
            "_int_malloc",
            "_int_free*",
            "_int_realloc",
            "malloc_consolidate",
            "operator new*",
            "operator delete*",
            "__rust_alloc*",
            "__rust_dealloc*",
            "__rust_realloc*",
            "__rdl_*",
            "je_*",
            "tc_malloc*",
            "tc_free*",
            "mi_malloc*",
            "mi_free*",
        ],
    ),
    (
        Scheduler,
        Go,
        &[
            "runtime.mcall",
            "runtime.schedule",
            "runtime.findRunnable",
            "runtime.findrunnable",
            "runtime.park_m",
            "runtime.gosched*",
            "runtime.Gosched",
            "runtime.gopreempt*",
            "runtime.asyncPreempt*",
            "runtime.goexit0",
            "runtime.goexit1",
            "runtime.newproc*",
            "runtime.startm",
            "runtime.stopm",
            "runtime.wakep",
            "runtime.sysmon",
            "runtime.execute",
        ],
    ),
    (
        Syscalls,
        Go,
        &[
            "syscall.Syscall*",
            "syscall.RawSyscall*",
            "syscall.rawSyscall*",
            "syscall.rawVforkSyscall",
            "syscall.runtime_entersyscall",
            "syscall.runtime_exitsyscall",
            "internal/runtime/syscall*",
            "runtime/internal/syscall*",
            "runtime.entersyscall*",
            "runtime.reentersyscall*",
            "runtime.exitsyscall*",
        ],
    ),
    (
        Syscalls,
        Kernel,
        &[
            "entry_SYSCALL_64*",
            "do_syscall_64",
            "x64_sys_call",
            "do_int80*",
            "entry_INT80*",
            "do_fast_syscall_32",
            "__x64_sys_*",
            "__ia32_sys_*",
            "el0_svc*",
            "do_el0_svc*",
            "invoke_syscall*",
            "__arm64_sys_*",
        ],
    ),
];

/// First elements of the paths of packages that come with Go (`go list std`).
const GO_STANDARD: &[&str] = &[
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
    "type:",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// The regions of a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HotRegions {
    /// The class of each node: that of what is called there, too, unless garbage collection is.
    pub of_node: Vec<Option<HotClass>>,
    /// Those that have a value, greatest first.
    pub regions: Vec<HotRegion>,
}

impl HotRegions {
    /// Finds them.
    #[must_use]
    pub fn of(tree: &StackTree, thresholds: &HotThresholds) -> Self {
        let of_frame: Vec<Option<HotClass>> = tree.frames.iter().map(class).collect();
        let mut of_node: Vec<Option<HotClass>> = Vec::with_capacity(tree.nodes.len());
        for node in &tree.nodes {
            let outer = node.parent.and_then(|p| of_node[p as usize]);
            of_node.push(match (outer, of_frame[node.frame as usize]) {
                (_, Some(Gc)) => Some(Gc),
                (outer, inner) => outer.or(inner),
            });
        }
        let mut found = Self {
            of_node,
            regions: Vec::new(),
        };
        found.regions = found.add_up(tree, thresholds);
        found
    }

    /// Whether a region begins at a node, and is hot.
    #[must_use]
    pub fn begins_hot(&self, tree: &StackTree, node: u32) -> Option<&HotRegion> {
        let class = self.of_node[node as usize]?;
        let outer = tree.nodes[node as usize].parent;
        if outer.and_then(|p| self.of_node[p as usize]) == Some(class) {
            return None;
        }
        self.regions.iter().find(|r| r.class == class && r.hot)
    }

    fn add_up(&self, tree: &StackTree, thresholds: &HotThresholds) -> Vec<HotRegion> {
        let mut values = [0_u64; HotClass::ALL.len()];
        let mut leads: HashMap<(HotClass, u32), u64> = HashMap::new();
        // Of each node, the function that led into its region.
        let mut lead_of: Vec<u32> = Vec::with_capacity(tree.nodes.len());
        for (at, node) in tree.nodes.iter().enumerate() {
            let class = self.of_node[at];
            let parent = node.parent.filter(|&p| self.of_node[p as usize] == class);
            let lead = match (class, parent) {
                (None, _) => node.frame,
                (Some(_), Some(parent)) => lead_of[parent as usize],
                (Some(_), None) => lead(tree, at as u32),
            };
            lead_of.push(lead);
            if let Some(class) = class {
                values[class as usize] += node.own;
                *leads.entry((class, lead)).or_default() += node.own;
            }
        }
        let total = tree.total();
        let classes = HotClass::ALL.into_iter().zip(values);
        let mut regions: Vec<HotRegion> = classes
            .filter(|(_, value)| *value > 0)
            .map(|(class, value)| {
                let percent = 100.0 * value as f64 / total as f64;
                let threshold = thresholds.of(class);
                HotRegion {
                    class,
                    value,
                    percent,
                    threshold,
                    hot: percent >= threshold,
                    leads: greatest(tree, class, &leads),
                }
            })
            .collect();
        regions.sort_by_key(|r| (std::cmp::Reverse(r.value), r.class));
        regions
    }
}

/// The functions with the greatest values in a class.
fn greatest(
    tree: &StackTree,
    class: HotClass,
    leads: &HashMap<(HotClass, u32), u64>,
) -> Vec<(String, u64)> {
    let mut by_name: HashMap<&str, u64> = HashMap::new();
    for (&(of, frame), &value) in leads {
        if of == class {
            *by_name
                .entry(&tree.frames[frame as usize].name)
                .or_default() += value;
        }
    }
    let mut leads: Vec<(String, u64)> = by_name
        .into_iter()
        .filter(|(_, value)| *value > 0)
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    leads.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    leads.truncate(LEADS);
    leads
}

/// The frame that led into the region that begins at a node: the nearest function of the program
/// itself; of a stack that has none, the nearest that is not of Go's runtime; else that of the node.
fn lead(tree: &StackTree, node: u32) -> u32 {
    let parents = std::iter::successors(tree.nodes[node as usize].parent, |&n| {
        tree.nodes[n as usize].parent
    });
    let frames: Vec<u32> = parents.map(|n| tree.nodes[n as usize].frame).collect();
    let frame = |f: &u32| &tree.frames[*f as usize];
    let own = frames.iter().find(|f| is_own(frame(f)));
    let near = || {
        let is_function = |f: &&u32| matches!(frame(f).kind, FrameKind::Go | FrameKind::Native);
        frames.iter().find(is_function)
    };
    let lead = own.or_else(near).copied();
    lead.unwrap_or(tree.nodes[node as usize].frame)
}

/// Whether a function is neither of a library nor of what comes with Go.
fn is_own(frame: &Frame) -> bool {
    match frame.kind {
        // Names without a package are those of the runtime's assembly.
        FrameKind::Go if !frame.name.contains('.') => false,
        FrameKind::Go => {
            let first = frame.name.split(['/', '.']).next().unwrap_or_default();
            !GO_STANDARD.contains(&first) || has_host(&frame.name)
        }
        FrameKind::Native => {
            let module = frame.module.as_deref().unwrap_or_default();
            !module.contains(".so")
        }
        _ => false,
    }
}

/// Whether the path of a package begins with the name of a host, as in `go.uber.org/zap.New`.
fn has_host(function: &str) -> bool {
    let first = function.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first.contains('.'))
}

fn class(frame: &Frame) -> Option<HotClass> {
    let origin = match frame.kind {
        FrameKind::Go | FrameKind::GoRuntime => Go,
        FrameKind::Native => Native,
        FrameKind::Kernel => Kernel,
        FrameKind::Thread | FrameKind::Unresolved | FrameKind::Note => return None,
    };
    let rows = ROWS.iter().filter(|(_, of, _)| *of == origin);
    let mut matching = rows.filter(|(_, _, names)| names.iter().any(|n| is_named(&frame.name, n)));
    matching.next().map(|(class, _, _)| *class)
}

fn is_named(function: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => function.starts_with(start),
        None => function == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{StackTreeBuilder, Unit};

    fn frame(name: &str, kind: FrameKind) -> Frame {
        Frame {
            name: name.to_owned(),
            module: None,
            kind,
            inlined: false,
            file: None,
            line: None,
            code: None,
        }
    }

    /// A stack as `thread;go function;…`; what begins with `[k]` is the kernel's, with `[n]` native.
    fn tree(stacks: &[(&str, u64)]) -> StackTree {
        let mut builder = StackTreeBuilder::new(Unit::Samples);
        for (stack, value) in stacks {
            let frames: Vec<Frame> = stack
                .split(';')
                .enumerate()
                .map(|(at, name)| match name.split_at_checked(3) {
                    _ if at == 0 => frame(name, FrameKind::Thread),
                    Some(("[k]", name)) => frame(name, FrameKind::Kernel),
                    Some(("[n]", name)) => frame(name, FrameKind::Native),
                    _ if name.starts_with("runtime.") => frame(name, FrameKind::GoRuntime),
                    _ => frame(name, FrameKind::Go),
                })
                .collect();
            builder.add(&frames, *value);
        }
        builder.finish()
    }

    fn class_of(stack: &str) -> Option<HotClass> {
        let regions = HotRegions::of(&tree(&[(stack, 1)]), &HotThresholds::default());
        regions.regions.first().map(|r| r.class)
    }

    #[test]
    fn the_outermost_function_decides_but_for_garbage_collection() {
        let cases = [
            ("t;runtime.goexit;main.main;main.work", None),
            (
                "t;main.send;runtime.chansend1;runtime.chansend;runtime.mallocgc",
                Some(Blocking),
            ),
            (
                "t;main.f;sync.(*Mutex).Lock;sync.(*Mutex).lockSlow;runtime.gopark",
                Some(Locks),
            ),
            (
                "t;main.f;runtime.growslice;runtime.mallocgc",
                Some(Allocation),
            ),
            (
                "t;main.f;runtime.newobject;runtime.mallocgc;runtime.gcAssistAlloc",
                Some(Gc),
            ),
            ("t;runtime.gcBgMarkWorker;runtime.gopark", Some(Gc)),
            (
                "t;runtime.mcall;runtime.park_m;runtime.schedule;[k]do_syscall_64",
                Some(Scheduler),
            ),
            (
                "t;main.f;os.(*File).Write;syscall.Syscall;[k]entry_SYSCALL_64_after_hwframe",
                Some(Syscalls),
            ),
            (
                "t;[n]main;[n]write;[k]do_syscall_64;[k]ksys_write",
                Some(Syscalls),
            ),
            ("t;[n]main;[n]malloc;[n]_int_malloc", Some(Allocation)),
            (
                "t;[n]main;[n]pthread_mutex_lock;[k]do_syscall_64",
                Some(Locks),
            ),
            ("t;[n]main;[k]asm_exc_page_fault", None),
            // Names of one origin say nothing about another's.
            ("t;main.f;malloc", None),
            ("t;main.f;gcWriteBarrier;runtime.wbBufFlush", Some(Gc)),
            ("t;[n]runtime.mallocgc", None),
            ("t;[n]mallocator", None),
        ];
        for (stack, class) in cases {
            assert_eq!(class_of(stack), class, "{stack}");
        }
    }

    #[test]
    fn regions_know_their_share_and_who_leads_there() {
        let tree = tree(&[
            ("t;main.main;main.work", 60),
            (
                "t;main.main;main.write;os.(*File).Write;syscall.Syscall;[k]do_syscall_64",
                15,
            ),
            (
                "t;main.main;go.uber.org/zap.New;os.(*File).Write;syscall.Syscall",
                2,
            ),
            (
                "t;main.main;main.fill;runtime.newobject;runtime.mallocgc",
                9,
            ),
            (
                "t;main.main;main.fill;runtime.newobject;runtime.gcAssistAlloc",
                4,
            ),
            ("t;runtime.mcall;runtime.schedule", 10),
        ]);
        let found = HotRegions::of(&tree, &HotThresholds::default());
        let regions = found.regions.iter();
        let regions: Vec<_> = regions.map(|r| (r.class, r.value, r.hot)).collect();
        let expected = [
            (Syscalls, 17, true),
            (Scheduler, 10, true),
            (Allocation, 9, false),
            (Gc, 4, false),
        ];
        assert_eq!(regions, expected);
        let leads = |at: usize| {
            let leads = found.regions[at].leads.iter();
            leads.map(|(n, v)| (n.as_str(), *v)).collect::<Vec<_>>()
        };
        assert_eq!(leads(0), [("main.write", 15), ("go.uber.org/zap.New", 2)]);
        assert_eq!(
            leads(1),
            [("runtime.mcall", 10)],
            "no function of the program"
        );
        assert_eq!(leads(2), [("main.fill", 9)]);
        assert_eq!(leads(3), [("main.fill", 4)]);
        let begin = |name: &str| {
            let at = tree
                .nodes
                .iter()
                .position(|n| tree.frames[n.frame as usize].name == name);
            let at = at.expect("a node") as u32;
            found.begins_hot(&tree, at).map(|r| r.class)
        };
        assert_eq!(begin("syscall.Syscall"), Some(Syscalls));
        assert_eq!(begin("do_syscall_64"), None, "it began before");
        assert_eq!(begin("runtime.newobject"), None, "it is not hot");
        let mut low = HotThresholds::default();
        low.set(Gc, 4.0);
        assert!(HotRegions::of(&tree, &low).regions[3].hot);
    }

    #[test]
    fn rows_do_not_repeat_and_nothing_comes_of_an_empty_tree() {
        let mut seen = std::collections::HashSet::new();
        for (_, origin, names) in ROWS {
            for name in *names {
                assert!(seen.insert((format!("{origin:?}"), name)), "{name} twice");
            }
        }
        let empty = StackTree::new(Unit::Samples);
        assert_eq!(
            HotRegions::of(&empty, &HotThresholds::default()),
            HotRegions::default()
        );
        for class in HotClass::ALL {
            assert_eq!(class.key().parse(), Ok(class));
        }
    }
}
