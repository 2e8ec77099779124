//! The metrics of the program: every name in one enum, described once, and how they follow from the
//! status.
//!
//! Names begin with `sluice_`, except those of the process, which every program has. Units are base
//! units. The values of every label are bounded: by the configuration (arms), the topics'
//! partitions, or an enum.

use super::State;
use super::exposition::sorted;
use super::snapshot::{Arm, Holder, IgnoredField, Partition, Publishing, Snapshot, Stall, Times};
use super::turns::MeasuredTurns;
use crate::telemetry::stalls::Cause;
use dataflows::campaign::output::Count;
use dataflows::event::{Millis, Reason};
use dataflows::state::turns::Client;
use metrics::{
    Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::time::Duration;

/// Upper bounds of the buckets of `sluice_commit_seconds`: from a small epoch to one that keeps the
/// next ones waiting.
const COMMIT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Likewise of `sluice_event_to_commit_seconds`: from a job that keeps up to one that reads what
/// happened long ago.
const EVENT_BUCKETS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0];

/// Likewise of `sluice_turn_seconds`: a turn should be over within two milliseconds.
const TURN_BUCKETS: [f64; 9] = [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1.0];

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Valid records.
    Events,
    /// Rejected records.
    InputRejected,
    /// Late events.
    Late,
    /// Repeated records.
    Duplicates,
    /// Replacing records.
    Replaced,
    /// Corrected observations.
    Corrected,
    /// Events taken back.
    Retracted,
    /// Dropped with their customer.
    Erased,
    /// Records about what is no longer kept.
    PastHistory,
    /// What stays in the models of erased customers.
    ErasedFolded,
    /// Erasures that were not done.
    ErasuresFailed,
    /// Erasures that could not be read.
    /// Fields left out.
    IgnoredFields,
    GivenUp,
    /// The committed epoch.
    EpochCommitted,
    /// Epochs on their way.
    EpochsInFlight,
    /// Time of a commit.
    CommitSeconds,
    /// The published epoch.
    EpochPublished,
    /// Epochs that are not published.
    UnpublishedEpochs,
    /// Their records.
    UnpublishedRecords,
    /// How old they are.
    UnpublishedSeconds,
    /// Whether something keeps them.
    PublishingHeld,
    /// Records that are passed over.
    Unpublishable,
    /// Event time.
    WatermarkSeconds,
    /// Which partition holds event time back.
    WatermarkHeld,
    /// When the last epoch was committed.
    CommitTimestampSeconds,
    /// From event to commit.
    EventToCommitSeconds,
    /// How long turns of workers take.
    TurnSeconds,
    /// The newest checkpoint.
    CheckpointEpoch,
    /// When it was made.
    CheckpointTimestampSeconds,
    /// How old it is.
    CheckpointAgeSeconds,
    /// Checkpoints that could not be written.
    CheckpointsFailed,
    /// Records behind the broker.
    KafkaConsumerLag,
    /// Next offset.
    KafkaConsumerOffset,
    /// The broker's end.
    KafkaHighWatermark,
    /// The end of what can be read.
    KafkaLastStableOffset,
    /// What cannot be read yet.
    KafkaHeldBack,
    /// Settled purchases.
    Transactions,
    /// Settled interactions.
    Interactions,
    /// Settled delayed rewards.
    Rewards,
    /// Rewards that join nothing.
    RewardsUnmatched,
    /// Learned interactions.
    LearnedInteractions,
    /// Waiting interactions.
    PendingInteractions,
    /// Decisions.
    Decisions,
    /// Learned interactions of an arm.
    ArmInteractions,
    /// Mean reward of an arm.
    ArmMeanReward,
    /// Mean reward.
    MeanReward,
    /// Mean reward of late.
    RecentMeanReward,
    /// The state.
    State,
    /// Readiness.
    Ready,
    /// What stands still.
    Stalled,
    /// The version.
    BuildInfo,
    /// CPU time.
    ProcessCpuSeconds,
    /// Memory.
    ProcessResidentMemoryBytes,
    /// Time since the start.
    UptimeSeconds,
}

