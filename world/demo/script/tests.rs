//! The script against what it promises: its history, its time, its answers, its end.

use super::super::future::CHUNK_DAYS;
use super::*;
use crate::segments::HiddenSegment;
use dataflows::event::parse::{Parsed, Parser};
use dataflows::event::{Aside, Kind};
use dataflows::settings::InputSettings;
use dataflows::source::Messages;
use std::sync::Arc;

fn script(seed: u64) -> Script {
    let settings = WorldSettings {
        customers: 300,
        transactions: 3_000,
        interactions: 0,
        seed,
        ..WorldSettings::default()
    };
    Script::of(settings).expect("a world can be made of these")
}

fn parse(blocks: impl IntoIterator<Item = Messages>) -> Parsed {
    let mut parser = Parser::new(Arc::new(InputSettings::default()), 1, |_| 0);
    let mut parsed = Parsed::default();
    blocks.into_iter().for_each(|block| parser.parse(&block.into(), &mut parsed));
    parsed
}

fn asked(script: &mut Script, requests: u64) -> Parsed {
    let mut out = Batches::default();
    (0..requests).for_each(|_| assert!(script.ask(&mut out).is_some()));
    parse(out.take())
}

fn decision(customer: CustomerId, number: u64, arm: Option<u16>) -> Decision {
    Decision {
        customer,
        key: number,
        decision: format!("D{number:07}"),
        timestamp: 1_735_689_600_000,
        arm,
        propensity: 1.0,
        ..Decision::default()
    }
}

#[test]
fn the_history_is_the_whole_world_without_contacts() {
    let mut script = script(1);
    let mut out = Batches::default();
    while script.recall(&mut out) {}
    let parsed = parse(out.take());
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    let of = |kind| parsed.records.iter().filter(|record| record.kind() == kind).count();
    assert_eq!((of(Kind::Transaction), of(Kind::Interaction)), (3_000, 0));
    assert_eq!(
        parsed.asides.iter().filter(|aside| matches!(aside, Aside::Profile { .. })).count(),
        300
    );
    assert_eq!(script.history(), (300, 3_000));
}

#[test]
fn time_goes_on_from_the_end_of_the_history_with_the_same_customers() {
    let mut script = script(1);
    let end = script.world.end();
    let parsed = asked(&mut script, 100 * REQUESTS_A_DAY as u64);
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    assert_eq!(script.now(), end + 100 * DAY);
    assert!(parsed.records.is_sorted_by_key(|record| record.timestamp));
    assert!(parsed.records.iter().all(|record| (end..end + 100 * DAY).contains(&record.timestamp)));
    // 3,000 in 730 days are 123 in 30: a hundred days see three times as many, and a part of
    // the fourth.
    assert!((369..492).contains(&parsed.records.len()), "{}", parsed.records.len());
    let segment = |customer| script.world.customer(customer).expect("one of the world").segment;
    assert!(parsed.records.iter().all(|record| segment(record.customer) != HiddenSegment::AtRisk));
    let mut ids: Vec<u64> = parsed.records.iter().map(|record| record.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), parsed.records.len());
}

#[test]
fn a_seed_is_a_script() {
    let requests = |seed| asked(&mut script(seed), 500).asides;
    assert_eq!(requests(1), requests(1));
    assert_ne!(requests(1), requests(2));
}

#[test]
fn an_answer_is_an_interaction_at_the_instant_of_its_request() {
    let script = script(1);
    let mut out = Batches::default();
    let outcome = script.answer(&decision(7, 12, Some(1)), &mut out).expect("an arm of the world");
    assert_eq!(Some(outcome.reward), script.world.feedback(7, 1, 12));
    assert!(outcome.regret >= 0.0);
    let parsed = parse(out.take());
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    let [record] = parsed.records[..] else { panic!("one record, not {:?}", parsed.records) };
    assert_eq!(
        (record.customer, record.timestamp, record.kind()),
        (7, 1_735_689_600_000, Kind::Interaction)
    );
    let attached = |aside: &Aside| match aside {
        Aside::Attachment { attachment, .. } => attachment.decision.is_some(),
        _ => false,
    };
    assert!(matches!(&parsed.asides[..], [aside] if attached(aside)), "{:?}", parsed.asides);
}

#[test]
fn what_the_script_did_not_ask_for_is_not_answered() {
    let script = script(1);
    let mut out = Batches::default();
    let unknown = Decision { decision: "another".to_owned(), ..decision(7, 12, Some(1)) };
    for decision in
        [decision(7, 12, None), decision(7, 12, Some(9)), decision(0, 12, Some(1)), unknown]
    {
        assert_eq!(script.answer(&decision, &mut out), None);
    }
    assert_eq!(out.records(), 0);
}

#[test]
fn the_calendar_ends() {
    // 2099-11-01: one more chunk, and no second one.
    let settings = WorldSettings {
        customers: 3,
        transactions: 10,
        interactions: 0,
        days: 10,
        start: 4_097_174_400_000,
        ..WorldSettings::default()
    };
    let mut script = Script::of(settings).expect("a world can be made of these");
    let mut out = Batches::default();
    let asked = std::iter::from_fn(|| script.ask(&mut out)).count() as i64;
    assert_eq!(asked.div_euclid(REQUESTS_A_DAY) % i64::from(CHUNK_DAYS), 0, "{asked}");
    assert!(parse(out.take()).rejected.is_empty());
}
