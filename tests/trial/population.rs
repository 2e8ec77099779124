//! A small population that gives a job all kinds of trouble: the same records for the same seed,
//! whatever becomes of the job.

use crate::hostile::rubbish::rubbish;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;
pub(crate) const DAY: i64 = 1_440 * MINUTE;
/// 2024-03-01.
const FIRST: i64 = 19_783 * DAY;
/// Few enough that everything meets everything.
const CUSTOMERS: u64 = 48;
/// Customers from here on only ever close what is open; nobody takes their events back.
const CLOSING: i64 = 1_000;
/// So many of what came last are done something with again.
const RECENT: usize = 40;
/// A bad record is not longer than this: many small ones tell more than a few huge ones.
const LONGEST: usize = 4_000;

/// A record for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The topic, by the name of its file.
    pub(crate) file: &'static str,
    /// Whose it is.
    pub(crate) customer: i64,
    /// `None`: the customer is erased.
    pub(crate) value: Option<Vec<u8>>,
    /// When it was sent: event time, in milliseconds.
    pub(crate) at: i64,
    /// Nobody should have sent it.
    pub(crate) bad: bool,
}

impl Record {
    /// Its key.
    pub(crate) fn key(&self) -> String {
        self.customer.to_string()
    }
}

/// An event that was sent, so that it can come again, differ, or be taken back.
#[derive(Clone)]
struct Sent {
    file: &'static str,
    customer: i64,
    value: Value,
}

/// The population, and what it has done so far.
pub(crate) struct Population {
    random: Pcg64Mcg,
    now: i64,
    count: u64,
    sent: Vec<Sent>,
    decisions: Vec<(i64, String)>,
    /// Whose profiles were sent.
    profiled: Vec<i64>,
}

impl Population {
    /// A population that has done nothing.
    pub(crate) fn new(seed: u64) -> Population {
        let random = Pcg64Mcg::seed_from_u64(seed);
        Population {
            random,
            now: FIRST,
            count: 0,
            sent: Vec::new(),
            decisions: Vec::new(),
            profiled: Vec::new(),
        }
    }

    /// Purchases, contacts, profiles, delayed rewards and requests, in the order of their time.
    pub(crate) fn mixed(&mut self, records: usize) -> Vec<Record> {
        (0..records)
            .map(|_| {
                self.now += self.below(20 * MINUTE as u64) as i64;
                let at = self.now;
                match self.below(20) {
                    0..8 => self.purchase(at),
                    8..14 => self.contact(at),
                    14..16 => self.profile(at),
                    16..18 => self.reward(),
                    _ => self.request(at),
                }
            })
            .collect()
    }

    /// Events of three to thirty days ago, of which thresholds have long closed.
    pub(crate) fn late(&mut self, records: usize) -> Vec<Record> {
        (0..records)
            .map(|_| {
                let at = self.now - 3 * DAY - self.below(27 * DAY as u64) as i64;
                match self.below(5) {
                    0..2 => self.purchase(at),
                    2..4 => self.contact(at),
                    _ => self.profile(at),
                }
            })
            .collect()
    }

    /// Profiles of customers who have one: a topic that is compacted forgets the former.
    pub(crate) fn renewals(&mut self, records: usize) -> Vec<Record> {
        (0..records)
            .map(|_| {
                self.now += MINUTE;
                let recent = self.profiled.len().min(RECENT);
                if recent == 0 {
                    return self.profile(self.now);
                }
                let index = self.profiled.len() - recent + self.below(recent as u64) as usize;
                self.profile_of(self.profiled[index], self.now)
            })
            .collect()
    }

    /// Events that were sent before, as they were.
    pub(crate) fn duplicates(&mut self, records: usize) -> Vec<Record> {
        self.changed(records, |_, _| ())
    }

    /// Events that were sent before, with another content.
    pub(crate) fn replacements(&mut self, records: usize) -> Vec<Record> {
        self.changed(records, |event, population| {
            let name = if event.get("amount").is_some() { "amount" } else { "reward" };
            event[name] = json!(population.below(900) + 1);
            if population.below(3) == 0 {
                event["timestamp"] =
                    json!(population.now - population.below(5 * DAY as u64) as i64);
            }
        })
    }

