//! Records that retention took before they were read, or before they were read again.

use super::*;

/// Retention takes what a killed job would have to repeat.
fn passed(scene: &mut Scene) {
    scene.crash(5);
    topics::trim(&scene.stage.brokers, &scene.stage.topic("transactions"), scene.partition, 4);
    scene.fails(scene.stage.start_with_log(&[]), 1, "starts at offset 4, but offset 0 is wanted");
}

#[test]
fn records_that_retention_took_while_a_killed_job_was_down_are_missed_with_a_database() {
    let Some(mut scene) = Scene::set("passed") else { return };
    passed(&mut scene);
}

#[test]
fn records_that_retention_took_while_a_killed_job_was_down_are_missed_without_a_database() {
    let Some(mut scene) = Scene::set("passed_journal") else { return };
    scene.without_database();
    passed(&mut scene);
}

#[test]
fn records_that_retention_took_of_a_partition_that_no_checkpoint_knows_are_missed() {
    let Some(mut scene) = Scene::set("passed_added") else { return };
    let job = scene.start(&[]);
    scene.send(1);
    scene.settle();
    job.drain();
    scene.stage.add_partitions(2);
    (scene.partition, scene.sender) = (1, Sender::new(&scene.stage, 4));
    passed(&mut scene);
}
