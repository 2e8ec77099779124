//! Turns: work that may be much is done some at a time, so that others get theirs.
//!
//! A turn is bounded by work that is counted, never by a clock: where turns end is the same in
//! every run. Nothing may depend on it all the same.

use std::cell::RefCell;
use std::rc::Rc;

/// Units of work in a turn; a unit is what takes about a tenth of a microsecond, as settling a
/// record or looking at a customer does.
pub const TURN: u64 = 4096;

/// Who takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Parses what was read.
    Parse,
    /// Settles the records of an epoch.
    Settle,
    /// Learns from an epoch, and decides.
    Learn,
    /// Folds what is older than is kept.
    Fold,
    /// Writes the images of a snapshot.
    Snapshot,
    /// Looks for the owners of interactions.
    Owners,
    /// Closes daily thresholds.
    Thresholds,
}

impl Client {
    /// All of them.
    pub const ALL: [Client; 7] = [
        Client::Parse,
        Client::Settle,
        Client::Learn,
        Client::Fold,
        Client::Snapshot,
        Client::Owners,
        Client::Thresholds,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Client::Parse => "parse",
            Client::Settle => "settle",
            Client::Learn => "learn",
            Client::Fold => "fold",
            Client::Snapshot => "snapshot",
            Client::Owners => "owners",
            Client::Thresholds => "thresholds",
        }
    }
}

/// Who is told of turns, to measure them: there is no clock here.
pub trait Turns {
    /// A turn begins.
    fn begin(&mut self);
    /// It has ended, with so many units of work done for this client.
    fn end(&mut self, client: Client, units: u64);
}

/// Nobody measures.
impl Turns for () {
    fn begin(&mut self) {}
    fn end(&mut self, _: Client, _: u64) {}
}

/// What is left of a turn.
#[derive(Debug)]
pub struct Budget {
    units: u64,
    spent: u64,
}

impl Budget {
    /// A turn of so many units.
    pub fn of(units: u64) -> Self {
        Budget { units, spent: 0 }
    }

    /// No turn: all that there is to do is done at once.
    pub fn unbounded() -> Self {
        Budget::of(u64::MAX)
    }

    /// Whether there is time for another piece of work. A piece that is larger than what is left is
    /// still done, and ends the turn.
    #[inline]
    pub fn is_left(&self) -> bool {
        self.spent < self.units
    }

    /// Counts work that is done.
    #[inline]
    pub fn spend(&mut self, units: usize) {
        self.spent = self.spent.saturating_add(units as u64);
    }

    /// The work that was done.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Counts the work of a round over `from..end` that goes on where it was left: as much of it as
    /// there is time for, at so many units for each.
    pub fn share(&mut self, from: usize, end: usize, each: usize) -> std::ops::Range<usize> {
        let most = self.units.saturating_sub(self.spent).div_ceil(each.max(1) as u64);
        let number = end.saturating_sub(from).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.spend(number * each);
        from..from + number
    }
}

/// Gives turns, one after the other. Its clones give those of other clients of the same worker,
/// which are measured with them: no turn is taken during another.
#[derive(Clone)]
pub struct Pacer {
    units: u64,
    turns: Rc<RefCell<Box<dyn Turns>>>,
}

impl Pacer {
    /// Turns of so many units.
    pub fn new(units: u64, turns: Box<dyn Turns>) -> Self {
        Pacer { units, turns: Rc::new(RefCell::new(turns)) }
    }

    /// Gives a turn to a client.
    pub fn turn<R>(&mut self, client: Client, work: impl FnOnce(&mut Budget) -> R) -> R {
        let mut budget = Budget::of(self.units);
        self.turns.borrow_mut().begin();
        let done = work(&mut budget);
        self.turns.borrow_mut().end(client, budget.spent());
        done
    }
}

impl Default for Pacer {
    /// Turns that nobody measures.
    fn default() -> Self {
        Pacer::new(TURN, Box::new(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_worked_off_in_shares_that_fit() {
        for (customers, each) in [(0, 1), (1, 1), (10, 3), (100, 7), (5, 100)] {
            let (mut next, mut turns) = (0, 0);
            while next < customers {
                let mut budget = Budget::of(10);
                let share = budget.share(next, customers, each);
                assert_eq!(share.start, next);
                assert!(budget.spent() < 10 + each as u64);
                (next, turns) = (share.end, turns + 1);
            }
            assert_eq!((next, turns), (customers, customers.div_ceil(10usize.div_ceil(each))));
        }
        let mut spent = Budget::of(10);
        spent.spend(12);
        assert!(!spent.is_left() && spent.share(3, 9, 1).is_empty());
    }
}
