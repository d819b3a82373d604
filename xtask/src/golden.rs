//! `cargo xtask golden`: the lines that strace prints for the calls of the decoders' lists.
//!
//! The lists in `tracer/src/syscall/golden` say which calls are made on which memory, and what each
//! is to return. The fixture `call_list` makes them; strace attaches to it while it waits, lets
//! none of them reach the kernel and injects the result instead. It can inject one at a time, so a
//! list is traced once for each result that occurs in it. What strace printed replaces the lines
//! that begin with `> `; everything else stays: the calls, our own lines where they differ (`< `),
//! and what stands there before a call returns (`~ `).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::machine::Machine;
use crate::{fixtures, setup, step, workspace};

/// The lists, and the version of strace whose lines they hold.
const LISTS: [&str; 3] = [
    "strace-6.1.txt",
    "strace-6.1-structures.txt",
    "strace-6.1-numbers.txt",
];
const VERSION: &str = "strace -- version 6.1";
/// Classes of calls, whose members are in a list of their own.
const CLASSES: [&str; 18] = [
    "%stat", "%statfs", "clock", "creds", "desc", "file", "fstat", "fstatfs", "ipc", "lstat",
    "memory", "net", "network", "process", "pure", "signal", "stat", "statfs",
];
const CLASS_LIST: &str = "strace-6.1-classes.txt";

/// How long the fixture or strace may take to get ready.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Say what would change, and fail if something would
    #[arg(long)]
    check: bool,
}

/// Traces the lists and writes what strace printed into them. Needs root, and strace 6.1.
///
/// # Errors
/// strace is another version or missing, a trace is not whole, or with `--check` something differs.
pub(crate) fn golden(options: &Options) -> Result<()> {
    check_version()?;
    setup::ensure()?;
    fixtures::build(Machine::X86_64, &[], false)?;
    let program = fixtures::directory(Machine::X86_64).join("c/call_list");
    let directory = workspace::root().join("tracer/src/syscall/golden");
    let mut changed = 0;
    for name in LISTS {
        let path = directory.join(name);
        let old = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let new = regenerate(&program, &path, &old)?;
        changed += write(&path, &old, &new, options)?;
    }
    let path = directory.join(CLASS_LIST);
    let old = fs::read_to_string(&path).unwrap_or_default();
    changed += write(&path, &old, &classes(&program, &directory)?, options)?;
    ensure!(
        !options.check || changed == 0,
        "{changed} lines are not those of {VERSION}; run `cargo xtask golden` without --check"
    );
    Ok(())
}

fn check_version() -> Result<()> {
    let output = Command::new("strace").arg("-V").output();
    let output = output.context("cannot run strace; install it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.starts_with(VERSION),
        "the lists hold lines of {VERSION}, this is {}",
        text.lines().next().unwrap_or("something else")
    );
    Ok(())
}

/// Writes a list if it changed; returns the number of lines that did.
fn write(path: &Path, old: &str, new: &str, options: &Options) -> Result<usize> {
    let pairs = new.lines().zip(old.lines());
    let differ: Vec<_> = pairs.filter(|(new, old)| new != old).collect();
    let longer = new.lines().count().abs_diff(old.lines().count());
    for (new, old) in differ.iter().take(20) {
        step::note(&format!("- {old}"));
        step::note(&format!("+ {new}"));
    }
    let changed = differ.len() + longer;
    println!("{}: {changed} lines changed", path.display());
    if changed > 0 && !options.check {
        fs::write(path, new)?;
    }
    Ok(changed)
}

/// The list with the lines that strace prints now.
fn regenerate(program: &Path, path: &Path, old: &str) -> Result<String> {
    let calls: Vec<&str> = old.lines().filter_map(call).collect();
    let results: BTreeSet<&str> = calls.iter().filter_map(|c| c.split(' ').nth(7)).collect();
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for result in results {
        let traced = trace(program, path, result)?;
        ensure!(
            traced.len() == calls.len(),
            "{} of {} calls in the trace with the result {result}",
            traced.len(),
            calls.len()
        );
        lines.insert(result, traced);
    }
    let (mut next, mut new) = (0, String::with_capacity(old.len()));
    for line in old.lines() {
        match line.strip_prefix("> ") {
            None => new += line,
            Some(_) => {
                let index: usize = next;
                let result = calls[index - 1].split(' ').nth(7).context("a result")?;
                new += "> ";
                new += &lines[result][index - 1];
            }
        }
        new.push('\n');
        next += usize::from(call(line).is_some());
    }
    Ok(new)
}

/// What follows the mark of a call: number, arguments and result.
fn call(line: &str) -> Option<&str> {
    line.strip_prefix("= ").or(line.strip_prefix("! "))
}

/// Lines of all calls of a list, each of which returns `result`.
fn trace(program: &Path, list: &Path, result: &str) -> Result<Vec<String>> {
    let injected = match result.parse::<i64>() {
        Ok(number) => format!("inject=all:retval={number}"),
        Err(_) => format!("inject=all:error={result}"),
    };
    run(program, list, &["-e", &injected])
}

