//! What a tracer may leave on a process and on the host, apart from BPF objects.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// Text of a process that is not what its file has: where it is mapped, and the first byte that
/// differs. A uprobe is such a byte while it is attached.
///
/// # Errors
/// The process is gone, or its memory may not be read.
pub fn changed_text(pid: u32) -> io::Result<Vec<String>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut changed = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some(mapping) = Mapping::of_text(line) else {
            continue;
        };
        let len = mapping.end - mapping.start;
        let mut mapped = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        memory.read_exact_at(&mut mapped, mapping.start)?;
        // Without the leading zeros that maps has.
        let by_range = format!(
            "/proc/{pid}/map_files/{:x}-{:x}",
            mapping.start, mapping.end
        );
        let mut filed = vec![0; mapped.len()];
        let got = read_up_to(&File::open(by_range)?, &mut filed, mapping.offset)?;
        let differs = mapped[..got].iter().zip(&filed).position(|(a, b)| a != b);
        if let Some(at) = differs {
            let at = mapping.start + at as u64;
            changed.push(format!("{line}: byte at {at:#x} differs from the file"));
        }
    }
    Ok(changed)
}

/// One line of /proc/PID/maps, proc(5).
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
}

impl Mapping {
    /// An executable, unwritable mapping of a file.
    fn of_text(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (range, rights, offset) = (words.next()?, words.next()?, words.next()?);
        let _device = words.next()?;
        let inode = words.next()?;
        if !rights.starts_with("r-x") || inode == "0" {
            return None;
        }
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = range.split_once('-')?;
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            offset: hex(offset)?,
        })
    }
}

/// The last page of a file may be shorter than its mapping.
fn read_up_to(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < into.len() {
        match file.read_at(&mut into[got..], offset + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// The descriptors of a process: number and what it leads to, sorted.
///
/// # Errors
/// The process is gone.
pub fn descriptors(pid: u32) -> io::Result<Vec<String>> {
    let mut found: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))?
        .flatten()
        .map(|entry| {
            let to = fs::read_link(entry.path()).unwrap_or_default();
            format!("{} {}", entry.file_name().display(), to.display())
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Probes that the host has by way of tracefs and pinned BPF objects: a tracer leaves both as
/// they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Lines of tracefs' dynamic_events (linux/Documentation/trace/kprobetrace.rst).
    pub events: Vec<String>,
    /// Names in the BPF file system.
    pub pinned: Vec<String>,
}

impl Probing {
    /// As it is now; what cannot be read is empty.
    #[must_use]
    pub fn now() -> Self {
        let files = ["dynamic_events", "uprobe_events", "kprobe_events"];
        let read = |name: &&str| fs::read_to_string(format!("/sys/kernel/tracing/{name}"));
        let events = files.iter().filter_map(|name| read(name).ok());
        let pinned = fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten();
        let mut pinned: Vec<String> = pinned
            .map(|entry| entry.file_name().display().to_string())
            .collect();
        pinned.sort();
        Self {
            events: events.flat_map(|t| lines(&t)).collect(),
            pinned,
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
