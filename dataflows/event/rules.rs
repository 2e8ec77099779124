//! The rules of each topic: the fields of a record into what they say, or the reason why they are
//! refused.
//!
//! Checks are made in a fixed order and the first that fails gives the reason: `op`, customer_id,
//! the id, timestamp, then the other fields in the order of the specification's table. A retraction
//! is only looked at as far as its id. Of a field that cannot be read (of the wrong type, or no
//! text of the kind) the reason is [`Reason::BadField`], but [`Reason::BadAmount`] and
//! [`Reason::BadReward`] stand for anything that is no valid amount or reward. An optional field
//! that enters no feature and no model is left out where it cannot be read, and noted.

mod contact;
mod ids;
mod instants;
mod profile;
mod purchase;

pub(super) use ids::{customer, customer_of, id_text, written_customer};
pub(super) use instants::instant_until;

use super::field::Field;
use super::fields::{Fields, Problem, Value};
use super::input::InputSettings;
use super::instant::Instants;
use super::listed::{NameList, OpenList};
use super::text::id_hash;
use super::{
    Aside, Contact, CustomerId, Kind, Millis, Place, Reason, Record, Rejected, Topic, Whose,
};
use contact::reward_id;
use ids::id;
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
    pub(super) categories: OpenList,
    pub(super) devices: OpenList,
    pub(super) payments: OpenList,
    pub(super) arms: NameList,
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
            categories: OpenList::new(&settings.categories),
            devices: OpenList::new(&settings.devices),
            payments: OpenList::new(&settings.payments),
            arms: NameList::new(&settings.arms[..settings.arms.len().min(Contact::MAX_ARMS)]),
            settings,
        }
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

/// A number, correctly rounded, perhaps written as a text; of a text perhaps one that is not
/// finite.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(text) => text.parse().ok(),
        Value::Cell(_) | Value::Text(_) => value.as_written().trim_ascii().parse().ok(),
        Value::Bool(_) | Value::Compound(_) => None,
    }
}
