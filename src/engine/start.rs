//! A start in two steps. The survey reads everything that can refuse it, over connections that
//! cannot write, while another instance may go on; only what it yields can take the job over.
//! Whatever is refused before that has changed nothing and disturbed nobody.
//!
//! What the other instance may have moved meanwhile (its epochs, its checkpoints) is looked at once
//! more in the step that takes the job over, while nothing can move: where that speaks against the
//! start after all, the step is undone as a whole, and whoever has the job goes on.

mod beginning;

use super::opening::{self, Manner, Opened};
use super::reach;
use super::reconfiguring::WantedSettings;
use super::restart::{Restart, RestartError, Sources};
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::config::types::Config;
use crate::durable;
use crate::hosting::Hosted;
use crate::sink::outbox::Outbox;
use crate::sink::{Progress, Records, Sink, SinkError, Trouble};
use crate::source::{Loss, Positions, TopicUuids};

/// What the one who starts the job has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Forget everything, and make it anew from the topics.
    pub rebuild: bool,
    /// Do so, or go on, without what is gone.
    pub accept_loss: bool,
    /// Take other settings over.
    pub reconfigure: bool,
}

/// What a start is of.
pub struct Start<'a, D> {
    /// The configuration.
    pub config: &'a Config,
    /// The dataflow.
    pub described: &'a D,
    /// What there is to begin with.
    pub sources: Sources<'a>,
    /// The ids of the topics as they are.
    pub now: &'a TopicUuids,
    /// What is asked for.
    pub asked: Asked,
    /// Is told why a database is waited for.
    pub trouble: &'a Trouble,
}

/// How often it is looked again where another instance has moved on meanwhile.
const LOOKS: u32 = 8;

/// How the job goes on.
enum Way {
    /// Where it was, behind records that are gone.
    On(Box<Restart>, Vec<Loss>),
    /// Anew, with these offsets.
    Anew(Positions),
}

impl Way {
    /// Whether it begins with a change of settings.
    fn changes(&self) -> bool {
        matches!(self, Way::On(restart, _) if restart.changes)
    }
}

/// A start that nothing speaks against. Nothing has been changed for it yet.
pub struct SurveyedStart<'a, D> {
    start: &'a Start<'a, D>,
    way: Way,
    /// As it was before that was found.
    standing: Standing,
}

/// Why a job cannot be taken over in the way that was found.
enum Unsettled {
    /// Another instance has moved on since, and it has to be looked again.
    Moved,
    /// Something speaks against it.
    Refused(RestartError),
}

impl From<SinkError> for Unsettled {
    fn from(error: SinkError) -> Self {
        Unsettled::Refused(error.into())
    }
}

/// A job that was taken over.
pub struct Taken {
    /// Commits its epochs.
    pub sink: Box<dyn Sink>,
    /// Knows what they have to publish.
    pub outbox: Box<dyn Outbox>,
    /// Where it begins.
    pub restart: Restart,
    /// The ids of its topics.
    pub topic_ids: TopicUuids,
}

/// What another instance moves that goes on, or starts.
#[derive(PartialEq, Eq)]
struct Standing {
    epoch: u64,
    incarnation: i64,
    checkpoints: Vec<(String, Vec<u64>)>,
}

