//! The man pages: the command line's definition in man(7), one page for each command.
//!
//! What `--help` has is not written twice: examples, options and overhead come from the same
//! definition. Only what a page has besides (exit status, files, environment) is here.

use clap::{Arg, ArgAction, Command, CommandFactory};
use roff::{Inline, Roff, bold, italic, roman};

use super::Cli;
use super::version::COMMIT_DATE;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManPage {
    /// Name of its file, for instance `tracer-strace.1`.
    pub file: String,
    /// Its text in the man(7) macros.
    pub text: String,
}

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done. After -- CMD it is the command's own status."),
    ("1", "A result could not be produced, or not written."),
    ("2", "The command line makes no sense."),
    ("3", "Not permitted, or the kernel refuses."),
    ("4", "There is no such target."),
    (
        "5",
        "The target cannot be read that way; it is no Go program, for instance.",
    ),
    ("6", "An input file is bad."),
];

const FILES: &[(&str, &str)] = &[
    (
        "/sys/kernel/btf/vmlinux",
        "The kernel's types, without which nothing can be traced.",
    ),
    (
        "/proc/PID/exe, /proc/PID/maps, /proc/PID/mem",
        "What the target runs, where it is mapped, and its memory. They are only read.",
    ),
    ("/proc/kallsyms", "Names of the kernel's functions."),
    (
        "/var/cache/tracer/prices.json",
        "What each probe costs on this host, measured once for each kernel and CPU.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "No colors, whatever the terminal can."),
    ("TZ", "Time zone of the times of day that strace -t prints."),
];

/// All pages: of `tracer`, and of each command that its help lists.
#[must_use]
pub fn man_pages() -> Vec<ManPage> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut commands = Vec::new();
    collect(&root, &mut commands);
    let names: Vec<String> = commands.iter().map(|c| page_name(c)).collect();
    commands.iter().map(|c| page(c, &names)).collect()
}

fn collect<'a>(command: &'a Command, into: &mut Vec<&'a Command>) {
    into.push(command);
    for part in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        collect(part, into);
    }
}

fn page_name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command, all: &[String]) -> ManPage {
    let name = page_name(command);
    let mut roff = Roff::new();
    title(&mut roff, &name);
    name_and_synopsis(&mut roff, command, &name);
    description(&mut roff, command);
    if command.has_subcommands() {
        commands(&mut roff, command);
    }
    options(&mut roff, command);
    examples(&mut roff, command);
    overhead(&mut roff, command);
    table(&mut roff, "EXIT STATUS", EXIT_STATUS);
    let root = command.get_name() == name;
    if root || command.get_arguments().any(|a| a.get_id() == "pid") {
        table(&mut roff, "FILES", FILES);
    }
    if root {
        table(&mut roff, "ENVIRONMENT", ENVIRONMENT);
    }
    see_also(&mut roff, &name, all);
    ManPage {
        file: format!("{name}.1"),
        text: roff.render(),
    }
}

/// man(7): `.TH TITLE SECTION DATE SOURCE MANUAL`.
fn title(roff: &mut Roff, name: &str) {
    let title = name.to_uppercase();
    // An empty argument would be left out, and the next one taken for the date.
    let date = COMMIT_DATE.unwrap_or("undated");
    let source = concat!("tracer ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [title.as_str(), "1", date, source, "User Commands"]);
}

fn about(command: &Command) -> String {
    let text = command.get_about().map(ToString::to_string);
    text.unwrap_or_default()
}

/// The usage names the options as `[OPTIONS]`: there are too many for one line.
fn name_and_synopsis(roff: &mut Roff, command: &Command, name: &str) {
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {}", about(command)))]);
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    let name = command.get_bin_name().unwrap_or_default();
    for (index, line) in usage.lines().enumerate() {
        if index > 0 {
            roff.control("br", []);
        }
        let line = line.trim_start_matches("Usage:").trim();
        let rest = line.strip_prefix(name).unwrap_or(line);
        roff.text([bold(name), roman(rest)]);
    }
}

/// What the command tells, and what its help says at the end besides the overhead: how to read
/// the result.
fn description(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(format!("{}.", about(command)))]);
    let after = after_help(command);
    for text in after.split("\n\n") {
        if !text.is_empty() && !text.starts_with("Overhead:") && !text.starts_with("Exit codes:") {
            roff.control("PP", []);
            paragraph(roff, text);
        }
    }
}

fn commands(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["COMMANDS"]);
    for part in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        roff.control("TP", []);
        roff.text([bold(page_name(part)), roman("(1)")]);
        roff.text([roman(about(part))]);
    }
}

fn options(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["OPTIONS"]);
    for arg in command.get_arguments().filter(|a| !a.is_hide_set()) {
        roff.control("TP", []);
        roff.text(option_head(arg));
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        let more = values_text(arg) + &default_text(arg);
        roff.text([roman(format!("{help}.{more}"))]);
    }
}

