//! What leaks, as text and as JSON.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::goroutine_json::GoroutineJson;
use super::goroutine_summary::write_stack;
use crate::analysis::goroutine_leaks::{LeakConfidence, LeakReport, Suspect};
use crate::go::goroutine::Code;
use crate::term::{ns, plural, rate};

/// Prints what is suspected, or that nothing is.
///
/// # Errors
/// Those of `out`.
pub fn write_leaks(out: &mut impl Write, code: &Code, report: &LeakReport) -> fmt::Result {
    let is_leak = |suspect: &&Suspect| suspect.confidence > LeakConfidence::Low;
    let leaks = report.suspects.iter().filter(is_leak).count() as u64;
    let verdict = match (leaks, report.suspects.len()) {
        (0, 0) => "no leak seen".to_owned(),
        (0, _) => "growth, but no leak seen".to_owned(),
        (leaks, _) => plural(leaks, "leak", "leaks"),
    };
    writeln!(
        out,
        "{verdict}: {} at first, {} at last, {} in {}",
        plural(report.first, "goroutine", "goroutines"),
        report.last,
        plural(report.looks as u64, "look", "looks"),
        ns(report.duration_ns),
    )?;
    let suspects = report.suspects.iter();
    suspects
        .clone()
        .try_for_each(|s| write_suspect(out, code, s))
}

fn write_suspect(out: &mut impl Write, code: &Code, suspect: &Suspect) -> fmt::Result {
    let (first, last) = suspect.ends();
    let what = match suspect.confidence {
        LeakConfidence::Low => "growth, perhaps no leak",
        _ => "leak",
    };
    writeln!(
        out,
        "\n{what} (confidence: {}): +{} [{}], {}: {first} at first, {last} at last",
        suspect.confidence.name(),
        suspect.growth(),
        state(suspect),
        rate(suspect.rate()),
    )?;
    for line in evidence(suspect) {
        writeln!(out, "  {line}")?;
    }
    write_stack(out, code, &suspect.member)
}

fn state(suspect: &Suspect) -> &str {
    let member = &suspect.member;
    let reason = member.wait_reason.as_deref();
    reason.unwrap_or(member.descriptor.status.name())
}

/// Why it is suspected, and why it may be no leak, in words.
fn evidence(suspect: &Suspect) -> Vec<String> {
    let mut lines = vec![format!(
        "{} came and {} left; of {} that stayed, {} have run since",
        suspect.came, suspect.left, suspect.stayed, suspect.ran
    )];
    let more = match suspect.confidence {
        LeakConfidence::Certain => "nothing can wake them",
        LeakConfidence::High => "they neither leave nor run",
        LeakConfidence::Medium if suspect.left == 0 => "look longer to be surer",
        LeakConfidence::Medium => {
            "most leave, these stay: slow ones would look the same for a while"
        }
        LeakConfidence::Low if suspect.ran != 0 => {
            "they run now and then: more to do looks the same"
        }
        LeakConfidence::Low => "more clients or work look the same: compare with the load",
    };
    lines.push(more.to_owned());
    lines
}

/// The same; times in ns.
#[must_use]
pub fn leaks_json(code: &Code, report: &LeakReport, now_ns: i64) -> Value {
    let suspect = |suspect: &Suspect| {
        json!({
            "confidence": suspect.confidence,
            "growth": suspect.growth(),
            "growth_per_second": suspect.rate(),
            "counts": suspect.counts,
            "came": suspect.came,
            "left": suspect.left,
            "stayed": suspect.stayed,
            "ran": suspect.ran,
            "evidence": evidence(suspect),
            "first": GoroutineJson::of(code, &suspect.member, now_ns),
        })
    };
    json!({
        "duration_ns": report.duration_ns,
        "looks": report.looks,
        "goroutines_at_first": report.first,
        "goroutines_at_last": report.last,
        "leaks": report.suspects.iter().filter(|s| s.confidence > LeakConfidence::Low).count(),
        "suspects": report.suspects.iter().map(suspect).collect::<Vec<_>>(),
    })
}
