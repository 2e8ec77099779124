//! A ridge regression an arm, solved from its exact sums: what the arm promises in a context.
//!
//! A = ridge I + sum of x x', b = sum of r x, theta = A^-1 b; of a context x the arm promises
//! theta'x, give or take sqrt(x' A^-1 x) (Li, Chu, Langford and Schapire 2010, algorithm 1). With A
//! = L L', x' A^-1 x is the squared length of L^-1 x, so a model keeps L^-1: half the work of a
//! full inverse, and never negative.

use super::rewards::RewardSums;
use super::totals::Totals;
use super::{CONTEXT_BITS, MAX_DIMENSION, triangle_length};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use serde::{Deserialize, Serialize};

/// Numbers summed side by side, so that sums of floats have one order on every machine and still
/// use its vector registers.
const LANES: usize = 8;

/// The solved model of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmModel {
    /// Number of the arm.
    pub arm: u32,
    /// Observations behind it.
    pub n: i64,
    /// Sums of their rewards, where they are known.
    pub rewards: Option<RewardSums>,
    /// The ridge that it was solved with; greater than the one asked for only where that was too
    /// small (see [`solve_real`]).
    pub ridge: f64,
    /// The coefficients.
    pub theta: Vec<f64>,
    /// L^-1 of A = L L', eight rows together: column by column, up to the last that is not zero in
    /// all of them (rows beyond the last are zero).
    pub inverse_factor: Vec<f64>,
}

/// What is expected of an arm in a context, in units of reward.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// theta'x.
    pub mean: f64,
    /// sqrt(x' A^-1 x).
    pub width: f64,
    /// Observations of the arm, in any context.
    pub n: i64,
}

/// A context (Q12) in real units.
pub fn real_context(x: &[i16]) -> Vec<f64> {
    let unit = libm::ldexp(1.0, -CONTEXT_BITS);
    x.iter().map(|&term| f64::from(term) * unit).collect()
}

/// Solves the model of an arm from its totals; the same totals and ridge give the same bits
/// everywhere.
///
/// Totals of a fresh arm give theta = 0 and A = ridge I. How a ridge that is too small is treated:
/// [`solve_real`].
pub fn solve(arm: u32, totals: &Totals, ridge: f64) -> ArmModel {
    let Totals { n, rewards, .. } = *totals;
    ArmModel { arm, n, rewards, ..solve_real(&totals.real_a(), &totals.real_b(), ridge) }
}

/// Solves a model from sums in real units: `a` is the upper triangle of the sum of x x' row by row,
/// without ridge, `b` the sum of r x.
///
/// Arm and n of the result are 0, and rewards are not known.
///
/// With exact arithmetic A is positive definite for every ridge > 0.
/// Where rounding (a ridge tiny against the sums) or a ridge of 0 makes the factorization fail, the
/// ridge is raised fourfold, from at least 2^-24, until it succeeds, and the model says which it
/// is. Sums that are not finite cannot come from totals; they give the model of an unseen arm.
///
/// # Panics
/// If the lengths of `a` and `b` do not belong together or the dimension exceeds [`MAX_DIMENSION`].
pub fn solve_real(a: &[f64], b: &[f64], ridge: f64) -> ArmModel {
    let dimension = b.len();
    assert!(
        dimension <= MAX_DIMENSION && a.len() == triangle_length(dimension),
        "{} cells are no triangle of dimension {dimension}",
        a.len()
    );
    let least = libm::ldexp(1.0, -2 * CONTEXT_BITS);
    let mut ridge = if ridge >= 0.0 { ridge } else { least };
    while ridge.is_finite() {
        if let Some(factored) = factor(symmetric(a, dimension, ridge)) {
            let theta = factored.solve(&DVector::from_column_slice(b));
            let inverse_factor = invert_factor(&factored);
            if theta.iter().chain(&inverse_factor).all(|value| value.is_finite()) {
                return ArmModel {
                    arm: 0,
                    n: 0,
                    rewards: None,
                    ridge,
                    theta: theta.as_slice().to_vec(),
                    inverse_factor,
                };
            }
        }
        ridge = (ridge * 4.0).max(least);
    }
    solve_real(&vec![0.0; a.len()], &vec![0.0; dimension], 1.0)
}

