//! The campaign as a replay runs it.

use super::thresholds;
use super::writing::write_results;
use crate::campaign::results::EpochResults;
use crate::files::error::FileError;
use crate::files::output::{OutputDirectory, OutputError};
use crate::files::reader::{FileColumns, FileReading};
use crate::hosting::replaying::{ReplayAs, ReplayFlags, ReplayTold, Replays, RowsTaken};
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::event::parse::{Parsed, Parser};
use dataflows::event::{Aside, Topic, source_names};
use dataflows::settings::Emit;
use std::sync::Arc;

/// The instant of features.csv; without it that of the latest event.
const AS_OF: &str = "--as-of";
/// A stream's behavior with this lateness; without it nothing is late.
const LATENESS: &str = "--lateness";
/// Thresholds that were published; without it they are computed.
const THRESHOLDS: &str = "--thresholds";

impl Replays for Campaign {
    fn files() -> Vec<String> {
        ["features.csv", "model.json", "thresholds.csv"].map(String::from).to_vec()
    }

    fn replayed(mut self, flags: &mut ReplayFlags) -> Result<ReplayAs<Self>, FileError> {
        let (as_of, lateness) = (flags.times.remove(AS_OF), flags.times.remove(LATENESS));
        let published = flags.files.remove(THRESHOLDS);
        let published = published.map(|path| thresholds::read(&path)).transpose()?;
        let settings = Arc::make_mut(&mut self.settings);
        // Rows of events are in none of its files.
        settings.input.names = false;
        settings.emit = Emit { final_features: Some(as_of), ..Emit::default() };
        settings.time.lateness = lateness.unwrap_or(settings.time.lateness);
        let checksum = published
            .as_ref()
            .map(|thresholds| crc32fast::hash(format!("{thresholds:?}").as_bytes()));
        let agreed = vec![
            (AS_OF, format!("{as_of:?}")),
            (LATENESS, format!("{lateness:?}")),
            (
                THRESHOLDS,
                checksum.map_or("none".to_string(), |checksum| {
                    format!("a file with checksum {checksum:08x}")
                }),
            ),
        ];
        self.thresholds = published.map(Arc::new);
        Ok(ReplayAs { dataflow: self, streamed: lateness.is_some(), agreed })
    }

    fn reading(&self) -> FileReading {
        let input = &self.settings.input;
        let columns = Topic::ALL.map(|topic| {
            let names = source_names(topic, &input.aliases);
            (topic.id(), FileColumns { names, configured: true })
        });
        FileReading { max_record: input.max_record, columns: columns.into() }
    }

    fn taken(&self) -> RowsTaken {
        let mut parser = Parser::new(Arc::new(self.settings.input.clone()), 1, |_| 0);
        let mut parsed = Parsed::default();
        Box::new(move |block| {
            parsed.clear();
            parser.parse(block, &mut parsed);
            let records = parsed.records.iter().map(|record| record.place());
            let places = records.chain(parsed.asides.iter().map(Aside::place));
            places.map(|place| place.position()).collect()
        })
    }

    /// Only the features of all customers are taken, and the range of times: the model stays as it
    /// was recorded.
    fn add_at_end(results: &mut EpochResults, output: Output) {
        match output {
            Output::LastFeatures(rows) => results.last_features.push(rows),
            Output::OfOtherCustomers(number) => results.of_other_customers = Some(number),
            Output::Counts(counts) => {
                results.counts.first = results.counts.first.min(counts.first);
                results.counts.last = results.counts.last.max(counts.last);
            }
            _ => {}
        }
    }

    fn write(
        &self,
        results: &EpochResults,
        output: &OutputDirectory,
        threads: usize,
    ) -> Result<ReplayTold, OutputError> {
        write_results(self, results, output, threads)
    }
}
