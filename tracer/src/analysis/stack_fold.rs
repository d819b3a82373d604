//! Merging stacks of addresses into a tree of functions.
//!
//! Stacks are kept as addresses until they must be shown, since names arrive after the stacks
//! they name. What addresses mean changes when a process replaces its program or its pid is
//! reused: its stacks are named then.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::stack_roots::Roots;
use super::stack_trim::{trim_probe, trim_user};
use super::waker;
use crate::event::{
    Body, CodeMapping, Event, FrameSymbol, Space, StackEnd, SymbolOrigin, SymbolizedAddress,
    Symbols, Waker,
};
use crate::report::{
    CodeAddress, Frame, FrameKind, StackRoots, StackTree, StackTreeBuilder, ThreadTotal, Unit,
};

/// Different stacks kept as addresses. Each takes about half a KiB; beyond that, those that have
/// all their names are merged early.
const MAX_STACKS: usize = 200_000;

/// Frames of one stack in the tree, inlined ones included; the rest is cut at the root.
const MAX_FRAMES: usize = 2048;

/// Mappings of one event that are kept.
const MAX_MAPPINGS: usize = 1 << 16;

/// What is added up per stack.
pub trait Weight: Clone + Default {
    /// Adds another.
    fn add(&mut self, other: &Self);
    /// Value in the tree.
    fn value(&self) -> u64;
    /// Stacks that were seen.
    fn stacks(&self) -> u64;
}

impl Weight for u64 {
    fn add(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }

    fn value(&self) -> u64 {
        *self
    }

    fn stacks(&self) -> u64 {
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
    pub user_end: StackEnd,
    pub truncated: bool,
    /// Stacks of different classes share nodes but are added up apart.
    pub class: u32,
}

/// What is shown with a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marks {
    /// At its root.
    pub notes: Vec<&'static str>,
    /// Who made the thread runnable: beyond its innermost frame.
    pub waker: Option<Waker>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StackKey {
    pid: u32,
    tid: u32,
    comm: String,
    kernel: Box<[u64]>,
    user: Box<[u64]>,
    user_end: StackEnd,
    truncated: bool,
    class: u32,
    marks: Marks,
}

/// Frames of an address, outermost first, by pid (0 for the kernel), space, address and whether it
/// is a return address.
pub(super) type Names = HashMap<(u32, Space, u64, bool), Rc<[Frame]>>;

/// How finely stacks are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackDetail {
    /// Each thread has its own root.
    pub threads: bool,
    /// Frames carry source file and line: two places in one function are two frames.
    pub lines: bool,
    /// Frames carry their addresses: as with lines, and finer.
    pub addresses: bool,
}

/// Collects stacks and names, and merges them.
#[derive(Debug)]
pub struct StackFold<W> {
    unit: Unit,
    detail: StackDetail,
    stacks: HashMap<StackKey, W>,
    names: Names,
    /// By pid and first address.
    code: BTreeMap<(u32, u64), Arc<CodeMapping>>,
    merged: Merged<W>,
    /// Number of stacks at which to make room.
    merge_at: usize,
    over_limit: u64,
}

/// Stacks that have their names.
#[derive(Debug)]
struct Merged<W> {
    tree: StackTreeBuilder,
    /// By node, class and index into `threads`.
    stacks: BTreeMap<(u32, u32, u32), W>,
    threads: Vec<ThreadTotal>,
    thread_index: HashMap<(u32, u32, String), u32>,
    counts: FrameCounts,
    roots: Roots,
}

/// Addresses in stacks, each stack counted once per occurrence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    pub all: u64,
    pub unresolved: u64,
    pub kernel: u64,
    pub unresolved_kernel: u64,
}

/// What one thread has of one stack.
#[derive(Clone, Debug)]
pub struct StackWeight<W> {
    /// Innermost node in the tree.
    pub node: u32,
    pub class: u32,
    /// Index into [`FoldedStacks::threads`].
    pub thread: u32,
    pub weight: W,
}

