//! Lines on their way from the sink that forms them to those that are kept.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// Collects what a sink writes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FormedLines(Rc<RefCell<Vec<u8>>>);

impl FormedLines {
    /// Takes the whole lines that are there, each with its newline.
    pub(super) fn take(&self, mut line: impl FnMut(&[u8])) {
        let mut text = self.0.borrow_mut();
        let end = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        text[..end]
            .split_inclusive(|b| *b == b'\n')
            .for_each(&mut line);
        text.drain(..end);
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
