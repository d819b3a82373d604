//! Secrets in events.

use tracer_common::capture::kind;

use super::rule::{REDACTED, Redaction, is_secret_option};
use crate::event::{Body, Capture, CaptureStatus, Event, Symbols};

impl Redaction {
    /// The event without secrets in command lines, names, paths, strings and buffers; `None` if
    /// there is none. Strings get a note in the place of the value; buffers, whose lengths are told
    /// elsewhere, as many `*`.
    #[must_use]
    pub fn event(&self, event: &Event) -> Option<Event> {
        let body = self.body(&event.body)?;
        Some(Event {
            time_ns: event.time_ns,
            pid: event.pid,
            tid: event.tid,
            cpu: event.cpu,
            goid: event.goid,
            body,
        })
    }

    fn body(&self, body: &Body) -> Option<Body> {
        match body {
            Body::SyscallEnter(call) => {
                let captures = self.captures(&call.captures)?;
                let mut call = call.clone();
                call.captures = captures;
                Some(Body::SyscallEnter(call))
            }
            Body::SyscallExit(call) => {
                let captures = self.captures(&call.captures)?;
                let mut call = call.clone();
                call.captures = captures;
                Some(Body::SyscallExit(call))
            }
            Body::RunStart(start) => {
                let command = self.arguments(&start.command)?;
                let mut start = start.clone();
                start.command = command;
                Some(Body::RunStart(start))
            }
            Body::Symbols(symbols) => Some(Body::Symbols(Box::new(self.symbols(symbols)?))),
            Body::Code(mappings) => {
                if !mappings.iter().any(|m| self.changed(&m.file).is_some()) {
                    return None;
                }
                let mut mappings = mappings.clone();
                for mapping in &mut mappings {
                    if let Some(file) = self.changed(&mapping.file) {
                        mapping.file = file;
                    }
                }
                Some(Body::Code(mappings))
            }
            Body::Process(process) => {
                let exe = self.changed(&process.exe);
                let comm = self.changed(&process.comm);
                if exe.is_none() && comm.is_none() {
                    return None;
                }
                let mut process = process.clone();
                process.exe = exe.unwrap_or(process.exe);
                process.comm = comm.unwrap_or(process.comm);
                Some(Body::Process(process))
            }
            Body::Wait(wait) => {
                let comm = self.changed(&wait.stack.comm);
                let of_waker = wait.waker.as_ref().and_then(|w| self.changed(&w.comm));
                if comm.is_none() && of_waker.is_none() {
                    return None;
                }
                let mut wait = wait.clone();
                wait.stack.comm = comm.unwrap_or(wait.stack.comm);
                if let (Some(waker), Some(comm)) = (&mut wait.waker, of_waker) {
                    waker.comm = comm;
                }
                Some(Body::Wait(wait))
            }
            // Threads can be called anything.
            _ => {
                let comm = self.changed(comm_of(body)?)?;
                let mut new = body.clone();
                *comm_of_mut(&mut new)? = comm;
                Some(new)
            }
        }
    }

    fn changed(&self, text: &str) -> Option<String> {
        match self.text(text) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(text) => Some(text),
        }
    }

    fn symbols(&self, symbols: &Symbols) -> Option<Symbols> {
        let mut new: Option<Symbols> = None;
        for (at, symbol) in symbols.addresses.iter().enumerate() {
            if let Some(module) = symbol.module.as_deref().and_then(|m| self.changed(m)) {
                let new = new.get_or_insert_with(|| symbols.clone());
                new.addresses[at].module = Some(module);
            }
            for (inner, frame) in symbol.frames.iter().enumerate() {
                if let Some(function) = self.changed(&frame.function) {
                    let new = new.get_or_insert_with(|| symbols.clone());
                    new.addresses[at].frames[inner].function = function;
                }
                if let Some(file) = frame.file.as_deref().and_then(|f| self.changed(f)) {
                    let new = new.get_or_insert_with(|| symbols.clone());
                    new.addresses[at].frames[inner].file = Some(file);
                }
            }
        }
        new
    }

    fn captures(&self, captures: &[Capture]) -> Option<Vec<Capture>> {
        let mut new: Option<Vec<Capture>> = None;
        for (at, capture) in captures.iter().enumerate() {
            let data = match capture.kind & !kind::FOLLOW {
                kind::STRINGS if follows_secret_option(captures, at) => {
                    Some(REDACTED.as_bytes().to_vec())
                }
                kind::STRING | kind::STRINGS => self.bytes(&capture.data),
                kind::BUFFER | kind::IOVEC | kind::MSGHDR | kind::MMSGHDR | kind::MESSAGE => {
                    self.masked(&capture.data)
                }
                _ => None,
            };
            if let Some(data) = data {
                new.get_or_insert_with(|| captures.to_vec())[at].data = data;
            }
        }
        new
    }
}

/// Whether a string of an argument vector comes after an option that says it is secret.
fn follows_secret_option(captures: &[Capture], at: usize) -> bool {
    let this = &captures[at];
    let is_value = this.status != CaptureStatus::Fault && this.status != CaptureStatus::End;
    let Some(before) = at.checked_sub(1).map(|before| &captures[before]) else {
        return false;
    };
    is_value
        && (before.arg, before.kind) == (this.arg, this.kind)
        && !this.data.is_empty()
        && !this.data.starts_with(b"-")
        && is_secret_option(&before.data)
}

