//! `--flight`: lines or objects are kept, and written when something happens.

use std::time::Duration;

use super::destination::{Destination, Writer};
use super::json::json_format;
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::render::flight::{
    Dumps, FlightRecorder, FormedLines, Kept, Limits, Requests, TextDumps,
};
use crate::render::strace_json::{JsonDumps, JsonFormat, StraceJson, Written};
use crate::render::strace_line::{Column, LineOptions, Notices, Outputs, StraceLines};
use crate::session::DumpSignal;
use crate::sink::Sink;
use crate::term::parse_duration;

/// Memory for what is kept, unless another size is given.
const DEFAULT_BYTES: usize = 64 << 20;
/// Less would hold hardly a call.
const MIN_BYTES: u64 = 64 << 10;

/// The value of `--flight`: `TIME[,SIZE]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    window: Duration,
    bytes: usize,
}

/// Reads `10s` or `10s,256M`.
pub(super) fn parse_flight(text: &str) -> Result<Flight, String> {
    let (time, size) = match text.split_once(',') {
        Some((time, size)) => (time, Some(size)),
        None => (text, None),
    };
    Ok(Flight {
        window: parse_duration(time).map_err(|e| e.to_string())?,
        bytes: size.map_or(Ok(DEFAULT_BYTES), parse_size)?,
    })
}

/// A number of bytes, or of KiB, MiB or GiB with `K`, `M` or `G`.
fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is no size: use a number with K, M or G, at least 64K");
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) if text.ends_with('K') => (number, 10),
        Some(number) if text.ends_with('M') => (number, 20),
        Some(number) => (number, 30),
        None => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(1 << shift).filter(|b| *b >= MIN_BYTES);
    bytes
        .and_then(|b| usize::try_from(b).ok())
        .ok_or_else(wrong)
}

/// Opens the output of a live run whose lines are kept.
///
/// # Errors
/// When it cannot be opened, the format is none of lines, or each thread has a file.
pub(super) fn flight_sink(
    options: LineOptions,
    flight: Flight,
    destination: &Destination,
    output: &OutputArgs,
) -> Result<Box<dyn Sink>, ExpectedError> {
    if let Destination::Separate { .. } = destination {
        return Err(ExpectedError::Usage(
            "--flight and a file for each thread (-ff) exclude each other: leave out one"
                .to_owned(),
        ));
    }
    let limits = Limits {
        window_ns: u64::try_from(flight.window.as_nanos()).unwrap_or(u64::MAX),
        bytes: flight.bytes,
    };
    let kept = match options.asks_processes() {
        true => Kept::Lines,
        false => Kept::Events,
    };
    let format = json_format(output)?;
    let signal = DumpSignal::listen()?;
    let requests: Requests = Box::new(move || signal.take());
    let (writer, name) = destination.open(output)?;
    let formed = FormedLines::default();
    let (inner, dumps) = match format {
        Some(format) => objects(options, &formed, (writer, &name), format),
        None => lines(options, &formed, (writer, &name)),
    };
    let sink = FlightRecorder::new((limits, kept), inner, formed, dumps, requests);
    Ok(Box::new(sink))
}

/// What forms that which is kept, and what writes it.
type Parts = (Box<dyn Sink>, Box<dyn Dumps>);

fn lines(options: LineOptions, formed: &FormedLines, (out, name): (Writer, &str)) -> Parts {
    let column = Outputs::One(Column::new(formed.clone(), "memory".to_owned()));
    let lines = StraceLines::with_outputs(options, column, Notices::none());
    (Box::new(lines), Box::new(TextDumps::new(out, name)))
}

fn objects(
    options: LineOptions,
    formed: &FormedLines,
    (out, name): (Writer, &str),
    format: JsonFormat,
) -> Parts {
    let written = Written::default();
    let objects = StraceJson::for_dumps(options, formed.clone(), written.clone());
    let dumps = JsonDumps::new(out, name, format, written);
    (Box::new(objects), Box::new(dumps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_perhaps_a_size() {
        let flight = |seconds, bytes| {
            Ok(Flight {
                window: Duration::from_secs(seconds),
                bytes,
            })
        };
        assert_eq!(parse_flight("10s"), flight(10, 64 << 20));
        assert_eq!(parse_flight("2m,256M"), flight(120, 256 << 20));
        assert_eq!(parse_flight("1s,65536"), flight(1, 65536));
        assert_eq!(parse_flight("1s,2G"), flight(1, 2 << 30));
        for wrong in [
            "",
            "0s",
            "10s,",
            "10s,M",
            "10s,63K",
            "10s,99999999999G",
            "10s,1T",
        ] {
            assert!(parse_flight(wrong).is_err(), "{wrong}");
        }
    }
}
