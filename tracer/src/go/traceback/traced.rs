//! What a traceback says.

use std::borrow::Cow;

use super::{document, text};

/// Goroutines that are taken from one file: as many as a live process may have.
pub(super) const MAX_GOROUTINES: usize = 1 << 24;

/// The goroutines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traceback<'a> {
    /// The process, where the file tells.
    pub pid: Option<u32>,
    /// In the order of the file.
    pub goroutines: Vec<TracedGoroutine<'a>>,
}

/// A goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedGoroutine<'a> {
    pub id: u64,
    /// Its status, or what it waits for, in the runtime's words.
    pub state: Cow<'a, str>,
    /// How long it waits; 0 for less than one minute.
    pub minutes: u64,
    pub is_locked: bool,
    /// Innermost first.
    pub calls: Vec<TracedCall<'a>>,
    /// The `go` statement, if it is told.
    pub creator: Option<TracedCall<'a>>,
}

/// A call: arguments and addresses, which differ where all else is equal, are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TracedCall<'a> {
    pub function: Cow<'a, str>,
    /// Empty when it is not told.
    pub file: Cow<'a, str>,
    /// 0 when it is not told.
    pub line: u32,
}

/// Why a file has no goroutines.
#[derive(Debug, thiserror::Error)]
pub enum TracebackError {
    /// Neither a traceback nor JSON of this program.
    #[error(
        "holds no goroutine as Go prints it; save one with `tracer goroutines -p PID -o FILE`, or \
         from /debug/pprof/goroutine?debug=2"
    )]
    NoGoroutines,
    /// The counts of `debug=1`, or its binary form.
    #[error(
        "is a goroutine profile, which counts goroutines and does not list them; save one from \
         /debug/pprof/goroutine?debug=2"
    )]
    Profile,
    /// JSON that is something else.
    #[error("is not JSON of `tracer goroutines`: {0}")]
    Json(#[from] serde_json::Error),
    /// Not text.
    #[error("is not text; save a dump with `tracer goroutines -p PID -o FILE`")]
    NotText,
    /// More than any program has.
    #[error("lists more than {MAX_GOROUTINES} goroutines")]
    TooMany,
}

impl<'a> Traceback<'a> {
    /// Reads the bytes of a file: what Go prints with `debug=2`, on SIGQUIT or at a crash, with
    /// anything before and after, or what `tracer goroutines` writes as text or JSON.
    ///
    /// # Errors
    /// When there is no goroutine in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TracebackError> {
        // What gzip begins with (RFC 1952), and so every profile without a `debug`.
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(TracebackError::Profile);
        }
        let content = std::str::from_utf8(bytes).map_err(|_| TracebackError::NotText)?;
        let content = content.trim_start();
        if content.starts_with('{') {
            return document::parse(content);
        }
        if content.starts_with("goroutine profile: total ") {
            return Err(TracebackError::Profile);
        }
        let goroutines = text::parse(content)?;
        if goroutines.is_empty() {
            return Err(TracebackError::NoGoroutines);
        }
        Ok(Self {
            pid: None,
            goroutines,
        })
    }
}
