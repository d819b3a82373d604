//! The kernel × test table, and what in it is not as expected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::capabilities;
use super::kernels::{Kernel, Matrix};
use super::results::{Report, Test, Verdict};

/// One kernel's guest.
#[derive(Clone, Debug)]
pub(super) struct Guest<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) report: Report,
    /// Seconds from QEMU's start to its end.
    pub(super) seconds: u64,
    /// Why it did not finish; `None` when it did.
    pub(super) failure: Option<String>,
}

/// Counts of one guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    excluded: usize,
}

/// Everything the user is told at the end.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// For people.
    pub(super) text: String,
    /// What is not as expected, one line each.
    pub(super) problems: Vec<String>,
}

/// Sums up the guests. `filters` chose the tests; without one all were to run, and every skip and
/// exclusion that kernels.toml names must have taken place.
pub(super) fn summarize(matrix: &Matrix, guests: &[Guest<'_>], filters: &[String]) -> Summary {
    let excluded: Vec<BTreeMap<&str, &str>> = guests
        .iter()
        .map(|guest| {
            let mut excluded = matrix.excluded(guest.kernel);
            excluded.retain(|name, _| filters.is_empty() || matches_one(name, filters));
            excluded
        })
        .collect();
    let mut text = table(guests, &excluded);
    text += &reasons(guests, &excluded);
    let mut problems = Vec::new();
    for guest in guests {
        problems.extend(problems_of(matrix, guest, filters.is_empty()));
    }
    Summary { text, problems }
}

fn matches_one(name: &str, filters: &[String]) -> bool {
    filters.iter().any(|filter| name.contains(filter.as_str()))
}

fn table(guests: &[Guest<'_>], excluded: &[BTreeMap<&str, &str>]) -> String {
    let mut names: BTreeSet<&str> = excluded.iter().flat_map(|e| e.keys().copied()).collect();
    for guest in guests {
        names.extend(guest.report.tests.keys().map(String::as_str));
        names.extend(guest.report.unfinished.as_deref());
    }
    let mut head = vec!["test".to_owned()];
    head.extend(guests.iter().map(|g| g.kernel.name.clone()));
    let mut rows = vec![head];
    for name in names {
        let mut row = vec![name.to_owned()];
        for (guest, excluded) in guests.iter().zip(excluded) {
            row.push(cell(guest, name, excluded.contains_key(name)));
        }
        rows.push(row);
    }
    for (label, value) in totals(guests, excluded) {
        rows.push(std::iter::once(label.to_owned()).chain(value).collect());
    }
    aligned(&rows)
}

fn cell(guest: &Guest<'_>, name: &str, excluded: bool) -> String {
    let Some(test) = guest.report.tests.get(name) else {
        let word = if excluded { "excluded" } else { "not run" };
        return word.to_owned();
    };
    let seconds = test.seconds;
    match test.verdict {
        Verdict::Fail => format!("FAILED {seconds} s"),
        Verdict::Timeout => format!("TIMEOUT {seconds} s"),
        Verdict::Pass if !test.skips.is_empty() => "skipped".to_owned(),
        Verdict::Pass if test.attempts > 1 => format!("flaky {seconds} s"),
        Verdict::Pass => format!("ok {seconds} s"),
    }
}

type Total = (&'static str, Vec<String>);

fn totals(guests: &[Guest<'_>], excluded: &[BTreeMap<&str, &str>]) -> Vec<Total> {
    let counts: Vec<Counts> = guests
        .iter()
        .zip(excluded)
        .map(|(guest, excluded)| counts(&guest.report, excluded.len()))
        .collect();
    let row = |count: fn(&Counts) -> usize| counts.iter().map(|c| count(c).to_string()).collect();
    let boot = |g: &Guest<'_>| match &g.report.booted {
        Some((_, seconds)) => format!("{seconds:.0} s"),
        None => "-".to_owned(),
    };
    let end = |g: &Guest<'_>| match g.failure {
        Some(_) => "NO".to_owned(),
        None => "yes".to_owned(),
    };
    vec![
        ("passed", row(|c| c.passed)),
        ("failed", row(|c| c.failed)),
        ("skipped", row(|c| c.skipped)),
        ("excluded", row(|c| c.excluded)),
        ("finished", guests.iter().map(end).collect()),
        ("boot", guests.iter().map(boot).collect()),
        (
            "all",
            guests.iter().map(|g| format!("{} s", g.seconds)).collect(),
        ),
    ]
}

fn counts(report: &Report, excluded: usize) -> Counts {
    let mut counts = Counts {
        excluded,
        ..Counts::default()
    };
    for test in report.tests.values() {
        match test.verdict {
            Verdict::Pass if test.skips.is_empty() => counts.passed += 1,
            Verdict::Pass => counts.skipped += 1,
            Verdict::Fail | Verdict::Timeout => counts.failed += 1,
        }
    }
    counts
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells.map(|(cell, &w)| format!("{cell:w$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Why tests were skipped or not run, each reason once.
fn reasons(guests: &[Guest<'_>], excluded: &[BTreeMap<&str, &str>]) -> String {
    let mut by_reason: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (guest, excluded) in guests.iter().zip(excluded) {
        let kernel = guest.kernel.name.as_str();
        for (name, why) in excluded {
            by_reason.entry((*name, *why)).or_default().insert(kernel);
        }
        for (name, test) in &guest.report.tests {
            for why in &test.skips {
                by_reason
                    .entry((name.as_str(), why.as_str()))
                    .or_default()
                    .insert(kernel);
            }
        }
    }
    if by_reason.is_empty() {
        return String::new();
    }
    let mut text = "\nskipped or excluded:\n".to_owned();
    for ((name, why), kernels) in by_reason {
        let kernels: Vec<&str> = kernels.into_iter().collect();
        let _ = writeln!(text, "  {name} ({}): {why}", kernels.join(", "));
    }
    text
}

fn problems_of(matrix: &Matrix, guest: &Guest<'_>, all_tests: bool) -> Vec<String> {
    let Guest { kernel, report, .. } = guest;
    let mut lines = Vec::new();
    if let Some(failure) = &guest.failure {
        lines.push(failure.clone());
    }
    if let Some((release, _)) = &report.booted {
        if *release != kernel.release {
            let wanted = &kernel.release;
            lines.push(format!("uname -r is {release}, kernels.toml has {wanted}"));
        }
        let differences = capabilities::differences(&matrix.doctor(kernel), &report.doctor);
        lines.extend(differences.into_iter().map(|d| format!("doctor: {d}")));
    }
    let skips = matrix.skips(kernel);
    for (name, test) in &report.tests {
        lines.extend(problem_of_test(
            skips.get(name.as_str()).copied(),
            name,
            test,
        ));
    }
    let is_run = |name: &str| report.tests.contains_key(name);
    if all_tests && guest.failure.is_none() {
        let stale = skips.keys().filter(|name| !is_run(name));
        lines.extend(
            stale.map(|n| format!("{n}: expected to be skipped, but there is no such test")),
        );
    }
    let name = &kernel.name;
    lines
        .into_iter()
        .map(|line| format!("{name}: {line}"))
        .collect()
}

/// `expected`: a part of the reason with which it is to skip itself.
fn problem_of_test(expected: Option<&str>, name: &str, test: &Test) -> Option<String> {
    match test.verdict {
        Verdict::Fail => return Some(format!("{name} failed: {}", telling(&test.said))),
        Verdict::Timeout => return Some(format!("{name} took longer than {} s", test.seconds)),
        Verdict::Pass => (),
    }
    let surprise = |why: &&String| expected.is_none_or(|wanted| !why.contains(wanted));
    if let Some(why) = test.skips.iter().find(surprise) {
        return Some(format!("{name} was skipped: {why}"));
    }
    if expected.is_some() && test.skips.is_empty() {
        return Some(format!("{name} was expected to be skipped, and passed"));
    }
    None
}

/// The line of a test's output that says why it failed.
fn telling(said: &str) -> String {
    let mut lines = said
        .lines()
        .skip_while(|line| !line.contains(" panicked at "));
    let line = lines.nth(1).or_else(|| said.lines().next_back());
    line.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [qemu]
        suites = []
        packages = []
        [doctor.checks]
        btf = "ok"
        [[busybox]]
        arch = "x86_64"
        suite = "s"
        package = "busybox-static"
        version = "1"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        file = "bin/busybox"
        [[kernel]]
        name = "6"
        arch = "x86_64"
        suite = "s"
        package = "p"
        version = "2"
        sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
        file = "boot/vmlinuz"
        release = "6.0-x"
        go = ["1.24.11"]
        excluded = { "a::never" = "too long" }
        skips = { "a::two" = "no cookies" }
    "#;

    const HEAD: &str = "BOOTED 6.0-x 4.2\nPLAN 2\n\
        DOCTOR {\"checks\": [{\"id\": \"btf\", \"status\": \"ok\", \"detail\": \"\"}], \
        \"features\": [], \"kernel_features\": [], \"commands\": []}\n";
    const ONE: &str = "TEST a::one\nRESULT a::one pass 1 3\n";
    const TWO: &str = "TEST a::two\nSKIP a::two no cookies here\nRESULT a::two pass 1 0\n";

    fn summary(text: &str, failure: Option<&str>) -> Summary {
        let matrix: Matrix = toml::from_str(FILE).expect("sound");
        let guest = Guest {
            kernel: matrix.kernel("6").expect("there"),
            report: Report::parse(text),
            seconds: 60,
            failure: failure.map(str::to_owned),
        };
        summarize(&matrix, &[guest], &[])
    }

    #[test]
    fn a_guest_as_expected_is_no_problem() {
        let summary = summary(&[HEAD, ONE, TWO, "EXIT=2\n"].concat(), None);
        assert!(summary.problems.is_empty(), "{:?}", summary.problems);
        let lines: Vec<&str> = summary.text.lines().collect();
        assert_eq!(
            lines,
            [
                "test      6",
                "a::never  excluded",
                "a::one    ok 3 s",
                "a::two    skipped",
                "passed    1",
                "failed    0",
                "skipped   1",
                "excluded  1",
                "finished  yes",
                "boot      4 s",
                "all       60 s",
                "",
                "skipped or excluded:",
                "  a::never (6): too long",
                "  a::two (6): no cookies here",
            ]
        );
    }

    #[test]
    fn each_surprise_is_a_problem() {
        let problems = |middle: &str, head: &str| {
            summary(&[head, middle, "EXIT=2\n"].concat(), None)
                .problems
                .join("|")
        };
        let failed = "TEST a::one\nOUT thread 'x' panicked at a.rs:1:\nOUT left is 1\nRESULT a::one fail 2 3\n";
        assert_eq!(
            problems(&(failed.to_owned() + TWO), HEAD),
            "6: a::one failed: left is 1"
        );
        let skipped = "TEST a::one\nSKIP a::one no root\nRESULT a::one pass 1 0\n";
        assert_eq!(
            problems(&(skipped.to_owned() + TWO), HEAD),
            "6: a::one was skipped: no root"
        );
        let other = TWO.replace("no cookies", "no bread");
        assert_eq!(
            problems(&(ONE.to_owned() + &other), HEAD),
            "6: a::two was skipped: no bread here"
        );
        let gained = "TEST a::two\nRESULT a::two pass 1 5\n";
        assert_eq!(
            problems(&(ONE.to_owned() + gained), HEAD),
            "6: a::two was expected to be skipped, and passed"
        );
        let both = ONE.to_owned() + TWO;
        let lost = HEAD.replace("\"ok\"", "\"missing\"");
        assert_eq!(
            problems(&both, &lost),
            "6: doctor: checks.btf: expected ok, is missing ()"
        );
        let booted = HEAD.replace("6.0-x", "6.1-y");
        assert_eq!(
            problems(&both, &booted),
            "6: uname -r is 6.1-y, kernels.toml has 6.0-x"
        );
    }

    #[test]
    fn a_guest_that_did_not_finish_is_a_problem_though_all_its_tests_passed() {
        let summary = summary(&[HEAD, ONE].concat(), Some("did not finish"));
        assert_eq!(summary.problems, ["6: did not finish"]);
        assert!(summary.text.contains("finished  NO"), "{}", summary.text);
    }
}
