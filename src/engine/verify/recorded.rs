//! The recorded epochs against those that were computed again: digest, offsets, counts, and whether
//! the watermark can have been one.

#[cfg(test)]
mod tests;

use super::lost::Lost;
use crate::hexadecimal::{digest_from_hex, hexadecimal};
use crate::hosting::LookedAtAgain;
use crate::postgres::PostgresSettings;
use crate::postgres::comparison::difference::NAMED;
use crate::postgres::comparison::{Findings, Recorded, Standing};
use crate::postgres::recorded::records_of;
use crate::postgres::retention::Gone;
use crate::sink::gathered::{Essentials, Gathered};
use crate::sink::{Link, Made};
use crate::source::offsets_by_name;
use dataflows::event::Millis;
use serde_json::Value;
use std::collections::VecDeque;

/// Compares where the job says that it stands with the epochs that it has recorded. Where one is
/// missing its records cannot be cut as they were: the sentence says so.
pub fn check_progress(
    standing: &Standing,
    job: &str,
    progress: &mut Findings,
    epochs: &mut Findings,
) -> Option<String> {
    progress.rows += 1;
    let key = format!("job {job:?}");
    let last = standing.last();
    if standing.progress.epoch < last {
        progress.differs(&key, "epoch", last.to_string(), standing.progress.epoch.to_string());
    }
    if standing.progress.published > standing.progress.epoch.max(last) {
        progress.differs(
            &key,
            "published",
            format!("at most {last}"),
            standing.progress.published.to_string(),
        );
    }
    let mut missing = None;
    let mut next = standing.seen.through + 1;
    for there in standing.epochs.iter().map(|epoch| epoch.epoch).chain([standing
        .progress
        .epoch
        .max(last)
        .saturating_add(1)])
    {
        if next < there {
            missing.get_or_insert(next);
            (next..there)
                .take(NAMED)
                .for_each(|epoch| epochs.is_missing(|| format!("epoch {epoch}")));
            epochs.total += (there - next).saturating_sub(NAMED as u64);
        }
        next = there.saturating_add(1);
    }
    epochs.rows = standing.epochs.len() as u64;
    missing.map(|epoch| {
        format!(
            "without the record of epoch {epoch} its records cannot be cut as \
        they were: the results were not computed again"
        )
    })
}

/// Compares the history of each recorded epoch with that of the job, and its link with what is
/// recorded of it, and with the link before; of one that follows a gap nothing can be said of that.
pub fn check_chain(standing: &Standing, epochs: &mut Findings) {
    let Standing { history, seen, epochs: recorded, .. } = standing;
    let link = seen.last.as_ref().and_then(|last| last.chain.as_deref()).and_then(Link::from_hex);
    let mut before: Option<(u64, Option<Link>)> = Some((seen.through, link));
    let identity = history.identity.to_string();
    for (epoch, other) in
        recorded.iter().filter_map(|epoch| Some((epoch.epoch, epoch.identity.as_ref()?)))
    {
        if *other != identity {
            epochs.differs(&format!("epoch {epoch}"), "identity", identity.clone(), other.clone());
        }
    }
    for epoch in recorded {
        let follows = before.is_some_and(|(number, _)| number + 1 == epoch.epoch)
            || epoch.epoch == history.after + 1;
        let found = epoch.chain.as_deref().and_then(Link::from_hex);
        // What is no digest and no count is found where they are compared.
        if let (true, Some(digest), Some(records)) =
            (follows, digest_from_hex(&epoch.digest), records_of(&epoch.counts))
        {
            let Recorded { epoch: number, watermark, offsets, topic_ids, .. } = epoch;
            let made = Made {
                epoch: *number,
                watermark: *watermark,
                offsets,
                digest: &digest,
                records,
                topic_ids,
            };
            let expected = history.link(before.and_then(|(_, link)| link), &made);
            if expected != found || found.is_some() != epoch.chain.is_some() {
                let expected = expected.map_or("NULL".to_string(), |link| link.to_string());
                epochs.differs(
                    &format!("epoch {number}"),
                    "chain",
                    expected,
                    epoch.chain.clone().unwrap_or_else(|| "NULL".to_string()),
                );
            }
        }
        before = Some((epoch.epoch, found));
    }
}

/// What is found while epochs are computed again.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of what is recorded with them.
    pub epochs: Findings,
    /// Of decisions that came as made.
    pub decided: Findings,
}

/// Compares epoch after epoch.
pub struct Checker {
    recorded: VecDeque<Recorded>,
    settings: PostgresSettings,
    findings: Findings,
    lost: Lost,
    again: Box<dyn LookedAtAgain>,
    /// Watermark of the epoch before.
    watermark: Option<Millis>,
}

