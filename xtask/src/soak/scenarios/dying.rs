//! The target is killed, or ends, at any moment while a tracer attaches to it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tracer_tests::Running;

use crate::interrupt;
use crate::soak::figures::Figures;
use crate::soak::ground::Ground;
use crate::soak::tracer::{COMMANDS, good_end, is_attached};

/// So many `targets`, one after the other.
pub(in crate::soak) fn dying(ground: &mut Ground, targets: u64) -> Result<Figures> {
    let mut ends: BTreeMap<i32, u64> = BTreeMap::new();
    let mut during = 0_u64;
    for index in 0..usize::try_from(targets)? {
        let command = &COMMANDS[index % COMMANDS.len()];
        let mut fixture = match command.go || index % 2 == 0 {
            true => ground.place().command("go/1.24.11/gcload", &["-d", "300s"]),
            false => ground.place().command("c/steady_work", &["3"]),
        };
        let mut target = Running::ready(&mut fixture);
        let moment = ground.moment(Duration::from_millis(200));
        let pid = target.pid_text();
        let tracer = Running::start(ground.tracer(command.args).args(&["-p", &pid]).command());
        std::thread::sleep(moment);
        during += u64::from(!is_attached(&tracer));
        match index % 3 {
            0 => target.close_stdin(),
            _ => target.signal(libc::SIGKILL),
        }
        let _ = target.finish();
        let run = tracer.finish();
        // Done; no such process any more; or its memory went away while it was read.
        good_end(command.args, &run, &[0, command.code, 4, 5])?;
        *ends.entry(run.status.code().unwrap_or(-1)).or_default() += 1;
        interrupt::check()?;
    }
    let mut figures = Figures::default();
    figures.note("died before it was attached to", during);
    for (code, times) in ends {
        figures.note(format!("tracer's exit code {code}"), times);
    }
    Ok(figures)
}
