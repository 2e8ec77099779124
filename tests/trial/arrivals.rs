//! Visitors who give a job of arrivals all kinds of trouble, and an account of the records that
//! were there for it, read one after the other, which shares no code with the dataflow.

use super::population::{DAY, Record};
use super::subject::{Crowd, Subject, Traffic};
use super::{Producer, verdict};
use crate::services::Stage;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2024-03-01.
const FIRST: i64 = 19_783 * DAY;

const MINUTE: i64 = 60_000;

/// Few enough that everything meets everything.
const CUSTOMERS: u64 = 48;

/// A row of the table: customer, arrivals, first and last in milliseconds.
type Row = (i64, i64, i64, i64);

/// The visitors, and what they have done so far.
pub(crate) struct Visitors {
    random: Pcg64Mcg,
    now: i64,
    count: u64,
    /// Arrivals that were sent, so that they can come again, differ, or be taken back.
    sent: Vec<(i64, Value)>,
}

impl Visitors {
    /// Visitors who have not come yet.
    pub(crate) fn new(seed: u64) -> Visitors {
        let random = Pcg64Mcg::seed_from_u64(seed);
        Visitors { random, now: FIRST, count: 0, sent: Vec::new() }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.next_u64() % end
    }

    /// The first customers come most often.
    fn customer(&mut self) -> i64 {
        self.below(CUSTOMERS).min(self.below(CUSTOMERS)) as i64
    }

    fn record(&self, customer: i64, value: &Value) -> Record {
        let value = Some(value.to_string().into_bytes());
        Record { file: "arrivals", customer, value, at: self.now, bad: false }
    }

    fn arrival(&mut self, at: i64) -> Record {
        self.count += 1;
        let (customer, id) = (self.customer(), format!("a-{}", self.count));
        let value = json!({ "customer_id": customer, "arrival_id": id, "timestamp": at });
        self.sent.push((customer, value.clone()));
        self.record(customer, &value)
    }

    fn on_time(&mut self) -> Record {
        self.now += self.below(20 * MINUTE as u64) as i64;
        self.arrival(self.now)
    }

    fn late(&mut self) -> Record {
        let at = self.now - 3 * DAY - self.below(27 * DAY as u64) as i64;
        self.arrival(at)
    }

    /// An arrival that was sent, with a change; a new one where there was none yet.
    fn again(&mut self, change: impl FnOnce(&mut Value, &mut Self)) -> Record {
        if self.sent.is_empty() {
            return self.on_time();
        }
        let index = self.below(self.sent.len() as u64) as usize;
        let (customer, mut value) = self.sent[index].clone();
        change(&mut value, self);
        self.record(customer, &value)
    }

    fn moved(&mut self) -> Record {
        self.again(|value, of| {
            value["timestamp"] = json!(of.now - of.below(5 * DAY as u64) as i64);
        })
    }

    fn retraction(&mut self) -> Record {
        self.again(|value, _| value["op"] = json!("retract"))
    }

    /// Erases a customer: up to some days ago, or for ever.
    fn erasure(&mut self) -> Record {
        self.now += MINUTE;
        let customer = self.customer();
        let mut value = json!({ "customer_id": customer, "op": "erase" });
        if customer % 8 > 0 {
            value["timestamp"] = json!(self.now - self.below(4 * DAY as u64) as i64);
        }
        self.record(customer, &value)
    }

    /// No arrival: it has no id, or its instant is none, or it is no record at all.
    fn bad(&mut self) -> Record {
        let customer = self.customer();
        let value = match self.below(3) {
            0 => json!({ "customer_id": customer, "timestamp": self.now }).to_string(),
            1 => json!({ "customer_id": customer, "arrival_id": "b", "timestamp": "soon" })
                .to_string(),
            _ => "{".to_string(),
        };
        let value = Some(value.into_bytes());
        Record { file: "arrivals", customer, value, at: self.now, bad: true }
    }

