//! The queue: epochs come out in order, and what has no room is left to be read.

use super::*;
use crate::sink::notices::Notices;
use dataflows::campaign::output::Decision;

fn decision(customer: CustomerId) -> Decision {
    Decision { customer, key: 1, decision: "d".to_string(), timestamp: 100, ..Decision::default() }
}

/// An epoch that decides for so many customers, from 1 on.
fn owed(epoch: u64, decisions: i64) -> Owed {
    let notices = Notices::of((1..=decisions).map(decision).collect());
    Owed { epoch, notices, ..Owed::default() }
}

fn left(after: u64, through: u64) -> Next {
    Next::Left { after, through, uncounted: false }
}

/// The epochs with something, and the last one.
fn queued(next: Next) -> (Vec<u64>, u64) {
    let Next::Queued(stretch) = next else { panic!("{next:?} is not queued") };
    (stretch.epochs.iter().map(|owed| owed.epoch).collect(), stretch.through)
}

#[test]
fn epochs_come_out_in_order_and_those_without_anything_move_the_mark() {
    let mut queue = Queue::new(4, 4);
    assert_eq!(queue.take(), Next::Nothing);
    (5..=9)
        .zip([2, 0, 1, 0, 0])
        .for_each(|(epoch, decisions)| queue.commit(owed(epoch, decisions), Vec::new()));
    let lag = queue.lag();
    assert_eq!((lag.published, lag.epochs, lag.records, lag.oldest.is_some()), (4, 5, 3, true));
    assert_eq!(queued(queue.take()), (vec![5, 7], 9));
    queue.published(9, 3);
    assert_eq!(
        (queue.lag(), queue.take()),
        (Lag { published: 9, ..Lag::default() }, Next::Nothing)
    );
    // One that is committed twice, as after a lost answer, is published once.
    queue.commit(owed(9, 5), Vec::new());
    assert_eq!(queue.take(), Next::Nothing);
}

#[test]
fn a_stretch_is_bounded_and_never_ends_within_an_epoch() {
    let mut queue = Queue::new(0, 0);
    (1..=4)
        .zip([600, 400, 1, 5000])
        .for_each(|(epoch, decisions)| queue.commit(owed(epoch, decisions), Vec::new()));
    for (epochs, through, records) in [(vec![1, 2], 2, 1000), (vec![3], 3, 1), (vec![4], 4, 5000)] {
        assert_eq!(queued(queue.take()), (epochs, through));
        queue.published(through, records);
    }
    assert_eq!(queue.lag().records, 0);
}

#[test]
fn what_there_is_no_room_for_is_read_and_what_comes_meanwhile_waits() {
    let mut queue = Queue::new(0, 0);
    queue.room = 3 * owed(1, 1).bytes();
    (1..=6).for_each(|epoch| queue.commit(owed(epoch, 1), Vec::new()));
    assert_eq!(queued(queue.take()), (vec![1, 2, 3], 3));
    // Nothing joins behind a gap, though there is room again.
    queue.commit(owed(7, 1), Vec::new());
    queue.published(3, 3);
    assert_eq!(queue.take(), left(3, 7));
    queue.commit(owed(8, 1), Vec::new());
    queue.published(5, 2);
    assert_eq!(queue.take(), left(5, 7));
    queue.published(7, 2);
    assert_eq!(queued(queue.take()), (vec![8], 8));
    queue.published(8, 1);
    assert_eq!((queue.lag().records, queue.take()), (0, Next::Nothing));
}

#[test]
fn what_earlier_starts_owe_is_counted_beside_what_is_committed_now() {
    let mut queue = Queue::new(10, 7);
    queue.commit(owed(11, 2), Vec::new());
    assert_eq!(queue.take(), Next::Left { after: 7, through: 10, uncounted: true });
    queue.commit(owed(12, 3), Vec::new());
    assert_eq!(queue.counting(), 11);
    queue.counted(40, None);
    assert_eq!((queue.lag().epochs, queue.lag().records), (5, 43));
    queue.published(10, 38);
    assert_eq!(queued(queue.take()), (vec![11, 12], 12));
}

#[test]
fn an_erased_customer_is_taken_out_and_told_to_whoever_has_epochs_in_hand() {
    let mut queue = Queue::new(0, 0);
    queue.commit(owed(1, 3), Vec::new());
    queue.commit(owed(2, 3), Vec::new());
    assert_eq!(queued(queue.take()), (vec![1, 2], 2));
    queue.commit(owed(3, 3), Vec::new());
    queue.commit(owed(4, 0), vec![(1, 100), (2, 99)]);
    assert_eq!((queue.erased(), queue.lag().records), (&[(1, 100), (2, 99)][..], 8));
    queue.published(2, 6);
    let Next::Queued(stretch) = queue.take() else { panic!("it is queued") };
    let left = stretch.epochs[0].notices.all::<Decision>().iter();
    assert_eq!(left.map(|decision| decision.customer).collect::<Vec<_>>(), [2, 3]);
    assert!(queue.erased().is_empty() && queue.lag().records == 2);
    // What else the erasure owes, the outbox knows; what is committed behind it waits for that.
    queue.published(3, 2);
    queue.commit(owed(5, 1), Vec::new());
    assert_eq!(queue.take(), Next::Left { after: 3, through: 5, uncounted: true });
}

#[test]
fn a_mark_that_somebody_moved_is_gone_on_from() {
    let mut queue = Queue::new(0, 0);
    (1..=3).for_each(|epoch| queue.commit(owed(epoch, 1), Vec::new()));
    queue.moved(2);
    assert_eq!(queued(queue.take()), (vec![3], 3));
    queue.published(3, 1);
    queue.moved(1);
    assert_eq!(queue.take(), Next::Left { after: 1, through: 3, uncounted: true });
}
