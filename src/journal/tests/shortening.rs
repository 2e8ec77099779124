//! A journal that is written anew: what no checkpoint needs goes, what is owed or holds stays.

use super::*;

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
