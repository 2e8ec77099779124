//! Checkpoints that cannot be read, or not be written.

use super::*;

#[test]
fn a_checkpoint_that_cannot_be_read_is_named() {
    let Some(mut scene) = Scene::set("unreadable") else { return };
    let job = scene.start(&[]);
    scene.send(3);
    scene.settle();
    job.drain();
    let manifest = scene.stage.manifests().pop().expect("a checkpoint");
    let length = std::fs::metadata(&manifest).expect("it is there").len();
    std::fs::write(&manifest, vec![0; length as usize]).expect("nothing of it is left");
    let name = manifest.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_string();
    let said = |command: &str| {
        let output = program()
            .args(["checkpoint", command])
            .arg(scene.stage.config())
            .output()
            .expect("the program can be started");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert!(
        said("inspect")
            .contains("no checkpoint that can be used; `sluice checkpoint list` says why"),
        "{}",
        said("inspect")
    );
    assert!(
        said("list").contains("CANNOT BE USED") && said("list").contains(&name),
        "{}",
        said("list")
    );
    // Everything is committed: the job goes on from its first records, and what could not be read
    // is no failure.
    let job = scene.start(&[]);
    scene.send(1);
    scene.settle();
    job.drain();
    let log = scene.stage.log();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains(&name)), "{log}");
}

#[test]
fn checkpoints_that_cannot_be_written_are_told_and_a_last_one_is_no_drain() {
    let Some(mut scene) = Scene::set("unsaved") else { return };
    let toml = std::fs::read_to_string(scene.stage.config()).expect("the configuration");
    std::fs::write(scene.stage.config(), toml.replace("interval = \"1h\"", "interval = \"1s\""))
        .expect("the configuration can be written");
    let job = scene.start(&[]);
    scene.send(3);
    scene.settle();
    let (folder, aside) = (scene.stage.path("checkpoints"), scene.stage.path("aside"));
    eventually("there is a checkpoint", || !scene.stage.checkpoints().is_empty());
    // Nobody writes into the folder while it goes: what is committed is in a checkpoint.
    let console = Console::of(&scene.stage);
    std::fs::rename(&folder, &aside).expect("the folder goes");
    std::fs::write(&folder, "no folder").expect("a file in its place");
    let stalled = |holds: u8| {
        console
            .get("/metrics")
            .1
            .contains(&format!("\nsluice_stalled{{cause=\"checkpoints\"}} {holds}\n"))
    };
    assert!(stalled(0));
    scene.send(1);
    eventually("it is told", || stalled(1));
    let (code, body) = console.get("/readyz");
    assert!(
        code == 200
            && body.contains("checkpoints cannot be written")
            && body.contains(folder.to_str().expect("UTF-8")),
        "{code} {body}"
    );
    eventually("the log says it", || scene.stage.log().contains("Checkpoints cannot be written: "));
    std::fs::remove_file(&folder).expect("the file goes");
    std::fs::rename(&aside, &folder).expect("the folder is back");
    scene.send(1);
    eventually("it is over", || stalled(0));
    eventually("the log says that too", || {
        scene.stage.log().contains("A checkpoint is complete again")
    });
    std::fs::rename(&folder, &aside).expect("the folder goes");
    std::fs::write(&folder, "no folder").expect("a file in its place");
    scene.send(1);
    job.terminate();
    scene.fails(job, 1, "the last checkpoint, of epoch");
    // Nor does a job begin where its checkpoints cannot be looked for.
    scene.fails(scene.stage.start_with_log(&[]), 1, "cannot be listed");
}
