//! Kept records come back as they were written, and go with their epochs.

use super::*;
use dataflows::event::Topic;

fn kept(partition: u32, from: u64, until: u64) -> Kept {
    Kept {
        topic: Topic::Customers.id(),
        partition,
        from,
        until,
        records: vec![b'\n'; (until - from) as usize],
    }
}

fn of(folder: &tempfile::TempDir, identity: Option<Link>) -> KeptFiles {
    KeptFiles::new(folder.path(), TopicNames::own(Topic::ids()), identity)
}

fn files() -> (tempfile::TempDir, KeptFiles) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = of(&folder, Some(Link::random()));
    files.write(3, &[kept(0, 5, 9), kept(1, 0, 0)]).expect("it can be written");
    files.write(5, &[kept(0, 9, 11)]).expect("it can be written");
    (folder, files)
}

/// Everything of partition 0, a few at a time.
fn read(files: &KeptFiles, mut after: KeptAt) -> Vec<Kept> {
    let (mut files, mut all) = (files.clone(), Vec::new());
    loop {
        let some = files.next(after, &[(Topic::Customers.id(), 0)]).expect("they can be read");
        let Some((last, _)) = some.last() else { return all };
        after = *last;
        all.extend(some.into_iter().map(|(_, kept)| kept));
    }
}

const BEGIN: KeptAt =
    KeptAt { epoch: 0, topic: Topic::Transactions.id(), partition: 0, from: 0, until: 0 };

#[test]
fn kept_records_come_back_in_the_order_of_their_epochs() {
    let (_folder, files) = files();
    assert_eq!(read(&files, BEGIN), [kept(0, 5, 9), kept(0, 9, 11)]);
    assert_eq!(read(&files, KeptAt { epoch: 4, ..BEGIN }), [kept(0, 9, 11)]);
    let all: Vec<(u64, u32, u64, u64)> = files
        .all_after(2)
        .expect("they are there")
        .iter()
        .map(|at| (at.epoch, at.partition, at.from, at.until))
        .collect();
    assert_eq!(all, [(3, 0, 5, 9), (3, 1, 0, 0), (5, 0, 9, 11)]);
    assert_eq!(files.all_after(3).expect("they are there").len(), 1);
}

#[test]
fn what_another_history_keeps_is_neither_read_nor_removed() {
    let (folder, files) = files();
    let (unnamed, other) = (of(&folder, None), of(&folder, Some(Link::random())));
    unnamed.write(2, &[kept(0, 2, 5)]).expect("it can be written");
    unnamed.write(3, &[kept(0, 0, 1)]).expect("it can be written");
    other.write(5, &[kept(0, 30, 40)]).expect("it can be written");
    assert_eq!(
        read(&files, BEGIN),
        [kept(0, 2, 5), kept(0, 5, 9), kept(0, 9, 11)],
        "of before there were names what it has none of"
    );
    assert_eq!(read(&other, BEGIN), [kept(0, 2, 5), kept(0, 0, 1), kept(0, 30, 40)]);
    other.remove(|_| true).expect("they can be removed");
    assert_eq!(
        (read(&files, BEGIN), read(&other, BEGIN)),
        (vec![kept(0, 5, 9), kept(0, 9, 11)], vec![])
    );
}

#[test]
fn files_go_with_their_epochs_and_what_was_left_by_half() {
    let (_folder, files) = files();
    let half = files.path(9).with_extension("1-2.tmp");
    fs::write(&half, b"half").expect("it can be written");
    files.remove(|epoch| epoch > 3).expect("they can be removed");
    assert_eq!((files.epochs().expect("they are there"), half.exists()), (vec![3], false));
    files.remove(|epoch| epoch <= 3).expect("they can be removed");
    assert!(read(&files, BEGIN).is_empty());
}

#[test]
fn a_damaged_file_is_named() {
    let (_folder, files) = files();
    let content = fs::read(files.path(3)).expect("it is there");
    for at in 0..content.len() {
        let mut damaged = content.clone();
        damaged[at] ^= 1;
        fs::write(files.path(3), &damaged).expect("it can be written");
        let told = files.read(3);
        let unharmed = told.as_ref().is_ok_and(|kept| {
            kept.iter().all(|(_, kept)| kept.records.iter().all(|byte| *byte == b'\n'))
        });
        assert!(
            unharmed
                || matches!(&told, Err(JournalError::Kept { path, .. }) if *path == files.path(3)),
            "byte {at}"
        );
    }
}
