//! Tables of what happened to somebody: interactions, decisions, erasures.

use super::{FEW, LATER, OF_THEIRS, customer, epoch, name};
use crate::event::tables as common;
use crate::table::{Column, ColumnType, Dated, Erase, Keep, Rule, Table, Untold, When};
use ColumnType::{Bigint, Boolean, Float8, Float8s, Smallint, Smallints, Text, Texts, Timestamp};

/// Interactions that carry out a decision, which follows from a model.
const DECIDED: &[When] = &[When::With("decision_key")];

pub(super) fn interactions() -> Table {
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
            Column::of("propensity", Float8, "Probability with which the arm was chosen.")
                .untold(DECIDED),
            Column::of("learned", Boolean, "Whether it has entered the model."),
            Column::of("decision_key", Bigint, "The decision that it carried out.").or_null(),
            Column::of("model_version", Bigint, "The version that decided.")
                .or_null()
                .untold(DECIDED),
            Column::of("context", Smallints, "Its context in Q12, once learned.")
                .or_null()
                .untold(OF_THEIRS),
            epoch().untold(OF_THEIRS),
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
            gone: "interactions",
        },
        erase: Erase::Rows {
            customer: "customer_id",
            instant: Some("ts"),
            of_before: &["context"],
        },
        untold: Untold::NONE,
    }
}

pub(super) fn decisions() -> Table {
    Table {
        name: name::DECISIONS,
        help: "A decision: which arm, and everything needed to explain and repeat it.",
        columns: vec![
            Column::of("decision_id", Text, "Its id."),
            customer(),
            Column::of("decision_key", Bigint, "Frozen hash of its id."),
            Column::of("ts", Timestamp, "The instant asked for."),
            Column::of("arm", Smallint, "The arm; NULL where every arm was excluded.")
                .or_null()
                .untold(LATER),
            Column::of("campaign_name", Text, "The arm's name.").or_null().untold(LATER),
            Column::of("propensity", Float8, "Probability with which it was chosen.").untold(LATER),
            Column::of("expected_reward", Float8, "The estimate of the arm's reward.")
                .untold(LATER),
            Column::of("uncertainty", Float8, "The width of that estimate.").untold(LATER),
            Column::of("scores", Float8s, "Score of every arm, in their order.").untold(LATER),
            Column::of("model_version", Bigint, "The version that decided; 0 before any.")
                .untold(LATER),
            Column::of("policy", Text, "The policy that decided."),
            Column::of("context", Smallints, "The context in Q12.").untold(LATER),
            epoch(),
            Column::of("propensities", Float8s, "Of every arm; none where none could be chosen.")
                .later()
                .untold(LATER),
            Column::of(
                "reasons",
                Texts,
                "Of every arm why it could not be chosen; '' if it could.",
            )
            .later(),
            Column::of("factor", Float8, "How much more than by itself the policy explored.")
                .later()
                .untold(LATER),
            Column::of("unit", Float8, "What it measured in, in units of reward.")
                .later()
                .untold(LATER),
            Column::of(
                "alpha",
                Float8,
                "How much it explored: alpha, or what it has in its place.",
            )
            .later()
            .untold(LATER),
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
            gone: "decisions",
        },
        erase: Erase::Rows { customer: "customer_id", instant: Some("ts"), of_before: &[] },
        untold: Untold::NONE,
    }
}

pub(super) fn erasures() -> Table {
    let count = |name: &'static str| Column::of(name, Bigint, "How many of these went.");
    let counts = vec![
        count("transactions"),
        count("interactions"),
        count("rewards"),
        count("profiles").untold(LATER),
        count("learned"),
        count("decisions"),
        Column::of("folded", Bigint, "Contributions to models that stay in them."),
    ];
    common::erasures(counts, "learned")
}
