//! Going on under other settings without reading the topics again: whether they are others, and
//! whether what is kept tells what it would be with them.
//!
//! The change is an epoch of its own, the one after the checkpoint that the job goes on from: it
//! has no records, and computes everything anew from the histories of the checkpoint. Before it is
//! committed nothing has happened. After that the settings that are recorded say what it was, so
//! that it is done again, and compared, wherever it has to be repeated.

use super::restart::RestartError;
use crate::checkpoint::{Checkpoints, Manifest};
use crate::hosting::Hosted;
use crate::sink::applied::AppliedSettings;

/// What a start wants to go on with.
#[derive(Clone, Copy, Debug)]
pub struct WantedSettings<'a, S> {
    /// The settings.
    pub settings: &'a S,
    /// They may be others than before.
    pub reconfigure: bool,
}

/// The settings that are to be given up for those that are wanted; `None` where they are the same.
///
/// # Errors
/// They are others and may not be.
pub fn given_up<D: Hosted>(
    job: &str,
    applied: &AppliedSettings<D::Settings>,
    progress: u64,
    wanted: &WantedSettings<'_, D::Settings>,
) -> Result<Option<D::Settings>, RestartError> {
    let Some(last) = applied.at(progress).filter(|_| progress > 0) else { return Ok(None) };
    let differences = D::fingerprint(&last.settings).differences(&D::fingerprint(wanted.settings));
    if differences.is_empty() {
        return Ok(None);
    }
    let (job, refusals) = (job.to_string(), D::refusals(&last.settings, wanted.settings));
    match (wanted.reconfigure, refusals.is_empty()) {
        (false, _) => Err(RestartError::Configured { job, differences, refusals }),
        (true, false) => Err(RestartError::Unreconfigurable { job, refusals }),
        (true, true) => Ok(Some(last.settings.clone())),
    }
}

/// The settings that a checkpoint was taken under, where the epoch after it is recorded as the
/// change to those that are wanted.
pub fn turned<D: Hosted>(
    applied: &AppliedSettings<D::Settings>,
    progress: u64,
    manifest: &Manifest,
    wanted: &D::Settings,
) -> Option<D::Settings> {
    let former = applied
        .at(manifest.epoch)
        .filter(|former| D::fingerprint(&former.settings) == manifest.fingerprint)?;
    let since = manifest.epoch + 1;
    let mut later = applied.0.iter().filter(|applied| applied.since >= since);
    let here = D::fingerprint(wanted);
    let turns = later.next().is_some_and(|first| {
        first.since == since && since <= progress && D::fingerprint(&first.settings) == here
    });
    let stays = later.all(|applied| D::fingerprint(&applied.settings) == here);
    (turns && stays && manifest.fingerprint != here).then(|| former.settings.clone())
}

/// Looks through a checkpoint for what keeps it from being taken up under the settings that are
/// wanted.
///
/// # Errors
/// [`RestartError::Unreconfigurable`], or the checkpoint cannot be read.
pub fn inspect<D: Hosted>(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
    former: &D::Settings,
    wanted: &D::Settings,
) -> Result<(), RestartError> {
    let refusals = D::obstacles(checkpoints, manifest, former, wanted)?;
    match refusals.is_empty() {
        true => Ok(()),
        false => {
            Err(RestartError::Unreconfigurable { job: checkpoints.job().to_string(), refusals })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::fingerprint;
    use crate::sink::applied::Applied;
    use dataflows::campaign::graph::Campaign;
    use dataflows::settings::Settings;

    fn changed(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn a_change_is_known_by_what_is_recorded() {
        let (one, other) = (Settings::default(), changed(|to| to.customer.at_risk_days = 7.0));
        let again = changed(|to| {
            to.customer.at_risk_days = 7.0;
            to.bandit.serving.parameters.set("alpha", 0.5);
        });
        let applied = AppliedSettings(vec![
            Applied { since: 1, settings: one.clone() },
            Applied { since: 6, settings: other.clone() },
            Applied { since: 9, settings: again.clone() },
        ]);
        let of = |epoch, settings: &Settings| {
            let fingerprint = fingerprint::of(settings);
            Manifest {
                epoch,
                fingerprint,
                ..crate::engine::restart::tests::manifest(None, [0; 32])
            }
        };
        let turned = |epoch, progress, wanted: &Settings| {
            super::turned::<Campaign>(&applied, progress, &of(epoch, &one), wanted).is_some()
        };
        assert!(turned(5, 6, &other) && turned(5, 12, &again));
        assert!(!turned(5, 5, &other), "it was not committed");
        assert!(!turned(4, 12, &other), "there is an epoch between");
        assert!(!turned(5, 12, &changed(|to| to.customer.at_risk_days = 8.0)), "to something else");
        assert!(
            super::turned::<Campaign>(&applied, 12, &of(5, &other), &other).is_none(),
            "of what held only later"
        );
        let wanted = |settings, reconfigure| WantedSettings { settings, reconfigure };
        let given_up = |progress, wanted: WantedSettings<'_, Settings>| {
            super::given_up::<Campaign>("campaign", &applied, progress, &wanted)
        };
        assert_eq!(given_up(12, wanted(&other, false)).ok(), Some(None));
        assert_eq!(given_up(12, wanted(&one, true)).ok(), Some(Some(again.clone())));
        assert!(matches!(
            given_up(12, wanted(&one, false)),
            Err(RestartError::Configured { refusals, .. }) if refusals.is_empty()
        ));
        let decimals = changed(|to| to.input.decimals = 3);
        assert!(matches!(
            given_up(12, wanted(&decimals, true)),
            Err(RestartError::Unreconfigurable { refusals, .. }) if refusals.len() == 1
        ));
        assert_eq!(given_up(0, wanted(&decimals, false)).ok(), Some(None), "there is nothing yet");
    }
}
