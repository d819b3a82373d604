//! Attach, stay a moment, detach: each command in turn, on a C program and on a Go service, both
//! busy all the time.

use std::time::Duration;

use anyhow::Result;

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::target::{C, GO_SERVER, Target};
use crate::soak::tracer::{COMMANDS, attach_and_detach};

/// `times` in all.
pub(in crate::soak) fn attach(ground: &mut Ground, times: u64) -> Result<Figures> {
    let mut targets = [Target::start(ground, C)?, Target::start(ground, GO_SERVER)?];
    let pairs: Vec<_> = COMMANDS
        .iter()
        .flat_map(|command| [(command, 0), (command, 1)])
        .filter(|(command, target)| !command.go || *target == 1)
        .collect();
    let (mut attached, mut detached) = (Vec::new(), Vec::new());
    for (command, index) in pairs.iter().cycle().take(usize::try_from(times)?) {
        let stay = ground.moment(Duration::from_millis(60));
        let target = &mut targets[*index];
        let (times, _) = attach_and_detach(ground, command, target, stay)?;
        target.heals()?;
        attached.push(times.attach);
        detached.push(times.detach);
        interrupt::check()?;
    }
    let mut figures = Figures::default();
    figures.note_times("attach, with the start", &mut attached);
    figures.note_times("detach, with the result", &mut detached);
    for target in targets {
        let name = target.kind().name;
        let end = target.finish()?;
        let said = end.stdout.lines().last().unwrap_or_default().to_owned();
        figures.note(
            format!("{name} at its end"),
            format!("{said:?}, {}", end.status),
        );
    }
    Ok(figures)
}
