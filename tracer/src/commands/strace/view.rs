//! How lines and tables are shown, live or from a recording.

use std::io::Write;
use std::time::Duration;

use clap::{ArgAction, Args};
use tracer_common::capture::MAX_MESSAGE;

use super::destination::{Destination, Writer};
use super::json::json_format;
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::render::call_group::GroupBy;
use crate::render::call_times::CallTimes;
use crate::render::strace_count::{CountFormat, CountOptions, StraceCounts};
use crate::render::strace_json::StraceJson;
use crate::render::strace_line::{
    Column, LineOptions, Notices, Outputs, Precision, Prefix, SeparateFiles, StraceLines, Timestamp,
};
use crate::sink::Sink;
use crate::syscall::count::{SummaryColumn, SummaryError, SummarySort, parse_columns, parse_sort};
use crate::syscall::filter::SyscallSet;
use crate::syscall::print::{Constants, DecodeOptions, Escapes};

/// Bytes of a buffer that are copied at most: a record has room for no more.
pub(in crate::commands) const MAX_STRING_LIMIT: u32 = MAX_MESSAGE as u32;

/// How lines are shown.
#[derive(Clone, Debug, Args)]
pub struct LineView {
    /// Show the time spent in each call; --syscall-times=s, ms, us or ns
    #[arg(short = 'T', long, value_name = "PRECISION", num_args = 0..=1, require_equals = true, default_missing_value = "us", value_parser = parse_precision)]
    pub syscall_times: Option<Precision>,
    /// Show the time of day; twice: with microseconds; three times: seconds since 1970
    #[arg(short = 't', action = ArgAction::Count)]
    pub timestamps: u8,
    /// Show the time: none, time or unix, and s, ms, us or ns, as in unix,ns
    #[arg(long, alias = "timestamps", value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "time", value_parser = parse_timestamp)]
    pub absolute_timestamps: Option<TimestampArg>,
    /// Show the time since the line before; --relative-timestamps=s, ms, us or ns
    #[arg(short = 'r', long, value_name = "PRECISION", num_args = 0..=1, require_equals = true, default_missing_value = "us", value_parser = parse_precision)]
    pub relative_timestamps: Option<Precision>,
    /// Bytes of a string to show
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 32)]
    pub string_limit: u32,
    /// Column of the result; 40 unless given
    #[arg(short = 'a', long, value_name = "COLUMN", num_args = 0..=1, default_missing_value = "", value_parser = parse_columns_at)]
    pub columns: Option<ColumnsArg>,
    /// Strings with bytes that are not ASCII in hexadecimal; twice: all strings
    #[arg(short = 'x', action = ArgAction::Count)]
    pub hex: u8,
    /// Which strings are in hexadecimal: all, non-ascii, non-ascii-chars or none
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "all", value_parser = parse_escapes)]
    pub strings_in_hex: Option<Escapes>,
    /// Named constants and flags as raw numbers, abbrev (names) or verbose (both)
    #[arg(short = 'X', long, value_name = "FORMAT", value_parser = parse_constants)]
    pub const_print_style: Option<Constants>,
    /// Show structures and environments in full
    #[arg(id = "no_abbrev", short = 'v', long = "no-abbrev")]
    pub no_abbrev: bool,
    /// Show each argument with its name
    #[arg(short = 'N', long)]
    pub arg_names: bool,
    /// Show the number of each call
    #[arg(short = 'n', long)]
    pub syscall_number: bool,
    /// Show the thread on each line, even if there is but one
    #[arg(long)]
    pub always_show_pid: bool,
    /// Show the stack of each call
    #[arg(short = 'k', long)]
    pub stack_traces: bool,
    /// Show where each call was made
    #[arg(long)]
    pub instruction_pointer: bool,
    /// Colours: auto (on a terminal), always or never; never unless given
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: Option<String>,
    /// Show the goroutine of each line and, of its stack, the innermost function that is not the
    /// standard library's (Go programs)
    #[arg(long)]
    pub goroutines: bool,
}

/// The value of `--absolute-timestamps`, where `none` is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampArg(Option<Timestamp>);

/// The value of `-a`, which means `--all` when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnsArg(pub(super) Option<u16>);

fn parse_precision(text: &str) -> Result<Precision, String> {
    Precision::parse(text).ok_or_else(|| "use s, ms, us or ns".to_owned())
}

fn parse_timestamp(text: &str) -> Result<TimestampArg, String> {
    let unknown = |part| format!("{part} is neither a format (none, time, unix) nor s, ms, us, ns");
    Timestamp::parse(text).map(TimestampArg).map_err(unknown)
}

fn parse_columns_at(text: &str) -> Result<ColumnsArg, String> {
    const MAX: u16 = 1000;
    if text.is_empty() {
        return Ok(ColumnsArg(None));
    }
    let column = text.parse().ok().filter(|column| *column <= MAX);
    let column = column.ok_or_else(|| format!("use a number from 0 to {MAX}"))?;
    Ok(ColumnsArg(Some(column)))
}

