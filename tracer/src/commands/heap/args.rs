//! What may be asked, and the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use regex_lite::Regex;

use super::frames::Frames;
use super::ledger;
use crate::analysis::heap_profile;
use crate::cli::OutputArgs;
use crate::commands::execute::Exit;
use crate::commands::go_process::GoProcess;
use crate::commands::profile::StackView;
use crate::error::ExpectedError;
use crate::go::Binary;
use crate::go::heap::{HeapBuckets, HeapGlobals, HeapReader};
use crate::render::write_heap;
use crate::report::HeapShown;
use crate::session::now_ns;
use crate::term::{notice, plural};

const EXAMPLES: &str = "\
Examples:
  tracer heap -p 812               where its memory is, and what has how much of the heap
  tracer heap -p 812 --alloc       what allocated since the start, not only what is still there
  tracer heap -p 812 -o heap.pb.gz for go tool pprof, as /debug/pprof/heap gives it
  tracer heap -p 812 -o heap.svg   a flame graph to open in a browser, of bytes
  tracer heap -p 812 --peek json   callers and callees of functions with json in their names
  tracer heap -p 812 --format json for a script: jq .memory.go.heap_in_use
";

const OVERHEAD: &str = "\
Overhead: none for the target, which is neither stopped nor asked: its memory is read, and
/proc/PID/smaps once, for which the kernel walks its page tables: some 13 ms for each GiB that is
resident in small pages, in parts of which the target may wait with mmap or munmap.

The profile is the one that the program itself would write, from the samples that it takes anyway,
one each 512 KiB allocated (runtime.MemProfileRate), with the same scaling: an estimate, which is
good where much is allocated. As there, it is up to two garbage collections old. A program that
links nothing that could report it takes no samples: then there is no profile, and only the ledger
is shown.

The ledger has two sides. The first is what Go counts (runtime.MemStats), read within microseconds,
but not at one moment. The second is what the kernel counts (/proc/PID/smaps), by what mappings are
for. Below is said what does not add up.";

/// Where is the memory of a Go program: its heap profile, and a ledger of all the rest
#[derive(Clone, Debug, Args)]
#[command(before_help = EXAMPLES, after_help = OVERHEAD)]
pub struct HeapArgs {
    /// Process to look at
    #[arg(short, long, value_name = "PID")]
    pub pid: u32,
    /// What was allocated since the start, instead of what is in use; in files for pprof both are,
    /// and this says what is shown first
    #[arg(long)]
    pub alloc: bool,
    /// Rows of the table
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub top: usize,
    /// Callers and callees of the functions that match, instead of the ledger and the table
    #[arg(long, value_name = "REGEX", value_parser = Regex::new)]
    pub peek: Option<Regex>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// No closing line on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

/// What was read of the profile, or why nothing.
struct Read {
    buckets: HeapBuckets,
    missing: Option<String>,
}

impl HeapArgs {
    pub(in crate::commands) fn execute(self) -> anyhow::Result<Exit> {
        let view = StackView {
            threads: false,
            top: self.top,
            by: None,
            peek: self.peek.clone(),
        };
        let format = view.resolve("heap", &self.output, 0)?.format;
        let process = GoProcess::open(self.pid)?;
        let file = format!("/proc/{}/exe", self.pid);
        let unreadable = |what: &str, why: String| ExpectedError::UnreadableTarget {
            pid: self.pid,
            what: what.to_owned(),
            why,
        };
        let binary = Binary::open(file.as_ref())
            .map_err(|error| unreadable("the executable", error.to_string()))?;
        let began = now_ns();
        let read = read(&process, &binary).map_err(|why| unreadable("the heap profile", why))?;
        let memory = ledger::read(&process, &binary)
            .map_err(|why| unreadable("the counts of the heap", why))?;
        let took_ns = now_ns() - began;
        if let Some(why) = read.missing.as_ref().filter(|_| needs_profile(format.name)) {
            return Err(unreadable("the heap profile", why.clone()).into());
        }
        let shown = match self.alloc {
            true => HeapShown::Allocated,
            false => HeapShown::InUse,
        };
        let frames = Frames::new(&process, format, &self.output);
        let buckets = &read.buckets;
        let mut profile = heap_profile(self.pid, buckets, shown, memory, |s| frames.of(s));
        profile.missing = read.missing;
        profile.run.began_unix_ns = unix_ns();
        profile.run.exe = frames.program();
        let opened = self.output.open(false)?;
        let output = view.resolve("heap", &self.output, opened.width)?;
        let mut out = opened.out;
        let written = write_heap(profile, &output, &mut out);
        written.map_err(|source| ExpectedError::OutputUnwritable {
            file: opened.name.clone().into(),
            source,
        })?;
        if !self.quiet {
            notice(&closing_line(buckets, took_ns));
        }
        Ok(Exit::DONE)
    }
}

/// Whether a format shows nothing but the profile.
fn needs_profile(format: &str) -> bool {
    !matches!(format, "text" | "json")
}

/// # Errors
/// Why the profile cannot be read, where it should be there.
fn read(process: &GoProcess, binary: &Binary) -> Result<Read, String> {
    let nothing = |why: String| Read {
        buckets: HeapBuckets::default(),
        missing: Some(why),
    };
    let globals = match HeapGlobals::locate(binary) {
        Ok(globals) => globals.rebased(process.load_bias),
        Err(why) => return Ok(nothing(why)),
    };
    let layout = process.runtime.layout;
    let reader = HeapReader::new(&process.live.memory, layout, globals);
    let rate = reader.rate().map_err(|e| e.to_string())?;
    if rate == 0 && !HeapGlobals::can_report(binary) {
        let why = "the program takes no samples, since it links nothing that could report them: \
                   import net/http/pprof, or runtime/pprof and write a heap profile somewhere";
        return Ok(nothing(why.to_owned()));
    }
    if rate == 0 {
        let why = "runtime.MemProfileRate is 0: the program, or GODEBUG=memprofilerate=0, has \
                   turned it off";
        return Ok(nothing(why.to_owned()));
    }
    Ok(Read {
        buckets: reader.read().map_err(|e| e.to_string())?,
        missing: None,
    })
}

fn closing_line(buckets: &HeapBuckets, took_ns: u64) -> String {
    let mut text = format!(
        "{} in {:.1} ms",
        plural(buckets.list.len() as u64, "stack", "stacks"),
        took_ns as f64 / 1e6
    );
    if buckets.again > 0 {
        let times = plural(buckets.again.into(), "time", "times");
        text = format!("{text}, read again {times}: a garbage collection ended meanwhile");
    }
    if buckets.changed {
        text = format!("{text}, and one ended each time: counts are of different moments");
    }
    text
}

fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}
