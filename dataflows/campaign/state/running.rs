//! Running rows: the sums over the purchases of a customer that have been worked through, starting
//! from those that are folded.
//!
//! Only customers with many purchases keep one. Adding up a few again takes less time than the
//! memory of a row takes to be fetched, and most customers of a large shop have few.

use crate::customer::folded::Folded;
use crate::customer::history::History;
use crate::customer::summary::{Layout, Summary};
use crate::customer::{CustomerState, Transaction};
use crate::event::{Millis, Profile};
use crate::state::blocks::Blocks;
use std::num::NonZeroU32;

/// Purchases from which on a customer keeps a row; few in tests, whose customers are small.
const MANY: u32 = if cfg!(test) { 3 } else { 16 };

/// Rows of counts in a block.
const ROWS: usize = 256;

/// A row of its own.
#[derive(Debug)]
pub(crate) struct RunningRow {
    pub(crate) summary: Summary,
    pub(crate) counts: Vec<u32>,
}

/// A row to be worked on, wherever it lies.
pub(crate) struct RowMut<'a> {
    pub(crate) summary: &'a mut Summary,
    pub(crate) counts: &'a mut [u32],
}

/// The rows of one worker's customers, each known by its number in the history.
#[derive(Debug)]
pub(super) struct RunningRows {
    summaries: Blocks<Summary>,
    /// `stride` to a row, in blocks that do not move: a single list would be copied as it grows.
    counts: Vec<Box<[u32]>>,
    stride: usize,
    /// Numbers of rows that nobody has any more.
    free: Vec<NonZeroU32>,
}

impl RunningRow {
    /// A row without any purchase.
    pub(crate) fn new(layout: &Layout) -> Self {
        RunningRow { summary: Summary::default(), counts: vec![0; layout.stride()] }
    }

    /// A customer with this row and profile.
    pub(crate) fn state<'a>(&'a self, profile: Option<&'a Profile>) -> CustomerState<'a> {
        CustomerState { summary: &self.summary, counts: &self.counts, profile }
    }

    /// This row, to be worked on.
    pub(crate) fn as_mut(&mut self) -> RowMut<'_> {
        RowMut { summary: &mut self.summary, counts: &mut self.counts }
    }
}

impl RowMut<'_> {
    /// Makes it the row of what is folded, without any purchase behind.
    pub(crate) fn start(&mut self, folded: Option<&Folded>) {
        match folded {
            None => {
                *self.summary = Summary::default();
                self.counts.fill(0);
            }
            Some(folded) => {
                *self.summary = folded.summary;
                self.counts.copy_from_slice(&folded.counts);
            }
        }
    }

    /// Adds purchases that follow in time.
    pub(crate) fn add(&mut self, layout: &Layout, transactions: &[Transaction]) {
        transactions
            .iter()
            .for_each(|transaction| layout.add(self.summary, self.counts, transaction));
    }
}

impl RunningRows {
    /// None yet.
    pub(super) fn new(layout: &Layout) -> Self {
        RunningRows {
            summaries: Blocks::new(),
            counts: Vec::new(),
            stride: layout.stride(),
            free: Vec::new(),
        }
    }

    /// The customer's row, of the purchases that have been worked through: the one that is kept, or
    /// `spare`, in which they are added up.
    #[inline]
    pub(super) fn of<'a>(
        &'a mut self,
        history: &History,
        layout: &Layout,
        spare: &'a mut RunningRow,
    ) -> RowMut<'a> {
        match history.row {
            Some(number) if history.done_transactions > 0 => self.kept(number),
            _ => {
                let mut row = self.started(history, spare);
                row.add(layout, &history.transactions[..history.done_transactions as usize]);
                row
            }
        }
    }

    /// The customer's row for what is worked through from the start.
    pub(super) fn started<'a>(
        &'a mut self,
        history: &History,
        spare: &'a mut RunningRow,
    ) -> RowMut<'a> {
        let mut row = history.row.map_or_else(|| spare.as_mut(), |number| self.kept(number));
        row.start(history.folded());
        row
    }

    /// Makes `row` the sums of the customer's first purchases, none of them later than `at`: a copy
    /// of the row that is kept, or what is folded. Says how many purchases it covers.
    pub(super) fn copy_until(&self, history: &History, at: Millis, row: &mut RunningRow) -> usize {
        let number = history
            .row
            .filter(|_| history.done_transactions > 0)
            .map(|number| number.get() as usize - 1);
        let Some(number) = number.filter(|&number| self.summaries[number].last <= at) else {
            row.as_mut().start(history.folded());
            return 0;
        };
        row.summary = self.summaries[number];
        let block = &self.counts[number / ROWS];
        row.counts.copy_from_slice(&block[number % ROWS * self.stride..][..self.stride]);
        history.done_transactions as usize
    }

    /// The customer has been worked through, and `spare` is its row unless it has one: keeps that
    /// if it is worth it.
    #[inline]
    pub(super) fn settle(&mut self, history: &mut History, spare: &RunningRow) {
        match (history.row, history.done_transactions >= MANY) {
            (Some(_), true) | (None, false) => {}
            (None, true) => history.row = Some(self.keep(spare)),
            (Some(number), false) => {
                self.free.push(number);
                history.row = None;
            }
        }
    }

    fn kept(&mut self, number: NonZeroU32) -> RowMut<'_> {
        let at = number.get() as usize - 1;
        RowMut {
            summary: &mut self.summaries[at],
            counts: &mut self.counts[at / ROWS][at % ROWS * self.stride..][..self.stride],
        }
    }

    fn keep(&mut self, row: &RunningRow) -> NonZeroU32 {
        let number = self.free.pop().unwrap_or_else(|| {
            if self.summaries.len() == self.counts.len() * ROWS {
                self.counts.push(vec![0; ROWS * self.stride].into());
            }
            self.summaries.push(Summary::default());
            NonZeroU32::MIN.saturating_add(self.summaries.len() as u32 - 1)
        });
        let RowMut { summary, counts } = self.kept(number);
        *summary = row.summary;
        counts.copy_from_slice(&row.counts);
        number
    }
}
