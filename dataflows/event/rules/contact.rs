//! Contacts, their rewards, and requests for a decision: all that names an arm.

use super::ids::{id, integral, optional_id};
use super::{Event, Ignored, Origin, Rules, blank, number, plain};
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::text::{self, id_hash};
use crate::event::{
    Answer, Aside, Attachment, Contact, CustomerId, Kind, Reason, Record, Request, answer, json,
};
use std::borrow::Cow;

impl Rules {
    pub(super) fn contact<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        let id = id(fields, Field::InteractionId)?;
        let timestamp = self.event_time(&fields.required(Field::Timestamp)?, origin)?;
        let arm = match (fields.get(Field::Action)?, fields.get(Field::CampaignName)?) {
            (Some(action), _) => self.arm(&action, Field::Action)?,
            (None, Some(name)) => self.arm(&name, Field::CampaignName)?,
            (None, None) => {
                return Err(Problem::new(
                    Reason::MissingField,
                    "action and campaign_name are missing",
                ));
            }
        };
        let reward = fields.get(Field::Reward)?.map(|value| reward(&value)).transpose()?;
        let propensity =
            fields.get(Field::Propensity)?.map_or(Ok(1.0), |value| propensity(&value))?;
        let attachment = Attachment {
            features: self.features(fields, ignored)?,
            template: lenient(optional_id(fields, Field::TemplateId), Field::TemplateId, ignored)
                .map(Cow::into_owned),
            decision: lenient(optional_id(fields, Field::DecisionId), Field::DecisionId, ignored)
                .map(|text| id_hash(text.as_bytes())),
        };
        let attached = attachment != Attachment::default();
        let value = Contact::new(arm, reward, attached).0;
        let record = Record {
            customer,
            timestamp,
            value,
            extra: propensity.to_bits(),
            ..blank(Kind::Interaction, &id, origin)
        };
        let aside = attached.then_some(Aside::Attachment {
            customer,
            id: record.id,
            place: origin.place,
            attachment: Box::new(attachment),
        });
        Ok(Event::Record { record, aside, id })
    }

    /// The arm of an integer or a name.
    fn arm(&self, value: &Value, field: Field) -> Result<u16, Problem> {
        let text = value.as_written().trim_ascii();
        let number = || {
            if text::is_integer(text) {
                text.parse().ok()
            } else {
                integral(text).map(|number| number as usize)
            }
        };
        let (unknown, named) =
            (self.arms.len(), || Some(self.arms.code(text)).filter(|code| *code < self.arms.len()));
        let arm = match value {
            Value::Number(_) if text::is_integer(text) => number().unwrap_or(unknown),
            Value::Number(_) => number().ok_or_else(|| {
                Problem::of(Reason::BadField, field, value, "is neither an integer nor a name")
            })?,
            Value::Cell(_) => number().or_else(named).unwrap_or(unknown),
            Value::Text(_) => named().or_else(number).unwrap_or(unknown),
            Value::Bool(_) | Value::Compound(_) => {
                return Err(Problem::of(
                    Reason::BadField,
                    field,
                    value,
                    "is neither an integer nor a name",
                ));
            }
        };
        let known = u16::try_from(arm).ok().filter(|_| arm < self.arms.len());
        known
            .ok_or_else(|| Problem::of(Reason::UnknownArm, field, value, "is not a configured arm"))
    }

    /// A context of the record's own, in Q12. Where such contexts are not used, one that cannot be
    /// read is left out.
    fn features(
        &self,
        fields: &Fields,
        ignored: &mut Ignored,
    ) -> Result<Option<Vec<i16>>, Problem> {
        let features = self.own_features(fields);
        if self.settings.own_features {
            features
        } else {
            Ok(lenient(features, Field::Features, ignored))
        }
    }

    fn own_features(&self, fields: &Fields) -> Result<Option<Vec<i16>>, Problem> {
        let Some(value) = fields.get(Field::Features)? else {
            return Ok(None);
        };
        let numbers = list(&value, Field::Features)?.into_iter().map(|element| match element {
            Some(Value::Number(text)) => text.parse().map(text::feature_q12).ok(),
            _ => None,
        });
        let features: Option<Vec<i16>> = numbers.collect();
        let features = features.ok_or_else(|| {
            Problem::of(Reason::BadField, Field::Features, &value, "are not all numbers")
        })?;
        if features.len() != self.settings.dimension {
            let wrong = format!("are {} numbers, not {}", features.len(), self.settings.dimension);
            return Err(Problem::of(Reason::BadField, Field::Features, &value, &wrong));
        }
        Ok(Some(features))
    }

    pub(super) fn request<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        let decision = id(fields, Field::DecisionId)?.into_owned();
        let timestamp = self.event_time(&fields.required(Field::Timestamp)?, origin)?;
        let mut exclude = Vec::new();
        if let Some(value) = fields.get(Field::Exclude)? {
            for element in list(&value, Field::Exclude)? {
                let element = element.ok_or_else(|| {
                    Problem::of(Reason::BadField, Field::Exclude, &value, "has a null in it")
                })?;
                exclude.push(self.arm(&element, Field::Exclude)?);
            }
        }
        exclude.sort_unstable();
        exclude.dedup();
        let features = self.features(fields, ignored)?;
        let decided = fields.get(Field::Decided)?.map(|value| self.answer(&value)).transpose()?;
        let request = Request { decision, timestamp, exclude, features, decided };
        Ok(Event::Aside(Aside::Request {
            customer,
            place: origin.place,
            request: Box::new(request),
        }))
    }

    fn answer(&self, value: &Value) -> Result<Answer, Problem> {
        answer::read(value, self.arms.len(), self.settings.dimension, |action| {
            self.arm(action, Field::Decided)
        })
    }

    pub(super) fn reward_record<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
    ) -> Result<Event<'a>, Problem> {
        let interaction = id(fields, Field::InteractionId)?;
        let id = reward_id(fields)?;
        let timestamp = self.event_time(&fields.required(Field::Timestamp)?, origin)?;
        let value = reward(&fields.required(Field::Reward)?)? as u64;
        let extra = id_hash(interaction.as_bytes());
        Ok(plain(
            Record { customer, timestamp, value, extra, ..blank(Kind::Reward, &id, origin) },
            id,
        ))
    }
}

