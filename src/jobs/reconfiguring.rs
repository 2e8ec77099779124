//! Going on under other settings without reading the topics again: which keys may change so, and
//! what must be there for it.
//!
//! The change is an epoch of its own, the one after the checkpoint that the job goes on from: it
//! has no records, and computes everything anew from the histories of the checkpoint. Before it is
//! committed nothing has happened. After that the settings that are recorded say what it was, so
//! that it is done again, and compared, wherever it has to be repeated.

use super::restart::RestartError;
use super::saving::LoadError;
use super::soundness::whole;
use crate::campaign::results::Changed;
use crate::checkpoint::{Checkpoints, Fingerprint, Manifest};
use crate::sink::applied::AppliedSettings;
use dataflows::campaign::graph::Campaign;
use dataflows::campaign::snapshot::change::{ChangeOfSettings, Former, Inspection, Obstacles};
use dataflows::campaign::snapshot::{Common, codes::Hidden};
use dataflows::customer::Features;
use dataflows::event::unlisted::Code;
use dataflows::settings::Settings;
use dataflows::snapshot::SnapshotError;

/// What a start wants to go on with.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// They may be others than before.
    pub reconfigure: bool,
}

/// Keys of which everything that is kept can be made anew.
const TAKEN_OVER: [&str; 16] = [
    "bandit.arms",
    "bandit.attribution_window",
    "bandit.model_lag",
    "bandit.no_response_reward",
    "bandit.own_features",
    "context.terms",
    "customers.at_risk_days",
    "customers.categories",
    "customers.devices",
    "customers.frequent_purchases",
    "customers.high_value",
    "customers.holiday_months",
    "customers.payments",
    "customers.recent_days",
    "epoch.lateness",
    "history.keep",
];

/// Keys of which it cannot, and why.
const READ: &str = "it says how records are read, and those that were are not read again";
const REFUSED: [(&str, &str); 6] = [
    ("fields", READ),
    ("input.date_format", READ),
    ("input.decimals", "amounts are kept in units of it, rounded when they were read"),
    ("input.future", READ),
    ("input.max_record", READ),
    ("input.time_unit", READ),
];

/// Why these settings cannot be taken over, as far as they tell themselves.
pub fn refusals(former: &Settings, wanted: &Settings) -> Vec<String> {
    let (there, here) = (Fingerprint::of(former), Fingerprint::of(wanted));
    let refusal =
        |(key, _): &(&str, String)| match REFUSED.iter().find(|(refused, _)| refused == key) {
            Some((_, why)) => Some(format!("{key}: {why}")),
            None if *key == "bandit.arms" => refused_arms(&former.input.arms, &wanted.input.arms),
            None => (!TAKEN_OVER.contains(key))
                .then(|| format!("{key}: this version of the program does not know it")),
        };
    there.differing(&here).iter().filter_map(refusal).collect()
}

/// Actions may be given by number or by name, and which it was is not kept: only where arms keep
/// both is it the same.
fn refused_arms(former: &[String], wanted: &[String]) -> Option<String> {
    let keeps = former.len() <= wanted.len()
        && former
            .iter()
            .zip(wanted)
            .all(|(former, wanted)| former.to_lowercase() == wanted.to_lowercase());
    if !keeps {
        return Some(
            "bandit.arms: arms keep their names and places, for interactions name them by either; \
             new ones come behind the others"
                .to_string(),
        );
    }
    let number = wanted[former.len()..].iter().find(|arm| arm.trim().parse::<f64>().is_ok())?;
    Some(format!("bandit.arms: {number:?} would be read as another arm's number"))
}

/// The settings that are to be given up for those that are wanted; `None` where they are the same.
///
/// # Errors
/// They are others and may not be.
pub fn given_up(
    job: &str,
    applied: &AppliedSettings,
    progress: u64,
    wanted: &Wanted<'_>,
) -> Result<Option<Settings>, RestartError> {
    let Some(last) = applied.at(progress).filter(|_| progress > 0) else { return Ok(None) };
    let differences =
        Fingerprint::of(&last.settings).differences(&Fingerprint::of(wanted.settings));
    if differences.is_empty() {
        return Ok(None);
    }
    let (job, refusals) = (job.to_string(), refusals(&last.settings, wanted.settings));
    match (wanted.reconfigure, refusals.is_empty()) {
        (false, _) => Err(RestartError::Configured { job, differences, refusals }),
        (true, false) => Err(RestartError::Unreconfigurable { job, refusals }),
        (true, true) => Ok(Some(last.settings.clone())),
    }
}

