//! The campaign once more in plain differential collections: what stands of each customer by
//! `reduce`, joined with the thresholds that have closed, kept as the watermark lets it count, and
//! summed by arm. After every epoch it must be bit for bit what the dataflow has come to.
//!
//! Written with the naive rules of [`oracle`](crate::oracle), it knows no running rows, no order of
//! visits and no corrections: differential computes anew whatever an epoch touches. What it catches
//! beyond the oracle of bounded runs is time: events that are late, thresholds that closed before
//! them, windows that end, contacts that wait and go back to waiting. What it cannot: features'
//! rows, decisions, and what is counted.

use crate::oracle::learn;
use crate::oracle::read::{self, Purchase, Records};
use crate::oracle::settle::{Settled, settle};
use crate::oracle::{Config, DAY, HighValue, thresholds};
use dataflows::campaign::feed::{Feed, Mark};
use dataflows::campaign::graph::{Campaign, campaign};
use dataflows::campaign::output::Output;
use dataflows::customer::features::Features;
use dataflows::event::{Head, Messages, Topic};
use dataflows::operators::deliver::{Delivery, deliver};
use dataflows::settings::Settings;
use differential_dataflow::input::{Input, InputSession};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

const START: i64 = 19_700 * DAY;
const LATENESS: i64 = DAY;
const WINDOW: i64 = 3 * DAY;

/// The days of which thresholds are looked for: all that records can be dated in, and more.
const FIRST_DAY: i64 = 19_700 - 10;
const LAST_DAY: i64 = 19_700 + 25;

/// One record: its topic, its customer and its text.
#[derive(Clone, Debug)]
struct Sent {
    topic: Topic,
    customer: i64,
    text: String,
}

/// How things stand after an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
struct Standing {
    /// Of each arm that anything was learned of.
    arms: BTreeMap<usize, (u64, Vec<i128>, Vec<i128>)>,
    /// By day, in minor units.
    thresholds: BTreeMap<i64, i128>,
    /// Contacts that wait.
    pending: i64,
    watermark: Option<i64>,
}

impl Standing {
    /// Arms of which everything was taken back are as if nothing had been learned of them.
    fn consolidated(mut self) -> Self {
        self.arms.retain(|_, (n, ..)| *n > 0);
        self
    }
}

