//! What epochs owe as the records that are published of it: the same of the same, whenever and from
//! wherever it is published.

use crate::kafka::publisher::Publication;
use crate::sink::destination::Destination;
use crate::sink::notices::NoticeForm;
use crate::sink::outbox::{Letter, Owed, Tombstone};
use crate::table::encode::storable;
use crate::telemetry::pseudonym::Pseudonym;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dataflows::event::{CustomerId, Millis, Place};
use serde_json::json;

/// What epochs owe, as records: notices in the form of the dataflow, where it has such.
pub(super) fn publications(owed: &[Owed], form: Option<&dyn NoticeForm>) -> Vec<Publication> {
    let mut made = Vec::new();
    for owed in owed {
        made.extend(owed.tombstones.iter().map(tombstone));
        if let Some(form) = form {
            let mut tell = |customer: CustomerId, timestamp: Millis, value: Vec<u8>| {
                made.push(Publication {
                    destination: Destination::Predictions,
                    key: customer.to_string().into_bytes(),
                    value: Some(value),
                    timestamp,
                });
            };
            form.word(&owed.again, &mut tell);
            form.word(&owed.notices, &mut tell);
        }
        made.extend(owed.letters.iter().map(dead_letter));
    }
    made
}

/// A record without a value: where the topic is compacted, none of its key that came before stays.
fn tombstone(of: &Tombstone) -> Publication {
    let (destination, key) = match of {
        Tombstone::Notices(customer) => {
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

/// Which record it is, for the log: whose a notice is it does not say.
pub(super) fn told(record: &Publication, form: Option<&dyn NoticeForm>) -> String {
    let (key, noun) =
        (String::from_utf8_lossy(&record.key), form.map_or("record", NoticeForm::noun));
    match (record.destination, key.parse()) {
        (Destination::Predictions, Ok(customer)) => {
            format!("a {noun} of {} for customer {}", record.timestamp, Pseudonym(customer))
        }
        (Destination::Predictions, Err(_)) => format!("a {noun} of {}", record.timestamp),
        (Destination::DeadLetters, _) => format!("the dead letter of {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::rows::CampaignWording;
    use crate::sink::notices::Notices;
    use dataflows::campaign::output::Decision;
    use serde_json::Value;
    use std::borrow::Cow;

    fn value(publication: &Publication) -> Value {
        serde_json::from_slice(publication.value.as_ref().expect("a value")).expect("JSON")
    }

    fn decision(customer: CustomerId, decision: &str) -> Decision {
        let decision = decision.to_string();
        Decision { customer, decision, timestamp: 5, propensity: 1.0, ..Decision::default() }
    }

    fn letter(raw: &[u8]) -> Letter {
        Letter {
            topic: "purchases".to_string(),
            place: Place::new(2, 9),
            reason: Cow::Borrowed("bad_amount"),
            detail: "a\0b".to_string(),
            raw: raw.to_vec(),
            whose: None,
        }
    }

    #[test]
    fn the_key_of_a_notice_is_its_customer_and_each_is_the_same_once_more() {
        let notices = Notices::of(vec![decision(-17, "d")]);
        let owed = [Owed { epoch: 1, notices, ..Owed::default() }];
        let form = CampaignWording::default();
        let made = publications(&owed, Some(&form));
        assert_eq!(
            (made.len(), made[0].destination, made[0].key.as_slice(), made[0].timestamp),
            (1, Destination::Predictions, &b"-17"[..], 5)
        );
        assert_eq!(publications(&owed, Some(&form)), made, "the same once more");
        let wanted = format!("a decision of 5 for customer {}", Pseudonym(-17));
        assert_eq!(told(&made[0], Some(&form)), wanted);
    }

    #[test]
    fn tombstones_come_first_with_the_keys_of_what_they_bury() {
        let place = Place::new(2, 9);
        let owed = Owed {
            epoch: 1,
            tombstones: vec![
                Tombstone::Notices(17),
                Tombstone::Letter("purchases".to_string(), place),
            ],
            again: Notices::of(vec![decision(17, "again")]),
            notices: Notices::of(vec![decision(17, "new")]),
            letters: vec![letter(b"")],
        };
        let made = publications(&[owed], Some(&CampaignWording::default()));
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
        let owed =
            [Owed { epoch: 1, letters: vec![letter(b"{}"), letter(b"\xff")], ..Owed::default() }];
        let made = publications(&owed, None);
        let head = json!({
            "topic": "purchases", "partition": 2, "offset": 9, "reason": "bad_amount",
            "detail": "a\u{FFFD}b",
        });
        for (publication, (name, raw)) in made.iter().zip([("raw", "{}"), ("raw_base64", "/w==")]) {
            let mut wanted = head.clone();
            wanted[name] = json!(raw);
            assert_eq!(
                (publication.destination, value(publication)),
                (Destination::DeadLetters, wanted)
            );
            assert_eq!(publication.key, b"purchases/2/9");
            assert_eq!(told(publication, None), "the dead letter of purchases/2/9");
        }
    }
}
