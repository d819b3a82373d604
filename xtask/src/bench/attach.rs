//! How long it takes from the start of tracer until all probes are attached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::figures::{Figure, Target, median, min};
use super::options::Pace;
use super::report::Part;
use super::setting::Setting;
use super::spawned::{Spawned, send};
use super::table::{Cell, Table, mib};
use crate::{interrupt, step};

/// For small programs, ms.
const SMALL: Target = Target::AtMost(150.0);

/// For a Go program of 100 MiB and more, ms.
const LARGE: Target = Target::AtMost(500.0);

/// What counts as large.
const LARGE_BYTES: u64 = 100 << 20;

/// Where large Go programs may be installed, and how deep to look.
const PLACES: &[&str] = &[
    "/usr/lib/google-cloud-sdk/bin",
    "/usr/local",
    "/usr/bin",
    "/opt",
];
const DEPTH: usize = 7;

/// Magic of the build information in every Go program (Go, src/debug/buildinfo/buildinfo.go).
const GO_BUILD_INFO: &[u8] = b"\xff Go buildinf:";

/// A process that stands still while tracers attach to it.
struct Still {
    process: Spawned,
    name: &'static str,
    path: PathBuf,
    commands: &'static [&'static str],
    target: Target,
}

/// Measures strace -c, profile and (for Go) gc on each program that is here.
///
/// # Errors
/// A fixture does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("attach time: start of tracer to its line `attached`");
    let all = ["strace -c", "profile", "gc"].as_slice();
    let mut targets = vec![
        still(
            "small C",
            setting.c("bench_loop"),
            &["1", "read"],
            &all[..2],
            SMALL,
        )?,
        still(
            "small Go",
            setting.go("benchloop"),
            &["1", "read"],
            all,
            SMALL,
        )?,
    ];
    match setting.large_go.clone().or_else(find_large_go) {
        Some(path) => match still("large Go", path, &[], all, LARGE) {
            Ok(target) => targets.push(target),
            Err(error) => part
                .notes
                .push(format!("large Go program left out: {error:#}")),
        },
        None => part.notes.push(
            "no Go program of 100 MiB or more was found here: give one with --large-go".to_owned(),
        ),
    }
    let mut table = Table::new(
        "ms; ordinary priority, program files in the page cache after the first run",
        &["program", "command", "min", "median", "runs"],
    );
    let samples = rounds(setting, pace, &targets, &mut part)?;
    for target in &targets {
        for command in target.commands {
            let of = |s: &&Sample| s.program == target.name && s.command == *command;
            let ms: Vec<f64> = samples.iter().filter(of).map(|s| s.ms).collect();
            table.push(vec![
                Cell::text(target.name),
                Cell::text(*command),
                Cell::maybe(min(&ms), 1, ""),
                Cell::maybe(median(&ms), 1, ""),
                Cell::count(ms.len()),
            ]);
            part.figures.extend(figure(target, command, &ms));
        }
        part.notes
            .push(format!("{}: {}", target.name, size_of(&target.path)));
    }
    part.tables.push(table);
    Ok(part)
}

/// One attach.
struct Sample {
    program: &'static str,
    command: &'static str,
    ms: f64,
}

fn rounds(
    setting: &Setting,
    pace: Pace,
    targets: &[Still],
    part: &mut Part,
) -> Result<Vec<Sample>> {
    let started = Instant::now();
    let mut samples = Vec::new();
    for round in 0..pace.rounds {
        let spent = started.elapsed();
        if round > 0 && spent + spent / u32::try_from(round)? > pace.budget {
            break;
        }
        for target in targets {
            for &command in target.commands {
                let tool = setting.tools.tracer(command);
                match tool.start(target.process.pid(), &setting.scratch_file()) {
                    Ok((mut process, took)) => {
                        samples.push(Sample {
                            program: target.name,
                            command,
                            ms: took.as_secs_f64() * 1e3,
                        });
                        process.interrupt(Duration::from_secs(5))?;
                    }
                    Err(error) => {
                        interrupt::check()?;
                        part.notes
                            .push(format!("{command} on {}: {error:#}", target.name));
                    }
                }
            }
        }
        step::note(&format!(
            "attach: round {} of {} at most",
            round + 1,
            pace.rounds
        ));
    }
    Ok(samples)
}

/// By the median: what people wait for.
fn figure(target: &Still, command: &str, ms: &[f64]) -> Option<Figure> {
    Some(Figure {
        name: format!("attach, tracer {command} on {}", target.name),
        value: median(ms)?,
        by_medians: None,
        unit: " ms",
        target: Some(target.target),
        below_noise: false,
    })
}

/// Starts a program and stops it once its runtime is up. A stopped process is attached to as any
/// other, and it works for every program, whatever that would do next.
fn still(
    name: &'static str,
    path: PathBuf,
    args: &[&str],
    commands: &'static [&'static str],
    target: Target,
) -> Result<Still> {
    let mut process = Spawned::start(Command::new(&path).args(args), &path.to_string_lossy())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    // A second thread is there when Go's runtime has started (its monitor), and in bench_loop.
    while threads(process.pid()) < 2 {
        if process.wait(Duration::ZERO)?.is_some() || Instant::now() > deadline {
            bail!("{} ends before it has a second thread", path.display());
        }
    }
    send(process.pid(), libc::SIGSTOP);
    Ok(Still {
        process,
        name,
        path,
        commands,
        target,
    })
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

fn size_of(path: &Path) -> String {
    let bytes = fs::metadata(path).map_or(0, |meta| meta.len());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{file}, {:.1} MiB", mib(bytes))
}

/// The smallest of those that are large enough.
fn find_large_go() -> Option<PathBuf> {
    let mut found = Vec::new();
    for place in PLACES {
        collect_large(Path::new(place), DEPTH, &mut found);
    }
    found.sort();
    let paths = found.into_iter().map(|(_, path)| path);
    paths.into_iter().find(|path| is_go(path).unwrap_or(false))
}

fn collect_large(dir: &Path, depth: usize, found: &mut Vec<(u64, PathBuf)>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() && depth > 0 {
            collect_large(&entry.path(), depth - 1, found);
        } else if meta.is_file() && meta.len() >= LARGE_BYTES && is_executable(&meta) {
            found.push((meta.len(), entry.path()));
        }
    }
}

fn is_executable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

fn is_go(path: &Path) -> Result<bool> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let elf = bytes.starts_with(b"\x7fELF");
    // The magic is aligned to 16 bytes.
    Ok(elf
        && bytes
            .chunks(16)
            .any(|chunk| chunk.starts_with(GO_BUILD_INFO)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_program_is_known_by_its_build_information() {
        let dir = std::env::temp_dir().join(format!("xtask-large-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("directory");
        let path = dir.join("program");
        let mut bytes = b"\x7fELF".to_vec();
        bytes.resize(64, 0);
        fs::write(&path, &bytes).expect("file");
        assert!(!is_go(&path).expect("read"));
        bytes.extend_from_slice(GO_BUILD_INFO);
        fs::write(&path, &bytes).expect("file");
        assert!(is_go(&path).expect("read"));
        fs::remove_dir_all(&dir).expect("clean up");
    }
}