/// Factors A, or `None` if it is not positive definite by more than the rounding of the
/// factorization.
fn factor(matrix: DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let rounding = matrix.nrows() as f64 * f64::EPSILON;
    let diagonal = matrix.diagonal();
    let factored = Cholesky::new(matrix)?;
    let pivots = factored.l_dirty().diagonal();
    pivots
        .iter()
        .zip(&diagonal)
        .all(|(pivot, cell)| pivot * pivot > rounding * cell)
        .then_some(factored)
}

/// A with its ridge, from its upper triangle without.
fn symmetric(a: &[f64], dimension: usize, ridge: f64) -> DMatrix<f64> {
    let mut matrix = DMatrix::zeros(dimension, dimension);
    let mut cells = a.iter();
    for row in 0..dimension {
        for (column, &cell) in (row..dimension).zip(&mut cells) {
            matrix[(row, column)] = cell;
            matrix[(column, row)] = cell;
        }
        matrix[(row, row)] += ridge;
    }
    matrix
}

/// L^-1 by forward substitution of the unit vectors, laid out as [`ArmModel::inverse_factor`] says.
fn invert_factor(factored: &Cholesky<f64, Dyn>) -> Vec<f64> {
    let factor = factored.l_dirty();
    let dimension = factor.nrows();
    let mut inverse = vec![0.0; row_groups(dimension).map(|columns| columns * LANES).sum()];
    for unit in 0..dimension {
        let mut column = [0.0; MAX_DIMENSION];
        column[unit] = 1.0;
        for k in unit..dimension {
            let below = &factor.as_slice()[k * dimension..][k..dimension];
            let value = column[k] / below[0];
            column[k] = value;
            column[k + 1..dimension]
                .iter_mut()
                .zip(&below[1..])
                .for_each(|(rest, &cell)| *rest -= cell * value);
        }
        let mut rest = inverse.as_mut_slice();
        for (columns, rows) in row_groups(dimension).zip(column.as_chunks::<LANES>().0) {
            let (group, groups) = rest.split_at_mut(columns * LANES);
            rest = groups;
            if unit < columns {
                group[unit * LANES..][..LANES].copy_from_slice(rows);
            }
        }
    }
    inverse
}

/// Columns up to the diagonal's end of each eight rows of a lower triangle.
fn row_groups(dimension: usize) -> impl Iterator<Item = usize> {
    (0..dimension).step_by(LANES).map(move |row| (row + LANES).min(dimension))
}

impl ArmModel {
    /// What the arm promises in a context of real units.
    ///
    /// # Panics
    /// If the context has another dimension than the model.
    pub fn estimate(&self, x: &[f64]) -> Estimate {
        assert_eq!(x.len(), self.theta.len(), "a context must have the dimension of its model");
        Estimate { mean: dot(&self.theta, x), width: self.variance(x).sqrt(), n: self.n }
    }

    /// x' A^-1 x: the squared length of L^-1 x, eight rows at a time.
    fn variance(&self, x: &[f64]) -> f64 {
        let mut squares = [0.0; LANES];
        let mut rest = self.inverse_factor.as_chunks::<LANES>().0;
        for columns in row_groups(x.len()) {
            let (group, groups) = rest.split_at(columns);
            rest = groups;
            let mut rows = [0.0; LANES];
            for (cells, &term) in group.iter().zip(x) {
                rows.iter_mut().zip(cells).for_each(|(row, &cell)| *row += cell * term);
            }
            squares.iter_mut().zip(rows).for_each(|(square, row)| *square += row * row);
        }
        squares.iter().sum()
    }
}

