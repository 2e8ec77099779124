//! The stretches of a job's epochs that were computed with the same settings. Where other settings
//! were taken over, the epochs before are computed with the former ones; what they come to is held
//! in memory, as a checkpoint, and the change goes on from there as it did in the job.

use super::basis::Basis;
use super::error::VerifyError;
use crate::hosting::Hosted;
use crate::postgres::PostgresSettings;
use crate::postgres::comparison::{Expected, Standing};
use crate::sink::applied::AppliedSettings;

/// Epochs that were computed with the same settings, but for what may change from one to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Era<S> {
    /// The settings.
    pub settings: S,
    /// The last epoch.
    pub through: u64,
}

/// The stretches that the epochs after `since` up to `last` come to; none where nothing is
/// recorded. Where others than those of `since` were taken over with the epoch after it, the first
/// stretch ends with `since` and has no epoch left.
pub fn parts<D: Hosted>(
    applied: &AppliedSettings<D::Settings>,
    since: u64,
    last: u64,
) -> Vec<Era<D::Settings>> {
    let first = since.max(1);
    let Some(mut running) = applied.at(first) else { return Vec::new() };
    let mut parts = Vec::new();
    for next in applied.0.iter().filter(|next| next.since > first && next.since <= last) {
        if D::fingerprint(&next.settings) != D::fingerprint(&running.settings) {
            parts.push(Era { settings: running.settings.clone(), through: next.since - 1 });
            running = next;
        }
    }
    parts.push(Era { settings: running.settings.clone(), through: last });
    parts
}

impl<S> Era<S> {
    /// The dataflow of its epochs, where `described` is that of the last ones.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`]: the settings are none.
    pub fn described<D: Hosted<Settings = S>>(&self, described: &D) -> Result<D, VerifyError> {
        described.under(&self.settings).map_err(|why| VerifyError::Unusable {
            object: format!("what is recorded of the settings up to epoch {}", self.through),
            why,
        })
    }
}

/// What the tables are with the settings of a dataflow.
pub fn tables<D: Hosted>(postgres: &PostgresSettings, described: &D) -> PostgresSettings {
    let wording = described.wording(postgres.topics.clone());
    let lateness = D::lateness(&described.settings());
    PostgresSettings { wording, lateness, ..postgres.clone() }
}

/// Takes the epochs up to one out of what is recorded, and notes them as seen there.
pub fn take_through(standing: &mut Standing, through: u64) -> Standing {
    let rest =
        standing.epochs.split_off(standing.epochs.partition_point(|epoch| epoch.epoch <= through));
    let part = standing.clone();
    standing.epochs.iter().for_each(|epoch| standing.seen.blocks.add(epoch));
    standing.epochs = rest;
    part
}

/// From the end of a stretch to the beginning of the next: what the workers go on from, and the
/// tables as they are after the change but for what its epoch tells anew.
pub fn change<D: Hosted>(
    mut from: Basis<D::Settings>,
    part: &Era<D::Settings>,
    next: &D,
    postgres: &PostgresSettings,
    expected: Expected,
) -> (Basis<D::Settings>, Expected) {
    let tables = tables(postgres, next);
    let expected = match D::is_made_anew(&part.settings, &next.settings()) {
        true => expected.changed(&tables),
        false => expected.under(&tables),
    };
    from.former = Some(part.settings.clone());
    (from, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::applied::Applied;
    use dataflows::campaign::graph::Campaign;
    use dataflows::settings::Settings;

    #[test]
    fn a_stretch_ends_where_settings_were_taken_over_and_nowhere_else() {
        let of = |since, at_risk_days: f64, alpha: f64| {
            let mut settings = Settings::default();
            settings.customer.at_risk_days = at_risk_days;
            settings.bandit.serving.parameters.set("alpha", alpha);
            Applied { since, settings }
        };
        let applied = AppliedSettings(vec![
            of(1, 9.0, 1.0),
            of(4, 9.0, 2.0),
            of(6, 8.0, 2.0),
            of(9, 8.0, 3.0),
            of(12, 7.0, 3.0),
        ]);
        let found = |since, last| -> Vec<(f64, u64)> {
            parts::<Campaign>(&applied, since, last)
                .iter()
                .map(|part| (part.settings.customer.at_risk_days, part.through))
                .collect()
        };
        assert_eq!(found(0, 20), [(9.0, 5), (8.0, 11), (7.0, 20)]);
        assert_eq!(found(0, 11), [(9.0, 5), (8.0, 11)]);
        assert_eq!(found(0, 5), [(9.0, 5)]);
        assert_eq!(
            (found(4, 5), found(6, 11), found(10, 12)),
            (vec![(9.0, 5)], vec![(8.0, 11)], vec![(8.0, 11), (7.0, 12)])
        );
        assert_eq!(
            (found(5, 11), found(11, 12)),
            (vec![(9.0, 5), (8.0, 11)], vec![(8.0, 11), (7.0, 12)]),
            "nothing is left of the first"
        );
        assert_eq!(found(5, 5), [(9.0, 5)]);
        assert!(parts::<Campaign>(&AppliedSettings(Vec::new()), 0, 5).is_empty());
    }
}