/// What a metric's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only rise, from 0 at the start.
    Counter,
    /// They rise and fall.
    Gauge,
    /// They are counted by size.
    Histogram,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 54] = [
        Metric::Events,
        Metric::InputRejected,
        Metric::Late,
        Metric::Duplicates,
        Metric::Replaced,
        Metric::Corrected,
        Metric::Retracted,
        Metric::Erased,
        Metric::PastHistory,
        Metric::ErasedFolded,
        Metric::ErasuresFailed,
        Metric::IgnoredFields,
        Metric::GivenUp,
        Metric::EpochCommitted,
        Metric::EpochsInFlight,
        Metric::CommitSeconds,
        Metric::EpochPublished,
        Metric::UnpublishedEpochs,
        Metric::UnpublishedRecords,
        Metric::UnpublishedSeconds,
        Metric::PublishingHeld,
        Metric::Unpublishable,
        Metric::WatermarkSeconds,
        Metric::WatermarkHeld,
        Metric::CommitTimestampSeconds,
        Metric::EventToCommitSeconds,
        Metric::TurnSeconds,
        Metric::CheckpointEpoch,
        Metric::CheckpointTimestampSeconds,
        Metric::CheckpointAgeSeconds,
        Metric::CheckpointsFailed,
        Metric::KafkaConsumerLag,
        Metric::KafkaConsumerOffset,
        Metric::KafkaHighWatermark,
        Metric::KafkaLastStableOffset,
        Metric::KafkaHeldBack,
        Metric::Transactions,
        Metric::Interactions,
        Metric::Rewards,
        Metric::RewardsUnmatched,
        Metric::LearnedInteractions,
        Metric::PendingInteractions,
        Metric::Decisions,
        Metric::ArmInteractions,
        Metric::ArmMeanReward,
        Metric::MeanReward,
        Metric::RecentMeanReward,
        Metric::State,
        Metric::Ready,
        Metric::Stalled,
        Metric::BuildInfo,
        Metric::ProcessCpuSeconds,
        Metric::ProcessResidentMemoryBytes,
        Metric::UptimeSeconds,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        self.description().0
    }

    /// What its values do.
    pub fn kind(self) -> Kind {
        self.description().1
    }

    /// What it says, in a line.
    pub fn help(self) -> &'static str {
        self.description().2
    }

    fn description(self) -> (&'static str, Kind, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        match self {
            Metric::Events => ("sluice_events_total", Counter, "Valid records read and committed."),
            Metric::InputRejected => {
                ("sluice_input_rejected_total", Counter, "Records rejected, by reason.")
            }
            Metric::Late => (
                "sluice_late_total",
                Counter,
                "Events dated before the instant of a closed threshold.",
            ),
            Metric::Duplicates => {
                ("sluice_duplicates_total", Counter, "Records that repeated what was there.")
            }
            Metric::Replaced => (
                "sluice_replaced_total",
                Counter,
                "Records that replaced an earlier one of their id.",
            ),
            Metric::Corrected => (
                "sluice_corrected_total",
                Counter,
                "Contexts or rewards corrected after they had entered the model.",
            ),
            Metric::Retracted => ("sluice_retracted_total", Counter, "Events taken back."),
            Metric::Erased => (
                "sluice_erased_total",
                Counter,
                "Records and events dropped because their customer was erased.",
            ),
            Metric::PastHistory => (
                "sluice_past_history_total",
                Counter,
                "Records rejected because they concern events older than is kept.",
            ),
            Metric::ErasedFolded => (
                "sluice_erased_folded_total",
                Counter,
                "Contributions of erased customers that stay in the models because they were \
                 folded.",
            ),
            Metric::ErasuresFailed => (
                "sluice_erasures_failed_total",
                Counter,
                "Erasures that were not done, by reason: alert on any, something of a customer is \
                 still there.",
            ),
            Metric::IgnoredFields => (
                "sluice_ignored_fields_total",
                Counter,
                "Optional fields that could not be read and were left out, by topic and field.",
            ),
            Metric::GivenUp => (
                "sluice_given_up_offsets",
                Gauge,
                "Offsets that were gone before they were read and that the job was told to go on \
                 without (--accept-loss), by topic.",
            ),
            Metric::EpochCommitted => {
                ("sluice_epoch_committed", Gauge, "The newest epoch that is committed.")
            }
            Metric::EpochsInFlight => {
                ("sluice_epochs_in_flight", Gauge, "Epochs cut and not yet committed.")
            }
            Metric::CommitSeconds => {
                ("sluice_commit_seconds", Histogram, "Time that the commit of an epoch took.")
            }
            Metric::EpochPublished => {
                ("sluice_epoch_published", Gauge, "The epoch up to which everything is published.")
            }
            Metric::UnpublishedEpochs => {
                ("sluice_unpublished_epochs", Gauge, "Epochs that are committed and not published.")
            }
            Metric::UnpublishedRecords => {
                ("sluice_unpublished_records", Gauge, "Decisions and dead letters of these epochs.")
            }
            Metric::UnpublishedSeconds => (
                "sluice_unpublished_seconds",
                Gauge,
                "Time since the oldest of them was committed, 0 for none.",
            ),
            Metric::PublishingHeld => (
                "sluice_publishing_held",
                Gauge,
                "1 while something keeps what is committed from being published, else 0.",
            ),
            Metric::Unpublishable => (
                "sluice_unpublishable_total",
                Counter,
                "Records passed over because their topic never takes them, by topic.",
            ),
            Metric::WatermarkSeconds => (
                "sluice_watermark_seconds",
                Gauge,
                "Event time below which nothing is expected, in seconds since 1970.",
            ),
            Metric::WatermarkHeld => (
                "sluice_watermark_held",
                Gauge,
                "1 for the partition that holds event time back, 0 for the others.",
            ),
            Metric::CheckpointEpoch => (
                "sluice_checkpoint_epoch",
                Gauge,
                "The epoch of the newest complete checkpoint, 0 before the first.",
            ),
            Metric::CommitTimestampSeconds => (
                "sluice_commit_timestamp_seconds",
                Gauge,
                "When the last epoch was committed, in seconds since 1970.",
            ),
            Metric::EventToCommitSeconds => (
                "sluice_event_to_commit_seconds",
                Histogram,
                "Time from the newest event of each partition that an epoch has read, by its own \
                 timestamp, to the epoch's commit.",
            ),
            Metric::TurnSeconds => (
                "sluice_turn_seconds",
                Histogram,
                "Time that a turn of a worker took, by who had it: no other work of the worker is \
                 done meanwhile.",
            ),
            Metric::CheckpointTimestampSeconds => (
                "sluice_checkpoint_timestamp_seconds",
                Gauge,
                "When the newest complete checkpoint was made, in seconds since 1970.",
            ),
            Metric::CheckpointAgeSeconds => (
                "sluice_checkpoint_age_seconds",
                Gauge,
                "Time since the newest complete checkpoint was made, or since the start where \
                 there is none.",
            ),
            Metric::CheckpointsFailed => (
                "sluice_checkpoints_failed_total",
                Counter,
                "Checkpoints that were abandoned since the start.",
            ),
            Metric::KafkaConsumerLag => (
                "sluice_kafka_consumer_lag",
                Gauge,
                "Offsets of a partition that can be read and are not committed yet.",
            ),
            Metric::KafkaConsumerOffset => (
                "sluice_kafka_consumer_offset",
                Gauge,
                "The first offset of a partition that is not committed.",
            ),
            Metric::Transactions => ("sluice_transactions", Gauge, "Purchases that are settled."),
            Metric::Interactions => {
                ("sluice_interactions", Gauge, "Interactions that are settled.")
            }
            Metric::Rewards => ("sluice_rewards", Gauge, "Delayed rewards that are settled."),
            Metric::RewardsUnmatched => (
                "sluice_rewards_unmatched",
                Gauge,
                "Delayed rewards that join no interaction, by reason. Which of those with an \
                 unknown_id name another customer's interaction is looked up among \
                 all customers: with the next epoch or two while epochs have few records, within \
                 128 epochs where they are full.",
            ),
            Metric::LearnedInteractions => {
                ("sluice_learned_interactions", Gauge, "Interactions that have entered the model.")
            }
            Metric::KafkaHighWatermark => (
                "sluice_kafka_high_watermark",
                Gauge,
                "The offset after the last record of a partition.",
            ),
            Metric::KafkaLastStableOffset => (
                "sluice_kafka_last_stable_offset",
                Gauge,
                "The offset of a partition before which every transaction has ended: no more can \
                 be read.",
            ),
            Metric::KafkaHeldBack => (
                "sluice_kafka_held_back",
                Gauge,
                "Offsets of a partition that cannot be read because a transaction before them is \
                 open.",
            ),
            Metric::PendingInteractions => (
                "sluice_pending_interactions",
                Gauge,
                "Interactions that wait for a threshold or a reward.",
            ),
            Metric::Decisions => ("sluice_decisions_total", Counter, "Decisions made, by arm."),
            Metric::ArmInteractions => {
                ("sluice_arm_interactions", Gauge, "Interactions learned that stand, by arm.")
            }
            Metric::ArmMeanReward => (
                "sluice_arm_mean_reward",
                Gauge,
                "Mean reward of the interactions learned, by arm.",
            ),
            Metric::MeanReward => {
                ("sluice_mean_reward", Gauge, "Mean reward of all interactions learned.")
            }
            Metric::RecentMeanReward => (
                "sluice_recent_mean_reward",
                Gauge,
                "Mean reward of the last decisions whose outcome is known.",
            ),
            Metric::State => {
                ("sluice_state", Gauge, "1 for the state that the job is in, 0 for the others.")
            }
            Metric::Ready => {
                ("sluice_ready", Gauge, "1 while the job keeps up with its input, else 0.")
            }
            Metric::Stalled => {
                ("sluice_stalled", Gauge, "1 while something stands still for this cause, else 0.")
            }
            Metric::BuildInfo => {
                ("sluice_build_info", Gauge, "Always 1; the label says which version runs.")
            }
            Metric::ProcessCpuSeconds => (
                "process_cpu_seconds_total",
                Counter,
                "CPU time used by the process, in whole seconds.",
            ),
            Metric::ProcessResidentMemoryBytes => {
                ("process_resident_memory_bytes", Gauge, "Resident memory of the process.")
            }
            Metric::UptimeSeconds => ("sluice_uptime_seconds", Gauge, "Time since the start."),
        }
    }
}

