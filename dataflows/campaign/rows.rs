//! Rows that come by the thousand: of interactions and customers, as a worker hands them out.

use crate::event::{CustomerId, Millis};
use crate::table::Change;
use serde::{Deserialize, Serialize};

/// Rows of interactions; the contexts lie in one vector, a row with `learned` taking the next
/// `dimension` values of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InteractionRows {
    /// The rows.
    pub rows: Vec<InteractionRow>,
    /// Their contexts in Q12, those of learned rows in the order of the rows.
    pub contexts: Vec<i16>,
}

/// One interaction as a sink shows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionRow {
    /// What happened.
    pub change: Change,
    /// Whose.
    pub customer: CustomerId,
    /// Frozen hash of its id.
    pub key: u64,
    /// Its instant.
    pub timestamp: Millis,
    /// The arm played.
    pub arm: u16,
    /// Probability with which the arm was chosen.
    pub propensity: f64,
    /// What it counts, in Q16; `None` while unknown.
    pub reward: Option<i64>,
    /// Whether it has entered the model; its context is then in `contexts`.
    pub learned: bool,
    /// The decision that it carried out: key, and model version where that is known.
    pub decision: Option<(u64, Option<u64>)>,
}

/// Features of customers; each row's values are the next `features` values (none for a row that
/// went).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FeatureRows {
    /// The rows.
    pub rows: Vec<FeatureRow>,
    /// Their values, row by row, in the order of the table of features.
    pub values: Vec<f64>,
}

impl InteractionRows {
    /// In the order of their keys, and for one key in that in which they came: so whoever brings
    /// the batches of all workers together only merges them, and reads each from front to back.
    pub(crate) fn sorted(self) -> Self {
        let learned = self.rows.iter().filter(|row| row.learned).count();
        let dimension = self.contexts.len().checked_div(learned).unwrap_or_default();
        let mut contexts = self.contexts.chunks_exact(dimension.max(1));
        let mut order: Vec<(CustomerId, i64, u32, &[i16])> = Vec::with_capacity(self.rows.len());
        for (at, row) in self.rows.iter().enumerate() {
            let context = if row.learned { contexts.next() } else { None };
            order.push((row.customer, row.key as i64, at as u32, context.unwrap_or_default()));
        }
        order.sort_unstable_by_key(|&(customer, key, at, _)| (customer, key, at));
        let mut sorted = InteractionRows {
            rows: Vec::with_capacity(self.rows.len()),
            contexts: Vec::with_capacity(self.contexts.len()),
        };
        for (_, _, at, context) in order {
            sorted.rows.push(self.rows[at as usize]);
            sorted.contexts.extend_from_slice(context);
        }
        sorted
    }
}

impl FeatureRows {
    /// In the order of their customers, likewise.
    pub(crate) fn sorted(self) -> Self {
        let stands = |row: &&FeatureRow| row.change != Change::Delete;
        let standing = self.rows.iter().filter(stands).count();
        let width = self.values.len().checked_div(standing).unwrap_or_default();
        let mut values = self.values.chunks_exact(width.max(1));
        let mut order: Vec<(CustomerId, u32, &[f64])> = Vec::with_capacity(self.rows.len());
        for (at, row) in self.rows.iter().enumerate() {
            let values = if stands(&row) { values.next() } else { None };
            order.push((row.customer, at as u32, values.unwrap_or_default()));
        }
        order.sort_unstable_by_key(|&(customer, at, _)| (customer, at));
        let mut sorted = FeatureRows {
            rows: Vec::with_capacity(self.rows.len()),
            values: Vec::with_capacity(self.values.len()),
        };
        for (_, at, values) in order {
            sorted.rows.push(self.rows[at as usize]);
            sorted.values.extend_from_slice(values);
        }
        sorted
    }

    /// Takes back the last row, with its so many values.
    pub(crate) fn take_back(&mut self, width: usize) {
        self.rows.pop();
        self.values.truncate(self.values.len().saturating_sub(width));
    }
}

/// One customer's row of features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// What happened.
    pub change: Change,
    /// Whose.
    pub customer: CustomerId,
    /// The instant that the values hold for.
    pub as_of: Millis,
    /// The last purchase, if any.
    pub last_purchase: Option<Millis>,
    /// The signup, where the profile has it.
    pub signup: Option<Millis>,
}

