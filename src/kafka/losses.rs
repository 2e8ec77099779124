//! Where reading goes on behind offsets that were given up.

use super::{Assigned, Position};
use crate::source::Loss;

/// From where a partition is read: behind what is lost from there on, where it is to be read from
/// an offset.
pub fn behind(losses: &[Loss], assigned: &Assigned) -> Position {
    let Assigned { topic, partition, from: Position::Offset(stands) } = *assigned else {
        return assigned.from;
    };
    let mut at = stands;
    // Retention may have gone on before the first record behind a loss was read.
    while let Some(loss) = losses.iter().find(|loss| {
        (loss.topic, loss.partition, loss.first) == (topic, partition, at) && loss.next > at
    }) {
        at = loss.next;
    }
    if at > stands { Position::Behind { stands, from: at } } else { Position::Offset(stands) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::event::Topic;

    #[test]
    fn whoever_stands_before_a_loss_goes_on_behind_it_and_nobody_else() {
        let loss = |partition, first, next| Loss {
            epoch: 7,
            topic: Topic::Rewards.id(),
            partition,
            first,
            next,
        };
        let losses = [loss(0, 30, 35), loss(0, 10, 30), loss(1, 5, 9), loss(2, 4, 4)];
        let from = |from, topic, partition| behind(&losses, &Assigned { topic, partition, from });
        let of = |partition, stands| from(Position::Offset(stands), Topic::Rewards.id(), partition);
        assert_eq!(of(0, 10), Position::Behind { stands: 10, from: 35 });
        assert_eq!(of(0, 30), Position::Behind { stands: 30, from: 35 });
        for (partition, stands) in [(0, 9), (0, 11), (0, 35), (1, 10), (2, 4), (3, 10)] {
            assert_eq!(of(partition, stands), Position::Offset(stands), "{partition} at {stands}");
        }
        assert_eq!(from(Position::Offset(10), Topic::Customers.id(), 0), Position::Offset(10));
        assert_eq!(from(Position::Earliest, Topic::Rewards.id(), 0), Position::Earliest);
        assert_eq!(losses[1].told("r"), "20 offsets of partition 0 of `r`, from 10 to before 30");
    }
}
