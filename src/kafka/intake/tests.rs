//! Several partitions of one worker, read to bounds that need not lie where a record is.

use super::super::partition::tests::messages;
use super::*;
use crate::first::First;
use crate::kafka::KafkaError;
use crate::kafka::bounded::Read;
use crate::kafka::bounded::tests::bounded_over;
use crate::kafka::intake::sight::Sight;
use crossbeam_channel::{Sender, unbounded};
use dataflows::event::Topic;

const ONE: (TopicId, u32) = (Topic::Transactions.id(), 0);
const TWO: (TopicId, u32) = (Topic::Rewards.id(), 4);

/// An intake without a broker, of which nobody knows what more it has: partition `ONE` from offset
/// 2 on, and `TWO` from where it begins.
fn intake() -> (Sender<Arrival>, KafkaIntake) {
    let (sender, arrivals) = unbounded();
    let assigned = [(ONE, Position::Offset(2)), (TWO, Position::Earliest)]
        .map(|((topic, partition), from)| Assigned { topic, partition, from });
    let seat = Seat { index: 0, peers: 1 };
    let mut intake = KafkaIntake::over(
        None,
        arrivals,
        &assigned,
        seat,
        Duration::MAX,
        Sight::new("nowhere", First::<KafkaError>::default().teller()),
    );
    intake.open();
    (sender, intake)
}

fn records(sender: &Sender<Arrival>, (topic, partition): (TopicId, u32), positions: &[u64]) {
    sender
        .send(Arrival::Records(messages(topic, partition, positions)))
        .expect("the intake listens");
}

fn end(sender: &Sender<Arrival>, (topic, partition): (TopicId, u32), next: u64) {
    sender.send(Arrival::CaughtUp { topic, partition, next }).expect("the intake listens");
}

/// What comes next.
fn next(intake: &mut impl Intake, until: Option<&Bounds>) -> Option<(TopicId, Vec<u64>)> {
    intake
        .next(until)
        .map(|messages| (messages.topic, messages.heads.iter().map(|head| head.position).collect()))
}

/// Where the partitions stand.
fn stand(intake: &impl Intake, until: Option<&Bounds>) -> Vec<(TopicId, u64)> {
    intake.marks(until).iter().map(|mark| (mark.topic, mark.next)).collect()
}

#[test]
fn a_partition_that_is_added_is_read_from_its_first_record_on() {
    let (_sender, intake) = intake();
    intake.sight.found([(Topic::Rewards.id(), 5)]);
    // Nothing has come of it, and whatever comes later is behind its beginning.
    assert_eq!(stand(&intake, None), [(Topic::Transactions.id(), 2), (Topic::Rewards.id(), 0)]);
}

#[test]
fn a_partition_whose_bound_lies_in_the_gap_at_its_end_is_waited_for_until_its_end_is_known() {
    let (sender, mut intake) = intake();
    let bounds = Bounds::from([(ONE, 6), (TWO, 9)]);
    records(&sender, ONE, &[3]);
    records(&sender, TWO, &[7, 8, 11]);
    assert_eq!(next(&mut intake, Some(&bounds)), Some((Topic::Transactions.id(), vec![3])));
    // There may be a record at 4, earlier than that at 7.
    assert_eq!((next(&mut intake, Some(&bounds)), intake.has_reached(&bounds)), (None, false));
    assert_eq!(
        stand(&intake, Some(&bounds)),
        [(Topic::Transactions.id(), 4), (Topic::Rewards.id(), 7)]
    );
    end(&sender, ONE, 8);
    assert_eq!(next(&mut intake, Some(&bounds)), Some((Topic::Rewards.id(), vec![7, 8])));
    assert_eq!((next(&mut intake, Some(&bounds)), intake.has_reached(&bounds)), (None, true));
    assert_eq!(
        stand(&intake, Some(&bounds)),
        [(Topic::Transactions.id(), 6), (Topic::Rewards.id(), 9)]
    );
    assert_eq!(stand(&intake, None), [(Topic::Transactions.id(), 8), (Topic::Rewards.id(), 11)]);
    assert_eq!(
        (next(&mut intake, None), next(&mut intake, None)),
        (Some((Topic::Rewards.id(), vec![11])), None)
    );
    assert_eq!(stand(&intake, None), [(Topic::Transactions.id(), 8), (Topic::Rewards.id(), 12)]);
}

