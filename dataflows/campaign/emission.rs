//! What a worker emits in an epoch: sums for the learner, changes for the views, rows for the
//! sinks.

use crate::bandit::observation::{Observation, Sign, Tally};
use crate::bandit::tallies::{ArmDays, ArmSums};
use crate::campaign::output::{Change, FeatureRows, InteractionRow, InteractionRows};
use crate::campaign::recount::{ArmChange, Recount};
use crate::customer::history::{Interaction, View};
use hashbrown::HashMap;

/// A change of the customers in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentChange {
    /// How many.
    pub customers: i64,
    /// Their purchases in minor units.
    pub amount: i64,
}

/// Everything that one worker emits in one epoch.
pub struct Emission {
    sums: ArmSums,
    /// By day and arm.
    pub arm_days: ArmDays,
    /// By flags.
    pub segments: HashMap<u8, SegmentChange>,
    /// Rows of interactions.
    pub interactions: InteractionRows,
    /// Rows of features.
    pub features: FeatureRows,
    /// Interactions that entered the model, less those taken back.
    pub learned: i64,
    /// Those that were corrected after they had entered it.
    pub corrected: u64,
    /// What was counted of before the next epoch.
    recount: Recount,
    with_rows: bool,
    /// The sums of every arm are told next, be they nothing.
    pub(super) every_arm: bool,
}

/// An interaction as it stands: what it counts, and its context once it has entered the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StandingInteraction {
    pub(super) interaction: Interaction,
    pub(super) reward: Option<i64>,
    pub(super) learned: bool,
}

impl Emission {
    /// Nothing yet, for this many arms and this dimension; `with_rows` if a sink wants rows of
    /// interactions.
    pub fn new(arms: usize, dimension: usize, with_rows: bool) -> Self {
        Emission {
            sums: ArmSums::new(arms, dimension),
            arm_days: ArmDays::new(arms),
            segments: HashMap::new(),
            interactions: InteractionRows::default(),
            features: FeatureRows::default(),
            learned: 0,
            corrected: 0,
            recount: Recount::default(),
            with_rows,
            every_arm: false,
        }
    }

    /// With what was counted of before the next epoch.
    pub fn recounting(self, recount: Recount) -> Self {
        Emission { recount, ..self }
    }

    /// An interaction enters the model.
    #[inline]
    pub(super) fn learn(&mut self, interaction: &Interaction, context: &[i16], reward: i64) {
        self.observe(Sign::Comes, interaction, context, reward);
    }

    /// An interaction is taken back out of the model, with the context and reward that it had.
    pub(super) fn unlearn(&mut self, interaction: &Interaction, context: &[i16], reward: i64) {
        self.observe(Sign::Goes, interaction, context, reward);
    }

    /// Every tally hears of it.
    #[inline]
    fn observe(&mut self, sign: Sign, interaction: &Interaction, context: &[i16], reward: i64) {
        let Interaction { contact, propensity, timestamp, .. } = *interaction;
        let observation = Observation {
            sign,
            arm: contact.arm(),
            context,
            reward,
            propensity,
            instant: timestamp,
        };
        self.sums.add(&observation);
        self.arm_days.add(&observation);
        self.learned += sign.weight();
    }

    /// A row for the sinks; `context` where it is learned.
    #[inline]
    pub(super) fn row(
        &mut self,
        change: Change,
        customer: &CustomerView<'_>,
        standing: &StandingInteraction,
        context: &[i16],
    ) {
        if !self.with_rows {
            return;
        }
        let StandingInteraction { interaction, reward, learned } = *standing;
        let decision = customer
            .view
            .attachment_of(&interaction)
            .and_then(|a| a.decision)
            .map(|key| (key, customer.view.decision_of(key)));
        let learned = learned && change != Change::Delete;
        self.interactions.rows.push(InteractionRow {
            change,
            customer: customer.id,
            key: interaction.id,
            timestamp: interaction.timestamp,
            arm: interaction.contact.arm(),
            propensity: decision
                .and_then(|(_, decided)| decided)
                .map_or(interaction.propensity, |decided| decided.propensity),
            reward,
            learned,
            decision: decision.map(|(key, decided)| (key, decided.map(|d| d.model_version))),
        });
        if learned {
            self.interactions.contexts.extend_from_slice(context);
        }
    }

    /// The sums of the epoch, arm by arm, of those that changed.
    pub fn drain_sums(&mut self) -> impl Iterator<Item = ArmChange> + '_ {
        let recount = std::mem::take(&mut self.recount).into_arms().map(ArmChange::Recount);
        let sums = self.sums.drain(std::mem::take(&mut self.every_arm)).map(ArmChange::Sums);
        recount.chain(sums)
    }
}

/// Whose interactions are emitted.
pub(super) struct CustomerView<'a> {
    pub(super) id: crate::event::CustomerId,
    pub(super) view: View<'a>,
}
