//! Where lines and tables go: stdout, a file, a command, or a file for each thread.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use crate::cli::OutputArgs;
use crate::error::ExpectedError;

/// Where the output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    File {
        path: PathBuf,
        append: bool,
    },
    /// The standard input of a shell command: `-o '|cmd'`.
    Pipe(String),
    /// `-ff -o`
    Separate {
        base: PathBuf,
        append: bool,
    },
}

impl Destination {
    /// Reads the options; `separate` is `-ff`.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(super) fn new(
        output: &OutputArgs,
        append: bool,
        separate: bool,
    ) -> Result<Self, ExpectedError> {
        let Some(path) = output.file().map(Path::to_owned) else {
            return Ok(Self::Stdout);
        };
        let command = path.to_str().and_then(|text| text.strip_prefix(['|', '!']));
        match (command, separate) {
            (Some(_), true) => Err(ExpectedError::Usage(
                "a command and a file for each thread exclude each other: give -o FILE, or leave \
                 out -ff"
                    .to_owned(),
            )),
            (Some(command), false) => Ok(Self::Pipe(command.to_owned())),
            (None, true) => Ok(Self::Separate { base: path, append }),
            (None, false) => Ok(Self::File { path, append }),
        }
    }

    /// Whether lines stand where a user does not see them come.
    pub(super) const fn is_file(&self) -> bool {
        !matches!(self, Self::Stdout)
    }

    /// Opens it, and gives the name for messages. Separate files are opened by their threads.
    ///
    /// # Errors
    /// When the file cannot be created or the command not run.
    pub(super) fn open(&self, output: &OutputArgs) -> Result<(Writer, String), ExpectedError> {
        let (out, name): (Box<dyn Write>, String) = match self {
            Self::Pipe(command) => (Box::new(Pipe::to(command)?), command.clone()),
            Self::File { path, append: true } => (append(path)?, path.display().to_string()),
            _ => {
                let opened = output.open(true)?;
                (opened.out, opened.name)
            }
        };
        Ok((Writer(Rc::new(RefCell::new(out))), name))
    }
}

fn append(path: &Path) -> Result<Box<dyn Write>, ExpectedError> {
    let mut options = OpenOptions::new();
    let opened = options.create(true).append(true).mode(0o600).open(path);
    let file = opened.map_err(|source| ExpectedError::OutputUnwritable {
        file: path.to_owned(),
        source,
    })?;
    Ok(Box::new(BufWriter::with_capacity(1 << 16, file)))
}

/// One output for lines and tables.
#[derive(Clone)]
pub(super) struct Writer(Rc<RefCell<Box<dyn Write>>>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// A shell command that reads what is written; its end is awaited.
struct Pipe {
    child: Child,
    input: Option<BufWriter<std::process::ChildStdin>>,
}

impl Pipe {
    fn to(command: &str) -> Result<Self, ExpectedError> {
        let mut shell = Command::new("/bin/sh");
        let spawned = shell.args(["-c", command]).stdin(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|source| ExpectedError::CommandNotRun {
            command: command.to_owned(),
            source,
        })?;
        let input = child.stdin.take().map(BufWriter::new);
        Ok(Self { child, input })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) => input.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The command sees the end of its input, and may still have something to print.
        self.input = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_ff_decide() {
        let of = |name: Option<&str>, separate| {
            let output = OutputArgs {
                output: name.map(Into::into),
                ..OutputArgs::default()
            };
            Destination::new(&output, false, separate)
        };
        assert_eq!(of(None, true).ok(), Some(Destination::Stdout));
        assert_eq!(of(Some("-"), false).ok(), Some(Destination::Stdout));
        let pipe = Destination::Pipe("sort".into());
        assert_eq!(of(Some("|sort"), false).ok(), Some(pipe.clone()));
        assert_eq!(of(Some("!sort"), false).ok(), Some(pipe));
        assert!(of(Some("|sort"), true).is_err());
        let base = PathBuf::from("log");
        let append = false;
        assert_eq!(
            of(Some("log"), true).ok(),
            Some(Destination::Separate { base, append })
        );
    }

    #[test]
    fn a_command_reads_what_is_written() {
        let dir = std::env::temp_dir().join(format!("tracer-pipe-{}", std::process::id()));
        let mut pipe = Pipe::to(&format!("sort > {}", dir.display())).expect("a shell");
        pipe.write_all(b"b\na\n").expect("it reads");
        drop(pipe);
        let sorted = std::fs::read_to_string(&dir).expect("a file");
        let _ = std::fs::remove_file(&dir);
        assert_eq!(sorted, "a\nb\n");
    }
}