/// `-o, --output FILE`, the value in italics.
fn option_head(arg: &Arg) -> Vec<Inline> {
    let short = arg.get_short().map(|s| format!("-{s}"));
    let long = arg.get_long().map(|l| format!("--{l}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let mut head = vec![bold(names.join(", "))];
    if matches!(arg.get_action(), ArgAction::Count) {
        head.push(roman("..."));
    }
    if arg.get_num_args().is_some_and(|n| n.takes_values()) {
        let gap = if names.is_empty() { "" } else { " " };
        let value = arg.get_value_names().unwrap_or_default().join(" ");
        head.extend([roman(gap), italic(value)]);
    }
    head
}

fn default_text(arg: &Arg) -> String {
    let takes = arg.get_num_args().is_some_and(|n| n.takes_values());
    let values: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|v| v.to_string_lossy().into_owned())
        .collect();
    if !takes || values.is_empty() || arg.is_hide_default_value_set() {
        return String::new();
    }
    format!(" Default: {}.", values.join(","))
}

/// ` One of strace (Every system call), profile, ...`
fn values_text(arg: &Arg) -> String {
    let takes = arg.get_num_args().is_some_and(|n| n.takes_values());
    let values = arg.get_possible_values();
    if !takes || values.is_empty() || arg.is_hide_possible_values_set() {
        return String::new();
    }
    let shown = values.iter().filter(|v| !v.is_hide_set());
    let names: Vec<String> = shown
        .map(|v| match v.get_help() {
            Some(help) => format!("{} ({help})", v.get_name()),
            None => v.get_name().to_owned(),
        })
        .collect();
    format!(" One of {}.", names.join(", "))
}

fn after_help(command: &Command) -> String {
    let text = command.get_after_help().map(ToString::to_string);
    text.unwrap_or_default()
}

/// Text is filled; what has indented lines is a table and stays as it is.
fn paragraph(roff: &mut Roff, text: &str) {
    if text.lines().any(|l| l.starts_with(' ')) {
        verbatim(roff, text.lines());
        return;
    }
    for line in text.lines() {
        roff.text([roman(line)]);
    }
}

fn verbatim<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn overhead(roff: &mut Roff, command: &Command) {
    let after = after_help(command);
    let text = after
        .split("\n\n")
        .find_map(|t| t.strip_prefix("Overhead: "));
    if let Some(text) = text {
        roff.control("SH", ["OVERHEAD"]);
        paragraph(roff, text);
    }
}

fn examples(roff: &mut Roff, command: &Command) {
    let before = command.get_before_help().map(ToString::to_string);
    let Some(text) = before else { return };
    roff.control("SH", ["EXAMPLES"]);
    let lines = text.lines().skip(1);
    verbatim(roff, lines.map(|l| l.strip_prefix("  ").unwrap_or(l)));
}

fn table(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

fn see_also(roff: &mut Roff, name: &str, all: &[String]) {
    let ours = all.iter().map(String::as_str);
    let mut line: Vec<Inline> = Vec::new();
    for other in ours.filter(|o| *o != name).chain(["strace", "perf"]) {
        let comma = if line.is_empty() { "" } else { ", " };
        line.extend([roman(comma), bold(other), roman("(1)")]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &str) -> String {
        let page = man_pages().into_iter().find(|p| p.file == file);
        page.expect("a page").text
    }

    #[test]
    fn every_listed_command_has_a_page_with_all_sections() {
        let pages = man_pages();
        let root = Cli::command();
        for command in root.get_subcommands().filter(|c| !c.is_hide_set()) {
            let file = format!("tracer-{}.1", command.get_name());
            assert!(pages.iter().any(|p| p.file == file), "{file}");
            let page = text(&file);
            for title in [
                "SYNOPSIS",
                "OPTIONS",
                "EXAMPLES",
                "OVERHEAD",
                "\"EXIT STATUS\"",
            ] {
                assert!(page.contains(&format!(".SH {title}\n")), "{file}: {title}");
            }
        }
        assert!(text("tracer.1").contains(".SH ENVIRONMENT\n"));
        assert!(!pages.iter().any(|p| p.file.contains("-help")));
    }

    #[test]
    fn a_page_says_what_the_help_says() {
        let page = text("tracer-gc.1");
        assert!(
            page.contains("tracer gc \\-p 812 \\-d 1m \\-\\-trigger"),
            "{page}"
        );
        assert!(
            page.contains("\\fB\\-\\-trigger\\fR\nAppend why each cycle began."),
            "{page}"
        );
        assert!(page.contains(".SH OVERHEAD\ntwo probe hits"), "{page}");
        assert!(page.contains("\\fBtracer\\-report\\-gc\\fR(1)"), "{page}");
    }

    /// The exit codes of the help are the ones of the pages.
    #[test]
    fn exit_codes_are_those_of_the_help() {
        for (code, _) in EXIT_STATUS {
            assert!(
                super::super::EXIT_CODES.contains(&format!("{code} ")),
                "{code}"
            );
        }
        assert_eq!(EXIT_STATUS.len(), 7);
    }
}
