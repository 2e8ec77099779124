//! The image of a virtual shard, read back: its customers, each as it was kept.

use super::Keyed;
use super::shards::Holding;
use crate::event::text::virtual_shard;
use crate::snapshot::SnapshotError;
use crate::source::CustomerId;

/// Customers, each with what is kept of it.
type HeldCustomers<K> = Vec<(CustomerId, Holding<<K as Keyed>::Kept>)>;

/// The customers of an image of this virtual shard, in ascending order.
pub(super) fn customers<K: Keyed>(
    shard: u16,
    whole: bool,
    bytes: &[u8],
) -> Result<HeldCustomers<K>, SnapshotError> {
    let refused = |why| SnapshotError::Rows { shard, why };
    if !whole {
        return Err(refused("it has changes only, and this dataflow writes whole images"));
    }
    let customers: HeldCustomers<K> = serde_json::from_slice(bytes)
        .map_err(|_| refused("it is no list of customers of this dataflow"))?;
    if !customers.is_sorted_by(|(before, _), (after, _)| before < after) {
        return Err(refused("its customers are not in order"));
    }
    if customers.iter().any(|(customer, _)| virtual_shard(*customer) != u64::from(shard)) {
        return Err(refused("it has customers of another virtual shard"));
    }
    Ok(customers)
}
