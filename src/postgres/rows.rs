//! From an epoch's results to rows of tables: what changed in sum, sorted by key, encoded for COPY.

use super::encode::CopyBuffer;
use super::error::PostgresError;
use super::kept::KEPT_COLUMNS;
use super::settings::PostgresSettings;
use crate::results::EpochResults;
use dataflows::campaign::output::{Change, Decision, FeatureRow, InteractionRow};
use dataflows::event::{CustomerId, Names};

/// Columns of `interactions`, in the order in which they are written.
pub const INTERACTION_COLUMNS: [&str; 12] = [
    "customer_id",
    "interaction_key",
    "interaction_id",
    "ts",
    "arm",
    "reward",
    "propensity",
    "learned",
    "decision_key",
    "model_version",
    "context",
    "epoch",
];

/// Columns of `decisions`, likewise.
pub const DECISION_COLUMNS: [&str; 14] = [
    "decision_id",
    "customer_id",
    "decision_key",
    "ts",
    "arm",
    "campaign_name",
    "propensity",
    "expected_reward",
    "uncertainty",
    "scores",
    "model_version",
    "policy",
    "context",
    "epoch",
];

/// Columns of `model_versions`, likewise.
pub const MODEL_COLUMNS: [&str; 6] = ["version", "arm", "n", "a", "b", "theta"];

/// Columns of `dead_letters`, likewise.
pub const DEAD_LETTER_COLUMNS: [&str; 10] = [
    "topic",
    "partition",
    "position",
    "reason",
    "detail",
    "raw",
    "epoch",
    "customer_id",
    "dated",
    "blanked",
];

/// Columns of `customer_features` around those of the features.
pub const FEATURE_KEY: &str = "customer_id";
/// Those behind them.
pub const FEATURE_ENDS: [&str; 4] = ["as_of", "last_purchase", "signup", "epoch"];

/// The rows of one epoch, encoded; the buffers serve epoch after epoch.
#[derive(Debug, Default)]
pub struct Staging {
    /// Interactions that appeared.
    pub new_interactions: CopyBuffer,
    /// Interactions that changed.
    pub changed_interactions: CopyBuffer,
    /// Those that went: customers, and keys beside them.
    pub gone_interactions: (Vec<CustomerId>, Vec<i64>),
    /// Customers that appeared.
    pub new_features: CopyBuffer,
    /// Customers that changed.
    pub changed_features: CopyBuffer,
    /// Customers that went.
    pub gone_customers: Vec<CustomerId>,
    /// Decisions.
    pub decisions: CopyBuffer,
    /// Arms of the epoch's model version.
    pub models: CopyBuffer,
    /// Rejected records.
    pub dead_letters: CopyBuffer,
    /// Kept records.
    pub kept: CopyBuffer,
    /// Mean reward of the learned interactions that appeared or changed.
    pub mean_reward: Option<f64>,
    entries: Vec<Entry>,
    names: Vec<Name>,
}

/// Where a row lies in the results. The order of entries is that of the table's key, and for one
/// key that of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    customer: CustomerId,
    key: i64,
    batch: u32,
    row: u32,
    /// Which of its batch's contexts, or groups of values, is its own.
    value: u32,
}

/// Where the text of an id lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    customer: CustomerId,
    key: i64,
    batch: u32,
    start: u32,
    end: u32,
}

/// What several changes of one row come to; `None` when it only came and went.
fn net(first: Change, last: Change) -> Option<Change> {
    match (first, last) {
        (Change::Insert, Change::Delete) => None,
        (Change::Insert, Change::Insert | Change::Update) => Some(Change::Insert),
        (Change::Update | Change::Delete, Change::Delete) => Some(Change::Delete),
        (Change::Update | Change::Delete, Change::Insert | Change::Update) => Some(Change::Update),
    }
}

impl Staging {
    /// Encodes an epoch, in the place of the one before.
    ///
    /// # Errors
    /// [`PostgresError::Shape`] when contexts or features are not as many as the settings name.
    pub fn fill(
        &mut self,
        results: &EpochResults,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        self.clear();
        self.interactions(results, settings)?;
        self.features(results, settings)?;
        self.decisions(results, settings);
        self.models(results);
        self.dead_letters(results, settings);
        self.kept(results, settings);
        Ok(())
    }

    fn clear(&mut self) {
        let buffers = [
            &mut self.new_interactions,
            &mut self.changed_interactions,
            &mut self.new_features,
            &mut self.changed_features,
            &mut self.decisions,
            &mut self.models,
            &mut self.dead_letters,
            &mut self.kept,
        ];
        buffers.into_iter().for_each(CopyBuffer::clear);
        self.gone_interactions.0.clear();
        self.gone_interactions.1.clear();
        self.gone_customers.clear();
        self.mean_reward = None;
    }

