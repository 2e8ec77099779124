//! What a dataflow shows of itself beside what every job has: the face behind which it stands.

use super::metrics::Exposition;
use crate::sink::gathered::Gathered;
use dataflows::source::TopicId;
use dataflows::state::turns::Client;
use std::any::Any;
use std::fmt::Debug;
use std::time::Instant;

/// What is known of a dataflow's own figures. They are told of each epoch once, in order.
pub trait Figures: Debug + Send {
    /// Optional fields of its records that are left out where they cannot be read.
    fn ignorable(&self) -> Vec<(TopicId, &'static str)> {
        Vec::new()
    }

    /// Who takes turns on its workers; whoever keeps histories settles them and takes snapshots.
    fn clients(&self) -> &'static [Client] {
        &[Client::Parse, Client::Settle, Client::Snapshot]
    }

    /// What stood at the end of the checkpoint that the job goes on from, since an epoch only says
    /// what changed; gives what of it every job counts.
    fn restored(&mut self, common: &dyn Any) -> JobCounts;

    /// An epoch that was committed before this start has been repeated.
    fn repeated(&mut self, epoch: &dyn Gathered);

    /// An epoch has been committed now.
    fn committed(&mut self, epoch: &dyn Gathered, now: Instant);

    /// How they stand.
    fn at_present(&self) -> Box<dyn FiguresShown>;

    /// What the page has beside what it shows of every job: templates, each for one of its places,
    /// and a script.
    fn page(&self) -> &'static str {
        ""
    }
}

/// A dataflow's figures at one instant. Written, they are an object whose entries are among those
/// of the job.
pub trait FiguresShown: Debug + Send + erased_serde::Serialize {
    /// Tells its metrics.
    fn expose(&self, exposition: &Exposition<'_>);
}

erased_serde::serialize_trait_object!(FiguresShown);

/// What every job counts over all its epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// Valid records that were read.
    pub records: u64,
    /// Erasures that could not be read.
    pub unread_erasures: u64,
}

/// No figures.
impl Figures for () {
    fn restored(&mut self, _: &dyn Any) -> JobCounts {
        JobCounts::default()
    }

    fn repeated(&mut self, _: &dyn Gathered) {}

    fn committed(&mut self, _: &dyn Gathered, _: Instant) {}

    fn at_present(&self) -> Box<dyn FiguresShown> {
        Box::new(Nothing {})
    }
}

/// An object without entries.
#[derive(Debug, serde::Serialize)]
struct Nothing {}

impl FiguresShown for Nothing {
    fn expose(&self, _: &Exposition<'_>) {}
}
