//! Where events go.

use std::io;

use crate::event::Event;

/// Takes events in time order. The stream begins with `RunStart` and ends with `RunEnd`; there is
/// no other life cycle, so live capture and replay drive a sink in the same way.
pub trait Sink {
    /// Takes one event.
    ///
    /// # Errors
    /// [`SinkError`] when nobody reads the output any more or it cannot be written: the run ends.
    fn event(&mut self, event: &Event) -> Result<(), SinkError>;

    /// Takes one event that is not to be shown, as events before it were not or were: of it only
    /// that is kept on which the later ones depend.
    ///
    /// # Errors
    /// As [`Sink::event`].
    fn skip(&mut self, event: &Event) -> Result<(), SinkError> {
        let _ = event;
        Ok(())
    }

    /// Nothing more comes for now: what was begun is marked as unfinished, and handed on.
    ///
    /// # Errors
    /// As [`Sink::event`].
    fn pause(&mut self) -> Result<(), SinkError> {
        self.flush()
    }

    /// Hands buffered output on; called when no event is ready, so that a live view stays live.
    ///
    /// # Errors
    /// As [`Sink::event`].
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Why a sink takes no more.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of a pipe went away: a normal end.
    #[error("the reader of the output is gone")]
    Closed,
    /// Writing failed, for instance because the disk is full.
    #[error("cannot write {object}: {source}; what was gathered until then is kept")]
    Write { object: String, source: io::Error },
}

impl SinkError {
    /// Classifies an error from writing `object`.
    #[must_use]
    pub fn from_io(object: &str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Write {
                object: object.to_owned(),
                source,
            }
        }
    }
}
