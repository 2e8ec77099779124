//! Follows the campaign from epoch to epoch: its arms, sums by day, segments, and their digest.

use super::results::EpochResults;
use crate::sink::Link;
use crate::sink::following::Follow;
use crate::source::TopicUuids;
use dataflows::bandit::totals::digest_of_all;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::campaign::snapshot::changed::Changed;
use dataflows::campaign::snapshot::{Common, Follower};
use std::any::Any;

/// What stands of a campaign beside its customers.
pub struct CampaignFollower {
    described: Campaign,
    follower: Follower,
    /// Digest of the newest complete epoch, once there is one.
    last_digest: Option<[u8; 32]>,
    /// The next epoch is a change of settings.
    changed: Option<Changed>,
}

impl CampaignFollower {
    /// Of a job that begins.
    pub fn new(described: Campaign) -> Self {
        let follower = Follower::new(described.settings.bandit.model_lag);
        CampaignFollower { described, follower, last_digest: None, changed: None }
    }

    /// Goes on after a checkpoint.
    pub fn after(self, common: &Common) -> Self {
        let follower = Follower::restored(self.described.settings.bandit.model_lag, common);
        CampaignFollower { follower, ..self }
    }

    /// Begins with an epoch that is a change of settings.
    pub fn changing(self, changed: Option<Changed>) -> Self {
        CampaignFollower { changed, ..self }
    }

    /// The digest of all arms as they now are.
    fn digest(&self) -> [u8; 32] {
        let context = self.described.features.context();
        digest_of_all(context.names(), self.described.settings.input.arms.len(), |arm| {
            self.follower.totals(arm)
        })
    }
}

impl Follow for CampaignFollower {
    type Output = Output;
    type Results = EpochResults;

    fn begin(&self, epoch: u64) -> EpochResults {
        EpochResults::new(epoch)
    }

    fn add(&self, results: &mut EpochResults, output: Output) {
        results.add(output);
    }

    fn follow(&mut self, results: &mut EpochResults) {
        results.changed = self.changed.take();
        results.digest_before = self.last_digest.take().unwrap_or_else(|| self.digest());
        let epoch = results.epoch;
        results.arms.iter().for_each(|update| self.follower.learn(epoch, update));
        results.arm_days.iter().for_each(|row| self.follower.arm_day(row));
        results.segments.iter().for_each(|row| self.follower.segment(row));
        results.unlisted.iter().for_each(|(list, hash)| self.follower.unlisted(*list, *hash));
        self.follower.end(epoch, &results.thresholds, &results.counts, &results.closed);
        results.digest = self.digest();
        self.last_digest = Some(results.digest);
    }

    fn link(&self, results: &mut EpochResults, topic_ids: TopicUuids, link: Option<Link>) {
        (results.topic_ids, results.chain) = (topic_ids, link);
    }

    fn standing(&self) -> Box<dyn Any> {
        Box::new(self.follower.common())
    }

    fn common(&self) -> Vec<u8> {
        self.follower.common().to_bytes()
    }

    fn customers(&self) -> u64 {
        self.follower.customers()
    }
}
