//! Tests of what a saver makes of the pieces that it is given.

use super::*;
use crate::checkpoint::store::StoredFile;
use crate::checkpoint::store::tests::{Stopping, in_memory};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread;

/// Long enough for any machine, and only waited for when something is wrong.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn chains_are_a_base_and_what_came_after_it() {
    for store in [Arc::new(in_memory()) as Arc<dyn Store>, Scene::new().store()] {
        let checkpoints = over(store);
        let mut bench = Bench::new(checkpoints.clone(), None);
        assert!(bench.saved.needs_full());
        assert!(bench.save(Checkpoint::full(3, &[1, 5, 255])));
        assert!(!bench.saved.needs_full());
        assert!(bench.save(Checkpoint::of(5, &[(1, FileKind::Delta), (5, FileKind::Delta)])));
        assert!(bench.save(Checkpoint::of(
            8,
            &[(1, FileKind::Delta), (5, FileKind::Base), (7, FileKind::Base)]
        )));
        let manifest = restored(&checkpoints, 8).expect("a checkpoint");
        assert_eq!(
            loaded(&checkpoints, &manifest),
            BTreeMap::from([(1, vec![3, 5, 8]), (5, vec![8]), (7, vec![8]), (255, vec![3])])
        );
        assert_eq!(
            (manifest.longest_chain(), manifest.customers, manifest.digest),
            (3, 9, [7; 32])
        );
        assert_eq!(
            manifest.offsets,
            [(Topic::Transactions.id(), 0, 80), (Topic::Rewards.id(), 2, 5)]
        );
        assert_eq!(
            loaded(&checkpoints, &restored(&checkpoints, 7).expect("the one before"))[&1],
            [3, 5]
        );
        assert!(bench.save(Checkpoint::full(9, &[1])));
        assert_eq!(
            loaded(&checkpoints, &restored(&checkpoints, 9).expect("a checkpoint")),
            BTreeMap::from([(1, vec![9])])
        );
    }
}

#[test]
fn a_checkpoint_is_there_only_after_its_epochs_commit() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    bench.committed.store(2, Ordering::Release);
    assert!(!bench.save(Checkpoint::full(3, &[1])));
    assert!(bench.assembly.is_busy() && restored(&scene.checkpoints(), u64::MAX).is_none());
    bench.committed.store(3, Ordering::Release);
    bench.assembly.poll();
    assert!(!bench.assembly.is_busy() && restored(&scene.checkpoints(), 3).is_some());
}

#[test]
fn what_the_tables_hold_comes_back_in_order_and_goes_with_its_checkpoint() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    let pieces = |epoch| {
        (0..12u8).map(move |number| Piece::Tables {
            epoch,
            number: number.into(),
            bytes: vec![number; 9],
        })
    };
    let of = |epoch: u64| {
        scene
            .names()
            .into_iter()
            .filter(|name| name.starts_with(&format!("tables/{epoch:020}-")))
            .count()
    };
    pieces(3).for_each(|piece| bench.assembly.take(piece));
    assert!(bench.save(Checkpoint::full(3, &[1])));
    let manifest = restored(&scene.checkpoints(), 3).expect("a checkpoint");
    let read: Vec<_> = manifest
        .tables
        .iter()
        .map(|file| scene.checkpoints().read(file).expect("a file").to_vec())
        .collect();
    assert_eq!(read, (0..12u8).map(|number| vec![number; 9]).collect::<Vec<_>>());
    for epoch in [4, 5] {
        pieces(epoch).for_each(|piece| bench.assembly.take(piece));
        assert!(bench.save(Checkpoint::of(epoch, &[(1, FileKind::Delta)])));
    }
    assert_eq!([3, 4, 5].map(of), [0, 12, 12], "two checkpoints are kept");
    std::fs::remove_file(scene.path("tables/00000000000000000005-7.zst")).expect("a file");
    assert_eq!(
        restored(&scene.checkpoints(), u64::MAX).map(|manifest| manifest.epoch),
        Some(4),
        "one that lacks some is not taken"
    );
}

