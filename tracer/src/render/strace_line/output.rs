//! Where lines stand: one output for all threads, or a file for each.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use foldhash::{HashMap, HashSet};

use super::color::shown_width;
use crate::sink::SinkError;

/// An output and how far its last line got.
#[derive(Debug)]
pub struct Column<W> {
    out: W,
    name: String,
    /// Thread whose call stands at the end of the output, without a newline.
    open: Option<u32>,
    /// Characters in the line so far.
    width: usize,
    /// Takes the text for now.
    staged: Option<String>,
}

impl<W: Write> Column<W> {
    /// Writes to `out`; errors call it `name`.
    pub const fn new(out: W, name: String) -> Self {
        Self {
            out,
            name,
            open: None,
            width: 0,
            staged: None,
        }
    }

    fn write(&mut self, text: &str) -> Result<(), SinkError> {
        self.width += shown_width(text);
        if let Some(staged) = &mut self.staged {
            staged.push_str(text);
            return Ok(());
        }
        let written = self.out.write_all(text.as_bytes());
        written.map_err(|e| SinkError::from_io(&self.name, e))
    }

    fn end_line(&mut self) -> Result<(), SinkError> {
        self.write("\n")?;
        self.width = 0;
        self.open = None;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.out.flush();
        flushed.map_err(|e| SinkError::from_io(&self.name, e))
    }
}

/// All outputs of a trace.
#[derive(Debug)]
pub enum Outputs<W> {
    /// The lines of all threads, in order of time.
    One(Column<W>),
    /// `-ff -o FILE`: a file for each thread, `FILE.TID`.
    Separate(SeparateFiles),
}

/// `FILE.TID` for each thread.
#[derive(Debug)]
pub struct SeparateFiles {
    base: PathBuf,
    append: bool,
    files: HashMap<u32, Column<BufWriter<File>>>,
    /// Threads whose file is complete for now: a reused id goes on in it.
    closed: HashSet<u32>,
}

impl SeparateFiles {
    /// Files whose names begin with `base`; with `append` what they hold is kept.
    #[must_use]
    pub fn new(base: PathBuf, append: bool) -> Self {
        Self {
            base,
            append,
            files: HashMap::default(),
            closed: HashSet::default(),
        }
    }

    fn of(&mut self, tid: u32) -> Result<&mut Column<BufWriter<File>>, SinkError> {
        if !self.files.contains_key(&tid) {
            let column = self.open(tid)?;
            self.files.insert(tid, column);
        }
        Ok(self.files.get_mut(&tid).expect("just inserted"))
    }

    fn open(&self, tid: u32) -> Result<Column<BufWriter<File>>, SinkError> {
        let mut name = self.base.clone().into_os_string();
        name.push(format!(".{tid}"));
        let append = self.append || self.closed.contains(&tid);
        let file =
            open_file(&name, append).map_err(|e| SinkError::from_io(&name.to_string_lossy(), e))?;
        let name = name.to_string_lossy().into_owned();
        Ok(Column::new(BufWriter::new(file), name))
    }
}

/// Opens a file private to the user, emptied unless `append`.
fn open_file(name: impl AsRef<Path>, append: bool) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .mode(0o600)
        .open(name)
}

impl<W: Write> Outputs<W> {
    /// Appends to the current line of a thread.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn write(&mut self, tid: u32, text: &str) -> Result<(), SinkError> {
        match self {
            Self::One(column) => column.write(text),
            Self::Separate(files) => files.of(tid)?.write(text),
        }
    }

    /// Ends the current line of a thread.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn end_line(&mut self, tid: u32) -> Result<(), SinkError> {
        match self {
            Self::One(column) => column.end_line(),
            Self::Separate(files) => files.of(tid)?.end_line(),
        }
    }

    /// The call at the end of the output that a line of this thread would follow.
    pub(super) fn open(&self, tid: u32) -> Option<u32> {
        match self {
            Self::One(column) => column.open,
            Self::Separate(files) => files.files.get(&tid)?.open,
        }
    }

    /// Leaves the current line of a thread open.
    pub(super) fn set_open(&mut self, tid: u32) {
        match self {
            Self::One(column) => column.open = Some(tid),
            Self::Separate(files) => {
                if let Some(column) = files.files.get_mut(&tid) {
                    column.open = Some(tid);
                }
            }
        }
    }

    /// Characters in the current line.
    pub(super) fn width(&self, tid: u32) -> usize {
        match self {
            Self::One(column) => column.width,
            Self::Separate(files) => files.files.get(&tid).map_or(0, |c| c.width),
        }
    }

    /// Threads with a call at the end of an output.
    pub(super) fn all_open(&self) -> Vec<u32> {
        match self {
            Self::One(column) => column.open.into_iter().collect(),
            Self::Separate(files) => files.files.values().filter_map(|c| c.open).collect(),
        }
    }

    /// Collects what a thread writes from now on.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub(super) fn stage(&mut self, tid: u32) -> Result<(), SinkError> {
        match self {
            Self::One(column) => column.staged = Some(String::new()),
            Self::Separate(files) => files.of(tid)?.staged = Some(String::new()),
        }
        Ok(())
    }

    /// What was collected; the thread writes to its output again.
    pub(super) fn unstage(&mut self, tid: u32) -> String {
        let staged = match self {
            Self::One(column) => column.staged.take(),
            Self::Separate(files) => files.files.get_mut(&tid).and_then(|c| c.staged.take()),
        };
        staged.unwrap_or_default()
    }

    /// Whether each thread has a file.
    pub(super) const fn is_separate(&self) -> bool {
        matches!(self, Self::Separate(_))
    }

    /// The writer, unless there is one for each thread.
    pub(super) fn into_inner(self) -> Option<W> {
        match self {
            Self::One(column) => Some(column.out),
            Self::Separate(_) => None,
        }
    }

    /// A thread writes no more.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn close(&mut self, tid: u32) -> Result<(), SinkError> {
        let Self::Separate(files) = self else {
            return Ok(());
        };
        files.closed.insert(tid);
        files.files.remove(&tid).map_or(Ok(()), |mut c| c.flush())
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        match self {
            Self::One(column) => column.flush(),
            Self::Separate(files) => files.files.values_mut().try_for_each(Column::flush),
        }
    }
}
