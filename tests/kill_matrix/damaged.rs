//! Checkpoints that are not what was written.

use super::scene::{Scene, drain, newest_files};
use crate::trial::layout::{Layout, log};

/// A job with two complete checkpoints, drained.
fn with_checkpoints(name: &str, seed: u64) -> Option<Scene> {
    let (mut scene, jobs) = Scene::running(name, seed, true, Layout::of(1, 2))?;
    scene.send(150);
    scene.await_all();
    scene.await_checkpoint(1);
    let first = scene.newest("manifests");
    scene.send(150);
    scene.await_all();
    drain(jobs);
    assert!(scene.newest("manifests") > first, "drained, it has left a newer one");
    Some(scene)
}

/// Damages a file of the newest checkpoint, and its twin where it has one, and shows that the
/// checkpoint before is taken, that the damaged file is named, and that all is exact.
fn go_on_from_the_older(name: &str, folder: &str, damage: impl Fn(&mut Vec<u8>)) {
    let Some(mut scene) = with_checkpoints(name, 11) else { return };
    let (epoch, files) = newest_files(&scene.stage, folder);
    let file = files.first().expect("the newest checkpoint has such a file").clone();
    let mut bytes = std::fs::read(&file).expect("the file can be read");
    damage(&mut bytes);
    let history = scene.stage.histories().pop().expect("a history");
    let twin =
        history.join("twins").join(file.strip_prefix(&history).expect("a file of the history"));
    assert_eq!(twin.exists(), folder == "shards", "{}", twin.display());
    for copy in [&file, &twin].into_iter().filter(|copy| copy.exists()) {
        std::fs::write(copy, &bytes).expect("the file can be written");
    }
    let jobs = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    scene.await_all();
    let said = log(&scene.stage, "second", 0);
    let line = said
        .lines()
        .find(|line| line.contains("A checkpoint cannot be used"))
        .unwrap_or_else(|| panic!("nothing is said: {said}"));
    let object = file.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(line.contains(object) && line.contains(&format!("epoch={epoch}")), "{line}");
    assert!(
        said.contains("The checkpoint is loaded.")
            && !said.contains(&format!("checkpoint={epoch} ")),
        "{said}"
    );
    scene.end(jobs);
}

#[test]
fn a_shortened_file_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("shortened", "shards", |bytes| bytes.truncate(bytes.len() / 2));
}

#[test]
fn a_file_with_one_other_bit_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("flipped", "shared", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
}

#[test]
fn a_manifest_that_is_none_is_named_and_the_checkpoint_before_it_taken() {
    go_on_from_the_older("manifest", "manifests", |bytes| bytes.truncate(bytes.len() - 2));
}

#[test]
fn checkpoints_of_another_history_are_passed_over() {
    let Some(other) = with_checkpoints("foreign_from", 13) else { return };
    let Some(mut scene) = with_checkpoints("foreign_to", 12) else { return };
    let [from, to] =
        [&other.stage, &scene.stage].map(|stage| stage.path("checkpoints").join("campaign"));
    std::fs::remove_dir_all(&to).expect("a folder can be removed");
    std::fs::rename(from, &to).expect("a folder can be moved");
    let jobs = Layout::of(1, 1).start(&scene.stage, "second");
    scene.stage.wait_for("SELECT incarnation FROM sluice.progress", 2);
    scene.send_trouble();
    scene.await_all();
    let said = log(&scene.stage, "second", 0);
    assert!(
        said.contains("are passed over: they are of another history")
            && said.contains("checkpoint=0 "),
        "{said}"
    );
    assert!(!said.contains("The checkpoint is loaded."), "{said}");
    scene.end(jobs);
}