/// Rows of features at the end of a bounded input. They are many at once, and about half of their
/// values are 0: those are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LastRows {
    customers: Vec<CustomerId>,
    /// Values in a row.
    width: usize,
    /// Of each row a bit for each value, set where it is not 0, in whole words.
    present: Vec<u64>,
    /// Of each row the end of its values in `values`.
    ends: Vec<u32>,
    values: Vec<f64>,
}

/// One row of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastRow<'a> {
    /// Whose.
    pub customer: CustomerId,
    present: &'a [u64],
    values: &'a [f64],
}

impl LastRows {
    /// No rows yet, each with so many values.
    pub fn new(width: usize) -> Self {
        LastRows { width, ..LastRows::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, customer: CustomerId, values: &[f64]) {
        debug_assert_eq!(values.len(), self.width);
        // The negative zero is another number than 0.
        let is_present = |value: &f64| value.to_bits() != 0;
        let word = |values: &[f64]| {
            values.iter().rev().fold(0, |word, value| word << 1 | u64::from(is_present(value)))
        };
        self.customers.push(customer);
        self.present.extend(values.chunks(64).map(word));
        self.values.extend(values.iter().copied().filter(is_present));
        self.ends.push(self.values.len() as u32);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = LastRow<'_>> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let values =
            starts.zip(&self.ends).map(|(&start, &end)| &self.values[start as usize..end as usize]);
        let words = self.width.div_ceil(64).max(1);
        let rows = self.customers.iter().zip(self.present.chunks_exact(words)).zip(values);
        rows.map(|((&customer, present), values)| LastRow { customer, present, values })
    }
}

impl LastRow<'_> {
    /// Its first `width` values.
    pub fn values(&self, width: usize) -> impl Iterator<Item = f64> + '_ {
        let mut left = self.values.iter();
        let is_present =
            |at: usize| self.present.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        (0..width)
            .map(move |at| if is_present(at) { left.next().copied().unwrap_or(0.0) } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_with_what_is_theirs() {
        let row = |customer, key, learned| InteractionRow {
            change: Change::Insert,
            customer,
            key,
            timestamp: 0,
            arm: 0,
            propensity: 1.0,
            reward: None,
            learned,
            decision: None,
        };
        let rows = vec![
            row(2, 1, true),
            row(1, u64::MAX, true),
            row(1, 3, false),
            row(2, 1, false),
            row(1, 3, true),
        ];
        let sorted = InteractionRows { rows, contexts: vec![1, 2, 3, 4, 5, 6] }.sorted();
        let found: Vec<_> =
            sorted.rows.iter().map(|row| (row.customer, row.key as i64, row.learned)).collect();
        assert_eq!(
            found,
            [(1, -1, true), (1, 3, false), (1, 3, true), (2, 1, true), (2, 1, false)],
            "of one key the last stays the last"
        );
        assert_eq!(sorted.contexts, [3, 4, 5, 6, 1, 2]);
        let row = |change, customer| FeatureRow {
            change,
            customer,
            as_of: 0,
            last_purchase: None,
            signup: None,
        };
        let rows = vec![
            row(Change::Insert, 9),
            row(Change::Delete, 7),
            row(Change::Update, 3),
            row(Change::Insert, 7),
        ];
        let sorted = FeatureRows { rows, values: vec![0.5, 1.5, 2.5] }.sorted();
        let found: Vec<_> = sorted.rows.iter().map(|row| (row.customer, row.change)).collect();
        assert_eq!(
            found,
            [(3, Change::Update), (7, Change::Delete), (7, Change::Insert), (9, Change::Insert)]
        );
        assert_eq!(sorted.values, [1.5, 2.5, 0.5]);
        assert!(FeatureRows::default().sorted().rows.is_empty());
    }

    #[test]
    fn rows_come_back_with_their_zeros() {
        for width in [1, 3, 64, 65, 130] {
            let row = |customer: i64| {
                (0..width)
                    .map(|at| {
                        [0.0, 1.5, -0.0, f64::from(at)][(customer as usize + at as usize) % 4]
                    })
                    .collect::<Vec<f64>>()
            };
            let mut rows = LastRows::new(width as usize);
            (0..5).for_each(|customer| rows.push(customer, &row(customer)));
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let found: Vec<(i64, Vec<u64>)> = rows
                .iter()
                .map(|found| (found.customer, bits(found.values(width as usize).collect())))
                .collect();
            assert_eq!(
                (rows.len(), found),
                (5, (0..5).map(|customer| (customer, bits(row(customer)))).collect())
            );
        }
    }
}