/// The outcome of folding.
#[derive(Debug)]
pub struct FoldedStacks<W> {
    pub tree: StackTree,
    /// By node, then class, then thread.
    pub stacks: Vec<StackWeight<W>>,
    /// Greatest value first.
    pub threads: Vec<ThreadTotal>,
    pub counts: FrameCounts,
    /// Which user stacks are whole.
    pub roots: StackRoots,
    /// Stacks left out because there were too many different ones.
    pub over_limit: u64,
}

impl<W: Weight> StackFold<W> {
    /// Folds stacks whose values have the unit.
    #[must_use]
    pub fn new(unit: Unit, detail: StackDetail) -> Self {
        Self {
            unit,
            detail,
            stacks: HashMap::new(),
            names: HashMap::new(),
            code: BTreeMap::new(),
            merged: Merged::new(unit),
            merge_at: MAX_STACKS / 2,
            over_limit: 0,
        }
    }

    /// Takes names, and whatever changes what addresses mean. Call it with every event.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::Symbols(symbols) => self.name(event.pid, symbols),
            Body::Code(mappings) if self.detail.addresses => {
                let known = mappings.iter().take(MAX_MAPPINGS);
                let by_start = known.map(|m| ((event.pid, m.start), Arc::new(m.clone())));
                self.code.extend(by_start);
            }
            Body::Exec(_) => self.freeze(event.pid),
            Body::Fork(fork) if fork.child_pid != event.pid => {
                self.freeze(fork.child_pid);
            }
            _ => {}
        }
    }

    /// Adds a stack.
    pub fn add(&mut self, stack: &FoldedStack<'_>, weight: &W) {
        self.add_marked(stack, Marks::default(), weight);
    }

    /// Adds a stack with what is shown beside it.
    pub fn add_marked(&mut self, stack: &FoldedStack<'_>, marks: Marks, weight: &W) {
        let key = StackKey {
            pid: stack.pid,
            tid: stack.tid,
            comm: stack.comm.to_owned(),
            kernel: stack.kernel.into(),
            user: stack.user.into(),
            user_end: stack.user_end,
            truncated: stack.truncated,
            class: stack.class,
            marks,
        };
        if let Some(known) = self.stacks.get_mut(&key) {
            known.add(weight);
            return;
        }
        if self.stacks.len() >= self.merge_at {
            self.merge_named();
        }
        if self.stacks.len() < MAX_STACKS {
            self.stacks.insert(key, weight.clone());
        } else {
            self.over_limit += 1;
        }
    }

    /// Makes room by merging stacks that have all their names. The next attempt waits until the
    /// rest has grown by half, so that many nameless stacks do not make each attempt a loss.
    fn merge_named(&mut self) {
        let names = &self.names;
        let named = self.stacks.extract_if(|key, _| key.is_named(names));
        let mut named: Vec<_> = named.collect();
        named.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        for (key, weight) in &named {
            self.merged
                .add(key, weight, &self.names, self.detail.threads);
        }
        self.merge_at = (self.stacks.len() / 2 * 3).max(MAX_STACKS / 2);
    }

    /// Merges what was added since the last call. Names are kept: they are sent once.
    pub fn finish(&mut self) -> FoldedStacks<W> {
        let mut rest: Vec<_> = self.stacks.drain().collect();
        // The order decides the numbers of nodes, which must not depend on the run.
        rest.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        for (key, weight) in &rest {
            self.merged
                .add(key, weight, &self.names, self.detail.threads);
        }
        let merged = std::mem::replace(&mut self.merged, Merged::new(self.unit));
        let over_limit = std::mem::take(&mut self.over_limit);
        merged.finish(over_limit)
    }

    /// The function to which a call returns, not one inlined into it.
    pub fn caller(&self, pid: u32, return_address: u64) -> &str {
        let frames = self.names.get(&(pid, Space::User, return_address, true));
        let outermost = frames.and_then(|frames| frames.first());
        outermost.map_or("[unknown]", |frame| &frame.name)
    }

    fn name(&mut self, pid: u32, symbols: &Symbols) {
        for symbol in &symbols.addresses {
            let key = (pid, symbol.space, symbol.address, symbol.caller);
            let mut frames = frames(symbol, self.detail.lines);
            if self.detail.addresses {
                let code = self.code_address(pid, symbol);
                frames.iter_mut().for_each(|f| f.code = Some(code.clone()));
            }
            self.names.insert(key, frames.into());
        }
    }

    /// A return address stands for the call before it.
    fn code_address(&self, pid: u32, symbol: &SymbolizedAddress) -> CodeAddress {
        let address = symbol.address.saturating_sub(u64::from(symbol.caller));
        let before = self.code.range((pid, 0)..=(pid, address)).next_back();
        let mapping = before.filter(|(_, m)| address < m.end);
        CodeAddress {
            address,
            mapping: mapping.map(|(_, m)| Arc::clone(m)),
        }
    }

    /// Names the stacks of a pid as far as possible, and forgets what its addresses mean.
    fn freeze(&mut self, pid: u32) {
        let mut own: Vec<_> = self.stacks.extract_if(|key, _| key.is_of(pid)).collect();
        own.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        for (key, weight) in &own {
            self.merged
                .add(key, weight, &self.names, self.detail.threads);
        }
        self.names.retain(|key, _| key.0 != pid || pid == 0);
        self.code.retain(|key, _| key.0 != pid);
    }
}

