//! The rules of each topic: the fields of a record into what they say, or the reason why they are
//! refused.
//!
//! Checks are made in a fixed order and the first that fails gives the reason: `op`, customer_id,
//! the id, timestamp, then the other fields in the order of the specification's table. A retraction
//! is only looked at as far as its id. Of a field that cannot be read (of the wrong type, or no
//! text of the kind) the reason is [`Reason::BadField`], but [`Reason::BadAmount`] and
//! [`Reason::BadReward`] stand for anything that is no valid amount or reward. An optional field
//! that enters no feature and no model is left out where it cannot be read, and noted.

use super::decimal::Decimal;
use super::fields::{Field, Fields, Problem, Value};
use super::input::InputSettings;
use super::instant::{Instants, TimeUnit, TimestampError};
use super::listed::{Listed, Open};
use super::text::{self, AmountError, customer_number, id_hash};
use super::unlisted::{Code, List};
use super::{
    Answer, Aside, Attachment, Contact, CustomerId, Kind, Millis, Place, Profile, Purchase, Reason,
    Record, Rejected, Request, Topic, Whose, answer, json,
};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) topic: Topic,
    pub(super) place: Place,
    /// The greatest timestamp that it may bear.
    pub(super) latest: Millis,
    /// When the broker or its producer dated it; `Millis::MIN` where nobody did.
    pub(super) sent: Millis,
    /// The key of its message; empty where there is none.
    pub(super) key: &'a [u8],
    /// Its bytes.
    pub(super) raw: &'a [u8],
}

impl Origin<'_> {
    /// The record as it is kept when it cannot be taken.
    pub(super) fn rejected(
        &self,
        reason: Reason,
        detail: String,
        whose: Option<Whose>,
    ) -> Rejected {
        let raw = self.raw[..self.raw.len().min(Rejected::MAX_RAW)].to_vec();
        Rejected { topic: self.topic.id(), place: self.place, reason, detail, raw, whose }
    }
}

/// What a record says.
#[derive(Debug, PartialEq)]
pub(super) enum Event<'a> {
    /// An event of fixed size, what goes with it, and its id as text.
    Record { record: Record, aside: Option<Aside>, id: Cow<'a, str> },
    /// Something else.
    Aside(Aside),
}

/// Optional fields of a record that could not be read and that nothing depends on.
pub(super) type Ignored = Vec<Field>;

/// What `op` asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Insert,
    Retract,
    Erase,
}

/// The rules, with the lists and limits of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) settings: Arc<InputSettings>,
    pub(super) categories: Open,
    pub(super) devices: Open,
    pub(super) payments: Open,
    pub(super) arms: Listed,
    instants: Instants,
    /// Integers that are instants as they stand.
    pub(super) plain_instants: Range<u64>,
}

impl Rules {
    pub(super) fn new(settings: Arc<InputSettings>) -> Self {
        let instants =
            Instants { unit: settings.time_unit, formats: settings.date_formats.clone() };
        Rules {
            plain_instants: instants.plain_numbers(),
            instants,
            categories: Open::new(&settings.categories),
            devices: Open::new(&settings.devices),
            payments: Open::new(&settings.payments),
            arms: Listed::new(&settings.arms[..settings.arms.len().min(Contact::MAX_ARMS)]),
            settings,
        }
    }

    /// Notes the names of a purchase that is taken, which is the one that was read last, and adds
    /// what need be told of them.
    #[inline(always)]
    pub(super) fn note_names(&self, purchase: &Record, told: &mut Vec<(List, u64)>) {
        // Nearly always all names are listed.
        if purchase.extra != 0 {
            self.note_unlisted(Purchase(purchase.value).codes(purchase.extra), told);
        }
    }

    #[inline(never)]
    fn note_unlisted(&self, codes: [Code; 3], told: &mut Vec<(List, u64)>) {
        let lists = List::ALL.into_iter().zip([&self.categories, &self.devices, &self.payments]);
        told.extend(
            lists.zip(codes).filter_map(|((list, open), code)| Some((list, open.note(code)?))),
        );
    }

