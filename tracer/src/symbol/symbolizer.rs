//! The life of address spaces and pending addresses over a run.

use std::collections::{HashMap, HashSet};

use super::resolver::lookup_address;
use super::told::ToldMappings;
use super::{Address, Collector, Resolver};
use crate::event::{
    Body, CallerStack, CodeMapping, Event, Sample, Space, StackEnd, Symbols, Waker,
};
use crate::process::{AddressSpace, MappedFiles, Mapping, MappingEvent};
use crate::unwind::build_id;

/// Names in one event at most, so that none grows beyond what a recording can hold.
const MAX_NAMES_PER_EVENT: usize = 4096;

/// Shortest time between two reads of a process's mappings for new addresses, in ns.
const MIN_REFRESH_NS: u64 = 50_000_000;

/// Stacks of calls remembered for each process. A hostile target can show a new one in each call.
const MAX_STACKS: usize = 1 << 14;

/// Longest such time. It doubles with each read that did not help, as in a process whose code
/// never comes from a file.
const MAX_REFRESH_NS: u64 = 10_000_000_000;

/// Keeps what is needed to name the addresses of a run, and names them.
///
/// Hand it every event with [`Symbolizer::observe`] before sinks see it, and call
/// [`Symbolizer::resolve_pending`] before each `Tick` and before `RunEnd`. The events both return
/// go to the sinks first: they name addresses of events that passed already.
#[derive(Debug, Default)]
pub struct Symbolizer {
    collector: Collector,
    resolver: Resolver,
    files: MappedFiles,
    processes: HashMap<u32, Process>,
    told: ToldMappings,
    exited: HashSet<u32>,
    /// Stacks of calls whose addresses are noted, by process: most calls come from few places, and
    /// each address of each call would be looked up.
    noted: HashMap<u32, HashSet<Vec<u8>>>,
    /// What tells the last stack from others.
    key: Vec<u8>,
    /// A stack of a call has addresses without names.
    behind: bool,
}

/// When mappings are read again for addresses that are in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    Always,
    /// Unless that was done a short time ago.
    NowAndThen,
}

#[derive(Debug)]
struct Process {
    /// First addresses of the mappings that were told.
    code: HashSet<u64>,
    /// `None` when it could not be read: the process was gone.
    space: Option<AddressSpace>,
    /// Mappings are not read again before this time.
    next_refresh_ns: u64,
    refresh_every_ns: u64,
}

/// What kept addresses from being named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SymbolStats {
    /// The kernel hides its addresses (`kernel.kptr_restrict`).
    pub kernel_hidden: bool,
    /// Files that defeat the DWARF parser.
    pub distrusted_files: usize,
    /// Files not opened because too many were open.
    pub unopened_files: u64,
    /// Addresses left out because there were too many.
    pub addresses_over_limit: u64,
}

impl Symbolizer {
    /// Knows no process yet and has read nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the mappings of a process before its first event, so that even a target that ends at
    /// once has names. A process that is gone is no error.
    pub fn attach(&mut self, pid: u32) {
        let told = self.told.now(pid);
        self.processes
            .entry(pid)
            .or_insert_with(|| Process::snapshot(pid, &mut self.files, told));
    }

    /// Takes what the kernel told of mappings, in order of time: it names the addresses of processes
    /// that end before their mappings can be read.
    pub fn told(&mut self, events: Vec<MappingEvent>) {
        self.told.take(events);
    }

    /// Notes an event before sinks see it. Returns events that must reach them before it: names
    /// of a program that is now replaced.
    pub fn observe(&mut self, event: &Event) -> Vec<Event> {
        self.told.advance(event.time_ns);
        match &event.body {
            Body::Sample(_) | Body::OffCpuStack(_) | Body::CreatorSamples(_) => {
                self.note_stack(event);
                Vec::new()
            }
            Body::Wait(wait) => {
                self.note_stack(event);
                if let Some(waker) = &wait.waker {
                    self.note_stack(&in_waker(event.time_ns, waker));
                }
                Vec::new()
            }
            Body::SyscallEnter(enter) => {
                if let Some(stack) = enter.stack() {
                    self.note_call(event, stack);
                }
                Vec::new()
            }
            Body::Exec(_) => {
                let names = self.replace(event.pid, event.time_ns);
                self.attach(event.pid);
                names
            }
            Body::Fork(fork) if fork.child_pid != event.pid => {
                let names = self.replace(fork.child_pid, event.time_ns);
                self.fork(event.pid, fork.child_pid);
                names
            }
            Body::Exit(exit) if exit.last_thread => {
                self.exited.insert(event.pid);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Whether addresses were seen that have not been named.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.collector.has_unresolved()
    }

    /// Names the addresses of the stack of a call that was just observed, as
    /// [`Symbolizer::resolve_pending`] does. Unlike those of samples, they are needed before the
    /// call is shown. Nothing to do for most calls.
    pub fn resolve_call(&mut self, event: &Event) -> Vec<Event> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.behind) {
            let addresses = self.collector.take_unresolved_of(event.pid);
            let when = Refresh::NowAndThen;
            self.resolve(event.pid, &addresses, event.time_ns, when, &mut events);
        }
        events
    }