fn parse_escapes(text: &str) -> Result<Escapes, String> {
    match text {
        "none" => Ok(Escapes::Octal),
        "non-ascii-chars" => Ok(Escapes::Hex),
        "non-ascii" => Ok(Escapes::HexStrings),
        "all" => Ok(Escapes::AllHex),
        _ => Err("use all, non-ascii, non-ascii-chars or none".to_owned()),
    }
}

fn parse_constants(text: &str) -> Result<Constants, String> {
    match text {
        "raw" => Ok(Constants::Numbers),
        "abbrev" => Ok(Constants::Names),
        "verbose" => Ok(Constants::Both),
        _ => Err("use raw, abbrev or verbose".to_owned()),
    }
}

impl LineView {
    /// What the options say; everything is shown.
    pub(super) fn options(&self) -> LineOptions {
        let defaults = LineOptions::default();
        LineOptions {
            decode: self.decode_options(),
            column: self
                .columns
                .and_then(|c| c.0)
                .map_or(defaults.column, usize::from),
            timestamp: match self.absolute_timestamps {
                Some(TimestampArg(timestamp)) => timestamp,
                None => Timestamp::of_count(self.timestamps),
            },
            relative: self.relative_timestamps,
            durations: self.syscall_times,
            goroutines: self.goroutines,
            numbers: self.syscall_number,
            stacks: self.stack_traces,
            instruction_pointer: self.instruction_pointer,
            color: self.color.as_deref() == Some("always"),
            ..defaults
        }
    }

    fn decode_options(&self) -> DecodeOptions {
        let escapes = match self.hex {
            0 => Escapes::Octal,
            1 => Escapes::HexStrings,
            _ => Escapes::AllHex,
        };
        DecodeOptions {
            string_limit: self.string_limit as usize,
            escapes: self.strings_in_hex.unwrap_or(escapes),
            constants: self.const_print_style.unwrap_or_default(),
            abbrev: match self.no_abbrev {
                true => SyscallSet::NONE,
                false => SyscallSet::ALL,
            },
            argument_names: self.arg_names,
            ..DecodeOptions::default()
        }
    }
}

/// How the table of -c is shown.
#[derive(Clone, Debug, Args)]
pub struct CountView {
    /// Times are wall clock, which they are anyway: the table says no more so
    #[arg(short = 'w', long)]
    pub summary_wall_clock: bool,
    /// Sort the table of -c by this column
    #[arg(short = 'S', long, value_name = "COLUMN")]
    pub summary_sort_by: Option<String>,
    /// Columns of the table of -c: time-percent, total-time, min-time, max-time, avg-time, calls,
    /// errors, name, p50, p90, p95, p99, p99.9, max
    #[arg(short = 'U', long, value_name = "COLUMNS")]
    pub summary_columns: Option<String>,
    /// Take this off the time of each call: 2us; microseconds without a unit
    #[arg(short = 'O', long, value_name = "TIME", value_parser = parse_overhead)]
    pub summary_syscall_overhead: Option<Duration>,
    /// A latency histogram of each row after the table
    #[arg(long)]
    pub histogram: bool,
    /// A row for each syscall and function that made it, fd, path, peer (remote address) or thread
    #[arg(long, value_name = "KEY", value_parser = parse_by)]
    pub by: Option<GroupBy>,
}

fn parse_by(text: &str) -> Result<GroupBy, String> {
    GroupBy::named(text).ok_or_else(|| "use function, fd, path, peer or thread".to_owned())
}

fn parse_overhead(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "" | "us" => 1e-6,
        "ns" => 1e-9,
        _ => return Err("use a number with s, ms, us or ns".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "use a number with s, ms, us or ns".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|e| e.to_string())
}

impl CountView {
    fn options(&self, format: CountFormat) -> Result<CountOptions, ExpectedError> {
        let usage = |e: SummaryError| ExpectedError::Usage(e.to_string());
        let defaults = CountOptions::default();
        let columns: Vec<SummaryColumn> = match &self.summary_columns {
            Some(names) => parse_columns(names).map_err(usage)?,
            None => defaults.columns,
        };
        let sort: SummarySort = match &self.summary_sort_by {
            Some(name) => parse_sort(name).map_err(usage)?,
            None => defaults.sort,
        };
        let overhead = self.summary_syscall_overhead.unwrap_or_default();
        Ok(CountOptions {
            columns,
            sort,
            histograms: self.histogram,
            format,
            names_clock: !self.summary_wall_clock,
            overhead_ns: u64::try_from(overhead.as_nanos()).unwrap_or(u64::MAX),
            by: self.by,
        })
    }

