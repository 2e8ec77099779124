//! Streams that fold what is older than is kept, against a naive oracle that keeps everything for
//! ever.
//!
//! The oracle takes the records epoch by epoch and holds each customer's events in plain lists, in
//! which a folded one is only marked. After each epoch it computes the context of every interaction
//! from scratch; one that is marked keeps what it had last. Watermarks are taken from the run,
//! thresholds, decisions, rows, reports and counts are the oracle's own. Of the core it uses plain
//! types, hashes of ids, and the features of a customer with given purchases, which have an oracle
//! of their own in the program's tests.

use super::*;
use crate::bandit::totals::Totals;
use crate::campaign::output::Erasure;
use crate::customer::{State, Summary, Transaction};
use crate::event::text::id_hash;
use crate::event::{Profile, Purchase};
use serde_json::Value;
use std::iter::zip;

/// How long the streams are, in days.
const LONG: u64 = 320;

/// Records of a long time, among them some that are far too late and some about what is long gone.
fn long_arrivals(random: &mut Random, count: u64, keep: i64) -> Vec<Arrival> {
    (0..count)
        .map(|i| {
            let late = match random.below(12) {
                0 => random.below(3 * keep as u64),
                1 => random.below(DAY as u64 * 3),
                _ => random.below(DAY as u64 / 8),
            };
            let now = (START as u64 + i * LONG * DAY as u64 / count).saturating_sub(late) as i64;
            let newest = i / 20 + 14;
            let ids = if random.below(8) == 0 { 0..newest } else { newest - 14..newest };
            arrival(random, now - now.rem_euclid(DAY / 24), ids)
        })
        .collect()
}

/// The same records of customers that come and go: whose a record is depends on its date, so that
/// most are silent while a snapshot is taken.
fn of_passing_customers(arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let mut month = 0;
    let passing = |(topic, text): Arrival| {
        let mut record: Value = serde_json::from_str(&text).expect("JSON");
        month = record["timestamp"]
            .as_i64()
            .map_or(month, |at| (at - START).div_euclid(20 * DAY).max(0));
        record["customer_id"] =
            Value::from(record["customer_id"].as_i64().expect("a customer") + 10 * month);
        (topic, record.to_string())
    };
    arrivals.into_iter().map(passing).collect()
}

/// A context and a reward that entered a model.
type Contribution = (Vec<i16>, i64);

#[derive(Clone, Debug)]
struct Bought {
    id: String,
    at: i64,
    purchase: Purchase,
    folded: bool,
}

#[derive(Clone, Debug)]
struct Contacted {
    id: String,
    at: i64,
    arm: usize,
    reward: Option<i64>,
    decision: Option<String>,
    /// As of the last epoch, or when it was folded.
    learned: Option<Contribution>,
    folded: bool,
    /// A later interaction has taken its id, and with that its row.
    replaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Rewarded {
    id: String,
    contact: String,
    at: i64,
    value: i64,
    folded: bool,
    /// Where it joins nothing: why, as of the last epoch or when it was folded.
    unmatched: Option<Why>,
}

/// Why a reward joins nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    NoInteraction,
    Before,
    After,
}

impl Rewarded {
    /// Whether both are the same and say the same.
    fn says(&self, other: &Rewarded) -> bool {
        !self.folded
            && (&self.id, &self.contact, self.at, self.value)
                == (&other.id, &other.contact, other.at, other.value)
    }
}

#[derive(Clone, Debug)]
struct Asked {
    id: String,
    at: i64,
}

#[derive(Clone, Debug, Default)]
struct Person {
    purchases: Vec<Bought>,
    contacts: Vec<Contacted>,
    rewards: Vec<Rewarded>,
    profiles: Vec<Profile>,
    /// The latest instant of a profile version that was superseded long ago.
    profiled: Option<i64>,
    asked: Vec<Asked>,
    erased: Option<i64>,
}

/// Everything that the oracle has seen.
struct Oracle {
    keep: i64,
    features: Arc<Features>,
    people: BTreeMap<i64, Person>,
    watermark: Option<i64>,
    horizon: i64,
    /// Thresholds of closed days, from the first that had one.
    thresholds: BTreeMap<Day, Option<u64>>,
    /// The last closed day.
    closed: i64,
    /// Contributions that stay in the models of customers that were erased: day, arm, what.
    stayed: Vec<(Day, usize, Contribution)>,
    erasures: BTreeSet<Erasure>,
    decisions: BTreeMap<(i64, String), Vec<i16>>,
    counts: Counts,
    rejected: usize,
}

const WINDOW: i64 = 3 * DAY;

fn midnight(at: i64) -> i64 {
    at - at.rem_euclid(DAY)
}

fn text(record: &Value, field: &str) -> Option<String> {
    record[field].as_str().map(str::to_owned)
}

