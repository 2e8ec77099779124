//! Decisions and rejected records as the records that are published of them: the same of the same,
//! whenever and from wherever it is published.

use crate::kafka::publisher::Publication;
use crate::sink::destination::Destination;
use crate::sink::outbox::{Letter, Owed, Tombstone};
use crate::table::encode::storable;
use crate::telemetry::pseudonym::Pseudonym;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dataflows::campaign::output::Decision;
use dataflows::event::Place;
use serde_json::json;

/// What epochs owe, as records.
pub fn publications(owed: &[Owed], arms: &[String]) -> Vec<Publication> {
    let of_epoch = |owed: &Owed| {
        let decisions =
            owed.again.iter().chain(&owed.decisions).map(|decision| prediction(decision, arms));
        owed.tombstones
            .iter()
            .map(tombstone)
            .chain(decisions)
            .chain(owed.letters.iter().map(dead_letter))
            .collect::<Vec<_>>()
    };
    owed.iter().flat_map(of_epoch).collect()
}

/// The key is the customer, so that whoever reads them has one customer's decisions in order; which
/// decision it is, the value says. A text is as the table holds it.
fn prediction(decision: &Decision, arms: &[String]) -> Publication {
    let value = json!({
        "decision_id": storable(decision.decision.as_bytes()),
        "customer_id": decision.customer,
        "timestamp": decision.timestamp,
        "action": decision.arm,
        "campaign_name": decision.arm.and_then(|arm| arms.get(usize::from(arm))),
        "propensity": decision.propensity,
        "expected_reward": decision.expected_reward,
        "uncertainty": decision.uncertainty,
        "scores": decision.scores,
        "model_version": decision.model_version,
        "policy": decision.policy,
    });
    Publication {
        destination: Destination::Predictions,
        key: decision.customer.to_string().into_bytes(),
        value: Some(value.to_string().into_bytes()),
        timestamp: decision.timestamp,
    }
}

/// A record without a value: where the topic is compacted, none of its key that came before stays.
fn tombstone(of: &Tombstone) -> Publication {
    let (destination, key) = match of {
        Tombstone::Decisions(customer) => {
            (Destination::Predictions, customer.to_string().into_bytes())
        }
        Tombstone::Letter(topic, place) => (Destination::DeadLetters, key_of(topic, *place)),
    };
    Publication {
        destination,
        key,
        value: None,
        timestamp: jiff::Timestamp::now().as_millisecond(),
    }
}

/// The key of a dead letter: no other has it.
fn key_of(topic: &str, place: Place) -> Vec<u8> {
    format!("{topic}/{}/{}", place.partition(), place.position()).into_bytes()
}

fn dead_letter(letter: &Letter) -> Publication {
    let mut value = json!({
        "topic": letter.topic,
        "partition": letter.place.partition(),
        "offset": letter.place.position(),
        "reason": letter.reason,
        "detail": storable(letter.detail.as_bytes()),
    });
    match std::str::from_utf8(&letter.raw) {
        Ok(text) => value["raw"] = json!(text),
        Err(_) => value["raw_base64"] = json!(STANDARD.encode(&letter.raw)),
    }
    Publication {
        destination: Destination::DeadLetters,
        key: key_of(&letter.topic, letter.place),
        value: Some(value.to_string().into_bytes()),
        // No instant of its own can be trusted: it is dated by the clock.
        timestamp: jiff::Timestamp::now().as_millisecond(),
    }
}

