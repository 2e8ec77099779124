//! Turns: what they do, where they end, and how long they take.
#![expect(clippy::disallowed_types, reason = "what a turn takes is what is measured here")]

use super::*;
use crate::state::turns::{Client, TURN, Turns};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What each turn took.
#[derive(Clone, Copy)]
struct Taken {
    client: Client,
    units: u64,
    time: Duration,
}

/// Notes every turn.
struct Noted {
    taken: Rc<RefCell<Vec<Taken>>>,
    begun: Instant,
}

impl Turns for Noted {
    fn begin(&mut self) {
        self.begun = Instant::now();
    }

    fn end(&mut self, client: Client, units: u64) {
        self.taken.borrow_mut().push(Taken { client, units, time: self.begun.elapsed() });
    }
}

/// A shop of many customers with a few events each, on one worker.
struct Shop {
    customers: u64,
    units: u64,
    /// What is told is added up, which takes long where it is much.
    adds_up: bool,
}

/// Keeps the images of snapshots, and has room for each.
struct Album(Rc<RefCell<Vec<ShardImage>>>);

impl Images for Album {
    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, image: ShardImage) {
        self.0.borrow_mut().push(image);
    }

    fn complete(&mut self, _: u64) {}
}

/// What a shop gave.
struct Year {
    told: Told,
    images: Vec<ShardImage>,
    taken: Vec<Taken>,
}

/// Days from one epoch to the next.
const STEP: i64 = 12;