#[test]
fn changes_without_what_they_add_to_are_refused() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(!bench.save(Checkpoint::of(1, &[(1, FileKind::Delta)])));
    assert!(
        !bench.save(Checkpoint::of(2, &[(1, FileKind::Base)])),
        "bases of some shards are not all"
    );
    assert!(bench.save(Checkpoint::full(3, &[1])));
    assert!(!bench.save(Checkpoint::of(4, &[(2, FileKind::Delta)])), "shard 2 has no base");
    assert!(bench.saved.needs_full());
    assert!(bench.save(Checkpoint::full(5, &[1, 2])));
    assert_eq!(
        loaded(&scene.checkpoints(), &restored(&scene.checkpoints(), 5).expect("a checkpoint")),
        BTreeMap::from([(1, vec![5]), (2, vec![5])])
    );
}

#[test]
fn a_shard_comes_once_and_is_one_of_those_there_are() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(1, &[1, 255])));
    assert!(!bench.save(Checkpoint::full(2, &[1, 2, 1])), "one would have overwritten the other");
    assert!(!bench.save(Checkpoint::full(3, &[256])));
    assert_eq!(restored(&scene.checkpoints(), 3).expect("the one before").epoch, 1);
}

#[test]
fn a_later_checkpoint_abandons_the_one_that_is_not_finished() {
    let scene = Scene::new();
    let mut bench = Bench::new(scene.checkpoints(), None);
    assert!(bench.save(Checkpoint::full(1, &[1, 2])));
    let mut unfinished = Checkpoint::of(2, &[(1, FileKind::Delta), (2, FileKind::Delta)]).pieces();
    let late = unfinished.remove(1);
    unfinished.remove(1);
    unfinished.into_iter().for_each(|piece| bench.assembly.take(piece));
    assert!(
        !bench.save(Checkpoint::of(3, &[(1, FileKind::Delta)])),
        "what changed up to epoch 2 would be missing"
    );
    assert_eq!(
        (bench.saved.newest(), bench.saved.abandoned(), bench.saved.is_settled(3)),
        (1, 3, true)
    );
    bench.assembly.take(late);
    assert!(!bench.assembly.is_busy(), "a late piece begins nothing");
    assert!(bench.save(Checkpoint::full(4, &[1, 2])));
}

#[test]
fn a_store_that_fails_costs_a_checkpoint_and_the_next_one_is_full() {
    let scene = Scene::new();
    let failing = Stopping::after(u64::MAX, scene.store());
    let mut bench = Bench::new(over(Arc::clone(&failing) as Arc<dyn Store>), None);
    assert!(bench.save(Checkpoint::full(1, &[1])));
    failing.changes_left.store(1, Ordering::SeqCst);
    assert!(!bench.save(Checkpoint::of(2, &[(1, FileKind::Delta)])));
    assert_eq!(
        (bench.saved.newest(), bench.saved.abandoned(), bench.saved.needs_full()),
        (1, 2, true)
    );
    failing.changes_left.store(u64::MAX, Ordering::SeqCst);
    assert!(bench.save(Checkpoint::full(3, &[1])));
    assert!(!bench.saved.needs_full());
    assert_eq!(
        scene.names().iter().filter(|name| name.contains("00000000000000000002")).count(),
        0,
        "leftovers are gone"
    );
}

