//! A metric, declared once: its name, what it says, what its values do, and where they come from.

use metrics::{Label, SharedString, counter, describe_counter, describe_gauge, gauge};

/// A metric whose values an `S` knows.
pub struct Metric<S> {
    /// Its name, in base units; that of a counter, and only of one, ends in `_total`.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Its values.
    pub values: MetricValues<S>,
}

/// Where the values of a metric come from, and what they do.
pub enum MetricValues<S> {
    /// They only rise, from 0 at the start.
    Counter(fn(&S) -> Series<u64>),
    /// They rise and fall.
    Gauge(fn(&S) -> Series<f64>),
}

/// MetricValues, each with its labels; one that is not known is none.
pub type Series<V> = Vec<(Vec<Label>, V)>;

impl<S> Metric<S> {
    /// One whose values only rise.
    pub const fn counter(
        name: &'static str,
        help: &'static str,
        values: fn(&S) -> Series<u64>,
    ) -> Self {
        Metric { name, help, values: MetricValues::Counter(values) }
    }

    /// One whose values rise and fall.
    pub const fn gauge(
        name: &'static str,
        help: &'static str,
        values: fn(&S) -> Series<f64>,
    ) -> Self {
        Metric { name, help, values: MetricValues::Gauge(values) }
    }

    /// Describes it to the recorder at hand, and sets its values. One that is not known is left as
    /// it was: absent rather than 0 before the first.
    pub(super) fn record(&self, of: &S) {
        match self.values {
            MetricValues::Counter(values) => {
                describe_counter!(self.name, self.help);
                for (labels, value) in values(of) {
                    counter!(self.name, labels).absolute(value);
                }
            }
            MetricValues::Gauge(values) => {
                describe_gauge!(self.name, self.help);
                for (labels, value) in values(of) {
                    gauge!(self.name, labels).set(value);
                }
            }
        }
    }
}

/// A single value.
pub fn one<V>(value: V) -> Series<V> {
    known(Some(value))
}

/// A single value, where it is known.
pub fn known<V>(value: Option<V>) -> Series<V> {
    value.into_iter().map(|value| (Vec::new(), value)).collect()
}

/// A value for each value of a label.
pub fn by<N: Into<SharedString>, V>(
    label: &'static str,
    values: impl IntoIterator<Item = (N, V)>,
) -> Series<V> {
    values.into_iter().map(|(name, value)| (vec![Label::new(label, name)], value)).collect()
}
