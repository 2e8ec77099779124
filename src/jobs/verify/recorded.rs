//! The recorded epochs against those that were computed again: digest, offsets, counts, and whether the watermark can have been one.

use crate::postgres::PostgresSettings;
use crate::postgres::comparison::difference::NAMED;
use crate::postgres::comparison::{Findings, Recorded, Standing};
use crate::results::{EpochResults, hexadecimal};
use crate::sink::offsets_by_name;
use dataflows::event::Millis;
use serde_json::Value;
use std::collections::VecDeque;

/// Compares where the job says that it stands with the epochs that it has recorded. Where one is missing its records cannot be cut as they were: the
/// sentence says so.
pub fn check_progress(standing: &Standing, job: &str, progress: &mut Findings, epochs: &mut Findings) -> Option<String> {
    progress.rows += 1;
    let key = format!("job {job:?}");
    let last = standing.epochs.last().map_or(0, |epoch| epoch.epoch);
    if standing.progress.epoch < last {
        progress.differs(&key, "epoch", last.to_string(), standing.progress.epoch.to_string());
    }
    if standing.progress.published > standing.progress.epoch.max(last) {
        progress.differs(&key, "published", format!("at most {last}"), standing.progress.published.to_string());
    }
    let mut missing = None;
    let mut next = 1;
    for there in standing.epochs.iter().map(|epoch| epoch.epoch).chain([standing.progress.epoch.max(last).saturating_add(1)]) {
        if next < there {
            missing.get_or_insert(next);
            (next..there).take(NAMED).for_each(|epoch| epochs.is_missing(|| format!("epoch {epoch}")));
            epochs.total += (there - next).saturating_sub(NAMED as u64);
        }
        next = there.saturating_add(1);
    }
    epochs.rows = standing.epochs.len() as u64;
    missing.map(|epoch| format!("without the record of epoch {epoch} its records cannot be cut as they were: the results were not computed again"))
}

/// Compares epoch after epoch.
pub struct Checker {
    recorded: VecDeque<Recorded>,
    settings: PostgresSettings,
    findings: Findings,
    /// Watermark of the epoch before.
    watermark: Option<Millis>,
}

impl Checker {
    /// With what is recorded, from the first epoch on, and what was found already.
    pub fn new(recorded: Vec<Recorded>, settings: PostgresSettings, findings: Findings) -> Self {
        Checker { recorded: recorded.into(), settings, findings, watermark: None }
    }

    /// What was found.
    pub fn into_findings(self) -> Findings {
        self.findings
    }

    /// Compares the next epoch.
    pub fn check(&mut self, results: &EpochResults) {
        let Some(recorded) = self.recorded.pop_front() else { return };
        let key = format!("epoch {}", recorded.epoch);
        let digest = hexadecimal(&results.digest);
        if recorded.digest != digest {
            self.findings.differs(&key, "digest", digest, recorded.digest.clone());
        }
        self.check_offsets(&key, results, &recorded);
        self.check_counts(&key, results, &recorded);
        self.check_watermark(&key, results, &recorded);
        self.watermark = results.closed.watermark;
    }

    /// An epoch that is repeated ends where its record says, so offsets tell whether a partition is missing there, or stands before the epoch in front.
    fn check_offsets(&mut self, key: &str, results: &EpochResults, recorded: &Recorded) {
        let mut expected = results.closed.offsets.clone();
        expected.sort_unstable();
        if expected != recorded.offsets {
            let shown = |offsets: &[_]| serde_json::to_string(&offsets_by_name(offsets, &self.settings.topics)).unwrap_or_default();
            let (expected, found) = (shown(&expected), shown(&recorded.offsets));
            self.findings.differs(key, "offsets", expected, found);
        }
    }

    fn check_counts(&mut self, key: &str, results: &EpochResults, recorded: &Recorded) {
        let expected = serde_json::to_value(results.counts).unwrap_or_default();
        let found: Value = serde_json::from_str(&recorded.counts).unwrap_or_default();
        if expected == found {
            return;
        }
        let names = expected.as_object().into_iter().flat_map(|counts| counts.keys()).filter(|name| expected[name.as_str()] != found[name.as_str()]);
        let names: Vec<&String> = names.collect();
        for name in &names {
            self.findings.differs(key, &format!("counts.{name}"), expected[name.as_str()].to_string(), found[name.as_str()].to_string());
        }
        if names.is_empty() {
            self.findings.differs(key, "counts", expected.to_string(), found.to_string());
        }
    }

    /// Which partitions were idle is not recorded, so of several watermarks that the epoch can have had one cannot be told from another. It never falls,
    /// and is the one before, or the greatest time seen in some partition less the lateness.
    fn check_watermark(&mut self, key: &str, results: &EpochResults, recorded: &Recorded) {
        let lateness = self.settings.lateness;
        let moving = results.closed.highs.iter().filter(|(topic, ..)| topic.moves_watermark());
        let possible = moving.map(|&(.., high)| Some(high.saturating_sub(lateness))).chain([self.watermark]);
        let fell = recorded.watermark < self.watermark;
        if !fell && possible.clone().any(|possible| possible == recorded.watermark) {
            return;
        }
        let mut possible: Vec<String> = possible.filter(|possible| *possible >= self.watermark).map(shown).collect();
        possible.sort_unstable();
        possible.dedup();
        self.findings.differs(key, "watermark", format!("one of {}", possible.join(", ")), shown(recorded.watermark));
    }
}

