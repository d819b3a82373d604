//! All time of threads: how it adds up, by thread and by function.

use std::io::{self, Write};

use super::{
    StackText, clean, count, cut, duration, file_name, peek, percent, tail, write_footers,
    write_truncated,
};
use crate::render::{StackBy, StackOutput};
use crate::report::{WallFunction, WallProfile, WallThread, WallTime};

/// Threads of the table.
const THREADS: usize = 20;
/// Columns besides a function's name, a short module included.
const OTHER_COLUMNS: usize = 68;
/// Share of its time that a thread without work is idle.
const IDLE: f64 = 0.95;
/// How far the times of a thread may be from its elapsed time without a word.
const TOLERANCE: f64 = 0.01;

/// Writes threads, then functions by own time, unless the options ask for one of them.
pub(super) fn write(
    profile: &WallProfile,
    output: &StackOutput,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = output.text;
    writeln!(out, "{}", headline(profile))?;
    writeln!(out, "{}", parts(profile))?;
    if profile.one_in != 1 {
        writeln!(out, "estimated: not every switch was measured to the end")?;
    }
    if let Some(regex) = &output.peek {
        writeln!(out)?;
        peek::write(&profile.tree, regex, text, out)?;
    } else if !profile.threads.is_empty() {
        if output.by != Some(StackBy::Function) {
            write_threads(profile, text, out)?;
        }
        if output.by != Some(StackBy::Thread) {
            write_functions(profile, text, out)?;
        }
    }
    for line in doubts(profile) {
        writeln!(out, "{line}")?;
    }
    write_footers(&profile.run, out)?;
    write_truncated(profile.truncated, profile.run.roots.stacks, out)
}

/// How many threads, how long, and how much of that is found again.
fn headline(profile: &WallProfile) -> String {
    let threads = &profile.threads;
    let accounted = percent(profile.accounted.sum_ns(), profile.elapsed_ns);
    let duration_ns = profile.run.duration_ns;
    let whole = |t: &WallThread| is_near(t.elapsed_ns, duration_ns);
    let elapsed = if threads.iter().all(whole) {
        format!("{} each", duration(duration_ns))
    } else {
        format!("{} together", duration(profile.elapsed_ns))
    };
    format!(
        "threads {}, elapsed {elapsed}, accounted {accounted}",
        threads.len()
    )
}

fn parts(profile: &WallProfile) -> String {
    let time = &profile.accounted;
    let all = profile.elapsed_ns;
    let part = |ns, what| format!("{} {what} ({})", duration(ns), percent(ns, all));
    let mut text = [
        part(time.on_cpu_ns, "on the CPU"),
        part(time.runnable_ns, "runnable"),
        part(time.blocked_ns, "blocked"),
    ]
    .join(", ");
    if profile.idle_ns > 0 {
        text += &format!(", of which {}", part(profile.idle_ns, "in idle Go threads"));
    }
    let sum = time.sum_ns();
    match all.checked_sub(sum) {
        Some(0) => {}
        Some(missing) => text += &format!("; {}", part(missing, "missing")),
        None => text += &format!("; {}", part(sum - all, "too much")),
    }
    text
}

fn is_near(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 <= b as f64 * TOLERANCE
}

fn is_idle(thread: &WallThread) -> bool {
    thread.idle_ns > 0 && thread.idle_ns as f64 >= thread.time.sum_ns() as f64 * IDLE
}

fn write_threads(profile: &WallProfile, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>9} {:>9} {:>9} {:>9} {:>7}  THREAD",
        "ELAPSED", "ON CPU", "RUNNABLE", "BLOCKED", "SUM%"
    )?;
    let row = |elapsed, time: &WallTime, name: &str| {
        let row = format!(
            "{:>9} {:>9} {:>9} {:>9} {:>7}  {name}",
            duration(elapsed),
            duration(time.on_cpu_ns),
            duration(time.runnable_ns),
            duration(time.blocked_ns),
            percent(time.sum_ns(), elapsed),
        );
        cut(&row, text.width)
    };
    let (idle, busy): (Vec<&WallThread>, Vec<_>) = profile.threads.iter().partition(|t| is_idle(t));
    let shown = busy.len().min(THREADS);
    for thread in &busy[..shown] {
        let name = format!("{}/{}", clean(&thread.comm), thread.tid);
        writeln!(out, "{}", row(thread.elapsed_ns, &thread.time, &name))?;
    }
    for (threads, one, many) in [
        (&busy[shown..], "more thread", "more threads"),
        (&idle[..], "idle Go thread", "idle Go threads"),
    ] {
        if threads.is_empty() {
            continue;
        }
        let mut time = WallTime::default();
        threads.iter().for_each(|t| time.add(&t.time));
        let elapsed = threads.iter().map(|t| t.elapsed_ns);
        let elapsed = elapsed.fold(0, u64::saturating_add);
        let name = count(threads.len() as u64, one, many);
        writeln!(out, "{}", row(elapsed, &time, &name))?;
    }
    Ok(())
}

