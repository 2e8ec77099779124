//! Every table that the campaign dataflow fills.

use crate::event::Rejected;
use crate::table::{Blank, Column, Dated, Erase, Keep, Kind, Own, Rule, Table};
use Kind::{
    Bigint, Boolean, Bytes, Day, Decimal, Float8, Float8s, Integer, Smallint, Smallints, Text,
    Timestamp,
};

/// Names of the tables.
pub mod name {
    /// One row an interaction.
    pub const INTERACTIONS: &str = "interactions";
    /// One row a customer.
    pub const CUSTOMER_FEATURES: &str = "customer_features";
    /// One row a decision.
    pub const DECISIONS: &str = "decisions";
    /// One row a version of an arm's model.
    pub const MODEL_VERSIONS: &str = "model_versions";
    /// One row a day.
    pub const THRESHOLDS: &str = "thresholds";
    /// One row an erasure.
    pub const ERASURES: &str = "erasures";
    /// One row a day and arm.
    pub const ARM_STATS: &str = "arm_stats";
    /// One row a combination of flags.
    pub const SEGMENTS: &str = "segments";
    /// One row a record that could not be taken.
    pub const DEAD_LETTERS: &str = "dead_letters";
    /// One row an epoch.
    pub const MODEL_METRICS: &str = "model_metrics";
}

/// All of them, for customers with these features and a currency of so many decimals; in the order
/// in which an epoch's rows are told.
pub fn tables(features: &[String], decimals: u32) -> Vec<Table> {
    vec![
        interactions(),
        customer_features(features),
        decisions(),
        model_versions(),
        thresholds(),
        erasures(),
        arm_stats(),
        segments(decimals),
        dead_letters(),
        model_metrics(),
    ]
}

/// Rows of the oldest epochs that go with one commit, in epochs.
const FEW: u64 = 4;

/// Epochs whose small rows go together.
const MANY: u64 = 64;

/// The column of the epoch that wrote a row last.
fn epoch() -> Column {
    Column::of("epoch", Bigint, "The epoch that wrote it last.")
}

fn customer() -> Column {
    Column::of("customer_id", Bigint, "Whose.")
}

fn interactions() -> Table {
    Table {
        name: name::INTERACTIONS,
        help: "An interaction that has settled.",
        columns: vec![
            customer(),
            Column::of("interaction_key", Bigint, "Frozen hash of its id."),
            Column::of("interaction_id", Text, "Its id.").or_null().once(),
            Column::of("ts", Timestamp, "Its instant."),
            Column::of("arm", Smallint, "The arm played."),
            Column::of("reward", Float8, "What it counts; NULL while unknown.").or_null(),
            Column::of("propensity", Float8, "Probability with which the arm was chosen."),
            Column::of("learned", Boolean, "Whether it has entered the model."),
            Column::of("decision_key", Bigint, "The decision that it carried out.").or_null(),
            Column::of("model_version", Bigint, "The version that decided.").or_null(),
            Column::of("context", Smallints, "Its context in Q12, once learned.").or_null(),
            epoch(),
        ],
        own: Vec::new(),
        key: &["customer_id", "interaction_key"],
        rule: Rule::Changes { again: true },
        keep: Keep::Epochs {
            epoch: "epoch",
            dated: Dated::Event("ts"),
            together: FEW,
            published: false,
            setting: "keep_interactions",
        },
        erase: Erase::Rows {
            customer: "customer_id",
            instant: Some("ts"),
            of_before: &["context"],
        },
    }
}

fn customer_features(features: &[String]) -> Table {
    let feature = |name: &String| {
        let column = Column::of(name.clone(), Float8, "The feature of that name.").or_null();
        let moving = MOVING.iter().find(|(moving, _)| moving == name);
        column.now(moving.map(|(_, now)| *now))
    };
    let as_of = Column::of("as_of", Timestamp, "The instant that its values hold for.");
    let ends = [
        as_of.now(Some("n.instant")),
        Column::of("last_purchase", Timestamp, "The last purchase.").or_null(),
        Column::of("signup", Timestamp, "The signup.").or_null(),
        epoch(),
    ];
    Table {
        name: name::CUSTOMER_FEATURES,
        help: "A customer, rewritten when its features change.",
        columns: [customer()].into_iter().chain(features.iter().map(feature)).chain(ends).collect(),
        own: Vec::new(),
        key: &["customer_id"],
        rule: Rule::Changes { again: false },
        keep: Keep::All,
        erase: Erase::Rows { customer: "customer_id", instant: None, of_before: &[] },
    }
}

