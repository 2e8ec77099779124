//! The naive oracle: it keeps everything, and only marks what is folded.

mod compared;
mod learning;
mod person;

use super::*;
use person::*;

/// Everything that the oracle has seen.
pub(super) struct Oracle {
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
    pub(super) counts: Counts,
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
    /// Interactions that are folded.
    pub(super) fn folded(&self) -> usize {
        let contacts = self.people.values().flat_map(|person| &person.contacts);
        contacts.filter(|contact| contact.folded).count()
    }

    pub(super) fn new(keep: i64) -> Self {
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
    pub(super) fn epoch(&mut self, arrivals: &[Arrival], watermark: Option<i64>, last: bool) {
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
}