#[test]
fn a_write_is_tried_several_times() {
    /// Fails every second write.
    struct Hiccup(Arc<dyn Store>, AtomicU64);
    impl Store for Hiccup {
        fn address(&self) -> String {
            self.0.address()
        }
        fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
            match self.1.fetch_add(1, Ordering::SeqCst) % 2 {
                0 => Err(CheckpointError::Store {
                    object: files[0].0.clone(),
                    done: "written",
                    source: "a hiccup".into(),
                }),
                _ => self.0.put(files),
            }
        }
        fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError> {
            self.0.get(name, at_most)
        }
        fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError> {
            self.0.list(folder)
        }
        fn delete(&self, names: &[String]) -> Result<(), CheckpointError> {
            self.0.delete(names)
        }
    }
    let scene = Scene::new();
    let checkpoints = over(Arc::new(Hiccup(scene.store(), AtomicU64::new(0))));
    let saver = Saver::start(
        checkpoints,
        SaverSettings { tries: 2, ..settings() },
        Arc::new(AtomicU64::new(1)),
        None,
    )
    .expect("a thread");
    Checkpoint::full(1, &[1, 2]).pieces().into_iter().for_each(|piece| offer(&saver, piece));
    saver.finish(LONG).expect("it is saved");
    assert!(restored(&scene.checkpoints(), 1).is_some());
}

/// Hands over a piece when there is room.
fn offer(saver: &Saver, piece: Piece) {
    while !saver.intake().has_room() {
        thread::yield_now();
    }
    saver.intake().hand(piece);
}

fn process(scene: &Scene, process: usize, committed: &Arc<AtomicU64>) -> Saver {
    let settings = SaverSettings { process, processes: 2, ..settings() };
    Saver::start(scene.checkpoints(), settings, Arc::clone(committed), None).expect("a thread")
}

#[test]
fn two_processes_make_one_checkpoint() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("parts")).expect("a folder");
    std::fs::write(scene.path("parts/00000000000000000004-1.json"), "of an earlier start")
        .expect("a file");
    let committed = Arc::new(AtomicU64::new(0));
    let savers = [process(&scene, 0, &committed), process(&scene, 1, &committed)];
    let pieces = Checkpoint::full(4, &[10, 11, 12, 13]).pieces();
    for piece in pieces {
        match &piece {
            Piece::Shard { shard, .. } => offer(&savers[usize::from(shard % 2)], piece),
            Piece::Shared(_) | Piece::Tables { .. } => offer(&savers[0], piece),
            Piece::WorkerDone { .. } => savers.iter().for_each(|saver| offer(saver, piece.clone())),
        }
    }
    let [first, second] = savers;
    second.finish(LONG).expect("it is saved");
    assert!(restored(&scene.checkpoints(), 4).is_none(), "not yet committed");
    committed.store(4, Ordering::Release);
    first.finish(LONG).expect("it is saved");
    let manifest = restored(&scene.checkpoints(), 4).expect("a checkpoint");
    assert_eq!(
        loaded(&scene.checkpoints(), &manifest),
        BTreeMap::from([10, 11, 12, 13].map(|shard| (shard, vec![4])))
    );
    assert!(!scene.names().iter().any(|name| name.starts_with("parts/")), "{:?}", scene.names());
}

#[test]
fn a_process_that_fails_tells_the_first() {
    let scene = Scene::new();
    let committed = Arc::new(AtomicU64::new(4));
    let savers = [process(&scene, 0, &committed), process(&scene, 1, &committed)];
    offer(&savers[0], Piece::Shared(Box::new(Checkpoint::full(4, &[1]).shared())));
    offer(&savers[0], Piece::WorkerDone { epoch: 4, worker: 0, longest: Pause::default() });
    offer(
        &savers[1],
        Piece::Shard { epoch: 4, shard: 1, kind: FileKind::Delta, customers: 1, bytes: Vec::new() },
    );
    let [first, second] = savers;
    let saved = [Arc::clone(first.saved()), Arc::clone(second.saved())];
    let said = |saver: Saver| {
        saver.finish(LONG).expect_err("the last checkpoint is abandoned").to_string()
    };
    let (second, first) = (said(second), said(first));
    assert!(second.contains("of epoch 4, could not be written: it holds only changes"), "{second}");
    assert!(first.contains("process 1 could not write its part: it holds only changes"), "{first}");
    assert_eq!(saved.map(|saved| (saved.newest(), saved.abandoned())), [(0, 4), (0, 4)]);
}

