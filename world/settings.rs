//! What a world is made from, and which worlds cannot be.

use dataflows::event::{DAY, Millis};

/// What a world is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldSettings {
    /// Customers, numbered from 1.
    pub customers: u32,
    /// Purchases in all.
    pub transactions: u64,
    /// Campaign contacts in all.
    pub interactions: u64,
    /// Whatever is drawn is drawn from this.
    pub seed: u64,
    /// The first instant; cut to the midnight (UTC) before it.
    pub start: Millis,
    /// How long it lasts.
    pub days: u16,
}

impl Default for WorldSettings {
    /// The world of the specification: 730 days from 2023-01-01 on.
    fn default() -> Self {
        WorldSettings {
            customers: 10_000,
            transactions: 100_000,
            interactions: 10_000,
            seed: 1,
            start: 1_672_531_200_000,
            days: 730,
        }
    }
}

impl WorldSettings {
    /// These, from a midnight on.
    ///
    /// # Errors
    /// When there are no customers or no days, or when the world would not lie between 1980 and
    /// 2100.
    pub(crate) fn checked(self) -> Result<WorldSettings, WorldError> {
        let WorldSettings { customers, start, days, .. } = self;
        if customers == 0 {
            return Err(WorldError::NoCustomers);
        }
        if days == 0 {
            return Err(WorldError::NoDays);
        }
        if !(EARLIEST..=LATEST - Millis::from(days) * DAY).contains(&start) {
            return Err(WorldError::OutOfTime { start, days });
        }
        Ok(WorldSettings { start: start - start % DAY, ..self })
    }
}

/// Settings that no world can be made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Nobody is there.
    #[error("a simulated world needs at least 1 customer; ask for more with --customers")]
    NoCustomers,
    /// It lasts no time.
    #[error("a simulated world needs at least 1 day")]
    NoDays,
    /// Timestamps or signup dates would not be valid.
    #[error(
        "a simulated world must begin in 1980 or later and end before 2100, but {days} days from \
         {start} ms since 1970 do not"
    )]
    OutOfTime {
        /// Where it would start.
        start: Millis,
        /// How long it would last.
        days: u16,
    },
}

/// 1980-01-01: signup dates, up to four years before the start, are then after 1970.
const EARLIEST: Millis = 315_532_800_000;

/// 2100-01-01: events from then on are not valid.
const LATEST: Millis = 4_102_444_800_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_world_begins_in_2023() {
        assert_eq!(
            jiff::Timestamp::from_millisecond(WorldSettings::default().start).unwrap().to_string(),
            "2023-01-01T00:00:00Z"
        );
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |settings: WorldSettings| settings.checked().err();
        assert_eq!(
            refused(WorldSettings { customers: 0, ..WorldSettings::default() }),
            Some(WorldError::NoCustomers)
        );
        assert_eq!(
            refused(WorldSettings { days: 0, ..WorldSettings::default() }),
            Some(WorldError::NoDays)
        );
        for start in [Millis::MIN, -1, 0, LATEST - 729 * DAY, Millis::MAX] {
            assert!(
                matches!(
                    refused(WorldSettings { start, ..WorldSettings::default() }),
                    Some(WorldError::OutOfTime { .. })
                ),
                "start {start}"
            );
        }
        assert_eq!(
            refused(WorldSettings { start: LATEST - 730 * DAY, ..WorldSettings::default() }),
            None
        );
    }
}
