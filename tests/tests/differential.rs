//! Compares our traces with those of strace itself, program by program.
//!
//! Two runs of one program differ by themselves. Before lines are compared,
//! - addresses (five hex digits and more) become `ADDR`; numbers at the same place become `PID` when
//!   each is the id of a process of its trace;
//! - times, inode and device numbers, usage figures, random bytes, what is read from a map of the
//!   address space and the sizes of large directories become `#`;
//! - readings of clocks are left out: there are none where the kernel's clock can be read without
//!   a call;
//! - signals and the returns from their handlers stand after the calls, once each: when one
//!   arrives, and how many become one, is for the scheduler to say.
//!
//! Where a signal meets a program that is about to wait for it, its calls differ from run to run: a
//! program whose traces differ is run again, and what differs [`RUNS`] times is wrong.
//!
//! Both run without address randomisation, which some allocators act upon.
//!
//! Calls, error names and how often each is made have to be the same. Of the lines, nearly all:
//! [`LISTED`] says what may differ and why, [`IDENTICAL_PERCENT`] how little, over all programs.
//! Every line that differs is printed with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use regex_lite::Regex;
use tracer_tests::{Line, Place, Running, equal_but_cold, place, skip, whole_calls};

/// Of the lines of all programs together, the share in percent that is to be the same.
const IDENTICAL_PERCENT: f64 = 98.0;

/// How often a program is run at most.
const RUNS: usize = 6;

/// Whether two lines may differ.
type MayDiffer = fn(ours: &str, theirs: &str) -> bool;

/// What may differ, and why.
const LISTED: [(MayDiffer, &str); 3] = [
    (
        equal_but_cold,
        "not in memory: a page that neither the program nor the kernel had touched, which a probe \
         cannot read",
    ),
    (
        |ours, theirs| is_of(ours, theirs, "poll(") || is_of(ours, theirs, "ppoll("),
        "what is ready, and the time that is left, are of each run",
    ),
    (
        |ours, theirs| is_of(ours, theirs, "futex("),
        "who wakes whom is of each run",
    ),
];

fn is_of(ours: &str, theirs: &str, call: &str) -> bool {
    ours.starts_with(call) && theirs.starts_with(call)
}

/// What one run has shown.
struct Trace {
    pids: BTreeSet<u32>,
    /// Whole lines of each process, in the order in which the processes were made.
    processes: Vec<Vec<String>>,
}

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
    let normal = Normal::new();
    let processes = processes
        .into_values()
        .map(|lines| {
            let lines: Vec<_> = lines.iter().map(|l| normal.line(l)).collect();
            // What is random may be drawn again.
            let mut lines = lines;
            lines.dedup_by(|a, b| a == b && a.starts_with("getrandom("));
            let lines = lines.into_iter().filter(|l| !is_of_clock(l));
            let (signals, mut lines): (Vec<_>, Vec<_>) = lines.partition(|l| is_of_signal(l));
            lines.extend(signals.into_iter().collect::<BTreeSet<_>>());
            lines
        })
        .collect();
    Trace { pids, processes }
}

