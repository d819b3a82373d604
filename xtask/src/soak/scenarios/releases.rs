//! A Go service under load, built by every release that is tested: none of its requests is lost
//! while all commands attach and detach in turn.

use std::time::Duration;

use anyhow::Result;

use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::target::{Target, go_server_of};
use crate::soak::tracer::{COMMANDS, attach_and_detach};
use crate::{fixtures, interrupt, pins};

/// `times` for each release.
pub(in crate::soak) fn releases(ground: &mut Ground, times: u64) -> Result<Figures> {
    let mut figures = Figures::default();
    for release in pins::GO_VERSIONS.iter().chain(pins::GO_OTHER_VERSIONS) {
        fixtures::go_program(release, "server")?;
        let mut target = Target::start(ground, go_server_of(release))?;
        let (mut attached, mut detached) = (Vec::new(), Vec::new());
        for command in COMMANDS.iter().cycle().take(usize::try_from(times)?) {
            let stay = ground.moment(Duration::from_millis(60));
            let (times, _) = attach_and_detach(ground, command, &target, stay)?;
            target.heals()?;
            attached.push(times.attach);
            detached.push(times.detach);
            interrupt::check()?;
        }
        let end = target.finish()?;
        let said = end.stdout.lines().last().unwrap_or_default().to_owned();
        figures.note(
            format!("Go {release} at its end"),
            format!("{said:?}, {}", end.status),
        );
        figures.note_times("  attach, with the start", &mut attached);
        figures.note_times("  detach, with the result", &mut detached);
    }
    Ok(figures)
}