fn write_functions(profile: &WallProfile, text: StackText, out: &mut dyn Write) -> io::Result<()> {
    let rows = profile.functions.iter().filter(|f| f.own.sum_ns() > 0);
    let rows: Vec<&WallFunction> = rows.collect();
    let shown = &rows[..rows.len().min(text.top)];
    let widest = text.width.saturating_sub(OTHER_COLUMNS).max(20);
    let names = shown.iter().map(|f| tail(&clean(&f.frame.name), widest));
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let width = width.max("FUNCTION".len());
    writeln!(
        out,
        "\n{:>6} {:>9} {:>9} {:>9} {:>9} {:>7}  {:width$}  MODULE",
        "SELF%", "SELF", "ON CPU", "RUNNABLE", "BLOCKED", "TOTAL%", "FUNCTION"
    )?;
    let all = profile.accounted.sum_ns();
    for (function, name) in shown.iter().zip(&names) {
        let module = function.frame.module.as_deref();
        let module = module.map_or_else(String::new, |path| clean(file_name(path)));
        let own = &function.own;
        let row = format!(
            "{:>6} {:>9} {:>9} {:>9} {:>9} {:>7}  {name:width$}  {module}",
            percent(own.sum_ns(), all),
            duration(own.sum_ns()),
            duration(own.on_cpu_ns),
            duration(own.runnable_ns),
            duration(own.blocked_ns),
            percent(function.total_ns, all),
        );
        writeln!(out, "{}", cut(row.trim_end(), text.width))?;
    }
    let hidden = &rows[shown.len()..];
    if !hidden.is_empty() {
        let own = hidden.iter().map(|f| f.own.sum_ns());
        let share = percent(own.fold(0, u64::saturating_add), all);
        let hidden = count(hidden.len() as u64, "more function", "more functions");
        writeln!(out, "{hidden} with {share} of the time as SELF")?;
    }
    Ok(())
}

/// Why the sum may not be all, as far as it is known.
fn doubts(profile: &WallProfile) -> Vec<String> {
    let mut lines = Vec::new();
    let unknown = profile.threads.iter().filter(|t| t.elapsed_ns == 0).count();
    if unknown > 0 {
        let threads = count(unknown as u64, "thread was", "threads were");
        lines.push(format!(
            "{threads} not timed: times on the CPU are estimated from samples"
        ));
    }
    let is_off = |t: &&WallThread| t.elapsed_ns > 0 && !is_near(t.time.sum_ns(), t.elapsed_ns);
    let off = profile.threads.iter().filter(is_off).count();
    if off > 0 {
        let threads = count(off as u64, "thread differs", "threads differ");
        lines.push(format!(
            "{threads} from the elapsed time by more than 1 %: see SUM%"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frame, FrameKind, ProfileRun, StackTree, Unit};

    fn thread(tid: u32, on: u64, blocked: u64, idle_ns: u64) -> WallThread {
        WallThread {
            pid: 7,
            tid,
            comm: "work".to_owned(),
            elapsed_ns: 10_000_000_000,
            time: WallTime {
                on_cpu_ns: on * 1_000_000,
                runnable_ns: 0,
                blocked_ns: blocked * 1_000_000,
            },
            idle_ns: idle_ns * 1_000_000,
            samples: 1,
        }
    }

    fn profile(threads: Vec<WallThread>) -> WallProfile {
        let mut accounted = WallTime::default();
        threads.iter().for_each(|t| accounted.add(&t.time));
        WallProfile {
            run: ProfileRun {
                duration_ns: 10_000_000_000,
                ..ProfileRun::default()
            },
            elapsed_ns: threads.iter().map(|t| t.elapsed_ns).sum(),
            accounted,
            one_in: 1,
            idle_ns: threads.iter().map(|t| t.idle_ns).sum(),
            samples: 3,
            truncated: 0,
            sample_hz: 99,
            functions: vec![WallFunction {
                frame: Frame {
                    name: "main.work".to_owned(),
                    module: Some("/bin/work".to_owned()),
                    kind: FrameKind::Go,
                    inlined: false,
                    file: None,
                    line: None,
                    code: None,
                },
                own: accounted,
                total_ns: accounted.sum_ns(),
            }],
            thread_totals: Vec::new(),
            by_thread: Vec::new(),
            threads,
            tree: StackTree::new(Unit::Nanoseconds),
        }
    }

    #[test]
    fn the_sum_is_compared_with_the_elapsed_time() {
        let profile = profile(vec![
            thread(8, 4_000, 6_000, 0),
            thread(9, 1_000, 8_000, 0),
            thread(10, 0, 10_000, 10_000),
            thread(11, 100, 9_900, 9_900),
        ]);
        let mut text = Vec::new();
        write(&profile, &StackOutput::default(), &mut text).expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "threads 4, elapsed 10.00 s each, accounted 97.5%\n\
             5.10 s on the CPU (12.8%), 0 runnable (0.0%), 33.90 s blocked (84.8%), of which \
             19.90 s in idle Go threads (49.8%); 1.00 s missing (2.5%)\n\
             \n\
             \x20 ELAPSED    ON CPU  RUNNABLE   BLOCKED    SUM%  THREAD\n\
             \x20 10.00 s    4.00 s         0    6.00 s  100.0%  work/8\n\
             \x20 10.00 s    1.00 s         0    8.00 s   90.0%  work/9\n\
             \x20 20.00 s  100.0 ms         0   19.90 s  100.0%  2 idle Go threads\n\
             \n\
             \x20SELF%      SELF    ON CPU  RUNNABLE   BLOCKED  TOTAL%  FUNCTION   MODULE\n\
             100.0%   39.00 s    5.10 s         0   33.90 s  100.0%  main.work  work\n\
             1 thread differs from the elapsed time by more than 1 %: see SUM%\n"
        );
    }

    #[test]
    fn nothing_to_account_for() {
        let mut text = Vec::new();
        write(&profile(Vec::new()), &StackOutput::default(), &mut text).expect("memory");
        let text = String::from_utf8(text).expect("text");
        assert!(
            text.starts_with("threads 0, elapsed 10.00 s each, accounted 0.0%\n"),
            "{text}"
        );
    }
}
