//! The status after rounds of epochs, of a dataflow that shows nothing of its own.

use super::report::{Epochs, Holder, PartitionProgress, Watermark};
use super::*;
use crate::sink::gathered::{EpochCounts, ErasedCustomer, Essentials};
use crate::sink::outbox::Owed;
use crate::source::{TopicNames, TopicUuids};
use crate::telemetry::stalls::Cause;
use dataflows::epoch::Closed;
use dataflows::event::{Place, Reason, Rejected, Topic, Whose};
use std::collections::BTreeMap;

/// An epoch of some dataflow, with what every job has.
#[derive(Clone)]
pub(crate) struct AnEpoch {
    pub(crate) epoch: u64,
    pub(crate) closed: Closed,
    pub(crate) records: u64,
    pub(crate) unread_erasures: u64,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) ignored: BTreeMap<(TopicId, String), u64>,
    pub(crate) erasures: Vec<ErasedCustomer>,
    pub(crate) digest: [u8; 32],
}

impl AnEpoch {
    /// In which nothing happened.
    pub(crate) fn new(epoch: u64) -> Self {
        AnEpoch {
            epoch,
            closed: Closed::default(),
            records: 0,
            unread_erasures: 0,
            rejected: Vec::new(),
            ignored: BTreeMap::new(),
            erasures: Vec::new(),
            digest: [0; 32],
        }
    }
}

