//! What a worker emits in an epoch: sums for the learner, changes for the views, rows for the sinks.

use crate::bandit::statistics::{Delta, Sums};
use crate::campaign::output::{Change, Day, FeatureRows, InteractionRow, InteractionRows};
use crate::campaign::thresholds::day_of;
use crate::customer::history::{Interaction, View};
use hashbrown::HashMap;

/// A change of one day's contacts and rewards of an arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmDayChange {
    /// Interactions learned.
    pub interactions: i64,
    /// Those with a reward above zero.
    pub responses: i64,
    /// Sum of rewards in Q16.
    pub reward: i128,
}

/// A change of the customers in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentChange {
    /// How many.
    pub customers: i64,
    /// Their purchases in minor units.
    pub amount: i64,
}

/// Changes of the days of arms in one epoch, in a table by day and arm: the calendar of events ends with 2099, so it stays small.
#[derive(Debug)]
pub struct ArmDays {
    arms: usize,
    changes: Vec<ArmDayChange>,
    /// Cells that have been asked for, some more than once.
    touched: Vec<u32>,
}

impl ArmDays {
    fn new(arms: usize) -> Self {
        ArmDays { arms, changes: Vec::new(), touched: Vec::new() }
    }

    #[inline]
    fn at(&mut self, day: Day, arm: usize) -> &mut ArmDayChange {
        let cell = usize::try_from(day).unwrap_or(0) * self.arms + arm;
        if cell >= self.changes.len() {
            self.changes.resize(cell + 1, ArmDayChange::default());
        }
        if self.changes[cell] == ArmDayChange::default() {
            self.touched.push(cell as u32);
        }
        &mut self.changes[cell]
    }

    /// Takes out what changed.
    pub fn drain(&mut self) -> impl Iterator<Item = ((Day, u8), ArmDayChange)> + '_ {
        self.touched.drain(..).filter_map(|cell| {
            let change = std::mem::take(&mut self.changes[cell as usize]);
            let (day, arm) = (cell as usize / self.arms, cell as usize % self.arms);
            (change != ArmDayChange::default()).then_some(((day as Day, arm as u8), change))
        })
    }
}

/// Everything that one worker emits in one epoch.
pub struct Emission {
    sums: Vec<Sums>,
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
    with_rows: bool,
    /// The sums of every arm are told next, be they nothing.
    pub(super) every_arm: bool,
}

/// An interaction as it stands: what it counts, and its context once it has entered the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) interaction: Interaction,
    pub(super) reward: Option<i64>,
    pub(super) learned: bool,
}

impl Emission {
    /// Nothing yet, for this many arms and this dimension; `with_rows` if a sink wants rows of interactions.
    pub fn new(arms: usize, dimension: usize, with_rows: bool) -> Self {
        Emission {
            sums: (0..arms).map(|arm| Sums::new(arm as u32, dimension)).collect(),
            arm_days: ArmDays::new(arms),
            segments: HashMap::new(),
            interactions: InteractionRows::default(),
            features: FeatureRows::default(),
            learned: 0,
            corrected: 0,
            with_rows,
            every_arm: false,
        }
    }

    /// An interaction enters the model.
    #[inline]
    pub(super) fn learn(&mut self, interaction: &Interaction, context: &[i16], reward: i64) {
        self.sums[interaction.contact.arm()].push(context, reward);
        self.learned += 1;
        self.count(interaction, reward, 1);
    }

    /// An interaction is taken back out of the model, with the context and reward that it had.
    pub(super) fn unlearn(&mut self, interaction: &Interaction, context: &[i16], reward: i64) {
        self.sums[interaction.contact.arm()].take(context, reward);
        self.learned -= 1;
        self.count(interaction, reward, -1);
    }

    #[inline]
    fn count(&mut self, interaction: &Interaction, reward: i64, sign: i64) {
        let change = self.arm_days.at(day_of(interaction.timestamp), interaction.contact.arm());
        change.interactions += sign;
        change.responses += sign * i64::from(reward > 0);
        change.reward += i128::from(sign) * i128::from(reward);
    }

    /// A row for the sinks; `context` where it is learned.
    #[inline]
    pub(super) fn row(&mut self, change: Change, customer: &Customer<'_>, standing: &Standing, context: &[i16]) {
        if !self.with_rows {
            return;
        }
        let Standing { interaction, reward, learned } = *standing;
        let decision = customer.view.attachment_of(&interaction).and_then(|a| a.decision).map(|key| (key, customer.view.decision_of(key)));
        let learned = learned && change != Change::Delete;
        self.interactions.rows.push(InteractionRow {
            change,
            customer: customer.id,
            key: interaction.id,
            timestamp: interaction.timestamp,
            arm: interaction.contact.arm() as u8,
            propensity: decision.and_then(|(_, decided)| decided).map_or(interaction.propensity, |decided| decided.propensity),
            reward,
            learned,
            decision: decision.map(|(key, decided)| (key, decided.map(|d| d.model_version))),
        });
        if learned {
            self.interactions.contexts.extend_from_slice(context);
        }
    }

    /// The sums of the epoch, arm by arm, of those that changed.
    pub fn drain_sums(&mut self) -> impl Iterator<Item = Delta> + '_ {
        let every_arm = std::mem::take(&mut self.every_arm);
        self.sums.iter_mut().filter_map(move |sums| if every_arm { Some(sums.drain_all()) } else { sums.drain() })
    }
}

/// Whose interactions are emitted.
pub(super) struct Customer<'a> {
    pub(super) id: crate::event::CustomerId,
    pub(super) view: View<'a>,
}
