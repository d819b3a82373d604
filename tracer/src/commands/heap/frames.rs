//! From the addresses of a bucket to calls, as runtime/pprof shows them.
//!
//! Addresses in buckets are of calls, one for each also where calls are inlined, and each is behind
//! its call (`tracebackPCs`, before Go 1.21 `gentraceback`, in runtime/traceback.go): what is shown
//! of each is its innermost call. Only the last one stands for those that it is inlined into, too
//! (`runtime_expandFinalInlineFrame` in runtime/symtab.go).

use std::sync::Arc;

use crate::cli::OutputArgs;
use crate::commands::go_process::GoProcess;
use crate::event::CodeMapping;
use crate::go::pclntab::Call;
use crate::process::Maps;
use crate::render::StackFormat;
use crate::report::{CodeAddress, Frame, FrameKind};

/// The function that every goroutine returns to; no profile shows it.
const ROOT: &str = "runtime.goexit";

/// Names addresses.
pub(super) struct Frames<'a> {
    process: &'a GoProcess,
    format: &'a StackFormat,
    output: &'a OutputArgs,
    /// The mapped code of the program, for formats that have addresses.
    code: Vec<Arc<CodeMapping>>,
    program: Option<String>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(
        process: &'a GoProcess,
        format: &'a StackFormat,
        output: &'a OutputArgs,
    ) -> Self {
        let pid = process.pid;
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let program = program.map(|path| path.to_string_lossy().into_owned());
        let text = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        let maps = Maps::parse(&text, |m| m.perms.execute && m.is_file());
        let code = maps.mappings.into_iter().map(|m| {
            Arc::new(CodeMapping {
                start: m.start,
                end: m.end,
                offset: m.offset,
                file: m.path.unwrap_or_default(),
                build_id: None,
            })
        });
        Self {
            process,
            format,
            output,
            code: code.collect(),
            program,
        }
    }

    /// Path of the program.
    pub(super) fn program(&self) -> Option<String> {
        self.program.clone()
    }

    /// The calls of a stack, innermost first. The runtime's own at the end of it, which allocate for
    /// all others, are left out unless there are no others.
    pub(super) fn of(&self, stack: &[u64]) -> Vec<Frame> {
        let first = stack.iter().position(|pc| !self.is_allocator(*pc));
        let shown = first.map_or(stack, |first| &stack[first..]);
        let mut frames = Vec::new();
        for (at, &pc) in shown.iter().enumerate() {
            let Some(place) = self.process.code.place(pc, true) else {
                frames.push(self.unknown(pc));
                continue;
            };
            let Some(next) = shown.get(at + 1) else {
                let calls = place.calls.iter();
                let calls = calls.filter(|call| call.frame.function != ROOT);
                frames.extend(calls.map(|call| self.frame(call, pc, call.frame.inlined)));
                continue;
            };
            let Some(call) = place.calls.first().filter(|c| c.frame.function != ROOT) else {
                continue;
            };
            // Wrappers are left out of stacks: what is inlined into one is so in nothing shown.
            let next = self.process.code.place(*next, true);
            let inlined = call.frame.inlined && next.is_some_and(|next| next.entry == place.entry);
            frames.push(self.frame(call, pc, inlined));
        }
        frames
    }

    /// Whether a function is the runtime's, as `writeHeapProto` in runtime/pprof/protomem.go finds
    /// out: that at the address itself.
    fn is_allocator(&self, pc: u64) -> bool {
        let place = self.process.code.place(pc, false);
        let name = place.as_ref().and_then(|place| {
            let call = place.calls.first()?;
            Some(call.frame.function.as_str())
        });
        name.is_some_and(|name| {
            let internal = name.starts_with("internal/runtime/");
            name.starts_with("runtime.") || internal && self.process.code.is_since(INTERNAL)
        })
    }

    fn frame(&self, call: &Call, pc: u64, inlined: bool) -> Frame {
        let shown = &call.frame;
        let name = self.output.redacted_text(&shown.function).into_owned();
        let is_runtime = name.starts_with("runtime.") || name.starts_with("internal/runtime/");
        let with_line = self.format.lines;
        let file = shown.file.as_ref().filter(|_| with_line);
        Frame {
            module: None,
            kind: match is_runtime {
                true => FrameKind::GoRuntime,
                false => FrameKind::Go,
            },
            inlined,
            file: file.map(|file| self.output.redacted_text(file).into_owned()),
            line: (with_line && shown.line > 0).then_some(shown.line),
            code: self.code(pc),
            name,
        }
    }

    /// C code, or what was made while the program ran.
    fn unknown(&self, pc: u64) -> Frame {
        Frame {
            name: match self.format.addresses {
                true => format!("{pc:#x}"),
                false => "[unknown]".to_owned(),
            },
            module: None,
            kind: FrameKind::Unresolved,
            inlined: false,
            file: None,
            line: None,
            code: self.code(pc),
        }
    }

    fn code(&self, pc: u64) -> Option<CodeAddress> {
        if !self.format.addresses {
            return None;
        }
        let address = pc.wrapping_sub(1);
        let inside = |m: &&Arc<CodeMapping>| (m.start..m.end).contains(&address);
        Some(CodeAddress {
            address,
            mapping: self.code.iter().find(inside).cloned(),
        })
    }
}

/// The minor release from which on packages below internal/runtime count as the runtime's.
const INTERNAL: u16 = 24;
