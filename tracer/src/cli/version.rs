//! What `tracer --version` says.

use std::sync::LazyLock;

/// The commit a release was built from: `cargo xtask dist` sets it. A plain build has none, so
/// that not every commit compiles the crate anew.
const COMMIT: Option<&str> = option_env!("TRACER_COMMIT");

/// Day of that commit, `YYYY-MM-DD`.
pub(super) const COMMIT_DATE: Option<&str> = option_env!("TRACER_COMMIT_DATE");

/// `0.1.0`, or `0.1.0 (0e1075e9a1c4 2026-11-20)` of a release.
#[must_use]
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| text(env!("CARGO_PKG_VERSION"), COMMIT, COMMIT_DATE));
    &TEXT
}

fn text(number: &str, commit: Option<&str>, date: Option<&str>) -> String {
    let source: Vec<&str> = commit.into_iter().chain(date).collect();
    if source.is_empty() {
        return number.to_owned();
    }
    format!("{number} ({})", source.join(" "))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_release_names_its_commit() {
        assert_eq!(text("0.1.0", None, None), "0.1.0");
        assert_eq!(text("0.1.0", Some("0e1075e"), None), "0.1.0 (0e1075e)");
        assert_eq!(
            text("0.1.0", Some("0e1075e"), Some("2026-11-20")),
            "0.1.0 (0e1075e 2026-11-20)"
        );
    }
}
