//! `cargo xtask test-vm` and `cargo xtask vm-run`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::capabilities;
use super::guest::{Errand, Image};
use super::kernels::{Kernel, Matrix};
use super::packages::Packages;
use super::qemu::{Emulator, End, Run};
use super::report::{self, Guest};
use super::results::{Report, TEST_SECONDS, command_status};
use crate::machine::Machine;
use crate::{bpf_toolchain, interrupt, setup, step, workspace};

/// A test may be silent as long as it may take, and is killed then; more is a guest that hangs.
const SILENCE: Duration = Duration::from_secs(TEST_SECONDS as u64 + 60);

/// How often a guest that does not finish is started.
const ATTEMPTS: usize = 2;

/// Lines of a console that are shown when a guest did not finish.
const CONSOLE_TAIL: usize = 25;

/// Options of `cargo xtask test-vm`.
#[derive(clap::Args, Debug)]
pub(crate) struct TestOptions {
    /// Kernels of xtask/vm/kernels.toml; without one those marked as default there
    kernels: Vec<String>,
    /// Every kernel
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// Guests at a time
    #[arg(long, default_value_t = 2, value_name = "N")]
    jobs: usize,
    /// Virtual CPUs of each guest
    #[arg(long, default_value_t = 1, value_name = "N")]
    cpus: u32,
    /// Run only tests whose FILE::NAME contains one of these
    #[arg(last = true)]
    filters: Vec<String>,
}

/// Options of `cargo xtask vm-run`.
#[derive(clap::Args, Debug)]
pub(crate) struct CommandOptions {
    /// A kernel of xtask/vm/kernels.toml
    kernel: String,
    /// Virtual CPUs
    #[arg(long, default_value_t = 1, value_name = "N")]
    cpus: u32,
    /// Seconds without output after which it is stopped
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    silence: u64,
    /// What its shell runs; tracer is $TRACER_BIN, fixtures are in $TRACER_FIXTURES
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the privileged tests on each kernel and prints the table.
///
/// # Errors
/// Something cannot be built or fetched, or the table is not as expected.
pub(crate) fn test(options: &TestOptions) -> Result<()> {
    let matrix = Matrix::load()?;
    let kernels = matrix.chosen(&options.kernels, options.all)?;
    let lab = Lab::new(&matrix, &kernels, options.cpus)?;
    let errand = Errand::Tests {
        filters: options.filters.clone(),
    };
    let guests = lab.all(&kernels, &errand, options.jobs)?;
    let summary = report::summarize(&matrix, &guests, &options.filters);
    println!("{}", summary.text);
    for guest in &guests {
        suggest(guest);
    }
    if summary.problems.is_empty() {
        return Ok(());
    }
    for problem in &summary.problems {
        eprintln!("  {problem}");
    }
    bail!(
        "{} of what the guests did is not as expected; logs: {}",
        summary.problems.len(),
        logs().display()
    )
}

/// Leaves in the logs what kernels.toml would have to say of this guest.
fn suggest(guest: &Guest<'_>) {
    let text = capabilities::as_expected(&guest.report.doctor);
    let path = logs().join(format!("{}.doctor.toml", guest.kernel.name));
    if let Err(error) = fs::write(&path, text) {
        step::note(&format!("cannot write {}: {error}", path.display()));
    }
}

/// Runs one command in a guest and prints what it says.
///
/// # Errors
/// The guest does not finish, or the command does not end with 0.
pub(crate) fn command(options: &CommandOptions) -> Result<()> {
    let matrix = Matrix::load()?;
    let kernel = matrix.kernel(&options.kernel)?;
    let lab = Lab::new(&matrix, &[kernel], options.cpus)?;
    let errand = Errand::Command(options.command.join(" ") + "\n");
    let files = Files::of(kernel)?;
    let mut shown = 0;
    let silence = Duration::from_secs(options.silence);
    let end = lab.boot(kernel, &errand, &files, silence, || {
        shown += show_from(&files.results, shown);
    })?;
    let text = read_lossy(&files.results);
    match (end, command_status(&text)) {
        (End::Powered, Some(0)) => Ok(()),
        (End::Powered, Some(status)) => bail!("the command ended with {status}"),
        (end, _) => bail!("{}", did_not_finish(end, &files)),
    }
}

/// Prints what a file has from `offset` on; returns how many bytes that are.
fn show_from(path: &Path, offset: usize) -> usize {
    use std::io::Write;
    let bytes = fs::read(path).unwrap_or_default();
    let new = bytes.get(offset..).unwrap_or_default();
    // What is not shown is in the file.
    let _ = std::io::stdout().write_all(new);
    new.len()
}

/// Everything that guests are made of.
struct Lab<'a> {
    matrix: &'a Matrix,
    packages: Packages,
    images: BTreeMap<Machine, (Image, Emulator)>,
    cpus: u32,
}

impl<'a> Lab<'a> {
    fn new(matrix: &'a Matrix, kernels: &[&Kernel], cpus: u32) -> Result<Self> {
        setup::ensure()?;
        let cache = bpf_toolchain::cache_dir().map_err(|e| anyhow!(e))?;
        let packages = Packages::new(&cache);
        for kernel in kernels {
            packages.file(&kernel.source())?;
        }
        let arches: BTreeSet<Machine> = kernels.iter().map(|k| k.arch).collect();
        let mut images = BTreeMap::new();
        for arch in arches {
            let emulator = Emulator::find(&packages, &matrix.qemu, arch)?;
            let image = Image::build(matrix, &packages, arch)?;
            images.insert(arch, (image, emulator));
        }
        interrupt::catch();
        Ok(Self {
            matrix,
            packages,
            images,
            cpus,
        })
    }

