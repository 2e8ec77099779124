//! What a replay writes.

use super::{Replay, ReplayError, Sources};
use crate::campaign::replayed::{ArmFile, Cost, ModelFile, OutputDirectory, Summary, sorted_rows};
use crate::campaign::results::EpochResults;
use crate::hexadecimal::hexadecimal;
use crate::sink::alerts::alert_of_unread_erasures;
use dataflows::bandit::ridge::solve;
use dataflows::bandit::totals::{Totals, digest};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::ArmUpdate;

/// Writes every file of a replay; gives the summary.
pub(super) fn write_results(
    results: &EpochResults,
    described: &Campaign,
    sources: &Sources,
    replay: &Replay,
    threads: usize,
    cost: impl FnOnce() -> Cost,
) -> Result<Summary, ReplayError> {
    let output = OutputDirectory::create(&replay.output)?;
    let names = described.features.names();
    let rows = sorted_rows(&results.last_features);
    let customers = rows.len() as u64;
    let features_digest = output.features(names, &rows, threads)?;
    let model = model_file(results, described, &features_digest);
    output.model(&model)?;
    let mut thresholds = replay.thresholds.clone().unwrap_or_else(|| results.thresholds.clone());
    thresholds.sort_unstable();
    output.thresholds(&thresholds)?;
    output.dead_letters(&results.rejected, |rejected| sources.name(rejected))?;
    let held_back = match sources {
        Sources::Files(_) => None,
        Sources::Topics(_, held_back) => Some(held_back.clone()),
    };
    let summary = Summary { held_back, ..Summary::new(results, customers, &model, cost()) };
    alert_of_unread_erasures(&results.rejected);
    output.summary(&summary)?;
    Ok(summary)
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
        alpha: bandit.serving.alpha,
        arms: arms
            .iter()
            .zip(&described.settings.input.arms)
            .map(|(arm, name)| ArmFile::new(arm, name))
            .collect(),
        digest: hexadecimal(&digest(context.dimension(), context.names(), &totals)),
        features_digest: hexadecimal(features_digest),
    }
}
