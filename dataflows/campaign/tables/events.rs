//! Tables of what happened to somebody: interactions, decisions, erasures, dead letters.

use super::{FEW, customer, epoch, name};
use crate::event::Rejected;
use crate::table::{Blank, Column, Dated, Erase, Keep, Kind, Own, Rule, Table};
use Kind::{
    Bigint, Boolean, Bytes, Float8, Float8s, Integer, Smallint, Smallints, Text, Timestamp,
};

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

pub(super) fn decisions() -> Table {
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

pub(super) fn erasures() -> Table {
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
            customer: "customer_id",
            instant: "instant",
            learned: "learned",
        },
    }
}

pub(super) fn dead_letters() -> Table {
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
