//! Deciding: for each request of an epoch the arm that the policy draws, by the context as of the
//! request's instant.
//!
//! A decision of epoch e sees all records up to e settled, the newest threshold closed by e's end
//! for a day not after its own, and the model that the graph hands in; later corrections do not
//! change it.

use crate::bandit::choice::choose;
use crate::bandit::draws::{Draws, Purpose};
use crate::bandit::model::Model;
use crate::bandit::policy::{Chosen, Parameters, Policy, Promise};
use crate::bandit::ridge::real_context;
use crate::campaign::output::Decision;
use crate::campaign::shard::{Shard, Slot};
use crate::campaign::thresholds::day_of;
use crate::campaign::visit::Scratch;
use crate::campaign::walk::Walk;
use crate::customer::Transaction;
use crate::customer::history::Decided;
use crate::event::text::id_hash;
use crate::event::{Answer, CustomerId, Millis, Place, Request};
use crate::settings::Serving;
use std::borrow::Cow;

/// What decides in an epoch.
struct Decider<'a> {
    model: &'a Model,
    chosen: Chosen,
    policy: Box<dyn Policy>,
    seed: u64,
    /// What the policy said of each arm, at the last decision.
    promises: Vec<Promise>,
}

impl Shard {
    /// Decides every request of the epoch, in order of customers and places. A request whose id is
    /// known is a duplicate.
    pub fn decide(&mut self, model: &Model, epoch: u64) -> Vec<Decision> {
        let mut requests = std::mem::take(&mut self.requests);
        requests.sort_by_key(|(slot, place, _)| (*slot, *place));
        let Serving { policy: chosen, alpha, seed, .. } = self.settings.serving(epoch);
        let mut decider = Decider {
            model,
            chosen,
            policy: chosen.policy(&Parameters { alpha }),
            seed,
            promises: Vec::new(),
        };
        let mut scratch = Scratch::new(&self.features);
        requests
            .into_iter()
            .filter_map(|(slot, _, request)| {
                self.decide_one(slot, request, &mut decider, &mut scratch)
            })
            .collect()
    }

    fn decide_one(
        &mut self,
        slot: Slot,
        request: Request,
        decider: &mut Decider<'_>,
        scratch: &mut Scratch,
    ) -> Option<Decision> {
        self.counts.records += 1;
        let key = id_hash(request.decision.as_bytes());
        let history = &self.histories[slot as usize];
        if history.erased().is_some_and(|until| request.timestamp <= until) {
            self.counts.erased += 1;
            return None;
        }
        if history.view().decision_of(key).is_some() {
            self.counts.duplicates += 1;
            return None;
        }
        self.counts.decisions += 1;
        let customer = self.histories[slot as usize].customer;
        let decision = match request.decided {
            Some(answer) => answered(request.decision, request.timestamp, answer, customer, key),
            None => {
                self.write_context(slot, &request, scratch);
                decider.decide(request, customer, key, &scratch.context)
            }
        };
        let decided = Decided {
            key,
            timestamp: decision.timestamp,
            propensity: decision.propensity,
            model_version: decision.model_version,
        };
        let decisions = &mut self.histories[slot as usize].extras_mut().decisions;
        let at = decisions.partition_point(|d| d.key < key);
        decisions.insert(at, decided);
        Some(decision)
    }

    /// The context as of the request: from the running row where that covers no later purchase,
    /// else from the whole history.
    fn write_context(&self, slot: Slot, request: &Request, scratch: &mut Scratch) {
        if let (true, Some(own)) = (self.settings.bandit.own_features, &request.features) {
            scratch.context.copy_from_slice(own);
            return;
        }
        let history = &self.histories[slot as usize];
        let threshold = self.thresholds.at(day_of(request.timestamp));
        let covered = self.rows.copy_until(history, request.timestamp, &mut scratch.row);
        let mut walk = Walk::resume(
            &self.features,
            history.view(),
            covered,
            scratch.row.as_mut(),
            &mut scratch.context,
        );
        walk.context_at(request.timestamp, threshold);
    }

    /// With `decide_on_transaction`, each purchase that was appended asks for a decision.
    pub(super) fn request_for_appended(&mut self) {
        for slot in self.touched.clone() {
            for transaction in self.histories[slot as usize].appended().0.to_vec() {
                self.request_for_purchase(slot, &transaction);
            }
        }
    }

    /// With `decide_on_transaction`, a purchase asks for a decision; its id is made of the
    /// purchase's.
    pub(super) fn request_for_purchase(&mut self, slot: Slot, transaction: &Transaction) {
        if self.decides_on_transaction {
            let decision = format!("transaction-{:016x}", transaction.id);
            let request =
                Request { decision, timestamp: transaction.timestamp(), ..Request::default() };
            // Their order decides nothing, but must be the same in every run.
            self.requests.push((slot, Place(transaction.id), request));
        }
    }
}

impl Decider<'_> {
    fn decide(&mut self, request: Request, customer: i64, key: u64, context: &[i16]) -> Decision {
        let draws = Draws::new(self.seed, Purpose::Choice, customer, key);
        let at = choose(
            self.policy.as_ref(),
            self.model,
            &real_context(context),
            &request.exclude,
            draws,
            &mut self.promises,
        );
        let chosen = at.map(|at| self.promises[at]);
        let scores = if at.is_some() {
            self.promises.iter().map(|promise| promise.score).collect()
        } else {
            Vec::new()
        };
        Decision {
            customer,
            key,
            decision: request.decision,
            timestamp: request.timestamp,
            policy: Cow::Borrowed(self.chosen.name()),
            arm: chosen.map(|promise| promise.arm),
            propensity: chosen.map_or(0.0, |promise| promise.propensity),
            expected_reward: chosen.map_or(0.0, |promise| promise.estimate.mean),
            uncertainty: chosen.map_or(0.0, |promise| promise.estimate.width),
            scores,
            model_version: self.model.version,
            context: context.to_vec(),
            answered: None,
        }
    }
}

/// A decision that was made when it was asked for: nothing is decided anew.
fn answered(
    decision: String,
    timestamp: Millis,
    answer: Answer,
    customer: CustomerId,
    key: u64,
) -> Decision {
    Decision {
        customer,
        key,
        decision,
        timestamp,
        policy: Cow::Owned(answer.policy),
        arm: Some(answer.arm),
        propensity: answer.propensity,
        expected_reward: answer.expected_reward,
        uncertainty: answer.uncertainty,
        scores: answer.scores,
        model_version: answer.model_version,
        context: answer.context,
        answered: Some(Parameters { alpha: answer.alpha }),
    }
}
