//! Images come back as they were, and what is no image is refused.

use super::*;
use crate::codec::Aligned;
use crate::customer::Summary;
use crate::customer::folded::Folded;
use crate::customer::unmatched::Unmatched;
use crate::event::{Contact, Profile, Purchase};

fn customer(number: i64) -> History {
    let mut history = History::new(number);
    history.transactions = (0..number as u64)
        .map(|i| Transaction::new(i, i as i64 * 1000, Purchase::new(i, 1, 2, 3, true)))
        .collect();
    history.interactions = (0..number as u64 / 2)
        .map(|id| Interaction {
            id,
            timestamp: 5,
            contact: Contact::new(2, Some(-7), id % 2 == 0),
            propensity: 0.25,
        })
        .collect();
    if number % 3 == 0 {
        history.profiles.push(Profile {
            from: Millis::MIN,
            signup: 7,
            email_open_rate: 0.5,
            complaint_count: 2.0,
            avg_discount: 0.1,
            premium: true,
        });
    }
    if number % 4 == 0 {
        let extras = history.extras_mut();
        extras.erased = Some(Millis::MAX);
        extras.rewards.push(Reward { id: 1, interaction: 2, timestamp: 3, value: -4 });
        extras.decisions.push(Decided { key: 1, timestamp: 9, propensity: 1.0, model_version: 8 });
        let features = Some((0..number as i16).collect());
        extras.attachments.push((
            0,
            Attachment {
                features,
                template: Some("sale é".repeat(number as usize)),
                decision: Some(0),
            },
        ));
        extras.attachments.push((
            2,
            Attachment {
                features: Some(Vec::new()),
                template: Some(String::new()),
                decision: None,
            },
        ));
        extras.attachments.push((4, Attachment::default()));
    }
    if number % 5 == 0 {
        history.extras_mut().folded = Some(Box::new(folded(number)));
    }
    history
}

fn folded(number: i64) -> Folded {
    let summary = Summary {
        purchases: 3,
        first: -number,
        last: 8,
        amount: 9,
        squares: u128::MAX - number as u128,
        least: 1,
        greatest: u64::MAX,
    };
    Folded {
        summary,
        counts: (0..number as u32).collect(),
        contributions: 4,
        rewards: 2,
        unmatched: Unmatched { no_interaction: 1, before: 0, after: number as u32 },
        first_contact: Millis::MAX,
        last_contact: Millis::MIN,
        first_reward: 5,
        profiled: 6,
    }
}

fn kept(number: i64) -> Bookkeeping {
    Bookkeeping {
        shown: number as i32 - 1,
        late_purchases: -1,
        late_amount: -number,
        late_day: 3,
        folded_to: number - 5,
    }
}

fn image() -> Image {
    let mut image = Image::default();
    for number in 0..20 {
        image.push(&customer(number), kept(number));
    }
    image
}

#[test]
fn customers_come_back_as_they_were() {
    let mut number = 0;
    let mut content = Aligned::from(&image().into_bytes()[..]);
    let image = ImageRows::of(&mut content).expect("the bytes are whole");
    let unpacked = image.unpack(|row, history| {
        let expected = customer(number);
        assert_eq!((row.customer, row.kept), (number, kept(number)));
        assert_eq!(
            (&history.transactions, &history.interactions),
            (&expected.transactions, &expected.interactions)
        );
        assert_eq!((&history.profiles, &history.extras), (&expected.profiles, &expected.extras));
        number += 1;
    });
    assert_eq!((unpacked, number), (Ok(()), 20));
}

#[test]
fn rows_that_do_not_fit_together_are_refused() {
    let unpack = |change: fn(&mut Image)| {
        let mut image = image();
        change(&mut image);
        let mut content = Aligned::from(&image.into_bytes()[..]);
        ImageRows::of(&mut content).expect("the blocks are whole").unpack(|_, _| {})
    };
    assert_eq!(unpack(|_| {}), Ok(()));
    assert!(unpack(|image| image.transactions.truncate(1)).is_err());
    assert!(unpack(|image| image.customers.truncate(3)).is_err());
    assert!(unpack(|image| image.words.truncate(2)).is_err());
    assert!(unpack(|image| image.folded.truncate(1)).is_err());
    assert!(unpack(|image| image.counts.truncate(1)).is_err());
    assert!(unpack(|image| image.customers.iter_mut().for_each(|row| row.folded *= 2)).is_err());
    assert!(
        unpack(|image| image
            .attachments
            .iter_mut()
            .for_each(|row| row.template = row.template.saturating_sub(1)))
        .is_err(),
        "half a letter"
    );
}

#[test]
fn what_is_cut_or_goes_on_is_no_image() {
    let mut bytes = image().into_bytes();
    bytes.extend_from_slice(&[0; 9]);
    let unpack = |bytes: &[u8]| match ImageRows::of(&mut Aligned::from(bytes)) {
        Ok(rows) => rows.unpack(|_, _| {}).map_err(str::to_string),
        Err(error) => Err(error.to_string()),
    };
    let whole = bytes.len() - 9;
    assert_eq!(unpack(&bytes[..whole]), Ok(()));
    for length in (0..whole).step_by(if cfg!(miri) { 997 } else { 7 }) {
        let error = unpack(&bytes[..length]).expect_err("it is cut");
        assert!(error.contains("it was cut short"), "cut to {length} bytes: {error}");
    }
    for length in whole + 1..=bytes.len() {
        let error = unpack(&bytes[..length]).expect_err("it goes on");
        assert!(error.contains("lies behind its rows"), "{length} bytes: {error}");
    }
}
