//! Checkpoints in a folder, as the subcommands show, verify and prune them.

use super::args::{
    CheckpointArgs, CheckpointCommand, CheckpointVerifyArgs, HistoryArgs, InspectArgs, ListArgs,
    PruneArgs,
};
use dataflows::settings::Settings;
use std::path::PathBuf;

use super::*;
use crate::checkpoint::{CommonPiece, FileKind, Pause, Piece, Saver, SaverSettings};
use crate::sink::Link;
use dataflows::bandit::digest::ModelDigest;
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
    let saver =
        Saver::start(checkpoints.of(history()), settings, Arc::new(AtomicU64::new(u64::MAX)), None)
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
        Piece::Shard { epoch, shard: 3, kind: FileKind::Base, customers: 5, bytes: bytes.clone() },
        Piece::Shared(Box::new(CommonPiece {
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
    let digest = ModelDigest::new(context.names(), settings.input.arms.len()).of([]);
    let bytes = Common { epoch, watermark, ..Common::default() }.to_bytes();
    vec![Piece::Shared(Box::new(CommonPiece { bytes, digest, customers: 0, ..*shared })), done]
}

fn sluice(command: CheckpointCommand) -> Result<(), ProgramError> {
    run(&CheckpointArgs { command }, &GlobalArgs::default())
}

fn damage(folder: &tempfile::TempDir, epoch: u64) {
    let file =
        folder.path().join(format!("checkpoints/campaign/efefefefefefefef/shared/{epoch:020}.zst"));
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
    insta::assert_snapshot!("listed", [listed(None), listed(Some(missing))].join("\n"));
}

#[test]
fn verify_ends_with_1_for_damage_and_with_2_for_what_is_not_there() {
    let (folder, config) = filled(&[7, 8], sound);
    let verify = |epoch, all| {
        sluice(CheckpointCommand::Verify(CheckpointVerifyArgs {
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
    let error = sluice(CheckpointCommand::Verify(CheckpointVerifyArgs {
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
    let error = sluice(CheckpointCommand::Prune(args(Some("0")))).expect_err("none would be left");
    assert_eq!(error.to_json()["exit_code"], 2);
}
