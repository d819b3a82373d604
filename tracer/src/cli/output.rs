//! Where results go and in what format: common to all commands that have results.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::RedactionArgs;
use crate::error::ExpectedError;
use crate::recording::{check_file, create_file};
use crate::sink::Sink;
use crate::term::Terminal;

/// Where and how.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write there; the extension picks the format; - is stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the result, whatever the file is called
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub redaction: RedactionArgs,
}

/// An opened output.
pub struct Output {
    /// Buffered.
    pub out: Box<dyn Write>,
    /// For messages.
    pub name: String,
    /// Columns to fill.
    pub width: usize,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Columns where no terminal says otherwise.
const DEFAULT_WIDTH: usize = 100;

impl OutputArgs {
    /// The file, unless it is stdout.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|f| f.as_os_str() != "-")
    }

    /// The format asked for by name or extension, one of `available`; by default the first.
    ///
    /// # Errors
    /// When `command` has no such format.
    pub fn format<'a>(
        &self,
        command: &str,
        available: &[&'a str],
    ) -> Result<&'a str, ExpectedError> {
        let ends: Vec<_> = available.iter().map(std::slice::from_ref).collect();
        let formats: Vec<_> = available.iter().copied().zip(ends).collect();
        let at = self.format_at(command, &formats)?;
        Ok(available.get(at).copied().unwrap_or("text"))
    }

    /// As [`OutputArgs::format`], for formats that have names and ends of file names (without the
    /// dot before them) of which the longest that fits decides: the index into `available`.
    ///
    /// # Errors
    /// When `command` has no such format.
    pub fn format_at(
        &self,
        command: &str,
        available: &[(&str, &[&str])],
    ) -> Result<usize, ExpectedError> {
        if let Some(name) = &self.format {
            let named = available.iter().position(|(known, _)| known == name);
            return named.ok_or_else(|| ExpectedError::NoSuchFormat {
                command: command.to_owned(),
                format: name.clone(),
                available: available.iter().map(|f| f.0.to_owned()).collect(),
            });
        }
        let name = self.file().and_then(|f| f.file_name()?.to_str());
        let fit = |end: &&&str| {
            let stem = name.and_then(|name| name.strip_suffix(**end)?.strip_suffix('.'));
            stem.is_some_and(|stem| !stem.is_empty())
        };
        let formats = available.iter().enumerate();
        let fits = formats.filter_map(|(at, (_, ends))| {
            let longest = ends.iter().filter(fit).map(|end| end.len()).max()?;
            Some((longest, at))
        });
        Ok(fits.max().map_or(0, |(_, at)| at))
    }

    /// What events go through on their way to a sink that writes this output: secrets are left out
    /// of files.
    #[must_use]
    pub fn redacted(&self, sink: Box<dyn Sink>) -> Box<dyn Sink> {
        match self.file() {
            Some(_) => self.redaction.before(sink),
            None => sink,
        }
    }

    /// As [`OutputArgs::redacted`], for a text that is ready.
    #[must_use]
    pub fn redacted_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let rule = self.file().and_then(|_| self.redaction.rule());
        rule.map_or(Cow::Borrowed(text), |rule| rule.text(text))
    }

    /// Whether [`OutputArgs::open`] would open the output now, for one that is opened later.
    ///
    /// # Errors
    /// As [`OutputArgs::open`].
    pub fn check(&self) -> Result<(), ExpectedError> {
        self.file()
            .map_or(Ok(()), |path| check_file(path, self.force))
    }

    /// Opens the output. Files are private to the user, and an existing one is kept unless
    /// `--force` or `replace` says otherwise.
    ///
    /// # Errors
    /// When the file exists or cannot be created.
    pub fn open(&self, replace: bool) -> Result<Output, ExpectedError> {
        match self.file() {
            Some(path) => {
                let file: File = create_file(path, self.force || replace)?;
                Ok(Output {
                    out: Box::new(BufWriter::with_capacity(1 << 16, file)),
                    name: path.display().to_string(),
                    width: DEFAULT_WIDTH,
                })
            }
            None => Ok(Output {
                out: Box::new(BufWriter::with_capacity(1 << 16, io::stdout())),
                name: "stdout".to_owned(),
                width: Terminal::of(io::stdout()).width.unwrap_or(DEFAULT_WIDTH),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(output: Option<&str>, format: Option<&str>) -> OutputArgs {
        OutputArgs {
            output: output.map(Into::into),
            format: format.map(Into::into),
            ..OutputArgs::default()
        }
    }

    #[test]
    fn files_have_no_secrets_unless_they_are_to() {
        let text = |output, no_redact| {
            let mut args = args(output, None);
            args.redaction.no_redact = no_redact;
            args.redacted_text("token=abc").into_owned()
        };
        assert_eq!(text(Some("a.txt"), false), "token=[redacted]");
        assert_eq!(text(Some("a.txt"), true), "token=abc");
        assert_eq!(text(Some("-"), false), "token=abc");
        assert_eq!(text(None, false), "token=abc");
    }

    #[test]
    fn the_extension_picks_the_format_unless_one_is_named() {
        let has = &["text", "folded", "svg"];
        let pick = |o, f| args(o, f).format("profile", has);
        assert_eq!(pick(None, None).ok(), Some("text"));
        assert_eq!(pick(Some("a.svg"), None).ok(), Some("svg"));
        assert_eq!(pick(Some("a.svg"), Some("folded")).ok(), Some("folded"));
        assert_eq!(pick(Some("a.log"), None).ok(), Some("text"));
        assert_eq!(pick(Some("-"), None).ok(), Some("text"));
        let named = [
            ("text", &["txt"][..]),
            ("json", &["json"]),
            ("pprof", &["pb.gz", "pprof"]),
            ("speedscope", &["speedscope.json"]),
        ];
        let pick_at = |file| named[args(Some(file), None).format_at("p", &named).expect("one")].0;
        assert_eq!(pick_at("a/b.pb.gz"), "pprof");
        assert_eq!(pick_at("b.speedscope.json"), "speedscope", "the longest");
        assert_eq!(pick_at("b.json"), "json");
        assert_eq!(pick_at("xpprof"), "text");
        assert_eq!(pick_at(".json"), "text", "a name, not an extension");
        let error = pick(None, Some("pprof")).expect_err("not there");
        assert_eq!(
            error.to_string(),
            "profile has no format pprof; it has: text, folded, svg"
        );
        assert_eq!(error.exit_code(), 2);
    }
}
