//! Writes seeds for the fuzz targets: `fuzz-seeds DIRECTORY`. `cargo xtask fuzz` runs it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: fuzz-seeds DIRECTORY");
        return ExitCode::FAILURE;
    };
    let Some(place) = tracer_tests::place(true) else {
        return ExitCode::FAILURE;
    };
    match tracer_tests::hostile::write_seeds(&place, Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-seeds: {error}");
            ExitCode::FAILURE
        }
    }
}
