//! The status after rounds of epochs.

use super::*;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::output::{
    ArmUpdate, Change, Decision, Erasure, InteractionRow, InteractionRows,
};
use dataflows::campaign::snapshot::Common;
use dataflows::event::{Place, Reason};

/// 1.0 in Q16.
const ONE: i64 = 1 << 16;

/// An epoch in which something of everything happened: epoch 7, 70 records, four decisions (three
/// for arm 0), one rejected record.
pub(crate) fn a_busy_epoch() -> EpochResults {
    let mut results = EpochResults::new(7);
    let mut totals = Totals::new(1);
    totals.n = 12;
    results.closed.watermark = Some(1_700_000_000_500);
    results.closed.held_by = Some((Topic::Transactions.id(), 3));
    results.closed.offsets = vec![(Topic::Transactions.id(), 3, 500)];
    results.counts =
        Counts { records: 70, late: 2, duplicates: 3, pending: 5, decisions: 4, ..Counts::none() };
    results.decisions = [Some(0), Some(0), Some(1), Some(0), None].map(decision).to_vec();
    results.arms = vec![ArmUpdate { arm: 0, model: solve(0, &totals, 1.0), totals }];
    results.thresholds = vec![(19_700, 10_000), (19_701, 12_345)];
    results.rejected = vec![rejected(900)];
    results.arm_days =
        vec![arm_day(19_700, 0, 10, 5), arm_day(19_701, 0, 10, 1), arm_day(19_701, 1, 20, 4)];
    results.segments = vec![segment(9, 40), segment(0, 60), segment(4, 0)];
    results.interactions =
        vec![InteractionRows { rows: vec![row(1, 0, ONE), row(2, 1, 0)], contexts: Vec::new() }];
    results.digest = [0xab; 32];
    results
}

