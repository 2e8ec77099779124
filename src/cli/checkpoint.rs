//! `sluice checkpoint`: what a restart could go on from, whether it is whole, and what may go.

use super::error::ProgramError;
use super::{GlobalArgs, load, overrides, print, print_json};
use crate::checkpoint::{CheckpointError, Checkpoints, Fingerprint, Listed, Manifest};
use crate::config::load::Override;
use crate::config::types::Config;
use crate::jobs::soundness;
use crate::telemetry::progress::{Progress, Unit};
use clap::{Args, Subcommand};
use dataflows::event::Topic;
use dataflows::settings::Settings;
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
    /// Reads every file of a checkpoint, compares it with its checksum and looks at what is in it
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
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// Flags of `sluice checkpoint verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  sluice checkpoint verify sluice.toml         the newest that can be used
  sluice checkpoint verify sluice.toml 120     that of epoch 120
  sluice checkpoint verify sluice.toml --all   every one; with damage, the exit code is 1")]
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
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// Flags of `sluice checkpoint prune`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The newest complete checkpoint of a history is never removed, nor what a running \
        job is writing.

Examples:
  sluice checkpoint prune sluice.toml            keeps as many as checkpoint.keep says
  sluice checkpoint prune sluice.toml --keep 1   keeps only the newest"
)]
pub struct PruneArgs {
    /// Configuration file
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Checkpoints to keep [default: 2]
    #[arg(long, value_name = "N", env = "SLUICE_CHECKPOINT_KEEP", hide_env_values = true)]
    pub keep: Option<String>,
    /// Of several histories, which one.
    #[command(flatten)]
    pub of: HistoryArgs,
}

/// What stands for a history where checkpoints do not say whose they are.
const UNNAMED: &str = "none";

/// Which history is meant where there are checkpoints of several: of another deployment of the job,
/// or of before its progress was lost.
#[derive(Clone, Debug, Default, Args)]
pub struct HistoryArgs {
    /// Only checkpoints of this history, by the first digits that `list` shows; none: of an older
    /// version, which named none
    #[arg(long, value_name = "HISTORY", env = "SLUICE_CHECKPOINT_HISTORY", hide_env_values = true)]
    pub history: Option<String>,
}

