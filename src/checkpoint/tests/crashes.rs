//! Tests of a process that dies between any two changes to the store: what a restart finds is
//! whole, and what it leaves behind goes away.

use super::*;
use crate::checkpoint::store::tests::{Stopping, in_memory};

/// Checkpoints before the crash, the one during which it comes, and those after the restart.
fn script() -> [Checkpoint; 4] {
    [
        Checkpoint::full(1, &[1, 2, 3]),
        Checkpoint::of(2, &[(1, FileKind::Delta)]),
        Checkpoint::of(3, &[(1, FileKind::Base), (2, FileKind::Delta)]),
        Checkpoint { erases: true, ..Checkpoint::full(4, &[1, 2, 3]) },
    ]
}

/// Runs the first `before` checkpoints undisturbed, and the next until the process dies after so
/// many changes. Whether it died.
fn die(store: &Arc<dyn Store>, before: usize, changes: u64) -> bool {
    let stopping = Stopping::after(u64::MAX, Arc::clone(store));
    let mut bench = Bench::new(over(Arc::clone(&stopping) as Arc<dyn Store>), None);
    script()[..before].iter().for_each(|checkpoint| assert!(bench.save(checkpoint.clone())));
    stopping.changes_left.store(changes, Ordering::SeqCst);
    bench.save(script()[before].clone());
    stopping.changes_left.load(Ordering::SeqCst) == 0
}

/// What a restart after epoch `at_most` finds, compared with what was written, and a checkpoint
/// that it goes on with.
fn restart(store: &Arc<dyn Store>, at_most: u64) {
    let checkpoints = over(Arc::clone(store));
    let found = restored(&checkpoints, at_most);
    if let Some(manifest) = &found {
        assert!(manifest.epoch >= at_most - 1, "the one that was whole before is still there");
        assert_eq!(loaded(&checkpoints, manifest), undisturbed(manifest.epoch));
    } else {
        assert_eq!(at_most, 1, "a checkpoint is lost");
    }
    let mut bench = Bench::new(checkpoints.clone(), found.clone());
    let full = found.is_none();
    let next = if full {
        Checkpoint::full(9, &[1, 2, 3])
    } else {
        Checkpoint::of(9, &[(3, FileKind::Delta)])
    };
    assert!(bench.save(next));
    let manifests: Vec<Manifest> = checkpoints
        .list()
        .expect("a list")
        .into_iter()
        .filter_map(|listed| listed.manifest)
        .collect();
    let named = |name: &String| {
        manifests
            .iter()
            .any(|manifest| manifest.files().any(|(_, file)| file.name == without_twins(name)))
    };
    let unnamed: Vec<String> = names_in(&**store)
        .into_iter()
        .filter(|name| !name.starts_with("manifests/") && !named(name))
        .collect();
    assert_eq!(unnamed, Vec::<String>::new(), "nothing that the crash left stays");
    assert_eq!(manifests[0].epoch, 9);
    loaded(&checkpoints, &manifests[0]);
}

/// The epochs in each shard's chain after a checkpoint, when nothing goes wrong.
fn undisturbed(epoch: u64) -> BTreeMap<u16, Vec<u64>> {
    let store: Arc<dyn Store> = Arc::new(in_memory());
    let checkpoints = over(store);
    let mut bench = Bench::new(checkpoints.clone(), None);
    script()
        .into_iter()
        .take_while(|checkpoint| checkpoint.epoch <= epoch)
        .for_each(|checkpoint| assert!(bench.save(checkpoint)));
    loaded(&checkpoints, &checkpoints.manifest(epoch).expect("it was written"))
}

#[test]
fn dying_between_any_two_changes_leaves_a_whole_checkpoint() {
    for before in 0..script().len() {
        let mut changes = 0;
        loop {
            let store: Arc<dyn Store> = Arc::new(in_memory());
            let died = die(&store, before, changes);
            restart(&store, before as u64 + 1);
            if !died {
                break;
            }
            changes += 1;
        }
        assert!(changes >= 3, "a checkpoint is at least three changes");
    }
}
