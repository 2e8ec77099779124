//! Fields that the source has in several columns: an id that is joined of some, an amount that is
//! their product.

use super::decimal::{Decimal, product};
use super::field::Field;
use super::fields::{Fields, Problem, Value};
use super::rules::id_text;
use super::{Reason, Topic};
use std::borrow::Cow;

/// Columns that one field may be made of.
pub(super) const MAX_PARTS: usize = 5;

/// Fields of one topic that may be made of several columns: no topic has more that may.
pub(super) const MAX_COMPOSED: usize = 3;

/// What stands between the names of the columns that an id is joined of, and of those that are
/// multiplied.
const OPERATORS: [(&str, Operator); 2] = [(" + ", Operator::Join), (" * ", Operator::Multiply)];

/// How the columns of a field are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Join,
    Multiply,
}

impl Operator {
    /// Whether a field may be made this way. A customer's number is no text that could be joined.
    fn makes(self, field: Field) -> bool {
        match self {
            Operator::Join => matches!(
                field,
                Field::TransactionId
                    | Field::InteractionId
                    | Field::RewardId
                    | Field::TemplateId
                    | Field::DecisionId
            ),
            Operator::Multiply => field == Field::Amount,
        }
    }
}

/// A field that is made of several columns.
#[derive(Clone, Debug)]
pub(super) struct Composed {
    field: Field,
    operator: Operator,
    /// Names of the columns, for messages, and the slots of [`Fields`] that hold them.
    parts: Vec<(String, usize)>,
}

/// The columns that a name in the configuration stands for, and how they are put together where
/// they are several.
fn read(there: &str) -> (Option<Operator>, Vec<&str>) {
    let operator = OPERATORS.into_iter().find(|(sign, _)| there.contains(sign));
    operator.map_or_else(
        || (None, vec![there]),
        |(sign, operator)| (Some(operator), there.split(sign).map(str::trim).collect()),
    )
}

/// What is wrong with calling a field by this name, where the name is made of several.
pub(super) fn fault(field: Field, there: &str) -> Option<String> {
    let (Some(operator), parts) = read(there) else { return None };
    let here = field.name();
    if !operator.makes(field) {
        let can = match operator {
            Operator::Join => {
                "only ids can be joined of several columns with ` + `, and customer_id is a number"
            }
            Operator::Multiply => "only amount can be a product of several columns with ` * `",
        };
        return Some(format!("`{here}` cannot be `{there}`: {can}"));
    }
    if parts.len() > MAX_PARTS
        || parts
            .iter()
            .any(|part| part.is_empty() || OPERATORS.iter().any(|(sign, _)| part.contains(sign)))
    {
        return Some(format!(
            "expected 2 to {MAX_PARTS} names of columns with the same sign between them, not \
             `{there}`"
        ));
    }
    None
}

impl Composed {
    /// What a field is made of under this name; `None` for the name of one column. The parts take
    /// the slots from `free` on.
    pub(super) fn new(field: Field, there: &str, free: usize) -> Option<Self> {
        let (operator, parts) = read(there);
        let operator = operator.filter(|operator| operator.makes(field))?;
        let parts = parts
            .into_iter()
            .take(MAX_PARTS)
            .enumerate()
            .map(|(at, part)| (part.to_string(), free + at))
            .collect();
        Some(Composed { field, operator, parts })
    }

    /// The columns that it reads.
    pub(super) fn parts(&self) -> &[(String, usize)] {
        &self.parts
    }

    /// The field that it makes.
    pub(super) fn field(&self) -> Field {
        self.field
    }

    /// The field's value; absent where all parts are.
    pub(super) fn value<'a>(&self, fields: &Fields<'a>) -> Result<Option<Value<'a>>, Problem> {
        let mut values = Vec::with_capacity(self.parts.len());
        for (name, slot) in &self.parts {
            values.push((name, fields.at(*slot, self.field)?));
        }
        if values.iter().all(|(_, value)| value.is_none()) {
            return Ok(None);
        }
        let missing = |name: &str| {
            Problem::new(Reason::MissingField, format!("{}: {name} is missing", self.field.name()))
        };
        let values: Vec<(&String, Value<'a>)> = values
            .into_iter()
            .map(|(name, value)| Ok((name, value.ok_or_else(|| missing(name))?)))
            .collect::<Result<_, Problem>>()?;
        match self.operator {
            Operator::Join => self.joined(values),
            Operator::Multiply => self.multiplied(&values),
        }
        .map(|text| Some(Value::Text(Cow::Owned(text))))
    }

    /// Each part as it would be an id of its own. A plus sign in one is escaped, so that different
    /// parts never make the same id.
    fn joined(&self, values: Vec<(&String, Value)>) -> Result<String, Problem> {
        let mut joined = String::new();
        for (at, (_, value)) in values.into_iter().enumerate() {
            joined.push_str(if at > 0 { "+" } else { "" });
            for character in id_text(value, self.field.name())?.chars() {
                joined.push_str(if matches!(character, '+' | '\\') { "\\" } else { "" });
                joined.push(character);
            }
        }
        Ok(joined)
    }

    fn multiplied(&self, values: &[(&String, Value)]) -> Result<String, Problem> {
        let mut factors = Vec::with_capacity(values.len());
        for (name, value) in values {
            let factor = match value {
                Value::Bool(_) | Value::Compound(_) => None,
                Value::Text(_) | Value::Cell(_) | Value::Number(_) => {
                    Decimal::read(value.as_written().trim_ascii())
                }
            };
            factors.push(factor.ok_or_else(|| {
                Problem::of(
                    Reason::BadAmount,
                    self.field,
                    value,
                    &format!("in {name} is not a number"),
                )
            })?);
        }
        product(&factors).ok_or_else(|| {
            Problem::new(
                Reason::BadAmount,
                format!("{}: the product has too many digits", self.field.name()),
            )
        })
    }
}

/// The field of a topic that has this name, if it may be made of several columns as `there` has it.
pub(super) fn fault_of(topic: Topic, here: &str, there: &str) -> Option<String> {
    Field::of(topic)
        .iter()
        .find(|field| field.name() == here)
        .and_then(|field| fault(*field, there))
}
