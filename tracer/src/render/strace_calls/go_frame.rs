//! Whose call it is in a Go program: the innermost function on the stack that is not the standard
//! library's.

use std::borrow::Cow;
use std::rc::Rc;

use foldhash::HashMap;

use crate::event::{CallerStack, FrameSymbol, Space, SymbolOrigin, Symbols};
use crate::go::{Origin, origin};

/// Addresses whose names are kept; beyond, frames have none. A hostile target can show a new
/// address in every frame.
const MAX_NAMES: usize = 1 << 16;
/// Stacks of one process whose frame is remembered.
const MAX_STACKS: usize = 1 << 14;
/// Where every goroutine's stack begins (runtime/asm_*.s).
const ROOT: &str = "runtime.goexit";
/// Functions at an address, innermost first: more than one where some are inlined.
type Functions = Rc<[Function]>;

#[derive(Clone, Debug)]
struct Function {
    name: Rc<str>,
    origin: Origin,
    /// It is written in assembly. Those that enter the kernel have no frame (`Syscall6` in
    /// internal/runtime/syscall, `rawSyscallNoError` in syscall, futex and others in
    /// runtime/sys_linux_*.s): their caller is not on the chain of frame pointers.
    assembly: bool,
}

/// The frame of the call that each thread is in.
#[derive(Debug, Default)]
pub(in crate::render) struct GoFrames {
    /// By process, address, and whether that is of a caller.
    names: HashMap<(u32, u64, bool), Functions>,
    /// By process and stack: most calls come from few places.
    found: HashMap<u32, HashMap<Vec<u8>, Option<Rc<str>>>>,
    /// By thread.
    current: HashMap<u32, Rc<str>>,
    /// What tells the last stack from others.
    key: Vec<u8>,
}

impl GoFrames {
    /// Names of addresses, before the first stack that has them.
    pub(in crate::render) fn name(&mut self, pid: u32, symbols: &Symbols) {
        for symbol in &symbols.addresses {
            let functions: Functions = symbol.frames.iter().filter_map(function).collect();
            let fits = self.names.len() < MAX_NAMES && symbol.space == Space::User;
            if fits && !functions.is_empty() {
                let key = (pid, symbol.address, symbol.caller);
                self.names.insert(key, functions);
            }
        }
    }

    /// A thread makes a call with this stack.
    pub(in crate::render) fn note(&mut self, pid: u32, tid: u32, stack: CallerStack<'_>) {
        stack.write_key(&mut self.key);
        let known = self.found.get(&pid).and_then(|of| of.get(&self.key));
        let frame = match known {
            Some(frame) => frame.clone(),
            None => {
                let addresses: Vec<u64> = stack.addresses().collect();
                let frame = self.first(pid, &addresses, stack.leaf_return());
                let of = self.found.entry(pid).or_default();
                if of.len() >= MAX_STACKS {
                    of.clear();
                }
                of.insert(self.key.clone(), frame.clone());
                frame
            }
        };
        match frame {
            Some(frame) => self.current.insert(tid, frame),
            None => self.current.remove(&tid),
        };
    }

    /// The frame of the call that the thread is in.
    pub(in crate::render) fn current(&self, tid: u32) -> Option<&str> {
        self.current.get(&tid).map(|frame| &**frame)
    }

    /// The thread's call ended.
    pub(in crate::render) fn returned(&mut self, tid: u32) {
        self.current.remove(&tid);
    }

    /// The process runs another program.
    pub(in crate::render) fn replace(&mut self, pid: u32) {
        self.names.retain(|key, _| key.0 != pid);
        self.found.remove(&pid);
    }

    /// The thread ended, and with it perhaps its process.
    pub(in crate::render) fn gone(&mut self, pid: u32, tid: u32, last_thread: bool) {
        self.current.remove(&tid);
        if last_thread {
            self.replace(pid);
        }
    }

    /// The innermost function that is not the standard library's. Where there is none down to the
    /// root of the goroutine: the function it began with, or the outermost one of the runtime.
    /// None where the root was not reached: what is beyond is not known.
    fn first(&self, pid: u32, addresses: &[u64], leaf_return: u64) -> Option<Rc<str>> {
        let mut outermost: Option<&Function> = None;
        for function in self.functions(pid, addresses, leaf_return) {
            if function.origin == Origin::Program {
                return Some(Rc::clone(&function.name));
            }
            if &*function.name == ROOT {
                return outermost.map(|f| Rc::clone(&f.name));
            }
            let began_above = outermost.is_some_and(|f| f.origin == Origin::StandardLibrary);
            if function.origin == Origin::StandardLibrary || !began_above {
                outermost = Some(function);
            }
        }
        None
    }

    /// The functions of a stack, innermost first, with the caller of a leaf that hides it.
    fn functions<'a>(
        &'a self,
        pid: u32,
        addresses: &'a [u64],
        leaf_return: u64,
    ) -> impl Iterator<Item = &'a Function> {
        let at = move |address: u64, caller: bool| {
            let functions = self.names.get(&(pid, address, caller));
            functions.map_or(&[][..], |f| f)
        };
        let (leaf, callers) = match addresses.split_first() {
            Some((&leaf, callers)) => (at(leaf, false), callers),
            None => (&[][..], addresses),
        };
        let hides = leaf.last().is_some_and(|f| f.assembly);
        let hidden = if hides { at(leaf_return, true) } else { &[] };
        let callers = callers.iter().flat_map(move |&address| at(address, true));
        leaf.iter().chain(hidden).chain(callers)
    }
}

