//! What is said while the processes of a job look for each other: whom this one waits for and why,
//! and who else has called.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long all may take to be there before it is said who is not; then it is said again from time
/// to time.
const FIRST: Duration = Duration::from_secs(5);
/// Time from one such line to the next.
const AGAIN: Duration = Duration::from_secs(60);
/// Time from one line about strangers to the next, however many there are.
const STRANGERS: Duration = Duration::from_secs(10);

/// Whom a process waits for.
pub(super) struct AwaitedPeers {
    /// Each process with its address, and what became of the last attempt.
    processes: Vec<(String, String)>,
    own: usize,
    due: Instant,
    strangers: u64,
    quiet_until: Option<Instant>,
}

impl AwaitedPeers {
    /// All others, seen from the process `own`.
    pub(super) fn new(hosts: &[String], own: usize) -> Self {
        let why =
            |process: usize| if process < own { "it does not answer" } else { "it has not called" };
        let processes = hosts
            .iter()
            .enumerate()
            .map(|(process, host)| (host.clone(), why(process).to_string()))
            .collect();
        AwaitedPeers {
            processes,
            own,
            due: Instant::now() + FIRST,
            strangers: 0,
            quiet_until: None,
        }
    }

    /// What became of the last attempt to reach a process.
    pub(super) fn learn(&mut self, process: usize, why: String) {
        self.processes[process].1 = why;
    }

    /// Says who is not there, when it is time to.
    pub(super) fn look(&mut self, is_there: impl Fn(usize) -> bool) {
        if Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + AGAIN;
        tracing::warn!("Waiting for {}.", self.missing(is_there));
    }

    fn missing(&self, is_there: impl Fn(usize) -> bool) -> String {
        let missing = self
            .processes
            .iter()
            .enumerate()
            .filter(|(process, _)| *process != self.own && !is_there(*process));
        let named: Vec<String> = missing
            .map(|(process, (host, why))| format!("process {process} at {host} ({why})"))
            .collect();
        named.join(" and ")
    }

    /// Says that somebody else has called; of many only some.
    pub(super) fn stranger(&mut self, from: Option<SocketAddr>, why: &str) {
        self.strangers += 1;
        let now = Instant::now();
        if self.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        self.quiet_until = Some(now + STRANGERS);
        let from = from.map_or("an address that is not known".to_string(), |from| from.to_string());
        tracing::warn!(
            all = self.strangers,
            "Whoever called from {from} is no process of this job and was sent away: {why}."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_missing_are_named_with_the_reason() {
        let hosts: Vec<String> = (0..4).map(|process| format!("10.0.0.{process}:2101")).collect();
        let mut waiting = AwaitedPeers::new(&hosts, 1);
        waiting.learn(0, "connection refused".to_string());
        let missing = waiting.missing(|process| process == 2);
        assert_eq!(
            missing,
            "process 0 at 10.0.0.0:2101 (connection refused) and process 3 at 10.0.0.3:2101 (it \
             has not called)"
        );
    }
}
