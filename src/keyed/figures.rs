//! What a small dataflow shows beside what every job does: of how many customers anything is seen.

use super::results::KeyedResults;
use crate::sink::gathered::{Gathered, behind};
use crate::status::figures::{Figures, FiguresShown, JobCounts};
use crate::status::metrics::Exposition;
use dataflows::keyed::{Keyed, KeyedCommon};
use serde::Serialize;
use std::any::Any;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::time::Instant;

/// The figures of a small dataflow.
pub struct KeyedFigures<K> {
    shown: KeyedShown,
    dataflow: PhantomData<fn() -> K>,
}

/// How they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyedShown {
    /// Customers of whom anything is seen.
    pub customers: i64,
}

impl<K> Debug for KeyedFigures<K> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl<K> Default for KeyedFigures<K> {
    fn default() -> Self {
        KeyedFigures { shown: KeyedShown::default(), dataflow: PhantomData }
    }
}

impl<K: Keyed> KeyedFigures<K> {
    fn take_in(&mut self, epoch: &dyn Gathered) {
        let results: &KeyedResults<K::View> = behind(epoch);
        self.shown.customers += results.sum.views;
    }
}

impl<K: Keyed> Figures for KeyedFigures<K> {
    fn restored(&mut self, common: &dyn Any) -> JobCounts {
        let KeyedCommon { sum, counts, .. } = behind(common);
        self.shown.customers = sum.views;
        JobCounts { records: counts.records, unread_erasures: counts.unread_erasures }
    }

    fn repeated(&mut self, epoch: &dyn Gathered) {
        self.take_in(epoch);
    }

    fn committed(&mut self, epoch: &dyn Gathered, _: Instant) {
        self.take_in(epoch);
    }

    fn at_present(&self) -> Box<dyn FiguresShown> {
        Box::new(self.shown)
    }
}

impl FiguresShown for KeyedShown {
    fn expose(&self, _: &Exposition<'_>) {}
}