impl Oracle {
    fn new(keep: i64) -> Self {
        Oracle {
            keep,
            features: features(&settings()),
            people: BTreeMap::new(),
            watermark: None,
            horizon: i64::MIN,
            thresholds: BTreeMap::new(),
            closed: i64::MIN,
            stayed: Vec::new(),
            erasures: BTreeSet::new(),
            decisions: BTreeMap::new(),
            counts: Counts::default(),
            rejected: 0,
        }
    }

    /// An epoch, and the watermark at its end; at the end of the input everything closes.
    fn epoch(&mut self, arrivals: &[Arrival], watermark: Option<i64>, last: bool) {
        let horizon = self.watermark.map_or(i64::MIN, |watermark| midnight(watermark) - self.keep);
        if horizon > self.horizon {
            self.horizon = horizon;
            self.people.values_mut().for_each(|person| person.fold(horizon));
        }
        let records = |topic| {
            arrivals
                .iter()
                .filter(move |(of, _)| *of == topic)
                .map(|(_, text)| serde_json::from_str::<Value>(text).expect("JSON"))
        };
        self.counts.records += arrivals.len() as u64;
        let learned_before: BTreeMap<i64, Vec<(i64, bool)>> = self
            .people
            .iter()
            .map(|(&of, person)| {
                (of, person.live().map(|contact| (contact.at, contact.learned.is_some())).collect())
            })
            .collect();
        let erasing: BTreeSet<i64> = records(Topic::Customers)
            .filter(|record| record["op"] == "erase")
            .map(|record| self.note_erasure(&record))
            .collect();
        records(Topic::Transactions).for_each(|record| self.purchase(&record));
        records(Topic::Interactions).for_each(|record| self.contact(&record));
        records(Topic::Rewards).for_each(|record| self.reward(&record));
        let people: Vec<i64> = self.people.keys().copied().collect();
        for of in people {
            let learned = learned_before.get(&of).map(Vec::as_slice).unwrap_or_default();
            self.erase(of, erasing.contains(&of), learned);
        }
        records(Topic::Customers)
            .filter(|record| record["op"] != "erase")
            .for_each(|record| self.profile(&record));
        self.watermark = watermark;
        self.close_days(if last { None } else { watermark }, last);
        self.learn(last);
        self.join();
        records(Topic::Requests).for_each(|record| self.decide(&record));
    }

    fn person(&mut self, record: &Value) -> &mut Person {
        self.people.entry(record["customer_id"].as_i64().expect("a customer")).or_default()
    }

    fn note_erasure(&mut self, record: &Value) -> i64 {
        let person = self.person(record);
        person.erased = person.erased.max(record["timestamp"].as_i64());
        record["customer_id"].as_i64().expect("a customer")
    }

    /// Whether a new event of long ago is refused or dropped.
    fn is_past(&mut self, record: &Value, limit: i64) -> bool {
        let at = record["timestamp"].as_i64().expect("an instant");
        if at >= limit {
            return false;
        }
        match self.person(record).erased {
            Some(until) if at <= until => self.counts.erased += 1,
            _ => {
                (self.counts.past_history, self.rejected) =
                    (self.counts.past_history + 1, self.rejected + 1)
            }
        }
        true
    }

    /// A retraction found nothing.
    fn unknown(&mut self, erased: bool, folded: bool) {
        match (erased, folded) {
            (true, _) => self.counts.erased += 1,
            (false, true) => {
                (self.counts.past_history, self.rejected) =
                    (self.counts.past_history + 1, self.rejected + 1)
            }
            (false, false) => self.rejected += 1,
        }
    }

    fn purchase(&mut self, record: &Value) {
        let id = text(record, "transaction_id").expect("an id");
        if record["op"] == "retract" {
            let person = self.person(record);
            let before = person.purchases.len();
            person.purchases.retain(|bought| bought.folded || bought.id != id);
            let (found, erased) = (person.purchases.len() < before, person.erased.is_some());
            let folded = person.purchases.iter().any(|bought| bought.folded);
            return if found { self.counts.retracted += 1 } else { self.unknown(erased, folded) };
        }
        if self.is_past(record, self.horizon) {
            return;
        }
        let category = ["Electronics", "Fashion", "Groceries", "Travel"]
            .iter()
            .position(|name| record["category"] == *name)
            .unwrap_or(4);
        let cents = (record["amount"].as_f64().expect("an amount") * 100.0).round() as u64;
        let at = record["timestamp"].as_i64().expect("an instant");
        let new =
            Bought { id, at, purchase: Purchase::new(cents, category, 3, 3, false), folded: false };
        let person = self.person(record);
        match person.purchases.iter_mut().find(|bought| !bought.folded && bought.id == new.id) {
            None => person.purchases.push(new),
            Some(old) if (old.at, old.purchase) == (new.at, new.purchase) => {
                self.counts.duplicates += 1
            }
            Some(old) => {
                *old = new;
                self.counts.replaced += 1;
            }
        }
    }

