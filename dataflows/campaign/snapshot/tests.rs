//! What a checkpoint of a million customers costs to look through and to take up. Not a test: see
//! `codec/tests/measure.rs` for how it is run.

use super::Common;
use super::image::{Bookkeeping, Image};
use super::restore::Loading;
use super::soundness::Domain;
use crate::campaign::graph::Campaign;
use crate::codec::Aligned;
use crate::codec::tests::measure::cost;
use crate::customer::history::{History, Interaction};
use crate::customer::{Features, Transaction};
use crate::dataflow::Soundness;
use crate::event::text::{VIRTUAL_SHARDS, virtual_shard};
use crate::event::{Contact, CustomerId, DAY, Millis, Purchase};
use crate::settings::Settings;
use std::sync::Arc;

/// 2024-01-01.
const START: Millis = 1_704_067_200_000;

/// The customers and the bytes of each virtual shard's image.
fn images(customers: CustomerId) -> Vec<(u64, Vec<u8>)> {
    let mut images: Vec<Image> = (0..VIRTUAL_SHARDS).map(|_| Image::default()).collect();
    for customer in 0..customers {
        let mut history = History::new(customer);
        let at = |i: u64| START + i as i64 * DAY;
        let id = |i: u64| (customer as u64 * 64 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let purchase = |i| Transaction::new(id(i), at(i), Purchase::new(100 + i, 1, 2, 0, false));
        history.transactions = (0..8).map(purchase).collect();
        let interaction = |i| Interaction {
            id: id(i),
            timestamp: at(i),
            contact: Contact::new(1, Some(7), true),
            propensity: 0.25,
        };
        history.interactions = (0..4).map(interaction).collect();
        let kept = Bookkeeping {
            shown: 0,
            late_purchases: 0,
            late_amount: 0,
            late_day: 0,
            folded_to: Millis::MIN,
        };
        images[virtual_shard(customer) as usize].push(&history, kept);
    }
    images.into_iter().map(|image| (image.customers(), image.into_bytes())).collect()
}

#[test]
#[ignore = "a measurement"]
fn a_million_customers_are_taken_up() {
    let settings = Settings::default();
    let bounds = Domain::of(&settings).expect("they are settings");
    let features = Features::new(&settings.input, &settings.customer).expect("there are such");
    let campaign =
        Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None };
    let images = images(1_000_000);
    let bytes: usize = images.iter().map(|(_, bytes)| bytes.len()).sum();
    let common = Common { epoch: 1, watermark: Some(START), ..Common::default() };
    for _ in 0..5 {
        let contents = || {
            (0..)
                .zip(images.iter().map(|(n, bytes)| (*n, Aligned::from(&bytes[..]))))
                .collect::<Vec<_>>()
        };
        let looked_at = contents();
        let (looked, _, ()) = cost(|| {
            for (shard, (customers, content)) in looked_at {
                let look = Domain::look(&mut bounds.shard(shard), true, customers, content);
                look.expect("it is sound");
            }
        });
        let taken_up = contents();
        let mut loading = Loading::new(&campaign, 0, 1, &common);
        let (loaded, _, ()) = cost(|| {
            for (shard, (_, content)) in taken_up {
                loading.load(shard, true, content).expect("it is whole");
            }
        });
        println!("{bytes} bytes looked through in {looked:?}, loaded in {loaded:?}");
    }
}
