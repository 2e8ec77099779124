//! Walking through a history in order of time, with the running row and the context as of each
//! instant.

use crate::campaign::state::RowMut;
use crate::customer::CustomerState;
use crate::customer::features::Features;
use crate::customer::history::View;
use crate::event::{Millis, Profile};

/// A position in a history: the running row covers the purchases before it.
pub(super) struct Walk<'a> {
    features: &'a Features,
    view: View<'a>,
    row: RowMut<'a>,
    /// The context; its standing part holds for the row and profile unless `stale`.
    context: &'a mut [i16],
    next: usize,
    profile: Option<&'a Profile>,
    /// From when on the profile may be another one.
    profile_until: Millis,
    stale: bool,
}

impl<'a> Walk<'a> {
    /// A walk that goes on after the first `done` purchases, which the row covers.
    pub(super) fn resume(
        features: &'a Features,
        view: View<'a>,
        done: usize,
        row: RowMut<'a>,
        context: &'a mut [i16],
    ) -> Self {
        Walk {
            features,
            view,
            row,
            context,
            next: done,
            profile: None,
            profile_until: Millis::MIN,
            stale: true,
        }
    }

    /// Takes in every purchase up to and at `at`.
    #[inline]
    fn advance(&mut self, at: Millis) {
        while let Some(transaction) = self.view.transactions.get(self.next)
            && transaction.timestamp() <= at
        {
            self.features.layout().add(self.row.summary, self.row.counts, transaction);
            self.next += 1;
            self.stale = true;
        }
    }

    /// Takes in all purchases that are left; says how many there are in all.
    pub(super) fn finish(&mut self) -> usize {
        self.advance(Millis::MAX);
        self.next
    }

    /// How many purchases the row covers.
    pub(super) fn position(&self) -> usize {
        self.next
    }

    /// The context as of `at`, which must not be before that of the call before.
    #[inline]
    pub(super) fn context_at(&mut self, at: Millis, threshold: Option<u64>) -> &[i16] {
        self.advance(at);
        if at >= self.profile_until {
            self.find_profile(at);
        }
        let map = self.features.context();
        let state = CustomerState {
            summary: self.row.summary,
            counts: self.row.counts,
            profile: self.profile,
        };
        if self.stale {
            map.purchases(&state, self.context);
            self.stale = false;
        }
        map.instant(&state, at, threshold, self.context);
        self.context
    }

    fn find_profile(&mut self, at: Millis) {
        self.profile = self.view.profile_at(at);
        let later = self.view.profiles.partition_point(|p| p.from <= at);
        self.profile_until = self.view.profiles.get(later).map_or(Millis::MAX, |p| p.from);
        self.stale = true;
    }
}