/// The metrics of one job.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Of a job that starts: described, nothing counted.
    pub fn new() -> Self {
        let buckets = [
            (Metric::CommitSeconds, &COMMIT_BUCKETS[..]),
            (Metric::EventToCommitSeconds, &EVENT_BUCKETS),
            (Metric::TurnSeconds, &TURN_BUCKETS),
        ];
        let builder =
            buckets.into_iter().fold(PrometheusBuilder::new(), |builder, (metric, buckets)| {
                let name = Matcher::Full(metric.name().to_string());
                builder
                    .set_buckets_for_metric(name, buckets)
                    .expect("there are buckets, which is all that is asked")
            });
        let recorder = builder.build_recorder();
        // A histogram is there once it is asked for.
        with_local_recorder(&recorder, || {
            Metric::ALL.into_iter().for_each(describe);
            let of_commits = [Metric::CommitSeconds, Metric::EventToCommitSeconds];
            of_commits.into_iter().for_each(|metric| drop(histogram!(metric.name())));
            turns();
        });
        let handle = recorder.handle();
        Metrics { recorder, handle }
    }

    /// An epoch has been committed in this time; its newest events happened so long before.
    pub fn commit_took(&self, took: Duration, delays: impl Iterator<Item = Duration>) {
        with_local_recorder(&self.recorder, || {
            histogram!(Metric::CommitSeconds.name()).record(took);
            let events = histogram!(Metric::EventToCommitSeconds.name());
            delays.for_each(|delay| events.record(delay));
        });
        // Sorts what was recorded into its buckets: without that, a job that nobody scrapes would
        // keep every value.
        self.handle.run_upkeep();
    }

    /// Whoever measures the turns of a worker.
    pub fn turns(&self) -> MeasuredTurns {
        MeasuredTurns::new(with_local_recorder(&self.recorder, turns), self.handle.clone())
    }

    /// The text form of Prometheus, version 0.0.4, sorted by name and labels.
    pub fn render(&self, snapshot: &Snapshot) -> String {
        with_local_recorder(&self.recorder, || record(snapshot));
        sorted(&self.handle.render())
    }
}

