//! Tests of the journal as a sink: what is committed is found again, by one instance at a time,
//! whatever befell the last one.

mod files;

use super::record::{Epoch, JournalRecord};
use super::*;
use crate::campaign::results::EpochResults;
use crate::checkpoint::{Checkpoints, FileKind, Manifest};
use crate::config::location::Location;
use crate::files::changes::ChangeFiles;
use crate::hexadecimal::hexadecimal;
use crate::postgres::{PostgresSettings, tests::of_campaign};
use crate::sink::notices::Notices;
use crate::sink::outbox::{Letter, Outbox, Owed, Stretch};
use crate::sink::{Progress, Records, Sink, Trouble};
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
    let name = format!("shared/{epoch:020}.zst");
    fs::create_dir_all(scene.folder().join("shared")).expect("a folder");
    fs::write(scene.folder().join(&name), b"x").expect("a file");
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
    checkpoints.commit(&manifest).expect("a manifest");
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

#[test]
fn a_second_instance_is_refused_for_as_long_as_the_first_lives() {
    let scene = Scene::new();
    let first = scene.open();
    let refused = scene.refused();
    assert!(
        refused.contains("runs already")
            && refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    drop(first);
    let left = scene.folder().join("journal.log.1-2.tmp");
    fs::write(&left, b"half of one").unwrap();
    assert_eq!(scene.open().progress().incarnation, 2);
    assert!(!left.exists(), "what one that was killed has left goes");
}

#[test]
fn without_a_lock_the_older_instance_sees_the_newer_one_and_writes_no_more() {
    let scene = Scene::new();
    let mut older = scene.open();
    older.commit(&epoch(1, 10)).unwrap();
    // A file system that keeps no locks between machines.
    fs::remove_file(scene.folder().join("journal.lock")).unwrap();
    let files = scene.folder.path().join("files/campaign");
    fs::rename(&files, files.with_extension("before")).unwrap();
    let mut newer = scene.open();
    let fenced = older.commit(&epoch(2, 20)).expect_err("it was taken over");
    assert!(
        matches!(fenced.of(), Some(JournalError::Fenced { own: 1, current: 2, .. })),
        "{fenced}"
    );
    assert!(!scene.file(2).exists(), "nor a file");
    assert!(older.confirm().is_err() && older.advance(0, 1).is_err());
    newer.confirm().unwrap();
    newer.commit(&epoch(2, 21)).unwrap();
    assert_eq!(newer.recorded_epochs(1).unwrap()[0].offsets, [(Topic::Transactions.id(), 0, 21)]);
}

#[test]
fn a_journal_that_is_removed_ends_the_job() {
    let scene = Scene::new();
    let mut writer = scene.open();
    let copy = fs::read(scene.journal()).unwrap();
    fs::remove_file(scene.journal()).unwrap();
    let changed = writer.commit(&epoch(1, 10)).expect_err("it is gone");
    assert!(matches!(changed.of(), Some(JournalError::Changed { .. })), "{changed}");
    assert!(changed.to_string().contains("start the job again, from a copy of it"), "{changed}");
    drop(writer);
    fs::write(scene.journal(), copy).unwrap();
    scene.open().commit(&epoch(1, 10)).expect("it goes on from the copy");
}

#[test]
fn whatever_was_written_by_half_is_cut_off_and_its_epoch_made_anew() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    let whole = fs::read(scene.journal()).unwrap().len();
    writer.commit(&epoch(2, 20)).unwrap();
    drop(writer);
    let content = fs::read(scene.journal()).unwrap();
    let file = fs::read(scene.file(2)).unwrap();
    for length in [whole + 1, whole + 20, (whole + content.len()) / 2, content.len() - 1] {
        fs::write(scene.journal(), &content[..length]).unwrap();
        fs::write(scene.file(2), &file).unwrap();
        let mut writer = scene.open();
        assert_eq!(writer.progress().epoch, 1, "{length} of {} bytes", content.len());
        assert!(!scene.file(2).exists(), "what is not committed is no result");
        writer.commit(&epoch(2, 27)).unwrap();
        drop(writer);
        assert_eq!(
            scene.open().recorded_epochs(1).unwrap()[0].offsets,
            [(Topic::Transactions.id(), 0, 27)]
        );
        assert_ne!(fs::read(scene.file(2)).unwrap(), file, "the file has the other cut");
    }
}