    /// What the record of these fields says. Adds to `ignored` what was left out of a record that
    /// is taken.
    pub(super) fn event<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        let operation = operation(fields, origin.topic)?;
        let event = fields.required(Field::CustomerId).and_then(|value| customer(&value));
        let event =
            event.and_then(|customer| self.event_of(operation, fields, origin, customer, ignored));
        event.map_err(
            |problem| if operation == Operation::Erase { problem.of_erasure() } else { problem },
        )
    }

    fn event_of<'a>(
        &self,
        operation: Operation,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        match (origin.topic, operation) {
            (_, Operation::Erase) => self.erasure(fields, origin, customer),
            (_, Operation::Retract) => self.retraction(fields, origin, customer),
            (Topic::Transactions, _) => self.purchase(fields, origin, customer),
            (Topic::Customers, _) => self.profile(fields, origin, customer, ignored),
            (Topic::Interactions, _) => self.contact(fields, origin, customer, ignored),
            (Topic::Rewards, _) => self.reward_record(fields, origin, customer),
            (Topic::Requests, _) => self.request(fields, origin, customer, ignored),
        }
    }

    fn purchase<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
    ) -> Result<Event<'a>, Problem> {
        let id = id(fields, Field::TransactionId)?;
        let timestamp = self.event_time(&fields.required(Field::Timestamp)?, origin)?;
        let amount = self.amount(&fields.required(Field::Amount)?)?;
        let category = code(fields, Field::Category, &self.categories)?;
        let device = code(fields, Field::Device, &self.devices)?;
        let payment = code(fields, Field::PaymentMethod, &self.payments)?;
        let discount = truth(fields, Field::DiscountUsed)?;
        let (Purchase(value), extra) =
            Purchase::coded(amount, [category, device, payment], discount);
        Ok(plain(
            Record { customer, timestamp, value, extra, ..blank(Kind::Transaction, &id, origin) },
            id,
        ))
    }

    fn amount(&self, value: &Value) -> Result<u64, Problem> {
        let amount = match value {
            Value::Number(text) | Value::Cell(text) => {
                text::minor_units(text, self.settings.decimals)
            }
            Value::Text(text) => text::minor_units(text, self.settings.decimals),
            Value::Bool(_) | Value::Compound(_) => Err(AmountError::NotANumber),
        };
        amount.map_err(|error| {
            let wrong = match error {
                AmountError::NotANumber => "is not a number",
                AmountError::Negative => "is negative",
                AmountError::TooGreat => "is over 10^12 minor units",
            };
            Problem::of(Reason::BadAmount, Field::Amount, value, wrong)
        })
    }

    fn contact<'a>(
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

    fn request<'a>(
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

    fn erasure<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
    ) -> Result<Event<'a>, Problem> {
        let until = fields
            .get(Field::Timestamp)?
            .map_or(Ok(Millis::MAX), |value| self.event_time(&value, origin))?;
        Ok(erased(customer, until, origin))
    }

    fn profile<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
        ignored: &mut Ignored,
    ) -> Result<Event<'a>, Problem> {
        let from = fields
            .get(Field::Timestamp)?
            .map_or(Ok(Millis::MIN), |value| self.event_time(&value, origin))?;
        let profile = Profile {
            from,
            signup: fields
                .get(Field::SignupDate)?
                .map_or(Ok(Millis::MIN), |value| self.instant(&value, Field::SignupDate))?,
            email_open_rate: quantity(fields, Field::EmailOpenRate, 1.0)?,
            premium: truth(fields, Field::PremiumMember)?,
            complaint_count: quantity(fields, Field::ComplaintCount, f64::MAX)?,
            avg_discount: quantity(fields, Field::AverageDiscount, 1.0)?,
        };
        for field in [Field::Age, Field::LastLoginDays] {
            let is_number = |value: Value| match number(&value) {
                Some(number) if number.is_finite() => Ok(Some(())),
                _ => Err(Problem::of(Reason::BadField, field, &value, "is not a number")),
            };
            lenient(
                fields.get(field).and_then(|value| value.map_or(Ok(None), is_number)),
                field,
                ignored,
            );
        }
        Ok(Event::Aside(Aside::Profile { customer, place: origin.place, profile }))
    }

    fn reward_record<'a>(
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

    fn retraction<'a>(
        &self,
        fields: &Fields<'a>,
        origin: &Origin,
        customer: CustomerId,
    ) -> Result<Event<'a>, Problem> {
        let (kind, id) = match origin.topic {
            Topic::Transactions => (Kind::RetractTransaction, id(fields, Field::TransactionId)?),
            Topic::Interactions => (Kind::RetractInteraction, id(fields, Field::InteractionId)?),
            _ => (Kind::RetractReward, reward_id(fields)?),
        };
        let whose = Whose { customer, dated: self.dated(fields, origin) };
        let rejected = origin.rejected(
            Reason::UnknownId,
            format!("there is no {id} of customer {customer} to retract"),
            Some(whose),
        );
        let record = Record { customer, ..blank(kind, &id, origin) };
        Ok(Event::Record {
            record,
            aside: Some(Aside::Doubtful { customer, rejected: Box::new(rejected) }),
            id,
        })
    }

    /// When a record happened that need not be valid: where it does not say so, when it was sent.
    pub(super) fn dated(&self, fields: &Fields, origin: &Origin) -> Millis {
        let own = fields.get(Field::Timestamp).ok().flatten();
        own.and_then(|value| self.event_time(&value, origin).ok()).unwrap_or(origin.sent)
    }

    /// A timestamp that is not too far in the future.
    fn event_time(&self, value: &Value, origin: &Origin) -> Result<Millis, Problem> {
        let timestamp = self.instant(value, Field::Timestamp)?;
        if timestamp > origin.latest {
            return Err(Problem::of(
                Reason::BadTimestamp,
                Field::Timestamp,
                value,
                "is too far past the broker's timestamp",
            ));
        }
        Ok(timestamp)
    }

    fn instant(&self, value: &Value, field: Field) -> Result<Millis, Problem> {
        let instant = match value {
            Value::Number(text) | Value::Cell(text) => self.instants.read(text),
            Value::Text(text) => self.instants.read(text),
            Value::Bool(_) | Value::Compound(_) => Err(TimestampError::Unreadable),
        };
        instant.map_err(|error| match error {
            TimestampError::Unreadable => {
                Problem::of(Reason::BadField, field, value, "is not a timestamp")
            }
            TimestampError::OutOfRange => {
                let unit = self.instants.likely_unit(value.as_written());
                let hint = unit.map_or(String::new(), |unit| {
                    format!("; are these {}? Then set input.time_unit", unit.name())
                });
                Problem::of(
                    Reason::BadTimestamp,
                    field,
                    value,
                    &format!("is not from 1970 to 2099{hint}"),
                )
            }
            TimestampError::NotMilliseconds => {
                let unit =
                    self.instants.likely_unit(value.as_written()).unwrap_or(TimeUnit::Seconds);
                let wrong = format!(
                    "would lie in January 1970 if these are milliseconds; set \
                    input.time_unit: probably they are {}",
                    unit.name()
                );
                Problem::of(Reason::NotMilliseconds, field, value, &wrong)
            }
        })
    }
}

