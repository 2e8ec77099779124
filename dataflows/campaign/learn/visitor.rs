//! Who visits customers: what is known beside them.

use super::features::FlagColumns;
use super::waiting::Waiting;
use crate::campaign::recount::Recount;
use crate::campaign::state::RunningRow;
use crate::campaign::thresholds::Thresholds;
use crate::customer::features::Features;
use crate::event::Millis;
use crate::settings::Settings;
use std::sync::Arc;

/// Reused memory for walks.
pub(super) struct Scratch {
    pub(super) row: RunningRow,
    pub(super) context: Vec<i16>,
}

/// Who visits customers: what is known beside them, and who waits for what.
pub(crate) struct Visitor {
    pub(super) settings: Arc<Settings>,
    pub(super) features: Arc<Features>,
    pub(super) thresholds: Thresholds,
    /// The watermark when customers were last visited.
    pub(super) watermark: Option<Millis>,
    pub(super) waiting: Waiting,
    /// Every customer is to be told anew in the next epoch, as nothing that was emitted holds any
    /// more.
    pub(super) anew: bool,
    /// The observations of customers that are taken up, where their rewards are missing in sums.
    pub(super) recount: Option<Recount>,
    pub(super) flag_columns: FlagColumns,
    pub(super) scratch: Scratch,
}

impl Visitor {
    /// Nobody waits, and these thresholds are closed.
    pub(crate) fn new(
        settings: Arc<Settings>,
        features: Arc<Features>,
        thresholds: Thresholds,
    ) -> Self {
        let scratch = Scratch {
            row: RunningRow::new(features.layout()),
            context: vec![0; features.context().dimension()],
        };
        Visitor {
            flag_columns: FlagColumns::of(&features),
            settings,
            features,
            thresholds,
            watermark: None,
            waiting: Waiting::default(),
            anew: false,
            recount: None,
            scratch,
        }
    }

    /// The closed thresholds.
    pub(crate) fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The watermark when customers were last visited.
    pub(crate) fn watermark(&self) -> Option<Millis> {
        self.watermark
    }

    /// Whether every customer is to be told anew in the next epoch.
    pub(crate) fn is_telling_anew(&self) -> bool {
        self.anew
    }

    /// Goes on from a snapshot with this watermark, and these thresholds unless they were given.
    pub(crate) fn restore(&mut self, watermark: Option<Millis>, thresholds: Option<Thresholds>) {
        self.watermark = watermark;
        self.thresholds = thresholds.unwrap_or(std::mem::take(&mut self.thresholds));
    }

    /// Counts the observations of whoever is taken up from now on.
    pub(crate) fn begin_recount(&mut self) {
        self.recount = Some(Recount::default());
    }

    /// What was counted.
    pub(crate) fn take_recount(&mut self) -> Recount {
        self.recount.take().unwrap_or_default()
    }

    /// Tells every customer anew in the next epoch.
    pub(crate) fn tell_anew(&mut self) {
        self.anew = true;
    }
}
