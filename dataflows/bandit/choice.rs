//! The choice of an arm: what the policy promises, and one draw by it.
//!
//! The draw happens here alone, by (seed, customer, decision), so the propensity that is recorded
//! is the probability with which the arm was chosen, whatever the policy.

use super::acting::Acting;
use super::draws::Draws;
use super::model::Model;
use super::policy::Promise;

/// Arms that may not be chosen, in ascending order.
pub type Exclude = [u16];

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The context in real units.
    pub x: &'a [f64],
    /// Arms that may not be chosen.
    pub exclude: &'a Exclude,
    /// How much more than by itself the policy is to explore; 1 for no more.
    pub factor: f64,
}

/// Chooses an arm among those that are not excluded. Leaves in `promises` what the policy says of
/// every arm, and returns the place of the chosen one there; `None` if there is none.
///
/// # Panics
/// If the context has another dimension than the model.
pub fn choose(
    acting: &Acting,
    model: &Model,
    asked: Question<'_>,
    draws: Draws,
    promises: &mut Vec<Promise>,
) -> Option<usize> {
    if score(acting, model, asked, promises) { drawn(promises, draws) } else { None }
}

/// What the policy says of every arm, in the place of what is in `promises`; whether any may be
/// chosen.
///
/// # Panics
/// If the context has another dimension than the model.
pub fn score(
    acting: &Acting,
    model: &Model,
    asked: Question<'_>,
    promises: &mut Vec<Promise>,
) -> bool {
    promises.clear();
    let eligible = |arm| asked.exclude.binary_search(&arm).is_err();
    promises.extend(model.estimates(asked.x).map(|(arm, estimate)| Promise {
        arm,
        eligible: eligible(arm),
        estimate,
        score: 0.0,
        propensity: 0.0,
    }));
    let any = promises.iter().any(|promise| promise.eligible);
    if any {
        acting.promise(model, asked.factor, promises);
    }
    any
}

/// The first arm whose propensities, added up to it, exceed the draw; if rounding leaves none, the
/// last that has any. Where one is certain nothing is drawn.
pub(super) fn drawn(promises: &[Promise], mut draws: Draws) -> Option<usize> {
    if let Some(certain) = promises.iter().position(|promise| promise.propensity == 1.0) {
        return Some(certain);
    }
    let draw = draws.next_unit();
    let mut sum = 0.0;
    let exceeds = |promise: &Promise| {
        sum += promise.propensity;
        sum > draw
    };
    promises
        .iter()
        .position(exceeds)
        .or_else(|| promises.iter().rposition(|promise| promise.propensity > 0.0))
}

#[cfg(test)]
mod tests {
    use super::super::draws::Purpose;
    use super::super::parameters::Parameters;
    use super::super::policy::{Chosen, Occasion, Policy};
    use super::super::ridge::solve;
    use super::super::totals::Totals;
    use super::*;

    fn draws(key: u64) -> Draws {
        Draws::new(1, Purpose::Choice, 42, key)
    }

    fn asked(exclude: &Exclude) -> Question<'_> {
        Question { x: &[1.0, 0.0], exclude, factor: 1.0 }
    }

    fn choice(model: &Model, kind: &str, alpha: f64, exclude: &[u16]) -> Option<Promise> {
        let mut promises = Vec::new();
        let parameters = Parameters::told([("alpha", alpha)]);
        let acting = Chosen::of(kind).expect("a kind").acting(&parameters);
        let chosen = choose(&acting, model, asked(exclude), draws(1), &mut promises);
        assert_eq!(promises.len(), 5, "every arm is told of, the excluded ones too");
        chosen.map(|at| promises[at])
    }

    /// Five arms, of which the second has once given 8 in the context (1, 0).
    fn model() -> Model {
        let mut model = Model::new(5, 2, 1.0);
        let (a, b) = (vec![1 << 24, 0, 0], vec![8 << 28, 0]);
        model.take(9, solve(1, &Totals { n: 1, a, b, ..Totals::default() }, 1.0));
        model
    }

    #[test]
    fn ties_go_to_the_lowest_arm_that_is_not_excluded() {
        let flat = Model::new(5, 2, 1.0);
        let chosen =
            |exclude: &[u16]| choice(&flat, "linucb", 1.0, exclude).map(|promise| promise.arm);
        assert_eq!(chosen(&[]), Some(0));
        assert_eq!(chosen(&[0]), Some(1));
        assert_eq!(chosen(&[0, 1, 3]), Some(2));
        assert_eq!(chosen(&[0, 1, 2, 3]), Some(4));
        assert_eq!(chosen(&[0, 1, 2, 3, 4]), None);
    }

    #[test]
    fn the_greatest_score_wins_with_certainty() {
        let chosen = choice(&model(), "linucb", 1.0, &[]).expect("an arm");
        assert_eq!((chosen.arm, chosen.propensity), (1, 1.0));
        assert!((chosen.estimate.mean - 4.0).abs() < 1e-12);
        let curious = choice(&model(), "linucb", 100.0, &[]).expect("an arm");
        assert_eq!(curious.arm, 0, "a great alpha prefers what is unknown");
        let greedy = choice(&model(), "greedy", 100.0, &[]).expect("an arm");
        assert_eq!(
            (greedy.arm, greedy.score),
            (1, greedy.estimate.mean),
            "greedy is never curious"
        );
    }

    /// A policy as it will be: with probabilities between.
    struct Thirds;

    impl Policy for Thirds {
        fn promise(&self, _: &Occasion, promises: &mut [Promise]) {
            let open = promises.iter().filter(|promise| promise.eligible).count() as f64;
            promises
                .iter_mut()
                .filter(|promise| promise.eligible)
                .for_each(|promise| promise.propensity = 1.0 / open);
        }
    }

    #[test]
    fn arms_are_drawn_as_often_as_their_propensities_say() {
        let (model, mut promises, mut counts) = (model(), Vec::new(), [0u32; 5]);
        let thirds = Acting { policy: Box::new(Thirds), unit: None, width: None, floor: 0.0 };
        const DRAWS: u32 = 30_000;
        for key in 0..u64::from(DRAWS) {
            let at =
                choose(&thirds, &model, asked(&[1, 3]), draws(key), &mut promises).expect("an arm");
            counts[at] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0), "excluded arms are never drawn");
        let error = (f64::from(DRAWS) * 2.0 / 9.0).sqrt();
        assert!(
            [0, 2, 4]
                .iter()
                .all(|&arm| (f64::from(counts[arm]) - f64::from(DRAWS) / 3.0).abs() < 4.0 * error),
            "{counts:?}"
        );
        let again = choose(&thirds, &model, asked(&[1, 3]), draws(5), &mut promises);
        let fresh = choose(&thirds, &model, asked(&[1, 3]), draws(5), &mut Vec::new());
        assert_eq!(again, fresh);
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_last_arm_that_has_any() {
        let promise = |arm, propensity| Promise {
            arm,
            eligible: true,
            estimate: Default::default(),
            score: 0.0,
            propensity,
        };
        let short = [promise(0, 1e-300), promise(1, 1e-300), promise(2, 0.0)];
        assert_eq!(drawn(&short, draws(1)), Some(1));
    }
}
