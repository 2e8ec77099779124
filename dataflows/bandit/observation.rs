//! One observation and the many tallies that it feeds: everything that is learned is a sum over
//! these.

use crate::event::Millis;

/// Whether an observation comes, or goes because it was corrected, taken back or erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It comes.
    Comes,
    /// It goes: what it once added is taken away.
    Goes,
}

impl Sign {
    /// 1 or -1.
    #[inline]
    pub fn weight(self) -> i64 {
        match self {
            Sign::Comes => 1,
            Sign::Goes => -1,
        }
    }
}

/// A contact whose reward is known: what an arm brought in a context.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Whether it comes or goes.
    pub sign: Sign,
    /// The arm that was played.
    pub arm: u16,
    /// The context as of its instant, in Q12.
    pub context: &'a [i16],
    /// The reward, in Q16.
    pub reward: i64,
    /// The probability with which the arm was played.
    pub propensity: f64,
    /// When it was.
    pub instant: Millis,
}

/// Sums over observations: additive, of integers, and what goes leaves no trace.
pub trait Tally {
    /// Counts an observation.
    fn add(&mut self, observation: &Observation<'_>);
}
