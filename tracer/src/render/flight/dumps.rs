//! Where dumps go, and what they look like there.

use std::io::Write;

use super::heading::Heading;
use crate::event::RunStart;
use crate::sink::SinkError;

/// Takes what sinks formed, when it is to be written.
pub trait Dumps {
    /// The run begins, at this `CLOCK_MONOTONIC` time in ns. `line` is what the sink formed of
    /// that, if anything.
    ///
    /// # Errors
    /// When the output cannot be written; so of the others.
    fn begin(
        &mut self,
        start: &RunStart,
        time_ns: u64,
        line: Option<&[u8]>,
    ) -> Result<(), SinkError>;

    /// A dump begins.
    ///
    /// # Errors
    /// As [`Dumps::begin`].
    fn heading(&mut self, heading: &Heading<'_>) -> Result<(), SinkError>;

    /// A line of it, with its newline.
    ///
    /// # Errors
    /// As [`Dumps::begin`].
    fn line(&mut self, line: &[u8]) -> Result<(), SinkError>;

    /// The run ended. `line` is what the sink formed of that, if anything.
    ///
    /// # Errors
    /// As [`Dumps::begin`].
    fn end(&mut self, line: Option<&[u8]>) -> Result<(), SinkError>;

    /// Hands on what was written.
    ///
    /// # Errors
    /// As [`Dumps::begin`].
    fn flush(&mut self) -> Result<(), SinkError>;
}

/// Dumps as text: each has a line above it that says why and when.
#[derive(Debug)]
pub struct TextDumps<W> {
    out: W,
    /// For messages.
    name: String,
    start: RunStart,
}

impl<W: Write> TextDumps<W> {
    /// Writes to `out`, which should be buffered; errors call it `name`.
    pub fn new(out: W, name: &str) -> Self {
        Self {
            out,
            name: name.to_owned(),
            start: RunStart::default(),
        }
    }
}

impl<W: Write> Dumps for TextDumps<W> {
    fn begin(
        &mut self,
        start: &RunStart,
        _time_ns: u64,
        line: Option<&[u8]>,
    ) -> Result<(), SinkError> {
        self.start = start.clone();
        line.map_or(Ok(()), |line| self.line(line))
    }

    fn heading(&mut self, heading: &Heading<'_>) -> Result<(), SinkError> {
        let text = heading.text(&self.start) + "\n";
        self.line(text.as_bytes())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), SinkError> {
        let written = self.out.write_all(line);
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }

    fn end(&mut self, line: Option<&[u8]>) -> Result<(), SinkError> {
        line.map_or(Ok(()), |line| self.line(line))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }
}
