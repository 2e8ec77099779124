//! Events and profiles as lines: the fields of each, in the order in which they are written.

use super::SimulatedEvent;
use super::choices::{CATEGORIES, CITIES, DEVICES, PAYMENTS};
use super::contacts::{LOGGED_PROPENSITY, SimulatedContact};
use super::population::Customer;
use super::purchases::SimulatedPurchase;
use super::values::{FieldValue, json};
use dataflows::event::{CustomerId, Topic};

/// Appends an event as one JSON object, without a line end; gives the topic and the key that it is
/// sent with.
pub fn line(event: &SimulatedEvent, out: &mut Vec<u8>) -> (Topic, CustomerId) {
    match event {
        SimulatedEvent::Transaction(purchase) => {
            json(&TRANSACTION, transaction_values(*purchase), out);
            (Topic::Transactions, purchase.customer)
        }
        SimulatedEvent::Interaction(contact) => {
            json(&INTERACTION, interaction_values(*contact), out);
            (Topic::Interactions, contact.customer)
        }
    }
}

/// Appends a customer's profile as one JSON object, without a line end; gives the topic and the key
/// that it is sent with.
pub fn customer_line(customer: &Customer, out: &mut Vec<u8>) -> (Topic, CustomerId) {
    json(&CUSTOMER, customer_values(customer), out);
    (Topic::Customers, customer.id)
}

/// The fields of a purchase, in the order that the fast parser knows.
pub(super) const TRANSACTION: [&str; 8] = [
    "transaction_id",
    "customer_id",
    "timestamp",
    "amount",
    "category",
    "device",
    "payment_method",
    "discount_used",
];

#[inline]
pub(super) fn transaction_values(purchase: SimulatedPurchase) -> [FieldValue; TRANSACTION.len()] {
    [
        FieldValue::Id(b'T', purchase.number),
        FieldValue::Whole(purchase.customer as u64),
        FieldValue::Time(purchase.timestamp),
        FieldValue::Money(purchase.amount as i64),
        FieldValue::Text(CATEGORIES[usize::from(purchase.category)]),
        FieldValue::Text(DEVICES[usize::from(purchase.device)]),
        FieldValue::Text(PAYMENTS[usize::from(purchase.payment)]),
        FieldValue::Flag(purchase.discount_used),
    ]
}

/// The fields of a contact, in the order that the fast parser knows.
pub(super) const INTERACTION: [&str; 6] =
    ["interaction_id", "customer_id", "timestamp", "action", "reward", "propensity"];

#[inline]
pub(super) fn interaction_values(contact: SimulatedContact) -> [FieldValue; INTERACTION.len()] {
    [
        FieldValue::Id(b'I', contact.number),
        FieldValue::Whole(contact.customer as u64),
        FieldValue::Time(contact.timestamp),
        FieldValue::Whole(u64::from(contact.arm)),
        FieldValue::Money(contact.reward),
        FieldValue::Money((LOGGED_PROPENSITY * 100.0) as i64),
    ]
}

/// The fields of a profile.
pub(super) const CUSTOMER: [&str; 12] = [
    "customer_id",
    "signup_date",
    "city",
    "age",
    "email_open_rate",
    "is_premium_member",
    "complaint_count",
    "preferred_device",
    "preferred_payment",
    "favorite_category",
    "avg_discount_used",
    "last_login_days",
];

pub(super) fn customer_values(customer: &Customer) -> [FieldValue; CUSTOMER.len()] {
    [
        FieldValue::Whole(customer.id as u64),
        FieldValue::Date(customer.signup),
        FieldValue::Text(CITIES[usize::from(customer.city)]),
        FieldValue::Whole(u64::from(customer.age)),
        FieldValue::Permille(customer.email_open_permille),
        FieldValue::Flag(customer.premium),
        FieldValue::Whole(u64::from(customer.complaints)),
        FieldValue::Text(DEVICES[usize::from(customer.device)]),
        FieldValue::Text(PAYMENTS[usize::from(customer.payment)]),
        FieldValue::Text(CATEGORIES[usize::from(customer.category)]),
        FieldValue::Permille(customer.discount_permille),
        FieldValue::Whole(u64::from(customer.last_login_days)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::HiddenSegment;
    use crate::{World, WorldSettings};

    /// Byte for byte, because the fast parser knows this order and spacing.
    #[test]
    fn lines_are_written_as_the_fast_parser_likes_them() {
        let written = |event| {
            let mut out = Vec::new();
            let routed = line(&event, &mut out);
            (String::from_utf8(out).unwrap(), routed)
        };
        let timestamp = 1_709_251_199_000;
        let purchase = SimulatedPurchase {
            number: 123,
            customer: 42,
            timestamp,
            amount: 10_005,
            category: 0,
            device: 1,
            payment: 2,
            discount_used: true,
        };
        let expected = "{\"transaction_id\": \"T0000123\", \"customer_id\": 42, \"timestamp\": \
            \"2024-02-29T23:59:59Z\", \"amount\": 100.05, \
             \"category\": \"Electronics\", \"device\": \"Desktop\", \"payment_method\": \
             \"E-wallet\", \"discount_used\": true}";
        assert_eq!(
            written(SimulatedEvent::Transaction(purchase)),
            (expected.to_string(), (Topic::Transactions, 42))
        );
        let contact =
            SimulatedContact { number: 12_345_678, customer: 7, timestamp, arm: 0, reward: -40 };
        let expected = "{\"interaction_id\": \"I12345678\", \"customer_id\": 7, \"timestamp\": \
            \"2024-02-29T23:59:59Z\", \"action\": 0, \
             \"reward\": -0.40, \"propensity\": 0.25}";
        assert_eq!(
            written(SimulatedEvent::Interaction(contact)),
            (expected.to_string(), (Topic::Interactions, 7))
        );
    }

    #[test]
    fn a_profile_has_its_fields_in_order_and_fractions_with_three_decimals() {
        let customer = World::new(WorldSettings { customers: 1, ..WorldSettings::default() })
            .unwrap()
            .customers()[0]
            .clone();
        let customer = Customer {
            segment: HiddenSegment::Regular,
            email_open_permille: 40,
            discount_permille: 1000,
            ..customer
        };
        let mut out = Vec::new();
        assert_eq!(customer_line(&customer, &mut out), (Topic::Customers, 1));
        let text = String::from_utf8(out).unwrap();
        let names = [
            "customer_id",
            "signup_date",
            "city",
            "age",
            "email_open_rate",
            "is_premium_member",
            "complaint_count",
            "preferred_device",
        ];
        let names = names.into_iter().chain([
            "preferred_payment",
            "favorite_category",
            "avg_discount_used",
            "last_login_days",
        ]);
        let positions: Vec<Option<usize>> =
            names.map(|name| text.find(&format!("\"{name}\": "))).collect();
        assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{text}");
        assert!(
            text.contains("\"email_open_rate\": 0.040, ")
                && text.contains("\"avg_discount_used\": 1.000, "),
            "{text}"
        );
    }
}
