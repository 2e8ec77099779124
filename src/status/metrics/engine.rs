//! The metrics of every job.

use super::declared::{Metric, Series, by, known, one};
use crate::status::State;
use crate::status::report::{PartitionProgress, StatusReport};
use crate::telemetry::stalls::Cause;
use dataflows::event::{Millis, Reason};
use metrics::Label;

/// A metric whose values are counted by size, as they come.
pub(super) struct HistogramMetric {
    /// Its name.
    pub(super) name: &'static str,
    /// What it says, in a sentence.
    pub(super) help: &'static str,
    /// Upper bounds of its buckets.
    pub(super) bounds: &'static [f64],
}

/// From a small epoch to one that keeps the next ones waiting.
pub(super) const COMMIT_SECONDS: HistogramMetric = HistogramMetric {
    name: "sluice_commit_seconds",
    help: "Time that the commit of an epoch took.",
    bounds: &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
};

/// From a job that keeps up to one that reads what happened long ago.
pub(super) const EVENT_TO_COMMIT_SECONDS: HistogramMetric = HistogramMetric {
    name: "sluice_event_to_commit_seconds",
    help: "Time from the newest event of each partition that an epoch has read, by its own \
           timestamp, to the epoch's commit.",
    bounds: &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0],
};

/// A turn should be over within two milliseconds.
pub(super) const TURN_SECONDS: HistogramMetric = HistogramMetric {
    name: "sluice_turn_seconds",
    help: "Time that a turn of a worker took, by who had it: no other work of the worker is done \
           meanwhile.",
    bounds: &[0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1.0],
};

/// All of these.
pub(super) const HISTOGRAMS: [HistogramMetric; 3] =
    [COMMIT_SECONDS, EVENT_TO_COMMIT_SECONDS, TURN_SECONDS];

