//! A worker of the job: what it begins with, its dataflow, and the gathering on the first one.

use super::{Job, Lead, RunError};
use crate::checkpoint::saver::SaverHandle;
use crate::checkpoint::{CheckpointError, Manifest, Saved, Saver, SaverSettings};
use crate::config::types::Config;
use crate::engine::gather::{Checkpointing, Gather};
use crate::engine::keeping::Keeping;
use crate::engine::live::{Pace, live};
use crate::engine::opening;
use crate::engine::plan::{Plan, agree};
use crate::engine::recalling::{Recalling, Share};
use crate::engine::saving::{BeginningOf, ResumeError, ToSaver, load};
use crate::engine::schedule::Schedule;
use crate::hosting::{After, Hosted};
use crate::kafka::KafkaSettings;
use crate::kafka::intake::{KafkaIntake, Seat};
use crate::sink::following::Follow;
use dataflows::Begins;
use dataflows::operators::deliver::deliver;
use dataflows::source::TopicId;
use dataflows::state::turns::{Pacer, TURN};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use timely::worker::Worker;

impl<D: Hosted> Job<D> {
    /// From what it begins with to the end of its dataflow.
    pub(super) fn work(
        self: &Arc<Self>,
        worker: &mut Worker,
        config: &Config,
        settings: &SaverSettings,
        partitions: &BTreeSet<(TopicId, u32)>,
        lead: Option<Lead<D>>,
    ) -> Result<(), RunError> {
        let plan = agree(worker, lead.as_ref().map(|lead| lead.restart.plan.clone()));
        self.heed(&plan, worker.index() == 0);
        let described = plan.described(&self.described);
        let (beginning, common) = self.begin(worker, &plan, &described, settings)?;
        let seat = Seat { index: worker.index(), peers: worker.peers() };
        let assigned = plan.assigned(partitions, seat);
        let turns = Box::new(self.watched.status.turns());
        let beginning = beginning.paced_by(Pacer::new(TURN, turns));
        let first = beginning.epoch() + 1;
        let mut pace = Pace {
            interval: config.epoch.interval,
            max_events: config.epoch.max_events,
            ahead: config.limits.epochs_in_flight,
            first,
            repeats: plan.repeats(),
            replayed: Vec::new(),
            erased: Vec::new(),
            saves: None,
        };
        let gathering = |lead| {
            let follower = self.follower(&plan, &described, common)?;
            Ok(self.gathering(lead, follower, config.checkpoint.interval, &mut pace))
        };
        let mut gather = lead.map(gathering).transpose().map_err(RunError::Load)?;
        worker.dataflow::<u64, _, _>(|scope| {
            let topic_ids = self.topic_ids.get().copied().unwrap_or_default();
            let kafka =
                KafkaSettings { topic_ids, losses: plan.losses().to_vec(), ..self.kafka.clone() };
            let (sight, idle) = (self.watched.sight.clone(), config.epoch.idle);
            let (compacted, starts) = (self.compacted.clone(), plan.starts());
            let share = Share {
                after: first - 1,
                until: plan
                    .kept()
                    .into_iter()
                    .filter(|((_, partition), _)| seat.has(*partition))
                    .collect(),
            };
            let kept = opening::kept_reader(
                config,
                self.described.postgres_settings(config),
                plan.identity(),
            );
            let feed = live(scope, pace, self.watched.control.clone(), move |activator| {
                let wake = move || {
                    // A worker that has ended needs no waking.
                    let _ = activator.activate();
                };
                let topics =
                    KafkaIntake::start(&kafka, assigned, seat, idle, sight.clone(), wake.clone());
                let recalling = Recalling::start(topics, kept, &share, &starts, sight, wake);
                Keeping::new(recalling, compacted, starts)
            });
            deliver(described.build(feed, beginning), move |delivery| {
                if let Some(gather) = &mut gather {
                    gather.receive(delivery);
                }
            });
        });
        while worker.step_or_park(Some(Duration::from_millis(100))) {}
        Ok(())
    }

