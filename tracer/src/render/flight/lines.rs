//! Lines on their way from the sink that forms them to those that are kept.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// Collects what a sink writes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FormedLines(Rc<RefCell<Vec<u8>>>);

impl FormedLines {
    /// All that is there, and is kept.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }

    /// Takes the whole lines that are there, each with its newline, up to the first error.
    pub(super) fn take<E>(&self, line: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut text = self.0.borrow_mut();
        let end = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let taken = text[..end]
            .split_inclusive(|b| *b == b'\n')
            .try_for_each(line);
        text.drain(..end);
        taken
    }
}

impl Write for FormedLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
