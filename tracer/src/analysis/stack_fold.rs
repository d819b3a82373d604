//! Merging stacks of addresses into a tree of functions.
//!
//! Stacks are kept as addresses until they must be shown, since names arrive after the stacks
//! they name. What addresses mean changes when a process replaces its program or its pid is
//! reused: its stacks are named then.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::event::{Body, Event, FrameSymbol, Space, SymbolOrigin, SymbolizedAddress, Symbols};
use crate::report::{Frame, FrameKind, StackTree, StackTreeBuilder, ThreadTotal, Unit};

/// Different stacks kept between two outputs. Each takes about 1 KiB.
const MAX_STACKS: usize = 500_000;

/// Frames of one stack in the tree, inlined ones included; the rest is cut at the root.
const MAX_FRAMES: usize = 2048;

/// What is added up per stack.
pub trait Weight: Clone + Default {
    /// Adds another.
    fn add(&mut self, other: &Self);
    /// Value in the tree.
    fn value(&self) -> u64;
}

impl Weight for u64 {
    fn add(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }

    fn value(&self) -> u64 {
        *self
    }
}

/// A stack as an event has it: addresses innermost first.
#[derive(Clone, Copy, Debug)]
pub struct FoldedStack<'a> {
    pub pid: u32,
    pub tid: u32,
    pub comm: &'a str,
    pub kernel: &'a [u64],
    pub user: &'a [u64],
    pub user_missing: bool,
    pub truncated: bool,
    /// Stacks of different classes share nodes but are added up apart.
    pub class: u32,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StackKey {
    pid: u32,
    tid: u32,
    comm: String,
    kernel: Box<[u64]>,
    user: Box<[u64]>,
    user_missing: bool,
    truncated: bool,
    class: u32,
}

type NameKey = (u32, Space, u64, bool);

/// Collects stacks and names, and merges them.
#[derive(Debug)]
pub struct StackFold<W> {
    unit: Unit,
    threads: bool,
    stacks: HashMap<StackKey, W>,
    /// Frames root first, by pid (0 for the kernel), space, address and part in the stack.
    names: HashMap<NameKey, Rc<[Frame]>>,
    merged: Merged<W>,
    over_limit: u64,
}

/// Stacks that have their names.
#[derive(Debug)]
struct Merged<W> {
    tree: StackTreeBuilder,
    stacks: BTreeMap<(u32, u32), W>,
    threads: BTreeMap<(u32, u32, String), u64>,
    counts: FrameCounts,
}

/// Addresses in stacks, each stack counted once per occurrence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    pub all: u64,
    pub unresolved: u64,
    pub kernel: u64,
    pub unresolved_kernel: u64,
}

/// The outcome of folding.
#[derive(Debug)]
pub struct FoldedStacks<W> {
    pub tree: StackTree,
    /// Innermost node, class and weight of each stack, by node.
    pub stacks: Vec<(u32, u32, W)>,
    /// Greatest value first.
    pub threads: Vec<ThreadTotal>,
    pub counts: FrameCounts,
    /// Stacks left out because there were too many different ones.
    pub over_limit: u64,
}

impl<W: Weight> StackFold<W> {
    /// Folds stacks whose values have the unit. With `threads`, each thread has its own root.
    #[must_use]
    pub fn new(unit: Unit, threads: bool) -> Self {
        Self {
            unit,
            threads,
            stacks: HashMap::new(),
            names: HashMap::new(),
            merged: Merged::new(unit),
            over_limit: 0,
        }
    }

    /// Takes names, and whatever changes what addresses mean. Call it with every event.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::Symbols(symbols) => self.name(event.pid, symbols),
            Body::Exec(_) => self.freeze(event.pid),
            Body::Fork(fork) if fork.child_pid != event.pid => {
                self.freeze(fork.child_pid);
            }
            _ => {}
        }
    }

    /// Adds a stack.
    pub fn add(&mut self, stack: &FoldedStack<'_>, weight: &W) {
        let key = StackKey {
            pid: stack.pid,
            tid: stack.tid,
            comm: stack.comm.to_owned(),
            kernel: stack.kernel.into(),
            user: stack.user.into(),
            user_missing: stack.user_missing,
            truncated: stack.truncated,
            class: stack.class,
        };
        if let Some(known) = self.stacks.get_mut(&key) {
            known.add(weight);
        } else if self.stacks.len() < MAX_STACKS {
            self.stacks.insert(key, weight.clone());
        } else {
            self.over_limit += 1;
        }
    }

    /// Merges what was added since the last call. Names are kept: they are sent once.
    pub fn finish(&mut self) -> FoldedStacks<W> {
        let mut rest: Vec<_> = self.stacks.drain().collect();
        // The order decides the numbers of nodes, which must not depend on the run.
        rest.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        for (key, weight) in &rest {
            self.merged.add(key, weight, &self.names, self.threads);
        }
        let merged = std::mem::replace(&mut self.merged, Merged::new(self.unit));
        let over_limit = std::mem::take(&mut self.over_limit);
        merged.finish(over_limit)
    }

    fn name(&mut self, pid: u32, symbols: &Symbols) {
        for symbol in &symbols.addresses {
            let key = (pid, symbol.space, symbol.address, symbol.caller);
            self.names.insert(key, frames(symbol).into());
        }
    }

    /// Names the stacks of a pid as far as possible, and forgets what its addresses mean.
    fn freeze(&mut self, pid: u32) {
        let mut own: Vec<_> = self.stacks.extract_if(|key, _| key.pid == pid).collect();
        own.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        for (key, weight) in &own {
            self.merged.add(key, weight, &self.names, self.threads);
        }
        self.names.retain(|key, _| key.0 != pid || pid == 0);
    }
}