impl HistoryArgs {
    /// The checkpoints that are meant: those of each history apart.
    fn places(&self, checkpoints: &Checkpoints) -> Result<Vec<Checkpoints>, CheckpointError> {
        let mut places = checkpoints.histories()?;
        if let Some(wanted) = &self.history {
            places.retain(|place| place.history().unwrap_or(UNNAMED).starts_with(wanted.as_str()));
            if places.is_empty() {
                return Err(CheckpointError::UnknownHistory {
                    address: checkpoints.address(),
                    history: wanted.clone(),
                });
            }
        }
        Ok(if places.is_empty() { vec![checkpoints.clone()] } else { places })
    }
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
        CheckpointCommand::Inspect(args) => {
            inspect(&args.of.places(&open(&args.config, global, &[])?.0)?, args.epoch, global.json)
        }
        CheckpointCommand::Verify(args) => {
            let (checkpoints, config) = open(&args.config, global, &[])?;
            verify(&checkpoints, &config.settings(), args, global.json)
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
    let fingerprint = Fingerprint::of(&config.settings());
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

fn verify(
    checkpoints: &Checkpoints,
    settings: &Settings,
    args: &VerifyArgs,
    json: bool,
) -> Result<(), ProgramError> {
    let (manifests, mut problems) = to_verify(&args.of.places(checkpoints)?, args)?;
    let total = manifests.iter().map(Manifest::bytes).sum();
    let mut progress = Progress::start("verifying", Unit::Bytes, total);
    let mut read = 0;
    for manifest in &manifests {
        let mut found = checkpoints.holding(manifest).verify(manifest, |bytes| {
            read += bytes;
            progress.set(read);
        });
        // What is in one of another configuration only a start with that one can tell.
        if found.is_empty() && manifest.fingerprint == *checkpoints.fingerprint() {
            found.extend(soundness::unsound(checkpoints, manifest, settings));
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
    args: &VerifyArgs,
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
            .map(|((history, epoch), problem)| json!({ "history": history, "epoch": epoch, "problem": problem.to_string() }))
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
mod tests {
    use super::*;
    use crate::checkpoint::{Kind, Pause, Piece, Saver, SaverSettings, Shared};
    use crate::sink::Link;
    use dataflows::bandit::totals::digest_of_all;
    use dataflows::campaign::snapshot::Common;
    use dataflows::customer::Features;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    /// A folder with a configuration and checkpoints of these epochs, in whose files is nothing
    /// that could be taken up.
    fn folder(epochs: &[u64]) -> (tempfile::TempDir, PathBuf) {
        filled(epochs, |epoch| pieces(epoch).into())
    }

    /// The same, of these pieces.
    fn filled(epochs: &[u64], pieces: impl Fn(u64) -> Vec<Piece>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("sluice.toml");
        let text = format!(
            "[log]\nlevel = \"off\"\n[checkpoint]\ndir = {:?}\n",
            folder.path().join("checkpoints")
        );
        std::fs::write(&config, text).expect("a file");
        let checkpoints = open(&config, &GlobalArgs::default(), &[]).expect("a configuration").0;
        let settings = SaverSettings { keep: 10, ..SaverSettings::new(1) };
        let saver = Saver::start(
            checkpoints.of(history()),
            settings,
            Arc::new(AtomicU64::new(u64::MAX)),
            None,
        )
        .expect("a thread");
        for &epoch in epochs {
            for piece in pieces(epoch) {
                saver.intake().hand(piece);
            }
            while !saver.saved().is_settled(epoch) {
                std::thread::yield_now();
            }
        }
        saver.finish(Duration::from_secs(60)).expect("it is saved");
        (folder, config)
    }

    fn history() -> Link {
        Link::from_hex(&"ef".repeat(32)).expect("a link")
    }

    fn pieces(epoch: u64) -> [Piece; 3] {
        let offsets = vec![
            (Topic::Transactions.id(), 0, 70),
            (Topic::Transactions.id(), 1, 8),
            (Topic::Rewards.id(), 0, 9),
        ];
        let (bytes, digest, watermark) = (b"content".to_vec(), [0xab; 32], Some(1_709_251_200_000));
        [
            Piece::Shard { epoch, shard: 3, kind: Kind::Base, customers: 5, bytes: bytes.clone() },
            Piece::Shared(Box::new(Shared {
                epoch,
                bytes,
                digest,
                chain: Link::from_hex(&"cd".repeat(32)),
                topic_ids: Default::default(),
                watermark,
                offsets,
                customers: 5,
                full: true,
                erases: false,
            })),
            Piece::WorkerDone { epoch, worker: 0, longest: Pause::default() },
        ]
    }

    /// The pieces of a checkpoint without customers.
    fn sound(epoch: u64) -> Vec<Piece> {
        let [_, shared, done] = pieces(epoch);
        let Piece::Shared(shared) = shared else { panic!("it is what belongs to no customer") };
        let (settings, watermark) = (Settings::default(), shared.watermark);
        let context =
            Features::new(&settings.input, &settings.customer).expect("features").context().clone();
        let digest = digest_of_all(context.names(), settings.input.arms.len(), |_| None);
        let bytes = Common { epoch, watermark, ..Common::default() }.to_bytes();
        vec![Piece::Shared(Box::new(Shared { bytes, digest, customers: 0, ..*shared })), done]
    }

    fn sluice(command: CheckpointCommand) -> Result<(), ProgramError> {
        run(&CheckpointArgs { command }, &GlobalArgs::default())
    }

    fn damage(folder: &tempfile::TempDir, epoch: u64) {
        let file = folder
            .path()
            .join(format!("checkpoints/campaign/efefefefefefefef/shared/{epoch:020}.zst"));
        let mut content = std::fs::read(&file).expect("it is there");
        content[4] ^= 1;
        std::fs::write(file, content).expect("a write");
    }

    #[test]
    fn a_checkpoint_reads_well() {
        let (_folder, config) = folder(&[7]);
        let checkpoints = open(&config, &GlobalArgs::default(), &[]).expect("a configuration").0;
        let created = Timestamp::from_second(1_709_251_200).expect("an instant");
        let manifest =
            Manifest { created, ..checkpoints.of(history()).manifest(7).expect("it is there") };
        insta::assert_snapshot!(manifest_text(&manifest), @r"
        job        campaign
        history    efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef
        epoch      7
        created    2024-03-01T00:00:00Z
        format     5
        digest     abababababababababababababababababababababababababababababababab
        chain      cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
        watermark  2024-03-01T00:00:00Z
        customers  5
        files      2 with 32 B
        shards     1, the longest of 1 files
        offsets    transactions 0: 70, 1: 8
        offsets    rewards 0: 9
        ");
        let listed = |problem| {
            listed_text(&Listed {
                epoch: 7,
                history: Some(history().short()),
                manifest: Some(manifest.clone()),
                problem,
            })
        };
        let missing =
            CheckpointError::Missing { object: "checkpoints/campaign/shared/7.zst".to_string() };
        insta::assert_snapshot!([listed(None), listed(Some(missing))].join("\n"), @r"
        epoch 7          history efefefefefefefef  2024-03-01T00:00:00Z  5 customers, 2 files, 32 B, chain cdcdcdcd: complete
        epoch 7          history efefefefefefefef  2024-03-01T00:00:00Z  5 customers, 2 files, 32 B, chain cdcdcdcd: CANNOT BE USED: checkpoints/campaign/shared/7.zst is missing
        ");
    }

    #[test]
    fn verify_ends_with_1_for_damage_and_with_2_for_what_is_not_there() {
        let (folder, config) = filled(&[7, 8], sound);
        let verify = |epoch, all| {
            sluice(CheckpointCommand::Verify(VerifyArgs {
                config: config.clone(),
                epoch,
                all,
                of: HistoryArgs::default(),
            }))
        };
        verify(None, true).expect("both are whole");
        damage(&folder, 8);
        verify(Some(7), false).expect("this one is whole");
        for (epoch, all) in [(None, false), (Some(8), false), (None, true)] {
            let error = verify(epoch, all).expect_err("it is damaged");
            assert!(matches!(error, ProgramError::Damaged(1)), "{error}");
        }
        let error = verify(Some(9), false).expect_err("there is none");
        assert_eq!(error.to_json()["exit_code"], 2);
        assert!(error.to_string().contains("no checkpoint of epoch 9"), "{error}");
    }

    #[test]
    fn verify_looks_at_what_is_in_whole_files() {
        let (_folder, config) = folder(&[7]);
        let error = sluice(CheckpointCommand::Verify(VerifyArgs {
            config,
            epoch: None,
            all: false,
            of: HistoryArgs::default(),
        }));
        assert!(matches!(error, Err(ProgramError::Damaged(1))), "{error:?}");
    }

    #[test]
    fn list_and_inspect_say_what_is_there() {
        let (folder, config) = folder(&[7]);
        sluice(CheckpointCommand::List(ListArgs { config: config.clone() })).expect("a list");
        sluice(CheckpointCommand::Inspect(InspectArgs {
            config: config.clone(),
            epoch: None,
            of: HistoryArgs::default(),
        }))
        .expect("a checkpoint");
        std::fs::remove_dir_all(folder.path().join("checkpoints")).expect("a removal");
        sluice(CheckpointCommand::List(ListArgs { config: config.clone() }))
            .expect("an empty list is no fault");
        let error = sluice(CheckpointCommand::Inspect(InspectArgs {
            config,
            epoch: None,
            of: HistoryArgs::default(),
        }))
        .expect_err("there is none");
        assert_eq!(error.to_json()["exit_code"], 1);
    }

    #[test]
    fn prune_keeps_as_many_as_it_is_told() {
        let (_folder, config) = folder(&[7, 8, 9]);
        let checkpoints = open(&config, &GlobalArgs::default(), &[]).expect("a configuration").0;
        let args = |keep: Option<&str>| PruneArgs {
            config: config.clone(),
            keep: keep.map(str::to_string),
            of: HistoryArgs::default(),
        };
        for (keep, left) in [(None, [9, 8].as_slice()), (Some("1"), &[9])] {
            sluice(CheckpointCommand::Prune(args(keep))).expect("the folder works");
            assert_eq!(
                checkpoints
                    .of(history())
                    .list()
                    .expect("a list")
                    .iter()
                    .map(|listed| listed.epoch)
                    .collect::<Vec<_>>(),
                left
            );
        }
        let error =
            sluice(CheckpointCommand::Prune(args(Some("0")))).expect_err("none would be left");
        assert_eq!(error.to_json()["exit_code"], 2);
    }
}
