//! Files with expected text.

use std::path::{Path, PathBuf};

/// Compares `text` to `golden/NAME`. With `TRACER_BLESS=1` the file is written instead.
///
/// # Panics
/// When they differ; the message shows the first line that does.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    if std::env::var_os("TRACER_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&file, text).expect("golden files can be written");
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if expected == text {
        return;
    }
    let differs = expected
        .lines()
        .zip(text.lines())
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| expected.lines().count().min(text.lines().count()));
    panic!(
        "{} differs at line {}:\n expected: {:?}\n      got: {:?}\nTRACER_BLESS=1 accepts what it is now",
        file.display(),
        differs + 1,
        expected.lines().nth(differs),
        text.lines().nth(differs)
    );
}
