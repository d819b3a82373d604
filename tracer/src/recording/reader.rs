//! Reads recordings, which may be damaged or hostile.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::format::{self, CURRENT, END, EVENTS, MAGIC, MAX_FRAME, Major, Minor, Version};
use crate::event::{Body, Event};

/// Why a recording cannot be read, or not to its end. Offsets are bytes from the file's start.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {file}: {source}")]
    Io { file: String, source: io::Error },
    #[error("{file} is not a recording: {why}; `tracer record -o FILE` makes one")]
    NotARecording { file: String, why: &'static str },
    #[error(
        "{file} was written by {writer} in format {version}, this tracer reads format {CURRENT}; \
         read it with the version that wrote it"
    )]
    UnknownVersion {
        file: String,
        writer: String,
        version: Version,
    },
    #[error(
        "{file} is cut off at byte {offset} after {events} events; what came before is shown \
         (the recording tracer was killed or its disk was full)"
    )]
    CutOff {
        file: String,
        offset: u64,
        events: u64,
    },
    #[error(
        "{file} is damaged at byte {offset} after {events} events: {why}; what came before is \
         shown"
    )]
    Damaged {
        file: String,
        offset: u64,
        events: u64,
        why: String,
    },
}

/// The owned counterpart of what the writer encodes.
#[derive(Deserialize)]
struct Record {
    delta_ns: i64,
    pid: u32,
    tid: u32,
    cpu: u16,
    goid: Option<u64>,
    body: Body,
}

/// Iterates over the events of a recording. At the first error it yields that error and ends:
/// everything before it is good. Holds one frame, at most [`MAX_FRAME`] bytes, and one event at a time.
#[derive(Debug)]
pub struct Reader<R: Read> {
    input: R,
    /// For messages.
    file: String,
    writer: String,
    /// Of the next byte to read from the input.
    offset: u64,
    /// Of the current frame.
    frame_offset: u64,
    /// The current frame's payload.
    payload: Vec<u8>,
    /// Next event in the payload.
    at: usize,
    last_ns: u64,
    events: u64,
    done: bool,
}

