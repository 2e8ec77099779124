//! What stands still, as the watcher tells it, and whether others can rely on the job.

use super::{State, Status, report};
use crate::telemetry::stalls::{Cause, Seen, Stall, Stalls};
use std::time::Instant;

impl Status {
    /// Takes in what is seen to stand still now, and has the log say what is due of it; gives the
    /// state of a job that cannot commit for it.
    pub fn look(&self, seen: Vec<Seen>) -> Option<State> {
        let now = Instant::now();
        let mut known = self.known();
        let lines = known.stalls.look(seen, now);
        let state =
            known.stalls.stopping().map(|(cause, stall)| State::Stalled(cause, stall.what.clone()));
        // Whoever collects the log may be slow.
        drop(known);
        lines.iter().for_each(|line| line.say(now));
        state
    }

    /// What `/readyz` answers: whether others can rely on the tables; and everything that stands
    /// still, the gravest first.
    ///
    /// # Errors
    /// Why they cannot.
    pub fn readiness(&self) -> Result<String, String> {
        let now = Instant::now();
        let known = self.known();
        let told = |of: Option<Cause>| {
            let others = known.stalls.holding().filter(|(cause, _)| Some(*cause) != of);
            others
                .map(|(cause, stall)| {
                    format!("{} (for {} s)", cause.told(&stall.what), stall.seconds(now))
                })
                .collect::<Vec<_>>()
        };
        let Some(mut why) = known.state.unready() else {
            let others = told(None);
            return Ok(if others.is_empty() {
                "ready".to_string()
            } else {
                format!("ready, but {}", others.join("; and "))
            });
        };
        let of = if let State::Stalled(cause, _) = &known.state { Some(*cause) } else { None };
        let since = known.stalls.holding().find(|(cause, _)| Some(*cause) == of);
        since.into_iter().for_each(|(_, stall)| why += &format!(" (for {} s)", stall.seconds(now)));
        told(of).iter().for_each(|other| why += &format!("; and {other}"));
        Err(why)
    }
}

/// What stands still as it is shown.
pub(super) fn shown(stalls: &Stalls, now: Instant) -> Vec<report::StallReport> {
    let of = |(cause, stall): (Cause, &Stall)| report::StallReport {
        cause: cause.word(),
        stops: cause.stops(),
        what: cause.told(&stall.what),
        seconds: stall.seconds(now),
    };
    stalls.holding().map(of).collect()
}
