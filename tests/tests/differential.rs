//! Compares our traces with those of strace itself, program by program.
//!
//! Two runs of one program differ by themselves. Before lines are compared,
//! - addresses (five hex digits and more) become `ADDR`, ids of the traced processes `PID`;
//! - times, inode and device numbers, usage figures, random bytes, what is read from a map of the
//!   address space and the sizes of large directories become `#`;
//! - readings of clocks are left out: there are none where the kernel's clock can be read without
//!   a call;
//! - signals and the returns from their handlers stand after the calls, once each: when one
//!   arrives, and how many become one, is for the scheduler to say.
//!
//! Both run without address randomisation, which some allocators act upon.
//!
//! The sizes of large directories, because we copy no more than 4 KiB of a list, and say `123+
//! entries`. The one other difference allowed is a string or structure that we show as its address:
//! it lay on a page that the program had not touched when the call began, and that the kernel did
//! not touch either before it ended. How few lines may have one is said here.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use regex_lite::Regex;
use tracer_tests::{Line, Place, Running, equal_but_cold, place, skip, whole_calls};

/// Of all lines of a program, the share in percent that may show an address for what was not in
/// memory. None does on a machine that keeps up: calls that last long are not waited for.
const COLD_PERCENT: usize = 1;

/// Whole lines of each process, in the order in which the processes were made.
type Trace = Vec<Vec<String>>;

/// Splits a trace by process.
fn read_trace(text: &str) -> Trace {
    let mut processes: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for line in whole_calls(text) {
        processes
            .entry(line.tid.unwrap_or(0))
            .or_default()
            .push(line.text);
    }
    let pids: BTreeSet<u32> = processes.keys().copied().collect();
    let normal = Normal::new(&pids);
    processes
        .into_values()
        .map(|lines| {
            let lines: Vec<_> = lines.iter().map(|l| normal.line(l)).collect();
            let lines = lines.into_iter().filter(|l| !is_of_clock(l));
            let (signals, mut lines): (Vec<_>, Vec<_>) = lines.partition(|l| is_of_signal(l));
            lines.extend(signals.into_iter().collect::<BTreeSet<_>>());
            lines
        })
        .collect()
}

/// Programs read clocks without a call where the kernel has a fast one; where it has none, how
/// often they do it is for the clock to say.
fn is_of_clock(line: &str) -> bool {
    line.starts_with("clock_gettime(")
}

fn is_of_signal(line: &str) -> bool {
    line.starts_with("---") || line.starts_with("rt_sigreturn(")
}

