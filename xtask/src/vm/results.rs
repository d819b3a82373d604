//! What a guest reports, line by line:
//!
//! ```text
//! BOOTED RELEASE UPTIME
//! PLAN NUMBER-OF-TESTS
//! DOCTOR LINE-OF-JSON
//! TEST FILE::NAME
//! OUT LINE                      what a failing test said
//! SKIP FILE::NAME REASON
//! RESULT FILE::NAME pass|fail|timeout ATTEMPTS SECONDS
//! EXIT=NUMBER-OF-RESULTS
//! ```
//!
//! A report that does not end with `EXIT=`, or has not as many results as planned, is no result.

use std::collections::BTreeMap;

/// How long one test may take in a guest.
pub(super) const TEST_SECONDS: u32 = 600;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// Killed after [`TEST_SECONDS`].
    Timeout,
}

/// One test in one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) verdict: Verdict,
    /// 2 when it passed or failed only the second time.
    pub(super) attempts: u32,
    pub(super) seconds: u32,
    /// Why it, or a part of it, did not take place.
    pub(super) skips: Vec<String>,
    /// What it said when it failed.
    pub(super) said: String,
}

/// A guest's report as far as it got.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Report {
    /// `uname -r`, and seconds from the kernel's start to the first line.
    pub(super) booted: Option<(String, f64)>,
    pub(super) planned: Option<usize>,
    /// The JSON document of `tracer doctor`, and what it said besides.
    pub(super) doctor: String,
    pub(super) doctor_said: String,
    /// By `FILE::NAME`.
    pub(super) tests: BTreeMap<String, Test>,
    /// The test that had begun last and has no result.
    pub(super) unfinished: Option<String>,
    /// The number after `EXIT=`.
    exit: Option<usize>,
}

impl Report {
    /// Reads a report; lines that are none of the above are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut report = Self::default();
        let mut skips: Vec<String> = Vec::new();
        let mut said = String::new();
        // A line without its end is no line: it may be cut.
        for line in text
            .split_inclusive('\n')
            .filter_map(|l| l.strip_suffix('\n'))
        {
            let line = line.trim_end_matches('\r');
            if report.exit.is_some() {
                break;
            }
            if let Some(number) = line.strip_prefix("EXIT=") {
                report.exit = number.parse().ok();
                continue;
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "BOOTED" => report.booted = parse_booted(rest),
                "PLAN" => report.planned = rest.trim().parse().ok(),
                "DOCTOR" => report.doctor += &format!("{rest}\n"),
                "OUT" if report.unfinished.is_none() => report.doctor_said += &format!("{rest}\n"),
                "OUT" => said += &format!("{rest}\n"),
                "TEST" => {
                    report.unfinished = Some(rest.to_owned());
                    said.clear();
                    skips.clear();
                }
                "SKIP" => skips.extend(rest.split_once(' ').map(|(_, why)| why.to_owned())),
                "RESULT" => {
                    if let Some((name, mut test)) = parse_result(rest)
                        && report.unfinished.as_deref() == Some(name)
                    {
                        test.skips = std::mem::take(&mut skips);
                        test.said = std::mem::take(&mut said);
                        report.tests.insert(name.to_owned(), test);
                        report.unfinished = None;
                    }
                }
                _ => (),
            }
        }
        report
    }

    /// Whether the guest came to the end of its plan. Nothing else makes a report a result.
    pub(super) fn is_complete(&self) -> bool {
        let results = Some(self.tests.len());
        self.exit == results && self.planned == results && self.unfinished.is_none()
    }
}

fn parse_booted(rest: &str) -> Option<(String, f64)> {
    let (release, uptime) = rest.split_once(' ')?;
    Some((release.to_owned(), uptime.parse().ok()?))
}

fn parse_result(rest: &str) -> Option<(&str, Test)> {
    let [name, verdict, attempts, seconds] = rest.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let verdict = match verdict {
        "pass" => Verdict::Pass,
        "fail" => Verdict::Fail,
        "timeout" => Verdict::Timeout,
        _ => return None,
    };
    let test = Test {
        verdict,
        attempts: attempts.parse().ok()?,
        seconds: seconds.parse().ok()?,
        skips: Vec::new(),
        said: String::new(),
    };
    Some((name, test))
}

/// The exit status of a command that a guest ran, when its report is whole.
pub(super) fn command_status(text: &str) -> Option<i32> {
    let last = text.strip_suffix('\n')?.lines().next_back()?;
    last.trim_end_matches('\r')
        .strip_prefix("EXIT=")?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "BOOTED 6.12.1-x 4.25\nPLAN 3\nDOCTOR {\nDOCTOR }\n\
        TEST a::one\nRESULT a::one pass 1 3\n\
        TEST a::two\nOUT first line\nOUT second\nRESULT a::two fail 2 40\n\
        TEST b::three\nSKIP b::three no x here\nRESULT b::three pass 1 0\nEXIT=3\n";

    #[test]
    fn a_whole_report_has_every_test() {
        let report = Report::parse(WHOLE);
        assert!(report.is_complete());
        assert_eq!(report.booted, Some(("6.12.1-x".to_owned(), 4.25)));
        assert_eq!(report.doctor, "{\n}\n");
        assert_eq!(report.tests["a::one"].verdict, Verdict::Pass);
        let two = &report.tests["a::two"];
        assert_eq!(
            (two.verdict, two.attempts, two.seconds),
            (Verdict::Fail, 2, 40)
        );
        assert_eq!(two.said, "first line\nsecond\n");
        assert_eq!(report.tests["b::three"].skips, ["no x here"]);
        assert_eq!(Report::parse(&WHOLE.replace('\n', "\r\n")), report);
    }

    #[test]
    fn a_report_cut_anywhere_is_not_complete() {
        for end in 0..WHOLE.len() {
            assert!(!Report::parse(&WHOLE[..end]).is_complete(), "cut at {end}");
        }
    }

    #[test]
    fn a_report_that_lacks_a_line_is_not_complete() {
        let lines: Vec<&str> = WHOLE.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let without: String = lines
                .iter()
                .enumerate()
                .filter(|(j, _)| i != *j)
                .map(|(_, l)| format!("{l}\n"))
                .collect();
            let needed = ["PLAN", "TEST", "RESULT", "EXIT="];
            if needed.iter().any(|word| line.starts_with(word)) {
                assert!(!Report::parse(&without).is_complete(), "without {line}");
            }
        }
    }

    #[test]
    fn a_test_that_hangs_is_named() {
        let report = Report::parse("BOOTED r 1.0\nPLAN 2\nTEST a::one\nOUT half a li");
        assert_eq!(report.unfinished.as_deref(), Some("a::one"));
        assert!(!report.is_complete());
    }

    #[test]
    fn results_of_tests_that_never_began_do_not_count() {
        let report = Report::parse("PLAN 1\nRESULT a::one pass 1 3\nEXIT=1\n");
        assert!(report.tests.is_empty());
        assert!(!report.is_complete());
        let odd = "PLAN 1\nTEST a::one\nRESULT a::one maybe 1 3\nEXIT=1\n";
        assert!(!Report::parse(odd).is_complete());
    }

    #[test]
    fn a_commands_status_is_the_last_line() {
        assert_eq!(
            command_status("BOOTED r 1\nCOMMAND\nEXIT=5 said it\nEXIT=0\n"),
            Some(0)
        );
        assert_eq!(command_status("COMMAND\nEXIT=13\r\n"), Some(13));
        assert_eq!(command_status("COMMAND\nEXIT=1"), None);
        assert_eq!(command_status("COMMAND\nhello\n"), None);
        assert_eq!(command_status(""), None);
    }
}