    fn contact(&mut self, record: &Value) {
        let id = text(record, "interaction_id").expect("an id");
        if record["op"] == "retract" {
            let person = self.person(record);
            let before = person.contacts.len();
            person.contacts.retain(|contact| contact.folded || contact.id != id);
            let (found, erased) = (person.contacts.len() < before, person.erased.is_some());
            let folded = person.contacts.iter().any(|contact| contact.folded);
            return if found { self.counts.retracted += 1 } else { self.unknown(erased, folded) };
        }
        if self.is_past(record, self.horizon) {
            return;
        }
        let new = Contacted {
            id,
            at: record["timestamp"].as_i64().expect("an instant"),
            arm: record["action"].as_u64().expect("an arm") as usize,
            reward: record["reward"].as_f64().map(|reward| (reward * 65_536.0) as i64),
            decision: text(record, "decision_id"),
            learned: None,
            folded: false,
            replaced: false,
        };
        let person = self.person(record);
        match person.contacts.iter_mut().find(|contact| !contact.folded && contact.id == new.id) {
            None => person.contacts.push(new),
            Some(old)
                if (old.at, old.arm, old.reward, &old.decision)
                    == (new.at, new.arm, new.reward, &new.decision) =>
            {
                self.counts.duplicates += 1
            }
            Some(old) => {
                *old = new;
                self.counts.replaced += 1;
            }
        }
    }

    fn reward(&mut self, record: &Value) {
        let contact = text(record, "interaction_id").expect("an id");
        let id = text(record, "reward_id").unwrap_or_else(|| contact.clone());
        if record["op"] == "retract" {
            let person = self.person(record);
            let before = person.rewards.len();
            person.rewards.retain(|reward| reward.folded || reward.id != id);
            let (found, erased) = (person.rewards.len() < before, person.erased.is_some());
            let folded = person.rewards.iter().any(|reward| reward.folded);
            return if found { self.counts.retracted += 1 } else { self.unknown(erased, folded) };
        }
        let at = record["timestamp"].as_i64().expect("an instant");
        let new = Rewarded {
            id,
            contact,
            at,
            value: record["reward"].as_i64().expect("a reward") << 16,
            folded: false,
            unmatched: None,
        };
        let limit = self.horizon.saturating_add(WINDOW);
        let person = self.person(record);
        let is_there = person.live().any(|contact| contact.id == new.contact)
            || person.rewards.iter().any(|reward| reward.says(&new));
        let is_erased = person.erased.is_some_and(|until| at <= until);
        if !is_there && !is_erased && self.is_past(record, limit) {
            return;
        }
        let person = self.person(record);
        match person.rewards.iter_mut().find(|reward| !reward.folded && reward.id == new.id) {
            None => person.rewards.push(new),
            Some(old) if old.says(&new) => self.counts.duplicates += 1,
            Some(old) => {
                *old = new;
                self.counts.replaced += 1;
            }
        }
    }

    fn profile(&mut self, record: &Value) {
        let profile = Profile {
            from: record["timestamp"].as_i64().unwrap_or(i64::MIN),
            signup: 19_358 * DAY,
            email_open_rate: record["email_open_rate"].as_f64().expect("a rate"),
            complaint_count: 0.0,
            avg_discount: 0.0,
            premium: false,
        };
        let person = self.person(record);
        if person.erased.is_some_and(|until| profile.from <= until) {
            self.counts.erased += 1;
            return;
        }
        person.profiles.retain(|version| version.from != profile.from);
        person.profiles.push(profile);
    }