    fn interactions(
        &mut self,
        results: &EpochResults,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        let dimension = settings.context.len();
        self.entries.clear();
        for (batch, rows) in results.interactions.iter().enumerate() {
            let mut learned = 0;
            for (index, row) in rows.rows.iter().enumerate() {
                let entry = Entry {
                    customer: row.customer,
                    key: row.key as i64,
                    batch: batch as u32,
                    row: index as u32,
                    value: learned,
                };
                self.entries.push(entry);
                learned += u32::from(row.learned);
            }
            check(
                results.epoch,
                "terms of contexts",
                rows.contexts.len(),
                learned as usize * dimension,
            )?;
        }
        self.entries.sort_unstable();
        index_names(&mut self.names, &results.names);
        let (mut rewards, mut rewarded) = (0i128, 0i64);
        let mut names = self.names.iter().peekable();
        for changes in self.entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
            let row_of = |entry: &Entry| {
                &results.interactions[entry.batch as usize].rows[entry.row as usize]
            };
            let last = &changes[changes.len() - 1];
            let row = row_of(last);
            let Some(change) = net(row_of(&changes[0]).change, row.change) else { continue };
            if change == Change::Delete {
                self.gone_interactions.0.push(last.customer);
                self.gone_interactions.1.push(last.key);
                continue;
            }
            let contexts = &results.interactions[last.batch as usize].contexts;
            let context =
                row.learned.then(|| &contexts[last.value as usize * dimension..][..dimension]);
            if let (true, Some(reward)) = (row.learned, row.reward) {
                rewards += i128::from(reward);
                rewarded += 1;
            }
            if change == Change::Update {
                write_interaction(
                    &mut self.changed_interactions,
                    row,
                    None,
                    context,
                    results.epoch,
                );
                continue;
            }
            while names
                .next_if(|name| (name.customer, name.key) < (last.customer, last.key))
                .is_some()
            {}
            let name =
                names.peek().filter(|name| (name.customer, name.key) == (last.customer, last.key));
            let text = name.and_then(|name| {
                results.names[name.batch as usize].text.get(name.start as usize..name.end as usize)
            });
            write_interaction(&mut self.new_interactions, row, text, context, results.epoch);
        }
        self.mean_reward = (rewarded > 0).then(|| real_reward(rewards) / rewarded as f64);
        Ok(())
    }

    fn features(
        &mut self,
        results: &EpochResults,
        settings: &PostgresSettings,
    ) -> Result<(), PostgresError> {
        let width = settings.features.len();
        self.entries.clear();
        for (batch, rows) in results.features.iter().enumerate() {
            let mut standing = 0;
            for (index, row) in rows.rows.iter().enumerate() {
                self.entries.push(Entry {
                    customer: row.customer,
                    key: 0,
                    batch: batch as u32,
                    row: index as u32,
                    value: standing,
                });
                standing += u32::from(row.change != Change::Delete);
            }
            check(
                results.epoch,
                "values of features",
                rows.values.len(),
                standing as usize * width,
            )?;
        }
        self.entries.sort_unstable();
        for changes in self.entries.chunk_by(|a, b| a.customer == b.customer) {
            let row_of =
                |entry: &Entry| &results.features[entry.batch as usize].rows[entry.row as usize];
            let last = &changes[changes.len() - 1];
            let row = row_of(last);
            let buffer = match net(row_of(&changes[0]).change, row.change) {
                None => continue,
                Some(Change::Delete) => {
                    self.gone_customers.push(row.customer);
                    continue;
                }
                Some(Change::Insert) => &mut self.new_features,
                Some(Change::Update) => &mut self.changed_features,
            };
            let values = &results.features[last.batch as usize].values
                [last.value as usize * width..][..width];
            write_features(buffer, row, values, results.epoch);
        }
        Ok(())
    }

    /// Of two decisions of one id (asked for again after an erasure) the later one stands.
    fn decisions(&mut self, results: &EpochResults, settings: &PostgresSettings) {
        self.entries.clear();
        let entry = |(row, decision): (usize, &Decision)| {
            let Decision { customer, key, .. } = *decision;
            Entry { customer, key: key as i64, batch: 0, row: row as u32, value: 0 }
        };
        self.entries.extend(results.decisions.iter().enumerate().map(entry));
        self.entries.sort_unstable();
        for same in self.entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
            let decision = &results.decisions[same[same.len() - 1].row as usize];
            write_decision(&mut self.decisions, decision, settings, results.epoch);
        }
    }

    fn models(&mut self, results: &EpochResults) {
        for update in &results.arms {
            let buffer = &mut self.models;
            buffer.row(MODEL_COLUMNS.len());
            buffer.bigint(results.epoch as i64);
            buffer.smallint(update.arm as i16);
            buffer.bigint(update.totals.n);
            buffer.wide_integers(&update.totals.a);
            buffer.wide_integers(&update.totals.b);
            buffer.float8s(&update.model.theta);
        }
    }

    fn dead_letters(&mut self, results: &EpochResults, settings: &PostgresSettings) {
        for rejected in &results.rejected {
            let buffer = &mut self.dead_letters;
            buffer.row(DEAD_LETTER_COLUMNS.len());
            buffer.text(settings.topic_name(rejected.topic).as_bytes());
            buffer.integer(rejected.place.partition() as i32);
            buffer.bigint(rejected.place.position() as i64);
            buffer.text(rejected.reason.word().as_bytes());
            buffer.text(rejected.detail.as_bytes());
            buffer.bytes(&rejected.raw);
            buffer.bigint(results.epoch as i64);
            buffer.optional(rejected.whose, |buffer, whose| buffer.bigint(whose.customer));
            buffer.optional(rejected.whose, |buffer, whose| buffer.timestamp(whose.dated));
            buffer.optional(
                rejected.is_blanked().then_some(results.epoch as i64),
                CopyBuffer::bigint,
            );
        }
    }

    fn kept(&mut self, results: &EpochResults, settings: &PostgresSettings) {
        for kept in &results.kept {
            let buffer = &mut self.kept;
            buffer.row(KEPT_COLUMNS.len());
            buffer.text(settings.job.as_bytes());
            buffer.bigint(results.epoch as i64);
            buffer.text(settings.topic_name(kept.topic).as_bytes());
            buffer.integer(kept.partition as i32);
            buffer.bigint(kept.from as i64);
            buffer.bigint(kept.until as i64);
            buffer.bytes(&kept.records);
        }
    }
}

