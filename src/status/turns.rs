//! The turns of a worker, measured: the core has no clock.

use dataflows::state::turns::{Client, Turns};
use metrics::Histogram;
use metrics_exporter_prometheus::PrometheusHandle;
use std::time::Instant;

/// Turns after which what was recorded is sorted into its buckets: until then every value is kept.
const UPKEEP: u32 = 4096;

/// Measures the turns of one worker.
pub struct MeasuredTurns {
    taken: Vec<(Client, Histogram)>,
    handle: PrometheusHandle,
    begun: Instant,
    /// Turns since the last upkeep.
    turns: u32,
}

impl MeasuredTurns {
    /// Records in these histograms, one for each client.
    pub(super) fn new(taken: Vec<(Client, Histogram)>, handle: PrometheusHandle) -> Self {
        MeasuredTurns { taken, handle, begun: Instant::now(), turns: 0 }
    }
}

impl Turns for MeasuredTurns {
    fn begin(&mut self) {
        self.begun = Instant::now();
    }

    fn end(&mut self, client: Client, _: u64) {
        let taken = self.taken.iter().find(|(of, _)| *of == client);
        debug_assert!(taken.is_some(), "a dataflow's figures say who takes turns: {client:?}");
        taken.into_iter().for_each(|(_, histogram)| histogram.record(self.begun.elapsed()));
        self.turns += 1;
        if self.turns == UPKEEP {
            self.turns = 0;
            self.handle.run_upkeep();
        }
    }
}