/// A record dated `at`; `dice` say which.
fn sent(at: i64, dice: [u64; 4]) -> Sent {
    let [kind, customer, id, value] = dice;
    let (topic, rest) = match kind % 20 {
        0..=6 => (
            Topic::Transactions,
            format!(r#""transaction_id":"t{id}","timestamp":{at},"amount":{value}.5"#),
        ),
        7 => (Topic::Transactions, format!(r#""transaction_id":"t{id}","op":"retract""#)),
        8..=10 => (
            Topic::Interactions,
            format!(
                r#""interaction_id":"i{id}","timestamp":{at},"action":{},"reward":{value}"#,
                value % 4
            ),
        ),
        11..=14 => (
            Topic::Interactions,
            format!(r#""interaction_id":"i{id}","timestamp":{at},"action":{}"#, value % 4),
        ),
        15 => (Topic::Interactions, format!(r#""interaction_id":"i{id}","op":"retract""#)),
        16..=17 => (
            Topic::Rewards,
            format!(
                r#""interaction_id":"i{id}","reward_id":"r{}","timestamp":{at},"reward":{value}"#,
                value % 9
            ),
        ),
        18 => (
            Topic::Customers,
            format!(r#""signup_date":"2023-01-01","email_open_rate":{}"#, value as f64 / 500.0),
        ),
        _ if value % 3 == 0 => (Topic::Customers, format!(r#""op":"erase","timestamp":{at}"#)),
        _ => {
            (Topic::Rewards, format!(r#""interaction_id":"i{id}","reward_id":"r1","op":"retract""#))
        }
    };
    let customer = (customer % 5) as i64;
    Sent { topic, customer, text: format!(r#"{{"customer_id":{customer},{rest}}}"#) }
}

/// What decides of a record what it is, and how late.
type Dice = ([u64; 2], u64, u64, u64, i64);

/// Epochs of records roughly in the order of time, some of them late by days.
fn histories() -> impl Strategy<Value = Vec<Vec<Sent>>> {
    let dice = (any::<[u64; 2]>(), 0..30u64, 0..500u64, 0..10u64, 0..6 * 24i64);
    proptest::collection::vec(proptest::collection::vec(dice, 0..25), 1..25).prop_map(|epochs| {
        let count = epochs.len() as i64;
        let record = |epoch: i64, dice: Dice| {
            let ([kind, customer], id, value, luck, late) = dice;
            let back = if luck == 0 { late } else { late % 4 };
            // Whole hours make equal instants common.
            let hour = epoch * 20 * 24 / count - back;
            sent(START + hour * DAY / 24, [kind, customer, id, value])
        };
        (0..)
            .zip(epochs)
            .map(|(at, dice)| dice.into_iter().map(|d| record(at, d)).collect())
            .collect()
    })
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    (settings.time.lateness, settings.time.attribution_window) = (LATENESS, WINDOW);
    settings
}

/// A block of one topic's records, from an offset on.
fn block(topic: Topic, texts: &[&str], first: u64) -> Messages {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (text, position) in texts.iter().zip(first..) {
        let (start, length) = (bytes.len() as u32, text.len() as u32);
        heads.push(Head { position, timestamp: -1, start, length, null: false, key: 0 });
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    Messages::new(topic, 0, bytes, heads)
}

/// What the dataflow comes to after each epoch; the first worker reads all topics.
fn by_the_dataflow(epochs: &[Vec<Sent>], workers: usize) -> Vec<Standing> {
    let settings = settings();
    let features = Features::new(&settings.input, &settings.customer).expect("valid settings");
    let described =
        Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None };
    let outputs = Arc::new(Mutex::new(Vec::new()));
    let (sink, epochs_in) = (Arc::clone(&outputs), epochs.to_vec());
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mut input = InputHandle::<u64, CapacityContainerBuilder<Vec<Feed>>>::new();
        let (sink, beginning) = (Arc::clone(&sink), described.anew(worker.index(), worker.peers()));
        worker.dataflow::<u64, _, _>(|scope| {
            deliver(campaign(input.to_stream(scope), &described, beginning), move |delivery| {
                if let Delivery::Item(epoch, output) = delivery {
                    sink.lock().expect("no worker panicked").push((epoch, output));
                }
            });
        });
        let mut next = [0; Topic::ALL.len()];
        let reads = worker.index() == 0;
        for (epoch, sent) in (1..).zip(&epochs_in).filter(|_| reads) {
            input.advance_to(epoch);
            for topic in Topic::ALL {
                let texts: Vec<&str> =
                    sent.iter().filter(|s| s.topic == topic).map(|s| s.text.as_str()).collect();
                input.send(Feed::Block(block(topic, &texts, next[topic as usize]).into()));
                next[topic as usize] += texts.len() as u64;
                input.send(Feed::Mark(Mark {
                    topic,
                    partition: 0,
                    next: next[topic as usize],
                    idle: false,
                    recorded: None,
                    last: epoch == epochs_in.len() as u64,
                    save: None,
                }));
            }
            worker.step();
        }
        drop(input);
        while worker.step_or_park(None) {}
    });
    guards.expect("the workers start").join().into_iter().for_each(|end| end.expect("no panic"));
    let outputs = std::mem::take(&mut *outputs.lock().expect("no worker panicked"));
    let mut standing = Standing::default();
    let after = |epoch: u64| {
        for (_, output) in outputs.iter().filter(|(of, _)| *of == epoch) {
            match output {
                Output::Arm(arm) => {
                    let sums = (arm.totals.n as u64, arm.totals.a.clone(), arm.totals.b.clone());
                    standing.arms.insert(arm.arm as usize, sums);
                }
                Output::Threshold(day, total) => {
                    standing.thresholds.insert(i64::from(*day), i128::from(*total));
                }
                Output::Counts(counts) => standing.pending += counts.pending,
                Output::Closed(closed) => standing.watermark = closed.watermark,
                _ => {}
            }
        }
        standing.clone().consolidated()
    };
    (1..=epochs.len() as u64).map(after).collect()
}

/// A contact that stands, as far as its customer's own history tells: day, end of its window, arm,
/// what it counts once it is known, the customer's total at its instant, and the context of a
/// customer who is of high value and of one who is not.
type Told = (i64, i64, usize, (bool, i128), i128, [Vec<i128>; 2]);

/// Everything that stands of a customer, from its records in the order in which they came.
fn settled(records: &[(&(u64, usize, String), isize)]) -> Settled {
    let mut all = Records::default();
    for topic in Topic::ALL {
        let texts = records.iter().filter(|((_, of, _), _)| *of == topic as usize);
        let lines: Vec<&str> = texts.map(|((_, _, text), _)| text.as_str()).collect();
        read::read(
            &format!("{}.jsonl", topic.file_stem()),
            lines.join("\n").as_bytes(),
            &config(),
            &mut all,
        );
    }
    settle(&all)
}

fn config() -> Config {
    Config { attribution_window: WINDOW, ..Config::default() }
}

/// The contacts of a customer.
fn contacts(customer: i64, settled: &Settled) -> Vec<Told> {
    let of = |high_value| Config { high_value: HighValue::Fixed(high_value), ..config() };
    let told = |((_, id), contact): (&(i64, String), &read::Contact)| {
        let window = contact.timestamp..contact.timestamp + WINDOW;
        let joined = |reward: &&read::Reward| {
            reward.interaction == *id && window.contains(&reward.timestamp)
        };
        let known = contact.reward.is_some() || settled.rewards.values().any(|r| joined(&r));
        let bought = settled.purchases_of(customer).filter(|p| p.timestamp <= contact.timestamp);
        let context = |high| learn::context(customer, contact, settled, &of(high));
        (
            contact.timestamp.div_euclid(DAY),
            window.end,
            contact.arm,
            (known, learn::reward(customer, id, contact, settled, &config())),
            bought.map(|purchase| i128::from(purchase.amount)).sum(),
            [context(i128::MIN), context(i128::MAX)],
        )
    };
    settled.interactions.iter().map(told).collect()
}

/// What plain collections come to after each epoch. An epoch is two times: when its records have
/// settled, and when the thresholds have closed that are made of them.
fn by_collections(epochs: &[Vec<Sent>]) -> Vec<Standing> {
    let epochs = epochs.to_vec();
    timely::execute_directly(move |worker| {
        let probe = ProbeHandle::new();
        let bought = Rc::new(RefCell::new(BTreeMap::<(i64, u64, i64, i64), isize>::new()));
        let sums = Rc::new(RefCell::new(BTreeMap::<(usize, Sum), isize>::new()));
        let pending = Rc::new(RefCell::new(0));
        let (records, days, clock) = worker.dataflow(|scope| {
            let (record_input, records) =
                scope.new_collection::<(i64, (u64, usize, String)), isize>();
            let (day_input, days) = scope.new_collection::<(i64, Option<i128>), isize>();
            let (clock_input, clock) = scope.new_collection::<((), i64), isize>();

            let purchases = records.clone().reduce(|_, records, out| {
                let settled = settled(records);
                let rows = settled.transactions.values().enumerate();
                out.extend(rows.map(|(at, p)| ((at as u64, p.timestamp, p.amount), 1)));
            });
            let all = Rc::clone(&bought);
            purchases
                .inspect(move |((customer, (at, instant, amount)), _, diff)| {
                    *all.borrow_mut().entry((*customer, *at, *instant, *amount)).or_default() +=
                        diff;
                })
                .probe_with(&probe);

            let contacts = records.reduce(|customer, records, out| {
                let contacts = contacts(*customer, &settled(records)).into_iter();
                out.extend(contacts.enumerate().map(|(at, told)| ((at as u64, told), 1)));
            });
            let learned = contacts
                .clone()
                .map(|(customer, (at, told))| (told.0, (customer, at, told)))
                .join_map(days, |_, (customer, at, told), threshold| {
                    let high = threshold.is_some_and(|threshold| told.4 >= threshold);
                    let context = told.5[usize::from(!high)].clone();
                    ((), (*customer, *at, told.1, told.2, told.3, context))
                })
                .join_map(clock, |_, (customer, at, end, arm, reward, context), now| {
                    let counts = reward.0 || end <= now;
                    (counts, (*customer, *at, *arm, reward.1, context.clone()))
                })
                .filter(|(counts, _)| *counts);
            let wait = Rc::clone(&pending);
            contacts
                .map(|_| ())
                .concat(learned.clone().map(|_| ()).negate())
                .inspect(move |(_, _, diff)| *wait.borrow_mut() += *diff as i64)
                .probe_with(&probe);
            let totals = Rc::clone(&sums);
            learned
                .map(|(_, (customer, at, arm, reward, context))| {
                    (arm, (customer, at, reward, context))
                })
                .reduce(|_, contacts, out| {
                    let contacts = contacts.iter().map(|((_, _, reward, x), _)| (*reward, &**x));
                    out.push((sum(contacts), 1));
                })
                .inspect(move |(row, _, diff)| {
                    *totals.borrow_mut().entry(row.clone()).or_default() += diff;
                })
                .probe_with(&probe);
            (record_input, day_input, clock_input)
        });

        let mut inputs = Inputs { records, days, clock, probe };
        let (mut highs, mut standing) = ([None; 2], Standing::default());
        let (mut closed, mut now) = (FIRST_DAY, i64::MIN);
        inputs.clock.insert(((), now));
        let mut order = 0..;
        let mut all = Vec::new();
        for (epoch, sent) in epochs.iter().enumerate() {
            for record in sent {
                let place = order.next().unwrap_or_default();
                let row = (place, record.topic as usize, record.text.clone());
                inputs.records.insert((record.customer, row));
                highs = seen(highs, record);
            }
            inputs.complete(worker, 2 * epoch as u64);
            if let [Some(first), Some(second)] = highs {
                standing.watermark = standing.watermark.max(Some(first.min(second) - LATENESS));
            }
            // A bounded input closes everything with its end.
            let is_last = epoch + 1 == epochs.len();
            let until = if is_last { i64::MAX } else { standing.watermark.unwrap_or(i64::MIN) };
            let purchases = all_of(&bought.borrow());
            while closed <= LAST_DAY && until >= (closed - 1) * DAY {
                let threshold = thresholds::of_day(closed, &purchases, &config());
                inputs.days.insert((closed, threshold));
                standing.thresholds.extend(threshold.map(|total| (closed, total)));
                closed += 1;
            }
            inputs.clock.remove(((), now));
            now = now.max(until);
            inputs.clock.insert(((), now));
            inputs.complete(worker, 2 * epoch as u64 + 1);
            standing.pending = *pending.borrow();
            let sums = sums.borrow();
            let rows = sums.iter().filter(|(_, diff)| **diff > 0);
            standing.arms = rows.map(|((arm, sum), _)| (*arm, sum.clone())).collect();
            all.push(standing.clone());
        }
        all
    })
}

/// What the collections are made of, and how far they have come.
struct Inputs {
    records: InputSession<u64, (i64, (u64, usize, String)), isize>,
    days: InputSession<u64, (i64, Option<i128>), isize>,
    clock: InputSession<u64, ((), i64), isize>,
    probe: ProbeHandle<u64>,
}

impl Inputs {
    /// Nothing more comes at this time: works until it has been worked off.
    fn complete(&mut self, worker: &mut Worker, time: u64) {
        self.records.advance_to(time + 1);
        self.days.advance_to(time + 1);
        self.clock.advance_to(time + 1);
        self.records.flush();
        self.days.flush();
        self.clock.flush();
        worker.step_while(|| self.probe.less_than(&(time + 1)));
    }
}

/// The greatest instants of purchases and of contacts, with one more record.
fn seen(highs: [Option<i64>; 2], record: &Sent) -> [Option<i64>; 2] {
    let value: serde_json::Value = serde_json::from_str(&record.text).expect("JSON");
    let at = value["timestamp"].as_i64();
    match record.topic {
        Topic::Transactions => [highs[0].max(at), highs[1]],
        Topic::Interactions => [highs[0], highs[1].max(at)],
        _ => highs,
    }
}

/// The purchases that stand.
fn all_of(rows: &BTreeMap<(i64, u64, i64, i64), isize>) -> Settled {
    let mut settled = Settled::default();
    for ((customer, at, timestamp, amount), _) in rows.iter().filter(|(_, diff)| **diff > 0) {
        let (timestamp, amount) = (*timestamp, *amount);
        let purchase =
            Purchase { timestamp, amount, category: 0, device: 0, payment: 0, discount: false };
        settled.transactions.insert((*customer, at.to_string()), purchase);
    }
    settled
}

/// Number, A and b of an arm.
type Sum = (u64, Vec<i128>, Vec<i128>);

fn sum<'a>(contacts: impl Iterator<Item = (i128, &'a [i128])>) -> Sum {
    let (mut n, mut a, mut b) = (0, Vec::new(), Vec::new());
    for (reward, x) in contacts {
        n += 1;
        a.resize(x.len() * (x.len() + 1) / 2, 0);
        b.resize(x.len(), 0);
        let pairs = (0..x.len()).flat_map(|i| (i..x.len()).map(move |j| (i, j)));
        a.iter_mut().zip(pairs).for_each(|(sum, (i, j))| *sum += x[i] * x[j]);
        b.iter_mut().zip(x).for_each(|(sum, x)| *sum += reward * x);
    }
    (n, a, b)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_epoch_is_what_plain_collections_come_to(epochs in histories(), workers in 1..4usize) {
        let (own, plain) = (by_the_dataflow(&epochs, workers), by_collections(&epochs));
        for (epoch, (own, mut plain)) in own.iter().zip(plain).enumerate() {
            // At the end of the input there are thresholds up to the last event that stands.
            let last = own.thresholds.keys().next_back().copied().unwrap_or_default();
            plain.thresholds.retain(|day, _| epoch + 1 < epochs.len() || *day <= last);
            prop_assert_eq!(own, &plain, "after epoch {}", epoch + 1);
        }
    }
}
