//! `sluice checkpoint`: what a restart could go on from, whether it is whole, and what may go.

pub(super) mod args;
mod verify;

pub use args::{CheckpointArgs, CheckpointCommand};

use super::dataflow;
use super::error::ProgramError;
use super::{GlobalArgs, load, print, print_json};
use crate::checkpoint::{CheckpointError, Checkpoints, Listed, Manifest};
use crate::config::load::Override;
use crate::config::types::Config;
use args::UNNAMED;
use dataflows::event::Topic;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use verify::verify;

/// Does what is asked of the checkpoints.
///
/// # Errors
/// The configuration is wrong, the store fails, no checkpoint is the one that is asked for, or
/// `verify` finds damage.
pub fn run(args: &CheckpointArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    match &args.command {
        CheckpointCommand::List(args) => list(&open(&args.config, global, &[])?.0, global.json),
        CheckpointCommand::Inspect(args) => {
            inspect(&args.of.places(&open(&args.config, global, &[])?.0)?, args.epoch, global.json)
        }
        CheckpointCommand::Verify(args) => {
            let (checkpoints, config) = open(&args.config, global, &[])?;
            verify(&checkpoints, &config, args, global.json)
        }
        CheckpointCommand::Prune(args) => {
            let (checkpoints, config) = open(&args.config, global, &args.overrides())?;
            prune(&only(&args.of.places(&checkpoints)?)?, config.checkpoint.keep, global.json)
        }
    }
}

fn open(
    file: &Path,
    global: &GlobalArgs,
    flags: &[Override],
) -> Result<(Checkpoints, Config), ProgramError> {
    let loaded = load(Some(file), &[&global.overrides(), flags].concat());
    let config = loaded.accept()?;
    crate::telemetry::logging::start(&config.log);
    let fingerprint = dataflow::of(&config).fingerprint(&config)?;
    Ok((Checkpoints::open(&config.checkpoint.dir, &config.job, fingerprint)?, config))
}

fn list(checkpoints: &Checkpoints, json: bool) -> Result<(), ProgramError> {
    let mut listed = Vec::new();
    for history in checkpoints.histories()? {
        listed.extend(history.list()?);
    }
    match (json, listed.is_empty()) {
        (true, _) => print_json(&listed.iter().map(listed_json).collect()),
        (false, true) => print(&format!("no checkpoint in {}", checkpoints.address())),
        (false, false) => print(&listed.iter().map(listed_text).collect::<Vec<_>>().join("\n")),
    }
}

fn listed_text(listed: &Listed) -> String {
    let history =
        listed.history.as_ref().map_or(String::new(), |history| format!("history {history}  "));
    let link = listed.manifest.as_ref().and_then(|manifest| manifest.chain);
    let chain = link.map_or(String::new(), |link| format!(", chain {:.8}", link.to_string()));
    let state = listed
        .problem
        .as_ref()
        .map_or("complete".to_string(), |problem| format!("CANNOT BE USED: {problem}"));
    match &listed.manifest {
        None => format!("epoch {:<10} {history}{state}", listed.epoch),
        Some(manifest) => format!(
            "epoch {:<10} {history}{}  {} customers, {} files, {}{chain}: {state}",
            listed.epoch,
            shown(manifest.created),
            manifest.customers,
            manifest.files().count(),
            size(manifest.bytes())
        ),
    }
}

fn listed_json(listed: &Listed) -> Value {
    let manifest = listed.manifest.as_ref();
    json!({
        "epoch": listed.epoch,
        "history": listed.history,
        "created": manifest.map(|manifest| manifest.created),
        "customers": manifest.map(|manifest| manifest.customers),
        "files": manifest.map(|manifest| manifest.files().count()),
        "bytes": manifest.map(Manifest::bytes),
        "chain": manifest.and_then(|manifest| manifest.chain),
        "complete": listed.problem.is_none(),
        "problem": listed.problem.as_ref().map(ToString::to_string),
    })
}