impl StackKey {
    /// Whether addresses of a process are in it.
    fn is_of(&self, pid: u32) -> bool {
        self.pid == pid || self.marks.waker.as_ref().is_some_and(|w| w.pid == pid)
    }

    fn is_named(&self, names: &Names) -> bool {
        let all = |pid, space, stack: &[u64]| {
            let mut addresses = stack.iter().enumerate();
            addresses.all(|(at, &address)| names.contains_key(&(pid, space, address, at > 0)))
        };
        let waker = self.marks.waker.as_ref();
        all(self.pid, Space::User, &self.user)
            && all(0, Space::Kernel, &self.kernel)
            && waker.is_none_or(|w| {
                all(w.pid, Space::User, &w.user) && all(0, Space::Kernel, &w.kernel)
            })
    }

    fn order(&self) -> impl Ord + '_ {
        (
            (self.pid, self.tid, &self.comm, self.class),
            (&self.user, &self.kernel, self.user_end, self.truncated),
            &self.marks,
        )
    }
}

impl<W: Weight> Merged<W> {
    fn new(unit: Unit) -> Self {
        Self {
            tree: StackTreeBuilder::new(unit),
            stacks: BTreeMap::new(),
            threads: Vec::new(),
            thread_index: HashMap::new(),
            counts: FrameCounts::default(),
            roots: Roots::default(),
        }
    }

    fn add(&mut self, key: &StackKey, weight: &W, names: &Names, threads: bool) {
        let mut user = lookup(names, key.pid, Space::User, &key.user);
        let user_end = trim_user(&mut user, key.user_end);
        self.counts.count(Space::User, &user);
        let is_whole = self.roots.count(user_end, &user, weight.stacks());
        let mut kernel = lookup(names, 0, Space::Kernel, &key.kernel);
        trim_probe(&mut kernel);
        self.counts.count(Space::Kernel, &kernel);
        let head = head(key, threads, is_whole);
        let body = user.iter().chain(&kernel).flat_map(|frames| frames.iter());
        let len = user.iter().chain(&kernel).map(|f| f.len()).sum::<usize>();
        let woken_by = key.marks.waker.as_ref().map(|w| waker::frames(w, names));
        let stack = head
            .iter()
            .chain(body.skip(len.saturating_sub(MAX_FRAMES)))
            .chain(woken_by.iter().flatten());
        let node = self.tree.add(stack, weight.value());
        let thread = self.thread(key);
        let total = &mut self.threads[thread as usize].value;
        *total = total.saturating_add(weight.value());
        if let Some(node) = node {
            let place = (node, key.class, thread);
            self.stacks.entry(place).or_default().add(weight);
        }
    }

    /// Index of the stack's thread.
    fn thread(&mut self, key: &StackKey) -> u32 {
        let id = (key.pid, key.tid, key.comm.clone());
        let threads = &mut self.threads;
        *self.thread_index.entry(id).or_insert_with(|| {
            threads.push(ThreadTotal {
                pid: key.pid,
                tid: key.tid,
                comm: key.comm.clone(),
                value: 0,
            });
            threads.len() as u32 - 1
        })
    }