    /// What is dated up to a customer's erasure goes; with a new erasure also all that is folded,
    /// if any of that is dated so.
    fn erase(&mut self, of: i64, erasing: bool, learned_before: &[(i64, bool)]) {
        let (horizon, person) = (self.horizon, self.people.get_mut(&of).expect("a customer"));
        let Some(until) = person.erased else { return };
        let mut folded_before = None;
        let mut folded = 0;
        if erasing {
            person.profiled = None;
            let purchases =
                person.purchases.iter().filter(|bought| bought.folded).map(|bought| bought.at);
            let contacts =
                person.contacts.iter().filter(|contact| contact.folded).map(|contact| contact.at);
            let rewards =
                person.rewards.iter().filter(|reward| reward.folded).map(|reward| reward.at);
            if purchases.chain(contacts).chain(rewards).any(|at| at <= until) {
                folded_before = Some(horizon);
                for contact in person.contacts.iter().filter(|contact| contact.folded) {
                    let learned = contact.learned.clone().expect("what is folded was learned");
                    self.stayed.push((contact.at.div_euclid(DAY) as Day, contact.arm, learned));
                    folded += 1;
                }
                person.purchases.retain(|bought| !bought.folded);
                person.contacts.retain(|contact| !contact.folded);
                person.rewards.retain(|reward| !reward.folded);
            }
        }
        let sizes = |person: &Person| {
            [
                person.purchases.len(),
                person.contacts.len(),
                person.rewards.len(),
                person.profiles.len(),
                person.asked.len(),
            ]
        };
        let before = sizes(person);
        person.purchases.retain(|bought| bought.folded || bought.at > until);
        person.contacts.retain(|contact| contact.folded || contact.at > until);
        person.rewards.retain(|reward| reward.folded || reward.at > until);
        person.profiles.retain(|version| version.from > until);
        person.asked.retain(|asked| asked.at > until && Some(asked.at) >= folded_before);
        let gone: Vec<u64> =
            zip(before, sizes(person)).map(|(before, after)| (before - after) as u64).collect();
        self.counts.erased += gone[..4].iter().sum::<u64>();
        self.counts.erased_folded += folded;
        if erasing {
            let learned =
                learned_before.iter().filter(|(at, learned)| *at <= until && *learned).count()
                    as u64;
            let [transactions, interactions, rewards, profiles, decisions] = gone[..] else {
                unreachable!("five lists")
            };
            let (customer, erasures) = (of, &mut self.erasures);
            erasures.insert(Erasure {
                customer,
                until,
                transactions,
                interactions,
                learned,
                rewards,
                profiles,
                decisions,
                folded,
                folded_before,
            });
        }
    }

    /// The 90th percentile of all totals before the day before, for every day that closes.
    fn close_days(&mut self, watermark: Option<i64>, last: bool) {
        let latest = self.people.values().flat_map(|person| {
            person
                .purchases
                .iter()
                .map(|bought| bought.at)
                .chain(person.contacts.iter().map(|contact| contact.at))
                .collect::<Vec<_>>()
        });
        let latest = latest.max().unwrap_or(0);
        let Some(through) = (if last {
            Some(latest.div_euclid(DAY))
        } else {
            watermark.map(|watermark| watermark.div_euclid(DAY) + 1)
        }) else {
            return;
        };
        let purchases = self.people.values().flat_map(|person| &person.purchases);
        let first = purchases
            .map(|bought| bought.at.div_euclid(DAY) + 2)
            .min()
            .filter(|_| self.thresholds.is_empty());
        // A closed day is not opened again, also where it had no threshold.
        let first = first
            .unwrap_or(if self.thresholds.is_empty() { i64::MAX } else { i64::MIN })
            .max(self.closed.saturating_add(1));
        for day in first..=through {
            let before = |person: &Person| {
                let counted: Vec<u64> = person
                    .purchases
                    .iter()
                    .filter(|b| b.at < (day - 1) * DAY)
                    .map(|b| b.purchase.amount())
                    .collect();
                (!counted.is_empty()).then(|| counted.iter().sum::<u64>())
            };
            let mut totals: Vec<u64> = self.people.values().filter_map(before).collect();
            totals.sort_unstable();
            let rank = (totals.len() * 90).div_ceil(100);
            self.thresholds.insert(day as Day, rank.checked_sub(1).map(|rank| totals[rank]));
        }
        self.closed = self.closed.max(through);
    }

    fn threshold(&self, day: i64) -> Option<u64> {
        self.thresholds.range(..=day as Day).next_back().and_then(|(_, value)| *value)
    }

    /// Works out anew what every interaction that is not folded gives to the models.
    fn learn(&mut self, last: bool) {
        let mut people = std::mem::take(&mut self.people);
        for person in people.values_mut() {
            let seen = person.clone();
            for contact in person.contacts.iter_mut().filter(|contact| !contact.folded) {
                let day = contact.at.div_euclid(DAY);
                let is_open = !last
                    && self.watermark.is_none_or(|watermark| day > watermark.div_euclid(DAY) + 1);
                let window_ended = last
                    || self.watermark.is_some_and(|watermark| watermark >= contact.at + WINDOW);
                let in_window = |reward: &&Rewarded| {
                    !reward.folded
                        && reward.contact == contact.id
                        && (contact.at..contact.at + WINDOW).contains(&reward.at)
                };
                let delayed = seen
                    .rewards
                    .iter()
                    .filter(in_window)
                    .map(|reward| reward.value)
                    .reduce(|a, b| a + b);
                let reward =
                    delayed.or(contact.reward).or(window_ended.then_some(0)).filter(|_| !is_open);
                contact.learned = reward.map(|reward| (self.context(&seen, contact.at), reward));
            }
            let ids: BTreeSet<String> = person.live().map(|contact| contact.id.clone()).collect();
            person
                .contacts
                .iter_mut()
                .filter(|contact| contact.folded && ids.contains(&contact.id))
                .for_each(|contact| contact.replaced = true);
        }
        self.people = people;
    }

