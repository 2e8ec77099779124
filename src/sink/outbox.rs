//! What committed epochs have to publish, and how far it is published: the face that the database
//! and the journal show to whoever publishes.

use super::SinkError;
use super::notices::Notices;
use crate::source::TopicNames;
use dataflows::event::{CustomerId, Millis, Place, Rejected, Whose};
use std::borrow::Cow;
use std::time::Duration;

/// Records of a stretch, from which on it is read no further. An epoch is never split, so that one
/// of more records is a stretch of its own.
pub const STRETCH_RECORDS: usize = 1_000;

/// What is left of a record that could not be taken, by the names that are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Name of its topic at the broker.
    pub topic: String,
    /// Where in it.
    pub place: Place,
    /// Why: a stable word.
    pub reason: Cow<'static, str>,
    /// Why, for a person.
    pub detail: String,
    /// Its first bytes.
    pub raw: Vec<u8>,
    /// Whose it is, where that can be told.
    pub whose: Option<Whose>,
}

impl Letter {
    /// Of a rejected record of one of these topics.
    pub fn of(rejected: Rejected, topics: &TopicNames) -> Letter {
        let Rejected { topic, place, reason, detail, raw, whose } = rejected;
        Letter {
            topic: topics[topic].to_string(),
            place,
            reason: Cow::Borrowed(reason.word()),
            detail,
            raw,
            whose,
        }
    }

    fn is_erased(&self, erased: &[(CustomerId, Millis)]) -> bool {
        self.whose.is_some_and(|whose| whose.is_erased(erased))
    }
}

/// Of what a topic is to keep nothing that came before, because a customer was erased.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tombstone {
    /// The notices of a customer.
    Notices(CustomerId),
    /// The dead letter of a topic, by its name at the broker, and a place.
    Letter(String, Place),
}

/// What an epoch has to publish.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owed {
    /// Which epoch.
    pub epoch: u64,
    /// What it has erased, before all else.
    pub tombstones: Vec<Tombstone>,
    /// Of each erased customer the newest notice that stands of earlier epochs: it goes behind the
    /// tombstone again.
    pub again: Notices,
    /// Its notices, by customer and instant.
    pub notices: Notices,
    /// What it could not take, by topic and place.
    pub letters: Vec<Letter>,
}

impl Owed {
    /// Of an epoch that has just been committed: what it keeps, with the notices of a dataflow that
    /// has such. Those that it erases itself it does not keep; its dead letters are blanked
    /// already.
    pub fn of(
        epoch: u64,
        erased: &[(CustomerId, Millis)],
        notices: Option<Notices>,
        rejected: Vec<Rejected>,
        topics: &TopicNames,
    ) -> Owed {
        let mut owed = Owed { epoch, ..Owed::default() };
        if let Some(notices) = notices {
            let buried = erased.iter().map(|(customer, _)| Tombstone::Notices(*customer));
            (owed.tombstones, owed.notices) = (buried.collect(), notices);
        }
        owed.erase(erased);
        owed.letters = rejected.into_iter().map(|rejected| Letter::of(rejected, topics)).collect();
        owed.sort();
        owed
    }

    /// Puts it into the order in which it is published, whoever gives it.
    pub fn sort(&mut self) {
        self.tombstones.sort();
        self.tombstones.dedup();
        self.again.sort();
        self.notices.sort();
        self.letters
            .sort_by(|a, b| (&a.topic, a.place, &a.reason).cmp(&(&b.topic, b.place, &b.reason)));
    }

    /// How many records that makes.
    pub fn records(&self) -> usize {
        self.tombstones.len() + self.again.len() + self.notices.len() + self.letters.len()
    }

    /// Bytes that it takes in memory, roughly.
    pub fn bytes(&self) -> usize {
        let letter = |letter: &Letter| {
            size_of::<Letter>() + letter.topic.len() + letter.detail.len() + letter.raw.len()
        };
        let tombstone = |tombstone: &Tombstone| match tombstone {
            Tombstone::Notices(_) => size_of::<Tombstone>(),
            Tombstone::Letter(topic, _) => size_of::<Tombstone>() + topic.len(),
        };
        size_of::<Owed>()
            + self.tombstones.iter().map(tombstone).sum::<usize>()
            + self.again.bytes()
            + self.notices.bytes()
            + self.letters.iter().map(letter).sum::<usize>()
    }

    /// Whether something in it is of an erased customer, or names one.
    pub fn concerns(&self, erased: &[(CustomerId, Millis)]) -> bool {
        self.again.concern(erased)
            || self.notices.concern(erased)
            || self.letters.iter().any(|letter| letter.is_erased(erased))
    }

    /// Takes out the notices of erased customers, each up to an instant, and blanks their letters;
    /// gives how many records fewer that makes.
    pub fn erase(&mut self, erased: &[(CustomerId, Millis)]) -> usize {
        for letter in self.letters.iter_mut().filter(|letter| letter.is_erased(erased)) {
            (letter.detail, letter.raw, letter.whose) =
                (Rejected::BLANKED.to_string(), Vec::new(), None);
        }
        let before = self.records();
        self.again.erase(erased);
        self.notices.erase(erased);
        before - self.records()
    }
}