/// Nothing is counted.
impl EpochCounts for () {
    fn json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn untold(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl Gathered for AnEpoch {
    fn take_owed(&mut self, _: &TopicNames) -> Owed {
        Owed::default()
    }

    fn essentials(&self) -> Essentials<'_> {
        Essentials {
            epoch: self.epoch,
            closed: &self.closed,
            counts: &(),
            running: 0,
            is_change: false,
            records: self.records,
            unread_erasures: self.unread_erasures,
            rejected: &self.rejected,
            ignored: &self.ignored,
            kept: &[],
            digest: &self.digest,
            topic_ids: &TopicUuids::UNKNOWN,
            chain: None,
        }
    }

    fn erasures(&self) -> Vec<ErasedCustomer> {
        self.erasures.clone()
    }
}

/// An epoch in which something of everything happened: epoch 7, 70 records, one rejected record.
pub(crate) fn a_busy_epoch() -> AnEpoch {
    let closed = Closed {
        watermark: Some(1_700_000_000_500),
        held_by: Some((Topic::Transactions.id(), 3)),
        offsets: vec![(Topic::Transactions.id(), 3, 500)],
        ..Closed::default()
    };
    let ignored = BTreeMap::from([((Topic::Customers.id(), "age".to_string()), 2)]);
    let (rejected, digest) = (vec![rejected(900)], [0xab; 32]);
    AnEpoch { closed, records: 70, rejected, ignored, digest, ..AnEpoch::new(7) }
}

/// Of a job with nothing of its own to show.
pub(crate) fn status() -> Status {
    Status::new("job", &Topic::ids(), Box::new(()))
}

fn rejected(position: u64) -> Rejected {
    let detail = "amount: -1 is negative".to_string();
    Rejected {
        topic: Topic::Transactions.id(),
        place: Place::new(2, position),
        reason: Reason::BadAmount,
        detail,
        raw: b"{\"amount\":-1,\"secret\":1}".to_vec(),
        whose: None,
    }
}

const TOOK: Duration = Duration::from_millis(20);

#[test]
fn a_job_that_starts_knows_nothing_and_says_so() {
    let report = status().report();
    assert_eq!((report.state, report.ready, report.message), ("starting", false, None));
    assert_eq!((report.watermark, report.epoch.digest), (None, None));
    assert!(report.memory_bytes > 0);
}

#[test]
fn every_state_has_its_word_and_only_running_is_ready() {
    let states = [
        State::Starting,
        State::CatchingUp,
        State::Running,
        State::Stalled(Cause::Database, "no route".to_string()),
        State::Stalled(Cause::Broker, "no route".to_string()),
        State::Stalled(Cause::Unknown, "no route".to_string()),
        State::Draining,
        State::Stopped,
        State::Failed("no route".to_string()),
    ];
    let status = status();
    for (state, word) in states.into_iter().zip(State::WORDS) {
        status.enter(state.clone());
        let report = status.report();
        assert_eq!((report.state, report.ready), (word, word == "running"));
        assert_eq!(
            report.message.as_deref(),
            (word.starts_with("waiting") || ["stalled", "failed"].contains(&word))
                .then_some("no route")
        );
        assert_eq!(status.state(), state);
    }
    status.enter(State::Draining);
    assert_eq!(
        status.state().unready().as_deref(),
        Some("the job has failed: no route"),
        "what follows does not hide it"
    );
}

#[test]
fn a_committed_epoch_shows_in_everything() {
    let status = status();
    status.cut(9);
    let end = |stable, high| EndOffsets { last_stable: Some(stable), high_watermark: Some(high) };
    status.ends([
        ((Topic::Transactions.id(), 3), end(620, 655)),
        ((Topic::Rewards.id(), 0), end(7, 7)),
    ]);
    status.checkpoint(5);
    status.committed(&a_busy_epoch(), TOOK);
    let report = status.report();
    let epochs = Epochs {
        cut: 9,
        committed: 7,
        in_flight: 2,
        checkpoint: 5,
        commit_seconds: Some(0.02),
        digest: Some("ab".repeat(32)),
    };
    assert_eq!(report.epoch, epochs);
    let held_by = Some(Holder { topic: "transactions", partition: 3 });
    assert_eq!(report.watermark, Some(Watermark { timestamp_ms: 1_700_000_000_500, held_by }));
    let partition =
        |topic, partition, next_offset, (stable, high), lag, held_back| PartitionProgress {
            topic,
            partition,
            next_offset,
            last_stable_offset: Some(stable),
            high_watermark: Some(high),
            lag,
            held_back: Some(held_back),
        };
    // Of rewards nothing is committed yet.
    let rewards = partition("rewards", 0, None, (7, 7), None, 0);
    assert_eq!(
        report.partitions,
        [partition("transactions", 3, Some(500), (620, 655), Some(120), 35), rewards]
    );
    assert_eq!(report.events.total, 70);
    assert_eq!(report.rejected, BTreeMap::from([("bad_amount", 1)]));
    let [ignored] = &report.ignored_fields[..] else { panic!("{:?}", report.ignored_fields) };
    assert_eq!((ignored.topic, ignored.field.as_str(), ignored.records), ("customers", "age", 2));
}

#[test]
fn a_job_that_goes_on_after_a_checkpoint_stands_where_it_was() {
    let status = status();
    status.restored(4, Some(17), &());
    let report = status.report();
    assert_eq!((report.epoch.cut, report.epoch.committed), (4, 4));
    assert_eq!(report.watermark, Some(Watermark { timestamp_ms: 17, held_by: None }));
    status.repeated(&AnEpoch { records: 3, ..AnEpoch::new(5) });
    let report = status.report();
    assert_eq!((report.epoch.committed, report.events.total), (5, 3));
    assert_eq!((report.events.per_second, report.times.commit_ms), (0.0, None));
}

#[test]
fn without_figures_only_what_every_job_has_is_written() {
    let written = serde_json::to_value(status().report()).expect("a report is JSON");
    let names: Vec<&str> =
        written.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut expected = [
        "job",
        "version",
        "state",
        "message",
        "ready",
        "stalls",
        "uptime_seconds",
        "cpu_seconds",
        "memory_bytes",
        "epoch",
        "publishing",
        "times",
        "watermark",
        "partitions",
        "events",
        "failed_erasures",
        "rejected",
        "ignored_fields",
        "given_up",
        "dead_letters",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn events_a_second_are_those_of_the_last_ten_seconds() {
    let status = status();
    let second = |seconds: u64| status.started + Duration::from_secs(seconds);
    let epoch = AnEpoch { records: 100, ..AnEpoch::new(1) };
    for seconds in 1..=20 {
        status.committed_at(&epoch, TOOK, second(seconds));
    }
    for (seconds, expected) in [(20, 100.0), (25, 50.0), (29, 10.0), (30, 0.0)] {
        assert_eq!(
            status.report_at(second(seconds)).events.per_second,
            expected,
            "after {seconds} s"
        );
    }
    let young = Status::new("young", &[], Box::new(()));
    young.committed_at(&epoch, TOOK, young.started + Duration::from_secs(2));
    assert_eq!(young.report_at(young.started + Duration::from_secs(4)).events.per_second, 25.0);
}

#[test]
fn what_is_shown_of_an_erased_customers_dead_letters_goes() {
    let status = status();
    let of = |position, dated| Rejected {
        whose: Some(Whose { customer: 1, dated }),
        ..rejected(position)
    };
    let first = AnEpoch { rejected: vec![of(0, 5), of(1, 6), rejected(2)], ..AnEpoch::new(1) };
    status.committed(&first, TOOK);
    let erasure = ErasedCustomer { customer: 1, until: 5, gone_until: 5, learned: false };
    let second = AnEpoch { erasures: vec![erasure], rejected: vec![of(3, 5)], ..AnEpoch::new(2) };
    status.committed(&second, TOOK);
    let details: Vec<String> =
        status.report().dead_letters.into_iter().rev().map(|letter| letter.detail).collect();
    let shown = "amount: -1 is negative";
    assert_eq!(
        details,
        [Rejected::BLANKED, shown, shown, shown],
        "those of its own epoch were judged before"
    );
}

#[test]
fn the_last_dead_letters_are_shown_without_their_bytes() {
    let status = status();
    let rejected = (0..50).map(rejected).collect();
    status.committed(&AnEpoch { rejected, ..AnEpoch::new(1) }, TOOK);
    let report = status.report();
    let positions: Vec<u64> = report.dead_letters.iter().map(|letter| letter.position).collect();
    assert_eq!(positions, (30..50).rev().collect::<Vec<u64>>());
    assert_eq!(report.rejected, BTreeMap::from([("bad_amount", 50)]));
    let text = serde_json::to_string(&report).expect("a report is JSON");
    assert!(text.contains("amount: -1 is negative") && !text.contains("secret"), "{text}");
}
