//! What is owed reads back as it was made, in bounded stretches, and the mark moves only from where
//! it stands, by whoever has the job.

use super::*;
use crate::postgres::PostgresOutbox;
use crate::postgres::error::PostgresError;
use crate::sink::gathered::Gathered;
use crate::sink::notices::Notices;
use crate::sink::outbox::{Outbox as _, Owed, STRETCH_RECORDS, Stretch, Tombstone};
use crate::source::TopicNames;

fn outbox(database: &TestDatabase, writer: &Writer) -> PostgresOutbox {
    PostgresOutbox::new(database.settings(), writer.progress().incarnation)
}

/// What an epoch owes, as its table has it: without NUL characters.
fn owed(mut results: EpochResults) -> Owed {
    let topics = TopicNames::own(Topic::ids());
    let mut owed = results.take_owed(&topics);
    owed.letters
        .iter_mut()
        .for_each(|letter| letter.detail = letter.detail.replace('\0', "\u{FFFD}"));
    owed
}

#[test]
fn what_is_owed_reads_back_as_it_was_made() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut outbox = outbox(&database, &writer);
    assert_eq!(outbox.owed(0, 0).unwrap(), Stretch::default());
    let mut third = EpochResults::new(3);
    third.decisions = vec![
        Decision { timestamp: MARCH + 2, ..decision(9, 30) },
        decision(9, 31),
        decision(4, 32),
    ];
    third.rejected = vec![rejected(8, "x"), rejected(7, "y")];
    writer.commit(&first_epoch()).unwrap();
    writer.commit(&EpochResults::new(2)).unwrap();
    writer.commit(&third).unwrap();
    let (first, third) = (owed(first_epoch()), owed(third));
    assert_eq!(
        third.notices.all::<Decision>().iter().map(|of| of.key).collect::<Vec<_>>(),
        [32, 31, 30]
    );
    assert_eq!(
        outbox.owed(0, 3).unwrap(),
        Stretch { epochs: vec![first.clone(), third.clone()], through: 3 }
    );
    assert_eq!(outbox.owed(0, 2).unwrap(), Stretch { epochs: vec![first], through: 2 });
    assert_eq!(outbox.owed(1, 3).unwrap(), Stretch { epochs: vec![third], through: 3 });
    let backlog = outbox.backlog(1, 3).unwrap();
    assert!(backlog.records == 5 && backlog.oldest.is_some(), "{backlog:?}");
    assert_eq!(
        (outbox.backlog(3, 3).unwrap().records, outbox.backlog(3, 3).unwrap().oldest),
        (0, None)
    );
}

#[test]
fn a_stretch_ends_before_it_has_too_many_records_and_never_within_an_epoch() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut outbox = outbox(&database, &writer);
    let mut key = 0;
    for (number, (decisions, letters)) in
        (1..).zip([(300, 100), (600, 0), (0, 0), (1, 0), (10, 2_000), (2, 0)])
    {
        let mut results = EpochResults::new(number);
        results.decisions =
            (0..decisions).map(|customer| decision(customer, key + customer as u64)).collect();
        results.rejected =
            (0..letters).map(|position| rejected(number * 10_000 + position, "x")).collect();
        writer.commit(&results).unwrap();
        key += 10_000;
    }
    let (mut at, mut stretches) = (0, Vec::new());
    while at < 6 {
        let stretch = outbox.owed(at, 6).unwrap();
        stretches.push((stretch.through, stretch.epochs.iter().map(Owed::records).sum::<usize>()));
        at = stretch.through;
    }
    assert_eq!(STRETCH_RECORDS, 1_000);
    // The first has as many as one may have, so that nobody knows whether its last epoch is whole.
    assert_eq!(stretches, [(1, 400), (4, 601), (5, 2_010), (6, 2)]);
}

