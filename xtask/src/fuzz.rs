//! `cargo xtask fuzz`: libFuzzer on everything that reads what others wrote.
//!
//! The targets are the programs of `tests/fuzz`, which is a workspace of its own since it needs a
//! nightly compiler: the one that compiles the BPF programs. What a run found is kept below the
//! target directory: `fuzz/corpus` grows from run to run, `fuzz/artifacts` has inputs that failed,
//! `fuzz-log` the output of each run and one line about it in `runs.tsv`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::bpf_toolchain::{Toolchain, isolate};
use crate::machine::Machine;
use crate::{cargo_install, fixtures, host, pins, privilege, setup, step, workspace};

/// Longest input in bytes: what `tracer_tests::hostile` makes its bounds for.
const MAX_LEN: usize = 64 << 10;
/// Longest input of targets whose work grows faster than what it finds.
const SHORT: &[(&str, usize)] = &[("replay", 4 << 10), ("doctor", 4 << 10), ("filter", 512)];
/// Memory of the fuzzing process, MiB.
const MEMORY_MIB: u32 = 2048;
/// Time for one input. The symbolizer's process has 30 s a request, and is asked twice again after
/// failures.
const INPUT_TIME_S: u32 = 20;
const APART_TIME_S: u32 = 100;

/// This one shows that the process that is made to be sacrificed is: a sanitizer's shadow memory
/// would exceed its limits.
const APART: &str = "symbolize";
/// A library that is known to fail; its failures are seeds of [`APART`].
const LIBRARY: &str = "blazesym";

/// What to fuzz, and for how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A target; all of them, one after the other, without it
    target: Option<String>,
    /// Time for each target: 10s, 30m, 2h
    #[arg(default_value = "30m", value_parser = parse_time)]
    time: Duration,
    /// Print the targets and what was run so far
    #[arg(long)]
    list: bool,
    /// Run the programs as they are, without building them
    #[arg(long)]
    no_build: bool,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("not a time: write it as 10s, 30m or 2h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|e| format!("not a time: {e}"))?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// Builds and runs the targets.
///
/// # Errors
/// Something does not build, or a target failed on an input; all targets run all the same.
pub(crate) fn fuzz(options: &Options) -> Result<()> {
    let targets = targets()?;
    if options.list {
        print!("{}", table(&targets)?);
        return Ok(());
    }
    let (chosen, time) = options.choice(&targets)?;
    let toolchain = setup::ensure()?;
    if !options.no_build {
        build(&toolchain, &chosen)?;
        seed()?;
    }
    let mut failed = Vec::new();
    for target in &chosen {
        if !run(target, time)? {
            failed.push(target.as_str());
        }
    }
    print!("{}", table(&targets)?);
    if !failed.is_empty() {
        bail!("inputs were found that fail: {}", failed.join(" "));
    }
    Ok(())
}

impl Options {
    /// The targets to run and the time for each. A time alone is for all of them.
    fn choice(&self, targets: &[String]) -> Result<(Vec<String>, Duration)> {
        match &self.target {
            None => Ok((targets.to_vec(), self.time)),
            Some(name) if targets.contains(name) => Ok((vec![name.clone()], self.time)),
            Some(word) => match parse_time(word) {
                Ok(time) => Ok((targets.to_vec(), time)),
                Err(_) => bail!("no target {word}; there are: {}", targets.join(" ")),
            },
        }
    }
}

fn directory() -> PathBuf {
    workspace::root().join("tests/fuzz")
}

/// Where corpora, artifacts and programs are.
fn work() -> PathBuf {
    workspace::target().join("fuzz")
}

fn logs() -> PathBuf {
    workspace::target().join("fuzz-log")
}

/// The programs of `tests/fuzz`, by name.
fn targets() -> Result<Vec<String>> {
    let dir = directory().join("fuzz_targets");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}

fn sanitizer(target: &str) -> &'static str {
    if target == APART { "none" } else { "address" }
}

fn program(target: &str) -> PathBuf {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let dir = work().join("build").join(sanitizer(target)).join(triple);
    dir.join("release").join(target)
}

