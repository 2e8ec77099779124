//! Deciding: for each request of an epoch the arm that the policy draws, by the context as of the
//! request's instant.
//!
//! A decision of epoch e sees all records up to e settled, the newest threshold closed by e's end
//! for a day not after its own, and the model that the graph hands in; later corrections do not
//! change it.

use super::visitor::{Scratch, Visitor};
use super::walk::Walk;
use crate::bandit::acting::{Acting, Exploration};
use crate::bandit::choice::{Question, choose};
use crate::bandit::draws::{Draws, Purpose};
use crate::bandit::model::Model;
use crate::bandit::policy::{Chosen, Promise, declared};
use crate::bandit::ridge::real_context;
use crate::campaign::output::{Counts, Decision};
use crate::campaign::state::Touched;
use crate::campaign::thresholds::day_of;
use crate::customer::history::Decided;
use crate::event::text::id_hash;
use crate::event::{Answer, CustomerId, Millis, Request};
use crate::settings::{Cold, Serving};
use std::borrow::Cow;

/// What decides in an epoch.
pub(super) struct Decider {
    /// Its name.
    name: Cow<'static, str>,
    acting: Acting,
    cold: Cold,
    seed: u64,
    /// Arms that nobody may be given.
    retired: Vec<u16>,
    /// Those and the ones that the last request excludes.
    excluded: Vec<u16>,
    /// What the policy said of each arm, at the last decision.
    promises: Vec<Promise>,
}

impl Visitor {
    /// The context as of the request: from the running row where that covers no later purchase,
    /// else from the whole history.
    fn write_context(&mut self, customer: &Touched<'_>, request: &Request) -> &[i16] {
        let Scratch { row, context } = &mut self.scratch;
        if let (true, Some(own)) = (self.settings.bandit.own_features, &request.features) {
            context.copy_from_slice(own);
            return context;
        }
        let threshold = self.thresholds.at(day_of(request.timestamp));
        let covered = customer.row_until(request.timestamp, row);
        let view = customer.history().view();
        let mut walk = Walk::resume(&self.features, view, covered, row.as_mut(), context);
        walk.context_at(request.timestamp, threshold);
        context
    }
}

impl Decider {
    /// By what serves.
    pub(super) fn of(serving: &Serving) -> Self {
        let kind = Chosen::of(&serving.policy).map(|kind| Cow::Borrowed(kind.name()));
        Decider {
            name: kind.unwrap_or_else(|| Cow::Owned(serving.policy.clone())),
            acting: serving.acting(),
            cold: serving.cold,
            seed: serving.seed,
            retired: serving.retired.clone(),
            excluded: Vec::new(),
            promises: Vec::new(),
        }
    }

    /// Decides a request, unless its id is known, which makes it a duplicate, or its customer
    /// erased.
    pub(super) fn decide(
        &mut self,
        request: Request,
        mut customer: Touched<'_>,
        visitor: &mut Visitor,
        model: &Model,
        counts: &mut Counts,
    ) -> Option<Decision> {
        counts.records += 1;
        let key = id_hash(request.decision.as_bytes());
        let history = customer.history();
        if history.erased().is_some_and(|until| request.timestamp <= until) {
            counts.erased += 1;
            return None;
        }
        if history.view().decision_of(key).is_some() {
            counts.duplicates += 1;
            return None;
        }
        counts.decisions += 1;
        let id = history.customer;
        let decision = match request.decided {
            Some(answer) => answered(request.decision, request.timestamp, answer, id, key),
            None => {
                let known = || history.interactions_until(request.timestamp);
                let factor = self.cold.factor_of(known);
                let context = visitor.write_context(&customer, &request);
                self.choose(request, model, (id, key), context, factor)
            }
        };
        customer.decide(Decided {
            key,
            timestamp: decision.timestamp,
            propensity: decision.propensity,
            model_version: decision.model_version,
        });
        Some(decision)
    }

    fn choose(
        &mut self,
        request: Request,
        model: &Model,
        (customer, key): (CustomerId, u64),
        context: &[i16],
        factor: f64,
    ) -> Decision {
        let draws = Draws::new(self.seed, Purpose::Choice, customer, key);
        self.excluded.clear();
        self.excluded.extend(self.retired.iter().chain(&request.exclude));
        self.excluded.sort_unstable();
        let asked = Question { x: &real_context(context), exclude: &self.excluded, factor };
        let at = choose(&self.acting, model, asked, draws, &mut self.promises);
        let chosen = at.map(|at| self.promises[at]);
        // Where none may be chosen nothing is promised.
        let promised = if at.is_some() { self.promises.as_slice() } else { &[] };
        let scores = promised.iter().map(|promise| promise.score).collect();
        let propensities = promised.iter().map(|promise| promise.propensity).collect();
        Decision {
            customer,
            key,
            decision: request.decision,
            timestamp: request.timestamp,
            policy: self.name.clone(),
            arm: chosen.map(|promise| promise.arm),
            propensity: chosen.map_or(0.0, |promise| promise.propensity),
            expected_reward: chosen.map_or(0.0, |promise| promise.estimate.mean),
            uncertainty: chosen.map_or(0.0, |promise| promise.estimate.width),
            scores,
            model_version: model.version,
            context: context.to_vec(),
            propensities,
            reasons: self.promises.iter().map(|of| self.reason(of, &request.exclude)).collect(),
            exploration: self.acting.exploration(model, factor),
            answered: None,
        }
    }
}

/// The request names the arm among those that are not to be chosen.
const EXCLUDED: &str = "excluded";
/// The arm is retired.
const INACTIVE: &str = "inactive";

impl Decider {
    /// Why an arm could not be chosen, the first that holds; empty for one that could.
    fn reason(&self, promise: &Promise, exclude: &[u16]) -> Cow<'static, str> {
        Cow::Borrowed(match promise.eligible {
            true => "",
            false if exclude.contains(&promise.arm) => EXCLUDED,
            false => INACTIVE,
        })
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
    let is_declared = |name: &str| declared().any(|parameter| parameter.name() == name);
    let mut parameters = answer.parameters;
    parameters.retain(|name, _| is_declared(name));
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
        propensities: answer.propensities,
        reasons: answer.reasons.into_iter().map(Cow::Owned).collect(),
        exploration: Exploration { factor: answer.factor, unit: answer.unit, alpha: answer.alpha },
        answered: Some(parameters),
    }
}
