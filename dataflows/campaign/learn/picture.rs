//! The picture of a customer: the interactions since an instant, as they stand. A correction is the
//! difference of two.

use super::clock::Clock;
use super::walk::Walk;
use crate::campaign::emission::{CustomerView, Emission, StandingInteraction};
use crate::campaign::output::Change;
use crate::campaign::thresholds::day_of;
use crate::customer::history::{Interaction, View};
use crate::event::Millis;
use hashbrown::HashMap;

/// The interactions of a customer since an instant, as they stand, with the contexts of those that
/// are learned.
#[derive(Default)]
pub(super) struct Picture {
    standing: Vec<StandingInteraction>,
    contexts: Vec<i16>,
    /// Start of each one's context.
    starts: Vec<usize>,
}

impl Picture {
    /// The interactions since an instant, as they stand by the clock.
    pub(super) fn of(
        view: View<'_>,
        since: Millis,
        clock: &Clock<'_>,
        own_features: bool,
        walk: &mut Walk<'_>,
    ) -> Picture {
        let mut picture = Picture::default();
        let first = view.interactions.partition_point(|i| i.timestamp < since);
        for interaction in &view.interactions[first..] {
            let reward = clock.reward_of(&view, interaction);
            let learned = reward.is_some() && !clock.is_open(interaction.timestamp);
            let standing = StandingInteraction { interaction: *interaction, reward, learned };
            if !learned {
                picture.push(standing, &[]);
                continue;
            }
            picture.push(standing, context_of(&view, interaction, own_features, clock, walk));
        }
        picture
    }

    fn push(&mut self, standing: StandingInteraction, context: &[i16]) {
        self.starts.push(self.contexts.len());
        self.standing.push(standing);
        if standing.learned {
            self.contexts.extend_from_slice(context);
        }
    }

    fn context(&self, index: usize, dimension: usize) -> &[i16] {
        if self.standing[index].learned {
            &self.contexts[self.starts[index]..][..dimension]
        } else {
            &[]
        }
    }

    /// Emits how `after` differs from this one.
    pub(super) fn emit_difference(
        &self,
        after: &Picture,
        customer: &CustomerView<'_>,
        dimension: usize,
        emission: &mut Emission,
    ) {
        let before = self;
        let mut old: HashMap<u64, usize> =
            before.standing.iter().enumerate().map(|(i, s)| (s.interaction.id, i)).collect();
        for (index, now) in after.standing.iter().enumerate() {
            let context = after.context(index, dimension);
            let Some(was_at) = old.remove(&now.interaction.id) else {
                if let (true, Some(reward)) = (now.learned, now.reward) {
                    emission.learn(&now.interaction, context, reward);
                }
                emission.row(Change::Insert, customer, now, context);
                continue;
            };
            let (was, was_context) = (&before.standing[was_at], before.context(was_at, dimension));
            if was == now && was_context == context {
                continue;
            }
            emission.corrected += u64::from(was.learned);
            if let (true, Some(reward)) = (was.learned, was.reward) {
                emission.unlearn(&was.interaction, was_context, reward);
            }
            if let (true, Some(reward)) = (now.learned, now.reward) {
                emission.learn(&now.interaction, context, reward);
            }
            emission.row(Change::Update, customer, now, context);
        }
        let mut gone: Vec<usize> = old.into_values().collect();
        gone.sort_unstable();
        for index in gone {
            let was = &before.standing[index];
            if let (true, Some(reward)) = (was.learned, was.reward) {
                emission.corrected += 1;
                emission.unlearn(&was.interaction, before.context(index, dimension), reward);
            }
            emission.row(Change::Delete, customer, was, &[]);
        }
    }
}

/// The context of an interaction that is learned: the one that it brought along, where that is to
/// be used, or the one as of its instant.
#[inline]
pub(super) fn context_of<'c>(
    view: &View<'c>,
    interaction: &Interaction,
    own_features: bool,
    clock: &Clock<'_>,
    walk: &'c mut Walk<'_>,
) -> &'c [i16] {
    if own_features
        && interaction.contact.attached()
        && let Some(own) = view.attachment_of(interaction).and_then(|a| a.features.as_deref())
    {
        return own;
    }
    walk.context_at(interaction.timestamp, clock.thresholds.at(day_of(interaction.timestamp)))
}