    /// Names all addresses seen since the last call, as [`Body::Symbols`] events at `time_ns`:
    /// with the process's pid for user space, pid 0 for the kernel. Processes that ended are
    /// forgotten.
    pub fn resolve_pending(&mut self, time_ns: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for (pid, addresses) in self.collector.take_unresolved() {
            self.resolve(pid, &addresses, time_ns, Refresh::Always, &mut events);
        }
        for pid in std::mem::take(&mut self.exited) {
            self.processes.remove(&pid);
            self.told.forget(pid);
            self.collector.forget(pid);
            self.noted.remove(&pid);
        }
        self.files.close_unused();
        self.resolver.retain_files(&self.files.ids());
        events
    }

    /// What kept addresses from being named until now.
    #[must_use]
    pub fn stats(&self) -> SymbolStats {
        SymbolStats {
            kernel_hidden: self.resolver.kernel_hidden(),
            distrusted_files: self.resolver.distrusted_files(),
            unopened_files: self.files.refused(),
            addresses_over_limit: self.collector.overflowed(),
        }
    }

    /// Names what is pending of a pid that is about to mean another program, and forgets it.
    fn replace(&mut self, pid: u32, time_ns: u64) -> Vec<Event> {
        let mut events = Vec::new();
        let addresses = self.collector.take_unresolved_of(pid);
        // The mappings now belong to the new program: use only what was read before.
        let known = self.processes.remove(&pid);
        let told = self.told.before(pid);
        let process = match known {
            None if !addresses.is_empty() => Some(Process::told(pid, &mut self.files, told)),
            known => known,
        };
        if let Some(mut process) = process {
            events.extend(
                process
                    .code(&addresses)
                    .map(|code| fact(pid, time_ns, code)),
            );
            let symbols = process.resolve(&mut self.resolver, &addresses);
            push_events(&mut events, pid, time_ns, symbols);
        }
        self.collector.forget(pid);
        self.noted.remove(&pid);
        self.exited.remove(&pid);
        events
    }

    fn fork(&mut self, parent: u32, child: u32) {
        self.told.fork(parent, child);
        let space = self.processes.get(&parent).and_then(|p| p.space.as_ref());
        if let Some(space) = space {
            let process = Process::new(Some(space.forked(child)));
            self.processes.insert(child, process);
        }
    }

    fn note_stack(&mut self, event: &Event) {
        let new = self.collector.observe(event);
        if new.is_empty() {
            return;
        }
        let told = self.told.now(event.pid);
        let process = self
            .processes
            .entry(event.pid)
            .or_insert_with(|| Process::snapshot(event.pid, &mut self.files, told));
        if event.time_ns >= process.next_refresh_ns && !process.covers(new) {
            process.refresh(event.pid, event.time_ns, new, &mut self.files);
        }
    }

    /// Mappings are not looked at here: names are asked for at once, and that does.
    fn note_call(&mut self, event: &Event, stack: CallerStack<'_>) {
        stack.write_key(&mut self.key);
        let noted = self.noted.entry(event.pid).or_default();
        if noted.contains(&self.key) {
            return;
        }
        if noted.len() >= MAX_STACKS {
            noted.clear();
        }
        noted.insert(self.key.clone());
        let addresses: Vec<u64> = stack.addresses().collect();
        let leaf = stack.leaf_return();
        let new = self.collector.observe_call(event.pid, &addresses, leaf);
        self.behind |= !new.is_empty();
    }

    fn resolve(
        &mut self,
        pid: u32,
        addresses: &[Address],
        time_ns: u64,
        when: Refresh,
        events: &mut Vec<Event>,
    ) {
        let (kernel, user): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|a| a.space == Space::Kernel);
        if !kernel.is_empty() {
            push_events(events, 0, time_ns, self.resolver.resolve_kernel(&kernel));
        }
        if user.is_empty() {
            return;
        }
        self.attach(pid);
        if let Some(process) = self.processes.get_mut(&pid) {
            if !process.covers(&user) {
                process.add(self.told.now(pid), &mut self.files);
            }
            let due = when == Refresh::Always || time_ns >= process.next_refresh_ns;
            if due && !process.covers(&user) {
                process.refresh(pid, time_ns, &user, &mut self.files);
            }
            events.extend(process.code(&user).map(|code| fact(pid, time_ns, code)));
            let symbols = process.resolve(&mut self.resolver, &user);
            push_events(events, pid, time_ns, symbols);
        }
    }
}

