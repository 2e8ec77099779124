//! Small dataflows as the engine runs them.

use super::figures::KeyedFigures;
use super::following::KeyedFollower;
use super::rows::{KeyedWording, ViewRows};
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::config::fault::Faults;
use crate::config::types::Config;
use crate::fingerprint::{Fingerprint, millis, reading_values};
use crate::hosting::{After, Hosted};
use crate::sink::rows::Wording;
use crate::source::TopicNames;
use crate::status::figures::Figures;
use dataflows::event::named::NamedSettings;
use dataflows::keyed::{Keyed, KeyedCommon, KeyedSettings};
use dataflows::snapshot::SnapshotError;
use dataflows::time::Millis;
use std::sync::Arc;

impl<K: ViewRows> Hosted for K {
    type Follower = KeyedFollower<K>;

    fn of(config: &Config, _: bool) -> Result<Self, Faults> {
        let reading = NamedSettings {
            max_record: config.input.max_record,
            future: config.input.future,
            time_unit: config.input.time_unit,
            date_formats: config.input.date_format.clone(),
        };
        Ok(<K as Keyed>::of(KeyedSettings { reading, lateness: config.epoch.lateness }))
    }

    fn wording(&self, topics: TopicNames) -> Arc<dyn Wording> {
        Arc::new(KeyedWording::<K>::new(topics))
    }

    fn lateness(settings: &KeyedSettings) -> Millis {
        settings.lateness
    }

    fn computed_again(self, _: bool) -> Self {
        self
    }

    fn fingerprint(settings: &KeyedSettings) -> Fingerprint {
        let KeyedSettings { reading, lateness } = settings;
        let NamedSettings { max_record, future, time_unit, date_formats } = reading;
        let mut values = vec![("epoch.lateness", millis(*lateness))];
        values.extend(reading_values(*max_record, *future, *time_unit, date_formats));
        values.into_iter().collect()
    }

    /// Nothing only steers.
    fn serving(_: &KeyedSettings) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn having_served(self, _: Vec<(u64, KeyedSettings)>) -> Self {
        self
    }

    fn under(&self, settings: &KeyedSettings) -> Result<Self, String> {
        Ok(<K as Keyed>::of(settings.clone()))
    }

    fn refusals(former: &KeyedSettings, wanted: &KeyedSettings) -> Vec<String> {
        let (there, here) = (Self::fingerprint(former), Self::fingerprint(wanted));
        let differing = there.differing(&here).into_iter().map(|(key, _)| key);
        let refused = differing.filter(|key| *key != "epoch.lateness");
        refused
            .map(|key| {
                format!(
                    "{key}: it says how records are read, and those that were are not read again"
                )
            })
            .collect()
    }

    /// Nothing that is kept depends on settings.
    fn obstacles(
        _: &Checkpoints,
        _: &Manifest,
        _: &KeyedSettings,
        _: &KeyedSettings,
    ) -> Result<Vec<String>, CheckpointError> {
        Ok(Vec::new())
    }

    fn is_made_anew(_: &KeyedSettings, _: &KeyedSettings) -> bool {
        false
    }

    fn figures(&self, _: &Config) -> Box<dyn Figures> {
        Box::new(KeyedFigures::<K>::default())
    }

    fn follower(
        &self,
        after: Option<After<'_, KeyedCommon, KeyedSettings>>,
    ) -> Result<KeyedFollower<K>, SnapshotError> {
        let changing = after.as_ref().is_some_and(|after| after.former.is_some());
        let common = after.map(|after| after.common.clone()).unwrap_or_default();
        Ok(KeyedFollower::after(common).changing(changing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::following::Follow;
    use crate::sink::gathered::Gathered;
    use dataflows::arrivals::Arrivals;
    use dataflows::event::DAY;
    use dataflows::event::instant::TimeUnit;

    /// A key, and a change of it.
    type Case = (&'static str, fn(&mut KeyedSettings));

    #[test]
    fn every_setting_is_in_the_fingerprint_and_only_lateness_is_taken_over() {
        let changes: [Case; 5] = [
            ("epoch.lateness", |to| to.lateness = DAY / 2),
            ("input.future", |to| to.reading.future = 0),
            ("input.max_record", |to| to.reading.max_record = 100),
            ("input.time_unit", |to| to.reading.time_unit = Some(TimeUnit::Seconds)),
            ("input.date_format", |to| to.reading.date_formats.push("%d.%m.%Y".to_string())),
        ];
        let former = KeyedSettings::default();
        for (key, change) in changes {
            let mut wanted = former.clone();
            change(&mut wanted);
            let (there, here) = (
                <Arrivals as Hosted>::fingerprint(&former),
                <Arrivals as Hosted>::fingerprint(&wanted),
            );
            let keys: Vec<&str> = there.differing(&here).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, [key]);
            let refused = <Arrivals as Hosted>::refusals(&former, &wanted).join("; ");
            assert_eq!(refused.starts_with(key), key != "epoch.lateness", "{key}: {refused}");
        }
    }

    #[test]
    fn the_epoch_after_a_snapshot_of_other_settings_is_their_change() {
        let (common, former) = (KeyedCommon::default(), KeyedSettings::default());
        for former in [None, Some(&former)] {
            let after = Some(After { common: &common, former });
            let mut follower = Arrivals::default().follower(after).expect("the common part is one");
            let mut changes = [1, 2].map(|epoch| {
                let mut results = follower.begin(epoch);
                follower.follow(&mut results);
                results.essentials().is_change
            });
            changes.sort_unstable();
            assert_eq!(changes, [false, former.is_some()]);
        }
    }
}