/// Days from an instant of the row to now. They are milliseconds divided once, as the features are,
/// so that both have the same bits. `greatest` passes over NULL, so an instant that is not known is
/// asked for first.
macro_rules! days_since {
    ($instant:literal) => {
        concat!(
            "CASE WHEN f.",
            $instant,
            " IS NOT NULL THEN (greatest(0, extract(epoch FROM n.instant - f.",
            $instant,
            ")) * 1000)::float8 / 86400000 END"
        )
    };
}

macro_rules! recency {
    () => {
        concat!("coalesce(", days_since!("last_purchase"), ", ", days_since!("signup"), ", 0)")
    };
}

/// Features that move with the clock.
const MOVING: [(&str, &str); 5] = [
    ("recency", recency!()),
    ("days_since_signup", concat!("coalesce(", days_since!("signup"), ", 0)")),
    (
        "clv_score",
        concat!(
            "CASE WHEN f.last_purchase IS NULL THEN 0 ELSE f.monetary * f.frequency / (",
            recency!(),
            " + 1) END"
        ),
    ),
    (
        "is_at_risk",
        concat!(
            "(f.last_purchase IS NOT NULL AND ",
            recency!(),
            " >= c.at_risk_days)::int::float8"
        ),
    ),
    (
        "is_recent_active",
        concat!("(f.last_purchase IS NOT NULL AND ", recency!(), " <= c.recent_days)::int::float8"),
    ),
];

fn decisions() -> Table {
    Table {
        name: name::DECISIONS,
        help: "A decision: which arm, and everything needed to explain and repeat it.",
        columns: vec![
            Column::of("decision_id", Text, "Its id."),
            customer(),
            Column::of("decision_key", Bigint, "Frozen hash of its id."),
            Column::of("ts", Timestamp, "The instant asked for."),
            Column::of("arm", Smallint, "The arm; NULL where every arm was excluded.").or_null(),
            Column::of("campaign_name", Text, "The arm's name.").or_null(),
            Column::of("propensity", Float8, "Probability with which it was chosen."),
            Column::of("expected_reward", Float8, "The estimate of the arm's reward."),
            Column::of("uncertainty", Float8, "The width of that estimate."),
            Column::of("scores", Float8s, "Score of every arm, in their order."),
            Column::of("model_version", Bigint, "The version that decided; 0 before any."),
            Column::of("policy", Text, "The policy that decided."),
            Column::of("context", Smallints, "The context in Q12."),
            epoch(),
        ],
        own: Vec::new(),
        key: &["customer_id", "decision_key"],
        // The id of an erased customer's decision may come again.
        rule: Rule::Replaces { counts: None },
        keep: Keep::Epochs {
            epoch: "epoch",
            dated: Dated::Event("ts"),
            together: FEW,
            published: true,
            setting: "keep_decisions",
        },
        erase: Erase::Rows { customer: "customer_id", instant: Some("ts"), of_before: &[] },
    }
}

fn model_versions() -> Table {
    Table {
        name: name::MODEL_VERSIONS,
        help: "An arm's exact sums after an epoch that changed them, and what was solved from them.",
        columns: vec![
            Column::of("version", Bigint, "The epoch."),
            Column::of("arm", Smallint, "The arm."),
            Column::of("n", Bigint, "Interactions learned."),
            Column::of("a", Bytes, "Upper triangle of the sums of products, 128 bits each.")
                .or_null(),
            Column::of("b", Bytes, "Sums of contexts by rewards, 128 bits each.").or_null(),
            Column::of("theta", Float8s, "The coefficients."),
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
        erase: Erase::Sums { columns: &["a", "b"], group: "arm", version: "version" },
    }
}

fn thresholds() -> Table {
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
    }
}

