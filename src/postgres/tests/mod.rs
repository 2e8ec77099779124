//! The sink against a real PostgreSQL, at the address in SLUICE_POSTGRES_URL; each test makes a
//! database of its own.

mod another;
mod commit;
mod declared;
mod measure;
mod outage;
mod outbox;
mod owner;
pub mod pooling;
mod retention;
mod rights;
mod schemas;
mod views;

use super::settings::PostgresSettings;
use super::writer::Writer;
use crate::campaign::results::EpochResults;
use crate::campaign::rows::CampaignWording;
use crate::postgres::Target;
use dataflows::bandit::{rewards::RewardSums, ridge, totals::Totals};
use dataflows::campaign::output::{
    ArmDay, ArmUpdate, Change, Decision, Erasure, FeatureRow, FeatureRows, InteractionRow,
    InteractionRows, Segment,
};
use dataflows::campaign::snapshot::changed::Changed;
use dataflows::event::{CustomerId, DAY, Millis, Names, Place, Reason, Rejected, Topic, Whose};
use postgres::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// 2024-03-01T00:00:00Z.
pub const MARCH: Millis = 1_709_251_200_000;

/// A database that lives as long as its test.
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// `None`, with the reason printed, where no server is given and none is demanded.
    pub fn create() -> Option<TestDatabase> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("SLUICE_POSTGRES_URL") else {
            assert_ne!(
                std::env::var("SLUICE_REQUIRE_SERVICES").as_deref(),
                Ok("1"),
                "SLUICE_POSTGRES_URL is not set"
            );
            eprintln!("skipped: SLUICE_POSTGRES_URL is not set (scripts/services up prints it)");
            return None;
        };
        let name = format!(
            "sluice_test_{}_{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let database = TestDatabase { server, name };
        let make = format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", database.name);
        connect(&database.server).batch_execute(&make).unwrap();
        Some(database)
    }

    pub fn url(&self) -> String {
        let (address, options) = self
            .server
            .split_once('?')
            .map_or((self.server.as_str(), ""), |(address, options)| (address, options));
        let host_end = address.find("://").map_or(0, |at| at + 3);
        let host =
            address[host_end..].find('/').map_or(address, |slash| &address[..host_end + slash]);
        format!("{host}/{}?{options}", self.name)
    }

    pub fn client(&self) -> Client {
        let mut client = connect(&self.url());
        client
            .batch_execute(
                "SET search_path = sluice; SET timezone = 'UTC'; SET client_min_messages = warning",
            )
            .unwrap();
        client
    }

    /// Two arms, three features that the view treats in its three ways, contexts of two terms,
    /// retries without delay.
    pub fn settings(&self) -> PostgresSettings {
        self.worded(|_| {})
    }

    /// Worded otherwise.
    pub fn worded(&self, otherwise: impl FnOnce(&mut CampaignWording)) -> PostgresSettings {
        let settings = of_campaign(|wording| {
            let list = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
            wording.arms = list(&["Email", "SMS"]);
            wording.context = list(&["intercept", "recency"]);
            wording.features = list(&["recency", "frequency", "monetary"]);
            otherwise(wording);
        });
        let (url, retry_first) = (self.url(), Duration::from_millis(1));
        PostgresSettings { url, retry_first, ..settings }
    }

    pub fn writer(&self) -> Writer {
        Writer::open(self.settings()).unwrap()
    }

    /// The only value of a query, as text.
    fn text(&self, query: &str) -> String {
        let row = self.client().query_one(&format!("SELECT ({query})::text"), &[]).unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".to_string())
    }

    /// A fingerprint of everything that epochs write, but for the clock's readings.
    fn contents(&self) -> String {
        let tables = [
            ("interactions", "t"),
            ("customer_features", "t"),
            ("decisions", "t"),
            ("segments", "t"),
            ("arm_stats", "t"),
            ("thresholds", "t"),
            (
                "dead_letters",
                "(t.topic, t.partition, t.position, t.reason, t.raw, t.epoch, t.customer_id, \
                 t.dated, t.blanked)",
            ),
            (
                "model_versions",
                "(t.version, t.arm, t.n, t.a, t.b, t.theta, t.reward, t.reward_squares)",
            ),
            ("epochs", "(t.job, t.epoch, t.watermark, t.offsets, t.digest, t.counts)"),
            ("model_metrics", "(t.epoch, t.events, t.interactions, t.mean_reward, t.pending)"),
        ];
        let all = |(table, row): (&str, &str)| {
            self.text(&format!(
                "SELECT coalesce(string_agg({row}::text, '|' ORDER BY {row}::text), \
                '') FROM {table} t"
            ))
        };
        tables.into_iter().map(all).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let dropped = connect(&self.server)
            .batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        if let Err(error) = dropped {
            eprintln!("database {} is left behind: {error}", self.name);
        }
    }
}