    /// Events that were sent before, taken back; some of them twice.
    pub(crate) fn retractions(&mut self, records: usize) -> Vec<Record> {
        self.changed(records, |event, _| event["op"] = json!("retract"))
    }

    /// Erases a customer: up to now, or for ever, or by a record without a value.
    pub(crate) fn erasure(&mut self) -> Vec<Record> {
        self.now += MINUTE;
        let (customer, at) = (self.customer(), self.now);
        let value = match self.below(4) {
            0 if customer % 8 == 0 => Some(json!({ "customer_id": customer, "op": "erase" })),
            0..2 => {
                let until = at - self.below(4 * DAY as u64) as i64;
                Some(json!({ "customer_id": customer, "op": "erase", "timestamp": until }))
            }
            _ => None,
        };
        vec![Record {
            file: "customers",
            customer,
            value: value.map(|value| value.to_string().into_bytes()),
            at,
            bad: false,
        }]
    }

    /// Records of all kinds for a transaction: what is changed, late and erased too.
    pub(crate) fn troubled(&mut self, records: usize) -> Vec<Record> {
        let few = 1 + records / 8;
        [
            self.mixed(records),
            self.late(few),
            self.replacements(few),
            self.retractions(few),
            self.renewals(few),
            self.erasure(),
        ]
        .concat()
    }

    /// As [`troubled`](Population::troubled), of records that nobody will ever see: what comes
    /// later does not follow from them.
    pub(crate) fn unseen(&mut self, records: usize) -> Vec<Record> {
        let (sent, decisions, profiled) =
            (self.sent.len(), self.decisions.len(), self.profiled.len());
        let unseen = self.troubled(records);
        self.sent.truncate(sent);
        self.decisions.truncate(decisions);
        self.profiled.truncate(profiled);
        unseen
    }

    /// Records that nobody should send.
    pub(crate) fn bad(&mut self, records: usize) -> Vec<Record> {
        let file = ["transactions", "customers", "interactions", "rewards", "requests"]
            [self.below(5) as usize];
        let mut pieces = rubbish(file, &mut self.random, 8);
        pieces.retain(|piece| piece.len() <= LONGEST);
        (0..records)
            .map(|_| {
                let piece = pieces[self.below(pieces.len() as u64) as usize].clone();
                Record {
                    file,
                    customer: self.below(CUSTOMERS) as i64,
                    value: Some(piece),
                    at: self.now,
                    bad: true,
                }
            })
            .collect()
    }

    /// Purchases so much later that every threshold and every window of what came before closes,
    /// and as many profiles: the last record of each partition is one that no compaction removes.
    pub(crate) fn closing(&mut self) -> Vec<Record> {
        self.now += 20 * DAY;
        (CLOSING..CLOSING + 3)
            .flat_map(|customer| {
                [self.purchase_of(customer, self.now), self.profile_of(customer, self.now)]
            })
            .collect()
    }

    fn purchase(&mut self, at: i64) -> Record {
        let customer = self.customer();
        self.purchase_of(customer, at)
    }

    fn purchase_of(&mut self, customer: i64, at: i64) -> Record {
        let event = json!({
            "transaction_id": self.name("t"), "customer_id": customer, "timestamp": at,
            "amount": self.below(100_000) as f64 / 100.0,
            "category": self.one_of(&["Electronics", "Fashion", "Groceries", "Travel", "Toys"]),
            "device": self.one_of(&["Mobile", "Desktop", "Tablet"]),
            "payment_method": self.one_of(&["Credit Card", "E-wallet", "Cash"]),
            "discount_used": self.below(2) == 0,
        });
        self.send("transactions", customer, event)
    }

