//! Learning from an epoch that has settled: the customers that it touched are visited, its requests
//! decided, and what changed is emitted.
//!
//! Any number of customers may be touched, and a day that closes touches many: so this is done in
//! turns, [`STAGES`] after each other, each some at a time.

mod clock;
mod decide;
mod features;
mod picture;
mod visit;
mod visitor;
mod waiting;
mod walk;

pub(crate) use visitor::Visitor;

use crate::bandit::model::Model;
use crate::campaign::emission::Emission;
use crate::campaign::output::{Counts, Day, Output};
use crate::campaign::owners::{Gathering, Inquiry, Searching};
use crate::campaign::settle::Settled;
use crate::campaign::state::{Customers, Slot};
use crate::campaign::thresholds::Published;
use crate::customer::folded::Folded;
use crate::customer::history::History;
use crate::epoch::Closed;
use crate::event::Millis;
use crate::state::turns::Budget;
use decide::Decider;

/// An epoch that is being learned from.
pub(crate) struct Learning {
    epoch: u64,
    end: Closed,
    published: Published,
    settled: Settled,
    /// Up to which day thresholds were closed, and the watermark, when customers were last visited.
    then: (Option<Day>, Option<Millis>),
    /// So many of the customers that are touched have news; the others have waited.
    with_news: usize,
    stage: usize,
    /// How many customers the stage has gone through.
    done: usize,
    decider: Decider,
    /// At the end of the input: the first and the last instant of a purchase or an interaction.
    range: Option<(Millis, Millis)>,
    gathering: Gathering,
    outputs: Vec<Output>,
}

/// What learning is done with.
pub(crate) struct Desk<'a> {
    pub(crate) customers: &'a mut Customers,
    pub(crate) visitor: &'a mut Visitor,
    pub(crate) searching: &'a mut Searching,
    pub(crate) emission: &'a mut Emission,
    pub(crate) model: &'a Model,
}

/// What it costs to find whose window has ended, in units of work, and to keep what such a customer
/// looked like, beside its events.
const WAKE: usize = 8;

