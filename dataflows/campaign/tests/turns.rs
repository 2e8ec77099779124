//! Turns: what they do, where they end, and how long they take.

use super::*;
use crate::campaign::parsing::{Past, parse};
use crate::dataflow::Dataflow;
use crate::state::turns::{Client, TURN, Turns};
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use timely::dataflow::operators::Inspect;
use timely::worker::Worker;

/// The program's, of which a part of the times is.
#[cfg(not(miri))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What each turn took.
#[derive(Clone, Copy)]
struct Taken {
    client: Client,
    units: u64,
    /// Of the processor, so that it tells nothing of what else the machine does.
    time: Duration,
}

/// Notes every turn.
struct Noted {
    taken: Rc<RefCell<Vec<Taken>>>,
    begun: Duration,
}

/// How long this thread has had the processor.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has such a clock").into()
}

impl Turns for Noted {
    fn begin(&mut self) {
        self.begun = used();
    }

    fn end(&mut self, client: Client, units: u64) {
        let time = used().saturating_sub(self.begun);
        self.taken.borrow_mut().push(Taken { client, units, time });
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
    /// What each step of the worker took beside turns.
    beside: Vec<Duration>,
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
                        "{{\"transaction_id\":\"t{n}\",\"customer_id\":{customer},\
                        \"timestamp\":{at},\"amount\":{amount}}}"
                    ),
                ),
                (
                    Topic::Interactions,
                    format!(
                        "{{\"interaction_id\":\"i{n}\",\"customer_id\":{customer},\
                        \"timestamp\":{at},\"action\":{}}}",
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
                        "{{\"interaction_id\":\"i{name}\",\"reward_id\":\"r{n}\",\
                        \"customer_id\":{customer},\"timestamp\":{at},\"reward\":2}}"
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
            let mut beside = Vec::new();
            let mut beginning = described.anew(0, 1);
            let noted = Noted { taken: Rc::clone(&taken), begun: used() };
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
                    beside.push(step(worker, Some(Duration::ZERO), &taken).1);
                }
            }
            input.close();
            loop {
                let (goes_on, time) = step(worker, None, &taken);
                beside.push(time);
                if !goes_on {
                    break;
                }
            }
            Year { told: told.take(), images: images.take(), taken: taken.take(), beside }
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
                topic: topic.id(),
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

/// Lets all operators do some work; says whether there are any, and how long that took beside
/// turns.
fn step(
    worker: &mut Worker,
    wait: Option<Duration>,
    taken: &RefCell<Vec<Taken>>,
) -> (bool, Duration) {
    let (begun, turns) = (used(), taken.borrow().len());
    let goes_on = worker.step_or_park(wait);
    let of_turns = taken.borrow()[turns..].iter().map(|taken| taken.time).sum();
    (goes_on, used().saturating_sub(begun).saturating_sub(of_turns))
}

#[test]
fn no_turn_is_longer_than_it_may_be_and_nothing_depends_on_where_turns_end() {
    let whole = Shop { customers: 1500, units: u64::MAX, adds_up: true }.run();
    let year = Shop { customers: 1500, units: 10, adds_up: true }.run();
    year.told.assert_same(&whole.told, 0);
    assert!(year.told.interactions.len() > 1500 && year.told.decisions.len() > 800);
    assert!(!year.images.is_empty());
    for client in Client::ALL {
        // A piece of work that is not divided: a block or a batch of records, whose customers may
        // all be folded, the visit of one customer, or what closing a day looks at.
        let piece = match client {
            Client::Parse | Client::Settle => TURN,
            Client::Learn
            | Client::Fold
            | Client::Snapshot
            | Client::Owners
            | Client::Thresholds => 256,
        };
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

/// Blocks that come at once.
const BLOCKS: usize = 20;

#[test]
fn what_came_at_once_is_parsed_some_blocks_at_a_time() {
    let most = timely::execute_directly(|worker| {
        let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
        let parsed = Rc::new(Cell::new(0));
        let seen = Rc::clone(&parsed);
        worker.dataflow::<u64, _, _>(|scope| {
            let past = Past { highs: Vec::new(), watermark: None, watermarks: None };
            let standings =
                parse(input.to_stream(scope), &settings(), past, Pacer::default()).standings;
            standings.inspect(move |_| seen.set(seen.get() + 1));
        });
        for number in 0..BLOCKS as u64 {
            let text = |customer| {
                format!(
                    r#"{{"transaction_id":"t{number}-{customer}","customer_id":{customer},
                    "timestamp":{START},"amount":1}}"#
                )
            };
            let texts: Vec<String> = (0..1000).map(text).collect();
            let texts: Vec<(u64, &str)> =
                (number * 1000..).zip(texts.iter().map(String::as_str)).collect();
            input.send(Feed::Block(block(Topic::Transactions, &texts).into()));
            input.send(Feed::Mark(Mark {
                topic: Topic::Transactions.id(),
                partition: 0,
                next: (number + 1) * 1000,
                idle: false,
                recorded: None,
                last: false,
                save: None,
            }));
        }
        input.close();
        let mut most = 0;
        while worker.step_or_park(Some(Duration::ZERO)) {
            most = most.max(parsed.take());
        }
        most
    });
    assert!((1..=BLOCKS / 2).contains(&most), "{most} of {BLOCKS} blocks at once");
}

/// How long turns take in a shop of a million customers: to be read, in a release build.
#[test]
#[ignore = "it takes half a minute and some memory, and tells times"]
fn a_million_customers() {
    let year = Shop { customers: 1_000_000, units: TURN, adds_up: false }.run();
    println!("what     | many | over 2 ms | longest (us) | ns a unit");
    let tell = |of: &str, times: &[Duration], units: u64| {
        let long = times.iter().filter(|time| time.as_micros() > 2000).count();
        let share = 100.0 * long as f64 / times.len().max(1) as f64;
        let longest = times.iter().max().map_or(0, Duration::as_micros);
        let all = times.iter().sum::<Duration>().as_nanos();
        let of_unit = all / u128::from(units.max(1));
        println!("{of:<8} | {} | {long} ({share:.2} %) | {longest} | {of_unit}", times.len());
    };
    for client in Client::ALL {
        let taken = || year.taken.iter().filter(|taken| taken.client == client);
        let times: Vec<Duration> = taken().map(|taken| taken.time).collect();
        tell(client.name(), &times, taken().map(|taken| taken.units).sum());
    }
    tell("beside", &year.beside, 0);
}