impl StackKey {
    fn order(&self) -> impl Ord + '_ {
        (
            (self.pid, self.tid, &self.comm, self.class),
            (&self.user, &self.kernel, self.user_missing, self.truncated),
        )
    }
}

impl<W: Weight> Merged<W> {
    fn new(unit: Unit) -> Self {
        Self {
            tree: StackTreeBuilder::new(unit),
            stacks: BTreeMap::new(),
            threads: BTreeMap::new(),
            counts: FrameCounts::default(),
        }
    }

    fn add(
        &mut self,
        key: &StackKey,
        weight: &W,
        names: &HashMap<NameKey, Rc<[Frame]>>,
        threads: bool,
    ) {
        let user = self.lookup(names, key.pid, Space::User, &key.user);
        let kernel = self.lookup(names, 0, Space::Kernel, &key.kernel);
        let head = head(key, threads);
        let body = user.iter().chain(&kernel).flat_map(|frames| frames.iter());
        let len = user.iter().chain(&kernel).map(|f| f.len()).sum::<usize>();
        let stack = head.iter().chain(body.skip(len.saturating_sub(MAX_FRAMES)));
        if let Some(node) = self.tree.add(stack, weight.value()) {
            self.stacks
                .entry((node, key.class))
                .or_default()
                .add(weight);
        }
        let thread = (key.pid, key.tid, key.comm.clone());
        *self.threads.entry(thread).or_default() += weight.value();
    }

    /// The frames of each address, outermost address first.
    fn lookup(
        &mut self,
        names: &HashMap<NameKey, Rc<[Frame]>>,
        pid: u32,
        space: Space,
        stack: &[u64],
    ) -> Vec<Rc<[Frame]>> {
        let mut found = Vec::with_capacity(stack.len());
        for (at, &address) in stack.iter().enumerate().rev() {
            let frames = match names.get(&(pid, space, address, at > 0)) {
                Some(frames) => Rc::clone(frames),
                None => Rc::new([unknown(space)]),
            };
            self.counts.count(space, &frames);
            found.push(frames);
        }
        found
    }

    fn finish(self, over_limit: u64) -> FoldedStacks<W> {
        let mut threads: Vec<_> = self
            .threads
            .into_iter()
            .map(|((pid, tid, comm), value)| ThreadTotal {
                pid,
                tid,
                comm,
                value,
            })
            .collect();
        threads.sort_by_key(|t| std::cmp::Reverse(t.value));
        FoldedStacks {
            tree: self.tree.finish(),
            stacks: self
                .stacks
                .into_iter()
                .map(|((node, class), weight)| (node, class, weight))
                .collect(),
            threads,
            counts: self.counts,
            over_limit,
        }
    }
}

impl FrameCounts {
    fn count(&mut self, space: Space, frames: &[Frame]) {
        let unresolved = u64::from(frames.iter().all(|f| f.kind == FrameKind::Unresolved));
        self.all += 1;
        self.unresolved += unresolved;
        if space == Space::Kernel {
            self.kernel += 1;
            self.unresolved_kernel += unresolved;
        }
    }
}

/// What stands at the root of a stack.
fn head(key: &StackKey, threads: bool) -> Vec<Frame> {
    let mut head = vec![plain(
        match threads {
            true => format!("{}/{}", key.comm, key.tid),
            false => key.comm.clone(),
        },
        FrameKind::Thread,
    )];
    if key.truncated {
        head.push(plain("[truncated]".to_owned(), FrameKind::Note));
    }
    if key.user_missing {
        head.push(plain("[user stack missing]".to_owned(), FrameKind::Note));
    }
    head
}

fn plain(name: String, kind: FrameKind) -> Frame {
    Frame {
        name,
        module: None,
        kind,
        inlined: false,
    }
}

fn unknown(space: Space) -> Frame {
    let name = match space {
        Space::Kernel => "[kernel]",
        Space::User => "[unknown]",
    };
    plain(name.to_owned(), FrameKind::Unresolved)
}

/// Frames of one address, outermost first.
fn frames(symbol: &SymbolizedAddress) -> Vec<Frame> {
    if symbol.frames.is_empty() {
        return vec![unresolved(symbol)];
    }
    let named = symbol.frames.iter().rev();
    named.map(|f| named_frame(f, symbol)).collect()
}

fn named_frame(frame: &FrameSymbol, symbol: &SymbolizedAddress) -> Frame {
    Frame {
        name: frame.function.clone(),
        module: symbol.module.clone(),
        kind: kind(frame),
        inlined: frame.inlined,
    }
}

fn kind(frame: &FrameSymbol) -> FrameKind {
    match frame.origin {
        SymbolOrigin::Kernel => FrameKind::Kernel,
        SymbolOrigin::Native => FrameKind::Native,
        SymbolOrigin::Go if is_go_runtime(&frame.function) => FrameKind::GoRuntime,
        SymbolOrigin::Go => FrameKind::Go,
    }
}

/// Whether a Go function belongs to the packages that make up the runtime. `internal/runtime` took
/// over from `runtime/internal` in Go 1.23.
fn is_go_runtime(function: &str) -> bool {
    ["runtime.", "runtime/internal/", "internal/runtime/"]
        .iter()
        .any(|prefix| function.starts_with(prefix))
}

/// A frame that has only a module, or not even that.
fn unresolved(symbol: &SymbolizedAddress) -> Frame {
    let Some(module) = &symbol.module else {
        return unknown(symbol.space);
    };
    let name = match module.rsplit('/').next() {
        Some(file) if module.starts_with('/') => {
            format!("[{file}+{:#x}]", symbol.module_offset)
        }
        // A name in brackets already, such as `[vdso]`.
        _ => module.clone(),
    };
    Frame {
        module: Some(module.clone()),
        ..plain(name, FrameKind::Unresolved)
    }
}