/// Goes on with a stage; says whether that is done.
type Stage = fn(&mut Learning, &mut Desk<'_>, &mut Budget) -> bool;

/// The stages of learning from an epoch.
const STAGES: &[Stage] = &[
    Learning::wake_for_days,
    Learning::wake_for_rewards,
    Learning::visit,
    Learning::decide,
    Learning::last_features,
    Learning::find_range,
    Learning::gather,
];

impl Learning {
    /// Begins to learn from an epoch, after its records have settled and what it closed was
    /// published.
    pub(crate) fn new(
        epoch: u64,
        (settled, end): (Settled, Closed),
        published: Published,
        customers: &Customers,
        visitor: &mut Visitor,
    ) -> Self {
        let then = (visitor.thresholds.closed(), visitor.watermark);
        visitor.thresholds.publish(&published);
        let watermark = if end.last { Some(Millis::MAX) } else { end.watermark };
        visitor.watermark = visitor.watermark.max(watermark);
        Learning {
            epoch,
            published,
            settled,
            then,
            with_news: customers.touched().len(),
            stage: 0,
            done: 0,
            decider: Decider::of(visitor.settings.serving(epoch)),
            range: None,
            gathering: Gathering::default(),
            outputs: Vec::new(),
            end,
        }
    }

    /// Goes on; says whether that is all. What there is to be told is taken out after each turn.
    pub(crate) fn go_on(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        while let Some(stage) = STAGES.get(self.stage) {
            if !budget.is_left() || !stage(self, desk, budget) {
                return false;
            }
            (self.stage, self.done) = (self.stage + 1, 0);
        }
        true
    }

    /// What there is to be told since this was last asked for.
    pub(crate) fn take_outputs(&mut self, emission: &mut Emission) -> Vec<Output> {
        let mut outputs = std::mem::take(&mut self.outputs);
        if !emission.interactions.rows.is_empty() {
            let rows = std::mem::take(&mut emission.interactions);
            outputs.push(Output::Interactions(rows.sorted()));
        }
        if !emission.features.rows.is_empty() {
            let rows = std::mem::take(&mut emission.features);
            outputs.push(Output::Features(rows.sorted()));
        }
        outputs
    }

    /// Ends the epoch: what was counted, and what is asked.
    pub(crate) fn finish(
        self,
        customers: &mut Customers,
        emission: &mut Emission,
    ) -> (Counts, Inquiry) {
        customers.end();
        let Settled { counts, .. } = self.settled;
        let asked = Inquiry::new(self.gathering, customers.len(), counts.records, self.end.last);
        let (first, last) = self.range.unwrap_or((counts.first, counts.last));
        let counts = Counts {
            first,
            last,
            learned: std::mem::take(&mut emission.learned),
            corrected: std::mem::take(&mut emission.corrected),
            ..counts
        };
        (counts, asked)
    }

    /// Customers whose day's threshold closed are touched.
    fn wake_for_days(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        let Desk { customers, visitor, .. } = desk;
        while budget.is_left() {
            let Some(slot) = visitor.waiting.next_of_closed(&visitor.thresholds) else {
                return true;
            };
            customers.touch(slot);
            budget.spend(1 + customers.take_work());
        }
        false
    }

    /// Customers of an interaction whose window ended are touched.
    fn wake_for_rewards(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        let Desk { customers, visitor, .. } = desk;
        let window = visitor.settings.time.attribution_window;
        while budget.is_left() {
            let Some((end, slot)) = visitor.waiting.next_ended(visitor.watermark) else {
                return true;
            };
            budget.spend(WAKE);
            if customers.looked_otherwise(slot) || customers.history(slot).unrewarded > 0 {
                let mut customer = customers.touch(slot);
                customer.remember(end.saturating_sub(window));
                let History { transactions, interactions, .. } = customer.history();
                let events = transactions.len() + interactions.len();
                budget.spend(WAKE + events / 4 + customers.take_work());
            }
        }
        false
    }

    fn visit(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        while let Some(&slot) = desk.customers.touched().get(self.done) {
            if !budget.is_left() {
                return false;
            }
            let has_news = self.done < self.with_news;
            self.done += 1;
            let mut customer = desk.customers.touch(slot);
            budget.spend(desk.visitor.visit(&mut customer, self.then, desk.emission));
            let counts = &mut self.settled.counts;
            counts.pending += customer.count_unlearned();
            let window = desk.visitor.settings.time.attribution_window;
            if let Some((was, now)) = customer.recount(window) {
                counts.unmatched_change(&was, &now);
                desk.searching.note(slot, &now);
            }
            if desk.visitor.settings.emit.features {
                budget.spend(features::ROW);
                desk.visitor.emit_features(&mut customer, has_news, desk.emission);
            }
        }
        desk.visitor.anew = false;
        true
    }

    /// Decides every request of the epoch, in order of customers and places.
    fn decide(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        let Settled { requests, counts, .. } = &mut self.settled;
        let mut decisions = Vec::new();
        let is_done = loop {
            if !budget.is_left() {
                break false;
            }
            let Some((slot, _, request)) = requests.next() else { break true };
            budget.spend(2 + 2 * desk.visitor.settings.input.arms.len());
            let customer = desk.customers.touch(slot);
            decisions.extend(self.decider.decide(
                request,
                customer,
                desk.visitor,
                desk.model,
                counts,
            ));
        };
        if !decisions.is_empty() {
            self.outputs.push(Output::Decisions(decisions));
        }
        is_done
    }

    fn last_features(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        let Some(end) = &self.published.end else { return true };
        while self.done < desk.customers.len() {
            if !budget.is_left() {
                return false;
            }
            let rows = desk.visitor.last_features(desk.customers, end, &mut self.done, budget);
            if !rows.is_empty() {
                self.outputs.push(Output::LastFeatures(rows));
            }
        }
        true
    }

    /// At the end of the input: the range of the settled events. All customers have been visited,
    /// so that their lists are sorted.
    fn find_range(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        if !self.end.last {
            return true;
        }
        let share = budget.share(self.done, desk.customers.len(), 2);
        self.done = share.end;
        let ranges = share.filter_map(|slot| range_of_events(desk.customers.history(slot as Slot)));
        self.range = self.range.into_iter().chain(ranges).reduce(wider);
        self.done == desk.customers.len()
    }

    /// What is asked of other workers in the epoch.
    fn gather(&mut self, desk: &mut Desk<'_>, budget: &mut Budget) -> bool {
        let records = self.settled.counts.records;
        let of = (self.epoch, self.end.last, records);
        self.gathering.go_on(of, desk.searching, desk.customers, budget)
    }
}

/// The first and the last instant of a customer's purchases and interactions.
fn range_of_events(history: &History) -> Option<(Millis, Millis)> {
    let (transactions, interactions) = (&history.transactions, &history.interactions);
    let purchases = transactions
        .first()
        .zip(transactions.last())
        .map(|(first, last)| (first.timestamp(), last.timestamp()));
    let contacts = interactions
        .first()
        .zip(interactions.last())
        .map(|(first, last)| (first.timestamp, last.timestamp));
    let ranges = [purchases, contacts, history.folded().and_then(Folded::range)];
    ranges.into_iter().flatten().reduce(wider)
}

fn wider(a: (Millis, Millis), b: (Millis, Millis)) -> (Millis, Millis) {
    (a.0.min(b.0), a.1.max(b.1))
}
