//! A journal that is not what was written: what was written by half is cut off, and everything else
//! refused by name.

use super::*;

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
