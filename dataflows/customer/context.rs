//! The context vector: features under their transforms, rounded to multiples of 2^-12.
//!
//! The terms are compiled once, grouped by what they depend on, so that the part which only a
//! purchase or a profile changes can be kept until then.

use super::counts::CountTables;
use super::formulas::{CustomerState, FeatureRules, Formula, FormulaInput, Moment};
use crate::event::Millis;
use crate::settings::{Term, Transform};
use std::sync::Arc;

/// The name of the term that is always 1.
pub const INTERCEPT: &str = "intercept";

/// 1 in Q12.
const ONE: f64 = 4_096.0;
const LEAST: f64 = -8.0;
const GREATEST: f64 = 8.0 - 1.0 / ONE;
/// Added to a number of small magnitude it leaves no bits for a fraction: the sum is rounded to an
/// integer, ties to even, and that integer, in two's complement, stands in the low bits of the sum.
const INTEGERS: f64 = 1.5 * (1u64 << 52) as f64;

/// Clips to [-8, 8 - 2^-12] and rounds to the nearest multiple of 2^-12, ties to even.
#[inline]
pub fn q12(value: f64) -> i16 {
    (value.clamp(LEAST, GREATEST) * ONE + INTEGERS).to_bits() as i16
}

/// How a customer becomes a context vector.
#[derive(Clone, Debug)]
pub struct ContextMap {
    rules: Arc<FeatureRules>,
    names: Vec<String>,
    shares: Terms<usize>,
    settled: Terms<fn(&FormulaInput<'_>) -> f64>,
    at_instant: Terms<fn(&Moment<'_>) -> f64>,
    uses_threshold: bool,
}

/// Terms with one kind of formula, grouped by their transform: a loop over a group has no choices
/// to make.
#[derive(Clone, Debug)]
struct Terms<F> {
    identity: Vec<Compiled<F>>,
    scale: Vec<Compiled<F>>,
    cap: Vec<Compiled<F>>,
    log: Vec<Compiled<F>>,
}

/// A term with its formula found.
#[derive(Clone, Copy, Debug)]
struct Compiled<F> {
    formula: F,
    /// The number of the transform; 1 where it has none.
    number: f64,
    /// Where in the vector it goes.
    position: usize,
}

impl<F: Copy> Terms<F> {
    fn new() -> Self {
        Terms { identity: Vec::new(), scale: Vec::new(), cap: Vec::new(), log: Vec::new() }
    }

    fn push(&mut self, formula: F, transform: Transform, position: usize) {
        let (group, number) = match transform {
            Transform::Identity => (&mut self.identity, 1.0),
            Transform::Scale(scale) => (&mut self.scale, scale),
            Transform::Cap(cap) => (&mut self.cap, cap),
            Transform::Log(scale) => (&mut self.log, scale),
        };
        group.push(Compiled { formula, number, position });
    }

    /// Writes every term to its place; `value` computes a feature.
    #[inline]
    fn write(&self, tables: &CountTables, x: &mut [i16], value: impl Fn(F) -> f64) {
        for term in &self.identity {
            x[term.position] = q12(value(term.formula));
        }
        for term in &self.scale {
            x[term.position] = q12(value(term.formula) / term.number);
        }
        for term in &self.cap {
            x[term.position] = q12(value(term.formula).min(term.number) / term.number);
        }
        for term in &self.log {
            x[term.position] = q12(tables.ln_1p(value(term.formula)) / term.number);
        }
    }
}

impl ContextMap {
    /// Compiles the terms; `formula` finds a feature by its name.
    ///
    /// # Errors
    /// Every fault of the terms, a sentence each.
    pub(super) fn new(
        rules: &Arc<FeatureRules>,
        formula: impl Fn(&str) -> Option<Formula>,
        terms: &[Term],
    ) -> Result<ContextMap, Vec<String>> {
        let mut map = ContextMap {
            rules: Arc::clone(rules),
            names: terms.iter().map(|term| term.feature.clone()).collect(),
            shares: Terms::new(),
            settled: Terms::new(),
            at_instant: Terms::new(),
            uses_threshold: rules.has_daily_threshold()
                && terms.iter().any(|term| term.feature == "is_high_value"),
        };
        let mut faults = Vec::new();
        if terms.is_empty() {
            faults.push("the context has no term: list at least one".to_string());
        }
        for (position, Term { feature, transform }) in terms.iter().enumerate() {
            let transform = *transform;
            if terms[..position].iter().any(|earlier| earlier.feature == *feature) {
                faults.push(format!(
                    "`{feature}` enters the context twice: leave one of the terms out"
                ));
            }
            faults.extend(fault(feature, transform));
            match formula(feature) {
                _ if feature == INTERCEPT => map.settled.push(|_| 1.0, transform, position),
                Some(Formula::Share(count)) => map.shares.push(count, transform, position),
                Some(Formula::Settled(function) | Formula::OfProfile(function)) => {
                    map.settled.push(function, transform, position)
                }
                Some(Formula::AtInstant(function)) => {
                    map.at_instant.push(function, transform, position)
                }
                None => faults.push(format!(
                    "the context names `{feature}`, which is no feature: \
                    take a column of features.csv or `{INTERCEPT}`"
                )),
            }
        }
        if faults.is_empty() { Ok(map) } else { Err(faults) }
    }

    /// d: the number of terms.
    pub fn dimension(&self) -> usize {
        self.names.len()
    }

    /// The feature of each term.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a threshold that is taken daily enters: then a context must wait until its day's
    /// threshold is closed.
    pub fn uses_threshold(&self) -> bool {
        self.uses_threshold
    }

    /// Writes the terms that only purchases and the profile change into `x`, a slice of length
    /// [`dimension`](Self::dimension).
    pub fn purchases(&self, state: &CustomerState<'_>, x: &mut [i16]) {
        debug_assert_eq!(x.len(), self.dimension());
        let standing = FormulaInput::new(&self.rules, state);
        self.shares.write(&self.rules.tables, x, |count| standing.share(count));
        self.settled.write(&self.rules.tables, x, |function| function(&standing));
    }

    /// Writes the terms that depend on the instant into `x`; state, instant and threshold as for
    /// [`Features::row`](super::Features::row).
    pub fn instant(
        &self,
        state: &CustomerState<'_>,
        at: Millis,
        threshold: Option<u64>,
        x: &mut [i16],
    ) {
        debug_assert_eq!(x.len(), self.dimension());
        let moment = Moment::new(FormulaInput::new(&self.rules, state), at, threshold);
        self.at_instant.write(&self.rules.tables, x, |function| function(&moment));
    }
}

/// What is wrong with a transform: its number must be positive, so that no term divides by zero or
/// turns its sign.
fn fault(feature: &str, transform: Transform) -> Option<String> {
    let (word, number) = match transform {
        Transform::Identity => return None,
        Transform::Scale(scale) | Transform::Log(scale) => ("scale", scale),
        Transform::Cap(cap) => ("cap", cap),
    };
    (!(number.is_finite() && number > 0.0)).then(|| {
        format!("the {word} of `{feature}` in the context is {number}: it must be a number above 0")
    })
}
