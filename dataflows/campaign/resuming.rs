//! The campaign as a dataflow: where its workers begin, anew or with what a snapshot has.

use super::graph::{Beginning, Campaign, campaign};
use super::output::Output;
use super::snapshot::Common;
use super::snapshot::changed::Changeover;
use super::snapshot::restore::Loading;
use super::snapshot::soundness::Domain;
use crate::codec::Aligned;
use crate::dataflow::{Begins, Dataflow, Restoring};
use crate::event::Topic;
use crate::settings::Settings;
use crate::snapshot::{Images, SnapshotError};
use crate::source::{Feed, TopicId};
use crate::state::turns::Pacer;
use std::sync::Arc;
use timely::dataflow::StreamVec;

impl Dataflow for Campaign {
    const NAME: &'static str = "campaign";
    type Settings = Settings;
    type Output = Output;
    type Common = Common;
    type Beginning = Beginning;
    type Restoring = Resuming;
    type Soundness = Domain;

    fn topics() -> Vec<TopicId> {
        Topic::ids().to_vec()
    }

    fn tells() -> Option<&'static str> {
        Some("predictions")
    }

    fn settings(&self) -> Settings {
        let Settings { input, customer, bandit, time, emit: _, earlier: _ } =
            self.settings.as_ref().clone();
        let mut settings = Settings { input, customer, bandit, time, ..Settings::default() };
        settings.input.names = false;
        settings
    }

    fn anew(&self, worker: usize, peers: usize) -> Beginning {
        let shard = self.shard(worker, peers);
        Beginning { shard, common: None, images: None }
    }

    fn common(bytes: &[u8]) -> Result<Common, SnapshotError> {
        Common::from_bytes(bytes)
    }

    fn restoring(
        &self,
        worker: usize,
        peers: usize,
        common: &Arc<Common>,
        former: Option<&Settings>,
    ) -> Result<Resuming, SnapshotError> {
        let change = former.map(|former| Changeover::begin(former, self, common)).transpose()?;
        Ok(match change {
            None => {
                let loading = Loading::new(self, worker, peers, common);
                Resuming { loading, common: Arc::clone(common) }
            }
            Some(Changeover { of_settings, common, changed: _ }) => {
                let loading = Loading::changing(self, worker, peers, &common, of_settings);
                Resuming { loading, common: Arc::new(common) }
            }
        })
    }

    fn build<'scope>(
        &self,
        feed: StreamVec<'scope, u64, Feed>,
        beginning: Beginning,
    ) -> StreamVec<'scope, u64, Output> {
        campaign(feed, self, beginning)
    }
}

impl Begins for Beginning {
    fn epoch(&self) -> u64 {
        self.common.as_ref().map_or(0, |common| common.epoch)
    }

    fn paced_by(self, pacer: Pacer) -> Self {
        Beginning { shard: self.shard.paced_by(pacer), ..self }
    }

    fn saving(self, images: Option<Box<dyn Images>>) -> Self {
        Beginning { images, ..self }
    }
}

/// A worker's customers while they are being loaded, with what belongs to none of them.
pub struct Resuming {
    loading: Loading,
    common: Arc<Common>,
}

impl Restoring for Resuming {
    type Beginning = Beginning;

    fn load(&mut self, shard: u16, whole: bool, bytes: Aligned) -> Result<u64, SnapshotError> {
        self.loading.load(shard, whole, bytes)
    }

    fn finish(self) -> Beginning {
        let Resuming { loading, common } = self;
        let shard = loading.finish();
        Beginning { shard, common: Some(common), images: None }
    }
}
