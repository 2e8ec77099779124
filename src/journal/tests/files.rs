//! Files of changes are of one history, and of one instance at a time.

use super::*;
use crate::files::changes::ChangesError;

/// The identity that the first line of an epoch's file names.
fn named(scene: &Scene, epoch: u64) -> String {
    let text = fs::read_to_string(scene.file(epoch)).expect("a file");
    let head: serde_json::Value =
        serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&head["table"], &head["epoch"]), (&"epochs".into(), &epoch.into()));
    head["identity"].as_str().expect("an identity").to_string()
}

fn anew(scene: &Scene) -> Result<JournalWriter, JournalError> {
    let settings = JournalSettings { anew: true, ..scene.settings() };
    JournalWriter::open(settings, checkpoints(scene.folder.path()), Some(scene.files()))
}

/// Looks whether the job can start, as a start does before it takes anything over.
fn survey(scene: &Scene, anew: bool) -> Result<(), String> {
    let settings = JournalSettings { anew, ..scene.settings() };
    let surveyed = ledger::Ledger::survey(&settings, Some(&scene.files()));
    surveyed.map(drop).map_err(|error| error.to_string())
}

#[test]
fn every_file_names_its_history() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    let identity = writer.history().unwrap().identity.to_string();
    drop(writer);
    scene.open().commit(&epoch(2, 20)).unwrap();
    assert_eq!([1, 2].map(|epoch| named(&scene, epoch)), [identity.clone(), identity.clone()]);
    let mut writer = anew(&scene).unwrap();
    writer.forget(&starts(), &TopicUuids::UNKNOWN).unwrap();
    assert!(!scene.file(2).exists(), "its own go");
    writer.commit(&epoch(1, 10)).unwrap();
    assert_ne!(named(&scene, 1), identity, "another history begins");
}

#[test]
fn nothing_is_written_beside_files_of_another_history() {
    let scene = Scene::new();
    let mut writer = scene.open();
    for number in 1..=3 {
        writer.commit(&epoch(number, 10 * number)).unwrap();
    }
    drop(writer);
    let journal = fs::read(scene.journal()).unwrap();
    let all = || [1, 2, 3].map(|epoch| fs::read(scene.file(epoch)).ok());
    let files = all();
    // The journal is lost, or another deployment has come to the files.
    fs::remove_file(scene.journal()).unwrap();
    for rebuild in [false, true] {
        let refused = survey(&scene, rebuild).expect_err("files of somebody");
        assert!(
            refused.contains("00000000000000000003.jsonl is of another history")
                && refused.contains("move the files away"),
            "{refused}"
        );
        let opened = if rebuild { anew(&scene) } else { scene.try_open() };
        assert!(matches!(
            opened.err(),
            Some(JournalError::Changes(ChangesError::OtherHistory { .. }))
        ));
        assert_eq!(all(), files);
    }
    // As the message says.
    let (folder, aside) =
        (scene.folder.path().join("files/campaign"), scene.folder.path().join("aside"));
    fs::rename(&folder, &aside).unwrap();
    survey(&scene, false).expect("nothing is in the way");
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    drop(writer);
    // One of each.
    fs::copy(aside.join("00000000000000000003.jsonl"), scene.file(3)).unwrap();
    assert!(survey(&scene, false).is_err() && scene.try_open().is_err());
    assert!(
        scene.file(3).exists(),
        "that its epoch is not committed says nothing of one of another history"
    );
    fs::remove_file(scene.file(3)).unwrap();
    // The former journal with its files again.
    fs::write(scene.journal(), journal).unwrap();
    assert!(survey(&scene, false).is_err());
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(scene.open().progress().epoch, 3);
}

#[test]
fn files_that_name_no_history_are_the_jobs_and_of_nobody_where_it_has_not_begun() {
    let scene = Scene::new();
    let mut writer = scene.open();
    writer.commit(&epoch(1, 10)).unwrap();
    drop(writer);
    fs::write(scene.file(2), "{\"table\":\"epochs\",\"epoch\":2}\n").unwrap();
    survey(&scene, false).expect("as before");
    drop(scene.open());
    assert!(!scene.file(2).exists() && scene.file(1).exists(), "its epoch is not committed");
    fs::remove_file(scene.journal()).unwrap();
    fs::write(scene.file(1), "{\"table\":\"epochs\",\"epoch\":1}\n").unwrap();
    assert!(survey(&scene, false).is_err() && scene.try_open().is_err() && scene.file(1).exists());
}

#[test]
fn what_a_rebuild_that_was_killed_has_left_of_the_former_history_goes() {
    let scene = Scene::new();
    let mut writer = scene.open();
    for number in 1..=3 {
        writer.commit(&epoch(number, 10 * number)).unwrap();
    }
    drop(writer);
    let files = [1, 2, 3].map(|epoch| fs::read(scene.file(epoch)).unwrap());
    let mut writer = anew(&scene).unwrap();
    writer.forget(&starts(), &TopicUuids::UNKNOWN).unwrap();
    drop(writer);
    for (number, content) in (1..).zip(&files) {
        fs::write(scene.file(number), content).unwrap();
    }
    survey(&scene, false).expect("they are of the history before");
    let mut writer = scene.open();
    assert!((1..=3).all(|epoch| !scene.file(epoch).exists()));
    writer.commit(&epoch(1, 10)).unwrap();
    drop(writer);
    // After that, one that is put back is another's.
    fs::write(scene.file(3), &files[2]).unwrap();
    assert!(survey(&scene, false).is_err());
}

#[test]
fn two_instances_do_not_write_files_into_one_folder() {
    let scene = Scene::new();
    let mut writer = scene.open();
    let elsewhere =
        JournalSettings::new("campaign", scene.folder.path().join("elsewhere/campaign"));
    let beside = || {
        JournalWriter::open(
            elsewhere.clone(),
            checkpoints(scene.folder.path()),
            Some(scene.files()),
        )
    };
    let refused = beside().err().expect("they are held").to_string();
    assert!(
        refused.contains("another instance writes its files of changes")
            && refused.contains("files.dir"),
        "{refused}"
    );
    writer.commit(&epoch(1, 10)).unwrap();
    drop(writer);
    assert!(
        beside().err().expect("of another history").to_string().contains("is of another history")
    );
    assert!(scene.file(1).exists());
}
