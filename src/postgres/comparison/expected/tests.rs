//! Epochs folded into the rows that the tables must then have.

use super::*;
use crate::campaign::results::EpochResults;
use crate::postgres::tests::of_campaign;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::Totals;
use dataflows::campaign::output::{
    ArmDay, ArmUpdate, Change, Decision, Erasure, InteractionRow, InteractionRows, Segment,
};
use dataflows::campaign::tables::name;
use dataflows::event::{Millis, Place, Reason, Rejected, Topic, Whose};

fn expected(keep: u32, kept: Retained) -> Expected {
    Expected::new(&PostgresSettings { keep_model_versions: keep, ..of_campaign(|_| {}) }, kept)
}

/// An epoch that changes an arm.
fn learned(epoch: u64, arm: u32) -> EpochResults {
    let totals = Totals::new(1);
    let model = solve(arm, &totals, 1.0);
    EpochResults { arms: vec![ArmUpdate { arm, totals, model }], ..EpochResults::new(epoch) }
}

fn of<'a>(expected: &'a Expected, name: &str) -> &'a Wanted {
    expected.tables().iter().find(|table| table.table().name == name).expect("a table")
}

fn versions(expected: &Expected) -> Vec<(i64, i64)> {
    of(expected, name::MODEL_VERSIONS).keys().map(|key| (key.0, key.1)).collect()
}

#[test]
fn versions_go_as_the_writer_deletes_them() {
    let kept = Retained { versions: BTreeSet::from([(3, 0)]), ..Retained::default() };
    let mut expected = expected(2, kept);
    for epoch in 1..=PRUNE_EVERY {
        let results = if epoch == 1 { learned(1, 1) } else { learned(epoch, 0) };
        expected.fold(&results).unwrap();
    }
    // Arm 1 was never learned again, version 3 is there because somebody has pinned it.
    let last = PRUNE_EVERY as i64;
    assert_eq!(versions(&expected), [(1, 1), (3, 0), (last - 1, 0), (last, 0)]);
}

fn decided(customer: i64, key: u64, timestamp: Millis) -> Decision {
    Decision {
        customer,
        key,
        decision: format!("d{key}"),
        timestamp,
        arm: Some(0),
        propensity: 1.0,
        ..Decision::default()
    }
}

#[test]
fn an_erasure_takes_decisions_up_to_its_instant_and_rows_of_folded_interactions() {
    let mut own = expected(10, Retained::default());
    let decisions =
        vec![decided(1, 1, 100), decided(1, 2, 101), decided(1, 3, 110), decided(2, 1, 100)];
    let contact = |customer, timestamp| InteractionRow {
        change: Change::Insert,
        customer,
        key: timestamp as u64,
        timestamp,
        arm: 0,
        propensity: 1.0,
        reward: None,
        learned: false,
        decision: None,
    };
    let rows = vec![contact(1, 104), contact(1, 105), contact(2, 104)];
    let interactions = vec![InteractionRows { rows, contexts: Vec::new() }];
    let letter = |position, customer, dated| {
        let (place, whose) = (Place::new(0, position), Some(Whose { customer, dated }));
        Rejected {
            topic: Topic::Rewards.id(),
            place,
            reason: Reason::BadReward,
            detail: "canary".to_string(),
            raw: b"canary".to_vec(),
            whose,
        }
    };
    let rejected = vec![letter(1, 1, Millis::MIN), letter(2, 1, 101), letter(3, 2, 100)];
    own.fold(&EpochResults { decisions, interactions, rejected, ..EpochResults::new(1) }).unwrap();
    let erasure = |until, folded_before| Erasure {
        customer: 1,
        until,
        interactions: 1,
        learned: 1,
        decisions: 1,
        folded: 3,
        folded_before,
        ..Erasure::default()
    };
    let left = |table: &Wanted| table.keys().map(|key| (key.0, key.1)).collect::<Vec<(i64, i64)>>();
    own.fold(&EpochResults {
        erasures: vec![erasure(100, None), erasure(100, None)],
        ..EpochResults::new(2)
    })
    .unwrap();
    assert_eq!(of(&own, name::ERASURES).keys().count(), 2, "each is reported");
    let canaries = |own: &Expected| {
        of(own, name::DEAD_LETTERS)
            .rows()
            .filter(|(_, row)| row.windows(6).any(|bytes| bytes == b"canary"))
            .count()
    };
    assert_eq!(canaries(&own), 2, "one of three dead letters is blanked");
    assert_eq!(left(of(&own, name::DECISIONS)), [(1, 2), (1, 3), (2, 1)]);
    assert_eq!(left(of(&own, name::INTERACTIONS)), [(1, 104), (1, 105), (2, 104)]);
    own.fold(&EpochResults { erasures: vec![erasure(100, Some(105))], ..EpochResults::new(3) })
        .unwrap();
    assert_eq!(left(of(&own, name::DECISIONS)), [(1, 3), (2, 1)]);
    assert_eq!(left(of(&own, name::INTERACTIONS)), [(1, 105), (2, 104)]);
}

#[test]
fn rows_with_nothing_in_them_are_none() {
    let mut own = expected(10, Retained::default());
    let day = |interactions| ArmDay { day: 1, arm: 0, interactions, responses: 0, reward: 0 };
    let segment = |customers| Segment { flags: 5, customers, amount: 7 };
    own.fold(&EpochResults {
        arm_days: vec![day(2)],
        segments: vec![segment(1)],
        ..EpochResults::new(1)
    })
    .unwrap();
    assert_eq!(
        (of(&own, name::ARM_STATS).keys().count(), of(&own, name::SEGMENTS).keys().count()),
        (1, 1)
    );
    own.fold(&EpochResults {
        arm_days: vec![day(0)],
        segments: vec![segment(0)],
        ..EpochResults::new(2)
    })
    .unwrap();
    assert_eq!(
        (of(&own, name::ARM_STATS).keys().count(), of(&own, name::SEGMENTS).keys().count()),
        (0, 0)
    );
}
