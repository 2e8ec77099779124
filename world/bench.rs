//! The figures of a benchmark: what runs took, and how numbers of workers compare.

pub mod live;
pub mod machine;

use live::Live;
use machine::Machine;
use serde::{Deserialize, Serialize};

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// One for each world and number of workers.
    pub measured: Vec<Measured>,
    /// The long-running job, where that was asked for.
    pub live: Option<Live>,
}

/// The runs of one world with one number of workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Customers of the world.
    pub customers: u32,
    /// Worker threads.
    pub workers: usize,
    /// Every run, in the order in which they ran.
    pub runs: Vec<Run>,
}

/// What one run took, from the summary of its replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Records that were read: purchases, interactions and profiles.
    pub records: u64,
    /// Seconds from start to end.
    pub wall_seconds: f64,
    /// Seconds of all processors.
    pub cpu_seconds: f64,
    /// The most memory that was held, in bytes.
    pub peak_memory_bytes: u64,
    /// SHA-256 over the exact sums of the model, in hexadecimal digits.
    pub digest: String,
}

/// A quantity over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median: the mean of the two in the middle, where their number is even.
    pub median: f64,
}

impl Spread {
    /// Of at least one value; of none it is not a number.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut ascending: Vec<f64> = values.into_iter().collect();
        ascending.sort_unstable_by(f64::total_cmp);
        let middle = ascending.len() / 2;
        let median = match ascending[..] {
            [] => f64::NAN,
            _ if ascending.len().is_multiple_of(2) => {
                (ascending[middle - 1] + ascending[middle]) / 2.0
            }
            _ => ascending[middle],
        };
        Spread { least: ascending.first().copied().unwrap_or(f64::NAN), median }
    }
}

impl Measured {
    /// Records of a run: all runs have the same.
    pub fn records(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.records)
    }

    /// Microseconds of all processors for an event.
    pub fn cpu_microseconds(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.cpu_seconds * 1e6 / run.records as f64))
    }

    /// Seconds from start to end.
    pub fn wall_seconds(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.wall_seconds))
    }

    /// Events a second, in the run of median time.
    pub fn events_per_second(&self) -> f64 {
        self.records() as f64 / self.wall_seconds().median
    }

    /// The most memory that any run held, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_memory_bytes).max().unwrap_or(0)
    }
}

impl Report {
    /// How many times faster than with the first number of workers a world was replayed, by the
    /// median of the time from start to end.
    pub fn speedup(&self, measured: &Measured) -> f64 {
        let base = self
            .measured
            .iter()
            .find(|other| other.customers == measured.customers)
            .unwrap_or(measured);
        base.wall_seconds().median / measured.wall_seconds().median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall_seconds: f64, cpu_seconds: f64, peak_memory_bytes: u64) -> Run {
        Run { records: 1_000, wall_seconds, cpu_seconds, peak_memory_bytes, digest: String::new() }
    }

    #[test]
    fn runs_are_summed_up_by_the_least_and_the_median() {
        let one = Measured {
            customers: 10,
            workers: 1,
            runs: vec![run(4.0, 0.003, 7), run(2.0, 0.002, 9), run(3.0, 0.001, 8)],
        };
        assert_eq!(one.cpu_microseconds(), Spread { least: 1.0, median: 2.0 });
        assert_eq!(one.wall_seconds(), Spread { least: 2.0, median: 3.0 });
        assert_eq!((one.records(), one.peak_memory_bytes()), (1_000, 9));
        assert!((one.events_per_second() - 1_000.0 / 3.0).abs() < 1e-9);
        assert_eq!(Spread::of([4.0, 1.0]), Spread { least: 1.0, median: 2.5 });
    }

    #[test]
    fn a_speedup_compares_runs_of_one_world() {
        let measured = |customers, workers, wall| Measured {
            customers,
            workers,
            runs: vec![run(wall, 1.0, 1)],
        };
        let machine =
            Machine { processor: None, cores: 2, memory_bytes: None, system: None, load: None };
        let report = Report {
            machine,
            live: None,
            measured: vec![
                measured(10, 1, 3.0),
                measured(10, 2, 2.0),
                measured(99, 1, 8.0),
                measured(99, 2, 4.0),
            ],
        };
        let speedups: Vec<f64> =
            report.measured.iter().map(|measured| report.speedup(measured)).collect();
        assert_eq!(speedups, [1.0, 1.5, 1.0, 2.0]);
    }
}
