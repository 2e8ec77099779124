//! Tests of several histories of one job in one place: none takes, writes over or removes what is
//! another's.

use super::*;
use crate::checkpoint::store::tests::{Stopping, in_memory};
use crate::sink::Link;
use std::fs;

/// Epochs of the checkpoints that are there of a history, newest first.
fn epochs(checkpoints: &Checkpoints) -> Vec<u64> {
    checkpoints
        .list()
        .expect("a list")
        .into_iter()
        .filter(|listed| listed.problem.is_none())
        .map(|listed| listed.epoch)
        .collect()
}

/// Two histories beside checkpoints of before there were any.
fn three(scene: &Scene) -> [Checkpoints; 3] {
    let job = scene.checkpoints();
    [job.of(Link::random()), job.of(Link::random()), job]
}

#[test]
fn histories_save_side_by_side_the_same_epochs_and_each_keeps_its_own() {
    let scene = Scene::new();
    let all = three(&scene);
    let mut benches = all.each_ref().map(|checkpoints| Bench::new(checkpoints.clone(), None));
    for epoch in 1..=4 {
        for bench in &mut benches {
            let checkpoint = if epoch == 1 {
                Checkpoint::full(1, &[1, 2])
            } else {
                Checkpoint::of(epoch, &[(1, FileKind::Delta)])
            };
            assert!(bench.save(checkpoint));
        }
    }
    for checkpoints in &all {
        assert_eq!(epochs(checkpoints), [4, 3]);
        let manifest = restored(checkpoints, 4).expect("its newest");
        assert_eq!(manifest.identity, checkpoints.identity());
        assert_eq!(
            loaded(&checkpoints.holding(&manifest), &manifest),
            BTreeMap::from([(1, vec![1, 2, 3, 4]), (2, vec![1])])
        );
    }
    let mut histories: Vec<Option<String>> = all[2]
        .histories()
        .expect("a list")
        .iter()
        .map(|history| history.history().map(str::to_string))
        .collect();
    let mut wanted = all
        .each_ref()
        .map(|checkpoints| checkpoints.identity().map(|identity| identity.short()))
        .to_vec();
    histories.sort();
    wanted.sort();
    assert_eq!(histories, wanted);

    all[0].prune(1).expect("the store works");
    all[1].clear_parts().expect("the store works");
    assert_eq!(all.each_ref().map(epochs), [vec![4], vec![4, 3], vec![4, 3]]);
    all[2].erase_before(u64::MAX).expect("the store works");
    assert_eq!(all.each_ref().map(epochs), [vec![4], vec![4, 3], vec![]]);
    all[0].erase_before(u64::MAX).expect("the store works");
    assert_eq!(all.each_ref().map(epochs), [vec![], vec![4, 3], vec![]]);
    let manifest = restored(&all[1], 4).expect("it is left alone");
    loaded(&all[1], &manifest);
}

#[test]
fn a_manifest_in_the_folder_of_another_history_is_none_of_its() {
    let scene = Scene::new();
    let [one, other, unnamed] = three(&scene);
    for checkpoints in [&one, &other, &unnamed] {
        assert!(Bench::new(checkpoints.clone(), None).save(Checkpoint::full(1, &[1])));
    }
    let path = |checkpoints: &Checkpoints| {
        scene.path(checkpoints.history().unwrap_or("")).join("manifests/00000000000000000001.json")
    };
    let texts = [&one, &other, &unnamed]
        .map(|checkpoints| fs::read(path(checkpoints)).expect("a manifest"));
    for (place, own) in [(&one, 0), (&other, 1), (&unnamed, 2)] {
        for (number, text) in texts.iter().enumerate() {
            fs::write(path(place), text).expect("a write");
            assert_eq!(
                place.manifest(1).is_ok(),
                number == own,
                "manifest {number} in place {own}"
            );
            assert_eq!(restored(place, 1).is_some(), number == own);
        }
        fs::write(path(place), &texts[own]).expect("a write");
    }
}

#[test]
fn what_named_no_history_goes_when_the_first_checkpoint_that_does_is_whole() {
    for fails in [false, true] {
        let store: Arc<dyn Store> = Arc::new(in_memory());
        let before = over(Arc::clone(&store));
        let mut bench = Bench::new(before.clone(), None);
        assert!(
            bench.save(Checkpoint::full(1, &[1, 2]))
                && bench.save(Checkpoint::of(2, &[(1, FileKind::Delta)]))
        );
        let stopping = Stopping::after(u64::MAX, Arc::clone(&store));
        let identity = Link::random();
        let own = over(Arc::clone(&stopping) as Arc<dyn Store>).of(identity);
        let mut bench = Bench::new(own.clone(), restored(&before, 2));
        assert!(bench.saved.needs_full(), "nothing is added to files that lie elsewhere");
        assert!(!bench.save(Checkpoint::of(3, &[(1, FileKind::Delta)])));
        assert_eq!((epochs(&before), epochs(&own)), (vec![2, 1], vec![]), "nothing goes before");
        if fails {
            // Two shards, each with its twin, what is shared and the manifest; and nothing more.
            stopping.changes_left.store(6, Ordering::SeqCst);
        }
        assert!(bench.save(Checkpoint::full(4, &[1, 2])));
        let own = over(Arc::clone(&store)).of(identity);
        if fails {
            assert_eq!((epochs(&before), epochs(&own)), (vec![2, 1], vec![4]));
            assert!(restored(&own, 4).is_some_and(|manifest| manifest.follows_unnamed));
            let mut bench = Bench::new(own.clone(), restored(&own, 4));
            assert!(bench.save(Checkpoint::of(5, &[(1, FileKind::Delta)])));
            assert!(bench.save(Checkpoint::of(6, &[(1, FileKind::Delta)])));
            assert!(restored(&own, 6).is_some_and(|manifest| !manifest.follows_unnamed));
        }
        assert_eq!(epochs(&before), Vec::<u64>::new());
        assert!(
            names_in(&*store).iter().all(|name| name.starts_with(&identity.short())),
            "nothing of theirs is left"
        );
    }
}

#[test]
fn checkpoints_that_named_no_history_stay_beside_one_that_does_not_go_on_from_them() {
    let scene = Scene::new();
    let [own, _, unnamed] = three(&scene);
    assert!(Bench::new(unnamed.clone(), None).save(Checkpoint::full(7, &[1])));
    let mut bench = Bench::new(own.clone(), None);
    for epoch in 1..=8 {
        assert!(bench.save(Checkpoint::full(epoch, &[1])));
    }
    assert_eq!((epochs(&own), epochs(&unnamed)), (vec![8, 7], vec![7]));
}