/// Two lines with `PID` for numbers at the same place that are ids, each in its own trace: a number
/// that only looks like one of the other's ids is none.
fn without_pids(
    (ours, our_pids): (&str, &BTreeSet<u32>),
    (theirs, their_pids): (&str, &BTreeSet<u32>),
) -> (String, String) {
    let number = Regex::new(r"\b[0-9]+\b").expect("a valid pattern");
    let is_id = |text: &str, pids: &BTreeSet<u32>| text.parse().is_ok_and(|n| pids.contains(&n));
    let in_ours = number.find_iter(ours).map(|m| m.as_str());
    let in_theirs = number.find_iter(theirs).map(|m| m.as_str());
    let pairs = in_ours.zip(in_theirs);
    let ids: Vec<bool> = pairs
        .map(|(a, b)| is_id(a, our_pids) && is_id(b, their_pids))
        .collect();
    let replaced = |line: &str| {
        let mut at = ids.iter();
        let with = |found: &regex_lite::Captures<'_>| match at.next() {
            Some(true) => "PID".to_owned(),
            _ => found[0].to_owned(),
        };
        number.replace_all(line, with).into_owned()
    };
    (replaced(ours), replaced(theirs))
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
    fn new() -> Self {
        let patterns = [
            (r" +(= [^=]*)$", " $1"),
            // Signals of equal children are one.
            (r"\bsi_pid=[0-9]+", "si_pid=PID"),
            (r"0x[0-9a-f]{5,}", "ADDR"),
            (r"/\* [0-9]+ vars \*/", "VARS"),
            (
                r"(tv_n?u?sec|st_ino|st_[amc]time(_nsec)?|st_size|ru_[a-z]+|si_[us]time|f_[a-z]+|totalram|uptime|loads|freeram|procs)=[^,}\]]+",
                "$1=#",
            ),
            (r"^(rt_sigreturn\(.*\)) = .*", "$1 = #"),
            (r"^sysinfo\(.*\)", "sysinfo(#)"),
            (r"/\* [0-9]{3,} entries \*/", "#"),
            (r"(htons\(|127\.0\.0\.1:)[0-9]+", "$1#"),
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
fn run(place: &Place, name: &str, args: &[&str], tracer: &mut Command) -> String {
    let dir = place.dir().join("work");
    let _ = std::fs::remove_dir_all(&dir);
    prepare(&dir);
    if name == "git" {
        let made = Command::new("git")
            .args(["init", "-q"])
            .current_dir(&dir)
            .status();
        assert!(made.is_ok_and(|s| s.success()), "git init");
    }
    let file = place.path("trace");
    tracer
        .args(["-f", "-o", &file, "--"])
        .arg(name)
        .args(args)
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
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// How two traces of a program compare.
#[derive(Default)]
struct Comparison {
    lines: usize,
    identical: usize,
    /// Lines that differ for a reason that is known.
    listed: Vec<String>,
    wrong: String,
}

impl Comparison {
    fn of(ours: &Trace, theirs: &Trace) -> Self {
        let mut comparison = Self::default();
        let (our_count, their_count) = (ours.processes.len(), theirs.processes.len());
        if our_count != their_count {
            comparison.wrong = format!("{our_count} processes, strace has {their_count}");
            return comparison;
        }
        let pids = (&ours.pids, &theirs.pids);
        for (ours, theirs) in ours.processes.iter().zip(&theirs.processes) {
            comparison.process(ours, theirs, pids);
        }
        comparison
    }

    fn process(
        &mut self,
        ours: &[String],
        theirs: &[String],
        (our_pids, their_pids): (&BTreeSet<u32>, &BTreeSet<u32>),
    ) {
        let (our_names, their_names) = (names(ours), names(theirs));
        if our_names != their_names {
            let at = our_names.iter().zip(&their_names).position(|(a, b)| a != b);
            let at = at.unwrap_or(our_names.len().min(their_names.len()));
            self.wrong += &format!(
                "call {at}: ours {:?}, strace's {:?}\n",
                ours.get(at),
                theirs.get(at)
            );
            return;
        }
        self.lines += ours.len().max(theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let (ours, theirs) = &without_pids((ours, our_pids), (theirs, their_pids));
            let pair = format!("  ours: {ours}\nstrace: {theirs}\n");
            let reason = LISTED.iter().find(|(may, _)| may(ours, theirs));
            match reason {
                _ if ours == theirs => self.identical += 1,
                Some((_, why)) if error(ours) == error(theirs) => {
                    self.listed.push(format!("{pair}reason: {why}\n"));
                }
                _ => self.wrong += &pair,
            }
        }
    }
}

/// The name of the error in the result of a line.
fn error(line: &str) -> Option<&str> {
    let (_, result) = line.rsplit_once(" = -1 ")?;
    result.split(' ').next()
}

/// Answers requests at a port of its own until the test ends.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            // By then the client waits, however slow it is made; it waits for 200 ms.
            std::thread::sleep(Duration::from_millis(60));
            let body = "an answer\n".repeat(200);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

fn compare(place: &Place, name: &str, args: &[&str]) -> Comparison {
    let theirs = run(place, name, args, &mut Command::new("strace"));
    let ours = run(place, name, args, place.tracer(&["strace"]).command());
    Comparison::of(&read_trace(&ours), &read_trace(&theirs))
}

#[test]
fn traces_are_those_of_strace() {
    let Some(place) = place(true) else { return };
    let url = format!("http://127.0.0.1:{}/", serve());
    let threads = place.fixture("c/threads_in_turn");
    let threads = threads.to_str().expect("a name");
    let (curl, turns) = ([&url[..]], [""; 0]);
    let own = [
        ("/usr/bin/curl", [&["-s"][..], &curl[..]].concat()),
        (threads, turns.to_vec()),
    ];
    let programs = PROGRAMS.iter().map(|p| (p.name, p.args.to_vec()));
    let (mut wrong, mut lines, mut identical) = (String::new(), 0, 0);
    for (name, args) in programs.chain(own) {
        if name.starts_with('/') && !Path::new(name).exists() {
            skip(&format!("{name} is not installed"));
            continue;
        }
        let mut compared = compare(&place, name, &args);
        for _ in 1..RUNS {
            if !compared.wrong.is_empty() {
                println!("{name}: once more, for\n{}", compared.wrong);
                compared = compare(&place, name, &args);
            }
        }
        let enough = compared.lines > 20 || !compared.wrong.is_empty();
        assert!(enough, "{name}: {} lines", compared.lines);
        lines += compared.lines;
        identical += compared.identical;
        for line in &compared.listed {
            println!("{name}\n{line}");
        }
        if !compared.wrong.is_empty() {
            wrong += &format!("{name} {args:?}\n{}\n", compared.wrong);
        }
    }
    let percent = identical as f64 * 100.0 / lines as f64;
    println!("{identical} of {lines} lines are those of strace: {percent:.2} %");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(percent >= IDENTICAL_PERCENT, "{percent:.2} %");
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
        trace.processes,
        [vec!["read(3, \"ab\", 9) = 2"], vec!["getpid() = 8"]]
    );
    let (ours, theirs) = (BTreeSet::from([303]), BTreeSet::from([412]));
    assert_eq!(
        without_pids(
            ("wait4(303, \"\\303\") = 412", &ours),
            ("wait4(412, \"\\303\") = 412", &theirs)
        ),
        (
            "wait4(PID, \"\\303\") = 412".to_owned(),
            "wait4(PID, \"\\303\") = 412".to_owned()
        )
    );
    assert!(equal_but_cold(
        "open(ADDR, 1) = 3",
        "open(\"a\\\"b\"..., 1) = 3"
    ));
    assert!(equal_but_cold("f(1, ADDR) = 0", "f(1, {a={b=1}, c=2}) = 0"));
    assert!(!equal_but_cold("open(ADDR, 1) = 3", "open(\"a\", 1) = 4"));
    assert!(!equal_but_cold("open(\"b\", 1) = 3", "open(\"a\", 1) = 3"));
}

/// A Go server that serves itself: which of its threads makes a call is for its scheduler to say,
/// so the kinds of lines are compared, without order: what is opened, bound, listened to.
#[test]
fn a_go_server_makes_the_calls_that_strace_sees() {
    const CALLS: &str = "trace=socket,bind,listen,setsockopt,getsockname,execve,exit_group";
    let Some(place) = place(true) else { return };
    for release in place.go_releases() {
        let fixture = place.fixture(&format!("go/{release}/server"));
        let file = place.path("trace");
        let lines = |tracer: &mut Command| {
            let tracer = tracer
                .args(["-f", "-e", CALLS, "-o", &file, "--"])
                .arg(&fixture)
                .args(["-load", "0", "-d", "300ms"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut server = Running::spawn(tracer);
            server.close_stdin();
            let _ = server.finish();
            let text = std::fs::read_to_string(&file).expect("a trace");
            let mut lines: Vec<String> = read_trace(&text).processes.concat();
            lines.retain(|l| !is_of_signal(l) && !l.starts_with("+++"));
            lines.sort();
            lines
        };
        let theirs = lines(&mut Command::new("strace"));
        assert!(
            theirs.iter().any(|l| l.starts_with("listen(")),
            "{theirs:?}"
        );
        let ours = lines(place.tracer(&["strace"]).command());
        let execve = |l: &&String| !l.starts_with("execve(");
        let (ours, theirs) = (
            ours.iter().filter(execve).collect::<Vec<_>>(),
            theirs.iter().filter(execve).collect::<Vec<_>>(),
        );
        assert_eq!(ours, theirs, "go{release}");
    }
}