/// The histogram of each client's turns.
fn turns() -> Vec<(Client, Histogram)> {
    let of = |client: Client| histogram!(Metric::TurnSeconds.name(), "client" => client.name());
    Client::ALL.into_iter().map(|client| (client, of(client))).collect()
}

fn describe(metric: Metric) {
    match metric.kind() {
        Kind::Counter => describe_counter!(metric.name(), metric.help()),
        Kind::Gauge => describe_gauge!(metric.name(), metric.help()),
        Kind::Histogram => describe_histogram!(metric.name(), metric.help()),
    }
}

/// Sets every metric, except the histograms, to what the snapshot says.
fn record(snapshot: &Snapshot) {
    let counts = &snapshot.counts.counts;
    Count::ALL
        .iter()
        .filter_map(|of| Some((*of, of_count(*of)?)))
        .for_each(|(of, metric)| record_count(metric, counts.get(of)));
    let unmatched = snapshot.counts.unmatched_by();
    unmatched.into_iter().for_each(|(reason, rewards)| {
        set(Metric::RewardsUnmatched, vec![Label::new("reason", reason)], rewards as f64)
    });
    snapshot.failed_erasures.iter().for_each(|(reason, failed)| {
        count(Metric::ErasuresFailed, vec![Label::new("reason", *reason)], *failed)
    });
    Reason::ALL.iter().map(|reason| reason.word()).for_each(|reason| {
        count(
            Metric::InputRejected,
            vec![Label::new("reason", reason)],
            snapshot.rejected.get(reason).copied().unwrap_or(0),
        );
    });
    snapshot.ignored_fields.iter().for_each(record_ignored);
    let given_up = |(topic, offsets): (&&'static str, &u64)| {
        set(Metric::GivenUp, vec![Label::new("topic", *topic)], *offsets as f64)
    };
    snapshot.given_up.iter().for_each(given_up);
    set(Metric::EpochCommitted, Vec::new(), snapshot.epoch.committed as f64);
    set(Metric::EpochsInFlight, Vec::new(), snapshot.epoch.in_flight as f64);
    record_publishing(&snapshot.publishing);
    set_known(
        Metric::WatermarkSeconds,
        Vec::new(),
        snapshot.watermark.as_ref().map(|watermark| watermark.timestamp_ms as f64 * 1e-3),
    );
    set(Metric::CheckpointEpoch, Vec::new(), snapshot.epoch.checkpoint as f64);
    record_times(&snapshot.times);
    let holder = snapshot.watermark.as_ref().and_then(|watermark| watermark.held_by.as_ref());
    snapshot.partitions.iter().for_each(|partition| record_partition(partition, holder));
    snapshot.arms.iter().for_each(record_arm);
    set_known(Metric::MeanReward, Vec::new(), snapshot.reward.mean);
    set_known(Metric::RecentMeanReward, Vec::new(), snapshot.reward.recent_mean);
    State::WORDS.iter().for_each(|word| {
        set(Metric::State, vec![Label::new("state", *word)], truth(*word == snapshot.state))
    });
    set(Metric::Ready, Vec::new(), truth(snapshot.ready));
    Cause::ALL.iter().for_each(|cause| record_stall(*cause, &snapshot.stalls));
    set(Metric::BuildInfo, vec![Label::new("version", snapshot.version)], 1.0);
    count(Metric::ProcessCpuSeconds, Vec::new(), snapshot.cpu_seconds as u64);
    set(Metric::ProcessResidentMemoryBytes, Vec::new(), snapshot.memory_bytes as f64);
    set(Metric::UptimeSeconds, Vec::new(), snapshot.uptime_seconds);
}