    /// Refuses what has no meaning without a table, as strace does.
    ///
    /// # Errors
    /// When a column is asked for, or does not exist.
    pub(super) fn check_without_table(&self) -> Result<(), ExpectedError> {
        self.options(CountFormat::Text)?;
        let option = match (&self.summary_columns, self.summary_wall_clock) {
            (Some(_), _) => "-U/--summary-columns",
            (None, true) => "-w/--summary-wall-clock",
            (None, false) => return Ok(()),
        };
        Err(ExpectedError::Usage(format!(
            "{option} is about the table of -c or -C: give one of them"
        )))
    }

    /// The sink of the table, to an output that is open.
    pub(super) fn sink<W: Write>(
        &self,
        format: CountFormat,
        out: W,
        name: &str,
    ) -> Result<StraceCounts<W>, ExpectedError> {
        Ok(StraceCounts::new(self.options(format)?, out, name))
    }
}

/// The format of the table of -c.
///
/// # Errors
/// When it has no such format.
pub(super) fn count_format(output: &OutputArgs) -> Result<CountFormat, ExpectedError> {
    Ok(match output.format("strace -c", &["text", "json"])? {
        "json" => CountFormat::Json,
        _ => CountFormat::Text,
    })
}

/// How lines of a recording name their thread.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct LineStyle {
    pub(in crate::commands) prefix: Prefix,
    pub(in crate::commands) follow: bool,
}

/// The sink of the calls of a recording.
pub(in crate::commands) fn line_sink(
    view: &LineView,
    style: LineStyle,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    let json = json_format(output)?;
    let opened = output.open(true)?;
    let options = LineOptions {
        prefix: style.prefix,
        follow: style.follow,
        ..view.options()
    };
    if let Some(format) = json {
        let sink = StraceJson::new(options, opened.out, &opened.name, format);
        return Ok(output.redacted(Box::new(sink)));
    }
    let sink = StraceLines::new(options, opened.out, &opened.name);
    Ok(output.redacted(Box::new(sink)))
}

/// The sink of the table of a recording.
pub(in crate::commands) fn count_sink(
    view: &CountView,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    let format = count_format(output)?;
    let opened = output.open(true)?;
    Ok(Box::new(view.sink(format, opened.out, &opened.name)?))
}

/// As [`count_sink`], from the calls of a recording rather than the kernel's sums.
///
/// # Errors
/// As there, and for what a recording of calls does not have.
pub(in crate::commands) fn call_count_sink(
    view: &CountView,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    if view.by.is_some_and(GroupBy::needs_stacks) {
        return Err(ExpectedError::Usage(
            "--by function needs the stack of each call, which is not recorded: use tracer strace \
             -c --by function, live"
                .to_owned(),
        ));
    }
    let format = count_format(output)?;
    let opened = output.open(true)?;
    let table = view.sink(format, opened.out, &opened.name)?;
    Ok(Box::new(CallTimes::recorded(table)))
}

/// The sink of the calls of a live run.
pub(super) struct Lines {
    pub(super) sink: Box<dyn Sink>,
    /// The output and its name, unless there is one for each thread: a table can share it.
    pub(super) output: Option<(Writer, String)>,
}

/// Opens the output of a live run.
///
/// # Errors
/// When it cannot be opened, or there is no such format.
pub(super) fn live_sink(
    options: LineOptions,
    destination: &Destination,
    output: &OutputArgs,
) -> Result<Lines, ExpectedError> {
    if let Some(format) = json_format(output)? {
        let (writer, name) = destination.open(output)?;
        return Ok(Lines {
            sink: Box::new(StraceJson::new(options, writer, &name, format)),
            output: None,
        });
    }
    let notices = Notices::stderr();
    if let Destination::Separate { base, append } = destination {
        let files = Outputs::<Writer>::Separate(SeparateFiles::new(base.clone(), *append));
        let lines = StraceLines::with_outputs(options, files, notices);
        return Ok(Lines {
            sink: Box::new(lines),
            output: None,
        });
    }
    let (writer, name) = destination.open(output)?;
    let column = Outputs::One(Column::new(writer.clone(), name.clone()));
    let lines = StraceLines::with_outputs(options, column, notices);
    Ok(Lines {
        sink: Box::new(lines),
        output: Some((writer, name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_strace() {
        assert_eq!(parse_overhead("5"), Ok(Duration::from_micros(5)));
        assert_eq!(parse_overhead("1.5ms"), Ok(Duration::from_micros(1500)));
        assert!(parse_overhead("foo").is_err() && parse_overhead("1m").is_err());
        assert_eq!(parse_columns_at("80"), Ok(ColumnsArg(Some(80))));
        assert!(parse_columns_at("foo").is_err() && parse_columns_at("1001").is_err());
        assert_eq!(parse_constants("raw"), Ok(Constants::Numbers));
        assert!(parse_constants("foo").is_err() && parse_escapes("foo").is_err());
        assert_eq!(parse_by("peer"), Ok(GroupBy::Peer));
        assert!(parse_by("foo").is_err());
    }
}
