//! A job whose topic of customers is compacted: killed, and the records that it has to repeat
//! removed by the broker before it starts again, it goes on as if they were there.

mod orders;
mod scene;

use crate::services::compaction::{NUDGED, compact, until_gone};
use crate::services::sender::Sender;
use crate::services::topics::PARTITIONS;
use crate::services::{Job, Stage, eventually, program};
use crate::trial::layout::{Layout, log};
use scene::{Scene, assert_verified, goes_on, undisturbed, verified};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2026-03-02T10:00Z, the instant of the first events.
const BEGIN: i64 = 1_772_445_600_000;
const MINUTE: i64 = 60_000;
/// A round in which no record is bad: whose one is that cannot be read, nobody knows.
const LAST: i64 = 9;
/// Customers of each round; the last has no profile.
const CUSTOMERS: std::ops::Range<i64> = 1..8;

const LAYOUTS: [Layout; 5] =
    [Layout::of(1, 2), Layout::of(1, 3), Layout::of(2, 1), Layout::of(1, 1), Layout::of(2, 2)];

#[test]
fn what_the_cleaner_removes_before_a_restart_is_repeated_all_the_same() {
    let Some((digest, tables)) = undisturbed("kept_wanted", LAYOUTS.len() as i64, false) else {
        return;
    };
    let Some(mut scene) = Scene::set("kept", true, false, "1h", false) else { return };
    goes_on(&mut scene, &LAYOUTS, &digest, |scene| {
        assert!(scene.stage.checkpoints().is_empty(), "no checkpoint is there to help")
    });
    assert_eq!(scene.tables(), tables);
    assert_verified(&scene);
    // What is kept is not what was written: that is said, and what is advised leads on.
    scene
        .stage
        .database()
        .batch_execute("UPDATE sluice.kept_records SET records = '{'")
        .expect("a change");
    rebuilds(&scene, "the records that were kept of epochs that are repeated cannot be read back");
}

/// The job cannot go on, and says this; made anew, as it advises, it does.
fn rebuilds(scene: &Scene, said: &str) {
    assert_eq!(scene.stage.start_with_log(&[]).wait(), Some(4));
    let log = scene.stage.log();
    assert!(log.contains(said) && log.contains("with --rebuild"), "{log}");
    let mut jobs = [scene.stage.start_reading(&["--rebuild"])];
    scene.settle(&mut jobs);
    jobs.into_iter().for_each(Job::drain);
}

#[test]
fn so_it_is_beside_checkpoints_and_what_these_cover_is_not_kept() {
    let Some((digest, tables)) = undisturbed("kept_saving_wanted", LAYOUTS.len() as i64, true)
    else {
        return;
    };
    let Some(mut scene) = Scene::set("kept_saving", true, false, "1s", true) else { return };
    goes_on(&mut scene, &LAYOUTS, &digest, |scene| {
        eventually("a checkpoint is there", || !scene.stage.checkpoints().is_empty());
    });
    assert_eq!(scene.tables(), tables);
    // Each erasure has had a checkpoint at once, after which the older ones went.
    let mut jobs = LAYOUTS[0].start(&scene.stage, "last");
    let newest = scene.stage.checkpoints().into_iter().max().expect("a checkpoint");
    scene.profiles(LAST, 0);
    scene.settle(&mut jobs);
    eventually("older checkpoints are gone", || {
        scene.stage.checkpoints().into_iter().all(|epoch| epoch > newest)
    });
    jobs.into_iter().for_each(Job::drain);
    let oldest = scene.stage.checkpoints().into_iter().min().expect("a checkpoint");
    scene
        .stage
        .wait_for(&format!("SELECT count(*) FROM sluice.kept_records WHERE epoch <= {oldest}"), 0);
    assert_verified(&scene);
}

#[test]
fn so_it_is_without_a_database() {
    let layouts = &LAYOUTS[..3];
    let Some((digest, _)) = undisturbed("kept_journal_wanted", layouts.len() as i64, false) else {
        return;
    };
    let Some(mut scene) = Scene::set("kept_journal", true, true, "1h", false) else { return };
    let kept = scene.stage.path("checkpoints").join("campaign").join("kept");
    let files = || std::fs::read_dir(&kept).map_or(0, Iterator::count);
    goes_on(&mut scene, layouts, &digest, |_| assert!(files() > 0));
    assert!(
        !log(&scene.stage, "round2-2x1", 0).contains("digest"),
        "{}",
        log(&scene.stage, "round2-2x1", 0)
    );
    for file in std::fs::read_dir(&kept).expect("a folder") {
        std::fs::write(file.expect("an entry").path(), "{").expect("it can be damaged");
    }
    rebuilds(&scene, "records that are kept of an epoch, is damaged from byte 0 on");
}

#[test]
fn topics_that_forget_nothing_are_not_kept() {
    let Some(mut scene) = Scene::set("kept_nothing", false, false, "1h", true) else { return };
    let mut jobs = Layout::of(1, 1).start(&scene.stage, "job");
    scene.events(0);
    scene.profiles(0, 0);
    scene.settle(&mut jobs);
    scene.stage.wait_for("SELECT count(*) FROM sluice.kept_records", 0);
    jobs.into_iter().for_each(Job::drain);
}

#[test]
fn what_was_read_of_a_topic_before_it_is_compacted_is_covered_at_once() {
    let Some((digest, tables)) = undisturbed("kept_late_wanted", 1, false) else { return };
    let Some(mut scene) = Scene::set("kept_late", false, false, "1h", false) else { return };
    goes_on(&mut scene, &LAYOUTS[3..4], &digest, |scene| {
        compact(&scene.stage.brokers, &scene.stage.topic("customers"));
        eventually("a checkpoint is there", || !scene.stage.checkpoints().is_empty());
    });
    assert_eq!(scene.tables(), tables);
    assert_verified(&scene);
}
