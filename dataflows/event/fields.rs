//! The fields of one record as they were written, whatever the format: what JSON and CSV are read into and what the rules read from.

use super::{Reason, Topic};
use std::borrow::Cow;

/// A field that means something in at least one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Op,
    CustomerId,
    Timestamp,
    TransactionId,
    Amount,
    Category,
    Device,
    PaymentMethod,
    DiscountUsed,
    SignupDate,
    EmailOpenRate,
    PremiumMember,
    ComplaintCount,
    AverageDiscount,
    InteractionId,
    Action,
    CampaignName,
    Reward,
    Propensity,
    Features,
    TemplateId,
    DecisionId,
    RewardId,
    Exclude,
}

const FIELDS: usize = Field::Exclude as usize + 1;

impl Field {
    /// The name in the specification.
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Op => "op",
            Field::CustomerId => "customer_id",
            Field::Timestamp => "timestamp",
            Field::TransactionId => "transaction_id",
            Field::Amount => "amount",
            Field::Category => "category",
            Field::Device => "device",
            Field::PaymentMethod => "payment_method",
            Field::DiscountUsed => "discount_used",
            Field::SignupDate => "signup_date",
            Field::EmailOpenRate => "email_open_rate",
            Field::PremiumMember => "is_premium_member",
            Field::ComplaintCount => "complaint_count",
            Field::AverageDiscount => "avg_discount_used",
            Field::InteractionId => "interaction_id",
            Field::Action => "action",
            Field::CampaignName => "campaign_name",
            Field::Reward => "reward",
            Field::Propensity => "propensity",
            Field::Features => "features",
            Field::TemplateId => "template_id",
            Field::DecisionId => "decision_id",
            Field::RewardId => "reward_id",
            Field::Exclude => "exclude",
        }
    }

    /// The fields that a topic reads; all others in its records are ignored.
    fn of(topic: Topic) -> &'static [Field] {
        use Field::*;
        match topic {
            Topic::Transactions => &[Op, CustomerId, Timestamp, TransactionId, Amount, Category, Device, PaymentMethod, DiscountUsed],
            Topic::Customers => &[Op, CustomerId, Timestamp, SignupDate, EmailOpenRate, PremiumMember, ComplaintCount, AverageDiscount],
            Topic::Interactions => {
                &[Op, CustomerId, Timestamp, InteractionId, Action, CampaignName, Reward, Propensity, Features, TemplateId, DecisionId]
            }
            Topic::Rewards => &[Op, CustomerId, Timestamp, InteractionId, Reward, RewardId],
            Topic::Requests => &[Op, CustomerId, Timestamp, DecisionId, Exclude, Features],
        }
    }
}

/// Names of the fields that a topic reads: those for which an alias has an effect.
pub fn field_names(topic: Topic) -> impl Iterator<Item = &'static str> {
    Field::of(topic).iter().map(|field| field.name())
}

/// What the fields of a topic are called in the source.
///
/// A field with an alias is read under its alias only, so that a field of the source that happens to bear its name is not mistaken for it.
#[derive(Clone, Debug)]
pub(super) struct FieldNames(Vec<(String, Field)>);

impl FieldNames {
    /// The names for a topic under these aliases (topic, name here, name there).
    pub(super) fn new(topic: Topic, aliases: &[(Topic, String, String)]) -> Self {
        let in_source = |field: &Field| {
            let alias = aliases.iter().find(|(of, here, _)| *of == topic && here == field.name());
            (alias.map_or(field.name(), |(_, _, there)| there).to_string(), *field)
        };
        FieldNames(Field::of(topic).iter().map(in_source).collect())
    }

    /// The field of this name, if the topic reads it.
    pub(super) fn find(&self, name: &str) -> Option<Field> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, field)| *field)
    }
}

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

impl Problem {
    /// Characters of a value that are quoted in a detail.
    const QUOTED: usize = 80;

    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Problem { reason, detail: detail.into() }
    }

    /// A problem with the value of a field.
    pub(super) fn of(reason: Reason, field: Field, value: &Value, wrong: &str) -> Self {
        let text = value.as_written();
        let quoted: String = text.chars().take(Self::QUOTED).collect();
        let more = if quoted.len() < text.len() { "..." } else { "" };
        Problem::new(reason, format!("{}: {quoted}{more} {wrong}", field.name()))
    }
}

/// A field's text in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Written<'a> {
    #[default]
    Absent,
    /// One JSON value.
    Json(&'a str),
    /// One cell of a CSV row.
    Cell(&'a str),
}

/// A value, decoded as far as its format tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A JSON string, decoded.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// A JSON truth value.
    Bool(bool),
    /// A JSON array or object, as written.
    Compound(&'a str),
    /// A CSV cell, not empty.
    Cell(&'a str),
}

impl<'a> Value<'a> {
    /// Decodes one valid JSON value; null is `None`.
    pub(super) fn from_json(json: &'a str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match json.as_bytes() {
            b"null" => None,
            b"true" => Some(Value::Bool(true)),
            b"false" => Some(Value::Bool(false)),
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Some(Value::Text(Cow::Borrowed(&json[1..json.len() - 1]))),
            [b'"', ..] => Some(Value::Text(Cow::Owned(serde_json::from_str(json)?))),
            [b'{' | b'[', ..] => Some(Value::Compound(json)),
            _ => Some(Value::Number(json)),
        })
    }

    /// The value as it may be shown to a person.
    pub(super) fn as_written(&self) -> &str {
        match self {
            Value::Text(text) => text,
            Value::Number(text) | Value::Compound(text) | Value::Cell(text) => text,
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
        }
    }
}

/// The fields of one record.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    written: [Written<'a>; FIELDS],
    empty_is_absent: bool,
}

impl<'a> Fields<'a> {
    /// No field yet. In profiles an empty string counts as absent.
    pub(super) fn new(topic: Topic) -> Self {
        Fields { written: [Written::Absent; FIELDS], empty_is_absent: topic == Topic::Customers }
    }

    /// Sets a field to a JSON value, in place of an earlier one.
    pub(super) fn set_json(&mut self, field: Field, json: &'a str) {
        self.written[field as usize] = Written::Json(json);
    }

    /// Sets a field to a CSV cell, in place of an earlier one.
    pub(super) fn set_cell(&mut self, field: Field, cell: &'a str) {
        self.written[field as usize] = Written::Cell(cell);
    }

    /// The value of a field, `None` if it is absent (or null, or an empty cell).
    pub(super) fn get(&self, field: Field) -> Result<Option<Value<'a>>, Problem> {
        let value = match self.written[field as usize] {
            Written::Absent | Written::Cell("") => None,
            Written::Cell(cell) => Some(Value::Cell(cell)),
            Written::Json(json) => Value::from_json(json).map_err(|error| Problem::new(Reason::BadField, format!("{}: {error}", field.name())))?,
        };
        let empty = matches!(&value, Some(Value::Text(text)) if text.is_empty());
        Ok(value.filter(|_| !(empty && self.empty_is_absent)))
    }

    /// The value of a field that must be there.
    pub(super) fn required(&self, field: Field) -> Result<Value<'a>, Problem> {
        self.get(field)?.ok_or_else(|| Problem::new(Reason::MissingField, format!("{} is missing", field.name())))
    }
}
