//! Whether a snapshot can be taken up, found out without taking it up: nothing of it is kept, so
//! that it costs little more than reading the bytes.
//!
//! What passes here is taken up by [`restore`](super::restore): bytes that are images of their
//! virtual shards, with rows that fit together and name nothing that the settings do not have, and
//! a common part that is of the same state as the customers are.

use super::Common;
use super::image::{CustomerRows, ImageRows};
use crate::bandit::digest::ModelDigest;
use crate::bandit::totals::Totals;
use crate::bandit::triangle_length;
use crate::codec::Aligned;
use crate::customer::Features;
use crate::dataflow::{Announced, Soundness};
use crate::event::CustomerId;
use crate::event::text::virtual_shard;
use crate::settings::Settings;
use crate::snapshot::SnapshotError;
use hashbrown::HashSet;
use std::collections::BTreeMap;

/// What the rows of a snapshot may name, by the settings that it was taken under.
#[derive(Clone, Debug)]
pub struct Domain {
    arms: usize,
    context: Vec<String>,
    /// Counts of folded purchases.
    counts: usize,
}

/// How many customers each segment has.
pub type Segments = BTreeMap<u8, u64>;

impl Soundness for Domain {
    type Settings = Settings;
    type Common = Common;
    type Shard<'a> = ShardLook<'a>;
    type Found = Segments;

    fn of(settings: &Settings) -> Result<Self, SnapshotError> {
        let features = Features::new(&settings.input, &settings.customer);
        let features = features.map_err(|faults| {
            SnapshotError::Common(format!("it is of settings that are none: {}", faults.join("; ")))
        })?;
        Ok(Domain {
            arms: settings.input.arms.len(),
            context: features.context().names().to_vec(),
            counts: features.layout().stride(),
        })
    }

    fn common(&self, announced: &Announced, bytes: &[u8]) -> Result<Common, SnapshotError> {
        let common = Common::from_bytes(bytes)?;
        match self.fault_of_common(announced, &common) {
            Some(fault) => Err(SnapshotError::Common(fault)),
            None => Ok(common),
        }
    }

    fn shard(&self, shard: u16) -> ShardLook<'_> {
        ShardLook { bounds: self, shard, seen: HashSet::new(), segments: Segments::new() }
    }

    fn look(
        shard: &mut ShardLook<'_>,
        whole: bool,
        customers: u64,
        bytes: Aligned,
    ) -> Result<(), SnapshotError> {
        shard.look(whole, customers, bytes)
    }

    fn found(shard: ShardLook<'_>) -> Segments {
        shard.segments
    }

    fn compare(
        common: &Common,
        shards: impl IntoIterator<Item = Segments>,
    ) -> Result<(), SnapshotError> {
        let mut found = Segments::new();
        shards
            .into_iter()
            .flatten()
            .for_each(|(flags, customers)| *found.entry(flags).or_default() += customers);
        let expected = common.segments.iter().filter(|segment| segment.customers != 0);
        let expected: Segments =
            expected.map(|segment| (segment.flags, segment.customers.max(0) as u64)).collect();
        match found == expected {
            true => Ok(()),
            false => {
                let [found, expected] =
                    [found, expected].map(|segments| segments.values().sum::<u64>());
                Err(SnapshotError::Common(format!(
                    "the virtual shards have {found} customers in its segments, and it has \
                     {expected}"
                )))
            }
        }
    }
}

impl Domain {
    fn fault_of_common(&self, announced: &Announced, common: &Common) -> Option<String> {
        if (common.epoch, common.watermark) != (announced.epoch, announced.watermark) {
            let (epoch, watermark) = (common.epoch, common.watermark);
            return Some(format!(
                "it is of epoch {epoch} with the watermark {watermark:?}, and should be of \
                 {announced:?}"
            ));
        }
        let customers =
            common.segments.iter().map(|segment| segment.customers.max(0) as u64).sum::<u64>();
        if customers != announced.customers {
            return Some(format!(
                "it has {customers} customers in its segments, and should have {}",
                announced.customers
            ));
        }
        let mut arms = common
            .arms
            .iter()
            .map(|version| version.arm as usize)
            .chain(common.arm_days.iter().map(|row| usize::from(row.arm)));
        if let Some(arm) = arms.find(|arm| *arm >= self.arms) {
            return Some(format!("it has an arm {arm}, and there are {}", self.arms));
        }
        let dimension = self.context.len();
        let fits = |totals: &Totals| {
            (totals.b.len(), totals.a.len()) == (dimension, triangle_length(dimension))
        };
        if !common.arms.iter().all(|version| fits(&version.totals)) {
            return Some(format!("its sums are not of contexts with {dimension} terms"));
        }
        if !common
            .arms
            .windows(2)
            .all(|two| (two[0].arm, two[0].epoch) < (two[1].arm, two[1].epoch))
        {
            return Some("its arms are not in order".to_string());
        }
        (self.digest(common) != announced.digest)
            .then(|| "its sums do not have the digest that they should have".to_string())
    }

    fn digest(&self, common: &Common) -> [u8; 32] {
        let newest: BTreeMap<u32, &Totals> =
            common.arms.iter().map(|version| (version.arm, &version.totals)).collect();
        ModelDigest::new(&self.context, self.arms).of(newest)
    }

    /// What is wrong with a customer.
    fn fault(&self, shard: u16, rows: &CustomerRows<'_>) -> Result<(), &'static str> {
        if virtual_shard(rows.customer.customer) != u64::from(shard) {
            return Err("it has customers of another virtual shard");
        }
        if rows.folded_counts().is_some_and(|counts| counts != self.counts) {
            return Err("its folded purchases were counted by other lists");
        }
        if rows
            .interactions
            .iter()
            .any(|interaction| usize::from(interaction.contact.arm()) >= self.arms)
        {
            return Err("it has interactions of an arm that there is not");
        }
        rows.check()
    }
}

/// Looks through the images of one virtual shard. Later images come first: of a customer only the
/// last one counts.
pub struct ShardLook<'a> {
    bounds: &'a Domain,
    shard: u16,
    seen: HashSet<CustomerId>,
    segments: Segments,
}

impl ShardLook<'_> {
    /// Looks through an image that should have so many customers; `whole` where it is the first
    /// one that was taken, after which no other comes here.
    ///
    /// # Errors
    /// It cannot be taken up.
    fn look(
        &mut self,
        whole: bool,
        customers: u64,
        mut bytes: Aligned,
    ) -> Result<(), SnapshotError> {
        let shard = self.shard;
        let refused = |why| SnapshotError::Rows { shard, why };
        let image = ImageRows::of(&mut bytes)?;
        if image.customers() != customers {
            return Err(refused("it has not as many customers as it should have"));
        }
        let looked = image.each(|rows| {
            self.bounds.fault(shard, &rows)?;
            let customer = rows.customer.customer;
            let counts = match whole {
                true => self.seen.is_empty() || !self.seen.contains(&customer),
                false => self.seen.insert(customer),
            };
            if let (true, Ok(flags)) = (counts, u8::try_from(rows.customer.kept.shown)) {
                *self.segments.entry(flags).or_default() += 1;
            }
            Ok(())
        });
        looked.map_err(refused)
    }
}
