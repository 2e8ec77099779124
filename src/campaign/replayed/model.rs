//! The form of model.json.

use dataflows::bandit::parameters::Parameters;
use dataflows::campaign::output::ArmUpdate;
use serde::Serialize;

/// The learned model, as model.json has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelFile {
    /// Length of the context.
    pub dimension: usize,
    /// Names of its terms.
    pub context: Vec<String>,
    /// Ridge of the solved model.
    pub ridge: f64,
    /// What policies are told.
    #[serde(flatten)]
    pub parameters: Parameters,
    /// The arms, in their order.
    pub arms: Vec<ArmFile>,
    /// SHA-256 over the exact sums, in hexadecimal digits.
    pub digest: String,
    /// SHA-256 over the rows of features.csv, in hexadecimal digits.
    pub features_digest: String,
}

/// An arm of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFile {
    /// Its number.
    pub arm: u32,
    /// Its name.
    pub name: String,
    /// Observations.
    pub n: i64,
    /// Ridge and sum of x x', row by row.
    #[serde(rename = "A")]
    pub a: Vec<Vec<f64>>,
    /// Sum of r x.
    pub b: Vec<f64>,
    /// The solved coefficients.
    pub theta: Vec<f64>,
}

impl ArmFile {
    /// An arm by its name.
    pub fn new(arm: &ArmUpdate, name: &str) -> Self {
        let dimension = arm.totals.dimension();
        let mut a = vec![vec![0.0; dimension]; dimension];
        let triangle =
            (0..dimension).flat_map(|row| (row..dimension).map(move |column| (row, column)));
        for ((row, column), cell) in triangle.zip(arm.totals.real_a()) {
            a[row][column] = cell;
            a[column][row] = cell;
        }
        (0..dimension).for_each(|i| a[i][i] += arm.model.ridge);
        ArmFile {
            arm: arm.arm,
            name: name.to_string(),
            n: arm.totals.n,
            a,
            b: arm.totals.real_b(),
            theta: arm.model.theta.clone(),
        }
    }
}