/// The value of a field that nothing depends on: one that cannot be read is left out, and noted.
fn lenient<T>(value: Result<Option<T>, Problem>, field: Field, ignored: &mut Ignored) -> Option<T> {
    value.unwrap_or_else(|_| {
        ignored.push(field);
        None
    })
}

/// Erases the customer that the key of a null record names, as of the broker's timestamp.
pub(super) fn erasure_by_key(
    customer: CustomerId,
    timestamp: Millis,
    origin: &Origin,
) -> Event<'static> {
    // A broker that keeps no timestamps says -1; an erasure without an instant is for ever.
    let until = if timestamp < 0 { Millis::MAX } else { timestamp };
    erased(customer, until, origin)
}

fn erased<'a>(customer: CustomerId, until: Millis, origin: &Origin) -> Event<'a> {
    let record = Record {
        customer,
        timestamp: until,
        origin: Record::origin(Kind::Erase, origin.place),
        ..Record::default()
    };
    plain(record, Cow::Borrowed(""))
}

/// The id of a reward: its own, or that of its interaction.
fn reward_id<'a>(fields: &Fields<'a>) -> Result<Cow<'a, str>, Problem> {
    optional_id(fields, Field::RewardId)?.map_or_else(|| id(fields, Field::InteractionId), Ok)
}

