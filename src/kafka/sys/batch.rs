//! Messages of many partitions from one queue, a batch at a time: what rdkafka's safe interface
//! does not offer.
//!
//! Each partition's own queue is forwarded to one queue of ours, out of which batches are taken;
//! statistics and errors of the client itself go on arriving on the consumer's main queue. Measured
//! against `BaseConsumer::poll` (`tests::measure`), that takes half the time of the processor a
//! message.

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaMessage, RDKafkaQueue};
use rdkafka_sys as native;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// The queue that the partitions' messages are taken from.
pub(in crate::kafka) struct BatchQueue<C: ConsumerContext + 'static> {
    queue: Queue,
    /// Where a batch's pointers go; all its entries are unused between batches.
    slots: Vec<*mut RDKafkaMessage>,
    /// Released after the queue: fields are dropped in their order.
    consumer: Arc<BaseConsumer<C>>,
}

/// The queue of one partition. It must live for as long as the partition is read.
pub(in crate::kafka) struct PartitionQueue<C: ConsumerContext + 'static> {
    queue: Queue,
    /// Released after the queue: fields are dropped in their order.
    _consumer: Arc<BaseConsumer<C>>,
}

/// A reference of ours to a queue of the client.
struct Queue(NonNull<RDKafkaQueue>);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the reference came from rd_kafka_queue_new or rd_kafka_queue_get_partition and is
        // given back exactly once, here. The client is alive: every owner of a `Queue` holds the
        // consumer beside it and drops it later.
        unsafe { native::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

impl<C: ConsumerContext + 'static> BatchQueue<C> {
    /// A queue that hands out at most `size` messages at a time; `None` where the client has no
    /// memory for it.
    pub(in crate::kafka) fn new(consumer: Arc<BaseConsumer<C>>, size: usize) -> Option<Self> {
        // SAFETY: the client's pointer is valid while `consumer` lives, and the queue is dropped
        // before it.
        let queue =
            NonNull::new(unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) })?;
        Some(BatchQueue { queue: Queue(queue), slots: vec![ptr::null_mut(); size], consumer })
    }

    /// Takes the messages of a partition from now on. To be called before the partition is
    /// assigned; `None` for a name that cannot be one.
    pub(in crate::kafka) fn take(&self, topic: &str, partition: i32) -> Option<PartitionQueue<C>> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: client and name are valid for the call, which copies the name.
        let queue = unsafe {
            native::rd_kafka_queue_get_partition(
                self.consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            )
        };
        let taken = PartitionQueue {
            queue: Queue(NonNull::new(queue)?),
            _consumer: Arc::clone(&self.consumer),
        };
        self.release(&taken);
        Some(taken)
    }

    /// Lets the messages of a held partition come again, those first that have waited.
    pub(in crate::kafka) fn release(&self, partition: &PartitionQueue<C>) {
        // SAFETY: both references are valid; the call is made under the queues' locks and keeps a
        // reference of its own to the destination.
        unsafe { native::rd_kafka_queue_forward(partition.queue.0.as_ptr(), self.queue.0.as_ptr()) }
    }

    /// Keeps back the messages of a partition from now on: they wait in its own queue, and when
    /// that is full the client stops fetching them.
    pub(in crate::kafka) fn hold(&self, partition: &PartitionQueue<C>) {
        // SAFETY: the reference is valid; no destination means that the queue keeps what it gets.
        unsafe { native::rd_kafka_queue_forward(partition.queue.0.as_ptr(), ptr::null_mut()) }
    }

    /// Waits for a message until `wait` has passed, and takes all that are there then, up to the
    /// queue's size.
    pub(in crate::kafka) fn poll(&mut self, wait: Duration) -> TakenMessages<'_> {
        // librdkafka waits until a batch is full: so a batch of one is awaited, and the rest taken
        // without waiting.
        let mut filled = self.fill(0, 1, wait);
        if filled == 1 {
            filled += self.fill(1, self.slots.len() - 1, Duration::ZERO);
        }
        TakenMessages { slots: &mut self.slots[..filled] }
    }

    /// Fills up to `count` slots from `first` on; returns how many.
    fn fill(&mut self, first: usize, count: usize, wait: Duration) -> usize {
        let slots = &mut self.slots[first..][..count];
        let milliseconds = i32::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        // SAFETY: queue and slots are valid for the call, which writes at most `slots.len()`
        // pointers from the start of `slots` on.
        let filled = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue.0.as_ptr(),
                milliseconds,
                slots.as_mut_ptr(),
                slots.len(),
            )
        };
        usize::try_from(filled).unwrap_or(0)
    }
}

