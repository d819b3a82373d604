//! Tests that cannot take place where they run.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that the current test, or a part of it, does not take place, and why.
///
/// `SKIPPED: REASON` goes to stderr. Where `TRACER_SKIPS` names a file, a line `FILE::TEST`, a
/// tab and the reason are appended to it: whoever runs the tests counts it, since the test itself
/// ends as one that passed.
///
/// # Panics
/// When the file cannot be written: a skip that nobody hears of would be a pass.
pub fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    let Some(file) = std::env::var_os("TRACER_SKIPS") else {
        return;
    };
    let line = format!("{}\t{}\n", current_test(), reason.replace('\n', " "));
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|e| panic!("TRACER_SKIPS={}: {e}", file.display()));
}

/// `FILE::TEST`: libtest names a test's thread after it, cargo ends a program's name with a hash.
fn current_test() -> String {
    let thread = std::thread::current();
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    format!(
        "{}::{}",
        without_hash(&stem),
        thread.name().unwrap_or("unknown")
    )
}

fn without_hash(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name
        }
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_test_is_named_as_its_file_and_function() {
        assert_eq!(
            current_test(),
            "tracer_tests::skip::tests::the_current_test_is_named_as_its_file_and_function"
        );
        assert_eq!(without_hash("strace-118d39d0155cd12f"), "strace");
        assert_eq!(without_hash("go-1"), "go-1");
    }
}