/// The settings that a checkpoint was taken under, where the epoch after it is recorded as the
/// change to those that are wanted.
pub fn turned(
    applied: &AppliedSettings,
    progress: u64,
    manifest: &Manifest,
    wanted: &Settings,
) -> Option<Settings> {
    let former = applied
        .at(manifest.epoch)
        .filter(|former| Fingerprint::of(&former.settings) == manifest.fingerprint)?;
    let since = manifest.epoch + 1;
    let mut later = applied.0.iter().filter(|applied| applied.since >= since);
    let here = Fingerprint::of(wanted);
    let turns = later.next().is_some_and(|first| {
        first.since == since && since <= progress && Fingerprint::of(&first.settings) == here
    });
    let stays = later.all(|applied| Fingerprint::of(&applied.settings) == here);
    (turns && stays && manifest.fingerprint != here).then(|| former.settings.clone())
}

/// Looks through the histories of a checkpoint for what keeps them from being taken up under the
/// settings that are wanted.
///
/// # Errors
/// [`RestartError::Unreconfigurable`], or the checkpoint cannot be read.
pub fn inspect(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    former: &Settings,
    wanted: &Settings,
) -> Result<(), RestartError> {
    let (mut found, checkpoints) = (Obstacles::default(), &checkpoints.holding(manifest));
    let common = Common::from_bytes(&checkpoints.read(&manifest.shared)?)
        .map_err(|error| whole(checkpoints, manifest, &error))?;
    let change = ChangeOfSettings::new(&Former::of(former, &common), wanted);
    for (&shard, chain) in &manifest.shards {
        let mut inspection = Inspection::of(&change);
        for file in chain.iter().rev() {
            let looked = inspection.look(shard, checkpoints.read(file)?);
            looked.map_err(|error| whole(checkpoints, manifest, &error))?;
        }
        found.add(&inspection.found());
    }
    match found.are_there() {
        true => Err(RestartError::Unreconfigurable {
            job: checkpoints.job().to_string(),
            refusals: told(&found, former, wanted),
        }),
        false => Ok(()),
    }
}

/// Whether what is folded would have to be there for this key, as the settings have it.
fn needs_events(key: &str, former: &Settings, wanted: &Settings) -> bool {
    match key {
        // Nothing that stands depends on them.
        "bandit.arms" => false,
        "bandit.model_lag" => former.bandit.model_lag < wanted.bandit.model_lag,
        "epoch.lateness" | "history.keep" => former.time.kept() < wanted.time.kept(),
        _ => true,
    }
}

fn told(found: &Obstacles, former: &Settings, wanted: &Settings) -> Vec<String> {
    let (there, here) = (Fingerprint::of(former), Fingerprint::of(wanted));
    let keys: Vec<&str> = there
        .differing(&here)
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| needs_events(key, former, wanted))
        .collect();
    let Obstacles { folded, categories, devices, payments, features } = *found;
    let unlisted = |key: &str, Hidden { unknown, several }: Hidden| {
        let unknown = match unknown {
            0 => String::new(),
            _ => format!(
                "{unknown} purchases counted as `other`, and whether they are of what has come to \
                 the list is not known: they were read before such names \
                 were kept, or under a list of more than {}",
                Code::LONGEST
            ),
        };
        let several = match several {
            0 => String::new(),
            _ => {
                format!(
                    "{several} purchases counted as `other`, and are of what has come to the list \
                     or of another name that it cannot be told from"
                )
            }
        };
        let both = [unknown, several]
            .into_iter()
            .filter(|said| !said.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        format!("{key}: {both}. Without an addition they can be taken over")
    };
    let kept = "customers have events that `history.keep` has folded into sums, and sums do not \
        tell what they were made of";
    let carried = "interactions brought as many features along as the context had terms, and it \
        has another number now";
    let all = [
        (folded, format!("{}: {folded} {kept}", keys.join(", "))),
        (categories.purchases(), unlisted("customers.categories", categories)),
        (devices.purchases(), unlisted("customers.devices", devices)),
        (payments.purchases(), unlisted("customers.payments", payments)),
        (features, format!("context.terms: {features} {carried}")),
    ];
    all.into_iter().filter(|(number, _)| *number > 0).map(|(_, said)| said).collect()
}

