//! `cargo xtask demo`: a Go service under load, and three looks at it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{fixtures, host, interrupt, pins, privilege, setup, step, workspace};

/// The fixture `server` with its own load generator. It is killed when this is dropped, and ends
/// by itself when its stdin closes: it does not outlive xtask whatever happens to that.
struct Service {
    child: Child,
    pid: String,
    _stdin: Option<ChildStdin>,
}

impl Service {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["-load", "4", "-d", "120s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let mut service = Self {
            child,
            pid: String::new(),
            _stdin: stdin,
        };
        let mut lines = BufReader::new(stdout.context("the service has no stdout")?).lines();
        while let Some(Ok(line)) = lines.next() {
            if let Some(pid) = line.strip_prefix("ready ") {
                service.pid = pid.to_owned();
                // Whatever it says later must not fill the pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(service);
            }
        }
        bail!("{} ended before it was ready", program.display())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds what is needed, traces the service for ten seconds and says where the results are.
///
/// # Errors
/// Something does not build, or a tracer command fails.
pub(crate) fn demo() -> Result<()> {
    setup::ensure()?;
    let tracer = host::build_tracer(false)?;
    step::note(&format!(
        "building a small Go service with Go {}",
        pins::GO_DEMO
    ));
    let program = fixtures::go_program(pins::GO_DEMO, "server")?;
    let out = workspace::target().join("demo");
    fs::create_dir_all(&out)?;
    // The tracer gets the signal as well, ends its run and prints its result.
    interrupt::catch();
    let service = Service::start(&program)?;
    step::note(&format!(
        "the service runs under its own load: pid {}",
        service.pid
    ));
    show(&tracer, &service.pid, &out)
}

fn show(tracer: &Path, pid: &str, out: &Path) -> Result<()> {
    step::note("its system calls and its garbage collections, 5 s, both at once:");
    let columns = "time-percent,calls,errors,p50,p99,max,name";
    let calls = ["strace", "-c", "-U", columns, "-d", "5s", "-p", pid];
    let calls = Look::start(tracer, &calls, &out.join("strace.txt"))?;
    let cycles = Look::start(tracer, &["gc", "-d", "5s", "-p", pid], &out.join("gc.txt"))?;
    // Both are waited for before either may fail: none is left behind.
    let (calls, cycles) = (calls.finish(SHOWN_LINES), cycles.finish(8));
    calls?;
    cycles?;
    interrupt::check()?;
    step::note("where its CPU time goes, 5 s:");
    let (recording, flame) = (fresh(out, "profile.trc")?, fresh(out, "flame.svg")?);
    let record = [
        "record", "-k", "profile", "-o", &recording, "-d", "5s", "-p", pid,
    ];
    Look::start(tracer, &record, &out.join("record.txt"))?.finish(SHOWN_LINES)?;
    interrupt::check()?;
    let table = ["report", "profile", "--top", "12", &recording];
    Look::start(tracer, &table, &out.join("profile.txt"))?.finish(SHOWN_LINES)?;
    let picture = ["report", "profile", "-o", &flame, &recording];
    Look::start(tracer, &picture, &out.join("report.txt"))?.finish(SHOWN_LINES)?;
    println!("\nflame graph: {flame}");
    println!("try next: cargo xtask run -- offcpu -d 5s -p PID   (PID: any process of yours)");
    Ok(())
}

/// Lines of a result that are shown; the file beside has all of them.
const SHOWN_LINES: usize = 40;

/// Path of a file that a command will make.
fn fresh(out: &Path, name: &str) -> Result<String> {
    let path = out.join(name);
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    Ok(path.to_string_lossy().into_owned())
}

/// One tracer command whose stdout is shown when it has ended, so that two at a time do not mix.
struct Look {
    line: String,
    child: Child,
    result: std::path::PathBuf,
}

impl Look {
    fn start(tracer: &Path, args: &[&str], result: &Path) -> Result<Self> {
        let line = format!("tracer {}", args.join(" "));
        let file =
            File::create(result).with_context(|| format!("cannot write {}", result.display()))?;
        let mut command = privilege::as_root(tracer.as_os_str());
        let child = command
            .args(args)
            .stdin(Stdio::null())
            .stdout(file)
            .spawn()
            .with_context(|| format!("cannot run {line}"))?;
        Ok(Self {
            line,
            child,
            result: result.to_owned(),
        })
    }

    /// Waits for the end and shows the last `lines` lines of the result.
    fn finish(mut self, lines: usize) -> Result<()> {
        let status = self.child.wait()?;
        println!("\n$ {}", self.line);
        let text = fs::read_to_string(&self.result)?;
        let hidden = text.lines().count().saturating_sub(lines);
        if hidden != 0 {
            println!("... {hidden} lines before are in {}", self.result.display());
        }
        for line in text.lines().skip(hidden) {
            println!("{line}");
        }
        if !status.success() {
            bail!("{} ended with {status}", self.line);
        }
        Ok(())
    }
}