    /// Runs a guest for each kernel, `jobs` at a time; in the order of the kernels.
    fn all<'k>(
        &self,
        kernels: &[&'k Kernel],
        errand: &Errand,
        jobs: usize,
    ) -> Result<Vec<Guest<'k>>> {
        let next = AtomicUsize::new(0);
        let done: Mutex<BTreeMap<usize, Result<Guest<'k>>>> = Mutex::default();
        let work = || {
            while let index = next.fetch_add(1, Ordering::Relaxed)
                && let Some(kernel) = kernels.get(index)
            {
                let guest = self.guest(kernel, errand);
                done.lock().expect("no worker panics").insert(index, guest);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, kernels.len().max(1)) {
                scope.spawn(work);
            }
        });
        let done = done.into_inner().expect("no worker panics");
        done.into_values().collect()
    }

    /// Runs the guest of one kernel, again if it does not finish.
    fn guest<'k>(&self, kernel: &'k Kernel, errand: &Errand) -> Result<Guest<'k>> {
        let name = &kernel.name;
        let files = Files::of(kernel)?;
        let started = Instant::now();
        let mut failure = None;
        for attempt in 1..=ATTEMPTS {
            step::note(&format!("{name}: starting"));
            let mut said = 0;
            let end = self.boot(kernel, errand, &files, SILENCE, || {
                progress(name, &files, &mut said);
            })?;
            let report = Report::parse(&read_lossy(&files.results));
            let seconds = started.elapsed().as_secs();
            if end == End::Powered && report.is_complete() {
                step::note(&format!("{name}: finished in {seconds} s"));
                return Ok(Guest {
                    kernel,
                    report,
                    seconds,
                    failure: None,
                });
            }
            let why = did_not_finish(end, &files);
            step::note(&format!("{name}: {why} (attempt {attempt} of {ATTEMPTS})"));
            files.keep(attempt)?;
            failure = Some((report, why));
        }
        let (report, why) = failure.context("a guest was started")?;
        Ok(Guest {
            kernel,
            report,
            seconds: started.elapsed().as_secs(),
            failure: Some(why),
        })
    }

    fn boot(
        &self,
        kernel: &Kernel,
        errand: &Errand,
        files: &Files,
        silence: Duration,
        progress: impl FnMut(),
    ) -> Result<End> {
        let (image, emulator) = &self.images[&kernel.arch];
        image.for_guest(kernel, self.matrix, errand, &files.initrd)?;
        let vmlinuz = self.packages.file(&kernel.source())?;
        let run = Run {
            kernel: &vmlinuz,
            initrd: &files.initrd,
            console: &files.console,
            results: &files.results,
            cpus: self.cpus,
            silence,
        };
        let end = emulator.run(&run, progress);
        fs::remove_file(&files.initrd)?;
        end.with_context(|| format!("guest with kernel {}", kernel.name))
    }
}

/// Says which tests have failed and how far the guest is, now and then.
fn progress(name: &str, files: &Files, said: &mut usize) {
    let report = Report::parse(&read_lossy(&files.results));
    let done = report.tests.len();
    if done >= *said + 10 {
        *said = done;
        let planned = report.planned.unwrap_or_default();
        step::note(&format!("{name}: {done} of {planned} tests"));
    }
}

/// Why a guest is no result, with the end of what its kernel said.
fn did_not_finish(end: End, files: &Files) -> String {
    let how = match end {
        End::Powered => "it stopped before it was done".to_owned(),
        End::Silent(patience) => format!("it said nothing for {} s", patience.as_secs()),
    };
    let report = Report::parse(&read_lossy(&files.results));
    let during = report
        .unfinished
        .map(|test| format!(" during {test}"))
        .unwrap_or_default();
    let console = read_lossy(&files.console);
    let lines: Vec<&str> = console.lines().collect();
    let tail = &lines[lines.len().saturating_sub(CONSOLE_TAIL)..];
    let tail: String = tail.iter().map(|line| format!("\n    {line}")).collect();
    format!("did not finish: {how}{during}; the end of its console:{tail}")
}

fn logs() -> PathBuf {
    workspace::target().join("vm/logs")
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Files of one guest.
struct Files {
    console: PathBuf,
    results: PathBuf,
    initrd: PathBuf,
}

impl Files {
    fn of(kernel: &Kernel) -> Result<Self> {
        let logs = logs();
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let name = &kernel.name;
        Ok(Self {
            console: logs.join(format!("{name}.console")),
            results: logs.join(format!("{name}.results")),
            initrd: workspace::target().join(format!("vm/{name}.cpio")),
        })
    }

    /// Puts the files of a run that did not finish aside.
    fn keep(&self, attempt: usize) -> Result<()> {
        for path in [&self.console, &self.results] {
            let mut kept = path.clone().into_os_string();
            kept.push(format!(".unfinished-{attempt}"));
            fs::copy(path, &kept)?;
        }
        Ok(())
    }
}
