//! Going on with a campaign under other settings: which keys may change so, and what must be there
//! for it.

use crate::campaign::fingerprint;
use crate::campaign::section::is_same;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use dataflows::campaign::snapshot::Common;
use dataflows::campaign::snapshot::change::{ChangeOfSettings, Former, Inspection, Obstacles};
use dataflows::campaign::snapshot::codes::Hidden;
use dataflows::event::unlisted::Code;
use dataflows::settings::Settings;

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
    let (there, here) = (fingerprint::of(former), fingerprint::of(wanted));
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
        && former.iter().zip(wanted).all(|(former, wanted)| is_same(former, wanted));
    if !keeps {
        let is_gone = |arm: &&String| !wanted.iter().any(|name| is_same(name, arm));
        let gone: Vec<String> =
            former.iter().filter(is_gone).map(|arm| format!("{arm:?}")).collect();
        let advice = match gone.is_empty() {
            true => String::new(),
            false => format!(
                "; what is not to be chosen any more stays there and is named in \
                 bandit.retired: {}",
                gone.join(", ")
            ),
        };
        return Some(format!(
            "bandit.arms: arms keep their names and places, for interactions name them by either; \
             new ones come behind the others{advice}"
        ));
    }
    let number = wanted[former.len()..].iter().find(|arm| arm.trim().parse::<f64>().is_ok())?;
    Some(format!("bandit.arms: {number:?} would be read as another arm's number"))
}

/// What keeps the histories of a checkpoint from being taken up under the settings that are wanted.
///
/// # Errors
/// The checkpoint cannot be read.
pub fn obstacles(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    former: &Settings,
    wanted: &Settings,
) -> Result<Vec<String>, CheckpointError> {
    let (mut found, checkpoints) = (Obstacles::default(), &checkpoints.holding(manifest));
    let common = Common::from_bytes(&checkpoints.read(&manifest.shared)?)
        .map_err(|error| checkpoints.unfit(manifest, &error))?;
    let change = ChangeOfSettings::new(&Former::of(former, &common), wanted);
    for (&shard, chain) in &manifest.shards {
        let mut inspection = Inspection::of(&change);
        for file in chain.iter().rev() {
            let looked = inspection.look(shard, checkpoints.read(file)?);
            looked.map_err(|error| checkpoints.unfit(manifest, &error))?;
        }
        found.add(&inspection.found());
    }
    Ok(if found.are_there() { told(&found, former, wanted) } else { Vec::new() })
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
    let (there, here) = (fingerprint::of(former), fingerprint::of(wanted));
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

#[cfg(test)]
mod tests {
    use super::*;
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
            fingerprint::of(&all).values().map(|(key, _)| key.to_string()).collect();
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
        for (change, gone) in changes.into_iter().zip(["", ": \"Direct Mail\"", ": \"SMS\""]) {
            let refused = refused(change);
            assert!(refused.contains("keep their names and places") && refused.ends_with(gone));
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
            let differing: Vec<String> = fingerprint::of(&before)
                .differing(&fingerprint::of(&after))
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
}