/// A change of settings on a worker: what it begins with, and what does not stand any more.
pub struct Change {
    /// For the histories.
    pub of_settings: ChangeOfSettings,
    /// What belongs to no customer.
    pub common: Common,
    /// For the sink.
    pub changed: Changed,
}

impl Change {
    /// From these settings to those of the campaign, after the snapshot whose common part this is.
    ///
    /// # Errors
    /// The former settings have no features, which cannot be.
    pub fn begin(
        former: &Settings,
        campaign: &Campaign,
        common: &Common,
    ) -> Result<Change, LoadError> {
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
        Ok(Change { common: of_settings.begin(common), of_settings, changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::applied::Applied;
    use dataflows::campaign::snapshot::change::changes_results;
    use dataflows::event::DAY;
    use dataflows::event::instant::TimeUnit;
    use dataflows::settings::HighValue;
    use std::collections::BTreeSet;

    fn changed(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn every_key_can_be_taken_over_or_has_a_reason() {
        let all = changed(|settings| {
            settings.input.time_unit = Some(TimeUnit::Seconds);
            settings.input.date_formats = vec!["%d.%m.%Y".to_string()];
        });
        let keys: Vec<String> =
            Fingerprint::of(&all).values().map(|(key, _)| key.to_string()).collect();
        let mut known: Vec<&str> =
            TAKEN_OVER.into_iter().chain(REFUSED.map(|(key, _)| key)).collect();
        known.sort_unstable();
        assert_eq!(known, keys);
    }

    #[test]
    fn what_says_how_records_are_read_is_refused() {
        let refused =
            |change: fn(&mut Settings)| refusals(&Settings::default(), &changed(change)).join("; ");
        assert_eq!(refused(|to| to.time.lateness = 5), "");
        assert!(
            refused(|to| to.input.decimals = 3).starts_with("input.decimals: amounts are kept")
        );
        assert!(refused(|to| to.input.max_record = 3).starts_with("input.max_record: it says how"));
        assert_eq!(refused(|to| to.input.arms.push("Letter".to_string())), "");
        assert!(refused(|to| to.input.arms.push("2".to_string())).contains("\"2\" would be read"));
        let changes: [fn(&mut Settings); 3] = [
            |to| to.input.arms.swap(0, 1),
            |to| drop(to.input.arms.pop()),
            |to| to.input.arms[1] = "Text".to_string(),
        ];
        for change in changes {
            assert!(refused(change).contains("keep their names and places"));
        }
    }

    /// A key, a change of it, and whether everything is made anew for it.
    type Case = (&'static str, fn(&mut Settings), bool);

    #[test]
    fn every_key_that_changes_what_stands_needs_all_events() {
        let before = changed(|to| (to.time.keep, to.bandit.model_lag) = (Some(30 * DAY), 2));
        let changes: [Case; 20] = [
            ("bandit.arms", |to| to.input.arms.push("Letter".to_string()), false),
            ("bandit.attribution_window", |to| to.time.attribution_window = DAY, true),
            ("bandit.model_lag", |to| to.bandit.model_lag = 1, false),
            ("bandit.model_lag", |to| to.bandit.model_lag = 3, true),
            ("bandit.no_response_reward", |to| to.time.no_response_reward = 7, true),
            ("bandit.own_features", |to| to.bandit.own_features = true, true),
            ("context.terms", |to| drop(to.customer.context.pop()), true),
            ("customers.at_risk_days", |to| to.customer.at_risk_days = 7.0, true),
            ("customers.categories", |to| to.input.categories.reverse(), true),
            ("customers.devices", |to| to.input.devices.push("Watch".to_string()), true),
            ("customers.frequent_purchases", |to| to.customer.frequent_purchases = 3, true),
            ("customers.high_value", |to| to.customer.high_value = HighValue::Fixed(7), true),
            ("customers.holiday_months", |to| to.customer.holiday_months = 2, true),
            ("customers.payments", |to| drop(to.input.payments.pop()), true),
            ("customers.recent_days", |to| to.customer.recent_days = 3.0, true),
            ("epoch.lateness", |to| to.time.lateness = DAY / 2, false),
            ("epoch.lateness", |to| to.time.lateness = 29 * DAY, true),
            ("history.keep", |to| to.time.keep = Some(20 * DAY), false),
            ("history.keep", |to| to.time.keep = Some(40 * DAY), true),
            ("history.keep", |to| to.time.keep = None, true),
        ];
        for (key, change, needs) in changes {
            let mut after = before.clone();
            change(&mut after);
            let differing: Vec<String> = Fingerprint::of(&before)
                .differing(&Fingerprint::of(&after))
                .iter()
                .map(|(key, _)| key.to_string())
                .collect();
            assert_eq!(differing, [key]);
            assert_eq!(needs_events(key, &before, &after), needs, "{key}");
            assert_eq!(
                changes_results(&before, &after) || before.time.kept() < after.time.kept(),
                needs,
                "{key}"
            );
            let told =
                told(&Obstacles { folded: 5, ..Obstacles::default() }, &before, &after).join("; ");
            assert_eq!(told.starts_with(&format!("{key}: 5 customers have")), needs, "{told}");
        }
        let known: BTreeSet<&str> = changes.iter().map(|(key, ..)| *key).collect();
        assert_eq!(known.into_iter().collect::<Vec<_>>(), TAKEN_OVER);
    }

    #[test]
    fn a_change_is_known_by_what_is_recorded() {
        let (one, other) = (Settings::default(), changed(|to| to.customer.at_risk_days = 7.0));
        let again = changed(|to| (to.customer.at_risk_days, to.bandit.serving.alpha) = (7.0, 0.5));
        let applied = AppliedSettings(vec![
            Applied::of(1, &one),
            Applied::of(6, &other),
            Applied::of(9, &again),
        ]);
        let of = |epoch, settings: &Settings| {
            let fingerprint = Fingerprint::of(settings);
            Manifest { epoch, fingerprint, ..crate::jobs::restart::tests::manifest(None, [0; 32]) }
        };
        let turned = |epoch, progress, wanted: &Settings| {
            super::turned(&applied, progress, &of(epoch, &one), wanted).is_some()
        };
        assert!(turned(5, 6, &other) && turned(5, 12, &again));
        assert!(!turned(5, 5, &other), "it was not committed");
        assert!(!turned(4, 12, &other), "there is an epoch between");
        assert!(!turned(5, 12, &changed(|to| to.customer.at_risk_days = 8.0)), "to something else");
        assert!(
            super::turned(&applied, 12, &of(5, &other), &other).is_none(),
            "of what held only later"
        );
        let wanted = |settings, reconfigure| Wanted { settings, reconfigure };
        let given_up =
            |progress, wanted: Wanted<'_>| super::given_up("campaign", &applied, progress, &wanted);
        assert_eq!(given_up(12, wanted(&other, false)).ok(), Some(None));
        assert_eq!(
            given_up(12, wanted(&one, true)).ok(),
            Some(Some(Applied::of(1, &again).settings))
        );
        assert!(
            matches!(given_up(12, wanted(&one, false)), Err(RestartError::Configured { refusals, .. }) if refusals.is_empty())
        );
        let decimals = changed(|to| to.input.decimals = 3);
        assert!(
            matches!(given_up(12, wanted(&decimals, true)), Err(RestartError::Unreconfigurable { refusals, .. }) if refusals.len() == 1)
        );
        assert_eq!(given_up(0, wanted(&decimals, false)).ok(), Some(None), "there is nothing yet");
    }
}