struct Normal(Vec<(Regex, &'static str)>);

impl Normal {
    fn new(pids: &BTreeSet<u32>) -> Self {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let pids = format!(r"\b({})\b", pids.join("|"));
        let patterns = [
            (r" +(= [^=]*)$", " $1"),
            (&pids, "PID"),
            (r"0x[0-9a-f]{5,}", "ADDR"),
            (r"/\* [0-9]+ vars \*/", "VARS"),
            (
                r"(tv_n?u?sec|st_ino|st_[amc]time(_nsec)?|st_size|ru_[a-z]+|si_[us]time|f_[a-z]+|totalram|uptime|loads|freeram|procs)=[^,}\]]+",
                "$1=#",
            ),
            (r"^(rt_sigreturn\(.*\)) = .*", "$1 = #"),
            (r"^sysinfo\(.*\)", "sysinfo(#)"),
            (r"/\* [0-9]{3,}\+? entries \*/", "#"),
            (r"/\* 2[0-9]{3}-[^*]*\*/", "#"),
            (r#""[0-9a-f]+-[0-9a-f]+ r[^"]*"\.\.\."#, "#"),
            (r"^getppid\(\) = .*", "getppid() = #"),
            // SQLite's seed, from /dev/urandom.
            (
                r#"^read\(([0-9]+), "(\\.|[^"\\])*"\.\.\., 44\)"#,
                "read($1, #, 44)",
            ),
            (r"makedev\([^)]*\)", "#"),
            // Names of temporary files of sed, and Perl's seeds from /dev/urandom.
            (r"/sed[A-Za-z0-9]{6}\b", "/sed#"),
            (r#"^read\(([0-9]+), "(\\.|[^"\\])*", 4\)"#, "read($1, #, 4)"),
            (r#"^getrandom\("[^"]*"(\.\.\.)?"#, "getrandom(#"),
            (r"^(getdents64\(.*?) = [0-9]+$", "$1 = #"),
        ];
        let compile = |(p, r): (&str, &'static str)| (Regex::new(p).expect("a valid pattern"), r);
        Self(patterns.into_iter().map(compile).collect())
    }

    fn line(&self, line: &str) -> String {
        self.0
            .iter()
            .fold(line.to_owned(), |line, (pattern, with)| {
                pattern.replace_all(&line, *with).into_owned()
            })
    }
}

fn names(lines: &[String]) -> Vec<String> {
    let call = |l: &String| Line::parse(l).call().map(str::to_owned);
    lines.iter().filter_map(call).collect()
}

struct Program {
    name: &'static str,
    args: &'static [&'static str],
}

const fn program(name: &'static str, args: &'static [&'static str]) -> Program {
    Program { name, args }
}

const PROGRAMS: &[Program] = &[
    program("/bin/ls", &["-la", "files"]),
    program("/bin/cat", &["files/a", "files/b", "files/missing"]),
    program(
        "/bin/sh",
        &["-c", "cat files/a | sort | uniq -c > out; echo done"],
    ),
    program("/bin/grep", &["-rn", "word", "files"]),
    program("/bin/cp", &["-p", "files/a", "copy"]),
    program("/bin/mv", &["files/b", "moved"]),
    program("/bin/rm", &["-rf", "files"]),
    program("/bin/tar", &["-cf", "all.tar", "files"]),
    program("/usr/bin/sort", &["-r", "files/a", "-o", "sorted"]),
    program("/usr/bin/find", &["files", "-type", "f", "-size", "+0"]),
    program(
        "/usr/bin/python3",
        &[
            "-S",
            "-c",
            "import os, socket; print(os.listdir('files')[:0]); s = socket.socketpair(); s[0].send(b'x'); s[1].recv(9)",
        ],
    ),
    program(
        "/usr/bin/python3",
        &[
            "-S",
            "-c",
            "import sqlite3; c = sqlite3.connect('t.db'); c.execute('pragma journal_mode=memory'); c.execute('create table t(a)'); c.executemany('insert into t values (?)', [(i,) for i in range(500)]); c.commit(); print(c.execute('select sum(a) from t').fetchone())",
        ],
    ),
    program("git", &["status", "--short"]),
    program("git", &["log", "--oneline"]),
    program("git", &["hash-object", "files/a"]),
    program(
        "/usr/bin/sqlite3",
        &[
            "t.db",
            "pragma journal_mode=off; create table t(a); insert into t values (1); select * from t",
        ],
    ),
    program("/bin/gzip", &["-n", "-k", "files/a"]),
    program(
        "/bin/sh",
        &[
            "-c",
            "tar -czf all.tgz files && tar -xzf all.tgz -C files/sub",
        ],
    ),
    program("/usr/bin/gcc", &["-S", "-o", "-", "-x", "c", "/dev/null"]),
    program("/usr/bin/wc", &["files/a", "files/b"]),
    program("/usr/bin/head", &["-n", "2", "files/a"]),
    program("/usr/bin/tail", &["-n", "2", "files/a"]),
    program("/bin/sed", &["-i", "s/word/words/", "files/a"]),
    program("/usr/bin/awk", &["{ n += NF } END { print n }", "files/a"]),
    program("/usr/bin/stat", &["files/a"]),
    program("/usr/bin/sha256sum", &["files/a", "files/b"]),
    program(
        "/bin/dd",
        &["if=files/a", "of=copy", "bs=512", "count=2", "status=none"],
    ),
    program("/bin/ln", &["-s", "files/a", "link"]),
    program("/bin/mkdir", &["-p", "x/y/z"]),
    program("/bin/chmod", &["600", "files/a"]),
    program("/usr/bin/touch", &["files/new"]),
    program("/usr/bin/xargs", &["-n", "1", "-a", "files/sub/c", "echo"]),
    program("/usr/bin/diff", &["files/a", "files/b"]),
    program(
        "/bin/bash",
        &["-c", "x=$(< files/b); [[ $x == b ]] && echo \"${x^^}\""],
    ),
    program(
        "/usr/bin/perl",
        &[
            "-e",
            "open F, 'files/a'; print scalar(() = <F>); fork or exit 3; wait; print $? >> 8",
        ],
    ),
    program("/usr/bin/env", &["-i", "A=b", "/usr/bin/env"]),
    program("/usr/bin/timeout", &["5", "/bin/echo", "in time"]),
    program("/usr/bin/id", &[]),
    program("/bin/readlink", &["-f", "files/sub/../a"]),
    program("/usr/bin/basename", &["files/a"]),
    program("/usr/bin/curl", &["-s", "file:///etc/hostname"]),
];

fn prepare(dir: &Path) {
    std::fs::create_dir_all(dir.join("files/sub")).expect("a directory");
    let text = "a word\nanother \u{e9}\nthird\n".repeat(40);
    std::fs::write(dir.join("files/a"), &text).expect("a file");
    std::fs::write(dir.join("files/b"), "b\n").expect("a file");
    std::fs::write(dir.join("files/sub/c"), "one word more\n").expect("a file");
    // Archives hold them.
    for path in ["files/a", "files/b", "files/sub/c", "files/sub", "files"] {
        let file = std::fs::File::open(dir.join(path)).expect("just made");
        let day = std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(std::time::UNIX_EPOCH + day)
            .expect("a time");
    }
}

/// Runs a program by a tracer in a fresh directory whose name is always the same.
fn run(place: &Place, program: &Program, tracer: &mut Command) -> String {
    let dir = place.dir().join("work");
    let _ = std::fs::remove_dir_all(&dir);
    prepare(&dir);
    if program.name == "git" {
        let made = Command::new("git")
            .args(["init", "-q"])
            .current_dir(&dir)
            .status();
        assert!(made.is_ok_and(|s| s.success()), "git init");
    }
    let file = place.path("trace");
    tracer
        .args(["-f", "-o", &file, "--"])
        .arg(program.name)
        .args(program.args)
        .current_dir(&dir)
        .env("PYTHONHASHSEED", "0")
        .env("PERL_HASH_SEED", "0")
        .env("PERL_RAND_SEED", "0")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: personality(2) is async-signal-safe.
    unsafe {
        tracer.pre_exec(
            || match libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            },
        );
    }
    let _ = Running::spawn(tracer).finish();
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", program.name))
}

/// Describes how two traces of a program differ; empty when they do not.
fn difference(ours: &Trace, theirs: &Trace) -> String {
    if ours.len() != theirs.len() {
        return format!("{} processes, strace has {}", ours.len(), theirs.len());
    }
    let mut text = String::new();
    let (mut cold, mut total) = (0, 0);
    for (ours, theirs) in ours.iter().zip(theirs) {
        let (our_names, their_names) = (names(ours), names(theirs));
        if our_names != their_names {
            let at = our_names.iter().zip(&their_names).position(|(a, b)| a != b);
            let at = at.unwrap_or(our_names.len().min(their_names.len()));
            text += &format!(
                "call {at}: ours {:?}, strace's {:?}\n",
                ours.get(at),
                theirs.get(at)
            );
            continue;
        }
        total += ours.len();
        for (ours, theirs) in ours.iter().zip(theirs).filter(|(a, b)| a != b) {
            if equal_but_cold(ours, theirs) {
                cold += 1;
            } else {
                text += &format!("  ours: {ours}\nstrace: {theirs}\n");
            }
        }
    }
    if cold * 100 > total * COLD_PERCENT {
        text += &format!("{cold} of {total} lines show addresses for what was not in memory\n");
    }
    text
}

#[test]
fn traces_are_those_of_strace() {
    let Some(place) = place(true) else { return };
    let mut wrong = String::new();
    for program in PROGRAMS {
        if program.name.starts_with('/') && !Path::new(program.name).exists() {
            skip(&format!("{} is not installed", program.name));
            continue;
        }
        let theirs = read_trace(&run(&place, program, &mut Command::new("strace")));
        let ours = run(&place, program, place.tracer(&["strace"]).command());
        let difference = difference(&read_trace(&ours), &theirs);
        if !difference.is_empty() {
            wrong += &format!("{} {:?}\n{difference}\n", program.name, program.args);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Threads of a Go program take turns as they like, so the calls of all are compared as one heap:
/// those that the program makes, not those of its scheduler.
#[test]
fn calls_of_a_go_program_are_those_that_strace_sees() {
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let fixture = place.fixture(&format!("go/{release}/syscalls"));
        let file = place.path("trace");
        let calls = |tracer: &mut Command| {
            let tracer = tracer
                .args(["-f", "-e", "trace=openat,write,getppid,execve", "-o", &file])
                .arg("--")
                .arg(&fixture)
                .args(["-n", "101", "-g", "3"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let _ = Running::spawn(tracer).finish().success();
            let text = std::fs::read_to_string(&file).expect("a trace");
            let lines = whole_calls(&text).into_iter();
            let mut names: Vec<String> = lines.filter_map(|l| Some(l.call()?.to_owned())).collect();
            names.sort();
            names
        };
        let theirs = calls(&mut Command::new("strace"));
        assert!(theirs.len() > 105, "go{release}: {theirs:?}");
        assert_eq!(
            calls(place.tracer(&["strace"]).command()),
            theirs,
            "go{release}"
        );
    }
}

#[test]
fn the_reader_of_traces_joins_and_normalises() {
    let text =
        "7  read(3,  <unfinished ...>\n8  getpid() = 8\n7  <... read resumed>\"ab\", 9)     = 2\n";
    let trace = read_trace(text);
    assert_eq!(
        trace,
        [vec!["read(3, \"ab\", 9) = 2"], vec!["getpid() = PID"]]
    );
    assert!(equal_but_cold(
        "open(ADDR, 1) = 3",
        "open(\"a\\\"b\"..., 1) = 3"
    ));
    assert!(equal_but_cold("f(1, ADDR) = 0", "f(1, {a={b=1}, c=2}) = 0"));
    assert!(!equal_but_cold("open(ADDR, 1) = 3", "open(\"a\", 1) = 4"));
    assert!(!equal_but_cold("open(\"b\", 1) = 3", "open(\"a\", 1) = 3"));
}