#[test]
fn bounds_that_lie_before_the_first_record_are_reached_without_one() {
    let (sender, mut intake) = intake();
    records(&sender, ONE, &[5]);
    records(&sender, TWO, &[1]);
    for (one, two, reached) in
        [(2, 0, true), (3, 1, true), (5, 1, true), (6, 1, false), (5, 2, false)]
    {
        let bounds = Bounds::from([(ONE, one), (TWO, two)]);
        assert_eq!(intake.has_reached(&bounds), reached, "{one} and {two}");
    }
    let bounds = Bounds::from([(ONE, 4), (TWO, 1)]);
    assert_eq!(next(&mut intake, Some(&bounds)), None);
    assert_eq!(
        stand(&intake, Some(&bounds)),
        [(Topic::Transactions.id(), 4), (Topic::Rewards.id(), 1)]
    );
    let bounds = Bounds::from([(ONE, 5), (TWO, 2)]);
    assert_eq!(
        (next(&mut intake, Some(&bounds)), next(&mut intake, Some(&bounds))),
        (Some((Topic::Rewards.id(), vec![1])), None)
    );
    assert_eq!(
        next(&mut intake, Some(&Bounds::from([(ONE, 6), (TWO, 2)]))),
        Some((Topic::Transactions.id(), vec![5]))
    );
}

#[test]
fn of_a_partition_that_is_not_among_the_bounds_nothing_comes() {
    let (sender, mut intake) = intake();
    records(&sender, TWO, &[0, 1]);
    end(&sender, ONE, 3);
    let bounds = Bounds::from([(ONE, 3)]);
    assert_eq!((next(&mut intake, Some(&bounds)), intake.has_reached(&bounds)), (None, true));
    assert_eq!(stand(&intake, Some(&bounds)), [(Topic::Transactions.id(), 3)]);
    assert_eq!(next(&mut intake, None), Some((Topic::Rewards.id(), vec![0, 1])));
}

#[test]
fn a_partition_of_which_nothing_is_known_yet_keeps_an_epoch_open() {
    let (sender, mut intake) = intake();
    end(&sender, ONE, 2);
    let bounds = Bounds::from([(ONE, 2), (TWO, 4)]);
    assert_eq!((next(&mut intake, Some(&bounds)), intake.has_reached(&bounds)), (None, false));
    records(&sender, TWO, &[3, 4]);
    assert_eq!(
        (next(&mut intake, Some(&bounds)), intake.has_reached(&bounds)),
        (Some((Topic::Rewards.id(), vec![3])), true)
    );
}

#[test]
fn a_stretch_ends_where_it_was_asked_to_and_not_where_its_reading_ended() {
    let (sender, intake) = intake();
    let (told, mut stretch) = bounded_over(
        intake,
        Bounds::from([(ONE, 2), (TWO, 5)]),
        Bounds::from([(ONE, 4), (TWO, 7)]),
    );
    records(&sender, ONE, &[3, 8, 9]);
    end(&sender, ONE, 12);
    records(&sender, TWO, &[5]);
    assert_eq!(next(&mut stretch, None), Some((Topic::Transactions.id(), vec![3])));
    assert_eq!(next(&mut stretch, None), Some((Topic::Rewards.id(), vec![5])));
    assert_eq!((next(&mut stretch, None), stretch.is_ended()), (None, false));
    end(&sender, TWO, 10);
    assert_eq!((next(&mut stretch, None), stretch.is_ended()), (None, true));
    assert_eq!(stand(&stretch, None), [(Topic::Transactions.id(), 4), (Topic::Rewards.id(), 7)]);
    assert!(stretch.marks(None).iter().all(|mark| mark.idle));
    // Offset 2 of the first and 6 of the second have no record; what lies behind the bounds is not
    // counted.
    assert_eq!(*told.borrow(), Read { records: 2, gaps: 2 });
}
