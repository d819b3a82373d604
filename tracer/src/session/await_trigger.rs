//! Waits for the condition that begins a capture.

use std::future::pending;
use std::time::{Duration, Instant};

use super::condition::{Held, Trigger};
use super::gauge::Gauge;
use super::signals::Signals;
use super::target::Target;
use super::watch::all_ended;
use crate::error::ExpectedError;
use crate::term;

/// Time between two looks: a rate is that since the last look.
const PERIOD: Duration = Duration::from_millis(200);

/// Resolves when the condition has held long enough; nothing is attached meanwhile.
///
/// # Errors
/// When the user or the end of the processes ends the wait: there is nothing to show then.
pub(super) async fn await_trigger(
    trigger: Trigger,
    target: &Target,
    signals: &mut Signals,
    notices: bool,
) -> Result<(), ExpectedError> {
    let Trigger { condition, hold } = trigger;
    let pids = match target {
        Target::All => None,
        _ => Some(target.pids()),
    };
    let mut gauge = Gauge::new(condition.metric, pids);
    let mut held = Held::new(trigger);
    let tell = |text: String| {
        if notices {
            term::notice(&text);
        }
    };
    let long = term::ns(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX));
    tell(format!("waiting for {condition} during {long}"));
    let ended = async {
        match target {
            Target::All => pending().await,
            _ => all_ended(target.watched()).await,
        }
    };
    tokio::pin!(ended);
    let began = Instant::now();
    let mut looks = tokio::time::interval(PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let why = tokio::select! {
            biased;
            () = signals.stop() => Some("interrupted"),
            () = &mut ended => Some("the target ended"),
            _ = looks.tick() => None,
        };
        if let Some(why) = why {
            return Err(ExpectedError::NoResult {
                result: "capture".to_owned(),
                why: format!("{why} before {condition} during {long}; {}", held.best()),
            });
        }
        let Some(value) = gauge.read() else {
            continue;
        };
        if held.observe(began.elapsed(), value) {
            let waited = began.elapsed().as_secs_f64();
            let name = condition.metric.name();
            let value = condition.metric.shown(value);
            tell(format!(
                "{condition} during {long}: {name} is {value} after {waited:.1} s; capturing"
            ));
            return Ok(());
        }
    }
}
