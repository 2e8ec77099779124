//! The rows of an epoch: what it changed in each table that the campaign dataflow fills, in sum,
//! sorted by key and encoded.

use super::many::{self, Order};
use super::results::EpochResults;
use crate::sink::common;
use crate::sink::gathered::Gathered;
use crate::sink::notices::NoticeForm;
use crate::sink::rows::{Configured, Naming, Unfit, Wording};
use crate::source::TopicNames;
use crate::table::encode::CopyBuffer;
use crate::table::{Changes, encode_cell, tell};
use dataflows::Dataflow;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::tables::sums::threshold;
use dataflows::campaign::tables::{name, tables};
use dataflows::event::{DAY, Millis};
use dataflows::settings::Settings;
use dataflows::table::{ColumnType, Rule, Table, TableRow, decimal_q16, decimal_q32};
use std::borrow::Borrow;
use std::sync::Arc;

/// What rows of the campaign are worded by: the configured lists.
#[derive(Clone, Debug)]
pub struct CampaignWording {
    /// Names of the arms, in their order.
    pub arms: Vec<String>,
    /// Names of the topics at the broker.
    pub topics: TopicNames,
    /// Names of the features, in their order.
    pub features: Vec<String>,
    /// Names of the terms of a context, in their order.
    pub context: Vec<String>,
    /// Decimals of the currency.
    pub decimals: u32,
    /// How late an event may come and still count as in order.
    pub lateness: Millis,
    /// Whether old events are folded: the id of one that is may come again.
    pub folding: bool,
    /// Days of recency from which a customer is at risk.
    pub at_risk_days: f64,
    /// Days of recency up to which a customer is recently active.
    pub recent_days: f64,
}

impl CampaignWording {
    /// Of a campaign that is read from these topics.
    pub fn of(campaign: &Campaign, topics: TopicNames) -> Self {
        let Settings { input, customer, time, .. } = campaign.settings.as_ref();
        CampaignWording {
            arms: input.arms.clone(),
            topics,
            features: campaign.features.names().to_vec(),
            context: campaign.features.context().names().to_vec(),
            decimals: input.decimals,
            lateness: time.lateness,
            folding: time.keep.is_some(),
            at_risk_days: customer.at_risk_days,
            recent_days: customer.recent_days,
        }
    }
}

/// With the default of everything, and no features, context or arms yet.
impl Default for CampaignWording {
    fn default() -> Self {
        CampaignWording {
            arms: Vec::new(),
            topics: TopicNames::own(Campaign::topics()),
            features: Vec::new(),
            context: Vec::new(),
            decimals: 2,
            lateness: DAY,
            folding: false,
            at_risk_days: 180.0,
            recent_days: 30.0,
        }
    }
}

impl Wording for CampaignWording {
    fn dataflow(&self) -> &'static str {
        Campaign::NAME
    }

    fn tables(&self) -> Vec<Arc<Table>> {
        let mut tables = tables(&self.features, self.decimals);
        for table in &mut tables {
            if let Rule::Changes { again } = &mut table.rule {
                *again &= self.folding;
            }
        }
        tables.into_iter().map(Arc::new).collect()
    }

    fn is_migrated(&self) -> bool {
        true
    }

    fn notices(&self) -> Option<&dyn NoticeForm> {
        Some(self)
    }

    fn names(&self) -> Vec<Naming> {
        let numbers = [self.lateness as f64 / 1e3, self.at_risk_days, self.recent_days];
        vec![
            Naming {
                table: "settings",
                fill: "INSERT INTO settings (job, lateness, at_risk_days, recent_days) SELECT job, \
                       make_interval(secs => $1), $2, $3 FROM owner",
                values: numbers.map(Configured::Number).to_vec(),
            },
            Naming {
                table: "arms",
                fill: "INSERT INTO arms SELECT position - 1, name FROM unnest($1::text[]) WITH \
                       ORDINALITY AS a (name, position)",
                values: vec![Configured::Texts(self.arms.clone())],
            },
            Naming {
                table: "context_names",
                fill: "INSERT INTO context_names SELECT position, name FROM unnest($1::text[]) \
                       WITH ORDINALITY AS a (name, position)",
                values: vec![Configured::Texts(self.context.clone())],
            },
        ]
    }

    fn told_anew(&self) -> &'static [&'static str] {
        &[name::CUSTOMER_FEATURES]
    }

    fn word(
        &self,
        epoch: &dyn Gathered,
        tables: &mut [Changes],
        pending: i64,
    ) -> Result<(), Unfit> {
        let results = EpochResults::of(epoch);
        let number = results.epoch;
        debug_assert!(
            results.rows.iter().all(|rows| tables.iter().any(|of| of.table.name == rows.table)),
            "rows are told of a table that nobody has declared"
        );
        let (mut order, mut mean_reward) = (Order::default(), None);
        for changes in tables {
            match changes.table.name {
                name::INTERACTIONS => {
                    mean_reward = many::interactions(changes, results, self, &mut order)?;
                }
                name::CUSTOMER_FEATURES => many::features(changes, results, self, &mut order)?,
                name::DECISIONS => many::decisions(changes, results, self, &mut order),
                name::MODEL_VERSIONS => models(changes, results),
                name::THRESHOLDS => told(changes, results, thresholds(results))?,
                name::ERASURES => erasures(changes, results),
                name::ARM_STATS => {
                    let rows = results.arm_days.iter().map(|day| day.row(&self.arms, number));
                    told(changes, results, rows.collect())?;
                }
                name::SEGMENTS => {
                    let rows = results.segments.iter().map(|of| of.row(self.decimals, number));
                    told(changes, results, rows.collect())?;
                }
                name::DEAD_LETTERS => {
                    common::dead_letters(changes, results.epoch, &results.rejected, &self.topics);
                }
                name::MODEL_METRICS => metrics(changes, results, mean_reward, pending),
                other => {
                    let own = results.rows.iter().filter(|rows| rows.table == other);
                    told(changes, results, own.flat_map(|rows| &rows.rows).collect())?;
                }
            }
        }
        Ok(())
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
        for sum in [
            update.totals.rewards.map(|rewards| decimal_q16(rewards.sum)),
            update.totals.rewards.map(|rewards| decimal_q32(rewards.squares)),
        ] {
            encode_cell(buffer, ColumnType::Decimal(None), &sum.into());
        }
    }
}

/// Writes rows of a small table.
fn told<R: Borrow<TableRow>>(
    changes: &mut Changes,
    results: &EpochResults,
    rows: Vec<R>,
) -> Result<(), Unfit> {
    let (what, wanted) = (changes.table.name, changes.table.columns.len());
    tell(changes, rows).map_err(|found| Unfit { epoch: results.epoch, what, found, wanted })
}

/// Where settings change, those of before go.
fn thresholds(results: &EpochResults) -> Vec<TableRow> {
    let gone = results.changed.iter().flat_map(|changed| &changed.gone_thresholds);
    let gone = gone.map(|day| TableRow::gone([(*day).into()]));
    let new = results.thresholds.iter();
    gone.chain(new.map(|&(day, value)| threshold(day, value, results.epoch))).collect()
}

fn erasures(changes: &mut Changes, results: &EpochResults) {
    let digests = [&results.digest_before, &results.digest];
    let reports =
        results.erasures.iter().map(|erasure| (erasure.customer, erasure.until, erasure.numbers()));
    common::erasures(changes, results.epoch, digests, reports);
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