impl Reader<BufReader<File>> {
    /// Opens the recording `path`.
    ///
    /// # Errors
    /// As [`Reader::new`], and when the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = path.display().to_string();
        match File::open(path) {
            Ok(opened) => Self::new(BufReader::new(opened), &file),
            Err(source) => Err(ReadError::Io { file, source }),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of a recording from `input`, which messages call `file`.
    ///
    /// # Errors
    /// When it is no recording, or one of a version that this build does not read.
    pub fn new(input: R, file: &str) -> Result<Self, ReadError> {
        let mut reader = Self {
            input,
            file: file.to_owned(),
            writer: String::new(),
            offset: 0,
            frame_offset: 0,
            payload: Vec::new(),
            at: 0,
            last_ns: 0,
            events: 0,
            done: false,
        };
        reader.read_prologue()?;
        Ok(reader)
    }

    /// Name and version of the program that wrote the recording.
    #[must_use]
    pub fn writer(&self) -> &str {
        &self.writer
    }

    fn read_prologue(&mut self) -> Result<(), ReadError> {
        let fixed = self.read_chunk(13)?;
        if fixed.len() < 13 || fixed[..8] != MAGIC {
            return Err(self.not_a_recording("it begins with something else"));
        }
        let version = Version {
            major: Major(u16::from_le_bytes([fixed[8], fixed[9]])),
            minor: Minor(u16::from_le_bytes([fixed[10], fixed[11]])),
        };
        let length = usize::from(fixed[12]);
        let rest = self.read_chunk(length + 4)?;
        let Some((writer, crc)) = rest.split_last_chunk::<4>().filter(|r| r.0.len() == length)
        else {
            return Err(self.not_a_recording("it is cut off"));
        };
        let mut hash = crc32fast::Hasher::new();
        hash.update(&fixed);
        hash.update(writer);
        if hash.finalize() != u32::from_le_bytes(*crc) {
            return Err(self.not_a_recording("its first bytes are damaged"));
        }
        self.writer = String::from_utf8_lossy(writer).escape_default().to_string();
        if version.check_readable_by(CURRENT) {
            return Ok(());
        }
        Err(ReadError::UnknownVersion {
            file: self.file.clone(),
            writer: self.writer.clone(),
            version,
        })
    }

    fn not_a_recording(&self, why: &'static str) -> ReadError {
        ReadError::NotARecording {
            file: self.file.clone(),
            why,
        }
    }

    /// Up to `length` bytes, fewer only at the end of the input. Memory grows with what is there,
    /// not with what a damaged length claims.
    fn read_chunk(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        self.read_into(length, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(&mut self, length: usize, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        bytes.clear();
        match (&mut self.input).take(length as u64).read_to_end(bytes) {
            Ok(read) => {
                self.offset += read as u64;
                Ok(())
            }
            Err(source) => Err(ReadError::Io {
                file: self.file.clone(),
                source,
            }),
        }
    }

    /// Reads the next frame; false after the one that ends the file.
    fn next_frame(&mut self) -> Result<bool, ReadError> {
        self.frame_offset = self.offset;
        let header = self.read_chunk(8)?;
        let Some((&[a, b, c, d], crc)) = header.split_first_chunk::<4>() else {
            return Err(self.cut_off());
        };
        let Ok(crc) = <[u8; 4]>::try_from(crc) else {
            return Err(self.cut_off());
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length == 0 || length > MAX_FRAME {
            return Err(self.damaged(format!("a frame of {length} bytes")));
        }
        let mut payload = std::mem::take(&mut self.payload);
        let read = self.read_into(length, &mut payload);
        self.payload = payload;
        read?;
        if self.payload.len() < length {
            return Err(self.cut_off());
        }
        if format::frame_crc(&self.payload) != u32::from_le_bytes(crc) {
            return Err(self.damaged("the checksum is wrong".to_owned()));
        }
        self.enter_frame()
    }

    fn enter_frame(&mut self) -> Result<bool, ReadError> {
        match self.payload[0] {
            EVENTS => {
                (self.at, self.last_ns) = (1, 0);
                Ok(true)
            }
            END => self.check_end().map(|()| false),
            kind => Err(self.damaged(format!("a frame of unknown kind {kind}"))),
        }
    }

    fn check_end(&mut self) -> Result<(), ReadError> {
        if self.payload[1..] != self.events.to_le_bytes() {
            return Err(self.damaged("the file once held other events too".to_owned()));
        }
        self.frame_offset = self.offset;
        if self.read_chunk(1)?.is_empty() {
            return Ok(());
        }
        Err(self.damaged("bytes after the end".to_owned()))
    }

    fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        while self.at >= self.payload.len() {
            if !self.next_frame()? {
                return Ok(None);
            }
        }
        match postcard::take_from_bytes::<Record>(&self.payload[self.at..]) {
            Ok((record, rest)) => {
                self.at = self.payload.len() - rest.len();
                Ok(Some(self.event(record)))
            }
            Err(e) => Err(self.damaged(format!("an event cannot be decoded ({e})"))),
        }
    }

    fn event(&mut self, record: Record) -> Event {
        self.events += 1;
        self.last_ns = self.last_ns.wrapping_add(record.delta_ns as u64);
        Event {
            time_ns: self.last_ns,
            pid: record.pid,
            tid: record.tid,
            cpu: record.cpu,
            goid: record.goid,
            body: record.body,
        }
    }

    fn cut_off(&self) -> ReadError {
        ReadError::CutOff {
            file: self.file.clone(),
            offset: self.offset,
            events: self.events,
        }
    }

    fn damaged(&self, why: String) -> ReadError {
        ReadError::Damaged {
            file: self.file.clone(),
            offset: self.frame_offset,
            events: self.events,
            why,
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_event().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> std::iter::FusedIterator for Reader<R> {}
