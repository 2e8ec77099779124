//! Hostile arrivals: a few customers and ids, so that everything meets everything.

use super::*;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// One record on its way: topic and JSON text.
pub(super) type Arrival = (Topic, String);

/// Records roughly in order of time, some late by days.
pub(super) fn arrivals(random: &mut Random, count: u64) -> Vec<Arrival> {
    (0..count)
        .map(|i| {
            let late = if random.below(10) == 0 {
                random.below(6 * DAY as u64)
            } else {
                random.below(DAY as u64 / 8)
            };
            let now = (START as u64 + i * DAYS * DAY as u64 / count).saturating_sub(late) as i64;
            // Whole hours make equal instants common.
            let at = now - now.rem_euclid(DAY / 24);
            arrival(random, at, 0..40)
        })
        .collect()
}

/// A record dated `at`, with an id of these.
pub(super) fn arrival(random: &mut Random, at: i64, ids: Range<u64>) -> Arrival {
    let customer = random.below(6);
    let id = ids.start + random.below(ids.end - ids.start);
    let amount = format!("{}.{:02}", random.below(500), random.below(4) * 25);
    match random.below(40) {
        0..=15 => {
            let category = ["Travel", "Fashion", "books"][random.below(3) as usize];
            (
                Topic::Transactions,
                format!(
                    "{{\"transaction_id\":\"t{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
                    \"amount\":{amount},\"category\":\"{category}\"}}"
                ),
            )
        }
        16..=17 => (
            Topic::Transactions,
            format!(r#"{{"transaction_id":"t{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        18..=26 => {
            let (arm, reward) = (random.below(4), random.below(9) as f64 * 0.5 - 1.0);
            contact(customer, id, at, arm, &format!("\"reward\":{reward}"))
        }
        27..=29 => {
            contact(customer, id, at, random.below(4), &format!("\"decision_id\":\"d{id}\""))
        }
        30..=31 => (
            Topic::Interactions,
            format!(r#"{{"interaction_id":"i{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        32..=34 => {
            let (name, reward) = (random.below(50), random.below(8));
            let text = format!(
                "{{\"interaction_id\":\"i{id}\",\"reward_id\":\"r{name}\",\
                \"customer_id\":{customer},\"timestamp\":{at},\"reward\":{reward}}}"
            );
            (Topic::Rewards, text)
        }
        35 => (
            Topic::Rewards,
            format!(r#"{{"interaction_id":"i{id}","customer_id":{customer},"op":"retract"}}"#),
        ),
        36..=37 => profile(random, customer, at),
        38 if random.below(3) == 0 => (
            Topic::Customers,
            format!(r#"{{"customer_id":{customer},"op":"erase","timestamp":{at}}}"#),
        ),
        _ => (
            Topic::Requests,
            format!(r#"{{"decision_id":"d{id}","customer_id":{customer},"timestamp":{at}}}"#),
        ),
    }
}

/// A contact, with what else is said of it.
pub(super) fn contact(customer: u64, id: u64, at: i64, arm: u64, more: &str) -> Arrival {
    (
        Topic::Interactions,
        format!(
            "{{\"interaction_id\":\"i{id}\",\"customer_id\":{customer},\"timestamp\":{at},\
            \"action\":{arm},{more}}}"
        ),
    )
}

/// A profile, which holds from an instant on or from ever.
pub(super) fn profile(random: &mut Random, customer: u64, at: i64) -> Arrival {
    let (rate, from) = (
        random.below(5) as f64 / 4.0,
        if random.below(3) == 0 { String::new() } else { format!(r#","timestamp":{at}"#) },
    );
    (
        Topic::Customers,
        format!(
            "{{\"customer_id\":{customer},\"signup_date\":\"2023-01-01\",\
            \"email_open_rate\":{rate}{from}}}"
        ),
    )
}

pub(super) fn block(topic: Topic, texts: &[(u64, &str)]) -> Messages {
    let (mut bytes, mut heads) = (Vec::new(), Vec::new());
    for (position, text) in texts {
        heads.push(Head {
            position: *position,
            timestamp: -1,
            start: bytes.len() as u32,
            length: text.len() as u32,
            null: false,
            key: 0,
        });
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    Messages::new(topic.id(), 0, bytes, heads)
}
