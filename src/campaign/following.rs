//! Follows the campaign from epoch to epoch: its arms, sums by day, segments, and their digest.

use super::results::EpochResults;
use crate::sink::Link;
use crate::sink::following::Follow;
use crate::source::TopicUuids;
use dataflows::bandit::digest::ModelDigest;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::output::Output;
use dataflows::campaign::snapshot::changed::Changed;
use dataflows::campaign::snapshot::{Common, Follower};
use std::any::Any;

/// What stands of a campaign beside its customers.
pub struct CampaignFollower {
    described: Campaign,
    follower: Follower,
    digest: ModelDigest,
    /// The next epoch is a change of settings.
    changed: Option<Changed>,
}

impl CampaignFollower {
    /// Of a job that begins.
    pub fn new(described: Campaign) -> Self {
        let follower = Follower::new(described.settings.bandit.model_lag);
        let context = described.features.context();
        let digest = ModelDigest::new(context.names(), described.settings.input.arms.len());
        CampaignFollower { described, follower, digest, changed: None }
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
    fn digest(&mut self) -> [u8; 32] {
        self.digest.of(self.follower.totals())
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
        results.digest_before = self.digest();
        let epoch = results.epoch;
        results.recounted.iter().for_each(|(arm, rewards)| self.follower.recounted(*arm, *rewards));
        for update in &results.arms {
            self.follower.learn(epoch, update);
            self.digest.changed(update.arm);
        }
        results.arm_days.iter().for_each(|row| self.follower.arm_day(row));
        results.segments.iter().for_each(|row| self.follower.segment(row));
        results.unlisted.iter().for_each(|(list, hash)| self.follower.unlisted(*list, *hash));
        self.follower.end(epoch, &results.thresholds, &results.counts, &results.closed);
        results.digest = self.digest();
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