    /// Looks anew why each reward that is not folded joins nothing.
    fn join(&mut self) {
        for person in self.people.values_mut() {
            let contacts: Vec<Contacted> = person.live().cloned().collect();
            for reward in person.rewards.iter_mut().filter(|reward| !reward.folded) {
                reward.unmatched =
                    match contacts.iter().find(|contact| contact.id == reward.contact) {
                        None => Some(Why::NoInteraction),
                        Some(contact) if reward.at < contact.at => Some(Why::Before),
                        Some(contact) if reward.at >= contact.at + WINDOW => Some(Why::After),
                        Some(_) => None,
                    };
            }
        }
    }

    fn context(&self, person: &Person, at: i64) -> Vec<i16> {
        let (summary, counts) = self.sums(person, at);
        let state = State { summary: &summary, counts: &counts, profile: person.profile_at(at) };
        let mut context = vec![0; self.features.context().dimension()];
        self.features.context().purchases(&state, &mut context);
        self.features.context().instant(
            &state,
            at,
            self.threshold(at.div_euclid(DAY)),
            &mut context,
        );
        context
    }

    fn sums(&self, person: &Person, at: i64) -> (Summary, Vec<u32>) {
        let mut purchases: Vec<&Bought> =
            person.purchases.iter().filter(|bought| bought.at <= at).collect();
        purchases.sort_by_key(|bought| bought.at);
        let (mut summary, mut counts) =
            (Summary::default(), vec![0; self.features.layout().stride()]);
        for bought in purchases {
            self.features.layout().add(
                &mut summary,
                &mut counts,
                &Transaction::new(0, bought.at, bought.purchase),
            );
        }
        (summary, counts)
    }

    fn decide(&mut self, record: &Value) {
        let (of, id) = (
            record["customer_id"].as_i64().expect("a customer"),
            text(record, "decision_id").expect("an id"),
        );
        let at = record["timestamp"].as_i64().expect("an instant");
        if self.is_past(record, self.horizon) {
            return;
        }
        let person = self.person(record);
        if person.erased.is_some_and(|until| at <= until) {
            self.counts.erased += 1;
        } else if person.asked.iter().any(|asked| asked.id == id) {
            self.counts.duplicates += 1;
        } else {
            person.asked.push(Asked { id: id.clone(), at });
            self.counts.decisions += 1;
            let context = self.context(&self.people[&of], at);
            self.decisions.insert((of, id), context);
        }
    }
}

impl Person {
    fn live(&self) -> impl Iterator<Item = &Contacted> {
        self.contacts.iter().filter(|contact| !contact.folded)
    }

    fn profile_at(&self, at: i64) -> Option<&Profile> {
        self.profiles.iter().filter(|version| version.from <= at).max_by_key(|version| version.from)
    }

    fn fold(&mut self, horizon: i64) {
        self.purchases
            .iter_mut()
            .filter(|bought| bought.at < horizon)
            .for_each(|bought| bought.folded = true);
        let going: BTreeSet<String> = self
            .live()
            .filter(|contact| contact.at < horizon)
            .map(|contact| contact.id.clone())
            .collect();
        self.contacts
            .iter_mut()
            .filter(|contact| contact.at < horizon)
            .for_each(|contact| contact.folded = true);
        let staying: BTreeSet<String> = self.live().map(|contact| contact.id.clone()).collect();
        for reward in self.rewards.iter_mut().filter(|reward| !staying.contains(&reward.contact)) {
            reward.folded |= reward.at < horizon || going.contains(&reward.contact);
        }
        let newest = self.profile_at(horizon - 1).map(|version| version.from);
        let (kept, gone): (Vec<Profile>, Vec<Profile>) = self
            .profiles
            .iter()
            .partition(|version| version.from >= horizon || Some(version.from) == newest);
        self.profiles = kept;
        self.profiled = gone
            .iter()
            .flat_map(|version| [version.from, version.signup])
            .chain(self.profiled)
            .max();
        let carried_out: BTreeSet<String> =
            self.live().filter_map(|contact| contact.decision.clone()).collect();
        self.asked.retain(|asked| asked.at >= horizon || carried_out.contains(&asked.id));
    }
}

/// Comparison.
impl Oracle {
    fn contributions(&self) -> Vec<(Day, usize, Contribution)> {
        let standing = self.people.values().flat_map(|person| &person.contacts);
        let standing = standing.filter_map(|contact| {
            Some((contact.at.div_euclid(DAY) as Day, contact.arm, contact.learned.clone()?))
        });
        standing.chain(self.stayed.iter().cloned()).collect()
    }

