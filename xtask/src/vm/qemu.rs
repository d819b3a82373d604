//! Finds QEMU and runs one guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::kernels::Qemu;
use super::packages::{Packages, qemu_program};
use crate::machine::Machine;
use crate::{interrupt, step};

/// The first version whose emulation of several CPUs does not corrupt guests.
const SOUND_MAJOR: u32 = 10;

/// How long a guest may take until its first line.
const BOOT: Duration = Duration::from_secs(300);

/// How often a guest is looked at.
const POLL: Duration = Duration::from_millis(200);

/// A QEMU for one architecture.
#[derive(Clone, Debug)]
pub(super) struct Emulator {
    program: PathBuf,
    /// Where firmware is, in the order searched; none for an installed QEMU.
    firmware: Vec<PathBuf>,
    major: u32,
    arch: Machine,
}

/// The files of one run.
#[derive(Clone, Debug)]
pub(super) struct Run<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initrd: &'a Path,
    /// What the kernel prints.
    pub(super) console: &'a Path,
    /// What the guest reports.
    pub(super) results: &'a Path,
    /// Its virtual CPUs.
    pub(super) cpus: u32,
    /// A guest that reports nothing for so long hangs.
    pub(super) silence: Duration,
}

/// How a run of QEMU ended. Its exit status says nothing of the guest: it is 0 after a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Powered,
    /// Stopped because nothing came for so long.
    Silent(Duration),
}

impl Emulator {
    /// The installed QEMU if it is 10 or later, else the pinned one; as the last resort an older
    /// installed one, with a warning.
    ///
    /// # Errors
    /// There is none and none can be fetched.
    pub(super) fn find(packages: &Packages, pins: &Qemu, arch: Machine) -> Result<Self> {
        let installed = Self::new(qemu_program(arch).into(), Vec::new(), arch);
        match installed {
            Ok(installed) if installed.major >= SOUND_MAJOR => Ok(installed),
            Ok(old) => Self::pinned(packages, pins, arch).or_else(|error| {
                step::note(&format!(
                    "QEMU {} is older than {SOUND_MAJOR}, so guests have one CPU ({error:#})",
                    old.major
                ));
                Ok(old)
            }),
            Err(_) => Self::pinned(packages, pins, arch),
        }
    }

    fn pinned(packages: &Packages, pins: &Qemu, arch: Machine) -> Result<Self> {
        let root = packages.qemu(pins)?;
        let share = root.join("usr/share");
        let firmware = vec![share.join("qemu"), share.join("seabios")];
        let program = root.join("usr/bin").join(qemu_program(arch));
        Self::new(program, firmware, arch)
    }

    fn new(program: PathBuf, firmware: Vec<PathBuf>, arch: Machine) -> Result<Self> {
        let mut emulator = Self {
            program,
            firmware,
            major: 0,
            arch,
        };
        let said = step::output_of(emulator.command().arg("--version"))?;
        emulator.major = major_version(&said)
            .with_context(|| format!("{}: no version", emulator.program.display()))?;
        Ok(emulator)
    }

    /// QEMU with its firmware, and with its libraries where it was unpacked and not installed.
    fn command(&self) -> Command {
        let mut qemu = Command::new(&self.program);
        for dir in &self.firmware {
            qemu.arg("-L").arg(dir);
        }
        if let [share, ..] = &self.firmware[..] {
            let usr = share.ancestors().nth(2).unwrap_or(share);
            let root = usr.parent().unwrap_or(usr);
            let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
            let dirs = [
                usr.join("lib").join(&triple),
                root.join("lib").join(&triple),
            ];
            if let Ok(path) = std::env::join_paths(dirs) {
                qemu.env("LD_LIBRARY_PATH", path);
            }
        }
        qemu
    }

    /// Runs a guest until it powers off, panics or falls silent; `progress` is called now and
    /// then.
    ///
    /// # Errors
    /// QEMU cannot be started or fails, or the user interrupts.
    pub(super) fn run(&self, run: &Run<'_>, mut progress: impl FnMut()) -> Result<End> {
        for file in [run.console, run.results] {
            fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mut qemu = self.command();
        self.machine(&mut qemu, run);
        let log = run.console.with_extension("qemu");
        let log = fs::File::create(&log)?;
        qemu.stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = qemu.spawn().context("cannot run QEMU")?;
        let mut guest = Guest(child);
        let mut size = 0;
        let mut heard = Instant::now();
        loop {
            if let Some(status) = guest.0.try_wait()? {
                progress();
                if !status.success() {
                    bail!("QEMU ended with {status}");
                }
                return Ok(End::Powered);
            }
            interrupt::check()?;
            progress();
            let now = fs::metadata(run.results)?.len();
            if now > size {
                (size, heard) = (now, Instant::now());
            }
            let patience = if size == 0 { BOOT } else { run.silence };
            if heard.elapsed() > patience {
                return Ok(End::Silent(patience));
            }
            std::thread::sleep(POLL);
        }
    }

    fn machine(&self, qemu: &mut Command, run: &Run<'_>) {
        let cpus = if self.major < SOUND_MAJOR {
            1
        } else {
            run.cpus
        };
        let file = |path: &Path| format!("file:{}", path.display());
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(["-accel", accelerator(cpus)])
        .args(["-m", "3072", "-smp", &cpus.to_string()])
        .args(clock(cpus))
        .arg("-kernel")
        .arg(run.kernel)
        .arg("-initrd")
        .arg(run.initrd)
        .args(["-serial", &file(run.console)]);
        let console = match self.arch {
            Machine::X86_64 => {
                // Under TCG the plain x86-64 of qemu64 is the model that boots every kernel.
                // Without its random numbers older kernels have none for a while.
                qemu.args(["-machine", "q35", "-cpu", "qemu64,+rdrand"])
                    .args(["-serial", &file(run.results)]);
                "ttyS0 tsc=unstable random.trust_cpu=on"
            }
            Machine::Aarch64 => {
                // The machine has one serial line.
                let results = format!("file,id=results,path={}", run.results.display());
                qemu.args(["-machine", "virt,gic-version=3", "-cpu", "cortex-a57"])
                    .args(["-device", "virtio-serial-pci,romfile="])
                    .args(["-chardev", &results])
                    .args(["-device", "virtconsole,chardev=results"]);
                "ttyAMA0"
            }
        };
        qemu.arg("-append")
            .arg(format!("console={console} panic=-1 quiet"));
    }
}

const fn accelerator(cpus: u32) -> &'static str {
    if cpus == 1 {
        "tcg,thread=single"
    } else {
        "tcg,thread=multi"
    }
}

/// What time is in a guest. With one CPU it is the number of instructions that ran, 2 ns each,
/// and nobody waits where all sleep: what the tests see does not depend on what else this machine
/// does. Several CPUs run side by side, so that their time must be this machine's.
const fn clock(cpus: u32) -> &'static [&'static str] {
    if cpus == 1 {
        &["-icount", "shift=1,sleep=off"]
    } else {
        &[]
    }
}

/// A process that does not outlive what waits for it.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// N of "QEMU emulator version N.…".
fn major_version(said: &str) -> Option<u32> {
    let rest = said.split("version ").nth(1)?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_version_is_read() {
        let said = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright (c)";
        assert_eq!(major_version(said), Some(10));
        assert_eq!(major_version("QEMU emulator version 7.2.22"), Some(7));
        assert_eq!(major_version("qemu: not found"), None);
    }
}
