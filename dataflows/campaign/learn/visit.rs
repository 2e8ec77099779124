//! Visiting a customer that an epoch touched: what its news, closed thresholds and ended windows
//! change is emitted.
//!
//! In order means after all that was emitted before: then the running row goes on from where it
//! stands. Anything else is corrected: what the customer's interactions looked like before and what
//! they look like now are computed from the two histories, and the difference is emitted.

use super::clock::Clock;
use super::picture::{Picture, context_of};
use super::visitor::{Scratch, Visitor};
use super::walk::Walk;
use crate::campaign::emission::{CustomerView, Emission, StandingInteraction};
use crate::campaign::output::{Change, Day};
use crate::campaign::state::{Before, Touched, Unseen};
use crate::campaign::thresholds::day_of;
use crate::customer::history::Interaction;
use crate::customer::unmatched::Unmatched;
use crate::event::Millis;

/// What a visit costs beside the events that it goes through, in units of work.
const VISIT: usize = 8;

impl Visitor {
    /// Visits a customer; `then` is up to which day thresholds were closed, and the watermark, when
    /// customers were last visited. Says how much work that was.
    pub(super) fn visit(
        &mut self,
        customer: &mut Touched<'_>,
        then: (Option<Day>, Option<Millis>),
        emission: &mut Emission,
    ) -> usize {
        let old = customer.take_before();
        let history = customer.history();
        let events = history.transactions.len() + history.interactions.len();
        let done = history.done_transactions as usize + history.done_interactions as usize;
        match old {
            None => {
                self.go_on(customer, emission);
                VISIT + 2 * events.saturating_sub(done)
            }
            Some(old) => {
                self.correct(customer, &old, then, emission);
                VISIT + 4 * (old.events() + events)
            }
        }
    }

    /// All news lie after what was emitted: goes on from the running row.
    fn go_on(&mut self, customer: &mut Touched<'_>, emission: &mut Emission) {
        let anew = self.anew;
        let unseen = if anew { Unseen::All } else { customer.sort_appended() };
        let slot = customer.slot();
        let Visitor { features, settings, waiting, scratch, .. } = self;
        let Scratch { row: spare, context } = scratch;
        let clock = Clock::now(&self.thresholds, features, self.watermark, &settings.time);
        let (history, row) = customer.at_work(spare);
        let covered = history.done_transactions as usize;
        let first = history.done_interactions as usize;
        let mut unrewarded = history.unrewarded;
        let view = history.view();
        let of = CustomerView { id: history.customer, view };
        let mut walk = Walk::resume(features, view, covered, row, context);
        let mut done = first;
        for interaction in &view.interactions[first..] {
            if clock.is_open(interaction.timestamp) {
                break;
            }
            done += 1;
            let change = if unseen.holds(interaction.id) { Change::Update } else { Change::Insert };
            let Some(reward) = clock.reward_of(&view, interaction) else {
                unrewarded += 1;
                waiting.for_reward(clock.window_end(interaction), slot);
                if change == Change::Insert || anew {
                    emission.row(change, &of, &not_learned(interaction, None), &[]);
                }
                continue;
            };
            let context =
                context_of(&view, interaction, settings.bandit.own_features, &clock, &mut walk);
            emission.learn(interaction, context, reward);
            let standing = StandingInteraction {
                interaction: *interaction,
                reward: Some(reward),
                learned: true,
            };
            emission.row(change, &of, &standing, context);
        }
        for interaction in &view.interactions[done..] {
            let change = if anew { Change::Update } else { Change::Insert };
            if anew || !unseen.holds(interaction.id) {
                let reward = clock.reward_of(&view, interaction);
                emission.row(change, &of, &not_learned(interaction, reward), &[]);
            }
        }
        let covered = if done == view.interactions.len() { walk.finish() } else { walk.position() };
        self.note_done(customer, covered, done, unrewarded);
    }