/// Messages just taken; they are given back when this is dropped.
pub(in crate::kafka) struct TakenMessages<'queue> {
    slots: &'queue mut [*mut RDKafkaMessage],
}

impl TakenMessages<'_> {
    /// In the order in which they came.
    pub(in crate::kafka) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        // SAFETY: each slot points to a message that librdkafka has handed over and that stays as
        // it is until `self` is dropped.
        self.slots.iter().map(|slot| Message(unsafe { &**slot }))
    }
}

impl Drop for TakenMessages<'_> {
    fn drop(&mut self) {
        for slot in self.slots.iter() {
            // SAFETY: ours since the poll, and given back exactly once; no `Message` outlives the
            // borrow of `self`.
            unsafe { native::rd_kafka_message_destroy(*slot) }
        }
    }
}

/// A message, or an error of a partition in its place.
#[derive(Clone, Copy)]
pub(in crate::kafka) struct Message<'batch>(&'batch RDKafkaMessage);

impl<'batch> Message<'batch> {
    /// The error that stands in place of a message.
    pub(in crate::kafka) fn error(&self) -> Option<RDKafkaErrorCode> {
        match RDKafkaErrorCode::from(self.0.err) {
            RDKafkaErrorCode::NoError => None,
            code => Some(code),
        }
    }

    /// Name of the topic; `None` for an error that belongs to none.
    pub(in crate::kafka) fn topic(&self) -> Option<&'batch CStr> {
        // SAFETY: a topic that is not null is kept alive by the message, and its name lives as long
        // as it.
        (!self.0.rkt.is_null())
            .then(|| unsafe { CStr::from_ptr(native::rd_kafka_topic_name(self.0.rkt)) })
    }

    /// The partition.
    pub(in crate::kafka) fn partition(&self) -> i32 {
        self.0.partition
    }

    /// Whether it is of the same topic and partition as another message of the batch.
    pub(in crate::kafka) fn is_beside(&self, other: &Message<'_>) -> bool {
        // Both messages keep their topic alive, so equal pointers are one topic.
        ptr::eq(self.0.rkt, other.0.rkt) && self.0.partition == other.0.partition
    }

    /// The offset; of the end of a partition the next that will be.
    pub(in crate::kafka) fn offset(&self) -> i64 {
        self.0.offset
    }

    /// The broker's or the producer's timestamp in milliseconds, as the topic is configured; -1
    /// where there is none.
    pub(in crate::kafka) fn timestamp(&self) -> i64 {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: message and destination are valid for the call.
        unsafe { native::rd_kafka_message_timestamp(self.0, &mut kind) }
    }

    /// The value, or the text of the error; `None` for null.
    pub(in crate::kafka) fn value(&self) -> Option<&'batch [u8]> {
        // SAFETY: librdkafka says where the value is and how long, and keeps it until the message
        // is destroyed.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// The key; `None` for null.
    pub(in crate::kafka) fn key(&self) -> Option<&'batch [u8]> {
        // SAFETY: as for the value; an error has no key.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }
}

/// # Safety
/// Unless null, `start` must point to `length` bytes that do not change for the lifetime.
unsafe fn bytes<'batch>(start: *const std::ffi::c_void, length: usize) -> Option<&'batch [u8]> {
    // SAFETY: what is promised above.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), length) })
}
