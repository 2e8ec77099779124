//! Rows of features: of customers that changed, and of all at the end of a bounded input.

use super::visitor::{Scratch, Visitor};
use crate::campaign::emission::{Emission, SegmentChange};
use crate::campaign::output::{Change, FeatureRow, LastRows};
use crate::campaign::state::{Customers, Shown, Slot, Touched};
use crate::campaign::thresholds::{InputEnd, NONE, day_of};
use crate::customer::features::Features;
use crate::event::Millis;
use crate::state::turns::Budget;
use hashbrown::HashMap;

/// Rows of features in a batch of the last ones: small enough to lie in memory that records have
/// left.
const BATCH: usize = 1024;

/// What writing a row of features costs, in units of work.
pub(super) const ROW: usize = 8;

/// The flags of a segment, the most significant bit first.
const FLAGS: [&str; 4] = ["is_high_value", "is_at_risk", "is_frequent_buyer", "is_recent_active"];

/// Where the flags of a segment stand in a row of features.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagColumns([Option<usize>; 4]);

impl FlagColumns {
    /// Among these features.
    pub(super) fn of(features: &Features) -> Self {
        FlagColumns(FLAGS.map(|name| features.names().iter().position(|n| n == name)))
    }

    /// The segment that a row of features belongs to.
    fn segment(self, row: &[f64]) -> u8 {
        self.0.iter().fold(0, |flags, column| {
            flags << 1 | u8::from(column.is_some_and(|column| row[column] > 0.0))
        })
    }
}

impl Visitor {
    /// Emits the row of features of a customer who has been visited, if it may be another one, and
    /// moves it to its segment.
    pub(super) fn emit_features(
        &mut self,
        customer: &mut Touched<'_>,
        has_news: bool,
        emission: &mut Emission,
    ) {
        let history = customer.history();
        let at = if history.is_blank() { None } else { Some(history.latest().unwrap_or(0)) };
        let was = customer.shown();
        let now = at.map(|at| self.write_features(customer, at, was.is_some(), emission));
        if now.is_none() && was.is_some() {
            emission.features.rows.push(FeatureRow {
                change: Change::Delete,
                customer: customer.history().customer,
                as_of: 0,
                last_purchase: None,
                signup: None,
            });
        }
        if !has_news && now.is_some() && was == now {
            // Only the threshold of the row's day is another one, of which only is_high_value, one
            // of the flags, depends. Days close for many customers at once, and most stay on their
            // side.
            emission.features.take_back(self.features.names().len());
        }
        if was != now {
            move_between_segments(&mut emission.segments, was, now);
            customer.show(now);
        }
    }

    /// Writes the customer's row as of `at`; says how it counts in its segment.
    fn write_features(
        &mut self,
        customer: &mut Touched<'_>,
        at: Millis,
        known: bool,
        emission: &mut Emission,
    ) -> Shown {
        let Scratch { row, .. } = &mut self.scratch;
        customer.write_row(row);
        let history = customer.history();
        let profile = history.view().profile_at(at).copied();
        let state = row.state(profile.as_ref());
        let day = day_of(at);
        if !self.thresholds.is_closed(day) && customer.has_totals() {
            self.waiting.for_day(day, customer.slot());
        }
        let start = emission.features.values.len();
        self.features.row(&state, at, self.thresholds.at(day), &mut emission.features.values);
        emission.features.rows.push(FeatureRow {
            change: if known { Change::Update } else { Change::Insert },
            customer: history.customer,
            as_of: at,
            last_purchase: history.last_purchase(),
            signup: profile.map(|p| p.signup).filter(|&signup| signup > Millis::MIN),
        });
        Shown {
            flags: self.flag_columns.segment(&emission.features.values[start..]),
            amount: row.summary.amount,
        }
    }

    /// Goes on to write the rows of features of every customer with a purchase or a profile, as of
    /// the end's instant: a batch of those from `next` on, which moves on.
    pub(super) fn last_features(
        &mut self,
        customers: &Customers,
        end: &InputEnd,
        next: &mut usize,
        budget: &mut Budget,
    ) -> LastRows {
        let threshold = self.thresholds.at(day_of(end.as_of));
        let threshold =
            end.beyond.map_or(threshold, |beyond| Some(beyond).filter(|&value| value != NONE));
        let width = self.features.names().len();
        let (mut batch, mut values) = (LastRows::new(width), Vec::with_capacity(width));
        while *next < customers.len() && batch.len() < BATCH && budget.is_left() {
            let slot = *next as Slot;
            *next += 1;
            budget.spend(1);
            if !customers.history(slot).is_blank() {
                budget.spend(ROW + customers.history(slot).transactions.len() / 16);
                values.clear();
                self.last_row(customers, slot, end.as_of, threshold, &mut values);
                batch.push(customers.history(slot).customer, &values);
            }
        }
        batch
    }

    /// A customer's features as of an instant, going on from the running row where that lies before
    /// it. Folded purchases are always in them: as of an instant before the horizon there is
    /// nothing finer.
    fn last_row(
        &mut self,
        customers: &Customers,
        slot: Slot,
        as_of: Millis,
        threshold: Option<u64>,
        values: &mut Vec<f64>,
    ) {
        let history = customers.history(slot);
        let row = &mut self.scratch.row;
        let covered = customers.row_until(slot, as_of, row);
        let counted =
            history.transactions.partition_point(|transaction| transaction.timestamp() <= as_of);
        row.as_mut().add(self.features.layout(), &history.transactions[covered..counted]);
        let view = history.view();
        let state = row.state(view.profile_at(as_of));
        self.features.row(&state, as_of, threshold, values);
    }
}

fn move_between_segments(
    segments: &mut HashMap<u8, SegmentChange>,
    was: Option<Shown>,
    now: Option<Shown>,
) {
    for (shown, sign) in was.map(|s| (s, -1)).into_iter().chain(now.map(|s| (s, 1))) {
        let segment = segments.entry(shown.flags).or_default();
        segment.customers += sign;
        segment.amount += sign * shown.amount as i64;
    }
}