fn inspect(places: &[Checkpoints], epoch: Option<u64>, json: bool) -> Result<(), ProgramError> {
    let manifest = chosen(places, epoch)?;
    match json {
        true => print_json(&json!(manifest)),
        false => print(&manifest_text(&manifest)),
    }
}

/// The manifest of an epoch, be it usable here or not; without an epoch, the newest that is usable.
/// Of several histories' the one that was made last.
fn chosen(places: &[Checkpoints], epoch: Option<u64>) -> Result<Manifest, CheckpointError> {
    let (mut manifests, mut problem) = (Vec::new(), None);
    for place in places {
        let found = match epoch {
            Some(epoch) => place.manifest(epoch).map(Some),
            None => place.newest(),
        };
        match found {
            Ok(manifest) => manifests.extend(manifest),
            Err(CheckpointError::Missing { .. }) => {}
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    let address = || places.first().map_or(String::new(), |place| place.unnamed().address());
    let none = || match epoch {
        Some(epoch) => CheckpointError::Unknown { address: address(), epoch },
        None => CheckpointError::Nothing { address: address() },
    };
    manifests
        .into_iter()
        .max_by_key(|manifest| manifest.created)
        .ok_or_else(|| problem.unwrap_or_else(none))
}

/// The only one of these; which one nobody can know where they are several.
fn only(places: &[Checkpoints]) -> Result<Checkpoints, CheckpointError> {
    match places {
        [place] => Ok(place.clone()),
        several => {
            let address = several.first().map_or(String::new(), |place| place.unnamed().address());
            let histories = several
                .iter()
                .map(|place| place.history().unwrap_or(UNNAMED).to_string())
                .collect();
            Err(CheckpointError::Ambiguous { address, histories })
        }
    }
}

fn manifest_text(manifest: &Manifest) -> String {
    let watermark = manifest.watermark.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let mut lines = vec![
        format!("job        {}", manifest.job),
        format!(
            "history    {}",
            manifest.identity.map_or("none".to_string(), |identity| identity.to_string())
        ),
        format!("epoch      {}", manifest.epoch),
        format!("created    {}", shown(manifest.created)),
        format!("format     {}", manifest.format),
        format!("digest     {}", crate::hexadecimal::hexadecimal(&manifest.digest)),
        format!(
            "chain      {}",
            manifest.chain.map_or("none".to_string(), |link| link.to_string())
        ),
        format!("watermark  {}", watermark.map_or("none".to_string(), shown)),
        format!("customers  {}", manifest.customers),
        format!("files      {} with {}", manifest.files().count(), size(manifest.bytes())),
        format!(
            "shards     {}, the longest of {} files",
            manifest.shards.len(),
            manifest.longest_chain()
        ),
    ];
    for topic in Topic::ids() {
        let of_topic = manifest.offsets.iter().filter(|(of, _, _)| *of == topic);
        let offsets: Vec<String> =
            of_topic.map(|(_, partition, next)| format!("{partition}: {next}")).collect();
        if !offsets.is_empty() {
            lines.push(format!("offsets    {} {}", topic.name(), offsets.join(", ")));
        }
        lines.extend(
            manifest.topic_ids.get(topic).map(|id| format!("topic      {} {id}", topic.name())),
        );
    }
    lines.join("\n")
}

fn prune(checkpoints: &Checkpoints, keep: usize, json: bool) -> Result<(), ProgramError> {
    let epochs =
        |listed: Vec<Listed>| listed.into_iter().map(|listed| listed.epoch).collect::<Vec<_>>();
    let before = epochs(checkpoints.list()?);
    checkpoints.prune(keep)?;
    let kept = epochs(checkpoints.list()?);
    let removed: Vec<u64> = before.into_iter().filter(|epoch| !kept.contains(epoch)).collect();
    match json {
        true => print_json(&json!({ "kept": kept, "removed": removed })),
        false => print(&format!("kept {}\nremoved {}", named(&kept), named(&removed))),
    }
}

/// Epochs as a list for people.
fn named(epochs: &[u64]) -> String {
    match epochs.is_empty() {
        true => "none".to_string(),
        false => epochs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// An instant to the second.
fn shown(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests;