/// The metric of a count; `None` where another metric says it.
fn of_count(count: Count) -> Option<Metric> {
    match count {
        Count::Records => Some(Metric::Events),
        Count::Transactions => Some(Metric::Transactions),
        Count::Interactions => Some(Metric::Interactions),
        Count::Rewards => Some(Metric::Rewards),
        Count::Duplicates => Some(Metric::Duplicates),
        Count::Replaced => Some(Metric::Replaced),
        Count::Retracted => Some(Metric::Retracted),
        Count::Erased => Some(Metric::Erased),
        Count::ErasedFolded => Some(Metric::ErasedFolded),
        Count::PastHistory => Some(Metric::PastHistory),
        Count::Late => Some(Metric::Late),
        Count::Learned => Some(Metric::LearnedInteractions),
        Count::Corrected => Some(Metric::Corrected),
        Count::Pending => Some(Metric::PendingInteractions),
        // Rewards that join nothing and erasures that were not done are told by reason, decisions
        // by arm.
        Count::NoInteraction
        | Count::BeforeInteraction
        | Count::AfterWindow
        | Count::UnreadErasures
        | Count::Decisions => None,
    }
}

fn record_count(metric: Metric, value: i64) {
    match metric.kind() {
        Kind::Counter => count(metric, Vec::new(), value.max(0) as u64),
        Kind::Gauge | Kind::Histogram => set(metric, Vec::new(), value as f64),
    }
}

