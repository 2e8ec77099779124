//! What the campaign shows of itself: its arms and their rewards, decisions, segments, the newest
//! threshold, and what was counted.

mod arms;
mod metrics;
mod recent;
pub mod shown;
#[cfg(test)]
mod tests;
mod unmatched;

use super::counted::Counted;
use super::results::EpochResults;
use crate::sink::gathered::{Gathered, behind};
use crate::status::figures::{Figures, FiguresShown, JobCounts};
use arms::ArmFigures;
use dataflows::campaign::output::{Counts, Day, Segment};
use dataflows::campaign::snapshot::Common;
use dataflows::event::{DAY, IGNORABLE, Millis};
use dataflows::source::TopicId;
use dataflows::state::turns::Client;
use shown::{CampaignShown, SegmentSize, Threshold};
use std::any::Any;
use std::collections::BTreeMap;
use std::time::Instant;
use unmatched::UnmatchedWatch;

/// What there is to learn: mean rewards of a decision in the simulated world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Benchmark {
    /// With the best arm for each customer.
    pub best_possible: f64,
    /// With the best single arm for all.
    pub best_fixed: f64,
}

/// What is known of a campaign.
#[derive(Debug)]
pub struct CampaignFigures {
    decimals: u32,
    /// Where it is known.
    benchmark: Option<Benchmark>,
    arms: ArmFigures,
    counts: Counts,
    of_other_customers: u64,
    /// Records rejected since the start.
    rejected: u64,
    unmatched: UnmatchedWatch,
    threshold: Option<(Day, u64)>,
    segments: BTreeMap<u8, i64>,
}

impl CampaignFigures {
    /// Of the arms of the configuration; amounts have so many decimals.
    pub fn new(arms: &[String], decimals: u32) -> Self {
        CampaignFigures {
            decimals,
            benchmark: None,
            arms: ArmFigures::new(arms),
            counts: Counts::none(),
            of_other_customers: 0,
            rejected: 0,
            unmatched: UnmatchedWatch::default(),
            threshold: None,
            segments: BTreeMap::new(),
        }
    }

    /// Beside what there is to learn.
    #[cfg(any(test, feature = "demo"))]
    pub fn compared_with(self, benchmark: Benchmark) -> Self {
        CampaignFigures { benchmark: Some(benchmark), ..self }
    }

    /// What an epoch changed, whenever it was committed.
    fn take_in(&mut self, results: &EpochResults) {
        self.counts.add(&results.counts);
        self.of_other_customers = results.of_other_customers.unwrap_or(self.of_other_customers);
        self.threshold = self.threshold.max(results.thresholds.iter().copied().max());
        self.stand(&results.segments);
        self.arms.stand(&results.arm_days);
        results.arms.iter().for_each(|update| self.arms.observed(update.arm, update.totals.n));
    }

    /// Takes in segments that replace what stood.
    fn stand(&mut self, segments: &[Segment]) {
        self.segments.extend(segments.iter().map(|segment| (segment.flags, segment.customers)));
    }

    fn counted(&self) -> Counted {
        Counted {
            counts: self.counts,
            of_other_customers: self.of_other_customers,
            rejected: self.rejected,
        }
    }

    fn shown(&self) -> CampaignShown {
        CampaignShown {
            decisions: self.counts.decisions,
            reward: self.arms.reward(self.benchmark),
            arms: self.arms.shown(),
            threshold: self.threshold.map(|(day, total)| Threshold {
                day_ms: Millis::from(day) * DAY,
                high_value: total as f64 / 10f64.powi(self.decimals as i32),
            }),
            counts: self.counted(),
            segments: self.sizes(),
        }
    }

    /// Segments with somebody in them, the largest first.
    fn sizes(&self) -> Vec<SegmentSize> {
        let peopled = self.segments.iter().filter(|(_, customers)| **customers > 0);
        let size = |(flags, customers): (&u8, &i64)| SegmentSize {
            flags: flag_names(*flags),
            customers: *customers,
        };
        let mut sizes: Vec<_> = peopled.map(size).collect();
        sizes.sort_by_key(|segment| std::cmp::Reverse(segment.customers));
        sizes
    }
}

impl Figures for CampaignFigures {
    fn ignorable(&self) -> Vec<(TopicId, &'static str)> {
        IGNORABLE.map(|(topic, field)| (topic.id(), field)).to_vec()
    }

    fn clients(&self) -> &'static [Client] {
        &Client::ALL
    }

    fn restored(&mut self, common: &dyn Any) -> JobCounts {
        let common: &Common = behind(common);
        self.threshold = self.threshold.max(common.thresholds.last().copied());
        self.counts.add(&common.counts);
        self.stand(&common.segments);
        self.arms.stand(&common.arm_days);
        common.arms.iter().for_each(|version| self.arms.observed(version.arm, version.totals.n));
        let Counts { records, unread_erasures, .. } = common.counts;
        JobCounts { records, unread_erasures }
    }

    fn repeated(&mut self, epoch: &dyn Gathered) {
        self.take_in(EpochResults::of(epoch));
    }

    fn committed(&mut self, epoch: &dyn Gathered, now: Instant) {
        let results = EpochResults::of(epoch);
        self.take_in(results);
        self.arms.decide(results);
        self.unmatched.look(&self.counted(), now);
        self.rejected += results.rejected.len() as u64;
    }

    fn at_present(&self) -> Box<dyn FiguresShown> {
        Box::new(self.shown())
    }

    fn page(&self) -> &'static str {
        include_str!("page.html")
    }
}

/// The flags of a segment, in words.
fn flag_names(flags: u8) -> Vec<&'static str> {
    let named = [(8, "high value"), (4, "at risk"), (2, "frequent buyer"), (1, "recently active")];
    named.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name).collect()
}
