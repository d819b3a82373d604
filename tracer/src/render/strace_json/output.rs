//! How objects stand in the output: one a line, or as the events of one document.

use std::io::Write;

use super::object::Object;
use crate::sink::SinkError;

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFormat {
    /// `{"start":…,"events":[…],"summary":…}`, with each event on a line of its own.
    Document,
    /// An object a line.
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Empty,
    /// The start is written, and whether an event is.
    Open(bool),
    Closed,
}

/// An output that is valid JSON whenever it is dropped.
#[derive(Debug)]
pub(super) struct Objects<W: Write> {
    out: W,
    name: String,
    format: JsonFormat,
    stage: Stage,
    buffer: Vec<u8>,
}

impl<W: Write> Objects<W> {
    pub(super) fn new(out: W, name: &str, format: JsonFormat) -> Self {
        Self {
            out,
            name: name.to_owned(),
            format,
            stage: Stage::Empty,
            buffer: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stage == Stage::Empty
    }

    /// The first object.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn begin(&mut self, start: &str) -> Result<(), SinkError> {
        self.stage = Stage::Open(false);
        match self.format {
            JsonFormat::Lines => self.put("", start, "\n"),
            JsonFormat::Document => self.put("{\"start\":", start, ",\n\"events\":["),
        }
    }

    /// One event, unless the trace is complete.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn event(&mut self, event: &Object<'_>) -> Result<(), SinkError> {
        let text = text_of(event);
        self.text(&text)
    }

    /// One event that [`text_of`] made text.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn text(&mut self, event: &str) -> Result<(), SinkError> {
        let Stage::Open(any) = self.stage else {
            return Ok(());
        };
        self.stage = Stage::Open(true);
        self.buffer.clear();
        match (self.format, any) {
            (JsonFormat::Lines, _) => {}
            (JsonFormat::Document, false) => self.buffer.push(b'\n'),
            (JsonFormat::Document, true) => self.buffer.extend(b",\n"),
        }
        self.buffer.extend(event.as_bytes());
        if self.format == JsonFormat::Lines {
            self.buffer.push(b'\n');
        }
        self.write()
    }

    /// The last object.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn end(&mut self, summary: Option<&str>) -> Result<(), SinkError> {
        if !matches!(self.stage, Stage::Open(_)) {
            return Ok(());
        }
        self.stage = Stage::Closed;
        match (self.format, summary) {
            (JsonFormat::Lines, None) => Ok(()),
            (JsonFormat::Lines, Some(summary)) => self.put("", summary, "\n"),
            (JsonFormat::Document, Some(summary)) => self.put("\n],\n\"summary\":", summary, "}\n"),
            (JsonFormat::Document, None) => self.put("\n],\n\"summary\":", "null", "}\n"),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }

    fn put(&mut self, before: &str, object: &str, after: &str) -> Result<(), SinkError> {
        self.buffer.clear();
        for part in [before, object, after] {
            self.buffer.extend(part.as_bytes());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), SinkError> {
        let written = self.out.write_all(&self.buffer);
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

impl<W: Write> Drop for Objects<W> {
    fn drop(&mut self) {
        // Whoever could be told of an error is gone.
        let _ = self.end(None).and_then(|()| self.flush());
    }
}

/// An object as it stands in the output.
pub(super) fn text_of(object: &Object<'_>) -> String {
    serde_json::to_string(object).expect("keys are strings, and nothing refuses to serialize")
}
