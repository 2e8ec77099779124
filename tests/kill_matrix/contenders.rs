//! Two jobs of one name, and jobs that hang.

use super::scene::Scene;
use crate::services::Job;
use crate::trial::layout::{Layout, log};

#[test]
fn of_two_jobs_of_one_name_the_elder_is_fenced_and_says_so() {
    let Some((mut scene, mut elder)) = Scene::running("fenced", 3, true, Layout::of(1, 2)) else {
        return;
    };
    scene.send(150);
    scene.await_all();
    let younger = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    assert_eq!(elder.remove(0).wait(), Some(3));
    let said = log(&scene.stage, "first", 0);
    let error = said.lines().last().unwrap_or_default();
    assert!(
        error.starts_with("error: job `campaign` was taken over by another instance"),
        "{said}"
    );
    scene.await_all();
    scene.end(younger);
}

/// Stops one of two processes, and shows that the other ends by itself.
fn hang(name: &str, stopped: usize) {
    let Some((mut scene, mut jobs)) = Scene::running(name, 5, true, Layout::of(2, 1)) else {
        return;
    };
    scene.send(150);
    scene.await_all();
    signal(&jobs[stopped], "-STOP");
    scene.send_trouble();
    let hung = jobs.remove(stopped);
    assert_eq!(jobs.remove(0).wait(), Some(1), "the other process ends by itself");
    let said = log(&scene.stage, "first", 1 - stopped);
    assert!(said.contains("a worker of the job hangs"), "{said}");
    hung.kill();
    let jobs = Layout::of(2, 2).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.await_all();
    scene.end(jobs);
}

fn signal(job: &Job, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &job.id().to_string()])
        .status()
        .expect("kill can be started");
    assert!(sent.success());
}

#[test]
fn when_the_first_process_hangs_the_second_ends_and_the_job_can_go_on() {
    hang("hangs_first", 0);
}

#[test]
fn when_the_second_process_hangs_the_first_ends_and_the_job_can_go_on() {
    hang("hangs_second", 1);
}
