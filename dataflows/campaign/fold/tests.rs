//! Rounds of folding, and snapshots that are taken meanwhile.

use super::*;
use crate::bandit::model::Model;
use crate::campaign::emission::Emission;
use crate::campaign::graph::Campaign;
use crate::campaign::settle::News;
use crate::campaign::shard::Shard;
use crate::campaign::snapshot::Common;
use crate::campaign::snapshot::restore::Loading;
use crate::campaign::thresholds::Published;
use crate::codec::{Aligned, Rows};
use crate::customer::Features;
use crate::epoch::Closed;
use crate::event::{DAY, Kind, Millis, Place, Purchase, Record};
use crate::settings::{Emit, HighValue, Settings};
use crate::snapshot::{Images, ShardImage};
use crate::source::Save;
use std::sync::Arc;

#[test]
fn a_round_comes_to_every_customer() {
    for customers in [1, 63, 64, 65, 200] {
        let mut fold = FoldRound::default();
        let mut epoch = |_| {
            fold.begin(Horizon { events: 1, rewards: 2 }, customers);
            (0..fold.share).map(|_| fold.take(customers)).collect::<Vec<Slot>>()
        };
        let mut seen: Vec<Slot> = (0..ROUND).flat_map(&mut epoch).collect();
        assert!(epoch(0).is_empty(), "the round is over");
        seen.sort_unstable();
        assert_eq!(seen, (0..customers as Slot).collect::<Vec<_>>());
    }
}

#[derive(Default)]
struct Shelf(Vec<ShardImage>);

impl Images for Shelf {
    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, image: ShardImage) {
        self.0.push(image);
    }

    fn complete(&mut self, _: u64) {}
}

const WATERMARK: Millis = 130 * DAY;

fn campaign() -> Campaign {
    let mut settings = Settings::default();
    settings.customer.high_value = HighValue::Fixed(1);
    settings.time.keep = Some(settings.time.least_keep());
    settings.emit = Emit { snapshots: true, ..Emit::default() };
    let features =
        Features::new(&settings.input, &settings.customer).expect("the default features are valid");
    Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None }
}

fn epoch(shard: &mut Shard, records: &[Record]) {
    let closed = Closed { watermark: Some(WATERMARK), ..Closed::default() };
    let records = vec![Rows(records.to_vec())];
    shard.begin(1, News { records, closed: Some(closed), ..News::default() });
    while shard.is_settling() {
        assert_eq!(shard.settle().0.rejected, []);
    }
    shard.begin_learning(1, Published::default());
    let (model, mut emission) = (Model::new(4, 32, 1.0), Emission::new(4, 32, false));
    let learned = std::iter::repeat_with(|| shard.learn(&model, &mut emission).1).find_map(|l| l);
    learned.expect("learning ends").finish(&mut shard.customers, &mut emission);
}

#[test]
fn a_snapshot_has_a_customer_as_of_its_epoch_who_is_folded_while_it_is_taken() {
    let campaign = campaign();
    let mut shard = campaign.shard(0, 1);
    let origin = Record::origin(Kind::Transaction, Place::new(0, 0));
    let record = Record {
        customer: 7,
        id: 1,
        timestamp: 100 * DAY,
        origin,
        value: Purchase::new(500, 0, 0, 0, false).0,
        extra: 0,
    };
    epoch(&mut shard, &[record]);
    shard.begin_snapshot(1, Save::Everything);
    epoch(&mut shard, &[]);
    let held = |shard: &Shard| {
        let history = shard.customers.history(0);
        (history.transactions.len(), history.folded().is_some())
    };
    assert_eq!(held(&shard), (0, true));

    let mut shelf = Shelf::default();
    while shard.go_on_with_snapshot(&mut shelf) {}
    let mut loading = Loading::new(
        &campaign,
        0,
        1,
        &Common { epoch: 1, watermark: Some(WATERMARK), ..Common::default() },
    );
    for image in &shelf.0 {
        loading
            .load(image.shard, image.whole, Aligned::from(&image.bytes[..]))
            .expect("the bytes are whole");
    }
    let mut loaded = loading.finish();
    assert_eq!(held(&loaded), (1, false));
    epoch(&mut loaded, &[]);
    assert_eq!(held(&loaded), (0, true));
}
