//! The report as text.

use std::fmt::Write;

use super::report::{CheckResult, DoctorReport, ProcessReport, Status};
use crate::term::{Align, Columns, printable};

/// Tables of the checks and of the commands, with remedies below the checks.
#[must_use]
pub fn doctor_text(report: &DoctorReport) -> String {
    let mut text = checks("HOST", &report.checks);
    text += "\n";
    text += &checks("FEATURE", &report.features);
    if let Some(process) = &report.process {
        text += "\n";
        text += &checks(&title(process), &process.checks);
    }
    text += "\n";
    text += &commands(report);
    text
}

fn title(process: &ProcessReport) -> String {
    let facts = &process.facts;
    format!("PROCESS {} ({})", facts.pid, printable(&facts.comm))
}

fn checks(title: &str, checks: &[CheckResult]) -> String {
    let mut columns = Columns::new(&[Align::Left; 3]);
    columns.row([title, "", ""]);
    for check in checks {
        let verdict = &check.verdict;
        let word = verdict.status.word();
        columns.row([&*check.id, word, &*printable(&verdict.detail)]);
        if let Some(remedy) = &verdict.remedy {
            columns.row(["", "", &*format!("-> {}", printable(remedy))]);
        }
    }
    columns.to_string()
}

fn commands(report: &DoctorReport) -> String {
    let mut columns = Columns::new(&[Align::Left; 3]);
    columns.row(["COMMAND", "", ""]);
    for command in &report.commands {
        let (word, because) = match command.status {
            Status::Ok => ("works", ""),
            Status::Limited => ("limited", "by "),
            Status::Missing => ("no", "see "),
        };
        let why = format!("{because}{}", command.why.join(", "));
        columns.row([&*command.name, word, &*why]);
    }
    let mut text = columns.to_string();
    if report.process.is_none() {
        let _ = writeln!(text, "\n`tracer doctor -p PID` examines a process too");
    }
    text
}
