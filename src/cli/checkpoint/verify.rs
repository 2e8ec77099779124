//! Checkpoints read whole, and what is wrong with them.

use super::args::CheckpointVerifyArgs;
use super::{chosen, size};
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::cli::dataflow;
use crate::cli::error::ProgramError;
use crate::cli::{print, print_json};
use crate::config::types::Config;
use crate::telemetry::progress::{ProgressMeter, Unit};
use serde_json::{Value, json};

pub(super) fn verify(
    checkpoints: &Checkpoints,
    config: &Config,
    args: &CheckpointVerifyArgs,
    json: bool,
) -> Result<(), ProgramError> {
    let (manifests, mut problems) = to_verify(&args.of.places(checkpoints)?, args)?;
    let total = manifests.iter().map(Manifest::bytes).sum();
    let mut progress = ProgressMeter::start("verifying", Unit::Bytes, total);
    let mut read = 0;
    for manifest in &manifests {
        let mut found = checkpoints.holding(manifest).verify(manifest, |bytes| {
            read += bytes;
            progress.set(read);
        });
        // What is in one of another configuration only a start with that one can tell.
        if found.is_empty() && manifest.fingerprint == *checkpoints.fingerprint() {
            found.extend(dataflow::of(config).unsound(config, checkpoints, manifest)?);
        }
        problems.extend(found.into_iter().map(|problem| (place_of(manifest), problem)));
    }
    progress.finish();
    report(&manifests, &problems, json)?;
    match problems.len() {
        0 => Ok(()),
        count => Err(ProgramError::Damaged(count)),
    }
}

/// Which checkpoint: its history, by the first digits, and its epoch.
type Place = (Option<String>, u64);

/// A problem of a checkpoint.
type Problem = (Place, CheckpointError);

fn place_of(manifest: &Manifest) -> Place {
    (manifest.identity.map(|identity| identity.short()), manifest.epoch)
}

/// A checkpoint as people are told of it.
fn named_place((history, epoch): &Place) -> String {
    history.as_ref().map_or_else(
        || format!("epoch {epoch}"),
        |history| format!("epoch {epoch} of history {history}"),
    )
}

/// The manifests whose files are to be read, and what is wrong with those that cannot be read.
fn to_verify(
    places: &[Checkpoints],
    args: &CheckpointVerifyArgs,
) -> Result<(Vec<Manifest>, Vec<Problem>), CheckpointError> {
    if !args.all {
        return Ok((vec![chosen(places, args.epoch)?], Vec::new()));
    }
    let (mut manifests, mut problems) = (Vec::new(), Vec::new());
    let listed = places.iter().map(Checkpoints::list).collect::<Result<Vec<_>, _>>()?;
    for listed in listed.into_iter().flatten() {
        match (listed.manifest, listed.problem) {
            // What else is wrong with it shows when its files are read, or is no damage.
            (Some(manifest), _) => manifests.push(manifest),
            (None, problem) => {
                problems.extend(problem.map(|problem| ((listed.history, listed.epoch), problem)))
            }
        }
    }
    Ok((manifests, problems))
}

fn report(manifests: &[Manifest], problems: &[Problem], json: bool) -> Result<(), ProgramError> {
    let is_sound =
        |manifest: &&Manifest| problems.iter().all(|(place, _)| *place != place_of(manifest));
    if json {
        let problems: Vec<Value> = problems
            .iter()
            .map(|((history, epoch), problem)| {
                let problem = problem.to_string();
                json!({ "history": history, "epoch": epoch, "problem": problem })
            })
            .collect();
        let sound: Vec<u64> =
            manifests.iter().filter(is_sound).map(|manifest| manifest.epoch).collect();
        return print_json(
            &json!({ "ok": problems.is_empty(), "sound": sound, "problems": problems }),
        );
    }
    let sound = manifests.iter().filter(is_sound);
    let sound = sound.map(|manifest| {
        let place = named_place(&place_of(manifest));
        format!("ok    {place}: {} files, {}", manifest.files().count(), size(manifest.bytes()))
    });
    let faults =
        problems.iter().map(|(place, problem)| format!("FAULT {}: {problem}", named_place(place)));
    let lines: Vec<String> = sound.chain(faults).collect();
    match lines.is_empty() {
        true => print("no checkpoint to verify"),
        false => print(&lines.join("\n")),
    }
}
