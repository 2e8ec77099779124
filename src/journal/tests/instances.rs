//! One instance at a time: a second one is refused, and one that was taken over writes no more.

use super::*;

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
