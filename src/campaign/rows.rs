//! The rows of an epoch: what it changed in each table that the campaign dataflow fills, in sum,
//! sorted by key and encoded.

use super::sums;
use crate::hexadecimal::hexadecimal;
use crate::results::EpochResults;
use crate::source::TopicNames;
use crate::table::Changes;
use crate::table::changes::net;
use crate::table::encode::CopyBuffer;
use dataflows::campaign::output::{Change, Decision, FeatureRow, InteractionRow};
use dataflows::campaign::tables::{name, tables};
use dataflows::event::{CustomerId, Millis, Names, Topic};
use dataflows::table::Table;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What rows are worded by: the configured lists.
#[derive(Clone, Debug)]
pub struct Wording {
    /// Names of the arms, in their order.
    pub arms: Vec<String>,
    /// Names of the topics at the broker, in the order of [`Topic::ALL`].
    pub topics: TopicNames,
    /// Names of the features, in their order.
    pub features: Vec<String>,
    /// Terms of a context.
    pub context: usize,
    /// Decimals of the currency.
    pub decimals: u32,
}

impl Wording {
    /// The tables whose rows are worded so.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        tables(&self.features, self.decimals).into_iter().map(Arc::new).collect()
    }
}

/// A batch of results does not have the values that its rows need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The epoch.
    pub epoch: u64,
    /// Values of what.
    pub what: &'static str,
    /// How many there are.
    pub found: usize,
    /// How many there should be.
    pub wanted: usize,
}

/// The rows of one epoch; the buffers serve epoch after epoch.
#[derive(Debug)]
pub struct EpochRows {
    wording: Wording,
    tables: Vec<Changes>,
    mean_reward: Option<f64>,
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

impl EpochRows {
    /// None yet, to be worded so.
    pub fn new(wording: Wording) -> Self {
        let tables = wording.tables().into_iter().map(Changes::none).collect();
        EpochRows { wording, tables, mean_reward: None, entries: Vec::new(), names: Vec::new() }
    }

    /// What the epoch changed, table by table.
    pub fn tables(&self) -> &[Changes] {
        &self.tables
    }

    /// Mean reward of the learned interactions that appeared or changed.
    pub fn mean_reward(&self) -> Option<f64> {
        self.mean_reward
    }

    /// Encodes an epoch, after which `pending` interactions wait, in the place of the one before.
    ///
    /// # Errors
    /// [`Unfit`] when contexts or features are not as many as the lists name.
    pub fn fill(&mut self, results: &EpochResults, pending: i64) -> Result<(), Unfit> {
        let EpochRows { wording, tables, mean_reward, entries, names } = self;
        for changes in tables.iter_mut() {
            changes.clear();
            match changes.table.name {
                name::INTERACTIONS => {
                    *mean_reward = interactions(changes, results, wording, entries, names)?;
                }
                name::CUSTOMER_FEATURES => features(changes, results, wording, entries)?,
                name::DECISIONS => decisions(changes, results, wording, entries),
                name::MODEL_VERSIONS => models(changes, results),
                name::THRESHOLDS => thresholds(changes, results),
                name::ERASURES => erasures(changes, results),
                name::ARM_STATS => arm_stats(changes, results, wording),
                name::SEGMENTS => segments(changes, results, wording),
                name::DEAD_LETTERS => dead_letters(changes, results, wording),
                name::MODEL_METRICS => metrics(changes, results, *mean_reward, pending),
                other => unreachable!("{other} is declared, and nobody makes its rows"),
            }
        }
        Ok(())
    }
}

fn interactions(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &Wording,
    entries: &mut Vec<Entry>,
    names: &mut Vec<Name>,
) -> Result<Option<f64>, Unfit> {
    let (dimension, columns) = (wording.context, changes.table.columns.len());
    enter_interactions(results, dimension, entries)?;
    index_names(names, &results.names);
    let (mut rewards, mut rewarded) = (0i128, 0i64);
    let mut names = names.iter().peekable();
    for same in entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
        let row_of =
            |entry: &Entry| &results.interactions[entry.batch as usize].rows[entry.row as usize];
        let last = &same[same.len() - 1];
        let row = row_of(last);
        let Some(change) = net(row_of(&same[0]).change, row.change) else { continue };
        if change == Change::Delete {
            changes.gone.row(2);
            changes.gone.bigint(last.customer);
            changes.gone.bigint(last.key);
            continue;
        }
        let contexts = &results.interactions[last.batch as usize].contexts;
        let context =
            row.learned.then(|| &contexts[last.value as usize * dimension..][..dimension]);
        if let (true, Some(reward)) = (row.learned, row.reward) {
            rewards += i128::from(reward);
            rewarded += 1;
        }
        let (buffer, name) = if change == Change::Update {
            (&mut changes.changed, None)
        } else {
            while names
                .next_if(|name| (name.customer, name.key) < (last.customer, last.key))
                .is_some()
            {}
            let name =
                names.peek().filter(|name| (name.customer, name.key) == (last.customer, last.key));
            let text = name.and_then(|name| {
                results.names[name.batch as usize].text.get(name.start as usize..name.end as usize)
            });
            (&mut changes.new, text)
        };
        write_interaction(buffer, columns, row, name, context, results.epoch);
    }
    Ok((rewarded > 0).then(|| real_reward(rewards) / rewarded as f64))
}