impl Checker {
    /// With what is recorded, from the first epoch on, and what was found already.
    pub fn new(
        recorded: Vec<Recorded>,
        settings: PostgresSettings,
        findings: Findings,
        lost: Lost,
        again: Box<dyn LookedAtAgain>,
    ) -> Self {
        Checker { recorded: recorded.into(), settings, findings, lost, again, watermark: None }
    }

    /// Begins after an epoch with this watermark.
    pub fn after(self, watermark: Option<Millis>) -> Self {
        Checker { watermark, ..self }
    }

    /// What was found, and which records are gone.
    pub fn into_findings(self) -> (Found, Lost) {
        (Found { epochs: self.findings, decided: self.again.into_findings() }, self.lost)
    }

    /// Which rows are gone when those of the next epoch are written.
    pub fn gone(&self) -> Option<Gone> {
        self.recorded.front().map(|recorded| recorded.gone.clone())
    }

    /// Compares the next epoch.
    pub fn check(&mut self, results: &dyn Gathered) {
        let Some(recorded) = self.recorded.pop_front() else { return };
        let key = format!("epoch {}", recorded.epoch);
        self.lost.take(results, recorded.read.as_ref());
        self.again.look(results);
        let results = results.essentials();
        let digest = hexadecimal(results.digest);
        if recorded.digest != digest && self.lost.is_any() {
            self.findings.untold += 1;
        } else if recorded.digest != digest {
            self.findings.differs(&key, "digest", digest, recorded.digest.clone());
        }
        self.check_offsets(&key, &results, &recorded);
        self.check_counts(&key, &results, &recorded);
        self.check_watermark(&key, &results, &recorded);
        self.watermark = results.closed.watermark;
    }

    /// An epoch that is repeated ends where its record says, so offsets tell whether a partition is
    /// missing there, or stands before the epoch in front.
    fn check_offsets(&mut self, key: &str, results: &Essentials<'_>, recorded: &Recorded) {
        let mut expected = results.closed.offsets.clone();
        expected.sort_unstable();
        if expected != recorded.offsets {
            let shown = |offsets: &[_]| {
                serde_json::to_string(&offsets_by_name(offsets, &self.settings.topics))
                    .unwrap_or_default()
            };
            let (expected, found) = (shown(&expected), shown(&recorded.offsets));
            self.findings.differs(key, "offsets", expected, found);
        }
    }

    fn check_counts(&mut self, key: &str, results: &Essentials<'_>, recorded: &Recorded) {
        let expected = results.counts.json();
        let found: Value = serde_json::from_str(&recorded.counts).unwrap_or_default();
        if expected == found {
            return;
        }
        let is_counted = |name: &str| recorded.chain.is_some() || found.get(name).is_some();
        let names = expected.as_object().into_iter().flat_map(|counts| counts.keys());
        // A version that did not chain its epochs counted fewer things.
        let (counted, uncounted): (Vec<&String>, Vec<&String>) =
            names.partition(|name| is_counted(name));
        let names =
            counted.into_iter().filter(|name| expected[name.as_str()] != found[name.as_str()]);
        let untold = if self.lost.is_any() { results.counts.untold() } else { Vec::new() };
        let (untold, names): (Vec<&String>, Vec<&String>) =
            names.partition(|name| untold.contains(&name.as_str()));
        self.findings.untold += untold.len() as u64;
        for name in &names {
            self.findings.differs(
                key,
                &format!("counts.{name}"),
                expected[name.as_str()].to_string(),
                found[name.as_str()].to_string(),
            );
        }
        if names.is_empty() && untold.is_empty() && uncounted.is_empty() {
            self.findings.differs(key, "counts", expected.to_string(), found.to_string());
        }
    }

    /// Which partitions were idle is not recorded, so of several watermarks that the epoch can have
    /// had one cannot be told from another. It never falls, and is the one before, or the greatest
    /// time seen in some partition less the lateness.
    fn check_watermark(&mut self, key: &str, results: &Essentials<'_>, recorded: &Recorded) {
        let lateness = self.settings.lateness;
        let moving = results.closed.highs.iter().filter(|(topic, ..)| topic.moves_watermark());
        let possible =
            moving.map(|&(.., high)| Some(high.saturating_sub(lateness))).chain([self.watermark]);
        let fell = recorded.watermark < self.watermark;
        if !fell && possible.clone().any(|possible| possible == recorded.watermark) {
            return;
        }
        let mut possible: Vec<String> =
            possible.filter(|possible| *possible >= self.watermark).map(shown).collect();
        possible.sort_unstable();
        possible.dedup();
        self.findings.differs(
            key,
            "watermark",
            format!("one of {}", possible.join(", ")),
            shown(recorded.watermark),
        );
    }
}

/// A watermark as people read it.
fn shown(watermark: Option<Millis>) -> String {
    let Some(watermark) = watermark else { return "NULL".to_string() };
    jiff::Timestamp::from_millisecond(watermark)
        .map_or_else(|_| watermark.to_string(), |instant| instant.to_string())
}
