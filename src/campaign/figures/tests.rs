//! What the campaign shows, in `/status`, in `/metrics` and on the page, after rounds of epochs.

use super::metrics::CAMPAIGN;
use super::shown::{RewardFigures, SegmentSize, Threshold};
use super::*;
use crate::campaign::counted::tests::all_different;
use crate::status::Status;
use crate::status::metrics::tests::{
    assert_describes, assert_has, assert_well_named, assert_written, described, of_every_job,
};
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::output::{
    ArmDay, ArmUpdate, Change, Count, Decision, InteractionRow, InteractionRows,
};
use dataflows::event::{Place, Reason, Rejected, Topic};
use std::time::Duration;

/// 1.0 in Q16.
const ONE: i64 = 1 << 16;

/// An epoch in which something of everything happened: epoch 7, 70 records, four decisions (three
/// for arm 0), one rejected record.
fn a_busy_epoch() -> EpochResults {
    let mut results = EpochResults::new(7);
    let mut totals = Totals::new(1);
    totals.n = 12;
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

fn figures() -> CampaignFigures {
    CampaignFigures::new(&["Email".to_string(), "a \"quoted\" one".to_string()], 2)
}

fn commit(figures: &mut CampaignFigures, results: &EpochResults) {
    figures.committed(results, Instant::now());
}

/// The status of a job of this campaign.
fn status() -> Status {
    Status::new("campaign", &Topic::ids(), Box::new(figures()))
}

const TOOK: Duration = Duration::from_millis(20);

#[test]
fn a_campaign_that_starts_knows_nothing_and_says_so() {
    let shown = figures().shown();
    assert_eq!((shown.reward.mean, shown.reward.recent_mean), (None, None));
    assert!(
        shown.arms.iter().all(|arm| arm.decisions_share.is_none() && arm.mean_reward.is_none())
    );
}

#[test]
fn a_committed_epoch_shows_in_everything() {
    let benchmark = Benchmark { best_possible: 0.5, best_fixed: 0.25 };
    let mut figures = figures().compared_with(benchmark);
    commit(&mut figures, &a_busy_epoch());
    let shown = figures.shown();
    assert_eq!(shown.threshold, Some(Threshold { day_ms: 19_701 * DAY, high_value: 123.45 }));
    assert_eq!(shown.decisions, 4);
    let counted = Counted { counts: a_busy_epoch().counts, of_other_customers: 0, rejected: 1 };
    assert_eq!(shown.counts, counted);
    let reward = RewardFigures {
        mean: Some(0.25),
        recent_mean: Some(0.5),
        recent_outcomes: 2,
        best_possible: Some(0.5),
        best_fixed: Some(0.25),
    };
    assert_eq!(shown.reward, reward);
    let email = &shown.arms[0];
    assert_eq!(
        (email.n, email.decisions, email.decisions_share, email.recent_decisions_share),
        (12, 3, Some(0.75), Some(0.75))
    );
    assert_eq!(
        (email.interactions, email.interactions_share, email.mean_reward, email.recent_mean_reward),
        (20, Some(0.5), Some(0.3), Some(1.0))
    );
    let sizes: Vec<_> = shown
        .segments
        .iter()
        .map(|segment| (segment.flags.join(", "), segment.customers))
        .collect();
    assert_eq!(sizes, [(String::new(), 60), ("high value, recently active".to_string(), 40)]);
}

#[test]
fn a_row_that_stands_anew_replaces_the_old_one() {
    let mut figures = figures();
    let counted = figures.restored(&Common {
        epoch: 4,
        arm_days: vec![arm_day(1, 0, 10, 10), arm_day(2, 0, 10, 0)],
        segments: vec![segment(1, 5), segment(2, 5)],
        counts: Counts { pending: 8, records: 3, unread_erasures: 2, ..Counts::none() },
        ..Common::default()
    });
    assert_eq!(counted, JobCounts { records: 3, unread_erasures: 2 });
    let mut results = EpochResults::new(5);
    results.arm_days = vec![arm_day(1, 0, 9, 1)];
    results.segments = vec![segment(2, 0)];
    results.counts.pending = -3;
    commit(&mut figures, &results);
    let shown = figures.shown();
    assert_eq!((shown.arms[0].interactions, shown.arms[0].mean_reward), (19, Some(1.0 / 19.0)));
    assert_eq!(shown.segments, [SegmentSize { flags: vec!["recently active"], customers: 5 }]);
    assert_eq!(shown.counts.counts.pending, 5);
}

#[test]
fn outcomes_are_corrected_taken_back_and_pushed_out() {
    let mut figures = figures();
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
        commit(&mut figures, &with_rows(epoch, rows));
        let shown = figures.shown();
        assert_eq!(
            (shown.reward.recent_outcomes, shown.reward.recent_mean),
            (count, mean),
            "epoch {epoch}"
        );
        assert_eq!(shown.arms[1].recent_mean_reward, of_second, "epoch {epoch}");
    }
}

