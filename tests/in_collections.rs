//! The campaign once more in plain differential collections: what stands of each customer by
//! `reduce`, joined with the thresholds that have closed, kept as the watermark lets it count, and
//! summed by arm. After every epoch it must be bit for bit what the dataflow has come to.
//!
//! Written with the naive rules of [`oracle`](crate::oracle), it knows no running rows, no order of
//! visits and no corrections: differential computes anew whatever an epoch touches. What it catches
//! beyond the oracle of bounded runs is time: events that are late, thresholds that closed before
//! them, windows that end, contacts that wait and go back to waiting, and what is decided
//! meanwhile. What it cannot: features' rows, and what is counted.

use crate::oracle::learn;
use crate::oracle::read::{self, Purchase, Records};
use crate::oracle::settle::{Settled, settle};
use crate::oracle::{Config, DAY, HighValue, thresholds};
use dataflows::event::Topic;
use differential_dataflow::input::{Input, InputSession};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use timely::dataflow::{ProbeHandle, Scope};
use timely::worker::Worker;

mod dataflow;
mod decisions;
mod histories;

use dataflow::by_the_dataflow;
use decisions::{Decided, Retired, asked_once, decisions};
use histories::{Sent, histories};

const START: i64 = 19_700 * DAY;
const LATENESS: i64 = DAY;
const WINDOW: i64 = 3 * DAY;

/// The days of which thresholds are looked for: all that records can be dated in, and more.
const FIRST_DAY: i64 = 19_700 - 10;
const LAST_DAY: i64 = 19_700 + 25;

/// Reached by nobody: the threshold of a day on which nobody is left with a purchase.
const NOBODY: i128 = i128::MAX;

/// How things stand after an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
struct Standing {
    /// Of each arm that anything was learned of.
    arms: BTreeMap<usize, Sum>,
    /// By day, in minor units.
    thresholds: BTreeMap<i64, i128>,
    /// Contacts that wait.
    pending: i64,
    /// What was decided in the epoch.
    decided: BTreeMap<String, Decided>,
    watermark: Option<i64>,
}

impl Standing {
    /// Arms of which everything was taken back are as if nothing had been learned of them.
    fn consolidated(mut self) -> Self {
        self.arms.retain(|_, (n, ..)| *n > 0);
        self
    }
}

/// A record among those of its customer: its place in the order of arrival, its topic, its text.
type Row = (u64, usize, String);

fn row(place: u64, sent: &Sent) -> Row {
    (place, sent.topic as usize, sent.text.clone())
}

/// A contact that stands, as far as its customer's own history tells: day, end of its window, arm,
/// what it counts once it is known, the customer's total at its instant, and the context of a
/// customer who is of high value and of one who is not.
type Told = (i64, i64, usize, (bool, i128), i128, [Vec<i128>; 2]);

