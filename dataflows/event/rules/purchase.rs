//! Purchases: the amount, and the codes of what is listed.

use super::ids::id;
use super::profile::truth;
use super::{Event, Origin, Rules, blank, plain};
use crate::event::field::Field;
use crate::event::fields::{Fields, Problem, Value};
use crate::event::listed::OpenList;
use crate::event::text::{self, AmountError};
use crate::event::unlisted::{Code, List};
use crate::event::{CustomerId, Kind, Purchase, Reason, Record};

impl Rules {
    /// Notes the names of a purchase that is taken, which is the one that was read last, and adds
    /// what need be told of them.
    #[inline(always)]
    pub(in crate::event) fn note_names(&self, purchase: &Record, told: &mut Vec<(List, u64)>) {
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

    pub(super) fn purchase<'a>(
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
}

/// The code of a value for a list; whatever is not listed, of any type, counts as `other`.
pub(super) fn code(fields: &Fields, field: Field, list: &OpenList) -> Result<Code, Problem> {
    Ok(fields.get(field)?.map_or(list.none, |value| list.code(value.as_written().trim_ascii())))
}