/// A watermark as people read it.
fn shown(watermark: Option<Millis>) -> String {
    let Some(watermark) = watermark else { return "NULL".to_string() };
    jiff::Timestamp::from_millisecond(watermark).map_or_else(|_| watermark.to_string(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Progress;
    use dataflows::campaign::output::{Closed, Count, Counts};
    use dataflows::event::{DAY, Topic};

    fn recorded(results: &EpochResults) -> Recorded {
        Recorded {
            epoch: results.epoch,
            watermark: results.closed.watermark,
            offsets: results.closed.offsets.clone(),
            digest: hexadecimal(&results.digest),
            counts: serde_json::to_string(&results.counts).expect("a count is JSON"),
        }
    }

    fn epoch(epoch: u64, high: Millis) -> EpochResults {
        let highs = vec![(Topic::Transactions, 0, high), (Topic::Interactions, 1, high + 7), (Topic::Customers, 0, high * 2)];
        let offsets = vec![(Topic::Transactions, 0, epoch * 10), (Topic::Interactions, 1, epoch)];
        let closed = Closed { watermark: Some(high - DAY), offsets, highs, ..Closed::default() };
        EpochResults { closed, counts: Counts { records: epoch, ..Counts::default() }, ..EpochResults::new(epoch) }
    }

    /// The columns in which the second of three epochs differs once `change` was done to its record.
    fn differing(change: impl FnOnce(&mut Recorded)) -> Vec<String> {
        let all = [epoch(1, 10 * DAY), epoch(2, 11 * DAY), epoch(3, 12 * DAY)];
        let mut own: Vec<Recorded> = all.iter().map(recorded).collect();
        change(&mut own[1]);
        let mut checker = Checker::new(own, PostgresSettings::new("", "campaign"), Findings::new("epochs"));
        all.iter().for_each(|results| checker.check(results));
        let findings = checker.into_findings();
        assert!(findings.named.iter().all(|difference| difference.key == "epoch 2"), "{findings:?}");
        findings.named.into_iter().filter_map(|difference| difference.column).collect()
    }

    #[test]
    fn whatever_of_a_record_is_changed_is_named() {
        assert!(differing(|_| ()).is_empty());
        assert!(differing(|recorded| recorded.watermark = Some(10 * DAY + 7)).is_empty(), "another partition may have been idle");
        assert_eq!(differing(|recorded| recorded.watermark = Some(10 * DAY + 1)), ["watermark"]);
        assert_eq!(differing(|recorded| recorded.watermark = None), ["watermark"]);
        assert_eq!(differing(|recorded| recorded.digest = "no digest".to_string()), ["digest"]);
        assert_eq!(differing(|recorded| recorded.offsets[0].2 += 1), ["offsets"]);
        assert_eq!(differing(|recorded| recorded.offsets.truncate(1)), ["offsets"]);
        assert_eq!(differing(|recorded| recorded.counts = "{}".to_string()).len(), NAMED.min(Count::ALL.len() + 2));
        assert_eq!(differing(|recorded| recorded.counts = recorded.counts.replacen(":2", ":3", 1)), ["counts.records"]);
    }

    #[test]
    fn a_missing_epoch_and_progress_behind_are_named() {
        let check = |epochs: &[u64], at: u64| {
            let epochs = epochs.iter().map(|number| recorded(&epoch(*number, 10 * DAY))).collect();
            let progress = Progress { epoch: at, incarnation: 1, published: 0 };
            let standing = Standing { progress, starts: None, topic_ids: Default::default(), epochs, kept: Default::default() };
            let (mut progress, mut epochs) = (Findings::new("progress"), Findings::new("epochs"));
            let incomplete = check_progress(&standing, "campaign", &mut progress, &mut epochs).is_some();
            let keys: Vec<String> = epochs.named.into_iter().map(|difference| difference.key).collect();
            (progress.total, keys.join(" "), incomplete)
        };
        assert_eq!(check(&[1, 2, 3], 3), (0, String::new(), false));
        assert_eq!(check(&[], 0), (0, String::new(), false));
        assert_eq!(check(&[1, 2, 3], 2), (1, String::new(), false));
        assert_eq!(check(&[1, 3], 3), (0, "epoch 2".to_string(), true));
        assert_eq!(check(&[1, 2], u64::MAX).1.split(' ').filter(|word| *word == "epoch").count(), NAMED);
        assert_eq!(check(&[1, 2], 4), (0, "epoch 3 epoch 4".to_string(), true));
    }
}
