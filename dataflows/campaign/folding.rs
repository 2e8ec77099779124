//! Folding what is older than is kept: which customers, and when.
//!
//! By the rule all customers are folded up to the epoch's horizon at its beginning, whenever the
//! horizon has moved. That would be much work at once, so a customer is folded when it is first
//! touched in an epoch, before anything of it changes, and the others some at a time. Nobody can
//! tell the difference: [`History::fold`](crate::customer::history::History::fold) up to one
//! instant and then another is the same as up to the other at once, and who is not touched is not
//! looked at. A snapshot holds a customer as far as it was folded, and says how far that was.

use crate::campaign::shard::{Shard, Slot};
use crate::event::{Horizon, Millis};

/// How far each customer is folded, and who is next.
#[derive(Debug)]
pub(super) struct Folding {
    /// Up to when events are folded in this epoch.
    pub(super) horizon: Horizon,
    /// Up to when each customer was folded, by slot; those behind the end not at all. Empty where
    /// everything is kept.
    folded_to: Vec<Millis>,
    /// The customer with which the round goes on.
    next: usize,
    /// Customers that are left of the round that the last move of the horizon began.
    left: usize,
}

/// Epochs in which a round comes to all customers.
const ROUND: usize = 64;

impl Folding {
    /// Nothing is folded.
    pub(super) fn new() -> Self {
        Folding { horizon: Horizon::NONE, folded_to: Vec::new(), next: 0, left: 0 }
    }

    /// Up to when a customer was folded.
    pub(super) fn folded_to(&self, slot: Slot) -> Millis {
        self.folded_to.get(slot as usize).copied().unwrap_or(Millis::MIN)
    }

    /// Notes up to when a customer was folded.
    pub(super) fn note(&mut self, slot: Slot, folded_to: Millis) {
        if folded_to == Millis::MIN {
            return;
        }
        if self.folded_to.len() <= slot as usize {
            self.folded_to.resize(slot as usize + 1, Millis::MIN);
        }
        self.folded_to[slot as usize] = folded_to;
    }

    /// Moves the horizon; where that is a move, a round begins over so many customers.
    fn move_to(&mut self, horizon: Horizon, customers: usize) {
        if horizon != self.horizon {
            self.horizon = horizon;
            self.left = customers;
        }
    }

    /// The customers whose turn it is, of so many.
    fn turn(&mut self, customers: usize) -> impl Iterator<Item = Slot> + use<> {
        let (start, number) = (self.next, customers.div_ceil(ROUND).min(self.left));
        self.left -= number;
        self.next = if customers == 0 { 0 } else { (start + number) % customers };
        (start..start + number).map(move |at| (at % customers) as Slot)
    }
}

impl Shard {
    /// Moves the horizon to that of the epoch which begins, and folds the customers whose turn it
    /// is.
    pub(super) fn begin_folding(&mut self) {
        if self.settings.time.keep.is_none() {
            return;
        }
        self.folding.move_to(self.settings.time.horizon(self.watermark), self.histories.len());
        for slot in self.folding.turn(self.histories.len()) {
            let is_old = self.folding.folded_to(slot) < self.folding.horizon.events;
            if is_old && self.histories[slot as usize].reaches_behind(self.folding.horizon.events) {
                self.note_change(slot);
            }
            self.fold(slot);
        }
    }

    /// Folds a customer up to the horizon, unless that has been done. Call it before anything of
    /// the customer changes, and after [`note_change`](Self::note_change) where there is anything
    /// to be folded.
    pub(super) fn fold(&mut self, slot: Slot) {
        let before = self.folding.horizon.events;
        if self.folding.folded_to(slot) >= before {
            return;
        }
        self.folding.note(slot, before);
        self.histories[slot as usize].fold(
            before,
            self.settings.time.attribution_window,
            self.features.layout(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::emission::Emission;
    use crate::campaign::feed::Save;
    use crate::campaign::graph::Campaign;
    use crate::campaign::snapshot::restore::Loading;
    use crate::campaign::snapshot::{Common, Images, ShardImage};
    use crate::campaign::thresholds::Published;
    use crate::codec::rows::Rows;
    use crate::customer::Features;
    use crate::event::{DAY, Kind, Place, Purchase, Record};
    use crate::settings::{Emit, HighValue, Settings};
    use std::sync::Arc;

    #[test]
    fn a_round_comes_to_every_customer() {
        for customers in [1, 63, 64, 65, 200] {
            let mut folding = Folding::new();
            folding.move_to(Horizon { events: 1, rewards: 2 }, customers);
            let mut seen: Vec<Slot> =
                (0..ROUND).flat_map(|_| folding.turn(customers).collect::<Vec<_>>()).collect();
            assert!(folding.turn(customers).next().is_none(), "the round is over");
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
        let features = Features::new(&settings.input, &settings.customer)
            .expect("the default features are valid");
        Campaign { settings: Arc::new(settings), features: Arc::new(features), thresholds: None }
    }

    fn epoch(shard: &mut Shard, records: &[Record]) {
        let mut rejected = Vec::new();
        shard.settle(1, vec![Rows(records.to_vec())], Vec::new(), &mut rejected);
        assert_eq!(rejected, []);
        shard.visit(&Published::default(), Some(WATERMARK), &mut Emission::new(4, 32, false));
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
            (shard.histories[0].transactions.len(), shard.histories[0].folded().is_some())
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
            loading.load(image.shard, image.whole, &image.bytes).expect("the bytes are whole");
        }
        let mut loaded = loading.finish();
        assert_eq!(held(&loaded), (1, false));
        epoch(&mut loaded, &[]);
        assert_eq!(held(&loaded), (0, true));
    }
}