impl<'a, D: Hosted> Start<'a, D> {
    /// Looks for everything that could refuse the start.
    ///
    /// # Errors
    /// The first thing that does.
    pub fn survey(&'a self) -> Result<SurveyedStart<'a, D>, RestartError> {
        let (way, standing) = self.way()?;
        self.try_out_places()?;
        Ok(SurveyedStart { start: self, way, standing })
    }

    fn way(&self) -> Result<(Way, Standing), RestartError> {
        let mut looks = 1;
        loop {
            let mut records = self.records()?;
            let standing = self.standing(records.as_ref())?;
            match self.look(records.as_mut(), None) {
                // A checkpoint that was pruned while it was read is no reason.
                Err(_) if looks < LOOKS && self.standing(self.records()?.as_ref())? != standing => {
                    looks += 1
                }
                found => return found.map(|way| (way, standing)),
            }
        }
    }

    /// How the job would go on by what is recorded; what was found `before` need not be read again.
    fn look(
        &self,
        records: &mut dyn Records,
        before: Option<&Restart>,
    ) -> Result<Way, RestartError> {
        if self.asked.rebuild {
            let (starts, gone) = reach::anew(records, &self.sources, self.now)?;
            return match gone.is_empty() || self.asked.accept_loss {
                true => Ok(Way::Anew(starts)),
                false => Err(RestartError::Unrebuildable(gone)),
            };
        }
        let mut restart = Restart::find::<D>(
            records,
            &self.sources,
            &self.wanted(&self.described.settings()),
            before,
        )?;
        let losses = reach::check(&restart, &self.sources, self.asked.accept_loss)?;
        restart.plan = restart.plan.losing(&losses);
        Ok(Way::On(Box::new(restart), losses))
    }

    /// What it wants to go on with.
    fn wanted<'s>(&self, settings: &'s D::Settings) -> WantedSettings<'s, D::Settings> {
        WantedSettings { settings, reconfigure: self.asked.reconfigure }
    }

    fn records(&self) -> Result<Box<dyn Records>, SinkError> {
        opening::survey(
            self.config,
            &self.described.postgres_settings(self.config),
            self.now,
            self.trouble,
            self.asked.rebuild,
        )
    }

    fn standing(&self, records: &dyn Records) -> Result<Standing, RestartError> {
        let of = |history: Checkpoints| Ok((history.address(), history.epochs()?));
        let checkpoints = self
            .sources
            .checkpoints
            .histories()?
            .into_iter()
            .map(of)
            .collect::<Result<_, CheckpointError>>()?;
        let Progress { epoch, incarnation, .. } = records.progress();
        Ok(Standing { epoch, incarnation, checkpoints })
    }

    /// Last of all, for this is the only thing that is written to be found out, and removed at
    /// once.
    fn try_out_places(&self) -> Result<(), RestartError> {
        let Config { checkpoint, files, .. } = self.config;
        let unwritable =
            |key, place: String| move |why| RestartError::Unwritable { key, place, why };
        checkpoint
            .dir
            .try_out()
            .map_err(unwritable("checkpoint.dir", checkpoint.dir.to_string()))?;
        let written = files.dir.as_deref().map(|dir| {
            durable::try_out(dir).map_err(unwritable("files.dir", dir.display().to_string()))
        });
        written.transpose().map(|_| ())
    }
}

impl<D: Hosted> SurveyedStart<'_, D> {
    /// Takes the job over from whoever had it: from then on nobody else writes.
    ///
    /// # Errors
    /// It cannot be taken over, or what another instance has moved since the survey keeps it from
    /// going on: nothing has changed, and that instance has the job.
    pub fn take_over(mut self) -> Result<Taken, RestartError> {
        let mut looks = 1;
        let (opened, way) = loop {
            match self.settle(looks >= LOOKS) {
                Ok((opened, settled)) => break (opened, settled.unwrap_or(self.way)),
                Err(Unsettled::Refused(error)) => return Err(error),
                Err(Unsettled::Moved) => {
                    looks += 1;
                    (self.way, self.standing) = self.start.way()?;
                }
            }
        };
        self.start.begin(opened, way)
    }

    /// Takes the job over if what was found still holds, or else in the way that is returned. The
    /// `last` time a checkpoint that has come since is read then and there, though whoever has the
    /// job waits for that.
    fn settle(&self, last: bool) -> Result<(Opened, Option<Way>), Unsettled> {
        let Start { config, described, sources, now, asked, trouble } = self.start;
        let manner = Manner { anew: asked.rebuild, changes: self.way.changes() };
        let settle = |records: &mut dyn Records| {
            let standing = self.start.standing(records).map_err(Unsettled::Refused)?;
            let before = match &self.way {
                Way::On(restart, _) => Some(restart.as_ref()),
                Way::Anew(_) => None,
            };
            // A history that is about to be forgotten may be any.
            let is_of_it = match before {
                Some(before) => records.history()?.identity == before.history.identity,
                None => true,
            };
            if standing == self.standing && is_of_it {
                return Ok(None);
            }
            // What is recorded of epochs is short; a checkpoint may be long.
            if standing.checkpoints != self.standing.checkpoints && !last {
                return Err(Unsettled::Moved);
            }
            match self.start.look(records, before) {
                Ok(way) if way.changes() == manner.changes => Ok(Some(way)),
                Err(error) if last => Err(Unsettled::Refused(error)),
                Ok(_) | Err(_) => Err(Unsettled::Moved),
            }
        };
        opening::open(
            config,
            &described.postgres_settings(config),
            sources.checkpoints,
            now,
            (*trouble).clone(),
            manner,
            settle,
        )
    }
}
