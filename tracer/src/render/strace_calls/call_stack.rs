//! Stacks of calls: `-k`, and the instruction pointer of `--instruction-pointer`.

use std::fmt::Write;

use foldhash::HashMap;

use crate::event::{Sample, Space, SymbolizedAddress, Symbols};

/// Names kept; beyond, frames have none. A hostile target can show a new address in every frame.
const MAX_NAMES: usize = 1 << 16;

/// Addresses below belong to no mapping (`vm.mmap_min_addr`).
const FIRST_PAGE: u64 = 4096;

/// The stack of the call that each thread made last, and the names of its addresses.
#[derive(Debug, Default)]
pub(in crate::render) struct CallStacks {
    /// By process, address, and whether that is of a caller.
    names: HashMap<(u32, u64, bool), SymbolizedAddress>,
    /// By thread.
    last: HashMap<u32, Stack>,
}

/// The stack of a call.
#[derive(Debug, Default)]
struct Stack {
    pid: u32,
    /// User addresses, innermost first.
    addresses: Vec<u64>,
    /// What is known of each, when that is no more what it was: the process has run another program
    /// since.
    before: Option<Vec<Option<SymbolizedAddress>>>,
}

impl CallStacks {
    /// Names of addresses, before the first stack that has them.
    pub(in crate::render) fn name(&mut self, pid: u32, symbols: &Symbols) {
        for symbol in &symbols.addresses {
            if symbol.space == Space::User && self.names.len() < MAX_NAMES {
                let key = (pid, symbol.address, symbol.caller);
                self.names.insert(key, symbol.clone());
            }
        }
    }

    /// The stack of the call that the thread makes next.
    pub(in crate::render) fn note(&mut self, pid: u32, tid: u32, sample: &Sample) {
        // A chain of frame pointers ends in zero, or in whatever the register held.
        let is_code = |&&address: &&u64| address >= FIRST_PAGE;
        let frames = sample.user.iter().take_while(is_code);
        let stack = Stack {
            pid,
            addresses: frames.copied().collect(),
            before: None,
        };
        self.last.insert(tid, stack);
    }

    /// The stack does not belong to the next call.
    pub(in crate::render) fn forget(&mut self, tid: u32) {
        self.last.remove(&tid);
    }

    /// The process runs another program. The stack of the call that began it keeps its names.
    pub(in crate::render) fn replace(&mut self, pid: u32) {
        let names = &self.names;
        let of_process = self.last.values_mut().filter(|stack| stack.pid == pid);
        for stack in of_process.filter(|stack| stack.before.is_none()) {
            let named = |(at, &address)| names.get(&(pid, address, at > 0)).cloned();
            let addresses = stack.addresses.iter().enumerate();
            stack.before = Some(addresses.map(named).collect());
        }
        self.forget_names(pid);
    }

    fn forget_names(&mut self, pid: u32) {
        self.names.retain(|key, _| key.0 != pid);
    }

    /// A thread goes on with the id of another one, which is gone.
    pub(in crate::render) fn take_over(&mut self, old_tid: u32, tid: u32) {
        if let Some(stack) = self.last.remove(&old_tid) {
            self.last.insert(tid, stack);
        }
    }

    /// The thread ended, and with it perhaps its process.
    pub(in crate::render) fn gone(&mut self, pid: u32, tid: u32, last_thread: bool) {
        self.last.remove(&tid);
        if last_thread {
            self.forget_names(pid);
        }
    }

    /// Where the thread made its last call.
    pub(in crate::render) fn instruction_pointer(&self, tid: u32) -> Option<u64> {
        self.last.get(&tid)?.addresses.first().copied()
    }

    /// The addresses of a thread's last call, innermost first, and what is known of them.
    pub(in crate::render) fn frames(
        &self,
        pid: u32,
        tid: u32,
    ) -> impl Iterator<Item = (u64, Option<&SymbolizedAddress>)> {
        let last = self.last.get(&tid);
        let stack = last.map_or(&[][..], |stack| &stack.addresses);
        let before = last.and_then(|stack| stack.before.as_ref());
        let named = move |(at, &address): (usize, &u64)| {
            let symbol = match before {
                Some(symbols) => symbols.get(at).and_then(Option::as_ref),
                None => self.names.get(&(pid, address, at > 0)),
            };
            // A register that is no frame pointer can lead to itself.
            let nowhere = symbol.is_none_or(|s| s.module.is_none());
            let leads_to_itself = nowhere && at > 0 && stack[at - 1] == address;
            (!leads_to_itself).then_some((address, symbol))
        };
        stack.iter().enumerate().map_while(named)
    }

    /// One line a frame, as strace prints it.
    pub(in crate::render) fn lines(&self, pid: u32, tid: u32) -> Vec<String> {
        let frames = self.frames(pid, tid);
        frames.map(|(at, symbol)| frame(at, symbol)).collect()
    }
}

/// ` > /usr/lib/libc.so.6(write+0x14) [0xf8c24]`: the function is the one that stands in the
/// file, not what is inlined into it.
fn frame(address: u64, symbol: Option<&SymbolizedAddress>) -> String {
    let Some((module, symbol)) = symbol.and_then(|s| Some((s.module.as_ref()?, s))) else {
        return format!(" > [{address:#x}]");
    };
    let mut text = format!(" > {module}(");
    if let Some(function) = symbol.frames.last() {
        let _ = write!(text, "{}+{:#x}", function.function, function.offset);
    }
    let _ = write!(text, ") [{:#x}]", symbol.module_offset);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FrameSymbol;

    #[test]
    fn frames_are_named_as_strace_names_them() {
        let symbol = |address, caller, function: Option<&str>| SymbolizedAddress {
            space: Space::User,
            address,
            caller,
            frames: function
                .map(|name| FrameSymbol {
                    function: name.to_owned(),
                    offset: 20,
                    ..FrameSymbol::default()
                })
                .into_iter()
                .collect(),
            module: Some("/lib/a".to_owned()),
            module_offset: address - 0x1000,
        };
        let mut stacks = CallStacks::default();
        let addresses = vec![
            symbol(0x1234, false, Some("write")),
            symbol(0x1300, true, None),
        ];
        stacks.name(7, &Symbols { addresses });
        let sample = Sample {
            comm: String::new(),
            kernel: Vec::new(),
            user: vec![0x1234, 0x1300, 0x1300, 0x9999, 0x9999, 0x9999, 0, 0x9998],
            user_end: crate::event::StackEnd::Unknown,
            truncated: false,
        };
        stacks.note(7, 8, &sample);
        let lines = [
            " > /lib/a(write+0x14) [0x234]",
            " > /lib/a() [0x300]",
            " > /lib/a() [0x300]",
            " > [0x9999]",
        ];
        assert_eq!(stacks.lines(7, 8), lines);
        assert_eq!(stacks.instruction_pointer(8), Some(0x1234));
        // An execve in a thread that is not the first.
        stacks.replace(7);
        stacks.take_over(8, 7);
        assert_eq!(stacks.lines(7, 7), lines);
        assert!(stacks.names.is_empty());
        stacks.note(7, 8, &sample);
        let first = stacks.lines(7, 8).into_iter().next();
        assert_eq!(first.as_deref(), Some(" > [0x1234]"));
        stacks.gone(7, 8, true);
        assert!(stacks.lines(7, 8).is_empty() && stacks.names.is_empty());
    }
}
