//! Services that people run, as Debian builds them: only those that are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::http;
use super::load::Load;
use super::peers::{Family, How, Peer, Purpose};
use super::report::Part;
use super::request;
use super::sections::Pace;
use super::service::{self, Service};
use super::setting::{self, Setting};
use super::tools;
use crate::interrupt;

/// One service: what its program is called, and how it is started.
struct Program {
    name: &'static str,
    package: &'static str,
    start: fn(&Path, &Path) -> Result<Service>,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "prometheus",
        package: "prometheus",
        start: prometheus,
    },
    Program {
        name: "caddy",
        package: "caddy",
        start: caddy,
    },
    Program {
        name: "etcd",
        package: "etcd-server",
        start: etcd,
    },
];

/// Further turns of our own in each round.
const REPEATED: usize = 2;

/// Measures what traces system calls on each, in equal shares of the time.
///
/// # Errors
/// Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("services as Debian builds them, with 16 connections, on one CPU");
    let pace = Pace {
        budget: pace.budget / u32::try_from(PROGRAMS.len())?,
        ..pace
    };
    let mut loads = setting.loads(wanted);
    // What is to be told apart from the noise takes more than what is not.
    let small: Vec<Load> = setting.loads(|peer| wanted(peer) && peer.family == Family::Tracer);
    for _ in 0..REPEATED {
        loads.push(Load::Baseline);
        loads.push(Load::EmptyPair);
        loads.extend(small.clone());
    }
    for program in PROGRAMS {
        let Some(path) = tools::in_path(program.name) else {
            part.notes.push(format!(
                "{}: not installed (Debian package {})",
                program.name, program.package
            ));
            continue;
        };
        if let Err(error) = on(setting, pace, program, &path, &loads, &mut part) {
            interrupt::check()?;
            part.notes.push(format!("{}: {error:#}", program.name));
        }
    }
    Ok(part)
}

fn wanted(peer: &Peer) -> bool {
    let near = matches!(peer.family, Family::Tracer | Family::Strace | Family::Perf);
    let traces = matches!(peer.purpose, Purpose::Count | Purpose::Lines);
    peer.main && near && traces && peer.how == How::Attached
}

fn on(
    setting: &Setting,
    pace: Pace,
    program: &Program,
    path: &Path,
    loads: &[Load],
    part: &mut Part,
) -> Result<()> {
    let data = setting::scratch_dir().join(program.name);
    let start = || {
        clear(&data)?;
        (program.start)(path, &data)
    };
    let result = http::contest(setting, pace, program.name, &start, loads, part);
    // What it leaves behind is of no use.
    let _ = fs::remove_dir_all(&data);
    result
}

/// An empty directory at `data`.
fn clear(data: &PathBuf) -> Result<()> {
    let _ = fs::remove_dir_all(data);
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))
}

/// `program`, to be run on one CPU in `data`.
fn on_one_cpu(program: &Path, data: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("GOMAXPROCS", "1").env("HOME", data);
    command.current_dir(data);
    command
}

fn prometheus(program: &Path, data: &Path) -> Result<Service> {
    let config = data.join("prometheus.yml");
    fs::write(&config, "global: {scrape_interval: 1m}\n")?;
    let port = service::free_port()?;
    let mut command = on_one_cpu(program, data);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    Service::listening(&mut command, "prometheus", port, "/api/v1/query?query=1")
}

fn caddy(program: &Path, data: &Path) -> Result<Service> {
    fs::write(data.join("page.txt"), "a page\n".repeat(512))?;
    let port = service::free_port()?;
    let mut command = on_one_cpu(program, data);
    command
        .args(["file-server", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("--root")
        .arg(data);
    Service::listening(&mut command, "caddy", port, "/page.txt")
}

fn etcd(program: &Path, data: &Path) -> Result<Service> {
    let (port, peers) = (service::free_port()?, service::free_port()?);
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut command = on_one_cpu(program, data);
    command
        .arg("--data-dir")
        .arg(data.join("data"))
        .args(["--listen-client-urls", &url(port)])
        .args(["--advertise-client-urls", &url(port)])
        .args(["--listen-peer-urls", &url(peers)])
        .args(["--initial-advertise-peer-urls", &url(peers)])
        .args(["--initial-cluster", &format!("default={}", url(peers))]);
    // A read of a key that all members agree on, as clients make them: /health and /version are
    // nobody's load.
    let service = Service::listening(&mut command, "etcd", port, "/v3/kv/range")?;
    put(port)?;
    Ok(service.asked_with("{\"key\":\"a2V5\"}"))
}

/// Gives etcd the key, once it has chosen its leader.
fn put(port: u16) -> Result<()> {
    let value = "dmFsdWUg".repeat(32);
    let body = format!("{{\"key\":\"a2V5\",\"value\":\"{value}\"}}");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        interrupt::check()?;
        match request::ask(port, "/v3/kv/put", Some(&body)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context("etcd takes no key"));
            }
            Err(_) => sleep(Duration::from_millis(100)),
        }
    }
}
