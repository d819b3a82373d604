//! The sink that records.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::format::{self, CURRENT, END, EVENTS, MAX_FRAME};
use crate::error::ExpectedError;
use crate::event::{Body, Event, SymbolizedAddress, Symbols};
use crate::sink::{Sink, SinkError};

/// Payload size at which a frame is written: large enough that its header and the system call do
/// not count.
const FRAME_SIZE: usize = 64 << 10;

/// Longest time that events stay in memory while the stream is idle.
const FRAME_AGE: Duration = Duration::from_secs(1);

/// An event with its time relative to the one before it in the frame (the first: to 0), which
/// makes most times short.
#[derive(Serialize)]
struct Record<'a> {
    delta_ns: i64,
    pid: u32,
    tid: u32,
    cpu: u16,
    goid: Option<u64>,
    body: &'a Body,
}

/// Writes a recording. `RunEnd` completes it; one that was dropped before reads as cut off, with
/// everything taken until then.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    /// For messages.
    name: String,
    /// The next frame's payload, with its kind.
    payload: Vec<u8>,
    /// Time of the last event in the payload.
    last_ns: u64,
    /// When the first event entered the payload.
    since: Option<Instant>,
    events: u64,
    /// Why nothing can be written any more.
    failed: Option<io::ErrorKind>,
}

impl Writer<File> {
    /// Creates the recording `path`; see [`super::create_file`] for `force`.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, force: bool) -> Result<Self, ExpectedError> {
        let file = super::create_file(path, force)?;
        Self::new(file, &path.display().to_string()).map_err(|source| {
            ExpectedError::OutputUnwritable {
                file: path.to_owned(),
                source,
            }
        })
    }
}

impl<W: Write> Writer<W> {
    /// Begins a recording in `out`, which messages call `name`. Writes are large: `out` needs no
    /// buffer.
    ///
    /// # Errors
    /// When the first bytes cannot be written.
    pub fn new(mut out: W, name: &str) -> io::Result<Self> {
        let writer = concat!("tracer ", env!("CARGO_PKG_VERSION"));
        out.write_all(&format::prologue(CURRENT, writer))?;
        let mut payload = Vec::with_capacity(FRAME_SIZE + (FRAME_SIZE >> 2));
        payload.push(EVENTS);
        Ok(Self {
            out,
            name: name.to_owned(),
            payload,
            last_ns: 0,
            since: None,
            events: 0,
            failed: None,
        })
    }

    /// Events taken so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    fn append(&mut self, event: &Event, body: &Body) -> Result<(), SinkError> {
        let (before, last_ns) = (self.payload.len(), self.last_ns);
        if let Err(e) = self.encode(event, body) {
            self.payload.truncate(before);
            return Err(e);
        }
        if self.payload.len() <= MAX_FRAME {
            self.events += 1;
            self.since.get_or_insert_with(Instant::now);
            return Ok(());
        }
        self.payload.truncate(before);
        self.last_ns = last_ns;
        if before > 1 {
            self.write_frame()?;
            return self.append(event, body);
        }
        self.append_parts(event, body)
    }

    fn encode(&mut self, event: &Event, body: &Body) -> Result<(), SinkError> {
        let record = Record {
            delta_ns: event.time_ns.wrapping_sub(self.last_ns) as i64,
            pid: event.pid,
            tid: event.tid,
            cpu: event.cpu,
            goid: event.goid,
            body,
        };
        match postcard::to_io(&record, &mut self.payload) {
            Ok(_) => {
                self.last_ns = event.time_ns;
                Ok(())
            }
            Err(e) => Err(self.error(io::Error::new(io::ErrorKind::InvalidData, e))),
        }
    }

    /// Symbols of a whole process may exceed a frame: they mean the same in two events.
    fn append_parts(&mut self, event: &Event, body: &Body) -> Result<(), SinkError> {
        let addresses = match body {
            Body::Symbols(symbols) if symbols.addresses.len() > 1 => &symbols.addresses,
            _ => {
                let source = io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("an event is larger than {MAX_FRAME} bytes"),
                );
                return Err(self.error(source));
            }
        };
        let (first, second) = addresses.split_at(addresses.len() / 2);
        for half in [first, second] {
            self.append(event, &symbols_body(half))?;
        }
        Ok(())
    }

    fn write_frame(&mut self) -> Result<(), SinkError> {
        self.since = None;
        self.last_ns = 0;
        if self.payload.len() <= 1 {
            return Ok(());
        }
        let written = write_frame(&mut self.out, &self.payload);
        self.payload.clear();
        self.payload.push(EVENTS);
        written.map_err(|e| self.failure(e))
    }

    fn end(&mut self) -> Result<(), SinkError> {
        self.write_frame()?;
        let mut payload = vec![END];
        payload.extend(self.events.to_le_bytes());
        let written = write_frame(&mut self.out, &payload).and_then(|()| self.out.flush());
        written.map_err(|e| self.failure(e))
    }

    fn failure(&mut self, source: io::Error) -> SinkError {
        self.failed = Some(source.kind());
        self.error(source)
    }

    fn error(&self, source: io::Error) -> SinkError {
        SinkError::from_io(&self.name, source)
    }

    /// After a failed write the file may end in half a frame: nothing behind it could be read.
    fn check_intact(&self) -> Result<(), SinkError> {
        self.failed
            .map_or(Ok(()), |kind| Err(self.error(kind.into())))
    }
}

fn symbols_body(addresses: &[SymbolizedAddress]) -> Body {
    Body::Symbols(Box::new(Symbols {
        addresses: addresses.to_vec(),
    }))
}

fn write_frame(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).expect("a payload is at most MAX_FRAME long");
    let mut header = [0; 8];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..].copy_from_slice(&format::frame_crc(payload).to_le_bytes());
    out.write_all(&header)?;
    out.write_all(payload)
}

impl<W: Write> Sink for Writer<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        self.check_intact()?;
        self.append(event, &event.body)?;
        if matches!(event.body, Body::RunEnd(_)) {
            return self.end();
        }
        if self.payload.len() >= FRAME_SIZE {
            self.write_frame()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.check_intact()?;
        if self.since.is_some_and(|since| since.elapsed() >= FRAME_AGE) {
            self.write_frame()?;
            self.out.flush().map_err(|e| self.failure(e))?;
        }
        Ok(())
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        if self.failed.is_none() {
            // Nobody is left to tell; the missing end tells the reader.
            let _ = self.write_frame();
            let _ = self.out.flush();
        }
    }
}
