//! Go executables built by the project's fixture task, for tests.

use std::path::PathBuf;

/// Real executables under `$TRACER_FIXTURES/go/VERSION/`.
///
/// Prints why there are none, so that a skipped test says so.
pub(crate) fn executables(test: &str) -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("TRACER_FIXTURES") else {
        eprintln!("{test}: skipped, TRACER_FIXTURES is not set");
        return Vec::new();
    };
    let mut found = Vec::new();
    let list = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    for version in list(PathBuf::from(root).join("go")) {
        // Dot files are the fixture task's own notes.
        let files = list(version.path())
            .filter(|file| !file.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|file| file.path());
        found.extend(files.filter(|path| path.is_file()));
    }
    if found.is_empty() {
        eprintln!("{test}: skipped, TRACER_FIXTURES holds no Go executable");
    }
    found.sort();
    found
}
