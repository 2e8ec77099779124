//! The first process: it takes the job over, commits and publishes.

use super::{First, Job, Lead, RunError};
use crate::config::types::Config;
use crate::engine::publishing::Publishing;
use crate::engine::restart::{RestartError, Sources};
use crate::engine::start::{Asked, Start, Taken};
use crate::hosting::{Hosted, ResultsOf};
use crate::kafka::publisher::Publisher;
use crate::postgres::waiting;
use crate::sink::alerts::{alert_of_unread_erasures, of_other_units};
use crate::sink::gathered::Gathered;
use crate::sink::thread::spawn;
use crate::sink::{Commit, Sink};
use crate::source::TopicUuids;
use crossbeam_channel::bounded;
use dataflows::source::TopicId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<D: Hosted> Job<D> {
    /// On the first process: takes the job over, once nothing speaks against it, and starts the
    /// sink's thread and the publisher's; nothing where it is told to drain before.
    pub(super) fn lead(
        self: &Arc<Self>,
        config: &Config,
        partitions: &BTreeMap<TopicId, Vec<u32>>,
        now: &TopicUuids,
        asked: Asked,
    ) -> Result<Option<First<D>>, RunError> {
        let publisher = Publisher::new(&self.kafka)?;
        if config.journal_folder().is_none() {
            self.watched.ending.spawn(
                "database",
                waiting::watching(config.postgres_address(), self.watched.trouble.clone()),
            )?;
        }
        let sources = Sources { checkpoints: &self.checkpoints, kafka: &self.kafka, partitions };
        let start = Start {
            config,
            described: &self.described,
            sources,
            now,
            asked,
            trouble: &self.watched.trouble,
        };
        let survey = self.await_broker(|| match start.survey() {
            Err(RestartError::Kafka(error)) => Err(error),
            other => Ok(other),
        });
        let Some(survey) = survey? else { return Ok(None) };
        let Taken { sink, outbox, restart, topic_ids } = survey?.take_over()?;
        self.topic_ids.get_or_init(|| topic_ids);
        let (status, failure) = (Arc::clone(&self.watched.status), self.watched.ending.teller());
        let publishing = Arc::new(Publishing::start(
            &self.kafka,
            publisher,
            self.described.wording(config.topic_names()),
            outbox,
            sink.progress(),
            status,
            failure,
        )?);
        let (to_sink, results) = bounded(config.limits.epochs_in_flight as usize + 1);
        let (watched, published) = (self.watched.clone(), Arc::clone(&publishing));
        let mut of_units = BTreeSet::new();
        let then = move |sink: &mut dyn Sink, mut results: Box<ResultsOf<D>>, commit: Commit| {
            watched.status.committed(results.as_ref(), commit.took);
            let essentials = results.essentials();
            alert_of_unread_erasures(essentials.rejected);
            of_other_units(essentials.rejected, &mut of_units)
                .iter()
                .for_each(|line| tracing::warn!("{line}"));
            watched.sight.committed(&essentials.closed.offsets);
            published.committed(results.as_mut());
            watched
                .saved
                .get()
                .into_iter()
                .for_each(|saved| sink.checkpointed(saved.newest(), saved.oldest()));
        };
        // Records that a checkpoint covers go without waiting for an epoch that may never come.
        let (saved, mut looked_at) = (self.watched.clone(), 0);
        let at_rest = move |sink: &mut dyn Sink| {
            if let Some(saved) = saved.saved.get().filter(|saved| saved.newest() > looked_at) {
                looked_at = saved.newest();
                sink.checkpointed(saved.newest(), saved.oldest());
            }
        };
        let committed = Arc::clone(&self.watched.control.committed);
        let sink = spawn(sink, results, committed, then, at_rest, self.watched.ending.teller())?;
        Ok(Some(((sink, publishing), Lead { restart, to_sink })))
    }
}