/// A record of a kind, without customer, time and value.
fn blank(kind: Kind, id: &str, origin: &Origin) -> Record {
    Record {
        id: id_hash(id.as_bytes()),
        origin: Record::origin(kind, origin.place),
        ..Record::default()
    }
}

fn plain(record: Record, id: Cow<str>) -> Event {
    Event::Record { record, aside: None, id }
}

fn operation(fields: &Fields, topic: Topic) -> Result<Operation, Problem> {
    let Some(value) = fields.get(Field::Op)? else {
        return Ok(Operation::Insert);
    };
    let operation = match (&value, value.as_written().trim_ascii(), topic) {
        (Value::Text(_) | Value::Cell(_), "insert", _) => Some(Operation::Insert),
        (Value::Text(_) | Value::Cell(_), "erase", Topic::Customers) => Some(Operation::Erase),
        (
            Value::Text(_) | Value::Cell(_),
            "retract",
            Topic::Transactions | Topic::Interactions | Topic::Rewards,
        ) => Some(Operation::Retract),
        _ => None,
    };
    operation.ok_or_else(|| {
        Problem::of(Reason::BadOp, Field::Op, &value, "is no operation of this topic")
    })
}

pub(super) fn customer(value: &Value) -> Result<CustomerId, Problem> {
    let text = match value {
        Value::Number(_) | Value::Cell(_) | Value::Text(_) => value.as_written().trim_ascii(),
        Value::Bool(_) | Value::Compound(_) => "",
    };
    written_customer(text).ok_or_else(|| {
        Problem::of(
            Reason::BadField,
            Field::CustomerId,
            value,
            "is not an integer from 0 to 2^63 - 1",
        )
    })
}

/// A customer's number: decimal digits, or an integral float.
pub(super) fn written_customer(text: &str) -> Option<CustomerId> {
    customer_number(text.as_bytes()).or_else(|| integral(text).map(|number| number as CustomerId))
}

/// The integer that a float written with a point or an exponent is; `None` for what is none, is
/// negative, or has so many digits that a float may have lost some.
fn integral(text: &str) -> Option<u64> {
    let is_float = text.contains(['.', 'e', 'E']) && !text.starts_with('+');
    Decimal::read(text).filter(|_| is_float)?.integral()
}

/// The customer whom the fields name, whatever else they say.
pub(super) fn customer_of(fields: &Fields) -> Option<CustomerId> {
    customer(&fields.required(Field::CustomerId).ok()?).ok()
}

fn id<'a>(fields: &Fields<'a>, field: Field) -> Result<Cow<'a, str>, Problem> {
    id_text(fields.required(field)?, field)
}

fn optional_id<'a>(fields: &Fields<'a>, field: Field) -> Result<Option<Cow<'a, str>>, Problem> {
    fields.get(field)?.map(|value| id_text(value, field)).transpose()
}