fn erasures() -> Table {
    let count = |name: &'static str| Column::of(name, Bigint, "How many of these went.");
    Table {
        name: name::ERASURES,
        help: "That a customer was erased, up to which instant, and what went with it.",
        columns: vec![
            Column::of("epoch", Bigint, "The epoch that did it.").or_null(),
            customer(),
            Column::of("instant", Timestamp, "Up to when; infinity: for ever."),
            count("transactions"),
            count("interactions"),
            count("rewards"),
            count("profiles"),
            count("learned"),
            count("decisions"),
            Column::of("folded", Bigint, "Contributions to models that stay in them."),
            Column::of("digest_before", Text, "That of the model before the epoch.").or_null(),
            Column::of("digest_after", Text, "That of the model after the epoch.").or_null(),
            Column::of("repetition", Bigint, "Which of those of an epoch.").numbering(),
        ],
        own: vec![Own::number("id"), Own::clock("requested_at"), Own::count("dead_letters")],
        key: &["epoch", "customer_id", "instant", "repetition"],
        rule: Rule::Adds,
        keep: Keep::All,
        erase: Erase::Reports {
            because: "without it an old record would bring them back",
            learned: "learned",
        },
    }
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
            epoch(),
        ],
        own: Vec::new(),
        key: &["day", "arm"],
        rule: Rule::Replaces { counts: Some("interactions") },
        keep: Keep::All,
        erase: Erase::Nobody { because: "what somebody gave to it is taken back" },
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
            Column::of("customers", Bigint, "How many."),
            Column::of("monetary", Decimal(Some(decimals)), "Sum of their purchases."),
            epoch(),
        ],
        own: Vec::new(),
        key: &["is_high_value", "is_at_risk", "is_frequent_buyer", "is_recent_active"],
        rule: Rule::Replaces { counts: Some("customers") },
        keep: Keep::All,
        erase: Erase::Nobody { because: "what somebody gave to it is taken back" },
    }
}

fn dead_letters() -> Table {
    Table {
        name: name::DEAD_LETTERS,
        help: "A record that could not be taken, and why.",
        columns: vec![
            Column::of("topic", Text, "Its topic, by the name at the broker."),
            Column::of("partition", Integer, "Its partition."),
            Column::of("position", Bigint, "Its offset, or where it stands in a file."),
            Column::of("reason", Text, "Why it was rejected, in a word."),
            Column::of("detail", Text, "Why, in a sentence."),
            Column::of("raw", Bytes, "The record."),
            epoch(),
            Column::of("customer_id", Bigint, "Whose, where that can be told.").or_null(),
            Column::of("dated", Timestamp, "When; -infinity: nobody knows.").or_null(),
            Column::of("blanked", Bigint, "The epoch that erased its customer.").or_null(),
        ],
        own: vec![Own::number("id"), Own::clock("received_at")],
        key: &["topic", "partition", "position", "reason"],
        rule: Rule::Stays,
        keep: Keep::Days {
            since: "received_at",
            epochs: &["epoch", "blanked"],
            setting: "keep_dead_letters",
        },
        erase: Erase::Blanks {
            customer: "customer_id",
            instant: "dated",
            columns: &[
                ("detail", Blank::Text(Rejected::BLANKED)),
                ("raw", Blank::NoBytes),
                ("customer_id", Blank::Null),
                ("dated", Blank::Null),
                ("blanked", Blank::Epoch),
            ],
        },
    }
}

fn model_metrics() -> Table {
    let count = |name: &'static str, help| Column::of(name, Bigint, help);
    Table {
        name: name::MODEL_METRICS,
        help: "What an epoch brought.",
        columns: vec![
            count("epoch", "The epoch."),
            count("events", "Records read."),
            count("interactions", "Interactions that appeared, less those that went."),
            count("decisions", "Decisions made."),
            Column::of("mean_reward", Float8, "That of what was learned or corrected.").or_null(),
            count("late", "Records later than allowed."),
            count("duplicates", "Records that were there before."),
            count("corrected", "Interactions corrected after they were learned."),
            count("pending", "Interactions that wait after it."),
            count("dead_letters", "Records rejected."),
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
        },
        erase: Erase::Nobody { because: "it counts what an epoch brought" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::features::Features;
    use crate::settings::{CustomerSettings, InputSettings};

    #[test]
    fn every_declaration_fits_together() {
        let features =
            Features::new(&InputSettings::default(), &CustomerSettings::default()).unwrap();
        let tables = tables(features.names(), 2);
        let faults: Vec<String> = tables.iter().flat_map(Table::faults).collect();
        assert_eq!(faults, Vec::<String>::new());
        let unknown: Vec<&str> = MOVING
            .iter()
            .map(|(feature, _)| *feature)
            .filter(|feature| !features.names().iter().any(|name| name == feature))
            .collect();
        assert_eq!(unknown, Vec::<&str>::new(), "no such feature moves with the clock");
    }

    #[test]
    fn whatever_has_a_customer_says_what_an_erasure_does_to_it() {
        for table in tables(&[], 2) {
            let is_nobodys = matches!(table.erase, Erase::Nobody { .. } | Erase::Sums { .. });
            let has_customer = table.place("customer_id").is_some();
            assert_eq!(is_nobodys, !has_customer, "{}", table.name);
        }
    }
}