/// Everything that stands of a customer, from its records in the order in which they came.
fn settled(records: &[(&Row, isize)]) -> Settled {
    let mut all = Records::default();
    for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::Requests) {
        let texts = records.iter().filter(|((_, of, _), _)| *of == topic as usize);
        let lines: Vec<&str> = texts.map(|((_, _, text), _)| text.as_str()).collect();
        read::read(
            &format!("{}.jsonl", topic.id().file_stem()),
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

/// Purchases that stand: customer, place, instant and amount.
type Bought = BTreeMap<(i64, u64, i64, i64), isize>;

/// The sums of each arm.
type Sums = BTreeMap<(usize, Sum), isize>;

/// What the collections come to.
#[derive(Default)]
struct Found {
    bought: Rc<RefCell<Bought>>,
    sums: Rc<RefCell<Sums>>,
    /// How many contacts wait.
    pending: Rc<RefCell<i64>>,
}

/// The campaign in collections.
fn collections(scope: Scope<'_, u64>, found: &Found) -> Inputs {
    let probe = ProbeHandle::new();
    let (record_input, records) = scope.new_collection::<(i64, Row), isize>();
    let (day_input, days) = scope.new_collection::<(i64, Option<i128>), isize>();
    let (clock_input, clock) = scope.new_collection::<((), i64), isize>();

    let purchases = records.clone().reduce(|_, records, out| {
        let settled = settled(records);
        let rows = settled.transactions.values().enumerate();
        out.extend(rows.map(|(at, p)| ((at as u64, p.timestamp, p.amount), 1)));
    });
    let all = Rc::clone(&found.bought);
    purchases
        .inspect(move |((customer, (at, instant, amount)), _, diff)| {
            *all.borrow_mut().entry((*customer, *at, *instant, *amount)).or_default() += diff;
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
    let wait = Rc::clone(&found.pending);
    contacts
        .map(|_| ())
        .concat(learned.clone().map(|_| ()).negate())
        .inspect(move |(_, _, diff)| *wait.borrow_mut() += *diff as i64)
        .probe_with(&probe);
    let totals = Rc::clone(&found.sums);
    learned
        .map(|(_, (customer, at, arm, reward, context))| (arm, (customer, at, reward, context)))
        .reduce(|_, contacts, out| {
            let contacts = contacts.iter().map(|((_, _, reward, x), _)| (*reward, &**x));
            out.push((sum(contacts), 1));
        })
        .inspect(move |(row, _, diff)| {
            *totals.borrow_mut().entry(row.clone()).or_default() += diff;
        })
        .probe_with(&probe);
    Inputs { records: record_input, days: day_input, clock: clock_input, probe }
}

/// What plain collections come to after each epoch. An epoch is two times: when its records have
/// settled, and when the thresholds have closed that are made of them.
fn by_collections(epochs: &[Vec<Sent>], retired: &Retired) -> Vec<Standing> {
    let (epochs, retired) = (epochs.to_vec(), retired.clone());
    timely::execute_directly(move |worker| {
        let found = Found::default();
        let mut inputs = worker.dataflow(|scope| collections(scope, &found));
        let once = asked_once(&epochs);
        let (mut highs, mut standing) = ([None; 2], Standing::default());
        let (mut closed, mut now) = (FIRST_DAY, i64::MIN);
        inputs.clock.insert(((), now));
        let mut order = 0..;
        let (mut all, mut reached) = (Vec::new(), BTreeMap::new());
        for (epoch, sent) in epochs.iter().enumerate() {
            for record in sent {
                let place = order.next().unwrap_or_default();
                inputs.records.insert((record.customer, row(place, record)));
                highs = seen(highs, record);
            }
            inputs.complete(worker, 2 * epoch as u64);
            if let [Some(first), Some(second)] = highs {
                standing.watermark = standing.watermark.max(Some(first.min(second) - LATENESS));
            }
            // A bounded input closes everything with its end.
            let is_last = epoch + 1 == epochs.len();
            let until = if is_last { i64::MAX } else { standing.watermark.unwrap_or(i64::MIN) };
            let purchases = all_of(&found.bought.borrow());
            // The last one is that of the last event that stands.
            let latest = if is_last { latest_day(&epochs) } else { LAST_DAY };
            while closed <= LAST_DAY && until >= (closed - 1) * DAY {
                let threshold = thresholds::of_day(closed, &purchases, &config());
                inputs.days.insert((closed, threshold));
                reached.extend((closed <= latest).then(|| (closed, threshold.unwrap_or(NOBODY))));
                closed += 1;
            }
            standing.thresholds = published(&reached);
            inputs.clock.remove(((), now));
            now = now.max(until);
            inputs.clock.insert(((), now));
            inputs.complete(worker, 2 * epoch as u64 + 1);
            standing.pending = *found.pending.borrow();
            let sums = found.sums.borrow();
            let rows = sums.iter().filter(|(_, diff)| **diff > 0);
            standing.arms = rows.map(|((arm, sum), _)| (*arm, sum.clone())).collect();
            drop(sums);
            let deciding =
                all.last().map_or_else(BTreeMap::new, |before: &Standing| before.arms.clone());
            standing.decided = decisions(&epochs[..=epoch], &reached, &deciding, &retired);
            standing.decided.retain(|id, _| once.contains(id));
            all.push(standing.clone());
        }
        all
    })
}

/// The thresholds of days that have one.
fn published(reached: &BTreeMap<i64, i128>) -> BTreeMap<i64, i128> {
    let thresholds = reached.iter().filter(|(_, total)| **total != NOBODY);
    thresholds.map(|(&day, &total)| (day, total)).collect()
}

/// What the collections are made of, and how far they have come.
struct Inputs {
    records: InputSession<u64, (i64, Row), isize>,
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

/// The day of the last purchase or contact that stands in the end.
fn latest_day(epochs: &[Vec<Sent>]) -> i64 {
    let rows: Vec<Row> =
        (0..).zip(epochs.iter().flatten()).map(|(at, sent)| row(at, sent)).collect();
    let rows: Vec<(&Row, isize)> = rows.iter().map(|row| (row, 1)).collect();
    settled(&rows).latest().map_or(i64::MIN, |latest| latest.div_euclid(DAY))
}

/// The purchases that stand.
fn all_of(rows: &Bought) -> Settled {
    let mut settled = Settled::default();
    for ((customer, at, timestamp, amount), _) in rows.iter().filter(|(_, diff)| **diff > 0) {
        let (timestamp, amount) = (*timestamp, *amount);
        let purchase =
            Purchase { timestamp, amount, category: 0, device: 0, payment: 0, discount: false };
        settled.transactions.insert((*customer, at.to_string()), purchase);
    }
    settled
}

/// Number, A and b of an arm, with its rewards in sum and their squares.
type Sum = (u64, Vec<i128>, Vec<i128>, [i128; 2]);

fn sum<'a>(contacts: impl Iterator<Item = (i128, &'a [i128])>) -> Sum {
    let (mut n, mut a, mut b, mut rewards) = (0, Vec::new(), Vec::new(), [0, 0]);
    for (reward, x) in contacts {
        n += 1;
        rewards = [rewards[0] + reward, rewards[1] + reward * reward];
        a.resize(x.len() * (x.len() + 1) / 2, 0);
        b.resize(x.len(), 0);
        let pairs = (0..x.len()).flat_map(|i| (i..x.len()).map(move |j| (i, j)));
        a.iter_mut().zip(pairs).for_each(|(sum, (i, j))| *sum += x[i] * x[j]);
        b.iter_mut().zip(x).for_each(|(sum, x)| *sum += reward * x);
    }
    (n, a, b, rewards)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_epoch_is_what_plain_collections_come_to(
        epochs in histories(),
        workers in 1..4usize,
        arms in prop::sample::subsequence(vec![0u16, 1, 2, 3], 0..4),
        from in 1..8u64,
    ) {
        let retired = Retired { arms, from };
        let own = by_the_dataflow(&epochs, workers, &retired);
        for (epoch, (own, plain)) in own.iter().zip(by_collections(&epochs, &retired)).enumerate() {
            prop_assert_eq!(own, &plain, "after epoch {}", epoch + 1);
            let is_retired = |made: &Decided| retired.has(made.arm, epoch + 1);
            prop_assert!(!own.decided.values().any(is_retired), "in epoch {}", epoch + 1);
        }
    }
}