impl Shop {
    /// The records of an epoch: one in which every customer is met, or one in which few are.
    fn records(&self, epoch: i64) -> Vec<Arrival> {
        let now = START + epoch * STEP * DAY;
        let of = |customer: u64| {
            let at = now + (customer % 97) as i64 * 1000;
            let n = format!("{epoch}-{customer}");
            let amount = customer * 7 % 900 + 1;
            let mut records = vec![
                (
                    Topic::Transactions,
                    format!(
                        r#"{{"transaction_id":"t{n}","customer_id":{customer},"timestamp":{at},"amount":{amount}}}"#
                    ),
                ),
                (
                    Topic::Interactions,
                    format!(
                        r#"{{"interaction_id":"i{n}","customer_id":{customer},"timestamp":{at},"action":{}}}"#,
                        customer % 4
                    ),
                ),
            ];
            if epoch == 0 {
                records.push((
                    Topic::Customers,
                    format!(r#"{{"customer_id":{customer},"signup_date":"2023-01-01"}}"#),
                ));
            }
            if customer.is_multiple_of(5) {
                let name = if customer.is_multiple_of(2) { n.clone() } else { format!("x{n}") };
                records.push((
                    Topic::Rewards,
                    format!(
                        r#"{{"interaction_id":"i{name}","reward_id":"r{n}","customer_id":{customer},"timestamp":{at},"reward":2}}"#
                    ),
                ));
                records.push((
                    Topic::Requests,
                    format!(
                        r#"{{"decision_id":"d{n}","customer_id":{customer},"timestamp":{at}}}"#
                    ),
                ));
            }
            if epoch > 0 && customer.is_multiple_of(11) {
                records.push((
                    Topic::Customers,
                    format!(r#"{{"customer_id":{customer},"op":"erase","timestamp":{at}}}"#),
                ));
            }
            records
        };
        let is_met = |customer: &u64| epoch % 3 == 0 || customer.is_multiple_of(64);
        (0..self.customers).filter(is_met).flat_map(of).collect()
    }

    fn settings() -> Settings {
        let mut settings = settings();
        settings.time.keep = Some(settings.time.least_keep());
        settings.emit.final_features = Some(None);
        settings
    }

    /// Seven epochs, of which each begins a snapshot.
    fn run(&self) -> Year {
        let settings = Self::settings();
        let features = features(&settings);
        let described = Campaign {
            settings: Arc::new(settings),
            features: Arc::clone(&features),
            thresholds: None,
        };
        let Shop { customers, units, adds_up } = *self;
        timely::execute_directly(move |worker| {
            let shop = Shop { customers, units, adds_up };
            let told = Told { counts: Counts::none(), folding: true, ..Told::default() };
            let (told, taken) = (Rc::new(RefCell::new(told)), Rc::new(RefCell::default()));
            let images = Rc::new(RefCell::default());
            let mut beginning = described.anew(0, 1);
            let noted = Noted { taken: Rc::clone(&taken), begun: Instant::now() };
            beginning.shard = beginning.shard.paced_by(Pacer::new(units, Box::new(noted)));
            beginning.images = Some(Box::new(Album(Rc::clone(&images))));
            let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
            let sink = Rc::clone(&told);
            worker.dataflow::<u64, _, _>(|scope| {
                let feed = input.to_stream(scope);
                deliver(campaign(feed, &described, beginning), move |delivery| {
                    if let (true, Delivery::Item(_, output)) = (adds_up, delivery) {
                        sink.borrow_mut().take(output, &features);
                    }
                });
            });
            for epoch in 0..7 {
                input.advance_to(epoch as u64 + 1);
                shop.feed(epoch, &mut input);
                // The snapshot is taken while the next epoch waits.
                for _ in 0..200 {
                    worker.step_or_park(Some(Duration::ZERO));
                }
            }
            input.close();
            while worker.step_or_park(None) {}
            Year { told: told.take(), images: images.take(), taken: taken.take() }
        })
    }

    fn feed(&self, epoch: i64, input: &mut InputHandle<u64, CapacityContainerBuilder<Vec<Feed>>>) {
        let records = self.records(epoch);
        for topic in Topic::ALL {
            let texts: Vec<&str> = records
                .iter()
                .filter(|(of, _)| *of == topic)
                .map(|(_, text)| text.as_str())
                .collect();
            for (number, texts) in (0..).zip(texts.chunks(1000)) {
                let first = ((epoch as u64) << 32) + number * 1000;
                let texts: Vec<(u64, &str)> = (first..).zip(texts.iter().copied()).collect();
                input.send(Feed::Block(block(topic, &texts).into()));
            }
            input.send(Feed::Mark(Mark {
                topic,
                partition: 0,
                next: (epoch as u64 + 1) << 32,
                idle: false,
                recorded: None,
                last: epoch == 6,
                save: Some(Save::Changes),
            }));
        }
    }
}

#[test]
fn no_turn_is_longer_than_it_may_be_and_nothing_depends_on_where_turns_end() {
    let whole = Shop { customers: 1500, units: u64::MAX, adds_up: true }.run();
    let year = Shop { customers: 1500, units: 10, adds_up: true }.run();
    year.told.assert_same(&whole.told, 0);
    assert!(year.told.interactions.len() > 1500 && year.told.decisions.len() > 800);
    assert!(!year.images.is_empty());
    // A piece of work that is not divided: a batch of records, or the visit of one customer.
    let piece = 256;
    for client in Client::ALL {
        let units = || year.taken.iter().filter(|t| t.client == client).map(|t| t.units);
        let (most, turns) = (units().max().unwrap_or(0), units().count());
        assert!(most < 10 + piece, "{most} units in a turn of {client:?}");
        assert!(turns > 20, "{turns} turns of {client:?}");
        // All that is done is counted.
        let at_once = whole.taken.iter().filter(|t| t.client == client).map(|t| t.units);
        assert!(at_once.max().unwrap_or(0) > 20, "one turn of {client:?} would be long");
        assert!(units().sum::<u64>() > 150, "units of {client:?}");
    }
}

/// How long turns take in a shop of a million customers: to be read, in a release build.
#[test]
#[ignore = "it takes a minute and some memory, and tells times"]
fn a_million_customers() {
    let year = Shop { customers: 1_000_000, units: TURN, adds_up: false }.run();
    let bounds = [100, 250, 500, 1000, 2000, 5000, 10_000, u128::MAX];
    println!("upper bounds in microseconds: {bounds:?}");
    for client in Client::ALL {
        let times = || year.taken.iter().filter(|t| t.client == client).map(|t| t.time.as_micros());
        let mut counts = [0u32; 8];
        times().for_each(|time| counts[bounds.iter().position(|b| time <= *b).expect("one")] += 1);
        let most = times().max().unwrap_or(0);
        let units: u64 = year.taken.iter().filter(|t| t.client == client).map(|t| t.units).sum();
        let of_unit = times().sum::<u128>() * 1000 / u128::from(units.max(1));
        println!("{:>8} {counts:?} max {most} us, {of_unit} ns a unit", client.name());
    }
}
