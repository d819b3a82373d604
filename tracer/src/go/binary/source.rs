//! Bounded access to the bytes of an executable without mapping or copying it.
//!
//! Files are read with `pread(2)` through a small cache of blocks, never mapped: a file that is
//! truncated while mapped raises SIGBUS in the reader, and a tracer must outlive whatever happens
//! to the binaries it looks at. The cache bounds memory whatever the size of the file.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::BinaryError;

const BLOCK: usize = 64 << 10;
/// 24 MiB: holds the function table and the hot parts of the line tables of a 100 MB binary.
const MAX_BLOCKS: usize = 384;

/// The bytes of one executable; cheap to clone, shared between threads.
#[derive(Clone, Debug)]
pub struct Source(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Bytes(Vec<u8>),
    File {
        file: File,
        len: u64,
        blocks: Mutex<Blocks>,
    },
}

#[derive(Debug, Default)]
struct Blocks {
    loaded: HashMap<u64, Arc<[u8]>>,
    order: VecDeque<u64>,
    last: Option<(u64, Arc<[u8]>)>,
}

impl Source {
    /// Takes the bytes of an executable held in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Kind::Bytes(bytes)))
    }

    /// Takes an open executable. Its length is that of this moment.
    pub fn from_file(file: File) -> Result<Self, BinaryError> {
        let len = file.metadata().map_err(BinaryError::Io)?.len();
        let blocks = Mutex::new(Blocks::default());
        Ok(Self(Arc::new(Kind::File { file, len, blocks })))
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match &*self.0 {
            Kind::Bytes(bytes) => bytes.len() as u64,
            Kind::File { len, .. } => *len,
        }
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from offset `at`; fails with [`BinaryError::Truncated`] past the end.
    pub fn read(&self, at: u64, buf: &mut [u8]) -> Result<(), BinaryError> {
        let end = at.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(BinaryError::Truncated { at });
        }
        match &*self.0 {
            Kind::Bytes(bytes) => {
                let start = at as usize;
                buf.copy_from_slice(&bytes[start..start + buf.len()]);
                Ok(())
            }
            Kind::File { file, len, blocks } => read_blocks(file, *len, blocks, at, buf),
        }
    }

    /// Fills as much of `buf` as there is from offset `at`; returns the count, 0 at the end.
    pub fn read_some(&self, at: u64, buf: &mut [u8]) -> Result<usize, BinaryError> {
        let left = self.len().saturating_sub(at);
        let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.read(at, &mut buf[..count])?;
        Ok(count)
    }

    /// The 16-bit word at offset `at`.
    pub fn read_u16(&self, at: u64) -> Result<u16, BinaryError> {
        let mut buf = [0; 2];
        self.read(at, &mut buf)?;
        Ok(u16::from_le_bytes(buf))
    }

    /// The 32-bit word at offset `at`.
    pub fn read_u32(&self, at: u64) -> Result<u32, BinaryError> {
        let mut buf = [0; 4];
        self.read(at, &mut buf)?;
        Ok(u32::from_le_bytes(buf))
    }

    /// The 64-bit word at offset `at`.
    pub fn read_u64(&self, at: u64) -> Result<u64, BinaryError> {
        let mut buf = [0; 8];
        self.read(at, &mut buf)?;
        Ok(u64::from_le_bytes(buf))
    }

    /// The bytes from offset `at` up to a NUL, at most `max` of them.
    pub fn read_cstr(&self, at: u64, max: usize) -> Result<Vec<u8>, BinaryError> {
        let mut text = Vec::new();
        let mut chunk = [0; 128];
        while text.len() < max {
            let count = self.read_some(at + text.len() as u64, &mut chunk)?;
            let chunk = &chunk[..count];
            if let Some(end) = chunk.iter().position(|&byte| byte == 0) {
                text.extend_from_slice(&chunk[..end]);
                text.truncate(max);
                return Ok(text);
            }
            if chunk.is_empty() {
                break;
            }
            text.extend_from_slice(chunk);
        }
        Err(BinaryError::Malformed {
            what: "a string without an end",
            at,
        })
    }

    /// Calls `visit(offset, bytes)` over `[at, at + len)` in pieces whose starts are multiples of
    /// 64 KiB (but for the first); stops when it returns a value.
    ///
    /// Pieces do not overlap and are not cached, so a scan does not push out what lookups use.
    pub fn scan<T>(
        &self,
        at: u64,
        len: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Option<T>,
    ) -> Result<Option<T>, BinaryError> {
        let end = at.saturating_add(len).min(self.len());
        if let Kind::Bytes(bytes) = &*self.0 {
            let piece = (at < end).then(|| &bytes[at as usize..end as usize]);
            return Ok(piece.and_then(|piece| visit(at, piece)));
        }
        let mut buf = vec![0; BLOCK];
        let mut at = at;
        while at < end {
            let room = BLOCK as u64 - at % BLOCK as u64;
            let count = room.min(end - at) as usize;
            self.read_uncached(at, &mut buf[..count])?;
            if let Some(found) = visit(at, &buf[..count]) {
                return Ok(Some(found));
            }
            at += count as u64;
        }
        Ok(None)
    }

    fn read_uncached(&self, at: u64, buf: &mut [u8]) -> Result<(), BinaryError> {
        match &*self.0 {
            Kind::Bytes(_) => self.read(at, buf),
            Kind::File { file, .. } => file
                .read_exact_at(buf, at)
                .map_err(|error| read_error(at, error)),
        }
    }
}

fn read_blocks(
    file: &File,
    len: u64,
    blocks: &Mutex<Blocks>,
    at: u64,
    buf: &mut [u8],
) -> Result<(), BinaryError> {
    // A panic while the lock is held leaves the cache consistent: every insert is one statement.
    let mut blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
    let mut done = 0;
    while done < buf.len() {
        let at = at + done as u64;
        let block = blocks.get(file, len, at / BLOCK as u64)?;
        let start = (at % BLOCK as u64) as usize;
        let count = (buf.len() - done).min(block.len().saturating_sub(start));
        if count == 0 {
            return Err(BinaryError::Truncated { at });
        }
        buf[done..done + count].copy_from_slice(&block[start..start + count]);
        done += count;
    }
    Ok(())
}

impl Blocks {
    fn get(&mut self, file: &File, len: u64, index: u64) -> Result<&[u8], BinaryError> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != index) {
            let block = match self.loaded.get(&index) {
                Some(block) => Arc::clone(block),
                None => self.load(file, len, index)?,
            };
            self.last = Some((index, block));
        }
        let (_, block) = self.last.as_ref().expect("set just above");
        Ok(block)
    }

    fn load(&mut self, file: &File, len: u64, index: u64) -> Result<Arc<[u8]>, BinaryError> {
        let at = index * BLOCK as u64;
        let size = (len - at).min(BLOCK as u64) as usize;
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, at)
            .map_err(|error| read_error(at, error))?;
        let block: Arc<[u8]> = bytes.into();
        if self.order.len() >= MAX_BLOCKS
            && let Some(oldest) = self.order.pop_front()
        {
            self.loaded.remove(&oldest);
        }
        self.order.push_back(index);
        self.loaded.insert(index, Arc::clone(&block));
        Ok(block)
    }
}

fn read_error(at: u64, error: std::io::Error) -> BinaryError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        BinaryError::Truncated { at }
    } else {
        BinaryError::Io(error)
    }
}