    fn troubled(&mut self, records: usize) -> Vec<Record> {
        let few = 1 + records / 8;
        let kinds = [Traffic::Late, Traffic::Replacements, Traffic::Retractions];
        let mut all = self.send(Traffic::Mixed, records);
        kinds.into_iter().for_each(|kind| all.extend(self.send(kind, few)));
        all.push(self.erasure());
        all
    }
}

impl Crowd for Visitors {
    fn send(&mut self, traffic: Traffic, records: usize) -> Vec<Record> {
        let mut many = |of: fn(&mut Self) -> Record| (0..records).map(|_| of(self)).collect();
        match traffic {
            Traffic::Mixed | Traffic::Renewals => many(Visitors::on_time),
            Traffic::Late => many(Visitors::late),
            Traffic::Duplicates => many(|visitors| visitors.again(|_, _| ())),
            Traffic::Replacements => many(Visitors::moved),
            Traffic::Retractions => many(Visitors::retraction),
            Traffic::Bad => many(Visitors::bad),
            Traffic::Erasure => vec![self.erasure()],
            Traffic::Troubled => self.troubled(records),
            Traffic::Unseen => {
                let sent = self.sent.len();
                let unseen = self.troubled(records);
                self.sent.truncate(sent);
                unseen
            }
            Traffic::Closing => vec![self.on_time()],
        }
    }

    fn judge(&self, stage: &Stage, producer: &Producer) -> Vec<String> {
        vec![
            verdict::complete(stage, producer, None),
            verdict::once(stage, Subject::Arrivals),
            verdict::verified(stage, None),
            accounted(stage, producer),
        ]
    }
}

/// What the records come to that were there for the job.
#[derive(Default)]
struct Told {
    arrivals: BTreeMap<(i64, String), i64>,
    /// Up to when customers are erased.
    erased: BTreeMap<i64, i64>,
    bad: i64,
}

impl Told {
    /// Takes the next record of a customer in.
    fn take(&mut self, record: &Record) {
        if record.bad {
            self.bad += 1;
            return;
        }
        let value = record.value.as_deref().expect("no order to erase is without a value");
        let value: Value = serde_json::from_slice(value).expect("JSON");
        let at = value["timestamp"].as_i64();
        if value["op"] == "erase" {
            let erased = self.erased.entry(record.customer).or_insert(i64::MIN);
            *erased = at.unwrap_or(i64::MAX).max(*erased);
            return;
        }
        let id = value["arrival_id"].as_str().expect("an id").to_string();
        match at.filter(|_| value["op"] != "retract") {
            Some(at) => self.arrivals.insert((record.customer, id), at),
            None => self.arrivals.remove(&(record.customer, id)),
        };
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        for ((customer, _), &at) in &self.arrivals {
            if self.erased.get(customer).is_none_or(|until| at > *until) {
                let row = rows.entry(*customer).or_insert((*customer, 0, at, at));
                *row = (*customer, row.1 + 1, row.2.min(at), row.3.max(at));
            }
        }
        rows.into_values().collect()
    }
}

/// The table and the dead letters are what the account says.
fn accounted(stage: &Stage, producer: &Producer) -> String {
    let mut told = Told::default();
    // All records of a customer lie in one partition, in the order in which they were sent.
    producer.all().for_each(|record| told.take(record));
    let rows = stage.database().query(
        "SELECT customer_id, arrivals, (extract(epoch FROM first) * 1000)::bigint, \
         (extract(epoch FROM last) * 1000)::bigint FROM sluice.arrivals ORDER BY 1",
        &[],
    );
    let rows: Vec<Row> = rows
        .expect("the table")
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    assert_eq!(rows, told.rows(), "arrivals, as the records tell them");
    stage.wait_for("SELECT count(*) FROM sluice.dead_letters", told.bad);
    format!(
        "{} arrivals of {} customers and {} dead letters, as the records tell them",
        rows.iter().map(|row| row.1).sum::<i64>(),
        rows.len(),
        told.bad
    )
}