/// Where every row of an interaction lies, in the order of their keys.
fn enter_interactions(
    results: &EpochResults,
    dimension: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), Unfit> {
    entries.clear();
    for (batch, rows) in results.interactions.iter().enumerate() {
        let mut learned = 0;
        for (index, row) in rows.rows.iter().enumerate() {
            entries.push(Entry {
                customer: row.customer,
                key: row.key as i64,
                batch: batch as u32,
                row: index as u32,
                value: learned,
            });
            learned += u32::from(row.learned);
        }
        check(
            results.epoch,
            "terms of contexts",
            rows.contexts.len(),
            learned as usize * dimension,
        )?;
    }
    entries.sort_unstable();
    Ok(())
}

fn features(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &Wording,
    entries: &mut Vec<Entry>,
) -> Result<(), Unfit> {
    let width = wording.features.len();
    entries.clear();
    for (batch, rows) in results.features.iter().enumerate() {
        let mut standing = 0;
        for (index, row) in rows.rows.iter().enumerate() {
            entries.push(Entry {
                customer: row.customer,
                key: 0,
                batch: batch as u32,
                row: index as u32,
                value: standing,
            });
            standing += u32::from(row.change != Change::Delete);
        }
        check(results.epoch, "values of features", rows.values.len(), standing as usize * width)?;
    }
    entries.sort_unstable();
    for same in entries.chunk_by(|a, b| a.customer == b.customer) {
        let row_of =
            |entry: &Entry| &results.features[entry.batch as usize].rows[entry.row as usize];
        let last = &same[same.len() - 1];
        let row = row_of(last);
        let buffer = match net(row_of(&same[0]).change, row.change) {
            None => continue,
            Some(Change::Delete) => {
                changes.gone.row(1);
                changes.gone.bigint(row.customer);
                continue;
            }
            Some(Change::Insert) => &mut changes.new,
            Some(Change::Update) => &mut changes.changed,
        };
        let values =
            &results.features[last.batch as usize].values[last.value as usize * width..][..width];
        write_features(buffer, row, values, results.epoch);
    }
    let gone = results.changed.iter().flat_map(|changed| &changed.gone_features);
    changes.nulls.extend(gone.cloned());
    Ok(())
}

