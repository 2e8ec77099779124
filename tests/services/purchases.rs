//! Purchases, one of each customer: enough for a job to have something of each.

use super::Stage;
use super::sender::Sender;
use serde_json::json;
use std::ops::RangeInclusive;

/// Sends a purchase of each customer into topics that were empty.
pub(crate) fn purchases(stage: &Stage, customers: RangeInclusive<i64>) {
    send(stage, &mut Sender::new(stage, 2), customers);
}

/// Sends a purchase of each customer.
pub(crate) fn send(stage: &Stage, sender: &mut Sender, customers: RangeInclusive<i64>) {
    for customer in customers {
        let value = json!({
            "transaction_id": format!("t{customer}"), "customer_id": customer,
            "timestamp": "2024-03-01T10:00:00Z", "amount": 5,
        });
        sender.send(
            &stage.topic("transactions"),
            0,
            Some(customer.to_string().as_bytes()),
            Some(value.to_string().as_bytes()),
            0,
        );
    }
    sender.flush();
}
