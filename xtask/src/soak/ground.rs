//! What all scenarios work with, and what must be as it was after each of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tracer_tests::{Loaded, Place, Probing, Running, Tracer, wait_for_no_orphans};

use super::options::Options;
use super::tracer::COMMANDS;
use crate::{fixtures, host, pins, setup, workspace};

/// The binary, the fixtures, and the host as it was.
pub(super) struct Ground {
    place: Place,
    /// Directory that tracers take for temporary files.
    temporary: PathBuf,
    /// Names of the tracer's BPF programs.
    programs: BTreeSet<String>,
    probing: Probing,
    random: u64,
}

impl Ground {
    /// Builds what is needed.
    ///
    /// # Errors
    /// Something does not build, or the tracer attaches to nothing here.
    pub(super) fn prepare(options: &Options) -> Result<Self> {
        setup::ensure()?;
        fixtures::build(crate::machine::Machine::HOST, &[pins::GO_DEMO], false)?;
        let built = match &options.tracer {
            Some(file) => file.clone(),
            None => host::build_tracer(true)?,
        };
        // A name of our own tells our tracers from others on the host.
        let own = workspace::target().join(format!("soak/tracer-{}", std::process::id()));
        let temporary = workspace::target().join("soak/tmp");
        fs::create_dir_all(&temporary)
            .with_context(|| format!("cannot make {}", temporary.display()))?;
        fs::copy(&built, &own).with_context(|| format!("cannot copy {}", built.display()))?;
        let mut ground = Self {
            place: Place::new(own, fixtures::directory(crate::machine::Machine::HOST)),
            temporary,
            programs: BTreeSet::new(),
            probing: Probing::now(),
            random: 0x9e37_79b9_7f4a_7c15,
        };
        ground.learn_programs()?;
        Ok(ground)
    }

    /// Every command once, to know the names of all programs.
    fn learn_programs(&mut self) -> Result<()> {
        let go = Running::ready(&mut self.place.command("go/1.24.11/gcload", &["-d", "300s"]));
        for command in COMMANDS {
            let attached = self
                .tracer(command.args)
                .args(&["-p", &go.pid_text()])
                .attach();
            self.programs.extend(Loaded::by(attached.pid()).names());
            let _ = attached.interrupt();
        }
        if self.programs.is_empty() {
            bail!("no command has loaded a program that can be seen in /proc/PID/fdinfo");
        }
        Ok(())
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// A tracer that stays whatever it costs, and whose temporary files are looked for afterwards.
    pub(super) fn tracer(&self, args: &[&str]) -> Tracer {
        let temporary = self.temporary.to_string_lossy();
        let (command, options) = args.split_at(args.len().min(1));
        // Its probes are hit once, at the end.
        let has_budget = command != ["goroutines"];
        let unguarded: &[&str] = if has_budget {
            &["--max-overhead", "off"]
        } else {
            &[]
        };
        self.place
            .tracer(command)
            .args(unguarded)
            .args(options)
            .env("TMPDIR", &temporary)
    }

    /// A random duration below `limit` (xorshift; the same in each run).
    pub(super) fn moment(&mut self, limit: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        limit.mul_f64((self.random >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// No program of ours that nobody holds, no process of ours, no probe in tracefs, nothing
    /// pinned, no temporary file.
    ///
    /// # Errors
    /// What there is.
    pub(super) fn is_clean(&self) -> Result<()> {
        let names: Vec<&str> = self.programs.iter().map(String::as_str).collect();
        if let Err(orphans) = wait_for_no_orphans(&names) {
            bail!("programs that nobody holds: {orphans:?}");
        }
        let left = processes_of(self.place.tracer_file());
        if !left.is_empty() {
            bail!("tracers that still run: {left:?}");
        }
        let files: Vec<_> = fs::read_dir(&self.temporary)?.flatten().collect();
        if !files.is_empty() {
            bail!("temporary files: {files:?}");
        }
        let now = Probing::now();
        if now != self.probing {
            bail!("probes of the host were {:?} and are {now:?}", self.probing);
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // A copy that stays wastes space and harms nobody.
        let _ = fs::remove_file(self.place.tracer_file());
    }
}

/// Pids of all processes that run `file`.
fn processes_of(file: &Path) -> Vec<u32> {
    let list = fs::read_dir("/proc").into_iter().flatten().flatten();
    list.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|e| e == file))
        .collect()
}
