//! Names of the fields that events have, for the sections `[fields.*]` that rename them.

use dataflows::event::Topic;

/// The fields of a topic, as the specification names them.
pub fn names(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Transactions => {
            &["transaction_id", "customer_id", "timestamp", "amount", "category", "device", "payment_method", "discount_used", "op"]
        }
        Topic::Customers => &[
            "customer_id",
            "signup_date",
            "city",
            "country",
            "age",
            "age_group",
            "email_open_rate",
            "is_premium_member",
            "complaint_count",
            "preferred_device",
            "preferred_payment",
            "favorite_category",
            "avg_discount_used",
            "last_login_days",
            "timestamp",
            "op",
        ],
        Topic::Interactions => &[
            "interaction_id",
            "customer_id",
            "timestamp",
            "action",
            "campaign_name",
            "reward",
            "propensity",
            "features",
            "template_id",
            "decision_id",
            "op",
        ],
        Topic::Rewards => &["interaction_id", "customer_id", "timestamp", "reward", "reward_id", "op"],
        Topic::Requests => &["decision_id", "customer_id", "timestamp", "exclude", "features"],
    }
}

/// The key of a topic's section.
pub fn key(topic: Topic) -> &'static str {
    match topic {
        Topic::Transactions => "fields.transactions",
        Topic::Customers => "fields.customers",
        Topic::Interactions => "fields.interactions",
        Topic::Rewards => "fields.rewards",
        Topic::Requests => "fields.requests",
    }
}

/// What is wrong with calling the field `here` by the name `there`.
pub fn fault(topic: Topic, here: &str, there: &str) -> Option<String> {
    if !names(topic).contains(&here) {
        return Some(format!("`{here}` is no field here; the name on the left is one of {}", names(topic).join(", ")));
    }
    there.is_empty().then(|| format!("expected the name that `{here}` has in the source"))
}
