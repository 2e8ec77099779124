//! What a replay writes of a campaign, and says of it.

use super::features::{self, sorted_rows};
use super::model::{ArmFile, ModelFile};
use super::thresholds;
use crate::campaign::counted::Counted;
use crate::campaign::results::EpochResults;
use crate::files::output::{OutputDirectory, OutputError};
use crate::hexadecimal::hexadecimal;
use crate::hosting::replaying::{NamedFigures, ReplayTold};
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::{Totals, digest};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::ArmUpdate;
use dataflows::event::Millis;
use jiff::Timestamp;
use serde_json::json;
use std::io::Write;

/// Writes its files; says what came of the replay.
pub(super) fn write_results(
    campaign: &Campaign,
    results: &EpochResults,
    output: &OutputDirectory,
    threads: usize,
) -> Result<ReplayTold, OutputError> {
    let rows = sorted_rows(&results.last_features);
    let customers = rows.len() as u64;
    let features_digest = features::write(output, campaign.features.names(), &rows, threads)?;
    let model = model_file(results, campaign, &features_digest);
    write_model(output, &model)?;
    let published = campaign.thresholds.as_deref();
    thresholds::write_file(output, published.unwrap_or(&results.thresholds))?;
    Ok(told(results, customers, &model))
}

/// Writes model.json.
pub(super) fn write_model(output: &OutputDirectory, model: &ModelFile) -> Result<(), OutputError> {
    output.file("model.json", |out| {
        serde_json::to_writer(&mut *out, model)?;
        writeln!(out)
    })
}

/// What came of a replay; `customers` is the number of rows of features.csv, the digests are those
/// of the model and of these rows.
pub(super) fn told(results: &EpochResults, customers: u64, model: &ModelFile) -> ReplayTold {
    let EpochResults { counts, rejected, of_other_customers, .. } = results;
    let of_other_customers = of_other_customers.unwrap_or(0);
    let counted = Counted { counts: *counts, rejected: rejected.len() as u64, of_other_customers };
    let mut figures = counted.figures();
    figures.0.push(("customers", json!(customers)));
    let seen = counts.first <= counts.last;
    let ModelFile { digest, features_digest, .. } = model;
    ReplayTold {
        counted: figures,
        outcome: NamedFigures(vec![
            ("first_event", json!(instant(counts.first).filter(|_| seen))),
            ("last_event", json!(instant(counts.last).filter(|_| seen))),
            ("digest", json!(digest)),
            ("features_digest", json!(features_digest)),
        ]),
        lines: vec![
            counted.line(customers),
            format!("model digest     {digest}"),
            format!("features digest  {features_digest}"),
        ],
    }
}

/// An instant in RFC 3339; `None` beyond the calendar.
fn instant(millis: Millis) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|timestamp| timestamp.to_string())
}

/// The newest state of every configured arm, those that were never played too.
fn arms(results: &EpochResults, described: &Campaign) -> Vec<ArmUpdate> {
    let dimension = described.features.context().dimension();
    let empty = |arm| {
        let totals = Totals::new(dimension);
        ArmUpdate {
            arm,
            model: solve(arm, &totals, described.settings.bandit.serving.ridge),
            totals,
        }
    };
    let newest = |arm| results.arms.iter().rev().find(|update| update.arm == arm).cloned();
    (0..described.settings.input.arms.len() as u32)
        .map(|arm| newest(arm).unwrap_or_else(|| empty(arm)))
        .collect()
}

fn model_file(results: &EpochResults, described: &Campaign, features_digest: &[u8]) -> ModelFile {
    let arms = arms(results, described);
    let context = described.features.context();
    let totals: Vec<(u32, &Totals)> = arms.iter().map(|arm| (arm.arm, &arm.totals)).collect();
    let bandit = &described.settings.bandit;
    ModelFile {
        dimension: context.dimension(),
        context: context.names().to_vec(),
        ridge: bandit.serving.ridge,
        parameters: bandit.serving.parameters.clone(),
        arms: arms
            .iter()
            .zip(&described.settings.input.arms)
            .map(|(arm, name)| ArmFile::new(arm, name))
            .collect(),
        digest: hexadecimal(&digest(context.dimension(), context.names(), &totals)),
        features_digest: hexadecimal(features_digest),
    }
}
