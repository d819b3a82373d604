//! Tables of a profile: by function, by thread, by CPU.

use std::io::{self, Write};

use super::{StackText, Whole, clean, count, cut, file_name, function_name, tail};
use crate::report::{CpuTotal, CreatorTotal, FunctionTotal, ThreadTotal, Unit};

/// Columns of a table of functions besides the function's name, a short module included.
const OTHER_COLUMNS: usize = 53;

/// Functions with own and total values.
pub(super) fn write_functions(
    functions: &[FunctionTotal],
    of: Whole,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = &functions[..functions.len().min(text.top)];
    let widest = text.width.saturating_sub(OTHER_COLUMNS).max(20);
    let names: Vec<String> = shown
        .iter()
        .map(|f| tail(&function_name(&f.frame), widest))
        .collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let width = width.max("FUNCTION".len());
    let header = format!(
        "{:>7} {:>8} {:>7} {:>8}  {:width$}  MODULE",
        "SELF%", "SELF", "TOTAL%", "TOTAL", "FUNCTION"
    );
    writeln!(out, "{header}")?;
    for (function, name) in shown.iter().zip(&names) {
        let row = function_row(function, name, of, width);
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    let hidden = &functions[shown.len()..];
    if !hidden.is_empty() {
        let own = hidden.iter().map(|f| f.own).sum();
        let share = of.share(own);
        let of_what = match of.unit {
            Unit::Samples => "samples",
            Unit::Nanoseconds => "blocked time",
            Unit::Bytes => "bytes",
        };
        let hidden = count(hidden.len() as u64, "more function", "more functions");
        writeln!(out, "{hidden} with {share} of {of_what} as SELF")?;
    }
    Ok(())
}

fn function_row(function: &FunctionTotal, name: &str, of: Whole, width: usize) -> String {
    let module = function.frame.module.as_deref();
    let module = module.map_or_else(String::new, |path| clean(file_name(path)));
    let row = format!(
        "{:>7} {:>8} {:>7} {:>8}  {name:width$}  {module}",
        of.share(function.own),
        of.amount(function.own),
        of.share(function.total),
        of.amount(function.total),
    );
    row.trim_end().to_owned()
}

/// Threads of all processes.
pub(super) fn write_threads(
    threads: &[ThreadTotal],
    of: Whole,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    let value = value_heading(of);
    writeln!(
        out,
        "{:>7} {value:>8} {:>7} {:>7}  THREAD",
        "SHARE", "PID", "TID"
    )?;
    for thread in threads.iter().take(text.top) {
        let row = format!(
            "{:>7} {:>8} {:>7} {:>7}  {}",
            of.share(thread.value),
            of.amount(thread.value),
            thread.pid,
            thread.tid,
            clean(&thread.comm),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    let hidden = threads.get(text.top..).unwrap_or_default();
    if !hidden.is_empty() {
        let share = of.share(hidden.iter().fold(0, |n, t| n.saturating_add(t.value)));
        let hidden = count(hidden.len() as u64, "more thread", "more threads");
        writeln!(out, "{hidden} with {share}")?;
    }
    Ok(())
}

/// Who made the goroutines that ran.
pub(super) fn write_creators(
    creators: &[CreatorTotal],
    of: Whole,
    text: StackText,
    out: &mut dyn Write,
) -> io::Result<()> {
    if creators.is_empty() {
        return writeln!(out, "who made the goroutines that ran is not recorded");
    }
    writeln!(out, "{:>7} {:>8}  MADE BY", "SHARE", value_heading(of))?;
    for total in creators.iter().take(text.top) {
        let row = format!(
            "{:>7} {:>8}  {}",
            of.share(total.value),
            of.amount(total.value),
            clean(&total.creator),
        );
        writeln!(out, "{}", cut(&row, text.width))?;
    }
    let hidden = creators.get(text.top..).unwrap_or_default();
    if !hidden.is_empty() {
        let share = of.share(hidden.iter().fold(0, |n, c| n.saturating_add(c.value)));
        let hidden = count(hidden.len() as u64, "more creator", "more creators");
        writeln!(out, "{hidden} with {share}")?;
    }
    Ok(())
}

/// The CPUs on which the target was seen.
pub(super) fn write_cpus(cpus: &[CpuTotal], of: Whole, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:>7} {:>8}  CPU", "SHARE", value_heading(of))?;
    for cpu in cpus {
        let share = of.share(cpu.value);
        writeln!(out, "{share:>7} {:>8}  {}", of.amount(cpu.value), cpu.cpu)?;
    }
    Ok(())
}

fn value_heading(of: Whole) -> &'static str {
    match of.unit {
        Unit::Samples => "SAMPLES",
        Unit::Nanoseconds => "BLOCKED",
        Unit::Bytes => "BYTES",
    }
}
