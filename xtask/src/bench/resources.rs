//! What the tools themselves take: CPU time and memory, on a service under load.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::closing_line::Events;
use super::load::Meter;
use super::peers::{How, Peer};
use super::report::Part;
use super::sections::Pace;
use super::setting::Setting;
use super::spawned::Spawned;
use super::table::{Cell, Table, mib};
use super::tools::Tool;
use crate::{interrupt, step, workspace};

/// Columns after the configuration that are numbers.
const NUMBERS: usize = 7;

/// Measures every tool that attaches on a Go HTTP service.
///
/// # Errors
/// The service does not run, or Ctrl-C.
pub(super) fn measure(setting: &Setting, pace: Pace) -> Result<Part> {
    let mut part = Part::new("what tools themselves use, on a Go HTTP service with four clients");
    let mut command = Command::new(setting.go("server"));
    command.args(["-load", "4", "-d", "10m"]);
    let mut service = Spawned::start(&mut command, "server")?;
    // The service ends when its stdin does.
    let _stdin = service.take_stdin().context("the service has no stdin")?;
    service.line_with("ready ", Duration::from_secs(10))?;
    let mut table = Table::new(
        &format!("{:.1} s each, ordinary priority", pace.window.as_secs_f64()),
        &[
            "configuration",
            "CPU %",
            "service's CPU %",
            "peak RSS MiB",
            "PSS MiB",
            "BPF maps MiB",
            "events/s",
            "lost %",
            "remark",
        ],
    );
    for (peer, tool) in setting.peers(wanted) {
        let measured = match tool {
            Ok(tool) => {
                step::note(&format!("resources: {peer}"));
                one(setting, pace, &service, &tool).map_err(|error| format!("{error:#}"))
            }
            Err(why) => Err(why),
        };
        interrupt::check()?;
        table.push_as(peer.id, row(peer, measured));
    }
    part.tables.push(table);
    part.notes.push(
        "CPU % is of one CPU while attached; RSS includes the result, PSS does not; BPF maps are \
         the kernel's memory for them"
            .to_owned(),
    );
    part.notes.push(dist_size());
    Ok(part)
}

fn wanted(peer: &Peer) -> bool {
    peer.how == How::Attached
}

fn row(peer: &Peer, measured: Result<[Option<f64>; NUMBERS], String>) -> Vec<Cell> {
    let (numbers, remark) = match measured {
        Ok(numbers) => (numbers, Cell::Absent),
        Err(why) => ([None; NUMBERS], Cell::text(why)),
    };
    let decimals = [2, 1, 1, 1, 1, 0, 2];
    let mut row = vec![Cell::text(peer.label)];
    let cells = numbers.into_iter().zip(decimals);
    row.extend(cells.map(|(number, decimals)| Cell::maybe(number, decimals, "")));
    row.push(remark);
    row
}

fn one(
    setting: &Setting,
    pace: Pace,
    service: &Spawned,
    tool: &Tool,
) -> Result<[Option<f64>; NUMBERS]> {
    let mut process = tool.attach(service.pid(), &setting.scratch_file())?;
    let (ours, theirs) = (Meter::start(&process), Meter::start(service));
    wait(pace.window)?;
    let (ours, theirs) = (ours.share(&process), theirs.share(service));
    let (pss, maps) = (pss_bytes(process.pid()), map_bytes(process.pid()));
    let ended = process.interrupt(Duration::from_secs(10))?;
    setting.clean();
    let events = Events::of(&process);
    Ok([
        Some(ours * 100.0),
        Some(theirs * 100.0),
        Some(mib(ended.max_rss)),
        pss.map(mib),
        maps.map(mib),
        events.map(|events| per_second(events.all, pace.window)),
        events.map(|events| events.share_lost() * 100.0),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn per_second(events: u64, window: Duration) -> f64 {
    events as f64 / window.as_secs_f64()
}

/// Proportional set size (Documentation/filesystems/proc.rst, smaps_rollup).
fn pss_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib: u64 = field(&text, "Pss:")?;
    Some(kib << 10)
}

/// The kernel's memory for the BPF maps that `pid` holds (`map_id` and `memlock` of its file
/// descriptors' fdinfo, kernel/bpf/syscall.c bpf_map_show_fdinfo). `None` when it holds none.
fn map_bytes(pid: u32) -> Option<u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?;
    let mut maps = BTreeMap::new();
    for entry in descriptors.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if let (Some(id), Some(bytes)) = (field(&text, "map_id:"), field(&text, "memlock:")) {
            maps.insert(id, bytes);
        }
    }
    (!maps.is_empty()).then(|| maps.values().sum())
}

/// The first number after `name`, which begins a line of `text`.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Sleeps for `time`, but not past Ctrl-C.
fn wait(time: Duration) -> Result<()> {
    let tick = Duration::from_millis(50);
    for _ in 0..time.as_millis() / tick.as_millis() {
        interrupt::check()?;
        std::thread::sleep(tick);
    }
    Ok(())
}

fn dist_size() -> String {
    let path = workspace::target().join("dist/tracer");
    match fs::metadata(&path) {
        Ok(meta) => format!(
            "static binary: {:.2} MiB ({} bytes)",
            mib(meta.len()),
            meta.len()
        ),
        Err(_) => "static binary: not built (cargo xtask dist)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files_are_read() {
        let text = "pos:\t0\nmap_type:\t1\nmemlock:\t4096\nmap_id:\t17\n";
        assert_eq!(field(text, "memlock:"), Some(4096));
        assert_eq!(field("Pss:               123 kB\n", "Pss:"), Some(123));
        assert_eq!(field(text, "Pss:"), None);
    }

    #[test]
    fn own_memory_is_told_and_there_are_no_maps() {
        let own = std::process::id();
        assert!(pss_bytes(own).is_some_and(|bytes| bytes > 100 << 10));
        assert_eq!(map_bytes(own), None);
    }
}
