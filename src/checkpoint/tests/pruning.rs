//! Tests of what is removed, and of what stays.

use super::*;
use crate::checkpoint::store::tests::Stopping;
use std::fs;

/// Names of the manifests that are there, and whether every file there is named by one of them.
fn kept(scene: &Scene) -> (Vec<u64>, bool) {
    let checkpoints = scene.checkpoints();
    let manifests: Vec<Manifest> = checkpoints
        .list()
        .expect("a list")
        .into_iter()
        .filter_map(|listed| listed.manifest)
        .collect();
    let named = |name: &String| {
        let name = without_twins(name);
        manifests.iter().any(|manifest| {
            names::manifest(manifest.epoch) == name
                || manifest.files().any(|(_, file)| file.name == name)
        })
    };
    (manifests.iter().map(|manifest| manifest.epoch).collect(), scene.names().iter().all(named))
}

#[test]
fn two_are_kept_and_what_only_older_ones_named_goes() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    for checkpoint in [
        Checkpoint::full(1, &[1, 2]),
        Checkpoint::of(2, &[(1, FileKind::Delta)]),
        Checkpoint::of(3, &[(1, FileKind::Base)]),
        Checkpoint::of(4, &[(1, FileKind::Delta)]),
    ] {
        assert!(bench.save(checkpoint));
    }
    assert_eq!(kept(&scene), (vec![4, 3], true));
    assert_eq!(
        scene.names(),
        [
            "manifests/00000000000000000003.json",
            "manifests/00000000000000000004.json",
            "shards/001/00000000000000000003-base.zst",
            "shards/001/00000000000000000004-delta.zst",
            "shards/002/00000000000000000001-base.zst",
            "shared/00000000000000000003.zst",
            "shared/00000000000000000004.zst",
            "twins/shards/001/00000000000000000003-base.zst",
            "twins/shards/001/00000000000000000004-delta.zst",
            "twins/shards/002/00000000000000000001-base.zst",
        ]
    );
}

#[test]
fn what_is_being_written_stays_and_what_a_crash_left_goes() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(5, &[1])));
    let files = [
        ("shards/001/00000000000000000004-base.zst", true),
        ("shards/001/00000000000000000005-base.zst.17-3.tmp", true),
        ("twins/shards/001/00000000000000000004-base.zst", true),
        ("twins/shards/001/00000000000000000006-base.zst", false),
        ("manifests/00000000000000000005.json.17-4.tmp", true),
        ("parts/00000000000000000005-1.json", true),
        ("shards/001/00000000000000000006-delta.zst", false),
        ("shared/00000000000000000006.zst", false),
        ("parts/00000000000000000006-1.json", false),
        ("notes.txt", false),
        ("shards/001/notes.txt", false),
    ];
    for (name, _) in files {
        fs::create_dir_all(scene.path(name).parent().expect("a folder")).expect("a folder");
        fs::write(scene.path(name), b"?").expect("a file");
    }
    scene.checkpoints().prune(2).expect("the store works");
    for (name, goes) in files {
        assert_eq!(scene.path(name).exists(), !goes, "{name}");
    }
    assert_eq!(restored(&scene.checkpoints(), 5).expect("it stays").epoch, 5);
}

#[test]
fn the_newest_complete_one_always_stays() {
    let scene = Scene::new();
    scene.checkpoints().prune(1).expect("there is nothing to do");
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(
        bench.save(Checkpoint::full(1, &[1]))
            && bench.save(Checkpoint::of(2, &[(1, FileKind::Delta)]))
    );
    fs::write(scene.path("manifests/00000000000000000003.json"), b"damaged").expect("a file");
    scene.checkpoints().prune(0).expect("the store works");
    assert_eq!(kept(&scene).0, [2]);
    assert!(
        scene.path("manifests/00000000000000000003.json").exists(),
        "it is newer than anything that can be read"
    );
    assert_eq!(
        loaded(&scene.checkpoints(), &restored(&scene.checkpoints(), 9).expect("it stays")),
        BTreeMap::from([(1, vec![1, 2])])
    );
}