/// The stack of a waker, as a sample of its process.
fn in_waker(time_ns: u64, waker: &Waker) -> Event {
    Event {
        time_ns,
        pid: waker.pid,
        tid: waker.tid,
        cpu: 0,
        goid: None,
        body: Body::Sample(Sample {
            comm: String::new(),
            kernel: waker.kernel.clone(),
            user: waker.user.clone(),
            user_end: match waker.user_missing {
                true => StackEnd::Missing,
                false => StackEnd::Unknown,
            },
            truncated: false,
        }),
    }
}

impl Process {
    fn new(space: Option<AddressSpace>) -> Self {
        Self {
            code: HashSet::new(),
            space,
            next_refresh_ns: 0,
            refresh_every_ns: MIN_REFRESH_NS,
        }
    }

    fn snapshot(pid: u32, files: &mut MappedFiles, told: &[Mapping]) -> Self {
        match AddressSpace::snapshot(pid, files) {
            Ok(space) if !space.is_empty() => Self::new(Some(space)),
            Ok(_) => Self::told(pid, files, told),
            Err(error) => {
                log::debug!("{error}");
                Self::told(pid, files, told)
            }
        }
    }

    /// A process that is gone: no more is known than what it was told to have mapped.
    fn told(pid: u32, files: &mut MappedFiles, told: &[Mapping]) -> Self {
        let mut this = Self::new((!told.is_empty()).then(|| AddressSpace::empty(pid)));
        this.add(told, files);
        this
    }

    /// Adds mappings that are told of, the latest first.
    fn add(&mut self, told: &[Mapping], files: &mut MappedFiles) {
        if let Some(space) = &mut self.space {
            told.iter().rev().for_each(|m| space.add(m, files));
        }
    }

    /// Whether all addresses lie in known mappings, or the process is known to be gone.
    fn covers(&self, addresses: &[Address]) -> bool {
        let Some(space) = &self.space else {
            return true;
        };
        addresses.iter().all(|a| space.find(a.address).is_some())
    }

    fn refresh(&mut self, pid: u32, time_ns: u64, wanted: &[Address], files: &mut MappedFiles) {
        if let Some(space) = &mut self.space
            && let Err(error) = space.refresh(files)
        {
            log::debug!("pid {pid}: {error}");
        }
        self.refresh_every_ns = match self.covers(wanted) {
            true => MIN_REFRESH_NS,
            false => (self.refresh_every_ns * 2).min(MAX_REFRESH_NS),
        };
        self.next_refresh_ns = time_ns.saturating_add(self.refresh_every_ns);
    }

    /// The mappings that these addresses are in and that were not told before; `None` without any.
    fn code(&mut self, addresses: &[Address]) -> Option<Body> {
        let space = self.space.as_ref()?;
        let mut new = Vec::new();
        for address in addresses {
            let found = space.find(lookup_address(*address));
            let Some((mapping, file)) = found.filter(|(m, _)| self.code.insert(m.start)) else {
                continue;
            };
            new.push(CodeMapping {
                start: mapping.start,
                end: mapping.end,
                offset: mapping.offset,
                file: mapping.name().to_owned(),
                build_id: file.and_then(|file| build_id(&file.proc_path())),
            });
        }
        (!new.is_empty()).then_some(Body::Code(new))
    }

    fn resolve(&self, resolver: &mut Resolver, addresses: &[Address]) -> Symbols {
        match &self.space {
            Some(space) => resolver.resolve(space, addresses),
            None => Symbols::default(),
        }
    }
}

fn push_events(events: &mut Vec<Event>, pid: u32, time_ns: u64, symbols: Symbols) {
    let mut names = symbols.addresses.into_iter().peekable();
    while names.peek().is_some() {
        let addresses = names.by_ref().take(MAX_NAMES_PER_EVENT).collect();
        let names = Body::Symbols(Box::new(Symbols { addresses }));
        events.push(fact(pid, time_ns, names));
    }
}

fn fact(pid: u32, time_ns: u64, body: Body) -> Event {
    Event {
        time_ns,
        pid,
        tid: 0,
        cpu: 0,
        goid: None,
        body,
    }
}