    fn assert_same(&self, told: &Told, last: bool, what: &str) {
        self.assert_models(told, what);
        let thresholds: BTreeMap<Day, u64> =
            self.thresholds.iter().filter_map(|(&day, &value)| Some((day, value?))).collect();
        assert_eq!(told.thresholds, thresholds, "{what}");
        self.assert_rows(told, what);
        assert_eq!(told.erasures, self.erasures, "{what}");
        let decisions: BTreeMap<(i64, String), Vec<i16>> = told
            .decisions
            .values()
            .map(|decision| {
                ((decision.customer, decision.decision.clone()), decision.context.clone())
            })
            .collect();
        assert_eq!(decisions, self.decisions, "{what}");
        self.assert_counts(told, what);
        if last {
            assert_eq!(told.of_other_customers, self.of_other_customers(), "{what}");
        }
    }

    /// Rewards that name an interaction of somebody else.
    fn of_other_customers(&self) -> u64 {
        let ids: BTreeSet<&str> = self
            .people
            .values()
            .flat_map(Person::live)
            .map(|contact| contact.id.as_str())
            .collect();
        let rewards =
            self.people.values().flat_map(|person| &person.rewards).filter(|reward| !reward.folded);
        rewards
            .filter(|reward| {
                reward.unmatched == Some(Why::NoInteraction)
                    && ids.contains(reward.contact.as_str())
            })
            .count() as u64
    }

    fn assert_models(&self, told: &Told, what: &str) {
        let (mut totals, mut days) =
            (BTreeMap::<u32, Totals>::new(), BTreeMap::<(Day, u16), (i64, i128)>::new());
        for (day, arm, (context, reward)) in self.contributions() {
            let sums = totals.entry(arm as u32).or_insert_with(|| Totals::new(context.len()));
            let (mut cells, x) =
                (sums.a.iter_mut(), || context.iter().map(|&value| i128::from(value)));
            for (row, left) in x().enumerate() {
                zip(x().skip(row), &mut cells).for_each(|(right, cell)| *cell += left * right);
            }
            zip(x(), &mut sums.b).for_each(|(value, cell)| *cell += value * i128::from(reward));
            sums.n += 1;
            let of_day = days.entry((day, arm as u16)).or_default();
            *of_day = (of_day.0 + 1, of_day.1 + i128::from(reward));
        }
        let told_totals: BTreeMap<u32, Totals> = told
            .totals
            .iter()
            .filter(|(_, totals)| !totals.is_empty())
            .map(|(&arm, totals)| (arm, totals.clone()))
            .collect();
        assert_map(&told_totals, &totals, what, 0);
        let told_days = told
            .arm_days
            .iter()
            .filter(|(_, row)| row.interactions != 0)
            .map(|(&key, row)| (key, (row.interactions, row.reward)));
        assert_map(&told_days.collect(), &days, what, 0);
    }

    /// The rows of interactions; where nothing can change them any more, or the stream has ended,
    /// also those of customers.
    fn assert_rows(&self, told: &Told, what: &str) {
        let mut rows = BTreeMap::new();
        for (&of, person) in &self.people {
            for contact in person.contacts.iter().filter(|contact| !contact.replaced) {
                let (context, reward) = contact.learned.clone().unzip();
                rows.insert(
                    (of, id_hash(contact.id.as_bytes())),
                    (contact.at, contact.arm, context.unwrap_or_default(), reward),
                );
            }
        }
        let row = |(row, context): &(InteractionRow, Vec<i16>)| {
            (
                row.timestamp,
                usize::from(row.arm),
                context.clone(),
                row.reward.filter(|_| row.learned),
            )
        };
        assert_map(
            &told.interactions.iter().map(|(&key, value)| (key, row(value))).collect(),
            &rows,
            what,
            0,
        );
        for (of, person) in &self.people {
            self.assert_features(*of, person, told, what);
        }
    }

    fn assert_features(&self, of: i64, person: &Person, told: &Told, what: &str) {
        if person.purchases.is_empty() && person.profiles.is_empty() {
            return assert!(!told.features.contains_key(&of), "{what}: {of}");
        }
        let last_purchase = person.purchases.iter().map(|bought| bought.at).max();
        let contacts = person.contacts.iter().map(|contact| contact.at);
        let profiles = person
            .profiles
            .iter()
            .flat_map(|version| [version.from, version.signup])
            .filter(|&at| at > i64::MIN);
        let at =
            contacts.chain(profiles).chain(last_purchase).chain(person.profiled).max().unwrap_or(0);
        let (row, values) = &told.features[&of];
        assert_eq!((row.as_of, row.last_purchase), (at, last_purchase), "{what}: {of}");
        if !self.thresholds.contains_key(&(at.div_euclid(DAY) as Day)) {
            return;
        }
        let (summary, counts) = self.sums(person, at);
        let state = State { summary: &summary, counts: &counts, profile: person.profile_at(at) };
        let mut expected = Vec::new();
        self.features.row(&state, at, self.threshold(at.div_euclid(DAY)), &mut expected);
        assert_eq!(
            *values,
            expected.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            "{what}: {of}"
        );
    }