#[test]
fn recent_shares_forget_what_decisions_in_all_remember() {
    let mut figures = figures();
    for arm in [0, 1] {
        let mut results = EpochResults::new(1);
        results.decisions = vec![decision(Some(arm)); recent::RECENT_DECISIONS + 1];
        commit(&mut figures, &results);
    }
    let arms = figures.shown().arms;
    assert_eq!((arms[0].decisions_share, arms[0].recent_decisions_share), (Some(0.5), Some(0.0)));
    assert_eq!((arms[1].decisions_share, arms[1].recent_decisions_share), (Some(0.5), Some(1.0)));
}

#[test]
fn what_it_shows_is_among_what_every_job_does() {
    let status = status();
    status.restored(4, None, &Common { counts: all_different().0, ..Common::default() });
    status.committed(&a_busy_epoch(), TOOK);
    let written = serde_json::to_value(status.report()).expect("a report is JSON");
    for name in ["decisions", "reward", "arms", "threshold", "counts", "segments"] {
        assert!(written.get(name).is_some(), "{name} in {written}");
    }
    let counts = &written["counts"];
    assert_eq!(written["events"]["total"], counts["records"]);
    assert_eq!(written["failed_erasures"]["unread"], counts["unread_erasures"]);
    assert_eq!((&counts["rejected"], &written["rejected"]["bad_amount"]), (&1.into(), &1.into()));
    assert_eq!(
        written["ignored_fields"].as_array().map(Vec::len),
        Some(IGNORABLE.len()),
        "those too of which there are none"
    );
}

#[test]
fn every_metric_is_declared_as_it_should_be_and_written_down() {
    assert_well_named(&[of_every_job(), described(CAMPAIGN)].concat());
    assert_written("The campaign", &described(CAMPAIGN));
}

#[test]
fn everything_is_rendered_with_its_description() {
    let status = status();
    status.committed(&a_busy_epoch(), TOOK);
    let text = status.metrics();
    assert_describes(&text, &described(CAMPAIGN));
    assert_has(
        &text,
        &[
            "sluice_ignored_fields_total{topic=\"customer-interactions\",field=\"template_id\"} 0",
            "sluice_decisions_total{arm=\"Email\"} 3",
            "sluice_decisions_total{arm=\"a \\\"quoted\\\" one\"} 1",
            "sluice_arm_mean_reward{arm=\"Email\"} 0.3",
            "sluice_mean_reward 0.25",
            "sluice_recent_mean_reward 0.5",
        ],
    );
}

#[test]
fn every_counter_is_there_from_the_start_and_a_mean_once_it_is_known() {
    let text = status().metrics();
    for row in described(CAMPAIGN).iter().filter(|row| row.contains("` | counter | ")) {
        let name = row.split('`').nth(1).expect("a name");
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} in\n{text}");
    }
    let turns = Client::ALL
        .map(|client| format!("sluice_turn_seconds_count{{client=\"{}\"}} 0", client.name()));
    assert_has(&text, &turns.each_ref().map(String::as_str));
    assert!(!text.contains("\nsluice_mean_reward ") && !text.contains("\nsluice_arm_mean_reward{"));
}

#[test]
fn every_count_is_a_metric_from_the_start() {
    let (counts, numbers) = all_different();
    let told_otherwise = [
        // By arm.
        Count::Decisions,
        // By reason, with those that name an interaction of another customer.
        Count::NoInteraction,
    ];
    let (before, after) = (status(), status());
    after.committed(
        &EpochResults { counts, of_other_customers: Some(9), ..EpochResults::new(1) },
        TOOK,
    );
    let text = after.metrics();
    for (of, number) in numbers.iter().filter(|(of, _)| !told_otherwise.contains(of)) {
        let with_it: Vec<&str> = text
            .lines()
            .filter(|line| line.ends_with(&format!(" {number}")) && !line.starts_with('#'))
            .collect();
        let [line] = with_it[..] else { panic!("{} is told by {with_it:?}", of.name()) };
        let (name, _) = line.rsplit_once(' ').expect("a name and a number");
        let is_counter = name.split('{').next().expect("a name").ends_with("_total");
        assert_eq!(is_counter, of.only_rises(), "{line}");
        assert_has(&before.metrics(), &[&format!("{name} 0")]);
    }
    let unknown = counts.rewards_no_interaction - 9;
    for (reason, number) in [("unknown_id", unknown), ("other_customer", 9)] {
        let line = format!("sluice_rewards_unmatched{{reason=\"{reason}\"}} {number}");
        assert_has(&text, &[&line]);
    }
}

#[test]
fn the_page_shows_every_count_and_loads_nothing_from_elsewhere() {
    let page = status().page();
    // Erasures that could not be read are among those that were not done, which are shown by
    // reason for every job.
    let names = Count::ALL
        .iter()
        .filter(|count| **count != Count::UnreadErasures)
        .map(|count| count.name())
        .chain(["rejected"]);
    let missing: Vec<&str> =
        names.filter(|name| !page.contains(&format!("[\"{name}\", "))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for foreign in ["http://", "https://", "@import", "url(", "<link", " src=", "innerHTML"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}
