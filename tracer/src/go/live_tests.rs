//! Readers against live Go processes: what they read must be what the runtime itself prints.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fixture::executables;
use super::gc::{GcCycle, GcReadPlan};
use super::layout::Layout;
use super::{Arch, Binary, Globals, ProcessMemory};

/// A running fixture; killed when dropped, also by a failing assertion.
struct Target {
    child: Child,
    memory: ProcessMemory,
    layout: &'static Layout,
    globals: Globals,
}

impl Target {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(path);
        command
            .env("GODEBUG", "gctrace=1")
            // Fixtures end when their input does.
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("fixture starts");
        let binary = Binary::open(path).expect("readable");
        let layout = Layout::candidates(binary.build_info().expect("record"), binary.arch())
            .expect("row")[0]
            .layout;
        let bias = load_bias(&binary, child.id(), path);
        let globals = Globals::locate(&binary, layout)
            .expect("located")
            .rebased(bias);
        Self {
            memory: ProcessMemory::new(child.id()),
            child,
            layout,
            globals,
        }
    }

    fn threads(&self) -> Vec<u32> {
        let list = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("alive");
        list.flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    fn stop(&mut self) -> String {
        self.child.kill().expect("alive");
        let mut text = String::new();
        let mut pipe = self.child.stderr.take().expect("piped");
        pipe.read_to_string(&mut text).expect("text");
        text
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Already reaped or killed targets are what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the mapping: `spawn` returns while the kernel is still loading the program.
fn load_bias(binary: &Binary, pid: u32, path: &Path) -> u64 {
    let start = Instant::now();
    let path = &fs::canonicalize(path).expect("a file");
    loop {
        match mapped_bias(binary, pid, path) {
            Some(bias) => return bias,
            None => assert!(
                start.elapsed() < Duration::from_secs(5),
                "{} was not mapped",
                path.display()
            ),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn mapped_bias(binary: &Binary, pid: u32, path: &Path) -> Option<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let line = maps
        .lines()
        .find(|line| line.ends_with(path.to_str().expect("text")))?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    let start = fields[0].split('-').next()?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    binary.load_bias(hex(start)?, hex(fields[2])?)
}

fn programs(test: &str, prefix: &str) -> Vec<std::path::PathBuf> {
    let native = if cfg!(target_arch = "x86_64") {
        Arch::Amd64
    } else {
        Arch::Arm64
    };
    let mut paths = executables(test);
    paths.retain(|path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with(prefix) && Binary::open(path).is_ok_and(|binary| binary.arch() == native)
    });
    if paths.is_empty() {
        eprintln!("{test}: skipped, no fixture named {prefix}");
    }
    paths
}

/// Collects cycles until `enough` were seen or time is up. Two equal readings are one moment.
fn collect(target: &Target, enough: usize) -> BTreeMap<u32, GcCycle> {
    let plan = GcReadPlan::new(target.layout, &target.globals);
    let mut cycles = BTreeMap::new();
    let start = Instant::now();
    while cycles.len() < enough && start.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(2));
        let (Ok(first), Ok(second)) = (plan.read(&target.memory), plan.read(&target.memory)) else {
            continue;
        };
        let ranges: Vec<&[u8]> = first.iter().map(Vec::as_slice).collect();
        if first == second
            && let Ok(cycle) = GcCycle::decode(target.layout, &ranges)
        {
            // As it was first seen: a moment before it gets its own number, the next cycle has
            // begun to write into the same fields.
            cycles.entry(cycle.number).or_insert(cycle);
        }
    }
    cycles
}

#[test]
fn cycles_read_as_the_runtime_prints_them() {
    for path in programs("cycles_read_as_the_runtime_prints_them", "gc") {
        let name = path.display();
        let mut target = Target::start(&path);
        let cycles = collect(&target, 6);
        // The line of the last cycle is printed a moment after its numbers are final.
        std::thread::sleep(Duration::from_millis(50));
        let printed = target.stop();
        assert!(
            cycles.len() >= 2,
            "{name}: only {} cycles in\n{printed}",
            cycles.len()
        );
        for cycle in cycles.values() {
            let line = cycle.to_string();
            assert!(
                printed.lines().any(|printed| printed == line),
                "{name}: {line}\nnot in\n{printed}"
            );
        }
        eprintln!("{name}: {} of {} lines equal", cycles.len(), cycles.len());
    }
}

#[test]
fn layouts_fit_live_processes() {
    for path in programs("layouts_fit_live_processes", "goroutines") {
        let name = path.display();
        let target = Target::start(&path);
        std::thread::sleep(Duration::from_millis(100));
        let threads = target.threads();
        let seen = target
            .layout
            .verify(&target.memory, &target.globals, &threads);
        let seen = seen.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            seen.goroutines >= 2 && seen.threads >= 1,
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn a_layout_of_another_release_is_refused() {
    for path in programs("a_layout_of_another_release_is_refused", "sleeper") {
        let name = path.display();
        let target = Target::start(&path);
        std::thread::sleep(Duration::from_millis(100));
        let mut wrong = *target.layout;
        wrong.m.alllink -= 24;
        let result = wrong.verify(&target.memory, &target.globals, &target.threads());
        assert!(result.is_err(), "{name}: {result:?}");
    }
}
