//! What happens in the demo: first the history of the simulated world, then its time goes on, with
//! requests for decisions and the customers' answers to them.
//!
//! Simulated time is counted in requests, not in seconds of this machine: a seed gives the same
//! requests and purchases at the same simulated instants, however fast they are played. How a
//! customer answers depends on customer, request and arm alone. So a run can differ from another
//! only in what the model knew when it decided, that is in how the epochs were cut.

use super::batches::Batches;
use super::outcomes::Outcome;
use dataflows::campaign::output::Decision;
use dataflows::event::{CustomerId, DAY, Millis, Topic};
use dataflows::source::TopicId;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::collections::VecDeque;
use std::io::Write;
use world::lines::{customer_line, line};
use world::purchases::Transaction;
use world::response::{Shares, best_arm, expected_reward};
use world::{Event, World, WorldError, WorldSettings};

/// Requests of a simulated day. With their answers, and with the purchases of a world of 100,000 in
/// 730 days, a day has about 1,000 events: at the default rate one passes in a second.
const REQUESTS_A_DAY: i64 = 431;

/// Days that are made at a time when the world goes on. Up to 180, those at risk have stopped
/// buying before they begin.
const CHUNK_DAYS: u16 = 30;

/// A letter before the number of a request makes the id of its decision.
const DECISION: char = 'D';

/// The world, and how far it has been played.
pub(super) struct Script {
    world: World,
    random: Pcg64Mcg,
    profiles: usize,
    past: VecDeque<Transaction>,
    future: Future,
    requests: u64,
}

impl Script {
    /// A world of this seed at the beginning of its history.
    ///
    /// # Errors
    /// Never for these settings.
    pub(super) fn new(seed: u64) -> Result<Self, WorldError> {
        Script::of(WorldSettings { interactions: 0, seed, ..WorldSettings::default() })
    }

    fn of(settings: WorldSettings) -> Result<Self, WorldError> {
        let world = World::new(settings)?;
        let past = world.transactions().collect();
        let future = Future::after(&world);
        Ok(Script {
            random: Pcg64Mcg::seed_from_u64(world.settings().seed),
            world,
            profiles: 0,
            past,
            future,
            requests: 0,
        })
    }

    /// How many customers and purchases the history has.
    pub(super) fn history(&self) -> (u64, u64) {
        (self.world.customers().len() as u64, self.world.settings().transactions)
    }

    /// The segments' shares, for the closed forms.
    pub(super) fn shares(&self) -> Shares {
        self.world.shares()
    }

    /// Writes the next record of the history: profiles, then purchases. `false` when there is none
    /// left.
    pub(super) fn recall(&mut self, out: &mut Batches) -> bool {
        if let Some(customer) = self.world.customers().get(self.profiles) {
            self.profiles += 1;
            out.add(Topic::Customers.id(), self.world.end(), |bytes| {
                customer_line(customer, bytes);
            });
            return true;
        }
        let Some(purchase) = self.past.pop_front() else { return false };
        write_purchase(purchase, out);
        true
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// The instant of the next request.
    pub(super) fn now(&self) -> Millis {
        self.world.end() + self.requests as i64 * DAY / REQUESTS_A_DAY
    }

    /// Writes the next request and the purchases before it; how many records that were. `None` when
    /// the calendar has no more days.
    pub(super) fn ask(&mut self, out: &mut Batches) -> Option<u64> {
        let now = self.now();
        let mut records = 1;
        while let Some(purchase) = self.future.before(now)? {
            write_purchase(purchase, out);
            records += 1;
        }
        self.requests += 1;
        let customer = 1
            + ((u128::from(self.random.next_u64()) * self.world.customers().len() as u128) >> 64)
                as CustomerId;
        let request = self.requests;
        write_record(Topic::Requests.id(), now, out, |bytes| {
            write!(
                bytes,
                "{{\"decision_id\": \"{DECISION}{request:07}\", \"customer_id\": {customer}, \
                 \"timestamp\": {now}}}"
            )
        });
        Some(records)
    }

    /// What the customer answers to a decision: written as an interaction with its reward, at the
    /// instant of the request. `None` for a decision that is not one of the script's, or chose
    /// nothing.
    pub(super) fn answer(&self, decision: &Decision, out: &mut Batches) -> Option<Outcome> {
        let (number, arm) = (number(decision)?, usize::from(decision.arm?));
        let (customer, timestamp) = (decision.customer, decision.timestamp);
        let reward = self.world.feedback(customer, arm, number)?;
        let segment = self.world.customer(customer)?.segment;
        write_record(Topic::Interactions.id(), timestamp, out, |bytes| {
            write!(
                bytes,
                "{{\"interaction_id\": \"I{number:07}\", \"customer_id\": {customer}, \
                 \"timestamp\": {timestamp}, \"action\": {arm}, \
                 \"reward\": {reward}, \"propensity\": {}, \"decision_id\": \"{}\"}}",
                decision.propensity, decision.decision
            )
        });
        Some(Outcome { arm, reward, regret: best_arm(segment).1 - expected_reward(segment, arm) })
    }
}

/// The number of the request that a decision answers.
pub(super) fn number(decision: &Decision) -> Option<u64> {
    decision.decision.strip_prefix(DECISION)?.parse().ok()
}

fn write_purchase(purchase: Transaction, out: &mut Batches) {
    out.add(Topic::Transactions.id(), purchase.timestamp, |bytes| {
        line(&Event::Transaction(purchase), bytes);
    });
}

fn write_record(
    topic: TopicId,
    timestamp: Millis,
    out: &mut Batches,
    write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
) {
    out.add(topic, timestamp, |bytes| write(bytes).expect("writing to memory does not fail"));
}

/// The purchases after the history: worlds of the same seed, so of the same customers, that begin
/// where the one before has ended.
struct Future {
    /// Of the next world to be made.
    settings: WorldSettings,
    purchases: VecDeque<Transaction>,
    /// Before this instant all purchases have been made.
    made_until: Millis,
    /// Purchases that have been made, those of the history too.
    made: u64,
}

impl Future {
    fn after(world: &World) -> Self {
        let past = world.settings();
        let transactions = past.transactions * u64::from(CHUNK_DAYS) / u64::from(past.days);
        let settings =
            WorldSettings { start: world.end(), days: CHUNK_DAYS, transactions, ..past.clone() };
        Future {
            settings,
            purchases: VecDeque::new(),
            made_until: world.end(),
            made: past.transactions,
        }
    }