fn check(epoch: u64, what: &'static str, found: usize, wanted: usize) -> Result<(), PostgresError> {
    if found == wanted { Ok(()) } else { Err(PostgresError::Shape { epoch, what, found, wanted }) }
}

fn index_names(index: &mut Vec<Name>, batches: &[Names]) {
    index.clear();
    for (batch, names) in batches.iter().enumerate() {
        let mut start = 0;
        for &(customer, key, end) in &names.keys {
            index.push(Name { customer, key: key as i64, batch: batch as u32, start, end });
            start = end;
        }
    }
    index.sort_unstable();
}

/// A reward, or a sum of them, in Q16 as a number.
fn real_reward(reward: i128) -> f64 {
    reward as f64 / 65_536.0
}

fn write_interaction(
    buffer: &mut CopyBuffer,
    row: &InteractionRow,
    name: Option<&[u8]>,
    context: Option<&[i16]>,
    epoch: u64,
) {
    buffer.row(INTERACTION_COLUMNS.len());
    buffer.bigint(row.customer);
    buffer.bigint(row.key as i64);
    buffer.optional(name, CopyBuffer::text);
    buffer.timestamp(row.timestamp);
    buffer.smallint(row.arm as i16);
    buffer.optional(row.reward, |buffer, reward| buffer.float8(real_reward(i128::from(reward))));
    buffer.float8(row.propensity);
    buffer.boolean(row.learned);
    buffer.optional(row.decision, |buffer, (key, _)| buffer.bigint(key as i64));
    buffer.optional(row.decision.and_then(|(_, version)| version), |buffer, version| {
        buffer.bigint(version as i64)
    });
    buffer.optional(context, CopyBuffer::smallints);
    buffer.bigint(epoch as i64);
}

fn write_features(buffer: &mut CopyBuffer, row: &FeatureRow, values: &[f64], epoch: u64) {
    buffer.row(1 + values.len() + FEATURE_ENDS.len());
    buffer.bigint(row.customer);
    values.iter().for_each(|&value| buffer.float8(value));
    buffer.timestamp(row.as_of);
    buffer.optional(row.last_purchase, CopyBuffer::timestamp);
    buffer.optional(row.signup, CopyBuffer::timestamp);
    buffer.bigint(epoch as i64);
}

fn write_decision(
    buffer: &mut CopyBuffer,
    decision: &Decision,
    settings: &PostgresSettings,
    epoch: u64,
) {
    let campaign = decision.arm.and_then(|arm| settings.arms.get(usize::from(arm)));
    buffer.row(DECISION_COLUMNS.len());
    buffer.text(decision.decision.as_bytes());
    buffer.bigint(decision.customer);
    buffer.bigint(decision.key as i64);
    buffer.timestamp(decision.timestamp);
    buffer.optional(decision.arm, |buffer, arm| buffer.smallint(arm as i16));
    buffer.optional(campaign, |buffer, name| buffer.text(name.as_bytes()));
    buffer.float8(decision.propensity);
    buffer.float8(decision.expected_reward);
    buffer.float8(decision.uncertainty);
    buffer.float8s(&decision.scores);
    buffer.bigint(decision.model_version as i64);
    buffer.text(decision.policy.as_bytes());
    buffer.smallints(&decision.context);
    buffer.bigint(epoch as i64);
}