    /// Something that was emitted may be different now: the difference is emitted.
    fn correct(
        &mut self,
        customer: &mut Touched<'_>,
        old: &Before,
        then: (Option<Day>, Option<Millis>),
        emission: &mut Emission,
    ) {
        let since = old.since().min(customer.first_appended());
        customer.sort_all();
        let slot = customer.slot();
        let Visitor { features, settings, waiting, scratch, .. } = self;
        let Scratch { row: spare, context } = scratch;
        let own_features = settings.bandit.own_features;
        let now = Clock::now(&self.thresholds, features, self.watermark, &settings.time);
        let then = now.then(then);
        let before = {
            let mut row = spare.as_mut();
            row.start(old.view().folded());
            let mut walk = Walk::resume(features, old.view(), 0, row, context);
            Picture::of(old.view(), since, &then, own_features, &mut walk)
        };
        let (history, row) = customer.at_start(spare);
        let view = history.view();
        let mut walk = Walk::resume(features, view, 0, row, context);
        let after = Picture::of(view, since, &now, own_features, &mut walk);
        let done = view.interactions.partition_point(|i| !now.is_open(i.timestamp));
        let covered = if done == view.interactions.len() { walk.finish() } else { walk.position() };
        let of = CustomerView { id: history.customer, view };
        before.emit_difference(&after, &of, features.context().dimension(), emission);
        let mut unrewarded = 0;
        for interaction in
            view.interactions[..done].iter().filter(|i| now.reward_of(&view, i).is_none())
        {
            unrewarded += 1;
            if interaction.timestamp >= since {
                waiting.for_reward(now.window_end(interaction), slot);
            }
        }
        self.note_done(customer, covered, done, unrewarded);
    }

    /// Notes how far the customer has been worked through; one with an open interaction waits for
    /// the threshold of its day.
    fn note_done(
        &mut self,
        customer: &mut Touched<'_>,
        transactions: usize,
        interactions: usize,
        unrewarded: u32,
    ) {
        customer.worked(transactions, interactions, unrewarded, &self.scratch.row);
        if let Some(open) = customer.history().interactions.get(interactions) {
            self.waiting.for_day(day_of(open.timestamp), customer.slot());
        }
    }

    /// Works out how far a customer from a snapshot has been worked through: the running row, and
    /// what the customer waits for. Gives the rewards that join nothing.
    pub(crate) fn take_up(&mut self, customer: &mut Touched<'_>) -> Unmatched {
        let slot = customer.slot();
        let is_shown = customer.shown().is_some() && customer.has_totals();
        let Visitor { features, settings, waiting, scratch, recount, .. } = self;
        let time = &settings.time;
        let clock = Clock::now(&self.thresholds, features, self.watermark, time);
        let (history, mut row) = customer.at_start(&mut scratch.row);
        let view = history.view();
        let done =
            view.interactions.partition_point(|interaction| !clock.is_open(interaction.timestamp));
        let covered = match done.checked_sub(1) {
            _ if done == view.interactions.len() => view.transactions.len(),
            Some(last) => view.transactions.partition_point(|transaction| {
                transaction.timestamp() <= view.interactions[last].timestamp
            }),
            None => 0,
        };
        row.add(features.layout(), &view.transactions[..covered]);
        let mut unrewarded = 0;
        for interaction in &view.interactions[..done] {
            match (clock.reward_of(&view, interaction), &mut *recount) {
                (Some(reward), Some(recount)) => recount.count(interaction.contact.arm(), reward),
                (Some(_), None) => {}
                (None, _) => {
                    unrewarded += 1;
                    waiting.for_reward(clock.window_end(interaction), slot);
                }
            }
        }
        let shown_open = history.latest().filter(|_| is_shown).map(day_of);
        if let Some(day) = shown_open.filter(|&day| !self.thresholds.is_closed(day)) {
            waiting.for_day(day, slot);
        }
        self.note_done(customer, covered, done, unrewarded);
        let unmatched = customer.history().view().unmatched(self.settings.time.attribution_window);
        customer.restore_counts(unmatched);
        unmatched
    }
}

/// An interaction that has not entered the model.
fn not_learned(interaction: &Interaction, reward: Option<i64>) -> StandingInteraction {
    StandingInteraction { interaction: *interaction, reward, learned: false }
}
