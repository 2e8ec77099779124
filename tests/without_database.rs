//! The long-running job without a database: progress in a journal beside the checkpoints, and the
//! changes of each epoch in a file, or nowhere. Killed again and again, it is given every kind of
//! trouble; in the end the files must come to what a replay of the topics gives.

mod folding;
mod scene;

use crate::services::topics::read_all;
use crate::services::{Job, Stage, eventually, field, program, text};
use crate::trial::layout::{Layout, log};
use crate::trial::population::Population;
use crate::trial::{Producer, Subject};
use folding::{predictions, same_decisions, same_epochs, same_features, same_model};
use scene::{Scene, signal};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// A table's rows by their keys.
type Rows = BTreeMap<String, Map<String, Value>>;

#[test]
fn killed_again_and_again_the_files_come_to_what_a_replay_gives() {
    let Some(mut scene) = Scene::set("files", 41, true) else { return };
    scene.start("2").kill();
    scene.pad();
    let mut marks = BTreeMap::new();
    for (round, workers) in ["1", "3", "2", "1"].into_iter().enumerate() {
        let (job, before) = (scene.start(workers), scene.last());
        if round > 0 {
            scene.await_checkpoint(before);
        }
        if round % 2 == 0 {
            scene.kill_between(job)
        } else {
            scene.kill_within(job)
        }
        if round == 1 {
            scene.tear();
        }
        let now = scene.marks();
        assert!(
            marks.iter().all(|(epoch, mark)| now.get(epoch) == Some(mark)),
            "a file of a committed epoch was written again"
        );
        marks = now;
    }
    let job = scene.start("2");
    assert_eq!(scene.incarnation(), 6);
    scene.send(200);
    scene.await_all();
    let now = scene.marks();
    assert!(
        marks.iter().all(|(epoch, mark)| now.get(epoch) == Some(mark)),
        "a file of a committed epoch was written again"
    );
    same_decisions(&scene, &scene.lines());

    // An erasure takes the customer out of every older file.
    let erasure = scene.population.erasure();
    let customer = erasure[0].customer;
    scene.producer.send(&scene.stage, &erasure);
    scene.producer.flush();
    scene.await_all();
    let erased = scene.last();
    eventually("older files are rewritten", || {
        scene.marks().iter().any(|(epoch, mark)| *epoch < erased && now.get(epoch) != Some(mark))
    });
    scene.send(100);
    scene.await_all();
    let digest = scene.end(job);
    let lines = scene.lines();
    assert!(
        lines.iter().any(|line| line["table"] == "erasures" && line["customer_id"] == customer),
        "the report stays"
    );
    same_features(&scene, &lines);
    same_model(&scene, &lines);
    same_epochs(&scene, &lines, &digest);
    let log = scene.stage.log();
    assert!(!log.contains("ERROR") && log.contains("The checkpoint is loaded."), "{log}");
}

#[test]
fn without_any_sink_a_killed_job_learns_what_a_replay_learns() {
    let Some(mut scene) = Scene::set("none", 43, false) else { return };
    for workers in ["2", "1", "3"] {
        let (job, before) = (scene.start(workers), scene.last());
        scene.await_checkpoint(before);
        scene.kill_within(job);
        scene.tear();
    }
    let pair = Layout::of(2, 1).start(&scene.stage, "pair");
    eventually("both processes read", || {
        (0..2).all(|process| log(&scene.stage, "pair", process).contains("The job begins to read."))
    });
    scene.send(100);
    scene.await_all();
    pair.into_iter().for_each(Job::kill);
    scene.tear();
    let job = scene.start("1");
    assert!(scene.stage.log().contains("written by half"), "{}", scene.stage.log());
    scene.send(100);
    let erasure = scene.population.erasure();
    scene.producer.send(&scene.stage, &erasure);
    scene.await_all();
    scene.end(job);
    assert!(!predictions(&scene).is_empty());
    assert!(!scene.stage.path("files").exists());
    let listed = scene.stage.sluice(&["checkpoint", "list", text(&scene.stage.config())]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("complete"), "{listed:?}");
    let checked = scene.stage.sluice(&["check", text(&scene.stage.config())]);
    let said = String::from_utf8_lossy(&checked.stdout).to_string();
    assert!(
        said.contains("ok    progress")
            && said.contains(&format!("epoch {} is committed", scene.last())),
        "{said}"
    );
    let verified = program()
        .args(["verify", text(&scene.stage.config())])
        .output()
        .expect("the program can be started");
    assert_eq!(verified.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&verified.stderr).contains("postgres.url"), "{verified:?}");
}

#[test]
fn a_second_job_is_refused_and_takes_over_once_the_first_is_killed() {
    let Some(mut scene) = Scene::set("second", 47, true) else { return };
    let first = scene.start("2");
    scene.send(100);
    scene.await_all();
    let second = program()
        .arg("run")
        .arg(scene.stage.config())
        .output()
        .expect("the program can be started");
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr).to_string();
    assert!(
        said.contains("error: job `campaign` runs already")
            && said.contains(&format!("process {}", first.id())),
        "{said}"
    );
    assert_eq!(scene.incarnation(), 1, "it has changed nothing");
    // One that hangs is killed by whoever keeps it running, stopped as it is.
    scene.send(100);
    scene.await_all();
    signal(&first, "-STOP");
    first.kill();
    let third = scene.start("1");
    scene.send(100);
    scene.await_all();
    assert_eq!(scene.incarnation(), 2);
    scene.end(third);
}
