//! Looks at a process from the outside, again and again.

use std::time::{Duration, Instant};

use super::signals::Signals;
use super::watch::Watched;
use crate::error::ExpectedError;

/// Of the time between two looks, at most one in so many parts is spent on looking.
const SHARE: u32 = 10;

/// Calls `look` every `period`, or less often when looking takes long, until it says that there is
/// nothing to see any more, `duration` is over, the process ends or the user ends it. There is a
/// look at the beginning and, if the process is there still, one at the end.
///
/// # Errors
/// Those of `look`, or when the process or the signals cannot be watched.
pub(crate) async fn look_every(
    pid: u32,
    period: Duration,
    duration: Duration,
    mut look: impl FnMut() -> Result<bool, ExpectedError>,
) -> Result<(), ExpectedError> {
    let mut signals = Signals::new()?;
    let watched = Watched::open(pid).map_err(|_| ExpectedError::NoSuchProcess { pid })?;
    let end = Instant::now() + duration;
    let ended = watched.ended();
    let stop = signals.stop();
    tokio::pin!(ended, stop);
    loop {
        let began = Instant::now();
        if !look()? || began >= end {
            return Ok(());
        }
        let pause = period.max(began.elapsed() * SHARE);
        let next = tokio::time::sleep_until((began + pause).min(end).into());
        tokio::select! {
            biased;
            () = &mut stop => {
                look()?;
                return Ok(());
            }
            () = &mut ended => return Ok(()),
            () = next => {}
        }
    }
}