fn comm_of(body: &Body) -> Option<&str> {
    match body {
        Body::Sample(sample) => Some(&sample.comm),
        Body::OffCpuStack(stack) => Some(&stack.comm),
        Body::RunQueueThread(thread) => Some(&thread.comm),
        Body::ThreadCpu(thread) => Some(&thread.comm),
        Body::Fork(fork) => Some(&fork.comm),
        Body::Exec(exec) => Some(&exec.comm),
        Body::Exit(exit) => Some(&exit.comm),
        _ => None,
    }
}

fn comm_of_mut(body: &mut Body) -> Option<&mut String> {
    match body {
        Body::Sample(sample) => Some(&mut sample.comm),
        Body::OffCpuStack(stack) => Some(&mut stack.comm),
        Body::RunQueueThread(thread) => Some(&mut thread.comm),
        Body::ThreadCpu(thread) => Some(&mut thread.comm),
        Body::Fork(fork) => Some(&mut fork.comm),
        Body::Exec(exec) => Some(&mut exec.comm),
        Body::Exit(exit) => Some(&mut exit.comm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{
        FrameSymbol, OffCpuStack, ProcessInfo, RunStart, Space, SymbolizedAddress, SyscallEnter,
        ThreadCpu, Wait, Waker,
    };

    fn event(body: Body) -> Event {
        Event {
            time_ns: 3,
            pid: 1,
            tid: 2,
            cpu: 0,
            goid: Some(4),
            body,
        }
    }

    fn capture(kind: u8, index: u8, data: &str) -> Capture {
        Capture {
            arg: 1,
            kind,
            index,
            data: data.as_bytes().to_vec(),
            ..Capture::default()
        }
    }

    fn waited(sleeper: &str, waker: &str) -> Wait {
        Wait {
            stack: OffCpuStack {
                comm: sleeper.to_owned(),
                ..OffCpuStack::default()
            },
            waker: Some(Waker {
                comm: waker.to_owned(),
                ..Waker::default()
            }),
            ..Wait::default()
        }
    }

    #[test]
    fn what_has_no_secret_is_not_copied() {
        let stack = OffCpuStack {
            comm: "tokenizer".to_owned(),
            ..OffCpuStack::default()
        };
        let bodies = [
            Body::Tick,
            Body::OffCpuStack(Box::new(stack)),
            Body::Wait(Box::new(waited("tokenizer", "keyboard"))),
            Body::ThreadCpu(Box::default()),
            Body::RunStart(Box::default()),
            Body::SyscallEnter(SyscallEnter::default()),
        ];
        for body in bodies {
            assert_eq!(Redaction::default().event(&event(body)), None);
        }
    }

    #[test]
    fn command_lines_names_and_paths_lose_their_secrets() {
        let start = RunStart {
            command: ["app", "--token", "x"].map(str::to_owned).to_vec(),
            ..RunStart::default()
        };
        let frame = FrameSymbol {
            function: "f(key=1)".to_owned(),
            file: Some("/src/key=2".to_owned()),
            ..FrameSymbol::default()
        };
        let symbol = SymbolizedAddress {
            space: Space::User,
            address: 1,
            caller: false,
            frames: vec![frame],
            module: Some("/srv/token=3".to_owned()),
            module_offset: 0,
        };
        let process = ProcessInfo {
            exe: "/srv/secret=4".to_owned(),
            ..ProcessInfo::default()
        };
        let stack = OffCpuStack {
            comm: "password=5".to_owned(),
            ..OffCpuStack::default()
        };
        let thread = ThreadCpu {
            comm: "token=6".to_owned(),
            ..ThreadCpu::default()
        };
        let bodies = [
            Body::Wait(Box::new(waited("key=7", "work"))),
            Body::Wait(Box::new(waited("work", "secret=8"))),
            Body::ThreadCpu(Box::new(thread)),
            Body::RunStart(Box::new(start)),
            Body::Symbols(Box::new(Symbols {
                addresses: vec![symbol],
            })),
            Body::Process(Box::new(process)),
            Body::OffCpuStack(Box::new(stack)),
        ];
        for body in bodies {
            let new = Redaction::default().event(&event(body)).expect("a secret");
            assert_eq!((new.time_ns, new.tid, new.goid), (3, 2, Some(4)));
            let text = format!("{:?}", new.body);
            assert!(text.contains(REDACTED), "{text}");
            for secret in ["\"x\"", "=1", "=2", "=3", "=4", "=5", "=6", "=7", "=8"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }

    #[test]
    fn strings_are_replaced_and_buffers_masked() {
        let call = SyscallEnter {
            captures: vec![
                capture(kind::STRINGS, 0, "app"),
                capture(kind::STRINGS, 1, "--password"),
                capture(kind::STRINGS, 2, "hunter2"),
                capture(kind::STRING, 0, "/x?token=abc"),
                capture(kind::BUFFER, 0, "token=abc\n"),
                capture(kind::STRUCT, 0, "token=abc"),
            ],
            ..SyscallEnter::default()
        };
        let new = Redaction::default().event(&event(Body::SyscallEnter(call)));
        let Some(Body::SyscallEnter(call)) = new.map(|e| e.body) else {
            panic!("a call");
        };
        let data: Vec<_> = call
            .captures
            .iter()
            .map(|c| String::from_utf8_lossy(&c.data))
            .collect();
        let expected = [
            "app",
            "--password",
            "[redacted]",
            "/x?token=[redacted]",
            "token=***\n",
            "token=abc",
        ];
        assert_eq!(data, expected, "a structure has no text");
    }
}