fn build(toolchain: &Toolchain, chosen: &[String]) -> Result<()> {
    let cargo_fuzz = cargo_install::installed("cargo-fuzz", pins::CARGO_FUZZ, "about 1 min")?;
    for kind in ["address", "none"] {
        let these: Vec<&String> = chosen
            .iter()
            .filter(|name| sanitizer(name) == kind)
            .collect();
        // With several, all: cargo-fuzz takes one name or none.
        let only = if let [name] = these[..] {
            Some(name)
        } else {
            None
        };
        if !these.is_empty() {
            build_with(toolchain, &cargo_fuzz, kind, only)?;
        }
    }
    Ok(())
}

fn build_with(
    toolchain: &Toolchain,
    cargo_fuzz: &Path,
    sanitizer: &str,
    only: Option<&String>,
) -> Result<()> {
    let bin = toolchain.sysroot.join("bin");
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&rest)))?;
    let mut command = Command::new(cargo_fuzz);
    isolate(&mut command);
    command
        .args(["fuzz", "build", "--sanitizer", sanitizer, "--fuzz-dir"])
        .arg(directory())
        .arg("--target-dir")
        .arg(work().join("build").join(sanitizer))
        .args(only)
        .env("CARGO", toolchain.cargo())
        .env("RUSTC", toolchain.rustc())
        .env("PATH", path)
        .current_dir(workspace::root());
    let what = format!("building the fuzz targets, sanitizer {sanitizer} (some minutes at first)");
    step::run_logged(
        &what,
        &mut command,
        &logs().join(format!("build-{sanitizer}.log")),
    )
}

/// Makes seeds of recordings and other real things, once.
fn seed() -> Result<()> {
    let corpus = work().join("corpus");
    if corpus.exists() {
        return Ok(());
    }
    if !privilege::is_root() {
        step::note("SKIPPED: seeds made of recordings: recording needs root; small ones are there");
        return Ok(());
    }
    fixtures::build(Machine::HOST, pins::GO_VERSIONS, false)?;
    let tracer = host::build_tracer(false)?;
    let mut cargo = host::cargo();
    cargo
        .args([
            "run",
            "--quiet",
            "--package",
            "tracer-tests",
            "--bin",
            "fuzz-seeds",
            "--",
        ])
        .arg(&corpus)
        .env("TRACER_BIN", tracer)
        .env("TRACER_FIXTURES", fixtures::directory(Machine::HOST));
    step::run(&mut cargo).context("no seeds were made")
}

/// Runs one target; false when it failed on an input.
fn run(target: &str, time: Duration) -> Result<bool> {
    let (corpus, artifacts) = (work().join("corpus").join(target), artifacts(target));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    fs::create_dir_all(logs())?;
    if target == APART {
        adopt(&self::artifacts(LIBRARY), &corpus)?;
    }
    let before = count(&artifacts);
    let log = logs().join(format!("{target}.log"));
    let mut command = command(target, time, &corpus, &artifacts);
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    step::note(&format!(
        "{target}: {} s (log: {})",
        time.as_secs(),
        log.display()
    ));
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .with_context(|| format!("cannot run {}", program(target).display()))?;
    let findings = count(&artifacts).saturating_sub(before);
    remember(&Run::of(target, started.elapsed(), findings, &log)?)?;
    if target == LIBRARY || status.success() {
        return Ok(true);
    }
    step::note(&format!(
        "{target} FAILED: inputs are in {}; {} FILE shows one again",
        artifacts.display(),
        program(target).display()
    ));
    Ok(false)
}

fn artifacts(target: &str) -> PathBuf {
    work().join("artifacts").join(target)
}

