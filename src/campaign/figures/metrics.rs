//! The metrics of the campaign.

use super::shown::{Arm, CampaignShown};
use crate::status::figures::FiguresShown;
use crate::status::metrics::{Exposition, Metric, Series, by, known, one};

/// All of them. A count is one of them, but for those that every job has, decisions, which are told
/// by arm, and rewards that join nothing, which are told by reason.
pub(super) const CAMPAIGN: &[Metric<CampaignShown>] = &[
    Metric::counter(
        "sluice_late_total",
        "Events dated before the instant of a closed threshold.",
        |now| one(now.counts.counts.late),
    ),
    Metric::counter("sluice_duplicates_total", "Records that repeated what was there.", |now| {
        one(now.counts.counts.duplicates)
    }),
    Metric::counter(
        "sluice_replaced_total",
        "Records that replaced an earlier one of their id.",
        |now| one(now.counts.counts.replaced),
    ),
    Metric::counter(
        "sluice_corrected_total",
        "Contexts or rewards corrected after they had entered the model.",
        |now| one(now.counts.counts.corrected),
    ),
    Metric::counter("sluice_retracted_total", "Events taken back.", |now| {
        one(now.counts.counts.retracted)
    }),
    Metric::counter(
        "sluice_erased_total",
        "Records and events dropped because their customer was erased.",
        |now| one(now.counts.counts.erased),
    ),
    Metric::counter(
        "sluice_past_history_total",
        "Records rejected because they concern events older than is kept.",
        |now| one(now.counts.counts.past_history),
    ),
    Metric::counter(
        "sluice_erased_folded_total",
        "Contributions of erased customers that stay in the models because they were folded.",
        |now| one(now.counts.counts.erased_folded),
    ),
    Metric::gauge("sluice_transactions", "Purchases that are settled.", |now| {
        one(now.counts.counts.transactions as f64)
    }),
    Metric::gauge("sluice_interactions", "Interactions that are settled.", |now| {
        one(now.counts.counts.interactions as f64)
    }),
    Metric::gauge("sluice_rewards", "Delayed rewards that are settled.", |now| {
        one(now.counts.counts.rewards as f64)
    }),
    Metric::gauge(
        "sluice_rewards_unmatched",
        "Delayed rewards that join no interaction, by reason. Which of those with an unknown_id \
         name another customer's interaction is looked up among all customers: with the next \
         epoch or two while epochs have few records, within 128 epochs where they are full.",
        |now| {
            let number = |(reason, rewards)| (reason, rewards as f64);
            by("reason", now.counts.unmatched_by().map(number))
        },
    ),
    Metric::gauge(
        "sluice_learned_interactions",
        "Interactions that have entered the model.",
        |now| one(now.counts.counts.learned as f64),
    ),
    Metric::gauge(
        "sluice_pending_interactions",
        "Interactions that wait for a threshold or a reward.",
        |now| one(now.counts.counts.pending as f64),
    ),
    Metric::counter("sluice_decisions_total", "Decisions made, by arm.", |now| {
        by("arm", now.arms.iter().map(|arm| (arm.name.clone(), arm.decisions)))
    }),
    Metric::gauge("sluice_arm_interactions", "Interactions learned that stand, by arm.", |now| {
        of_arms(now, |arm| Some(arm.interactions as f64))
    }),
    Metric::gauge(
        "sluice_arm_mean_reward",
        "Mean reward of the interactions learned, by arm.",
        |now| of_arms(now, |arm| arm.mean_reward),
    ),
    Metric::gauge("sluice_mean_reward", "Mean reward of all interactions learned.", |now| {
        known(now.reward.mean)
    }),
    Metric::gauge(
        "sluice_recent_mean_reward",
        "Mean reward of the last decisions whose outcome is known.",
        |now| known(now.reward.recent_mean),
    ),
];

impl FiguresShown for CampaignShown {
    fn expose(&self, exposition: &Exposition<'_>) {
        exposition.tell(CAMPAIGN, self);
    }
}

/// A value of each arm, where it is known.
fn of_arms(now: &CampaignShown, value: fn(&Arm) -> Option<f64>) -> Series<f64> {
    by("arm", now.arms.iter().filter_map(|arm| Some((arm.name.clone(), value(arm)?))))
}