fn record_publishing(publishing: &Publishing) {
    set(Metric::EpochPublished, Vec::new(), publishing.published as f64);
    set(Metric::UnpublishedEpochs, Vec::new(), publishing.epochs as f64);
    set(Metric::UnpublishedRecords, Vec::new(), publishing.records as f64);
    set(Metric::UnpublishedSeconds, Vec::new(), publishing.oldest_seconds);
    set(Metric::PublishingHeld, Vec::new(), truth(publishing.trouble.is_some()));
    let passed_over = [
        ("predictions", publishing.unpublishable_predictions),
        ("dead_letters", publishing.unpublishable_dead_letters),
    ];
    passed_over.into_iter().for_each(|(topic, records)| {
        count(Metric::Unpublishable, vec![Label::new("topic", topic)], records)
    });
}

fn record_times(times: &Times) {
    let seconds = |millis: Option<Millis>| millis.map(|millis| millis as f64 * 1e-3);
    set_known(Metric::CommitTimestampSeconds, Vec::new(), seconds(times.commit_ms));
    set_known(Metric::CheckpointTimestampSeconds, Vec::new(), seconds(times.checkpoint_ms));
    set(Metric::CheckpointAgeSeconds, Vec::new(), times.checkpoint_age_seconds);
    count(Metric::CheckpointsFailed, Vec::new(), times.checkpoints_failed);
}

fn record_stall(cause: Cause, holding: &[Stall]) {
    set(
        Metric::Stalled,
        vec![Label::new("cause", cause.word())],
        truth(holding.iter().any(|stall| stall.cause == cause.word())),
    );
}

fn record_ignored(ignored: &IgnoredField) {
    let labels =
        vec![Label::new("topic", ignored.topic), Label::new("field", ignored.field.clone())];
    count(Metric::IgnoredFields, labels, ignored.records);
}

fn record_partition(partition: &Partition, holder: Option<&Holder>) {
    let labels = || {
        vec![
            Label::new("topic", partition.topic),
            Label::new("partition", partition.partition.to_string()),
        ]
    };
    let offset = |offset: Option<u64>| offset.map(|offset| offset as f64);
    set_known(Metric::KafkaConsumerOffset, labels(), offset(partition.next_offset));
    set_known(Metric::KafkaConsumerLag, labels(), offset(partition.lag));
    set_known(Metric::KafkaHighWatermark, labels(), offset(partition.high_watermark));
    set_known(Metric::KafkaLastStableOffset, labels(), offset(partition.last_stable_offset));
    set_known(Metric::KafkaHeldBack, labels(), offset(partition.held_back));
    let holds = holder.is_some_and(|holder| {
        (holder.topic, holder.partition) == (partition.topic, partition.partition)
    });
    set(Metric::WatermarkHeld, labels(), truth(holds));
}

fn record_arm(arm: &Arm) {
    let labels = || vec![Label::new("arm", arm.name.clone())];
    count(Metric::Decisions, labels(), arm.decisions);
    set(Metric::ArmInteractions, labels(), arm.interactions as f64);
    set_known(Metric::ArmMeanReward, labels(), arm.mean_reward);
}

fn count(metric: Metric, labels: Vec<Label>, value: u64) {
    counter!(metric.name(), labels).absolute(value);
}

fn set(metric: Metric, labels: Vec<Label>, value: f64) {
    gauge!(metric.name(), labels).set(value);
}

