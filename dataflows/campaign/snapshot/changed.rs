//! What does not stand any more after a change of settings, beside what its epoch tells anew.

use super::Common;
use super::change::{ChangeOfSettings, Former};
use crate::campaign::graph::Campaign;
use crate::campaign::output::Day;
use crate::customer::Features;
use crate::settings::Settings;
use crate::snapshot::SnapshotError;

/// What of before a change of settings does not stand any more, beside the rows that its epoch
/// tells anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Published thresholds, by day: all of them, where they are made of something else.
    pub gone_thresholds: Vec<Day>,
    /// Features that customers do not have any more.
    pub gone_features: Vec<String>,
}

/// A change of settings on a worker: what it begins with, and what does not stand any more.
pub struct Changeover {
    /// For the histories.
    pub of_settings: ChangeOfSettings,
    /// What belongs to no customer.
    pub common: Common,
    /// For whoever keeps rows.
    pub changed: Changed,
}

impl Changeover {
    /// From these settings to those of the campaign, after the snapshot whose common part this is.
    ///
    /// # Errors
    /// The former settings have no features, which cannot be.
    pub fn begin(
        former: &Settings,
        campaign: &Campaign,
        common: &Common,
    ) -> Result<Changeover, SnapshotError> {
        let of_settings = ChangeOfSettings::new(&Former::of(former, common), &campaign.settings);
        let features = Features::new(&former.input, &former.customer);
        let before = features.map_err(|faults| {
            SnapshotError::Common(format!("it is of settings that are none: {}", faults.join("; ")))
        })?;
        let gone = before.names().iter().filter(|name| !campaign.features.names().contains(name));
        let gone_thresholds = if of_settings.closes_anew() {
            common.thresholds.iter().map(|(day, _)| *day).collect()
        } else {
            Vec::new()
        };
        let changed = Changed { gone_thresholds, gone_features: gone.cloned().collect() };
        Ok(Changeover { common: of_settings.begin(common), of_settings, changed })
    }
}