/// All others, which the report tells.
pub(super) const ENGINE: &[Metric<StatusReport>] = &[
    Metric::counter("sluice_events_total", "Valid records read and committed.", |now| {
        one(now.events.total)
    }),
    Metric::counter("sluice_input_rejected_total", "Records rejected, by reason.", |now| {
        let number = |reason| now.rejected.get(reason).copied().unwrap_or(0);
        by("reason", Reason::ALL.map(Reason::word).map(|reason| (reason, number(reason))))
    }),
    Metric::counter(
        "sluice_erasures_failed_total",
        "Erasures that were not done, by reason: alert on any, something of a customer is still \
         there.",
        |now| by("reason", now.failed_erasures.iter().map(|(reason, failed)| (*reason, *failed))),
    ),
    Metric::counter(
        "sluice_ignored_fields_total",
        "Optional fields that could not be read and were left out, by topic and field.",
        ignored_fields,
    ),
    Metric::gauge(
        "sluice_given_up_offsets",
        "Offsets that were gone before they were read and that the job was told to go on without \
         (--accept-loss), by topic.",
        |now| by("topic", now.given_up.iter().map(|(topic, offsets)| (*topic, *offsets as f64))),
    ),
    Metric::gauge("sluice_epoch_committed", "The newest epoch that is committed.", |now| {
        one(now.epoch.committed as f64)
    }),
    Metric::gauge("sluice_epochs_in_flight", "Epochs cut and not yet committed.", |now| {
        one(now.epoch.in_flight as f64)
    }),
    Metric::gauge(
        "sluice_epoch_published",
        "The epoch up to which everything is published.",
        |now| one(now.publishing.published as f64),
    ),
    Metric::gauge(
        "sluice_unpublished_epochs",
        "Epochs that are committed and not published.",
        |now| one(now.publishing.epochs as f64),
    ),
    Metric::gauge(
        "sluice_unpublished_records",
        "Decisions and dead letters of these epochs.",
        |now| one(now.publishing.records as f64),
    ),
    Metric::gauge(
        "sluice_unpublished_seconds",
        "Time since the oldest of them was committed, 0 for none.",
        |now| one(now.publishing.oldest_seconds),
    ),
    Metric::gauge(
        "sluice_publishing_held",
        "1 while something keeps what is committed from being published, else 0.",
        |now| one(truth(now.publishing.trouble.is_some())),
    ),
    Metric::counter(
        "sluice_unpublishable_total",
        "Records passed over because their topic never takes them, by topic.",
        |now| {
            let predictions = now.publishing.unpublishable_predictions;
            let letters = ("dead_letters", now.publishing.unpublishable_dead_letters);
            by(
                "topic",
                predictions.map(|passed| ("predictions", passed)).into_iter().chain([letters]),
            )
        },
    ),
    Metric::gauge(
        "sluice_watermark_seconds",
        "Event time below which nothing is expected, in seconds since 1970.",
        |now| seconds(now.watermark.as_ref().map(|watermark| watermark.timestamp_ms)),
    ),
    Metric::gauge(
        "sluice_watermark_held",
        "1 for the partition that holds event time back, 0 for the others.",
        watermark_held,
    ),
    Metric::gauge(
        "sluice_commit_timestamp_seconds",
        "When the last epoch was committed, in seconds since 1970.",
        |now| seconds(now.times.commit_ms),
    ),
    Metric::gauge(
        "sluice_checkpoint_epoch",
        "The epoch of the newest complete checkpoint, 0 before the first.",
        |now| one(now.epoch.checkpoint as f64),
    ),
    Metric::gauge(
        "sluice_checkpoint_timestamp_seconds",
        "When the newest complete checkpoint was made, in seconds since 1970.",
        |now| seconds(now.times.checkpoint_ms),
    ),
    Metric::gauge(
        "sluice_checkpoint_age_seconds",
        "Time since the newest complete checkpoint was made, or since the start where there is \
         none.",
        |now| one(now.times.checkpoint_age_seconds),
    ),
    Metric::counter(
        "sluice_checkpoints_failed_total",
        "Checkpoints that were abandoned since the start.",
        |now| one(now.times.checkpoints_failed),
    ),
    Metric::gauge(
        "sluice_kafka_consumer_lag",
        "Offsets of a partition that can be read and are not committed yet.",
        |now| of_partitions(now, |partition| partition.lag),
    ),
    Metric::gauge(
        "sluice_kafka_consumer_offset",
        "The first offset of a partition that is not committed.",
        |now| of_partitions(now, |partition| partition.next_offset),
    ),
    Metric::gauge(
        "sluice_kafka_high_watermark",
        "The offset after the last record of a partition.",
        |now| of_partitions(now, |partition| partition.high_watermark),
    ),
    Metric::gauge(
        "sluice_kafka_last_stable_offset",
        "The offset of a partition before which every transaction has ended: no more can be read.",
        |now| of_partitions(now, |partition| partition.last_stable_offset),
    ),
    Metric::gauge(
        "sluice_kafka_held_back",
        "Offsets of a partition that cannot be read because a transaction before them is open.",
        |now| of_partitions(now, |partition| partition.held_back),
    ),
    Metric::gauge("sluice_state", "1 for the state that the job is in, 0 for the others.", |now| {
        by("state", State::WORDS.map(|word| (word, truth(word == now.state))))
    }),
    Metric::gauge("sluice_ready", "1 while the job keeps up with its input, else 0.", |now| {
        one(truth(now.ready))
    }),
    Metric::gauge(
        "sluice_stalled",
        "1 while something stands still for this cause, else 0.",
        |now| {
            let holds = |cause| now.stalls.iter().any(|stall| stall.cause == cause);
            let predicts = now.publishing.unpublishable_predictions.is_some();
            let causes = Cause::ALL.into_iter();
            let causes = causes.filter(|cause| predicts || *cause != Cause::PredictionsTopic);
            by("cause", causes.map(Cause::word).map(|cause| (cause, truth(holds(cause)))))
        },
    ),
    Metric::gauge("sluice_build_info", "Always 1; the label says which version runs.", |now| {
        by("version", [(now.version, 1.0)])
    }),
    Metric::counter(
        "process_cpu_seconds_total",
        "CPU time used by the process, in whole seconds.",
        |now| one(now.cpu_seconds as u64),
    ),
    Metric::gauge("process_resident_memory_bytes", "Resident memory of the process.", |now| {
        one(now.memory_bytes as f64)
    }),
    Metric::gauge("sluice_uptime_seconds", "Time since the start.", |now| one(now.uptime_seconds)),
];

fn seconds(millis: Option<Millis>) -> Series<f64> {
    known(millis.map(|millis| millis as f64 * 1e-3))
}

fn ignored_fields(now: &StatusReport) -> Series<u64> {
    let labels = |topic, field: &String| {
        vec![Label::new("topic", topic), Label::new("field", field.clone())]
    };
    let fields = now.ignored_fields.iter();
    fields.map(|ignored| (labels(ignored.topic, &ignored.field), ignored.records)).collect()
}

fn watermark_held(now: &StatusReport) -> Series<f64> {
    let holder = now.watermark.as_ref().and_then(|watermark| watermark.held_by.as_ref());
    let holder = holder.map(|holder| (holder.topic, holder.partition));
    let holds =
        |at: &PartitionProgress| (labels(at), truth(holder == Some((at.topic, at.partition))));
    now.partitions.iter().map(holds).collect()
}

/// Offsets of all partitions, where they are known.
fn of_partitions(now: &StatusReport, offset: fn(&PartitionProgress) -> Option<u64>) -> Series<f64> {
    let known = |at: &PartitionProgress| Some((labels(at), offset(at)? as f64));
    now.partitions.iter().filter_map(known).collect()
}

fn labels(at: &PartitionProgress) -> Vec<Label> {
    vec![Label::new("topic", at.topic), Label::new("partition", at.partition.to_string())]
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
