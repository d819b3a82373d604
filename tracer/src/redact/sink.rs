//! A sink in front of another.

use super::Redaction;
use crate::event::Event;
use crate::sink::{Sink, SinkError};

/// Hands events on without their secrets.
pub struct RedactingSink {
    redaction: Redaction,
    inner: Box<dyn Sink>,
}

impl RedactingSink {
    /// In front of `inner`.
    #[must_use]
    pub fn new(redaction: Redaction, inner: Box<dyn Sink>) -> Self {
        Self { redaction, inner }
    }
}

impl std::fmt::Debug for RedactingSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactingSink").finish_non_exhaustive()
    }
}

impl Sink for RedactingSink {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match self.redaction.event(event) {
            Some(redacted) => self.inner.event(&redacted),
            None => self.inner.event(event),
        }
    }

    fn skip(&mut self, event: &Event) -> Result<(), SinkError> {
        match self.redaction.event(event) {
            Some(redacted) => self.inner.skip(&redacted),
            None => self.inner.skip(event),
        }
    }

    fn pause(&mut self) -> Result<(), SinkError> {
        self.inner.pause()
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.inner.flush()
    }
}
