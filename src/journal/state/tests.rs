//! What records come to, in whatever order they come.

use super::*;
use crate::campaign::rows::CampaignWording;
use crate::sink::applied::Applied;
use crate::sink::notices::NoticeText;
use dataflows::campaign::output::Decision;
use dataflows::event::{Reason, Topic, Whose};

fn notice(customer: CustomerId, timestamp: Millis) -> NoticeText {
    NoticeText::of(&Decision {
        customer,
        key: 1,
        decision: "d".to_string(),
        timestamp,
        arm: Some(0),
        propensity: 1.0,
        ..Decision::default()
    })
}

/// What a journal of the campaign owes.
fn owed(state: &JournalState, after: u64, through: u64) -> Stretch {
    let form = CampaignWording::default();
    let owed = state.owed(after, through, &TopicNames::own(Topic::ids()), Some(&form));
    owed.expect("every notice reads back")
}

fn epoch(epoch: u64, incarnation: i64) -> Epoch {
    let values = BTreeMap::from([(epoch as i32, 10 * epoch)]);
    let notices = vec![notice(epoch as i64, 100)];
    Epoch {
        epoch,
        incarnation,
        digest: "ab".repeat(32),
        running: epoch as i64,
        values,
        notices,
        ..Epoch::default()
    }
}

fn commit(epoch_number: u64, incarnation: i64) -> JournalRecord {
    JournalRecord::Epoch(Box::new(epoch(epoch_number, incarnation)))
}

fn state(records: impl IntoIterator<Item = JournalRecord>) -> JournalState {
    let mut state = JournalState::default();
    records.into_iter().for_each(|record| state.apply(record).expect("it follows"));
    state
}

fn five() -> JournalState {
    let topics = JournalRecord::Topics(BTreeMap::from([(
        "transactions".to_string(),
        "AAAAAAAAAAAAAAAAAAAABQ".to_string(),
    )]));
    let applied =
        JournalRecord::Applied(Box::new(Applied { since: 1, settings: serde_json::json!(1) }));
    state(
        [
            JournalRecord::Start { incarnation: 1 },
            JournalRecord::History(Genesis::begin(0)),
            topics,
            applied,
        ]
        .into_iter()
        .chain((1..=5).map(|number| commit(number, 1)))
        .chain([JournalRecord::Published(3)]),
    )
}

#[test]
fn an_epoch_of_an_instance_that_was_taken_over_does_not_count() {
    let taken_over = state([
        JournalRecord::Start { incarnation: 1 },
        commit(1, 1),
        JournalRecord::Start { incarnation: 2 },
        commit(2, 1),
        commit(2, 2),
    ]);
    assert_eq!((taken_over.progress.epoch, taken_over.epochs[&2].incarnation), (2, 2));
}

#[test]
fn epochs_and_incarnations_follow_one_another() {
    let mut state = five();
    assert!(state.apply(commit(7, 1)).is_err_and(|why| why == "epoch 7 follows epoch 5"));
    assert!(state.apply(commit(5, 1)).is_err());
    assert!(state.apply(JournalRecord::Start { incarnation: 1 }).is_err());
}

#[test]
fn the_records_of_a_state_come_to_the_same_state() {
    let mut state = five();
    for before in [0, 3, 5, 6] {
        state.forget_before(before);
        let again = self::state(state.records("campaign", true));
        assert_eq!(again, state, "without those before {before}");
    }
    assert_eq!(
        state.epochs.keys().copied().collect::<Vec<_>>(),
        [4, 5],
        "what has to be published stays"
    );
    state.apply(JournalRecord::Published(5)).expect("a mark");
    state.forget_before(6);
    let again = self::state(state.records("campaign", true));
    assert_eq!(
        (again.progress.epoch, again.progress.published, again.running, again.values.len()),
        (5, 5, 5, 5)
    );
    assert!(again.epochs.is_empty());
}

