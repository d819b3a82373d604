//! SIGKILL at any moment from the start of the tracer on: while it loads, attaches, traces.

use std::time::Duration;

use anyhow::{Result, bail};
use tracer_tests::{Loaded, Running, until};

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::target::{C, GO_SERVER, Target};
use crate::soak::tracer::{COMMANDS, gone, is_attached};

/// `kills` in all.
pub(in crate::soak) fn kill(ground: &mut Ground, kills: u64) -> Result<Figures> {
    let mut targets = [Target::start(ground, C)?, Target::start(ground, GO_SERVER)?];
    let (mut before, mut after, mut programs) = (0_u64, 0_u64, 0);
    for index in 0..usize::try_from(kills)? {
        let command = &COMMANDS[index % COMMANDS.len()];
        let target = &mut targets[usize::from(command.go || index % 3 == 0)];
        let pid = target.pid_text();
        let mut tracer = Running::start(ground.tracer(command.args).args(&["-p", &pid]).command());
        // How long attaching takes depends on what else the machine does: for half of them it is
        // waited for.
        if index / COMMANDS.len() % 2 == 1 {
            until("attaching", || is_attached(&tracer).then_some(()));
        }
        std::thread::sleep(ground.moment(Duration::from_millis(250)));
        let loaded = Loaded::by(tracer.pid());
        programs += loaded.programs.len();
        if !tracer.is_running() {
            bail!("{:?} ended by itself: {}", command.args, tracer.stderr());
        }
        match is_attached(&tracer) {
            true => after += 1,
            false => before += 1,
        }
        // Dropping kills it, and waits for its end.
        drop(tracer);
        gone(&loaded)?;
        target.heals()?;
        ground.is_clean()?;
        interrupt::check()?;
    }
    let mut figures = Figures::default();
    figures.note("killed before it had attached", before);
    figures.note("killed while it traced", after);
    figures.note("programs they had loaded", format!("{programs}, none left"));
    for target in targets {
        target.finish()?;
    }
    Ok(figures)
}