fn command(target: &str, time: Duration, corpus: &Path, artifacts: &Path) -> Command {
    let short = SHORT.iter().find(|(name, _)| *name == target);
    let max_len = short.map_or(MAX_LEN, |(_, len)| *len);
    let input_time = if target == APART {
        APART_TIME_S
    } else {
        INPUT_TIME_S
    };
    let mut command = Command::new(program(target));
    command
        .arg(format!("-max_total_time={}", time.as_secs()))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-timeout={input_time}"))
        .arg(format!("-max_len={max_len}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .arg("-use_value_profile=1")
        .env("TRACER_FIXTURES", fixtures::directory(Machine::HOST));
    let dictionary = directory().join(format!("dictionaries/{target}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    if target == LIBRARY {
        command.args([
            "-fork=1",
            "-ignore_crashes=1",
            "-ignore_timeouts=1",
            "-ignore_ooms=1",
        ]);
    }
    command.arg(corpus);
    // The library reads what the process reads.
    let surface = if target == LIBRARY { APART } else { target };
    let committed = ["seeds", "regressions"].map(|kind| directory().join(kind).join(surface));
    command.args(committed.into_iter().filter(|dir| dir.is_dir()));
    command
}

/// Inputs that made the library fail, for the process that must survive them.
fn adopt(from: &Path, corpus: &Path) -> Result<()> {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        fs::copy(entry.path(), corpus.join(entry.file_name()))?;
    }
    Ok(())
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

/// One run of a target, a line of `runs.tsv`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Run {
    target: String,
    seconds: u64,
    executions: u64,
    /// Edges of the control flow graph reached, seeds included.
    edges: u64,
    findings: u64,
}

impl Run {
    fn of(target: &str, time: Duration, findings: usize, log: &Path) -> Result<Self> {
        let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        Ok(Self {
            target: target.to_owned(),
            seconds: time.as_secs(),
            executions: executions(&text),
            edges: last_number(&text, "cov: ").unwrap_or(0),
            findings: findings as u64,
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let target = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse().ok();
        Some(Self {
            target,
            seconds: number()?,
            executions: number()?,
            edges: number()?,
            findings: number()?,
        })
    }
}

/// libFuzzer's own count, or the number before the last line of progress.
fn executions(log: &str) -> u64 {
    let stated = last_number(log, "stat::number_of_executed_units: ");
    let progress = || {
        let line = log.lines().rfind(|line| line.starts_with('#'))?;
        let digits = line[1..].split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    };
    stated.or_else(progress).unwrap_or(0)
}

/// The number behind the last `key`.
fn last_number(text: &str, key: &str) -> Option<u64> {
    let rest = text[text.rfind(key)? + key.len()..].trim_start();
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn remember(run: &Run) -> Result<()> {
    let path = logs().join("runs.tsv");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(
        file,
        "{}\t{}\t{}\t{}\t{}",
        run.target, run.seconds, run.executions, run.edges, run.findings
    )?;
    Ok(())
}

/// Sums of all runs by target.
fn table(targets: &[String]) -> Result<String> {
    let text = fs::read_to_string(logs().join("runs.tsv")).unwrap_or_default();
    let runs: Vec<Run> = text.lines().filter_map(Run::parse).collect();
    let mut out = format!(
        "{:<14}{:>9}{:>14}{:>9}{:>10}\n",
        "target", "minutes", "executions", "edges", "findings"
    );
    for target in targets {
        let own = || runs.iter().filter(|run| run.target == *target);
        out += &format!(
            "{:<14}{:>9.1}{:>14}{:>9}{:>10}\n",
            target,
            own().map(|run| run.seconds).sum::<u64>() as f64 / 60.0,
            own().map(|run| run.executions).sum::<u64>(),
            own().map(|run| run.edges).max().unwrap_or(0),
            own().map(|run| run.findings).sum::<u64>(),
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(parse_time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_time("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(parse_time("2h"), Ok(Duration::from_secs(7200)));
        for text in ["", "10", "m", "1d", "-1s", "1.5h"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_log_gives_its_figures() {
        let log = "#2\tINITED cov: 7 ft: 8\n#4096\tpulse  cov: 12 ft: 20 corp: 3\n";
        assert_eq!(
            (executions(log), last_number(log, "cov: ")),
            (4096, Some(12))
        );
        let done = format!("{log}stat::number_of_executed_units: 5000\n");
        assert_eq!(executions(&done), 5000);
        assert_eq!(executions("no progress"), 0);
    }

    #[test]
    fn every_target_has_seeds_or_makes_them() {
        for target in targets().expect("the directory is there") {
            let seeds = directory().join("seeds").join(&target);
            assert!(
                target == LIBRARY || count(&seeds) > 0,
                "{target} has no seed"
            );
        }
    }
}
