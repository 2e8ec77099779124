//! Tests of the journal as a sink: what is committed is found again, by one instance at a time,
//! whatever befell the last one.

mod crashes;
mod damage;
mod files;
mod instances;
mod shortening;

use super::record::{Epoch, JournalRecord};
use super::*;
use crate::campaign::results::EpochResults;
use crate::checkpoint::{Checkpoints, FileKind, Manifest};
use crate::config::location::Location;
use crate::durable;
use crate::files::changes::ChangeFiles;
use crate::hexadecimal::hexadecimal;
use crate::postgres::{PostgresSettings, tests::of_campaign};
use crate::sink::notices::Notices;
use crate::sink::outbox::{Letter, Outbox, Owed, Stretch};
use crate::sink::{Progress, Records, Sink, SinkError, Trouble};
use crate::source::{TopicNames, TopicUuid, TopicUuids, offsets_by_name};
use dataflows::campaign::output::{Decision, Erasure};
use dataflows::event::{Place, Reason, Rejected, Topic};
use dataflows::settings::Settings;
use dataflows::source::TopicId;
use std::fs;
use std::path::{Path, PathBuf};

/// The checkpoints of a job, in a folder of a test's folder.
pub fn checkpoints(folder: &Path) -> Checkpoints {
    let location = Location::Folder(folder.join("checkpoints"));
    Checkpoints::open(&location, "campaign", crate::campaign::fingerprint::of(&Settings::default()))
        .expect("a store")
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { folder: tempfile::tempdir().expect("a folder") }
    }

    fn journal(&self) -> PathBuf {
        path_in(&self.folder())
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("checkpoints/campaign")
    }

    fn file(&self, epoch: u64) -> PathBuf {
        self.folder.path().join(format!("files/campaign/{epoch:020}.jsonl"))
    }

    fn settings(&self) -> JournalSettings {
        let wording = of_campaign(|_| {}).wording;
        JournalSettings { prune_at: 2, wording, ..JournalSettings::new("campaign", self.folder()) }
    }

    fn files(&self) -> ChangeFiles {
        ChangeFiles::new(&self.folder.path().join("files"), of_campaign(|_| {}))
    }

    /// A job with files.
    fn try_open(&self) -> Result<JournalWriter, JournalError> {
        JournalWriter::open(self.settings(), checkpoints(self.folder.path()), Some(self.files()))
    }

    fn open(&self) -> JournalWriter {
        self.try_open().expect("a writer")
    }

    fn refused(&self) -> String {
        self.try_open().err().expect("it is refused").to_string()
    }
}

fn decision(customer: i64) -> Decision {
    Decision {
        customer,
        key: 1,
        decision: format!("d-{customer}"),
        timestamp: 100,
        arm: Some(0),
        propensity: 1.0,
        expected_reward: 0.1 + 0.2,
        ..Decision::default()
    }
}

/// An epoch that reads so many records, and decides for the customer of its number.
fn epoch(number: u64, records: u64) -> EpochResults {
    let mut results = EpochResults::new(number);
    results.closed.watermark = Some(number as i64 * 1_000);
    results.closed.offsets = vec![(Topic::Transactions.id(), 0, records)];
    results.counts.pending = 1;
    results.thresholds = vec![(number as i32, number * 10)];
    results.decisions = vec![decision(number as i64)];
    results.digest = [number as u8; 32];
    results
}

fn starts() -> Vec<(TopicId, u32, u64)> {
    vec![(Topic::Transactions.id(), 0, 3), (Topic::Rewards.id(), 7, 0)]
}

/// A complete checkpoint of an epoch.
fn save(scene: &Scene, epoch: u64) {
    try_save(scene, epoch).expect("a checkpoint");
}