    fn assert_counts(&self, told: &Told, what: &str) {
        let (mut transactions, mut interactions, mut rewards, mut pending) = (0, 0, 0, 0);
        for person in self.people.values() {
            transactions += person.purchases.len() as i64;
            interactions += person.contacts.len() as i64;
            rewards += person.rewards.len() as i64;
            pending += person.live().filter(|contact| contact.learned.is_none()).count() as i64;
        }
        let unmatched = |why| {
            self.people
                .values()
                .flat_map(|person| &person.rewards)
                .filter(|reward| reward.unmatched == Some(why))
                .count() as i64
        };
        let [rewards_no_interaction, rewards_before, rewards_after] =
            [Why::NoInteraction, Why::Before, Why::After].map(unmatched);
        let joined =
            Counts { rewards_no_interaction, rewards_before, rewards_after, ..self.counts };
        let learned = self.contributions().len() as i64;
        let Counts { late, corrected, first, last, .. } = told.counts;
        let own = Counts {
            transactions,
            interactions,
            rewards,
            pending,
            learned,
            late,
            corrected,
            first,
            last,
            ..joined
        };
        assert_eq!((told.counts, told.rejected), (own, self.rejected), "{what}");
    }
}

/// A stream with its settings, drawn from a seed.
fn folding_run(seed: u64) -> (Run, Random) {
    let mut random = Random(5_000 + seed);
    let keep = (7 + random.below(6) as i64) * DAY + random.below(2) as i64 * DAY / 3;
    let arrivals = long_arrivals(&mut random, 1_600, keep);
    let (mut epochs, mut count) = (Vec::new(), 0);
    while count < arrivals.len() {
        let most = [40, 8, 120][random.below(3) as usize];
        epochs.push(random.below(most) as usize);
        count += epochs[epochs.len() - 1];
    }
    let mut save = |epoch: u64| match random.below(9) {
        0 => Some((epoch, Save::Everything)),
        1 | 2 => Some((epoch, Save::Changes)),
        _ => None,
    };
    let saves = (1..epochs.len() as u64).filter_map(&mut save).collect();
    (Run { arrivals, epochs, workers: 1, saves, keep: Some(keep), ..Run::default() }, random)
}

/// What sinks were told from the beginning up to an epoch.
fn told_until(outcome: &Outcome, epoch: u64) -> Told {
    let mut told = Told { counts: Counts::none(), folding: true, ..Told::default() };
    outcome.tell(&mut told, 0, epoch);
    told
}

/// Feeds an oracle with the epochs of a run after `done`, up to and with `until`, and compares it
/// with what sinks were told after each from `done` on.
fn follow(
    oracle: &mut Oracle,
    told: &mut Told,
    run: &Run,
    outcome: &Outcome,
    (done, until): (usize, usize),
    what: &str,
) {
    let mut watermarks = vec![None; until];
    for (epoch, output) in &outcome.outputs {
        if let (Output::Closed(closed), true) = (output, (*epoch as usize) <= until) {
            watermarks[*epoch as usize - 1] = closed.watermark;
        }
    }
    let mut end = 0;
    for epoch in 1..=until {
        let start = end;
        end = run
            .epochs
            .get(epoch - 1)
            .map_or(run.arrivals.len(), |size| (start + size).min(run.arrivals.len()));
        if epoch > done {
            let last = end == run.arrivals.len();
            oracle.epoch(&run.arrivals[start..end], watermarks[epoch - 1], last);
            outcome.tell(told, epoch as u64 - 1, epoch as u64);
            oracle.assert_same(told, last, &format!("{what}, epoch {epoch}"));
        }
    }
}

/// The last epoch of a run.
fn last_epoch(outcome: &Outcome) -> usize {
    outcome.outputs.last().map_or(0, |(epoch, _)| *epoch as usize)
}

#[test]
fn a_stream_that_folds_is_what_an_oracle_says_that_keeps_everything() {
    let (mut past, mut stayed, mut folded) = (0, 0, 0);
    let mut unmatched = [0; 4];
    for seed in 0..24 {
        let (run, _) = folding_run(seed);
        let outcome = run.run();
        let (mut oracle, mut told) =
            (Oracle::new(run.keep.expect("the run folds")), told_until(&outcome, 0));
        follow(
            &mut oracle,
            &mut told,
            &run,
            &outcome,
            (0, last_epoch(&outcome)),
            &format!("seed {seed}"),
        );
        (past, stayed) = (past + oracle.counts.past_history, stayed + oracle.counts.erased_folded);
        folded += oracle
            .people
            .values()
            .flat_map(|person| &person.contacts)
            .filter(|contact| contact.folded)
            .count();
        let Counts { rewards_no_interaction, rewards_before, rewards_after, .. } = told.counts;
        let of_others = told.of_other_customers as i64;
        zip(
            &mut unmatched,
            [rewards_no_interaction - of_others, of_others, rewards_before, rewards_after],
        )
        .for_each(|(sum, number)| *sum += number);
    }
    assert!(
        past > 1_000 && stayed > 100 && folded > 1_000,
        "{past} refused, {stayed} stayed, {folded} folded"
    );
    assert!(unmatched.iter().all(|number| *number > 20), "{unmatched:?}");
}

