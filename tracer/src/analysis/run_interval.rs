//! What an output covers: the run's targets and the time since the last output.

use crate::event::{Body, Event, Losses, ProbeLoss};
use crate::report::{ProfileRun, StackRoots};

use super::stack_fold::FrameCounts;

/// Follows the facts about a run that a profile's header and footers show.
#[derive(Debug, Default)]
pub(super) struct RunInterval {
    pids: Vec<u32>,
    command: Vec<String>,
    exe: Option<String>,
    /// Add to a time for ns since 1970 UTC; 0 when unknown.
    wall_offset_ns: i64,
    pub(super) sample_hz: u32,
    pub(super) sample_event: Option<String>,
    /// The first event, or the last output.
    since_ns: Option<u64>,
    lost: u64,
    untold: u64,
    ticked: bool,
    /// Names of the probes whose losses count.
    probes: &'static [&'static str],
}

impl RunInterval {
    pub(super) fn new(probes: &'static [&'static str]) -> Self {
        Self {
            probes,
            ..Self::default()
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::RunStart(start) => {
                self.pids.clone_from(&start.pids);
                self.command.clone_from(&start.command);
                self.sample_hz = start.sample_hz;
                self.sample_event.clone_from(&start.sample_event);
                self.wall_offset_ns = start.wall_offset_ns;
                self.since_ns = Some(event.time_ns);
            }
            Body::Process(process) if self.exe.is_none() && !process.exe.is_empty() => {
                self.exe = Some(process.exe.clone());
            }
            Body::Losses(losses) => self.lost = self.lost.saturating_add(self.lost_in(losses)),
            // The sums of a run are those of its only interval when there was no other.
            Body::RunEnd(end) if !self.ticked => {
                self.lost = self.lost.max(self.lost_in(&end.losses));
                let ours = self.of_ours(&end.losses);
                self.untold = ours.map(|l| l.unpaired).fold(0, u64::saturating_add);
            }
            _ => {}
        }
    }

    fn lost_in(&self, losses: &Losses) -> u64 {
        self.of_ours(losses)
            .flat_map(|l| [l.ring_full, l.map_full])
            .fold(0, u64::saturating_add)
    }

    fn of_ours<'a>(&self, losses: &'a Losses) -> impl Iterator<Item = &'a ProbeLoss> + use<'a> {
        let probes = self.probes;
        let all = losses.probes.iter();
        all.filter(move |l| probes.contains(&l.probe.as_str()))
    }

    /// Ends the interval with the given `Tick` or `RunEnd`.
    pub(super) fn finish(
        &mut self,
        end: &Event,
        frames: FrameCounts,
        stacks_over_limit: u64,
    ) -> ProfileRun {
        let since = self.since_ns.replace(end.time_ns).unwrap_or(end.time_ns);
        let duration_ns = match &end.body {
            Body::RunEnd(run) if !self.ticked => run.duration_ns,
            _ => end.time_ns.saturating_sub(since),
        };
        self.ticked = true;
        ProfileRun {
            pids: self.pids.clone(),
            command: self.command.clone(),
            exe: self.exe.clone(),
            began_unix_ns: self.unix_ns(since),
            duration_ns,
            lost: std::mem::take(&mut self.lost),
            untold_switches: std::mem::take(&mut self.untold),
            frames: frames.all,
            unresolved_frames: frames.unresolved,
            kernel_frames: frames.kernel,
            unresolved_kernel_frames: frames.unresolved_kernel,
            stacks_over_limit,
            roots: StackRoots::default(),
        }
    }

    fn unix_ns(&self, time_ns: u64) -> u64 {
        match self.wall_offset_ns {
            0 => 0,
            offset => time_ns.saturating_add_signed(offset),
        }
    }
}
