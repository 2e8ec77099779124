//! A client that sends records plainly or in transactions, and is told where each lies.

use super::topics::{PATIENCE, bounds};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use std::sync::Mutex;
use std::time::Duration;

/// A partition of a topic.
pub(crate) type Place = (String, i32);

/// Where a record lies, and which it is.
pub(crate) type Landed<T> = (Place, i64, T);

/// Where the records lie that a client has sent, and what the broker did not take.
struct Receipts<T> {
    landed: Mutex<Vec<Landed<T>>>,
    refused: Mutex<Vec<String>>,
}

impl<T: Send + 'static> ClientContext for Receipts<T> {}

impl<T: Send + Sync + 'static> ProducerContext for Receipts<T> {
    type DeliveryOpaque = Box<T>;

    fn delivery(&self, result: &DeliveryResult<'_>, which: Box<T>) {
        match result {
            Ok(message) => {
                let place = (message.topic().to_string(), message.partition());
                self.landed.lock().expect("nobody panics with it").push((
                    place,
                    message.offset(),
                    *which,
                ));
            }
            Err((error, _)) => {
                self.refused.lock().expect("nobody panics with it").push(error.to_string())
            }
        }
    }
}

/// A client. Whoever writes in transactions can have one open at a time.
pub(crate) struct Client<T: Send + Sync + 'static>(BaseProducer<Receipts<T>>);

impl<T: Send + Sync + 'static> Client<T> {
    /// Of these brokers; with an id it writes in transactions.
    pub(crate) fn new(brokers: &str, transactional: Option<&str>) -> Client<T> {
        let mut config = ClientConfig::new();
        // Idempotent: nothing changes places. The broker that scripts/services starts takes records
        // of up to 16 MiB.
        config
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "16000000");
        config
            .set("linger.ms", "20")
            .set("queue.buffering.max.kbytes", "262144")
            .set("reconnect.backoff.max.ms", "500");
        if let Some(name) = transactional {
            // No broker may end what a test leaves open.
            config.set("transactional.id", name).set("transaction.timeout.ms", "800000");
        }
        let client = Client(
            config
                .create_with_context(Receipts {
                    landed: Mutex::default(),
                    refused: Mutex::default(),
                })
                .expect("a producer"),
        );
        if transactional.is_some() {
            retried("begin with transactions", || client.0.init_transactions(PATIENCE));
        }
        client
    }

    /// Hands a record over, dated `at`; the broker may be away. When it has it, it is told where it
    /// lies by what it is called here.
    pub(crate) fn send(
        &self,
        (topic, partition): (&str, i32),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        at: i64,
        which: T,
    ) {
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(which))
            .partition(partition)
            .timestamp(at);
        (record.key, record.payload) = (key, value);
        while let Err((error, back)) = self.0.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            self.0.poll(Duration::from_millis(5));
            record = back;
        }
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.0.flush(PATIENCE).expect("the broker takes everything");
    }

    /// Where the records lie that the broker has taken since this was last asked.
    pub(crate) fn landed(&self) -> Vec<Landed<T>> {
        let receipts = self.0.context();
        assert_eq!(
            *receipts.refused.lock().expect("nobody panics with it"),
            Vec::<String>::new(),
            "what the broker did not take"
        );
        std::mem::take(&mut *receipts.landed.lock().expect("nobody panics with it"))
    }

    /// Begins a transaction.
    pub(crate) fn begin(&self) {
        self.0.begin_transaction().expect("no other transaction is open");
    }

    /// Ends the transaction that is open.
    pub(crate) fn end(&self, commits: bool) {
        if commits {
            retried("commit", || self.0.commit_transaction(PATIENCE));
        } else {
            // What was not sent yet could not be aborted either.
            self.flush();
            retried("abort", || self.0.abort_transaction(PATIENCE));
        }
    }

    /// The first offset of a partition, and the one behind the last that can be read, as the broker
    /// says: marks of transactions and aborted records have offsets too, and an open transaction
    /// holds back all from its first record on.
    pub(crate) fn bounds(&self, topic: &str, partition: i32) -> (i64, i64) {
        bounds(self.0.client(), topic, partition)
    }
}

/// Does again what the client says can be done again.
fn retried(what: &str, mut attempt: impl FnMut() -> KafkaResult<()>) {
    while let Err(error) = attempt() {
        let again = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
        assert!(again, "a transaction cannot {what}: {error}");
    }
}
