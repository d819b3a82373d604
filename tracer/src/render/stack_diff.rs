//! Two profiles side by side: a table of growth, stacks with two values, a picture of both.

use std::collections::BTreeMap;
use std::io::{self, Write};

use inferno::flamegraph::{self, Options};

use super::stack_format::{folded_lines, function_label};
use crate::analysis::{FunctionChange, StackDiff, scale_to};
use crate::report::{StackProfile, Unit};

/// Two profiles of one kind and what they are called.
#[derive(Debug)]
pub struct DiffOutput<'a> {
    pub before: &'a StackProfile,
    pub after: &'a StackProfile,
    /// Usually names of recordings.
    pub names: [String; 2],
    /// Rows of the table.
    pub top: usize,
    /// Columns of the table.
    pub width: usize,
}

/// Writes one format of a comparison.
pub type WriteDiff = fn(&DiffOutput<'_>, &mut dyn Write) -> io::Result<()>;

/// The formats of a comparison, the default first.
pub const DIFF_FORMATS: &[(&str, WriteDiff)] = &[
    ("text", write_text),
    ("svg", write_svg),
    ("folded", write_folded),
    ("json", write_json),
];

fn write_json(diff: &DiffOutput<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &StackDiff::of(diff.before, diff.after))?;
    writeln!(out)
}

/// Functions by growth of their own time.
fn write_text(shown: &DiffOutput<'_>, out: &mut dyn Write) -> io::Result<()> {
    let diff = StackDiff::of(shown.before, shown.after);
    writeln!(
        out,
        "{}: {:.1}% before, {:.1}% after ({:+.1})",
        title(shown.after),
        diff.before_percent,
        diff.after_percent,
        diff.after_percent - diff.before_percent,
    )?;
    writeln!(
        out,
        "\n{:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  FUNCTION",
        "SELF", "BEFORE", "AFTER", "TOTAL", "BEFORE", "AFTER"
    )?;
    for change in diff.functions.iter().take(shown.top) {
        let row: String = row(change).chars().take(shown.width).collect();
        writeln!(out, "{}", row.trim_end())?;
    }
    let hidden = diff.functions.len().saturating_sub(shown.top);
    if hidden > 0 {
        let functions = if hidden == 1 { "function" } else { "functions" };
        writeln!(out, "{hidden} more {functions} that changed less")?;
    }
    Ok(())
}

fn row(change: &FunctionChange) -> String {
    format!(
        "{:>+8.2} {:>7.2}% {:>7.2}% {:>+8.2} {:>7.2}% {:>7.2}%  {}",
        change.own_change(),
        change.own_before,
        change.own_after,
        change.total_change(),
        change.total_before,
        change.total_after,
        function_label(&change.frame),
    )
}

/// `STACK BEFORE AFTER`, the first scaled to the time that the second covers.
fn write_folded(shown: &DiffOutput<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (stack, [before, after]) in lines(shown) {
        writeln!(out, "{stack} {before} {after}")?;
    }
    Ok(())
}

/// The second profile, red where it has more than the first and blue where it has less. What is
/// gone has no width.
fn write_svg(shown: &DiffOutput<'_>, out: &mut dyn Write) -> io::Result<()> {
    let lines: Vec<String> = lines(shown)
        .into_iter()
        .filter(|(_, values)| *values != [0, 0])
        .map(|(stack, [before, after])| format!("{stack} {before} {after}"))
        .collect();
    if lines.iter().all(|line| line.ends_with(" 0")) {
        let why = "nothing is left in the second profile that could be drawn";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut options = Options::default();
    options.title = format!("{}: growth", title(shown.after));
    let [before, after] = &shown.names;
    options.subtitle = Some(format!(
        "{after} as wide as it is, red where more than in {before}, blue where less"
    ));
    options.count_name = match shown.after.tree().unit {
        Unit::Samples => "samples".to_owned(),
        Unit::Nanoseconds => "µs".to_owned(),
        Unit::Bytes => "bytes".to_owned(),
    };
    options.deterministic = true;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), out)
}

/// Both values of each stack.
fn lines(shown: &DiffOutput<'_>) -> BTreeMap<String, [u64; 2]> {
    let scale = scale_to(shown.before, shown.after);
    let mut lines: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (stack, value) in folded_lines(shown.before.tree()) {
        lines.entry(stack).or_default()[0] = (value as f64 * scale).round() as u64;
    }
    for (stack, value) in folded_lines(shown.after.tree()) {
        lines.entry(stack).or_default()[1] = value;
    }
    lines
}

const fn title(profile: &StackProfile) -> &'static str {
    match profile {
        StackProfile::OnCpu(_) => "CPU time in percent of one CPU",
        StackProfile::OffCpu(_) => "blocked time in percent of one thread",
        StackProfile::Wall(_) => "time in percent of one thread",
        StackProfile::Goroutines(_) => "time in percent of one goroutine",
        StackProfile::Heap(_) => "memory in percent of all",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stack_tests::{on_cpu_profile, whole_run};

    fn shown(format: &str) -> String {
        let before = on_cpu_profile(&whole_run());
        let mut events = whole_run();
        let more = events[1].clone();
        events.splice(1..1, [more.clone(), more]);
        let after = on_cpu_profile(&events);
        let diff = DiffOutput {
            before: &before,
            after: &after,
            names: ["a.trc".to_owned(), "b.trc".to_owned()],
            top: 2,
            width: 100,
        };
        let mut out = Vec::new();
        let row = DIFF_FORMATS.iter().find(|f| f.0 == format);
        row.expect("a format").1(&diff, &mut out).expect("memory is writable");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn growth_as_text() {
        let want = "\
CPU time in percent of one CPU: 4.0% before, 5.1% after (+1.0)

    SELF   BEFORE    AFTER    TOTAL   BEFORE    AFTER  FUNCTION
   +1.01    1.52%    2.53%    +1.01    3.03%    4.04%  main.work; x (app)
   +0.00    0.00%    0.00%    +1.01    3.54%    4.55%  main.main (app)
6 more functions that changed less
";
        assert_eq!(shown("text"), want);
    }

    #[test]
    fn growth_as_stacks_and_picture() {
        let folded = shown("folded");
        assert!(
            folded.contains("app;runtime.main;main.main;main.work:_x 2 4\n"),
            "{folded}"
        );
        assert!(folded.contains("main.inner_[i] 1 1\n"), "{folded}");
        let svg = shown("svg");
        assert!(svg.contains("(7 samples, 70.00%; +20.00%)"), "{svg}");
        let json: serde_json::Value = serde_json::from_str(&shown("json")).expect("JSON");
        assert_eq!(json["functions"][0]["name"], "main.work; x");
    }
}