/// What epochs that follow one another have to publish.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// The epochs that have something, in order.
    pub epochs: Vec<Owed>,
    /// The last epoch of the stretch, whether it has something or not.
    pub through: u64,
}

/// What is owed in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records.
    pub records: u64,
    /// How long ago the oldest of them was committed, where that is known.
    pub oldest: Option<Duration>,
}

/// What the committed epochs of a job have to publish, kept until they are known to have been
/// published.
///
/// # Contract
/// The mark says: everything of every epoch up to this one is published. It moves from where it
/// stood, and by nobody but the instance that has the job.
pub trait Outbox: Send {
    /// Makes sure, before epochs from this one on are published, that no other instance has taken
    /// the job over.
    ///
    /// # Errors
    /// One has, or nobody knows.
    fn confirm(&mut self, epoch: u64) -> Result<(), SinkError>;

    /// What is owed of the epochs after `after` up to `through`: [`STRETCH_RECORDS`] at most, or
    /// one epoch.
    ///
    /// # Errors
    /// It cannot be read.
    fn owed(&mut self, after: u64, through: u64) -> Result<Stretch, SinkError>;

    /// How much is owed of the epochs after `after` up to `through`.
    ///
    /// # Errors
    /// It cannot be counted.
    fn backlog(&mut self, after: u64, through: u64) -> Result<Backlog, SinkError>;

    /// Moves the mark from one epoch to another, if it stands there; gives where it stands then.
    ///
    /// # Errors
    /// It cannot be moved, or another instance has taken the job over.
    fn advance(&mut self, from: u64, to: u64) -> Result<u64, SinkError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::campaign::output::Decision;
    use dataflows::event::{Reason, Topic};

    fn decision(customer: CustomerId, timestamp: Millis) -> Decision {
        Decision {
            customer,
            key: timestamp as u64,
            decision: format!("d-{customer}-{timestamp}"),
            timestamp,
            ..Decision::default()
        }
    }

    #[test]
    fn an_epoch_owes_what_it_keeps_in_the_order_of_customers_and_instants() {
        let rejected = |topic, position| {
            let (place, reason) = (Place::new(0, position), Reason::BadAmount);
            Rejected { topic, place, reason, detail: String::new(), raw: Vec::new(), whose: None }
        };
        let decisions =
            vec![decision(2, 5), decision(1, 7), decision(1, 6), decision(9, 4), decision(9, 5)];
        let rejected = vec![
            rejected(Topic::Rewards.id(), 2),
            rejected(Topic::Rewards.id(), 1),
            rejected(Topic::Customers.id(), 8),
        ];
        let topics =
            TopicNames::of(Topic::ids().map(|topic| (topic, format!("own-{}", topic.name()))));
        let owed = Owed::of(3, &[(9, 4)], Some(Notices::of(decisions)), rejected, &topics);
        assert!(owed.bytes() > 7 * 100);
        let decided = owed.notices.all::<Decision>().iter();
        let decided: Vec<_> =
            decided.map(|decision| (decision.customer, decision.timestamp)).collect();
        assert_eq!(decided, [(1, 6), (1, 7), (2, 5), (9, 5)]);
        let letters: Vec<_> = owed
            .letters
            .iter()
            .map(|letter| (letter.topic.as_str(), letter.place.position()))
            .collect();
        assert_eq!(letters, [("own-customers", 8), ("own-rewards", 1), ("own-rewards", 2)]);
        assert_eq!(
            (owed.epoch, owed.records(), owed.tombstones),
            (3, 8, vec![Tombstone::Notices(9)])
        );
        let without = Owed::of(4, &[(9, 4)], None, Vec::new(), &topics);
        assert_eq!(without.records(), 0, "where there are no notices, none need be buried");
    }

    #[test]
    fn what_was_decided_for_an_erased_customer_goes_up_to_the_instant() {
        let letter = |dated| {
            let (place, whose) = (Place::new(0, 1), Some(Whose { customer: 1, dated }));
            Letter {
                topic: String::new(),
                place,
                reason: Cow::Borrowed("bad_op"),
                detail: "x".to_string(),
                raw: b"x".to_vec(),
                whose,
            }
        };
        let letters = vec![letter(5), letter(6)];
        let notices = Notices::of(vec![decision(1, 5), decision(1, 6), decision(2, 5)]);
        let again = Notices::of(vec![decision(1, 4)]);
        let mut owed =
            Owed { epoch: 1, tombstones: vec![Tombstone::Notices(1)], again, notices, letters };
        let of_letters =
            Owed { notices: Notices::default(), again: Notices::default(), ..owed.clone() };
        assert!(of_letters.concerns(&[(1, 5)]) && !of_letters.concerns(&[(1, 4), (2, 9)]));
        assert!(!owed.concerns(&[(1, 3), (3, 9)]) && owed.concerns(&[(3, 9), (1, 4)]));
        assert_eq!((owed.erase(&[(1, 5)]), owed.again.len(), owed.tombstones.len()), (2, 0, 1));
        assert_eq!(
            owed.notices.all::<Decision>().iter().map(|of| of.timestamp).collect::<Vec<_>>(),
            [6, 5]
        );
        assert_eq!(
            owed.letters.iter().map(|letter| letter.raw.len()).collect::<Vec<_>>(),
            [0, 1],
            "one is blanked"
        );
    }
}
