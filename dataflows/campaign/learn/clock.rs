//! What decides, beside a history, whether an interaction has entered the model.

use crate::campaign::output::Day;
use crate::campaign::thresholds::{Thresholds, day_of};
use crate::customer::features::Features;
use crate::customer::history::{Interaction, View};
use crate::event::Millis;
use crate::settings::TimeSettings;

/// Closed thresholds and the watermark.
#[derive(Clone, Copy)]
pub(super) struct Clock<'a> {
    pub(super) thresholds: &'a Thresholds,
    /// Up to which day thresholds count as closed.
    closed: Option<Day>,
    waits_for_threshold: bool,
    watermark: Option<Millis>,
    time: &'a TimeSettings,
}

impl<'a> Clock<'a> {
    /// As things stand now.
    pub(super) fn now(
        thresholds: &'a Thresholds,
        features: &Features,
        watermark: Option<Millis>,
        time: &'a TimeSettings,
    ) -> Self {
        Clock {
            thresholds,
            closed: thresholds.closed(),
            waits_for_threshold: features.context().uses_threshold(),
            watermark,
            time,
        }
    }

    /// As things stood when thresholds were closed up to a day, and the watermark was this.
    pub(super) fn then(self, (closed, watermark): (Option<Day>, Option<Millis>)) -> Self {
        Clock { closed, watermark, ..self }
    }

    /// Whether the threshold of an instant's day is open, and has to be closed.
    #[inline]
    pub(super) fn is_open(&self, at: Millis) -> bool {
        self.waits_for_threshold && self.closed.is_none_or(|closed| day_of(at) > closed)
    }

    /// What an interaction counts, as far as that is known.
    #[inline]
    pub(super) fn reward_of(&self, view: &View<'_>, interaction: &Interaction) -> Option<i64> {
        view.reward_of(
            interaction,
            self.time.attribution_window,
            self.time.no_response_reward,
            self.watermark,
        )
    }

    /// When the window of an interaction ends.
    pub(super) fn window_end(&self, interaction: &Interaction) -> Millis {
        interaction.timestamp.saturating_add(self.time.attribution_window)
    }
}