/// a'b, summed in [`LANES`] interleaved parts and those in turn.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut parts = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        parts.iter_mut().zip(a.iter().zip(b)).for_each(|(part, (a, b))| *part += a * b);
    }
    parts.iter_mut().zip(a_rest.iter().zip(b_rest)).for_each(|(part, (a, b))| *part += a * b);
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::random::SplitMix64;
    use super::super::statistics::Sums;
    use super::*;

    fn close(got: f64, wanted: f64) -> bool {
        (got - wanted).abs() < 1e-12
    }

    /// Totals of a list of observations in real units.
    fn totals(observations: &[([f64; 2], f64)]) -> Totals {
        let mut sums = Sums::new(0, 2);
        for (x, reward) in observations {
            sums.push(&x.map(|term| (term * 4096.0) as i16), (reward * 65_536.0) as i64);
        }
        let mut totals = Totals::new(2);
        sums.drain().iter().for_each(|delta| totals.add(delta));
        totals
    }

    /// By hand: A = [3 1; 1 2], b = (3, 2), A^-1 = [2 -1; -1 3] / 5.
    #[test]
    fn solution_is_the_one_worked_out_by_hand() {
        let model = solve(4, &totals(&[([1.0, 0.0], 1.0), ([1.0, 1.0], 2.0)]), 1.0);
        assert_eq!((model.arm, model.n, model.ridge), (4, 2, 1.0));
        assert!(close(model.theta[0], 0.8) && close(model.theta[1], 0.6), "{:?}", model.theta);
        for (x, expected, variance) in [
            ([1.0, 0.0], 0.8, 0.4),
            ([0.0, 1.0], 0.6, 0.6),
            ([1.0, 1.0], 1.4, 0.6),
            ([2.0, -1.0], 1.0, 3.0),
        ] {
            let estimate = model.estimate(&x);
            assert!(close(estimate.mean, expected), "{estimate:?}");
            assert!(close(estimate.width, f64::sqrt(variance)), "{estimate:?}");
        }
    }

    #[test]
    fn an_unseen_arm_expects_nothing_and_knows_only_its_ridge() {
        let model = solve(0, &Totals::new(3), 4.0);
        assert_eq!(model.theta, [0.0; 3]);
        assert_eq!(model.estimate(&[1.0, 2.0, -2.0]), Estimate { mean: 0.0, width: 1.5, n: 0 });
    }

    #[test]
    fn the_factor_inverts_a_at_every_dimension() {
        let mut random = SplitMix64(3);
        for dimension in [1, 2, 7, 8, 9, 30, 32, 128] {
            let mut a = vec![0.0; triangle_length(dimension)];
            for _ in 0..2 * dimension {
                let x: Vec<f64> = (0..dimension).map(|_| 2.0 * random.unit() - 1.0).collect();
                let cells = (0..dimension).flat_map(|i| (i..dimension).map(move |j| (i, j)));
                a.iter_mut().zip(cells).for_each(|(cell, (i, j))| *cell += x[i] * x[j]);
            }
            let model = solve_real(&a, &vec![1.0; dimension], 0.5);
            let x: Vec<f64> = (0..dimension).map(|_| 2.0 * random.unit() - 1.0).collect();
            let estimate = model.estimate(&x);
            let matrix = symmetric(&a, dimension, 0.5);
            let inverse = matrix.clone().try_inverse().expect("regular");
            let x = DVector::from_vec(x);
            assert!(
                close(estimate.width.powi(2), x.dot(&(&inverse * &x))),
                "dimension {dimension}"
            );
            assert!(
                close(estimate.mean, x.dot(&(&inverse * DVector::from_element(dimension, 1.0)))),
                "dimension {dimension}"
            );
        }
    }

    #[test]
    fn a_ridge_that_is_too_small_is_raised_and_reported() {
        let collinear = totals(&[([1.0, 1.0], 1.0), ([1.0, 1.0], 2.0)]);
        for ridge in [0.0, -1.0, f64::NAN, 1e-300] {
            let model = solve(0, &collinear, ridge);
            assert!(model.ridge >= libm::ldexp(1.0, -24) && model.ridge < 1e-6, "{}", model.ridge);
            assert!((model.estimate(&[1.0, 1.0]).mean - 1.5).abs() < 1e-6);
        }
        assert_eq!(solve(0, &collinear, 1e-3).ridge, 1e-3);
        assert_eq!(solve_real(&[f64::NAN], &[1.0], 1.0), solve_real(&[0.0], &[0.0], 1.0));
        assert_eq!(solve_real(&[1.0], &[f64::INFINITY], 1.0).theta, [0.0]);
    }

    #[test]
    fn contexts_in_real_units_are_exact() {
        assert_eq!(
            real_context(&[4096, -32_768, 1, 32_767]),
            [1.0, -8.0, 1.0 / 4096.0, 8.0 - 1.0 / 4096.0]
        );
    }
}