/// A value that is not known leaves the metric as it was: absent rather than 0 before the first.
fn set_known(metric: Metric, labels: Vec<Label>, value: Option<f64>) {
    if let Some(value) = value {
        set(metric, labels, value);
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::results::EpochResults;
    use crate::counted::tests::all_different;
    use crate::sink::destination::Destination;
    use crate::status::erasures::ErasureFault;
    use crate::status::tests::a_busy_epoch;
    use crate::status::{End, Status};
    use crate::telemetry::stalls::Seen;
    use dataflows::campaign::output::Counts;
    use dataflows::event::Topic;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_name_is_valid_unique_and_described() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(name.starts_with("sluice_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind() == Kind::Counter,
                "{name}: counters, and only they, end in _total"
            );
            assert!(metric.help().ends_with('.'), "{name}");
        }
    }

    #[test]
    fn everything_is_rendered_with_its_description() {
        let status =
            Status::new("campaign", &["Email".to_string(), "a \"quoted\" one".to_string()], 2);
        status.committed(&a_busy_epoch(), Duration::from_millis(20));
        status.ends([(
            (Topic::Transactions.id(), 3),
            End { last_stable: Some(620), high_watermark: Some(655) },
        )]);
        status.publishing(4, 3, 12, None);
        status.unpublishable(Destination::DeadLetters);
        status.checkpoints(Some(1_709_251_200_000), 2);
        let text = status.metrics();
        for metric in Metric::ALL {
            let (name, kind) = (metric.name(), format!("{:?}", metric.kind()).to_lowercase());
            assert!(
                text.contains(&format!("# HELP {name} {}\n", metric.help())),
                "{name} in\n{text}"
            );
            assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} in\n{text}");
        }
        for line in [
            "sluice_events_total 70",
            "sluice_input_rejected_total{reason=\"bad_amount\"} 1",
            "sluice_ignored_fields_total{topic=\"customer-interactions\",field=\"template_id\"} 0",
            "sluice_erasures_failed_total{reason=\"unread\"} 0",
            "sluice_epoch_committed 7",
            "sluice_epoch_published 4",
            "sluice_unpublished_epochs 3",
            "sluice_unpublished_records 12",
            "sluice_publishing_held 0",
            "sluice_unpublishable_total{topic=\"predictions\"} 0",
            "sluice_unpublishable_total{topic=\"dead_letters\"} 1",
            "sluice_commit_seconds_bucket{le=\"0.025\"} 1",
            "sluice_commit_seconds_bucket{le=\"0.01\"} 0",
            "sluice_kafka_consumer_lag{topic=\"transactions\",partition=\"3\"} 120",
            "sluice_kafka_consumer_offset{topic=\"transactions\",partition=\"3\"} 500",
            "sluice_kafka_high_watermark{topic=\"transactions\",partition=\"3\"} 655",
            "sluice_kafka_last_stable_offset{topic=\"transactions\",partition=\"3\"} 620",
            "sluice_kafka_held_back{topic=\"transactions\",partition=\"3\"} 35",
            "sluice_checkpoint_timestamp_seconds 1709251200",
            "sluice_checkpoints_failed_total 2",
            "sluice_event_to_commit_seconds_count 0",
            "sluice_decisions_total{arm=\"Email\"} 3",
            "sluice_decisions_total{arm=\"a \\\"quoted\\\" one\"} 1",
            "sluice_state{state=\"starting\"} 1",
            "sluice_state{state=\"running\"} 0",
            concat!("sluice_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn every_count_is_a_metric_from_the_start() {
        let (counts, numbers) = all_different();
        for (results, expected) in [
            (None, false),
            (
                Some(EpochResults { counts, of_other_customers: Some(9), ..EpochResults::new(1) }),
                true,
            ),
        ] {
            let status = Status::new("campaign", &[], 2);
            results.iter().for_each(|results| status.committed(results, Duration::from_millis(20)));
            let text = status.metrics();
            for (of, number) in &numbers {
                let Some(metric) = of_count(*of) else { continue };
                assert_eq!(metric.kind() == Kind::Counter, of.only_rises(), "{}", metric.name());
                let line = format!("\n{} {}\n", metric.name(), if expected { *number } else { 0 });
                assert!(text.contains(&line), "{line} in\n{text}");
            }
            let Counts {
                rewards_no_interaction: unknown,
                rewards_before: before,
                rewards_after: after,
                ..
            } = counts;
            for (reason, number) in [
                ("unknown_id", unknown - 9),
                ("other_customer", 9),
                ("before", before),
                ("after", after),
            ] {
                let line = format!(
                    "\nsluice_rewards_unmatched{{reason=\"{reason}\"}} {}\n",
                    if expected { number } else { 0 }
                );
                assert!(text.contains(&line), "{line} in\n{text}");
            }
        }
    }

    #[test]
    fn every_counter_is_there_from_the_start_with_every_label() {
        let status = Status::new("campaign", &["Email".to_string(), "SMS".to_string()], 2);
        let text = status.metrics();
        for metric in Metric::ALL.into_iter().filter(|metric| metric.kind() != Kind::Gauge) {
            let name = metric.name();
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} in\n{text}");
        }
        let zeros = Reason::ALL
            .map(|reason| format!("sluice_input_rejected_total{{reason=\"{}\"}} 0", reason.word()));
        for line in zeros.iter().map(String::as_str).chain([
            "sluice_decisions_total{arm=\"SMS\"} 0",
            "sluice_unpublishable_total{topic=\"predictions\"} 0",
            "sluice_turn_seconds_count{client=\"settle\"} 0",
        ]) {
            assert!(text.lines().any(|rendered| rendered == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_table_beside_this_file_has_every_metric_and_every_cause() {
        let metric = |metric: &Metric| {
            format!(
                "| `{}` | {} | {} |",
                metric.name(),
                format!("{:?}", metric.kind()).to_lowercase(),
                metric.help()
            )
        };
        let mut metrics: Vec<String> = Metric::ALL.iter().map(metric).collect();
        metrics.sort();
        let cause = |cause: &Cause| {
            let ready = if cause.stops() { "no" } else { "yes" };
            format!("| `{}` | {ready} | {} | {} |", cause.word(), cause.told("…"), cause.meaning())
        };
        let causes: Vec<String> = Cause::ALL.iter().map(cause).collect();
        let table = |lines: &[String]| lines.join("\n");
        let wanted = format!("{}\n\n{}", table(&metrics), table(&causes));
        let rows: Vec<&str> =
            include_str!("README.md").lines().filter(|line| line.starts_with("| `")).collect();
        let written = metrics.iter().chain(&causes).map(String::as_str);
        assert!(written.eq(rows), "src/status/README.md should have these lines:\n{wanted}");
    }

    #[test]
    fn every_cause_of_a_stall_is_there_from_the_start() {
        let status = Status::new("campaign", &[], 2);
        for seen in [None, Some(Cause::HeldBack), Some(Cause::Unknown), None] {
            status.look(seen.map(|cause| Seen::of(cause, "for a reason")).into_iter().collect());
            let text = status.metrics();
            for cause in Cause::ALL {
                let line = format!(
                    "\nsluice_stalled{{cause=\"{}\"}} {}\n",
                    cause.word(),
                    u8::from(seen == Some(cause))
                );
                assert!(text.contains(&line), "{line} in\n{text}");
            }
        }
    }

    #[test]
    fn failed_erasures_are_there_from_the_start_by_reason() {
        let status = Status::new("campaign", &[], 2);
        for number in 0..3 {
            if number > 0 {
                status.erasure_failed(ErasureFault::NotWritten);
                let counts = Counts { unread_erasures: 5, ..Counts::none() };
                status.committed(
                    &EpochResults { counts, ..EpochResults::new(number) },
                    Duration::from_millis(20),
                );
            }
            status.erasures_failed(ErasureFault::Checkpoints, 3 * number);
            let wanted = BTreeMap::from([
                ("unread", 5 * number),
                ("not_written", number),
                ("checkpoints", 3 * number),
            ]);
            let (text, shown) = (status.metrics(), status.snapshot().failed_erasures);
            for (reason, number) in &wanted {
                let line =
                    format!("\nsluice_erasures_failed_total{{reason=\"{reason}\"}} {number}\n");
                assert!(text.contains(&line), "{line} in\n{text}");
            }
            assert_eq!(shown, wanted, "the status says the same");
            assert_eq!(
                text.lines()
                    .filter(|line| line.contains("erasures") && !line.starts_with('#'))
                    .count(),
                ErasureFault::ALL.len(),
                "and nothing twice"
            );
        }
    }

    #[test]
    fn counters_go_on_from_one_rendering_to_the_next() {
        let status = Status::new("campaign", &["Email".to_string()], 2);
        for commits in 1..=3u64 {
            status.committed(&a_busy_epoch(), Duration::from_millis(20));
            let text = status.metrics();
            assert!(text.contains(&format!("\nsluice_events_total {}\n", 70 * commits)), "{text}");
            assert!(text.contains(&format!("\nsluice_commit_seconds_count {commits}\n")), "{text}");
        }
    }
}
