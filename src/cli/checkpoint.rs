//! `sluice checkpoint`: what a restart could go on from, whether it is whole, and what may go.

use super::error::ProgramError;
use super::{GlobalArgs, load, overrides, print, print_json};
use crate::checkpoint::{CheckpointError, Checkpoints, Fingerprint, Listed, Manifest};
use crate::config::load::Override;
use crate::config::types::Config;
use crate::telemetry::progress::{Progress, Unit};
use clap::{Args, Subcommand};
use dataflows::event::Topic;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Flags of `sluice checkpoint`.
#[derive(Clone, Debug, Args)]
pub struct CheckpointArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CheckpointCommand,
}

/// What to do with checkpoints.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Lists the checkpoints, newest first, each complete or with why not
    List(ListArgs),
    /// Shows what is in a checkpoint: epoch, offsets, customers, files
    Inspect(InspectArgs),
    /// Reads every file of a checkpoint and compares it with its checksum
    Verify(VerifyArgs),
    /// Removes all but the newest checkpoints, and files that belong to none
    Prune(PruneArgs),
}

/// Flags of `sluice checkpoint list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint list sluice.toml
  sluice checkpoint list sluice.toml --json")]
pub struct ListArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
}

/// Flags of `sluice checkpoint inspect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint inspect sluice.toml              the newest that can be used
  sluice checkpoint inspect sluice.toml 120 --json   the manifest of epoch 120, with every file")]
pub struct InspectArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Its epoch [default: the newest that can be used]
    #[arg(value_name = "EPOCH")]
    pub epoch: Option<u64>,
}

/// Flags of `sluice checkpoint verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint verify sluice.toml         the newest that can be used
  sluice checkpoint verify sluice.toml 120     that of epoch 120
  sluice checkpoint verify sluice.toml --all   every one; damage is named file by file, and the exit code is 1")]
pub struct VerifyArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Its epoch [default: the newest that can be used]
    #[arg(value_name = "EPOCH", conflicts_with = "all")]
    pub epoch: Option<u64>,
    /// Verifies every checkpoint
    #[arg(long, env = "SLUICE_CHECKPOINT_VERIFY_ALL", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub all: bool,
}

/// Flags of `sluice checkpoint prune`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "The newest complete checkpoint is never removed, nor what a running job is writing.

Examples:
  sluice checkpoint prune sluice.toml            keeps as many as checkpoint.keep says
  sluice checkpoint prune sluice.toml --keep 1   keeps only the newest")]
pub struct PruneArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Checkpoints to keep [default: 2]
    #[arg(long, value_name = "N", env = "SLUICE_CHECKPOINT_KEEP", hide_env_values = true)]
    pub keep: Option<String>,
}

impl PruneArgs {
    /// The keys that these flags stand for.
    pub fn overrides(&self) -> Vec<Override> {
        overrides([("checkpoint.keep", "--keep", &self.keep)])
    }
}

/// Does what is asked of the checkpoints.
///
/// # Errors
/// The configuration is wrong, the store fails, no checkpoint is the one that is asked for, or `verify` finds damage.
pub fn run(args: &CheckpointArgs, global: &GlobalArgs) -> Result<(), ProgramError> {
    match &args.command {
        CheckpointCommand::List(args) => list(&open(&args.config, global, &[])?.0, global.json),
        CheckpointCommand::Inspect(args) => inspect(&open(&args.config, global, &[])?.0, args.epoch, global.json),
        CheckpointCommand::Verify(args) => verify(&open(&args.config, global, &[])?.0, args, global.json),
        CheckpointCommand::Prune(args) => {
            let (checkpoints, config) = open(&args.config, global, &args.overrides())?;
            prune(&checkpoints, config.checkpoint.keep, global.json)
        }
    }
}

fn open(file: &Path, global: &GlobalArgs, flags: &[Override]) -> Result<(Checkpoints, Config), ProgramError> {
    let loaded = load(Some(file), &[&global.overrides(), flags].concat());
    let config = loaded.accept()?;
    crate::telemetry::logging::start(&config.log);
    let fingerprint = Fingerprint::of(&config.settings());
    Ok((Checkpoints::open(&config.checkpoint.dir, &config.job, fingerprint)?, config))
}

fn list(checkpoints: &Checkpoints, json: bool) -> Result<(), ProgramError> {
    let listed = checkpoints.list()?;
    match (json, listed.is_empty()) {
        (true, _) => print_json(&listed.iter().map(listed_json).collect()),
        (false, true) => print(&format!("no checkpoint in {}", checkpoints.address())),
        (false, false) => print(&listed.iter().map(listed_text).collect::<Vec<_>>().join("\n")),
    }
}

fn listed_text(listed: &Listed) -> String {
    let state = listed.problem.as_ref().map_or("complete".to_string(), |problem| format!("CANNOT BE USED: {problem}"));
    match &listed.manifest {
        None => format!("epoch {:<10} {state}", listed.epoch),
        Some(manifest) => format!(
            "epoch {:<10} {}  {} customers, {} files, {}: {state}",
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
        "created": manifest.map(|manifest| manifest.created),
        "customers": manifest.map(|manifest| manifest.customers),
        "files": manifest.map(|manifest| manifest.files().count()),
        "bytes": manifest.map(Manifest::bytes),
        "complete": listed.problem.is_none(),
        "problem": listed.problem.as_ref().map(ToString::to_string),
    })
}

