//! Times as users type them.

use std::time::Duration;

const UNITS: [(&str, f64); 8] = [
    ("", 1.0),
    ("s", 1.0),
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Longest time taken: a year.
const MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("{text:?} is no time: it must begin with a number, as in 500ms, 10s, 2m, 1h")]
    NoNumber { text: String },
    #[error("{text:?} is no time: unknown unit {unit:?}; use ns, us, ms, s, m or h")]
    UnknownUnit { text: String, unit: String },
    #[error("{text:?} is no time to run for: it must be longer than 0")]
    Zero { text: String },
    #[error("{text:?} is too long: at most a year (8760h)")]
    TooLong { text: String },
}

/// Parses a time such as `500ms`, `10s`, `1.5m` or `2h`; a number without a unit is seconds.
///
/// # Errors
/// When it is no time, 0, or longer than a year.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    let text = || trimmed.to_owned();
    let digits = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let number: f64 = number
        .parse()
        .map_err(|_| DurationError::NoNumber { text: text() })?;
    let unit = unit.trim_start();
    let &(_, seconds) =
        UNITS
            .iter()
            .find(|u| u.0 == unit)
            .ok_or_else(|| DurationError::UnknownUnit {
                text: text(),
                unit: unit.to_owned(),
            })?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(Duration::ZERO) => Err(DurationError::Zero { text: text() }),
        Ok(duration) if duration <= MAX => Ok(duration),
        _ => Err(DurationError::TooLong { text: text() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_and_mistakes() {
        for (text, want) in [
            ("500ms", Duration::from_millis(500)),
            ("10s", Duration::from_secs(10)),
            ("10", Duration::from_secs(10)),
            ("2m", Duration::from_secs(120)),
            ("1.5h", Duration::from_secs(5400)),
            (" .5 s ", Duration::from_millis(500)),
            ("250us", Duration::from_micros(250)),
            ("8760h", MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("", "\"\" is no time: it must begin with a number"),
            ("-1s", "\"-1s\" is no time: it must begin with a number"),
            ("1.2.3s", "\"1.2.3s\" is no time: it must begin with"),
            ("10x", "\"10x\" is no time: unknown unit \"x\"; use ns"),
            ("1m30s", "\"1m30s\" is no time: unknown unit \"m30s\""),
            ("0s", "\"0s\" is no time to run for"),
            ("8761h", "\"8761h\" is too long"),
            ("99999999999999999999999999h", "\"9999999"),
        ] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert!(duration > Duration::ZERO && duration <= MAX);
            }
        }

        #[test]
        fn whole_milliseconds_are_exact(ms in 1u64..10_000_000) {
            prop_assert_eq!(parse_duration(&format!("{ms}ms")), Ok(Duration::from_millis(ms)));
        }
    }
}
