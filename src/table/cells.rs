//! A row as it is read back from wherever a table lies: values by the places of their columns.

use dataflows::event::Millis;

/// A row of columns that were asked for.
///
/// # Panics
/// All of them, where the column is not of that kind, or has no value and must have one.
pub trait Cells {
    /// A small integer; `None` for no value.
    fn optional_smallint(&self, column: usize) -> Option<i16>;

    /// A big integer.
    fn bigint(&self, column: usize) -> i64;

    /// A real number.
    fn float8(&self, column: usize) -> f64;

    /// An instant.
    fn timestamp(&self, column: usize) -> Millis;

    /// A text.
    fn text(&self, column: usize) -> String;

    /// A list of small integers.
    fn smallints(&self, column: usize) -> Vec<i16>;

    /// A list of real numbers.
    fn float8s(&self, column: usize) -> Vec<f64>;
}