#[test]
fn damage_is_refused_by_name_and_nothing_is_changed() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    writer.commit(&epoch(2, 20)).unwrap();
    drop(writer);
    let content = fs::read(scene.journal()).unwrap();
    for place in [3, content.len() / 2, content.len() - 10] {
        let mut damaged = content.clone();
        damaged[place] ^= 1;
        fs::write(scene.journal(), &damaged).unwrap();
        let refused = scene.refused();
        assert!(
            refused.contains(&scene.journal().display().to_string())
                && refused.contains("is damaged from byte"),
            "{refused}"
        );
        assert_eq!(fs::read(scene.journal()).unwrap(), damaged);
        assert!(scene.file(2).exists());
    }
    fs::write(scene.journal(), &content).unwrap();
    fs::write(scene.file(2), b"other rows\n").unwrap();
    assert!(scene.refused().contains(&format!("{} is damaged", scene.file(2).display())));
    fs::remove_file(scene.file(2)).unwrap();
    assert_eq!(scene.open().progress().epoch, 2, "one that was moved away is none of our business");
}

#[test]
fn a_journal_of_another_job_version_or_kind_is_refused() {
    let scene = Scene::new();
    drop(scene.open());
    let other = JournalWriter::open(scene.settings(), checkpoints(scene.folder.path()), None)
        .err()
        .expect("it had files");
    assert!(
        other.to_string().contains("was begun with files.dir, and now it is not set"),
        "{other}"
    );
    let anew = JournalSettings { anew: true, ..scene.settings() };
    let mut writer = JournalWriter::open(anew, checkpoints(scene.folder.path()), None)
        .expect("everything is made anew");
    writer.forget(&starts(), &TopicUuids::UNKNOWN).unwrap();
    drop(writer);
    JournalWriter::open(scene.settings(), checkpoints(scene.folder.path()), None)
        .expect("it has none any more");

    let first = |format, job: &str| {
        JournalRecord::Journal { format, job: job.into(), files: true }.to_line()
    };
    fs::write(scene.journal(), first(9, "campaign")).unwrap();
    assert!(scene.refused().contains("has format 9"));
    fs::write(scene.journal(), first(record::FORMAT, "other")).unwrap();
    assert!(scene.refused().contains("it is the journal of job \"other\""));
}

#[test]
fn everything_is_forgotten_but_where_the_job_began() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.set_starts(&starts()).unwrap();
    writer.commit(&epoch(1, 10)).unwrap();
    writer.commit(&epoch(2, 20)).unwrap();
    writer.forget(&starts(), &TopicUuids::UNKNOWN).unwrap();
    assert!(!scene.file(1).exists() && !scene.file(2).exists());
    writer.commit(&EpochResults { thresholds: vec![(1, 77)], ..epoch(1, 15) }).unwrap();
    drop(writer);
    let mut writer = scene.open();
    assert_eq!(writer.progress(), Progress { epoch: 1, incarnation: 2, published: 0 });
    assert_eq!(writer.recorded_epochs(0).unwrap()[0].offsets, [(Topic::Transactions.id(), 0, 15)]);
    assert!(writer.starts().unwrap().is_some());
}

#[test]
fn epochs_that_no_checkpoint_needs_go_and_the_rest_stays() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.set_starts(&starts()).unwrap();
    for number in 1..=6 {
        writer.commit(&epoch(number, number * 10)).unwrap();
    }
    let length = || fs::metadata(scene.journal()).unwrap().len();
    let before = length();
    writer.advance(0, 6).unwrap();
    writer.checkpointed(6, 0);
    assert!(length() > before, "without a checkpoint every epoch is needed");
    save(&scene, 2);
    save(&scene, 5);
    let mut writer_after = |newest| {
        writer.checkpointed(newest, 0);
        writer.recorded_epochs(0).unwrap().iter().map(|epoch| epoch.epoch).collect::<Vec<_>>()
    };
    assert_eq!(writer_after(7), [1, 2, 3, 4, 5, 6], "one epoch is not worth a new file");
    save(&scene, 4);
    fs::remove_file(scene.folder().join(format!("manifests/{:020}.json", 2))).unwrap();
    assert_eq!(writer_after(8), [4, 5, 6]);
    assert!(length() < before);
    writer.commit(&epoch(7, 70)).unwrap();
    drop(writer);
    let mut writer = scene.open();
    assert_eq!(writer.progress(), Progress { epoch: 7, incarnation: 2, published: 6 });
    assert_eq!(
        (writer.recorded_epochs(0).unwrap().len(), writer.starts().unwrap().is_some()),
        (4, true)
    );
    let changed = writer.commit(&EpochResults { thresholds: vec![(1, 11)], ..epoch(8, 80) });
    assert!(changed.is_err(), "a threshold of an epoch that is gone is still published");
}

