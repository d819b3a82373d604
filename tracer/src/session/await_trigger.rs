//! Waits for the condition that begins a capture.

use std::future::pending;
use std::time::{Duration, Instant};

use super::condition::{Held, Trigger};
use super::family::Family;
use super::gauge::Gauge;
use super::plan::Plan;
use super::signals::Signals;
use super::target::Target;
use super::watch::all_ended;
use crate::error::ExpectedError;
use crate::term;

/// Time between two looks: a rate is that since the last look.
const PERIOD: Duration = Duration::from_millis(200);

/// Resolves when the condition has held long enough; nothing is attached meanwhile. Where children
/// are followed, those that were started meanwhile belong to the target then.
///
/// # Errors
/// When the user or the end of the processes ends the wait: there is nothing to show then.
pub(super) async fn await_trigger(
    trigger: Trigger,
    plan: &Plan,
    target: &mut Target,
    signals: &mut Signals,
) -> Result<(), ExpectedError> {
    let tell = |text: &str| {
        if plan.notices {
            term::notice(text);
        }
    };
    let mut wait = Wait {
        whole_host: matches!(target, Target::All),
        family: Family::new(target, plan.follow),
        gauge: Gauge::new(trigger.condition.metric),
        held: Held::new(trigger),
        began: Instant::now(),
    };
    let what = wanted(trigger);
    tell(&format!("waiting for {what}"));
    let ended = async {
        match target {
            Target::All => pending().await,
            _ => all_ended(target.watched()).await,
        }
    };
    match wait.until_due(ended, signals).await {
        Ok(value) => {
            let metric = trigger.condition.metric;
            let (name, value) = (metric.name(), metric.shown(value));
            let waited = wait.began.elapsed().as_secs_f64();
            tell(&format!(
                "{what}: {name} is {value} after {waited:.1} s; capturing"
            ));
            target.join(wait.family.into_born());
            Ok(())
        }
        Err(why) => Err(ExpectedError::NoResult {
            result: "capture".to_owned(),
            why: format!("{why} before {what}; {}", wait.held.best()),
        }),
    }
}

fn wanted(trigger: Trigger) -> String {
    let Trigger { condition, hold } = trigger;
    let long = term::ns(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX));
    format!("{condition} during {long}")
}

struct Wait {
    whole_host: bool,
    family: Family,
    gauge: Gauge,
    held: Held,
    began: Instant,
}

impl Wait {
    /// The value at which the condition has held long enough, or why that will not be.
    async fn until_due(
        &mut self,
        ended: impl Future<Output = ()>,
        signals: &mut Signals,
    ) -> Result<f64, &'static str> {
        tokio::pin!(ended);
        let mut looks = tokio::time::interval(PERIOD);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut asked_ended = false;
        loop {
            tokio::select! {
                biased;
                () = signals.stop() => return Err("interrupted"),
                () = &mut ended, if !asked_ended => asked_ended = true,
                _ = looks.tick() => {}
            }
            if let Some(value) = self.look() {
                return Ok(value);
            }
            if asked_ended && !self.family.is_left() {
                return Err("the target ended");
            }
        }
    }

    /// The value now, if the condition has held long enough.
    fn look(&mut self) -> Option<f64> {
        self.family.look();
        let pids = self.family.pids();
        let value = match self.whole_host {
            true => self.gauge.read_host(),
            false => self.gauge.read(&pids),
        }?;
        let due = self.held.observe(self.began.elapsed(), value);
        due.then_some(value)
    }
}