    /// Lets the rest of the process know what was decided for all.
    fn heed(&self, plan: &Plan, leads: bool) {
        let control = &self.watched.control;
        control.repeats.store(plan.repeats(), Ordering::Release);
        // A change of settings may take its time, and what is there of checkpoints is of the former
        // ones.
        control.changes.store(plan.changes(), Ordering::Release);
        let changing = plan.manifest().filter(|_| plan.changes());
        let changing = changing.map_or(0, |manifest| manifest.epoch + 1);
        control.changing.store(changing, Ordering::Release);
        control.wants_checkpoint.fetch_or(plan.changes(), Ordering::AcqRel);
        if leads {
            let losses = plan.losses().iter().map(|loss| (loss.topic, loss.offsets()));
            self.watched.status.given_up(losses);
        }
    }

    /// Who follows the dataflow from where the job begins; what stands there is shown.
    fn follower(
        &self,
        plan: &Plan,
        described: &D,
        common: Option<Arc<D::Common>>,
    ) -> Result<D::Follower, ResumeError> {
        let former = plan.former();
        let common = common.as_deref();
        let after = common.map(|common| After { common, former: former.as_ref() });
        let follower = described.follower(after)?;
        if let Some(Manifest { epoch, watermark, .. }) = plan.manifest() {
            self.watched.status.restored(epoch, watermark, follower.standing().as_ref());
        }
        Ok(follower)
    }

    /// The gathering on the worker that leads, from the epoch on with which `pace` begins; it is
    /// told there which epochs are repeated, and when checkpoints are due.
    fn gathering(
        &self,
        Lead { restart, to_sink }: Lead<D>,
        follower: D::Follower,
        interval: Duration,
        pace: &mut Pace,
    ) -> Gather<D::Follower> {
        let (control, after) = (&self.watched.control, pace.first - 1);
        control.committed.fetch_max(after, Ordering::AcqRel);
        let failure = self.watched.ending.teller();
        let gather = Gather::new(follower, after, control.clone(), to_sink, failure);
        let status = Arc::clone(&self.watched.status);
        let gather = gather.comparing(restart.committed, move |results| status.repeated(results));
        let topic_ids = self.topic_ids.get().copied().unwrap_or_default();
        let gather = gather.chaining(restart.history, restart.link, topic_ids);
        control.repeated.store(after + restart.replayed.len() as u64, Ordering::Release);
        pace.replayed = restart.replayed;
        pace.erased = restart.erased;
        let Some((saver, saved)) = self.saver() else { return gather };
        let wanted = Arc::clone(&control.wants_checkpoint);
        let schedule = Arc::new(Schedule::new(interval, saved, wanted));
        pace.saves = Some(Arc::clone(&schedule));
        gather.saving(Checkpointing::new(saver, schedule))
    }

    /// What this worker begins with. A checkpoint that was found sound and cannot be taken up all
    /// the same ends the job.
    fn begin(
        &self,
        worker: &Worker,
        plan: &Plan,
        described: &D,
        settings: &SaverSettings,
    ) -> Result<BeginningOf<D>, ResumeError> {
        self.start_saver(plan, settings)?;
        let (beginning, common) = load(
            &self.checkpoints,
            plan.manifest().as_ref(),
            plan.former().as_ref(),
            described,
            worker.index(),
            worker.peers(),
        )?;
        let saver = self.saver();
        let images = saver.map(|(saver, _)| Box::new(ToSaver::new(saver, worker.index())) as _);
        Ok((beginning.saving(images), common))
    }

    /// Starts the saver of the process, with whichever worker comes first.
    fn start_saver(&self, plan: &Plan, settings: &SaverSettings) -> Result<(), CheckpointError> {
        let mut saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner);
        if saver.is_none() {
            let committed = Arc::clone(&self.watched.control.committed);
            let started = Saver::start(
                self.checkpoints.of(plan.identity()),
                settings.clone(),
                committed,
                plan.manifest(),
            )?;
            self.watched.saved.get_or_init(|| Arc::clone(started.saved()));
            if plan.changes() {
                started.saved().starts_over();
            }
            *saver = Some(started);
        }
        Ok(())
    }

    /// The way to the saver, and what has become of its checkpoints.
    fn saver(&self) -> Option<(SaverHandle, Arc<Saved>)> {
        let saver = self.saver.lock().unwrap_or_else(PoisonError::into_inner);
        saver.as_ref().map(|saver| (saver.intake(), Arc::clone(saver.saved())))
    }
}
