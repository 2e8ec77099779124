//! Erasing a customer: what is dated up to an instant goes, whatever it was.

use super::resolve::Resolution;
use crate::campaign::output::Erasure;
use crate::customer::folded::Folded;
use crate::event::Millis;

impl Resolution<'_> {
    /// Drops what is dated up to the erasure's instant.
    pub(super) fn erase(&mut self) {
        let Some(until) = self.extras.erased else { return };
        let learned = self.learned_until(until);
        self.rewarded
            .extend(self.rewards.left().filter(|r| r.timestamp <= until).map(|r| r.interaction));
        let (transactions, interactions, rewards) = (
            self.transactions.erase(until),
            self.interactions.erase(until),
            self.rewards.erase(until),
        );
        let profiles = self.customer.drop_profiles(until) as u64;
        let folded = if self.erasing { self.erase_folded(until) } else { None };
        let folded_before = folded.as_ref().map(|_| self.customer.horizon().events);
        let decisions = self.extras.decisions.len();
        self.extras.decisions.retain(|decided| {
            decided.timestamp > until
                && folded_before.is_none_or(|before| decided.timestamp >= before)
        });
        self.settled.counts.erased += transactions + interactions + rewards + profiles;
        if self.erasing {
            self.customer.disown();
            self.settled.erasures.push(Erasure {
                customer: self.customer.history().customer,
                until,
                transactions,
                interactions,
                learned,
                rewards,
                profiles,
                decisions: (decisions - self.extras.decisions.len()) as u64,
                folded: folded.map_or(0, |folded| folded.contributions),
                folded_before,
            });
        }
    }

    /// Takes away what is folded, all of it if anything of it is dated up to `until`: which part of
    /// the sums that is cannot be told.
    fn erase_folded(&mut self, until: Millis) -> Option<Box<Folded>> {
        // Instants of a profile are no event's; without them, less is known.
        self.extras.folded.iter_mut().for_each(|folded| folded.profiled = Millis::MIN);
        let folded = self.extras.folded.take_if(|folded| folded.reaches_back_to(until))?;
        self.unfolded = true;
        let counts = &mut self.settled.counts;
        counts.transactions -= i64::from(folded.summary.purchases);
        counts.interactions -= folded.contributions as i64;
        counts.rewards -= folded.rewards as i64;
        counts.erased_folded += folded.contributions;
        self.customer.forget_folded(&folded);
        Some(folded)
    }

    /// Interactions dated up to `until` that have entered the model.
    fn learned_until(&self, until: Millis) -> u64 {
        let history = self.customer.history();
        let time = &self.moment.time;
        let view = history.settled_view();
        let done = &view.interactions[..history.done_interactions as usize];
        let learned = done.iter().take_while(|interaction| interaction.timestamp <= until).filter(
            |interaction| {
                view.reward_of(
                    interaction,
                    time.attribution_window,
                    time.no_response_reward,
                    self.moment.watermark,
                )
                .is_some()
            },
        );
        learned.count() as u64
    }
}