#[test]
fn what_is_owed_stays_and_does_not_have_the_journal_written_again_and_again() {
    let scene = Scene::new();
    let mut writer = scene.open();
    for number in 1..=9 {
        writer.commit(&epoch(number, number * 10)).unwrap();
    }
    writer.advance(0, 3).unwrap();
    save(&scene, 8);
    let recorded = |writer: &mut JournalWriter| {
        writer.recorded_epochs(0).unwrap().iter().map(|epoch| epoch.epoch).collect::<Vec<_>>()
    };
    writer.checkpointed(8, 0);
    assert_eq!(recorded(&mut writer), [4, 5, 6, 7, 8, 9]);
    let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(scene.journal()).unwrap());
    let before = inode();
    writer.checkpointed(9, 0);
    assert_eq!(inode(), before, "there is nothing that could go");
    drop(writer);
    let mut writer = scene.open();
    assert_eq!(
        writer.owed(3, 9).unwrap().epochs.iter().map(|owed| owed.epoch).collect::<Vec<_>>(),
        [4, 5, 6, 7, 8, 9]
    );
    writer.advance(3, 9).unwrap();
    writer.checkpointed(10, 0);
    assert_eq!(recorded(&mut writer), [8, 9]);
}

#[test]
fn one_hand_commits_while_the_other_publishes() {
    let scene = Scene::new();
    let (mut journal, mut outbox) = share(scene.open(), Trouble::default());
    let outbox: &mut dyn Outbox = &mut outbox;
    journal.commit(&epoch(1, 10)).unwrap();
    journal.commit(&epoch(2, 20)).unwrap();
    outbox.confirm(1).unwrap();
    let stretch = outbox.owed(0, 2).unwrap();
    assert_eq!(
        (stretch.epochs.len(), stretch.through, outbox.backlog(0, 2).unwrap().records),
        (2, 2, 2)
    );
    assert_eq!((outbox.advance(0, 1).unwrap(), journal.progress().published), (1, 1));
    journal.commit(&epoch(3, 30)).unwrap();
    assert_eq!((journal.job(), outbox.backlog(1, 3).unwrap().records), ("campaign", 2));
    drop(journal);
    assert!(scene.refused().contains("runs already"), "who still publishes has the job");
}

#[test]
fn an_erasure_that_was_interrupted_is_carried_out_at_the_next_start() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    writer.commit(&epoch(2, 20)).unwrap();
    let history = writer.history().unwrap().identity;
    drop(writer);
    let erasure = Erasure { customer: 1, until: 100, decisions: 1, ..Erasure::default() };
    let erasing = EpochResults { erasures: vec![erasure], ..epoch(3, 30) };
    // As far as the commit: the epoch's file, and its line.
    let file = scene.files().write(&erasing, 3, history).unwrap();
    let names = TopicNames::own(Topic::ids());
    let line = JournalRecord::Epoch(Box::new(Epoch {
        epoch: 3,
        incarnation: 1,
        offsets: offsets_by_name(&erasing.closed.offsets, &names),
        digest: hexadecimal(&erasing.digest),
        running: 3,
        file: Some(file),
        erased: vec![(1, 100)],
        ..Epoch::default()
    }));
    let mut content = fs::read(scene.journal()).unwrap();
    content.extend(line.to_line());
    fs::write(scene.journal(), content).unwrap();
    assert!(fs::read_to_string(scene.file(1)).unwrap().contains("\"d-1\""));

    let mut writer = scene.open();
    assert!(!fs::read_to_string(scene.file(1)).unwrap().contains("\"d-1\""));
    assert!(fs::read_to_string(scene.file(2)).unwrap().contains("\"d-2\""));
    let owed = writer.owed(0, 3).unwrap().epochs;
    let decided = owed.iter().flat_map(|owed| owed.notices.all::<Decision>());
    let decided: Vec<i64> = decided.map(|decision| decision.customer).collect();
    assert_eq!(decided, [2], "nor is it published");
    let journal = fs::read_to_string(scene.journal()).unwrap();
    assert!(!journal.contains("erased") && !journal.contains("\"d-1\""), "{journal}");
    writer.commit(&epoch(4, 40)).unwrap();
}

#[test]
fn whoever_only_looks_disturbs_nobody() {
    let scene = Scene::new();
    assert_eq!(inspect(&scene.folder(), "campaign", &scene.settings().topics).unwrap(), None);
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    assert_eq!(
        inspect(&scene.folder(), "campaign", &scene.settings().topics)
            .unwrap()
            .map(|(progress, _)| progress.epoch),
        Some(1)
    );
    writer.commit(&epoch(2, 20)).unwrap();
}

