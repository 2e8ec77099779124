//! Decisions that were made when they were asked for and come as made: they stand as they are,
//! whatever decides now, in whichever epoch and on however many workers they arrive.

use super::{Arrival, Random, Run, Told, arrivals, assert_map, cuts};
use crate::bandit::parameters::Parameters;
use crate::campaign::output::Decision;
use crate::event::text::id_hash;
use crate::event::{CustomerId, Topic};
use crate::settings::Serving;
use std::collections::BTreeMap;

const ALPHA: f64 = 1.5;

fn serving(policy: &str, alpha: f64, seed: u64) -> Serving {
    let parameters = Parameters::told([("alpha", alpha)]);
    Serving { policy: policy.to_string(), parameters, seed, ..Serving::default() }
}

/// What was asked for once more, with the decisions that were made of it.
fn answered(arrivals: &[Arrival], told: &Told) -> Vec<Arrival> {
    let with_answer = |(topic, text): &Arrival| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let key = value["decision_id"].as_str().map(|id| id_hash(id.as_bytes()));
        let of = value["customer_id"].as_i64().zip(key).filter(|_| *topic == Topic::Requests);
        let Some(made) = of.and_then(|of| told.decisions.get(&of)) else {
            return (*topic, text.clone());
        };
        let answer = serde_json::json!({
            "action": made.arm, "propensity": made.propensity, "alpha": made.exploration.alpha,
            "factor": made.exploration.factor, "unit": made.exploration.unit,
            "propensities": made.propensities, "reasons": made.reasons,
            "expected_reward": made.expected_reward, "uncertainty": made.uncertainty,
            "scores": made.scores, "model_version": made.model_version, "policy": made.policy,
            "context": made.context,
        });
        let body = text.strip_suffix('}').expect("an object");
        (*topic, format!("{body},\"decided\":{answer}}}"))
    };
    arrivals.iter().map(with_answer).collect()
}

/// The same as if they had been made in their epochs, and how many of them were not.
fn as_if_made(mut told: Told) -> (Told, usize) {
    let parameters = Some(BTreeMap::from([("alpha".to_string(), ALPHA)]));
    let is_answer = |decision: &mut Decision| decision.answered.take() == parameters;
    let answers = told.decisions.values_mut().map(is_answer).filter(|is_answer| *is_answer).count();
    (told, answers)
}

/// Whether a decision was asked for once, of a customer who is never erased.
fn asked(arrivals: &[Arrival], (customer, key): (CustomerId, u64)) -> bool {
    let values = arrivals.iter().filter_map(|(_, text)| serde_json::from_str(text).ok());
    let own: Vec<serde_json::Value> =
        values.filter(|value: &serde_json::Value| value["customer_id"] == customer).collect();
    let is_this = |value: &&serde_json::Value| {
        value["interaction_id"].is_null()
            && value["decision_id"].as_str().is_some_and(|id| id_hash(id.as_bytes()) == key)
    };
    own.iter().all(|value| value["op"] != "erase") && own.iter().filter(is_this).count() == 1
}

#[test]
fn what_was_decided_stands_whatever_decides_now() {
    let (mut decided, mut compared) = (0, 0);
    for seed in 0..20 {
        let mut random = Random(900 + seed);
        let arrivals = arrivals(&mut random, 400);
        let epochs = cuts(&mut random, arrivals.len());
        let first = Run {
            arrivals,
            epochs,
            workers: 1 + random.below(3) as usize,
            serving: Some(serving("linucb", ALPHA, 1)),
            ..Run::default()
        };
        let made = first.clone().run().told();
        decided += made.decisions.len();
        let first_arrivals = first.arrivals.clone();
        let again = Run {
            arrivals: answered(&first_arrivals, &made),
            serving: Some(serving("greedy", 0.0, 7)),
            ..first
        };
        let (told, answers) = as_if_made(again.clone().run().told());
        told.assert_same(&made, seed);
        assert_eq!(answers, made.decisions.len(), "some were decided anew, seed {seed}");

        let epochs = cuts(&mut random, again.arrivals.len());
        let workers = 1 + again.workers % 3;
        let (otherwise, _) = as_if_made(Run { epochs, workers, ..again }.run().told());
        // Which of two requests of one id comes first, and which of them an erasure finds, is a
        // matter of epochs.
        let of = |told: &Told| -> BTreeMap<_, Decision> {
            let once = |of: &(CustomerId, u64)| asked(&first_arrivals, *of);
            told.decisions.clone().into_iter().filter(|(of, _)| once(of)).collect()
        };
        compared += of(&made).len();
        assert_map(&of(&otherwise), &of(&made), "decisions in other epochs", seed);
    }
    assert!(decided > 100 && compared > 20, "only {decided} decisions, {compared} of them once");
}