fn inspect(checkpoints: &Checkpoints, epoch: Option<u64>, json: bool) -> Result<(), ProgramError> {
    let manifest = chosen(checkpoints, epoch)?;
    match json {
        true => print_json(&json!(manifest)),
        false => print(&manifest_text(&manifest)),
    }
}

/// The manifest of an epoch, be it usable here or not; without an epoch, the newest that is usable.
fn chosen(checkpoints: &Checkpoints, epoch: Option<u64>) -> Result<Manifest, CheckpointError> {
    let Some(epoch) = epoch else {
        return checkpoints.newest(u64::MAX)?.ok_or_else(|| CheckpointError::Nothing { address: checkpoints.address() });
    };
    checkpoints.manifest(epoch).map_err(|error| match error {
        CheckpointError::Missing { .. } => CheckpointError::Unknown { address: checkpoints.address(), epoch },
        error => error,
    })
}

fn manifest_text(manifest: &Manifest) -> String {
    let watermark = manifest.watermark.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let mut lines = vec![
        format!("job        {}", manifest.job),
        format!("epoch      {}", manifest.epoch),
        format!("created    {}", shown(manifest.created)),
        format!("format     {}", manifest.format),
        format!("digest     {}", crate::postgres::recorded::digest_to_hex(&manifest.digest)),
        format!("watermark  {}", watermark.map_or("none".to_string(), shown)),
        format!("customers  {}", manifest.customers),
        format!("files      {} with {}", manifest.files().count(), size(manifest.bytes())),
        format!("shards     {}, the longest of {} files", manifest.shards.len(), manifest.longest_chain()),
    ];
    for topic in Topic::ALL {
        let of_topic = manifest.offsets.iter().filter(|(of, _, _)| *of == topic);
        let offsets: Vec<String> = of_topic.map(|(_, partition, next)| format!("{partition}: {next}")).collect();
        if !offsets.is_empty() {
            lines.push(format!("offsets    {} {}", topic.name(), offsets.join(", ")));
        }
    }
    lines.join("\n")
}

fn verify(checkpoints: &Checkpoints, args: &VerifyArgs, json: bool) -> Result<(), ProgramError> {
    let (manifests, mut problems) = to_verify(checkpoints, args)?;
    let total = manifests.iter().map(Manifest::bytes).sum();
    let mut progress = Progress::start("verifying", Unit::Bytes, total);
    let mut read = 0;
    for manifest in &manifests {
        let found = checkpoints.verify(manifest, |bytes| {
            read += bytes;
            progress.set(read);
        });
        problems.extend(found.into_iter().map(|problem| (manifest.epoch, problem)));
    }
    progress.finish();
    report(&manifests, &problems, json)?;
    match problems.len() {
        0 => Ok(()),
        count => Err(ProgramError::Damaged(count)),
    }
}

/// A problem of the checkpoint of an epoch.
type Problem = (u64, CheckpointError);

/// The manifests whose files are to be read, and what is wrong with those that cannot be read.
fn to_verify(checkpoints: &Checkpoints, args: &VerifyArgs) -> Result<(Vec<Manifest>, Vec<Problem>), CheckpointError> {
    if !args.all {
        return Ok((vec![chosen(checkpoints, args.epoch)?], Vec::new()));
    }
    let (mut manifests, mut problems) = (Vec::new(), Vec::new());
    for listed in checkpoints.list()? {
        match (listed.manifest, listed.problem) {
            // What else is wrong with it shows when its files are read, or is no damage.
            (Some(manifest), _) => manifests.push(manifest),
            (None, problem) => problems.extend(problem.map(|problem| (listed.epoch, problem))),
        }
    }
    Ok((manifests, problems))
}

fn report(manifests: &[Manifest], problems: &[Problem], json: bool) -> Result<(), ProgramError> {
    let is_sound = |manifest: &&Manifest| problems.iter().all(|(epoch, _)| *epoch != manifest.epoch);
    if json {
        let problems: Vec<Value> = problems.iter().map(|(epoch, problem)| json!({ "epoch": epoch, "problem": problem.to_string() })).collect();
        let sound: Vec<u64> = manifests.iter().filter(is_sound).map(|manifest| manifest.epoch).collect();
        return print_json(&json!({ "ok": problems.is_empty(), "sound": sound, "problems": problems }));
    }
    let sound = manifests.iter().filter(is_sound);
    let sound = sound.map(|manifest| format!("ok    epoch {}: {} files, {}", manifest.epoch, manifest.files().count(), size(manifest.bytes())));
    let faults = problems.iter().map(|(epoch, problem)| format!("FAULT epoch {epoch}: {problem}"));
    let lines: Vec<String> = sound.chain(faults).collect();
    match lines.is_empty() {
        true => print("no checkpoint to verify"),
        false => print(&lines.join("\n")),
    }
}

fn prune(checkpoints: &Checkpoints, keep: usize, json: bool) -> Result<(), ProgramError> {
    let epochs = |listed: Vec<Listed>| listed.into_iter().map(|listed| listed.epoch).collect::<Vec<_>>();
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