#[test]
fn a_saver_that_panics_says_so() {
    struct Rotten;
    impl Store for Rotten {
        fn address(&self) -> String {
            "nowhere".to_string()
        }
        fn put(&self, _: &[(String, Bytes)]) -> Result<(), CheckpointError> {
            panic!("the pack is rotten")
        }
        fn get(&self, _: &str, _: u64) -> Result<Bytes, CheckpointError> {
            Ok(Bytes::new())
        }
        fn list(&self, _: &str) -> Result<Vec<StoredFile>, CheckpointError> {
            Ok(Vec::new())
        }
        fn delete(&self, _: &[String]) -> Result<(), CheckpointError> {
            Ok(())
        }
    }
    let saver = Saver::start(over(Arc::new(Rotten)), settings(), Arc::new(AtomicU64::new(1)), None)
        .expect("a thread");
    let saved = Arc::clone(saver.saved());
    Checkpoint::full(1, &[1]).pieces().into_iter().for_each(|piece| saver.intake().hand(piece));
    saver.finish(LONG).expect("no checkpoint was abandoned");
    assert_eq!(
        saved.panicked().map(|panicked| panicked.message).as_deref(),
        Some("the pack is rotten")
    );
}

#[test]
fn what_is_not_committed_in_time_is_left() {
    let scene = Scene::new();
    let saver =
        Saver::start(scene.checkpoints(), settings(), Arc::default(), None).expect("a thread");
    Checkpoint::full(1, &[1]).pieces().into_iter().for_each(|piece| offer(&saver, piece));
    assert!(saver.finish(Duration::from_millis(5)).is_ok(), "nothing but time is lost");
    assert!(restored(&scene.checkpoints(), u64::MAX).is_none());
}

/// A store whose writes wait until they are let through.
struct Gate {
    inner: Arc<dyn Store>,
    reached: Sender<()>,
    open: Receiver<()>,
}

impl Store for Gate {
    fn address(&self) -> String {
        self.inner.address()
    }
    fn put(&self, files: &[(String, Bytes)]) -> Result<(), CheckpointError> {
        // Once the other ends are gone, everything passes.
        let _ = self.reached.send(());
        let _ = self.open.recv();
        self.inner.put(files)
    }
    fn get(&self, name: &str, at_most: u64) -> Result<Bytes, CheckpointError> {
        self.inner.get(name, at_most)
    }
    fn list(&self, folder: &str) -> Result<Vec<StoredFile>, CheckpointError> {
        self.inner.list(folder)
    }
    fn delete(&self, names: &[String]) -> Result<(), CheckpointError> {
        self.inner.delete(names)
    }
}

#[test]
fn a_worker_never_waits_for_a_slow_store() {
    let scene = Scene::new();
    let ((reached, at_gate), (opener, open)) = (bounded(0), bounded(0));
    let store = Gate { inner: scene.store(), reached, open };
    let settings = SaverSettings { room: 2, ..settings() };
    let saver = Saver::start(over(Arc::new(store)), settings, Arc::new(AtomicU64::new(1)), None)
        .expect("a thread");
    let intake = saver.intake();
    let mut pieces = Checkpoint::full(1, &[1, 2, 3, 4]).pieces().into_iter();
    let mut hand_over = || intake.hand(pieces.next().expect("a piece"));
    hand_over();
    at_gate.recv().expect("the first piece is being written");
    assert!(intake.has_room());
    hand_over();
    hand_over();
    assert!(!intake.has_room());
    // Another worker asked at the same moment: its piece is taken all the same, and nobody waits.
    hand_over();
    drop((opener, at_gate));
    pieces.for_each(|piece| offer(&saver, piece));
    saver.finish(LONG).expect("it is saved");
    assert_eq!(restored(&scene.checkpoints(), 1).expect("a checkpoint").shards.len(), 4);
}