fn try_save(scene: &Scene, epoch: u64) -> Result<(), String> {
    let name = format!("shared/{epoch:020}.zst");
    durable::replace(&scene.folder().join(&name), b"x").map_err(|error| error.to_string())?;
    let shared = serde_json::json!({
        "name": name, "bytes": 1, "raw_bytes": 1, "crc32": 0,
        "kind": FileKind::Base, "epoch": epoch, "customers": 0,
    });
    let checkpoints = checkpoints(scene.folder.path());
    let manifest = Manifest {
        format: crate::checkpoint::manifest::FORMAT,
        job: "campaign".to_string(),
        identity: None,
        follows_unnamed: false,
        fingerprint: checkpoints.fingerprint().clone(),
        epoch,
        digest: [epoch as u8; 32],
        chain: None,
        topic_ids: TopicUuids::UNKNOWN,
        watermark: None,
        offsets: Vec::new(),
        created: jiff::Timestamp::UNIX_EPOCH,
        customers: 0,
        erases: false,
        shared: serde_json::from_value(shared).expect("a file"),
        shards: Default::default(),
        tables: Vec::new(),
    };
    checkpoints.commit(&manifest).map_err(|error| error.to_string())
}

#[test]
fn what_is_committed_is_found_again() {
    let scene = Scene::new();
    let mut writer = scene.open();
    assert_eq!(
        (writer.progress(), writer.starts().unwrap()),
        (Progress { epoch: 0, incarnation: 1, published: 0 }, None)
    );
    writer.set_starts(&starts()).unwrap();
    let mut rejecting = epoch(3, 30);
    let place = Place::new(2, 7);
    let reason = Reason::BadReward;
    rejecting.rejected = vec![Rejected {
        topic: Topic::Rewards.id(),
        place,
        reason,
        detail: "x".to_string(),
        raw: vec![0, 255],
        whose: None,
    }];
    for results in [epoch(1, 10), epoch(2, 20), rejecting.clone()] {
        assert_eq!(writer.commit(&results).unwrap().epoch, results.epoch);
    }
    assert_eq!(writer.advance(1, 2).unwrap(), 0, "the mark moves from where it stands");
    assert_eq!(writer.advance(0, 2).unwrap(), 2);
    drop(writer);

    let mut writer = scene.open();
    assert_eq!(writer.progress(), Progress { epoch: 3, incarnation: 2, published: 2 });
    assert_eq!(
        writer.starts().unwrap(),
        Some(vec![(Topic::Transactions.id(), 0, 3), (Topic::Rewards.id(), 7, 0)])
    );
    let recorded = writer.recorded_epochs(1).unwrap();
    let seen: Vec<_> =
        recorded.iter().map(|r| (r.epoch, r.watermark, r.offsets.clone(), r.digest)).collect();
    assert_eq!(seen[0], (2, Some(2_000), vec![(Topic::Transactions.id(), 0, 20)], [2; 32]));
    assert_eq!((seen.len(), seen[1].0), (2, 3));
    let letters = vec![Letter::of(rejecting.rejected[0].clone(), &TopicNames::own(Topic::ids()))];
    let notices = Notices::of(rejecting.decisions);
    let owed = Owed { epoch: 3, notices, letters, ..Owed::default() };
    assert_eq!(
        (writer.owed(2, 3).unwrap(), writer.backlog(2, 3).records),
        (Stretch { epochs: vec![owed], through: 3 }, 2)
    );
}

#[test]
fn an_epoch_is_committed_once_and_in_order_and_a_threshold_stays() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    let before = (fs::read(scene.journal()).unwrap(), fs::read(scene.file(1)).unwrap());
    writer.commit(&epoch(1, 99)).unwrap();
    assert_eq!(
        (fs::read(scene.journal()).unwrap(), fs::read(scene.file(1)).unwrap()),
        before,
        "nothing is written twice"
    );
    let gap = writer.commit(&epoch(3, 30)).expect_err("epoch 2 is missing");
    assert!(matches!(gap.of(), Some(JournalError::Gap { epoch: 3, recorded: 1, .. })), "{gap}");
    let changed = EpochResults { thresholds: vec![(1, 11)], ..epoch(2, 20) };
    let refused = writer.commit(&changed).expect_err("day 1 is published");
    assert!(
        matches!(refused.of(), Some(JournalError::Published { published: 10, now: 11, .. })),
        "{refused}"
    );
    assert!(!scene.file(2).exists());
    writer.commit(&EpochResults { thresholds: vec![(1, 10)], ..epoch(2, 20) }).unwrap();
}