/// Of two decisions of one id (asked for again after an erasure) the later one stands; none does
/// that the epoch itself erases.
fn decisions(
    changes: &mut Changes,
    results: &EpochResults,
    wording: &Wording,
    entries: &mut Vec<Entry>,
) {
    let mut erased: BTreeMap<CustomerId, Millis> = BTreeMap::new();
    for erasure in &results.erasures {
        let until = erased.entry(erasure.customer).or_insert(Millis::MIN);
        *until = erasure.gone_until().max(*until);
    }
    let is_erased = |decision: &Decision| {
        erased.get(&decision.customer).is_some_and(|until| decision.timestamp <= *until)
    };
    let entry = |(row, decision): (usize, &Decision)| {
        let Decision { customer, key, .. } = *decision;
        Entry { customer, key: key as i64, batch: 0, row: row as u32, value: 0 }
    };
    entries.clear();
    entries.extend(results.decisions.iter().enumerate().map(entry));
    entries.sort_unstable();
    let columns = changes.table.columns.len();
    for same in entries.chunk_by(|a, b| (a.customer, a.key) == (b.customer, b.key)) {
        let decision = &results.decisions[same[same.len() - 1].row as usize];
        if !is_erased(decision) {
            write_decision(&mut changes.new, columns, decision, &wording.arms, results.epoch);
        }
    }
}

fn models(changes: &mut Changes, results: &EpochResults) {
    let (buffer, columns) = (&mut changes.new, changes.table.columns.len());
    for update in &results.arms {
        buffer.row(columns);
        buffer.bigint(results.epoch as i64);
        buffer.smallint(update.arm as i16);
        buffer.bigint(update.totals.n);
        buffer.wide_integers(&update.totals.a);
        buffer.wide_integers(&update.totals.b);
        buffer.float8s(&update.model.theta);
    }
}

/// Where settings change, those of before go.
fn thresholds(changes: &mut Changes, results: &EpochResults) {
    for &day in results.changed.iter().flat_map(|changed| &changed.gone_thresholds) {
        changes.gone.row(1);
        changes.gone.integer(day);
    }
    let (buffer, columns) = (&mut changes.new, changes.table.columns.len());
    for &(day, high_value) in &results.thresholds {
        buffer.row(columns);
        buffer.integer(day);
        buffer.bigint(high_value as i64);
        buffer.bigint(results.epoch as i64);
    }
}

fn erasures(changes: &mut Changes, results: &EpochResults) {
    let (before, after) = (hexadecimal(&results.digest_before), hexadecimal(&results.digest));
    let mut repetitions: BTreeMap<(CustomerId, Millis), i64> = BTreeMap::new();
    let (buffer, columns) = (&mut changes.new, changes.table.columns.len());
    for erasure in &results.erasures {
        let repetition = repetitions.entry((erasure.customer, erasure.until)).or_default();
        *repetition += 1;
        buffer.row(columns);
        buffer.bigint(results.epoch as i64);
        buffer.bigint(erasure.customer);
        buffer.timestamp(erasure.until);
        erasure.numbers().into_iter().for_each(|number| buffer.bigint(number as i64));
        buffer.text(before.as_bytes());
        buffer.text(after.as_bytes());
        buffer.bigint(*repetition);
    }
}

/// Of several rows for one key the last is what stands; one with nothing in it is no row.
fn arm_stats(changes: &mut Changes, results: &EpochResults, wording: &Wording) {
    let last: BTreeMap<_, _> =
        results.arm_days.iter().map(|stats| ((stats.day, stats.arm), stats)).collect();
    let columns = changes.table.columns.len();
    for ((day, arm), stats) in last {
        if stats.interactions == 0 {
            changes.gone.row(2);
            changes.gone.integer(day);
            changes.gone.smallint(arm as i16);
            continue;
        }
        let (buffer, name) = (&mut changes.changed, wording.arms.get(usize::from(arm)));
        buffer.row(columns);
        buffer.integer(day);
        buffer.smallint(arm as i16);
        buffer.optional(name, |buffer, name| buffer.text(name.as_bytes()));
        buffer.bigint(stats.interactions);
        buffer.bigint(stats.responses);
        buffer.text(sums::decimal_q16(stats.reward).as_bytes());
        buffer.bigint(results.epoch as i64);
    }
}