#[test]
fn a_checkpoint_that_has_lost_a_file_does_not_count_as_one_that_is_kept() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(1, &[1])) && bench.save(Checkpoint::full(2, &[1])));
    fs::remove_file(scene.path("shared/00000000000000000002.zst")).expect("a removal");
    scene.checkpoints().prune(1).expect("the store works");
    assert_eq!(restored(&scene.checkpoints(), 2).expect("the complete one stays").epoch, 1);
}

#[test]
fn an_erasure_leaves_no_older_checkpoint() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(
        bench.save(Checkpoint::full(1, &[1, 2]))
            && bench.save(Checkpoint::of(2, &[(1, FileKind::Delta)]))
    );
    fs::write(scene.path("manifests/00000000000000000001.json"), b"damaged").expect("a file");
    assert!(bench.save(Checkpoint { erases: true, ..Checkpoint::full(3, &[1, 2]) }));
    assert_eq!(kept(&scene), (vec![3], true));
    assert_eq!(
        scene.names().len(),
        6,
        "a manifest, two shards, each twice, and what is shared: {:?}",
        scene.names()
    );
    assert!(bench.save(Checkpoint::of(4, &[(1, FileKind::Delta)])));
    assert_eq!(kept(&scene), (vec![4, 3], true));
}

#[test]
fn an_erasure_that_leaves_older_checkpoints_is_counted() {
    let scene = Scene::new();
    let erasing = |epoch| Checkpoint { erases: true, ..Checkpoint::full(epoch, &[1]) };
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(1, &[1])) && bench.save(erasing(2)));
    assert_eq!(bench.saved.failed_erasures(), 0);
    // A shard with its twin, what is shared and the manifest can be written, and nothing removed.
    for (epoch, changes, complete) in [(10, 4, true), (20, 3, false), (30, 0, false)] {
        let (store, before) =
            (Stopping::after(changes, scene.store()), restored(&scene.checkpoints(), u64::MAX));
        let mut bench = Bench::new(over(store.clone()), before);
        assert_eq!(bench.save(erasing(epoch)), complete, "{changes} changes");
        assert_eq!(bench.saved.failed_erasures(), 1, "{changes} changes");
        // What erases nothing fails without an erasure that did.
        store.changes_left.store(0, Ordering::Release);
        assert!(!bench.save(Checkpoint::full(epoch + 5, &[1])));
        assert_eq!(bench.saved.failed_erasures(), 1, "{changes} changes");
    }
}

#[test]
fn what_is_older_than_an_epoch_can_be_erased_and_so_can_everything() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(
        bench.save(Checkpoint::full(1, &[1, 2]))
            && bench.save(Checkpoint::of(2, &[(1, FileKind::Base)]))
    );
    scene.checkpoints().erase_before(2).expect("the store works");
    assert_eq!(kept(&scene), (vec![2], true));
    assert_eq!(
        loaded(&scene.checkpoints(), &restored(&scene.checkpoints(), 2).expect("it stays")),
        BTreeMap::from([(1, vec![2]), (2, vec![1])])
    );
    fs::write(scene.path("shared/00000000000000000009.zst"), b"begun").expect("a file");
    scene.checkpoints().erase_before(u64::MAX).expect("the store works");
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[test]
fn what_a_restart_passed_over_goes_with_the_next_checkpoint() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(
        bench.save(Checkpoint::full(4, &[1]))
            && bench.save(Checkpoint::of(8, &[(1, FileKind::Delta)]))
    );
    for folder in ["shards", "twins/shards"] {
        fs::write(scene.path(&format!("{folder}/001/00000000000000000008-delta.zst")), b"damaged")
            .expect("a file");
    }
    let restored_from = restored(&scene.checkpoints(), 8).expect("the older one");
    let mut bench = Bench::new(scene.checkpoints(), Some(restored_from));
    assert!(!bench.saved.needs_full());
    assert!(bench.save(Checkpoint::of(6, &[(1, FileKind::Delta)])));
    assert_eq!(
        restored(&scene.checkpoints(), 8).expect("a checkpoint").epoch,
        6,
        "and not the damaged one"
    );
    assert_eq!(kept(&scene).0, [6, 4]);
}
