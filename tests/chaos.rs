//! A long-running job that everything is done to: its processes killed and stopped, its broker and
//! its database killed, its layout changed, and records sent that are late, double, replaced, taken
//! back, renewed, erased or bad, plainly or in transactions that are committed, aborted or stay
//! open. At some time the topic of customers becomes a compacted one, which forgets what newer
//! records replace. At the end nothing may be lost, nothing there twice, and every row must be what
//! the records give.
//!
//! What is done is drawn from a seed and printed before it begins: `scripts/chaos --seed N
//! --actions N` does the same again.

mod folder;
mod sequence;
mod supervised;
mod trial;

use crate::services::own::wanted;
use crate::trial::Subject;
use sequence::{Action, Kind, draw};
use trial::Trial;

/// Actions that are done to a job of arrivals whenever the tests run.
const ACTIONS: usize = 16;

/// A number of the environment.
fn number(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok().filter(|value| !value.is_empty());
    given.map_or(otherwise, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {value}"))
    })
}

/// Does to a job of a dataflow what is drawn.
fn befall(subject: Subject, seed: u64, actions: usize) {
    if !wanted() {
        return;
    }
    let sequence = draw(seed, actions);
    assert_eq!(sequence, draw(seed, actions), "the same sequence for the same seed");
    println!("chaos: {}, seed {seed}, {actions} actions", subject.name());
    sequence.iter().enumerate().for_each(|(number, action)| println!("{:5}  {action}", number + 1));
    let mut trial = Trial::begin(subject, seed);
    sequence.iter().enumerate().for_each(|(number, action)| trial.perform(number + 1, action));
    trial.end();
}

/// By itself with the campaign, and with whatever `scripts/chaos` is told.
#[test]
fn whatever_befalls_the_job_nothing_is_lost_and_nothing_is_double() {
    let named = std::env::var("CHAOS_DATAFLOW").ok().filter(|name| !name.is_empty());
    let subject = named.map_or(Subject::Campaign, |name| Subject::named(&name));
    befall(subject, number("CHAOS_SEED", 1), number("CHAOS_ACTIONS", 200) as usize);
}

/// A few things only: what they are done to is the same engine. The broker stays, for whoever kills
/// it waits for half a minute.
#[test]
fn what_befalls_a_job_of_arrivals_loses_nothing_and_doubles_nothing() {
    const WANTED: [Kind; 6] = [
        Kind::KillOne,
        Kind::KillAll,
        Kind::KillDatabase,
        Kind::Rescale,
        Kind::Retract,
        Kind::Erase,
    ];
    let has = |seed: u64, kind| draw(seed, ACTIONS).iter().any(|action| action.kind == kind);
    let does = |seed: &u64| {
        WANTED.into_iter().all(|kind| has(*seed, kind)) && !has(*seed, Kind::KillBroker)
    };
    let seed = (0..).find(does).expect("there are seeds enough");
    befall(Subject::Arrivals, seed, ACTIONS);
}

#[test]
fn every_kind_of_action_is_among_two_hundred() {
    for seed in 0..100 {
        let sequence = draw(seed, 200);
        let mut counts = std::collections::HashMap::new();
        sequence
            .iter()
            .for_each(|action| *counts.entry(format!("{:?}", action.kind)).or_insert(0) += 1);
        assert_eq!(counts.remove("Compact"), Some(1), "seed {seed}");
        assert!(
            counts.len() == 18 && counts.values().all(|count| *count >= 5),
            "seed {seed}: {counts:?}"
        );
        let so_many =
            |holds: fn(&Action) -> bool| sequence.iter().filter(|action| holds(action)).count();
        assert!(
            so_many(|action| action.in_transaction) >= 5,
            "seed {seed}: records in transactions"
        );
    }
}