/// Likewise.
fn segments(changes: &mut Changes, results: &EpochResults, wording: &Wording) {
    let last: BTreeMap<_, _> =
        results.segments.iter().map(|segment| (segment.flags, segment)).collect();
    let columns = changes.table.columns.len();
    for (flags, segment) in last {
        let is_gone = segment.customers == 0;
        let buffer = if is_gone { &mut changes.gone } else { &mut changes.changed };
        buffer.row(if is_gone { 4 } else { columns });
        [8, 4, 2, 1].into_iter().for_each(|flag| buffer.boolean(flags & flag != 0));
        if !is_gone {
            buffer.bigint(segment.customers);
            let amount = sums::decimal(i128::from(segment.amount), wording.decimals);
            buffer.text(amount.as_bytes());
            buffer.bigint(results.epoch as i64);
        }
    }
}

fn dead_letters(changes: &mut Changes, results: &EpochResults, wording: &Wording) {
    let (buffer, columns) = (&mut changes.new, changes.table.columns.len());
    let epoch = results.epoch as i64;
    let name = |topic: Topic| wording.topics[topic as usize].as_bytes();
    for rejected in &results.rejected {
        buffer.row(columns);
        buffer.text(name(rejected.topic));
        buffer.integer(rejected.place.partition() as i32);
        buffer.bigint(rejected.place.position() as i64);
        buffer.text(rejected.reason.word().as_bytes());
        buffer.text(rejected.detail.as_bytes());
        buffer.bytes(&rejected.raw);
        buffer.bigint(epoch);
        buffer.optional(rejected.whose, |buffer, whose| buffer.bigint(whose.customer));
        buffer.optional(rejected.whose, |buffer, whose| buffer.timestamp(whose.dated));
        buffer.optional(rejected.is_blanked().then_some(epoch), CopyBuffer::bigint);
    }
}

fn metrics(changes: &mut Changes, results: &EpochResults, mean_reward: Option<f64>, pending: i64) {
    let (buffer, columns, counts) =
        (&mut changes.new, changes.table.columns.len(), &results.counts);
    buffer.row(columns);
    buffer.bigint(results.epoch as i64);
    buffer.bigint(counts.records as i64);
    buffer.bigint(counts.interactions);
    buffer.bigint(counts.decisions as i64);
    buffer.optional(mean_reward, CopyBuffer::float8);
    buffer.bigint(counts.late as i64);
    buffer.bigint(counts.duplicates as i64);
    buffer.bigint(counts.corrected as i64);
    buffer.bigint(pending);
    buffer.bigint(results.rejected.len() as i64);
}

fn check(epoch: u64, what: &'static str, found: usize, wanted: usize) -> Result<(), Unfit> {
    if found == wanted { Ok(()) } else { Err(Unfit { epoch, what, found, wanted }) }
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
    columns: usize,
    row: &InteractionRow,
    name: Option<&[u8]>,
    context: Option<&[i16]>,
    epoch: u64,
) {
    buffer.row(columns);
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
    buffer.row(5 + values.len());
    buffer.bigint(row.customer);
    values.iter().for_each(|&value| buffer.float8(value));
    buffer.timestamp(row.as_of);
    buffer.optional(row.last_purchase, CopyBuffer::timestamp);
    buffer.optional(row.signup, CopyBuffer::timestamp);
    buffer.bigint(epoch as i64);
}

fn write_decision(
    buffer: &mut CopyBuffer,
    columns: usize,
    decision: &Decision,
    arms: &[String],
    epoch: u64,
) {
    let campaign = decision.arm.and_then(|arm| arms.get(usize::from(arm)));
    buffer.row(columns);
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