/// The lines that strace with `options` prints for the calls of a list. On a busy machine it may
/// attach too late, so a trace without its marks is made again.
fn run(program: &Path, list: &Path, options: &[&str]) -> Result<Vec<String>> {
    const TRIES: u32 = 3;
    let mut tries = 1;
    loop {
        match between_marks(&run_once(program, list, options)?) {
            Err(error) if tries == TRIES => return Err(error.context(options.join(" "))),
            Err(_) => tries += 1,
            whole => return whole,
        }
    }
}

fn run_once(program: &Path, list: &Path, options: &[&str]) -> Result<String> {
    let directory = temporary_directory()?;
    let gate = directory.join("gate");
    let output = directory.join("trace");
    fs::write(&gate, [0; 4096])?;
    let mut fixture = Command::new(program)
        .arg(list)
        .arg(&gate)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let traced = attached(&mut fixture, &output, &gate, options);
    let _ = fixture.kill();
    let _ = fixture.wait();
    traced?;
    let text = fs::read_to_string(&output)?;
    let _ = fs::remove_dir_all(&directory);
    Ok(text)
}

fn temporary_directory() -> Result<PathBuf> {
    let name = format!("golden-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Attaches strace to the waiting fixture and opens its gate.
fn attached(fixture: &mut Child, output: &Path, gate: &Path, options: &[&str]) -> Result<()> {
    let pid = fixture.id();
    // The last thing it does before it waits is to close what it has open.
    wait_for("the fixture", || {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).map_or(usize::MAX, Iterator::count);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        open == 3 && maps.lines().any(|l| l.starts_with("10000000-"))
    })?;
    // It may still be in that call: what takes time after it is the wait.
    let begun = user_ticks(pid);
    wait_for("the fixture", || user_ticks(pid) > begun + 1)?;
    let said = output.with_extension("said");
    let mut strace = Command::new("strace")
        .args(options)
        .arg("-o")
        .arg(output)
        .args(["-p", &pid.to_string()])
        .env("TZ", "UTC")
        .stderr(fs::File::create(&said)?)
        .spawn()?;
    // It says so when it has asked the fixture to stop, which does so at once.
    let ready = wait_for("strace", || {
        fs::read_to_string(&said).is_ok_and(|said| said.contains("attached"))
    });
    sleep(Duration::from_millis(50));
    if let Err(error) = ready {
        let _ = strace.kill();
        return Err(error);
    }
    // The file is mapped: it is not to be shorter at any time.
    fs::OpenOptions::new()
        .write(true)
        .open(gate)?
        .write_all(&[1])?;
    strace.wait()?;
    Ok(())
}

/// CPU time that a process spent outside the kernel, in clock ticks (proc(5), field 14 of `stat`).
fn user_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().nth(11);
    ticks.and_then(|t| t.parse().ok()).unwrap_or(0)
}

fn wait_for(what: &str, ready: impl Fn() -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        if Instant::now() > end {
            bail!("{what} does not get ready");
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The calls between the fixture's two marks, without the marks of the injection.
fn between_marks(text: &str) -> Result<Vec<String>> {
    let calls = text
        .lines()
        .filter(|l| !l.starts_with("---") && !l.starts_with("+++"));
    let mut lines: Vec<String> = calls
        .map(|l| l.trim_end_matches(" (INJECTED)").to_owned())
        .collect();
    let is_mark = |l: Option<&String>| l.is_some_and(|l| l.starts_with("getppid()"));
    ensure!(
        is_mark(lines.first()) && is_mark(lines.last()),
        "the trace has no marks"
    );
    lines.pop();
    lines.remove(0);
    Ok(lines)
}

/// The members of each class: those of the calls in the list of numbers that fail as is asked for
/// the class. All others fail, too, with another error: none is carried out.
fn classes(program: &Path, directory: &Path) -> Result<String> {
    let list = directory.join("strace-6.1-numbers.txt");
    let mut text = String::from(
        "# Members of the classes of strace 6.1 on x86_64, of the calls in `strace-6.1-numbers.txt`.\n\
         # Made by tracing that list under `strace -e inject=%CLASS:error=...` for each class.\n",
    );
    for class in CLASSES {
        let chosen = format!("inject=%{class}:error=EPERM");
        let lines = run(
            program,
            &list,
            &["-e", "inject=all:error=ENOSYS", "-e", &chosen],
        )?;
        let chosen = lines.iter().filter(|l| l.contains(" = -1 EPERM "));
        let calls = chosen
            .filter_map(|l| l.split_once('('))
            .map(|(name, _)| name);
        let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let members: BTreeSet<&str> = calls.filter(is_name).collect();
        text += &format!("\n%{class}\n");
        for name in members {
            text += name;
            text.push('\n');
        }
    }
    Ok(text)
}
