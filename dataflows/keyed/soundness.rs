//! Whether a snapshot can be taken up, found out without taking it up: what passes here is taken up
//! by [`KeyedRestoring`](super::KeyedRestoring), and has the digest that it should have.

use super::{Keyed, KeyedCommon, KeyedSettings, ViewSum, image};
use crate::codec::Aligned;
use crate::dataflow::{Announced, Soundness};
use crate::snapshot::SnapshotError;
use std::marker::PhantomData;

/// Looks through the snapshots of a small dataflow.
pub struct KeyedSoundness<K>(PhantomData<fn() -> K>);

/// A virtual shard, and what is seen of its customers.
pub struct KeyedLook {
    shard: u16,
    found: Option<ViewSum>,
}

impl<K: Keyed> Soundness for KeyedSoundness<K> {
    type Settings = KeyedSettings;
    type Common = KeyedCommon;
    type Shard<'a> = KeyedLook;
    type Found = ViewSum;

    fn of(_: &KeyedSettings) -> Result<Self, SnapshotError> {
        Ok(KeyedSoundness(PhantomData))
    }

    fn common(&self, announced: &Announced, bytes: &[u8]) -> Result<KeyedCommon, SnapshotError> {
        let common = KeyedCommon::from_bytes(bytes)?;
        let Announced { epoch, watermark, digest, customers } = announced;
        let fault = if (common.epoch, common.watermark) != (*epoch, *watermark) {
            format!(
                "it is of epoch {} with the watermark {:?}, and should be of epoch {epoch} with \
                 {watermark:?}",
                common.epoch, common.watermark
            )
        } else if common.customers() != *customers {
            format!("it has {} customers, and should have {customers}", common.customers())
        } else if common.digest::<K>() != *digest {
            "its sum does not have the digest that it should have".to_string()
        } else {
            return Ok(common);
        };
        Err(SnapshotError::Common(fault))
    }

    fn shard(&self, shard: u16) -> KeyedLook {
        KeyedLook { shard, found: None }
    }

    fn look(
        look: &mut KeyedLook,
        whole: bool,
        customers: u64,
        bytes: Aligned,
    ) -> Result<(), SnapshotError> {
        let shard = look.shard;
        let held = image::customers::<K>(shard, whole, &bytes)?;
        if held.len() as u64 != customers {
            let why = "it has not as many customers as it should have";
            return Err(SnapshotError::Rows { shard, why });
        }
        // Each image is whole, so the last one counts, which comes first.
        if look.found.is_none() {
            let mut sum = ViewSum::default();
            for (customer, holding) in held {
                let view = K::view(&holding.kept);
                view.iter().for_each(|view| sum.add(&ViewSum::of(customer, view)));
            }
            look.found = Some(sum);
        }
        Ok(())
    }

    fn found(look: KeyedLook) -> ViewSum {
        look.found.unwrap_or_default()
    }

    fn compare(
        common: &KeyedCommon,
        found: impl IntoIterator<Item = ViewSum>,
    ) -> Result<(), SnapshotError> {
        let mut sum = ViewSum::default();
        found.into_iter().for_each(|found| sum.add(&found));
        if sum == common.sum {
            return Ok(());
        }
        Err(SnapshotError::Common(format!(
            "the virtual shards have {} customers that are seen, and it has {}, or their views are \
             others",
            sum.views, common.sum.views
        )))
    }
}