fn function(symbol: &FrameSymbol) -> Option<Function> {
    (symbol.origin == SymbolOrigin::Go).then(|| Function {
        name: as_printed(&symbol.function).into(),
        origin: origin(&symbol.function),
        assembly: symbol.file.as_ref().is_some_and(|f| f.ends_with(".s")),
    })
}

/// `main.(*Box[...]).put` of `main.(*Box[go.shape.string]).put`: as the runtime prints functions
/// in tracebacks (`funcNameForPrint` in runtime/traceback.go, Go 1.21).
fn as_printed(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}[...]{}", &name[..open], &name[close + 1..]).into()
        }
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::capture::{STACK_ARG, STACK_FRAMES, kind};

    use super::*;
    use crate::event::{Capture, SymbolizedAddress, SyscallEnter};

    const PID: u32 = 7;

    fn symbol(address: u64, caller: bool, functions: &[&str]) -> SymbolizedAddress {
        let frames = functions.iter().map(|name| FrameSymbol {
            function: (*name).to_owned(),
            file: Some(if name.ends_with('6') { "a.s" } else { "a.go" }.to_owned()),
            origin: SymbolOrigin::Go,
            ..FrameSymbol::default()
        });
        SymbolizedAddress {
            space: Space::User,
            address,
            caller,
            frames: frames.collect(),
            module: None,
            module_offset: 0,
        }
    }

    fn frames() -> GoFrames {
        let mut frames = GoFrames::default();
        let addresses = vec![
            symbol(0x1000, false, &["internal/runtime/syscall.Syscall6"]),
            symbol(0x1001, false, &["runtime.usleep"]),
            symbol(0x2000, true, &["syscall.RawSyscall"]),
            symbol(
                0x3000,
                true,
                &["internal/poll.(*FD).Write", "os.(*File).Write"],
            ),
            symbol(0x4000, true, &["main.(*Store).flush", "main.run"]),
            symbol(0x5000, true, &["net/http.(*conn).serve"]),
            symbol(0x5001, true, &["runtime.gcBgMarkWorker"]),
            symbol(0x6000, true, &["runtime.goexit"]),
            symbol(0x7000, true, &["main.direct"]),
        ];
        frames.name(PID, &Symbols { addresses });
        frames
    }

    fn noted(frames: &mut GoFrames, addresses: &[u64], leaf_return: u64) -> Option<String> {
        let enter = SyscallEnter {
            captures: vec![Capture {
                arg: STACK_ARG,
                kind: kind::STACK,
                wanted: leaf_return,
                data: addresses.iter().flat_map(|a| a.to_le_bytes()).collect(),
                ..Capture::default()
            }],
            ..SyscallEnter::default()
        };
        frames.note(PID, 8, enter.stack().expect("it has one"));
        frames.current(8).map(str::to_owned)
    }

    #[test]
    fn the_innermost_function_of_the_program_is_shown() {
        let mut frames = frames();
        let stack = [0x1000, 0x3000, 0x4000, 0x6000];
        let flush = Some("main.(*Store).flush".to_owned());
        for _ in 0..2 {
            assert_eq!(noted(&mut frames, &stack, 0x2000), flush);
        }
        frames.returned(8);
        assert_eq!(frames.current(8), None);
    }

    #[test]
    fn a_leaf_without_a_frame_does_not_hide_its_caller() {
        let mut frames = frames();
        let direct = Some("main.direct".to_owned());
        assert_eq!(
            noted(&mut frames, &[0x1000, 0x4000, 0x6000], 0x7000),
            direct
        );
        // What stands on top of a frame is no return address.
        let flush = noted(&mut frames, &[0x1001, 0x4000, 0x6000], 0x7000);
        assert_eq!(flush.as_deref(), Some("main.(*Store).flush"));
    }

    #[test]
    fn without_a_function_of_the_program_it_is_what_the_goroutine_began_with() {
        let mut frames = frames();
        let serve = noted(&mut frames, &[0x1000, 0x3000, 0x5000, 0x6000], 0);
        assert_eq!(serve.as_deref(), Some("net/http.(*conn).serve"));
        let worker = noted(&mut frames, &[0x1001, 0x5001, 0x6000], 0);
        assert_eq!(worker.as_deref(), Some("runtime.gcBgMarkWorker"));
    }

    #[test]
    fn type_arguments_are_left_out_as_go_leaves_them_out() {
        for (name, printed) in [
            ("main.(*Box[go.shape.string]).put", "main.(*Box[...]).put"),
            ("main.F[go.shape.[]int,a.T[int]].func1", "main.F[...].func1"),
            ("main.F[", "main.F["),
            ("main.]F[", "main.]F["),
            ("main.main.func1", "main.main.func1"),
        ] {
            assert_eq!(as_printed(name), printed);
        }
    }

    #[test]
    fn nothing_is_shown_of_a_stack_whose_root_is_not_known() {
        let mut frames = frames();
        assert_eq!(noted(&mut frames, &[0x1000, 0x3000, 0x5000], 0), None);
        assert_eq!(noted(&mut frames, &[0x3000; STACK_FRAMES], 0), None);
        assert_eq!(noted(&mut frames, &[], 0), None);
        frames.replace(PID);
        assert_eq!(noted(&mut frames, &[0x1000, 0x4000], 0), None);
    }
}