#[test]
fn what_was_decided_for_an_erased_customer_is_not_published() {
    let mut state = five();
    let owed = |state: &JournalState| {
        let stretch = owed(state, 3, 5);
        assert_eq!(stretch.through, 5);
        let notices = stretch.epochs.iter().flat_map(|owed| owed.notices.all::<Decision>());
        notices.map(|decision| decision.customer).collect::<Vec<_>>()
    };
    assert_eq!((owed(&state), state.backlog(3, 5, true).records), (vec![4, 5], 2));
    state.erase(5, &[(4, 99), (5, 100)]);
    assert_eq!((owed(&state), state.backlog(3, 5, true).records), (vec![4], 1));
}

#[test]
fn what_was_rejected_of_an_erased_customer_is_published_blank() {
    let rejected = |customer, dated| {
        let (place, whose) = (Place::new(0, 1), Some(Whose { customer, dated }));
        Rejected {
            topic: Topic::Rewards.id(),
            place,
            reason: Reason::BadReward,
            detail: "x".to_string(),
            raw: b"x".to_vec(),
            whose,
        }
    };
    let mut state = five();
    for number in [4, 5] {
        state.epochs.get_mut(&number).expect("it is there").rejected =
            vec![rejected(1, 100), rejected(1, 101), rejected(2, Millis::MIN)];
    }
    state.erase(5, &[(1, 100)]);
    let blanked = |number| {
        state.epochs[&number].rejected.iter().map(Rejected::is_blanked).collect::<Vec<_>>()
    };
    assert_eq!(
        (blanked(4), blanked(5)),
        (vec![true, false, false], vec![false; 3]),
        "the epoch's own are judged before it is committed"
    );
}

#[test]
fn an_erasure_is_owed_until_it_is_published() {
    let mut state = five();
    state.apply(JournalRecord::Published(5)).expect("a mark");
    let erasing = Epoch { erasures: vec![(7, 100), (7, 100)], notices: Vec::new(), ..epoch(6, 1) };
    state.apply(JournalRecord::Epoch(Box::new(erasing))).expect("it follows");
    let letter = ("rewards".to_string(), Place::new(1, 2));
    assert!(
        state.note_blanked(6, vec![letter.clone()]) && !state.note_blanked(6, vec![letter.clone()])
    );
    let letter = Tombstone::Letter(letter.0, letter.1);
    assert_eq!(owed(&state, 5, 6).epochs[0].tombstones, [Tombstone::Notices(7), letter.clone()]);
    assert_eq!(
        (state.backlog(5, 6, true).records, state.forgettable(7)),
        (2, 5),
        "it is kept until then"
    );
    let topics = TopicNames::own(Topic::ids());
    let without = state.owed(5, 6, &topics, None).expect("there are no notices to read");
    assert_eq!(
        (&without.epochs[0].tombstones[..], state.backlog(5, 6, false).records),
        (&[letter][..], 1),
        "where there are no notices, none need be buried"
    );
    assert_eq!(self::state(state.records("campaign", true)), state);
    state.apply(JournalRecord::Published(6)).expect("a mark");
    assert_eq!(state.forgettable(7), 6);
    assert!(
        state.epochs[&6].blanked.is_empty() && !state.epochs[&6].erasures.is_empty(),
        "whoever repeats it needs to know"
    );
}

#[test]
fn a_stretch_ends_before_it_has_too_many_records_and_never_within_an_epoch() {
    let mut state = JournalState::default();
    for (number, notices) in (1..).zip([400, 600, 0, 1, 5000, 2]) {
        let notices = (0..notices).map(|customer| notice(customer, 1)).collect();
        state
            .apply(JournalRecord::Epoch(Box::new(Epoch { notices, ..epoch(number, 0) })))
            .expect("it follows");
    }
    let (mut at, mut stretches) = (0, Vec::new());
    while at < 6 {
        let stretch = owed(&state, at, 6);
        stretches.push((stretch.through, stretch.epochs.iter().map(Owed::records).sum::<usize>()));
        at = stretch.through;
    }
    assert_eq!(stretches, [(3, 1000), (4, 1), (5, 5000), (6, 2)]);
}
