//! Inputs that are the same in every run, and look like the simulated world's.

use dataflows::customer::Transaction;
use dataflows::event::{Millis, Purchase};
use dataflows::mixing::{GOLDEN, step};

/// 2023-01-01, where the simulated world starts.
pub(super) const START: Millis = 1_672_531_200_000;

/// Seconds that it lasts.
pub(super) const SECONDS: u64 = 730 * 86_400;

/// Customers whose totals are ranked.
pub(super) const CUSTOMERS: u64 = 10_000;

/// Numbers that are the same in every run (SplitMix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        let drawn = step(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        drawn
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn of<'a>(&mut self, list: &'a [String]) -> &'a str {
        &list[self.below(list.len() as u64) as usize]
    }

    /// An instant of the world's, on a whole second.
    pub(super) fn instant(&mut self) -> Millis {
        START + self.below(SECONDS) as Millis * 1000
    }

    /// A context of terms from 0 to 1, most of them.
    pub(super) fn context(&mut self, dimension: usize) -> Vec<i16> {
        (0..dimension).map(|_| self.below(1 << 12) as i16).collect()
    }

    /// A reward from -5 to 495 (Q16).
    pub(super) fn reward(&mut self) -> i64 {
        self.below(500 << 16) as i64 - (5 << 16)
    }

    pub(super) fn purchase(&mut self) -> Purchase {
        let (amount, category, device) =
            (100 + self.below(100_000), self.below(5) as usize, self.below(4) as usize);
        Purchase::new(amount, category, device, self.below(4) as usize, self.below(4) == 0)
    }

    pub(super) fn transactions(&mut self, count: usize) -> Vec<Transaction> {
        let mut transactions: Vec<Transaction> = (0..count)
            .map(|_| Transaction::new(self.next(), self.instant(), self.purchase()))
            .collect();
        transactions.sort_unstable_by_key(|transaction| transaction.timestamp());
        transactions
    }
}