/// The text of an id: a string that is not blank, without the space around it, or an integer. An
/// integral float is its integer, as a number and, where it is printed as such (`536365.0`), as a
/// string too.
pub(super) fn id_text(value: Value, field: Field) -> Result<Cow<str>, Problem> {
    match value {
        Value::Text(Cow::Borrowed(text)) | Value::Cell(text) if !text.trim_ascii().is_empty() => {
            Ok(Cow::Borrowed(printed_id(text)))
        }
        Value::Text(Cow::Owned(text)) if !text.trim_ascii().is_empty() => {
            Ok(Cow::Owned(printed_id(&text).to_string()))
        }
        Value::Number("-0") => Ok(Cow::Borrowed("0")),
        Value::Number(text) if text::is_integer(text) => Ok(Cow::Borrowed(text)),
        Value::Number(text) if integral_id(text).is_some() => {
            Ok(Cow::Owned(integral_id(text).unwrap_or_default()))
        }
        other => {
            Err(Problem::of(Reason::BadField, field, &other, "is neither a text nor an integer"))
        }
    }
}

/// The integer of either sign that a float is, as a text.
fn integral_id(text: &str) -> Option<String> {
    let number = integral(text.strip_prefix('-').unwrap_or(text))?;
    let sign = if text.starts_with('-') && number > 0 { "-" } else { "" };
    Some(format!("{sign}{number}"))
}

/// An id as it is kept: without the space around it, and without the point and zeros of an integral
/// float.
fn printed_id(text: &str) -> &str {
    let text = text.trim_ascii();
    let Some(whole) = text.trim_end_matches('0').strip_suffix('.') else {
        return text;
    };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let is_float = is_plain
        && text.len() > whole.len() + 1
        && integral(text.strip_prefix('-').unwrap_or(text)).is_some();
    match (is_float, whole) {
        (false, _) => text,
        (true, "-0") => "0",
        (true, whole) => whole,
    }
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

/// A number from 0 to `greatest`; 0 if absent.
fn quantity(fields: &Fields, field: Field, greatest: f64) -> Result<f64, Problem> {
    let Some(value) = fields.get(field)? else {
        return Ok(0.0);
    };
    let number = number(&value).filter(|number| (0.0..=greatest).contains(number));
    number.ok_or_else(|| {
        Problem::of(
            Reason::BadField,
            field,
            &value,
            &format!("is not a number from 0 to {greatest:e}"),
        )
    })
}

/// A number, correctly rounded, perhaps written as a text; of a text perhaps one that is not
/// finite.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(text) => text.parse().ok(),
        Value::Cell(_) | Value::Text(_) => value.as_written().trim_ascii().parse().ok(),
        Value::Bool(_) | Value::Compound(_) => None,
    }
}

/// Words for a truth, in any case.
const TRUTHS: [(&str, bool); 8] = [
    ("true", true),
    ("false", false),
    ("t", true),
    ("f", false),
    ("yes", true),
    ("no", false),
    ("y", true),
    ("n", false),
];

/// A truth value; false if absent.
fn truth(fields: &Fields, field: Field) -> Result<bool, Problem> {
    let value = match fields.get(field)? {
        None => return Ok(false),
        Some(Value::Bool(truth)) => return Ok(truth),
        Some(value) => value,
    };
    let text = value.as_written().trim_ascii();
    let word = TRUTHS
        .into_iter()
        .find(|(word, _)| text.eq_ignore_ascii_case(word))
        .map(|(_, truth)| truth);
    let number = || match Decimal::read(text)?.integral()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    word.or_else(number)
        .ok_or_else(|| Problem::of(Reason::BadField, field, &value, "is neither true nor false"))
}

/// The code of a value for a list; whatever is not listed, of any type, counts as `other`.
fn code(fields: &Fields, field: Field, list: &Open) -> Result<Code, Problem> {
    Ok(fields.get(field)?.map_or(list.none, |value| list.code(value.as_written().trim_ascii())))
}

/// The elements of a JSON array; in CSV a cell that holds one.
fn list<'a>(value: &'a Value, field: Field) -> Result<Vec<Option<Value<'a>>>, Problem> {
    let elements = match value {
        Value::Compound(text) | Value::Cell(text) => json::elements(text),
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => None,
    };
    let values = elements.and_then(|elements| {
        elements.into_iter().map(Value::from_json).collect::<Result<_, _>>().ok()
    });
    values.ok_or_else(|| Problem::of(Reason::BadField, field, value, "is not a JSON array"))
}
