//! What of the options of `tracer strace` goes with JSON.

use super::args::StraceArgs;
use super::destination::Destination;
use crate::cli::OutputArgs;
use crate::error::ExpectedError;
use crate::render::strace_json::JsonFormat;
use crate::render::strace_line::LineOptions;

/// Format of a trace of calls; `None` is lines.
///
/// # Errors
/// When it has no such format.
pub(super) fn json_format(output: &OutputArgs) -> Result<Option<JsonFormat>, ExpectedError> {
    Ok(
        match output.format("strace", &["text", "json", "ndjson"])? {
            "json" => Some(JsonFormat::Document),
            "ndjson" => Some(JsonFormat::Lines),
            _ => None,
        },
    )
}

/// Refuses what is made of lines.
///
/// # Errors
/// When an option asks for such a thing.
pub(super) fn check_json(
    args: &StraceArgs,
    options: &LineOptions,
    destination: &Destination,
) -> Result<(), ExpectedError> {
    let dumps = !options.dump_input.is_empty() || !options.dump_output.is_empty();
    let separate = matches!(destination, Destination::Separate { .. });
    let refused = [
        (
            separate,
            "-ff and --output-separately write lines, a file for each thread; every JSON object \
             has its tid: leave them out, or give --format text",
        ),
        (
            args.statistics.summary,
            "-C prints a table below lines, which is no JSON: give -c --format json for the table, \
             or leave it out for the calls",
        ),
        (
            dumps,
            "-e read= and -e write= print dumps below lines, which are no JSON: the data of a call \
             is in its arguments, -s 4096 shows more of it",
        ),
    ];
    match refused.into_iter().find(|(given, _)| *given) {
        Some((_, why)) => Err(ExpectedError::Usage(why.to_owned())),
        None => Ok(()),
    }
}