fn connect(url: &str) -> Client {
    Target::at(url).unwrap().connect().unwrap()
}

/// Settings of the job `campaign`, of whose rows something is worded otherwise than where nothing
/// is configured.
pub fn of_campaign(otherwise: impl FnOnce(&mut CampaignWording)) -> PostgresSettings {
    let mut wording = CampaignWording::default();
    otherwise(&mut wording);
    PostgresSettings { wording: Arc::new(wording), ..PostgresSettings::new("", "campaign") }
}

/// An interaction of a customer; a learned one needs a context beside it.
pub fn interaction(
    change: Change,
    customer: CustomerId,
    key: u64,
    learned: bool,
) -> InteractionRow {
    let reward = learned.then_some(98_304);
    InteractionRow {
        change,
        customer,
        key,
        timestamp: MARCH + key as i64,
        arm: 1,
        propensity: 0.1,
        reward,
        learned,
        decision: None,
    }
}

/// A batch of interactions with the context [4096, customer] for the learned ones.
pub fn interactions(rows: Vec<InteractionRow>) -> InteractionRows {
    let contexts = rows
        .iter()
        .filter(|row| row.learned)
        .flat_map(|row| [4_096, row.customer as i16])
        .collect();
    InteractionRows { rows, contexts }
}

/// Ids for the rows, `i-KEY`.
fn names(rows: &[InteractionRow]) -> Names {
    let mut names = Names::default();
    for row in rows {
        names.text.extend_from_slice(format!("i-{}", row.key).as_bytes());
        names.keys.push((row.customer, row.key, names.text.len() as u32));
    }
    names
}

/// A batch with one customer's features.
pub fn features(change: Change, customer: CustomerId, values: [f64; 3]) -> FeatureRows {
    let row = FeatureRow {
        change,
        customer,
        as_of: MARCH,
        last_purchase: Some(MARCH - DAY),
        signup: None,
    };
    FeatureRows {
        rows: vec![row],
        values: if change == Change::Delete { Vec::new() } else { values.to_vec() },
    }
}

pub fn decision(customer: CustomerId, key: u64) -> Decision {
    Decision {
        customer,
        key,
        decision: format!("d-{key}"),
        timestamp: MARCH,
        arm: Some(1),
        propensity: 0.5,
        expected_reward: 0.1 + 0.2,
        uncertainty: f64::MIN_POSITIVE,
        scores: vec![-0.0, 0.1],
        model_version: 3,
        policy: "greedy".into(),
        context: vec![4_096, -1],
        ..Decision::default()
    }
}

pub fn arm_update(arm: u32, n: i64) -> ArmUpdate {
    let (a, b) = (vec![1 << 24, -5, i128::from(i64::MAX) * 8], vec![i128::MIN, 7]);
    let rewards = (arm > 0).then_some(RewardSums { sum: -(5 << 15), squares: i128::MAX });
    let totals = Totals { n, a, b, rewards };
    let (a, b) = (vec![1 << 24, 0, 1 << 24], vec![1 << 28, 0]);
    let model = ridge::solve(arm, &Totals { n, a, b, ..Totals::default() }, 1.0);
    ArmUpdate { arm, totals, model }
}

