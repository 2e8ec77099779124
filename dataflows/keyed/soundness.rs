//! Whether a snapshot can be taken up, found out without taking it up: what passes here is taken up
//! by [`KeyedRestoring`](super::KeyedRestoring), and has the digest that it should have.

use super::{Keyed, KeyedCommon, ViewSum, image};
use crate::codec::Aligned;
use crate::snapshot::SnapshotError;
use crate::time::Millis;

impl KeyedCommon {
    /// Looks through the common part of a snapshot that is announced to be of this epoch, with this
    /// watermark, this digest, and so many customers of whom something is seen.
    ///
    /// # Errors
    /// It cannot be read, or is of another one.
    pub fn look<K: Keyed>(
        (epoch, watermark): (u64, Option<Millis>),
        digest: &[u8; 32],
        customers: u64,
        bytes: &[u8],
    ) -> Result<KeyedCommon, SnapshotError> {
        let common = KeyedCommon::from_bytes(bytes)?;
        let fault = if (common.epoch, common.watermark) != (epoch, watermark) {
            format!(
                "it is of epoch {} with the watermark {:?}, and should be of epoch {epoch} with \
                 {watermark:?}",
                common.epoch, common.watermark
            )
        } else if common.customers() != customers {
            format!("it has {} customers, and should have {customers}", common.customers())
        } else if common.digest::<K>() != *digest {
            "its sum does not have the digest that it should have".to_string()
        } else {
            return Ok(common);
        };
        Err(SnapshotError::Common(fault))
    }

    /// Makes sure that what the virtual shards have comes to what is here.
    ///
    /// # Errors
    /// It comes to something else.
    pub fn compare(&self, shards: impl IntoIterator<Item = ViewSum>) -> Result<(), SnapshotError> {
        let mut found = ViewSum::default();
        shards.into_iter().for_each(|sum| found.add(&sum));
        if found == self.sum {
            return Ok(());
        }
        Err(SnapshotError::Common(format!(
            "the virtual shards have {} customers that are seen, and it has {}, or their views are \
             others",
            found.views, self.sum.views
        )))
    }
}

impl ViewSum {
    /// Looks through an image of a virtual shard that should have so many customers; gives the sum
    /// of what is seen of them.
    ///
    /// # Errors
    /// It cannot be taken up.
    pub fn look<K: Keyed>(
        shard: u16,
        whole: bool,
        customers: u64,
        bytes: &Aligned,
    ) -> Result<ViewSum, SnapshotError> {
        let held = image::customers::<K>(shard, whole, bytes)?;
        if held.len() as u64 != customers {
            let why = "it has not as many customers as it should have";
            return Err(SnapshotError::Rows { shard, why });
        }
        let mut sum = ViewSum::default();
        for (customer, holding) in held {
            let view = K::view(&holding.kept);
            view.iter().for_each(|view| sum.add(&ViewSum::of(customer, view)));
        }
        Ok(sum)
    }
}
