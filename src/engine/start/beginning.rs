//! The first things that are written of a job that was taken over.

use super::{Opened, Start, Taken, Way};
use crate::checkpoint::Checkpoints;
use crate::engine::restart::{Restart, RestartError};
use crate::engine::verify::VERIFIED;
use crate::hosting::{Hosted, serving_differences};
use crate::sink::applied::Applied;
use crate::sink::{Sink, SinkError};

impl<D: Hosted> Start<'_, D> {
    /// Begins with a job that was taken over.
    pub(super) fn begin(
        &self,
        (mut sink, outbox): Opened,
        way: Way,
    ) -> Result<Taken, RestartError> {
        let Start { config, described, sources, now, .. } = self;
        let settings = described.settings();
        let (restart, losses) = match way {
            Way::On(restart, losses) => (*restart, losses),
            Way::Anew(starts) => {
                // In this order: without its checkpoints the job would repeat its epochs, but
                // checkpoints without their epochs are of no use.
                let verified = Checkpoints::open(
                    &config.checkpoint.dir.below(VERIFIED),
                    &config.job,
                    sources.checkpoints.fingerprint().clone(),
                )?;
                for of_job in [sources.checkpoints, &verified] {
                    for forgotten in [of_job.of(sink.history()?.identity), of_job.unnamed()] {
                        forgotten.erase_before(u64::MAX)?;
                    }
                }
                sink.forget(&starts, now)?;
                tracing::warn!("Everything is made anew from the topics.");
                (
                    Restart::find::<D>(sink.as_mut(), sources, &self.wanted(&settings), None)?,
                    Vec::new(),
                )
            }
        };
        let recorded = sink.topic_ids()?;
        let topic_ids = recorded.or(now);
        if topic_ids != recorded {
            sink.set_topic_ids(&topic_ids)?;
        }
        if !losses.is_empty() {
            sink.lose(&losses)?;
            for loss in &losses {
                let told = loss.told(sources.kafka.topic_name(loss.topic));
                tracing::warn!(
                    epoch = loss.epoch,
                    "Retention has removed {told}, which are not read: that is accepted, and \
                     recorded."
                );
            }
        }
        apply::<D>(sink.as_mut(), &settings)?;
        if let Some(begins) = &restart.begins {
            sink.set_starts(begins)?;
        }
        self.say(&restart, sink.progress().epoch, &settings);
        Ok(Taken { sink, outbox, restart, topic_ids })
    }

    /// Says where the job begins.
    fn say(&self, restart: &Restart, progress: u64, settings: &D::Settings) {
        match progress {
            epoch if restart.changes => {
                let former = restart.plan.former::<D::Settings>();
                let anew = former.is_some_and(|former| D::is_made_anew(&former, settings));
                let what = if anew {
                    "all results are computed anew from the histories that are kept"
                } else {
                    "what stands stays as it is"
                };
                tracing::info!(epoch = epoch + 1, "Other settings are taken over: {what}.");
            }
            0 => tracing::info!(partitions = restart.plan.starts().len(), "The job begins."),
            progress => {
                tracing::info!(
                    checkpoint = restart.after(),
                    repeated = restart.replayed.len(),
                    committed = progress,
                    "The job goes on where it was."
                );
            }
        }
    }
}

/// Records with which settings the job goes on, and says what it does otherwise than before.
fn apply<D: Hosted>(sink: &mut dyn Sink, settings: &D::Settings) -> Result<(), SinkError> {
    let epoch = sink.progress().epoch;
    let mut applied = sink.applied()?.read::<D::Settings>()?;
    let before = applied.at(epoch).filter(|_| epoch > 0).cloned();
    // What is recorded is compared as the dataflow reads it, whatever form it has.
    if !applied.apply(Applied { since: epoch + 1, settings: settings.clone() }) {
        return Ok(());
    }
    let recorded = serde_json::to_value(settings).expect("settings always have a form in JSON");
    sink.apply(&recorded)?;
    if let Some(before) = before {
        let changes = serving_differences::<D>(&before.settings, settings).join("; ");
        if !changes.is_empty() {
            tracing::info!(
                from = epoch + 1,
                "From the next epoch on {changes}; those before are computed as they were."
            );
        }
    }
    Ok(())
}