fn decision(arm: Option<u16>) -> Decision {
    Decision { customer: 1, key: 1, arm, propensity: 1.0, ..Decision::default() }
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

fn arm_day(day: Day, arm: u16, interactions: i64, reward: i64) -> ArmDay {
    ArmDay { day, arm, interactions, responses: reward, reward: i128::from(reward * ONE) }
}

fn segment(flags: u8, customers: i64) -> Segment {
    Segment { flags, customers, amount: 0 }
}

/// A learned interaction that carried out a decision.
fn row(key: u64, arm: u16, reward: i64) -> InteractionRow {
    let (change, customer, timestamp, propensity, learned) = (Change::Insert, 1, 0, 1.0, true);
    InteractionRow {
        change,
        customer,
        key,
        timestamp,
        arm,
        propensity,
        reward: Some(reward),
        learned,
        decision: Some((key, None)),
    }
}

fn with_rows(epoch: u64, rows: Vec<InteractionRow>) -> EpochResults {
    let mut results = EpochResults::new(epoch);
    results.interactions = vec![InteractionRows { rows, contexts: Vec::new() }];
    results
}

fn status() -> Status {
    Status::new("campaign", &["Email".to_string(), "SMS".to_string()], 2)
}

const TOOK: Duration = Duration::from_millis(20);

#[test]
fn a_job_that_starts_knows_nothing_and_says_so() {
    let snapshot = status().snapshot();
    assert_eq!((snapshot.state, snapshot.ready, snapshot.message), ("starting", false, None));
    assert_eq!(
        (
            snapshot.watermark,
            snapshot.epoch.digest,
            snapshot.reward.mean,
            snapshot.reward.recent_mean
        ),
        (None, None, None, None)
    );
    assert!(
        snapshot.arms.iter().all(|arm| arm.decisions_share.is_none() && arm.mean_reward.is_none())
    );
    assert!(snapshot.memory_bytes > 0);
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
        let snapshot = status.snapshot();
        assert_eq!((snapshot.state, snapshot.ready), (word, word == "running"));
        assert_eq!(
            snapshot.message.as_deref(),
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
    let end = |stable, high| End { last_stable: Some(stable), high_watermark: Some(high) };
    status.ends([
        ((Topic::Transactions.id(), 3), end(620, 655)),
        ((Topic::Rewards.id(), 0), end(7, 7)),
    ]);
    status.checkpoint(5);
    status.compare_with(Benchmark { best_possible: Some(0.5), best_fixed: Some(0.25) });
    status.committed(&a_busy_epoch(), TOOK);
    let snapshot = status.snapshot();
    let epochs = Epochs {
        cut: 9,
        committed: 7,
        in_flight: 2,
        checkpoint: 5,
        commit_seconds: Some(0.02),
        digest: Some("ab".repeat(32)),
    };
    assert_eq!(snapshot.epoch, epochs);
    let held_by = Some(Holder { topic: "transactions", partition: 3 });
    assert_eq!(snapshot.watermark, Some(Watermark { timestamp_ms: 1_700_000_000_500, held_by }));
    let partition = |topic, partition, next_offset, (stable, high), lag, held_back| Partition {
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
        snapshot.partitions,
        [partition("transactions", 3, Some(500), (620, 655), Some(120), 35), rewards]
    );
    assert_eq!(snapshot.threshold, Some(Threshold { day_ms: 19_701 * DAY, high_value: 123.45 }));
    assert_eq!((snapshot.events.total, snapshot.decisions), (70, 4));
    let counted = Counted { counts: a_busy_epoch().counts, of_other_customers: 0, rejected: 1 };
    assert_eq!(snapshot.counts, counted);
    let reward = Reward {
        mean: Some(0.25),
        recent_mean: Some(0.5),
        recent_outcomes: 2,
        best_possible: Some(0.5),
        best_fixed: Some(0.25),
    };
    assert_eq!(snapshot.reward, reward);
    let email = &snapshot.arms[0];
    assert_eq!(
        (email.n, email.decisions, email.decisions_share, email.recent_decisions_share),
        (12, 3, Some(0.75), Some(0.75))
    );
    assert_eq!(
        (email.interactions, email.interactions_share, email.mean_reward, email.recent_mean_reward),
        (20, Some(0.5), Some(0.3), Some(1.0))
    );
    let sizes: Vec<_> = snapshot
        .segments
        .iter()
        .map(|segment| (segment.flags.join(", "), segment.customers))
        .collect();
    assert_eq!(sizes, [(String::new(), 60), ("high value, recently active".to_string(), 40)]);
}

#[test]
fn a_row_that_stands_anew_replaces_the_old_one() {
    let status = status();
    status.restored(&Common {
        epoch: 4,
        arm_days: vec![arm_day(1, 0, 10, 10), arm_day(2, 0, 10, 0)],
        segments: vec![segment(1, 5), segment(2, 5)],
        counts: Counts { pending: 8, ..Counts::none() },
        ..Common::default()
    });
    assert_eq!(status.snapshot().epoch.committed, 4);
    let mut results = EpochResults::new(5);
    results.arm_days = vec![arm_day(1, 0, 9, 1)];
    results.segments = vec![segment(2, 0)];
    results.counts.pending = -3;
    status.committed(&results, TOOK);
    let snapshot = status.snapshot();
    assert_eq!(
        (snapshot.arms[0].interactions, snapshot.arms[0].mean_reward),
        (19, Some(1.0 / 19.0))
    );
    assert_eq!(snapshot.segments, [SegmentSize { flags: vec!["recently active"], customers: 5 }]);
    assert_eq!(snapshot.counts.counts.pending, 5);
}

#[test]
fn outcomes_are_corrected_taken_back_and_pushed_out() {
    let status = status();
    let unlearned = InteractionRow { learned: false, ..row(5, 0, ONE) };
    let undecided = InteractionRow { decision: None, ..row(6, 0, ONE) };
    let corrected = InteractionRow { change: Change::Update, ..row(2, 1, 4 * ONE) };
    let gone = InteractionRow {
        change: Change::Delete,
        learned: false,
        reward: None,
        decision: None,
        ..row(1, 0, 0)
    };
    let flood = (10..10 + recent::RECENT_DECISIONS as u64).map(|key| row(key, 0, ONE)).collect();
    let rounds = [
        (vec![row(1, 0, ONE), row(2, 1, 2 * ONE), unlearned, undecided], 2, Some(1.5), Some(2.0)),
        (vec![corrected], 2, Some(2.5), Some(4.0)),
        (vec![gone], 1, Some(4.0), Some(4.0)),
        (flood, 5_000, Some(1.0), None),
    ];
    for (epoch, (rows, count, mean, of_second)) in (1u64..).zip(rounds) {
        status.committed(&with_rows(epoch, rows), TOOK);
        let snapshot = status.snapshot();
        assert_eq!(
            (snapshot.reward.recent_outcomes, snapshot.reward.recent_mean),
            (count, mean),
            "epoch {epoch}"
        );
        assert_eq!(snapshot.arms[1].recent_mean_reward, of_second, "epoch {epoch}");
    }
}

#[test]
fn recent_shares_forget_what_decisions_in_all_remember() {
    let status = status();
    for arm in [0, 1] {
        let mut results = EpochResults::new(1);
        results.decisions = vec![decision(Some(arm)); recent::RECENT_DECISIONS + 1];
        status.committed(&results, TOOK);
    }
    let arms = status.snapshot().arms;
    assert_eq!((arms[0].decisions_share, arms[0].recent_decisions_share), (Some(0.5), Some(0.0)));
    assert_eq!((arms[1].decisions_share, arms[1].recent_decisions_share), (Some(0.5), Some(1.0)));
}

#[test]
fn events_a_second_are_those_of_the_last_ten_seconds() {
    let status = status();
    let second = |seconds: u64| status.started + Duration::from_secs(seconds);
    let mut results = EpochResults::new(1);
    results.counts.records = 100;
    for seconds in 1..=20 {
        status.committed_at(&results, TOOK, second(seconds));
    }
    for (seconds, expected) in [(20, 100.0), (25, 50.0), (29, 10.0), (30, 0.0)] {
        assert_eq!(
            status.snapshot_at(second(seconds)).events.per_second,
            expected,
            "after {seconds} s"
        );
    }
    let young = super::Status::new("young", &[], 2);
    young.committed_at(&results, TOOK, young.started + Duration::from_secs(2));
    assert_eq!(young.snapshot_at(young.started + Duration::from_secs(4)).events.per_second, 25.0);
}

#[test]
fn what_is_shown_of_an_erased_customers_dead_letters_goes() {
    let status = status();
    let of = |position, dated| Rejected {
        whose: Some(Whose { customer: 1, dated }),
        ..rejected(position)
    };
    status.committed(
        &EpochResults { rejected: vec![of(0, 5), of(1, 6), rejected(2)], ..EpochResults::new(1) },
        TOOK,
    );
    let erasure = Erasure { customer: 1, until: 5, ..Erasure::default() };
    status.committed(
        &EpochResults { erasures: vec![erasure], rejected: vec![of(3, 5)], ..EpochResults::new(2) },
        TOOK,
    );
    let details: Vec<String> =
        status.snapshot().dead_letters.into_iter().rev().map(|letter| letter.detail).collect();
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
    let mut results = EpochResults::new(1);
    results.rejected = (0..50).map(rejected).collect();
    status.committed(&results, TOOK);
    let snapshot = status.snapshot();
    let positions: Vec<u64> = snapshot.dead_letters.iter().map(|letter| letter.position).collect();
    assert_eq!(positions, (30..50).rev().collect::<Vec<u64>>());
    assert_eq!(snapshot.rejected, BTreeMap::from([("bad_amount", 50)]));
    let text = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
    assert!(text.contains("amount: -1 is negative") && !text.contains("secret"), "{text}");
}