/// Which record it is, for the log: whose a decision is it does not say.
pub fn told(record: &Publication) -> String {
    let key = String::from_utf8_lossy(&record.key);
    match (record.destination, key.parse()) {
        (Destination::Predictions, Ok(customer)) => {
            format!("a decision of {} for customer {}", record.timestamp, Pseudonym(customer))
        }
        (Destination::Predictions, Err(_)) => format!("a decision of {}", record.timestamp),
        (Destination::DeadLetters, _) => format!("the dead letter of {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::borrow::Cow;

    fn value(publication: &Publication) -> Value {
        serde_json::from_slice(publication.value.as_ref().expect("a value")).expect("JSON")
    }

    #[test]
    fn the_key_is_the_customer_and_the_decision_is_in_the_value() {
        let decision = Decision {
            customer: -17,
            key: 99,
            decision: "d\0\"1".to_string(),
            timestamp: 5,
            arm: Some(1),
            propensity: 0.5,
            expected_reward: 0.1 + 0.2,
            uncertainty: 1.0,
            scores: vec![0.25],
            model_version: 3,
            policy: "greedy".into(),
            context: vec![1],
            answered: None,
        };
        let owed = [Owed { epoch: 1, decisions: vec![decision], ..Owed::default() }];
        let made = publications(&owed, &["Email".to_string(), "SMS".to_string()]);
        assert_eq!(
            (made.len(), made[0].destination, made[0].key.as_slice(), made[0].timestamp),
            (1, Destination::Predictions, &b"-17"[..], 5)
        );
        let wanted = json!({
            "decision_id": "d\u{FFFD}\"1", "customer_id": -17, "timestamp": 5, "action": 1, "campaign_name": "SMS", "propensity": 0.5,
            "expected_reward": 0.1 + 0.2, "uncertainty": 1.0, "scores": [0.25], "model_version": 3, "policy": "greedy",
        });
        assert_eq!(value(&made[0]), wanted);
        assert_eq!(
            publications(&owed, &["Email".to_string(), "SMS".to_string()]),
            made,
            "the same once more"
        );
        assert_eq!(told(&made[0]), format!("a decision of 5 for customer {}", Pseudonym(-17)));
    }

    #[test]
    fn tombstones_come_first_with_the_keys_of_what_they_bury() {
        let decision = |customer, decision: &str| Decision {
            customer,
            key: 1,
            decision: decision.to_string(),
            timestamp: 5,
            propensity: 1.0,
            ..Decision::default()
        };
        let place = Place::new(2, 9);
        let (reason, detail) = (Cow::Borrowed("bad_amount"), String::new());
        let letter = Letter {
            topic: "purchases".to_string(),
            place,
            reason,
            detail,
            raw: Vec::new(),
            whose: None,
        };
        let owed = Owed {
            epoch: 1,
            tombstones: vec![
                Tombstone::Decisions(17),
                Tombstone::Letter("purchases".to_string(), place),
            ],
            again: vec![decision(17, "again")],
            decisions: vec![decision(17, "new")],
            letters: vec![letter],
        };
        let made = publications(&[owed], &[]);
        let shown: Vec<_> = made
            .iter()
            .map(|made| {
                (made.destination, String::from_utf8_lossy(&made.key), made.value.is_some())
            })
            .collect();
        let (of_customer, of_letter) = (Cow::Borrowed("17"), Cow::Borrowed("purchases/2/9"));
        let [predictions, letters] = Destination::ALL;
        assert_eq!(
            shown[..2],
            [(predictions, of_customer.clone(), false), (letters, of_letter.clone(), false)]
        );
        assert_eq!(
            shown[2..],
            [
                (predictions, of_customer.clone(), true),
                (predictions, of_customer, true),
                (letters, of_letter, true)
            ]
        );
        assert_eq!(
            (&value(&made[2])["decision_id"], &value(&made[3])["decision_id"]),
            (&json!("again"), &json!("new"))
        );
    }

    #[test]
    fn a_dead_letter_names_its_place_and_keeps_its_bytes() {
        let letter = |raw: &[u8]| {
            let (place, reason) = (Place::new(2, 9), Cow::Borrowed("bad_amount"));
            Letter {
                topic: "purchases".to_string(),
                place,
                reason,
                detail: "a\0b".to_string(),
                raw: raw.to_vec(),
                whose: None,
            }
        };
        let owed =
            [Owed { epoch: 1, letters: vec![letter(b"{}"), letter(b"\xff")], ..Owed::default() }];
        let made = publications(&owed, &[]);
        let head = json!({"topic": "purchases", "partition": 2, "offset": 9, "reason": "bad_amount", "detail": "a\u{FFFD}b"});
        for (publication, (name, raw)) in made.iter().zip([("raw", "{}"), ("raw_base64", "/w==")]) {
            let mut wanted = head.clone();
            wanted[name] = json!(raw);
            assert_eq!(
                (publication.destination, value(publication)),
                (Destination::DeadLetters, wanted)
            );
            assert_eq!(publication.key, b"purchases/2/9");
            assert_eq!(told(publication), "the dead letter of purchases/2/9");
        }
    }
}
