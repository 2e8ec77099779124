//! A folded history against the whole one.

use super::*;
use crate::customer::history::Decided;
use crate::event::{Attachment, Contact, Profile, Purchase};
use crate::settings::{CustomerSettings, InputSettings};
use proptest::prelude::*;

const WINDOW: Millis = 5;

fn layout() -> Layout {
    Layout::new(&InputSettings::default(), &CustomerSettings::default())
}

fn purchase(at: usize, amount: u64) -> Transaction {
    Transaction::new(
        at as u64,
        at as Millis,
        Purchase::new(amount, at % 5, 0, 1, amount.is_multiple_of(2)),
    )
}

fn contact(id: u64) -> Interaction {
    Interaction {
        id,
        timestamp: id as Millis,
        contact: Contact::new(0, Some(1), true),
        propensity: 1.0,
    }
}

fn version(from: Millis) -> Profile {
    Profile {
        from,
        signup: 30 - from,
        email_open_rate: 0.5,
        complaint_count: 0.0,
        avg_discount: 0.0,
        premium: false,
    }
}

/// A settled customer of whom everything has been emitted, but only `done` purchases have been
/// worked through. Ids of interactions are their instants; a reward is one of an interaction at
/// an instant.
fn settled(
    amounts: &[u64],
    contacts: &[u64],
    rewards: &[(u64, Millis)],
    profiles: &[Millis],
    done: usize,
) -> History {
    let mut history = History::new(1);
    history.transactions =
        amounts.iter().enumerate().map(|(at, &amount)| purchase(at, amount)).collect();
    history.interactions = contacts.iter().map(|&id| contact(id)).collect();
    history.profiles = profiles.iter().map(|&from| version(from)).collect();
    let extras = history.extras_mut();
    let reward = |(id, &(interaction, timestamp)): (u64, &(u64, Millis))| Reward {
        id,
        interaction,
        timestamp,
        value: 1,
    };
    extras.rewards = (0..).zip(rewards).map(reward).collect();
    extras.rewards.sort_unstable_by_key(|reward| (reward.interaction, reward.id));
    extras.attachments = contacts
        .iter()
        .map(|&id| (id, Attachment { decision: Some(id / 2), ..Attachment::default() }))
        .collect();
    extras.decisions = (0..20)
        .map(|key| Decided { key, timestamp: key as Millis, propensity: 1.0, model_version: 1 })
        .collect();
    (history.settled_transactions, history.settled_interactions) =
        (amounts.len() as u32, contacts.len() as u32);
    (history.done_transactions, history.done_interactions) =
        (done.min(amounts.len()) as u32, contacts.len() as u32);
    history
}

/// What a history holds, and how far it has been worked through.
type Content<'a> =
    (&'a [Transaction], &'a [Interaction], &'a [Profile], Option<&'a Extras>, [u32; 4]);

fn content(history: &History) -> Content<'_> {
    let History { transactions, interactions, profiles, extras, .. } = history;
    let marks = [
        history.settled_transactions,
        history.settled_interactions,
        history.done_transactions,
        history.done_interactions,
    ];
    (transactions, interactions, profiles, extras.as_deref(), marks)
}

proptest! {
    #[test]
    fn folding_twice_is_folding_once(
        amounts in prop::collection::vec(0..1_000u64, 0..20),
        contacts in prop::collection::btree_set(0..20u64, 0..10),
        rewards in prop::collection::vec((0..20u64, 0..30i64), 0..10),
        profiles in prop::collection::btree_set(0..20i64, 0..5),
        (done, first, second) in (0..20usize, 0..22i64, 0..22i64),
    ) {
        let contacts: Vec<u64> = contacts.into_iter().collect();
        let profiles: Vec<Millis> = profiles.into_iter().collect();
        let mut once = settled(&amounts, &contacts, &rewards, &profiles, done);
        let (mut twice, latest, unmatched) =
            (once.clone(), once.latest(), once.view().unmatched(WINDOW));
        once.fold(first.max(second), WINDOW, &layout());
        twice.fold(first.min(second), WINDOW, &layout());
        twice.fold(first.max(second), WINDOW, &layout());
        prop_assert_eq!(content(&once), content(&twice));
        prop_assert_eq!(once.view().unmatched(WINDOW), unmatched, "that a reward joined \
            nothing stays known");
        let is_blank = amounts.is_empty() && profiles.is_empty();
        prop_assert_eq!((once.latest(), once.is_blank()), (latest, is_blank));
        let last_purchase = amounts.len().checked_sub(1).map(|last| last as Millis);
        prop_assert_eq!(once.last_purchase(), last_purchase);
        let kept_for_others = once.extras.as_ref().is_some_and(|extras| {
            let before = |decided: &Decided| decided.timestamp < first.max(second);
            let decided = extras.decisions.iter().any(before);
            decided || extras.rewards.iter().any(|reward| reward.timestamp < first.max(second))
        });
        prop_assert_eq!(once.reaches_behind(first.max(second)), kept_for_others);
    }
}

#[test]
fn what_belongs_to_folded_interactions_goes_with_them() {
    // Interactions at 4 and 12. Rewards: of the first at 6; of the second at 3, before it; of
    // interactions that are not there at 9 and 11.
    let mut history =
        settled(&[5, 7], &[4, 12], &[(4, 6), (12, 3), (7, 9), (7, 11)], &[0, 5, 8], 2);
    history.fold(10, WINDOW, &layout());
    let folded = history.folded().expect("there is something").clone();
    assert_eq!(
        (folded.summary.purchases, folded.summary.amount, folded.contributions, folded.rewards),
        (2, 12, 1, 2)
    );
    assert_eq!(folded.unmatched, Unmatched { no_interaction: 1, before: 0, after: 0 });
    assert_eq!((folded.range(), folded.first_reward, folded.profiled), (Some((0, 4)), 6, 30));
    assert_eq!(
        (history.done_transactions, history.done_interactions, history.profiles),
        (0, 1, vec![version(8)])
    );
    let extras = history.extras.expect("there is something");
    assert_eq!(
        extras
            .rewards
            .iter()
            .map(|reward| (reward.interaction, reward.timestamp))
            .collect::<Vec<_>>(),
        [(7, 11), (12, 3)]
    );
    assert_eq!(extras.attachments.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [12]);
    // Decision 6 is older, but it is the one that the interaction at 12 carried out.
    assert_eq!(
        extras.decisions.iter().map(|decided| decided.key).collect::<Vec<_>>(),
        [vec![6], (10..20).collect()].concat()
    );
}

#[test]
fn memory_is_given_back() {
    let mut history = settled(&[1; 100], &[], &[], &[], 100);
    history.fold(99, WINDOW, &layout());
    assert_eq!((history.transactions.len(), history.transactions.capacity()), (1, 1));
    history.fold(100, WINDOW, &layout());
    assert_eq!(history.transactions.capacity(), 0);
}
