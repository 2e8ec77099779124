//! The metrics of the program: each declared once, those of every job in a table here and those of
//! a dataflow in a table of its own, and how they follow from the status.
//!
//! Names begin with `sluice_`, except those of the process, which every program has. Units are base
//! units. The values of every label are bounded: by the configuration, the topics' partitions, or
//! an enum.

mod declared;
mod engine;
mod order;
#[cfg(test)]
pub(crate) mod tests;

use super::report::StatusReport;
use super::turns::MeasuredTurns;
use dataflows::state::turns::Client;
pub use declared::{Metric, Series, by, known, one};
use engine::{COMMIT_SECONDS, ENGINE, EVENT_TO_COMMIT_SECONDS, HISTOGRAMS, TURN_SECONDS};
use metrics::{Histogram, describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use order::sorted;
use std::time::Duration;

/// The metrics of one job.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Who takes turns.
    clients: &'static [Client],
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Of a job that starts, with these who take turns: nothing counted.
    pub fn new(clients: &'static [Client]) -> Self {
        let builder = HISTOGRAMS.into_iter().fold(PrometheusBuilder::new(), |builder, of| {
            builder
                .set_buckets_for_metric(Matcher::Full(of.name.to_string()), of.bounds)
                .expect("there are buckets, which is all that is asked")
        });
        let recorder = builder.build_recorder();
        // A histogram is there once it is asked for.
        with_local_recorder(&recorder, || {
            for of in HISTOGRAMS {
                describe_histogram!(of.name, of.help);
            }
            drop((histogram!(COMMIT_SECONDS.name), histogram!(EVENT_TO_COMMIT_SECONDS.name)));
            turns(clients);
        });
        let handle = recorder.handle();
        Metrics { recorder, handle, clients }
    }

    /// An epoch has been committed in this time; its newest events happened so long before.
    pub fn commit_took(&self, took: Duration, delays: impl Iterator<Item = Duration>) {
        with_local_recorder(&self.recorder, || {
            histogram!(COMMIT_SECONDS.name).record(took);
            let events = histogram!(EVENT_TO_COMMIT_SECONDS.name);
            delays.for_each(|delay| events.record(delay));
        });
        // Sorts what was recorded into its buckets: without that, a job that nobody scrapes would
        // keep every value.
        self.handle.run_upkeep();
    }

    /// Whoever measures the turns of a worker.
    pub fn turns(&self) -> MeasuredTurns {
        let taken = with_local_recorder(&self.recorder, || turns(self.clients));
        MeasuredTurns::new(taken, self.handle.clone())
    }

    /// The text form of Prometheus, version 0.0.4, sorted by name and labels.
    pub fn render(&self, report: &StatusReport) -> String {
        let exposition = Exposition { recorder: &self.recorder };
        exposition.tell(ENGINE, report);
        report.figures.expose(&exposition);
        sorted(&self.handle.render())
    }
}

/// Takes up what tables of metrics say.
pub struct Exposition<'a> {
    recorder: &'a PrometheusRecorder,
}

impl Exposition<'_> {
    /// Takes up a table, whose values are those of `of`.
    pub fn tell<S>(&self, table: &[Metric<S>], of: &S) {
        with_local_recorder(self.recorder, || table.iter().for_each(|metric| metric.record(of)));
    }
}

/// The histogram of each client's turns.
fn turns(clients: &[Client]) -> Vec<(Client, Histogram)> {
    let of = |client: Client| histogram!(TURN_SECONDS.name, "client" => client.name());
    clients.iter().map(|client| (*client, of(*client))).collect()
}