    /// The next purchase, if it happens by `now`; `None` around it when the calendar has no more
    /// days.
    fn before(&mut self, now: Millis) -> Option<Option<Transaction>> {
        if now >= self.made_until && self.purchases.is_empty() {
            let world = World::new(self.settings.clone()).ok()?;
            let made = self.made;
            self.purchases = world
                .transactions()
                .map(|purchase| Transaction { number: made + purchase.number, ..purchase })
                .collect();
            self.made += self.settings.transactions;
            self.made_until = world.end();
            self.settings.start = world.end();
        }
        Some(self.purchases.pop_front_if(|purchase| purchase.timestamp <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::parse::{Parsed, Parser};
    use dataflows::event::{Aside, Kind};
    use dataflows::settings::InputSettings;
    use dataflows::source::Messages;
    use std::sync::Arc;
    use world::segments::Segment;

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
        let mut out = Batches::new();
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
        let mut out = Batches::new();
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
        assert!(
            parsed.records.iter().all(|record| (end..end + 100 * DAY).contains(&record.timestamp))
        );
        // 3,000 in 730 days are 123 in 30: a hundred days see three times as many, and a part of
        // the fourth.
        assert!((369..492).contains(&parsed.records.len()), "{}", parsed.records.len());
        let segment = |customer| script.world.customer(customer).expect("one of the world").segment;
        assert!(parsed.records.iter().all(|record| segment(record.customer) != Segment::AtRisk));
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
        let mut out = Batches::new();
        let outcome =
            script.answer(&decision(7, 12, Some(1)), &mut out).expect("an arm of the world");
        assert_eq!(Some(outcome.reward), script.world.feedback(7, 1, 12));
        assert!(outcome.regret >= 0.0);
        let parsed = parse(out.take());
        assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
        let [record] = parsed.records[..] else { panic!("one record, not {:?}", parsed.records) };
        assert_eq!(
            (record.customer, record.timestamp, record.kind()),
            (7, 1_735_689_600_000, Kind::Interaction)
        );
        let attached = |aside: &Aside| matches!(aside, Aside::Attachment { attachment, .. } if attachment.decision.is_some());
        assert!(matches!(&parsed.asides[..], [aside] if attached(aside)), "{:?}", parsed.asides);
    }

    #[test]
    fn what_the_script_did_not_ask_for_is_not_answered() {
        let script = script(1);
        let mut out = Batches::new();
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
        let mut out = Batches::new();
        let asked = std::iter::from_fn(|| script.ask(&mut out)).count() as i64;
        assert_eq!(asked.div_euclid(REQUESTS_A_DAY) % i64::from(CHUNK_DAYS), 0, "{asked}");
        assert!(parse(out.take()).rejected.is_empty());
    }
}