#[test]
fn jobs_of_two_names_share_nothing_in_the_same_folders() {
    let scene = Scene::new();
    let other_folder = scene.folder.path().join("checkpoints/other");
    let location = Location::Folder(scene.folder.path().join("checkpoints"));
    let of_other = Checkpoints::open(
        &location,
        "other",
        crate::campaign::fingerprint::of(&Settings::default()),
    )
    .expect("a store");
    let other = || {
        let files = ChangeFiles::new(
            &scene.folder.path().join("files"),
            PostgresSettings { job: "other".to_string(), ..of_campaign(|_| {}) },
        );
        JournalWriter::open(
            JournalSettings::new("other", other_folder.clone()),
            of_other.clone(),
            Some(files),
        )
        .expect("a writer")
    };
    let mut first = scene.open();
    for number in 1..=2 {
        first.commit(&epoch(number, 10)).unwrap();
    }
    save(&scene, 2);
    let mut second = other();
    assert_eq!(second.progress().epoch, 0);
    for number in 1..=3 {
        second.commit(&epoch(number, 10)).unwrap();
    }
    assert!(of_other.list().unwrap().is_empty());
    of_other.erase_before(u64::MAX).unwrap();
    second.forget(&starts(), &TopicUuids::UNKNOWN).unwrap();
    drop((first, second));
    assert_eq!(checkpoints(scene.folder.path()).list().unwrap().len(), 1);
    assert_eq!((scene.open().progress().epoch, other().progress().epoch), (2, 0));
    assert!(scene.file(2).exists());
}

#[test]
fn a_topic_that_was_made_anew_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    let ids = |id| TopicUuids::UNKNOWN.with(Topic::Rewards.id(), TopicUuid::of(1, id));
    let open = |now, anew| {
        let settings = JournalSettings { now, anew, ..scene.settings() };
        JournalWriter::open(settings, checkpoints(scene.folder.path()), Some(scene.files()))
    };
    let mut writer = open(ids(1), false).expect("a new job");
    assert_eq!(writer.topic_ids().unwrap(), TopicUuids::UNKNOWN);
    writer.set_topic_ids(&ids(1)).unwrap();
    writer.commit(&epoch(1, 10)).unwrap();
    drop(writer);
    let before = fs::read(scene.journal()).unwrap();
    let refused = open(ids(2), false).err().expect("another topic").to_string();
    assert!(
        refused.contains("topic `rewards` was deleted and made anew")
            && refused.contains("--rebuild"),
        "{refused}"
    );
    assert_eq!(fs::read(scene.journal()).unwrap(), before);
    let read =
        inspect(&scene.folder(), "campaign", &scene.settings().topics).unwrap().expect("a journal");
    assert_eq!((read.0.epoch, read.1), (1, ids(1)));

    let mut writer = open(TopicUuids::UNKNOWN, true).expect("it is made anew");
    writer.forget(&[(Topic::Rewards.id(), 0, 0)], &ids(2)).unwrap();
    drop(writer);
    let mut writer = open(ids(2), false).expect("the new topic is the one that is read");
    assert_eq!(
        (writer.progress().epoch, writer.starts().unwrap()),
        (0, Some(vec![(Topic::Rewards.id(), 0, 0)]))
    );
}

#[test]
fn settings_come_back_and_outlive_that_the_journal_is_written_anew() {
    let scene = Scene::new();
    let mut writer = scene.open();
    let of = |ridge: f64| serde_json::json!({ "ridge": ridge });
    assert!(
        writer.apply(&of(1.0)).unwrap()
            && writer.apply(&of(2.0)).unwrap()
            && !writer.apply(&of(2.0)).unwrap()
    );
    writer.commit(&epoch(1, 1)).unwrap();
    assert!(writer.apply(&of(0.1 + 0.2)).unwrap());
    drop(writer);
    let recorded = |writer: &mut JournalWriter| -> Vec<(u64, f64)> {
        writer
            .applied()
            .unwrap()
            .0
            .iter()
            .map(|applied| (applied.since, applied.settings["ridge"].as_f64().unwrap()))
            .collect()
    };
    let mut writer = scene.open();
    assert_eq!(recorded(&mut writer), [(1, 2.0), (2, 0.1 + 0.2)]);
    writer.forget(&[], &TopicUuids::UNKNOWN).unwrap();
    drop(writer);
    assert_eq!(recorded(&mut scene.open()), []);
}

#[test]
fn a_journal_of_the_format_before_goes_on_in_this_one() {
    let scene = Scene::new();
    let old = [
        JournalRecord::Journal { format: 1, job: "campaign".to_string(), files: true },
        JournalRecord::Start { incarnation: 4 },
    ];
    fs::create_dir_all(scene.folder()).unwrap();
    fs::write(scene.journal(), old.iter().flat_map(JournalRecord::to_line).collect::<Vec<_>>())
        .unwrap();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    assert_eq!(writer.progress().incarnation, 5);
    drop(writer);
    let now = String::from_utf8(fs::read(scene.journal()).unwrap()).unwrap();
    assert!(now.contains(&format!("\"format\":{}", record::FORMAT)), "{now}");
    assert_eq!(scene.open().progress().epoch, 1);
}
