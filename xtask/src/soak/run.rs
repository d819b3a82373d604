//! Runs scenarios one after the other and says what each has shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::figures::Figures;
use super::ground::Ground;
use super::options::Options;
use super::table::{SCENARIOS, Scenario};
use crate::{interrupt, privilege, step};

/// Runs what `options` asks for. A scenario that fails does not keep the others from running.
///
/// # Errors
/// Not root, an unknown scenario, or at least one that failed.
pub(crate) fn soak(options: &Options) -> Result<()> {
    let chosen = choose(&options.scenarios)?;
    if options.list {
        for one in chosen {
            println!("{:<11} {} ({} {})", one.name, one.about, one.full, one.unit);
        }
        return Ok(());
    }
    if !privilege::is_root() {
        bail!("tracing needs root: run `cargo xtask soak` as root");
    }
    interrupt::catch();
    let mut ground = Ground::prepare(options)?;
    let until = options
        .minutes
        .map(|m| Instant::now() + Duration::from_secs(m * 60));
    let short = options.quick || until.is_some();
    let mut failed = Vec::new();
    loop {
        for one in &chosen {
            let amount = if short { one.quick } else { one.full };
            if !passes(one, &mut ground, amount) {
                failed.push(one.name);
            }
            interrupt::check()?;
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            break;
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let known = |name: &String| {
        let found = SCENARIOS.iter().find(|s| s.name == name);
        found.ok_or_else(|| anyhow!("no scenario {name}: `cargo xtask soak --list` shows them"))
    };
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    names.iter().map(known).collect()
}

fn passes(scenario: &Scenario, ground: &mut Ground, amount: u64) -> bool {
    let Scenario {
        name, about, unit, ..
    } = scenario;
    step::note(&format!("{name}: {about}, {amount} {unit}"));
    let started = Instant::now();
    let result = guarded(scenario, ground, amount).and_then(|f| ground.is_clean().map(|()| f));
    let seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(ref figures) => {
            println!("ok      {name:<11} {amount} {unit} in {seconds:.0} s\n{figures}")
        }
        Err(ref error) => println!("FAILED  {name:<11} after {seconds:.0} s: {error:#}\n"),
    }
    result.is_ok()
}

/// The test harness says by panics what does not hold.
fn guarded(scenario: &Scenario, ground: &mut Ground, amount: u64) -> Result<Figures> {
    let run = AssertUnwindSafe(|| (scenario.run)(ground, amount));
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
        Err(anyhow!(text.unwrap_or_else(|| "panicked".to_owned())))
    })
}