pub fn rejected(position: u64, detail: &str) -> Rejected {
    Rejected {
        topic: Topic::Rewards.id(),
        place: Place::new(2, position),
        reason: Reason::BadReward,
        detail: detail.to_string(),
        raw: vec![0, 255, b'x'],
        whose: None,
    }
}

/// One of a customer, dated.
pub fn rejected_of(customer: CustomerId, dated: Millis, position: u64) -> Rejected {
    Rejected {
        whose: Some(Whose { customer, dated }),
        ..rejected(position, "reward: \"x\" is not a number")
    }
}

/// The erasure of a customer up to an instant, of whom there was a decision.
pub fn erasure_of(customer: CustomerId, until: Millis) -> Erasure {
    Erasure { customer, until, decisions: 1, ..Erasure::default() }
}

/// An epoch with rows of every kind: customers 1 to 3, interactions 11 to 13.
pub fn first_epoch() -> EpochResults {
    let mut results = EpochResults::new(1);
    let early =
        vec![interaction(Change::Insert, 3, 13, true), interaction(Change::Insert, 1, 11, true)];
    let mut pending = interaction(Change::Insert, 2, u64::MAX - 1, false);
    pending.decision = Some((u64::MAX, Some(7)));
    results.names = vec![names(&early), names(&[pending])];
    results.interactions = vec![interactions(vec![pending]), interactions(early)];
    results.features = vec![
        features(Change::Insert, 2, [0.1 + 0.2, -0.0, 5e-324]),
        features(Change::Insert, 1, [1.0, f64::MAX, 1.0 / 3.0]),
    ];
    results.decisions = vec![decision(1, 21), Decision { arm: None, ..decision(2, 22) }];
    results.arms = vec![arm_update(1, 2), arm_update(0, 1)];
    results.thresholds = vec![(19_783, 123_456), (19_784, 0)];
    results.rejected = vec![rejected(5, "a\0b"), rejected(6, "no number")];
    results.arm_days = vec![ArmDay {
        day: 19_783,
        arm: 1,
        interactions: 2,
        responses: 2,
        reward: i128::from(i64::MAX) * 4 + 1,
    }];
    results.segments = vec![
        Segment { flags: 0b1001, customers: 2, amount: 123_456 },
        Segment { flags: 0, customers: 1, amount: 5 },
    ];
    results.closed.watermark = Some(MARCH - DAY);
    results.closed.offsets = vec![
        (Topic::Transactions.id(), 0, 17),
        (Topic::Transactions.id(), 1, 0),
        (Topic::Rewards.id(), 2, 7),
    ];
    results.counts.records = 9;
    results.counts.pending = 1;
    results.counts.interactions = 3;
    results.digest = [0xab; 32];
    results
}

/// An epoch that changes what the first one wrote.
pub fn second_epoch() -> EpochResults {
    let mut results = EpochResults::new(2);
    let settled = interaction(Change::Update, 2, u64::MAX - 1, true);
    results.interactions = vec![
        interactions(vec![settled, interaction(Change::Delete, 1, 11, false)]),
        interactions(vec![interaction(Change::Insert, 1, 12, false)]),
    ];
    results.features = vec![
        features(Change::Update, 2, [2.0, 3.0, 4.0]),
        features(Change::Delete, 1, [0.0; 3]),
        features(Change::Insert, 9, [9.0; 3]),
    ];
    results.decisions = vec![Decision { propensity: 1.0, ..decision(1, 21) }];
    results.rejected = vec![rejected(6, "again")];
    results.arm_days =
        vec![ArmDay { day: 19_783, arm: 1, interactions: 0, responses: 0, reward: 0 }];
    results.segments = vec![
        Segment { flags: 0b1001, customers: 0, amount: 0 },
        Segment { flags: 2, customers: 3, amount: 1 },
    ];
    results.counts.pending = -1;
    results.closed.offsets = vec![(Topic::Transactions.id(), 0, 20)];
    results
}
