//! A disk of the journal that has no room: told, and waited for.

use super::*;

/// A small file system of its own in a folder, for as long as this is there.
struct Mounted(std::path::PathBuf);

impl Mounted {
    /// `None`, and says so, where this user may not mount.
    fn at(folder: std::path::PathBuf) -> Option<Mounted> {
        std::fs::create_dir_all(&folder).expect("a folder");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&folder)
            .output();
        let is_mounted = mount.is_ok_and(|output| output.status.success());
        if !is_mounted {
            eprintln!("left out: this user may not mount");
        }
        is_mounted.then_some(Mounted(folder))
    }

    /// A file that takes all the room that is left.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.join("filled");
        let mut file = std::fs::File::create(&path).expect("a file");
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_of_the_journal_without_room_is_told_and_waited_for() {
    let Some(mut scene) = Scene::set("full") else { return };
    scene.without_database();
    let Some(disk) = Mounted::at(scene.stage.path("checkpoints")) else { return };
    let job = scene.start(&[]);
    scene.send(2);
    scene.settle();
    let console = Console::of(&scene.stage);
    let filled = disk.fill();
    // What cannot be taken goes into the journal as it is: a page and more.
    let rubbish = "rubbish ".repeat(1_000);
    scene.sender.send(
        &scene.stage.topic("rewards"),
        0,
        Some(b"1"),
        Some(rubbish.as_bytes()),
        1_709_251_200_000,
    );
    scene.send(1);
    eventually("it is told", || {
        stalls(
            console,
            "journal",
            &["the epoch waits for the journal", "journal.log", "No space left"],
        )
    });
    eventually("the log says it", || scene.stage.log().contains("cause=\"journal\""));
    std::fs::remove_file(filled).expect("there is room");
    scene.settle();
    eventually("it keeps up", || console.get("/readyz") == (200, "ready\n".to_string()));
    job.kill();
    // Nothing by half is left, and nothing twice.
    let job = scene.start(&[]);
    scene.send(1);
    scene.settle();
    job.drain();
    assert!(!scene.stage.log().contains("was written by half"), "{}", scene.stage.log());
}