/// A snapshot is as of its epoch even where epochs after it, during which it was taken, never came
/// to be: what comes may be cut otherwise.
#[test]
fn what_comes_after_a_snapshot_may_be_cut_otherwise() {
    let mut resumed = 0;
    for seed in 0..24 {
        let (mut run, mut random) = folding_run(100 + seed);
        if seed % 2 == 0 {
            run.arrivals = of_passing_customers(run.arrivals);
        }
        let outcome = run.run();
        for &done in outcome.complete.keys() {
            let kept = usize::try_from(done).expect("an epoch");
            let mut epochs = run.epochs[..kept].to_vec();
            epochs.extend((0..random.below(3)).map(|_| 100 + random.below(300) as usize));
            let other = Run {
                epochs,
                workers: 1,
                snapshot: Some(outcome.snapshot(done)),
                saves: BTreeMap::new(),
                ..run.clone()
            };
            let rest = other.run();
            let (mut oracle, mut told) =
                (Oracle::new(run.keep.expect("the run folds")), told_until(&outcome, 0));
            follow(&mut oracle, &mut told, &run, &outcome, (0, kept), &format!("seed {seed}"));
            follow(
                &mut oracle,
                &mut told,
                &other,
                &rest,
                (kept, last_epoch(&rest)),
                &format!("seed {seed} after epoch {done}"),
            );
            resumed += 1;
        }
    }
    assert!(resumed > 20, "only {resumed} snapshots were complete");
}

#[test]
fn what_came_late_and_was_not_folded_yet_is_not_folded_by_a_restart() {
    let profile = |day: i64| {
        (
            Topic::Customers,
            format!(
                r#"{{"customer_id":1,"email_open_rate":0.5,"timestamp":{}}}"#,
                START + day * DAY
            ),
        )
    };
    let purchase = |day: i64| {
        (
            Topic::Transactions,
            format!(
                r#"{{"transaction_id":"t{day}","customer_id":1,"timestamp":{},"amount":1.25}}"#,
                START + day * DAY
            ),
        )
    };
    let erasure = (
        Topic::Customers,
        format!(r#"{{"customer_id":1,"op":"erase","timestamp":{}}}"#, START + 3 * DAY),
    );
    // In the second epoch all before day 22 is folded; the profile of day 2 comes after that, so it
    // stays until the horizon moves.
    let arrivals = vec![profile(5), purchase(30), purchase(31), profile(2), erasure, purchase(32)];
    let saves = BTreeMap::from([(3, Save::Everything)]);
    let run = Run {
        arrivals,
        epochs: vec![2, 1, 1, 1],
        workers: 1,
        saves,
        keep: Some(8 * DAY),
        ..Run::default()
    };
    let recorded: BTreeMap<u64, Option<i64>> =
        (1..=5).map(|epoch| (epoch, Some(START + 30 * DAY))).collect();
    let run = Run { recorded, ..run };
    let outcome = run.run();
    let whole = told_until(&outcome, u64::MAX);
    assert_eq!(
        whole
            .erasures
            .iter()
            .map(|erasure| (erasure.profiles, erasure.folded_before))
            .collect::<Vec<_>>(),
        [(1, None)]
    );
    let rest = Run { snapshot: Some(outcome.snapshot(3)), ..run.clone() }.run();
    let mut told = told_until(&outcome, 3);
    rest.tell(&mut told, 3, u64::MAX);
    told.assert_same(&whole, 0);
}

#[test]
fn folding_does_not_depend_on_workers_or_restarts() {
    let mut resumed = 0;
    for seed in 0..24 {
        let (run, mut random) = folding_run(seed);
        let outcome = run.run();
        let whole = told_until(&outcome, u64::MAX);
        let recorded: BTreeMap<u64, Option<i64>> =
            (1..).zip(whole.closed.iter().map(|closed| closed.watermark)).collect();
        for workers in [2, 3] {
            let other = Run { workers, recorded: recorded.clone(), ..run.clone() }.run();
            told_until(&other, u64::MAX).assert_same(&whole, seed);
        }
        let complete: Vec<u64> = outcome.complete.keys().copied().collect();
        for epoch in complete {
            let (workers, snapshot) = (1 + random.below(3) as usize, Some(outcome.snapshot(epoch)));
            let rest = Run { workers, recorded: recorded.clone(), snapshot, ..run.clone() }.run();
            let mut told = told_until(&outcome, epoch);
            rest.tell(&mut told, epoch, u64::MAX);
            told.assert_same(&whole, seed * 1_000 + epoch);
            resumed += 1;
        }
    }
    assert!(resumed > 20, "only {resumed} snapshots were complete");
}