    fn finish(self, over_limit: u64) -> FoldedStacks<W> {
        let mut threads: Vec<_> = self.threads.into_iter().enumerate().collect();
        threads.sort_by(|(_, a), (_, b)| {
            let order = |t: &ThreadTotal| (std::cmp::Reverse(t.value), t.pid, t.tid);
            order(a).cmp(&order(b)).then_with(|| a.comm.cmp(&b.comm))
        });
        let mut place = vec![0; threads.len()];
        for (new, (old, _)) in threads.iter().enumerate() {
            place[*old] = new as u32;
        }
        let weight = |((node, class, thread), weight): ((u32, u32, u32), W)| StackWeight {
            node,
            class,
            thread: place[thread as usize],
            weight,
        };
        let mut stacks: Vec<_> = self.stacks.into_iter().map(weight).collect();
        stacks.sort_by_key(|s| (s.node, s.class, s.thread));
        FoldedStacks {
            tree: self.tree.finish(),
            stacks,
            threads: threads.into_iter().map(|(_, total)| total).collect(),
            counts: self.counts,
            roots: self.roots.finish(),
            over_limit,
        }
    }
}

/// The frames of each address, outermost address first.
pub(super) fn lookup(names: &Names, pid: u32, space: Space, stack: &[u64]) -> Vec<Rc<[Frame]>> {
    let addresses = stack.iter().enumerate().rev();
    addresses
        .map(
            |(at, &address)| match names.get(&(pid, space, address, at > 0)) {
                Some(frames) => Rc::clone(frames),
                None => Rc::new([unknown(space)]),
            },
        )
        .collect()
}

impl FrameCounts {
    fn count(&mut self, space: Space, stack: &[Rc<[Frame]>]) {
        let is_nameless =
            |frames: &&Rc<[Frame]>| frames.iter().all(|f| f.kind == FrameKind::Unresolved);
        let all = stack.len() as u64;
        let unresolved = stack.iter().filter(is_nameless).count() as u64;
        self.all += all;
        self.unresolved += unresolved;
        if space == Space::Kernel {
            self.kernel += all;
            self.unresolved_kernel += unresolved;
        }
    }
}

/// What stands at the root of a stack. A guess that led to a root was right.
fn head(key: &StackKey, threads: bool, is_whole: bool) -> Vec<Frame> {
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
    if key.user_end == StackEnd::Guessed && !is_whole {
        head.push(plain("[guessed]".to_owned(), FrameKind::Note));
    }
    let notes = key.marks.notes.iter();
    head.extend(notes.map(|&note| plain(note.to_owned(), FrameKind::Note)));
    if key.user_end == StackEnd::Missing {
        head.push(plain("[user stack missing]".to_owned(), FrameKind::Note));
    }
    head
}

pub(super) fn plain(name: String, kind: FrameKind) -> Frame {
    Frame {
        name,
        module: None,
        kind,
        inlined: false,
        file: None,
        line: None,
        code: None,
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
fn frames(symbol: &SymbolizedAddress, lines: bool) -> Vec<Frame> {
    if symbol.frames.is_empty() {
        return vec![unresolved(symbol)];
    }
    let named = symbol.frames.iter().rev();
    named.map(|f| named_frame(f, symbol, lines)).collect()
}

fn named_frame(frame: &FrameSymbol, symbol: &SymbolizedAddress, lines: bool) -> Frame {
    Frame {
        name: frame.function.clone(),
        module: symbol.module.clone(),
        kind: kind(frame),
        inlined: frame.inlined,
        file: frame.file.clone().filter(|_| lines),
        line: frame.line.filter(|_| lines),
        code: None,
    }
}

fn kind(frame: &FrameSymbol) -> FrameKind {
    match frame.origin {
        SymbolOrigin::Kernel => FrameKind::Kernel,
        SymbolOrigin::Native | SymbolOrigin::CLibrary => FrameKind::Native,
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

#[cfg(test)]
mod tests;
