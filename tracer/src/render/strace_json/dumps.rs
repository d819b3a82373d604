//! Objects that were kept, and are written when something happens.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

use super::object::{Dump, Object, When};
use super::output::{JsonFormat, Objects};
use crate::event::RunStart;
use crate::render::flight::{Dumps, Heading};
use crate::sink::SinkError;

/// How an object of a call begins: its type comes first.
const CALL: &[u8] = b"{\"type\":\"call\",";

/// How many calls reached the output. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Written(Rc<Cell<u64>>);

impl Written {
    pub(super) fn calls(&self) -> u64 {
        self.0.get()
    }
}

/// Dumps as objects: an object of its own stands where one begins.
#[derive(Debug)]
pub struct JsonDumps<W: Write> {
    out: Objects<W>,
    written: Written,
    start: RunStart,
    start_ns: u64,
}

impl<W: Write> JsonDumps<W> {
    /// Writes to `out`, which should be buffered, what [`super::StraceJson::for_dumps`] formed;
    /// errors call it `name`.
    pub fn new(out: W, name: &str, format: JsonFormat, written: Written) -> Self {
        Self {
            out: Objects::new(out, name, format),
            written,
            start: RunStart::default(),
            start_ns: 0,
        }
    }
}

/// The object on a line that was formed here.
fn object(line: &[u8]) -> &str {
    let text = std::str::from_utf8(line).expect("JSON is UTF-8");
    text.trim_end_matches('\n')
}

impl<W: Write> Dumps for JsonDumps<W> {
    fn begin(
        &mut self,
        start: &RunStart,
        time_ns: u64,
        line: Option<&[u8]>,
    ) -> Result<(), SinkError> {
        self.start = start.clone();
        self.start_ns = time_ns;
        line.map_or(Ok(()), |line| self.out.begin(object(line)))
    }

    fn heading(&mut self, heading: &Heading<'_>) -> Result<(), SinkError> {
        let since = |oldest_ns| heading.time_ns.saturating_sub(oldest_ns);
        let dump = Dump {
            when: When::new(heading.time_ns, self.start_ns, &self.start),
            reason: heading.reason,
            window_ns: heading.limits.window_ns,
            reaches_back_ns: heading.oldest_ns.map(since),
            dropped: heading.dropped.0,
        };
        self.out.event(&Object::Dump(dump))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), SinkError> {
        if line.starts_with(CALL) {
            self.written.0.set(self.written.calls() + 1);
        }
        self.out.text(object(line))
    }

    fn end(&mut self, line: Option<&[u8]>) -> Result<(), SinkError> {
        self.out.end(line.map(object))?;
        self.out.flush()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.out.flush()
    }
}