#[test]
fn the_mark_moves_from_where_it_stands_by_whoever_has_the_job() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut old = outbox(&database, &writer);
    writer.commit(&first_epoch()).unwrap();
    old.confirm(1).unwrap();
    assert_eq!(old.advance(3, 4).unwrap(), 0, "it does not stand there");
    assert_eq!(
        (old.advance(0, 1).unwrap(), database.text("SELECT published FROM progress")),
        (1, "1".to_string())
    );
    // A connection that breaks is opened again.
    database.text(
        "SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE \
        application_name = 'sluice campaign' AND datname = current_database()",
    );
    assert!(old.confirm(1).is_err());
    old.confirm(1).unwrap();
    let new = database.writer();
    for error in [old.confirm(2).unwrap_err(), old.advance(1, 2).unwrap_err()] {
        assert!(
            error.is_fenced()
                && matches!(
                    error.of(),
                    Some(PostgresError::Fenced { epoch: 2, own: 1, current: 2, .. })
                ),
            "{error}"
        );
    }
    let mut new = outbox(&database, &new);
    assert_eq!(
        (new.advance(1, 2).unwrap(), database.text("SELECT published FROM progress")),
        (2, "2".to_string())
    );
    database.client().batch_execute("DELETE FROM progress").unwrap();
    assert!(new.confirm(3).unwrap_err().is_fenced());
}

#[test]
fn what_is_owed_is_kept_however_old_it_is_and_goes_with_its_customer() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer =
        Writer::open(PostgresSettings { dead_letter_days: 1, ..database.settings() }).unwrap();
    let mut outbox = outbox(&database, &writer);
    for number in 1..=63 {
        let mut epoch = EpochResults::new(number);
        epoch.rejected = if number < 4 { vec![rejected(number, "old")] } else { Vec::new() };
        epoch.decisions =
            if number < 4 { vec![decision(number as i64, number)] } else { Vec::new() };
        writer.commit(&epoch).unwrap();
    }
    outbox.advance(0, 1).unwrap();
    database
        .client()
        .batch_execute("UPDATE dead_letters SET received_at = now() - interval '25 hours'")
        .unwrap();
    let mut erasing = EpochResults::new(64);
    erasing.erasures = vec![erasure_of(2, MARCH)];
    writer.commit(&erasing).unwrap();
    assert_eq!(
        database.text("SELECT string_agg(position::text, ' ' ORDER BY position) FROM dead_letters"),
        "2 3"
    );
    let epochs = outbox.owed(1, 64).unwrap().epochs;
    let shown =
        |owed: &Owed| (owed.epoch, owed.tombstones.len(), owed.notices.len(), owed.letters.len());
    assert_eq!(
        epochs.iter().map(shown).collect::<Vec<_>>(),
        [(2, 0, 0, 1), (3, 0, 1, 1), (64, 1, 0, 0)]
    );
}

#[test]
fn an_erasure_owes_tombstones_and_what_still_stands_behind_them() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    let mut outbox = outbox(&database, &writer);
    let at = |timestamp, key| Decision { timestamp, ..decision(2, key) };
    let first = EpochResults {
        decisions: vec![at(MARCH, 1), at(MARCH + 9, 2), at(MARCH + 8, 3), decision(5, 4)],
        rejected: vec![
            rejected_of(2, MARCH, 1),
            rejected_of(2, MARCH + 1, 2),
            rejected_of(5, MARCH, 3),
        ],
        ..EpochResults::new(1)
    };
    writer.commit(&first).unwrap();
    outbox.advance(0, 1).unwrap();
    let erasures = vec![erasure_of(2, MARCH), erasure_of(2, MARCH), erasure_of(7, MARCH)];
    let mut blank = rejected_of(2, MARCH, 8);
    blank.blank();
    writer
        .commit(&EpochResults {
            erasures,
            decisions: vec![at(MARCH + 2, 9)],
            rejected: vec![blank],
            ..EpochResults::new(2)
        })
        .unwrap();
    let Stretch { epochs, through } = outbox.owed(1, 2).unwrap();
    let [owed] = &epochs[..] else { panic!("{epochs:?}") };
    let letter = Tombstone::Letter("rewards".to_string(), Place::new(2, 1));
    assert_eq!(
        (through, &owed.tombstones),
        (2, &vec![Tombstone::Notices(2), Tombstone::Notices(7), letter])
    );
    let keys = |notices: &Notices| {
        notices.all::<Decision>().iter().map(|decision| decision.key).collect::<Vec<_>>()
    };
    assert_eq!((keys(&owed.again), keys(&owed.notices), owed.letters.len()), (vec![2], vec![9], 1));
    let backlog = outbox.backlog(1, 2).unwrap();
    assert!(backlog.records == 5 && backlog.oldest.is_some(), "{backlog:?}");
    outbox.advance(1, 2).unwrap();
    assert_eq!(
        (outbox.owed(2, 2).unwrap().epochs, outbox.backlog(2, 2).unwrap().records),
        (Vec::new(), 0)
    );
}