/// The value of a field that nothing depends on: one that cannot be read is left out, and noted.
pub(super) fn lenient<T>(
    value: Result<Option<T>, Problem>,
    field: Field,
    ignored: &mut Ignored,
) -> Option<T> {
    value.unwrap_or_else(|_| {
        ignored.push(field);
        None
    })
}

/// The id of a reward: its own, or that of its interaction.
pub(super) fn reward_id<'a>(fields: &Fields<'a>) -> Result<Cow<'a, str>, Problem> {
    optional_id(fields, Field::RewardId)?.map_or_else(|| id(fields, Field::InteractionId), Ok)
}

fn reward(value: &Value) -> Result<i64, Problem> {
    let reward = number(value).and_then(text::reward_q16);
    reward.ok_or_else(|| {
        Problem::of(Reason::BadReward, Field::Reward, value, "is not a number up to 10^7")
    })
}

fn propensity(value: &Value) -> Result<f64, Problem> {
    let propensity = number(value).ok_or_else(|| {
        Problem::of(Reason::BadField, Field::Propensity, value, "is not a number")
    })?;
    if propensity > 0.0 && propensity <= 1.0 {
        return Ok(propensity);
    }
    Err(Problem::of(Reason::BadPropensity, Field::Propensity, value, "is not in (0, 1]"))
}

/// The elements of a JSON array; in CSV a cell that holds one.
pub(super) fn list<'a>(value: &'a Value, field: Field) -> Result<Vec<Option<Value<'a>>>, Problem> {
    let elements = match value {
        Value::Compound(text) | Value::Cell(text) => json::elements(text),
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
    };
    let values = elements.and_then(|elements| {
        elements.into_iter().map(Value::from_json).collect::<Result<_, _>>().ok()
    });
    values.ok_or_else(|| Problem::of(Reason::BadField, field, value, "is not a JSON array"))
}
