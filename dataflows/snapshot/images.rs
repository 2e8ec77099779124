//! Images: what one worker has of a virtual shard, as bytes, on its way into a checkpoint.

/// Customers of one virtual shard, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardImage {
    /// The epoch at whose end they looked so.
    pub epoch: u64,
    /// Which virtual shard.
    pub shard: u16,
    /// Whether it has all its customers; otherwise those that changed since the snapshot before.
    pub whole: bool,
    /// How many customers.
    pub customers: u64,
    /// Their rows.
    pub bytes: Vec<u8>,
}

/// Who takes the images of one worker.
pub trait Images {
    /// Whether another image can be taken now; otherwise the worker goes on and asks again.
    fn has_room(&self) -> bool;
    /// The worker has done its turn, and goes on with other things.
    fn rest(&mut self) {}
    /// Takes an image. Must not wait.
    fn take(&mut self, image: ShardImage);
    /// The worker has given every image of the epoch's snapshot.
    fn complete(&mut self, epoch: u64);
}
