//! Tables of sums over many: models, thresholds, arms by day, segments, what epochs brought.

use super::{LATER, MANY, epoch, name};
use crate::campaign::output::{self, ArmDay, Segment};
use crate::table::{
    Cell, Column, ColumnType, Dated, Erase, Keep, Own, Rule, Table, TableRow, Untold,
};
use crate::table::{When, decimal, decimal_q16};
use ColumnType::{Bigint, Boolean, Bytes, Day, Decimal, Float8, Float8s, Smallint, Text};

/// Versions whose sums lack something of profiles.
const LATER_VERSIONS: &[When] = &[When::Since("version")];

/// Rows that any profile may be in.
const ALWAYS: &[When] = &[];

pub(super) fn model_versions() -> Table {
    Table {
        name: name::MODEL_VERSIONS,
        help: "An arm's exact sums after an epoch that changed them, \
            and what was solved from them.",
        columns: vec![
            Column::of("version", Bigint, "The epoch."),
            Column::of("arm", Smallint, "The arm."),
            Column::of("n", Bigint, "Interactions learned."),
            Column::of("a", Bytes, "Upper triangle of the sums of products, 128 bits each.")
                .or_null()
                .untold(LATER_VERSIONS),
            Column::of("b", Bytes, "Sums of contexts by rewards, 128 bits each.")
                .or_null()
                .untold(LATER_VERSIONS),
            Column::of("theta", Float8s, "The coefficients.").untold(LATER_VERSIONS),
            Column::of("reward", Decimal(None), "Sum of rewards.").later(),
            Column::of("reward_squares", Decimal(None), "Sum of the squares of rewards.").later(),
        ],
        own: vec![Own::flag("pinned"), Own::clock("created_at")],
        key: &["version", "arm"],
        rule: Rule::Adds,
        keep: Keep::Versions {
            version: "version",
            group: "arm",
            pinned: "pinned",
            setting: "keep_models",
        },
        erase: Erase::Sums {
            columns: &["a", "b", "reward", "reward_squares"],
            group: "arm",
            version: "version",
            remains: "coefficients of older versions, to which many have given; folded \
                contributions (`history.keep`) until a `--rebuild`",
        },
        // Whether contexts have changed the sums follows from profiles, too.
        untold: Untold::both(LATER_VERSIONS),
    }
}

pub(super) fn thresholds() -> Table {
    Table {
        name: name::THRESHOLDS,
        help: "A published total from which a customer is of high value on a day; never reopened.",
        columns: vec![
            Column::of("day", Day, "The day."),
            Column::of("high_value", Bigint, "The total, in minor units of the currency."),
            epoch(),
        ],
        own: Vec::new(),
        key: &["day"],
        rule: Rule::Agrees,
        keep: Keep::All,
        erase: Erase::Nobody { because: "many have given to it, and it is published" },
        untold: Untold::NONE,
    }
}

/// What stands of many, group by group. One more is its declaration, with a line here, and whoever
/// tells its rows ([`Output::Rows`](output::Output::Rows)).
pub(super) fn of_groups(decimals: u32) -> Vec<Table> {
    vec![arm_stats(), segments(decimals)]
}

/// A row of them, written by an epoch.
pub fn threshold(day: output::Day, high_value: u64, epoch: u64) -> TableRow {
    TableRow::stands([day.into(), high_value.into(), epoch.into()])
}

fn arm_stats() -> Table {
    Table {
        name: name::ARM_STATS,
        help: "Interactions learned and their exact rewards, by day of event time and arm.",
        columns: vec![
            Column::of("day", Day, "The day."),
            Column::of("arm", Smallint, "The arm."),
            Column::of("campaign_name", Text, "Its name.").or_null(),
            Column::of("interactions", Bigint, "Interactions learned."),
            Column::of("responses", Bigint, "Those with a reward above zero."),
            Column::of("reward", Decimal(None), "Sum of their rewards."),
            epoch().untold(LATER),
        ],
        own: Vec::new(),
        key: &["day", "arm"],
        rule: Rule::Replaces { counts: Some("interactions") },
        keep: Keep::All,
        erase: Erase::Nobody { because: "what somebody gave to it is taken back" },
        untold: Untold::NONE,
    }
}

impl ArmDay {
    /// Its row, with the names of the arms, written by an epoch.
    pub fn row(&self, arms: &[String], epoch: u64) -> TableRow {
        let name = arms.get(usize::from(self.arm)).cloned();
        TableRow::stands([
            self.day.into(),
            (self.arm as i16).into(),
            name.into(),
            self.interactions.into(),
            self.responses.into(),
            decimal_q16(self.reward),
            epoch.into(),
        ])
    }
}

fn segments(decimals: u32) -> Table {
    let flag = |name: &'static str| Column::of(name, Boolean, "The feature of that name.");
    Table {
        name: name::SEGMENTS,
        help: "Customers that share four flags.",
        columns: vec![
            flag("is_high_value"),
            flag("is_at_risk"),
            flag("is_frequent_buyer"),
            flag("is_recent_active"),
            Column::of("customers", Bigint, "How many.").untold(ALWAYS),
            Column::of("monetary", Decimal(Some(decimals)), "Sum of their purchases.")
                .untold(ALWAYS),
            epoch().untold(ALWAYS),
        ],
        own: Vec::new(),
        key: &["is_high_value", "is_at_risk", "is_frequent_buyer", "is_recent_active"],
        rule: Rule::Replaces { counts: Some("customers") },
        keep: Keep::All,
        erase: Erase::Nobody { because: "what somebody gave to it is taken back" },
        // Who shares the flags follows from profiles.
        untold: Untold::both(ALWAYS),
    }
}

impl Segment {
    /// Its row, in a currency of so many decimals, written by an epoch.
    pub fn row(&self, decimals: u32, epoch: u64) -> TableRow {
        let flags = [8, 4, 2, 1].map(|flag| Cell::from(self.flags & flag != 0));
        let amount = decimal(i128::from(self.amount), decimals);
        let sums = [self.customers.into(), amount, epoch.into()];
        TableRow::stands(flags.into_iter().chain(sums).collect::<Vec<_>>())
    }
}

pub(super) fn model_metrics() -> Table {
    let count = |name: &'static str, help| Column::of(name, Bigint, help);
    Table {
        name: name::MODEL_METRICS,
        help: "What an epoch brought.",
        columns: vec![
            count("epoch", "The epoch."),
            count("events", "Records read.").untold(LATER),
            count("interactions", "Interactions that appeared, less those that went."),
            count("decisions", "Decisions made."),
            Column::of("mean_reward", Float8, "That of what was learned or corrected.")
                .or_null()
                .untold(LATER),
            count("late", "Records later than allowed."),
            count("duplicates", "Records that were there before.").untold(LATER),
            count("corrected", "Interactions corrected after they were learned.").untold(LATER),
            count("pending", "Interactions that wait after it.").running(),
            count("dead_letters", "Records rejected.").untold(LATER),
        ],
        own: vec![Own::clock("committed_at"), Own::measure("events_per_second")],
        key: &["epoch"],
        rule: Rule::Replaces { counts: None },
        keep: Keep::Epochs {
            epoch: "epoch",
            dated: Dated::Commit("committed_at"),
            together: MANY,
            published: false,
            setting: "keep_model_metrics",
            gone: "metrics",
        },
        erase: Erase::Nobody { because: "it counts what an epoch brought" },
        untold: Untold::NONE,
    }
}
