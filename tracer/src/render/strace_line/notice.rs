//! What strace tells of its own doings: `strace: Process 12 attached`.

use std::io::Write;

/// Where notices go. They are no results: what cannot be written is dropped.
pub struct Notices(Option<Box<dyn Write>>);

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Notices").field(&self.0.is_some()).finish()
    }
}

impl Notices {
    /// Nobody wants them.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// To the standard error output.
    #[must_use]
    pub fn stderr() -> Self {
        Self::to(Box::new(std::io::stderr()))
    }

    /// To `out`.
    #[must_use]
    pub fn to(out: Box<dyn Write>) -> Self {
        Self(Some(out))
    }

    pub(super) const fn are_dropped(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn write(&mut self, text: &str) {
        if let Some(out) = &mut self.0 {
            let _ = writeln!(out, "strace: {text}").and_then(|()| out.flush());
        }
    }
}