    /// Half of the contacts bring their reward with them; the others wait for it. Some follow a
    /// decision.
    fn contact(&mut self, at: i64) -> Record {
        let mut customer = self.customer();
        let mut event = json!({
            "interaction_id": self.name("i"), "timestamp": at,
            "action": self.below(4), "propensity": 0.25,
        });
        if !self.decisions.is_empty() && self.below(4) == 0 {
            let index = self.below(self.decisions.len() as u64) as usize;
            let (decided, id) = self.decisions[index].clone();
            (customer, event["decision_id"]) = (decided, json!(id));
        }
        if self.below(2) == 0 {
            event["reward"] = json!(self.below(400));
        }
        event["customer_id"] = json!(customer);
        self.send("interactions", customer, event)
    }

    fn profile(&mut self, at: i64) -> Record {
        let customer = self.customer();
        self.profile_of(customer, at)
    }

    fn profile_of(&mut self, customer: i64, at: i64) -> Record {
        let event = json!({
            "customer_id": customer, "timestamp": at, "signup_date": "2023-05-01",
            "email_open_rate": self.below(5) as f64 / 4.0,
            "is_premium_member": self.below(2) == 0, "complaint_count": self.below(9),
        });
        self.profiled.push(customer);
        Record {
            file: "customers",
            customer,
            value: Some(event.to_string().into_bytes()),
            at: self.now,
            bad: false,
        }
    }

    /// A reward of a contact that was sent, within its window or just past it.
    fn reward(&mut self) -> Record {
        let contacts: Vec<usize> =
            (0..self.sent.len()).filter(|&index| self.sent[index].file == "interactions").collect();
        if contacts.is_empty() {
            return self.purchase(self.now);
        }
        let recent = &contacts[contacts.len().saturating_sub(RECENT)..];
        let index = self.below(recent.len() as u64) as usize;
        let contact = self.sent[recent[index]].clone();
        let at = contact.value["timestamp"].as_i64().unwrap_or(self.now)
            + self.below(8 * DAY as u64) as i64;
        let event = json!({
            "interaction_id": contact.value["interaction_id"], "reward_id": self.name("r"),
            "customer_id": contact.customer, "timestamp": at.min(self.now),
            "reward": self.below(400),
        });
        self.send("rewards", contact.customer, event)
    }

    fn request(&mut self, at: i64) -> Record {
        let (customer, id) = (self.customer(), self.name("d"));
        self.decisions.push((customer, id.clone()));
        self.send(
            "requests",
            customer,
            json!({ "decision_id": id, "customer_id": customer, "timestamp": at }),
        )
    }

    /// Events that were sent before, each with a change.
    fn changed(
        &mut self,
        records: usize,
        mut change: impl FnMut(&mut Value, &mut Self),
    ) -> Vec<Record> {
        let mut changed = Vec::new();
        while changed.len() < records && !self.sent.is_empty() {
            let index = self.below(self.sent.len() as u64) as usize;
            let mut sent = self.sent[index].clone();
            // A request cannot be changed or taken back, only repeated; and what closes must stand.
            if sent.customer < CLOSING {
                let before = sent.value.clone();
                change(&mut sent.value, self);
                let value = if sent.file == "requests" { before } else { sent.value };
                changed.push(Record {
                    file: sent.file,
                    customer: sent.customer,
                    value: Some(value.to_string().into_bytes()),
                    at: self.now,
                    bad: false,
                });
            }
        }
        changed
    }

    fn send(&mut self, file: &'static str, customer: i64, value: Value) -> Record {
        self.sent.push(Sent { file, customer, value: value.clone() });
        Record {
            file,
            customer,
            value: Some(value.to_string().into_bytes()),
            at: self.now,
            bad: false,
        }
    }

    /// The first customers have the most events.
    fn customer(&mut self) -> i64 {
        self.below(CUSTOMERS).min(self.below(CUSTOMERS)) as i64
    }

    fn name(&mut self, letter: &str) -> String {
        self.count += 1;
        format!("{letter}-{}", self.count)
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }

    /// A number below `end`; the bias of the remainder does not matter here.
    fn below(&mut self, end: u64) -> u64 {
        self.random.next_u64() % end
    }
}
